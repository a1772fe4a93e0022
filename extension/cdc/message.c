/*
 * message.c
 *	  Logical messages in the WAL: some are words to this pipeline (an outbox
 *	  record, the trace context of the transaction), the others are sent on.
 */
#include "postgres.h"

#include <jansson.h>

#include "cdc.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* An outbox record: {"topic","key","payload","headers","pipeline"}, from cdc_emit(). */
static void
send_outbox(CdcWorker *w, const CdcMessage *message)
{
	json_error_t error;
	int			len = message->len;
	const char *content = cdc_utf8(message->content, &len);
	json_t	   *object = json_loadb(content, len, 0, &error);
	const char *topic = object ? json_string_value(json_object_get(object, "topic")) : NULL;
	const char *pipeline = object ? json_string_value(json_object_get(object, "pipeline")) : NULL;
	json_t	   *key = object ? json_object_get(object, "key") : NULL;
	json_t	   *payload = object ? json_object_get(object, "payload") : NULL;
	const char *name;
	const char *problem;
	json_t	   *value;
	CdcRecord	record = {0};

	if (object == NULL)
	{
		resetStringInfo(&w->key);
		cdc_give_up(w, cdc_topic(w, psprintf("%s.message", w->config->prefix), 0, false), psprintf("an outbox record cannot be read: %s", error.text));
		return;
	}
	if (topic && (pipeline == NULL || strcmp(pipeline, w->config->name) == 0))
	{
		record.topic = cdc_try_topic(w, topic, 0, false, &problem);
		record.key = json_string_value(key);
		record.key_len = json_string_length(key);
		record.value = json_string_value(payload);
		record.value_len = json_string_length(payload);
		record.headers = rd_kafka_headers_new(4);
		json_object_foreach(json_object_get(object, "headers"), name, value)
			if (json_is_string(value))
				(void) rd_kafka_header_add(record.headers, name, -1, json_string_value(value), json_string_length(value));
		/* it copies the record, or keeps it as a dead letter */
		if (problem)
			cdc_give_up_record(w, &record, problem);
		else
			cdc_produce(w, &record);
	}
	json_decref(object);
}

/*
 * A changed definition, from the event trigger: to <prefix>.schema-changes, in its
 * place among the changes, with the position as an object's member.
 */
static void
send_definition(CdcWorker *w, const CdcMessage *message)
{
	StringInfo	out = &w->value;
	int			len = message->len;
	const char *content = cdc_utf8(message->content, &len);

	resetStringInfo(&w->key);
	resetStringInfo(out);
	appendStringInfoString(&w->key, "{\"databaseName\":");
	cdc_json_string(&w->key, w->database, strlen(w->database));
	appendStringInfoChar(&w->key, '}');
	/* {"databaseName":..., "lsn":..., "ts_ms":..., and the members of the message's object */
	appendBinaryStringInfo(out, w->key.data, w->key.len - 1);
	appendStringInfo(out, ",\"lsn\":" UINT64_FORMAT ",\"txId\":%u,\"ts_ms\":" INT64_FORMAT ",", w->xact.lsn, w->xact.xid,
					 (w->xact.commit_time + CDC_EPOCH_MICROS) / 1000);
	appendBinaryStringInfo(out, content + 1, len - 1);
	cdc_produce_buffers(w, "schema-changes", 1, false, false);
}

/* Not sealed: everyone may set it; but only to one. */
static void
set_trace(CdcWorker *w, const CdcMessage *message)
{
	const char *text = pnstrdup(message->content, message->len);

	if (!cdc_is_traceparent(text))
		return;
	if (w->xact.traceparent)
		pfree(w->xact.traceparent);
	w->xact.traceparent = MemoryContextStrdup(w->cxt, text);
}

void
cdc_message(CdcWorker *w, const CdcMessage *message)
{
	CdcMessage	inner;

	if (strcmp(message->prefix, "cipherhorizon.emit") == 0 && cdc_open_seal(w, message, &inner))
		send_outbox(w, &inner);
	else if (strcmp(message->prefix, "cipherhorizon.ddl") == 0 && cdc_open_seal(w, message, &inner))
		send_definition(w, &inner);
	else if (strcmp(message->prefix, "cipherhorizon.trace") == 0)
		set_trace(w, message);
	else
		w->config->format->message(w, message);
}

/* Between transactions, as if it were one of its own: its position is its LSN.  It has no words to us. */
void
cdc_message_alone(CdcWorker *w, const CdcMessage *message)
{
	CdcTransaction within = w->xact;

	w->xact.open = true;
	w->xact.xid = InvalidTransactionId;
	w->xact.commit = message->lsn;
	w->xact.seq = 0;
	w->xact.skip = w->xact.commit == w->resume.commit ? w->resume.seq : 0;
	w->xact.traceparent = NULL;
	w->config->format->message(w, message);
	w->xact = within;
	w->xact.last_commit = message->lsn;
	cdc_batch_end(w, message->lsn + 1, 0);
}
