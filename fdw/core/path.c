/*
 * path.c
 *	  The planner's questions: how many rows, which ways to get them, and what
 *	  of the query above the scan the store can do as well.
 *
 * Paths of a foreign table: as it comes; in the order that the query wants;
 * and one for each set of other tables whose columns can be compared in the
 * store (the inner side of a nested loop).  Above it, ORDER BY and LIMIT of a
 * query on one table; group.c has groups and DISTINCT.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"

/* ---- sizes ------------------------------------------------------------------ */

/* Rows that the shipped part of the clauses lets through, in the store. */
static double
estimate_remote_rows(PlannerInfo *root, RelOptInfo *rel, const ChTable *table, List *clauses)
{
	List	   *shipped = NIL;
	double		rows;
	double		most = -1;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		ChClause   *c = lfirst(lc);

		if (c->ship == CH_SHIP_NO)
			continue;
		shipped = lappend(shipped, c->rinfo);
		/* equality on a unique column: one row for a value */
		if (c->expr->kind == CH_COND_CMP && c->expr->op == CH_EQ && ch_column(table, c->expr->attno)->unique)
			most = 1;
		else if (c->expr->kind == CH_COND_IN && ch_column(table, c->expr->attno)->unique && most < 0)
			most = ch_estimate_array_length(root, linitial(c->expr->values));
	}
	rows = rel->tuples * clauselist_selectivity(root, shipped, rel->relid, JOIN_INNER, NULL);
	return clamp_row_est(most > 0 ? Min(rows, most) : rows);
}

ChRel *
ch_rel(const RelOptInfo *rel)
{
	return rel && rel->fdwroutine && rel->fdwroutine->GetForeignPlan == ch_get_plan ? rel->fdw_private : NULL;
}

void
ch_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	ChRel	   *ch = palloc0(sizeof(ChRel));
	ChTable    *table = ch_table_open(relid);

	ch->table = table;
	ch->base = rel;
	rel->fdw_private = ch;
	ch_get_costs(table, &ch->startup_cost, &ch->tuple_cost);
	/* a table that was empty once is not trusted to stay so */
	if (rel->tuples <= 0)
		rel->tuples = ch_remote_count(rel, table);
	ch->rows_known = rel->tuples > 0;
	if (!ch->rows_known)
		rel->tuples = CH_DEFAULT_TUPLES;
	ch->clauses = ch_ship_clauses(root, rel, table, rel->baserestrictinfo, &ch->exact);
	ch_guard_rel(root, rel, ch);
	set_baserel_size_estimates(root, rel);
	ch->remote_rows = estimate_remote_rows(root, rel, table, ch->clauses);
	rel->rows = Min(rel->rows, ch->remote_rows);
}

/* ---- costs ------------------------------------------------------------------- */

static void
cost_scan(PlannerInfo *root, const ChRel *ch, double remote_rows, Cost *startup, Cost *total)
{
	Cost		per_row = ch->tuple_cost + cpu_tuple_cost + ch->base->baserestrictcost.per_tuple;

	*startup = ch->startup_cost + ch->penalty + ch->base->baserestrictcost.startup;
	*total = *startup + remote_rows * per_row;
}

/*
 * The store sorts for free, as far as we know; a little more than nothing
 * keeps an unsorted path in use where order does not matter.
 */
#define REMOTE_SORT_FACTOR 1.05

/* ---- paths of the table -------------------------------------------------------- */

static List *
path_private(ChQuery *query)
{
	return list_make1(query);
}

static void
add_plain_path(PlannerInfo *root, RelOptInfo *rel, ChRel *ch)
{
	Cost		startup,
				total;

	cost_scan(root, ch, ch->remote_rows, &startup, &total);
	add_path(rel, (Path *) ch_make_scan_path(root, rel, rel->rows, startup, total, NIL,
											 rel->lateral_relids, NIL, path_private(ch_make_query())));
}

/*
 * The LIMIT of a query that is nothing but this scan, in its order.  Core plans
 * min and max so, as ORDER BY with LIMIT 1, and never asks about the LIMIT.
 */
