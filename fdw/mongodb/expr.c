/*
 * expr.c
 *	  Columns as expressions of an aggregation pipeline.
 *
 * An expression, other than a query operator, does not look into arrays, and it
 * compares values of all types in one order.  So it has to say itself which
 * values a column holds.  What it says is what types.c and core's value.c say
 * of a value that is fetched.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/expr.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"

/* from 1970 to 2000 */
#define EPOCHS_MSEC ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/* ---- pieces ----------------------------------------------------------------------- */

MongoNode *
mongo_type_is(MongoNode *x, const char *type)
{
	return mongo_call("$eq", mongo_doc1("$type", x), mongo_text(type), NULL);
}

MongoNode *
mongo_type_in(MongoNode *x, const char *const *types)
{
	MongoNode  *list = mongo_list();

	for (int i = 0; types[i]; i++)
		mongo_add(list, mongo_text(types[i]));
	return mongo_call("$in", mongo_doc1("$type", x), list, NULL);
}

MongoNode *
mongo_nan(void)
{
	return mongo_double(NAN);
}

/*
 * Not {"$gt": [x, null]}: DocumentDB makes an index condition of that in $match,
 * which finds nothing.
 */
MongoNode *
mongo_is_some(MongoNode *value)
{
	return mongo_call("$ne", mongo_call("$ifNull", value, mongo_null(), NULL), mongo_null(), NULL);
}

static MongoNode *
convert(MongoNode *x, const char *to)
{
	MongoNode  *args = mongo_doc1("input", x);

	mongo_put(args, "to", mongo_text(to));
	mongo_put(args, "onError", mongo_null());
	return mongo_doc1("$convert", args);
}

static MongoNode *
between(MongoNode *x, MongoNode *low, MongoNode *high)
{
	return mongo_call("$and", mongo_call("$gte", x, low, NULL), mongo_call("$lte", x, high, NULL), NULL);
}

bool
mongo_may_be_nan(const ChColumn *col)
{
	MongoType	type = mongo_column(col)->type;

	return (ch_is_float(col->basetype) || col->basetype == NUMERICOID) &&
		type != MONGO_INT && type != MONGO_LONG;
}

/* ---- what fits, by type ------------------------------------------------------------- */

/* Values of some type of the store: which ones fit, and what they are then. */
typedef struct Way
{
	MongoNode  *fits;
	MongoNode  *value;
} Way;

static List *
add_way(List *ways, MongoNode *fits, MongoNode *value)
{
	Way		   *way = palloc(sizeof(Way));

	way->fits = fits;
	way->value = value;
	return lappend(ways, way);
}

static bool
wants(const ChColumn *col, MongoType type)
{
	MongoType	only = mongo_column(col)->type;

	return only == MONGO_ANY || only == type;
}

/*
 * Integers, and doubles that are whole.  $trunc is not used: of doubles above
 * 10^15 it was seen to make other ones.
 */
static List *
integer_ways(const ChColumn *col, MongoNode *x)
{
	static const char *const both[] = {"int", "long", NULL};
	int			bits = col->basetype == INT2OID ? 15 : col->basetype == INT4OID ? 31 : 63;
	int64		high = PG_INT64_MAX >> (63 - bits);
	MongoNode  *in_range = between(x, mongo_long(-high - 1), mongo_long(high));
	MongoNode  *whole;
	List	   *ways = NIL;

	if (bits == 63 && mongo_column(col)->type == MONGO_ANY)
		ways = add_way(ways, mongo_type_in(x, both), x);
	else
	{
		if (wants(col, MONGO_INT))
			ways = add_way(ways, bits == 15 ? mongo_call("$and", mongo_type_is(x, "int"), in_range, NULL) : mongo_type_is(x, "int"), x);
		if (wants(col, MONGO_LONG))
			ways = add_way(ways, bits == 63 ? mongo_type_is(x, "long") : mongo_call("$and", mongo_type_is(x, "long"), in_range, NULL), x);
	}
	if (!wants(col, MONGO_DOUBLE))
		return ways;
	whole = mongo_call("$and", mongo_type_is(x, "double"), mongo_call("$gte", x, mongo_double(-ldexp(1, bits)), NULL),
					   mongo_call("$lt", x, mongo_double(ldexp(1, bits)), NULL),
					   mongo_call("$eq", mongo_call("$mod", x, mongo_int(1), NULL), mongo_int(0), NULL), NULL);
	return add_way(ways, whole, mongo_doc1("$toLong", x));
}

