/*
 * ir.h
 *	  The remote query: what PostgreSQL wants of one store, in terms that every
 *	  driver understands.
 *
 * There are two forms.  The planner's form (ChQuery, ChExpr) is a node tree
 * that lives in the plan; a value in it is the number of an expression in the
 * plan's fdw_exprs.  The executor's form (ChCond) has values in place of
 * numbers and is what a driver compiles: core evaluates the expressions and
 * folds what is decided by NULLs and empty arrays, so that a driver never sees
 * a NULL and never sees NOT.
 *
 * A condition means the set of rows for which it is true.  NOT is moved to the
 * leaves by core, which is right in three-valued logic, so that AND and OR of
 * such sets are all that is left.
 */
#ifndef CH_IR_H
#define CH_IR_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/nodes.h"
#include "nodes/pg_list.h"

#include "value.h"

typedef enum ChCondKind
{
	CH_COND_AND,				/* every child */
	CH_COND_OR,					/* some child */
	CH_COND_CMP,				/* column op value */
	CH_COND_IN,					/* column = one of the values */
	CH_COND_NOT_IN,				/* column is not NULL and is none of the values */
	CH_COND_IS_NULL,
	CH_COND_NOT_NULL,
	CH_COND_FALSE,				/* no row; only as the whole of a bound filter */

	/* a driver that does not know these refuses them in ship_leaf */
	CH_COND_CMP_COLUMN,			/* column op other column */
	CH_COND_LIKE,				/* value: the pattern, its escape a backslash;
								 * all of these may be negated */
	CH_COND_ILIKE,
	CH_COND_CONTAINS,			/* column @> value, of jsonb or of arrays */
	CH_COND_HAS_KEY				/* jsonb column ? value */
} ChCondKind;

typedef enum ChCmpOp
{
	CH_EQ,
	CH_NE,
	CH_LT,
	CH_LE,
	CH_GT,
	CH_GE
} ChCmpOp;

extern const char *const ch_cmp_name[]; /* "=", "<>", "<", ... by ChCmpOp */

/* How well a store can do it. */
typedef enum ChShip
{
	CH_SHIP_NO,					/* not at all */
	CH_SHIP_LOSSY,				/* it returns a superset, checked again here */
	CH_SHIP_EXACT				/* exactly the rows for which it is true here */
} ChShip;

/* A driver's word that its store does not do it, with the reason for EXPLAIN. */
static inline bool
ch_refuse(const char **reason, const char *why)
{
	*reason = why;
	return false;
}

static inline ChShip
ch_no_ship(const char **reason, const char *why)
{
	*reason = why;
	return CH_SHIP_NO;
}

/* Planner's form of a condition. */
typedef struct ChExpr
{
	ExtensibleNode hdr;
	ChCondKind	kind;
	ChCmpOp		op;				/* CH_COND_CMP */
	int			attno;			/* column of the leaf; in HAVING the number of a
								 * target, from 1 on */
	int			other;			/* CMP_COLUMN: the column to the right */
	bool		negated;		/* LIKE and later kinds: NOT, for values that
								 * are not NULL */
	Oid			valtype;		/* type of the value, of an element for IN */
	Oid			collation;		/* collation of the comparison */
	List	   *args;			/* of AND and OR: ChExpr */
	List	   *values;			/* of CMP, IN, NOT_IN: int list of numbers of
								 * expressions in fdw_exprs (at planning, before
								 * the plan is made: list of Expr) */
	List	   *is_array;		/* for each of values: 1 if it is an array */
} ChExpr;

typedef struct ChSortKey
{
	ExtensibleNode hdr;
	int			attno;			/* of groups: the number of a target, from 1 on */
	bool		descending;
	bool		nulls_first;
	Oid			collation;
} ChSortKey;

/*
 * What the store computes from columns of a row.  In a query it is the column
 * number natts + 1 + its index in ChQuery.computed, and conditions, sort keys
 * and groups name it like any other column.
 */
