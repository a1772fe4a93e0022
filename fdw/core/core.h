/*
 * core.h
 *	  What the files of fdw/core share with each other and with the module.
 *	  Drivers include driver.h instead.
 */
#ifndef CH_CORE_H
#define CH_CORE_H

#include "fdw/core/driver.h"

#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

/* fdw/drivers.c: which handler function belongs to which driver. */
typedef struct ChDriverEntry
{
	PGFunction	handler;
	const ChDriver *driver;
} ChDriverEntry;

extern const ChDriverEntry ch_drivers[];	/* a NULL driver ends it */

/* The SQL functions of one wrapper. */
#define CH_FDW_HANDLER(store) \
PG_FUNCTION_INFO_V1(ch_##store##_handler); \
PGDLLEXPORT Datum ch_##store##_handler(PG_FUNCTION_ARGS); \
Datum ch_##store##_handler(PG_FUNCTION_ARGS) \
{ PG_RETURN_POINTER(ch_fdw_routine()); } \
PG_FUNCTION_INFO_V1(ch_##store##_validator); \
PGDLLEXPORT Datum ch_##store##_validator(PG_FUNCTION_ARGS); \
Datum ch_##store##_validator(PG_FUNCTION_ARGS) \
{ \
	ch_validate_options(&ch_##store##_driver, \
						untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1)); \
	PG_RETURN_VOID(); \
}

extern FdwRoutine *ch_fdw_routine(void);

/* GUCs (extension/module.c defines them through ch_define_gucs). */
extern int	ch_connect_timeout;
extern int	ch_request_timeout;
extern bool ch_enable_where_pushdown;
extern bool ch_enable_sort_pushdown;
extern bool ch_enable_limit_pushdown;
extern void ch_define_gucs(void);

extern uint32 ch_wait_event(void);

/* ---- connections ------------------------------------------------------- */

/* A connection that is not open yet: only options are known (check_store). */
extern ChConn *ch_conn_describe(Oid serverid, Oid userid);
extern void ch_conn_open(ChConn *conn);
extern void ch_conn_get_endpoint(const ChConn *conn, ChEndpoint *ep);

/* ---- planning ---------------------------------------------------------- */

/* A clause of WHERE or JOIN and what the store can do of it. */
typedef struct ChClause
{
	RestrictInfo *rinfo;
	ChExpr	   *expr;			/* NULL if ship is NO */
	ChShip		ship;
	const char *reason;			/* for NO and LOSSY */
} ChClause;

/* Planner's state of a relation: fdw_private of its RelOptInfo. */
typedef struct ChRel
{
	ChTable    *table;
	RelOptInfo *base;			/* the foreign table's rel */
	List	   *clauses;		/* ChClause of baserestrictinfo */
	bool		exact;			/* every one of them ships exactly */
	double		remote_rows;	/* rows the store returns for them */
	Cost		startup_cost;
	Cost		tuple_cost;
	bool		ordered;		/* an ORDERED rel over the base rel */
	List	   *sort;			/* its keys; NIL if conditions fix the order */
	List	   *remarks;		/* String: why something above stayed local */
} ChRel;

/*
 * Decide for each RestrictInfo; also whether together they are exact.  Pass
 * the list of all clauses that a path applies in the scan.
 */
extern List *ch_ship_clauses(PlannerInfo *root, RelOptInfo *rel, const ChTable *table,
							 List *rinfos, bool *exact);

/* The columns' order that pathkeys ask for, or NIL with a reason. */
extern List *ch_ship_pathkeys(PlannerInfo *root, RelOptInfo *rel, const ChTable *table,
							  List *pathkeys, const char **reason);

/* A column of the table, looking through harmless relabelling; or NULL. */
extern Var *ch_plain_column(Node *node, Index relid);

extern void ch_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void ch_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void ch_get_upper_paths(PlannerInfo *root, UpperRelationKind stage,
							   RelOptInfo *input, RelOptInfo *output, void *extra);
extern ForeignScan *ch_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								ForeignPath *path, List *tlist, List *clauses, Plan *outer);

/* Pushdown switches: GUC and option together. */
extern bool ch_pushdown_enabled(const ChTable *table, bool guc, const char *option);

/* ---- execution --------------------------------------------------------- */

/* ForeignScanState.fdw_state */
typedef struct ChScanState
{
	ChScan		scan;			/* what the driver sees */
	ForeignScanState *node;
	List	   *params;			/* ExprState of fdw_exprs */
	int		   *target;			/* for scan.columns[i]: index in the slot */
	bool		bound;			/* ch_bind is through: the query has a text */
	bool		running;		/* send was called, close was not */
	bool		done;			/* this run has no more rows */
	bool		timed;			/* measure remote_time */
	bool		domains;		/* some column is of a domain */
} ChScanState;

extern void ch_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *ch_iterate_scan(ForeignScanState *node);
extern void ch_rescan(ForeignScanState *node);
extern void ch_end_scan(ForeignScanState *node);

/*
 * Give values to the query's conditions, limit and offset.  With explain, a
 * parameter that is no constant keeps its number.  False if no row can match.
 */
extern bool ch_bind(ChScanState *state, bool explain);

/* End a run early: no further row is wanted. */
extern void ch_stop_scan(ChScanState *state);

/* The owner's connection goes away: free what the driver holds. */
extern void ch_scan_abandon(ChScan *scan);

extern void ch_explain_scan(ForeignScanState *node, ExplainState *es);

extern List *ch_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid);

#endif							/* CH_CORE_H */
