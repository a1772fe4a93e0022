/*
 * lookup_bare.c
 *	  What a join by 1,000 keys is measured against: the same keys looked up by
 *	  the bare client library, in the best form that it has.
 *
 *	redis HOST PORT PASSWORD KEYS RUNS      pipelined HMGET bench_lookup:1 ... of two fields
 *	mongodb URI KEYS RUNS                   find {_id: {$in: [1, ...]}} in bench.lookup
 *	influxdb URL KEYS RUNS                  one statement with symbol = 'S1' OR ...; login from the environment
 *
 * Each reads every value.  Prints the median of the runs in ms; connecting is
 * not counted.
 */
#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long sink;

static void
die(const char *what)
{
	fprintf(stderr, "lookup_bare: %s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	return (*(const double *) a > *(const double *) b) - (*(const double *) a < *(const double *) b);
}

static void
print_median(double *ms, int runs)
{
	qsort(ms, runs, sizeof(double), compare);
	printf("%.3f\n", ms[runs / 2]);
}

/* ---- Redis ------------------------------------------------------------------ */

static void
run_redis(redisContext *c, int keys)
{
	for (int i = 1; i <= keys; i++)
		redisAppendCommand(c, "HMGET bench_lookup:%d n s", i);
	for (int i = 1; i <= keys; i++)
	{
		void	   *reply = NULL;
		redisReply *r;

		if (redisGetReply(c, &reply) != REDIS_OK)
			die(c->errstr);
		r = reply;
		for (size_t e = 0; e < r->elements; e++)
			sink += r->element[e]->len;
		freeReplyObject(r);
	}
}

static void
redis(char **argv, double *ms, int keys, int runs)
{
	redisContext *c = redisConnect(argv[0], atoi(argv[1]));

	if (c == NULL || c->err)
		die("could not connect");
	if (argv[2][0])
		freeReplyObject(redisCommand(c, "AUTH %s", argv[2]));
	for (int i = -1; i < runs; i++)
	{
		double		start = now();

		run_redis(c, keys);
		if (i >= 0)
			ms[i] = now() - start;
	}
	redisFree(c);
}

/* ---- MongoDB ------------------------------------------------------------------- */

static void
run_mongodb(mongoc_collection_t *collection, const bson_t *filter)
{
	bson_t	   *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "n", BCON_INT32(1), "s", BCON_INT32(1), "}",
								"batchSize", BCON_INT32(2000));
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
	const bson_t *doc;
	bson_error_t error;
	bson_iter_t it;

	while (mongoc_cursor_next(cursor, &doc))
		for (bool more = bson_iter_init(&it, doc) && bson_iter_next(&it); more; more = bson_iter_next(&it))
			sink += BSON_ITER_HOLDS_UTF8(&it) ? strlen(bson_iter_utf8(&it, NULL)) : (unsigned long) bson_iter_as_int64(&it);
	if (mongoc_cursor_error(cursor, &error))
		die(error.message);
	mongoc_cursor_destroy(cursor);
	bson_destroy(opts);
}

static void
mongodb(char **argv, double *ms, int keys, int runs)
{
	mongoc_client_t *client;
	mongoc_collection_t *collection;
	bson_t		filter = BSON_INITIALIZER;
	bson_t		id;
	bson_t		in;

	mongoc_init();
	client = mongoc_client_new(argv[0]);
	if (client == NULL)
		die("no such address");
	collection = mongoc_client_get_collection(client, "bench", "lookup");
	bson_append_document_begin(&filter, "_id", -1, &id);
	bson_append_array_begin(&id, "$in", -1, &in);
	for (int i = 0; i < keys; i++)
	{
		char		index[16];

		snprintf(index, sizeof(index), "%d", i);
		bson_append_int64(&in, index, -1, i + 1);
	}
	bson_append_array_end(&id, &in);
	bson_append_document_end(&filter, &id);
	for (int i = -1; i < runs; i++)
	{
		double		start = now();

		run_mongodb(collection, &filter);
		if (i >= 0)
			ms[i] = now() - start;
	}
}

/* ---- InfluxDB ------------------------------------------------------------------- */

static size_t
count_bytes(char *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	sink += size * n;
	return size * n;
}

static void
influxdb(char **argv, double *ms, int keys, int runs)
{
	CURL	   *easy = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/x-msgpack");
	char	   *query = malloc(keys * 40 + 200);
	char	   *escaped;
	char	   *body;
	char		url[1024];
	char	   *at = query;

	at += sprintf(at, "SELECT \"symbol\"::tag, \"n\" FROM \"bench_lookup\" WHERE (");
	for (int i = 1; i <= keys; i++)
		at += sprintf(at, "%s\"symbol\"::tag = 'S%d'", i > 1 ? " OR " : "", i);
	strcpy(at, ")");
	escaped = curl_easy_escape(easy, query, 0);
	body = malloc(strlen(escaped) + 3);
	sprintf(body, "q=%s", escaped);
	snprintf(url, sizeof(url), "%s/query?db=t_influx&epoch=ns&chunked=true&chunk_size=10000", argv[0]);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_USERNAME, getenv("INFLUXDB_USER"));
	curl_easy_setopt(easy, CURLOPT_PASSWORD, getenv("INFLUXDB_PASSWORD"));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
	for (int i = -1; i < runs; i++)
	{
		double		start = now();

		if (curl_easy_perform(easy) != CURLE_OK)
			die("the request failed");
		if (i >= 0)
			ms[i] = now() - start;
	}
}

int
main(int argc, char **argv)
{
	int			keys = argc > 3 ? atoi(argv[argc - 2]) : 0;
	int			runs = argc > 3 ? atoi(argv[argc - 1]) : 0;
	double	   *ms = calloc(runs + 1, sizeof(double));

	if (keys < 1 || runs < 1)
		die("usage: redis HOST PORT PASSWORD KEYS RUNS | mongodb URI KEYS RUNS | influxdb URL KEYS RUNS");
	if (strcmp(argv[1], "redis") == 0)
		redis(argv + 2, ms, keys, runs);
	else if (strcmp(argv[1], "mongodb") == 0)
		mongodb(argv + 2, ms, keys, runs);
	else
		influxdb(argv + 2, ms, keys, runs);
	print_median(ms, runs);
	return sink == 0;
}
