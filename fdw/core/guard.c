/*
 * guard.c
 *	  Scans that would read too much: a table's required_quals and
 *	  default_window, and the limits on rows.
 *
 * A table with required_quals wants a condition on one of these columns, or of
 * these sets of columns, that the store checks.  Conditions that stay local do
 * not count, for the question is what the store must read; nor do those that
 * leave nearly everything (<>, IS NOT NULL).  A column of an outer row or of a
 * joined table counts as any other value.
 *
 * What is missing is noted in the plan (ChQuery.unmet), and the scan raises the
 * error when it begins.  So paths that are merely considered, and EXPLAIN, raise
 * nothing.  Such a path costs so much that any other that meets the guard is
 * taken.
 *
 * A window changes the answer, so whether there is one must not depend on
 * which plan is cheaper: it is decided by the conditions that hold for the table
 * alone, when its size is estimated, and then is a condition like any other.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/typcache.h"

/* More than what a plan costs whose kind of join is switched off. */
#define UNMET_COST 1.0e11

/* required_quals of one table, while it is planned. */
struct ChGuard
{
	const char *text;			/* the option */
	List	   *names;			/* List of String, for each alternative */
	List	   *columns;		/* Bitmapset of their numbers, likewise */
	const char *window;			/* default_window, if it was put on */
	bool		fragile;		/* only because parameters are not known yet */
	const char *no_window;		/* why it was not put on, if it was asked for */
};

/* ---- the option ---------------------------------------------------------------- */

/* A column's name as in SQL; the rest of the text, or NULL if there is none. */
static const char *
parse_name(const char *p, char **name)
{
	StringInfoData buf;
	const char *start;

	while (scanner_isspace(*p))
		p++;
	if (*p != '"')
	{
		start = p;
		while (*p != '\0' && *p != ',' && *p != '+' && *p != '"' && !scanner_isspace(*p))
			p++;
		*name = downcase_truncate_identifier(start, p - start, false);
		return p == start ? NULL : p;
	}
	initStringInfo(&buf);
	for (p++; *p != '\0'; p++)
	{
		if (*p == '"' && *++p != '"')
		{
			*name = buf.data;
			return buf.len == 0 ? NULL : p;
		}
		appendStringInfoChar(&buf, *p);
	}
	return NULL;
}

List *
ch_parse_quals(const char *text)
{
	List	   *alternatives = NIL;
	List	   *names = NIL;
	char	   *name;

	for (;;)
	{
		text = parse_name(text, &name);
		if (text == NULL)
			return NIL;
		names = lappend(names, makeString(name));
		while (scanner_isspace(*text))
			text++;
		if (*text != '+')
		{
			alternatives = lappend(alternatives, names);
			names = NIL;
		}
		if (*text == '\0')
			return alternatives;
		if (*text != ',' && *text != '+')
			return NIL;
		text++;
	}
}

const ChColumn *
ch_column_named(const ChTable *table, const char *name, const char *option)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && strcmp(table->columns[i]->name, name) == 0)
			return table->columns[i];
	ereport(ERROR,
			(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
			 errmsg("foreign table %s has no column \"%s\", which its option %s names", table->name, name, option),
			 errhint("ALTER FOREIGN TABLE %s OPTIONS (SET %s '...').", table->name, option)));
}

/* "a" or "b"; "a" and "b", or on "c" */
static char *
what_it_needs(const ChGuard *guard)
{
	StringInfoData buf;
	bool		sets = false;
	ListCell   *lc,
			   *lc2;

	foreach(lc, guard->names)
		sets = sets || list_length(lfirst(lc)) > 1;
	initStringInfo(&buf);
	foreach(lc, guard->names)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(&buf, sets ? ", or on " : lnext(guard->names, lc) ? ", " : " or ");
		foreach(lc2, lfirst(lc))
			appendStringInfo(&buf, "%s\"%s\"", foreach_current_index(lc2) > 0 ? " and " : "", strVal(lfirst(lc2)));
	}
	return buf.data;
}

static ChGuard *
make_guard(const ChTable *table)
{
	const char *text = ch_opt_string(table->driver, table->options, "required_quals");
	ChGuard    *guard;
	ListCell   *lc,
			   *lc2;

	if (text == NULL)
		return NULL;
	guard = palloc0(sizeof(ChGuard));
	guard->text = text;
	guard->names = ch_parse_quals(text);
	foreach(lc, guard->names)
	{
		Bitmapset  *columns = NULL;

		foreach(lc2, lfirst(lc))
			columns = bms_add_member(columns, ch_column_named(table, strVal(lfirst(lc2)), "required_quals")->attno);
		guard->columns = lappend(guard->columns, columns);
	}
	return guard;
}

