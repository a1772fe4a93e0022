/*
 * connection.c
 *	  The session's connections: opening, finding again, giving up.
 *
 * A connection belongs to a user mapping, as in postgres_fdw, but not to a
 * transaction: the stores have none that would span two reads.  It is handed
 * to one scan at a time.  The scan's memory context has a callback that calls
 * ch_scan_abandon, so a scan that an error (of the whole transaction or of a
 * subtransaction) swept away never leaves a connection in the middle of an
 * answer: it is dropped, and the next query opens another.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/pg_user_mapping.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "fdw/core/pool.h"

static dlist_head connections = DLIST_STATIC_INIT(connections);

dlist_head *
ch_connections(void)
{
	return &connections;
}

/* ---- what is known before connecting ----------------------------------- */

/*
 * The user mapping of the role, or PUBLIC's; InvalidOid if none.  *options is
 * copied into the current memory context.
 */
static Oid
find_mapping(Oid serverid, Oid userid, List **options)
{
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(serverid));
	Oid			umid;
	Datum		value;
	bool		isnull;

	*options = NIL;
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	umid = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	value = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		*options = untransformRelOptions(value);
	ReleaseSysCache(tuple);
	return umid;
}

/*
 * As in postgres_fdw: someone who is no superuser may only reach what a secret
 * of their own opens, so that the server's trusted place in the network is not
 * lent to them.
 */
static void
check_secret_given(const ChConn *conn)
{
	static const char *const names[] = {"password", "password_file", "token", "token_file"};

	if (superuser_arg(conn->userid) || !ch_opt_bool(conn->driver, conn->user_options, "password_required"))
		return;
	for (int i = 0; i < lengthof(names); i++)
		if (ch_opt_given(conn->user_options, names[i]))
			return;
	ereport(ERROR,
			(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
			 errmsg("password or token is required"),
			 errdetail("Role \"%s\" is no superuser, and its user mapping for server \"%s\" has no secret.",
					   GetUserNameFromId(conn->userid, false), conn->server_name),
			 errhint("Add a password or token to the user mapping, or have a superuser set password_required to false.")));
}

static int
timeout_of(const ChConn *conn, const char *option, int guc)
{
	return ch_opt_given(conn->server_options, option)
		? ch_opt_duration(conn->driver, conn->server_options, option) : guc;
}

ChConn *
ch_conn_describe(Oid serverid, Oid userid)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "CipherHorizon connection", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ForeignServer *server = GetForeignServer(serverid);
	ChConn	   *conn = palloc0(sizeof(ChConn));

	conn->cxt = cxt;
	conn->driver = ch_driver_of_server(serverid);
	conn->serverid = serverid;
	conn->userid = userid;
	conn->server_name = server->servername;
	conn->server_options = server->options;
	conn->umid = find_mapping(serverid, userid, &conn->user_options);
	conn->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid));
	conn->mapping_hash = GetSysCacheHashValue1(USERMAPPINGOID, ObjectIdGetDatum(conn->umid));
	conn->connect_timeout = timeout_of(conn, "connect_timeout", ch_connect_timeout);
	conn->request_timeout = timeout_of(conn, "request_timeout", ch_request_timeout);
	conn->keep = ch_opt_bool(conn->driver, conn->server_options, "keep_connections");
	MemoryContextSwitchTo(old);
	if (!OidIsValid(conn->umid) && !superuser_arg(userid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("user mapping not found for role \"%s\" and server \"%s\"",
						GetUserNameFromId(userid, false), conn->server_name),
				 errhint("Make one with CREATE USER MAPPING FOR %s SERVER %s OPTIONS (...).",
						 quote_identifier(GetUserNameFromId(userid, false)), quote_identifier(conn->server_name))));
	return conn;
}

void
ch_conn_endpoint(const ChConn *conn, ChEndpoint *ep)
{
	const ChDriver *d = conn->driver;
	List	   *o = conn->server_options;

	memset(ep, 0, sizeof(*ep));
	ep->host = ch_opt_string(d, o, "host");
	ep->port = ch_opt_given(o, "port") ? ch_opt_int(d, o, "port") : d->default_port;
	ep->socket = ch_opt_string(d, o, "socket");
	ep->tls = ch_opt_bool(d, o, "tls");
	ep->tls_verify = ch_opt_bool(d, o, "tls_verify");
	ep->tls_ca = ch_opt_string(d, o, "tls_ca");
	ep->tls_cert = ch_opt_string(d, o, "tls_cert");
	ep->tls_key = ch_opt_string(d, o, "tls_key");
}

