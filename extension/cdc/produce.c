/*
 * produce.c
 *	  Records to Kafka, by librdkafka's idempotent producer: what it takes is in
 *	  Kafka once and in order, or the worker ends and begins again before it.
 *
 * The producer lives in the worker's process only.  Its callbacks run in our
 * thread, in rd_kafka_poll: they note what happened and raise nothing.
 *
 * librdkafka waits a moment for more before it sends a request (linger.ms).  That is
 * right for a backlog, and in the way of a lonely change: when there is no more WAL to
 * read the wait is cut short, but not so often that each change costs a request.
 */
#include "postgres.h"

#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include "cdc.h"
#include "fdw/core/compat.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define STALLED_AFTER 5000		/* ms without an acknowledgement */
#define TRANSACTION_RECORDS 20000
#define TRANSACTION_TIME 200	/* ms */
#define TRANSACTION_IDLE_TIME 10	/* ms, when there is no more to read */
#define FLUSH_PAUSE 2			/* ms between two requests that are sent before their time */
#define TRIM_ABOVE (64 * 1024 * 1024)	/* bytes that went through the producer */

/* ---- librdkafka's callbacks ----------------------------------------------------------- */

/* Kafka will not take this record, or another one of its batch, however often it is sent. */
static bool
is_refusal(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
		error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

/* Without ereport: malloc, as librdkafka does. */
static char *
copy(const void *data, size_t len)
{
	char	   *result = data ? malloc(len + 1) : NULL;

	if (result)
	{
		memcpy(result, data, len);
		result[len] = '\0';
	}
	return result;
}

static void
note_refusal(CdcWorker *w, const rd_kafka_message_t *message)
{
	CdcLetter  *letter = calloc(1, sizeof(CdcLetter));
	rd_kafka_headers_t *headers;
	const void *position = "";
	size_t		len = 0;

	if (letter == NULL)
	{
		strlcpy(w->failure, "out of memory", sizeof(w->failure));
		return;
	}
	if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
		(void) rd_kafka_header_get_last(headers, "cipherhorizon.pos", &position, &len);
	letter->batch = (uintptr_t) message->_private;
	letter->topic = strdup(rd_kafka_topic_name(message->rkt));
	letter->position = copy(position, len);
	letter->reason = strdup(rd_kafka_err2str(message->err));
	letter->key = copy(message->key, message->key_len);
	letter->key_len = message->key_len;
	letter->value = copy(message->payload, message->len);
	letter->value_len = message->len;
	letter->next = w->letters;
	w->letters = letter;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	CdcWorker  *w = opaque;
	uintptr_t	number = (uintptr_t) message->_private & ~CDC_ASIDE;
	bool		aside = number != (uintptr_t) message->_private;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || (aside && is_refusal(message->err)))
	{
		w->acked_at = 0;		/* now: the clock is read once a poll */
		cdc_batch_acked(w, number);
	}
	else if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		return;
	else if (is_refusal(message->err) && message->_private)
	{
		if (w->careful)
			note_refusal(w, message);
		else
			w->refused = true;
	}
#if RD_KAFKA_VERSION >= 0x020400ff
	else if (message->err == RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD)
		w->refused = true;		/* not this one, another one of its batch */
#endif
	else if (w->failure[0] == '\0')
		snprintf(w->failure, sizeof(w->failure), "Kafka did not take a record of topic \"%s\": %s",
				 rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
}

static void
note_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	CdcWorker  *w = opaque;
	char		text[400];

	if (error == RD_KAFKA_RESP_ERR__FATAL)
	{
		rd_kafka_resp_err_t cause = rd_kafka_fatal_error(rk, text, sizeof(text));

		snprintf(w->failure, sizeof(w->failure), "%s: %s", rd_kafka_err2name(cause), text);
	}
	else
		strlcpy(w->kafka_error, reason, sizeof(w->kafka_error));
}

static void
note_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	CdcWorker  *w = rd_kafka_opaque(rk);

	if (level <= 3)
		strlcpy(w->kafka_error, text, sizeof(w->kafka_error));
}

/* ---- opening and closing ----------------------------------------------------------------- */

