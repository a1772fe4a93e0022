/*
 * apply.h
 *	  Rows on their way into a MULTI, as check.c, follow.c and apply.c share them.
 */
#ifndef CH_REDIS_APPLY_H
#define CH_REDIS_APPLY_H

#include "fdw/redis/redis.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#define WATCH_MAX 500			/* 2 ms of Redis' time; 1000 take 8 */
#define WINDOW 512				/* replies that are not read yet, at most */

/* ---- what is known of keys and of what is in them ------------------------------ */

typedef struct Print
{
	uint64		a;
	uint64		b;
} Print;

typedef enum State
{
	ABSENT,
	PRESENT
} State;

#define OTHER_TYPE 6
#define UNKNOWN_TYPE 7

#define SLOT_ASKED 0x01			/* for its existence */
#define SLOT_RESOLVED 0x02		/* on its own */
#define SLOT_WATCHED 0x04
#define SLOT_VERIFIED 0x08
#define SLOT_VANISHES 0x10		/* an UPDATE would take its last fields */
#define SLOT_WRITTEN 0x20		/* by a row before, in this pass */
#define SLOT_MEASURED 0x40		/* its Tail is asked for */

/* What else must be known of some. */
typedef struct Tail
{
	int64		before;			/* length of a list, number in a field, fields of a hash */
	int64		now;
	int64		holes;			/* elements of a list, fields of a hash that will be removed */
	RedisPoint	last_before;	/* last id of a stream */
	RedisPoint	last;
	bool		counted;		/* last has an id after it that Redis has made */
	bool		not_number;		/* of a field: neither before, */
	bool		now_not_number; /* nor now */
} Tail;

/* A key, or something in it. */
typedef struct Slot
{
	Print		print;
	uint32		status;
	uint8		initial:1;		/* State before the first row; */
	uint8		now:1;			/* and after the rows that were looked at */
	uint8		type_before:3;	/* of a key that is there: RedisType, OTHER_TYPE or UNKNOWN_TYPE */
	uint8		type:3;
	uint8		flags;
	uint16		epoch;			/* how often all that is in the key has gone */
	Tail	   *tail;
} Slot;

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE Print
#define SH_KEY print
#define SH_HASH_KEY(tb, key) ((uint32) (key).a)
#define SH_EQUAL(tb, x, y) ((x).a == (y).a && (x).b == (y).b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* ---- the work ------------------------------------------------------------------ */

/* A row as it is looked at. */
typedef struct Row
{
	const ChWrite *w;
	const RedisTable *rt;
	RedisEntry	head;
	RedisBytes	key;
	RedisBytes	member;
	RedisBytes	other;
	RedisBytes	commands;
} Row;

typedef enum AskKind
{
	ASK_WATCH,
	ASK_NONE_OF,				/* several keys, of which none is expected */
	ASK_ALL_OF,					/* n keys, which are expected */
	ASK_EXISTS,
	ASK_TYPE,					/* is the key a row of the table? */
	ASK_SCORE,
	ASK_LENGTH,					/* of a list */
	ASK_STREAM,
	ASK_CARDINAL,				/* of the set of keys: is it one? */
	ASK_FIELDS,					/* of a hash: how many has it, */
	ASK_REMOVED,				/* and how many of these n are there */
	ASK_NUMBER
} AskKind;

typedef struct Ask
{
	AskKind		kind;
	Print		print;
	int			n;
	const RedisTable *rt;		/* as Apply's */
	StringInfoData key;			/* for errors */
} Ask;

/* EXISTS of several keys, as it grows. */
typedef struct KeyGroup
{
	StringInfoData args;
	int			n;
} KeyGroup;

/* What a batch that has a place for it has changed. */
typedef struct Changed
{
	int64	   *affected;
	int64		n;
} Changed;

/* Keys that TRUNCATE removes: for each its length and its bytes, in chunks. */
typedef struct Truncated
{
	const RedisTable *rt;
	List	   *chunks;			/* StringInfo */
} Truncated;

typedef struct Apply
{
	ChConn	   *conn;
	RedisConn  *rc;
	ChBatches  *batches;
	MemoryContext cxt;			/* of one try */
	MemoryContext reply_cxt;	/* of replies that are looked at */
	int			nreplies;		/* in it */
	const RedisTable *rt;		/* of the row that is looked at, if its key may be of another type */

	slots_hash *slots;
	int			watched;
	bool		verify;			/* there are keys that are not */
	bool		adds;			/* there are direct UPDATEs that add */
	bool		mismatch;		/* some group is not as expected */
	KeyGroup	groups[2];		/* by State that is expected */
	Ask			asks[WINDOW + 2];	/* a ring */
	int			first_ask;
	int			nasks;
	List	   *truncated;		/* Truncated, in order */
	int			next_truncated;
	bool		looked;			/* at a row; */
	bool		looked_before;	/* and a TRUNCATE came after it */

	/* MULTI ... EXEC */
	bool		begun;
	bool		putting;		/* the rows are gone through to be put there */
	int64		position;		/* commands put between them */
	int64		answered;		/* of MULTI and these */
	List	   *expected;		/* int list: answers to the first of them */
	RedisReply *refused;		/* the first command that was not queued, */
	int64		refused_at;
	List	   *holed;			/* RedisBytes: lists that have elements to remove */
	char		tombstone[64];
	List	   *changed;		/* Changed */
	Changed    *counting;		/* for the batch at hand, or NULL */

	/* what an error is about */
	int64		finding;		/* command whose key is looked for, -1: none */
	StringInfoData scratch;
	StringInfoData about;		/* a key, for CONTEXT; empty: none */
} Apply;

