/*
 * compare.c
 *	  What is a condition on one column in Cypher, so that it is true for the
 *	  rows for which it is true in PostgreSQL?
 *
 * What helps: a comparison of different types is null in Cypher, so n.x < 5 is
 * never true for a string; int64 compares with int64 exactly; IN is exact.
 * What differs, all seen on 5.26:
 *
 *	- NaN equals nothing and is neither above nor below anything; here it
 *	  equals itself and is above everything.
 *	- An integer is compared with a float as a float, so that 2^53 + 1 = 2.0^53.
 *	- -0.0 = 0.0, but -0.0 is also less than 0.0 and than 0.
 *	- Strings of an index are ordered by code point, which is what "C" means
 *	  here; others against a parameter by UTF-16 unit.  Both agree but for
 *	  characters above U+FFFF next to U+E000 to U+FFFF.
 *	- <> is true for any value of another type, which is NULL or an error here.
 *	- Times have nanoseconds, and moments in different zones are different.
 *	- The integer -2^63 equals the float of that value, but is above it.  (Of
 *	  these two alone the order is left as it is when Neo4j sorts.)
 *
 * With on_type_mismatch = 'null' a value that its column does not hold must
 * count as NULL.  "Fit" is a condition that is true for what the column holds;
 * it is added wherever the comparison itself does not imply it.  With 'error'
 * such a value is an error as soon as it is read, so it needs no fit.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "fdw/neo4j/neo4j.h"

/* Up to here an integer and a float compare exactly. */
#define EXACT_FLOAT		(INT64CONST(1) << 53)

/* EXPLAIN shows this many items of a list. */
#define LIST_SHOWN		20

static void
put(Neo4jText *q, const char *fmt,...) pg_attribute_printf(2, 3);

static void
put(Neo4jText *q, const char *fmt,...)
{
	for (;;)
	{
		va_list		args;
		int			more;

		va_start(args, fmt);
		more = appendStringInfoVA(&q->text, fmt, args);
		va_end(args);
		if (more == 0)
			return;
		enlargeStringInfo(&q->text, more);
	}
}

/* ---- values ------------------------------------------------------------------- */

static void
put_quoted(StringInfo out, const char *data, int len)
{
	appendStringInfoChar(out, '\'');
	for (int i = 0; i < len; i++)
	{
		if (data[i] == '\'' || data[i] == '\\')
			appendStringInfoChar(out, '\\');
		if (data[i] == '\n')
			appendStringInfoString(out, "\\n");
		else
			appendStringInfoChar(out, data[i]);
	}
	appendStringInfoChar(out, '\'');
}

static void
put_float_literal(StringInfo out, double f)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(f, buf);
	if (isinf(f))
		appendStringInfoString(out, f > 0 ? "1.0/0" : "-1.0/0");
	else
		appendStringInfo(out, "%s%s", buf, strpbrk(buf, ".e") ? "" : ".0");
}

static void
put_time_literal(StringInfo out, const char *type, Datum value, Oid typid)
{
	int			utc = 0;

	appendStringInfo(out, "%s('%s')", type,
					 JsonEncodeDateTime(NULL, value, typid, typid == TIMESTAMPTZOID ? &utc : NULL));
}

