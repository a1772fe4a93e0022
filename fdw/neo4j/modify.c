/*
 * modify.c
 *	  Which rows can be written, by which Cypher, and what is a row of it?
 *
 * A batch is one statement: $rows is a list of maps, which UNWIND goes through.
 *
 *	  UNWIND $rows AS q CREATE (n:`Trader`) SET n = q
 *	  UNWIND ... MATCH (n:`Trader`) WHERE elementId(n) = q.c0 SET n += q.p
 *
 * With option key, INSERT is MERGE by the key, which creates only what is not
 * there; apply.c looks at what the server says that it did, for an error names
 * the row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "fdw/neo4j/neo4j.h"

#define EACH_ROW	"UNWIND range(0, size($rows) - 1) AS i WITH i, $rows[i] AS q "
#define COUNTS		" RETURN count(*) AS c, count(DISTINCT i) AS d"
#define TRUNCATED_AT_ONCE 50000

/* ---- keys ------------------------------------------------------------------------ */

/*
 * May nodes and rows be found by the column?  Only if equal values are one value
 * in Neo4j, too: other times may have another zone or nanoseconds, and a uuid is
 * a string in any spelling.
 */
static bool
finds_rows(const ChColumn *col)
{
	if (col->kind == NEO4J_ID)
		return ch_is_text(col->basetype);
	return col->kind <= NEO4J_END &&
		(ch_is_int(col->basetype) || ch_is_text(col->basetype) || col->basetype == BOOLOID || col->basetype == DATEOID);
}

static const ChColumn *
id_column(const ChTable *table)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && table->columns[i]->kind == NEO4J_ID && finds_rows(table->columns[i]))
			return table->columns[i];
	return NULL;
}

static bool
has_kind(const ChTable *table, List *attnos, Neo4jKind kind)
{
	ListCell   *lc;

	foreach(lc, attnos)
		if (ch_column(table, lfirst_int(lc))->kind == kind)
			return true;
	return false;
}

static void
check_key(const ChTable *table, const ChColumn *col)
{
	if (col->kind > NEO4J_END)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("column \"%s\" of foreign table %s cannot be in option \"key\"", col->name, table->name),
				 errdetail("A key has columns that are properties.")));
	if (!finds_rows(col))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("column \"%s\" of foreign table %s cannot be in option \"key\"", col->name, table->name),
				 errdetail("Values of type %s that are equal may be different in Neo4j.", format_type_be(col->typid)),
				 errhint("A key has columns of integer types, text, varchar, boolean and date.")));
}

/* int list of attnos; NIL without the option */
static List *
key_of(const ChTable *table)
{
	const char *text = ch_opt_string(table->driver, table->options, "key");
	List	   *names;
	List	   *key = NIL;
	ListCell   *lc;

	if (text == NULL)
		return NIL;
	(void) SplitIdentifierString(pstrdup(text), ',', &names);
	foreach(lc, names)
	{
		const ChColumn *col = ch_column_named(table, lfirst(lc), "key");

		check_key(table, col);
		key = list_append_unique_int(key, col->attno);
	}
	if (((const Neo4jTable *) table->priv)->form == NEO4J_RELATIONSHIPS &&
		(!has_kind(table, key, NEO4J_START) || !has_kind(table, key, NEO4J_END)))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"key\" of foreign table %s does not say which nodes a relationship is between", table->name),
				 errhint("Name a column of kind start and one of kind end in it.")));
	return key;
}

bool
neo4j_is_key(const ChTable *table, const ChColumn *col)
{
	return list_member_int(key_of(table), col->attno);
}

/* ---- what may be written ------------------------------------------------------------ */

/* A condition may describe the rows (direct.c); to change single ones they must be found again. */
static void
check_identity(const ChWrite *w)
{
	if (id_column(w->table) == NULL && key_of(w->table) == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s single rows of foreign table %s", w->verb == CH_UPDATE ? "update" : "delete", w->table->name),
				 errdetail("Nothing tells which row is meant."),
				 errhint("Add a column of type text with the option kind 'id', or set the table's option key.")));
}

