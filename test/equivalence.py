#!/usr/bin/env python3
"""Random queries on foreign tables: pushed and not pushed must be equal.

    test/equivalence.py [--seed N] [--queries N] DATABASE TABLE [TABLE ...]

For each table a seeded generator writes conditions over its columns, with
values taken from the table itself and from the edges of the types, and orders
and limits.  Each query runs with everything pushed and with nothing pushed, as
custom and as generic plan; the answers must be the same multiset, and those
with ORDER BY the same sequence of sort keys.  Prints each difference and ends
with how many queries agreed.  Only psql and the standard library are used.
"""
import argparse
import random
import subprocess
import sys

EDGES = {
    "boolean": ["true", "false"],
    "smallint": ["0", "-1", "32767", "-32768"],
    "integer": ["0", "-1", "7", "2147483647", "-2147483648", "9007199254740993::bigint"],
    "bigint": ["0", "-1", "9007199254740992", "9007199254740993", "-9007199254740993",
               "9223372036854775807", "-9223372036854775808"],
    "double precision": ["0", "'-0'::float8", "'NaN'::float8", "'Infinity'::float8", "'-Infinity'::float8", "0.1",
                         "9007199254740992", "1e308", "5e-324"],
    "numeric": ["0", "0.1", "'NaN'::numeric", "0.10000000000000000001", "9007199254740993", "1e30",
                "'Infinity'::numeric"],
    "text": ["''", "'a'", "'A'", "'é'", "'\U0001F600'", "'\uFFFD'", "'it''s'", r"E'back\\slash'", "'\"quoted\"'",
             "'5f0000000000000000000001'", "' '", "'zzz'", r"E'x\r\ny'"],
    "timestamp with time zone": ["'1969-12-31 23:59:59.999999+00'", "'1970-01-01 00:00:00+00'",
                                 "'2026-01-01 00:00:00.000001+00'", "'infinity'", "'-infinity'",
                                 "'2026-01-01 00:00:00.001+00'", "'0044-03-15 12:00:00+00 BC'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'"],
    "date": ["'1970-01-01'", "'2026-01-01'", "'infinity'"],
}
QUOTE = "'"
COMPARISONS = ["=", "<>", "<", "<=", ">", ">="]


