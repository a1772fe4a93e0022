/*
 * sets.c
 *	  Several questions in one request.
 *
 * Questions come from the inner side of a nested loop: they differ in values.
 * What is asked depends on what they want:
 *
 *	- All of their rows: one find of what any of them matches.  Whose row it is,
 *	  perhaps several questions', is found out here, by PostgreSQL's meaning of
 *	  the conditions that differ.
 *	- The first rows, groups: with one equality that differs, a $lookup for each
 *	  of a list of values, which uses an index on that field and the order.  The
 *	  list is a literal beside the collection's first document, as $documents is
 *	  not known everywhere; a collection without a document has no rows to give.
 *	- Anything else: a $unionWith of one pipeline for each question, a few in a
 *	  request, as the store was seen to take the cube of their number.
 */
#include "postgres.h"

#include "fdw/mongodb/sets.h"

#include "common/int.h"
#include "fdw/core/compat.h"

/* Questions of one request by $unionWith. */
#define UNION_SETS	12

/* Questions that core may ask at once. */
#define MOST_SETS	512

/* ---- may several be asked ------------------------------------------------------------ */

static bool
has_equality(const ChExpr *filter)
{
	ListCell   *lc;

	if (filter == NULL)
		return false;
	if (filter->kind != CH_COND_AND)
		return filter->kind == CH_COND_CMP && filter->op == CH_EQ;
	foreach(lc, filter->args)
		if (has_equality(lfirst(lc)))
			return true;
	return false;
}

int
mongo_ship_sets(const ChTable *table, const ChQuery *query)
{
	/* each pipeline of a $unionWith would join anew */
	if (table->nmembers > 0 && (query->grouped || query->ndistinct > 0 || query->limit != -1 || query->offset != -1))
		return 0;
	return has_equality(query->filter) ? MOST_SETS : UNION_SETS;
}

/* ---- which conditions differ ----------------------------------------------------------- */

static bool
same_value(const ChValue *a, const ChValue *b)
{
	return a->kind == b->kind && a->kind != CH_LIST && a->kind != CH_MAP && a->kind != CH_PARAM &&
		ch_compare_values(a, b) == 0;
}

static bool
same_condition(const ChCond *a, const ChCond *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->kind != b->kind || a->op != b->op || a->col != b->col || a->other != b->other ||
		a->negated != b->negated || a->nvalues != b->nvalues || a->nargs != b->nargs)
		return false;
	for (int i = 0; i < a->nvalues; i++)
		if (!same_value(&a->values[i], &b->values[i]))
			return false;
	for (int i = 0; i < a->nargs; i++)
		if (!same_condition(a->args[i], b->args[i]))
			return false;
	return true;
}

/* The parts of a condition that must all hold. */
static int
parts_of(ChCond *cond, ChCond ***parts)
{
	if (cond && cond->kind == CH_COND_AND)
	{
		*parts = cond->args;
		return cond->nargs;
	}
	*parts = palloc(sizeof(ChCond *));
	(*parts)[0] = cond;
	return cond ? 1 : 0;
}

static ChCond *
all_of(int n, ChCond **parts)
{
	ChCond	   *cond;

	if (n <= 1)
		return n == 1 ? parts[0] : NULL;
	cond = palloc0(sizeof(ChCond));
	cond->kind = CH_COND_AND;
	cond->nargs = n;
	cond->args = parts;
	return cond;
}

