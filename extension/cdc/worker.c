/*
 * worker.c
 *	  The life of a pipeline's worker: it looks at the catalog what is wanted, makes
 *	  the slot and a snapshot if there are none, and streams until it is told
 *	  otherwise.
 *
 * It may end at any moment: nothing is confirmed that Kafka does not have.  An
 * error ends it, too, and the launcher starts another after a while.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "cdc.h"
#include "commands/dbcommands.h"
#include "fdw/core/compat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/slot.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PGDLLEXPORT void ch_cdc_worker(Datum arg);

static CdcWorker worker;
static bool failed = true;		/* as opposed to: told to end */

void
cdc_count(CdcWorker *w)
{
	const uint64 *counters = (const uint64 *) &w->counters;

	for (int c = 0; c < CDC_NCOUNTERS; c++)
		pg_atomic_write_u64(&w->shared->counters[c], counters[c]);
	pg_atomic_write_u64(&w->shared->read_lsn, w->read_to);
	pg_atomic_write_u64(&w->shared->in_flight, w->rk ? rd_kafka_outq_len(w->rk) : 0);
}

/* Where the worker before this one has left off. */
static void
take_counters(CdcWorker *w)
{
	uint64	   *counters = (uint64 *) &w->counters;

	for (int c = 0; c < CDC_NCOUNTERS; c++)
		counters[c] = pg_atomic_read_u64(&w->shared->counters[c]);
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void
leave(int code, Datum arg)
{
	CdcWorker  *w = &worker;

	pg_atomic_fetch_sub_u32(&cdc_control->workers, 1);
	cdc_worker_ended(w->shared, failed);
}

/*
 * The producer is not closed: librdkafka 2.0 may fail an assertion when a request
 * about a transaction is under way, and a process that aborts takes the server
 * with it.  Nor is exit() left to run OpenSSL's handlers beside threads that live.
 */
static void
end_at_once(int code, Datum arg)
{
	_exit(code);
}

void
cdc_end_at_once(void)
{
	on_proc_exit(end_at_once, 0);
}

void
cdc_stop(CdcWorker *w, CdcState state, const char *error)
{
	if (error)
		ereport(LOG, (errmsg("pipeline \"%s\" stops: %s", w->config->name, error)));
	cdc_transaction_abandon(w);
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	/* unless it was wanted again meanwhile */
	if (pg_atomic_read_u32(&w->shared->changed) == 0 && !w->shared->over_limit)
		w->shared->wanted = false;
	LWLockRelease(cdc_control->lock);
	cdc_set_state(w->shared, state, error);
	proc_exit(0);
}

void
cdc_lose(CdcWorker *w, const char *error)
{
	if (!w->config->renew)
		cdc_stop(w, CDC_LOST, error);
	ereport(LOG,
			(errmsg("pipeline \"%s\" begins anew with a snapshot: %s", w->config->name, error)));
	cdc_transaction_abandon(w);
	cdc_set_state(w->shared, CDC_STARTING, error);
	cdc_mark_new(w->config->name);
	/* later and later, if it comes to that again before anything is streamed */
	failed = true;
	proc_exit(0);
}

/*
 * The launcher has found that the slot holds back too much WAL.  A snapshot that is
 * not done would come to that again.
 */
static void
give_up_slot(CdcWorker *w)
{
	char	   *error = psprintf("its slot held back more WAL than its wal_limit, " INT64_FORMAT " bytes", w->config->wal_limit);
	/* someone else may have read on meanwhile, and it is his slot while he does */
	bool		keep = cdc_slot_holds_back(w->config->slot, MyDatabaseId, MyProcPid) <= w->config->wal_limit;

	if (!keep)
		cdc_slot_drop(w);
	/* afterwards: while it is set, the launcher does not look at the slot */
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	w->shared->over_limit = false;
	LWLockRelease(cdc_control->lock);
	if (keep)
		return;
	if (w->config->started)
		cdc_lose(w, error);
	cdc_stop(w, CDC_LOST, error);
}

/* Of a pipeline that is dropped; the slot first, so that none is left behind. */
pg_noreturn static void
drop(CdcWorker *w)
{
	if (w->shared->state == CDC_STALLED)
		cdc_transaction_abandon(w);
	cdc_slot_drop(w);
	if (w->progress && w->shared->state != CDC_STALLED)
		cdc_erase_position(w);
	cdc_delete_pipeline(w->config->name);
	cdc_forget(w->shared);
	proc_exit(0);
}

/* ---- words from outside ------------------------------------------------------------------------------- */

static void
load(CdcWorker *w)
{
	pg_atomic_write_u32(&w->shared->changed, 0);
	pg_atomic_write_u32(&w->shared->reading, 0);
	w->config = cdc_load_config(NameStr(w->shared->name), w->cxt);
	if (w->config == NULL)
	{
		cdc_forget(w->shared);
		proc_exit(0);
	}
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	w->shared->owner = w->config->owner;
	w->shared->server = w->config->server;
	w->shared->publication = w->config->publication_oid;
	namestrcpy(&w->shared->slot, w->config->slot);
	w->shared->wal_limit = w->config->wal_limit;
	LWLockRelease(cdc_control->lock);
}

/* Save what Kafka has before the slot is let go; if it does not answer, there is nothing to wait for. */
static void
settle(CdcWorker *w)
{
	if (w->decoding == NULL || w->shared->state == CDC_STALLED)
		return;
	cdc_confirm(w, true);
	cdc_drain(w);
	cdc_confirm(w, true);
}

static void
obey(CdcWorker *w)
{
	load(w);
	cdc_snapshot_look();
	if (w->shared->over_limit && w->config->wish != CDC_DROP)
		give_up_slot(w);
	switch (w->config->wish)
	{
		case CDC_RUN:
			break;
		case CDC_PAUSE:
			settle(w);
			cdc_stop(w, CDC_PAUSED, NULL);
			break;
		case CDC_DROP:
			drop(w);
			break;
	}
}

void
cdc_serve(CdcWorker *w)
{
	cdc_check(w);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (pg_atomic_read_u32(&w->shared->changed))
	{
		/* the snapshot's transaction does not see it: the next worker will */
		if (IsTransactionState())
			proc_exit(0);
		obey(w);
	}
	if (w->rk)
	{
		cdc_poll(w, 0);
		cdc_watch_stall(w);
	}
	if (w->decoding)
		cdc_confirm(w, false);
	cdc_count(w);
}

/* ---- what it needs --------------------------------------------------------------------------------------- */

static void
check_needs(CdcWorker *w)
{
	const CdcConfig *config = w->config;

	if (wal_level < WAL_LEVEL_LOGICAL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("change data capture needs wal_level >= logical"),
				 errhint("ALTER SYSTEM SET wal_level = 'logical'; and restart the server.")));
	if (!OidIsValid(config->server))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the server of pipeline \"%s\" does not exist", config->name)));
	if (!OidIsValid(config->publication_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("publication \"%s\" does not exist", config->publication)));
	cdc_check_rights(config->name);
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* Values are read as text: it must not depend on the server's settings. */
static void
make_session(void)
{
	set("DateStyle", "ISO, YMD");
	set("IntervalStyle", "postgres");
	set("TimeZone", "UTC");
	set("extra_float_digits", "1");
	set("bytea_output", "hex");
	set("lc_monetary", "C");
	set("search_path", "pg_catalog");
	set("statement_timeout", "0");
	set("lock_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("default_transaction_isolation", "read committed");
	set("synchronous_commit", "local");
	set("default_transaction_read_only", "off");
	/* pgoutput writes in this encoding */
	set("client_encoding", GetDatabaseEncodingName());
#if PG_VERSION_NUM >= 170000
	set("transaction_timeout", "0");
#endif
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static void
prepare(CdcWorker *w)
{
	cdc_set_state(w->shared, CDC_STARTING, NULL);
	cdc_producer_open(w);
	w->progress = cdc_topic(w, psprintf("%s.positions", w->config->prefix), 1, true);
	cdc_load_letters(w);
}

static void
create(CdcWorker *w)
{
	cdc_set_state(w->shared, CDC_CREATING, NULL);
	cdc_slot_create(w);
	if (w->config->snapshot)
	{
		cdc_set_state(w->shared, CDC_SNAPSHOT, NULL);
		cdc_snapshot(w);
		CommitTransactionCommand();
		cdc_drain(w);
	}
	ReplicationSlotPersist();
	w->produced = MyReplicationSlot->data.confirmed_flush;
	if (w->config->exactly_once)
		cdc_note_alone(w, w->produced);
	else
		cdc_write_position(w, w->produced);
	cdc_drain(w);
	cdc_mark_started(w->config->name);
	/* the snapshot's rows need not be kept from vacuum any longer */
	ReplicationSlotRelease();
	cdc_slot_acquire(w);
}

static void
stream(CdcWorker *w)
{
	cdc_set_state(w->shared, CDC_STREAMING, "");
	for (;;)
	{
		if (!cdc_read(w))
		{
			cdc_flush(w);
			cdc_confirm(w, false);
			cdc_wait(w, w->decoding->reader->EndRecPtr, cdc_has_more(w) ? 2 : 500);
		}
		cdc_serve(w);
		cdc_snapshot_step(w);
		if (w->shared->failures > 0 && w->acked > w->started_at)
			w->shared->failures = 0;
		if (w->careful && w->acked > w->shared->careful_until && cdc_snapshot_passed())
		{
			w->shared->careful_until = InvalidXLogRecPtr;
			settle(w);
			proc_exit(0);
		}
	}
}

static void
run(CdcWorker *w)
{
	XLogRecPtr	start;

	obey(w);
	check_needs(w);
	prepare(w);
	if (!w->config->started)
	{
		create(w);
		start = MyReplicationSlot->data.confirmed_flush;
	}
	else
	{
		cdc_slot_acquire(w);
		start = cdc_reconcile(w);
	}
	cdc_read_open(w, start);
	w->started_at = start;
	stream(w);
}

/* The last words, for those who look at stat_cdc. */
static void
note_failure(CdcWorker *w)
{
	MemoryContext old = MemoryContextSwitchTo(w->cxt);
	ErrorData  *error = CopyErrorData();

	cdc_set_state(w->shared, CDC_FAILED,
				  error->detail ? psprintf("%s: %s", error->message, error->detail) : error->message);
	MemoryContextSwitchTo(old);
}

void
ch_cdc_worker(Datum arg)
{
	CdcWorker  *w = &worker;

	w->shared = &cdc_control->pipelines[DatumGetInt32(arg)];
	take_counters(w);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	w->shared->pid = MyProcPid;
	w->shared->latch = MyLatch;
	LWLockRelease(cdc_control->lock);
	pg_atomic_fetch_add_u32(&cdc_control->workers, 1);
	cdc_end_at_once();
	before_shmem_exit(leave, 0);
	BackgroundWorkerInitializeConnectionByOid(w->shared->database, InvalidOid, 0);
	failed = false;
	w->cxt = AllocSetContextCreate(TopMemoryContext, "CipherHorizon pipeline", ALLOCSET_DEFAULT_SIZES);
	w->change_cxt = AllocSetContextCreate(w->cxt, "CipherHorizon change", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(w->cxt);
	initStringInfo(&w->key);
	initStringInfo(&w->value);
	initStringInfo(&w->raw);
	make_session();
	StartTransactionCommand();
	w->database = MemoryContextStrdup(w->cxt, get_database_name(MyDatabaseId));
	cdc_json_init();
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->cxt);
	PG_TRY();
	{
		run(w);
	}
	PG_CATCH();
	{
		failed = true;
		note_failure(w);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
