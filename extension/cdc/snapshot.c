/*
 * snapshot.c
 *	  The rows that were there before the stream begins, read in the transaction
 *	  that the slot's creation has left open: what it sees and what the stream
 *	  brings are all, and nothing twice.
 *
 * If the worker ends in the middle the slot goes with it, and all begins anew.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "cdc.h"
#include "executor/spi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "replication/slot.h"

#define MOST_ROWS 1000			/* what the processor's caches hold */
#define MOST_ROWS_IN_TRANSACTION 20000	/* of Kafka, which costs much more */
#define ROWS_BYTES (32 * 1024 * 1024)

typedef struct Table
{
	Oid			relid;
	List	   *attnames;		/* text */
	char	   *filter;			/* SQL of a row filter, or NULL */
} Table;

/* What the publication publishes, in the worker's memory. */
static List *
published_tables(CdcWorker *w)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {DirectFunctionCall1(namein, CStringGetDatum(w->config->publication))};
	List	   *tables = NIL;

	if (SPI_execute_with_args("SELECT c.oid, " CDC_PUBLISHED_COLUMNS ", t.rowfilter "
							  "FROM pg_catalog.pg_publication_tables t "
							  "JOIN pg_catalog.pg_class c ON c.relname = t.tablename AND c.relnamespace = "
							  "(SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = t.schemaname) "
							  "WHERE t.pubname = $1 AND t.schemaname <> 'cipherhorizon' ORDER BY t.schemaname, t.tablename", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_publication_tables");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(w->cxt);
		Table	   *table = palloc0(sizeof(Table));
		bool		isnull;
		Datum		array;
		Datum	   *names;
		int			n = 0;

		table->relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		/* null: a table without columns */
		array = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull);
		if (!isnull)
			deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
		for (int c = 0; c < n; c++)
			table->attnames = lappend(table->attnames, TextDatumGetCString(names[c]));
		table->filter = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3);
		tables = lappend(tables, table);
		MemoryContextSwitchTo(old);
	}
	return tables;
}

void
cdc_append_select(StringInfo sql, Oid relid, List *attnames)
{
	ListCell   *lc;

	appendStringInfoString(sql, "SELECT ");
	foreach(lc, attnames)
		appendStringInfo(sql, "%s%s", foreach_current_index(lc) ? ", " : "", quote_identifier(lfirst(lc)));
	/* a partitioned table is published as its root or as its leaves */
	appendStringInfo(sql, " FROM %s%s.%s WHERE true", get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 quote_identifier(get_namespace_name(get_rel_namespace(relid))), quote_identifier(get_rel_name(relid)));
}

static char *
query_of(const Table *table)
{
	StringInfoData sql;

	initStringInfo(&sql);
	cdc_append_select(&sql, table->relid, table->attnames);
	if (table->filter)
		appendStringInfo(&sql, " AND (%s)", table->filter);
	return sql.data;
}

FmgrInfo *
cdc_output_functions(const CdcRelation *rel)
{
	FmgrInfo   *output = palloc(Max(1, rel->ncolumns) * sizeof(FmgrInfo));

	for (int i = 0; i < rel->ncolumns; i++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(rel->columns[i].type, &function, &varlena);
		fmgr_info(function, &output[i]);
	}
	return output;
}

int
cdc_next_rows(int asked, uint64 rows, int64 bytes, int most)
{
	if (rows == 0)
		return asked;
	/* slowly: larger ones may follow */
	return (int) Max(1, Min(Min(most, asked * 10), ROWS_BYTES / Max(1, bytes / (int64) rows)));
}

int64
cdc_read_row(const CdcRelation *rel, FmgrInfo *output, HeapTuple tuple, TupleDesc desc, CdcValue *values)
{
	int64		bytes = 0;

	for (int i = 0; i < rel->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(tuple, desc, i + 1, &isnull);

		values[i].kind = isnull ? 'n' : 't';
		values[i].text = isnull ? NULL : OutputFunctionCall(&output[i], value);
		values[i].len = isnull ? 0 : strlen(values[i].text);
		bytes += values[i].len;
	}
	return bytes;
}

/* An INSERT message as pgoutput would send it, for the format raw. */
static void
put_raw(CdcWorker *w, CdcChange *change)
{
	StringInfo	raw = &w->raw;

	resetStringInfo(raw);
	pq_sendbyte(raw, 'I');
	pq_sendint32(raw, change->rel->relid);
	pq_sendbyte(raw, 'N');
	pq_sendint16(raw, change->rel->ncolumns);
	for (int i = 0; i < change->rel->ncolumns; i++)
	{
		pq_sendbyte(raw, change->new[i].kind);
		if (change->new[i].kind == 't')
			ch_send_counted_text(raw, change->new[i].text, change->new[i].len);
	}
	change->raw = raw->data;
	change->raw_len = raw->len;
}

static void
send_one(CdcWorker *w, void *change)
{
	if (w->config->format == &cdc_raw)
		put_raw(w, change);
	w->config->format->change(w, change);
}

