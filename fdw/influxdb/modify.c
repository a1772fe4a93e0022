/*
 * modify.c
 *	  Writing points.
 *
 * A row is a line of InfluxDB's line protocol, a deleted one a DELETE statement
 * of InfluxQL.  Whatever the protocol has no form for, or would read as
 * something else, is refused before it is sent:
 * https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
 *
 * A point is its time and all of its tags.  To write it again is to overwrite
 * fields, so an UPDATE sends the fields that are set, and a request whose answer
 * was lost may be sent again.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

#include "fdw/influxdb/influxdb.h"

/* Integers that a float holds exactly. */
#define EXACT_IN_FLOAT	(INT64CONST(1) << 53)

/* A series key is no longer. */
#define LONGEST_KEY		65535

/* How a field is written; by its option field_type, else by the column's type. */
typedef enum Form
{
	FORM_FLOAT,
	FORM_INTEGER,
	FORM_UNSIGNED,
	FORM_STRING,
	FORM_BOOLEAN
} Form;

/* ChWrite.priv */
typedef struct InfluxWrite
{
	char	   *measurement;	/* escaped, UTF-8 */
	int		   *tags;			/* indexes of w->columns, or w->identity, by key */
	int			ntags;
	char	  **tag_keys;		/* escaped */
	int			time;			/* index there, or -1 */
	int			time_ns;
	int		   *fields;			/* indexes of w->columns */
	int			nfields;
	char	  **field_keys;
	Form	   *forms;
} InfluxWrite;

/* ---- what may be written ------------------------------------------------------- */

static const ChColumn *
find_kind(const ChTable *table, InfluxKind kind)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && table->columns[i]->kind == (int) kind)
			return table->columns[i];
	return NULL;
}

bool
influx_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint)
{
	const InfluxTable *t = table->priv;

	if (verb == CH_INSERT)
	{
		if (find_kind(table, INFLUX_TIME) || find_kind(table, INFLUX_TIME_NS))
			return true;
		*hint = "Add a timestamptz column with the name time.";
		return ch_refuse(reason, "It has no column for the time of a point.");
	}
	if (t->sql)
		return ch_refuse(reason, "InfluxDB 3 neither changes nor deletes points by a request.");
	if (t->policy && verb != CH_UPDATE)
		return ch_refuse(reason, "InfluxDB deletes from all retention policies at once, and the table is of one.");
	if (verb == CH_UPDATE && !find_kind(table, INFLUX_TIME_NS))
	{
		*hint = psprintf("ALTER FOREIGN TABLE %s ADD COLUMN ns bigint OPTIONS (kind 'time_ns');", table->name);
		return ch_refuse(reason, "A point is found by its nanoseconds, and the table has no column of kind 'time_ns'.");
	}
	return true;
}

/*
 * The nanoseconds and every tag.  Without a column of nanoseconds rows can still
 * be deleted by a condition (ship_direct); one by one that is refused later.
 */
List *
influx_row_identity(const ChTable *table)
{
	List	   *attnos = NIL;
	const ChColumn *ns = find_kind(table, INFLUX_TIME_NS);

	if (ns)
		attnos = lappend_int(attnos, ns->attno);
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && table->columns[i]->kind == INFLUX_TAG)
			attnos = lappend_int(attnos, i + 1);
	return attnos;
}

/* ---- the line protocol ------------------------------------------------------------- */

/*
 * Names and tag values: these characters take a backslash.  A backslash of their
 * own is one, wherever it does not stand before such a character at the end.
 */
static void
append_escaped(StringInfo out, const char *data, int len, const char *special)
{
	for (int i = 0; i < len; i++)
	{
		if (data[i] != '\0' && strchr(special, data[i]))
			appendStringInfoCharMacro(out, '\\');
		appendStringInfoCharMacro(out, data[i]);
	}
}

/* Why the protocol has no form for a name or tag value, or NULL. */
static const char *
unfit(const char *data, size_t len)
{
	if (len > 0 && data[len - 1] == '\\')
		return "It ends with a backslash.";
	if (memchr(data, '\n', len))
		return "It has a newline.";
	return NULL;
}

