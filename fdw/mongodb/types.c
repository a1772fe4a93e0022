/*
 * types.c
 *	  What is a BSON value to PostgreSQL?
 *
 * Every BSON type has a ChValue.  Types without a counterpart become the
 * document that MongoDB's extended JSON has for them, so that a jsonb column
 * shows them and any other column refuses them.
 *
 * A column narrows that further: what conditions in the store could not be
 * told apart from the column's own values must not fit (a UUID in a text
 * column, a string in a uuid column), unless bson_type asks for it.  Such a
 * value becomes an empty document, which no scalar type takes.
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* from 1970 to 2000 */
#define EPOCHS_MSEC ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

const char *
mongo_type_name(bson_type_t type)
{
	switch (type)
	{
		case BSON_TYPE_DOUBLE:
			return "double";
		case BSON_TYPE_UTF8:
			return "string";
		case BSON_TYPE_DOCUMENT:
			return "object";
		case BSON_TYPE_ARRAY:
			return "array";
		case BSON_TYPE_BINARY:
			return "binData";
		case BSON_TYPE_UNDEFINED:
			return "undefined";
		case BSON_TYPE_OID:
			return "objectId";
		case BSON_TYPE_BOOL:
			return "bool";
		case BSON_TYPE_DATE_TIME:
			return "date";
		case BSON_TYPE_NULL:
			return "null";
		case BSON_TYPE_REGEX:
			return "regex";
		case BSON_TYPE_DBPOINTER:
			return "dbPointer";
		case BSON_TYPE_CODE:
			return "javascript";
		case BSON_TYPE_SYMBOL:
			return "symbol";
		case BSON_TYPE_CODEWSCOPE:
			return "javascriptWithScope";
		case BSON_TYPE_INT32:
			return "int";
		case BSON_TYPE_TIMESTAMP:
			return "timestamp";
		case BSON_TYPE_INT64:
			return "long";
		case BSON_TYPE_DECIMAL128:
			return "decimal";
		case BSON_TYPE_MAXKEY:
			return "maxKey";
		case BSON_TYPE_MINKEY:
			return "minKey";
		default:
			return "unknown";
	}
}

/* ---- dates -------------------------------------------------------------------- */

bool
mongo_date_to_timestamp(int64 ms, Timestamp *out)
{
	int64		us;

	if (pg_sub_s64_overflow(ms, EPOCHS_MSEC, &ms) || pg_mul_s64_overflow(ms, 1000, &us) ||
		!IS_VALID_TIMESTAMP(us))
		return false;
	*out = us;
	return true;
}

int64
mongo_timestamp_to_date(Timestamp t, bool *exact)
{
	int64		ms = t / 1000;

	*exact = t % 1000 == 0;
	if (t % 1000 < 0)
		ms--;
	return ms + EPOCHS_MSEC;
}

/* ---- UUIDs ---------------------------------------------------------------------- */

