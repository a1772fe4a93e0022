/*
 * node.h
 *	  Documents of a request while they are made: trees in PostgreSQL's memory,
 *	  so that an error leaves nothing behind.  Writing one as BSON raises
 *	  nothing.
 */
#ifndef CH_MONGODB_NODE_H
#define CH_MONGODB_NODE_H

#include "fdw/mongodb/filter.h"

#include "utils/uuid.h"

/* ---- values of the store ------------------------------------------------ */

static inline bson_value_t
value_of_int(int64 i)
{
	bson_value_t v = {.value_type = BSON_TYPE_INT64};

	v.value.v_int64 = i;
	return v;
}

static inline bson_value_t
value_of_int32(int32 i)
{
	bson_value_t v = {.value_type = BSON_TYPE_INT32};

	v.value.v_int32 = i;
	return v;
}

static inline bson_value_t
value_of_double(double f)
{
	bson_value_t v = {.value_type = BSON_TYPE_DOUBLE};

	v.value.v_double = f;
	return v;
}

static inline bson_value_t
value_of_date(int64 ms)
{
	bson_value_t v = {.value_type = BSON_TYPE_DATE_TIME};

	v.value.v_datetime = ms;
	return v;
}

static inline bson_value_t
value_of_decimal(bson_decimal128_t d)
{
	bson_value_t v = {.value_type = BSON_TYPE_DECIMAL128};

	v.value.v_decimal128 = d;
	return v;
}

static inline bson_value_t
value_of_oid(const bson_oid_t *oid)
{
	bson_value_t v = {.value_type = BSON_TYPE_OID};

	bson_oid_copy(oid, &v.value.v_oid);
	return v;
}

static inline bson_value_t
value_of_text(const char *data, int len)
{
	bson_value_t v = {.value_type = BSON_TYPE_UTF8};

	v.value.v_utf8.str = unconstify(char *, data);
	v.value.v_utf8.len = len;
	return v;
}

static inline bson_value_t
value_of_uuid(const char *data, bson_subtype_t subtype)
{
	bson_value_t v = {.value_type = BSON_TYPE_BINARY};

	v.value.v_binary.data = (uint8_t *) unconstify(char *, data);
	v.value.v_binary.data_len = UUID_LEN;
	v.value.v_binary.subtype = subtype;
	return v;
}

static inline bson_value_t
value_of_bool(bool b)
{
	bson_value_t v = {.value_type = BSON_TYPE_BOOL};

	v.value.v_bool = b;
	return v;
}

static inline bson_value_t
value_null(void)
{
	bson_value_t v = {.value_type = BSON_TYPE_NULL};

	return v;
}

/* The key of an array's item; buffer is for those that libbson has no text of. */
static inline const char *
key_of_item(int i, char buffer[16], int *len)
{
	const char *key;

	*len = (int) bson_uint32_to_string(i, &key, buffer, 16);
	return key;
}

/* ---- trees ---------------------------------------------------------------- */

/* Strings that are passed in must live as long as the tree. */
extern MongoNode *mongo_value(bson_value_t value);
extern MongoNode *mongo_text(const char *text);
extern MongoNode *mongo_int(int32 i);
extern MongoNode *mongo_long(int64 i);
extern MongoNode *mongo_double(double f);
extern MongoNode *mongo_bool(bool b);
extern MongoNode *mongo_null(void);
extern MongoNode *mongo_date(int64 ms);
extern MongoNode *mongo_filter_node(MongoFilter *filter);	/* write it once */

extern MongoNode *mongo_doc(void);
extern MongoNode *mongo_doc1(const char *key, MongoNode *value);	/* {key: value} */
extern void mongo_put(MongoNode *doc, const char *key, MongoNode *value);

extern MongoNode *mongo_list(void);
extern void mongo_add(MongoNode *list, MongoNode *item);
extern void mongo_add_all(MongoNode *list, const MongoNode *items);

/* {operator: [arguments]}, a NULL ends them */
extern MongoNode *mongo_call(const char *operator, ...) __attribute__((sentinel));

/* A string of an expression that may begin with a $ without being a field. */
extern MongoNode *mongo_literal(MongoNode *value);

/* What libbson has; its memory must live as long as the tree. */
extern MongoNode *mongo_of_iter(const bson_iter_t *it);

extern int	mongo_length(const MongoNode *node);
extern MongoNode *mongo_item(const MongoNode *node, int i);
extern const char *mongo_key(const MongoNode *doc, int i);

/* The path of an expression that is a field, or NULL. */
extern const char *mongo_field(const MongoNode *node);

/* Where a document has a member, or -1. */
extern int	mongo_find(const MongoNode *doc, const char *key);
extern bool mongo_is_doc(const MongoNode *node);
extern bool mongo_is_list(const MongoNode *node);
extern bool mongo_is_null(const MongoNode *node);
extern void mongo_replace(MongoNode *whole, int i, MongoNode *item);

extern bool mongo_same(const MongoNode *a, const MongoNode *b);

/*
 * One expression for several, in which values that differ are variables named
 * "b0", "b1", ...; NULL if they differ in more.  Of each variable the list gets
 * a MongoNode * for each of them.
 */
extern MongoNode *mongo_generalize(int n, MongoNode *const *expressions, List **variables);

/*
 * An expression of a join's row as one of the documents of its table that is
 * named so: "$t2.a" becomes "$a".  Parts that are of other tables only become
 * variables "$$v0", ..., and are added to vars; NULL: there are none.
 */
extern MongoNode *mongo_rebase(MongoNode *node, const char *table, MongoNode *vars);

/* Add the members of a document or filter. */
extern void mongo_write(const MongoNode *doc, bson_t *out);

#endif							/* CH_MONGODB_NODE_H */