/* As a person would write it in Cypher, a long list cut unless the whole is wanted. */
static void
put_literal(StringInfo out, const ChValue *v, bool whole)
{
	switch (v->kind)
	{
		case CH_PARAM:
			appendStringInfo(out, "$" INT64_FORMAT, v->u.i);
			break;
		case CH_BOOL:
			appendStringInfoString(out, v->u.b ? "true" : "false");
			break;
		case CH_INT:
			appendStringInfo(out, INT64_FORMAT, v->u.i);
			break;
		case CH_FLOAT:
			put_float_literal(out, v->u.f);
			break;
		case CH_STRING:
			put_quoted(out, v->u.s.data, v->u.s.len);
			break;
		case CH_INSTANT:
			put_time_literal(out, "datetime", TimestampTzGetDatum(v->u.i), TIMESTAMPTZOID);
			break;
		case CH_LOCAL_DATETIME:
			put_time_literal(out, "localdatetime", TimestampGetDatum(v->u.i), TIMESTAMPOID);
			break;
		case CH_DATE:
			put_time_literal(out, "date", DateADTGetDatum((DateADT) v->u.i), DATEOID);
			break;
		case CH_TIME_OF_DAY:
			put_time_literal(out, "localtime", TimeADTGetDatum(v->u.i), TIMEOID);
			break;
		case CH_LIST:
			/* the one unknown value of a list is the list itself */
			if (v->u.list.n == 1 && v->u.list.items[0].kind == CH_PARAM)
			{
				put_literal(out, &v->u.list.items[0], whole);
				break;
			}
			appendStringInfoChar(out, '[');
			for (int i = 0; i < (whole ? v->u.list.n : Min(v->u.list.n, LIST_SHOWN)); i++)
			{
				appendStringInfoString(out, i ? ", " : "");
				put_literal(out, &v->u.list.items[i], whole);
			}
			if (v->u.list.n > LIST_SHOWN && !whole)
				appendStringInfo(out, ", ... (%d in all)", v->u.list.n);
			appendStringInfoChar(out, ']');
			break;
		default:
			appendStringInfoChar(out, '?');
	}
}

void
neo4j_put_value(Neo4jText *q, const ChValue *v)
{
	if (q->explain || q->literal)
	{
		put_literal(&q->text, v, q->literal);
		return;
	}
	put(q, q->in_set ? "q.p%d" : "$p%d", ++q->nparams);
	neo4j_pack_text(&q->params, psprintf("p%d", q->nparams));
	neo4j_pack_value(&q->params, v);
}

static void
put_list(Neo4jText *q, ChValue *items, int n)
{
	ChValue		v = {.kind = CH_LIST};

	v.u.list.n = n;
	v.u.list.items = items;
	neo4j_put_value(q, &v);
}

/* Move the values that pass the test to the front; returns their number. */
static int
partition(ChValue *values, int n, bool (*test) (const ChValue *v))
{
	int			passed = 0;

	for (int i = 0; i < n; i++)
		if (test(&values[i]))
		{
			ChValue		swap = values[passed];

			values[passed++] = values[i];
			values[i] = swap;
		}
	return passed;
}

/* p op value */
static void
put_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	put(q, "%s %s ", p, ch_cmp_name[op]);
	neo4j_put_value(q, v);
}

/* ---- fit ------------------------------------------------------------------------- */

static int64
least_int(const ChColumn *col)
{
	return col->basetype == INT2OID ? PG_INT16_MIN : col->basetype == INT4OID ? PG_INT32_MIN : PG_INT64_MIN;
}

static int64
greatest_int(const ChColumn *col)
{
	return col->basetype == INT2OID ? PG_INT16_MAX : col->basetype == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
}

/*
 * Integers in the type's range, and floats without a fraction.  toIntegerOrNull
 * of a string or boolean may be an integer, but never equal to its argument.
 */
static void
put_int_fit(Neo4jText *q, const ChColumn *col)
{
	const char *p = NEO4J_EXPR(col);

	put(q, "%s = toIntegerOrNull(%s)", p, p);
	if (col->basetype == INT8OID)
	{
		/* 2^63 becomes 2^63 - 1 there, and equal to it as a float */
		put(q, " AND NOT (%s IS :: FLOAT NOT NULL AND %s >= 9223372036854775808.0)", p, p);
		return;
	}
	put(q, " AND %s >= " INT64_FORMAT " AND %s <= " INT64_FORMAT, p, least_int(col), p, greatest_int(col));
}

/* Floats, and integers that a float holds. */
static void
put_float_fit(Neo4jText *q, const char *p)
{
	put(q, "(%s IS :: FLOAT NOT NULL OR (%s = toIntegerOrNull(toFloatOrNull(%s)) AND %s < 9223372036854775807))",
		p, p, p, p);
}

/* A zero byte has no place in a text of PostgreSQL. */
static void
put_text_fit(Neo4jText *q, const char *p)
{
	put(q, "%s >= '' AND NOT %s CONTAINS '\\u0000'", p, p);
}

