/*
 * deparse.c
 *	  Which conditions and orders Redis can do, and what is asked for them.
 *
 * Redis has no query language: what it does without reading everything is to
 * find a key, to find a member of a set, and to cut a range out of scores,
 * list positions or stream ids.  A pushed filter is therefore compiled to one
 * restriction of each of these three dimensions, all of which hold (an AND of
 * the three); OR is possible within one dimension, where it is a union.
 *
 * The text in EXPLAIN is made from the same filter, not from the compiled
 * form, because parameters have no values there yet.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* The dimension that a condition restricts. */
typedef enum Dimension
{
	DIM_KEY,
	DIM_MEMBER,
	DIM_RANGE,
	DIM_MIXED					/* more than one */
} Dimension;

static Dimension
dimension_of(const ChColumn *col)
{
	switch (col->kind)
	{
		case REDIS_KEY:
			return DIM_KEY;
		case REDIS_MEMBER:
			return DIM_MEMBER;
		default:
			return DIM_RANGE;
	}
}

/* ---- what ships ------------------------------------------------------------ */

static bool
is_text_id(const ChColumn *col)
{
	return col->kind == REDIS_ID && col->basetype != TIMESTAMPTZOID && col->basetype != INT8OID;
}

static bool
is_equality(const ChExpr *leaf)
{
	return leaf->kind == CH_COND_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_EQ);
}

static ChShip
no(const char **reason, const char *why)
{
	*reason = why;
	return CH_SHIP_NO;
}

static ChShip
lossy(const char **reason, const char *why)
{
	*reason = why;
	return CH_SHIP_LOSSY;
}

/* Key and member: found by their bytes or not at all. */
static ChShip
ship_bytes(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	if (!is_equality(leaf))
		return no(reason, col->kind == REDIS_KEY ? "Redis finds a key by equality only" :
				  "Redis finds a member by equality only");
	if (!redis_finds_by_bytes(col))
		return no(reason, psprintf("Redis compares bytes, and a value of type %s has several spellings",
								   format_type_be(col->typid)));
	return CH_SHIP_EXACT;
}

static ChShip
ship_score(const ChColumn *col, const char **reason)
{
	switch (col->basetype)
	{
		case FLOAT8OID:
			return CH_SHIP_EXACT;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return lossy(reason, "a score in Redis is a double, which the column's type may not hold");
		default:
			return no(reason, psprintf("a score in Redis is a double, and type %s compares otherwise",
									   format_type_be(col->typid)));
	}
}

/* Score, index and id: found by ranges. */
static ChShip
ship_range(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	if (leaf->kind == CH_COND_NOT_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_NE))
		return no(reason, "Redis has ranges, but none that leaves values out");
	if (is_text_id(col) && !is_equality(leaf))
		return no(reason, "ids are ordered as numbers in Redis and as text here; a column of type timestamptz can do it");
	return col->kind == REDIS_SCORE ? ship_score(col, reason) : CH_SHIP_EXACT;
}

/*
 * Only fields and the time to live can be missing.  (A value that its column
 * does not hold shows as NULL, too, if the table says so.)
 */
static ChShip
ship_null_test(const ChTable *table, const char **reason)
{
	if (table->mismatch_null)
		return no(reason, "a value that does not fit the column's type is NULL here");
	return CH_SHIP_EXACT;
}

ChShip
redis_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason)
{
	const ChColumn *col = ch_column(table, leaf->attno);

	switch (col->kind)
	{
		case REDIS_FIELD:
			return no(reason, "Redis finds entries by key, not by the value of a field");
		case REDIS_VALUE:
			return no(reason, "Redis finds entries by key, not by their value");
		case REDIS_TTL:
			return no(reason, "Redis finds entries by key, not by their time to live");
		default:
			break;
	}
	if (leaf->kind == CH_COND_IS_NULL || leaf->kind == CH_COND_NOT_NULL)
		return ship_null_test(table, reason);
	if (col->kind == REDIS_KEY || col->kind == REDIS_MEMBER)
		return ship_bytes(col, leaf, reason);
	return ship_range(col, leaf, reason);
}

