/*
 * driver.c
 *	  The Redis driver.
 */
#include "postgres.h"

#include "fdw/core/driver.h"

static const ChOptionDef options[] = {{0}};

const ChDriver ch_redis_driver = {
	.name = "redis",
	.product = "Redis",
	.fdw_name = "cipherhorizon_redis",
	.options = options,
	.column_name_option = "field",
	.default_port = 6379,
};
