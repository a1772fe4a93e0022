/*
 * filter.c
 *	  A condition in MongoDB's query language.
 *
 * A query operator of MongoDB looks into arrays and compares only values of
 * one class, while a condition here means the column's value.  What makes the
 * two agree:
 *
 * - A path stops at an array (its column is NULL then), so every array on the
 *   way is excluded: {"a.b": {"$lt": 5}, "a": {"$not": {"$type": "array"}}}.
 * - A value that does not fit its column is an error when it is read
 *   (on_type_mismatch = 'error'), so it may pass: scan.c looks at the value of
 *   each filtered column.  If it is NULL instead, guards keep it out.
 * - NaN is above all numbers here, and comparable to nothing there.
 * - Dates have milliseconds there: bounds are rounded outward.
 * - For numeric and text columns see numbers.c.
 *
 * Conditions become a tree of tests first, where what is decided by the
 * values alone is folded; that part may raise.  Then predicate.c writes the tree as
 * BSON, or makes an expression of it.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/predicate.h"

#include "catalog/pg_type.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef MongoOperator Operator;
typedef MongoFilter Test;

static const char *const exact_numbers[] = {"int", "long", "decimal", NULL};
static const char *const column_numbers[] = {"int", "long", "double", NULL};
static const char *const column_texts[] = {"string", "objectId", NULL};

/* ---- comparisons, by kind of value -------------------------------------------------- */

static const char *const operator_names[] = {
	[CH_EQ] = "$eq",[CH_NE] = "$ne",[CH_LT] = "$lt",[CH_LE] = "$lte",[CH_GT] = "$gt",[CH_GE] = "$gte"
};

static Test *
compare(const char *path, ChCmpOp op, bson_value_t value)
{
	return field(path, operator_names[op], value);
}

/*
 * A superset of what is not NULL.  A path with an array position leads to more
 * than one value, and any that is null would fail $ne: all documents then.
 */
static Test *
maybe_not_null(const ChColumn *col)
{
	const char *path = mongo_column(col)->path.text;

	return has_position(col) ? field_in(path, "$nin", 0, NULL) : not_null(path);
}

/* NaN is equal to itself and above everything else. */
static Test *
compare_with_nan(const ChColumn *col, ChCmpOp op)
{
	const char *path = mongo_column(col)->path.text;
	bson_value_t *nan;
	Test	   *t;

	switch (op)
	{
		case CH_EQ:
		case CH_GE:
			return compare(path, CH_EQ, value_of_double(NAN));
		case CH_LE:
			return maybe_not_null(col);
		case CH_GT:
			return no_document();
		default:				/* CH_LT */
			if (has_position(col))
				return maybe_not_null(col);
			nan = palloc(sizeof(bson_value_t));
			*nan = value_of_double(NAN);
			t = not_null(path);
			add_list(t, "$nin", 1, nan);
			return t;
	}
}

/* What is greater than a number may be NaN, too. */
static Test *
or_nan(const ChColumn *col, ChCmpOp op, Test *t)
{
	MongoType	type = mongo_column(col)->type;

	if ((op != CH_GT && op != CH_GE) || type == MONGO_INT || type == MONGO_LONG)
		return t;
	return either(t, compare(mongo_column(col)->path.text, CH_EQ, value_of_double(NAN)));
}

static Test *
compare_float(const ChColumn *col, ChCmpOp op, double f)
{
	const char *path = mongo_column(col)->path.text;

	if (isnan(f))
		return compare_with_nan(col, op);
	return or_nan(col, op, compare(path, op, value_of_double(f)));
}

/* Decimals and integers on the right side of a bound. */
static Test *
compare_decimal(const char *path, ChCmpOp op, const MongoBound *bound)
{
	/* cut toward zero, a bound that is not exact is inside or outside */
	if (!bound->decimal_exact)
	{
		if (op == CH_LT || op == CH_LE)
			op = bound->negative ? CH_LT : CH_LE;
		else
			op = bound->negative ? CH_GE : CH_GT;
	}
	return compare(path, op, value_of_decimal(bound->decimal));
}

