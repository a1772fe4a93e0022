/*
 * analytics.c
 *	  Aggregates for time series: first, last, vwap.  candlestick.c has the
 *	  fourth, which shares the sums of vwap.
 *
 * All states can be combined, so that parallel workers share the work.  A
 * worker runs the same program on the same machine, so its states travel as
 * they lie in memory; a type needs no binary format of its own for that.
 */
#include "postgres.h"

#include "extension/analytics.h"
#include "libpq/pqformat.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

MemoryContext
ch_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext cxt;

	if (!AggCheckCallContext(fcinfo, &cxt))
		elog(ERROR, "called outside of an aggregate");
	return cxt;
}

Datum
ch_return_state(FunctionCallInfo fcinfo, void *state)
{
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

static void *
state_of(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_POINTER(n);
}

Datum
ch_bytes_of_state(const void *state, Size size)
{
	bytea	   *bytes = palloc(VARHDRSZ + size);

	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), state, size);
	PG_RETURN_BYTEA_P(bytes);
}

void *
ch_state_of_bytes(FunctionCallInfo fcinfo, Size size)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	void	   *state = palloc(size);

	(void) ch_aggregate_context(fcinfo);
	if (VARSIZE_ANY_EXHDR(bytes) != size)
		elog(ERROR, "a partial state has %zu bytes, not %zu", (Size) VARSIZE_ANY_EXHDR(bytes), size);
	memcpy(state, VARDATA_ANY(bytes), size);
	return state;
}

/* ---- first and last ------------------------------------------------------------ */

/* What the values and times of a call are. */
typedef struct EndKind
{
	Oid			value_type;
	Oid			time_type;
	Oid			collation;		/* of the time */
	int16		value_len;
	int16		time_len;
	bool		value_byval;
	bool		time_byval;
	FmgrInfo   *compare;		/* of the type cache, which forgets no type */
} EndKind;

/* A value, and the time by which it was chosen. */
typedef struct End
{
	EndKind		kind;
	Datum		value;
	Datum		time;
} End;

/*
 * A function's collation comes from all of its arguments, but only the time
 * is compared, and its order must be that of min(time) and ORDER BY time.  A
 * window does not tell which of its calls is running; those that may be it
 * are asked.
 */
static Oid
time_collation(FunctionCallInfo fcinfo, Oid time_type)
{
	Aggref	   *ref = AggGetAggref(fcinfo);
	Oid			found = InvalidOid;
	ListCell   *cell;

	if (ref != NULL)
		return exprCollation((Node *) lsecond_node(TargetEntry, ref->args)->expr);
	foreach(cell, castNode(WindowAggState, fcinfo->context)->funcs)
	{
		WindowFunc *call = ((WindowFuncExprState *) lfirst(cell))->wfunc;
		Oid			collation;

		if (call->inputcollid != PG_GET_COLLATION() || list_length(call->args) != 2 ||
			exprType(lsecond(call->args)) != time_type)
			continue;
		collation = exprCollation(lsecond(call->args));
		if (OidIsValid(found) && collation != found)
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_COLLATION),
					 errmsg("could not determine which collation first() or last() over a window compares times by"),
					 errhint("Use COLLATE clauses that give the values and times of the window's functions one collation.")));
		found = collation;
	}
	return found;
}

/* Describe a call's types once; later groups and states take the same. */
static const EndKind *
describe(FunctionCallInfo fcinfo, Oid value_type, Oid time_type, Oid collation)
{
	EndKind    *kind = fcinfo->flinfo->fn_extra;
	TypeCacheEntry *cache = lookup_type_cache(time_type, TYPECACHE_CMP_PROC_FINFO);

	if (!OidIsValid(cache->cmp_proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("type %s has no order", format_type_be(time_type)),
				 errdetail("The second argument of first() and last() decides which value comes first.")));
	if (kind == NULL)
		fcinfo->flinfo->fn_extra = kind = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(EndKind));
	kind->value_type = value_type;
	kind->time_type = time_type;
	kind->collation = collation;
	get_typlenbyval(value_type, &kind->value_len, &kind->value_byval);
	get_typlenbyval(time_type, &kind->time_len, &kind->time_byval);
	kind->compare = &cache->cmp_proc_finfo;
	return kind;
}

