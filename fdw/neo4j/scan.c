/*
 * scan.c
 *	  How do the rows of a query come in?
 *
 * RUN and the first PULL go out together; each PULL asks for one batch, and
 * the next is asked for when the summary of the last says that there is more.
 * Rows are decoded from the input buffer one by one, so the memory a scan
 * takes is that of the buffer, which holds a message or 64 kB.  A batch bounds
 * what the server has ready: never ask for all (n = -1), with wide rows a
 * server was seen to run out of memory.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "fdw/neo4j/neo4j.h"

/* Rows of the first batch, and the most that later ones grow to. */
#define FIRST_BATCH		1000
#define LARGEST_BATCH	5000
#define SMALLEST_BATCH	10
/* Bytes that a batch shall have. */
#define BATCH_BYTES		(1024 * 1024)

/* ChScan.state */
typedef struct Neo4jScan
{
	BoltClient *bolt;
	int64		batch;			/* rows to ask for at once */
	bool		adapt;			/* fetch_size is not given: fit the batch to the
								 * rows' width */
	int64		batch_rows;		/* of this batch so far */
	uint64		batch_start;	/* bytes received before it */
	uint64		counted;		/* bytes already in scan->bytes */
	bool		running;		/* RUN is answered */
	bool		finished;		/* nothing of the answer is missing */
	Neo4jForms	forms;			/* what is in a record */
	int64		empty_rows;		/* of these, still to be returned */
	int64		rows;
} Neo4jScan;

static void
count_bytes(ChScan *scan)
{
	Neo4jScan  *s = scan->state;
	uint64		now = ch_stream_bytes_in(s->bolt->stream);

	scan->bytes += now - s->counted;
	s->counted = now;
}

static void
choose_batch(Neo4jScan *s, const ChScan *scan)
{
	s->adapt = scan->table->fetch_size <= 0;
	s->batch = s->adapt ? FIRST_BATCH : scan->table->fetch_size;
	/* a LIMIT ends within one batch, if it is no larger than one */
	if (scan->limit > 0 && scan->limit < s->batch)
		s->batch = scan->limit;
}

void
neo4j_send(ChScan *scan)
{
	Neo4jConn  *conn = scan->conn->handle;
	Neo4jScan  *s = palloc0(sizeof(Neo4jScan));
	Neo4jText	q = {0};
	BoltQuery	query = {.database = conn->database};
	ChFailure	fail = {0};

	s->bolt = conn->bolt;
	s->counted = s->batch_start = ch_stream_bytes_in(s->bolt->stream);
	scan->state = s;
	choose_batch(s, scan);
	neo4j_compile(scan, &q, &s->forms);
	query.text = q.text.data;
	query.nparams = q.nparams;
	query.params = &q.params;
	query.pull = s->batch;
	if (conn->bolt->in_transaction && !scan->njoins && ((const Neo4jTable *) scan->table->priv)->form == NEO4J_RESULT)
		neo4j_check_reads(scan->conn, &query);
	scan->requests++;
	if (!neo4j_bolt_run(s->bolt, &query, &fail))
		ch_failure_raise(scan->conn, &fail);
}

/* ---- answers ----------------------------------------------------------------------- */

/* The string member of a notification, by its name before or since 5.6. */
static char *
words_of(const ChValue *notification, const char *key, const char *newer)
{
	const ChValue *v = neo4j_member(notification, newer);

	if (v == NULL)
		v = neo4j_member(notification, key);
	return v && v->kind == CH_STRING ? pnstrdup(v->u.s.data, v->u.s.len) : "";
}

pg_noreturn static void raise_unknown(const ChScan *scan, const char *option, const char *what, const char *words);

static void
raise_unknown(const ChScan *scan, const char *option, const char *what, const char *words)
{
	const char *name = ch_opt_string(scan->driver, scan->table->options, option);

	ereport(ERROR,
			(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
			 name ? errmsg("%s \"%s\" of foreign table %s does not exist", what, name, scan->table->name)
			 : errmsg("a %s of foreign table %s does not exist", what, scan->table->name),
			 errdetail("%s", ch_redact(scan->conn, words)),
			 errhint("Check the table's options label, relationship, start_label and end_label, and the server's dbname.")));
}

/*
 * Of a scan without rows: does the server know the label or type at all?  It
 * does not if there never was a node with it.  (A label that lost its last
 * node is known: that table is empty.)  Not for a Cypher text, whose author
 * may mean it so.
 */
