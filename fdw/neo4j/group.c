/*
 * group.c
 *	  How are groups and aggregates said in Cypher?
 *
 * Cypher groups by every expression of RETURN that has no aggregate.  What
 * differs from SQL, and what is done about it:
 *
 *	- The same value in another form (1 and 1.0, -0.0, NaN, one moment in two
 *	  zones, nanoseconds) must be one group: keys are brought to one form.
 *	- sum of nothing is 0, and of integers it fails beyond int64: a count
 *	  decides on NULL, and bigints are summed in two halves.
 *	- Floats overflow to infinity without a word: the infinite ones are counted.
 *	- A value that the column's type does not hold is NULL or an error here.
 *	  With 'null' it is left out.  With 'error' one of them, if there is one,
 *	  comes back with the group and is then refused like any other.
 *
 * What is above groups is said of their columns:
 *
 *	  ... WITH key AS c0, count(*) AS c1 WHERE c1 > $p2 RETURN c0, c1 ORDER BY c1 DESC LIMIT $p3
 *
 * A group with a value that does not fit passes any condition, and comes before
 * all others.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "fdw/neo4j/neo4j.h"

/* ---- may it ship ---------------------------------------------------------------- */

/* Can equal values be brought to one form, and be told from what is no value? */
bool
neo4j_has_form(const ChColumn *col, const char **reason)
{
	if (!neo4j_has_fit(col) || col->basetype == NUMERICOID)
		return ch_refuse(reason, "values of the column's type have no single form in Neo4j");
	return true;
}

static bool
ship_target(const ChTable *table, const ChTarget *target, const char **reason)
{
	const ChColumn *col = target->attno ? ch_column(table, target->attno) : NULL;

	if (col == NULL)
		return true;
	switch (target->agg)
	{
		case CH_AGG_COUNT:
			if (!target->distinct)
				return neo4j_has_fit(col) || col->basetype == JSONBOID ? true
					: ch_refuse(reason, "Neo4j cannot tell which values the column's type holds");
			break;
		case CH_AGG_SUM:
			if (!ch_is_int(col->basetype) && col->basetype != FLOAT8OID)
				return ch_refuse(reason, "Neo4j sums up integers and floats only");
			break;
		case CH_AGG_MIN:
		case CH_AGG_MAX:
			if (ch_is_text(col->basetype))
				return ch_refuse(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
			break;
		case CH_AGG_FIRST:
		case CH_AGG_LAST:
			if (!neo4j_has_form(ch_column(table, target->by), reason))
				return false;
			if (ch_is_text(ch_column(table, target->by)->basetype))
				return ch_refuse(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
			break;
		default:
			break;
	}
	return neo4j_has_form(col, reason);
}

/* With 'error', the columns of a FILTER are looked at, too. */
static bool
ship_filter(const ChTable *table, const ChExpr *expr, const char **reason)
{
	ListCell   *lc;

	if (expr == NULL)
		return true;
	foreach(lc, expr->args)
		if (!ship_filter(table, lfirst(lc), reason))
			return false;
	if (expr->kind == CH_COND_AND || expr->kind == CH_COND_OR || neo4j_has_fit(ch_column(table, expr->attno)))
		return true;
	return ch_refuse(reason, "Neo4j cannot tell which values the column's type holds");
}

bool
neo4j_ship_group(const ChTable *table, const ChQuery *query, const char **reason)
{
	ListCell   *lc;

	foreach(lc, query->group)
		if (!neo4j_has_form(ch_column(table, lfirst_int(lc)), reason))
			return false;
	foreach(lc, query->targets)
	{
		const ChTarget *target = lfirst(lc);

		if (!ship_target(table, target, reason) || !ship_filter(table, target->filter, reason))
			return false;
	}
	return true;
}

/* ---- what is above groups ------------------------------------------------------------ */

/* The value of a target, which the query calls name. */
static char *
value_of(const ChTarget *target, const ChColumn *col, const char *name)
{
	if (target->agg == CH_AGG_SUM && col->basetype == INT8OID)
		/* both halves so that the lower is never negative: lists are ordered by their items */
		return psprintf("(CASE WHEN %s IS NOT NULL THEN [%s[0] + %s[1] / 4294967296 - CASE WHEN %s[1] %% 4294967296 < 0 THEN 1 ELSE 0 END, "
						"(%s[1] %% 4294967296 + 4294967296) %% 4294967296] END)", name, name, name, name, name);
	if (target->agg == CH_AGG_SUM && col->basetype == FLOAT8OID)
		return psprintf("%s[0]", name);
	if (target->agg == CH_AGG_KEY && col->basetype == FLOAT8OID)
		return psprintf("(CASE WHEN %s IS :: MAP NOT NULL THEN 0.0/0 ELSE %s END)", name, name);
	return pstrdup(name);
}

void
neo4j_describe_groups(ChTable *groups)
{
	ListCell   *lc;

	foreach(lc, groups->grouped->targets)
	{
		const ChTarget *target = lfirst(lc);
		ChColumn   *col = groups->columns[foreach_current_index(lc)];

		col->kind = NEO4J_PROPERTY;
		col->extra = value_of(target, target->attno ? ch_column(groups->rows, target->attno) : NULL,
							  psprintf("c%d", foreach_current_index(lc)));
	}
}

ChShip
neo4j_ship_group_leaf(const ChTable *groups, const ChExpr *leaf, const char **reason)
{
	if (ch_column(groups, leaf->attno)->basetype == NUMERICOID)
		return ch_no_ship(reason, "a sum of bigints comes from Neo4j in two halves");
	return CH_SHIP_EXACT;
}

/* Strings of properties stay in the order of code points. */
bool
neo4j_ship_group_sort(const ChTable *groups, List *keys, const char **reason)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		const ChTarget *target = list_nth(groups->grouped->targets, ((ChSortKey *) lfirst(lc))->attno - 1);
		const ChColumn *col = target->attno ? ch_column(groups->rows, target->attno) : NULL;

		if (ch_is_text(target->type) &&
			(col->kind == NEO4J_COMPUTED || ((const Neo4jTable *) col->table->priv)->form == NEO4J_RESULT))
			return ch_refuse(reason, "Neo4j orders strings that a query makes by UTF-16 unit");
	}
	return true;
}