static char *
escaped_name(const ChTable *table, const char *name, const char *special)
{
	const char *utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);
	const char *why = unfit(utf8, strlen(utf8));
	StringInfoData buf;

	if (why)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("\"%s\" of foreign table %s cannot be written to InfluxDB", name, table->name),
				 errdetail("The line protocol has no form for the name: %s", why)));
	initStringInfo(&buf);
	append_escaped(&buf, utf8, strlen(utf8), special);
	return buf.data;
}

static void
append_tag(StringInfo out, const char *key, const ChColumn *col, const ChValue *v)
{
	const char *why;

	if (v->u.s.len == 0)
		ch_refuse_value(col, ERRCODE_FDW_INVALID_DATA_TYPE, "InfluxDB takes an empty tag for none.", "Write NULL.");
	why = unfit(v->u.s.data, v->u.s.len);
	if (why)
		ch_refuse_value(col, ERRCODE_FDW_INVALID_DATA_TYPE, psprintf("The line protocol has no form for the tag: %s", why), NULL);
	appendStringInfo(out, ",%s=", key);
	append_escaped(out, v->u.s.data, v->u.s.len, ",= ");
}

static void
append_float(StringInfo out, const ChColumn *col, double f)
{
	if (isnan(f) || isinf(f))
		ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "InfluxDB has no NaN and no infinity.", NULL);
	enlargeStringInfo(out, DOUBLE_SHORTEST_DECIMAL_LEN);
	out->len += double_to_shortest_decimal_bufn(f, out->data + out->len);
	out->data[out->len] = '\0';
}

pg_noreturn static void
not_exact(const ChColumn *col, const char *type)
{
	ch_refuse_value(col, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, psprintf("A field of type %s does not hold it exactly.", type),
					"The column's option field_type says as what it is written.");
}

static bool
is_equal(const ChValue *a, const ChValue *b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(ch_value_to_numeric(a)),
											NumericGetDatum(ch_value_to_numeric(b))));
}

static void
append_as_float(StringInfo out, const ChColumn *col, const ChValue *v)
{
	ChValue		f = {.kind = CH_FLOAT};

	if (v->kind == CH_FLOAT)
		f.u.f = v->u.f;
	else if (v->kind == CH_INT)
	{
		if (v->u.i > EXACT_IN_FLOAT || v->u.i < -EXACT_IN_FLOAT)
			not_exact(col, "float");
		f.u.f = (double) v->u.i;
	}
	else
	{
		Numeric		n = ch_value_to_numeric(v);

		if (!numeric_is_nan(n) && !numeric_is_inf(n))
		{
			f.u.f = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(n)));
			if (!is_equal(&f, v))
				not_exact(col, "float");
		}
		else
			f.u.f = get_float8_nan();
	}
	append_float(out, col, f.u.f);
}

static void
append_as_integer(StringInfo out, const ChColumn *col, const ChValue *v, bool is_unsigned)
{
	Numeric		n = v->kind == CH_FLOAT && (isnan(v->u.f) || isinf(v->u.f)) ? NULL : ch_value_to_numeric(v);
	char	   *text;
	char	   *point;

	if (v->kind == CH_INT && (v->u.i >= 0 || !is_unsigned))
	{
		appendStringInfo(out, INT64_FORMAT "%c", v->u.i, is_unsigned ? 'u' : 'i');
		return;
	}
	if (n == NULL || numeric_is_nan(n) || numeric_is_inf(n))
		not_exact(col, is_unsigned ? "unsigned" : "integer");
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n)));
	point = strchr(text, '.');
	if (point && strspn(point + 1, "0") != strlen(point + 1))
		not_exact(col, is_unsigned ? "unsigned" : "integer");
	if (point)
		*point = '\0';
	errno = 0;
	if (!is_unsigned)
	{
		appendStringInfo(out, "%lldi", strtoll(text, NULL, 10));
		if (errno == ERANGE)
			not_exact(col, "integer");
	}
	else if (text[0] == '-' || strlen(text) > 20 || (strlen(text) == 20 && strcmp(text, "18446744073709551615") > 0))
		not_exact(col, "unsigned");
	else
		appendStringInfo(out, "%su", text);
}

