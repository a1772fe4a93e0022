/*
 * group.c
 *	  GROUP BY, aggregates, DISTINCT and DISTINCT ON of a query on one table, or
 *	  on a join that the store does: may the store do them?
 *
 * A grouped scan returns one row for each group: keys and aggregates (ChTarget).
 * What of the select list is computed from these stays here; above.c has what
 * stands above the groups.  An average comes as a sum and a count, which
 * are divided here as PostgreSQL's own final function does: no store divides
 * like numeric.
 *
 * Core makes sure that equality is the type's default one and that collations
 * make no difference, and what the aggregate is by its catalog entry; whether
 * the store groups and adds up alike is the driver's answer.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct GroupContext
{
	PlannerInfo *root;
	RelOptInfo *base;
	ChTable    *table;
	ChQuery    *query;
	List	   *exprs;			/* of the scan's row, one for each output */
	const char *reason;			/* why the last thing asked was refused */
} GroupContext;

static bool
refuse(GroupContext *cxt, const char *reason)
{
	cxt->reason = reason;
	return false;
}

/* ---- keys --------------------------------------------------------------------- */

/* Does the store tell apart what this equality tells apart? */
static bool
equality_is_default(GroupContext *cxt, Node *expr, Oid eqop)
{
	Oid			type = getBaseType(exprType(expr));
	Oid			collation = exprCollation(expr);

	if (!ch_type_has_value(type))
		return refuse(cxt, psprintf("type %s is compared by PostgreSQL only", format_type_be(type)));
	if (eqop != lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr)
		return refuse(cxt, "it groups by an operator other than the type's own equality");
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return refuse(cxt, "the collation calls different strings equal");
	return true;
}

/* Values of a domain with constraints have to be read to be checked. */
static bool
has_no_check(GroupContext *cxt, int attno)
{
	const ChColumn *col = ch_column(cxt->table, attno);

	return !col->domain || !DomainHasConstraints(col->typid) ||
		refuse(cxt, "values of a domain are checked when they are read");
}

/*
 * Are the column's values what the expression has, compared in the same way?
 * Not if they are taken for another type (an integer for an oid, text for
 * char(n)).
 */
static bool
is_as_read(GroupContext *cxt, Node *expr, int attno)
{
	const ChColumn *col = ch_column(cxt->table, attno);
	Oid			type = getBaseType(exprType(expr));

	if (type != col->basetype && !(ch_is_text(type) && ch_is_text(col->basetype)))
		return refuse(cxt, psprintf("it takes %s for %s", format_type_be(col->basetype), format_type_be(type)));
	return has_no_check(cxt, attno);
}

static int
find_target(const ChQuery *query, const ChTarget *target)
{
	ListCell   *lc;

	foreach(lc, query->targets)
		if (equal(lfirst(lc), target))
			return foreach_current_index(lc);
	return -1;
}

/* The number of the target, new or the same as one that is there. */
static int
add_target(GroupContext *cxt, ChTarget *target)
{
	int			at = find_target(cxt->query, target);

	if (at >= 0)
		return at;
	cxt->query->targets = lappend(cxt->query->targets, target);
	return list_length(cxt->query->targets) - 1;
}

static void
add_output(GroupContext *cxt, Node *expr, int target, int count)
{
	ChOutput   *output;

	if (list_member(cxt->exprs, expr))
		return;
	output = ch_make_output();
	output->target = target;
	output->count = count;
	output->type = exprType(expr);
	cxt->query->outputs = lappend(cxt->query->outputs, output);
	cxt->exprs = lappend(cxt->exprs, expr);
}

static bool
add_key(GroupContext *cxt, Node *expr, Oid eqop)
{
	ChTarget   *target;
	const ChColumn *col;
	int			attno;

	if (list_member(cxt->exprs, expr))
		return true;
	if (!equality_is_default(cxt, expr, eqop))
		return false;
	cxt->reason = NULL;
	attno = ch_operand(cxt->root, cxt->base, cxt->table, expr, &cxt->reason);
	if (attno == 0)
		return refuse(cxt, cxt->reason ? cxt->reason : "it groups by an expression that the store does not compute");
	if (!is_as_read(cxt, expr, attno))
		return false;
	col = ch_column(cxt->table, attno);
	target = ch_make_target(CH_AGG_KEY);
	target->attno = attno;
	target->type = col->typid;
	target->typmod = col->typmod;
	target->collation = col->collation;
	if (!list_member_int(cxt->query->group, attno))
		cxt->query->group = lappend_int(cxt->query->group, attno);
	add_output(cxt, expr, add_target(cxt, target), -1);
	return true;
}

