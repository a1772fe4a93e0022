/*
 * probe.c
 *	  Does a Kafka server answer, and may we make topics there?  librdkafka has
 *	  threads, which a session's process must not, so a worker asks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "cdc.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "storage/dsm.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ch_cdc_probe);
PGDLLEXPORT void ch_cdc_prober(Datum arg);

#define TIMEOUT 5000			/* ms, of each step */
#define SLICE 200				/* ms, until a word from outside is heard */
#define TEXT_SIZE 512
#define NSTEPS 3

typedef struct Step
{
	bool		done;
	bool		ok;
	double		elapsed;		/* ms */
	char		detail[TEXT_SIZE];
} Step;

/* What the worker gets, and what it answers. */
typedef struct Probe
{
	Oid			database;
	Oid			server;
	Oid			userid;
	char		topic[CDC_TOPIC_SIZE];
	Step		steps[NSTEPS];
	char		said[TEXT_SIZE];	/* librdkafka's last words */
} Probe;

static const char *const step_names[NSTEPS] = {"options", "connect", "create topics"};

/* ---- the worker ----------------------------------------------------------------------------- */

static void
note_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	Probe	   *probe = opaque;

	strlcpy(probe->said, reason, TEXT_SIZE);
}

static void
note_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	Probe	   *probe = rd_kafka_opaque(rk);

	if (level <= 4)
		strlcpy(probe->said, text, TEXT_SIZE);
}

static void
end_step(Step *step, CdcTime start, bool ok, const char *detail)
{
	step->ok = ok;
	step->elapsed = (cdc_now() - start) / 1000.0;
	strlcpy(step->detail, detail, TEXT_SIZE);
	step->done = true;
}

static rd_kafka_t *
make_client(Probe *probe)
{
	CdcTime		start = cdc_now();
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	char		error[TEXT_SIZE];

	StartTransactionCommand();
	conf = cdc_broker_conf(probe->server, probe->userid);
	CommitTransactionCommand();
	cdc_conf_set(conf, "log.queue", "true");
	rd_kafka_conf_set_opaque(conf, probe);
	rd_kafka_conf_set_error_cb(conf, note_error);
	rd_kafka_conf_set_log_cb(conf, note_log);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (rk == NULL)
		rd_kafka_conf_destroy(conf);
	else
		rd_kafka_set_log_queue(rk, NULL);
	end_step(&probe->steps[0], start, rk != NULL, rk ? psprintf("librdkafka %s", rd_kafka_version_str()) : error);
	return rk;
}

static bool
reach(Probe *probe, rd_kafka_t *rk)
{
	CdcTime		start = cdc_now();
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t error;

	do
		error = rd_kafka_metadata(rk, 0, NULL, &metadata, SLICE);
	while ((error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT) && !cdc_passed(start, TIMEOUT) && !ProcDiePending);
	(void) rd_kafka_poll(rk, 0);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		end_step(&probe->steps[1], start, true, psprintf("%d broker%s, one is %s:%d", metadata->broker_cnt, metadata->broker_cnt == 1 ? "" : "s",
														  metadata->broker_cnt ? metadata->brokers[0].host : "", metadata->broker_cnt ? metadata->brokers[0].port : 0));
		rd_kafka_metadata_destroy(metadata);
	}
	else
		end_step(&probe->steps[1], start, false, probe->said[0] ? probe->said : rd_kafka_err2str(error));
	return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Only whether it could be made. */