static void
append_text(StringInfo out, const ChColumn *col, const ChValue *v)
{
	char	   *uuid;

	switch (v->kind)
	{
		case CH_STRING:
		case CH_UNTYPED:
			appendStringInfoCharMacro(out, '"');
			append_escaped(out, v->u.s.data, v->u.s.len, "\"\\");
			appendStringInfoCharMacro(out, '"');
			return;
		case CH_UUID:
			uuid = DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(v->u.s.data)));
			appendStringInfo(out, "\"%s\"", uuid);
			return;
		default:
			ch_refuse_value(col, ERRCODE_FDW_INVALID_DATA_TYPE,
							psprintf("A field of type string has no form for values of type %s.", format_type_be(col->typid)), NULL);
	}
}

static void
append_field(StringInfo out, const ChColumn *col, Form form, const ChValue *v)
{
	bool		number = v->kind == CH_INT || v->kind == CH_FLOAT || v->kind == CH_DECIMAL;

	if (form == FORM_STRING)
		append_text(out, col, v);
	else if (form == FORM_BOOLEAN && v->kind == CH_BOOL)
		appendStringInfoCharMacro(out, v->u.b ? 't' : 'f');
	else if (form == FORM_FLOAT && number)
		append_as_float(out, col, v);
	else if (form != FORM_BOOLEAN && number)
		append_as_integer(out, col, v, form == FORM_UNSIGNED);
	else
		ch_refuse_value(col, ERRCODE_FDW_INVALID_DATA_TYPE,
						psprintf("Values of type %s are none of the column's field_type.", format_type_be(col->typid)), NULL);
}

/* ---- the write ---------------------------------------------------------------------- */

static Form
form_of(const ChColumn *col)
{
	static const char *const names[] = {"float", "integer", "unsigned", "string", "boolean"};
	const char *type = ch_opt_string(&ch_influxdb_driver, col->options, "field_type");

	for (int i = 0; type && i < lengthof(names); i++)
		if (strcmp(type, names[i]) == 0)
			return (Form) i;
	if (ch_is_int(col->basetype))
		return FORM_INTEGER;
	if (ch_is_float(col->basetype) || col->basetype == NUMERICOID)
		return FORM_FLOAT;
	return col->basetype == BOOLOID ? FORM_BOOLEAN : FORM_STRING;
}

static const ChWrite *sorted;	/* for compare_tags */

static int
compare_tags(const void *a, const void *b)
{
	ChColumn  **columns = sorted->verb == CH_INSERT ? sorted->columns : sorted->identity;

	return strcmp(columns[*(const int *) a]->remote, columns[*(const int *) b]->remote);
}

/* Tags in the order of their keys, which InfluxDB needs not sort then. */
static void
set_key(ChWrite *w, InfluxWrite *iw, int n, ChColumn **columns)
{
	iw->tags = palloc(Max(n, 1) * sizeof(int));
	iw->tag_keys = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		if (columns[i]->kind == INFLUX_TIME)
			iw->time = i;
		else if (columns[i]->kind == INFLUX_TIME_NS)
			iw->time_ns = i;
		else if (columns[i]->kind == INFLUX_TAG)
		{
			if (!ch_is_text(columns[i]->basetype))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot write column \"%s\" of foreign table %s", columns[i]->name, w->table->name),
						 errdetail("A tag is written from type text or varchar, for others have several spellings of a value.")));
			iw->tags[iw->ntags++] = i;
		}
	}
	sorted = w;
	qsort(iw->tags, iw->ntags, sizeof(int), compare_tags);
	for (int i = 0; i < iw->ntags; i++)
		iw->tag_keys[i] = escaped_name(w->table, columns[iw->tags[i]]->remote, ",= ");
}

