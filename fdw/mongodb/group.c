/*
 * group.c
 *	  Groups and aggregates by $group.
 *
 * What differs from SQL, and what is done about it:
 *
 *	- The sum of nothing is 0 there: a count decides on NULL.
 *	- Integers overflow into doubles: int and smallint are summed as they are,
 *	  which takes four thousand million rows, bigints as decimals of 34 digits.
 *	- Sums of decimals are rounded to 34 digits: the number, the size and the
 *	  scale of what is added up tell whether that can have happened.
 *	- Doubles overflow to infinity without a word: the infinite ones are counted.
 *	- NaN is below all numbers: where a column may have it, what is compared is
 *	  an array of a rank and the value.
 *	- count(DISTINCT) by $addToSet would have to fit into one document: the
 *	  column is grouped by first, and a second $group adds up.
 *	- A value that the column does not hold is NULL or an error here.  With
 *	  'null' expressions leave it out (expr.c).  With 'error' one of those that do
 *	  not fit, if there is any, comes with the group and is refused like any other.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/group.h"

#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* Digits of a decimal. */
#define DECIMAL128_DIGITS	34

/* ---- may it ship -------------------------------------------------------------------- */

static bool
ship_sum(const ChColumn *col, const char **reason)
{
	if (col->basetype == NUMERICOID && mongo_column(col)->type == MONGO_DOUBLE)
		return ch_refuse(reason, "MongoDB adds up doubles by their binary value");
	return ch_is_int(col->basetype) || col->basetype == FLOAT8OID || col->basetype == NUMERICOID ? true
		: ch_refuse(reason, "MongoDB adds up integers, doubles and decimals only");
}

static bool
ship_target(const ChTable *table, const ChTarget *target, const char **reason)
{
	const ChColumn *col = target->attno ? ch_column(table, target->attno) : NULL;

	if (col == NULL)
		return true;
	if (target->agg == CH_AGG_COUNT && !target->distinct)
		return mongo_has_fit(col, reason);
	if (!mongo_has_form(col, reason))
		return false;
	if (target->agg == CH_AGG_SUM)
		return ship_sum(col, reason);
	return target->by == 0 || mongo_has_form(ch_column(table, target->by), reason);
}

/* Columns of conditions are looked at, too. */
static bool
ship_condition(const ChTable *table, const ChExpr *expr, bool as_expression, const char **reason)
{
	const ChColumn *col;
	ListCell   *lc;

	if (expr == NULL)
		return true;
	foreach(lc, expr->args)
		if (!ship_condition(table, lfirst(lc), as_expression, reason))
			return false;
	if (expr->kind == CH_COND_AND || expr->kind == CH_COND_OR)
		return true;
	col = ch_column(table, expr->attno);
	if (as_expression && expr->kind != CH_COND_IS_NULL && expr->kind != CH_COND_NOT_NULL)
		return mongo_ship_expression(table, expr, reason);
	if (!as_expression && (col->table->mismatch_null || col->kind != MONGO_VALUE))
		return true;
	return mongo_has_fit(col, reason);
}

/* Only one set of values can be made distinct. */
static bool
ship_distinct_values(const ChQuery *query, const char **reason)
{
	const ChTarget *first = NULL;
	ListCell   *lc;

	foreach(lc, query->targets)
	{
		const ChTarget *target = lfirst(lc);

		if (!target->distinct)
			continue;
		if (first && (first->attno != target->attno || !equal(first->filter, target->filter)))
			return ch_refuse(reason, "MongoDB makes the values of one column distinct, not of several");
		first = target;
	}
	return true;
}

bool
mongo_ship_group(const ChTable *table, const ChQuery *query, const char **reason)
{
	ListCell   *lc;

	foreach(lc, query->group)
		if (!mongo_has_form(ch_column(table, lfirst_int(lc)), reason))
			return false;
	foreach(lc, query->targets)
	{
		const ChTarget *target = lfirst(lc);

		if (!ship_target(table, target, reason) || !ship_condition(table, target->filter, true, reason))
			return false;
	}
	foreach(lc, query->joins)
		if (!ship_condition(table, ((ChJoin *) lfirst(lc))->on, false, reason))
			return false;
	return ship_condition(table, query->filter, false, reason) && ship_distinct_values(query, reason);
}

