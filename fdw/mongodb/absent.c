/*
 * absent.c
 *	  Are keys free that are to be inserted?
 *
 * The store stops at the first key that exists, and keeps what came before it.
 * So a transaction that only inserts, and more than one document, asks first:
 * then a key that exists leaves nothing of it.  Another session may still be
 * faster between the two, and other unique indexes are the store's alone.
 */
#include "postgres.h"

#include "fdw/mongodb/write.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"

/* Keys of one question, and their bytes unless it is one key. */
#define KEYS_OF_A_FIND	5000
#define BYTES_OF_A_FIND	(4 * 1024 * 1024)

typedef struct Absent
{
	ChConn	   *conn;
	const ChWrite *write;		/* whose keys are at hand */
	bson_t	   *keys;			/* $in */
	int			nkeys;
	uint64		seed;			/* of hashes of keys of its collection */
	HTAB	   *seen;			/* SeenKey: of this transaction, as far as work_mem holds them */
	char	   *found;			/* one that exists, as JSON */
} Absent;

typedef struct SeenKey
{
	uint64		a;
	uint64		b;
} SeenKey;

pg_noreturn static void
exists(const ChWrite *w, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("a row of foreign table %s exists already", w->table->name),
			 errdetail("%s", detail),
			 errhint("ON CONFLICT DO NOTHING skips such rows; with the table's option upsert INSERT changes what exists.")));
}

/* The reply of find: {cursor: {firstBatch: [{_id: ...}]}} */
static void
take_found(const bson_t *reply, void *arg)
{
	Absent	   *a = arg;
	bson_iter_t it;
	bson_iter_t batch;
	const uint8_t *data;
	uint32_t	len;
	bson_t		doc;

	if (!bson_iter_init(&it, reply) || !bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) ||
		!bson_iter_recurse(&batch, &it) || !bson_iter_next(&it) || !BSON_ITER_HOLDS_DOCUMENT(&it))
		return;
	bson_iter_document(&it, &len, &data);
	if (bson_init_static(&doc, data, len))
		a->found = mongo_short_json(&doc);
}

static void
ask(Absent *a)
{
	const MongoTable *mt;
	bson_t	   *command;

	if (a->nkeys == 0)
		return;
	mt = mongo_table(a->write->table);
	command = BCON_NEW("find", BCON_UTF8(mt->collection), "filter", "{", "_id", "{", "$in", BCON_ARRAY(a->keys), "}", "}",
					   "projection", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT32(1), "singleBatch", BCON_BOOL(true));
	PG_TRY();
	{
		mongo_command_primary(a->conn, mt->database, command, take_found, a);
	}
	PG_FINALLY();
	{
		bson_destroy(command);
	}
	PG_END_TRY();
	bson_reinit(a->keys);
	a->nkeys = 0;
	if (a->found)
		exists(a->write, psprintf("Its key is %s.", a->found));
}

static uint64
hash_of_collection(const MongoTable *mt)
{
	uint64		database = hash_bytes_extended((const unsigned char *) mt->database, strlen(mt->database), 0);

	return hash_bytes_extended((const unsigned char *) mt->collection, strlen(mt->collection), database);
}

/*
 * By type and bytes: a column's keys are of one type, and equal ones have equal
 * bytes, but for decimals: 1.0 and 1.00 are left to the store.
 */
static void
note_seen(Absent *a, const bson_iter_t *id)
{
	const unsigned char *bytes = id->raw + id->type;
	int			len = id->next_off - id->type;
	SeenKey		key;
	bool		found;

	if (hash_get_num_entries(a->seen) > (long) work_mem * 1024 / 64)
		return;
	key.a = hash_bytes_extended(bytes, len, a->seed);
	key.b = hash_bytes_extended(bytes, len, UINT64CONST(0x9e3779b97f4a7c15));
	(void) hash_search(a->seen, &key, HASH_ENTER, &found);
	if (found)
		exists(a->write, "This transaction inserts its key twice.");
}

static void
add_batch(Absent *a, const ChBatch *batch)
{
	size_t		at = 0;
	const char *data;
	uint32		len;

	if (a->write && !mongo_same_target(a->write, batch->write))
		ask(a);
	a->write = batch->write;
	a->seed = hash_of_collection(mongo_table(a->write->table));
	while (ch_next_record(batch, &at, &data, &len))
	{
		bson_t		doc;
		bson_iter_t id;
		const char *key;
		int			key_len;
		char		buffer[16];

		if (!bson_init_static(&doc, (const uint8_t *) data, len) || !bson_iter_init_find(&id, &doc, "_id"))
			continue;
		note_seen(a, &id);
		if (a->nkeys == KEYS_OF_A_FIND || a->keys->len + id.next_off - id.off > BYTES_OF_A_FIND)
			ask(a);
		key = key_of_item(a->nkeys++, buffer, &key_len);
		bson_append_iter(a->keys, key, key_len, &id);
	}
}

/* Is it worth it?  One document is written or not; what deletes may free a key. */
static bool
only_inserts(ChBatches *batches)
{
	const ChBatch *batch;
	int64		n = 0;
	bool		only = true;

	while (only && (batch = ch_next_batch(batches)) != NULL)
	{
		const MongoWrite *mw = batch->write->priv;

		only = batch->write->verb == CH_INSERT && !batch->write->skip_existing && !mw->upsert;
		n += batch->nrecords;
	}
	ch_rewind_batches(batches);
	return only && n > 1;
}

void
mongo_check_absent(ChConn *conn, ChBatches *batches)
{
	Absent		a = {.conn = conn};
	HASHCTL		ctl = {.keysize = sizeof(SeenKey),.entrysize = sizeof(SeenKey),.hcxt = CurrentMemoryContext};
	const ChBatch *batch;

	if (!only_inserts(batches))
		return;
	a.seen = hash_create("keys inserted in MongoDB", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	a.keys = bson_new();
	PG_TRY();
	{
		while ((batch = ch_next_batch(batches)) != NULL)
			add_batch(&a, batch);
		ask(&a);
	}
	PG_FINALLY();
	{
		bson_destroy(a.keys);
	}
	PG_END_TRY();
	hash_destroy(a.seen);
	ch_rewind_batches(batches);
}
