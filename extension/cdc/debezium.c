/*
 * debezium.c
 *	  The format debezium_json: what Debezium's connector for PostgreSQL sends, with
 *	  Kafka Connect's JsonConverter, with or without schemas.  test/debezium compares
 *	  with its events; docs/cdc.md lists the differences.
 *
 * What does not change from record to record is made once, when a table is described.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "cdc.h"
#include "fdw/core/compat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define UNAVAILABLE "__debezium_unavailable_value"

#define APPEND(out, literal) appendBinaryStringInfo(out, literal, sizeof(literal) - 1)

typedef struct Prepared
{
	StringInfoData key_head;	/* before the key's members */
	StringInfoData key_tail;
	StringInfoData value_head;
	StringInfoData value_tail;
	StringInfoData table;		/* ,"schema":"...","table":"...","txId": */
	char	  **missing;		/* by column: what stands for a value that is not there */
	char	  **unchanged;		/* by column: what stands for one that WAL does not have */
} Prepared;

/* ---- schemas -------------------------------------------------------------------------------------- */

static const char source_fields[] =
"{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},{\"type\":\"string\",\"optional\":false,\"field\":\"connector\"},"
"{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},"
"{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":\"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental\"},\"default\":\"false\",\"field\":\"snapshot\"},"
"{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},"
"{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"},{\"type\":\"string\",\"optional\":false,\"field\":\"schema\"},{\"type\":\"string\",\"optional\":false,\"field\":\"table\"},"
"{\"type\":\"int64\",\"optional\":true,\"field\":\"txId\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"lsn\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"xmin\"},"
"{\"type\":\"string\",\"optional\":true,\"field\":\"origin\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"origin_lsn\"}],"
"\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Source\",\"version\":1,\"field\":\"source\"}";

static const char transaction_fields[] =
"{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},{\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},"
"{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}],\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"}";

static void
append_field(StringInfo out, const CdcColumn *col)
{
	appendStringInfo(out, "{%s,\"optional\":%s%s,\"field\":", col->connect_type, col->notnull ? "false" : "true", col->connect_name);
	cdc_json_string(out, col->name, strlen(col->name));
	appendStringInfoChar(out, '}');
}

static void
append_row_schema(StringInfo out, const CdcRelation *rel, const char *field)
{
	APPEND(out, "{\"type\":\"struct\",\"fields\":[");
	for (int i = 0; i < rel->ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		append_field(out, &rel->columns[i]);
	}
	appendStringInfo(out, "],\"optional\":true,\"name\":\"%s.Value\",\"field\":\"%s\"}", rel->topic->name, field);
}

