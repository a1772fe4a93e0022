/*
 * influxdb.h
 *	  What the files of the InfluxDB driver share.
 */
#ifndef INFLUXDB_H
#define INFLUXDB_H

#include "postgres.h"

#include "catalog/pg_type.h"

#include "fdw/core/compat.h"
#include "fdw/core/driver.h"
#include "fdw/core/http.h"

/* ---- tables ------------------------------------------------------------ */

/* ChColumn.kind */
typedef enum InfluxKind
{
	INFLUX_FIELD,
	INFLUX_TAG,
	INFLUX_TIME,				/* timestamptz: microseconds, rounded down */
	INFLUX_TIME_NS,				/* bigint: nanoseconds since 1970 */
	INFLUX_BUCKET				/* computed: date_bin of the time */
} InfluxKind;

static inline bool
influx_is_time(const ChColumn *col)
{
	return col->kind == INFLUX_TIME || col->kind == INFLUX_TIME_NS;
}

/* ChColumn.extra of a bucket, in microseconds; 0 <= origin < stride, since 1970 */
typedef struct InfluxBucket
{
	int64		stride;
	int64		origin;
} InfluxBucket;

/* ChTable.priv */
typedef struct InfluxTable
{
	const char *measurement;
	const char *policy;			/* retention policy, or NULL: the default one */
	bool		sql;			/* version 3: SQL, not InfluxQL */
	int			nfields;		/* columns that are fields */
	ChColumn  **fields;
	ChColumn   *always;			/* a field that every point has, or NULL */
} InfluxTable;

/* options.c */
extern const ChOptionDef influx_options[];
extern const char *const influx_not_options[];
extern void influx_check_options(int where, List *options);
extern void influx_describe_table(ChTable *table);

/* ---- connections ------------------------------------------------------- */

/* ChConn.handle, in ChConn.cxt */
typedef struct InfluxConn
{
	ChHttp	   *http;
	int			version;		/* 1, 2 or 3 */
	char	   *release;		/* what the server calls itself */
	char	   *headers[4];		/* of each request; ends with NULL */
	const char *user;			/* HTTP Basic, or NULL */
	const char *password;
	List	   *checked;		/* InfluxChecked: see scan.c */
} InfluxConn;

extern void influx_endpoint(const ChConn *conn, ChEndpoint *ep);
extern void influx_connect(ChConn *conn);
extern void influx_disconnect(ChConn *conn);
extern bool influx_alive(ChConn *conn);
extern void influx_probe(ChConn *conn, ChProbe step, StringInfo detail);

/* ---- answers ----------------------------------------------------------- */

/*
 * An answer to one or more statements, read row by row.  InfluxQL sends it as
 * MessagePack (1.x) or JSON (2.x), SQL as lines of JSON objects (3.x).
 */
typedef struct InfluxAnswer
{
	ChConn	   *conn;
	ChHttp	   *http;
	MemoryContext cxt;			/* of the answer */

	/* the row that influx_next_row found, valid until it is called again */
	int			statement;		/* from 0 */
	const char *series;			/* measurement */
	int			ncolumns;
	const char **columns;
	ChValue    *values;
	int			ntags;			/* of GROUP BY; a missing one is empty */
	const char **tags;
	ChValue    *tag_values;

	bool		started;		/* the answer's header is there */
	bool		done;
	bool		blocked;		/* http->nowait: the next row is not there yet */
	bool		partial;		/* the store said that more is to come */
	bool		(*read) (struct InfluxAnswer *answer);
	void	   *decoder;
} InfluxAnswer;

/*
 * Send statements of InfluxQL or SQL (by the server's version), separated by
 * semicolons, in UTF-8.  Does not wait for the answer, which lives in the
 * current memory context.
 */
extern InfluxAnswer *influx_ask(ChConn *conn, const char *statements, int chunk_size);

/*
 * Write lines of the line protocol, in UTF-8, to a retention policy (NULL: the
 * default one).  Returns the HTTP status and the answer's body.
 */
