/*
 * driver.c
 *	  The MongoDB driver.
 */
#include "postgres.h"

#include "fdw/core/driver.h"

static const ChOptionDef options[] = {{0}};

const ChDriver ch_mongodb_driver = {
	.name = "mongodb",
	.product = "MongoDB",
	.fdw_name = "cipherhorizon_mongodb",
	.options = options,
	.column_name_option = "path",
	.default_port = 27017,
};