static bool
can_find_ends(const ChTable *table, const char **reason, const char **hint)
{
	bool		ends[2] = {false, false};

	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && (table->columns[i]->kind == NEO4J_START || table->columns[i]->kind == NEO4J_END))
			ends[table->columns[i]->kind == NEO4J_END] = true;
	if (neo4j_table_option(table, "start_label") == NULL || neo4j_table_option(table, "end_label") == NULL)
	{
		*hint = "Set the table's options start_label and end_label.";
		return ch_refuse(reason, "A relationship is made between nodes of labels that are not given.");
	}
	if (!ends[0] || !ends[1])
	{
		*hint = "Add columns with the option kind 'start' and 'end'.";
		return ch_refuse(reason, "No column tells which nodes a relationship is between.");
	}
	return true;
}

bool
neo4j_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint)
{
	Neo4jForm	form = ((const Neo4jTable *) table->priv)->form;

	if (form == NEO4J_RESULT)
		return ch_refuse(reason, "What a Cypher text returns is only read.");
	return verb != CH_INSERT || form == NEO4J_NODES || can_find_ends(table, reason, hint);
}

/*
 * What the row is found by, first; then columns that UPDATE may not change, so
 * that a trigger's row can be told to leave them.
 */
List *
neo4j_row_identity(const ChTable *table)
{
	const ChColumn *id = id_column(table);
	List	   *identity = id ? list_make1_int(id->attno) : NIL;

	identity = list_concat_unique_int(identity, key_of(table));
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && (table->columns[i]->kind == NEO4J_START || table->columns[i]->kind == NEO4J_END))
			identity = list_append_unique_int(identity, i + 1);
	return identity;
}

/* How many of w->identity the row is found by. */
static int
count_found_by(const ChWrite *w)
{
	const Neo4jWrite *nw = w->priv;

	return w->identity[0]->kind == NEO4J_ID ? 1 : list_length(nw->key);
}

/* ---- statements ------------------------------------------------------------------------ */

static bool
is_end(const ChColumn *col)
{
	return col->kind == NEO4J_START || col->kind == NEO4J_END;
}

static int
index_of(const ChWrite *w, int attno)
{
	for (int i = 0; i < w->ncolumns; i++)
		if (w->columns[i]->attno == attno)
			return i;
	elog(ERROR, "a key column is not written");
}

/* The value that INSERT has for a column, as q.`handle`. */
static char *
inserted(const ChWrite *w, int i)
{
	const Neo4jWrite *nw = w->priv;

	if (nw->form == NEO4J_NODES)
		return psprintf("q.%s", neo4j_quote(nw->names[i]));
	return is_end(w->columns[i]) ? psprintf("q.c%d", i) : psprintf("q.p.%s", neo4j_quote(nw->names[i]));
}

/* (n:`Trader` {`account_id`: q.`account_id`}); of a relationship -[r:...]-> */
static void
put_pattern(StringInfo out, const ChWrite *w)
{
	const Neo4jWrite *nw = w->priv;
	bool		nodes = nw->form == NEO4J_NODES;
	const char *before = " {";
	ListCell   *lc;

	appendStringInfo(out, nodes ? "(n:%s" : "(s)-[r:%s",
					 neo4j_quote(neo4j_table_option(w->table, nodes ? "label" : "relationship")));
	foreach(lc, nw->key)
	{
		int			i = index_of(w, lfirst_int(lc));

		if (is_end(w->columns[i]))
			continue;
		appendStringInfo(out, "%s%s: %s", before, neo4j_quote(nw->names[i]), inserted(w, i));
		before = ", ";
	}
	appendStringInfo(out, "%s%s", *before == ',' ? "}" : "", nodes ? ")" : "]->(e)");
}

/* CREATE or MERGE, and SET */
static void
put_insert(StringInfo out, const ChWrite *w)
{
	const Neo4jWrite *nw = w->priv;
	char		var = nw->form == NEO4J_NODES ? 'n' : 'r';
	const char *properties = nw->form == NEO4J_NODES ? "q" : "q.p";

	appendStringInfoString(out, nw->key ? "MERGE " : "CREATE ");
	put_pattern(out, w);
	if (nw->key && nw->merge && !w->skip_existing)
		appendStringInfo(out, " SET %c += %s", var, properties);
	else
		appendStringInfo(out, "%s SET %c = %s", nw->key ? " ON CREATE" : "", var, properties);
}

