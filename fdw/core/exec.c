/*
 * exec.c
 *	  Running a remote query: begin, rows, rescan, end.
 *
 * A run goes from ch_bind and driver->send to driver->close; a rescan ends one
 * run and the next row starts another.  What an error leaves behind is found
 * by a callback of the run's memory context: it closes the driver's side and
 * drops the connection, whose answer nobody will read.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* ---- runs ------------------------------------------------------------------ */

/* CONTEXT line of whatever is raised while the driver works. */
static void
remote_query_context(void *arg)
{
	ChScan	   *scan = arg;
	StringInfoData text;

	if (!((ChScanState *) scan)->bound)
		return;
	initStringInfo(&text);
	scan->driver->explain(scan, &text);
	if (text.len > 1000)
	{
		text.len = pg_mbcliplen(text.data, text.len, 1000);
		text.data[text.len] = '\0';
		appendStringInfoString(&text, "...");
	}
	errcontext("remote query: %s", text.data);
}

void
ch_scan_abandon(ChScan *scan)
{
	ChScanState *state = (ChScanState *) scan;
	ChConn	   *conn = scan->conn;

	if (!state->running)
		return;
	state->running = false;
	(void) scan->driver->close(scan, true);
	scan->state = NULL;
	scan->conn = NULL;
	if (conn)
		ch_conn_drop(conn);
}

static void
run_context_gone(void *arg)
{
	ch_scan_abandon(arg);
}

/*
 * The callback is the run's context's own: one of the scan's context would be
 * called when its child, with the driver's state in it, is already freed.
 */
static void
watch_run(ChScan *scan)
{
	MemoryContextCallback *gone = MemoryContextAllocZero(scan->run_cxt, sizeof(MemoryContextCallback));

	gone->func = run_context_gone;
	gone->arg = scan;
	MemoryContextRegisterResetCallback(scan->run_cxt, gone);
}

void
ch_stop_scan(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	ChConn	   *conn = scan->conn;
	bool		reusable;

	if (!state->running)
		return;
	state->running = false;
	reusable = scan->driver->close(scan, false);
	scan->state = NULL;
	scan->conn = NULL;
	if (conn && reusable)
		ch_conn_release(conn);
	else if (conn)
		ch_conn_drop(conn);
	/* a cancel may have cut the driver's good-bye short */
	CHECK_FOR_INTERRUPTS();
}

/* Evaluate the parameters, and ask unless they prove that no row matches. */
static void
start_run(ChScanState *state)
{
	ChScan	   *scan = &state->scan;

	state->bound = false;
	MemoryContextReset(scan->run_cxt);
	if (!ch_bind(state, false))
	{
		state->done = true;
		return;
	}
	watch_run(scan);
	scan->conn = ch_conn_acquire(scan->table->serverid, scan->userid);
	scan->conn->owner = scan;
	state->running = true;
	{
		MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

		scan->driver->send(scan);
		MemoryContextSwitchTo(old);
	}
}

/* ---- rows -------------------------------------------------------------------- */

void
ch_set_column(ChScan *scan, int i, const ChValue *v, Datum *values, bool *nulls)
{
	int			target = ((ChScanState *) scan)->target[i];

	nulls[target] = !ch_value_to_datum(scan->columns[i], v, &values[target]);
}

/* A domain may forbid NULL, which no conversion has seen. */
static void
check_null_domains(ChScanState *state, TupleTableSlot *slot)
{
	for (int i = 0; i < state->scan.ncolumns && state->domains; i++)
	{
		ChColumn   *col = state->scan.columns[i];

		if (col->domain && slot->tts_isnull[state->target[i]])
			domain_check((Datum) 0, true, col->typid, &col->domain_extra, GetMemoryChunkContext(col));
	}
}

static bool
next_row(ChScanState *state, TupleTableSlot *slot)
{
	ChScan	   *scan = &state->scan;

	if (!state->running)
		start_run(state);
	if (state->done)
		return false;
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	if (scan->driver->next(scan, slot->tts_values, slot->tts_isnull))
	{
		scan->rows++;
		check_null_domains(state, slot);
		return true;
	}
	state->done = true;
	ch_stop_scan(state);
	return false;
}

TupleTableSlot *
ch_iterate_scan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	ErrorContextCallback context;
	instr_time	start,
				end;
	bool		found = false;

	ExecClearTuple(slot);
	if (state->done)
		return slot;
	context.callback = remote_query_context;
	context.arg = &state->scan;
	context.previous = error_context_stack;
	error_context_stack = &context;
	if (state->timed)
	{
		INSTR_TIME_SET_CURRENT(start);
		found = next_row(state, slot);
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_ACCUM_DIFF(state->scan.remote_time, end, start);
	}
	else
		found = next_row(state, slot);
	error_context_stack = context.previous;
	return found ? ExecStoreVirtualTuple(slot) : slot;
}

/* ---- begin and end ------------------------------------------------------------ */

/* Which columns to fetch, and where each goes in the scan's slot. */
static void
set_columns(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	ListCell   *lc;

	scan->columns = palloc(list_length(scan->query->columns) * sizeof(ChColumn *));
	state->target = palloc(list_length(scan->query->columns) * sizeof(int));
	foreach(lc, scan->query->columns)
	{
		int			i = scan->ncolumns++;

		scan->columns[i] = ch_column(scan->table, lfirst_int(lc));
		state->domains = state->domains || scan->columns[i]->domain;
		state->target[i] = scan->query->upper ? i : lfirst_int(lc) - 1;
	}
	scan->nsort = list_length(scan->query->sort);
	scan->sort = palloc(scan->nsort * sizeof(ChSortKey *));
	foreach(lc, scan->query->sort)
		scan->sort[foreach_current_index(lc)] = lfirst(lc);
}

void
ch_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	MemoryContext cxt = AllocSetContextCreate(estate->es_query_cxt, "CipherHorizon scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ChScanState *state = palloc0(sizeof(ChScanState));
	ChScan	   *scan = &state->scan;

	node->fdw_state = state;
	state->node = node;
	scan->cxt = cxt;
	scan->run_cxt = AllocSetContextCreate(cxt, "CipherHorizon run", ALLOCSET_DEFAULT_SIZES);
	scan->query = linitial(plan->fdw_private);
	scan->table = ch_table_open(scan->query->relid);
	scan->driver = scan->table->driver;
	scan->userid = ch_scan_userid(plan, estate);
	scan->limit = -1;
	set_columns(state);
	state->timed = (estate->es_instrument & INSTRUMENT_TIMER) != 0;
	state->params = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	MemoryContextSwitchTo(old);
}

void
ch_rescan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;

	ch_stop_scan(state);
	state->done = false;
}

static void
warn_of_mismatches(const ChScan *scan)
{
	const ChTable *table = scan->table;

	if (table->mismatches == 0)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table %s held a value of %s type %s; NULL was returned",
					table->mismatch_column->name, table->name, scan->driver->product, table->mismatch_type),
			 errdetail_plural(INT64_FORMAT " value of the scan did not fit its column.",
							  INT64_FORMAT " values of the scan did not fit their columns.",
							  (unsigned long) table->mismatches, table->mismatches),
			 errhint("Change the column's type, or set the table's option on_type_mismatch to 'error' to see the values.")));
}

void
ch_end_scan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	ch_stop_scan(state);
	warn_of_mismatches(&state->scan);
}
