/*
 * deparse.c
 *	  What may MongoDB do of a query with exactly PostgreSQL's meaning?  And the
 *	  text of what it is asked (request.c makes that).
 *
 * With on_type_mismatch = 'error' a condition need not say what a value that
 * does not fit its column should be: the row may pass, because whatever is
 * filtered or sorted by is fetched and looked at (MongoRequest.verify), and
 * the error is raised.  With 'null' such a value is NULL, which the store does
 * not know: only equality with a guard is exact then, and only with values
 * that are the column's own.
 */
#include "postgres.h"

#include "fdw/mongodb/filter.h"

#include "catalog/pg_type.h"

/* ---- conditions ------------------------------------------------------------------ */

static ChShip
lossy(const char **reason, const char *why)
{
	*reason = why;
	return CH_SHIP_LOSSY;
}

static bool
is_equality(const ChExpr *leaf)
{
	return leaf->kind == CH_COND_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_EQ);
}

static bool
is_null_test(const ChExpr *leaf)
{
	return leaf->kind == CH_COND_IS_NULL || leaf->kind == CH_COND_NOT_NULL;
}

static bool
is_order(const ChExpr *leaf)
{
	return leaf->kind == CH_COND_CMP && leaf->op != CH_EQ && leaf->op != CH_NE;
}

/* The types whose comparisons filter.c knows. */
static ChShip
ship_type(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	MongoType	type = mongo_column(col)->type;

	switch (col->basetype)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return CH_SHIP_EXACT;
		case TEXTOID:
		case VARCHAROID:
			if (type == MONGO_UUID && is_order(leaf))
				return ch_no_ship(reason, "MongoDB does not order UUIDs as text");
			if (type > MONGO_UUID)
				return ch_no_ship(reason, "MongoDB does not compare numbers as text");
			return CH_SHIP_EXACT;
		case UUIDOID:
			if (type == MONGO_STRING)
				return ch_no_ship(reason, "a UUID has more than one form as a string");
			if (type != MONGO_UUID && is_order(leaf))
				return ch_no_ship(reason, "MongoDB orders the two binary subtypes of UUIDs apart");
			return CH_SHIP_EXACT;
		case BYTEAOID:
			return ch_no_ship(reason, "MongoDB compares the subtype of binary data, too");
		default:
			return ch_no_ship(reason, "MongoDB does not compare this type as PostgreSQL does");
	}
}

/* A path with an array position may also mean a field of that name. */
static ChShip
ship_position(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	const MongoPath *path = &mongo_column(col)->path;

	for (int i = 0; i < path->nparts; i++)
		if (path->parts[i][0] == '$')
			return ch_no_ship(reason, "a name that begins with $ cannot stand in a condition");
	if (is_null_test(leaf) || leaf->negated || leaf->kind == CH_COND_NOT_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_NE))
		return ch_no_ship(reason, "MongoDB reads a number in a path as an array position and as a field name");
	return lossy(reason, "MongoDB reads a number in a path as an array position and as a field name");
}

/*
 * May a value that the column cannot hold be equal to the other side?  It is
 * for 3000000000 and an integer column, and for 0.1 and a real one.
 */
static bool
equals_misfits(const ChColumn *col, const ChExpr *leaf)
{
	if (col->basetype == INT2OID || col->basetype == INT4OID)
		return leaf->valtype != col->basetype;
	return col->basetype == FLOAT4OID;
}

/*
 * Where what does not fit is NULL.  JSON takes every type, but not a string
 * with a zero byte somewhere inside, which the store does not look for.
 */
static ChShip
ship_nullable(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	if (leaf->kind == CH_COND_IS_NULL)
		return ch_no_ship(reason, "values that do not fit the column are NULL (on_type_mismatch)");
	if (is_equality(leaf) && !equals_misfits(col, leaf))
		return CH_SHIP_EXACT;
	return lossy(reason, "values that do not fit the column are NULL (on_type_mismatch)");
}

