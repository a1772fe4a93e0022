/*
 * pending.c
 *	  What a transaction has written and not yet sent, and when it is sent.
 *
 * For each server, role and mode there is one queue of batches.  A batch
 * belongs to the subtransaction that wrote it and goes with it when that is
 * rolled back.  What work_mem does not hold waits in a temporary file.
 *
 * At commit the queues that wait for it are applied first, for they may still
 * be refused; then the transactions of stores are committed, which seldom is.
 * PostgreSQL commits last.  If one fails after another has committed, the error
 * says which, and doubt.c keeps it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#define DEFAULT_BATCH_BYTES (1024 * 1024)
#define DEFAULT_BATCH_RECORDS 10000

/* A batch that waits, in its pending's context. */
typedef struct WaitingBatch
{
	dlist_node	node;
	ChBatch		batch;			/* data NULL: in the file, */
	int			fileno;
	off_t		offset;			/* from here */
	StringInfoData buf;			/* data, unless in the file */
	size_t		counted;		/* of it in pending->memory */
	SubTransactionId subid;
} WaitingBatch;

struct ChBatches
{
	dlist_head	batches;		/* WaitingBatch */
	dlist_node *next;			/* NULL: the first */
	BufFile    *file;
	int			end_fileno;		/* where the next batch goes */
	off_t		end_offset;
	char	   *buffer;			/* a batch that was read from it */
	size_t		room;
	MemoryContext cxt;
};

struct ChPending
{
	dlist_node	node;
	Oid			serverid;
	Oid			userid;
	char	   *server_name;	/* for when nothing can be looked up */
	char	   *role_name;
	const ChDriver *driver;
	ChWriteMode mode;
	MemoryContext cxt;			/* child of TopTransactionContext */
	ChBatches	queue;
	size_t		memory;			/* of batches that wait in memory */
	ChConn	   *conn;			/* with a transaction of the store, or NULL */
	ChConn	   *ready;			/* to be used at the commit, or NULL */
	bool		lost;			/* it had one, which is gone */
	int64		sent;			/* records that were applied in it */
	bool		committed;		/* all that it had is done */
	bool		unsure;			/* or perhaps */
};

/* ChWrite.known */
typedef struct KnownWrite
{
	ChWriteKey	key;
	ChWrite    *write;
	ChPending  *pending;
	WaitingBatch *filling;		/* last of pending's queue, or NULL */
	size_t		record;			/* where the record begins that is being made */
	bool		stale;			/* its table has changed */
} KnownWrite;

static dlist_head pendings = DLIST_STATIC_INIT(pendings);
static List *writes = NIL;		/* KnownWrite, in TopTransactionContext */
static bool doubt_recorded = false; /* of this transaction */

/* ---- batches, as drivers see them ------------------------------------------ */

static void
read_batch(ChBatches *batches, WaitingBatch *waiting)
{
	if (batches->room < waiting->batch.size)
	{
		if (batches->buffer)
			pfree(batches->buffer);
		batches->buffer = MemoryContextAllocHuge(batches->cxt, waiting->batch.size);
		batches->room = waiting->batch.size;
	}
	if (BufFileSeek(batches->file, waiting->fileno, waiting->offset, SEEK_SET) != 0 ||
		BufFileRead(batches->file, batches->buffer, waiting->batch.size) != waiting->batch.size)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read from a temporary file: %m")));
}

const ChBatch *
ch_next_batch(ChBatches *batches)
{
	WaitingBatch *waiting;
	static ChBatch from_file;

	if (batches->next == NULL ? dlist_is_empty(&batches->batches) : !dlist_has_next(&batches->batches, batches->next))
		return NULL;
	batches->next = batches->next == NULL ? dlist_head_node(&batches->batches)
		: dlist_next_node(&batches->batches, batches->next);
	waiting = dlist_container(WaitingBatch, node, batches->next);
	if (waiting->batch.data || waiting->batch.size == 0)
		return &waiting->batch;
	read_batch(batches, waiting);
	from_file = waiting->batch;
	from_file.data = batches->buffer;
	return &from_file;
}

void
ch_rewind_batches(ChBatches *batches)
{
	batches->next = NULL;
}