bool
mongo_ship_distinct(const ChTable *table, const ChQuery *query, const char **reason)
{
	List	   *rest = list_copy_tail(query->sort, query->ndistinct);

	for (int i = 0; i < query->ndistinct; i++)
		if (!mongo_has_form(ch_column(table, ((ChSortKey *) list_nth(query->sort, i))->attno), reason))
			return false;
	return mongo_ship_sort(table, rest, reason);
}

/* ---- accumulators --------------------------------------------------------------------- */

static MongoNode *
either_null(MongoNode *condition, MongoNode *value)
{
	return condition ? mongo_call("$cond", condition, value, mongo_null(), NULL) : value;
}

/* The accumulator's number, new or the same as one that is there. */
static int
add_accumulator(MongoNode *list, const char *operator, MongoNode *expression)
{
	MongoNode  *accumulator = mongo_doc1(operator, expression);
	int			n = mongo_length(list);

	for (int i = 0; i < n; i++)
		if (mongo_same(mongo_item(list, i), accumulator))
			return i;
	mongo_add(list, accumulator);
	return n;
}

const char *
mongo_accumulator_name(int i)
{
	return psprintf("a%d", i);
}

/*
 * What an aggregate is made of.  Those of distinct values are accumulators of
 * the second $group, which come after those of the first.
 */
typedef struct Input
{
	const ChBoundTarget *target;
	MongoNode  *list;			/* of accumulators */
	MongoNode  *value;			/* NULL: count(*) */
	MongoNode  *condition;		/* FILTER, or NULL */
} Input;

static int
count_values(const Input *in)
{
	MongoNode  *counts = in->value ? mongo_is_some(in->value) : NULL;

	if (in->condition)
		counts = counts ? mongo_call("$and", in->condition, counts, NULL) : in->condition;
	if (counts == NULL)
		return add_accumulator(in->list, "$sum", mongo_int(1));
	return add_accumulator(in->list, "$sum", mongo_call("$cond", counts, mongo_int(1), mongo_int(0), NULL));
}

/* How many of the values are infinite or NaN? */
static int
count_special(const Input *in)
{
	MongoNode  *special = mongo_list();
	MongoNode  *is_special;

	mongo_add(special, mongo_nan());
	mongo_add(special, mongo_double(INFINITY));
	mongo_add(special, mongo_double(-INFINITY));
	is_special = mongo_call("$in", in->value, special, NULL);
	if (in->condition)
		is_special = mongo_call("$and", in->condition, is_special, NULL);
	return add_accumulator(in->list, "$sum", mongo_call("$cond", is_special, mongo_int(1), mongo_int(0), NULL));
}

static void
add_sum(const Input *in, MongoResult *result)
{
	const ChColumn *col = in->target->col;
	MongoNode  *value = in->value;

	result->count = count_values(in);
	if (col->basetype == INT8OID ||
		(col->basetype == NUMERICOID && mongo_column(col)->type != MONGO_DECIMAL))
		value = mongo_doc1("$toDecimal", value);
	result->value = add_accumulator(in->list, "$sum", either_null(in->condition, value));
	if (col->basetype == FLOAT8OID)
		result->special = count_special(in);
	if (col->basetype != NUMERICOID || mongo_column(col)->type != MONGO_DECIMAL)
		return;
	result->largest = add_accumulator(in->list, "$max", either_null(in->condition, mongo_doc1("$abs", value)));
	result->zero = add_accumulator(in->list, "$sum",
								   either_null(in->condition, mongo_call("$multiply", value, mongo_int(0), NULL)));
}

