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

#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/makefuncs.h"
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
	{F_SUBSTR_TEXT_INT4_INT4, CH_FUNC_SUBSTRING}, {F_SUBSTR_TEXT_INT4, CH_FUNC_SUBSTRING},
	{F_SUBSTRING_TEXT_INT4_INT4, CH_FUNC_SUBSTRING}, {F_SUBSTRING_TEXT_INT4, CH_FUNC_SUBSTRING},
	{F_LEFT, CH_FUNC_LEFT},
	{F_RIGHT, CH_FUNC_RIGHT},
	{F_STRPOS, CH_FUNC_POSITION}, {F_POSITION_TEXT_TEXT, CH_FUNC_POSITION},
	{F_REPLACE, CH_FUNC_REPLACE},
	{F_STARTS_WITH, CH_FUNC_STARTS_WITH},
	{F_BTRIM_TEXT, CH_FUNC_TRIM}, {F_BTRIM_TEXT_TEXT, CH_FUNC_TRIM},
	{F_LTRIM_TEXT, CH_FUNC_TRIM_LEFT}, {F_LTRIM_TEXT_TEXT, CH_FUNC_TRIM_LEFT},
	{F_RTRIM_TEXT, CH_FUNC_TRIM_RIGHT}, {F_RTRIM_TEXT_TEXT, CH_FUNC_TRIM_RIGHT},
	{F_CONCAT, CH_FUNC_CONCAT_SOME},
	{F_FLOOR_FLOAT8, CH_FUNC_FLOOR}, {F_FLOOR_NUMERIC, CH_FUNC_FLOOR},
	{F_CEIL_FLOAT8, CH_FUNC_CEIL}, {F_CEIL_NUMERIC, CH_FUNC_CEIL},
	{F_CEILING_FLOAT8, CH_FUNC_CEIL}, {F_CEILING_NUMERIC, CH_FUNC_CEIL},
	{F_ROUND_FLOAT8, CH_FUNC_ROUND}, {F_ROUND_NUMERIC, CH_FUNC_ROUND}, {F_ROUND_NUMERIC_INT4, CH_FUNC_ROUND},
	{F_TIMEZONE_TEXT_TIMESTAMPTZ, CH_FUNC_AT_UTC},
	{F_EXTRACT_TEXT_TIMESTAMP, CH_FUNC_EXTRACT}, {F_EXTRACT_TEXT_TIMESTAMPTZ, CH_FUNC_EXTRACT},
	{F_EXTRACT_TEXT_DATE, CH_FUNC_EXTRACT},
	{F_DATE_PART_TEXT_TIMESTAMP, CH_FUNC_EXTRACT}, {F_DATE_PART_TEXT_TIMESTAMPTZ, CH_FUNC_EXTRACT},
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
	if (call->funcretset || call->funcvariadic)
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
		case T_MinMaxExpr:
			*args = ((MinMaxExpr *) node)->args;
			*id = ((MinMaxExpr *) node)->op == IS_GREATEST ? CH_FUNC_GREATEST : CH_FUNC_LEAST;
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

bool
ch_time_field_of(const ChFunc *func, ChTimeField *field, const char **reason)
{
	static const char *const names[] = {
		[CH_TIME_YEAR] = "year",[CH_TIME_QUARTER] = "quarter",[CH_TIME_MONTH] = "month",[CH_TIME_DAY] = "day",
		[CH_TIME_HOUR] = "hour",[CH_TIME_MINUTE] = "minute",[CH_TIME_DOW] = "dow",[CH_TIME_ISODOW] = "isodow",
		[CH_TIME_DOY] = "doy"
	};
	const Node *unit = linitial(func->args);
	char	   *name;

	if (!IsA(unit, Const))
		return ch_refuse(reason, "the field of extract is no constant");
	name = TextDatumGetCString(((const Const *) unit)->constvalue);
	for (int i = 0; i < lengthof(names); i++)
		if (pg_strcasecmp(name, names[i]) == 0)
		{
			*field = i;
			return true;
		}
	return ch_refuse(reason, psprintf("no store extracts \"%s\" of a time", name));
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

typedef struct FuncContext
{
	PlannerInfo *root;
	RelOptInfo *rel;
	ChTable    *table;
	ChFunc	   *func;
	bool		has_column;		/* some argument is one */
	const char **reason;
} FuncContext;

/* A literal without a type, as functions of "any" take it. */
static Node *
as_text(Node *node)
{
	const Const *c = (const Const *) node;

	if (!IsA(node, Const) || c->consttype != UNKNOWNOID || c->constisnull)
		return node;
	return (Node *) makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum(DatumGetCString(c->constvalue)), false, false);
}

/* An argument as ChFunc has it; false if it is neither column nor constant. */
static bool
take_arg(FuncContext *cxt, Node *arg)
{
	int			attno;

	arg = as_text(arg);
	if (IsA(arg, Const) && (!((Const *) arg)->constisnull || cxt->func->func == CH_FUNC_CASE))
	{
		cxt->func->args = lappend(cxt->func->args, arg);
		return true;
	}
	attno = ch_operand(cxt->root, cxt->rel, cxt->table, arg, cxt->reason);
	if (attno == 0)
		return false;
	cxt->has_column = true;
	cxt->func->args = lappend(cxt->func->args, makeInteger(attno));
	return true;
}

static bool
take_args(FuncContext *cxt, List *args)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		Node	   *arg = lfirst(lc);

		/* NULLs do not count */
		if (IsA(arg, Const) && ((Const *) arg)->constisnull &&
			(cxt->func->func == CH_FUNC_GREATEST || cxt->func->func == CH_FUNC_LEAST))
			continue;
		if (!take_arg(cxt, arg))
			return false;
	}
	return cxt->has_column;
}

