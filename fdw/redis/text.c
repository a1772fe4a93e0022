/*
 * text.c
 *	  Values of PostgreSQL as the text that Redis keeps.
 *
 * It is what the type's output function prints, independent of the session's
 * settings, so that the input function reads the same value from it; a boolean
 * is true or false, as other programs write it.  What would be read back as
 * another value is refused.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* A year of time to live is less than this; more than 10,000 of them Redis may not add to its clock. */
#define TTL_MAX_MS (INT64CONST(10000) * 366 * 86400 * 1000)

static RedisBytes
bytes_of(const char *data)
{
	RedisBytes	b = {data, strlen(data)};

	return b;
}

/* ---- times ----------------------------------------------------------------------- */

static char *
timestamp_text(Timestamp t, bool zone)
{
	char	   *text = palloc(MAXDATELEN + 1);
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(t))
		EncodeSpecialTimestamp(t, text);
	else if (timestamp2tm(t, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0;		/* else no zone is printed */
		EncodeDateTime(&tm, fsec, zone, 0, NULL, USE_ISO_DATES, text);
	}
	else
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return text;
}

static char *
date_text(DateADT date)
{
	char	   *text = palloc(MAXDATELEN + 1);
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, text);
	else
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
	}
	return text;
}

static char *
time_text(TimeADT time)
{
	char	   *text = palloc(MAXDATELEN + 1);
	struct pg_tm tm;
	fsec_t		fsec;

	time2tm(time, &tm, &fsec);
	EncodeTimeOnly(&tm, fsec, false, 0, USE_ISO_DATES, text);
	return text;
}

/* ---- any value --------------------------------------------------------------------- */

static char *
float_text(const ChColumn *col, double f)
{
	char	   *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	if (col->basetype == FLOAT4OID)
		float_to_shortest_decimal_buf((float) f, text);
	else
		double_to_shortest_decimal_buf(f, text);
	return text;
}

RedisBytes
redis_text_of(const ChColumn *col, const ChValue *v)
{
	RedisBytes	b;

	switch (v->kind)
	{
		case CH_BOOL:
			return bytes_of(v->u.b ? "true" : "false");
		case CH_INT:
			return bytes_of(psprintf(INT64_FORMAT, v->u.i));
		case CH_FLOAT:
			return bytes_of(float_text(col, v->u.f));
		case CH_UUID:
			return bytes_of(DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(v->u.s.data))));
		case CH_INSTANT:
			return bytes_of(timestamp_text(v->u.i, true));
		case CH_LOCAL_DATETIME:
			return bytes_of(timestamp_text(v->u.i, false));
		case CH_DATE:
			return bytes_of(date_text((DateADT) v->u.i));
		case CH_TIME_OF_DAY:
			return bytes_of(time_text(v->u.i));
		case CH_DECIMAL:
		case CH_STRING:
		case CH_UNTYPED:
		case CH_BYTES:
			b.data = v->u.s.data;
			b.len = v->u.s.len;
			return b;
		default:
			elog(ERROR, "a value of kind %d has no text", v->kind);
	}
}

/* ---- scores ------------------------------------------------------------------------- */

static bool
same_numeric(double score, const ChValue *v)
{
	ChValue		f = {.kind = CH_FLOAT,.u.f = score};

	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(ch_value_to_numeric(&f)),
											NumericGetDatum(ch_value_to_numeric(v))));
}

static double
number_of(const ChColumn *col, const ChValue *v)
{
	double		d;

	switch (v->kind)
	{
		case CH_FLOAT:
			return v->u.f;
		case CH_INT:
			d = (double) v->u.i;
			if (d < 9223372036854775808.0 && (int64) d == v->u.i)
				return d;
			break;
		default:
			d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(ch_value_to_numeric(v))));
			if (isnan(d) || same_numeric(d, v))
				return d;
	}
	ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "A score is a double, which does not hold this number exactly.", NULL);
}

double
redis_score_of(const ChColumn *col, const ChValue *v)
{
	double		score;

	if (v->kind == CH_NULL)
		ch_refuse_value(col, ERRCODE_NOT_NULL_VIOLATION, "A member of a sorted set has a score.", NULL);
	score = number_of(col, v);
	if (isnan(score))
		ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "A score cannot be NaN.", NULL);
	return score;
}

RedisBytes
redis_score_text(double score)
{
	char	   *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	if (isinf(score))
		return bytes_of(score < 0 ? "-inf" : "inf");
	double_to_shortest_decimal_buf(score, text);
	return bytes_of(text);
}

/* ---- time to live --------------------------------------------------------------------- */

/* Months of 30 and days of 24 hours, as intervals compare. */
static double
interval_ms(const ChValue *v)
{
	Interval   *iv = DatumGetIntervalP(DirectFunctionCall3(interval_in,
														   CStringGetDatum(pnstrdup(v->u.s.data, v->u.s.len)),
														   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	return ((double) iv->month * DAYS_PER_MONTH + iv->day) * SECS_PER_DAY * 1000.0 + iv->time / 1000.0;
}

int64
redis_ttl_of(const ChColumn *col, const ChValue *v)
{
	double		ms;

	if (col->basetype == INTERVALOID)
		ms = interval_ms(v);
	else if (v->kind == CH_INT)
		ms = v->u.i * 1000.0;
	else if (v->kind == CH_FLOAT)
		ms = v->u.f * 1000.0;
	else
		ms = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(ch_value_to_numeric(v)))) * 1000.0;
	ms = rint(ms);
	if (!(ms >= 1))
		ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "A time to live is a millisecond or more.",
						"DELETE the row to be rid of it; NULL is a row that does not expire.");
	if (ms > TTL_MAX_MS)
		ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "A time to live is 10,000 years or less.",
						"NULL is a row that does not expire.");
	return (int64) ms;
}

/* ---- all fields as an object ------------------------------------------------------------ */

RedisBytes *
redis_fields_of(const ChColumn *col, const ChValue *v, int *n)
{
	char	   *text = pg_any_to_server(pnstrdup(v->u.s.data, v->u.s.len), v->u.s.len, PG_UTF8);
	ChValue		map;
	RedisBytes *fields;

	(void) ch_content_to_value(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)), JSONBOID, &map);
	if (map.kind != CH_MAP)
		ch_refuse_value(col, ERRCODE_INVALID_PARAMETER_VALUE, "All fields of a row are an object.", NULL);
	fields = palloc(Max(2 * map.u.map.n, 1) * sizeof(RedisBytes));
	*n = 2 * map.u.map.n;
	for (int i = 0; i < map.u.map.n; i++)
	{
		const ChMember *m = &map.u.map.members[i];

		if (m->value.kind != CH_STRING)
			ch_refuse_value(col, ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("Redis keeps text only, and the value of \"%s\" is none.", redis_printable(m->key, m->keylen)),
							"Write numbers and other values as strings.");
		fields[2 * i] = (RedisBytes) {m->key, m->keylen};
		fields[2 * i + 1] = (RedisBytes) {m->value.u.s.data, m->value.u.s.len};
	}
	return fields;
}
