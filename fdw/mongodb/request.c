/*
 * request.c
 *	  How is MongoDB asked?
 *
 * A table that is a collection as it is gets a find, which uses an index for
 * the filter and for the order.  A table with a pipeline or an unwound array,
 * and an order that needs a computed key (order.c), gets an aggregate.  So do
 * joins (join.c) and several questions at once (sets.c).
 */
#include "postgres.h"

#include "fdw/mongodb/group.h"
#include "fdw/mongodb/sets.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"

/* ---- parts ------------------------------------------------------------------------------------ */

MongoNode *
mongo_count(int64 count)
{
	if (CH_COUNT_IS_PARAM(count))
		return mongo_text(psprintf(MONGO_PARAM_MARK "%s" MONGO_PARAM_MARK, ch_count_text(count)));
	return mongo_long(count);
}

/* ---- projections ------------------------------------------------------------------------------ */

/* Add a path, unless one is there that includes it; drop those it includes. */
static List *
include_path(List *paths, const char *path)
{
	List	   *kept = NIL;
	ListCell   *lc;

	foreach(lc, paths)
	{
		if (mongo_is_below(path, lfirst(lc)))
			return paths;
		if (!mongo_is_below(lfirst(lc), path))
			kept = lappend(kept, lfirst(lc));
	}
	return lappend(kept, unconstify(char *, path));
}

/* The fields of a jsonb column that are used, or NIL: it is used as a whole. */
static List *
used_fields(const ChScan *scan, const ChColumn *col)
{
	ListCell   *lc;

	/* what is not fetched cannot be told to fit */
	if (col->func || col->table->mismatch_null)
		return NIL;
	foreach(lc, scan->query->narrowed)
		if (intVal(linitial(lfirst(lc))) == col->attno)
			return lsecond(lfirst(lc));
	return NIL;
}

/* The path of a field as far as a projection can name it; NULL: not at all. */
static char *
field_path(const ChColumn *col, List *names)
{
	StringInfoData path;
	ListCell   *lc;

	initStringInfo(&path);
	if (col->kind != MONGO_DOCUMENT)
		appendStringInfoString(&path, mongo_column(col)->path.plain);
	foreach(lc, names)
	{
		const char *name = strVal(lfirst(lc));

		if (!mongo_is_field_name(name))
			break;
		name = pg_server_to_any(name, strlen(name), PG_UTF8);
		appendStringInfo(&path, "%s%s", path.len ? "." : "", name);
	}
	return path.len ? path.data : NULL;
}

/* Add what a column needs; false if that is whole documents. */
static bool
include_column(const ChScan *scan, const ChColumn *col, List **paths)
{
	const MongoPath *path = &mongo_column(col)->path;
	List	   *fields = path->nplain == path->nparts ? used_fields(scan, col) : NIL;
	ListCell   *lc;

	foreach(lc, fields)
	{
		char	   *field = field_path(col, lfirst(lc));

		if (field == NULL)
			return false;
		*paths = include_path(*paths, field);
	}
	if (fields != NIL)
		return true;
	/* not even the first part can be named: take all */
	if (col->kind == MONGO_DOCUMENT || path->nplain == 0)
		return false;
	*paths = include_path(*paths, path->plain);
	return true;
}

/* Paths to fetch, or NIL for whole documents. */
static List *
projected_paths(const ChScan *scan, const MongoRequest *request)
{
	List	   *paths = NIL;

	for (int i = 0; i < scan->ncolumns + request->nverify; i++)
		if (!include_column(scan, i < scan->ncolumns ? scan->columns[i] : request->verify[i - scan->ncolumns], &paths))
			return NIL;
	return paths ? paths : list_make1("_id");
}

static MongoNode *
projection_of(List *paths)
{
	MongoNode  *doc = mongo_doc();
	bool		id = false;
	ListCell   *lc;

	foreach(lc, paths)
	{
		mongo_put(doc, lfirst(lc), mongo_int(1));
		id |= mongo_is_below(lfirst(lc), "_id");
	}
	if (!id)
		mongo_put(doc, "_id", mongo_int(0));
	return doc;
}

