/*
 * exec.c
 *	  Running a remote query: begin, rows, rescan, end.
 *
 * A run goes from ch_bind and driver->send to driver->close; a rescan ends one
 * run and the next row starts another.  The first may start with the plan.  What
 * an error leaves behind is found by a callback of the run's memory context: it
 * closes the driver's side and drops the connection, whose answer nobody will
 * read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Running scans, until their memory goes. */
static dlist_head scans = DLIST_STATIC_INIT(scans);

/* ---- runs ------------------------------------------------------------------ */

/* CONTEXT line of whatever is raised while the driver works. */
void
ch_remote_query_context(void *arg)
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

/*
 * A transaction of the store survives an error that was not the driver's, for it
 * may be that of a savepoint.
 */
void
ch_scan_abandon(ChScan *scan)
{
	ChScanState *state = (ChScanState *) scan;
	ChConn	   *conn = scan->conn;
	bool		failed = state->reading || conn == NULL || !conn->remote;
	bool		reusable;

	if (!state->running)
		return;
	state->running = false;
	reusable = scan->driver->close(scan, failed);
	scan->state = NULL;
	scan->conn = NULL;
	if (conn && reusable && !failed)
		ch_conn_release(conn);
	else if (conn)
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

static void
forget_parked(ChScanState *state)
{
	if (state->parked == NULL)
		return;
	tuplestore_end(state->parked);
	state->parked = NULL;
	ExecDropSingleTupleTableSlot(state->parked_slot);
}

void
ch_stop_scan(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	ChConn	   *conn = scan->conn;
	bool		reusable;

	forget_parked(state);
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

/* For EXPLAIN ANALYZE: time that the store takes, and of it that until a run's first row. */
static instr_time
start_clock(const ChScanState *state)
{
	instr_time	start;

	INSTR_TIME_SET_ZERO(start);
	if (state->timed)
		INSTR_TIME_SET_CURRENT(start);
	return start;
}

static void
stop_clock(ChScanState *state, instr_time start)
{
	instr_time	now;

	if (!state->timed)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(state->scan.remote_time, now, start);
	if (!state->begun)
		INSTR_TIME_ACCUM_DIFF(state->first_row_time, now, start);
}

void
ch_note_wait(ChScanState *state, instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	state->pending_us += (int64) INSTR_TIME_GET_MICROSEC(now);
	stop_clock(state, start);
}

void
ch_send(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	MemoryContext old;
	instr_time	start = start_clock(state);

	watch_run(scan);
	scan->conn = ch_conn_acquire(scan->table->serverid, scan->userid);
	scan->conn->owner = scan;
	state->running = true;
	state->begun = state->answered = false;
	state->resowner = CurrentResourceOwner;
	state->waited_us = state->pending_us = 0;
	state->rows_before = scan->rows;
	INSTR_TIME_SET_CURRENT(state->sent);
	old = MemoryContextSwitchTo(scan->run_cxt);
	state->reading = true;
	scan->driver->send(scan);
	state->reading = false;
	MemoryContextSwitchTo(old);
	stop_clock(state, start);
}

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/*
 * What a row, or the end, teaches about costs; waited_us is how long it was
 * waited for.  What the executor does between two rows does not count.  An
 * answer that was there when it was looked for says nothing of when it came,
 * and what a store computes is not the price of a request.
 */
static void
note_answer(ChScanState *state, int64 waited_us, bool found)
{
	const ChScan *scan = &state->scan;

	if (scan->grouped || scan->njoins > 0 || scan->ndistinct > 0 || scan->nsets > 0)
		return;
	if (state->answered)
		state->waited_us += waited_us;
	else if (waited_us > 0)
		ch_learn_request(scan->table->serverid, ms_since(state->sent));
	state->answered = true;
	if (!found)
		ch_learn_rows(scan->table->serverid, scan->rows - state->rows_before, state->waited_us);
}

/* Evaluate the parameters, and ask unless they prove that no row matches. */
static void
start_run(ChScanState *state)
{
	ChScan	   *scan = &state->scan;

	state->bound = false;
	MemoryContextReset(scan->run_cxt);
	state->empty_group = scan->grouped && scan->ngroup == 0;
	if (ch_bind(state, false))
		ch_send(state);
	else
		state->done = true;
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

/* Sum by count, as PostgreSQL's final functions have it. */
static Datum
average(Datum sum, Datum count, Oid sumtype, Oid type)
{
	if (type == FLOAT8OID)
		return Float8GetDatum(DatumGetFloat8(sum) / (double) DatumGetInt64(count));
	if (sumtype == INT8OID)
		sum = DirectFunctionCall1(int8_numeric, sum);
	return DirectFunctionCall2(numeric_div, sum, DirectFunctionCall1(int8_numeric, count));
}

/* The scan's row from what the driver returned for each target. */
static void
fill_outputs(ChScanState *state, TupleTableSlot *slot)
{
	const ChQuery *query = state->scan.query;
	ListCell   *lc;

	foreach(lc, query->outputs)
	{
		const ChOutput *output = lfirst(lc);
		int			i = foreach_current_index(lc);

		slot->tts_isnull[i] = state->nulls[output->target];
		slot->tts_values[i] = state->values[output->target];
		if (output->count < 0)
			continue;
		slot->tts_isnull[i] = slot->tts_isnull[i] || state->nulls[output->count] ||
			DatumGetInt64(state->values[output->count]) == 0;
		if (!slot->tts_isnull[i])
			slot->tts_values[i] = average(state->values[output->target], state->values[output->count],
										  ((ChTarget *) list_nth(query->targets, output->target))->type, output->type);
	}
}

/* The group of no rows: nothing was counted, all else is NULL. */
static void
fill_empty_group(ChScanState *state)
{
	for (int i = 0; i < state->scan.ncolumns; i++)
	{
		state->nulls[i] = state->scan.targets[i].agg != CH_AGG_COUNT;
		state->values[i] = Int64GetDatum(0);
	}
}

void
ch_fill_empty_group(ChScanState *state, TupleTableSlot *slot)
{
	fill_empty_group(state);
	fill_outputs(state, slot);
}

static bool
fetch_row(ChScanState *state, TupleTableSlot *slot)
{
	ChScan	   *scan = &state->scan;
	bool		found;

	if (scan->grouped)
	{
		memset(state->nulls, true, scan->ncolumns * sizeof(bool));
		found = scan->driver->next(scan, state->values, state->nulls);
		if (found)
			fill_outputs(state, slot);
	}
	else
	{
		memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		found = scan->driver->next(scan, slot->tts_values, slot->tts_isnull);
		if (found)
			check_null_domains(state, slot);
	}
	return found;
}

bool
ch_read_row(ChScanState *state, TupleTableSlot *slot)
{
	ChScan	   *scan = &state->scan;
	int64		waited = ch_waited_us();
	instr_time	start = start_clock(state);
	bool		found;

	scan->wait.events = 0;
	state->reading = true;
	found = fetch_row(state, slot);
	state->reading = false;
	stop_clock(state, start);
	if (!found && ch_would_wait(scan))
		return false;
	state->begun = true;
	note_answer(state, ch_waited_us() - waited + state->pending_us, found);
	state->pending_us = 0;
	if (!found)
		return false;
	if (scan->rows == state->max_rows && state->max_rows > 0)
		ch_guard_too_many(state);
	scan->rows++;
	return true;
}

/* ---- the rest of a run, read ahead ---------------------------------------------- */

static Tuplestorestate *
read_ahead(ChScanState *state, TupleDesc desc)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "CipherHorizon parked row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(state->scan.run_cxt);
	ResourceOwner owner = CurrentResourceOwner;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	Tuplestorestate *rows;

	/* files of it may have to outlive what asks for the connection */
	CurrentResourceOwner = state->resowner;
	rows = tuplestore_begin_heap(false, false, work_mem);
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(row);
	while (ch_read_row(state, ExecClearTuple(slot)))
	{
		tuplestore_puttupleslot(rows, ExecStoreVirtualTuple(slot));
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(row);
	}
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row);
	return rows;
}

void
ch_park_scan(ChScan *scan)
{
	ChScanState *state = (ChScanState *) scan;
	TupleDesc	desc = state->node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	ErrorContextCallback context = {error_context_stack, ch_remote_query_context, scan};
	Tuplestorestate *rows;
	MemoryContext old;

	if (state->reading)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("store \"%s\" is asked while a row of foreign table %s is being read",
						scan->conn->server_name, scan->table->name)));
	error_context_stack = &context;
	PG_TRY();
	{
		rows = read_ahead(state, desc);
	}
	PG_CATCH();
	{
		/* it may be caught where the scan goes on */
		state->broken = true;
		ch_scan_abandon(scan);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = context.previous;
	ch_stop_scan(state);
	old = MemoryContextSwitchTo(scan->run_cxt);
	state->parked = rows;
	state->parked_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(old);
}

