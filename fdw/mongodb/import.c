/*
 * import.c
 *	  Which foreign tables would describe a database of MongoDB?
 *
 * MongoDB has no schema, so documents are looked at: the first of each
 * collection, in their natural order, and as many at random.  A type is
 * widened until it takes every value seen; documents inside documents become
 * columns of their own (risk_profile.max_loss: risk_profile_max_loss), arrays
 * and what has no common type become jsonb.  A value of another kind that
 * nobody sampled is a mismatch when it is read.
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

#include "commands/defrem.h"
#include "utils/guc.h"

#define DEFAULT_SAMPLE	1000
#define MAX_COLUMNS		1000	/* of PostgreSQL's 1600 */
#define MAX_FIELDS		100		/* of a document inside a document; with more,
								 * its names are data */

/* What was seen at a path: a set of these. */
enum
{
	SEEN_STRING = 0x001,
	SEEN_OBJECT_ID = 0x002,
	SEEN_UUID = 0x004,
	SEEN_UUID_OLD = 0x008,
	SEEN_BINARY = 0x010,
	SEEN_BOOL = 0x020,
	SEEN_DATE = 0x040,
	SEEN_INT = 0x080,
	SEEN_LONG = 0x100,
	SEEN_DOUBLE = 0x200,
	SEEN_DECIMAL = 0x400,
	SEEN_DOCUMENT = 0x800,
	SEEN_OTHER = 0x1000
};

typedef struct Field
{
	char	   *name;
	int			seen;
	bool		reachable;		/* a path can name it and all that is below */
	int			nfields;
	struct Field **fields;
} Field;

/* ---- looking at documents ---------------------------------------------------------- */

static int
kind_of(const bson_iter_t *it)
{
	bson_subtype_t subtype;
	uint32_t	len;
	const uint8_t *data;

	switch (bson_iter_type(it))
	{
		case BSON_TYPE_NULL:
		case BSON_TYPE_UNDEFINED:
			return 0;
		case BSON_TYPE_UTF8:
			return SEEN_STRING;
		case BSON_TYPE_OID:
			return SEEN_OBJECT_ID;
		case BSON_TYPE_BOOL:
			return SEEN_BOOL;
		case BSON_TYPE_DATE_TIME:
			return SEEN_DATE;
		case BSON_TYPE_INT32:
			return SEEN_INT;
		case BSON_TYPE_INT64:
			return SEEN_LONG;
		case BSON_TYPE_DOUBLE:
			return SEEN_DOUBLE;
		case BSON_TYPE_DECIMAL128:
			return SEEN_DECIMAL;
		case BSON_TYPE_DOCUMENT:
			return SEEN_DOCUMENT;
		case BSON_TYPE_BINARY:
			bson_iter_binary(it, &subtype, &len, &data);
			if (len != 16)
				return SEEN_BINARY;
			return subtype == BSON_SUBTYPE_UUID ? SEEN_UUID :
				subtype == BSON_SUBTYPE_UUID_DEPRECATED ? SEEN_UUID_OLD : SEEN_BINARY;
		default:
			return SEEN_OTHER;
	}
}

static Field *
field_named(Field *parent, const char *name)
{
	Field	   *f;

	for (int i = 0; i < parent->nfields; i++)
		if (strcmp(parent->fields[i]->name, name) == 0)
			return parent->fields[i];
	f = palloc0(sizeof(Field));
	f->name = pstrdup(name);
	f->reachable = true;
	parent->fields = parent->fields
		? repalloc(parent->fields, (parent->nfields + 1) * sizeof(Field *)) : palloc(sizeof(Field *));
	parent->fields[parent->nfields++] = f;
	return f;
}

static bool
can_be_named(const char *name)
{
	return name[0] != '\0' && name[0] != '$' && strchr(name, '.') == NULL;
}

static void
look_at(Field *parent, bson_iter_t *it)
{
	while (bson_iter_next(it))
	{
		const char *name = bson_iter_key(it);
		bson_iter_t inner;
		Field	   *f;

		if (!can_be_named(name) || parent->nfields > MAX_COLUMNS)
		{
			parent->reachable = false;
			continue;
		}
		f = field_named(parent, name);
		f->seen |= kind_of(it);
		if (BSON_ITER_HOLDS_DOCUMENT(it) && bson_iter_recurse(it, &inner))
			look_at(f, &inner);
	}
}

static void
look_at_batch(const bson_t *reply, void *arg)
{
	bson_iter_t it,
				batch,
				docs,
				doc;

	if (!bson_iter_init(&it, reply) || !bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) ||
		!bson_iter_recurse(&batch, &docs))
		return;
	while (bson_iter_next(&docs))
		if (bson_iter_recurse(&docs, &doc))
			look_at(arg, &doc);
}

