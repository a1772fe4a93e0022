/*
 * deparse.c
 *	  What can InfluxDB do of a query, and in which words is it asked?
 *
 * A row of a foreign table is a point that has a value in at least one of the
 * table's fields.  InfluxQL has the same rule for what is *selected*, so the
 * select list decides which rows come: unless the condition or a NOT NULL
 * column says that a selected field is there, all fields are selected.
 *
 * InfluxQL's comparisons are true for the same points as PostgreSQL's, but
 * not without care:
 * - a missing tag compares as the empty string, and no tag is empty;
 * - an unknown name in a condition is taken for a tag, so a string field that
 *   some shard does not have yet must be marked as a field by ::string; tags are
 *   marked by ::tag, for a field may have the same name;
 * - times cannot stand below OR, and cannot be unequal;
 * - there is no IS NULL, and strings have no order;
 * - LIMIT 0 means no limit (core asks nothing then).
 *
 * In SQL (3.x) only the time needs care: it has nanoseconds.  Groups are in
 * parts.c.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "common/int.h"
#include "fdw/influxdb/influxdb.h"

/* From here on, strings to be found are one regular expression. */
#define LONG_LIST		16

static const InfluxTable *
table_of(const ChTable *table)
{
	return table->priv;
}

/* ---- what can be shipped ------------------------------------------------ */

static bool
is_order(const ChExpr *leaf)
{
	return leaf->kind == CH_COND_CMP && leaf->op != CH_EQ && leaf->op != CH_NE;
}

static ChShip
ship_time(const ChExpr *leaf, bool sql, const char **reason)
{
	switch (leaf->kind)
	{
		case CH_COND_IN:
			*reason = "of several times, the range that holds them all is asked for";
			return CH_SHIP_LOSSY;
		case CH_COND_NOT_IN:
			return ch_no_ship(reason, "InfluxDB cannot exclude several times");
		case CH_COND_CMP:
			if (leaf->op == CH_NE && !sql)
				return ch_no_ship(reason, "InfluxQL cannot compare a time by <>");
			return CH_SHIP_EXACT;
		default:
			return CH_SHIP_EXACT;
	}
}

static ChShip
ship_tag(const ChColumn *col, const ChExpr *leaf, bool sql, const char **reason)
{
	if (!ch_is_text(col->basetype))
		return ch_no_ship(reason, "tags are compared in columns of type text only");
	if (is_order(leaf) && !sql)
		return ch_no_ship(reason, "InfluxQL compares tags by = and <> only");
	return CH_SHIP_EXACT;
}

static ChShip
ship_field(const ChColumn *col, const ChExpr *leaf, bool sql, const char **reason)
{
	if (!ch_is_text(col->basetype) && !ch_is_int(col->basetype) && !ch_is_float(col->basetype) && col->basetype != BOOLOID)
		return ch_no_ship(reason, "InfluxDB compares strings, numbers and booleans only");
	if (leaf->kind == CH_COND_IS_NULL && !sql)
		return ch_no_ship(reason, "InfluxQL has no IS NULL for fields");
	if (is_order(leaf) && (col->basetype == BOOLOID || (ch_is_text(col->basetype) && !sql)))
		return ch_no_ship(reason, "InfluxQL has no order of strings and booleans");
	return CH_SHIP_EXACT;
}

ChShip
influx_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason)
{
	const ChColumn *col = ch_column(table, leaf->attno);
	bool		sql = table_of(table)->sql;
	ChShip		ship;

	if (col->kind == INFLUX_BUCKET)
		return ch_no_ship(reason, "InfluxQL compares times, not buckets of them");
	if (influx_is_time(col))
		ship = ship_time(leaf, sql, reason);
	else if (col->kind == INFLUX_TAG)
		ship = ship_tag(col, leaf, sql, reason);
	else
		ship = ship_field(col, leaf, sql, reason);
	if (ship == CH_SHIP_NO || !table->mismatch_null || (influx_is_time(col) && col->typmod < 0))
		return ship;

	/* What does not fit is NULL here, but a value in the store. */
	if (leaf->kind == CH_COND_IS_NULL)
		return ch_no_ship(reason, "on_type_mismatch = 'null' may make NULLs that the store does not know");
	if (ship == CH_SHIP_EXACT)
		*reason = "on_type_mismatch = 'null' may make NULLs that the store does not know";
	return CH_SHIP_LOSSY;
}