static bool
read_parked(ChScanState *state, TupleTableSlot *slot)
{
	int			n = slot->tts_tupleDescriptor->natts;
	MemoryContext old = MemoryContextSwitchTo(state->scan.run_cxt);
	bool		found = tuplestore_gettupleslot(state->parked, true, false, state->parked_slot);

	/* a row from a file is the slot's, which lives longer than a row */
	MemoryContextSwitchTo(old);
	if (!found)
		return false;
	slot_getallattrs(state->parked_slot);
	memcpy(slot->tts_values, state->parked_slot->tts_values, n * sizeof(Datum));
	memcpy(slot->tts_isnull, state->parked_slot->tts_isnull, n * sizeof(bool));
	return true;
}

static bool
read_row(ChScanState *state, TupleTableSlot *slot)
{
	if (state->broken)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("the rest of the rows of foreign table %s was lost", state->scan.table->name),
				 errdetail("An error came up when they were read for another request in the same transaction of the store.")));
	if (state->parked)
		return read_parked(state, slot);
	if (!state->running && !state->done)
		start_run(state);
	return !state->done && ch_read_row(state, slot);
}

static bool
next_row(ChScanState *state, TupleTableSlot *slot)
{
	if (state->fresh)
		state->from_batch = state->prefetch && ch_prefetch_find(state->prefetch);
	state->fresh = false;
	if (state->from_batch)
		return ch_prefetch_next(state->prefetch, slot);
	if (read_row(state, slot))
	{
		state->empty_group = false;
		return true;
	}
	state->pending = !state->done && ch_would_wait(&state->scan);
	if (state->pending)
		return false;
	state->done = true;
	ch_stop_scan(state);
	if (!state->empty_group)
		return false;
	state->empty_group = false;
	ch_fill_empty_group(state, slot);
	return true;
}

