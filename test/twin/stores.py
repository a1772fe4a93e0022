"""Loads the rows of data.py into the stores, and takes them out again."""
import json
import math
import os
import subprocess
from pathlib import Path

import data

TEST = Path(__file__).resolve().parent.parent
LOAD = TEST / "load"
DATABASE = "t_twin"  # of InfluxDB and MongoDB
REDIS_DATABASE = "9"  # so that a scan of a prefix meets no keys of others


def call(command, text="", **env):
    subprocess.run(command, input=text.encode(), check=True, stdout=subprocess.DEVNULL, env={**os.environ, **env})


def by_name(tables):
    return {t.name: t for t in tables}


# ---- InfluxDB: line protocol ---------------------------------------------------------

def escape(text, characters):
    return "".join("\\" + c if c in characters else c for c in text)


def field_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + escape(value, '"\\') + '"'


def line(table, row):
    tags, fields, time = "", [], 0
    for column, value in zip(table.columns, row):
        kind, name = column.options.get("kind"), column.options.get("field", column.name)
        if kind == "tag" and value is not None:
            tags += "," + escape(name, ",= ") + "=" + escape(value, ",= ")
        elif kind == "time_ns" or (column.type == "timestamptz" and kind in (None, "time")):
            time = value
        elif kind is None and value is not None:
            fields.append(escape(name, ",= ") + "=" + field_value(value))
    return escape(table.options["measurement"], ", ") + tags + " " + ",".join(fields) + f" {time}\n"


def load_influx(tables):
    env = {"INFLUXDB_TEST_DATABASE": DATABASE}
    call([LOAD / "influx.sh", "reset"], **env)
    call([LOAD / "influx.sh", "query", f'DROP DATABASE "{DATABASE}"'], **env)
    call([LOAD / "influx.sh", "reset"], **env)
    lines = [line(t, r) for t in tables if t.server.startswith("influx") and t.rows is not None for r in t.rows]
    # a point without any of the table's fields is no row of it
    lines += [(TEST / "data" / "influx_odd.lp").read_text(), "nothing,sym=a other=1 1\n"]
    call([LOAD / "influx.sh", "write"], "".join(lines), **env)


# ---- MongoDB: extended JSON -------------------------------------------------------------

