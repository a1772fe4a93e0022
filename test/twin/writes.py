#!/usr/bin/python3
"""Random writes on foreign tables and the same on native twins: both must read equal afterwards.

    writes.py [--seed N] [--statements N] [--only STORE]

Makes its tables in the database named by PGDATABASE, which has the extension,
and empties them in the stores before and after.  After every transaction all
rows of the foreign table and its twin are compared, and the numbers of rows and
the SQLSTATEs that the statements gave.  A difference is printed with the seed,
the number and the statements; the run goes on with equal tables.
"""
import argparse
import json
import random
import re
import sys
import time
from collections import Counter

import psycopg2

import setup
from data import quote

# ---- values --------------------------------------------------------------------------------

TEXTS = ["", "a", "A", "it's", 'say "x"', "back\\slash", "ü😀", "new\nline", " lead and trail ", "%_", "null", "$set", "0", "x" * 300, "{}", "a,b=c d"]
BIGINTS = [0, 1, -1, 7, 2 ** 31, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63]
INTS = [0, 1, -1, 42, 2 ** 31 - 1, -2 ** 31]
FLOATS = ["0", "1", "-1.5", "0.1", "1e300", "5e-324", "-0", "1e15", "123456.789"]
NUMERICS = ["0", "1", "-1.50", "0.1", "12345678901234567890.123456789", "1e-20", "100", "99999999999999999999999999999999"]
TIMES = ["2026-01-01 00:00:00.123+00", "1969-12-31 23:59:59.999+00", "1970-01-01 00:00:00+00", "2026-06-30 12:00:00+00"]
DOCUMENTS = [{}, {"a": 1}, {"a": {"b": [1, 2, None]}, "c": "x"}, {"x": 1.5, "big": 2 ** 53 + 1}, [1, "two", None], "text", 5, True]


def literal(type, value):
    return "NULL" if value is None else f"{quote(str(value))}::{type}"


class Generator:
    def __init__(self, seed, table):
        self.random = random.Random(seed)
        self.table = table
        self.fresh = 0

    def value(self, type):
        r = self.random
        if type.endswith("[]"):
            items = ["1", "-5", str(2 ** 60)] + ["NULL"] * self.table.null_items
            return "{" + ",".join(r.choice(items) for _ in range(r.randrange(4))) + "}"
        pool = {"bigint": BIGINTS, "integer": INTS, "double precision": FLOATS, "numeric": NUMERICS, "timestamptz": TIMES,
                "boolean": ["true", "false"], "text": TEXTS, "jsonb": DOCUMENTS}[type]
        value = r.choice(pool)
        return json.dumps(value) if type == "jsonb" else value

    def cell(self, column):
        null = column.null and self.random.random() < 0.25
        return literal(column.type, None if null else self.value(column.type))

    def key(self, fresh):
        """A new key, or one that a row may have."""
        self.fresh += 1 if fresh else 0
        number = self.fresh if fresh or self.fresh == 0 else self.random.randint(max(1, self.fresh - 60), self.fresh)
        return [literal(c.type, self.table.key_value(c, number)) for c in self.table.keys]

    def row(self, fresh=True):
        return "(" + ", ".join(self.key(fresh) + [self.cell(c) for c in self.table.columns]) + ")"

    def names(self):
        return ", ".join(c.name for c in self.table.keys + self.table.columns)

    # ---- conditions and new values ----------------------------------------------------------

    def compare(self, column):
        if column.type in ("jsonb",) or column.type.endswith("[]"):
            return f"{column.name} IS NOT NULL"
        op = self.random.choice(["=", "<>", "<", ">=", "IS NULL", "IS NOT NULL", "IN"])
        if column.type == "boolean":
            return self.random.choice([column.name, f"NOT {column.name}", f"{column.name} IS NULL"])
        if op.startswith("IS"):
            return f"{column.name} {op}"
        if op == "IN":
            return f"{column.name} IN ({', '.join(literal(column.type, self.value(column.type)) for _ in range(3))})"
        return f"{column.name} {op} {literal(column.type, self.value(column.type))}"

    def by_key(self):
        wanted = [" AND ".join(f"{c.name} = {v}" for c, v in zip(self.table.keys, self.key(False))) for _ in range(self.random.choice([1, 1, 3]))]
        return " OR ".join(f"({w})" for w in wanted) if len(wanted) > 1 else wanted[0]

    def condition(self):
        kind = self.random.random()
        if kind < 0.5 or not self.table.columns:
            return self.by_key()
        parts = [self.compare(self.random.choice(self.table.columns)) for _ in range(self.random.choice([1, 1, 2]))]
        joined = self.random.choice([" AND ", " OR "]).join(parts)
        return f"({self.by_key()}) AND ({joined})" if self.random.random() < 0.3 else joined

    def new_value(self, column):
        kind = self.random.random()
        if kind < 0.4 and column.type in ("bigint", "integer", "double precision", "numeric"):
            amount = self.random.choice(["1", "5", "100"])
            return f"{column.name} {self.random.choice('+-')} {amount}"
        if kind < 0.5 and column.type == "text":
            return f"{column.name} || 'x'"
        if kind < 0.6 and column.type == "jsonb":
            path, value = self.random.choice(["{a}", "{a,b}", "{a,c,d}"]), self.random.choice(["7", "null", '{"b": {}, "c": {"x": 0.5}}'])
            return f"jsonb_set({column.name}, '{path}', '{value}')"
        return self.cell(column) if self.table.unset else literal(column.type, self.value(column.type))

    def assignments(self):
        columns = self.random.sample(self.table.columns, min(len(self.table.columns), self.random.choice([1, 1, 2])))
        return ", ".join(f"{c.name} = {self.new_value(c)}" for c in columns)

    # ---- statements --------------------------------------------------------------------------

    def insert(self):
        rows = ", ".join(self.row() for _ in range(self.random.choice([1, 1, 2, 5])))
        return f"INSERT INTO {self.table.name} ({self.names()}) VALUES {rows}"

    def insert_existing(self):
        rows = ", ".join([self.row(), self.row(False)])
        nothing = " ON CONFLICT DO NOTHING" if self.table.nothing and self.random.random() < 0.5 else ""
        return f"INSERT INTO {self.table.name} ({self.names()}) VALUES {rows}{nothing}"

    def update(self):
        if not self.table.columns:
            return self.delete()
        if self.random.random() < 0.2:
            column = self.random.choice(self.table.columns)
            keys = " AND ".join(f"w.{c.name} = k.{c.name}" for c in self.table.keys)
            names = ", ".join(c.name for c in self.table.keys)
            values = ", ".join("(" + ", ".join(k + [literal(column.type, self.value(column.type))]) + ")" for k in self.distinct_keys())
            return f"UPDATE {self.table.name} w SET {column.name} = k.v FROM (VALUES {values}) k({names}, v) WHERE {keys}"
        return f"UPDATE {self.table.name} SET {self.assignments()} WHERE {self.condition()}"

    def distinct_keys(self):
        return [list(k) for k in {tuple(self.key(False)) for _ in range(4)}]

    def delete(self):
        return f"DELETE FROM {self.table.name} WHERE {self.condition()}"

    def statement(self):
        r = self.random.random()
        if r < 0.35 or self.fresh < 10:
            return self.insert()
        if r < 0.42 and self.table.unique:
            return self.insert_existing()
        return self.update() if r < 0.85 else self.delete()

    def transaction(self):
        """A list of statements; more than one only of inserts, for a store may not show a transaction's own writes."""
        if self.random.random() < 0.85:
            return [self.statement()]
        end = self.random.choice(["COMMIT", "COMMIT", "ROLLBACK"])
        return ["BEGIN", self.insert(), "SAVEPOINT s", self.insert(), self.random.choice(["ROLLBACK TO s", "RELEASE s"]), self.insert(), end]


