/*
 * batch_exec.c
 *	  The key batch: rows read ahead for what is asked anew for each of them.
 *
 * There are two uses.  As the outer side of a nested loop, whose inner side asks
 * a store; and as the node whose select list or condition has correlated
 * sub-selects (SubPlans) that ask one.  PostgreSQL's loop and SubPlans keep
 * their meaning.  This node reads some rows ahead, sets the parameters that they
 * will set for each of them, has every foreign scan that depends on these note
 * what it will be asked for, and has them fetch it all in one request.  Then it
 * hands out the rows, and each rescan of a scan finds its rows already there.
 *
 * Only the plan tells which scans depend on the parameters: before its first row
 * the node looks for the loop whose outer side it is, or for its own SubPlans,
 * and for the scans below.  A scan that an inner loop gives parameters to as
 * well is not for us: those are not known yet.
 *
 * An error is held back until its row's turn, which a LIMIT may never let come.
 * Rows are read, and what they ask is noted and fetched, in subtransactions, which
 * clean up after it.  What the plan below holds must last longer and belongs to
 * the statement's resource owner: so nothing may run ahead that could leave
 * something there (ch_runs_ahead).
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Rows of the first batches, where a LIMIT may end the loop early. */
#define FIRST_BATCH		8
#define SECOND_BATCH	64

/* A PARAM_EXEC parameter, and what it is for a row. */
typedef struct Binding
{
	int			param;
	AttrNumber	attno;			/* of a loop: the column of the row that is handed up */
	ExprState  *expr;			/* of a SubPlan: over the row that is read */
	ParamExecData saved;		/* while a batch is noted */
} Binding;

typedef struct BatchState
{
	CustomScanState css;
	int			flags;			/* CH_BATCH_... */
	bool		prepared;
	bool		holds;			/* errors of rows read ahead wait for their turn */
	List	   *bindings;		/* Binding */
	List	   *prefetches;		/* ChPrefetch; NIL: rows just pass */
	Bitmapset  *inputs;			/* parameters that a batch may evaluate */

	MemoryContext cxt;			/* of the rows */
	MinimalTuple *rows;
	int			nrows;
	int			next;
	int			noted;			/* rows before it had their chance to be fetched for */
	bool		exhausted;		/* the outer side has no more */
	bool		rescanned;
	ErrorData  *held;			/* what it raised after the last row */
	int			size;			/* rows of the next batch */
	int			wanted;			/* rows that are being read */
	int			largest;
	int64		batches;
} BatchState;

/* ---- plans ------------------------------------------------------------------ */

List *
ch_plans_below(Plan *plan)
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
	foreach(lc, ch_plans_below(plan))
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

/* ---- scans below a plan --------------------------------------------------------- */

/* Rows that a scan may return though one of them is wanted. */
#define FEW_ROWS 1

typedef struct Collector
{
	List	   *subplans;
	const Bitmapset *params;
	List	   *scans;
} Collector;

/* Does a plan want all rows of its input, even if not all of its own are wanted? */
static bool
reads_all(const Plan *plan)
{
	return IsA(plan, Sort) || IsA(plan, Hash) || (IsA(plan, Agg) && ((const Agg *) plan)->aggstrategy != AGG_SORTED);
}

static bool
wants_batch(const Collector *c, const ForeignScan *scan, const Bitmapset *blocked, bool partial)
{
	const ChQuery *query;

	if (scan->fdw_private == NIL || !ch_is_query(linitial(scan->fdw_private)))
		return false;
	query = linitial(scan->fdw_private);
	return ch_has_param((Node *) scan->fdw_exprs, c->params) && !ch_has_param((Node *) scan->fdw_exprs, blocked) &&
		(!partial || query->limit >= 0 || scan->scan.plan.plan_rows <= FEW_ROWS);
}

/* blocked: parameters set in between */
static void
collect(Collector *c, Plan *plan, Bitmapset *blocked, bool partial)
{
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
		collect(c, list_nth(c->subplans, init->plan_id - 1), blocked, init->subLinkType == EXISTS_SUBLINK);
	}
	if (IsA(plan, ForeignScan) && wants_batch(c, (ForeignScan *) plan, blocked, partial))
		c->scans = lappend(c->scans, plan);
	partial = IsA(plan, Limit) || (partial && !reads_all(plan));
	if (IsA(plan, NestLoop))
	{
		collect(c, outerPlan(plan), blocked, partial);
		collect(c, innerPlan(plan), bms_union(blocked, parameters_of((NestLoop *) plan)), partial);
		return;
	}
	foreach(lc, ch_plans_below(plan))
		collect(c, lfirst(lc), blocked, partial);
}

