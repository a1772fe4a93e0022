/*
 * import.c
 *	  Which foreign tables does IMPORT FOREIGN SCHEMA make of a database?
 *
 * One for each label and one for each type of relationship, as Neo4j's schema
 * procedures tell them: they look at the nodes and relationships that are
 * there, for Neo4j has no schema.  So nothing becomes NOT NULL (what they call
 * mandatory is only so far), and a property that has several types becomes
 * float8 if they are numbers, else jsonb.
 *
 * A relationship's ends become columns start_... and end_...: the properties
 * that a constraint makes unique, or that look like a key.  start_label and
 * end_label are given only if every relationship has them, by Neo4j's own
 * counts, so that no row is lost.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "fdw/neo4j/neo4j.h"

/* A label or a type of relationship. */
typedef struct Thing
{
	char	   *name;
	List	   *properties;		/* Property */
} Thing;

typedef struct Property
{
	char	   *name;
	const char *type;			/* SQL text */
} Property;

typedef struct Import
{
	ChConn	   *conn;
	bool		keep_case;
	List	   *labels;			/* Thing */
	List	   *types;			/* Thing */
} Import;

/* ---- what the procedures say ------------------------------------------------------- */

static const struct
{
	const char *remote;
	const char *type;
}			type_names[] = {
	{"Long", "bigint"}, {"Double", "double precision"}, {"String", "text"}, {"Boolean", "boolean"},
	{"Date", "date"}, {"DateTime", "timestamp with time zone"}, {"LocalDateTime", "timestamp without time zone"},
	{"LocalTime", "time without time zone"}, {"Time", "time with time zone"}, {"Duration", "interval"},
	{"ByteArray", "bytea"},
	{"LongArray", "bigint[]"}, {"DoubleArray", "double precision[]"}, {"StringArray", "text[]"},
	{"BooleanArray", "boolean[]"}, {"DateArray", "date[]"}, {"DateTimeArray", "timestamp with time zone[]"},
	{"LocalDateTimeArray", "timestamp without time zone[]"},
};

static char *
text_of(const ChValue *v)
{
	return v->kind == CH_STRING ? pg_any_to_server(pnstrdup(v->u.s.data, v->u.s.len), v->u.s.len, PG_UTF8) : NULL;
}

static const char *
sql_type(const ChValue *name)
{
	char	   *remote = text_of(name);

	for (int i = 0; remote && i < lengthof(type_names); i++)
		if (strcmp(type_names[i].remote, remote) == 0)
			return type_names[i].type;
	return "jsonb";
}

/* A type that holds the values of both. */
static const char *
widened(const char *a, const char *b)
{
	static const char *const numbers = "bigint double precision";

	if (a == NULL || strcmp(a, b) == 0)
		return b;
	return strstr(numbers, a) && strstr(numbers, b) ? "double precision" : "jsonb";
}

static Thing *
thing(List **things, const char *name)
{
	Thing	   *t;
	ListCell   *lc;

	foreach(lc, *things)
	{
		t = lfirst(lc);
		if (strcmp(t->name, name) == 0)
			return t;
	}
	t = palloc0(sizeof(Thing));
	t->name = pstrdup(name);
	*things = lappend(*things, t);
	return t;
}

static Property *
property(Thing *t, const char *name)
{
	Property   *p;
	ListCell   *lc;

	foreach(lc, t->properties)
	{
		p = lfirst(lc);
		if (strcmp(p->name, name) == 0)
			return p;
	}
	p = palloc0(sizeof(Property));
	p->name = pstrdup(name);
	t->properties = lappend(t->properties, p);
	return p;
}

/* A property of a thing, and the list of types that its values have. */
static void
add_property(Thing *t, const ChValue *name, const ChValue *types)
{
	char	   *text = text_of(name);
	Property   *p;

	if (text == NULL || types->kind != CH_LIST)
		return;					/* a thing without properties */
	p = property(t, text);
	for (int i = 0; i < types->u.list.n; i++)
		p->type = widened(p->type, sql_type(&types->u.list.items[i]));
}

static void
read_labels(Import *import)
{
	List	   *rows = neo4j_query(import->conn,
								   "CALL db.schema.nodeTypeProperties() YIELD nodeLabels, propertyName, propertyTypes "
								   "RETURN nodeLabels, propertyName, propertyTypes ORDER BY propertyName, nodeLabels",
								   NULL, 0, 100000);
	ListCell   *lc;

	foreach(lc, rows)
	{
		const ChValue *v = ((ChValue *) lfirst(lc))->u.list.items;

		for (int i = 0; v[0].kind == CH_LIST && i < v[0].u.list.n; i++)
		{
			char	   *label = text_of(&v[0].u.list.items[i]);

			if (label)
				add_property(thing(&import->labels, label), &v[1], &v[2]);
		}
	}
}