/* The dimension of every leaf below expr. */
static Dimension
dimension_of_expr(const ChTable *table, const ChExpr *expr)
{
	Dimension	dim = DIM_MIXED;
	ListCell   *lc;

	if (expr->kind != CH_COND_OR && expr->kind != CH_COND_AND)
		return dimension_of(ch_column(table, expr->attno));
	foreach(lc, expr->args)
	{
		Dimension	d = dimension_of_expr(table, lfirst(lc));

		if (d == DIM_MIXED || (foreach_current_index(lc) > 0 && d != dim))
			return DIM_MIXED;
		dim = d;
	}
	return dim;
}

ChShip
redis_ship_bool(const ChTable *table, const ChExpr *expr, ChShip given, const char **reason)
{
	if (expr->kind == CH_COND_OR && given != CH_SHIP_NO &&
		dimension_of_expr(table, expr) == DIM_MIXED)
		return no(reason, "Redis can join alternatives only if all of them are about the key, or all about the same order");
	return given;
}

/* ---- sorting ------------------------------------------------------------------ */

/* Does the column show the order of the store as the type's own order? */
static bool
has_order(const ChTable *table, const ChColumn *col, const char **reason)
{
	switch (col->kind)
	{
		case REDIS_SCORE:
		case REDIS_INDEX:
			break;
		case REDIS_ID:
			if (!is_text_id(col))
				break;
			*reason = "ids are ordered as numbers in Redis and as text here; a column of type timestamptz can do it";
			return false;
		default:
			*reason = "Redis has an order of score, index and id only";
			return false;
	}
	if (table->mismatch_null && !(col->kind == REDIS_SCORE && col->basetype == FLOAT8OID))
	{
		*reason = "a value that does not fit the column's type is NULL here";
		return false;
	}
	return true;
}

/* Members of one score are in the order of their bytes. */
static bool
breaks_ties(const ChTable *table, const ChSortKey *first, const ChSortKey *key)
{
	const ChColumn *col = ch_column(table, key->attno);

	if (ch_column(table, first->attno)->kind != REDIS_SCORE || col->kind != REDIS_MEMBER ||
		key->descending != first->descending || table->mismatch_null)
		return false;
	/* core has seen to it that strings are sorted by their bytes */
	return col->basetype == BYTEAOID ||
		((col->basetype == TEXTOID || col->basetype == VARCHAROID) &&
		 GetDatabaseEncoding() == PG_UTF8);
}

bool
redis_ship_sort(const ChTable *table, List *keys, const char **reason)
{
	const ChSortKey *first = NULL;
	ListCell   *lc;

	if (redis_table(table)->mode != REDIS_BY_KEY)
	{
		*reason = "only the entries of one key have an order in Redis";
		return false;
	}
	foreach(lc, keys)
	{
		const ChSortKey *key = lfirst(lc);
		const ChColumn *col = ch_column(table, key->attno);

		if (col->kind == REDIS_KEY)
			continue;			/* the same in every row */
		if (first == NULL)
		{
			if (!has_order(table, col, reason))
				return false;
			first = key;
			if (col->unique)
				return true;
		}
		else
		{
			*reason = "Redis has no second order";
			return breaks_ties(table, first, key);
		}
	}
	return true;
}

bool
redis_is_descending(const ChScan *scan)
{
	for (int i = 0; i < scan->nsort; i++)
		if (ch_column(scan->table, scan->sort[i]->attno)->kind != REDIS_KEY)
			return scan->sort[i]->descending;
	return false;
}

/* ---- compiling: sets of bytes and ranges ------------------------------------ */

static int
bytes_order(const void *a, const void *b)
{
	const RedisBytes *x = a;
	const RedisBytes *y = b;
	int			cmp = memcmp(x->data, y->data, Min(x->len, y->len));

	return cmp ? cmp : x->len - y->len;
}

static int
range_order(const void *a, const void *b)
{
	return redis_point_cmp(((const RedisRange *) a)->from, ((const RedisRange *) b)->from);
}

