/*
 * shared.c
 *	  What all processes see of the pipelines: their workers, states and counters,
 *	  in shared memory.  The catalog says what is wanted, this is what is there:
 *	  it is made anew when the server starts.
 *
 * Here is also what other backends do for the pipelines: a commit wakes the
 * workers that sleep, a change in the catalog is passed on when it commits, and
 * what a pipeline cannot do without is not dropped.
 */
#include "postgres.h"

#include <limits.h>
#include <signal.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/objectaddress.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_publication.h"
#include "cdc.h"
#include "commands/extension.h"
#include "fdw/core/compat.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ch_cdc_asker);
PG_FUNCTION_INFO_V1(ch_cdc_changed);
PG_FUNCTION_INFO_V1(ch_cdc_workers);
PG_FUNCTION_INFO_V1(ch_cdc_tables);
PG_FUNCTION_INFO_V1(ch_cdc_preloaded);

CdcControl *cdc_control = NULL;

int			cdc_max_pipelines;
int			cdc_work_mem;
int			cdc_queue_size;
int			cdc_confirm_interval;
int			cdc_snapshot_rate;
char	   *cdc_databases;

const char *const cdc_state_names[] = {
	"starting", "creating", "snapshot", "streaming", "stalled", "paused", "gap", "lost", "failed"
};

static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;
static object_access_hook_type next_object_access = NULL;

static List *changed = NIL;		/* names of pipelines, told of at the commit */

/* ---- shared memory ---------------------------------------------------------------- */

static Size
shared_size(void)
{
	return add_size(offsetof(CdcControl, pipelines), mul_size(cdc_max_pipelines, sizeof(CdcShared)));
}

static void
request_shared_memory(void)
{
	if (next_shmem_request)
		next_shmem_request();
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("cipherhorizon_cdc", 1);
}

static void
start_shared_memory(void)
{
	bool		found;

	if (next_shmem_startup)
		next_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	cdc_control = ShmemInitStruct("cipherhorizon cdc", shared_size(), &found);
	if (!found)
	{
		memset(cdc_control, 0, shared_size());
		cdc_control->lock = &GetNamedLWLockTranche("cipherhorizon_cdc")->lock;
		cdc_control->npipelines = cdc_max_pipelines;
		pg_atomic_init_u32(&cdc_control->workers, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static CdcShared *
find(Oid database, const char *name)
{
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];

		if (shared->in_use && shared->database == database && strcmp(NameStr(shared->name), name) == 0)
			return shared;
	}
	return NULL;
}

CdcShared *
cdc_find(Oid database, const char *name)
{
	return find(database, name);
}

static CdcShared *
take_place(Oid database, const char *name)
{
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];

		if (shared->in_use)
			continue;
		memset(shared, 0, sizeof(CdcShared));
		shared->database = database;
		namestrcpy(&shared->name, name);
		shared->state_since = GetCurrentTimestamp();
		pg_atomic_init_u32(&shared->sleeping, 0);
		pg_atomic_init_u32(&shared->changed, 0);
		pg_atomic_init_u32(&shared->reading, 0);
		for (int c = 0; c < CDC_NCOUNTERS; c++)
			pg_atomic_init_u64(&shared->counters[c], 0);
		pg_atomic_init_u64(&shared->read_lsn, 0);
		pg_atomic_init_u64(&shared->acked_lsn, 0);
		pg_atomic_init_u64(&shared->confirmed_lsn, 0);
		pg_atomic_init_u64(&shared->commit_time, 0);
		pg_atomic_init_u64(&shared->in_flight, 0);
		for (int t = 0; t < CDC_MAX_TABLES; t++)
		{
			pg_atomic_init_u32(&shared->tables[t].relid, InvalidOid);
			pg_atomic_init_u64(&shared->tables[t].last_commit, 0);
			for (int c = 0; c < CDC_N_TABLE_COUNTERS; c++)
				pg_atomic_init_u64(&shared->tables[t].counts[c], 0);
		}
		shared->in_use = true;
		return shared;
	}
	return NULL;
}

/*
 * A worker is wanted: it looks at the catalog, and knows what to do.  While it makes
 * the slot, the snapshot or a chunk of one it may wait for long and hear nothing: it
 * is ended, and the next one begins with that look.
 */
