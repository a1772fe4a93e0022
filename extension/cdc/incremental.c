/*
 * incremental.c
 *	  Rows of a table that is already streamed, read chunk by chunk beside the
 *	  stream (after Andreakis and Papapanagiotou, "DBLog: A Watermark Based Change-Data-
 *	  Capture Framework", 2020).
 *
 * A chunk is read by a snapshot of its own and held back until the stream is past
 * the WAL that was there then.  What the snapshot does not see but the stream
 * brings until then is newer: its keys are taken out of the chunk.  So a row is
 * never sent after a newer version of it.  The snapshot tells what is newer, so no
 * watermarks need to be written.
 *
 * One thing is between the two: a transaction is in the WAL a moment before
 * snapshots see it.  If the stream has already brought one that the snapshot does
 * not see, the snapshot is taken again.
 *
 * After each chunk that Kafka has, the last key is kept: a worker that begins again
 * goes on behind it.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "cdc.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define FIRST_ROWS 100
#define CHUNK_ROWS 10000
#define RETRY_PAUSE 20000		/* microseconds, when a table is locked or its rows cannot be told from what is newer */

typedef struct Row
{
	char	   *key;			/* texts of the key's columns; the hash's key */
	CdcValue   *values;
	int64		bytes;
	struct Row *next;
} Row;

typedef struct KeyEntry
{
	char	   *key;
	Row		   *row;			/* NULL: a newer version was sent */
} KeyEntry;

/* The request that is worked on. */
typedef struct Request
{
	int64		id;
	Oid			relid;
	char	   *filter;			/* NULL: none */
	List	   *attnames;
	char	   *pub_filter;
	List	   *last_key;		/* texts; NIL: from the beginning */
	int64		rows;
	MemoryContext cxt;
	MemoryContext chunk_cxt;
	bool		whole_read;		/* the chunk is the last */
	uint64		nread;			/* rows of the chunk */
	int64		bytes;

	/* the chunk that is held back */
	bool		held;
	TransactionId xmax;			/* the snapshot: later ones are newer, */
	TransactionId *running;		/* and these */
	uint32		nrunning;
	XLogRecPtr	high;			/* the stream must be past it */
	XLogRecPtr	sent_up_to;		/* sent: what Kafka must have */
	bool		sent;
	HTAB	   *keys;
	Row		   *first;
	Row		   *last;
	CdcRelation *rel;
} Request;

static Request *request = NULL;
static int	asked = FIRST_ROWS;		/* of a chunk */
static int64 asked_of = 0;		/* the request */
static bool finished_one = false;	/* this worker, a chunk */
static bool looked = false;		/* into the catalog in vain, since something changed there */
static CdcTime not_before = 0;	/* of the next chunk */

/* ---- keys ------------------------------------------------------------------------------------ */