static ChValue
time_value(const ChColumn *col, int64 t)
{
	ChValue		v = {.kind = CH_INSTANT};

	if (col->basetype == TIMESTAMPOID)
		v.kind = CH_LOCAL_DATETIME;
	else if (col->basetype == DATEOID)
		v.kind = CH_DATE;
	else if (col->basetype == TIMEOID)
		v.kind = CH_TIME_OF_DAY;
	v.u.i = t;
	return v;
}

/* The values of a type of time are in [first, end). */
static void
time_limits(const ChColumn *col, int64 *first, int64 *end)
{
	switch (col->basetype)
	{
		case DATEOID:
			*first = DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE;
			*end = DATE_END_JULIAN - POSTGRES_EPOCH_JDATE;
			break;
		case TIMEOID:
			*first = 0;
			*end = USECS_PER_DAY;
			break;
		default:
			*first = MIN_TIMESTAMP;
			*end = END_TIMESTAMP;
	}
}

/* The same in Cypher; moments with the lowest offset, see types.h. */
static void
put_time_fit(Neo4jText *q, const ChColumn *col)
{
	const char *p = NEO4J_EXPR(col);

	if (col->basetype == DATEOID)
		put(q, "%s >= date('-4713-11-24') AND %s < date('+5874898-01-01')", p, p);
	else if (col->basetype == TIMEOID)
		put(q, "%s >= localtime('00:00')", p);
	else if (col->basetype == TIMESTAMPOID)
		put(q, "%s >= localdatetime('-4713-11-24T00:00') AND %s < localdatetime('+294277-01-01T00:00')", p, p);
	else
		put(q, "%s >= datetime('-4713-11-23T06:00-18:00') AND %s < datetime('+294276-12-31T06:00-18:00')", p, p);
}

bool
neo4j_has_fit(const ChColumn *col)
{
	if (col->typmod >= 0 || OidIsValid(col->elemtype))
		return false;
	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BOOLOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

void
neo4j_put_fit(Neo4jText *q, const ChColumn *col)
{
	const char *p = NEO4J_EXPR(col);

	if (col->kind == NEO4J_COMPUTED)
	{
		put(q, "%s IS NOT NULL", p);
		return;
	}
	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			put_int_fit(q, col);
			break;
		case FLOAT8OID:
			put_float_fit(q, p);
			break;
		case NUMERICOID:
			put(q, "%s IS :: INTEGER NOT NULL | FLOAT NOT NULL", p);
			break;
		case TEXTOID:
		case VARCHAROID:
			put_text_fit(q, p);
			break;
		case BOOLOID:
			put(q, "%s IN [true, false]", p);
			break;
		default:
			put_time_fit(q, col);
	}
}

/* ---- may it ship ------------------------------------------------------------------- */

static ChShip
ship_null_test(const ChTable *table, const ChColumn *col, ChCondKind kind, const char **reason)
{
	if (!table->mismatch_null || neo4j_has_fit(col))
		return CH_SHIP_EXACT;
	*reason = "on_type_mismatch is 'null', and Neo4j cannot tell which values the column's type holds";
	return kind == CH_COND_NOT_NULL ? CH_SHIP_LOSSY : CH_SHIP_NO;
}

/* Equality of columns whose equal values are one value in Neo4j. */
static ChShip
ship_column_leaf(const ChColumn *a, const ChColumn *b, ChCmpOp op, const char **reason)
{
	if (op != CH_EQ)
		return ch_no_ship(reason, "two columns are compared by = only");
	if (!(ch_is_int(a->basetype) && ch_is_int(b->basetype)) && !(ch_is_text(a->basetype) && ch_is_text(b->basetype)) &&
		!(a->basetype == b->basetype && (a->basetype == BOOLOID || a->basetype == DATEOID)))
		return ch_no_ship(reason, "Neo4j compares columns of integers, strings, booleans and dates as PostgreSQL does");
	if (a->typmod >= 0 || b->typmod >= 0)
		return ch_no_ship(reason, "the column's type has a length or precision");
	return CH_SHIP_EXACT;
}

