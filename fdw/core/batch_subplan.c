/*
 * batch_subplan.c
 *	  Where are correlated sub-selects better asked for many rows at once?
 *
 * A sub-select in a select list is evaluated by the node that makes the list, a
 * condition with one by the scan of its table.  When the paths of a query level
 * are finished, this puts a key batch (batch_exec.c) below each node that makes
 * a list with sub-selects which ask a store, and so makes it itself what
 * evaluates them.  A table whose condition has one gets a path more, with a key
 * batch over its scan that checks this condition in the scan's place.
 *
 * By then a sub-select is planned (SubPlan): its parameters are PARAM_EXEC
 * numbers, and its foreign scans are plan nodes.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/extensible.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"

static create_upper_paths_hook_type previous_upper_hook;
static set_rel_pathlist_hook_type previous_rel_hook;

/* ---- what a batch saves ------------------------------------------------------- */

/* Of the sub-selects in an expression or a list; false if none asks a store. */
static bool
find_gain(PlannerInfo *root, Node *exprs, ChGain *gain)
{
	ListCell   *lc,
			   *lc2;

	foreach(lc, ch_batch_subplans(exprs))
	{
		SubPlan    *subplan = lfirst(lc);
		Bitmapset  *params = ch_batch_params(subplan);

		foreach(lc2, ch_batch_scans(root->glob->subplans, planner_subplan_get_plan(root, subplan), params,
									subplan->subLinkType == EXISTS_SUBLINK))
		{
			const ForeignScan *scan = lfirst(lc2);
			ChTable    *table = ch_query_table(linitial(scan->fdw_private));
			Cost		request,
						row;
			bool		merged;

			if (!ch_prefetch_can(scan, table, params, &merged))
				continue;
			ch_get_costs(table, &request, &row);
			ch_batch_add(gain, list_copy(subplan->args), request, merged);
		}
	}
	return gain->keys != NIL;
}

/*
 * Where one row is expected and more come, the batch is what saves requests; not
 * in a sub-select that is begun again for each row of another.
 */
static Cost
saved_for(PlannerInfo *root, const ChGain *gain, double rows)
{
	double		distinct;
	Cost		saved = ch_batch_saved(root, gain, rows, &distinct);

	return saved - rows * cpu_tuple_cost + (root->query_level == 1 ? ch_batch_insurance(gain) : 0);
}

/* ---- finished paths ------------------------------------------------------------- */

static Size
size_of(const Path *path)
{
	switch (nodeTag(path))
	{
		case T_Path:
			return sizeof(Path);
		case T_IndexPath:
			return sizeof(IndexPath);
		case T_BitmapHeapPath:
			return sizeof(BitmapHeapPath);
		case T_SubqueryScanPath:
			return sizeof(SubqueryScanPath);
		case T_ForeignPath:
			return sizeof(ForeignPath);
		case T_NestPath:
			return sizeof(NestPath);
		case T_MergePath:
			return sizeof(MergePath);
		case T_HashPath:
			return sizeof(HashPath);
		case T_AppendPath:
			return sizeof(AppendPath);
		case T_MergeAppendPath:
			return sizeof(MergeAppendPath);
		case T_ProjectionPath:
			return sizeof(ProjectionPath);
		case T_SortPath:
			return sizeof(SortPath);
		case T_IncrementalSortPath:
			return sizeof(IncrementalSortPath);
		case T_GroupPath:
			return sizeof(GroupPath);
		case T_AggPath:
			return sizeof(AggPath);
		case T_UpperUniquePath:
			return sizeof(UpperUniquePath);
		case T_WindowAggPath:
			return sizeof(WindowAggPath);
		case T_LimitPath:
			return sizeof(LimitPath);
		case T_ModifyTablePath:
			return sizeof(ModifyTablePath);
		default:
			return 0;
	}
}

/* A copy that may be changed: paths are shared.  NULL of a kind that is left alone. */
static Path *
copy_path(const Path *path)
{
	Size		size = size_of(path);
	Path	   *copy = size > 0 ? palloc(size) : NULL;

	if (copy)
		memcpy(copy, path, size);
	return copy;
}