CdcShared *
cdc_register(Oid database, const char *name)
{
	CdcShared  *shared;

	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	shared = find(database, name);
	if (shared == NULL)
		shared = take_place(database, name);
	if (shared)
	{
		shared->wanted = true;
		shared->gone = false;
		shared->failures = 0;
		shared->not_before = 0;
		pg_atomic_write_u32(&shared->changed, 1);
		if (shared->latch)
			SetLatch(shared->latch);
		if (shared->pid != 0 && (shared->state == CDC_CREATING || shared->state == CDC_SNAPSHOT || pg_atomic_read_u32(&shared->reading)))
			kill(shared->pid, SIGTERM);
	}
	LWLockRelease(cdc_control->lock);
	cdc_wake_launcher();
	return shared;
}

/* The worker ends, and its place is free: unless it is registered anew until then, or was since it looked. */
void
cdc_forget(CdcShared *shared)
{
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&shared->changed) == 0)
	{
		shared->wanted = false;
		shared->gone = true;
	}
	LWLockRelease(cdc_control->lock);
}

/* error: NULL leaves the last one. */
void
cdc_set_state(CdcShared *shared, CdcState state, const char *error)
{
	LWLockAcquire(cdc_control->lock, LW_EXCLUSIVE);
	if (shared->state != state)
		shared->state_since = GetCurrentTimestamp();
	shared->state = state;
	if (error)
	{
		strlcpy(shared->error, error, CDC_ERROR_SIZE);
		shared->error_at = GetCurrentTimestamp();
	}
	LWLockRelease(cdc_control->lock);
}

void
cdc_wake_launcher(void)
{
	LWLockAcquire(cdc_control->lock, LW_SHARED);
	if (cdc_control->launcher)
		SetLatch(cdc_control->launcher);
	LWLockRelease(cdc_control->lock);
}

CdcTableStats *
cdc_table_stats(CdcShared *shared, Oid relid)
{
	int			t = 0;

	while (t < CDC_MAX_TABLES - 1)
	{
		uint32		found = pg_atomic_read_u32(&shared->tables[t].relid);

		if (found == relid)
			break;
		if (found == InvalidOid)
		{
			pg_atomic_write_u32(&shared->tables[t].relid, relid);
			break;
		}
		t++;
	}
	return &shared->tables[t];
}

/* ---- what other backends do ---------------------------------------------------------- */

/* Workers that wait for WAL: this one has committed some. */
static void
wake_sleepers(void)
{
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];
		Latch	   *latch = shared->latch;

		/* a latch is of shared memory, and one too many does no harm */
		if (shared->database == MyDatabaseId && latch && pg_atomic_exchange_u32(&shared->sleeping, 0))
			SetLatch(latch);
	}
}

static void
tell_changed(void)
{
	ListCell   *lc;

	foreach(lc, changed)
		if (cdc_register(MyDatabaseId, lfirst(lc)) == NULL)
			ereport(WARNING,
					(errmsg("pipeline \"%s\" cannot run: there are %d others", (char *) lfirst(lc), cdc_control->npipelines),
					 errhint("Raise cipherhorizon.cdc_max_pipelines, and restart the server.")));
	list_free_deep(changed);
	changed = NIL;
}

static void
at_end(XactEvent event, void *arg)
{
	if (cdc_control == NULL)
		return;
	cdc_trace_end();
	if (event == XACT_EVENT_COMMIT)
	{
		if (changed)
			tell_changed();
		if (pg_atomic_read_u32(&cdc_control->workers) > 0 && TransactionIdIsValid(GetTopTransactionIdIfAny()))
			wake_sleepers();
	}
	else if (event == XACT_EVENT_PRE_PREPARE && changed)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has changed a pipeline"),
				 errdetail("Who commits it would not know whom to tell.")));
	else if (event == XACT_EVENT_ABORT)
	{
		list_free_deep(changed);
		changed = NIL;
	}
}

/* The catalog says something new of a pipeline, when this transaction commits. */
Datum
ch_cdc_changed(PG_FUNCTION_ARGS)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	changed = lappend(changed, pstrdup(NameStr(*PG_GETARG_NAME(0))));
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}

Datum
ch_cdc_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cdc_control != NULL);
}

