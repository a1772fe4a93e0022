/*
 * batch_exec.c
 *	  The key batch: the outer side of a nested loop, read ahead.
 *
 * PostgreSQL's nested loop keeps its meaning.  This node stands between it and
 * its outer side: it reads some outer rows ahead, sets the loop's parameters
 * for each of them, has every foreign scan of the inner side note what it will
 * be asked for, and has them fetch it all in one request.  Then it hands out
 * the rows, and each rescan of a scan finds its rows already there.
 *
 * The loop sets PARAM_EXEC parameters, and only the plan tells which node
 * depends on them: on its first row the node looks for the loop whose outer
 * side it is, and for the scans below its inner side.  A scan that another
 * inner loop gives parameters to is not for us: those are not known yet.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

/* Rows of the first batches, where a LIMIT may end the loop early. */
#define FIRST_BATCH		8
#define SECOND_BATCH	64

typedef struct BatchState
{
	CustomScanState css;
	bool		greedy;			/* all rows are wanted: begin with the largest batch */
	bool		prepared;
	NestLoop   *loop;			/* NULL: rows just pass */
	List	   *prefetches;		/* ChPrefetch */

	MemoryContext cxt;			/* of the rows */
	MinimalTuple *rows;
	int			nrows;
	int			next;
	bool		exhausted;		/* the outer side has no more */
	int			size;			/* rows of the next batch */
	int			largest;
	int64		batches;
} BatchState;

/* ---- the plan --------------------------------------------------------------- */

