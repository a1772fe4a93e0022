/*
 * drivers.c
 *	  The stores this module knows: one line for each.
 */
#include "postgres.h"

#include "fdw/core/core.h"

const ChDriver *const ch_drivers[] = {
	&ch_influxdb_driver,
	&ch_mongodb_driver,
	&ch_redis_driver,
	&ch_neo4j_driver,
	NULL
};

CH_FDW_HANDLER(influxdb)
CH_FDW_HANDLER(mongodb)
CH_FDW_HANDLER(redis)
CH_FDW_HANDLER(neo4j)
