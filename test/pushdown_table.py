#!/usr/bin/env python3
"""Which expressions run in which store, asked of the planner itself.

    test/pushdown_table.py DATABASE            write docs/pushdown.md
    test/pushdown_table.py DATABASE --check    fail if docs/pushdown.md is not what it would write

Makes foreign tables with a column of each type in a schema of its own, runs
EXPLAIN (VERBOSE, FORMAT JSON) over each form of expression, and reads what is
pushed.  No store is asked: planning is enough.  The extension must be there.
"""
import json
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "docs" / "pushdown.md"
SCHEMA = "t_pushdown_table"

# type: (SQL type, a value, another value, an array)
TYPES = {
    "boolean": ("boolean", "true", "false"),
    "integer": ("integer", "5", "7"),
    "bigint": ("bigint", "5", "7"),
    "float8": ("double precision", "0.5", "7.5"),
    "numeric": ("numeric", "0.5", "7.5"),
    "text": ('text COLLATE "C"', "'a'", "'b'"),
    "text, locale": ('text COLLATE "en-x-icu"', "'a'", "'b'"),
    "varchar(3)": ('varchar(3) COLLATE "C"', "'a'", "'b'"),
    "uuid": ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    "date": ("date", "'2026-01-01'", "'2026-01-02'"),
    "timestamp": ("timestamp", "'2026-01-01'", "'2026-01-02'"),
    "timestamptz": ("timestamptz", "'2026-01-01'", "'2026-01-02'"),
    "jsonb": ("jsonb", "'{\"a\": 1}'", "'[]'"),
    "text[]": ("text[]", "'{a}'", "'{b}'"),
}
NUMBERS = {"integer", "bigint", "float8", "numeric"}
STRINGS = {"text", "text, locale", "varchar(3)"}
TIMES = {"timestamp", "timestamptz"}

# store: wrapper, server options, and per kind of column: (title, types, column options, table options, other columns)
STORES = {
    "InfluxDB": ("cipherhorizon_influxdb", "url 'http://127.0.0.1:1', dbname 'x'", [
        ("field", ["boolean", "integer", "bigint", "float8", "text"], "", "measurement 'm'",
         "time timestamptz NOT NULL, always float8 NOT NULL"),
        ("tag", ["text", "text, locale"], "kind 'tag'", "measurement 'm'", "time timestamptz NOT NULL, always float8 NOT NULL"),
        ("time", ["timestamptz"], "kind 'time'", "measurement 'm'", "always float8 NOT NULL"),
    ]),
    "MongoDB": ("cipherhorizon_mongodb", "host '127.0.0.1', port '1'", [
        ("field", list(TYPES), "", "database 'd', collection 'c'", "_id text NOT NULL"),
    ]),
    "Neo4j": ("cipherhorizon_neo4j", "url 'bolt://127.0.0.1:1'", [
        ("property", list(TYPES), "", "label 'L'", "id bigint"),
    ]),
    "Redis": ("cipherhorizon_redis", "host '127.0.0.1', port '1'", [
        ("key", ["text", "integer", "bigint", "uuid"], "kind 'key'", "type 'hash', key_prefix 'p:'", "f text"),
        ("hash field", ["text", "bigint", "float8", "boolean"], "", "type 'hash', key_prefix 'p:'", "k text OPTIONS (kind 'key')"),
        ("member of a set", ["text", "bigint"], "kind 'member'", "type 'set', key 's'", ""),
        ("score of a sorted set", ["float8", "bigint"], "kind 'score'", "type 'zset', key 'z'", "m text OPTIONS (kind 'member')"),
        ("index of a list", ["bigint"], "kind 'index'", "type 'list', key 'l'", "v text OPTIONS (kind 'value')"),
        ("id of a stream", ["text", "timestamptz"], "kind 'id'", "type 'stream', key 'x'", "f text"),
    ]),
}

