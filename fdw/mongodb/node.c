/*
 * node.c
 *	  Documents of a request while they are made.
 */
#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/mongodb/node.h"

struct MongoNode
{
	enum
	{
		NODE_VALUE,
		NODE_FILTER,
		NODE_DOC,
		NODE_LIST
	}			kind;
	bson_value_t value;			/* NODE_VALUE */
	MongoFilter *filter;		/* NODE_FILTER */
	int			n;				/* members or items */
	int			room;
	const char **keys;			/* NODE_DOC */
	MongoNode **items;
};

static MongoNode *
new_node(int kind)
{
	MongoNode  *node = palloc0(sizeof(MongoNode));

	node->kind = kind;
	return node;
}

/* ---- values ----------------------------------------------------------------- */

MongoNode *
mongo_value(bson_value_t value)
{
	MongoNode  *node = new_node(NODE_VALUE);

	node->value = value;
	return node;
}

MongoNode *
mongo_text(const char *text)
{
	return mongo_value(value_of_text(text, strlen(text)));
}

MongoNode *
mongo_int(int32 i)
{
	return mongo_value(value_of_int32(i));
}

MongoNode *
mongo_long(int64 i)
{
	return mongo_value(value_of_int(i));
}

MongoNode *
mongo_double(double f)
{
	return mongo_value(value_of_double(f));
}

MongoNode *
mongo_bool(bool b)
{
	return mongo_value(value_of_bool(b));
}

MongoNode *
mongo_null(void)
{
	return mongo_value(value_null());
}

MongoNode *
mongo_date(int64 ms)
{
	return mongo_value(value_of_date(ms));
}

MongoNode *
mongo_filter_node(MongoFilter *filter)
{
	MongoNode  *node = new_node(NODE_FILTER);

	node->filter = filter;
	return node;
}

MongoNode *
mongo_literal(MongoNode *value)
{
	if (value->kind == NODE_VALUE && value->value.value_type == BSON_TYPE_UTF8 &&
		value->value.value.v_utf8.len > 0 && value->value.value.v_utf8.str[0] == '$')
		return mongo_doc1("$literal", value);
	return value;
}

/* ---- documents and lists ------------------------------------------------------ */

static void
append(MongoNode *node, const char *key, MongoNode *item)
{
	if (node->n == node->room)
	{
		bool		first = node->room == 0;

		node->room = Max(4, node->room * 2);
		node->items = first ? palloc_array(MongoNode *, node->room)
			: repalloc_array(node->items, MongoNode *, node->room);
		if (node->kind == NODE_DOC)
			node->keys = first ? palloc_array(const char *, node->room)
				: repalloc_array(node->keys, const char *, node->room);
	}
	if (node->kind == NODE_DOC)
		node->keys[node->n] = key;
	node->items[node->n++] = item;
}

MongoNode *
mongo_doc(void)
{
	return new_node(NODE_DOC);
}

MongoNode *
mongo_doc1(const char *key, MongoNode *value)
{
	MongoNode  *doc = mongo_doc();

	append(doc, key, value);
	return doc;
}

void
mongo_put(MongoNode *doc, const char *key, MongoNode *value)
{
	Assert(doc->kind == NODE_DOC);
	append(doc, key, value);
}

MongoNode *
mongo_list(void)
{
	return new_node(NODE_LIST);
}

void
mongo_add(MongoNode *list, MongoNode *item)
{
	Assert(list->kind == NODE_LIST);
	append(list, NULL, item);
}

void
mongo_add_all(MongoNode *list, const MongoNode *items)
{
	for (int i = 0; i < items->n; i++)
		mongo_add(list, items->items[i]);
}

MongoNode *
mongo_call(const char *operator, ...)
{
	MongoNode  *args = mongo_list();
	MongoNode  *arg;
	va_list		ap;

	va_start(ap, operator);
	while ((arg = va_arg(ap, MongoNode *)) != NULL)
		mongo_add(args, arg);
	va_end(ap);
	return mongo_doc1(operator, args);
}

int
mongo_length(const MongoNode *node)
{
	return node->n;
}

MongoNode *
mongo_item(const MongoNode *node, int i)
{
	return node->items[i];
}

const char *
mongo_key(const MongoNode *doc, int i)
{
	return doc->keys[i];
}

int
mongo_find(const MongoNode *doc, const char *key)
{
	for (int i = 0; i < doc->n; i++)
		if (strcmp(doc->keys[i], key) == 0)
			return i;
	return -1;
}

bool
mongo_is_doc(const MongoNode *node)
{
	return node->kind == NODE_DOC;
}

bool
mongo_is_list(const MongoNode *node)
{
	return node->kind == NODE_LIST;
}

bool
mongo_is_null(const MongoNode *node)
{
	return node->kind == NODE_VALUE && node->value.value_type == BSON_TYPE_NULL;
}

void
mongo_replace(MongoNode *whole, int i, MongoNode *item)
{
	whole->items[i] = item;
}

