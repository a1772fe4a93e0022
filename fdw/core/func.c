/*
 * func.c
 *	  Expressions over the columns of a row that a store may compute.
 *
 * Core knows which of PostgreSQL's functions and operators an expression is
 * made of, and that its other arguments are constants; the driver knows
 * whether its store computes the same (ship_func).  What it computes becomes a
 * column of the table, so that conditions, orders and groups need no second
 * form for expressions.  A constant that a setting of the session decides (a
 * time zone) is no constant: a plan may outlive the setting.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Known
{
	Oid			function;
	ChFuncId	id;
} Known;

static const Known known[] = {
	{F_DATE_BIN_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ, CH_FUNC_DATE_BIN},
	{F_DATE_BIN_INTERVAL_TIMESTAMP_TIMESTAMP, CH_FUNC_DATE_BIN},
	{F_DATE_TRUNC_TEXT_TIMESTAMP, CH_FUNC_DATE_TRUNC},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ, CH_FUNC_DATE_TRUNC},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT, CH_FUNC_DATE_TRUNC},
	{F_JSONB_OBJECT_FIELD, CH_FUNC_JSON_GET},
	{F_JSONB_ARRAY_ELEMENT, CH_FUNC_JSON_GET},
	{F_JSONB_OBJECT_FIELD_TEXT, CH_FUNC_JSON_GET_TEXT},
	{F_JSONB_ARRAY_ELEMENT_TEXT, CH_FUNC_JSON_GET_TEXT},
	{F_INT4PL, CH_FUNC_ADD}, {F_INT8PL, CH_FUNC_ADD}, {F_FLOAT8PL, CH_FUNC_ADD}, {F_NUMERIC_ADD, CH_FUNC_ADD},
	{F_INT4MI, CH_FUNC_SUB}, {F_INT8MI, CH_FUNC_SUB}, {F_FLOAT8MI, CH_FUNC_SUB}, {F_NUMERIC_SUB, CH_FUNC_SUB},
	{F_INT4MUL, CH_FUNC_MUL}, {F_INT8MUL, CH_FUNC_MUL}, {F_FLOAT8MUL, CH_FUNC_MUL}, {F_NUMERIC_MUL, CH_FUNC_MUL},
	{F_INT4DIV, CH_FUNC_DIV}, {F_INT8DIV, CH_FUNC_DIV}, {F_FLOAT8DIV, CH_FUNC_DIV}, {F_NUMERIC_DIV, CH_FUNC_DIV},
	{F_INT4MOD, CH_FUNC_MOD}, {F_INT8MOD, CH_FUNC_MOD},
	{F_INT4UM, CH_FUNC_NEG}, {F_INT8UM, CH_FUNC_NEG}, {F_FLOAT8UM, CH_FUNC_NEG}, {F_NUMERIC_UMINUS, CH_FUNC_NEG},
	{F_INT4ABS, CH_FUNC_ABS}, {F_INT8ABS, CH_FUNC_ABS}, {F_FLOAT8ABS, CH_FUNC_ABS}, {F_NUMERIC_ABS, CH_FUNC_ABS},
	{F_ABS_INT4, CH_FUNC_ABS}, {F_ABS_INT8, CH_FUNC_ABS}, {F_ABS_FLOAT8, CH_FUNC_ABS}, {F_ABS_NUMERIC, CH_FUNC_ABS},
	{F_LOWER_TEXT, CH_FUNC_LOWER},
	{F_UPPER_TEXT, CH_FUNC_UPPER},
	{F_LENGTH_TEXT, CH_FUNC_LENGTH},
	{F_CHAR_LENGTH_TEXT, CH_FUNC_LENGTH},
	{F_TEXTCAT, CH_FUNC_CONCAT},
};

/* Conversions between numbers, whose result the target type decides alone. */
static bool
is_number(Oid type)
{
	return ch_is_int(type) || ch_is_float(type) || type == NUMERICOID;
}

static bool
find_function(Oid function, ChFuncId *id)
{
	for (int i = 0; i < lengthof(known); i++)
		if (known[i].function == function)
		{
			*id = known[i].id;
			return true;
		}
	return false;
}

