/*
 * request.c
 *	  How is MongoDB asked?
 *
 * A table that is a collection as it is gets a find, which uses an index for
 * the filter and for the order.  A table with a pipeline or an unwound array,
 * and an order that needs a computed key (NULLs last, NaN above numbers,
 * ObjectIds among strings), gets an aggregate.
 *
 * Not here yet, their place is beside mongo_compile: $group for aggregates,
 * $lookup for joins, $in of key batches.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/filter.h"

#include "catalog/pg_type.h"

/* ---- the form of a sort key ------------------------------------------------------------- */

static bool
may_be_nan(const ChColumn *col)
{
	MongoType	type = mongo_column(col)->type;

	return (col->basetype == FLOAT4OID || col->basetype == FLOAT8OID || col->basetype == NUMERICOID) &&
		type != MONGO_INT && type != MONGO_LONG;
}

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

/*
 * What a sort key needs besides the field itself: a rank that puts NULLs and
 * NaN where PostgreSQL has them, and text in place of ObjectIds.
 */
typedef struct KeyForm
{
	ChColumn   *col;
	bool		descending;
	bool		nulls_first;
	bool		rank;
	bool		as_text;		/* of anything else this makes null */
	bool		outside_arrays;
} KeyForm;

static KeyForm
key_form(const ChScan *scan, const ChSortKey *key)
{
	KeyForm		form = {ch_column(scan->table, key->attno), key->descending, key->nulls_first};
	const MongoColumn *mc = mongo_column(form.col);
	bool		natural = key->nulls_first != key->descending && mc->path.nparts == 1;
	bool		is_text = form.col->basetype == TEXTOID || form.col->basetype == VARCHAROID;

	if (!natural && !form.col->notnull && !filter_proves(scan->filter, form.col, proves_not_null))
		form.rank = true;
	if (may_be_nan(form.col) && !filter_proves(scan->filter, form.col, proves_no_nan))
		form.rank = true;
	form.as_text = is_text && mc->type == MONGO_ANY;
	form.outside_arrays = form.rank && !form.as_text && mc->path.nparts > 1;
	return form;
}

static bool
has_stand_in(const KeyForm *form)
{
	return form->as_text || form->outside_arrays;
}

static bool
is_computed(const KeyForm *form)
{
	return form->rank || form->as_text;
}

/* ---- expressions of computed keys ---------------------------------------------------------- */

static void
append_text(bson_t *doc, const char *key, const char *value)
{
	bson_append_utf8(doc, key, -1, value, -1);
}

/* key: {"$in": [{"$type": "$path"}, [names...]]} */
static void
append_type_test(bson_t *doc, const char *key, const char *reference, const char *const *names)
{
	bson_t		outer,
				args,
				type,
				list;

	bson_append_document_begin(doc, key, -1, &outer);
	bson_append_array_begin(&outer, "$in", -1, &args);
	bson_append_document_begin(&args, "0", -1, &type);
	append_text(&type, "$type", reference);
	bson_append_document_end(&args, &type);
	bson_append_array_begin(&args, "1", -1, &list);
	for (int i = 0; names[i]; i++)
	{
		char		index[16];

		snprintf(index, sizeof(index), "%d", i);
		append_text(&list, index, names[i]);
	}
	bson_append_array_end(&args, &list);
	bson_append_array_end(&outer, &args);
	bson_append_document_end(doc, &outer);
}

/* key: {"$eq": ["$path", NaN]} */
static void
append_nan_test(bson_t *doc, const char *key, const char *reference)
{
	bson_t		outer,
				args;

	bson_append_document_begin(doc, key, -1, &outer);
	bson_append_array_begin(&outer, "$eq", -1, &args);
	append_text(&args, "0", reference);
	bson_append_double(&args, "1", -1, NAN);
	bson_append_array_end(&outer, &args);
	bson_append_document_end(doc, &outer);
}

