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
	Bitmapset  *floats;			/* attributes over fields that are floats */
} InfluxChecked;

typedef struct InfluxScan
{
	InfluxQuery query;
	InfluxAnswer *answer;
	bool		checking;		/* the keys come before the rows */
	bool		checked_first;	/* so they did */
	int		   *set_of;			/* several questions: whose each statement is */
	int			nstatements;
	List	   *fields;			/* char *: names the store knows */
	List	   *floats;			/* those of them that are floats */
	List	   *others;			/* those that are something else, somewhere */
	List	   *tags;
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
	bms_free(seen->floats);
	seen->floats = NULL;
	for (int i = 0; i < scan->table->natts; i++)
	{
		ChColumn   *col = scan->table->columns[i];

		if (col && col->kind == INFLUX_FIELD && has_name(state->floats, col->remote) &&
			!has_name(state->others, col->remote))
			seen->floats = bms_add_member(seen->floats, col->attno);
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

	if (cond == NULL || seen->floats == NULL)
		return;
	for (int i = 0; i < cond->nargs; i++)
		refuse_inexact(seen, cond->args[i]);
	if (cond->col == NULL || cond->col->basetype != INT8OID || !bms_is_member(cond->col->attno, seen->floats))
		return;
	for (int i = 0; i < cond->nvalues; i++)
		if (cond->values[i].kind == CH_INT && (cond->values[i].u.i > limit || cond->values[i].u.i < -limit))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
					 errmsg("column \"%s\" of foreign table %s is a float in InfluxDB", cond->col->name, cond->col->table->name),
					 errdetail("Floats cannot be compared with " INT64_FORMAT " exactly.", cond->values[i].u.i),
					 errhint("Declare the column as double precision.")));
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
	state->fields = lappend(state->fields, name);
	if (a->ncolumns > 1 && a->values[1].kind == CH_STRING && a->values[1].u.s.len == 5 &&
		memcmp(a->values[1].u.s.data, "float", 5) == 0)
		state->floats = lappend(state->floats, name);
	else
		state->others = lappend(state->others, name);
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
	InfluxChecked *seen;

	if (state->fields == NIL)
		no_measurement(scan);
	for (int i = 0; i < scan->table->natts; i++)
	{
		ChColumn   *col = scan->table->columns[i];

		if (col == NULL)
			continue;
		if (col->kind == INFLUX_FIELD && !has_name(state->fields, col->remote) && has_name(state->tags, col->remote))
			wrong_kind(col, "tag");
		if (col->kind == INFLUX_TAG && !has_name(state->tags, col->remote) && has_name(state->fields, col->remote))
			wrong_kind(col, "field");
	}
	state->checking = false;
	seen = note_checked(scan);
	refuse_inexact(seen, scan->filter);
	for (int i = 0; i < scan->nsets; i++)
		refuse_inexact(seen, scan->sets[i].filter);
}

/* ---- the scan ---------------------------------------------------------- */

/* The statement of one question; false if no point can match. */
static bool
append_statement(ChScan *scan, StringInfo text, const InfluxChecked *seen)
{
	InfluxScan  *state = scan->state;

	influx_compile(scan, &state->query);
	if (state->query.never)
		return false;
	if (!state->checking)
		refuse_inexact(seen, scan->filter);
	appendBinaryStringInfo(text, state->query.text.data, state->query.text.len);
	return true;
}

/* One statement for each set. */
static void
append_sets(ChScan *scan, StringInfo text, const InfluxChecked *seen)
{
	InfluxScan  *state = scan->state;

	state->set_of = palloc(scan->nsets * sizeof(int));
	for (int i = 0; i < scan->nsets; i++)
	{
		scan->filter = scan->sets[i].filter;
		scan->limit = scan->sets[i].limit;
		scan->offset = scan->sets[i].offset;
		if (!append_statement(scan, text, seen))
			continue;
		appendStringInfoString(text, "; ");
		state->set_of[state->nstatements++] = i;
	}
}

void
influx_send(ChScan *scan)
{
	const InfluxTable *t = scan->table->priv;
	MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);
	InfluxScan  *state = palloc0(sizeof(InfluxScan));
	InfluxChecked *seen = find_checked(scan->conn->handle, scan->table->relid);
	StringInfoData text;

	scan->state = state;
	initStringInfo(&text);
	state->checking = state->checked_first = !t->sql && must_check(seen);
	if (state->checking)
		append_questions(scan, &text);
	if (scan->nsets > 0)
		append_sets(scan, &text, seen);
	else if (append_statement(scan, &text, seen))
		state->nstatements = 1;
	if (state->nstatements > 0)
	{
		state->answer = influx_ask(scan->conn, text.data,
								   scan->table->fetch_size > 0 ? scan->table->fetch_size : CHUNK_SIZE);
		if (t->sql)
			influx_expect_columns(state->answer, state->query.ncolumns, state->query.columns);
		scan->requests++;
	}
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

/* The next row of the query itself. */
static bool
next_row(ChScan *scan)
{
	InfluxScan  *state = scan->state;
	InfluxAnswer *a = state->answer;
	bool		found;

	while ((found = influx_next_row(a)) && state->checking && a->statement < QUERY)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->run_cxt);

		note_key(state, a);
		MemoryContextSwitchTo(old);
	}
	if (found && scan->nsets > 0)
	{
		int			statement = a->statement - (state->checked_first ? QUERY : 0);

		if (statement < 0 || statement >= state->nstatements)
			influx_garbled(a, "a result of a statement that was not sent");
		scan->current_set = state->set_of[statement];
	}
	if (state->checking)
		check_columns(scan);
	return found;
}

/* JSON writes a float without a fraction like an integer, of any length. */
static ChValue
as_float(const ChValue *v)
{
	ChValue		f = {.kind = CH_FLOAT,.remote_type = v->remote_type};

	f.u.f = v->kind == CH_INT ? (double) v->u.i : strtod(pnstrdup(v->u.s.data, v->u.s.len), NULL);
	return f;
}

bool
influx_next(ChScan *scan, Datum *values, bool *nulls)
{
	InfluxScan  *state = scan->state;
	InfluxAnswer *a = state->answer;
	InfluxChecked *seen;

	if (a == NULL || !next_row(scan))
		return false;
	if (a->ncolumns < state->query.ncolumns || a->values[0].kind != CH_INT)
		influx_garbled(a, "a row without its time, or with fewer columns than were asked for");
	seen = find_checked(scan->conn->handle, scan->table->relid);
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChValue *v = &a->values[state->query.position[i]];
		ChValue		other;

		if (scan->columns[i]->kind == INFLUX_TIME)
		{
			other = influx_instant(v->u.i);
			v = &other;
		}
		else if ((v->kind == CH_INT || v->kind == CH_DECIMAL) && seen &&
				 bms_is_member(scan->columns[i]->attno, seen->floats))
		{
			other = as_float(v);
			v = &other;
		}
		ch_set_column(scan, i, v, values, nulls);
	}
	return true;
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