static bool
dissect_call(FuncExpr *call, ChFuncId *id, List **args)
{
	*args = call->args;
	if (call->funcretset)
		return false;
	if ((call->funcformat == COERCE_EXPLICIT_CAST || call->funcformat == COERCE_IMPLICIT_CAST) &&
		list_length(call->args) == 1 && is_number(call->funcresulttype) && is_number(exprType(linitial(call->args))))
	{
		*id = CH_FUNC_CAST;
		return true;
	}
	return find_function(call->funcid, id);
}

/* Which function an expression calls, and with what. */
static bool
dissect(Node *node, ChFuncId *id, List **args)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return dissect_call((FuncExpr *) node, id, args);
		case T_OpExpr:
			*args = ((OpExpr *) node)->args;
			return find_function(get_opcode(((OpExpr *) node)->opno), id);
		case T_CoalesceExpr:
			*args = ((CoalesceExpr *) node)->args;
			*id = CH_FUNC_COALESCE;
			return true;
		default:
			return false;
	}
}

/* Does TimeZone make no difference?  Zones differ by whole seconds. */
static bool
zone_decides(Oid argtype, List *args)
{
	char	   *unit;

	if (argtype != TIMESTAMPTZOID || list_length(args) == 3)
		return false;
	if (!IsA(linitial(args), Const))
		return true;
	unit = TextDatumGetCString(((Const *) linitial(args))->constvalue);
	return !(pg_strncasecmp(unit, "second", 6) == 0 || pg_strncasecmp(unit, "milli", 5) == 0 ||
			 pg_strncasecmp(unit, "micro", 5) == 0);
}

/* ---- buckets of times ------------------------------------------------------ */

static bool
is_utc(const char *zone)
{
	static const char *const names[] = {"UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu"};

	for (int i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(zone, names[i]) == 0)
			return true;
	return false;
}

/* Before 2024, releases put a boundary before the origin into the bucket before. */
static bool
date_bin_rounds_down(void)
{
	Interval	day = {.day = 1};

	return DatumGetTimestamp(DirectFunctionCall3(timestamp_bin, IntervalPGetDatum(&day),
												 TimestampGetDatum(-USECS_PER_DAY), TimestampGetDatum(0))) == -USECS_PER_DAY;
}

/* Longer strides and those that date_bin refuses are left to it. */
#define MAX_DAYS INT64CONST(1000000)

static bool
bucket_of_bin(const Const *stride, const Const *origin, ChBucket *bucket, const char **reason)
{
	const Interval *interval = DatumGetIntervalP(stride->constvalue);

	bucket->origin = DatumGetTimestamp(origin->constvalue);
	if (interval->month != 0 || interval->day < 0 || interval->day > MAX_DAYS ||
		interval->time < 0 || interval->time > MAX_DAYS * USECS_PER_DAY ||
		(interval->day == 0 && interval->time == 0))
		return ch_refuse(reason, "a bucket must have some length of at most 1000000 days, without months");
	if (TIMESTAMP_NOT_FINITE(bucket->origin))
		return ch_refuse(reason, "the origin of the buckets is infinite");
	if (!date_bin_rounds_down())
		return ch_refuse(reason, "date_bin of this release of PostgreSQL errs before the origin");
	bucket->stride = interval->day * USECS_PER_DAY + interval->time;
	return true;
}

typedef struct Unit
{
	const char *name;
	const char *plural;			/* or NULL: date_trunc has none */
	int64		stride;
	int			months;
} Unit;

static bool
bucket_of_trunc(const Const *unit, const Const *zone, ChBucket *bucket, const char **reason)
{
	static const Unit units[] = {
		{"microsecond", "microseconds", 1}, {"millisecond", "milliseconds", 1000},
		{"second", "seconds", USECS_PER_SEC}, {"minute", "minutes", USECS_PER_MINUTE},
		{"hour", "hours", USECS_PER_HOUR}, {"day", "days", USECS_PER_DAY}, {"week", "weeks", 7 * USECS_PER_DAY},
		{"month", "months", 0, 1}, {"quarter", NULL, 0, 3}, {"year", "years", 0, 12}
	};
	char	   *name = TextDatumGetCString(unit->constvalue);

	if (zone && !is_utc(TextDatumGetCString(zone->constvalue)))
		return ch_refuse(reason, "a store truncates times in UTC only");
	for (int i = 0; i < lengthof(units); i++)
	{
		if (pg_strcasecmp(name, units[i].name) != 0 && !(units[i].plural && pg_strcasecmp(name, units[i].plural) == 0))
			continue;
		bucket->stride = units[i].stride;
		bucket->months = units[i].months;
		bucket->origin = 2 * USECS_PER_DAY; /* weeks begin on Mondays */
		return true;
	}
	return ch_refuse(reason, psprintf("no store truncates times to \"%s\"", name));
}

