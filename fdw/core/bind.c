/*
 * bind.c
 *	  Values for a remote query: evaluate its parameters and fold what they
 *	  decide, so that a driver sees neither NULL nor an empty list.
 *
 * A condition stands for the rows for which it is true.  So a comparison with
 * NULL is false, IN of an empty list is false, NOT IN of a list with a NULL is
 * false, and NOT IN of an empty list is true (even for a NULL).  False and true
 * then spread through AND and OR; a whole filter that is false needs no
 * request at all.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* What a condition folds to, besides itself. */
static ChCond always_false = {.kind = CH_COND_FALSE};
static ChCond always_true;		/* only its address matters */

typedef struct BindContext
{
	ChScanState *state;
	const ChTable *table;		/* whose columns conditions name */
	bool		explain;		/* parameters have no values yet */
	bool		constants;		/* values of conditions are Const, not numbers */
	const ChMerge *merge;		/* values of many parameter sets, or NULL */
} BindContext;

/* ---- parameters ------------------------------------------------------------ */

/* Only constants have a value when a plan is just shown. */
static bool
has_value(BindContext *cxt, int number)
{
	ForeignScan *plan = (ForeignScan *) cxt->state->node->ss.ps.plan;

	return !cxt->explain || IsA(list_nth(plan->fdw_exprs, number), Const);
}

static Datum
evaluate(BindContext *cxt, int number, bool *isnull)
{
	ExprContext *econtext = cxt->state->node->ss.ps.ps_ExprContext;

	return ExecEvalExpr(list_nth_node(ExprState, cxt->state->params, number), econtext, isnull);
}

/* Strings and the like must outlive the tuple's context that made them. */
static void
add_datum(ChCond *cond, int *room, Datum d, Oid type)
{
	if (cond->nvalues == *room)
	{
		*room = Max(8, *room * 2);
		cond->values = cond->values ? repalloc_array(cond->values, ChValue, *room) : palloc_array(ChValue, *room);
	}
	if (!ch_content_to_value(d, type, &cond->values[cond->nvalues]))
		elog(ERROR, "type %u has no form for a store", type);
	cond->nvalues++;
}

static void
add_number(ChCond *cond, int *room, int number)
{
	add_datum(cond, room, Int32GetDatum(number + 1), INT4OID);
	cond->values[cond->nvalues - 1].kind = CH_PARAM;
}

static void
add_array(ChCond *cond, int *room, Datum array, Oid elemtype, bool *has_null)
{
	ArrayType  *copy = DatumGetArrayTypePCopy(array);
	int16		len;
	bool		byval;
	char		align;
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(elemtype, &len, &byval, &align);
	/* a varchar[] may come relabelled as text[] */
	deconstruct_array(copy, ARR_ELEMTYPE(copy), len, byval, align, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			*has_null = true;
		else
			add_datum(cond, room, elems[i], elemtype);
	}
}

/* A value, or all those of an array. */
static void
add_value(ChCond *cond, int *room, const ChExpr *expr, bool is_array, Datum d, bool isnull, bool *has_null)
{
	if (isnull)
		*has_null = true;
	else if (is_array)
		add_array(cond, room, d, expr->valtype, has_null);
	else
		add_datum(cond, room, datumCopy(d, get_typbyval(expr->valtype), get_typlen(expr->valtype)), expr->valtype);
}

/* All values of a leaf; has_null tells of those left out. */
static void
collect_values(BindContext *cxt, const ChExpr *expr, ChCond *cond, bool *has_null)
{
	int			room = 0;
	ListCell   *lc,
			   *lc2;

	*has_null = false;
	forboth(lc, expr->values, lc2, expr->is_array)
	{
		int			number;
		Datum		d;
		bool		isnull;

		if (cxt->constants)
		{
			const Const *c = lfirst_node(Const, lc);

			add_value(cond, &room, expr, lfirst_int(lc2), c->constvalue, c->constisnull, has_null);
			continue;
		}
		number = lfirst_int(lc);
		if (cxt->merge && cxt->merge->values[number])
		{
			/* of a comparison, which has no other value */
			cond->values = cxt->merge->values[number];
			cond->nvalues = cxt->merge->counts[number];
			continue;
		}
		if (!has_value(cxt, number))
		{
			add_number(cond, &room, number);
			continue;
		}
		d = evaluate(cxt, number, &isnull);
		add_value(cond, &room, expr, lfirst_int(lc2), d, isnull, has_null);
	}
}

/* ---- lists without duplicates ------------------------------------------------ */

/*
 * Some total order in which equal values are neighbours.  Decimals go by their
 * text, which takes less time: two that are equal but look different (1.0,
 * 1.00) may both stay, which a store does not mind.
 */