# form: (title, query with {c} {v} {w}, what it must push to count, types it makes sense for or None)
FORMS = [
    ("`=`", "SELECT {c} FROM t WHERE {c} = {v}", "filter", None),
    ("`<>`", "SELECT {c} FROM t WHERE {c} <> {v}", "filter", None),
    ("`<` `<=` `>` `>=`", "SELECT {c} FROM t WHERE {c} < {v}", "filter", None),
    ("`IN`", "SELECT {c} FROM t WHERE {c} IN ({v}, {w})", "filter", None),
    ("`NOT IN`", "SELECT {c} FROM t WHERE {c} NOT IN ({v}, {w})", "filter", None),
    ("`OR`", "SELECT {c} FROM t WHERE {c} = {v} OR {c} > {w}", "filter", None),
    ("`IS NULL`", "SELECT {c} FROM t WHERE {c} IS NULL", "filter", None),
    ("`IS NOT NULL`", "SELECT {c} FROM t WHERE {c} IS NOT NULL", "filter", None),
    ("`LIKE 'a%'`", "SELECT {c} FROM t WHERE {c} LIKE 'a%'", "filter", STRINGS),
    ("`NOT LIKE 'a%'`", "SELECT {c} FROM t WHERE {c} NOT LIKE 'a%'", "filter", STRINGS),
    ("`ILIKE 'a%'`", "SELECT {c} FROM t WHERE {c} ILIKE 'a%'", "filter", STRINGS),
    ("`lower() =`", "SELECT {c} FROM t WHERE lower({c}) = {v}", "filter", STRINGS),
    ("`length() =`", "SELECT {c} FROM t WHERE length({c}) = 1", "filter", STRINGS),
    ("`\\|\\| =`", "SELECT {c} FROM t WHERE {c} || 'x' = 'ax'", "filter", STRINGS),
    ("`+ =`", "SELECT {c} FROM t WHERE {c} + 1 = {v}", "filter", NUMBERS),
    ("`* =`", "SELECT {c} FROM t WHERE {c} * 2 = {v}", "filter", NUMBERS),
    ("`abs() =`", "SELECT {c} FROM t WHERE abs({c}) = {v}", "filter", NUMBERS),
    ("`::float8 =`", "SELECT {c} FROM t WHERE {c}::float8 = 0.5", "filter", {"integer", "bigint", "numeric"}),
    ("`coalesce() =`", "SELECT {c} FROM t WHERE coalesce({c}, {w}) = {v}", "filter", None),
    ("`CASE`", "SELECT {c} FROM t WHERE CASE WHEN {c} = {v} THEN 1 ELSE 2 END = 1", "filter", None),
    ("`nullif() =`", "SELECT {c} FROM t WHERE nullif({c}, {w}) = {v}", "filter", None),
    ("`greatest() =`", "SELECT {c} FROM t WHERE greatest({c}, {w}) = {v}", "filter", None),
    ("`left() =`, `right()`, `substr()`", "SELECT {c} FROM t WHERE left({c}, 1) = 'a' AND right({c}, 1) = 'a' AND substr({c}, 2, 1) = 'a'", "filter", STRINGS),
    ("`strpos() =`", "SELECT {c} FROM t WHERE strpos({c}, 'a') = 1", "filter", STRINGS),
    ("`starts_with()`", "SELECT {c} FROM t WHERE starts_with({c}, 'a')", "filter", STRINGS),
    ("`replace() =`", "SELECT {c} FROM t WHERE replace({c}, 'a', 'b') = 'b'", "filter", STRINGS),
    ("`btrim() =`", "SELECT {c} FROM t WHERE btrim({c}) = 'a'", "filter", STRINGS),
    ("`concat() =`", "SELECT {c} FROM t WHERE concat({c}, 'x') = 'ax'", "filter", STRINGS),
    ("`floor() =`, `ceil()`", "SELECT {c} FROM t WHERE floor({c}) = 1 AND ceil({c}) = 1", "filter", {"float8", "numeric"}),
    ("`round() =`", "SELECT {c} FROM t WHERE round({c}) = 1", "filter", {"float8", "numeric"}),
    ("`extract(year) =`", "SELECT {c} FROM t WHERE extract(year FROM {c}) = 2026", "filter", {"date", "timestamp", "timestamptz"}),
    ("`extract(year ... AT TIME ZONE 'UTC') =`", "SELECT {c} FROM t WHERE extract(year FROM {c} AT TIME ZONE 'UTC') = 2026", "filter", {"timestamptz"}),
    ("`->> 'a' =`", "SELECT {c} FROM t WHERE {c} ->> 'a' = '1'", "filter", {"jsonb"}),
    ("`-> 'a' IS NULL`", "SELECT {c} FROM t WHERE {c} -> 'a' IS NULL", "filter", {"jsonb"}),
    ("`@>`", "SELECT {c} FROM t WHERE {c} @> {v}", "filter", {"jsonb", "text[]"}),
    ("`? 'a'`", "SELECT {c} FROM t WHERE {c} ? 'a'", "filter", {"jsonb"}),
    ("`= ANY (column)`", "SELECT {c} FROM t WHERE 'a' = ANY ({c})", "filter", {"text[]"}),
    ("`ORDER BY`", "SELECT {c} FROM t ORDER BY {c}", "sort", None),
    ("`ORDER BY ... DESC NULLS LAST`", "SELECT {c} FROM t ORDER BY {c} DESC NULLS LAST", "sort", None),
    ("`ORDER BY ... LIMIT`", "SELECT {c} FROM t ORDER BY {c} LIMIT 5", "limit", None),
    ("`GROUP BY`, `DISTINCT`", "SELECT DISTINCT {c} FROM t", "group", None),
    ("`GROUP BY date_bin`", "SELECT date_bin('1 min', {c}, '2000-01-01'), count(*) FROM t GROUP BY 1", "group", TIMES),
    ("`GROUP BY date_trunc`", "SELECT date_trunc('hour', {c}, 'UTC'), count(*) FROM t GROUP BY 1", "group", {"timestamptz"}),
    ("`count()`", "SELECT count({c}) FROM t", "aggregate", None),
    ("`count(DISTINCT)`", "SELECT count(DISTINCT {c}) FROM t", "aggregate", None),
    ("`sum()`", "SELECT sum({c}) FROM t", "aggregate", NUMBERS),
    ("`avg()`", "SELECT avg({c}) FROM t", "aggregate", NUMBERS),
    ("`min()` `max()`", "SELECT count(*), min({c}), max({c}) FROM t", "aggregate", None),
    ("`bool_and()` `bool_or()`", "SELECT count(*), bool_and({c}), bool_or({c}) FROM t", "aggregate", {"boolean"}),
    ("`first()` `last()` by time", "SELECT cipherhorizon.last({c}, {time}) FROM t", "aggregate", None),
    ("`FILTER`", "SELECT count(*) FILTER (WHERE {c} = {v}) FROM t", "aggregate", None),
    ("`GROUP BY` `HAVING count(*) >`", "SELECT {c}, count(*) FROM t GROUP BY {c} HAVING count(*) > 5", "having", None),
    ("`GROUP BY` `ORDER BY count(*) LIMIT`", "SELECT {c}, count(*) FROM t GROUP BY {c} ORDER BY count(*) DESC LIMIT 5", "limit", None),
    ("`GROUP BY c ORDER BY c LIMIT`", "SELECT {c} FROM t GROUP BY {c} ORDER BY {c} LIMIT 5", "limit", None),
    ("`HAVING max() >`", "SELECT {other}, count(*) FROM t GROUP BY {other} HAVING max({c}) > {v}", "having", None),
    ("`HAVING sum() >`", "SELECT {other}, count(*) FROM t GROUP BY {other} HAVING sum({c}) > 5", "having", NUMBERS),
    ("`ORDER BY sum() LIMIT`", "SELECT {other}, sum({c}) FROM t GROUP BY {other} ORDER BY sum({c}) DESC LIMIT 5", "limit", NUMBERS),
    ("`ORDER BY avg() LIMIT`", "SELECT {other}, avg({c}) FROM t GROUP BY {other} ORDER BY avg({c}) DESC LIMIT 5", "limit", NUMBERS),
    ("`DISTINCT ON (c) ... ORDER BY c, time DESC`", "SELECT DISTINCT ON ({c}) * FROM (SELECT {c}, {time} AS o FROM t) s ORDER BY {c}, o DESC",
     "distinct on", None),
    ("join by `=`", "SELECT a.{c} FROM t a JOIN t b ON a.{c} = b.{c}", "join", None),
]

