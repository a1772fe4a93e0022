/*
 * filter.h
 *	  Conditions in MongoDB's query language, in two steps.
 */
#ifndef CH_MONGODB_FILTER_H
#define CH_MONGODB_FILTER_H

#include "fdw/mongodb/mongodb.h"

/* Around the name of a parameter in the text of an EXPLAIN. */
#define MONGO_PARAM_MARK	"\x01"

typedef struct MongoFilter MongoFilter;

/* In the current memory context; NULL if no document can match. */
extern MongoFilter *mongo_filter_make(const ChCond *cond);

/* Add its members to a document; call it once.  Does not raise but for memory. */
extern void mongo_filter_write(MongoFilter *filter, bson_t *doc);

#endif							/* CH_MONGODB_FILTER_H */
