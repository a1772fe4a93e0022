/*
 * scan.c
 *	  Run a remote query and hand out its rows.
 *
 * InfluxDB has no schema to hold a foreign table against, and it answers
 * questions about what is not there with no rows, or takes a tag for a field.
 * So the first scan of a table asks, in the same request and before the query
 * itself, which fields and tags the measurement has, and raises an error where
 * the foreign table says otherwise.  The session remembers that it has looked,
 * for a minute.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fdw/influxdb/influxdb.h"

/* Rows of a chunk; more gain nothing, and 2.x needs memory for a chunk. */
#define CHUNK_SIZE		10000

/* As much of an answer of groups is read as it comes; the rest is waited for. */
#define GROUPS_BYTES	(64 * 1024)

/* How long what was seen of a measurement is trusted. */
#define CHECK_SECONDS	60

/* What the measurement has; the first two statements' answers. */
typedef enum Question
{
	FIELD_KEYS,
	TAG_KEYS,
	QUERY
} Question;

/* One entry of InfluxConn.checked */
typedef struct InfluxChecked
{
	Oid			relid;
	TimestampTz until;
	int			natts;
	uint8	   *types;			/* by attribute - 1: INFLUX_FLOAT and so on */
} InfluxChecked;

/* A field that the store knows. */
typedef struct InfluxField
{
	const char *name;
	int			types;
} InfluxField;

/* A statement of a question; a grouped one has several. */
typedef struct InfluxStatement
{
	int			set;			/* 0, if there are no sets */
	int			part;
} InfluxStatement;

typedef struct InfluxScan
{
	InfluxQuery query;			/* of the last question; all have the same columns */
	InfluxGroups *groups;		/* of a grouped scan: of each question */
	struct InfluxFold *fold;
	const InfluxChecked *seen;	/* of the measurement, or NULL: not yet */
	InfluxAnswer *answer;
	int			first;			/* number of the first of statements in the answer */
	int			nstatements;
	InfluxStatement *statements;
	bool		rows;			/* of a grouped scan: rows are asked for */
	bool		checking;		/* the keys come before the rows */
	bool		folding;		/* of a grouped scan: its answer was waited for */
	List	   *fields;			/* InfluxField */
	List	   *tags;			/* char * */
	uint64		counted;		/* bytes that scan->bytes has */
} InfluxScan;

/* ---- the check --------------------------------------------------------- */

static InfluxChecked *
find_checked(InfluxConn *c, Oid relid)
{
	ListCell   *lc;

	foreach(lc, c->checked)
	{
		InfluxChecked *seen = lfirst(lc);

		if (seen->relid == relid)
			return seen;
	}
	return NULL;
}

static bool
has_name(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

static bool
must_check(const InfluxChecked *seen)
{
	return seen == NULL || GetCurrentTimestamp() > seen->until;
}

static InfluxField *
find_field(List *fields, const char *name)
{
	ListCell   *lc;

	foreach(lc, fields)
	{
		InfluxField *field = lfirst(lc);

		if (strcmp(field->name, name) == 0)
			return field;
	}
	return NULL;
}

/* The types that a column's values come in. */
static int
types_of(const InfluxScan *state, const ChColumn *col)
{
	const char *type = ch_opt_string(col->table->driver, col->options, "field_type");
	const InfluxField *field = find_field(state->fields, col->remote);

	if (type)
		return influx_type_bit(type, strlen(type));
	return field ? field->types : 0;
}

/* Are a field's values floats, all of them? */
static bool
is_float(const InfluxChecked *seen, const ChColumn *col)
{
	return col->attno <= seen->natts && seen->types[col->attno - 1] == INFLUX_FLOAT;
}

static InfluxChecked *
note_checked(const ChScan *scan)
{
	InfluxConn *c = scan->conn->handle;
	InfluxScan  *state = scan->state;
	InfluxChecked *seen = find_checked(c, scan->table->relid);
	MemoryContext old = MemoryContextSwitchTo(scan->conn->cxt);

	if (seen == NULL)
	{
		seen = palloc0(sizeof(InfluxChecked));
		seen->relid = scan->table->relid;
		c->checked = lappend(c->checked, seen);
	}
	seen->until = GetCurrentTimestamp() + CHECK_SECONDS * USECS_PER_SEC;
	if (seen->types == NULL)
		seen->types = palloc(scan->table->natts);
	else if (seen->natts < scan->table->natts)
		seen->types = repalloc(seen->types, scan->table->natts);
	seen->natts = scan->table->natts;
	memset(seen->types, 0, seen->natts);
	for (int i = 0; i < seen->natts; i++)
	{
		ChColumn   *col = scan->table->columns[i];

		if (col && col->kind == INFLUX_FIELD)
			seen->types[i] = types_of(state, col);
	}
	MemoryContextSwitchTo(old);
	return seen;
}

/*
 * InfluxDB compares a float with an integer as floats, which beyond 2^53 takes
 * neighbours for equal.
 */
static void
refuse_inexact(const InfluxChecked *seen, const ChCond *cond)
{
	const int64 limit = INT64CONST(1) << 53;

	if (cond == NULL)
		return;
	for (int i = 0; i < cond->nargs; i++)
		refuse_inexact(seen, cond->args[i]);
	if (cond->col == NULL || cond->col->basetype != INT8OID || !is_float(seen, cond->col))
		return;
	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind == CH_INT && (cond->values[i].u.i > limit || cond->values[i].u.i < -limit))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
					 errmsg("column \"%s\" of foreign table %s is a float in InfluxDB", cond->col->name, cond->col->table->name),
					 errdetail("Floats cannot be compared with " INT64_FORMAT " exactly.", cond->values[i].u.i),
					 errhint("Declare the column as double precision.")));
}

