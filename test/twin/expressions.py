"""Expressions and conditions by chance, over the columns that are in scope.

None of them raises, whatever the rows: in which order PostgreSQL evaluates
conditions is free, and so would be whether it meets the error.  raising() is
the exception; queries.py puts it where every row is evaluated.
"""
from catalog import EDGES, quote
from text import Bag, Lit

COMPARISONS = ["=", "=", "<>", "<", "<=", ">", ">="]
ORDERED = ("int", "float", "num", "text", "time", "ts", "date", "uuid", "bool")
C = ' COLLATE "C"'
ORIGINS = ["2000-01-01 00:00:00+00", "2026-01-01 00:00:07+00", "1969-12-31 12:30:00+00", "2031-05-05 05:05:05.5+00"]
STRIDES = ["15 seconds", "1 minute", "1 hour", "7 minutes", "1 day", "0.5 seconds", "1 millisecond"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]


class Ref:
    """A column in a query's scope."""

    def __init__(self, text, column):
        self.text, self.column, self.category = text, column, column.category


class Source:
    """A table of a query under its alias."""

    def __init__(self, alias, relation):
        self.alias, self.relation, self.rows = alias, relation, relation.rows
        self.refs = [Ref(f"{alias}.{c.name}", c) for c in relation.columns]

    def ref(self, column):
        return next(r for r in self.refs if r.column is column)


