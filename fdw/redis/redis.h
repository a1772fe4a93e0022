/*
 * redis.h
 *	  What the files of the Redis driver share.
 *
 * The data model: a foreign table is one kind of Redis value (hash, string,
 * list, set, sorted set, stream) under some keys (a prefix, the members of a
 * set, or one key).  A hash and a string are one row for each key, the others
 * one row for each element.  Redis finds things by key, by member, and by
 * ranges of score, index and id; a pushed condition is a restriction of one of
 * these three dimensions (see RedisAccess), everything else stays local.
 */
#ifndef CH_REDIS_H
#define CH_REDIS_H

#include "postgres.h"

#include <hiredis/hiredis.h>

#include "fdw/core/driver.h"

/* Room for a 64-bit integer as text, and its end. */
#define REDIS_INT_TEXT 21

/* ---- tables ------------------------------------------------------------- */

typedef enum RedisType
{
	REDIS_HASH,
	REDIS_STRING,
	REDIS_LIST,
	REDIS_SET,
	REDIS_ZSET,
	REDIS_STREAM
} RedisType;

/* What a column shows; ChColumn.kind. */
typedef enum RedisKind
{
	REDIS_KEY,
	REDIS_FIELD,				/* a hash field, a field of a stream entry */
	REDIS_VALUE,				/* of a string or list; all fields as JSON */
	REDIS_MEMBER,
	REDIS_SCORE,
	REDIS_INDEX,
	REDIS_ID,
	REDIS_TTL
} RedisKind;

typedef enum RedisMode
{
	REDIS_BY_PREFIX,
	REDIS_BY_SET,				/* the keys that a set names */
	REDIS_BY_KEY				/* one key */
} RedisMode;

typedef struct RedisBytes
{
	const char *data;			/* not terminated */
	int			len;
} RedisBytes;

