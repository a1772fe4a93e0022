/*
 * bolt.c
 *	  How is a conversation with Neo4j held?
 *
 * A message is a PackStream structure, cut into chunks of at most 65,535 bytes,
 * each behind its size; a chunk of size 0 ends the message, and between
 * messages it is a sign of life (NOOP).  A message that came in one chunk, as
 * nearly all do, is decoded where it lies in the input buffer; only those of
 * several chunks are moved together, in the same buffer.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fdw/neo4j/bolt.h"

#define MSG_HELLO		0x01
#define MSG_GOODBYE		0x02
#define MSG_RESET		0x0F
#define MSG_RUN			0x10
#define MSG_BEGIN		0x11
#define MSG_COMMIT		0x12
#define MSG_DISCARD		0x2F
#define MSG_PULL		0x3F
#define MSG_LOGON		0x6A

#define MAX_CHUNK		0xFFFF
#define BUFFER_SIZE		(64 * 1024)

/* More than this is given back when an answer ends. */
#define BUFFER_KEEP		(1024 * 1024)

/* A cell of 1 GB is more than PostgreSQL holds. */
#define MAX_MESSAGE		((size_t) MaxAllocSize - BUFFER_SIZE)

#define AT_LEAST(c, maj, min) ((c)->major > (maj) || ((c)->major == (maj) && (c)->minor >= (min)))

/* ---- sending --------------------------------------------------------------- */

static void
begin_message(BoltClient *c, uint8 tag, int fields)
{
	resetStringInfo(&c->out);
	neo4j_pack_struct(&c->out, tag, fields);
}

/* Cut the message into chunks and add it to what will be written. */
static void
end_message(BoltClient *c)
{
	int			done = 0;

	while (done < c->out.len)
	{
		int			n = Min(c->out.len - done, MAX_CHUNK);
		char		head[2] = {(char) (n >> 8), (char) n};

		appendBinaryStringInfo(&c->wire, head, 2);
		appendBinaryStringInfo(&c->wire, c->out.data + done, n);
		done += n;
	}
	appendBinaryStringInfo(&c->wire, "\0\0", 2);
	c->owed++;
}

/* Write what end_message gathered.  timeout_ms 0: only if it does not wait. */
static bool
flush_messages(BoltClient *c, int timeout_ms, ChFailure *fail)
{
	bool		ok = ch_stream_write(c->stream, c->wire.data, c->wire.len, timeout_ms, fail);

	resetStringInfo(&c->wire);
	return ok;
}

/* PULL or DISCARD of the last query's records; n -1: all that are left. */
static void
put_take(BoltClient *c, uint8 tag, int64 n)
{
	begin_message(c, tag, 1);
	neo4j_pack_map(&c->out, 1);
	neo4j_pack_text(&c->out, "n");
	neo4j_pack_int(&c->out, n);
	end_message(c);
}

static void
put_bare(BoltClient *c, uint8 tag)
{
	begin_message(c, tag, 0);
	end_message(c);
}

/* Which database, and whether it is only read; a query in a transaction has BEGIN's. */
static void
put_scope(BoltClient *c, const char *database, bool writes)
{
	neo4j_pack_map(&c->out, database ? 2 : 1);
	neo4j_pack_text(&c->out, "mode");
	neo4j_pack_text(&c->out, writes ? "w" : "r");
	if (database == NULL)
		return;
	neo4j_pack_text(&c->out, "db");
	neo4j_pack_text(&c->out, database);
}

static void
put_run(BoltClient *c, const BoltQuery *query)
{
	begin_message(c, MSG_RUN, 3);
	neo4j_pack_text(&c->out, query->text);
	neo4j_pack_map(&c->out, query->nparams);
	if (query->nparams > 0)
		appendBinaryStringInfo(&c->out, query->params->data, query->params->len);
	if (c->in_transaction)
		neo4j_pack_map(&c->out, 0);
	else
		put_scope(c, query->database, false);
	end_message(c);
	put_take(c, MSG_PULL, query->pull);
}

