/*
 * raw.c
 *	  The format raw: pgoutput's messages as they are, for consumers that read them.
 *	  A table's description is in the topic <prefix>.relations, under its number,
 *	  before its first change; the header cipherhorizon.relation of a change says
 *	  which description is its own.
 */
#include "postgres.h"

#include "cdc.h"
#include "utils/memutils.h"

typedef struct Prepared
{
	char		version[48];	/* relid and the LSN of the change that it was described for */
	bool		sent;
} Prepared;

/* As pgoutput writes it, with the types that this format cannot look up. */
static void
append_description(StringInfo out, const CdcRelation *rel)
{
	appendStringInfo(out, "{\"relid\":%u,\"schema\":", rel->relid);
	cdc_json_string(out, rel->schema, strlen(rel->schema));
	appendStringInfoString(out, ",\"table\":");
	cdc_json_string(out, rel->table, strlen(rel->table));
	appendStringInfoString(out, ",\"columns\":[");
	for (int i = 0; i < rel->ncolumns; i++)
	{
		const CdcColumn *col = &rel->columns[i];

		appendStringInfoString(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		cdc_json_string(out, col->name, strlen(col->name));
		appendStringInfo(out, ",\"type\":%u,\"typmod\":%d,\"identity\":%s}", col->type, col->typmod, col->identity ? "true" : "false");
	}
	appendStringInfoString(out, "]}");
}

static void
describe(CdcWorker *w, CdcRelation *rel)
{
	Prepared   *p = palloc0(sizeof(Prepared));

	snprintf(p->version, sizeof(p->version), "%u/%016llX", rel->relid, (unsigned long long) w->xact.lsn);
	rel->format_data = p;
}

static void
describe_once(CdcWorker *w, CdcRelation *rel)
{
	Prepared   *p = rel->format_data;

	if (p->sent)
		return;
	p->sent = true;
	resetStringInfo(&w->key);
	resetStringInfo(&w->value);
	appendStringInfoString(&w->key, p->version);
	append_description(&w->value, rel);
	/* another worker may send it at another place, and with another name */
	cdc_produce_buffers(w, "relations", 1, true, true);
}

/* The key as text, for the partition. */
static void
put_key(CdcWorker *w, const CdcRelation *rel, const CdcValue *row)
{
	resetStringInfo(&w->key);
	for (int i = 0; i < rel->nkeys; i++)
	{
		const CdcValue *value = &row[rel->keys[i]];

		if (i > 0)
			appendStringInfoChar(&w->key, '\t');
		if (value->kind == 't')
			appendBinaryStringInfo(&w->key, value->text, value->len);
	}
}

static void
send_record(CdcWorker *w, CdcRelation *rel, const char *data, int len, bool keyed)
{
	Prepared   *p = rel->format_data;
	CdcRecord	record = {.topic = rel->topic, .value = data, .value_len = len};

	if (keyed)
	{
		record.key = w->key.data;
		record.key_len = w->key.len;
	}
	record.headers = rd_kafka_headers_new(3);
	(void) rd_kafka_header_add(record.headers, "cipherhorizon.relation", -1, p->version, -1);
	cdc_produce(w, &record);
}

static void
change(CdcWorker *w, const CdcChange *change)
{
	bool		keyed = change->rel->nkeys > 0;

	describe_once(w, change->rel);
	if (keyed)
		put_key(w, change->rel, change->new ? change->new : change->old);
	send_record(w, change->rel, change->raw, change->raw_len, keyed);
}

static void
send_truncate(CdcWorker *w, CdcRelation *rel)
{
	describe_once(w, rel);
	send_record(w, rel, "T", 1, false);
}

static void
message(CdcWorker *w, const CdcMessage *message)
{
	CdcRecord	record = {.key = message->prefix, .key_len = strlen(message->prefix), .value = message->content, .value_len = message->len};

	record.topic = cdc_topic(w, psprintf("%s.message", w->config->prefix), 0, false);
	cdc_produce(w, &record);
}

const CdcFormat cdc_raw = {
	.name = "raw",
	.describe = describe,
	.change = change,
	.truncate = send_truncate,
	.message = message,
};
