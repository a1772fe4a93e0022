/*
 * ship.c
 *	  Which conditions and orders can a store evaluate as PostgreSQL would?
 *
 * Core knows the shapes (column op value, IN, NULL tests, AND, OR, NOT) and
 * what PostgreSQL's operators mean; the driver knows its store.  What core has
 * settled before it asks the driver: the operator is the type's own btree
 * operator, so that it means what its name says; the value is an expression
 * that can be computed before the scan; the collation makes no difference.
 * What is left is one question for each leaf: does the store agree, for every
 * value that it may hold?
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct ShipContext
{
	PlannerInfo *root;
	RelOptInfo *rel;
	ChTable    *table;
	const ChGroups *groups;		/* what is asked about is above them; their table
								 * is table */
	const char *reason;			/* why the last thing asked was refused */
} ShipContext;

/* Worst wins: what AND and OR of two parts allow. */
static inline ChShip
worse(ChShip a, ChShip b)
{
	return Min(a, b);
}

static ChExpr *
refuse(ShipContext *cxt, const char *reason)
{
	cxt->reason = reason;
	return NULL;
}

/* ---- operands -------------------------------------------------------------- */

Var *
ch_plain_column(Node *node, Index relid)
{
	Var		   *var;

	while (node && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node == NULL || !IsA(node, Var))
		return NULL;
	var = (Var *) node;
	return var->varno == relid && var->varlevelsup == 0 && var->varattno > 0 ? var : NULL;
}

int
ch_var_number(RelOptInfo *rel, const Var *var)
{
	ListCell   *lc;
	const ChRel *ch = rel->fdw_private;

	if (var->varlevelsup != 0 || var->varattno <= 0)
		return 0;
	if (rel->relid != 0)
		return var->varno == rel->relid ? var->varattno : 0;
	foreach(lc, ch->members)
	{
		const ChJoinMember *member = lfirst(lc);

		if (member->rel->relid == var->varno)
			return ch->table->first[foreach_current_index(lc)] + var->varattno - 1;
	}
	return 0;
}

/* Can this be computed before the scan starts? */
static bool
is_known_before(ShipContext *cxt, Node *node)
{
	if (bms_overlap(cxt->rel->relids, pull_varnos(cxt->root, node)))
		cxt->reason = "it compares something other than a plain column with a value";
	else if (contain_agg_clause(node))
		cxt->reason = "it compares something other than an aggregate with a value";
	else if (contain_volatile_functions(node))
		cxt->reason = "a volatile function must run for each row";
	else if (contain_subplans(node))
		cxt->reason = "a subquery must run for each row";
	else
		return true;
	return false;
}

/* ---- operators ------------------------------------------------------------- */

/* The comparison that an operator of the type's default btree family is. */
static bool
comparison_of(Oid opno, Oid type, ChCmpOp *op)
{
	static const ChCmpOp of_strategy[] = {
		[BTLessStrategyNumber] = CH_LT,[BTLessEqualStrategyNumber] = CH_LE,
		[BTEqualStrategyNumber] = CH_EQ,[BTGreaterEqualStrategyNumber] = CH_GE,
		[BTGreaterStrategyNumber] = CH_GT
	};
	Oid			family = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	Oid			negator;
	int			strategy;

	if (!OidIsValid(family))
		return false;
	strategy = get_op_opfamily_strategy(opno, family);
	if (strategy != 0)
	{
		*op = of_strategy[strategy];
		return true;
	}
	negator = get_negator(opno);
	if (OidIsValid(negator) && get_op_opfamily_strategy(negator, family) == BTEqualStrategyNumber)
	{
		*op = CH_NE;
		return true;
	}
	return false;
}

static ChCmpOp
negated(ChCmpOp op)
{
	static const ChCmpOp of[] = {
		[CH_EQ] = CH_NE,[CH_NE] = CH_EQ,[CH_LT] = CH_GE,
		[CH_LE] = CH_GT,[CH_GT] = CH_LE,[CH_GE] = CH_LT
	};

	return of[op];
}

static bool
is_time(Oid type)
{
	return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
}

/*
 * Bring the value to the column's type where PostgreSQL's operator does the
 * same before it compares (a date against a timestamptz).  NULL: the operator
 * compares types that no store compares alike.
 */
