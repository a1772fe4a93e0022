/*
 * cursor.c
 *	  Cursors without libmongoc's.
 *
 * libmongoc sends a query when it is asked for the first document, and then
 * waits for the answer; a scan shall send when it starts, and shall not wait
 * while another store's rows are there.  So libmongoc finds the servers and
 * logs in, and find, aggregate and getMore are written to the connection that
 * it made (MongoDB's specifications "OP_MSG" and "Find/getMore/killCursors
 * commands").  They have no session, which only transactions and causal reads
 * need.
 */
#include "postgres.h"

#include "fdw/mongodb/cursor.h"

/* The code of an error that has none: libmongoc's for a query that failed. */
#define NO_CODE 17

/* ---- commands ------------------------------------------------------------------ */

static void
append_concern(const MongoConn *mc, bson_t *command)
{
	const char *level = mongoc_read_concern_get_level(mongoc_client_get_read_concern(mc->client));
	bson_t		concern;

	if (level == NULL)
		return;
	bson_append_document_begin(command, "readConcern", -1, &concern);
	bson_append_utf8(&concern, "level", -1, level, -1);
	bson_append_document_end(command, &concern);
}

/*
 * Which servers may answer: a router passes it on, a secondary wants to be told
 * that it may.  A server that stands alone knows no such thing.
 */
static void
append_preference(const MongoConn *mc, bson_t *command)
{
	static const char *const names[] = {
		[MONGOC_READ_PRIMARY] = "primary",
		[MONGOC_READ_SECONDARY] = "secondary",
		[MONGOC_READ_PRIMARY_PREFERRED] = "primaryPreferred",
		[MONGOC_READ_SECONDARY_PREFERRED] = "secondaryPreferred",
		[MONGOC_READ_NEAREST] = "nearest"
	};
	const mongoc_read_prefs_t *prefs = mongoc_client_get_read_prefs(mc->client);
	mongoc_read_mode_t mode = mongoc_read_prefs_get_mode(prefs);
	const bson_t *tags = mongoc_read_prefs_get_tags(prefs);
	int64		staleness = mongoc_read_prefs_get_max_staleness_seconds(prefs);
	const char *server = mongo_server_type(mc);
	bson_t		preference;

	/* the one server that was named may be a secondary */
	if (mode == MONGOC_READ_PRIMARY && strncmp(server, "RS", 2) == 0 && strcmp(server, "RSPrimary") != 0)
		mode = MONGOC_READ_PRIMARY_PREFERRED;
	if (mode == MONGOC_READ_PRIMARY || strcmp(server, "Standalone") == 0)
		return;
	bson_append_document_begin(command, "$readPreference", -1, &preference);
	bson_append_utf8(&preference, "mode", -1, names[mode], -1);
	if (!bson_empty0(tags))
		bson_append_array(&preference, "tags", -1, tags);
	if (staleness != MONGOC_NO_MAX_STALENESS)
		bson_append_int64(&preference, "maxStalenessSeconds", -1, staleness);
	bson_append_document_end(command, &preference);
}

/* Raise why the network failed. */
pg_noreturn static void
broken(const MongoConn *mc)
{
	ch_failure_raise(mc->conn, &mc->fail);
}

static bool
send_more(MongoCursor *cursor)
{
	bson_t		command = BSON_INITIALIZER;
	bool		ok;

	bson_append_int64(&command, "getMore", -1, cursor->id);
	bson_append_utf8(&command, "collection", -1, cursor->collection, -1);
	bson_append_int32(&command, "batchSize", -1, cursor->batch_size);
	bson_append_utf8(&command, "$db", -1, cursor->database, -1);
	ok = mongo_send_command(cursor->mc, &command);
	bson_destroy(&command);
	cursor->waiting = ok;
	return ok;
}

void
mongo_cursor_open(MongoCursor *cursor, MongoConn *mc, const char *database, const char *collection,
				  bson_t *command, int batch_size)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->mc = mc;
	cursor->database = database;
	cursor->collection = pstrdup(collection);
	cursor->batch_size = batch_size;
	append_concern(mc, command);
	bson_append_utf8(command, "$db", -1, database, -1);
	append_preference(mc, command);
	mongo_begin(mc);
	cursor->waiting = mongo_send_command(mc, command);
	if (!cursor->waiting)
		broken(mc);
}

/* ---- answers --------------------------------------------------------------------- */

static bool
is_ok(const bson_t *reply)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, reply, "ok") && bson_iter_as_bool(&it);
}

pg_noreturn static void
refused(MongoConn *mc, const bson_t *reply)
{
	bson_error_t error;
	bson_iter_t it;
	const char *message = "the command failed without a message";
	int			code = NO_CODE;

	if (bson_iter_init_find(&it, reply, "code") && BSON_ITER_HOLDS_NUMBER(&it))
		code = (int) bson_iter_as_int64(&it);
	if (bson_iter_init_find(&it, reply, "errmsg") && BSON_ITER_HOLDS_UTF8(&it))
		message = bson_iter_utf8(&it, NULL);
	bson_set_error(&error, MONGOC_ERROR_SERVER, code, "%s", message);
	mongo_raise(mc, &error, reply);
}

