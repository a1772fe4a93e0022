/*
 * modify.c
 *	  What a row that is written is as a document: all of it for INSERT, the
 *	  changed paths for UPDATE, a filter for DELETE.
 *
 * Records are members of the lists that the commands insert, update and delete
 * take: a document, {"q", "u"}, {"q", "limit"}.  Paths are put into a document
 * in their order, so that a column that holds what is above another's path
 * comes before it, and the elements of an array come by their positions.
 */
#include "postgres.h"

#include "fdw/mongodb/write.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* ---- what may be written --------------------------------------------------------- */

ChColumn *
mongo_id_column(const ChTable *table)
{
	for (int i = 0; i < table->natts; i++)
	{
		ChColumn   *col = table->columns[i];

		if (col && col->kind == MONGO_VALUE && strcmp(col->remote, "_id") == 0)
			return col;
	}
	return NULL;
}

/* Can a condition say which _id it is? */
static bool
identifies(const ChColumn *col)
{
	const char *reason;
	ChExpr		equality = {.kind = CH_COND_CMP,.op = CH_EQ,.attno = col->attno,.valtype = col->basetype};

	return mongo_ship_leaf(col->table, &equality, &reason) != CH_SHIP_NO;
}

bool
mongo_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint)
{
	const MongoTable *mt = mongo_table(table);
	const ChColumn *id;

	if (mt->unwind)
		return ch_refuse(reason, "Its rows are elements of an array (option unwind), not documents.");
	if (mt->pipeline)
		return ch_refuse(reason, "Its rows are what the stages of its option pipeline make.");
	if (verb != CH_UPDATE && verb != CH_DELETE)
		return true;
	id = mongo_id_column(table);
	if (id == NULL)
	{
		*hint = "Add a column of the path _id.";
		return ch_refuse(reason, "It has no column that tells its documents apart.");
	}
	if (!identifies(id))
		return ch_refuse(reason, psprintf("MongoDB does not find a document again by its _id as %s.", format_type_be(id->typid)));
	return true;
}

List *
mongo_row_identity(const ChTable *table)
{
	return list_make1_int(mongo_id_column(table)->attno);
}

/* An ObjectId, as a MongoDB client makes it. */
void
mongo_make_value(const ChColumn *col, ChValue *v)
{
	bson_oid_t	oid;

	bson_oid_init(&oid, NULL);
	*v = mongo_oid_text(&oid);
}

/* ---- columns and their paths --------------------------------------------------------- */

/* By parts, positions by their number; a document comes before what is in it. */
static int
compare_fields(const void *pa, const void *pb)
{
	const MongoField *a = pa;
	const MongoField *b = pb;
	bool		a_whole = a->col->kind == MONGO_DOCUMENT;
	bool		b_whole = b->col->kind == MONGO_DOCUMENT;

	if (a_whole || b_whole)
		return (int) b_whole - (int) a_whole;
	if (a->is_id || b->is_id)
		return (int) b->is_id - (int) a->is_id;
	for (int i = 0; i < a->path->nparts && i < b->path->nparts; i++)
	{
		int			rc = i > 0 && a->path->index[i] >= 0 && b->path->index[i] >= 0
			? (a->path->index[i] > b->path->index[i]) - (a->path->index[i] < b->path->index[i])
			: strcmp(a->path->parts[i], b->path->parts[i]);

		if (rc != 0)
			return rc;
	}
	if (a->path->nparts != b->path->nparts)
		return a->path->nparts - b->path->nparts;
	return a->at - b->at;
}

/* The first of the fields before it that has it in its value, or -1. */
static int
upper_field(const MongoWrite *mw, int n)
{
	for (int i = 0; i < n; i++)
		if (mw->fields[i].col->kind != MONGO_DOCUMENT && mongo_is_below(mw->fields[n].path->text, mw->fields[i].path->text))
			return i;
	return -1;
}

static bool
has_dollar(const MongoPath *path)
{
	for (int i = 0; i < path->nparts; i++)
		if (path->parts[i][0] == '$')
			return true;
	return false;
}

