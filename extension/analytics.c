/*
 * analytics.c
 *	  Aggregates for time series: first, last, vwap, candlestick.
 *
 * All states can be combined, so that parallel workers share the work.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext cxt;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "called outside of an aggregate");
	return cxt;
}

/* ---- first and last ------------------------------------------------------------ */

/* A value, and the time by which it was chosen. */
typedef struct End
{
	Oid			value_type;
	Oid			time_type;
	int16		value_len;
	int16		time_len;
	bool		value_byval;
	bool		time_byval;
	FmgrInfo   *compare;
	Datum		value;
	Datum		time;
} End;

static End *
make_end(MemoryContext cxt, Oid value_type, Oid time_type)
{
	End		   *end = MemoryContextAllocZero(cxt, sizeof(End));
	TypeCacheEntry *cache = lookup_type_cache(time_type, TYPECACHE_CMP_PROC_FINFO);

	if (!OidIsValid(cache->cmp_proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("type %s has no order", format_type_be(time_type)),
				 errdetail("The second argument of first() and last() decides which value comes first.")));
	end->value_type = value_type;
	end->time_type = time_type;
	get_typlenbyval(value_type, &end->value_len, &end->value_byval);
	get_typlenbyval(time_type, &end->time_len, &end->time_byval);
	end->compare = &cache->cmp_proc_finfo;
	return end;
}

static Datum
keep(MemoryContext cxt, Datum value, bool byval, int16 len)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);

	if (len == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, byval, len);
	MemoryContextSwitchTo(old);
	return value;
}

static void
replace(MemoryContext cxt, End *end, bool had, Datum value, Datum time)
{
	Datum		old_value = end->value;
	Datum		old_time = end->time;

	end->value = keep(cxt, value, end->value_byval, end->value_len);
	end->time = keep(cxt, time, end->time_byval, end->time_len);
	if (had && !end->value_byval)
		pfree(DatumGetPointer(old_value));
	if (had && !end->time_byval)
		pfree(DatumGetPointer(old_time));
}

static int
compare_times(FunctionCallInfo fcinfo, const End *end, Datum time)
{
	return DatumGetInt32(FunctionCall2Coll(end->compare, PG_GET_COLLATION(), time, end->time));
}

/* sign: the comparison with the time kept so far that replaces it */
static Datum
end_step(FunctionCallInfo fcinfo, int sign)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	End		   *end = PG_ARGISNULL(0) ? NULL : (End *) PG_GETARG_POINTER(0);
	bool		had = end != NULL;
	int			order;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (had)
			PG_RETURN_POINTER(end);
		PG_RETURN_NULL();
	}
	if (!had)
		end = make_end(cxt, get_fn_expr_argtype(fcinfo->flinfo, 1), get_fn_expr_argtype(fcinfo->flinfo, 2));
	else
	{
		order = compare_times(fcinfo, end, PG_GETARG_DATUM(2));
		if (sign < 0 ? order >= 0 : order <= 0)
			PG_RETURN_POINTER(end);
	}
	replace(cxt, end, had, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
	PG_RETURN_POINTER(end);
}

static Datum
end_combine(FunctionCallInfo fcinfo, int sign)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	End		   *a = PG_ARGISNULL(0) ? NULL : (End *) PG_GETARG_POINTER(0);
	End		   *b = PG_ARGISNULL(1) ? NULL : (End *) PG_GETARG_POINTER(1);
	int			order;

	if (b == NULL)
	{
		if (a)
			PG_RETURN_POINTER(a);
		PG_RETURN_NULL();
	}
	if (a == NULL)
	{
		a = make_end(cxt, b->value_type, b->time_type);
		replace(cxt, a, false, b->value, b->time);
		PG_RETURN_POINTER(a);
	}
	order = compare_times(fcinfo, a, b->time);
	if (sign < 0 ? order < 0 : order > 0)
		replace(cxt, a, true, b->value, b->time);
	PG_RETURN_POINTER(a);
}

PG_FUNCTION_INFO_V1(ch_first_step);
Datum
ch_first_step(PG_FUNCTION_ARGS)
{
	return end_step(fcinfo, -1);
}

PG_FUNCTION_INFO_V1(ch_last_step);
Datum
ch_last_step(PG_FUNCTION_ARGS)
{
	return end_step(fcinfo, 1);
}

PG_FUNCTION_INFO_V1(ch_first_combine);
Datum
ch_first_combine(PG_FUNCTION_ARGS)
{
	return end_combine(fcinfo, -1);
}

PG_FUNCTION_INFO_V1(ch_last_combine);
Datum
ch_last_combine(PG_FUNCTION_ARGS)
{
	return end_combine(fcinfo, 1);
}

