/*
 * scan.c
 *	  Running a request: a cursor, its documents, and the columns in them.
 *
 * A document is walked once: the paths of the columns form a tree
 * of names, and each name of the document is looked up at its level, starting
 * where the last document had it.
 */
#include "postgres.h"

#include "fdw/mongodb/cursor.h"
#include "fdw/mongodb/group.h"
#include "fdw/mongodb/sets.h"

#include "storage/proc.h"

/* Longest time for a scan without LIMIT or ORDER BY, all batches together. */
#define LONGEST_SCAN	(60 * 60 * 1000)

/* A name, or a position in an array, on the way to columns. */
typedef struct Step
{
	const char *name;
	int			namelen;
	int			index;			/* name as a position, or -1 */
	int			ncells;			/* columns whose path ends here */
	int		   *cells;
	int			nchildren;
	int			expected;		/* child that the next name may be */
	struct Step *children;
} Step;

typedef struct MongoScan
{
	MongoConn  *mc;
	MongoRequest request;
	MongoCursor cursor;
	int			ncells;			/* columns to fetch, then those to verify */
	ChColumn  **cell_columns;
	ChValue    *cells;
	Step		root;
	bool		has_documents;	/* some column is the whole document */
	const bson_t *doc;			/* at hand, until the next is asked for */
	int			match;			/* HERE: questions it was returned for */
	bool		any;			/* a document came */
	bool		done;
	int64		requests_before;
	uint64		bytes_before;
} MongoScan;

/* ---- the tree of names --------------------------------------------------------------- */

static Step *
child_named(Step *node, const MongoPath *path, int part)
{
	Step	   *child;

	for (int i = 0; i < node->nchildren; i++)
		if (strcmp(node->children[i].name, path->parts[part]) == 0)
			return &node->children[i];
	node->children = node->children
		? repalloc(node->children, (node->nchildren + 1) * sizeof(Step)) : palloc(sizeof(Step));
	child = &node->children[node->nchildren++];
	memset(child, 0, sizeof(Step));
	child->name = path->parts[part];
	child->namelen = strlen(child->name);
	child->index = path->index[part];
	return child;
}

static void
add_to_tree(MongoScan *ms, int cell)
{
	const MongoPath *path = &mongo_column(ms->cell_columns[cell])->path;
	Step	   *node = &ms->root;

	for (int i = 0; i < path->nparts; i++)
		node = child_named(node, path, i);
	node->cells = node->cells
		? repalloc(node->cells, (node->ncells + 1) * sizeof(int)) : palloc(sizeof(int));
	node->cells[node->ncells++] = cell;
}

static void
make_tree(ChScan *scan, MongoScan *ms)
{
	ms->ncells = scan->grouped ? 0 : scan->ncolumns + ms->request.nverify;
	ms->cell_columns = palloc(Max(ms->ncells, 1) * sizeof(ChColumn *));
	ms->cells = palloc0(Max(ms->ncells, 1) * sizeof(ChValue));
	for (int i = 0; i < ms->ncells; i++)
	{
		ms->cell_columns[i] = i < scan->ncolumns ? scan->columns[i] : ms->request.verify[i - scan->ncolumns];
		if (ms->cell_columns[i]->kind == MONGO_DOCUMENT)
			ms->has_documents = true;
		else
			add_to_tree(ms, i);
	}
}

/* ---- one document ------------------------------------------------------------------------ */

static Step *
find_child(Step *node, const char *name)
{
	for (int n = 0, i = node->expected; n < node->nchildren; n++, i++)
	{
		if (i >= node->nchildren)
			i = 0;
		if (strcmp(node->children[i].name, name) == 0)
		{
			node->expected = i + 1;
			return &node->children[i];
		}
	}
	return NULL;
}

static Step *
find_position(Step *node, int position)
{
	for (int i = 0; i < node->nchildren; i++)
		if (node->children[i].index == position)
			return &node->children[i];
	return NULL;
}

static void walk(MongoScan *ms, Step *node, bson_iter_t *it, bool is_array);

