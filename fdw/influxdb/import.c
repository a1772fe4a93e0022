/*
 * import.c
 *	  Which foreign tables would show the measurements of a database?
 *
 * A table has the time, then the tags, then the fields, each by name.  A field
 * can have a type in one shard and another elsewhere, and InfluxDB then
 * shows only the values of one of them; so it becomes a column for each type,
 * but for integer and float, which make one column of floats.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fdw/influxdb/influxdb.h"

typedef struct Measurement
{
	char	   *name;
	List	   *tags;			/* char * */
	List	   *fields;			/* Field */
} Measurement;

typedef struct Field
{
	char	   *name;
	char	   *type;			/* InfluxDB's word */
} Field;

static char *
server_text(const ChValue *v)
{
	char	   *text = pnstrdup(v->u.s.data, v->u.s.len);

	return pg_any_to_server(text, v->u.s.len, PG_UTF8);
}

static Measurement *
find_measurement(List **list, const char *name)
{
	ListCell   *lc;
	Measurement *m;

	foreach(lc, *list)
	{
		m = lfirst(lc);
		if (strcmp(m->name, name) == 0)
			return m;
	}
	m = palloc0(sizeof(Measurement));
	m->name = pstrdup(name);
	*list = lappend(*list, m);
	return m;
}

static void
add_field(Measurement *m, char *name, char *type)
{
	Field	   *f = palloc(sizeof(Field));

	f->name = name;
	f->type = type;
	m->fields = lappend(m->fields, f);
}

/* ---- asking ------------------------------------------------------------ */

static void
from_policy(StringInfo buf, ChConn *conn)
{
	const char *policy = ch_conn_server_opt(conn, "retention_policy");

	/* Every measurement of a policy: its name is matched by a pattern. */
	if (policy)
	{
		appendStringInfoString(buf, " FROM ");
		influx_append_name(buf, policy, false);
		appendStringInfoString(buf, "./.*/");
	}
}

static List *
ask_influxql(ChConn *conn)
{
	StringInfoData buf;
	InfluxAnswer *a;
	List	   *list = NIL;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SHOW TAG KEYS");
	from_policy(&buf, conn);
	appendStringInfoString(&buf, "; SHOW FIELD KEYS");
	from_policy(&buf, conn);
	a = influx_ask(conn, buf.data, 10000);
	while (influx_next_row(a))
	{
		Measurement *m;

		if (a->series == NULL || a->ncolumns < 1 + a->statement || a->values[0].kind != CH_STRING)
			continue;
		m = find_measurement(&list, pg_any_to_server(a->series, strlen(a->series), PG_UTF8));
		if (a->statement == 0)
			m->tags = lappend(m->tags, server_text(&a->values[0]));
		else if (a->values[1].kind == CH_STRING)
			add_field(m, server_text(&a->values[0]), server_text(&a->values[1]));
	}
	return list;
}

/* Arrow's names of types as InfluxDB 3 shows them. */
static char *
type_of_arrow(const char *arrow)
{
	if (strncmp(arrow, "Dictionary", 10) == 0)
		return "tag";
	if (strncmp(arrow, "Timestamp", 9) == 0)
		return "time";
	if (strcmp(arrow, "Float64") == 0)
		return "float";
	if (strcmp(arrow, "Int64") == 0)
		return "integer";
	if (strcmp(arrow, "UInt64") == 0)
		return "unsigned";
	if (strcmp(arrow, "Boolean") == 0)
		return "boolean";
	return "string";
}

static List *
ask_sql(ChConn *conn)
{
	static const char *names[] = {"table_name", "column_name", "data_type"};
	InfluxAnswer *a;
	List	   *list = NIL;

	a = influx_ask(conn, "SELECT table_name, column_name, data_type FROM information_schema.columns "
				   "WHERE table_schema = 'iox' ORDER BY table_name, column_name", 10000);
	influx_expect_columns(a, lengthof(names), names);
	while (influx_next_row(a))
	{
		Measurement *m;
		char	   *column;
		char	   *type;

		if (a->values[0].kind != CH_STRING || a->values[1].kind != CH_STRING || a->values[2].kind != CH_STRING)
			continue;
		m = find_measurement(&list, server_text(&a->values[0]));
		column = server_text(&a->values[1]);
		type = type_of_arrow(server_text(&a->values[2]));
		if (strcmp(type, "tag") == 0)
			m->tags = lappend(m->tags, column);
		else if (strcmp(type, "time") != 0)
			add_field(m, column, type);
	}
	return list;
}