/* Bit i of ends is that of the i-th column of kind start or end. */
static bool
has_value(uint32 ends, int i)
{
	return (ends & ((uint32) 1 << i)) != 0;
}

/* MATCH (s:`Trader`) WHERE s.`account_id` = q.c0 */
static void
put_end(StringInfo out, const ChWrite *w, uint32 ends, Neo4jKind kind)
{
	const char *before = " WHERE ";
	int			end = 0;

	appendStringInfo(out, "MATCH (%c:%s)", kind == NEO4J_START ? 's' : 'e',
					 neo4j_quote(neo4j_table_option(w->table, kind == NEO4J_START ? "start_label" : "end_label")));
	for (int i = 0; i < w->ncolumns; i++)
	{
		if (!is_end(w->columns[i]))
			continue;
		if (has_value(ends, end++) && w->columns[i]->kind == kind)
		{
			appendStringInfo(out, "%s%s = q.c%d", before, NEO4J_EXPR(w->columns[i]), i);
			before = " AND ";
		}
	}
	appendStringInfoChar(out, ' ');
}

/* Of a relationship, both. */
static void
put_ends(StringInfo out, const ChWrite *w, uint32 ends)
{
	if (((const Neo4jWrite *) w->priv)->form != NEO4J_RELATIONSHIPS)
		return;
	put_end(out, w, ends, NEO4J_START);
	put_end(out, w, ends, NEO4J_END);
}

/* MATCH ... WHERE, of the row with the identity of q */
static void
put_row(StringInfo out, const ChWrite *w)
{
	appendStringInfoString(out, ((const Neo4jTable *) w->table->priv)->from);
	for (int i = 0; i < count_found_by(w); i++)
		appendStringInfo(out, "%s%s = q.c%d", i ? " AND " : " WHERE ", NEO4J_EXPR(w->identity[i]), i);
}

const char *
neo4j_statement(const ChWrite *w, uint32 ends)
{
	Neo4jWrite *nw = w->priv;
	char		var = nw->form == NEO4J_NODES ? 'n' : 'r';
	StringInfoData out;

	if (nw->text && nw->ends == ends)
		return nw->text;
	if (nw->text)
		pfree(nw->text);
	initStringInfo(&out);
	if (w->verb != CH_TRUNCATE)
		appendStringInfoString(&out, nw->checks & NEO4J_COUNTED ? EACH_ROW : "UNWIND $rows AS q ");
	switch (w->verb)
	{
		case CH_INSERT:
			put_ends(&out, w, ends);
			put_insert(&out, w);
			break;
		case CH_UPDATE:
			put_row(&out, w);
			appendStringInfo(&out, " SET %c += q.p", var);
			break;
		case CH_DELETE:
			put_row(&out, w);
			appendStringInfo(&out, " %sDELETE %c", nw->detach, var);
			break;
		case CH_TRUNCATE:
			appendStringInfo(&out, "%s WITH %c LIMIT %d %sDELETE %c RETURN count(*) AS c",
							 ((const Neo4jTable *) w->table->priv)->from, var, TRUNCATED_AT_ONCE, nw->detach, var);
			break;
	}
	/* relationships that exist are skipped, however many: the rows are those of the nodes */
	if (w->verb == CH_INSERT && w->skip_existing && nw->form == NEO4J_RELATIONSHIPS)
		appendStringInfoString(&out, " WITH DISTINCT i, s, e");
	if (nw->checks & NEO4J_COUNTED)
		appendStringInfoString(&out, COUNTS);
	nw->ends = ends;
	nw->text = MemoryContextStrdup(w->cxt, out.data);
	return nw->text;
}

/* ---- naming a record that is at fault ------------------------------------------------------ */

char *
neo4j_ends_text(const ChWrite *w, uint32 ends, Neo4jKind end)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, EACH_ROW "OPTIONAL ");
	put_end(&out, w, ends, end);
	appendStringInfo(&out, "WITH i, count(%c) AS c WHERE c <> 1 RETURN i, c ORDER BY i LIMIT 1", end == NEO4J_START ? 's' : 'e');
	return out.data;
}