static Expr *
match_types(ShipContext *cxt, Oid coltype, Expr *value, bool is_array)
{
	Oid			type = exprType((Node *) value);

	if (is_array)
		type = get_element_type(type);
	if (getBaseType(type) == coltype ||
		(ch_is_int(type) && ch_is_int(coltype)) ||
		(ch_is_float(type) && ch_is_float(coltype)) ||
		(ch_is_text(type) && ch_is_text(coltype)))
		return value;
	/* timestamptz and timestamp exceed date, which would lose by the cast */
	if (!is_array && is_time(type) && is_time(coltype) && coltype != DATEOID &&
		!(coltype == TIMESTAMPOID && type == TIMESTAMPTZOID))
		return (Expr *) coerce_to_target_type(NULL, (Node *) value, type, coltype, -1,
											  COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1);
	cxt->reason = psprintf("it compares %s with %s", format_type_be(coltype), format_type_be(type));
	return NULL;
}

/* libc's "C", or one of the built-in ones of 17, which sort by code point */
static bool
sorts_by_bytes(char provider, const char *collate)
{
	return provider == 'b' ||
		(provider == COLLPROVIDER_LIBC && (strcmp(collate, "C") == 0 || strcmp(collate, "POSIX") == 0));
}

/* The stores compare UTF-8, PostgreSQL the bytes of the database's encoding. */
static bool
encoding_sorts_as_utf8(int encoding)
{
	return encoding == PG_UTF8 || encoding == PG_LATIN1 || encoding == PG_SQL_ASCII;
}

/*
 * Asked of the catalogs and not of pg_locale.h, which on some versions cannot
 * be included without ICU's headers.
 */
