/*
 * join.c
 *	  Joins of foreign tables of one server that the store can do itself.
 *
 * A remote join is a chain: a first table, and further ones, each joined to
 * all before it.  PostgreSQL builds joins pair by pair, so a chain grows by a
 * table at a time, and its conditions are shipped anew for each length: the
 * columns of all tables are numbered through, and the driver sees them as one
 * table's (ch_table_join).  What holds for a table alone is part of its join's
 * condition, which is where an outer join wants it.
 *
 * Conditions of a join must ship exactly.  Those that hold after it (WHERE)
 * may stay local.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

static ChJoinMember *
make_member(RelOptInfo *rel, JoinType type, List *on)
{
	ChJoinMember   *member = palloc(sizeof(ChJoinMember));

	member->rel = rel;
	member->type = type;
	member->on = on;
	return member;
}

/* The chain that outer is, with inner as its next table. */
static ChRel *
make_chain(RelOptInfo *joinrel, RelOptInfo *outer, RelOptInfo *inner, JoinType type, List *restrictlist)
{
	const ChRel *o = outer->fdw_private;
	const ChRel *i = inner->fdw_private;
	ChRel	   *ch = palloc0(sizeof(ChRel));
	List	   *on = NIL;
	List	   *where = NIL;
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, restrictlist)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (IS_OUTER_JOIN(type) && RINFO_IS_PUSHED_DOWN(rinfo, joinrel->relids))
			where = lappend(where, rinfo);
		else
			on = lappend(on, rinfo);
	}
	ch->members = o->members ? list_copy(o->members) : list_make1(make_member(outer, JOIN_INNER, NIL));
	ch->members = lappend(ch->members, make_member(inner, type, list_concat(on, inner->baserestrictinfo)));
	ch->where = list_concat_copy(o->members ? o->where : outer->baserestrictinfo, where);
	ch->base = joinrel;
	ch->startup_cost = o->startup_cost;
	ch->tuple_cost = Max(o->tuple_cost, i->tuple_cost);
	foreach(lc, ch->members)
		tables = lappend(tables, ((ChRel *) ((ChJoinMember *) lfirst(lc))->rel->fdw_private)->table);
	ch->table = ch_table_join(tables);
	return ch;
}

/* The condition of one table's join; false if it does not ship exactly. */
static bool
ship_on(PlannerInfo *root, RelOptInfo *joinrel, ChRel *ch, const ChJoinMember *member, const char **reason)
{
	ChJoin	   *join = ch_make_join();
	bool		exact;
	List	   *clauses = ch_ship_clauses(root, joinrel, ch->table, member->on, &exact);
	List	   *args = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		ChClause   *c = lfirst(lc);

		if (c->ship != CH_SHIP_EXACT)
		{
			*reason = c->reason ? c->reason : "a condition of the join stays local";
			return false;
		}
		args = lappend(args, c->expr);
	}
	join->relid = ((ChRel *) member->rel->fdw_private)->table->relid;
	join->type = member->type;
	join->on = ch_all_of(args);
	ch->joins = lappend(ch->joins, join);
	return true;
}

/* Has a row of the join the column?  A semi or anti join has none of its second table. */
static bool
has_column(const ChRel *ch, const Var *var)
{
	ListCell   *lc;

	foreach(lc, ch->members)
	{
		const ChJoinMember *member = lfirst(lc);

		if (member->rel->relid == var->varno)
			return member->type == JOIN_INNER || member->type == JOIN_LEFT;
	}
	return false;
}

/*
 * Only plain columns can be fetched from a join.  A placeholder stands for an
 * expression that is computed below an outer join: above it, it would not
 * become NULL.  own: a table whose columns are there as well, or 0.
 */
static bool
is_plain(RelOptInfo *joinrel, Node *exprs, Index own)
{
	ListCell   *lc;

	foreach(lc, pull_var_clause(exprs, PVC_INCLUDE_PLACEHOLDERS | PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS))
	{
		const Var  *var = lfirst(lc);

		if (!IsA(var, Var) || ch_var_number(joinrel, var) == 0 ||
			(var->varno != own && !has_column(joinrel->fdw_private, var)))
			return false;
	}
	return true;
}

bool
ch_is_in_row(RelOptInfo *rel, Node *expr)
{
	return ((ChRel *) rel->fdw_private)->members == NIL || is_plain(rel, expr, 0);
}