bool
neo4j_bolt_run(BoltClient *c, const BoltQuery *query, ChFailure *fail)
{
	if (c->in_transaction && !neo4j_bolt_settle(c, fail))
		return false;
	c->stale = c->owed;
	put_run(c, query);
	return flush_messages(c, c->timeout_ms, fail);
}

bool
neo4j_bolt_run_next(BoltClient *c, const BoltQuery *query, ChFailure *fail)
{
	put_run(c, query);
	return flush_messages(c, c->timeout_ms, fail);
}

bool
neo4j_bolt_pull(BoltClient *c, int64 n, ChFailure *fail)
{
	put_take(c, MSG_PULL, n);
	return flush_messages(c, c->timeout_ms, fail);
}

void
neo4j_bolt_begin(BoltClient *c, const char *database)
{
	begin_message(c, MSG_BEGIN, 1);
	put_scope(c, database, true);
	end_message(c);
	/* its answer is skipped: after a failure of it, all that follows is ignored */
	c->stale = c->owed;
	c->in_transaction = true;
	c->more = false;
	c->code[0] = '\0';
}

bool
neo4j_bolt_commit(BoltClient *c, ChFailure *fail)
{
	c->stale = c->owed;
	put_bare(c, MSG_COMMIT);
	c->in_transaction = false;
	return flush_messages(c, c->timeout_ms, fail);
}

/* ---- receiving --------------------------------------------------------------- */

/*
 * Make room at the end of the buffer for as much as is asked, by moving what
 * is still needed to its front or by enlarging it.  False if that is too much.
 */
static bool
make_room(BoltClient *c, size_t more)
{
	size_t		keep = c->partial && c->msglen > 0 ? c->msg : c->start;
	size_t		live = c->end - keep;

	/* not a read of a few bytes because the buffer happens to end there */
	if (c->size - c->end >= Max(more, keep > 0 ? c->size / 4 : 0))
		return true;
	memmove(c->buf, c->buf + keep, live);
	c->msg -= Min(keep, c->msg);
	c->start -= keep;
	c->end = live;
	if (c->size - c->end >= more)
		return true;
	if (live + more > MAX_MESSAGE)
		return false;
	c->size = Min(Max(c->size * 2, live + more), MAX_MESSAGE);
	c->buf = repalloc(c->buf, c->size);
	return true;
}

/* Have at least n unread bytes in the buffer. */
static bool
need(BoltClient *c, size_t n, ChFailure *fail)
{
	/* one byte at least: a read for more that fails has taken what it got */
	while (c->end - c->start < n)
	{
		ssize_t		got;

		if (!make_room(c, n - (c->end - c->start)))
		{
			ch_fail(fail, CH_FAIL_PROTOCOL, "a record is larger than 1 GB");
			return false;
		}
		got = ch_stream_read(c->stream, c->buf + c->end, c->size - c->end, 1,
							 c->nowait ? CH_DO_NOT_WAIT : c->timeout_ms, fail);
		if (got < 0)
			return false;
		c->end += got;
	}
	return true;
}

/*
 * Put one whole message at buf + msg, without its chunk heads.  After a
 * failure it can be called again if more may arrive.
 */
static bool
read_message(BoltClient *c, ChFailure *fail)
{
	if (!c->partial)
		c->msglen = 0;
	c->partial = true;
	for (;;)
	{
		const uint8 *head;
		size_t		n;

		if (!need(c, 2, fail))
			return false;
		head = (const uint8 *) c->buf + c->start;
		n = (size_t) head[0] << 8 | head[1];
		if (n == 0)
		{
			c->start += 2;
			if (c->msglen == 0)
				continue;		/* a NOOP */
			c->partial = false;
			return true;
		}
		/* with the end mark that follows most chunks, in one read */
		if (!need(c, 2 + n + 2, fail))
			return false;
		if (c->msglen == 0)
			c->msg = c->start + 2;
		else
			memmove(c->buf + c->msg + c->msglen, c->buf + c->start + 2, n);
		c->msglen += n;
		c->start += 2 + n;
	}
}

