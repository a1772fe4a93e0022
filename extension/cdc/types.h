/*
 * types.h
 *	  How values of a column are written.
 */
#ifndef CH_CDC_TYPES_H
#define CH_CDC_TYPES_H

#include "cdc.h"

/*
 * Set basetype, append and Connect's schema of a column by its type and typmod,
 * in the current memory context.  Looks into the catalog: under the historic
 * snapshot, if one is set.
 */
extern void cdc_describe_type(CdcColumn *col, CdcDecimals decimals);

#endif							/* CH_CDC_TYPES_H */
