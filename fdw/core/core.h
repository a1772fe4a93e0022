/*
 * core.h
 *	  What the files of fdw/core share with each other and with the module.
 *	  Drivers include driver.h instead.
 */
#ifndef CH_CORE_H
#define CH_CORE_H

#include "fdw/core/driver.h"
#include "lib/ilist.h"

#include "foreign/fdwapi.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "postmaster/bgworker.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

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
extern bool ch_enable_aggregate_pushdown;
extern bool ch_enable_join_pushdown;
extern bool ch_enable_eager_start;
extern int	ch_on_missing_qual; /* ChMissingQual */
extern int	ch_max_remote_rows;
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

/* A table of a join. */
typedef struct ChJoinMember
{
	RelOptInfo *rel;			/* the table's own */
	JoinType	type;			/* how it is joined; the first one's says nothing */
	List	   *on;				/* RestrictInfo of the join, and on the table alone */
} ChJoinMember;

/* Groups that the store makes, as what is above them sees them. */
typedef struct ChGroups
{
	ChTable    *table;			/* a column for each target; NULL: the store does
								 * nothing above groups */
	ChQuery    *query;			/* that makes them; values are expressions */
	List	   *exprs;			/* what each output of query is */
	double		rows;			/* groups that HAVING lets through */
	Cost		startup_cost;
	Cost		total_cost;
} ChGroups;

/* Planner's state of a relation: fdw_private of its RelOptInfo. */
typedef struct ChRel
{
	ChTable    *table;
	RelOptInfo *base;			/* the rel of the foreign table, or of the join */
	List	   *members;		/* of a join: ChJoinMember */
	List	   *where;			/* of a join: RestrictInfo that hold after it */
	List	   *joins;			/* of a join: ChJoin, values are expressions */
	List	   *clauses;		/* ChClause of baserestrictinfo, or of where */
	bool		exact;			/* every one of them ships exactly */
	double		remote_rows;	/* rows the store returns for them */
	double		looked_at;		/* of a join: rows that the store looks at */
	bool		rows_known;		/* from statistics, or the store's own count */
	Cost		startup_cost;
	Cost		tuple_cost;
	Cost		penalty;		/* guard.c: of a scan that will not be run */
	struct ChGuard *guard;		/* of a table, or NULL */
	bool		ordered;		/* an ORDERED rel over the base rel */
	List	   *sort;			/* its keys; NIL if conditions fix the order */
	ChGroups   *groups;			/* a rel of groups or of DISTINCT ON rows over the
								 * base rel: */
	List	   *local_quals;	/* HAVING that is checked here */
	List	   *local_reasons;	/* String: why, for each */
	List	   *remarks;		/* String: why something above stayed local */
} ChRel;

/* The state of a relation that is a wrapper's of ours, else NULL; rel may be NULL. */
extern ChRel *ch_rel(const RelOptInfo *rel);

/* Part of a row's transfer that it costs the store to look at the row. */
#define CH_REMOTE_ROW_FACTOR 0.1

/* What the store does for a join before it has a row. */
static inline Cost
ch_join_cost(const ChRel *ch)
{
	return ch->looked_at * ch->tuple_cost * CH_REMOTE_ROW_FACTOR;
}

/*
 * Decide for each RestrictInfo; also whether together they are exact.  Pass
 * the list of all clauses that a path applies in the scan.
 */
extern List *ch_ship_clauses(PlannerInfo *root, RelOptInfo *rel, ChTable *table,
							 List *rinfos, bool *exact);

/* The columns' order that pathkeys ask for, or NIL with a reason. */
extern List *ch_ship_pathkeys(PlannerInfo *root, RelOptInfo *rel, ChTable *table,
							  List *pathkeys, const char **reason);

/*
 * The same for DISTINCT ON the first ndistinct keys, whose own order does not
 * matter, without asking whether the store sorts so.
 */
extern List *ch_sort_keys(PlannerInfo *root, RelOptInfo *rel, ChTable *table,
						  List *pathkeys, int ndistinct, const char **reason);

/* The same for an order of groups: its keys are targets. */
extern List *ch_ship_group_pathkeys(PlannerInfo *root, RelOptInfo *rel, const ChGroups *groups,
									List *pathkeys, const char **reason);

/* A condition of HAVING; NULL with a reason if it is not exact. */
extern ChExpr *ch_ship_having(PlannerInfo *root, RelOptInfo *rel, const ChGroups *groups,
							  Node *clause, const char **reason);