/* Keep a string of an answer in a buffer of ours, cut to its size. */
static void
keep_text(char *buf, size_t size, const ChValue *v)
{
	int			len;

	buf[0] = '\0';
	if (v == NULL || v->kind != CH_STRING)
		return;
	len = Min(v->u.s.len, (int) size - 1);
	/* never the first bytes of a character without its last */
	while (len < v->u.s.len && len > 0 && ((unsigned char) v->u.s.data[len] & 0xC0) == 0x80)
		len--;
	memcpy(buf, v->u.s.data, len);
	buf[len] = '\0';
}

static bool
read_failure(BoltClient *c, PackReader *body)
{
	ChValue		map;
	const ChValue *code;

	if (!neo4j_unpack(body, &map))
		return false;
	code = neo4j_member(&map, "neo4j_code");	/* its name since 5.7 */
	keep_text(c->code, sizeof(c->code), code ? code : neo4j_member(&map, "code"));
	keep_text(c->message, sizeof(c->message), neo4j_member(&map, "message"));
	return true;
}

static BoltAnswer
nonsense(ChFailure *fail, const char *what)
{
	ch_fail(fail, CH_FAIL_PROTOCOL, "Bolt: %s", what);
	return BOLT_BROKEN;
}

/* The next message, whichever query it belongs to. */
static BoltAnswer
next_answer(BoltClient *c, PackReader *body, ChFailure *fail)
{
	uint8		tag;
	uint32		n;

	if (!read_message(c, fail))
		return BOLT_BROKEN;
	body->at = (const uint8 *) c->buf + c->msg;
	body->end = body->at + c->msglen;
	body->error = NULL;
	if (!neo4j_unpack_struct(body, &tag, &n))
		return nonsense(fail, body->error);
	if (c->owed <= 0)
		return nonsense(fail, "an answer that nothing was asked for");
	if (tag == BOLT_RECORD && n == 1)
		return BOLT_RECORD;
	if (!((tag == BOLT_SUCCESS || tag == BOLT_FAILURE) && n == 1) && tag != BOLT_IGNORED)
		return nonsense(fail, "an unknown kind of message");
	if (tag == BOLT_FAILURE && !read_failure(c, body))
		return nonsense(fail, body->error);
	if (c->in_transaction)
		c->more = tag == BOLT_SUCCESS && neo4j_bolt_has_more(&(PackReader) {.at = body->at, .end = body->end});
	c->owed--;
	return (BoltAnswer) tag;
}

BoltAnswer
neo4j_bolt_next(BoltClient *c, PackReader *body, ChFailure *fail)
{
	for (;;)
	{
		BoltAnswer	answer = next_answer(c, body, fail);

		if (answer == BOLT_BROKEN || c->stale == 0)
			return answer;
		if (answer != BOLT_RECORD)
			c->stale--;
	}
}

bool
neo4j_bolt_has_more(PackReader *body)
{
	ChValue		map;
	const ChValue *more;

	if (!neo4j_unpack(body, &map))
		return false;
	more = neo4j_member(&map, "has_more");
	return more && more->kind == CH_BOOL && more->u.b;
}

/* ---- reset ------------------------------------------------------------------- */

static void
shrink_buffer(BoltClient *c)
{
	if (c->size <= BUFFER_KEEP || c->end - c->start > BUFFER_SIZE)
		return;
	memmove(c->buf, c->buf + c->start, c->end - c->start);
	c->end -= c->start;
	c->start = 0;
	c->msglen = 0;
	c->size = BUFFER_SIZE;
	c->buf = repalloc(c->buf, c->size);
}

/*
 * Not by RESET, which would end the transaction.  A query that is stopped before
 * its batch has come in is waited for.  DISCARD is only understood while there
 * is something to discard.
 */
bool
neo4j_bolt_settle(BoltClient *c, ChFailure *fail)
{
	PackReader	body;

	/* BEGIN, which was not sent yet, is answered with the first query */
	if (c->wire.len > 0)
		return true;
	while (c->owed > 0)
		if (next_answer(c, &body, fail) == BOLT_BROKEN)
			return false;
	c->stale = 0;
	if (!c->more)
		return true;
	put_take(c, MSG_DISCARD, -1);
	return flush_messages(c, c->timeout_ms, fail) && neo4j_bolt_settle(c, fail);
}