/* The wait for WAL ends when librdkafka has something to say. */
static void
make_wakeup(CdcWorker *w)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_main(w->rk);

	if (pipe(w->wakeup) != 0 ||
		fcntl(w->wakeup[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(w->wakeup[1], F_SETFL, O_NONBLOCK) != 0)
		ereport(ERROR, (errcode_for_socket_access(), errmsg("could not make a pipe: %m")));
	rd_kafka_queue_io_event_enable(queue, w->wakeup[1], "", 1);
	rd_kafka_queue_destroy(queue);
	w->events = CH_CREATE_LASTING_WAIT_SET(3);
	AddWaitEventToSet(w->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(w->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(w->events, WL_SOCKET_READABLE, w->wakeup[0], NULL, NULL);
}

pg_noreturn static void
raise_error(rd_kafka_error_t *error, const char *what)
{
	char		text[400];

	strlcpy(text, rd_kafka_error_string(error), sizeof(text));
	rd_kafka_error_destroy(error);
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("could not %s of Kafka", what),
			 errdetail("%s.", text)));
}

/*
 * Kafka does not answer, and this may be the middle of decoding, where the catalog
 * cannot be read: a word from outside ends the worker, and the next one obeys.
 */
static void
yield(CdcWorker *w)
{
	cdc_check(w);
	if (w->shared->state != CDC_STALLED)
		return;
	if (w->config->wish == CDC_PAUSE)
		cdc_stop(w, CDC_PAUSED, NULL);
	if (pg_atomic_read_u32(&w->shared->changed))
	{
		cdc_transaction_abandon(w);
		proc_exit(0);
	}
}

static void
set_stalled(CdcWorker *w, const char *otherwise)
{
	if (w->shared->state != CDC_STALLED)
		w->stalled_in = w->shared->state;
	cdc_set_state(w->shared, CDC_STALLED, w->kafka_error[0] ? w->kafka_error : otherwise);
}

static void
end_stall(CdcWorker *w)
{
	if (w->shared->state == CDC_STALLED)
		cdc_set_state(w->shared, w->stalled_in, NULL);
}

/* Between two tries of a call that was begun at start. */
static void
try_again(CdcWorker *w, CdcTime start)
{
	cdc_poll(w, 0);
	if (w->shared->state != CDC_STALLED && cdc_passed(start, STALLED_AFTER))
		set_stalled(w, "Kafka does not answer");
	yield(w);
}

/*
 * A record that Kafka refuses breaks the transaction at once; which one it was comes
 * a moment later, and it would be refused again and again if nobody waited for that.
 */
void
cdc_look_for_refusal(CdcWorker *w)
{
	if (!w->config->exactly_once)
		return;
	for (int tries = 0; tries < 50 && !w->refused && w->letters == NULL && w->failure[0] == '\0'; tries++)
	{
		(void) rd_kafka_poll(w->rk, 20);
		cdc_check(w);
	}
	/* it does not come back if there was one */
	cdc_poll(w, 0);
}

/* Call until it is not a matter of time; what is between raises nothing. */
#define UNTIL_DONE(w, call, what) \
	do \
	{ \
		CdcTime		start_ = cdc_now(); \
		rd_kafka_error_t *error_; \
		while ((error_ = (call)) != NULL) \
		{ \
			if (!rd_kafka_error_is_retriable(error_) && rd_kafka_error_code(error_) != RD_KAFKA_RESP_ERR__TIMED_OUT) \
			{ \
				cdc_look_for_refusal(w); \
				raise_error(error_, what); \
			} \
			rd_kafka_error_destroy(error_); \
			try_again(w, start_); \
		} \
		end_stall(w); \
	} while (0)

void
cdc_producer_open(CdcWorker *w)
{
	CdcConfig  *config = w->config;
	HASHCTL		ctl = {.keysize = CDC_TOPIC_SIZE, .entrysize = sizeof(CdcTopic), .hcxt = w->cxt};
	rd_kafka_conf_t *conf;
	char		error[512];

	StartTransactionCommand();
	conf = cdc_broker_conf(config->server, config->owner);
	w->create_topics = cdc_server_bool(config->server, "create_topics");
	w->topic_partitions = cdc_server_int(config->server, "topic_partitions");
	w->topic_replication = cdc_server_int(config->server, "topic_replication");
	CommitTransactionCommand();

	cdc_conf_set(conf, "enable.idempotence", "true");
	cdc_conf_set(conf, "acks", "all");
	cdc_conf_set(conf, "partitioner", "murmur2_random");
	cdc_conf_set(conf, "queue.buffering.max.kbytes", psprintf("%d", cdc_queue_size));
	cdc_conf_set(conf, "queue.buffering.max.messages", "1000000");
	cdc_conf_set(conf, "log.queue", "true");
	w->careful = w->shared->careful_until != InvalidXLogRecPtr;
	if (w->careful)
		cdc_conf_set(conf, "batch.num.messages", "1");
	if (config->exactly_once)
		cdc_conf_set(conf, "transactional.id", psprintf("cipherhorizon-" UINT64_FORMAT "-%u-%s", GetSystemIdentifier(), MyDatabaseId, config->slot));
	else
		cdc_conf_set(conf, "message.timeout.ms", "0");	/* as long as it takes */
	rd_kafka_conf_set_opaque(conf, w);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_error_cb(conf, note_error);
	rd_kafka_conf_set_log_cb(conf, note_log);
	w->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (w->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not make a producer of Kafka"),
				 errdetail("%s.", error)));
	}
	rd_kafka_set_log_queue(w->rk, NULL);
	w->topics = hash_create("topics of a pipeline", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	make_wakeup(w);
	if (config->exactly_once)
		UNTIL_DONE(w, rd_kafka_init_transactions(w->rk, 100), "begin with transactions");
}

