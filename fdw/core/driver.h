/*
 * driver.h
 *	  What a driver is: a const table of functions and facts about one kind of
 *	  store.  This header is all that a driver includes of core.
 *
 * Every function may raise an error with ereport unless it says otherwise.
 * Nothing that raises may be called from inside a C library's callback.
 */
#ifndef CH_DRIVER_H
#define CH_DRIVER_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "portability/instr_time.h"

#include "connection.h"
#include "ir.h"
#include "options.h"
#include "stream.h"
#include "value.h"
#include "write.h"

/* ---- a foreign table as a driver sees it ------------------------------ */

typedef struct ChColumn
{
	int			attno;
	const char *name;			/* in PostgreSQL */
	const char *remote;			/* option named by driver->column_name_option,
								 * else name */
	Oid			typid;
	int32		typmod;
	Oid			collation;
	bool		notnull;		/* NOT NULL constraint of the foreign table */
	List	   *options;
	struct ChTable *table;

	/* set by the driver's describe_table */
	int			kind;			/* driver's own enum */
	bool		unique;			/* at most one row has a given value */
	bool		generated;		/* the store makes a value where INSERT gives NULL */
	void	   *extra;

	ChFunc	   *func;			/* computed: what; else NULL */

	/* set by core for value.c */
	Oid			basetype;		/* typid below domains */
	Oid			elemtype;		/* of an array, else InvalidOid */
	bool		domain;			/* check its constraints */
	void	   *domain_extra;
	FmgrInfo	input;
	Oid			ioparam;
	struct ChColumn *element;	/* of an array: pseudo column for elements */
} ChColumn;

typedef struct ChTable
{
	const struct ChDriver *driver;
	Oid			relid;
	Oid			serverid;
	char	   *name;			/* schema.table, quoted, for messages */
	int			natts;
	ChColumn  **columns;		/* by attno - 1; NULL for a dropped one */
	List	   *computed;		/* ChColumn: attno natts + 1, ... */
	ChColumn   *time;			/* timestamptz that says when a row is from, or
								 * NULL; set by describe_table */
	TupleDesc	desc;
	List	   *options;		/* table's, then the server's */
	bool		mismatch_null;	/* on_type_mismatch = 'null' */
	int			fetch_size;		/* rows a batch */
	int64		mismatches;		/* values that became NULL in this scan */
	const ChColumn *mismatch_column;	/* the first of them */
	char		mismatch_type[64];	/* and the store's name of its type */
	void	   *priv;			/* driver's, set by describe_table */

	/*
	 * A join of tables: columns has copies of theirs, numbered through; a
	 * column's own table is in ChColumn.table.  The rest is the first one's.
	 */
	int			nmembers;		/* 0: no join */
	struct ChTable **members;
	int		   *first;			/* of each member: its first column's number */

	/*
	 * Groups: columns are what this query returns, one for each of its targets.
	 * Their values fit; mismatch_null is false.  The rest is that of rows.
	 */
	const ChQuery *grouped;		/* NULL: no groups */
	struct ChTable *rows;		/* what is grouped */
} ChTable;

/* Describe a foreign table, in the current memory context. */
extern ChTable *ch_table_open(Oid relid);

/* Several tables of one driver as one; describe_join is called. */
extern ChTable *ch_table_join(List *tables);

/* What a grouped query returns, for conditions and orders above it; describe_groups is called. */
extern ChTable *ch_table_groups(ChTable *rows, const ChQuery *query);

static inline ChColumn *
ch_column(const ChTable *table, int attno)
{
	return attno > table->natts ? (ChColumn *) list_nth(table->computed, attno - table->natts - 1)
		: table->columns[attno - 1];
}

/* The column that an option of the table names; raises if there is none. */
extern const ChColumn *ch_column_named(const ChTable *table, const char *name, const char *option);

/* columns (ChColumn) and those that a condition looks at, without duplicates. */
extern List *ch_columns_of(const ChTable *table, const ChExpr *expr, List *columns);

/*
 * For EXPLAIN, a LIMIT or OFFSET that has no value yet is the number of a
 * parameter: CH_COUNT_PARAM minus its index.
 */
