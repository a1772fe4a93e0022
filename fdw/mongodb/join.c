/*
 * join.c
 *	  Joins of collections by $lookup.
 *
 * A row of a join is a document of documents: {"t1": {...}, "t2": {...}}.  So
 * no name of one collection hides another's, and a column is found by a longer
 * path.  Each further table is looked up for every row so far:
 *
 *	  {$lookup: {from, localField: "t1.a", foreignField: "b", let: {v0: "$t1.a"},
 *	   pipeline: [{$match: ...}, {$match: {$expr: ...}}], as: "t2"}}, {$unwind: "$t2"}
 *
 * - The conditions on the table alone come first in the pipeline, with the
 *   paths that its own documents have, where an index helps.
 * - The others are one expression, which compares values as PostgreSQL does
 *   (predicate.c): null and missing are equal to nothing, an array is no list of
 *   its elements.  What in it is of other tables is computed once for a row, by a
 *   $set before: DocumentDB knows no $let in the variables of a $lookup.
 * - localField and foreignField, of one equality, are there for an index only:
 *   they find all that the expression does, and more.  Text may be a string or an
 *   ObjectId: both are looked for.
 * - A semi or anti join takes one document; then a semi join is an inner one.
 */
#include "postgres.h"

#include "fdw/mongodb/expr.h"
#include "fdw/mongodb/request.h"

#include "catalog/pg_type.h"

/*
 * What a join costs in rows looked at by a scan, as measured: a look-up by an
 * index, and, without one, each pair of rows.
 */
#define ROWS_OF_LOOKUP	100
#define ROWS_OF_PAIR	20

/* The field of a table's document, and of values that it is compared with. */
static const char *
field_name(int member)
{
	return psprintf("t%d", member + 1);
}

static const char *
values_name(int member)
{
	return psprintf("v%d", member + 1);
}

/* ---- columns ------------------------------------------------------------------------ */

/* A whole document is, in a row of a join, a field like any other. */
static void
describe_column(ChColumn *col, int member)
{
	MongoColumn *mc = palloc(sizeof(MongoColumn));
	const char *name = field_name(member);

	*mc = *mongo_column(col);
	if (col->kind == MONGO_DOCUMENT)
		col->kind = MONGO_VALUE;
	else
		name = psprintf("%s.%s", name, mc->path.text);
	mongo_parse_path(name, 1, &mc->path);
	col->extra = mc;
}

void
mongo_describe_join(ChTable *joined)
{
	MongoTable *tables = palloc(joined->nmembers * sizeof(MongoTable));

	for (int m = 0; m < joined->nmembers; m++)
	{
		const ChTable *member = joined->members[m];

		tables[m] = *mongo_table(member);
		for (int i = 0; i < member->natts; i++)
			if (member->columns[i])
				describe_column(joined->columns[joined->first[m] + i - 1], m);
	}
	joined->priv = tables;
}

/* A column of a join as it is in the documents of its own table. */
static ChColumn *
own_column(const ChColumn *col, int member)
{
	ChColumn   *own = palloc(sizeof(ChColumn));
	MongoColumn *mc = palloc(sizeof(MongoColumn));
	const char *dot = strchr(mongo_column(col)->path.text, '.');
	ListCell   *lc;

	*own = *col;
	*mc = *mongo_column(col);
	own->extra = mc;
	mc->of = NIL;
	foreach(lc, mongo_column(col)->of)
		mc->of = lappend(mc->of, own_column(lfirst(lc), member));
	if (mc->expression)
		mc->expression = mongo_rebase(mc->expression, field_name(member), NULL);
	if (dot == NULL)
		own->kind = MONGO_DOCUMENT;
	mongo_parse_path(dot ? dot + 1 : "_id", 0, &mc->path);
	return own;
}

static ChCond *
own_condition(const ChCond *cond, int member)
{
	ChCond	   *own;

	if (cond == NULL)
		return NULL;
	own = palloc(sizeof(ChCond));
	*own = *cond;
	own->col = cond->col ? own_column(cond->col, member) : NULL;
	own->other = cond->other ? own_column(cond->other, member) : NULL;
	own->args = palloc(Max(cond->nargs, 1) * sizeof(ChCond *));
	for (int i = 0; i < cond->nargs; i++)
		own->args[i] = own_condition(cond->args[i], member);
	return own;
}

/* ---- whose column is it --------------------------------------------------------------- */

static bool
is_of_member(const ChTable *joined, const ChColumn *col, int member)
{
	ListCell   *lc;

	if (col->func == NULL)
		return col->attno >= joined->first[member] &&
			col->attno < joined->first[member] + joined->members[member]->natts;
	foreach(lc, mongo_column(col)->of)
		if (!is_of_member(joined, lfirst(lc), member))
			return false;
	return true;
}

bool
mongo_is_in_row(const ChScan *scan, const ChColumn *col)
{
	for (int i = 0; i < scan->njoins; i++)
		if (scan->joins[i].type == JOIN_ANTI && is_of_member(scan->table, col, i + 1))
			return false;
	return true;
}

typedef struct Member
{
	const ChTable *joined;
	int			number;
} Member;

