/*
 * explain.c
 *	  What EXPLAIN says of a remote query: its text, what the store does of the
 *	  query and what it does not and why, and what it cost.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

static char *
remote_text(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	StringInfoData text;

	MemoryContextReset(scan->run_cxt);
	initStringInfo(&text);
	if (!ch_bind(state, true))
		return "none: no row can match";
	scan->driver->explain(scan, &text);
	return text.data;
}

/* Each local condition with the reason why it is here. */
static List *
local_conditions(ForeignScanState *node, const ChQuery *query, ExplainState *es, List *ancestors)
{
	List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
	List	   *result = NIL;
	ListCell   *lc,
			   *lc2;

	forboth(lc, node->ss.ps.plan->qual, lc2, query->not_pushed)
		result = lappend(result, psprintf("%s: %s",
										  deparse_expression(lfirst(lc), context, list_length(es->rtable) > 1, false),
										  strVal(lfirst(lc2))));
	foreach(lc, query->remarks)
		result = lappend(result, strVal(lfirst(lc)));
	return result;
}

static List *
pushed_parts(const ChQuery *query)
{
	List	   *result = NIL;

	if (query->filter)
		result = lappend(result, "filter");
	if (query->joins)
		result = lappend(result, "join");
	if (query->group)
		result = lappend(result, "group");
	if (query->grouped && list_length(query->targets) > list_length(query->group))
		result = lappend(result, "aggregate");
	if (query->ndistinct > 0)
		result = lappend(result, "distinct on");
	if (query->sort && query->ndistinct == 0)
		result = lappend(result, "sort");
	if (query->limit >= 0)
		result = lappend(result, "limit");
	if (query->offset >= 0)
		result = lappend(result, "offset");
	return result;
}

/* An upper scan has no name of a table of its own in EXPLAIN. */
static void
explain_relation(const ChScan *scan, ExplainState *es)
{
	ListCell   *lc;
	StringInfoData names;

	if (!scan->query->upper)
		return;
	initStringInfo(&names);
	appendStringInfoString(&names, get_rel_name(scan->query->relid));
	foreach(lc, scan->query->joins)
		appendStringInfo(&names, ", %s", get_rel_name(((ChJoin *) lfirst(lc))->relid));
	ExplainPropertyText("Relations", es->verbose ? scan->table->name : names.data, es);
}

/* Sentences with commas of their own: a line for each in text, else a list. */
static void
explain_list(const char *label, List *items, ExplainState *es)
{
	ListCell   *lc;

	if (es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList(label, items, es);
	else
		foreach(lc, items)
			ExplainPropertyText(label, lfirst(lc), es);
}

void
ch_explain_scan(ForeignScanState *node, ExplainState *es)
{
	ChScanState *state = node->fdw_state;
	const ChScan *scan = &state->scan;
	const ChQuery *query = scan->query;

	/*
	 * After a LIMIT the last run may still be open, its bytes not counted; what
	 * auto_explain prints comes at the end as well.
	 */
	ch_stop_scan(state);
	explain_relation(scan, es);
	if (es->verbose)
		ExplainPropertyText("Remote Query", remote_text(state), es);
	explain_list("Guard", ch_guard_explain(query), es);
	if (es->verbose || es->analyze)
	{
		List	   *pushed = pushed_parts(query);
		List	   *local = local_conditions(node, query, es, NIL);

		if (pushed || es->format != EXPLAIN_FORMAT_TEXT)
			ExplainPropertyList("Pushed", pushed, es);
		explain_list("Not Pushed", local, es);
	}
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Requests", NULL, scan->requests, es);
	if (state->batched > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Batched Keys", NULL, state->batched, es);
	ExplainPropertyInteger("Remote Rows", NULL, scan->rows, es);
	if (es->timing)
		ExplainPropertyFloat("Remote Time", "ms", INSTR_TIME_GET_MILLISEC(scan->remote_time), 3, es);
	ExplainPropertyInteger("Bytes", NULL, (int64) scan->bytes, es);
}