static void
visit(MongoScan *ms, Step *node, const bson_iter_t *it)
{
	bson_iter_t inner;

	for (int i = 0; i < node->ncells; i++)
		mongo_decode_for(ms->cell_columns[node->cells[i]], it, &ms->cells[node->cells[i]]);
	if (node->nchildren > 0 && (BSON_ITER_HOLDS_DOCUMENT(it) || BSON_ITER_HOLDS_ARRAY(it)) &&
		bson_iter_recurse(it, &inner))
		walk(ms, node, &inner, BSON_ITER_HOLDS_ARRAY(it));
}

static void
walk(MongoScan *ms, Step *node, bson_iter_t *it, bool is_array)
{
	for (int position = 0; bson_iter_next(it); position++)
	{
		Step	   *child = is_array ? find_position(node, position) : find_child(node, bson_iter_key(it));

		if (child)
			visit(ms, child, it);
	}
}

static void
decode_whole(MongoScan *ms, const bson_t *doc)
{
	ChValue		whole;

	mongo_decode_bson(doc, &whole);
	for (int i = 0; i < ms->ncells; i++)
		if (ms->cell_columns[i]->kind == MONGO_DOCUMENT)
			ms->cells[i] = whole;
}

/* The columns' values in a document, in the memory context of the row. */
static void
fill_cells(MongoScan *ms, const bson_t *doc)
{
	bson_iter_t it;

	for (int i = 0; i < ms->ncells; i++)
		ms->cells[i].kind = CH_NULL;
	if (ms->ncells > 0 && bson_iter_init(&it, doc))
		walk(ms, &ms->root, &it, false);
	if (ms->has_documents)
		decode_whole(ms, doc);
}

/* The row of the cells. */
static void
return_cells(ChScan *scan, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;
	Datum		unused;

	for (int i = 0; i < scan->ncolumns; i++)
		ch_set_column(scan, i, &ms->cells[i], values, nulls);
	/* read for its error only */
	for (int i = scan->ncolumns; i < ms->ncells; i++)
		(void) ch_value_to_datum(ms->cell_columns[i], &ms->cells[i], &unused);
}

static void
return_row(ChScan *scan, const bson_t *doc, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;

	if (ms->request.groups)
	{
		mongo_groups_row(scan, ms->request.groups, doc, values, nulls);
		return;
	}
	fill_cells(ms, doc);
	return_cells(scan, values, nulls);
}

/* ---- rows of several questions ------------------------------------------------------------- */

/* A column of the document at hand, as PostgreSQL sees it. */
static bool
row_value(void *row, ChColumn *col, ChValue *v)
{
	MongoScan  *ms = row;
	Datum		d;

	for (int i = 0; i < ms->ncells; i++)
		if (ms->cell_columns[i] == col)
			return ch_value_to_datum(col, &ms->cells[i], &d) && ch_datum_to_value(d, col->basetype, v);
	elog(ERROR, "column \"%s\" was not fetched", col->name);
}

/* HERE: which questions' row is it?  Values are not counted as mismatches twice. */
static void
match_row(ChScan *scan)
{
	MongoScan  *ms = scan->state;
	int64		mismatches = scan->table->mismatches;

	fill_cells(ms, ms->doc);
	mongo_sets_match(scan, ms->request.sets, row_value, ms);
	scan->table->mismatches = mismatches;
	ms->match = 0;
}

/* The document is of a further question; false: of no further one. */
static bool
next_match(ChScan *scan, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;
	const MongoSets *sets = ms->request.sets;

	if (ms->doc == NULL || ms->match >= sets->nmatches)
		return false;
	/* the values of the last return were of another row's memory */
	if (ms->match > 0)
		fill_cells(ms, ms->doc);
	scan->current_set = sets->matches[ms->match++];
	return_cells(scan, values, nulls);
	return true;
}

