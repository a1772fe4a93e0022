/*
 * deparse.c
 *	  Which conditions and orders Redis can do, and what is asked for them.
 *
 * Redis has no query language: what it does without reading everything is to
 * find a key, to find a member of a set, and to cut a range out of scores,
 * list positions or stream ids.  A pushed filter is therefore compiled to one
 * restriction of each of these three dimensions, all of which hold (an AND of
 * the three); OR is possible within one dimension, where it is a union.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

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
		return ch_no_ship(reason, col->kind == REDIS_KEY ? "Redis finds a key by equality only" :
				  "Redis finds a member by equality only");
	if (!redis_finds_by_bytes(col))
		return ch_no_ship(reason, psprintf("Redis compares bytes, and a value of type %s has several spellings",
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
			return ch_no_ship(reason, psprintf("a score in Redis is a double, and type %s compares otherwise",
									   format_type_be(col->typid)));
	}
}

/* Score, index and id: found by ranges. */
static ChShip
ship_range(const ChColumn *col, const ChExpr *leaf, const char **reason)
{
	if (leaf->kind == CH_COND_NOT_IN || (leaf->kind == CH_COND_CMP && leaf->op == CH_NE))
		return ch_no_ship(reason, "Redis has ranges, but none that leaves values out");
	if (is_text_id(col) && !is_equality(leaf))
		return ch_no_ship(reason, "ids are ordered as numbers in Redis and as text here; a column of type timestamptz can do it");
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
		return ch_no_ship(reason, "a value that does not fit the column's type is NULL here");
	return CH_SHIP_EXACT;
}

ChShip
redis_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason)
{
	const ChColumn *col = ch_column(table, leaf->attno);

	switch (col->kind)
	{
		case REDIS_FIELD:
			return ch_no_ship(reason, "Redis finds entries by key, not by the value of a field");
		case REDIS_VALUE:
			return ch_no_ship(reason, "Redis finds entries by key, not by their value");
		case REDIS_TTL:
			return ch_no_ship(reason, "Redis finds entries by key, not by their time to live");
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
static RedisDimension
dimension_of_expr(const ChTable *table, const ChExpr *expr)
{
	RedisDimension	dim = REDIS_DIM_MIXED;
	ListCell   *lc;

	if (expr->kind != CH_COND_OR && expr->kind != CH_COND_AND)
		return redis_dimension(ch_column(table, expr->attno));
	foreach(lc, expr->args)
	{
		RedisDimension	d = dimension_of_expr(table, lfirst(lc));

		if (d == REDIS_DIM_MIXED || (foreach_current_index(lc) > 0 && d != dim))
			return REDIS_DIM_MIXED;
		dim = d;
	}
	return dim;
}

ChShip
redis_ship_bool(const ChTable *table, const ChExpr *expr, ChShip given, const char **reason)
{
	if (expr->kind == CH_COND_OR && given != CH_SHIP_NO &&
		dimension_of_expr(table, expr) == REDIS_DIM_MIXED)
		return ch_no_ship(reason, "Redis can join alternatives only if all of them are about the key, or all about the same order");
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
	/* scores that differ in Redis may be equal as real */
	if (ch_column(table, first->attno)->basetype == FLOAT4OID)
		return false;
	/* core has seen to it that strings are sorted by their bytes */
	return col->basetype == BYTEAOID ||
		(ch_is_text(col->basetype) &&
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

/* Keep those that are in other, too, which is sorted. */
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
	RedisDimension	dim;
	bool		all;
	int			n;
	int			size;
	RedisBytes *bytes;
	bool		sorted;			/* bytes are in order */
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
	Allowed		a = {.dim = redis_dimension(cond->col)};

	a.all = cond->kind == CH_COND_NOT_NULL;
	if (cond->kind == CH_COND_NOT_NULL || cond->kind == CH_COND_IS_NULL)
		return a;
	for (int i = 0; i < cond->nvalues; i++)
		if (a.dim == REDIS_DIM_RANGE)
			allow_range(&a, cond->col, cond->kind == CH_COND_CMP ? cond->op : CH_EQ, &cond->values[i]);
		else
			allow_bytes(&a, cond->col, &cond->values[i], a.dim == REDIS_DIM_KEY ? prefix : empty);
	/* values of a list are distinct, and have one spelling each */
	if (a.dim == REDIS_DIM_RANGE)
		a.n = union_ranges(a.ranges, a.n);
	return a;
}

static Allowed
either(Allowed a, Allowed b)
{
	Allowed		both = {.dim = a.dim,.all = a.all || b.all,.n = a.n + b.n};

	if (both.all)
		both.n = 0;
	else if (a.dim == REDIS_DIM_RANGE)
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
		both.sorted = true;
	}
	return both;
}

static void
sort_bytes(Allowed *a)
{
	if (!a->sorted)
		qsort(a->bytes, a->n, sizeof(RedisBytes), bytes_order);
	a->sorted = true;
}

static Allowed
both_of(Allowed a, Allowed b)
{
	if (a.all)
		return b;
	if (b.all)
		return a;
	if (a.dim == REDIS_DIM_RANGE)
		a.ranges = intersect_ranges(a.ranges, a.n, b.ranges, b.n, &a.n);
	else
	{
		sort_bytes(&b);
		a.n = intersect_bytes(a.bytes, a.n, b.bytes, b.n);
	}
	return a;
}

/* What a condition of one dimension allows: distinct, disjoint; ranges are sorted. */
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
	Allowed		dims[REDIS_DIM_MIXED];

	for (int d = 0; d < REDIS_DIM_MIXED; d++)
		dims[d] = (Allowed) {.dim = d,.all = true};
	if (scan->filter)
		restrict_access(scan->filter, rt->prefix, dims);
	/* a table of one key has that key, whatever else is asked of it */
	if (rt->mode == REDIS_BY_KEY)
	{
		Allowed		own = {.dim = REDIS_DIM_KEY,.n = 1,.bytes = palloc(sizeof(RedisBytes))};

		own.bytes[0] = own_key;
		dims[REDIS_DIM_KEY] = both_of(own, dims[REDIS_DIM_KEY]);
	}
	access->by_key = !dims[REDIS_DIM_KEY].all;
	access->keys = dims[REDIS_DIM_KEY].bytes;
	access->nkeys = dims[REDIS_DIM_KEY].n;
	sort_bytes(&dims[REDIS_DIM_MEMBER]);
	access->by_member = !dims[REDIS_DIM_MEMBER].all;
	access->members = dims[REDIS_DIM_MEMBER].bytes;
	access->nmembers = dims[REDIS_DIM_MEMBER].n;
	access->by_range = !dims[REDIS_DIM_RANGE].all;
	access->ranges = dims[REDIS_DIM_RANGE].ranges;
	access->nranges = dims[REDIS_DIM_RANGE].n;
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
