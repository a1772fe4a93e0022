/*
 * analytics.h
 *	  What the aggregates for time series share.
 */
#ifndef CH_ANALYTICS_H
#define CH_ANALYTICS_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

/* What a volume-weighted average price is made of; rows counts those added. */
typedef struct FloatSums
{
	double		amount;			/* sum(price * qty) */
	double		qty;			/* sum(qty) */
	int64		rows;
} FloatSums;

/* The same, exact: states of PostgreSQL's own sum(numeric), NULL before the first row. */
typedef struct NumericSums
{
	void	   *amount;
	void	   *qty;
} NumericSums;

/* Memory that lives as long as the states; raises when no aggregate is running. */
extern MemoryContext ch_aggregate_context(FunctionCallInfo fcinfo);

/* A state as an aggregate's result, NULL if there is none. */
extern Datum ch_return_state(FunctionCallInfo fcinfo, void *state);

/* A state without pointers as bytea, and back: parallel workers run the same program. */
extern Datum ch_bytes_of_state(const void *state, Size size);
extern void *ch_state_of_bytes(FunctionCallInfo fcinfo, Size size);

extern void ch_add_float(FloatSums *sums, double price, double qty);
extern void ch_combine_float(FloatSums *a, const FloatSums *b);

/* false: NULL */
extern bool ch_vwap_float(const FloatSums *sums, double *vwap);

/* fcinfo is the call of the aggregate that the sums belong to. */
extern void ch_add_numeric(FunctionCallInfo fcinfo, NumericSums *sums, Datum price, Datum qty);
extern void ch_combine_numeric(FunctionCallInfo fcinfo, NumericSums *a, const NumericSums *b);
extern bool ch_vwap_numeric(FunctionCallInfo fcinfo, const NumericSums *sums, Datum *vwap);
extern bool ch_volume_numeric(FunctionCallInfo fcinfo, const NumericSums *sums, Datum *volume);
extern void ch_write_numeric(FunctionCallInfo fcinfo, StringInfo buf, const NumericSums *sums);
extern void ch_read_numeric(FunctionCallInfo fcinfo, StringInfo buf, NumericSums *sums);

#endif