/* ---- topics ---------------------------------------------------------------------------------- */

/* One attempt; its answer, NULL if there was none in time. */
static rd_kafka_event_t *
ask_for_topic(CdcWorker *w, rd_kafka_queue_t *queue, const char *name, int partitions, bool compacted, const char **problem)
{
	char		error[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions > 0 ? partitions : -1,
													   w->topic_replication > 0 ? w->topic_replication : -1, error, sizeof(error));
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(w->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_event_t *event = NULL;

	if (topic == NULL)
	{
		*problem = pstrdup(error);
		rd_kafka_AdminOptions_destroy(options);
		return NULL;
	}
	if (compacted)
		(void) rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
	(void) rd_kafka_AdminOptions_set_request_timeout(options, 5000, error, sizeof(error));
	rd_kafka_CreateTopics(w->rk, &topic, 1, options, queue);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_AdminOptions_destroy(options);
	/* it always comes, at the latest with a time-out; who shall end does not wait for it */
	while ((event = rd_kafka_queue_poll(queue, 20)) == NULL && !ProcDiePending && pg_atomic_read_u32(&w->shared->changed) == 0)
		(void) rd_kafka_poll(w->rk, 0);
	return event;
}

/* Why Kafka will never make it, or NULL: it is there. */
static const char *
make_topic(CdcWorker *w, const char *name, int partitions, bool compacted)
{
	for (;;)
	{
		rd_kafka_queue_t *queue = rd_kafka_queue_new(w->rk);
		const char *problem = NULL;
		rd_kafka_event_t *event = ask_for_topic(w, queue, name, partitions, compacted, &problem);
		rd_kafka_resp_err_t code;
		char		text[256] = "";

		cdc_check(w);
		code = event ? rd_kafka_event_error(event) : problem ? RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION : RD_KAFKA_RESP_ERR__TIMED_OUT;
		if (event && code == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			size_t		n;
			const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);

			code = rd_kafka_topic_result_error(results[0]);
			if (rd_kafka_topic_result_error_string(results[0]))
				strlcpy(text, rd_kafka_topic_result_error_string(results[0]), sizeof(text));
		}
		else
			strlcpy(text, event ? rd_kafka_event_error_string(event) : problem ? problem : "Kafka does not answer", sizeof(text));
		if (event)
			rd_kafka_event_destroy(event);
		rd_kafka_queue_destroy(queue);
		switch (code)
		{
			case RD_KAFKA_RESP_ERR_NO_ERROR:
			case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
			case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:	/* it may be there */
			case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
				end_stall(w);
				return NULL;
			case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
			case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
			case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
			case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
			case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
				end_stall(w);
				return pstrdup(text);
			default:			/* Kafka is not there; try again */
				set_stalled(w, text);
				yield(w);
				pg_usleep(100000);
		}
	}
}