static int
unique_bytes(RedisBytes *list, int n)
{
	int			kept = 0;

	qsort(list, n, sizeof(RedisBytes), bytes_order);
	for (int i = 0; i < n; i++)
		if (kept == 0 || bytes_order(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	return kept;
}

static int
intersect_bytes(RedisBytes *list, int n, const RedisBytes *other, int nother)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
		if (bsearch(&list[i], other, nother, sizeof(RedisBytes), bytes_order))
			list[kept++] = list[i];
	return kept;
}

/* Sort, and join what overlaps. */
static int
union_ranges(RedisRange *list, int n)
{
	int			kept = 0;

	qsort(list, n, sizeof(RedisRange), range_order);
	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || redis_point_cmp(list[kept - 1].to, list[i].from) < 0)
			list[kept++] = list[i];
		else if (redis_point_cmp(list[kept - 1].to, list[i].to) < 0)
			list[kept - 1].to = list[i].to;
	}
	return kept;
}

static RedisRange *
intersect_ranges(const RedisRange *a, int na, const RedisRange *b, int nb, int *n)
{
	RedisRange *out = palloc((na + nb) * sizeof(RedisRange));

	*n = 0;
	for (int i = 0, j = 0; i < na && j < nb;)
	{
		RedisRange	r;

		r.from = redis_point_cmp(a[i].from, b[j].from) > 0 ? a[i].from : b[j].from;
		r.to = redis_point_cmp(a[i].to, b[j].to) < 0 ? a[i].to : b[j].to;
		if (redis_point_cmp(r.from, r.to) <= 0)
			out[(*n)++] = r;
		if (redis_point_cmp(a[i].to, b[j].to) < 0)
			i++;
		else
			j++;
	}
	return out;
}

/* ---- compiling: the filter ---------------------------------------------------- */

/* What conditions of one dimension allow; all: anything. */
typedef struct Allowed
{
	Dimension	dim;
	bool		all;
	int			n;
	int			size;
	RedisBytes *bytes;
	RedisRange *ranges;
} Allowed;

static void
allow_bytes(Allowed *a, const ChColumn *col, const ChValue *v, RedisBytes prefix)
{
	if (a->n == a->size)
	{
		a->size = Max(16, a->size * 2);
		a->bytes = a->bytes ? repalloc(a->bytes, a->size * sizeof(RedisBytes)) : palloc(a->size * sizeof(RedisBytes));
	}
	if (redis_bytes_of(col, v, prefix, &a->bytes[a->n]))
		a->n++;
}

static void
allow_range(Allowed *a, const ChColumn *col, ChCmpOp op, const ChValue *v)
{
	if (a->n == a->size)
	{
		a->size = Max(16, a->size * 2);
		a->ranges = a->ranges ? repalloc(a->ranges, a->size * sizeof(RedisRange)) : palloc(a->size * sizeof(RedisRange));
	}
	if (redis_range_of(col, op, v, &a->ranges[a->n]))
		a->n++;
}

static Allowed allowed(const ChCond *cond, RedisBytes prefix);

static Allowed
allowed_by_leaf(const ChCond *cond, RedisBytes prefix)
{
	static const RedisBytes empty = {"", 0};
	Allowed		a = {.dim = dimension_of(cond->col)};

	a.all = cond->kind == CH_COND_NOT_NULL;
	if (cond->kind == CH_COND_NOT_NULL || cond->kind == CH_COND_IS_NULL)
		return a;
	for (int i = 0; i < cond->nvalues; i++)
		if (a.dim == DIM_RANGE)
			allow_range(&a, cond->col, cond->kind == CH_COND_CMP ? cond->op : CH_EQ, &cond->values[i]);
		else
			allow_bytes(&a, cond->col, &cond->values[i], a.dim == DIM_KEY ? prefix : empty);
	if (a.dim == DIM_RANGE)
		a.n = union_ranges(a.ranges, a.n);
	else
		a.n = unique_bytes(a.bytes, a.n);
	return a;
}

