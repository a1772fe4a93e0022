"""Sessions: a script of statements under some settings, and what came of it."""
import time
from dataclasses import dataclass, field

import psycopg2
import psycopg2.extensions

from catalog import quote
from text import literals, render

# every value as the text that PostgreSQL prints
AS_TEXT = psycopg2.extensions.new_type(
    (16, 17, 20, 21, 23, 25, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 3802,
     1000, 1005, 1007, 1009, 1016, 1021, 1022, 1115, 1182, 1185, 1231, 2951), "AS_TEXT", lambda value, cursor: value)

PLANNER = {
    "enable_hashjoin": ["off"], "enable_mergejoin": ["off"], "enable_nestloop": ["off"], "enable_material": ["off"], "enable_memoize": ["off"],
    "enable_sort": ["off"], "enable_async_append": ["off"], "enable_hashagg": ["off"], "enable_incremental_sort": ["off"], "enable_seqscan": ["off"],
    "enable_partitionwise_join": ["on"], "enable_partitionwise_aggregate": ["on"], "join_collapse_limit": ["1"], "from_collapse_limit": ["1"],
    "geqo_threshold": ["2"], "work_mem": ["64kB"], "plan_cache_mode": ["force_generic_plan", "force_custom_plan"], "cursor_tuple_fraction": ["0.001", "1"],
    "force_parallel_mode": ["on"], "jit": ["on"],
}
LOOPS = {"enable_hashjoin": "off", "enable_mergejoin": "off"}  # so that inner scans are parameterised


@dataclass
class Result:
    rows: list
    types: list = field(default_factory=list)
    state: str = None  # SQLSTATE
    message: str = ""


@dataclass
class Script:
    """Statements to run one after the other; steps marked False have no answer."""
    kind: str
    before: list
    steps: list
    after: list
    query: str
    numbers: list = field(default_factory=list)
    calls: list = field(default_factory=list)

    def write(self, query):
        """After the query was changed."""
        use_parameters(query, self.numbers)
        self.query = render(query.node)
        if self.kind == "plain":
            self.steps = [self.query]
        elif self.kind == "prepared":
            self.before = [f"PREPARE q{parameter_types(self.numbers)} AS {self.query}"]
        else:
            self.before = self.before[:1] + [self.before[1].split(" CURSOR FOR ")[0] + " CURSOR FOR " + self.query]

    def restore(self):
        for lit in self.numbers:
            lit.number = 0

    def text(self):
        return ";\n".join(self.before + self.steps) + ";"

    def explained(self):
        """What EXPLAIN is given, once before is done."""
        return self.steps[-1] if self.kind == "prepared" else self.query


def use_parameters(query, numbers):
    for i, lit in enumerate(numbers):
        lit.number = i + 1


def parameter_types(numbers):
    return f"({', '.join(lit.type for lit in numbers)})" if numbers else ""


def make_prepared(query, rng):
    """Executed often enough that a generic plan may come in."""
    found = literals(query.node)
    numbers = rng.sample(found, min(len(found), rng.randint(1, 4)))
    calls = []
    for _ in range(7):
        values = ["NULL" if rng.random() < 0.07 else lit.text if rng.random() < 0.3 else quote(rng.choice(lit.pool)) + "::" + lit.type for lit in numbers]
        calls.append("EXECUTE q" + (f"({', '.join(values)})" if values else ""))
    script = Script("prepared", [], calls, ["DEALLOCATE ALL"], "", numbers)
    script.write(query)
    return script


SCROLLS = ["FETCH 3 FROM c", "FETCH BACKWARD 2 FROM c", "FETCH PRIOR FROM c", "MOVE 2 IN c", "FETCH FIRST FROM c", "FETCH LAST FROM c", "FETCH ABSOLUTE 4 FROM c",
           "FETCH RELATIVE -1 FROM c", "FETCH NEXT FROM c", "MOVE BACKWARD ALL IN c", "FETCH 0 FROM c", "FETCH ALL FROM c", "FETCH BACKWARD ALL FROM c"]


def make_cursor(query, rng):
    if query.answer == "list" and rng.random() < 0.6:
        declare, steps = "DECLARE c SCROLL", [rng.choice(SCROLLS) for _ in range(rng.randint(3, 8))]
    elif query.answer == "list":
        declare = "DECLARE c" + rng.choice(["", " NO SCROLL"])
        steps = [rng.choice(["FETCH 2 FROM c", "FETCH FROM c", "MOVE 3 IN c", "FETCH 50 FROM c"]) for _ in range(rng.randint(2, 5))] + ["FETCH ALL FROM c"]
    else:
        declare, steps = "DECLARE c", ["FETCH 3 FROM c", "FETCH ALL FROM c", "FETCH NEXT FROM c"]
    script = Script("cursor", ["BEGIN", declare + " CURSOR FOR "], steps, ["ROLLBACK"], "")
    script.write(query)
    return script