class Session:
    """One psql that stays open; run() returns rows or the error's text."""

    def __init__(self, database):
        self.psql = subprocess.Popen(
            ["psql", "-XqAt", "-F", "\x1f", "-P", "null=\x1e", "-d", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def run(self, sql):
        self.psql.stdin.write(sql.rstrip(";") + ";\n\\echo \x1d\n")
        self.psql.stdin.flush()
        lines = []
        while True:
            line = self.psql.stdout.readline()
            if line == "":
                raise SystemExit("psql ended after: " + sql + "\n" + "\n".join(lines))
            line = line.rstrip("\n")
            if line == "\x1d":
                return lines
            lines.append(line)


def push(session, on):
    for part in ("where", "sort", "limit"):
        session.run(f"SET cipherhorizon.enable_{part}_pushdown = {'on' if on else 'off'}")


class Table:
    def __init__(self, session, name):
        self.name = name
        rows = session.run(
            "SELECT quote_ident(attname), format_type(atttypid, NULL) FROM pg_attribute "
            f"WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
        self.columns = [tuple(r.split("\x1f")) for r in rows]
        self.values = {}
        push(session, False)
        for column, kind in self.columns:
            if kind not in EDGES:
                continue
            # a value with a line break would be read as two
            found = session.run(f"SELECT DISTINCT quote_literal(v) FROM (SELECT {column} AS v FROM {name}) s "
                                rf"WHERE v::text !~ '[\n\r]' LIMIT 40")
            bad = [f for f in found if f.startswith("ERROR")]
            if bad:
                raise SystemExit(f"{name}.{column}: {bad[0]}")
            found = [f for f in found if not f.startswith(("WARNING", "DETAIL", "HINT"))]
            self.values[column] = [f"{v}::{kind}" for v in found] + \
                [v if "::" in v else f"{v if v.endswith(QUOTE) else QUOTE + v + QUOTE}::{kind}" for v in EDGES[kind]]
        if not self.values:
            raise SystemExit(f"{name}: no column of a type that is tested")


class Generator:
    def __init__(self, rng, table):
        self.rng, self.table = rng, table

    def value(self, column):
        return self.rng.choice(self.table.values[column])

    def leaf(self):
        rng = self.rng
        column = rng.choice(list(self.table.values))
        kind = dict(self.table.columns)[column]
        dice = rng.random()
        if dice < 0.12:
            return f"{column} IS NULL"
        if dice < 0.24:
            return f"{column} IS NOT NULL"
        if dice < 0.42:
            items = [self.value(column) for _ in range(rng.randint(1, 5))]
            if rng.random() < 0.15:
                items.append("NULL")
            return f"{column} {rng.choice(['IN', 'NOT IN'])} ({', '.join(items)})"
        if dice < 0.50:
            return f"{column} BETWEEN {self.value(column)} AND {self.value(column)}"
        if kind == "boolean" and dice < 0.7:
            return rng.choice([column, f"NOT {column}", f"{column} IS TRUE", f"{column} IS NOT TRUE",
                               f"{column} IS FALSE", f"{column} IS NOT FALSE", f"{column} IS UNKNOWN"])
        if dice < 0.55:
            return f"{self.value(column)} {rng.choice(COMPARISONS)} {column}"
        collate = ' COLLATE "C"' if kind == "text" and rng.random() < 0.5 else ""
        return f"{column} {rng.choice(COMPARISONS)} {self.value(column)}{collate}"

    def condition(self, depth=2):
        rng = self.rng
        if depth == 0 or rng.random() < 0.5:
            return self.leaf()
        parts = [self.condition(depth - 1) for _ in range(rng.randint(2, 3))]
        text = "(" + f" {rng.choice(['AND', 'OR'])} ".join(parts) + ")"
        return f"NOT {text}" if rng.random() < 0.2 else text

    def query(self):
        rng, table = self.rng, self.table
        where = f" WHERE {self.condition()}" if rng.random() < 0.9 else ""
        if rng.random() < 0.5:
            columns = rng.sample([c for c, _ in table.columns], rng.randint(1, len(table.columns)))
            return f"SELECT {', '.join(columns)} FROM {table.name}{where}", False
        if rng.random() < 0.2:
            return f"SELECT count(*) FROM (SELECT 1 FROM {table.name}{where} LIMIT {rng.randint(0, 6)}) s", False
        keys = rng.sample(list(table.values), min(len(table.values), rng.randint(1, 2)))
        kinds = dict(table.columns)
        order = ", ".join(k + (' COLLATE "C"' if kinds[k] == "text" else "") + rng.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
                          for k in keys)
        limit = f" LIMIT {rng.randint(0, 9)}" if rng.random() < 0.7 else ""
        offset = f" OFFSET {rng.randint(0, 4)}" if limit and rng.random() < 0.4 else ""
        return f"SELECT {', '.join(keys)} FROM {table.name}{where} ORDER BY {order}{limit}{offset}", True


def normal(lines, ordered):
    """Rows to compare: without the warning of mismatches, sorted unless the order is fixed."""
    rows = [line for line in lines if not line.startswith(("WARNING", "DETAIL", "HINT", "CONTEXT"))]
    # -0 equals 0 in SQL, and which of them a sort gives first is free
    rows = ["\x1f".join("0" if f == "-0" else f for f in r.split("\x1f")) for r in rows]
    return rows if ordered else sorted(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("database")
    parser.add_argument("tables", nargs="+")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    pushed, local = Session(args.database), Session(args.database)
    push(local, False)
    tables = [Table(local, name) for name in args.tables]
    differences = errors = 0
    for number in range(args.queries):
        query, ordered = Generator(rng, rng.choice(tables)).query()
        there, here = pushed.run(query), local.run(query)
        if any(line.startswith("ERROR") for line in there + here):
            errors += 1
            print(f"-- error in query {number}:\n{query};\n   pushed: {there[:2]}\n   local:  {here[:2]}")
        elif normal(there, ordered) != normal(here, ordered):
            differences += 1
            print(f"-- difference in query {number}:\n{query};\n   pushed: {normal(there, ordered)[:5]}\n   local:  {normal(here, ordered)[:5]}")
    print(f"seed {seed}: {args.queries - differences - errors} of {args.queries} queries agree, "
          f"{differences} differ, {errors} raised an error")
    sys.exit(1 if differences or errors else 0)


if __name__ == "__main__":
    main()
