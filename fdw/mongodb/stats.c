/*
 * stats.c
 *	  How many rows does a table have?  The store keeps the number of documents
 *	  of a collection (command count without a query).
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

static void
take_count(const bson_t *reply, void *arg)
{
	bson_iter_t it;

	if (bson_iter_init_find(&it, reply, "n"))
		*(double *) arg = bson_iter_as_double(&it);
}

double
mongo_count_rows(ChConn *conn, const ChTable *table)
{
	const MongoTable *mt = mongo_table(table);
	bson_t		command = BSON_INITIALIZER;
	double		rows = -1;

	/* neither a pipeline's nor an array's rows are counted */
	if (mt->pipeline || mt->unwind)
		return -1;
	bson_append_utf8(&command, "count", -1, mt->collection, -1);
	PG_TRY();
	{
		mongo_command(conn, mt->database, &command, take_count, &rows);
	}
	PG_FINALLY();
	{
		bson_destroy(&command);
	}
	PG_END_TRY();
	return rows;
}
