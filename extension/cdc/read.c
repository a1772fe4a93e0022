/*
 * read.c
 *	  WAL, decoded in this process: the slot, the decoding context with PostgreSQL's
 *	  own pgoutput, and the waits.
 *
 * pgoutput does what a publication says (tables, columns, rows, partition roots)
 * as it was at each change; its messages come to cdc_parse instead of a network.
 * An error while decoding ends the process: core leaves things half done then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogutils.h"
#include "cdc.h"
#include "replication/slot.h"
#include "fdw/core/compat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "replication/decode.h"
#include "replication/snapbuild.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define UNFLUSHED_PAUSE 20		/* ms between two looks at WAL that is there but not flushed */

static CdcWorker *reader;		/* core's callbacks have no place for it before the context is made */

/* ---- reading ------------------------------------------------------------------------------ */

/* Called where WAL ends before a record does, too: Kafka is served meanwhile. */
static int
read_page(XLogReaderState *state, XLogRecPtr page, int len, XLogRecPtr record, char *buffer)
{
	XLogRecPtr	flushed;

	/* where there is less than that, it is as if it were not flushed */
	while ((flushed = ch_decodable_upto(page)) < page + len)
	{
		cdc_wait(reader, flushed, 100);
		cdc_serve(reader);
	}
	return read_local_xlog_page(state, page, len, record, buffer);
}

static void
prepare_write(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last)
{
	resetStringInfo(ctx->out);
}

static void
take_message(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last)
{
	cdc_parse(reader, ctx->out, lsn);
}

/* Long transactions of which nothing is published: what Kafka has open does not wait for their end. */
static void
update_progress(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool skipped)
{
	cdc_poll(reader, 0);
	cdc_check(reader);
	if (reader->config->exactly_once)
		cdc_transaction_end(reader, false);
}

void
cdc_read_open(CdcWorker *w, XLogRecPtr start)
{
	List	   *options = list_make3(makeDefElem("proto_version", (Node *) makeString("1"), -1),
									 makeDefElem("publication_names", (Node *) makeString(unconstify(char *, quote_identifier(w->config->publication))), -1),
									 makeDefElem("messages", (Node *) makeString("true"), -1));
	MemoryContext old = MemoryContextSwitchTo(w->cxt);

	reader = w;
	SetConfigOption("logical_decoding_work_mem", psprintf("%d", cdc_work_mem), PGC_SUSET, PGC_S_OVERRIDE);
	/* outside of a transaction, or our xmin would hold vacuum back */
	w->decoding = CreateDecodingContext(start, options, false,
										XL_ROUTINE(.page_read = read_page, .segment_open = wal_segment_open, .segment_close = wal_segment_close),
										prepare_write, take_message, update_progress);
	MemoryContextSwitchTo(old);
	XLogBeginRead(w->decoding->reader, MyReplicationSlot->data.restart_lsn);
	w->read_to = w->produced = w->acked = w->kept = start;
	w->confirmed = w->saved = MyReplicationSlot->data.confirmed_flush;
	w->saved_at = cdc_now();
	InvalidateSystemCaches();
}

bool
cdc_read(CdcWorker *w)
{
	XLogReaderState *wal = w->decoding->reader;
	XLogRecPtr	upto = ch_decodable_upto(w->read_to);
	int			n = 0;

	if (wal->EndRecPtr >= upto)
		return false;
	do
	{
		char	   *error;
		XLogRecord *record = XLogReadRecord(wal, &error);

		if (error)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("could not read WAL at %X/%X: %s", LSN_FORMAT_ARGS(wal->EndRecPtr), error)));
		if (record)
			LogicalDecodingProcessRecord(w->decoding, wal);
		if ((++n & 63) == 0)
		{
			cdc_poll(w, 0);
			cdc_check(w);
			if (w->config->exactly_once)
				cdc_transaction_end(w, false);
		}
	} while (wal->EndRecPtr < upto && n < 8192);
	/* the slot may have been opened at a later place than it reads from */
	w->read_to = Max(w->read_to, wal->EndRecPtr);
	return true;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* Until there is WAL beyond known, or a word, or the time is over (ms). */
