/*
 * consumer.c
 *	  Reads a topic of one partition, as a consumer of changes would, and says
 *	  when its records arrived; also makes the topic.
 *
 * usage: consumer make BOOTSTRAP TOPIC
 *		  consumer count BOOTSTRAP TOPIC RECORDS SECONDS
 *		  consumer latency BOOTSTRAP TOPIC RECORDS SKIP SECONDS
 *
 * count prints how many came, and when the first, the one in the middle and the
 * last did, in seconds since 1970; latency prints how many, and the median, the
 * 99th percentile and the greatest number of milliseconds from a commit
 * (source.ts_us of Debezium's envelope) to here, without the first SKIP.  Both
 * read from the beginning and end when RECORDS came, or after SECONDS.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#define BATCH 1000

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "consumer: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static rd_kafka_t *
client(rd_kafka_type_t type, const char *bootstrap)
{
	static const char *const settings[][2] = {
		{"group.id", "bench_cdc"}, {"enable.auto.commit", "false"}, {"isolation.level", "read_committed"},
		{"check.crcs", "false"}, {"log_level", "3"}
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *rk;
	char		error[512];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		die("bootstrap.servers", error);
	for (size_t i = type == RD_KAFKA_CONSUMER ? 0 : 4; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof(error)) != RD_KAFKA_CONF_OK)
			die(settings[i][0], error);
	rk = rd_kafka_new(type, conf, error, sizeof(error));
	if (rk == NULL)
		die("librdkafka", error);
	return rk;
}

static void
make(const char *bootstrap, const char *name)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, bootstrap);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	char		error[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, 1, 1, error, sizeof(error));
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t		n;

	if (topic == NULL)
		die(name, error);
	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, 60000);
	if (event == NULL)
		die(name, "no answer");
	if (rd_kafka_event_error(event))
		die(name, rd_kafka_event_error_string(event));
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	if (rd_kafka_topic_result_error(results[0]))
		die(name, rd_kafka_topic_result_error_string(results[0]));
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(queue);
	rd_kafka_destroy(rk);
}

/* Milliseconds from the commit that an envelope tells of; -1: it tells of none. */
static double
age(const rd_kafka_message_t *message, double arrived)
{
	static const char source[] = "\"source\":{";
	static const char commit[] = "\"ts_us\":";
	const char *p = message->payload;
	const char *end = p ? p + message->len : NULL;

	p = p ? memmem(p, end - p, source, sizeof(source) - 1) : NULL;
	p = p ? memmem(p, end - p, commit, sizeof(commit) - 1) : NULL;
	/* a number in the middle of JSON: it ends before the value does */
	return p ? arrived * 1e3 - strtod(p + sizeof(commit) - 1, NULL) / 1e3 : -1;
}

static int
by_size(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The records' arrivals, or their ages, in the order they came. */
static long
take(const char *bootstrap, const char *name, long records, double seconds, double *values, int ages)
{
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, bootstrap);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
	rd_kafka_message_t *messages[BATCH];
	double		until = now() + seconds;
	long		n = 0;

	if (rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) != 0)
		die(name, rd_kafka_err2str(rd_kafka_last_error()));
	while (n < records && now() < until)
	{
		/* at once when there is one for latencies, else with what has gathered for 10 ms */
		ssize_t		got = rd_kafka_consume_batch(topic, 0, ages ? 100 : 10, messages, ages ? 1 : BATCH);
		double		arrived = now();

		for (ssize_t i = 0; i < got; i++)
		{
			if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR && n < records)
				values[n++] = ages ? age(messages[i], arrived) : arrived;
			rd_kafka_message_destroy(messages[i]);
		}
	}
	rd_kafka_consume_stop(topic, 0);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
	return n;
}

int
main(int argc, char **argv)
{
	int			ages = argc == 7 && strcmp(argv[1], "latency") == 0;
	long		records,
				skip,
				n;
	double	   *values;

	if (argc == 4 && strcmp(argv[1], "make") == 0)
	{
		make(argv[2], argv[3]);
		return 0;
	}
	if (!ages && !(argc == 6 && strcmp(argv[1], "count") == 0))
		die("usage", "consumer make|count|latency BOOTSTRAP TOPIC [RECORDS [SKIP] SECONDS]");
	records = atol(argv[4]);
	skip = ages ? atol(argv[5]) : 0;
	values = malloc((records + 1) * sizeof(double));
	n = take(argv[2], argv[3], records, atof(argv[argc - 1]), values, ages);
	if (!ages)
		printf("%ld %.4f %.4f %.4f\n", n, n ? values[0] : 0, n ? values[n / 2] : 0, n ? values[n - 1] : 0);
	else if (n <= skip)
		printf("0 0 0 0\n");
	else
	{
		values += skip;
		n -= skip;
		qsort(values, n, sizeof(double), by_size);
		printf("%ld %.2f %.2f %.2f\n", n, values[n / 2], values[(long) (n * 0.99)], values[n - 1]);
	}
	return 0;
}