/* The condition of an aggregate's FILTER; NULL with a reason if it is not exact. */
extern ChExpr *ch_ship_filter(PlannerInfo *root, RelOptInfo *rel, ChTable *table,
							  Node *clause, const char **reason);

/*
 * The number of the column that an expression is: a plain one, or one that the
 * store computes, which becomes a column of table.  0: neither, with a reason
 * where a store was asked and declined.
 */
extern int	ch_operand(PlannerInfo *root, RelOptInfo *rel, ChTable *table, Node *node,
					   const char **reason);

/* Make a computed column; NULL, with a reason, if the store does not compute it. */
extern ChColumn *ch_add_computed(ChTable *table, ChFunc *func, const char **reason);

/* A column that is a result, for value.c; its name is for messages. */
extern ChColumn *ch_make_result_column(ChTable *table, const char *name, Oid type, int32 typmod, Oid collation);

/* The number that a plain column of the rel has in its table, or 0. */
extern int	ch_var_number(RelOptInfo *rel, const Var *var);

/* join.c: joins of tables of one server */
extern void ch_get_join_paths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outer, RelOptInfo *inner,
							  JoinType type, JoinPathExtraData *extra);

/* Are all columns of the expression in the rows of a join, or of a table? */
extern bool ch_is_in_row(RelOptInfo *rel, Node *expr);

/* remark.c: why something stays local; what and why are words of EXPLAIN */
extern void ch_remark(ChRel *ch, const char *what, const char *why);
extern void ch_remark_order(PlannerInfo *root, RelOptInfo *rel, const char *reason);	/* NULL: it does not */
extern List *ch_remarks_of(const ChRel *ch, const Path *path);
extern List *ch_remarks_without(const List *remarks, const char *what);
extern void ch_remark_upper(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *output, void *extra);

/* path.c, for group.c and join.c */
extern bool ch_has_gate(RelOptInfo *base);
extern bool ch_is_scan(const RelOptInfo *rel);	/* a table, or a join */

/* group.c: GROUP BY, aggregates, DISTINCT and DISTINCT ON of one table */
extern void ch_group_paths(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, GroupPathExtraData *extra);
extern void ch_distinct_paths(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output);

/* above.c: HAVING, ORDER BY and LIMIT of groups */
extern void ch_take_having(PlannerInfo *root, ChRel *ch, List *having);
extern void ch_group_order(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output);
extern void ch_group_limit(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, FinalPathExtraData *extra);

/* The number of the target that an expression above groups is, from 1 on; 0: none, perhaps with a reason. */
extern int	ch_group_operand(const ChGroups *groups, Node *node, const char **reason);

/* narrow.c: ChQuery.narrowed, given the conditions that the store checks exactly */
extern List *ch_narrow(PlannerInfo *root, RelOptInfo *base, const ChTable *table, List *exact);

/* A plain column of the table, looking through harmless relabelling; or NULL. */
extern Var *ch_plain_column(Node *node, Index relid);

extern void ch_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void ch_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void ch_get_upper_paths(PlannerInfo *root, UpperRelationKind stage,
							   RelOptInfo *input, RelOptInfo *output, void *extra);
extern ForeignScan *ch_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								ForeignPath *path, List *tlist, List *clauses, Plan *outer);

/*
 * Rows of a table that was never analyzed.  Large enough that a few lookups by
 * key are preferred to reading it whole.
 */
#define CH_DEFAULT_TUPLES 10000.0

/* guard.c: required_quals, default_window and limits on rows */
typedef struct ChGuard ChGuard;

typedef enum ChMissingQual
{
	CH_MISSING_ALLOW,
	CH_MISSING_ERROR,
	CH_MISSING_WINDOW
} ChMissingQual;

/* Names that + joins in a list of alternatives: List of List of String; NIL if it is none. */
extern List *ch_parse_quals(const char *text);

/* The table's clauses are shipped: set guard and penalty, perhaps add a clause. */
extern void ch_guard_rel(PlannerInfo *root, RelOptInfo *rel, ChRel *ch);

/* What a scan with these clauses costs besides, if nothing meets its guard. */
extern Cost ch_guard_penalty(const ChRel *ch, List *clauses);
extern void ch_guard_plan(PlannerInfo *root, const ChRel *ch, List *clauses, ChQuery *query);
extern List *ch_guard_explain(const ChQuery *query);
extern void ch_assign_on_missing_qual(int value, void *extra);

