/*
 * parts.c
 *	  In which words is InfluxDB asked for groups?
 *
 * By one or more statements, which each give some columns of the groups:
 * aggregate functions, or the last or first point of each group, which tells
 * its time; a FILTER is the condition of a statement of its own.
 *
 * A group is in an answer if one of the *called* fields has a value.  So the
 * first statement, which must have every group, calls a field that is surely
 * there, or else all of them.
 *
 * With time buckets a query ends now, unless it says otherwise, and at either
 * end of the times that int64 holds points are lost.  So buckets are asked for
 * between 1750 and 2200, and two questions see whether there is anything
 * beyond.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/timestamp.h"

#include "fdw/influxdb/influxdb.h"

/* In nanoseconds since 1970. */
#define BUCKETS_FROM	INT64CONST(-6942499200000000000)
#define BUCKETS_TO		INT64CONST(7258118400000000000)

static const InfluxTable *
table_of(const ChTable *table)
{
	return table->priv;
}

/* ---- the parts of a query ------------------------------------------------------ */

/* One function of a select list: before, column, after. */
typedef struct InfluxCall
{
	const char *before;
	const char *after;
	ChColumn   *col;
} InfluxCall;

typedef struct Compile
{
	const ChScan *scan;
	InfluxGroups *g;
	const char *range;			/* for the conditions of each part, or NULL */
} Compile;

/* Where the call's value is in a row. */
static int
add_call(InfluxPart *part, const char *before, ChColumn *col, const char *after)
{
	InfluxCall *call;
	ListCell   *lc;

	foreach(lc, part->calls)
	{
		call = lfirst(lc);
		if (call->col == col && strcmp(call->before, before) == 0)
			return foreach_current_index(lc) + 1;
	}
	call = palloc(sizeof(InfluxCall));
	call->before = before;
	call->after = after;
	call->col = col;
	part->calls = lappend(part->calls, call);
	return list_length(part->calls);
}

static ChCond *
both(ChCond *a, ChCond *b)
{
	ChCond	   *and;

	if (a == NULL || b == NULL)
		return a ? a : b;
	and = palloc0(sizeof(ChCond));
	and->kind = CH_COND_AND;
	and->nargs = 2;
	and->args = palloc(2 * sizeof(ChCond *));
	and->args[0] = a;
	and->args[1] = b;
	return and;
}

/* The part of this form and FILTER; -1 if there is none and none is to be made. */
static int
find_part(Compile *c, InfluxForm form, ChCond *filter, bool make)
{
	InfluxGroups *g = c->g;
	InfluxPart *part = &g->parts[g->nparts];

	memset(part, 0, sizeof(*part));
	part->form = form;
	part->filter = both(c->scan->filter, filter);
	initStringInfo(&part->where);
	part->never = !influx_append_where(&part->where, part->filter, c->range);
	for (int i = 0; i < g->nparts; i++)
		if (g->parts[i].form == form && g->parts[i].never == part->never &&
			strcmp(g->parts[i].where.data, part->where.data) == 0)
			return i;
	return make ? g->nparts++ : -1;
}

static bool
is_sure(const InfluxPart *part, const ChColumn *col)
{
	return col->notnull || influx_implies(part->filter, col);
}

/* A field that every row of the part has, or NULL; rather one that is called anyway. */
static ChColumn *
sure_field(const ChTable *table, const InfluxPart *part)
{
	const InfluxTable *t = table_of(table);
	ListCell   *lc;

	foreach(lc, part->calls)
		if (is_sure(part, ((InfluxCall *) lfirst(lc))->col))
			return ((InfluxCall *) lfirst(lc))->col;
	for (int i = 0; i < t->nfields; i++)
		if (is_sure(part, t->fields[i]))
			return t->fields[i];
	return NULL;
}

/* Make sure that a part's calls have a value for each group. */
static void
call_for_all(const ChTable *table, InfluxPart *part)
{
	const InfluxTable *t = table_of(table);
	ChColumn   *sure = sure_field(table, part);
	Bitmapset  *called = NULL;
	ListCell   *lc;

	foreach(lc, part->calls)
		called = bms_add_member(called, ((InfluxCall *) lfirst(lc))->col->attno);
	for (int i = 0; i < t->nfields; i++)
		if ((sure == NULL || sure == t->fields[i]) && !bms_is_member(t->fields[i]->attno, called))
			add_call(part, "last(", t->fields[i], ")");
}