/* Send now what will be read later. */
static void
start_early(ChScanState *state)
{
	ErrorContextCallback context = {error_context_stack, ch_remote_query_context, &state->scan};

	error_context_stack = &context;
	start_run(state);
	state->early = true;
	error_context_stack = context.previous;
}

TupleTableSlot *
ch_iterate_scan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	ErrorContextCallback context;
	bool		found;

	ExecClearTuple(slot);
	state->pending = false;
	state->early = false;
	if (state->done && !state->empty_group)
		return slot;
	context.callback = ch_remote_query_context;
	context.arg = &state->scan;
	context.previous = error_context_stack;
	error_context_stack = &context;
	state->scan.nowait = state->async;
	found = next_row(state, slot);
	state->scan.nowait = false;
	error_context_stack = context.previous;
	return found ? ExecStoreVirtualTuple(slot) : slot;
}

/* ---- begin and end ------------------------------------------------------------ */

/* A name for messages about the values of an aggregate. */
static char *
target_name(const ChTarget *target, const ChColumn *col)
{
	static const char *const names[] = {
		[CH_AGG_KEY] = "",[CH_AGG_COUNT] = "count of ",[CH_AGG_SUM] = "sum of ",[CH_AGG_MIN] = "min of ",
		[CH_AGG_MAX] = "max of ",[CH_AGG_FIRST] = "first of ",[CH_AGG_LAST] = "last of ",
		[CH_AGG_BOOL_AND] = "bool_and of ",[CH_AGG_BOOL_OR] = "bool_or of "
	};

	return psprintf("%s%s", names[target->agg], col ? col->name : "rows");
}

