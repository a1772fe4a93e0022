/*
 * flat.c
 *	  The format flat_json: a small object for each change, for consumers of one's
 *	  own.  Numbers that a double holds are numbers; decimals, times and all else are
 *	  PostgreSQL's own text, so that nothing is lost; json is itself.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "cdc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static void
append_value(StringInfo out, const CdcColumn *col, const CdcValue *value)
{
	if (value->kind != 't')
	{
		appendStringInfoString(out, "null");
		return;
	}
	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case BOOLOID:
			col->append(out, col, value->text, value->len);
			break;
		case JSONOID:
		case JSONBOID:
			{
				int			len = value->len;
				const char *text = cdc_utf8(value->text, &len);

				appendBinaryStringInfo(out, text, len);
				break;
			}
		default:
			cdc_json_string(out, value->text, value->len);
	}
}

static void
append_columns(StringInfo out, const CdcRelation *rel, const CdcValue *row, bool only_key)
{
	char		separator = '{';

	for (int i = 0; i < rel->ncolumns; i++)
	{
		if (row[i].kind == 'u' || (only_key && !rel->columns[i].identity))
			continue;
		appendStringInfoChar(out, separator);
		appendBinaryStringInfo(out, rel->columns[i].label, rel->columns[i].label_len);
		append_value(out, &rel->columns[i], &row[i]);
		separator = ',';
	}
	appendStringInfoString(out, separator == '{' ? "{}" : "}");
}

static void
put_key(CdcWorker *w, const CdcRelation *rel, const CdcValue *row)
{
	resetStringInfo(&w->key);
	for (int i = 0; i < rel->nkeys; i++)
	{
		const CdcColumn *col = &rel->columns[rel->keys[i]];

		appendStringInfoChar(&w->key, i == 0 ? '{' : ',');
		appendBinaryStringInfo(&w->key, col->label, col->label_len);
		append_value(&w->key, col, &row[rel->keys[i]]);
	}
	appendStringInfoChar(&w->key, '}');
}

static void
put_head(CdcWorker *w, const char *op)
{
	resetStringInfo(&w->value);
	appendStringInfo(&w->value, "{\"op\":\"%s\"", op);
}

static void
put_tail(CdcWorker *w, const CdcRelation *rel)
{
	StringInfo	out = &w->value;

	if (rel)
	{
		appendStringInfoString(out, ",\"schema\":");
		cdc_json_string(out, rel->schema, strlen(rel->schema));
		appendStringInfoString(out, ",\"table\":");
		cdc_json_string(out, rel->table, strlen(rel->table));
	}
	appendStringInfo(out, ",\"pos\":\"%016llX/%u\",\"xid\":%u,\"committed\":\"%s\"}", (unsigned long long) w->xact.commit, w->xact.seq + 1,
					 w->xact.xid, timestamptz_to_str(w->xact.commit_time));
}

static void
send_record(CdcWorker *w, CdcTopic *topic, bool keyed)
{
	CdcRecord	record = {.topic = topic, .value = w->value.data, .value_len = w->value.len};

	if (keyed)
	{
		record.key = w->key.data;
		record.key_len = w->key.len;
	}
	cdc_produce(w, &record);
}

static void
send_change(CdcWorker *w, const CdcChange *change)
{
	static const char *const names[] = {"insert", "update", "delete", "read"};
	const CdcRelation *rel = change->rel;

	put_key(w, rel, change->new ? change->new : change->old);
	put_head(w, names[change->op]);
	if (change->new)
	{
		appendStringInfoString(&w->value, ",\"row\":");
		append_columns(&w->value, rel, change->new, false);
	}
	if (change->old)
	{
		appendStringInfoString(&w->value, ",\"old\":");
		append_columns(&w->value, rel, change->old, change->old_is_key);
	}
	put_tail(w, rel);
	send_record(w, rel->topic, rel->nkeys > 0);
	if (change->op == CDC_DELETE && w->config->tombstones && rel->nkeys > 0)
	{
		CdcRecord	tombstone = {.topic = rel->topic, .key = w->key.data, .key_len = w->key.len};

		cdc_produce(w, &tombstone);
	}
}

static bool
has_new_key(CdcWorker *w, const CdcChange *change)
{
	char	   *old_key;

	if (change->op != CDC_UPDATE || change->old == NULL || change->rel->nkeys == 0)
		return false;
	put_key(w, change->rel, change->old);
	old_key = pstrdup(w->key.data);
	put_key(w, change->rel, change->new);
	return strcmp(old_key, w->key.data) != 0;
}

/* A new key is another row to those who compact: delete the old one, insert the new. */
static void
change(CdcWorker *w, const CdcChange *change)
{
	CdcChange	deleted = {.op = CDC_DELETE, .rel = change->rel, .old = change->old, .old_is_key = change->old_is_key};
	CdcChange	inserted = {.op = CDC_INSERT, .rel = change->rel, .new = change->new};

	if (!has_new_key(w, change))
	{
		send_change(w, change);
		return;
	}
	send_change(w, &deleted);
	send_change(w, &inserted);
}

static void
send_truncate(CdcWorker *w, CdcRelation *rel)
{
	put_head(w, "truncate");
	put_tail(w, rel);
	send_record(w, rel->topic, false);
}

static void
message(CdcWorker *w, const CdcMessage *message)
{
	put_head(w, "message");
	appendStringInfoString(&w->value, ",\"prefix\":");
	cdc_json_string(&w->value, message->prefix, strlen(message->prefix));
	appendStringInfoString(&w->value, ",\"content\":");
	cdc_json_base64(&w->value, (const unsigned char *) message->content, message->len);
	put_tail(w, NULL);
	send_record(w, cdc_topic(w, psprintf("%s.message", w->config->prefix), 0, false), false);
}

const CdcFormat cdc_flat = {
	.name = "flat_json",
	.change = change,
	.truncate = send_truncate,
	.message = message,
};
