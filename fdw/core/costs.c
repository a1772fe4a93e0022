/*
 * costs.c
 *	  What does a request to a store cost, and a row of its answer?
 *
 * Where the options do not say it, the session learns it for each server: the
 * time from a request to its first row, and the time that it waits for further
 * rows.  A store far away is then asked less often, and for more at once.
 *
 * Plans must not change with every sample.  So the planner is told powers of
 * two of the usual costs, and the next one only when what was measured is
 * clearly past the middle between two.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_foreign_server.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Planner's units of a millisecond: a page read in sequence is some 20 us. */
#define UNITS_PER_MS	50.0

/* What the session itself does with a row; the usual fdw_tuple_cost. */
#define OWN_ROW_US	1.0

/* Requests, and rows of a run, before they count. */
#define ENOUGH_REQUESTS 5
#define ENOUGH_ROWS 100

/*
 * The weight of a new measurement.  What a request costs is what a simple one
 * takes: a slower one had work to do, or the machine had.
 */
#define FASTER_WEIGHT	0.3
#define SLOWER_WEIGHT	0.03

/* How far, in powers of two, a cost may be from what was measured. */
#define STAY_WITHIN 0.75

/* An average of measurements, and what the planner was told last. */
typedef struct Learnt
{
	int			seen;
	double		average;
	int			power;			/* of two, times the usual cost */
} Learnt;

typedef struct CostEntry
{
	Oid			serverid;
	uint32		server_hash;	/* in the syscache, for invalidation */
	Learnt		request;		/* ms */
	Learnt		row;			/* us */
} CostEntry;

static HTAB *costs = NULL;

static CostEntry *
entry_of(Oid serverid)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(CostEntry),.hcxt = CacheMemoryContext};
	CostEntry  *entry;
	bool		found;

	if (costs == NULL)
		costs = hash_create("CipherHorizon costs", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(costs, &serverid, HASH_ENTER, &found);
	if (!found)
	{
		entry->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid));
		entry->request = entry->row = (Learnt) {0};
	}
	return entry;
}

static void
learn(Learnt *l, double value)
{
	double		weight = l->seen == 0 ? 1 : value < l->average ? FASTER_WEIGHT : SLOWER_WEIGHT;

	l->average += (value - l->average) * weight;
	l->seen = Min(l->seen + 1, ENOUGH_REQUESTS);
}

void
ch_learn_request(Oid serverid, double ms)
{
	learn(&entry_of(serverid)->request, ms);
}

void
ch_learn_rows(Oid serverid, int64 rows, int64 waited_us)
{
	if (rows >= ENOUGH_ROWS)
		learn(&entry_of(serverid)->row, OWN_ROW_US + (double) waited_us / rows);
}

void
ch_forget_costs(uint32 server_hash)
{
	HASH_SEQ_STATUS seq;
	CostEntry  *entry;

	if (costs == NULL)
		return;
	hash_seq_init(&seq, costs);
	while ((entry = hash_seq_search(&seq)) != NULL)
		if (server_hash == 0 || entry->server_hash == server_hash)
			entry->request = entry->row = (Learnt) {0};
}

/* The usual cost times a power of two, at most 1000 times more or less. */
static Cost
scaled(Learnt *l, Cost usual, double measured)
{
	double		power = Max(-10, Min(10, log2(measured / usual)));

	if (fabs(power - l->power) > STAY_WITHIN)
		l->power = (int) rint(power);
	return ldexp(usual, l->power);
}

void
ch_get_costs(const ChTable *table, Cost *request, Cost *row)
{
	CostEntry  *entry = NULL;

	*request = ch_opt_real(table->driver, table->options, "fdw_startup_cost");
	*row = ch_opt_real(table->driver, table->options, "fdw_tuple_cost");
	if (costs && ch_learn)
		entry = hash_search(costs, &table->serverid, HASH_FIND, NULL);
	if (entry == NULL || entry->request.seen < ENOUGH_REQUESTS)
		return;
	if (!ch_opt_given(table->options, "fdw_startup_cost"))
		*request = scaled(&entry->request, *request, entry->request.average * UNITS_PER_MS);
	if (!ch_opt_given(table->options, "fdw_tuple_cost") && entry->row.seen > 0)
		*row = scaled(&entry->row, *row, entry->row.average / 1000 * UNITS_PER_MS);
}
