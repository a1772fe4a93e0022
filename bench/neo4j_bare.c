/*
 * neo4j_bare.c
 *	  The Neo4j protocol without PostgreSQL: reads a query's rows with the
 *	  driver's own Bolt client, decodes every value and throws it away.
 *
 *	  neo4j_bare HOST PORT USER BATCH CYPHER [RUNS]	(password in NEO4J_PASSWORD)
 *	  neo4j_bare HOST PORT USER write ROWS SINGLE BATCH CYPHER
 *
 * Prints rows and seconds, from RUN to the last row, for each run.  The second
 * form runs the query with $rows, a list of [number, number % 1000, number *
 * 7 % 1000], BATCH of them a query, and prints what write_bare.c does.
 * neo4j_scan.sh, lookup.sh and write.sh build and run it.
 */
#include "postgres.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fdw/neo4j/bolt.h"

/* ---- a blocking stream in place of fdw/core/stream.c -------------------------- */

struct ChStream
{
	int			fd;
	uint64		bytes_in;
};

void
ch_fail(ChFailure *fail, ChFailKind kind, const char *fmt,...)
{
	va_list		args;

	fail->kind = kind;
	va_start(args, fmt);
	vsnprintf(fail->message, sizeof(fail->message), fmt, args);
	va_end(args);
}

ChStream *
ch_stream_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail)
{
	ChStream   *s = calloc(1, sizeof(ChStream));
	struct addrinfo *list;
	char		port[12];
	int			on = 1;

	snprintf(port, sizeof(port), "%d", ep->port);
	if (getaddrinfo(ep->host, port, NULL, &list) != 0)
		return NULL;
	s->fd = socket(list->ai_family, SOCK_STREAM, 0);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(s->fd, list->ai_addr, list->ai_addrlen) == 0)
		return s;
	ch_fail(fail, CH_FAIL_CONNECT, "could not connect");
	return NULL;
}

ssize_t
ch_stream_read(ChStream *s, void *buf, size_t size, size_t min, int timeout_ms, ChFailure *fail)
{
	size_t		got = 0;

	while (got < min)
	{
		ssize_t		n = recv(s->fd, (char *) buf + got, size - got, 0);

		if (n <= 0)
		{
			ch_fail(fail, CH_FAIL_CLOSED, "closed");
			return -1;
		}
		got += n;
	}
	s->bytes_in += got;
	return got;
}

bool
ch_stream_write(ChStream *s, const void *buf, size_t size, int timeout_ms, ChFailure *fail)
{
	return send(s->fd, buf, size, 0) == (ssize_t) size;
}

bool
ch_stream_alive(ChStream *s)
{
	return true;
}

uint64
ch_stream_bytes_in(ChStream *s)
{
	return s->bytes_in;
}

void
ch_stream_close(ChStream *s)
{
	close(s->fd);
}

/* ---- the measure ---------------------------------------------------------------- */

static void
die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void
take_record(PackReader *body)
{
	uint32		n;
	ChValue		v;

	if (!neo4j_unpack_list(body, &n))
		die(body->error);
	while (n-- > 0)
		if (!neo4j_unpack(body, &v))
			die(body->error);
}

static long
read_answers(BoltClient *c, const BoltQuery *query)
{
	ChFailure	fail = {0};
	long		rows = 0;
	int			summaries = 0;

	while (c->owed > 0)
	{
		PackReader	body;

		switch (neo4j_bolt_next(c, &body, &fail))
		{
			case BOLT_RECORD:
				take_record(&body);
				rows++;
				break;
			case BOLT_SUCCESS:
				if (summaries++ > 0 && neo4j_bolt_has_more(&body) && !neo4j_bolt_pull(c, query->pull, &fail))
					die(fail.message);
				break;
			case BOLT_FAILURE:
				die(c->message);
				break;
			default:
				die(fail.message);
		}
	}
	return rows;
}

static long
read_all(BoltClient *c, const BoltQuery *query)
{
	ChFailure	fail = {0};

	if (!neo4j_bolt_run(c, query, &fail))
		die(fail.message);
	return read_answers(c, query);
}

/* The client runs a query by itself to read only: BEGIN goes out with the query, COMMIT when it is answered. */
static void
write_all(BoltClient *c, const BoltQuery *query)
{
	ChFailure	fail = {0};

	neo4j_bolt_begin(c, NULL);
	if (!neo4j_bolt_run_next(c, query, &fail))
		die(fail.message);
	(void) read_answers(c, query);
	if (!neo4j_bolt_commit(c, &fail))
		die(fail.message);
	(void) read_answers(c, query);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
write_rows(BoltClient *c, const char *text, int first, int n)
{
	static StringInfoData params;
	BoltQuery	query = {.text = text,.nparams = 1,.params = &params,.pull = -1};

	if (params.data == NULL)
		initStringInfo(&params);
	resetStringInfo(&params);
	neo4j_pack_text(&params, "rows");
	neo4j_pack_list(&params, n);
	for (int i = first; i < first + n; i++)
	{
		neo4j_pack_list(&params, 3);
		neo4j_pack_int(&params, i);
		neo4j_pack_int(&params, i % 1000);
		neo4j_pack_int(&params, (int64) i * 7 % 1000);
	}
	write_all(c, &query);
}

static int
compare(const void *a, const void *b)
{
	return (*(const double *) a > *(const double *) b) - (*(const double *) a < *(const double *) b);
}

static void
measure_writing(BoltClient *c, const char *text, int rows, int single, int batch)
{
	double		start = now();
	double	   *us = calloc(single + 1, sizeof(double));

	for (int i = 0; i < rows; i += batch)
		write_rows(c, text, i, Min(batch, rows - i));
	printf("%.3f ", now() - start);
	for (int i = 0; i < single; i++)
	{
		start = now();
		write_rows(c, text, rows + i, 1);
		us[i] = (now() - start) * 1e6;
	}
	qsort(us, single, sizeof(double), compare);
	printf("%.0f\n", us[single / 2]);
}

int
main(int argc, char **argv)
{
	ChEndpoint	ep = {.host = argv[1],.port = atoi(argv[2])};
	BoltLogin	login = {.user = argv[3],.password = getenv("NEO4J_PASSWORD")};
	BoltQuery	query = {.text = argv[5],.pull = atoi(argv[4])};
	ChFailure	fail = {0};
	BoltClient *c = neo4j_bolt_open(&ep, 10000, &fail);
	int			runs = argc > 6 ? atoi(argv[6]) : 1;

	if (c == NULL || !neo4j_bolt_login(c, &login, &fail))
		die(fail.message);
	if (strcmp(argv[4], "write") == 0)
	{
		measure_writing(c, argv[8], atoi(argv[5]), atoi(argv[6]), atoi(argv[7]));
		return 0;
	}
	for (int i = 0; i < runs; i++)
	{
		double		start = now();
		long		rows = read_all(c, &query);

		printf("%ld %.6f\n", rows, now() - start);
	}
	return 0;
}