/*
 * The rank is always sorted ascending: NULLs first are -2, NaN of a descending
 * key -1, other values 0, NaN of an ascending key 1, NULLs last 2.  In an
 * expression a path through an array gives an array, which is NULL here.
 */
static void
append_rank(bson_t *doc, const char *name, const char *reference, const KeyForm *form)
{
	static const char *const null_types[] = {"missing", "null", "undefined", "array", NULL};
	bson_t		outer,
				cond,
				inner,
				otherwise;

	bson_append_document_begin(doc, name, -1, &outer);
	bson_append_array_begin(&outer, "$cond", -1, &cond);
	append_type_test(&cond, "0", reference, null_types);
	bson_append_int32(&cond, "1", -1, form->nulls_first ? -2 : 2);
	if (may_be_nan(form->col))
	{
		bson_append_document_begin(&cond, "2", -1, &inner);
		bson_append_array_begin(&inner, "$cond", -1, &otherwise);
		append_nan_test(&otherwise, "0", reference);
		bson_append_int32(&otherwise, "1", -1, form->descending ? -1 : 1);
		bson_append_int32(&otherwise, "2", -1, 0);
		bson_append_array_end(&inner, &otherwise);
		bson_append_document_end(&cond, &inner);
	}
	else
		bson_append_int32(&cond, "2", -1, 0);
	bson_append_array_end(&outer, &cond);
	bson_append_document_end(doc, &outer);
}

/* name: {"$convert": {"input": "$path", "to": "string", "onError": null}} */
static void
append_as_text(bson_t *doc, const char *name, const char *reference)
{
	bson_t		outer,
				args;

	bson_append_document_begin(doc, name, -1, &outer);
	bson_append_document_begin(&outer, "$convert", -1, &args);
	append_text(&args, "input", reference);
	append_text(&args, "to", "string");
	bson_append_null(&args, "onError", -1);
	bson_append_document_end(&outer, &args);
	bson_append_document_end(doc, &outer);
}

/* name: null for an array on the way, so that all NULLs are alike */
static void
append_outside_arrays(bson_t *doc, const char *name, const char *reference)
{
	static const char *const array[] = {"array", NULL};
	bson_t		outer,
				cond;

	bson_append_document_begin(doc, name, -1, &outer);
	bson_append_array_begin(&outer, "$cond", -1, &cond);
	append_type_test(&cond, "0", reference, array);
	bson_append_null(&cond, "1", -1);
	append_text(&cond, "2", reference);
	bson_append_array_end(&outer, &cond);
	bson_append_document_end(doc, &outer);
}

/* ---- projections ------------------------------------------------------------------------------ */

static bool
is_below(const char *path, const char *prefix)
{
	size_t		len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '.');
}

/* Add a path, unless one is there that includes it; drop those it includes. */
static List *
include_path(List *paths, const char *path)
{
	List	   *kept = NIL;
	ListCell   *lc;

	foreach(lc, paths)
	{
		if (is_below(path, lfirst(lc)))
			return paths;
		if (!is_below(lfirst(lc), path))
			kept = lappend(kept, lfirst(lc));
	}
	return lappend(kept, unconstify(char *, path));
}

/* Paths to fetch, or NIL for whole documents. */
static List *
projected_paths(const ChScan *scan, const MongoRequest *request)
{
	List	   *paths = NIL;

	for (int i = 0; i < scan->ncolumns + request->nverify; i++)
	{
		const ChColumn *col = i < scan->ncolumns ? scan->columns[i] : request->verify[i - scan->ncolumns];
		const MongoPath *path = &mongo_column(col)->path;

		/* not even the first part can be named: take all */
		if (col->kind == MONGO_DOCUMENT || path->nplain == 0)
			return NIL;
		paths = include_path(paths, path->plain);
	}
	return paths ? paths : list_make1("_id");
}

