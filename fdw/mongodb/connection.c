/*
 * connection.c
 *	  A session with a MongoDB deployment: making it, and what its errors mean.
 *
 * The client is libmongoc's for one thread.  It never retries by itself and
 * never starts a thread; after any failure of the network core drops it, so
 * its pause before a second look at the servers, which no signal would
 * shorten in older versions, is never reached.
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

#include "utils/memutils.h"

/* Codes of the server's errors that mean something to us. */
#define MONGO_AUTHENTICATION_FAILED	18
#define MONGO_CURSOR_NOT_FOUND		43
#define MONGO_MAX_TIME_EXPIRED		50
#define MONGO_INTERRUPTED_AT_SHUTDOWN 11600

/* libmongoc must not write to the server's stderr. */
static void
discard_log(mongoc_log_level_t level, const char *domain, const char *message, void *arg)
{
}

void
mongo_library_init(void)
{
	static bool done = false;

	if (done)
		return;
	mongoc_log_set_handler(discard_log, NULL);
	mongoc_init();
	(void) mongoc_handshake_data_append("CipherHorizon", NULL, "PostgreSQL/" PG_VERSION);
	done = true;
}

/* ---- connecting ------------------------------------------------------------ */

static void
set_login(MongoConn *mc)
{
	ChConn	   *conn = mc->conn;
	const char *user = ch_conn_user_opt(conn, "user");
	const char *password = ch_conn_secret(conn, "password");
	const char *source = ch_conn_server_opt(conn, "auth_source");
	const char *mechanism = ch_conn_user_opt(conn, "auth_mechanism");

	if (user)
		mongoc_uri_set_username(mc->uri, user);
	if (password)
		mongoc_uri_set_password(mc->uri, password);
	if (mechanism)
		mongoc_uri_set_auth_mechanism(mc->uri, mechanism);
	/* not the database in the path: a table's database says nothing of users */
	if (source == NULL && user && (mechanism == NULL || strncmp(mechanism, "SCRAM", 5) == 0) &&
		!mongoc_uri_has_option(mc->uri, MONGOC_URI_AUTHSOURCE))
		source = "admin";
	if (source)
		mongoc_uri_set_auth_source(mc->uri, source);
}

