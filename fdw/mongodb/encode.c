/*
 * encode.c
 *	  What is a value of PostgreSQL in MongoDB?
 *
 * The way back of types.c: a value is stored in the type that bson_type names,
 * else in the one that is nearest to the column's, and so that the column reads
 * the same value.  What has no such form is refused.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/node.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Documents in documents that MongoDB stores. */
#define MAX_DEPTH	100

/* ---- refusing ------------------------------------------------------------------ */

/* bson_type names a type that this one's values do not have. */
pg_noreturn static void
refuse_type(const ChColumn *col)
{
	ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED,
					psprintf("Its option bson_type is '%s', which a column of type %s does not read.",
							 ch_opt_string(col->table->driver, col->options, "bson_type"), format_type_be(col->typid)),
					NULL);
}

pg_noreturn static void
refuse_range(const ChColumn *col, const char *what, const char *data, int len)
{
	ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					psprintf("%.*s is no %s.", pg_encoding_mbcliplen(PG_UTF8, data, len, 100), data, what), NULL);
}

static void
count_bytes(const ChColumn *col, size_t *size, size_t more)
{
	*size += more;
	if (*size > MONGO_MAX_DOCUMENT)
		ch_refuse_value(col, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "With it the document would have more than 16 MB.", NULL);
}

void
mongo_contradicts(const ChColumn *col, const char *detail)
{
	ch_refuse_value(col, ERRCODE_INVALID_PARAMETER_VALUE, detail,
					"Give a value that stands in a document in one column only.");
}

/* ---- numbers --------------------------------------------------------------------- */

static MongoNode *
encode_int(const ChColumn *col, Oid type, int64 i)
{
	char	   *text;

	switch (mongo_column(col)->type)
	{
		case MONGO_ANY:
			return type == INT8OID ? mongo_long(i) : mongo_int((int32) i);
		case MONGO_LONG:
			return mongo_long(i);
		case MONGO_INT:
			if (i >= PG_INT32_MIN && i <= PG_INT32_MAX)
				return mongo_int((int32) i);
			break;
		case MONGO_DOUBLE:
			if (FLOAT8_FITS_IN_INT64((double) i) && (int64) (double) i == i)
				return mongo_double((double) i);
			break;
		default:
			refuse_type(col);
	}
	text = psprintf(INT64_FORMAT, i);
	refuse_range(col, ch_opt_string(col->table->driver, col->options, "bson_type"), text, strlen(text));
}

static MongoNode *
encode_float(const ChColumn *col, double f)
{
	MongoType	type = mongo_column(col)->type;
	char	   *text;

	if (type == MONGO_ANY || type == MONGO_DOUBLE)
		return mongo_double(f);
	if (type != MONGO_INT && type != MONGO_LONG)
		refuse_type(col);
	if (rint(f) == f && FLOAT8_FITS_IN_INT64(f))
		return encode_int(col, INT8OID, (int64) f);
	text = psprintf("%.17g", f);
	refuse_range(col, "integer", text, strlen(text));
}

/* Text of an integer, perhaps with zeros after a point. */
static bool
integer_of_text(const char *text, int len, int64 *out)
{
	char	   *copy = pnstrdup(text, len);
	char	   *point = strchr(copy, '.');
	char	   *end;

	if (point && strspn(point + 1, "0") == strlen(point + 1))
		*point = '\0';
	errno = 0;
	*out = strtoll(copy, &end, 10);
	return errno == 0 && end > copy && *end == '\0';
}

static MongoNode *
encode_numeric(const ChColumn *col, const char *text, int len)
{
	bson_decimal128_t decimal;
	double		f;
	int64		i;

	switch (mongo_column(col)->type)
	{
		case MONGO_ANY:
		case MONGO_DECIMAL:
			if (mongo_exact_decimal(text, len, &decimal))
				return mongo_value(value_of_decimal(decimal));
			refuse_range(col, "Decimal128, which has 34 digits", text, len);
		case MONGO_DOUBLE:
			if (mongo_exact_double(text, len, &f))
				return mongo_double(f);
			refuse_range(col, "double that is read as this number", text, len);
		case MONGO_INT:
		case MONGO_LONG:
			if (integer_of_text(text, len, &i))
				return encode_int(col, INT8OID, i);
			refuse_range(col, "integer of 64 bits", text, len);
		default:
			refuse_type(col);
	}
}

