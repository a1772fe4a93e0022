/*
 * apply.c
 *	  How are batches sent, and what do their answers say?
 *
 * Always in a transaction: that of core, or one of our own.  A few statements
 * are under way at once; each is answered by RUN's summary, perhaps a record
 * with the numbers that modify.c has it return, and PULL's summary.  When the
 * numbers are not as they must be, further queries find the record at fault, for
 * an error that names it.
 */
#include "postgres.h"

#include "fdw/neo4j/neo4j.h"

#define MOST_UNDER_WAY	3

/* A statement whose answer is to come. */
typedef struct Sent
{
	const ChWrite *w;
	int64	   *affected;
	int			batch;			/* its number */
	size_t		at;				/* of its first record */
	int			n;				/* records */
	uint32		ends;
} Sent;

typedef struct Applying
{
	ChConn	   *conn;
	BoltClient *bolt;
	ChBatches  *batches;
	int			batch;			/* number of the current one */
	Sent		sent[MOST_UNDER_WAY];
	int			nsent;
	StringInfoData params;
} Applying;

/* What an answer says. */
typedef struct Answer
{
	ChValue		row;			/* CH_LIST, or CH_NULL */
	int64		created;		/* nodes, or relationships */
} Answer;

/* ---- transactions -------------------------------------------------------------------- */

void
neo4j_begin_remote(ChConn *conn)
{
	Neo4jConn  *n = conn->handle;
	ChFailure	fail = {0};

	/* a failure that is read from now on is of the transaction */
	if (!neo4j_bolt_settle(n->bolt, &fail))
		ch_failure_raise(conn, &fail);
	neo4j_bolt_begin(n->bolt, n->database);
}

void
neo4j_commit_remote(ChConn *conn)
{
	BoltClient *bolt = ((Neo4jConn *) conn->handle)->bolt;
	PackReader	body;
	ChFailure	fail = {0};

	if (!neo4j_bolt_settle(bolt, &fail))
		ch_failure_raise(conn, &fail);
	conn->unsure = true;
	if (!neo4j_bolt_commit(bolt, &fail))
		ch_failure_raise(conn, &fail);
	switch (neo4j_bolt_next(bolt, &body, &fail))
	{
		case BOLT_SUCCESS:
			conn->unsure = false;
			return;
		case BOLT_FAILURE:
		case BOLT_IGNORED:
			/* an error of the database itself may come after it has committed */
			conn->unsure = strncmp(bolt->code, "Neo.DatabaseError.", 18) == 0;
			neo4j_raise(conn);
			break;
		case BOLT_RECORD:
			ch_fail(&fail, CH_FAIL_PROTOCOL, "Bolt: COMMIT was answered by a record");
			/* FALLTHROUGH */
		case BOLT_BROKEN:
			ch_failure_raise(conn, &fail);
	}
}

bool
neo4j_abort_remote(ChConn *conn)
{
	return neo4j_bolt_abandon(((Neo4jConn *) conn->handle)->bolt);
}

/* ---- answers ----------------------------------------------------------------------------- */

static int64
created(const ChValue *summary, Neo4jForm form)
{
	const ChValue *n = neo4j_member(neo4j_member(summary, "stats"), form == NEO4J_NODES ? "nodes-created" : "relationships-created");

	return n && n->kind == CH_INT ? n->u.i : 0;
}

/* Read one statement's answer.  False, if the server refused it. */
static bool
read_answer(Applying *a, Neo4jForm form, Answer *answer)
{
	PackReader	body;
	ChFailure	fail = {0};
	int			summaries = 0;
	ChValue		summary;

	memset(answer, 0, sizeof(*answer));
	while (summaries < 2)
		switch (neo4j_bolt_next(a->bolt, &body, &fail))
		{
			case BOLT_RECORD:
				if (!neo4j_unpack(&body, &answer->row) || answer->row.kind != CH_LIST)
					neo4j_raise_protocol(a->conn, "a record is no list");
				break;
			case BOLT_SUCCESS:
				if (++summaries < 2)
					break;
				if (!neo4j_unpack(&body, &summary))
					neo4j_raise_protocol(a->conn, body.error);
				answer->created = created(&summary, form);
				break;
			case BOLT_FAILURE:
			case BOLT_IGNORED:
				return false;
			case BOLT_BROKEN:
				ch_failure_raise(a->conn, &fail);
				break;
		}
	return true;
}

