/*
 * eager.c
 *	  Which scans send their request when the plan starts?
 *
 * A plan over several stores should take the time of the slowest, not the sum.
 * So a scan whose parameters are all known sends at once and reads when its
 * turn comes; what a store sends meanwhile waits in the socket, whose buffer
 * bounds it.
 *
 * Only a scan that will surely be asked for rows, or nearly so, may do that:
 * not the inner side of a loop, nor what is below a condition that may be false
 * at run time or inside a subplan that may never run, nor the later parts of an
 * Append that a LIMIT may end.  And only if the server is known to answer:
 * there is a connection already.  Else a store that is down would fail a
 * statement that might not have asked it.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "fdw/core/pool.h"
#include "nodes/plannodes.h"

/* Does it read all of its input before it returns a row? */
static bool
reads_all(const Plan *plan)
{
	return IsA(plan, Sort) || IsA(plan, Hash) ||
		(IsA(plan, Agg) && ((const Agg *) plan)->aggstrategy != AGG_SORTED);
}

static bool runs(Plan *plan, const Plan *wanted, bool limited);

/* Members of a list: after the first, only if nothing ends it early. */
static bool
one_of_runs(List *plans, const Plan *wanted, bool limited, bool all_start)
{
	ListCell   *lc;

	foreach(lc, plans)
	{
		if (foreach_current_index(lc) > 0 && limited && !all_start)
			return false;
		if (runs(lfirst(lc), wanted, limited))
			return true;
	}
	return false;
}

/* Is wanted below plan, where it is surely started when plan is? */
static bool
runs(Plan *plan, const Plan *wanted, bool limited)
{
	if (plan == NULL)
		return false;
	if (plan == wanted)
		return true;
	check_stack_depth();
	if (reads_all(plan))
		limited = false;
	switch (nodeTag(plan))
	{
		case T_Limit:
			return runs(outerPlan(plan), wanted, true);
		case T_NestLoop:
			return runs(outerPlan(plan), wanted, limited);
		case T_HashJoin:
		case T_MergeJoin:
			return runs(outerPlan(plan), wanted, limited) || runs(innerPlan(plan), wanted, limited);
		case T_Append:
			return one_of_runs(((Append *) plan)->appendplans, wanted, limited, false);
		case T_MergeAppend:
			return one_of_runs(((MergeAppend *) plan)->mergeplans, wanted, limited, true);
		case T_SubqueryScan:
			return runs(((SubqueryScan *) plan)->subplan, wanted, limited);
		case T_CustomScan:
			return one_of_runs(((CustomScan *) plan)->custom_plans, wanted, limited, false);
		case T_Result:
			return ((Result *) plan)->resconstantqual == NULL && runs(outerPlan(plan), wanted, limited);
		default:
			return runs(outerPlan(plan), wanted, limited);
	}
}

/* Does a join look at the rows of its inner side no further than the first that matches? */
static bool
ends_inner(const Plan *plan)
{
	const Join *join = (const Join *) plan;

	return IsA(plan, NestLoop) && (join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI || join->inner_unique);
}

/*
 * The way from plan down to wanted: false if it is not below.  *limited is
 * whether something on it may end early what it reads from.
 */
static bool
find_limit(const PlannedStmt *stmt, Plan *plan, const Plan *wanted, bool *limited)
{
	bool		here = *limited;
	List	   *below;
	ListCell   *lc;

	if (plan == NULL || plan == wanted)
		return plan != NULL;
	check_stack_depth();
	here = IsA(plan, Limit) || (here && !reads_all(plan));
	below = ch_plans_below(plan);
	if (IsA(plan, CteScan))
		below = lappend(below, list_nth(stmt->subplans, ((CteScan *) plan)->ctePlanId - 1));
	foreach(lc, below)
	{
		*limited = here || (lfirst(lc) == innerPlan(plan) && ends_inner(plan));
		if (find_limit(stmt, lfirst(lc), wanted, limited))
			return true;
	}
	return false;
}

/* A subplan is one of EXISTS, perhaps, which ends at the first row. */
bool
ch_may_end_early(const EState *estate, const Plan *node)
{
	const PlannedStmt *stmt = estate->es_plannedstmt;
	bool		limited = false;
	ListCell   *lc;

	if (find_limit(stmt, stmt->planTree, node, &limited))
		return limited;
	foreach(lc, stmt->subplans)
	{
		limited = true;
		if (find_limit(stmt, lfirst(lc), node, &limited))
			break;
	}
	return limited;
}

static bool
server_is_known(const ChScan *scan)
{
	dlist_iter	iter;

	dlist_foreach(iter, ch_connections())
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);

		if (conn->serverid == scan->table->serverid && conn->userid == scan->userid && !conn->stale)
			return true;
	}
	return false;
}

bool
ch_starts_early(const ChScanState *state, int eflags)
{
	EState	   *estate = state->node->ss.ps.state;
	ForeignScan *plan = (ForeignScan *) state->node->ss.ps.plan;

	return ch_enable_eager_start && !(eflags & EXEC_FLAG_EXPLAIN_ONLY) &&
		estate->es_epq_active == NULL && estate->es_plannedstmt != NULL &&
		server_is_known(&state->scan) &&
		ch_remote_transaction(state->scan.table->serverid, state->scan.userid) == NULL &&
		!ch_has_exec_param((Node *) plan->fdw_exprs) &&
		runs(estate->es_plannedstmt->planTree, (Plan *) plan, false);
}