static bool
is_shared(const ChScan *scan, const ChCond *part)
{
	for (int s = 1; s < scan->nsets; s++)
	{
		ChCond	  **parts;
		int			n = parts_of(scan->sets[s].filter, &parts);
		bool		found = false;

		for (int i = 0; i < n && !found; i++)
			found = same_condition(part, parts[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool
contains(int n, ChCond **parts, const ChCond *part)
{
	for (int i = 0; i < n; i++)
		if (same_condition(parts[i], part))
			return true;
	return false;
}

static void
find_shared(const ChScan *scan, MongoSets *sets)
{
	ChCond	  **parts;
	int			n = parts_of(scan->sets[0].filter, &parts);

	sets->shared = palloc(Max(n, 1) * sizeof(ChCond *));
	for (int i = 0; i < n; i++)
		if (is_shared(scan, parts[i]))
			sets->shared[sets->nshared++] = parts[i];
}

/* The part of a question's own parts that is an equality of the column; NULL: none. */
static ChCond *
equality_of(int n, ChCond **parts, const ChColumn *col)
{
	for (int i = 0; i < n; i++)
		if (parts[i]->kind == CH_COND_CMP && parts[i]->op == CH_EQ && (col == NULL || parts[i]->col == col))
			return parts[i];
	return NULL;
}

/*
 * Each question's own conditions; an equality that each of them has of one
 * column stands apart.
 */
static void
find_own(const ChScan *scan, MongoSets *sets)
{
	ChCond	  **own = palloc(scan->nsets * sizeof(ChCond *));
	int		   *nown = palloc(scan->nsets * sizeof(int));
	ChCond	 ***lists = palloc(scan->nsets * sizeof(ChCond **));

	sets->own = own;
	sets->equal = palloc0(scan->nsets * sizeof(ChCond *));
	for (int s = 0; s < scan->nsets; s++)
	{
		ChCond	  **parts;
		int			n = parts_of(scan->sets[s].filter, &parts);

		lists[s] = palloc(Max(n, 1) * sizeof(ChCond *));
		nown[s] = 0;
		for (int i = 0; i < n; i++)
			if (!contains(sets->nshared, sets->shared, parts[i]))
				lists[s][nown[s]++] = parts[i];
		sets->equal[s] = equality_of(nown[s], lists[s], s > 0 && sets->equal[0] ? sets->equal[0]->col : NULL);
		sets->pivot = sets->equal[s] && (s == 0 || sets->pivot) ? sets->equal[s]->col : NULL;
	}
	for (int s = 0; s < scan->nsets; s++)
	{
		int			kept = 0;

		for (int i = 0; i < nown[s]; i++)
			if (sets->pivot == NULL || lists[s][i] != sets->equal[s])
				lists[s][kept++] = lists[s][i];
		own[s] = all_of(kept, lists[s]);
	}
}

/* ---- conditions, judged here -------------------------------------------------------------- */

static bool
order_holds(ChCmpOp op, int rc)
{
	switch (op)
	{
		case CH_EQ:
			return rc == 0;
		case CH_NE:
			return rc != 0;
		case CH_LT:
			return rc < 0;
		case CH_LE:
			return rc <= 0;
		case CH_GT:
			return rc > 0;
		default:
			return rc >= 0;
	}
}

static bool
is_among(const ChCond *cond, const ChValue *v)
{
	for (int i = 0; i < cond->nvalues; i++)
		if (ch_compare_values(v, &cond->values[i]) == 0)
			return true;
	return false;
}

/* A path with an array position ships supersets, which are judged above the scan. */
static bool
is_plain(const ChColumn *col)
{
	return col->func == NULL && (col->kind == MONGO_INDEX ||
								 (col->kind == MONGO_VALUE && mongo_column(col)->path.nplain == mongo_column(col)->path.nparts));
}

static bool
can_judge(const ChCond *cond)
{
	if (cond == NULL)
		return true;
	switch (cond->kind)
	{
		case CH_COND_AND:
		case CH_COND_OR:
			for (int i = 0; i < cond->nargs; i++)
				if (!can_judge(cond->args[i]))
					return false;
			return true;
		case CH_COND_CMP:
		case CH_COND_IN:
		case CH_COND_NOT_IN:
			return is_plain(cond->col);
		case CH_COND_IS_NULL:
		case CH_COND_NOT_NULL:
			return is_plain(cond->col) && ch_type_has_value(cond->col->basetype);
		default:
			return false;
	}
}

static bool
judge(const ChCond *cond, MongoRowValue value, void *row)
{
	ChValue		v;

	switch (cond->kind)
	{
		case CH_COND_AND:
		case CH_COND_OR:
			for (int i = 0; i < cond->nargs; i++)
				if (judge(cond->args[i], value, row) != (cond->kind == CH_COND_AND))
					return cond->kind == CH_COND_OR;
			return cond->kind == CH_COND_AND;
		case CH_COND_IS_NULL:
			return !value(row, cond->col, &v);
		case CH_COND_NOT_NULL:
			return value(row, cond->col, &v);
		case CH_COND_IN:
			return value(row, cond->col, &v) && is_among(cond, &v);
		case CH_COND_NOT_IN:
			return value(row, cond->col, &v) && !is_among(cond, &v);
		default:
			return value(row, cond->col, &v) && order_holds(cond->op, ch_compare_values(&v, &cond->values[0]));
	}
}

/* ---- rows that are given to questions here ----------------------------------------------------- */

/* Plain lookups, of which all rows are wanted. */
static bool
can_match_here(const ChScan *scan, const MongoSets *sets)
{
	if (scan->grouped || scan->ndistinct > 0)
		return false;
	for (int s = 0; s < scan->nsets; s++)
		if (scan->sets[s].limit != -1 || scan->sets[s].offset != 0 || !can_judge(sets->own[s]) ||
			(sets->pivot && !is_plain(sets->pivot)))
			return false;
	return true;
}

static int
compare_equals(const void *a, const void *b, void *arg)
{
	ChCond	   *const *equal = arg;

	return ch_compare_values(&equal[*(const int *) a]->values[0], &equal[*(const int *) b]->values[0]);
}

static void
sort_questions(const ChScan *scan, MongoSets *sets)
{
	sets->matches = palloc(scan->nsets * sizeof(int));
	if (sets->pivot == NULL)
		return;
	sets->sorted = palloc(scan->nsets * sizeof(int));
	for (int s = 0; s < scan->nsets; s++)
		sets->sorted[s] = s;
	qsort_arg(sets->sorted, scan->nsets, sizeof(int), compare_equals, sets->equal);
}

/* The first of the sorted questions whose value is not less. */
static int
first_not_less(const MongoSets *sets, int n, const ChValue *v)
{
	int			low = 0;

	while (low < n)
	{
		int			middle = low + (n - low) / 2;

		if (ch_compare_values(&sets->equal[sets->sorted[middle]]->values[0], v) < 0)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

void
mongo_sets_match(const ChScan *scan, MongoSets *sets, MongoRowValue value, void *row)
{
	int			first = 0;
	ChValue		v;

	sets->nmatches = 0;
	if (sets->pivot && !value(row, sets->pivot, &v))
		return;
	if (sets->pivot)
		first = first_not_less(sets, scan->nsets, &v);
	for (int i = first; i < scan->nsets; i++)
	{
		int			s = sets->pivot ? sets->sorted[i] : i;

		if (sets->pivot && ch_compare_values(&sets->equal[s]->values[0], &v) != 0)
			break;
		if (sets->own[s] == NULL || judge(sets->own[s], value, row))
			sets->matches[sets->nmatches++] = s;
	}
}

static List *
columns_of(List *columns, const ChCond *cond)
{
	if (cond == NULL)
		return columns;
	for (int i = 0; i < cond->nargs; i++)
		columns = columns_of(columns, cond->args[i]);
	return cond->col ? list_append_unique_ptr(columns, cond->col) : columns;
}

List *
mongo_sets_columns(const ChScan *scan, const MongoSets *sets)
{
	List	   *columns = sets->pivot ? list_make1(sets->pivot) : NIL;

	if (sets->form != MONGO_SETS_HERE)
		return NIL;
	for (int s = 0; s < scan->nsets; s++)
		columns = columns_of(columns, sets->own[s]);
	return columns;
}

/* column IN (the questions' values) */
static ChCond *
any_equal(const ChScan *scan, const MongoSets *sets)
{
	ChCond	   *in = palloc0(sizeof(ChCond));

	in->kind = CH_COND_IN;
	in->col = sets->pivot;
	in->values = palloc(scan->nsets * sizeof(ChValue));
	for (int i = 0; i < scan->nsets; i++)
	{
		const ChValue *v = &sets->equal[sets->sorted[i]]->values[0];

		if (in->nvalues == 0 || ch_compare_values(&in->values[in->nvalues - 1], v) != 0)
			in->values[in->nvalues++] = *v;
	}
	return in;
}

/* What a question asks beside the shared conditions; NULL: nothing. */
static ChCond *
whole_own(const MongoSets *sets, int s)
{
	ChCond	  **parts;

	if (sets->pivot == NULL || sets->own[s] == NULL)
		return sets->pivot ? sets->equal[s] : sets->own[s];
	parts = palloc(2 * sizeof(ChCond *));
	parts[0] = sets->equal[s];
	parts[1] = sets->own[s];
	return all_of(2, parts);
}

/* Some question's own conditions hold; NULL: there is one without any. */
static ChCond *
some_own(const ChScan *scan, const MongoSets *sets)
{
	ChCond	   *cond = palloc0(sizeof(ChCond));
	bool		only_equal = sets->pivot != NULL;

	for (int s = 0; s < scan->nsets; s++)
		only_equal = only_equal && sets->own[s] == NULL;
	if (only_equal)
		return any_equal(scan, sets);
	cond->kind = CH_COND_OR;
	cond->args = palloc(scan->nsets * sizeof(ChCond *));
	for (int s = 0; s < scan->nsets; s++)
	{
		ChCond	   *own = whole_own(sets, s);

		if (own == NULL)
			return NULL;
		cond->args[cond->nargs++] = own;
	}
	return cond->nargs == 1 ? cond->args[0] : cond;
}

/* The condition of all questions together. */
static ChCond *
filter_of_all(const ChScan *scan, const MongoSets *sets)
{
	ChCond	   *some = some_own(scan, sets);
	ChCond	  **parts = palloc((sets->nshared + 1) * sizeof(ChCond *));

	memcpy(parts, sets->shared, sets->nshared * sizeof(ChCond *));
	if (some)
		parts[sets->nshared] = some;
	return all_of(sets->nshared + (some ? 1 : 0), parts);
}

/* ---- $lookup --------------------------------------------------------------------------------------- */

/* Is each question's value one or more values of the store, and not a range? */
static bool
are_values(const ChScan *scan, const MongoSets *sets)
{
	int			n;
	bson_value_t *values;

	for (int s = 0; s < scan->nsets; s++)
		if (!mongo_filter_values(sets->equal[s], &n, &values))
			return false;
	return true;
}

/* An equality that all questions share can stand for those that differ. */
static void
share_pivot(const ChScan *scan, MongoSets *sets)
{
	ChCond	   *equal = equality_of(sets->nshared, sets->shared, NULL);

	if (sets->pivot || equal == NULL)
		return;
	sets->pivot = equal->col;
	for (int s = 0; s < scan->nsets; s++)
		sets->equal[s] = equal;
}

/* Own conditions as one expression with variables; false if they have none. */
static bool
express_own(const ChScan *scan, MongoSets *sets)
{
	MongoNode **expressions = palloc(scan->nsets * sizeof(MongoNode *));
	int			n = 0;

	for (int s = 0; s < scan->nsets; s++)
	{
		if (sets->own[s] == NULL)
			continue;
		if (mongo_table(scan->table)->unwind || !mongo_can_express(sets->own[s]))
			return false;
		expressions[n++] = mongo_filter_expression(sets->own[s]);
	}
	if (n == 0)
		return true;
	if (n < scan->nsets)
		return false;
	sets->expression = mongo_generalize(n, expressions, &sets->variables);
	return sets->expression != NULL;
}

static bool
can_look_up(const ChScan *scan, MongoSets *sets)
{
	const MongoTable *mt = mongo_table(scan->table);

	share_pivot(scan, sets);
	return scan->njoins == 0 && sets->pivot && is_plain(sets->pivot) && sets->pivot->kind == MONGO_VALUE && mt->pipeline == NULL &&
		!(mt->unwind && mongo_is_below(mongo_column(sets->pivot)->path.text, mt->unwind)) &&
		are_values(scan, sets) && express_own(scan, sets);
}

/* {"i": number, "v": value or [values], "b0": ...}; NULL: nothing is equal to it */
static MongoNode *
question_of(const MongoSets *sets, int s)
{
	int			n;
	bson_value_t *values;
	MongoNode  *question = mongo_doc1("i", mongo_int(s));
	MongoNode  *list = mongo_list();
	ListCell   *lc;

	(void) mongo_filter_values(sets->equal[s], &n, &values);
	if (n == 0)
		return NULL;
	for (int i = 0; i < n; i++)
		mongo_add(list, mongo_value(values[i]));
	mongo_put(question, "v", n == 1 ? mongo_value(values[0]) : list);
	foreach(lc, sets->variables)
		mongo_put(question, psprintf("b%d", foreach_current_index(lc)), ((MongoNode **) lfirst(lc))[s]);
	return question;
}

/* The rows that the most demanding of the questions wants; -1: all. */
static int64
most_rows(const ChScan *scan)
{
	int64		most = 0;

	for (int s = 0; s < scan->nsets; s++)
	{
		int64		rows;

		if (scan->sets[s].limit == -1 || pg_add_s64_overflow(scan->sets[s].limit, scan->sets[s].offset, &rows))
			return -1;
		most = Max(most, rows);
	}
	return most;
}

/* [{$limit: 1}, {$project: {s: [questions]}}, {$unwind: "$s"}] */
static void
add_questions(MongoNode *pipeline, MongoNode *questions)
{
	MongoNode  *project = mongo_doc1("_id", mongo_int(0));

	mongo_put(project, "s", mongo_doc1("$literal", questions));
	mongo_add(pipeline, mongo_doc1("$limit", mongo_int(1)));
	mongo_add(pipeline, mongo_doc1("$project", project));
	mongo_add(pipeline, mongo_doc1("$unwind", mongo_text("$s")));
}

static MongoNode *
lookup_stage(ChScan *scan, MongoSets *sets, const MongoRequest *request)
{
	ChCond	   *shared = all_of(sets->nshared, sets->shared);
	ChCond	  **filters = palloc(scan->nsets * sizeof(ChCond *));
	MongoOrder	order;
	MongoNode  *lookup = mongo_doc();
	/* without a variable, DocumentDB runs some pipelines on the whole collection */
	MongoNode  *let = mongo_doc1("i", mongo_text("$s.i"));
	MongoNode  *stages = mongo_list();

	for (int s = 0; s < scan->nsets; s++)
		filters[s] = scan->sets[s].filter;
	order = mongo_order(scan, scan->nsets, filters);
	mongo_add_match(stages, mongo_filter_guards(sets->pivot));
	if (sets->expression)
		mongo_add(stages, mongo_doc1("$match", mongo_doc1("$expr", sets->expression)));
	if (!mongo_add_question(stages, scan, request, &order, shared, most_rows(scan), 0))
		return NULL;
	mongo_put(lookup, "from", mongo_text(mongo_table(scan->table)->collection));
	mongo_put(lookup, "localField", mongo_text("s.v"));
	mongo_put(lookup, "foreignField", mongo_text(mongo_column(sets->pivot)->path.text));
	for (int i = 0; i < list_length(sets->variables); i++)
		mongo_put(let, psprintf("b%d", i), mongo_text(psprintf("$s.b%d", i)));
	mongo_put(lookup, "let", let);
	mongo_put(lookup, "pipeline", stages);
	mongo_put(lookup, "as", mongo_text("r"));
	return mongo_doc1("$lookup", lookup);
}

static bool
ask_by_lookup(ChScan *scan, MongoSets *sets, MongoRequest *request)
{
	MongoNode  *pipeline = mongo_list();
	MongoNode  *questions = mongo_list();
	MongoNode  *project = mongo_doc1("i", mongo_text("$s.i"));
	MongoNode  *lookup;

	if (sets->next > 0)
		return false;
	sets->next = scan->nsets;
	for (int s = 0; s < scan->nsets; s++)
	{
		MongoNode  *question = scan->sets[s].limit != 0 ? question_of(sets, s) : NULL;

		if (question)
			mongo_add(questions, question);
		sets->skip[s] = scan->sets[s].offset;
		sets->take[s] = scan->sets[s].limit;
	}
	lookup = lookup_stage(scan, sets, request);
	if (mongo_length(questions) == 0 || lookup == NULL)
		return false;
	add_questions(pipeline, questions);
	mongo_add(pipeline, lookup);
	mongo_add(pipeline, mongo_doc1("$unwind", mongo_text("$r")));
	mongo_put(project, "r", mongo_int(1));
	mongo_add(pipeline, mongo_doc1("$project", project));
	mongo_set_pipeline(request, pipeline);
	return true;
}

/* ---- $unionWith ---------------------------------------------------------------------------------------- */

/* {"i": number, "r": row} */
static void
add_number(MongoNode *stages, int s)
{
	MongoNode  *project = mongo_doc1("_id", mongo_int(0));

	mongo_put(project, "i", mongo_doc1("$literal", mongo_int(s)));
	mongo_put(project, "r", mongo_text("$$ROOT"));
	mongo_add(stages, mongo_doc1("$project", project));
}

static void
add_union(MongoNode *pipeline, const MongoTable *mt, MongoNode *stages)
{
	MongoNode  *with = mongo_doc1("coll", mongo_text(mt->collection));

	if (mongo_length(pipeline) == 0)
	{
		mongo_add_all(pipeline, stages);
		return;
	}
	mongo_put(with, "pipeline", stages);
	mongo_add(pipeline, mongo_doc1("$unionWith", with));
}

static bool
ask_by_union(ChScan *scan, MongoSets *sets, MongoRequest *request)
{
	MongoNode  *pipeline = mongo_list();

	for (int n = 0; sets->next < scan->nsets && n < UNION_SETS; sets->next++)
	{
		const ChSet *set = &scan->sets[sets->next];
		MongoOrder	order = mongo_order(scan, 1, &set->filter);
		MongoNode  *stages = mongo_list();

		sets->skip[sets->next] = 0;
		sets->take[sets->next] = -1;
		if (set->limit == 0 ||
			!mongo_add_question(stages, scan, request, &order, set->filter, set->limit, set->offset))
			continue;
		add_number(stages, sets->next);
		add_union(pipeline, mongo_table(scan->table), stages);
		n++;
	}
	if (mongo_length(pipeline) == 0)
		return false;
	mongo_set_pipeline(request, pipeline);
	return true;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

MongoSets *
mongo_sets_make(ChScan *scan)
{
	MongoSets  *sets = palloc0(sizeof(MongoSets));

	find_shared(scan, sets);
	find_own(scan, sets);
	sets->skip = palloc0(scan->nsets * sizeof(int64));
	sets->take = palloc0(scan->nsets * sizeof(int64));
	if (can_match_here(scan, sets))
	{
		sets->form = MONGO_SETS_HERE;
		sort_questions(scan, sets);
	}
	else
		sets->form = can_look_up(scan, sets) ? MONGO_SETS_LOOKUP : MONGO_SETS_UNION;
	return sets;
}

bool
mongo_sets_filter(ChScan *scan, MongoSets *sets, ChCond **filter)
{
	if (sets->next > 0)
		return false;
	sets->next = scan->nsets;
	*filter = filter_of_all(scan, sets);
	return true;
}

bool
mongo_sets_compile(ChScan *scan, MongoSets *sets, MongoRequest *request)
{
	return sets->form == MONGO_SETS_LOOKUP ? ask_by_lookup(scan, sets, request) : ask_by_union(scan, sets, request);
}