static void
append_projection(bson_t *doc, const char *key, List *paths)
{
	bson_t		child;
	bool		id = false;
	ListCell   *lc;

	bson_append_document_begin(doc, key, -1, &child);
	foreach(lc, paths)
	{
		bson_append_int32(&child, lfirst(lc), -1, 1);
		id |= is_below(lfirst(lc), "_id");
	}
	if (!id)
		bson_append_int32(&child, "_id", -1, 0);
	bson_append_document_end(doc, &child);
}

/* A LIMIT or OFFSET, which has only a number yet in the text of an EXPLAIN. */
static void
append_count(bson_t *doc, const char *key, int64 count)
{
	if (CH_COUNT_IS_PARAM(count))
		append_text(doc, key, psprintf(MONGO_PARAM_MARK "%s" MONGO_PARAM_MARK, ch_count_text(count)));
	else
		bson_append_int64(doc, key, -1, count);
}

/* ---- find ---------------------------------------------------------------------------------------- */

static void
append_plain_sort(bson_t *doc, const char *key, const KeyForm *forms, int n)
{
	bson_t		child;

	bson_append_document_begin(doc, key, -1, &child);
	for (int i = 0; i < n; i++)
		bson_append_int32(&child, mongo_column(forms[i].col)->path.text, -1, forms[i].descending ? -1 : 1);
	bson_append_document_end(doc, &child);
}

static void
make_find(const ChScan *scan, MongoRequest *request, MongoFilter *filter, const KeyForm *forms)
{
	List	   *paths = projected_paths(scan, request);

	if (filter)
		mongo_filter_write(filter, request->query);
	if (paths)
		append_projection(request->opts, "projection", paths);
	if (scan->nsort > 0)
		append_plain_sort(request->opts, "sort", forms, scan->nsort);
	if (scan->offset != 0)
		append_count(request->opts, "skip", scan->offset);
	if (scan->limit != -1)
		append_count(request->opts, "limit", scan->limit);
}

/* ---- aggregate -------------------------------------------------------------------------------------- */

/* A pipeline that is written stage by stage. */
typedef struct Pipeline
{
	bson_t	   *array;
	int			n;
	char		key[16];
} Pipeline;

static void
begin_stage(Pipeline *p, bson_t *stage)
{
	snprintf(p->key, sizeof(p->key), "%d", p->n++);
	bson_append_document_begin(p->array, p->key, -1, stage);
}

static void
end_stage(Pipeline *p, bson_t *stage)
{
	bson_append_document_end(p->array, stage);
}

/* The table's own stages; the option was parsed when it was set. */
static void
append_table_stages(Pipeline *p, const char *json)
{
	char	   *wrapped = psprintf("{\"pipeline\":%s}", json);
	bson_error_t error;
	bson_t	   *doc = bson_new_from_json((const uint8_t *) wrapped, -1, &error);
	bson_iter_t it,
				stage;

	if (doc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"pipeline\""),
				 errdetail("%s", error.message)));
	if (bson_iter_init_find(&it, doc, "pipeline") && bson_iter_recurse(&it, &stage))
		while (bson_iter_next(&stage))
		{
			snprintf(p->key, sizeof(p->key), "%d", p->n++);
			bson_append_iter(p->array, p->key, -1, &stage);
		}
	bson_destroy(doc);
}

static void
append_match(Pipeline *p, MongoFilter *filter)
{
	bson_t		stage,
				match;

	if (filter == NULL)
		return;
	begin_stage(p, &stage);
	bson_append_document_begin(&stage, "$match", -1, &match);
	mongo_filter_write(filter, &match);
	bson_append_document_end(&stage, &match);
	end_stage(p, &stage);
}

static void
append_unwind(Pipeline *p, const char *path)
{
	bson_t		stage,
				unwind;
	char		reference[1024];

	snprintf(reference, sizeof(reference), "$%s", path);
	begin_stage(p, &stage);
	bson_append_document_begin(&stage, "$unwind", -1, &unwind);
	append_text(&unwind, "path", reference);
	append_text(&unwind, "includeArrayIndex", MONGO_POSITION_FIELD);
	bson_append_document_end(&stage, &unwind);
	end_stage(p, &stage);
}