static bool
has_time(const ChTable *table, const ChExpr *expr)
{
	ListCell   *lc;

	if (expr->kind != CH_COND_AND && expr->kind != CH_COND_OR)
		return influx_is_time(ch_column(table, expr->attno));
	foreach(lc, expr->args)
		if (has_time(table, lfirst(lc)))
			return true;
	return false;
}

ChShip
influx_ship_bool(const ChTable *table, const ChExpr *expr, ChShip given, const char **reason)
{
	if (expr->kind == CH_COND_OR && !table_of(table)->sql && has_time(table, expr))
		return ch_no_ship(reason, "InfluxQL has no OR of times");
	return given;
}

/*
 * A point's time is its only order; the two time columns say the same.  Points
 * in the order of their times are in the order of their buckets.
 */
bool
influx_ship_sort(const ChTable *table, List *keys, const char **reason)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		ChSortKey  *key = lfirst(lc);
		const ChColumn *col = ch_column(table, key->attno);

		if (!influx_is_time(col) && col->kind != INFLUX_BUCKET)
		{
			*reason = "InfluxDB sorts by time only";
			return false;
		}
		if (key->descending != ((ChSortKey *) linitial(keys))->descending)
		{
			*reason = "InfluxDB sorts by time in one direction only";
			return false;
		}
	}
	return true;
}

/* A statement for each question; the server runs them one after the other. */
int
influx_ship_sets(const ChTable *table, const ChQuery *query)
{
	return table_of(table)->sql ? 0 : 1000;
}

/* ---- literals ------------------------------------------------------------ */

static void
append_utf8_name(StringInfo buf, const char *name, bool sql)
{
	influx_append_name(buf, pg_server_to_any(name, strlen(name), PG_UTF8), sql);
}

static void
append_value(StringInfo buf, const ChValue *v, bool sql)
{
	switch (v->kind)
	{
		case CH_PARAM:
			appendStringInfo(buf, "$" INT64_FORMAT, v->u.i);
			break;
		case CH_BOOL:
			appendStringInfoString(buf, v->u.b ? "true" : "false");
			break;
		case CH_INT:
			appendStringInfo(buf, INT64_FORMAT, v->u.i);
			break;
		case CH_FLOAT:
			influx_append_float(buf, v->u.f);
			break;
		case CH_STRING:
			influx_append_string(buf, v->u.s.data, v->u.s.len, sql);
			break;
		default:
			elog(ERROR, "unexpected kind of value: %d", (int) v->kind);
	}
}

/*
 * A tag or field.  In an InfluxQL condition a text field is marked as one:
 * without that, shards that do not know the field yet take it for a tag.
 */
void
influx_append_column(StringInfo buf, const ChColumn *col, bool condition)
{
	bool		sql = table_of(col->table)->sql;
	const char *type = ch_opt_string(col->table->driver, col->options, "field_type");

	append_utf8_name(buf, col->remote, sql);
	if (sql)
		return;
	if (col->kind == INFLUX_TAG)
		appendStringInfoString(buf, "::tag");
	else if (type)
		appendStringInfo(buf, "::%s", type);
	else if (condition && ch_is_text(col->basetype))
		appendStringInfoString(buf, "::string");
}

/* ---- conditions ---------------------------------------------------------- */

/* What became of a condition; only for SOME was text appended. */
typedef enum Truth
{
	NEVER,
	ALWAYS,
	SOME
} Truth;

static Truth compile(StringInfo buf, const ChCond *cond, bool sql);

static bool
has_carriage_return(const ChValue *v)
{
	return v->kind == CH_STRING && memchr(v->u.s.data, '\r', v->u.s.len) != NULL;
}