/* An expression, or a field of JSON. */
static ChShip
ship_computed(const ChTable *table, const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	/* of groups every type that rows have */
	if (table->grouped && !is_null_test(leaf) && ship_type(col, leaf, reason) == CH_SHIP_NO)
		return CH_SHIP_NO;
	if (col->kind == MONGO_COMPUTED)
		return mongo_column(col)->limits ? ch_no_ship(reason, "MongoDB makes dates of the years 1 to 9999 only")
			: mongo_ship_expression(table, leaf, reason) ? CH_SHIP_EXACT : CH_SHIP_NO;
	if (col->table->mismatch_null)
		return ch_no_ship(reason, "values that do not fit the column are NULL (on_type_mismatch)");
	if (is_null_test(leaf))
		return CH_SHIP_EXACT;
	return col->kind == MONGO_JSON ? mongo_ship_content(col, leaf, reason) : mongo_ship_json_text(leaf, reason);
}

/* Leaves that are no comparison with a value. */
static ChShip
ship_other(const ChTable *table, const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	const MongoPath *path = &mongo_column(col)->path;
	ChShip		ship;

	if (leaf->kind == CH_COND_CMP_COLUMN)
		return mongo_ship_expression(table, leaf, reason) ? CH_SHIP_EXACT : CH_SHIP_NO;
	if (leaf->kind == CH_COND_CONTAINS || leaf->kind == CH_COND_HAS_KEY)
		return path->nplain < path->nparts ? ch_no_ship(reason, "MongoDB reads a number in a path as an array position and as a field name")
			: mongo_ship_content(col, leaf, reason);
	if (col->kind != MONGO_VALUE)
		return ch_no_ship(reason, "MongoDB looks for patterns in strings only");
	ship = mongo_ship_like(col, leaf, reason);
	if (ship != CH_SHIP_NO && path->nplain < path->nparts)
		return ship_position(col, leaf, reason);
	if (ship == CH_SHIP_EXACT && col->table->mismatch_null)
		return lossy(reason, "values that do not fit the column are NULL (on_type_mismatch)");
	return ship;
}

ChShip
mongo_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason)
{
	const ChColumn *col = ch_column(table, leaf->attno);
	const MongoPath *path = &mongo_column(col)->path;
	ChShip		ship;

	if (col->kind >= MONGO_JSON)
		return ship_computed(table, col, leaf, reason);
	if (leaf->kind > CH_COND_FALSE)
		return ship_other(table, col, leaf, reason);
	if (col->kind == MONGO_DOCUMENT)
		return ch_no_ship(reason, "a whole document is compared by PostgreSQL only");
	if (col->kind == MONGO_INDEX && col->basetype != INT8OID && col->basetype != INT4OID)
		return ch_no_ship(reason, "a position is compared as integer or bigint only");
	if (col->kind == MONGO_INDEX)
		return CH_SHIP_EXACT;
	ship = is_null_test(leaf) ? CH_SHIP_EXACT : ship_type(col, leaf, reason);
	if (ship != CH_SHIP_NO && path->nplain < path->nparts)
		return ship_position(col, leaf, reason);
	if (ship != CH_SHIP_NO && col->table->mismatch_null)
		return ship_nullable(col, leaf, reason);
	return ship;
}

/* ---- orders ---------------------------------------------------------------------------- */

static const char *
unsortable(const ChColumn *col)
{
	MongoType	type = mongo_column(col)->type;

	if (col->kind == MONGO_INDEX)
		return NULL;
	if (col->kind >= MONGO_JSON)
		return "MongoDB is asked to sort by plain columns only";
	if (col->kind == MONGO_DOCUMENT)
		return "whole documents are sorted by PostgreSQL only";
	if (col->table->mismatch_null)
		return "values that do not fit the column are NULL (on_type_mismatch)";
	if (mongo_column(col)->path.nplain < mongo_column(col)->path.nparts)
		return "MongoDB reads a number in a path as an array position and as a field name";
	switch (col->basetype)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return NULL;
		case NUMERICOID:
			return type != MONGO_ANY ? NULL
				: "MongoDB orders doubles among decimals by their binary value; set the column's option bson_type if it has one type only";
		case TEXTOID:
		case VARCHAROID:
			return type <= MONGO_UUID ? NULL : "MongoDB does not order numbers as text";
		case UUIDOID:
			return type == MONGO_UUID ? NULL
				: "MongoDB orders the two binary subtypes of UUIDs apart; set the column's option bson_type to 'uuid'";
		default:
			return "MongoDB does not order this type as PostgreSQL does";
	}
}

