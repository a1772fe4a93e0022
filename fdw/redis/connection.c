/*
 * connection.c
 *	  Connecting and logging in, and whether a connection is still good.
 *
 * The login is one round trip: AUTH, SELECT, CLIENT SETNAME and INFO are sent
 * together.  The last two may be forbidden by an ACL, which does not matter;
 * without the version only what every Redis knows is used.
 */
#include "postgres.h"

#include "fdw/redis/redis.h"
#include "utils/memutils.h"

/* ---- login ---------------------------------------------------------------- */

typedef enum LoginStep
{
	LOGIN_AUTH,
	LOGIN_SELECT,
	LOGIN_NAME,
	LOGIN_INFO
} LoginStep;

static int
send_login(ChConn *conn, LoginStep *steps)
{
	RedisConn  *rc = conn->handle;
	const char *user = ch_conn_user_opt(conn, "user");
	const char *password = ch_conn_secret(conn, "password");
	int			database = ch_opt_int(conn->driver, conn->server_options, "database");
	int			n = 0;

	if (password && user)
		redis_command_text(rc, 3, "AUTH", user, password);
	else if (password)
		redis_command_text(rc, 2, "AUTH", password);
	if (password)
		steps[n++] = LOGIN_AUTH;
	if (database != 0)
	{
		redis_command_text(rc, 2, "SELECT", psprintf("%d", database));
		steps[n++] = LOGIN_SELECT;
	}
	redis_command_text(rc, 3, "CLIENT", "SETNAME", "cipherhorizon");
	steps[n++] = LOGIN_NAME;
	redis_command_text(rc, 2, "INFO", "server");
	steps[n++] = LOGIN_INFO;
	redis_flush(conn, conn->connect_timeout);
	return n;
}

pg_noreturn static void
login_failed(ChConn *conn, ChFailKind kind, const char *text)
{
	ChFailure	fail;
	ChEndpoint	ep;

	ch_conn_endpoint(conn, &ep);
	if (ep.socket)
		ch_fail(&fail, kind, "%s: %s", ep.socket, text);
	else
		ch_fail(&fail, kind, "%s:%d: %s", ep.host, ep.port, text);
	ch_failure_raise(conn, &fail);
}

/*
 * What a message may show of the answer to AUTH.  A server that does not know
 * the command repeats its arguments, which are the password, and cuts them, so
 * that it could not be found to be hidden.  So only texts are shown that are
 * known to repeat nothing, and the first word of others.
 */
static const char *
auth_error(const char *text)
{
	static const char *const harmless[] = {
		"WRONGPASS ", "NOPERM ", "NOAUTH ",
		"ERR invalid password",
		"ERR Client sent AUTH, but no password is set",
		"ERR AUTH <password> called without any password configured",
		"ERR wrong number of arguments for 'auth' command",
	};
	size_t		word = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	for (int i = 0; i < lengthof(harmless); i++)
		if (strncmp(text, harmless[i], strlen(harmless[i])) == 0)
			return text;
	if (word > 0 && word <= 16 && text[word] == ' ')
		return psprintf("%s in answer to AUTH", pnstrdup(text, word));
	return "an error that is not shown, for it may hold the password";
}

static void
check_login(ChConn *conn, LoginStep step, const RedisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return;
	if (step == LOGIN_AUTH)
		login_failed(conn, CH_FAIL_AUTH, auth_error(reply->str));
	if (redis_is_error(reply, "NOAUTH"))
		login_failed(conn, CH_FAIL_AUTH, reply->str);
	if (step == LOGIN_SELECT || redis_is_error(reply, "LOADING") || redis_is_error(reply, "MASTERDOWN"))
		login_failed(conn, CH_FAIL_CONNECT, reply->str);
}

/* The value of a line "name:value" of INFO in buf; false if it is not there. */
static bool
info_line(const RedisReply *info, const char *name, char *buf, size_t size)
{
	const char *at = strstr(info->str, name);
	size_t		len;

	if (at == NULL)
		return false;
	at += strlen(name);
	len = strcspn(at, "\r\n");
	strlcpy(buf, at, Min(size, len + 1));
	return true;
}