/* One batch of at most n documents; what does not fit into it is left out. */
static void
sample_first(ChConn *conn, const char *database, const char *collection, int n, Field *root)
{
	bson_t		command = BSON_INITIALIZER;

	bson_append_utf8(&command, "find", -1, collection, -1);
	bson_append_int64(&command, "limit", -1, n);
	bson_append_int64(&command, "batchSize", -1, n);
	bson_append_bool(&command, "singleBatch", -1, true);
	bson_append_int64(&command, "maxTimeMS", -1, conn->request_timeout);
	mongo_command(conn, database, &command, look_at_batch, root);
	bson_destroy(&command);
}

typedef struct OpenCursor
{
	Field	   *root;
	int64		id;
} OpenCursor;

static void
look_at_open_batch(const bson_t *reply, void *arg)
{
	OpenCursor *open = arg;
	bson_iter_t it,
				id;

	if (bson_iter_init(&it, reply) && bson_iter_find_descendant(&it, "cursor.id", &id))
		open->id = bson_iter_as_int64(&id);
	look_at_batch(reply, open->root);
}

static void
ignore_reply(const bson_t *reply, void *arg)
{
}

static void
sample_random(ChConn *conn, const char *database, const char *collection, int n, Field *root)
{
	OpenCursor	open = {root, 0};
	bson_t	   *command = BCON_NEW("aggregate", BCON_UTF8(collection),
								   "pipeline", "[", "{", "$sample", "{", "size", BCON_INT32(n), "}", "}", "]",
								   "cursor", "{", "batchSize", BCON_INT32(n), "}",
								   "maxTimeMS", BCON_INT64(conn->request_timeout));

	mongo_command(conn, database, command, look_at_open_batch, &open);
	bson_destroy(command);
	if (open.id == 0)
		return;
	command = BCON_NEW("killCursors", BCON_UTF8(collection), "cursors", "[", BCON_INT64(open.id), "]");
	mongo_command(conn, database, command, ignore_reply, NULL);
	bson_destroy(command);
}

/* ---- types ---------------------------------------------------------------------------- */

static bool
only(int seen, int allowed)
{
	return seen != 0 && (seen & ~allowed) == 0;
}

static const char *
number_type(int seen)
{
	if (seen == SEEN_INT)
		return "integer";
	if (only(seen, SEEN_INT | SEEN_LONG))
		return "bigint";
	/* a long beside doubles may need more digits than a double has */
	if (only(seen, SEEN_INT | SEEN_DOUBLE))
		return "double precision";
	return "numeric";
}

static const char *
type_of(int seen)
{
	if (only(seen, SEEN_STRING | SEEN_OBJECT_ID))
		return "text";
	if (only(seen, SEEN_INT | SEEN_LONG | SEEN_DOUBLE | SEEN_DECIMAL))
		return number_type(seen);
	if (only(seen, SEEN_UUID | SEEN_UUID_OLD))
		return "uuid";
	if (only(seen, SEEN_UUID | SEEN_UUID_OLD | SEEN_BINARY))
		return "bytea";
	if (seen == SEEN_BOOL)
		return "boolean";
	if (seen == SEEN_DATE)
		return "timestamptz";
	return "jsonb";
}

/* The option bson_type, where it lets the store do more. */
static const char *
bson_type_of(int seen)
{
	switch (seen)
	{
		case SEEN_STRING:
			return "string";
		case SEEN_OBJECT_ID:
			return "objectId";
		case SEEN_UUID:
			return "uuid";
		case SEEN_DECIMAL:
			return "decimal128";
		default:
			return NULL;
	}
}

/* ---- tables ------------------------------------------------------------------------------ */

static void
add_column(ChImportTable *table, const char *name, const char *path, const Field *f, bool notnull)
{
	ChImportColumn *col = palloc0(sizeof(ChImportColumn));
	const char *bson_type = bson_type_of(f->seen);

	col->name = name;
	col->type = type_of(f->seen);
	col->notnull = notnull;
	/* the store compares strings by their bytes */
	if (strcmp(col->type, "text") == 0)
		col->collation = "pg_catalog.\"C\"";
	col->options = list_make1(ch_option("path", path));
	if (bson_type)
		col->options = lappend(col->options, ch_option("bson_type", bson_type));
	table->columns = lappend(table->columns, col);
}

static void add_columns(ChImportTable *table, const Field *parent, const char *name_prefix, const char *path_prefix);