static const EndKind *
kind_of_call(FunctionCallInfo fcinfo)
{
	Oid			time_type;

	if (fcinfo->flinfo->fn_extra)
		return fcinfo->flinfo->fn_extra;
	time_type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	return describe(fcinfo, get_fn_expr_argtype(fcinfo->flinfo, 1), time_type, time_collation(fcinfo, time_type));
}

static End *
make_end(MemoryContext cxt, const EndKind *kind)
{
	End		   *end = MemoryContextAllocZero(cxt, sizeof(End));

	end->kind = *kind;
	return end;
}

/*
 * A time is compared with many others, so it is kept at full length.  A value
 * is only handed on: one that is stored out of line stays there, as in a sort.
 */
static void
replace(MemoryContext cxt, End *end, bool had, Datum value, Datum time)
{
	const EndKind *kind = &end->kind;
	Datum		old_value = end->value;
	Datum		old_time = end->time;
	MemoryContext old = MemoryContextSwitchTo(cxt);

	end->value = datumCopy(value, kind->value_byval, kind->value_len);
	if (kind->time_len == -1)
		end->time = PointerGetDatum(PG_DETOAST_DATUM_COPY(time));
	else
		end->time = datumCopy(time, kind->time_byval, kind->time_len);
	MemoryContextSwitchTo(old);
	if (had && !kind->value_byval)
		pfree(DatumGetPointer(old_value));
	if (had && !kind->time_byval)
		pfree(DatumGetPointer(old_time));
}

static int
compare_times(const End *end, Datum time)
{
	return DatumGetInt32(FunctionCall2Coll(end->kind.compare, end->kind.collation, time, end->time));
}

/* sign: the comparison with the time kept so far that replaces it */
static Datum
end_step(FunctionCallInfo fcinfo, int sign)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	End		   *end = state_of(fcinfo, 0);
	bool		had = end != NULL;
	int			order;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return ch_return_state(fcinfo, end);
	if (!had)
		end = make_end(cxt, kind_of_call(fcinfo));
	else
	{
		order = compare_times(end, PG_GETARG_DATUM(2));
		if (sign < 0 ? order >= 0 : order <= 0)
			PG_RETURN_POINTER(end);
	}
	replace(cxt, end, had, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
	PG_RETURN_POINTER(end);
}

static Datum
end_combine(FunctionCallInfo fcinfo, int sign)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	End		   *a = state_of(fcinfo, 0);
	End		   *b = state_of(fcinfo, 1);
	bool		had = a != NULL;
	int			order;

	if (b == NULL)
		return ch_return_state(fcinfo, a);
	if (!had)
		a = make_end(cxt, &b->kind);
	else
	{
		order = compare_times(a, b->time);
		if (sign < 0 ? order >= 0 : order <= 0)
			PG_RETURN_POINTER(a);
	}
	replace(cxt, a, had, b->value, b->time);
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

PG_FUNCTION_INFO_V1(ch_end_serialize);
Datum
ch_end_serialize(PG_FUNCTION_ARGS)
{
	End		   *end = (End *) PG_GETARG_POINTER(0);
	const EndKind *kind = &end->kind;
	Oid			types[3] = {kind->value_type, kind->time_type, kind->collation};
	Size		size = VARHDRSZ + sizeof(types) +
		datumEstimateSpace(end->value, false, kind->value_byval, kind->value_len) +
		datumEstimateSpace(end->time, false, kind->time_byval, kind->time_len);
	bytea	   *bytes = palloc(size);
	char	   *at = VARDATA(bytes);

	SET_VARSIZE(bytes, size);
	memcpy(at, types, sizeof(types));
	at += sizeof(types);
	datumSerialize(end->value, false, kind->value_byval, kind->value_len, &at);
	datumSerialize(end->time, false, kind->time_byval, kind->time_len, &at);
	PG_RETURN_BYTEA_P(bytes);
}

PG_FUNCTION_INFO_V1(ch_end_deserialize);
Datum
ch_end_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	char	   *at = VARDATA_ANY(bytes);
	const EndKind *kind = fcinfo->flinfo->fn_extra;
	Oid			types[3];
	bool		isnull;
	End		   *end;

	(void) ch_aggregate_context(fcinfo);
	memcpy(types, at, sizeof(types));
	at += sizeof(types);
	if (kind == NULL || kind->value_type != types[0] || kind->time_type != types[1] || kind->collation != types[2])
		kind = describe(fcinfo, types[0], types[1], types[2]);
	end = make_end(CurrentMemoryContext, kind);
	end->value = datumRestore(&at, &isnull);
	end->time = datumRestore(&at, &isnull);
	PG_RETURN_POINTER(end);
}