static void
append_envelope_schema(StringInfo out, const CdcRelation *rel)
{
	APPEND(out, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
	append_row_schema(out, rel, "before");
	appendStringInfoChar(out, ',');
	append_row_schema(out, rel, "after");
	appendStringInfo(out, ",%s,%s,{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},"
					 "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ns\"}],"
					 "\"optional\":false,\"name\":\"%s.Envelope\",\"version\":2},\"payload\":", source_fields, transaction_fields, rel->topic->name);
}

static void
append_key_schema(StringInfo out, const CdcRelation *rel)
{
	APPEND(out, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
	for (int i = 0; i < rel->nkeys; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		append_field(out, &rel->columns[rel->keys[i]]);
	}
	appendStringInfo(out, "],\"optional\":false,\"name\":\"%s.Key\"},\"payload\":", rel->topic->name);
}

/* ---- describing a table ----------------------------------------------------------------------------- */

static bool
has_type(const CdcColumn *col, const char *type)
{
	return strncmp(col->connect_type, "\"type\":\"", 8) == 0 && strncmp(col->connect_type + 8, type, strlen(type)) == 0;
}

/*
 * A NOT NULL column of an old row that only has its key: a consumer that checks
 * the schema takes no null, so it gets the type's zero, as Debezium does it.
 */
static char *
missing_value(const CdcColumn *col)
{
	if (!col->notnull)
		return "null";
	if (has_type(col, "int") || has_type(col, "float") || has_type(col, "double"))
		return "0";
	if (has_type(col, "boolean"))
		return "false";
	if (has_type(col, "array"))
		return "[]";
	if (has_type(col, "bytes"))
		return strstr(col->connect_name, "Decimal") ? "\"AA==\"" : "\"\"";
	if (strstr(col->connect_name, "VariableScaleDecimal"))
		return "{\"scale\":0,\"value\":\"AA==\"}";
	if (strstr(col->connect_name, "Point"))
		return "{\"x\":0,\"y\":0,\"wkb\":\"AQEAAAAAAAAAAAAAAAAAAAAAAAAA\",\"srid\":null}";
	if (strstr(col->connect_name, "ZonedTimestamp"))
		return "\"1970-01-01T00:00:00Z\"";
	if (strstr(col->connect_name, "ZonedTime"))
		return "\"00:00:00Z\"";
	return "\"\"";
}

/*
 * An unchanged TOAST value that WAL does not have, and the old row neither, as
 * Debezium says it.  Where that has no way to, it is null, for NOT NULL columns
 * too: a zero would be taken for a value.
 */
static char *
unchanged_value(const CdcColumn *col)
{
	const char *items = strstr(col->connect_type, "\"items\":{\"type\":\"");

	if (items)
	{
		items += strlen("\"items\":{\"type\":\"");
		if (strncmp(items, "int", 3) == 0 && strstr(items, "Timestamp") == NULL)
			return "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]";
		if (strstr(items, "Uuid"))
			return "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]";
		return strncmp(items, "string", 6) == 0 && strstr(items, "Zoned") == NULL && col->elemtype != NUMERICOID ? "[\"" UNAVAILABLE "\"]" : "null";
	}
	if (col->basetype != JSONOID && col->basetype != JSONBOID && strstr(col->connect_name, "data.Json"))
		return "\"{\\\"" UNAVAILABLE "\\\":\\\"" UNAVAILABLE "\\\"}\"";	/* hstore */
	if (has_type(col, "string"))
		return "\"" UNAVAILABLE "\"";
	if (has_type(col, "bytes") && col->connect_name[0] == '\0')
		return "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"";
	return "null";
}

static void
describe(CdcWorker *w, CdcRelation *rel)
{
	Prepared   *p = palloc0(sizeof(Prepared));

	initStringInfo(&p->key_head);
	initStringInfo(&p->key_tail);
	initStringInfo(&p->value_head);
	initStringInfo(&p->value_tail);
	initStringInfo(&p->table);
	if (w->config->schemas)
	{
		append_key_schema(&p->key_head, rel);
		append_envelope_schema(&p->value_head, rel);
		appendStringInfoChar(&p->key_tail, '}');
		appendStringInfoChar(&p->value_tail, '}');
	}
	APPEND(&p->table, ",\"schema\":");
	cdc_json_string(&p->table, rel->schema, strlen(rel->schema));
	APPEND(&p->table, ",\"table\":");
	cdc_json_string(&p->table, rel->table, strlen(rel->table));
	p->missing = palloc(rel->ncolumns * sizeof(char *));
	p->unchanged = palloc(rel->ncolumns * sizeof(char *));
	for (int i = 0; i < rel->ncolumns; i++)
	{
		p->missing[i] = missing_value(&rel->columns[i]);
		p->unchanged[i] = unchanged_value(&rel->columns[i]);
	}
	rel->format_data = p;
}

/* ---- parts of a record -------------------------------------------------------------------------------- */

static void
append_value(StringInfo out, const CdcColumn *col, const CdcValue *value)
{
	if (value->kind == 't')
		col->append(out, col, value->text, value->len);
	else
		APPEND(out, "null");
}

static void
append_key(StringInfo out, const CdcRelation *rel, const CdcValue *row)
{
	char		separator = '{';

	for (int i = 0; i < rel->nkeys; i++)
	{
		const CdcColumn *col = &rel->columns[rel->keys[i]];

		appendStringInfoCharMacro(out, separator);
		appendBinaryStringInfo(out, col->label, col->label_len);
		append_value(out, col, &row[rel->keys[i]]);
		separator = ',';
	}
	appendStringInfoCharMacro(out, '}');
}

/* only_key: of a row that has no other values; all are given nevertheless. */
static void
append_row(StringInfo out, const CdcWorker *w, const CdcRelation *rel, const CdcValue *row, bool only_key)
{
	const Prepared *p = rel->format_data;
	char		separator = '{';

	if (row == NULL)
	{
		APPEND(out, "null");
		return;
	}
	for (int i = 0; i < rel->ncolumns; i++)
	{
		const CdcColumn *col = &rel->columns[i];

		if (row[i].kind == 'u' && w->config->omit_unchanged)
			continue;
		appendStringInfoCharMacro(out, separator);
		appendBinaryStringInfo(out, col->label, col->label_len);
		if (row[i].kind == 't')
			col->append(out, col, row[i].text, row[i].len);
		else if (row[i].kind == 'u')
			appendStringInfoString(out, p->unchanged[i]);
		else if (only_key && !col->identity)
			appendStringInfoString(out, p->missing[i]);
		else
			APPEND(out, "null");
		separator = ',';
	}
	if (separator == '{')
		appendStringInfoCharMacro(out, '{');
	appendStringInfoCharMacro(out, '}');
}

static void
append_times(StringInfo out, int64 micros)
{
	APPEND(out, "\"ts_ms\":");
	cdc_json_int(out, micros / 1000);
	APPEND(out, ",\"ts_us\":");
	cdc_json_int(out, micros);
	APPEND(out, ",\"ts_ns\":");
	cdc_json_int(out, micros);
	APPEND(out, "000");
}

/* What the sources of a transaction's records have in common, around what is each one's own. */
typedef struct SourceParts
{
	CdcTransaction of;
	const char *snapshot;
	StringInfoData name;		/* the same for all: up to the time, */
	StringInfoData database;	/* and from the snapshot to the sequence */
	StringInfoData head;		/* up to the LSN in the sequence */
	StringInfoData times;		/* from there to the table */
	StringInfoData tail;		/* from the table to the LSN */
	StringInfoData end;
} SourceParts;

static void
make_parts(SourceParts *parts, const CdcWorker *w, const char *snapshot)
{
	int64		micros = w->xact.commit_time + CDC_EPOCH_MICROS;

	if (parts->head.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(w->cxt);

		initStringInfo(&parts->name);
		initStringInfo(&parts->database);
		initStringInfo(&parts->head);
		initStringInfo(&parts->times);
		initStringInfo(&parts->tail);
		initStringInfo(&parts->end);
		MemoryContextSwitchTo(old);
		APPEND(&parts->name, "\"source\":{\"version\":\"" CH_VERSION "\",\"connector\":\"postgresql\",\"name\":");
		cdc_json_string(&parts->name, w->config->prefix, strlen(w->config->prefix));
		APPEND(&parts->name, ",\"ts_ms\":");
		APPEND(&parts->database, "\",\"db\":");
		cdc_json_string(&parts->database, w->database, strlen(w->database));
		APPEND(&parts->database, ",\"sequence\":\"[");
	}
	parts->of = w->xact;
	parts->snapshot = snapshot;
	resetStringInfo(&parts->head);
	resetStringInfo(&parts->times);
	resetStringInfo(&parts->tail);
	resetStringInfo(&parts->end);
	appendBinaryStringInfo(&parts->head, parts->name.data, parts->name.len);
	cdc_json_int(&parts->head, micros / 1000);
	APPEND(&parts->head, ",\"snapshot\":\"");
	appendStringInfoString(&parts->head, snapshot);
	appendBinaryStringInfo(&parts->head, parts->database.data, parts->database.len);
	if (w->xact.last_commit)
	{
		APPEND(&parts->head, "\\\"");
		cdc_json_int(&parts->head, w->xact.last_commit);
		APPEND(&parts->head, "\\\"");
	}
	else
		APPEND(&parts->head, "null");
	APPEND(&parts->head, ",\\\"");
	APPEND(&parts->times, "\\\"]\",\"ts_us\":");
	cdc_json_int(&parts->times, micros);
	APPEND(&parts->times, ",\"ts_ns\":");
	cdc_json_int(&parts->times, micros);
	APPEND(&parts->times, "000");
	APPEND(&parts->tail, ",\"txId\":");
	if (TransactionIdIsValid(w->xact.xid))
		cdc_json_int(&parts->tail, w->xact.xid);
	else
		APPEND(&parts->tail, "null");
	APPEND(&parts->tail, ",\"lsn\":");
	APPEND(&parts->end, ",\"xmin\":null,\"origin\":");
	if (w->xact.origin)
	{
		cdc_json_string(&parts->end, w->xact.origin, strlen(w->xact.origin));
		appendStringInfo(&parts->end, ",\"origin_lsn\":%llu}", (unsigned long long) w->xact.origin_lsn);
	}
	else
		APPEND(&parts->end, "null,\"origin_lsn\":null}");
}

/* table: its "schema" and "table". */
static void
append_source(StringInfo out, const CdcWorker *w, const char *snapshot, const char *table)
{
	static SourceParts parts = {0};

	if (parts.snapshot != snapshot || parts.of.commit != w->xact.commit || parts.of.commit_time != w->xact.commit_time ||
		parts.of.last_commit != w->xact.last_commit || parts.of.xid != w->xact.xid || parts.of.origin != w->xact.origin)
		make_parts(&parts, w, snapshot);
	appendBinaryStringInfo(out, parts.head.data, parts.head.len);
	cdc_json_int(out, w->xact.lsn);
	appendBinaryStringInfo(out, parts.times.data, parts.times.len);
	appendStringInfoString(out, table);
	appendBinaryStringInfo(out, parts.tail.data, parts.tail.len);
	cdc_json_int(out, w->xact.lsn);
	appendBinaryStringInfo(out, parts.end.data, parts.end.len);
}

/* ---- transactions' metadata -------------------------------------------------------------------------- */

static const char transaction_key_schema[] =
"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"}],\"optional\":false,"
"\"name\":\"io.debezium.connector.common.TransactionMetadataKey\",\"version\":1},\"payload\":";