static uint32
hash_key(const void *key, Size size)
{
	const char *text = *(char *const *) key;

	return string_hash(text, strlen(text) + 1);
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The texts of the key's columns, with lengths before them. */
static char *
key_of(const CdcRelation *rel, const CdcValue *values)
{
	StringInfoData key;

	initStringInfo(&key);
	for (int i = 0; i < rel->nkeys; i++)
	{
		const CdcValue *value = &values[rel->keys[i]];

		appendStringInfo(&key, "%d:", value->len);
		appendBinaryStringInfo(&key, value->text, value->len);
	}
	return key.data;
}

static void
take_out(const CdcRelation *rel, const CdcValue *values)
{
	char	   *key = key_of(rel, values);
	KeyEntry   *entry = hash_search(request->keys, &key, HASH_FIND, NULL);

	if (entry)
		entry->row = NULL;
	pfree(key);
}

/* ---- what the stream brings --------------------------------------------------------------------- */

/* Top-level transactions that it brought last. */
#define RECENT 16384
static TransactionId recent[RECENT];
static uint32 next_recent = 0;

void
cdc_snapshot_saw(CdcWorker *w)
{
	recent[next_recent++ % RECENT] = w->xact.xid;
}

static bool
is_newer(TransactionId xid, TransactionId xmax, const TransactionId *running, uint32 nrunning)
{
	if (TransactionIdFollowsOrEquals(xid, xmax))
		return true;
	for (uint32 i = 0; i < nrunning; i++)
		if (running[i] == xid)
			return true;
	return false;
}

/*
 * A transaction is committed in the log of commits while it waits for a synchronous
 * standby, and the stream, of a worker before this one even, may be past it; in the
 * moment before that it is among those that were brought last.
 */
static bool
is_behind_stream(Snapshot snapshot)
{
	TransactionId next = ReadNextTransactionId();
	TransactionId xid = snapshot->xmax;

	for (uint32 i = 0; i < snapshot->xcnt; i++)
		if (TransactionIdDidCommit(snapshot->xip[i]))
			return true;
	while (TransactionIdPrecedes(xid, next))
	{
		if (TransactionIdDidCommit(xid))
			return true;
		TransactionIdAdvance(xid);
	}
	for (int i = 0; i < RECENT; i++)
	{
		if (!TransactionIdIsNormal(recent[i]))
			continue;
		/* none is of the future: it would be of 2^31 transactions ago */
		if (TransactionIdPrecedes(recent[i], next) && is_newer(recent[i], snapshot->xmax, snapshot->xip, snapshot->xcnt))
			return true;
		/* nor will a later snapshot miss it */
		recent[i] = InvalidTransactionId;
	}
	return false;
}

/* A change that is about to be sent. */
void
cdc_snapshot_change(CdcWorker *w, const CdcChange *change)
{
	if (request == NULL || !request->held || change->rel->relid != request->relid ||
		!is_newer(w->xact.xid, request->xmax, request->running, request->nrunning))
		return;
	/* the table may have changed since the chunk was read: its columns are others then */
	if (change->new)
		take_out(change->rel, change->new);
	if (change->old)
		take_out(change->rel, change->old);
}

void
cdc_snapshot_truncate(CdcWorker *w, const CdcRelation *rel)
{
	HASH_SEQ_STATUS scan;
	KeyEntry   *entry;

	if (request == NULL || !request->held || rel->relid != request->relid)
		return;
	hash_seq_init(&scan, request->keys);
	while ((entry = hash_seq_search(&scan)) != NULL)
		entry->row = NULL;
}

/* ---- requests -------------------------------------------------------------------------------------- */

static List *
texts_of(Datum array)
{
	Datum	   *elements;
	int			n;
	List	   *texts = NIL;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		texts = lappend(texts, TextDatumGetCString(elements[i]));
	return texts;
}

static void
forget_request(void)
{
	if (request)
		MemoryContextDelete(request->cxt);
	request = NULL;
}

static void
run_about(CdcWorker *w, const char *sql, int64 id, Datum value, Oid type, bool isnull)
{
	Oid			types[2] = {INT8OID, type};
	Datum		values[2] = {Int64GetDatum(id), value};
	char		nulls[3] = {' ', isnull ? 'n' : ' ', '\0'};

	if (SPI_execute_with_args(sql, 2, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
}

/* The oldest request that is not done; in a transaction. */
static void
load_request(CdcWorker *w)
{
	Oid			types[2] = {NAMEOID, NAMEOID};
	Datum		values[2] = {DirectFunctionCall1(namein, CStringGetDatum(w->config->name)), DirectFunctionCall1(namein, CStringGetDatum(w->config->publication))};
	MemoryContext cxt;
	MemoryContext old;
	HeapTuple	tuple;
	TupleDesc	desc;
	bool		isnull;
	Datum		datum;

	if (SPI_execute_with_args("SELECT s.id, s.relation::oid, s.filter, s.last_key, s.rows, " CDC_PUBLISHED_COLUMNS ", t.rowfilter "
							  "FROM cipherhorizon.cdc_snapshot s "
							  "LEFT JOIN pg_catalog.pg_class c ON c.oid = s.relation "
							  "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
							  "LEFT JOIN pg_catalog.pg_publication_tables t ON t.pubname = $2 AND t.schemaname = n.nspname AND t.tablename = c.relname "
							  "WHERE s.pipeline = $1 AND s.finished IS NULL ORDER BY s.id LIMIT 1", 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read cipherhorizon.cdc_snapshot");
	if (SPI_processed == 0)
		return;
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	cxt = AllocSetContextCreate(w->cxt, "CipherHorizon incremental snapshot", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	request = palloc0(sizeof(Request));
	request->cxt = cxt;
	request->chunk_cxt = AllocSetContextCreate(cxt, "CipherHorizon chunk", ALLOCSET_DEFAULT_SIZES);
	request->id = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
	request->relid = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &isnull));
	request->filter = SPI_getvalue(tuple, desc, 3);
	datum = SPI_getbinval(tuple, desc, 4, &isnull);
	if (!isnull)
		request->last_key = texts_of(datum);
	request->rows = DatumGetInt64(SPI_getbinval(tuple, desc, 5, &isnull));
	datum = SPI_getbinval(tuple, desc, 6, &isnull);
	if (!isnull)
		request->attnames = texts_of(datum);
	request->pub_filter = SPI_getvalue(tuple, desc, 7);
	MemoryContextSwitchTo(old);
}

static void
finish_request(CdcWorker *w, const char *problem)
{
	run_about(w, "UPDATE cipherhorizon.cdc_snapshot SET finished = now(), problem = $2 WHERE id = $1", request->id,
			  problem ? CStringGetTextDatum(problem) : (Datum) 0, TEXTOID, problem == NULL);
	forget_request();
}

/* ---- reading a chunk --------------------------------------------------------------------------------- */

static char *
chunk_query(const CdcRelation *rel)
{
	StringInfoData sql;
	StringInfoData key;

	initStringInfo(&sql);
	initStringInfo(&key);
	cdc_append_select(&sql, request->relid, request->attnames);
	if (request->pub_filter)
		appendStringInfo(&sql, " AND (%s)", request->pub_filter);
	if (request->filter)
		appendStringInfo(&sql, " AND (%s)", request->filter);
	for (int i = 0; i < rel->nkeys; i++)
		appendStringInfo(&key, "%s%s", i ? ", " : "", quote_identifier(rel->columns[rel->keys[i]].name));
	if (request->last_key)
	{
		appendStringInfo(&sql, " AND (%s) > (", key.data);
		for (int i = 0; i < rel->nkeys; i++)
			appendStringInfo(&sql, "%s%s::%s", i ? ", " : "", quote_literal_cstr(list_nth(request->last_key, i)),
							 format_type_with_typemod(rel->columns[rel->keys[i]].type, rel->columns[rel->keys[i]].typmod));
		appendStringInfoChar(&sql, ')');
	}
	appendStringInfo(&sql, " ORDER BY %s LIMIT %d", key.data, asked);
	return sql.data;
}

/* In chunk_cxt. */
static void
hold_row(const CdcRelation *rel, FmgrInfo *output, HeapTuple tuple, TupleDesc desc)
{
	Row		   *row = palloc0(sizeof(Row));
	KeyEntry   *entry;
	bool		found;

	row->values = palloc(rel->ncolumns * sizeof(CdcValue));
	row->bytes = cdc_read_row(rel, output, tuple, desc, row->values);
	request->bytes += row->bytes;
	row->key = key_of(rel, row->values);
	entry = hash_search(request->keys, &row->key, HASH_ENTER, &found);
	entry->row = row;
	if (request->last)
		request->last->next = row;
	else
		request->first = row;
	request->last = row;
}

/* In chunk_cxt. */
static void
hold_rows(CdcRelation *rel)
{
	HASHCTL		ctl = {.keysize = sizeof(char *), .entrysize = sizeof(KeyEntry), .hash = hash_key, .match = compare_keys, .hcxt = request->chunk_cxt};
	FmgrInfo   *output = cdc_output_functions(rel);

	request->keys = hash_create("keys of a chunk", CHUNK_ROWS, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	request->first = request->last = NULL;
	request->nread = SPI_processed;
	request->bytes = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
		hold_row(rel, output, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
}

static const char *
problem_with_request(void)
{
	if (request->attnames == NIL)
		return "the table is not published";
	if (request->rel->nkeys == 0)
		return "the table has no primary key";
	return NULL;
}

static void
keep_snapshot(Snapshot snapshot)
{
	request->xmax = snapshot->xmax;
	request->nrunning = snapshot->xcnt;
	request->running = palloc(Max(1, snapshot->xcnt) * sizeof(TransactionId));
	memcpy(request->running, snapshot->xip, snapshot->xcnt * sizeof(TransactionId));
}

/*
 * As the pipeline's owner: the filter is a text of his.  Settings that it changes are
 * set back: what follows is run by a superuser.  An error in it, or in values that
 * are too large, is the request's, not the stream's: returned, NULL if there was none.
 */
static char *
run_query(CdcWorker *w, const char *sql)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile problem = NULL;
	Oid			userid;
	int			context;

	GetUserIdAndSecContext(&userid, &context);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		int			settings = NewGUCNestLevel();

		SetUserIdAndSecContext(w->config->owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
		if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read a chunk of table %u", request->relid);
		AtEOXact_GUC(false, settings);
		SetUserIdAndSecContext(userid, context);
		MemoryContextSwitchTo(request->chunk_cxt);
		hold_rows(request->rel);
		MemoryContextSwitchTo(cxt);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		SetUserIdAndSecContext(userid, context);
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
		problem = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return problem;
}

static void
try_later(void)
{
	not_before = cdc_now() + RETRY_PAUSE;
	forget_request();
}

static void
read_chunk(CdcWorker *w)
{
	MemoryContext old;
	const char *problem;

	if (is_behind_stream(GetActiveSnapshot()))
	{
		try_later();
		return;
	}
	if (request->id != asked_of)
		asked = FIRST_ROWS;
	asked_of = request->id;
	MemoryContextReset(request->chunk_cxt);
	if (request->attnames)
		request->rel = cdc_relation_open(w, request->relid, request->attnames, request->chunk_cxt);
	problem = problem_with_request();
	if (problem == NULL)
		problem = run_query(w, chunk_query(request->rel));
	if (problem)
	{
		finish_request(w, problem);
		return;
	}
	old = MemoryContextSwitchTo(request->chunk_cxt);
	request->whole_read = request->nread < asked;
	keep_snapshot(GetActiveSnapshot());
	MemoryContextSwitchTo(old);
	asked = cdc_next_rows(asked, request->nread, request->bytes, CHUNK_ROWS);
	request->high = GetXLogInsertRecPtr();
	request->held = true;
}

/* ---- sending a chunk ----------------------------------------------------------------------------------- */

static void
send_chunk(CdcWorker *w)
{
	CdcTransaction within = w->xact;

	request->held = false;
	w->xact.open = w->xact.snapshot = true;
	w->xact.xid = InvalidTransactionId;
	/* newer than all that was read, older than a commit whose record begins there */
	w->xact.commit = w->snapshot_commit = w->read_to - 1;
	w->xact.lsn = w->read_to;
	w->xact.commit_time = GetCurrentTimestamp();
	w->xact.seq = w->xact.skip = 0;
	w->xact.traceparent = w->xact.origin = NULL;
	for (Row *row = request->first; row; row = row->next)
	{
		KeyEntry   *entry = hash_search(request->keys, &row->key, HASH_FIND, NULL);
		CdcChange	change = {.op = CDC_READ, .rel = request->rel, .new = row->values, .snapshot = "incremental"};
		MemoryContext old;

		if (entry == NULL || entry->row != row)
			continue;
		old = MemoryContextSwitchTo(w->change_cxt);
		cdc_send_read(w, &change, row->bytes);
		MemoryContextSwitchTo(old);
		MemoryContextReset(w->change_cxt);
		request->rows++;
	}
	w->xact = within;
	cdc_batch_end(w, Max(w->produced, w->read_to), 0);
	request->sent = true;
	request->sent_up_to = w->next_batch;
}

/* Kafka has the chunk: keep the last key, or the end. */
static void
keep_progress(CdcWorker *w)
{
	Datum	   *keys;
	ArrayType  *array;
	const Row  *last = request->last;

	if (last)
	{
		MemoryContext old = MemoryContextSwitchTo(request->cxt);

		keys = palloc(request->rel->nkeys * sizeof(Datum));
		request->last_key = NIL;
		for (int i = 0; i < request->rel->nkeys; i++)
		{
			const CdcValue *value = &last->values[request->rel->keys[i]];

			request->last_key = lappend(request->last_key, pnstrdup(value->text, value->len));
			keys[i] = CStringGetTextDatum(llast(request->last_key));
		}
		MemoryContextSwitchTo(old);
		array = construct_array(keys, request->rel->nkeys, TEXTOID, -1, false, TYPALIGN_INT);
		run_about(w, "UPDATE cipherhorizon.cdc_snapshot SET last_key = $2 WHERE id = $1", request->id, PointerGetDatum(array), TEXTARRAYOID, false);
	}
	run_about(w, "UPDATE cipherhorizon.cdc_snapshot SET rows = $2 WHERE id = $1", request->id, Int64GetDatum(request->rows), INT8OID, false);
	finished_one = true;
	if (cdc_snapshot_rate > 0)
		not_before = cdc_now() + (int64) request->nread * 1000000 / cdc_snapshot_rate;
	if (request->whole_read)
		finish_request(w, NULL);
	else
		forget_request();		/* it may be taken back meanwhile */
}

/* ---- the steps -------------------------------------------------------------------------------------------- */

static void
in_transaction(CdcWorker *w, void (*step) (CdcWorker *w))
{
	cdc_transaction_begin();
	step(w);
	cdc_transaction_commit();
}

/*
 * What is locked is not rewritten any more.  Nobody is waited for: the stream would
 * wait, too.
 */
static bool
lock(Oid relid)
{
	List	   *tables = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? find_all_inheritors(relid, NoLock, NULL) : list_make1_oid(relid);
	ListCell   *lc;

	foreach(lc, tables)
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			return false;
	return true;
}

static void
begin_chunk(CdcWorker *w)
{
	Oid			relid;

	load_request(w);
	looked = request == NULL;
	if (looked)
		return;
	relid = request->relid;
	if (!lock(relid))
	{
		try_later();
		return;
	}
	/* what was done to the table before is seen now: other columns, other files */
	forget_request();
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	load_request(w);
	if (request == NULL || request->relid != relid)
		forget_request();
	else if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		read_chunk(w);
	else
		finish_request(w, "the table is gone");
}

/* The catalog says something new. */
void
cdc_snapshot_look(void)
{
	looked = false;
}

bool
cdc_snapshot_passed(void)
{
	return finished_one || (request == NULL && looked);
}

/* Between two records of WAL. */
void
cdc_snapshot_step(CdcWorker *w)
{
	if (request && request->held)
	{
		if (w->read_to >= request->high)
			send_chunk(w);
	}
	else if (request && request->sent)
	{
		/* what is acknowledged within a transaction of Kafka is only there when that has ended */
		cdc_transaction_end(w, true);
		if (w->first_batch >= request->sent_up_to)
			in_transaction(w, keep_progress);
	}
	else if (!looked && cdc_now() >= not_before)
	{
		/* it may take long, and Kafka would end a transaction that is open meanwhile */
		cdc_transaction_end(w, true);
		pg_atomic_write_u32(&w->shared->reading, 1);
		in_transaction(w, begin_chunk);
		pg_atomic_write_u32(&w->shared->reading, 0);
	}
}