ChShip
neo4j_ship_leaf(const ChTable *joined, const ChExpr *leaf, const char **reason)
{
	const ChTable *table;
	const ChColumn *col = ch_column(joined, leaf->attno);

	table = col->table;
	if (joined->grouped && neo4j_ship_group_leaf(joined, leaf, reason) == CH_SHIP_NO)
		return CH_SHIP_NO;
	if (leaf->kind == CH_COND_IS_NULL || leaf->kind == CH_COND_NOT_NULL)
		return ship_null_test(table, col, leaf->kind, reason);
	if (leaf->kind == CH_COND_CMP_COLUMN)
		return ship_column_leaf(col, ch_column(joined, leaf->other), leaf->op, reason);
	if (col->kind == NEO4J_COMPUTED && ch_is_text(col->basetype) && leaf->kind == CH_COND_CMP &&
		leaf->op != CH_EQ && leaf->op != CH_NE)
		return ch_no_ship(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
	if (col->basetype == UUIDOID)
		return ch_no_ship(reason, "a UUID is a string in Neo4j, which may be written in several ways");
	if (col->basetype == BYTEAOID)
		return ch_no_ship(reason, "Cypher does not compare byte arrays");
	if (!ch_is_int(col->basetype) && !ch_is_float(col->basetype) && !neo4j_has_fit(col) && col->typmod < 0)
		return ch_no_ship(reason, "Neo4j has no equal of the column's type");
	if (col->basetype == NUMERICOID)
	{
		*reason = "Neo4j stores binary floats, which are looked for in a range around the value";
		return CH_SHIP_LOSSY;
	}
	if (table->mismatch_null && !neo4j_has_fit(col))
	{
		*reason = "on_type_mismatch is 'null', and Neo4j cannot tell which values the column's type holds";
		return CH_SHIP_LOSSY;
	}
	return CH_SHIP_EXACT;
}

/*
 * The zero to compare with: -0.0 for what is above or below both zeros from
 * its side, 0.0 from the other.
 */
static ChValue
zero_for(ChCmpOp op)
{
	ChValue		v = {.kind = CH_FLOAT};

	v.u.f = op == CH_LT || op == CH_GE ? -0.0 : 0.0;
	return v;
}

/* p op value, for numbers other than NaN */
static void
put_number_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	ChValue		zero = zero_for(op);
	bool		is_zero = (v->kind == CH_INT && v->u.i == 0) || (v->kind == CH_FLOAT && v->u.f == 0);

	if (op == CH_LE && v->kind == CH_FLOAT && v->u.f == (double) PG_INT64_MIN)
	{
		put(q, "(");
		put_cmp(q, p, CH_LE, v);
		put(q, " OR ");
		put_cmp(q, p, CH_EQ, v);
		put(q, ")");
	}
	else
		put_cmp(q, p, op, is_zero && op != CH_EQ && op != CH_NE && !q->explain ? &zero : v);
}

/* ---- integers ------------------------------------------------------------------------ */

static bool
is_small(const ChValue *v)
{
	return v->kind != CH_INT || (v->u.i > -EXACT_FLOAT && v->u.i < EXACT_FLOAT);
}

static void
put_int_cmp(Neo4jText *q, const ChCond *leaf)
{
	const char *p = NEO4J_EXPR(leaf->col);

	if (is_small(&leaf->values[0]))
	{
		put_number_cmp(q, p, leaf->op, &leaf->values[0]);
		return;
	}
	put(q, "(");
	put_int_fit(q, leaf->col);
	put(q, " AND ");
	put_cmp(q, psprintf("toIntegerOrNull(%s)", p), leaf->op, &leaf->values[0]);
	put(q, ")");
}

static void
put_int_in(Neo4jText *q, const ChCond *leaf)
{
	const char *p = NEO4J_EXPR(leaf->col);
	int			small = partition(leaf->values, leaf->nvalues, is_small);

	if (small > 0)
	{
		put(q, "%s IN ", p);
		put_list(q, leaf->values, small);
	}
	if (small == leaf->nvalues)
		return;
	put(q, "%s(", small > 0 ? " OR " : "");
	put_int_fit(q, leaf->col);
	put(q, " AND toIntegerOrNull(%s) IN ", p);
	put_list(q, leaf->values + small, leaf->nvalues - small);
	put(q, ")");
}

