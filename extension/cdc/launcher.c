/*
 * launcher.c
 *	  Starts the workers that the catalogs of all databases want, and starts them
 *	  again, later and later, when they fail.
 *
 * It is no member of any database.  When the server has started, a scout looks
 * into each database for pipelines; from then on those who change the catalog
 * tell of it.
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "cdc.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PGDLLEXPORT void ch_cdc_launcher(Datum arg);
PGDLLEXPORT void ch_cdc_scout(Datum arg);

#define LONGEST_PAUSE 60000		/* ms between two tries of a worker that fails */
#define LIMIT_PAUSE 1000		/* ms between two looks at what slots hold back */

static BackgroundWorkerHandle **handles;	/* by place */

void
cdc_launcher_register(void)
{
	BackgroundWorker worker = ch_background_worker(CDC_WORKER, "launcher", "ch_cdc_launcher", (Datum) 0);

	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

/* ---- scouting ---------------------------------------------------------------------------- */

/*
 * Is the table of pipelines there, and the extension's own?  A superuser reads it:
 * what someone else has put in its place must not be run.
 */
static bool
has_pipelines(void)
{
	Oid			extension = get_extension_oid("cipherhorizon", true);
	Oid			schema = get_namespace_oid("cipherhorizon", true);
	Oid			table = OidIsValid(schema) ? get_relname_relid("cdc_pipeline", schema) : InvalidOid;

	return OidIsValid(extension) && OidIsValid(table) && get_rel_relkind(table) == RELKIND_RELATION &&
		getExtensionOfObject(RelationRelationId, table) == extension;
}

/* In a database: make its pipelines known. */
void
ch_cdc_scout(Datum arg)
{
	static const char query[] = "SELECT name FROM cipherhorizon.cdc_pipeline ORDER BY name";

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	/* the owner of a database may set it, to a schema with operators of his own */
	SetConfigOption("search_path", "pg_catalog", PGC_SUSET, PGC_S_OVERRIDE);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (has_pipelines() && SPI_execute(query, true, 0) == SPI_OK_SELECT)
		for (uint64 i = 0; i < SPI_processed; i++)
			if (cdc_register(MyDatabaseId, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1)) == NULL)
				ereport(LOG,
						(errmsg("pipeline \"%s\" of database \"%s\" cannot run: there are %d others",
								SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1),
								get_database_name(MyDatabaseId), cdc_control->npipelines),
						 errhint("Raise cipherhorizon.cdc_max_pipelines, and restart the server.")));
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
}

/* Databases that can be connected to and that the setting names; in the current memory context. */
static List *
databases(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *names = NIL;
	List	   *found = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	if (!SplitGUCList(pstrdup(cdc_databases), ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list in cipherhorizon.cdc_databases: \"%s\"", cdc_databases)));
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		bool		wanted = names == NIL;
		ListCell   *lc;
		MemoryContext old;

		foreach(lc, names)
			wanted = wanted || strcmp(lfirst(lc), NameStr(database->datname)) == 0;
		if (!wanted || !database->datallowconn)
			continue;
		old = MemoryContextSwitchTo(cxt);
		found = lappend_oid(found, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
	return found;
}

static void
scout(void)
{
	ListCell   *lc;

	foreach(lc, databases())
	{
		BackgroundWorker worker = ch_background_worker(CDC_WORKER, "scout", "ch_cdc_scout", ObjectIdGetDatum(lfirst_oid(lc)));
		BackgroundWorkerHandle *handle;

		while (!RegisterDynamicBackgroundWorker(&worker, &handle))
		{
			ereport(LOG, (errmsg("no background worker is free to look for pipelines"), errhint("Raise max_worker_processes.")));
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5000, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		(void) WaitForBackgroundWorkerShutdown(handle);
		CHECK_FOR_INTERRUPTS();
	}
	cdc_control->scouted = true;
}

/* ---- starting ------------------------------------------------------------------------------ */

static void
start(CdcShared *shared)
{
	int			place = shared - cdc_control->pipelines;
	BackgroundWorker worker = ch_background_worker(CDC_WORKER, NameStr(shared->name), "ch_cdc_worker", Int32GetDatum(place));

	shared->registered = RegisterDynamicBackgroundWorker(&worker, &handles[place]);
	if (!shared->registered)
	{
		strlcpy(shared->error, "no background worker is free: raise max_worker_processes", CDC_ERROR_SIZE);
		shared->error_at = GetCurrentTimestamp();
		shared->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 5000);
	}
}