static void
add_field(ChImportTable *table, const Field *f, const char *name_prefix, const char *path_prefix)
{
	char	   *name = psprintf("%s%s", name_prefix, f->name);
	char	   *path = psprintf("%s%s", path_prefix, f->name);
	bool		is_id = strcmp(path, "_id") == 0;

	if (list_length(table->columns) >= MAX_COLUMNS)
		return;
	if (f->seen == SEEN_DOCUMENT && f->reachable && f->nfields > 0 && f->nfields <= MAX_FIELDS && !is_id)
		add_columns(table, f, psprintf("%s_", name), psprintf("%s.", path));
	else
		add_column(table, name, path, f, is_id);
}

/* _id comes first, wherever a document has it. */
static void
add_columns(ChImportTable *table, const Field *parent, const char *name_prefix, const char *path_prefix)
{
	bool		top = path_prefix[0] == '\0';

	for (int id = 1; id >= 0; id--)
		for (int i = 0; i < parent->nfields; i++)
			if ((top && strcmp(parent->fields[i]->name, "_id") == 0) == id)
				add_field(table, parent->fields[i], name_prefix, path_prefix);
}

static void
add_document_column(ChImportTable *table)
{
	ChImportColumn *col = palloc0(sizeof(ChImportColumn));

	col->name = "_doc";
	col->type = "jsonb";
	col->options = list_make1(ch_option("kind", "document"));
	table->columns = lappend(table->columns, col);
}

static ChImportTable *
table_of(const char *database, const char *collection, const Field *root, bool document)
{
	ChImportTable *table = palloc0(sizeof(ChImportTable));

	table->name = pstrdup(collection);
	table->options = list_make2(ch_option("database", database), ch_option("collection", collection));
	add_columns(table, root, "", "");
	if (document || table->columns == NIL)
		add_document_column(table);
	return table;
}

/* ---- the database ---------------------------------------------------------------------------- */

static void
collect_names(const bson_t *reply, void *arg)
{
	List	  **names = arg;
	bson_iter_t it,
				batch,
				docs,
				name;

	if (!bson_iter_init(&it, reply) || !bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) ||
		!bson_iter_recurse(&batch, &docs))
		return;
	while (bson_iter_next(&docs))
		if (bson_iter_recurse(&docs, &it) && bson_iter_find(&it, "name") && BSON_ITER_HOLDS_UTF8(&it))
		{
			name = it;
			if (strncmp(bson_iter_utf8(&name, NULL), "system.", 7) != 0)
				*names = lappend(*names, pstrdup(bson_iter_utf8(&name, NULL)));
		}
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static List *
collections_of(ChConn *conn, const char *database)
{
	List	   *names = NIL;
	bson_t	   *command = BCON_NEW("listCollections", BCON_INT32(1), "nameOnly", BCON_BOOL(true),
								   "authorizedCollections", BCON_BOOL(true),
								   "cursor", "{", "batchSize", BCON_INT32(100000), "}");

	mongo_command(conn, database, command, collect_names, &names);
	bson_destroy(command);
	list_sort(names, compare_names);
	return names;
}

/* Options of IMPORT FOREIGN SCHEMA itself. */
static void
read_options(List *options, int *sample, bool *document)
{
	ListCell   *lc;

	*sample = DEFAULT_SAMPLE;
	*document = false;
	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, "sample") == 0)
		{
			if (!parse_int(defGetString(def), sample, 0, NULL) || *sample < 1 || *sample > 100000)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("invalid value for option \"sample\": \"%s\"", defGetString(def)),
						 errhint("It must be a whole number from 1 to 100000.")));
		}
		else if (strcmp(def->defname, "document") == 0)
			*document = defGetBoolean(def);
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\" for IMPORT FOREIGN SCHEMA", def->defname),
					 errhint("Valid options are sample and document.")));
	}
}

List *
mongo_import_schema(ChConn *conn, const char *remote_schema, List *options)
{
	List	   *tables = NIL;
	List	   *names;
	int			sample;
	bool		document;
	ListCell   *lc;

	read_options(options, &sample, &document);
	names = collections_of(conn, remote_schema);
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("database \"%s\" of server \"%s\" has no collections", remote_schema, conn->server_name),
				 errhint("Check the name of the database and the rights of the user.")));
	foreach(lc, names)
	{
		Field		root = {.reachable = true};

		sample_first(conn, remote_schema, lfirst(lc), sample, &root);
		sample_random(conn, remote_schema, lfirst(lc), sample, &root);
		tables = lappend(tables, table_of(remote_schema, lfirst(lc), &root, document));
	}
	return tables;
}
