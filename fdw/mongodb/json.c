/*
 * json.c
 *	  Conditions on fields of jsonb columns.
 *
 * jsonb ->> key is a text, whatever the field is: a string as it is, and the
 * text that PostgreSQL has for a number, a date and so on.  A condition that
 * only a string can meet is exact; of others the store returns what may meet it.
 */
#include "postgres.h"

#include "fdw/mongodb/predicate.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* ---- texts ------------------------------------------------------------------------ */

static bool
consists_of(const char *text, int len, const char *letters)
{
	for (int i = 0; i < len; i++)
		if (text[i] == '\0' || strchr(letters, text[i]) == NULL)
			return false;
	return true;
}

static bool
is_word(const char *text, int len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* 12, -12.50: what numeric_out prints */
static bool
is_number(const char *text, int len)
{
	int			digits = 0;
	int			i = len > 0 && text[0] == '-' ? 1 : 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		digits++;
	if (digits == 0 || i == len || text[i] != '.')
		return digits > 0 && i == len;
	return i + 1 < len && consists_of(text + i + 1, len - i - 1, "0123456789");
}

MongoJsonText
mongo_json_text_kind(const char *text, int len)
{
	MongoJsonText kind = 0;

	if (is_number(text, len) || is_word(text, len, "NaN") || is_word(text, len, "Infinity") ||
		is_word(text, len, "-Infinity"))
		kind |= MONGO_TEXT_NUMBER;
	if (is_word(text, len, "true") || is_word(text, len, "false"))
		kind |= MONGO_TEXT_BOOL;
	if ((len % 2 == 0 && consists_of(text, len, "0123456789abcdef")) ||
		(len == 36 && consists_of(text, len, "0123456789abcdef-")))
		kind |= MONGO_TEXT_BINARY;
	if (len > 0 && memchr(text, 'T', len) && memchr(text, ':', len))
		kind |= MONGO_TEXT_DATE;
	if (len > 0 && (text[0] == '{' || text[0] == '['))
		kind |= MONGO_TEXT_CONTAINER;
	return kind;
}

/* ---- may it ship -------------------------------------------------------------------- */

static bool
is_text_of_string(Datum d)
{
	struct varlena *p = PG_DETOAST_DATUM_PACKED(d);

	return mongo_json_text_kind(VARDATA_ANY(p), VARSIZE_ANY_EXHDR(p)) == 0;
}

static bool
are_texts_of_strings(Datum array)
{
	ArrayType  *texts = DatumGetArrayTypeP(array);
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(texts, ARR_ELEMTYPE(texts), -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i] && !is_text_of_string(elems[i]))
			return false;
	return true;
}

/* Are all values known, and such that only strings have them? */
static bool
only_strings_match(const ChExpr *leaf)
{
	ListCell   *lc,
			   *lc2;

	forboth(lc, leaf->values, lc2, leaf->is_array)
	{
		const Const *c = lfirst(lc);

		if (!IsA(c, Const))
			return false;
		if (!c->constisnull && !(lfirst_int(lc2) ? are_texts_of_strings(c->constvalue) : is_text_of_string(c->constvalue)))
			return false;
	}
	return true;
}

ChShip
mongo_ship_json_text(const ChExpr *leaf, const char **reason)
{
	bool		equality = leaf->kind == CH_COND_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_EQ);
	bool		inequality = leaf->kind == CH_COND_NOT_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_NE);

	if ((equality || inequality) && only_strings_match(leaf))
		return CH_SHIP_EXACT;
	*reason = "the text may be that of a number, a date or another value";
	return equality ? CH_SHIP_LOSSY : CH_SHIP_NO;
}

/* ---- tests of -> and ->> ---------------------------------------------------------------- */

/*
 * What a field's text may be the text of, besides a string: a number, a truth
 * value, a date, binary data, a list or a document.
 */