static const char transaction_value_schema[] =
"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"status\"},{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
"{\"type\":\"int64\",\"optional\":true,\"field\":\"event_count\"},{\"type\":\"array\",\"items\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"data_collection\"},"
"{\"type\":\"int64\",\"optional\":false,\"field\":\"event_count\"}],\"optional\":true,\"name\":\"event.collection\",\"version\":1},\"optional\":true,\"field\":\"data_collections\"},"
"{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"}],\"optional\":false,\"name\":\"io.debezium.connector.common.TransactionMetadataValue\",\"version\":1},\"payload\":";

typedef struct TableCount
{
	char	   *name;			/* schema.table */
	int64		changes;
} TableCount;

static List *counts = NIL;		/* of the transaction; in the worker's memory */
static int64 total_order;

/* name NULL: a message, each of which counts for itself. */
static TableCount *
count_of(CdcWorker *w, const char *name)
{
	MemoryContext old;
	TableCount *count;
	ListCell   *lc;

	foreach(lc, counts)
	{
		count = lfirst(lc);
		if (name && strcmp(count->name, name) == 0)
			return count;
	}
	old = MemoryContextSwitchTo(w->cxt);
	count = palloc0(sizeof(TableCount));
	count->name = pstrdup(name ? name : "message");
	counts = lappend(counts, count);
	MemoryContextSwitchTo(old);
	return count;
}

