/*
 * fdw.c
 *	  The wrapper's routine table, and the settings of core.
 */
#include "postgres.h"

#include <limits.h>

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "utils/guc.h"

int			ch_connect_timeout;
int			ch_request_timeout;
bool		ch_enable_where_pushdown;
bool		ch_enable_sort_pushdown;
bool		ch_enable_limit_pushdown;
bool		ch_enable_aggregate_pushdown;
bool		ch_enable_join_pushdown;
bool		ch_enable_eager_start;
bool		ch_enable_batch_join;
int			ch_batch_join_size;
bool		ch_learn;
int			ch_on_missing_qual;
int			ch_max_remote_rows;

static const struct config_enum_entry missing_quals[] = {
	{"allow", CH_MISSING_ALLOW, false},
	{"error", CH_MISSING_ERROR, false},
	{"window", CH_MISSING_WINDOW, false},
	{NULL, 0, false}
};

/* What can be turned off. */
static const struct
{
	const char *name;
	const char *help;
	bool	   *variable;
}			switches[] = {
	{"cipherhorizon.enable_where_pushdown", "Evaluates conditions in the store where it means the same.",
	&ch_enable_where_pushdown},
	{"cipherhorizon.enable_sort_pushdown", "Sorts in the store where it means the same.",
	&ch_enable_sort_pushdown},
	{"cipherhorizon.enable_limit_pushdown", "Sends LIMIT and OFFSET to the store where it means the same.",
	&ch_enable_limit_pushdown},
	{"cipherhorizon.enable_aggregate_pushdown", "Groups, aggregates and makes rows distinct in the store where it means the same.",
	&ch_enable_aggregate_pushdown},
	{"cipherhorizon.enable_join_pushdown", "Joins tables of one server in the store where it means the same.",
	&ch_enable_join_pushdown},
	{"cipherhorizon.enable_eager_start", "Sends the requests of a statement's scans together when it starts.",
	&ch_enable_eager_start},
	{"cipherhorizon.enable_batch_join", "Fetches the inner side of nested loops, and sub-selects, for many outer rows at once.",
	&ch_enable_batch_join},
	{"cipherhorizon.learn_costs", "Takes the planner's costs of a server from the requests of this session.",
	&ch_learn},
};

FdwRoutine *
ch_fdw_routine(void)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = ch_get_rel_size;
	routine->GetForeignPaths = ch_get_paths;
	routine->GetForeignJoinPaths = ch_get_join_paths;
	routine->GetForeignUpperPaths = ch_get_upper_paths;
	routine->GetForeignPlan = ch_get_plan;
	routine->BeginForeignScan = ch_begin_scan;
	routine->IterateForeignScan = ch_iterate_scan;
	routine->ReScanForeignScan = ch_rescan;
	routine->EndForeignScan = ch_end_scan;
	routine->ExplainForeignScan = ch_explain_scan;
	routine->AnalyzeForeignTable = ch_analyze;
	routine->ImportForeignSchema = ch_import_schema;
	routine->IsForeignPathAsyncCapable = ch_is_async_capable;
	routine->ForeignAsyncRequest = ch_async_request;
	routine->ForeignAsyncConfigureWait = ch_async_configure_wait;
	routine->ForeignAsyncNotify = ch_async_notify;
	ch_set_modify_routines(routine);
	return routine;
}

void
ch_define_gucs(void)
{
	DefineCustomIntVariable("cipherhorizon.connect_timeout",
							"Longest time to connect to a store and log in.",
							"A server's option connect_timeout comes first.",
							&ch_connect_timeout, 2000, 1, 3600000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.request_timeout",
							"Longest silence of a store during a request.",
							"It tells a store that hangs from one that works: rows that keep coming start it anew. A server's option request_timeout comes first.",
							&ch_request_timeout, 30000, 1, 86400000,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	for (int i = 0; i < lengthof(switches); i++)
		DefineCustomBoolVariable(switches[i].name, switches[i].help, NULL, switches[i].variable, true,
								 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomIntVariable("cipherhorizon.batch_join_size",
							"Outer rows whose inner rows, or sub-selects, are fetched at once.", NULL,
							&ch_batch_join_size, 1000, 1, 100000, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomEnumVariable("cipherhorizon.on_missing_qual",
							 "What is done with a scan that lacks what its table's option required_quals wants.",
							 "It is allowed, is an error, or reads no more than the table's default_window.",
							 &ch_on_missing_qual, CH_MISSING_ERROR, missing_quals,
							 PGC_USERSET, GUC_EXPLAIN, NULL, ch_assign_on_missing_qual, NULL);
	DefineCustomIntVariable("cipherhorizon.max_remote_rows",
							"Rows that a scan may fetch from a store before it is an error.",
							"0 means no limit. Of this and the option max_rows of a table the smaller holds.",
							&ch_max_remote_rows, 0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}
