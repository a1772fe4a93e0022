/*
 * apply.c
 *	  Sending what was written: the commands insert, update and delete.
 *
 * Neighbours of one table and one verb are one command, as far as the store
 * takes them.  It carries its members out in order and stops at the first that
 * it refuses; what came before stays.  The error says how much that is.
 */
#include "postgres.h"

#include "fdw/mongodb/write.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

/* Codes of the server's errors */
#define MONGO_INVALID_VALIDATION	121
#define MONGO_VIEW					166
#define MONGO_TOO_LARGE				10334
#define MONGO_DUPLICATE_KEY			11000

/* Room for the key of a member. */
#define MEMBER_HEAD		16

/* Larger commands were not faster; FerretDB takes no more than 25000, whatever it says. */
#define COMMAND_BYTES	(4 * 1024 * 1024)
#define COMMAND_RECORDS	10000

/* What is sent, one command after the other.  What libbson allocates is freed by end_apply. */
typedef struct Apply
{
	ChConn	   *conn;
	MongoConn  *mc;
	const ChWrite *write;		/* of the command at hand, NULL: there is none */
	bson_t		command;
	bson_t		members;		/* its list, while it is made */
	uint32		nmembers;
	bson_t		reply;
	bool		has_reply;
	int64		done;			/* rows that were written */
} Apply;

/* ---- what the store takes ------------------------------------------------------------ */

static int64
hello_number(const bson_t *hello, const char *name, int64 otherwise)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, hello, name) && BSON_ITER_HOLDS_NUMBER(&it) && bson_iter_as_int64(&it) > 0
		? bson_iter_as_int64(&it) : otherwise;
}

static void
learn_limits(MongoConn *mc)
{
	mongoc_server_description_t *server;
	bson_error_t error;

	if (mc->max_records > 0)
		return;
	mongo_begin(mc);
	server = mongoc_client_select_server(mc->client, true, NULL, &error);
	if (server == NULL)
		mongo_raise(mc, &error, NULL);
	mc->max_records = hello_number(mongoc_server_description_hello_response(server), "maxWriteBatchSize", 1000);
	mongoc_server_description_destroy(server);
}

/* ---- commands by what they write --------------------------------------------------------- */

typedef enum CommandKind
{
	COMMAND_INSERT,
	COMMAND_UPDATE,
	COMMAND_DELETE
} CommandKind;

static const char *const command_names[] = {"insert", "update", "delete"};
static const char *const list_names[] = {"documents", "updates", "deletes"};

static CommandKind
kind_of(const ChWrite *w)
{
	if (w->verb == CH_INSERT)
		return ((const MongoWrite *) w->priv)->upsert ? COMMAND_UPDATE : COMMAND_INSERT;
	return w->verb == CH_UPDATE ? COMMAND_UPDATE : COMMAND_DELETE;
}

/* ---- errors ------------------------------------------------------------------------------ */

static int
sqlstate_of(int code, const char *message)
{
	switch (code)
	{
		case MONGO_DUPLICATE_KEY:
			return ERRCODE_UNIQUE_VIOLATION;
		case MONGO_INVALID_VALIDATION:
			return ERRCODE_CHECK_VIOLATION;
		case MONGO_VIEW:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case MONGO_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		default:
			if (strstr(message, "'" MONGO_NO_POSITION))
				return ERRCODE_INVALID_TEXT_REPRESENTATION;
			if (strstr(message, "'" MONGO_SET_IN_SCALAR))
				return ERRCODE_INVALID_PARAMETER_VALUE;
			/* of $toInt and $toLong, whose code means other failures, too */
			return strstr(message, "overflow target type") ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE : ERRCODE_FDW_ERROR;
	}
}

static const char *
hint_of(int code, const ChWrite *w)
{
	switch (code)
	{
		case MONGO_DUPLICATE_KEY:
			return w->verb == CH_INSERT ? "ON CONFLICT DO NOTHING skips such rows; with the table's option upsert INSERT changes what exists." : NULL;
		case MONGO_UNAUTHORIZED:
			return "Grant the user of the mapping the role readWrite on the database.";
		case MONGO_VIEW:
			return "Views of MongoDB are read only: write the collection.";
		default:
			return NULL;
	}
}

char *
mongo_short_json(const bson_t *doc)
{
	char	   *json = bson_as_relaxed_extended_json(doc, NULL);
	char	   *text = pnstrdup(json, pg_encoding_mbcliplen(PG_UTF8, json, strlen(json), 200));

	bson_free(json);
	return text;
}