bool
mongo_ship_sort(const ChTable *table, List *keys, const char **reason)
{
	ListCell   *lc;

	if (table->grouped)
		return mongo_ship_group_sort(table, keys, reason);
	foreach(lc, keys)
	{
		const ChSortKey *key = lfirst(lc);

		*reason = unsortable(ch_column(table, key->attno));
		if (*reason)
			return false;
	}
	return true;
}

/* ---- EXPLAIN -------------------------------------------------------------------------------------------------- */

void
mongo_append_json(StringInfo out, const bson_t *doc)
{
	static const char mark[] = "\\u0001";
	size_t		len = sizeof(mark) - 1;
	char	   *json = bson_as_relaxed_extended_json(doc, NULL);

	for (const char *c = json; *c;)
	{
		if (c[0] == '"' && strncmp(c + 1, mark, len) == 0)
			c += 1 + len;
		else if (strncmp(c, mark, len) == 0 && c[len] == '"')
			c += len + 1;
		else
			appendStringInfoChar(out, *c++);
	}
	bson_free(json);
}

/* A member that is a document, or an array of documents. */
static void
append_member(StringInfo out, const bson_t *doc, const char *name)
{
	bson_iter_t it,
				stage;
	bson_t		part;
	uint32_t	len = 0;
	const uint8_t *data = NULL;

	if (!bson_iter_init_find(&it, doc, name))
		return;
	if (BSON_ITER_HOLDS_DOCUMENT(&it))
	{
		bson_iter_document(&it, &len, &data);
		bson_init_static(&part, data, len);
		mongo_append_json(out, &part);
		return;
	}
	appendStringInfoChar(out, '[');
	for (bool more = bson_iter_recurse(&it, &stage) && bson_iter_next(&stage); more;)
	{
		bson_iter_document(&stage, &len, &data);
		bson_init_static(&part, data, len);
		mongo_append_json(out, &part);
		more = bson_iter_next(&stage);
		if (more)
			appendStringInfoString(out, ", ");
	}
	appendStringInfoChar(out, ']');
}

static void
explain_find(const ChScan *scan, const MongoRequest *request, StringInfo out)
{
	appendStringInfoString(out, ".find(");
	mongo_append_json(out, request->query);
	if (bson_has_field(request->opts, "projection"))
		appendStringInfoString(out, ", ");
	append_member(out, request->opts, "projection");
	appendStringInfoChar(out, ')');
	if (scan->nsort > 0)
	{
		appendStringInfoString(out, ".sort(");
		append_member(out, request->opts, "sort");
		appendStringInfoChar(out, ')');
	}
	if (scan->offset != 0)
		appendStringInfo(out, ".skip(%s)", ch_count_text(scan->offset));
	if (scan->limit != -1)
		appendStringInfo(out, ".limit(%s)", ch_count_text(scan->limit));
}

/* As one would type it into the store's own shell, after the database's name. */
void
mongo_explain(ChScan *scan, StringInfo out)
{
	const MongoTable *mt = mongo_table(scan->table);
	MongoRequest request = {0};
	int			nsets = scan->nsets;

	/* the form of a question; what several were joined to is gone by now */
	scan->nsets = 0;
	mongo_compile(scan, &request);
	scan->nsets = nsets;
	appendStringInfo(out, "%s.%s", mt->database, mt->collection);
	if (request.nothing)
		appendStringInfoString(out, ": nothing to ask for");
	else if (request.aggregate)
	{
		appendStringInfoString(out, ".aggregate(");
		append_member(out, request.query, "pipeline");
		appendStringInfoChar(out, ')');
	}
	else
		explain_find(scan, &request, out);
	mongo_request_free(&request);
}
