"""Queries by chance, over one to four tables.

Most have an answer that SQL determines; a Query says how much of it:
  bag    the rows, in any order
  list   the rows and their order
  sorted the rows, and the order of their first columns, which are the sort keys
  keys   with a LIMIT: only those first columns
  count  how many rows
"""
from dataclasses import dataclass, field

from catalog import Pairs
from expressions import C, Expressions, Source
from text import Bag, Lit, Opt, literals, render

STORES = {"nat": 12, "inf": 20, "mon": 21, "neo": 16, "red": 20, "part": 11}  # how often a table is one of theirs
FEW_ROWS, MANY_ROWS = 120, 800  # of a join, as it is estimated


@dataclass
class Query:
    kind: str
    node: object
    answer: str = "bag"
    nkeys: int = 0  # leading columns that are the sort keys
    loose: bool = False  # -0 and 0, 1.0 and 1.00 count as one
    raises: bool = False  # every row is evaluated, some raise
    script: str = "plain"  # plain, prepared, cursor
    stores: list = field(default_factory=list)


class Generator(Expressions):
    def __init__(self, rng, relations, functions, pairs=None):
        super().__init__(rng)
        self.relations, self.functions = relations, functions
        self.pairs = pairs or Pairs()
        self.number = 0  # of the last alias
        self.used = []  # tables
        self.group = []  # columns that are grouped by
        self.home = None  # the server of most tables

    # ---- tables and joins ------------------------------------------------------------

    def relation(self, *categories):
        """A table; one that has columns of these categories."""
        near = [r for r in self.relations if self.home and r.server == self.home and all(any(c.category == k for c in r.columns) for k in categories)]
        if near and self.chance(0.9):
            return self.pick(near)
        while True:
            store = self.rng.choices(list(STORES), list(STORES.values()))[0]
            r = self.pick([r for r in self.relations if r.store == store])
            if (r.rows or self.chance(0.12)) and all(any(c.category == k for c in r.columns) for k in categories):
                return r

    def source(self, relation=None):
        self.number += 1
        relation = relation or self.relation()
        self.used.append(relation)
        return Source(f"x{self.number}", relation)

    def joinable(self, scope, relation, tries=30):
        """A pair of columns that joins some rows, but not too many: (ref, column, rows)."""
        categories = ("int", "text", "time", "date", "uuid", "float", "num")
        refs = self.refs(scope, *categories)
        columns = [c for c in relation.columns if c.category in categories]
        if not refs or not columns:
            return None
        for attempt in range(tries):
            ref, column = self.pick(refs), self.pick(columns)
            if ref.category != column.category:
                continue
            size = self.pairs.size(ref.column, column)
            if 0 < size <= 300 or attempt > tries - 5:
                return ref, column, size
        return None

    def neighbour(self, scope):
        """Now and then a table of the server of one that is there: its store may join them."""
        server = scope[-1].relation.server
        near = [r for r in self.relations if r.server == server and server]
        return self.pick(near) if near and self.chance(0.3) else None

    def equality(self, ref, other):
        parts = [ref.text, " = ", other.text, self.collate_for(ref, other)]
        return parts if self.chance(0.7) else [other.text, " = ", ref.text, self.collate_for(ref, other)]

    def join(self, scope, rows, type):
        """The next table: (node, source, rows), or None if it would be too much."""
        for attempt in range(6):
            source = self.source(self.neighbour(scope) if attempt < 3 else None)
            found = self.joinable(scope, source.relation)
            if found is None:
                self.used.pop()
                continue
            ref, column, size = found
            grown = rows * size / max(1, len(ref.column.values))
            if type != "JOIN":
                grown = max(grown, rows, source.rows)
            if grown > self.most_rows:
                self.used.pop()
                continue
            conditions = [self.equality(ref, source.ref(column))]
            if self.chance(0.3) and type != "FULL JOIN":
                conditions.append(self.condition([source] if self.chance(0.5) else [source, *scope], 1))
            node = [f" {type} ", source.relation.name, " ", source.alias, " ON ", Bag(conditions, " AND ", "", "")]
            return node, source, max(1.0, grown)
        return None

    def tables(self, n, types=("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")):
        """FROM: (node, scope).  Commas and crosses, too."""
        first = self.source()
        scope, rows, node = [first], max(1.0, first.rows), [first.relation.name, " ", first.alias]
        for _ in range(n - 1):
            if self.chance(0.08):
                other = self.source()
                if rows * other.rows <= self.most_rows:
                    node.append([" CROSS JOIN ", other.relation.name, " ", other.alias])
                    scope.append(other)
                    rows *= max(1, other.rows)
                    continue
                self.used.pop()
            joined = self.join(scope, rows, self.pick(types))
            if joined:
                node.append(joined[0])
                scope.append(joined[1])
                rows = joined[2]
        return node, scope

    def comma_tables(self, n):
        """FROM a, b, c WHERE a.x = b.y AND ...: (from, conditions, scope)."""
        first = self.source()
        scope, rows, names, conditions = [first], max(1.0, first.rows), [f"{first.relation.name} {first.alias}"], []
        for _ in range(n - 1):
            joined = self.join(scope, rows, "JOIN")
            if joined:
                node, source, rows = joined
                conditions += node[-1].items
                names.append(f"{source.relation.name} {source.alias}")
                scope.append(source)
        self.rng.shuffle(names)
        return ", ".join(names), conditions, scope

    # ---- clauses ----------------------------------------------------------------------------

    def where(self, scope, *more, chance=0.75):
        conditions = list(more)
        if self.chance(chance):
            conditions.append(self.condition(scope))
        if not conditions:
            return ""
        node = [" WHERE ", Bag(conditions, " AND ", "", "")]
        return node if more else Opt(node)

    def output(self, scope):
        """Something to select."""
        ref = self.pick(self.refs(scope))
        if self.chance(0.7):
            return ref.text
        return self.scalar(scope, ref.category) or ref.text

    def outputs(self, scope, least=1, most=5):
        return [self.output(scope) for _ in range(self.rng.randint(least, most))]

    def direction(self):
        return self.pick(["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC"])

    def total_keys(self, scope):
        """Columns by which no two rows are equal, or None."""
        keys = []
        for source in scope:
            if not source.relation.uniques:
                return None
            keys += [source.ref(c).text for c in self.pick(source.relation.uniques)]
        return keys

    def select(self, keys, others):
        """The select list: keys that must stay, others that may go."""
        if keys:
            return [join_nodes(keys), [Opt(", ", o) for o in others]]
        return Bag(others, ", ", "", "")

    def ordered(self, keys):
        return join_nodes([[k, self.direction()] for k in keys])

    def limit(self, offset=True):
        count = Lit(str(self.rng.randint(0, 9)), "bigint", ["0", "1", "2", "5", "20"])
        node = [" LIMIT ", count]
        if offset and self.chance(0.4):
            node.append(Opt(" OFFSET ", Lit(str(self.rng.randint(0, 5)), "bigint", ["0", "1", "3", "50"])))
        return node

    def finish(self, kind, head, scope, tail, keys=None, **more):
        """Add the select list, ORDER BY and LIMIT to FROM ... WHERE ...: a Query."""
        total = keys or (self.total_keys(scope) if self.chance(0.8) else None)
        others = self.outputs(scope)
        dice = self.rng.random()
        if dice < 0.3:
            if self.chance(0.08):
                return Query(kind, [head, self.select([], others), tail, self.limit()], "count", **more)
            return Query(kind, [head, self.select([], others), tail], **more)
        extra = [r.text for r in self.rng.sample(self.refs(scope), min(len(self.refs(scope)), self.rng.randint(0, 2)))]
        if self.chance(0.15):
            extra.append(self.output(scope))
        order = extra + (total or [])
        if not order:
            order = [self.pick(self.refs(scope)).text]
        node = [head, self.select(order, others), tail, " ORDER BY ", self.ordered(order)]
        if dice < 0.45:
            return Query(kind, node, "list" if total else "sorted", len(order), **more)
        return Query(kind, [node, Opt(self.limit()) if total else self.limit()], "list" if total else "keys", len(order), **more)

    # ---- kinds of queries ------------------------------------------------------------------------

    def single(self):
        node, scope = self.tables(1)
        return self.finish("single", "SELECT ", scope, [" FROM ", node, self.where(scope, chance=0.9)])

    def joined(self):
        n = self.pick([2, 2, 2, 3, 3, 4])
        if self.chance(0.3):
            names, conditions, scope = self.comma_tables(n)
            return self.finish("join", "SELECT ", scope, [" FROM ", names, self.where(scope, *conditions, chance=0.6)])
        node, scope = self.tables(n)
        return self.finish("join", "SELECT ", scope, [" FROM ", node, self.where(scope, chance=0.6)])

    def related(self, scope, relation=None):
        """A further table whose rows depend on those in scope: (source, condition)."""
        for _ in range(8):
            source = self.source(relation)
            found = self.joinable(scope, source.relation)
            if found:
                return source, self.equality(found[0], source.ref(found[1]))
            self.used.pop()
        source = self.source(relation)
        return source, self.condition([source], 0)

    def membership(self, scope):
        """EXISTS, IN and their negations."""
        for _ in range(8):
            source = self.source(self.neighbour(scope))
            found = self.joinable(scope, source.relation)
            if found:
                break
            self.used.pop()
        else:
            return self.condition(scope, 0)
        ref, inner = found[0], source.ref(found[1])
        if self.chance(0.5):
            more = [self.equality(ref, inner)]
            if self.chance(0.4):
                more.append(self.condition([source] if self.chance(0.6) else [source, *scope], 1))
            return [self.pick(["", "NOT "]), "EXISTS (SELECT ", self.pick(["1", "*", inner.text]), " FROM ", source.relation.name, " ", source.alias,
                    " WHERE ", Bag(more, " AND ", "", ""), ")"]
        # NOT IN is NULL with a NULL among the values: both are wanted
        where = self.where([source], chance=0.6)
        return [ref.text, self.pick([" IN ", " IN ", " NOT IN "]), "(SELECT ", inner.text, self.collate_for(ref, inner), " FROM ", source.relation.name, " ",
                source.alias, where, ")"]

    def semi(self):
        node, scope = self.tables(self.pick([1, 1, 2]))
        conditions = [self.membership(scope) for _ in range(self.pick([1, 1, 2]))]
        if self.chance(0.15):
            conditions = [Bag(conditions + [self.condition(scope, 0)], " OR ")]
        return self.finish("semi", "SELECT ", scope, [" FROM ", node, self.where(scope, *conditions, chance=0.5)])

    def lateral_top(self, scope):
        """LATERAL (... ORDER BY ... LIMIT n): (text, columns) whose answer is fixed."""
        while True:
            source, condition = self.related(scope)
            if source.relation.uniques or self.chance(0.3):
                break
            self.used.pop()
        keys = [r.text for r in self.rng.sample(source.refs, min(len(source.refs), self.pick([0, 1, 1])))]
        total = self.total_keys([source])
        order = keys + (total or [])
        if not order:
            order = [self.pick(source.refs).text]
        others = [self.pick(source.refs).text for _ in range(2)] if total else []
        conditions = [condition] + ([self.condition([source] if self.chance(0.7) else [source, *scope], 0)] if self.chance(0.4) else [])
        names = [f"c{i}" for i in range(len(order) + len(others))]
        select = ", ".join(f"{t} AS {n}" for t, n in zip(order + others, names))
        return ["SELECT ", select, " FROM ", source.relation.name, " ", source.alias, " WHERE ", Bag(conditions, " AND ", "", ""),
                " ORDER BY ", self.ordered(order), " LIMIT ", str(self.rng.randint(1, 3))], names

    def lateral_asof(self, scope):
        """The last row not after the outer row's time."""
        outer = self.refs(scope, "time")
        if not outer:
            return None
        source = self.source(self.relation("time"))
        at = self.pick(self.refs([source], "time")).text
        till = self.pick(outer).text
        conditions = [[at, self.pick([" <= ", " < "]), till]]
        # what leaves the range of time would raise, or not, by the order of the conditions
        if all(r.column.middle for r in outer) and self.chance(0.7):
            conditions.append([at, " > ", till, " - interval '", self.pick(["1 minute", "10 seconds", "1 day"]), "'"])
        found = self.joinable(scope, source.relation)
        if found and self.chance(0.6):
            conditions.append(self.equality(found[0], source.ref(found[1])))
        # rows of one time: only the time is fixed, unless further keys follow
        total = self.total_keys([source]) if self.chance(0.4) else None
        order = [at] + (total or [])
        names = [f"c{i}" for i in range(len(order))]
        return ["SELECT ", ", ".join(f"{t} AS {n}" for t, n in zip(order, names)), " FROM ", source.relation.name, " ", source.alias, " WHERE ",
                Bag(conditions, " AND ", "", ""), " ORDER BY ", at, " DESC NULLS LAST", "".join(", " + t for t in total or []), " LIMIT 1"], names

    def lateral_aggregate(self, scope):
        source, condition = self.related(scope)
        conditions = [condition] + ([self.condition([source], 1)] if self.chance(0.4) else [])
        names = [f"c{i}" for i in range(self.rng.randint(1, 3))]
        group = self.pick(source.refs).text if self.chance(0.2) else None
        aggregates = [[self.aggregate([source]), " AS ", n] for n in names]
        return ["SELECT ", join_nodes(aggregates), " FROM ", source.relation.name, " ", source.alias, " WHERE ", Bag(conditions, " AND ", "", ""),
                f" GROUP BY {group}" if group else ""], names

    def lateral(self):
        node, scope = self.tables(self.pick([1, 1, 1, 2]), ("JOIN", "LEFT JOIN"))
        parts, selected = [], []
        for i in range(self.pick([1, 1, 2])):
            made = None
            while made is None:
                made = self.pick([self.lateral_top, self.lateral_top, self.lateral_asof, self.lateral_aggregate])(scope)
            parts.append([f" {self.pick(['', 'LEFT '])}JOIN LATERAL (", made[0], f") l{i} ON true"])
            selected += [f"l{i}.{n}" for n in made[1]]
        keys = self.total_keys(scope)
        own = keys or [r.text for r in self.rng.sample(self.refs(scope), min(3, len(self.refs(scope))))]
        order = own + selected
        node = ["SELECT ", ", ".join(order), " FROM ", node, parts, self.where(scope, chance=0.4)]
        if self.chance(0.5):
            return Query("lateral", node, loose=True)
        return Query("lateral", [node, " ORDER BY ", self.ordered(order), Opt(self.limit()) if self.chance(0.6) else ""], "list", len(order), loose=True)

    # ---- aggregates ---------------------------------------------------------------------------------

    def summable(self, scope):
        return self.refs(scope, "int", "num") + self.refs(scope, "float", test=lambda c: c.exact)

    def aggregate_call(self, scope):
        self.loose = True
        dice = self.rng.random()
        numbers = self.summable(scope)
        if dice < 0.2:
            return "count(*)"
        if dice < 0.35:
            return f"count({self.pick(['', 'DISTINCT '])}{self.pick(self.refs(scope)).text})"
        if dice < 0.6 and numbers:
            return f"{self.pick(['sum', 'avg'])}({self.pick(['', '', '', 'DISTINCT '])}{self.pick(numbers).text})"
        if dice < 0.8:
            refs = self.refs(scope, "int", "float", "num", "text", "time", "ts", "date")
            return f"{self.pick(['min', 'max'])}({self.pick(refs).text})"
        if dice < 0.86 and self.refs(scope, "bool"):
            return f"{self.pick(['bool_and', 'bool_or', 'every'])}({self.pick(self.refs(scope, 'bool')).text})"
        return self.odd_aggregate(scope, numbers)

    def odd_aggregate(self, scope, numbers):
        dice = self.rng.random()
        if dice < 0.35:
            call = self.first_or_last(scope)
            if call:
                return call
        small = self.refs(scope, "int", test=lambda c: c.small)
        exact = self.refs(scope, "float", test=lambda c: c.exact)
        if exact and dice < 0.4 and "vwap" in self.functions:
            return f"cipherhorizon.vwap({self.pick(exact).text}, {self.pick(exact).text})"
        if small and dice < 0.7:
            i = self.pick(small).text
            return self.pick([f"sum({i} * 2 + 1)", f"sum({i} % 3)", f"count({i} / 2)", f"var_pop({i})", f"array_agg({i} ORDER BY {i})", f"max(- {i})",
                              f"sum({self.pick(exact).text} * {i}) / nullif(sum({i}), 0)" if exact else f"min(abs({i}))"])
        texts = self.refs(scope, "text")
        if texts and dice < 0.9:
            t = self.pick(texts).text
            return self.pick([f"string_agg({t}, ',' ORDER BY {t}{C})", f"string_agg(DISTINCT {t}, ',')", f"max(length({t}))", f"min(lower({t}){C})"])
        return "count(*)"

    def time_is_unique(self, source, pair):
        """Within a group no two rows have one time."""
        others = [source.ref(c).text for c in pair if c.category != "time"]
        return len(others) < len(pair) and all(o in self.group for o in others)

    def first_or_last(self, scope):
        """Of rows with one time any may be the first: only what is unique by its time is fixed."""
        if "first" not in self.functions:
            return None
        source = self.pick(scope)
        call = f"cipherhorizon.{self.pick(['first', 'last'])}"
        pairs = [u for u in source.relation.uniques if self.time_is_unique(source, u)]
        if pairs and len(scope) == 1:
            values = self.refs([source], "float", "int", "text", "time", "bool", "num")
            time = next(c for c in self.pick(pairs) if c.category == "time")
            return f"{call}({self.pick(values).text}, {source.ref(time).text})"
        times = self.refs(scope, "time", "int", "date")
        if not times:
            return None
        time = self.pick(times).text
        return f"{call}({time}, {time})"

    def aggregate(self, scope):
        call = self.aggregate_call(scope)
        if self.chance(0.2) and "/ nullif" not in call:
            return [call, " FILTER (WHERE ", self.condition(scope, 1), ")"]
        return call

    def group_key(self, scope):
        refs = self.refs(scope)
        ref = self.pick(refs)
        if ref.category == "time" and ref.column.middle and self.chance(0.7):
            return self.bucket(ref.text)
        if self.chance(0.8):
            return ref.text
        made = self.scalar(scope, ref.category)
        return made if made is not None and not literals(made) else ref.text

    def having(self, scope, keys):
        n = self.rng.randint(0, 4)
        choices = [f"count(*) > {n}", f"count(*) = {n}", f"count(*) IN (1, {n})"]
        numbers = self.summable(scope)
        if numbers:
            choices += [f"sum({self.pick(numbers).text}) > {n}", f"avg({self.pick(numbers).text}) < {n}"]
        ref = self.pick(self.refs(scope, "int", "text", "float", "time") or self.refs(scope))
        if ref.category in ("int", "text", "float", "time"):
            choices.append([self.pick(["max(", "min("]), ref.text, self.pick([") > ", ") <= ", ") = ", ") <> "]), self.value(ref.column)])
            choices.append([f"min({ref.text}) IN (", self.value(ref.column), ", ", self.value(ref.column), ")"])
        choices.append(f"count({ref.text})" + self.pick([" < count(*)", f" <> {n}", " BETWEEN 1 AND 2"]))
        choices.append(f"max({ref.text}) IS " + self.pick(["NULL", "NOT NULL"]) if ref.category in ("int", "text", "float", "time") else f"count({ref.text}) > 0")
        if keys:
            choices.append([self.pick(keys), " IS NOT NULL"])
        return Opt(" HAVING ", Bag(self.rng.sample(choices, self.pick([1, 1, 2])), self.pick([" AND ", " OR "]), "", ""))

    def grouped(self):
        node, scope = self.tables(self.pick([1, 1, 1, 1, 2, 2, 3]))
        keys = [self.group_key(scope) for _ in range(self.pick([0, 1, 1, 1, 2, 2, 3]))]
        sets = self.pick(["ROLLUP ", "CUBE "]) if self.chance(0.06) else ""
        self.group = [] if sets else [k for k in keys if isinstance(k, str)]
        aggregates = [self.aggregate(scope) for _ in range(self.rng.randint(0 if keys else 1, 4))]
        body = ["SELECT ", self.select(keys, aggregates), " FROM ", node, self.where(scope, chance=0.6)]
        if keys:
            body += [f" GROUP BY {sets}{'(' if sets else ''}", join_nodes(keys), ")" if sets else ""]
        if self.chance(0.25):
            body.append(self.having(scope, keys))
        # before PostgreSQL 18 a key that the condition fixes is not sorted by, though grouping sets make it NULL
        if not keys or sets or self.chance(0.4):
            return Query("group", body, loose=True)
        order = [str(i + 1) for i in range(len(keys))]
        # the top groups by an aggregate, ties by the keys
        tops = [self.aggregate(scope) for _ in range(self.pick([0, 0, 1, 1, 2]))]
        node = [body, " ORDER BY ", self.ordered(tops + order)]
        return Query("group", [node, self.limit()] if self.chance(0.5) else node, "list", len(keys), loose=True)

    def distinct(self):
        node, scope = self.tables(self.pick([1, 1, 1, 2]))
        columns = [self.group_key(scope) for _ in range(self.rng.randint(1, 3))]
        body = ["SELECT DISTINCT ", join_nodes(columns), " FROM ", node, self.where(scope, chance=0.6)]
        if self.chance(0.4):
            return Query("distinct", body, loose=True)
        ordinals = [str(i + 1) for i in range(len(columns))]
        self.rng.shuffle(ordinals)
        node = [body, " ORDER BY ", self.ordered(ordinals), Opt(self.limit()) if self.chance(0.6) else ""]
        return Query("distinct", node, "list", len(columns), loose=True)

    def distinct_on(self):
        """The first row of each group, by an order that is total."""
        while True:
            node, scope = self.tables(self.pick([1, 1, 1, 1, 2]), ("JOIN", "LEFT JOIN"))
            total = self.total_keys(scope)
            if total or self.chance(0.05):
                break
        keys = []
        for _ in range(self.pick([1, 1, 2])):
            key = self.group_key(scope)
            if isinstance(key, str) and key not in keys:
                keys.append(key)
        keys = keys or [self.pick(self.refs(scope)).text]
        # (sym, time): within a sym the time is total
        order = keys + [t for t in total or [] if t not in keys]
        others = [o for o in self.outputs(scope) if not literals(o)] if total else []
        others = others if total else order[len(keys):]
        where = self.where(scope, chance=0.6)
        node = ["SELECT DISTINCT ON (", ", ".join(keys), ") ", self.select(order, others), " FROM ", node, where, " ORDER BY ", self.ordered(order)]
        return Query("distinct on", [node, Opt(self.limit()) if self.chance(0.3) else ""], "list", len(order), loose=True)

    # ---- the rest ---------------------------------------------------------------------------------------

    def set_operation(self):
        first, second = self.tables(self.pick([1, 1, 2])), self.tables(1)
        shared = {r.category for r in self.refs(first[1])} & {r.category for r in self.refs(second[1])} - {"json"}
        if not shared:
            return self.set_operation()
        categories = [self.pick(sorted(shared)) for _ in range(self.rng.randint(1, 3))]
        arms = []
        for node, scope in (first, second):
            columns = [[self.pick(self.refs(scope, c)).text if self.chance(0.8) else self.scalar(scope, c), C if c == "text" else ""] for c in categories]
            arms.append(["SELECT ", join_nodes(columns), " FROM ", node, self.where(scope, chance=0.6)])
        operator = self.pick(["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"])
        node = ["(", arms[0], f") {operator} (", arms[1], ")"]
        if self.chance(0.4):
            return Query("set operation", node, loose=True)
        ordinals = [str(i + 1) for i in range(len(categories))]
        return Query("set operation", [node, " ORDER BY ", self.ordered(ordinals), Opt(self.limit()) if self.chance(0.6) else ""], "list",
                     len(categories), loose=True)

    def scalar_subquery(self, scope, category=None):
        """One value for each outer row: an aggregate, or the first row of a total order."""
        source, condition = self.related(scope)
        conditions = [condition] + ([self.condition([source], 0)] if self.chance(0.3) else [])
        tail = [" FROM ", source.relation.name, " ", source.alias, " WHERE ", Bag(conditions, " AND ", "", "")]
        total = self.total_keys([source])
        if total and self.chance(0.5):
            key = self.pick(source.refs).text
            return ["(SELECT ", self.pick(source.refs).text, tail, " ORDER BY ", self.ordered([key] + total), " LIMIT 1)"]
        return ["(SELECT ", self.aggregate([source]), tail, ")"]

    def correlated(self):
        node, scope = self.tables(self.pick([1, 1, 2]), ("JOIN", "LEFT JOIN"))
        keys = self.total_keys(scope) or [r.text for r in self.rng.sample(self.refs(scope), min(2, len(self.refs(scope))))]
        subqueries = [self.scalar_subquery(scope) for _ in range(self.pick([1, 1, 2]))]
        conditions = []
        if self.chance(0.35):
            source, related = self.related(scope)
            conditions.append([self.pick(["2", "1", "0"]), self.pick([" <= ", " = ", " > "]), "(SELECT count(*) FROM ", source.relation.name, " ", source.alias,
                               " WHERE ", related, ")"])
        body = ["SELECT ", self.select(keys, subqueries), " FROM ", node, self.where(scope, *conditions, chance=0.5)]
        if self.chance(0.4):
            return Query("correlated", body, loose=True)
        total = self.total_keys(scope) is not None
        return Query("correlated", [body, " ORDER BY ", self.ordered(keys), self.limit() if total and self.chance(0.5) else ""],
                     "list" if total else "sorted", len(keys), loose=True)

    def above_groups(self):
        """A sub-select for each group, and the sum of one over its rows."""
        for _ in range(20):
            node, scope = self.tables(1)
            relation = self.relation()
            found = self.joinable(scope, relation)
            if found:
                break
        else:
            return self.single()
        key, other = found[0].text, self.source(relation)
        values = [["(SELECT ", self.aggregate([other]), " FROM ", relation.name, " ", other.alias, " WHERE ", self.equality(found[0], other.ref(found[1])), ")"]]
        if self.chance(0.6):
            source, related = self.related(scope)
            values.append(["sum((SELECT count(*) FROM ", source.relation.name, " ", source.alias, " WHERE ", related, "))"])
        return Query("above groups", ["SELECT ", self.select([key], values), " FROM ", node, self.where(scope, chance=0.5), " GROUP BY ", key], loose=True)

    def derived(self, node, scope, key):
        """A subquery with one row for each value of a column, or with the first rows."""
        where = self.where(scope, chance=0.5)
        total = self.total_keys(scope)
        if total is None or self.chance(0.5):
            return ["SELECT ", key.text, " AS k, ", self.aggregate(scope), " AS v FROM ", node, where, " GROUP BY ", key.text]
        return ["SELECT ", key.text, " AS k FROM ", node, where, " ORDER BY ", self.ordered([key.text] + total), f" LIMIT {self.rng.randint(1, 20)}"]

    def nested(self):
        """A subquery in FROM, or WITH, that is joined."""
        node, scope = self.tables(self.pick([1, 1, 2]), ("JOIN", "LEFT JOIN"))
        keys = self.refs(scope, "int", "text", "time")
        if not keys:
            return self.single()
        key = self.pick(keys)
        other = self.source(self.relation(key.category))
        theirs = self.pick(self.refs([other], key.category))
        self.loose = True
        inner = self.derived(node, scope, key)
        tail = [f" {self.pick(['JOIN', 'LEFT JOIN', 'RIGHT JOIN'])} {other.relation.name} {other.alias} ON s.k = ", theirs.text,
                C if key.category == "text" else "", self.where([other], chance=0.4)]
        columns = "s.*, " + ", ".join(self.pick(other.refs).text for _ in range(2))
        if self.chance(0.5):
            materialized = self.pick(["", "MATERIALIZED ", "NOT MATERIALIZED "])
            return Query("nested", [f"WITH s AS {materialized}(", inner, f") SELECT {columns} FROM s", tail], loose=True)
        return Query("nested", [f"SELECT {columns} FROM (", inner, ") s", tail], loose=True)

    def window(self):
        while True:
            node, scope = self.tables(self.pick([1, 1, 2]), ("JOIN", "LEFT JOIN"))
            total = self.total_keys(scope)
            if total:
                break
        key = self.pick(self.refs(scope)).text
        order = self.ordered([self.pick(self.refs(scope)).text] + total)
        calls = ["row_number()", "rank()", f"lag({self.pick(self.refs(scope)).text})", "count(*)"]
        numbers = self.summable(scope)
        if numbers:
            calls.append(f"sum({self.pick(numbers).text})")
        columns = [[self.pick(calls), f" OVER (PARTITION BY {key} ORDER BY ", order, ")"], [self.pick(calls[:2]), " OVER (ORDER BY ", order, ")"]]
        body = ["SELECT ", self.select(total + [key], columns), " FROM ", node, self.where(scope, chance=0.6)]
        if self.chance(0.5):
            return Query("window", body, loose=True)
        return Query("window", [body, " ORDER BY ", self.ordered(total), self.limit()], "list", len(total), loose=True)

    def raising_query(self):
        node, scope = self.tables(self.pick([1, 1, 2]), ("JOIN", "LEFT JOIN"))
        expression = self.raising(scope)
        if expression is None:
            return self.single()
        dice = self.rng.random()
        if dice < 0.5:
            body = ["SELECT ", self.select([expression], self.outputs(scope, 0, 2)), " FROM ", node, self.where(scope, chance=0.5)]
        elif dice < 0.75 and len(scope) == 1:
            body = ["SELECT ", join_nodes(self.outputs(scope)), " FROM ", node, f" WHERE {expression} IS NOT NULL"]
        else:
            self.loose = True
            body = [f"SELECT count({expression}), count(*) FROM ", node, self.where(scope, chance=0.5)]
        return Query("raising", body, raises=True)

    def whole_rows(self):
        """Whole rows, locks: what must not be taken from a store's columns alone."""
        node, scope = self.tables(self.pick([1, 1, 2]), ("JOIN", "LEFT JOIN"))
        source = self.pick(scope)
        columns = self.pick([source.alias, f"{source.alias}.*", f"{source.alias} IS NULL, {source.alias}", f"count({source.alias})"])
        lock = " FOR UPDATE" if len(scope) == 1 and "count" not in columns and self.chance(0.2) else ""
        return Query("whole row", [f"SELECT {columns} FROM ", node, self.where(scope), lock])

    KINDS = [("single", 22), ("joined", 18), ("semi", 10), ("lateral", 10), ("grouped", 16), ("distinct", 4), ("distinct_on", 4), ("set_operation", 4),
             ("correlated", 6), ("above_groups", 2), ("nested", 4), ("window", 2), ("raising_query", 2), ("whole_rows", 2)]

    def query(self):
        self.number, self.used, self.group, self.loose = 0, [], [], False
        # tables of one server may be joined by their store
        self.home = self.pick([r.server for r in self.relations if r.store in ("mon", "neo")]) if self.chance(0.2) else None
        self.most_rows = FEW_ROWS if self.chance(0.9) else MANY_ROWS
        kind = self.rng.choices([k for k, _ in self.KINDS], [w for _, w in self.KINDS])[0]
        q = getattr(self, kind)()
        q.loose = q.loose or self.loose
        q.stores = sorted({r.store for r in self.used})
        dice = self.rng.random()
        if not q.raises and dice < 0.12 and literals(q.node):
            q.script = "prepared"
        elif not q.raises and dice < 0.18 and "FOR UPDATE" not in render(q.node):
            q.script = "cursor"
        return q


def join_nodes(nodes, separator=", "):
    joined = []
    for i, node in enumerate(nodes):
        joined += [separator, node] if i else [node]
    return joined
