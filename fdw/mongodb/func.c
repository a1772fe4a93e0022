/*
 * func.c
 *	  What MongoDB computes from a document as PostgreSQL would.
 *
 * date_bin and date_trunc are arithmetic of milliseconds: $dateTrunc was seen to
 * round dates before 1970 to zero and to begin weeks elsewhere.  A field of a
 * jsonb column is a longer path.  Arithmetic of columns is left out: it raises
 * errors here and overflows, rounds or becomes infinite there.  So are lower and
 * upper, which know ASCII only there.
 */
#include "postgres.h"

#include "fdw/mongodb/expr.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* ---- arguments --------------------------------------------------------------------- */

/* The n-th argument if it is a constant, else NULL. */
static const Const *
constant(const ChColumn *col, int n)
{
	const Node *arg = list_nth(col->func->args, n);

	return IsA(arg, Const) ? (const Const *) arg : NULL;
}

static ChColumn *
column(const ChTable *table, const ChColumn *col, int n)
{
	const Node *arg = list_nth(col->func->args, n);

	return IsA(arg, Integer) ? ch_column(table, intVal(arg)) : NULL;
}

static MongoColumn *
set_computed(ChColumn *col, ChColumn *of, MongoNode *expression)
{
	MongoColumn *mc = palloc0(sizeof(MongoColumn));

	mc->path = mongo_column(of)->path;
	mc->expression = expression;
	mc->of = list_make1(of);
	col->kind = MONGO_COMPUTED;
	col->extra = mc;
	return mc;
}

/* ---- buckets of time --------------------------------------------------------------------- */

/* An expression of $$x, which is the column's value. */
static MongoNode *
let_x(const ChColumn *col, MongoNode *in)
{
	MongoNode  *let = mongo_doc1("vars", mongo_doc1("x", mongo_form(col)));

	mongo_put(let, "in", in);
	return mongo_doc1("$let", let);
}

/* x - (x - origin mod stride), the remainder never negative */
static MongoNode *
bucket_of(const ChColumn *time, int64 origin, int64 stride)
{
	MongoNode  *x = mongo_text("$$x");
	MongoNode  *since = mongo_call("$subtract", x, mongo_date(origin), NULL);
	MongoNode  *remainder = mongo_call("$mod", since, mongo_long(stride), NULL);
	MongoNode  *positive = mongo_call("$mod", mongo_call("$add", remainder, mongo_long(stride), NULL), mongo_long(stride), NULL);

	return let_x(time, mongo_call("$subtract", x, positive, NULL));
}

/* Dates are whole milliseconds, and so is where their buckets begin. */
static bool
ship_strides(ChColumn *col, ChColumn *time, const ChBucket *bucket, const char **reason)
{
	int64		origin;
	bool		exact;

	origin = mongo_timestamp_to_date(bucket->origin, &exact);
	if (exact && 1000 % bucket->stride == 0)
		set_computed(col, time, mongo_form(time));
	else if (exact && bucket->stride % 1000 == 0)
		set_computed(col, time, bucket_of(time, origin, bucket->stride / 1000));
	else
		return ch_refuse(reason, "MongoDB's dates have whole milliseconds, the buckets' length and origin do not");
	return true;
}

/* The first month of the bucket: m - (m - 1) mod months */
static MongoNode *
first_month(MongoNode *x, int months)
{
	MongoNode  *month = mongo_doc1("$month", x);

	if (months == 1)
		return month;
	if (months == 12)
		return mongo_int(1);
	return mongo_call("$subtract", month, mongo_call("$mod", mongo_call("$subtract", month, mongo_int(1), NULL),
													mongo_int(months), NULL), NULL);
}

