/*
 * driver.c
 *	  The Neo4j driver.
 */
#include "postgres.h"

#include "fdw/core/driver.h"

static const ChOptionDef options[] = {{0}};

const ChDriver ch_neo4j_driver = {
	.name = "neo4j",
	.product = "Neo4j",
	.fdw_name = "cipherhorizon_neo4j",
	.options = options,
	.column_name_option = "property",
	.default_port = 7687,
};
