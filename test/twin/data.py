"""The rows of the twin test: the same literals for a store and for PostgreSQL.

Each Table knows its foreign table's definition and, where the store keeps every
value exactly, the rows that must come out of it.  The rows are always the same
ones.  What a store is loaded with is made from them by stores.py.
"""
import datetime
import decimal
import json
import math
import random
import re
import uuid
from dataclasses import dataclass, field

Decimal = decimal.Decimal
EPOCH = datetime.datetime(1970, 1, 1)
BIG = 2 ** 53

# strings that some store or some quoting gets wrong, and plain ones to find twice
NAMES = ["", "a", "A", "b", "ab", "é", "z\uFFFD", "z\U0001F600", "it's", "back\\slash", "\"quoted\"", " ", "a%b", "a_b", "%",
         "x\r\ny", "zzz", "null", "$a", "5f0000000000000000000001", "00010203-0405-0607-0809-0a0b0c0d0e0f", "a b=c,d"]
PLAIN = ["a", "b", "ab", "A", "é", "zzz", "it's"]
FLOATS = [0.0, -0.0, 0.1, -0.1, 1.5, 1e308, -1e308, 5e-324, float(BIG), float(BIG + 2), 1e-7, 123456.789, 2147483648.0, -9223372036854775808.0]
NOT_FINITE = [math.nan, math.inf, -math.inf]
BIGINTS = [BIG, BIG + 1, -BIG - 1, 2 ** 63 - 1, -2 ** 63, 2 ** 31, -1, 0]
NUMERICS = [Decimal(s) for s in ("0", "0.1", "-0.5", "12345678901234567890.123456789012", "9007199254740993", "1E-10", "3", "7.25")]
NOON = 1767268800 * 10 ** 9  # 2026-01-01 12:00 in nanoseconds
# of a store with milliseconds; micro- and nanoseconds are added where they are kept
TIMES = [0, -10 ** 6, -86400 * 10 ** 9, -2208988800 * 10 ** 9, NOON, NOON + 10 ** 6, NOON - 10 ** 6, NOON + 1500 * 10 ** 6]


@dataclass
class Column:
    name: str
    type: str
    options: dict = field(default_factory=dict)
    collate: str = ""
    notnull: bool = False


@dataclass
class Table:
    name: str
    server: str  # "" for a native table
    options: dict
    columns: list
    rows: list = None  # tuples; None: the store's values are not known exactly
    after: list = field(default_factory=list)  # statements once it is there


def col(name, type, collate="", notnull=False, **options):
    return Column(name, type, options, collate, notnull)


# ---- values as SQL --------------------------------------------------------------