/* MongoDB makes dates of the years 1 to 9999 only. */
static bool
ship_months(ChColumn *col, ChColumn *time, int months, const char **reason)
{
	MongoNode  *x = mongo_text("$$x");
	MongoNode  *parts = mongo_doc1("year", mongo_doc1("$year", x));
	MongoNode  *has_year = mongo_call("$and", mongo_call("$gte", x, mongo_date(INT64CONST(-62135596800000)), NULL),
									  mongo_call("$lt", x, mongo_date(INT64CONST(253402300800000)), NULL), NULL);
	MongoColumn *mc;

	if (time->table->mismatch_null)
		return ch_refuse(reason, "MongoDB makes dates of the years 1 to 9999 only");
	mongo_put(parts, "month", first_month(x, months));
	mc = set_computed(col, time, let_x(time, mongo_call("$cond", has_year, mongo_doc1("$dateFromParts", parts),
														mongo_null(), NULL)));
	mc->limits = let_x(time, mongo_call("$or", has_year, mongo_call("$eq", x, mongo_null(), NULL), NULL));
	return true;
}

static bool
ship_bucket(const ChTable *table, ChColumn *col, const char **reason)
{
	ChBucket	bucket;
	ChColumn   *time;

	if (!ch_bucket_of(col->func, &bucket, reason))
		return false;
	time = ch_column(table, bucket.attno);
	if (!mongo_has_form(time, reason))
		return false;
	return bucket.months ? ship_months(col, time, bucket.months, reason) : ship_strides(col, time, &bucket, reason);
}

/* ---- fields of JSON ------------------------------------------------------------------------- */

static bool
ship_field(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *json = column(table, col, 0);
	const Const *key = constant(col, 1);
	MongoColumn *mc;
	char	   *name;

	if (json == NULL || json->basetype != JSONBOID ||
		(json->kind != MONGO_VALUE && json->kind != MONGO_DOCUMENT && json->kind != MONGO_JSON))
		return ch_refuse(reason, "the left side of -> is no jsonb column");
	if (key == NULL || key->consttype != TEXTOID)
		return ch_refuse(reason, "only a field that is named by a constant is found by MongoDB");
	name = TextDatumGetCString(key->constvalue);
	if (!mongo_is_field_name(name) || mongo_column(json)->path.nplain < mongo_column(json)->path.nparts)
		return ch_refuse(reason, "MongoDB has no path for a field of that name");
	if (GetDatabaseEncoding() != PG_UTF8)
		name = pg_server_to_any(name, strlen(name), PG_UTF8);
	mc = palloc0(sizeof(MongoColumn));
	mongo_parse_path(json->kind == MONGO_DOCUMENT ? name : psprintf("%s.%s", mongo_column(json)->path.text, name),
					 mongo_column(json)->path.nroot, &mc->path);
	mc->of = list_make1(json);
	col->kind = col->func->func == CH_FUNC_JSON_GET ? MONGO_JSON : MONGO_JSON_TEXT;
	col->extra = mc;
	col->table = json->table;	/* not the join's: does what does not fit become NULL? */
	return true;
}

/* ---- text and NULLs ------------------------------------------------------------------------------ */

/* Text as text also if it is stored as an ObjectId. */
static bool
has_string(const ChColumn *col, const char **reason)
{
	if (!ch_is_text(col->basetype) || mongo_column(col)->type == MONGO_OBJECT_ID || mongo_column(col)->type == MONGO_UUID)
		return ch_refuse(reason, "the column has no strings in MongoDB");
	return mongo_has_form(col, reason);
}

/* Characters are code points. */
static bool
ship_length(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *text = column(table, col, 0);
	MongoNode  *x = mongo_text("$$x");

	if (text == NULL || !has_string(text, reason))
		return false;
	if (GetDatabaseEncoding() != PG_UTF8)
		return ch_refuse(reason, "the database's encoding is not UTF8");
	set_computed(col, text, let_x(text, mongo_call("$cond", mongo_call("$eq", x, mongo_null(), NULL), mongo_null(),
												  mongo_doc1("$strLenCP", x), NULL)));
	return true;
}