/* ---- targets ---------------------------------------------------------------------- */

static bool
is_time_target(const ChBoundTarget *target)
{
	return target->agg != CH_AGG_KEY && target->agg != CH_AGG_COUNT && influx_is_time(target->col);
}

/* What a target's rows must meet: its FILTER, and to have the tag that is counted. */
static ChCond *
condition_of(const ChBoundTarget *target)
{
	ChCond	   *has_tag;

	if (target->agg != CH_AGG_COUNT || target->col == NULL || target->col->kind != INFLUX_TAG || target->col->notnull)
		return target->filter;
	has_tag = palloc0(sizeof(ChCond));
	has_tag->kind = CH_COND_NOT_NULL;
	has_tag->col = target->col;
	return both(target->filter, has_tag);
}

/*
 * A sum of bigint may have wrapped; values that smaller integers do not hold
 * must raise.
 */
static void
add_check(InfluxPart *part, const ChBoundTarget *target)
{
	InfluxCheck *check;
	bool		sum = target->agg == CH_AGG_SUM && target->col->basetype == INT8OID;
	ListCell   *lc;

	if (!ch_is_int(target->col->basetype) || (target->col->basetype == INT8OID && !sum))
		return;
	foreach(lc, part->checks)
		if (((InfluxCheck *) lfirst(lc))->col == target->col)
			return;
	check = palloc0(sizeof(InfluxCheck));
	check->col = target->col;
	check->count = sum ? add_call(part, "count(", target->col, ")") : 0;
	check->min = add_call(part, "min(", target->col, ")");
	check->max = add_call(part, "max(", target->col, ")");
	part->checks = lappend(part->checks, check);
}

static int
call_target(Compile *c, InfluxPart *part, const ChBoundTarget *target)
{
	static const char *const functions[] = {
		[CH_AGG_COUNT] = "count(",[CH_AGG_SUM] = "sum(",[CH_AGG_MIN] = "min(",[CH_AGG_MAX] = "max(",
		[CH_AGG_FIRST] = "first(",[CH_AGG_LAST] = "last(",[CH_AGG_BOOL_AND] = "min(",[CH_AGG_BOOL_OR] = "max("
	};
	ChColumn   *sure;

	if (target->agg == CH_AGG_COUNT && influx_counts_rows(target->col, target->distinct))
	{
		if (c->g->rows)
			return 0;
		sure = sure_field(c->scan->table, part);
		if (sure == NULL)
			elog(ERROR, "no field of foreign table %s tells the number of its rows", c->scan->table->name);
		return add_call(part, "count(", sure, ")");
	}
	if (c->g->rows)
		return add_call(part, "", target->col, "");
	add_check(part, target);
	if (target->agg == CH_AGG_COUNT && target->distinct)
		return add_call(part, "count(distinct(", target->col, "))");
	return add_call(part, functions[target->agg], target->col, ")");
}

/*
 * The last value of a field that every point has is in the last point, which
 * is asked for where its time is wanted.
 */
static int
point_part(Compile *c, const ChBoundTarget *target)
{
	int			part = -1;

	if (target->agg == CH_AGG_FIRST || target->agg == CH_AGG_LAST)
		part = find_part(c, target->agg == CH_AGG_FIRST ? INFLUX_OLDEST : INFLUX_NEWEST, target->filter, false);
	return part >= 0 && is_sure(&c->g->parts[part], target->col) ? part : -1;
}

static void
add_target(Compile *c, int i)
{
	const ChBoundTarget *target = &c->scan->targets[i];
	InfluxSource *source = &c->g->sources[i];

	source->part = point_part(c, target);
	if (source->part >= 0)
	{
		source->position = add_call(&c->g->parts[source->part], "", target->col, "");
		return;
	}
	source->part = find_part(c, INFLUX_CALLS, condition_of(target), true);
	if (!c->g->parts[source->part].never)
		source->position = call_target(c, &c->g->parts[source->part], target);
}

