/*
 * import.c
 *	  IMPORT FOREIGN SCHEMA: a driver says which tables there are, this file
 *	  keeps those that were asked for and writes the commands.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"

DefElem *
ch_option(const char *name, const char *value)
{
	return makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1);
}

/*
 * A name that PostgreSQL can hold and that is not taken: cut to its length,
 * with a number at the end if a cut or the store made two alike.
 */
static char *
unique_name(const char *name, List **taken)
{
	char	   *result = pstrdup(name[0] ? name : "unnamed");
	char		suffix[16] = "";

	for (int n = 1;; n++)
	{
		int			room = NAMEDATALEN - 1 - strlen(suffix);
		int			len = pg_mbcliplen(result, strlen(result), room);
		char	   *candidate = psprintf("%.*s%s", len, result, suffix);
		bool		found = false;
		ListCell   *lc;

		foreach(lc, *taken)
			found = found || strcmp(lfirst(lc), candidate) == 0;
		if (!found)
		{
			*taken = lappend(*taken, candidate);
			return candidate;
		}
		snprintf(suffix, sizeof(suffix), "_%d", n + 1);
	}
}

static void
append_options(StringInfo sql, List *options)
{
	ListCell   *lc;

	if (options == NIL)
		return;
	appendStringInfoString(sql, " OPTIONS (");
	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		appendStringInfo(sql, "%s%s %s", foreach_current_index(lc) ? ", " : "",
						 quote_identifier(def->defname), quote_literal_cstr(strVal(def->arg)));
	}
	appendStringInfoChar(sql, ')');
}

/*
 * The write mode is among the options, though it is the default, so that \d+
 * says what a ROLLBACK undoes.
 */
static char *
create_command(const ChDriver *driver, const ChImportTable *table, const char *name, ForeignServer *server, const char *schema)
{
	StringInfoData sql;
	List	   *taken = NIL;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s (\n", quote_qualified_identifier(schema, name));
	foreach(lc, table->columns)
	{
		ChImportColumn *col = lfirst(lc);

		appendStringInfo(&sql, "%s  %s %s", foreach_current_index(lc) ? ",\n" : "",
						 quote_identifier(unique_name(col->name, &taken)), col->type);
		append_options(&sql, col->options);
		if (col->collation)
			appendStringInfo(&sql, " COLLATE %s", col->collation);
		if (col->notnull)
			appendStringInfoString(&sql, " NOT NULL");
	}
	appendStringInfo(&sql, "\n) SERVER %s", quote_identifier(server->servername));
	append_options(&sql, ch_opt_given(server->options, "write_mode") ? table->options
				   : lappend(list_copy(table->options), ch_option("write_mode", ch_default_write_mode(driver))));
	return sql.data;
}

/* LIMIT TO and EXCEPT name tables as PostgreSQL would call them. */
static bool
is_wanted(const ImportForeignSchemaStmt *stmt, const char *name)
{
	ListCell   *lc;
	bool		listed = false;

	if (stmt->list_type == FDW_IMPORT_SCHEMA_ALL)
		return true;
	foreach(lc, stmt->table_list)
		listed = listed || strcmp(((RangeVar *) lfirst(lc))->relname, name) == 0;
	return listed == (stmt->list_type == FDW_IMPORT_SCHEMA_LIMIT_TO);
}

List *
ch_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ChConn	   *conn = ch_conn_acquire(serverid, GetUserId());
	const ChDriver *driver = conn->driver;
	List	   *tables = NIL;
	List	   *taken = NIL;
	List	   *commands = NIL;
	ListCell   *lc;

	PG_TRY();
	{
		tables = driver->import_schema(conn, stmt->remote_schema, stmt->options);
	}
	PG_CATCH();
	{
		ch_conn_drop(conn);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ch_conn_release(conn);

	foreach(lc, tables)
	{
		ChImportTable *table = lfirst(lc);
		char	   *name = unique_name(table->name, &taken);

		if (is_wanted(stmt, name))
			commands = lappend(commands, create_command(driver, table, name, server, stmt->local_schema));
	}
	return commands;
}
