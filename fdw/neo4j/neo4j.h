/*
 * neo4j.h
 *	  What the files of the Neo4j driver share.
 */
#ifndef NEO4J_H
#define NEO4J_H

#include "postgres.h"

#include "fdw/core/compat.h"
#include "fdw/core/driver.h"
#include "fdw/neo4j/bolt.h"
#include "fdw/neo4j/types.h"

/* ---- options.c --------------------------------------------------------------- */

extern const ChOptionDef neo4j_options[];

extern void neo4j_check_options(int where, List *options);
extern void neo4j_describe_table(ChTable *table);
extern void neo4j_describe_join(ChTable *joined);

/* A name or text of a table's option as the UTF-8 that Neo4j reads; or NULL. */
extern const char *neo4j_table_option(const ChTable *table, const char *name);

/* An URL of a server in parts, palloc'ed. Returns NULL, or what is wrong with it. */
extern const char *neo4j_parse_url(const char *url, ChEndpoint *ep);

/* What rows of a foreign table are. */
typedef enum Neo4jForm
{
	NEO4J_NODES,				/* nodes with a label */
	NEO4J_RELATIONSHIPS,		/* relationships of a type, with both ends */
	NEO4J_RESULT				/* what a Cypher text returns */
} Neo4jForm;

/* ChTable.priv; of a join: an array, one for each table */
typedef struct Neo4jTable
{
	Neo4jForm	form;
	char	   *from;			/* Cypher that binds n, or s, r and e, or the
								 * columns of the text */
} Neo4jTable;

/* ChColumn.kind: what a column is of its row. */
typedef enum Neo4jKind
{
	NEO4J_PROPERTY,				/* also a column of a Cypher text */
	NEO4J_START,				/* property of the start node */
	NEO4J_END,
	NEO4J_ID,					/* element id */
	NEO4J_LABELS,
	NEO4J_TYPE,
	NEO4J_NODE,					/* every property, as a map */
	NEO4J_COMPUTED				/* an expression (func.c) */
} Neo4jKind;

/* ChColumn.extra: its Cypher, as n.`handle`. */
#define NEO4J_EXPR(col) ((const char *) (col)->extra)

/* A name as a Cypher identifier, always in backquotes. */
extern char *neo4j_quote(const char *name);

/* ---- connection.c ------------------------------------------------------------ */

/* ChConn.handle, in its memory context. */
typedef struct Neo4jConn
{
	BoltClient *bolt;
	const char *database;		/* NULL: the user's home database */
} Neo4jConn;

extern void neo4j_endpoint(const ChConn *conn, ChEndpoint *ep);
extern void neo4j_connect(ChConn *conn);
extern void neo4j_disconnect(ChConn *conn);
extern bool neo4j_alive(ChConn *conn);
extern void neo4j_probe(ChConn *conn, ChProbe step, StringInfo detail);

/* Raise the FAILURE that the server answered with. */
pg_noreturn extern void neo4j_raise(const ChConn *conn);

/* Raise what the server's answer does not keep to. */
pg_noreturn extern void neo4j_raise_protocol(const ChConn *conn, const char *what);

/*
 * In a transaction that writes the server does not refuse a text that writes:
 * raise if this one does, before it runs.
 */
extern void neo4j_check_reads(ChConn *conn, const BoltQuery *query);

/*
 * Run a short query of our own, up to limit rows; each row's values (a CH_LIST)
 * are copied into the current memory context.  params: NULL or texts, as $p1 ...
 */
#define NEO4J_QUERY_WIDTH 3		/* values of a row that are there, if only as NULL */
extern List *neo4j_query(ChConn *conn, const char *text, const char *const *params, int nparams, int limit);

/* ---- compare.c ----------------------------------------------------------------- */

/* A query being written: as text with parameters, or as EXPLAIN shows it. */
typedef struct Neo4jText
{
	StringInfoData text;
	bool		explain;		/* values stand in the text, for people */
	bool		literal;		/* values stand in the text, as they are */
	bool		in_set;			/* values are those of one of several questions */
	int			nparams;
	StringInfoData params;		/* packed: name, value, ... */
} Neo4jText;

extern ChShip neo4j_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason);

/* Write a leaf; what it is true for is the same set of rows as PostgreSQL's. */
extern void neo4j_put_leaf(Neo4jText *q, const ChCond *leaf);

/* Write a value: $p1, or in EXPLAIN the value itself. */
extern void neo4j_put_value(Neo4jText *q, const ChValue *v);

/*
 * Can the column's value be told from one that does not fit by a condition in
 * Cypher, and if so, write it: true for what fits, else false or null.
 */
extern bool neo4j_has_fit(const ChColumn *col);
extern void neo4j_put_fit(Neo4jText *q, const ChColumn *col);

/* ---- func.c ---------------------------------------------------------------------- */

extern bool neo4j_ship_func(const ChTable *table, ChColumn *col, const char **reason);

/* The columns that a computed one is made of; they may be computed, too. */
extern List *neo4j_inputs(const ChColumn *col);

/* ---- group.c --------------------------------------------------------------------- */

/* Can equal values be brought to one form?  And that form of a value that fits. */
extern bool neo4j_has_form(const ChColumn *col, const char **reason);
extern char *neo4j_form(const ChColumn *col);

extern bool neo4j_ship_group(const ChTable *table, const ChQuery *query, const char **reason);

/*
 * RETURN of a grouped query: keys and aggregates as c0, c1, ..., then for each
 * column of *checked a value that its type does not hold, or null.
 */
extern void neo4j_put_groups(Neo4jText *q, const ChScan *scan, List **checked);