/* The 16 bytes of a UUID in the form that PostgreSQL prints; false for any other text. */
bool
mongo_uuid_of_text(const char *text, int len, char *out)
{
	int			n = 0;

	if (len != 36)
		return false;
	for (int i = 0; i < len; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;
		int			digit = text[i] >= 'a' ? text[i] - 'a' + 10 : text[i] - '0';

		if (dash ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
			return false;
		if (dash)
			continue;
		out[n / 2] = n % 2 ? out[n / 2] | digit : digit << 4;
		n++;
	}
	return true;
}

/* ---- values without a counterpart ------------------------------------------------ */

static ChValue
int_value(int64 i)
{
	ChValue		v = {.kind = CH_INT};

	v.u.i = i;
	return v;
}

static ChValue
text_value(const char *text)
{
	return ch_string(text, strlen(text));
}

/* {key: value} of up to two members */
static void
make_map(ChValue *v, const char *key1, ChValue value1, const char *key2, ChValue value2)
{
	ChMember   *members = palloc(2 * sizeof(ChMember));

	members[0].key = key1;
	members[0].keylen = strlen(key1);
	members[0].value = value1;
	if (key2)
	{
		members[1].key = key2;
		members[1].keylen = strlen(key2);
		members[1].value = value2;
	}
	v->kind = CH_MAP;
	v->u.map.n = key2 ? 2 : 1;
	v->u.map.members = members;
}

static void
make_map1(ChValue *v, const char *key, ChValue value)
{
	make_map(v, key, value, NULL, value);
}

ChValue
mongo_oid_text(const bson_oid_t *oid)
{
	char	   *hex = palloc(25);

	bson_oid_to_string(oid, hex);
	return ch_string(hex, 24);
}

static void
decode_timestamp(const bson_iter_t *it, ChValue *v)
{
	uint32_t	t,
				i;
	ChValue		inner;

	bson_iter_timestamp(it, &t, &i);
	make_map(&inner, "t", int_value(t), "i", int_value(i));
	make_map1(v, "$timestamp", inner);
}

static void
decode_regex(const bson_iter_t *it, ChValue *v)
{
	const char *flags;
	const char *pattern = bson_iter_regex(it, &flags);
	ChValue		inner;

	make_map(&inner, "pattern", text_value(pattern), "options", text_value(flags));
	make_map1(v, "$regularExpression", inner);
}

static void
decode_dbpointer(const bson_iter_t *it, ChValue *v)
{
	uint32_t	len;
	const char *collection;
	const bson_oid_t *oid;
	ChValue		inner;

	bson_iter_dbpointer(it, &len, &collection, &oid);
	make_map(&inner, "$ref", text_value(collection), "$id", mongo_oid_text(oid));
	make_map1(v, "$dbPointer", inner);
}

static void
decode_code(const bson_iter_t *it, ChValue *v)
{
	uint32_t	len;

	make_map1(v, "$code", text_value(bson_iter_code(it, &len)));
}

static void decode_document(const uint8_t *data, uint32_t len, ChValue *v);

static void
decode_code_with_scope(const bson_iter_t *it, ChValue *v)
{
	uint32_t	len,
				scope_len;
	const uint8_t *scope;
	const char *code = bson_iter_codewscope(it, &len, &scope_len, &scope);
	ChValue		inner = {.kind = CH_NULL};

	decode_document(scope, scope_len, &inner);
	make_map(v, "$code", text_value(code), "$scope", inner);
}

/* ---- values ------------------------------------------------------------------------- */

static void
decode_binary(const bson_iter_t *it, ChValue *v)
{
	bson_subtype_t subtype;
	uint32_t	len;
	const uint8_t *data;

	bson_iter_binary(it, &subtype, &len, &data);
	v->kind = (subtype == BSON_SUBTYPE_UUID || subtype == BSON_SUBTYPE_UUID_DEPRECATED) && len == UUID_LEN
		? CH_UUID : CH_BYTES;
	if (v->kind == CH_UUID)
		v->remote_type = "UUID";
	v->u.s.data = (const char *) data;
	v->u.s.len = len;
}

static void
decode_date(const bson_iter_t *it, ChValue *v)
{
	int64		ms = bson_iter_date_time(it);
	Timestamp	t;

	if (mongo_date_to_timestamp(ms, &t))
	{
		v->kind = CH_INSTANT;
		v->u.i = t;
	}
	else
		make_map1(v, "$date", int_value(ms));
}

static void
decode_decimal(const bson_iter_t *it, ChValue *v)
{
	bson_decimal128_t dec;
	char	   *text = palloc(BSON_DECIMAL128_STRING);

	bson_iter_decimal128(it, &dec);
	bson_decimal128_to_string(&dec, text);
	v->kind = CH_DECIMAL;
	v->u.s.data = text;
	v->u.s.len = strlen(text);
}

static void
decode_array(const uint8_t *data, uint32_t len, ChValue *v)
{
	bson_iter_t it;
	int			room = 8;

	check_stack_depth();
	v->kind = CH_LIST;
	v->u.list.n = 0;
	v->u.list.items = palloc(room * sizeof(ChValue));
	if (!bson_iter_init_from_data(&it, data, len))
		return;
	while (bson_iter_next(&it))
	{
		if (v->u.list.n == room)
		{
			room *= 2;
			v->u.list.items = repalloc(v->u.list.items, room * sizeof(ChValue));
		}
		mongo_decode(&it, &v->u.list.items[v->u.list.n++]);
	}
}

static void
decode_document(const uint8_t *data, uint32_t len, ChValue *v)
{
	bson_iter_t it;
	int			room = 8;

	check_stack_depth();
	v->kind = CH_MAP;
	v->u.map.n = 0;
	v->u.map.members = palloc(room * sizeof(ChMember));
	if (!bson_iter_init_from_data(&it, data, len))
		return;
	while (bson_iter_next(&it))
	{
		ChMember   *m;

		if (v->u.map.n == room)
		{
			room *= 2;
			v->u.map.members = repalloc(v->u.map.members, room * sizeof(ChMember));
		}
		m = &v->u.map.members[v->u.map.n++];
		m->key = bson_iter_key(&it);
		m->keylen = strlen(m->key);
		mongo_decode(&it, &m->value);
	}
}

/* Types that few documents have. */
static void
decode_rare(const bson_iter_t *it, bson_type_t type, ChValue *v)
{
	uint32_t	len;

	switch (type)
	{
		case BSON_TYPE_SYMBOL:
			v->kind = CH_STRING;
			v->u.s.data = bson_iter_symbol(it, &len);
			v->u.s.len = len;
			break;
		case BSON_TYPE_REGEX:
			decode_regex(it, v);
			break;
		case BSON_TYPE_DBPOINTER:
			decode_dbpointer(it, v);
			break;
		case BSON_TYPE_CODE:
			decode_code(it, v);
			break;
		case BSON_TYPE_CODEWSCOPE:
			decode_code_with_scope(it, v);
			break;
		case BSON_TYPE_TIMESTAMP:
			decode_timestamp(it, v);
			break;
		case BSON_TYPE_MINKEY:
			make_map1(v, "$minKey", int_value(1));
			break;
		case BSON_TYPE_MAXKEY:
			make_map1(v, "$maxKey", int_value(1));
			break;
		default:				/* null, and undefined, which queries call null */
			v->kind = CH_NULL;
			break;
	}
}

void
mongo_decode(const bson_iter_t *it, ChValue *v)
{
	bson_type_t type = bson_iter_type(it);
	uint32_t	len;
	const uint8_t *data;

	v->remote_type = mongo_type_name(type);
	switch (type)
	{
		case BSON_TYPE_UTF8:
			v->kind = CH_STRING;
			v->u.s.data = bson_iter_utf8(it, &len);
			v->u.s.len = len;
			break;
		case BSON_TYPE_DOUBLE:
			v->kind = CH_FLOAT;
			v->u.f = bson_iter_double(it);
			break;
		case BSON_TYPE_INT32:
			v->kind = CH_INT;
			v->u.i = bson_iter_int32(it);
			break;
		case BSON_TYPE_INT64:
			v->kind = CH_INT;
			v->u.i = bson_iter_int64(it);
			break;
		case BSON_TYPE_BOOL:
			v->kind = CH_BOOL;
			v->u.b = bson_iter_bool(it);
			break;
		case BSON_TYPE_DATE_TIME:
			decode_date(it, v);
			break;
		case BSON_TYPE_OID:
			*v = mongo_oid_text(bson_iter_oid(it));
			v->remote_type = "objectId";
			break;
		case BSON_TYPE_DECIMAL128:
			decode_decimal(it, v);
			break;
		case BSON_TYPE_BINARY:
			decode_binary(it, v);
			break;
		case BSON_TYPE_DOCUMENT:
			bson_iter_document(it, &len, &data);
			decode_document(data, len, v);
			break;
		case BSON_TYPE_ARRAY:
			bson_iter_array(it, &len, &data);
			decode_array(data, len, v);
			break;
		default:
			decode_rare(it, type, v);
			break;
	}
}

void
mongo_decode_bson(const bson_t *doc, ChValue *v)
{
	v->remote_type = "object";
	decode_document(bson_get_data(doc), doc->len, v);
}

/* ---- values of a column ------------------------------------------------------------------ */

/* A value that no scalar type takes; what it was is kept for the message. */
static void
make_unfit(ChValue *v)
{
	v->kind = CH_MAP;
	v->u.map.n = 0;
	v->u.map.members = NULL;
}

static bson_subtype_t
subtype_of(const bson_iter_t *it)
{
	bson_subtype_t subtype;
	uint32_t	len;
	const uint8_t *data;

	bson_iter_binary(it, &subtype, &len, &data);
	return subtype;
}

static bool
has_type(const bson_iter_t *it, MongoType wanted, const ChValue *v)
{
	bson_type_t type = bson_iter_type(it);

	switch (wanted)
	{
		case MONGO_STRING:
			return type == BSON_TYPE_UTF8;
		case MONGO_OBJECT_ID:
			return type == BSON_TYPE_OID;
		case MONGO_UUID:
			return v->kind == CH_UUID && subtype_of(it) == BSON_SUBTYPE_UUID;
		case MONGO_DECIMAL:
			return type == BSON_TYPE_DECIMAL128;
		case MONGO_DOUBLE:
			return type == BSON_TYPE_DOUBLE;
		case MONGO_INT:
			return type == BSON_TYPE_INT32;
		case MONGO_LONG:
			return type == BSON_TYPE_INT64;
		default:
			return true;
	}
}

/*
 * A symbol, a type out of use, is no text: to the store it equals the string,
 * but no pattern and no function of strings knows it.
 */
static void
fit_text(MongoType wanted, bson_type_t type, ChValue *v)
{
	if (v->kind == CH_DECIMAL && wanted == MONGO_DECIMAL)
		v->kind = CH_STRING;
	else if ((v->kind == CH_UUID && wanted != MONGO_UUID) || type == BSON_TYPE_SYMBOL)
		make_unfit(v);
}

/* An instant in a column without time zone is meant in UTC. */
static void
fit_time(Oid type, ChValue *v)
{
	if (v->kind != CH_INSTANT)
		return;
	if (type == TIMESTAMPOID)
		v->kind = CH_LOCAL_DATETIME;
	else if (type == DATEOID && v->u.i % USECS_PER_DAY == 0)
	{
		v->kind = CH_DATE;
		v->u.i /= USECS_PER_DAY;
	}
}

static void
fit(Oid type, MongoType wanted, bson_type_t stored, ChValue *v)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			fit_text(wanted, stored, v);
			break;
		case TIMESTAMPOID:
		case DATEOID:
			fit_time(type, v);
			break;
		case UUIDOID:
			if (v->kind == CH_STRING && wanted != MONGO_STRING)
				make_unfit(v);
			break;
		case BYTEAOID:
			if (v->kind == CH_UUID)
				v->kind = CH_BYTES;
			break;
		default:
			break;
	}
}

/* The elements of an array column, in place. */
static void
fit_elements(Oid type, MongoType wanted, const bson_iter_t *array, ChValue *v)
{
	bson_iter_t it;
	int			i = 0;

	if (!bson_iter_recurse(array, &it))
		return;
	while (bson_iter_next(&it) && i < v->u.list.n)
	{
		ChValue    *item = &v->u.list.items[i++];

		if (item->kind == CH_NULL)
			continue;
		if (has_type(&it, wanted, item))
			fit(type, wanted, bson_iter_type(&it), item);
		else
			make_unfit(item);
	}
}

void
mongo_decode_for(const ChColumn *col, const bson_iter_t *it, ChValue *v)
{
	MongoType	wanted = mongo_column(col)->type;

	mongo_decode(it, v);
	if (v->kind == CH_NULL || col->basetype == JSONBOID || col->basetype == JSONOID)
		return;
	if (OidIsValid(col->elemtype))
	{
		if (v->kind == CH_LIST)
			fit_elements(col->element->basetype, wanted, it, v);
		return;
	}
	if (wanted != MONGO_ANY && !has_type(it, wanted, v))
		make_unfit(v);
	else
		fit(col->basetype, wanted, bson_iter_type(it), v);
}
