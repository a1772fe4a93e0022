/*
 * order.c
 *	  How does MongoDB sort as PostgreSQL does?
 *
 * NULLs are first there, NaN is below all numbers, and ObjectIds are apart from
 * strings.  Where the filter or the table's definition does not exclude what
 * would make a difference, rows are sorted by a computed key, and so without
 * an index.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/expr.h"
#include "fdw/mongodb/request.h"

#include "catalog/pg_type.h"

/* ---- the form of a sort key ------------------------------------------------------------- */

/* Of the rows that the filter lets through, what can be said of the column? */
typedef bool (*LeafProves) (const ChCond *leaf);

static bool
proves_not_null(const ChCond *leaf)
{
	return leaf->kind != CH_COND_IS_NULL;
}

static bool
is_nan(const ChValue *v)
{
	return (v->kind == CH_FLOAT && isnan(v->u.f)) ||
		(v->kind == CH_DECIMAL && v->u.s.len > 0 && v->u.s.data[0] == 'N');
}

static bool
proves_no_nan(const ChCond *leaf)
{
	if (leaf->kind != CH_COND_IN &&
		!(leaf->kind == CH_COND_CMP && (leaf->op == CH_EQ || leaf->op == CH_LT || leaf->op == CH_LE)))
		return false;
	if (leaf->kind == CH_COND_CMP && leaf->op == CH_LT)
		return true;
	for (int i = 0; i < leaf->nvalues; i++)
		if (is_nan(&leaf->values[i]))
			return false;
	return true;
}

static bool
filter_proves(const ChCond *cond, const ChColumn *col, LeafProves proves)
{
	if (cond == NULL || cond->kind == CH_COND_FALSE)
		return false;
	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
		return cond->col == col && proves(cond);
	for (int i = 0; i < cond->nargs; i++)
		if (filter_proves(cond->args[i], col, proves) != (cond->kind == CH_COND_OR))
			return cond->kind == CH_COND_AND;
	return cond->kind == CH_COND_OR;
}

/* Each of the filters proves it. */
static bool
all_prove(int nfilters, ChCond *const *filters, const ChColumn *col, LeafProves proves)
{
	for (int i = 0; i < nfilters; i++)
		if (!filter_proves(filters[i], col, proves))
			return false;
	return true;
}

static MongoKeyForm
key_form(const ChScan *scan, const ChSortKey *key, int nfilters, ChCond *const *filters)
{
	MongoKeyForm form = {ch_column(scan->table, key->attno), key->descending, key->nulls_first};
	const MongoColumn *mc = mongo_column(form.col);
	bool		natural = key->nulls_first != key->descending && mongo_is_direct(&mc->path);
	bool		is_text = ch_is_text(form.col->basetype);

	if (!natural && !form.col->notnull && !all_prove(nfilters, filters, form.col, proves_not_null))
		form.rank = true;
	if (mongo_may_be_nan(form.col) && !all_prove(nfilters, filters, form.col, proves_no_nan))
		form.rank = true;
	form.as_text = is_text && mc->type == MONGO_ANY;
	form.outside_arrays = form.rank && !form.as_text && !mongo_is_direct(&mc->path);
	return form;
}

static bool
has_stand_in(const MongoKeyForm *form)
{
	return form->as_text || form->outside_arrays;
}

MongoOrder
mongo_order(const ChScan *scan, int nfilters, ChCond *const *filters)
{
	MongoOrder	order = {0};

	/* groups: above.c */
	if (scan->grouped)
		return order;
	order.keys = palloc(Max(scan->nsort, 1) * sizeof(MongoKeyForm));
	for (int i = 0; i < scan->nsort; i++)
	{
		MongoKeyForm form = key_form(scan, scan->sort[i], nfilters, filters);
		bool		computed = form.rank || form.as_text;

		/*
		 * Rows of a group need no order of groups, but an index may have it; what
		 * is computed from a column has not that column's order within a group.
		 */
		if (i < scan->ndistinct && (computed || form.col->kind == MONGO_COMPUTED))
			continue;
		order.keys[order.n++] = form;
		order.computed = order.computed || computed;
	}
	return order;
}