static int
compare_values(const void *pa, const void *pb)
{
	const ChValue *a = pa;
	const ChValue *b = pb;

	if (a->kind == CH_DECIMAL)
	{
		const ChValue as_text[] = {ch_string(a->u.s.data, a->u.s.len), ch_string(b->u.s.data, b->u.s.len)};

		return ch_compare_values(&as_text[0], &as_text[1]);
	}
	return ch_compare_values(a, b);
}

static void
remove_duplicates(ChCond *cond)
{
	int			kept = 1;

	if (cond->nvalues < 2 || cond->values[0].kind == CH_PARAM)
		return;
	qsort(cond->values, cond->nvalues, sizeof(ChValue), compare_values);
	for (int i = 1; i < cond->nvalues; i++)
		if (compare_values(&cond->values[kept - 1], &cond->values[i]) != 0)
			cond->values[kept++] = cond->values[i];
	cond->nvalues = kept;
}

/* ---- conditions ---------------------------------------------------------------- */

static ChCond *
bind_leaf(BindContext *cxt, const ChExpr *expr)
{
	ChCond	   *cond = palloc0(sizeof(ChCond));
	bool		has_null;

	cond->kind = expr->kind;
	cond->op = expr->op;
	cond->col = ch_column(cxt->table, expr->attno);
	cond->negated = expr->negated;
	if (expr->kind == CH_COND_CMP_COLUMN)
	{
		cond->other = ch_column(cxt->table, expr->other);
		return cond;
	}
	if (expr->kind == CH_COND_IS_NULL || expr->kind == CH_COND_NOT_NULL)
		return cond;
	collect_values(cxt, expr, cond, &has_null);
	if (cond->kind == CH_COND_NOT_IN)
	{
		if (has_null)
			return &always_false;
		if (cond->nvalues == 0)
			return &always_true;
	}
	else if (cond->nvalues == 0)
		return &always_false;
	if (cond->kind == CH_COND_CMP && cond->nvalues > 1)
		cond->kind = CH_COND_IN;
	if (cxt->merge && cxt->merge->distinct && cond->kind == CH_COND_IN && expr->kind == CH_COND_CMP)
		return cond;
	if (cond->kind == CH_COND_IN || cond->kind == CH_COND_NOT_IN)
		remove_duplicates(cond);
	return cond;
}

static ChCond *bind_expr(BindContext *cxt, const ChExpr *expr);

static ChCond *
bind_bool(BindContext *cxt, const ChExpr *expr)
{
	ChCond	   *cond = palloc0(sizeof(ChCond));
	ChCond	   *decides = expr->kind == CH_COND_AND ? &always_false : &always_true;
	ChCond	   *neutral = expr->kind == CH_COND_AND ? &always_true : &always_false;
	ListCell   *lc;

	cond->kind = expr->kind;
	cond->args = palloc(list_length(expr->args) * sizeof(ChCond *));
	foreach(lc, expr->args)
	{
		ChCond	   *arg = bind_expr(cxt, lfirst(lc));

		if (arg == decides)
			return decides;
		if (arg != neutral)
			cond->args[cond->nargs++] = arg;
	}
	if (cond->nargs == 0)
		return neutral;
	return cond->nargs == 1 ? cond->args[0] : cond;
}

static ChCond *
bind_expr(BindContext *cxt, const ChExpr *expr)
{
	if (expr->kind == CH_COND_AND || expr->kind == CH_COND_OR)
		return bind_bool(cxt, expr);
	return bind_leaf(cxt, expr);
}

ChCond *
ch_bind_constants(const ChTable *table, const ChExpr *expr)
{
	BindContext cxt = {.table = table,.constants = true};
	ChCond	   *cond = bind_expr(&cxt, expr);

	return cond == &always_true ? NULL : cond;
}

/* A LIMIT or OFFSET: value for none or NULL, errors as PostgreSQL's own. */
static int64
bind_count(BindContext *cxt, int number, int64 none, const char *what, int sqlstate)
{
	Datum		d;
	bool		isnull;
	int64		count;

	if (number < 0)
		return none;
	if (!has_value(cxt, number))
		return CH_COUNT_PARAM - number;
	d = evaluate(cxt, number, &isnull);
	count = isnull ? none : DatumGetInt64(d);
	if (!isnull && count < 0)
		ereport(ERROR, (errcode(sqlstate), errmsg("%s must not be negative", what)));
	return count;
}

char *
ch_count_text(int64 count)
{
	return CH_COUNT_IS_PARAM(count) ? psprintf("$%d", CH_COUNT_NUMBER(count)) : psprintf(INT64_FORMAT, count);
}

