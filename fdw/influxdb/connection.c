/*
 * connection.c
 *	  How is an InfluxDB server reached, and how is it asked?
 *
 * A connection is an HTTP client.  What InfluxDB's versions differ in is
 * settled here: the address, the login, the format of the answer.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <zlib.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "fdw/influxdb/influxdb.h"

/* A statement longer than this is sent by POST: servers limit the URL. */
#define LONGEST_GET		8000

static InfluxConn *
handle_of(const ChConn *conn)
{
	return conn->handle;
}

/* ---- where ------------------------------------------------------------- */

void
influx_endpoint(const ChConn *conn, ChEndpoint *ep)
{
	CURLU	   *u = curl_url();
	char	   *scheme = NULL;
	char	   *host = NULL;
	char	   *port = NULL;
	MemoryContext old = MemoryContextSwitchTo(conn->cxt);

	ch_conn_endpoint(conn, ep);
	if (u != NULL &&
		curl_url_set(u, CURLUPART_URL, ch_conn_server_opt(conn, "url"), 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
	{
		ep->tls = strcmp(scheme, "https") == 0;
		/* A numeric IPv6 address stands in brackets. */
		ep->host = host[0] == '[' ? pnstrdup(host + 1, strlen(host) - 2) : pstrdup(host);
		ep->port = atoi(port);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	MemoryContextSwitchTo(old);
}

/* ---- connecting -------------------------------------------------------- */

/* The headers of every request: the login and the format of the answer. */
static void
set_headers(ChConn *conn)
{
	static const char *const formats[] = {NULL, "application/x-msgpack", "application/json", "application/json"};
	InfluxConn *c = handle_of(conn);
	const char *token = ch_conn_secret(conn, "token");
	int			n = 0;

	c->headers[n++] = psprintf("Accept: %s", formats[c->version]);
	if (c->version == 3)
		c->headers[n++] = pstrdup("Content-Type: application/json");
	if (token)
		c->headers[n++] = psprintf("Authorization: %s %s", c->version == 2 ? "Token" : "Bearer", token);
	c->headers[n] = NULL;
	if (token == NULL)
	{
		c->user = ch_conn_user_opt(conn, "user");
		c->password = ch_conn_secret(conn, "password");
	}
}

/*
 * Ask who is there, and whether we may come in: 1.x and 2.x let anybody /ping,
 * but answer a statement only after a login.
 */
static void
greet(ChConn *conn)
{
	InfluxConn *c = handle_of(conn);
	ChHttpRequest request = {.path = c->version == 3 ? "/ping" : "/query?q=SHOW%20DATABASES"};
	ChFailure	fail;
	char	   *release;

	request.headers = (const char *const *) c->headers;
	request.user = c->user;
	request.password = c->password;
	if (!ch_http_send(c->http, &request, &fail) || !ch_http_await(c->http, &fail))
		ch_failure_raise(conn, &fail);
	if (c->http->status == 401)
	{
		ch_fail(&fail, CH_FAIL_AUTH, "%s: the user, password or token was refused", ch_conn_server_opt(conn, "url"));
		ch_failure_raise(conn, &fail);
	}
	release = ch_http_header(c->http, "X-Influxdb-Version");
	if (release)
	{
		c->release = pstrdup(release);
		free(release);
	}
	if (!ch_http_finish(c->http, 65536, &fail))
		ch_failure_raise(conn, &fail);
	ch_http_cancel(c->http);
}

static int
version_of(const char *release)
{
	int			major;

	if (release[0] == 'v')
		release++;
	major = atoi(release);
	return major >= 2 && major <= 3 ? major : 1;
}

void
influx_connect(ChConn *conn)
{
	InfluxConn *c = palloc0(sizeof(InfluxConn));
	const char *version = ch_conn_server_opt(conn, "version");
	ChHttpOptions options = {0};
	ChEndpoint	ep;
	ChFailure	fail;

	conn->handle = c;
	ch_conn_endpoint(conn, &ep);
	options.url = ch_conn_server_opt(conn, "url");
	options.connect_timeout = conn->connect_timeout;
	options.silence_timeout = conn->connect_timeout;
	options.tls_verify = ep.tls_verify;
	options.tls_ca = ep.tls_ca;
	options.tls_cert = ep.tls_cert;
	options.tls_key = ep.tls_key;
	c->http = ch_http_open(&options, &fail);
	if (c->http == NULL)
		ch_failure_raise(conn, &fail);

	c->version = strcmp(version, "auto") == 0 ? 2 : atoi(version);
	set_headers(conn);
	greet(conn);
	c->http->silence_timeout = conn->request_timeout;
	if (strcmp(version, "auto") != 0)
		return;

	/*
	 * A statement is planned and explained before anyone has connected, so
	 * its language cannot depend on what is found here.
	 */
	c->version = c->release ? version_of(c->release) : 1;
	if (c->version == 3)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("server \"%s\" runs InfluxDB 3, which is asked in SQL", conn->server_name),
				 errdetail("It calls itself %s.", c->release),
				 errhint("ALTER SERVER %s OPTIONS (ADD version '3').", quote_identifier(conn->server_name))));
	set_headers(conn);
}

void
influx_disconnect(ChConn *conn)
{
	InfluxConn *c = handle_of(conn);

	if (c == NULL)
		return;
	ch_http_close(c->http);
	c->http = NULL;
}

bool
influx_alive(ChConn *conn)
{
	return ch_http_alive(handle_of(conn)->http);
}

/* ---- asking ------------------------------------------------------------ */

static void
append_parameter(StringInfo buf, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(buf, "&%s=", name);
	ch_http_escape(buf, value);
}

static const char *
utf8(const char *text)
{
	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

static void
send_influxql(ChConn *conn, const char *statements, int chunk_size, ChFailure *fail)
{
	InfluxConn *c = handle_of(conn);
	ChHttpRequest request = {0};
	StringInfoData path;
	StringInfoData body;

	initStringInfo(&path);
	appendStringInfo(&path, "/query?epoch=ns&chunked=true&chunk_size=%d", chunk_size);
	append_parameter(&path, "db", utf8(ch_conn_server_opt(conn, "dbname")));
	if (c->version == 2)
		append_parameter(&path, "org", utf8(ch_conn_server_opt(conn, "org")));
	if (strlen(statements) > LONGEST_GET)
	{
		initStringInfo(&body);
		appendStringInfoString(&body, "q=");
		ch_http_escape(&body, statements);
		request.body = body.data;
		request.bodylen = body.len;
	}
	else
		append_parameter(&path, "q", statements);
	request.path = path.data;
	request.headers = (const char *const *) c->headers;
	request.user = c->user;
	request.password = c->password;
	(void) ch_http_send(c->http, &request, fail);
}

static void
send_sql(ChConn *conn, const char *statement, ChFailure *fail)
{
	InfluxConn *c = handle_of(conn);
	ChHttpRequest request = {.path = "/api/v3/query_sql"};
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"format\":\"jsonl\",\"db\":");
	escape_json(&body, utf8(ch_conn_server_opt(conn, "dbname")));
	appendStringInfoString(&body, ",\"q\":");
	escape_json(&body, statement);
	appendStringInfoChar(&body, '}');
	request.body = body.data;
	request.bodylen = body.len;
	request.headers = (const char *const *) c->headers;
	request.user = c->user;
	request.password = c->password;
	(void) ch_http_send(c->http, &request, fail);
}

/* ---- writing ------------------------------------------------------------- */

/* RFC 1952, in the current memory context. */
static char *
influx_gzip(const char *data, size_t len, size_t *outlen)
{
	z_stream	z = {0};
	char	   *out;
	size_t		room;
	bool		ok;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	room = deflateBound(&z, len);
	out = palloc_extended(room, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	z.next_in = (Bytef *) data;
	z.avail_in = len;
	z.next_out = (Bytef *) out;
	z.avail_out = room;
	ok = out && deflate(&z, Z_FINISH) == Z_STREAM_END;
	*outlen = z.total_out;
	deflateEnd(&z);
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return out;
}

/* Once more if the connection broke: to write a point twice is to write it once. */
static void
post_lines(ChConn *conn, const ChHttpRequest *request)
{
	InfluxConn *c = handle_of(conn);
	ChFailure	fail;

	for (int attempt = 1;; attempt++)
	{
		if (ch_http_send(c->http, request, &fail) && ch_http_await(c->http, &fail) &&
			ch_http_finish(c->http, 65536, &fail))
			return;
		if (attempt == 2 || fail.kind != CH_FAIL_CLOSED)
			ch_failure_raise(conn, &fail);
	}
}

int
influx_write_lines(ChConn *conn, const char *policy, const char *lines, size_t len, const char **answer)
{
	InfluxConn *c = handle_of(conn);
	ChHttpRequest request = {.body = lines,.bodylen = len,.user = c->user,.password = c->password};
	const char *headers[lengthof(c->headers) + 3];
	int			n = 0;
	StringInfoData path;

	for (char **h = c->headers; *h; h++)
		if (strncmp(*h, "Content-Type:", 13) != 0 && strncmp(*h, "Accept:", 7) != 0)
			headers[n++] = *h;
	headers[n++] = "Content-Type: text/plain; charset=utf-8";
	headers[n++] = "Accept: application/json";
	if (ch_opt_bool(conn->driver, conn->server_options, "gzip"))
	{
		request.body = influx_gzip(lines, len, &request.bodylen);
		headers[n++] = "Content-Encoding: gzip";
	}
	headers[n] = NULL;
	initStringInfo(&path);
	appendStringInfoString(&path, "/write?precision=ns");
	append_parameter(&path, "db", utf8(ch_conn_server_opt(conn, "dbname")));
	append_parameter(&path, "rp", utf8(policy));
	if (c->version == 2)
		append_parameter(&path, "org", utf8(ch_conn_server_opt(conn, "org")));
	request.path = path.data;
	request.headers = headers;
	post_lines(conn, &request);
	*answer = pnstrdup(c->http->data + c->http->pos, c->http->len - c->http->pos);
	ch_http_cancel(c->http);
	return c->http->status;
}

InfluxAnswer *
influx_ask(ChConn *conn, const char *statements, int chunk_size)
{
	InfluxConn *c = handle_of(conn);
	InfluxAnswer *a = palloc0(sizeof(InfluxAnswer));
	ChFailure	fail = {CH_FAIL_NONE};

	a->conn = conn;
	a->http = c->http;
	a->cxt = CurrentMemoryContext;
	if (c->version == 1)
		influx_read_msgpack(a);
	else if (c->version == 2)
		influx_read_json(a);
	else
		influx_read_json_lines(a);
	if (c->version == 3)
		send_sql(conn, statements, &fail);
	else
		send_influxql(conn, statements, chunk_size, &fail);
	if (fail.kind != CH_FAIL_NONE)
		ch_failure_raise(conn, &fail);
	return a;
}

/* ---- answers ----------------------------------------------------------- */

bool
influx_more(InfluxAnswer *a)
{
	ChFailure	fail;
	int			got = ch_http_more(a->http, &fail);

	a->blocked = got < 0 && fail.kind == CH_FAIL_AGAIN;
	if (got < 0 && !a->blocked)
		ch_failure_raise(a->conn, &fail);
	return got > 0;
}

void
influx_garbled(InfluxAnswer *a, const char *what)
{
	ChFailure	fail;

	ch_fail(&fail, CH_FAIL_PROTOCOL, "%s", what);
	ch_failure_raise(a->conn, &fail);
}

static void
truncated(InfluxAnswer *a)
{
	ch_store_error(a->conn, ERRCODE_FDW_ERROR, NULL,
				   "The answer is marked as partial, and the rest did not come.",
				   "Raise max-row-limit of the InfluxDB server, or ask for fewer rows.");
}

/* Results come one after the other, a large one in parts of the same number. */
void
influx_begin_result(InfluxAnswer *a, int statement)
{
	if (a->partial && statement != a->statement)
		truncated(a);
	a->statement = statement;
	a->partial = false;
}

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void
influx_refused(InfluxAnswer *a, const char *message)
{
	ChConn	   *conn = a->conn;
	int			status = a->http->status;
	ChFailure	fail;

	if (status == 401)
	{
		ch_fail(&fail, CH_FAIL_AUTH, "%s: %s", ch_conn_server_opt(conn, "url"), message);
		ch_failure_raise(conn, &fail);
	}
	if (starts_with(message, "database not found") || status == 404)
		ch_store_error(conn, ERRCODE_FDW_SCHEMA_NOT_FOUND, NULL, message,
					   "Correct the option dbname with ALTER SERVER.");
	if (starts_with(message, "retention policy not found"))
		ch_store_error(conn, ERRCODE_FDW_SCHEMA_NOT_FOUND, NULL, message,
					   "Correct the option retention_policy of the server or the foreign table.");
	if (status == 403)
		ch_store_error(conn, ERRCODE_FDW_ERROR, NULL, message,
					   "Grant the user of the user mapping the right to read the database.");
	ch_store_error(conn, ERRCODE_FDW_ERROR, NULL, message, NULL);
}

static void
redirected(InfluxAnswer *a)
{
	char	   *to = ch_http_header(a->http, "Location");
	char	   *copy = to ? ch_redact(a->conn, to) : NULL;

	free(to);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("server \"%s\" is redirected, and redirects are not followed", a->conn->server_name),
			 errdetail("HTTP status %d%s%s.", a->http->status, copy ? " to " : "", copy ? copy : ""),
			 errhint("If the new address is right, set the option url to it with ALTER SERVER.")));
}