/* The procedure writes a type's name as :`NAME`. */
static char *
unquoted_type(const ChValue *v)
{
	char	   *text = text_of(v);
	size_t		len = text ? strlen(text) : 0;
	StringInfoData buf;

	if (len < 3 || strncmp(text, ":`", 2) != 0)
		return text;
	initStringInfo(&buf);
	for (size_t i = 2; i < len - 1; i++)
	{
		appendStringInfoChar(&buf, text[i]);
		if (text[i] == '`' && text[i + 1] == '`')
			i++;
	}
	return buf.data;
}

static void
read_types(Import *import)
{
	List	   *rows = neo4j_query(import->conn,
								   "CALL db.schema.relTypeProperties() YIELD relType, propertyName, propertyTypes "
								   "RETURN relType, propertyName, propertyTypes ORDER BY propertyName, relType",
								   NULL, 0, 100000);
	ListCell   *lc;

	foreach(lc, rows)
	{
		const ChValue *v = ((ChValue *) lfirst(lc))->u.list.items;
		char	   *type = unquoted_type(&v[0]);

		if (type)
			add_property(thing(&import->types, type), &v[1], &v[2]);
	}
}

/* ---- ends of relationships ------------------------------------------------------------ */

/* The number that a query of one row returns. */
static int64
number_of(Import *import, const char *query)
{
	List	   *rows = neo4j_query(import->conn, query, NULL, 0, 1);
	const ChValue *v = rows ? ((ChValue *) linitial(rows))->u.list.items : NULL;

	return v && v->kind == CH_INT ? v->u.i : -1;
}

/* Labels that nodes at one end of a relationship type have: char *, sampled. */
static List *
labels_at(Import *import, const Thing *type, bool start)
{
	List	   *rows = neo4j_query(import->conn,
								   psprintf("MATCH (s)-[:%s]->(e) WITH %s AS n LIMIT 1000 "
											"UNWIND labels(n) AS label RETURN DISTINCT label ORDER BY label",
											neo4j_quote(type->name), start ? "s" : "e"),
								   NULL, 0, 1000);
	List	   *labels = NIL;
	ListCell   *lc;

	foreach(lc, rows)
	{
		char	   *label = text_of(((ChValue *) lfirst(lc))->u.list.items);

		if (label)
			labels = lappend(labels, label);
	}
	return labels;
}

/*
 * The one of the labels that every node at that end has, or NULL.  Neo4j keeps
 * count of relationships by type and one end's label, which decides at once.
 */
static const char *
common_label(Import *import, const Thing *type, List *labels, bool start)
{
	char	   *name = neo4j_quote(type->name);
	int64		all = number_of(import, psprintf("MATCH ()-[r:%s]->() RETURN count(r)", name));
	ListCell   *lc;

	foreach(lc, labels)
	{
		char	   *label = neo4j_quote(lfirst(lc));
		char	   *query = start
			? psprintf("MATCH (:%s)-[r:%s]->() RETURN count(r)", label, name)
			: psprintf("MATCH ()-[r:%s]->(:%s) RETURN count(r)", name, label);

		if (number_of(import, query) == all)
			return lfirst(lc);
	}
	return NULL;
}

/* Properties of a label that a constraint makes unique alone. */
static List *
unique_properties(Import *import, const char *label)
{
	const char *params[] = {label};

	return neo4j_query(import->conn,
					   "SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties "
					   "WHERE type IN ['UNIQUENESS', 'NODE_PROPERTY_UNIQUENESS', 'NODE_KEY'] "
					   "AND labelsOrTypes = [$p1] AND size(properties) = 1 RETURN DISTINCT properties[0] AS p ORDER BY p",
					   params, 1, 1000);
}

static bool
looks_like_key(const Property *p)
{
	size_t		len = strlen(p->name);

	if (p->type == NULL || (strcmp(p->type, "bigint") != 0 && strcmp(p->type, "text") != 0))
		return false;
	return pg_strcasecmp(p->name, "id") == 0 || strcmp(p->name, "name") == 0 ||
		(len > 3 && strcmp(p->name + len - 3, "_id") == 0) || (len > 2 && strcmp(p->name + len - 2, "Id") == 0);
}

/* Property of the label's key columns, by constraint or by name. */
static List *
key_properties(Import *import, const char *label)
{
	Thing	   *t = thing(&import->labels, label);
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, unique_properties(import, label))
	{
		char	   *name = text_of(((ChValue *) lfirst(lc))->u.list.items);

		if (name)
			keys = lappend(keys, property(t, name));
	}
	if (keys)
		return keys;
	foreach(lc, t->properties)
		if (looks_like_key(lfirst(lc)))
			keys = lappend(keys, lfirst(lc));
	return keys;
}

/* Keys of several labels: each name once, with a type that holds all. */
static List *
merge_keys(List *keys, List *more)
{
	Thing		all = {.properties = keys};
	ListCell   *lc;

	foreach(lc, more)
	{
		Property   *from = lfirst(lc);
		Property   *to = property(&all, from->name);

		if (from->type)
			to->type = widened(to->type, from->type);
	}
	return all.properties;
}