/* ---- making tables ----------------------------------------------------- */

static bool
is_taken(const ChImportTable *table, const char *name)
{
	ListCell   *lc;

	foreach(lc, table->columns)
		if (strcmp(((ChImportColumn *) lfirst(lc))->name, name) == 0)
			return true;
	return false;
}

/* A column's name for a remote one: short enough, and unique in the table. */
static char *
column_name(const ChImportTable *table, const char *remote, const char *suffix)
{
	char	   *name;
	char	   *tail = pstrdup(suffix);

	for (int n = 2;; n++)
	{
		int			room = NAMEDATALEN - 1 - strlen(tail);

		name = psprintf("%.*s%s", pg_mbcliplen(remote, strlen(remote), room), remote, tail);
		if (!is_taken(table, name))
			return name;
		tail = psprintf("%s_%d", suffix, n);
	}
}

static ChImportColumn *
add_column(ChImportTable *table, const char *remote, const char *suffix, const char *type, const char *kind)
{
	ChImportColumn *col = palloc0(sizeof(ChImportColumn));

	col->name = column_name(table, remote, suffix);
	col->type = type;
	col->options = list_make2(ch_option("kind", kind), ch_option("field", remote));
	table->columns = lappend(table->columns, col);
	return col;
}

static const char *
sql_type(const char *type)
{
	if (strcmp(type, "float") == 0)
		return "double precision";
	if (strcmp(type, "integer") == 0)
		return "bigint";
	if (strcmp(type, "unsigned") == 0)
		return "numeric";
	return strcmp(type, "boolean") == 0 ? "boolean" : "text";
}

/* Does the measurement have the field with this type? */
static bool
has_type(const Measurement *m, const char *field, const char *type)
{
	ListCell   *lc;

	foreach(lc, m->fields)
	{
		Field	   *f = lfirst(lc);

		if (strcmp(f->name, field) == 0 && strcmp(f->type, type) == 0)
			return true;
	}
	return false;
}

static int
types_of(const Measurement *m, const char *field)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, m->fields)
		if (strcmp(((Field *) lfirst(lc))->name, field) == 0)
			n++;
	return n;
}

static void
add_fields(ChImportTable *table, const Measurement *m)
{
	ListCell   *lc;

	foreach(lc, m->fields)
	{
		Field	   *f = lfirst(lc);
		bool		mixed = types_of(m, f->name) > 1;
		bool		number = strcmp(f->type, "float") == 0 || strcmp(f->type, "integer") == 0;
		ChImportColumn *col;

		if (strcmp(f->type, "integer") == 0 && has_type(m, f->name, "float"))
			continue;
		col = add_column(table, f->name, mixed && !number ? psprintf("_%s", f->type) : "",
						 sql_type(f->type), "field");
		if (mixed)
			col->options = lappend(col->options, ch_option("field_type", f->type));
	}
}

static ChImportTable *
make_table(const Measurement *m)
{
	ChImportTable *table = palloc0(sizeof(ChImportTable));
	ChImportColumn *time = palloc0(sizeof(ChImportColumn));
	ListCell   *lc;

	table->name = m->name;
	table->options = list_make1(ch_option("measurement", m->name));
	time->name = "time";
	time->type = "timestamp with time zone";
	time->notnull = true;
	time->options = list_make1(ch_option("kind", "time"));
	table->columns = list_make1(time);
	foreach(lc, m->tags)
		add_column(table, lfirst(lc), "", "text", "tag");
	add_fields(table, m);
	return table;
}

List *
influx_import(ChConn *conn, const char *remote_schema, List *options)
{
	InfluxConn *c = conn->handle;
	const char *dbname = ch_conn_server_opt(conn, "dbname");
	List	   *measurements;
	List	   *tables = NIL;
	ListCell   *lc;

	if (strcmp(remote_schema, dbname) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("server \"%s\" has no remote schema \"%s\"", conn->server_name, remote_schema),
				 errdetail("Its only one is the database \"%s\".", dbname),
				 errhint("IMPORT FOREIGN SCHEMA %s FROM SERVER %s ..., or make a server for the other database.",
						 quote_identifier(dbname), quote_identifier(conn->server_name))));
	measurements = c->version == 3 ? ask_sql(conn) : ask_influxql(conn);
	foreach(lc, measurements)
		tables = lappend(tables, make_table(lfirst(lc)));
	return tables;
}