static void
set_timeouts(MongoConn *mc)
{
	ChConn	   *conn = mc->conn;

	mongoc_uri_set_option_as_int32(mc->uri, MONGOC_URI_CONNECTTIMEOUTMS, conn->connect_timeout);
	mongoc_uri_set_option_as_int32(mc->uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, conn->connect_timeout);
	mongoc_uri_set_option_as_bool(mc->uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	mongoc_uri_set_option_as_int32(mc->uri, MONGOC_URI_SOCKETTIMEOUTMS, conn->request_timeout);
	/*
	 * Core looks whether an idle connection is open, and drops one that failed:
	 * no look at the servers again, for which a scan would wait before it sends,
	 * and in which libmongoc (1.23) locks itself up if a server is gone.
	 */
	mongoc_uri_set_option_as_int32(mc->uri, MONGOC_URI_SOCKETCHECKINTERVALMS, 2000000);
	mongoc_uri_set_option_as_int32(mc->uri, MONGOC_URI_HEARTBEATFREQUENCYMS, INT32_MAX);
	mongoc_uri_set_option_as_bool(mc->uri, MONGOC_URI_RETRYREADS, false);
	mongoc_uri_set_option_as_bool(mc->uri, MONGOC_URI_RETRYWRITES, false);
	/* TLS is below our streams */
	mongoc_uri_set_option_as_bool(mc->uri, MONGOC_URI_TLS, false);
}

static mongoc_read_mode_t
read_mode(const char *name)
{
	if (strcmp(name, "primary") == 0)
		return MONGOC_READ_PRIMARY;
	if (strcmp(name, "primaryPreferred") == 0)
		return MONGOC_READ_PRIMARY_PREFERRED;
	if (strcmp(name, "secondary") == 0)
		return MONGOC_READ_SECONDARY;
	return strcmp(name, "nearest") == 0 ? MONGOC_READ_NEAREST : MONGOC_READ_SECONDARY_PREFERRED;
}

static void
set_reading(MongoConn *mc)
{
	const char *preference = ch_conn_server_opt(mc->conn, "read_preference");
	const char *concern = ch_conn_server_opt(mc->conn, "read_concern");

	if (preference)
	{
		mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(read_mode(preference));

		mongoc_client_set_read_prefs(mc->client, prefs);
		mongoc_read_prefs_destroy(prefs);
	}
	if (concern)
	{
		mongoc_read_concern_t *rc = mongoc_read_concern_new();

		mongoc_read_concern_set_level(rc, concern);
		mongoc_client_set_read_concern(mc->client, rc);
		mongoc_read_concern_destroy(rc);
	}
}

/* Any command makes libmongoc find a server and log in. */
static void
ping(MongoConn *mc)
{
	bson_t		command = BSON_INITIALIZER;
	bson_t		reply;
	bson_error_t error;
	bool		ok;

	bson_append_int32(&command, "ping", -1, 1);
	mongo_begin(mc);
	ok = mongoc_client_read_command_with_opts(mc->client, "admin", &command, NULL, NULL, &reply, &error);
	bson_destroy(&command);
	bson_destroy(&reply);
	if (!ok)
		mongo_raise(mc, &error, NULL);
}

/* Does some server that was heard of speak the protocol of before MongoDB 5.0? */
static bool
is_before_5(const MongoConn *mc)
{
	size_t		n;
	mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(mc->client, &n);
	bool		found = false;
	bson_iter_t it;

	for (size_t i = 0; i < n; i++)
		if (bson_iter_init_find(&it, mongoc_server_description_hello_response(servers[i]), "maxWireVersion") &&
			bson_iter_as_int64(&it) < 13)
			found = true;
	mongoc_server_descriptions_destroy_all(servers, n);
	return found;
}

void
mongo_connect(ChConn *conn)
{
	MongoConn  *mc = MemoryContextAllocZero(conn->cxt, sizeof(MongoConn));

	mc->conn = conn;
	conn->handle = mc;
	mc->uri = mongo_make_uri(conn->server_options);
	ch_conn_endpoint(conn, &mc->endpoint);
	if (mongoc_uri_get_tls(mc->uri))
		mc->endpoint.tls = true;
	set_login(mc);
	set_timeouts(mc);
	mc->client = mongoc_client_new_from_uri(mc->uri);
	if (mc->client == NULL)
	{
		ChFailure	fail;

		ch_fail(&fail, CH_FAIL_CONNECT, "libmongoc takes no such combination of options");
		ch_failure_raise(conn, &fail);
	}
	mongoc_client_set_error_api(mc->client, MONGOC_ERROR_API_VERSION_2);
	if (mongoc_uri_get_appname(mc->uri) == NULL)
		mongoc_client_set_appname(mc->client, "cipherhorizon");
	set_reading(mc);
	mongo_use_streams(mc);
	ping(mc);
	mc->before_5 = is_before_5(mc);
}

/*
 * Nothing is said to the store: it forgets the session by itself.  libmongoc
 * would look for a server to say it to; a client that was reset does not.
 */
void
mongo_disconnect(ChConn *conn)
{
	MongoConn  *mc = conn->handle;

	if (mc == NULL)
		return;
	mc->dead = true;
	if (mc->client)
	{
		mongoc_client_reset(mc->client);
		mongoc_client_destroy(mc->client);
	}
	if (mc->uri)
		mongoc_uri_destroy(mc->uri);
	bson_free(mc->out);
	bson_free(mc->in);
	conn->handle = NULL;
}

bool
mongo_alive(ChConn *conn)
{
	return mongo_streams_alive(conn->handle);
}

/* The first host stands for all of them in check_store's first steps. */
void
mongo_endpoint(const ChConn *conn, ChEndpoint *ep)
{
	mongoc_uri_t *uri = mongo_make_uri(conn->server_options);
	const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);

	ch_conn_endpoint(conn, ep);
	if (mongoc_uri_get_tls(uri))
		ep->tls = true;
	if (host)
	{
		ep->host = MemoryContextStrdup(conn->cxt, host->host);
		ep->port = host->port;
	}
	mongoc_uri_destroy(uri);
}

/* ---- errors -------------------------------------------------------------------- */

void
mongo_begin(MongoConn *mc)
{
	mc->fail.kind = CH_FAIL_NONE;
}

static bool
is_login_error(const bson_error_t *error)
{
	return error->domain == MONGOC_ERROR_SCRAM || error->domain == MONGOC_ERROR_SASL ||
		(error->domain == MONGOC_ERROR_CLIENT && error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE) ||
		error->code == MONGO_AUTHENTICATION_FAILED;
}

static void
raise_login_error(MongoConn *mc, const bson_error_t *error)
{
	const char *user = ch_conn_user_opt(mc->conn, "user");
	const mongoc_host_list_t *host = mongoc_uri_get_hosts(mc->uri);
	ChFailure	fail;

	ch_fail(&fail, CH_FAIL_AUTH, "%s: login of user \"%s\" with auth_source \"%s\" failed: %s",
			host ? host->host_and_port : "MongoDB", user ? user : "", mongoc_uri_get_auth_source(mc->uri),
			error->message);
	ch_failure_raise(mc->conn, &fail);
}

