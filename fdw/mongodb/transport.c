/*
 * transport.c
 *	  libmongoc over core's streams: every wait can be cancelled.
 *
 * libmongoc lets its user make the streams that it talks through
 * (mongoc_client_set_stream_initiator).  Ours resolve, connect, shake hands,
 * read and write by ch_stream_*.  A cancel makes the function that waits
 * return an error; libmongoc unwinds, and the caller finds the reason in
 * MongoConn.fail.  Nothing here raises.
 *
 * TLS is below the stream, so libmongoc is told of none.
 */
#include "postgres.h"

#include <poll.h>

#include "fdw/mongodb/mongodb.h"

#include "storage/latch.h"

/* libmongoc compares the types of the streams that it polls together. */
#define MONGO_STREAM_TYPE 0x4348

typedef struct MongoStream
{
	mongoc_stream_t vtable;		/* first: libmongoc sees only this */
	ChStream   *io;
	MongoConn  *mc;
	struct MongoStream *next;
	bool		timed_out;		/* by the last call */
	bool		again;			/* the last call would have had to wait */
	char	   *out;			/* pieces of a message put together */
	size_t		outsize;
	char		where[BSON_HOST_NAME_MAX + 7];	/* host:port */
} MongoStream;

static inline MongoStream *
ours(mongoc_stream_t *stream)
{
	return (MongoStream *) stream;
}

/*
 * Remember a failure, with the host that it is about if that is known; an
 * interrupt is never hidden by what follows from it.
 */
static void
note_failure(MongoConn *mc, const char *where, const ChFailure *fail)
{
	if (mc->fail.kind == CH_FAIL_INTERRUPTED)
		return;
	mc->fail = *fail;
	if (where && fail->kind != CH_FAIL_INTERRUPTED)
		ch_fail(&mc->fail, fail->kind, "%s: %s", where, fail->message);
}

/* May the stream be used?  If not, the caller returns an error at once. */
static bool
usable(MongoStream *s)
{
	s->timed_out = false;
	s->again = false;
	if (!s->mc->dead && s->mc->fail.kind != CH_FAIL_INTERRUPTED)
		return true;
	errno = ECONNABORTED;
	return false;
}

static ssize_t
failed_call(MongoStream *s, const ChFailure *fail)
{
	note_failure(s->mc, s->where, fail);
	s->timed_out = fail->kind == CH_FAIL_TIMEOUT;
	errno = s->timed_out ? ETIMEDOUT : ECONNRESET;
	return -1;
}

/* ---- the functions of a stream -------------------------------------------- */

static ssize_t
stream_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt, size_t min_bytes, int32_t timeout_msec)
{
	MongoStream *s = ours(stream);
	ChFailure	fail = {0};
	ssize_t		got = 0;

	if (!usable(s))
		return -1;
	if (timeout_msec < 0)
		timeout_msec = s->mc->conn->request_timeout;
	for (size_t i = 0; i < iovcnt; i++)
	{
		size_t		min = (size_t) got < min_bytes ? Min(min_bytes - got, iov[i].iov_len) : 0;
		ssize_t		rc = ch_stream_read(s->io, iov[i].iov_base, iov[i].iov_len, min, timeout_msec, &fail);

		if (rc < 0)
			return failed_call(s, &fail);
		got += rc;
		s->mc->bytes += rc;
		if ((size_t) rc < iov[i].iov_len)
			break;
	}
	if (got > 0)
		return got;
	s->again = true;
	errno = EAGAIN;
	return -1;
}

