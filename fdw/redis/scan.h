/*
 * scan.h
 *	  A running scan of Redis, as scan.c, entries.c and row.c share it.
 *
 * Keys come in pages (SCAN, SSCAN) or as a list; a wave is a pipeline of
 * commands for some of them, one task for each.  A hash or a string is done
 * with one task; a list, set, sorted set or stream may need more requests, and
 * its task is put back until its last page.
 */
#ifndef CH_REDIS_SCAN_H
#define CH_REDIS_SCAN_H

#include "fdw/redis/redis.h"

struct seen_hash;
struct ScoredMember;

typedef struct RedisTask
{
	RedisBytes	key;
	bool		presence;		/* this request asks for the key's presence */
	int			replies;		/* of this request */
	bool		started;		/* a first request was made */
	int64		ttl;			/* ms, -1 none */

	/* where a set, sorted set, list or stream continues */
	uint64		cursor;			/* SSCAN, ZSCAN */
	struct seen_hash *seen;		/* members returned, NULL: none twice */
	int			range;			/* range in work, and what is left of it */
	RedisRange	rest;
	int64		ties;			/* zset: members at the start of rest to pass over */
	int			member;			/* next of access.members */
	struct ScoredMember *scored;	/* those found so far, if they are to be sorted */
	int			nscored;

	/* the request under way */
	int			asked;			/* entries, or commands for members and points */
	bool		points;			/* each command asks for one point */
} RedisTask;

typedef struct RedisWave
{
	MemoryContext cxt;
	RedisTask  *tasks;
	int			ntasks;
	int			next;			/* task whose replies are read next */
	bool		has_page;		/* a page of keys is asked for, before the tasks */
	bool		wants_bulk;		/* and MGET for all tasks, whose answer is: */
	RedisReply *bulk;
} RedisWave;

typedef struct RedisScan
{
	ChScan	   *scan;
	const RedisTable *rt;
	RedisConn  *rc;
	RedisAccess access;
	bool		by_entry;		/* list, set, zset, stream: many rows a key */
	bool		descending;
	bool		clipped;		/* list from its end: ranges end with the list */
	int			fetch_size;

	/* what is asked for each key */
	bool		typed_scan;		/* SCAN returns keys of the right type only */
	bool		listed;			/* keys are given, not found by a scan */
	bool		check_member;	/* SISMEMBER of the set of keys */
	bool		wants_all;		/* HGETALL, or GET */
	bool		wants_ttl;
	bool		use_mget;
	bool		always_presence;
	bool		expects_all;	/* listed: no key is thought to be missing */
	int			nfields;
	const char **argv;			/* HMGET, key, fields */
	size_t	   *lens;
	int		   *slot;			/* of scan->columns[i]: number of its field */

	/* keys */
	MemoryContext queue_cxt;
	RedisBytes *queue;
	int			nqueue;
	int			queue_next;
	bool		more_pages;
	uint64		cursor;
	struct seen_hash *seen;
	int			scan_count;
	int64		pages;			/* read, that were not the only one */

	/* waves */
	RedisWave	waves[2];
	int			current;
	bool		next_sent;		/* the other wave is under way */
	bool		begun;			/* reply_cxt is that of the next task already */
	int64		nwaves;
	List	   *carry;			/* RedisTask: to be asked for again */
	int			per_wave;		/* keys of a wave */
	int			page;			/* entries of a page */
	int64		rechecks;
	int64		tasks_done;
	int64		missing;		/* keys without a row, or asked for again */
	int64		wave_entries;
	uint64		wave_bytes;		/* received when the wave began */
	uint64		bytes_seen;		/* received and counted in scan->bytes */

	/* the answer of one task: its entries are the rows */
	MemoryContext reply_cxt;
	RedisTask  *task;
	RedisReply *main;			/* hash, string */
	RedisReply **items;
	int			nitems;
	int			item;			/* next one */
	int			step;			/* items of an entry: 2 for member and score */
	bool		reverse;
	int64		base;			/* list: index of the first item */
	int64	   *indexes;		/* list: index of each, if they are not in a row */
	RedisReply **entry;			/* the entry of the current row */
	int64		index;			/* list: its index */

	int64		remaining;		/* rows to return, -1: no limit */
	int64		skip;			/* rows of OFFSET still to pass over */
	int64		wrong_types;	/* keys passed over */
	int64		not_canonical;
} RedisScan;

/* Rows that are still wanted, OFFSET's too; -1: all. */
static inline int64
redis_rows_wanted(const RedisScan *s)
{
	return s->remaining < 0 ? -1 : s->remaining + s->skip;
}

extern RedisReply *redis_next_reply(RedisScan *s, int type);
extern bool redis_wrong_type(RedisScan *s, const RedisReply *reply);
extern void redis_key_command(RedisScan *s, const char *command, RedisBytes key);

/* seen.c */
extern bool redis_first_sight(MemoryContext cxt, struct seen_hash **seen, const char *data, size_t len);
extern void redis_forget_seen(struct seen_hash **seen);

/* entries.c */
extern void redis_prepare_entries(RedisScan *s);
extern void redis_ask_entries(RedisScan *s, RedisTask *task);
extern bool redis_read_entries(RedisScan *s, RedisTask *task);	/* true: more to come */
extern void redis_accept_entry(RedisScan *s);

/* row.c */
extern void redis_fill_row(RedisScan *s, Datum *values, bool *nulls);

#endif							/* CH_REDIS_SCAN_H */
