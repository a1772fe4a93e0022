/*
 * mongodb.h
 *	  What the files of the MongoDB driver share.
 */
#ifndef CH_MONGODB_H
#define CH_MONGODB_H

#include "fdw/core/driver.h"
#include "fdw/mongodb/mongoc_compat.h"

/* Field that $unwind writes an element's position into. */
#define MONGO_POSITION_FIELD "__position"

typedef struct MongoNode MongoNode;

/* ---- options.c ---------------------------------------------------------- */

typedef enum MongoColumnKind
{
	MONGO_VALUE,				/* what path leads to */
	MONGO_DOCUMENT,				/* the whole document */
	MONGO_INDEX,				/* position in the unwound array */

	/* of computed columns (func.c) */
	MONGO_JSON,					/* jsonb -> key: path leads to it, JSON's null
								 * is a value */
	MONGO_JSON_TEXT,			/* jsonb ->> key */
	MONGO_COMPUTED				/* an expression */
} MongoColumnKind;

/* Option bson_type: the only type that a column's values have. */
typedef enum MongoType
{
	MONGO_ANY,
	MONGO_STRING,
	MONGO_OBJECT_ID,
	MONGO_UUID,					/* binary, subtype 4 */
	MONGO_DECIMAL,
	MONGO_DOUBLE,
	MONGO_INT,
	MONGO_LONG
} MongoType;

/*
 * A way into a document, with the meaning of jsonb's #> operator: a part
 * names a field of a document or, if it is a number, an element of an array.
 * Anything else that it meets makes the value NULL.
 */
typedef struct MongoPath
{
	const char *text;			/* "legs.0.symbol" */
	int			nparts;
	char	  **parts;
	int		   *index;			/* of each part as an array index, or -1 */
	int			nplain;			/* leading parts that are neither an array
								 * index nor begin with a $ */
	const char *plain;			/* those parts: what a projection can name */
	int			nroot;			/* leading parts that are no arrays: in a join 1,
								 * the field of the table's document, else 0 */
} MongoPath;

/* Can nothing on the way be an array? */
static inline bool
mongo_is_direct(const MongoPath *path)
{
	return path->nparts - path->nroot <= 1;
}

/* ChColumn.extra */
typedef struct MongoColumn
{
	MongoPath	path;			/* of MONGO_COMPUTED: that of its first column */
	MongoType	type;
	bool		indexed;		/* the store finds a value without looking at all */
	MongoNode  *expression;		/* MONGO_COMPUTED: its value, or null */
	List	   *of;				/* ... of these columns */
	MongoNode  *limits;			/* ... is NULL or right only where this is true;
								 * NULL: always */
	const char *refusal;		/* of groups: why nothing is asked about it, or NULL */
} MongoColumn;

/* ChTable.priv; of a join: an array, one for each table */
typedef struct MongoTable
{
	const char *database;
	const char *collection;
	const char *unwind;			/* path of an array, or NULL */
	const char *pipeline;		/* JSON array of stages, or NULL */
} MongoTable;

extern const ChOptionDef mongo_options[];
extern const char *const mongo_not_options[];

static inline MongoColumn *
mongo_column(const ChColumn *col)
{
	return (MongoColumn *) col->extra;
}

static inline MongoTable *
mongo_table(const ChTable *table)
{
	return (MongoTable *) table->priv;
}

extern void mongo_check_options(int where, List *options);
extern void mongo_describe_table(ChTable *table);
extern void mongo_parse_path(const char *text, int nroot, MongoPath *path);

/* Is a path the prefix, or one below it? */
extern bool mongo_is_below(const char *path, const char *prefix);

/* A name that a path can have and that is no array position. */
extern bool mongo_is_field_name(const char *name);

/* The address that server options describe; malloc'ed. Raises if it is none. */
extern mongoc_uri_t *mongo_make_uri(List *server_options);

/* ---- transport.c -------------------------------------------------------- */

/* ChConn.handle */
typedef struct MongoConn
{
	ChConn	   *conn;
	mongoc_uri_t *uri;
	mongoc_client_t *client;
	ChEndpoint	endpoint;		/* all but host and port */
	bool		dead;			/* no input or output any more */
	bool		before_5;		/* its $lookup has no pipeline beside localField */
	ChFailure	fail;			/* of a stream since mongo_begin */
	struct MongoStream *streams;
	struct MongoStream *last;	/* last one written to */
	int64		requests;
	uint64		bytes;			/* received */
	int32		request_id;		/* of the last message of ours */
	char	   *out;			/* room for it; malloc'ed */
	size_t		out_size;
	char	   *in;				/* the answer's document */
	size_t		in_size;
	size_t		in_got;
	List	   *collections;	/* "database.collection" known to exist */
	int64		max_records;	/* of one write, as the store said; 0: not known yet */
} MongoConn;