/* The server's name of an error code, in the current memory context. */
static const char *
code_name(const bson_t *reply, const bson_error_t *error)
{
	bson_iter_t it;

	if (reply && bson_iter_init_find(&it, reply, "codeName") && BSON_ITER_HOLDS_UTF8(&it))
		return pstrdup(bson_iter_utf8(&it, NULL));
	return psprintf("code %u", error->code);
}

static void
raise_server_error(MongoConn *mc, const bson_error_t *error, const bson_t *reply)
{
	const char *hint = NULL;
	ChFailure	fail;

	switch (error->code)
	{
		case MONGO_MAX_TIME_EXPIRED:
			ch_fail(&fail, CH_FAIL_TIMEOUT, "%s", error->message);
			ch_failure_raise(mc->conn, &fail);
		case MONGO_UNAUTHORIZED:
			hint = "Grant the user of the mapping the role read on the database.";
			break;
		case MONGO_CURSOR_NOT_FOUND:
		case MONGO_INTERRUPTED_AT_SHUTDOWN:
			hint = "The store was restarted, or the cursor was idle for too long: run the statement again.";
			break;
		default:
			break;
	}
	ch_store_error(mc->conn, ERRCODE_FDW_ERROR, code_name(reply, error), error->message, hint);
}

void
mongo_raise(MongoConn *mc, const bson_error_t *error, const bson_t *reply)
{
	ChFailure	fail;

	if (mc->fail.kind != CH_FAIL_NONE)
		ch_failure_raise(mc->conn, &mc->fail);
	if (is_login_error(error))
		raise_login_error(mc, error);
	if (error->domain == MONGOC_ERROR_SERVER_SELECTION)
		ch_fail(&fail, CH_FAIL_CONNECT, "%s", error->message);
	else if (error->domain == MONGOC_ERROR_STREAM)
		ch_fail(&fail, CH_FAIL_IO, "%s", error->message);
	else if (error->domain == MONGOC_ERROR_PROTOCOL)
		ch_fail(&fail, CH_FAIL_PROTOCOL, "%s", error->message);
	else
		raise_server_error(mc, error, reply);
	ch_failure_raise(mc->conn, &fail);
}

/* ---- commands ---------------------------------------------------------------------- */

/* With the reply freed, however fn ends. */
static void
with_reply(bson_t *reply, void (*fn) (const bson_t *reply, void *arg), void *arg)
{
	PG_TRY();
	{
		fn(reply, arg);
	}
	PG_CATCH();
	{
		bson_destroy(reply);
		PG_RE_THROW();
	}
	PG_END_TRY();
	bson_destroy(reply);
}

typedef struct CommandError
{
	MongoConn  *mc;
	bson_error_t error;
} CommandError;

static void
raise_command_error(const bson_t *reply, void *arg)
{
	CommandError *e = arg;

	mongo_raise(e->mc, &e->error, reply);
}

/* prefs NULL: as the server's option read_preference says. */
static void
run_command(ChConn *conn, const char *database, const bson_t *command, const mongoc_read_prefs_t *prefs,
			void (*fn) (const bson_t *reply, void *arg), void *arg)
{
	CommandError e = {.mc = conn->handle};
	bson_t		reply;
	bool		ok;

	mongo_begin(e.mc);
	ok = mongoc_client_read_command_with_opts(e.mc->client, database, command, prefs, NULL, &reply, &e.error);
	if (ok)
		with_reply(&reply, fn, arg);
	else
		with_reply(&reply, raise_command_error, &e);
}

void
mongo_command(ChConn *conn, const char *database, const bson_t *command,
			  void (*fn) (const bson_t *reply, void *arg), void *arg)
{
	run_command(conn, database, command, NULL, fn, arg);
}

void
mongo_command_primary(ChConn *conn, const char *database, const bson_t *command,
					  void (*fn) (const bson_t *reply, void *arg), void *arg)
{
	mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);

	PG_TRY();
	{
		run_command(conn, database, command, prefs, fn, arg);
	}
	PG_FINALLY();
	{
		mongoc_read_prefs_destroy(prefs);
	}
	PG_END_TRY();
}

static bool
reply_names_one(const bson_t *reply)
{
	bson_iter_t it,
				batch;

	return bson_iter_init(&it, reply) &&
		bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) &&
		bson_iter_recurse(&batch, &it) && bson_iter_next(&it);
}

