/*
 * plan.c
 *	  From the chosen path to a plan: the remote query with its parameters, and
 *	  what is left for the executor to check.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"

typedef struct PlanContext
{
	List	   *params;			/* fdw_exprs */
	List	   *local;			/* quals that the executor checks */
	List	   *recheck;		/* quals only for a recheck of the whole row */
	List	   *not_pushed;		/* String, one for each of local */
	List	   *merge_keys;		/* see ChQuery */
	Bitmapset  *columns;		/* attnos - FirstLowInvalidHeapAttributeNumber */
} PlanContext;

static int
add_param(PlanContext *cxt, Node *expr)
{
	cxt->params = lappend(cxt->params, expr);
	return list_length(cxt->params) - 1;
}

/* The expressions in a condition move to fdw_exprs; their numbers stay. */
static void
number_values(PlanContext *cxt, ChExpr *expr)
{
	List	   *numbers = NIL;
	ListCell   *lc;

	foreach(lc, expr->args)
		number_values(cxt, lfirst(lc));
	foreach(lc, expr->values)
		numbers = lappend_int(numbers, add_param(cxt, lfirst(lc)));
	expr->values = numbers;
}

static ChExpr *
make_filter(PlanContext *cxt, const ChTable *table, List *clauses)
{
	List	   *args = NIL;
	ChExpr	   *filter;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		ChClause   *c = lfirst(lc);

		if (c->ship != CH_SHIP_NO)
			args = lappend(args, c->expr);
		if (c->ship == CH_SHIP_EXACT)
			cxt->recheck = lappend(cxt->recheck, c->rinfo->clause);
		else
		{
			cxt->local = lappend(cxt->local, c->rinfo->clause);
			cxt->not_pushed = lappend(cxt->not_pushed,
									  makeString(psprintf("%s%s", c->ship == CH_SHIP_LOSSY ? "checked again: " : "",
														  c->reason ? c->reason : "")));
		}
	}
	if (args == NIL)
		return NULL;
	cxt->merge_keys = ch_merge_keys(table, args);
	filter = ch_all_of(args);
	number_values(cxt, filter);
	return filter;
}

/* The conditions of joins and of aggregates have values as well. */
static void
number_parts(PlanContext *cxt, ChQuery *query)
{
	ListCell   *lc;

	foreach(lc, query->joins)
	{
		ChJoin	   *join = lfirst(lc);

		if (join->on)
			number_values(cxt, join->on);
	}

	foreach(lc, query->targets)
	{
		ChTarget   *target = lfirst(lc);

		if (target->filter)
			number_values(cxt, target->filter);
	}
	if (query->having)
		number_values(cxt, query->having);
}

static List *
computed_columns(const ChTable *table)
{
	List	   *funcs = NIL;
	ListCell   *lc;

	foreach(lc, table->computed)
		funcs = lappend(funcs, copyObject(((ChColumn *) lfirst(lc))->func));
	return funcs;
}

/* Attribute numbers to fetch, ascending; a whole-row reference needs them all. */
static List *
needed_columns(const ChTable *table, Bitmapset *attrs)
{
	bool		whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attrs);
	List	   *columns = NIL;

	for (int attno = 1; attno <= table->natts; attno++)
		if (table->columns[attno - 1] &&
			(whole || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, attrs)))
			columns = lappend_int(columns, attno);
	return columns;
}

/* LIMIT and OFFSET as parameters; NULL in the query means none. */
static void
add_limit(PlannerInfo *root, PlanContext *cxt, ChQuery *query)
{
	query->limit = root->parse->limitCount ? add_param(cxt, root->parse->limitCount) : -1;
	query->offset = root->parse->limitOffset ? add_param(cxt, root->parse->limitOffset) : -1;
}

static int
compare_numbers(const ListCell *a, const ListCell *b)
{
	return lfirst_int(a) - lfirst_int(b);
}

/*
 * The scan's own row when it is not a row of the table: plain columns.  Those
 * of a join keep what the planner has noted in them about outer joins.
 */
