/*
 * batch_path.c
 *	  When is a nested loop better with its outer side read ahead?
 *
 * For each pair of an outer path and an inner path that takes its parameters
 * from it, this looks for foreign scans in the inner path that could be asked
 * for many parameter sets at once, and offers the same nested loop with a key
 * batch (batch_exec.c) between it and its outer side, at the cost of the
 * requests that are left.
 *
 * A parameter is an outer column in a clause of a parameterised path, or, in
 * a LATERAL subquery, which was planned before, a PARAM_EXEC number.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

static set_join_pathlist_hook_type previous_hook;

/* A question among many in one request, as part of a request of its own. */
#define QUESTION_FACTOR 0.1

/* What a batch is preferred by, as part of a request: estimates of few rows err. */
#define INSURANCE_FACTOR 0.05

/* What the outer side is, as values of scans refer to it. */
typedef struct Outer
{
	Relids		relids;			/* at the level of the join */
	Bitmapset  *params;			/* below a subquery: numbers of parameters */
} Outer;

/* ---- does a scan depend on the outer side, and in which form? ---------------------- */

static bool
refers(Node *node, void *arg)
{
	const Outer *outer = arg;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup == 0 && bms_is_member(((Var *) node)->varno, outer->relids);
	if (IsA(node, PlaceHolderVar))
		return ((PlaceHolderVar *) node)->phlevelsup == 0 && bms_overlap(((PlaceHolderVar *) node)->phrels, outer->relids);
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC && bms_is_member(((Param *) node)->paramid, outer->params);
	return expression_tree_walker(node, refers, arg);
}

/* The values of a condition that depend on the outer side. */
static List *
values_of(const ChExpr *expr, const Outer *outer)
{
	List	   *values = NIL;
	ListCell   *lc;

	foreach(lc, expr->args)
		values = list_concat(values, values_of(lfirst(lc), outer));
	foreach(lc, expr->values)
		if (refers(lfirst(lc), (void *) outer))
			values = lappend(values, lfirst(lc));
	return values;
}

/* The conditions that the scan of a path sends. */
static List *
conditions_of(PlannerInfo *root, Path *path, const ChRel *ch, const ChQuery *query)
{
	List	   *clauses = ch->clauses;
	List	   *conditions = NIL;
	bool		exact;
	ListCell   *lc;

	if (!query->upper && path->param_info)
		clauses = ch_ship_clauses(root, path->parent, ch->table,
								  list_concat_copy(path->parent->baserestrictinfo, path->param_info->ppi_clauses), &exact);
	foreach(lc, clauses)
		if (((ChClause *) lfirst(lc))->expr)
			conditions = lappend(conditions, ((ChClause *) lfirst(lc))->expr);
	return conditions;
}

static bool
is_batchable(PlannerInfo *root, Path *path, const ChRel *ch, const Outer *outer, List **values, bool *merged)
{
	const ChQuery *query = linitial(((ForeignPath *) path)->fdw_private);
	List	   *conditions = conditions_of(root, path, ch, query);
	List	   *keys = ch_merge_keys(ch->table, conditions);
	ListCell   *lc;

	*merged = !query->upper && query->limit < 0;
	*values = NIL;
	foreach(lc, conditions)
	{
		ChExpr	   *expr = lfirst(lc);
		List	   *some = values_of(expr, outer);

		if (some == NIL)
			continue;
		*values = list_concat(*values, some);
		*merged = *merged && expr->kind == CH_COND_CMP && list_member_int(keys, expr->attno);
	}
	return *values && (*merged ||
					   (ch->table->driver->ship_sets && ch->table->driver->ship_sets(ch->table, query) > 1));
}

/* ---- scans below a path --------------------------------------------------------------- */

bool
ch_batch_locks(const PlannerInfo *root, const RelOptInfo *rel)
{
	ListCell   *lc;

	if (rel->relid != 0 && root->parse->resultRelation == rel->relid)
		return true;
	foreach(lc, root->rowMarks)
	{
		const PlanRowMark *mark = lfirst(lc);

		if (mark->strength != LCS_NONE && bms_is_member(mark->rti, rel->relids))
			return true;
	}
	return false;
}

void
ch_batch_add(ChGain *gain, List *keys, Cost request, bool merged)
{
	gain->keys = list_concat(gain->keys, keys);
	gain->request += request;
	gain->question += merged ? 0 : request * QUESTION_FACTOR;
}