# ---- tables ------------------------------------------------------------------------------------

class Column:
    def __init__(self, name, type, null=True, **options):
        self.name, self.type, self.null, self.options = name, type, null, options


class Table:
    """What the store can: tell that a key exists (unique), and leave it alone (nothing); make a column NULL (unset); keep NULL in a
    list (null_items) and the sign of a zero (signed_zero)."""

    def __init__(self, name, server, keys, columns, unique=True, nothing=True, unset=True, null_items=True, signed_zero=True, **options):
        self.name, self.server, self.keys, self.columns, self.options = name, server, keys, columns, options
        self.unique, self.nothing, self.unset, self.null_items, self.signed_zero = unique, nothing, unset, null_items, signed_zero

    def key_value(self, column, number):
        return f"k{number}'" if column.type == "text" else number

    def definition(self, foreign):
        return ", ".join(f"{c.name} {c.type}" + (setup.option_list(c.options) if foreign else "") + (' COLLATE "C"' if c.type == "text" else "")
                         for c in [*self.keys, *self.columns])

    def make(self, cursor):
        cursor.execute(f"CREATE FOREIGN TABLE w_remote.{self.name} ({self.definition(True)}) SERVER {self.server}"
                       f"{setup.option_list({**self.options, 'truncatable': 'true'})}")
        cursor.execute(f"CREATE TABLE w_twin.{self.name} ({self.definition(False)}, PRIMARY KEY ({', '.join(c.name for c in self.keys)}))")


def scalars():
    return [Column("a", "bigint"), Column("f", "double precision"), Column("t", "text"), Column("b", "boolean")]


