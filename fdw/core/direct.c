/*
 * direct.c
 *	  UPDATE and DELETE of all rows that a condition describes, in one request
 *	  and without fetching them.
 *
 * Only if the store checks the whole condition, and what a column is set to
 * is known before or is computed by the store from the row as it then is: so
 * "n = n + 5" loses no other session's change.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/fdwapi.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* Names in the path of a jsonb_set at most: what is sent grows with them. */
#define MOST_NAMES 5

/* ForeignScanState.fdw_state: the scan is asked for nothing but its condition, or a count */
typedef struct DirectState
{
	ChScanState *scan;
	ChWrite    *write;
	bool		done;
} DirectState;

/* ---- planning -------------------------------------------------------------------- */

static ForeignScan *
find_scan(ModifyTable *plan, Index rti, int subplan)
{
	Plan	   *below = outerPlan(plan);

	if (IsA(below, Result) && outerPlan(below) && IsA(outerPlan(below), Append))
		below = outerPlan(below);
	if (IsA(below, Append))
		below = subplan < list_length(((Append *) below)->appendplans)
			? list_nth(((Append *) below)->appendplans, subplan) : NULL;
	return below && IsA(below, ForeignScan) && ((ForeignScan *) below)->scan.scanrelid == rti ? (ForeignScan *) below : NULL;
}

/* Has it a value before any row is seen, the same for each? */
static bool
has_no_value(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, SubPlan) || (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_MULTIEXPR))
		return true;
	return expression_tree_walker(node, has_no_value, unused);
}

static bool
is_value(Node *expr)
{
	return !has_no_value(expr, NULL) && !contain_volatile_functions(expr);
}

static bool
is_column(Node *expr, Index rti, int attno, Oid type)
{
	const Var  *var = (const Var *) expr;

	return IsA(expr, Var) && var->varno == rti && var->varattno == attno && var->vartype == type;
}

/* column + value, value + column or column - value, of numbers; or NULL. */
static Node *
other_operand(Node *expr, Index rti, int attno, ChAssignKind *kind)
{
	OpExpr	   *op = (OpExpr *) expr;
	char	   *name;
	Node	   *args[2];

	if (!IsA(expr, OpExpr) || op->opno >= FirstGenbkiObjectId || list_length(op->args) != 2)
		return NULL;
	name = get_opname(op->opno);
	if (strcmp(name, "+") != 0 && strcmp(name, "-") != 0)
		return NULL;
	*kind = *name == '+' ? CH_ASSIGN_ADD : CH_ASSIGN_SUB;
	args[0] = linitial(op->args);
	args[1] = lsecond(op->args);
	for (int i = 0; i < (*kind == CH_ASSIGN_ADD ? 2 : 1); i++)
	{
		Oid			other = exprType(args[1 - i]);

		if (is_column(args[i], rti, attno, op->opresulttype) &&
			(ch_is_int(other) || ch_is_float(other) || other == NUMERICOID) && is_value(args[1 - i]))
			return args[1 - i];
	}
	return NULL;
}

/* Is it one for jsonb? */
static bool
is_position(const char *name)
{
	char	   *end;

	(void) strtol(name, &end, 10);
	return end > name && *end == '\0';
}

/* The names of a path that needs no array; or NIL. */
static List *
path_of(Node *expr)
{
	const Const *c = (const Const *) expr;
	ArrayType  *array;
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	List	   *path = NIL;

	if (!IsA(expr, Const) || c->constisnull)
		return NIL;
	array = DatumGetArrayTypeP(c->constvalue);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	if (ARR_NDIM(array) != 1 || n > MOST_NAMES)
		return NIL;
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(elems[i]);

		if (name == NULL || is_position(name))
			return NIL;
		path = lappend(path, makeString(pg_server_to_any(name, strlen(name), PG_UTF8)));
	}
	return path;
}

/* The value of jsonb_set(column, path, value, true); or NULL. */
static Node *
new_part(Node *expr, Index rti, int attno, List **path)
{
	FuncExpr   *f = (FuncExpr *) expr;
	const Const *create;

	if (!IsA(expr, FuncExpr) || f->funcid != F_JSONB_SET || !is_column(linitial(f->args), rti, attno, JSONBOID) ||
		!is_value(lthird(f->args)))
		return NULL;
	create = lfourth(f->args);
	if (!IsA(create, Const) || create->constisnull || !DatumGetBool(create->constvalue))
		return NULL;
	*path = path_of(lsecond(f->args));
	return *path ? lthird(f->args) : NULL;
}

