/*
 * reserve.c
 *	  Reserving an amount under a limit that is kept in Redis.
 *
 * The limit and what is used of it are fields of a hash.  Reservations of an
 * account are members of one sorted set beside it, "amount:name", by the time at
 * which they expire: so an amount is free again in the moment that its
 * reservation expires, whoever made it and whatever became of him.  Checking and
 * reserving is one function that runs in Redis, alone; Redis 7 keeps it as a
 * function, older ones and those that do not permit that as a script.
 *
 * A reservation that its transaction does not commit is released when the
 * transaction ends.  Nothing may be looked up then, so the connection is held
 * until the end.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "fdw/redis/redis.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ch_risk_reserve);
PG_FUNCTION_INFO_V1(ch_risk_release);
PGDLLEXPORT Datum ch_risk_reserve(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum ch_risk_release(PG_FUNCTION_ARGS);

/* Numbers of Lua are doubles: integers are exact up to here. */
#define MAX_EXACT INT64CONST(9007199254740991)

#define RELEASE_TIMEOUT_MS 1000 /* when a transaction has failed */

/* ---- what runs in Redis ------------------------------------------------------- */

/*
 * keys: the hash, the reservations.  reserve: fields of limit, use and kill
 * switch, amount, name, ms.  release: field of use, reservation, 1 to add its
 * amount to what is used.
 */
#define LUA_BODY \
"local MAX = 9007199254740991\n" \
"local function ms()\n" \
"  local t = redis.call('TIME')\n" \
"  return t[1] * 1000 + math.floor(t[2] / 1000)\n" \
"end\n" \
"local function integer(text, field, key)\n" \
"  local n = string.match(text, '^-?%d+$') and tonumber(text)\n" \
"  if n and math.abs(n) <= MAX then return n end\n" \
"  return nil, redis.error_reply('ERR field ' .. field .. ' of ' .. key .. ' is no integer up to 9007199254740991')\n" \
"end\n" \
"local on = {['true'] = 1, t = 1, yes = 1, y = 1, on = 1, ['1'] = 1}\n" \
"local function reserve(keys, args)\n" \
"  local now = ms()\n" \
"  local row = redis.call('HMGET', keys[1], args[1], args[2], args[3])\n" \
"  if not row[1] then return -1 end\n" \
"  if row[3] and on[string.lower(row[3])] then return -2 end\n" \
"  local limit, wrong = integer(row[1], args[1], keys[1])\n" \
"  if not limit then return wrong end\n" \
"  local sum, wrong = integer(row[2] or '0', args[2], keys[1])\n" \
"  if not sum then return wrong end\n" \
"  redis.call('ZREMRANGEBYSCORE', keys[2], '-inf', now)\n" \
"  for _, member in ipairs(redis.call('ZRANGE', keys[2], 0, -1)) do\n" \
"    sum = sum + tonumber(string.match(member, '^%d+'))\n" \
"  end\n" \
"  if sum + tonumber(args[4]) > limit then return 0 end\n" \
"  redis.call('ZADD', keys[2], string.format('%.0f', now + tonumber(args[6])), args[4] .. ':' .. args[5])\n" \
"  local last = redis.call('ZREVRANGE', keys[2], 0, 0, 'WITHSCORES')\n" \
"  redis.call('PEXPIREAT', keys[2], string.format('%.0f', tonumber(last[2])))\n" \
"  return 1\n" \
"end\n" \
"local function release(keys, args)\n" \
"  local expires = redis.call('ZSCORE', keys[2], args[2])\n" \
"  if not expires then return 0 end\n" \
"  local valid = tonumber(expires) > ms()\n" \
"  if valid and args[3] == '1' then redis.call('HINCRBY', keys[1], args[1], string.match(args[2], '^%d+')) end\n" \
"  redis.call('ZREM', keys[2], args[2])\n" \
"  return valid and 1 or 0\n" \
"end\n"

typedef struct RedisFunction
{
	const char *name;			/* of the function */
	const char *script;
} RedisFunction;

