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
	/* made of columns that have no other form (mongo_has_form) */
	mc->type = col->basetype == UUIDOID ? MONGO_UUID : MONGO_ANY;
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
	if (mongo_column(arg)->limits)
	{
		*reason = "MongoDB makes dates of the years 1 to 9999 only";
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

/* ---- parts of text ----------------------------------------------------------------------------------- */

/* No string of the store has so many characters. */
#define MOST_CHARACTERS (1 << 24)

/* The text that is the first argument, in UTF8, where a character is a code point. */
static ChColumn *
text_column(const ChTable *table, const ChColumn *col, const char **reason)
{
	ChColumn   *text = column(table, col, 0);

	if (text == NULL)
		*reason = "the text is no column";
	else if (GetDatabaseEncoding() != PG_UTF8)
		*reason = "the database's encoding is not UTF8";
	else if (has_string(text, reason))
		return text;
	return NULL;
}

/* All arguments but the first are constants. */
static bool
has_constants(const ChColumn *col, const char **reason)
{
	for (int i = 1; i < list_length(col->func->args); i++)
		if (constant(col, i) == NULL)
			return ch_refuse(reason, "the function's other arguments are to be constants");
	return true;
}

static int64
int_constant(const ChColumn *col, int n)
{
	return DatumGetInt32(constant(col, n)->constvalue);
}

static MongoNode *
text_constant(const ChColumn *col, int n)
{
	return mongo_literal(mongo_text(TextDatumGetCString(constant(col, n)->constvalue)));
}

/* An expression of $$x, the text, which is NULL for NULL. */
static void
set_of_text(ChColumn *col, ChColumn *text, MongoNode *expression)
{
	set_computed(col, text, let_x(text, mongo_call("$cond", mongo_call("$eq", mongo_text("$$x"), mongo_null(), NULL), mongo_null(),
												  expression, NULL)));
}

/* from: characters before it */
static MongoNode *
substring(int64 from, int64 length)
{
	return mongo_call("$substrCP", mongo_text("$$x"), mongo_int(Min(from, MOST_CHARACTERS)), mongo_int(Min(length, MOST_CHARACTERS)), NULL);
}

/* From a start that may be before the first character, where the length counts from. */
static bool
ship_substring(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *text = text_column(table, col, reason);
	int64		start,
				length,
				end;

	if (text == NULL || !has_constants(col, reason))
		return false;
	start = int_constant(col, 1);
	length = list_length(col->func->args) == 3 ? int_constant(col, 2) : PG_INT32_MAX;
	if (length < 0)
		return ch_refuse(reason, "a negative length is an error");
	/* without a length up to the end, wherever it starts */
	end = list_length(col->func->args) == 3 ? start + length : PG_INT32_MAX;
	start = Max(start, 1);
	set_of_text(col, text, substring(start - 1, Max(end - start, 0)));
	return true;
}

static bool
ship_end(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *text = text_column(table, col, reason);
	MongoNode  *length = mongo_doc1("$strLenCP", mongo_text("$$x"));
	int64		n;

	if (text == NULL || !has_constants(col, reason))
		return false;
	n = int_constant(col, 1);
	if (n < 0)
		return ch_refuse(reason, "characters are counted from one end of the text only");
	n = Min(n, MOST_CHARACTERS);
	if (col->func->func == CH_FUNC_LEFT)
		set_of_text(col, text, substring(0, n));
	else
		set_of_text(col, text, mongo_call("$substrCP", mongo_text("$$x"),
										  mongo_call("$cond", mongo_call("$gt", length, mongo_int(n), NULL),
													 mongo_call("$subtract", length, mongo_int(n), NULL), mongo_int(0), NULL),
										  mongo_int(n), NULL));
	return true;
}

/* Where a constant is in the text. */
static bool
ship_search(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *text = text_column(table, col, reason);
	MongoNode  *at;

	if (text == NULL || !has_constants(col, reason))
		return false;
	at = mongo_call("$indexOfCP", mongo_text("$$x"), text_constant(col, 1), NULL);
	set_of_text(col, text, col->func->func == CH_FUNC_POSITION ? mongo_call("$add", at, mongo_int(1), NULL)
				: mongo_call("$eq", at, mongo_int(0), NULL));
	return true;
}

static bool
ship_replace(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *text = text_column(table, col, reason);
	MongoNode  *replace = mongo_doc1("input", mongo_text("$$x"));

	if (text == NULL || !has_constants(col, reason))
		return false;
	if (VARSIZE_ANY_EXHDR(DatumGetPointer(constant(col, 1)->constvalue)) == 0)
		return ch_refuse(reason, "an empty text is replaced nowhere here");
	mongo_put(replace, "find", text_constant(col, 1));
	mongo_put(replace, "replacement", text_constant(col, 2));
	set_of_text(col, text, mongo_doc1("$replaceAll", replace));
	return true;
}

static bool
ship_trim(const ChTable *table, ChColumn *col, const char *operator, const char **reason)
{
	ChColumn   *text = text_column(table, col, reason);
	MongoNode  *trim = mongo_doc1("input", mongo_text("$$x"));
	bool		given = list_length(col->func->args) == 2;

	if (text == NULL || !has_constants(col, reason))
		return false;
	if (given && VARSIZE_ANY_EXHDR(DatumGetPointer(constant(col, 1)->constvalue)) == 0)
		return ch_refuse(reason, "there are no characters to trim");
	mongo_put(trim, "chars", given ? text_constant(col, 1) : mongo_text(" "));
	set_of_text(col, text, mongo_doc1(operator, trim));
	return true;
}

/* concat: texts, NULLs as '' */
static bool
ship_concat(const ChTable *table, ChColumn *col, const char **reason)
{
	MongoNode  *args = mongo_list();
	List	   *of = NIL;

	for (int i = 0; i < list_length(col->func->args); i++)
	{
		const Const *c = constant(col, i);
		const ChColumn *arg = column(table, col, i);
		MongoNode  *value;

		if (!ch_is_text(getBaseType(c ? c->consttype : arg->basetype)))
			return ch_refuse(reason, "only text is concatenated by MongoDB");
		value = argument(table, col, i, &of, reason);
		if (value == NULL)
			return false;
		mongo_add(args, c ? value : mongo_call("$ifNull", value, mongo_text(""), NULL));
	}
	set_computed(col, linitial(of), mongo_doc1("$concat", args))->of = of;
	return true;
}

/* ---- conditions ---------------------------------------------------------------------------------------- */

/* A result, which may be NULL. */
static MongoNode *
result(const ChTable *table, const ChColumn *col, int n, List **of, const char **reason)
{
	const Const *c = constant(col, n);

	return c && c->constisnull ? mongo_null() : argument(table, col, n, of, reason);
}

static bool
ship_case(const ChTable *table, ChColumn *col, const char **reason)
{
	List	   *of = NIL;
	MongoNode  *value = result(table, col, list_length(col->func->conditions), &of, reason);

	for (int i = list_length(col->func->conditions) - 1; i >= 0 && value; i--)
	{
		const ChExpr *expr = list_nth(col->func->conditions, i);
		MongoNode  *then = result(table, col, i, &of, reason);
		ChCond	   *cond;

		if (then == NULL || !mongo_ship_expression(table, expr, reason))
			return false;
		of = ch_columns_of(table, expr, of);
		cond = ch_bind_constants(table, expr);
		value = cond ? mongo_call("$cond", mongo_filter_expression(cond), then, value, NULL) : then;
	}
	if (value == NULL)
		return false;
	set_computed(col, linitial(of), value)->of = of;
	return true;
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

/* Of values that MongoDB orders alike, NULLs left out. */
static bool
ship_extreme(const ChTable *table, ChColumn *col, const char *operator, const char **reason)
{
	if (ch_is_float(col->basetype))
		return ch_refuse(reason, "NaN is the least number in MongoDB");
	return ship_call(table, col, operator, reason);
}

static bool
ship_floor(const ChTable *table, ChColumn *col, const char *operator, const char **reason)
{
	ChColumn   *from = column(table, col, 0);

	if (from == NULL || from->basetype != FLOAT8OID || !mongo_has_form(from, reason))
		return ch_refuse(reason, "MongoDB is asked for whole doubles only");
	set_computed(col, from, mongo_doc1(operator, mongo_form(from)));
	return true;
}

/* ---- fields of times --------------------------------------------------------------------------------------- */

/* Years before 1 are those of a time 8000 years, twenty whole cycles, later; there is no year 0. */
#define SHIFT_YEARS 8000
#define SHIFT_MSEC (INT64CONST(20) * 146097 * 86400000)

static MongoNode *
year_of(MongoNode *x)
{
	return mongo_call("$cond", mongo_call("$gte", x, mongo_date(INT64CONST(-62135596800000)), NULL), mongo_doc1("$year", x),
					  mongo_call("$subtract", mongo_doc1("$year", mongo_call("$add", x, mongo_long(SHIFT_MSEC), NULL)),
								 mongo_int(SHIFT_YEARS + 1), NULL), NULL);
}

static MongoNode *
field_of(ChTimeField field, MongoNode *x)
{
	switch (field)
	{
		case CH_TIME_YEAR:
			return year_of(x);
		case CH_TIME_QUARTER:
			/* 1, 4, 7, 10 are 0, 1, 2, 3 and a bit */
			return mongo_doc1("$ceil", mongo_call("$divide", mongo_doc1("$month", x), mongo_int(3), NULL));
		case CH_TIME_MONTH:
			return mongo_doc1("$month", x);
		case CH_TIME_DAY:
			return mongo_doc1("$dayOfMonth", x);
		case CH_TIME_HOUR:
			return mongo_doc1("$hour", x);
		case CH_TIME_MINUTE:
			return mongo_doc1("$minute", x);
		case CH_TIME_DOW:
			return mongo_call("$subtract", mongo_doc1("$dayOfWeek", x), mongo_int(1), NULL);
		case CH_TIME_ISODOW:
			return mongo_doc1("$isoDayOfWeek", x);
		case CH_TIME_DOY:
			return mongo_doc1("$dayOfYear", x);
	}
	return NULL;
}

static bool
ship_extract(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *time = column(table, col, 1);
	ChTimeField field;
	MongoNode  *value;

	if (!ch_time_field_of(col->func, &field, reason) || time == NULL || !mongo_has_form(time, reason))
		return false;
	if (time->basetype == DATEOID && (field == CH_TIME_HOUR || field == CH_TIME_MINUTE))
		return ch_refuse(reason, "a date has no such field");
	value = mongo_doc1(col->basetype == FLOAT8OID ? "$toDouble" : "$toLong", field_of(field, mongo_text("$$x")));
	value = mongo_call("$cond", mongo_call("$eq", mongo_text("$$x"), mongo_null(), NULL), mongo_null(), value, NULL);
	set_computed(col, time, let_x(time, value))->type = col->basetype == FLOAT8OID ? MONGO_DOUBLE : MONGO_LONG;
	return true;
}

/* A date of the store is one moment, whatever the column's type. */
static bool
ship_at_utc(const ChTable *table, ChColumn *col, const char **reason)
{
	ChColumn   *time = column(table, col, 1);

	if (time == NULL || !mongo_has_form(time, reason))
		return false;
	set_computed(col, time, mongo_form(time));
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
		case CH_FUNC_CASE:
			return ship_case(table, col, reason);
		case CH_FUNC_GREATEST:
			return ship_extreme(table, col, "$max", reason);
		case CH_FUNC_LEAST:
			return ship_extreme(table, col, "$min", reason);
		case CH_FUNC_SUBSTRING:
			return ship_substring(table, col, reason);
		case CH_FUNC_LEFT:
		case CH_FUNC_RIGHT:
			return ship_end(table, col, reason);
		case CH_FUNC_POSITION:
		case CH_FUNC_STARTS_WITH:
			return ship_search(table, col, reason);
		case CH_FUNC_REPLACE:
			return ship_replace(table, col, reason);
		case CH_FUNC_TRIM:
			return ship_trim(table, col, "$trim", reason);
		case CH_FUNC_TRIM_LEFT:
			return ship_trim(table, col, "$ltrim", reason);
		case CH_FUNC_TRIM_RIGHT:
			return ship_trim(table, col, "$rtrim", reason);
		case CH_FUNC_CONCAT_SOME:
			return ship_concat(table, col, reason);
		case CH_FUNC_FLOOR:
			return ship_floor(table, col, "$floor", reason);
		case CH_FUNC_CEIL:
			return ship_floor(table, col, "$ceil", reason);
		case CH_FUNC_ROUND:
			return ch_refuse(reason, "MongoDB rounds what is halfway by the decimal digits of a double");
		case CH_FUNC_AT_UTC:
			return ship_at_utc(table, col, reason);
		case CH_FUNC_EXTRACT:
			return ship_extract(table, col, reason);
		case CH_FUNC_LOWER:
		case CH_FUNC_UPPER:
			return ch_refuse(reason, "MongoDB changes the case of ASCII letters only");
		default:
			return ch_refuse(reason, "MongoDB's arithmetic rounds and overflows where PostgreSQL's does not");
	}
}