/* ---- from libbson --------------------------------------------------------------- */

static MongoNode *
members_of(const bson_iter_t *it, int kind)
{
	MongoNode  *node = new_node(kind);
	bson_iter_t inner;

	check_stack_depth();
	if (bson_iter_recurse(it, &inner))
		while (bson_iter_next(&inner))
			append(node, kind == NODE_DOC ? bson_iter_key(&inner) : NULL, mongo_of_iter(&inner));
	return node;
}

MongoNode *
mongo_of_iter(const bson_iter_t *it)
{
	if (BSON_ITER_HOLDS_DOCUMENT(it))
		return members_of(it, NODE_DOC);
	if (BSON_ITER_HOLDS_ARRAY(it))
		return members_of(it, NODE_LIST);
	return mongo_value(*bson_iter_value(unconstify(bson_iter_t *, it)));
}

/* ---- comparing ------------------------------------------------------------------------ */

static bool
same_value(const bson_value_t *a, const bson_value_t *b)
{
	if (a->value_type != b->value_type)
		return false;
	switch (a->value_type)
	{
		case BSON_TYPE_UTF8:
			return a->value.v_utf8.len == b->value.v_utf8.len &&
				memcmp(a->value.v_utf8.str, b->value.v_utf8.str, a->value.v_utf8.len) == 0;
		case BSON_TYPE_INT32:
			return a->value.v_int32 == b->value.v_int32;
		case BSON_TYPE_INT64:
		case BSON_TYPE_DATE_TIME:
			return a->value.v_int64 == b->value.v_int64;
		case BSON_TYPE_DOUBLE:
			return memcmp(&a->value.v_double, &b->value.v_double, sizeof(double)) == 0;
		case BSON_TYPE_DECIMAL128:
			return a->value.v_decimal128.high == b->value.v_decimal128.high &&
				a->value.v_decimal128.low == b->value.v_decimal128.low;
		case BSON_TYPE_OID:
			return bson_oid_equal(&a->value.v_oid, &b->value.v_oid);
		case BSON_TYPE_BINARY:
			return a->value.v_binary.subtype == b->value.v_binary.subtype &&
				a->value.v_binary.data_len == b->value.v_binary.data_len &&
				memcmp(a->value.v_binary.data, b->value.v_binary.data, a->value.v_binary.data_len) == 0;
		case BSON_TYPE_BOOL:
			return a->value.v_bool == b->value.v_bool;
		default:
			return a->value_type == BSON_TYPE_NULL;
	}
}

/* All but the items. */
static bool
same_shape(const MongoNode *a, const MongoNode *b)
{
	if (a->kind != b->kind || a->n != b->n || a->kind == NODE_FILTER)
		return false;
	for (int i = 0; i < a->n && a->kind == NODE_DOC; i++)
		if (strcmp(a->keys[i], b->keys[i]) != 0)
			return false;
	return true;
}

bool
mongo_same(const MongoNode *a, const MongoNode *b)
{
	if (a == b)
		return true;
	if (!same_shape(a, b) || (a->kind == NODE_VALUE && !same_value(&a->value, &b->value)))
		return false;
	for (int i = 0; i < a->n; i++)
		if (!mongo_same(a->items[i], b->items[i]))
			return false;
	return true;
}

/* ---- one for several ---------------------------------------------------------------- */

/* A value, also one that is marked as such. */
static MongoNode *
bare_value(MongoNode *node)
{
	if (node->kind == NODE_DOC && node->n == 1 && strcmp(node->keys[0], "$literal") == 0)
		node = node->items[0];
	return node->kind == NODE_VALUE ? node : NULL;
}

static MongoNode *
generalize_values(int n, MongoNode *const *nodes, List **variables)
{
	MongoNode **values = palloc(n * sizeof(MongoNode *));
	bool		same = true;

	for (int i = 0; i < n; i++)
	{
		values[i] = bare_value(nodes[i]);
		if (values[i] == NULL)
			return NULL;
		same = same && same_value(&values[0]->value, &values[i]->value);
	}
	if (same)
		return nodes[0];
	*variables = lappend(*variables, values);
	return mongo_text(psprintf("$$b%d", list_length(*variables) - 1));
}

MongoNode *
mongo_generalize(int n, MongoNode *const *expressions, List **variables)
{
	const MongoNode *first = expressions[0];
	MongoNode  *whole = new_node(first->kind);
	MongoNode **parts = palloc(n * sizeof(MongoNode *));

	if (bare_value(expressions[0]))
		return generalize_values(n, expressions, variables);
	for (int i = 1; i < n; i++)
		if (!same_shape(first, expressions[i]))
			return NULL;
	for (int m = 0; m < first->n; m++)
	{
		MongoNode  *part;

		for (int i = 0; i < n; i++)
			parts[i] = expressions[i]->items[m];
		part = mongo_generalize(n, parts, variables);
		if (part == NULL)
			return NULL;
		append(whole, first->kind == NODE_DOC ? first->keys[m] : NULL, part);
	}
	return whole;
}