static void
read_info(ChConn *conn, const RedisReply *info)
{
	RedisConn  *rc = conn->handle;
	char		mode[16];
	int			major = 0,
				minor = 0,
				patch = 0;

	if (info->type != REDIS_REPLY_STRING)
		return;
	if (info_line(info, "redis_version:", rc->version_text, sizeof(rc->version_text)) &&
		sscanf(rc->version_text, "%d.%d.%d", &major, &minor, &patch) >= 2)
		rc->version = major * 10000 + minor * 100 + patch;

	/* a node of a cluster has some of the keys: an answer would lack the rest */
	if (info_line(info, "redis_mode:", mode, sizeof(mode)) && strcmp(mode, "cluster") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not connect to store \"%s\"", conn->server_name),
				 errdetail("The server is a node of a Redis Cluster and holds some of its keys only."),
				 errhint("Redis Cluster is not supported: set host and port to a server that holds all keys.")));
}

void
redis_connect(ChConn *conn)
{
	RedisConn  *rc = palloc0(sizeof(RedisConn));
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "Redis login", ALLOCSET_SMALL_SIZES);
	ChEndpoint	ep;
	ChFailure	fail = {0};
	LoginStep	steps[4];
	int			n;

	conn->handle = rc;
	initStringInfo(&rc->out);
	ch_conn_endpoint(conn, &ep);
	rc->stream = ch_stream_open(&ep, conn->connect_timeout, &fail);
	if (rc->stream == NULL)
		ch_failure_raise(conn, &fail);
	if (!redis_reader_create(rc))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	n = send_login(conn, steps);
	for (int i = 0; i < n; i++)
	{
		RedisReply *reply = redis_read(conn, cxt, conn->connect_timeout);

		check_login(conn, steps[i], reply);
		if (steps[i] == LOGIN_INFO)
			read_info(conn, reply);
	}
	MemoryContextDelete(cxt);
}

void
redis_disconnect(ChConn *conn)
{
	RedisConn  *rc = conn->handle;

	if (rc == NULL)
		return;
	conn->handle = NULL;
	if (rc->reader)
		redisReaderFree(rc->reader);
	ch_stream_close(rc->stream);
}

bool
redis_alive(ChConn *conn)
{
	RedisConn  *rc = conn->handle;

	return rc && rc->stream && rc->reader && redis_is_idle(rc) && ch_stream_alive(rc->stream);
}

/* ---- check_store ------------------------------------------------------------ */

static RedisReply *
ask(ChConn *conn)
{
	RedisReply *reply;

	redis_flush(conn, conn->request_timeout);
	reply = redis_read(conn, CurrentMemoryContext, conn->request_timeout);
	if (reply->type == REDIS_REPLY_ERROR)
		redis_raise(conn, reply);
	return reply;
}

static void
probe_sample(ChConn *conn, StringInfo detail)
{
	RedisConn  *rc = conn->handle;
	RedisReply *key;
	RedisReply *type;
	const char *argv[] = {"TYPE", NULL};
	size_t		lens[] = {4, 0};

	redis_command_text(rc, 1, "RANDOMKEY");
	key = ask(conn);
	if (key->type != REDIS_REPLY_STRING)
	{
		appendStringInfoString(detail, "the database has no keys");
		return;
	}
	argv[1] = key->str;
	lens[1] = key->len;
	redis_command(rc, 2, argv, lens);
	type = ask(conn);
	redis_expect(conn, type, REDIS_REPLY_STATUS);
	appendStringInfo(detail, "key \"%s\" is a %s", redis_printable(key->str, key->len), type->str);
}

void
redis_probe(ChConn *conn, ChProbe step, StringInfo detail)
{
	RedisConn  *rc = conn->handle;

	switch (step)
	{
		case CH_PROBE_VERSION:
			appendStringInfo(detail, "Redis %s", rc->version ? rc->version_text : "of unknown version: INFO is not permitted");
			break;
		case CH_PROBE_PERMISSION:
			redis_command_text(rc, 4, "SCAN", "0", "COUNT", "1");
			(void) ask(conn);
			appendStringInfo(detail, "may read keys of database %d",
							 ch_opt_int(conn->driver, conn->server_options, "database"));
			break;
		case CH_PROBE_SAMPLE:
			probe_sample(conn, detail);
			break;
	}
}
