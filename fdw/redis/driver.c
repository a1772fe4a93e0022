/*
 * driver.c
 *	  The Redis driver: its table of functions.
 */
#include "postgres.h"

#include "fdw/redis/redis.h"

/* Redis knows users and passwords only. */
static const char *const not_options[] = {"token", "token_file", NULL};

const ChDriver ch_redis_driver = {
	.name = "redis",
	.product = "Redis",
	.fdw_name = "cipherhorizon_redis",
	.options = redis_options,
	.not_options = not_options,
	.column_name_option = "field",
	.default_port = 6379,
	.check_options = redis_check_options,
	.describe_table = redis_describe_table,
	.ship_leaf = redis_ship_leaf,
	.ship_bool = redis_ship_bool,
	.ship_sort = redis_ship_sort,
	.connect = redis_connect,
	.disconnect = redis_disconnect,
	.alive = redis_alive,
	.send = redis_send,
	.next = redis_next,
	.close = redis_close,
	.explain = redis_explain,
	.import_schema = redis_import_schema,
	.count_rows = redis_count_rows,
	.probe = redis_probe,
	.can_write = redis_can_write,
	.row_identity = redis_row_identity,
	.writes_text = true,
	.begin_write = redis_begin_write,
	.encode_row = redis_encode_row,
	.apply = redis_apply,
	.explain_write = redis_explain_write,
	.tells_affected = true,
	.ship_direct = redis_ship_direct,
	.encode_direct = redis_encode_direct,
	.explain_direct = redis_explain_direct,
};
