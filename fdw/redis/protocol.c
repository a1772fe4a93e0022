/*
 * protocol.c
 *	  Commands out and replies in: hiredis parses, core's stream moves bytes.
 *
 * hiredis' own connections are not used, for they block, and Debian's version
 * has no TLS.  The parser
 * builds replies through callbacks of ours, in a memory context that the
 * caller chooses, so nothing has to be freed one by one, and nothing leaks
 * when an error unwinds.  Within a callback memory is asked for without
 * raising: hiredis is told of a failure, and returns it.
 */
#include "postgres.h"

#include <stdarg.h>

#include "fdw/redis/redis.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define READ_SIZE (16 * 1024)
#define KEEP_OUT (1024 * 1024)

/* hiredis 1.0 widened the count of an array and added types for RESP3. */
#if HIREDIS_MAJOR >= 1
typedef size_t ReplyCount;
#else
typedef int ReplyCount;
#endif

/* ---- building replies: called by hiredis, must not raise ------------------ */

/*
 * What most commands of a transaction answer is shared, so that the answer of
 * EXEC takes 8 bytes for each of them.
 */
#define SMALL_INTEGERS 10
static RedisReply small_integers[SMALL_INTEGERS];
static RedisReply ok_reply = {.type = REDIS_REPLY_STATUS,.str = "OK",.len = 2};

static void *
put_shared(const redisReadTask *task, RedisReply *reply)
{
	((RedisReply *) task->parent->obj)->items[task->idx] = reply;
	return reply;
}

/* A reply and, behind it, extra bytes for what it holds. */
static RedisReply *
make_reply(const redisReadTask *task, size_t extra)
{
	RedisConn  *rc = task->privdata;
	RedisReply *reply = MemoryContextAllocExtended(rc->reply_cxt, sizeof(RedisReply) + extra,
												   MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);

	if (reply == NULL)
		return NULL;
	memset(reply, 0, sizeof(RedisReply));
	reply->type = task->type;
	if (task->parent)
		((RedisReply *) task->parent->obj)->items[task->idx] = reply;
	return reply;
}

static void *
make_string(const redisReadTask *task, char *str, size_t len)
{
	RedisReply *reply;

	if (task->parent && task->type == REDIS_REPLY_STATUS && len == 2 && memcmp(str, "OK", 2) == 0)
		return put_shared(task, &ok_reply);
	reply = make_reply(task, len + 1);
	if (reply == NULL)
		return NULL;
	reply->str = (char *) (reply + 1);
	memcpy(reply->str, str, len);
	reply->str[len] = '\0';
	reply->len = len;
	return reply;
}

static void *
make_array(const redisReadTask *task, ReplyCount n)
{
	RedisReply *reply = make_reply(task, n * sizeof(RedisReply *));

	if (reply == NULL)
		return NULL;
	reply->n = n;
	reply->items = (RedisReply **) (reply + 1);
	return reply;
}

static void *
make_integer(const redisReadTask *task, long long value)
{
	RedisReply *reply;

	if (task->parent && value >= 0 && value < SMALL_INTEGERS)
	{
		small_integers[value].type = REDIS_REPLY_INTEGER;
		small_integers[value].integer = value;
		return put_shared(task, &small_integers[value]);
	}
	reply = make_reply(task, 0);
	if (reply)
		reply->integer = value;
	return reply;
}

/* RESP2 has no nil of its own: the task says string or array. */
static void *
make_nil(const redisReadTask *task)
{
	RedisReply *reply = make_reply(task, 0);

	if (reply)
		reply->type = REDIS_REPLY_NIL;
	return reply;
}

static void
free_nothing(void *reply)
{
}

#if HIREDIS_MAJOR >= 1
/* Only RESP3 has these, and RESP3 is never asked for. */
static void *
make_double(const redisReadTask *task, double value, char *str, size_t len)
{
	return make_string(task, str, len);
}

static void *
make_bool(const redisReadTask *task, int value)
{
	return make_integer(task, value);
}
#endif

