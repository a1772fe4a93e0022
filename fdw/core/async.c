/*
 * async.c
 *	  Scans below an Append: rows of several stores as they come.
 *
 * PostgreSQL's Append asks each of its asynchronous children for a row, takes
 * the rows that are there, and waits for the others together.  A child here is
 * one scan with a connection of its own, so that none waits for another's
 * answer; what it would wait for its driver says in ChScan.wait.
 *
 * The wait is ours, within ch_async_configure_wait, and Append has nothing left
 * to wait for: its own wait knows no time-out, so that a store that hangs would
 * hang the statement, it knows readable sockets only, and in older minor
 * versions no cancel ends it.  Where Append has children of other wrappers
 * besides, ours are looked at in short turns.
 *
 * Where a LIMIT may end the statement before all children are read, they are
 * asked one after the other, as by an Append that is not asynchronous: what is
 * asked in vain costs a store its work, and the session the connection.
 */
#include "postgres.h"

#include "executor/execAsync.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "storage/latch.h"

/* Length of a turn, if other wrappers' sockets are to be looked at, too. */
#define TURN_MS 1

bool
ch_is_async_capable(ForeignPath *path)
{
	const ChTable *table = ch_rel(path->path.parent)->table;

	return ch_opt_bool(table->driver, table->options, "async_capable");
}

static bool
is_ours(const AsyncRequest *areq)
{
	return ((ForeignScanState *) areq->requestee)->fdwroutine->ForeignAsyncRequest == ch_async_request;
}

static ChScanState *
scan_of(const AsyncRequest *areq)
{
	return ((ForeignScanState *) areq->requestee)->fdw_state;
}

/* ---- one row ------------------------------------------------------------------ */

static bool
has_ended(const AsyncRequest *areq)
{
	return areq->request_complete && TupIsNull(areq->result);
}

/* Is the run to begin only after those of the children before it? */
static bool
has_turn_later(const AsyncRequest *areq)
{
	const AppendState *append = (const AppendState *) areq->requestor;
	ChScanState *state = scan_of(areq);
	int			i = -1;

	if (!state->in_append)
		state->in_turn = ch_may_end_early(append->ps.state, append->ps.plan);
	state->in_append = true;
	if (!state->in_turn || state->running || state->done)
		return false;
	while ((i = bms_next_member(append->as_valid_asyncplans, i)) >= 0 && i < areq->request_index)
		if (is_ours(append->as_asyncrequests[i]) && !has_ended(append->as_asyncrequests[i]))
			return true;
	return false;
}

/* Answer with the next row or the end, if either is there. */
static void
produce(AsyncRequest *areq)
{
	PlanState  *node = areq->requestee;
	ChScanState *state = scan_of(areq);
	TupleTableSlot *slot = NULL;
	bool		silent = state->pending && state->running && ((AppendState *) areq->requestor)->as_syncdone;

	if (has_turn_later(areq))
		state->pending = true;
	else
		slot = node->ExecProcNodeReal(node);
	if (TupIsNull(slot) && state->pending)
	{
		/* not while children that are not asynchronous were read */
		if (!silent)
			INSTR_TIME_SET_CURRENT(state->silent_since);
		ExecAsyncRequestPending(areq);
	}
	else
		ExecAsyncRequestDone(areq, slot);
}

void
ch_async_request(AsyncRequest *areq)
{
	produce(areq);
}

void
ch_async_notify(AsyncRequest *areq)
{
	produce(areq);
}

/* What ExecAsyncNotify does, without its having been called. */
static void
answer(AsyncRequest *areq)
{
	areq->callback_pending = false;
	produce(areq);
	ExecAsyncResponse(areq);
	if (areq->requestee->instrument)
		InstrUpdateTupleCount(areq->requestee->instrument, TupIsNull(areq->result) ? 0.0 : 1.0);
}

/* ---- waiting --------------------------------------------------------------------- */

/* Time left until the store's silence is too long. */
static long
patience(const ChScanState *state)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, state->silent_since);
	return Max(0, state->scan.conn->request_timeout - (long) INSTR_TIME_GET_MILLISEC(now));
}

pg_noreturn static void
raise_failure(ChScanState *state, ChFailKind kind)
{
	ErrorContextCallback context = {error_context_stack, ch_remote_query_context, &state->scan};
	ChFailure	fail;

	error_context_stack = &context;
	ch_fail(&fail, kind, "no answer within %d ms", state->scan.conn->request_timeout);
	ch_failure_raise(state->scan.conn, &fail);
}

/* The scans that Append waits for and that are ours; *others: there are more. */
static List *
pending_scans(const AppendState *append, bool *others)
{
	List	   *pending = NIL;
	int			i = -1;

	*others = false;
	while ((i = bms_next_member(append->as_valid_asyncplans, i)) >= 0)
	{
		AsyncRequest *areq = append->as_asyncrequests[i];

		if (!areq->callback_pending)
			continue;
		if (!is_ours(areq))
			*others = true;
		else if (scan_of(areq)->running)
			pending = lappend(pending, scan_of(areq));
	}
	return pending;
}

/* After a wait: who was heard of begins to be silent now, who was silent too long fails. */
static void
look_at_silence(List *pending, instr_time start)
{
	ListCell   *lc;

	foreach(lc, pending)
	{
		ChScanState *state = lfirst(lc);

		ch_note_wait(state, start);
		if (state->scan.wait.got & ~WL_TIMEOUT)
			INSTR_TIME_SET_CURRENT(state->silent_since);
		else if (patience(state) == 0)
			raise_failure(state, CH_FAIL_TIMEOUT);
	}
}

/* Until one of the scans can go on. */
static void
wait_for_any(List *pending, long ms)
{
	ChWait	  **waits = palloc(list_length(pending) * sizeof(ChWait *));
	instr_time	start;
	ListCell   *lc;

	INSTR_TIME_SET_CURRENT(start);
	foreach(lc, pending)
	{
		ChScanState *state = lfirst(lc);
		long		left = patience(state);

		waits[foreach_current_index(lc)] = &state->scan.wait;
		if (ms < 0 || left < ms)
			ms = left;
	}
	if (ch_wait_any(waits, list_length(pending), ms) < 0)
		raise_failure(linitial(pending), CH_FAIL_INTERRUPTED);
	look_at_silence(pending, start);
	pfree(waits);
}

/*
 * Append would wait now, or (as long as it has rows, or children that are not
 * asynchronous) only have a look.  If nothing was found before, wait first.
 */
void
ch_async_configure_wait(AsyncRequest *areq)
{
	AppendState *append = (AppendState *) areq->requestor;
	ChScanState *state = scan_of(areq);
	bool		others;
	List	   *pending = pending_scans(append, &others);

	if (append->as_syncdone && bms_is_empty(append->as_needrequest) && pending != NIL)
		wait_for_any(pending, others ? TURN_MS : -1);
	list_free(pending);
	answer(areq);
	/* Append's wait for the others shall end at once: its latch is set, or a socket can be written to, as nearly always */
	if (others && !areq->callback_pending)
		SetLatch(MyLatch);
	else if (others && state->running && state->scan.wait.fd != PGINVALID_SOCKET)
		AddWaitEventToSet(append->as_eventset, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE, state->scan.wait.fd, NULL, areq);
}