/* The conditions of the questions and of aggregates. */
static void
refuse_inexact_filters(const ChScan *scan, const InfluxChecked *seen)
{
	if (scan->nsets == 0)
		refuse_inexact(seen, scan->filter);
	for (int i = 0; i < scan->nsets; i++)
		refuse_inexact(seen, scan->sets[i].filter);
	for (int i = 0; i < scan->ncolumns && scan->grouped; i++)
		refuse_inexact(seen, scan->targets[i].filter);
}

/*
 * May a field's values be other than its column says, so that the store adds
 * up and counts otherwise than PostgreSQL would?
 */
static bool
must_fold(const ChScan *scan, const InfluxChecked *seen)
{
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChColumn *col = scan->targets[i].col;

		if (scan->targets[i].agg != CH_AGG_KEY && col && col->kind == INFLUX_FIELD && col->attno <= seen->natts &&
			!influx_type_fits(col, seen->types[col->attno - 1]))
			return true;
	}
	return false;
}

/* SHOW FIELD KEYS FROM m; SHOW TAG KEYS FROM m; */
static void
append_questions(const ChScan *scan, StringInfo buf)
{
	appendStringInfoString(buf, "SHOW FIELD KEYS FROM ");
	influx_append_measurement(buf, scan->table);
	appendStringInfoString(buf, "; SHOW TAG KEYS FROM ");
	influx_append_measurement(buf, scan->table);
	appendStringInfoString(buf, "; ");
}

static void
note_key(InfluxScan *state, const InfluxAnswer *a)
{
	const ChValue *v = &a->values[0];
	InfluxField *field;
	char	   *name;

	if (a->ncolumns < 1 || v->kind != CH_STRING)
		return;
	name = pnstrdup(v->u.s.data, v->u.s.len);
	name = pg_any_to_server(name, v->u.s.len, PG_UTF8);
	if (a->statement == TAG_KEYS)
	{
		state->tags = lappend(state->tags, name);
		return;
	}
	field = find_field(state->fields, name);
	if (field == NULL)
	{
		field = palloc0(sizeof(InfluxField));
		field->name = name;
		state->fields = lappend(state->fields, field);
	}
	if (a->ncolumns > 1 && a->values[1].kind == CH_STRING)
		field->types |= influx_type_bit(a->values[1].u.s.data, a->values[1].u.s.len);
}

static void
no_measurement(const ChScan *scan)
{
	const InfluxTable *t = scan->table->priv;

	ereport(ERROR,
			(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
			 errmsg("measurement \"%s\" of foreign table %s is not there", t->measurement, scan->table->name),
			 errdetail("Database \"%s\" of server \"%s\" has no such measurement%s%s%s.",
					   ch_conn_server_opt(scan->conn, "dbname"), scan->conn->server_name,
					   t->policy ? " in retention policy \"" : "", t->policy ? t->policy : "", t->policy ? "\"" : ""),
			 errhint("Correct the option measurement with ALTER FOREIGN TABLE, or write the first point.")));
}

static void
wrong_kind(const ChColumn *col, const char *is)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
			 errmsg("column \"%s\" of foreign table %s is a %s in InfluxDB", col->name, col->table->name, is),
			 errhint("ALTER FOREIGN TABLE %s ALTER COLUMN %s OPTIONS (%s kind '%s').", col->table->name,
					 quote_identifier(col->name), ch_opt_given(col->options, "kind") ? "SET" : "ADD", is)));
}