/* ---- find ---------------------------------------------------------------------------------------- */

static void
make_find(const ChScan *scan, MongoRequest *request, MongoFilter *filter, const MongoOrder *order,
		  int64 limit, int64 offset)
{
	MongoNode  *opts = mongo_doc();
	List	   *paths = projected_paths(scan, request);

	if (paths)
		mongo_put(opts, "projection", projection_of(paths));
	if (order->n > 0)
		mongo_put(opts, "sort", mongo_order_node(order));
	if (offset != 0)
		mongo_put(opts, "skip", mongo_count(offset));
	if (limit != -1)
		mongo_put(opts, "limit", mongo_count(limit));
	request->query = bson_new();
	request->opts = bson_new();
	if (filter)
		mongo_filter_write(filter, request->query);
	mongo_write(opts, request->opts);
}

/* ---- aggregate -------------------------------------------------------------------------------------- */

/* The table's own stages; the option was parsed when it was set. */
static void
add_table_stages(MongoNode *pipeline, const char *json)
{
	char	   *wrapped = psprintf("{\"pipeline\":%s}", json);
	bson_error_t error;
	bson_t	   *doc = bson_new_from_json((const uint8_t *) wrapped, -1, &error);
	uint8_t    *data;
	uint32_t	len;
	bson_t		copy;
	bson_iter_t it;

	if (doc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"pipeline\""),
				 errdetail("%s", error.message)));
	len = doc->len;
	data = palloc_extended(len, MCXT_ALLOC_NO_OOM);
	if (data)
		memcpy(data, bson_get_data(doc), len);
	bson_destroy(doc);
	if (data == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (bson_init_static(&copy, data, len) && bson_iter_init_find(&it, &copy, "pipeline"))
		mongo_add_all(pipeline, mongo_of_iter(&it));
}

void
mongo_add_match(MongoNode *pipeline, MongoFilter *filter)
{
	if (filter)
		mongo_add(pipeline, mongo_doc1("$match", mongo_filter_node(filter)));
}

bool
mongo_add_condition(MongoNode *pipeline, const ChCond *cond)
{
	MongoFilter *filter = cond ? mongo_filter_make(cond) : NULL;

	mongo_add_match(pipeline, filter);
	return cond == NULL || filter != NULL;
}

static MongoNode *
unwind_stage(const char *path)
{
	MongoNode  *unwind = mongo_doc();

	mongo_put(unwind, "path", mongo_text(psprintf("$%s", path)));
	mongo_put(unwind, "includeArrayIndex", mongo_text(MONGO_POSITION_FIELD));
	return mongo_doc1("$unwind", unwind);
}

/* Is the column's value another one after the array was unwound? */
static bool
is_of_element(const ChColumn *col, const MongoTable *mt)
{
	const char *path = mongo_column(col)->path.text;
	ListCell   *lc;

	if (col->kind == MONGO_INDEX || col->kind == MONGO_DOCUMENT)
		return true;
	foreach(lc, col->kind == MONGO_COMPUTED ? mongo_column(col)->of : NIL)
		if (is_of_element(lfirst(lc), mt))
			return true;
	return mongo_is_below(path, mt->unwind) || mongo_is_below(mt->unwind, path);
}

/* What only looks outside the unwound array can run before it is unwound, where an index helps. */
static bool
is_outside_elements(const ChCond *cond, const void *table)
{
	const MongoTable *mt = table;

	if (mt->unwind == NULL)
		return true;
	for (int i = 0; i < cond->nargs; i++)
		if (!is_outside_elements(cond->args[i], mt))
			return false;
	if (cond->kind == CH_COND_AND || cond->kind == CH_COND_OR)
		return true;
	return !is_of_element(cond->col, mt) && !(cond->other && is_of_element(cond->other, mt));
}

