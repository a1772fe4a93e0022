/*
 * candlestick.c
 *	  The aggregate candlestick: open, high, low, close, volume, vwap and more of
 *	  trades in one pass, of double precision and of numeric.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "extension/analytics.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* When it was opened and closed, and by how many rows it was made. */
typedef struct Span
{
	TimestampTz open_time;
	TimestampTz close_time;
	int64		trades;
} Span;

typedef struct Candle
{
	Span		span;
	double		open;
	double		high;
	double		low;
	double		close;
	FloatSums	sums;
} Candle;

typedef enum PriceIndex
{
	OPEN,
	HIGH,
	LOW,
	CLOSE
} PriceIndex;

typedef struct NumericCandle
{
	Span		span;
	Datum		prices[4];		/* by PriceIndex; each a copy of its own */
	NumericSums sums;
} NumericCandle;

/* What a later part changes of the earlier one. */
typedef struct Change
{
	bool		opens;
	bool		closes;
} Change;

/* Put span b into a; the first one is what it is. */
static Change
extend(Span *a, const Span *b)
{
	Change		change = {
		.opens = a->trades == 0 || b->open_time < a->open_time,
		.closes = a->trades == 0 || b->close_time > a->close_time
	};

	if (change.opens)
		a->open_time = b->open_time;
	if (change.closes)
		a->close_time = b->close_time;
	a->trades += b->trades;
	return change;
}

/* The span of a single row, false if it does not count. */
static bool
span_of_row(FunctionCallInfo fcinfo, Span *span)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return false;
	span->open_time = span->close_time = PG_GETARG_TIMESTAMPTZ(1);
	span->trades = 1;
	return true;
}

/* The state that is changed, a new one at first. */
static void *
state_to_change(FunctionCallInfo fcinfo, Size size)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);

	return PG_ARGISNULL(0) ? MemoryContextAllocZero(cxt, size) : PG_GETARG_POINTER(0);
}

/* Columns of the types candlestick and candlestick_numeric. */
enum
{
	COL_VOLUME = CLOSE + 1,
	COL_VWAP,
	COL_OPEN_TIME,
	COL_CLOSE_TIME,
	COL_TRADES,
	NCOLS
};

static Datum
make_row(FunctionCallInfo fcinfo, const Span *span, Datum *values, bool *nulls)
{
	TupleDesc	desc = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (desc == NULL)
	{
		old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != NCOLS)
			elog(ERROR, "the result type of candlestick() is not what it was");
		fcinfo->flinfo->fn_extra = desc = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old);
	}
	values[COL_OPEN_TIME] = TimestampTzGetDatum(span->open_time);
	values[COL_CLOSE_TIME] = TimestampTzGetDatum(span->close_time);
	values[COL_TRADES] = Int64GetDatum(span->trades);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* ---- double precision ---------------------------------------------------------------- */

/* NaN is above every number, as PostgreSQL sorts. */
static void
merge(Candle *a, const Candle *b)
{
	bool		first = a->span.trades == 0;
	Change		change = extend(&a->span, &b->span);

	if (change.opens)
		a->open = b->open;
	if (change.closes)
		a->close = b->close;
	if (first || float8_gt(b->high, a->high))
		a->high = b->high;
	if (first || float8_lt(b->low, a->low))
		a->low = b->low;
	ch_combine_float(&a->sums, &b->sums);
}

PG_FUNCTION_INFO_V1(ch_candlestick_step);
Datum
ch_candlestick_step(PG_FUNCTION_ARGS)
{
	Candle		row = {0};
	Candle	   *candle;

	if (!span_of_row(fcinfo, &row.span))
		return ch_return_state(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_POINTER(0));
	candle = state_to_change(fcinfo, sizeof(Candle));
	row.open = row.high = row.low = row.close = PG_GETARG_FLOAT8(2);
	if (!PG_ARGISNULL(3))
		ch_add_float(&row.sums, row.close, PG_GETARG_FLOAT8(3));
	merge(candle, &row);
	PG_RETURN_POINTER(candle);
}

PG_FUNCTION_INFO_V1(ch_candlestick_combine);
Datum
ch_candlestick_combine(PG_FUNCTION_ARGS)
{
	Candle	   *candle;

	if (PG_ARGISNULL(1))
		return ch_return_state(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_POINTER(0));
	candle = state_to_change(fcinfo, sizeof(Candle));
	merge(candle, (Candle *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(candle);
}

PG_FUNCTION_INFO_V1(ch_candlestick_serialize);
Datum
ch_candlestick_serialize(PG_FUNCTION_ARGS)
{
	return ch_bytes_of_state(PG_GETARG_POINTER(0), sizeof(Candle));
}

PG_FUNCTION_INFO_V1(ch_candlestick_deserialize);
Datum
ch_candlestick_deserialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(ch_state_of_bytes(fcinfo, sizeof(Candle)));
}

PG_FUNCTION_INFO_V1(ch_candlestick_value);
Datum
ch_candlestick_value(PG_FUNCTION_ARGS)
{
	Candle	   *candle;
	double		vwap = 0;
	Datum		values[NCOLS];
	bool		nulls[NCOLS] = {0};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	candle = (Candle *) PG_GETARG_POINTER(0);
	values[OPEN] = Float8GetDatum(candle->open);
	values[HIGH] = Float8GetDatum(candle->high);
	values[LOW] = Float8GetDatum(candle->low);
	values[CLOSE] = Float8GetDatum(candle->close);
	values[COL_VOLUME] = Float8GetDatum(candle->sums.qty);
	nulls[COL_VOLUME] = candle->sums.rows == 0;
	nulls[COL_VWAP] = !ch_vwap_float(&candle->sums, &vwap);
	values[COL_VWAP] = Float8GetDatum(vwap);
	return make_row(fcinfo, &candle->span, values, nulls);
}

/* ---- numeric ---------------------------------------------------------------------------- */

static void
set_price(MemoryContext cxt, NumericCandle *candle, PriceIndex i, Datum price)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Datum		had = candle->prices[i];

	candle->prices[i] = datumCopy(price, false, -1);
	MemoryContextSwitchTo(old);
	if (had != (Datum) 0)
		pfree(DatumGetPointer(had));
}