bool
ch_next_record(const ChBatch *batch, size_t *at, const char **data, uint32 *len)
{
	if (*at >= batch->size)
		return false;
	memcpy(len, batch->data + *at, sizeof(uint32));
	*data = batch->data + *at + sizeof(uint32);
	*at += sizeof(uint32) + *len;
	return true;
}

static void
count_memory(ChPending *pending, WaitingBatch *waiting)
{
	size_t		now = waiting->buf.data ? waiting->buf.maxlen : 0;

	pending->memory += now - waiting->counted;
	waiting->counted = now;
}

static void
drop_buffer(ChPending *pending, WaitingBatch *waiting)
{
	if (waiting->buf.data)
		pfree(waiting->buf.data);
	waiting->buf.data = NULL;
	count_memory(pending, waiting);
}

static void
free_batch(ChPending *pending, WaitingBatch *waiting)
{
	ListCell   *lc;

	foreach(lc, writes)
		if (((KnownWrite *) lfirst(lc))->filling == waiting)
			((KnownWrite *) lfirst(lc))->filling = NULL;
	dlist_delete(&waiting->node);
	drop_buffer(pending, waiting);
	pfree(waiting);
}

/* ---- transactions of stores --------------------------------------------------- */

/* Called by the connection cache when a connection goes: it may be one of ours. */
static void
forget_connection(const ChConn *conn)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pendings)
	{
		ChPending  *pending = dlist_container(ChPending, node, iter.cur);

		if (pending->conn != conn)
			continue;
		pending->conn = NULL;
		pending->lost = true;
	}
}

ChConn *
ch_remote_transaction(Oid serverid, Oid userid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pendings)
	{
		ChPending  *pending = dlist_container(ChPending, node, iter.cur);

		if (pending->serverid != serverid || pending->userid != userid || pending->mode != CH_WRITE_TRANSACTION)
			continue;
		if (pending->lost)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_ERROR),
					 errmsg("the transaction of store \"%s\" was lost", pending->server_name),
					 errdetail("The connection in which this transaction has written to it was closed by an error."),
					 errhint("Roll back and run the transaction again.")));
		return pending->conn;
	}
	return NULL;
}

bool
ch_in_remote_transaction(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pendings)
		if (dlist_container(ChPending, node, iter.cur)->conn)
			return true;
	return false;
}