/* column op value; op of a string is = or <> */
static Truth
compare(StringInfo buf, const ChColumn *col, const char *op, const ChValue *v)
{
	bool		sql = table_of(col->table)->sql;

	influx_append_column(buf, col, true);
	/* InfluxQL reads a carriage return as a newline and has no escape for it */
	if (!sql && has_carriage_return(v))
	{
		appendStringInfoString(buf, strcmp(op, "=") == 0 ? " =~ " : " !~ ");
		influx_append_regex(buf, v, 1);
		return SOME;
	}
	appendStringInfo(buf, " %s ", op);
	append_value(buf, v, sql);
	return SOME;
}

/* Has the point a value there?  InfluxQL must be asked for any of its values. */
static Truth
not_null(StringInfo buf, const ChColumn *col)
{
	const char *yes = "< 0";
	const char *no = ">= 0";

	if (table_of(col->table)->sql || col->kind == INFLUX_TAG)
	{
		influx_append_column(buf, col, true);
		appendStringInfoString(buf, table_of(col->table)->sql ? " IS NOT NULL" : " <> ''");
		return SOME;
	}
	if (ch_is_text(col->basetype))
	{
		yes = "= ''";
		no = "<> ''";
	}
	else if (col->basetype == BOOLOID)
	{
		yes = "= true";
		no = "<> true";
	}
	appendStringInfoChar(buf, '(');
	influx_append_column(buf, col, true);
	appendStringInfo(buf, " %s OR ", yes);
	influx_append_column(buf, col, true);
	appendStringInfo(buf, " %s)", no);
	return SOME;
}

/* time >= ns (from) or time < ns, folded where no point can be. */
static Truth
time_bound(StringInfo buf, bool from, int64 ns, bool sql)
{
	if (ns <= INFLUX_MIN_TIME)
		return from ? ALWAYS : NEVER;
	if (ns > INFLUX_MAX_TIME)
		return from ? NEVER : ALWAYS;
	appendStringInfoString(buf, from ? "time >= " : "time < ");
	influx_append_time(buf, ns, sql);
	return SOME;
}

/*
 * The nanoseconds [from, to) that show as the value.  Of one that is beyond
 * them only the end that int64 can hold is exact; the other is the last there
 * is.  The first microsecond that points can be in begins before int64 does.
 */
static void
interval_of(const ChColumn *col, const ChValue *v, int64 *from, int64 *to)
{
	if (v->kind != CH_INSTANT)
	{
		*from = v->u.i;
		if (pg_add_s64_overflow(*from, 1, to))
			*to = PG_INT64_MAX;
		return;
	}
	if (!influx_time_of(v->u.i, from))
		*from = v->u.i < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	if (TIMESTAMP_NOT_FINITE(v->u.i) || !influx_time_of(v->u.i + 1, to))
		*to = v->u.i < 0 ? PG_INT64_MIN : PG_INT64_MAX;
}

/* from <= time < to */
static Truth
time_range(StringInfo buf, int64 from, int64 to, bool sql)
{
	int			start = buf->len;
	Truth		low = from < to ? time_bound(buf, true, from, sql) : NEVER;
	int			middle = buf->len;
	Truth		high;

	if (low == NEVER)
		return NEVER;
	if (low == SOME)
		appendStringInfoString(buf, " AND ");
	high = time_bound(buf, false, to, sql);
	if (high == SOME)
		return SOME;
	buf->len = high == NEVER ? start : middle;
	buf->data[buf->len] = '\0';
	return high == NEVER ? NEVER : low;
}

/* time < from OR time >= to; SQL only */
static Truth
time_differs(StringInfo buf, int64 from, int64 to)
{
	int			start = buf->len;
	Truth		before = time_bound(buf, false, from, true);
	int			middle = buf->len;
	Truth		after = time_bound(buf, true, to, true);
	char	   *second;

	if (before == ALWAYS || after == ALWAYS)
	{
		buf->len = start;
		buf->data[start] = '\0';
		return ALWAYS;
	}
	if (before == SOME && after == SOME)
	{
		second = pstrdup(buf->data + middle);
		buf->len = middle;
		appendStringInfo(buf, " OR %s)", second);
		second = pstrdup(buf->data + start);
		buf->len = start;
		appendStringInfo(buf, "(%s", second);
		return SOME;
	}
	return before == SOME || after == SOME ? SOME : NEVER;
}