CdcTopic *
cdc_try_topic(CdcWorker *w, const char *name, int partitions, bool compacted, const char **problem)
{
	bool		found;
	CdcTopic   *topic;

	*problem = NULL;
	if (strlen(name) >= CDC_TOPIC_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("the name of a topic is too long: \"%s\"", name),
				 errdetail("Kafka takes %d characters.", CDC_TOPIC_SIZE - 1)));
	topic = hash_search(w->topics, name, HASH_ENTER, &found);
	if (found && topic->handle)
		return topic;
	topic->handle = NULL;
	if (w->create_topics)
		*problem = make_topic(w, name, partitions > 0 ? partitions : w->topic_partitions, compacted);
	if (*problem)
		return topic;
	topic->handle = rd_kafka_topic_new(w->rk, name, NULL);
	if (topic->handle == NULL)
		*problem = rd_kafka_err2str(rd_kafka_last_error());
	return topic;
}

CdcTopic *
cdc_topic(CdcWorker *w, const char *name, int partitions, bool compacted)
{
	const char *problem;
	CdcTopic   *topic = cdc_try_topic(w, name, partitions, compacted, &problem);

	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not make the topic \"%s\"", name),
				 errdetail("%s.", problem)));
	return topic;
}

/* ---- records ---------------------------------------------------------------------------------- */

static void
raise_failure(const CdcWorker *w)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", w->failure)));
}

static void
keep_letters(CdcWorker *w)
{
	while (w->letters)
	{
		CdcLetter  *letter = w->letters;

		/* taken out first: there may come others, and this be called again, while it is kept */
		w->letters = letter->next;
		cdc_keep_letter(w, letter);
		cdc_batch_acked(w, letter->batch);
		free(letter->topic);
		free(letter->position);
		free(letter->reason);
		free(letter->key);
		free(letter->value);
		free(letter);
	}
}

/*
 * Kafka refuses batches, and says not which record it is about: they are made
 * again, by a worker that sends records one by one until it is past them.
 */
static void
become_careful(CdcWorker *w)
{
	ereport(LOG, (errmsg("pipeline \"%s\": Kafka refused a batch of records, they are sent one by one", w->config->name)));
	w->shared->careful_until = Max(w->read_to, w->xact.commit);
	proc_exit(0);
}

void
cdc_poll(CdcWorker *w, int timeout)
{
	(void) rd_kafka_poll(w->rk, timeout);
	if (unlikely(w->refused))
		become_careful(w);
	if (unlikely(w->failure[0] != '\0'))
		raise_failure(w);
	if (unlikely(w->letters != NULL))
	{
		if (w->config->exactly_once)
			w->transaction_broken = true;
		keep_letters(w);
		if (w->transaction_broken)
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("Kafka refused a record of a transaction; it is done again without")));
	}
}

/* Is Kafka there? */
void
cdc_watch_stall(CdcWorker *w)
{
	CdcTime		now = cdc_now();

	if (w->acked_at == 0 || rd_kafka_outq_len(w->rk) == 0)
	{
		w->acked_at = now;
		end_stall(w);
	}
	else if (w->shared->state != CDC_STALLED && now - w->acked_at >= STALLED_AFTER * INT64CONST(1000))
		set_stalled(w, "Kafka does not acknowledge");
}

static CdcLetter
letter_of(const CdcRecord *record, const char *position, const char *reason)
{
	return (CdcLetter) {
		.topic = record->topic->name,
		.position = unconstify(char *, position),
		.reason = unconstify(char *, reason),
		.key = unconstify(char *, record->key), .key_len = record->key_len,
		.value = unconstify(char *, record->value), .value_len = record->value_len,
	};
}

static void
dead_letter(CdcWorker *w, const CdcRecord *record, const char *position, const char *reason)
{
	CdcLetter	letter = letter_of(record, position, reason);

	cdc_keep_letter(w, &letter);
}

/* It was given up before.  Whether that was told is not known, or it was told in a transaction that has failed. */
static void
pass_over(CdcWorker *w, const CdcRecord *record, const char *position, const char *reason)
{
	CdcLetter	letter = letter_of(record, position, reason);

	if (record->headers)
		rd_kafka_headers_destroy(record->headers);
	cdc_tell_letter(w, &letter);
}

static void
keep_as_dead(CdcWorker *w, const CdcRecord *record, const char *position, const char *reason)
{
	if (record->headers)
		rd_kafka_headers_destroy(record->headers);
	dead_letter(w, record, position, reason);
}