/* Where a path of an upper stage has the path below it, or NULL. */
static Path **
below(Path *path)
{
	switch (nodeTag(path))
	{
		case T_ProjectionPath:
			return &((ProjectionPath *) path)->subpath;
		case T_SortPath:
			return &((SortPath *) path)->subpath;
		case T_IncrementalSortPath:
			return &((IncrementalSortPath *) path)->spath.subpath;
		case T_GroupPath:
			return &((GroupPath *) path)->subpath;
		case T_AggPath:
			return &((AggPath *) path)->subpath;
		case T_UpperUniquePath:
			return &((UpperUniquePath *) path)->subpath;
		case T_WindowAggPath:
			return &((WindowAggPath *) path)->subpath;
		case T_LimitPath:
			return &((LimitPath *) path)->subpath;
		case T_ModifyTablePath:
			return &((ModifyTablePath *) path)->subpath;
		default:
			return NULL;
	}
}

/* The paths below that make its rows one after the other, or NULL. */
static List **
members(Path *path)
{
	if (IsA(path, AppendPath))
		return &((AppendPath *) path)->subpaths;
	return IsA(path, MergeAppendPath) ? &((MergeAppendPath *) path)->subpaths : NULL;
}

/* Does it compute its own target, not just pass on that of the path below? */
static bool
projects(const Path *path)
{
	return !IsA(path, SortPath) && !IsA(path, IncrementalSortPath) && !IsA(path, UpperUniquePath) &&
		!IsA(path, LimitPath) && !IsA(path, ModifyTablePath) && !IsA(path, AppendPath) && !IsA(path, MergeAppendPath) &&
		(!IsA(path, ForeignPath) || ch_rel(path->parent)) &&
		(!IsA(path, AggPath) || ((const AggPath *) path)->aggsplit == AGGSPLIT_SIMPLE);
}

/* Of a target, what has sub-selects and is computed here: not below, of which exprs are known. */
static List *
own_exprs(const PathTarget *target, List *known)
{
	List	   *own = NIL;
	ListCell   *lc;

	foreach(lc, target->exprs)
		if (!IsA(lfirst(lc), PlaceHolderVar) && contain_subplans(lfirst(lc)) && !list_member(known, lfirst(lc)))
			own = lappend(own, lfirst(lc));
	return own;
}

/* Arguments of these aggregates that have sub-selects and are evaluated for every row. */
static List *
argument_exprs(List *aggregates)
{
	List	   *exprs = NIL;
	ListCell   *lc,
			   *lc2;

	foreach(lc, aggregates)
	{
		const Aggref *agg = lfirst(lc);

		if (!IsA(agg, Aggref) || agg->aggfilter)
			continue;
		foreach(lc2, agg->args)
			if (contain_subplans((Node *) ((TargetEntry *) lfirst(lc2))->expr))
				exprs = lappend(exprs, ((TargetEntry *) lfirst(lc2))->expr);
	}
	return exprs;
}

/* A target with the columns, aggregates and window functions of some expressions in their place. */
static PathTarget *
target_without(PlannerInfo *root, const PathTarget *target, List *exprs)
{
	PathTarget *without = create_empty_pathtarget();
	ListCell   *lc;

	foreach(lc, target->exprs)
		if (!list_member_ptr(exprs, lfirst(lc)))
			add_column_to_pathtarget(without, lfirst(lc), get_pathtarget_sortgroupref(target, foreach_current_index(lc)));
	add_new_columns_to_pathtarget(without, pull_var_clause((Node *) exprs, PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_WINDOWFUNCS |
														   PVC_INCLUDE_PLACEHOLDERS));
	return set_pathtarget_cost_width(root, without);
}

/*
 * A list computed over a key batch of what source returns, if that saves
 * anything; else NULL.
 */