def bson(value, type=""):
    if value is None:
        return None
    if type == "timestamptz":
        return {"$date": {"$numberLong": str(value // 10 ** 6)}}
    if type == "uuid":
        return {"$uuid": value}
    if type == "numeric":
        return {"$numberDecimal": str(value)}
    if isinstance(value, bool) or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2 ** 31 else {"$numberLong": str(value)}
    if isinstance(value, float):
        name = "NaN" if math.isnan(value) else "Infinity" if value == math.inf else "-Infinity" if value == -math.inf else repr(value)
        return {"$numberDouble": name}
    if isinstance(value, list):
        return [bson(v) for v in value]
    return {k: bson(v) for k, v in value.items()}


def put(document, path, value):
    *parents, last = path.split(".")
    for part in parents:
        document = document.setdefault(part, {})
    document[last] = value


def document(table, row, number):
    """A NULL is a missing field, or now and then null."""
    d = {}
    for column, value in zip(table.columns, row):
        if value is not None or (number + len(d)) % 3 == 0:
            put(d, column.options.get("path", column.name), bson(value, column.type))
    return d


def add_rules(documents, rules):
    for d in documents:
        mine = [r for r in rules if r[0] == d["_id"]]
        if mine:
            d["rules"] = [{k: bson(v) for k, v in zip(("symbol", "weight", "q"), r[2:]) if v is not None} for r in mine]
        elif d["_id"] % 2:
            d["rules"] = []


def mongo_documents(tables):
    known = by_name(tables)
    made = {name: [document(known[name], row, i) for i, row in enumerate(known[name].rows)]
            for name in ("mon_docs", 'mon "Odd"', "part_mongo")}
    add_rules(made["mon_docs"], known["mon_rules"].rows)
    for name, documents in made.items():
        for d in documents:
            yield known[name].options["collection"], d
    for i, value in enumerate(data.mongo_values()):
        yield "mixed", {"id": i, "v": bson(value)} if i % 5 or value is not None else {"id": i}
    for text, q in known["mon_ids"].rows:
        yield "ids", {"_id": {"$oid": text} if q == 0 else text, "q": q}


def load_mongo(tables):
    call(["make", "-s", "-C", LOAD, "build/mongo_load"])
    program = LOAD / "build" / "mongo_load"
    call([program, "--command", DATABASE, '{"dropDatabase": 1}', "--command", DATABASE, '{"create": "empty"}'])
    lines = [f"{DATABASE}\t{c}\t{json.dumps(d)}\n" for c, d in mongo_documents(tables)]
    old = (TEST / "data" / "mongodb_types.tsv").read_text().replace("t_mongodb_types\t", DATABASE + "\t")
    call([program, "--load"], "".join(lines) + old)


# ---- Redis: the protocol, by redis-cli -----------------------------------------------------

def redis_text(value, type):
    if isinstance(value, bool):
        return "true" if value else "false"
    if type == "timestamptz":
        return data.time_text(value) + "+00"
    if isinstance(value, float):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, repr(value))
    return str(value)


def redis_commands(tables):
    for t in tables:
        if not t.server.startswith("redis") or t.rows is None:
            continue
        for row in t.rows:
            yield from redis_row(t, {c.name: redis_text(v, c.type) for c, v in zip(t.columns, row) if v is not None})
    for key, _ in by_name(tables)["red_watched"].rows:
        yield ["SADD", "t_twin:watched", key]
    yield ["SADD", "t_twin:watched", "t_twin:h:99999", "t_twin:queue"]


def redis_row(table, row):
    kinds = {c.options.get("kind", c.name): row.get(c.name) for c in table.columns}
    key = table.options.get("key") or table.options.get("key_prefix", "") + (kinds.get("key") or "")
    kind = table.options["type"]
    if "key_set" in table.options or (table.name == "red_board"):
        return  # the rows of another table
    if kind in ("hash", "stream"):
        fields = [(c.options.get("field", c.name), row[c.name]) for c in table.columns if c.options.get("kind") is None and c.name in row]
        command = ["HSET", key] if kind == "hash" else ["XADD", key, row["ms"] + "-0"]
        yield command + [part for pair in fields or [("none of the columns", "1")] for part in pair]
    elif kind == "string":
        yield ["SET", key, kinds["value"]]
    elif kind == "list":
        yield ["RPUSH", key, kinds["value"]]
    elif kind == "set":
        yield ["SADD", key, kinds["member"]]
    else:
        yield ["ZADD", key, kinds["score"], kinds["member"]]


def resp(command):
    parts = [c.encode() for c in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def redis_cli(arguments, data=b""):
    login = {"REDISCLI_AUTH": os.environ.get("REDIS_PASSWORD", "")}
    address = ["-h", os.environ.get("REDIS_HOST", "127.0.0.1"), "-p", os.environ.get("REDIS_PORT", "6379"), "-n", REDIS_DATABASE]
    return subprocess.run(["redis-cli", *address, *arguments], input=data, check=True, stdout=subprocess.PIPE, env={**os.environ, **login}).stdout


def clear_redis():
    script = ("local c = '0' repeat local r = redis.call('SCAN', c, 'MATCH', 't_twin*', 'COUNT', 1000) c = r[1] "
              "for _, k in ipairs(r[2]) do redis.call('DEL', k) end until c == '0'")
    redis_cli(["EVAL", script, "0"])


def load_redis(tables):
    clear_redis()
    answer = redis_cli(["--pipe"], b"".join(resp(c) for c in redis_commands(tables)))
    if b"errors: 0" not in answer:
        raise SystemExit("Redis: " + answer.decode())
    for name in ("types", "scan"):
        text = (TEST / "data" / f"redis_{name}.txt").read_bytes().replace(b"t_redis_" + name.encode() + b":", b"t_twin_" + name.encode() + b":")
        # the large keys of the scan test say nothing more here
        redis_cli([], b"\n".join(l for l in text.split(b"\n") if not l.startswith(b"EVAL")))


# ---- Neo4j: Cypher literals -------------------------------------------------------------------

def cypher(value, type=""):
    if isinstance(value, bool):
        return "true" if value else "false"
    if type in ("timestamptz", "timestamp"):
        text = data.time_text(value).replace(" ", "T")
        text = text.split(".")[0] + f".{value % 10 ** 9:09d}"
        return f"datetime('{text}Z')" if type == "timestamptz" else f"localdatetime('{text}')"
    if type == "date":
        return f"date('{value}')"
    if isinstance(value, float):
        return "0.0/0.0" if math.isnan(value) else "1.0/0.0" if value == math.inf else "-1.0/0.0" if value == -math.inf else repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(cypher(v) for v in value) + "]"
    if isinstance(value, str):
        # not \uXXXX: those are replaced before the text is parsed
        return '"' + "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.get(c, c) for c in value) + '"'
    # -2^63 is no literal
    return "(-9223372036854775807 - 1)" if value == -2 ** 63 else str(value)


def properties(columns, row, skip=()):
    pairs = [(c.options.get("property", c.name), cypher(v, c.type)) for c, v in zip(columns, row)
             if v is not None and c.options.get("kind", "property") == "property"]
    return "{" + ", ".join("`" + n.replace("`", "``") + "`: " + v for n, v in pairs) + "}"


def cypher_statements(tables):
    known = by_name(tables)
    yield from clear_statements()
    for name in ("neo_people", 'neo "Odd"', "part_neo4j"):
        t = known[name]
        label = t.options["label"].replace("`", "``")
        yield "CREATE " + ",\n".join(f"(:`{label}` {properties(t.columns, r)})" for r in t.rows)
    yield "CREATE " + ",\n".join(f"(:TwinMixed {{id: {i}{'' if v is None else ', v: ' + cypher(v)}}})" for i, v in enumerate(data.MIXED))
    t = known["neo_knows"]
    for row in t.rows:
        yield (f"MATCH (a:TwinPerson {{id: {row[1]}}}), (b:TwinPerson {{id: {row[2]}}}) "
               f"CREATE (a)-[:TWIN_KNOWS {properties(t.columns, row)}]->(b)")
    yield "CREATE (:TwinNone {id: 1, k: 1, name: 'x', e: 0.5})"
    yield "MATCH (n:TwinNone) DELETE n"


def clear_statements():
    for label in ("TwinPerson", "TwinNone", 'Twin "odd" ``name``', "TwinMixed", "TwinPart", "TwinOdd"):
        yield f"MATCH (n:`{label}`) DETACH DELETE n"


def run_cypher(statements, folder):
    path = folder / "twin.cypher"
    path.write_text(";\n".join(statements) + ";\n", encoding="utf-8")
    call(["python3", LOAD / "neo4j.py", path])


def load_neo4j(tables, folder):
    run_cypher(list(cypher_statements(tables)), folder)
    old = folder / "odd.cypher"
    old.write_text((TEST / "data" / "neo4j_odd.cypher").read_text(encoding="utf-8").replace("TNodeOdd", "TwinOdd"), encoding="utf-8")
    call(["python3", LOAD / "neo4j.py", old])


def load(tables, folder):
    load_influx(tables)
    load_mongo(tables)
    load_redis(tables)
    load_neo4j(tables, folder)


def clear(folder):
    call([LOAD / "influx.sh", "query", f'DROP DATABASE "{DATABASE}"'], INFLUXDB_TEST_DATABASE=DATABASE)
    call([LOAD / "build" / "mongo_load", "--command", DATABASE, '{"dropDatabase": 1}'])
    clear_redis()
    run_cypher(list(clear_statements()), folder)