/* ---- values ------------------------------------------------------------------------ */

/* The one form of a value that fits. */
char *
neo4j_form(const ChColumn *col)
{
	const char *p = NEO4J_EXPR(col);

	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return psprintf("toInteger(%s)", p);
		case FLOAT8OID:
			return psprintf("CASE WHEN %s = 0 THEN 0.0 ELSE toFloat(%s) END", p, p);
		case TIMESTAMPTZOID:
			return neo4j_moment(p);
		case TIMESTAMPOID:
			return psprintf("localdatetime.truncate('microsecond', %s)", p);
		case TIMEOID:
			return psprintf("localtime.truncate('microsecond', %s)", p);
		default:
			return pstrdup(p);
	}
}

static void
put_fits(Neo4jText *q, const ChColumn *col)
{
	appendStringInfoChar(&q->text, '(');
	neo4j_put_fit(q, col);
	appendStringInfoChar(&q->text, ')');
}

/*
 * The same so that equal values are one: no NaN is the same as another, so it
 * is a map, which no property can hold.
 */
static char *
distinct_form(const ChColumn *col)
{
	if (col->basetype != FLOAT8OID)
		return neo4j_form(col);
	return psprintf("CASE WHEN isNaN(toFloat(%s)) THEN {nan: true} ELSE %s END", NEO4J_EXPR(col), neo4j_form(col));
}

/* CASE WHEN it fits THEN its form [ELSE itself, to be refused] END */
static void
put_key(Neo4jText *q, const ChColumn *col)
{
	appendStringInfoString(&q->text, "CASE WHEN ");
	put_fits(q, col);
	appendStringInfo(&q->text, " THEN %s", distinct_form(col));
	if (!col->table->mismatch_null)
		appendStringInfo(&q->text, " ELSE %s", NEO4J_EXPR(col));
	appendStringInfoString(&q->text, " END");
}

/* CASE WHEN it counts for the aggregate THEN value END */
static void
put_value(Neo4jText *q, const ChBoundTarget *t, const char *value)
{
	const ChColumn *cols[] = {t->col, t->by};
	const char *and = "";

	if (t->col == NULL && t->filter == NULL)
	{
		appendStringInfoString(&q->text, value);
		return;
	}
	appendStringInfoString(&q->text, "CASE WHEN ");
	for (int i = 0; i < lengthof(cols); i++)
	{
		if (cols[i] == NULL)
			continue;
		appendStringInfoString(&q->text, and);
		if (neo4j_has_fit(cols[i]))
			put_fits(q, cols[i]);
		else
			appendStringInfo(&q->text, "%s IS NOT NULL", NEO4J_EXPR(cols[i]));
		and = " AND ";
	}
	if (t->filter)
	{
		appendStringInfo(&q->text, "%s(", and);
		neo4j_put_condition(q, t->filter);
		appendStringInfoChar(&q->text, ')');
	}
	appendStringInfo(&q->text, " THEN %s END", value);
}

