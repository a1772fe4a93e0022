/*
 * stored.c
 *	  Which value of PostgreSQL does a property hold, and as what?
 *
 * What is read back must equal what was written: a value that would become
 * another one is refused.  A property is a boolean, an integer of 64 bits, a
 * float, a string, bytes, one of the types of times, or a list of values of one
 * of these types but bytes; maps and lists of lists are none.
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "fdw/neo4j/neo4j.h"

/* Is the numeric text exactly this float, as it is read back? */
static bool
is_float(Datum numeric, const char *text, double *f)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];
	Datum		back;

	/* not by float8in, which raises an error beyond its range */
	errno = 0;
	*f = strtod(text, NULL);
	if (errno == ERANGE)
		return false;
	double_to_shortest_decimal_buf(*f, buf);
	back = DirectFunctionCall3(numeric_in, CStringGetDatum(buf), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, numeric, back));
}

/* A numeric becomes an integer, or else a float, whichever is the same number. */
static void
store_decimal(const ChColumn *col, ChValue *v, bool as_float)
{
	char	   *text = pnstrdup(v->u.s.data, v->u.s.len);
	Datum		numeric = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	Numeric		n = DatumGetNumeric(numeric);
	double		f;

	if (!as_float && !numeric_is_nan(n) && !numeric_is_inf(n))
	{
		bool		whole = DatumGetBool(DirectFunctionCall2(numeric_eq, numeric, DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(0))));
		char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, DirectFunctionCall2(numeric_trunc, numeric, Int32GetDatum(0))));
		char	   *end;
		long long	i;

		errno = 0;
		i = strtoll(digits, &end, 10);
		if (whole && errno == 0 && *end == '\0')
		{
			v->kind = CH_INT;
			v->u.i = i;
			return;
		}
	}
	if (!is_float(numeric, text, &f))
		ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
						psprintf("%.60s%s is neither an integer of 64 bits nor a float of 64 bits.",
								 text, strlen(text) > 60 ? "..." : ""),
						"Use a column of type text for numbers of more digits.");
	v->kind = CH_FLOAT;
	v->u.f = f;
}

static void
refuse_time(const ChColumn *col, const char *what)
{
	ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, psprintf("Neo4j has no %s.", what), NULL);
}

static void
check_interval(const ChColumn *col, const Interval *i)
{
	/* as PostgreSQL 17 has them */
	if ((i->month == PG_INT32_MAX && i->day == PG_INT32_MAX && i->time == PG_INT64_MAX) ||
		(i->month == PG_INT32_MIN && i->day == PG_INT32_MIN && i->time == PG_INT64_MIN))
		refuse_time(col, "infinite duration");
}

static void
store_uuid(ChValue *v)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum((pg_uuid_t *) v->u.s.data)));

	*v = ch_string(text, strlen(text));
}

static void
store_scalar(const ChColumn *col, ChValue *v)
{
	switch (v->kind)
	{
		case CH_DECIMAL:
			store_decimal(col, v, false);
			break;
		case CH_UUID:
			store_uuid(v);
			break;
		case CH_UNTYPED:
			v->kind = CH_STRING;
			break;
		case CH_DATE:
			if (DATE_NOT_FINITE((DateADT) v->u.i))
				refuse_time(col, "infinite date");
			break;
		case CH_INSTANT:
		case CH_LOCAL_DATETIME:
			if (TIMESTAMP_NOT_FINITE(v->u.i))
				refuse_time(col, "infinite time");
			break;
		case CH_TIME_OF_DAY:
			if (v->u.i >= USECS_PER_DAY)
				refuse_time(col, "time of day 24:00:00");
			break;
		case CH_INTERVAL:
			check_interval(col, &v->u.interval);
			break;
		case CH_MAP:
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "A property of Neo4j is no map.",
							"Give its members columns of their own, or store it as text.");
			break;
		default:
			break;
	}
}

/* Numbers of jsonb, or of an array of numeric, are all integers or all floats. */
static void
store_numbers(const ChColumn *col, ChValue *items, int n)
{
	bool		floats = false;

	for (int i = 0; i < n; i++)
	{
		ChValue		v = items[i];

		store_decimal(col, &v, false);
		floats = floats || v.kind == CH_FLOAT;
	}
	for (int i = 0; i < n; i++)
		store_decimal(col, &items[i], floats);
}

static void
store_list(const ChColumn *col, ChValue *v)
{
	ChValue    *items = v->u.list.items;
	int			n = v->u.list.n;

	for (int i = 0; i < n; i++)
	{
		if (items[i].kind == CH_NULL)
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "A list of Neo4j has no NULL in it.", NULL);
		if (items[i].kind == CH_LIST || items[i].kind == CH_MAP || items[i].kind == CH_BYTES)
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "A list of Neo4j has no lists, maps or bytes in it.",
							"Store it as text.");
		if (items[i].kind != items[0].kind)
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "A list of Neo4j has values of one type.", "Store it as text.");
	}
	if (n > 0 && items[0].kind == CH_DECIMAL)
		store_numbers(col, items, n);
	for (int i = 0; i < n; i++)
		store_scalar(col, &items[i]);
}

/* timetz is text until here. */
static void
pack_timetz(StringInfo out, const ChColumn *col, const ChValue *v)
{
	const TimeTzADT *t = DatumGetTimeTzADTP(DirectFunctionCall3(timetz_in,
																CStringGetDatum(pnstrdup(v->u.s.data, v->u.s.len)),
																ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	if (t->time >= USECS_PER_DAY)
		refuse_time(col, "time of day 24:00:00");
	neo4j_pack_zoned_time(out, t->time, -t->zone);
}

/* json is text until here, too, and stored as jsonb is. */
static void
parse_json(ChValue *v)
{
	char	   *text = pnstrdup(v->u.s.data, v->u.s.len);
	Datum		jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(pg_any_to_server(text, v->u.s.len, PG_UTF8)));

	(void) ch_content_to_value(jsonb, JSONBOID, v);
}

void
neo4j_pack_property(StringInfo out, const ChColumn *col, ChValue *v)
{
	if (v->kind == CH_UNTYPED && col->basetype == TIMETZOID)
	{
		pack_timetz(out, col, v);
		return;
	}
	if (v->kind == CH_UNTYPED && col->basetype == JSONOID)
	{
		parse_json(v);
		if (v->kind == CH_NULL)
			ch_refuse_json_null(col);
	}
	if (v->kind == CH_LIST)
		store_list(col, v);
	else
		store_scalar(col, v);
	neo4j_pack_stored(out, v);
}
