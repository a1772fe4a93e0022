/*
 * connection.c
 *	  How does a session reach Neo4j, and what do the server's errors mean to
 *	  PostgreSQL?
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "fdw/neo4j/neo4j.h"

void
neo4j_endpoint(const ChConn *conn, ChEndpoint *ep)
{
	const char *url = ch_conn_server_opt(conn, "url");

	ch_conn_endpoint(conn, ep);
	/* it was found right when it was set */
	if (url)
		(void) neo4j_parse_url(url, ep);
}

void
neo4j_connect(ChConn *conn)
{
	Neo4jConn  *n = palloc0(sizeof(Neo4jConn));
	BoltLogin	login = {0};
	ChEndpoint	ep;
	ChFailure	fail = {0};

	conn->handle = n;
	n->database = ch_conn_server_opt(conn, "dbname");
	login.token = ch_conn_secret(conn, "token");
	login.user = ch_conn_user_opt(conn, "user");
	login.password = ch_conn_secret(conn, "password");
	neo4j_endpoint(conn, &ep);
	n->bolt = neo4j_bolt_open(&ep, conn->connect_timeout, &fail);
	if (n->bolt == NULL || !neo4j_bolt_login(n->bolt, &login, &fail))
		ch_failure_raise(conn, &fail);
	n->bolt->timeout_ms = conn->request_timeout;
}

void
neo4j_disconnect(ChConn *conn)
{
	Neo4jConn  *n = conn->handle;

	if (n == NULL)
		return;
	neo4j_bolt_close(n->bolt);
	n->bolt = NULL;
}

bool
neo4j_alive(ChConn *conn)
{
	Neo4jConn  *n = conn->handle;

	return neo4j_bolt_usable(n->bolt);
}

/* ---- errors -------------------------------------------------------------------- */

/* The first whose beginning of the server's code, and words of its message, are there. */
static const struct
{
	const char *code;
	const char *words;
	int			sqlstate;
	const char *hint;
}			failures[] = {
	{"Neo.ClientError.Database.DatabaseNotFound", NULL, ERRCODE_FDW_SCHEMA_NOT_FOUND,
	"Set the server's option dbname to a database of SHOW DATABASES."},
	{"Neo.ClientError.Statement.AccessMode", NULL, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"The text of option cypher may only read."},
	{"Neo.ClientError.Statement.ParameterMissing", NULL, ERRCODE_FDW_ERROR,
	"The text of option cypher may not use parameters."},
	{"Neo.ClientError.Statement.SyntaxError", NULL, ERRCODE_FDW_ERROR,
	"Check the table's option cypher and the names of its columns."},
	{"Neo.ClientError.Statement.ArithmeticError", "overflow", ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, NULL},
	{"Neo.ClientError.Schema.ConstraintValidationFailed", "still has relationships", ERRCODE_FOREIGN_KEY_VIOLATION,
	"Delete the relationships in the same transaction, or set the table's option detach_delete."},
	{"Neo.ClientError.Schema.ConstraintValidationFailed", "already exists", ERRCODE_UNIQUE_VIOLATION, NULL},
	{"Neo.ClientError.Schema.ConstraintValidationFailed", "must have the propert", ERRCODE_NOT_NULL_VIOLATION, NULL},
	{"Neo.ClientError.Schema.ConstraintValidationFailed", NULL, ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION, NULL},
	{"Neo.ClientError.General.WriteOnReadOnlyAccessDatabase", NULL, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"The database only allows to be read."},
	{"Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", NULL, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"The database only allows to be read."},
	{"Neo.ClientError.Cluster.NotALeader", NULL, ERRCODE_READ_ONLY_SQL_TRANSACTION,
	"Another member of the cluster takes writes for this database: name it in the server's option url."},
	{"Neo.ClientError.Security.", NULL, ERRCODE_INSUFFICIENT_PRIVILEGE,
	"Grant the user of the user mapping what it needs in Neo4j."},
	{"Neo.ClientError.Transaction.TransactionTimedOut", NULL, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION,
	"The limit is Neo4j's setting db.transaction.timeout."},
	{"Neo.TransientError.General.OutOfMemoryError", NULL, ERRCODE_FDW_OUT_OF_MEMORY, NULL},
	{"Neo.TransientError.General.MemoryPoolOutOfMemoryError", NULL, ERRCODE_FDW_OUT_OF_MEMORY,
	"The limit is Neo4j's setting dbms.memory.transaction.total.max."},
	{"Neo.TransientError.General.DatabaseUnavailable", NULL, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	"Run the statement again when the database is online."},
	{"Neo.TransientError.Transaction.DeadlockDetected", NULL, ERRCODE_T_R_DEADLOCK_DETECTED,
	"Run the transaction again."},
	{"Neo.TransientError.Transaction.", NULL, ERRCODE_T_R_SERIALIZATION_FAILURE, "Run the transaction again."},
};