/* What is there already with the key of an inserted row. */
static void
put_existing(StringInfo out, const ChWrite *w, uint32 ends)
{
	put_ends(out, w, ends);
	appendStringInfoString(out, "MATCH ");
	put_pattern(out, w);
}

char *
neo4j_rows_text(const ChWrite *w, uint32 ends)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, EACH_ROW);
	if (w->verb == CH_INSERT)
		put_existing(&out, w, ends);
	else
		put_row(&out, w);
	appendStringInfoString(&out, " WITH i, count(*) AS c WHERE c > 1 RETURN i, c ORDER BY i LIMIT 1");
	return out.data;
}

char *
neo4j_existing_text(const ChWrite *w, uint32 ends)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, EACH_ROW);
	put_existing(&out, w, ends);
	appendStringInfoString(&out, " RETURN i, 1 ORDER BY i LIMIT 1");
	return out.data;
}

char *
neo4j_repeated_text(const ChWrite *w)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	appendStringInfoString(&out, EACH_ROW "WITH [");
	foreach(lc, ((const Neo4jWrite *) w->priv)->key)
		appendStringInfo(&out, "%s%s", foreach_current_index(lc) ? ", " : "", inserted(w, index_of(w, lfirst_int(lc))));
	appendStringInfoString(&out, "] AS k, max(i) AS i, count(*) AS c WHERE c > 1 RETURN i, c ORDER BY i LIMIT 1");
	return out.data;
}

static void
put_sought(StringInfo out, ChColumn *col, const char *name, const ChValue *v)
{
	Datum		d;
	Oid			func;
	bool		varlena;

	if (v == NULL || !ch_value_to_datum(col, v, &d))
		return;
	getTypeOutputInfo(col->typid, &func, &varlena);
	appendStringInfo(out, "%s%s = %s", out->len ? " and " : "", name, OidOutputFunctionCall(func, d));
}

static const ChValue *
inserted_value(const ChWrite *w, const ChValue *record, int i)
{
	const Neo4jWrite *nw = w->priv;

	if (nw->form == NEO4J_NODES)
		return neo4j_member(record, nw->names[i]);
	return is_end(w->columns[i]) ? neo4j_member(record, psprintf("c%d", i))
		: neo4j_member(neo4j_member(record, "p"), nw->names[i]);
}

char *
neo4j_sought(const ChWrite *w, const ChValue *record, Neo4jKind end)
{
	const Neo4jWrite *nw = w->priv;
	StringInfoData out;

	initStringInfo(&out);
	if (w->verb != CH_INSERT)
		for (int i = 0; i < count_found_by(w); i++)
			put_sought(&out, w->identity[i], w->identity[i]->name, neo4j_member(record, psprintf("c%d", i)));
	for (int i = 0; i < w->ncolumns && w->verb == CH_INSERT; i++)
	{
		if (end == NEO4J_PROPERTY && list_member_int(nw->key, w->columns[i]->attno))
			put_sought(&out, w->columns[i], w->columns[i]->name, inserted_value(w, record, i));
		else if (end != NEO4J_PROPERTY && w->columns[i]->kind == end)
			put_sought(&out, w->columns[i], w->columns[i]->remote, inserted_value(w, record, i));
	}
	return out.data;
}

/* ---- preparing ---------------------------------------------------------------------------- */

/* Two columns of one property would contradict each other. */
static void
check_property(const ChWrite *w, int i)
{
	for (int j = 0; j < i; j++)
		if (w->columns[j]->kind == NEO4J_PROPERTY && strcmp(w->columns[j]->remote, w->columns[i]->remote) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot write columns \"%s\" and \"%s\" of foreign table %s at once",
							w->columns[j]->name, w->columns[i]->name, w->table->name),
					 errdetail("Both are the property \"%s\".", w->columns[i]->remote)));
}