/* Why no value can be stored there, or NULL. */
static const char *
unwritable(const ChWrite *w, const MongoField *f)
{
	if (f->col->kind == MONGO_DOCUMENT)
		return w->verb == CH_UPDATE ? "A whole document is not updated: what JSON has no form for would be lost from it." : NULL;
	if (has_dollar(f->path))
		return "A part of its path begins with $.";
	if (w->verb == CH_UPDATE && !f->is_id && strcmp(f->path->parts[0], "_id") == 0)
		return "The _id of a document cannot be changed.";
	return NULL;
}

static void
describe_fields(ChWrite *w, MongoWrite *mw)
{
	mw->nfields = w->ncolumns;
	mw->fields = palloc0(Max(w->ncolumns, 1) * sizeof(MongoField));
	for (int i = 0; i < w->ncolumns; i++)
	{
		MongoField *f = &mw->fields[i];

		f->col = w->columns[i];
		f->at = i;
		f->path = &mongo_column(f->col)->path;
		f->is_id = f->col->kind == MONGO_VALUE && strcmp(f->path->text, "_id") == 0;
		f->unwritable = unwritable(w, f);
		mw->has_document |= f->col->kind == MONGO_DOCUMENT;
	}
	qsort(mw->fields, mw->nfields, sizeof(MongoField), compare_fields);
	for (int i = 0; i < mw->nfields; i++)
		mw->fields[i].upper = upper_field(mw, i);
}

void
mongo_begin_write(ChWrite *w)
{
	MongoWrite *mw = palloc0(sizeof(MongoWrite));

	w->priv = mw;
	describe_fields(w, mw);
	mw->upsert = w->verb == CH_INSERT && !w->skip_existing && ch_opt_bool(w->driver, w->table->options, "upsert");
	mw->id = mongo_id_column(w->table);
	for (int i = 0; i < mw->nfields; i++)
		if (w->verb == CH_UPDATE && mw->fields[i].col->kind == MONGO_DOCUMENT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot update column \"%s\" of foreign table %s", mw->fields[i].col->name, w->table->name),
					 errdetail("%s", mw->fields[i].unwritable),
					 errhint("Update columns whose paths are what is to change.")));
}

/* ---- putting values where their paths lead ----------------------------------------------- */

/* Where in a document or list a part of a path is: -1 nowhere, and it would be added. */
static int
find_part(const MongoField *f, const MongoNode *whole, int part)
{
	int			position = f->path->index[part];

	if (mongo_is_doc(whole))
		return mongo_find(whole, f->path->parts[part]);
	if (position < 0)
		mongo_contradicts(f->col, "Another column makes an array of what its path takes for a document.");
	if (position > mongo_length(whole))
		ch_refuse_value(f->col, ERRCODE_NULL_VALUE_NOT_ALLOWED,
						psprintf("The array would have no element at position %d.", mongo_length(whole)), NULL);
	return position < mongo_length(whole) ? position : -1;
}

static void
add_part(const MongoField *f, MongoNode *whole, int part, MongoNode *item)
{
	if (mongo_is_doc(whole))
		mongo_put(whole, f->path->parts[part], item);
	else
		mongo_add(whole, item);
}

/* What another column put where this one's value belongs must be read as the same. */
static MongoNode *
same_value(const MongoField *f, MongoNode *there, MongoNode *value)
{
	if (!mongo_reads_alike(there, value))
		mongo_contradicts(f->col, "Another column has another value for its path.");
	return value;
}

/* The value at the path, whose first parts lead to whole. */
static void
put_value(const MongoField *f, MongoNode *whole, int parts, MongoNode *value)
{
	for (int i = parts; i < f->path->nparts; i++)
	{
		bool		last = i == f->path->nparts - 1;
		int			at;
		MongoNode  *next;

		if (!mongo_is_doc(whole) && !mongo_is_list(whole))
			mongo_contradicts(f->col, "Another column has a value on the way of its path.");
		at = find_part(f, whole, i);
		if (last && at >= 0)
			mongo_replace(whole, at, same_value(f, mongo_item(whole, at), value));
		else if (last)
			add_part(f, whole, i, value);
		else if (at >= 0)
			whole = mongo_item(whole, at);
		else
		{
			next = f->path->index[i + 1] >= 0 ? mongo_list() : mongo_doc();
			add_part(f, whole, i, next);
			whole = next;
		}
	}
}