def ident(name):
    return '"' + name.replace('"', '""') + '"'


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def time_text(ns):
    """To the microsecond below, as foreign tables show nanoseconds."""
    return (EPOCH + datetime.timedelta(microseconds=ns // 1000)).isoformat(" ")


def literal(value, type):
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(literal(v, type[:-2]) for v in value) + "]::" + type
    if type == "jsonb":
        text = json.dumps(value)
    elif type in ("timestamptz", "timestamp"):
        text = time_text(value) + ("+00" if type == "timestamptz" else "")
    elif isinstance(value, float):
        text = repr(value)
    else:
        text = str(value)
    return quote(text) + "::" + type


def fits(value, type):
    """What a column of this type shows of a value of any type, NULL if it does not fit."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if type == "jsonb":
        return value
    if type == "text":
        return value if isinstance(value, str) else None
    if type == "boolean":
        return value if isinstance(value, bool) else None
    if not number:
        return None
    if type == "float8":
        return float(value) if value != value or float(value) == value else None
    if type == "numeric":
        return Decimal(repr(value))
    bound = 2 ** 31 if type == "int" else 2 ** 63
    if not math.isfinite(value) or value != int(value) or not -bound <= value < bound:
        return None
    return int(value)


# ---- the same columns in many tables -----------------------------------------------

class Maker:
    """Rows by chance, always the same chance."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def maybe(self, value, chance=0.15):
        """The value, or NULL."""
        return None if self.rng.random() < chance else value

    def key(self):
        return self.rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, BIG, BIG + 1, -1])

    def name(self):
        return self.rng.choice(NAMES if self.rng.random() < 0.5 else PLAIN)

    def exact(self):
        """Sums and averages of these are exact in binary."""
        return self.rng.randint(-80, 80) / 8

    def nasty(self, finite=False):
        return self.rng.choice(FLOATS if finite else FLOATS + NOT_FINITE)

    def small(self):
        return self.rng.randint(-9, 30)

    def bigint(self):
        return self.rng.choice(BIGINTS) if self.rng.random() < 0.3 else self.small()

    def number(self):
        return self.rng.choice(NUMERICS)

    def flag(self):
        return self.rng.random() < 0.5

    def when(self, unit=1000):
        """Nanoseconds, whole ones of a unit."""
        return (self.rng.choice(TIMES) + self.rng.choice([0, 0, 1, 999, 1000, 1001, 10 ** 6, 60 * 10 ** 9])) // unit * unit

    def day(self):
        return self.rng.choice(["1969-12-31", "1970-01-01", "2026-01-01", "2026-02-28", "0001-01-01"])

    def uuid(self):
        return str(uuid.UUID(int=self.rng.choice([0, 1, 0x0001020304050607080900AB0C0D0E0F, 2 ** 128 - 1])))

    def texts(self):
        return [self.name() for _ in range(self.rng.randint(0, 3))]

    def ints(self):
        return [self.rng.randint(0, 6) for _ in range(self.rng.randint(0, 4))]

    def document(self):
        d = {"a": self.rng.choice([1, 2, "x", None, [1, 2], True]), "s": self.name()}
        if self.rng.random() < 0.5:
            d["in"] = {"n": self.rng.randint(0, 3), "é \"k": "odd key", "t": self.texts()}
        if self.rng.random() < 0.3:
            del d["a"]
        return d


# ---- native tables -------------------------------------------------------------------

def native_tables():
    m = Maker(1)
    wide = [(i, m.maybe(m.key()), m.maybe(m.name()), m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.nasty()), m.maybe(m.number()),
             m.small(), m.maybe(m.bigint()), m.maybe(m.flag(), 0.3), m.maybe(m.when()), m.maybe(m.when()), m.maybe(m.day()),
             m.maybe(m.uuid()), m.maybe(m.document()), m.maybe(m.ints()), m.maybe(m.texts())) for i in range(50)]
    wide_columns = [col("id", "int", notnull=True), col("k", "bigint"), col("name", "text", "C"), col("label", "text"), col("e", "float8"),
                    col("f", "float8"), col("n", "numeric"), col("i", "int"), col("b", "bigint"), col("flag", "boolean"),
                    col("at", "timestamptz"), col("ts", "timestamp"), col("d", "date"), col("u", "uuid"), col("j", "jsonb"),
                    col("nums", "int[]"), col("tags", "text[]")]
    keys = [(k, n) for k, n in zip([*range(1, 11), BIG, BIG + 1], NAMES)]
    bounds = [(i, m.rng.choice(["a", "b", "c d", None]), m.when(), m.small()) for i in range(12)]
    return [
        Table("nat", "", {}, wide_columns, wide),
        Table("nat_keys", "", {}, [col("k", "bigint", notnull=True), col("label", "text", "C", notnull=True)], keys,
              ["ALTER TABLE nat_keys ADD PRIMARY KEY (k)"]),
        Table("nat_bounds", "", {}, [col("id", "int"), col("sym", "text", "C"), col("till", "timestamptz"), col("q", "int")], bounds),
        Table("nat_empty", "", {}, [col("k", "bigint"), col("name", "text", "C"), col("e", "float8"), col("at", "timestamptz")], []),
    ]


# ---- InfluxDB ----------------------------------------------------------------------------

