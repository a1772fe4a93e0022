/*
 * drivers.c
 *	  The stores this module knows: a new one is a folder and two lines here.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "fdw/core/core.h"

CH_FDW_HANDLER(influxdb)
CH_FDW_HANDLER(mongodb)
CH_FDW_HANDLER(redis)
CH_FDW_HANDLER(neo4j)

const ChDriverEntry ch_drivers[] = {
	{ch_influxdb_handler, &ch_influxdb_driver},
	{ch_mongodb_handler, &ch_mongodb_driver},
	{ch_redis_handler, &ch_redis_driver},
	{ch_neo4j_handler, &ch_neo4j_driver},
	{NULL, NULL}
};