static ChAssign *
make_assign(PlannerInfo *root, RelOptInfo *rel, ForeignScan *scan, int attno, Node *expr, const char **reason)
{
	ChTable    *table = ch_rel(rel)->table;
	ChAssign   *assign = ch_make_assign();
	Node	   *other = other_operand(expr, rel->relid, attno, &assign->kind);

	assign->attno = attno;
	if (is_value(expr))
	{
		assign->kind = CH_ASSIGN_VALUE;
		other = expr;
	}
	else if (other == NULL && (other = new_part(expr, rel->relid, attno, &assign->path)) != NULL)
		assign->kind = CH_ASSIGN_JSON_SET;
	if (other)
	{
		assign->value = list_length(scan->fdw_exprs);
		assign->valtype = exprType(other);
		scan->fdw_exprs = lappend(scan->fdw_exprs, other);
		return assign;
	}
	assign->kind = CH_ASSIGN_COLUMN;
	*reason = "the store does not compute what a column is set to";
	assign->column = ch_operand(root, rel, table, expr, reason);
	if (assign->column <= 0)
		return NULL;
	if (ch_column(table, attno)->notnull && !ch_column(table, assign->column)->notnull)
	{
		*reason = "a NOT NULL column is set to one that may be NULL";
		return NULL;
	}
	return assign;
}

static List *
make_assigns(PlannerInfo *root, RelOptInfo *rel, ForeignScan *scan, const char **reason)
{
	List	   *exprs;
	List	   *attnos;
	List	   *assigns = NIL;
	ListCell   *lc,
			   *lc2;

	get_translated_update_targetlist(root, rel->relid, &exprs, &attnos);
	forboth(lc, exprs, lc2, attnos)
	{
		ChAssign   *assign = make_assign(root, rel, scan, lfirst_int(lc2), (Node *) ((TargetEntry *) lfirst(lc))->expr, reason);

		if (assign == NULL)
			return NIL;
		assigns = lappend(assigns, assign);
	}
	return assigns;
}

/* All that the store must do is known: does it? */
static bool
is_direct(PlannerInfo *root, ModifyTable *plan, RelOptInfo *rel, ForeignScan *scan, ChQuery *query, const char **reason)
{
	ChRel	   *ch = ch_rel(rel);
	ChVerb		verb = plan->operation == CMD_UPDATE ? CH_UPDATE : CH_DELETE;
	ListCell   *lc;

	if (ch->table->driver->ship_direct == NULL)
		return ch_refuse(reason, "the store changes single rows only");
	if (scan->scan.plan.qual != NIL)
		return ch_refuse(reason, "a condition is checked here");
	if (plan->returningLists != NIL)
		return ch_refuse(reason, "RETURNING needs the rows");
	if (verb == CH_UPDATE && get_rel_relispartition(ch->table->relid))
		return ch_refuse(reason, "new rows are looked at, whether they belong to the partition");
	if (query->upper || query->limit >= 0)
		return ch_refuse(reason, "the rows are those of a join");
	query->assigns = NIL;
	if (verb == CH_UPDATE && (query->assigns = make_assigns(root, rel, scan, reason)) == NIL)
		return false;
	query->computed = NIL;
	foreach(lc, ch->table->computed)
		query->computed = lappend(query->computed, copyObject(((ChColumn *) lfirst(lc))->func));
	return ch->table->driver->ship_direct(ch->table, query, verb, reason);
}

static bool
plan_direct(PlannerInfo *root, ModifyTable *plan, Index rti, int subplan)
{
	ForeignScan *scan = find_scan(plan, rti, subplan);
	List	   *params;
	ChQuery    *query;
	const char *reason = NULL;

	if ((plan->operation != CMD_UPDATE && plan->operation != CMD_DELETE) || scan == NULL)
		return false;
	query = linitial(scan->fdw_private);
	params = list_copy(scan->fdw_exprs);
	if (!is_direct(root, plan, find_base_rel(root, rti), scan, query, &reason))
	{
		scan->fdw_exprs = params;
		query->assigns = NIL;
		query->remarks = lappend(query->remarks, makeString(psprintf("%s: %s", plan->operation == CMD_UPDATE ? "UPDATE" : "DELETE",
																	 reason ? reason : "rows are changed one by one")));
		return false;
	}
	query->set_processed = plan->canSetTag;
	query->columns = NIL;
	scan->operation = plan->operation;
	scan->resultRelation = rti;
	/* an Append asks it as it asks any other node */
	scan->scan.plan.async_capable = false;
	return true;
}