/* NaN last */
static MongoNode *
rank_of(MongoNode *value)
{
	return mongo_call("$cond", mongo_call("$eq", value, mongo_nan(), NULL), mongo_int(1), mongo_int(0), NULL);
}

static void
add_extreme(const Input *in, const char *operator, MongoResult *result)
{
	MongoNode  *value = in->value;
	MongoNode  *condition = in->condition;

	if (mongo_may_be_nan(in->target->col))
	{
		MongoNode  *pair = mongo_list();

		mongo_add(pair, rank_of(value));
		mongo_add(pair, value);
		condition = condition ? mongo_call("$and", condition, mongo_is_some(value), NULL) : mongo_is_some(value);
		value = pair;
		result->item = 1;
	}
	result->value = add_accumulator(in->list, operator, either_null(condition, value));
}

/* The least or greatest of arrays that begin with what orders. */
static void
add_first_or_last(const Input *in, const char *operator, MongoResult *result)
{
	MongoNode  *by = mongo_plain(in->target->by);
	MongoNode  *row = mongo_list();
	MongoNode  *both = mongo_list();

	if (mongo_may_be_nan(in->target->by))
		mongo_add(row, rank_of(by));
	mongo_add(row, by);
	mongo_add(row, in->value);
	if (in->condition)
		mongo_add(both, in->condition);
	mongo_add(both, mongo_is_some(by));
	mongo_add(both, mongo_is_some(in->value));
	result->item = mongo_length(row) - 1;
	result->value = add_accumulator(in->list, operator, either_null(mongo_doc1("$and", both), row));
}

static void
add_aggregate(const Input *in, MongoResult *result)
{
	switch (in->target->agg)
	{
		case CH_AGG_COUNT:
			result->value = count_values(in);
			break;
		case CH_AGG_SUM:
			add_sum(in, result);
			break;
		case CH_AGG_MIN:
		case CH_AGG_BOOL_AND:
			add_extreme(in, "$min", result);
			break;
		case CH_AGG_MAX:
		case CH_AGG_BOOL_OR:
			add_extreme(in, "$max", result);
			break;
		case CH_AGG_FIRST:
			add_first_or_last(in, "$min", result);
			break;
		case CH_AGG_LAST:
			add_first_or_last(in, "$max", result);
			break;
		case CH_AGG_KEY:
			break;
	}
}

/* ---- groups --------------------------------------------------------------------------------- */

/* A key is never missing; one that does not fit shows itself. */
static MongoNode *
key_of(const ChColumn *col)
{
	MongoNode  *key = mongo_equal_form(col);

	if (!col->table->mismatch_null && !mongo_is_made_equal(col) && col->kind != MONGO_COMPUTED)
		key = mongo_call("$ifNull", key, mongo_call("$ifNull", mongo_raw(col), mongo_null(), NULL), NULL);
	return key;
}

/* What is added up must be of the types that it can be; other values just raise. */
static MongoNode *
value_of(const ChBoundTarget *target)
{
	const ChColumn *col = target->col;
	MongoType	type;

	if (col == NULL)
		return NULL;
	type = mongo_column(col)->type;
	if (target->agg != CH_AGG_SUM || col->kind == MONGO_COMPUTED || (type == MONGO_DOUBLE && col->basetype == FLOAT8OID) ||
		((type == MONGO_INT || type == MONGO_LONG) && (col->basetype == INT2OID || col->basetype == INT4OID)))
		return mongo_plain(col);
	return mongo_form(col);
}

/* A column of which a value may not be what it is here. */
static bool
must_check(const ChColumn *col)
{
	const char *reason;

	if (col->kind == MONGO_COMPUTED)
		return mongo_column(col)->limits != NULL;
	return !col->table->mismatch_null && col->kind == MONGO_VALUE && col->basetype != JSONBOID &&
		col->basetype != JSONOID && mongo_has_fit(col, &reason);
}