extern int	influx_write_lines(ChConn *conn, const char *policy, const char *lines, size_t len, const char **answer);

/*
 * The next row; false at the end, or if it is blocked.  Raises what the store answers as an error,
 * wherever in the answer it comes, and an answer that is cut short.
 */
extern bool influx_next_row(InfluxAnswer *answer);

/* For SQL, whose rows are objects: the order that the columns shall have. */
extern void influx_expect_columns(InfluxAnswer *answer, int ncolumns, const char **columns);

/* For decoders: wait for more of the body; false at its end, or if it is blocked.  Moves http->data. */
extern bool influx_more(InfluxAnswer *answer);

/* For decoders: a result with this statement_id begins. */
extern void influx_begin_result(InfluxAnswer *answer, int statement);
pg_noreturn extern void influx_refused(InfluxAnswer *answer, const char *message);
pg_noreturn extern void influx_garbled(InfluxAnswer *answer, const char *what);

/* msgpack.c, json.c: make an answer read that format. */
extern void influx_read_msgpack(InfluxAnswer *answer);
extern void influx_read_json(InfluxAnswer *answer);
extern void influx_read_json_lines(InfluxAnswer *answer);

/* ---- scans ------------------------------------------------------------- */

/* A remote query, and where each column of the scan is in its rows. */
typedef struct InfluxQuery
{
	StringInfoData text;
	bool		never;			/* no point can match: do not ask */
	int			ncolumns;		/* of a row that the scan wants, with the time */
	const char **columns;		/* SQL: their names */
	int		   *position;		/* for scan->columns[i]; time is 0 */
} InfluxQuery;

extern ChShip influx_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason);
extern ChShip influx_ship_bool(const ChTable *table, const ChExpr *expr, ChShip given, const char **reason);
extern bool influx_ship_sort(const ChTable *table, List *keys, const char **reason);
extern int	influx_ship_sets(const ChTable *table, const ChQuery *query);
extern void influx_append_measurement(StringInfo buf, const ChTable *table);
extern void influx_append_column(StringInfo buf, const ChColumn *col, bool condition);
extern void influx_append_select(StringInfo buf, const ChTable *table, const ChCond *filter, const List *wanted);
extern bool influx_append_where(StringInfo buf, const ChCond *filter, const char *also);
extern bool influx_implies(const ChCond *cond, const ChColumn *col);
extern List *influx_extra_fields(const ChTable *table, const ChCond *filter, const List *wanted);
extern void influx_compile(const ChScan *scan, InfluxQuery *query);
extern void influx_explain(ChScan *scan, StringInfo out);

/*
 * The next row of the answer, or NULL.  Sets the scan's current_set and, of a
 * grouped query, which of its parts the row is of.
 */
extern InfluxAnswer *influx_scan_row(ChScan *scan, int *part);

/* Give up the answer and ask for rows, to fold them here. */
extern void influx_ask_rows(ChScan *scan);
extern bool influx_asks_rows(const ChScan *scan);

/* A value of a field as its column takes it: other, or v itself. */
extern const ChValue *influx_field_value(const ChScan *scan, const ChColumn *col, const ChValue *v, ChValue *other);

extern void influx_send(ChScan *scan);
extern bool influx_next(ChScan *scan, Datum *values, bool *nulls);
extern bool influx_close(ChScan *scan, bool failed);

/* ---- groups -------------------------------------------------------------- */

/* What a field's values are in the store; bits, for shards may differ. */
#define INFLUX_FLOAT	1
#define INFLUX_INTEGER	2
#define INFLUX_UNSIGNED	4
#define INFLUX_STRING	8
#define INFLUX_BOOLEAN	16

typedef enum InfluxForm
{
	INFLUX_CALLS,				/* aggregate functions */
	INFLUX_NEWEST,				/* the last point of each group */
	INFLUX_OLDEST				/* the first */
} InfluxForm;

/* Of what a row of a part must show, for its values to be PostgreSQL's. */
typedef struct InfluxCheck
{
	ChColumn   *col;			/* an integer one */
	int			count;			/* positions in the row; of a sum of bigint: count */
	int			min;
	int			max;
} InfluxCheck;