static Allowed
either(Allowed a, Allowed b)
{
	Allowed		both = {.dim = a.dim,.all = a.all || b.all,.n = a.n + b.n};

	if (both.all)
		both.n = 0;
	else if (a.dim == DIM_RANGE)
	{
		both.ranges = palloc((both.n + 1) * sizeof(RedisRange));
		memcpy(both.ranges, a.ranges, a.n * sizeof(RedisRange));
		memcpy(both.ranges + a.n, b.ranges, b.n * sizeof(RedisRange));
		both.n = union_ranges(both.ranges, both.n);
	}
	else
	{
		both.bytes = palloc((both.n + 1) * sizeof(RedisBytes));
		memcpy(both.bytes, a.bytes, a.n * sizeof(RedisBytes));
		memcpy(both.bytes + a.n, b.bytes, b.n * sizeof(RedisBytes));
		both.n = unique_bytes(both.bytes, both.n);
	}
	return both;
}

static Allowed
both_of(Allowed a, Allowed b)
{
	if (a.all)
		return b;
	if (b.all)
		return a;
	if (a.dim == DIM_RANGE)
		a.ranges = intersect_ranges(a.ranges, a.n, b.ranges, b.n, &a.n);
	else
		a.n = intersect_bytes(a.bytes, a.n, b.bytes, b.n);
	return a;
}

/* What a condition of one dimension allows: sorted, distinct, disjoint. */
static Allowed
allowed(const ChCond *cond, RedisBytes prefix)
{
	Allowed		a;

	if (cond->kind != CH_COND_OR && cond->kind != CH_COND_AND)
		return allowed_by_leaf(cond, prefix);
	a = allowed(cond->args[0], prefix);
	for (int i = 1; i < cond->nargs; i++)
	{
		Allowed		b = allowed(cond->args[i], prefix);

		a = cond->kind == CH_COND_OR ? either(a, b) : both_of(a, b);
	}
	return a;
}

/* The top of a filter: an AND of conditions that have one dimension each. */
static void
restrict_access(const ChCond *cond, RedisBytes prefix, Allowed *dims)
{
	Allowed		a;

	if (cond->kind == CH_COND_AND)
	{
		for (int i = 0; i < cond->nargs; i++)
			restrict_access(cond->args[i], prefix, dims);
		return;
	}
	a = allowed(cond, prefix);
	dims[a.dim] = both_of(dims[a.dim], a);
}

void
redis_compile(const ChScan *scan, RedisAccess *access)
{
	const RedisTable *rt = redis_table(scan->table);
	RedisBytes	own_key = rt->key;
	Allowed		dims[DIM_MIXED];

	for (int d = 0; d < DIM_MIXED; d++)
		dims[d] = (Allowed) {.dim = d,.all = true};
	if (scan->filter)
		restrict_access(scan->filter, rt->prefix, dims);
	/* a table of one key has that key, whatever else is asked of it */
	if (rt->mode == REDIS_BY_KEY)
	{
		Allowed		own = {.dim = DIM_KEY,.n = 1,.bytes = palloc(sizeof(RedisBytes))};

		own.bytes[0] = own_key;
		dims[DIM_KEY] = both_of(own, dims[DIM_KEY]);
	}
	access->by_key = !dims[DIM_KEY].all;
	access->keys = dims[DIM_KEY].bytes;
	access->nkeys = dims[DIM_KEY].n;
	access->by_member = !dims[DIM_MEMBER].all;
	access->members = dims[DIM_MEMBER].bytes;
	access->nmembers = dims[DIM_MEMBER].n;
	access->by_range = !dims[DIM_RANGE].all;
	access->ranges = dims[DIM_RANGE].ranges;
	access->nranges = dims[DIM_RANGE].n;
	access->never = (access->by_key && access->nkeys == 0) ||
		(access->by_member && access->nmembers == 0) ||
		(access->by_range && access->nranges == 0);
}

/* MATCH for a prefix; its characters that are special in a pattern escaped. */
char *
redis_match_pattern(RedisBytes prefix)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < prefix.len; i++)
	{
		if (strchr("\\*?[]", prefix.data[i]) && prefix.data[i] != '\0')
			appendStringInfoChar(&buf, '\\');
		appendStringInfoChar(&buf, prefix.data[i]);
	}
	appendStringInfoChar(&buf, '*');
	return buf.data;
}