def influx_tables():
    m = Maker(2)
    syms = ["a", "b", "c d", "é,=x", "it's \"q\"", "back\\slash", "\U0001F600"]
    ticks = {}
    for _ in range(90):
        key = (m.when(1), m.maybe(m.rng.choice(syms)), m.maybe(m.rng.choice(["x", "y", "%", "a_b"]), 0.3))
        row = (m.maybe(m.exact()), m.maybe(m.nasty(True)), m.maybe(m.bigint()), m.maybe(m.name()), m.maybe(m.flag(), 0.3))
        if any(v is not None for v in row):
            ticks[key] = row
    bars = [(NOON + j * 15 * 10 ** 9, s, NOON + j * 15 * 10 ** 9, m.exact(), m.maybe(m.small()))
            for s in ("a", "b", "c d") for j in range(18)]
    odd = [(i * 10 ** 9, m.name() or "x", m.exact(), m.maybe(m.small())) for i in range(20)]
    odd = [(t, re.sub(r"[\r\n]", " ", s), e, i) for t, s, e, i in odd]
    return [
        Table("inf_ticks", "influx", {"measurement": "ticks"},
              [col("time", "timestamptz"), col("ns", "bigint", kind="time_ns"), col("sym", "text", "C", kind="tag"), col("venue", "text", kind="tag"),
               col("e", "float8"), col("f", "float8"), col("i", "bigint"), col("s", "text", "C"), col("ok", "boolean")],
              [(t, t, sym, venue, *row) for (t, sym, venue), row in ticks.items()]),
        Table("inf_bars", "influx_far", {"measurement": "bars", "fetch_size": "7"},
              [col("time", "timestamptz", notnull=True), col("sym", "text", "C", kind="tag"), col("ns", "bigint", kind="time_ns"),
               col("price", "float8", notnull=True), col("size", "bigint")],
              [(t, s, ns, e, i) for t, s, ns, e, i in bars]),
        Table('inf "Odd"', "influx", {"measurement": 'odd "name", it\'s'},
              [col("Time", "timestamptz", kind="time"), col('Sym "x"', "text", "C", kind="tag", field='the "tag", a=b'),
               col("select", "float8", field="val'ue\\x y"), col("ünï it's", "bigint", field="a b,c=d")], odd),
        Table("inf_nothing", "influx", {"measurement": "nothing"},
              [col("time", "timestamptz"), col("sym", "text", "C", kind="tag"), col("e", "float8"), col("k", "bigint")], []),
        Table("inf_mixed", "influx_null", {"measurement": "odd"},
              [col("time", "timestamptz"), col("ns", "bigint", kind="time_ns"), col("a", "text", kind="tag"), col("b", "text", "C", kind="tag"),
               col("f", "float8"), col("f_num", "numeric", field="f"), col("f_int", "int", field="f"), col("i", "bigint"),
               col("i_num", "numeric", field="i"), col("i_float", "float8", field="i"), col("i_int", "int", field="i"), col("s", "text"),
               col("ok", "boolean")]),
        Table("inf_one_field", "influx_null", {"measurement": "odd"},
              [col("time", "timestamptz", notnull=True), col("a", "text", kind="tag"), col("i", "bigint")]),
    ]


# ---- MongoDB and Neo4j: values of any type in one property -----------------------------------

MIXED = [1, -1, 0, BIG + 1, 2 ** 31, 2 ** 63 - 1, 1.0, 1.5, -0.0, 0.1, math.nan, math.inf, 1e308, float(BIG + 2), "", "a", "1", "true", "é",
         "\U0001F600", "\uFFFD", True, False, None, 7, 7.0, "7", "a"]
MIXED_TYPES = [("v_int", "int"), ("v_bigint", "bigint"), ("v_float", "float8"), ("v_text", "text"), ("v_bool", "boolean")]


def mixed_table(name, server, options, option, values):
    columns = [col("id", "int")] + [col(n, t, "C" if t == "text" else "", **{option: "v"}) for n, t in MIXED_TYPES]
    return Table(name, server, options, columns, [(i, *(fits(v, t) for _, t in MIXED_TYPES)) for i, v in enumerate(values)])


def mongo_values():
    return MIXED + [[1], ["a"], [], [[1]], {"a": 1}, {}]