bool
ch_collation_is_bytewise(Oid collation)
{
	bool		is_default = collation == DEFAULT_COLLATION_OID;
	int			cache = is_default ? DATABASEOID : COLLOID;
	HeapTuple	tuple;
	Datum		collate;
	bool		isnull;
	char		provider;
	bool		result;

	if (!OidIsValid(collation))
		return false;
	tuple = SearchSysCache1(cache, ObjectIdGetDatum(is_default ? MyDatabaseId : collation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	collate = SysCacheGetAttr(cache, tuple, is_default ? Anum_pg_database_datcollate : Anum_pg_collation_collcollate, &isnull);
	provider = is_default ? ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider
		: ((Form_pg_collation) GETSTRUCT(tuple))->collprovider;
	result = sorts_by_bytes(provider, isnull ? "" : TextDatumGetCString(collate));
	ReleaseSysCache(tuple);
	return result && encoding_sorts_as_utf8(GetDatabaseEncoding());
}

/* Does the collation leave the comparison to the bytes? */
static bool
collation_allows(ShipContext *cxt, Oid coltype, Oid collation, ChCondKind kind, ChCmpOp op)
{
	bool		ordered = kind == CH_COND_CMP && op != CH_EQ && op != CH_NE;

	if (!ch_is_text(coltype))
		return true;
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		cxt->reason = "the collation calls different strings equal";
	else if (ordered && !ch_collation_is_bytewise(collation))
		cxt->reason = "strings are ordered by a collation other than \"C\"";
	else
		return true;
	return false;
}

/* ---- leaves --------------------------------------------------------------------- */

/* The driver's word on a complete leaf. */
static ChExpr *
ask_driver(ShipContext *cxt, ChExpr *leaf, ChShip *ship)
{
	const ChColumn *col = ch_column(cxt->table, leaf->attno);
	const char *reason = NULL;

	if (leaf->kind > CH_COND_FALSE && !(cxt->table->driver->more_leaves & CH_LEAF(leaf->kind)))
		return refuse(cxt, psprintf("%s has no such comparison", cxt->table->driver->product));
	*ship = cxt->table->driver->ship_leaf(cxt->table, leaf, &reason);
	cxt->reason = reason;
	/* a value that its typmod would change is NULL here or an error; groups have none */
	if (*ship != CH_SHIP_NO && col->typmod >= 0 && cxt->groups == NULL)
	{
		*ship = leaf->kind == CH_COND_IS_NULL && cxt->table->mismatch_null ? CH_SHIP_NO : CH_SHIP_LOSSY;
		cxt->reason = "the column's type has a length or precision";
	}
	return *ship == CH_SHIP_NO ? NULL : leaf;
}

static ChExpr *
make_leaf(ChCondKind kind, int attno)
{
	ChExpr	   *leaf = ch_make_expr(kind);

	leaf->attno = attno;
	return leaf;
}

/* The number of the column that an operand is, perhaps a computed one; or 0. */
static int
operand(ShipContext *cxt, Node *node)
{
	if (cxt->groups)
		return ch_group_operand(cxt->groups, node, &cxt->reason);
	return ch_operand(cxt->root, cxt->rel, cxt->table, node, &cxt->reason);
}

static Oid
operand_type(ShipContext *cxt, int attno)
{
	return ch_column(cxt->table, attno)->basetype;
}

static void
add_value(ChExpr *leaf, Expr *value, bool is_array)
{
	Oid			type = exprType((Node *) value);

	leaf->valtype = getBaseType(is_array ? get_element_type(getBaseType(type)) : type);
	leaf->values = lappend(leaf->values, value);
	leaf->is_array = lappend_int(leaf->is_array, is_array);
}

/* Two columns of a row, of types that compare as one. */
static ChExpr *
ship_column_comparison(ShipContext *cxt, ChCmpOp op, Oid collation, int left, int right, ChShip *ship)
{
	Oid			a = operand_type(cxt, left);
	Oid			b = operand_type(cxt, right);
	ChExpr	   *leaf;

	if (a != b && !(ch_is_int(a) && ch_is_int(b)) && !(ch_is_float(a) && ch_is_float(b)) && !(ch_is_text(a) && ch_is_text(b)))
		return refuse(cxt, psprintf("it compares %s with %s", format_type_be(a), format_type_be(b)));
	leaf = make_leaf(CH_COND_CMP_COLUMN, left);
	leaf->op = op;
	leaf->other = right;
	leaf->collation = collation;
	return ask_driver(cxt, leaf, ship);
}

/* column op value, value op column, or column op column */
static ChExpr *
ship_comparison(ShipContext *cxt, Oid opno, Oid collation, Node *left, Node *right, bool negate, ChShip *ship)
{
	int			attno = operand(cxt, left);
	int			second = 0;
	Node	   *other = right;
	Oid			coltype;
	ChCmpOp		op;
	ChExpr	   *leaf;
	Expr	   *value;

	if (attno == 0)
	{
		attno = operand(cxt, right);
		other = left;
		opno = get_commutator(opno);
	}
	if (attno == 0 || !OidIsValid(opno))
		return refuse(cxt, cxt->reason ? cxt->reason :
					  cxt->groups ? "it is no comparison of a key or an aggregate with a value" :
					  "it is no comparison of a plain column with a value");
	if (!is_known_before(cxt, other) && (second = operand(cxt, other)) == 0)
		return NULL;
	coltype = operand_type(cxt, attno);
	if (!comparison_of(opno, ch_is_text(coltype) ? TEXTOID : coltype, &op))
		return refuse(cxt, psprintf("operator %s has no exact equal in a store", get_opname(opno)));
	if (!ch_type_has_value(coltype))
		return refuse(cxt, psprintf("type %s is compared by PostgreSQL only", format_type_be(coltype)));
	if (!collation_allows(cxt, coltype, collation, CH_COND_CMP, op))
		return NULL;
	if (second != 0)
		return ship_column_comparison(cxt, negate ? negated(op) : op, collation, attno, second, ship);
	value = match_types(cxt, coltype, (Expr *) other, false);
	if (value == NULL)
		return NULL;
	leaf = make_leaf(CH_COND_CMP, attno);
	leaf->op = negate ? negated(op) : op;
	leaf->collation = collation;
	add_value(leaf, value, false);
	return ask_driver(cxt, leaf, ship);
}

/*
 * value = ANY (array column): the column contains the value.  NOT of it is
 * something else where the array has NULLs.
 */
static ChExpr *
ship_element(ShipContext *cxt, const ScalarArrayOpExpr *node, int attno, bool negate, ChShip *ship)
{
	const ChColumn *col = ch_column(cxt->table, attno);
	Expr	   *value = linitial(node->args);
	ArrayExpr  *array = makeNode(ArrayExpr);
	Oid			elemtype;
	ChCmpOp		op;
	ChExpr	   *leaf;

	if (!OidIsValid(col->elemtype) || col->element->domain || !ch_type_has_value(col->elemtype) || negate || !node->useOr)
		return refuse(cxt, "it is no comparison of a plain column with a list");
	elemtype = ch_is_text(col->elemtype) ? TEXTOID : col->elemtype;
	if (!comparison_of(node->opno, elemtype, &op) || op != CH_EQ || getBaseType(exprType((Node *) value)) != col->elemtype)
		return refuse(cxt, "only = ANY of an array column ships");
	if (!is_known_before(cxt, (Node *) value) || !collation_allows(cxt, elemtype, node->inputcollid, CH_COND_IN, CH_EQ))
		return NULL;
	array->array_typeid = col->basetype;
	array->element_typeid = col->elemtype;
	array->array_collid = node->inputcollid;
	array->elements = list_make1(value);
	array->location = -1;
	leaf = make_leaf(CH_COND_CONTAINS, attno);
	leaf->collation = node->inputcollid;
	add_value(leaf, (Expr *) eval_const_expressions(cxt->root, (Node *) array), false);
	return ask_driver(cxt, leaf, ship);
}

/* column = ANY (array) and column <> ALL (array), value = ANY (array column) */
static ChExpr *
ship_array_op(ShipContext *cxt, ScalarArrayOpExpr *node, bool negate, ChShip *ship)
{
	int			attno = operand(cxt, linitial(node->args));
	Expr	   *array = lsecond(node->args);
	Oid			coltype;
	ChCmpOp		op;
	ChExpr	   *leaf;

	if (attno == 0 && (attno = operand(cxt, (Node *) array)) != 0)
		return ship_element(cxt, node, attno, negate, ship);
	if (attno == 0)
		return refuse(cxt, cxt->reason ? cxt->reason : "it is no comparison of a plain column with a list");
	if (!is_known_before(cxt, (Node *) array))
		return NULL;
	coltype = operand_type(cxt, attno);
	if (!ch_type_has_value(coltype) || !OidIsValid(get_element_type(exprType((Node *) array))) ||
		!comparison_of(node->opno, ch_is_text(coltype) ? TEXTOID : coltype, &op) ||
		!(node->useOr ? op == CH_EQ : op == CH_NE))
		return refuse(cxt, "only = ANY and <> ALL of a list ship");
	if (!collation_allows(cxt, coltype, node->inputcollid, CH_COND_IN, CH_EQ) ||
		match_types(cxt, coltype, array, true) == NULL)
		return NULL;
	leaf = make_leaf(node->useOr != negate ? CH_COND_IN : CH_COND_NOT_IN, attno);
	leaf->collation = node->inputcollid;
	add_value(leaf, array, true);
	return ask_driver(cxt, leaf, ship);
}

/* ---- patterns and contents ---------------------------------------------------------- */

/* The leaf that an operator makes, other than a comparison. */
typedef struct Match
{
	Oid			function;
	ChCondKind	kind;
	bool		negated;
	bool		swapped;		/* the column is to the right */
} Match;

static const Match matches[] = {
	{F_TEXTLIKE, CH_COND_LIKE}, {F_TEXTNLIKE, CH_COND_LIKE, true},
	{F_TEXTICLIKE, CH_COND_ILIKE}, {F_TEXTICNLIKE, CH_COND_ILIKE, true},
	{F_JSONB_CONTAINS, CH_COND_CONTAINS}, {F_JSONB_CONTAINED, CH_COND_CONTAINS, false, true},
	{F_ARRAYCONTAINS, CH_COND_CONTAINS}, {F_ARRAYCONTAINED, CH_COND_CONTAINS, false, true},
	{F_JSONB_EXISTS, CH_COND_HAS_KEY}
};

static const Match *
find_match(Oid opno)
{
	Oid			function = get_opcode(opno);

	for (int i = 0; i < lengthof(matches); i++)
		if (matches[i].function == function)
			return &matches[i];
	return NULL;
}

/* Is the column what the operator's left side is, and has its other side a form? */
static bool
match_has_types(ShipContext *cxt, const Match *match, const ChColumn *col, Oid type, Oid collation)
{
	if (match->kind == CH_COND_LIKE || match->kind == CH_COND_ILIKE)
		return ch_is_text(col->basetype) && collation_allows(cxt, col->basetype, collation, match->kind, CH_EQ);
	if (col->basetype == JSONBOID)
		return true;
	if (!OidIsValid(col->elemtype) || getBaseType(type) != col->basetype || !ch_type_has_value(col->element->basetype))
		cxt->reason = psprintf("type %s is compared by PostgreSQL only", format_type_be(col->typid));
	else if (col->element->domain)
		cxt->reason = "a domain's values are compared by PostgreSQL only";
	else
		return collation_allows(cxt, col->element->basetype, collation, CH_COND_IN, CH_EQ);
	return false;
}

/* column LIKE pattern, column @> value, column ? key */
static ChExpr *
ship_match(ShipContext *cxt, const Match *match, const OpExpr *op, bool negate, ChShip *ship)
{
	Node	   *left = list_nth(op->args, match->swapped);
	Node	   *right = list_nth(op->args, !match->swapped);
	int			attno = operand(cxt, left);
	ChExpr	   *leaf;

	if (attno == 0)
		return refuse(cxt, cxt->reason ? cxt->reason : "it looks into something other than a plain column");
	if (!is_known_before(cxt, right) ||
		!match_has_types(cxt, match, ch_column(cxt->table, attno), exprType(right), op->inputcollid))
		return NULL;
	leaf = make_leaf(match->kind, attno);
	leaf->negated = negate != match->negated;
	leaf->collation = op->inputcollid;
	add_value(leaf, (Expr *) right, false);
	return ask_driver(cxt, leaf, ship);
}

static ChExpr *
ship_null_test(ShipContext *cxt, NullTest *node, bool negate, ChShip *ship)
{
	int			attno = operand(cxt, (Node *) node->arg);
	bool		is_null = (node->nulltesttype == IS_NULL) != negate;

	if (attno == 0 || node->argisrow)
		return refuse(cxt, cxt->reason ? cxt->reason : "it tests something other than a plain column for NULL");
	return ask_driver(cxt, make_leaf(is_null ? CH_COND_IS_NULL : CH_COND_NOT_NULL, attno), ship);
}

/* column = true or column = false */
static ChExpr *
ship_bool_value(ShipContext *cxt, int attno, bool value, ChShip *ship)
{
	ChExpr	   *leaf = make_leaf(CH_COND_CMP, attno);

	leaf->op = CH_EQ;
	add_value(leaf, (Expr *) makeBoolConst(value, false), false);
	return ask_driver(cxt, leaf, ship);
}

static ChExpr *
ship_bool_column(ShipContext *cxt, Node *node, bool negate, ChShip *ship)
{
	int			attno = operand(cxt, node);

	if (attno == 0 || operand_type(cxt, attno) != BOOLOID)
		return refuse(cxt, cxt->reason ? cxt->reason : "this kind of expression is evaluated by PostgreSQL only");
	return ship_bool_value(cxt, attno, !negate, ship);
}

static ChExpr *finish_bool(ShipContext *cxt, ChCondKind kind, List *args, ChShip *ship);

/* IS TRUE, IS NOT TRUE, ...: by = and IS NULL. */
static ChExpr *
ship_boolean_test(ShipContext *cxt, BooleanTest *node, bool negate, ChShip *ship)
{
	int			attno = operand(cxt, (Node *) node->arg);
	bool		value = node->booltesttype == IS_TRUE || node->booltesttype == IS_NOT_TRUE;
	bool		unknown = node->booltesttype == IS_UNKNOWN || node->booltesttype == IS_NOT_UNKNOWN;
	bool		not = (node->booltesttype == IS_NOT_TRUE || node->booltesttype == IS_NOT_FALSE ||
					   node->booltesttype == IS_NOT_UNKNOWN) != negate;
	ChExpr	   *a,
			   *b;
	ChShip		ship_b;

	if (attno == 0)
		return refuse(cxt, cxt->reason ? cxt->reason : "it tests something other than a plain column");
	if (unknown)
		return ask_driver(cxt, make_leaf(not ? CH_COND_NOT_NULL : CH_COND_IS_NULL, attno), ship);
	if (!not)
		return ship_bool_value(cxt, attno, value, ship);
	a = ship_bool_value(cxt, attno, !value, ship);
	b = a ? ask_driver(cxt, make_leaf(CH_COND_IS_NULL, attno), &ship_b) : NULL;
	if (b == NULL)
		return NULL;
	*ship = worse(*ship, ship_b);
	return finish_bool(cxt, CH_COND_OR, list_make2(a, b), ship);
}

/* ---- AND, OR, NOT ------------------------------------------------------------------- */

static ChExpr *ship_node(ShipContext *cxt, Node *node, bool negate, ChShip *ship);

/* The driver's word on AND or OR of parts that ship as *ship says. */
static ChExpr *
finish_bool(ShipContext *cxt, ChCondKind kind, List *args, ChShip *ship)
{
	const ChDriver *driver = cxt->table->driver;
	ChExpr	   *expr = ch_make_expr(kind);
	const char *reason = NULL;

	expr->args = args;
	if (driver->ship_bool)
	{
		*ship = driver->ship_bool(cxt->table, expr, *ship, &reason);
		if (reason)
			cxt->reason = reason;
	}
	return *ship == CH_SHIP_NO ? NULL : expr;
}

/*
 * NOT goes to the leaves, which turns AND into OR.  Of an AND, parts that do
 * not ship may be left out: what remains lets through more rows.
 */
static ChExpr *
ship_bool_expr(ShipContext *cxt, BoolExpr *node, bool negate, ChShip *ship)
{
	bool		is_and;
	List	   *args = NIL;
	const char *reason = NULL;
	ListCell   *lc;

	if (node->boolop == NOT_EXPR)
		return ship_node(cxt, linitial(node->args), !negate, ship);
	is_and = (node->boolop == AND_EXPR) != negate;
	*ship = CH_SHIP_EXACT;
	foreach(lc, node->args)
	{
		ChShip		part = CH_SHIP_NO;
		ChExpr	   *arg = ship_node(cxt, lfirst(lc), negate, &part);

		if (part != CH_SHIP_EXACT)
			reason = cxt->reason;
		if (arg)
			args = lappend(args, arg);
		else if (!is_and)
			return NULL;
		*ship = worse(*ship, arg ? part : CH_SHIP_LOSSY);
	}
	cxt->reason = reason;
	if (args == NIL)
		return NULL;
	if (list_length(args) == 1)
		return linitial(args);
	return finish_bool(cxt, is_and ? CH_COND_AND : CH_COND_OR, args, ship);
}

static ChExpr *
ship_node(ShipContext *cxt, Node *node, bool negate, ChShip *ship)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_BoolExpr:
			return ship_bool_expr(cxt, (BoolExpr *) node, negate, ship);
		case T_OpExpr:
			{
				OpExpr	   *op = (OpExpr *) node;
				const Match *match = find_match(op->opno);

				if (list_length(op->args) != 2)
					return refuse(cxt, "an operator of one argument is evaluated by PostgreSQL only");
				if (match)
					return ship_match(cxt, match, op, negate, ship);
				return ship_comparison(cxt, op->opno, op->inputcollid, linitial(op->args), lsecond(op->args), negate, ship);
			}
		case T_ScalarArrayOpExpr:
			return ship_array_op(cxt, (ScalarArrayOpExpr *) node, negate, ship);
		case T_NullTest:
			return ship_null_test(cxt, (NullTest *) node, negate, ship);
		case T_BooleanTest:
			return ship_boolean_test(cxt, (BooleanTest *) node, negate, ship);
		default:
			return ship_bool_column(cxt, node, negate, ship);
	}
}

