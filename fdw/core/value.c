/*
 * value.c
 *	  What fits where: between a store's value and a column's type.
 *
 * The rules are strict on purpose.  A condition that runs in the store must
 * mean what it would mean here, on the values that the user sees; that can
 * only be proved if a value is either taken exactly or not at all.  So a
 * string is no number, a number is no string, and a float that an integer
 * column cannot hold is a mismatch.  Types that have no pushed conditions
 * (inet, enum, ...) are read from strings by their own input functions.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

const char *
ch_value_type_name(const ChValue *v)
{
	static const char *const names[] = {
		"null", "boolean", "integer", "float", "decimal", "string", "text", "bytes", "UUID", "instant",
		"local datetime", "date", "time", "interval", "list", "map", "parameter"
	};

	return v->remote_type ? v->remote_type : names[v->kind];
}

/* ---- mismatches ------------------------------------------------------------ */

/* A glimpse of the value for an error's DETAIL. */
static char *
glimpse(const ChValue *v)
{
	switch (v->kind)
	{
		case CH_STRING:
		case CH_UNTYPED:
		case CH_DECIMAL:
			{
				int			len = pg_encoding_mbcliplen(PG_UTF8, v->u.s.data, v->u.s.len, 60);

				if (pg_encoding_verifymbstr(PG_UTF8, v->u.s.data, len) < len)
					return pstrdup("Invalid text");
				return psprintf("\"%.*s\"%s", len, v->u.s.data, len < v->u.s.len ? "..." : "");
			}
		case CH_INT:
			return psprintf(INT64_FORMAT, v->u.i);
		case CH_FLOAT:
			{
				char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];

				double_to_shortest_decimal_buf(v->u.f, buf);
				return pstrdup(buf);
			}
		default:
			return NULL;
	}
}

/* The value does not fit: an error, or NULL if the table says so. */
static bool
mismatch(ChColumn *col, const ChValue *v)
{
	ChTable    *table = col->table;
	char	   *shown;

	if (table->mismatch_null)
	{
		if (table->mismatches++ == 0)
		{
			table->mismatch_column = col;
			strlcpy(table->mismatch_type, ch_value_type_name(v), sizeof(table->mismatch_type));
		}
		return false;
	}
	shown = glimpse(v);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table %s cannot hold a value of the store", col->name, table->name),
			 errdetail("%s%s of %s type %s for column type %s.",
					   shown ? shown : "Value", shown ? " is a value" : "", table->driver->product,
					   ch_value_type_name(v), format_type_with_typemod(col->typid, col->typmod)),
			 errhint("Change the column's type, or set the table's option on_type_mismatch to 'null'.")));
}

/* ---- numbers ------------------------------------------------------------------ */

static bool
as_int(ChColumn *col, const ChValue *v, int64 min, int64 max, int64 *out)
{
	if (v->kind == CH_INT)
		*out = v->u.i;
	else if (v->kind == CH_FLOAT && rint(v->u.f) == v->u.f && FLOAT8_FITS_IN_INT64(v->u.f))
		*out = (int64) v->u.f;
	else
		return mismatch(col, v);
	if (*out < min || *out > max)
		return mismatch(col, v);
	return true;
}

static bool
as_float8(ChColumn *col, const ChValue *v, double *out)
{
	if (v->kind == CH_FLOAT)
		*out = v->u.f;
	else if (v->kind == CH_INT && FLOAT8_FITS_IN_INT64((double) v->u.i) && (int64) (double) v->u.i == v->u.i)
		*out = (double) v->u.i;
	else
		return mismatch(col, v);
	return true;
}

static bool
as_float4(ChColumn *col, const ChValue *v, float *out)
{
	double		wide = 0;

	if (!as_float8(col, v, &wide))
		return false;
	*out = (float) wide;
	if ((double) *out != wide && !isnan(wide))
		return mismatch(col, v);
	return true;
}

static Numeric
numeric_from_text(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Numeric
numeric_from_double(double f)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(f, buf);
	return numeric_from_text(buf);
}

