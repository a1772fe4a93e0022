/*
 * position.c
 *	  How far a pipeline has come, and where it begins again.
 *
 * Two keep the position: a compacted topic of Kafka, and the slot.  The slot is
 * only told what Kafka has noted, so Kafka's note is never behind it: if it is,
 * someone else has moved the slot, and changes are missing.  In exactly-once
 * delivery the note is part of Kafka's transaction, so it is what was sent.
 */
#include "postgres.h"

#include <jansson.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "cdc.h"
#include "fdw/core/compat.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#define BATCH_RECORDS 1000		/* a batch takes no further transaction then */
#define ANSWER_TIME 5000		/* ms that Kafka has to answer who reads the position */
#define SAVE_INTERVAL 10000		/* ms: PostgreSQL 15 and 16 lose what is not saved */

/* ---- batches: which transactions are acknowledged ------------------------------------- */

static CdcBatch *
batch(CdcWorker *w, uint64 number)
{
	return &w->batches[number & (w->batch_size - 1)];
}

static void
grow(CdcWorker *w)
{
	uint64		size = w->batch_size ? w->batch_size * 2 : 1024;
	CdcBatch   *batches = MemoryContextAllocExtended(w->cxt, size * sizeof(CdcBatch), MCXT_ALLOC_HUGE);

	for (uint64 n = w->first_batch; n < w->next_batch; n++)
		batches[n & (size - 1)] = *batch(w, n);
	if (w->batches)
		pfree(w->batches);
	w->batches = batches;
	w->batch_size = size;
}

void
cdc_batch_add(CdcWorker *w)
{
	CdcBatch   *newest;

	if (!w->batch_open)
	{
		if (w->next_batch - w->first_batch == w->batch_size)
			grow(w);
		*batch(w, w->next_batch) = (CdcBatch) {0};
		w->next_batch++;
		w->batch_open = true;
	}
	newest = batch(w, w->next_batch - 1);
	newest->pending++;
	newest->records++;
}

/* The oldest ones of which all is acknowledged. */
static void
advance(CdcWorker *w)
{
	while (w->first_batch < w->next_batch)
	{
		bool		newest = w->first_batch == w->next_batch - 1;
		const CdcBatch *oldest = batch(w, w->first_batch);

		if (oldest->pending > 0 || (newest && w->xact.open))
			return;
		w->acked = Max(w->acked, oldest->end);
		if (oldest->commit_time)
			pg_atomic_write_u64(&w->shared->commit_time, (uint64) oldest->commit_time);
		w->first_batch++;
		if (newest)
			w->batch_open = false;
	}
}

/* number: counted from 1; 0 is a note of the position.  Called by librdkafka's callback: raises nothing. */
void
cdc_batch_acked(CdcWorker *w, uintptr_t number)
{
	if (number == 0)
	{
		if (!w->config->exactly_once)
			w->kept = Max(w->kept, w->noted);
		w->noted = InvalidXLogRecPtr;
		return;
	}
	batch(w, number - 1)->pending--;
	w->counters.acknowledged++;
	if (number - 1 == w->first_batch)
		advance(w);
}

void
cdc_batch_end(CdcWorker *w, XLogRecPtr end, TimestampTz commit_time)
{
	CdcBatch   *newest;

	w->produced = end;
	if (!w->batch_open)
		return;
	newest = batch(w, w->next_batch - 1);
	newest->end = end;
	newest->commit_time = commit_time;
	if (newest->records >= BATCH_RECORDS)
		w->batch_open = false;
	advance(w);
}

/* ---- the note in Kafka ------------------------------------------------------------------ */

void
cdc_write_position(CdcWorker *w, XLogRecPtr end)
{
	bool		within = w->xact.open && w->config->exactly_once;
	char	   *value = psprintf("{\"sysid\":\"" UINT64_FORMAT "\",\"timeline\":%u,\"slot\":\"%s\",\"end\":\"%X/%X\",\"commit\":\"%X/%X\",\"seq\":%u}",
								 GetSystemIdentifier(), GetWALInsertionTimeLine(), w->config->slot, LSN_FORMAT_ARGS(end),
								 LSN_FORMAT_ARGS(within ? w->xact.commit : InvalidXLogRecPtr), within ? Max(w->xact.seq, w->xact.skip) : 0);
	rd_kafka_resp_err_t error;

	while ((error = rd_kafka_producev(w->rk, RD_KAFKA_V_RKT(w->progress->handle), RD_KAFKA_V_PARTITION(0),
									  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
									  RD_KAFKA_V_KEY(w->config->slot, strlen(w->config->slot)),
									  RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_OPAQUE(NULL),
									  RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		cdc_wait_for_room(w);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		cdc_look_for_refusal(w);
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not note the position in Kafka"),
				 errdetail("%s.", rd_kafka_err2str(error))));
	}
	w->noted = end;
	pfree(value);
}

