/*
 * above.c
 *	  HAVING, ORDER BY and LIMIT of groups that the store makes: may it do them,
 *	  too?
 *
 * What the store returns for a group, a key or an aggregate, is a column of a
 * table of groups (ch_table_groups), which a driver is asked about like any
 * other.  An average is none: core divides.
 *
 * A sort is told to the store also without a LIMIT; then nothing is sorted
 * twice.  OFFSET is skipped here, on the groups from the top on: a group with a
 * value that its column does not hold is an error, wherever it stands, so such
 * a group comes first, and must not be skipped.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"

/* ---- what an expression above groups is --------------------------------------- */

static const Node *
without_relabels(const Node *node)
{
	while (IsA(node, RelabelType))
		node = (const Node *) ((const RelabelType *) node)->arg;
	return node;
}

int
ch_group_operand(const ChGroups *groups, Node *node, const char **reason)
{
	ListCell   *lc,
			   *lc2;

	forboth(lc, groups->exprs, lc2, groups->query->outputs)
	{
		const ChOutput *output = lfirst(lc2);

		if (!equal(without_relabels(lfirst(lc)), without_relabels(node)))
			continue;
		if (output->count < 0)
			return output->target + 1;
		*reason = "an average is divided here";
		return 0;
	}
	return 0;
}

/* Is an expression made of what the groups have, and of nothing else? */
static bool
is_missing(Node *node, void *groups)
{
	if (node == NULL || list_member(((ChGroups *) groups)->exprs, node))
		return false;
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, PlaceHolderVar) || IsA(node, WindowFunc))
		return true;
	return expression_tree_walker(node, is_missing, groups);
}

/* ---- HAVING -------------------------------------------------------------------- */

/* Why the store cannot be asked about groups at all, or NULL. */
static const char *
no_groups(const ChRel *ch)
{
	if (ch->groups->table == NULL)
		return psprintf("%s does that of rows only", ch->table->driver->product);
	if (ch->groups->query->group == NIL)
		return "all rows are one group";
	return NULL;
}

void
ch_take_having(PlannerInfo *root, ChRel *ch, List *having)
{
	List	   *pushed = NIL;
	const char *none = no_groups(ch);
	ListCell   *lc;

	if (none == NULL && !ch_pushdown_enabled(ch->table, ch_enable_where_pushdown, "enable_where_pushdown"))
		none = "enable_where_pushdown is off";
	foreach(lc, having)
	{
		const char *why = none;
		ChExpr	   *expr = NULL;

		if (why == NULL)
			expr = ch_ship_having(root, ch->base, ch->groups, lfirst(lc), &why);
		if (expr)
		{
			pushed = lappend(pushed, expr);
			continue;
		}
		ch->local_quals = lappend(ch->local_quals, lfirst(lc));
		ch->local_reasons = lappend(ch->local_reasons, makeString(psprintf("checked on the groups here: %s",
																						why ? why : "the store has no such form")));
	}
	ch->groups->query->having = ch_all_of(pushed);
}

/* ---- ORDER BY -------------------------------------------------------------------- */

static Path *
make_path(PlannerInfo *root, RelOptInfo *output, PathTarget *target, const ChGroups *groups, ChQuery *query,
		  double rows, double factor)
{
	/* some of the groups cost their part of all: so core counts below a LIMIT of its own */
	Cost		total = groups->startup_cost + rows / groups->rows * (groups->total_cost - groups->startup_cost);

	return (Path *) ch_make_upper_path(root, output, target, rows, groups->startup_cost * factor, total * factor,
									   root->sort_pathkeys, list_make1(query));
}

void
ch_group_order(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	ChRel	   *below = input->fdw_private;
	ChRel	   *ch;
	const char *why = no_groups(below);
	List	   *keys = NIL;
	ChQuery    *query;

	if (why == NULL && is_missing((Node *) root->upper_targets[UPPERREL_ORDERED]->exprs, below->groups))
		why = "the select list has more than the groups";
	if (why == NULL && root->sort_pathkeys != NIL)
		keys = ch_ship_group_pathkeys(root, below->base, below->groups, root->sort_pathkeys, &why);
	if (keys == NIL && (why || root->sort_pathkeys != NIL))
	{
		ch_remark(below, "ORDER BY", why ? why : "the store has no such form");
		return;
	}
	ch = palloc(sizeof(ChRel));
	*ch = *below;
	ch->ordered = true;
	ch->sort = keys;
	output->fdw_private = ch;
	if (keys == NIL)
		return;
	query = copyObject(ch->groups->query);
	query->sort = keys;
	add_path(output, make_path(root, output, root->upper_targets[UPPERREL_ORDERED], ch->groups, query, ch->groups->rows, 1.0));
}

/* ---- LIMIT ------------------------------------------------------------------------- */

/* Why LIMIT stays local, or NULL. */
static const char *
limit_refusal(PlannerInfo *root, const ChRel *ch)
{
	Query	   *parse = root->parse;
	const char *why = no_groups(ch);
	const ChDriver *driver = ch->table->driver;

	if (why)
		return why;
	if (!ch_pushdown_enabled(ch->table, ch_enable_limit_pushdown, "enable_limit_pushdown"))
		return "enable_limit_pushdown is off";
	if (ch->local_quals)
		return "a condition of HAVING is checked here";
	if (parse->limitOption == LIMIT_OPTION_WITH_TIES)
		return "WITH TIES needs the groups after the last";
	if (parse->limitOffset && (parse->limitCount == NULL || contain_volatile_functions(parse->limitCount) ||
							   contain_volatile_functions(parse->limitOffset)))
		return "OFFSET is skipped here, on the groups up to LIMIT";
	if (is_missing((Node *) root->upper_targets[UPPERREL_FINAL]->exprs, ch->groups))
		return "the select list has more than the groups";
	if (driver->ship_limit && !driver->ship_limit(ch->groups->table, ch->sort, false, &why))
		return why ? why : "the store has no such form";
	return NULL;
}

static double
limited_rows(double rows, const FinalPathExtraData *extra)
{
	/* like core: a count that is not known yet takes a tenth of the rows */
	double		most = extra->count_est > 0 ? (double) extra->count_est : clamp_row_est(rows * 0.10);

	if (extra->count_est == 0)
		return rows;
	if (extra->offset_est != 0)
		most += extra->offset_est > 0 ? (double) extra->offset_est : clamp_row_est(rows * 0.10);
	return clamp_row_est(Min(rows, most));
}

void
ch_group_limit(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, FinalPathExtraData *extra)
{
	Query	   *parse = root->parse;
	ChRel	   *below = input->fdw_private;
	ChRel	   *ch;
	const char *why = limit_refusal(root, below);
	ChQuery    *query;
	Path	   *path;

	if (why)
	{
		ch_remark(below, "LIMIT", why);
		return;
	}
	ch = palloc(sizeof(ChRel));
	*ch = *below;
	output->fdw_private = ch;
	query = copyObject(ch->groups->query);
	query->sort = ch->sort;
	query->limit = query->offset = 0;	/* numbers come when the plan is made */
	query->from_top = parse->limitOffset != NULL;
	/* of two that cost the same, the one that fetches fewer groups for sure */
	path = make_path(root, output, root->upper_targets[UPPERREL_FINAL], ch->groups, query,
					 limited_rows(ch->groups->rows, extra), 0.99);
	if (query->from_top)
		path = (Path *) create_limit_path(root, output, path, parse->limitOffset, parse->limitCount,
										  parse->limitOption, extra->offset_est, extra->count_est);
	add_path(output, path);
}