static void
ask_to_create(Probe *probe, rd_kafka_t *rk)
{
	CdcTime		start = cdc_now();
	char		text[TEXT_SIZE];
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(probe->topic, -1, -1, text, sizeof(text));
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_event_t *event;
	rd_kafka_resp_err_t error;

	(void) rd_kafka_AdminOptions_set_validate_only(options, 1, text, sizeof(text));
	(void) rd_kafka_AdminOptions_set_request_timeout(options, TIMEOUT, text, sizeof(text));
	rd_kafka_CreateTopics(rk, &topic, 1, options, queue);
	while ((event = rd_kafka_queue_poll(queue, SLICE)) == NULL && !cdc_passed(start, 2 * TIMEOUT) && !ProcDiePending)
		;
	error = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		size_t		n;

		error = rd_kafka_topic_result_error(rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n)[0]);
	}
	if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		error = RD_KAFKA_RESP_ERR_NO_ERROR;
	end_step(&probe->steps[2], start, error == RD_KAFKA_RESP_ERR_NO_ERROR, error ? rd_kafka_err2str(error) : "");
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
}

void
ch_cdc_prober(Datum arg)
{
	dsm_segment *segment;
	Probe	   *probe;
	rd_kafka_t *rk;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	cdc_end_at_once();
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		ereport(ERROR, (errmsg("could not attach to a dynamic shared memory segment")));
	probe = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnectionByOid(probe->database, InvalidOid, 0);
	dsm_pin_mapping(segment);
	rk = make_client(probe);
	if (rk)
	{
		if (reach(probe, rk))
			ask_to_create(probe, rk);
		rd_kafka_destroy(rk);
	}
	dsm_detach(segment);
}

/* ---- the session ------------------------------------------------------------------------------ */

static void
run_probe(dsm_segment *segment)
{
	BackgroundWorker worker = ch_background_worker(CDC_WORKER, "probe", "ch_cdc_prober", UInt32GetDatum(dsm_segment_handle(segment)));
	BackgroundWorkerHandle *handle;

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker is free"),
				 errhint("Raise max_worker_processes.")));
	(void) WaitForBackgroundWorkerShutdown(handle);
}

/* What people meet, by librdkafka's words. */
static const char *
hint_for(const char *detail)
{
	if (strstr(detail, "SASL") && rd_kafka_version() < 0x020601ff && strstr(detail, "SCRAM"))
		return "SCRAM does not work with this librdkafka: it needs 2.6.1.";
	if (strstr(detail, "uthentication"))
		return "Look at sasl_mechanism, and at user and password of the user mapping.";
	if (strstr(detail, "SSL") || strstr(detail, "certificate"))
		return "Look at tls, tls_ca, tls_cert and tls_key of the server.";
	if (strstr(detail, "authorization") || strstr(detail, "not authorized"))
		return "Allow the user to create topics, or make them beforehand and set create_topics to false.";
	if (strstr(detail, "resolve") || strstr(detail, "refused") || strstr(detail, "timed out") || strstr(detail, "down"))
		return "Look at bootstrap_servers, and at what the brokers advertise.";
	return NULL;
}

/* probe(server, topic) -> step, ok, elapsed_ms, detail, hint; stops at the first step that fails. */
Datum
ch_cdc_probe(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	dsm_segment *segment;
	Probe	   *probe;

	InitMaterializedSRF(fcinfo, 0);
	segment = dsm_create(sizeof(Probe), 0);
	probe = dsm_segment_address(segment);
	memset(probe, 0, sizeof(Probe));
	probe->database = MyDatabaseId;
	probe->server = ch_usable_server(name);
	probe->userid = GetUserId();
	text_to_cstring_buffer(PG_GETARG_TEXT_PP(1), probe->topic, CDC_TOPIC_SIZE);
	run_probe(segment);
	for (int i = 0; i < NSTEPS; i++)
	{
		const Step *step = &probe->steps[i];
		const char *hint = step->ok ? NULL : hint_for(step->detail);
		Datum		values[5] = {CStringGetTextDatum(step_names[i]), BoolGetDatum(step->ok), Float8GetDatum(step->elapsed)};
		bool		nulls[5] = {false, false, false, step->detail[0] == '\0', hint == NULL};

		if (!step->done)
			break;
		values[3] = CStringGetTextDatum(step->detail);
		if (hint)
			values[4] = CStringGetTextDatum(hint);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		if (!step->ok)
			break;
	}
	dsm_detach(segment);
	return (Datum) 0;
}