static int64
number(const Answer *answer, int i)
{
	const ChValue *row = &answer->row;

	return row->kind == CH_LIST && i < row->u.list.n && row->u.list.items[i].kind == CH_INT ? row->u.list.items[i].u.i : -1;
}

/* ---- records as a parameter ------------------------------------------------------------------ */

static uint32
ends_of(const char *record)
{
	uint32		ends;

	memcpy(&ends, record, sizeof(ends));
	return ends;
}

/* The records from at on that one statement takes; returns where the next begins. */
static size_t
measure(const ChBatch *batch, size_t at, Sent *sent)
{
	size_t		next = at;
	size_t		end = at;
	const char *record;
	uint32		len;

	sent->at = at;
	sent->n = 0;
	while (ch_next_record(batch, &next, &record, &len))
	{
		if (sent->n > 0 && ends_of(record) != sent->ends)
			break;
		sent->ends = ends_of(record);
		sent->n++;
		end = next;
	}
	return end;
}

/* $rows: a list of them */
static void
pack_rows(Applying *a, const ChBatch *batch, const Sent *sent)
{
	size_t		at = sent->at;
	const char *record;
	uint32		len;

	resetStringInfo(&a->params);
	neo4j_pack_text(&a->params, "rows");
	neo4j_pack_list(&a->params, sent->n);
	for (int i = 0; i < sent->n && ch_next_record(batch, &at, &record, &len); i++)
		appendBinaryStringInfo(&a->params, record + sizeof(uint32), len - sizeof(uint32));
}

/* ---- errors that name a record ------------------------------------------------------------------- */

/* The batch with this number again; those that follow are not looked at any more. */
static const ChBatch *
batch_again(Applying *a, int number)
{
	const ChBatch *batch = NULL;

	ch_rewind_batches(a->batches);
	for (int i = 0; i <= number; i++)
		batch = ch_next_batch(a->batches);
	return batch;
}

/* The record that a query finds, unpacked, and the number that it returns with it; or NULL. */
static const ChValue *
find_record(Applying *a, const Sent *sent, const char *text, int64 *count)
{
	const ChBatch *batch = batch_again(a, sent->batch);
	BoltQuery	query = {
		.text = text,.nparams = 1,.params = &a->params,.pull = 1,.database = ((Neo4jConn *) a->conn->handle)->database
	};
	ChFailure	fail = {0};
	Answer		answer;
	size_t		at = sent->at;
	const char *record = NULL;
	uint32		len = 0;
	PackReader	reader = {0};
	ChValue    *value = palloc(sizeof(ChValue));

	pack_rows(a, batch, sent);
	if (!neo4j_bolt_run(a->bolt, &query, &fail))
		ch_failure_raise(a->conn, &fail);
	if (!read_answer(a, NEO4J_NODES, &answer) || number(&answer, 0) < 0)
		return NULL;
	*count = number(&answer, 1);
	for (int64 i = 0; i <= number(&answer, 0); i++)
		if (!ch_next_record(batch, &at, &record, &len))
			return NULL;
	reader.at = (const uint8 *) record + sizeof(uint32);
	reader.end = (const uint8 *) record + len;
	return neo4j_unpack(&reader, value) ? value : NULL;
}