/* ---- floats ---------------------------------------------------------------------------- */

static bool
is_nan(const ChValue *v)
{
	return v->kind == CH_FLOAT && isnan(v->u.f);
}

static bool
is_no_nan(const ChValue *v)
{
	return !is_nan(v);
}

/* True for NaN: the only number that differs from itself; lists may, too. */
static void
put_nan_test(Neo4jText *q, const char *p)
{
	put(q, "(%s <> %s AND %s IS :: FLOAT NOT NULL)", p, p, p);
}

/* Comparison with NaN, which is above every number and equal to itself. */
static void
put_against_nan(Neo4jText *q, const char *p, ChCmpOp op)
{
	switch (op)
	{
		case CH_EQ:
		case CH_GE:
			put_nan_test(q, p);
			break;
		case CH_NE:
		case CH_LT:
			put(q, "%s <= 1.0/0", p);
			break;
		case CH_LE:
			put(q, "%s IS :: INTEGER NOT NULL | FLOAT NOT NULL", p);
			break;
		case CH_GT:
			put(q, "false");
			break;
	}
}

static void
put_float_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	if (is_nan(v))
		put_against_nan(q, p, op);
	else if (op == CH_GT || op == CH_GE)
	{
		/* true for NaN, too, and null for what is no number */
		put(q, "NOT ");
		put_number_cmp(q, p, op == CH_GT ? CH_LE : CH_LT, v);
	}
	else
		put_number_cmp(q, p, op, v);
}

static void
put_float_in(Neo4jText *q, const ChCond *leaf)
{
	const char *p = NEO4J_EXPR(leaf->col);
	int			n = partition(leaf->values, leaf->nvalues, is_no_nan);

	if (n > 0)
	{
		put(q, "%s IN ", p);
		put_list(q, leaf->values, n);
	}
	if (n < leaf->nvalues)
	{
		put(q, n > 0 ? " OR " : "");
		put_nan_test(q, p);
	}
}

/* ---- numeric --------------------------------------------------------------------------- */

/*
 * A superset.  A float shows as its shortest decimal, which may be above or
 * below the value that a parameter can have: look one float further on both
 * sides.
 */
static void
put_numeric_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	double		d;
	ChValue		low = {.kind = CH_FLOAT};
	ChValue		high = {.kind = CH_FLOAT};

	if (v->kind == CH_PARAM)
	{
		put_cmp(q, p, op, v);
		return;
	}
	d = strtod(pnstrdup(v->u.s.data, v->u.s.len), NULL);
	if (isnan(d) || op == CH_NE)
	{
		put(q, "%s IS NOT NULL", p);
		return;
	}
	low.u.f = nextafter(d, -HUGE_VAL);
	high.u.f = nextafter(d, HUGE_VAL);
	if (op == CH_EQ || op == CH_GT || op == CH_GE)
		put_float_cmp(q, p, CH_GE, &low);
	put(q, op == CH_EQ ? " AND " : "");
	if (op == CH_EQ || op == CH_LT || op == CH_LE)
		put_cmp(q, p, CH_LE, &high);
}

static void
put_numeric_in(Neo4jText *q, const ChCond *leaf)
{
	if (leaf->kind == CH_COND_NOT_IN)
	{
		put(q, "%s IS NOT NULL", NEO4J_EXPR(leaf->col));
		return;
	}
	for (int i = 0; i < leaf->nvalues; i++)
	{
		put(q, i > 0 ? " OR " : "");
		put_numeric_cmp(q, NEO4J_EXPR(leaf->col), CH_EQ, &leaf->values[i]);
	}
}

/* ---- booleans ---------------------------------------------------------------------------- */

/* false is below true, in Cypher as here */
static void
put_bool_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	if (op == CH_NE)
	{
		put(q, "%s = (NOT ", p);
		neo4j_put_value(q, v);
		put(q, ")");
	}
	else
		put_cmp(q, p, op, v);
}