/* Conditions of joins; false if one proves that no row can be. */
static bool
bind_joins(BindContext *cxt)
{
	ChScan	   *scan = &cxt->state->scan;

	for (int i = 0; i < scan->njoins; i++)
	{
		const ChJoin *join = list_nth(scan->query->joins, i);
		ChCond	   *on = join->on ? bind_expr(cxt, join->on) : &always_true;

		if (on == &always_false && (join->type == JOIN_INNER || join->type == JOIN_SEMI))
			return false;
		scan->joins[i].on = on == &always_true ? NULL : on;
	}
	return true;
}

/* Conditions of aggregates. */
static void
bind_targets(BindContext *cxt)
{
	ChScan	   *scan = &cxt->state->scan;
	ListCell   *lc;

	foreach(lc, scan->query->targets)
	{
		const ChTarget *target = lfirst(lc);
		ChCond	   *filter = target->filter ? bind_expr(cxt, target->filter) : &always_true;

		scan->targets[foreach_current_index(lc)].filter = filter == &always_true ? NULL : filter;
	}
}

/* Conditions of groups; false if there can be none. */
static bool
bind_having(BindContext cxt)
{
	ChScan	   *scan = &cxt.state->scan;
	ChCond	   *having = &always_true;

	cxt.table = scan->groups;
	if (scan->query->having)
		having = bind_expr(&cxt, scan->query->having);
	scan->having = having == &always_true ? NULL : having;
	return having != &always_false;
}

/* What is skipped above the scan is asked for. */
static void
ask_from_top(ChScan *scan)
{
	if (scan->limit == 0)
		return;
	if (scan->limit > 0 && CH_COUNT_IS_PARAM(scan->offset))
		scan->limit = scan->offset;
	else if (scan->limit > 0 && pg_add_s64_overflow(scan->limit, scan->offset, &scan->limit))
		scan->limit = -1;
	scan->offset = 0;
}

static bool
bind_all(BindContext cxt)
{
	ChScanState *state = cxt.state;
	ChScan	   *scan = &state->scan;
	ChCond	   *filter = &always_true;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

	cxt.table = scan->table;
	if (scan->query->filter)
		filter = bind_expr(&cxt, scan->query->filter);
	if (!bind_joins(&cxt) || !bind_having(cxt))
		filter = &always_false;
	bind_targets(&cxt);
	scan->limit = bind_count(&cxt, scan->query->limit, -1, "LIMIT", ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE);
	scan->offset = bind_count(&cxt, scan->query->offset, 0, "OFFSET", ERRCODE_INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE);
	if (scan->query->from_top)
		ask_from_top(scan);
	MemoryContextSwitchTo(old);

	scan->filter = filter == &always_true ? NULL : filter;
	state->bound = filter != &always_false;
	return filter != &always_false && scan->limit != 0;
}

bool
ch_bind(ChScanState *state, bool explain)
{
	return bind_all((BindContext) {.state = state,.explain = explain});
}

bool
ch_bind_merged(ChScanState *state, const ChMerge *merge)
{
	return bind_all((BindContext) {.state = state,.merge = merge});
}

/* In run_cxt, after ch_bind. */
ChBoundAssign *
ch_bind_assigns(ChScanState *state, bool explain)
{
	BindContext cxt = {.state = state,.explain = explain};
	const ChScan *scan = &state->scan;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);
	ChBoundAssign *bound = palloc0((list_length(scan->query->assigns) + 1) * sizeof(ChBoundAssign));
	ListCell   *lc;

	foreach(lc, scan->query->assigns)
	{
		const ChAssign *assign = lfirst(lc);
		ChBoundAssign *b = &bound[foreach_current_index(lc)];
		Datum		d;
		bool		isnull;

		b->kind = assign->kind;
		b->path = assign->path;
		if (assign->kind == CH_ASSIGN_COLUMN)
			b->column = ch_column(scan->table, assign->column);
		else if (!has_value(&cxt, assign->value))
		{
			b->value.kind = CH_PARAM;
			b->value.u.i = assign->value + 1;
		}
		else
		{
			d = evaluate(&cxt, assign->value, &isnull);
			/* anything computed with NULL is NULL */
			if (isnull)
				b->kind = CH_ASSIGN_VALUE;
			if (b->kind == CH_ASSIGN_VALUE)
				ch_value_to_write(ch_column(scan->table, assign->attno), d, isnull, &b->value);
			else
				(void) ch_content_to_value(d, assign->valtype, &b->value);
		}
	}
	MemoryContextSwitchTo(old);
	return bound;
}