static void
set_fields(ChWrite *w, InfluxWrite *iw)
{
	iw->fields = palloc(Max(w->ncolumns, 1) * sizeof(int));
	iw->field_keys = palloc(Max(w->ncolumns, 1) * sizeof(char *));
	iw->forms = palloc(Max(w->ncolumns, 1) * sizeof(Form));
	for (int i = 0; i < w->ncolumns; i++)
	{
		const ChColumn *col = w->columns[i];

		if (col->kind != INFLUX_FIELD)
		{
			if (w->verb == CH_UPDATE)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot update column \"%s\" of foreign table %s", col->name, w->table->name),
						 errdetail("A point is its time and its tags."),
						 errhint("Delete the row and insert another.")));
			continue;
		}
		iw->fields[iw->nfields] = i;
		iw->forms[iw->nfields] = form_of(col);
		iw->field_keys[iw->nfields++] = escaped_name(w->table, col->remote, ",= ");
	}
}

void
influx_begin_write(ChWrite *w)
{
	const InfluxTable *t = w->table->priv;
	InfluxWrite *iw = palloc0(sizeof(InfluxWrite));

	if (w->skip_existing)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign table %s does not support ON CONFLICT DO NOTHING", w->table->name),
				 errdetail("InfluxDB does not tell whether a point exists: to write one again is to overwrite it.")));
	iw->time = iw->time_ns = -1;
	iw->measurement = escaped_name(w->table, t->measurement, ", ");
	if (iw->measurement[0] == '#')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("measurement \"%s\" of foreign table %s cannot be written to InfluxDB", t->measurement, w->table->name),
				 errdetail("A line that begins with # is a comment.")));
	if (w->verb == CH_INSERT)
		set_key(w, iw, w->ncolumns, w->columns);
	else if (w->verb != CH_TRUNCATE)
		set_key(w, iw, w->nidentity, w->identity);
	set_fields(w, iw);
	w->priv = iw;
}

/* Nanoseconds of a new point. */
static int64
time_of_row(const ChWrite *w, const InfluxWrite *iw, const ChValue *values)
{
	const ChValue *ns = iw->time_ns >= 0 ? &values[iw->time_ns] : NULL;
	const ChValue *us = iw->time >= 0 ? &values[iw->time] : NULL;
	const ChColumn *col = w->columns[iw->time >= 0 ? iw->time : iw->time_ns];
	int64		time;

	if (ns && ns->kind == CH_INT)
	{
		if (us && us->kind == CH_INSTANT && influx_instant(ns->u.i).u.i != us->u.i)
			ch_refuse_value(w->columns[iw->time_ns], ERRCODE_FDW_INVALID_DATA_TYPE,
							psprintf("Column \"%s\" says another time.", col->name), "Give one of them.");
		time = ns->u.i;
	}
	else if (us == NULL || us->kind != CH_INSTANT)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a row of foreign table %s has no time", w->table->name),
				 errhint("ALTER FOREIGN TABLE %s ALTER COLUMN %s SET DEFAULT now();", w->table->name, quote_identifier(col->name))));
	else if (!influx_time_of(us->u.i, &time))
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "InfluxDB has times from 1677 to 2262.", NULL);
	if (time < INFLUX_MIN_TIME || time > INFLUX_MAX_TIME)
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "InfluxDB has times from 1677 to 2262.", NULL);
	return time;
}

/* measurement,tags fields time */
static void
put_line(const ChWrite *w, const InfluxWrite *iw, const ChValue *key, const ChValue *values, int64 time, StringInfo out)
{
	ChColumn  **columns = w->verb == CH_INSERT ? w->columns : w->identity;
	int			start = out->len;
	char		comma = ' ';

	appendStringInfoString(out, iw->measurement);
	for (int i = 0; i < iw->ntags; i++)
		if (key[iw->tags[i]].kind != CH_NULL)
			append_tag(out, iw->tag_keys[i], columns[iw->tags[i]], &key[iw->tags[i]]);
	if (out->len - start > LONGEST_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the tags of a row of foreign table %s are too long for InfluxDB", w->table->name),
				 errdetail("Measurement and tags have %d bytes; %d are allowed.", out->len - start, LONGEST_KEY)));
	for (int i = 0; i < iw->nfields; i++)
	{
		const ChValue *v = &values[iw->fields[i]];
		const ChColumn *col = w->columns[iw->fields[i]];

		if (v->kind == CH_NULL && w->verb == CH_UPDATE && !w->was_null[iw->fields[i]])
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "InfluxDB cannot take a field from a point.",
							"Delete the row and insert it without the value.");
		if (v->kind == CH_NULL)
			continue;
		appendStringInfoCharMacro(out, comma);
		appendStringInfoString(out, iw->field_keys[i]);
		appendStringInfoCharMacro(out, '=');
		append_field(out, col, iw->forms[i], v);
		comma = ',';
	}
	if (comma == ' ' && w->verb == CH_UPDATE)
	{
		/* from NULL to NULL: an empty record */
		out->len = start;
		return;
	}
	if (comma == ' ')
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a row of foreign table %s has no field", w->table->name),
				 errdetail("InfluxDB keeps a point only if one of its fields has a value.")));
	appendStringInfo(out, " " INT64_FORMAT "\n", time);
}