static InfluxForm
form_of_time(const ChBoundTarget *target)
{
	return target->agg == CH_AGG_MIN ? INFLUX_OLDEST : INFLUX_NEWEST;
}

/* The form of the part that has every group: of one that is asked anyway, if there is one. */
static InfluxForm
first_form(const ChScan *scan, const InfluxBucket *bucket)
{
	InfluxForm	form = bucket ? INFLUX_CALLS : INFLUX_NEWEST;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChBoundTarget *target = &scan->targets[i];

		if (target->agg == CH_AGG_KEY || condition_of(target))
			continue;
		if (is_time_target(target))
			return form_of_time(target);
		form = INFLUX_CALLS;
	}
	return form;
}

static void
add_parts(Compile *c)
{
	const ChScan *scan = c->scan;
	InfluxGroups *g = c->g;

	if (scan->ngroup > 0)
		(void) find_part(c, first_form(scan, g->bucket), NULL, true);
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChBoundTarget *target = &scan->targets[i];

		g->sources[i].part = -1;
		if (is_time_target(target))
			g->sources[i].part = find_part(c, form_of_time(target), target->filter, true);
	}
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->targets[i].agg != CH_AGG_KEY && g->sources[i].part < 0)
			add_target(c, i);
	if (scan->ngroup > 0 && g->parts[0].form == INFLUX_CALLS && !g->rows)
		call_for_all(scan->table, &g->parts[0]);
}

/* ---- text -------------------------------------------------------------------------- */

/* In the largest unit that it is a whole number of. */
static void
append_duration(StringInfo buf, int64 us)
{
	static const struct
	{
		const char *name;
		int64		length;
	}			units[] = {
		{"d", USECS_PER_DAY}, {"h", USECS_PER_HOUR}, {"m", USECS_PER_MINUTE}, {"s", USECS_PER_SEC}, {"ms", 1000}, {"u", 1}
	};

	for (int i = 0; i < lengthof(units); i++)
		if (us % units[i].length == 0)
		{
			appendStringInfo(buf, INT64_FORMAT "%s", us / units[i].length, units[i].name);
			return;
		}
}

static void
append_group_by(const ChScan *scan, StringInfo buf, const InfluxBucket *bucket)
{
	const char *comma = " GROUP BY ";

	for (int i = 0; i < scan->ngroup; i++)
	{
		if (scan->group[i]->kind != INFLUX_TAG)
			continue;
		appendStringInfoString(buf, comma);
		influx_append_column(buf, scan->group[i], false);
		comma = ", ";
	}
	if (bucket == NULL)
		return;
	appendStringInfo(buf, "%stime(", comma);
	append_duration(buf, bucket->stride);
	if (bucket->origin != 0)
	{
		appendStringInfoString(buf, ", ");
		append_duration(buf, bucket->origin);
	}
	appendStringInfoString(buf, ") fill(none)");
}

static List *
called_columns(const InfluxPart *part)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, part->calls)
		columns = lappend(columns, ((InfluxCall *) lfirst(lc))->col);
	return columns;
}

static void
append_part(const ChScan *scan, const InfluxGroups *g, const InfluxPart *part, StringInfo buf)
{
	bool		calls = part->form == INFLUX_CALLS && !g->rows;
	ListCell   *lc;

	if (calls)
		appendStringInfoString(buf, "SELECT ");
	else
		influx_append_select(buf, scan->table, part->filter, called_columns(part));
	foreach(lc, calls ? part->calls : NIL)
	{
		const InfluxCall *call = lfirst(lc);

		appendStringInfo(buf, "%s%s", foreach_current_index(lc) > 0 ? ", " : "", call->before);
		influx_append_column(buf, call->col, false);
		appendStringInfoString(buf, call->after);
	}
	appendStringInfoString(buf, " FROM ");
	influx_append_measurement(buf, scan->table);
	appendBinaryStringInfo(buf, part->where.data, part->where.len);
	append_group_by(scan, buf, calls ? g->bucket : NULL);
	if (part->form == INFLUX_NEWEST)
		appendStringInfoString(buf, " ORDER BY time DESC LIMIT 1");
	else if (part->form == INFLUX_OLDEST)
		appendStringInfoString(buf, " ORDER BY time ASC LIMIT 1");
}