static bool
takes_limit(PlannerInfo *root, RelOptInfo *rel, const ChRel *ch, List *keys)
{
	const Query *parse = root->parse;
	const char *reason;

	return parse->limitCount && IsA(parse->limitCount, Const) && !((Const *) parse->limitCount)->constisnull &&
		DatumGetInt64(((Const *) parse->limitCount)->constvalue) == 1 &&
		parse->limitOffset == NULL && parse->limitOption == LIMIT_OPTION_COUNT &&
		!parse->hasAggs && !parse->hasWindowFuncs && !parse->hasTargetSRFs && parse->groupClause == NIL &&
		parse->distinctClause == NIL && parse->havingQual == NULL && parse->setOperations == NULL &&
		parse->rowMarks == NIL && parse->commandType == CMD_SELECT &&
		bms_equal(rel->relids, root->all_baserels) && root->query_pathkeys == root->sort_pathkeys &&
		ch->exact && !ch_has_gate(rel) &&
		ch_pushdown_enabled(ch->table, ch_enable_limit_pushdown, "enable_limit_pushdown") &&
		(ch->table->driver->ship_limit == NULL || ch->table->driver->ship_limit(ch->table, keys, false, &reason));
}

static void
add_sorted_path(PlannerInfo *root, RelOptInfo *rel, ChRel *ch)
{
	const char *reason;
	List	   *keys;
	ChQuery    *query;
	double		rows;
	Cost		startup,
				total;

	if (root->query_pathkeys == NIL)
		return;
	keys = ch_ship_pathkeys(root, rel, ch->table, root->query_pathkeys, &reason);
	if (keys == NIL)
	{
		ch_remark_order(root, rel, reason);
		return;
	}
	ch_remark_order(root, rel, NULL);
	query = ch_make_query();
	query->sort = keys;
	rows = rel->rows;
	if (takes_limit(root, rel, ch, keys))
	{
		query->limit = 0;
		rows = 1;
	}
	cost_scan(root, ch, query->limit >= 0 ? 1 : ch->remote_rows, &startup, &total);
	add_path(rel, (Path *) ch_make_scan_path(root, rel, rows,
											 startup * REMOTE_SORT_FACTOR, total * REMOTE_SORT_FACTOR,
											 root->query_pathkeys, rel->lateral_relids, NIL,
											 path_private(query)));
}

/*
 * Which other relations could parameterise a scan: those of a join clause that
 * would ship.  Adds to *outer, a list of Relids without duplicates.
 */
static void
collect_outer(PlannerInfo *root, RelOptInfo *rel, ChRel *ch, List *rinfos, List **outer)
{
	ListCell   *lc,
			   *lc2;

	foreach(lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Relids		required;
		bool		exact,
					seen = false;
		ChClause   *c;

		if (!join_clause_is_movable_to(rinfo, rel))
			continue;
		c = linitial(ch_ship_clauses(root, rel, ch->table, list_make1(rinfo), &exact));
		if (c->ship == CH_SHIP_NO)
			continue;
		required = bms_del_member(bms_union(rinfo->clause_relids, rel->lateral_relids), rel->relid);
		if (bms_is_empty(required))
			continue;
		foreach(lc2, *outer)
			seen = seen || bms_equal(lfirst(lc2), required);
		if (!seen)
			*outer = lappend(*outer, required);
	}
}

/* generate_implied_equalities_for_column asks about each member of each class */
typedef struct EcContext
{
	Index		relid;
	AttrNumber	attno;
} EcContext;

static bool
member_is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec, EquivalenceMember *em, void *arg)
{
	EcContext  *cxt = arg;
	Var		   *var = ch_plain_column((Node *) em->em_expr, cxt->relid);

	return var != NULL && var->varattno == cxt->attno;
}

