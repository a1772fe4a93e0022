/*
 * func.c
 *	  What Neo4j computes of a row as PostgreSQL would, as text of Cypher.
 *
 * A value that does not fit its column is null here; groups look at it besides
 * (group.c).  Strings are of UTF-16 units in Cypher's functions: what counts
 * characters or cuts at a position would see two for one above U+FFFF, so only
 * functions remain that do not.  Their results are ordered by these units, too,
 * and so in no other way than by equality.
 *
 * Constants stand in the text, as far as that is as good as a parameter.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

#include "fdw/neo4j/neo4j.h"

/* ---- constants --------------------------------------------------------------- */

/* Has it the same meaning in the text of a query as in a parameter? */
static bool
has_literal(const ChValue *v)
{
	switch (v->kind)
	{
		case CH_BOOL:
			return true;
		case CH_INT:
			return v->u.i != PG_INT64_MIN;
		case CH_FLOAT:
			return !isnan(v->u.f);
		case CH_STRING:
			/* Cypher reads \u anywhere in a query */
			return memchr(v->u.s.data, '\\', v->u.s.len) == NULL;
		default:
			return false;
	}
}

static bool
has_literals(const ChCond *cond)
{
	for (int i = 0; i < cond->nargs; i++)
		if (!has_literals(cond->args[i]))
			return false;
	for (int i = 0; i < cond->nvalues; i++)
		if (!has_literal(&cond->values[i]))
			return false;
	return true;
}

static char *
constant(const Const *c, const char **reason)
{
	Neo4jText	q = {.literal = true};
	ChValue		v;

	if (c->constisnull)
		return pstrdup("null");
	if (!ch_datum_to_value(c->constvalue, getBaseType(c->consttype), &v) || !has_literal(&v))
	{
		*reason = "a constant has no literal in Cypher that means the same";
		return NULL;
	}
	initStringInfo(&q.text);
	neo4j_put_value(&q, &v);
	return q.text.data;
}

/* ---- arguments ---------------------------------------------------------------- */

/* The value of a column in one form, null if it does not fit. */
static char *
value_of(const ChColumn *col, const char **reason)
{
	Neo4jText	q = {.literal = true};

	if (!neo4j_has_form(col, reason))
		return NULL;
	if (col->kind == NEO4J_COMPUTED)
		return pstrdup(NEO4J_EXPR(col));
	initStringInfo(&q.text);
	appendStringInfoString(&q.text, "CASE WHEN ");
	neo4j_put_fit(&q, col);
	appendStringInfo(&q.text, " THEN %s END", neo4j_form(col));
	return q.text.data;
}

static char *
argument(const ChTable *table, const ChColumn *col, int n, const char **reason)
{
	const Node *arg = list_nth(col->func->args, n);

	return IsA(arg, Const) ? constant((const Const *) arg, reason)
		: value_of(ch_column(table, intVal(arg)), reason);
}

static bool
set_computed(ChColumn *col, char *expression)
{
	col->kind = NEO4J_COMPUTED;
	col->extra = expression;
	return true;
}

/* function(argument, ...), or arguments with something between them */
static bool
ship_call(const ChTable *table, ChColumn *col, const char *before, const char *between, const char **reason)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s(", before);
	for (int i = 0; i < list_length(col->func->args); i++)
	{
		char	   *arg = argument(table, col, i, reason);

		if (arg == NULL)
			return false;
		appendStringInfo(&text, "%s%s", i ? between : "", arg);
	}
	appendStringInfoChar(&text, ')');
	return set_computed(col, text.data);
}

static bool
is_empty_text(const ChColumn *col, int n)
{
	const Node *arg = list_nth(col->func->args, n);

	return IsA(arg, Const) && VARSIZE_ANY_EXHDR(DatumGetPointer(((const Const *) arg)->constvalue)) == 0;
}