/* The pieces of a message in one, so that they leave in one packet. */
static const char *
gather(MongoStream *s, mongoc_iovec_t *iov, size_t iovcnt, size_t *total)
{
	size_t		size = 0;

	for (size_t i = 0; i < iovcnt; i++)
		size += iov[i].iov_len;
	*total = size;
	if (iovcnt == 1)
		return iov[0].iov_base;
	if (size > s->outsize)
	{
		s->out = bson_realloc(s->out, size);
		s->outsize = size;
	}
	size = 0;
	for (size_t i = 0; i < iovcnt; i++)
	{
		memcpy(s->out + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	return s->out;
}

static ssize_t
stream_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t iovcnt, int32_t timeout_msec)
{
	MongoStream *s = ours(stream);
	ChFailure	fail = {0};
	size_t		total;
	const char *message;

	if (!usable(s))
		return -1;
	/* a greeting is written with time-out 0; it is small, and we write all */
	if (timeout_msec <= 0)
		timeout_msec = s->mc->conn->connect_timeout;
	message = gather(s, iov, iovcnt, &total);
	if (!ch_stream_write(s->io, message, total, timeout_msec, &fail))
		return failed_call(s, &fail);
	s->mc->last = s;
	s->mc->requests++;
	return total;
}

static int
stream_flush(mongoc_stream_t *stream)
{
	return 0;
}

static int
stream_close(mongoc_stream_t *stream)
{
	ch_stream_close(ours(stream)->io);
	ours(stream)->io = NULL;
	return 0;
}

static void
stream_destroy(mongoc_stream_t *stream)
{
	MongoStream *s = ours(stream);

	for (MongoStream **p = &s->mc->streams; *p; p = &(*p)->next)
		if (*p == s)
		{
			*p = s->next;
			break;
		}
	if (s->mc->last == s)
		s->mc->last = NULL;
	ch_stream_close(s->io);
	bson_free(s->out);
	bson_free(s);
}

static int
stream_setsockopt(mongoc_stream_t *stream, int level, int optname, void *optval, mongoc_socklen_t optlen)
{
	return 0;
}

static bool
stream_check_closed(mongoc_stream_t *stream)
{
	MongoStream *s = ours(stream);

	return s->io == NULL || s->mc->dead || !ch_stream_alive(s->io);
}

static bool
stream_timed_out(mongoc_stream_t *stream)
{
	return ours(stream)->timed_out;
}

static bool
stream_should_retry(mongoc_stream_t *stream)
{
	return ours(stream)->again;
}

/* ---- waiting for several servers' greetings --------------------------------- */

/* What can be done without waiting; true if anything. */
static bool
ready_now(mongoc_stream_poll_t *polled, size_t n)
{
	bool		any = false;

	for (size_t i = 0; i < n; i++)
	{
		MongoStream *s = ours(polled[i].stream);
		struct pollfd p = {.fd = ch_stream_fd(s->io),.events = polled[i].events};

		polled[i].revents = 0;
		/* below TLS there may be bytes that poll knows nothing of */
		if ((polled[i].events & POLLIN) && !ch_stream_alive(s->io))
			polled[i].revents = POLLIN;
		else if ((polled[i].events & ~POLLIN) && poll(&p, 1, 0) > 0)
			polled[i].revents = p.revents & polled[i].events;
		any |= polled[i].revents != 0;
	}
	return any;
}

static ssize_t
count_ready(const mongoc_stream_poll_t *polled, size_t n)
{
	ssize_t		count = 0;

	for (size_t i = 0; i < n; i++)
		count += polled[i].revents != 0;
	return count;
}

/*
 * An error of one stream ends a scan of the servers only if every stream has
 * one: libmongoc would go on polling after -1.
 */
static ssize_t
all_failed(mongoc_stream_poll_t *polled, size_t n)
{
	for (size_t i = 0; i < n; i++)
		polled[i].revents = POLLERR;
	return n;
}

/*
 * With one server the wait is core's.  With several it is core's, too, but on
 * the first only and in short turns: a cancel still ends it at once, another
 * server's answer is seen 10 ms later at worst, and only when a session
 * begins.
 */
static ssize_t
stream_poll(mongoc_stream_poll_t *polled, size_t n, int32_t timeout)
{
	MongoStream *first = ours(polled[0].stream);
	MongoConn  *mc = first->mc;
	int64		until = bson_get_monotonic_time() + (int64) timeout * 1000;
	int			events = polled[0].events & POLLIN ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;

	for (;;)
	{
		ChFailure	fail;
		long		left = (until - bson_get_monotonic_time()) / 1000;

		if (mc->dead || mc->fail.kind == CH_FAIL_INTERRUPTED)
			return all_failed(polled, n);
		if (ready_now(polled, n))
			return count_ready(polled, n);
		if (left <= 0)
			break;
		if (ch_wait_socket(ch_stream_fd(first->io), events, n == 1 ? left : Min(left, 10)) < 0)
		{
			ch_fail(&fail, CH_FAIL_INTERRUPTED, "interrupted");
			note_failure(mc, NULL, &fail);
		}
	}
	for (size_t i = 0; i < n; i++)
	{
		ChFailure	fail;

		ch_fail(&fail, CH_FAIL_TIMEOUT, "no answer within %d ms", mc->conn->connect_timeout);
		note_failure(mc, ours(polled[i].stream)->where, &fail);
	}
	return 0;
}

/* ---- making one ---------------------------------------------------------------- */

static mongoc_stream_t *
new_stream(MongoConn *mc, ChStream *io, const char *where)
{
	MongoStream *s = bson_malloc0(sizeof(MongoStream));

	s->vtable.type = MONGO_STREAM_TYPE;
	s->vtable.destroy = stream_destroy;
	s->vtable.failed = stream_destroy;
	s->vtable.close = stream_close;
	s->vtable.flush = stream_flush;
	s->vtable.writev = stream_writev;
	s->vtable.readv = stream_readv;
	s->vtable.setsockopt = stream_setsockopt;
	s->vtable.check_closed = stream_check_closed;
	s->vtable.poll = stream_poll;
	s->vtable.timed_out = stream_timed_out;
	s->vtable.should_retry = stream_should_retry;
	s->io = io;
	s->mc = mc;
	strlcpy(s->where, where, sizeof(s->where));
	s->next = mc->streams;
	mc->streams = s;
	return &s->vtable;
}

static mongoc_stream_t *
connect_host(const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *arg, bson_error_t *error)
{
	MongoConn  *mc = arg;
	ChEndpoint	ep = mc->endpoint;
	ChFailure	fail = {0};
	ChStream   *io = NULL;

	ep.host = host->host;
	ep.port = host->port;
	if (ep.socket == NULL && host->family == AF_UNIX)
		ep.socket = host->host;
	if (mc->dead || mc->fail.kind == CH_FAIL_INTERRUPTED)
		ch_fail(&fail, CH_FAIL_INTERRUPTED, "interrupted");
	else
		io = ch_stream_open(&ep, mc->conn->connect_timeout, &fail);
	if (io)
		return new_stream(mc, io, host->host_and_port);
	note_failure(mc, NULL, &fail);
	bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s", fail.message);
	return NULL;
}

/* libmongoc's pause between two looks at the servers, as a wait of core's. */
static void
pause_between(int64_t usec, void *arg)
{
	MongoConn  *mc = arg;
	ChFailure	fail;

	if (mc->dead || mc->fail.kind == CH_FAIL_INTERRUPTED || mc->streams == NULL)
		return;
	if (ch_wait_socket(ch_stream_fd(mc->streams->io), WL_SOCKET_READABLE, usec / 1000) < 0)
	{
		ch_fail(&fail, CH_FAIL_INTERRUPTED, "interrupted");
		note_failure(mc, NULL, &fail);
	}
}

void
mongo_use_streams(MongoConn *mc)
{
	mongoc_client_set_stream_initiator(mc->client, connect_host, mc);
	MONGO_SET_SLEEP(mc->client, pause_between, mc);
}

bool
mongo_streams_alive(MongoConn *mc)
{
	for (MongoStream *s = mc->streams; s; s = s->next)
		if (s->io == NULL || !ch_stream_alive(s->io))
			return false;
	return mc->streams != NULL;
}

/* ---- a message of our own --------------------------------------------------------- */

static void
put_int32(char *at, int32 value)
{
	value = BSON_UINT32_TO_LE(value);
	memcpy(at, &value, sizeof(value));
}

/*
 * killCursors as an OP_MSG with the flag moreToCome, which asks for no answer
 * (MongoDB's wire protocol specification, OP_MSG).  The connection is closed
 * after it, so an answer that comes nevertheless harms nobody.
 */
void
mongo_forget_cursor(MongoConn *mc, const char *database, const char *collection, int64 cursor)
{
	enum
	{
		HEADER = 21				/* length, id, to, opcode, flags, kind */
	};
	bson_t		command = BSON_INITIALIZER;
	bson_t		ids;
	char		message[1024] = {0};
	ChFailure	fail;

	if (mc->last == NULL || mc->last->io == NULL)
		return;
	bson_append_utf8(&command, "killCursors", -1, collection, -1);
	bson_append_array_begin(&command, "cursors", -1, &ids);
	bson_append_int64(&ids, "0", -1, cursor);
	bson_append_array_end(&command, &ids);
	bson_append_utf8(&command, "$db", -1, database, -1);
	if (HEADER + command.len <= sizeof(message))
	{
		put_int32(message, HEADER + command.len);
		put_int32(message + 12, 2013);	/* OP_MSG */
		put_int32(message + 16, 2); /* moreToCome */
		memcpy(message + HEADER, bson_get_data(&command), command.len);
		(void) ch_stream_write(mc->last->io, message, HEADER + command.len, 0, &fail);
	}
	bson_destroy(&command);
}
