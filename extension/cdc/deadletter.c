/*
 * deadletter.c
 *	  Records that Kafka will never take: too large, or refused for what is in them.
 *	  They are kept in a table, with the reason, before anything after them is
 *	  confirmed; a worker that begins again passes over them.
 *
 * The table is written by a process of its own, because a record may turn up in
 * the middle of decoding, where no transaction of ours can write.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "cdc.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fdw/core/core.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define POSITION_SIZE 40
#define SIZE_VARIES 16			/* bytes: a row has other times and places each time */
#define LARGEST_KEPT (256 * 1024 * 1024)	/* twice as much, and a statement may have 1 GB */

typedef struct DeadRecord
{
	char		position[POSITION_SIZE];	/* or the name of a row */
	char	   *reason;
	size_t		size;			/* of the value; 0: not known */
} DeadRecord;

static HTAB *dead = NULL;		/* records that were given up before */

static void
append_bytes(StringInfo sql, const char *bytes, size_t len)
{
	if (bytes == NULL)
	{
		appendStringInfoString(sql, "NULL");
		return;
	}
	appendStringInfoString(sql, "'\\x");
	enlargeStringInfo(sql, len * 2);
	sql->len += hex_encode(bytes, len, sql->data + sql->len);
	sql->data[sql->len] = '\0';
	appendStringInfoString(sql, "'::bytea");
}

static void
remember(CdcWorker *w, const char *position, const char *reason, size_t size)
{
	DeadRecord *record;
	bool		found;

	if (dead == NULL)
	{
		HASHCTL		ctl = {.keysize = POSITION_SIZE, .entrysize = sizeof(DeadRecord), .hcxt = w->cxt};

		dead = hash_create("dead letters", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	record = hash_search(dead, position, HASH_ENTER, &found);
	if (!found)
		record->reason = MemoryContextStrdup(w->cxt, reason);
	record->size = size;
}

/* Of a row that snapshots bring: the same in each. */
static void
put_row_name(char *name, const char *topic, const char *key, size_t key_len)
{
	uint64		parts[2];

	for (int i = 0; i < 2; i++)
		parts[i] = hash_bytes_extended((const unsigned char *) key, key ? key_len : 0,
									   hash_bytes_extended((const unsigned char *) topic, strlen(topic), i));
	snprintf(name, POSITION_SIZE, "row %016llx%016llx", (unsigned long long) parts[0], (unsigned long long) parts[1]);
}

static void
remember_row(CdcWorker *w, const char *topic, const char *key, size_t key_len, size_t size, const char *reason)
{
	char		name[POSITION_SIZE];

	put_row_name(name, topic, key, key_len);
	remember(w, name, reason, size);
}

const char *
cdc_dead_reason(const char *position)
{
	DeadRecord *record = dead ? hash_search(dead, position, HASH_FIND, NULL) : NULL;

	return record ? record->reason : NULL;
}

const char *
cdc_dead_row(const CdcRecord *row)
{
	char		name[POSITION_SIZE];
	DeadRecord *record;

	if (dead == NULL)
		return NULL;
	put_row_name(name, row->topic->name, row->key, row->key_len);
	record = hash_search(dead, name, HASH_FIND, NULL);
	/* it may have become smaller */
	return record && row->value_len + SIZE_VARIES >= record->size ? record->reason : NULL;
}

/*
 * Told to the topic <prefix>.dead-letters, too: where it should have gone, why it did
 * not, and where it is kept.
 */
void
cdc_tell_letter(CdcWorker *w, const CdcLetter *letter)
{
	StringInfoData value;
	CdcRecord	record = {0};

	initStringInfo(&value);
	appendStringInfoString(&value, "{\"pipeline\":");
	cdc_json_string(&value, w->config->name, strlen(w->config->name));
	appendStringInfo(&value, ",\"position\":\"%s\",\"topic\":\"%s\",\"reason\":", letter->position, letter->topic);
	cdc_json_string(&value, letter->reason, strlen(letter->reason));
	appendStringInfo(&value, ",\"size\":%zu}", letter->key_len + letter->value_len);
	record.topic = cdc_topic(w, psprintf("%s.dead-letters", w->config->prefix), 0, false);
	/* what is told is never too large itself */
	record.key = letter->key_len <= 10000 ? letter->key : NULL;
	record.key_len = letter->key_len;
	record.value = value.data;
	record.value_len = value.len;
	cdc_produce_aside(w, &record);
	pfree(value.data);
}

void
cdc_keep_letter(CdcWorker *w, const CdcLetter *letter)
{
	StringInfoData sql;
	bool		kept = letter->value_len <= LARGEST_KEPT;
	bool		snapshot = strtoull(letter->position, NULL, 16) == w->snapshot_commit;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO cipherhorizon.cdc_dead_letter (pipeline, position, topic, snapshot, reason, key, value) VALUES (%s, %s, %s, %s, %s, ",
					 quote_literal_cstr(w->config->name), quote_literal_cstr(letter->position), quote_literal_cstr(letter->topic), snapshot ? "true" : "false",
					 quote_literal_cstr(kept ? letter->reason : psprintf("%s (%zu bytes, not kept)", letter->reason, letter->value_len)));
	append_bytes(&sql, letter->key, letter->key_len);
	appendStringInfoString(&sql, ", ");
	append_bytes(&sql, kept ? letter->value : NULL, letter->value_len);
	appendStringInfoString(&sql, ") ON CONFLICT DO NOTHING");
	if (!ch_run_in_worker(sql.data))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("a record that Kafka does not take could not be kept"),
				 errdetail("%s.", letter->reason),
				 errhint("Raise max_worker_processes.")));
	pfree(sql.data);
	if (snapshot)
		remember_row(w, letter->topic, letter->key, letter->key_len, letter->value_len, letter->reason);
	else
		remember(w, letter->position, letter->reason, letter->value_len);
	w->counters.dead_letters++;
	/* what a transaction that will be aborted says is not heard: it is told when the record is passed over */
	if (!w->transaction_broken)
		cdc_tell_letter(w, letter);
}

static void
load_letter(CdcWorker *w, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	const char *reason = SPI_getvalue(tuple, desc, 2);
	size_t		size = DatumGetInt32(SPI_getbinval(tuple, desc, 4, &isnull));
	bytea	   *key;

	if (!DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull)))
	{
		remember(w, SPI_getvalue(tuple, desc, 1), reason, size);
		return;
	}
	key = (bytea *) DatumGetPointer(SPI_getbinval(tuple, desc, 6, &isnull));
	if (!isnull)
		key = PG_DETOAST_DATUM(PointerGetDatum(key));
	remember_row(w, SPI_getvalue(tuple, desc, 5), isnull ? NULL : VARDATA(key), isnull ? 0 : VARSIZE(key) - VARHDRSZ, size, reason);
}

void
cdc_load_letters(CdcWorker *w)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	cdc_transaction_begin();
	values[0] = CStringGetTextDatum(w->config->name);
	if (SPI_execute_with_args("SELECT position, reason, snapshot, coalesce(length(value), 0), topic, key "
							  "FROM cipherhorizon.cdc_dead_letter WHERE pipeline = $1", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read cipherhorizon.cdc_dead_letter");
	for (uint64 i = 0; i < SPI_processed; i++)
		load_letter(w, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	cdc_transaction_commit();
}