/* ---- aggregates ------------------------------------------------------------------ */

typedef struct KnownAgg
{
	const char *name;
	ChAgg		agg;
	bool		average;
} KnownAgg;

/* Is it min or max?  Its sort operator says so. */
static bool
is_extreme(const Aggref *ref, ChAgg *agg)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(ref->aggfnoid));
	Oid			sortop;
	Oid			type;
	TypeCacheEntry *cache;

	if (!HeapTupleIsValid(tuple))
		return false;
	sortop = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggsortop;
	ReleaseSysCache(tuple);
	if (!OidIsValid(sortop) || list_length(ref->args) != 1)
		return false;
	type = exprType((Node *) linitial_node(TargetEntry, ref->args)->expr);
	cache = lookup_type_cache(getBaseType(type), TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	if (sortop != cache->lt_opr && sortop != cache->gt_opr)
		return false;
	*agg = sortop == cache->lt_opr ? CH_AGG_MIN : CH_AGG_MAX;
	return true;
}

/* Ours: first(value, time) and last(value, time), whatever else has their names. */
static bool
is_first_or_last(const Aggref *ref, ChAgg *agg)
{
	char	   *name = get_func_name(ref->aggfnoid);
	Oid			extension;

	if (name == NULL || list_length(ref->args) != 2)
		return false;
	*agg = strcmp(name, "first") == 0 ? CH_AGG_FIRST : CH_AGG_LAST;
	if (*agg == CH_AGG_LAST && strcmp(name, "last") != 0)
		return false;
	extension = getExtensionOfObject(ProcedureRelationId, ref->aggfnoid);
	return OidIsValid(extension) && extension == get_extension_oid("cipherhorizon", true);
}

static bool
recognise(const Aggref *ref, ChAgg *agg, bool *average)
{
	*average = false;
	switch (ref->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			*agg = CH_AGG_COUNT;
			return true;
		case F_AVG_INT8:
		case F_AVG_INT4:
		case F_AVG_INT2:
		case F_AVG_NUMERIC:
		case F_AVG_FLOAT4:
		case F_AVG_FLOAT8:
			*average = true;
			/* FALLTHROUGH */
		case F_SUM_INT8:
		case F_SUM_INT4:
		case F_SUM_INT2:
		case F_SUM_FLOAT8:
		case F_SUM_NUMERIC:
			*agg = CH_AGG_SUM;
			return true;
		case F_BOOL_AND:
		case F_EVERY:
			*agg = CH_AGG_BOOL_AND;
			return true;
		case F_BOOL_OR:
			*agg = CH_AGG_BOOL_OR;
			return true;
		default:
			return is_extreme(ref, agg) || is_first_or_last(ref, agg);
	}
}

/* The type of a sum as the driver returns it: wide enough to be exact. */
static Oid
sum_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
			return INT8OID;
		case FLOAT4OID:
		case FLOAT8OID:
			return FLOAT8OID;
		default:
			return NUMERICOID;
	}
}

static int
column_of_arg(GroupContext *cxt, const Aggref *ref, int n)
{
	Node	   *arg = (Node *) list_nth_node(TargetEntry, ref->args, n)->expr;
	int			attno;

	cxt->reason = NULL;
	attno = ch_operand(cxt->root, cxt->base, cxt->table, arg, &cxt->reason);
	if (attno == 0 && cxt->reason == NULL)
		cxt->reason = "an aggregate's argument is no plain column";
	return attno != 0 && is_as_read(cxt, arg, attno) ? attno : 0;
}

/* Strings have an order here that the store may not have. */
static bool
order_agrees(GroupContext *cxt, int attno, Oid collation)
{
	const ChColumn *col = ch_column(cxt->table, attno);

	if (!ch_type_has_value(col->basetype))
		return refuse(cxt, psprintf("type %s is compared by PostgreSQL only", format_type_be(col->basetype)));
	if (OidIsValid(col->collation) && !ch_collation_is_bytewise(collation))
		return refuse(cxt, "strings are ordered by a collation other than \"C\"");
	return true;
}

