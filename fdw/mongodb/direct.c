/*
 * direct.c
 *	  UPDATE and DELETE of all documents that a condition describes.
 *
 * A condition is exact for values that fit their columns.  A scan looks at the
 * others and raises; here they are not seen, so documents that have one are
 * left out by an expression, unless the comparison itself leaves them out.
 *
 * A column plus a value is computed by a pipeline: $inc makes a value where
 * there is none, and a larger type where a sum does not fit.  So is jsonb_set:
 * $set of its path would make documents where PostgreSQL leaves all as it is.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/predicate.h"
#include "fdw/mongodb/write.h"

#include "catalog/pg_type.h"
#include "nodes/value.h"

/* ---- what the condition leaves out ------------------------------------------------------ */

/*
 * Does the filter tell the values of this column from all others that are equal
 * to one of them?  Of a real column some doubles are; a domain and a length are
 * for PostgreSQL to check.
 */
static bool
has_equality(const ChColumn *col)
{
	return col->kind == MONGO_VALUE && !col->domain && col->typmod < 0 && col->basetype != FLOAT4OID;
}

/* Nothing is above it that might be an array. */
static bool
is_top_field(const ChColumn *col)
{
	return col->kind == MONGO_VALUE && mongo_column(col)->path.nparts == 1;
}

/* jsonb takes every value. */
static bool
takes_all(const ChColumn *col)
{
	return col->basetype == JSONBOID && (col->kind == MONGO_VALUE || col->kind == MONGO_JSON);
}

static bool
can_leave_out(ChColumn *col, const char **reason)
{
	ListCell   *lc;

	if (takes_all(col) || col->kind == MONGO_JSON_TEXT)
		return true;
	if (col->kind != MONGO_COMPUTED)
		return mongo_has_fit(col, reason);
	foreach(lc, mongo_column(col)->of)
		if (!can_leave_out(lfirst(lc), reason))
			return false;
	return true;
}

/*
 * Can documents be left out that have values which do not fit?  always: the
 * condition is true of every document that passes.
 */
static bool
can_guard(const ChTable *table, const ChExpr *expr, bool always, const char **reason)
{
	ChColumn   *col;
	ListCell   *lc;

	if (expr->kind == CH_COND_AND || expr->kind == CH_COND_OR)
	{
		foreach(lc, expr->args)
			if (!can_guard(table, lfirst(lc), always && expr->kind == CH_COND_AND, reason))
				return false;
		return true;
	}
	col = ch_column(table, expr->attno);
	if (always && expr->kind == CH_COND_IS_NULL && is_top_field(col))
		return true;
	if (always && has_equality(col) && (expr->kind == CH_COND_IN || (expr->kind == CH_COND_CMP && expr->op == CH_EQ)))
		return true;
	return can_leave_out(col, reason) &&
		(expr->kind != CH_COND_CMP_COLUMN || can_leave_out(ch_column(table, expr->other), reason));
}

/* What a filter has besides its conditions. */
typedef struct Guards
{
	MongoFilter *filter;
	List	   *columns;		/* that expressions look at */
	MongoNode  *expressions;
} Guards;

static MongoNode *
fits_or_null(const ChColumn *col)
{
	return mongo_call("$or", mongo_call("$not", mongo_is_some(mongo_raw(col)), NULL), mongo_fit(col), NULL);
}

/* always: the column is not NULL.  What it is made of may be. */
static void
guard_column(Guards *g, ChColumn *col, bool always)
{
	ListCell   *lc;

	if (takes_all(col) || col->kind == MONGO_JSON_TEXT || list_member_ptr(g->columns, col))
		return;
	g->columns = lappend(g->columns, col);
	if (col->kind != MONGO_COMPUTED)
		mongo_add(g->expressions, always ? mongo_fit(col) : fits_or_null(col));
	else
		foreach(lc, mongo_column(col)->of)
			guard_column(g, lfirst(lc), false);
}

/* Values that a smallint or integer column holds, so that what is equal to them fits. */
static bool
are_in_range(const ChCond *cond)
{
	int64		most = cond->col->basetype == INT2OID ? PG_INT16_MAX : cond->col->basetype == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;

	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind == CH_INT && (cond->values[i].u.i > most || cond->values[i].u.i < -most - 1))
			return false;
	return true;
}