ChCond *
mongo_split(ChCond *cond, bool (*belongs) (const ChCond *part, const void *arg), const void *arg, ChCond **rest)
{
	ChCond	   *parts[2];

	*rest = NULL;
	if (cond == NULL || cond->kind != CH_COND_AND)
	{
		if (cond == NULL || belongs(cond, arg))
			return cond;
		*rest = cond;
		return NULL;
	}
	for (int other = 0; other < 2; other++)
	{
		ChCond	   *part = palloc0(sizeof(ChCond));

		part->kind = CH_COND_AND;
		part->args = palloc(cond->nargs * sizeof(ChCond *));
		for (int i = 0; i < cond->nargs; i++)
			if (belongs(cond->args[i], arg) != other)
				part->args[part->nargs++] = cond->args[i];
		parts[other] = part->nargs > 1 ? part : part->nargs == 1 ? part->args[0] : NULL;
	}
	*rest = parts[1];
	return parts[0];
}

void
mongo_add_rest(MongoNode *pipeline, const ChScan *scan, const MongoRequest *request,
			   const MongoOrder *order, int64 limit, int64 offset)
{
	List	   *paths;
	MongoNode  *unset = mongo_unset_order(order);

	if (request->groups)
	{
		mongo_add_groups(pipeline, request->groups);
		mongo_add_above_groups(pipeline, scan, request->groups, limit);
		return;
	}
	paths = projected_paths(scan, request);
	mongo_add_order(pipeline, order);
	if (scan->ndistinct > 0)
		mongo_add_distinct(pipeline, scan);
	if (offset != 0)
		mongo_add(pipeline, mongo_doc1("$skip", mongo_count(offset)));
	if (limit != -1)
		mongo_add(pipeline, mongo_doc1("$limit", mongo_count(limit)));
	if (paths)
		mongo_add(pipeline, mongo_doc1("$project", projection_of(paths)));
	else if (unset)
		mongo_add(pipeline, unset);
}

bool
mongo_add_rows(MongoNode *pipeline, const MongoTable *mt, ChCond *filter)
{
	ChCond	   *late;
	ChCond	   *early = mongo_split(filter, is_outside_elements, mt, &late);
	bool		possible;

	if (mt->pipeline)
		add_table_stages(pipeline, mt->pipeline);
	possible = mongo_add_condition(pipeline, early);
	if (mt->unwind)
		mongo_add(pipeline, unwind_stage(mt->unwind));
	return mongo_add_condition(pipeline, late) && possible;
}

bool
mongo_add_question(MongoNode *pipeline, const ChScan *scan, const MongoRequest *request,
				   const MongoOrder *order, ChCond *filter, int64 limit, int64 offset)
{
	bool		possible = scan->njoins > 0 ? mongo_add_joined_rows(pipeline, scan, filter)
		: mongo_add_rows(pipeline, mongo_table(scan->table), filter);

	mongo_add_rest(pipeline, scan, request, order, limit, offset);
	return possible;
}

void
mongo_set_pipeline(MongoRequest *request, MongoNode *pipeline)
{
	request->aggregate = true;
	request->query = bson_new();
	request->opts = bson_new();
	mongo_write(mongo_doc1("pipeline", pipeline), request->query);
}

/* ---- the request ---------------------------------------------------------------------------------------- */

static void
add_looked_at(const ChScan *scan, MongoRequest *request, ChColumn *col)
{
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->columns[i] == col)
			return;
	for (int i = 0; i < request->nverify; i++)
		if (request->verify[i] == col)
			return;
	request->verify[request->nverify++] = col;
}

static void
add_verified(const ChScan *scan, MongoRequest *request, ChColumn *col)
{
	ListCell   *lc;

	foreach(lc, col->kind == MONGO_COMPUTED ? mongo_column(col)->of : NIL)
		add_verified(scan, request, lfirst(lc));
	if (col->kind == MONGO_VALUE && col->basetype != JSONBOID && col->basetype != JSONOID &&
		!col->table->mismatch_null && mongo_is_in_row(scan, col))
		add_looked_at(scan, request, col);
}