static void
add_check(const ChScan *scan, MongoGroups *groups, ChColumn *col)
{
	ListCell   *lc;

	if (col == NULL)
		return;
	foreach(lc, col->kind == MONGO_COMPUTED ? mongo_column(col)->of : NIL)
		add_check(scan, groups, lfirst(lc));
	if (!must_check(col) || !mongo_is_in_row(scan, col))
		return;
	for (int i = 0; i < groups->nchecked; i++)
		if (groups->checked[i] == col)
			return;
	groups->checked[groups->nchecked++] = col;
}

/* null if the value is NULL or can be trusted, else the value */
static MongoNode *
suspect(const ChColumn *col)
{
	if (col->kind == MONGO_COMPUTED)
		return mongo_call("$cond", mongo_column(col)->limits, mongo_null(), mongo_raw(linitial(mongo_column(col)->of)), NULL);
	return mongo_call("$cond", mongo_fit(col), mongo_null(), mongo_raw(col), NULL);
}

static void
add_checks(const ChScan *scan, MongoGroups *groups, const ChCond *cond)
{
	if (cond == NULL || cond->kind == CH_COND_FALSE)
		return;
	for (int i = 0; i < cond->nargs; i++)
		add_checks(scan, groups, cond->args[i]);
	add_check(scan, groups, cond->col);
	add_check(scan, groups, cond->other);
}

static void
check_values(const ChScan *scan, MongoGroups *groups)
{
	groups->checked = palloc((scan->table->natts + list_length(scan->table->computed)) * sizeof(ChColumn *));
	for (int i = 0; i < scan->ncolumns; i++)
	{
		add_check(scan, groups, scan->targets[i].col);
		add_check(scan, groups, scan->targets[i].by);
		add_checks(scan, groups, scan->targets[i].filter);
	}
	if (scan->nsets == 0)
		add_checks(scan, groups, scan->filter);
	for (int s = 0; s < scan->nsets; s++)
		add_checks(scan, groups, scan->sets[s].filter);
	for (int i = 0; i < scan->njoins; i++)
		add_checks(scan, groups, scan->joins[i].on);
	groups->first_checked = mongo_length(groups->accumulators);
	for (int i = 0; i < groups->nchecked; i++)
		mongo_add(groups->accumulators, mongo_doc1("$max", suspect(groups->checked[i])));
}

static const ChBoundTarget *
find_distinct(const ChScan *scan)
{
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->targets[i].distinct)
			return &scan->targets[i];
	return NULL;
}

static MongoNode *
condition_of(const ChBoundTarget *target)
{
	return target->filter ? mongo_filter_expression(target->filter) : NULL;
}

static void
add_result(const ChScan *scan, MongoGroups *groups, int i, bool distinct)
{
	const ChBoundTarget *target = &scan->targets[i];
	Input		in = {target, groups->accumulators};

	if (target->agg == CH_AGG_KEY || target->distinct != distinct)
		return;
	if (distinct)
	{
		in.list = groups->merges;
		in.value = groups->distinct_value;
	}
	else
	{
		in.value = value_of(target);
		in.condition = condition_of(target);
	}
	add_aggregate(&in, &groups->results[i]);
}

/* The second $group takes what the first has made. */
static MongoNode *
make_merges(const MongoNode *accumulators)
{
	MongoNode  *merges = mongo_list();

	for (int i = 0; i < mongo_length(accumulators); i++)
		mongo_add(merges, mongo_doc1(mongo_key(mongo_item(accumulators, i), 0),
									 mongo_text(psprintf("$%s", mongo_accumulator_name(i)))));
	return merges;
}

/* A key, and where in the answer it is. */
static void
add_key(const ChScan *scan, MongoGroups *groups, const ChColumn *col)
{
	int			n = mongo_length(groups->keys);
	int			one = -1;

	mongo_add(groups->keys, key_of(col));
	if (mongo_is_made_equal(col))
		one = add_accumulator(groups->accumulators, "$min", mongo_form(col));
	for (int i = 0; i < scan->ncolumns; i++)
	{
		if (scan->targets[i].agg != CH_AGG_KEY || scan->targets[i].col != col)
			continue;
		groups->results[i].key = one < 0 ? n : -1;
		groups->results[i].value = one;
	}
}

