/*
 * fold.c
 *	  From answers to groups.
 *
 * A row of the answer is a group, if the store could be asked for one.  That it
 * could is known for sure only now: a field may have other types than its
 * column, a sum of integers may have wrapped, and there may be points at times
 * where InfluxDB's buckets err.  Then the points themselves are asked for,
 * series by series, and folded here, each value taken or refused as a scan of
 * the table would.
 *
 * Statements that give different columns of the same groups are put together by
 * key, in memory.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "fdw/influxdb/influxdb.h"

/* A target that is computed here. */
typedef struct Folded
{
	TypeCacheEntry *type;
	bool		some;			/* there was a value */
	int64		count;
	Datum		value;
	int64		sum;			/* of integers, ... */
	Numeric		carried;		/* ... and what it could not hold, or NULL */
	Tuplesortstate *sort;		/* of DISTINCT values */
} Folded;

typedef struct GroupKey
{
	const char *data;
	int			len;
} GroupKey;

typedef struct FoldedGroup
{
	GroupKey	key;			/* first, for dynahash */
	int			set;
	Datum	   *values;
	bool	   *nulls;
} FoldedGroup;

struct InfluxFold
{
	const InfluxGroups *groups; /* the scan's, of each set */
	InfluxAnswer *answer;		/* its row is the next to use, or NULL */
	int			set;			/* of that row */
	int			part;
	StringInfoData key;			/* and its key */
	MemoryContext group_cxt;	/* of the group that is folded */
	MemoryContext row_cxt;
	Folded	   *folded;			/* by target */

	/* all groups, where they must be known before the first */
	bool		gathered;
	HTAB	   *table;
	List	   *list;			/* FoldedGroup, in the order of the store */
	int			next;
};

struct InfluxFold *
influx_begin_fold(const ChScan *scan, const InfluxGroups *groups)
{
	struct InfluxFold *f = palloc0(sizeof(struct InfluxFold));

	f->groups = groups;
	f->group_cxt = AllocSetContextCreate(scan->run_cxt, "InfluxDB group", ALLOCSET_DEFAULT_SIZES);
	f->row_cxt = AllocSetContextCreate(scan->run_cxt, "InfluxDB row", ALLOCSET_SMALL_SIZES);
	f->folded = palloc0(Max(scan->ncolumns, 1) * sizeof(Folded));
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->targets[i].col)
			f->folded[i].type = lookup_type_cache(scan->targets[i].col->basetype,
												  TYPECACHE_LT_OPR | TYPECACHE_CMP_PROC_FINFO);
	initStringInfo(&f->key);
	return f;
}

/* ---- keys -------------------------------------------------------------------- */

/* The value of a tag; it is NULL where the series does not have it. */
static ChValue
tag_value(const InfluxAnswer *a, const ChColumn *col)
{
	const char *name = pg_server_to_any(col->remote, strlen(col->remote), PG_UTF8);
	ChValue		none = {CH_NULL};

	for (int i = 0; i < a->ntags; i++)
		if (strcmp(a->tags[i], name) == 0 && a->tag_values[i].u.s.len > 0)
			return a->tag_values[i];
	return none;
}

static ChValue
bucket_value(const InfluxAnswer *a, const InfluxBucket *bucket)
{
	ChValue		v = {.kind = CH_INSTANT};

	v.u.i = influx_bucket_of(bucket, a->values[0].u.i);
	return v;
}

static void
make_key(const ChScan *scan, const InfluxAnswer *a, StringInfo key)
{
	resetStringInfo(key);
	appendBinaryStringInfo(key, (const char *) &scan->current_set, sizeof(int));
	for (int i = 0; i < scan->ngroup; i++)
	{
		ChValue		v;

		if (scan->group[i]->kind == INFLUX_BUCKET)
		{
			v = bucket_value(a, scan->group[i]->extra);
			appendBinaryStringInfo(key, (char *) &v.u.i, sizeof(v.u.i));
			continue;
		}
		v = tag_value(a, scan->group[i]);
		if (v.kind == CH_NULL)
			v.u.s.len = 0;
		appendBinaryStringInfo(key, (char *) &v.u.s.len, sizeof(v.u.s.len));
		appendBinaryStringInfo(key, v.u.s.data, v.u.s.len);
	}
}

static void
set_keys(ChScan *scan, const InfluxAnswer *a, Datum *values, bool *nulls)
{
	for (int i = 0; i < scan->ncolumns; i++)
	{
		ChColumn   *col = scan->targets[i].col;
		ChValue		v;

		if (scan->targets[i].agg != CH_AGG_KEY)
			continue;
		v = col->kind == INFLUX_BUCKET ? bucket_value(a, col->extra) : tag_value(a, col);
		ch_set_column(scan, i, &v, values, nulls);
	}
}