/* ---- many values for one ------------------------------------------------------------------ */

/* Does the store find column IN (values) at least as well as column = value? */
static bool
can_merge(const ChTable *table, ChExpr *expr)
{
	const char *reason;
	ChExpr	   *in;
	ChShip		ship;

	if (expr->kind != CH_COND_CMP || expr->op != CH_EQ || expr->attno > table->natts || linitial_int(expr->is_array))
		return false;
	ship = table->driver->ship_leaf(table, expr, &reason);
	in = copyObject(expr);
	in->kind = CH_COND_IN;
	return table->driver->ship_leaf(table, in, &reason) >= ship;
}

/* A value of an outer row, also of one that is a parameter already. */
static bool
changes_by_row(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, PlaceHolderVar) ||
		(IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC))
		return true;
	return expression_tree_walker(node, changes_by_row, unused);
}

List *
ch_merge_keys(const ChTable *table, List *exprs)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
	{
		ChExpr	   *expr = lfirst(lc);

		if (can_merge(table, expr) && changes_by_row(linitial(expr->values), NULL))
			keys = list_append_unique_int(keys, expr->attno);
	}
	return keys;
}

/* ---- all clauses of a scan --------------------------------------------------------------- */

static ChClause *
ship_clause(ShipContext *cxt, RestrictInfo *rinfo)
{
	ChClause   *clause = palloc0(sizeof(ChClause));
	ChShip		ship = CH_SHIP_NO;

	cxt->reason = NULL;
	clause->rinfo = rinfo;
	clause->expr = ship_node(cxt, (Node *) rinfo->clause, false, &ship);
	clause->ship = clause->expr ? ship : CH_SHIP_NO;
	clause->reason = clause->ship == CH_SHIP_EXACT ? NULL : cxt->reason;
	return clause;
}