/* ---- EXPLAIN --------------------------------------------------------------------- */

/* One argument of a command, in quotes where redis-cli would need them. */
static void
show_bytes(StringInfo out, const char *data, int len)
{
	bool		plain = len > 0;
	char	   *local;
	int			n;

	for (int i = 0; i < len && plain; i++)
		plain = isalnum((unsigned char) data[i]) || strchr("_-.:*@/", data[i]) != NULL;
	if (plain)
	{
		appendBinaryStringInfo(out, data, len);
		return;
	}
	local = pg_any_to_server(pnstrdup(data, len), len, PG_UTF8);
	n = strlen(local);
	appendStringInfoChar(out, '"');
	for (int i = 0; i < n; i++)
	{
		if (local[i] == '"' || local[i] == '\\')
			appendStringInfoChar(out, '\\');
		if ((unsigned char) local[i] < 0x20)
			appendStringInfo(out, "\\x%02x", local[i]);
		else
			appendStringInfoChar(out, local[i]);
	}
	appendStringInfoChar(out, '"');
}

static void
show_number(StringInfo out, double f)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(f, buf);
	appendStringInfoString(out, buf);
}

static void
show_value(StringInfo out, const ChColumn *col, const ChValue *v)
{
	static const RedisBytes empty = {"", 0};
	RedisBytes	bytes;

	switch (v->kind)
	{
		case CH_PARAM:
			appendStringInfo(out, "$" INT64_FORMAT, v->u.i);
			break;
		case CH_FLOAT:
			show_number(out, v->u.f);
			break;
		case CH_INT:
			appendStringInfo(out, INT64_FORMAT, v->u.i);
			break;
		case CH_INSTANT:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(timestamptz_out, Int64GetDatum(v->u.i))));
			break;
		default:
			if (redis_bytes_of(col, v, empty, &bytes))
				show_bytes(out, bytes.data, bytes.len);
			break;
	}
}

static void
show_list(StringInfo out, const ChCond *cond)
{
	for (int i = 0; i < cond->nvalues; i++)
	{
		if (i > 0)
			appendStringInfoString(out, ", ");
		show_value(out, cond->col, &cond->values[i]);
	}
}

/* True whatever the row: nothing that a pushed condition is about is NULL. */
static bool
is_trivial(const ChCond *cond)
{
	if (cond->kind == CH_COND_OR)
		for (int i = 0; i < cond->nargs; i++)
			if (is_trivial(cond->args[i]))
				return true;
	return cond->kind == CH_COND_NOT_NULL;
}

static void
show_leaf(StringInfo out, const ChCond *cond)
{
	appendStringInfo(out, "%s ", redis_kind_names[cond->col->kind]);
	switch (cond->kind)
	{
		case CH_COND_IN:
			appendStringInfoString(out, "IN (");
			show_list(out, cond);
			appendStringInfoChar(out, ')');
			break;
		case CH_COND_IS_NULL:
			appendStringInfoString(out, "IS NULL");
			break;
		case CH_COND_NOT_NULL:
			appendStringInfoString(out, "IS NOT NULL");
			break;
		default:
			appendStringInfo(out, "%s ", ch_cmp_name[cond->op]);
			show_list(out, cond);
			break;
	}
}

/* Something of one dimension. */
static void
show_tree(StringInfo out, const ChCond *cond)
{
	if (cond->kind != CH_COND_OR && cond->kind != CH_COND_AND)
	{
		show_leaf(out, cond);
		return;
	}
	appendStringInfoChar(out, '(');
	for (int i = 0; i < cond->nargs; i++)
	{
		if (i > 0)
			appendStringInfoString(out, cond->kind == CH_COND_OR ? " OR " : " AND ");
		show_tree(out, cond->args[i]);
	}
	appendStringInfoChar(out, ')');
}

static Dimension
first_dimension(const ChCond *cond)
{
	while (cond->kind == CH_COND_OR || cond->kind == CH_COND_AND)
		cond = cond->args[0];
	return dimension_of(cond->col);
}