/* A name that the store does not know yet is no mistake: points may bring it. */
static void
check_columns(ChScan *scan)
{
	InfluxScan  *state = scan->state;

	if (state->fields == NIL)
		no_measurement(scan);
	for (int i = 0; i < scan->table->natts; i++)
	{
		ChColumn   *col = scan->table->columns[i];

		if (col == NULL)
			continue;
		if (col->kind == INFLUX_FIELD && !find_field(state->fields, col->remote) && has_name(state->tags, col->remote))
			wrong_kind(col, "tag");
		if (col->kind == INFLUX_TAG && !has_name(state->tags, col->remote) && find_field(state->fields, col->remote))
			wrong_kind(col, "field");
	}
	state->checking = false;
	state->seen = note_checked(scan);
	refuse_inexact_filters(scan, state->seen);
}

/* ---- the scan ---------------------------------------------------------- */

/* The statements of one question; none if no point can match. */
static void
append_question(ChScan *scan, StringInfo text, int set)
{
	InfluxScan *state = scan->state;
	InfluxGroups *g = scan->grouped ? &state->groups[set] : NULL;
	int			n;

	if (scan->grouped)
		influx_compile_groups(scan, state->rows, g);
	else
		influx_compile(scan, &state->query);
	n = g ? g->nasked : state->query.never ? 0 : 1;
	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		InfluxStatement *statement = &state->statements[state->nstatements++];

		statement->set = set;
		statement->part = g ? g->asked[i] : 0;
	}
	if (text->len > 0)
		appendStringInfoString(text, "; ");
	appendStringInfoString(text, g ? g->text.data : state->query.text.data);
}

static void
append_query(ChScan *scan, StringInfo text)
{
	InfluxScan *state = scan->state;
	int			n = Max(scan->nsets, 1);

	state->nstatements = 0;
	if (state->statements == NULL)
	{
		state->statements = palloc(n * (scan->grouped ? scan->ncolumns + 1 : 1) * sizeof(InfluxStatement));
		state->groups = palloc0(n * sizeof(InfluxGroups));
	}
	for (int i = 0; i < n; i++)
	{
		if (scan->nsets > 0)
		{
			scan->filter = scan->sets[i].filter;
			scan->limit = scan->sets[i].limit;
			scan->offset = scan->sets[i].offset;
		}
		append_question(scan, text, i);
	}
}

/* Are there points at times where a bucket of some question errs? */
static bool
must_see_edges(const ChScan *scan)
{
	const InfluxScan *state = scan->state;

	for (int i = 0; i < Max(scan->nsets, 1) && scan->grouped; i++)
		if (state->groups[i].bounded)
			return true;
	return false;
}

/*
 * One request: what the measurement has, if that is to be asked, whether there
 * are points at the edge of time, and the query.
 */
static void
ask(ChScan *scan)
{
	InfluxScan *state = scan->state;
	StringInfoData query;
	StringInfoData text;

	initStringInfo(&query);
	append_query(scan, &query);
	state->answer = NULL;
	if (state->nstatements == 0)
		return;
	initStringInfo(&text);
	state->first = state->checking ? QUERY : 0;
	if (state->checking)
		append_questions(scan, &text);
	if (must_see_edges(scan))
	{
		appendStringInfoString(&text, influx_edge_questions(scan));
		state->first += 2;
	}
	appendBinaryStringInfo(&text, query.data, query.len);
	state->answer = influx_ask(scan->conn, text.data, scan->table->fetch_size > 0 ? scan->table->fetch_size : CHUNK_SIZE);
	state->counted = 0;
	scan->requests++;
}

void
influx_send(ChScan *scan)
{
	const InfluxTable *t = scan->table->priv;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);
	InfluxScan *state = palloc0(sizeof(InfluxScan));
	InfluxChecked *seen = find_checked(scan->conn->handle, scan->table->relid);

	scan->state = state;
	state->checking = !t->sql && must_check(seen);
	if (!state->checking)
		state->seen = seen;
	if (state->seen)
		refuse_inexact_filters(scan, seen);
	state->rows = scan->grouped && state->seen && must_fold(scan, seen);
	ask(scan);
	if (scan->grouped)
		state->fold = influx_begin_fold(scan, state->groups);
	if (t->sql && state->answer)
		influx_expect_columns(state->answer, state->query.ncolumns, state->query.columns);
	MemoryContextSwitchTo(old);
}

static void
count_bytes(ChScan *scan)
{
	InfluxScan  *state = scan->state;
	uint64		received = state->answer->http->received;

	scan->bytes += received - state->counted;
	state->counted = received;
}