static void
guard_condition(Guards *g, const ChCond *cond, bool always)
{
	bool		is_equality = cond->kind == CH_COND_IN || (cond->kind == CH_COND_CMP && cond->op == CH_EQ);

	if (cond->kind == CH_COND_AND || cond->kind == CH_COND_OR)
	{
		for (int i = 0; i < cond->nargs; i++)
			guard_condition(g, cond->args[i], always && cond->kind == CH_COND_AND);
		return;
	}
	/* an array with a null passes as NULL */
	if (always && cond->kind == CH_COND_IS_NULL && is_top_field(cond->col))
		g->filter = both(g->filter, no_array(mongo_column(cond->col)->path.text));
	else if (always && is_equality && has_equality(cond->col) && are_in_range(cond))
		g->filter = mongo_without_misfits(cond->col, g->filter);
	else
	{
		guard_column(g, cond->col, always && cond->kind != CH_COND_IS_NULL);
		if (cond->kind == CH_COND_CMP_COLUMN)
			guard_column(g, cond->other, always);
	}
}

/* The documents that are changed; NULL: none. */
static MongoNode *
direct_filter(const ChScan *scan)
{
	Guards		g = {0};
	MongoFilter *expression;

	if (scan->filter == NULL)
		return mongo_doc();
	g.filter = mongo_filter_make(scan->filter);
	if (g.filter == NULL)
		return NULL;
	g.expressions = mongo_list();
	/* where what does not fit is NULL, the filter says so itself */
	if (!scan->table->mismatch_null)
		guard_condition(&g, scan->filter, true);
	if (mongo_length(g.expressions) > 0)
	{
		expression = new_test(TEST_NODE);
		expression->node = mongo_doc1("$expr", mongo_length(g.expressions) == 1 ? mongo_item(g.expressions, 0)
									  : mongo_doc1("$and", g.expressions));
		g.filter = both(g.filter, expression);
	}
	return mongo_filter_node(g.filter);
}

/* ---- what may be set ------------------------------------------------------------------------ */

static bool
can_add(const ChColumn *col, const ChAssign *assign, const char **reason)
{
	MongoType	type = mongo_column(col)->type;
	bool		floats = col->basetype == FLOAT8OID && (type == MONGO_ANY || type == MONGO_DOUBLE);
	bool		ints = ch_is_int(col->basetype) && (type == MONGO_ANY || type == (col->basetype == INT8OID ? MONGO_LONG : MONGO_INT));

	if (col->table->mismatch_null)
		return ch_refuse(reason, "values that do not fit the column are NULL (on_type_mismatch)");
	if (col->basetype == NUMERICOID)
		return ch_refuse(reason, "MongoDB rounds sums of decimals to 34 digits");
	if (!(floats && (ch_is_float(assign->valtype) || ch_is_int(assign->valtype))) && !(ints && ch_is_int(assign->valtype)))
		return ch_refuse(reason, "MongoDB does not add values of this type as PostgreSQL does");
	return mongo_has_fit(col, reason);
}

static bool
can_set_part(const ChColumn *col, const ChAssign *assign, const char **reason)
{
	ListCell   *lc;

	foreach(lc, assign->path)
		if (!mongo_is_field_name(strVal(lfirst(lc))))
			return ch_refuse(reason, "an expression of MongoDB does not set a field whose name is empty, has a dot or begins with $");
	return mongo_has_fit(col, reason);
}

static bool
can_assign(const ChTable *table, const ChAssign *assign, const char **reason)
{
	const ChColumn *col = ch_column(table, assign->attno);

	if (col->kind != MONGO_VALUE || strcmp(mongo_column(col)->path.parts[0], "_id") == 0)
		return ch_refuse(reason, "the column is checked row by row");
	if (assign->kind == CH_ASSIGN_VALUE)
		return true;
	if (assign->kind == CH_ASSIGN_COLUMN)
		return ch_refuse(reason, "MongoDB is asked to set values and to add to columns only");
	return assign->kind == CH_ASSIGN_JSON_SET ? can_set_part(col, assign, reason) : can_add(col, assign, reason);
}

/* A pipeline sets a path through an array in each of its elements. */
static bool
fits_pipeline(const ChTable *table, const ChQuery *query, const char **reason)
{
	bool		computes = false;
	bool		nested = false;
	ListCell   *lc;

	foreach(lc, query->assigns)
	{
		const ChAssign *assign = lfirst(lc);

		computes |= assign->kind != CH_ASSIGN_VALUE;
		nested |= mongo_column(ch_column(table, assign->attno))->path.nparts > 1;
	}
	return !(computes && nested) || ch_refuse(reason, "MongoDB computes fields at the top of a document only");
}