/* The answer is an error: the words are in the body, in one of three formats. */
static void
raise_status(InfluxAnswer *a)
{
	char	   *type = ch_http_header(a->http, "Content-Type");
	bool		json = type && strstr(type, "json");
	bool		msgpack = type && strstr(type, "msgpack");

	free(type);
	a->http->nowait = false;
	if (json)
		influx_read_json(a);
	else if (msgpack)
		influx_read_msgpack(a);
	else
	{
		while (a->http->len < 1000 && influx_more(a))
			;
		influx_refused(a, psprintf("HTTP status %d: %.*s", a->http->status,
								   (int) Min(a->http->len, 1000), a->http->data));
	}
	while (a->read(a))
		;
	influx_refused(a, psprintf("HTTP status %d", a->http->status));
}

bool
influx_next_row(InfluxAnswer *a)
{
	if (a->done)
		return false;
	if (!a->started)
	{
		ChFailure	fail;

		a->blocked = !ch_http_await(a->http, &fail);
		if (a->blocked && fail.kind != CH_FAIL_AGAIN)
			ch_failure_raise(a->conn, &fail);
		if (a->blocked)
			return false;
		if (a->http->status >= 300 && a->http->status < 400)
			redirected(a);
		if (a->http->status != 200)
			raise_status(a);
		a->started = true;
	}
	if (a->read(a))
		return true;
	if (a->blocked)
		return false;
	if (a->partial)
		truncated(a);
	a->done = true;
	return false;
}