/* The name tells the version of the body: two versions do not replace each other. */
static const char library[] =
"#!lua name=cipherhorizon_risk_2\n" LUA_BODY
"redis.register_function('cipherhorizon_reserve_2', reserve)\n"
"redis.register_function('cipherhorizon_release_2', release)\n";

/* Before Redis 5 a script that asks for the time must say that its effects are replicated. */
#define SCRIPT(call) "if redis.replicate_commands then redis.replicate_commands() end\n" LUA_BODY "return " call "(KEYS, ARGV)\n"

static const RedisFunction reserve_function = {"cipherhorizon_reserve_2", SCRIPT("reserve")};
static const RedisFunction release_function = {"cipherhorizon_release_2", SCRIPT("release")};

/* ---- calling it ------------------------------------------------------------------ */

#define MAX_ARGS 6

typedef struct Call
{
	const RedisFunction *function;
	const char *keys[2];
	int			nargs;
	const char *args[MAX_ARGS];
} Call;

static void
append_call(StringInfo out, const Call *call, bool as_function)
{
	const char *command = as_function ? "FCALL" : "EVAL";
	const char *what = as_function ? call->function->name : call->function->script;

	redis_begin_command(out, 5 + call->nargs);
	redis_append_arg(out, command, strlen(command));
	redis_append_arg(out, what, strlen(what));
	redis_append_arg(out, "2", 1);
	for (int i = 0; i < 2; i++)
		redis_append_arg(out, call->keys[i], strlen(call->keys[i]));
	for (int i = 0; i < call->nargs; i++)
		redis_append_arg(out, call->args[i], strlen(call->args[i]));
}

static RedisReply *
ask(ChConn *conn)
{
	redis_flush(conn, conn->request_timeout);
	return redis_read(conn, CurrentMemoryContext, conn->request_timeout);
}

static RedisReply *
run(ChConn *conn, const Call *call, bool as_function)
{
	RedisConn  *rc = conn->handle;

	append_call(&rc->out, call, as_function);
	rc->unread++;
	return ask(conn);
}

/* Perhaps the library is not there yet; NULL if functions are not to be had. */
static RedisReply *
run_function(ChConn *conn, const Call *call)
{
	RedisConn  *rc = conn->handle;
	RedisReply *reply;

	if (rc->version < 70000)
		return NULL;
	reply = run(conn, call, true);
	if (redis_is_error(reply, "NOPERM"))
		return NULL;
	if (!redis_is_error(reply, "ERR") || strstr(reply->str, "Function not found") == NULL)
		return reply;
	redis_command_text(rc, 3, "FUNCTION", "LOAD", library);
	reply = ask(conn);
	/* someone else may have been faster */
	if (reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "already exists") == NULL)
		return NULL;
	return run(conn, call, true);
}

static int64
call_redis(ChConn *conn, const Call *call)
{
	RedisReply *reply = run_function(conn, call);

	((RedisConn *) conn->handle)->functions = reply != NULL;
	/* EVAL of a script that Redis knows is not compiled again */
	if (reply == NULL)
		reply = run(conn, call, false);
	redis_expect(conn, reply, REDIS_REPLY_INTEGER);
	if (reply->type == REDIS_REPLY_ERROR)
		redis_raise(conn, reply);
	return reply->integer;
}

/* ---- reservations of the transaction ------------------------------------------------- */

typedef struct Reservation
{
	SubTransactionId subid;
	Call		release;
} Reservation;

/* A connection that is kept for releasing them. */
typedef struct Held
{
	ChConn	   *conn;			/* NULL: it broke */
	Oid			serverid;
	Oid			userid;
	List	   *reservations;
} Held;

static List *holds = NIL;		/* Held, in TopTransactionContext */

/* Releases those of a subtransaction, or (InvalidSubTransactionId) all: how many, or -1.  Raises nothing. */
static int
send_releases(Held *held, SubTransactionId subid)
{
	RedisConn  *rc = held->conn->handle;
	StringInfoData out;
	ChFailure	fail = {0};
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&out);
	foreach(lc, held->reservations)
	{
		const Reservation *r = lfirst(lc);

		if (subid != InvalidSubTransactionId && r->subid != subid)
			continue;
		/* a user may have the right to the one only */
		append_call(&out, &r->release, rc->functions);
		held->reservations = foreach_delete_current(held->reservations, lc);
		n++;
	}
	if (n > 0 && !ch_stream_write(rc->stream, out.data, out.len, RELEASE_TIMEOUT_MS, &fail))
		n = -1;
	pfree(out.data);
	return n;
}