static redisReplyObjectFunctions functions = {
	.createString = make_string,
	.createArray = make_array,
	.createInteger = make_integer,
	.createNil = make_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = make_double,
	.createBool = make_bool,
#endif
	.freeObject = free_nothing,
};

bool
redis_reader_create(RedisConn *rc)
{
	rc->reader = redisReaderCreateWithFunctions(&functions);
	if (rc->reader)
		rc->reader->privdata = rc;
	return rc->reader != NULL;
}

/* ---- commands ---------------------------------------------------------------- */

/* Longest mark number CR LF */
#define HEADER_MAX (MAXINT8LEN + 3)

/* mark number CR LF: how RESP starts an array ('*') or a string ('$'); where it ends */
static char *
put_header(char *at, char mark, uint64 n)
{
	*at++ = mark;
	at += pg_ulltoa_n(n, at);
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

void
redis_begin_command(StringInfo out, int argc)
{
	enlargeStringInfo(out, HEADER_MAX);
	out->len = put_header(out->data + out->len, '*', argc) - out->data;
}

void
redis_append_arg(StringInfo out, const char *data, size_t len)
{
	char	   *at;

	enlargeStringInfo(out, HEADER_MAX + (int) len + 2);
	at = put_header(out->data + out->len, '$', len);
	memcpy(at, data, len);
	memcpy(at + len, "\r\n", 2);
	out->len = at + len + 2 - out->data;
}

/*
 * A command is an array of strings.  Written here, for hiredis would make a
 * string of its own for each, which has to be copied and freed: that was a
 * sixth of a scan's time.  The room is made once: to ask for it for each string
 * was half of what remained.  lens may be NULL.
 */
void
redis_command(RedisConn *rc, int argc, const char **argv, const size_t *lens)
{
	StringInfo	out = &rc->out;
	size_t		room = HEADER_MAX;
	char	   *at;

	for (int i = 0; i < argc; i++)
		room += HEADER_MAX + (lens ? lens[i] : strlen(argv[i])) + 2;
	enlargeStringInfo(out, room > INT_MAX ? INT_MAX : (int) room);
	at = put_header(out->data + out->len, '*', argc);
	for (int i = 0; i < argc; i++)
	{
		size_t		len = lens ? lens[i] : strlen(argv[i]);

		at = put_header(at, '$', len);
		memcpy(at, argv[i], len);
		at += len;
		*at++ = '\r';
		*at++ = '\n';
	}
	out->len = at - out->data;
	rc->unread++;
}

#define TEXT_ARGS_MAX 8

void
redis_command_text(RedisConn *rc, int argc,...)
{
	const char *argv[TEXT_ARGS_MAX];
	va_list		args;

	Assert(argc <= TEXT_ARGS_MAX);
	va_start(args, argc);
	for (int i = 0; i < argc; i++)
		argv[i] = va_arg(args, const char *);
	va_end(args);
	redis_command(rc, argc, argv, NULL);
}

void
redis_flush(ChConn *conn, int timeout_ms)
{
	RedisConn  *rc = conn->handle;
	ChFailure	fail = {0};

	if (rc->out.len > 0 &&
		!ch_stream_write(rc->stream, rc->out.data, rc->out.len, timeout_ms, &fail))
		ch_failure_raise(conn, &fail);
	if (rc->out.maxlen > KEEP_OUT)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(rc->out.data));

		pfree(rc->out.data);
		initStringInfo(&rc->out);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&rc->out);
}

/* ---- replies ------------------------------------------------------------------- */

/* Bytes of the stream into the parser. */
static bool
feed(RedisConn *rc, int timeout_ms, ChFailure *fail)
{
	char		buf[READ_SIZE];
	ssize_t		n = ch_stream_read(rc->stream, buf, sizeof(buf), 1, timeout_ms, fail);

	if (n < 0)
		return false;
	if (redisReaderFeed(rc->reader, buf, n) == REDIS_OK)
		return true;
	ch_fail(fail, CH_FAIL_IO, "%s", rc->reader->errstr);
	return false;
}

