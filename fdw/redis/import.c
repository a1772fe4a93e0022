#include "postgres.h"
#include "fdw/redis/redis.h"
List *
redis_import_schema(ChConn *conn, const char *remote_schema, List *options)
{
	return NIL;
}
