/*
 * above.c
 *	  HAVING, ORDER BY and LIMIT of groups: stages after $group.
 *
 * A target's value is an expression over the group's document, so that
 * conditions on it are those of any computed column.  Sums that may have been
 * rounded are not compared.  Groups with a value that does not fit, or with a sum
 * that became infinite, are errors when they are read: no $match takes them
 * away, and they come before all others.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/group.h"
#include "fdw/mongodb/request.h"

#include "catalog/pg_type.h"

/* Field that tells such a group. */
#define BAD_FIELD "__bad"

/* Sums of numbers of so many digits are exact for 10^12 documents: a decimal has 34. */
#define SUMMED_DIGITS 22

/* ---- may it ship -------------------------------------------------------------------- */

/* The type of what a target returns, as expressions have it. */
static MongoType
type_of(const ChTarget *target, const ChColumn *col)
{
	MongoType	type = col ? mongo_column(col)->type : MONGO_ANY;

	if (target->agg == CH_AGG_COUNT)
		return MONGO_LONG;
	if (target->agg == CH_AGG_SUM)
		return target->type == INT8OID ? MONGO_LONG : target->type == FLOAT8OID ? MONGO_DOUBLE : MONGO_DECIMAL;
	/* an ObjectId among strings was made a string */
	return ch_is_text(target->type) && type == MONGO_ANY ? MONGO_STRING : type;
}

static const char *
refusal_of(const ChTarget *target, const ChColumn *col)
{
	if (target->agg == CH_AGG_SUM && col->basetype == NUMERICOID &&
		(col->typmod < 0 || mongo_precision(col->typmod) > SUMMED_DIGITS))
		return "MongoDB may round a sum of decimals; of numeric(p, s) with at most 22 digits it does not";
	return NULL;
}

void
mongo_describe_groups(ChTable *groups)
{
	ListCell   *lc;

	foreach(lc, groups->grouped->targets)
	{
		const ChTarget *target = lfirst(lc);
		const ChColumn *of = target->attno ? ch_column(groups->rows, target->attno) : NULL;
		ChColumn   *col = groups->columns[foreach_current_index(lc)];
		MongoColumn *mc = palloc0(sizeof(MongoColumn));

		mc->path.text = "";
		mc->type = type_of(target, of);
		mc->refusal = refusal_of(target, of);
		col->kind = MONGO_COMPUTED;
		col->extra = mc;
	}
}

bool
mongo_ship_group_sort(const ChTable *groups, List *keys, const char **reason)
{
	ListCell   *lc;

	foreach(lc, keys)
		if (!mongo_has_form(ch_column(groups, ((ChSortKey *) lfirst(lc))->attno), reason))
			return false;
	return true;
}

/* ---- values of a group ------------------------------------------------------------------ */

static MongoNode *
value_of(const MongoResult *result)
{
	MongoNode  *value = mongo_text(result->key >= 0 ? psprintf("$_id.%s", mongo_key_name(result->key))
								   : psprintf("$%s", mongo_accumulator_name(result->value)));

	if (result->item >= 0)
		value = mongo_call("$arrayElemAt", value, mongo_int(result->item), NULL);
	if (result->count >= 0)
		value = mongo_call("$cond", mongo_call("$gt", mongo_text(psprintf("$%s", mongo_accumulator_name(result->count))),
											   mongo_int(0), NULL), value, mongo_null(), NULL);
	return value;
}

/* Is it a field as it is, and not made of one? */
static const char *
field_of(const MongoResult *result)
{
	if (result->item >= 0 || result->count >= 0)
		return NULL;
	return result->key >= 0 ? psprintf("_id.%s", mongo_key_name(result->key)) : mongo_accumulator_name(result->value);
}

/* A sum of doubles that none of them made infinite. */
static MongoNode *
has_overflown(const MongoResult *result)
{
	MongoNode  *infinite = mongo_list();

	mongo_add(infinite, mongo_double(INFINITY));
	mongo_add(infinite, mongo_double(-INFINITY));
	return mongo_call("$and", mongo_call("$in", mongo_text(psprintf("$%s", mongo_accumulator_name(result->value))), infinite, NULL),
					  mongo_call("$eq", mongo_text(psprintf("$%s", mongo_accumulator_name(result->special))), mongo_int(0), NULL),
					  NULL);
}

