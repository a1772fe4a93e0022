/*
 * like.c
 *	  LIKE as a regular expression.
 *
 * Both go by characters of UTF-8.  A regular expression is found in strings
 * only; in a text column there may be ObjectIds as well, which are text here.
 * Letters of ILIKE are listed in both cases, not matched by the option i, which
 * knows more pairs of letters than PostgreSQL does under the collation "C".
 */
#include "postgres.h"

#include "fdw/mongodb/predicate.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* Text of an ObjectId */
#define OID_LENGTH 24

/* ---- patterns ------------------------------------------------------------------------ */

typedef struct Pattern
{
	const char *c;
	const char *end;
	bool		literal;		/* the character at hand stands for itself */
} Pattern;

/* The next character of a pattern; false at its end. */
static bool
next_character(Pattern *p)
{
	p->literal = true;
	if (p->c >= p->end)
		return false;
	if (*p->c == '%' || *p->c == '_')
		p->literal = false;
	else if (*p->c == '\\' && ++p->c >= p->end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ESCAPE_SEQUENCE),
				 errmsg("LIKE pattern must not end with escape character")));
	return true;
}

static void
append_literal(StringInfo regex, char c, bool both_cases)
{
	if (both_cases && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
		appendStringInfo(regex, "[%c%c]", c | 0x20, c & ~0x20);
	else if ((unsigned char) c < 0x80 && strchr("\\^$.|?*+()[]{}-/#&~<>=!:,'\"@%", c))
		appendStringInfo(regex, "\\%c", c);
	else
		appendStringInfoChar(regex, c);
}

/* With the option s, which lets a dot be a line's end. */
static char *
regex_of(const char *pattern, int len, bool both_cases)
{
	StringInfoData regex;
	Pattern		p = {pattern, pattern + len};

	initStringInfo(&regex);
	appendStringInfoChar(&regex, '^');
	for (; next_character(&p); p.c++)
	{
		if (p.literal)
			append_literal(&regex, *p.c, both_cases);
		else
			appendStringInfoString(&regex, *p.c == '%' ? ".*" : ".");
	}
	/* what begins or ends with anything need not be anchored there */
	if (regex.len >= 3 && strcmp(regex.data + regex.len - 2, ".*") == 0 && regex.data[regex.len - 3] != '\\')
		regex.data[regex.len -= 2] = '\0';
	else
		appendStringInfoString(&regex, "\\z");
	return strncmp(regex.data, "^.*", 3) == 0 && regex.len > 3 ? regex.data + 3 : regex.data;
}

/* May the pattern match 24 hexadecimal digits in lower case? */
static bool
may_match_object_id(const char *pattern, int len, bool any_case)
{
	const char *digits = any_case ? "0123456789abcdefABCDEF" : "0123456789abcdef";
	Pattern		p = {pattern, pattern + len};
	bool		open = false;
	int			characters = 0;

	for (; next_character(&p); p.c++)
	{
		if (!p.literal && *p.c == '%')
			open = true;
		else if (p.literal && strchr(digits, *p.c) == NULL)
			return false;
		else
			characters++;
	}
	return open ? characters <= OID_LENGTH : characters == OID_LENGTH;
}

/*
 * The text that a pattern is, or that what it matches begins with: open is true
 * then, and the pattern says no more.  NULL: it says something else.
 */
static char *
prefix_of(const char *pattern, int len, bool any_case, bool *open)
{
	StringInfoData prefix;
	Pattern		p = {pattern, pattern + len};

	*open = false;
	initStringInfo(&prefix);
	for (; next_character(&p); p.c++)
	{
		if (!p.literal && *p.c == '%')
			*open = true;
		else if (!p.literal || *open)
			return NULL;
		else
			appendStringInfoChar(&prefix, any_case ? pg_ascii_tolower((unsigned char) *p.c) : *p.c);
	}
	return prefix.data;
}

/* ---- may it ship ------------------------------------------------------------------------ */

/* Are the ObjectIds that match known as well? */
static bool
is_exact(const ChColumn *col, const ChExpr *leaf)
{
	bool		any_case = leaf->kind == CH_COND_ILIKE;
	const Const *c = linitial(leaf->values);
	struct varlena *p;
	bool		open;

	if (mongo_column(col)->type == MONGO_STRING)
		return true;
	if (!IsA(c, Const))
		return false;
	if (c->constisnull)
		return true;
	p = PG_DETOAST_DATUM_PACKED(c->constvalue);
	/* an error of the pattern is raised when rows are looked for */
	if (VARSIZE_ANY_EXHDR(p) > 0 && VARDATA_ANY(p)[VARSIZE_ANY_EXHDR(p) - 1] == '\\')
		return false;
	return !may_match_object_id(VARDATA_ANY(p), VARSIZE_ANY_EXHDR(p), any_case) ||
		prefix_of(VARDATA_ANY(p), VARSIZE_ANY_EXHDR(p), any_case, &open) != NULL;
}

ChShip
mongo_ship_like(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	MongoType	type = mongo_column(col)->type;

	if (!ch_is_text(col->basetype) || type > MONGO_STRING)
		*reason = "MongoDB looks for patterns in strings only";
	else if (leaf->kind == CH_COND_ILIKE && leaf->collation != C_COLLATION_OID)
		*reason = "ILIKE knows the letters' cases of a collation other than \"C\"";
	else if (is_exact(col, leaf))
		return CH_SHIP_EXACT;
	else
	{
		*reason = "an ObjectId may match the pattern as text";
		return CH_SHIP_LOSSY;
	}
	return CH_SHIP_NO;
}

/* ---- tests -------------------------------------------------------------------------------- */

static const char *
regex_of_value(const ChCond *cond)
{
	const ChValue *v = &cond->values[0];

	if (v->kind == CH_PARAM)
		return psprintf(MONGO_PARAM_MARK "$" INT64_FORMAT MONGO_PARAM_MARK, v->u.i);
	return regex_of(v->u.s.data, v->u.s.len, cond->kind == CH_COND_ILIKE);
}

/* ObjectIds whose text matches; not exact: all of them. */
static MongoFilter *
object_ids_test(const ChCond *cond, const char *path, bool *exact)
{
	const ChValue *v = &cond->values[0];
	bool		any_case = cond->kind == CH_COND_ILIKE;
	bool		open;
	char	   *prefix;
	ChValue		bound;
	MongoFilter *t;

	*exact = true;
	if (mongo_column(cond->col)->type != MONGO_ANY || v->kind == CH_PARAM ||
		!may_match_object_id(v->u.s.data, v->u.s.len, any_case))
		return no_document();
	prefix = prefix_of(v->u.s.data, v->u.s.len, any_case, &open);
	*exact = prefix != NULL;
	if (prefix == NULL || prefix[0] == '\0')
		return of_type(path, "objectId");
	bound = ch_string(prefix, strlen(prefix));
	if (!open)
		return mongo_test_object_id(path, CH_EQ, &bound);
	/* up to the next text that does not begin so */
	t = mongo_test_object_id(path, CH_GE, &bound);
	bound.u.s.data = pstrdup(prefix);
	unconstify(char *, bound.u.s.data)[bound.u.s.len - 1]++;
	return both(t, mongo_test_object_id(path, CH_LT, &bound));
}

MongoFilter *
mongo_like_test(const ChCond *cond)
{
	const char *path = mongo_column(cond->col)->path.text;
	const char *regex = regex_of_value(cond);
	MongoFilter *t = field(path, "$regex", value_of_text(regex, strlen(regex)));
	bool		exact;
	MongoFilter *ids = object_ids_test(cond, path, &exact);
	MongoFilter *nor;

	add_operator(t, "$options", value_of_text("s", 1));
	if (!cond->negated)
		return either(t, ids);
	nor = new_test(TEST_NOR);
	nor->args = list_make1(exact ? either(t, ids) : t);
	return both(not_null(path), nor);
}

MongoNode *
mongo_like_expression(const ChCond *cond)
{
	MongoNode  *match = mongo_doc1("input", mongo_form(cond->col));

	mongo_put(match, "regex", mongo_text(regex_of_value(cond)));
	mongo_put(match, "options", mongo_text("s"));
	if (!cond->negated)
		return mongo_doc1("$regexMatch", match);
	return mongo_call("$and", mongo_is_some(mongo_plain(cond->col)),
					  mongo_call("$not", mongo_doc1("$regexMatch", match), NULL), NULL);
}
