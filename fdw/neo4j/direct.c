/*
 * direct.c
 *	  UPDATE and DELETE of what a condition describes, as one statement.
 *
 *	  MATCH (n:`Limit`) WHERE n.`id` = $p1
 *	  WITH n, CASE ... END AS m0, toIntegerOrNull(n.`used`) + $p2 AS v0, CASE ... END AS o0
 *	  SET n.`used` = v0 RETURN count(*) AS c, sum(m0) AS m0, sum(o0) AS o0
 *
 * Whatever is computed is computed before anything is set.  m0 and o0 count the
 * rows whose value does not fit its column, before and after: then the statement
 * is an error, and its transaction ends.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"

#include "fdw/neo4j/neo4j.h"

/* ---- may it ship ------------------------------------------------------------------- */

static bool
ship_computed(const ChTable *table, const ChColumn *col, const ChAssign *assign, const char **reason)
{
	const ChColumn *other = assign->kind == CH_ASSIGN_COLUMN ? ch_column(table, assign->column) : col;

	if (assign->kind == CH_ASSIGN_JSON_SET)
		return ch_refuse(reason, "Neo4j does not change a part of a value");
	if (table->mismatch_null)
		return ch_refuse(reason, "on_type_mismatch is 'null', and a value that does not fit would be lost");
	if (assign->kind != CH_ASSIGN_COLUMN)
		return ch_is_int(col->basetype) || col->basetype == FLOAT8OID ||
			ch_refuse(reason, "Neo4j computes with integers and float8 only as it is done here");
	if (other->func || other->basetype != col->basetype || !neo4j_has_fit(other) || !neo4j_has_fit(col) ||
		!(ch_is_int(col->basetype) || col->basetype == FLOAT8OID || ch_is_text(col->basetype) ||
		  col->basetype == BOOLOID || col->basetype == DATEOID))
		return ch_refuse(reason, "a value of the other column may be another one in Neo4j");
	return true;
}

bool
neo4j_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason)
{
	ListCell   *lc;

	foreach(lc, query->assigns)
	{
		const ChAssign *assign = lfirst(lc);
		const ChColumn *col = ch_column(table, assign->attno);

		if (col->kind != NEO4J_PROPERTY || neo4j_is_key(table, col))
			return ch_refuse(reason, "a column is set that the row is found by or Neo4j makes");
		if (assign->kind != CH_ASSIGN_VALUE && !ship_computed(table, col, assign, reason))
			return false;
	}
	return true;
}

/* ---- the statement -------------------------------------------------------------------- */

static char
variable(const ChWrite *w)
{
	return ((const Neo4jWrite *) w->priv)->form == NEO4J_NODES ? 'n' : 'r';
}

static void
put_stored(Neo4jText *q, const ChColumn *col, const ChValue *value)
{
	ChValue		v = *value;

	if (v.kind == CH_NULL)
	{
		appendStringInfoString(&q->text, "null");
		return;
	}
	if (q->explain)
	{
		neo4j_put_value(q, &v);
		return;
	}
	appendStringInfo(&q->text, "$p%d", ++q->nparams);
	neo4j_pack_text(&q->params, psprintf("p%d", q->nparams));
	neo4j_pack_property(&q->params, col, &v);
}

/* toIntegerOrNull(n.`used`) + $p2 */
static void
put_computed(Neo4jText *q, const ChColumn *col, const ChBoundAssign *assign)
{
	if (assign->kind == CH_ASSIGN_COLUMN)
	{
		appendStringInfoString(&q->text, NEO4J_EXPR(assign->column));
		return;
	}
	appendStringInfo(&q->text, "%s(%s) %c ", ch_is_int(col->basetype) ? "toIntegerOrNull" : "toFloatOrNull",
					 NEO4J_EXPR(col), assign->kind == CH_ASSIGN_ADD ? '+' : '-');
	put_stored(q, col, &assign->value);
}

/* Is v0 outside of the column's type?  Neo4j itself raises for more than 64 bits. */
static void
put_overflow(Neo4jText *q, const ChColumn *col, const ChBoundAssign *assign, int i)
{
	if (assign->kind != CH_ASSIGN_COLUMN && col->basetype == INT2OID)
		appendStringInfo(&q->text, "sum(CASE WHEN v%d < %d OR v%d > %d THEN 1 ELSE 0 END)", i, PG_INT16_MIN, i, PG_INT16_MAX);
	else if (assign->kind != CH_ASSIGN_COLUMN && col->basetype == INT4OID)
		appendStringInfo(&q->text, "sum(CASE WHEN v%d < %d OR v%d > %d THEN 1 ELSE 0 END)", i, PG_INT32_MIN, i, PG_INT32_MAX);
	else if (assign->kind != CH_ASSIGN_COLUMN && col->basetype == FLOAT8OID &&
			 !(assign->value.kind == CH_FLOAT && isinf(assign->value.u.f)))
		appendStringInfo(&q->text, "sum(CASE WHEN abs(v%d) = 1.0/0 AND f%d THEN 1 ELSE 0 END)", i, i);
	else
		appendStringInfoChar(&q->text, '0');
}