Numeric
ch_value_to_numeric(const ChValue *v)
{
	if (v->kind == CH_INT)
		return int64_to_numeric(v->u.i);
	if (v->kind == CH_FLOAT)
		return numeric_from_double(v->u.f);
	Assert(v->kind == CH_DECIMAL);
	return numeric_from_text(pnstrdup(v->u.s.data, v->u.s.len));
}

static bool
as_numeric(ChColumn *col, const ChValue *v, Datum *out)
{
	if (v->kind != CH_INT && v->kind != CH_FLOAT && v->kind != CH_DECIMAL)
		return mismatch(col, v);
	*out = NumericGetDatum(ch_value_to_numeric(v));
	if (col->typmod >= 0)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, *out));
		Datum		rounded;

		if (!ch_input_soft(&col->input, text, col->ioparam, col->typmod, &rounded) ||
			!DatumGetBool(DirectFunctionCall2(numeric_eq, rounded, *out)))
			return mismatch(col, v);
		*out = rounded;
	}
	return true;
}

/* ---- text ----------------------------------------------------------------------- */

/*
 * UTF-8 of a store as a C string in the server's encoding, or NULL if it has a
 * zero byte, is not valid UTF-8, or has no form in the server's encoding.
 */
static char *
server_text(const char *data, int len, int *outlen)
{
	char	   *text;

	if (pg_encoding_verifymbstr(PG_UTF8, data, len) < len)
		return NULL;
	if (GetDatabaseEncoding() == PG_UTF8)
	{
		*outlen = len;
		return unconstify(char *, data);
	}
	text = pg_any_to_server(data, len, PG_UTF8);
	*outlen = text == data ? len : (int) strlen(text);
	return text;
}

static bool
as_text(ChColumn *col, const ChValue *v, Datum *out)
{
	char	   *text;
	int			len;
	int			limit = col->typmod - VARHDRSZ;

	if (v->kind == CH_UUID)
	{
		text = DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(v->u.s.data)));
		len = strlen(text);
	}
	else if (v->kind != CH_STRING && v->kind != CH_UNTYPED)
		return mismatch(col, v);
	else if ((text = server_text(v->u.s.data, v->u.s.len, &len)) == NULL)
		return mismatch(col, v);
	if (col->typmod >= VARHDRSZ && pg_mbstrlen_with_len(text, len) > limit)
		return mismatch(col, v);
	if (col->basetype == BPCHAROID)
		*out = InputFunctionCall(&col->input, pnstrdup(text, len), col->ioparam, col->typmod);
	else
		*out = PointerGetDatum(cstring_to_text_with_len(text, len));
	return true;
}

/* The integer that a text of only digits is, with or without a minus; false for any other text. */
static bool
plain_integer(const char *data, int len, int64 *out)
{
	int			sign = len > 0 && data[0] == '-';
	int64		i = 0;

	/* 18 digits do not overflow */
	if (len == sign || len - sign > 18)
		return false;
	for (int at = sign; at < len; at++)
	{
		if (data[at] < '0' || data[at] > '9')
			return false;
		i = i * 10 + (data[at] - '0');
	}
	*out = sign ? -i : i;
	return true;
}

/* What the input functions of integers make of plain texts, without a copy for them. */
static bool
parse_integer(const ChColumn *col, const ChValue *v, Datum *out)
{
	int64		i;

	if (!ch_is_int(col->basetype) || col->domain || !plain_integer(v->u.s.data, v->u.s.len, &i))
		return false;
	if (col->basetype == INT8OID)
		*out = Int64GetDatum(i);
	else if (col->basetype == INT4OID && i >= PG_INT32_MIN && i <= PG_INT32_MAX)
		*out = Int32GetDatum((int32) i);
	else if (col->basetype == INT2OID && i >= PG_INT16_MIN && i <= PG_INT16_MAX)
		*out = Int16GetDatum((int16) i);
	else
		return false;
	return true;
}

/*
 * Text read by the column type's own input function: what an untyped store
 * has, and strings for types without a rule of their own.
 */
