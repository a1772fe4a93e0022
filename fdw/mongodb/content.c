/*
 * content.c
 *	  What is in a jsonb or array column: @> and ?.
 *
 * A document contains another if its fields do, so containment becomes tests of
 * fields, each outside of arrays, as no field of a list element is meant.  A
 * list contains values; a list of lists or documents is left to PostgreSQL.
 *
 * A string of JSON may be an ObjectId, a date or binary data in the store.
 * Where its text looks like one of them, the test lets all of them through.
 */
#include "postgres.h"

#include "fdw/mongodb/predicate.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

const char *const mongo_document_types[] = {"object", "regex", "timestamp", "javascript", "javascriptWithScope",
"dbPointer", "minKey", "maxKey", "date", NULL};

/* ---- may it ship ------------------------------------------------------------------- */

static bool
is_field_name(const char *name, int len)
{
	return memchr(name, '\0', len) == NULL && mongo_is_field_name(pnstrdup(name, len));
}

/* A string of JSON that can be nothing but a string in the store. */
static bool
is_only_string(const ChValue *v)
{
	MongoJsonText kind = mongo_json_text_kind(v->u.s.data, v->u.s.len);
	bool		is_word = (kind & MONGO_TEXT_NUMBER) && strchr("0123456789", v->u.s.data[v->u.s.len - 1]) == NULL;

	return !is_word && !(kind & (MONGO_TEXT_BINARY | MONGO_TEXT_DATE));
}

/* Is the test of a value in a list, or of a field, exact? */
static bool
scalar_is_exact(const ChValue *v)
{
	return v->kind == CH_BOOL || v->kind == CH_NULL || v->kind == CH_DECIMAL || (v->kind == CH_STRING && is_only_string(v));
}

static bool
content_is_exact(const ChValue *v)
{
	check_stack_depth();
	if (v->kind == CH_LIST)
	{
		for (int i = 0; i < v->u.list.n; i++)
			if (!scalar_is_exact(&v->u.list.items[i]))
				return false;
		return true;
	}
	if (v->kind != CH_MAP)
		return scalar_is_exact(v);
	/* an empty document is in dates that PostgreSQL does not know, too */
	if (v->u.map.n == 0)
		return false;
	for (int i = 0; i < v->u.map.n; i++)
	{
		const ChMember *m = &v->u.map.members[i];

		if (!is_field_name(m->key, m->keylen) || !content_is_exact(&m->value))
			return false;
	}
	return true;
}

/* Exact if the value is known and its test is. */
static bool
value_is_exact(const ChExpr *leaf)
{
	const Const *c = linitial(leaf->values);
	ChValue		v;

	if (!IsA(c, Const))
		return false;
	if (c->constisnull)
		return true;
	if (!ch_content_to_value(c->constvalue, leaf->valtype, &v))
		return false;
	if (leaf->kind == CH_COND_HAS_KEY)
		return is_field_name(v.u.s.data, v.u.s.len) && is_only_string(&v);
	return (v.kind == CH_MAP || v.kind == CH_LIST) && content_is_exact(&v);
}

static ChShip
ship_array(const ChColumn *col, const char **reason)
{
	switch (col->element->basetype)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case TIMESTAMPTZOID:
		case TIMESTAMPOID:
		case DATEOID:
			return CH_SHIP_EXACT;
		default:
			*reason = "MongoDB does not compare this type as PostgreSQL does";
			return CH_SHIP_NO;
	}
}

ChShip
mongo_ship_content(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	ChShip		ship = OidIsValid(col->elemtype) ? ship_array(col, reason)
		: value_is_exact(leaf) ? CH_SHIP_EXACT : CH_SHIP_LOSSY;

	if (ship == CH_SHIP_LOSSY)
		*reason = "what is looked for may be something other than a string in MongoDB, or a name that no path can have";
	if (ship == CH_SHIP_EXACT && col->table->mismatch_null)
	{
		ship = CH_SHIP_LOSSY;
		*reason = "values that do not fit the column are NULL (on_type_mismatch)";
	}
	return ship == CH_SHIP_LOSSY && leaf->negated ? CH_SHIP_NO : ship;
}