typedef enum ChFuncId
{
	CH_FUNC_DATE_BIN,			/* stride, time, origin */
	CH_FUNC_DATE_TRUNC,			/* unit, time [, zone]; without a zone only where
								 * that of the session makes no difference */
	CH_FUNC_JSON_GET,			/* jsonb -> key or index */
	CH_FUNC_JSON_GET_TEXT,		/* jsonb ->> key or index */
	CH_FUNC_ADD,
	CH_FUNC_SUB,
	CH_FUNC_MUL,
	CH_FUNC_DIV,
	CH_FUNC_MOD,
	CH_FUNC_NEG,
	CH_FUNC_ABS,
	CH_FUNC_LOWER,
	CH_FUNC_UPPER,
	CH_FUNC_LENGTH,
	CH_FUNC_CONCAT,				/* text || text */
	CH_FUNC_COALESCE,
	CH_FUNC_CAST,				/* to the function's type */
	CH_FUNC_CASE,				/* a result for each of conditions, then that of
								 * ELSE; these may be NULL */
	CH_FUNC_GREATEST,			/* NULLs do not count */
	CH_FUNC_LEAST,
	CH_FUNC_SUBSTRING,			/* text, start [, length], the length not negative */
	CH_FUNC_LEFT,				/* text, number */
	CH_FUNC_RIGHT,
	CH_FUNC_POSITION,			/* text, what is looked for: from 1 on, 0: nowhere */
	CH_FUNC_REPLACE,			/* text, from, to */
	CH_FUNC_STARTS_WITH,		/* text, beginning */
	CH_FUNC_TRIM,				/* text [, characters], of spaces if none are given */
	CH_FUNC_TRIM_LEFT,
	CH_FUNC_TRIM_RIGHT,
	CH_FUNC_CONCAT_SOME,		/* of texts, NULL is '' */
	CH_FUNC_FLOOR,
	CH_FUNC_CEIL,
	CH_FUNC_ROUND,
	CH_FUNC_AT_UTC,				/* timestamptz as the timestamp in UTC */
	CH_FUNC_EXTRACT				/* field, time; not where the session's zone makes
								 * a difference */
} ChFuncId;

typedef struct ChFunc
{
	ExtensibleNode hdr;
	ChFuncId	func;
	List	   *args;			/* each an Integer (number of a column, perhaps a
								 * computed one) or a Const, which is NULL only
								 * for CASE */
	List	   *conditions;		/* CASE: ChExpr, of which values are Const */
	Oid			type;
	int32		typmod;
	Oid			collation;
	Node	   *expr;			/* the same in PostgreSQL's terms */
} ChFunc;

/*
 * A bucket of times: from origin on, and before it, one begins after each
 * stride; or each begins with the first of months that divide the year.
 */
typedef struct ChBucket
{
	int			attno;			/* column of the times */
	int64		stride;			/* microseconds, or 0: */
	int			months;			/* 1, 3 or 12 */
	Timestamp	origin;			/* of a timestamptz, in UTC */
} ChBucket;

/*
 * The buckets that date_bin or date_trunc makes.  False, with a reason, if they
 * are not known before the scan, or PostgreSQL's function would raise an error.
 */
extern bool ch_bucket_of(const ChFunc *func, ChBucket *bucket, const char **reason);

/* A field that CH_FUNC_EXTRACT takes of a time, all of them whole numbers. */
typedef enum ChTimeField
{
	CH_TIME_YEAR,				/* 1 BC is -1 */
	CH_TIME_QUARTER,
	CH_TIME_MONTH,
	CH_TIME_DAY,
	CH_TIME_HOUR,
	CH_TIME_MINUTE,
	CH_TIME_DOW,				/* Sunday is 0 */
	CH_TIME_ISODOW,				/* Sunday is 7 */
	CH_TIME_DOY
} ChTimeField;

/* False, with a reason, if it is another field, or not known before the scan. */
extern bool ch_time_field_of(const ChFunc *func, ChTimeField *field, const char **reason);

/* What one column of a grouped query is. */
typedef enum ChAgg
{
	CH_AGG_KEY,					/* a column that is grouped by */
	CH_AGG_COUNT,				/* of rows (attno 0), or where the column is not
								 * NULL */
	CH_AGG_SUM,
	CH_AGG_MIN,
	CH_AGG_MAX,
	CH_AGG_FIRST,				/* value of attno where by is least */
	CH_AGG_LAST,				/* ... greatest; rows with NULL in either do not
								 * count */
	CH_AGG_BOOL_AND,
	CH_AGG_BOOL_OR
} ChAgg;

typedef struct ChTarget
{
	ExtensibleNode hdr;
	ChAgg		agg;
	int			attno;			/* column, or 0: count(*) */
	int			by;				/* FIRST, LAST: the column that orders */
	bool		distinct;		/* DISTINCT values only */
	ChExpr	   *filter;			/* FILTER (WHERE ...), or NULL */
	Oid			type;			/* of the result as the driver returns it: a sum
								 * of smallint or integer is bigint, of bigint or
								 * numeric numeric, of float4 float4 */
	int32		typmod;
	Oid			collation;
} ChTarget;

/*
 * Output of a grouped query in the scan's row: a target as it is, or an average
 * (core divides: a driver is asked for a sum and a count).
 */
typedef struct ChOutput
{
	ExtensibleNode hdr;
	int			target;			/* index in targets */
	int			count;			/* average: index of the count, else -1 */
	Oid			type;			/* of the output */
} ChOutput;

/*
 * A further table that is joined to those before it.  Columns are numbered
 * through: those of the first table, then those of each further one.
 */
