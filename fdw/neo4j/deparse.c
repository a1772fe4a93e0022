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
ship_key(const ChColumn *col, const char **reason)
{
	const ChTable *table = col->table;
	const Neo4jTable *t = table->priv;

	if (col->basetype == NUMERICOID)
		return ch_refuse(reason, "a float is sorted by its decimal form here, by its value in Neo4j");
	if (col->basetype == UUIDOID || col->basetype == BYTEAOID)
		return ch_refuse(reason, "Neo4j has no equal of the column's type");
	if (table->mismatch_null && !neo4j_has_fit(col))
		return ch_refuse(reason, "on_type_mismatch is 'null', and Neo4j cannot tell which values the column's type holds");
	if (ch_is_text(col->basetype) && (col->kind == NEO4J_COMPUTED || t->form == NEO4J_RESULT))
		return ch_refuse(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
	return true;
}

bool
neo4j_ship_sort(const ChTable *table, List *keys, const char **reason)
{
	ListCell   *lc;

	if (table->grouped)
		return neo4j_ship_group_sort(table, keys, reason);
	foreach(lc, keys)
		if (!ship_key(ch_column(table, ((ChSortKey *) lfirst(lc))->attno), reason))
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

/* The microsecond of a datetime, in UTC; epochSeconds would round to 1970. */
char *
neo4j_moment(const char *p)
{
	return psprintf("datetime.truncate('microsecond', datetime({datetime: %s, timezone: 'Z'}))", p);
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
			put_guarded(q, col, "ZONED DATETIME", neo4j_moment(p));
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

void
neo4j_put_condition(Neo4jText *q, const ChCond *cond)
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
		neo4j_put_condition(q, arg);
		appendStringInfoString(&q->text, nested ? ")" : "");
	}
}

/* Columns as c0, c1, ...: two may be of the same property. */
static bool
must_be_named(const ChScan *scan)
{
	for (int i = 0; i < scan->ncolumns; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(NEO4J_EXPR(scan->columns[i]), NEO4J_EXPR(scan->columns[j])) == 0)
				return true;
	return scan->nsets > 0;
}

static void
put_columns(Neo4jText *q, const ChScan *scan)
{
	bool		name = must_be_named(scan);

	appendStringInfoString(&q->text, " RETURN ");
	for (int i = 0; i < scan->ncolumns; i++)
	{
		appendStringInfo(&q->text, "%s%s", i ? ", " : "", NEO4J_EXPR(scan->columns[i]));
		if (name)
			appendStringInfo(&q->text, " AS c%d", i);
	}
	if (scan->ncolumns == 0)
		appendStringInfoString(&q->text, "1 AS c0");
}

static void
put_order(Neo4jText *q, const ChScan *scan, const List *checked)
{
	bool		begun = neo4j_put_bad_first(q, scan, checked);

	for (int i = 0; i < scan->nsort; i++)
	{
		const ChSortKey *key = scan->sort[i];

		appendStringInfoString(&q->text, i || begun ? ", " : " ORDER BY ");
		/* of groups equal values are one */
		put_sort_key(q, ch_column(scan->groups ? scan->groups : scan->table, key->attno), key,
					 scan->groups || i == scan->nsort - 1);
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
put_limit(Neo4jText *q, int64 limit, int64 offset)
{
	if (offset != 0)
		put_count(q, "SKIP", offset);
	if (limit != -1)
		put_count(q, "LIMIT", limit);
}

/* Does the condition speak of the first table of a join only? */
static bool
is_of_first(const ChTable *joined, const ChCond *cond)
{
	for (int i = 0; i < cond->nargs; i++)
		if (!is_of_first(joined, cond->args[i]))
			return false;
	if (cond->kind == CH_COND_AND || cond->kind == CH_COND_OR)
		return true;
	return cond->col->attno < joined->first[1] && (cond->other == NULL || cond->other->attno < joined->first[1]);
}

/*
 * WITH DISTINCT the variables of the tables up to the join.  They tell the rows
 * so far apart, so that a semi join is a join made distinct: the server may
 * begin at either side, which it cannot with EXISTS.
 */
static void
put_distinct(Neo4jText *q, const ChScan *scan, int njoins)
{
	const Neo4jTable *tables = scan->table->priv;

	appendStringInfoString(&q->text, scan->nsets > 0 ? " WITH DISTINCT q" : " WITH DISTINCT ");
	for (int m = 0; m <= njoins; m++)
	{
		if (m > 0 && (scan->joins[m - 1].type == JOIN_SEMI || scan->joins[m - 1].type == JOIN_ANTI))
			continue;
		appendStringInfoString(&q->text, m > 0 || scan->nsets > 0 ? ", " : "");
		if (tables[m].form == NEO4J_NODES)
			appendStringInfo(&q->text, "n%d", m + 1);
		else
			appendStringInfo(&q->text, "s%d, r%d, e%d", m + 1, m + 1, m + 1);
	}
}

/* MATCH ... WHERE for each further table. */
static void
put_joins(Neo4jText *q, const ChScan *scan)
{
	const Neo4jTable *tables = scan->table->priv;

	for (int i = 0; i < scan->njoins; i++)
	{
		const ChBoundJoin *join = &scan->joins[i];

		if (join->type == JOIN_ANTI)
			appendStringInfoString(&q->text, " WITH * WHERE NOT EXISTS { ");
		else
			appendStringInfoString(&q->text, join->type == JOIN_LEFT ? " OPTIONAL " : " ");
		appendStringInfoString(&q->text, tables[i + 1].from);
		if (join->on)
		{
			appendStringInfoString(&q->text, " WHERE ");
			neo4j_put_condition(q, join->on);
		}
		if (join->type == JOIN_ANTI)
			appendStringInfoString(&q->text, " }");
		else if (join->type == JOIN_SEMI)
			put_distinct(q, scan, i);
	}
}

/* MATCH and WHERE of all tables. */
static void
put_rows(Neo4jText *q, const ChScan *scan, const ChCond *filter)
{
	bool		late = scan->njoins > 0 && filter && !is_of_first(scan->table, filter);

	appendStringInfoString(&q->text, ((const Neo4jTable *) scan->table->priv)->from);
	if (filter && !late)
	{
		appendStringInfoString(&q->text, " WHERE ");
		neo4j_put_condition(q, filter);
	}
	put_joins(q, scan);
	if (late)
	{
		appendStringInfoString(&q->text, " WITH * WHERE ");
		neo4j_put_condition(q, filter);
	}
}

/* The query of one question, up to its last clause. */
static void
put_query(Neo4jText *q, const ChScan *scan, const ChCond *filter, int64 limit, int64 offset, Neo4jForms *forms)
{
	put_rows(q, scan, filter);
	if (scan->grouped)
	{
		neo4j_put_groups(q, scan, &forms->checked);
		put_order(q, scan, forms->checked);
		put_limit(q, limit, offset);
	}
	else if (forms->count)
	{
		/* rows without a column are all alike: their number will do */
		if (limit != -1 || offset != 0)
		{
			appendStringInfoString(&q->text, " WITH 1 AS `_`");
			put_limit(q, limit, offset);
		}
		appendStringInfoString(&q->text, " RETURN count(*)");
	}
	else
	{
		put_columns(q, scan);
		put_order(q, scan, NIL);
		put_limit(q, limit, offset);
	}
}

/* ---- several questions at once ---------------------------------------------------- */

/*
 * Sets whose conditions read the same but for their values are rows of one
 * parameter:
 *
 *	  UNWIND $s1 AS q CALL { WITH q MATCH ... WHERE n.x = q.p1 RETURN ... } RETURN q.i, ...
 *
 * A set whose values need other words (an integer that no float holds, say) is
 * another part of a UNION ALL.
 */
typedef struct SetGroup
{
	char	   *text;
	int			n;				/* sets */
	StringInfoData sets;		/* packed maps */
	Neo4jForms	forms;
} SetGroup;

int
neo4j_ship_sets(const ChTable *table, const ChQuery *query)
{
	if (table->nmembers == 0 && ((const Neo4jTable *) table->priv)->form == NEO4J_RESULT)
		return 0;
	return 1000;
}

/* The text of one set; its values go into set. */
static char *
put_set(const ChScan *scan, const ChSet *set, StringInfo values, int *nvalues, Neo4jForms *forms)
{
	Neo4jText	q = {.in_set = true};

	initStringInfo(&q.text);
	initStringInfo(&q.params);
	put_query(&q, scan, set->filter, -1, 0, forms);
	/* LIMIT takes no value of a row: it is part of the text */
	if (set->offset != 0)
		appendStringInfo(&q.text, " SKIP " INT64_FORMAT, set->offset);
	if (set->limit != -1)
		appendStringInfo(&q.text, " LIMIT " INT64_FORMAT, set->limit);
	*values = q.params;
	*nvalues = q.nparams;
	return q.text.data;
}

static SetGroup *
find_group(List **groups, char *text, const Neo4jForms *forms)
{
	SetGroup   *group;
	ListCell   *lc;

	foreach(lc, *groups)
	{
		group = lfirst(lc);
		if (strcmp(group->text, text) == 0)
			return group;
	}
	group = palloc0(sizeof(SetGroup));
	group->text = text;
	group->forms = *forms;
	initStringInfo(&group->sets);
	*groups = lappend(*groups, group);
	return group;
}

static void
add_set(List **groups, const ChScan *scan, int number)
{
	StringInfoData values;
	int			nvalues;
	Neo4jForms	forms = {0};
	char	   *text = put_set(scan, &scan->sets[number], &values, &nvalues, &forms);
	SetGroup   *group = find_group(groups, text, &forms);
	ChValue		i = {.kind = CH_INT};

	i.u.i = number;
	group->n++;
	neo4j_pack_map(&group->sets, nvalues + 1);
	neo4j_pack_text(&group->sets, "i");
	neo4j_pack_value(&group->sets, &i);
	appendBinaryStringInfo(&group->sets, values.data, values.len);
}

static void
put_sets(Neo4jText *q, const ChScan *scan, Neo4jForms *forms)
{
	List	   *groups = NIL;
	ListCell   *lc;

	for (int i = 0; i < scan->nsets; i++)
		add_set(&groups, scan, i);
	forms->numbered = true;
	foreach(lc, groups)
	{
		SetGroup   *group = lfirst(lc);
		int			n;

		*forms = group->forms;
		forms->numbered = true;
		n = Max(scan->ncolumns, 1) + list_length(forms->checked);
		appendStringInfo(&q->text, "%sUNWIND $s%d AS q CALL { WITH q %s } RETURN q.i AS i",
						 q->text.len ? " UNION ALL " : "", ++q->nparams, group->text);
		for (int i = 0; i < n; i++)
			appendStringInfo(&q->text, ", c%d", i);
		neo4j_pack_text(&q->params, psprintf("s%d", q->nparams));
		neo4j_pack_list(&q->params, group->n);
		appendBinaryStringInfo(&q->params, group->sets.data, group->sets.len);
	}
}

void
neo4j_compile(ChScan *scan, Neo4jText *q, Neo4jForms *forms)
{
	initStringInfo(&q->text);
	initStringInfo(&q->params);
	q->nparams = 0;
	memset(forms, 0, sizeof(*forms));
	if (scan->nsets > 0)
	{
		put_sets(q, scan, forms);
		return;
	}
	forms->count = !scan->grouped && scan->ncolumns == 0;
	put_query(q, scan, scan->filter, scan->limit, scan->offset, forms);
}

bool
neo4j_ship_join(const ChTable *joined, const ChQuery *query, const char **reason)
{
	const Neo4jTable *tables = joined->priv;

	for (int m = 0; m < joined->nmembers; m++)
		if (tables[m].form == NEO4J_RESULT)
			return ch_refuse(reason, "a table that is a Cypher text is joined by PostgreSQL only");
	return true;
}

void
neo4j_explain(ChScan *scan, StringInfo out)
{
	Neo4jText	q = {.explain = true};
	Neo4jForms	forms;

	neo4j_compile(scan, &q, &forms);
	/* on one line, unless a comment would swallow the rest of it */
	if (strstr(q.text.data, "//") == NULL)
		for (char *c = q.text.data; *c; c++)
			if (isspace((unsigned char) *c))
				*c = ' ';
	appendStringInfoString(out, q.text.data);
}