static bool
ship_replace(const ChTable *table, ChColumn *col, const char **reason)
{
	if (!IsA(lsecond(col->func->args), Const) || is_empty_text(col, 1))
		return ch_refuse(reason, "what is replaced is to be a constant, and not empty");
	return ship_call(table, col, "replace", ", ", reason);
}

static bool
ship_cast(const ChTable *table, ChColumn *col, const char **reason)
{
	const ChColumn *from = ch_column(table, intVal(linitial(col->func->args)));

	if (!ch_is_int(from->basetype))
		return ch_refuse(reason, "only integers are converted by Neo4j");
	if (col->basetype == INT8OID || (col->basetype == INT4OID && from->basetype == INT2OID))
		return ship_call(table, col, "", "", reason);
	if (col->basetype == FLOAT8OID)
		return ship_call(table, col, "toFloat", "", reason);
	return ch_refuse(reason, "Neo4j does not convert to this type as PostgreSQL does");
}

/* ---- CASE ------------------------------------------------------------------------ */

static bool
put_when(Neo4jText *q, const ChTable *table, const ChExpr *expr, const char **reason)
{
	ChCond	   *cond = ch_bind_constants(table, expr);

	if (cond == NULL)
		appendStringInfoString(&q->text, "true");
	else if (!has_literals(cond))
		return ch_refuse(reason, "a constant has no literal in Cypher that means the same");
	else
		neo4j_put_condition(q, cond);
	return true;
}

static bool
ship_case(const ChTable *table, ChColumn *col, const char **reason)
{
	Neo4jText	q = {.literal = true};
	int			n = list_length(col->func->conditions);
	char	   *otherwise = argument(table, col, n, reason);

	initStringInfo(&q.text);
	appendStringInfoString(&q.text, "(CASE");
	for (int i = 0; i < n && otherwise; i++)
	{
		char	   *then = argument(table, col, i, reason);

		if (then == NULL)
			return false;
		appendStringInfoString(&q.text, " WHEN ");
		if (!put_when(&q, table, list_nth(col->func->conditions, i), reason))
			return false;
		appendStringInfo(&q.text, " THEN %s", then);
	}
	if (otherwise == NULL)
		return false;
	appendStringInfo(&q.text, " ELSE %s END)", otherwise);
	return set_computed(col, q.text.data);
}

/* ---- the whole ----------------------------------------------------------------------- */

bool
neo4j_ship_func(const ChTable *table, ChColumn *col, const char **reason)
{
	if (col->basetype == NUMERICOID)
		return ch_refuse(reason, "Neo4j has binary numbers only");
	switch (col->func->func)
	{
		case CH_FUNC_CASE:
			return ship_case(table, col, reason);
		case CH_FUNC_COALESCE:
			return ship_call(table, col, "coalesce", ", ", reason);
		case CH_FUNC_CONCAT:
			return ship_call(table, col, "", " + ", reason);
		case CH_FUNC_STARTS_WITH:
			return ship_call(table, col, "", " STARTS WITH ", reason);
		case CH_FUNC_REPLACE:
			return ship_replace(table, col, reason);
		case CH_FUNC_CAST:
			return ship_cast(table, col, reason);
		case CH_FUNC_LENGTH:
		case CH_FUNC_SUBSTRING:
		case CH_FUNC_LEFT:
		case CH_FUNC_RIGHT:
		case CH_FUNC_POSITION:
			return ch_refuse(reason, "Neo4j counts UTF-16 units, two for a character above U+FFFF");
		default:
			return ch_refuse(reason, "Neo4j does not compute this as PostgreSQL does");
	}
}

List *
neo4j_inputs(const ChColumn *col)
{
	List	   *inputs = NIL;
	ListCell   *lc;

	foreach(lc, col->func->args)
		if (IsA(lfirst(lc), Integer))
			inputs = lappend(inputs, ch_column(col->table, intVal(lfirst(lc))));
	foreach(lc, col->func->conditions)
		inputs = ch_columns_of(col->table, lfirst(lc), inputs);
	return inputs;
}
