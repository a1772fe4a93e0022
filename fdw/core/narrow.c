/*
 * narrow.c
 *	  Which parts of a jsonb column does a query use?
 *
 * Documents are large, and a query often wants a field or two of one:
 * params ->> 'lookback'.  If every use of the column in the whole query is of
 * that kind, a store need only send those fields: from a document that has no
 * others PostgreSQL computes the same.  So all of the query is looked through;
 * conditions that the store checks need not count.
 *
 * A field of a list, which is no field, is not found in a part of the list
 * either, and what is no document has none.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

typedef struct NarrowContext
{
	Index		relid;
	int			level;			/* queries that we are in below the scan's own */
	const ChTable *table;
	List	   *skip;			/* conditions that the store checks, where they stand */
	List	  **paths;			/* of each column: List of List of String */
	bool	   *whole;			/* ... it is used as a whole */
} NarrowContext;

/* ---- ways into a document ------------------------------------------------------- */

/* The name by which an operator -> or ->> looks into its left side, or NULL. */
static char *
field_name(const Node *node)
{
	const OpExpr *op = (const OpExpr *) node;
	const Const *key;
	Oid			function;

	if (!IsA(node, OpExpr) || list_length(op->args) != 2)
		return NULL;
	function = get_opcode(op->opno);
	key = lsecond(op->args);
	if ((function != F_JSONB_OBJECT_FIELD && function != F_JSONB_OBJECT_FIELD_TEXT) ||
		!IsA(key, Const) || key->constisnull)
		return NULL;
	return TextDatumGetCString(key->constvalue);
}

/* The names on the way from a column to what the expression is; NULL if there is none. */
static const Var *
column_of(const Node *node, List **names)
{
	char	   *name;

	*names = NIL;
	while ((name = field_name(node)) != NULL)
	{
		*names = lcons(makeString(name), *names);
		node = linitial(((const OpExpr *) node)->args);
	}
	return *names != NIL && IsA(node, Var) ? (const Var *) node : NULL;
}

static bool
is_ours(const NarrowContext *cxt, const Var *var)
{
	return var->varno == cxt->relid && var->varlevelsup == cxt->level;
}

/* ---- uses ------------------------------------------------------------------------- */

static void
note_whole(NarrowContext *cxt, const Var *var)
{
	if (!is_ours(cxt, var))
		return;
	for (int i = 0; i < cxt->table->natts; i++)
		if (var->varattno == 0 || var->varattno == i + 1)
			cxt->whole[i] = true;
}

static bool
note_uses(Node *node, void *arg)
{
	NarrowContext *cxt = arg;
	const Var  *var;
	List	   *names;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		note_whole(cxt, (const Var *) node);
		return false;
	}
	if (IsA(node, Query))
	{
		cxt->level++;
		(void) query_tree_walker((Query *) node, note_uses, cxt, QTW_IGNORE_JOINALIASES);
		cxt->level--;
		return false;
	}
	if (cxt->skip && list_member(cxt->skip, node))
		return false;
	var = column_of(node, &names);
	if (var && is_ours(cxt, var) && var->varattno > 0)
	{
		List	  **paths = &cxt->paths[var->varattno - 1];

		*paths = list_append_unique(*paths, names);
		return false;
	}
	return expression_tree_walker(node, note_uses, cxt);
}

/* All of a query but the conditions that are skipped. */
static void
note_query(PlannerInfo *root, NarrowContext *cxt, List *exact)
{
	Query	   *parse = root->parse;

	cxt->skip = exact;
	(void) note_uses((Node *) parse->jointree, cxt);
	cxt->skip = NIL;
	(void) note_uses((Node *) parse->targetList, cxt);
	(void) note_uses((Node *) root->processed_tlist, cxt);
	(void) note_uses(parse->havingQual, cxt);
	(void) note_uses((Node *) parse->windowClause, cxt);
	(void) note_uses(parse->limitOffset, cxt);
	(void) note_uses(parse->limitCount, cxt);
	(void) range_table_walker(parse->rtable, note_uses, cxt, QTW_IGNORE_JOINALIASES);
	(void) note_uses((Node *) parse->cteList, cxt);
	(void) note_uses((Node *) root->placeholder_list, cxt);
	(void) note_uses((Node *) root->append_rel_list, cxt);
}

/* ---- the whole ---------------------------------------------------------------------- */

List *
ch_narrow(PlannerInfo *root, RelOptInfo *base, const ChTable *table, List *exact)
{
	NarrowContext cxt = {.relid = base->relid,.table = table};
	List	   *narrowed = NIL;

	if (base->reloptkind != RELOPT_BASEREL || root->parse->commandType != CMD_SELECT || root->rowMarks)
		return NIL;
	cxt.paths = palloc0(Max(table->natts, 1) * sizeof(List *));
	cxt.whole = palloc0(Max(table->natts, 1) * sizeof(bool));
	note_query(root, &cxt, exact);
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && table->columns[i]->basetype == JSONBOID && !cxt.whole[i] && cxt.paths[i] != NIL)
			narrowed = lappend(narrowed, list_make2(makeInteger(i + 1), cxt.paths[i]));
	return narrowed;
}