static void
send_boundary(CdcWorker *w, const char *status, bool with_counts)
{
	StringInfo	key = &w->key;
	StringInfo	value = &w->value;
	ListCell   *lc;

	resetStringInfo(key);
	resetStringInfo(value);
	appendStringInfo(key, "%s{\"id\":\"%u:%llu\"}%s", w->config->schemas ? transaction_key_schema : "", w->xact.xid,
					 (unsigned long long) w->xact.lsn, w->config->schemas ? "}" : "");
	appendStringInfo(value, "%s{\"status\":\"%s\",\"id\":\"%u:%llu\",\"event_count\":", w->config->schemas ? transaction_value_schema : "",
					 status, w->xact.xid, (unsigned long long) w->xact.lsn);
	if (with_counts)
	{
		cdc_json_int(value, total_order);
		APPEND(value, ",\"data_collections\":[");
		foreach(lc, counts)
		{
			const TableCount *count = lfirst(lc);

			APPEND(value, "{\"data_collection\":");
			cdc_json_string(value, count->name, strlen(count->name));
			appendStringInfo(value, ",\"event_count\":" INT64_FORMAT "}%s", count->changes, lnext(counts, lc) ? "," : "");
		}
		appendStringInfoChar(value, ']');
	}
	else
		APPEND(value, "null,\"data_collections\":null");
	appendStringInfo(value, ",\"ts_ms\":" INT64_FORMAT "}%s", (w->xact.commit_time + CDC_EPOCH_MICROS) / 1000, w->config->schemas ? "}" : "");
	cdc_produce_buffers(w, "transaction", 0, false, false);
}

