/*
 * stats.c
 *	  How many rows does a table have?  Neo4j's count store knows the nodes of a
 *	  label and the relationships of a type, with one end's label at most.
 */
#include "postgres.h"

#include "fdw/neo4j/neo4j.h"

static double
count(ChConn *conn, const char *pattern)
{
	List	   *rows = neo4j_query(conn, psprintf("%s RETURN count(*)", pattern), NULL, 0, 1);
	const ChValue *row = rows ? linitial(rows) : NULL;

	if (row == NULL || row->u.list.n != 1 || row->u.list.items[0].kind != CH_INT)
		return -1;
	return (double) row->u.list.items[0].u.i;
}

/* With labels at both ends: no more than with either. */
static double
count_relationships(ChConn *conn, const ChTable *table)
{
	const char *type = neo4j_quote(neo4j_table_option(table, "relationship"));
	const char *start = neo4j_table_option(table, "start_label");
	const char *end = neo4j_table_option(table, "end_label");
	double		rows = -1;

	if (start)
		rows = count(conn, psprintf("MATCH (:%s)-[:%s]->()", neo4j_quote(start), type));
	if (end && rows != 0)
	{
		double		ending = count(conn, psprintf("MATCH ()-[:%s]->(:%s)", type, neo4j_quote(end)));

		rows = rows < 0 ? ending : Min(rows, ending);
	}
	return start || end ? rows : count(conn, psprintf("MATCH ()-[:%s]->()", type));
}

double
neo4j_count_rows(ChConn *conn, const ChTable *table)
{
	const Neo4jTable *t = table->priv;

	if (t->form == NEO4J_RESULT)
		return -1;
	return t->form == NEO4J_NODES ? count(conn, t->from) : count_relationships(conn, table);
}
