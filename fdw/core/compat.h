/*
 * compat.h
 *	  Every difference between PostgreSQL 15, 16, 17 and 18 that this project
 *	  meets, in one place, so that no other file needs a version test.
 */
#ifndef CH_COMPAT_H
#define CH_COMPAT_H

#include "postgres.h"

#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/pathnode.h"
#include "storage/latch.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/pg_locale.h"
#include "utils/wait_event.h"

#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* 18 lets a module say its name and version in pg_get_loaded_modules(). */
#if PG_VERSION_NUM >= 180000
#define CH_MODULE_MAGIC(modname, modversion) \
	PG_MODULE_MAGIC_EXT(.name = (modname), .version = (modversion))
#else
#define CH_MODULE_MAGIC(modname, modversion) PG_MODULE_MAGIC
#endif

/* 17 added fdw_restrictinfo, 18 disabled_nodes. */
static inline ForeignPath *
ch_make_scan_path(PlannerInfo *root, RelOptInfo *rel, double rows,
				  Cost startup, Cost total, List *pathkeys,
				  Relids required_outer, List *restrictinfo, List *fdw_private)
{
	return create_foreignscan_path(root, rel, NULL, rows,
#if PG_VERSION_NUM >= 180000
								   0,
#endif
								   startup, total, pathkeys, required_outer,
								   NULL,
#if PG_VERSION_NUM >= 170000
								   restrictinfo,
#endif
								   fdw_private);
}

static inline ForeignPath *
ch_make_upper_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target,
				   double rows, Cost startup, Cost total, List *pathkeys,
				   List *fdw_private)
{
	return create_foreign_upper_path(root, rel, target, rows,
#if PG_VERSION_NUM >= 180000
									 0,
#endif
									 startup, total, pathkeys, NULL,
#if PG_VERSION_NUM >= 170000
									 NIL,
#endif
									 fdw_private);
}

/* The role whose user mapping a scan uses; moved to the plan node in 16. */
static inline Oid
ch_scan_userid(ForeignScan *plan, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) estate;
	return OidIsValid(plan->checkAsUser) ? plan->checkAsUser : GetUserId();
#else
	Index		rti = plan->scan.scanrelid;
	RangeTblEntry *rte;

	if (rti == 0)
		rti = bms_next_member(plan->fs_relids, -1);
	rte = rt_fetch(rti, estate->es_range_table);
	return OidIsValid(rte->checkAsUser) ? rte->checkAsUser : GetUserId();
#endif
}

/* Does this collation order strings by their bytes? */
static inline bool
ch_collation_is_bytewise(Oid collation)
{
	if (!OidIsValid(collation))
		return false;
#if PG_VERSION_NUM >= 180000
	return pg_newlocale_from_collation(collation)->collate_is_c;
#else
	return lc_collate_is_c(collation);
#endif
}

/* The wait event shown in pg_stat_activity; named ones came with 17. */
#if PG_VERSION_NUM >= 170000
#define CH_WAIT_EVENT_NEW(name) WaitEventExtensionNew(name)
#else
#define CH_WAIT_EVENT_NEW(name) PG_WAIT_EXTENSION
#endif

#endif							/* CH_COMPAT_H */