/* A node that is not there, or more than one. */
static void
raise_end(Applying *a, const Sent *sent, Neo4jKind end)
{
	const ChWrite *w = sent->w;
	int64		count;
	const ChValue *record = find_record(a, sent, neo4j_ends_text(w, sent->ends, end), &count);
	const char *name = end == NEO4J_START ? "start" : "end";
	const char *label = ch_opt_string(w->driver, w->table->options, end == NEO4J_START ? "start_label" : "end_label");

	if (record == NULL)
		return;
	if (count > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("relationship of foreign table %s has more than one %s node", w->table->name, name),
				 errdetail(INT64_FORMAT " nodes have the label \"%s\" and %s.", count, label, neo4j_sought(w, record, end)),
				 errhint("Give another column of kind %s that tells them apart.", name)));
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("relationship of foreign table %s has no %s node", w->table->name, name),
			 errdetail("No node has the label \"%s\" and %s.", label, neo4j_sought(w, record, end)),
			 errhint("INSERT the node before the relationship.")));
}

pg_noreturn static void
raise_ambiguous(Applying *a, const Sent *sent)
{
	const ChWrite *w = sent->w;
	int64		count;
	const ChValue *record = find_record(a, sent, neo4j_rows_text(w, sent->ends), &count);

	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("option key of foreign table %s does not say which row is meant", w->table->name),
			 record ? errdetail(INT64_FORMAT " rows have %s.", count, neo4j_sought(w, record, NEO4J_PROPERTY))
			 : errdetail("Several rows have the same key."),
			 errhint("Name columns whose values only one row has, and guard them by a constraint in Neo4j.")));
}

/*
 * A key that is in the store, or twice in the batch.  Only after the transaction
 * has ended the nodes that it made are not seen any more.
 */
pg_noreturn static void
raise_existing(Applying *a, const Sent *sent)
{
	const ChWrite *w = sent->w;
	int64		count;
	ChFailure	fail = {0};
	const ChValue *record = find_record(a, sent, neo4j_repeated_text(w), &count);

	if (record == NULL && !neo4j_bolt_reset(a->bolt, &fail))
		ch_failure_raise(a->conn, &fail);
	if (record == NULL)
		record = find_record(a, sent, neo4j_existing_text(w, sent->ends), &count);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("a row of foreign table %s exists already", w->table->name),
			 record ? errdetail("Its key is %s.", neo4j_sought(w, record, NEO4J_PROPERTY))
			 : errdetail("This transaction has written it before.")));
}

static void
check_answer(Applying *a, const Sent *sent, const Answer *answer)
{
	const Neo4jWrite *nw = sent->w->priv;
	int			checks = nw->checks;
	int64		rows = number(answer, 0);
	int64		records = number(answer, 1);
	bool		wrong = (checks & NEO4J_COUNTED) && (rows != records || rows < 0);
	bool		missing = (checks & NEO4J_EACH) && records != sent->n;
	bool		existing = (checks & NEO4J_CREATED) && answer->created != sent->n;
	ChFailure	fail = {0};

	if (!wrong && !missing && !existing)
		return;
	/* those under way are of no interest any more, unless Neo4j has refused one */
	if (!neo4j_bolt_settle(a->bolt, &fail))
		ch_failure_raise(a->conn, &fail);
	if (a->bolt->code[0] != '\0')
		neo4j_raise(a->conn);
	if (sent->w->verb == CH_INSERT && nw->form == NEO4J_RELATIONSHIPS)
	{
		raise_end(a, sent, NEO4J_START);
		raise_end(a, sent, NEO4J_END);
	}
	if (existing)
		raise_existing(a, sent);
	if (nw->key)
		raise_ambiguous(a, sent);
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("nodes of foreign table %s changed while they were looked for", sent->w->table->name),
			 errhint("Run the transaction again.")));
}

/* ---- sending -------------------------------------------------------------------------------------- */