static void
add_parameterized_path(PlannerInfo *root, RelOptInfo *rel, ChRel *ch, Relids required)
{
	ParamPathInfo *info = get_baserel_parampathinfo(root, rel, required);
	List	   *all = list_concat_copy(rel->baserestrictinfo, info->ppi_clauses);
	bool		exact;
	List	   *clauses = ch_ship_clauses(root, rel, ch->table, all, &exact);
	double		remote_rows = estimate_remote_rows(root, rel, ch->table, clauses);
	ChRel		with = *ch;
	double		rows;
	Cost		startup,
				total;

	/* a unique key makes the planner's own estimate of the join's rows too high */
	rows = info->ppi_rows = Min(info->ppi_rows, remote_rows);
	with.penalty = ch_guard_penalty(ch, clauses);
	cost_scan(root, &with, remote_rows, &startup, &total);
	add_path(rel, (Path *) ch_make_scan_path(root, rel, rows, startup, total, NIL, required, NIL,
											 path_private(ch_make_query())));
}

static void
add_parameterized_paths(PlannerInfo *root, RelOptInfo *rel, ChRel *ch)
{
	List	   *outer = NIL;
	ListCell   *lc;

	collect_outer(root, rel, ch, rel->joininfo, &outer);
	if (rel->has_eclass_joins)
		for (int i = 0; i < ch->table->natts; i++)
		{
			EcContext	cxt = {.relid = rel->relid,.attno = i + 1};

			if (ch->table->columns[i])
				collect_outer(root, rel, ch,
							  generate_implied_equalities_for_column(root, rel, member_is_column, &cxt,
																	 rel->lateral_referencers),
							  &outer);
		}
	foreach(lc, outer)
		add_parameterized_path(root, rel, ch, lfirst(lc));
}

void
ch_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	ChRel	   *ch = rel->fdw_private;

	add_plain_path(root, rel, ch);
	add_sorted_path(root, rel, ch);
	add_parameterized_paths(root, rel, ch);
}

/* ---- ORDER BY and LIMIT of a query on one table ----------------------------------- */

/*
 * Can the query's own target list be computed from the fetched columns alone?
 * A whole row or a system column cannot, once the scan is not of the table.
 */
static bool
target_is_plain(RelOptInfo *base, PathTarget *target)
{
	List	   *vars = pull_var_clause((Node *) target->exprs, PVC_INCLUDE_PLACEHOLDERS | PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_WINDOWFUNCS);
	ListCell   *lc;

	foreach(lc, vars)
	{
		Var		   *var = lfirst(lc);

		if (!IsA(var, Var) || ch_var_number(base, var) == 0)
			return false;
	}
	return true;
}

bool
ch_is_scan(const RelOptInfo *rel)
{
	return rel->reloptkind == RELOPT_BASEREL || rel->reloptkind == RELOPT_OTHER_MEMBER_REL ||
		rel->reloptkind == RELOPT_JOINREL || rel->reloptkind == RELOPT_OTHER_JOINREL;
}

/* The plain table or join below an upper relation, if it is nothing else. */
static ChRel *
plain_base(RelOptInfo *input)
{
	ChRel	   *ch = input->fdw_private;

	return ch && ch->groups == NULL && (ch_is_scan(input) || ch->ordered) ? ch : NULL;
}

static void
take_ordered(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	ChRel	   *below = input->fdw_private;
	ChRel	   *ch;
	const char *reason;
	List	   *keys;

	if (below == NULL || !ch_is_scan(input))
		return;
	keys = ch_ship_pathkeys(root, input, below->table, root->sort_pathkeys, &reason);
	if (keys == NIL && root->sort_pathkeys != NIL)
	{
		ch_remark(below, "ORDER BY", reason);
		return;
	}
	ch = palloc(sizeof(ChRel));
	*ch = *below;
	ch->ordered = true;
	ch->sort = keys;
	output->fdw_private = ch;
}

/* A condition on no column is checked once, above the scan of the table. */
bool
ch_has_gate(RelOptInfo *base)
{
	ListCell   *lc;

	foreach(lc, base->baserestrictinfo)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant)
			return true;
	return false;
}