MARK = {"exact": "yes", "superset": "superset", "here": "–", "none": ""}
HEAD = """# What runs in which store

This table is made by `test/pushdown_table.py` from the planner's own answers, and a test fails if it is not up to date.
`docs/queries.md` says how to read it, each store's page why.

- **yes**: the store does it, with exactly PostgreSQL's answer.
- **superset**: the store returns a few rows more, and PostgreSQL checks again; LIMIT, groups and joins above it stay here.
- **–**: PostgreSQL does it, on the rows that the other conditions let through.
- empty: the expression does not exist for the type.

Forms that are "–" for a whole store are left out of its table and listed below it. The rows of a condition are those of a table without other
conditions; `LIMIT` needs every condition to be exact. Tables have `on_type_mismatch 'error'`, the default.
"""


class Session:
    def __init__(self, database):
        self.psql = subprocess.Popen(["psql", "-XqAt", "-d", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)

    def run(self, sql):
        self.psql.stdin.write(sql + ";\n\\echo \x1d\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line.rstrip("\n") == "\x1d":
                return "\n".join(lines)
            lines.append(line.rstrip("\n"))
        raise SystemExit("psql ended after: " + sql)

    def must(self, sql):
        answer = self.run(sql)
        if "ERROR:" in answer:
            raise SystemExit(f"{sql}\n{answer}")


def scans(node):
    if "Pushed" in node:
        yield node
    for child in node.get("Plans", []):
        yield from scans(child)


def verdict(session, query, part):
    """exact, superset, here, or none if PostgreSQL has no such expression."""
    answer = session.run("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) " + query)
    try:
        plan = json.loads(answer)[0]["Plan"]
    except ValueError:
        if "ERROR:" in answer and ("does not exist" in answer or "syntax" in answer or "could not identify" in answer
                                   or "malformed" in answer or "invalid input" in answer or "must be type" in answer):
            return "none"
        raise SystemExit(f"{query}\n{answer}")
    found = list(scans(plan))
    if not any(part in scan["Pushed"] for scan in found):
        return "here"
    notes = [note for scan in found for note in scan["Not Pushed"]]
    if part == "filter" and any("checked again" in note for note in notes):
        return "superset"
    return "exact" if part != "filter" or not any("Filter" in scan for scan in found) else "superset"


def table_for(session, store, group):
    wrapper, server, _ = STORES[store]
    title, types, column_options, table_options, others = group
    rows = {}
    for name in types:
        sql_type, v, w = TYPES[name]
        plain, _, collation = sql_type.partition(" COLLATE ")
        columns = (f"c {plain}" + (f" OPTIONS ({column_options})" if column_options else "") +
                   (f" COLLATE {collation}" if collation else ""))
        time = "c" if "kind 'time'" in column_options else "time" if "time timestamptz" in others else "o"
        if time == "o":
            others_here = (others + ", " if others else "") + ("o bigint" if "type '" not in table_options else "")
        else:
            others_here = others
        other = others_here.split(" ")[0] or "c"
        listed = ", ".join(x for x in (columns, others_here.strip(", ")) if x)
        session.must(f"DROP FOREIGN TABLE IF EXISTS t; CREATE FOREIGN TABLE t ({listed}) SERVER t_pushdown_{store.lower()} OPTIONS ({table_options})")
        for form, query, part, sensible in FORMS:
            if sensible is not None and name not in sensible:
                answer = "none"
            elif "{time}" in query and time == "o" and "type '" in table_options:
                answer = "none"
            else:
                answer = verdict(session, query.format(c="c", v=v, w=w, time=time, other=other), part)
            rows.setdefault(form, []).append(answer)
    return title, types, rows


def write_store(session, store):
    wrapper, server, groups = STORES[store]
    session.must(f"CREATE SERVER t_pushdown_{store.lower()} FOREIGN DATA WRAPPER {wrapper} OPTIONS ({server})")
    session.must(f"CREATE USER MAPPING FOR CURRENT_USER SERVER t_pushdown_{store.lower()}")
    made = [table_for(session, store, group) for group in groups]
    heads = [(title, name) for title, types, _ in made for name in types]
    lines = [f"## {store}", "", "| | " + " | ".join(f"{title} {name}" for title, name in heads) + " |",
             "|---|" + "---|" * len(heads)]
    never = []
    for form, *_ in FORMS:
        cells = [cell for _, _, rows in made for cell in rows[form]]
        if all(cell in ("here", "none") for cell in cells):
            if "here" in cells:
                never.append(form)
            continue
        lines.append(f"| {form} | " + " | ".join(MARK[cell] for cell in cells) + " |")
    if never:
        lines += ["", "Here: " + ", ".join(never) + "."]
    return "\n".join(lines)


def main():
    database = sys.argv[1]
    session = Session(database)
    session.must(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; "
                f"SET search_path = {SCHEMA}, public; SET enable_mergejoin = off; SET enable_hashjoin = off; SET enable_nestloop = off")
    text = HEAD + "\n" + "\n\n".join(write_store(session, store) for store in STORES) + "\n"
    for store in STORES:
        session.run(f"DROP SERVER t_pushdown_{store.lower()} CASCADE")
    session.run(f"DROP SCHEMA {SCHEMA} CASCADE")
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        import difflib
        sys.stdout.writelines(difflib.unified_diff(TARGET.read_text(encoding="utf-8").splitlines(True), text.splitlines(True),
                                                   "docs/pushdown.md", "the planner"))
        raise SystemExit("docs/pushdown.md is not what the planner does: run test/pushdown_table.py")


main()
