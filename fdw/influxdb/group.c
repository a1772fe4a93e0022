/*
 * group.c
 *	  What can InfluxDB do of groups?
 *
 * InfluxQL groups by tags and by one bucket of the time, and calls aggregate
 * functions of fields.  It has none of the time, and it counts fields, not
 * points: the number of rows is known only where a field is surely there.
 *
 * What cannot be known here is whether a field has the type of its column, and
 * whether a sum of integers wraps: fold.c looks at that.
 *
 * An expression of fields would need a subquery, which InfluxDB runs once for
 * each function and at a higher price for a point than that of sending it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "utils/timestamp.h"

#include "fdw/influxdb/influxdb.h"

#define US_OF_EPOCH		((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* The longest bucket: those that begin before 2200 stay within int64. */
#define MAX_STRIDE		(10000 * USECS_PER_DAY)

static const InfluxTable *
table_of(const ChTable *table)
{
	return table->priv;
}

/* ---- types ------------------------------------------------------------------- */

int
influx_type_bit(const char *name, int len)
{
	static const char *const names[] = {"float", "integer", "unsigned", "string", "boolean"};

	for (int i = 0; i < lengthof(names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return 1 << i;
	return 0;
}

bool
influx_type_fits(const ChColumn *col, int types)
{
	switch (col->basetype)
	{
		case FLOAT8OID:
			return (types & ~INFLUX_FLOAT) == 0;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return (types & ~INFLUX_INTEGER) == 0;
		case NUMERICOID:
			return (types & ~(INFLUX_FLOAT | INFLUX_INTEGER)) == 0;
		case BOOLOID:
			return (types & ~INFLUX_BOOLEAN) == 0;
		default:
			return (types & ~INFLUX_STRING) == 0;
	}
}

/* ---- buckets ----------------------------------------------------------------- */

/* Round down, not toward zero: before 1970 they differ. */
static int64
floor_mod(int64 a, int64 b)
{
	int64		m = a % b;

	return m < 0 ? m + b : m;
}

TimestampTz
influx_bucket_of(const InfluxBucket *bucket, int64 ns)
{
	int64		us = influx_instant(ns).u.i + US_OF_EPOCH;

	return us - floor_mod(us - bucket->origin, bucket->stride) - US_OF_EPOCH;
}

bool
influx_ship_func(const ChTable *table, ChColumn *col, const char **reason)
{
	const ChFunc *func = col->func;
	ChBucket	bucket;
	InfluxBucket *own;
	const ChColumn *time;
	int64		unused;

	if (func->func != CH_FUNC_DATE_BIN && func->func != CH_FUNC_DATE_TRUNC)
		return ch_refuse(reason, "InfluxDB takes longer to compute an expression in a subquery than to send the points");
	if (table_of(table)->sql)
		return ch_refuse(reason, "InfluxDB 3 is asked for points only, as yet");
	if (!ch_bucket_of(func, &bucket, reason))
		return false;
	if (bucket.stride == 0 || bucket.stride > MAX_STRIDE)
		return ch_refuse(reason, "InfluxQL has buckets of equal length only, here of at most 10000 days");
	if (!influx_time_of(bucket.origin, &unused))
		return ch_refuse(reason, "the origin of the buckets is no time that InfluxDB has");
	time = ch_column(table, bucket.attno);
	if (time->kind != INFLUX_TIME || time->typmod >= 0 || time->domain)
		return ch_refuse(reason, "a bucket is one of the column of kind time, with all its microseconds");
	own = palloc(sizeof(InfluxBucket));
	own->stride = bucket.stride;
	own->origin = floor_mod(bucket.origin + US_OF_EPOCH, bucket.stride);
	col->kind = INFLUX_BUCKET;
	col->extra = own;
	return true;
}

/* ---- what can be shipped ----------------------------------------------------- */

static bool
is_plain_text(const ChColumn *col)
{
	return ch_is_text(col->basetype) && col->typmod < 0 && !col->domain;
}

static bool
ship_key(const ChTable *table, const ChColumn *col, bool *bucketed, const char **reason)
{
	if (col->kind == INFLUX_BUCKET && *bucketed)
		return ch_refuse(reason, "InfluxQL groups by one bucket of the time only");
	if (col->kind == INFLUX_BUCKET)
	{
		*bucketed = true;
		return table_of(table)->nfields > 0 || ch_refuse(reason, "a bucket needs a field to call a function of");
	}
	if (col->kind != INFLUX_TAG)
		return ch_refuse(reason, "InfluxQL groups by tags and by a bucket of the time only");
	return is_plain_text(col) || ch_refuse(reason, "InfluxQL groups by tags in columns of type text only");
}

/* Is the condition true only for points that have this field, whatever the values? */
static bool
implies(const ChExpr *expr, const ChColumn *col)
{
	ListCell   *lc;

	if (expr == NULL)
		return false;
	if (expr->kind == CH_COND_AND)
	{
		foreach(lc, expr->args)
			if (implies(lfirst(lc), col))
				return true;
		return false;
	}
	/* NOT IN of an empty list is true even for NULL */
	return (expr->kind == CH_COND_CMP || expr->kind == CH_COND_IN || expr->kind == CH_COND_NOT_NULL) &&
		expr->attno == col->attno;
}

/* Does every row have a field that is known to be there? */
static bool
some_field_is_sure(const ChTable *table, const ChQuery *query, const ChTarget *target)
{
	const InfluxTable *t = table_of(table);

	for (int i = 0; i < t->nfields; i++)
		if (t->fields[i]->notnull || implies(query->filter, t->fields[i]) || implies(target->filter, t->fields[i]))
			return true;
	return false;
}

bool
influx_counts_rows(const ChColumn *col, bool distinct)
{
	return col == NULL || (!distinct && (influx_is_time(col) || col->kind == INFLUX_TAG));
}

/* Has the field a type whose values InfluxDB counts, compares and adds up like PostgreSQL? */
static bool
ship_field(const ChColumn *col, const char **reason)
{
	const char *type = ch_opt_string(col->table->driver, col->options, "field_type");

	if (col->kind != INFLUX_FIELD)
		return ch_refuse(reason, "InfluxQL has aggregates of fields only");
	if (col->domain || col->typmod >= 0)
		return ch_refuse(reason, "each value is to be held against the column's type");
	if (!is_plain_text(col) && !ch_is_int(col->basetype) && col->basetype != FLOAT8OID && col->basetype != NUMERICOID &&
		col->basetype != BOOLOID)
		return ch_refuse(reason, "InfluxQL has no aggregates of values of this type");
	if (type && !influx_type_fits(col, influx_type_bit(type, strlen(type))))
		return ch_refuse(reason, "the option field_type names another type than the column has");
	return true;
}

static bool
ship_time_target(const ChTarget *target, const ChColumn *col, bool bucketed, const char **reason)
{
	if (target->agg != CH_AGG_MIN && target->agg != CH_AGG_MAX)
		return ch_refuse(reason, "of times, InfluxDB knows the first and the last");
	if (bucketed)
		return ch_refuse(reason, "InfluxQL has no first or last time of a bucket");
	if (col->typmod >= 0 || col->domain)
		return ch_refuse(reason, "each value is to be held against the column's type");
	return true;
}

static bool
ship_target(const ChTable *table, const ChQuery *query, const ChTarget *target, bool bucketed, const char **reason)
{
	const ChColumn *col = target->attno ? ch_column(table, target->attno) : NULL;
	const ChColumn *by = target->by ? ch_column(table, target->by) : NULL;

	if (target->agg == CH_AGG_KEY)
		return true;
	if (target->agg == CH_AGG_COUNT && influx_counts_rows(col, target->distinct))
		return some_field_is_sure(table, query, target) ||
			ch_refuse(reason, "InfluxQL counts fields, and none is known to be in every point (NOT NULL would tell)");
	if (influx_is_time(col))
		return ship_time_target(target, col, bucketed, reason);
	if (!ship_field(col, reason))
		return false;
	if (target->distinct && target->agg != CH_AGG_COUNT && target->agg != CH_AGG_MIN && target->agg != CH_AGG_MAX)
		return ch_refuse(reason, "of DISTINCT values, InfluxQL is asked for the count only");
	if (by && (!influx_is_time(by) || by->typmod >= 0))
		return ch_refuse(reason, "InfluxQL knows the first and the last value by time only");
	if (target->agg == CH_AGG_SUM && col->basetype == NUMERICOID)
		return ch_refuse(reason, "InfluxDB adds up floats, which numeric does exactly");
	if ((target->agg == CH_AGG_MIN || target->agg == CH_AGG_MAX) && (is_plain_text(col) || col->basetype == BOOLOID))
		return ch_refuse(reason, "InfluxQL has min and max of numbers only");
	return true;
}

bool
influx_ship_group(const ChTable *table, const ChQuery *query, const char **reason)
{
	bool		bucketed = false;
	ListCell   *lc;

	if (table_of(table)->sql)
		return ch_refuse(reason, "InfluxDB 3 is asked for points only, as yet");
	if (table->mismatch_null)
		return ch_refuse(reason, "on_type_mismatch = 'null' may make NULLs that the store does not know");
	foreach(lc, query->group)
		if (!ship_key(table, ch_column(table, lfirst_int(lc)), &bucketed, reason))
			return false;
	foreach(lc, query->targets)
		if (!ship_target(table, query, lfirst(lc), bucketed, reason))
			return false;
	return true;
}

/* DISTINCT ON tags, in the order of time: LIMIT counts for each group of series. */
bool
influx_ship_distinct(const ChTable *table, const ChQuery *query, const char **reason)
{
	const ChSortKey *time = NULL;
	ListCell   *lc;

	if (table_of(table)->sql)
		return ch_refuse(reason, "InfluxDB 3 is asked for points only, as yet");
	if (table->mismatch_null)
		return ch_refuse(reason, "on_type_mismatch = 'null' may make NULLs that the store does not know");
	foreach(lc, query->sort)
	{
		const ChSortKey *key = lfirst(lc);
		const ChColumn *col = ch_column(table, key->attno);

		if (foreach_current_index(lc) < query->ndistinct)
		{
			if (col->kind != INFLUX_TAG || !is_plain_text(col))
				return ch_refuse(reason, "InfluxQL has the first points of groups by tags in columns of type text only");
			continue;
		}
		if (!influx_is_time(col) || (time && time->descending != key->descending))
			return ch_refuse(reason, "InfluxDB sorts by time only, in one direction");
		time = key;
	}
	return true;
}
