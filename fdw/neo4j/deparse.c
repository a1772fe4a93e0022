/*
 * deparse.c
 *	  What is the Cypher of a scan, and which orders can it have?
 *
 *	  MATCH (n:`Label`) WHERE ... RETURN n.`a`, n.`b` ORDER BY ... SKIP $p2 LIMIT $p3
 *
 * Values are parameters, never text, so that Neo4j finds the plan of the same
 * query again; names are quoted by neo4j_quote.  compare.c writes conditions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "fdw/neo4j/neo4j.h"

/* ---- orders -------------------------------------------------------------------- */

static bool
refuse(const char **reason, const char *why)
{
	*reason = why;
	return false;
}

static bool
ship_key(const ChTable *table, const ChColumn *col, const char **reason)
{
	const Neo4jTable *t = table->priv;

	if (col->basetype == NUMERICOID)
		return refuse(reason, "a float is sorted by its decimal form here, by its value in Neo4j");
	if (col->basetype == UUIDOID || col->basetype == BYTEAOID)
		return refuse(reason, "Neo4j has no equal of the column's type");
	if (table->mismatch_null && !neo4j_has_fit(col))
		return refuse(reason, "on_type_mismatch is 'null', and Neo4j cannot tell which values the column's type holds");
	if ((col->basetype == TEXTOID || col->basetype == VARCHAROID) && t->form == NEO4J_RESULT)
		return refuse(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
	return true;
}

bool
neo4j_ship_sort(const ChTable *table, List *keys, const char **reason)
{
	ListCell   *lc;

	foreach(lc, keys)
		if (!ship_key(table, ch_column(table, ((ChSortKey *) lfirst(lc))->attno), reason))
			return false;
	return true;
}

/* CASE WHEN the value fits THEN what END, or just what if every value does. */
static void
put_guarded(Neo4jText *q, const ChColumn *col, const char *type, const char *what)
{
	if (!col->table->mismatch_null && type == NULL)
	{
		appendStringInfoString(&q->text, what);
		return;
	}
	appendStringInfoString(&q->text, "CASE WHEN ");
	if (col->table->mismatch_null)
		neo4j_put_fit(q, col);
	else
		appendStringInfo(&q->text, "%s IS :: %s NOT NULL", NEO4J_EXPR(col), type);
	appendStringInfo(&q->text, " THEN %s END", what);
}

static void
put_direction(Neo4jText *q, bool descending)
{
	appendStringInfoString(&q->text, descending ? " DESC" : "");
}

/*
 * A key that others follow must call equal what PostgreSQL calls equal, or
 * the others would not get to decide: -0.0 is below 0.0 in Neo4j's order, and
 * times may differ below a microsecond or in their zone only.
 */
static void
put_strict_key(Neo4jText *q, const ChColumn *col, bool descending)
{
	const char *p = NEO4J_EXPR(col);

	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
			put_guarded(q, col, NULL, psprintf("CASE WHEN %s = 0 THEN 0 ELSE %s END", p, p));
			break;
		case TIMESTAMPTZOID:
			put_guarded(q, col, "ZONED DATETIME", psprintf("%s.epochSeconds", p));
			put_direction(q, descending);
			appendStringInfoString(&q->text, ", ");
			put_guarded(q, col, "ZONED DATETIME", psprintf("%s.microsecond", p));
			break;
		case TIMESTAMPOID:
			put_guarded(q, col, "LOCAL DATETIME", psprintf("localdatetime.truncate('microsecond', %s)", p));
			break;
		case TIMEOID:
			put_guarded(q, col, "LOCAL TIME", psprintf("localtime.truncate('microsecond', %s)", p));
			break;
		default:
			put_guarded(q, col, NULL, p);
	}
	put_direction(q, descending);
}

/* Null is the greatest in Neo4j: that is PostgreSQL's default, too. */
static void
put_sort_key(Neo4jText *q, const ChColumn *col, const ChSortKey *key, bool last)
{
	if (key->nulls_first != key->descending)
	{
		appendStringInfoChar(&q->text, '(');
		put_guarded(q, col, NULL, NEO4J_EXPR(col));
		appendStringInfoString(&q->text, ") IS NULL");
		put_direction(q, key->nulls_first);
		appendStringInfoString(&q->text, ", ");
	}
	if (!last)
	{
		put_strict_key(q, col, key->descending);
		return;
	}
	put_guarded(q, col, NULL, NEO4J_EXPR(col));
	put_direction(q, key->descending);
}