static void
begin_transaction(CdcWorker *w)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(w->rk);

	if (error)
	{
		cdc_look_for_refusal(w);
		raise_error(error, "begin a transaction");
	}
	w->in_transaction = true;
	w->transaction_start = cdc_now();
	w->transaction_records = 0;
}

static rd_kafka_resp_err_t
hand_over(CdcWorker *w, const CdcRecord *record, rd_kafka_headers_t *headers, uintptr_t batch)
{
	return rd_kafka_producev(w->rk, RD_KAFKA_V_RKT(record->topic->handle), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
							 RD_KAFKA_V_KEY(record->key, record->key_len),
							 RD_KAFKA_V_VALUE(unconstify(char *, record->value), record->value_len),
							 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE((void *) batch), RD_KAFKA_V_END);
}

/* Wait for room in the queue.  Nothing is lost if the worker ends here. */
void
cdc_wait_for_room(CdcWorker *w)
{
	CdcTime		start = cdc_now();

	cdc_poll(w, 20);
	cdc_watch_stall(w);
	yield(w);
	cdc_count(w);
	w->counters.stalled_ms += (cdc_now() - start) / 1000;
}

void
cdc_produce(CdcWorker *w, const CdcRecord *record)
{
	static const char digits[] = "0123456789ABCDEF";
	char		position[32];
	const char *reason;
	rd_kafka_headers_t *headers = record->headers;
	rd_kafka_resp_err_t error;
	int			len = 16;

	if (likely(!record->uncounted))
		w->xact.seq++;
	if (unlikely(w->xact.seq <= w->xact.skip && !record->uncounted))
	{
		if (headers)
			rd_kafka_headers_destroy(headers);
		return;
	}
	for (int i = 0; i < 16; i++)
		position[i] = digits[(w->xact.commit >> (60 - 4 * i)) & 15];
	position[len++] = '/';
	len += pg_ulltoa_n(record->uncounted ? 0 : w->xact.seq, position + len);
	position[len] = '\0';
	reason = record->uncounted ? NULL : w->xact.snapshot ? cdc_dead_row(record) : cdc_dead_reason(position);
	if (unlikely(reason != NULL))
	{
		/* without a key it may be another row than the one that was given up before */
		if (w->xact.snapshot && record->key == NULL)
			keep_as_dead(w, record, position, reason);
		else
			pass_over(w, record, position, reason);
		return;
	}
	if (headers == NULL)
		headers = rd_kafka_headers_new(2);
	(void) rd_kafka_header_add(headers, "cipherhorizon.pos", 17, position, len);
	if (w->xact.traceparent)
		(void) rd_kafka_header_add(headers, "traceparent", 11, w->xact.traceparent, -1);
	if (w->config->exactly_once && !w->in_transaction)
		begin_transaction(w);
	cdc_batch_add(w);
	while ((error = hand_over(w, record, headers, w->next_batch)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		cdc_wait_for_room(w);
	w->counters.produced++;
	w->counters.bytes += record->key_len + record->value_len;
	w->transaction_records++;
	if (likely(error == RD_KAFKA_RESP_ERR_NO_ERROR))
		return;
	rd_kafka_headers_destroy(headers);
	if (!is_refusal(error))
	{
		cdc_look_for_refusal(w);
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not send a record to topic \"%s\"", record->topic->name),
				 errdetail("%s.", rd_kafka_err2str(error))));
	}
	dead_letter(w, record, position, rd_kafka_err2str(error));
	cdc_batch_acked(w, w->next_batch);
}

void
cdc_give_up_record(CdcWorker *w, const CdcRecord *record, const char *reason)
{
	char		position[40];

	if (++w->xact.seq <= w->xact.skip)
	{
		if (record->headers)
			rd_kafka_headers_destroy(record->headers);
		return;
	}
	snprintf(position, sizeof(position), "%016llX/%u", (unsigned long long) w->xact.commit, w->xact.seq);
	if (cdc_dead_reason(position))
		pass_over(w, record, position, reason);
	else
		keep_as_dead(w, record, position, reason);
}