void
cdc_send_read(CdcWorker *w, CdcChange *change, int64 bytes)
{
	if (bytes < CDC_LARGE)
		send_one(w, change);
	else if (!cdc_try_large(w, send_one, change))
		cdc_give_up(w, change->rel->topic, "it would be larger than 1 GB");
	cdc_count_table(change->rel->stats, CDC_N_READS, 1);
	w->counters.snapshot_rows++;
}

static const char *
mark(bool first_table, bool last_table, bool first, bool last)
{
	if (last)
		return last_table ? "last" : "last_in_data_collection";
	if (first)
		return first_table ? "first" : "first_in_data_collection";
	return "true";
}

static int64
send_row(CdcWorker *w, CdcRelation *rel, FmgrInfo *output, HeapTuple tuple, TupleDesc desc, const char *mark)
{
	MemoryContext old = MemoryContextSwitchTo(w->change_cxt);
	CdcChange	change = {.op = CDC_READ, .rel = rel, .new = w->new, .snapshot = mark};
	int64		bytes = cdc_read_row(rel, output, tuple, desc, w->new);

	cdc_send_read(w, &change, bytes);
	MemoryContextSwitchTo(old);
	MemoryContextReset(w->change_cxt);
	return bytes;
}

/*
 * Our snapshot does not see the rows of a table that was rewritten since (ALTER TABLE
 * ... TYPE), and the stream does not bring them: they would be missing.  What is
 * locked now is not rewritten any more.
 */
static void
check_not_rewritten(Oid relid)
{
	bool		partitioned = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
	List	   *tables = partitioned ? find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
	ListCell   *lc;

	foreach(lc, tables)
	{
		Oid			types[1] = {OIDOID};
		Datum		values[1] = {ObjectIdGetDatum(lfirst_oid(lc))};
		Relation	table = relation_open(lfirst_oid(lc), AccessShareLock);
		bool		isnull;

		/* the catalog as our snapshot sees it; a table that is newer is in the stream */
		if (SPI_execute_with_args("SELECT c.relfilenode FROM pg_catalog.pg_class c WHERE c.oid = $1", 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
			elog(ERROR, "could not read pg_class");
		if (SPI_processed == 1 &&
			DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) != table->rd_rel->relfilenode)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("table \"%s\" was rewritten before the snapshot came to it", RelationGetRelationName(table)),
					 errdetail("The snapshot does not see its rows any more, and begins anew.")));
		relation_close(table, NoLock);
	}
}

/*
 * The last row is only known when there is no other: one is held back.  While rows
 * are read or a lock is waited for Kafka has no transaction of ours open, which it
 * would end.
 */
static void
send_table(CdcWorker *w, Table *table, bool first_table, bool last_table)
{
	CdcRelation *rel = cdc_relation_open(w, table->relid, table->attnames, CurrentMemoryContext);
	FmgrInfo   *output = cdc_output_functions(rel);
	SPIPlanPtr	plan;
	Portal		portal;
	bool		first = true;
	int			asked = 100;

	cdc_transaction_end(w, true);
	check_not_rewritten(table->relid);
	plan = SPI_prepare_cursor(query_of(table), 0, NULL, CURSOR_OPT_NO_SCROLL);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	SPI_cursor_fetch(portal, true, asked);
	while (SPI_processed > 0)
	{
		SPITupleTable *rows = SPI_tuptable;
		uint64		n = SPI_processed;
		int64		bytes = 0;

		for (uint64 i = 0; i + 1 < n; i++, first = false)
			bytes += send_row(w, rel, output, rows->vals[i], rows->tupdesc, mark(first_table, last_table, first, false));
		asked = cdc_next_rows(asked, n, bytes, w->config->exactly_once ? MOST_ROWS_IN_TRANSACTION : MOST_ROWS);
		cdc_transaction_end(w, true);
		SPI_cursor_fetch(portal, true, asked);
		send_row(w, rel, output, rows->vals[n - 1], rows->tupdesc, mark(first_table, last_table, first, SPI_processed == 0));
		first = false;
		SPI_freetuptable(rows);
		cdc_serve(w);
	}
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
}

void
cdc_snapshot(CdcWorker *w)
{
	List	   *tables;
	ListCell   *lc;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* all rows are of the moment of the slot's consistent point, older than a commit whose record begins there */
	w->xact.lsn = MyReplicationSlot->data.confirmed_flush;
	w->xact.commit = w->snapshot_commit = w->xact.lsn - 1;
	w->xact.snapshot = true;
	w->xact.commit_time = GetCurrentTimestamp();
	w->xact.xid = GetActiveSnapshot()->xmax;
	w->xact.seq = w->xact.skip = 0;
	w->produced = w->xact.lsn;
	tables = published_tables(w);
	foreach(lc, tables)
		send_table(w, lfirst(lc), foreach_current_index(lc) == 0, lnext(tables, lc) == NULL);
	w->xact.snapshot = false;
	PopActiveSnapshot();
	SPI_finish();
}