/* The groups and aggregates of a grouped query. */
static void
set_targets(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	const ChQuery *query = scan->query;
	int			n = list_length(query->targets);
	ListCell   *lc;

	scan->grouped = true;
	scan->group = palloc(list_length(query->group) * sizeof(ChColumn *));
	foreach(lc, query->group)
		scan->group[scan->ngroup++] = ch_column(scan->table, lfirst_int(lc));
	scan->columns = palloc(n * sizeof(ChColumn *));
	scan->targets = palloc0(n * sizeof(ChBoundTarget));
	state->target = palloc(n * sizeof(int));
	state->values = palloc0(n * sizeof(Datum));
	state->nulls = palloc0(n * sizeof(bool));
	foreach(lc, query->targets)
	{
		const ChTarget *target = lfirst(lc);
		int			i = scan->ncolumns++;
		ChBoundTarget *bound = &scan->targets[i];

		bound->agg = target->agg;
		bound->distinct = target->distinct;
		bound->col = target->attno ? ch_column(scan->table, target->attno) : NULL;
		bound->by = target->by ? ch_column(scan->table, target->by) : NULL;
		scan->columns[i] = target->agg == CH_AGG_KEY ? bound->col
			: ch_make_result_column(scan->table, target_name(target, bound->col), target->type,
									target->typmod, target->collation);
		state->target[i] = i;
	}
}

ChTable *
ch_query_table(const ChQuery *query)
{
	List	   *tables = list_make1(ch_table_open(query->relid));
	ListCell   *lc;

	foreach(lc, query->joins)
		tables = lappend(tables, ch_table_open(((ChJoin *) lfirst(lc))->relid));
	return query->joins ? ch_table_join(tables) : linitial(tables);
}

static void
open_tables(ChScan *scan)
{
	ListCell   *lc;

	scan->table = ch_query_table(scan->query);
	scan->joins = palloc0(list_length(scan->query->joins) * sizeof(ChBoundJoin));
	foreach(lc, scan->query->joins)
	{
		ChBoundJoin *join = &scan->joins[scan->njoins++];

		join->type = ((ChJoin *) lfirst(lc))->type;
		join->table = scan->table->members[scan->njoins];
	}
}

/* What the store computes was asked about when the plan was made. */
static void
set_computed(ChTable *table, const ChQuery *query)
{
	ListCell   *lc;
	const char *reason;

	foreach(lc, query->computed)
		if (ch_add_computed(table, lfirst(lc), &reason) == NULL)
			elog(ERROR, "a column of foreign table %s cannot be computed any more", table->name);
}

static void
set_sort(ChScan *scan)
{
	ListCell   *lc;

	scan->nsort = list_length(scan->query->sort);
	scan->sort = palloc(scan->nsort * sizeof(ChSortKey *));
	foreach(lc, scan->query->sort)
		scan->sort[foreach_current_index(lc)] = lfirst(lc);
}