/* A constant as an argument of the column's type; NULL if it has no exact form. */
static MongoNode *
value_of(const ChColumn *col, const Const *c)
{
	ChValue		v;
	bool		exact;
	int64		ms;

	if (!ch_datum_to_value(c->constvalue, getBaseType(c->consttype), &v))
		return NULL;
	switch (v.kind)
	{
		case CH_BOOL:
			return mongo_bool(v.u.b);
		case CH_INT:
			return mongo_long(v.u.i);
		case CH_FLOAT:
			return mongo_double(v.u.f);
		case CH_STRING:
			return mongo_literal(mongo_text(pnstrdup(v.u.s.data, v.u.s.len)));
		case CH_INSTANT:
		case CH_LOCAL_DATETIME:
			if (TIMESTAMP_NOT_FINITE(v.u.i))
				return NULL;
			ms = mongo_timestamp_to_date(v.u.i, &exact);
			return exact ? mongo_date(ms) : NULL;
		default:
			return NULL;
	}
}

/* Values of the arguments must have one form. */
static MongoNode *
argument(const ChTable *table, const ChColumn *col, int n, List **of, const char **reason)
{
	const Const *c = constant(col, n);
	ChColumn   *arg = column(table, col, n);
	MongoNode  *value;

	if (arg == NULL)
	{
		value = c ? value_of(col, c) : NULL;
		if (value == NULL)
			*reason = "a constant has no form in MongoDB";
		return value;
	}
	if (arg->basetype == NUMERICOID || (ch_is_text(arg->basetype) ? !has_string(arg, reason) : !mongo_has_form(arg, reason)))
	{
		if (arg->basetype == NUMERICOID)
			*reason = "decimals are compared with their scale by PostgreSQL only";
		return NULL;
	}
	*of = lappend(*of, arg);
	return mongo_form(arg);
}

/* $ifNull or $concat of all arguments */
static bool
ship_call(const ChTable *table, ChColumn *col, const char *operator, const char **reason)
{
	MongoNode  *args = mongo_list();
	MongoNode  *call;
	List	   *of = NIL;

	for (int i = 0; i < list_length(col->func->args); i++)
	{
		MongoNode  *arg = argument(table, col, i, &of, reason);

		if (arg == NULL)
			return false;
		mongo_add(args, arg);
	}
	/* of coalesce(column, NULL) only the column is left */
	call = mongo_length(args) == 1 ? mongo_item(args, 0) : mongo_doc1(operator, args);
	set_computed(col, linitial(of), call)->of = of;
	return true;
}

/* Of an integer to a wider type. */
static bool
ship_cast(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *from = column(table, col, 0);

	if (from == NULL || !ch_is_int(from->basetype) || !mongo_has_form(from, reason))
		return ch_refuse(reason, "only integers are converted by MongoDB");
	if (col->basetype == INT8OID || (col->basetype == INT4OID && from->basetype == INT2OID))
		set_computed(col, from, mongo_form(from));
	else if (col->basetype == FLOAT8OID)
		set_computed(col, from, mongo_doc1("$toDouble", mongo_form(from)));
	else
		return ch_refuse(reason, "MongoDB does not convert to this type as PostgreSQL does");
	return true;
}

/* ---- the whole --------------------------------------------------------------------------------------- */

bool
mongo_ship_func(const ChTable *table, ChColumn *col, const char **reason)
{
	switch (col->func->func)
	{
		case CH_FUNC_DATE_BIN:
		case CH_FUNC_DATE_TRUNC:
			return ship_bucket(table, col, reason);
		case CH_FUNC_JSON_GET:
		case CH_FUNC_JSON_GET_TEXT:
			return ship_field(table, col, reason);
		case CH_FUNC_LENGTH:
			return ship_length(table, col, reason);
		case CH_FUNC_CONCAT:
			return ship_call(table, col, "$concat", reason);
		case CH_FUNC_COALESCE:
			return ship_call(table, col, "$ifNull", reason);
		case CH_FUNC_CAST:
			return ship_cast(table, col, reason);
		case CH_FUNC_LOWER:
		case CH_FUNC_UPPER:
			return ch_refuse(reason, "MongoDB changes the case of ASCII letters only");
		default:
			return ch_refuse(reason, "MongoDB's arithmetic rounds and overflows where PostgreSQL's does not");
	}
}
