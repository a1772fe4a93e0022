/*
 * types.c
 *	  What do Neo4j's types mean to PostgreSQL, and PostgreSQL's to Neo4j?
 *
 * Source: "Structure semantics" of the Bolt documentation.  Times come with
 * nanoseconds; PostgreSQL has microseconds, and shows the one that a time lies
 * in (rounding down, before 1970 too), which is what compare.c builds its
 * conditions on.  A time that PostgreSQL's type cannot hold becomes a map of
 * its numbers, which jsonb shows and every other column refuses.
 *
 * Nothing here raises an error: it is called while an answer is read.
 */
#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"

#include "fdw/neo4j/packstream.h"
#include "fdw/neo4j/types.h"

#define NSECS_PER_SEC	INT64CONST(1000000000)
#define NSECS_PER_DAY	(NSECS_PER_SEC * SECS_PER_DAY)
#define EPOCH_DAYS		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define EPOCH_SECS		((int64) EPOCH_DAYS * SECS_PER_DAY)

const char *const neo4j_zoned_time = "ZONED TIME";

/* Does structure tag have n fields, the first ones integers? */
static bool
has_integers(const ChValue *fields, int n)
{
	for (int i = 0; i < n; i++)
		if (fields[i].kind != CH_INT)
			return false;
	return true;
}

static bool
valid_nanos(const ChValue *v)
{
	return v->kind == CH_INT && v->u.i >= 0 && v->u.i < NSECS_PER_SEC;
}

static const char *
take_properties(const ChValue *properties, const char *type, ChValue *v)
{
	if (properties->kind != CH_MAP)
		return "properties are no map";
	*v = *properties;
	v->remote_type = type;
	return NULL;
}

static void
set_member(ChMember *member, const char *key, const ChValue *value)
{
	member->key = key;
	member->keylen = strlen(key);
	member->value = *value;
}

static void
make_map(const char *const *keys, const ChValue *values, int n, const char *type, ChValue *v)
{
	ChMember   *members = palloc(n * sizeof(ChMember));

	for (int i = 0; i < n; i++)
		set_member(&members[i], keys[i], &values[i]);
	v->kind = CH_MAP;
	v->remote_type = type;
	v->u.map.n = n;
	v->u.map.members = members;
}

/* A time of day with an offset has no type of its own in ChValue: ISO text. */
static const char *
take_offset_time(int64 nanos, int64 offset, ChValue *v)
{
	int64		secs = nanos / NSECS_PER_SEC;
	int			zone = (int) (offset < 0 ? -offset : offset);
	char	   *text;

	if (nanos < 0 || nanos >= NSECS_PER_DAY || offset < -SECS_PER_DAY || offset > SECS_PER_DAY)
		return "a time of day is out of range";
	text = palloc(40);
	snprintf(text, 40, "%02d:%02d:%02d.%06d%c%02d:%02d:%02d",
			 (int) (secs / SECS_PER_HOUR), (int) (secs / SECS_PER_MINUTE % 60), (int) (secs % 60),
			 (int) (nanos % NSECS_PER_SEC / 1000), offset < 0 ? '-' : '+',
			 zone / SECS_PER_HOUR, zone / SECS_PER_MINUTE % 60, zone % 60);
	*v = ch_string(text, strlen(text));
	v->remote_type = neo4j_zoned_time;
	return NULL;
}

static const char *
take_local_time(int64 nanos, ChValue *v)
{
	if (nanos < 0 || nanos >= NSECS_PER_DAY)
		return "a time of day is out of range";
	v->kind = CH_TIME_OF_DAY;
	v->remote_type = "LOCAL TIME";
	v->u.i = nanos / 1000;
	return NULL;
}