static void
check_known_names(const ChScan *scan, const ChValue *summary)
{
	const Neo4jTable *t = scan->table->priv;
	const ChValue *list = neo4j_member(summary, "statuses");

	if (t->form == NEO4J_RESULT)
		return;
	if (list == NULL)
		list = neo4j_member(summary, "notifications");
	for (int i = 0; list && list->kind == CH_LIST && i < list->u.list.n; i++)
	{
		const ChValue *item = &list->u.list.items[i];
		const char *code = words_of(item, "code", "neo4j_code");
		const char *words = words_of(item, "description", "description");

		if (strstr(code, "UnknownRelationshipTypeWarning"))
			raise_unknown(scan, "relationship", "relationship type", words);
		if (strstr(code, "UnknownLabelWarning"))
			raise_unknown(scan, "label", "label", words);
	}
}

/* Wider rows in smaller batches; the first batch told their width. */
static void
adapt_batch(Neo4jScan *s)
{
	uint64		now = ch_stream_bytes_in(s->bolt->stream);
	int64		width;

	if (!s->adapt || s->batch_rows == 0)
		return;
	width = Max((now - s->batch_start) / s->batch_rows, 1);
	s->batch = Max(Min(BATCH_BYTES / width, LARGEST_BATCH), SMALLEST_BATCH);
}

/* SUCCESS: of RUN first, then of each PULL. */
static void
take_success(ChScan *scan, PackReader *body)
{
	Neo4jScan  *s = scan->state;
	ChValue		summary;
	const ChValue *more;
	ChFailure	fail = {0};

	if (!s->running)
	{
		s->running = true;
		return;
	}
	if (!neo4j_unpack(body, &summary))
		neo4j_raise_protocol(scan->conn, body->error);
	count_bytes(scan);
	more = neo4j_member(&summary, "has_more");
	if (more && more->kind == CH_BOOL && more->u.b)
	{
		adapt_batch(s);
		s->batch_rows = 0;
		s->batch_start = s->counted;
		scan->requests++;
		if (!neo4j_bolt_pull(s->bolt, s->batch, &fail))
			ch_failure_raise(scan->conn, &fail);
		return;
	}
	s->finished = true;
	/* a group without keys is a row, whatever there is */
	if (s->rows == 0 || scan->grouped)
		check_known_names(scan, &summary);
}

/* A record of the number of rows. */
static void
take_count(ChScan *scan, PackReader *body)
{
	Neo4jScan  *s = scan->state;
	uint32		n;
	ChValue		v;

	if (!neo4j_unpack_list(body, &n) || n != 1 || !neo4j_unpack(body, &v) || v.kind != CH_INT)
		neo4j_raise_protocol(scan->conn, "a count is no number");
	s->empty_rows = v.u.i;
	s->rows = v.u.i;
}

/*
 * A time of day with an offset comes as text, for timetz to parse.  To a text
 * column it is as foreign as other times: conditions in the store have it so.
 */
static inline void
refuse_as_text(const ChColumn *col, ChValue *v)
{
	if (v->remote_type != neo4j_zoned_time ||
		(!ch_is_text(col->basetype) && col->basetype != BPCHAROID))
		return;
	v->kind = CH_MAP;
	v->u.map.n = 0;
}

static void
unpack(const ChScan *scan, PackReader *body, ChValue *v)
{
	if (!neo4j_unpack(body, v))
		neo4j_raise_protocol(scan->conn, body->error);
}

/* A sum of bigints comes as the sums of x / 2^32 and of x % 2^32. */
static ChValue
whole_sum(int64 high, int64 low)
{
	Datum		upper = DirectFunctionCall2(numeric_mul, NumericGetDatum(int64_to_numeric(high)),
											NumericGetDatum(int64_to_numeric(INT64CONST(4294967296))));
	ChValue		v;

	(void) ch_datum_to_value(DirectFunctionCall2(numeric_add, upper, NumericGetDatum(int64_to_numeric(low))), NUMERICOID, &v);
	return v;
}

/* A sum of floats comes with the number of those that are infinite. */
static ChValue
float_sum(double sum, int64 infinite)
{
	ChValue		v = {.kind = CH_FLOAT};

	if (isinf(sum) && infinite == 0)
		float_overflow_error();
	v.u.f = sum;
	return v;
}

static void
finish_sum(const ChScan *scan, Oid type, ChValue *v)
{
	const ChValue *parts = v->u.list.items;

	if (v->kind != CH_LIST)
		return;
	if (v->u.list.n != 2 || parts[1].kind != CH_INT)
		neo4j_raise_protocol(scan->conn, "a sum has another form than was asked for");
	if (parts[0].kind == CH_FLOAT)
		*v = float_sum(parts[0].u.f, parts[1].u.i);
	else if (parts[0].kind == CH_INT && type == NUMERICOID)
		*v = whole_sum(parts[0].u.i, parts[1].u.i);
}

