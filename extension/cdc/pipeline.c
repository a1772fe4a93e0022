/*
 * pipeline.c
 *	  What the catalog says of a pipeline, and what its worker writes there.
 */
#include "postgres.h"

#include "access/xact.h"
#include "cdc.h"
#include "executor/spi.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static const CdcFormat *const formats[] = {&cdc_debezium, &cdc_flat, &cdc_raw};

static bool was_decoding = false;

static void
set_decoding(bool decoding)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	if (decoding)
		MyProc->statusFlags |= PROC_IN_LOGICAL_DECODING;
	else
		MyProc->statusFlags &= ~PROC_IN_LOGICAL_DECODING;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/*
 * While a process decodes, others' snapshots pass it over, its transaction too: what
 * it writes they would take for the work of one that was aborted, and mark it so.
 */
void
cdc_transaction_begin(void)
{
	was_decoding = (MyProc->statusFlags & PROC_IN_LOGICAL_DECODING) != 0;
	if (was_decoding)
		set_decoding(false);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
cdc_transaction_commit(void)
{
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
	if (!was_decoding)
		return;
	set_decoding(true);
	/* the next change may need the catalog as it was before */
	InvalidateSystemCaches();
}

/* Run a statement about the pipeline $1. */
static void
run(const char *sql, const char *name)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {DirectFunctionCall1(namein, CStringGetDatum(name))};

	if (SPI_execute_with_args(sql, 1, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", sql);
}

static const CdcFormat *
format_named(const char *name)
{
	for (int i = 0; i < lengthof(formats); i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no format \"%s\" of change data capture", name)));
}

static char *
text_at(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static bool
is(int column)
{
	return strcmp(text_at(column), "t") == 0;
}

static CdcConfig *
read_config(MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	CdcConfig  *config = palloc0(sizeof(CdcConfig));
	const char *decimals = text_at(9);
	const char *wish = text_at(16);

	config->name = pstrdup(text_at(1));
	config->owner = strtoul(text_at(2), NULL, 10);
	config->publication = pstrdup(text_at(3));
	config->publication_oid = text_at(4) ? strtoul(text_at(4), NULL, 10) : InvalidOid;
	config->server = text_at(5) ? strtoul(text_at(5), NULL, 10) : InvalidOid;
	config->slot = pstrdup(text_at(6));
	config->prefix = pstrdup(text_at(7));
	config->format = format_named(text_at(8));
	config->decimals = strcmp(decimals, "precise") == 0 ? CDC_PRECISE : strcmp(decimals, "string") == 0 ? CDC_STRING : CDC_DOUBLE;
	config->schemas = is(10);
	config->exactly_once = is(11);
	config->snapshot = is(12);
	config->tombstones = is(13);
	config->transactions = is(14);
	config->omit_unchanged = is(15);
	config->wish = strcmp(wish, "running") == 0 ? CDC_RUN : strcmp(wish, "paused") == 0 ? CDC_PAUSE : CDC_DROP;
	config->started = is(17);
	config->accept_gap = is(18);
	config->context_headers = is(19);
	config->wal_limit = text_at(20) ? strtoll(text_at(20), NULL, 10) : 0;
	config->renew = is(21);
	MemoryContextSwitchTo(old);
	return config;
}

CdcConfig *
cdc_load_config(const char *name, MemoryContext cxt)
{
	CdcConfig  *config = NULL;

	cdc_transaction_begin();
	run("SELECT p.name, p.owner::oid, p.publication, u.oid, s.oid, p.slot, p.topic_prefix, p.format, p.decimals, p.schemas, "
		"p.delivery = 'exactly_once', p.start = 'snapshot', p.tombstones, p.transactions, p.unchanged = 'omit', "
		"p.wish, p.started, p.accept_gap, p.context_headers, p.wal_limit, p.on_lost = 'snapshot' "
		"FROM cipherhorizon.cdc_pipeline p "
		"LEFT JOIN pg_catalog.pg_foreign_server s ON s.srvname = p.server "
		"LEFT JOIN pg_catalog.pg_publication u ON u.pubname = p.publication WHERE p.name = $1", name);
	if (SPI_processed == 1)
		config = read_config(cxt);
	cdc_transaction_commit();
	return config;
}

static void
change(const char *sql, const char *name)
{
	cdc_transaction_begin();
	run(sql, name);
	cdc_transaction_commit();
}

void
cdc_check_rights(const char *name)
{
	change("SELECT cipherhorizon._cdc_check_rights(r.rolname, p.publication, p.server) "
		   "FROM cipherhorizon.cdc_pipeline p JOIN pg_catalog.pg_roles r ON r.oid = p.owner WHERE p.name = $1", name);
}

void
cdc_mark_started(const char *name)
{
	change("UPDATE cipherhorizon.cdc_pipeline SET started = true, accept_gap = false WHERE name = $1", name);
}

void
cdc_mark_gap_accepted(const char *name)
{
	change("UPDATE cipherhorizon.cdc_pipeline SET accept_gap = false WHERE name = $1", name);
}

void
cdc_mark_new(const char *name)
{
	change("UPDATE cipherhorizon.cdc_pipeline SET started = false, start = 'snapshot', accept_gap = false WHERE name = $1", name);
}

void
cdc_delete_pipeline(const char *name)
{
	cdc_transaction_begin();
	run("DELETE FROM cipherhorizon.cdc_pipeline WHERE name = $1", name);
	run("DELETE FROM cipherhorizon.cdc_snapshot WHERE pipeline = $1", name);
	cdc_transaction_commit();
}