/* A number of JSON: the least of int, long, double and Decimal128 that is read as it. */
static MongoNode *
encode_json_number(const ChColumn *col, const char *text, int len)
{
	bson_decimal128_t decimal;
	double		f;
	int64		i;

	if (memchr(text, '.', len) == NULL && integer_of_text(text, len, &i))
		return i >= PG_INT32_MIN && i <= PG_INT32_MAX ? mongo_int((int32) i) : mongo_long(i);
	if (mongo_exact_double(text, len, &f) && isfinite(f))
		return mongo_double(f);
	if (mongo_exact_decimal(text, len, &decimal))
		return mongo_value(value_of_decimal(decimal));
	refuse_range(col, "Decimal128, which has 34 digits", text, len);
}

/* ---- text and binary data ------------------------------------------------------------- */

static MongoNode *
encode_object_id(const ChColumn *col, const char *data, int len)
{
	bson_oid_t	oid;
	bool		exact = false;

	if (len == 24)
		(void) mongo_object_id_bound(data, len, &oid, &exact);
	if (!exact)
		ch_refuse_value(col, ERRCODE_INVALID_TEXT_REPRESENTATION,
						psprintf("\"%.*s\" is no ObjectId.", pg_encoding_mbcliplen(PG_UTF8, data, len, 100), data),
						"An ObjectId has 24 digits of 0-9 and a-f.");
	return mongo_value(value_of_oid(&oid));
}

/* Text of a Decimal128 as it is read again. */
static MongoNode *
encode_decimal_text(const ChColumn *col, const char *data, int len)
{
	bson_decimal128_t decimal;
	char		again[BSON_DECIMAL128_STRING];

	if (bson_decimal128_from_string(pnstrdup(data, len), &decimal))
	{
		bson_decimal128_to_string(&decimal, again);
		if (strlen(again) == len && memcmp(again, data, len) == 0)
			return mongo_value(value_of_decimal(decimal));
	}
	ch_refuse_value(col, ERRCODE_INVALID_TEXT_REPRESENTATION,
					psprintf("\"%.*s\" is not the text of a Decimal128.", pg_encoding_mbcliplen(PG_UTF8, data, len, 100), data), NULL);
}

static MongoNode *
encode_text(const ChColumn *col, const char *data, int len)
{
	char	   *uuid;

	switch (mongo_column(col)->type)
	{
		case MONGO_ANY:
		case MONGO_STRING:
			return mongo_value(value_of_text(data, len));
		case MONGO_OBJECT_ID:
			return encode_object_id(col, data, len);
		case MONGO_UUID:
			uuid = palloc(UUID_LEN);
			if (!mongo_uuid_of_text(data, len, uuid))
				ch_refuse_value(col, ERRCODE_INVALID_TEXT_REPRESENTATION,
								psprintf("\"%.*s\" is no UUID.", pg_encoding_mbcliplen(PG_UTF8, data, len, 100), data),
								"A UUID must look as PostgreSQL prints it.");
			return mongo_value(value_of_uuid(uuid, BSON_SUBTYPE_UUID));
		case MONGO_DECIMAL:
			return encode_decimal_text(col, data, len);
		default:
			refuse_type(col);
	}
}

static MongoNode *
encode_uuid(const ChColumn *col, const char *data)
{
	MongoType	type = mongo_column(col)->type;

	if (type == MONGO_STRING)
		return mongo_text(DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(data))));
	if (type != MONGO_ANY && type != MONGO_UUID)
		refuse_type(col);
	return mongo_value(value_of_uuid(data, BSON_SUBTYPE_UUID));
}

