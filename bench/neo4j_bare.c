/*
 * neo4j_bare.c
 *	  The Neo4j protocol without PostgreSQL: reads a query's rows with the
 *	  driver's own Bolt client, decodes every value and throws it away.
 *
 *	  neo4j_bare HOST PORT USER BATCH CYPHER [RUNS]	(password in NEO4J_PASSWORD)
 *
 * Prints rows and seconds, from RUN to the last row, for each run.  neo4j_scan.sh
 * and lookup.sh build and run it.
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
read_all(BoltClient *c, const BoltQuery *query)
{
	ChFailure	fail = {0};
	long		rows = 0;
	int			summaries = 0;

	if (!neo4j_bolt_run(c, query, &fail))
		die(fail.message);
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
	for (int i = 0; i < runs; i++)
	{
		struct timespec from,
					to;
		long		rows;

		clock_gettime(CLOCK_MONOTONIC, &from);
		rows = read_all(c, &query);
		clock_gettime(CLOCK_MONOTONIC, &to);
		printf("%ld %.6f\n", rows, (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9);
	}
	return 0;
}