static inline bool
redis_same_bytes(RedisBytes a, RedisBytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* ChTable.priv */
typedef struct RedisTable
{
	RedisType	type;
	RedisMode	mode;
	RedisBytes	prefix;			/* by prefix: may be empty; else empty */
	RedisBytes	key;			/* by key: the key; by set: the set's key */
	bool		wrong_type_error;	/* else such keys are passed over */
	const ChColumn *keycol;		/* NULL if the table shows no key */
	const ChColumn *version;	/* NULL: rows have none */
	RedisBytes	version_field;
} RedisTable;

static inline const RedisTable *
redis_table(const ChTable *table)
{
	return (const RedisTable *) table->priv;
}

/* Options that are shared by several files. */
extern const char *const redis_type_names[];	/* by RedisType */
extern const char *const redis_kind_names[];	/* by RedisKind */
extern const ChOptionDef redis_options[];

extern void redis_check_options(int where, List *options);
extern void redis_describe_table(ChTable *table);

/* ---- values (types.c) --------------------------------------------------- */

/* A position in the order of scores, indexes or ids, as a 128-bit number. */
typedef struct RedisPoint
{
	uint64		hi;
	uint64		lo;
} RedisPoint;

typedef struct RedisRange
{
	RedisPoint	from;			/* both ends belong to it */
	RedisPoint	to;
} RedisRange;

/* All positions that a table of this type can have. */
extern RedisRange redis_universe(const ChColumn *col);

static inline int
redis_point_cmp(RedisPoint a, RedisPoint b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

extern RedisPoint redis_point_next(RedisPoint p);	/* p + 1 */
extern RedisPoint redis_point_prev(RedisPoint p);	/* p - 1 */

extern RedisPoint redis_score_point(double score);
extern double redis_point_score(RedisPoint p);
extern bool redis_parse_id(const char *data, int len, RedisPoint *id);

/*
 * Is a key or member that shows as a given value of the column always the same
 * bytes, so that Redis can find it?
 */
extern bool redis_finds_by_bytes(const ChColumn *col);

/* Is the text the one spelling of its value in the key column's type? */
extern bool redis_is_canonical(const ChColumn *col, const char *data, int len);

/*
 * The bytes that show as this value, after prefix (in the current context);
 * false if the column's type cannot hold it, so that no row has it.
 */
extern bool redis_bytes_of(const ChColumn *col, const ChValue *v, RedisBytes prefix, RedisBytes *bytes);

/*
 * The range of score, index or id in which "column op value" is true; false
 * for none.  For a score column of an integer type it is the smallest range of
 * doubles that holds all of them.
 */
extern bool redis_range_of(const ChColumn *col, ChCmpOp op, const ChValue *v, RedisRange *range);

/*
 * For writing (text.c), in the current context.  The text that shows as this
 * value, which is not NULL; the score, or the time to live in milliseconds, that
 * does.  Values that Redis cannot hold are refused.
 */
extern RedisBytes redis_text_of(const ChColumn *col, const ChValue *v);
extern double redis_score_of(const ChColumn *col, const ChValue *v);
extern int64 redis_ttl_of(const ChColumn *col, const ChValue *v);

/* The integer that a text is in the one spelling that HINCRBY takes; *out is 0 if it is none. */
extern bool redis_parse_number(const char *data, int len, int64 *out);

/* A score as Redis reads it. */
extern RedisBytes redis_score_text(double score);

/* The fields of a jsonb or json object, whose values are strings: alternating names and values. */
extern RedisBytes *redis_fields_of(const ChColumn *col, const ChValue *v, int *n);

/* The id of an entry whose time a column of kind id shows as this value: ms-*. */
extern RedisBytes redis_id_of(const ChColumn *col, const ChValue *v);

extern ChValue redis_untyped(const char *data, size_t len);
extern void redis_ttl_value(const ChColumn *col, int64 ms, ChValue *v);
extern void redis_id_value(const ChColumn *col, const char *data, int len, ChValue *v);

/* Bytes for a message (palloc'ed): escaped and cut where needed. */
extern char *redis_printable(const char *data, int len);

/* ---- writing ------------------------------------------------------------ */

/*
 * A record is one or more entries: what is written of one row.  Behind this are
 * the key, what finds the row in it (member or id), another member, and commands
 * as they are sent.
 */
typedef struct RedisEntry
{
	uint32		size;			/* all of it */
	uint32		keylen;
	uint32		memberlen;
	uint32		otherlen;
	uint16		ncommands;
	uint16		flags;			/* REDIS_ENTRY_... */
	int64		index;			/* of a list, -1: none; or as a flag says */
} RedisEntry;

#define REDIS_ENTRY_ONLY_REMOVES 0x01	/* index fields of a hash; other: their names, as arguments of a command */
#define REDIS_ENTRY_MOVES 0x02	/* other is the member that it becomes */
#define REDIS_ENTRY_KEEPTTL 0x04	/* needs Redis 6 */
#define REDIS_ENTRY_PARTIAL_ID 0x08	/* needs Redis 7 */
#define REDIS_ENTRY_ADDS 0x10	/* other: fields and numbers, a direct UPDATE that adds */
#define REDIS_ENTRY_VERSION 0x20	/* index: the version that was read; REDIS_NO_VERSION: none */
#define REDIS_NO_VERSION PG_INT64_MIN
#define REDIS_ENTRY_CONTINUES 0x40	/* of the same row as the entry before */

/* What a direct UPDATE adds to a field whose name is behind it. */
typedef struct RedisAdd
{
	int64		delta;
	Oid			type;			/* of the column */
	int			fieldlen;
} RedisAdd;

/* The next of them in an entry's other; *at starts with 0. */
extern bool redis_next_add(RedisBytes adds, int *at, RedisAdd *add, RedisBytes *field);

/* *now becomes the sum, or the error is raised that PostgreSQL would raise. */
extern void redis_check_add(const ChTable *table, const RedisAdd *add, bool not_number, int64 *now);

extern bool redis_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint);
extern List *redis_row_identity(const ChTable *table);
extern void redis_begin_write(ChWrite *w);
extern void redis_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out);
extern void redis_explain_write(const ChWrite *w, StringInfo out);
extern bool redis_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason);
extern void redis_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
extern void redis_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out);
extern void redis_apply(ChConn *conn, ChBatches *batches);

/* ---- the protocol (protocol.c) ------------------------------------------ */

typedef struct RedisReply
{
	int			type;			/* REDIS_REPLY_... */
	int64		integer;
	char	   *str;			/* string, status, error; terminated */
	size_t		len;
	size_t		n;				/* array */
	struct RedisReply **items;
} RedisReply;

/* ChConn.handle */
typedef struct RedisConn
{
	ChStream   *stream;
	redisReader *reader;
	MemoryContext reply_cxt;	/* where the reader's callbacks allocate */
	StringInfoData out;			/* commands not sent yet */
	int			unread;			/* replies that are still to come */
	RedisReply **ahead;			/* of these, already read: [ahead_next .. ahead_end) */
	int			ahead_next;
	int			ahead_end;
	int			ahead_size;
	int			version;		/* 70015 for 7.0.15; 0 if not known */
	bool		transactions;	/* MULTI was permitted once, */
	bool		functions;		/* and a function of ours */
	char		version_text[32];
} RedisConn;

extern bool redis_reader_create(RedisConn *rc);

/* A command of argc arguments, each of which is appended after it. */
extern void redis_begin_command(StringInfo out, int argc);
extern void redis_append_arg(StringInfo out, const char *data, size_t len);