static void
forget_counts(void)
{
	ListCell   *lc;

	foreach(lc, counts)
	{
		pfree(((TableCount *) lfirst(lc))->name);
		pfree(lfirst(lc));
	}
	list_free(counts);
	counts = NIL;
	total_order = 0;
}

static void
begin(CdcWorker *w)
{
	if (!w->config->transactions)
		return;
	forget_counts();
	send_boundary(w, "BEGIN", false);
}

static void
commit(CdcWorker *w)
{
	if (w->config->transactions)
		send_boundary(w, "END", true);
}

/* rel NULL: a message. */
static void
append_transaction(StringInfo out, CdcWorker *w, const CdcRelation *rel)
{
	TableCount *count;

	if (!w->config->transactions || !TransactionIdIsValid(w->xact.xid) || !w->xact.open)
	{
		APPEND(out, ",\"transaction\":null");
		return;
	}
	count = count_of(w, rel ? psprintf("%s.%s", rel->schema, rel->table) : NULL);
	appendStringInfo(out, ",\"transaction\":{\"id\":\"%u:%llu\",\"total_order\":" INT64_FORMAT ",\"data_collection_order\":" INT64_FORMAT "}",
					 w->xact.xid, (unsigned long long) w->xact.lsn, ++total_order, ++count->changes);
}

/* ---- records ------------------------------------------------------------------------------------------- */

/* A UUID for each start of the worker. */
static const char *
run_id(void)
{
	static char id[UUID_LEN * 2 + 5] = "";

	if (id[0] == '\0')
		strlcpy(id, DatumGetCString(DirectFunctionCall1(uuid_out, DirectFunctionCall1(gen_random_uuid, (Datum) 0))), sizeof(id));
	return id;
}

/* header: one besides those of the context, or NULL. */
static rd_kafka_headers_t *
make_headers(const CdcWorker *w, const char *header, const StringInfo value)
{
	rd_kafka_headers_t *headers;

	if (header == NULL && !w->config->context_headers)
		return NULL;
	headers = rd_kafka_headers_new(8);
	if (header)
		(void) rd_kafka_header_add(headers, header, -1, value->data, value->len);
	if (!w->config->context_headers)
		return headers;
	(void) rd_kafka_header_add(headers, "__debezium.context.connectorLogicalName", -1, w->config->prefix, -1);
	(void) rd_kafka_header_add(headers, "__debezium.context.taskId", -1, "0", 1);
	(void) rd_kafka_header_add(headers, "__debezium.context.connectorName", -1, "postgresql", -1);
	(void) rd_kafka_header_add(headers, "__debezium.context.runId", -1, run_id(), -1);
	return headers;
}

