/*
 * json.c
 *	  Conditions on fields of jsonb columns.
 *
 * jsonb ->> key is a text, whatever the field is: a string as it is, and the
 * text that PostgreSQL has for a number, a date and so on.  A condition that
 * only a string can meet is exact; of others the store returns what may meet it.
 */
#include "postgres.h"

#include "fdw/mongodb/filter.h"

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
	if (consists_of(text, len, "0123456789abcdef-"))
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
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
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