def mongo_tables():
    m = Maker(3)
    docs = [(i, m.maybe(m.key()), m.maybe(m.name()), m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.nasty()), m.maybe(m.number()), m.maybe(m.small()),
             m.maybe(m.bigint()), m.maybe(m.flag(), 0.3), m.maybe(m.when(10 ** 6)), m.maybe(m.uuid()), m.maybe(m.texts()), m.maybe(m.ints()),
             m.maybe(m.document())) for i in range(50)]
    rules = [(doc[0], position, m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.small()))
             for doc in docs for position in range(m.rng.choice([0, 0, 1, 2, 3]))]
    odd = [(i, m.small(), m.name(), m.name(), m.maybe(m.exact())) for i in range(15)]
    ids = ["5f0000000000000000000001", "5f0000000000000000000002", "5F0000000000000000000002", "plain", "", "5f000000000000000000000"]
    tables = [
        Table("mon_docs", "mongo", {"collection": "docs", "fetch_size": "7"},
              [col("_id", "int", notnull=True), col("k", "bigint"), col("name", "text", "C", bson_type="string"), col("label", "text"),
               col("e", "float8", path="v.e"), col("f", "float8", path="v.f"), col("n", "numeric", bson_type="decimal128"), col("i", "int"),
               col("b", "bigint"), col("flag", "boolean"), col("at", "timestamptz"), col("u", "uuid", bson_type="uuid"), col("tags", "text[]"),
               col("nums", "int[]"), col("j", "jsonb")], docs),
        Table("mon_rules", "mongo_far", {"collection": "docs", "unwind": "rules"},
              [col("doc", "int", path="_id"), col("position", "int", kind="index"), col("symbol", "text", "C", path="rules.symbol"),
               col("weight", "float8", path="rules.weight"), col("q", "int", path="rules.q")], rules),
        Table('mon "Odd"', "mongo", {"collection": 'odd "name" é'},
              [col("_id", "int"), col('a "b" c', "int", path="a \"b\" c'"), col("Name", "text", "C"), col("name", "text", "C"),
               col("ünï", "float8", path="ü.ï")], odd),
        Table("mon_ids", "mongo", {"collection": "ids"}, [col("_id", "text", "C"), col("q", "int")], [(s, i) for i, s in enumerate(ids)]),
        Table("mon_empty", "mongo", {"collection": "empty"}, [col("_id", "int"), col("k", "bigint"), col("name", "text", "C"), col("e", "float8")], []),
        mixed_table("mon_mixed", "mongo_null", {"collection": "mixed"}, "path", mongo_values()),
        Table("mon_owners", "mongo_far", {"collection": "docs", "pipeline": '[{"$match": {"k": {"$type": "number"}}}, {"$group": {"_id": "$k", "n": {"$sum": 1}}}]'},
              [col("owner", "bigint", path="_id"), col("n", "bigint")],
              sorted((k, sum(1 for d in docs if d[1] == k)) for k in {d[1] for d in docs} if k is not None)),
        Table("mon_all", "mongo_null", {"collection": "all"},
              [col("_id", "int"), col("t", "text"), col("v_text", "text", path="v"), col("v_c", "text", "C", path="v"), col("v_int", "int", path="v"),
               col("v_bigint", "bigint", path="v"), col("v_float", "float8", path="v"), col("v_numeric", "numeric", path="v"),
               col("v_bool", "boolean", path="v"), col("v_time", "timestamptz", path="v"), col("v_uuid", "uuid", path="v"),
               col("v_short", "varchar(4)", path="v"), col("inner_int", "int", path="v.a"), col("first_int", "int", path="v.0")]),
    ]
    # the same where a request is dear, so that the store joins
    return tables + [again(t, "mongo_null_far" if t.server == "mongo_null" else "mongo_far") for t in tables if t.server != "mongo_far"]


def again(table, server):
    return Table(table.name + "_far", server, table.options, table.columns, table.rows)