static void
verify_filtered(const ChScan *scan, MongoRequest *request, const ChCond *cond)
{
	if (cond->kind == CH_COND_FALSE)
		return;
	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
	{
		add_verified(scan, request, cond->col);
		if (cond->other)
			add_verified(scan, request, cond->other);
		return;
	}
	for (int i = 0; i < cond->nargs; i++)
		verify_filtered(scan, request, cond->args[i]);
}

/* The error of a value that does not fit must not depend on the select list. */
static void
choose_verified(const ChScan *scan, MongoRequest *request)
{
	request->nverify = 0;
	request->verify = palloc((scan->table->natts + 1) * sizeof(ChColumn *));
	if (scan->grouped)
		return;
	if (scan->filter && scan->nsets == 0)
		verify_filtered(scan, request, scan->filter);
	for (int s = 0; s < scan->nsets; s++)
		if (scan->sets[s].filter)
			verify_filtered(scan, request, scan->sets[s].filter);
	for (int i = 0; i < scan->njoins; i++)
		if (scan->joins[i].on)
			verify_filtered(scan, request, scan->joins[i].on);
	for (int i = 0; i < scan->nsort; i++)
		add_verified(scan, request, ch_column(scan->table, scan->sort[i]->attno));
}

/* One question: by find if the store can answer it so. */
static void
ask_one(const ChScan *scan, MongoRequest *request, ChCond *cond, int64 limit, int64 offset)
{
	const MongoTable *mt = mongo_table(scan->table);
	MongoOrder	order = mongo_order(scan, 1, &cond);
	MongoNode  *pipeline;
	MongoFilter *filter;

	if (mt->unwind || mt->pipeline || scan->njoins > 0 || order.computed || request->groups || scan->ndistinct > 0)
	{
		pipeline = mongo_list();
		request->nothing = !mongo_add_question(pipeline, scan, request, &order, cond, limit, offset);
		if (!request->nothing)
			mongo_set_pipeline(request, pipeline);
		return;
	}
	filter = cond ? mongo_filter_make(cond) : NULL;
	request->nothing = cond && !filter;
	if (!request->nothing)
		make_find(scan, request, filter, &order, limit, offset);
}

/* Several questions: what their first request asks. */
static void
ask_several(ChScan *scan, MongoRequest *request)
{
	ListCell   *lc;

	request->sets = mongo_sets_make(scan);
	foreach(lc, mongo_sets_columns(scan, request->sets))
		add_looked_at(scan, request, lfirst(lc));
	mongo_next_request(scan, request);
}

void
mongo_compile(ChScan *scan, MongoRequest *request)
{
	choose_verified(scan, request);
	if (scan->grouped)
		request->groups = mongo_groups_make(scan);
	if (scan->nsets > 0)
		ask_several(scan, request);
	else if (scan->limit == 0)
		request->nothing = true;
	else
		ask_one(scan, request, scan->filter, scan->limit, scan->offset);
}

void
mongo_next_request(ChScan *scan, MongoRequest *request)
{
	ChCond	   *cond;

	mongo_request_free(request);
	request->nothing = false;
	if (request->sets == NULL)
		request->nothing = true;
	else if (request->sets->form != MONGO_SETS_HERE)
		request->nothing = !mongo_sets_compile(scan, request->sets, request);
	else if (mongo_sets_filter(scan, request->sets, &cond))
		ask_one(scan, request, cond, -1, 0);
	else
		request->nothing = true;
}

void
mongo_request_free(MongoRequest *request)
{
	if (request->query)
		bson_destroy(request->query);
	if (request->opts)
		bson_destroy(request->opts);
	request->query = request->opts = NULL;
}