static Truth
compare_time(StringInfo buf, const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	bool		sql = table_of(col->table)->sql;
	int64		from;
	int64		to;

	if (v->kind == CH_PARAM)
	{
		appendStringInfo(buf, "time %s $" INT64_FORMAT, ch_cmp_name[op], v->u.i);
		return SOME;
	}
	interval_of(col, v, &from, &to);
	switch (op)
	{
		case CH_EQ:
			return time_range(buf, from, to, sql);
		case CH_NE:
			return time_differs(buf, from, to);
		case CH_LT:
			return time_bound(buf, false, from, sql);
		case CH_LE:
			return time_bound(buf, false, to, sql);
		case CH_GT:
			return time_bound(buf, true, to, sql);
		case CH_GE:
			return time_bound(buf, true, from, sql);
	}
	return NEVER;
}

static void
append_params(StringInfo buf, const ChCond *cond)
{
	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind == CH_PARAM)
			appendStringInfo(buf, "%s$" INT64_FORMAT, buf->data[buf->len - 1] == '(' ? "" : ", ", cond->values[i].u.i);
}

static bool
has_params(const ChCond *cond)
{
	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind == CH_PARAM)
			return true;
	return false;
}

/* A superset of time IN (...): from the first to the last. */
static Truth
time_among(StringInfo buf, const ChCond *cond)
{
	int64		first = PG_INT64_MAX;
	int64		last = PG_INT64_MIN;

	if (has_params(cond))
	{
		appendStringInfoString(buf, "time >= min(");
		append_params(buf, cond);
		appendStringInfoString(buf, ") AND time <= max(");
		append_params(buf, cond);
		appendStringInfoChar(buf, ')');
		return SOME;
	}
	for (int i = 0; i < cond->nvalues; i++)
	{
		int64		from;
		int64		to;

		interval_of(cond->col, &cond->values[i], &from, &to);
		first = Min(first, from);
		last = Max(last, to);
	}
	return time_range(buf, first, last, table_of(cond->col->table)->sql);
}

static Truth
compile_time(StringInfo buf, const ChCond *cond)
{
	switch (cond->kind)
	{
		case CH_COND_CMP:
			return compare_time(buf, cond->col, cond->op, &cond->values[0]);
		case CH_COND_IN:
			return time_among(buf, cond);
		case CH_COND_NOT_NULL:
			return ALWAYS;
		case CH_COND_IS_NULL:
			return NEVER;
		default:
			elog(ERROR, "unexpected condition on a time: %d", (int) cond->kind);
	}
}

/*
 * A float that no point has: PostgreSQL sorts NaN above infinity, and both
 * infinities beyond all values.  above: the value is above all.
 */
static Truth
compare_beyond(StringInfo buf, const ChColumn *col, ChCmpOp op, bool above)
{
	bool		holds = op == CH_NE || (above ? op == CH_LT || op == CH_LE : op == CH_GT || op == CH_GE);

	return holds ? not_null(buf, col) : NEVER;
}

static Truth
compile_cmp(StringInfo buf, const ChCond *cond)
{
	const ChColumn *col = cond->col;
	const ChValue *v = &cond->values[0];

	if (v->kind == CH_FLOAT && !isfinite(v->u.f))
		return compare_beyond(buf, col, cond->op, isnan(v->u.f) || v->u.f > 0);
	if (col->kind == INFLUX_TAG && !table_of(col->table)->sql)
	{
		bool		empty = v->kind == CH_STRING && v->u.s.len == 0;

		if (empty)
			return cond->op == CH_EQ ? NEVER : not_null(buf, col);
		if (cond->op == CH_NE)
		{
			not_null(buf, col);
			appendStringInfoString(buf, " AND ");
		}
	}
	return compare(buf, col, ch_cmp_name[cond->op], v);
}

/* Has this value a meaning to the store, and can a point have it? */
static bool
can_be(const ChColumn *col, const ChValue *v)
{
	if (v->kind == CH_FLOAT)
		return isfinite(v->u.f);
	return !(col->kind == INFLUX_TAG && v->kind == CH_STRING && v->u.s.len == 0);
}

