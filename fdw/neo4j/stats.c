/*
 * stats.c
 *	  How many rows does a table have?  Neo4j's count store knows the nodes of a
 *	  label and the relationships of a type, with one end's label at most.
 */
#include "postgres.h"

#include "fdw/neo4j/neo4j.h"

double
neo4j_count_rows(ChConn *conn, const ChTable *table)
{
	const Neo4jTable *t = table->priv;
	List	   *rows;
	const ChValue *row;

	if (t->form == NEO4J_RESULT)
		return -1;
	rows = neo4j_query(conn, t->form == NEO4J_NODES ? psprintf("%s RETURN count(*)", t->from)
					   : psprintf("MATCH ()-[r:%s]->() RETURN count(*)",
								  neo4j_quote(ch_opt_string(table->driver, table->options, "relationship"))),
					   NULL, 0, 1);
	row = rows ? linitial(rows) : NULL;
	if (row == NULL || row->u.list.n != 1 || row->u.list.items[0].kind != CH_INT)
		return -1;
	return (double) row->u.list.items[0].u.i;
}