/* Does the condition speak of one table only? */
static bool
is_own(const ChCond *cond, const void *arg)
{
	const Member *member = arg;

	for (int i = 0; i < cond->nargs; i++)
		if (!is_own(cond->args[i], arg))
			return false;
	return cond->col == NULL || (is_of_member(member->joined, cond->col, member->number) &&
								 (cond->other == NULL || is_of_member(member->joined, cond->other, member->number)));
}

/* The same before it is bound. */
static bool
is_own_expr(const ChExpr *expr, const Member *member)
{
	ListCell   *lc;

	foreach(lc, expr->args)
		if (!is_own_expr(lfirst(lc), member))
			return false;
	return expr->attno == 0 || (is_of_member(member->joined, ch_column(member->joined, expr->attno), member->number) &&
								(expr->other == 0 ||
								 is_of_member(member->joined, ch_column(member->joined, expr->other), member->number)));
}

/* ---- equalities by which rows are looked up ---------------------------------------------- */

/*
 * Can the equality of the two be looked up?  Decimals cannot: DocumentDB finds
 * no 0.10 by 0.1.
 */
static bool
is_lookup(const Member *member, const ChColumn *local, const ChColumn *foreign)
{
	return local->kind == MONGO_VALUE && foreign->kind == MONGO_VALUE && local->basetype != NUMERICOID &&
		foreign->basetype != NUMERICOID && is_of_member(member->joined, foreign, member->number) &&
		!is_of_member(member->joined, local, member->number);
}

/* The parts of a condition that must all hold. */
static List *
parts_of(const ChExpr *expr)
{
	return expr == NULL ? NIL : expr->kind == CH_COND_AND ? expr->args : list_make1(unconstify(ChExpr *, expr));
}

/* The equality that is looked up: one with an index, if there is any. */
typedef struct Lookup
{
	ChColumn   *local;			/* NULL: there is none */
	ChColumn   *foreign;
} Lookup;

static void
consider_lookup(const Member *member, ChColumn *a, ChColumn *b, Lookup *best)
{
	if (is_lookup(member, b, a))
	{
		ChColumn   *swap = a;

		a = b;
		b = swap;
	}
	else if (!is_lookup(member, a, b))
		return;
	if (best->local && (mongo_column(best->foreign)->indexed || !mongo_column(b)->indexed))
		return;
	best->local = a;
	best->foreign = b;
}

static void
find_lookup(const ChCond *cond, const Member *member, Lookup *best)
{
	for (int i = 0; i < cond->nargs && cond->kind == CH_COND_AND; i++)
		find_lookup(cond->args[i], member, best);
	if (cond->kind == CH_COND_CMP_COLUMN && cond->op == CH_EQ)
		consider_lookup(member, cond->col, cond->other, best);
}

/* ---- may it ship --------------------------------------------------------------------------- */

static bool
ship_on(const Member *member, const ChExpr *on, const char **reason)
{
	ListCell   *lc;

	foreach(lc, parts_of(on))
		if (!is_own_expr(lfirst(lc), member) && !mongo_ship_expression(member->joined, lfirst(lc), reason))
			return false;
	return true;
}

bool
mongo_ship_join(const ChTable *joined, const ChQuery *query, const char **reason)
{
	const MongoTable *tables = mongo_table(joined);

	for (int m = 1; m < joined->nmembers; m++)
	{
		const ChJoin *join = list_nth(query->joins, m - 1);

		if (strcmp(tables[m].database, tables[0].database) != 0)
			return ch_refuse(reason, "MongoDB looks up in collections of one database only");
		if (tables[m].pipeline)
			return ch_refuse(reason, "what a pipeline makes would be made anew for each row that it is joined to");
		if (!ship_on(&(Member) {joined, m}, join->on, reason))
			return false;
	}
	return true;
}

double
mongo_join_rows(const ChTable *joined, const ChQuery *query, double outer, double inner)
{
	Member		member = {joined, joined->nmembers - 1};
	Lookup		lookup = {0};
	ListCell   *lc;

	foreach(lc, parts_of(((ChJoin *) llast(query->joins))->on))
	{
		const ChExpr *part = lfirst(lc);

		if (part->kind == CH_COND_CMP_COLUMN && part->op == CH_EQ)
			consider_lookup(&member, ch_column(joined, part->attno), ch_column(joined, part->other), &lookup);
	}
	if (lookup.local && mongo_column(lookup.foreign)->indexed)
		return outer * ROWS_OF_LOOKUP;
	return outer * inner * ROWS_OF_PAIR;
}

/* ---- stages ---------------------------------------------------------------------------------- */

static bool
is_text_of_any_type(const ChColumn *col)
{
	return ch_is_text(col->basetype) && mongo_column(col)->type == MONGO_ANY;
}

/* [string, ObjectId]: both forms that the text may have, or the string twice. */
static MongoNode *
both_forms(const ChColumn *text)
{
	MongoNode  *list = mongo_list();
	MongoNode  *convert = mongo_doc1("input", mongo_text("$$x"));
	MongoNode  *let = mongo_doc1("vars", mongo_doc1("x", mongo_plain(text)));

	mongo_put(convert, "to", mongo_text("objectId"));
	mongo_put(convert, "onError", mongo_text("$$x"));
	mongo_add(list, mongo_text("$$x"));
	mongo_add(list, mongo_doc1("$convert", convert));
	mongo_put(let, "in", list);
	return mongo_doc1("$let", let);
}

