/*
 * predicate.c
 *	  Tests as the query language has them, and as expressions.
 *
 * A query operator looks at values of its own class only; an expression
 * compares everything with everything, null and NaN below all numbers, and what
 * is true of null there must not be.  That the value fits the column is the
 * column's expression's part (expr.c).
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/predicate.h"

typedef MongoOperator Operator;
typedef MongoFilter Test;

/* ---- AND --------------------------------------------------------------------------- */

static bool
has_operator(const Test *t, const char *name)
{
	ListCell   *lc;

	foreach(lc, t->operators)
		if (strcmp(((Operator *) lfirst(lc))->name, name) == 0)
			return true;
	return false;
}

/* Are the operators of b another way to look at the field of a? */
static bool
can_merge(const Test *a, const Test *b)
{
	ListCell   *lc;

	if (a->kind != TEST_FIELD || b->kind != TEST_FIELD || a->each || b->each || strcmp(a->path, b->path) != 0)
		return false;
	foreach(lc, b->operators)
		if (has_operator(a, ((Operator *) lfirst(lc))->name))
			return false;
	return true;
}

static bool
same_guard(const Test *a, const Test *b)
{
	return a->kind == TEST_FIELD && b->kind == TEST_FIELD && strcmp(a->path, b->path) == 0 &&
		list_length(a->operators) == 1 && list_length(b->operators) == 1 &&
		has_operator(a, "$not") && has_operator(b, "$not");
}

/* Flatten an AND: tests of one field together, guards once. */
static void
gather_and(Test *t, List **fields)
{
	ListCell   *lc;

	if (t->kind == TEST_AND)
	{
		foreach(lc, t->args)
			gather_and(lfirst(lc), fields);
		return;
	}
	foreach(lc, *fields)
	{
		Test	   *f = lfirst(lc);

		if (same_guard(f, t))
			return;
		if (can_merge(f, t))
		{
			f->operators = list_concat(f->operators, t->operators);
			return;
		}
	}
	*fields = lappend(*fields, t);
}

/* ---- writing -------------------------------------------------------------------------- */

static void
write_operator(const Operator *o, bson_t *doc)
{
	bson_t		child;

	if (strcmp(o->name, "$not") == 0)
	{
		bson_append_document_begin(doc, "$not", -1, &child);
		bson_append_value(&child, "$type", -1, &o->values[0]);
		bson_append_document_end(doc, &child);
	}
	else if (o->is_list)
	{
		bson_append_array_begin(doc, o->name, -1, &child);
		for (int i = 0; i < o->nvalues; i++)
		{
			char		buffer[16];
			int			len;
			const char *key = key_of_item(i, buffer, &len);

			bson_append_value(&child, key, len, &o->values[i]);
		}
		bson_append_array_end(doc, &child);
	}
	else
		bson_append_value(doc, o->name, -1, &o->values[0]);
}

static void
write_operators(const Test *t, const char *name, bson_t *doc)
{
	bson_t		child;
	ListCell   *lc;

	bson_append_document_begin(doc, name, -1, &child);
	foreach(lc, t->operators)
		write_operator(lfirst(lc), &child);
	bson_append_document_end(doc, &child);
}

static void
write_field(const Test *t, bson_t *doc)
{
	Operator   *first = linitial(t->operators);
	bson_t		child;

	if (t->each)
	{
		bson_append_document_begin(doc, t->path, -1, &child);
		write_operators(t, "$elemMatch", &child);
		bson_append_document_end(doc, &child);
	}
	else if (list_length(t->operators) == 1 && strcmp(first->name, "$eq") == 0)
		bson_append_value(doc, t->path, -1, &first->values[0]);
	else
		write_operators(t, t->path, doc);
}

static void write_test(Test *t, bson_t *doc);

static void
write_list(const char *name, List *tests, bson_t *doc)
{
	bson_t		array,
				child;
	ListCell   *lc;

	bson_append_array_begin(doc, name, -1, &array);
	foreach(lc, tests)
	{
		char		buffer[16];
		int			len;
		const char *key = key_of_item(foreach_current_index(lc), buffer, &len);

		bson_append_document_begin(&array, key, len, &child);
		write_test(lfirst(lc), &child);
		bson_append_document_end(&array, &child);
	}
	bson_append_array_end(doc, &array);
}

/* Fields with names of their own side by side, else $and. */
static void
write_and(Test *t, bson_t *doc)
{
	List	   *parts = NIL;
	bool		plain = true;
	ListCell   *lc,
			   *lc2;

	gather_and(t, &parts);
	foreach(lc, parts)
	{
		Test	   *a = lfirst(lc);

		foreach(lc2, parts)
		{
			Test	   *b = lfirst(lc2);

			if (a != b && (a->kind != TEST_FIELD ? b->kind == a->kind
						   : b->kind == TEST_FIELD && strcmp(a->path, b->path) == 0))
				plain = false;
		}
	}
	if (!plain)
	{
		write_list("$and", parts, doc);
		return;
	}
	foreach(lc, parts)
		write_test(lfirst(lc), doc);
}

static void
write_test(Test *t, bson_t *doc)
{
	if (t->kind == TEST_NODE)
		mongo_write(t->node, doc);
	else if (t->kind == TEST_FIELD)
		write_field(t, doc);
	else if (t->kind == TEST_AND)
		write_and(t, doc);
	else
		write_list(t->kind == TEST_OR ? "$or" : "$nor", t->args, doc);
}

void
mongo_filter_write(MongoFilter *filter, bson_t *doc)
{
	write_test(filter, doc);
}

/* ---- expressions ------------------------------------------------------------------------ */