/* The values to be made distinct are part of the first $group's key. */
static void
add_distinct(MongoGroups *groups, const ChBoundTarget *target)
{
	MongoNode  *condition = condition_of(target);
	int			one;

	groups->distinct_value = mongo_text("$_id.d");
	if (!mongo_is_made_equal(target->col))
	{
		groups->distinct = either_null(condition, mongo_form(target->col));
		return;
	}
	groups->distinct = either_null(condition, mongo_equal_form(target->col));
	one = add_accumulator(groups->accumulators, "$min", either_null(condition, mongo_form(target->col)));
	groups->distinct_value = mongo_text(psprintf("$%s", mongo_accumulator_name(one)));
}

MongoGroups *
mongo_groups_make(const ChScan *scan)
{
	MongoGroups *groups = palloc0(sizeof(MongoGroups));
	const ChBoundTarget *distinct = find_distinct(scan);

	groups->keys = mongo_list();
	groups->accumulators = mongo_list();
	groups->results = palloc(scan->ncolumns * sizeof(MongoResult));
	memset(groups->results, -1, scan->ncolumns * sizeof(MongoResult));
	for (int i = 0; i < scan->ngroup; i++)
		add_key(scan, groups, scan->group[i]);
	for (int i = 0; i < scan->ncolumns; i++)
		add_result(scan, groups, i, false);
	if (distinct)
		add_distinct(groups, distinct);
	check_values(scan, groups);
	if (distinct == NULL)
		return groups;
	groups->merges = make_merges(groups->accumulators);
	for (int i = 0; i < scan->ncolumns; i++)
		add_result(scan, groups, i, true);
	return groups;
}

/* ---- stages ----------------------------------------------------------------------------------- */

const char *
mongo_key_name(int i)
{
	return psprintf("k%d", i);
}

static MongoNode *
group_stage(MongoNode *id, const MongoNode *accumulators)
{
	MongoNode  *group = mongo_doc1("_id", id);

	for (int i = 0; i < mongo_length(accumulators); i++)
		mongo_put(group, mongo_accumulator_name(i), mongo_item(accumulators, i));
	return mongo_doc1("$group", group);
}

void
mongo_add_groups(MongoNode *pipeline, const MongoGroups *groups)
{
	int			n = mongo_length(groups->keys);
	MongoNode  *id = mongo_doc();
	MongoNode  *again = mongo_doc();

	for (int i = 0; i < n; i++)
	{
		mongo_put(id, mongo_key_name(i), mongo_item(groups->keys, i));
		mongo_put(again, mongo_key_name(i), mongo_text(psprintf("$_id.%s", mongo_key_name(i))));
	}
	if (groups->distinct)
		mongo_put(id, "d", groups->distinct);
	mongo_add(pipeline, group_stage(mongo_length(id) > 0 ? id : mongo_null(), groups->accumulators));
	if (groups->distinct)
		mongo_add(pipeline, group_stage(n > 0 ? again : mongo_null(), groups->merges));
}

