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

/*
 * The two parts of column = value, for requests that have values elsewhere: the
 * values of the store that are equal (false if there are others, which only a
 * range finds), and what else must hold of the document, or NULL.
 */
extern bool mongo_filter_values(const ChCond *leaf, int *n, bson_value_t **values);
extern MongoFilter *mongo_filter_guards(const ChColumn *col);

/* ---- json.c ------------------------------------------------------------- */

/* What else than a string may have a text in jsonb ->> key? */
typedef int MongoJsonText;

#define MONGO_TEXT_NUMBER		(1 << 0)
#define MONGO_TEXT_BOOL			(1 << 1)
#define MONGO_TEXT_BINARY		(1 << 2)	/* or an ObjectId */
#define MONGO_TEXT_DATE			(1 << 3)
#define MONGO_TEXT_CONTAINER	(1 << 4)

extern MongoJsonText mongo_json_text_kind(const char *text, int len);

/* May a comparison of jsonb ->> key run in the store? */
extern ChShip mongo_ship_json_text(const ChExpr *leaf, const char **reason);

/* ---- content.c, like.c -------------------------------------------------- */

/* May @> and ?, LIKE and ILIKE? */
extern ChShip mongo_ship_content(const ChColumn *col, const ChExpr *leaf, const char **reason);
extern ChShip mongo_ship_like(const ChColumn *col, const ChExpr *leaf, const char **reason);

/* ---- filter.c ----------------------------------------------------------- */

/*
 * The condition as an expression of an aggregation pipeline; only if one of the
 * others is true of it.
 */
extern bool mongo_can_express(const ChCond *cond);
extern bool mongo_ship_expression(const ChTable *table, const ChExpr *expr, const char **reason);
extern MongoNode *mongo_filter_expression(const ChCond *cond);

/* Add its members to a document; call it once.  Does not raise but for memory. */
extern void mongo_filter_write(MongoFilter *filter, bson_t *doc);

#endif							/* CH_MONGODB_FILTER_H */