/*
 * Many strings are one regular expression: InfluxDB finds 1,000 of them in a
 * quarter of the time that as many comparisons take.
 */
static bool
is_long_list(const ChCond *cond)
{
	if (cond->nvalues < LONG_LIST || cond->col->kind != INFLUX_TAG || table_of(cond->col->table)->sql)
		return false;
	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind != CH_STRING || cond->values[i].u.s.len == 0)
			return false;
	return true;
}

static Truth
compile_in(StringInfo buf, const ChCond *cond)
{
	int			n = 0;
	int			start = buf->len;

	if (is_long_list(cond))
	{
		influx_append_column(buf, cond->col, true);
		appendStringInfoString(buf, " =~ ");
		influx_append_regex(buf, cond->values, cond->nvalues);
		return SOME;
	}

	appendStringInfoChar(buf, '(');
	for (int i = 0; i < cond->nvalues; i++)
	{
		if (!can_be(cond->col, &cond->values[i]))
			continue;
		if (n++ > 0)
			appendStringInfoString(buf, " OR ");
		compare(buf, cond->col, "=", &cond->values[i]);
	}
	appendStringInfoChar(buf, ')');
	if (n > 0)
		return SOME;
	buf->len = start;
	buf->data[start] = '\0';
	return NEVER;
}

static Truth
compile_not_in(StringInfo buf, const ChCond *cond)
{
	bool		guarded = cond->col->kind == INFLUX_TAG;
	bool		any = false;

	if (guarded)
		not_null(buf, cond->col);
	for (int i = 0; i < cond->nvalues; i++)
	{
		if (!can_be(cond->col, &cond->values[i]))
			continue;
		if (guarded || any)
			appendStringInfoString(buf, " AND ");
		compare(buf, cond->col, "<>", &cond->values[i]);
		any = true;
	}
	return guarded || any ? SOME : not_null(buf, cond->col);
}

static Truth
compile_is_null(StringInfo buf, const ChColumn *col)
{
	influx_append_column(buf, col, true);
	appendStringInfoString(buf, table_of(col->table)->sql ? " IS NULL" : " = ''");
	return SOME;
}

/* AND, or OR: the first of the two that decides it ends it. */
static Truth
compile_list(StringInfo buf, const ChCond *cond, bool sql)
{
	bool		and = cond->kind == CH_COND_AND;
	int			start = buf->len;
	int			n = 0;

	for (int i = 0; i < cond->nargs; i++)
	{
		const ChCond *arg = cond->args[i];
		bool		nested = arg->kind == CH_COND_AND || arg->kind == CH_COND_OR;
		int			before = buf->len;
		Truth		truth;

		if (n > 0)
			appendStringInfoString(buf, and ? " AND " : " OR ");
		if (nested)
			appendStringInfoChar(buf, '(');
		truth = compile(buf, arg, sql);
		if (truth == (and ? NEVER : ALWAYS))
		{
			buf->len = start;
			buf->data[start] = '\0';
			return truth;
		}
		if (truth == SOME)
		{
			if (nested)
				appendStringInfoChar(buf, ')');
			n++;
		}
		else
		{
			buf->len = before;
			buf->data[before] = '\0';
		}
	}
	return n > 0 ? SOME : and ? ALWAYS : NEVER;
}

static Truth
compile(StringInfo buf, const ChCond *cond, bool sql)
{
	if (cond->kind == CH_COND_AND || cond->kind == CH_COND_OR)
		return compile_list(buf, cond, sql);
	if (cond->kind == CH_COND_FALSE)
		return NEVER;
	if (influx_is_time(cond->col))
		return compile_time(buf, cond);
	switch (cond->kind)
	{
		case CH_COND_CMP:
			return compile_cmp(buf, cond);
		case CH_COND_IN:
			return compile_in(buf, cond);
		case CH_COND_NOT_IN:
			return compile_not_in(buf, cond);
		case CH_COND_IS_NULL:
			return compile_is_null(buf, cond->col);
		default:
			return not_null(buf, cond->col);
	}
}