/* Doubles, by what they print as. */
static Test *
compare_double(const char *path, ChCmpOp op, const MongoBound *bound)
{
	if (!bound->double_exact)
		op = op == CH_LT || op == CH_LE ? CH_LT : CH_GE;
	return compare(path, op, value_of_double(bound->at_least));
}

static bool
is_special(const ChValue *v, double *special)
{
	if (v->u.s.len > 0 && strchr("NI", v->u.s.data[0]))
		*special = v->u.s.data[0] == 'N' ? NAN : INFINITY;
	else if (v->u.s.len > 1 && v->u.s.data[1] == 'I')
		*special = -INFINITY;
	else
		return false;
	return true;
}

/* Order only; equality is one_of's, as equal values are more than one. */
static Test *
compare_numeric(const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	const MongoColumn *mc = mongo_column(col);
	const char *path = mc->path.text;
	double		special;
	MongoBound	bound;
	Test	   *t;

	if (is_special(v, &special))
		return compare_float(col, op, special);
	mongo_numeric_bound(v->u.s.data, v->u.s.len, &bound);
	if (mc->type == MONGO_DOUBLE)
		t = compare_double(path, op, &bound);
	else if (mc->type != MONGO_ANY || bound.same)
		t = compare_decimal(path, op, &bound);
	else
		t = either(both(of_type(path, "double"), compare_double(path, op, &bound)),
				   both(of_types(path, exact_numbers), compare_decimal(path, op, &bound)));
	return or_nan(col, op, t);
}

/* ObjectIds that are, as text, on the right side of the string. */
Test *
mongo_test_object_id(const char *path, ChCmpOp op, const ChValue *v)
{
	bson_oid_t	oid;
	bool		exact;
	bool		less = op == CH_LT || op == CH_LE;

	if (!mongo_object_id_bound(v->u.s.data, v->u.s.len, &oid, &exact))
		return less ? of_type(path, "objectId") : no_document();
	if (!exact && op == CH_EQ)
		return no_document();
	if (!exact)
		op = less ? CH_LT : CH_GE;
	return compare(path, op, value_of_oid(&oid));
}

/* A UUID prints in one way only; ship_leaf lets no other operator through. */
static Test *
compare_uuid_text(const char *path, ChCmpOp op, const ChValue *v)
{
	char	   *data = palloc(UUID_LEN);

	if (op != CH_EQ || !mongo_uuid_of_text(v->u.s.data, v->u.s.len, data))
		return no_document();
	return compare(path, op, value_of_uuid(data, BSON_SUBTYPE_UUID));
}

static Test *
compare_text(const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	const MongoColumn *mc = mongo_column(col);
	const char *path = mc->path.text;

	if (mc->type == MONGO_OBJECT_ID)
		return mongo_test_object_id(path, op, v);
	if (mc->type == MONGO_UUID)
		return compare_uuid_text(path, op, v);
	return either(compare(path, op, value_of_text(v->u.s.data, v->u.s.len)), mongo_test_object_id(path, op, v));
}

/* ms is v or, if not exact, less than v and the last before it. */
static Test *
compare_date(const char *path, ChCmpOp op, int64 ms, bool exact)
{
	if (!exact && op == CH_EQ)
		return no_document();
	if (!exact)
		op = op == CH_LT || op == CH_LE ? CH_LE : CH_GT;
	return compare(path, op, value_of_date(ms));
}

/* Every date of the store is between the infinities. */
static Test *
compare_with_infinity(const ChColumn *col, ChCmpOp op, bool positive)
{
	bool		less = op == CH_LT || op == CH_LE;

	return op == CH_EQ || less != positive ? no_document() : maybe_not_null(col);
}