/* What tells a group that is an error; a list of expressions. */
static MongoNode *
bad_signs(const ChScan *scan, const MongoGroups *groups)
{
	MongoNode  *signs = mongo_list();

	for (int i = 0; i < groups->nchecked; i++)
		mongo_add(signs, mongo_is_some(mongo_text(psprintf("$%s", mongo_accumulator_name(groups->first_checked + i)))));
	for (int i = 0; i < scan->ncolumns; i++)
		if (groups->results[i].special >= 0)
			mongo_add(signs, has_overflown(&groups->results[i]));
	return signs;
}

/* ---- stages -------------------------------------------------------------------------------- */

static MongoNode *
having_stage(const ChCond *having, const MongoNode *signs)
{
	MongoNode  *condition = mongo_filter_expression(having);
	MongoNode  *any = mongo_list();

	if (mongo_length(signs) > 0)
	{
		mongo_add(any, condition);
		mongo_add_all(any, signs);
		condition = mongo_doc1("$or", any);
	}
	return mongo_doc1("$match", mongo_doc1("$expr", condition));
}

/* Ascending: -2 and 2 for NULL, -1 and 1 for NaN, 0 for other values; NULL: a field needs none. */
static MongoNode *
rank_of(const ChColumn *col, const ChSortKey *key, MongoNode *value)
{
	bool		natural = col->notnull || key->nulls_first != key->descending;
	MongoNode  *rank = mongo_int(0);

	if (mongo_may_be_nan(col))
		rank = mongo_call("$cond", mongo_call("$eq", value, mongo_nan(), NULL), mongo_int(key->descending ? -1 : 1), rank, NULL);
	else if (natural)
		return NULL;
	return mongo_call("$cond", mongo_is_some(value), rank, mongo_int(key->nulls_first ? -2 : 2), NULL);
}

static void
add_sort_key(const ChScan *scan, const MongoGroups *groups, int i, MongoNode *set, MongoNode *sort)
{
	const ChSortKey *key = scan->sort[i];
	const ChColumn *col = ch_column(scan->groups, key->attno);
	const MongoResult *result = &groups->results[key->attno - 1];
	const char *field = field_of(result);
	MongoNode  *value = value_of(result);
	MongoNode  *rank = rank_of(col, key, value);

	if (rank)
	{
		mongo_put(set, psprintf("__rank%d", i), rank);
		mongo_put(sort, psprintf("__rank%d", i), mongo_int(1));
	}
	if (field == NULL)
	{
		field = psprintf("__key%d", i);
		mongo_put(set, field, value);
	}
	mongo_put(sort, field, mongo_int(key->descending ? -1 : 1));
}

void
mongo_add_above_groups(MongoNode *pipeline, const ChScan *scan, const MongoGroups *groups, int64 limit)
{
	MongoNode  *signs;
	MongoNode  *set = mongo_doc();
	MongoNode  *sort = mongo_doc();

	if (scan->groups == NULL)
		return;
	signs = bad_signs(scan, groups);
	for (int i = 0; i < scan->ncolumns; i++)
		mongo_column(scan->groups->columns[i])->expression = value_of(&groups->results[i]);
	if (scan->having)
		mongo_add(pipeline, having_stage(scan->having, signs));
	if (mongo_length(signs) > 0 && limit != -1)
	{
		mongo_put(set, BAD_FIELD, mongo_doc1("$or", signs));
		mongo_put(sort, BAD_FIELD, mongo_int(-1));
	}
	for (int i = 0; i < scan->nsort; i++)
		add_sort_key(scan, groups, i, set, sort);
	if (mongo_length(set) > 0)
		mongo_add(pipeline, mongo_doc1("$set", set));
	if (mongo_length(sort) > 0)
		mongo_add(pipeline, mongo_doc1("$sort", sort));
	if (limit != -1)
		mongo_add(pipeline, mongo_doc1("$limit", mongo_count(limit)));
}