/* Read until every message is answered; the last one is RESET's. */
static bool
read_rest(BoltClient *c, ChFailure *fail)
{
	while (c->owed > 0)
	{
		PackReader	body;
		BoltAnswer	answer = next_answer(c, &body, fail);

		if (answer == BOLT_BROKEN)
			return false;
		if (c->owed == 0 && answer != BOLT_SUCCESS)
			return nonsense(fail, "RESET was refused") != BOLT_BROKEN;
	}
	c->stale = 0;
	shrink_buffer(c);
	return true;
}

bool
neo4j_bolt_reset(BoltClient *c, ChFailure *fail)
{
	put_bare(c, MSG_RESET);
	c->in_transaction = c->more = false;
	return flush_messages(c, c->timeout_ms, fail) && read_rest(c, fail);
}

bool
neo4j_bolt_abandon(BoltClient *c)
{
	ChFailure	fail;

	put_bare(c, MSG_RESET);
	c->in_transaction = c->more = false;
	return flush_messages(c, 0, &fail);
}

bool
neo4j_bolt_usable(BoltClient *c)
{
	ChFailure	fail;
	int			timeout_ms = c->timeout_ms;
	bool		ok;

	if (c->owed == 0)
		return c->start == c->end && ch_stream_alive(c->stream);
	c->timeout_ms = 0;
	ok = read_rest(c, &fail) || fail.kind == CH_FAIL_TIMEOUT || fail.kind == CH_FAIL_INTERRUPTED;
	c->timeout_ms = timeout_ms;
	return ok;
}

/* ---- opening and closing --------------------------------------------------------- */

/*
 * The client offers four versions, each as 0, how many minor versions below it
 * are welcome too, minor, major; the server answers with one of them or zeros.
 */
static bool
agree_version(BoltClient *c, ChFailure *fail)
{
	static const uint8 offer[20] = {
		0x60, 0x60, 0xB0, 0x17,
		0, 8, 8, 5,
		0, 0, 4, 4,
		0, 0, 0, 0,
		0, 0, 0, 0
	};
	uint8		chosen[4];

	if (!ch_stream_write(c->stream, offer, sizeof(offer), c->timeout_ms, fail) ||
		ch_stream_read(c->stream, chosen, sizeof(chosen), sizeof(chosen), c->timeout_ms, fail) < 0)
		return false;
	c->major = chosen[3];
	c->minor = chosen[2];
	if (memcmp(chosen, "HTTP", 4) == 0)
		ch_fail(fail, CH_FAIL_PROTOCOL, "the server speaks HTTP at this port, not Bolt (usually port 7687)");
	else if (memcmp(chosen, "\0\0\0\0", 4) == 0)
		ch_fail(fail, CH_FAIL_PROTOCOL, "the server speaks neither Bolt 5.0 to 5.8 nor 4.4");
	else if (chosen[0] != 0 || chosen[1] != 0 ||
			 !((c->major == 5 && c->minor <= 8) || (c->major == 4 && c->minor == 4)))
		ch_fail(fail, CH_FAIL_PROTOCOL, "the server does not speak Bolt");
	else
		return true;
	return false;
}

BoltClient *
neo4j_bolt_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail)
{
	BoltClient *c;
	ChStream   *stream = ch_stream_open(ep, timeout_ms, fail);

	if (stream == NULL)
		return NULL;
	c = palloc0(sizeof(BoltClient));
	c->stream = stream;
	c->timeout_ms = timeout_ms;
	c->size = BUFFER_SIZE;
	c->buf = palloc(c->size);
	initStringInfo(&c->out);
	initStringInfo(&c->wire);
	if (agree_version(c, fail))
		return c;
	neo4j_bolt_close(c);
	return NULL;
}

/* scheme, principal, credentials: what LOGON takes, and HELLO before 5.1. */
static int
login_members(const BoltLogin *login)
{
	return login->token ? 2 : login->user ? 3 : 1;
}

static void
put_login(BoltClient *c, const BoltLogin *login)
{
	neo4j_pack_text(&c->out, "scheme");
	neo4j_pack_text(&c->out, login->token ? "bearer" : login->user ? "basic" : "none");
	if (login->token == NULL && login->user)
	{
		neo4j_pack_text(&c->out, "principal");
		neo4j_pack_text(&c->out, login->user);
	}
	if (login->token || login->user)
	{
		neo4j_pack_text(&c->out, "credentials");
		neo4j_pack_text(&c->out, login->token ? login->token : login->password ? login->password : "");
	}
}