static MongoNode *
encode_bytes(const ChColumn *col, const char *data, int len)
{
	bson_value_t value = {.value_type = BSON_TYPE_BINARY};

	if (mongo_column(col)->type != MONGO_ANY)
		refuse_type(col);
	value.value.v_binary.data = (uint8_t *) unconstify(char *, data);
	value.value.v_binary.data_len = len;
	value.value.v_binary.subtype = BSON_SUBTYPE_BINARY;
	return mongo_value(value);
}

/* ---- times ------------------------------------------------------------------------------- */

static MongoNode *
encode_time(const ChColumn *col, const ChValue *v)
{
	bool		is_date = v->kind == CH_DATE;
	bool		exact = true;
	int64		ms;

	if (mongo_column(col)->type != MONGO_ANY)
		refuse_type(col);
	if (is_date ? DATE_NOT_FINITE((DateADT) v->u.i) : TIMESTAMP_NOT_FINITE(v->u.i))
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "MongoDB has no infinite dates.", NULL);
	if (is_date)
		ms = (v->u.i + POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY * 1000;
	else
		ms = mongo_timestamp_to_date(v->u.i, &exact);
	if (!exact)
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "It has microseconds; dates of MongoDB have milliseconds.",
						psprintf("Make the column's type %s(3), which rounds to milliseconds.",
								 col->basetype == TIMESTAMPOID ? "timestamp" : "timestamptz"));
	return mongo_date(ms);
}

/* ---- lists and documents -------------------------------------------------------------------- */

static MongoNode *encode_json(const ChColumn *col, const ChValue *v, int depth, size_t *size);

static const char *
encode_key(const ChColumn *col, const ChMember *m, size_t *size)
{
	if (m->keylen > 0 && m->key[0] == '$')
		ch_refuse_value(col, ERRCODE_INVALID_NAME,
						psprintf("The field name \"%.*s\" begins with $.", pg_encoding_mbcliplen(PG_UTF8, m->key, m->keylen, 100), m->key), NULL);
	if (memchr(m->key, '.', m->keylen))
		ch_refuse_value(col, ERRCODE_INVALID_NAME,
						psprintf("The field name \"%.*s\" has a dot.", pg_encoding_mbcliplen(PG_UTF8, m->key, m->keylen, 100), m->key), NULL);
	count_bytes(col, size, m->keylen + 2);
	return pnstrdup(m->key, m->keylen);
}

static MongoNode *
encode_json_container(const ChColumn *col, const ChValue *v, int depth, size_t *size)
{
	MongoNode  *whole = v->kind == CH_MAP ? mongo_doc() : mongo_list();

	check_stack_depth();
	if (depth > MAX_DEPTH)
		ch_refuse_value(col, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						psprintf("More than %d documents or arrays are in each other.", MAX_DEPTH), NULL);
	for (int i = 0; v->kind == CH_MAP && i < v->u.map.n; i++)
		mongo_put(whole, encode_key(col, &v->u.map.members[i], size),
				  encode_json(col, &v->u.map.members[i].value, depth + 1, size));
	for (int i = 0; v->kind == CH_LIST && i < v->u.list.n; i++)
	{
		count_bytes(col, size, 3);
		mongo_add(whole, encode_json(col, &v->u.list.items[i], depth + 1, size));
	}
	return whole;
}

static MongoNode *
encode_json(const ChColumn *col, const ChValue *v, int depth, size_t *size)
{
	switch (v->kind)
	{
		case CH_BOOL:
			return mongo_bool(v->u.b);
		case CH_DECIMAL:
			count_bytes(col, size, 4);
			return encode_json_number(col, v->u.s.data, v->u.s.len);
		case CH_STRING:
			count_bytes(col, size, v->u.s.len + 5);
			return mongo_value(value_of_text(v->u.s.data, v->u.s.len));
		case CH_MAP:
		case CH_LIST:
			count_bytes(col, size, 5);
			return encode_json_container(col, v, depth, size);
		default:
			return mongo_null();
	}
}

static MongoNode *
encode_whole_json(const ChColumn *col, const ChValue *v, size_t *size)
{
	if (mongo_column(col)->type != MONGO_ANY)
		refuse_type(col);
	return encode_json(col, v, 1, size);
}

