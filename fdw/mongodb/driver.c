/*
 * driver.c
 *	  The MongoDB driver.
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

const ChDriver ch_mongodb_driver = {
	.name = "mongodb",
	.product = "MongoDB",
	.fdw_name = "cipherhorizon_mongodb",
	.options = mongo_options,
	.not_options = mongo_not_options,
	.password_needs_user = true,
	.column_name_option = "path",
	.default_port = 27017,
	.endpoint = mongo_endpoint,
	.check_options = mongo_check_options,
	.more_leaves = CH_LEAF(CH_COND_CMP_COLUMN) | CH_LEAF(CH_COND_LIKE) | CH_LEAF(CH_COND_ILIKE) |
	CH_LEAF(CH_COND_CONTAINS) | CH_LEAF(CH_COND_HAS_KEY),
	.describe_table = mongo_describe_table,
	.ship_leaf = mongo_ship_leaf,
	.ship_sort = mongo_ship_sort,
	.ship_func = mongo_ship_func,
	.ship_group = mongo_ship_group,
	.describe_join = mongo_describe_join,
	.ship_join = mongo_ship_join,
	.join_rows = mongo_join_rows,
	.describe_groups = mongo_describe_groups,
	.ship_distinct = mongo_ship_distinct,
	.ship_sets = mongo_ship_sets,
	.connect = mongo_connect,
	.disconnect = mongo_disconnect,
	.alive = mongo_alive,
	.send = mongo_send,
	.next = mongo_next,
	.close = mongo_close,
	.explain = mongo_explain,
	.import_schema = mongo_import_schema,
	.count_rows = mongo_count_rows,
	.probe = mongo_probe,
	.can_write = mongo_can_write,
	.row_identity = mongo_row_identity,
	.make_value = mongo_make_value,
	.begin_write = mongo_begin_write,
	.encode_row = mongo_encode_row,
	.tells_affected = true,
	.ship_direct = mongo_ship_direct,
	.encode_direct = mongo_encode_direct,
	.explain_direct = mongo_explain_direct,
	.explain_write = mongo_explain_write,
	.apply = mongo_apply,
};
