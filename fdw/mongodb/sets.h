/*
 * sets.h
 *	  Several questions in one request: which form it has, and whose row is it?
 */
#ifndef CH_MONGODB_SETS_H
#define CH_MONGODB_SETS_H

#include "fdw/mongodb/request.h"

typedef struct MongoSets
{
	enum
	{
		MONGO_SETS_HERE,		/* rows of all questions; which one's is found
								 * out here */
		MONGO_SETS_LOOKUP,		/* $lookup for a list of values */
		MONGO_SETS_UNION		/* a pipeline for each, some in a request */
	}			form;
	int			nshared;		/* conditions that all questions have */
	ChCond	  **shared;
	ChCond	  **own;			/* of each question: the rest, or NULL */

	/* HERE, LOOKUP: each question's own value that the column is equal to */
	ChColumn   *pivot;			/* or NULL */
	ChCond	  **equal;
	int		   *sorted;			/* HERE: questions by that value */

	/* HERE: of the last row */
	int			nmatches;
	int		   *matches;

	/* LOOKUP: the rest, as one expression */
	MongoNode  *expression;		/* or NULL */
	List	   *variables;		/* in it: MongoNode * for each question */

	/* LOOKUP, UNION */
	int			next;			/* first question of the next request */
	int64	   *skip;			/* rows still to leave out here */
	int64	   *take;			/* ... and to take, -1: all */
} MongoSets;

/* The value of a column in the row at hand; false for NULL. */
typedef bool (*MongoRowValue) (void *row, ChColumn *col, ChValue *v);

extern MongoSets *mongo_sets_make(ChScan *scan);

/* Columns that are looked at here, besides those that are fetched. */
extern List *mongo_sets_columns(const ChScan *scan, const MongoSets *sets);

/* HERE: the condition of the only request; false if it was made already. */
extern bool mongo_sets_filter(ChScan *scan, MongoSets *sets, ChCond **filter);

/* LOOKUP, UNION: the next request; false if there is none. */
extern bool mongo_sets_compile(ChScan *scan, MongoSets *sets, MongoRequest *request);

/* HERE: set matches. */
extern void mongo_sets_match(const ChScan *scan, MongoSets *sets, MongoRowValue value, void *row);

#endif							/* CH_MONGODB_SETS_H */
