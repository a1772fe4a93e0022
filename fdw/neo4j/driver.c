/*
 * driver.c
 *	  The Neo4j driver.
 */
#include "postgres.h"

#include "fdw/neo4j/neo4j.h"

static const char *const not_options[] = {"socket", NULL};

const ChDriver ch_neo4j_driver = {
	.name = "neo4j",
	.product = "Neo4j",
	.fdw_name = "cipherhorizon_neo4j",
	.options = neo4j_options,
	.not_options = not_options,
	.password_needs_user = true,
	.column_name_option = "property",
	.default_port = 7687,
	.endpoint = neo4j_endpoint,
	.check_options = neo4j_check_options,
	.describe_table = neo4j_describe_table,
	.more_leaves = CH_LEAF(CH_COND_CMP_COLUMN),
	.ship_leaf = neo4j_ship_leaf,
	.ship_sort = neo4j_ship_sort,
	.ship_func = neo4j_ship_func,
	.ship_group = neo4j_ship_group,
	.describe_groups = neo4j_describe_groups,
	.ship_sets = neo4j_ship_sets,
	.describe_join = neo4j_describe_join,
	.ship_join = neo4j_ship_join,
	.connect = neo4j_connect,
	.disconnect = neo4j_disconnect,
	.alive = neo4j_alive,
	.send = neo4j_send,
	.next = neo4j_next,
	.close = neo4j_close,
	.explain = neo4j_explain,
	.import_schema = neo4j_import_schema,
	.count_rows = neo4j_count_rows,
	.probe = neo4j_probe,
	.can_write = neo4j_can_write,
	.row_identity = neo4j_row_identity,
	.batch_records = 2000,
	.begin_write = neo4j_begin_write,
	.encode_row = neo4j_encode_row,
	.tells_affected = true,
	.ship_direct = neo4j_ship_direct,
	.encode_direct = neo4j_encode_direct,
	.explain_direct = neo4j_explain_direct,
	.apply = neo4j_apply,
	.begin_remote = neo4j_begin_remote,
	.commit_remote = neo4j_commit_remote,
	.abort_remote = neo4j_abort_remote,
	.explain_write = neo4j_explain_write,
};