/*
 * Of the server's notifications only the one about names that it does not
 * know is of use here: it tells a missing label from an empty one.
 */
static void
put_notification_filter(BoltClient *c)
{
	static const char *const unwanted[] = {"DEPRECATION", "GENERIC", "PERFORMANCE", "UNSUPPORTED"};

	neo4j_pack_text(&c->out, "notifications_minimum_severity");
	neo4j_pack_text(&c->out, "WARNING");
	neo4j_pack_text(&c->out, AT_LEAST(c, 5, 5) ? "notifications_disabled_classifications"
					: "notifications_disabled_categories");
	neo4j_pack_list(&c->out, lengthof(unwanted));
	for (int i = 0; i < lengthof(unwanted); i++)
		neo4j_pack_text(&c->out, unwanted[i]);
}

static void
put_hello(BoltClient *c, const BoltLogin *login)
{
	bool		agent = AT_LEAST(c, 5, 3);
	bool		filter = AT_LEAST(c, 5, 2);
	bool		logon = AT_LEAST(c, 5, 1);
	bool		patch = c->major == 4;

	begin_message(c, MSG_HELLO, 1);
	neo4j_pack_map(&c->out, 1 + agent + 2 * filter + patch + (logon ? 0 : login_members(login)));
	neo4j_pack_text(&c->out, "user_agent");
	neo4j_pack_text(&c->out, "cipherhorizon/1.0");
	if (agent)
	{
		neo4j_pack_text(&c->out, "bolt_agent");
		neo4j_pack_map(&c->out, 1);
		neo4j_pack_text(&c->out, "product");
		neo4j_pack_text(&c->out, "cipherhorizon/1.0");
	}
	if (filter)
		put_notification_filter(c);
	if (patch)
	{
		/* times with zones as 5.0 has them */
		neo4j_pack_text(&c->out, "patch_bolt");
		neo4j_pack_list(&c->out, 1);
		neo4j_pack_text(&c->out, "utc");
	}
	if (!logon)
		put_login(c, login);
	end_message(c);
	if (logon)
	{
		begin_message(c, MSG_LOGON, 1);
		neo4j_pack_map(&c->out, login_members(login));
		put_login(c, login);
		end_message(c);
	}
}

bool
neo4j_bolt_login(BoltClient *c, const BoltLogin *login, ChFailure *fail)
{
	put_hello(c, login);
	if (!flush_messages(c, c->timeout_ms, fail))
		return false;
	while (c->owed > 0)
	{
		PackReader	body;
		ChValue		map;

		switch (next_answer(c, &body, fail))
		{
			case BOLT_SUCCESS:
				if (!neo4j_unpack(&body, &map))
				{
					ch_fail(fail, CH_FAIL_PROTOCOL, "Bolt: %s", body.error);
					return false;
				}
				if (neo4j_member(&map, "server"))
					keep_text(c->server, sizeof(c->server), neo4j_member(&map, "server"));
				break;
			case BOLT_FAILURE:
				ch_fail(fail, strncmp(c->code, "Neo.ClientError.Security.", 25) == 0 ? CH_FAIL_AUTH : CH_FAIL_CONNECT,
						"%s: %.350s", c->code, c->message);
				return false;
			case BOLT_BROKEN:
				return false;
			default:
				ch_fail(fail, CH_FAIL_PROTOCOL, "Bolt: the login was answered by something else");
				return false;
		}
	}
	return true;
}

void
neo4j_bolt_close(BoltClient *c)
{
	ChFailure	fail;

	if (c == NULL)
		return;
	/* Politeness; the server learns from RESET before the end of the stream to give up. */
	if (c->major > 0)
	{
		put_bare(c, c->owed == 0 && !c->in_transaction ? MSG_GOODBYE : MSG_RESET);
		(void) flush_messages(c, 0, &fail);
	}
	ch_stream_close(c->stream);
	c->stream = NULL;
}