#define CH_COUNT_PARAM (PG_INT64_MIN + 1000000)
#define CH_COUNT_IS_PARAM(n) ((n) < -1)
#define CH_COUNT_NUMBER(n) ((int) (CH_COUNT_PARAM - (n)) + 1)	/* as $n */

/* A count as text: its value, or $n. */
extern char *ch_count_text(int64 count);

/* Does the collation order strings by their bytes in this database's encoding? */
extern bool ch_collation_is_bytewise(Oid collation);

/*
 * A condition whose values are all constants (of CASE) with its values, in the
 * current memory context: NULL if it is always true, CH_COND_FALSE if never.
 */
extern struct ChCond *ch_bind_constants(const ChTable *table, const ChExpr *expr);

/* ---- a running scan --------------------------------------------------- */

/* One of several questions that a scan asks at once: see ship_sets. */
typedef struct ChSet
{
	ChCond	   *filter;			/* as ChScan.filter */
	int64		limit;
	int64		offset;
} ChSet;

/* A further table of a join, bound. */
typedef struct ChBoundJoin
{
	JoinType	type;			/* INNER, LEFT, SEMI, ANTI */
	ChTable    *table;
	ChCond	   *on;				/* NULL: all pairs; CH_COND_FALSE only for LEFT and
								 * ANTI */
} ChBoundJoin;

/* A column of a grouped query, bound. */
typedef struct ChBoundTarget
{
	ChAgg		agg;
	ChColumn   *col;			/* NULL: count(*) */
	ChColumn   *by;				/* FIRST, LAST */
	bool		distinct;
	ChCond	   *filter;			/* NULL: every row; may be CH_COND_FALSE */
} ChBoundTarget;

typedef struct ChScan
{
	const struct ChDriver *driver;
	ChTable    *table;
	ChQuery    *query;
	Oid			userid;
	MemoryContext cxt;			/* the whole scan */
	MemoryContext run_cxt;		/* from send to close; reset by core after close */

	/* the request, valid from send to close */
	ChCond	   *filter;			/* NULL: every row */
	int			nsort;
	ChSortKey **sort;
	int64		limit;			/* -1: none */
	int64		offset;			/* 0: none */
	int			ncolumns;
	ChColumn  **columns;		/* columns to fetch, ascending attno; may be 0.
								 * Of a grouped query: pseudo columns that have the
								 * types of targets[i] */

	/* joins: table is the joined one; filter holds after all of them */
	int			njoins;			/* table->nmembers - 1, or 0 */
	ChBoundJoin *joins;

	/* grouped queries */
	bool		grouped;
	int			ngroup;
	ChColumn  **group;			/* keys; 0: one group of all rows */
	ChBoundTarget *targets;		/* ncolumns of them */
	ChTable    *groups;			/* what having and sort speak of: column i + 1 is
								 * targets[i]; NULL if nothing is above the groups */
	ChCond	   *having;			/* NULL: every group */

	/* DISTINCT ON the first ndistinct of sort; 0: none */
	int			ndistinct;

	/*
	 * Several questions at once: filter, limit and offset are those of sets,
	 * all else is common.  next() says in current_set whose row it returns; of
	 * one set they come in order, sets may come in any, even mixed.
	 */
	int			nsets;			/* 0: one question, that of filter */
	ChSet	   *sets;
	int			current_set;

	ChConn	   *conn;			/* core's, from send to close; NULL in explain */
	void	   *state;			/* driver's, allocated in run_cxt by send */

	/*
	 * Rows of several scans are read as they come: where next() would wait for
	 * the store, it returns false and sets wait.  Reading what has arrived and
	 * writing are no waits.
	 */
	bool		nowait;
	ChWait		wait;			/* events 0: next() would not wait */

	/* for EXPLAIN ANALYZE; drivers count requests and bytes, core the rest */
	int64		requests;		/* round trips, or HTTP requests */
	uint64		bytes;			/* received */
	int64		rows;
	instr_time	remote_time;	/* in send and next, and waited for in between */
} ChScan;