void
neo4j_raise_protocol(const ChConn *conn, const char *what)
{
	ChFailure	fail;

	ch_fail(&fail, CH_FAIL_PROTOCOL, "Bolt: %s", what);
	ch_failure_raise(conn, &fail);
}

void
neo4j_raise(const ChConn *conn)
{
	const BoltClient *bolt = ((Neo4jConn *) conn->handle)->bolt;
	int			sqlstate = ERRCODE_FDW_ERROR;
	const char *hint = NULL;

	for (int i = 0; i < lengthof(failures); i++)
		if (strncmp(bolt->code, failures[i].code, strlen(failures[i].code)) == 0 &&
			(failures[i].words == NULL || strstr(bolt->message, failures[i].words)))
		{
			sqlstate = failures[i].sqlstate;
			hint = failures[i].hint;
			break;
		}
	ch_store_error(conn, sqlstate, bolt->code, bolt->message, hint);
}

/* ---- short queries of our own ---------------------------------------------------- */

static void
pack_texts(StringInfo out, const char *const *params, int nparams)
{
	initStringInfo(out);
	for (int i = 0; i < nparams; i++)
	{
		neo4j_pack_text(out, psprintf("p%d", i + 1));
		neo4j_pack_text(out, params[i]);
	}
}

/* A record's values with strings of their own: the input buffer moves on. */
static ChValue *
keep_record(const PackReader *body)
{
	int			len = body->end - body->at;
	char	   *copy = memcpy(palloc(Max(len, 1)), body->at, len);
	PackReader	r = {.at = (const uint8 *) copy,.end = (const uint8 *) copy + len};
	ChValue    *row = palloc(sizeof(ChValue));

	if (!neo4j_unpack(&r, row) || row->kind != CH_LIST)
		return NULL;
	/* whatever the server sends, callers may look at this many values */
	if (row->u.list.n < NEO4J_QUERY_WIDTH)
	{
		ChValue    *items = palloc0(NEO4J_QUERY_WIDTH * sizeof(ChValue));

		if (row->u.list.n > 0)
			memcpy(items, row->u.list.items, row->u.list.n * sizeof(ChValue));
		row->u.list.items = items;
	}
	return row;
}

List *
neo4j_query(ChConn *conn, const char *text, const char *const *params, int nparams, int limit)
{
	Neo4jConn  *n = conn->handle;
	BoltQuery	query = {.text = text,.nparams = nparams,.database = n->database,.pull = limit};
	StringInfoData packed;
	ChFailure	fail = {0};
	List	   *rows = NIL;
	bool		more = false;

	pack_texts(&packed, params, nparams);
	query.params = &packed;
	if (!neo4j_bolt_run(n->bolt, &query, &fail))
		ch_failure_raise(conn, &fail);
	while (n->bolt->owed > 0)
	{
		PackReader	body;
		ChValue    *row;

		switch (neo4j_bolt_next(n->bolt, &body, &fail))
		{
			case BOLT_RECORD:
				row = keep_record(&body);
				if (row)
					rows = lappend(rows, row);
				break;
			case BOLT_SUCCESS:
				more = neo4j_bolt_has_more(&body);
				break;
			case BOLT_FAILURE:
			case BOLT_IGNORED:	/* because BEGIN failed */
				neo4j_raise(conn);
				break;
			default:
				ch_failure_raise(conn, &fail);
		}
	}
	if (more && !n->bolt->in_transaction && !neo4j_bolt_reset(n->bolt, &fail))
		ch_failure_raise(conn, &fail);
	return rows;
}