pg_noreturn static void
garbled(const MongoConn *mc)
{
	ChFailure	fail;

	ch_fail(&fail, CH_FAIL_PROTOCOL, "an answer without a cursor");
	ch_failure_raise(mc->conn, &fail);
}

/* {"cursor": {"firstBatch" or "nextBatch": [...], "id": n, "ns": "database.collection"}} */
static bool
take_cursor(MongoCursor *cursor, const bson_t *reply)
{
	bson_iter_t it,
				member;

	if (!bson_iter_init_find(&it, reply, "cursor") || !bson_iter_recurse(&it, &member))
		return false;
	cursor->has_batch = false;
	cursor->id = 0;
	while (bson_iter_next(&member))
	{
		const char *key = bson_iter_key(&member);

		if (strcmp(key, "firstBatch") == 0 || strcmp(key, "nextBatch") == 0)
			cursor->has_batch = BSON_ITER_HOLDS_ARRAY(&member) && bson_iter_recurse(&member, &cursor->batch);
		else if (strcmp(key, "id") == 0 && BSON_ITER_HOLDS_NUMBER(&member))
			cursor->id = bson_iter_as_int64(&member);
		else if (strcmp(key, "ns") == 0 && BSON_ITER_HOLDS_UTF8(&member))
		{
			const char *dot = strchr(bson_iter_utf8(&member, NULL), '.');

			if (dot && strcmp(dot + 1, cursor->collection) != 0)
				cursor->collection = MemoryContextStrdup(GetMemoryChunkContext(cursor->collection), dot + 1);
		}
	}
	return cursor->has_batch;
}

/* Read the answer that is due; false if it is not there yet. */
static bool
read_batch(MongoCursor *cursor, ChWait *wait)
{
	MongoConn  *mc = cursor->mc;
	bson_t		reply;

	switch (mongo_read_reply(mc, wait, &reply))
	{
		case MONGO_NOT_YET:
			return false;
		case MONGO_BROKEN:
			broken(mc);
			break;
		case MONGO_REPLY:
			break;
	}
	cursor->waiting = false;
	if (!is_ok(&reply))
		refused(mc, &reply);
	if (!take_cursor(cursor, &reply))
		garbled(mc);
	return true;
}

static bool
next_of_batch(MongoCursor *cursor)
{
	const uint8_t *data;
	uint32_t	len;

	if (!cursor->has_batch || !bson_iter_next(&cursor->batch))
	{
		cursor->has_batch = false;
		return false;
	}
	if (!BSON_ITER_HOLDS_DOCUMENT(&cursor->batch))
		garbled(cursor->mc);
	bson_iter_document(&cursor->batch, &len, &data);
	if (!bson_init_static(&cursor->doc, data, len))
		garbled(cursor->mc);
	return true;
}

const bson_t *
mongo_cursor_next(MongoCursor *cursor, ChWait *wait)
{
	while (!next_of_batch(cursor))
	{
		if (!cursor->waiting && cursor->id == 0)
			return NULL;
		if (!cursor->waiting && !send_more(cursor))
			broken(cursor->mc);
		if (!read_batch(cursor, wait))
			return NULL;
	}
	return &cursor->doc;
}

/* ---- the end ----------------------------------------------------------------------- */

/* An answer that is there already is read, for it tells what to close. */
static void
skip_batch(MongoCursor *cursor, MongoConn *mc)
{
	ChWait		unused;
	bson_t		reply;
	bson_iter_t it,
				id;

	if (mongo_read_reply(mc, &unused, &reply) != MONGO_REPLY)
		return;
	cursor->waiting = false;
	cursor->id = 0;
	if (bson_iter_init(&it, &reply) && bson_iter_find_descendant(&it, "cursor.id", &id) && BSON_ITER_HOLDS_NUMBER(&id))
		cursor->id = bson_iter_as_int64(&id);
}

bool
mongo_cursor_close(MongoCursor *cursor, bool failed)
{
	MongoConn  *mc = cursor->mc;
	bson_t		reply;
	bool		answered;

	cursor->mc = NULL;
	if (mc == NULL)
		return true;
	if (!mc->dead && mc->fail.kind == CH_FAIL_NONE && cursor->waiting)
		skip_batch(cursor, mc);
	if (mc->dead || mc->fail.kind != CH_FAIL_NONE)
		return false;
	/* not behind an answer that may take its time */
	answered = !failed && !cursor->waiting;
	if (cursor->id != 0 &&
		(!mongo_kill_cursor(mc, cursor->database, cursor->collection, cursor->id, answered) ||
		 !answered || mongo_read_reply(mc, NULL, &reply) != MONGO_REPLY))
		return false;
	return !cursor->waiting;
}