/* Each answer is a colon, one digit, and the end of the line; anything else costs the connection. */
static bool
read_releases(const Held *held, int n)
{
	char		answer[4];
	ChFailure	fail = {0};

	for (int i = 0; i < n; i++)
		if (ch_stream_read(((RedisConn *) held->conn->handle)->stream, answer, sizeof(answer), sizeof(answer), RELEASE_TIMEOUT_MS, &fail) < 0 ||
			answer[0] != ':')
			return false;
	return true;
}

/*
 * After an error in the middle of an answer nothing is waited for: what is sent
 * may arrive, and if not, the reservation expires.
 */
static void
release_held(Held *held, SubTransactionId subid)
{
	bool		idle;
	int			n;

	if (held->conn == NULL)
		return;
	idle = redis_is_idle(held->conn->handle);
	n = send_releases(held, subid);
	if (idle && n >= 0 && read_releases(held, n))
		return;
	ch_conn_drop(held->conn);
	held->conn = NULL;
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	ListCell   *lc;

	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			if (holds != NIL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has reserved amounts in Redis")));
			return;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			foreach(lc, holds)
				release_held(lfirst(lc), InvalidSubTransactionId);
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
			break;
		default:
			return;
	}
	foreach(lc, holds)
		if (((Held *) lfirst(lc))->conn)
			ch_conn_release(((Held *) lfirst(lc))->conn);
	holds = NIL;
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	ListCell   *lc,
			   *lc2;

	foreach(lc, holds)
	{
		Held	   *held = lfirst(lc);

		if (event == SUBXACT_EVENT_ABORT_SUB)
			release_held(held, mine);
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			foreach(lc2, held->reservations)
				if (((Reservation *) lfirst(lc2))->subid == mine)
					((Reservation *) lfirst(lc2))->subid = parent;
	}
}

static Held *
hold_connection(Oid serverid)
{
	static bool registered = false;
	MemoryContext old;
	ListCell   *lc;
	Held	   *held = NULL;

	if (!registered)
	{
		RegisterXactCallback(end_of_transaction, NULL);
		RegisterSubXactCallback(end_of_subtransaction, NULL);
		registered = true;
	}
	foreach(lc, holds)
	{
		Held	   *h = lfirst(lc);

		if (h->serverid == serverid && h->userid == GetUserId())
			held = h;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	if (held == NULL)
	{
		held = palloc0(sizeof(Held));
		held->serverid = serverid;
		held->userid = GetUserId();
		holds = lappend(holds, held);
	}
	MemoryContextSwitchTo(old);
	if (held->conn == NULL)
		held->conn = ch_conn_acquire(serverid, GetUserId());
	return held;
}

/* ---- SQL functions ---------------------------------------------------------------------- */

static char *
utf8_arg(FunctionCallInfo fcinfo, int n)
{
	char	   *arg = text_to_cstring(PG_GETARG_TEXT_PP(n));

	return pg_server_to_any(arg, strlen(arg), PG_UTF8);
}

static Oid
redis_server(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			serverid = ch_usable_server(name);

	if (ch_driver_of_server(serverid) != &ch_redis_driver)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is no server of cipherhorizon_redis", name)));
	return serverid;
}

static void
set_keys(Call *call, const char *prefix, int64 account)
{
	call->keys[0] = psprintf("%s" INT64_FORMAT, prefix, account);
	call->keys[1] = psprintf("%s:reserved", call->keys[0]);
}

static int64
amount_arg(FunctionCallInfo fcinfo, int n)
{
	int64		amount = PG_GETARG_INT64(n);

	if (amount <= 0 || amount > MAX_EXACT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("an amount to reserve is from 1 to " INT64_FORMAT, MAX_EXACT)));
	return amount;
}