/* Set what an aggregate is of; its agg is set. */
static bool
set_columns(GroupContext *cxt, const Aggref *ref, ChTarget *target)
{
	const ChColumn *col;

	target->type = ref->aggtype;
	if (ref->args == NIL)
		return true;
	target->attno = column_of_arg(cxt, ref, 0);
	if (target->attno == 0)
		return false;
	col = ch_column(cxt->table, target->attno);
	switch (target->agg)
	{
		case CH_AGG_SUM:
			target->type = sum_type(col->basetype);
			return true;
		case CH_AGG_FIRST:
		case CH_AGG_LAST:
			target->by = column_of_arg(cxt, ref, 1);
			/* times are compared by their own collation, whatever that of the values */
			if (target->by == 0 ||
				!order_agrees(cxt, target->by, exprCollation((Node *) lsecond_node(TargetEntry, ref->args)->expr)))
				return false;
			break;
		case CH_AGG_MIN:
		case CH_AGG_MAX:
			if (!order_agrees(cxt, target->attno, ref->inputcollid))
				return false;
			break;
		default:
			return true;
	}
	target->type = col->typid;
	target->typmod = col->typmod;
	target->collation = col->collation;
	return true;
}

static bool
set_distinct(GroupContext *cxt, const Aggref *ref, ChTarget *target)
{
	SortGroupClause *clause;

	if (ref->aggdistinct == NIL || target->agg == CH_AGG_MIN || target->agg == CH_AGG_MAX ||
		target->agg == CH_AGG_BOOL_AND || target->agg == CH_AGG_BOOL_OR)
		return true;
	if (list_length(ref->args) != 1)
		return refuse(cxt, "an aggregate of DISTINCT pairs");
	clause = linitial(ref->aggdistinct);
	target->distinct = true;
	return equality_is_default(cxt, (Node *) linitial_node(TargetEntry, ref->args)->expr, clause->eqop);
}

/* Its columns are read where it is evaluated here. */
static bool
filter_is_as_read(GroupContext *cxt, const ChExpr *expr)
{
	ListCell   *lc;

	foreach(lc, expr->args)
		if (!filter_is_as_read(cxt, lfirst(lc)))
			return false;
	if (expr->kind == CH_COND_AND || expr->kind == CH_COND_OR)
		return true;
	return has_no_check(cxt, expr->attno) && (expr->kind != CH_COND_CMP_COLUMN || has_no_check(cxt, expr->other));
}

static bool
add_filter(GroupContext *cxt, const Aggref *ref, ChTarget *target)
{
	cxt->reason = NULL;
	target->filter = ch_ship_filter(cxt->root, cxt->base, cxt->table, (Node *) ref->aggfilter, &cxt->reason);
	if (target->filter == NULL)
		return refuse(cxt, cxt->reason ? cxt->reason : "the condition of a FILTER is evaluated by PostgreSQL only");
	return filter_is_as_read(cxt, target->filter);
}

static bool
add_aggregate(GroupContext *cxt, Aggref *ref)
{
	ChAgg		agg;
	bool		average;
	ChTarget   *target;
	int			count = -1;

	if (list_member(cxt->exprs, ref))
		return true;
	if (ref->agglevelsup != 0 || ref->aggsplit != AGGSPLIT_SIMPLE || !recognise(ref, &agg, &average))
		return refuse(cxt, psprintf("aggregate %s has no equal in a store", get_func_name(ref->aggfnoid)));
	/* the order of its input changes none of these */
	target = ch_make_target(agg);
	if (!set_columns(cxt, ref, target) || !set_distinct(cxt, ref, target))
		return false;
	if (ref->aggfilter && !add_filter(cxt, ref, target))
		return false;
	if (average)
	{
		ChTarget   *counted = copyObject(target);

		counted->agg = CH_AGG_COUNT;
		counted->type = INT8OID;
		counted->typmod = -1;
		counted->collation = InvalidOid;
		count = add_target(cxt, counted);
	}
	add_output(cxt, (Node *) ref, add_target(cxt, target), count);
	return true;
}

/* Everything in an expression above the groups: aggregates, and keys as they are. */
static bool
refuses(Node *node, void *arg)
{
	GroupContext *cxt = arg;

	if (node == NULL || list_member(cxt->exprs, node))
		return false;
	if (IsA(node, Aggref))
		return !add_aggregate(cxt, (Aggref *) node);
	if (IsA(node, GroupingFunc))
		return !refuse(cxt, "GROUPING is evaluated where the groups are made");
	if (IsA(node, Var) || IsA(node, PlaceHolderVar))
		return !refuse(cxt, "it selects a column that is not grouped by");
	return expression_tree_walker(node, refuses, arg);
}

static bool
add_expression(GroupContext *cxt, Node *node)
{
	return !refuses(node, cxt);
}

/* ---- may it be asked at all? -------------------------------------------------------- */