void
ch_conn_get_endpoint(const ChConn *conn, ChEndpoint *ep)
{
	if (conn->driver->endpoint)
		conn->driver->endpoint(conn, ep);
	else
		ch_conn_endpoint(conn, ep);
}

/* ---- opening and closing --------------------------------------------------- */

/*
 * A secret in a file becomes an option like one in the mapping: it is read once
 * for each connection, and ch_redact knows it.
 */
static void
load_secrets(ChConn *conn)
{
	static const char *const names[] = {"password", "token"};
	MemoryContext old = MemoryContextSwitchTo(conn->cxt);

	for (int i = 0; i < lengthof(names); i++)
		if (ch_opt_given(conn->user_options, psprintf("%s_file", names[i])))
			conn->user_options = lappend(conn->user_options,
										 ch_option(names[i], ch_opt_secret(conn->driver, conn->user_options, names[i])));
	MemoryContextSwitchTo(old);
}

/* Connect and log in; on an error nothing of the connection is left. */
void
ch_conn_open(ChConn *conn)
{
	check_secret_given(conn);
	load_secrets(conn);
	PG_TRY();
	{
		MemoryContext old = MemoryContextSwitchTo(conn->cxt);

		conn->driver->connect(conn);
		conn->ready = true;
		MemoryContextSwitchTo(old);
	}
	PG_CATCH();
	{
		conn->driver->disconnect(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
close_connection(ChConn *conn)
{
	dlist_delete(&conn->node);
	if (conn->gone)
		conn->gone(conn);
	conn->driver->disconnect(conn);
	MemoryContextDelete(conn->cxt);
}

void
ch_conn_drop(ChConn *conn)
{
	if (conn->owner)
	{
		conn->owner->conn = NULL;
		conn->owner = NULL;
	}
	close_connection(conn);
}

void
ch_conn_release(ChConn *conn)
{
	conn->in_use = false;
	conn->owner = NULL;
	if (conn->stale && !conn->remote)
		close_connection(conn);
}

/* A server or mapping changed: hash value 0 means any of them. */
static void
invalidate(Datum arg, int cacheid, uint32 hashvalue)
{
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);
		uint32		hash = cacheid == FOREIGNSERVEROID ? conn->server_hash : conn->mapping_hash;

		if (hashvalue == 0 || hash == hashvalue)
			conn->stale = true;
	}
}

/* Connections that shall not be kept end with the transaction that used them. */
static void
end_of_transaction(XactEvent event, void *arg)
{
	dlist_mutable_iter iter;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	dlist_foreach_modify(iter, &connections)
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);

		if (!conn->in_use && !conn->remote && (conn->stale || !conn->keep))
			close_connection(conn);
	}
}

static void
register_callbacks(void)
{
	static bool done = false;

	if (done)
		return;
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
	done = true;
}

/* The settings may have changed since; drivers keep what they got. */
static bool
has_current_timeouts(const ChConn *conn)
{
	return conn->connect_timeout == timeout_of(conn, "connect_timeout", ch_connect_timeout) &&
		conn->request_timeout == timeout_of(conn, "request_timeout", ch_request_timeout);
}

/* An idle connection of this mapping that still works, or NULL. */
static ChConn *
find_idle(Oid serverid, Oid userid, Oid umid)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &connections)
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);

		if (conn->in_use || conn->remote || conn->serverid != serverid || conn->umid != umid || conn->userid != userid)
			continue;
		if (!conn->stale && has_current_timeouts(conn) && conn->driver->alive(conn))
			return conn;
		close_connection(conn);
	}
	return NULL;
}

ChConn *
ch_conn_acquire(Oid serverid, Oid userid)
{
	ChConn	   *conn;
	List	   *unused;

	register_callbacks();
	conn = ch_remote_transaction(serverid, userid);
	if (conn && conn->owner)
	{
		ch_park_scan(conn->owner);
		conn = ch_remote_transaction(serverid, userid);
	}
	if (conn)
	{
		/* what this transaction has written is seen only there */
		if (conn->in_use)
			elog(ERROR, "the connection of a transaction of store \"%s\" is in use", conn->server_name);
		conn->in_use = true;
		return conn;
	}
	conn = find_idle(serverid, userid, find_mapping(serverid, userid, &unused));
	if (conn == NULL)
	{
		conn = ch_conn_describe(serverid, userid);
		ch_conn_open(conn);
		MemoryContextSetParent(conn->cxt, CacheMemoryContext);
		dlist_push_head(&connections, &conn->node);
	}
	conn->in_use = true;
	return conn;
}