static bool
parse_text(ChColumn *col, const ChValue *v, Datum *out)
{
	int			len;
	char	   *text = server_text(v->u.s.data, v->u.s.len, &len);
	bool		soft = col->basetype < FirstNormalObjectId && !col->domain;

	if (text == NULL)
		return mismatch(col, v);
	text = pnstrdup(text, len);
	if (!soft)
		*out = InputFunctionCall(&col->input, text, col->ioparam, col->typmod);
	else if (!ch_input_soft(&col->input, text, col->ioparam, col->typmod, out))
		return mismatch(col, v);
	return true;
}

/* ---- times ------------------------------------------------------------------------ */

/* Microseconds that the column's precision, timestamptz(3) say, can hold. */
static bool
as_timestamp(ChColumn *col, const ChValue *v, ChValueKind wanted, Datum *out)
{
	Timestamp	t = v->u.i;

	if (v->kind != wanted || !(IS_VALID_TIMESTAMP(t) || TIMESTAMP_NOT_FINITE(t)))
		return mismatch(col, v);
	if (col->typmod >= 0)
	{
		Datum		rounded = DirectFunctionCall2(timestamp_scale, TimestampGetDatum(t), Int32GetDatum(col->typmod));

		if (DatumGetTimestamp(rounded) != t)
			return mismatch(col, v);
	}
	*out = TimestampGetDatum(t);
	return true;
}

static bool
as_date(ChColumn *col, const ChValue *v, Datum *out)
{
	if (v->kind != CH_DATE || v->u.i < PG_INT32_MIN || v->u.i > PG_INT32_MAX ||
		!(IS_VALID_DATE((DateADT) v->u.i) || DATE_NOT_FINITE((DateADT) v->u.i)))
		return mismatch(col, v);
	*out = DateADTGetDatum((DateADT) v->u.i);
	return true;
}

static bool
as_time(ChColumn *col, const ChValue *v, Datum *out)
{
	if (v->kind != CH_TIME_OF_DAY)
		return mismatch(col, v);
	*out = TimeADTGetDatum(v->u.i);
	if (col->typmod >= 0 &&
		DatumGetTimeADT(DirectFunctionCall2(time_scale, *out, Int32GetDatum(col->typmod))) != v->u.i)
		return mismatch(col, v);
	return true;
}

static bool
as_interval(ChColumn *col, const ChValue *v, Datum *out)
{
	if (v->kind != CH_INTERVAL)
		return mismatch(col, v);
	*out = IntervalPGetDatum(memcpy(palloc(sizeof(Interval)), &v->u.interval, sizeof(Interval)));
	if (col->typmod >= 0)
	{
		Datum		scaled = DirectFunctionCall2(interval_scale, *out, Int32GetDatum(col->typmod));

		if (memcmp(DatumGetIntervalP(scaled), &v->u.interval, sizeof(Interval)) != 0)
			return mismatch(col, v);
	}
	return true;
}

/* ---- lists and documents ------------------------------------------------------------ */

static bool
as_array(ChColumn *col, const ChValue *v, Datum *out)
{
	int			n = v->u.list.n;
	Datum	   *elems;
	bool	   *nulls;
	int			dims[1] = {n};
	int			lower[1] = {1};
	int16		len;
	bool		byval;
	char		align;

	if (v->kind != CH_LIST)
		return mismatch(col, v);
	get_typlenbyvalalign(col->elemtype, &len, &byval, &align);
	if (n == 0)
	{
		*out = PointerGetDatum(construct_empty_array(col->elemtype));
		return true;
	}
	elems = palloc(n * sizeof(Datum));
	nulls = palloc(n * sizeof(bool));
	for (int i = 0; i < n; i++)
		nulls[i] = !ch_value_to_datum(col->element, &v->u.list.items[i], &elems[i]);
	*out = PointerGetDatum(construct_md_array(elems, nulls, 1, dims, lower, col->elemtype, len, byval, align));
	return true;
}

static void
json_string(JsonbValue *jv, const char *data, int len)
{
	int			outlen;
	char	   *text = server_text(data, len, &outlen);

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("a string of the store is not valid text of this database"),
				 errdetail("It has a zero byte or is not valid UTF-8.")));
	jv->type = jbvString;
	jv->val.string.val = text;
	jv->val.string.len = outlen;
}