/* One of the values that a column does not hold: the error is that of a row. */
static void
refuse_misfits(ChScan *scan, PackReader *body)
{
	Neo4jScan  *s = scan->state;
	ListCell   *lc;

	foreach(lc, s->forms.checked)
	{
		ChValue		v;
		Datum		unused;

		unpack(scan, body, &v);
		refuse_as_text(lfirst(lc), &v);
		(void) ch_value_to_datum(lfirst(lc), &v, &unused);
	}
}

static void
take_row(ChScan *scan, PackReader *body, Datum *values, bool *nulls)
{
	Neo4jScan  *s = scan->state;
	uint32		n;
	ChValue		v;
	int			expected = scan->ncolumns + list_length(s->forms.checked);

	if (!neo4j_unpack_list(body, &n))
		neo4j_raise_protocol(scan->conn, body->error);
	if (s->forms.numbered)
	{
		expected = Max(expected, 1) + 1;
		unpack(scan, body, &v);
		if (v.kind != CH_INT || v.u.i < 0 || v.u.i >= scan->nsets)
			neo4j_raise_protocol(scan->conn, "a record belongs to no question that was asked");
		scan->current_set = (int) v.u.i;
	}
	if (n != expected)
		neo4j_raise_protocol(scan->conn, "a record has another number of values than was asked for");
	for (int i = 0; i < scan->ncolumns; i++)
	{
		unpack(scan, body, &v);
		if (scan->grouped && scan->targets[i].agg == CH_AGG_SUM)
			finish_sum(scan, scan->columns[i]->basetype, &v);
		if (scan->grouped && scan->targets[i].agg == CH_AGG_KEY && v.kind == CH_MAP)
			v = (ChValue){.kind = CH_FLOAT, .u.f = get_float8_nan()};
		refuse_as_text(scan->columns[i], &v);
		ch_set_column(scan, i, &v, values, nulls);
	}
	refuse_misfits(scan, body);
}

bool
neo4j_next(ChScan *scan, Datum *values, bool *nulls)
{
	Neo4jScan  *s = scan->state;

	s->bolt->nowait = scan->nowait;
	for (;;)
	{
		PackReader	body;
		ChFailure	fail = {0};

		/* a count is given out when its answer is complete */
		if (s->finished)
			return s->empty_rows-- > 0;
		switch (neo4j_bolt_next(s->bolt, &body, &fail))
		{
			case BOLT_RECORD:
				if (s->forms.count)
				{
					take_count(scan, &body);
					break;
				}
				s->rows++;
				s->batch_rows++;
				take_row(scan, &body, values, nulls);
				return true;
			case BOLT_SUCCESS:
				take_success(scan, &body);
				break;
			case BOLT_FAILURE:
				count_bytes(scan);
				neo4j_raise(scan->conn);
				break;
			case BOLT_IGNORED:
				if (s->bolt->in_transaction)	/* what was before it failed */
					neo4j_raise(scan->conn);
				neo4j_raise_protocol(scan->conn, "a request was ignored");
				break;
			case BOLT_BROKEN:
				if (fail.kind != CH_FAIL_AGAIN)
					ch_failure_raise(scan->conn, &fail);
				scan->wait = ch_stream_wait(s->bolt->stream);
				return false;
		}
	}
}

/*
 * A scan that ends early leaves rows behind.  RESET stops the server's work on
 * them at once (a closed socket does after a second or more); what it still
 * sends is skipped before the next answer.  In a transaction, which RESET would
 * end, the next query sees to what was left (neo4j_bolt_settle).  After an error
 * the connection goes, but the server is told all the same.
 */
bool
neo4j_close(ChScan *scan, bool failed)
{
	Neo4jScan  *s = scan->state;
	Neo4jConn  *conn = scan->conn ? scan->conn->handle : NULL;
	bool		told;

	if (conn == NULL || conn->bolt == NULL)
		return false;
	conn->bolt->nowait = false;
	if (s == NULL)
		return !failed && conn->bolt->owed == 0;
	count_bytes(scan);
	if ((s->finished || conn->bolt->in_transaction) && !failed)
		return true;
	if (s->finished)
		return false;
	told = neo4j_bolt_abandon(conn->bolt);
	return told && !failed;
}