/* Names of computed keys: of the i-th sort key, its rank and what stands for it. */
static const char *
key_name(int i, const char *what, char *buf)
{
	sprintf(buf, "__%s%d", what, i);
	return buf;
}

static void
append_computed_keys(Pipeline *p, const KeyForm *forms, int n)
{
	bson_t		stage,
				set;
	char		buf[32];
	char		reference[1024];

	begin_stage(p, &stage);
	bson_append_document_begin(&stage, "$set", -1, &set);
	for (int i = 0; i < n; i++)
	{
		snprintf(reference, sizeof(reference), "$%s", mongo_column(forms[i].col)->path.text);
		if (forms[i].rank)
			append_rank(&set, key_name(i, "rank", buf), reference, &forms[i]);
		if (forms[i].as_text)
			append_as_text(&set, key_name(i, "key", buf), reference);
		else if (forms[i].outside_arrays)
			append_outside_arrays(&set, key_name(i, "key", buf), reference);
	}
	bson_append_document_end(&stage, &set);
	end_stage(p, &stage);
}

static void
append_sort_stage(Pipeline *p, const KeyForm *forms, int n)
{
	bson_t		stage,
				sort;
	char		buf[32];

	begin_stage(p, &stage);
	bson_append_document_begin(&stage, "$sort", -1, &sort);
	for (int i = 0; i < n; i++)
	{
		if (forms[i].rank)
			bson_append_int32(&sort, key_name(i, "rank", buf), -1, 1);
		bson_append_int32(&sort, has_stand_in(&forms[i]) ? key_name(i, "key", buf) : mongo_column(forms[i].col)->path.text,
						  -1, forms[i].descending ? -1 : 1);
	}
	bson_append_document_end(&stage, &sort);
	end_stage(p, &stage);
}

static void
append_number_stage(Pipeline *p, const char *name, int64 number)
{
	bson_t		stage;

	begin_stage(p, &stage);
	append_count(&stage, name, number);
	end_stage(p, &stage);
}

/* Whole documents are wanted: take off what we put into them. */
static void
append_unset(Pipeline *p, const KeyForm *forms, int n)
{
	bson_t		stage,
				list;
	char		buf[32];
	char		index[16];
	int			count = 0;

	begin_stage(p, &stage);
	bson_append_array_begin(&stage, "$unset", -1, &list);
	for (int i = 0; i < n; i++)
	{
		if (forms[i].rank)
		{
			snprintf(index, sizeof(index), "%d", count++);
			append_text(&list, index, key_name(i, "rank", buf));
		}
		if (has_stand_in(&forms[i]))
		{
			snprintf(index, sizeof(index), "%d", count++);
			append_text(&list, index, key_name(i, "key", buf));
		}
	}
	bson_append_array_end(&stage, &list);
	end_stage(p, &stage);
}

static void
append_project_stage(Pipeline *p, List *paths)
{
	bson_t		stage;

	begin_stage(p, &stage);
	append_projection(&stage, "$project", paths);
	end_stage(p, &stage);
}

static bool
touches_elements(const ChCond *cond, const MongoTable *mt)
{
	if (cond->kind == CH_COND_AND || cond->kind == CH_COND_OR)
	{
		for (int i = 0; i < cond->nargs; i++)
			if (touches_elements(cond->args[i], mt))
				return true;
		return false;
	}
	return cond->col->kind == MONGO_INDEX || is_below(mongo_column(cond->col)->path.text, mt->unwind);
}

/*
 * The part of an AND that only looks outside the unwound array can run before
 * it is unwound, where an index helps.  *after gets the rest.
 */