/*
 * The role that called a SECURITY DEFINER function, whoever owns that.  Where others'
 * code is run for a superuser (an index's function by ANALYZE, by autovacuum even),
 * that is not the one who asks.
 */
Datum
ch_cdc_asker(PG_FUNCTION_ARGS)
{
	Name		asker = palloc0(sizeof(NameData));

	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot change a pipeline within a security-restricted operation")));
	namestrcpy(asker, GetUserNameFromId(GetOuterUserId(), false));
	PG_RETURN_NAME(asker);
}

/* Has this command given a publication or a server another name?  The catalog cache does not show it yet. */
static bool
is_renamed(Oid classid, Oid objectid)
{
	bool		publication = classid == PublicationRelationId;
	Relation	rel = table_open(classid, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	const char *old = publication ? get_publication_name(objectid, true) : GetForeignServer(objectid)->servername;
	bool		renamed = false;

	ScanKeyInit(&key, publication ? Anum_pg_publication_oid : Anum_pg_foreign_server_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(objectid));
	scan = systable_beginscan(rel, publication ? PublicationObjectIndexId : ForeignServerOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (tuple && old)
		renamed = strcmp(old, publication ? NameStr(((Form_pg_publication) GETSTRUCT(tuple))->pubname) :
						 NameStr(((Form_pg_foreign_server) GETSTRUCT(tuple))->srvname)) != 0;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return renamed;
}

/*
 * The pipeline of this database that could not go on.  Decoding looks the
 * publication up, by name, as it was at each change: where it was gone no worker
 * would ever get past.
 */
static char *
user_of(Oid classid, Oid objectid)
{
	char	   *user = NULL;

	LWLockAcquire(cdc_control->lock, LW_SHARED);
	for (int i = 0; i < cdc_control->npipelines && user == NULL; i++)
	{
		const CdcShared *shared = &cdc_control->pipelines[i];

		/* roles are of all databases */
		if (!shared->in_use || (shared->database != MyDatabaseId && classid != AuthIdRelationId))
			continue;
		if (classid == ExtensionRelationId || (classid == AuthIdRelationId && shared->owner == objectid) ||
			(classid == ForeignServerRelationId && shared->server == objectid) ||
			(classid == PublicationRelationId && shared->publication == objectid))
			user = pstrdup(NameStr(shared->name));
	}
	LWLockRelease(cdc_control->lock);
	return user;
}

static void
look_at_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	ObjectAddress object = {classid, objectid, 0};
	char	   *user;

	if (next_object_access)
		next_object_access(access, classid, objectid, subid, arg);
	if (cdc_control == NULL ||
		!(access == OAT_DROP ? (classid == PublicationRelationId || classid == ForeignServerRelationId || classid == AuthIdRelationId ||
								(classid == ExtensionRelationId && objectid == get_extension_oid("cipherhorizon", true)))
		  : access == OAT_POST_ALTER && (classid == PublicationRelationId || classid == ForeignServerRelationId)))
		return;
	user = user_of(classid, objectid);
	if (user == NULL || (access == OAT_POST_ALTER && !is_renamed(classid, objectid)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot %s %s because a pipeline needs it", access == OAT_DROP ? "drop" : "rename",
					getObjectDescription(&object, false)),
			 errdetail("Pipeline \"%s\" streams its changes to Kafka.", user),
			 errhint("SELECT cipherhorizon.cdc_drop(%s); first.", quote_literal_cstr(user))));
}

/* ---- what is shown ------------------------------------------------------------------- */

static Datum
lsn_datum(pg_atomic_uint64 *lsn, bool *isnull)
{
	uint64		value = pg_atomic_read_u64(lsn);

	*isnull = value == 0;
	return LSNGetDatum(value);
}