/* Why the store cannot even be asked for groups of its rows, or NULL. */
static const char *
why_not(const ChRel *ch)
{
	if (!ch_pushdown_enabled(ch->table, ch_enable_aggregate_pushdown, "enable_aggregate_pushdown"))
		return "enable_aggregate_pushdown is off";
	if (!ch->exact)
		return "a condition is checked after the rows were fetched";
	if (ch_has_gate(ch->base))
		return "a condition without a column decides whether to scan at all";
	return NULL;
}

/* The table, if the rows to group are its own and nothing else. */
static ChRel *
plain_input(PlannerInfo *root, RelOptInfo *input)
{
	ChRel	   *ch = input->fdw_private;

	if (ch == NULL || !ch_is_scan(input) ||
		!bms_is_empty(ch->base->lateral_relids) || root->parse->commandType != CMD_SELECT ||
		root->parse->hasTargetSRFs || root->parse->rowMarks)
		return NULL;
	return ch;
}

static void
add_scan(PlannerInfo *root, GroupContext *cxt, ChRel *below, RelOptInfo *output, PathTarget *target,
		 List *having, double groups)
{
	ChRel	   *ch = palloc(sizeof(ChRel));
	ChGroups   *made = palloc0(sizeof(ChGroups));
	double		rows = having ? clamp_row_est(groups * clauselist_selectivity(root, having, 0, JOIN_INNER, NULL)) : groups;

	*ch = *below;
	ch->groups = made;
	/* orders and limits of the rows below are nobody's any more */
	ch->remarks = ch_remarks_without(ch_remarks_without(below->remarks, "ORDER BY"), "LIMIT");
	cxt->query->upper = true;
	made->query = cxt->query;
	made->exprs = cxt->exprs;
	if (cxt->query->grouped && below->table->driver->describe_groups)
		made->table = ch_table_groups(below->table, cxt->query);
	ch_take_having(root, ch, having);
	made->rows = rows;
	made->startup_cost = below->startup_cost + below->penalty;
	made->total_cost = made->startup_cost + ch_join_cost(below) + below->remote_rows * below->tuple_cost * CH_REMOTE_ROW_FACTOR +
		(cxt->query->having ? rows : groups) * (below->tuple_cost + cpu_tuple_cost) + target->cost.startup + rows * target->cost.per_tuple;
	output->fdw_private = ch;
	add_path(output, (Path *) ch_make_upper_path(root, output, target, rows, made->startup_cost, made->total_cost, NIL,
												 list_make1(cxt->query)));
}

/* ---- GROUP BY --------------------------------------------------------------------------- */

static bool
add_grouping(GroupContext *cxt, PathTarget *target, List *clauses, List *tlist, List *having)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst(lc);
		Node	   *expr = NULL;
		int			i = 0;
		ListCell   *lc2;

		/* of a partition's groups the target has the partition's own columns */
		foreach(lc2, target->exprs)
			if (get_pathtarget_sortgroupref(target, i++) == clause->tleSortGroupRef)
				expr = lfirst(lc2);
		if (expr == NULL)
			expr = get_sortgroupclause_expr(clause, tlist);
		if (!add_key(cxt, expr, clause->eqop))
			return false;
	}
	foreach(lc, target->exprs)
		if (!add_expression(cxt, lfirst(lc)))
			return false;
	foreach(lc, having)
		if (!add_expression(cxt, lfirst(lc)))
			return false;
	return true;
}

static bool
ask_driver(GroupContext *cxt, ChRel *ch)
{
	const ChDriver *driver = cxt->table->driver;

	if (cxt->query->targets == NIL)
		return refuse(cxt, "it asks for nothing of the table");
	if (driver->ship_group == NULL)
		return refuse(cxt, psprintf("%s does not group", driver->product));
	cxt->reason = NULL;
	if (driver->ship_group(cxt->table, cxt->query, &cxt->reason))
		return true;
	return refuse(cxt, cxt->reason ? cxt->reason : "the store has no such form");
}

/* The filter as the driver is to see it; its values are still expressions. */
static ChExpr *
whole_filter(const ChRel *ch)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, ch->clauses)
		conditions = lappend(conditions, ((ChClause *) lfirst(lc))->expr);
	return ch_all_of(conditions);
}

static GroupContext
begin_group(PlannerInfo *root, const ChRel *ch)
{
	GroupContext cxt = {.root = root,.base = ch->base,.table = ch->table};

	cxt.query = ch_make_query();
	cxt.query->grouped = true;
	cxt.query->filter = whole_filter(ch);
	cxt.query->joins = ch->joins;
	return cxt;
}