static void
send_datum(StringInfo buf, Oid type, Datum value)
{
	Oid			function;
	bool		varlena;
	bytea	   *bytes;

	getTypeBinaryOutputInfo(type, &function, &varlena);
	bytes = OidSendFunctionCall(function, value);
	pq_sendint32(buf, type);
	pq_sendint32(buf, VARSIZE_ANY_EXHDR(bytes));
	pq_sendbytes(buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static Datum
receive_datum(StringInfo buf, Oid *type)
{
	Oid			function;
	Oid			ioparam;
	int			len;
	StringInfoData value;

	*type = pq_getmsgint(buf, 4);
	len = pq_getmsgint(buf, 4);
	initStringInfo(&value);
	appendBinaryStringInfo(&value, pq_getmsgbytes(buf, len), len);
	getTypeBinaryInputInfo(*type, &function, &ioparam);
	return OidReceiveFunctionCall(function, &value, ioparam, -1);
}

PG_FUNCTION_INFO_V1(ch_end_serialize);
Datum
ch_end_serialize(PG_FUNCTION_ARGS)
{
	End		   *end = (End *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	send_datum(&buf, end->value_type, end->value);
	send_datum(&buf, end->time_type, end->time);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

PG_FUNCTION_INFO_V1(ch_end_deserialize);
Datum
ch_end_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData buf;
	Oid			value_type;
	Oid			time_type;
	Datum		value;
	Datum		time;
	End		   *end;

	(void) aggregate_context(fcinfo);
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	value = receive_datum(&buf, &value_type);
	time = receive_datum(&buf, &time_type);
	end = make_end(CurrentMemoryContext, value_type, time_type);
	replace(CurrentMemoryContext, end, false, value, time);
	PG_RETURN_POINTER(end);
}

PG_FUNCTION_INFO_V1(ch_end_value);
Datum
ch_end_value(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(((End *) PG_GETARG_POINTER(0))->value);
}

/* ---- vwap ------------------------------------------------------------------------- */

/* The state is an array: sum(price * qty), sum(qty). */
static double *
vwap_state(FunctionCallInfo fcinfo, int n)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(n);

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != 2 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID)
		elog(ERROR, "the state of vwap is no array of two numbers");
	return (double *) ARR_DATA_PTR(array);
}

/* Inside an aggregate the state may be changed where it is. */
static Datum
vwap_result(FunctionCallInfo fcinfo, double *state, double amount, double qty)
{
	Datum		values[2];

	if (AggCheckCallContext(fcinfo, NULL))
	{
		state[0] = amount;
		state[1] = qty;
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	values[0] = Float8GetDatum(amount);
	values[1] = Float8GetDatum(qty);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, 2, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

PG_FUNCTION_INFO_V1(ch_vwap_step);
Datum
ch_vwap_step(PG_FUNCTION_ARGS)
{
	double	   *state = vwap_state(fcinfo, 0);
	double		qty = PG_GETARG_FLOAT8(2);

	return vwap_result(fcinfo, state, float8_pl(state[0], float8_mul(PG_GETARG_FLOAT8(1), qty)),
					   float8_pl(state[1], qty));
}

PG_FUNCTION_INFO_V1(ch_vwap_combine);
Datum
ch_vwap_combine(PG_FUNCTION_ARGS)
{
	double	   *a = vwap_state(fcinfo, 0);
	double	   *b = vwap_state(fcinfo, 1);

	return vwap_result(fcinfo, a, float8_pl(a[0], b[0]), float8_pl(a[1], b[1]));
}

PG_FUNCTION_INFO_V1(ch_vwap_value);
Datum
ch_vwap_value(PG_FUNCTION_ARGS)
{
	double	   *state = vwap_state(fcinfo, 0);

	if (state[1] == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(float8_div(state[0], state[1]));
}

static void
vwap_numeric_state(FunctionCallInfo fcinfo, int n, Datum *amount, Datum *qty)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), NUMERICOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count != 2 || nulls[0] || nulls[1])
		elog(ERROR, "the state of vwap is no array of two numbers");
	*amount = values[0];
	*qty = values[1];
}

static Datum
vwap_numeric_sum(Datum amount, Datum more_amount, Datum qty, Datum more_qty)
{
	Datum		values[2];

	values[0] = DirectFunctionCall2(numeric_add, amount, more_amount);
	values[1] = DirectFunctionCall2(numeric_add, qty, more_qty);
	return PointerGetDatum(construct_array(values, 2, NUMERICOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_step);
Datum
ch_vwap_numeric_step(PG_FUNCTION_ARGS)
{
	Datum		amount;
	Datum		qty;

	vwap_numeric_state(fcinfo, 0, &amount, &qty);
	return vwap_numeric_sum(amount, DirectFunctionCall2(numeric_mul, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)),
							qty, PG_GETARG_DATUM(2));
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_combine);
Datum
ch_vwap_numeric_combine(PG_FUNCTION_ARGS)
{
	Datum		amount;
	Datum		qty;
	Datum		more_amount;
	Datum		more_qty;

	vwap_numeric_state(fcinfo, 0, &amount, &qty);
	vwap_numeric_state(fcinfo, 1, &more_amount, &more_qty);
	return vwap_numeric_sum(amount, more_amount, qty, more_qty);
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_value);
Datum
ch_vwap_numeric_value(PG_FUNCTION_ARGS)
{
	Datum		amount;
	Datum		qty;

	vwap_numeric_state(fcinfo, 0, &amount, &qty);
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, qty, NumericGetDatum(int64_to_numeric(0)))))
		PG_RETURN_NULL();
	return DirectFunctionCall2(numeric_div, amount, qty);
}