static Path *
list_over(PlannerInfo *root, RelOptInfo *rel, Path *source, PathTarget *target, List *exprs, Cost *saved)
{
	ChGain		gain = {0};
	Path	   *batch,
			   *list;
	Cost		own;

	if (exprs == NIL || !find_gain(root, (Node *) exprs, &gain))
		return NULL;
	own = saved_for(root, &gain, source->rows);
	if (own <= 0)
		return NULL;
	batch = ch_batch_path(root, source, CH_BATCH_SUBPLANS);
	if (batch == NULL)
		return NULL;
	list = (Path *) create_projection_path(root, rel, batch, target);
	own = Min(own, list->total_cost - batch->total_cost);
	list->total_cost -= own;
	*saved += own;
	return list;
}

/* Arguments of aggregates become columns of the rows that are aggregated.  path is a copy. */
static void
read_arguments_ahead(PlannerInfo *root, Path *path, List *exprs, Cost *saved)
{
	Path	  **child = below(path);
	List	   *args = argument_exprs(pull_var_clause((Node *) exprs, PVC_INCLUDE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
													  PVC_INCLUDE_PLACEHOLDERS));
	PathTarget *target = copy_pathtarget((*child)->pathtarget);
	Path	   *list;

	add_new_columns_to_pathtarget(target, args);
	/* of the upper relation: of a table's own list, its columns might be left */
	list = list_over(root, path->parent, *child, set_pathtarget_cost_width(root, target), args, saved);
	if (list)
		*child = list;
}

/* The path over a key batch that its list is computed from, or NULL.  path is a copy. */
static Path *
read_ahead(PlannerInfo *root, Path *path, List *exprs, Cost *saved)
{
	Path	   *source;

	if (IsA(path, ProjectionPath))
		return list_over(root, path->parent, *below(path), path->pathtarget, exprs, saved);
	source = copy_path(path);
	source->pathtarget = target_without(root, path->pathtarget, exprs);
	source->total_cost = Max(source->startup_cost, source->total_cost - path->pathtarget->cost.per_tuple * path->rows);
	return list_over(root, path->parent, source, path->pathtarget, exprs, saved);
}

/* The same path with key batches where they save requests; or the path itself. */
static Path *
with_batches(PlannerInfo *root, Path *path, Cost *saved)
{
	Path	   *copy = copy_path(path);
	Path	  **child;
	List	  **list;
	List	   *exprs = NIL;
	Cost		saved_below = 0;
	ListCell   *lc;

	check_stack_depth();
	if (copy == NULL)
		return path;
	child = below(copy);
	list = members(copy);
	if (child)
		*child = with_batches(root, *child, &saved_below);
	if (list)
	{
		*list = list_copy(*list);
		foreach(lc, *list)
			lfirst(lc) = with_batches(root, lfirst(lc), &saved_below);
	}
	if (projects(path))
		exprs = own_exprs(path->pathtarget, child ? (*child)->pathtarget->exprs : NIL);
	if (exprs && IsA(path, AggPath))
		read_arguments_ahead(root, copy, exprs, &saved_below);
	if (saved_below > 0)
	{
		if (IsA(path, LimitPath))
			saved_below *= Min(1, path->rows / Max(1, (*child)->rows));
		copy->total_cost = Max(0, copy->total_cost - saved_below);
		copy->startup_cost = Min(copy->startup_cost, copy->total_cost);
		copy->parallel_safe = false;
		*saved += saved_below;
		path = copy;
	}
	copy = exprs ? read_ahead(root, copy, exprs, saved) : NULL;
	return copy ? copy : path;
}

static void
upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
	const Query *parse = root->parse;
	List	   *better = NIL;
	ListCell   *lc;

	if (previous_upper_hook)
		previous_upper_hook(root, stage, input, output, extra);
	if (stage != UPPERREL_FINAL || !ch_enable_batch_join || root->rowMarks ||
		(parse->commandType != CMD_SELECT && parse->commandType != CMD_INSERT) ||
		((FinalPathExtraData *) extra)->limit_tuples == 1 || !contain_subplans((Node *) root->processed_tlist))
		return;
	/* a path that is added may free another one of the list */
	foreach(lc, output->pathlist)
	{
		Cost		saved = 0;
		Path	   *path = with_batches(root, lfirst(lc), &saved);

		if (path != lfirst(lc))
			better = lappend(better, path);
	}
	foreach(lc, better)
		add_path(output, lfirst(lc));
}

