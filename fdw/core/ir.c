/*
 * ir.c
 *	  The remote query's nodes, as PostgreSQL's node machinery wants them: a
 *	  plan is copied into and out of the plan cache.
 */
#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/readfuncs.h"

#include "fdw/core/ir.h"

#define NAME_EXPR "CipherHorizonExpr"
#define NAME_SORT "CipherHorizonSortKey"
#define NAME_QUERY "CipherHorizonQuery"

const char *const ch_cmp_name[] = {"=", "<>", "<", "<=", ">", ">="};

ChExpr *
ch_make_expr(ChCondKind kind)
{
	ChExpr	   *e = (ChExpr *) newNode(sizeof(ChExpr), T_ExtensibleNode);

	e->hdr.extnodename = NAME_EXPR;
	e->kind = kind;
	return e;
}

ChSortKey *
ch_make_sort_key(void)
{
	ChSortKey  *k = (ChSortKey *) newNode(sizeof(ChSortKey), T_ExtensibleNode);

	k->hdr.extnodename = NAME_SORT;
	return k;
}

ChQuery *
ch_make_query(void)
{
	ChQuery    *q = (ChQuery *) newNode(sizeof(ChQuery), T_ExtensibleNode);

	q->hdr.extnodename = NAME_QUERY;
	q->limit = q->offset = -1;
	return q;
}

/* Everything after the header, bytes as they are; lists are copied after. */
#define COPY_BODY(to, from, type) \
	memcpy((char *) (to) + sizeof(ExtensibleNode), (const char *) (from) + sizeof(ExtensibleNode), \
		   sizeof(type) - sizeof(ExtensibleNode))

static void
copy_expr(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	ChExpr	   *to = (ChExpr *) newnode;
	const ChExpr *from = (const ChExpr *) oldnode;

	COPY_BODY(to, from, ChExpr);
	to->args = copyObject(from->args);
	to->values = copyObject(from->values);
	to->is_array = copyObject(from->is_array);
}

static bool
equal_expr(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChExpr *x = (const ChExpr *) a;
	const ChExpr *y = (const ChExpr *) b;

	return x->kind == y->kind && x->op == y->op && x->attno == y->attno &&
		x->valtype == y->valtype && x->collation == y->collation &&
		equal(x->args, y->args) && equal(x->values, y->values) && equal(x->is_array, y->is_array);
}

static void
copy_sort(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	COPY_BODY(newnode, oldnode, ChSortKey);
}

static bool
equal_sort(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChSortKey *x = (const ChSortKey *) a;
	const ChSortKey *y = (const ChSortKey *) b;

	return x->attno == y->attno && x->descending == y->descending &&
		x->nulls_first == y->nulls_first && x->collation == y->collation;
}

static void
copy_query(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	ChQuery    *to = (ChQuery *) newnode;
	const ChQuery *from = (const ChQuery *) oldnode;

	COPY_BODY(to, from, ChQuery);
	to->columns = copyObject(from->columns);
	to->filter = copyObject(from->filter);
	to->sort = copyObject(from->sort);
	to->not_pushed = copyObject(from->not_pushed);
	to->remarks = copyObject(from->remarks);
}

static bool
equal_query(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChQuery *x = (const ChQuery *) a;
	const ChQuery *y = (const ChQuery *) b;

	return x->relid == y->relid && x->upper == y->upper && x->limit == y->limit &&
		x->offset == y->offset && equal(x->columns, y->columns) && equal(x->filter, y->filter) &&
		equal(x->sort, y->sort) && equal(x->not_pushed, y->not_pushed) && equal(x->remarks, y->remarks);
}

/*
 * A plan with one of these is never parallel safe, so it is not sent to
 * another process: writing serves debug_print_plan, reading is not needed.
 */
static void
out_expr(StringInfo str, const ExtensibleNode *node)
{
	const ChExpr *e = (const ChExpr *) node;

	appendStringInfo(str, " :kind %d :op %d :attno %d :args %s :values %s", e->kind, e->op, e->attno,
					 nodeToString(e->args), nodeToString(e->values));
}

static void
out_sort(StringInfo str, const ExtensibleNode *node)
{
	const ChSortKey *k = (const ChSortKey *) node;

	appendStringInfo(str, " :attno %d :descending %d :nulls_first %d", k->attno, k->descending, k->nulls_first);
}

static void
out_query(StringInfo str, const ExtensibleNode *node)
{
	const ChQuery *q = (const ChQuery *) node;

	appendStringInfo(str, " :relid %u :columns %s :filter %s :sort %s :limit %d :offset %d", q->relid,
					 nodeToString(q->columns), nodeToString(q->filter), nodeToString(q->sort),
					 q->limit, q->offset);
}

static void
no_read(ExtensibleNode *node)
{
	elog(ERROR, "reading a node of type %s is not supported", node->extnodename);
}

void
ch_ir_register(void)
{
	static const ExtensibleNodeMethods methods[] = {
		{NAME_EXPR, sizeof(ChExpr), copy_expr, equal_expr, out_expr, no_read},
		{NAME_SORT, sizeof(ChSortKey), copy_sort, equal_sort, out_sort, no_read},
		{NAME_QUERY, sizeof(ChQuery), copy_query, equal_query, out_query, no_read},
	};

	for (int i = 0; i < lengthof(methods); i++)
		RegisterExtensibleNodeMethods(&methods[i]);
}
