/*
 * test.h
 *	  Conditions as trees of tests: what filter.c makes and test.c writes.
 */
#ifndef CH_MONGODB_TEST_H
#define CH_MONGODB_TEST_H

#include "fdw/mongodb/expr.h"

/* One operator of a test; for $eq alone the short form is written. */
typedef struct MongoOperator
{
	const char *name;			/* "$lt" */
	int			nvalues;		/* of $in, $nin, $type; else 1 */
	bson_value_t *values;
	bool		is_list;
} MongoOperator;

struct MongoFilter
{
	enum
	{
		TEST_NONE,				/* no document */
		TEST_FIELD,
		TEST_AND,
		TEST_OR,
		TEST_NOR,
		TEST_NODE				/* node, as it is */
	}			kind;
	const char *path;			/* TEST_FIELD */
	List	   *operators;		/* MongoOperator */
	List	   *args;			/* MongoFilter */
	MongoNode  *node;
};

/* The same test of a column as an expression that is true or false. */
extern MongoNode *mongo_test_expression(const MongoFilter *test, const ChColumn *col);

#endif							/* CH_MONGODB_TEST_H */
