"""Makes the database of the twin test.

Schemas: remote has the foreign tables, twin native tables of the same names and
rows, native what is native anyway.  literal has the rows as data.py writes
them; they must equal what the foreign tables show, so that a mistake in
decoding is not copied into the twins.
"""
import os
from collections import Counter

from data import ident, literal, quote
from stores import REDIS_DATABASE

NEAR, FAR = {"fdw_startup_cost": "10"}, {"fdw_startup_cost": "3000"}


def servers():
    env = os.environ
    address = {
        "influx": ("influxdb", {"url": env["INFLUXDB_URL"], "dbname": "t_twin"}, {"user": env["INFLUXDB_USER"], "password": env["INFLUXDB_PASSWORD"]}),
        "mongo": ("mongodb", {"host": env["MONGODB_HOST"], "port": env["MONGODB_PORT"], "database": "t_twin"},
                  {"user": env["MONGODB_USER"], "password": env["MONGODB_PASSWORD"]}),
        "redis": ("redis", {"host": env["REDIS_HOST"], "port": env["REDIS_PORT"], "database": REDIS_DATABASE}, {"password": env["REDIS_PASSWORD"]}),
        "neo4j": ("neo4j", {"url": env["NEO4J_URL"]}, {"user": env["NEO4J_USER"], "password": env["NEO4J_PASSWORD"]}),
    }
    for name, (store, options, login) in address.items():
        yield name, store, {**options, **NEAR}, login
        yield name + "_far", store, {**options, **FAR}, login
        yield name + "_null", store, {**options, **NEAR, "on_type_mismatch": "null"}, login
        yield name + "_null_far", store, {**options, **FAR, "on_type_mismatch": "null"}, login


def option_list(options):
    return f" OPTIONS ({', '.join(f'{k} {quote(v)}' for k, v in options.items())})" if options else ""


def make_servers(cursor):
    for name, store, options, login in servers():
        cursor.execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER cipherhorizon_{store}{option_list(options)}")
        cursor.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name}{option_list(login)}")


def column_list(table, foreign):
    return ", ".join(ident(c.name) + " " + c.type + (option_list(c.options) if foreign else "") + (f' COLLATE "{c.collate}"' if c.collate else "") +
                     (" NOT NULL" if c.notnull else "") for c in table.columns)


def insert(cursor, schema, table):
    if table.rows:
        rows = ", ".join("(" + ", ".join(literal(v, c.type) for v, c in zip(row, table.columns)) + ")" for row in table.rows)
        cursor.execute(f"INSERT INTO {schema}.{ident(table.name)} VALUES {rows}")


def make_native(cursor, table):
    """Native tables of their own; a partition has a twin like a foreign table."""
    schema = "remote" if table.name.startswith("part_") else "native"
    cursor.execute(f"CREATE TABLE {schema}.{ident(table.name)} ({column_list(table, False)})")
    insert(cursor, schema, table)
    cursor.execute(f"SET search_path = {schema}")
    for statement in table.after:
        cursor.execute(statement)
    cursor.execute("RESET search_path")


def make_partitioned(cursor, tables):
    parts = [t for t in tables if t.name.startswith("part_")]
    cursor.execute(f"CREATE TABLE remote.part ({column_list(parts[0], False)}) PARTITION BY LIST (src)")
    for t in parts:
        cursor.execute(f"ALTER TABLE remote.part ATTACH PARTITION remote.{ident(t.name)} FOR VALUES IN ({quote(t.name[5:])})")
    cursor.execute("CREATE TABLE twin.part (LIKE remote.part)")
    cursor.execute("INSERT INTO twin.part SELECT * FROM remote.part")


def rows_of(cursor, schema, table):
    cursor.execute(f"SELECT x::text FROM {schema}.{ident(table.name)} x")
    return Counter(r[0] for r in cursor.fetchall())


def make_twin(cursor, table):
    name = ident(table.name)
    cursor.execute(f"CREATE TABLE twin.{name} (LIKE remote.{name})")
    cursor.execute(f"INSERT INTO twin.{name} SELECT * FROM remote.{name}")
    if table.rows is None:
        return True
    cursor.execute(f"CREATE TABLE literal.{name} (LIKE remote.{name})")
    insert(cursor, "literal", table)
    expected, found = rows_of(cursor, "literal", table), rows_of(cursor, "remote", table)
    for what, rows in (("is not there", expected - found), ("should not be there", found - expected)):
        for row in list(rows)[:5]:
            print(f"{table.name}: a row {what}: {row}")
    return expected == found


def make(cursor, tables, settings):
    """False if a foreign table does not show the rows of data.py."""
    cursor.execute("CREATE EXTENSION cipherhorizon; CREATE SCHEMA remote; CREATE SCHEMA twin; CREATE SCHEMA native; CREATE SCHEMA literal")
    cursor.execute("SET client_min_messages = error; SET timezone = 'UTC'")
    make_servers(cursor)
    cursor.execute(";".join(f"SET {name} = off" for name in settings))
    same = True
    for table in tables:
        if table.server == "":
            make_native(cursor, table)
        else:
            cursor.execute(f"CREATE FOREIGN TABLE remote.{ident(table.name)} ({column_list(table, True)}) "
                           f"SERVER {table.server}{option_list(table.options)}")
            # few rows, so that a store is asked for joins without an index
            if table.name.endswith("_far"):
                cursor.execute(f"ANALYZE remote.{ident(table.name)}")
        if table.server != "" or table.name.startswith("part_"):
            same = make_twin(cursor, table) and same
    make_partitioned(cursor, tables)
    return same
