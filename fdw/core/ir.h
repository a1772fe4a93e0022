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
	CH_COND_FALSE				/* no row; only as the whole of a bound filter */
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

/* Planner's form of a condition. */
typedef struct ChExpr
{
	ExtensibleNode hdr;
	ChCondKind	kind;
	ChCmpOp		op;				/* CH_COND_CMP */
	int			attno;			/* column of the leaf */
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
	int			attno;
	bool		descending;
	bool		nulls_first;
	Oid			collation;
} ChSortKey;

/* One remote query in a plan; the only member of ForeignScan.fdw_private. */
typedef struct ChQuery
{
	ExtensibleNode hdr;
	Oid			relid;			/* the foreign table */
	List	   *columns;		/* int list: attribute numbers to fetch,
								 * ascending; may be empty (count of rows) */
	bool		upper;			/* true: the scan's tuple has just columns, in
								 * this order; false: the table's row type */
	ChExpr	   *filter;			/* NULL: every row */
	List	   *sort;			/* ChSortKey */
	int			limit;			/* number in fdw_exprs of a bigint, or -1 */
	int			offset;
	List	   *not_pushed;		/* String: reasons, one for each local qual in
								 * plan order, "" where none is known */
	List	   *remarks;		/* String: why a sort or limit stayed local */
} ChQuery;

extern ChExpr *ch_make_expr(ChCondKind kind);
extern ChSortKey *ch_make_sort_key(void);
extern ChQuery *ch_make_query(void);
extern void ch_ir_register(void);	/* once for each process */

/* Executor's form of a condition. */
struct ChColumn;

typedef struct ChCond
{
	ChCondKind	kind;
	ChCmpOp		op;
	struct ChColumn *col;		/* of a leaf */
	int			nvalues;		/* 1 for CMP; IN and NOT_IN have 1 or more,
								 * without duplicates */
	ChValue    *values;			/* never CH_NULL; CH_PARAM only for EXPLAIN */
	int			nargs;			/* AND, OR: 2 or more */
	struct ChCond **args;
} ChCond;

#endif							/* CH_IR_H */
