/*
 * module.c
 *	  What happens when PostgreSQL loads the module: settings and node types.
 *	  Libraries of stores are initialised by the process that first uses them,
 *	  for this one may be the postmaster.
 */
#include "postgres.h"

#include "extension/cdc/cdc.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "utils/guc.h"

CH_MODULE_MAGIC("cipherhorizon", CH_VERSION);

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	ch_define_gucs();
	ch_cdc_init();
	MarkGUCPrefixReserved("cipherhorizon");
	ch_ir_register();
	ch_batch_init();
	ch_stats_init();
	ch_explain_init();
}