/* Streams of the client are ours from now on. */
extern void mongo_use_streams(MongoConn *mc);
extern bool mongo_streams_alive(MongoConn *mc);

/* What kind of server libmongoc found, in its words: "Standalone", "Mongos", "RSPrimary", ... */
extern const char *mongo_server_type(const MongoConn *mc);

typedef enum MongoRead
{
	MONGO_BROKEN,				/* see MongoConn.fail */
	MONGO_NOT_YET,
	MONGO_REPLY
} MongoRead;

/*
 * Write a command to the server that was last talked to, and read what it
 * answers, which is valid until the next call.  With wait, which is then set,
 * reading does not wait.  Nothing raises.
 */
extern bool mongo_send_command(MongoConn *mc, const bson_t *command);
extern MongoRead mongo_read_reply(MongoConn *mc, ChWait *wait, bson_t *reply);

/* The last reply is not needed any more. */
extern void mongo_forget_reply(MongoConn *mc);

/* Have the store forget a cursor: with an answer that is to be read, or (as a last word) without. */
extern bool mongo_kill_cursor(MongoConn *mc, const char *database, const char *collection, int64 cursor, bool answered);

/* ---- connection.c ------------------------------------------------------- */

/* Code of the server's error for a right that is not there. */
#define MONGO_UNAUTHORIZED	13

extern void mongo_library_init(void);
extern void mongo_connect(ChConn *conn);
extern void mongo_disconnect(ChConn *conn);
extern bool mongo_alive(ChConn *conn);
extern void mongo_probe(ChConn *conn, ChProbe step, StringInfo detail);
extern void mongo_endpoint(const ChConn *conn, ChEndpoint *ep);

/* Before a call of libmongoc that talks to the store. */
extern void mongo_begin(MongoConn *mc);

/* Raise what went wrong in such a call; reply may be NULL. */
pg_noreturn extern void mongo_raise(MongoConn *mc, const bson_error_t *error, const bson_t *reply);

/*
 * Run a command and hand its reply to fn, which may raise.  Raises if the
 * command fails.
 */
extern void mongo_command(ChConn *conn, const char *database, const bson_t *command,
						  void (*fn) (const bson_t *reply, void *arg), void *arg);

/* The same of the server that is written to, whatever read_preference says. */
extern void mongo_command_primary(ChConn *conn, const char *database, const bson_t *command,
								  void (*fn) (const bson_t *reply, void *arg), void *arg);

/* Does the collection exist?  True if the store does not let us see. */
extern bool mongo_collection_exists(ChConn *conn, const char *database, const char *collection);

/* ---- types.c ------------------------------------------------------------ */

/* Any value as it is, in the current memory context; text points into it. */
extern void mongo_decode(const bson_iter_t *it, ChValue *v);

extern void mongo_decode_bson(const bson_t *doc, ChValue *v);

/* The same as a value of a column: what its type may not take becomes a value that does not fit. */
extern void mongo_decode_for(const ChColumn *col, const bson_iter_t *it, ChValue *v);

/* Milliseconds since 1970 and microseconds since 2000. */
extern bool mongo_date_to_timestamp(int64 ms, Timestamp *out);
extern int64 mongo_timestamp_to_date(Timestamp t, bool *exact);	/* rounded down */

/* Its 24 digits. */
extern ChValue mongo_oid_text(const bson_oid_t *oid);

extern bool mongo_uuid_of_text(const char *text, int len, char *out);

/* Types as $type names them. */
extern const char *mongo_type_name(bson_type_t type);

/* ---- encode.c ----------------------------------------------------------- */

/* Bytes of a document at most. */
#define MONGO_MAX_DOCUMENT	(16 * 1024 * 1024)

/*
 * A value of a column on its way to the store, not CH_NULL; its strings are
 * those of v.  Refuses by the column's name what the store, or the column when
 * it is read again, does not hold.  *size counts the bytes of a row's values.
 */
extern MongoNode *mongo_encode(const ChColumn *col, const ChValue *v, size_t *size);

/* Refuse a value because of what other columns say. */
pg_noreturn extern void mongo_contradicts(const ChColumn *col, const char *detail);

/* The document's bytes at the end of out. */
extern void mongo_append_bson(const MongoNode *doc, StringInfo out);

/* Are both read as the same JSON? */
extern bool mongo_reads_alike(MongoNode *a, MongoNode *b);

/* ---- modify.c ----------------------------------------------------------- */