bool
ch_bucket_of(const ChFunc *func, ChBucket *bucket, const char **reason)
{
	const Node *first = linitial(func->args);
	const Node *time = lsecond(func->args);
	const Node *third = list_length(func->args) == 3 ? lthird(func->args) : NULL;

	memset(bucket, 0, sizeof(*bucket));
	if (!IsA(first, Const) || !IsA(time, Integer) || (third && !IsA(third, Const)))
		return ch_refuse(reason, "a bucket is one of a column's times, its length, origin and zone constants");
	bucket->attno = intVal(time);
	if (func->func == CH_FUNC_DATE_BIN)
		return bucket_of_bin((const Const *) first, (const Const *) third, bucket, reason);
	return bucket_of_trunc((const Const *) first, (const Const *) third, bucket, reason);
}

/* ---- expressions ------------------------------------------------------------- */

/* The number of a computed column that is there already, or 0. */
static int
find_computed(const ChTable *table, const ChFunc *func)
{
	ListCell   *lc;

	foreach(lc, table->computed)
	{
		ChColumn   *col = lfirst(lc);

		if (equal(col->func, func))
			return col->attno;
	}
	return 0;
}

ChColumn *
ch_add_computed(ChTable *table, ChFunc *func, const char **reason)
{
	/* GEQO's memory for joins does not live as long as their tables */
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	ChColumn   *col = ch_make_result_column(table, "an expression", func->type, func->typmod, func->collation);

	col->attno = table->natts + list_length(table->computed) + 1;
	col->func = copyObject(func);
	if (table->driver->ship_func(table, col, reason))
		table->computed = lappend(table->computed, col);
	else
		col = NULL;
	MemoryContextSwitchTo(old);
	return col;
}

/* The arguments as ChFunc has them; false if one is neither column nor constant. */
static bool
take_args(PlannerInfo *root, RelOptInfo *rel, ChTable *table, ChFunc *func, List *args, const char **reason)
{
	bool		has_column = false;
	ListCell   *lc;

	foreach(lc, args)
	{
		Node	   *arg = lfirst(lc);
		int			attno;

		if (IsA(arg, Const) && !((Const *) arg)->constisnull)
		{
			func->args = lappend(func->args, arg);
			continue;
		}
		attno = ch_operand(root, rel, table, arg, reason);
		if (attno == 0)
			return false;
		has_column = true;
		func->args = lappend(func->args, makeInteger(attno));
	}
	return has_column;
}

int
ch_operand(PlannerInfo *root, RelOptInfo *rel, ChTable *table, Node *node, const char **reason)
{
	int			attno;
	ChFuncId	id;
	List	   *args;
	ChFunc	   *func;
	ChColumn   *col;

	check_stack_depth();
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (IsA(node, Var))
		return ch_var_number(rel, (Var *) node);
	if (table->driver->ship_func == NULL || !dissect(node, &id, &args))
		return 0;
	func = ch_make_func(id);
	func->type = exprType(node);
	func->typmod = exprTypmod(node);
	func->collation = exprCollation(node);
	func->expr = node;
	if (!take_args(root, rel, table, func, args, reason))
		return 0;
	if (id == CH_FUNC_DATE_TRUNC && zone_decides(exprType(lsecond(args)), args))
	{
		*reason = "date_trunc depends on the session's time zone; name one as its third argument, or use date_bin";
		return 0;
	}
	attno = find_computed(table, func);
	if (attno != 0)
		return attno;
	col = ch_add_computed(table, func, reason);
	return col ? col->attno : 0;
}