/* How a direct UPDATE sets a column, by ChWrite.columns. */
typedef struct ChBoundAssign
{
	ChAssignKind kind;
	ChValue		value;			/* VALUE: may be CH_NULL; ADD, SUB: a number;
								 * JSON_SET: CH_NULL is JSON's null */
	ChColumn   *column;			/* COLUMN */
	List	   *path;			/* JSON_SET: String */
} ChBoundAssign;

/* Did next() return false because the row is not there yet? */
static inline bool
ch_would_wait(const ChScan *scan)
{
	return scan->wait.events != 0;
}

/*
 * Put a value into the row: column is scan->columns[i].  values and nulls are
 * what next() got.  In the current (per-row) memory context.
 */
extern void ch_set_column(ChScan *scan, int i, const ChValue *v,
						  Datum *values, bool *nulls);

/* ---- import ----------------------------------------------------------- */

typedef struct ChImportColumn
{
	const char *name;
	const char *type;			/* SQL text of the type */
	const char *collation;		/* SQL text of its collation, or NULL */
	bool		notnull;
	List	   *options;		/* DefElem with String */
} ChImportColumn;

typedef struct ChImportTable
{
	const char *name;
	List	   *columns;		/* ChImportColumn */
	List	   *options;		/* DefElem with String */
} ChImportTable;

/* DefElem with a String value, in the current memory context. */
extern DefElem *ch_option(const char *name, const char *value);

/* ---- check_store ------------------------------------------------------ */

typedef enum ChProbe
{
	CH_PROBE_VERSION,			/* detail: product and version */
	CH_PROBE_PERMISSION,		/* may the user read what the server names? */
	CH_PROBE_SAMPLE				/* read one row of anything */
} ChProbe;

#define CH_LEAF(kind) (1u << (kind))

/* ---- the driver ------------------------------------------------------- */