/* function([DISTINCT] CASE ... END) */
static void
put_call(Neo4jText *q, const char *function, const ChBoundTarget *t, const char *value)
{
	appendStringInfo(&q->text, "%s(%s", function, t->distinct ? "DISTINCT " : "");
	put_value(q, t, value);
	appendStringInfoChar(&q->text, ')');
}

/* ---- aggregates ---------------------------------------------------------------------- */

/* Different integers may have one half in common. */
static void
put_distinct_sum(Neo4jText *q, const ChBoundTarget *t, const char *value)
{
	appendStringInfoString(&q->text, "reduce(sum = [0, 0], each IN ");
	put_call(q, "collect", t, value);
	appendStringInfoString(&q->text, " | [sum[0] + each / 4294967296, sum[1] + each % 4294967296])");
}

/* A sum that is NULL for nothing; what scan.c makes of the list, see there. */
static void
put_sum(Neo4jText *q, const ChBoundTarget *t)
{
	char	   *value = neo4j_form(t->col);

	appendStringInfoString(&q->text, "CASE WHEN ");
	put_call(q, "count", t, value);
	appendStringInfoString(&q->text, " > 0 THEN ");
	if (t->col->basetype == INT8OID && t->distinct)
		put_distinct_sum(q, t, value);
	else if (t->col->basetype == INT8OID)
	{
		appendStringInfoChar(&q->text, '[');
		put_call(q, "sum", t, psprintf("%s / 4294967296", value));
		appendStringInfoString(&q->text, ", ");
		put_call(q, "sum", t, psprintf("%s %% 4294967296", value));
		appendStringInfoChar(&q->text, ']');
	}
	else if (t->col->basetype == FLOAT8OID)
	{
		appendStringInfoChar(&q->text, '[');
		put_call(q, "sum", t, value);
		appendStringInfoString(&q->text, ", ");
		put_call(q, "count", t, psprintf("CASE WHEN abs(%s) = 1.0/0 THEN 1 END", NEO4J_EXPR(t->col)));
		appendStringInfoChar(&q->text, ']');
	}
	else
		put_call(q, "sum", t, value);
	appendStringInfoString(&q->text, " END");
}

/* All of them, or any: the number of those that decide is 0 or not. */
static void
put_bool(Neo4jText *q, const ChBoundTarget *t)
{
	const char *p = NEO4J_EXPR(t->col);
	bool		all = t->agg == CH_AGG_BOOL_AND;

	appendStringInfoString(&q->text, "CASE WHEN ");
	put_call(q, "count", t, p);
	appendStringInfoString(&q->text, " > 0 THEN ");
	put_call(q, "count", t, psprintf("CASE WHEN %s = %s THEN 1 END", p, all ? "false" : "true"));
	appendStringInfo(&q->text, " %s 0 END", all ? "=" : ">");
}

static void
put_target(Neo4jText *q, const ChBoundTarget *t)
{
	switch (t->agg)
	{
		case CH_AGG_KEY:
			put_key(q, t->col);
			break;
		case CH_AGG_COUNT:
			if (t->col == NULL && t->filter == NULL)
				appendStringInfoString(&q->text, "count(*)");
			else
				put_call(q, "count", t, t->col && t->distinct ? distinct_form(t->col) : "1");
			break;
		case CH_AGG_SUM:
			put_sum(q, t);
			break;
		case CH_AGG_MIN:
			put_call(q, "min", t, neo4j_form(t->col));
			break;
		case CH_AGG_MAX:
			put_call(q, "max", t, neo4j_form(t->col));
			break;
		case CH_AGG_FIRST:
		case CH_AGG_LAST:
			/* lists are ordered by their first items */
			put_call(q, t->agg == CH_AGG_FIRST ? "min" : "max", t, psprintf("[%s, %s]", neo4j_form(t->by), neo4j_form(t->col)));
			appendStringInfoString(&q->text, "[1]");
			break;
		case CH_AGG_BOOL_AND:
		case CH_AGG_BOOL_OR:
			put_bool(q, t);
			break;
	}
}

/* ---- values that do not fit -------------------------------------------------------------- */