static void
json_cstring(JsonbValue *jv, char *text)
{
	jv->type = jbvString;
	jv->val.string.val = text;
	jv->val.string.len = strlen(text);
}

static void
json_numeric(JsonbValue *jv, Numeric n)
{
	jv->type = jbvNumeric;
	jv->val.numeric = n;
	/* JSON has no NaN and no infinity: keep them as what they print as */
	if (numeric_is_nan(n) || numeric_is_inf(n))
		json_cstring(jv, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n))));
}

/* A value that is neither list nor map. Times become ISO 8601 text. */
static void
json_scalar(JsonbValue *jv, const ChValue *v)
{
	Datum		d;
	int			utc = 0;

	switch (v->kind)
	{
		case CH_NULL:
		case CH_PARAM:
		case CH_LIST:
		case CH_MAP:
			jv->type = jbvNull;
			break;
		case CH_BOOL:
			jv->type = jbvBool;
			jv->val.boolean = v->u.b;
			break;
		case CH_INT:
			json_numeric(jv, int64_to_numeric(v->u.i));
			break;
		case CH_FLOAT:
			json_numeric(jv, numeric_from_double(v->u.f));
			break;
		case CH_DECIMAL:
			json_numeric(jv, numeric_from_text(pnstrdup(v->u.s.data, v->u.s.len)));
			break;
		case CH_STRING:
		case CH_UNTYPED:
			json_string(jv, v->u.s.data, v->u.s.len);
			break;
		case CH_BYTES:
			d = PointerGetDatum(cstring_to_text_with_len(v->u.s.data, v->u.s.len));
			json_cstring(jv, TextDatumGetCString(DirectFunctionCall2(binary_encode, d, CStringGetTextDatum("hex"))));
			break;
		case CH_UUID:
			json_cstring(jv, DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(v->u.s.data))));
			break;
		case CH_INSTANT:
			d = TimestampTzGetDatum(v->u.i);
			json_cstring(jv, JsonEncodeDateTime(NULL, d, TIMESTAMPTZOID, &utc));
			break;
		case CH_LOCAL_DATETIME:
			json_cstring(jv, JsonEncodeDateTime(NULL, TimestampGetDatum(v->u.i), TIMESTAMPOID, NULL));
			break;
		case CH_DATE:
			json_cstring(jv, JsonEncodeDateTime(NULL, DateADTGetDatum((DateADT) v->u.i), DATEOID, NULL));
			break;
		case CH_TIME_OF_DAY:
			json_cstring(jv, JsonEncodeDateTime(NULL, TimeADTGetDatum(v->u.i), TIMEOID, NULL));
			break;
		case CH_INTERVAL:
			json_cstring(jv, DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(&v->u.interval))));
			break;
	}
}

