#include "postgres.h"
#include "fdw/neo4j/neo4j.h"
List *
neo4j_import_schema(ChConn *conn, const char *remote_schema, List *options)
{
	return NIL;
}
