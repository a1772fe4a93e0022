"""What the generator knows of the tables: columns, their values, what is unique."""
from collections import Counter
from decimal import Decimal
from itertools import combinations

CATEGORY = {
    "smallint": "int", "integer": "int", "bigint": "int", "double precision": "float", "real": "float", "numeric": "num", "text": "text",
    "character varying": "text", "boolean": "bool", "timestamp with time zone": "time", "timestamp without time zone": "ts", "date": "date",
    "uuid": "uuid", "jsonb": "json", "integer[]": "ints", "text[]": "texts",
}

# beside the values of the column itself
EDGES = {
    "bool": ["true", "false"],
    "int": ["0", "-1", "7", "32767", "2147483647", "-2147483648", "9007199254740992", "9007199254740993", "9223372036854775807", "-9223372036854775808"],
    "float": ["0", "-0", "NaN", "Infinity", "-Infinity", "0.1", "0.125", "9007199254740992", "9007199254740994", "1e308", "5e-324"],
    "num": ["0", "0.1", "NaN", "0.10000000000000000001", "9007199254740993", "1e30", "7.25", "Infinity"],
    "text": ["", "a", "A", "b", "é", "\U0001F600", "\uFFFD", "it's", "back\\slash", "\"quoted\"", "5f0000000000000000000001", " ", "zzz", "x\r\ny", "%",
             "7", "null"],
    "time": ["1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00+00", "2026-01-01 12:00:00.000001+00", "infinity", "-infinity",
             "2026-01-01 12:00:00.001+00", "2026-01-01 13:00:30+01", "0044-03-15 12:00:00+00 BC", "2026-01-01 12:01:00+00"],
    "ts": ["1969-12-31 23:59:59.999999", "1970-01-01", "2026-01-01 12:00:00.000001", "infinity", "2026-01-01 12:00:00.001"],
    "date": ["1970-01-01", "2026-01-01", "infinity", "0001-01-01", "1969-12-31"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "00010203-0405-0607-0809-00ab0c0d0e0f"],
    "json": ["1", "\"a\"", "null", "{}", "{\"a\": 1}", "[]", "{\"s\": \"a\"}"],
    "ints": ["{}", "{1}", "{1,2}", "{NULL}", "{5}"],
    "texts": ["{}", "{a}", "{\"\"}", "{NULL}"],
}
INT_RANGE = {"smallint": 2 ** 15, "integer": 2 ** 31, "bigint": 2 ** 63}


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def plain(text, category):
    """Equal values have equal texts."""
    if text is None:
        return None
    if category == "float":
        return str(float(text) + 0.0)
    if category == "num":
        return str(Decimal(text).normalize() + 0)
    return text


class Column:
    def __init__(self, name, type, category, collation, values):
        self.name, self.type, self.category, self.collation, self.values = name, type, category, collation, values
        self.counts = Counter(plain(v, category) for v in values if v is not None)
        self.present = sorted(self.counts)
        self.small = category == "int" and all(abs(int(v)) <= 10000 for v in self.counts)
        self.exact = category == "float" and all(abs(float(v)) <= 10000 and float(v) * 8 == int(float(v) * 8) for v in self.counts)
        # far enough from the ends of time to be computed with
        self.middle = category in ("time", "ts", "date") and all(v[:1] in "12" and "BC" not in v and v[4:5] == "-" for v in self.counts)

    def pool(self):
        edges = EDGES[self.category]
        if self.category == "int":
            edges = [e for e in edges if -INT_RANGE[self.type] <= int(e) < INT_RANGE[self.type]]
        return self.present + edges


class Relation:
    def __init__(self, name, server, columns, rows):
        self.name, self.server, self.columns, self.rows = name, server, columns, rows
        self.store = name.strip('"').split("_")[0].split(" ")[0]
        self.uniques = self.find_uniques()

    def find_uniques(self):
        """Columns, or pairs, of which no two rows have the same; no NULL among them."""
        usable = [c for c in self.columns if c.category in ("int", "text", "time", "uuid") and None not in c.values]
        single = [(c,) for c in usable if len(c.counts) == self.rows]
        pairs = [p for p in combinations(usable, 2) if not any((c,) in single for c in p) and len(set(zip(p[0].values, p[1].values))) == self.rows]
        return single + pairs if self.rows else []


def read(cursor, schemas=("twin", "native")):
    cursor.execute(
        "SELECT c.oid::regclass::text, quote_ident(c.relname), quote_ident(attname), format_type(atttypid, NULL), "
        "(SELECT collname FROM pg_collation l WHERE l.oid = attcollation), "
        "(SELECT srvname FROM pg_class r JOIN pg_foreign_table t ON ftrelid = r.oid JOIN pg_foreign_server s ON s.oid = ftserver "
        " WHERE r.relname = c.relname AND r.relnamespace::regnamespace::text = 'remote') "
        "FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid "
        "WHERE relnamespace::regnamespace::text = ANY (%s) AND relkind = 'r' AND attnum > 0 ORDER BY 1, attnum", (list(schemas),))
    by_table = {}
    for full, name, column, type, collation, server in cursor.fetchall():
        by_table.setdefault((full, name, server), []).append((column, type, collation))
    relations = []
    for (full, name, server), columns in by_table.items():
        cursor.execute(f"SELECT {', '.join(c + '::text' for c, _, _ in columns)} FROM {full}")
        rows = cursor.fetchall()
        relations.append(Relation(name, server, [Column(c, t, CATEGORY[t], collation, [r[i] for r in rows])
                                         for i, (c, t, collation) in enumerate(columns)], len(rows)))
    return relations


class Pairs:
    """How many rows an equality of two columns joins."""

    def __init__(self):
        self.known = {}

    def size(self, a, b):
        key = (id(a), id(b))
        if key not in self.known:
            if len(a.counts) > len(b.counts):
                a, b = b, a
            self.known[key] = sum(n * b.counts.get(v, 0) for v, n in a.counts.items())
        return self.known[key]