/* Lists of text columns have ObjectIds beside strings; the column's form is text. */
static bool
can_be(const ChColumn *col, const bson_value_t *v)
{
	return v->value_type != BSON_TYPE_OID || mongo_column(col)->type == MONGO_OBJECT_ID;
}

static MongoNode *
compare(const char *operator, MongoNode *x, bson_value_t v)
{
	return mongo_call(operator, x, mongo_literal(mongo_value(v)), NULL);
}

/*
 * Order operators.  Dates are whole milliseconds: there is one operator for
 * both kinds of bounds, so that questions with either have one form.
 */
static MongoNode *
order_expression(const char *operator, const ChColumn *col, MongoNode *x, bson_value_t v)
{
	bool		less = operator[1] == 'l';
	MongoNode  *holds;

	if (v.value_type == BSON_TYPE_DATE_TIME && strcmp(operator, "$lt") == 0)
	{
		v.value.v_datetime--;
		operator = "$lte";
	}
	else if (v.value_type == BSON_TYPE_DATE_TIME && strcmp(operator, "$gte") == 0)
	{
		v.value.v_datetime--;
		operator = "$gt";
	}
	holds = compare(operator, x, v);
	if (!less)
		return holds;
	if (!mongo_may_be_nan(col))
		return mongo_call("$and", mongo_is_some(x), holds, NULL);
	return mongo_call("$and", mongo_is_some(x), mongo_call("$ne", x, mongo_nan(), NULL), holds, NULL);
}

static MongoNode *
list_expression(const Operator *o, const ChColumn *col, MongoNode *x)
{
	MongoNode  *list = mongo_list();

	for (int i = 0; i < o->nvalues; i++)
		if (can_be(col, &o->values[i]))
			mongo_add(list, mongo_literal(mongo_value(o->values[i])));
	if (strcmp(o->name, "$in") == 0)
		return mongo_call("$in", x, list, NULL);
	return mongo_call("$not", mongo_call("$in", x, list, NULL), NULL);
}

static MongoNode *
operator_expression(const Operator *o, const ChColumn *col, MongoNode *x)
{
	if (strcmp(o->name, "$type") == 0)
		return mongo_column(col)->type == MONGO_OBJECT_ID ? mongo_is_some(x) : mongo_bool(false);
	if (o->is_list)
		return list_expression(o, col, x);
	/* a list that has no value yet */
	if (strcmp(o->name, "$in") == 0)
		return compare("$in", x, o->values[0]);
	if (strcmp(o->name, "$nin") == 0)
		return mongo_call("$not", compare("$in", x, o->values[0]), NULL);
	if (!can_be(col, &o->values[0]))
		return mongo_bool(strcmp(o->name, "$ne") == 0);
	if (strcmp(o->name, "$ne") == 0 && o->values[0].value_type == BSON_TYPE_NULL)
		return mongo_is_some(x);
	if (strcmp(o->name, "$eq") == 0 || strcmp(o->name, "$ne") == 0)
		return compare(o->name, x, o->values[0]);
	return order_expression(o->name, col, x, o->values[0]);
}

MongoNode *
mongo_test_expression(const MongoFilter *test, const ChColumn *col)
{
	MongoNode  *x = mongo_plain(col);
	MongoNode  *parts = mongo_list();
	MongoNode  *whole;
	ListCell   *lc;

	if (test->kind == TEST_NONE)
		return mongo_bool(false);
	foreach(lc, test->operators)
		mongo_add(parts, operator_expression(lfirst(lc), col, x));
	foreach(lc, test->args)
		mongo_add(parts, mongo_test_expression(lfirst(lc), col));
	if (mongo_length(parts) == 1 && test->kind != TEST_NOR)
		return mongo_item(parts, 0);
	whole = mongo_doc1(test->kind == TEST_AND || test->kind == TEST_FIELD ? "$and" : "$or", parts);
	return test->kind == TEST_NOR ? mongo_call("$not", whole, NULL) : whole;
}

/* a < b or a <= b of values that may be NaN, which is above all others here */
static MongoNode *
less_or_nan(const char *operator, MongoNode *a, MongoNode *b)
{
	MongoNode  *a_is_nan = mongo_call("$eq", a, mongo_nan(), NULL);
	MongoNode  *b_is_nan = mongo_call("$eq", b, mongo_nan(), NULL);
	bool		or_equal = strcmp(operator, "$lte") == 0;

	return mongo_call("$cond", b_is_nan, or_equal ? mongo_bool(true) : mongo_call("$not", a_is_nan, NULL),
					  mongo_call("$and", mongo_call("$not", a_is_nan, NULL), mongo_call(operator, a, b, NULL), NULL), NULL);
}

static MongoNode *
compare_plain(ChCmpOp op, MongoNode *a, MongoNode *b, bool nan)
{
	switch (op)
	{
		case CH_EQ:
			return mongo_call("$eq", a, b, NULL);
		case CH_NE:
			return mongo_call("$ne", a, b, NULL);
		case CH_GT:
			return compare_plain(CH_LT, b, a, nan);
		case CH_GE:
			return compare_plain(CH_LE, b, a, nan);
		default:
			return nan ? less_or_nan(op == CH_LT ? "$lt" : "$lte", a, b)
				: mongo_call(op == CH_LT ? "$lt" : "$lte", a, b, NULL);
	}
}

MongoNode *
mongo_compare_columns(const ChColumn *a, ChCmpOp op, const ChColumn *b)
{
	MongoNode  *x = mongo_plain(a);
	MongoNode  *y = mongo_plain(b);

	return mongo_call("$and", mongo_is_some(x), mongo_is_some(y),
					  compare_plain(op, x, y, mongo_may_be_nan(a) || mongo_may_be_nan(b)), NULL);
}