/* ---- scans of tables -------------------------------------------------------------- */

/* The conditions with sub-selects; false if they may not be checked after all others. */
static bool
find_conditions(const RelOptInfo *rel, List **found)
{
	ListCell   *lc;

	*found = NIL;
	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst(lc);

		/* what row security wants checked first is not told apart */
		if (rinfo->pseudoconstant || rinfo->security_level != ((RestrictInfo *) linitial(rel->baserestrictinfo))->security_level)
			return false;
		if (contain_subplans((Node *) rinfo->clause))
			*found = lappend(*found, rinfo);
	}
	return true;
}

static bool
is_plain_scan(const Path *path)
{
	return path->param_info == NULL && path->pathtype != T_Result &&
		(IsA(path, Path) || IsA(path, IndexPath) || IsA(path, BitmapHeapPath) || IsA(path, SubqueryScanPath) ||
		 (IsA(path, ForeignPath) && ch_rel(path->parent)));
}

/*
 * A scan of the table without these conditions, and a key batch that checks them
 * and computes these expressions of the target.
 */
static Path *
filter_path(PlannerInfo *root, RelOptInfo *rel, const Path *path, List *quals, List *exprs, const ChGain *gain)
{
	Path	   *scan = copy_path(path);
	PathTarget *target = target_without(root, rel->reltarget, exprs);
	double		rows = rel->rows / Max(1e-9, clauselist_selectivity(root, quals, rel->relid, JOIN_INNER, NULL));
	Cost		saved;
	Path	   *batch;

	scan->rows = clamp_row_est(Max(rel->rows, Min(rows, Max(rel->tuples, rel->rows))));
	saved = saved_for(root, gain, scan->rows);
	if (saved <= 0)
		return NULL;
	scan->total_cost = Max(scan->startup_cost + scan->rows * cpu_tuple_cost, path->total_cost - saved);
	add_new_columns_to_pathtarget(target, pull_var_clause((Node *) extract_actual_clauses(quals, false),
														  PVC_INCLUDE_PLACEHOLDERS));
	scan->pathtarget = set_pathtarget_cost_width(root, target);
	batch = ch_batch_path(root, scan, CH_BATCH_SUBPLANS | (quals ? CH_BATCH_FILTER : 0));
	if (batch == NULL)
		return NULL;
	batch->pathtarget = rel->reltarget;
	batch->rows = path->rows;
	return batch;
}

static void
table_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	List	   *quals,
			   *exprs;
	List	   *better = NIL;
	ChGain		gain = {0};
	ListCell   *lc;

	if (previous_rel_hook)
		previous_rel_hook(root, rel, rti, rte);
	/* of a table with partitions, each has its own */
	if (!ch_enable_batch_join || rte->inh || rel->lateral_relids || ch_batch_locks(root, rel) ||
		!find_conditions(rel, &quals))
		return;
	/* a list has them here where UNION ALL is one scan after the other */
	exprs = own_exprs(rel->reltarget, NIL);
	if (!find_gain(root, (Node *) list_concat(extract_actual_clauses(quals, false), exprs), &gain))
		return;
	foreach(lc, rel->pathlist)
	{
		Path	   *path = is_plain_scan(lfirst(lc)) ? filter_path(root, rel, lfirst(lc), quals, exprs, &gain) : NULL;

		if (path)
			better = lappend(better, path);
	}
	foreach(lc, better)
		add_path(rel, lfirst(lc));
}

void
ch_batch_subplan_init(void)
{
	previous_upper_hook = create_upper_paths_hook;
	create_upper_paths_hook = upper_paths;
	previous_rel_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = table_paths;
}