/* The driver may want fewer together than one by one: the top-level AND. */
static void
ship_together(ShipContext *cxt, List *clauses, bool *exact)
{
	List	   *args = NIL;
	ChShip		given = CH_SHIP_EXACT;
	ChShip		ship;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		ChClause   *c = lfirst(lc);

		if (c->expr)
		{
			args = lappend(args, c->expr);
			given = worse(given, c->ship);
		}
	}
	if (args == NIL)
		return;
	ship = given;
	cxt->reason = NULL;
	(void) finish_bool(cxt, CH_COND_AND, args, &ship);
	if (ship == given)
		return;
	*exact = false;
	foreach(lc, clauses)
	{
		ChClause   *c = lfirst(lc);

		if (c->ship <= ship)
			continue;
		c->ship = ship;
		c->reason = cxt->reason;
		if (ship == CH_SHIP_NO)
			c->expr = NULL;
	}
}

List *
ch_ship_clauses(PlannerInfo *root, RelOptInfo *rel, ChTable *table, List *rinfos, bool *exact)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = table};
	bool		enabled = ch_pushdown_enabled(table, ch_enable_where_pushdown, "enable_where_pushdown");
	List	   *clauses = NIL;
	ListCell   *lc;

	*exact = true;
	foreach(lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		ChClause   *c;

		if (rinfo->pseudoconstant)
			continue;
		if (enabled)
			c = ship_clause(&cxt, rinfo);
		else
		{
			c = palloc0(sizeof(ChClause));
			c->rinfo = rinfo;
			c->reason = "enable_where_pushdown is off";
		}
		if (c->ship != CH_SHIP_EXACT)
			*exact = false;
		clauses = lappend(clauses, c);
	}
	ship_together(&cxt, clauses, exact);
	return clauses;
}