static const char *
why_not_set(const ChColumn *col)
{
	switch ((Neo4jKind) col->kind)
	{
		case NEO4J_START:
		case NEO4J_END:
			return "A relationship stays between its nodes: delete it and insert another one.";
		case NEO4J_ID:
			return "Neo4j makes the ids of its nodes and relationships.";
		case NEO4J_LABELS:
			return "The label of a node is that of the table.";
		case NEO4J_TYPE:
			return "The type of a relationship is that of the table.";
		case NEO4J_NODE:
			return "Properties are written by columns of their own.";
		default:
			return "The table's option key says that the row is found by it: delete the row and insert another one.";
	}
}

static void
prepare_columns(ChWrite *w)
{
	Neo4jWrite *nw = w->priv;
	int			ends = 0;

	nw->names = palloc0(Max(w->ncolumns, 1) * sizeof(char *));
	for (int i = 0; i < w->ncolumns; i++)
	{
		const ChColumn *col = w->columns[i];

		nw->names[i] = pg_server_to_any(pstrdup(col->remote), strlen(col->remote), PG_UTF8);
		if (col->kind == NEO4J_PROPERTY)
			check_property(w, i);
		else if (w->verb == CH_UPDATE && col->kind > NEO4J_ID)
			ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, why_not_set(col), NULL);
		ends += is_end(col);
	}
	if (ends > 32)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("foreign table %s has more than 32 columns of kind start and end", w->table->name)));
}

static int
checks_of(const ChWrite *w)
{
	const Neo4jWrite *nw = w->priv;
	bool		fresh = nw->key && !nw->merge && !w->skip_existing;

	if (w->verb == CH_TRUNCATE || w->direct)
		return 0;
	if (w->verb != CH_INSERT)
		return NEO4J_COUNTED;
	if (nw->form == NEO4J_RELATIONSHIPS || (nw->merge && !w->skip_existing))
		return NEO4J_COUNTED | NEO4J_EACH | (fresh ? NEO4J_CREATED : 0);
	return fresh ? NEO4J_CREATED : 0;
}

void
neo4j_begin_write(ChWrite *w)
{
	Neo4jWrite *nw = palloc0(sizeof(Neo4jWrite));

	w->priv = nw;
	nw->form = ((const Neo4jTable *) w->table->priv)->form;
	nw->key = key_of(w->table);
	nw->merge = ch_opt_bool(w->driver, w->table->options, "merge");
	nw->detach = ch_opt_bool(w->driver, w->table->options, "detach_delete") ? "DETACH " : "";
	nw->checks = checks_of(w);
	if (w->skip_existing && nw->key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT DO NOTHING needs option \"key\" of foreign table %s", w->table->name),
				 errdetail("Without it no two rows conflict.")));
	if (!w->direct && (w->verb == CH_UPDATE || w->verb == CH_DELETE))
		check_identity(w);
	prepare_columns(w);
}

void
neo4j_explain_write(const ChWrite *w, StringInfo out)
{
	appendStringInfoString(out, neo4j_statement(w, ~(uint32) 0));
}

/* ---- rows ---------------------------------------------------------------------------------- */

static bool
is_same(const ChColumn *col, ChValue a, ChValue b)
{
	StringInfoData packed[2];

	initStringInfo(&packed[0]);
	initStringInfo(&packed[1]);
	neo4j_pack_property(&packed[0], col, &a);
	neo4j_pack_property(&packed[1], col, &b);
	return packed[0].len == packed[1].len && memcmp(packed[0].data, packed[1].data, packed[0].len) == 0;
}

/* A column that UPDATE does not change: it may be among those that are set. */
static void
check_unchanged(const ChWrite *w, const ChValue *identity, int i, const ChValue *v)
{
	for (int k = 0; k < w->nidentity; k++)
		if (w->identity[k]->attno == w->columns[i]->attno && is_same(w->columns[i], identity[k], *v))
			return;
	ch_refuse_value(w->columns[i], ERRCODE_FEATURE_NOT_SUPPORTED, why_not_set(w->columns[i]), NULL);
}