/* ---- scalars ---------------------------------------------------------------------------- */

ChColumn *
mongo_column_at(const ChColumn *col, const char *path, Oid type)
{
	ChColumn   *at = palloc(sizeof(ChColumn));
	MongoColumn *mc = palloc0(sizeof(MongoColumn));

	*at = *col;
	at->kind = MONGO_VALUE;
	at->basetype = at->typid = type;
	at->elemtype = InvalidOid;
	at->extra = mc;
	mongo_parse_path(path, mongo_column(col)->path.nroot, &mc->path);
	return at;
}

static MongoFilter *
equal_as(const ChColumn *col, const char *path, Oid type, const ChValue *v)
{
	ChCond		equal = {.kind = CH_COND_CMP,.op = CH_EQ,.col = mongo_column_at(col, path, type),.nvalues = 1};

	equal.values = palloc(sizeof(ChValue));
	equal.values[0] = *v;
	return mongo_test_one_of(&equal);
}

static MongoFilter *
string_test(const ChColumn *col, const char *path, const ChValue *v)
{
	MongoJsonText kind = mongo_json_text_kind(v->u.s.data, v->u.s.len);
	MongoFilter *t = field(path, "$eq", value_of_text(v->u.s.data, v->u.s.len));
	ChValue		number = *v;

	if (is_only_string(v))
		return t;
	if (kind & MONGO_TEXT_BINARY)
		t = either(either(t, of_type(path, "binData")), mongo_test_object_id(path, CH_EQ, v));
	if (kind & MONGO_TEXT_DATE)
		t = either(t, of_type(path, "date"));
	number.kind = CH_DECIMAL;
	if (kind & MONGO_TEXT_NUMBER)
		t = either(t, equal_as(col, path, NUMERICOID, &number));
	return t;
}

static MongoFilter *
scalar_test(const ChColumn *col, const char *path, const ChValue *v)
{
	static const char *const nulls[] = {"null", "undefined", NULL};

	switch (v->kind)
	{
		case CH_NULL:
			return of_types(path, nulls);
		case CH_BOOL:
			return field(path, "$eq", value_of_bool(v->u.b));
		case CH_DECIMAL:
			return equal_as(col, path, NUMERICOID, v);
		default:
			return string_test(col, path, v);
	}
}

/* ---- lists and documents ------------------------------------------------------------------- */

/* The test, of one element of an array. */
static MongoFilter *
of_an_element(MongoFilter *t)
{
	ListCell   *lc;

	t->each = t->kind == TEST_FIELD;
	foreach(lc, t->args)
		(void) of_an_element(lfirst(lc));
	return t;
}

static MongoFilter *
list_test(const ChColumn *col, const char *path, const ChValue *v)
{
	MongoFilter *t = of_type(path, "array");

	for (int i = 0; i < v->u.list.n; i++)
	{
		const ChValue *item = &v->u.list.items[i];

		if (item->kind != CH_LIST && item->kind != CH_MAP)
			t = both(t, of_an_element(scalar_test(col, path, item)));
	}
	return t;
}

static MongoFilter *map_test(const ChColumn *col, const char *path, const ChValue *v);

/* A field, at its path. */
static MongoFilter *
member_test(const ChColumn *col, const char *path, const ChValue *v)
{
	check_stack_depth();
	if (v->kind == CH_LIST)
		return list_test(col, path, v);
	if (v->kind == CH_MAP)
		return both(no_array(path), map_test(col, path, v));
	return both(scalar_test(col, path, v), no_array(path));
}