/* A name for the expression's value in the row: its own, or one of values. */
static const char *
name_value(MongoNode *values, const char *name, MongoNode *expression, int member)
{
	const char *field = mongo_field(expression);

	if (field)
		return field;
	mongo_put(values, name, expression);
	return psprintf("%s.%s", values_name(member), name);
}

/* The fields that are compared by the store itself. */
static void
put_fields(MongoNode *lookup, MongoNode *values, const Lookup *by, int member)
{
	const char *local = mongo_column(by->local)->path.text;

	if (is_text_of_any_type(by->local) || is_text_of_any_type(by->foreign))
		local = name_value(values, "key", both_forms(by->local), member);
	mongo_put(lookup, "localField", mongo_text(local));
	mongo_put(lookup, "foreignField", mongo_text(mongo_column(own_column(by->foreign, member))->path.text));
}

static void
put_variables(MongoNode *lookup, MongoNode *values, const MongoNode *vars, int member)
{
	MongoNode  *let = mongo_doc();

	for (int i = 0; i < mongo_length(vars); i++)
		mongo_put(let, mongo_key(vars, i),
				  mongo_text(psprintf("$%s", name_value(values, mongo_key(vars, i), mongo_item(vars, i), member))));
	if (mongo_length(let) > 0)
		mongo_put(lookup, "let", let);
}

/* The documents that were found become rows. */
static void
add_found(MongoNode *pipeline, JoinType type, int member)
{
	const char *name = field_name(member);
	MongoNode  *unwind = mongo_doc1("path", mongo_text(psprintf("$%s", name)));

	if (type == JOIN_ANTI)
	{
		mongo_add(pipeline, mongo_doc1("$match", mongo_doc1(name, mongo_list())));
		return;
	}
	if (type == JOIN_LEFT)
		mongo_put(unwind, "preserveNullAndEmptyArrays", mongo_bool(true));
	mongo_add(pipeline, mongo_doc1("$unwind", unwind));
}

/* May a pipeline stand beside localField? */
static bool
takes_fields(const ChScan *scan)
{
	return scan->conn == NULL || !((const MongoConn *) scan->conn->handle)->before_5;
}

/* Join a table to the rows; false if there can be none. */
static bool
add_join(MongoNode *pipeline, const ChScan *scan, int number)
{
	const ChBoundJoin *join = &scan->joins[number - 1];
	const MongoTable *mt = &mongo_table(scan->table)[number];
	Member		member = {scan->table, number};
	MongoNode  *lookup = mongo_doc1("from", mongo_text(mt->collection));
	MongoNode  *values = mongo_doc();
	MongoNode  *stages = mongo_list();
	MongoNode  *vars = mongo_doc();
	Lookup		by = {0};
	ChCond	   *rest;
	ChCond	   *own = mongo_split(join->on, is_own, &member, &rest);

	/* nothing of the table can match: a row that needs none stays as it is */
	if ((own && own->kind == CH_COND_FALSE) || !mongo_add_rows(stages, mt, own_condition(own, number)))
		return join->type == JOIN_LEFT || join->type == JOIN_ANTI;
	if (rest)
	{
		mongo_add(stages, mongo_doc1("$match", mongo_doc1("$expr", mongo_rebase(mongo_filter_expression(rest),
																			  field_name(number), vars))));
		find_lookup(rest, &member, &by);
	}
	if (join->type == JOIN_SEMI || join->type == JOIN_ANTI)
		mongo_add(stages, mongo_doc1("$limit", mongo_int(1)));
	if (by.local && takes_fields(scan))
		put_fields(lookup, values, &by, number);
	put_variables(lookup, values, vars, number);
	mongo_put(lookup, "pipeline", stages);
	mongo_put(lookup, "as", mongo_text(field_name(number)));
	if (mongo_length(values) > 0)
		mongo_add(pipeline, mongo_doc1("$set", mongo_doc1(values_name(number), values)));
	mongo_add(pipeline, mongo_doc1("$lookup", lookup));
	add_found(pipeline, join->type, number);
	return true;
}

bool
mongo_add_joined_rows(MongoNode *pipeline, const ChScan *scan, ChCond *filter)
{
	Member		first = {scan->table, 0};
	MongoNode  *wrap = mongo_doc1("_id", mongo_int(0));
	ChCond	   *late;
	ChCond	   *early = mongo_split(filter, is_own, &first, &late);
	bool		possible = mongo_add_rows(pipeline, mongo_table(scan->table), own_condition(early, 0));

	mongo_put(wrap, field_name(0), mongo_text("$$ROOT"));
	mongo_add(pipeline, mongo_doc1("$project", wrap));
	for (int i = 1; i <= scan->njoins; i++)
		possible = add_join(pipeline, scan, i) && possible;
	return mongo_add_condition(pipeline, late) && possible;
}
