/*
 * remark.c
 *	  Why something above a scan stays local, where somebody might expect the
 *	  store to do it.
 *
 * Conditions have their reasons when they are shipped; groups, what is above
 * them, and joins where they are planned (group.c, above.c, join.c).  Here are
 * orders and limits, window functions and grouping sets.  What follows from another remark needs none: if
 * groups are made here, nobody expects the store to sort them.
 *
 * A remark is kept with the state from which the plan of the scan will be made:
 * the table's, that of the join of all tables, or that of pushed groups.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "optimizer/pathnode.h"
#include "utils/memutils.h"

void
ch_remark(ChRel *ch, const char *what, const char *why)
{
	/* GEQO's memory for joins does not live as long as their tables */
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(ch));

	/* a join is considered in several orders */
	ch->remarks = list_append_unique(ch->remarks, makeString(psprintf("%s: %s", what, why)));
	MemoryContextSwitchTo(old);
}

/* Is it about that? */
static bool
is_about(const Node *remark, const char *what)
{
	size_t		len = strlen(what);

	return strncmp(strVal(remark), what, len) == 0 && strVal(remark)[len] == ':';
}

List *
ch_remarks_without(const List *remarks, const char *what)
{
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, remarks)
		if (!is_about(lfirst(lc), what))
			others = lappend(others, lfirst(lc));
	return others;
}

/* For the plan: a scan that is asked for one outer row at a time has no order to give. */
List *
ch_remarks_of(const ChRel *ch, const Path *path)
{
	if (path->param_info == NULL)
		return ch->remarks;
	return ch_remarks_without(ch_remarks_without(ch->remarks, "ORDER BY"), "LIMIT");
}

/* Unless there is a reason already. */
static void
remark_once(ChRel *ch, const char *what, const char *why)
{
	if (list_length(ch_remarks_without(ch->remarks, what)) == list_length(ch->remarks))
		ch_remark(ch, what, why);
}

/* Of the one table of the query, or of the join of all if the store does it. */
static void
remark_scan(PlannerInfo *root, const char *what, const char *why)
{
	int			rti = -1;
	ListCell   *lc;

	if (bms_get_singleton_member(root->all_baserels, &rti))
	{
		if (ch_rel(root->simple_rel_array[rti]))
			remark_once(root->simple_rel_array[rti]->fdw_private, what, why);
		return;
	}
	foreach(lc, root->join_rel_list)
	{
		RelOptInfo *rel = lfirst(lc);

		if (ch_rel(rel) && bms_is_subset(root->all_baserels, rel->relids))
			remark_once(rel->fdw_private, what, why);
	}
}

/* Of groups and distinct rows that the store makes, perhaps in order. */
static void
remark_groups(PlannerInfo *root, const char *what, const char *why)
{
	static const UpperRelationKind kinds[] = {UPPERREL_GROUP_AGG, UPPERREL_DISTINCT, UPPERREL_ORDERED};
	ListCell   *lc;

	for (int i = 0; i < lengthof(kinds); i++)
		foreach(lc, root->upper_rels[kinds[i]])
			if (ch_rel(lfirst(lc)))
				remark_once(((RelOptInfo *) lfirst(lc))->fdw_private, what, why);
}

/* Does the query sort by nothing but columns of this table? */
static bool
owns_order(const PlannerInfo *root, const RelOptInfo *rel)
{
	ListCell   *lc,
			   *lc2;

	foreach(lc, root->query_pathkeys)
	{
		bool		own = false;

		foreach(lc2, ((PathKey *) lfirst(lc))->pk_eclass->ec_members)
		{
			const EquivalenceMember *em = lfirst(lc2);

			own = own || (!em->em_is_child && bms_equal(em->em_relids, rel->relids));
		}
		if (!own)
			return false;
	}
	return true;
}

void
ch_remark_order(PlannerInfo *root, RelOptInfo *rel, const char *reason)
{
	bool		alone = bms_equal(rel->relids, root->all_baserels);

	if (root->query_pathkeys != root->sort_pathkeys || !owns_order(root, rel))
		return;
	if (reason)
		ch_remark(rel->fdw_private, "ORDER BY", reason);
	if (!alone && root->parse->limitCount)
		ch_remark(rel->fdw_private, "LIMIT", "it counts rows of the join");
}

static void
remark_limit(PlannerInfo *root)
{
	const Query *parse = root->parse;

	if (parse->hasTargetSRFs)
		remark_scan(root, "LIMIT", "a function in the select list returns several rows");
	else if (parse->hasWindowFuncs)
		remark_scan(root, "LIMIT", "window functions need all rows");
	else if (parse->groupClause || parse->groupingSets || parse->hasAggs)
		remark_groups(root, "LIMIT", root->sort_pathkeys ? "the groups are sorted here first" : "it counts groups");
	else if (parse->distinctClause)
		remark_groups(root, "LIMIT", root->sort_pathkeys ? "the distinct rows are sorted here first" : "it counts distinct rows");
	else if (root->sort_pathkeys)
		remark_scan(root, "LIMIT", "the rows are sorted here first");
}

/* Asked after paths were made for this stage: what of it has none? */
void
ch_remark_upper(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *output, void *extra)
{
	const Query *parse = root->parse;

	if (output->fdw_private || parse->commandType != CMD_SELECT)
		return;
	switch (stage)
	{
		case UPPERREL_WINDOW:
			remark_scan(root, "window functions", "they are computed here");
			break;
		case UPPERREL_GROUP_AGG:
			if (parse->groupingSets)
				remark_scan(root, "GROUP BY", "grouping sets are made here");
			break;
		case UPPERREL_ORDERED:
			if (parse->groupClause)
				remark_groups(root, "ORDER BY", "it sorts groups");
			else if (parse->distinctClause)
				remark_groups(root, "ORDER BY", "it sorts distinct rows");
			break;
		case UPPERREL_FINAL:
			if (((FinalPathExtraData *) extra)->limit_needed)
				remark_limit(root);
			break;
		default:
			break;
	}
}