/*
 * Conditions of one dimension in SQL's words, joined by AND; first: nothing is
 * in out yet.  Returns the same for what follows.
 */
static bool
show_conditions(StringInfo out, const ChCond *cond, Dimension dim, bool first)
{
	if (cond->kind == CH_COND_AND)
	{
		for (int i = 0; i < cond->nargs; i++)
			first = show_conditions(out, cond->args[i], dim, first);
		return first;
	}
	if (is_trivial(cond) || first_dimension(cond) != dim)
		return first;
	if (!first)
		appendStringInfoString(out, " AND ");
	show_tree(out, cond);
	return false;
}

static char *
conditions_text(const ChScan *scan, Dimension dim)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (scan->filter)
		(void) show_conditions(&buf, scan->filter, dim, true);
	return buf.data;
}

/* The only condition on the key, if it is an equality; else NULL. */
static const ChCond *
key_equality(const ChCond *cond)
{
	const ChCond *found = NULL;
	int			about_key = 0;

	if (cond == NULL)
		return NULL;
	if (cond->kind == CH_COND_CMP || cond->kind == CH_COND_IN)
		return first_dimension(cond) == DIM_KEY ? cond : NULL;
	if (cond->kind != CH_COND_AND)
		return NULL;
	for (int i = 0; i < cond->nargs; i++)
	{
		if (is_trivial(cond->args[i]) || first_dimension(cond->args[i]) != DIM_KEY)
			continue;
		about_key++;
		found = key_equality(cond->args[i]);
	}
	return about_key == 1 ? found : NULL;
}

/* prefix and value, as one argument */
static void
show_key(StringInfo out, RedisBytes prefix, const ChColumn *col, const ChValue *v)
{
	RedisBytes	bytes = prefix;

	if (v->kind == CH_PARAM)
	{
		if (prefix.len > 0)
			show_bytes(out, prefix.data, prefix.len);
		show_value(out, col, v);
		return;
	}
	(void) redis_bytes_of(col, v, prefix, &bytes);
	show_bytes(out, bytes.data, bytes.len);
}

/* Keys that are given. Returns how the commands name one. */
static char *
show_listed_keys(StringInfo out, const ChScan *scan, const char *condition)
{
	const RedisTable *rt = redis_table(scan->table);
	const ChCond *equality = key_equality(scan->filter);
	StringInfoData name;

	initStringInfo(&name);
	if (rt->mode == REDIS_BY_KEY)
	{
		show_bytes(&name, rt->key.data, rt->key.len);
		if (condition[0])
			appendStringInfo(out, "if %s: ", condition);
		return name.data;
	}
	if (equality && equality->nvalues == 1 && equality->kind == CH_COND_CMP)
	{
		show_key(&name, rt->prefix, equality->col, &equality->values[0]);
		return name.data;
	}
	appendStringInfoString(out, "for <key> in (");
	if (equality)
		for (int i = 0; i < equality->nvalues; i++)
		{
			if (i > 0)
				appendStringInfoString(out, ", ");
			show_key(out, rt->prefix, equality->col, &equality->values[i]);
		}
	else
	{
		show_bytes(out, rt->prefix.data, rt->prefix.len);
		appendStringInfo(out, "* where %s", condition);
	}
	appendStringInfoString(out, "): ");
	return "<key>";
}

/* Where the keys come from. Returns how the commands name one. */
static char *
show_source(StringInfo out, const ChScan *scan)
{
	const RedisTable *rt = redis_table(scan->table);
	char	   *condition = conditions_text(scan, DIM_KEY);
	char	   *key = "<key>";

	if (rt->mode == REDIS_BY_KEY || condition[0])
	{
		key = show_listed_keys(out, scan, condition);
		if (rt->mode == REDIS_BY_SET)
		{
			appendStringInfoString(out, "SISMEMBER ");
			show_bytes(out, rt->key.data, rt->key.len);
			appendStringInfo(out, " %s; ", key);
		}
	}
	else if (rt->mode == REDIS_BY_SET)
	{
		appendStringInfoString(out, "SSCAN ");
		show_bytes(out, rt->key.data, rt->key.len);
		appendStringInfoString(out, "; ");
	}
	else
	{
		appendStringInfoString(out, "SCAN");
		if (rt->prefix.len > 0)
		{
			char	   *pattern = redis_match_pattern(rt->prefix);

			appendStringInfoString(out, " MATCH ");
			show_bytes(out, pattern, strlen(pattern));
		}
		if (!rt->wrong_type_error)
			appendStringInfo(out, " TYPE %s", redis_type_names[rt->type]);
		appendStringInfoString(out, "; ");
	}
	return key;
}