List *
ch_batch_scans(List *subplans, Plan *plan, const Bitmapset *params, bool partial)
{
	Collector	c = {subplans, params, NIL};

	collect(&c, plan, NULL, partial);
	return c.scans;
}

/* ---- sub-selects ------------------------------------------------------------------ */

/* Hashed ones and init plans do not ask for each row. */
static bool
is_asked_anew(const SubPlan *subplan)
{
	return !subplan->useHashTable && subplan->parParam != NIL && subplan->subLinkType != MULTIEXPR_SUBLINK &&
		subplan->subLinkType != CTE_SUBLINK && !contain_subplans((Node *) subplan->args);
}

static bool
find_subplans(Node *node, void *found)
{
	/* what an aggregate or a window function has is evaluated by its own node */
	if (node == NULL || IsA(node, Aggref) || IsA(node, WindowFunc))
		return false;
	if (IsA(node, SubPlan) && is_asked_anew((SubPlan *) node))
		*(List **) found = lappend(*(List **) found, node);
	return expression_tree_walker(node, find_subplans, found);
}

List *
ch_batch_subplans(Node *node)
{
	List	   *found = NIL;

	(void) find_subplans(node, &found);
	return found;
}

Bitmapset *
ch_batch_params(const SubPlan *subplan)
{
	Bitmapset  *params = NULL;
	ListCell   *lc;

	foreach(lc, subplan->parParam)
		params = bms_add_member(params, lfirst_int(lc));
	return params;
}

/* ---- what is fetched ahead --------------------------------------------------------- */

static Binding *
add_binding(BatchState *bs, int param)
{
	Binding    *binding = palloc0(sizeof(Binding));

	binding->param = param;
	bs->bindings = lappend(bs->bindings, binding);
	return binding;
}

static void
fetch_ahead(BatchState *bs, Plan *plan, const Bitmapset *params, bool partial)
{
	EState	   *estate = bs->css.ss.ps.state;
	ListCell   *lc;

	foreach(lc, ch_batch_scans(estate->es_plannedstmt->subplans, plan, params, partial))
	{
		ChScanState *scan = ch_find_scan(estate, lfirst(lc));
		ChPrefetch *pf = scan ? ch_prefetch_make(scan, params) : NULL;

		if (pf == NULL)
			continue;
		bs->prefetches = lappend(bs->prefetches, pf);
		bs->inputs = bms_add_members(bs->inputs, ((const Plan *) lfirst(lc))->allParam);
		bs->holds = bs->holds && ch_runs_ahead(NULL, (Node *) ((ForeignScan *) lfirst(lc))->fdw_exprs);
	}
}

static void
prepare_loop(BatchState *bs)
{
	NestLoop   *loop = find_loop_of(bs->css.ss.ps.state, bs->css.ss.ps.plan);
	ListCell   *lc;

	/* a projection runs once more for each row */
	if (loop == NULL || contain_volatile_functions((Node *) bs->css.ss.ps.plan->targetlist))
		return;
	foreach(lc, loop->nestParams)
	{
		const NestLoopParam *param = lfirst(lc);

		add_binding(bs, param->paramno)->attno = param->paramval->varattno;
	}
	fetch_ahead(bs, innerPlan(loop), parameters_of(loop), false);
}

static void
prepare_subplan(BatchState *bs, const SubPlan *subplan)
{
	Plan	   *plan = list_nth(bs->css.ss.ps.state->es_plannedstmt->subplans, subplan->plan_id - 1);
	ListCell   *lc,
			   *lc2;

	forboth(lc, subplan->parParam, lc2, subplan->args)
		add_binding(bs, lfirst_int(lc))->expr = ExecInitExpr(lfirst(lc2), &bs->css.ss.ps);
	fetch_ahead(bs, plan, ch_batch_params(subplan), subplan->subLinkType == EXISTS_SUBLINK);
}

static int
count_readers(Plan *plan, int cte)
{
	int			n;
	ListCell   *lc;

	if (plan == NULL)
		return 0;
	check_stack_depth();
	n = IsA(plan, CteScan) && ((const CteScan *) plan)->ctePlanId == cte;
	foreach(lc, ch_plans_below(plan))
		n += count_readers(lfirst(lc), cte);
	return n;
}