/* ---- of a join's row, and of one table ------------------------------------------------ */

static bool
is_text(const MongoNode *node)
{
	return node->kind == NODE_VALUE && node->value.value_type == BSON_TYPE_UTF8;
}

const char *
mongo_field(const MongoNode *node)
{
	const char *text = is_text(node) ? node->value.value.v_utf8.str : "";

	return text[0] == '$' && text[1] != '$' && text[1] != '\0' ? text + 1 : NULL;
}

/* What an expression refers to. */
typedef struct References
{
	bool		own;			/* to fields of the table */
	bool		others;			/* to fields of other tables */
	bool		free;			/* to variables of a $let around it */
} References;

static bool
is_bound(const MongoNode *node, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(node->value.value.v_utf8.str + 2, lfirst(lc)) == 0)
			return true;
	return false;
}

static void find_references(const MongoNode *node, const char *table, List *names, References *found);

/* {vars: {x: ...}, in: ...} */
static void
find_in_let(const MongoNode *let, const char *table, List *names, References *found)
{
	const MongoNode *vars = let->items[0];

	find_references(vars, table, names, found);
	names = list_copy(names);
	for (int i = 0; i < vars->n; i++)
		names = lappend(names, unconstify(char *, vars->keys[i]));
	find_references(let->items[1], table, names, found);
}

static void
find_references(const MongoNode *node, const char *table, List *names, References *found)
{
	const char *field = mongo_field(node);

	if (field && mongo_is_below(field, table))
		found->own = true;
	else if (field)
		found->others = true;
	else if (is_text(node) && strncmp(node->value.value.v_utf8.str, "$$", 2) == 0 && !is_bound(node, names))
		found->free = true;
	if (node->kind == NODE_DOC && node->n == 1 && strcmp(node->keys[0], "$literal") == 0)
		return;
	if (node->kind == NODE_DOC && node->n == 1 && strcmp(node->keys[0], "$let") == 0)
	{
		find_in_let(node->items[0], table, names, found);
		return;
	}
	for (int i = 0; i < node->n; i++)
		find_references(node->items[i], table, names, found);
}

/* Can the node be computed before the table is looked at?  Arguments are no expression. */
static bool
is_of_others(const MongoNode *node, const char *table)
{
	References	found = {0};

	if (node->kind == NODE_LIST || (node->kind == NODE_DOC && (node->n != 1 || node->keys[0][0] != '$')))
		return false;
	find_references(node, table, NIL, &found);
	return found.others && !found.own && !found.free;
}

/* The variable that has the expression's value. */
static MongoNode *
variable_of(MongoNode *vars, MongoNode *expression)
{
	int			i = 0;

	while (i < vars->n && !mongo_same(vars->items[i], expression))
		i++;
	if (i == vars->n)
		mongo_put(vars, psprintf("v%d", i), expression);
	return mongo_text(psprintf("$$v%d", i));
}

MongoNode *
mongo_rebase(MongoNode *node, const char *table, MongoNode *vars)
{
	const char *field = mongo_field(node);
	MongoNode  *whole;

	if (field && mongo_is_below(field, table))
		return mongo_text(field[strlen(table)] == '.' ? psprintf("$%s", field + strlen(table) + 1) : "$$ROOT");
	if (vars && is_of_others(node, table))
		return variable_of(vars, node);
	if (bare_value(node))
		return node;
	whole = new_node(node->kind);
	for (int i = 0; i < node->n; i++)
		append(whole, node->kind == NODE_DOC ? node->keys[i] : NULL, mongo_rebase(node->items[i], table, vars));
	return whole;
}

/* ---- writing ---------------------------------------------------------------------- */

/* keylen may be -1 */
static void
write_item(const MongoNode *node, const char *key, int keylen, bson_t *out)
{
	bson_t		child;

	switch (node->kind)
	{
		case NODE_VALUE:
			bson_append_value(out, key, keylen, &node->value);
			break;
		case NODE_FILTER:
			bson_append_document_begin(out, key, keylen, &child);
			mongo_filter_write(node->filter, &child);
			bson_append_document_end(out, &child);
			break;
		case NODE_DOC:
			bson_append_document_begin(out, key, keylen, &child);
			mongo_write(node, &child);
			bson_append_document_end(out, &child);
			break;
		case NODE_LIST:
			bson_append_array_begin(out, key, keylen, &child);
			for (int i = 0; i < node->n; i++)
			{
				char		buffer[16];
				int			len;
				const char *index = key_of_item(i, buffer, &len);

				write_item(node->items[i], index, len, &child);
			}
			bson_append_array_end(out, &child);
			break;
	}
}

void
mongo_write(const MongoNode *doc, bson_t *out)
{
	if (doc->kind == NODE_FILTER)
		mongo_filter_write(doc->filter, out);
	for (int i = 0; i < doc->n; i++)
		write_item(doc->items[i], doc->keys[i], -1, out);
}