/* Push one value; where says what it is to its parent (WJB_ELEM or WJB_VALUE). */
static JsonbValue *
push_json(JsonbParseState **state, JsonbIteratorToken where, const ChValue *v)
{
	JsonbValue	jv;

	check_stack_depth();
	if (v->kind == CH_LIST)
	{
		pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < v->u.list.n; i++)
			push_json(state, WJB_ELEM, &v->u.list.items[i]);
		return pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
	if (v->kind == CH_MAP)
	{
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		for (int i = 0; i < v->u.map.n; i++)
		{
			json_string(&jv, v->u.map.members[i].key, v->u.map.members[i].keylen);
			pushJsonbValue(state, WJB_KEY, &jv);
			push_json(state, WJB_VALUE, &v->u.map.members[i].value);
		}
		return pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	json_scalar(&jv, v);
	return pushJsonbValue(state, where, &jv);
}

Jsonb *
ch_value_to_jsonb(const ChValue *v)
{
	JsonbParseState *state = NULL;
	JsonbValue	jv;

	if (v->kind == CH_LIST || v->kind == CH_MAP)
		return JsonbValueToJsonb(push_json(&state, WJB_ELEM, v));
	json_scalar(&jv, v);
	return JsonbValueToJsonb(&jv);
}

static bool
is_text_of_json(const char *data, int len)
{
	return pg_encoding_verifymbstr(PG_UTF8, data, len) == len;
}

/* Does every string in it have a form in JSON? */
static bool
has_json(const ChValue *v)
{
	check_stack_depth();
	switch (v->kind)
	{
		case CH_STRING:
			return is_text_of_json(v->u.s.data, v->u.s.len);
		case CH_LIST:
			for (int i = 0; i < v->u.list.n; i++)
				if (!has_json(&v->u.list.items[i]))
					return false;
			return true;
		case CH_MAP:
			for (int i = 0; i < v->u.map.n; i++)
				if (!is_text_of_json(v->u.map.members[i].key, v->u.map.members[i].keylen) ||
					!has_json(&v->u.map.members[i].value))
					return false;
			return true;
		default:
			return true;
	}
}

static bool
as_json(ChColumn *col, const ChValue *v, Datum *out)
{
	Jsonb	   *jsonb;

	if (v->kind == CH_UNTYPED)
		return parse_text(col, v, out);
	if (!has_json(v))
		return mismatch(col, v);
	jsonb = ch_value_to_jsonb(v);
	if (col->basetype == JSONBOID)
		*out = JsonbPGetDatum(jsonb);
	else
		*out = CStringGetTextDatum(JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
	return true;
}

/* ---- the whole ------------------------------------------------------------------------ */

static bool
convert(ChColumn *col, const ChValue *v, Datum *out)
{
	int64		i = 0;
	double		f8 = 0;
	float		f4 = 0;

	if (OidIsValid(col->elemtype))
		return v->kind == CH_UNTYPED ? parse_text(col, v, out) : as_array(col, v, out);

	switch (col->basetype)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return as_text(col, v, out);
		case JSONBOID:
		case JSONOID:
			return as_json(col, v, out);
		case BYTEAOID:
			if (v->kind != CH_BYTES && v->kind != CH_UNTYPED)
				return mismatch(col, v);
			*out = PointerGetDatum(cstring_to_text_with_len(v->u.s.data, v->u.s.len));
			return true;
		default:
			break;
	}
	if (v->kind == CH_UNTYPED)
		return parse_integer(col, v, out) || parse_text(col, v, out);

	switch (col->basetype)
	{
		case BOOLOID:
			if (v->kind != CH_BOOL)
				return mismatch(col, v);
			*out = BoolGetDatum(v->u.b);
			return true;
		case INT2OID:
			if (!as_int(col, v, PG_INT16_MIN, PG_INT16_MAX, &i))
				return false;
			*out = Int16GetDatum((int16) i);
			return true;
		case INT4OID:
			if (!as_int(col, v, PG_INT32_MIN, PG_INT32_MAX, &i))
				return false;
			*out = Int32GetDatum((int32) i);
			return true;
		case INT8OID:
			if (!as_int(col, v, PG_INT64_MIN, PG_INT64_MAX, &i))
				return false;
			*out = Int64GetDatum(i);
			return true;
		case FLOAT4OID:
			if (!as_float4(col, v, &f4))
				return false;
			*out = Float4GetDatum(f4);
			return true;
		case FLOAT8OID:
			if (!as_float8(col, v, &f8))
				return false;
			*out = Float8GetDatum(f8);
			return true;
		case NUMERICOID:
			return as_numeric(col, v, out);
		case TIMESTAMPTZOID:
			return as_timestamp(col, v, CH_INSTANT, out);
		case TIMESTAMPOID:
			return as_timestamp(col, v, CH_LOCAL_DATETIME, out);
		case DATEOID:
			return as_date(col, v, out);
		case TIMEOID:
			return as_time(col, v, out);
		case INTERVALOID:
			return as_interval(col, v, out);
		case UUIDOID:
			if (v->kind == CH_UUID)
			{
				*out = UUIDPGetDatum(memcpy(palloc(UUID_LEN), v->u.s.data, UUID_LEN));
				return true;
			}
			break;
		default:
			break;
	}
	return v->kind == CH_STRING ? parse_text(col, v, out) : mismatch(col, v);
}

bool
ch_value_to_datum(ChColumn *col, const ChValue *v, Datum *out)
{
	if (v->kind == CH_NULL || !convert(col, v, out))
		return false;
	if (col->domain)
		domain_check(*out, false, col->typid, &col->domain_extra, GetMemoryChunkContext(col));
	return true;
}

/* ---- from PostgreSQL --------------------------------------------------------------------- */

bool
ch_type_has_value(Oid typid)
{
	switch (typid)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
		case UUIDOID:
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
		case TIMEOID:
			return true;
		default:
			return false;
	}
}

