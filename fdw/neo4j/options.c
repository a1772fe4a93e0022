/*
 * options.c
 *	  Which options does the Neo4j wrapper know, and which node, relationship
 *	  or property does a table and a column mean by them?
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "fdw/neo4j/neo4j.h"

static const char *const kinds[] = {"property", "start", "end", "id", "labels", "type", "node", NULL};

const ChOptionDef neo4j_options[] = {
	{"url", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "address, as bolt://host:7687; bolt+s:// with TLS, bolt+ssc:// with TLS and any certificate; instead of host, port and tls"},
	{"dbname", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "database; default: the user's home database"},
	{"label", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "rows are the nodes with this label"},
	{"relationship", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "rows are the relationships of this type"},
	{"start_label", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "only relationships that start at a node with this label"},
	{"end_label", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "only relationships that end at a node with this label"},
	{"cypher", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "rows are what this Cypher text, which only reads, returns"},
	{"key", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "columns, with commas between them, whose values only one row has: by them INSERT finds rows that exist, UPDATE and DELETE those that they change"},
	{"merge", CH_ON_TABLE, CH_OPT_BOOL, "false", .help = "INSERT of a key that exists sets the properties of its node or relationship"},
	{"detach_delete", CH_ON_TABLE, CH_OPT_BOOL, "false", .help = "DELETE and TRUNCATE of nodes also delete their relationships"},
	{"property", CH_ON_COLUMN, CH_OPT_STRING, NULL, .help = "name of the property, or of the column that the Cypher text returns; default: the column's name"},
	{"kind", CH_ON_COLUMN, CH_OPT_ENUM, "property", .values = kinds, .help = "property; start or end: property of that end of the relationship; id, labels, type; node: all properties"},
	{0}
};

/* ---- addresses ----------------------------------------------------------------- */

static const struct
{
	const char *scheme;
	bool		tls;
	bool		verify;
}			schemes[] = {
	{"bolt://", false, true},
	{"bolt+s://", true, true},
	{"bolt+ssc://", true, false},
	{"neo4j://", false, true},
	{"neo4j+s://", true, true},
	{"neo4j+ssc://", true, false},
};

/* host, host:port, [::1] or [::1]:port */
static const char *
parse_authority(const char *text, ChEndpoint *ep)
{
	const char *host = text;
	const char *end = text + strcspn(text, ":");
	const char *rest;
	char	   *stop;
	long		port;

	if (*text == '[')
	{
		host = text + 1;
		end = strchr(text, ']');
		if (end == NULL)
			return "has an address without its closing bracket";
	}
	rest = *end == ']' ? end + 1 : end;
	if (end == host)
		return "names no host";
	ep->host = pnstrdup(host, end - host);
	if (*rest == '\0')
		return NULL;
	port = strtol(rest + 1, &stop, 10);
	if (*rest != ':' || stop == rest + 1 || *stop != '\0' || port < 1 || port > 65535)
		return "has a port that is no number from 1 to 65535";
	ep->port = (int) port;
	return NULL;
}

const char *
neo4j_parse_url(const char *url, ChEndpoint *ep)
{
	for (int i = 0; i < lengthof(schemes); i++)
	{
		size_t		len = strlen(schemes[i].scheme);
		char	   *authority;

		if (pg_strncasecmp(url, schemes[i].scheme, len) != 0)
			continue;
		authority = pstrdup(url + len);
		if (strchr(authority, '@'))
			return "has user or password, which belong into a USER MAPPING";
		if (authority[0] && authority[strlen(authority) - 1] == '/')
			authority[strlen(authority) - 1] = '\0';
		if (strpbrk(authority, "/?#"))
			return "goes on after the port; the database is the option dbname";
		ep->tls = schemes[i].tls;
		ep->tls_verify = ep->tls_verify && schemes[i].verify;
		return parse_authority(authority, ep);
	}
	return "must start with bolt://, bolt+s://, bolt+ssc:// or the same with neo4j";
}

/* ---- options that depend on each other -------------------------------------------- */

static void
check_server(List *options)
{
	static const char *const parts[] = {"host", "port", "tls"};
	ChEndpoint	ep = {.tls_verify = true};
	const char *url = ch_opt_string(&ch_neo4j_driver, options, "url");
	const char *why;

	if (url == NULL)
		return;
	why = neo4j_parse_url(url, &ep);
	if (why)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"url\""),
				 errdetail("The URL %s.", why),
				 errhint("An example: bolt://localhost:7687")));
	for (int i = 0; i < lengthof(parts); i++)
		if (ch_opt_given(options, parts[i]))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("options \"url\" and \"%s\" exclude each other", parts[i]),
					 errhint("The URL says it: remove option \"%s\".", parts[i])));
}