class Expressions:
    def __init__(self, rng):
        self.rng = rng
        self.loose = False  # of equal values that look different any may be the answer

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, things):
        return self.rng.choice(things)

    def refs(self, scope, *categories, test=None):
        return [r for s in scope for r in s.refs if (not categories or r.category in categories) and (test is None or test(r.column))]

    # ---- values ---------------------------------------------------------------

    def value(self, column):
        pool = column.pool()
        # mostly values that are there
        text = self.pick(column.present) if column.present and self.chance(0.75) else self.pick(pool)
        return Lit(f"{quote(text)}::{column.type}", column.type, pool)

    def typed(self, type, pool):
        return Lit(f"{quote(self.pick(pool))}::{type}", type, pool)

    def other_value(self, column):
        """Of another type that compares with the column's."""
        other = {"int": [("bigint", EDGES["int"]), ("smallint", ["0", "1", "-1", "7"]), ("numeric", ["0", "7.5", "9007199254740993"])],
                 "float": [("int", ["0", "1", "7"]), ("numeric", ["0.125", "0.1"]), ("real", ["0.125", "0.1"])],
                 "num": [("int", ["0", "7"]), ("bigint", ["9007199254740993"])],
                 "time": [("date", EDGES["date"])], "text": [("varchar", EDGES["text"])]}
        return self.typed(*self.pick(other[column.category])) if column.category in other else self.value(column)

    # ---- scalar expressions ---------------------------------------------------------

    def scalar(self, scope, category, depth=1):
        """An expression, or None where nothing of the category is in scope."""
        refs = self.refs(scope, category)
        if not refs:
            return None
        if depth <= 0 or self.chance(0.3):
            return self.pick(refs).text
        special = getattr(self, "scalar_" + category, None)
        dice = self.rng.random()
        if special and dice < 0.7:
            return special(scope, refs, depth)
        ref = self.pick(refs)
        collate = C if category == "text" else ""
        if dice < 0.85:
            return ["coalesce(", ref.text, ", ", self.value(ref.column), ")", collate]
        if dice < 0.93:
            return self.case(scope, ref, collate)
        if dice < 0.96 and ref.category in ORDERED and ref.category != "text":
            return [self.pick(["greatest(", "least("]), ref.text, ", ", self.value(ref.column), ")"]
        return ["nullif(", ref.text, ", ", self.value(ref.column), ")", collate]

    def case(self, scope, ref, collate):
        """CASE in one of its forms; a value without an ELSE is NULL."""
        otherwise = self.pick([[" ELSE ", self.value(ref.column)], [" ELSE ", ref.text], ""])
        if self.chance(0.3) and ref.category in ORDERED:
            whens = [[" WHEN ", self.value(ref.column), " THEN ", self.value(ref.column)] for _ in range(self.rng.randint(1, 2))]
            return ["(CASE ", ref.text, whens, otherwise, " END", collate, ")"]
        whens = [[" WHEN ", self.condition(scope, 0), " THEN ", self.pick([ref.text, self.value(ref.column)])] for _ in range(self.rng.randint(1, 2))]
        return ["(CASE", whens, otherwise, " END", collate, ")"]

    def scalar_int(self, scope, refs, depth):
        small = self.refs(scope, "int", test=lambda c: c.small)
        lists = self.refs(scope, "ints", "texts")
        strings = self.refs(scope, "text")
        dice = self.rng.random()
        if small and dice < 0.55:
            a = self.pick(small).text
            b = self.pick(small).text if self.chance(0.4) else str(self.rng.randint(1, 9))
            divisor = str(self.pick([1, 2, 3, 7, -2]))
            return self.pick([f"({a} + {b})", f"({a} - {b})", f"({a} * {b})", f"({a} / {divisor})", f"({a} % {divisor})", f"(- {a})", f"abs({a})",
                              f"({a} * 2 + {b})"])
        if strings and dice < 0.75:
            return self.pick(["length({})", "char_length({})", "octet_length({})", "ascii({})", "position('a' in {})", "strpos({}, 'é')"]).format(self.pick(strings).text)
        times = self.refs(scope, "ts", "date", test=lambda c: c.middle)
        if times and dice < 0.8:
            field = self.pick(["year", "quarter", "month", "day", "dow", "isodow", "doy"])
            return f"extract({field} from {self.pick(times).text})"
        if lists and dice < 0.9:
            return f"cardinality({self.pick(lists).text})"
        exact = self.refs(scope, "float", test=lambda c: c.exact)
        if exact:
            return f"floor({self.pick(exact).text})::int"
        return self.pick(refs).text + "::numeric::bigint"

    def scalar_float(self, scope, refs, depth):
        exact = self.refs(scope, "float", test=lambda c: c.exact)
        if exact and self.chance(0.6):
            a, b = self.pick(exact).text, self.pick(exact).text
            return self.pick([f"({a} + {b})", f"({a} - 0.5)", f"({a} * 2)", f"({a} / 4)", f"({a} * {b})", f"(- {a})", f"round({a})", f"abs({a})"])
        a = self.pick(refs).text
        return self.pick([f"abs({a})", f"(- {a})", f"floor({a})", f"ceil({a})", f"sign({a})"])

    def scalar_num(self, scope, refs, depth):
        a, b = self.pick(refs).text, self.pick(refs).text
        return self.pick([f"({a} + {b})", f"({a} - 1)", f"({a} * 2)", f"abs({a})", f"(- {a})", f"round({a}, 1)", f"({a} * 0.1)"])

    def scalar_text(self, scope, refs, depth):
        a, b = self.pick(refs).text, self.pick(refs).text
        n = self.rng.randint(0, 3)
        ints = self.refs(scope, "int")
        docs = self.refs(scope, "json")
        if docs and self.chance(0.4):
            return ["(", self.pick(docs).text, self.pick([" ->> 's'", " ->> 'a'", " -> 'in' ->> 'n'", " #>> '{in,t,0}'"]), C, ")"]
        if ints and self.chance(0.2):
            return f"({self.pick(ints).text}::text{C})"
        return "(" + self.pick([f"lower({a}{C})", f"upper({a}{C})", f"{a} || 'x'", f"{a} || {b}{C}", f"substr({a}, {n + 1}, 2)", f"left({a}, {n})",
                                f"right({a}, {n})", f"replace({a}, 'a', 'é')", f"btrim({a})", f"ltrim({a})", f"rtrim({a}, ' a')", f"substr({a}, {n - 2}, {n})",
                                f"concat({a}, '-', {b})", f"nullif({a}, 'a')", f"replace({a}, '\U0001F600', 'a')", f"reverse({a})", f"md5({a})", f"concat({a}, {b})",
                                f"split_part({a}, 'a', 1)", f"initcap({a}{C})"]) + C + ")"

    def scalar_time(self, scope, refs, depth):
        middle = self.refs(scope, "time", test=lambda c: c.middle)
        if not middle:
            return self.pick(refs).text
        a = self.pick(middle).text
        return self.bucket(a) if self.chance(0.6) else self.pick([f"({a} + interval '1 hour')", f"({a} - interval '1 day 1 millisecond')"])

    def scalar_ts(self, scope, refs, depth):
        a = self.pick(refs)
        return f"date_trunc({quote(self.pick(['minute', 'hour', 'day', 'month']))}, {a.text})" if a.column.middle else a.text

    def bucket(self, a):
        """A time bucket."""
        unit = quote(self.pick(["second", "minute", "hour", "day", "week", "month", "milliseconds"]))
        return self.pick([f"date_bin({quote(self.pick(STRIDES))}, {a}, {quote(self.pick(ORIGINS))})", f"date_trunc({unit}, {a})",
                          f"date_trunc({unit}, {a}, {quote(self.pick(ZONES))})",
                          f"cipherhorizon.time_bucket({quote(self.pick(STRIDES))}, {a})"])

    def scalar_bool(self, scope, refs, depth):
        texts = self.refs(scope, "text")
        if texts and self.chance(0.3):
            return f"starts_with({self.pick(texts).text}, {self.pick(['a', 'é', chr(0x1F600), ' ', '%'])!r})"
        return ["(", self.condition(scope, 0), ")"]

    def scalar_json(self, scope, refs, depth):
        return "(" + self.pick(refs).text + self.pick([" -> 'a'", " -> 's'", " -> 'in'", " -> 'in' -> 't'", " #> '{in,n}'", " - 'a'"]) + ")"

    # ---- conditions ---------------------------------------------------------------------

    def condition(self, scope, depth=2):
        """A condition; depth is of AND, OR and NOT."""
        if depth <= 0 or self.chance(0.5):
            return self.leaf(scope)
        parts = [self.condition(scope, depth - 1) for _ in range(self.rng.randint(2, 3))]
        return [self.pick(["", "", "", "NOT "]), Bag(parts, self.pick([" AND ", " OR "]))]

    def leaf(self, scope):
        leaves = [(self.leaf_comparison, 30), (self.leaf_list, 14), (self.leaf_null, 12), (self.leaf_between, 6), (self.leaf_bool, 7), (self.leaf_like, 8),
                  (self.leaf_columns, 7), (self.leaf_expression, 12), (self.leaf_json, 5), (self.leaf_array, 5), (self.leaf_distinct, 3),
                  (self.leaf_row, 1)]
        while True:
            leaf = self.rng.choices([f for f, _ in leaves], [w for _, w in leaves])[0](scope)
            if leaf is not None:
                return leaf

    def comparable(self, scope):
        refs = self.refs(scope, *ORDERED)
        return self.pick(refs) if refs else None

    def leaf_comparison(self, scope):
        ref = self.comparable(scope)
        if ref is None:
            return None
        value = self.value(ref.column) if self.chance(0.85) else self.other_value(ref.column)
        collate = C if ref.category == "text" and self.chance(0.3) else ""
        if self.chance(0.1):
            return [value, " ", self.pick(COMPARISONS), " ", ref.text]
        return [ref.text, " ", self.pick(COMPARISONS), " ", value, collate]

    def leaf_list(self, scope):
        ref = self.comparable(scope)
        if ref is None:
            return None
        values = [self.value(ref.column) for _ in range(self.rng.randint(1, 5))]
        if self.chance(0.1):
            values.append("NULL")
        dice = self.rng.random()
        if dice < 0.7:
            return [ref.text, self.pick([" IN ", " IN ", " NOT IN "]), Bag(values, ", ")]
        array = Bag(values, ", ", "ARRAY[", f"]::{ref.column.type}[]")
        if dice < 0.95:
            return [ref.text, self.pick([" = ANY (", " = ANY (", " <> ALL ("]), array, ")"]
        return [ref.text, self.pick([" < ANY (", " >= ALL ("]), array, ")"]

    def leaf_null(self, scope):
        return self.pick(self.refs(scope)).text + self.pick([" IS NULL", " IS NOT NULL"])

    def leaf_between(self, scope):
        ref = self.comparable(scope)
        if ref is None:
            return None
        return [ref.text, self.pick([" BETWEEN ", " BETWEEN ", " NOT BETWEEN ", " BETWEEN SYMMETRIC "]), self.value(ref.column), " AND ", self.value(ref.column)]

    def leaf_bool(self, scope):
        refs = self.refs(scope, "bool")
        if not refs:
            return None
        return self.pick(["{}", "NOT {}", "{} IS TRUE", "{} IS NOT TRUE", "{} IS FALSE", "{} IS NOT FALSE", "{} IS UNKNOWN", "{} IS NOT UNKNOWN",
                          "{} = true", "{} <> true"]).format(self.pick(refs).text)

    def leaf_like(self, scope):
        refs = self.refs(scope, "text")
        if not refs:
            return None
        ref = self.pick(refs)
        operator = self.pick([" LIKE ", " LIKE ", " NOT LIKE ", " ILIKE ", " NOT ILIKE "])
        if self.chance(0.1):
            return [ref.text, self.pick([" ~ ", " !~ ", " ~* "]), self.typed("text", ["^a", "a.b", "b$", "[A-Z]", "^$", "\\d+", "é|a"])]
        word = self.pick(ref.column.present or ["a"])
        patterns = [word.replace("\\", "\\\\"), "%", "a%", "%a%", "_", "__%", "%\\%%", "a\\_b", "%'%", "", "é%", "%\U0001F600", "%\\\\%", word[:1].replace("\\", "\\\\") + "%",
                    "A%", "%\n%", "a_b"]
        return [ref.text, operator, self.typed("text", patterns)]

    def leaf_columns(self, scope):
        a = self.comparable(scope)
        if a is None:
            return None
        others = self.refs(scope, a.category)
        b = self.pick(others)
        return [a.text, " ", self.pick(COMPARISONS), " ", b.text, self.collate_for(a, b)]

    def collate_for(self, a, b):
        return C if a.category == "text" and a.column.collation != b.column.collation else ""

    def leaf_expression(self, scope):
        ref = self.comparable(scope)
        if ref is None:
            return None
        expression = self.scalar(scope, ref.category)
        same = [c.column for c in self.refs(scope, ref.category)]
        if self.chance(0.12):
            return [expression, self.pick([" IS NULL", " IS NOT NULL"])]
        collate = C if ref.category == "text" else ""
        return [expression, " ", self.pick(COMPARISONS), " ", self.value(self.pick(same)), collate]

    def leaf_json(self, scope):
        refs = self.refs(scope, "json")
        if not refs:
            return None
        ref = self.pick(refs)
        dice = self.rng.random()
        if dice < 0.3:
            return [ref.text, " @> ", self.typed("jsonb", ['{"a": 1}', '{"s": "a"}', '{"in": {"n": 1}}', "{}", '{"a": null}', '{"a": [1]}', '{"in": {"t": ["a"]}}'])]
        if dice < 0.5:
            return [ref.text, self.pick([" ? 'a'", " ? 'in'", " ? 'é \"k\"'", " ?| ARRAY['a', 'z']", " ?& ARRAY['a', 'in']"])]
        if dice < 0.8:
            return [ref.text, self.pick([" ->> 'a'", " ->> 's'", " -> 'in' ->> 'n'", " #>> '{in,t,0}'"]), self.pick([" = ", " <> ", " < "]),
                    self.typed("text", ["1", "a", "x", "", "true", "[1, 2]"]), C]
        if dice < 0.9:
            return [ref.text, self.pick([" -> 'a'", " -> 's'", " -> 'in' -> 'n'"]), self.pick([" = ", " <> "]), self.typed("jsonb", ["1", '"a"', "null", "[1, 2]"])]
        return f"jsonb_typeof({ref.text} -> 'a')" + self.pick([" = 'number'", " IS NULL", " <> 'string'"])

    def leaf_array(self, scope):
        refs = self.refs(scope, "ints", "texts")
        if not refs:
            return None
        ref = self.pick(refs)
        element, pool = ("int", ["0", "1", "2", "5", "7"]) if ref.category == "ints" else ("text", EDGES["text"])
        collate = C if element == "text" else ""
        dice = self.rng.random()
        if dice < 0.3:
            return [self.typed(element, pool), self.pick([" = ANY (", " <> ALL ("]), ref.text, ")"]
        if dice < 0.7:
            array = Bag([self.typed(element, pool) for _ in range(self.rng.randint(1, 2))], ", ", "ARRAY[", f"]::{element}[]")
            return [ref.text, self.pick([" @> ", " && ", " <@ ", " = "]), array]
        if dice < 0.85:
            return [f"{ref.text}[{self.rng.randint(0, 3)}]", self.pick([" = ", " < "]), self.typed(element, pool), collate]
        return f"cardinality({ref.text}) " + self.pick(["= 0", "> 1", "IS NULL"])

    def leaf_distinct(self, scope):
        ref = self.comparable(scope)
        if ref is None:
            return None
        return [ref.text, self.pick([" IS DISTINCT FROM ", " IS NOT DISTINCT FROM "]), self.value(ref.column)]

    def leaf_row(self, scope):
        refs = self.refs(scope, "int", "time", "float")
        if len(refs) < 2:
            return None
        a, b = self.rng.sample(refs, 2)
        return [f"({a.text}, {b.text}) ", self.pick(["<", ">=", "="]), " (", self.value(a.column), ", ", self.value(b.column), ")"]

    # ---- errors ---------------------------------------------------------------------------

    def raising(self, scope):
        """An expression that raises on some rows, or None."""
        makers = []
        for r in self.refs(scope, "int"):
            makers += [f"100 / {r.text}", f"{r.text} * 4611686018427387904", f"{r.text} % {r.text}", f"{r.text}::smallint", f"abs({r.text}::int)"]
        for r in self.refs(scope, "float"):
            makers += [f"1 / {r.text}", f"sqrt({r.text})", f"{r.text}::int", f"{r.text} * 10", f"{r.text}::real"]
        for r in self.refs(scope, "text"):
            makers += [f"{r.text}::int", f"{r.text}::timestamptz"]
        for r in self.refs(scope, "time"):
            makers += [f"({r.text} + interval '300000 years')"]
        return self.pick(makers) if makers else None