/* One row, by its nanoseconds and all of its tags. */
static void
put_delete(const ChWrite *w, const InfluxWrite *iw, const ChValue *identity, StringInfo out)
{
	ChCond		all = {.kind = CH_COND_AND};
	ChCond	   *leaves = palloc0(Max(w->nidentity, 1) * sizeof(ChCond));

	if (iw->time_ns < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot delete single rows of foreign table %s", w->table->name),
				 errdetail("A point is found by its nanoseconds, and the table has no column of kind 'time_ns'."),
				 errhint("Delete by conditions on time and tags alone, or ALTER FOREIGN TABLE %s ADD COLUMN ns bigint OPTIONS (kind 'time_ns');",
						 w->table->name)));
	all.args = palloc(Max(w->nidentity, 1) * sizeof(ChCond *));
	for (int i = 0; i < w->nidentity; i++)
	{
		ChCond	   *leaf = &leaves[i];

		leaf->kind = identity[i].kind == CH_NULL ? CH_COND_IS_NULL : CH_COND_CMP;
		leaf->op = CH_EQ;
		leaf->col = w->identity[i];
		leaf->nvalues = identity[i].kind == CH_NULL ? 0 : 1;
		leaf->values = (ChValue *) &identity[i];
		all.args[all.nargs++] = leaf;
	}
	appendStringInfoString(out, "DELETE FROM ");
	influx_append_measurement(out, w->table);
	if (!influx_append_where(out, all.nargs == 1 ? all.args[0] : &all, NULL))
		elog(ERROR, "a row that was read cannot be found again");
}

void
influx_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	const InfluxWrite *iw = w->priv;

	if (w->verb == CH_DELETE)
		put_delete(w, iw, identity, out);
	else if (w->verb == CH_UPDATE)
		put_line(w, iw, identity, values, identity[iw->time_ns].u.i, out);
	else
		put_line(w, iw, values, values, time_of_row(w, iw, values), out);
}

/* ---- deleting by a condition ----------------------------------------------------------- */

/* DELETE looks at times and tags only. */
static bool
has_field(const ChTable *table, const ChExpr *expr)
{
	ListCell   *lc;

	if (expr == NULL)
		return false;
	foreach(lc, expr->args)
		if (has_field(table, lfirst(lc)))
			return true;
	return expr->attno > 0 && ch_column(table, expr->attno)->kind != INFLUX_TAG && !influx_is_time(ch_column(table, expr->attno));
}

bool
influx_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason)
{
	if (verb == CH_UPDATE)
		return ch_refuse(reason, "InfluxDB writes points, one by one");
	if (has_field(table, query->filter))
		return ch_refuse(reason, "InfluxDB deletes by conditions on time and tags only");
	return true;
}

/* Also what EXPLAIN shows. */
void
influx_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	int			start = out->len;

	appendStringInfoString(out, "DELETE FROM ");
	influx_append_measurement(out, w->table);
	if (!influx_append_where(out, scan->filter, NULL))
		out->len = start;		/* no point matches */
	out->data[out->len] = '\0';
}

/* ---- sending ------------------------------------------------------------------------------ */