bool
mongo_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason)
{
	ListCell   *lc,
			   *lc2;

	if (query->filter && !table->mismatch_null && !can_guard(table, query->filter, true, reason))
		return false;
	foreach(lc, query->assigns)
	{
		const ChAssign *assign = lfirst(lc);
		const char *path = mongo_column(ch_column(table, assign->attno))->path.text;

		if (!can_assign(table, assign, reason))
			return false;
		foreach(lc2, query->assigns)
			if (lc2 != lc && mongo_is_below(mongo_column(ch_column(table, ((ChAssign *) lfirst(lc2))->attno))->path.text, path))
				return ch_refuse(reason, "one of the paths that are set is within another");
	}
	return fits_pipeline(table, query, reason);
}

/* ---- a column plus a value ---------------------------------------------------------------------- */

/* An error of the store: what is wrong with x, whose type it says. */
static MongoNode *
failure(const char *what, MongoNode *x)
{
	return mongo_doc1("$toInt", mongo_call("$concat", mongo_text(psprintf("%s of type ", what)), mongo_doc1("$type", x), NULL));
}

/* An error of the store, about too large a number, of a finite x. */
static MongoNode *
overflow(MongoNode *x)
{
	return mongo_doc1("$toInt", mongo_call("$add", mongo_call("$multiply", x, mongo_int(0), NULL), mongo_double(1e300), NULL));
}

static MongoNode *
number_node(const ChValue *v, bool as_double)
{
	if (v->kind == CH_PARAM)
		return mongo_value(value_of_param(v->u.i));
	if (as_double)
		return mongo_double(v->kind == CH_FLOAT ? v->u.f : (double) v->u.i);
	return mongo_long(v->u.i);
}

static MongoNode *
add_ints(const ChColumn *col, const char *operator, MongoNode *x, const ChValue *v)
{
	MongoNode  *n = number_node(v, false);
	MongoNode  *sum;

	/* a sum of longs may become a double, so decimals are added; of a double, $toDecimal keeps 15 digits */
	x = mongo_doc1("$toLong", x);
	if (col->basetype == INT8OID)
		return mongo_doc1("$toLong", mongo_call(operator, mongo_doc1("$toDecimal", x), mongo_doc1("$toDecimal", n), NULL));
	sum = mongo_call(operator, x, n, NULL);
	if (col->basetype == INT2OID)
		sum = mongo_call("$cond", mongo_call("$and", mongo_call("$gte", sum, mongo_int(PG_INT16_MIN), NULL),
											 mongo_call("$lte", sum, mongo_int(PG_INT16_MAX), NULL), NULL), sum, overflow(x), NULL);
	return mongo_doc1("$toInt", sum);
}

static MongoNode *
is_infinite(MongoNode *x)
{
	return mongo_call("$eq", mongo_doc1("$abs", x), mongo_double(INFINITY), NULL);
}

static MongoNode *
add_floats(const char *operator, MongoNode *x, const ChValue *v)
{
	MongoNode  *sum = mongo_call(operator, x, number_node(v, true), NULL);

	if (v->kind == CH_FLOAT && !isfinite(v->u.f))
		return sum;
	return mongo_call("$cond", mongo_call("$and", is_infinite(sum), mongo_call("$not", is_infinite(x), NULL), NULL),
					  overflow(x), sum, NULL);
}

/* NULL stays what it is; a value that does not fit is an error. */
static MongoNode *
sum_of(const ChColumn *col, const ChBoundAssign *assign)
{
	const char *operator = assign->kind == CH_ASSIGN_ADD ? "$add" : "$subtract";
	MongoNode  *raw = mongo_raw(col);
	MongoNode  *sum = col->basetype == FLOAT8OID ? add_floats(operator, raw, &assign->value) : add_ints(col, operator, raw, &assign->value);
	MongoNode  *unfit = failure("the field has a value", raw);

	return mongo_call("$cond", mongo_fit(col), sum, mongo_call("$cond", mongo_is_some(raw), unfit, mongo_text("$$REMOVE"), NULL), NULL);
}

/* ---- jsonb_set ------------------------------------------------------------------------------------- */

/* Is it a document here that is none in the store? */
static MongoNode *
is_made_document(const ChColumn *col, const char *path)
{
	return mongo_call("$and", mongo_type_in(mongo_text(psprintf("$%s", path)), mongo_document_types),
					  mongo_call("$not", mongo_fit(mongo_column_at(col, path, TIMESTAMPTZOID)), NULL), NULL);
}

/*
 * What is at the path, with the value where the names from the nth on lead.  It
 * stays what it is where a name before the last one is of no field; arrays and
 * a scalar as the whole fail as they do here.
 */