typedef struct ChJoin
{
	ExtensibleNode hdr;
	Oid			relid;
	JoinType	type;			/* INNER, LEFT, SEMI, ANTI */
	ChExpr	   *on;				/* conditions of the join and on the table alone;
								 * NULL: none */
} ChJoin;

/* How an UPDATE that fetches no rows sets a column. */
typedef enum ChAssignKind
{
	CH_ASSIGN_VALUE,			/* to a value */
	CH_ASSIGN_ADD,				/* to itself + value, a number */
	CH_ASSIGN_SUB,				/* to itself - value */
	CH_ASSIGN_COLUMN,			/* to a column of the row, perhaps a computed one */
	CH_ASSIGN_JSON_SET			/* to jsonb_set(itself, path, value) */
} ChAssignKind;

typedef struct ChAssign
{
	ExtensibleNode hdr;
	ChAssignKind kind;
	int			attno;			/* the column that is set */
	int			value;			/* number in fdw_exprs, or -1 */
	Oid			valtype;		/* its type */
	int			column;			/* COLUMN: the number of the other one */
	List	   *path;			/* JSON_SET: String, in UTF8: one to five names,
								 * none of which is an array position */
} ChAssign;

/* One remote query in a plan; the only member of ForeignScan.fdw_private. */
typedef struct ChQuery
{
	ExtensibleNode hdr;
	Oid			relid;			/* the foreign table, or the first of a join */
	List	   *joins;			/* ChJoin: the others, in order */
	List	   *columns;		/* int list: attribute numbers to fetch,
								 * ascending; may be empty (count of rows) */
	bool		upper;			/* true: the scan's tuple has just columns, in
								 * this order; false: the table's row type */
	ChExpr	   *filter;			/* NULL: every row */
	List	   *sort;			/* ChSortKey */
	int			limit;			/* number in fdw_exprs of a bigint, or -1 */
	int			offset;
	bool		from_top;		/* LIMIT and OFFSET together are what is asked for:
								 * the offset is skipped above the scan */
	List	   *computed;		/* ChFunc: columns natts + 1, ... */
	bool		grouped;		/* rows are groups: targets in place of columns */
	List	   *group;			/* int list of column numbers; NIL: one group of
								 * all rows, even if there are none */
	List	   *targets;		/* ChTarget */
	List	   *outputs;		/* ChOutput */
	ChExpr	   *having;			/* conditions on groups, or NULL */
	int			ndistinct;		/* DISTINCT ON: of the rows that agree in these
								 * first sort keys the first one; 0: none */
	List	   *merge_keys;		/* int list: columns of top-level conditions
								 * "column = value" that may be asked for many
								 * values by IN */
	List	   *narrowed;		/* of jsonb columns that are used by their fields
								 * only: List of (Integer attno, List of paths),
								 * a path is a List of String; a driver may leave
								 * out of the documents what is at none of them */
	List	   *assigns;		/* ChAssign, of a direct UPDATE */
	bool		set_processed;	/* of a direct one: it counts the statement's rows */
	List	   *not_pushed;		/* String: reasons, one for each local qual in
								 * plan order, "" where none is known */
	List	   *remarks;		/* String: why a sort or limit stayed local */
	List	   *unmet;			/* guard.c: required_quals that nothing meets:
								 * String: message, DETAIL, HINT */
	List	   *windows;		/* guard.c: String: NOTICE for each default_window
								 * that is among the conditions */
} ChQuery;

extern ChExpr *ch_make_expr(ChCondKind kind);
extern ChExpr *ch_all_of(List *conditions);	/* ChExpr; NULL for none */
extern ChSortKey *ch_make_sort_key(void);
extern ChQuery *ch_make_query(void);
extern ChJoin *ch_make_join(void);
extern ChFunc *ch_make_func(ChFuncId func);
extern ChTarget *ch_make_target(ChAgg agg);
extern ChOutput *ch_make_output(void);
extern ChAssign *ch_make_assign(void);
extern bool ch_is_func(const Node *node);
extern bool ch_is_query(const Node *node);
extern void ch_ir_register(void);	/* once for each process */

/* Executor's form of a condition. */
struct ChColumn;

typedef struct ChCond
{
	ChCondKind	kind;
	ChCmpOp		op;
	struct ChColumn *col;		/* of a leaf */
	struct ChColumn *other;		/* CMP_COLUMN */
	bool		negated;
	int			nvalues;		/* 1 for CMP; IN and NOT_IN have 1 or more,
								 * without duplicates */
	ChValue    *values;			/* never CH_NULL; CH_PARAM only for EXPLAIN */
	int			nargs;			/* AND, OR: 2 or more */
	struct ChCond **args;
} ChCond;

#endif							/* CH_IR_H */