/* ---- check_store ------------------------------------------------------- */

/* The first value of the first row as text, or NULL. */
static char *
ask_for_one(ChConn *conn, const char *statement)
{
	InfluxAnswer *a = influx_ask(conn, statement, 10);
	char	   *found = NULL;

	while (influx_next_row(a))
		if (found == NULL && a->ncolumns > 0 && a->values[0].kind == CH_STRING)
			found = pg_any_to_server(pnstrdup(a->values[0].u.s.data, a->values[0].u.s.len),
									 a->values[0].u.s.len, PG_UTF8);
	return found;
}

static char *
first_measurement(ChConn *conn)
{
	static const char *names[] = {"table_name"};
	InfluxAnswer *a;
	char	   *found = NULL;

	if (handle_of(conn)->version != 3)
		return ask_for_one(conn, "SHOW MEASUREMENTS LIMIT 1");
	a = influx_ask(conn, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox' LIMIT 1", 1);
	influx_expect_columns(a, 1, names);
	while (influx_next_row(a))
		if (a->values[0].kind == CH_STRING)
			found = pnstrdup(a->values[0].u.s.data, a->values[0].u.s.len);
	return found;
}

void
influx_probe(ChConn *conn, ChProbe step, StringInfo detail)
{
	InfluxConn *c = handle_of(conn);
	char	   *measurement;
	StringInfoData query;
	InfluxAnswer *a;
	int			rows = 0;

	if (step == CH_PROBE_VERSION)
	{
		appendStringInfo(detail, "InfluxDB %s", c->release ? c->release : "of unknown version");
		return;
	}
	measurement = first_measurement(conn);
	if (step == CH_PROBE_PERMISSION)
	{
		appendStringInfo(detail, "may read database \"%s\"", ch_conn_server_opt(conn, "dbname"));
		return;
	}
	if (measurement == NULL)
	{
		appendStringInfoString(detail, "the database has no measurement");
		return;
	}
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT * FROM ");
	influx_append_name(&query, measurement, c->version == 3);
	appendStringInfoString(&query, " LIMIT 1");
	a = influx_ask(conn, query.data, 1);
	while (influx_next_row(a))
		rows++;
	appendStringInfo(detail, "read %d point of measurement \"%s\"", rows, measurement);
}