/* One row for each pipeline of this database that shared memory knows. */
Datum
ch_cdc_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (cdc_control == NULL)
		return (Datum) 0;
	LWLockAcquire(cdc_control->lock, LW_SHARED);
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];
		Datum		values[14 + CDC_NCOUNTERS];
		bool		nulls[14 + CDC_NCOUNTERS] = {0};
		int			n = 0;

		if (!shared->in_use || shared->database != MyDatabaseId)
			continue;
		values[n++] = NameGetDatum(&shared->name);
		nulls[n] = shared->pid == 0;
		values[n++] = Int32GetDatum(shared->pid);
		values[n++] = CStringGetTextDatum(cdc_state_names[shared->state]);
		values[n++] = TimestampTzGetDatum(shared->state_since);
		nulls[n] = shared->error[0] == '\0';
		values[n++] = CStringGetTextDatum(shared->error);
		nulls[n] = shared->error[0] == '\0';
		values[n++] = TimestampTzGetDatum(shared->error_at);
		values[n++] = Int64GetDatum(shared->restarts);
		nulls[n] = shared->not_before == 0 || shared->pid != 0;
		values[n++] = TimestampTzGetDatum(shared->not_before);
		values[n] = lsn_datum(&shared->read_lsn, &nulls[n]);
		n++;
		values[n] = lsn_datum(&shared->acked_lsn, &nulls[n]);
		n++;
		values[n] = lsn_datum(&shared->confirmed_lsn, &nulls[n]);
		n++;
		nulls[n] = pg_atomic_read_u64(&shared->commit_time) == 0;
		values[n++] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&shared->commit_time));
		values[n++] = Int64GetDatum(pg_atomic_read_u64(&shared->in_flight));
		for (int c = 0; c < CDC_NCOUNTERS; c++)
			values[n++] = Int64GetDatum(pg_atomic_read_u64(&shared->counters[c]));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	LWLockRelease(cdc_control->lock);
	return (Datum) 0;
}

/* One row for each table of each of them. */
Datum
ch_cdc_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (cdc_control == NULL)
		return (Datum) 0;
	LWLockAcquire(cdc_control->lock, LW_SHARED);
	for (int i = 0; i < cdc_control->npipelines; i++)
	{
		CdcShared  *shared = &cdc_control->pipelines[i];

		if (!shared->in_use || shared->database != MyDatabaseId)
			continue;
		for (int t = 0; t < CDC_MAX_TABLES; t++)
		{
			CdcTableStats *stats = &shared->tables[t];
			Oid			relid = pg_atomic_read_u32(&stats->relid);
			uint64		commit = pg_atomic_read_u64(&stats->last_commit);
			Datum		values[3 + CDC_N_TABLE_COUNTERS] = {NameGetDatum(&shared->name), ObjectIdGetDatum(relid), TimestampTzGetDatum((TimestampTz) commit)};
			bool		nulls[3 + CDC_N_TABLE_COUNTERS] = {false, !OidIsValid(relid), commit == 0};

			if (!OidIsValid(relid) && (t < CDC_MAX_TABLES - 1 || commit == 0))
				continue;
			for (int c = 0; c < CDC_N_TABLE_COUNTERS; c++)
				values[3 + c] = Int64GetDatum(pg_atomic_read_u64(&stats->counts[c]));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	LWLockRelease(cdc_control->lock);
	return (Datum) 0;
}

/* ---- settings --------------------------------------------------------------------------- */

static void
define_settings(void)
{
	DefineCustomIntVariable("cipherhorizon.cdc_max_pipelines",
							"Pipelines of all databases that can run.",
							"Each takes a background worker and a replication slot.",
							&cdc_max_pipelines, 16, 1, 1000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cipherhorizon.cdc_databases",
							   "Databases whose pipelines run, with commas between; empty means all.", NULL,
							   &cdc_databases, "", PGC_POSTMASTER, GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.cdc_work_mem",
							"Memory of a pipeline's worker for changes that are not yet committed.",
							"More is written to disk, and read again at the commit.",
							&cdc_work_mem, 256 * 1024, 64, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.cdc_queue_size",
							"Memory of a pipeline's worker for records that Kafka has not acknowledged.",
							"When it is full no WAL is read until Kafka has taken some.",
							&cdc_queue_size, 64 * 1024, 1024, 2097151, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.cdc_confirm_interval",
							"Time between two notes of a pipeline's position.",
							"What was sent since the last one is sent again after a crash.",
							&cdc_confirm_interval, 1000, 10, 600000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.cdc_snapshot_rate",
							"Rows a second that an incremental snapshot reads.",
							"0 means no limit.",
							&cdc_snapshot_rate, 0, 0, INT_MAX, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
ch_cdc_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	define_settings();
	cdc_trace_init();
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;
	next_object_access = object_access_hook;
	object_access_hook = look_at_access;
	RegisterXactCallback(at_end, NULL);
	cdc_launcher_register();
}