/* ---- the select list ------------------------------------------------------ */

/* Is the condition true only for points that have this field? */
bool
influx_implies(const ChCond *cond, const ChColumn *col)
{
	if (cond == NULL)
		return false;
	if (cond->kind == CH_COND_AND)
	{
		for (int i = 0; i < cond->nargs; i++)
			if (influx_implies(cond->args[i], col))
				return true;
		return false;
	}
	return cond->kind != CH_COND_OR && cond->kind != CH_COND_IS_NULL && cond->kind != CH_COND_FALSE &&
		cond->col == col;
}

/*
 * The fields to select besides those that are wanted, so that no point is
 * lost: none if one that is wanted is surely there, else one that is, else all.
 */
List *
influx_extra_fields(const ChTable *table, const ChCond *filter, const List *wanted)
{
	const InfluxTable *t = table_of(table);
	ChColumn   *sure = NULL;
	List	   *extra = NIL;

	for (int i = 0; i < t->nfields; i++)
	{
		ChColumn   *col = t->fields[i];

		if (!col->notnull && !influx_implies(filter, col))
			continue;
		if (list_member_ptr(wanted, col))
			return NIL;
		if (sure == NULL)
			sure = col;
	}
	if (sure)
		return list_make1(sure);
	for (int i = 0; i < t->nfields; i++)
		if (!list_member_ptr(wanted, t->fields[i]))
			extra = lappend(extra, t->fields[i]);
	return extra;
}

void
influx_append_measurement(StringInfo buf, const ChTable *table)
{
	const InfluxTable *t = table_of(table);

	if (t->policy && !t->sql)
	{
		append_utf8_name(buf, t->policy, false);
		appendStringInfoChar(buf, '.');
	}
	append_utf8_name(buf, t->measurement, t->sql);
}

/* A select list of plain columns; those that are wanted come first. */
void
influx_append_select(StringInfo buf, const ChTable *table, const ChCond *filter, const List *wanted)
{
	const char *comma = "";
	ListCell   *lc;

	appendStringInfoString(buf, "SELECT ");
	foreach(lc, list_concat_copy(wanted, influx_extra_fields(table, filter, wanted)))
	{
		appendStringInfoString(buf, comma);
		influx_append_column(buf, lfirst(lc), false);
		comma = ", ";
	}
	/* A table without fields: its rows are the points with any field. */
	if (table_of(table)->nfields == 0)
		appendStringInfo(buf, "%s*::field", comma);
}

/* InfluxQL gives the time first, unasked. */
static void
select_influxql(const ChScan *scan, InfluxQuery *q)
{
	List	   *wanted = NIL;

	q->ncolumns = 1;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		q->position[i] = 0;
		if (influx_is_time(scan->columns[i]))
			continue;
		wanted = lappend(wanted, scan->columns[i]);
		q->position[i] = q->ncolumns++;
	}
	influx_append_select(&q->text, scan->table, scan->filter, wanted);
}

/* Rows are objects, so a name that two columns share is selected once. */
static void
select_sql(const ChScan *scan, InfluxQuery *q)
{
	StringInfo	buf = &q->text;

	q->columns = palloc(sizeof(char *) * (scan->ncolumns + 1));
	q->columns[q->ncolumns++] = "time";
	appendStringInfoString(buf, "SELECT CAST(time AS BIGINT) AS time");
	for (int i = 0; i < scan->ncolumns; i++)
	{
		ChColumn   *col = scan->columns[i];
		int			at = 0;

		q->position[i] = 0;
		if (influx_is_time(col))
			continue;
		for (at = 1; at < q->ncolumns && strcmp(q->columns[at], col->remote) != 0; at++)
			;
		q->position[i] = at;
		if (at < q->ncolumns)
			continue;
		q->columns[q->ncolumns++] = col->remote;
		appendStringInfoString(buf, ", ");
		influx_append_column(buf, col, false);
	}
}