/* Months, days, seconds, nanoseconds. */
static const char *
take_duration(const ChValue *f, ChValue *v)
{
	static const char *const keys[] = {"months", "days", "seconds", "nanoseconds"};
	int64		usecs;

	if (!valid_nanos(&f[3]))
		return "nanoseconds are out of range";
	if (f[0].u.i < PG_INT32_MIN || f[0].u.i > PG_INT32_MAX ||
		f[1].u.i < PG_INT32_MIN || f[1].u.i > PG_INT32_MAX ||
		pg_mul_s64_overflow(f[2].u.i, USECS_PER_SEC, &usecs) ||
		pg_add_s64_overflow(usecs, f[3].u.i / 1000, &usecs))
	{
		make_map(keys, f, 4, "DURATION", v);
		return NULL;
	}
	v->remote_type = "DURATION";
	v->kind = CH_INTERVAL;
	v->u.interval.month = (int32) f[0].u.i;
	v->u.interval.day = (int32) f[1].u.i;
	v->u.interval.time = usecs;
	return NULL;
}

static const char *
take_date(const ChValue *f, ChValue *v)
{
	static const char *const keys[] = {"epochDay"};
	int64		days;

	if (pg_sub_s64_overflow(f[0].u.i, EPOCH_DAYS, &days) ||
		days < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
		days >= DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
	{
		make_map(keys, f, 1, "DATE", v);
		return NULL;
	}
	v->kind = CH_DATE;
	v->remote_type = "DATE";
	v->u.i = days;
	return NULL;
}

/*
 * Seconds since 1970 and nanoseconds; an offset or the name of a zone that
 * may follow is not kept by timestamptz.
 */
static const char *
take_timestamp(const ChValue *f, ChValueKind kind, const char *type, ChValue *v)
{
	static const char *const keys[] = {"epochSeconds", "nanosecond"};
	int64		secs;
	int64		t;

	if (!valid_nanos(&f[1]))
		return "nanoseconds are out of range";
	if (pg_sub_s64_overflow(f[0].u.i, EPOCH_SECS, &secs) ||
		pg_mul_s64_overflow(secs, USECS_PER_SEC, &t) ||
		pg_add_s64_overflow(t, f[1].u.i / 1000, &t) ||
		!IS_VALID_TIMESTAMP(t))
	{
		make_map(keys, f, 2, type, v);
		return NULL;
	}
	v->kind = kind;
	v->remote_type = type;
	v->u.i = t;
	return NULL;
}

static const char *
take_time(uint8 tag, const ChValue *f, ChValue *v)
{
	ChValue		utc[2];

	switch (tag)
	{
		case 'D':
			return take_date(f, v);
		case 'T':
			return take_offset_time(f[0].u.i, f[1].u.i, v);
		case 't':
			return take_local_time(f[0].u.i, v);
		case 'd':
			return take_timestamp(f, CH_LOCAL_DATETIME, "LOCAL DATETIME", v);
		case 'F':				/* 4.4 without the patch: local seconds */
			utc[0] = f[0];
			utc[1] = f[1];
			if (pg_sub_s64_overflow(f[0].u.i, f[2].u.i, &utc[0].u.i))
				return "a time is out of range";
			return take_timestamp(utc, CH_INSTANT, "ZONED DATETIME", v);
		default:
			return take_timestamp(f, CH_INSTANT, "ZONED DATETIME", v);
	}
}

static const char *
take_path(const ChValue *f, ChValue *v)
{
	static const char *const keys[] = {"nodes", "relationships"};

	if (f[0].kind != CH_LIST || f[1].kind != CH_LIST)
		return "a path has no list of nodes and relationships";
	make_map(keys, f, 2, "PATH", v);
	return NULL;
}

/* The structures of Bolt: how many fields, how many of them integers first. */
static const struct
{
	uint8		tag;
	int			min;
	int			max;
	int			integers;
}			structures[] = {
	{'N', 3, 4, 1}, {'R', 5, 8, 3}, {'r', 3, 4, 1}, {'P', 3, 3, 0},
	{'X', 3, 3, 1}, {'Y', 4, 4, 1},
	{'D', 1, 1, 1}, {'T', 2, 2, 2}, {'t', 1, 1, 1}, {'d', 2, 2, 2},
	{'I', 3, 3, 3}, {'i', 3, 3, 2}, {'F', 3, 3, 3}, {'E', 4, 4, 4},
};

static bool
well_formed(uint8 tag, int n, const ChValue *fields)
{
	for (int i = 0; i < lengthof(structures); i++)
		if (structures[i].tag == tag)
			return n >= structures[i].min && n <= structures[i].max &&
				has_integers(fields, structures[i].integers);
	return false;
}

const char *
neo4j_structure(uint8 tag, int n, const ChValue *fields, ChValue *v)
{
	static const char *const point[] = {"srid", "x", "y", "z"};

	if (!well_formed(tag, n, fields))
		return "an unknown or broken structure";
	switch (tag)
	{
		case 'N':
			return take_properties(&fields[2], "NODE", v);
		case 'R':
			return take_properties(&fields[4], "RELATIONSHIP", v);
		case 'r':				/* of a path: without its ends */
			return take_properties(&fields[2], "RELATIONSHIP", v);
		case 'P':
			return take_path(fields, v);
		case 'X':
		case 'Y':
			make_map(point, fields, n, "POINT", v);
			return NULL;
		case 'E':
			return take_duration(fields, v);
		default:
			return take_time(tag, fields, v);
	}
}

/* ---- parameters -------------------------------------------------------------- */

/* Microseconds as whole seconds and the nanoseconds after them. */
static void
pack_seconds(StringInfo out, int64 usecs, int64 epoch)
{
	int64		secs = usecs / USECS_PER_SEC;
	int64		rest = usecs % USECS_PER_SEC;

	if (rest < 0)
	{
		rest += USECS_PER_SEC;
		secs--;
	}
	neo4j_pack_int(out, secs + epoch);
	neo4j_pack_int(out, rest * 1000);
}

static void
pack_instant(StringInfo out, int64 t, int offset)
{
	neo4j_pack_struct(out, 'I', 3);
	pack_seconds(out, t, EPOCH_SECS);
	neo4j_pack_int(out, offset);
}

static void
pack_interval(StringInfo out, const Interval *interval)
{
	neo4j_pack_struct(out, 'E', 4);
	neo4j_pack_int(out, interval->month);
	neo4j_pack_int(out, interval->day);
	pack_seconds(out, interval->time, 0);
}

void
neo4j_pack_zoned_time(StringInfo out, int64 time, int offset)
{
	neo4j_pack_struct(out, 'T', 2);
	neo4j_pack_int(out, time * 1000);
	neo4j_pack_int(out, offset);
}

static void
pack_list(StringInfo out, const ChValue *v, void (*pack) (StringInfo out, const ChValue *v))
{
	neo4j_pack_list(out, v->u.list.n);
	for (int i = 0; i < v->u.list.n; i++)
		pack(out, &v->u.list.items[i]);
}

void
neo4j_pack_stored(StringInfo out, const ChValue *v)
{
	if (v->kind == CH_INSTANT)
		pack_instant(out, v->u.i, 0);
	else if (v->kind == CH_LIST)
		pack_list(out, v, neo4j_pack_stored);
	else
		neo4j_pack_value(out, v);
}

void
neo4j_pack_value(StringInfo out, const ChValue *v)
{
	switch (v->kind)
	{
		case CH_BOOL:
			neo4j_pack_bool(out, v->u.b);
			break;
		case CH_INT:
			neo4j_pack_int(out, v->u.i);
			break;
		case CH_FLOAT:
			neo4j_pack_float(out, v->u.f);
			break;
		case CH_STRING:
			neo4j_pack_string(out, v->u.s.data, v->u.s.len);
			break;
		case CH_BYTES:
			neo4j_pack_bytes(out, v->u.s.data, v->u.s.len);
			break;
		case CH_DATE:
			neo4j_pack_struct(out, 'D', 1);
			neo4j_pack_int(out, v->u.i + EPOCH_DAYS);
			break;
		case CH_TIME_OF_DAY:
			neo4j_pack_struct(out, 't', 1);
			neo4j_pack_int(out, v->u.i * 1000);
			break;
		case CH_LOCAL_DATETIME:
			neo4j_pack_struct(out, 'd', 2);
			pack_seconds(out, v->u.i, EPOCH_SECS);
			break;
		case CH_INSTANT:
			pack_instant(out, v->u.i, NEO4J_FIRST_OFFSET);
			break;
		case CH_INTERVAL:
			pack_interval(out, &v->u.interval);
			break;
		case CH_LIST:
			pack_list(out, v, neo4j_pack_value);
			break;
		default:
			neo4j_pack_null(out);
	}
}