/* {"i": question, "r": row}; false if the question does not want it. */
static bool
return_numbered(ChScan *scan, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;
	MongoSets  *sets = ms->request.sets;
	bson_iter_t it;
	bson_t		row;
	const uint8_t *data;
	uint32_t	len;
	int			s;

	if (!bson_iter_init_find(&it, ms->doc, "i") || !BSON_ITER_HOLDS_NUMBER(&it))
		elog(ERROR, "a document of several questions has no number");
	s = (int) bson_iter_as_int64(&it);
	if (s < 0 || s >= scan->nsets || !bson_iter_init_find(&it, ms->doc, "r") || !BSON_ITER_HOLDS_DOCUMENT(&it))
		elog(ERROR, "a document of several questions has no row of any");
	if (sets->skip[s] > 0)
	{
		sets->skip[s]--;
		return false;
	}
	if (sets->take[s] == 0)
		return false;
	if (sets->take[s] > 0)
		sets->take[s]--;
	bson_iter_document(&it, &len, &data);
	bson_init_static(&row, data, len);
	scan->current_set = s;
	return_row(scan, &row, values, nulls);
	return true;
}

/* The next row in the document at hand; false: another is needed. */
static bool
return_from(ChScan *scan, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;

	if (ms->request.sets && ms->request.sets->form != MONGO_SETS_HERE)
		return return_numbered(scan, values, nulls);
	if (ms->request.sets)
	{
		match_row(scan);
		return next_match(scan, values, nulls);
	}
	return_row(scan, ms->doc, values, nulls);
	return true;
}

/* ---- a run ----------------------------------------------------------------------------------- */

/*
 * The store gives up when we do.  A request whose limit makes it one batch has
 * our own patience; a longer scan, sorted or not, counts the time of all its
 * batches, so it has the statement's, or an hour.
 */
static int64
max_time(const ChScan *scan)
{
	int64		longest = StatementTimeout > 0 ? StatementTimeout : LONGEST_SCAN;

	if (scan->nsets == 0 && scan->limit > 0 && scan->limit <= scan->table->fetch_size)
		return scan->conn->request_timeout;
	return Max(longest, scan->conn->request_timeout);
}

static int
batch_size(const ChScan *scan)
{
	int			size = scan->table->fetch_size;

	return scan->nsets == 0 && scan->limit > 0 && scan->limit < size ? (int) scan->limit : size;
}

/* {"find": collection, "filter": ...} or {"aggregate": collection, "pipeline": ..., "cursor": ...} */
static void
append_request(const ChScan *scan, bson_t *command)
{
	const MongoRequest *request = &((MongoScan *) scan->state)->request;
	const char *collection = mongo_table(scan->table)->collection;
	bson_t		cursor;

	bson_append_utf8(command, request->aggregate ? "aggregate" : "find", -1, collection, -1);
	if (request->aggregate)
	{
		bson_concat(command, request->query);
		bson_append_document_begin(command, "cursor", -1, &cursor);
		bson_append_int32(&cursor, "batchSize", -1, batch_size(scan));
		bson_append_document_end(command, &cursor);
	}
	else
	{
		bson_append_document(command, "filter", -1, request->query);
		bson_append_int32(command, "batchSize", -1, batch_size(scan));
	}
	bson_concat(command, request->opts);
	bson_append_int64(command, "maxTimeMS", -1, max_time(scan));
	if (request->aggregate || scan->nsort > 0)
		bson_append_bool(command, "allowDiskUse", -1, true);
}

/* Ask what the request says. */
static void
open_cursor(ChScan *scan)
{
	const MongoTable *mt = mongo_table(scan->table);
	MongoScan  *ms = scan->state;
	bson_t	   *command = bson_new();

	append_request(scan, command);
	PG_TRY();
	{
		mongo_cursor_open(&ms->cursor, ms->mc, mt->database, mt->collection, command, batch_size(scan));
	}
	PG_FINALLY();
	{
		bson_destroy(command);
	}
	PG_END_TRY();
}

/*
 * An empty answer may mean that there is no such collection: the store does
 * not say.  One more request finds out, once for a connection.
 */
