/*
 * explain.c
 *	  What EXPLAIN says of a remote query: its text, what the store does of the
 *	  query and what it does not and why, and what it cost.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "executor/instrument.h"
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
	if (query->having)
		result = lappend(result, "having");
	if (query->ndistinct > 0)
		result = lappend(result, "distinct on");
	if (query->sort && query->ndistinct == 0)
		result = lappend(result, "sort");
	if (query->limit >= 0)
		result = lappend(result, "limit");
	if (query->offset >= 0 && !query->from_top)
		result = lappend(result, "offset");
	return result;
}

/*
 * The foreign tables of the scan.  An upper scan has no name of a table of its
 * own in EXPLAIN.
 */
static void
explain_relations(const ChScan *scan, ExplainState *es)
{
	ListCell   *lc;
	List	   *names;

	if (!scan->query->upper && es->format == EXPLAIN_FORMAT_TEXT)
		return;
	names = list_make1(get_rel_name(scan->query->relid));
	foreach(lc, scan->query->joins)
		names = lappend(names, get_rel_name(((ChJoin *) lfirst(lc))->relid));
	if (es->verbose && es->format == EXPLAIN_FORMAT_TEXT)
		ExplainPropertyText("Relations", scan->table->name, es);
	else
		ExplainPropertyList("Relations", names, es);
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

/* What the store does of the query, and what it does not. */
static void
explain_parts(ForeignScanState *node, const ChQuery *query, ExplainState *es)
{
	List	   *pushed = pushed_parts(query);

	if (pushed || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyList("Pushed", pushed, es);
	explain_list("Not Pushed", local_conditions(node, query, es, NIL), es);
}

/* What the scan cost: totals, where PostgreSQL's own numbers are averages of loops. */
static void
explain_cost(const ChScanState *state, ExplainState *es)
{
	const ChScan *scan = &state->scan;
	const Instrumentation *node = state->node->ss.ps.instrument;
	bool		all = es->format != EXPLAIN_FORMAT_TEXT;

	ExplainPropertyInteger("Requests", NULL, scan->requests, es);
	if (state->batched > 0 || all)
		ExplainPropertyInteger("Batched Keys", NULL, state->batched, es);
	ExplainPropertyInteger("Remote Rows", NULL, scan->rows, es);
	/* of one loop PostgreSQL says it */
	if ((node->nfiltered1 > 0 && node->nloops > 1) || all)
		ExplainPropertyInteger("Rows Discarded", NULL, (int64) node->nfiltered1, es);
	if (es->timing)
	{
		ExplainPropertyFloat("First Row Time", "ms", INSTR_TIME_GET_MILLISEC(state->first_row_time), 3, es);
		ExplainPropertyFloat("Remote Time", "ms", INSTR_TIME_GET_MILLISEC(scan->remote_time), 3, es);
	}
	ExplainPropertyInteger("Bytes", NULL, (int64) scan->bytes, es);
}

/* ---- the option of EXPLAIN -------------------------------------------------- */

static const char option_name[] = "cipherhorizon";
static bool option_on = true;	/* only their addresses matter */
static bool option_off;

static void
set_option(ExplainState *es, DefElem *option, ParseState *pstate)
{
	ch_set_explain_state(es, option_name, defGetBoolean(option) ? &option_on : &option_off);
}

void
ch_explain_init(void)
{
	ch_register_explain_option(option_name, set_option);
}

/* What is not said in every EXPLAIN: by the option, else by VERBOSE and ANALYZE. */
static bool
wants_details(ExplainState *es, bool otherwise)
{
	const void *option = ch_get_explain_state(es, option_name);

	return option ? option == &option_on : otherwise;
}

/* ---- the scan ----------------------------------------------------------------- */

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
	explain_relations(scan, es);
	explain_list("Guard", ch_guard_explain(query), es);
	if (wants_details(es, es->verbose))
		ExplainPropertyText("Remote Query", remote_text(state), es);
	if (!wants_details(es, es->verbose || es->analyze))
		return;
	explain_parts(node, query, es);
	if (es->analyze)
		explain_cost(state, es);
}