/* SQL gives every row, whatever is selected: ask for those with a field. */
static void
append_some_field(const ChScan *scan, StringInfo buf, const char *before)
{
	const InfluxTable *t = table_of(scan->table);

	for (int i = 0; i < t->nfields; i++)
		if (t->fields[i]->notnull || influx_implies(scan->filter, t->fields[i]))
			return;
	for (int i = 0; i < t->nfields; i++)
	{
		appendStringInfoString(buf, i == 0 ? before : " OR ");
		not_null(buf, t->fields[i]);
	}
	if (t->nfields > 0)
		appendStringInfoChar(buf, ')');
}

/* Appends " WHERE ..."; false if no point matches. */
bool
influx_append_where(StringInfo buf, const ChCond *filter, const char *also)
{
	StringInfoData where;
	Truth		truth = ALWAYS;
	bool		nested = filter && filter->kind == CH_COND_OR && also;

	initStringInfo(&where);
	if (filter)
		truth = compile(&where, filter, false);
	if (truth == SOME)
		appendStringInfo(buf, nested ? " WHERE (%s)" : " WHERE %s", where.data);
	if (truth != NEVER && also)
		appendStringInfo(buf, "%s %s", truth == SOME ? " AND" : " WHERE", also);
	return truth != NEVER;
}

static void
append_where_sql(const ChScan *scan, InfluxQuery *q)
{
	StringInfoData where;
	Truth		truth = ALWAYS;

	initStringInfo(&where);
	if (scan->filter)
		truth = compile(&where, scan->filter, true);
	q->never = truth == NEVER;
	if (truth == SOME)
		appendStringInfo(&q->text, scan->filter->kind == CH_COND_OR ? " WHERE (%s)" : " WHERE %s", where.data);
	append_some_field(scan, &q->text, truth == SOME ? " AND (" : " WHERE (");
}

/* ---- the whole query --------------------------------------------------------- */

/* Order and limit; DISTINCT ON tags is a limit of each group of series. */
static void
append_order(const ChScan *scan, StringInfo buf)
{
	const InfluxTable *t = table_of(scan->table);

	for (int i = 0; i < scan->ndistinct; i++)
	{
		appendStringInfoString(buf, i == 0 ? " GROUP BY " : ", ");
		influx_append_column(buf, ch_column(scan->table, scan->sort[i]->attno), false);
	}
	if (scan->nsort > scan->ndistinct)
		appendStringInfo(buf, " ORDER BY time %s", scan->sort[scan->ndistinct]->descending ? "DESC" : "ASC");
	if (scan->ndistinct > 0)
		appendStringInfoString(buf, " LIMIT 1");
	/* an OFFSET alone takes all rows but one away; NULL is no limit */
	if (scan->limit != -1 || (scan->offset != 0 && !t->sql))
		appendStringInfo(buf, " LIMIT %s", ch_count_text(scan->limit != -1 ? scan->limit : PG_INT64_MAX / 2));
	if (scan->offset != 0)
		appendStringInfo(buf, " OFFSET %s", ch_count_text(scan->offset));
}

void
influx_compile(const ChScan *scan, InfluxQuery *q)
{
	const InfluxTable *t = table_of(scan->table);
	StringInfo	buf = &q->text;

	memset(q, 0, sizeof(*q));
	initStringInfo(buf);
	q->position = palloc(sizeof(int) * Max(scan->ncolumns, 1));
	if (t->sql)
		select_sql(scan, q);
	else
		select_influxql(scan, q);
	appendStringInfoString(buf, " FROM ");
	influx_append_measurement(buf, scan->table);
	if (t->sql)
		append_where_sql(scan, q);
	else
		q->never = !influx_append_where(buf, scan->filter, NULL);
	append_order(scan, buf);
	if (scan->limit == 0)
		q->never = true;
}

void
influx_explain(ChScan *scan, StringInfo out)
{
	InfluxQuery q;
	InfluxGroups g;
	StringInfo	text = scan->grouped ? &g.text : &q.text;

	if (scan->grouped)
		influx_compile_groups(scan, influx_asks_rows(scan), &g);
	else
		influx_compile(scan, &q);
	if (scan->grouped ? g.never : q.never)
		appendStringInfoString(out, "none: no row can match");
	else
		appendStringInfoString(out, pg_any_to_server(text->data, text->len, PG_UTF8));
}