/* ---- candlestick --------------------------------------------------------------------- */

typedef struct Candle
{
	TimestampTz open_time;
	TimestampTz close_time;
	double		open;
	double		high;
	double		low;
	double		close;
	double		volume;
	double		amount;			/* sum(price * qty) */
	int64		trades;
} Candle;

/* NaN is above every number, as PostgreSQL sorts. */
static void
widen(Candle *c, double high, double low)
{
	if (float8_gt(high, c->high))
		c->high = high;
	if (float8_lt(low, c->low))
		c->low = low;
}

PG_FUNCTION_INFO_V1(ch_candlestick_step);
Datum
ch_candlestick_step(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	Candle	   *c = PG_ARGISNULL(0) ? NULL : (Candle *) PG_GETARG_POINTER(0);
	double		qty = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
	TimestampTz time;
	double		price;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (c)
			PG_RETURN_POINTER(c);
		PG_RETURN_NULL();
	}
	time = PG_GETARG_TIMESTAMPTZ(1);
	price = PG_GETARG_FLOAT8(2);
	if (c == NULL)
	{
		c = MemoryContextAllocZero(cxt, sizeof(Candle));
		c->open = c->high = c->low = c->close = price;
		c->open_time = c->close_time = time;
	}
	if (time < c->open_time)
	{
		c->open_time = time;
		c->open = price;
	}
	if (time > c->close_time)
	{
		c->close_time = time;
		c->close = price;
	}
	widen(c, price, price);
	c->volume = float8_pl(c->volume, qty);
	c->amount = float8_pl(c->amount, float8_mul(price, qty));
	c->trades++;
	PG_RETURN_POINTER(c);
}

PG_FUNCTION_INFO_V1(ch_candlestick_combine);
Datum
ch_candlestick_combine(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = aggregate_context(fcinfo);
	Candle	   *a = PG_ARGISNULL(0) ? NULL : (Candle *) PG_GETARG_POINTER(0);
	Candle	   *b = PG_ARGISNULL(1) ? NULL : (Candle *) PG_GETARG_POINTER(1);

	if (b == NULL)
	{
		if (a)
			PG_RETURN_POINTER(a);
		PG_RETURN_NULL();
	}
	if (a == NULL)
	{
		a = MemoryContextAlloc(cxt, sizeof(Candle));
		*a = *b;
		PG_RETURN_POINTER(a);
	}
	if (b->open_time < a->open_time)
	{
		a->open_time = b->open_time;
		a->open = b->open;
	}
	if (b->close_time > a->close_time)
	{
		a->close_time = b->close_time;
		a->close = b->close;
	}
	widen(a, b->high, b->low);
	a->volume = float8_pl(a->volume, b->volume);
	a->amount = float8_pl(a->amount, b->amount);
	a->trades += b->trades;
	PG_RETURN_POINTER(a);
}

/* Workers run the same program: the state goes as it is. */
PG_FUNCTION_INFO_V1(ch_candlestick_serialize);
Datum
ch_candlestick_serialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = palloc(VARHDRSZ + sizeof(Candle));

	SET_VARSIZE(bytes, VARHDRSZ + sizeof(Candle));
	memcpy(VARDATA(bytes), PG_GETARG_POINTER(0), sizeof(Candle));
	PG_RETURN_BYTEA_P(bytes);
}

PG_FUNCTION_INFO_V1(ch_candlestick_deserialize);
Datum
ch_candlestick_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	Candle	   *c = palloc(sizeof(Candle));

	(void) aggregate_context(fcinfo);
	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(Candle))
		elog(ERROR, "a partial state of candlestick has %d bytes", (int) VARSIZE_ANY_EXHDR(bytes));
	memcpy(c, VARDATA_ANY(bytes), sizeof(Candle));
	PG_RETURN_POINTER(c);
}

PG_FUNCTION_INFO_V1(ch_candlestick_value);
Datum
ch_candlestick_value(PG_FUNCTION_ARGS)
{
	Candle	   *c;
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {0};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	c = (Candle *) PG_GETARG_POINTER(0);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(values))
		elog(ERROR, "type candlestick is not what it was");
	values[0] = Float8GetDatum(c->open);
	values[1] = Float8GetDatum(c->high);
	values[2] = Float8GetDatum(c->low);
	values[3] = Float8GetDatum(c->close);
	values[4] = Float8GetDatum(c->volume);
	nulls[5] = c->volume == 0;
	values[5] = nulls[5] ? (Datum) 0 : Float8GetDatum(float8_div(c->amount, c->volume));
	values[6] = Int64GetDatum(c->trades);
	values[7] = TimestampTzGetDatum(c->open_time);
	values[8] = TimestampTzGetDatum(c->close_time);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
