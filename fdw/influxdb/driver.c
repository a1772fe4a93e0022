/*
 * driver.c
 *	  The InfluxDB driver.
 */
#include "postgres.h"

#include "fdw/core/driver.h"

static const ChOptionDef options[] = {{0}};

const ChDriver ch_influxdb_driver = {
	.name = "influxdb",
	.product = "InfluxDB",
	.fdw_name = "cipherhorizon_influxdb",
	.options = options,
	.column_name_option = "field",
	.default_port = 8086,
};