/* {"_id": ...} of a document, or the filter of a change; for messages. */
static char *
row_text(const Apply *a, int64 index)
{
	bson_iter_t it;
	bson_iter_t members;
	bson_iter_t id;
	bson_t		shown = BSON_INITIALIZER;
	char		key[16];
	char	   *text;

	snprintf(key, sizeof(key), INT64_FORMAT, index);
	if (bson_iter_init_find(&it, &a->command, list_names[kind_of(a->write)]) && bson_iter_recurse(&it, &members) &&
		bson_iter_find(&members, key) && bson_iter_recurse(&members, &it))
		while (bson_iter_next(&it))
		{
			if (strcmp(bson_iter_key(&it), "_id") == 0)
				bson_append_iter(&shown, "_id", -1, &it);
			else if (strcmp(bson_iter_key(&it), "q") == 0 && bson_iter_recurse(&it, &id))
				while (bson_iter_next(&id))
					bson_append_iter(&shown, NULL, -1, &id);
		}
	text = mongo_short_json(&shown);
	bson_destroy(&shown);
	return text;
}

static const char *
written_before(const Apply *a)
{
	return a->done > 0 ? psprintf("\nRows written before it, which stay: " INT64_FORMAT ".", a->done) : "";
}

/* The store refused a member. */
pg_noreturn static void
raise_write_error(Apply *a, bson_iter_t *error)
{
	int64		index = -1;
	int			code = 0;
	char	   *message = "";

	while (bson_iter_next(error))
	{
		const char *key = bson_iter_key(error);

		if (strcmp(key, "index") == 0)
			index = bson_iter_as_int64(error);
		else if (strcmp(key, "code") == 0)
			code = (int) bson_iter_as_int64(error);
		else if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(error))
			message = pstrdup(bson_iter_utf8(error, NULL));
	}
	ch_store_error(a->conn, sqlstate_of(code, message), code == MONGO_DUPLICATE_KEY ? "DuplicateKey" : psprintf("code %d", code),
				   psprintf("%s\nRow of foreign table %s: %s%s", message, a->write->table->name, row_text(a, index), written_before(a)),
				   hint_of(code, a->write));
}

static int64
reply_number(const bson_t *reply, const char *name)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, reply, name) ? bson_iter_as_int64(&it) : 0;
}

/* Raise the first error of a member, but for keys that exist where those are skipped. */
static void
check_members(Apply *a)
{
	bson_iter_t it;
	bson_iter_t errors;
	bson_iter_t error;

	if (!bson_iter_init_find(&it, &a->reply, "writeErrors") || !bson_iter_recurse(&it, &errors))
		return;
	while (bson_iter_next(&errors))
	{
		if (!bson_iter_recurse(&errors, &error))
			continue;
		if (a->write->skip_existing && bson_iter_find(&error, "code") && bson_iter_as_int64(&error) == MONGO_DUPLICATE_KEY)
			continue;
		bson_iter_recurse(&errors, &error);
		raise_write_error(a, &error);
	}
}

/* ---- one command ------------------------------------------------------------------------------ */

static void
append_write_concern(Apply *a)
{
	const char *text = ch_conn_server_opt(a->conn, "write_concern");
	bson_t		concern;

	if (text == NULL)
		return;
	bson_append_document_begin(&a->command, "writeConcern", -1, &concern);
	if (strspn(text, "0123456789") == strlen(text))
		bson_append_int32(&concern, "w", -1, atoi(text));
	else
		bson_append_utf8(&concern, "w", -1, text, -1);
	bson_append_document_end(&a->command, &concern);
}

static void
begin_command(Apply *a, const ChWrite *w)
{
	const char *collection = mongo_table(w->table)->collection;

	a->write = w;
	a->nmembers = 0;
	bson_init(&a->command);
	bson_append_utf8(&a->command, command_names[kind_of(w)], -1, collection, -1);
	bson_append_bool(&a->command, "ordered", -1, !w->skip_existing);
	append_write_concern(a);
	bson_append_array_begin(&a->command, list_names[kind_of(w)], -1, &a->members);
}

static void
end_command(Apply *a)
{
	if (a->write == NULL)
		return;
	bson_destroy(&a->command);
	a->write = NULL;
	if (a->has_reply)
		bson_destroy(&a->reply);
	a->has_reply = false;
}