/* Is the value of column i one of the record's properties?  Else it is checked. */
static bool
is_property(const ChWrite *w, const ChValue *identity, int i, const ChValue *v)
{
	const Neo4jWrite *nw = w->priv;
	const ChColumn *col = w->columns[i];

	if (col->kind != NEO4J_PROPERTY && w->verb == CH_INSERT && !is_end(col) && v->kind != CH_NULL)
		ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, why_not_set(col), NULL);
	if (w->verb == CH_UPDATE && (col->kind != NEO4J_PROPERTY || list_member_int(nw->key, col->attno)))
	{
		check_unchanged(w, identity, i, v);
		return false;
	}
	if (v->kind == CH_NULL && w->verb == CH_INSERT && list_member_int(nw->key, col->attno))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of foreign table %s, which is in its option key", col->name, w->table->name)));
	return col->kind == NEO4J_PROPERTY;
}

/* NULL removes a property; a new node or relationship has none. */
static void
pack_properties(const ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	const Neo4jWrite *nw = w->priv;
	bool		nulls = w->verb == CH_UPDATE || (nw->merge && !w->skip_existing);
	bool	   *taken = palloc(Max(w->ncolumns, 1) * sizeof(bool));
	int			n = 0;

	for (int i = 0; i < w->ncolumns; i++)
	{
		taken[i] = is_property(w, identity, i, &values[i]) && (nulls || values[i].kind != CH_NULL);
		n += taken[i];
	}
	neo4j_pack_map(out, n);
	for (int i = 0; i < w->ncolumns; i++)
	{
		ChValue		v = values[i];

		if (!taken[i])
			continue;
		neo4j_pack_text(out, nw->names[i]);
		neo4j_pack_property(out, w->columns[i], &v);
	}
}

static void
pack_sought(StringInfo out, const ChColumn *col, int i, const ChValue *v)
{
	if (!finds_rows(col))
		ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED,
						psprintf("A node is not found by a value of type %s: what is equal here may be different in Neo4j.",
								 format_type_be(col->typid)),
						"Use a column of an integer type, text, varchar, boolean or date.");
	neo4j_pack_text(out, psprintf("c%d", i));
	neo4j_pack_stored(out, v);
}

/* Which columns of the ends have a value; both ends must have one. */
static uint32
given_ends(const ChWrite *w, const ChValue *values)
{
	uint32		ends = 0;
	int			end = 0;
	bool		given[2] = {false, false};

	for (int i = 0; i < w->ncolumns; i++)
	{
		if (!is_end(w->columns[i]))
			continue;
		if (values[i].kind != CH_NULL)
		{
			ends |= (uint32) 1 << end;
			given[w->columns[i]->kind == NEO4J_END] = true;
		}
		end++;
	}
	if (!given[0] || !given[1])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("relationship of foreign table %s has no %s node", w->table->name, given[0] ? "end" : "start"),
				 errdetail("Every column of kind %s is NULL.", given[0] ? "end" : "start")));
	return ends;
}

static void
encode_relationship(const ChWrite *w, const ChValue *values, StringInfo out)
{
	uint32		ends = given_ends(w, values);
	int			n = 0;

	for (uint32 rest = ends; rest; rest &= rest - 1)
		n++;
	appendBinaryStringInfo(out, (char *) &ends, sizeof(ends));
	neo4j_pack_map(out, n + 1);
	for (int i = 0; i < w->ncolumns; i++)
		if (is_end(w->columns[i]) && values[i].kind != CH_NULL)
			pack_sought(out, w->columns[i], i, &values[i]);
	neo4j_pack_text(out, "p");
	pack_properties(w, NULL, values, out);
}

static void
encode_found(const ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	int			n = count_found_by(w);

	neo4j_pack_map(out, n + (w->verb == CH_UPDATE));
	for (int i = 0; i < n; i++)
	{
		neo4j_pack_text(out, psprintf("c%d", i));
		neo4j_pack_stored(out, &identity[i]);
	}
	if (w->verb == CH_DELETE)
		return;
	neo4j_pack_text(out, "p");
	pack_properties(w, identity, values, out);
}

void
neo4j_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	const Neo4jWrite *nw = w->priv;
	uint32		ends = 0;

	if (w->verb == CH_INSERT && nw->form == NEO4J_RELATIONSHIPS)
	{
		encode_relationship(w, values, out);
		return;
	}
	appendBinaryStringInfo(out, (char *) &ends, sizeof(ends));
	if (w->verb == CH_INSERT)
		pack_properties(w, NULL, values, out);
	else
		encode_found(w, identity, values, out);
}