void
ch_group_paths(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output, GroupPathExtraData *extra)
{
	Query	   *parse = root->parse;
	ChRel	   *ch = plain_input(root, input);
	List	   *clauses = parse->groupClause;	/* not without those that others imply: of
											 * no rows there are no groups */
	GroupContext cxt;
	const char *why;
	double		groups;

	if (ch == NULL || parse->groupingSets || extra->patype == PARTITIONWISE_AGGREGATE_PARTIAL)
		return;
	cxt = begin_group(root, ch);
	why = why_not(ch);
	if (why == NULL && !add_grouping(&cxt, output->reltarget, clauses, extra->targetList, (List *) extra->havingQual))
		why = cxt.reason;
	if (why == NULL && !ask_driver(&cxt, ch))
		why = cxt.reason;
	if (why)
	{
		ch_remark(ch, clauses ? "GROUP BY" : "aggregates", why);
		return;
	}
	groups = clauses == NIL ? 1 : estimate_num_groups(root, get_sortgrouplist_exprs(clauses, extra->targetList),
													  input->rows, NULL, NULL);
	cxt.query->filter = NULL;	/* made again when the plan is made */
	add_scan(root, &cxt, ch, output, output->reltarget, (List *) extra->havingQual, groups);
}

/* ---- DISTINCT ----------------------------------------------------------------------------- */

/* SELECT DISTINCT is a group for each row of the select list. */
static bool
add_distinct(GroupContext *cxt, List *clauses)
{
	PlannerInfo *root = cxt->root;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst(lc);

		if (!add_key(cxt, get_sortgroupclause_expr(clause, root->processed_tlist), clause->eqop))
			return false;
	}
	foreach(lc, root->upper_targets[UPPERREL_DISTINCT]->exprs)
		if (!list_member(cxt->exprs, lfirst(lc)) && !IsA(lfirst(lc), Const))
			return refuse(cxt, "it selects an expression that is not made distinct");
	return true;
}

/* The first row of each group in an order: sort keys, of which the first are the group. */
static bool
set_distinct_on(GroupContext *cxt)
{
	PlannerInfo *root = cxt->root;
	const ChDriver *driver = cxt->table->driver;
	List	   *keys = list_length(root->sort_pathkeys) > list_length(root->distinct_pathkeys)
		? root->sort_pathkeys : root->distinct_pathkeys;
	ListCell   *lc;

	if (driver->ship_distinct == NULL)
		return refuse(cxt, psprintf("%s has no such form", driver->product));
	cxt->reason = NULL;
	cxt->query->grouped = false;
	cxt->query->ndistinct = list_length(root->distinct_pathkeys);
	cxt->query->sort = ch_sort_keys(root, cxt->base, cxt->table, keys, cxt->query->ndistinct, &cxt->reason);
	if (cxt->query->sort == NIL)
		return false;
	foreach(lc, pull_var_clause((Node *) root->upper_targets[UPPERREL_DISTINCT]->exprs,
								PVC_INCLUDE_PLACEHOLDERS | PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_WINDOWFUNCS))
	{
		Var		   *var = lfirst(lc);

		if (!IsA(var, Var) || ch_var_number(cxt->base, var) == 0)
			return refuse(cxt, "the whole row or a system column is selected");
	}
	cxt->reason = NULL;
	return driver->ship_distinct(cxt->table, cxt->query, &cxt->reason);
}

void
ch_distinct_paths(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	Query	   *parse = root->parse;
	ChRel	   *ch = plain_input(root, input);
	List	   *clauses = parse->distinctClause;
	GroupContext cxt;
	const char *why;
	double		groups;
	bool		done = false;

	/* nothing may come between the scan and the distinct rows */
	if (ch == NULL || clauses == NIL || (parse->hasDistinctOn && root->distinct_pathkeys == NIL))
		return;
	cxt = begin_group(root, ch);
	why = why_not(ch);
	if (why == NULL)
	{
		done = parse->hasDistinctOn ? set_distinct_on(&cxt) : add_distinct(&cxt, clauses);
		if (done && !parse->hasDistinctOn)
			done = ask_driver(&cxt, ch);
	}
	if (!done)
	{
		ch_remark(ch, parse->hasDistinctOn ? "DISTINCT ON" : "DISTINCT",
				  why ? why : cxt.reason ? cxt.reason : "the store has no such form");
		return;
	}
	groups = estimate_num_groups(root, get_sortgrouplist_exprs(clauses, root->processed_tlist), input->rows, NULL, NULL);
	cxt.query->filter = NULL;	/* made again when the plan is made */
	add_scan(root, &cxt, ch, output, root->upper_targets[UPPERREL_DISTINCT], NIL, groups);
}