/* ---- what binds a table ------------------------------------------------------------ */

/* A table of a query: the only one, or one of a join. */
typedef struct Member
{
	const ChRel *ch;			/* of the query: the table's, or the join's */
	int			number;
	const bool *met;			/* of a join: members that are bound already */
} Member;

static int
member_of(const ChTable *table, int attno)
{
	int			m = table->nmembers;

	if (m == 0)
		return 0;
	while (attno < table->first[--m])
		;
	return m;
}

/* A column of the member, as a set; what the store computes from columns is none. */
static Bitmapset *
own_column(const Member *member, int attno)
{
	const ChTable *table = member->ch->table;

	if (attno > table->natts || member_of(table, attno) != member->number)
		return NULL;
	return bms_make_singleton(table->nmembers ? attno - table->first[member->number] + 1 : attno);
}

/* The column that equals one of another table that is bound itself. */
static Bitmapset *
joined_column(const Member *member, int attno, int other)
{
	const ChTable *table = member->ch->table;

	if (other > table->natts || member->met == NULL || !member->met[member_of(table, other)] ||
		member_of(table, other) == member->number)
		return NULL;
	return own_column(member, attno);
}

/* The member's columns that a condition binds. */
static Bitmapset *
columns_of(const ChExpr *expr, const Member *member)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	switch (expr->kind)
	{
		case CH_COND_AND:
			foreach(lc, expr->args)
				columns = bms_add_members(columns, columns_of(lfirst(lc), member));
			return columns;
		case CH_COND_OR:
			columns = columns_of(linitial(expr->args), member);
			for_each_from(lc, expr->args, 1)
				columns = bms_int_members(columns, columns_of(lfirst(lc), member));
			return columns;
		case CH_COND_CMP:
			return expr->op == CH_NE ? NULL : own_column(member, expr->attno);
		case CH_COND_IN:
		case CH_COND_IS_NULL:
			return own_column(member, expr->attno);
		case CH_COND_CMP_COLUMN:
			if (expr->op != CH_EQ)
				return NULL;
			return bms_add_members(joined_column(member, expr->attno, expr->other),
								   joined_column(member, expr->other, expr->attno));
		case CH_COND_LIKE:
		case CH_COND_ILIKE:
		case CH_COND_CONTAINS:
		case CH_COND_HAS_KEY:
			return expr->negated ? NULL : own_column(member, expr->attno);
		default:
			return NULL;
	}
}

static bool meets(const ChGuard *guard, List *exprs, const Member *member);

/* An OR whose every branch would do alone, perhaps each by another column. */
static bool
has_such_or(const ChGuard *guard, const ChExpr *expr, const Member *member)
{
	ListCell   *lc;

	if (expr->kind != CH_COND_AND && expr->kind != CH_COND_OR)
		return false;
	foreach(lc, expr->args)
	{
		if (expr->kind == CH_COND_AND && has_such_or(guard, lfirst(lc), member))
			return true;
		if (expr->kind == CH_COND_OR && !meets(guard, list_make1(lfirst(lc)), member))
			return false;
	}
	return expr->kind == CH_COND_OR;
}

/* Do conditions that all hold, and that the store checks, meet the guard? */
static bool
meets(const ChGuard *guard, List *exprs, const Member *member)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, exprs)
		columns = bms_add_members(columns, columns_of(lfirst(lc), member));
	foreach(lc, guard->columns)
		if (bms_is_subset(lfirst(lc), columns))
			return true;
	foreach(lc, exprs)
		if (has_such_or(guard, lfirst(lc), member))
			return true;
	return false;
}

/* ---- the tables of a query ------------------------------------------------------------ */

static List *
shipped(List *clauses)
{
	List	   *exprs = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
		if (((ChClause *) lfirst(lc))->expr)
			exprs = lappend(exprs, ((ChClause *) lfirst(lc))->expr);
	return exprs;
}

/*
 * Conditions without which a member of a join has no row that matters.  What is
 * said where it may be NULL in place of a row does not bind it.
 */
static List *
conditions_on(const ChRel *ch, List *clauses, int number)
{
	const ChJoinMember *member = list_nth(ch->members, number);
	List	   *exprs = NIL;
	ListCell   *lc;

	if (member->type == JOIN_INNER)
		exprs = shipped(clauses);
	foreach(lc, ch->joins)
	{
		ChJoin	   *join = lfirst(lc);
		int			joined = foreach_current_index(lc) + 1;

		if (join->on && (joined == number ||
						 (joined > number && member->type == JOIN_INNER &&
						  (join->type == JOIN_INNER || join->type == JOIN_SEMI))))
			exprs = lappend(exprs, join->on);
	}
	return exprs;
}