/* ---- tables ------------------------------------------------------------------------------- */

/*
 * A name as SQL has it: Trader, StrategyRun and FOLLOWS become trader,
 * strategy_run and follows, unless the import's option case is 'keep'.
 */
static char *
sql_name(const Import *import, const char *name)
{
	StringInfoData buf;

	if (import->keep_case)
		return pstrdup(name);
	initStringInfo(&buf);
	for (const char *p = name; *p; p++)
	{
		bool		upper = *p >= 'A' && *p <= 'Z';
		bool		after_lower = p > name && ((p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= '0' && p[-1] <= '9'));

		if (upper && after_lower)
			appendStringInfoChar(&buf, '_');
		appendStringInfoChar(&buf, upper ? *p - 'A' + 'a' : *p);
	}
	return buf.data;
}

static ChImportColumn *
make_column(const Import *import, const char *prefix, const Property *p, const char *kind)
{
	ChImportColumn *col = palloc0(sizeof(ChImportColumn));

	col->name = psprintf("%s%s", prefix, sql_name(import, p->name));
	col->type = p->type ? p->type : "jsonb";
	/* Neo4j's order of strings, so that it can sort them for us */
	if (strcmp(col->type, "text") == 0)
		col->collation = "pg_catalog.\"C\"";
	if (kind)
		col->options = lappend(col->options, ch_option("kind", kind));
	col->options = lappend(col->options, ch_option("property", p->name));
	return col;
}

static ChImportTable *
make_table(const Import *import, const Thing *t, const char *option)
{
	ChImportTable *table = palloc0(sizeof(ChImportTable));

	table->name = sql_name(import, t->name);
	table->options = list_make1(ch_option(option, t->name));
	return table;
}

static void
add_columns(const Import *import, ChImportTable *table, List *properties, const char *prefix, const char *kind)
{
	ListCell   *lc;

	foreach(lc, properties)
		table->columns = lappend(table->columns, make_column(import, prefix, lfirst(lc), kind));
}

static ChImportTable *
label_table(Import *import, const Thing *label)
{
	ChImportTable *table = make_table(import, label, "label");

	add_columns(import, table, label->properties, "", NULL);
	return table;
}

/* One end of a relationship: its label, and its keys as columns. */
static void
add_end(Import *import, ChImportTable *table, const Thing *type, bool start)
{
	List	   *labels = labels_at(import, type, start);
	const char *common = common_label(import, type, labels, start);
	List	   *keys = NIL;
	ListCell   *lc;

	if (common)
	{
		table->options = lappend(table->options, ch_option(start ? "start_label" : "end_label", common));
		labels = list_make1(unconstify(char *, common));
	}
	foreach(lc, labels)
		keys = merge_keys(keys, key_properties(import, lfirst(lc)));
	add_columns(import, table, keys, start ? "start_" : "end_", start ? "start" : "end");
}

static ChImportTable *
type_table(Import *import, const Thing *type)
{
	ChImportTable *table = make_table(import, type, "relationship");

	add_end(import, table, type, true);
	add_end(import, table, type, false);
	add_columns(import, table, type->properties, "", NULL);
	return table;
}

static bool
option_keep_case(List *options)
{
	bool		keep = false;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);
		char	   *value = strVal(def->arg);

		if (strcmp(def->defname, "case") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\" of IMPORT FOREIGN SCHEMA", def->defname),
					 errhint("The only option is \"case\": lower or keep.")));
		keep = strcmp(value, "keep") == 0;
		if (!keep && strcmp(value, "lower") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"case\": \"%s\"", value),
					 errhint("Valid values are: lower, keep.")));
	}
	return keep;
}

/* The schema is the database that the server's connections use. */
static void
check_database(ChConn *conn, const char *remote_schema)
{
	List	   *rows = neo4j_query(conn, "CALL db.info() YIELD name RETURN name", NULL, 0, 1);
	char	   *name = rows ? text_of(((ChValue *) linitial(rows))->u.list.items) : NULL;

	if (name && pg_strcasecmp(name, remote_schema) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("database \"%s\" is not the one of server \"%s\"", remote_schema, conn->server_name),
				 errdetail("The server reads database \"%s\".", name),
				 errhint("Import from schema %s, or set the server's option dbname.", quote_identifier(name))));
}

List *
neo4j_import_schema(ChConn *conn, const char *remote_schema, List *options)
{
	Import		import = {.conn = conn,.keep_case = option_keep_case(options)};
	List	   *tables = NIL;
	ListCell   *lc;

	check_database(conn, remote_schema);
	read_labels(&import);
	read_types(&import);
	foreach(lc, import.labels)
		tables = lappend(tables, label_table(&import, lfirst(lc)));
	foreach(lc, import.types)
		tables = lappend(tables, type_table(&import, lfirst(lc)));
	return tables;
}