def neo4j_tables():
    m = Maker(4)
    people = [(i, m.maybe(m.key()), m.maybe(m.name()), m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.nasty()), m.maybe(m.small()), m.maybe(m.bigint()),
               m.maybe(m.flag(), 0.3), m.maybe(m.when(1)), m.maybe(m.when(1)), m.maybe(m.day()), m.maybe(m.texts()), m.maybe(m.ints()))
              for i in range(40)]
    knows = [(i, m.rng.randrange(12), m.rng.randrange(12), m.maybe(m.exact()), m.maybe(m.name()), m.maybe(m.day())) for i in range(50)]
    odd = [(i, m.name(), m.maybe(m.exact()), m.small()) for i in range(15)]
    return [
        Table("neo_people", "neo4j", {"label": "TwinPerson", "fetch_size": "7"},
              [col("id", "int", notnull=True), col("k", "bigint"), col("name", "text", "C"), col("label", "text"), col("e", "float8"), col("f", "float8"),
               col("i", "int"), col("b", "bigint"), col("flag", "boolean"), col("at", "timestamptz"), col("ts", "timestamp"), col("d", "date"),
               col("tags", "text[]"), col("nums", "int[]")], people),
        Table("neo_knows", "neo4j", {"relationship": "TWIN_KNOWS", "start_label": "TwinPerson"},
              [col("id", "int"), col("a", "int", kind="start", property="id"), col("b", "int", kind="end", property="id"), col("w", "float8"),
               col("kind", "text", "C", kind="property"), col("since", "date")], knows),
        Table("neo_reach", "neo4j_far", {"cypher": "MATCH (p:TwinPerson)-[r:TWIN_KNOWS]->() RETURN p.id AS id, count(r) AS n, min(r.w) AS w"},
              [col("id", "int"), col("n", "bigint"), col("w", "float8")],
              [(a, sum(1 for r in knows if r[1] == a), min((r[3] for r in knows if r[1] == a and r[3] is not None), default=None))
               for a in sorted({r[1] for r in knows})]),
        Table("neo_empty", "neo4j", {"label": "TwinNone"}, [col("id", "int"), col("k", "bigint"), col("name", "text", "C"), col("e", "float8")], []),
        Table('neo "Odd"', "neo4j_far", {"label": 'Twin "odd" `name`'},
              [col("Id", "int", property="i`d"), col("it's", "text", "C", property="it's \\ \"x\""), col("select", "float8", property="é e"),
               col("small", "int")], odd),
        mixed_table("neo_mixed", "neo4j_null", {"label": "TwinMixed"}, "property", MIXED),
        Table("neo_all", "neo4j_null", {"label": "TwinOdd"},
              [col("id", "int"), col("kind", "text", kind="property"), col("v_text", "text", property="v"), col("v_c", "text", "C", property="v"),
               col("v_int", "int", property="v"), col("v_bigint", "bigint", property="v"), col("v_float", "float8", property="v"),
               col("v_numeric", "numeric", property="v"), col("v_bool", "boolean", property="v"), col("v_time", "timestamptz", property="v"),
               col("v_date", "date", property="v"), col("v_short", "varchar(4)", property="v")]),
    ]


# ---- Redis ---------------------------------------------------------------------------------------

