/*
 * transport.c
 *	  libmongoc over core's streams: every wait can be cancelled.  And messages
 *	  of our own on the same streams, for cursor.c.
 *
 * libmongoc lets its user make the streams that it talks through
 * (mongoc_client_set_stream_initiator).  Ours resolve, connect, shake hands,
 * read and write by ch_stream_*.  A cancel makes the function that waits
 * return an error; libmongoc unwinds, and the caller finds the reason in
 * MongoConn.fail.  Nothing here raises.
 *
 * TLS is below the stream, so libmongoc is told of none.
 *
 * libmongoc trusts the lengths that a server sends (1.23 crashes if a
 * document's is not its message's), so the head of each message is looked at
 * before it is handed over.
 */
#include "postgres.h"

#include <poll.h>

#include "fdw/mongodb/mongodb.h"

#include "storage/latch.h"

/* libmongoc compares the types of the streams that it polls together. */
#define MONGO_STREAM_TYPE 0x4348

/* MongoDB's wire protocol */
#define OP_REPLY		1		/* of the greeting, by some servers */
#define OP_MSG			2013
#define HEADER_SIZE		16		/* length, id, to, opcode */
#define MSG_HEAD		25		/* and flags, kind of section, length of document */
#define REPLY_HEAD		40		/* and flags, cursor, from, number, length of document */
#define CHECKSUM_FLAG	0x01
#define MORE_TO_COME_FLAG 0x02

/* A batch has 16 MB at most, and a document that begins within them. */
#define LARGEST_MESSAGE	(64 * 1024 * 1024)

/* More than this is given back when a cursor is closed. */
#define BUFFER_KEEP		(1024 * 1024)