static void
put_key(CdcWorker *w, const CdcRelation *rel, const CdcValue *row)
{
	const Prepared *p = rel->format_data;

	resetStringInfo(&w->key);
	appendBinaryStringInfo(&w->key, p->key_head.data, p->key_head.len);
	append_key(&w->key, rel, row);
	appendBinaryStringInfo(&w->key, p->key_tail.data, p->key_tail.len);
}

static void
put_value(CdcWorker *w, const CdcRelation *rel, const CdcValue *before, bool only_key, const CdcValue *after, char op, const char *snapshot)
{
	const Prepared *p = rel->format_data;
	StringInfo	out = &w->value;

	resetStringInfo(out);
	appendBinaryStringInfo(out, p->value_head.data, p->value_head.len);
	APPEND(out, "{\"before\":");
	append_row(out, w, rel, before, only_key);
	APPEND(out, ",\"after\":");
	append_row(out, w, rel, after, false);
	appendStringInfoCharMacro(out, ',');
	append_source(out, w, snapshot, p->table.data);
	append_transaction(out, w, rel);
	APPEND(out, ",\"op\":\"");
	appendStringInfoCharMacro(out, op);
	APPEND(out, "\",");
	append_times(out, GetCurrentTimestamp() + CDC_EPOCH_MICROS);
	appendStringInfoCharMacro(out, '}');
	appendBinaryStringInfo(out, p->value_tail.data, p->value_tail.len);
}

/* header: an additional one, or NULL. */
static void
send_record(CdcWorker *w, const CdcRelation *rel, const StringInfo key, const StringInfo value, const char *header, const StringInfo header_value)
{
	CdcRecord	record = {.topic = rel->topic};

	if (rel->nkeys > 0)
	{
		record.key = key->data;
		record.key_len = key->len;
	}
	if (value)
	{
		record.value = value->data;
		record.value_len = value->len;
	}
	record.headers = make_headers(w, header, header_value);
	cdc_produce(w, &record);
}

static bool
same_key(const CdcRelation *rel, const CdcValue *old, const CdcValue *new)
{
	for (int i = 0; i < rel->nkeys; i++)
	{
		const CdcValue *a = &old[rel->keys[i]];
		const CdcValue *b = &new[rel->keys[i]];

		if (a->kind == 't' && (b->kind != 't' || a->len != b->len || memcmp(a->text, b->text, a->len) != 0))
			return false;
	}
	return true;
}

/* A new key is another row to those who compact: delete the old one, create the new. */
static void
send_moved(CdcWorker *w, const CdcChange *change)
{
	const CdcRelation *rel = change->rel;
	StringInfoData old_key;
	StringInfoData new_key;

	initStringInfo(&old_key);
	initStringInfo(&new_key);
	append_key(&old_key, rel, change->old);
	append_key(&new_key, rel, change->new);
	put_key(w, rel, change->old);
	put_value(w, rel, change->old, change->old_is_key, NULL, 'd', "false");
	send_record(w, rel, &w->key, &w->value, "__debezium.newkey", &new_key);
	if (w->config->tombstones)
		send_record(w, rel, &w->key, NULL, "__debezium.newkey", &new_key);
	put_key(w, rel, change->new);
	put_value(w, rel, NULL, false, change->new, 'c', "false");
	send_record(w, rel, &w->key, &w->value, "__debezium.oldkey", &old_key);
}