static const ChRel *
table_rel(const ChRel *ch, int number)
{
	return ch->members ? ((ChJoinMember *) list_nth(ch->members, number))->rel->fdw_private : ch;
}

static bool
is_met(const ChGuard *guard, List *exprs, const Member *member)
{
	return guard == NULL || guard->window || meets(guard, exprs, member);
}

/*
 * The first table of the query that nothing binds, or NULL.  In a join, a table
 * that is bound binds those that are joined to it.
 */
static const ChRel *
unmet_table(const ChRel *ch, List *clauses)
{
	int			n = Max(list_length(ch->members), 1);
	bool	   *met = palloc0(n * sizeof(bool));
	bool		more = true;

	if (ch->members == NIL)
		return is_met(ch->guard, shipped(clauses), &(Member) {.ch = ch}) ? NULL : ch;
	while (more)
	{
		more = false;
		for (int i = 0; i < n; i++)
			if (!met[i] && is_met(table_rel(ch, i)->guard, conditions_on(ch, clauses, i), &(Member) {ch, i, met}))
				met[i] = more = true;
	}
	for (int i = 0; i < n; i++)
		if (!met[i])
			return table_rel(ch, i);
	return NULL;
}

Cost
ch_guard_penalty(const ChRel *ch, List *clauses)
{
	if (ch_on_missing_qual == CH_MISSING_ALLOW)
		return 0;
	if (unmet_table(ch, clauses))
		return UNMET_COST;
	for (int i = 0; i < Max(list_length(ch->members), 1); i++)
	{
		const ChGuard *guard = table_rel(ch, i)->guard;

		/* have parameters planned as constants, which may meet it */
		if (guard && guard->fragile)
			return UNMET_COST;
	}
	return 0;
}

/* ---- the window --------------------------------------------------------------------------- */

/* The column of a window: the option's, else the one that the driver knows. */
static const ChColumn *
time_column(const ChTable *table)
{
	const char *name = ch_opt_string(table->driver, table->options, "time_column");

	return name ? ch_column_named(table, name, "time_column") : table->time;
}

/* column > now() - window */
static Expr *
window_condition(const RelOptInfo *rel, const ChColumn *col, const char *window)
{
	Datum		interval = DirectFunctionCall3(interval_in, CStringGetDatum(window), ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1));
	Expr	   *now = (Expr *) makeFuncExpr(F_NOW, TIMESTAMPTZOID, NIL, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	Oid			minus = OpernameGetOprid(list_make2(makeString("pg_catalog"), makeString("-")), TIMESTAMPTZOID, INTERVALOID);
	Expr	   *var = (Expr *) makeVar(rel->relid, col->attno, col->typid, col->typmod, col->collation, 0);

	if (col->typid != TIMESTAMPTZOID)
		var = (Expr *) makeRelabelType(var, TIMESTAMPTZOID, -1, InvalidOid, COERCE_IMPLICIT_CAST);
	now = make_opclause(minus, TIMESTAMPTZOID, false, now,
						(Expr *) makeConst(INTERVALOID, -1, InvalidOid, sizeof(Interval), interval, false, false),
						InvalidOid, InvalidOid);
	set_opfuncid((OpExpr *) now);
	var = make_opclause(lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_GT_OPR)->gt_opr, BOOLOID, false, var, now,
						InvalidOid, InvalidOid);
	set_opfuncid((OpExpr *) var);
	return var;
}

static bool
has_external_param(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXTERN;
	return expression_tree_walker(node, has_external_param, unused);
}

/* What is written must not depend on a window that the statement does not name. */
static bool
writes(const PlannerInfo *root)
{
	while (root->parent_root)
		root = root->parent_root;
	return root->parse->commandType != CMD_SELECT || root->parse->hasModifyingCTE;
}