/* ---- the range of buckets ------------------------------------------------------------- */

static void
narrow(const ChCond *cond, bool *from, bool *to)
{
	const ChValue *v = &cond->values[0];
	int64		ns = v->u.i;
	bool		known = v->kind == CH_INT || (v->kind == CH_INSTANT && influx_time_of(v->u.i, &ns));

	/* a parameter without a value, in EXPLAIN, will have one that is usual */
	if (cond->op != CH_LT && cond->op != CH_LE)
		*from = *from || v->kind == CH_PARAM || (known && ns >= BUCKETS_FROM);
	if (cond->op != CH_GT && cond->op != CH_GE)
		*to = *to || v->kind == CH_PARAM || (known && ns < BUCKETS_TO);
}

/* Which ends of the range does the condition set, so that buckets are right? */
static void
find_bounds(const ChCond *cond, bool *from, bool *to)
{
	if (cond == NULL)
		return;
	for (int i = 0; i < cond->nargs && cond->kind == CH_COND_AND; i++)
		find_bounds(cond->args[i], from, to);
	if (cond->kind == CH_COND_CMP && influx_is_time(cond->col))
		narrow(cond, from, to);
}

static char *
time_condition(const char *op, int64 ns)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "time %s ", op);
	influx_append_time(&buf, ns, false);
	return buf.data;
}

/* The condition for the ends that are open, or NULL. */
static char *
open_range(const ChCond *filter)
{
	bool		from = false;
	bool		to = false;

	find_bounds(filter, &from, &to);
	if (from && to)
		return NULL;
	return psprintf("%s%s%s", from ? "" : time_condition(">=", BUCKETS_FROM), from || to ? "" : " AND ",
					to ? "" : time_condition("<", BUCKETS_TO));
}

char *
influx_edge_questions(const ChScan *scan)
{
	const char *const beyond[] = {time_condition("<", BUCKETS_FROM), time_condition(">=", BUCKETS_TO)};
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(beyond); i++)
	{
		appendStringInfoString(&buf, "SELECT *::field FROM ");
		influx_append_measurement(&buf, scan->table);
		appendStringInfo(&buf, " WHERE %s LIMIT 1; ", beyond[i]);
	}
	return buf.data;
}

/* ---- the whole ------------------------------------------------------------------------- */

static const InfluxBucket *
bucket_of(const ChScan *scan)
{
	for (int i = 0; i < scan->ngroup; i++)
		if (scan->group[i]->kind == INFLUX_BUCKET)
			return scan->group[i]->extra;
	return NULL;
}

/* Sums of integers are held against what they may be before a group is handed out. */
static bool
has_integer_sum(const ChScan *scan)
{
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->targets[i].agg == CH_AGG_SUM && ch_is_int(scan->targets[i].col->basetype))
			return true;
	return false;
}

void
influx_compile_groups(const ChScan *scan, bool rows, InfluxGroups *g)
{
	Compile		c = {.scan = scan,.g = g};

	memset(g, 0, sizeof(*g));
	initStringInfo(&g->text);
	g->rows = rows;
	g->bucket = bucket_of(scan);
	if (g->bucket && !rows)
		c.range = open_range(scan->filter);
	g->bounded = c.range != NULL;
	g->sources = palloc0((scan->ncolumns + 1) * sizeof(InfluxSource));
	g->parts = palloc0((scan->ncolumns + 2) * sizeof(InfluxPart));
	g->asked = palloc0((scan->ncolumns + 1) * sizeof(int));
	add_parts(&c);
	for (int i = 0; i < g->nparts; i++)
	{
		if (g->parts[i].never)
			continue;
		if (g->nasked > 0)
			appendStringInfoString(&g->text, "; ");
		append_part(scan, g, &g->parts[i], &g->text);
		g->asked[g->nasked++] = i;
	}
	g->never = g->nasked == 0;
	g->gather = g->nasked > 1 || (!rows && has_integer_sum(scan));
}