/* ---- expressions of computed keys ---------------------------------------------------------- */

static MongoNode *
reference_to(const MongoKeyForm *form)
{
	return mongo_text(psprintf("$%s", mongo_column(form->col)->path.text));
}

static MongoNode *
type_is(const MongoKeyForm *form, const char *const *names)
{
	MongoNode  *list = mongo_list();

	for (int i = 0; names[i]; i++)
		mongo_add(list, mongo_text(names[i]));
	return mongo_call("$in", mongo_doc1("$type", reference_to(form)), list, NULL);
}

/*
 * The rank is always sorted ascending: NULLs first are -2, NaN of a descending
 * key -1, other values 0, NaN of an ascending key 1, NULLs last 2.  In an
 * expression a path through an array gives an array, which is NULL here.
 */
static MongoNode *
rank_of(const MongoKeyForm *form)
{
	static const char *const null_types[] = {"missing", "null", "undefined", "array", NULL};
	MongoNode  *otherwise = mongo_int(0);

	if (mongo_may_be_nan(form->col))
		otherwise = mongo_call("$cond", mongo_call("$eq", reference_to(form), mongo_nan(), NULL),
							   mongo_int(form->descending ? -1 : 1), mongo_int(0), NULL);
	return mongo_call("$cond", type_is(form, null_types), mongo_int(form->nulls_first ? -2 : 2), otherwise, NULL);
}

/* Strings, and ObjectIds as strings; of anything else null. */
static MongoNode *
text_of(const MongoKeyForm *form)
{
	MongoNode  *convert = mongo_doc();

	mongo_put(convert, "input", reference_to(form));
	mongo_put(convert, "to", mongo_text("string"));
	mongo_put(convert, "onError", mongo_null());
	return mongo_doc1("$convert", convert);
}

/* Null for an array on the way, so that all NULLs are alike. */
static MongoNode *
outside_arrays(const MongoKeyForm *form)
{
	static const char *const array[] = {"array", NULL};

	return mongo_call("$cond", type_is(form, array), mongo_null(), reference_to(form), NULL);
}

/* ---- stages ------------------------------------------------------------------------------------ */

/* Names of computed keys: of the i-th sort key, its rank and what stands for it. */
static const char *
rank_name(int i)
{
	return psprintf("__rank%d", i);
}

static const char *
key_name(int i)
{
	return psprintf("__key%d", i);
}

MongoNode *
mongo_order_node(const MongoOrder *order)
{
	MongoNode  *sort = mongo_doc();

	for (int i = 0; i < order->n; i++)
	{
		const MongoKeyForm *form = &order->keys[i];

		if (form->rank)
			mongo_put(sort, rank_name(i), mongo_int(1));
		mongo_put(sort, has_stand_in(form) ? key_name(i) : mongo_column(form->col)->path.text,
				  mongo_int(form->descending ? -1 : 1));
	}
	return sort;
}

void
mongo_add_order(MongoNode *pipeline, const MongoOrder *order)
{
	MongoNode  *set = mongo_doc();

	if (order->n == 0)
		return;
	for (int i = 0; i < order->n; i++)
	{
		const MongoKeyForm *form = &order->keys[i];

		if (form->rank)
			mongo_put(set, rank_name(i), rank_of(form));
		if (has_stand_in(form))
			mongo_put(set, key_name(i), form->as_text ? text_of(form) : outside_arrays(form));
	}
	if (order->computed)
		mongo_add(pipeline, mongo_doc1("$set", set));
	mongo_add(pipeline, mongo_doc1("$sort", mongo_order_node(order)));
}

MongoNode *
mongo_unset_order(const MongoOrder *order)
{
	MongoNode  *names = mongo_list();

	for (int i = 0; i < order->n; i++)
	{
		if (order->keys[i].rank)
			mongo_add(names, mongo_text(rank_name(i)));
		if (has_stand_in(&order->keys[i]))
			mongo_add(names, mongo_text(key_name(i)));
	}
	return order->computed ? mongo_doc1("$unset", names) : NULL;
}