static int
compare_prices(Datum a, Datum b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, a, b));
}

/* Everything but the sums. */
static void
merge_numeric(FunctionCallInfo fcinfo, NumericCandle *a, const NumericCandle *b)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	bool		first = a->span.trades == 0;
	Change		change = extend(&a->span, &b->span);

	if (change.opens)
		set_price(cxt, a, OPEN, b->prices[OPEN]);
	if (change.closes)
		set_price(cxt, a, CLOSE, b->prices[CLOSE]);
	if (first || compare_prices(b->prices[HIGH], a->prices[HIGH]) > 0)
		set_price(cxt, a, HIGH, b->prices[HIGH]);
	if (first || compare_prices(b->prices[LOW], a->prices[LOW]) < 0)
		set_price(cxt, a, LOW, b->prices[LOW]);
}

PG_FUNCTION_INFO_V1(ch_candlestick_numeric_step);
Datum
ch_candlestick_numeric_step(PG_FUNCTION_ARGS)
{
	NumericCandle row = {0};
	NumericCandle *candle;
	Datum		price;

	if (!span_of_row(fcinfo, &row.span))
		return ch_return_state(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_POINTER(0));
	candle = state_to_change(fcinfo, sizeof(NumericCandle));
	/* unpacked once for all that looks at it */
	price = NumericGetDatum(PG_GETARG_NUMERIC(2));
	for (int i = OPEN; i <= CLOSE; i++)
		row.prices[i] = price;
	merge_numeric(fcinfo, candle, &row);
	if (!PG_ARGISNULL(3))
		ch_add_numeric(fcinfo, &candle->sums, price, PG_GETARG_DATUM(3));
	PG_RETURN_POINTER(candle);
}

PG_FUNCTION_INFO_V1(ch_candlestick_numeric_combine);
Datum
ch_candlestick_numeric_combine(PG_FUNCTION_ARGS)
{
	NumericCandle *candle;
	NumericCandle *part;

	if (PG_ARGISNULL(1))
		return ch_return_state(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_POINTER(0));
	candle = state_to_change(fcinfo, sizeof(NumericCandle));
	part = (NumericCandle *) PG_GETARG_POINTER(1);
	merge_numeric(fcinfo, candle, part);
	ch_combine_numeric(fcinfo, &candle->sums, &part->sums);
	PG_RETURN_POINTER(candle);
}

PG_FUNCTION_INFO_V1(ch_candlestick_numeric_serialize);
Datum
ch_candlestick_numeric_serialize(PG_FUNCTION_ARGS)
{
	NumericCandle *candle = (NumericCandle *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, (const char *) &candle->span, sizeof(Span));
	for (int i = OPEN; i <= CLOSE; i++)
	{
		int			len = VARSIZE_ANY(DatumGetPointer(candle->prices[i]));

		pq_sendint32(&buf, len);
		pq_sendbytes(&buf, DatumGetPointer(candle->prices[i]), len);
	}
	ch_write_numeric(fcinfo, &buf, &candle->sums);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

PG_FUNCTION_INFO_V1(ch_candlestick_numeric_deserialize);
Datum
ch_candlestick_numeric_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	NumericCandle *candle = palloc(sizeof(NumericCandle));
	StringInfoData buf;

	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	pq_copymsgbytes(&buf, (char *) &candle->span, sizeof(Span));
	for (int i = OPEN; i <= CLOSE; i++)
	{
		int			len = pq_getmsgint(&buf, 4);
		char	   *price = palloc(len);

		pq_copymsgbytes(&buf, price, len);
		candle->prices[i] = PointerGetDatum(price);
	}
	ch_read_numeric(fcinfo, &buf, &candle->sums);
	PG_RETURN_POINTER(candle);
}

PG_FUNCTION_INFO_V1(ch_candlestick_numeric_value);
Datum
ch_candlestick_numeric_value(PG_FUNCTION_ARGS)
{
	NumericCandle *candle;
	Datum		values[NCOLS];
	bool		nulls[NCOLS] = {0};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	candle = (NumericCandle *) PG_GETARG_POINTER(0);
	for (int i = OPEN; i <= CLOSE; i++)
		values[i] = candle->prices[i];
	nulls[COL_VOLUME] = !ch_volume_numeric(fcinfo, &candle->sums, &values[COL_VOLUME]);
	nulls[COL_VWAP] = !ch_vwap_numeric(fcinfo, &candle->sums, &values[COL_VWAP]);
	return make_row(fcinfo, &candle->span, values, nulls);
}