/* Is there something at the path? */
static bool
has_value(const MongoField *f, const MongoNode *whole, int parts)
{
	for (int i = parts; i < f->path->nparts; i++)
	{
		int			at = -1;

		if (mongo_is_doc(whole))
			at = mongo_find(whole, f->path->parts[i]);
		else if (mongo_is_list(whole) && f->path->index[i] < mongo_length(whole))
			at = f->path->index[i];
		if (at < 0)
			return false;
		whole = mongo_item(whole, at);
	}
	return !mongo_is_null(whole);
}

MongoNode *
mongo_encode_field(const MongoField *f, const ChValue *v, size_t *size)
{
	if (v->kind == CH_NULL)
		return NULL;
	if (f->unwritable)
		ch_refuse_value(f->col, ERRCODE_FEATURE_NOT_SUPPORTED, f->unwritable, NULL);
	*size += strlen(f->path->text);
	return mongo_encode(f->col, v, size);
}

/* ---- records ------------------------------------------------------------------------------- */

MongoNode *
mongo_change_record(MongoNode *q, MongoNode *set, MongoNode *unset)
{
	MongoNode  *record = mongo_doc1("q", q);
	MongoNode  *u = mongo_doc();

	if (mongo_length(set) > 0)
		mongo_put(u, "$set", set);
	if (mongo_length(unset) > 0)
		mongo_put(u, "$unset", unset);
	mongo_put(record, "u", u);
	return record;
}

MongoNode *
mongo_delete_record(MongoNode *q, int limit)
{
	MongoNode  *record = mongo_doc1("q", q);

	mongo_put(record, "limit", mongo_int(limit));
	return record;
}

void
mongo_append_record(const ChWrite *w, const MongoNode *record, StringInfo out)
{
	int			before = out->len;

	mongo_append_bson(record, out);
	if (out->len - before > MONGO_MAX_DOCUMENT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row of foreign table %s is too large for MongoDB", w->table->name),
				 errdetail("Its document would have %d bytes, and may have %d.", out->len - before, MONGO_MAX_DOCUMENT)));
}

/* ---- INSERT -------------------------------------------------------------------------------- */

static MongoNode *
whole_document(const MongoField *f, MongoNode *value)
{
	if (!mongo_is_doc(value))
		ch_refuse_value(f->col, ERRCODE_INVALID_PARAMETER_VALUE, "A document must be an object of JSON.", NULL);
	return value;
}

/* A client gives each document its _id, unless the column could not read it. */
static void
complete_id(const MongoWrite *mw, MongoNode *doc)
{
	bson_oid_t	oid;

	if (mongo_find(doc, "_id") >= 0)
		return;
	if (mw->id)
		ch_refuse_value(mw->id, ERRCODE_NOT_NULL_VIOLATION,
						"A document needs an _id, and an ObjectId does not fit the column's type.", NULL);
	bson_oid_init(&oid, NULL);
	mongo_put(doc, "_id", mongo_value(value_of_oid(&oid)));
}

static MongoNode *
insert_document(const MongoWrite *mw, const ChValue *values)
{
	MongoNode  *doc = mongo_doc();
	size_t		size = 0;

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];
		MongoNode  *value = mongo_encode_field(f, &values[f->at], &size);

		if (value == NULL)
			continue;
		if (f->col->kind == MONGO_DOCUMENT)
			doc = whole_document(f, value);
		else if (f->path->nparts == 1 && f->upper < 0 && !mw->has_document)
			mongo_put(doc, f->path->text, value);
		else
			put_value(f, doc, 0, value);
	}
	complete_id(mw, doc);
	return doc;
}

/* ---- UPDATE --------------------------------------------------------------------------------- */