static void
value_from_bytes(ChValue *v, Datum d)
{
	struct varlena *p = PG_DETOAST_DATUM_PACKED(d);

	v->kind = CH_BYTES;
	v->u.s.data = VARDATA_ANY(p);
	v->u.s.len = VARSIZE_ANY_EXHDR(p);
}

static void
value_from_text(ChValue *v, Datum d)
{
	char	   *utf8;

	value_from_bytes(v, d);
	v->kind = CH_STRING;
	utf8 = pg_server_to_any(v->u.s.data, v->u.s.len, PG_UTF8);
	if (utf8 != v->u.s.data)
	{
		v->u.s.data = utf8;
		v->u.s.len = strlen(utf8);
	}
}

static void
value_from_int(ChValue *v, ChValueKind kind, int64 i)
{
	v->kind = kind;
	v->u.i = i;
}

bool
ch_datum_to_value(Datum d, Oid typid, ChValue *v)
{
	memset(v, 0, sizeof(*v));
	switch (typid)
	{
		case BOOLOID:
			v->kind = CH_BOOL;
			v->u.b = DatumGetBool(d);
			return true;
		case INT2OID:
			value_from_int(v, CH_INT, DatumGetInt16(d));
			return true;
		case INT4OID:
			value_from_int(v, CH_INT, DatumGetInt32(d));
			return true;
		case INT8OID:
			value_from_int(v, CH_INT, DatumGetInt64(d));
			return true;
		case FLOAT4OID:
			v->kind = CH_FLOAT;
			v->u.f = DatumGetFloat4(d);
			return true;
		case FLOAT8OID:
			v->kind = CH_FLOAT;
			v->u.f = DatumGetFloat8(d);
			return true;
		case NUMERICOID:
			*v = ch_string(DatumGetCString(DirectFunctionCall1(numeric_out, d)), 0);
			v->kind = CH_DECIMAL;
			v->u.s.len = strlen(v->u.s.data);
			return true;
		case TEXTOID:
		case VARCHAROID:
			value_from_text(v, d);
			return true;
		case BYTEAOID:
			value_from_bytes(v, d);
			return true;
		case UUIDOID:
			*v = ch_string((const char *) DatumGetUUIDP(d), UUID_LEN);
			v->kind = CH_UUID;
			return true;
		case TIMESTAMPTZOID:
			value_from_int(v, CH_INSTANT, DatumGetTimestampTz(d));
			return true;
		case TIMESTAMPOID:
			value_from_int(v, CH_LOCAL_DATETIME, DatumGetTimestamp(d));
			return true;
		case DATEOID:
			value_from_int(v, CH_DATE, DatumGetDateADT(d));
			return true;
		case TIMEOID:
			value_from_int(v, CH_TIME_OF_DAY, DatumGetTimeADT(d));
			return true;
		default:
			return false;
	}
}

/* ---- their order -------------------------------------------------------------------------- */

static int
compare_bytes(const ChValue *a, const ChValue *b)
{
	int			rc = memcmp(a->u.s.data, b->u.s.data, Min(a->u.s.len, b->u.s.len));

	return rc != 0 ? rc : (a->u.s.len > b->u.s.len) - (a->u.s.len < b->u.s.len);
}

int
ch_compare_values(const ChValue *a, const ChValue *b)
{
	switch (a->kind)
	{
		case CH_BOOL:
			return (int) a->u.b - (int) b->u.b;
		case CH_FLOAT:
			return float8_cmp_internal(a->u.f, b->u.f);
		case CH_DECIMAL:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(ch_value_to_numeric(a)),
													 NumericGetDatum(ch_value_to_numeric(b))));
		case CH_STRING:
		case CH_BYTES:
		case CH_UUID:
			return compare_bytes(a, b);
		case CH_INT:
		case CH_INSTANT:
		case CH_LOCAL_DATETIME:
		case CH_DATE:
		case CH_TIME_OF_DAY:
			return (a->u.i > b->u.i) - (a->u.i < b->u.i);
		default:
			elog(ERROR, "values of kind %d have no order", a->kind);
	}
}