/*
 * The command failed as a whole.  An answer without "ok" is none of the
 * store's; one with "writeConcernError" has written, if not as widely as asked
 * for.
 */
pg_noreturn static void
raise_failure(Apply *a, const bson_error_t *error, bool sent)
{
	if (!bson_has_field(&a->reply, "ok"))
		a->conn->unsure = sent || a->done > 0;
	else if (bson_has_field(&a->reply, "writeConcernError"))
		a->conn->unsure = true;
	if (error->code == MONGO_UNAUTHORIZED || error->code == MONGO_VIEW)
		ch_store_error(a->conn, sqlstate_of(error->code, error->message), psprintf("code %u", error->code),
					   psprintf("%s%s", error->message, written_before(a)), hint_of(error->code, a->write));
	mongo_raise(a->mc, error, &a->reply);
}

/* Send the command at hand, if there is one; returns how many rows it changed. */
static int64
send_command(Apply *a)
{
	int64		before = a->mc->requests;
	int64		n;
	bson_error_t error;
	bool		ok;

	if (a->write == NULL)
		return 0;
	CHECK_FOR_INTERRUPTS();
	bson_append_array_end(&a->command, &a->members);
	a->conn->unsure = true;
	mongo_begin(a->mc);
	ok = mongoc_client_write_command_with_opts(a->mc->client, mongo_table(a->write->table)->database, &a->command,
											   NULL, &a->reply, &error);
	a->has_reply = true;
	n = reply_number(&a->reply, "n");
	a->done += n;
	/* if there is an error from here on, what is done stays */
	if (bson_has_field(&a->reply, "ok"))
		a->conn->unsure = a->done > 0;
	check_members(a);
	if (!ok && (!bson_has_field(&a->reply, "writeErrors") || bson_has_field(&a->reply, "writeConcernError")))
		raise_failure(a, &error, a->mc->requests > before);
	end_command(a);
	return n;
}

static void
add_member(Apply *a, const ChWrite *w, const char *data, uint32 len)
{
	const char *key;
	int			key_len;
	char		buffer[16];
	bson_t		member;
	int64		most = Min(w->batch_size > 0 ? w->batch_size : COMMAND_RECORDS, a->mc->max_records);

	if (len == 0)
		return;
	if (a->write && (a->nmembers >= most || a->members.len + len + MEMBER_HEAD > COMMAND_BYTES))
		(void) send_command(a);
	if (a->write == NULL)
		begin_command(a, w);
	key = key_of_item(a->nmembers++, buffer, &key_len);
	if (!bson_init_static(&member, (const uint8_t *) data, len) ||
		!bson_append_document(&a->members, key, key_len, &member))
		elog(ERROR, "libbson does not take a record of %u bytes", len);
}

/* Is it one command with what is at hand? */
static bool
continues(const Apply *a, const ChBatch *batch)
{
	const ChWrite *w = batch->write;

	return batch->affected == NULL && a->write->verb == w->verb && mongo_same_target(a->write, w) &&
		a->write->skip_existing == w->skip_existing && kind_of(a->write) == kind_of(w);
}

static void
add_batch(Apply *a, const ChBatch *batch)
{
	size_t		at = 0;
	const char *data;
	uint32		len;
	int64		n = 0;

	if (a->write && !continues(a, batch))
		(void) send_command(a);
	if (batch->write->verb == CH_TRUNCATE)
	{
		StringInfoData all;

		initStringInfo(&all);
		mongo_append_bson(mongo_delete_record(mongo_doc(), 0), &all);
		add_member(a, batch->write, all.data, all.len);
	}
	while (ch_next_record(batch, &at, &data, &len))
		add_member(a, batch->write, data, len);
	if (batch->affected)
	{
		n = send_command(a);
		*batch->affected += n;
	}
}

void
mongo_apply(ChConn *conn, ChBatches *batches)
{
	Apply		a = {.conn = conn,.mc = conn->handle};
	const ChBatch *batch;

	learn_limits(a.mc);
	mongo_check_absent(conn, batches);
	PG_TRY();
	{
		while ((batch = ch_next_batch(batches)) != NULL)
			add_batch(&a, batch);
		(void) send_command(&a);
	}
	PG_FINALLY();
	{
		end_command(&a);
	}
	PG_END_TRY();
	conn->unsure = false;
}
