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
#define NAME_JOIN "CipherHorizonJoin"
#define NAME_FUNC "CipherHorizonFunc"
#define NAME_TARGET "CipherHorizonTarget"
#define NAME_OUTPUT "CipherHorizonOutput"
#define NAME_ASSIGN "CipherHorizonAssign"

const char *const ch_cmp_name[] = {"=", "<>", "<", "<=", ">", ">="};

ChExpr *
ch_make_expr(ChCondKind kind)
{
	ChExpr	   *e = (ChExpr *) newNode(sizeof(ChExpr), T_ExtensibleNode);

	e->hdr.extnodename = NAME_EXPR;
	e->kind = kind;
	return e;
}

ChExpr *
ch_all_of(List *conditions)
{
	ChExpr	   *all;

	if (list_length(conditions) <= 1)
		return conditions ? linitial(conditions) : NULL;
	all = ch_make_expr(CH_COND_AND);
	all->args = conditions;
	return all;
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

ChJoin *
ch_make_join(void)
{
	ChJoin	   *j = (ChJoin *) newNode(sizeof(ChJoin), T_ExtensibleNode);

	j->hdr.extnodename = NAME_JOIN;
	return j;
}

ChFunc *
ch_make_func(ChFuncId func)
{
	ChFunc	   *f = (ChFunc *) newNode(sizeof(ChFunc), T_ExtensibleNode);

	f->hdr.extnodename = NAME_FUNC;
	f->func = func;
	f->typmod = -1;
	return f;
}

static bool
is_named(const Node *node, const char *name)
{
	return IsA(node, ExtensibleNode) && strcmp(((const ExtensibleNode *) node)->extnodename, name) == 0;
}

bool
ch_is_func(const Node *node)
{
	return is_named(node, NAME_FUNC);
}

bool
ch_is_query(const Node *node)
{
	return is_named(node, NAME_QUERY);
}

ChTarget *
ch_make_target(ChAgg agg)
{
	ChTarget   *t = (ChTarget *) newNode(sizeof(ChTarget), T_ExtensibleNode);

	t->hdr.extnodename = NAME_TARGET;
	t->agg = agg;
	t->typmod = -1;
	return t;
}

ChOutput *
ch_make_output(void)
{
	ChOutput   *o = (ChOutput *) newNode(sizeof(ChOutput), T_ExtensibleNode);

	o->hdr.extnodename = NAME_OUTPUT;
	o->count = -1;
	return o;
}

ChAssign *
ch_make_assign(void)
{
	ChAssign   *a = (ChAssign *) newNode(sizeof(ChAssign), T_ExtensibleNode);

	a->hdr.extnodename = NAME_ASSIGN;
	a->value = -1;
	return a;
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
		x->other == y->other && x->negated == y->negated &&
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
copy_join(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	COPY_BODY(newnode, oldnode, ChJoin);
	((ChJoin *) newnode)->on = copyObject(((const ChJoin *) oldnode)->on);
}

static bool
equal_join(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChJoin *x = (const ChJoin *) a;
	const ChJoin *y = (const ChJoin *) b;

	return x->relid == y->relid && x->type == y->type && equal(x->on, y->on);
}

static void
copy_func(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	ChFunc	   *to = (ChFunc *) newnode;
	const ChFunc *from = (const ChFunc *) oldnode;

	COPY_BODY(to, from, ChFunc);
	to->args = copyObject(from->args);
	to->conditions = copyObject(from->conditions);
	to->expr = copyObject(from->expr);
}

static bool
equal_func(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChFunc *x = (const ChFunc *) a;
	const ChFunc *y = (const ChFunc *) b;

	return x->func == y->func && x->type == y->type && x->typmod == y->typmod &&
		x->collation == y->collation && equal(x->args, y->args) && equal(x->conditions, y->conditions);
}

static void
copy_target(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	COPY_BODY(newnode, oldnode, ChTarget);
	((ChTarget *) newnode)->filter = copyObject(((const ChTarget *) oldnode)->filter);
}

static bool
equal_target(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChTarget *x = (const ChTarget *) a;
	const ChTarget *y = (const ChTarget *) b;

	return x->agg == y->agg && x->attno == y->attno && x->by == y->by && x->distinct == y->distinct &&
		x->type == y->type && x->typmod == y->typmod && x->collation == y->collation &&
		equal(x->filter, y->filter);
}

static void
copy_output(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	COPY_BODY(newnode, oldnode, ChOutput);
}

static bool
equal_output(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChOutput *x = (const ChOutput *) a;
	const ChOutput *y = (const ChOutput *) b;

	return x->target == y->target && x->count == y->count && x->type == y->type;
}

static void
copy_assign(ExtensibleNode *newnode, const ExtensibleNode *oldnode)
{
	ChAssign   *to = (ChAssign *) newnode;
	const ChAssign *from = (const ChAssign *) oldnode;

	COPY_BODY(to, from, ChAssign);
	to->path = copyObject(from->path);
}

static bool
equal_assign(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChAssign *x = (const ChAssign *) a;
	const ChAssign *y = (const ChAssign *) b;

	return x->kind == y->kind && x->attno == y->attno && x->value == y->value && x->valtype == y->valtype &&
		x->column == y->column && equal(x->path, y->path);
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
	to->narrowed = copyObject(from->narrowed);
	to->not_pushed = copyObject(from->not_pushed);
	to->remarks = copyObject(from->remarks);
	to->unmet = copyObject(from->unmet);
	to->windows = copyObject(from->windows);
	to->joins = copyObject(from->joins);
	to->merge_keys = copyObject(from->merge_keys);
	to->computed = copyObject(from->computed);
	to->group = copyObject(from->group);
	to->targets = copyObject(from->targets);
	to->outputs = copyObject(from->outputs);
	to->assigns = copyObject(from->assigns);
	to->having = copyObject(from->having);
}

static bool
equal_query(const ExtensibleNode *a, const ExtensibleNode *b)
{
	const ChQuery *x = (const ChQuery *) a;
	const ChQuery *y = (const ChQuery *) b;

	return x->relid == y->relid && x->upper == y->upper && x->limit == y->limit &&
		x->offset == y->offset && x->from_top == y->from_top && x->grouped == y->grouped &&
		x->ndistinct == y->ndistinct && equal(x->having, y->having) &&
		equal(x->joins, y->joins) && equal(x->merge_keys, y->merge_keys) &&
		equal(x->computed, y->computed) && equal(x->group, y->group) &&
		equal(x->targets, y->targets) && equal(x->outputs, y->outputs) && equal(x->columns, y->columns) && equal(x->filter, y->filter) &&
		equal(x->sort, y->sort) && equal(x->narrowed, y->narrowed) &&
		equal(x->not_pushed, y->not_pushed) && equal(x->remarks, y->remarks) &&
		equal(x->unmet, y->unmet) && equal(x->windows, y->windows) &&
		equal(x->assigns, y->assigns) && x->set_processed == y->set_processed;
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
out_join(StringInfo str, const ExtensibleNode *node)
{
	const ChJoin *j = (const ChJoin *) node;

	appendStringInfo(str, " :relid %u :type %d :on %s", j->relid, (int) j->type, nodeToString(j->on));
}

static void
out_func(StringInfo str, const ExtensibleNode *node)
{
	const ChFunc *f = (const ChFunc *) node;

	appendStringInfo(str, " :func %d :type %u :args %s :conditions %s", f->func, f->type, nodeToString(f->args),
					 nodeToString(f->conditions));
}

static void
out_target(StringInfo str, const ExtensibleNode *node)
{
	const ChTarget *t = (const ChTarget *) node;

	appendStringInfo(str, " :agg %d :attno %d :by %d :distinct %d :filter %s", t->agg, t->attno, t->by, t->distinct,
					 nodeToString(t->filter));
}

static void
out_output(StringInfo str, const ExtensibleNode *node)
{
	const ChOutput *o = (const ChOutput *) node;

	appendStringInfo(str, " :target %d :count %d :type %u", o->target, o->count, o->type);
}

static void
out_assign(StringInfo str, const ExtensibleNode *node)
{
	const ChAssign *a = (const ChAssign *) node;

	appendStringInfo(str, " :kind %d :attno %d :value %d :column %d :path %s", (int) a->kind, a->attno, a->value,
					 a->column, nodeToString(a->path));
}

static void
out_query(StringInfo str, const ExtensibleNode *node)
{
	const ChQuery *q = (const ChQuery *) node;

	appendStringInfo(str, " :relid %u :columns %s :filter %s :sort %s :limit %d :offset %d", q->relid,
					 nodeToString(q->columns), nodeToString(q->filter), nodeToString(q->sort),
					 q->limit, q->offset);
	appendStringInfo(str, " :assigns %s", nodeToString(q->assigns));
	appendStringInfo(str, " :joins %s :narrowed %s", nodeToString(q->joins), nodeToString(q->narrowed));
	appendStringInfo(str, " :computed %s :grouped %d :group %s :targets %s :outputs %s :having %s :ndistinct %d",
					 nodeToString(q->computed), q->grouped, nodeToString(q->group),
					 nodeToString(q->targets), nodeToString(q->outputs), nodeToString(q->having), q->ndistinct);
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
		{NAME_JOIN, sizeof(ChJoin), copy_join, equal_join, out_join, no_read},
		{NAME_FUNC, sizeof(ChFunc), copy_func, equal_func, out_func, no_read},
		{NAME_TARGET, sizeof(ChTarget), copy_target, equal_target, out_target, no_read},
		{NAME_OUTPUT, sizeof(ChOutput), copy_output, equal_output, out_output, no_read},
		{NAME_ASSIGN, sizeof(ChAssign), copy_assign, equal_assign, out_assign, no_read},
	};

	for (int i = 0; i < lengthof(methods); i++)
		RegisterExtensibleNodeMethods(&methods[i]);
}