/* Add a command to those that redis_flush sends; lens may be NULL. */
extern void redis_command(RedisConn *rc, int argc, const char **argv, const size_t *lens);
extern void redis_command_text(RedisConn *rc, int argc,...);	/* const char * */
extern void redis_flush(ChConn *conn, int timeout_ms);

/*
 * The next reply, in the given context.  Raises on failure of the connection;
 * an error that the server answers is a reply.
 */
extern RedisReply *redis_read(ChConn *conn, MemoryContext cxt, int timeout_ms);

/*
 * Are the next n replies there?  Then redis_read returns them without waiting.
 * Else *wait is what it would wait for.  They are made in cxt, which must be
 * the same, and not be reset, until they are read.
 */
extern bool redis_have(ChConn *conn, MemoryContext cxt, int n, ChWait *wait);

/* Was all that was asked answered, and nothing else? */
extern bool redis_is_idle(const RedisConn *rc);

/*
 * A reply of the given REDIS_REPLY_ type, or an error of the server; anything
 * else is raised: it is not Redis that answers.
 */
extern void redis_expect(const ChConn *conn, const RedisReply *reply, int type);

/*
 * The same for an array of strings: a multiple of n; or (nils) exactly n, some
 * of which may be nil.
 */
extern void redis_expect_texts(const ChConn *conn, const RedisReply *reply, int n, bool nils);

/* The answer of SCAN, SSCAN, HSCAN or ZSCAN: cursor and texts. */
extern void redis_expect_page(const ChConn *conn, const RedisReply *reply, int multiple);

/* Entries of a stream: id, and fields and values. */
extern void redis_expect_entries(const ChConn *conn, const RedisReply *reply);

/* Raise an error that the server answered. */
pg_noreturn extern void redis_raise(const ChConn *conn, const RedisReply *reply);

static inline bool
redis_is_error(const RedisReply *reply, const char *code)
{
	size_t		len = strlen(code);

	return reply->type == REDIS_REPLY_ERROR &&
		strncmp(reply->str, code, len) == 0 && (reply->str[len] == ' ' || reply->str[len] == '\0');
}

/* ---- connection.c ------------------------------------------------------- */

extern void redis_connect(ChConn *conn);
extern void redis_disconnect(ChConn *conn);
extern bool redis_alive(ChConn *conn);
extern void redis_probe(ChConn *conn, ChProbe step, StringInfo detail);

/* ---- deparse.c and explain.c --------------------------------------------- */

/* What a condition restricts. */
typedef enum RedisDimension
{
	REDIS_DIM_KEY,
	REDIS_DIM_MEMBER,
	REDIS_DIM_RANGE,			/* of scores, indexes or ids */
	REDIS_DIM_MIXED				/* more than one */
} RedisDimension;

static inline RedisDimension
redis_dimension(const ChColumn *col)
{
	switch (col->kind)
	{
		case REDIS_KEY:
			return REDIS_DIM_KEY;
		case REDIS_MEMBER:
			return REDIS_DIM_MEMBER;
		default:
			return REDIS_DIM_RANGE;
	}
}

/* A filter, as what is asked of Redis. */
typedef struct RedisAccess
{
	bool		never;			/* no row can match */
	bool		by_key;			/* only these keys (whole, distinct) */
	int			nkeys;
	RedisBytes *keys;
	bool		by_member;		/* only these members (sorted, distinct) */
	int			nmembers;
	RedisBytes *members;
	bool		by_range;		/* only these ranges (sorted, disjoint) */
	int			nranges;
	RedisRange *ranges;
} RedisAccess;

extern ChShip redis_ship_leaf(const ChTable *table, const ChExpr *leaf, const char **reason);
extern ChShip redis_ship_bool(const ChTable *table, const ChExpr *expr, ChShip given, const char **reason);
extern bool redis_ship_sort(const ChTable *table, List *keys, const char **reason);
extern void redis_compile(const ChScan *scan, RedisAccess *access);
extern bool redis_is_descending(const ChScan *scan);
extern char *redis_match_pattern(RedisBytes prefix);
extern void redis_explain(ChScan *scan, StringInfo out);
extern void redis_show_bytes(StringInfo out, const char *data, int len);	/* as redis-cli needs them */

extern double redis_count_rows(ChConn *conn, const ChTable *table);	/* stats.c */

/* ---- scan.c and import.c ------------------------------------------------- */

extern void redis_send(ChScan *scan);
extern bool redis_next(ChScan *scan, Datum *values, bool *nulls);
extern bool redis_close(ChScan *scan, bool failed);

extern List *redis_import_schema(ChConn *conn, const char *remote_schema, List *options);

#endif							/* CH_REDIS_H */