/* ---- strings ----------------------------------------------------------------------------- */

static bool
is_high(int c)
{
	return c >= 0xE000;
}

/*
 * UTF-16 units of characters above U+FFFF are D800 to DFFF, so that in their
 * order such a character is below U+E000 to U+FFFF.  For a value without
 * either kind both orders agree.
 */
static bool
orders_agree(const ChValue *v)
{
	if (v->kind != CH_STRING)
		return true;
	for (const char *s = v->u.s.data, *end = s + v->u.s.len; s < end; s += pg_utf_mblen((const unsigned char *) s))
		if (is_high(utf8_to_unicode((const unsigned char *) s)))
			return false;
	return true;
}

/* p >= prefix || c */
static void
put_prefix_cmp(Neo4jText *q, const char *p, ChCmpOp op, const char *prefix, int len, const char *c)
{
	ChValue		v = ch_string(psprintf("%.*s%s", len, prefix, c), len + strlen(c));

	put_cmp(q, p, op, &v);
}

/*
 * The strings that share the value's beginning up to one of its high
 * characters and go on with one of the other kind: above the value by code
 * point but below it by UTF-16 unit (above), or the other way round.
 */
static void
put_misplaced(Neo4jText *q, const char *p, const ChValue *v, bool above)
{
	const char *end = v->u.s.data + v->u.s.len;
	const char *between = "";

	put(q, "(");
	for (const char *s = v->u.s.data; s < end; s += pg_utf_mblen((const unsigned char *) s))
	{
		int			c = utf8_to_unicode((const unsigned char *) s);
		int			len = s - v->u.s.data;
		ChValue		prefix = ch_string(v->u.s.data, len);

		if (!is_high(c) || (c <= 0xFFFF) != above)
			continue;
		put(q, "%s(%s STARTS WITH ", between, p);
		neo4j_put_value(q, &prefix);
		put(q, " AND ");
		if (above)
		{
			put_prefix_cmp(q, p, CH_GE, v->u.s.data, len, "\xF0\x90\x80\x80");
			put(q, " AND ");
			put_prefix_cmp(q, p, CH_LT, v->u.s.data, len, "\xEE\x80\x80");
		}
		else
			put_prefix_cmp(q, p, CH_GE, v->u.s.data, len, "\xEE\x80\x80");
		put(q, ")");
		between = " OR ";
	}
	put(q, "%s)", *between ? "" : "false");
}

static void
put_text_cmp(Neo4jText *q, const char *p, ChCmpOp op, const ChValue *v)
{
	bool		greater = op == CH_GT || op == CH_GE;

	if (op == CH_EQ || op == CH_NE || orders_agree(v))
	{
		put_cmp(q, p, op, v);
		return;
	}
	put(q, "((");
	put_cmp(q, p, op, v);
	put(q, " AND NOT ");
	put_misplaced(q, p, v, !greater);
	put(q, ") OR ");
	put_misplaced(q, p, v, greater);
	put(q, ")");
}

/* ---- times --------------------------------------------------------------------------------- */

/* p < t or p >= t, where t may be infinite or the end of the type. */
static void
put_bound(Neo4jText *q, const ChColumn *col, ChCmpOp op, int64 t)
{
	int64		first,
				end;
	ChValue		v;

	time_limits(col, &first, &end);
	v = time_value(col, t);
	if (t > first && t < end)
		put_cmp(q, NEO4J_EXPR(col), op, &v);
	else if ((t >= end) == (op == CH_LT))
		put_time_fit(q, col);
	else
		put(q, "false");
}

/* What shows as t is in [t, after(t)); infinity is not. */
static int64
after(int64 t)
{
	return t == PG_INT64_MAX ? t : t + 1;
}

/* Infinity of a date is that of an int32. */
static int64
time_of(const ChColumn *col, const ChValue *v)
{
	if (col->basetype == DATEOID && DATE_IS_NOEND((DateADT) v->u.i))
		return PG_INT64_MAX;
	if (col->basetype == DATEOID && DATE_IS_NOBEGIN((DateADT) v->u.i))
		return PG_INT64_MIN;
	return v->u.i;
}