/* ---- orders -------------------------------------------------------------------------------- */

/* The column of this relation that a pathkey sorts by, or 0 with a reason. */
static int
sorted_column(ShipContext *cxt, PathKey *key)
{
	EquivalenceClass *ec = key->pk_eclass;
	ListCell   *lc;

	cxt->reason = NULL;
	if (ec->ec_has_volatile)
		return 0;
	foreach(lc, ec->ec_members)
	{
		EquivalenceMember *em = lfirst(lc);
		int			attno;

		if (em->em_is_child)
			continue;
		/* an aggregate of no column, count(*), is of no relation */
		if (cxt->groups == NULL && (bms_is_empty(em->em_relids) || !bms_is_subset(em->em_relids, cxt->rel->relids) ||
									!ch_is_in_row(cxt->rel, (Node *) em->em_expr)))
			continue;
		attno = operand(cxt, (Node *) em->em_expr);
		if (attno != 0)
			return attno;
	}
	return 0;
}

/* Do strings that differ stand in the order of their bytes, or at least apart? */
static bool
collation_sorts(Oid collation, bool any_order, const char **reason)
{
	if (any_order ? get_collation_isdeterministic(collation) : ch_collation_is_bytewise(collation))
		return true;
	*reason = any_order ? "the collation calls different strings equal"
		: "strings are sorted by a collation other than \"C\"";
	return false;
}