int
ch_conn_close_idle(Oid serverid)
{
	dlist_mutable_iter iter;
	int			closed = 0;

	dlist_foreach_modify(iter, &connections)
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);

		if (OidIsValid(serverid) && conn->serverid != serverid)
			continue;
		if (conn->in_use || conn->remote)
		{
			conn->stale = true;
			continue;
		}
		close_connection(conn);
		closed++;
	}
	return closed;
}

/* ---- errors -------------------------------------------------------------------- */

/*
 * A store's words in the encoding of this database; what is no UTF-8 (a proxy's
 * page, a character cut in the middle) loses the bytes that are not ASCII.
 */
static char *
readable(const char *text)
{
	int			len = strlen(text);
	char	   *copy;

	if (pg_encoding_verifymbstr(PG_UTF8, text, len) == len)
		return pstrdup(pg_any_to_server(text, len, PG_UTF8));
	copy = pstrdup(text);
	for (char *c = copy; *c; c++)
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	return copy;
}

char *
ch_redact(const ChConn *conn, const char *text)
{
	char	   *result = readable(text);
	ListCell   *lc;

	if (conn == NULL)
		return result;
	foreach(lc, conn->user_options)
	{
		DefElem    *def = lfirst(lc);
		const char *secret = strVal(def->arg);
		size_t		len = strlen(secret);
		bool		is_secret = strcmp(def->defname, "password") == 0 || strcmp(def->defname, "token") == 0;
		char	   *from = result;
		char	   *at;
		StringInfoData buf;

		if (!is_secret || len < 3)
			continue;
		initStringInfo(&buf);
		while ((at = strstr(from, secret)) != NULL)
		{
			appendBinaryStringInfo(&buf, from, at - from);
			appendStringInfoString(&buf, "***");
			from = at + len;
		}
		appendStringInfoString(&buf, from);
		result = buf.data;
	}
	return result;
}

void
ch_failure_raise(const ChConn *conn, const ChFailure *fail)
{
	char	   *detail = ch_redact(conn, fail->message);

	if (fail->kind == CH_FAIL_INTERRUPTED)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ch_waits_ended())
			ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("canceling statement due to user request")));
	}
	if (fail->kind == CH_FAIL_AUTH)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not connect to store \"%s\"", conn->server_name),
				 errdetail("%s", detail),
				 errhint("See SELECT * FROM cipherhorizon.check_store(%s); change the login with ALTER USER MAPPING FOR %s SERVER %s.",
						 quote_literal_cstr(conn->server_name),
						 quote_identifier(GetUserNameFromId(conn->userid, false)),
						 quote_identifier(conn->server_name))));
	if (!conn->ready)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not connect to store \"%s\"", conn->server_name),
				 errdetail("%s", detail),
				 errhint("See SELECT * FROM cipherhorizon.check_store(%s).", quote_literal_cstr(conn->server_name))));
	if (fail->kind == CH_FAIL_TIMEOUT)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("store \"%s\" did not answer", conn->server_name),
				 errdetail("%s", detail),
				 errhint("Raise cipherhorizon.request_timeout or the server's option request_timeout if the store needs longer.")));
	if (fail->kind == CH_FAIL_PROTOCOL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("store \"%s\" sent an answer that %s does not send", conn->server_name, conn->driver->product),
				 errdetail("%s", detail),
				 errhint("Check that host and port are those of %s.", conn->driver->product)));
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("connection to store \"%s\" was lost", conn->server_name),
			 errdetail("%s", detail),
			 errhint("Run the statement again: the next one connects anew.")));
}

void
ch_store_error(const ChConn *conn, int sqlstate, const char *code, const char *message, const char *hint)
{
	char	   *words = ch_redact(conn, message ? message : "");

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s refused the request of server \"%s\"", conn->driver->product, conn->server_name),
			 code ? errdetail("%s: %s", code, words) : errdetail("%s", words),
			 hint ? errhint("%s", hint) : 0));
}