/* The slot is gone: another one of its name begins anew. */
void
cdc_erase_position(CdcWorker *w)
{
	rd_kafka_error_t *error = w->config->exactly_once ? rd_kafka_begin_transaction(w->rk) : NULL;

	if (error)
		rd_kafka_error_destroy(error);
	(void) rd_kafka_producev(w->rk, RD_KAFKA_V_RKT(w->progress->handle), RD_KAFKA_V_PARTITION(0),
							 RD_KAFKA_V_KEY(w->config->slot, strlen(w->config->slot)),
							 RD_KAFKA_V_VALUE(NULL, 0), RD_KAFKA_V_END);
	if (w->config->exactly_once && (error = rd_kafka_commit_transaction(w->rk, 5000)) != NULL)
		rd_kafka_error_destroy(error);
	(void) rd_kafka_flush(w->rk, 5000);
}

static XLogRecPtr
lsn_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	uint32		high,
				low;

	if (text == NULL || sscanf(text, "%X/%X", &high, &low) != 2)
		return InvalidXLogRecPtr;
	return ((uint64) high << 32) | low;
}

/* A record of the topic; those of other slots leave it as it is. */
static void
read_record(const rd_kafka_message_t *message, const char *slot, CdcPosition *position)
{
	json_t	   *object;
	const char *sysid;

	if (message->key_len != strlen(slot) || memcmp(message->key, slot, message->key_len) != 0)
		return;
	memset(position, 0, sizeof(CdcPosition));
	object = message->payload ? json_loadb(message->payload, message->len, 0, NULL) : NULL;
	if (object == NULL)
		return;
	sysid = json_string_value(json_object_get(object, "sysid"));
	position->sysid = sysid ? strtoull(sysid, NULL, 10) : 0;
	position->timeline = json_integer_value(json_object_get(object, "timeline"));
	position->end = lsn_of(object, "end");
	position->commit = lsn_of(object, "commit");
	position->seq = json_integer_value(json_object_get(object, "seq"));
	position->found = position->end != InvalidXLogRecPtr;
	json_decref(object);
}

/*
 * Is there nothing behind it?  Who reads what is committed is told of an end where
 * another pipeline's transaction is open, and behind that there may be a position of ours.
 */
static bool
is_end(rd_kafka_t *consumer, const char *topic, int64_t offset)
{
	int64_t		low;
	int64_t		high;

	return rd_kafka_get_watermark_offsets(consumer, topic, 0, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || offset >= high;
}

/* Read on from an offset to the topic's end; false: Kafka did not answer, or there is a word from outside. */
static bool
read_topic(CdcWorker *w, rd_kafka_t *consumer, rd_kafka_topic_t *topic, int64_t offset, CdcPosition *position)
{
	CdcTime		start = cdc_now();
	bool		ended = false;

	if (rd_kafka_consume_start(topic, 0, offset) != 0)
		return false;
	while (!ended && !cdc_passed(start, ANSWER_TIME))
	{
		rd_kafka_message_t *message = rd_kafka_consume(topic, 0, 100);

		if (message == NULL)
		{
			if (ProcDiePending || pg_atomic_read_u32(&w->shared->changed))
				break;
			continue;
		}
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ended = is_end(consumer, w->progress->name, message->offset);
		else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			read_record(message, w->config->slot, position);
			start = cdc_now();
		}
		rd_kafka_message_destroy(message);
	}
	(void) rd_kafka_consume_stop(topic, 0);
	return ended;
}

/* Near the end first: the newest record counts. */
static bool
read_from_end(CdcWorker *w, rd_kafka_t *consumer, CdcPosition *position)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, w->progress->name, NULL);
	bool		done = read_topic(w, consumer, topic, RD_KAFKA_OFFSET_TAIL(1000), position);

	if (done && !position->found)
		done = read_topic(w, consumer, topic, RD_KAFKA_OFFSET_BEGINNING, position);
	rd_kafka_topic_destroy(topic);
	return done;
}

CdcPosition
cdc_read_position(CdcWorker *w)
{
	CdcPosition position = {0};
	rd_kafka_conf_t *conf;
	rd_kafka_t *consumer;
	char		error[256];
	bool		done;

	StartTransactionCommand();
	conf = cdc_broker_conf(w->config->server, w->config->owner);
	CommitTransactionCommand();
	cdc_conf_set(conf, "enable.partition.eof", "true");
	cdc_conf_set(conf, "auto.offset.reset", "earliest");
	/* records of a pipeline that has no transactions do not wait for the end of others' */
	cdc_conf_set(conf, "isolation.level", w->config->exactly_once ? "read_committed" : "read_uncommitted");
	cdc_conf_set(conf, "fetch.wait.max.ms", "10");
	cdc_conf_set(conf, "log_level", "0");
	do
	{
		consumer = rd_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(conf), error, sizeof(error));
		if (consumer == NULL)
			ereport(ERROR, (errmsg("could not make a consumer of Kafka"), errdetail("%s.", error)));
		done = read_from_end(w, consumer, &position);
		rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		cdc_serve(w);
		/* afterwards: it takes a pipeline that has sent nothing for one that waits for nothing */
		if (!done)
			cdc_set_state(w->shared, CDC_STALLED, w->kafka_error[0] ? w->kafka_error : "the position could not be read from Kafka");
	} while (!done);
	rd_kafka_conf_destroy(conf);
	return position;
}

