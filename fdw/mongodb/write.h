/*
 * write.h
 *	  What the files that write share: modify.c, direct.c and apply.c.
 */
#ifndef CH_MONGODB_WRITE_H
#define CH_MONGODB_WRITE_H

#include "fdw/mongodb/node.h"

/* A column that is written. */
typedef struct MongoField
{
	ChColumn   *col;
	int			at;				/* in ChWrite.columns */
	const MongoPath *path;
	bool		is_id;
	int			upper;			/* first field whose value has this path in it, or -1 */
	const char *unwritable;		/* why no value can be stored there, or NULL */
} MongoField;

/* ChWrite.priv */
typedef struct MongoWrite
{
	int			nfields;
	MongoField *fields;			/* what is above a path before what is below it */
	ChColumn   *id;				/* of the path _id, or NULL */
	bool		has_document;	/* a field is the whole document */
	bool		upsert;			/* INSERT changes what exists */
} MongoWrite;

extern ChColumn *mongo_id_column(const ChTable *table);

/* Is it one table, of one collection?  ALTER FOREIGN TABLE may name another within a transaction. */
static inline bool
mongo_same_target(const ChWrite *a, const ChWrite *b)
{
	const MongoTable *x = mongo_table(a->table);
	const MongoTable *y = mongo_table(b->table);

	return a->table->relid == b->table->relid && strcmp(x->collection, y->collection) == 0 && strcmp(x->database, y->database) == 0;
}

/* The value of a column that may be written, NULL for CH_NULL; size as in mongo_encode. */
extern MongoNode *mongo_encode_field(const MongoField *f, const ChValue *v, size_t *size);

/* The members q and u, or q and limit, of an UPDATE or DELETE. */
extern MongoNode *mongo_change_record(MongoNode *q, MongoNode *set, MongoNode *unset);
extern MongoNode *mongo_delete_record(MongoNode *q, int limit);

/* Add a record; MongoDB takes none that is larger than a document. */
extern void mongo_append_record(const ChWrite *w, const MongoNode *record, StringInfo out);

/* How messages begin of what fails in the store because PostgreSQL would, too. */
#define MONGO_NO_POSITION	"path element at position "
#define MONGO_SET_IN_SCALAR	"cannot set path in scalar"

/* Its first 200 bytes as JSON, for messages. */
extern char *mongo_short_json(const bson_t *doc);

/* Raise if a key that is to be inserted exists (absent.c). */
extern void mongo_check_absent(ChConn *conn, ChBatches *batches);

/* database.collection.method(part, part, ...) as text; a NULL ends the parts. */
extern void mongo_explain_call(const ChTable *table, const char *method, StringInfo out,...) __attribute__((sentinel));

#endif							/* CH_MONGODB_WRITE_H */