void
cdc_wait(CdcWorker *w, XLogRecPtr known, long timeout)
{
	WaitEvent	events[3];
	char		bytes[64];

	/* a commit from now on sets the latch; one before is seen by who looks again */
	pg_atomic_write_u32(&w->shared->sleeping, 1);
	pg_memory_barrier();
	if (ch_decodable_upto(known) > known)
		timeout = 0;
	/* a commit that does not wait for its WAL wakes us too early, and the WAL writer tells nobody */
	else if (GetXLogInsertRecPtr() > known)
		timeout = Min(timeout, UNFLUSHED_PAUSE);
	(void) WaitEventSetWait(w->events, timeout, events, 3, PG_WAIT_EXTENSION);
	pg_atomic_write_u32(&w->shared->sleeping, 0);
	ResetLatch(MyLatch);
	while (read(w->wakeup[0], bytes, sizeof(bytes)) > 0)
		;
	cdc_poll(w, 0);
	cdc_check(w);
}

/* ---- the slot --------------------------------------------------------------------------------- */

static ReplicationSlot *
find_slot(CdcWorker *w)
{
	ReplicationSlot *slot = SearchNamedReplicationSlot(w->config->slot, true);

	if (slot && (slot->data.database != MyDatabaseId || strcmp(NameStr(slot->data.plugin), "pgoutput") != 0))
		cdc_stop(w, CDC_LOST, psprintf("the replication slot \"%s\" is not of this database or not of pgoutput", w->config->slot));
	return slot;
}

/* Another process may still hold it: the one before this, or someone who reads it by hand. */
static void
wait_for_holder(CdcWorker *w)
{
	ReplicationSlot *slot;

	for (int tries = 0; (slot = find_slot(w)) != NULL && slot->active_pid != 0 && slot->active_pid != MyProcPid; tries++)
	{
		if (tries == 50)
			cdc_set_state(w->shared, CDC_STARTING, psprintf("the replication slot \"%s\" is in use by another process", w->config->slot));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		cdc_serve(w);
	}
}

/* A copy of a pipeline, in another cluster, does not take over the topics by itself. */
static bool
is_copy(CdcWorker *w)
{
	CdcPosition position = cdc_read_position(w);

	return position.found && position.sysid != GetSystemIdentifier();
}

pg_noreturn static void
lose_slot(CdcWorker *w, const char *error)
{
	if (w->config->renew && is_copy(w))
		cdc_stop(w, CDC_LOST, error);
	cdc_lose(w, error);
}

void
cdc_slot_acquire(CdcWorker *w)
{
	ReplicationSlot *slot = find_slot(w);

	if (slot == NULL)
		lose_slot(w, psprintf("the replication slot \"%s\" is gone: changes since then are missing", w->config->slot));
	if (ch_slot_invalidated(slot))
		lose_slot(w, psprintf("the replication slot \"%s\" was invalidated: WAL that it needed is removed", w->config->slot));
	wait_for_holder(w);
	ch_slot_acquire(w->config->slot);
}

/* Of a worker that ended before it could say that the slot is made, or of a pipeline that ends. */
void
cdc_slot_drop(CdcWorker *w)
{
	if (MyReplicationSlot)
		ReplicationSlotRelease();
	if (find_slot(w) == NULL)
		return;
	wait_for_holder(w);
	ReplicationSlotDrop(w->config->slot, true);
}

/*
 * Waits for all running transactions, of other databases too.  With a snapshot
 * the transaction that it leaves open sees all rows that the stream does not bring.
 */
void
cdc_slot_create(CdcWorker *w)
{
	LogicalDecodingContext *ctx;

	reader = w;
	cdc_slot_drop(w);
	if (w->config->snapshot)
	{
		StartTransactionCommand();
		XactIsoLevel = XACT_REPEATABLE_READ;
		XactReadOnly = true;
	}
	InvalidateCatalogSnapshot();
	ch_slot_create(w->config->slot);
	ctx = CreateInitDecodingContext("pgoutput", NIL, w->config->snapshot, InvalidXLogRecPtr,
									XL_ROUTINE(.page_read = read_page, .segment_open = wal_segment_open, .segment_close = wal_segment_close),
									NULL, NULL, NULL);
	DecodingContextFindStartpoint(ctx);
	if (w->config->snapshot)
		RestoreTransactionSnapshot(SnapBuildInitialSnapshot(ctx->snapshot_builder), MyProc);
	FreeDecodingContext(ctx);
}