/* ---- where to begin ----------------------------------------------------------------------- */

/* Does this server's history have the WAL up to where Kafka is?  A promoted standby may lack the end of it. */
static bool
has_wal_of(const CdcPosition *position)
{
	TimeLineID	timeline = GetWALInsertionTimeLine();
	List	   *history;

	if (position->timeline > timeline || position->end > GetXLogInsertRecPtr())
		return false;
	if (position->timeline == timeline)
		return true;
	history = readTimeLineHistory(timeline);
	return tliInHistory(position->timeline, history) && position->end <= tliSwitchPoint(position->timeline, history, NULL);
}

static const char *
problem_with(const CdcWorker *w, const CdcPosition *position, CdcState *state)
{
	XLogRecPtr	slot = MyReplicationSlot->data.confirmed_flush;

	*state = CDC_LOST;
	if (position->sysid != GetSystemIdentifier())
		return psprintf("the position in Kafka is of another cluster, with system identifier " UINT64_FORMAT, position->sysid);
	if (!has_wal_of(position))
		return psprintf("the position in Kafka, %X/%X on timeline %u, is not in the WAL of this server: was an older backup restored, or a standby promoted that was behind?",
						LSN_FORMAT_ARGS(position->end), position->timeline);
	*state = CDC_GAP;
	if (position->end < slot && !w->config->accept_gap)
		return psprintf("the slot was moved to %X/%X by someone else, Kafka has the changes up to %X/%X only",
						LSN_FORMAT_ARGS(slot), LSN_FORMAT_ARGS(position->end));
	return NULL;
}

XLogRecPtr
cdc_reconcile(CdcWorker *w)
{
	CdcPosition position = cdc_read_position(w);
	XLogRecPtr	slot = MyReplicationSlot->data.confirmed_flush;
	CdcState	state;
	const char *problem;

	/* once, and not some day when there is another one */
	if (w->config->accept_gap)
		cdc_mark_gap_accepted(w->config->name);
	if (!position.found)
	{
		ereport(LOG,
				(errmsg("pipeline \"%s\" has no position in Kafka and begins at the slot's, %X/%X", w->config->name, LSN_FORMAT_ARGS(slot)),
				 errdetail("What was sent before may be sent again.")));
		return slot;
	}
	problem = problem_with(w, &position, &state);
	if (problem)
		cdc_stop(w, state, problem);
	if (position.end < slot)
		return slot;
	w->resume = position;
	return position.end;
}

/* ---- confirming ------------------------------------------------------------------------------ */

/* All before this is in Kafka. */
static XLogRecPtr
watermark(CdcWorker *w)
{
	/* what is read and had nothing for us is done, too: so an idle database holds no WAL */
	if (w->first_batch == w->next_batch && !w->xact.open && !w->in_transaction)
		w->acked = Max(w->acked, w->read_to);
	return w->acked;
}

static void
confirm_slot(CdcWorker *w, bool save)
{
	if (w->kept > w->confirmed)
	{
		LogicalConfirmReceivedLocation(w->kept);
		w->confirmed = w->kept;
	}
	if (w->confirmed > w->saved && (save || cdc_passed(w->saved_at, SAVE_INTERVAL)))
	{
		ReplicationSlotMarkDirty();
		ReplicationSlotSave();
		w->saved = w->confirmed;
		w->saved_at = cdc_now();
	}
}

void
cdc_confirm(CdcWorker *w, bool now)
{
	XLogRecPtr	mark = watermark(w);

	/* within Kafka's transaction, what is acknowledged may still be aborted */
	pg_atomic_write_u64(&w->shared->acked_lsn, w->in_transaction ? w->kept : mark);
	if (mark > w->kept && w->noted == InvalidXLogRecPtr &&
		(now || cdc_passed(w->confirmed_at, cdc_confirm_interval)))
	{
		w->confirmed_at = cdc_now();
		if (w->config->exactly_once)
			cdc_note_alone(w, mark);
		else
			cdc_write_position(w, mark);
	}
	confirm_slot(w, now);
	pg_atomic_write_u64(&w->shared->confirmed_lsn, w->confirmed);
}