/* Doubles, and integers that a double holds. */
static List *
float_ways(const ChColumn *col, MongoNode *x)
{
	MongoNode  *as_double = mongo_doc1("$toDouble", x);
	List	   *ways = NIL;

	if (wants(col, MONGO_DOUBLE))
		ways = add_way(ways, mongo_type_is(x, "double"), x);
	if (wants(col, MONGO_INT))
		ways = add_way(ways, mongo_type_is(x, "int"), as_double);
	if (wants(col, MONGO_LONG))
		ways = add_way(ways, mongo_call("$and", mongo_type_is(x, "long"), mongo_call("$eq", convert(as_double, "long"), x, NULL), NULL),
					   as_double);
	return ways;
}

static MongoNode *
decimal_value(const char *text)
{
	bson_decimal128_t d;

	if (!bson_decimal128_from_string(text, &d))
		elog(ERROR, "libbson does not read decimal %s", text);
	return mongo_value(value_of_decimal(d));
}

/* numeric(p, s) has values of at most s digits after the point, below 10^(p - s). */
static MongoNode *
fits_precision(int32 typmod, MongoNode *x)
{
	int			scale = mongo_scale(typmod);
	MongoNode  *small = mongo_call("$lt", mongo_doc1("$abs", x), decimal_value(psprintf("1E%d", mongo_precision(typmod) - scale)), NULL);
	MongoNode  *whole = mongo_call("$eq", mongo_call("$mod", x, decimal_value(psprintf("1E%d", -scale)), NULL),
								   mongo_int(0), NULL);

	return mongo_call("$or", mongo_call("$eq", x, mongo_nan(), NULL), mongo_call("$and", small, whole, NULL), NULL);
}

/* Any number; value.c takes doubles by their shortest text. */
static List *
numeric_ways(const ChColumn *col, MongoNode *x)
{
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	static const char *const names[] = {[MONGO_DECIMAL] = "decimal",[MONGO_DOUBLE] = "double",[MONGO_INT] = "int",[MONGO_LONG] = "long"};
	MongoType	type = mongo_column(col)->type;

	if (col->typmod >= 0)
		return add_way(NIL, mongo_call("$and", mongo_type_is(x, "decimal"), fits_precision(col->typmod, x), NULL), x);
	return add_way(NIL, type == MONGO_ANY ? mongo_type_in(x, numbers) : mongo_type_is(x, names[type]), x);
}

static MongoNode *
uuid_bound(char byte, bson_subtype_t subtype)
{
	return mongo_value(value_of_uuid(memset(palloc(UUID_LEN), byte, UUID_LEN), subtype));
}

/* Binary data is ordered by length, then subtype. */
static List *
add_uuid_way(List *ways, MongoNode *x, bson_subtype_t subtype)
{
	return add_way(ways, between(x, uuid_bound(0, subtype), uuid_bound(0xff, subtype)), x);
}

static List *
uuid_ways(const ChColumn *col, MongoNode *x)
{
	List	   *ways = NIL;

	if (mongo_column(col)->type == MONGO_ANY)
		ways = add_uuid_way(ways, x, BSON_SUBTYPE_UUID_DEPRECATED);
	return add_uuid_way(ways, x, BSON_SUBTYPE_UUID);
}

/* Text has no zero byte. */
static MongoNode *
has_no_zero(MongoNode *x)
{
	MongoNode  *zero = mongo_value(value_of_text("\0", 1));

	return mongo_call("$lt", mongo_call("$indexOfCP", x, zero, NULL), mongo_int(0), NULL);
}