static ChCond *
split_filter(ChCond *cond, const MongoTable *mt, ChCond **after)
{
	ChCond	   *parts[2];

	*after = NULL;
	if (cond == NULL || mt->unwind == NULL)
		return cond;
	if (cond->kind != CH_COND_AND)
	{
		*after = touches_elements(cond, mt) ? cond : NULL;
		return *after ? NULL : cond;
	}
	for (int late = 0; late < 2; late++)
	{
		ChCond	   *part = palloc0(sizeof(ChCond));

		part->kind = CH_COND_AND;
		part->args = palloc(cond->nargs * sizeof(ChCond *));
		for (int i = 0; i < cond->nargs; i++)
			if (touches_elements(cond->args[i], mt) == late)
				part->args[part->nargs++] = cond->args[i];
		parts[late] = part->nargs > 1 ? part : part->nargs == 1 ? part->args[0] : NULL;
	}
	*after = parts[1];
	return parts[0];
}

static void
make_pipeline(const ChScan *scan, MongoRequest *request, MongoFilter *before, MongoFilter *after, const KeyForm *forms)
{
	const MongoTable *mt = mongo_table(scan->table);
	List	   *paths = projected_paths(scan, request);
	bson_t		array;
	Pipeline	p = {.array = &array};
	bool		computed = false;

	for (int i = 0; i < scan->nsort; i++)
		computed |= is_computed(&forms[i]);
	bson_append_array_begin(request->query, "pipeline", -1, &array);
	if (mt->pipeline)
		append_table_stages(&p, mt->pipeline);
	append_match(&p, before);
	if (mt->unwind)
		append_unwind(&p, mt->unwind);
	append_match(&p, after);
	if (computed)
		append_computed_keys(&p, forms, scan->nsort);
	if (scan->nsort > 0)
		append_sort_stage(&p, forms, scan->nsort);
	if (scan->offset != 0)
		append_number_stage(&p, "$skip", scan->offset);
	if (scan->limit != -1)
		append_number_stage(&p, "$limit", scan->limit);
	if (paths)
		append_project_stage(&p, paths);
	else if (computed)
		append_unset(&p, forms, scan->nsort);
	bson_append_array_end(request->query, &array);
}

/* ---- the request ---------------------------------------------------------------------------------------- */

static void
add_verified(const ChScan *scan, MongoRequest *request, ChColumn *col)
{
	if (col->kind != MONGO_VALUE || col->basetype == JSONBOID || col->basetype == JSONOID)
		return;
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->columns[i] == col)
			return;
	for (int i = 0; i < request->nverify; i++)
		if (request->verify[i] == col)
			return;
	request->verify[request->nverify++] = col;
}

static void
verify_filtered(const ChScan *scan, MongoRequest *request, const ChCond *cond)
{
	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
	{
		add_verified(scan, request, cond->col);
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
	request->verify = palloc(scan->table->natts * sizeof(ChColumn *));
	if (scan->table->mismatch_null)
		return;
	if (scan->filter)
		verify_filtered(scan, request, scan->filter);
	for (int i = 0; i < scan->nsort; i++)
		add_verified(scan, request, ch_column(scan->table, scan->sort[i]->attno));
}

void
mongo_compile(ChScan *scan, MongoRequest *request)
{
	const MongoTable *mt = mongo_table(scan->table);
	KeyForm    *forms = palloc(Max(scan->nsort, 1) * sizeof(KeyForm));
	ChCond	   *late;
	ChCond	   *early = split_filter(scan->filter, mt, &late);
	MongoFilter *before = early ? mongo_filter_make(early) : NULL;
	MongoFilter *after = late ? mongo_filter_make(late) : NULL;

	request->nothing = scan->limit == 0 || (early && !before) || (late && !after);
	request->aggregate = mt->unwind || mt->pipeline;
	for (int i = 0; i < scan->nsort; i++)
	{
		forms[i] = key_form(scan, scan->sort[i]);
		request->aggregate |= is_computed(&forms[i]);
	}
	choose_verified(scan, request);
	request->query = bson_new();
	request->opts = bson_new();
	if (request->nothing)
		return;
	if (request->aggregate)
		make_pipeline(scan, request, before, after, forms);
	else
		make_find(scan, request, before, forms);
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