typedef struct MongoStream
{
	mongoc_stream_t vtable;		/* first: libmongoc sees only this */
	ChStream   *io;				/* NULL: closed, or never opened */
	MongoConn  *mc;
	struct MongoStream *next;
	bool		timed_out;		/* by the last call */
	bool		again;			/* the last call would have had to wait */
	char	   *out;			/* pieces of a message put together */
	size_t		outsize;
	char		where[BSON_HOST_NAME_MAX + 7];	/* host:port */
	const char *type;			/* see mongo_server_type; NULL: not looked up yet */

	/* of the message that is being read */
	char		head[REPLY_HEAD];
	int			head_got;
	int			head_given;		/* to libmongoc */
	int			head_size;		/* 0: not known yet */
	size_t		body_left;
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
	if (s->io && !s->mc->dead && s->mc->fail.kind != CH_FAIL_INTERRUPTED)
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

/* ---- messages ---------------------------------------------------------------- */

static int32
get_int32(const char *at)
{
	int32		value;

	memcpy(&value, at, sizeof(value));
	return BSON_UINT32_FROM_LE(value);
}

static void
put_int32(char *at, int32 value)
{
	value = BSON_UINT32_TO_LE(value);
	memcpy(at, &value, sizeof(value));
}

/* One section with one document that fills the message; nothing compressed. */
static bool
head_is_sound(const MongoStream *s)
{
	int32		document = get_int32(s->head + s->head_size - 4);
	int32		length = get_int32(s->head);

	if (document < 5 || document > length || length != s->head_size - 4 + document)
		return false;
	if (s->head_size == REPLY_HEAD)
		return get_int32(s->head + 32) == 1;
	return s->head[20] == 0 && (s->head[16] & CHECKSUM_FLAG) == 0;
}

/* Read the head of a message: 1 it is there, 0 it would have to wait, -1 failure. */
static int
read_head(MongoStream *s, bool wait, int timeout, ChFailure *fail)
{
	for (;;)
	{
		int			need = s->head_size ? s->head_size : HEADER_SIZE;
		ssize_t		rc;

		if (s->head_got < need)
		{
			rc = ch_stream_read(s->io, s->head + s->head_got, need - s->head_got,
								wait ? need - s->head_got : 0, timeout, fail);
			if (rc < 0)
				return -1;
			s->head_got += rc;
			if (rc == 0)
				return 0;
			if (s->head_got < need)
				continue;
		}
		if (s->head_size)
			break;
		s->head_size = get_int32(s->head + 12) == OP_MSG ? MSG_HEAD :
			get_int32(s->head + 12) == OP_REPLY ? REPLY_HEAD : 0;
		if (s->head_size == 0)
			break;
	}
	if (s->head_size == 0 || !head_is_sound(s))
	{
		ch_fail(fail, CH_FAIL_PROTOCOL, "a message that is none of MongoDB's");
		return -1;
	}
	s->body_left = get_int32(s->head) - s->head_size;
	return 1;
}

static void
end_message(MongoStream *s)
{
	s->head_got = s->head_given = s->head_size = 0;
}

/* As ch_stream_read, message by message. */
static ssize_t
read_checked(MongoStream *s, char *buf, size_t size, size_t min, int timeout, ChFailure *fail)
{
	size_t		got = 0;

	while (got < size)
	{
		ssize_t		rc;

		if (s->body_left == 0)
		{
			rc = read_head(s, got < min, timeout, fail);
			if (rc <= 0)
				return rc < 0 ? -1 : (ssize_t) got;
		}
		if (s->head_given < s->head_size)
		{
			rc = Min(size - got, (size_t) (s->head_size - s->head_given));
			memcpy(buf + got, s->head + s->head_given, rc);
			s->head_given += rc;
			got += rc;
			continue;
		}
		rc = ch_stream_read(s->io, buf + got, Min(size - got, s->body_left),
							got < min ? Min(min - got, s->body_left) : 0, timeout, fail);
		if (rc <= 0)
			return rc < 0 ? -1 : (ssize_t) got;
		got += rc;
		s->body_left -= rc;
		if (s->body_left > 0)
			continue;
		end_message(s);
		if (buf[got - 1] != '\0')
		{
			ch_fail(fail, CH_FAIL_PROTOCOL, "a document without an end");
			return -1;
		}
	}
	return got;
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
		ssize_t		rc = read_checked(s, iov[i].iov_base, iov[i].iov_len, min, timeout_msec, &fail);

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
		struct pollfd p = {.fd = s->io ? ch_stream_fd(s->io) : -1,.events = polled[i].events};

		polled[i].revents = 0;
		if (s->io == NULL)
			polled[i].revents = POLLERR;
		/* below TLS there may be bytes that poll knows nothing of */
		else if ((polled[i].events & POLLIN) && !ch_stream_alive(s->io))
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

/*
 * A host that cannot be reached has a stream that fails when it is used:
 * without a stream, libmongoc before 1.24 waits for ever for a lock of its own
 * if it knew the server before.
 */
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
	if (io == NULL)
		note_failure(mc, NULL, &fail);
	return new_stream(mc, io, host->host_and_port);
}

/* libmongoc's pause between two looks at the servers, as a wait of core's. */
static void
pause_between(int64_t usec, void *arg)
{
	MongoConn  *mc = arg;
	ChFailure	fail;

	if (mc->dead || mc->fail.kind == CH_FAIL_INTERRUPTED || mc->streams == NULL || mc->streams->io == NULL)
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

/* ---- messages of our own ------------------------------------------------------------ */

static const char *
look_up_type(const MongoConn *mc, const MongoStream *s)
{
	size_t		n;
	mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(mc->client, &n);
	const char *type = "";

	for (size_t i = 0; i < n; i++)
		if (strcmp(mongoc_server_description_host(servers[i])->host_and_port, s->where) == 0)
			type = mongoc_server_description_type(servers[i]);	/* a constant */
	mongoc_server_descriptions_destroy_all(servers, n);
	return type;
}

const char *
mongo_server_type(const MongoConn *mc)
{
	MongoStream *s = mc->last;

	if (s && s->type == NULL)
		s->type = look_up_type(mc, s);
	return s ? s->type : "";
}

static bool
closed(MongoConn *mc)
{
	ChFailure	fail;

	if (mc->last && usable(mc->last))
		return false;
	ch_fail(&fail, CH_FAIL_CLOSED, "the store closed the connection");
	if (mc->fail.kind == CH_FAIL_NONE)
		note_failure(mc, mc->last ? mc->last->where : NULL, &fail);
	return true;
}

/* flags of OP_MSG; timeout_ms 0: only if it does not wait */
static bool
write_message(MongoConn *mc, const bson_t *command, int flags, int timeout_ms)
{
	size_t		size = MSG_HEAD - 4 + command->len;
	ChFailure	fail = {0};

	if (closed(mc))
		return false;
	if (size > mc->out_size)
	{
		mc->out = bson_realloc(mc->out, size);
		mc->out_size = size;
	}
	memset(mc->out, 0, MSG_HEAD - 4);
	put_int32(mc->out, (int32) size);
	put_int32(mc->out + 4, ++mc->request_id);
	put_int32(mc->out + 12, OP_MSG);
	put_int32(mc->out + 16, flags);
	memcpy(mc->out + MSG_HEAD - 4, bson_get_data(command), command->len);
	if (!ch_stream_write(mc->last->io, mc->out, size, timeout_ms, &fail))
	{
		(void) failed_call(mc->last, &fail);
		return false;
	}
	mc->requests++;
	return true;
}

bool
mongo_send_command(MongoConn *mc, const bson_t *command)
{
	return write_message(mc, command, 0, mc->conn->request_timeout);
}

/* Room for the document of the message whose head is there; its length is in the head. */
static bool
begin_document(MongoConn *mc, MongoStream *s, ChFailure *fail)
{
	size_t		size = s->body_left + 4;

	if (s->head_size != MSG_HEAD || get_int32(s->head + 8) != mc->request_id || size > LARGEST_MESSAGE)
	{
		ch_fail(fail, CH_FAIL_PROTOCOL, "a message that answers nothing");
		return false;
	}
	if (size > mc->in_size)
	{
		bson_free(mc->in);
		mc->in = bson_malloc(size);
		mc->in_size = size;
	}
	memcpy(mc->in, s->head + MSG_HEAD - 4, 4);
	mc->in_got = 4;
	mc->bytes += MSG_HEAD;
	return true;
}

/* As much of the answer as is there, or all of it. */
static MongoRead
read_reply(MongoConn *mc, MongoStream *s, bool wait, ChFailure *fail)
{
	int			timeout = mc->conn->request_timeout;

	if (s->body_left == 0)
	{
		int			rc = read_head(s, wait, timeout, fail);

		if (rc == 0)
			return MONGO_NOT_YET;
		if (rc < 0 || !begin_document(mc, s, fail))
			return MONGO_BROKEN;
	}
	while (s->body_left > 0)
	{
		ssize_t		rc = ch_stream_read(s->io, mc->in + mc->in_got, s->body_left, wait ? s->body_left : 0, timeout, fail);

		if (rc <= 0)
			return rc < 0 ? MONGO_BROKEN : MONGO_NOT_YET;
		mc->in_got += rc;
		mc->bytes += rc;
		s->body_left -= rc;
	}
	return MONGO_REPLY;
}

MongoRead
mongo_read_reply(MongoConn *mc, ChWait *wait, bson_t *reply)
{
	MongoStream *s = mc->last;
	ChFailure	fail = {0};
	MongoRead	got;

	if (closed(mc))
		return MONGO_BROKEN;
	got = read_reply(mc, s, wait == NULL, &fail);
	if (got == MONGO_NOT_YET)
		*wait = ch_stream_wait(s->io);
	if (got != MONGO_REPLY)
	{
		if (got == MONGO_BROKEN)
			(void) failed_call(s, &fail);
		return got;
	}
	end_message(s);
	if (bson_init_static(reply, (const uint8_t *) mc->in, mc->in_got))
		return MONGO_REPLY;
	ch_fail(&fail, CH_FAIL_PROTOCOL, "a document without an end");
	(void) failed_call(s, &fail);
	return MONGO_BROKEN;
}

void
mongo_forget_reply(MongoConn *mc)
{
	if (mc->in_size <= BUFFER_KEEP)
		return;
	bson_free(mc->in);
	mc->in = NULL;
	mc->in_size = 0;
}

/*
 * Without an answer: the flag moreToCome asks for none.  The connection is
 * closed after it, so an answer that comes nevertheless harms nobody.
 */
bool
mongo_kill_cursor(MongoConn *mc, const char *database, const char *collection, int64 cursor, bool answered)
{
	bson_t		command = BSON_INITIALIZER;
	bson_t		ids;
	bool		ok;

	bson_append_utf8(&command, "killCursors", -1, collection, -1);
	bson_append_array_begin(&command, "cursors", -1, &ids);
	bson_append_int64(&ids, "0", -1, cursor);
	bson_append_array_end(&command, &ids);
	bson_append_utf8(&command, "$db", -1, database, -1);
	ok = answered ? mongo_send_command(mc, &command) : write_message(mc, &command, MORE_TO_COME_FLAG, 0);
	bson_destroy(&command);
	return ok;
}