static List *
text_ways(const ChColumn *col, MongoNode *x)
{
	MongoType	only = mongo_column(col)->type;
	List	   *ways = NIL;

	if (wants(col, MONGO_STRING))
		ways = add_way(ways, mongo_call("$and", mongo_type_is(x, "string"), has_no_zero(x), NULL), x);
	if (only == MONGO_ANY)
		ways = add_way(ways, mongo_type_is(x, "objectId"), mongo_doc1("$toString", x));
	else if (only == MONGO_OBJECT_ID)
		ways = add_way(ways, mongo_type_is(x, "objectId"), x);
	else if (only == MONGO_UUID)
		ways = add_uuid_way(ways, x, BSON_SUBTYPE_UUID);
	return ways;
}

/* Dates that a timestamp holds; those of a date column are midnights. */
static List *
time_ways(const ChColumn *col, MongoNode *x)
{
	MongoNode  *fits = mongo_call("$and", mongo_type_is(x, "date"),
								  mongo_call("$gte", x, mongo_date(MIN_TIMESTAMP / 1000 + EPOCHS_MSEC), NULL),
								  mongo_call("$lt", x, mongo_date(END_TIMESTAMP / 1000 + EPOCHS_MSEC), NULL), NULL);

	if (col->basetype == DATEOID)
		fits = mongo_call("$and", fits, mongo_call("$eq", mongo_call("$mod", mongo_doc1("$toLong", x),
																	mongo_int(SECS_PER_DAY * 1000), NULL), mongo_int(0), NULL), NULL);
	return add_way(NIL, fits, x);
}

/* All ways of a column's value x; NIL: it is not said here. */
static List *
ways_of(const ChColumn *col, MongoNode *x)
{
	MongoType	only = mongo_column(col)->type;

	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return integer_ways(col, x);
		case FLOAT8OID:
			return float_ways(col, x);
		case NUMERICOID:
			return only == MONGO_ANY || only >= MONGO_DECIMAL ? numeric_ways(col, x) : NIL;
		case BOOLOID:
			return only == MONGO_ANY ? add_way(NIL, mongo_type_is(x, "bool"), x) : NIL;
		case TEXTOID:
		case VARCHAROID:
			return text_ways(col, x);
		case UUIDOID:
			return only == MONGO_ANY || only == MONGO_UUID ? uuid_ways(col, x) : NIL;
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return only == MONGO_ANY ? time_ways(col, x) : NIL;
		default:
			return NIL;
	}
}

/* ---- may a column be asked about --------------------------------------------------------- */

/* A length or precision that expressions check, or that every value has. */
static bool
has_known_typmod(const ChColumn *col)
{
	if (col->typmod < 0)
		return true;
	if (col->basetype == TIMESTAMPTZOID || col->basetype == TIMESTAMPOID)
		return col->typmod >= 3;	/* milliseconds */
	return col->basetype == NUMERICOID && mongo_column(col)->type == MONGO_DECIMAL;
}

static bool
is_json(const ChColumn *col)
{
	return col->basetype == JSONBOID || col->basetype == JSONOID;
}

bool
mongo_has_fit(const ChColumn *col, const char **reason)
{
	const MongoPath *path = &mongo_column(col)->path;

	if (col->kind == MONGO_COMPUTED)
		return mongo_column(col)->refusal == NULL || ch_refuse(reason, mongo_column(col)->refusal);
	if (col->kind == MONGO_DOCUMENT)
		return ch_refuse(reason, "whole documents are looked at by PostgreSQL only");
	if (col->kind == MONGO_JSON || col->kind == MONGO_JSON_TEXT)
		return ch_refuse(reason, "fields of JSON have the form that PostgreSQL gives them");
	if (path->nplain < path->nparts)
		return ch_refuse(reason, "an expression of MongoDB cannot follow an array position or a name that begins with $");
	if (col->domain)
		return ch_refuse(reason, "a domain's constraints are checked by PostgreSQL");
	if (!has_known_typmod(col))
		return ch_refuse(reason, "the column's type has a length or precision");
	/* JSON takes any value, but no string with a zero byte somewhere inside */
	if (is_json(col))
		return !col->table->mismatch_null || ch_refuse(reason, "values that do not fit the column are NULL (on_type_mismatch)");
	if (ways_of(col, mongo_null()) == NIL)
		return ch_refuse(reason, "MongoDB cannot tell which values the column's type holds");
	return true;
}