/* The next reply from the stream; NULL fills fail. */
static RedisReply *
parse_reply(RedisConn *rc, int timeout_ms, ChFailure *fail)
{
	void	   *reply = NULL;

	for (;;)
	{
		if (redisReaderGetReply(rc->reader, &reply) != REDIS_OK)
		{
			ch_fail(fail, rc->reader->err == REDIS_ERR_PROTOCOL ? CH_FAIL_PROTOCOL : CH_FAIL_IO,
					"%s", rc->reader->errstr);
			return NULL;
		}
		if (reply != NULL || !feed(rc, timeout_ms, fail))
			return reply;
	}
}

RedisReply *
redis_read(ChConn *conn, MemoryContext cxt, int timeout_ms)
{
	RedisConn  *rc = conn->handle;
	ChFailure	fail = {0};
	RedisReply *reply;

	if (rc->ahead_next < rc->ahead_end)
		reply = rc->ahead[rc->ahead_next++];
	else
	{
		rc->reply_cxt = cxt;
		reply = parse_reply(rc, timeout_ms, &fail);
	}
	if (reply == NULL)
		ch_failure_raise(conn, &fail);
	rc->unread--;
	return reply;
}

bool
redis_have(ChConn *conn, MemoryContext cxt, int n, ChWait *wait)
{
	RedisConn  *rc = conn->handle;
	ChFailure	fail = {0};

	if (rc->ahead_next == rc->ahead_end)
		rc->ahead_next = rc->ahead_end = 0;
	if (rc->ahead_size < n)
	{
		rc->ahead = rc->ahead ? repalloc(rc->ahead, n * sizeof(RedisReply *))
			: MemoryContextAlloc(conn->cxt, n * sizeof(RedisReply *));
		rc->ahead_size = n;
	}
	rc->reply_cxt = cxt;
	while (rc->ahead_end < n)
	{
		RedisReply *reply = parse_reply(rc, CH_DO_NOT_WAIT, &fail);

		if (reply == NULL && fail.kind != CH_FAIL_AGAIN)
			ch_failure_raise(conn, &fail);
		if (reply == NULL)
		{
			*wait = ch_stream_wait(rc->stream);
			return false;
		}
		rc->ahead[rc->ahead_end++] = reply;
	}
	return true;
}

/*
 * Bytes that are left in the parser once every reply was read are the answer to
 * nothing that was asked, and would be taken for the next one.
 */
bool
redis_is_idle(const RedisConn *rc)
{
	return rc->unread == 0 && rc->out.len == 0 && rc->reader->pos == rc->reader->len;
}

/* ---- what a reply must be -------------------------------------------------------- */

static const char *
type_name(int type)
{
	switch (type)
	{
		case REDIS_REPLY_STRING:
			return "string";
		case REDIS_REPLY_ARRAY:
			return "array";
		case REDIS_REPLY_INTEGER:
			return "integer";
		case REDIS_REPLY_NIL:
			return "nil";
		case REDIS_REPLY_STATUS:
			return "status";
		default:
			return "reply of a new type";
	}
}

pg_noreturn static void
unexpected(const ChConn *conn, const char *got, const char *wanted)
{
	ChFailure	fail;

	ch_fail(&fail, CH_FAIL_PROTOCOL, "%s in place of %s", got, wanted);
	ch_failure_raise(conn, &fail);
}

void
redis_expect(const ChConn *conn, const RedisReply *reply, int type)
{
	if (reply->type != type && reply->type != REDIS_REPLY_ERROR)
		unexpected(conn, type_name(reply->type), type_name(type));
}