/* stats.c */
extern void ch_stats_init(void);	/* once for each process */
extern double ch_remote_count(RelOptInfo *rel, ChTable *table); /* by use_remote_estimate; -1: not known */
extern bool ch_analyze(Relation relation, AcquireSampleRowsFunc *func, BlockNumber *totalpages);

/* costs.c */
extern bool ch_learn;
extern void ch_learn_request(Oid serverid, double ms);
extern void ch_learn_rows(Oid serverid, int64 rows, int64 waited_us);
extern void ch_forget_costs(uint32 server_hash);	/* 0: of all servers */

/* What the planner takes a request and a row to cost: options, else what was learnt. */
extern void ch_get_costs(const ChTable *table, Cost *request, Cost *row);

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
	bool		early;			/* sent at the plan's start, nothing read yet */
	bool		timed;			/* measure scan.remote_time and this: */
	instr_time	first_row_time; /* its part until a run is begun */
	bool		begun;			/* the run has a row, or its end */
	bool		domains;		/* some column is of a domain */
	Datum	   *values;			/* grouped: what the driver returned, by target */
	bool	   *nulls;
	bool		empty_group;	/* grouped without keys: the row of no rows is due */
	dlist_node	registered;
	struct ChPrefetch *prefetch;	/* of a batched join, or NULL */
	bool		fresh;			/* no row was asked for since the last rescan */
	bool		from_batch;		/* this run's rows were fetched ahead */
	bool		reading;		/* the driver sends, or makes a row */
	bool		broken;			/* the rest of the run could not be parked */
	Tuplestorestate *parked;	/* the rest of the run, which is no longer running */
	TupleTableSlot *parked_slot;
	ResourceOwner resowner;		/* when the request was sent */
	int64		batched;		/* parameter sets fetched ahead */
	instr_time	sent;			/* for learnt costs */
	bool		answered;		/* the run's first row, or that there is none, came */
	int64		waited_us;		/* for further rows of the run */
	int64		rows_before;	/* scan.rows when the request was sent */
	bool		async;			/* below an Append that reads rows as they come */
	bool		pending;		/* and the row it asked for is not there yet */
	bool		in_append;		/* it has asked for a row, so that this is known: */
	bool		in_turn;		/* the run begins when those before it have ended */
	instr_time	silent_since;	/* the store, while the row is waited for */
	int64		pending_us;		/* this row was waited for so long, in async.c */
	int			max_rows;		/* guard.c: 0: no limit */
	bool		max_rows_of_table;	/* by an option */
} ChScanState;

extern void ch_open_scan(ForeignScanState *node, int eflags);	/* sends nothing */
extern void ch_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *ch_iterate_scan(ForeignScanState *node);
extern void ch_rescan(ForeignScanState *node);
extern void ch_end_scan(ForeignScanState *node);

/* For a scan that ends: the values that became NULL by on_type_mismatch. */
extern void ch_warn_of_mismatches(const ChScan *scan);

/*
 * Give values to the query's conditions, limit and offset.  With explain, a
 * parameter that is no constant keeps its number.  False if no row can match.
 */
extern bool ch_bind(ChScanState *state, bool explain);

/* Values of many parameter sets for one: by number of expression, or NULL. */
typedef struct ChMerge
{
	ChValue   **values;
	int		   *counts;
	bool		distinct;		/* without duplicates */
} ChMerge;

/* ch_bind with column = value as column IN (values). */
extern bool ch_bind_merged(ChScanState *state, const ChMerge *merge);

/* The values that a direct UPDATE sets columns to; with explain as ch_bind. */
extern ChBoundAssign *ch_bind_assigns(ChScanState *state, bool explain);

/* Which columns to fetch, and where each goes in the scan's slot. */
extern void ch_set_columns(ChScanState *state);

/* Ask what is bound; the run lasts until ch_stop_scan. */
extern void ch_send(ChScanState *state);

/* The next row of the run, in the slot's values; false at the end. */
extern bool ch_read_row(ChScanState *state, TupleTableSlot *slot);
extern void ch_fill_empty_group(ChScanState *state, TupleTableSlot *slot);

/* The table of a query, or its tables as one. */
extern ChTable *ch_query_table(const ChQuery *query);

/* All that have begun: ChScanState by registered. */
extern dlist_head *ch_scans(void);

/* The running scan of a plan node, or NULL. */
extern ChScanState *ch_find_scan(const EState *estate, const Plan *plan);

/* Raise what the plan found missing, and say what it added.  (guard.c) */
extern void ch_guard_begin(ChScanState *state, int eflags);
pg_noreturn extern void ch_guard_too_many(const ChScanState *state);