/* Put the window on the table's conditions; why not, or NULL. */
static const char *
add_window(PlannerInfo *root, RelOptInfo *rel, ChRel *ch)
{
	const ChTable *table = ch->table;
	const char *window = ch_opt_string(table->driver, table->options, "default_window");
	const ChColumn *col = window ? time_column(table) : NULL;
	RestrictInfo *rinfo;
	List	   *all;
	List	   *clauses;
	bool		exact;
	const ChClause *added;

	if (window == NULL)
		return "the table has no option default_window";
	if (col == NULL)
		return "the table has no option time_column";
	if (col->basetype != TIMESTAMPTZOID)
		return psprintf("column \"%s\" is not of type timestamp with time zone", col->name);
	if (writes(root))
		return "the statement writes";
	if (!ch_pushdown_enabled(table, ch_enable_where_pushdown, "enable_where_pushdown"))
		return "enable_where_pushdown is off";
	rinfo = make_simple_restrictinfo(root, window_condition(rel, col, window));
	all = lappend(list_copy(rel->baserestrictinfo), rinfo);
	clauses = ch_ship_clauses(root, rel, ch->table, all, &exact);
	added = llast(clauses);
	if (added->ship == CH_SHIP_NO)
		return psprintf("a condition on column \"%s\" stays local: %s", col->name, added->reason);
	ch->guard->window = window;
	ch->guard->fragile = has_external_param((Node *) extract_actual_clauses(rel->baserestrictinfo, false), NULL);
	rel->baserestrictinfo = all;
	rel->baserestrict_min_security = Min(rel->baserestrict_min_security, rinfo->security_level);
	ch->clauses = clauses;
	ch->exact = exact;
	return NULL;
}

void
ch_guard_rel(PlannerInfo *root, RelOptInfo *rel, ChRel *ch)
{
	ch->guard = make_guard(ch->table);
	if (ch->guard && ch_on_missing_qual == CH_MISSING_WINDOW && unmet_table(ch, ch->clauses))
		ch->guard->no_window = add_window(root, rel, ch);
	ch->penalty = ch_guard_penalty(ch, ch->clauses);
}

/* ---- what the plan says ---------------------------------------------------------------------- */

/* The columns of a table that a clause is about. */
static Bitmapset *
columns_in(const ChRel *ch, const ChClause *c)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	foreach(lc, pull_var_clause((Node *) c->rinfo->clause, PVC_RECURSE_PLACEHOLDERS))
	{
		const Var  *var = lfirst(lc);

		if (IsA(var, Var) && var->varno == ch->base->relid && var->varattno > 0)
			columns = bms_add_member(columns, var->varattno);
	}
	return columns;
}

/* A condition on one of the columns that does not count, with the reason; or NULL. */
static const char *
useless_condition(const ChRel *ch, List *clauses)
{
	ListCell   *lc,
			   *lc2;

	foreach(lc, clauses)
	{
		const ChClause *c = lfirst(lc);
		Bitmapset  *columns = columns_in(ch, c);

		if (c->expr)
			columns = bms_del_members(columns, columns_of(c->expr, &(Member) {.ch = ch}));
		foreach(lc2, ch->guard->columns)
			if (bms_overlap(lfirst(lc2), columns))
				return psprintf("A condition on column \"%s\" does not count: %s.",
								ch_column(ch->table, bms_next_member(bms_intersect(lfirst(lc2), columns), -1))->name,
								c->expr || c->reason == NULL ? "it leaves too many rows" : c->reason);
	}
	return NULL;
}

static char *
detail_of(const ChRel *ch, List *clauses)
{
	const ChGuard *guard = ch->guard;
	const char *useless = useless_condition(ch, clauses);
	StringInfoData buf;

	initStringInfo(&buf);
	if (ch->rows_known)
		appendStringInfo(&buf, "About %.0f rows would be read; the", ch->remote_rows);
	else
		appendStringInfoString(&buf, "The");
	appendStringInfo(&buf, " table option required_quals is '%s'.", guard->text);
	if (useless)
		appendStringInfo(&buf, " %s", useless);
	if (guard->no_window)
		appendStringInfo(&buf, " There is no window: %s.", guard->no_window);
	return buf.data;
}

/* One step that makes the query run. */
static char *
hint_of(const ChRel *ch)
{
	const ChGuard *guard = ch->guard;
	const char *window = ch_opt_string(ch->table->driver, ch->table->options, "default_window");
	const ChColumn *col = window ? time_column(ch->table) : NULL;
	ListCell   *lc;

	if (guard->no_window || col == NULL)
		return pstrdup("Add such a condition, or SET cipherhorizon.on_missing_qual = 'allow'.");
	foreach(lc, guard->columns)
		if (bms_equal(lfirst(lc), bms_make_singleton(col->attno)))
			return psprintf("Add WHERE %s > now() - interval '%s', or SET cipherhorizon.on_missing_qual = 'window'.",
							quote_identifier(col->name), window);
	return psprintf("Add such a condition, or SET cipherhorizon.on_missing_qual = 'window' to read the last %s.", window);
}