void
mongo_add_distinct(MongoNode *pipeline, const ChScan *scan)
{
	MongoNode  *id = mongo_doc();
	MongoNode  *group = mongo_doc1("_id", id);

	for (int i = 0; i < scan->ndistinct; i++)
		mongo_put(id, mongo_key_name(i), key_of(ch_column(scan->table, scan->sort[i]->attno)));
	mongo_put(group, "r", mongo_doc1("$first", mongo_text("$$ROOT")));
	mongo_add(pipeline, mongo_doc1("$group", group));
	mongo_add(pipeline, mongo_doc1("$replaceRoot", mongo_doc1("newRoot", mongo_text("$r"))));
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* "k12" is 12; -1: no such name, or beyond what there is */
static int
number_of(const char *name, char letter, int n)
{
	int			i = name[0] == letter ? atoi(name + 1) : -1;

	return i < n ? i : -1;
}

/* Where the values of a document are. */
typedef struct Parts
{
	int			nkeys;
	bson_iter_t *keys;
	int			n;
	bson_iter_t *values;
} Parts;

static void
find_keys(const bson_iter_t *id, Parts *parts)
{
	bson_iter_t it;

	if (!BSON_ITER_HOLDS_DOCUMENT(id) || !bson_iter_recurse(id, &it))
		return;
	while (bson_iter_next(&it))
	{
		int			i = number_of(bson_iter_key(&it), 'k', parts->nkeys);

		if (i >= 0)
			parts->keys[i] = it;
	}
}

/* libbson wants its iterators aligned more than palloc does. */
static bson_iter_t *
make_iters(int n)
{
	char	   *room = palloc0(n * sizeof(bson_iter_t) + __alignof__(bson_iter_t));

	return (bson_iter_t *) TYPEALIGN(__alignof__(bson_iter_t), room);
}

static Parts
find_parts(const MongoGroups *groups, const bson_t *doc)
{
	Parts		parts = {mongo_length(groups->keys), NULL, mongo_length(groups->distinct ? groups->merges : groups->accumulators)};
	bson_iter_t it;

	parts.keys = make_iters(parts.nkeys);
	parts.values = make_iters(parts.n);
	if (!bson_iter_init(&it, doc))
		return parts;
	while (bson_iter_next(&it))
	{
		int			i = number_of(bson_iter_key(&it), 'a', parts.n);

		if (strcmp(bson_iter_key(&it), "_id") == 0)
			find_keys(&it, &parts);
		else if (i >= 0)
			parts.values[i] = it;
	}
	return parts;
}

/* An accumulator as it is; NULL if it is missing. */
static void
decode_part(const bson_iter_t *it, ChValue *v)
{
	v->kind = CH_NULL;
	if (it->raw)
		mongo_decode(it, v);
}

/* What helps if the store cannot. */
static const char turn_off[] =
"Set cipherhorizon.enable_aggregate_pushdown, or the table's option enable_aggregate_pushdown, to off.";

/* One of the values that a column does not hold: the error is that of a row. */
static void
refuse_misfit(ChColumn *col, const bson_iter_t *it)
{
	ChValue		v;
	Datum		unused;

	if (it->raw == NULL || BSON_ITER_HOLDS_NULL(it) || BSON_ITER_HOLDS_UNDEFINED(it))
		return;
	if (col->kind == MONGO_COMPUTED)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("MongoDB makes dates of the years 1 to 9999 only"),
				 errdetail("Column \"%s\" of foreign table %s has another.",
						   ((ChColumn *) linitial(mongo_column(col)->of))->name, col->table->name),
				 errhint("%s", turn_off)));
	mongo_decode_for(col, it, &v);
	(void) ch_value_to_datum(col, &v, &unused);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table %s has a value that MongoDB does not compare as PostgreSQL does",
					col->name, col->table->name),
			 errdetail("It is of type %s.", mongo_type_name(bson_iter_type(it))),
			 errhint("%s", turn_off)));
}

static int64
count_of(const Parts *parts, int i)
{
	ChValue		v;

	decode_part(&parts->values[i], &v);
	return v.kind == CH_INT ? v.u.i : 0;
}

/* The exponent of a zero as a decimal's text has it: "0.00", "0E-18"; never above 0. */
static int
exponent_of_zero(const ChValue *zero)
{
	char	   *text = pnstrdup(zero->u.s.data, zero->u.s.len);
	char	   *e = strchr(text, 'E');
	char	   *point = strchr(text, '.');

	if (e)
		return Min(atoi(e + 1), 0);
	return point ? -(int) strlen(point + 1) : 0;
}

/*
 * No sum of some of the values has more digits than the sum of all their
 * absolute values, which is less than the largest times their number.
 */