/* Does Redis give the entry of a stream its id? */
static inline bool
has_auto_id(const Row *r)
{
	return r->member.len == 1 && r->member.data[0] == '*';
}

/* ---- slots ---------------------------------------------------------------- */

/* Two hashes of the same bytes; the second part of a pair begins with those of the first. */
static inline Print
print_of(RedisBytes bytes, Print from)
{
	Print		p;

	p.a = hash_bytes_extended((const unsigned char *) bytes.data, bytes.len, from.a);
	p.b = hash_bytes_extended((const unsigned char *) bytes.data, bytes.len, from.b);
	return p;
}

static inline Print
print_of_key(RedisBytes key)
{
	return print_of(key, (Print) {UINT64CONST(0x9e3779b97f4a7c15), UINT64CONST(0xc2b2ae3d27d4eb4f)});
}

static inline Print
print_of_member(RedisBytes key, RedisBytes member)
{
	Print		p = print_of_key(key);

	p.a ^= UINT64CONST(0x165667b19e3779f9);
	return print_of(member, p);
}

static inline Print
print_of_index(const Row *r)
{
	return print_of_member(r->key, (RedisBytes) {(const char *) &r->head.index, sizeof(int64)});
}

static inline Tail *
tail_of(Apply *a, Slot *slot)
{
	if (slot->tail == NULL)
		slot->tail = MemoryContextAllocZero(a->cxt, sizeof(Tail));
	return slot->tail;
}

static inline Slot *
slot_of(Apply *a, Print print, bool *found)
{
	Slot	   *slot = slots_insert(a->slots, print, found);

	if (!*found)
	{
		slot->initial = PRESENT;
		slot->type_before = slot->type = UNKNOWN_TYPE;
		slot->flags = slot->epoch = 0;
		slot->tail = NULL;
	}
	return slot;
}

/* It is there, but for positions of a list. */
static inline Slot *
known_slot(Apply *a, Print print)
{
	Slot	   *slot = slots_lookup(a->slots, print);
	bool		found;

	if (slot)
		return slot;
	slot = slot_of(a, print, &found);
	slot->now = PRESENT;
	return slot;
}

/* ---- apply.c ---------------------------------------------------------------- */

typedef struct Visitor
{
	void		(*row) (Apply *a, const Row *r);
	void		(*truncate) (Apply *a, const ChWrite *w);	/* may be NULL */
} Visitor;

/* All rows in order. */
extern void redis_visit(Apply *a, const Visitor *visitor);

/* The key that an error from here on is about. */
extern void redis_set_about(Apply *a, RedisBytes key);
pg_noreturn extern void redis_refused(Apply *a, const RedisReply *reply);

extern RedisReply *redis_next_answer(Apply *a);
extern RedisReply *redis_ask_now(Apply *a);	/* sends, and raises an error that is answered */

/* Send what is large enough, and read half of the answers if they are many. */
extern void redis_make_room(Apply *a);

/* Where n commands about a key are to be appended, between MULTI and EXEC. */
extern StringInfo redis_put(Apply *a, RedisBytes key, int n);
extern void redis_put_four(Apply *a, const char *command, RedisBytes key, RedisBytes arg, RedisBytes other);
extern void redis_remove_key(Apply *a, const RedisTable *rt, RedisBytes key);

/* What an element of a list is set to that will be removed: no other element is equal. */
extern RedisBytes redis_tombstone(Apply *a);

/* ---- check.c ------------------------------------------------------------------ */

/* Ask all that must be known before MULTI. */
extern void redis_check(Apply *a);
extern void redis_read_question(Apply *a);	/* the answer to the first that has none */

/* EXISTS of the keys of a group, and another key for it: is it full? */
extern void redis_append_group(StringInfo out, KeyGroup *group);
extern bool redis_add_to_group(KeyGroup *group, RedisBytes key);

/* ---- follow.c ------------------------------------------------------------------ */

/* Put the row's commands, if it applies to what the rows before it have left. */
extern void redis_put_row(Apply *a, const Row *r);

/* The next argument of a command: length, its bytes.  Or how many there are, of a new command. */
extern RedisBytes redis_next_arg(const RedisBytes *commands, int *at);

#endif							/* CH_REDIS_APPLY_H */