/* any_order: what is equal has to be together, in whatever order. */
static ChSortKey *
ship_pathkey(ShipContext *cxt, PathKey *key, bool any_order)
{
	int			attno = sorted_column(cxt, key);
	const ChTable *table = cxt->table;
	ChSortKey  *sort;
	Oid			type;

	if (attno == 0)
	{
		if (cxt->reason == NULL)
			cxt->reason = cxt->groups ? "it sorts groups by an expression, not by a key or an aggregate"
				: "it sorts by an expression, not by a plain column";
		return NULL;
	}
	if (table->mismatch_null && ch_column(table, attno)->typmod >= 0)
	{
		cxt->reason = "a value that does not fit the type's length or precision is NULL here";
		return NULL;
	}
	type = ch_column(table, attno)->basetype;
	if (ch_is_text(type))
		type = TEXTOID;
	if (!ch_type_has_value(type) ||
		lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf != key->pk_opfamily)
	{
		cxt->reason = psprintf("type %s is sorted by PostgreSQL only", format_type_be(type));
		return NULL;
	}
	if (ch_is_text(type) && !collation_sorts(key->pk_eclass->ec_collation, any_order, &cxt->reason))
		return NULL;
	sort = ch_make_sort_key();
	sort->attno = attno;
	sort->descending = ch_pathkey_descending(key);
	sort->nulls_first = key->pk_nulls_first;
	sort->collation = key->pk_eclass->ec_collation;
	return sort;
}