/* WITH n, ... AS m0, ... AS v0 */
static void
put_with(Neo4jText *q, const ChWrite *w, const ChBoundAssign *assigns)
{
	appendStringInfo(&q->text, " WITH %c", variable(w));
	for (int i = 0; i < w->ncolumns; i++)
	{
		const ChColumn *col = assigns[i].kind == CH_ASSIGN_COLUMN ? assigns[i].column : w->columns[i];

		if (assigns[i].kind == CH_ASSIGN_VALUE)
			continue;
		appendStringInfo(&q->text, ", CASE WHEN %s IS NULL OR (", NEO4J_EXPR(col));
		neo4j_put_fit(q, col);
		appendStringInfo(&q->text, ") THEN 0 ELSE 1 END AS m%d, ", i);
		put_computed(q, w->columns[i], &assigns[i]);
		appendStringInfo(&q->text, " AS v%d", i);
		if (col->basetype == FLOAT8OID)
			appendStringInfo(&q->text, ", abs(%s) < 1.0/0 AS f%d", NEO4J_EXPR(col), i);
	}
}

static void
put_update(Neo4jText *q, const ChWrite *w, const ChBoundAssign *assigns)
{
	bool		computed = false;

	for (int i = 0; i < w->ncolumns; i++)
		computed = computed || assigns[i].kind != CH_ASSIGN_VALUE;
	if (computed)
		put_with(q, w, assigns);
	for (int i = 0; i < w->ncolumns; i++)
	{
		appendStringInfo(&q->text, "%s%s = ", i ? ", " : " SET ", NEO4J_EXPR(w->columns[i]));
		if (assigns[i].kind == CH_ASSIGN_VALUE)
			put_stored(q, w->columns[i], &assigns[i].value);
		else
			appendStringInfo(&q->text, "v%d", i);
	}
	appendStringInfoString(&q->text, " RETURN count(*) AS c");
	for (int i = 0; i < w->ncolumns; i++)
	{
		if (assigns[i].kind == CH_ASSIGN_VALUE)
			continue;
		appendStringInfo(&q->text, ", %d AS i%d, sum(m%d) AS m%d, ", i, i, i, i);
		put_overflow(q, w->columns[i], &assigns[i], i);
		appendStringInfo(&q->text, " AS o%d", i);
	}
}

static void
compile(Neo4jText *q, const ChWrite *w, const ChScan *scan, const ChBoundAssign *assigns)
{
	initStringInfo(&q->text);
	initStringInfo(&q->params);
	appendStringInfoString(&q->text, ((const Neo4jTable *) w->table->priv)->from);
	if (scan->filter)
	{
		appendStringInfoString(&q->text, " WHERE ");
		neo4j_put_condition(q, scan->filter);
	}
	if (w->verb == CH_UPDATE)
		put_update(q, w, assigns);
	else
		appendStringInfo(&q->text, " %sDELETE %c RETURN count(*) AS c", ((const Neo4jWrite *) w->priv)->detach, variable(w));
}

/* ---- records --------------------------------------------------------------------------------- */

void
neo4j_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	Neo4jText	q = {0};

	compile(&q, w, scan, assigns);
	appendBinaryStringInfo(out, (char *) &q.text.len, sizeof(int));
	appendBinaryStringInfo(out, (char *) &q.nparams, sizeof(int));
	appendBinaryStringInfo(out, q.text.data, q.text.len);
	appendBinaryStringInfo(out, q.params.data, q.params.len);
}

void
neo4j_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	Neo4jText	q = {.explain = true};

	compile(&q, w, scan, assigns);
	appendStringInfoString(out, q.text.data);
}

void
neo4j_decode_direct(const char *data, uint32 len, Neo4jDirect *direct)
{
	int			textlen;

	memcpy(&textlen, data, sizeof(int));
	memcpy(&direct->nparams, data + sizeof(int), sizeof(int));
	data += 2 * sizeof(int);
	direct->text = pnstrdup(data, textlen);
	initStringInfo(&direct->params);
	appendBinaryStringInfo(&direct->params, data + textlen, len - 2 * sizeof(int) - textlen);
}

/* As the same expression's error in PostgreSQL. */
pg_noreturn static void
raise_overflow(const ChColumn *col)
{
	const char *type = col->basetype == INT2OID ? "smallint" : col->basetype == INT4OID ? "integer" : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 type ? errmsg("%s out of range", type) : errmsg("value out of range: overflow"),
			 errdetail("Column \"%s\" of foreign table %s is set to it.", col->name, col->table->name)));
}

void
neo4j_check_direct(const ChWrite *w, const ChValue *answer)
{
	const ChValue *items = answer->u.list.items;

	for (int i = 1; i + 2 < answer->u.list.n; i += 3)
	{
		const ChColumn *col;

		if (items[i].kind != CH_INT || items[i].u.i < 0 || items[i].u.i >= w->ncolumns)
			elog(ERROR, "the answer to a write has another form than was asked for");
		col = w->columns[items[i].u.i];
		if (items[i + 1].kind != CH_INT || items[i + 1].u.i != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
					 errmsg("column \"%s\" of foreign table %s is computed from a value that its type does not hold",
							col->name, w->table->name),
					 errhint("SELECT such rows to see the value, or set the column to a value.")));
		if (items[i + 2].kind != CH_INT || items[i + 2].u.i != 0)
			raise_overflow(col);
	}
}
