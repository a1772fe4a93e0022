/*
 * driver.c
 *	  The InfluxDB driver: what core asks for and which function answers.
 */
#include "postgres.h"

#include "fdw/influxdb/influxdb.h"

const ChDriver ch_influxdb_driver = {
	.name = "influxdb",
	.product = "InfluxDB",
	.fdw_name = "cipherhorizon_influxdb",
	.options = influx_options,
	.not_options = influx_not_options,
	.column_name_option = "field",
	.default_port = 8086,
	.endpoint = influx_endpoint,
	.check_options = influx_check_options,
	.describe_table = influx_describe_table,
	.ship_leaf = influx_ship_leaf,
	.ship_bool = influx_ship_bool,
	.ship_sort = influx_ship_sort,
	.ship_sets = influx_ship_sets,
	.ship_func = influx_ship_func,
	.ship_group = influx_ship_group,
	.ship_distinct = influx_ship_distinct,
	.connect = influx_connect,
	.disconnect = influx_disconnect,
	.alive = influx_alive,
	.send = influx_send,
	.next = influx_next,
	.close = influx_close,
	.explain = influx_explain,
	.import_schema = influx_import,
	.probe = influx_probe,
	.can_write = influx_can_write,
	.row_identity = influx_row_identity,
	.wants_nulls = true,
	.begin_write = influx_begin_write,
	.encode_row = influx_encode_row,
	.ship_direct = influx_ship_direct,
	.encode_direct = influx_encode_direct,
	.explain_direct = influx_encode_direct,
	.apply = influx_apply,
	.explain_write = influx_explain_write,
};