/* The same for all that the chain fetches and checks. */
static bool
chain_is_plain(RelOptInfo *joinrel, const ChRel *ch)
{
	ListCell   *lc;

	foreach(lc, ch->members)
	{
		const ChJoinMember *member = lfirst(lc);

		if (!is_plain(joinrel, (Node *) get_actual_clauses(member->on), member->rel->relid))
			return false;
	}
	return is_plain(joinrel, (Node *) joinrel->reltarget->exprs, 0) &&
		is_plain(joinrel, (Node *) get_actual_clauses(ch->where), 0);
}

/* Why the chain does not ship, or NULL. */
static const char *
ship_chain(PlannerInfo *root, RelOptInfo *joinrel, ChRel *ch)
{
	const char *reason = NULL;
	ChQuery    *query = ch_make_query();
	ListCell   *lc;

	if (!chain_is_plain(joinrel, ch))
		return "it needs a whole row, a system column, a column of an anti join or an expression below an outer join";
	for_each_from(lc, ch->members, 1)
		if (!ship_on(root, joinrel, ch, lfirst(lc), &reason))
			return reason;
	ch->clauses = ch_ship_clauses(root, joinrel, ch->table, ch->where, &ch->exact);
	query->joins = ch->joins;
	if (ch->table->driver->ship_join(ch->table, query, &reason))
		return NULL;
	return reason ? reason : "the store has no such form";
}

/* What the store has to look at: the rows of all tables, or more if it has to look again. */
static double
rows_below(const ChRel *ch, const ChQuery *query, const ChRel *outer, const RelOptInfo *inner)
{
	const ChDriver *driver = ch->table->driver;
	const ChRel *i = inner->fdw_private;

	return (outer->members ? outer->looked_at : outer->remote_rows) +
		(driver->join_rows ? driver->join_rows(ch->table, query, outer->remote_rows, Max(inner->tuples, i->remote_rows))
		 : i->remote_rows);
}

static void
add_join_path(PlannerInfo *root, RelOptInfo *joinrel, ChRel *ch, const ChRel *outer, const RelOptInfo *inner,
			  List *restrictlist)
{
	ChQuery    *query = ch_make_query();
	Cost		startup = ch->startup_cost + ch->penalty;
	Cost		total;

	query->upper = true;
	query->joins = ch->joins;
	ch->remote_rows = joinrel->rows;
	ch->looked_at = rows_below(ch, query, outer, inner);
	total = startup + ch_join_cost(ch) + joinrel->rows * (ch->tuple_cost + cpu_tuple_cost);
	add_path(joinrel, (Path *) ch_make_join_path(root, joinrel, joinrel->rows, startup, total,
												 restrictlist, list_make1(query)));
}

/* Is this a question for the store at all? */
static bool
is_candidate(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outer, RelOptInfo *inner, JoinType type, List *restrictlist)
{
	const ChRel *o = outer->fdw_private;
	const ChRel *i = inner->fdw_private;
	ListCell   *lc;

	if (joinrel->fdw_private || o == NULL || i == NULL || i->members || o->table->driver->ship_join == NULL)
		return false;
	if (type != JOIN_INNER && type != JOIN_LEFT && type != JOIN_SEMI && type != JOIN_ANTI)
		return false;
	if (!bms_is_empty(joinrel->lateral_relids) || root->parse->commandType != CMD_SELECT || root->rowMarks)
		return false;
	if ((o->members == NIL && ch_has_gate(outer)) || ch_has_gate(inner))
		return false;
	foreach(lc, restrictlist)
		if (lfirst_node(RestrictInfo, lc)->pseudoconstant)
			return false;
	return true;
}

void
ch_get_join_paths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outer, RelOptInfo *inner,
				  JoinType type, JoinPathExtraData *extra)
{
	ChRel	   *o = outer->fdw_private;
	ChRel	   *ch;
	const char *why;

	if (!is_candidate(root, joinrel, outer, inner, type, extra->restrictlist))
		return;
	if (!ch_pushdown_enabled(o->table, ch_enable_join_pushdown, "enable_join_pushdown") ||
		!ch_pushdown_enabled(((ChRel *) inner->fdw_private)->table, ch_enable_join_pushdown, "enable_join_pushdown"))
	{
		ch_remark(o, "join", "enable_join_pushdown is off");
		return;
	}
	ch = make_chain(joinrel, outer, inner, type, extra->restrictlist);
	joinrel->fdw_private = ch;	/* columns are found through it */
	why = ship_chain(root, joinrel, ch);
	if (why == NULL)
	{
		ch->penalty = ch_guard_penalty(ch, ch->clauses);
		add_join_path(root, joinrel, ch, o, inner, extra->restrictlist);
		return;
	}
	joinrel->fdw_private = NULL;
	ch_remark(o, "join", why);
}
