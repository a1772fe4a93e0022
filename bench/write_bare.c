/*
 * write_bare.c
 *	  What writing through foreign tables is measured against: the same rows
 *	  made and sent by the bare client library, in the best bulk form that it
 *	  has, and one by one.
 *
 *	redis HOST PORT PASSWORD ROWS SINGLE      pipelined HSET of three fields, 1,000 commands at a time
 *	mongodb URI ROWS SINGLE                   insert_many of 5,000 documents
 *	influxdb URL ROWS SINGLE                  10,000 lines a request; login from the environment
 *
 * Prints the seconds of ROWS rows, and the median of SINGLE round trips of one
 * row in microseconds; connecting is not counted.
 */
#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
die(const char *what)
{
	fprintf(stderr, "write_bare: %s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	return (*(const double *) a > *(const double *) b) - (*(const double *) a < *(const double *) b);
}

typedef void (*Writer) (void *client, int first, int n);

/* first: numbers of rows that are not in the store yet */
static void
measure(Writer write, void *client, int rows, int batch, int single)
{
	double		start = now();
	double	   *us = calloc(single + 1, sizeof(double));

	for (int i = 0; i < rows; i += batch)
		write(client, i, i + batch < rows ? batch : rows - i);
	printf("%.3f ", now() - start);
	for (int i = 0; i < single; i++)
	{
		start = now();
		write(client, rows + i, 1);
		us[i] = (now() - start) * 1e6;
	}
	qsort(us, single, sizeof(double), compare);
	printf("%.0f\n", us[single / 2]);
}

/* ---- Redis ------------------------------------------------------------------ */

static void
write_redis(void *client, int first, int n)
{
	for (int i = first; i < first + n; i++)
		redisAppendCommand(client, "HSET bench_write:b%d n %d s row-%d p %d.5", i, i * 3, i, i);
	for (int i = 0; i < n; i++)
	{
		void	   *reply = NULL;

		if (redisGetReply(client, &reply) != REDIS_OK)
			die(((redisContext *) client)->errstr);
		freeReplyObject(reply);
	}
}

/* ---- MongoDB ------------------------------------------------------------------- */

static void
write_mongodb(void *client, int first, int n)
{
	static bson_t *docs[5000];
	char		text[32];
	bson_error_t error;

	for (int i = 0; i < n; i++)
	{
		docs[i] = bson_new();
		BSON_APPEND_INT64(docs[i], "_id", first + i);
		BSON_APPEND_INT64(docs[i], "n", (first + i) * 3LL);
		snprintf(text, sizeof(text), "row-%d", first + i);
		BSON_APPEND_UTF8(docs[i], "s", text);
		BSON_APPEND_DOUBLE(docs[i], "p", first + i + 0.5);
	}
	if (!mongoc_collection_insert_many(client, (const bson_t **) docs, n, NULL, NULL, &error))
		die(error.message);
	for (int i = 0; i < n; i++)
		bson_destroy(docs[i]);
}

/* ---- InfluxDB ------------------------------------------------------------------- */

static size_t
take_nothing(char *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	return size * n;
}

static void
write_influxdb(void *client, int first, int n)
{
	static char *body;
	char	   *at;
	long		status = 0;

	if (body == NULL)
		body = malloc(10000 * 120);
	at = body;
	for (int i = first; i < first + n; i++)
		at += sprintf(at, "bench_write_bare,exchange=binance,symbol=S%d price=%d.25,qty=%d.5 %lld\n", i % 20, i % 1000, i % 7,
					  1767225600000000000LL + i * 1000000LL);
	curl_easy_setopt(client, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(client, CURLOPT_POSTFIELDSIZE, (long) (at - body));
	if (curl_easy_perform(client) != CURLE_OK)
		die("the request failed");
	curl_easy_getinfo(client, CURLINFO_RESPONSE_CODE, &status);
	if (status != 204)
		die("the request was refused");
}

static void *
connect_influxdb(const char *address)
{
	CURL	   *easy = curl_easy_init();
	char		url[1024];

	snprintf(url, sizeof(url), "%s/write?db=bench_write&precision=ns", address);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_USERNAME, getenv("INFLUXDB_USER"));
	curl_easy_setopt(easy, CURLOPT_PASSWORD, getenv("INFLUXDB_PASSWORD"));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_nothing);
	return easy;
}

int
main(int argc, char **argv)
{
	int			rows = argc > 4 ? atoi(argv[argc - 2]) : 0;
	int			single = argc > 4 ? atoi(argv[argc - 1]) : 0;

	if (rows < 1 || single < 1)
		die("usage: redis HOST PORT PASSWORD ROWS SINGLE | mongodb URI ROWS SINGLE | influxdb URL ROWS SINGLE");
	if (strcmp(argv[1], "redis") == 0)
	{
		redisContext *c = redisConnect(argv[2], atoi(argv[3]));

		if (c == NULL || c->err)
			die("could not connect");
		freeReplyObject(redisCommand(c, "AUTH %s", argv[4]));
		measure(write_redis, c, rows, 1000, single);
	}
	else if (strcmp(argv[1], "mongodb") == 0)
	{
		mongoc_client_t *client;

		mongoc_init();
		client = mongoc_client_new(argv[2]);
		if (client == NULL)
			die("no such address");
		measure(write_mongodb, mongoc_client_get_collection(client, "bench", "write_bare"), rows, 5000, single);
	}
	else
		measure(write_influxdb, connect_influxdb(argv[2]), rows, 10000, single);
	return 0;
}
