/*
 * request.h
 *	  The parts of a request, which the files that make it share.
 */
#ifndef CH_MONGODB_REQUEST_H
#define CH_MONGODB_REQUEST_H

#include "fdw/mongodb/node.h"

/* ---- order.c ------------------------------------------------------------ */

/*
 * What a sort key needs besides the field itself: a rank that puts NULLs and
 * NaN where PostgreSQL has them, and text in place of ObjectIds.
 */
typedef struct MongoKeyForm
{
	ChColumn   *col;
	bool		descending;
	bool		nulls_first;
	bool		rank;
	bool		as_text;		/* of anything else this makes null */
	bool		outside_arrays;
} MongoKeyForm;

typedef struct MongoOrder
{
	int			n;
	MongoKeyForm *keys;
	bool		computed;		/* some key is no plain field */
} MongoOrder;

/* The order of the scan, of rows that pass each of the filters. */
extern MongoOrder mongo_order(const ChScan *scan, int nfilters, ChCond *const *filters);

/* {field: 1, field: -1, ...}, of plain fields or of the computed ones */
extern MongoNode *mongo_order_node(const MongoOrder *order);

/* $set and $sort; and what takes the computed keys off again, or NULL. */
extern void mongo_add_order(MongoNode *pipeline, const MongoOrder *order);
extern MongoNode *mongo_unset_order(const MongoOrder *order);

/* ---- request.c ---------------------------------------------------------- */

/* A LIMIT or OFFSET, which has only a number yet in the text of an EXPLAIN. */
extern MongoNode *mongo_count(int64 count);

/* {"$match": filter}; nothing for NULL */
extern void mongo_add_match(MongoNode *pipeline, MongoFilter *filter);

/* The same for a condition; false if no document can match. */
extern bool mongo_add_condition(MongoNode *pipeline, const ChCond *cond);

/*
 * The part of an AND that belongs, in the current memory context; *rest gets
 * the other part.  Either may be NULL.
 */
extern ChCond *mongo_split(ChCond *cond, bool (*belongs) (const ChCond *part, const void *arg), const void *arg,
						   ChCond **rest);

/* The documents of a table that pass the filter; false if none can. */
extern bool mongo_add_rows(MongoNode *pipeline, const MongoTable *mt, ChCond *filter);

/*
 * The stages of one question from the collection on: its rows as the scan's
 * columns want them.  False, with stages that mean nothing, if no document can
 * match.
 */
extern bool mongo_add_question(MongoNode *pipeline, const ChScan *scan, const MongoRequest *request,
							   const MongoOrder *order, ChCond *filter, int64 limit, int64 offset);

/* The rest of a question, after the conditions. */
extern void mongo_add_rest(MongoNode *pipeline, const ChScan *scan, const MongoRequest *request,
						   const MongoOrder *order, int64 limit, int64 offset);

/* The request is these stages.  The rest of the request raises nothing. */
extern void mongo_set_pipeline(MongoRequest *request, MongoNode *pipeline);

/* ---- join.c ------------------------------------------------------------- */

/*
 * The rows of a join that pass the filter; false if none can.  A row has the
 * document of its first table in the field t1, and so on.
 */
extern bool mongo_add_joined_rows(MongoNode *pipeline, const ChScan *scan, ChCond *filter);

#endif							/* CH_MONGODB_REQUEST_H */