/* A document of which path is the way; NULL: the whole one. */
static MongoFilter *
map_test(const ChColumn *col, const char *path, const ChValue *v)
{
	MongoFilter *t = path && v->u.map.n == 0 ? of_types(path, mongo_document_types) : NULL;

	for (int i = 0; i < v->u.map.n; i++)
	{
		const ChMember *m = &v->u.map.members[i];
		MongoFilter *field;

		if (!is_field_name(m->key, m->keylen))
			continue;
		field = member_test(col, psprintf("%s%s%.*s", path ? path : "", path ? "." : "", m->keylen, m->key), &m->value);
		t = t ? both(t, field) : field;
	}
	return t ? t : any_document();
}

/* The path of a column, or NULL for the whole document. */
static const char *
path_of(const ChColumn *col)
{
	return col->kind == MONGO_DOCUMENT ? NULL : mongo_column(col)->path.text;
}

static MongoFilter *
json_content_test(const ChColumn *col, const ChValue *v)
{
	const char *path = path_of(col);

	if (v->kind == CH_LIST)
		return path ? list_test(col, path, v) : no_document();
	if (v->kind == CH_MAP)
		return path ? both(no_array(path), map_test(col, path, v)) : map_test(col, path, v);
	/* a list contains a scalar, and a scalar itself */
	return path ? scalar_test(col, path, v) : no_document();
}

/* Every value is an element; NULL is none. */
static MongoFilter *
array_content_test(const ChColumn *col, const ChValue *v)
{
	const char *path = mongo_column(col)->path.text;
	MongoFilter *t = of_type(path, "array");

	for (int i = 0; i < v->u.list.n; i++)
	{
		ChColumn   *element = palloc(sizeof(ChColumn));
		ChCond		equal = {.kind = CH_COND_CMP,.op = CH_EQ,.col = element,.nvalues = 1,.values = &v->u.list.items[i]};

		*element = *col->element;
		element->extra = col->extra;
		element->elemtype = InvalidOid;
		if (v->u.list.items[i].kind == CH_NULL)
			return no_document();
		t = both(t, of_an_element(mongo_test_one_of(&equal)));
	}
	return t;
}

/* ---- ? -------------------------------------------------------------------------------------------- */

/* A field of a document, a string in a list, or the string itself. */
static MongoFilter *
key_test(const ChColumn *col, const ChValue *v)
{
	const char *path = path_of(col);
	char	   *name = pnstrdup(v->u.s.data, v->u.s.len);
	MongoFilter *has_field;

	if (!is_field_name(name, v->u.s.len))
		return path ? not_null(path) : any_document();
	if (path == NULL)
		return field(name, "$exists", value_of_bool(true));
	has_field = field(psprintf("%s.%s", path, name), "$exists", value_of_bool(true));
	return either(both(has_field, no_array(path)), string_test(col, path, v));
}

/* ---- the whole -------------------------------------------------------------------------------------- */

/* Neither NULL nor what the test says. */
static MongoFilter *
negated(const ChColumn *col, MongoFilter *t)
{
	MongoFilter *nor = new_test(TEST_NOR);
	MongoFilter *some = col->kind == MONGO_DOCUMENT ? any_document()
		: col->kind == MONGO_JSON ? field(mongo_column(col)->path.text, "$exists", value_of_bool(true))
		: mongo_test_not_null(col);

	if (t->kind == TEST_NONE)
		return some;
	nor->args = list_make1(t);
	return both(some, nor);
}

MongoFilter *
mongo_content_test(const ChCond *cond)
{
	const ChValue *v = &cond->values[0];
	MongoFilter *t;

	if (v->kind == CH_PARAM)
		t = field(mongo_column(cond->col)->path.text, cond->kind == CH_COND_CONTAINS ? "$contains" : "$hasField",
				  value_of_param(v->u.i));	/* for EXPLAIN: what is asked depends on the value */
	else if (cond->kind == CH_COND_HAS_KEY)
		t = key_test(cond->col, v);
	else if (OidIsValid(cond->col->elemtype))
		t = array_content_test(cond->col, v);
	else
		t = json_content_test(cond->col, v);
	return cond->negated ? negated(cond->col, t) : t;
}