static void
begin_remote(ChPending *pending)
{
	ChConn	   *conn;

	if (ch_remote_transaction(pending->serverid, pending->userid))
		return;
	conn = ch_conn_acquire(pending->serverid, pending->userid);
	PG_TRY();
	{
		pending->driver->begin_remote(conn);
	}
	PG_CATCH();
	{
		ch_conn_drop(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	conn->remote = true;
	conn->gone = forget_connection;
	conn->in_use = false;		/* but for us and scans of this role */
	pending->conn = conn;
}

/* ---- applying ----------------------------------------------------------------------- */

/* Move the first n batches (-1: all) over; returns how many records they have. */
static int64
take_batches(ChPending *pending, int n, ChBatches *part)
{
	int64		records = 0;

	while (n-- != 0 && !dlist_is_empty(&pending->queue.batches))
	{
		WaitingBatch *waiting = dlist_head_element(WaitingBatch, node, &pending->queue.batches);

		dlist_delete(&waiting->node);
		dlist_push_tail(&part->batches, &waiting->node);
		if (waiting->buf.data)
		{
			waiting->batch.data = waiting->buf.data;
			waiting->batch.size = waiting->buf.len;
		}
		records += waiting->batch.nrecords;
	}
	return records;
}

/*
 * Have the driver apply batches, or commit what it has applied (NULL).  Sets
 * pending->unsure if the store may have done it though an error says otherwise.
 */
static void
apply_or_commit(ChPending *pending, ChConn *conn, ChBatches *batches)
{
	conn->unsure = false;
	conn->in_use = true;
	PG_TRY();
	{
		if (batches)
			pending->driver->apply(conn, batches);
		else
			pending->driver->commit_remote(conn);
	}
	PG_CATCH();
	{
		pending->unsure = conn->unsure && (batches == NULL || !conn->remote);
		ch_conn_drop(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	conn->unsure = false;
}

/* Apply the first n batches (-1: all) in a connection, and free them. */
static void
apply_in(ChPending *pending, ChConn *conn, int n)
{
	ChBatches	part = {.file = pending->queue.file,.cxt = pending->cxt};
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "CipherHorizon apply", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	int64		records;

	dlist_init(&part.batches);
	records = take_batches(pending, n, &part);
	apply_or_commit(pending, conn, &part);
	pending->sent += records;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	while (!dlist_is_empty(&part.batches))
		free_batch(pending, dlist_head_element(WaitingBatch, node, &part.batches));
	if (part.buffer)
		pfree(part.buffer);
	if (pending->queue.file && dlist_is_empty(&pending->queue.batches))
	{
		BufFileClose(pending->queue.file);
		pending->queue.file = NULL;
		pending->queue.end_fileno = 0;
		pending->queue.end_offset = 0;
	}
}

/* How many batches from the front belong to no savepoint. */
static int
count_ready(ChPending *pending)
{
	dlist_iter	iter;
	int			n = 0;

	dlist_foreach(iter, &pending->queue.batches)
	{
		if (dlist_container(WaitingBatch, node, iter.cur)->subid != TopSubTransactionId)
			break;
		n++;
	}
	return n;
}

static void
flush(ChPending *pending, int n)
{
	ChConn	   *conn;

	if (n == 0 || dlist_is_empty(&pending->queue.batches))
		return;
	if (pending->mode == CH_WRITE_TRANSACTION)
	{
		begin_remote(pending);
		if (pending->conn->owner)
			ch_park_scan(pending->conn->owner);
		conn = ch_remote_transaction(pending->serverid, pending->userid);
		apply_in(pending, conn, n);
		conn->in_use = false;
		return;
	}
	conn = pending->ready ? pending->ready : ch_conn_acquire(pending->serverid, pending->userid);
	pending->ready = NULL;
	apply_in(pending, conn, n);
	ch_conn_release(conn);
}

bool
ch_flush_writes(const ChWrite *w)
{
	KnownWrite *known = w->known;

	if (known->pending->mode == CH_WRITE_IMMEDIATE)
		flush(known->pending, -1);
	else if (known->pending->mode == CH_WRITE_TRANSACTION)
		flush(known->pending, count_ready(known->pending));
	return dlist_is_empty(&known->pending->queue.batches);
}

/* ---- queueing -------------------------------------------------------------------------- */

/* Move a batch that takes no further record to the file if the queue takes more than work_mem. */
static void
spill(ChPending *pending, WaitingBatch *waiting)
{
	count_memory(pending, waiting);
	if (pending->memory <= (size_t) work_mem * 1024 || waiting->buf.data == NULL || waiting->buf.len == 0)
		return;
	if (pending->queue.file == NULL)
	{
		ResourceOwner owner = CurrentResourceOwner;
		MemoryContext old = MemoryContextSwitchTo(pending->cxt);

		/* it must outlive a savepoint */
		CurrentResourceOwner = TopTransactionResourceOwner;
		pending->queue.file = BufFileCreateTemp(false);
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(old);
	}
	/* batches may have been read since the last one was written */
	waiting->fileno = pending->queue.end_fileno;
	waiting->offset = pending->queue.end_offset;
	if (BufFileSeek(pending->queue.file, waiting->fileno, waiting->offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not seek in a temporary file: %m")));
	BufFileWrite(pending->queue.file, waiting->buf.data, waiting->buf.len);
	BufFileTell(pending->queue.file, &pending->queue.end_fileno, &pending->queue.end_offset);
	waiting->batch.size = waiting->buf.len;
	drop_buffer(pending, waiting);
}

/* Nothing may be added to a batch when there is a later one, or in another subtransaction. */
static bool
is_filling(const KnownWrite *known)
{
	const WaitingBatch *filling = known->filling;

	return filling && filling->subid == GetCurrentSubTransactionId() &&
		dlist_tail_node(&known->pending->queue.batches) == &filling->node;
}

/* The one before takes no further record then. */
static WaitingBatch *
add_batch(KnownWrite *known)
{
	ChPending  *pending = known->pending;
	WaitingBatch *waiting;

	if (!dlist_is_empty(&pending->queue.batches))
		spill(pending, dlist_tail_element(WaitingBatch, node, &pending->queue.batches));
	waiting = MemoryContextAllocZero(pending->cxt, sizeof(WaitingBatch));
	waiting->batch.write = known->write;
	waiting->subid = GetCurrentSubTransactionId();
	dlist_push_tail(&pending->queue.batches, &waiting->node);
	return waiting;
}

void
ch_add_batch(ChWrite *w)
{
	(void) add_batch(w->known);
}

StringInfo
ch_begin_record(ChWrite *w)
{
	KnownWrite *known = w->known;
	WaitingBatch *filling;
	uint32		len = 0;

	if (!is_filling(known))
	{
		MemoryContext old = MemoryContextSwitchTo(known->pending->cxt);

		known->filling = add_batch(known);
		initStringInfo(&known->filling->buf);
		MemoryContextSwitchTo(old);
	}
	filling = known->filling;
	known->record = filling->buf.len;
	appendBinaryStringInfo(&filling->buf, (char *) &len, sizeof(len));
	return &filling->buf;
}

bool
ch_end_record(ChWrite *w, int64 *affected)
{
	KnownWrite *known = w->known;
	WaitingBatch *filling = known->filling;
	const ChDriver *driver = w->driver;
	uint32		len = filling->buf.len - known->record - sizeof(uint32);
	size_t		bytes = driver->batch_bytes ? driver->batch_bytes : DEFAULT_BATCH_BYTES;
	int			records = w->batch_size ? w->batch_size : driver->batch_records ? driver->batch_records : DEFAULT_BATCH_RECORDS;

	memcpy(filling->buf.data + known->record, &len, sizeof(len));
	filling->batch.affected = affected;
	if (++filling->batch.nrecords < records && filling->buf.len < bytes)
		return false;
	known->filling = NULL;		/* it is full */
	spill(known->pending, filling);
	return true;
}

StringInfo
ch_continue_direct(ChWrite *w)
{
	(void) ch_end_record(w, w->affected);
	return ch_begin_record(w);
}

/* ---- which writes there are ------------------------------------------------------------- */

const char *
ch_default_write_mode(const ChDriver *driver)
{
	return ch_write_mode_names[driver->begin_remote ? CH_WRITE_TRANSACTION : CH_WRITE_COMMIT];
}

ChWriteMode
ch_write_mode(const ChTable *table)
{
	const char *name = ch_opt_string(table->driver, table->options, "write_mode");
	int			mode = CH_WRITE_COMMIT;

	if (name == NULL)
		name = ch_default_write_mode(table->driver);
	for (int i = 0; ch_write_mode_names[i]; i++)
		if (strcmp(name, ch_write_mode_names[i]) == 0)
			mode = i;
	if (mode == CH_WRITE_TRANSACTION && table->driver->begin_remote == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("%s has no transactions for option \"write_mode\"", table->driver->product),
				 errhint("Use commit or immediate.")));
	return mode;
}

static ChColumn **
columns_of(const ChTable *table, List *attnos, int *n)
{
	ChColumn  **columns = palloc(Max(list_length(attnos), 1) * sizeof(ChColumn *));
	ListCell   *lc;

	*n = 0;
	foreach(lc, attnos)
		columns[(*n)++] = ch_column(table, lfirst_int(lc));
	return columns;
}

ChWrite *
ch_make_write(const ChWriteKey *key, MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "CipherHorizon write", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ChWrite    *w = palloc0(sizeof(ChWrite));

	w->cxt = cxt;
	w->table = ch_table_open(key->relid);
	w->driver = w->table->driver;
	w->userid = key->userid;
	w->verb = key->verb;
	w->skip_existing = key->skip_existing;
	w->direct = key->direct;
	w->batch_size = ch_opt_int(w->driver, w->table->options, "batch_size");
	w->columns = columns_of(w->table, key->columns, &w->ncolumns);
	w->was_null = palloc0(Max(w->ncolumns, 1) * sizeof(bool));
	ch_check_writable(w->table, w->verb);
	if (w->verb == CH_UPDATE || w->verb == CH_DELETE)
		w->identity = columns_of(w->table, w->driver->row_identity(w->table), &w->nidentity);
	w->driver->begin_write(w);
	MemoryContextSwitchTo(old);
	return w;
}

static ChPending *
get_pending(const ChWrite *w)
{
	ChWriteMode mode = ch_write_mode(w->table);
	dlist_iter	iter;
	ChPending  *pending;
	MemoryContext cxt;

	dlist_foreach(iter, &pendings)
	{
		pending = dlist_container(ChPending, node, iter.cur);
		if (pending->serverid == w->table->serverid && pending->userid == w->userid && pending->mode == mode)
			return pending;
	}
	cxt = AllocSetContextCreate(TopTransactionContext, "CipherHorizon pending writes", ALLOCSET_DEFAULT_SIZES);
	pending = MemoryContextAllocZero(cxt, sizeof(ChPending));
	pending->cxt = pending->queue.cxt = cxt;
	pending->serverid = w->table->serverid;
	pending->userid = w->userid;
	pending->server_name = MemoryContextStrdup(cxt, GetForeignServer(w->table->serverid)->servername);
	pending->role_name = MemoryContextStrdup(cxt, GetUserNameFromId(w->userid, false));
	pending->driver = w->driver;
	pending->mode = mode;
	dlist_init(&pending->queue.batches);
	dlist_push_tail(&pendings, &pending->node);
	return pending;
}

static void table_changed(Datum arg, Oid relid);
static void server_changed(Datum arg, int cacheid, uint32 hashvalue);
static void end_of_transaction(XactEvent event, void *arg);
static void end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg);

static void
register_callbacks(void)
{
	static bool done = false;

	if (done)
		return;
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
	done = true;
}

ChWrite *
ch_get_write(const ChWriteKey *key)
{
	MemoryContext old;
	KnownWrite *known;
	ListCell   *lc;

	register_callbacks();
	ch_record_late_doubts();
	foreach(lc, writes)
	{
		const ChWriteKey *k;

		known = lfirst(lc);
		k = &known->key;
		if (!known->stale && k->relid == key->relid && k->userid == key->userid && k->verb == key->verb &&
			k->skip_existing == key->skip_existing && k->direct == key->direct && equal(k->columns, key->columns))
			return known->write;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	known = palloc0(sizeof(KnownWrite));
	known->key = *key;
	known->key.columns = list_copy(key->columns);
	known->write = ch_make_write(key, TopTransactionContext);
	known->write->known = known;
	known->pending = get_pending(known->write);
	writes = lcons(known, writes);
	MemoryContextSwitchTo(old);
	return known->write;
}

/* A write of an earlier statement is not used again when its table has another form. */
static void
table_changed(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, writes)
	{
		KnownWrite *known = lfirst(lc);

		if (!OidIsValid(relid) || known->key.relid == relid)
			known->stale = true;
	}
}

static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	table_changed(arg, InvalidOid);
}

/* ---- the end of transactions -------------------------------------------------------------- */

/* What became of each store of the transaction; NIL if no store has kept anything. */
static List *
doubts(void)
{
	List	   *result = NIL;
	bool		any = false;
	dlist_iter	iter;

	dlist_foreach(iter, &pendings)
	{
		ChPending  *pending = dlist_container(ChPending, node, iter.cur);
		ChDoubt    *doubt = palloc(sizeof(ChDoubt));
		bool		immediate = pending->mode == CH_WRITE_IMMEDIATE;

		if (immediate)
			continue;
		any = any || pending->unsure || (pending->committed && pending->sent > 0);
		doubt->role = pending->role_name;
		doubt->server = pending->server_name;
		doubt->outcome = pending->unsure ? "unknown" : pending->committed ? "committed" : "not committed";
		doubt->records = pending->sent;
		result = lappend(result, doubt);
	}
	return any ? result : NIL;
}

static char *
doubt_text(List *list)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, list)
	{
		const ChDoubt *doubt = lfirst(lc);

		appendStringInfo(&text, "%s\"%s\": %s", text.len ? ", " : "", doubt->server, doubt->outcome);
	}
	return text.data;
}

static void
commit_store(ChPending *pending)
{
	ChConn	   *conn;

	if (pending->mode == CH_WRITE_TRANSACTION)
	{
		flush(pending, -1);
		conn = ch_remote_transaction(pending->serverid, pending->userid);
		if (conn == NULL)
			return;
		if (conn->in_use)
			elog(ERROR, "store \"%s\" is being read when its transaction ends", pending->server_name);
		apply_or_commit(pending, conn, NULL);
		pending->conn = NULL;
		conn->remote = false;
		conn->gone = NULL;
		ch_conn_release(conn);
	}
	else
		flush(pending, -1);
	pending->committed = true;
}

/* Say and keep what is done and what is not; raises. */
static void
commit_failed(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	ErrorData  *error = CopyErrorData();
	List	   *list = doubts();

	FlushErrorState();
	if (list != NIL)
	{
		doubt_recorded = true;
		ch_record_doubt(list, error->message);
		error->detail = psprintf("%s%sStores of this transaction: %s.", error->detail ? error->detail : "",
								 error->detail ? "\n" : "", doubt_text(list));
		error->hint = psprintf("%s%sSee cipherhorizon.in_doubt for transactions that some of their stores kept.",
							   error->hint ? error->hint : "", error->hint ? "\n" : "");
	}
	MemoryContextSwitchTo(old);
	ReThrowError(error);
}

/* A store that is not there fails the transaction before another one has committed. */
static void
connect_stores(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pendings)
	{
		ChPending  *pending = dlist_container(ChPending, node, iter.cur);

		if (pending->mode != CH_WRITE_TRANSACTION && !dlist_is_empty(&pending->queue.batches))
			pending->ready = ch_conn_acquire(pending->serverid, pending->userid);
	}
}

