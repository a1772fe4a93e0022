/*
 * expr.h
 *	  Columns as expressions of an aggregation pipeline.
 *
 * Three views of a column: the raw value at its path, null or missing where the
 * column is NULL; whether it has a value that fits the column's type; and the
 * value in one form for all types that may hold it, null if there is none.
 */
#ifndef CH_MONGODB_EXPR_H
#define CH_MONGODB_EXPR_H

#include "fdw/mongodb/node.h"

/* Which of the views are there?  A reason is set if not. */
extern bool mongo_has_fit(const ChColumn *col, const char **reason);
extern bool mongo_has_form(const ChColumn *col, const char **reason);

extern MongoNode *mongo_raw(const ChColumn *col);
extern MongoNode *mongo_fit(const ChColumn *col);	/* true or false */
extern MongoNode *mongo_form(const ChColumn *col);

/*
 * The value, if somebody else refuses values that do not fit: the raw one, if
 * values that are equal or in order here are so there in all their types.
 */
extern MongoNode *mongo_plain(const ChColumn *col);

/*
 * The same for all values that are equal here.  It is not always one of them:
 * then a value must be fetched beside it (mongo_is_made_equal).
 */
extern MongoNode *mongo_equal_form(const ChColumn *col);
extern bool mongo_is_made_equal(const ChColumn *col);

/* Is it other than null or missing, for a raw value or a form? */
extern MongoNode *mongo_is_some(MongoNode *value);

/* Is its type this one, or one of a list that a NULL ends? */
extern MongoNode *mongo_type_is(MongoNode *x, const char *type);
extern MongoNode *mongo_type_in(MongoNode *x, const char *const *types);

/* Digits of numeric(p, s), by its typmod: all, and those after the point. */
static inline int
mongo_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

static inline int
mongo_scale(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/* Can a value be NaN? */
extern bool mongo_may_be_nan(const ChColumn *col);
extern MongoNode *mongo_nan(void);

#endif							/* CH_MONGODB_EXPR_H */