bool
mongo_collection_exists(ChConn *conn, const char *database, const char *collection)
{
	MongoConn  *mc = conn->handle;
	char	   *name = psprintf("%s.%s", database, collection);
	bson_t		command = BSON_INITIALIZER;
	bson_t		filter;
	bson_t		reply;
	bson_error_t error;
	bool		ok,
				found;
	ListCell   *lc;

	foreach(lc, mc->collections)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	bson_append_int32(&command, "listCollections", -1, 1);
	bson_append_document_begin(&command, "filter", -1, &filter);
	bson_append_utf8(&filter, "name", -1, collection, -1);
	bson_append_document_end(&command, &filter);
	bson_append_bool(&command, "nameOnly", -1, true);
	bson_append_bool(&command, "authorizedCollections", -1, true);
	mongo_begin(mc);
	ok = mongoc_client_read_command_with_opts(mc->client, database, &command, NULL, NULL, &reply, &error);
	found = !ok || reply_names_one(&reply);
	bson_destroy(&command);
	bson_destroy(&reply);
	if (mc->fail.kind != CH_FAIL_NONE)
		mongo_raise(mc, &error, NULL);
	if (found)
	{
		MemoryContext old = MemoryContextSwitchTo(conn->cxt);

		mc->collections = lappend(mc->collections, pstrdup(name));
		MemoryContextSwitchTo(old);
	}
	return found;
}

/* ---- check_store ------------------------------------------------------------------------ */

static void
tell_version(const bson_t *reply, void *arg)
{
	bson_iter_t it,
				child;

	if (bson_iter_init_find(&it, reply, "version") && BSON_ITER_HOLDS_UTF8(&it))
		appendStringInfo(arg, "MongoDB %s", bson_iter_utf8(&it, NULL));
	if (bson_iter_init(&it, reply) && bson_iter_find_descendant(&it, "ferretdb.version", &child) &&
		BSON_ITER_HOLDS_UTF8(&child))
		appendStringInfo(arg, " as spoken by FerretDB %s", bson_iter_utf8(&child, NULL));
}

static void
tell_databases(const bson_t *reply, void *arg)
{
	bson_iter_t it,
				list;
	int			n = 0;

	if (bson_iter_init_find(&it, reply, "databases") && bson_iter_recurse(&it, &list))
		while (bson_iter_next(&list))
			n++;
	appendStringInfo(arg, "%d databases to be seen", n);
}

static void
tell_sample(const bson_t *reply, void *arg)
{
	appendStringInfoString(arg, reply_names_one(reply) ? "one document read" : "nothing there yet");
}

/* The server's own database, else that of its users. */
static const char *
probe_database(const ChConn *conn, const MongoConn *mc)
{
	const char *name = ch_conn_server_opt(conn, "database");

	if (name == NULL)
		name = mongoc_uri_get_database(mc->uri);
	return name ? name : "admin";
}

typedef struct FirstName
{
	char	   *name;
} FirstName;

static void
first_collection(const bson_t *reply, void *arg)
{
	FirstName  *first = arg;
	bson_iter_t it,
				name;

	if (bson_iter_init(&it, reply) && bson_iter_find_descendant(&it, "cursor.firstBatch.0.name", &name) &&
		BSON_ITER_HOLDS_UTF8(&name))
		first->name = pstrdup(bson_iter_utf8(&name, NULL));
}

static void
probe_sample(ChConn *conn, const char *database, StringInfo detail)
{
	FirstName	first = {NULL};
	bson_t		list = BSON_INITIALIZER;
	bson_t		find = BSON_INITIALIZER;

	bson_append_int32(&list, "listCollections", -1, 1);
	bson_append_bool(&list, "nameOnly", -1, true);
	bson_append_bool(&list, "authorizedCollections", -1, true);
	mongo_command(conn, database, &list, first_collection, &first);
	bson_destroy(&list);
	if (first.name == NULL)
	{
		appendStringInfo(detail, "database %s has no collection yet", database);
		return;
	}
	bson_append_utf8(&find, "find", -1, first.name, -1);
	bson_append_int32(&find, "limit", -1, 1);
	bson_append_bool(&find, "singleBatch", -1, true);
	appendStringInfo(detail, "%s.%s: ", database, first.name);
	mongo_command(conn, database, &find, tell_sample, detail);
	bson_destroy(&find);
}

void
mongo_probe(ChConn *conn, ChProbe step, StringInfo detail)
{
	MongoConn  *mc = conn->handle;
	bson_t		command = BSON_INITIALIZER;

	switch (step)
	{
		case CH_PROBE_VERSION:
			bson_append_int32(&command, "buildInfo", -1, 1);
			mongo_command(conn, "admin", &command, tell_version, detail);
			break;
		case CH_PROBE_PERMISSION:
			bson_append_int32(&command, "listDatabases", -1, 1);
			bson_append_bool(&command, "nameOnly", -1, true);
			mongo_command(conn, "admin", &command, tell_databases, detail);
			break;
		case CH_PROBE_SAMPLE:
			probe_sample(conn, probe_database(conn, mc), detail);
			break;
	}
	bson_destroy(&command);
}
