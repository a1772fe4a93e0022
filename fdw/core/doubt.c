/*
 * doubt.c
 *	  Keeping a record of transactions that some of their stores kept and others
 *	  did not, or of which that is not known.
 *
 * Such a transaction is rolled back in PostgreSQL, so the record is written by
 * a background worker in a transaction of its own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "storage/dsm.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PGDLLEXPORT void ch_doubt_worker(Datum arg);

static StringInfo late = NULL;	/* of transactions that ended in an abort */

/* What the worker gets. */
typedef struct Task
{
	Oid			database;		/* InvalidOid: the worker is done */
	char		sql[FLEXIBLE_ARRAY_MEMBER];
} Task;

static void
put_statement(StringInfo sql, List *doubts, const char *reason)
{
	ListCell   *lc;
	TransactionId xid = GetTopTransactionIdIfAny();

	foreach(lc, doubts)
	{
		const ChDoubt *doubt = lfirst(lc);

		appendStringInfo(sql, "INSERT INTO cipherhorizon.in_doubt (pid, xid, role, server, outcome, records, reason) "
						 "VALUES (%d, %s, %s, %s, %s, " INT64_FORMAT ", %s);\n",
						 MyProcPid, TransactionIdIsValid(xid) ? psprintf("'%u'", xid) : "NULL",
						 quote_literal_cstr(doubt->role),
						 quote_literal_cstr(doubt->server), quote_literal_cstr(doubt->outcome),
						 doubt->records, quote_literal_cstr(reason));
	}
}

BackgroundWorker
ch_background_worker(const char *kind, const char *what, const char *function, Datum arg)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "cipherhorizon",
		.bgw_main_arg = arg,
		/* the postmaster is told anyway */
		.bgw_notify_pid = IsUnderPostmaster ? MyProcPid : 0,
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "%s%s%s", kind, what ? " " : "", what ? what : "");
	strlcpy(worker.bgw_type, kind, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
	return worker;
}

bool
ch_run_in_worker(const char *sql)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	dsm_segment *segment = dsm_create(offsetof(Task, sql) + strlen(sql) + 1, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	Task	   *task;
	bool		done;

	if (segment == NULL)
		return false;
	task = dsm_segment_address(segment);
	task->database = MyDatabaseId;
	strcpy(task->sql, sql);
	worker = ch_background_worker("cipherhorizon in_doubt", NULL, "ch_doubt_worker", UInt32GetDatum(dsm_segment_handle(segment)));
	/* a cancel must not lose the record; the worker takes milliseconds */
	HOLD_INTERRUPTS();
	done = RegisterDynamicBackgroundWorker(&worker, &handle) &&
		WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED && task->database == InvalidOid;
	RESUME_INTERRUPTS();
	dsm_detach(segment);
	return done;
}

void
ch_doubt_worker(Datum arg)
{
	dsm_segment *segment;
	Task	   *task;

	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		ereport(ERROR, (errmsg("could not attach to a dynamic shared memory segment")));
	task = dsm_segment_address(segment);
	/* as the owner of everything: the table is the extension's */
	BackgroundWorkerInitializeConnectionByOid(task->database, InvalidOid, 0);
	/* the owner of a database may set it, to a schema with types of his own */
	SetConfigOption("search_path", "pg_catalog", PGC_SUSET, PGC_S_OVERRIDE);
	/* what relies on the record goes on when it is there */
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	dsm_pin_mapping(segment);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute(task->sql, false, 0) < 0)
		elog(ERROR, "could not write to cipherhorizon.in_doubt");
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	task->database = InvalidOid;	/* it is done */
	dsm_detach(segment);
}

void
ch_record_doubt(List *doubts, const char *reason)
{
	StringInfoData sql;

	initStringInfo(&sql);
	put_statement(&sql, doubts, reason);
	if (!ch_run_in_worker(sql.data))
		ereport(WARNING,
				(errmsg("a transaction that only some stores kept could not be recorded"),
				 errdetail("%s", sql.data),
				 errhint("Raise max_worker_processes.")));
}

void
ch_note_late_doubt(List *doubts)
{
	MemoryContext old;

	if (doubts == NIL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (late == NULL)
		late = makeStringInfo();
	put_statement(late, doubts, "PostgreSQL did not commit after the stores had");
	MemoryContextSwitchTo(old);
	ereport(WARNING, (errmsg("stores have kept what this transaction wrote, PostgreSQL has not")));
}

void
ch_record_late_doubts(void)
{
	StringInfo	sql = late;

	if (sql == NULL)
		return;
	late = NULL;
	if (!ch_run_in_worker(sql->data))
		ereport(WARNING, (errmsg("a transaction that only some stores kept could not be recorded"), errdetail("%s", sql->data)));
	pfree(sql->data);
	pfree(sql);
}