/* Read the answer to the first statement that is under way. */
static void
take_answer(Applying *a)
{
	Sent		sent = a->sent[0];
	const Neo4jWrite *nw = sent.w->priv;
	Answer		answer;

	if (!read_answer(a, nw->form, &answer))
		neo4j_raise(a->conn);
	memmove(&a->sent[0], &a->sent[1], --a->nsent * sizeof(Sent));
	if (!sent.w->direct)
	{
		check_answer(a, &sent, &answer);
		return;
	}
	/* the numbers beside the counts are keys of groups to Cypher: no rows, no record */
	if (answer.row.kind == CH_NULL)
		return;
	if (number(&answer, 0) < 0)
		neo4j_raise_protocol(a->conn, "a count is no number");
	neo4j_check_direct(sent.w, &answer.row);
	*sent.affected += number(&answer, 0);
}

static void
send_statement(Applying *a, const Sent *sent, const char *text, int nparams, const StringInfoData *params)
{
	BoltQuery	query = {.text = text,.nparams = nparams,.params = params,.pull = 1};
	ChFailure	fail = {0};

	if (a->nsent == MOST_UNDER_WAY)
		take_answer(a);
	a->sent[a->nsent++] = *sent;
	if (!neo4j_bolt_run_next(a->bolt, &query, &fail))
		ch_failure_raise(a->conn, &fail);
}

static void
apply_rows(Applying *a, const ChBatch *batch)
{
	size_t		at = 0;

	while (at < batch->size)
	{
		Sent		sent = {.w = batch->write,.batch = a->batch};

		at = measure(batch, at, &sent);
		pack_rows(a, batch, &sent);
		send_statement(a, &sent, neo4j_statement(batch->write, sent.ends), 1, &a->params);
	}
}

static void
apply_direct(Applying *a, const ChBatch *batch)
{
	size_t		at = 0;
	const char *record;
	uint32		len;

	while (ch_next_record(batch, &at, &record, &len))
	{
		Sent		sent = {.w = batch->write,.batch = a->batch,.affected = batch->affected};
		Neo4jDirect direct;

		neo4j_decode_direct(record, len, &direct);
		send_statement(a, &sent, direct.text, direct.nparams, &direct.params);
	}
}

/* Some thousand rows at a time, so that none of the answers is late. */
static void
apply_truncate(Applying *a, const ChBatch *batch)
{
	BoltQuery	query = {.text = neo4j_statement(batch->write, 0),.pull = 1};
	ChFailure	fail = {0};
	Answer		answer;

	while (a->nsent > 0)
		take_answer(a);
	do
	{
		if (!neo4j_bolt_run_next(a->bolt, &query, &fail))
			ch_failure_raise(a->conn, &fail);
		if (!read_answer(a, NEO4J_NODES, &answer))
			neo4j_raise(a->conn);
		if (number(&answer, 0) < 0)
			neo4j_raise_protocol(a->conn, "a count is no number");
	} while (number(&answer, 0) > 0);
}

static void
apply_in_transaction(ChConn *conn, ChBatches *batches)
{
	Applying	a = {.conn = conn,.bolt = ((Neo4jConn *) conn->handle)->bolt,.batches = batches};
	const ChBatch *batch;
	ChFailure	fail = {0};

	initStringInfo(&a.params);
	if (!neo4j_bolt_settle(a.bolt, &fail))
		ch_failure_raise(conn, &fail);
	for (; (batch = ch_next_batch(batches)) != NULL; a.batch++)
	{
		if (batch->write->verb == CH_TRUNCATE)
			apply_truncate(&a, batch);
		else if (batch->write->direct)
			apply_direct(&a, batch);
		else
			apply_rows(&a, batch);
	}
	while (a.nsent > 0)
		take_answer(&a);
}

void
neo4j_apply(ChConn *conn, ChBatches *batches)
{
	if (conn->remote)
	{
		apply_in_transaction(conn, batches);
		return;
	}
	neo4j_begin_remote(conn);
	apply_in_transaction(conn, batches);
	neo4j_commit_remote(conn);
}