/* A field whose path is in the value of another that is set, too. */
static void
set_below(const ChWrite *w, const MongoField *f, const MongoField *upper, MongoNode *whole, MongoNode *value)
{
	int			parts = upper->path->nparts;

	if (value && whole && parts == f->path->nparts)
		(void) same_value(f, whole, value);
	else if (value && whole)
		put_value(f, whole, parts, value);
	else if (value || (whole && w->verb == CH_UPDATE && has_value(f, whole, parts)))
		mongo_contradicts(f->col, psprintf("Column \"%s\" has another value for its path.", upper->col->name));
}

/* What becomes of the paths, but for _id. */
static void
set_fields(const ChWrite *w, const ChValue *values, MongoNode *set, MongoNode *unset)
{
	const MongoWrite *mw = w->priv;
	MongoNode **nodes = palloc0(Max(mw->nfields, 1) * sizeof(MongoNode *));
	size_t		size = 0;

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];

		if (f->unwritable && w->verb == CH_UPDATE)
			ch_refuse_value(f->col, ERRCODE_FEATURE_NOT_SUPPORTED, f->unwritable, NULL);
		if (strcmp(f->path->parts[0], "_id") == 0)
			continue;
		nodes[i] = mongo_encode_field(f, &values[f->at], &size);
		if (f->upper >= 0)
			set_below(w, f, &mw->fields[f->upper], nodes[f->upper], nodes[i]);
		else if (nodes[i])
			mongo_put(set, f->path->text, nodes[i]);
		else if (f->unwritable == NULL)
			mongo_put(unset, f->path->text, mongo_text(""));
	}
}

/* The document whose _id the row had; may be more than one value of the store. */
static MongoNode *
identity_filter(const ChWrite *w, const ChValue *identity)
{
	ChValue		value = *identity;
	ChCond		cond = {.kind = CH_COND_CMP,.op = CH_EQ,.col = w->identity[0],.nvalues = 1,.values = &value};
	MongoFilter *filter;

	if (identity->kind == CH_NULL || (filter = mongo_filter_make(&cond)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a row of foreign table %s has no _id by which its document is found again", w->table->name)));
	return mongo_filter_node(filter);
}

static void
check_id_is_kept(const ChWrite *w, const ChValue *identity, const ChValue *values)
{
	const MongoWrite *mw = w->priv;

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];
		const ChValue *v = &values[f->at];

		if (!f->is_id || (v->kind == identity->kind && ch_compare_values(v, identity) == 0))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot update column \"%s\" of foreign table %s", f->col->name, w->table->name),
				 errdetail("The _id of a document cannot be changed."),
				 errhint("Delete the row and insert it with its new _id.")));
	}
}

static MongoNode *
update_record(const ChWrite *w, const ChValue *identity, const ChValue *values)
{
	MongoNode  *q = identity_filter(w, identity);
	MongoNode  *set = mongo_doc();
	MongoNode  *unset = mongo_doc();

	check_id_is_kept(w, identity, values);
	set_fields(w, values, set, unset);
	return mongo_length(set) + mongo_length(unset) > 0 ? mongo_change_record(q, set, unset) : NULL;
}

/* ---- INSERT with option upsert ---------------------------------------------------------------- */

static void
refuse_positions(const MongoWrite *mw, const ChValue *values)
{
	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];

		if (f->path->nplain < f->path->nparts && values[f->at].kind != CH_NULL)
			ch_refuse_value(f->col, ERRCODE_FEATURE_NOT_SUPPORTED,
							"INSERT does not set elements of arrays that exist (option upsert).", NULL);
	}
}

/* A row with a whole document replaces what exists, any other sets its paths. */
static MongoNode *
upsert_record(const ChWrite *w, const ChValue *values)
{
	const MongoWrite *mw = w->priv;
	MongoNode  *doc = insert_document(mw, values);
	MongoNode  *id = mongo_doc1("_id", mongo_item(doc, mongo_find(doc, "_id")));
	MongoNode  *set = mongo_doc();
	MongoNode  *unset = mongo_doc();
	MongoNode  *record;

	if (mw->has_document)
	{
		record = mongo_doc1("q", id);
		mongo_put(record, "u", doc);
	}
	else
	{
		refuse_positions(mw, values);
		set_fields(w, values, set, unset);
		record = mongo_change_record(id, set, unset);
		/* an update must have something to do */
		if (mongo_length(set) + mongo_length(unset) == 0)
			mongo_put(mongo_item(record, 1), "$setOnInsert", id);
	}
	mongo_put(record, "upsert", mongo_bool(true));
	return record;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

void
mongo_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	const MongoWrite *mw = w->priv;
	MongoNode  *record;

	if (w->verb == CH_DELETE)
		record = mongo_delete_record(identity_filter(w, identity), 1);
	else if (w->verb == CH_UPDATE)
		record = update_record(w, identity, values);
	else
		record = mw->upsert ? upsert_record(w, values) : insert_document(mw, values);
	/* nothing is sent for a row that stays as it is */
	if (record)
		mongo_append_record(w, record, out);
}

