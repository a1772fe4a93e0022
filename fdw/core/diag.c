/*
 * diag.c
 *	  Functions for people who look after servers: is a store reachable, step by
 *	  step; which connections are open; close them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "fdw/core/pool.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ch_check_store);
PG_FUNCTION_INFO_V1(ch_get_connections);
PG_FUNCTION_INFO_V1(ch_disconnect);
PG_FUNCTION_INFO_V1(ch_disconnect_all);
PG_FUNCTION_INFO_V1(ch_version);

Oid
ch_usable_server(const char *name)
{
	Oid			serverid = get_foreign_server_oid(name, false);

	if (ch_server_aclcheck(serverid, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, name);
	return serverid;
}

/* ---- check_store -------------------------------------------------------------- */

typedef struct Check
{
	ReturnSetInfo *rsinfo;
	ChConn	   *conn;
	bool		going;			/* no step has failed so far */
} Check;

typedef void (*CheckStep) (Check *check, StringInfo detail);

static void
put_step(Check *check, const char *step, bool ok, double elapsed, const char *detail, const char *hint)
{
	Datum		values[5] = {CStringGetTextDatum(step), BoolGetDatum(ok), Float8GetDatum(elapsed)};
	bool		nulls[5] = {false, false, false, detail == NULL || !*detail, hint == NULL};

	if (!nulls[3])
		values[3] = CStringGetTextDatum(detail);
	if (!nulls[4])
		values[4] = CStringGetTextDatum(hint);
	tuplestore_putvalues(check->rsinfo->setResult, check->rsinfo->setDesc, values, nulls);
}

/* Run a step in a subtransaction, so that its error becomes a row. */
static void
run_step(Check *check, const char *name, CheckStep step)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile failure = NULL;
	StringInfoData detail;
	instr_time	start,
				elapsed;

	if (!check->going)
		return;
	initStringInfo(&detail);
	INSTR_TIME_SET_CURRENT(start);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		step(check, &detail);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(cxt);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
		check->going = false;
		failure = error;
	}
	PG_END_TRY();
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, start);
	if (failure)
		put_step(check, name, false, INSTR_TIME_GET_MILLISEC(elapsed),
				 failure->detail ? failure->detail : failure->message, failure->hint);
	else
		put_step(check, name, true, INSTR_TIME_GET_MILLISEC(elapsed), detail.data, NULL);
}

/* Raise a failure of the network as an error with a hint for this step. */
static void
raise_failure(const ChFailure *fail, const char *hint)
{
	if (fail->kind == CH_FAIL_INTERRUPTED)
		CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("could not connect"), errdetail_internal("%s", fail->message), errhint("%s", hint)));
}

static void
step_resolve(Check *check, StringInfo detail)
{
	ChEndpoint	ep;
	ChFailure	fail;
	char	   *address;

	ch_conn_get_endpoint(check->conn, &ep);
	if (ep.socket)
	{
		appendStringInfo(detail, "Unix socket %s", ep.socket);
		return;
	}
	address = ch_resolve(ep.host, ep.port, &fail);
	if (address == NULL)
		raise_failure(&fail, "Check the server's host name and the database machine's name service.");
	appendStringInfo(detail, "%s is %s", ep.host, address);
	free(address);
}

static void
try_stream(Check *check, const ChEndpoint *ep, const char *hint)
{
	ChFailure	fail;
	ChStream   *stream = ch_stream_open(ep, check->conn->connect_timeout, &fail);

	if (stream == NULL)
		raise_failure(&fail, hint);
	ch_stream_close(stream);
}

static void
step_connect(Check *check, StringInfo detail)
{
	ChEndpoint	ep;

	ch_conn_get_endpoint(check->conn, &ep);
	ep.tls = false;
	try_stream(check, &ep, "Check that the store runs, that host and port are right, and that no firewall is between.");
	if (!ep.socket)
		appendStringInfo(detail, "port %d answers", ep.port);
}

static void
step_tls(Check *check, StringInfo detail)
{
	ChEndpoint	ep;

	ch_conn_get_endpoint(check->conn, &ep);
	if (!ep.tls)
	{
		appendStringInfoString(detail, "not used");
		return;
	}
	try_stream(check, &ep, "Check that the store offers TLS on this port, and the options tls_ca and tls_verify.");
	appendStringInfoString(detail, ep.tls_verify ? "certificate is trusted" : "certificate was not checked");
}

static void
step_authenticate(Check *check, StringInfo detail)
{
	const char *user = ch_conn_user_opt(check->conn, "user");

	ch_conn_open(check->conn);
	if (user)
		appendStringInfo(detail, "as %s", user);
}

#define PROBE_STEP(name, probe_kind) \
static void \
step_##name(Check *check, StringInfo detail) \
{ \
	check->conn->driver->probe(check->conn, probe_kind, detail); \
}

PROBE_STEP(version, CH_PROBE_VERSION)
PROBE_STEP(permission, CH_PROBE_PERMISSION)
PROBE_STEP(sample, CH_PROBE_SAMPLE)

static void
finish_check(void *arg)
{
	Check	   *check = arg;

	if (check->conn && check->conn->ready)
		check->conn->driver->disconnect(check->conn);
	check->conn = NULL;
}

Datum
ch_check_store(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *name;
		CheckStep	step;
	}			steps[] = {
		{"resolve", step_resolve}, {"connect", step_connect}, {"tls", step_tls},
		{"authenticate", step_authenticate}, {"version", step_version},
		{"permission", step_permission}, {"sample", step_sample}
	};
	Check	   *check = palloc0(sizeof(Check));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	InitMaterializedSRF(fcinfo, 0);
	check->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	check->going = true;
	check->conn = ch_conn_describe(ch_usable_server(text_to_cstring(PG_GETARG_TEXT_PP(0))), GetUserId());
	/* a cancel in the middle must not leave the connection open */
	callback->func = finish_check;
	callback->arg = check;
	MemoryContextRegisterResetCallback(check->conn->cxt, callback);
	for (int i = 0; i < lengthof(steps); i++)
		run_step(check, steps[i].name, steps[i].step);
	MemoryContextDelete(check->conn->cxt);
	return (Datum) 0;
}

/* ---- connections ------------------------------------------------------------------ */

Datum
ch_get_connections(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		check = PG_GETARG_BOOL(0);
	dlist_iter	iter;

	InitMaterializedSRF(fcinfo, 0);
	dlist_foreach(iter, ch_connections())
	{
		ChConn	   *conn = dlist_container(ChConn, node, iter.cur);
		Datum		values[6] = {
			CStringGetTextDatum(conn->server_name), CStringGetTextDatum(conn->driver->name),
			CStringGetTextDatum(GetUserNameFromId(conn->userid, true) ? GetUserNameFromId(conn->userid, true) : "?"),
			BoolGetDatum(!conn->stale), BoolGetDatum(conn->in_use)
		};
		bool		nulls[6] = {false, false, false, false, false, !check || conn->in_use};

		if (!nulls[5])
			values[5] = BoolGetDatum(!conn->driver->alive(conn));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
ch_disconnect(PG_FUNCTION_ARGS)
{
	Oid			serverid = get_foreign_server_oid(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);

	PG_RETURN_BOOL(ch_conn_close_idle(serverid) > 0);
}

Datum
ch_disconnect_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ch_conn_close_idle(InvalidOid) > 0);
}

Datum
ch_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CH_VERSION));
}