/* Was it ended before it came to say so itself? */
static bool
ended_early(const CdcShared *shared)
{
	BackgroundWorkerHandle *handle = handles[shared - cdc_control->pipelines];
	pid_t		pid;

	return shared->registered && shared->pid == 0 && handle && GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

/* Places of databases that are dropped are free again. */
static void
forget_dropped(void)
{
	StartTransactionCommand();
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];

		if (shared->in_use && !shared->registered && !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(shared->database)))
			shared->in_use = false;
	}
	CommitTransactionCommand();
}

/* Start what is due; how long until the next is (ms). */
static long
start_due(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long		pause = 10000;

	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];

		if (ended_early(shared))
			shared->registered = false;
		if (!shared->in_use || !shared->wanted || shared->registered)
			continue;
		/* one that is far away is of before the clock was set back */
		if (shared->not_before <= now || TimestampDifferenceExceeds(now, shared->not_before, 2 * LONGEST_PAUSE))
			start(shared);
		if (!shared->registered)
			pause = Min(pause, TimestampDifferenceMilliseconds(now, shared->not_before) + 1);
	}
	LWLockRelease(cdc_control->lock);
	return pause;
}

/* ---- WAL that slots hold back ------------------------------------------------------------- */

int64
cdc_slot_holds_back(const char *name, Oid database, int pid)
{
	ReplicationSlot *slot = SearchNamedReplicationSlot(name, true);
	XLogRecPtr	restart = InvalidXLogRecPtr;

	if (slot)
	{
		SpinLockAcquire(&slot->mutex);
		if (slot->data.database == database && (slot->active_pid == 0 || slot->active_pid == pid))
			restart = slot->data.restart_lsn;
		SpinLockRelease(&slot->mutex);
	}
	return restart == InvalidXLogRecPtr ? 0 : (int64) (GetXLogWriteRecPtr() - restart);
}

/* The worker that it has ends, and the next one gives the slot up. */
static void
tell_over_limit(CdcShared *shared)
{
	shared->over_limit = true;
	shared->wanted = true;
	shared->failures = 0;
	shared->not_before = 0;
	if (shared->pid != 0)
		kill(shared->pid, SIGTERM);
}

/* Is there any pipeline with a limit? */
static bool
check_limits(void)
{
	bool		any = false;

	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];
		NameData	slot;
		int64		limit;
		int64		held;
		int			pid;
		Oid			database;

		LWLockAcquire(cdc_control->lock, LW_SHARED);
		slot = shared->slot;
		pid = shared->pid;
		database = shared->database;
		limit = shared->in_use && !shared->over_limit ? shared->wal_limit : 0;
		LWLockRelease(cdc_control->lock);
		if (limit == 0)
			continue;
		any = true;
		held = cdc_slot_holds_back(NameStr(slot), database, pid);
		if (held <= limit)
			continue;
		LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
		if (shared->in_use && strcmp(NameStr(shared->slot), NameStr(slot)) == 0)
			tell_over_limit(shared);
		LWLockRelease(cdc_control->lock);
		ereport(LOG,
				(errmsg("replication slot \"%s\" holds back " INT64_FORMAT " bytes of WAL, its pipeline gives it up", NameStr(slot), held),
				 errdetail("The pipeline's wal_limit is " INT64_FORMAT " bytes.", limit)));
	}
	return any;
}

/* ---- the launcher -------------------------------------------------------------------------- */

static void
leave(int code, Datum arg)
{
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	cdc_control->launcher = NULL;
	LWLockRelease(cdc_control->lock);
}

void
ch_cdc_launcher(Datum arg)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(leave, 0);
	handles = MemoryContextAllocZero(TopMemoryContext, cdc_control->npipelines * sizeof(BackgroundWorkerHandle *));
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	cdc_control->launcher = MyLatch;
	LWLockRelease(cdc_control->lock);
	if (!cdc_control->scouted)
		scout();
	for (;;)
	{
		bool		limited = check_limits();
		long		pause;

		forget_dropped();
		pause = start_due();
		if (limited)
			pause = Min(pause, LIMIT_PAUSE);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, pause, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/*
 * A worker has ended: when is it tried again?  failed: it could not go on, as
 * opposed to being told to end.
 */
void
cdc_worker_ended(CdcShared *shared, bool failed)
{
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	shared->registered = false;
	shared->pid = 0;
	shared->latch = NULL;
	shared->not_before = 0;
	if (shared->gone)
		shared->in_use = false;
	if (failed)
	{
		shared->failures = Min(shared->failures + 1, 16);
		shared->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(LONGEST_PAUSE, 250 << Min(shared->failures, 10)));
	}
	shared->restarts++;
	if (cdc_control->launcher)
		SetLatch(cdc_control->launcher);
	LWLockRelease(cdc_control->lock);
}