/* ---- batches: of nested loops and of sub-selects --------------------------- */

extern bool ch_enable_batch_join;
extern int	ch_batch_join_size;

/* prefetch.c: rows of one scan for many parameter sets */
typedef struct ChPrefetch ChPrefetch;

/* Does an expression depend on one of these PARAM_EXEC numbers? */
extern bool ch_has_param(Node *node, const Bitmapset *params);

/* On any, a value that another part of the plan makes while it runs? */
extern bool ch_has_exec_param(Node *node);

/*
 * Can a scan be asked for many sets of what depends on these PARAM_EXEC numbers?
 * merged: as one question.
 */
extern bool ch_prefetch_can(const ForeignScan *plan, const ChTable *table, const Bitmapset *params, bool *merged);

/* For a running scan, once; NULL if it cannot, or has one for others.  In the scan's memory. */
extern ChPrefetch *ch_prefetch_make(ChScanState *state, const Bitmapset *params);
extern void ch_prefetch_add(ChPrefetch *pf);	/* the set that the parameters are now */
extern bool ch_prefetch_fetch(ChPrefetch *pf);	/* false: too many rows; all are forgotten */
extern void ch_prefetch_fail(ChPrefetch *pf);	/* it raised: these sets ask for themselves */
extern bool ch_prefetch_has(const ChPrefetch *pf);	/* rows of earlier batches? */
extern bool ch_prefetch_find(ChPrefetch *pf);	/* the set that the parameters are now */
extern bool ch_prefetch_next(ChPrefetch *pf, TupleTableSlot *slot);	/* its next row */

/* What the rows of a node are read ahead for, in custom_private. */
#define CH_BATCH_GREEDY		0x01	/* all are wanted: begin with the largest batch */
#define CH_BATCH_SUBPLANS	0x02	/* for sub-selects of the node itself, not for a loop */
#define CH_BATCH_FILTER		0x04	/* it checks the conditions with sub-selects of its child */
#define CH_BATCH_HOLDS		0x08	/* an error of a row can be held back until its turn */

/* What a batch saves. */
typedef struct ChGain
{
	List	   *keys;			/* expressions that the scans depend on */
	Cost		request;		/* of a request to each scan that can be batched */
	Cost		question;		/* of each question in it, where they are not merged */
} ChGain;

/* batch_path.c */
extern void ch_batch_init(void);	/* once for each process */

/* NULL if the rows may not be read ahead. */
extern Path *ch_batch_path(PlannerInfo *root, Path *outer, int flags);

/*
 * May an expression be evaluated for a row whose turn may never come?  root: for
 * what sub-selects are in it, or NULL.
 */
extern bool ch_runs_ahead(PlannerInfo *root, Node *node);

/* Rows that the query locks or changes are not read ahead. */
extern bool ch_batch_locks(const PlannerInfo *root, const RelOptInfo *rel);
extern void ch_batch_add(ChGain *gain, List *keys, Cost request, bool merged);

/* What is saved of asking once for each row; distinct: how many keys there are. */
extern Cost ch_batch_saved(PlannerInfo *root, const ChGain *gain, double rows, double *distinct);

/* Of a request: by what a batch is preferred where one row is expected. */
extern Cost ch_batch_insurance(const ChGain *gain);

/* batch_subplan.c */
extern void ch_batch_subplan_init(void);	/* once for each process */

/* batch_exec.c */

/* SubPlans in an expression or a list that are asked anew for each row. */
extern List *ch_batch_subplans(Node *node);

/*
 * The foreign scans of ours below a plan that depend on parameters, and on no
 * others that are set below; subplans: of the whole plan.  partial: something
 * above may end it early, so not all its rows are wanted.
 */
extern List *ch_batch_scans(List *subplans, Plan *plan, const Bitmapset *params, bool partial);
extern Bitmapset *ch_batch_params(const SubPlan *subplan);
extern Plan *ch_batch_plan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
						   List *clauses, List *plans);
extern void ch_batch_register(void);

/* Does the scan compare column = value, where many values are no other question? */
extern List *ch_merge_keys(const ChTable *table, List *exprs);

/* May the scan send its request when the plan starts?  (eager.c) */
extern bool ch_starts_early(const ChScanState *state, int eflags);

/* May a LIMIT or the like end the statement before all rows of a node were read?  (eager.c) */
extern bool ch_may_end_early(const EState *estate, const Plan *node);

/* Plans below a node, with those that a list of its own holds.  (batch_exec.c) */
extern List *ch_plans_below(Plan *plan);