static char *
notice_of(const ChRel *ch)
{
	return psprintf("only the last %s of foreign table %s is read: there is no condition on %s",
					ch->guard->window, ch->table->name, what_it_needs(ch->guard));
}

/* LIMIT 0 asks for the columns only. */
static bool
wants_no_rows(const PlannerInfo *root)
{
	const Const *count = (const Const *) root->parse->limitCount;

	return count && IsA(count, Const) && !count->constisnull && DatumGetInt64(count->constvalue) == 0;
}

void
ch_guard_plan(PlannerInfo *root, const ChRel *ch, List *clauses, ChQuery *query)
{
	const ChRel *unmet = unmet_table(ch, clauses);

	if (unmet && !wants_no_rows(root))
		query->unmet = list_make3(makeString(psprintf("foreign table %s needs a condition on %s",
													  unmet->table->name, what_it_needs(unmet->guard))),
								  makeString(detail_of(unmet, unmet == ch ? clauses : unmet->clauses)),
								  makeString(hint_of(unmet)));
	for (int i = 0; i < Max(list_length(ch->members), 1); i++)
	{
		const ChRel *one = table_rel(ch, i);

		if (one->guard && one->guard->window)
			query->windows = list_append_unique(query->windows, makeString(notice_of(one)));
	}
}

/* ---- what the executor does ---------------------------------------------------------------------- */

/* Has another scan of the statement said so? */
static bool
was_said(const ChScanState *state, const Node *notice)
{
	dlist_iter	iter;

	dlist_foreach(iter, ch_scans())
	{
		const ChScanState *other = dlist_container(ChScanState, registered, iter.cur);

		if (other != state && other->node->ss.ps.state == state->node->ss.ps.state &&
			list_member(other->scan.query->windows, notice))
			return true;
	}
	return false;
}

static void
set_max_rows(ChScanState *state)
{
	const ChTable *table = state->scan.table;

	state->max_rows = ch_max_remote_rows;
	state->max_rows_of_table = false;
	for (int i = 0; i < Max(table->nmembers, 1); i++)
	{
		const ChTable *one = table->nmembers ? table->members[i] : table;
		int			rows = ch_opt_int(one->driver, one->options, "max_rows");

		if (rows > 0 && (state->max_rows == 0 || rows < state->max_rows))
		{
			state->max_rows = rows;
			state->max_rows_of_table = true;
		}
	}
}

void
ch_guard_begin(ChScanState *state, int eflags)
{
	const ChQuery *query = state->scan.query;
	ListCell   *lc;

	set_max_rows(state);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || state->node->ss.ps.state->es_epq_active)
		return;
	if (query->unmet && ch_on_missing_qual != CH_MISSING_ALLOW)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("%s", strVal(linitial(query->unmet))),
				 errdetail("%s", strVal(lsecond(query->unmet))),
				 errhint("%s", strVal(lthird(query->unmet)))));
	foreach(lc, query->windows)
		if (!was_said(state, lfirst(lc)))
			ereport(NOTICE, (errmsg("%s", strVal(lfirst(lc)))));
}

void
ch_guard_too_many(const ChScanState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("scan of foreign table %s returned more than %d rows", state->scan.table->name, state->max_rows),
			 state->max_rows_of_table ? errdetail("The option max_rows of the table or its server is %d.", state->max_rows)
			 : errdetail("cipherhorizon.max_remote_rows is %d.", state->max_rows),
			 errhint("Add a condition that the store checks or a LIMIT%s.",
					 state->max_rows_of_table ? "" : ", or SET cipherhorizon.max_remote_rows = 0")));
}

/* For EXPLAIN: what a guard makes of the scan. */
List *
ch_guard_explain(const ChQuery *query)
{
	List	   *lines = NIL;
	ListCell   *lc;

	if (query->unmet)
		lines = lappend(lines, psprintf("%s%s", strVal(linitial(query->unmet)),
										ch_on_missing_qual == CH_MISSING_ALLOW ? ", which is allowed to be missing" : ""));
	foreach(lc, query->windows)
		lines = lappend(lines, strVal(lfirst(lc)));
	return lines;
}

/* Plans made with a window do not do without, and the other way round. */
void
ch_assign_on_missing_qual(int value, void *extra)
{
	if (value != ch_on_missing_qual && (value == CH_MISSING_WINDOW || ch_on_missing_qual == CH_MISSING_WINDOW))
		ResetPlanCache();
}
