/*
 * group.h
 *	  Groups and aggregates of a scan.
 */
#ifndef CH_MONGODB_GROUP_H
#define CH_MONGODB_GROUP_H

#include "fdw/mongodb/expr.h"

/* What one column of the scan is made of: numbers of accumulators, or -1. */
typedef struct MongoResult
{
	int			key;			/* it is this key */
	int			value;
	int			item;			/* ... of which this item of an array */
	int			count;			/* of what the value was made of: 0 means NULL */
	int			special;		/* of sums of doubles: how many are infinite or NaN */
	int			largest;		/* of sums of decimals: the largest absolute value */
	int			zero;			/* ... and a zero of the finest scale among them */
} MongoResult;

typedef struct MongoGroups
{
	MongoNode  *keys;			/* list of expressions */
	MongoNode  *accumulators;	/* list of {operator: expression} */
	MongoNode  *merges;			/* list of {operator: expression} of the second
								 * $group, if there is one */
	MongoNode  *distinct;		/* what the first groups by, besides, or NULL */
	MongoNode  *distinct_value; /* what that is a value of, in the second */
	MongoResult *results;
	int			nchecked;		/* columns whose values must fit */
	ChColumn  **checked;
	int			first_checked;	/* accumulator: one of the first's that do not */
} MongoGroups;

extern MongoGroups *mongo_groups_make(const ChScan *scan);

/* The stages that make groups of the rows. */
extern void mongo_add_groups(MongoNode *pipeline, const MongoGroups *groups);

/* Names in a group's document: of keys within _id, and of accumulators. */
extern const char *mongo_key_name(int i);
extern const char *mongo_accumulator_name(int i);

/* above.c: the stages after them, for HAVING, ORDER BY and LIMIT (-1: none) */
extern void mongo_add_above_groups(MongoNode *pipeline, const ChScan *scan, const MongoGroups *groups, int64 limit);

/* The stages that leave the first row of each group. */
extern void mongo_add_distinct(MongoNode *pipeline, const ChScan *scan);

/* The row of a group's document. */
extern void mongo_groups_row(ChScan *scan, const MongoGroups *groups, const bson_t *doc, Datum *values, bool *nulls);

#endif							/* CH_MONGODB_GROUP_H */