void
influx_ask_rows(ChScan *scan)
{
	InfluxScan *state = scan->state;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

	count_bytes(scan);
	ch_http_cancel(state->answer->http);
	state->checking = false;
	state->rows = true;
	ask(scan);
	MemoryContextSwitchTo(old);
}

bool
influx_asks_rows(const ChScan *scan)
{
	const InfluxScan *state = scan->state;

	return scan->grouped && state && state->rows;
}

/* The keys are read: was the right thing asked? */
static void
check(ChScan *scan)
{
	check_columns(scan);
	if (scan->grouped && must_fold(scan, ((InfluxScan *) scan->state)->seen))
		influx_ask_rows(scan);
}

InfluxAnswer *
influx_scan_row(ChScan *scan, int *part)
{
	InfluxScan *state = scan->state;

	for (;;)
	{
		InfluxAnswer *a = state->answer;
		bool		found = influx_next_row(a);

		if (!found && a->blocked)
			return NULL;
		if (state->checking && found && a->statement < QUERY)
		{
			MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

			note_key(state, a);
			MemoryContextSwitchTo(old);
			continue;
		}
		if (state->checking)
			check(scan);
		/* a point at the edge of time */
		if (a == state->answer && found && a->statement < state->first)
			influx_ask_rows(scan);
		if (a != state->answer)
			continue;
		if (!found)
			return NULL;
		if (a->statement - state->first >= state->nstatements)
			influx_garbled(a, "a result of a statement that was not sent");
		scan->current_set = state->statements[a->statement - state->first].set;
		*part = state->statements[a->statement - state->first].part;
		return a;
	}
}

/* JSON writes a float without a fraction like an integer, of any length. */
static ChValue
as_float(const ChValue *v)
{
	ChValue		f = {.kind = CH_FLOAT,.remote_type = v->remote_type};

	f.u.f = v->kind == CH_INT ? (double) v->u.i : strtod(pnstrdup(v->u.s.data, v->u.s.len), NULL);
	return f;
}

const ChValue *
influx_field_value(const ChScan *scan, const ChColumn *col, const ChValue *v, ChValue *other)
{
	const InfluxChecked *seen = ((InfluxScan *) scan->state)->seen;

	if ((v->kind != CH_INT && v->kind != CH_DECIMAL) || seen == NULL || !is_float(seen, col))
		return v;
	*other = as_float(v);
	return other;
}

/*
 * Groups are made of several rows each: they are waited for, but not before
 * their answer is there, or much of it.
 */
static bool
groups_are_there(InfluxScan *state)
{
	InfluxAnswer *a = state->answer;

	while (!state->folding && a->http->len < GROUPS_BYTES && influx_more(a))
		;
	a->http->nowait = false;
	state->folding = !a->blocked;
	return state->folding;
}

static bool
next_row(ChScan *scan, Datum *values, bool *nulls)
{
	InfluxScan *state = scan->state;
	InfluxAnswer *a;
	int			part;

	if (scan->grouped)
		return (!scan->nowait || groups_are_there(state)) &&
			influx_next_group(scan, state->fold, values, nulls);
	a = influx_scan_row(scan, &part);
	if (a == NULL)
		return false;
	if (a->ncolumns < state->query.ncolumns || a->values[0].kind != CH_INT)
		influx_garbled(a, "a row without its time, or with fewer columns than were asked for");
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChValue *v = &a->values[state->query.position[i]];
		ChValue		other;

		if (scan->columns[i]->kind == INFLUX_TIME)
		{
			other = influx_instant(v->u.i);
			v = &other;
		}
		else if (scan->columns[i]->kind == INFLUX_FIELD)
			v = influx_field_value(scan, scan->columns[i], v, &other);
		ch_set_column(scan, i, v, values, nulls);
	}
	return true;
}

bool
influx_next(ChScan *scan, Datum *values, bool *nulls)
{
	InfluxScan *state = scan->state;

	if (state->answer == NULL)
		return false;
	state->answer->http->nowait = scan->nowait;
	if (next_row(scan, values, nulls))
		return true;
	if (state->answer && state->answer->blocked)
		scan->wait = state->answer->http->wait;
	return false;
}

bool
influx_close(ChScan *scan, bool failed)
{
	InfluxScan  *state = scan->state;

	if (state && state->answer && scan->conn)
	{
		count_bytes(scan);
		/* What is left unread costs the TCP connection, not the client. */
		if (!state->answer->done)
			ch_http_cancel(state->answer->http);
	}
	return !failed;
}