bool
mongo_has_form(const ChColumn *col, const char **reason)
{
	if (!mongo_has_fit(col, reason))
		return false;
	if (col->kind == MONGO_COMPUTED)
		return true;
	if (is_json(col))
		return ch_refuse(reason, "JSON is compared by PostgreSQL only");
	if (mongo_column(col)->type == MONGO_ANY && col->basetype == NUMERICOID)
		return ch_refuse(reason, "MongoDB compares doubles among decimals by their binary value; set the column's option bson_type if it has one type only");
	if (mongo_column(col)->type == MONGO_ANY && col->basetype == UUIDOID)
		return ch_refuse(reason, "MongoDB tells the two binary subtypes of UUIDs apart; set the column's option bson_type to 'uuid'");
	return true;
}

/* ---- the views ------------------------------------------------------------------------------ */

/* A path ends at an array; of a path through one, MongoDB makes an array. */
MongoNode *
mongo_raw(const ChColumn *col)
{
	const MongoPath *path = &mongo_column(col)->path;
	MongoNode  *x = mongo_text(psprintf("$%s", path->text));
	const char *dot = strrchr(path->text, '.');
	MongoNode  *way;

	if (col->kind == MONGO_COMPUTED)
		return mongo_column(col)->expression;
	if (mongo_is_direct(path))
		return x;
	way = mongo_list();
	mongo_add(way, mongo_text(psprintf("$%.*s", (int) (dot - path->text), path->text)));
	return mongo_call("$cond", mongo_doc1("$isArray", way), mongo_null(), x, NULL);
}

/* The expression that make returns, of the raw value. */
static MongoNode *
of_raw(const ChColumn *col, MongoNode *(*make) (const ChColumn *col, MongoNode *x))
{
	MongoNode  *let;

	if (mongo_is_direct(&mongo_column(col)->path))
		return make(col, mongo_raw(col));
	let = mongo_doc1("vars", mongo_doc1("x", mongo_raw(col)));
	mongo_put(let, "in", make(col, mongo_text("$$x")));
	return mongo_doc1("$let", let);
}

static MongoNode *
make_fit(const ChColumn *col, MongoNode *x)
{
	MongoNode  *any = mongo_list();
	List	   *ways = ways_of(col, x);
	ListCell   *lc;

	if (is_json(col))
		return mongo_is_some(x);
	if (list_length(ways) == 1)
		return ((Way *) linitial(ways))->fits;
	foreach(lc, ways)
		mongo_add(any, ((Way *) lfirst(lc))->fits);
	return mongo_doc1("$or", any);
}

static MongoNode *
make_form(const ChColumn *col, MongoNode *x)
{
	List	   *ways = ways_of(col, x);
	MongoNode  *form = mongo_null();

	for (int i = list_length(ways) - 1; i >= 0; i--)
	{
		const Way  *way = list_nth(ways, i);

		form = mongo_call("$cond", way->fits, way->value, form, NULL);
	}
	return form;
}

MongoNode *
mongo_fit(const ChColumn *col)
{
	return col->kind == MONGO_COMPUTED ? mongo_is_some(mongo_raw(col)) : of_raw(col, make_fit);
}

MongoNode *
mongo_form(const ChColumn *col)
{
	return col->kind == MONGO_COMPUTED ? mongo_raw(col) : of_raw(col, make_form);
}

MongoNode *
mongo_plain(const ChColumn *col)
{
	bool		is_text = ch_is_text(col->basetype);

	if (col->table->mismatch_null || (is_text && mongo_column(col)->type == MONGO_ANY))
		return mongo_form(col);
	return mongo_raw(col);
}

/*
 * Decimals that differ in scale only are told apart by DocumentDB's $group.
 * A zero with the least exponent, added, gives them all digits that there are.
 */
bool
mongo_is_made_equal(const ChColumn *col)
{
	return col->basetype == NUMERICOID && mongo_column(col)->type == MONGO_DECIMAL;
}

MongoNode *
mongo_equal_form(const ChColumn *col)
{
	if (mongo_is_made_equal(col))
		return mongo_call("$add", mongo_form(col), decimal_value("0E-6176"), NULL);
	return mongo_plain(col);
}