typedef struct ChDriver
{
	const char *name;			/* "redis" */
	const char *product;		/* "Redis", for messages */
	const char *fdw_name;		/* "cipherhorizon_redis" */
	const ChOptionDef *options; /* besides ch_common_options; ends with {0} */
	const char *const *not_options; /* common options that make no sense here,
									 * NULL ends them; may be NULL */
	bool		password_needs_user;	/* without a user it logs in as nobody */
	const char *column_name_option; /* column option for the remote name */
	int			default_port;

	/*
	 * Where the store is, for a driver whose address is not in the options
	 * host, port, socket and tls (an URL, say).  Strings in conn->cxt.  NULL:
	 * ch_conn_endpoint.
	 */
	void		(*endpoint) (const ChConn *conn, ChEndpoint *ep);

	/*
	 * Check options that depend on each other, where is one of CH_ON_...;
	 * called by the validator after each single one is known to be right.  May
	 * be NULL.
	 */
	void		(*check_options) (int where, List *options);

	/*
	 * Which kinds of leaves after CH_COND_FALSE does the store know?  Bits
	 * CH_LEAF(kind); core refuses the others before it asks ship_leaf.
	 */
	uint32		more_leaves;

	/* Set kind, unique, extra of each column and table->priv. */
	void		(*describe_table) (ChTable *table);

	/*
	 * May the condition run remotely?  leaf is CMP, IN, NOT_IN, IS_NULL or
	 * NOT_NULL.  Core has checked that the operator is the column type's own
	 * btree operator (or its negator), that the value has the column's type
	 * (any integer type for an integer column, float4/float8 alike, text for
	 * varchar), and that the collation is deterministic and, for the order
	 * operators on strings, bytewise.  reason is set for NO and LOSSY, in
	 * words that finish "... stays local: ".
	 */
	ChShip		(*ship_leaf) (const ChTable *table, const ChExpr *leaf, const char **reason);

	/*
	 * The same for an AND or OR whose args ship one by one; given is the best
	 * that its args allow.  NULL: given.  For the top-level AND of a query, too
	 * (a list of one has no AND around it: it is still called, with an AND of
	 * one).
	 */
	ChShip		(*ship_bool) (const ChTable *table, const ChExpr *expr, ChShip given, const char **reason);

	/* Rows in exactly this order?  keys: list of ChSortKey, at least one. */
	bool		(*ship_sort) (const ChTable *table, List *keys, const char **reason);

	/* LIMIT and OFFSET, given that filter and sort ship exactly. May be NULL: yes. */
	bool		(*ship_limit) (const ChTable *table, List *keys, bool has_offset, const char **reason);

	/*
	 * Can the store compute this from a row, exactly as PostgreSQL?  If so set
	 * kind, unique and extra of the new column, as describe_table does; its
	 * conditions, orders and groups are then asked about one by one.  NULL:
	 * nothing.
	 */
	bool		(*ship_func) (const ChTable *table, ChColumn *col, const char **reason);

	/*
	 * Groups and aggregates, all of them: query has filter (which ships
	 * exactly), group, targets and computed; no sort, limit or DISTINCT ON.
	 * Core has settled that types, collations and operators are the default
	 * ones.  An aggregate must raise or leave out, as a row scan would, what a
	 * column's type does not hold.  Without keys there is one row: if next()
	 * returns none, core makes it (counts are 0, the rest is NULL).  NULL: none.
	 */
	bool		(*ship_group) (const ChTable *table, const ChQuery *query, const char **reason);

	/*
	 * Conditions, orders and limits of groups that ship_group has taken: set kind
	 * and extra of the columns of groups; ship_leaf, ship_bool, ship_sort and
	 * ship_limit are then asked about these (table->grouped is set).  There are
	 * keys; OFFSET is never asked for.  A value that a column of the rows does not
	 * hold must raise also if its group is not among those returned.  NULL: none.
	 */
	void		(*describe_groups) (ChTable *groups);

	/*
	 * Joins: query has joins, whose conditions ship one by one, and filter.
	 * describe_join may change what is in the columns' copies (kind, extra) and
	 * the joined table's priv; it is called once for each joined table, before
	 * any column of it is asked about.  NULL: none.
	 */
	void		(*describe_join) (ChTable *joined);
	bool		(*ship_join) (const ChTable *joined, const ChQuery *query, const char **reason);

	/*
	 * How many rows the store looks at, as a scan does, to join the last table
	 * of query->joins, which has inner rows, to the outer rows of those before
	 * it.  NULL: the rows of the table that its own conditions leave.
	 */
	double		(*join_rows) (const ChTable *joined, const ChQuery *query, double outer, double inner);

	/*
	 * DISTINCT ON the first query->ndistinct keys of query->sort, which ship_sort
	 * was not asked about: the order of rows returned is free, but each is the
	 * first of its group in that order.  NULL: none.
	 */
	bool		(*ship_distinct) (const ChTable *table, const ChQuery *query, const char **reason);

	/*
	 * How many questions of this form (they differ in values, LIMIT and OFFSET)
	 * can one request ask?  0 or NULL: only one.
	 */
	int			(*ship_sets) (const ChTable *table, const ChQuery *query);

	/*
	 * Connect and log in: set conn->handle.  On failure raise by
	 * ch_failure_raise; core then calls disconnect, which must cope with a
	 * handle that is NULL or half made.
	 */
	void		(*connect) (ChConn *conn);
	void		(*disconnect) (ChConn *conn);	/* must not raise */

	/* Is an idle connection still good?  Must not raise or wait. */
	bool		(*alive) (ChConn *conn);

	/*
	 * Compile the request and send it, without waiting for the answer.
	 * scan->filter, sort, limit, columns, conn are set.  CH_COND_FALSE never
	 * gets here.
	 */
	void		(*send) (ChScan *scan);

	/*
	 * The next row: set values and nulls for scan->columns[i] at index
	 * columns[i]->attno - 1 by ch_set_column; false at the end, or where
	 * scan->nowait forbids to wait.  Called in a memory context that is reset for
	 * each row.
	 */
	bool		(*next) (ChScan *scan, Datum *values, bool *nulls);

	/*
	 * End a run, complete or not: free what C libraries allocated.  Returns
	 * true if the connection can be used again (nothing unread).  Also called
	 * when an error unwinds: must not raise or wait, and must cope with
	 * scan->state NULL or half made.  failed: after an error.
	 */
	bool		(*close) (ChScan *scan, bool failed);

	/* The remote query as text; values of kind CH_PARAM print as $n. */
	void		(*explain) (ChScan *scan, StringInfo out);

	/* Tables of a remote schema: list of ChImportTable. Core applies LIMIT TO. */
	List	   *(*import_schema) (ChConn *conn, const char *remote_schema, List *options);

	/*
	 * The number of rows of a table, if the store keeps it or a good estimate:
	 * no scan.  -1: it does not.  NULL: never.
	 */
	double		(*count_rows) (ChConn *conn, const ChTable *table);

	/* One step of check_store; detail may be added. Raises on failure. */
	void		(*probe) (ChConn *conn, ChProbe step, StringInfo detail);

	/* ---- writing; a driver without can_write only reads ---- */

	/*
	 * May rows of this table be written so?  False with a reason, a sentence for
	 * DETAIL, and perhaps a hint (may stay NULL).
	 */
	bool		(*can_write) (const ChTable *table, ChVerb verb, const char **reason, const char **hint);

	/* The columns by which UPDATE and DELETE find a row again: int list of attnos. */
	List	   *(*row_identity) (const ChTable *table);

	/*
	 * Values that have no kind of their own (enums, network addresses, ...), and
	 * arrays and jsonb, come as CH_UNTYPED text; else the latter come as CH_LIST
	 * and CH_MAP, and the former are refused.
	 */
	bool		writes_text;

	bool		wants_nulls;	/* ChWrite.was_null */

	size_t		batch_bytes;	/* a batch is full with this; 0: 1 MB */
	int			batch_records;	/* or with so many records */

	/*
	 * The value of a generated column where INSERT gives NULL, in the current
	 * memory context.  NULL: only the store knows it, and RETURNING shows NULL.
	 */
	void		(*make_value) (const ChColumn *col, ChValue *v);

	/* Check w->columns and prepare w->priv, in w->cxt, which is current. */
	void		(*begin_write) (ChWrite *w);

	/*
	 * Append one record for a row: values by w->columns, identity by w->identity
	 * (both may be CH_NULL).  In a per-row context.
	 */
	void		(*encode_row) (ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out);

	/*
	 * UPDATE and DELETE of all rows that a condition describes, without fetching
	 * them.  ship_direct: does the store do it exactly?  query->filter ships
	 * exactly; query->assigns are ChAssign.
	 * encode_direct: append the record; scan->filter is bound, assigns are by
	 * w->columns; w->direct, which begin_write was told.  A value that ADD makes
	 * and the column's type does not hold is an error, NULL + value is NULL.
	 * explain_direct: the same as text.  NULL: never.
	 */
	bool		tells_affected; /* apply counts the rows; else core does before */
	bool		(*ship_direct) (const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason);
	void		(*encode_direct) (ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
	void		(*explain_direct) (ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);

	/*
	 * Send the batches and wait for the answers.  Where the store can, all or
	 * nothing of them.  conn->unsure is set by the driver from before the bytes
	 * leave that make the writes happen until their answer is there.
	 */
	void		(*apply) (ChConn *conn, ChBatches *batches);

	/* A transaction of the store around apply.  NULL: it has none. */
	void		(*begin_remote) (ChConn *conn);
	void		(*commit_remote) (ChConn *conn);	/* sets conn->unsure, too */
	bool		(*abort_remote) (ChConn *conn); /* must not raise or wait long;
												 * false: drop the connection */

	/* What is sent for a row, as EXPLAIN VERBOSE shows it; w->priv is set. */
	void		(*explain_write) (const ChWrite *w, StringInfo out);
} ChDriver;

extern const ChDriver ch_influxdb_driver;
extern const ChDriver ch_mongodb_driver;
extern const ChDriver ch_redis_driver;
extern const ChDriver ch_neo4j_driver;

/* The driver of a foreign server (by its wrapper's handler). */
extern const ChDriver *ch_driver_of_server(Oid serverid);

/* The server of this name, which the caller has the right to use, or an error. */
extern Oid	ch_usable_server(const char *name);

#endif							/* CH_DRIVER_H */