/* Why LIMIT stays local, or NULL. */
static const char *
limit_refusal(PlannerInfo *root, const ChRel *ch, RelOptInfo *output)
{
	Query	   *parse = root->parse;
	const char *reason = NULL;

	if (!ch_pushdown_enabled(ch->table, ch_enable_limit_pushdown, "enable_limit_pushdown"))
		return "enable_limit_pushdown is off";
	if (!ch->exact)
		return "a condition is checked after the rows were fetched";
	if (ch_has_gate(ch->base))
		return "a condition without a column decides whether to scan at all";
	if (parse->limitOption == LIMIT_OPTION_WITH_TIES)
		return "WITH TIES needs the rows after the last";
	if (parse->rowMarks)
		return "rows are to be locked";
	if (!target_is_plain(ch->base, output->reltarget) || !target_is_plain(ch->base, root->upper_targets[UPPERREL_FINAL]))
		return "the whole row or a system column is selected";
	if (ch->table->driver->ship_limit &&
		!ch->table->driver->ship_limit(ch->table, ch->sort, parse->limitOffset != NULL, &reason))
		return reason ? reason : "the store has no such form";
	return NULL;
}

static void
take_limit(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, FinalPathExtraData *extra)
{
	Query	   *parse = root->parse;
	ChRel	   *ch = plain_base(input);
	ChRel	   *own;
	ChQuery    *query;
	PathTarget *target = root->upper_targets[UPPERREL_FINAL];
	const char *why;
	double		rows;
	Cost		startup,
				total;

	if (ch == NULL || !extra->limit_needed || parse->commandType != CMD_SELECT ||
		parse->hasTargetSRFs || (root->sort_pathkeys != NIL) != (ch->sort != NIL))
		return;
	/* a rel below with lateral references is not the whole of the query */
	if (!bms_is_empty(ch->base->lateral_relids))
		return;
	why = limit_refusal(root, ch, output);
	if (why)
	{
		/* the plan is made from the base relation's state */
		ch_remark(ch->base->fdw_private, "LIMIT", why);
		return;
	}
	own = palloc(sizeof(ChRel));
	*own = *ch;
	output->fdw_private = own;
	query = ch_make_query();
	query->upper = true;
	query->joins = ch->joins;
	query->sort = ch->sort;
	query->limit = query->offset = 0;	/* numbers come when the plan is made */
	/* like core: a count that is not known yet takes a tenth of the rows */
	rows = ch->remote_rows;
	if (extra->offset_est != 0)
		rows -= extra->offset_est > 0 ? (double) extra->offset_est : clamp_row_est(rows * 0.10);
	if (extra->count_est != 0)
		rows = Min(rows, extra->count_est > 0 ? (double) extra->count_est : clamp_row_est(rows * 0.10));
	rows = clamp_row_est(rows);
	/* of two that cost the same, the one that fetches fewer rows for sure */
	cost_scan(root, ch, rows, &startup, &total);
	/* in no order, a join ends with the rows that are wanted */
	total += ch_join_cost(ch) * (ch->sort ? 1 : rows / ch->remote_rows) + target->cost.startup + target->cost.per_tuple * rows;
	add_path(output, (Path *) ch_make_upper_path(root, output, target, rows,
												 startup * 0.99, total * 0.99, root->sort_pathkeys,
												 path_private(query)));
}

/* ORDER BY and LIMIT of groups; DISTINCT ON has rows in its own order. */
static void
take_above_groups(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
	const ChRel *ch = input->fdw_private;

	if (!ch->groups->query->grouped)
		return;
	if (stage == UPPERREL_ORDERED)
		ch_group_order(root, input, output);
	else if (stage == UPPERREL_FINAL && ((FinalPathExtraData *) extra)->limit_needed &&
			 (root->sort_pathkeys == NIL || ch->sort != NIL))
		ch_group_limit(root, input, output, extra);
}

static void
take_stage(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
	if (((ChRel *) input->fdw_private)->groups)
		take_above_groups(root, stage, input, output, extra);
	else if (stage == UPPERREL_GROUP_AGG)
		ch_group_paths(root, input, output, extra);
	else if (stage == UPPERREL_DISTINCT)
		ch_distinct_paths(root, input, output);
	else if (stage == UPPERREL_ORDERED)
		take_ordered(root, input, output);
	else if (stage == UPPERREL_FINAL)
		take_limit(root, input, output, extra);
}

void
ch_get_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
	if (input->fdw_private && output->fdw_private == NULL)
		take_stage(root, stage, input, output, extra);
	ch_remark_upper(root, stage, output, extra);
}