static Test *
compare_time(const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	const char *path = mongo_column(col)->path.text;
	bool		exact = true;
	int64		ms;

	if (v->kind == CH_DATE)
	{
		if (DATE_NOT_FINITE((DateADT) v->u.i))
			return compare_with_infinity(col, op, DATE_IS_NOEND((DateADT) v->u.i));
		ms = (v->u.i + POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY * 1000;
	}
	else
	{
		if (TIMESTAMP_NOT_FINITE(v->u.i))
			return compare_with_infinity(col, op, TIMESTAMP_IS_NOEND(v->u.i));
		ms = mongo_timestamp_to_date(v->u.i, &exact);
	}
	return compare_date(path, op, ms, exact);
}

/* Both subtypes that a UUID may have, unless the column has but one. */
static Test *
compare_uuid(const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	const MongoColumn *mc = mongo_column(col);
	bson_value_t *both_types;

	if (mc->type == MONGO_UUID)
		return compare(mc->path.text, op, value_of_uuid(v->u.s.data, BSON_SUBTYPE_UUID));
	both_types = palloc(2 * sizeof(bson_value_t));
	both_types[0] = value_of_uuid(v->u.s.data, BSON_SUBTYPE_UUID);
	both_types[1] = value_of_uuid(v->u.s.data, BSON_SUBTYPE_UUID_DEPRECATED);
	return field_in(mc->path.text, "$in", 2, both_types);
}

/* Is there one value of the store that compares as this one does, with every operator? */
static bool
plain_value(const ChColumn *col, const ChValue *v, bson_value_t *value)
{
	switch (v->kind)
	{
		case CH_PARAM:
			*value = value_of_param(v->u.i);
			return true;
		case CH_BOOL:
			*value = value_of_bool(v->u.b);
			return true;
		case CH_INT:
			*value = value_of_int(v->u.i);
			return true;
		case CH_STRING:
			*value = value_of_text(v->u.s.data, v->u.s.len);
			return mongo_column(col)->type == MONGO_STRING;
		default:
			return false;
	}
}

/* column op value, for every op but <> */
static Test *
compare_value(const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	bson_value_t value;

	if (plain_value(col, v, &value))
		return compare(mongo_column(col)->path.text, op, value);
	switch (v->kind)
	{
		case CH_FLOAT:
			return compare_float(col, op, v->u.f);
		case CH_DECIMAL:
			return compare_numeric(col, op, v);
		case CH_STRING:
			return compare_text(col, op, v);
		case CH_UUID:
			return compare_uuid(col, op, v);
		case CH_INSTANT:
		case CH_LOCAL_DATETIME:
		case CH_DATE:
			return compare_time(col, op, v);
		default:
			elog(ERROR, "a condition on column \"%s\" has a value of unexpected kind %d", col->name, v->kind);
	}
}

/* ---- leaves ------------------------------------------------------------------------------ */

/*
 * Equality of decimals as a range: in lists, and in $or of equalities, which
 * it makes into a list, FerretDB's engine finds 0.1 but not 0.10.
 */
static Test *
equal_by_range(const char *path, bson_value_t value)
{
	Test	   *t = field(path, "$gte", value);

	add_operator(t, "$lte", value);
	return t;
}

/* What is equal to some values of a column: values of the store, and ranges. */
typedef struct Equals
{
	int			nvalues;
	int			room;
	bson_value_t *values;
	List	   *ranges;			/* Test: ranges, and values of one type */
} Equals;

static void
add_equals(Equals *e, int n, const bson_value_t *values)
{
	if (e->nvalues + n > e->room)
	{
		e->room = Max(e->nvalues + n, e->room * 2);
		e->values = repalloc_array(e->values, bson_value_t, e->room);
	}
	memcpy(e->values + e->nvalues, values, n * sizeof(bson_value_t));
	e->nvalues += n;
}

static void
add_equal_operator(Equals *e, const Test *t)
{
	Operator   *o = linitial(t->operators);

	add_equals(e, o->nvalues, o->values);
}

/*
 * A double that prints as the value.  Its binary value is another one, which
 * an integer or a decimal may have that prints in full.
 */
static Test *
equal_double(const char *path, double f)
{
	Test	   *t = of_type(path, "double");

	add_operator(t, "$eq", value_of_double(f));
	return t;
}

static void
add_equal_numeric(Equals *e, const ChColumn *col, const ChValue *v)
{
	const MongoColumn *mc = mongo_column(col);
	double		special;
	MongoBound	bound;
	bool		doubles;
	Test	   *range;

	if (is_special(v, &special))
	{
		if (isnan(special))
			add_equal_operator(e, compare(mc->path.text, CH_EQ, value_of_double(special)));
		else
			e->ranges = lappend(e->ranges, equal_by_range(mc->path.text, value_of_double(special)));
		return;
	}

	mongo_numeric_bound(v->u.s.data, v->u.s.len, &bound);
	doubles = mc->type == MONGO_DOUBLE || (mc->type == MONGO_ANY && !bound.same);
	if (doubles && bound.double_exact && mc->type == MONGO_ANY)
		e->ranges = lappend(e->ranges, equal_double(mc->path.text, bound.at_least));
	else if (doubles && bound.double_exact)
		add_equal_operator(e, compare(mc->path.text, CH_EQ, value_of_double(bound.at_least)));
	if (mc->type == MONGO_DOUBLE || !bound.decimal_exact)
		return;
	range = equal_by_range(mc->path.text, value_of_decimal(bound.decimal));
	/* a double that prints otherwise may have these 34 digits */
	if (doubles)
		range->operators = lcons(linitial(of_types(mc->path.text, exact_numbers)->operators), range->operators);
	e->ranges = lappend(e->ranges, range);
}

static Equals
equals_of(const ChCond *cond)
{
	Equals		e = {.room = Max(cond->nvalues, 1)};

	e.values = palloc_array(bson_value_t, e.room);
	for (int i = 0; i < cond->nvalues; i++)
	{
		const ChValue *v = &cond->values[i];
		bson_value_t value;
		Test	   *t;
		ListCell   *lc;

		if (plain_value(cond->col, v, &value))
		{
			add_equals(&e, 1, &value);
			continue;
		}
		if (v->kind == CH_DECIMAL)
		{
			add_equal_numeric(&e, cond->col, v);
			continue;
		}
		t = compare_value(cond->col, CH_EQ, v);
		if (t->kind == TEST_FIELD)
			add_equal_operator(&e, t);
		foreach(lc, t->kind == TEST_OR ? t->args : NIL)
			add_equal_operator(&e, lfirst(lc));
	}
	return e;
}

bool
mongo_is_list_param(const ChCond *cond)
{
	return cond->values[0].kind == CH_PARAM && cond->kind != CH_COND_CMP && cond->nvalues == 1;
}

Test *
mongo_test_one_of(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;
	Equals		e = equals_of(cond);
	Test	   *t = no_document();
	ListCell   *lc;

	if (mongo_is_list_param(cond))
		return field(path, "$in", e.values[0]);
	if (e.nvalues == 1)
		t = field(path, "$eq", e.values[0]);
	else if (e.nvalues > 1)
		t = field_in(path, "$in", e.nvalues, e.values);
	foreach(lc, e.ranges)
		t = either(t, lfirst(lc));
	return t;
}

static Test *
none_of(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;
	Equals		e = equals_of(cond);
	Test	   *t = not_null(path);
	Test	   *nor;

	if (mongo_is_list_param(cond))
		add_operator(t, "$nin", e.values[0]);
	else if (e.nvalues > 0)
		add_list(t, "$nin", e.nvalues, e.values);
	if (e.ranges == NIL)
		return t;
	nor = new_test(TEST_NOR);
	nor->args = e.ranges;
	return both(t, nor);
}

Test *
mongo_without_misfits(const ChColumn *col, Test *t)
{
	static const char *const names[] = {
		[MONGO_STRING] = "string",[MONGO_OBJECT_ID] = "objectId",[MONGO_UUID] = "binData",
		[MONGO_DECIMAL] = "decimal",[MONGO_DOUBLE] = "double",[MONGO_INT] = "int",[MONGO_LONG] = "long"
	};
	const char *path = mongo_column(col)->path.text;
	MongoType	type = mongo_column(col)->type;

	if (type != MONGO_ANY)
		t = both(t, of_type(path, names[type]));
	else if (ch_is_int(col->basetype) || ch_is_float(col->basetype))
		t = both(t, of_types(path, column_numbers));
	else if (ch_is_text(col->basetype))
		t = both(t, of_types(path, column_texts));
	return both(t, no_array(path));
}

/* Where a value that does not fit is NULL, it must not pass by being equal. */
static Test *
guarded(const ChColumn *col, Test *t)
{
	/* of the values that an array position leads to, some may be anything */
	if (!col->table->mismatch_null || t->kind == TEST_NONE || has_position(col))
		return t;
	return mongo_without_misfits(col, t);
}

/* An array that holds a null is no null. */
static bool
takes_arrays(const ChColumn *col)
{
	return OidIsValid(col->elemtype) || col->basetype == JSONBOID || col->basetype == JSONOID ||
		col->kind == MONGO_JSON_TEXT;
}

Test *
mongo_test_null(const ChColumn *col)
{
	const MongoPath *path = &mongo_column(col)->path;
	Test	   *t = field(path->text, "$eq", value_null());
	ListCell   *lc;

	if (takes_arrays(col))
		add_operator(t, "$not", value_of_text("array", 5));
	foreach(lc, prefixes(path))
		t = either(t, of_type(lfirst(lc), "array"));
	return t;
}

Test *
mongo_test_not_null(const ChColumn *col)
{
	const char *path = mongo_column(col)->path.text;

	return takes_arrays(col) ? either(not_null(path), of_type(path, "array")) : not_null(path);
}

/* An expression that is true of the document. */
static Test *
expression_test(const ChCond *cond)
{
	Test	   *t = new_test(TEST_NODE);

	t->node = mongo_doc1("$expr", mongo_filter_expression(cond));
	return t;
}

static Test *
leaf_test(const ChCond *cond)
{
	ChColumn   *col = cond->col;

	if (col->kind == MONGO_COMPUTED || cond->kind == CH_COND_CMP_COLUMN)
		return expression_test(cond);
	if (cond->kind == CH_COND_LIKE || cond->kind == CH_COND_ILIKE)
		return outside_arrays(col, mongo_like_test(cond));
	if (cond->kind == CH_COND_CONTAINS || cond->kind == CH_COND_HAS_KEY)
		return outside_arrays(col, mongo_content_test(cond));
	if (col->kind == MONGO_JSON || col->kind == MONGO_JSON_TEXT)
		return mongo_json_test(cond);
	switch (cond->kind)
	{
		case CH_COND_CMP:
			if (cond->op == CH_NE)
				return outside_arrays(col, none_of(cond));
			if (cond->op == CH_EQ)
				return outside_arrays(col, guarded(col, mongo_test_one_of(cond)));
			return outside_arrays(col, compare_value(col, cond->op, &cond->values[0]));
		case CH_COND_IN:
			return outside_arrays(col, guarded(col, mongo_test_one_of(cond)));
		case CH_COND_NOT_IN:
			return outside_arrays(col, none_of(cond));
		case CH_COND_IS_NULL:
			return mongo_test_null(col);
		case CH_COND_NOT_NULL:
			return outside_arrays(col, mongo_test_not_null(col));
		default:
			return no_document();
	}
}

/* ---- AND and OR --------------------------------------------------------------------------- */

static Test *
condition_test(const ChCond *cond)
{
	Test	   *whole;

	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
		return leaf_test(cond);
	whole = new_test(cond->kind == CH_COND_AND ? TEST_AND : TEST_OR);
	for (int i = 0; i < cond->nargs; i++)
	{
		Test	   *part = condition_test(cond->args[i]);

		if (part->kind != TEST_NONE)
			absorb(whole, part);
		else if (whole->kind == TEST_AND)
			return part;
	}
	if (whole->args == NIL)
		return no_document();
	return list_length(whole->args) == 1 ? linitial(whole->args) : whole;
}

/* ---- for the other files ----------------------------------------------------------------------- */

MongoFilter *
mongo_filter_make(const ChCond *cond)
{
	Test	   *t = condition_test(cond);

	return t->kind == TEST_NONE ? NULL : t;
}

bool
mongo_filter_values(const ChCond *leaf, int *n, bson_value_t **values)
{
	Equals		e = equals_of(leaf);

	*n = e.nvalues;
	*values = e.values;
	return e.ranges == NIL;
}

MongoFilter *
mongo_filter_guards(const ChColumn *col)
{
	Test	   *t = outside_arrays(col, guarded(col, new_test(TEST_AND)));

	return t->args ? t : NULL;
}

/* ---- expressions ------------------------------------------------------------------------------ */

/* Have both the same form?  The types are comparable. */
static bool
are_alike(const ChColumn *a, const ChColumn *b, const char **reason)
{
	MongoType	x = mongo_column(a)->type;
	MongoType	y = mongo_column(b)->type;
	bool		is_text = ch_is_text(a->basetype);

	if (!mongo_has_form(a, reason) || !mongo_has_form(b, reason))
		return false;
	*reason = "MongoDB compares the two columns' types by another order";
	if (is_text)
		return x == y || (x <= MONGO_STRING && y <= MONGO_STRING);
	return a->basetype != NUMERICOID || (x == MONGO_DOUBLE) == (y == MONGO_DOUBLE);
}

static bool
can_express(ChCondKind kind, const ChColumn *col, const ChColumn *other, const char **reason)
{
	switch (kind)
	{
		case CH_COND_CMP:
		case CH_COND_IN:
		case CH_COND_NOT_IN:
			return mongo_has_form(col, reason);
		case CH_COND_IS_NULL:
		case CH_COND_NOT_NULL:
			return mongo_has_fit(col, reason);
		case CH_COND_CMP_COLUMN:
			return are_alike(col, other, reason);
		case CH_COND_LIKE:
		case CH_COND_ILIKE:
			return mongo_has_form(col, reason) && mongo_column(col)->type <= MONGO_STRING;
		default:
			*reason = "MongoDB has no such comparison in an expression";
			return false;
	}
}

bool
mongo_ship_expression(const ChTable *table, const ChExpr *expr, const char **reason)
{
	ListCell   *lc;

	if (expr->kind != CH_COND_AND && expr->kind != CH_COND_OR)
		return can_express(expr->kind, ch_column(table, expr->attno), expr->other ? ch_column(table, expr->other) : NULL, reason);
	foreach(lc, expr->args)
		if (!mongo_ship_expression(table, lfirst(lc), reason))
			return false;
	return true;
}

bool
mongo_can_express(const ChCond *cond)
{
	const char *reason;

	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
		return can_express(cond->kind, cond->col, cond->other, &reason);
	for (int i = 0; i < cond->nargs; i++)
		if (!mongo_can_express(cond->args[i]))
			return false;
	return true;
}

static MongoNode *
leaf_expression(const ChCond *leaf)
{
	ChColumn   *col = leaf->col;
	Test	   *t;

	if (leaf->kind == CH_COND_FALSE)
		return mongo_bool(false);
	if (leaf->kind == CH_COND_CMP_COLUMN)
		return mongo_compare_columns(col, leaf->op, leaf->other);
	if (leaf->kind == CH_COND_LIKE || leaf->kind == CH_COND_ILIKE)
		return mongo_like_expression(leaf);
	if (leaf->kind == CH_COND_NOT_NULL)
		return mongo_is_some(mongo_plain(col));
	if (leaf->kind == CH_COND_IS_NULL)
		return mongo_call("$not", mongo_is_some(mongo_plain(col)), NULL);
	if (leaf->kind == CH_COND_NOT_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_NE))
		t = none_of(leaf);
	else if (leaf->kind == CH_COND_IN || leaf->op == CH_EQ)
		t = mongo_test_one_of(leaf);
	else
		t = compare_value(col, leaf->op, &leaf->values[0]);
	return mongo_test_expression(t, col);
}

MongoNode *
mongo_filter_expression(const ChCond *cond)
{
	MongoNode  *args = mongo_list();

	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
		return leaf_expression(cond);
	for (int i = 0; i < cond->nargs; i++)
		mongo_add(args, mongo_filter_expression(cond->args[i]));
	return mongo_doc1(cond->kind == CH_COND_AND ? "$and" : "$or", args);
}
