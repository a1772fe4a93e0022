/*
 * stats.c
 *	  How many rows are there, and what do they look like?
 *
 * ANALYZE reads the table through an ordinary scan and keeps a random sample
 * by Vitter's reservoir method, the one that PostgreSQL's own ANALYZE uses:
 * every row has the same chance, whatever order a store returns them in.
 * Memory is bounded: a sample of large rows becomes a smaller one.
 *
 * Without ANALYZE the row count is a guess, or with use_remote_estimate the
 * store's own count, where it has a cheap one; the session remembers it for a
 * while.  Planning never fails for want of it and does not wait for it long.
 *
 * What a driver knows to be unique, PostgreSQL is told, as it would know from
 * an index.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "commands/vacuum.h"
#include "executor/tuptable.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/sampling.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* How long a store's own count of rows, or that there is none, is taken for true. */
#define COUNT_SECONDS	600
#define FAILED_SECONDS	60

/* The planner waits no longer for it, in ms, connecting included. */
#define COUNT_TIMEOUT	1000

/* ---- the store's own count ------------------------------------------------------ */

typedef struct CountKey
{
	Oid			classid;		/* of a table, or of a server that did not answer */
	Oid			objid;
} CountKey;

typedef struct CountEntry
{
	CountKey	key;
	double		rows;			/* -1: not known */
	TimestampTz until;
} CountEntry;

static HTAB *counts = NULL;

/* The entry if it is still taken for true, or NULL. */
static const CountEntry *
find_count(Oid classid, Oid objid)
{
	CountKey	key = {classid, objid};
	CountEntry *entry = counts ? hash_search(counts, &key, HASH_FIND, NULL) : NULL;

	return entry && GetCurrentTimestamp() < entry->until ? entry : NULL;
}

static void
keep_count(Oid classid, Oid objid, double rows)
{
	HASHCTL		ctl = {.keysize = sizeof(CountKey),.entrysize = sizeof(CountEntry),.hcxt = CacheMemoryContext};
	CountKey	key = {classid, objid};
	CountEntry *entry;

	if (counts == NULL)
		counts = hash_create("CipherHorizon row counts", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(counts, &key, HASH_ENTER, NULL);
	entry->rows = rows;
	entry->until = GetCurrentTimestamp() + (rows < 0 ? FAILED_SECONDS : COUNT_SECONDS) * USECS_PER_SEC;
}

/* A table changed: InvalidOid means any of them. */
static void
table_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	CountEntry *entry;

	if (counts == NULL)
		return;
	hash_seq_init(&seq, counts);
	while ((entry = hash_seq_search(&seq)) != NULL)
		if (!OidIsValid(relid) || (entry->key.classid == RelationRelationId && entry->key.objid == relid))
			entry->until = 0;
}

/* A server or mapping changed: it may be another store. */
static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	table_changed(arg, InvalidOid);
	if (cacheid == FOREIGNSERVEROID)
		ch_forget_costs(hashvalue);
}

static double
ask_count(ChTable *table, Oid userid)
{
	ChConn	   *conn = ch_conn_acquire(table->serverid, userid);
	double		rows;

	PG_TRY();
	{
		rows = table->driver->count_rows(conn, table);
	}
	PG_CATCH();
	{
		ch_conn_drop(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ch_conn_release(conn);
	return rows;
}

/* An end of this backend or statement, or an error that no store makes. */
static bool
is_ours_to_raise(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR);
}

static bool
is_unreachable(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_CONNECTION_EXCEPTION);
}

/*
 * The store's count, or -1 with an error of the store or of the network, which
 * a scan will raise if it is still there.  In a subtransaction, which up to 16
 * cannot begin while parallel workers run.
 */
static double
try_count(ChTable *table, Oid userid)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile double rows = -1;

	if (find_count(ForeignServerRelationId, table->serverid) || table->driver->count_rows == NULL || IsInParallelMode())
		return -1;
	BeginInternalSubTransaction(NULL);
	ch_limit_waits(COUNT_TIMEOUT);
	PG_TRY();
	{
		rows = ask_count(table, userid);
		ch_limit_waits(0);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		ch_limit_waits(0);
		RollbackAndReleaseCurrentSubTransaction();
		if (is_ours_to_raise(error->sqlerrcode))
		{
			MemoryContextSwitchTo(cxt);
			CurrentResourceOwner = owner;
			ReThrowError(error);
		}
		if (is_unreachable(error->sqlerrcode))
			keep_count(ForeignServerRelationId, table->serverid, -1);
		elog(DEBUG1, "rows of foreign table %s were not counted: %s: %s", table->name,
			 error->message, error->detail ? error->detail : "");
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	keep_count(RelationRelationId, table->relid, rows);
	return rows;
}

double
ch_remote_count(RelOptInfo *rel, ChTable *table)
{
	const CountEntry *entry = find_count(RelationRelationId, table->relid);

	if (!ch_opt_bool(table->driver, table->options, "use_remote_estimate"))
		return -1;
	return entry ? entry->rows : try_count(table, OidIsValid(rel->userid) ? rel->userid : GetUserId());
}

/* ---- unique columns ------------------------------------------------------------------ */

static get_relation_stats_hook_type previous_hook;

/*
 * With or without statistics, a key of the store has as many values as there
 * are rows.  Of another kind of table vardata may not be filled yet, and of a
 * subquery's column the rel is the subquery, which may repeat rows.
 */
static bool
note_unique(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum, VariableStatData *vardata)
{
	const ChRel *ch;

	if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_FOREIGN_TABLE && attnum > 0)
	{
		ch = ch_rel(vardata->rel);
		if (ch && ch->table->relid == rte->relid && ch_column(ch->table, attnum)->unique)
			vardata->isunique = true;
	}
	return previous_hook && previous_hook(root, rte, attnum, vardata);
}