def redis_tables():
    m = Maker(5)
    hashes = [(i, m.maybe(m.key()), m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.nasty()), m.maybe(m.number()), m.maybe(m.small()),
               m.maybe(m.bigint()), m.maybe(m.flag(), 0.3), m.maybe(m.when())) for i in range(50)]
    strings = [(n, m.name()) for n in NAMES]
    numbers = [(k, m.number()) for k in [*range(1, 14), BIG, BIG + 1, -1]]
    lists = [(key, index, m.name()) for key in range(6) for index in range(m.rng.randint(1, 5))]
    members = {(f"board{m.rng.randint(1, 3)}", m.name()): m.rng.choice([m.exact(), m.exact(), 0.1, math.inf, -math.inf, 1e17]) for _ in range(40)}
    sets = sorted({(m.rng.randint(1, 9), m.key()) for _ in range(40)})
    stream = [(NOON + ms * 10 ** 6, NOON // 10 ** 6 + ms, m.maybe(m.small()), m.maybe(m.name()), m.maybe(m.exact())) for ms in sorted(range(0, 90000, 3000))]
    stream = [r for r in stream if any(v is not None for v in r[2:])]
    queue = [(i, m.small()) for i in range(25)]
    p = "t_twin:"
    return [
        Table("red_hash", "redis", {"type": "hash", "key_prefix": p + "h:", "fetch_size": "7"},
              [col("id", "int", kind="key"), col("k", "bigint"), col("name", "text", "C"), col("e", "float8"), col("f", "float8"), col("n", "numeric"),
               col("i", "int"), col("b", "bigint"), col("flag", "boolean"), col("at", "timestamptz")], hashes),
        Table("red_string", "redis", {"type": "string", "key_prefix": p + "s:"}, [col("key", "text", "C"), col("value", "text")], strings),
        Table("red_number", "redis_far", {"type": "string", "key_prefix": p + "n:"}, [col("k", "bigint", kind="key"), col("value", "numeric")], numbers),
        Table("red_queue", "redis", {"type": "list", "key": p + "queue"}, [col("index", "int"), col("value", "int")], queue),
        Table("red_lists", "redis", {"type": "list", "key_prefix": p + "l:"}, [col("id", "int", kind="key"), col("index", "int"), col("value", "text", "C")], lists),
        Table("red_board", "redis", {"type": "zset", "key": p + "z:board1"}, [col("member", "text", "C"), col("score", "float8")],
              [(name, score) for (board, name), score in members.items() if board == "board1"]),
        Table("red_boards", "redis_far", {"type": "zset", "key_prefix": p + "z:"},
              [col("key", "text", "C"), col("member", "text", "C"), col("score", "float8")], [(*key, score) for key, score in members.items()]),
        Table("red_sets", "redis", {"type": "set", "key_prefix": p + "m:"}, [col("id", "int", kind="key"), col("member", "bigint")], sets),
        Table("red_symbols", "redis", {"type": "set", "key": p + "symbols"}, [col("member", "text", "C")], [(n,) for n in NAMES]),
        Table("red_stream", "redis", {"type": "stream", "key": p + "fills", "fetch_size": "7"},
              [col("at", "timestamptz", kind="id"), col("ms", "bigint", kind="id"), col("price", "int"), col("side", "text", "C"), col("e", "float8")], stream),
        Table("red_watched", "redis", {"type": "hash", "key_set": p + "watched"}, [col("key", "text", "C"), col("i", "int")],
              [(f"{p}h:{r[0]}", r[6]) for r in hashes[::3]]),
        Table("red_empty", "redis", {"type": "hash", "key_prefix": p + "none:"}, [col("id", "int", kind="key"), col("k", "bigint"), col("name", "text", "C"), col("e", "float8")], []),
        Table('red "Odd"', "redis", {"type": "hash", "key_prefix": p + 'o "x*[a]?\\:'},
              [col("The Key", "text", "C", kind="key"), col("it's", "int", field="a b"), col("select", "text", field="")],
              [(n, m.small(), m.name()) for n in NAMES[:12]]),
    ] + redis_old_tables()


def redis_old_tables():
    """Over the data of redis_types.txt and redis_scan.txt."""
    t, s = "t_twin_types:", "t_twin_scan:"
    return [
        Table("red_types", "redis_null", {"type": "hash", "key_prefix": t + "v:"},
              [col("id", "int", kind="key"), col("b", "boolean"), col("i2", "smallint"), col("i8", "bigint"), col("n", "numeric"), col("f", "float8"),
               col("t", "text"), col("d", "date"), col("ts", "timestamptz"), col("u", "uuid")]),
        Table("red_text", "redis_null", {"type": "hash", "key_prefix": t}, [col("key", "text", "C"), col("t", "text")]),
        Table("red_limits", "redis_null", {"type": "hash", "key_prefix": s + "limit:"},
              [col("account_id", "bigint", kind="key"), col("max_notional", "bigint"), col("kill_switch", "boolean")]),
        Table("red_fills", "redis_null", {"type": "stream", "key": s + "fills"},
              [col("at", "timestamptz", kind="id"), col("id", "text"), col("price", "int"), col("side", "text")]),
    ]


# ---- a partitioned table over all of them -----------------------------------------------------------

SHARED = [("id", "int"), ("k", "bigint"), ("name", "text"), ("e", "float8"), ("i", "int")]
PARTS = {"mongo": ({"collection": "part"}, {}), "neo4j": ({"label": "TwinPart"}, {}),
         "redis": ({"type": "hash", "key_prefix": "t_twin:p:"}, {"id": {"kind": "key"}}), "native": ({}, {})}


def part_rows(src):
    m = Maker(10 + len(src))
    return [(src, i, m.maybe(m.key()), m.maybe(m.name()), m.maybe(m.exact()), m.maybe(m.small())) for i in range(14)]


def part_tables():
    tables = []
    for src, (options, by_column) in PARTS.items():
        columns = [col("src", "text", "C")] + [col(n, t, "C" if t == "text" else "", **by_column.get(n, {})) for n, t in SHARED]
        tables.append(Table("part_" + src, "" if src == "native" else src, options, columns, part_rows(src)))
    return tables


def all_tables():
    return native_tables() + influx_tables() + mongo_tables() + neo4j_tables() + redis_tables() + part_tables()