/* A CTE with more than one reader: the others would go on after the row that raised. */
static bool
has_shared_cte(PlanState *ps, void *unused)
{
	if (IsA(ps, CteScanState))
	{
		const PlannedStmt *stmt = ps->state->es_plannedstmt;
		int			cte = ((const CteScan *) ps->plan)->ctePlanId;
		int			n = count_readers(stmt->planTree, cte);
		ListCell   *lc;

		foreach(lc, stmt->subplans)
			n += count_readers(lfirst(lc), cte);
		if (n > 1)
			return true;
	}
	return planstate_tree_walker(ps, has_shared_cte, unused);
}

static int
first_size(const BatchState *bs)
{
	return bs->flags & CH_BATCH_GREEDY ? bs->largest : Min(FIRST_BATCH, bs->largest);
}

static void
prepare(BatchState *bs)
{
	EState	   *estate = bs->css.ss.ps.state;
	Plan	   *plan = bs->css.ss.ps.plan;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	ListCell   *lc;

	bs->prepared = true;
	bs->inputs = bms_copy(plan->allParam);
	/* parallel mode has no subtransactions, an error ends a store's transaction, and others may read a CTE */
	bs->holds = (bs->flags & CH_BATCH_HOLDS) && !IsInParallelMode() && !ch_in_remote_transaction() &&
		!has_shared_cte(linitial(bs->css.custom_ps), NULL);
	if (estate->es_epq_active == NULL && ch_enable_batch_join)
	{
		if (bs->flags & CH_BATCH_SUBPLANS)
			foreach(lc, list_concat(ch_batch_subplans((Node *) plan->targetlist), ch_batch_subplans((Node *) plan->qual)))
				prepare_subplan(bs, lfirst(lc));
		else
			prepare_loop(bs);
	}
	/* if all rows are wanted, an error that comes too early comes all the same */
	if (!bs->holds && !(bs->flags & CH_BATCH_GREEDY))
		bs->prefetches = NIL;
	bs->largest = bs->prefetches ? ch_batch_join_size : 1;
	bs->size = first_size(bs);
	MemoryContextSwitchTo(old);
}

/* ---- errors that wait ----------------------------------------------------------- */

/* Does it tell of a row, and not of the session or a store that is away? */
static bool
tells_of_row(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
			return true;
		case ERRCODE_FDW_ERROR:
			return sqlstate != ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION && sqlstate != ERRCODE_FDW_OUT_OF_MEMORY;
		default:
			return false;
	}
}

/*
 * Do a part of the work for a batch; what it raises about a row is returned, and
 * undone.  lasting: what it opens stays open.
 */