static MongoFilter *
other_than_text(const ChColumn *col, const ChValue *v)
{
	static const char *const containers[] = {"object", "array", "regex", "timestamp", "javascript",
	"javascriptWithScope", "dbPointer", "minKey", "maxKey", NULL};
	const char *path = mongo_column(col)->path.text;
	MongoJsonText kind = mongo_json_text_kind(v->u.s.data, v->u.s.len);
	ChColumn	number = *col;
	ChCond		equal = {.kind = CH_COND_CMP,.op = CH_EQ,.col = &number,.nvalues = 1};
	ChValue		decimal = *v;
	MongoFilter *t = no_document();

	if (kind & MONGO_TEXT_NUMBER)
	{
		number.basetype = NUMERICOID;
		decimal.kind = CH_DECIMAL;
		equal.values = &decimal;
		t = either(t, mongo_test_one_of(&equal));
	}
	if (kind & MONGO_TEXT_BOOL)
		t = either(t, field(path, "$eq", value_of_bool(v->u.s.data[0] == 't')));
	if (kind & MONGO_TEXT_BINARY)
		t = either(either(t, of_type(path, "binData")), mongo_test_object_id(path, CH_EQ, v));
	if (kind & MONGO_TEXT_DATE)
		t = either(t, of_type(path, "date"));
	if (kind & MONGO_TEXT_CONTAINER)
		t = either(t, of_types(path, containers));
	return t;
}

/* A string that is one of the values; arrays are seen as such only if kept out. */
static MongoFilter *
json_text_is_one_of(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;
	bson_value_t *values = palloc(cond->nvalues * sizeof(bson_value_t));
	MongoFilter *t;
	MongoFilter *other = no_document();

	for (int i = 0; i < cond->nvalues; i++)
	{
		if (cond->values[i].kind == CH_PARAM)
			return field(path, mongo_is_list_param(cond) ? "$in" : "$eq", value_of_param(cond->values[i].u.i));
		values[i] = value_of_text(cond->values[i].u.s.data, cond->values[i].u.s.len);
		other = either(other, other_than_text(cond->col, &cond->values[i]));
	}
	t = cond->nvalues == 1 ? field(path, "$eq", values[0]) : field_in(path, "$in", cond->nvalues, values);
	return either(both(t, no_array(path)), other);
}

/* Neither NULL nor one of the values, which are texts of strings only. */
static MongoFilter *
json_text_is_none_of(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;
	bson_value_t *values = palloc(cond->nvalues * sizeof(bson_value_t));
	MongoFilter *t = not_null(path);

	for (int i = 0; i < cond->nvalues; i++)
		values[i] = cond->values[i].kind == CH_PARAM ? value_of_param(cond->values[i].u.i)
			: value_of_text(cond->values[i].u.s.data, cond->values[i].u.s.len);
	if (mongo_is_list_param(cond))
		add_operator(t, "$nin", values[0]);
	else
		add_list(t, "$nin", cond->nvalues, values);
	return either(t, of_type(path, "array"));
}

static MongoFilter *
field_exists(const char *path, bool exists)
{
	return field(path, "$exists", value_of_bool(exists));
}

/* A condition that is true of no NULL; to jsonb -> key JSON's null is none. */
static MongoFilter *
field_test(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;

	switch (cond->kind)
	{
		case CH_COND_NOT_NULL:
			return cond->col->kind == MONGO_JSON ? field_exists(path, true) : mongo_test_not_null(cond->col);
		case CH_COND_IN:
			return json_text_is_one_of(cond);
		case CH_COND_NOT_IN:
			return json_text_is_none_of(cond);
		default:
			return cond->op == CH_EQ ? json_text_is_one_of(cond) : json_text_is_none_of(cond);
	}
}

/* A field that is not there, or in a list where no name leads. */
static MongoFilter *
json_is_null(const ChColumn *col)
{
	MongoFilter *t;
	ListCell   *lc;

	if (col->kind == MONGO_JSON_TEXT)
		return mongo_test_null(col);
	t = field_exists(mongo_column(col)->path.text, false);
	foreach(lc, prefixes(&mongo_column(col)->path))
		t = either(t, of_type(lfirst(lc), "array"));
	return t;
}

MongoFilter *
mongo_json_test(const ChCond *cond)
{
	if (cond->kind == CH_COND_IS_NULL)
		return json_is_null(cond->col);
	return outside_arrays(cond->col, field_test(cond));
}