PG_FUNCTION_INFO_V1(ch_end_value);
Datum
ch_end_value(PG_FUNCTION_ARGS)
{
	(void) ch_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(((End *) PG_GETARG_POINTER(0))->value);
}

/* ---- vwap of double precision ----------------------------------------------------- */

void
ch_add_float(FloatSums *sums, double price, double qty)
{
	sums->amount = float8_pl(sums->amount, float8_mul(price, qty));
	sums->qty = float8_pl(sums->qty, qty);
	sums->rows++;
}

void
ch_combine_float(FloatSums *a, const FloatSums *b)
{
	a->amount = float8_pl(a->amount, b->amount);
	a->qty = float8_pl(a->qty, b->qty);
	a->rows += b->rows;
}

bool
ch_vwap_float(const FloatSums *sums, double *vwap)
{
	if (sums->qty == 0)
		return false;
	*vwap = float8_div(sums->amount, sums->qty);
	return true;
}

PG_FUNCTION_INFO_V1(ch_vwap_step);
Datum
ch_vwap_step(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	FloatSums  *sums = state_of(fcinfo, 0);

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return ch_return_state(fcinfo, sums);
	if (sums == NULL)
		sums = MemoryContextAllocZero(cxt, sizeof(FloatSums));
	ch_add_float(sums, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(sums);
}

PG_FUNCTION_INFO_V1(ch_vwap_combine);
Datum
ch_vwap_combine(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	FloatSums  *a = state_of(fcinfo, 0);
	FloatSums  *b = state_of(fcinfo, 1);

	if (b == NULL)
		return ch_return_state(fcinfo, a);
	if (a == NULL)
		a = MemoryContextAllocZero(cxt, sizeof(FloatSums));
	ch_combine_float(a, b);
	PG_RETURN_POINTER(a);
}

PG_FUNCTION_INFO_V1(ch_vwap_serialize);
Datum
ch_vwap_serialize(PG_FUNCTION_ARGS)
{
	return ch_bytes_of_state(PG_GETARG_POINTER(0), sizeof(FloatSums));
}

PG_FUNCTION_INFO_V1(ch_vwap_deserialize);
Datum
ch_vwap_deserialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(ch_state_of_bytes(fcinfo, sizeof(FloatSums)));
}

PG_FUNCTION_INFO_V1(ch_vwap_value);
Datum
ch_vwap_value(PG_FUNCTION_ARGS)
{
	FloatSums  *sums = state_of(fcinfo, 0);
	double		vwap;

	if (sums == NULL || !ch_vwap_float(sums, &vwap))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(vwap);
}

/* ---- vwap of numeric ------------------------------------------------------------------ */

/* Call one of the functions of sum(numeric) as its aggregate would. */
static Datum
call_sum(FunctionCallInfo fcinfo, PGFunction function, void *state, Datum arg, bool arg_isnull, bool *isnull)
{
	LOCAL_FCINFO(call, 2);
	Datum		result;

	InitFunctionCallInfoData(*call, fcinfo->flinfo, 2, InvalidOid, fcinfo->context, NULL);
	call->args[0].value = PointerGetDatum(state);
	call->args[0].isnull = state == NULL;
	call->args[1].value = arg;
	call->args[1].isnull = arg_isnull;
	result = function(call);
	*isnull = call->isnull;
	return result;
}

static void *
add_to_sum(FunctionCallInfo fcinfo, void *state, Datum value)
{
	bool		isnull;

	return DatumGetPointer(call_sum(fcinfo, numeric_avg_accum, state, value, false, &isnull));
}

static void *
combine_sums(FunctionCallInfo fcinfo, void *a, void *b)
{
	bool		isnull;

	if (b == NULL)
		return a;
	return DatumGetPointer(call_sum(fcinfo, numeric_avg_combine, a, PointerGetDatum(b), false, &isnull));
}

void
ch_add_numeric(FunctionCallInfo fcinfo, NumericSums *sums, Datum price, Datum qty)
{
	sums->amount = add_to_sum(fcinfo, sums->amount, DirectFunctionCall2(numeric_mul, price, qty));
	sums->qty = add_to_sum(fcinfo, sums->qty, qty);
}