static List *
scan_tlist(RelOptInfo *base, List *exprs, List **columns)
{
	List	   *vars = NIL;
	List	   *tlist = NIL;
	ListCell   *lc,
			   *lc2;

	foreach(lc, pull_var_clause((Node *) exprs, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS | PVC_RECURSE_PLACEHOLDERS))
		vars = list_append_unique(vars, lfirst(lc));
	*columns = NIL;
	foreach(lc, vars)
		*columns = lappend_int(*columns, ch_var_number(base, lfirst(lc)));
	list_sort(*columns, compare_numbers);
	foreach(lc, *columns)
		foreach(lc2, vars)
			if (ch_var_number(base, lfirst(lc2)) == lfirst_int(lc))
			{
				tlist = lappend(tlist, makeTargetEntry(lfirst(lc2), list_length(tlist) + 1, NULL, false));
				vars = foreach_delete_current(vars, lc2);
				break;
			}
	return tlist;
}

/* A scan's row that has a column for each key and aggregate. */
static List *
grouped_tlist(List *exprs)
{
	List	   *tlist = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
		tlist = lappend(tlist, makeTargetEntry(lfirst(lc), list_length(tlist) + 1, NULL, false));
	return tlist;
}

static ForeignScan *
plan_grouped(ChRel *ch, ChQuery *query, PlanContext *cxt, List *tlist, Plan *outer)
{
	query->not_pushed = list_concat(query->not_pushed, ch->local_reasons);
	return make_foreignscan(tlist, ch->local_quals, 0, cxt->params, list_make1(query),
							grouped_tlist(ch->groups->exprs), NIL, outer);
}

ForeignScan *
ch_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
			List *tlist, List *scan_clauses, Plan *outer)
{
	ChRel	   *ch = rel->fdw_private;
	ChQuery    *query = copyObject(linitial(path->fdw_private));
	PlanContext cxt = {0};
	ListCell   *lc;
	List	   *clauses = ch->clauses;
	List	   *tlist_exprs;
	List	   *scan;
	bool		exact;
	Index		rti = ch->base->relid;

	query->relid = ch->table->relid;
	if (!query->upper)
		clauses = ch_ship_clauses(root, rel, ch->table, scan_clauses, &exact);
	ch_guard_plan(root, ch, clauses, query);
	query->filter = make_filter(&cxt, ch->table, clauses);
	query->not_pushed = cxt.not_pushed;
	query->remarks = ch_remarks_of(ch, &path->path);
	query->computed = computed_columns(ch->table);
	number_parts(&cxt, query);
	if (query->limit >= 0)
		add_limit(root, &cxt, query);
	if (query->grouped)
		return plan_grouped(ch, query, &cxt, tlist, outer);
	if (query->joins == NIL)
		query->narrowed = ch_narrow(root, ch->base, ch->table, cxt.recheck);

	/* tlist may be left out when a projection above replaces it */
	if (query->upper)
	{
		tlist_exprs = list_concat_copy(path->path.pathtarget->exprs, cxt.local);
		scan = scan_tlist(ch->base, tlist_exprs, &query->columns);
		return make_foreignscan(tlist, cxt.local, 0, cxt.params, list_make1(query), scan, NIL, outer);
	}
	pull_varattnos((Node *) rel->reltarget->exprs, rti, &cxt.columns);
	pull_varattnos((Node *) cxt.local, rti, &cxt.columns);
	/* a row that is locked or updated is checked again from its columns */
	if (root->rowMarks || root->parse->commandType != CMD_SELECT)
		pull_varattnos((Node *) cxt.recheck, rti, &cxt.columns);
	/* rows for many keys are told apart by them */
	query->merge_keys = cxt.merge_keys;
	foreach(lc, query->merge_keys)
		cxt.columns = bms_add_member(cxt.columns, lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber);
	query->columns = needed_columns(ch->table, cxt.columns);
	return make_foreignscan(tlist, cxt.local, rti, cxt.params, list_make1(query), NIL, cxt.recheck, outer);
}
