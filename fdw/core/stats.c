/*
 * stats.c
 *	  How many rows are there, what do they look like, and what does a request
 *	  cost?
 *
 * ANALYZE reads the table through an ordinary scan and keeps a random sample
 * by Vitter's reservoir method, the one that PostgreSQL's own ANALYZE uses:
 * every row has the same chance, whatever order a store returns them in, and
 * memory is bounded by the sample.
 *
 * Without ANALYZE the row count is a guess, or with use_remote_estimate the
 * store's own count, where it has a cheap one; the session remembers it for a
 * while.
 *
 * What a request and a row cost is learnt: each server's time to the first row
 * and per row, in powers of two so that plans do not change with every sample.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "commands/vacuum.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/timestamp.h"

/* How long a store's own count of rows is taken for true. */
#define COUNT_SECONDS	600

/* Planner's units of a millisecond: a page read in sequence is some 20 us. */
#define UNITS_PER_MS	50.0

/* Requests seen of a server before they count. */
#define ENOUGH_REQUESTS 5

/*
 * The weight of a new measurement.  What a request costs is what a simple one
 * takes: a slower one had work to do, or the machine had.
 */
#define FASTER_WEIGHT	0.3
#define SLOWER_WEIGHT	0.03

/* ---- the store's own count ------------------------------------------------------ */

typedef struct CountEntry
{
	Oid			relid;
	double		rows;			/* -1: the store has no cheap count */
	TimestampTz until;
} CountEntry;

static HTAB *
make_table(const char *name, Size size)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = size,.hcxt = CacheMemoryContext};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static double
ask_count(ChTable *table)
{
	ChConn	   *conn;
	double		rows;

	if (table->driver->count_rows == NULL)
		return -1;
	conn = ch_conn_acquire(table->serverid, GetUserId());
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

double
ch_remote_count(ChTable *table)
{
	static HTAB *counts = NULL;
	CountEntry *entry;
	bool		found;
	double		rows;

	if (!ch_opt_bool(table->driver, table->options, "use_remote_estimate"))
		return -1;
	if (counts == NULL)
		counts = make_table("CipherHorizon row counts", sizeof(CountEntry));
	entry = hash_search(counts, &table->relid, HASH_FIND, NULL);
	if (entry && GetCurrentTimestamp() < entry->until)
		return entry->rows;
	rows = ask_count(table);
	entry = hash_search(counts, &table->relid, HASH_ENTER, &found);
	entry->rows = rows;
	entry->until = GetCurrentTimestamp() + COUNT_SECONDS * USECS_PER_SEC;
	return rows;
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
	return state;
}

typedef struct Sample
{
	HeapTuple  *rows;
	int			wanted;
	int			have;
	double		seen;
	double		skip;			/* rows to pass over; < 0: not drawn yet */
	ReservoirStateData reservoir;
} Sample;

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
			heap_freetuple(s->rows[place]);
		}
		s->skip -= 1;
	}
	s->seen += 1;
	return place;
}

static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int wanted, double *total, double *dead)
{
	ChScanState *state = make_scan(relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	MemoryContext row = AllocSetContextCreate(state->scan.cxt, "CipherHorizon row", ALLOCSET_DEFAULT_SIZES);
	Sample		s = {.rows = rows,.wanted = wanted,.skip = -1};

	reservoir_init_selection_state(&s.reservoir, wanted);
	ch_send(state);
	for (;;)
	{
		MemoryContext old;
		bool		found;
		int			place;

		vacuum_delay_point_compat();
		MemoryContextReset(row);
		old = MemoryContextSwitchTo(row);
		found = ch_read_row(state, slot);
		MemoryContextSwitchTo(old);
		if (!found)
			break;
		place = place_of(&s);
		if (place >= 0)
			rows[place] = heap_form_tuple(RelationGetDescr(relation), slot->tts_values, slot->tts_isnull);
	}
	ch_stop_scan(state);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(state->scan.cxt);
	*total = s.seen;
	*dead = 0;
	ereport(elevel,
			(errmsg("\"%s\": table contains %.0f rows; %d rows in sample",
					RelationGetRelationName(relation), s.seen, s.have)));
	return s.have;
}

bool
ch_analyze(Relation relation, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	/* the size that ANALYZE reports is of no use to us, but 0 means empty */
	*totalpages = 1;
	*func = acquire_sample;
	return true;
}

/* ---- learnt costs --------------------------------------------------------------------- */

typedef struct CostEntry
{
	Oid			serverid;
	int			requests;		/* seen */
	double		request_ms;		/* from asking to the first row */
	double		row_us;			/* for each further one */
} CostEntry;

static HTAB *costs = NULL;

static void
learn(double *average, double value, bool first)
{
	double		weight = value < *average ? FASTER_WEIGHT : SLOWER_WEIGHT;

	*average = first ? value : *average * (1 - weight) + value * weight;
}

void
ch_learn_costs(Oid serverid, double request_ms, double rest_ms, int64 rows)
{
	CostEntry  *entry;
	bool		found;

	if (costs == NULL)
		costs = make_table("CipherHorizon costs", sizeof(CostEntry));
	entry = hash_search(costs, &serverid, HASH_ENTER, &found);
	if (!found)
	{
		entry->requests = 0;
		entry->row_us = -1;
	}
	learn(&entry->request_ms, request_ms, entry->requests == 0);
	if (rows >= 100)
		learn(&entry->row_us, rest_ms * 1000 / rows, entry->row_us < 0);
	if (entry->requests < ENOUGH_REQUESTS)
		entry->requests++;
}

/* The power of two next to measured, of the default; within a factor of 1000. */
static Cost
scaled(Cost usual, Cost measured)
{
	double		power = rint(log2(measured / usual));

	return usual * exp2(Max(-10, Min(10, power)));
}

void
ch_get_costs(const ChTable *table, Cost *request, Cost *row)
{
	const CostEntry *entry = NULL;

	*request = ch_opt_real(table->driver, table->options, "fdw_startup_cost");
	*row = ch_opt_real(table->driver, table->options, "fdw_tuple_cost");
	if (costs && ch_learn)
		entry = hash_search(costs, &table->serverid, HASH_FIND, NULL);
	if (entry == NULL || entry->requests < ENOUGH_REQUESTS)
		return;
	if (!ch_opt_given(table->options, "fdw_startup_cost") && entry->request_ms > 0)
		*request = scaled(*request, entry->request_ms * UNITS_PER_MS);
	if (!ch_opt_given(table->options, "fdw_tuple_cost") && entry->row_us > 0)
		*row = scaled(*row, entry->row_us / 1000 * UNITS_PER_MS);
}