void
ch_combine_numeric(FunctionCallInfo fcinfo, NumericSums *a, const NumericSums *b)
{
	a->amount = combine_sums(fcinfo, a->amount, b->amount);
	a->qty = combine_sums(fcinfo, a->qty, b->qty);
}

static bool
total(FunctionCallInfo fcinfo, void *state, Datum *sum)
{
	bool		isnull;

	*sum = call_sum(fcinfo, numeric_sum, state, (Datum) 0, true, &isnull);
	return !isnull;
}

bool
ch_volume_numeric(FunctionCallInfo fcinfo, const NumericSums *sums, Datum *volume)
{
	return total(fcinfo, sums->qty, volume);
}

bool
ch_vwap_numeric(FunctionCallInfo fcinfo, const NumericSums *sums, Datum *vwap)
{
	Datum		amount;
	Datum		qty;

	if (!total(fcinfo, sums->amount, &amount) || !total(fcinfo, sums->qty, &qty) ||
		DatumGetBool(DirectFunctionCall2(numeric_eq, qty, NumericGetDatum(int64_to_numeric(0)))))
		return false;
	*vwap = DirectFunctionCall2(numeric_div, amount, qty);
	return true;
}

static void
write_sum(FunctionCallInfo fcinfo, StringInfo buf, void *state)
{
	bool		isnull;
	bytea	   *bytes;

	if (state == NULL)
	{
		pq_sendint32(buf, 0);
		return;
	}
	bytes = DatumGetByteaPP(call_sum(fcinfo, numeric_avg_serialize, state, (Datum) 0, true, &isnull));
	pq_sendint32(buf, VARSIZE_ANY(bytes));
	pq_sendbytes(buf, (const char *) bytes, VARSIZE_ANY(bytes));
}

static void *
read_sum(FunctionCallInfo fcinfo, StringInfo buf)
{
	int			len = pq_getmsgint(buf, 4);
	bytea	   *bytes;
	bool		isnull;

	if (len == 0)
		return NULL;
	bytes = palloc(len);
	memcpy(bytes, pq_getmsgbytes(buf, len), len);
	return DatumGetPointer(call_sum(fcinfo, numeric_avg_deserialize, bytes, (Datum) 0, true, &isnull));
}

void
ch_write_numeric(FunctionCallInfo fcinfo, StringInfo buf, const NumericSums *sums)
{
	write_sum(fcinfo, buf, sums->amount);
	write_sum(fcinfo, buf, sums->qty);
}

void
ch_read_numeric(FunctionCallInfo fcinfo, StringInfo buf, NumericSums *sums)
{
	sums->amount = read_sum(fcinfo, buf);
	sums->qty = read_sum(fcinfo, buf);
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_step);
Datum
ch_vwap_numeric_step(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	NumericSums *sums = state_of(fcinfo, 0);

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return ch_return_state(fcinfo, sums);
	if (sums == NULL)
		sums = MemoryContextAllocZero(cxt, sizeof(NumericSums));
	ch_add_numeric(fcinfo, sums, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
	PG_RETURN_POINTER(sums);
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_combine);
Datum
ch_vwap_numeric_combine(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = ch_aggregate_context(fcinfo);
	NumericSums *a = state_of(fcinfo, 0);
	NumericSums *b = state_of(fcinfo, 1);

	if (b == NULL)
		return ch_return_state(fcinfo, a);
	if (a == NULL)
		a = MemoryContextAllocZero(cxt, sizeof(NumericSums));
	ch_combine_numeric(fcinfo, a, b);
	PG_RETURN_POINTER(a);
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_serialize);
Datum
ch_vwap_numeric_serialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	ch_write_numeric(fcinfo, &buf, (NumericSums *) PG_GETARG_POINTER(0));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_deserialize);
Datum
ch_vwap_numeric_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	NumericSums *sums = palloc(sizeof(NumericSums));
	StringInfoData buf;

	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	ch_read_numeric(fcinfo, &buf, sums);
	PG_RETURN_POINTER(sums);
}

PG_FUNCTION_INFO_V1(ch_vwap_numeric_value);
Datum
ch_vwap_numeric_value(PG_FUNCTION_ARGS)
{
	NumericSums *sums = state_of(fcinfo, 0);
	Datum		vwap;

	if (sums == NULL || !ch_vwap_numeric(fcinfo, sums, &vwap))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(vwap);
}