def tables():
    return [
        Table("influx_points", "influx", [Column("ns", "bigint", kind="time_ns"), Column("sym", "text", kind="tag")],
              [Column("seq", "integer", False), *scalars()], unique=False, unset=False, measurement="w_points"),
        Table("mongo_docs", "mongo", [Column("_id", "bigint")],
              [*scalars(), Column("i", "integer"), Column("n", "numeric"), Column("d", "timestamptz"), Column("j", "jsonb"),
               Column("arr", "bigint[]"), Column("deep", "bigint", path="x.y.z")], signed_zero=False, collection="w_docs"),
        Table("redis_hash", "redis", [Column("id", "bigint", kind="key")],
              [Column("seq", "integer", False), *scalars(), Column("n", "numeric")], type="hash", key_prefix="w_hash:"),
        Table("redis_string", "redis", [Column("k", "text", kind="key")], [Column("value", "text", False)], type="string", key_prefix="w_string:"),
        Table("redis_zset", "redis", [Column("member", "text")], [Column("score", "double precision", False)], signed_zero=False, type="zset", key="w_zset"),
        Table("redis_set", "redis", [Column("member", "text")], [], type="set", key="w_set"),
        Table("neo4j_nodes", "neo4j", [Column("id", "bigint")],
              [*scalars(), Column("d", "timestamptz"), Column("arr", "bigint[]")], null_items=False, signed_zero=False, label="W_Node", key="id"),
    ]


# ---- running -------------------------------------------------------------------------------------

class Side:
    """One of the two schemas, with a session of its own."""

    def __init__(self, schema):
        self.connection = psycopg2.connect("")
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute(f"SET search_path = {schema}; SET timezone = 'UTC'; SET client_min_messages = error; SET extra_float_digits = 1; "
                            "SET cipherhorizon.connect_timeout = '20s'")

    def run(self, statements):
        """What each statement gave; after an error the rest of a transaction is left out."""
        results = []
        for statement in statements:
            try:
                self.cursor.execute(statement)
                results.append(self.cursor.rowcount if statement[:6] in ("INSERT", "UPDATE", "DELETE") else "ok")
            except psycopg2.errors.FdwTableNotFound:
                results.append(0)
            except psycopg2.Error as error:
                results.append(error.pgcode or "connection")
                self.message = str(error)
                if len(statements) > 1:
                    self.cursor.execute("ROLLBACK")
                break
        return results

    def rows(self, table):
        """A store that was never written may not know the table's name."""
        try:
            self.cursor.execute(f"SELECT x::text FROM {table.name} x")
        except psycopg2.errors.FdwTableNotFound:
            return Counter()
        return Counter(r[0] if table.signed_zero else re.sub(r"(?<=,)-0(?=[,)])", "0", r[0]) for r in self.cursor.fetchall())


def alike(got, wanted, statements):
    """Of several rows that jsonb_set refuses, lists (22P02) and scalars (22023), or whose sum is too large, any may be the first."""
    def outcomes(results):
        return ["22P02" if r in ("22023", "22003") else r for r in results] if any("jsonb_set" in s for s in statements) else results
    return outcomes(got) == outcomes(wanted)


def check(table, seed, count):
    """Returns the number of differences."""
    generator, remote, twin = Generator(f"{seed} {table.name}", table), Side("w_remote"), Side("w_twin")
    outcomes, different = Counter(), 0
    remote.cursor.execute(f"TRUNCATE {table.name}")
    for number in range(count):
        statements = generator.transaction()
        remote.message = twin.message = ""
        got, wanted = remote.run(statements), twin.run(statements)
        outcomes.update(str(r) if isinstance(r, str) else "rows" for r in got)
        remote_rows, twin_rows = remote.rows(table), twin.rows(table)
        # before the commit the store does not say which rows it had
        told = not any("DO NOTHING" in s for s in statements)
        if (alike(got, wanted, statements) or (not told and isinstance(got[0], int))) and remote_rows == twin_rows:
            continue
        different += 1
        print(f"DIFFERENCE --seed {seed} --only {table.name}, transaction {number}")
        print("  " + ";\n  ".join(statements))
        print(f"  foreign table: {got} {remote.message.strip()}\n  twin: {wanted} {twin.message.strip()}")
        for what, rows in (("missing", twin_rows - remote_rows), ("too many", remote_rows - twin_rows)):
            for row in list(rows)[:3]:
                print(f"  {what}: {row}")
        twin.cursor.execute(f"TRUNCATE {table.name}")
        names = ", ".join(c.name for c in table.keys + table.columns)
        twin.cursor.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM w_remote.{table.name}")
    rows = sum(remote.rows(table).values())
    remote.cursor.execute(f"TRUNCATE {table.name}")
    print(f"{table.name}: {count} transactions, {rows} rows at the end, {different} differences; {dict(outcomes.most_common())}")
    return different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--statements", type=int, default=300)
    parser.add_argument("--only")
    args = parser.parse_args()
    connection = psycopg2.connect("")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS cipherhorizon")
    cursor.execute("DROP SCHEMA IF EXISTS w_remote CASCADE; DROP SCHEMA IF EXISTS w_twin CASCADE; CREATE SCHEMA w_remote; CREATE SCHEMA w_twin")
    cursor.execute("SELECT count(*) FROM pg_foreign_server WHERE srvname = 'influx'")
    if cursor.fetchone()[0] == 0:
        setup.make_servers(cursor)
    chosen = [t for t in tables() if args.only is None or t.name.startswith(args.only)]
    for table in chosen:
        table.make(cursor)
    print(f"writes: seed {args.seed}")
    return 1 if sum(check(table, args.seed, args.statements) for table in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