/* Have a row of the query at hand; false at the end. */
static bool
look_ahead(ChScan *scan, struct InfluxFold *f)
{
	if (f->answer == NULL)
	{
		f->answer = influx_scan_row(scan, &f->part);
		if (f->answer == NULL)
			return false;
		if (f->answer->ncolumns < 1 || f->answer->values[0].kind != CH_INT)
			influx_garbled(f->answer, "a row without its time");
		f->set = scan->current_set;
		make_key(scan, f->answer, &f->key);
	}
	return true;
}

/* ---- rows that are groups ------------------------------------------------------ */

static uint64
magnitude(int64 i)
{
	return i < 0 ? -(uint64) i : (uint64) i;
}

/*
 * False: a sum is not what it says, or may not be.  Raises where a value does
 * not fit its column.
 */
static bool
row_is_exact(const InfluxAnswer *a, const InfluxPart *part)
{
	ListCell   *lc;

	foreach(lc, part->checks)
	{
		const InfluxCheck *check = lfirst(lc);
		const ChValue *min = &a->values[check->min];
		const ChValue *max = &a->values[check->max];
		uint64		largest;
		Datum		unused;

		(void) ch_value_to_datum(check->col, min, &unused);
		(void) ch_value_to_datum(check->col, max, &unused);
		if (check->count == 0 || min->kind == CH_NULL)
			continue;
		if (min->kind != CH_INT || max->kind != CH_INT)
			return false;
		largest = Max(magnitude(min->u.i), magnitude(max->u.i));
		if (largest != 0 && (uint64) a->values[check->count].u.i > (uint64) PG_INT64_MAX / largest)
			return false;
	}
	return true;
}

static ChValue
time_value(const InfluxAnswer *a, const ChColumn *col)
{
	ChValue		v = a->values[0];

	return col->kind == INFLUX_TIME ? influx_instant(v.u.i) : v;
}

static void
set_target(ChScan *scan, int i, const InfluxAnswer *a, int position, Datum *values, bool *nulls)
{
	const ChBoundTarget *target = &scan->targets[i];
	const ChValue *v = &a->values[position];
	ChValue		other;

	if (position == 0)
	{
		other = time_value(a, target->col);
		v = &other;
	}
	else if (v->kind == CH_NULL)
		return;
	else if (target->agg != CH_AGG_COUNT)
		v = influx_field_value(scan, target->col, v, &other);
	/* what InfluxDB has are finite floats, but their sum may be none */
	if (target->agg == CH_AGG_SUM && v->kind == CH_FLOAT && !isfinite(v->u.f))
		float_overflow_error();
	ch_set_column(scan, i, v, values, nulls);
}

static bool
take_row(ChScan *scan, struct InfluxFold *f, Datum *values, bool *nulls)
{
	const InfluxAnswer *a = f->answer;
	const InfluxGroups *g = &f->groups[f->set];

	if (a->ncolumns <= list_length(g->parts[f->part].calls))
		influx_garbled(f->answer, "a row with fewer columns than were asked for");
	if (!row_is_exact(a, &g->parts[f->part]))
		return false;
	for (int i = 0; i < scan->ncolumns; i++)
		if (g->sources[i].part == f->part)
			set_target(scan, i, a, g->sources[i].position, values, nulls);
	f->answer = NULL;
	return true;
}

/* ---- rows that are folded here ------------------------------------------------- */

static void
keep(struct InfluxFold *f, Folded *folded, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(f->group_cxt);

	if (folded->some && !folded->type->typbyval)
		pfree(DatumGetPointer(folded->value));
	folded->value = datumCopy(value, folded->type->typbyval, folded->type->typlen);
	MemoryContextSwitchTo(old);
}

static void
put_distinct(struct InfluxFold *f, Folded *folded, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(f->group_cxt);

	if (folded->sort == NULL)
		folded->sort = tuplesort_begin_datum(folded->type->type_id, folded->type->lt_opr,
											 OidIsValid(folded->type->typcollation) ? C_COLLATION_OID : InvalidOid,
											 false, work_mem, NULL, TUPLESORT_NONE);
	tuplesort_putdatum(folded->sort, value, false);
	MemoryContextSwitchTo(old);
}