void
redis_expect_texts(const ChConn *conn, const RedisReply *reply, int n, bool nils)
{
	redis_expect(conn, reply, REDIS_REPLY_ARRAY);
	if (reply->type == REDIS_REPLY_ERROR)
		return;
	if (nils ? reply->n != (size_t) n : reply->n % n != 0)
		unexpected(conn, psprintf("%zu elements", reply->n), psprintf(nils ? "%d" : "a multiple of %d", n));
	for (size_t i = 0; i < reply->n; i++)
		if (reply->items[i]->type != REDIS_REPLY_STRING && !(nils && reply->items[i]->type == REDIS_REPLY_NIL))
			unexpected(conn, type_name(reply->items[i]->type), "string in an array");
}

void
redis_expect_page(const ChConn *conn, const RedisReply *reply, int multiple)
{
	redis_expect(conn, reply, REDIS_REPLY_ARRAY);
	if (reply->type == REDIS_REPLY_ERROR)
		return;
	if (reply->n != 2 || reply->items[0]->type != REDIS_REPLY_STRING || reply->items[1]->type != REDIS_REPLY_ARRAY)
		unexpected(conn, "something", "a cursor and an array");
	redis_expect_texts(conn, reply->items[1], multiple, false);
}

void
redis_expect_entries(const ChConn *conn, const RedisReply *reply)
{
	redis_expect(conn, reply, REDIS_REPLY_ARRAY);
	if (reply->type == REDIS_REPLY_ERROR)
		return;
	for (size_t i = 0; i < reply->n; i++)
	{
		const RedisReply *entry = reply->items[i];
		RedisPoint	id;

		if (entry->type != REDIS_REPLY_ARRAY || entry->n != 2 || entry->items[0]->type != REDIS_REPLY_STRING ||
			entry->items[1]->type != REDIS_REPLY_ARRAY ||
			!redis_parse_id(entry->items[0]->str, (int) entry->items[0]->len, &id))
			unexpected(conn, "something", "an id and an array");
		redis_expect_texts(conn, entry->items[1], 2, false);
	}
}

/* What to do about an error that Redis answers, by its first word. */
static const struct
{
	const char *code;
	int			sqlstate;
	const char *hint;
}			known_errors[] =
{
	{"NOPERM", ERRCODE_FDW_ERROR, "Grant the user of the mapping this command and these keys with ACL SETUSER."},
	{"WRONGTYPE", ERRCODE_FDW_ERROR, "The table's option key_set must name a set."},
	{"NOAUTH", ERRCODE_FDW_ERROR, "Set the password in the user mapping."},
	{"LOADING", ERRCODE_FDW_ERROR, "Redis is still reading its data from disk: try again in a moment."},
	{"BUSY", ERRCODE_FDW_ERROR, "A script runs in Redis: wait, or stop it with SCRIPT KILL."},
	{"READONLY", ERRCODE_FDW_ERROR, "The server is a replica: set host and port to its primary."},
	{"OOM", ERRCODE_FDW_ERROR, "Redis has used the memory that its setting maxmemory allows."},
	{"MASTERDOWN", ERRCODE_FDW_ERROR, "The replica has lost its primary: set host and port to another server."},
	{"MOVED", ERRCODE_FDW_ERROR, "Redis Cluster is not supported: set host and port to a server that holds all keys."},
	{"ASK", ERRCODE_FDW_ERROR, "Redis Cluster is not supported: set host and port to a server that holds all keys."},
	{"CROSSSLOT", ERRCODE_FDW_ERROR, "Redis Cluster is not supported: set host and port to a server that holds all keys."},
	{"CLUSTERDOWN", ERRCODE_FDW_ERROR, "Redis Cluster is not supported: set host and port to a server that holds all keys."},
};

void
redis_raise(const ChConn *conn, const RedisReply *reply)
{
	const char *space = strchr(reply->str, ' ');
	char	   *code = space ? pnstrdup(reply->str, space - reply->str) : pstrdup(reply->str);

	for (int i = 0; i < lengthof(known_errors); i++)
		if (strcmp(code, known_errors[i].code) == 0)
			ch_store_error(conn, known_errors[i].sqlstate, code, space ? space + 1 : "", known_errors[i].hint);
	ch_store_error(conn, ERRCODE_FDW_ERROR, code, space ? space + 1 : "", NULL);
}