/* Which columns to fetch, and where each goes in the scan's slot. */
void
ch_set_columns(ChScanState *state)
{
	ChScan	   *scan = &state->scan;
	const ChQuery *query = scan->query;
	ListCell   *lc;

	set_sort(scan);
	if (query->grouped)
	{
		set_targets(state);
		if (query->having || query->sort || query->limit >= 0)
			scan->groups = ch_table_groups(scan->table, query);
		return;
	}
	scan->columns = palloc(list_length(query->columns) * sizeof(ChColumn *));
	state->target = palloc(list_length(query->columns) * sizeof(int));
	foreach(lc, query->columns)
	{
		int			i = scan->ncolumns++;

		scan->columns[i] = ch_column(scan->table, lfirst_int(lc));
		state->domains = state->domains || scan->columns[i]->domain;
		state->target[i] = query->upper ? i : lfirst_int(lc) - 1;
	}
	scan->ndistinct = query->ndistinct;
}

/* ---- which scans there are ----------------------------------------------------- */

dlist_head *
ch_scans(void)
{
	return &scans;
}

static void
scan_context_gone(void *arg)
{
	dlist_delete(&((ChScanState *) arg)->registered);
}

/* Until its memory goes, so that a key batch finds the scan of a plan node. */
static void
register_scan(ChScanState *state)
{
	MemoryContextCallback *gone = MemoryContextAllocZero(state->scan.cxt, sizeof(MemoryContextCallback));

	gone->func = scan_context_gone;
	gone->arg = state;
	MemoryContextRegisterResetCallback(state->scan.cxt, gone);
	dlist_push_head(&scans, &state->registered);
}

ChScanState *
ch_find_scan(const EState *estate, const Plan *plan)
{
	dlist_iter	iter;

	dlist_foreach(iter, &scans)
	{
		ChScanState *state = dlist_container(ChScanState, registered, iter.cur);

		if (state->node->ss.ps.state == estate && state->node->ss.ps.plan == plan)
			return state;
	}
	return NULL;
}

void
ch_open_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState	   *estate = node->ss.ps.state;
	MemoryContext cxt = AllocSetContextCreate(estate->es_query_cxt, "CipherHorizon scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ChScanState *state = palloc0(sizeof(ChScanState));
	ChScan	   *scan = &state->scan;

	node->fdw_state = state;
	state->node = node;
	state->fresh = true;
	state->async = node->ss.ps.async_capable;
	scan->cxt = cxt;
	register_scan(state);
	scan->run_cxt = AllocSetContextCreate(cxt, "CipherHorizon run", ALLOCSET_DEFAULT_SIZES);
	scan->query = linitial(plan->fdw_private);
	open_tables(scan);
	scan->driver = scan->table->driver;
	scan->userid = ch_scan_userid(plan, estate);
	scan->limit = -1;
	set_computed(scan->table, scan->query);
	ch_set_columns(state);
	state->timed = (estate->es_instrument & INSTRUMENT_TIMER) != 0;
	state->params = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	ch_guard_begin(state, eflags);
	MemoryContextSwitchTo(old);
}

void
ch_begin_scan(ForeignScanState *node, int eflags)
{
	ch_open_scan(node, eflags);
	if (ch_starts_early(node->fdw_state, eflags))
		start_early(node->fdw_state);
}

void
ch_rescan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;

	/* what was sent at the start is still good */
	if (state->early && node->ss.ps.chgParam == NULL)
		return;
	ch_stop_scan(state);
	state->done = state->early = state->empty_group = state->pending = state->broken = false;
	state->fresh = true;
}

static void
warn_of_table(const ChScan *scan, const ChTable *table)
{
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
ch_warn_of_mismatches(const ChScan *scan)
{
	if (scan->njoins == 0)
		warn_of_table(scan, scan->table);
	for (int i = 0; i < scan->table->nmembers; i++)
		warn_of_table(scan, scan->table->members[i]);
}

void
ch_end_scan(ForeignScanState *node)
{
	ChScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	ch_stop_scan(state);
	ch_warn_of_mismatches(&state->scan);
}