static void find_scans(PlannerInfo *root, Path *path, const Outer *outer, bool partial, ChGain *gain);

/* Of the subquery's parameters, those that are columns of the outer side. */
static void
find_in_subquery(PlannerInfo *root, SubqueryScanPath *path, const Outer *outer, bool partial, ChGain *gain)
{
	RelOptInfo *rel = path->path.parent;
	Outer		below = {NULL, bms_copy(outer->params)};
	List	   *items = NIL;
	ChGain		inside = {0};
	ListCell   *lc;

	foreach(lc, rel->subplan_params)
	{
		const PlannerParamItem *item = lfirst(lc);

		if (!refers(item->item, (void *) outer))
			continue;
		below.params = bms_add_member(below.params, item->paramId);
		items = lappend(items, item->item);
	}
	if (below.params)
		find_scans(rel->subroot, path->subpath, &below, partial, &inside);
	if (inside.keys == NIL)
		return;
	/* at this level, what its parameters stand for */
	gain->keys = list_concat(gain->keys, items);
	gain->request += inside.request;
	gain->question += inside.question;
}

static void
find_in_list(PlannerInfo *root, List *paths, const Outer *outer, bool partial, ChGain *gain)
{
	ListCell   *lc;

	foreach(lc, paths)
		find_scans(root, lfirst(lc), outer, partial, gain);
}

/* partial: something above may end the scan early, so not all its rows are wanted */
static void
find_scans(PlannerInfo *root, Path *path, const Outer *outer, bool partial, ChGain *gain)
{
	check_stack_depth();
	switch (nodeTag(path))
	{
		case T_ForeignPath:
			if (ch_rel(path->parent) && !ch_batch_locks(root, path->parent))
			{
				ChRel	   *ch = path->parent->fdw_private;
				const ChQuery *query = linitial(((ForeignPath *) path)->fdw_private);
				List	   *values;
				bool		merged;

				if ((partial && query->limit < 0) || !is_batchable(root, path, ch, outer, &values, &merged))
					return;
				ch_batch_add(gain, values, ch->startup_cost, merged);
			}
			break;
		case T_SubqueryScanPath:
			find_in_subquery(root, (SubqueryScanPath *) path, outer, partial, gain);
			break;
		case T_LimitPath:
			find_scans(root, ((LimitPath *) path)->subpath, outer, true, gain);
			break;
		case T_SortPath:
			find_scans(root, ((SortPath *) path)->subpath, outer, false, gain);
			break;
		case T_IncrementalSortPath:
			find_scans(root, ((IncrementalSortPath *) path)->spath.subpath, outer, partial, gain);
			break;
		case T_AggPath:
			find_scans(root, ((AggPath *) path)->subpath, outer,
					   partial && ((AggPath *) path)->aggstrategy == AGG_SORTED, gain);
			break;
		case T_GroupPath:
			find_scans(root, ((GroupPath *) path)->subpath, outer, partial, gain);
			break;
		case T_UpperUniquePath:
			find_scans(root, ((UpperUniquePath *) path)->subpath, outer, partial, gain);
			break;
		case T_WindowAggPath:
			find_scans(root, ((WindowAggPath *) path)->subpath, outer, partial, gain);
			break;
		case T_ProjectionPath:
			find_scans(root, ((ProjectionPath *) path)->subpath, outer, partial, gain);
			break;
		case T_ProjectSetPath:
			find_scans(root, ((ProjectSetPath *) path)->subpath, outer, partial, gain);
			break;
		case T_MaterialPath:
			find_scans(root, ((MaterialPath *) path)->subpath, outer, partial, gain);
			break;
		case T_MemoizePath:
			find_scans(root, ((MemoizePath *) path)->subpath, outer, partial, gain);
			break;
		case T_AppendPath:
			find_in_list(root, ((AppendPath *) path)->subpaths, outer, partial, gain);
			break;
		case T_MergeAppendPath:
			find_in_list(root, ((MergeAppendPath *) path)->subpaths, outer, partial, gain);
			break;
		case T_CustomPath:
			find_in_list(root, ((CustomPath *) path)->custom_paths, outer, partial, gain);
			break;
		case T_NestPath:
		case T_MergePath:
		case T_HashPath:
			find_scans(root, ((JoinPath *) path)->outerjoinpath, outer, partial, gain);
			find_scans(root, ((JoinPath *) path)->innerjoinpath, outer, partial, gain);
			break;
		case T_MinMaxAggPath:
			{
				ListCell   *lc;

				foreach(lc, ((MinMaxAggPath *) path)->mmaggregates)
				{
					MinMaxAggInfo *info = lfirst(lc);

					find_scans(info->subroot, info->path, outer, true, gain);
				}
				break;
			}
		default:
			break;
	}
}