static List *
ship_pathkeys(ShipContext *cxt, List *pathkeys, int ndistinct)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, pathkeys)
	{
		ChSortKey  *sort = ship_pathkey(cxt, lfirst(lc), foreach_current_index(lc) < ndistinct);

		if (sort == NULL)
			return NIL;
		keys = lappend(keys, sort);
	}
	return keys;
}

List *
ch_sort_keys(PlannerInfo *root, RelOptInfo *rel, ChTable *table, List *pathkeys, int ndistinct, const char **reason)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = table};
	List	   *keys = ship_pathkeys(&cxt, pathkeys, ndistinct);

	*reason = cxt.reason;
	return keys;
}

static List *
ship_order(ShipContext *cxt, List *pathkeys, const char **reason)
{
	ChTable    *table = cxt->table;
	List	   *keys;

	*reason = NULL;
	if (pathkeys == NIL)
		return NIL;
	if (!ch_pushdown_enabled(table, ch_enable_sort_pushdown, "enable_sort_pushdown"))
	{
		*reason = "enable_sort_pushdown is off";
		return NIL;
	}
	keys = ship_pathkeys(cxt, pathkeys, 0);
	*reason = cxt->reason;
	return keys != NIL && table->driver->ship_sort(table, keys, reason) ? keys : NIL;
}

List *
ch_ship_pathkeys(PlannerInfo *root, RelOptInfo *rel, ChTable *table, List *pathkeys, const char **reason)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = table};

	return ship_order(&cxt, pathkeys, reason);
}

List *
ch_ship_group_pathkeys(PlannerInfo *root, RelOptInfo *rel, const ChGroups *groups, List *pathkeys, const char **reason)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = groups->table,.groups = groups};

	return ship_order(&cxt, pathkeys, reason);
}

/* ---- conditions of an aggregate and of groups ----------------------------------------------- */

static ChExpr *
ship_exactly(ShipContext *cxt, Node *clause, const char **reason)
{
	ChShip		ship = CH_SHIP_NO;
	ChExpr	   *expr = ship_node(cxt, clause, false, &ship);

	if (expr == NULL || ship != CH_SHIP_EXACT)
	{
		*reason = cxt->reason;
		return NULL;
	}
	return expr;
}

ChExpr *
ch_ship_filter(PlannerInfo *root, RelOptInfo *rel, ChTable *table, Node *clause, const char **reason)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = table};

	return ship_exactly(&cxt, clause, reason);
}

ChExpr *
ch_ship_having(PlannerInfo *root, RelOptInfo *rel, const ChGroups *groups, Node *clause, const char **reason)
{
	ShipContext cxt = {.root = root,.rel = rel,.table = groups->table,.groups = groups};

	return ship_exactly(&cxt, clause, reason);
}