/* The words of an answer {"error": "..."}. */
static char *
words_of(const char *answer)
{
	const char *at = strstr(answer, "\"error\":\"");
	StringInfoData words;

	if (at == NULL)
		return pstrdup(answer);
	initStringInfo(&words);
	for (at += strlen("\"error\":\""); *at && *at != '"'; at++)
	{
		if (*at == '\\' && at[1])
			at++;
		appendStringInfoChar(&words, *at);
	}
	return words.data;
}

/* Which rows a batch has, for an error: by their times. */
static char *
describe_batch(const ChBatch *batch)
{
	size_t		at = 0;
	const char *line;
	uint32		len;
	int64		first = PG_INT64_MAX;
	int64		last = PG_INT64_MIN;
	char	   *from;

	while (ch_next_record(batch, &at, &line, &len))
	{
		const char *p = line + len - 1;
		int64		ns;

		if (len == 0)
			continue;
		while (p > line && p[-1] != ' ')
			p--;
		ns = strtoll(p, NULL, 10);
		first = Min(first, ns);
		last = Max(last, ns);
	}
	/* each call has the same buffer */
	from = pstrdup(timestamptz_to_str(influx_instant(first).u.i));
	return psprintf("The request had " INT64_FORMAT " rows of foreign table %s, from %s to %s.", batch->nrecords,
					batch->write->table->name, from, timestamptz_to_str(influx_instant(last).u.i));
}

pg_noreturn static void
write_failed(ChConn *conn, const ChBatch *batch, int status, const char *answer)
{
	char	   *words = words_of(answer);
	const char *hint = NULL;
	int			sqlstate = ERRCODE_FDW_ERROR;

	if (status == 401 || status == 403)
	{
		sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
		hint = "Grant the user of the user mapping the right to write to the database.";
	}
	else if (strstr(words, "field type conflict"))
	{
		sqlstate = ERRCODE_FDW_INVALID_DATA_TYPE;
		hint = "Set the column's option field_type to the type that the field has in InfluxDB.";
	}
	else if (strstr(words, "beyond retention policy"))
		hint = "The retention policy does not keep points that old.";
	else if (strstr(words, "not found"))
		sqlstate = ERRCODE_FDW_SCHEMA_NOT_FOUND;
	ch_store_error(conn, sqlstate, psprintf("HTTP status %d", status), psprintf("%s\n%s", words, describe_batch(batch)), hint);
}

/* "partial write: ... dropped=1": are some of the points kept? */
static bool
is_partial(const char *answer, int64 npoints)
{
	const char *dropped = strstr(answer, " dropped=");

	return strstr(answer, "partial write") != NULL &&
		(dropped == NULL || strtoll(dropped + strlen(" dropped="), NULL, 10) < npoints);
}

static void
write_points(ChConn *conn, const ChBatch *batch)
{
	const InfluxTable *t = batch->write->table->priv;
	StringInfoData body;
	size_t		at = 0;
	const char *line;
	uint32		len;
	const char *answer;
	int			status;
	bool		kept = conn->unsure;

	initStringInfo(&body);
	enlargeStringInfo(&body, batch->size);
	while (ch_next_record(batch, &at, &line, &len))
		appendBinaryStringInfoNT(&body, line, len);
	if (body.len == 0)
		return;
	conn->unsure = true;
	status = influx_write_lines(conn, t->policy, body.data, body.len, &answer);
	conn->unsure = kept || status / 100 == 2 || is_partial(answer, batch->nrecords);
	pfree(body.data);
	if (status / 100 != 2)
		write_failed(conn, batch, status, answer);
}

/*
 * A tag that the table does not show would make several points of one row, and
 * the wrong one would be changed.
 */