/* Text of type json. */
static MongoNode *
encode_json_text(const ChColumn *col, const ChValue *v, size_t *size)
{
	char	   *text = pg_any_to_server(pnstrdup(v->u.s.data, v->u.s.len), v->u.s.len, PG_UTF8);
	ChValue		parsed;

	(void) ch_content_to_value(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)), JSONBOID, &parsed);
	if (parsed.kind == CH_NULL)
		ch_refuse_value(col, ERRCODE_NULL_VALUE_NOT_ALLOWED, "JSON's null would be read as NULL.", "Write NULL.");
	return encode_whole_json(col, &parsed, size);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static MongoNode *
encode_scalar(const ChColumn *col, Oid type, const ChValue *v, size_t *size)
{
	switch (v->kind)
	{
		case CH_BOOL:
			if (mongo_column(col)->type != MONGO_ANY)
				refuse_type(col);
			return mongo_bool(v->u.b);
		case CH_INT:
			return encode_int(col, type, v->u.i);
		case CH_FLOAT:
			return encode_float(col, v->u.f);
		case CH_DECIMAL:
			return encode_numeric(col, v->u.s.data, v->u.s.len);
		case CH_STRING:
			count_bytes(col, size, v->u.s.len);
			return encode_text(col, v->u.s.data, v->u.s.len);
		case CH_UNTYPED:
			count_bytes(col, size, v->u.s.len);
			if (mongo_column(col)->type > MONGO_STRING)
				refuse_type(col);
			return mongo_value(value_of_text(v->u.s.data, v->u.s.len));
		case CH_UUID:
			return encode_uuid(col, v->u.s.data);
		case CH_BYTES:
			count_bytes(col, size, v->u.s.len);
			return encode_bytes(col, v->u.s.data, v->u.s.len);
		case CH_INSTANT:
		case CH_LOCAL_DATETIME:
		case CH_DATE:
			return encode_time(col, v);
		default:
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED,
							psprintf("MongoDB has no values of type %s.", format_type_be(type)), NULL);
	}
}

MongoNode *
mongo_encode(const ChColumn *col, const ChValue *v, size_t *size)
{
	MongoNode  *list;

	count_bytes(col, size, 8);
	if (col->basetype == JSONBOID)
		return encode_whole_json(col, v, size);
	if (col->basetype == JSONOID)
		return encode_json_text(col, v, size);
	if (v->kind != CH_LIST)
		return encode_scalar(col, col->basetype, v, size);
	list = mongo_list();
	for (int i = 0; i < v->u.list.n; i++)
	{
		const ChValue *item = &v->u.list.items[i];

		count_bytes(col, size, 8);
		mongo_add(list, item->kind == CH_NULL ? mongo_null() : encode_scalar(col, col->element->basetype, item, size));
	}
	return list;
}

void
mongo_append_bson(const MongoNode *doc, StringInfo out)
{
	bson_t		bson = BSON_INITIALIZER;

	mongo_write(doc, &bson);
	PG_TRY();
	{
		appendBinaryStringInfo(out, (const char *) bson_get_data(&bson), bson.len);
	}
	PG_FINALLY();
	{
		bson_destroy(&bson);
	}
	PG_END_TRY();
}

static Jsonb *
read_again(MongoNode *node)
{
	StringInfoData data;
	bson_t		bson;
	bson_iter_t it;
	ChValue		v;

	initStringInfo(&data);
	mongo_append_bson(mongo_doc1("v", node), &data);
	if (!bson_init_static(&bson, (const uint8_t *) data.data, data.len) || !bson_iter_init_find(&it, &bson, "v"))
		elog(ERROR, "a document of libbson is not readable");
	mongo_decode(&it, &v);
	return ch_value_to_jsonb(&v);
}

bool
mongo_reads_alike(MongoNode *a, MongoNode *b)
{
	return DatumGetBool(DirectFunctionCall2(jsonb_eq, JsonbPGetDatum(read_again(a)), JsonbPGetDatum(read_again(b))));
}