void
ch_stats_init(void)
{
	previous_hook = get_relation_stats_hook;
	get_relation_stats_hook = note_unique;
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, server_changed, (Datum) 0);
}

/* ---- the sample of ANALYZE --------------------------------------------------------- */

typedef struct Sample
{
	HeapTuple  *rows;
	int			wanted;
	int			have;
	Size		bytes;
	double		seen;
	double		skip;			/* rows to pass over; < 0: not drawn yet */
	ReservoirStateData reservoir;
} Sample;

static void
drop_row(Sample *s, int place)
{
	s->bytes -= s->rows[place]->t_len;
	heap_freetuple(s->rows[place]);
}

/* Where in the sample this row goes, or -1. */
static int
place_of(Sample *s)
{
	int			place = -1;

	if (s->have < s->wanted)
		place = s->have++;
	else
	{
		if (s->skip < 0)
			s->skip = reservoir_get_next_S(&s->reservoir, s->seen, s->wanted);
		if (s->skip <= 0)
		{
			place = (int) (s->wanted * sampler_random_fract(&s->reservoir.randstate));
			drop_row(s, place);
		}
		s->skip -= 1;
	}
	s->seen += 1;
	return place;
}

/* Go on with a random half of the sample, which is a sample of the same rows. */
static void
halve(Sample *s)
{
	s->wanted = s->have / 2;
	while (s->have > s->wanted)
	{
		int			place = (int) (s->have * sampler_random_fract(&s->reservoir.randstate));

		drop_row(s, place);
		s->rows[place] = s->rows[--s->have];
	}
	reservoir_init_selection_state(&s->reservoir, s->wanted);
	s->skip = -1;
}

static void
offer_row(Sample *s, TupleTableSlot *slot)
{
	int			place = place_of(s);

	if (place < 0)
		return;
	s->rows[place] = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	s->bytes += s->rows[place]->t_len;
	while (s->bytes > maintenance_work_mem * (Size) 1024 && s->have > 1)
		halve(s);
}

/* ---- ANALYZE ----------------------------------------------------------------------- */

/* A scan of all rows and columns, without a plan. */
static ChScanState *
make_scan(Relation relation)
{
	ChScanState *state = palloc0(sizeof(ChScanState));
	ChScan	   *scan = &state->scan;

	scan->cxt = AllocSetContextCreate(CurrentMemoryContext, "CipherHorizon ANALYZE", ALLOCSET_DEFAULT_SIZES);
	scan->run_cxt = AllocSetContextCreate(scan->cxt, "CipherHorizon run", ALLOCSET_DEFAULT_SIZES);
	scan->query = ch_make_query();
	scan->query->relid = RelationGetRelid(relation);
	scan->table = ch_table_open(scan->query->relid);
	scan->driver = scan->table->driver;
	scan->userid = relation->rd_rel->relowner;
	scan->limit = -1;
	for (int i = 1; i <= scan->table->natts; i++)
		if (scan->table->columns[i - 1])
			scan->query->columns = lappend_int(scan->query->columns, i);
	ch_set_columns(state);
	state->bound = true;
	return state;
}

static void
read_all(ChScanState *state, TupleTableSlot *slot, Sample *s)
{
	MemoryContext row = AllocSetContextCreate(state->scan.cxt, "CipherHorizon row", ALLOCSET_DEFAULT_SIZES);
	ErrorContextCallback context = {error_context_stack, ch_remote_query_context, &state->scan};
	bool		found = true;

	error_context_stack = &context;
	ch_send(state);
	while (found)
	{
		MemoryContext old;

		vacuum_delay_point_compat();
		MemoryContextReset(row);
		old = MemoryContextSwitchTo(row);
		found = ch_read_row(state, slot);
		MemoryContextSwitchTo(old);
		if (found)
			offer_row(s, slot);
	}
	ch_stop_scan(state);
	error_context_stack = context.previous;
}

static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int wanted, double *total, double *dead)
{
	ChScanState *state = make_scan(relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	Sample		s = {.rows = rows,.wanted = wanted,.skip = -1};

	reservoir_init_selection_state(&s.reservoir, wanted);
	read_all(state, slot, &s);
	ExecDropSingleTupleTableSlot(slot);
	ch_warn_of_mismatches(&state->scan);
	MemoryContextDelete(state->scan.cxt);
	*total = s.seen;
	*dead = 0;
	ereport(elevel,
			(errmsg("\"%s\": table contains %.0f rows; %d rows in sample",
					RelationGetRelationName(relation), s.seen, s.have)));
	return s.have;
}

/*
 * The pages that the rows would take here: ANALYZE of a partitioned table or a
 * parent shares its sample out to the children by their pages.
 */
static BlockNumber
estimate_pages(Relation relation)
{
	Size		row = MAXALIGN(SizeofHeapTupleHeader) + MAXALIGN(get_relation_data_width(RelationGetRelid(relation), NULL)) +
		sizeof(ItemIdData);
	double		rows = try_count(ch_table_open(RelationGetRelid(relation)), relation->rd_rel->relowner);

	if (rows <= 0)
		rows = relation->rd_rel->reltuples;
	if (rows <= 0)
		rows = CH_DEFAULT_TUPLES;
	return (BlockNumber) Min(ceil(rows * row / BLCKSZ), MaxBlockNumber);
}

bool
ch_analyze(Relation relation, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	*totalpages = estimate_pages(relation);
	*func = acquire_sample;
	return true;
}