/* Plans below a node, with those that a list of its own holds. */
static List *
plans_below(Plan *plan)
{
	List	   *below = NIL;

	switch (nodeTag(plan))
	{
		case T_Append:
			below = list_copy(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			below = list_copy(((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			below = list_make1(((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			below = list_copy(((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
	if (outerPlan(plan))
		below = lappend(below, outerPlan(plan));
	if (innerPlan(plan))
		below = lappend(below, innerPlan(plan));
	return below;
}

/* The loop whose outer side is the node, below plan; or NULL. */
static NestLoop *
find_loop(Plan *plan, const Plan *node)
{
	ListCell   *lc;

	if (plan == NULL)
		return NULL;
	check_stack_depth();
	if (IsA(plan, NestLoop))
	{
		Plan	   *outer = outerPlan(plan);

		/* a condition without columns is checked by a Result in between */
		while (outer != NULL && outer != node && IsA(outer, Result))
			outer = outerPlan(outer);
		if (outer == node)
			return (NestLoop *) plan;
	}
	foreach(lc, plans_below(plan))
	{
		NestLoop   *loop = find_loop(lfirst(lc), node);

		if (loop)
			return loop;
	}
	return NULL;
}

static NestLoop *
find_loop_of(const EState *estate, const Plan *node)
{
	NestLoop   *loop = find_loop(estate->es_plannedstmt->planTree, node);
	ListCell   *lc;

	foreach(lc, estate->es_plannedstmt->subplans)
		if (loop == NULL)
			loop = find_loop(lfirst(lc), node);
	return loop;
}

static Bitmapset *
parameters_of(const NestLoop *loop)
{
	Bitmapset  *params = NULL;
	ListCell   *lc;

	foreach(lc, loop->nestParams)
		params = bms_add_member(params, ((NestLoopParam *) lfirst(lc))->paramno);
	return params;
}

/* Have the scans below plan fetched ahead; blocked: parameters set in between. */
static void
collect(BatchState *bs, Plan *plan, const Bitmapset *params, Bitmapset *blocked)
{
	EState	   *estate = bs->css.ss.ps.state;
	ChScanState *scan;
	ListCell   *lc;

	if (plan == NULL)
		return;
	check_stack_depth();
	foreach(lc, plan->initPlan)
	{
		const SubPlan *init = lfirst(lc);
		ListCell   *lc2;

		foreach(lc2, init->setParam)
			blocked = bms_add_member(bms_copy(blocked), lfirst_int(lc2));
		collect(bs, list_nth(estate->es_plannedstmt->subplans, init->plan_id - 1), params, blocked);
	}
	if (IsA(plan, ForeignScan) && (scan = ch_find_scan(estate, plan)) != NULL && scan->prefetch == NULL &&
		!ch_has_param((Node *) ((ForeignScan *) plan)->fdw_exprs, blocked))
	{
		scan->prefetch = ch_prefetch_make(scan, params);
		if (scan->prefetch)
			bs->prefetches = lappend(bs->prefetches, scan->prefetch);
	}
	if (IsA(plan, NestLoop))
	{
		collect(bs, outerPlan(plan), params, blocked);
		collect(bs, innerPlan(plan), params, bms_union(blocked, parameters_of((NestLoop *) plan)));
		return;
	}
	foreach(lc, plans_below(plan))
		collect(bs, lfirst(lc), params, blocked);
}

static void
prepare(BatchState *bs)
{
	EState	   *estate = bs->css.ss.ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	bs->prepared = true;
	/* a projection runs once more for each row */
	if (estate->es_epq_active == NULL && ch_enable_batch_join &&
		!contain_volatile_functions((Node *) bs->css.ss.ps.plan->targetlist))
		bs->loop = find_loop_of(estate, bs->css.ss.ps.plan);
	if (bs->loop)
		collect(bs, innerPlan(bs->loop), parameters_of(bs->loop), NULL);
	bs->largest = bs->prefetches ? ch_batch_join_size : 1;
	bs->size = bs->greedy ? bs->largest : Min(FIRST_BATCH, bs->largest);
	MemoryContextSwitchTo(old);
}

/* ---- a batch ------------------------------------------------------------------- */

static void
forget_rows(BatchState *bs)
{
	MemoryContextReset(bs->cxt);
	bs->rows = NULL;
	bs->nrows = bs->next = 0;
}

static void
read_ahead(BatchState *bs)
{
	PlanState  *child = linitial(bs->css.custom_ps);
	MemoryContext old;

	bs->rows = MemoryContextAlloc(bs->cxt, bs->size * sizeof(MinimalTuple));
	while (bs->nrows < bs->size)
	{
		TupleTableSlot *slot = ExecProcNode(child);

		if (TupIsNull(slot))
		{
			bs->exhausted = true;
			return;
		}
		old = MemoryContextSwitchTo(bs->cxt);
		bs->rows[bs->nrows++] = ExecCopySlotMinimalTuple(slot);
		MemoryContextSwitchTo(old);
	}
}

/* Set the loop's parameters as it will for this row, and note what is asked then. */
static void
note_sets(BatchState *bs, TupleTableSlot *slot)
{
	EState	   *estate = bs->css.ss.ps.state;
	ProjectionInfo *projection = bs->css.ss.ps.ps_ProjInfo;
	ListCell   *lc;

	if (projection)
	{
		bs->css.ss.ps.ps_ExprContext->ecxt_scantuple = slot;
		slot = ExecProject(projection);
	}
	foreach(lc, bs->loop->nestParams)
	{
		const NestLoopParam *param = lfirst(lc);
		ParamExecData *value = &estate->es_param_exec_vals[param->paramno];

		value->value = slot_getattr(slot, param->paramval->varattno, &value->isnull);
	}
	foreach(lc, bs->prefetches)
		ch_prefetch_add(lfirst(lc));
}

/* Too many rows for memory: ask for fewer from now on. */
static void
shrink(BatchState *bs)
{
	bs->largest = Max(1, bs->size / 8);
	bs->size = bs->largest;
}

static void
grow(BatchState *bs)
{
	bs->size = bs->size < SECOND_BATCH ? Min(SECOND_BATCH, bs->largest) : bs->largest;
}

/* Let the scans note what the rows of this batch ask. */
static void
note_rows(BatchState *bs)
{
	EState	   *estate = bs->css.ss.ps.state;
	TupleTableSlot *slot = bs->css.ss.ss_ScanTupleSlot;
	ParamExecData *saved = palloc(Max(list_length(bs->loop->nestParams), 1) * sizeof(ParamExecData));
	ListCell   *lc;

	foreach(lc, bs->loop->nestParams)
		saved[foreach_current_index(lc)] = estate->es_param_exec_vals[((NestLoopParam *) lfirst(lc))->paramno];
	for (int i = 0; i < bs->nrows; i++)
	{
		ExecForceStoreMinimalTuple(bs->rows[i], slot, false);
		note_sets(bs, slot);
	}
	foreach(lc, bs->loop->nestParams)
		estate->es_param_exec_vals[((NestLoopParam *) lfirst(lc))->paramno] = saved[foreach_current_index(lc)];
	pfree(saved);
}

/* Rows of earlier batches may have to go for those of this one. */
static bool
fetch_for(BatchState *bs, ChPrefetch *pf)
{
	bool		had = ch_prefetch_has(pf);

	if (ch_prefetch_fetch(pf))
		return true;
	if (!had)
		return false;
	note_rows(bs);
	return ch_prefetch_fetch(pf);
}

static void
fetch_batch(BatchState *bs)
{
	bool		fits = true;
	ListCell   *lc;

	note_rows(bs);
	foreach(lc, bs->prefetches)
		fits = fetch_for(bs, lfirst(lc)) && fits;
	bs->batches++;
	if (fits)
		grow(bs);
	else
		shrink(bs);
}

/* ---- the node --------------------------------------------------------------------- */

static void
begin_batch(CustomScanState *node, EState *estate, int eflags)
{
	BatchState *bs = (BatchState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	bs->greedy = intVal(linitial(plan->custom_private)) != 0;
	bs->cxt = AllocSetContextCreate(estate->es_query_cxt, "CipherHorizon key batch", ALLOCSET_DEFAULT_SIZES);
	node->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate,
											  eflags & ~(EXEC_FLAG_REWIND | EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK)));
}

static TupleTableSlot *
next_tuple(CustomScanState *node)
{
	BatchState *bs = (BatchState *) node;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	if (!bs->prepared)
		prepare(bs);
	ExecClearTuple(slot);
	if (bs->next == bs->nrows)
	{
		if (bs->exhausted)
			return slot;
		forget_rows(bs);
		read_ahead(bs);
		/* for one row the scan's own request is as good */
		if (bs->nrows > 1 && bs->prefetches)
			fetch_batch(bs);
		if (bs->nrows == 0)
			return ExecClearTuple(slot);
	}
	ExecForceStoreMinimalTuple(bs->rows[bs->next++], slot, false);
	return slot;
}

static TupleTableSlot *
exec_batch(CustomScanState *node)
{
	TupleTableSlot *slot = next_tuple(node);

	if (TupIsNull(slot) || node->ss.ps.ps_ProjInfo == NULL)
		return slot;
	ResetExprContext(node->ss.ps.ps_ExprContext);
	node->ss.ps.ps_ExprContext->ecxt_scantuple = slot;
	return ExecProject(node->ss.ps.ps_ProjInfo);
}

static void
end_batch(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

static void
rescan_batch(CustomScanState *node)
{
	BatchState *bs = (BatchState *) node;
	PlanState  *child = linitial(node->custom_ps);
	ListCell   *lc;

	/* another loop around this one may have changed what the scans ask */
	forget_rows(bs);
	foreach(lc, bs->prefetches)
		ch_prefetch_forget(lfirst(lc));
	bs->exhausted = false;
	if (bs->prepared)
		bs->size = bs->greedy ? bs->largest : Min(FIRST_BATCH, bs->largest);
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(child, node->ss.ps.chgParam);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

static void
explain_batch(CustomScanState *node, List *ancestors, ExplainState *es)
{
	if (es->analyze)
		ExplainPropertyInteger("Batches", NULL, ((BatchState *) node)->batches, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "CipherHorizon Key Batch",
	.BeginCustomScan = begin_batch,
	.ExecCustomScan = exec_batch,
	.EndCustomScan = end_batch,
	.ReScanCustomScan = rescan_batch,
	.ExplainCustomScan = explain_batch,
};

static Node *
create_state(CustomScan *plan)
{
	BatchState *bs = (BatchState *) newNode(sizeof(BatchState), T_CustomScanState);

	bs->css.methods = &exec_methods;
	return (Node *) bs;
}

static const CustomScanMethods scan_methods = {
	.CustomName = "CipherHorizon Key Batch",
	.CreateCustomScanState = create_state,
};

Plan *
ch_batch_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *plans)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *child = linitial(plans);

	scan->methods = &scan_methods;
	scan->flags = path->flags;
	scan->custom_plans = plans;
	scan->custom_private = path->custom_private;
	/* copied: the child's own list is rewritten when references are resolved */
	scan->custom_scan_tlist = copyObject(child->targetlist);
	scan->scan.plan.targetlist = tlist;
	return &scan->scan.plan;
}

void
ch_batch_register(void)
{
	RegisterCustomScanMethods(&scan_methods);
}