/* Is a column of the kind asked for? */
static bool
wants(const ChScan *scan, RedisKind kind)
{
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->columns[i]->kind == (int) kind)
			return true;
	return false;
}

static void
show_hash(StringInfo out, const ChScan *scan, const char *key, bool scanned)
{
	if (wants(scan, REDIS_VALUE))
		appendStringInfo(out, "HGETALL %s; ", key);
	else if (wants(scan, REDIS_FIELD))
	{
		appendStringInfo(out, "HMGET %s", key);
		for (int i = 0; i < scan->ncolumns; i++)
			if (scan->columns[i]->kind == REDIS_FIELD)
			{
				appendStringInfoChar(out, ' ');
				show_bytes(out, scan->columns[i]->remote, strlen(scan->columns[i]->remote));
			}
		appendStringInfoString(out, "; ");
	}
	if (!scanned && !wants(scan, REDIS_VALUE))
		appendStringInfo(out, "HLEN %s; ", key);
}

/* The commands for the entries of a key. */
static void
show_entries(StringInfo out, const ChScan *scan, const char *key, bool scanned)
{
	const RedisTable *rt = redis_table(scan->table);
	bool		descending = redis_is_descending(scan);
	char	   *members = conditions_text(scan, DIM_MEMBER);
	char	   *range = conditions_text(scan, DIM_RANGE);
	const char *command = NULL;

	switch (rt->type)
	{
		case REDIS_HASH:
			show_hash(out, scan, key, scanned);
			return;
		case REDIS_STRING:
			if (wants(scan, REDIS_VALUE))
				command = rt->wrong_type_error ? "GET" : "MGET";
			else if (!scanned)
				command = "TYPE";
			break;
		case REDIS_LIST:
			command = "LRANGE";
			break;
		case REDIS_SET:
			command = members[0] ? "SISMEMBER" : "SSCAN";
			break;
		case REDIS_ZSET:
			command = members[0] ? "ZSCORE" :
				scan->nsort == 0 && !range[0] ? "ZSCAN" :
				descending ? "ZREVRANGEBYSCORE" : "ZRANGEBYSCORE";
			break;
		case REDIS_STREAM:
			command = descending ? "XREVRANGE" : "XRANGE";
			break;
	}
	if (command == NULL)
		return;
	appendStringInfo(out, "%s %s", command, key);
	if (members[0])
		appendStringInfo(out, " [%s]", members);
	if (range[0])
		appendStringInfo(out, " [%s]", range);
	if (rt->type == REDIS_LIST && descending)
		appendStringInfoString(out, " [from the end]");
	appendStringInfoString(out, "; ");
}

void
redis_explain(ChScan *scan, StringInfo out)
{
	const RedisTable *rt = redis_table(scan->table);
	bool		scanned = rt->mode == REDIS_BY_PREFIX && !rt->wrong_type_error &&
		conditions_text(scan, DIM_KEY)[0] == '\0';
	int			start = out->len;
	char	   *key = show_source(out, scan);

	show_entries(out, scan, key, scanned);
	if (wants(scan, REDIS_TTL))
		appendStringInfo(out, "PTTL %s; ", key);
	if (scan->offset > 0)
		appendStringInfo(out, "skip " INT64_FORMAT "; ", scan->offset);
	if (scan->limit >= 0)
		appendStringInfo(out, "stop after " INT64_FORMAT " rows; ", scan->limit);
	if (out->len > start + 1 && out->data[out->len - 2] == ';')
	{
		out->len -= 2;
		out->data[out->len] = '\0';
	}
}