/*
 * Our own parameters are named $p1, $p2, ...: a text with such a name of its
 * own would see them.
 */
static void
check_cypher(const char *text)
{
	if (text[strspn(text, " \t\r\n;")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"cypher\" is empty")));
	for (const char *p = strchr(text, '$'); p; p = strchr(p + 1, '$'))
		if (p[1] == 'p' && isdigit((unsigned char) p[2]))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("option \"cypher\" may not use parameters"),
					 errdetail("Names like $p1 stand for the values of pushed conditions."),
					 errhint("Leave the condition out and write it in WHERE.")));
}

/* Options of writing; which columns there are is not known here. */
static void
check_written(List *options, const char *form)
{
	static const char *const names[] = {"key", "merge", "detach_delete"};
	const char *key = ch_opt_string(&ch_neo4j_driver, options, "key");
	List	   *columns;

	for (int i = 0; i < lengthof(names); i++)
		if (ch_opt_given(options, names[i]) && strcmp(form, "cypher") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" needs the option \"label\" or \"relationship\"", names[i]),
					 errdetail("What a Cypher text returns is only read.")));
	if (ch_opt_given(options, "detach_delete") && strcmp(form, "label") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"detach_delete\" needs the option \"label\"")));
	if (ch_opt_bool(&ch_neo4j_driver, options, "merge") && key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"merge\" needs the option \"key\"")));
	if (key && (!SplitIdentifierString(pstrdup(key), ',', &columns) || columns == NIL))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"key\""),
				 errhint("Name columns of the table, as 'account_id' or 'follower_id, leader_id'.")));
}

static void
check_table(List *options)
{
	static const char *const forms[] = {"label", "relationship", "cypher"};
	const char *form = NULL;
	const char *cypher = ch_opt_string(&ch_neo4j_driver, options, "cypher");

	for (int i = 0; i < lengthof(forms); i++)
	{
		if (!ch_opt_given(options, forms[i]))
			continue;
		if (form)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("options \"%s\" and \"%s\" exclude each other", form, forms[i])));
		form = forms[i];
	}
	if (form == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("one of the options \"label\", \"relationship\" and \"cypher\" is required"),
				 errhint("Say what the table's rows are, as OPTIONS (label 'Trader').")));
	if (strcmp(form, "relationship") != 0 &&
		(ch_opt_given(options, "start_label") || ch_opt_given(options, "end_label")))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"start_label\" and \"end_label\" need the option \"relationship\"")));
	if (cypher)
		check_cypher(cypher);
	check_written(options, form);
}

void
neo4j_check_options(int where, List *options)
{
	if (where == CH_ON_SERVER)
		check_server(options);
	else if (where == CH_ON_TABLE)
		check_table(options);
}

/* ---- tables and columns ---------------------------------------------------------------- */

/*
 * Cypher reads \uXXXX before it looks for backquotes, so that \u0060 in a name
 * would end it: a backslash is written as such an escape itself, which is not
 * read twice.
 */
char *
neo4j_quote(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '`');
	for (const char *p = name; *p; p++)
	{
		if (*p == '\\')
			appendStringInfoString(&buf, "\\u005C");
		else if (*p == '`')
			appendStringInfoString(&buf, "``");
		else
			appendStringInfoChar(&buf, *p);
	}
	appendStringInfoChar(&buf, '`');
	return buf.data;
}

/* (n:`Label`), or (n) */
static void
put_node(StringInfo buf, const char *variable, const char *label)
{
	appendStringInfo(buf, "(%s%s%s)", variable, label ? ":" : "", label ? neo4j_quote(label) : "");
}

const char *
neo4j_table_option(const ChTable *table, const char *name)
{
	const char *value = ch_opt_string(table->driver, table->options, name);

	return value ? pg_server_to_any(value, strlen(value), PG_UTF8) : NULL;
}

/*
 * What a table's rows are.  suffix tells the variables of the tables of a join
 * apart.
 */