/* Count time that a scan was waited for elsewhere. */
extern void ch_note_wait(ChScanState *state, instr_time start);

/* async.c: rows of several scans below an Append, as they come */
extern bool ch_is_async_capable(ForeignPath *path);
extern void ch_async_request(AsyncRequest *areq);
extern void ch_async_configure_wait(AsyncRequest *areq);
extern void ch_async_notify(AsyncRequest *areq);

/* An error context callback: the remote query of the ChScan that is arg. */
extern void ch_remote_query_context(void *arg);

/* End a run early: no further row is wanted. */
extern void ch_stop_scan(ChScanState *state);

/*
 * Read the rest of a run ahead, into memory or beyond work_mem into a file, so
 * that its connection is free for others: in a transaction of a store all use one.
 */
extern void ch_park_scan(ChScan *scan);

/* The owner's connection goes away: free what the driver holds. */
extern void ch_scan_abandon(ChScan *scan);

/* ---- writing ------------------------------------------------------------ */

/* modify.c: INSERT, UPDATE, DELETE, COPY and TRUNCATE */
extern void ch_set_modify_routines(FdwRoutine *routine);

/* direct.c: UPDATE and DELETE without fetching rows */
extern void ch_set_direct_routines(FdwRoutine *routine);

/* A Datum on its way to the store, in the current memory context. */
extern void ch_value_to_write(const ChColumn *col, Datum d, bool isnull, ChValue *v);

/* What EXPLAIN VERBOSE says of a write. */
extern void ch_explain_write(const ChWrite *w, const char *text, ExplainState *es);

/* Raise if there is a reason against writing the table so. */
extern void ch_check_writable(const ChTable *table, ChVerb verb);

/* pending.c: what is written and not yet sent, and transactions */
extern const char *const ch_write_mode_names[];	/* by ChWriteMode */

typedef struct ChPending ChPending;

/* What identifies a ChWrite within a transaction. */
typedef struct ChWriteKey
{
	Oid			relid;
	Oid			userid;
	ChVerb		verb;
	bool		skip_existing;
	bool		direct;
	List	   *columns;		/* int list of attnos */
} ChWriteKey;

extern ChWriteMode ch_write_mode(const ChTable *table);
extern const char *ch_default_write_mode(const ChDriver *driver);

/* A new one, in cxt; begin_write has been called. */
extern ChWrite *ch_make_write(const ChWriteKey *key, MemoryContext cxt);

/* The transaction's own: made, or found from an earlier statement. */
extern ChWrite *ch_get_write(const ChWriteKey *key);

/*
 * Where the next record of w goes: the driver appends to it, and ch_end_record
 * completes it; true if the batch is full.
 */
extern StringInfo ch_begin_record(ChWrite *w);
extern bool ch_end_record(ChWrite *w, int64 *affected);

/* A batch without records. */
extern void ch_add_batch(ChWrite *w);

/*
 * Send what may be sent by now: by its mode nothing before the commit, and in a
 * transaction of the store nothing of a savepoint that is not released.
 */
extern bool ch_flush_writes(const ChWrite *w);	/* false: some of w wait on */

/* Is a transaction of the store open in which this server is written? */
extern ChConn *ch_remote_transaction(Oid serverid, Oid userid);

/* Is one open, of any store?  An error of its connection would end it. */
extern bool ch_in_remote_transaction(void);

/* doubt.c: stores of one transaction that did not all commit */
typedef struct ChDoubt
{
	const char *role;			/* who wrote */
	const char *server;
	const char *outcome;		/* committed, unknown, not committed */
	int64		records;
} ChDoubt;

/*
 * A background worker of this module, to be registered by the caller, who is told of
 * its start and end: connected to a database, not started again.  Its name is kind
 * and what, or kind alone.
 */
extern BackgroundWorker ch_background_worker(const char *kind, const char *what, const char *function, Datum arg);

/*
 * Have a background worker run a statement as a transaction of its own, as the
 * database's owner of everything, and wait.  False if there is none to be had.
 */
extern bool ch_run_in_worker(const char *sql);

extern void ch_record_doubt(List *doubts, const char *reason);

/* The same from where nothing may be written, or NIL; ch_record_late_doubts catches up. */
extern void ch_note_late_doubt(List *doubts);
extern void ch_record_late_doubts(void);

extern void ch_explain_scan(ForeignScanState *node, ExplainState *es);
extern void ch_explain_init(void);	/* once for each process */

extern List *ch_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid);

#endif							/* CH_CORE_H */