/* ---- the query ------------------------------------------------------------------- */

static void
put_condition(Neo4jText *q, const ChCond *cond)
{
	if (cond->kind != CH_COND_AND && cond->kind != CH_COND_OR)
	{
		neo4j_put_leaf(q, cond);
		return;
	}
	for (int i = 0; i < cond->nargs; i++)
	{
		const ChCond *arg = cond->args[i];
		bool		nested = arg->kind == CH_COND_AND || arg->kind == CH_COND_OR;

		if (i > 0)
			appendStringInfoString(&q->text, cond->kind == CH_COND_AND ? " AND " : " OR ");
		appendStringInfoString(&q->text, nested ? "(" : "");
		put_condition(q, arg);
		appendStringInfoString(&q->text, nested ? ")" : "");
	}
}

/* Two columns of the same property would have the same name in the result. */
static bool
same_twice(const ChScan *scan)
{
	for (int i = 0; i < scan->ncolumns; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(NEO4J_EXPR(scan->columns[i]), NEO4J_EXPR(scan->columns[j])) == 0)
				return true;
	return false;
}

static void
put_columns(Neo4jText *q, const ChScan *scan)
{
	bool		name = same_twice(scan);

	appendStringInfoString(&q->text, " RETURN ");
	for (int i = 0; i < scan->ncolumns; i++)
	{
		appendStringInfo(&q->text, "%s%s", i ? ", " : "", NEO4J_EXPR(scan->columns[i]));
		if (name)
			appendStringInfo(&q->text, " AS `_%d`", scan->columns[i]->attno);
	}
}

static void
put_order(Neo4jText *q, const ChScan *scan)
{
	for (int i = 0; i < scan->nsort; i++)
	{
		const ChSortKey *key = scan->sort[i];

		appendStringInfoString(&q->text, i ? ", " : " ORDER BY ");
		put_sort_key(q, ch_column(scan->table, key->attno), key, i == scan->nsort - 1);
	}
}

static void
put_count(Neo4jText *q, const char *keyword, int64 n)
{
	ChValue		v = {.kind = CH_COUNT_IS_PARAM(n) ? CH_PARAM : CH_INT};

	v.u.i = CH_COUNT_IS_PARAM(n) ? CH_COUNT_NUMBER(n) : n;
	appendStringInfo(&q->text, " %s ", keyword);
	neo4j_put_value(q, &v);
}

static void
put_limit(Neo4jText *q, const ChScan *scan)
{
	if (scan->offset != 0)
		put_count(q, "SKIP", scan->offset);
	if (scan->limit != -1)
		put_count(q, "LIMIT", scan->limit);
}

void
neo4j_compile(ChScan *scan, Neo4jText *q, bool *count)
{
	const Neo4jTable *t = scan->table->priv;

	initStringInfo(&q->text);
	initStringInfo(&q->params);
	q->nparams = 0;
	*count = scan->ncolumns == 0;
	appendStringInfoString(&q->text, t->from);
	if (scan->filter)
	{
		appendStringInfoString(&q->text, " WHERE ");
		put_condition(q, scan->filter);
	}
	if (!*count)
	{
		put_columns(q, scan);
		put_order(q, scan);
		put_limit(q, scan);
		return;
	}
	/* rows without a column are all alike: their number will do */
	if (scan->limit != -1 || scan->offset != 0)
	{
		appendStringInfoString(&q->text, " WITH 1 AS `_`");
		put_limit(q, scan);
	}
	appendStringInfoString(&q->text, " RETURN count(*)");
}

void
neo4j_explain(ChScan *scan, StringInfo out)
{
	Neo4jText	q = {.explain = true};
	bool		count;

	neo4j_compile(scan, &q, &count);
	/* on one line, unless a comment would swallow the rest of it */
	if (strstr(q.text.data, "//") == NULL)
		for (char *c = q.text.data; *c; c++)
			if (isspace((unsigned char) *c))
				*c = ' ';
	appendStringInfoString(out, q.text.data);
}