/* ---- CASE ---------------------------------------------------------------------- */

static bool
has_constants(const ChExpr *expr)
{
	ListCell   *lc;

	foreach(lc, expr->args)
		if (!has_constants(lfirst(lc)))
			return false;
	foreach(lc, expr->values)
		if (!IsA(lfirst(lc), Const))
			return false;
	return true;
}

/* A condition on columns: values that are not known yet would be part of a column's definition. */
static bool
take_condition(FuncContext *cxt, Node *condition)
{
	ChExpr	   *expr;

	*cxt->reason = NULL;
	expr = ch_ship_filter(cxt->root, cxt->rel, cxt->table, condition, cxt->reason);
	if (expr == NULL)
		return false;
	if (!has_constants(expr))
		return ch_refuse(cxt->reason, "a condition of CASE is compared with constants only");
	cxt->has_column = true;
	cxt->func->conditions = lappend(cxt->func->conditions, expr);
	return true;
}

/* CASE value WHEN other ...: the value stands where it is compared. */
static Node *
put_value(Node *node, void *value)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject(value);
	/* it has a value of its own */
	if (IsA(node, CaseExpr))
		return copyObject(node);
	return expression_tree_mutator(node, put_value, value);
}

static bool
take_case(FuncContext *cxt, const CaseExpr *node)
{
	ListCell   *lc;

	foreach(lc, node->args)
	{
		const CaseWhen *when = lfirst(lc);
		Node	   *condition = (Node *) when->expr;

		if (node->arg)
			condition = put_value(condition, node->arg);
		if (!take_condition(cxt, condition) || !take_arg(cxt, (Node *) when->result))
			return false;
	}
	return take_arg(cxt, (Node *) node->defresult);
}

/* NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
static bool
take_nullif(FuncContext *cxt, const NullIfExpr *node)
{
	OpExpr	   *equal = makeNode(OpExpr);
	Node	   *value = linitial(node->args);

	*equal = *node;
	equal->xpr.type = T_OpExpr;
	equal->opresulttype = BOOLOID;
	equal->opcollid = InvalidOid;
	return take_condition(cxt, (Node *) equal) &&
		take_arg(cxt, (Node *) makeNullConst(exprType((Node *) node), exprTypmod((Node *) node), exprCollation((Node *) node))) &&
		take_arg(cxt, value);
}

/* ---- times that the session's zone does not decide ----------------------------------- */

static bool
ask_time(const ChFunc *func, List *args, const char **reason)
{
	if (func->func == CH_FUNC_DATE_TRUNC && zone_decides(exprType(lsecond(args)), args))
		return ch_refuse(reason, "date_trunc depends on the session's time zone; name one as its third argument, or use date_bin");
	if (func->func == CH_FUNC_EXTRACT && exprType(lsecond(args)) == TIMESTAMPTZOID)
		return ch_refuse(reason, "extract depends on the session's time zone; extract from the time AT TIME ZONE 'UTC'");
	if (func->func == CH_FUNC_AT_UTC &&
		!(IsA(linitial(args), Const) && is_utc(TextDatumGetCString(((Const *) linitial(args))->constvalue))))
		return ch_refuse(reason, "a store knows times in UTC only");
	return true;
}

/* ---- collations ------------------------------------------------------------------------ */

static bool
ask_collation(const ChFunc *func, const char **reason)
{
	Oid			collation = exprInputCollation(func->expr);

	switch (func->func)
	{
		case CH_FUNC_POSITION:
		case CH_FUNC_REPLACE:
		case CH_FUNC_STARTS_WITH:
			return !OidIsValid(collation) || get_collation_isdeterministic(collation) ||
				ch_refuse(reason, "the collation calls different strings equal");
		case CH_FUNC_GREATEST:
		case CH_FUNC_LEAST:
			return !ch_is_text(func->type) || ch_collation_is_bytewise(collation) ||
				ch_refuse(reason, "strings are ordered by a collation other than \"C\"");
		default:
			return true;
	}
}

int
ch_operand(PlannerInfo *root, RelOptInfo *rel, ChTable *table, Node *node, const char **reason)
{
	int			attno;
	ChFuncId	id = CH_FUNC_CASE;
	List	   *args = NIL;
	ChFunc	   *func;
	ChColumn   *col;
	FuncContext cxt = {.root = root,.rel = rel,.table = table,.reason = reason};
	bool		taken;

	check_stack_depth();
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (IsA(node, Var))
		return ch_var_number(rel, (Var *) node);
	if (table->driver->ship_func == NULL ||
		!(IsA(node, CaseExpr) || IsA(node, NullIfExpr) || dissect(node, &id, &args)))
		return 0;
	func = cxt.func = ch_make_func(id);
	func->type = exprType(node);
	func->typmod = exprTypmod(node);
	func->collation = exprCollation(node);
	func->expr = node;
	if (IsA(node, CaseExpr))
		taken = take_case(&cxt, (CaseExpr *) node);
	else if (IsA(node, NullIfExpr))
		taken = take_nullif(&cxt, (NullIfExpr *) node);
	else
		taken = take_args(&cxt, args) && ask_time(func, args, reason) && ask_collation(func, reason);
	if (!taken)
		return 0;
	attno = find_computed(table, func);
	if (attno != 0)
		return attno;
	col = ch_add_computed(table, func, reason);
	return col ? col->attno : 0;
}