/* Read the answers to one query; what the last says is *summary, in the input buffer. */
static void
read_summary(ChConn *conn, ChValue *summary)
{
	Neo4jConn  *n = conn->handle;
	ChFailure	fail = {0};

	while (n->bolt->owed > 0)
	{
		PackReader	body;

		switch (neo4j_bolt_next(n->bolt, &body, &fail))
		{
			case BOLT_RECORD:
				break;
			case BOLT_SUCCESS:
				if (neo4j_unpack(&body, summary))
					break;
				ch_fail(&fail, CH_FAIL_PROTOCOL, "Bolt: %s", body.error);
				ch_failure_raise(conn, &fail);
				break;
			case BOLT_BROKEN:
				ch_failure_raise(conn, &fail);
				break;
			default:
				neo4j_raise(conn);
		}
	}
}

void
neo4j_check_reads(ChConn *conn, const BoltQuery *query)
{
	Neo4jConn  *n = conn->handle;
	BoltQuery	explain = *query;
	ChValue		summary = {.kind = CH_NULL};
	const ChValue *type;
	ChFailure	fail = {0};

	explain.text = psprintf("EXPLAIN %s", query->text);
	if (!neo4j_bolt_run(n->bolt, &explain, &fail))
		ch_failure_raise(conn, &fail);
	read_summary(conn, &summary);
	type = neo4j_member(&summary, "type");
	if (type == NULL || type->kind != CH_STRING || type->u.s.len != 1 || type->u.s.data[0] != 'r')
		ch_store_error(conn, ERRCODE_READ_ONLY_SQL_TRANSACTION, NULL, "The query writes.",
					   "The text of option cypher may only read.");
}

/* ---- check_store ------------------------------------------------------------------- */

static const ChValue *
first_value(List *rows)
{
	const ChValue *row = rows ? linitial(rows) : NULL;

	return row && row->u.list.n > 0 ? &row->u.list.items[0] : NULL;
}

static void
probe_version(ChConn *conn, StringInfo detail)
{
	Neo4jConn  *n = conn->handle;

	appendStringInfo(detail, "%s, Bolt %d.%d", n->bolt->server, n->bolt->major, n->bolt->minor);
}

static void
probe_permission(ChConn *conn, StringInfo detail)
{
	const ChValue *name = first_value(neo4j_query(conn, "CALL db.info() YIELD name RETURN name", NULL, 0, 1));

	if (name && name->kind == CH_STRING)
		appendStringInfo(detail, "database %.*s", name->u.s.len, name->u.s.data);
}

static void
probe_sample(ChConn *conn, StringInfo detail)
{
	List	   *rows = neo4j_query(conn, "MATCH (n) RETURN 1 LIMIT 1", NULL, 0, 1);

	appendStringInfoString(detail, rows ? "a node was read" : "the database has no node that the user may see");
}

void
neo4j_probe(ChConn *conn, ChProbe step, StringInfo detail)
{
	switch (step)
	{
		case CH_PROBE_VERSION:
			probe_version(conn, detail);
			break;
		case CH_PROBE_PERMISSION:
			probe_permission(conn, detail);
			break;
		case CH_PROBE_SAMPLE:
			probe_sample(conn, detail);
			break;
	}
}
