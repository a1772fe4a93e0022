/*
 * cursor.h
 *	  A cursor of the store: find or aggregate, and getMore.
 */
#ifndef CH_MONGODB_CURSOR_H
#define CH_MONGODB_CURSOR_H

#include "fdw/mongodb/mongodb.h"

/* All zeros: none is open. */
typedef struct MongoCursor
{
	MongoConn  *mc;
	const char *database;
	char	   *collection;		/* as getMore names it */
	int			batch_size;
	int64		id;				/* in the store; 0: it has no more batches, or has
								 * not answered yet */
	bool		waiting;		/* an answer is due */
	bool		has_batch;
	bson_iter_t batch;			/* documents of the last answer */
	bson_t		doc;			/* the one at hand */
} MongoCursor;

/* Send the command, which gets what every read has.  The strings must live as long as the cursor. */
extern void mongo_cursor_open(MongoCursor *cursor, MongoConn *mc, const char *database, const char *collection,
							  bson_t *command, int batch_size);

/*
 * The next document, valid until the next call; NULL at the end, or if it is
 * not there yet and wait (not NULL) is set to what it waits for.
 */
extern const bson_t *mongo_cursor_next(MongoCursor *cursor, ChWait *wait);

/*
 * Close it, in the store, too; after a failure, or if an answer is due, the
 * store's word is not waited for.  False if the connection cannot be used any
 * more.  Does not raise.
 */
extern bool mongo_cursor_close(MongoCursor *cursor, bool failed);

#endif							/* CH_MONGODB_CURSOR_H */