static int64
ms_arg(FunctionCallInfo fcinfo, int n)
{
	const Interval *iv = PG_GETARG_INTERVAL_P(n);
	double		ms = rint(((double) iv->month * DAYS_PER_MONTH + iv->day) * SECS_PER_DAY * 1000.0 + iv->time / 1000.0);

	if (!(ms >= 1 && ms <= 366.0 * SECS_PER_DAY * 1000))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a reservation lasts from a millisecond to a year")));
	return (int64) ms;
}

static const char *
random_name(void)
{
	unsigned char raw[16];
	char	   *name = palloc(2 * sizeof(raw) + 1);

	if (!pg_strong_random(raw, sizeof(raw)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	for (int i = 0; i < (int) sizeof(raw); i++)
		sprintf(name + 2 * i, "%02x", raw[i]);
	return name;
}

/* What undoes it, before it is made: whatever happens then, it is undone. */
static void
remember(Held *held, const Call *reserve, const char *reservation)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Reservation *r = palloc0(sizeof(Reservation));

	r->subid = GetCurrentSubTransactionId();
	r->release.function = &release_function;
	r->release.keys[0] = pstrdup(reserve->keys[0]);
	r->release.keys[1] = pstrdup(reserve->keys[1]);
	r->release.nargs = 3;
	r->release.args[0] = pstrdup(reserve->args[1]);
	r->release.args[1] = pstrdup(reservation);
	r->release.args[2] = "0";
	held->reservations = lappend(held->reservations, r);
	MemoryContextSwitchTo(old);
}

/* Without a limit there is nothing to reserve of. */
pg_noreturn static void
no_limit(const Call *call, int64 account)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("account " INT64_FORMAT " has no limit in Redis", account),
			 errdetail("Key \"%s\" has no field \"%s\".", call->keys[0], call->args[0])));
}

/* (server, account, amount, ttl, key_prefix, limit_field, used_field, kill_field) */
Datum
ch_risk_reserve(PG_FUNCTION_ARGS)
{
	Oid			serverid = redis_server(fcinfo);
	int64		account = PG_GETARG_INT64(1);
	int64		amount = amount_arg(fcinfo, 2);
	Call		call = {.function = &reserve_function,.nargs = 6};
	Held	   *held;
	char	   *reservation;
	int64		outcome;

	set_keys(&call, utf8_arg(fcinfo, 4), account);
	for (int i = 0; i < 3; i++)
		call.args[i] = utf8_arg(fcinfo, 5 + i);
	call.args[3] = psprintf(INT64_FORMAT, amount);
	call.args[4] = random_name();
	call.args[5] = psprintf(INT64_FORMAT, ms_arg(fcinfo, 3));
	reservation = psprintf("%s:%s", call.args[3], call.args[4]);
	held = hold_connection(serverid);
	remember(held, &call, reservation);
	outcome = call_redis(held->conn, &call);
	if (outcome == 1)
		PG_RETURN_TEXT_P(cstring_to_text(reservation));
	held->reservations = list_delete_last(held->reservations);
	if (outcome == -1)
		no_limit(&call, account);
	PG_RETURN_NULL();
}

/* (server, account, reservation, spend, key_prefix, used_field) */
Datum
ch_risk_release(PG_FUNCTION_ARGS)
{
	Oid			serverid = redis_server(fcinfo);
	Call		call = {.function = &release_function,.nargs = 3};
	ChConn	   *conn;
	int64		outcome;

	set_keys(&call, utf8_arg(fcinfo, 4), PG_GETARG_INT64(1));
	call.args[0] = utf8_arg(fcinfo, 5);
	call.args[1] = utf8_arg(fcinfo, 2);
	call.args[2] = PG_GETARG_BOOL(3) ? "1" : "0";
	conn = ch_conn_acquire(serverid, GetUserId());
	PG_TRY();
	{
		outcome = call_redis(conn, &call);
	}
	PG_CATCH();
	{
		ch_conn_drop(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ch_conn_release(conn);
	PG_RETURN_BOOL(outcome == 1);
}