static List *
add_checked(List *checked, ChColumn *col)
{
	ListCell   *lc;

	if (col && col->kind == NEO4J_COMPUTED)
	{
		foreach(lc, neo4j_inputs(col))
			checked = add_checked(checked, lfirst(lc));
		return checked;
	}
	return col && !col->table->mismatch_null && neo4j_has_fit(col) ? list_append_unique_ptr(checked, col) : checked;
}

static List *
add_filter(List *checked, const ChCond *cond)
{
	if (cond == NULL || cond->kind == CH_COND_FALSE)
		return checked;
	for (int i = 0; i < cond->nargs; i++)
		checked = add_filter(checked, cond->args[i]);
	return add_checked(add_checked(checked, cond->col), cond->other);
}

static List *
columns_to_check(const ChScan *scan)
{
	List	   *checked = NIL;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChBoundTarget *t = &scan->targets[i];

		/* a key shows itself, if it is there and not made of others */
		if (t->agg != CH_AGG_KEY || scan->groups || t->col->kind == NEO4J_COMPUTED)
			checked = add_checked(add_checked(checked, t->col), t->by);
		checked = add_filter(checked, t->filter);
	}
	return checked;
}

/* max(CASE WHEN it is there and does not fit THEN it END) */
static void
put_misfit(Neo4jText *q, const ChColumn *col)
{
	appendStringInfo(&q->text, "max(CASE WHEN %s IS NOT NULL AND NOT coalesce(", NEO4J_EXPR(col));
	put_fits(q, col);
	appendStringInfo(&q->text, ", false) THEN %s END)", NEO4J_EXPR(col));
}

/* What tells a group that is an error; false if nothing can. */
static bool
put_bad_signs(Neo4jText *q, const ChScan *scan, int nchecked, const char *before)
{
	const char *or = before;

	for (int i = 0; i < nchecked; i++, or = " OR ")
		appendStringInfo(&q->text, "%sc%d IS NOT NULL", or, scan->ncolumns + i);
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChBoundTarget *t = &scan->targets[i];

		if (t->agg != CH_AGG_SUM || t->col->basetype != FLOAT8OID)
			continue;
		/* a sum that no infinite value made infinite; null stands before true */
		appendStringInfo(&q->text, "%scoalesce(abs(c%d[0]) = 1.0/0 AND c%d[1] = 0, false)", or, i, i);
		or = " OR ";
	}
	return or != before;
}

/* WHERE of HAVING, and RETURN. */
static void
put_above(Neo4jText *q, const ChScan *scan, int nchecked)
{
	if (scan->having)
	{
		appendStringInfoString(&q->text, " WHERE (");
		neo4j_put_condition(q, scan->having);
		appendStringInfoChar(&q->text, ')');
		(void) put_bad_signs(q, scan, nchecked, " OR ");
	}
	appendStringInfoString(&q->text, " RETURN ");
	for (int i = 0; i < scan->ncolumns + nchecked; i++)
		appendStringInfo(&q->text, "%sc%d", i ? ", " : "", i);
}

bool
neo4j_put_bad_first(Neo4jText *q, const ChScan *scan, const List *checked)
{
	if (scan->groups == NULL || scan->query->limit < 0 || !put_bad_signs(q, scan, list_length(checked), " ORDER BY ("))
		return false;
	appendStringInfoString(&q->text, ") DESC");
	return true;
}

void
neo4j_put_groups(Neo4jText *q, const ChScan *scan, List **checked)
{
	bool		only_keys = true;
	int			n = 0;
	ListCell   *lc;

	*checked = columns_to_check(scan);
	for (int i = 0; i < scan->ncolumns; i++)
		only_keys = only_keys && scan->targets[i].agg == CH_AGG_KEY;
	only_keys = only_keys && *checked == NIL;
	appendStringInfo(&q->text, " %s %s%s", scan->groups ? "WITH" : "RETURN", only_keys ? "DISTINCT " : "",
					 scan->groups && scan->nsets > 0 ? "q, " : "");
	for (int i = 0; i < scan->ncolumns; i++, n++)
	{
		appendStringInfoString(&q->text, n ? ", " : "");
		put_target(q, &scan->targets[i]);
		appendStringInfo(&q->text, " AS c%d", n);
	}
	foreach(lc, *checked)
	{
		appendStringInfoString(&q->text, n ? ", " : "");
		put_misfit(q, lfirst(lc));
		appendStringInfo(&q->text, " AS c%d", n++);
	}
	if (scan->groups)
		put_above(q, scan, list_length(*checked));
}
