/*
 * stats.c
 *	  How many rows does a table have, by what Redis counts itself?
 *
 * One key's length is known exactly.  Keys with a prefix are not counted: their
 * share is that of the first keys that SCAN returns, whose order is random.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/redis/redis.h"

#define SCANNED "1000"

static RedisReply *
ask(ChConn *conn, int type)
{
	RedisReply *reply;

	redis_flush(conn, conn->request_timeout);
	reply = redis_read(conn, CurrentMemoryContext, conn->request_timeout);
	if (reply->type == REDIS_REPLY_ERROR)
		redis_raise(conn, reply);
	redis_expect(conn, reply, type);
	return reply;
}

/* The length of one key. */
static double
count_key(ChConn *conn, const RedisTable *t, RedisBytes key)
{
	static const char *const commands[] = {
		[REDIS_HASH] = "EXISTS",[REDIS_STRING] = "EXISTS",[REDIS_LIST] = "LLEN",
		[REDIS_SET] = "SCARD",[REDIS_ZSET] = "ZCARD",[REDIS_STREAM] = "XLEN"
	};
	const char *command = t->mode == REDIS_BY_SET ? "SCARD" : commands[t->type];
	const char *argv[] = {command, key.data};
	size_t		lens[] = {strlen(command), key.len};

	redis_command(conn->handle, 2, argv, lens);
	return (double) ask(conn, REDIS_REPLY_INTEGER)->integer;
}

static bool
has_prefix(const RedisTable *t, const RedisReply *key)
{
	return key->len >= t->prefix.len && memcmp(key->str, t->prefix.data, t->prefix.len) == 0;
}

static double
count_prefix(ChConn *conn, const RedisTable *t)
{
	RedisConn  *rc = conn->handle;
	RedisReply *page;
	RedisReply *keys;
	double		all;
	int			with_prefix = 0;

	redis_command_text(rc, 1, "DBSIZE");
	all = (double) ask(conn, REDIS_REPLY_INTEGER)->integer;
	redis_command_text(rc, 4, "SCAN", "0", "COUNT", SCANNED);
	page = ask(conn, REDIS_REPLY_ARRAY);
	redis_expect_page(conn, page, 1);
	keys = page->items[1];
	for (size_t i = 0; i < keys->n; i++)
		with_prefix += has_prefix(t, keys->items[i]);
	if (all <= keys->n)
		return with_prefix;
	if (keys->n == 0)
		return -1;
	/* none of those seen is not none of all */
	return rint(with_prefix > 0 ? all * with_prefix / keys->n : all / (keys->n + 1));
}

double
redis_count_rows(ChConn *conn, const ChTable *table)
{
	const RedisTable *t = redis_table(table);

	if (t->mode == REDIS_BY_KEY)
		return count_key(conn, t, t->key);
	/* how long each collection is would have to be asked of each */
	if (t->type != REDIS_HASH && t->type != REDIS_STRING)
		return -1;
	return t->mode == REDIS_BY_SET ? count_key(conn, t, t->key) : count_prefix(conn, t);
}