/* ---- EXPLAIN ----------------------------------------------------------------------------------------- */

/* A document, or a list of documents. */
static void
append_node(StringInfo out, const MongoNode *node)
{
	bson_t		bson = BSON_INITIALIZER;

	if (mongo_is_list(node))
	{
		appendStringInfoChar(out, '[');
		for (int i = 0; i < mongo_length(node); i++)
		{
			appendStringInfoString(out, i > 0 ? ", " : "");
			append_node(out, mongo_item(node, i));
		}
		appendStringInfoChar(out, ']');
		return;
	}
	mongo_write(node, &bson);
	mongo_append_json(out, &bson);
	bson_destroy(&bson);
}

void
mongo_explain_call(const ChTable *table, const char *method, StringInfo out,...)
{
	const MongoTable *mt = mongo_table(table);
	const char *separator = "";
	const MongoNode *part;
	va_list		parts;

	appendStringInfo(out, "%s.%s.%s(", mt->database, mt->collection, method);
	va_start(parts, out);
	while ((part = va_arg(parts, const MongoNode *)) != NULL)
	{
		appendStringInfoString(out, separator);
		append_node(out, part);
		separator = ", ";
	}
	va_end(parts);
	appendStringInfoChar(out, ')');
}

/* $column, in the place of its value */
static MongoNode *
placeholder(const ChColumn *col)
{
	return mongo_text(psprintf(MONGO_PARAM_MARK "$%s" MONGO_PARAM_MARK, col->name));
}

/* Of every column that is not within another's value. */
static MongoNode *
example(const MongoWrite *mw, bool nested)
{
	MongoNode  *doc = mongo_doc();

	for (int i = 0; i < mw->nfields; i++)
	{
		const MongoField *f = &mw->fields[i];

		if (f->upper >= 0 || f->unwritable || (f->is_id && !nested))
			continue;
		if (f->col->kind == MONGO_DOCUMENT)
			mongo_put(doc, "...", placeholder(f->col));
		else if (nested && f->path->nplain == f->path->nparts)
			put_value(f, doc, 0, placeholder(f->col));
		else
			mongo_put(doc, f->path->text, placeholder(f->col));
	}
	return doc;
}

void
mongo_explain_write(const ChWrite *w, StringInfo out)
{
	const MongoWrite *mw = w->priv;
	MongoNode  *id = mw->id ? mongo_doc1("_id", placeholder(mw->id)) : mongo_doc();

	if (w->verb == CH_DELETE)
		mongo_explain_call(w->table, "deleteOne", out, id, NULL);
	else if (w->verb == CH_UPDATE)
		mongo_explain_call(w->table, "updateOne", out, id, mongo_doc1("$set", example(mw, false)), NULL);
	else if (mw->upsert && mw->has_document)
		mongo_explain_call(w->table, "replaceOne", out, id, example(mw, true), mongo_doc1("upsert", mongo_bool(true)), NULL);
	else if (mw->upsert)
		mongo_explain_call(w->table, "updateOne", out, id, mongo_doc1("$set", example(mw, false)),
						   mongo_doc1("upsert", mongo_bool(true)), NULL);
	else if (w->skip_existing)
		mongo_explain_call(w->table, "insertOne", out, example(mw, true), mongo_doc1("ordered", mongo_bool(false)), NULL);
	else
		mongo_explain_call(w->table, "insertOne", out, example(mw, true), NULL);
}