static void
commit_stores(void)
{
	static const ChWriteMode order[] = {CH_WRITE_IMMEDIATE, CH_WRITE_COMMIT, CH_WRITE_TRANSACTION};
	dlist_iter	iter;

	PG_TRY();
	{
		connect_stores();
		for (int i = 0; i < lengthof(order); i++)
			dlist_foreach(iter, &pendings)
			{
				ChPending  *pending = dlist_container(ChPending, node, iter.cur);

				if (pending->mode == order[i])
					commit_store(pending);
			}
	}
	PG_CATCH();
	{
		commit_failed();
	}
	PG_END_TRY();
}

static void
abort_store(ChPending *pending)
{
	ChConn	   *conn = pending->conn;

	if (pending->ready)
		ch_conn_release(pending->ready);	/* it was not used */
	pending->ready = pending->conn = NULL;
	if (conn == NULL)
		return;
	conn->gone = NULL;
	if (!conn->in_use && pending->driver->abort_remote(conn))
	{
		conn->remote = false;
		ch_conn_release(conn);
	}
	else
		ch_conn_drop(conn);
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	dlist_mutable_iter iter;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			commit_stores();
			return;
		case XACT_EVENT_PRE_PREPARE:
			if (!dlist_is_empty(&pendings))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has written to a foreign table of CipherHorizon"),
						 errdetail("The stores have no second phase of a commit.")));
			return;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			if (!doubt_recorded)
				ch_note_late_doubt(doubts());
			dlist_foreach_modify(iter, &pendings)
				abort_store(dlist_container(ChPending, node, iter.cur));
			break;
		default:
			break;
	}
	/* the memory and the files go with the transaction */
	dlist_init(&pendings);
	writes = NIL;
	doubt_recorded = false;
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	dlist_iter	iter;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	dlist_foreach(iter, &pendings)
	{
		ChPending  *pending = dlist_container(ChPending, node, iter.cur);
		dlist_mutable_iter each;

		dlist_foreach_modify(each, &pending->queue.batches)
		{
			WaitingBatch *waiting = dlist_container(WaitingBatch, node, each.cur);

			if (waiting->subid != mine)
				continue;
			if (event == SUBXACT_EVENT_COMMIT_SUB)
				waiting->subid = parent;
			else
				free_batch(pending, waiting);
		}
	}
}