static ErrorData *
hold_errors(BatchState *bs, void (*work) (BatchState *bs, void *arg), void *arg, bool lasting)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	if (!bs->holds)
	{
		work(bs, arg);
		return NULL;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	if (lasting)
		CurrentResourceOwner = owner;
	PG_TRY();
	{
		work(bs, arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(bs->css.ss.ps.state->es_query_cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	if (error && !tells_of_row(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* Forget an error; was there one? */
static bool
forget_error(ErrorData *error)
{
	if (error)
		FreeErrorData(error);
	return error != NULL;
}

/*
 * An init plan that raises must do so where it is wanted: it is not asked again,
 * and what it has got so far would be taken for its value.
 */
static bool
awaits_init_plan(const BatchState *bs)
{
	const ParamExecData *params = bs->css.ss.ps.state->es_param_exec_vals;
	int			param = -1;

	if (bs->holds)
		while ((param = bms_next_member(bs->inputs, param)) >= 0)
			if (params[param].execPlan != NULL)
				return true;
	return false;
}

/* A plan that raised is not asked for rows again: end what was going on in its nodes. */
static bool
break_off(PlanState *ps, void *unused)
{
	ChScanState *scan = ch_find_scan(ps->state, ps->plan);

	if (scan)
		ch_scan_abandon(&scan->scan);
	if (ps->instrument && !INSTR_TIME_IS_ZERO(ps->instrument->starttime))
		InstrStopNode(ps->instrument, 0);
	/* it is below another node */
	if (IsA(ps, CteScanState))
		(void) break_off(((CteScanState *) ps)->cteplanstate, unused);
	return planstate_tree_walker(ps, break_off, unused);
}

/* ---- a batch ------------------------------------------------------------------- */

static void
forget_rows(BatchState *bs)
{
	MemoryContextReset(bs->cxt);
	bs->rows = NULL;
	bs->nrows = bs->next = bs->noted = 0;
}

static void
read_rows(BatchState *bs, void *unused)
{
	PlanState  *child = linitial(bs->css.custom_ps);
	MemoryContext old;

	while (bs->nrows < bs->wanted)
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

static void
read_ahead(BatchState *bs)
{
	bs->wanted = awaits_init_plan(bs) ? 1 : bs->size;
	bs->rows = MemoryContextAlloc(bs->cxt, bs->wanted * sizeof(MinimalTuple));
	if (bs->wanted == 1)
	{
		read_rows(bs, NULL);
		return;
	}
	bs->held = hold_errors(bs, read_rows, NULL, true);
	if (bs->held)
		(void) break_off(linitial(bs->css.custom_ps), NULL);
}

/* Set the parameters as they will be for this row. */
static void
bind(BatchState *bs, TupleTableSlot *slot)
{
	ExprContext *econtext = bs->css.ss.ps.ps_ExprContext;
	ListCell   *lc;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = slot;
	/* SubPlans see the row that is read, a loop what the node makes of it */
	if (!(bs->flags & CH_BATCH_SUBPLANS) && bs->css.ss.ps.ps_ProjInfo)
		slot = ExecProject(bs->css.ss.ps.ps_ProjInfo);
	foreach(lc, bs->bindings)
	{
		const Binding *binding = lfirst(lc);
		ParamExecData *value = &bs->css.ss.ps.state->es_param_exec_vals[binding->param];

		if (binding->expr)
			value->value = ExecEvalExprSwitchContext(binding->expr, econtext, &value->isnull);
		else
			value->value = slot_getattr(slot, binding->attno, &value->isnull);
	}
}

/* Too many rows for memory: ask for fewer from now on. */
static void
shrink(BatchState *bs)
{
	bs->largest = Max(1, Min(bs->size, bs->nrows - bs->next) / 8);
	bs->size = bs->largest;
}

static void
grow(BatchState *bs)
{
	bs->size = bs->size < SECOND_BATCH ? Min(SECOND_BATCH, bs->largest) : bs->largest;
}

/* Rows of the batch, and the prefetches that note what is asked for them. */
typedef struct Noting
{
	int			next;
	int			end;
	List	   *prefetches;
} Noting;

static void
note_some(BatchState *bs, void *arg)
{
	Noting	   *noting = arg;
	TupleTableSlot *slot = bs->css.ss.ss_ScanTupleSlot;
	ListCell   *lc;

	for (; noting->next < noting->end; noting->next++)
	{
		ExecForceStoreMinimalTuple(bs->rows[noting->next], slot, false);
		bind(bs, slot);
		foreach(lc, noting->prefetches)
			ch_prefetch_add(lfirst(lc));
	}
}

/* Note what the next rows ask, as many as are to share a request; a row that raises asks for itself. */
static void
note_rows(BatchState *bs, List *prefetches)
{
	ParamExecData *params = bs->css.ss.ps.state->es_param_exec_vals;
	Noting		noting = {bs->next, Min(bs->nrows, bs->next + bs->size), prefetches};
	ListCell   *lc;

	foreach(lc, bs->bindings)
		((Binding *) lfirst(lc))->saved = params[((Binding *) lfirst(lc))->param];
	while (forget_error(hold_errors(bs, note_some, &noting, true)))
		noting.next++;
	foreach(lc, bs->bindings)
		params[((Binding *) lfirst(lc))->param] = ((Binding *) lfirst(lc))->saved;
	bs->noted = noting.end;
}

typedef struct Fetch
{
	ChPrefetch *pf;
	bool		fits;
} Fetch;

static void
fetch(BatchState *bs, void *arg)
{
	Fetch	   *f = arg;

	f->fits = ch_prefetch_fetch(f->pf);
}

static bool
try_fetch(BatchState *bs, ChPrefetch *pf)
{
	Fetch		f = {pf, true};

	if (forget_error(hold_errors(bs, fetch, &f, false)))
		ch_prefetch_fail(pf);
	return f.fits;
}

/* Rows of earlier batches may have to go for those of this one. */
static bool
fetch_for(BatchState *bs, ChPrefetch *pf)
{
	bool		had = ch_prefetch_has(pf);

	if (try_fetch(bs, pf))
		return true;
	if (!had)
		return false;
	note_rows(bs, list_make1(pf));
	return try_fetch(bs, pf);
}

/* Fetch for the next rows, for fewer if memory does not hold what they ask. */
static void
fetch_batch(BatchState *bs)
{
	bool		fits = true;
	ListCell   *lc;

	do
	{
		if (!fits)
			shrink(bs);
		/* for one row the scan's own request is as good, if it does not come again */
		if (bs->size == 1 || (bs->nrows - bs->next == 1 && !bs->rescanned) || awaits_init_plan(bs))
		{
			bs->noted = bs->next + 1;
			return;
		}
		note_rows(bs, bs->prefetches);
		fits = true;
		foreach(lc, bs->prefetches)
			fits = fetch_for(bs, lfirst(lc)) && fits;
	} while (!fits && bs->size > 1);
	grow(bs);
}

/* ---- the node --------------------------------------------------------------------- */

static void
begin_batch(CustomScanState *node, EState *estate, int eflags)
{
	BatchState *bs = (BatchState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	bs->flags = intVal(linitial(plan->custom_private));
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
	if (bs->next == bs->nrows && !bs->exhausted && bs->held == NULL)
	{
		forget_rows(bs);
		read_ahead(bs);
		bs->batches += bs->nrows > 1;
	}
	if (bs->next == bs->noted && bs->noted < bs->nrows && bs->prefetches)
	{
		fetch_batch(bs);
		ExecClearTuple(slot);
	}
	if (bs->next == bs->nrows && bs->held)
		ReThrowError(bs->held);
	if (bs->next == bs->nrows)
		return slot;
	ExecForceStoreMinimalTuple(bs->rows[bs->next++], slot, false);
	return slot;
}

static TupleTableSlot *
exec_batch(CustomScanState *node)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	for (;;)
	{
		TupleTableSlot *slot = next_tuple(node);

		if (TupIsNull(slot))
			return node->ss.ps.ps_ProjInfo ? ExecClearTuple(node->ss.ps.ps_ResultTupleSlot) : slot;
		ResetExprContext(econtext);
		econtext->ecxt_scantuple = slot;
		if (ExecQual(node->ss.ps.qual, econtext))
			return node->ss.ps.ps_ProjInfo ? ExecProject(node->ss.ps.ps_ProjInfo) : slot;
		InstrCountFiltered1(node, 1);
	}
}

static void
end_batch(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

static bool
keeps_rows(PlanState *ps, void *unused)
{
	return IsA(ps, CteScanState) || IsA(ps, MaterialState) || IsA(ps, MemoizeState) || IsA(ps, SortState) || IsA(ps, IncrementalSortState) ||
		IsA(ps, HashState) || IsA(ps, AggState) || IsA(ps, SetOpState) || IsA(ps, WindowAggState) ||
		planstate_tree_walker(ps, keeps_rows, unused);
}

static void
rescan_batch(CustomScanState *node)
{
	BatchState *bs = (BatchState *) node;
	PlanState  *child = linitial(node->custom_ps);

	/* a node that has read half of its rows does not always begin again */
	if (bs->held && keeps_rows(child, NULL))
		ReThrowError(bs->held);
	/* what was fetched stays: it is found by all that it depends on */
	forget_rows(bs);
	bs->exhausted = false;
	bs->rescanned = true;
	(void) forget_error(bs->held);
	bs->held = NULL;
	if (bs->prepared)
		bs->size = first_size(bs);
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

/* ---- the plan ---------------------------------------------------------------------- */

/* The conditions with sub-selects, which a scan would check; it loses them. */
static List *
take_subplan_quals(Plan *child)
{
	ChQuery    *query = IsA(child, ForeignScan) ? linitial(((ForeignScan *) child)->fdw_private) : NULL;
	List	   *taken = NIL;
	List	   *kept = NIL;
	List	   *reasons = NIL;
	ListCell   *lc;

	foreach(lc, child->qual)
	{
		if (contain_subplans(lfirst(lc)))
			taken = lappend(taken, lfirst(lc));
		else
		{
			kept = lappend(kept, lfirst(lc));
			if (query)
				reasons = lappend(reasons, list_nth(query->not_pushed, foreach_current_index(lc)));
		}
	}
	child->qual = kept;
	if (query)
		query->not_pushed = reasons;
	return taken;
}

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
	if (intVal(linitial(path->custom_private)) & CH_BATCH_FILTER)
		scan->scan.plan.qual = take_subplan_quals(child);
	return &scan->scan.plan;
}

void
ch_batch_register(void)
{
	RegisterCustomScanMethods(&scan_methods);
}