/* ---- may rows be read ahead? ------------------------------------------------------------- */

/*
 * A function may not run for a row whose turn may never come if it is volatile,
 * or if what it leaves behind when it raises is not known: one in SQL or a
 * procedural language may hold what only the end of the statement frees.
 */
static bool
waits_for_turn(Oid funcid, void *unused)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	bool		waits;

	if (!HeapTupleIsValid(tuple))
		return true;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	waits = proc->provolatile == PROVOLATILE_VOLATILE ||
		(proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId);
	ReleaseSysCache(tuple);
	return waits;
}

/* context: PlannerInfo, or NULL */
static bool
has_waiting(Node *node, void *context)
{
	PlannerInfo *root = context;

	if (node == NULL)
		return false;
	if (IsA(node, RestrictInfo))
		return has_waiting((Node *) ((RestrictInfo *) node)->clause, context);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_waiting, context, 0);
	if (IsA(node, NextValueExpr))
		return true;
	if (IsA(node, SubPlan) &&
		(root == NULL ||
		 has_waiting((Node *) ((PlannerInfo *) list_nth(root->glob->subroots, ((SubPlan *) node)->plan_id - 1))->parse, context)))
		return true;
	return check_functions_in_node(node, waits_for_turn, NULL) || expression_tree_walker(node, has_waiting, context);
}

bool
ch_runs_ahead(PlannerInfo *root, Node *node)
{
	return !has_waiting(node, root);
}

static bool
table_runs_ahead(PlannerInfo *root, int rti)
{
	const RelOptInfo *rel = root->simple_rel_array[rti];
	const RangeTblEntry *rte = root->simple_rte_array[rti];

	return ch_runs_ahead(root, (Node *) rte->subquery) && ch_runs_ahead(root, (Node *) rte->functions) &&
		ch_runs_ahead(root, (Node *) rte->values_lists) && ch_runs_ahead(root, (Node *) rte->tablefunc) &&
		(rel == NULL || (ch_runs_ahead(root, (Node *) rel->baserestrictinfo) && ch_runs_ahead(root, (Node *) rel->joininfo)));
}

/* All that a path may evaluate; rather too much than too little. */
static bool
path_runs_ahead(PlannerInfo *root, const Path *path)
{
	int			rti = -1;

	for (const PlannerInfo *level = root; level; level = level->parent_root)
		if (!ch_runs_ahead(root, (Node *) level->parse->cteList))
			return false;
	if (!ch_is_scan(path->parent))
		return ch_runs_ahead(root, (Node *) root->parse);
	while ((rti = bms_next_member(path->parent->relids, rti)) >= 0)
		if (!table_runs_ahead(root, rti))
			return false;
	return ch_runs_ahead(root, (Node *) path->pathtarget->exprs);
}

/* ---- the path --------------------------------------------------------------------------- */

static const CustomPathMethods path_methods = {
	.CustomName = "CipherHorizon Key Batch",
	.PlanCustomPath = ch_batch_plan,
};

Path *
ch_batch_path(PlannerInfo *root, Path *outer, int flags)
{
	CustomPath *path = makeNode(CustomPath);
	bool		greedy = root->tuple_fraction <= 0;
	bool		holds = path_runs_ahead(root, outer);

	if (!greedy && !holds)
		return NULL;
	path->path.pathtype = T_CustomScan;
	path->path.parent = outer->parent;
	path->path.pathtarget = outer->pathtarget;
	path->path.param_info = outer->param_info;
	path->path.rows = outer->rows;
	path->path.startup_cost = outer->startup_cost;
	path->path.total_cost = outer->total_cost + outer->rows * cpu_tuple_cost;
	path->path.pathkeys = outer->pathkeys;
	ch_copy_disabled(&path->path, outer);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(outer);
	/* with a LIMIT above, the first batches are small */
	path->custom_private = list_make1(makeInteger(flags | (greedy ? CH_BATCH_GREEDY : 0) | (holds ? CH_BATCH_HOLDS : 0)));
	path->methods = &path_methods;
	return &path->path;
}