static Neo4jTable *
describe_rows(const ChTable *table, const char *suffix)
{
	Neo4jTable *t = palloc0(sizeof(Neo4jTable));
	const char *label = neo4j_table_option(table, "label");
	const char *type = neo4j_table_option(table, "relationship");
	const char *cypher = neo4j_table_option(table, "cypher");
	StringInfoData buf;

	initStringInfo(&buf);
	if (cypher)
	{
		size_t		len = strlen(cypher);

		while (len > 0 && strchr(" \t\r\n;", cypher[len - 1]))
			len--;
		t->form = NEO4J_RESULT;
		/* the newline ends a comment that may be the text's end */
		appendStringInfo(&buf, "CALL {\n%.*s\n} WITH *", (int) len, cypher);
	}
	else if (type)
	{
		t->form = NEO4J_RELATIONSHIPS;
		appendStringInfoString(&buf, "MATCH ");
		put_node(&buf, psprintf("s%s", suffix), neo4j_table_option(table, "start_label"));
		appendStringInfo(&buf, "-[r%s:%s]->", suffix, neo4j_quote(type));
		put_node(&buf, psprintf("e%s", suffix), neo4j_table_option(table, "end_label"));
	}
	else
	{
		t->form = NEO4J_NODES;
		appendStringInfoString(&buf, "MATCH ");
		put_node(&buf, psprintf("n%s", suffix), label);
	}
	t->from = buf.data;
	return t;
}

/* Which kinds of column a form of table has. */
static bool
kind_allowed(Neo4jForm form, Neo4jKind kind)
{
	switch (kind)
	{
		case NEO4J_PROPERTY:
			return true;
		case NEO4J_START:
		case NEO4J_END:
		case NEO4J_TYPE:
			return form == NEO4J_RELATIONSHIPS;
		case NEO4J_LABELS:
			return form == NEO4J_NODES;
		case NEO4J_ID:
		case NEO4J_NODE:
			return form != NEO4J_RESULT;
		case NEO4J_COMPUTED:
			break;				/* no option names it */
	}
	return false;
}

static Neo4jKind
kind_of(const ChTable *table, const ChColumn *col)
{
	const char *name = ch_opt_string(table->driver, col->options, "kind");

	for (int i = 0; kinds[i]; i++)
		if (strcmp(name, kinds[i]) == 0)
			return (Neo4jKind) i;
	return NEO4J_PROPERTY;
}

static char *
expression_of(const ChColumn *col, Neo4jForm form, const char *suffix)
{
	char	   *row = psprintf("%s%s", form == NEO4J_RELATIONSHIPS ? "r" : "n", suffix);
	char	   *name = neo4j_quote(pg_server_to_any(col->remote, strlen(col->remote), PG_UTF8));

	switch ((Neo4jKind) col->kind)
	{
		case NEO4J_PROPERTY:
			return form == NEO4J_RESULT ? name : psprintf("%s.%s", row, name);
		case NEO4J_START:
			return psprintf("s%s.%s", suffix, name);
		case NEO4J_END:
			return psprintf("e%s.%s", suffix, name);
		case NEO4J_ID:
			return psprintf("elementId(%s)", row);
		case NEO4J_LABELS:
			return psprintf("labels(%s)", row);
		case NEO4J_TYPE:
			return psprintf("type(%s)", row);
		case NEO4J_NODE:
			return psprintf("properties(%s)", row);
		case NEO4J_COMPUTED:
			break;
	}
	return name;
}

void
neo4j_describe_table(ChTable *table)
{
	Neo4jTable *t = describe_rows(table, "");

	table->priv = t;
	for (int i = 0; i < table->natts; i++)
	{
		ChColumn   *col = table->columns[i];

		if (col == NULL)
			continue;
		col->kind = kind_of(table, col);
		if (!kind_allowed(t->form, col->kind))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("column \"%s\" of foreign table %s cannot have kind '%s'",
							col->name, table->name, kinds[col->kind]),
					 errdetail("start, end and type belong to a relationship, labels to a node, "
							   "and what a Cypher text returns has only properties.")));
		col->unique = col->kind == NEO4J_ID;
		col->generated = col->kind == NEO4J_ID || col->kind == NEO4J_LABELS || col->kind == NEO4J_TYPE ||
			col->kind == NEO4J_NODE;
		col->extra = expression_of(col, t->form, "");
	}
}

/* Each table of a join has variables of its own; priv is an array of them. */
void
neo4j_describe_join(ChTable *joined)
{
	Neo4jTable *tables = palloc(joined->nmembers * sizeof(Neo4jTable));

	for (int m = 0; m < joined->nmembers; m++)
	{
		const ChTable *member = joined->members[m];
		char	   *suffix = psprintf("%d", m + 1);

		tables[m] = *describe_rows(member, suffix);
		for (int i = 0; i < member->natts; i++)
		{
			ChColumn   *col = joined->columns[joined->first[m] + i - 1];

			if (col)
				col->extra = expression_of(col, tables[m].form, suffix);
		}
	}
	joined->priv = tables;
}