static void
put_time_cmp(Neo4jText *q, const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	int64		t = time_of(col, v);

	if (v->kind == CH_PARAM)
	{
		put_cmp(q, NEO4J_EXPR(col), op, v);
		return;
	}
	switch (op)
	{
		case CH_EQ:
			put_bound(q, col, CH_GE, t);
			put(q, " AND ");
			put_bound(q, col, CH_LT, after(t));
			break;
		case CH_NE:
			put(q, "(");
			put_bound(q, col, CH_LT, t);
			put(q, " OR ");
			put_bound(q, col, CH_GE, after(t));
			put(q, ")");
			break;
		case CH_LT:
			put_bound(q, col, CH_LT, t);
			break;
		case CH_LE:
			put_bound(q, col, CH_LT, after(t));
			break;
		case CH_GT:
			put_bound(q, col, CH_GE, after(t));
			break;
		case CH_GE:
			put_bound(q, col, CH_GE, t);
			break;
	}
}

/* A list of pairs [t, t + 1us); of whole dates. Returns how many. */
static int
make_pairs(const ChCond *leaf, ChValue *pairs, bool *last)
{
	ChColumn   *col = leaf->col;
	int64		first,
				end;
	int			n = 0;

	time_limits(col, &first, &end);
	*last = false;
	for (int i = 0; i < leaf->nvalues; i++)
	{
		int64		t = time_of(col, &leaf->values[i]);
		ChValue    *pair;

		if (t < first || t >= end)
			continue;
		if (col->basetype == DATEOID)
			pairs[n++] = leaf->values[i];
		else if (col->basetype == TIMEOID && t == end - 1)
			*last = true;		/* 24:00, the end of its pair, is no time */
		else
		{
			pair = palloc(2 * sizeof(ChValue));
			pair[0] = time_value(col, t);
			pair[1] = time_value(col, t + 1);
			pairs[n].kind = CH_LIST;
			pairs[n].u.list.n = 2;
			pairs[n++].u.list.items = pair;
		}
	}
	return n;
}

/* One parameter for all values.  Nothing in the store is infinite. */
static void
put_time_in(Neo4jText *q, const ChCond *leaf)
{
	const char *p = NEO4J_EXPR(leaf->col);
	ChValue    *pairs = palloc(leaf->nvalues * sizeof(ChValue));
	ChValue		end = time_value(leaf->col, USECS_PER_DAY - 1);
	bool		last;
	int			n;

	if (q->explain)
	{
		put(q, "%s IN ", p);
		put_list(q, leaf->values, leaf->nvalues);
		return;
	}
	n = make_pairs(leaf, pairs, &last);
	if (n == 0 && !last)
		put(q, "%s IS NULL AND null", p);	/* null stays null, for NOT IN */
	if (n > 0)
	{
		bool		whole = leaf->col->basetype == DATEOID;

		put(q, "%s IN ", whole ? p : "any(t");
		put_list(q, pairs, n);
		if (!whole)
			put(q, " WHERE %s >= t[0] AND %s < t[1])", p, p);
	}
	if (last)
	{
		put(q, n > 0 ? " OR " : "");
		put_cmp(q, p, CH_GE, &end);
	}
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static void
put_plain_cmp(Neo4jText *q, const ChCond *leaf)
{
	ChColumn   *col = leaf->col;
	const char *p = NEO4J_EXPR(col);

	if (ch_is_int(col->basetype))
		put_int_cmp(q, leaf);
	else if (ch_is_float(col->basetype))
		put_float_cmp(q, p, leaf->op, &leaf->values[0]);
	else if (col->basetype == NUMERICOID)
		put_numeric_cmp(q, p, leaf->op, &leaf->values[0]);
	else if (col->basetype == BOOLOID)
		put_bool_cmp(q, p, leaf->op, &leaf->values[0]);
	else if (ch_is_text(col->basetype))
		put_text_cmp(q, p, leaf->op, &leaf->values[0]);
	else
		put_time_cmp(q, col, leaf->op, &leaf->values[0]);
}

static void
put_plain_in(Neo4jText *q, const ChCond *leaf)
{
	ChColumn   *col = leaf->col;

	if (ch_is_int(col->basetype))
		put_int_in(q, leaf);
	else if (ch_is_float(col->basetype))
		put_float_in(q, leaf);
	else if (col->basetype == NUMERICOID)
		put_numeric_in(q, leaf);
	else if (ch_is_text(col->basetype) || col->basetype == BOOLOID)
	{
		put(q, "%s IN ", NEO4J_EXPR(col));
		put_list(q, leaf->values, leaf->nvalues);
	}
	else
		put_time_in(q, leaf);
}

/*
 * Is the condition false or null for whatever the column does not hold?  So it
 * is for equality with a value of the column's type and of modest size.
 */
static bool
implies_fit(const ChCond *leaf)
{
	if (!(leaf->kind == CH_COND_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_EQ)))
		return false;
	for (int i = 0; i < leaf->nvalues; i++)
	{
		const ChValue *v = &leaf->values[i];

		if (v->kind == CH_INT && ch_is_int(leaf->col->basetype) &&
			(!is_small(v) || v->u.i < least_int(leaf->col) || v->u.i > greatest_int(leaf->col)))
			return false;
		if (v->kind == CH_FLOAT && !(fabs(v->u.f) < (double) EXACT_FLOAT))
			return false;
	}
	return true;
}