/* ---- jsonb and arrays from PostgreSQL ---------------------------------------------------------- */

static ChValue
utf8_string(const char *data, int len)
{
	char	   *utf8 = pg_server_to_any(data, len, PG_UTF8);

	return ch_string(utf8, utf8 == data ? len : strlen(utf8));
}

static void
value_from_json_scalar(ChValue *v, const JsonbValue *jv)
{
	memset(v, 0, sizeof(*v));
	switch (jv->type)
	{
		case jbvString:
			*v = utf8_string(jv->val.string.val, jv->val.string.len);
			break;
		case jbvNumeric:
			(void) ch_datum_to_value(NumericGetDatum(jv->val.numeric), NUMERICOID, v);
			break;
		case jbvBool:
			v->kind = CH_BOOL;
			v->u.b = jv->val.boolean;
			break;
		default:
			v->kind = CH_NULL;
	}
}

/* What follows the beginning of a list or document. */
static void
value_from_json_container(ChValue *v, JsonbIterator **it, const JsonbValue *begin, bool is_map)
{
	int			n = is_map ? begin->val.object.nPairs : begin->val.array.nElems;
	int			i = 0;
	JsonbValue	jv;
	JsonbIteratorToken token;
	ChValue    *item = NULL;

	check_stack_depth();
	memset(v, 0, sizeof(*v));
	v->kind = is_map ? CH_MAP : CH_LIST;
	if (is_map)
		v->u.map.members = palloc0(Max(n, 1) * sizeof(ChMember));
	else
		v->u.list.items = palloc0(Max(n, 1) * sizeof(ChValue));
	while ((token = JsonbIteratorNext(it, &jv, false)) != WJB_END_ARRAY && token != WJB_END_OBJECT)
	{
		if (token == WJB_KEY)
		{
			ChValue		key = utf8_string(jv.val.string.val, jv.val.string.len);

			v->u.map.members[i].key = key.u.s.data;
			v->u.map.members[i].keylen = key.u.s.len;
			item = &v->u.map.members[i++].value;
			continue;
		}
		if (!is_map)
			item = &v->u.list.items[i++];
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			value_from_json_container(item, it, &jv, token == WJB_BEGIN_OBJECT);
		else
			value_from_json_scalar(item, &jv);
	}
	if (is_map)
		v->u.map.n = i;
	else
		v->u.list.n = i;
}

static void
value_from_jsonb(ChValue *v, Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbValue	jv;
	JsonbIteratorToken token = JsonbIteratorNext(&it, &jv, false);

	value_from_json_container(v, &it, &jv, token == WJB_BEGIN_OBJECT);
	if (JB_ROOT_IS_SCALAR(jsonb))
		*v = v->u.list.items[0];
}

static bool
value_from_array(ChValue *v, ArrayType *array)
{
	Oid			elemtype = ARR_ELEMTYPE(array);
	int16		len;
	bool		byval;
	char		align;
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(elemtype, &len, &byval, &align);
	deconstruct_array(array, elemtype, len, byval, align, &elems, &nulls, &n);
	memset(v, 0, sizeof(*v));
	v->kind = CH_LIST;
	v->u.list.n = n;
	v->u.list.items = palloc0(Max(n, 1) * sizeof(ChValue));
	for (int i = 0; i < n; i++)
		if (!nulls[i] && !ch_datum_to_value(elems[i], elemtype, &v->u.list.items[i]))
			return false;
	return true;
}

bool
ch_content_to_value(Datum d, Oid typid, ChValue *v)
{
	if (typid == JSONBOID)
	{
		value_from_jsonb(v, DatumGetJsonbP(d));
		return true;
	}
	if (OidIsValid(get_element_type(typid)))
		return value_from_array(v, DatumGetArrayTypeP(d));
	return ch_datum_to_value(d, typid, v);
}