static MongoNode *
json_set(const ChColumn *col, const char *path, List *names, int n, MongoNode *value)
{
	MongoNode  *x = mongo_text(psprintf("$%s", path));
	char	   *name = strVal(list_nth(names, n));
	bool		last = n == list_length(names) - 1;
	MongoNode  *part = last ? mongo_doc1("$literal", mongo_doc1(name, value))
		: mongo_doc1(name, json_set(col, psprintf("%s.%s", path, name), names, n + 1, value));
	MongoNode  *otherwise = x;

	if (n == 0)
		otherwise = mongo_call("$cond", mongo_is_some(x), failure(MONGO_SET_IN_SCALAR, x), x, NULL);
	if (last)
		otherwise = mongo_call("$cond", is_made_document(col, path), failure("a field cannot be set in a value", x), otherwise, NULL);
	otherwise = mongo_call("$cond", mongo_type_is(x, "array"),
						   failure(psprintf(MONGO_NO_POSITION "%d is not an integer: \"%s\" in a value", n + 1, name), x),
						   otherwise, NULL);
	return mongo_call("$cond", mongo_type_is(x, "object"), mongo_call("$mergeObjects", x, part, NULL), otherwise, NULL);
}

/* ---- records ---------------------------------------------------------------------------------------- */

static MongoNode *
value_node(const MongoField *f, const ChValue *v, size_t *size)
{
	return v->kind == CH_PARAM ? mongo_value(value_of_param(v->u.i)) : mongo_encode_field(f, v, size);
}

/* As a pipeline of one $set. */
static MongoNode *
pipeline_update(const ChWrite *w, const ChBoundAssign *assigns)
{
	const MongoWrite *mw = w->priv;
	MongoNode  *set = mongo_doc();
	MongoNode  *pipeline = mongo_list();
	size_t		size = 0;

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];
		const ChBoundAssign *assign = &assigns[f->at];
		MongoNode  *value = NULL;

		if (assign->kind == CH_ASSIGN_VALUE || assign->kind == CH_ASSIGN_JSON_SET)
			value = value_node(f, &assign->value, &size);
		if (assign->kind == CH_ASSIGN_JSON_SET)
			value = json_set(f->col, f->path->text, assign->path, 0, value ? value : mongo_null());
		else if (assign->kind == CH_ASSIGN_VALUE)
			value = value ? mongo_doc1("$literal", value) : mongo_text("$$REMOVE");
		else
			value = sum_of(f->col, assign);
		mongo_put(set, f->path->text, value);
	}
	mongo_add(pipeline, mongo_doc1("$set", set));
	return pipeline;
}

static MongoNode *
operator_update(const ChWrite *w, const ChBoundAssign *assigns)
{
	const MongoWrite *mw = w->priv;
	MongoNode  *set = mongo_doc();
	MongoNode  *unset = mongo_doc();
	size_t		size = 0;

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];
		MongoNode  *value = value_node(f, &assigns[f->at].value, &size);

		mongo_put(value ? set : unset, f->path->text, value ? value : mongo_text(""));
	}
	return mongo_change_record(mongo_doc(), set, unset);
}

static MongoNode *
direct_update(const ChWrite *w, const ChBoundAssign *assigns)
{
	const MongoWrite *mw = w->priv;

	for (int i = 0; i < mw->nfields; i++)
		if (mw->fields[i].unwritable)
			ch_refuse_value(mw->fields[i].col, ERRCODE_FEATURE_NOT_SUPPORTED, mw->fields[i].unwritable, NULL);
	for (int i = 0; i < w->ncolumns; i++)
		if (assigns[i].kind != CH_ASSIGN_VALUE)
			return pipeline_update(w, assigns);
	return mongo_item(operator_update(w, assigns), 1);
}

void
mongo_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	MongoNode  *q = direct_filter(scan);
	MongoNode  *record;

	if (q == NULL)
		return;
	if (w->verb == CH_DELETE)
		record = mongo_delete_record(q, 0);
	else
	{
		record = mongo_doc1("q", q);
		mongo_put(record, "u", direct_update(w, assigns));
		mongo_put(record, "multi", mongo_bool(true));
	}
	mongo_append_record(w, record, out);
}

void
mongo_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	MongoNode  *q = direct_filter(scan);

	if (q == NULL)
		appendStringInfoString(out, "none: no document can match");
	else if (w->verb == CH_DELETE)
		mongo_explain_call(w->table, "deleteMany", out, q, NULL);
	else
		mongo_explain_call(w->table, "updateMany", out, q, direct_update(w, assigns), NULL);
}