/* Not for a lossy condition: it is checked again, and a fit may not exist. */
static bool
wants_fit(const ChCond *leaf)
{
	return leaf->col->table->mismatch_null && neo4j_has_fit(leaf->col) &&
		leaf->col->basetype != NUMERICOID && !implies_fit(leaf);
}

static void
put_null_test(Neo4jText *q, const ChCond *leaf)
{
	bool		is_null = leaf->kind == CH_COND_IS_NULL;

	if (!leaf->col->table->mismatch_null || !neo4j_has_fit(leaf->col))
	{
		put(q, "%s IS %sNULL", NEO4J_EXPR(leaf->col), is_null ? "" : "NOT ");
		return;
	}
	put(q, is_null ? "NOT coalesce(" : "(");
	neo4j_put_fit(q, leaf->col);
	put(q, is_null ? ", false)" : ")");
}

/*
 * a = b.  A float is compared with an integer as a float, so integers that
 * are equal so are compared as integers as well.
 */
static void
put_column_cmp(Neo4jText *q, const ChCond *leaf)
{
	const char *a = NEO4J_EXPR(leaf->col);
	const char *b = NEO4J_EXPR(leaf->other);
	const ChColumn *cols[] = {leaf->col, leaf->other};

	put(q, "(%s = %s", a, b);
	if (ch_is_int(leaf->col->basetype))
		put(q, " AND toIntegerOrNull(%s) = toIntegerOrNull(%s)", a, b);
	for (int i = 0; i < lengthof(cols); i++)
		if (cols[i]->table->mismatch_null)
		{
			put(q, " AND ");
			neo4j_put_fit(q, cols[i]);
		}
	put(q, ")");
}

void
neo4j_put_leaf(Neo4jText *q, const ChCond *leaf)
{
	bool		fit;

	if (leaf->kind == CH_COND_FALSE)
	{
		put(q, "false");
		return;
	}
	if (leaf->kind == CH_COND_CMP_COLUMN)
	{
		put_column_cmp(q, leaf);
		return;
	}

	if (leaf->kind == CH_COND_IS_NULL || leaf->kind == CH_COND_NOT_NULL)
	{
		put_null_test(q, leaf);
		return;
	}
	fit = wants_fit(leaf);
	put(q, fit ? "(" : "");
	if (leaf->kind == CH_COND_CMP)
		put_plain_cmp(q, leaf);
	else
	{
		/* NULL IN (...) is null, and so is its negation */
		put(q, leaf->kind == CH_COND_NOT_IN && leaf->col->basetype != NUMERICOID ? "NOT (" : "(");
		put_plain_in(q, leaf);
		put(q, ")");
	}
	if (fit)
	{
		put(q, " AND ");
		neo4j_put_fit(q, leaf->col);
		put(q, ")");
	}
}