static void
check_collection(ChScan *scan, const ChTable *table, const MongoTable *mt)
{
	if (mongo_collection_exists(scan->conn, mt->database, mt->collection))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
			 errmsg("collection \"%s\" of foreign table %s does not exist", mt->collection, table->name),
			 errdetail("Database \"%s\" of server \"%s\" has no collection or view of that name.",
					   mt->database, scan->conn->server_name),
			 errhint("Check the options database and collection of the foreign table.")));
}

/*
 * What is looked up in a collection that is not there is not found, without a
 * word.  A row of an inner or semi join proves that it is there.
 */
static void
check_joined(ChScan *scan, bool proved_by_row)
{
	for (int i = 0; i < scan->njoins; i++)
		if ((scan->joins[i].type == JOIN_INNER || scan->joins[i].type == JOIN_SEMI) == proved_by_row)
			check_collection(scan, scan->joins[i].table, &mongo_table(scan->table)[i + 1]);
}

void
mongo_send(ChScan *scan)
{
	MongoConn  *mc = scan->conn->handle;
	MongoScan  *ms = palloc0(sizeof(MongoScan));

	scan->state = ms;
	ms->mc = mc;
	ms->requests_before = mc->requests;
	ms->bytes_before = mc->bytes;
	mongo_compile(scan, &ms->request);
	make_tree(scan, ms);
	ms->done = ms->request.nothing;
	if (ms->done)
		return;
	/* before the query is under way in the same connection */
	check_joined(scan, false);
	open_cursor(scan);
}

static void
count_traffic(ChScan *scan)
{
	MongoScan  *ms = scan->state;

	scan->requests += ms->mc->requests - ms->requests_before;
	scan->bytes += ms->mc->bytes - ms->bytes_before;
	ms->requests_before = ms->mc->requests;
	ms->bytes_before = ms->mc->bytes;
}

/* The answer is complete: ask on, if several questions took more than one request. */
static void
ask_on(ChScan *scan)
{
	MongoScan  *ms = scan->state;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

	mongo_next_request(scan, &ms->request);
	ms->done = ms->request.nothing;
	if (!ms->done)
		open_cursor(scan);
	MemoryContextSwitchTo(old);
}

/* The next document; false if the request has none any more, or if there would be a wait. */
static bool
next_document(ChScan *scan)
{
	MongoScan  *ms = scan->state;

	ms->doc = mongo_cursor_next(&ms->cursor, scan->nowait ? &scan->wait : NULL);
	if (ms->doc)
		ms->any = true;
	if (ms->mc->requests != ms->requests_before || ms->mc->bytes != ms->bytes_before)
		count_traffic(scan);
	return ms->doc != NULL;
}

bool
mongo_next(ChScan *scan, Datum *values, bool *nulls)
{
	MongoScan  *ms = scan->state;
	bool		asked = !ms->done;

	if (ms->request.sets && next_match(scan, values, nulls))
		return true;
	while (!ms->done)
	{
		CHECK_FOR_INTERRUPTS();
		if (!next_document(scan))
		{
			if (ch_would_wait(scan))
				return false;
			ask_on(scan);
		}
		else if (return_from(scan, values, nulls))
			return true;
	}
	if (asked && !ms->any)
	{
		check_collection(scan, scan->njoins > 0 ? scan->table->members[0] : scan->table, mongo_table(scan->table));
		check_joined(scan, true);
		count_traffic(scan);
	}
	return false;
}

/* After an error the store is told to forget the cursor all the same. */
bool
mongo_close(ChScan *scan, bool failed)
{
	MongoScan  *ms = scan->state;
	bool		closed;

	if (ms == NULL)
		return !failed;
	closed = mongo_cursor_close(&ms->cursor, failed);
	mongo_forget_reply(ms->mc);
	mongo_request_free(&ms->request);
	if (failed || !closed || ms->mc->fail.kind != CH_FAIL_NONE)
		ms->mc->dead = true;
	return !ms->mc->dead;
}