/* One of the statements that together give the groups. */
typedef struct InfluxPart
{
	InfluxForm	form;
	ChCond	   *filter;			/* the scan's and a FILTER's */
	StringInfoData where;
	bool		never;			/* no point matches: it is not asked */
	List	   *calls;			/* InfluxCall, after the time */
	List	   *checks;			/* InfluxCheck */
} InfluxPart;

/* Where a target comes from. */
typedef struct InfluxSource
{
	int			part;			/* -1: a key, which every part has */
	int			position;		/* in the part's rows; 0: the time.  Of count(*)
								 * in folded rows: 0 */
} InfluxSource;

/*
 * A grouped query.  Its first part has every group; the others, only those
 * that their conditions leave.
 */
typedef struct InfluxGroups
{
	StringInfoData text;		/* of all parts that are asked */
	bool		never;
	bool		rows;			/* parts with calls ask for rows instead */
	bool		bounded;		/* of the buckets' edges: to be looked at, too */
	const InfluxBucket *bucket; /* or NULL */
	InfluxSource *sources;		/* by target */
	int			nparts;
	InfluxPart *parts;
	int			nasked;			/* statements */
	int		   *asked;			/* the part that each is */
	bool		gather;			/* all groups must be known before the first */
} InfluxGroups;

/* group.c */
extern bool influx_ship_func(const ChTable *table, ChColumn *col, const char **reason);
extern bool influx_ship_group(const ChTable *table, const ChQuery *query, const char **reason);
extern bool influx_ship_distinct(const ChTable *table, const ChQuery *query, const char **reason);
extern TimestampTz influx_bucket_of(const InfluxBucket *bucket, int64 ns);

/* One of the above, or 0. */
extern int	influx_type_bit(const char *name, int len);

/* Do the values of a field fit its column, each of them, and compare and add up alike? */
extern bool influx_type_fits(const ChColumn *col, int types);

/* Is a count of this column (NULL: of rows) one of rows, of those that have the tag? */
extern bool influx_counts_rows(const ChColumn *col, bool distinct);

/* parts.c */
extern void influx_compile_groups(const ChScan *scan, bool rows, InfluxGroups *groups);

/* Two statements that ask for points beyond the times for which buckets are right. */
extern char *influx_edge_questions(const ChScan *scan);

/* fold.c */
struct InfluxFold;
/* groups: of each set, which may change when rows are asked for */
extern struct InfluxFold *influx_begin_fold(const ChScan *scan, const InfluxGroups *groups);
extern bool influx_next_group(ChScan *scan, struct InfluxFold *fold, Datum *values, bool *nulls);

extern List *influx_import(ChConn *conn, const char *remote_schema, List *options);

/* ---- writing (modify.c) ---------------------------------------------------- */

extern bool influx_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint);
extern List *influx_row_identity(const ChTable *table);
extern void influx_begin_write(ChWrite *w);
extern void influx_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out);
extern bool influx_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason);
extern void influx_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
extern void influx_apply(ChConn *conn, ChBatches *batches);
extern void influx_explain_write(const ChWrite *w, StringInfo out);

/* ---- types ------------------------------------------------------------- */

/* Times that a point can have. */
#define INFLUX_MIN_TIME		(PG_INT64_MIN + 2)
#define INFLUX_MAX_TIME		(PG_INT64_MAX - 1)

extern void influx_append_name(StringInfo buf, const char *name, bool sql);
extern void influx_append_regex(StringInfo buf, const ChValue *values, int n);
extern void influx_append_string(StringInfo buf, const char *data, int len, bool sql);
extern void influx_append_float(StringInfo buf, double f);
extern void influx_append_time(StringInfo buf, int64 ns, bool sql);
extern ChValue influx_instant(int64 ns);

/* Nanoseconds since 1970 of a timestamptz; false if it is beyond int64. */
extern bool influx_time_of(TimestampTz t, int64 *ns);

#endif							/* INFLUXDB_H */