static void
check_tags(ChConn *conn, const ChTable *table)
{
	StringInfoData query;
	InfluxAnswer *a;
	char	   *missing = NULL;

	initStringInfo(&query);
	appendStringInfoString(&query, "SHOW TAG KEYS FROM ");
	influx_append_measurement(&query, table);
	a = influx_ask(conn, query.data, 1000);
	while (influx_next_row(a))
	{
		char	   *key;
		bool		found = false;

		if (a->ncolumns < 1 || a->values[0].kind != CH_STRING)
			continue;
		key = pnstrdup(a->values[0].u.s.data, a->values[0].u.s.len);
		key = pg_any_to_server(key, strlen(key), PG_UTF8);
		for (int i = 0; i < table->natts; i++)
			found = found || (table->columns[i] && table->columns[i]->kind == INFLUX_TAG &&
							  strcmp(table->columns[i]->remote, key) == 0);
		if (!found)
			missing = key;
	}
	if (missing)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("rows of foreign table %s cannot be told apart", table->name),
				 errdetail("Points of the measurement have a tag \"%s\", for which the table has no column.", missing),
				 errhint("ALTER FOREIGN TABLE %s ADD COLUMN %s text OPTIONS (kind 'tag');", table->name, quote_identifier(missing))));
}

static void
run_statements(ChConn *conn, const char *statements, bool several)
{
	InfluxAnswer *a;
	ChFailure	fail;
	bool		kept = conn->unsure;

	conn->unsure = true;
	a = influx_ask(conn, statements, 1000);
	if (!ch_http_await(a->http, &fail))
		ch_failure_raise(conn, &fail);
	/* with status 200 the answer begins when the first of them is done */
	conn->unsure = kept || (several && a->http->status == 200);
	while (influx_next_row(a))
		;
	conn->unsure = true;
}

static void
delete_points(ChConn *conn, const ChBatch *batch)
{
	StringInfoData statements;
	size_t		at = 0;
	const char *record;
	uint32		len;

	if (!batch->write->direct)
		check_tags(conn, batch->write->table);
	initStringInfo(&statements);
	while (ch_next_record(batch, &at, &record, &len))
		if (len > 0)
			appendStringInfo(&statements, "%.*s;", (int) len, record);
	if (statements.len > 0)
		run_statements(conn, statements.data, batch->nrecords > 1);
}

static void
delete_all(ChConn *conn, const ChTable *table)
{
	StringInfoData statement;

	initStringInfo(&statement);
	appendStringInfoString(&statement, "DELETE FROM ");
	influx_append_measurement(&statement, table);
	run_statements(conn, statement.data, false);
}

/*
 * One request for each batch.  Points that were written before an error stay:
 * the error says which request failed, and conn->unsure that there may be some:
 * it is set as soon as one is kept.
 */
void
influx_apply(ChConn *conn, ChBatches *batches)
{
	const ChBatch *batch;

	while ((batch = ch_next_batch(batches)) != NULL)
	{
		switch (batch->write->verb)
		{
			case CH_UPDATE:
				check_tags(conn, batch->write->table);
				write_points(conn, batch);
				break;
			case CH_INSERT:
				write_points(conn, batch);
				break;
			case CH_DELETE:
				delete_points(conn, batch);
				break;
			case CH_TRUNCATE:
				delete_all(conn, batch->write->table);
				break;
		}
	}
}

/* ---- EXPLAIN --------------------------------------------------------------------------------- */

void
influx_explain_write(const ChWrite *w, StringInfo out)
{
	const InfluxWrite *iw = w->priv;

	if (w->verb == CH_DELETE)
	{
		appendStringInfoString(out, "DELETE FROM ");
		influx_append_measurement(out, w->table);
		appendStringInfoString(out, " WHERE time = <ns>");
		for (int i = 0; i < iw->ntags; i++)
			appendStringInfo(out, " AND %s = <%s>", iw->tag_keys[i], w->identity[iw->tags[i]]->name);
		return;
	}
	appendStringInfoString(out, iw->measurement);
	for (int i = 0; i < iw->ntags; i++)
		appendStringInfo(out, ",%s=<%s>", iw->tag_keys[i],
						 (w->verb == CH_INSERT ? w->columns : w->identity)[iw->tags[i]]->name);
	for (int i = 0; i < iw->nfields; i++)
		appendStringInfo(out, "%c%s=<%s>", i == 0 ? ' ' : ',', iw->field_keys[i], w->columns[iw->fields[i]]->name);
	appendStringInfoString(out, " <ns>");
}