extern bool mongo_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint);
extern List *mongo_row_identity(const ChTable *table);
extern void mongo_make_value(const ChColumn *col, ChValue *v);
extern void mongo_begin_write(ChWrite *w);
extern void mongo_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out);
extern void mongo_explain_write(const ChWrite *w, StringInfo out);

/* ---- direct.c ----------------------------------------------------------- */

extern bool mongo_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason);
extern void mongo_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
extern void mongo_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);

/* ---- apply.c ------------------------------------------------------------ */

extern void mongo_apply(ChConn *conn, ChBatches *batches);

/* ---- deparse.c ---------------------------------------------------------- */

extern ChShip mongo_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason);
extern bool mongo_ship_sort(const ChTable *table, List *keys, const char **reason);

extern void mongo_explain(ChScan *scan, StringInfo out);

/* Relaxed extended JSON, with parameters as $n. */
extern void mongo_append_json(StringInfo out, const bson_t *doc);

/* ---- request.c ---------------------------------------------------------- */

/* One request; the documents are malloc'ed by libbson, NULL if there is nothing to ask. */
typedef struct MongoRequest
{
	bool		nothing;		/* no row can match: do not ask */
	bool		aggregate;		/* else find */
	bson_t	   *query;			/* filter, or {"pipeline": [...]} */
	bson_t	   *opts;			/* projection, sort, skip, limit of find */
	int			nverify;		/* columns whose values must be looked at,
								 * although nobody reads them */
	ChColumn  **verify;
	struct MongoSets *sets;		/* several questions, else NULL */
	struct MongoGroups *groups; /* a grouped scan, else NULL */
} MongoRequest;

extern void mongo_compile(ChScan *scan, MongoRequest *request);

/* After the last document of a request: what is to be asked next, or nothing. */
extern void mongo_next_request(ChScan *scan, MongoRequest *request);
extern void mongo_request_free(MongoRequest *request);	/* does not raise */

/* ---- func.c ------------------------------------------------------------- */

extern bool mongo_ship_func(const ChTable *table, ChColumn *col, const char **reason);

/* ---- group.c ------------------------------------------------------------ */

extern bool mongo_ship_group(const ChTable *table, const ChQuery *query, const char **reason);
extern bool mongo_ship_distinct(const ChTable *table, const ChQuery *query, const char **reason);

/* ---- join.c ------------------------------------------------------------- */

extern void mongo_describe_join(ChTable *joined);
extern bool mongo_ship_join(const ChTable *joined, const ChQuery *query, const char **reason);
extern double mongo_join_rows(const ChTable *joined, const ChQuery *query, double outer, double inner);

/* Has a row of the scan the column?  Of an anti join it has none. */
extern bool mongo_is_in_row(const ChScan *scan, const ChColumn *col);

/* ---- above.c ------------------------------------------------------------ */

extern void mongo_describe_groups(ChTable *groups);
extern bool mongo_ship_group_sort(const ChTable *groups, List *keys, const char **reason);

/* ---- sets.c ------------------------------------------------------------- */

extern int	mongo_ship_sets(const ChTable *table, const ChQuery *query);

/* ---- numbers.c ---------------------------------------------------------- */

/*
 * The bounds that a numeric has in the store: the decimal next to it toward
 * zero, and the least double that prints as no less.
 */
typedef struct MongoBound
{
	bson_decimal128_t decimal;
	bool		decimal_exact;
	bool		negative;
	double		at_least;		/* least double whose shortest text is >= value */
	bool		double_exact;	/* its text is the value */
	bool		same;			/* both are the value itself, bit by bit */
} MongoBound;

extern void mongo_numeric_bound(const char *text, int len, MongoBound *out);

/*
 * The decimal, or the double that a numeric column shows as this, of what
 * numeric_out prints; false: there is none.  A decimal has the same scale, if
 * there is room for it.
 */
extern bool mongo_exact_decimal(const char *text, int len, bson_decimal128_t *out);
extern bool mongo_exact_double(const char *text, int len, double *out);

/* The least ObjectId whose text is >= the string; false if there is none. */
extern bool mongo_object_id_bound(const char *text, int len, bson_oid_t *out, bool *exact);

/* ---- scan.c ------------------------------------------------------------- */

extern void mongo_send(ChScan *scan);
extern bool mongo_next(ChScan *scan, Datum *values, bool *nulls);
extern bool mongo_close(ChScan *scan, bool failed);

/* ---- stats.c ------------------------------------------------------------- */

extern double mongo_count_rows(ChConn *conn, const ChTable *table);

/* ---- import.c ----------------------------------------------------------- */

extern List *mongo_import_schema(ChConn *conn, const char *remote_schema, List *options);

#endif							/* CH_MONGODB_H */