/* Requests that many outer rows take, in batches of 8, 64 and then the largest. */
static double
batches_of(double rows, bool greedy)
{
	if (greedy)
		return ceil(rows / ch_batch_join_size);
	if (rows <= 8)
		return 1;
	return rows <= 72 ? 2 : 2 + ceil((rows - 72) / ch_batch_join_size);
}

Cost
ch_batch_saved(PlannerInfo *root, const ChGain *gain, double rows, double *distinct)
{
	double		requests = batches_of(rows, root->tuple_fraction <= 0);

	/* a key is fetched once */
	*distinct = estimate_num_groups(root, gain->keys, rows, NULL, NULL);
	if (*distinct < ch_batch_join_size)
		requests = Min(requests, 3);	/* later batches find nearly all keys there */
	return gain->request * Max(0, rows - requests) - gain->question * Max(0, *distinct - 1);
}

Cost
ch_batch_insurance(const ChGain *gain)
{
	return gain->request * INSURANCE_FACTOR;
}

static void
add_loop(PlannerInfo *root, RelOptInfo *joinrel, Path *outer, Path *inner, JoinType type, JoinPathExtraData *extra)
{
	ChGain		gain = {0};
	Outer		side = {outer->parent->relids, NULL};
	Relids		required = calc_nestloop_required_outer(outer->parent->relids, PATH_REQ_OUTER(outer),
														inner->parent->relids, PATH_REQ_OUTER(inner));
	JoinCostWorkspace workspace;
	Path	   *batch;
	NestPath   *loop;
	double		distinct;
	Cost		saved;
	Cost		insurance;

	if (required && !bms_overlap(required, extra->param_source_rels))
		return;
	find_scans(root, inner, &side, false, &gain);
	if (gain.keys == NIL)
		return;
	batch = ch_batch_path(root, outer, 0);
	if (batch == NULL)
		return;
	initial_cost_nestloop(root, &workspace, type, batch, inner, extra);
	loop = create_nestloop_path(root, joinrel, type, &workspace, extra, batch, inner, extra->restrictlist,
								build_join_pathkeys(root, joinrel, type, outer->pathkeys), required);
	loop->jpath.path.parallel_safe = false;
	/* what is here already costs no transfer */
	saved = ch_batch_saved(root, &gain, outer->rows, &distinct) +
		Max(0, outer->rows - distinct) * Max(0, inner->total_cost - gain.request - inner->rows * cpu_tuple_cost);
	/*
	 * Where one row is expected and more come, the batch is what saves requests;
	 * not in a loop that another one begins again for each of its rows.
	 */
	insurance = required ? 0 : ch_batch_insurance(&gain);
	loop->jpath.path.total_cost = Max(loop->jpath.path.total_cost - saved - insurance,
									  batch->total_cost + inner->total_cost - insurance);
	add_path(joinrel, (Path *) loop);
}

static void
batch_paths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
			JoinType type, JoinPathExtraData *extra)
{
	ListCell   *lc,
			   *lc2;

	if (previous_hook)
		previous_hook(root, joinrel, outerrel, innerrel, type, extra);
	if (!ch_enable_batch_join || joinrel->reloptkind != RELOPT_JOINREL)
		return;
	if (type != JOIN_INNER && type != JOIN_LEFT && type != JOIN_SEMI && type != JOIN_ANTI)
		return;
	foreach(lc, innerrel->cheapest_parameterized_paths)
	{
		Path	   *inner = lfirst(lc);

		if (!bms_overlap(PATH_REQ_OUTER(inner), outerrel->relids))
			continue;
		foreach(lc2, outerrel->pathlist)
		{
			Path	   *outer = lfirst(lc2);

			/* one that costs more must at least be in an order */
			if (bms_overlap(PATH_REQ_OUTER(outer), innerrel->relids) ||
				(outer != outerrel->cheapest_total_path && outer->pathkeys == NIL))
				continue;
			add_loop(root, joinrel, outer, inner, type, extra);
		}
	}
}

void
ch_batch_init(void)
{
	previous_hook = set_join_pathlist_hook;
	set_join_pathlist_hook = batch_paths;
	ch_batch_subplan_init();
	ch_batch_register();
}