def make_script(query, rng):
    if query.script == "prepared":
        return make_prepared(query, rng)
    if query.script == "cursor":
        return make_cursor(query, rng)
    script = Script("plain", [], [], [], "")
    script.write(query)
    return script


def planner_settings(rng):
    settings = dict(LOOPS) if rng.random() < 0.4 else {}
    for name in rng.sample(sorted(PLANNER), rng.choice([0, 1, 1, 2, 3])):
        settings[name] = rng.choice(PLANNER[name])
    return settings


def variants(rng, switches, numbers):
    """Two ways to run a query besides the usual one."""
    chosen = []
    for _ in range(2):
        dice = rng.random()
        off = switches if dice < 0.2 else [rng.choice(switches)] if dice < 0.65 else rng.sample(switches, rng.randint(1, len(switches))) if dice < 0.8 else []
        settings = {name: "off" for name in off}
        for name, low, high in numbers:
            if rng.random() < 0.5:
                settings[name] = str(rng.randint(low, high))
        if rng.random() < 0.65:
            settings.update(planner_settings(rng))
        chosen.append(("all off" if off == switches else f"{len(off)} off" if off else "other plans", settings))
    return chosen


def describe_settings(settings):
    return "".join(f"SET {n} = {quote(v)};\n" for n, v in settings.items()).rstrip("\n")


class Session:
    def __init__(self, path):
        self.path = path
        self.connection = None

    def connect(self):
        """Also after a crash, when the server needs some seconds."""
        # longer than statement_timeout, which is judged by itself: a store on a busy machine may need its time for a login
        options = (f"-c search_path={self.path.replace(' ', '')} -c statement_timeout=15s -c client_min_messages=error -c jit=off"
                   " -c cipherhorizon.connect_timeout=20s")
        for _ in range(60):
            try:
                connection = psycopg2.connect("", options=options)
                connection.autocommit = True
                psycopg2.extensions.register_type(AS_TEXT, connection)
                with connection.cursor() as cursor:
                    cursor.execute("LOAD 'cipherhorizon'")
                return connection
            except psycopg2.OperationalError:
                time.sleep(0.5)
        raise SystemExit("the server does not come back")

    def cursor(self):
        if self.connection is None or self.connection.closed:
            self.connection = self.connect()
        return self.connection.cursor()

    def step(self, cursor, sql):
        try:
            cursor.execute(sql)
            if cursor.description is None:
                return Result([])
            return Result(cursor.fetchall(), [d.type_code for d in cursor.description])
        except psycopg2.Error as error:
            if error.pgcode is None or self.connection.closed:
                self.connection.close()
                return Result([], state="crash", message=str(error).strip())
            return Result([], state=error.pgcode, message=str(error).strip())

    def local(self, settings):
        return "".join(f"SET LOCAL {n} = {quote(v)};" for n, v in settings.items())

    def run(self, script, settings):
        """A Result for each step that has an answer."""
        results = self.run_once(script, settings)
        # the crash may have been another session's
        return self.run_once(script, settings) if any(r.state == "crash" for r in results) else results

    def run_once(self, script, settings):
        cursor = self.cursor()
        if script.kind == "plain":
            return [self.step(cursor, self.local(settings) + script.query)]
        return self.several(cursor, script, settings, script.steps)

    def several(self, cursor, script, settings, steps):
        results = [r for r in (self.step(cursor, sql) for sql in [describe_settings(settings) or "SELECT"] + script.before) if r.state]
        if not results:
            for sql in steps:
                results.append(self.step(cursor, sql))
                if results[-1].state == "crash" or (results[-1].state and script.kind == "cursor"):
                    break
        if not self.connection.closed:
            for sql in script.after + ["RESET ALL"]:
                self.step(cursor, sql)
        return results

    def explain(self, script, settings, options):
        cursor = self.cursor()
        sql = f"EXPLAIN ({options}) {script.explained()}"
        if script.kind == "prepared":
            return self.several(cursor, script, settings, [sql])[0]
        return self.step(cursor, self.local(settings) + sql)