static bool
sum_is_exact(const ChValue *largest, const ChValue *zero, int64 count)
{
	Datum		bound = DirectFunctionCall2(numeric_mul, NumericGetDatum(ch_value_to_numeric(largest)),
											NumericGetDatum(int64_to_numeric(count)));
	char	   *limit = psprintf("1E%d", DECIMAL128_DIGITS + exponent_of_zero(zero));
	ChValue		most = ch_string(limit, strlen(limit));

	most.kind = CH_DECIMAL;
	return DatumGetBool(DirectFunctionCall2(numeric_lt, bound, NumericGetDatum(ch_value_to_numeric(&most))));
}

static void
check_decimal_sum(const ChColumn *col, const Parts *parts, const MongoResult *result, ChValue *v)
{
	ChValue		largest,
				zero;

	decode_part(&parts->values[result->largest], &largest);
	decode_part(&parts->values[result->zero], &zero);
	/* 0 times NaN or infinity is NaN: the sum is NaN or infinite as here */
	if (zero.kind != CH_DECIMAL || largest.kind != CH_DECIMAL || zero.u.s.data[zero.u.s.len - 1] == 'N')
		return;
	if (!sum_is_exact(&largest, &zero, count_of(parts, result->count)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of column \"%s\" of foreign table %s may have been rounded", col->name, col->table->name),
				 errdetail("MongoDB adds up with %d digits.", DECIMAL128_DIGITS),
				 errhint("%s", turn_off)));
	/* of numeric(p, s) every value has s digits after the point */
	if (col->typmod >= 0)
		(void) ch_datum_to_value(DirectFunctionCall2(numeric_round, NumericGetDatum(ch_value_to_numeric(v)),
													 Int32GetDatum(mongo_scale(col->typmod))), NUMERICOID, v);
}

static void
finish_sum(const ChColumn *col, const Parts *parts, const MongoResult *result, ChValue *v)
{
	if (ch_is_int(col->basetype) && v->kind == CH_FLOAT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	if (result->special >= 0 && v->kind == CH_FLOAT && !isfinite(v->u.f) && count_of(parts, result->special) == 0)
		float_overflow_error();
	if (result->zero >= 0 && v->kind == CH_DECIMAL)
		check_decimal_sum(col, parts, result, v);
}

/* An item of an array. */
static bool
find_item(bson_iter_t *it, int item)
{
	bson_iter_t inner;

	if (it->raw == NULL || !BSON_ITER_HOLDS_ARRAY(it) || !bson_iter_recurse(it, &inner))
		return false;
	for (int i = 0; bson_iter_next(&inner); i++)
		if (i == item)
		{
			*it = inner;
			return true;
		}
	return false;
}

static void
decode_result(const ChBoundTarget *target, const MongoResult *result, const Parts *parts, ChValue *v)
{
	bson_iter_t it = result->key >= 0 ? parts->keys[result->key] : parts->values[result->value];

	v->kind = CH_NULL;
	if (result->count >= 0 && count_of(parts, result->count) == 0)
		return;
	if (it.raw == NULL || (result->item >= 0 && !find_item(&it, result->item)))
		return;
	if (target->agg == CH_AGG_COUNT || target->agg == CH_AGG_SUM)
		mongo_decode(&it, v);
	else
		mongo_decode_for(target->col, &it, v);
	if (target->agg == CH_AGG_SUM)
		finish_sum(target->col, parts, result, v);
}

void
mongo_groups_row(ChScan *scan, const MongoGroups *groups, const bson_t *doc, Datum *values, bool *nulls)
{
	Parts		parts = find_parts(groups, doc);

	for (int i = 0; i < groups->nchecked; i++)
		refuse_misfit(groups->checked[i], &parts.values[groups->first_checked + i]);
	for (int i = 0; i < scan->ncolumns; i++)
	{
		ChValue		v;

		decode_result(&scan->targets[i], &groups->results[i], &parts, &v);
		ch_set_column(scan, i, &v, values, nulls);
	}
}