/* A record that cannot be made: its key is in w->key, if it came so far; the beginning of it does. */
void
cdc_give_up(CdcWorker *w, CdcTopic *topic, const char *reason)
{
	CdcRecord	record = {.topic = topic, .key = w->key.data, .key_len = Min(w->key.len, 1000000)};

	cdc_give_up_record(w, &record, reason);
}

void
cdc_produce_buffers(CdcWorker *w, const char *suffix, int partitions, bool compacted, bool uncounted)
{
	CdcRecord	record = {.key = w->key.data, .key_len = w->key.len, .value = w->value.data, .value_len = w->value.len, .uncounted = uncounted};

	record.topic = cdc_topic(w, psprintf("%s.%s", w->config->prefix, suffix), partitions, compacted);
	cdc_produce(w, &record);
}

/* One that is not of the stream: it has no position, and if Kafka refuses it, none is kept. */
void
cdc_produce_aside(CdcWorker *w, const CdcRecord *record)
{
	rd_kafka_resp_err_t error;

	if (w->config->exactly_once && !w->in_transaction)
		begin_transaction(w);
	cdc_batch_add(w);
	while ((error = hand_over(w, record, NULL, CDC_ASIDE | w->next_batch)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		cdc_wait_for_room(w);
	w->counters.produced++;
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		cdc_batch_acked(w, w->next_batch);
}

void
cdc_drain(CdcWorker *w)
{
	if (w->in_transaction)
		cdc_transaction_end(w, true);
	while (rd_kafka_outq_len(w->rk) > 0)
	{
		cdc_poll(w, 20);
		cdc_watch_stall(w);
		yield(w);
	}
}

/*
 * There is no more to read: send what waits for company, and give back what a
 * backlog has taken.
 */
void
cdc_flush(CdcWorker *w)
{
	if (w->in_transaction)
	{
		if (cdc_passed(w->transaction_start, TRANSACTION_IDLE_TIME))
			cdc_transaction_end(w, true);
		return;
	}
	if (w->counters.produced == w->flushed_records)
	{
#ifdef __GLIBC__
		if (w->counters.bytes - w->trimmed_bytes > TRIM_ABOVE && rd_kafka_outq_len(w->rk) == 0)
		{
			(void) malloc_trim(0);
			w->trimmed_bytes = w->counters.bytes;
		}
#endif
		return;
	}
	if (!cdc_passed(w->flushed_at, FLUSH_PAUSE))
		return;
	w->flushed_at = cdc_now();
	w->flushed_records = w->counters.produced;
	(void) rd_kafka_flush(w->rk, 1);
}

bool
cdc_has_more(CdcWorker *w)
{
	return w->in_transaction || w->counters.produced != w->flushed_records;
}

/*
 * Nobody may come back to it soon, and until it ends it holds back those who read
 * what is committed: Kafka has a second to hear that it is over.
 */
void
cdc_transaction_abandon(CdcWorker *w)
{
	rd_kafka_error_t *error = w->in_transaction ? rd_kafka_abort_transaction(w->rk, 1000) : NULL;

	if (error)
		rd_kafka_error_destroy(error);
	w->in_transaction = false;
}

/* A transaction whose commit was asked for cannot be aborted: before, all that it has is in Kafka. */
static void
await_records(CdcWorker *w)
{
	CdcTime		start = cdc_now();

	while (rd_kafka_flush(w->rk, 100) != RD_KAFKA_RESP_ERR_NO_ERROR)
		try_again(w, start);
	cdc_poll(w, 0);
}

void
cdc_transaction_end(CdcWorker *w, bool now)
{
	if (!w->in_transaction)
		return;
	if (!now && w->transaction_records < TRANSACTION_RECORDS &&
		!cdc_passed(w->transaction_start, TRANSACTION_TIME))
		return;
	cdc_write_position(w, w->produced);
	await_records(w);
	/* not less: librdkafka may mix up the calls if one ends before its thread has taken it up */
	UNTIL_DONE(w, rd_kafka_commit_transaction(w->rk, 1000), "commit a transaction");
	w->in_transaction = false;
	w->counters.kafka_transactions++;
	w->kept = w->produced;
}

/* A position that no transaction of Kafka has brought: nothing was to be sent. */
void
cdc_note_alone(CdcWorker *w, XLogRecPtr end)
{
	if (w->in_transaction)
		return;
	begin_transaction(w);
	w->produced = end;
	cdc_transaction_end(w, true);
}
