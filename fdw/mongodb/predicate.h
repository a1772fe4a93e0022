/*
 * predicate.h
 *	  Conditions as trees of tests: what filter.c makes and predicate.c writes.
 */
#ifndef CH_MONGODB_PREDICATE_H
#define CH_MONGODB_PREDICATE_H

#include "fdw/mongodb/expr.h"

/* One operator of a test; for $eq alone the short form is written. */
typedef struct MongoOperator
{
	const char *name;			/* "$lt" */
	int			nvalues;		/* of $in, $nin, $type; else 1 */
	bson_value_t *values;
	bool		is_list;
} MongoOperator;

struct MongoFilter
{
	enum
	{
		TEST_NONE,				/* no document */
		TEST_FIELD,
		TEST_AND,
		TEST_OR,
		TEST_NOR,
		TEST_NODE				/* node, as it is */
	}			kind;
	const char *path;			/* TEST_FIELD */
	bool		each;			/* ... of an array of which one element passes */
	List	   *operators;		/* MongoOperator */
	List	   *args;			/* MongoFilter */
	MongoNode  *node;
};

/* A parameter without a value yet; mongo_explain takes the marks off. */
static inline bson_value_t
value_of_param(int64 number)
{
	char	   *text = psprintf(MONGO_PARAM_MARK "$" INT64_FORMAT MONGO_PARAM_MARK, number);

	return value_of_text(text, strlen(text));
}

/* ---- making tests ------------------------------------------------------- */

static inline MongoFilter *
new_test(int kind)
{
	MongoFilter *t = palloc0(sizeof(MongoFilter));

	t->kind = kind;
	return t;
}

static inline MongoFilter *
no_document(void)
{
	return new_test(TEST_NONE);
}

static inline void
add_operator(MongoFilter *t, const char *name, bson_value_t value)
{
	MongoOperator *o = palloc0(sizeof(MongoOperator));

	o->name = name;
	o->nvalues = 1;
	o->values = palloc(sizeof(bson_value_t));
	o->values[0] = value;
	t->operators = lappend(t->operators, o);
}

static inline void
add_list(MongoFilter *t, const char *name, int n, bson_value_t *values)
{
	MongoOperator *o = palloc0(sizeof(MongoOperator));

	o->name = name;
	o->nvalues = n;
	o->values = values;
	o->is_list = true;
	t->operators = lappend(t->operators, o);
}

static inline MongoFilter *
field(const char *path, const char *operator, bson_value_t value)
{
	MongoFilter *t = new_test(TEST_FIELD);

	t->path = path;
	add_operator(t, operator, value);
	return t;
}

static inline MongoFilter *
field_in(const char *path, const char *operator, int n, bson_value_t *values)
{
	MongoFilter *t = new_test(TEST_FIELD);

	t->path = path;
	add_list(t, operator, n, values);
	return t;
}

/* Parts of the same kind come up into the whole. */
static inline void
absorb(MongoFilter *whole, MongoFilter *part)
{
	if (part->kind == whole->kind)
		whole->args = list_concat(whole->args, part->args);
	else
		whole->args = lappend(whole->args, part);
}

static inline MongoFilter *
either(MongoFilter *a, MongoFilter *b)
{
	MongoFilter *t;

	if (a->kind == TEST_NONE)
		return b;
	if (b->kind == TEST_NONE)
		return a;
	t = new_test(TEST_OR);
	absorb(t, a);
	absorb(t, b);
	return t;
}

static inline MongoFilter *
both(MongoFilter *a, MongoFilter *b)
{
	MongoFilter *t;

	if (a->kind == TEST_NONE || b->kind == TEST_NONE)
		return no_document();
	t = new_test(TEST_AND);
	absorb(t, a);
	absorb(t, b);
	return t;
}

static inline MongoFilter *
not_null(const char *path)
{
	return field(path, "$ne", value_null());
}

/* {path: {"$not": {"$type": "array"}}}; written specially, see write_operator */
static inline MongoFilter *
no_array(const char *path)
{
	return field(path, "$not", value_of_text("array", 5));
}

static inline MongoFilter *
of_types(const char *path, const char *const *names)
{
	int			n = 0;
	bson_value_t *values;

	while (names[n])
		n++;
	values = palloc(n * sizeof(bson_value_t));
	for (int i = 0; i < n; i++)
		values[i] = value_of_text(names[i], strlen(names[i]));
	return field_in(path, "$type", n, values);
}

static inline MongoFilter *
of_type(const char *path, const char *name)
{
	return field(path, "$type", value_of_text(name, strlen(name)));
}

/* Every document; an AND of nothing would be taken for one that is not there. */
static inline MongoFilter *
any_document(void)
{
	return field_in("_id", "$nin", 0, NULL);
}

/* The column's proper prefixes that may be arrays: "a", "a.b" of "a.b.c". */
static inline List *
prefixes(const MongoPath *path)
{
	List	   *list = NIL;
	int			n = 0;

	for (const char *dot = strchr(path->text, '.'); dot; dot = strchr(dot + 1, '.'))
		if (n++ >= path->nroot)
			list = lappend(list, pnstrdup(path->text, dot - path->text));
	return list;
}

/* Is a part of the path an array position, or maybe a name? */
static inline bool
has_position(const ChColumn *col)
{
	return mongo_column(col)->path.nplain < mongo_column(col)->path.nparts;
}

/* Nothing on the way to the value is an array. */
static inline MongoFilter *
outside_arrays(const ChColumn *col, MongoFilter *t)
{
	ListCell   *lc;

	/* a path with an array position ships superset conditions only */
	if (t->kind == TEST_NONE || has_position(col))
		return t;
	foreach(lc, prefixes(&mongo_column(col)->path))
		t = both(t, no_array(lfirst(lc)));
	return t;
}

/* ---- filter.c ----------------------------------------------------------- */

/* A value of a condition; nvalues may be 0. */
extern MongoFilter *mongo_test_one_of(const ChCond *cond);
extern MongoFilter *mongo_test_object_id(const char *path, ChCmpOp op, const ChValue *v);

/* ... t is true of values equal to some of the column: not of others that do not fit it. */
extern MongoFilter *mongo_without_misfits(const ChColumn *col, MongoFilter *t);
extern MongoFilter *mongo_test_null(const ChColumn *col);
extern MongoFilter *mongo_test_not_null(const ChColumn *col);

/* Is the condition one with a list that has no value yet? */
extern bool mongo_is_list_param(const ChCond *cond);

/* ---- leaves of json.c, content.c, like.c -------------------------------- */

extern MongoFilter *mongo_json_test(const ChCond *cond);
extern MongoFilter *mongo_content_test(const ChCond *cond);

/* Types whose values are documents here; dates only if a timestamp does not hold them. */
extern const char *const mongo_document_types[];

/* A pseudo column at a path, of the column's table. */
extern ChColumn *mongo_column_at(const ChColumn *col, const char *path, Oid type);

extern MongoFilter *mongo_like_test(const ChCond *cond);
extern MongoNode *mongo_like_expression(const ChCond *cond);

/* ---- predicate.c -------------------------------------------------------- */

/* The same test of a column as an expression that is true or false. */
extern MongoNode *mongo_test_expression(const MongoFilter *test, const ChColumn *col);

/* ... of two columns */
extern MongoNode *mongo_compare_columns(const ChColumn *a, ChCmpOp op, const ChColumn *b);

#endif							/* CH_MONGODB_PREDICATE_H */