static Numeric
add_numerics(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

static void
add_integer(struct InfluxFold *f, Folded *folded, int64 n)
{
	MemoryContext old;
	int64		sum;

	if (!pg_add_s64_overflow(folded->sum, n, &sum))
	{
		folded->sum = sum;
		return;
	}
	old = MemoryContextSwitchTo(f->group_cxt);
	folded->carried = folded->carried ? add_numerics(folded->carried, int64_to_numeric(folded->sum))
		: int64_to_numeric(folded->sum);
	folded->sum = n;
	MemoryContextSwitchTo(old);
}

static void
add_to_sum(struct InfluxFold *f, Folded *folded, Datum value)
{
	switch (folded->type->type_id)
	{
		case INT2OID:
			add_integer(f, folded, DatumGetInt16(value));
			break;
		case INT4OID:
			add_integer(f, folded, DatumGetInt32(value));
			break;
		case INT8OID:
			add_integer(f, folded, DatumGetInt64(value));
			break;
		default:
			keep(f, folded, folded->some
				 ? Float8GetDatum(float8_pl(DatumGetFloat8(folded->value), DatumGetFloat8(value))) : value);
	}
}

static void
fold_value(struct InfluxFold *f, const ChBoundTarget *target, Folded *folded, Datum value)
{
	int			order = 0;

	if (folded->some && target->agg != CH_AGG_FIRST && target->agg != CH_AGG_LAST &&
		target->agg != CH_AGG_COUNT && target->agg != CH_AGG_SUM)
		order = DatumGetInt32(FunctionCall2(&folded->type->cmp_proc_finfo, value, folded->value));
	switch (target->agg)
	{
		case CH_AGG_COUNT:
			folded->count++;
			if (target->distinct)
				put_distinct(f, folded, value);
			break;
		case CH_AGG_SUM:
			add_to_sum(f, folded, value);
			break;
		case CH_AGG_FIRST:
			if (!folded->some)
				keep(f, folded, value);
			break;
		case CH_AGG_MIN:
		case CH_AGG_BOOL_AND:
			if (!folded->some || order < 0)
				keep(f, folded, value);
			break;
		case CH_AGG_MAX:
		case CH_AGG_BOOL_OR:
			if (!folded->some || order > 0)
				keep(f, folded, value);
			break;
		default:
			keep(f, folded, value);
	}
	folded->some = true;
}

static void
fold_row(ChScan *scan, struct InfluxFold *f)
{
	MemoryContext old = MemoryContextSwitchTo(f->row_cxt);

	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChBoundTarget *target = &scan->targets[i];
		const InfluxSource *source = &f->groups[f->set].sources[i];
		ChValue		other;
		Datum		value;

		if (source->part != f->part)
			continue;
		if (source->position == 0)
			f->folded[i].count++;
		else if (ch_value_to_datum(target->col, influx_field_value(scan, target->col, &f->answer->values[source->position],
																   &other), &value))
			fold_value(f, target, &f->folded[i], value);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(f->row_cxt);
}

/* How many different values were put. */
static int64
count_distinct(struct InfluxFold *f, Folded *folded)
{
	MemoryContext old = MemoryContextSwitchTo(f->group_cxt);
	int64		count = 0;
	Datum		last = 0;
	Datum		value;
	bool		isnull;

	tuplesort_performsort(folded->sort);
	while (ch_tuplesort_getdatum(folded->sort, &value, &isnull))
	{
		if (count == 0 || DatumGetInt32(FunctionCall2Coll(&folded->type->cmp_proc_finfo, C_COLLATION_OID, value, last)) != 0)
			count++;
		last = value;
	}
	tuplesort_end(folded->sort);
	MemoryContextSwitchTo(old);
	return count;
}

static Datum
integer_sum(const Folded *folded, Oid type)
{
	Numeric		sum;

	if (type == INT8OID)
		return Int64GetDatum(folded->sum);
	sum = int64_to_numeric(folded->sum);
	return NumericGetDatum(folded->carried ? add_numerics(folded->carried, sum) : sum);
}

/* What a target's rows came to, in the current memory context. */
static void
finish_target(const ChScan *scan, struct InfluxFold *f, int i, Datum *values, bool *nulls)
{
	const ChBoundTarget *target = &scan->targets[i];
	Folded	   *folded = &f->folded[i];

	nulls[i] = target->agg != CH_AGG_COUNT && !folded->some;
	if (nulls[i])
		return;
	if (target->agg == CH_AGG_COUNT)
		values[i] = Int64GetDatum(folded->sort ? count_distinct(f, folded) : folded->count);
	else if (target->agg == CH_AGG_SUM && target->col->basetype != FLOAT8OID)
		values[i] = integer_sum(folded, scan->columns[i]->typid);
	else
		values[i] = datumCopy(folded->value, folded->type->typbyval, folded->type->typlen);
}

/* Rows come series by series, each in the order of time, so that a group's are neighbours. */
static void
fold_rows(ChScan *scan, struct InfluxFold *f, Datum *values, bool *nulls)
{
	int			part = f->part;
	const InfluxGroups *g = &f->groups[f->set];
	StringInfoData key;

	MemoryContextReset(f->group_cxt);
	for (int i = 0; i < scan->ncolumns; i++)
	{
		TypeCacheEntry *type = f->folded[i].type;

		memset(&f->folded[i], 0, sizeof(Folded));
		f->folded[i].type = type;
	}
	initStringInfo(&key);
	appendBinaryStringInfo(&key, f->key.data, f->key.len);
	do
	{
		CHECK_FOR_INTERRUPTS();
		fold_row(scan, f);
		f->answer = NULL;
	} while (look_ahead(scan, f) && f->part == part &&
			 f->key.len == key.len && memcmp(f->key.data, key.data, key.len) == 0);
	pfree(key.data);
	for (int i = 0; i < scan->ncolumns; i++)
		if (g->sources[i].part == part)
			finish_target(scan, f, i, values, nulls);
}

/* ---- one group ------------------------------------------------------------------ */

/* The group of the row at hand, of which nothing was counted yet; all else is NULL. */
static void
begin_group(ChScan *scan, const struct InfluxFold *f, Datum *values, bool *nulls)
{
	for (int i = 0; i < scan->ncolumns; i++)
	{
		nulls[i] = scan->targets[i].agg != CH_AGG_COUNT;
		values[i] = nulls[i] ? (Datum) 0 : Int64GetDatum(0);
	}
	set_keys(scan, f->answer, values, nulls);
}

/* Take the group that begins with the row at hand; false if the row is not exact. */
static bool
take_group(ChScan *scan, struct InfluxFold *f, Datum *values, bool *nulls)
{
	const InfluxGroups *g = &f->groups[f->set];

	if (!g->rows || g->parts[f->part].form != INFLUX_CALLS)
		return take_row(scan, f, values, nulls);
	fold_rows(scan, f, values, nulls);
	return true;
}

/* ---- all groups ------------------------------------------------------------------- */

static uint32
hash_key(const void *key, Size unused)
{
	const GroupKey *k = key;

	return hash_bytes((const unsigned char *) k->data, k->len);
}

static int
match_keys(const void *a, const void *b, Size unused)
{
	const GroupKey *x = a;
	const GroupKey *y = b;

	return x->len == y->len && memcmp(x->data, y->data, x->len) == 0 ? 0 : 1;
}

static void
make_table(ChScan *scan, struct InfluxFold *f)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(GroupKey);
	ctl.entrysize = sizeof(FoldedGroup);
	ctl.hash = hash_key;
	ctl.match = match_keys;
	ctl.hcxt = scan->run_cxt;
	if (f->table)
		hash_destroy(f->table);
	f->table = hash_create("InfluxDB groups", 256, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	f->list = NIL;
}

/*
 * The group of the row at hand.  One that the first part does not have was
 * written meanwhile: nobody will see it.
 */
static FoldedGroup *
find_group(ChScan *scan, struct InfluxFold *f)
{
	GroupKey	key = {f->key.data, f->key.len};
	bool		all = f->part == 0 || scan->ngroup == 0;
	bool		found;
	FoldedGroup *group = hash_search(f->table, &key, HASH_ENTER, &found);

	if (found)
		return group;
	group->set = f->set;
	group->key.data = memcpy(palloc(key.len + 1), key.data, key.len);
	group->values = palloc(Max(scan->ncolumns, 1) * sizeof(Datum));
	group->nulls = palloc(Max(scan->ncolumns, 1) * sizeof(bool));
	begin_group(scan, f, group->values, group->nulls);
	if (all)
		f->list = lappend(f->list, group);
	return group;
}

static void
gather(ChScan *scan, struct InfluxFold *f)
{
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

	make_table(scan, f);
	while (look_ahead(scan, f))
	{
		FoldedGroup *group = find_group(scan, f);

		CHECK_FOR_INTERRUPTS();
		if (take_group(scan, f, group->values, group->nulls))
			continue;
		f->answer = NULL;
		influx_ask_rows(scan);
		make_table(scan, f);
	}
	f->gathered = true;
	MemoryContextSwitchTo(old);
}

static bool
must_gather(const ChScan *scan, const struct InfluxFold *f)
{
	for (int i = 0; i < Max(scan->nsets, 1); i++)
		if (f->groups[i].gather)
			return true;
	return false;
}

static bool
next_gathered(ChScan *scan, struct InfluxFold *f, Datum *values, bool *nulls)
{
	FoldedGroup *group;

	if (f->next == list_length(f->list))
		return false;
	group = list_nth(f->list, f->next++);
	scan->current_set = group->set;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		values[i] = group->values[i];
		nulls[i] = group->nulls[i];
	}
	return true;
}

bool
influx_next_group(ChScan *scan, struct InfluxFold *f, Datum *values, bool *nulls)
{
	int			set;

	if (!f->gathered && must_gather(scan, f))
		gather(scan, f);
	if (f->gathered)
		return next_gathered(scan, f, values, nulls);
	if (!look_ahead(scan, f))
		return false;
	set = f->set;
	begin_group(scan, f, values, nulls);
	(void) take_group(scan, f, values, nulls);
	scan->current_set = set;
	return true;
}