static void
change(CdcWorker *w, const CdcChange *change)
{
	const CdcRelation *rel = change->rel;

	switch (change->op)
	{
		case CDC_INSERT:
			put_key(w, rel, change->new);
			put_value(w, rel, NULL, false, change->new, 'c', "false");
			send_record(w, rel, &w->key, &w->value, NULL, NULL);
			break;
		case CDC_READ:
			put_key(w, rel, change->new);
			put_value(w, rel, NULL, false, change->new, 'r', change->snapshot);
			send_record(w, rel, &w->key, &w->value, NULL, NULL);
			break;
		case CDC_UPDATE:
			if (change->old && rel->nkeys > 0 && !same_key(rel, change->old, change->new))
			{
				send_moved(w, change);
				break;
			}
			put_key(w, rel, change->new);
			put_value(w, rel, change->old_is_key ? NULL : change->old, false, change->new, 'u', "false");
			send_record(w, rel, &w->key, &w->value, NULL, NULL);
			break;
		case CDC_DELETE:
			put_key(w, rel, change->old);
			put_value(w, rel, change->old, change->old_is_key, NULL, 'd', "false");
			send_record(w, rel, &w->key, &w->value, NULL, NULL);
			/* without a key it would say nothing */
			if (w->config->tombstones && rel->nkeys > 0)
				send_record(w, rel, &w->key, NULL, NULL, NULL);
			break;
	}
}

static void
send_truncate(CdcWorker *w, CdcRelation *rel)
{
	CdcRecord	record = {.topic = rel->topic};

	put_value(w, rel, NULL, false, NULL, 't', "false");
	record.value = w->value.data;
	record.value_len = w->value.len;
	record.headers = make_headers(w, NULL, NULL);
	cdc_produce(w, &record);
}

/* ---- logical messages --------------------------------------------------------------------------------- */

static const char message_key_schema[] =
"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":true,\"field\":\"prefix\"}],\"optional\":false,"
"\"name\":\"io.debezium.connector.postgresql.MessageKey\",\"version\":1},\"payload\":";

static void
append_message_schema(StringInfo out)
{
	appendStringInfo(out, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},%s,%s,"
					 "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":true,\"field\":\"prefix\"},{\"type\":\"bytes\",\"optional\":true,\"field\":\"content\"}],"
					 "\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Message\",\"version\":1,\"field\":\"message\"}],"
					 "\"optional\":false,\"name\":\"io.debezium.connector.postgresql.MessageValue\",\"version\":1},\"payload\":", source_fields, transaction_fields);
}

static void
message(CdcWorker *w, const CdcMessage *message)
{
	StringInfo	key = &w->key;
	StringInfo	out = &w->value;

	resetStringInfo(key);
	resetStringInfo(out);
	if (w->config->schemas)
	{
		appendStringInfoString(key, message_key_schema);
		append_message_schema(out);
	}
	APPEND(key, "{\"prefix\":");
	cdc_json_string(key, message->prefix, strlen(message->prefix));
	appendStringInfoString(key, w->config->schemas ? "}}" : "}");
	APPEND(out, "{\"op\":\"m\",\"ts_ms\":");
	cdc_json_int(out, (GetCurrentTimestamp() + CDC_EPOCH_MICROS) / 1000);
	appendStringInfoChar(out, ',');
	append_source(out, w, "false", ",\"schema\":\"\",\"table\":\"\"");
	append_transaction(out, w, NULL);
	APPEND(out, ",\"message\":{\"prefix\":");
	cdc_json_string(out, message->prefix, strlen(message->prefix));
	APPEND(out, ",\"content\":");
	cdc_json_base64(out, (const unsigned char *) message->content, message->len);
	appendStringInfoString(out, w->config->schemas ? "}}}" : "}}");
	cdc_produce_buffers(w, "message", 0, false, false);
}

const CdcFormat cdc_debezium = {
	.name = "debezium_json",
	.describe = describe,
	.change = change,
	.truncate = send_truncate,
	.message = message,
	.begin = begin,
	.commit = commit,
};