/* ---- execution ----------------------------------------------------------------------- */

static ChWriteKey
write_key(const ChScanState *state)
{
	const ForeignScan *plan = (const ForeignScan *) state->node->ss.ps.plan;
	ChWriteKey	key = {
		.relid = state->scan.query->relid,.userid = state->scan.userid,.direct = true,
		.verb = plan->operation == CMD_UPDATE ? CH_UPDATE : CH_DELETE
	};
	ListCell   *lc;

	foreach(lc, state->scan.query->assigns)
		key.columns = lappend_int(key.columns, ((ChAssign *) lfirst(lc))->attno);
	return key;
}

static void
begin_direct(ForeignScanState *node, int eflags)
{
	DirectState *direct = palloc0(sizeof(DirectState));
	ChWriteKey	key;

	ch_open_scan(node, eflags);
	direct->scan = node->fdw_state;
	node->fdw_state = direct;
	key = write_key(direct->scan);
	direct->write = (eflags & EXEC_FLAG_EXPLAIN_ONLY) ? ch_make_write(&key, direct->scan->scan.cxt) : ch_get_write(&key);
}

static int64
count_rows(ForeignScanState *node, ChScanState *state)
{
	int64		n = 0;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	ch_send(state);
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		bool		found = ch_read_row(state, node->ss.ss_ScanTupleSlot);

		MemoryContextSwitchTo(old);
		if (!found)
			break;
		n++;
		ResetExprContext(econtext);
		CHECK_FOR_INTERRUPTS();
	}
	ch_stop_scan(state);
	return n;
}

/*
 * Before the commit the store tells no number of rows, and some never do: then
 * the rows are counted for which the condition is true now.
 */
static int64
run(ForeignScanState *node, DirectState *direct)
{
	ChScanState *state = direct->scan;
	ChWrite    *w = direct->write;
	bool		told = w->driver->tells_affected && ch_write_mode(w->table) != CH_WRITE_COMMIT;
	ChBoundAssign *assigns;
	int64	   *affected = told ? MemoryContextAllocZero(w->cxt, sizeof(int64)) : NULL;
	int64		n = 0;

	if (!ch_bind(state, false))
		return 0;
	if (!told)
		n = count_rows(node, state);
	assigns = ch_bind_assigns(state, false);
	w->affected = affected;
	w->driver->encode_direct(w, &state->scan, assigns, ch_begin_record(w));
	(void) ch_end_record(w, affected);
	state->scan.requests++;
	/* behind a savepoint it waits on */
	if (!ch_flush_writes(w) && told)
		return count_rows(node, state);
	return told ? *affected : n;
}

static TupleTableSlot *
iterate_direct(ForeignScanState *node)
{
	DirectState *direct = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	int64		n;

	if (!direct->done)
	{
		direct->done = true;
		n = run(node, direct);
		if (direct->scan->scan.query->set_processed)
			node->ss.ps.state->es_processed += n;
		if (node->ss.ps.instrument)
			node->ss.ps.instrument->tuplecount += n;
	}
	return ExecClearTuple(slot);
}

static void
end_direct(ForeignScanState *node)
{
	DirectState *direct = node->fdw_state;

	if (direct)
		ch_stop_scan(direct->scan);
}

static void
explain_direct(ForeignScanState *node, ExplainState *es)
{
	DirectState *direct = node->fdw_state;
	ChWrite    *w = direct->write;
	ChScan	   *scan = &direct->scan->scan;
	StringInfoData text;

	if (!es->verbose)
		return;
	initStringInfo(&text);
	MemoryContextReset(scan->run_cxt);
	if (!ch_bind(direct->scan, true))
		appendStringInfoString(&text, "none: no row can match");
	else
		w->driver->explain_direct(w, scan, ch_bind_assigns(direct->scan, true), &text);
	ch_explain_write(w, text.data, es);
}

void
ch_set_direct_routines(FdwRoutine *routine)
{
	routine->PlanDirectModify = plan_direct;
	routine->BeginDirectModify = begin_direct;
	routine->IterateDirectModify = iterate_direct;
	routine->EndDirectModify = end_direct;
	routine->ExplainDirectModify = explain_direct;
}