/* Above groups: WITH in place of RETURN; ORDER BY begins with the groups that are errors, or false. */
extern void neo4j_describe_groups(ChTable *groups);
extern ChShip neo4j_ship_group_leaf(const ChTable *groups, const ChExpr *leaf, const char **reason);
extern bool neo4j_ship_group_sort(const ChTable *groups, List *keys, const char **reason);
extern bool neo4j_put_bad_first(Neo4jText *q, const ChScan *scan, const List *checked);

extern char *neo4j_moment(const char *p);	/* deparse.c */

/* A condition with AND and OR (deparse.c). */
extern void neo4j_put_condition(Neo4jText *q, const ChCond *cond);

/* ---- deparse.c ------------------------------------------------------------------- */

extern bool neo4j_ship_sort(const ChTable *table, List *keys, const char **reason);
extern void neo4j_explain(ChScan *scan, StringInfo out);

extern bool neo4j_ship_join(const ChTable *joined, const ChQuery *query, const char **reason);
extern int	neo4j_ship_sets(const ChTable *table, const ChQuery *query);

/* What the answer to a query has besides, or in place of, the scan's columns. */
typedef struct Neo4jForms
{
	bool		count;			/* one record: the number of rows, which are empty */
	bool		numbered;		/* each record begins with the number of its set */
	List	   *checked;		/* ChColumn: see neo4j_put_groups */
} Neo4jForms;

/* The whole query of a scan. */
extern void neo4j_compile(ChScan *scan, Neo4jText *q, Neo4jForms *forms);

/* ---- scan.c ------------------------------------------------------------------------ */

extern void neo4j_send(ChScan *scan);
extern bool neo4j_next(ChScan *scan, Datum *values, bool *nulls);
extern bool neo4j_close(ChScan *scan, bool failed);

/* ---- stored.c ---------------------------------------------------------------------- */

/* Pack a value for a property of the column, or refuse it by name; v is changed. */
extern void neo4j_pack_property(StringInfo out, const ChColumn *col, ChValue *v);

/* ---- modify.c ------------------------------------------------------------------------ */

/* What the answer to a statement must say; the statement returns it. */
enum
{
	NEO4J_COUNTED = 1,			/* rows, and how many records they are of: no
								 * record may have more than one */
	NEO4J_EACH = 2,				/* each record has one */
	NEO4J_CREATED = 4			/* each made a node or relationship */
};

/*
 * ChWrite.priv.  A record of rows is a uint32, ends, then a packed map, which a
 * statement calls q: of INSERT of nodes the properties, else c0, c1, ... of
 * columns that nodes or rows are found by and, but for DELETE, p, the properties.
 */
typedef struct Neo4jWrite
{
	Neo4jForm	form;
	List	   *key;			/* int list of attnos, of option key */
	bool		merge;
	const char *detach;			/* "DETACH " or "" */
	char	  **names;			/* of properties, by w->columns */
	int			checks;
	uint32		ends;			/* INSERT of relationships: columns of the ends that
								 * have a value, in order; text is for these */
	char	   *text;			/* or NULL */
} Neo4jWrite;

extern bool neo4j_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint);
extern List *neo4j_row_identity(const ChTable *table);
extern void neo4j_begin_write(ChWrite *w);
extern void neo4j_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out);
extern void neo4j_explain_write(const ChWrite *w, StringInfo out);

/* Is the column one of option key? */
extern bool neo4j_is_key(const ChTable *table, const ChColumn *col);

/* The statement of records with these ends; it takes them as $rows. */
extern const char *neo4j_statement(const ChWrite *w, uint32 ends);

/*
 * To name the record that is at fault: queries that return its number and how
 * many rows it has.  Nodes that are not there or not alone; rows that one
 * identity means; keys that exist, and those that another record has.
 */
extern char *neo4j_ends_text(const ChWrite *w, uint32 ends, Neo4jKind end);
extern char *neo4j_rows_text(const ChWrite *w, uint32 ends);
extern char *neo4j_existing_text(const ChWrite *w, uint32 ends);
extern char *neo4j_repeated_text(const ChWrite *w);

/*
 * "a = 1 and b = x": what a record looks for, a node by START or END; or, by PROPERTY, its own key or
 * identity.
 */
extern char *neo4j_sought(const ChWrite *w, const ChValue *record, Neo4jKind end);

/* ---- direct.c --------------------------------------------------------------------------- */

/* A record of a direct write: the text and its parameters. */
typedef struct Neo4jDirect
{
	const char *text;
	int			nparams;
	StringInfoData params;
} Neo4jDirect;

extern bool neo4j_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason);
extern void neo4j_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
extern void neo4j_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);

extern void neo4j_decode_direct(const char *data, uint32 len, Neo4jDirect *direct);

/*
 * Its answer: how many rows it changed; then, for each column that is computed,
 * its number in w->columns, and how many rows have a value that does not fit it,
 * before and after.  Raises if there are any.
 */
extern void neo4j_check_direct(const ChWrite *w, const ChValue *answer);

/* ---- apply.c ------------------------------------------------------------------------------ */

extern void neo4j_apply(ChConn *conn, ChBatches *batches);
extern void neo4j_begin_remote(ChConn *conn);
extern void neo4j_commit_remote(ChConn *conn);
extern bool neo4j_abort_remote(ChConn *conn);

/* ---- stats.c --------------------------------------------------------------------------- */

extern double neo4j_count_rows(ChConn *conn, const ChTable *table);

/* ---- import.c ------------------------------------------------------------------------ */

extern List *neo4j_import_schema(ChConn *conn, const char *remote_schema, List *options);

#endif							/* NEO4J_H */
