/*
 * apply.c
 *	  Sending what was written: all of it or nothing.
 *
 * First it is asked whether the keys (members, positions) are there that must or
 * must not be, after WATCH of their keys.  Then everything is sent between MULTI
 * and EXEC, which does nothing if a watched key has changed meanwhile: all is
 * asked anew, a few times.  So three things hold.  A row that is inserted
 * overwrites none, a row that is updated is not created, and what was refused
 * has left no part.
 *
 * Rows of one transaction may be about the same key: its state is followed
 * through them in order, in a Slot of 32 bytes a key.  Besides these, memory is
 * that of a batch: replies are read while commands are written.
 *
 * Redis compares each key that it is to watch with all that the client watches
 * already, so only the first WATCH_MAX keys of a transaction are watched.  Of
 * further hashes and strings EXISTS asks again as the first thing within MULTI:
 * if it answers otherwise than before, an error says so, though the rows are
 * written then.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/int.h"
#include "common/pg_prng.h"
#include "fdw/redis/redis.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define WATCH_MAX 500			/* 2 ms of Redis' time; 1000 take 8 */
#define WINDOW 512				/* replies that are not read yet, at most */
#define SEND_BYTES (64 * 1024)
#define KEYS_OF_A_COMMAND 200
#define TRIES 30
#define CHUNK_BYTES (16 * 1024 * 1024)

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
	int64		before;			/* length of a list, number in a field */
	int64		now;
	int64		holes;			/* elements of a list that will be removed */
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

/* ---- the work ------------------------------------------------------------------- */

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
	ASK_TYPE,					/* of a direct write: is the key a row? */
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
	const RedisTable *rt;		/* of a direct write, else NULL */
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
	const RedisTable *rt;		/* of the row that is looked at, if it is a direct write */

	slots_hash *slots;
	int			watched;
	bool		verify;			/* there are keys that are not */
	bool		adds;			/* there are direct UPDATEs that add */
	bool		mismatch;		/* some group is not as expected */
	KeyGroup		groups[2];		/* by State that is expected */
	Ask			asks[WINDOW + 2];	/* a ring */
	int			first_ask;
	int			nasks;
	int64		fields;			/* the answer to ASK_FIELDS */
	List	   *truncated;		/* Truncated, in order */
	int			next_truncated;

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

static void
set_about(Apply *a, RedisBytes key)
{
	resetStringInfo(&a->about);
	appendBinaryStringInfo(&a->about, key.data, key.len);
}

/* Two hashes of the same bytes; the second part of a pair begins with those of the first. */
static Print
print_of(RedisBytes bytes, Print from)
{
	Print		p;

	p.a = hash_bytes_extended((const unsigned char *) bytes.data, bytes.len, from.a);
	p.b = hash_bytes_extended((const unsigned char *) bytes.data, bytes.len, from.b);
	return p;
}

static Print
print_of_key(RedisBytes key)
{
	return print_of(key, (Print) {UINT64CONST(0x9e3779b97f4a7c15), UINT64CONST(0xc2b2ae3d27d4eb4f)});
}

static Print
print_of_member(RedisBytes key, RedisBytes member)
{
	Print		p = print_of_key(key);

	p.a ^= UINT64CONST(0x165667b19e3779f9);
	return print_of(member, p);
}

static Print
print_of_index(const Row *r)
{
	return print_of_member(r->key, (RedisBytes) {(const char *) &r->head.index, sizeof(int64)});
}

static Tail *
tail_of(Apply *a, Slot *slot)
{
	if (slot->tail == NULL)
		slot->tail = MemoryContextAllocZero(a->cxt, sizeof(Tail));
	return slot->tail;
}

/* ---- going through the rows --------------------------------------------------------- */

static uint32
take_part(RedisBytes *part, const char *data, uint32 len)
{
	part->data = data;
	part->len = len;
	return len;
}

static void
decode_row(Row *r, const ChWrite *w, const char *data)
{
	const char *at = data + sizeof(RedisEntry);

	r->w = w;
	r->rt = redis_table(w->table);
	memcpy(&r->head, data, sizeof(RedisEntry));
	at += take_part(&r->key, at, r->head.keylen);
	at += take_part(&r->member, at, r->head.memberlen);
	at += take_part(&r->other, at, r->head.otherlen);
	(void) take_part(&r->commands, at, data + r->head.size - at);
}

typedef struct Visitor
{
	void		(*row) (Apply *a, const Row *r);
	void		(*truncate) (Apply *a, const ChWrite *w);	/* may be NULL */
} Visitor;

static void
visit_batch(Apply *a, const ChBatch *batch, const Visitor *visitor)
{
	size_t		at = 0;
	const char *data;
	uint32		len;
	Row			r;

	while (ch_next_record(batch, &at, &data, &len))
		for (uint32 i = 0; i < len; i += r.head.size)
		{
			decode_row(&r, batch->write, data + i);
			visitor->row(a, &r);
		}
}

static Changed *
count_changes(Apply *a, int64 *affected)
{
	MemoryContext old;
	Changed    *changed;

	if (affected == NULL || !a->putting)
		return NULL;
	old = MemoryContextSwitchTo(a->cxt);
	changed = palloc0(sizeof(Changed));
	changed->affected = affected;
	a->changed = lappend(a->changed, changed);
	MemoryContextSwitchTo(old);
	return changed;
}

static void
visit(Apply *a, const Visitor *visitor)
{
	const ChBatch *batch;

	a->next_truncated = 0;
	ch_rewind_batches(a->batches);
	while ((batch = ch_next_batch(a->batches)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		a->counting = count_changes(a, batch->affected);
		if (batch->write->verb != CH_TRUNCATE)
			visit_batch(a, batch, visitor);
		else if (visitor->truncate)
			visitor->truncate(a, batch->write);
	}
}

/* ---- errors ------------------------------------------------------------------------------ */

static void
key_context(void *arg)
{
	const Apply *a = arg;

	if (a->about.len > 0)
		errcontext("Redis key \"%s\"", redis_printable(a->about.data, a->about.len));
}

pg_noreturn static void
refused(Apply *a, const RedisReply *reply)
{
	if (redis_is_error(reply, "WRONGTYPE"))
		ch_store_error(a->conn, ERRCODE_FDW_ERROR, "WRONGTYPE", reply->str + strlen("WRONGTYPE "),
					   "The key has another type than the table.");
	redis_raise(a->conn, reply);
}

pg_noreturn static void
exists_already(Apply *a, const Row *r)
{
	if (r->rt->type == REDIS_SET || r->rt->type == REDIS_ZSET)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("cannot write to foreign table %s: the member exists in Redis", r->w->table->name),
				 errdetail("Member \"%s\" is in key \"%s\" already.",
						   r->head.flags & REDIS_ENTRY_MOVES ? redis_printable(r->other.data, r->other.len) :
						   redis_printable(r->member.data, r->member.len), redis_printable(r->key.data, r->key.len))));
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("cannot insert into foreign table %s: the key exists in Redis", r->w->table->name),
			 errdetail("Key \"%s\" already exists.", redis_printable(r->key.data, r->key.len))));
}

/* ---- questions ------------------------------------------------------------------------------ */

static RedisReply *
read_reply(Apply *a)
{
	if (++a->nreplies > WINDOW)
	{
		MemoryContextReset(a->reply_cxt);
		a->nreplies = 0;
	}
	return redis_read(a->conn, a->reply_cxt, a->conn->request_timeout);
}

/* A number in the one spelling that HINCRBY takes. */
static bool
parse_number(const char *data, int len, int64 *out)
{
	char		text[REDIS_INT_TEXT];
	char		again[REDIS_INT_TEXT];

	*out = 0;
	if (len <= 0 || len >= REDIS_INT_TEXT)
		return false;
	memcpy(text, data, len);
	text[len] = '\0';
	errno = 0;
	*out = strtoi64(text, NULL, 10);
	snprintf(again, sizeof(again), INT64_FORMAT, *out);
	return errno == 0 && strcmp(again, text) == 0;
}

/* XINFO STREAM: names and values in turn; there is none if there is no stream. */
static void
read_stream(Apply *a, const RedisReply *reply, Tail *tail)
{
	if (reply->type == REDIS_REPLY_ERROR)
	{
		if (redis_is_error(reply, "ERR") && strstr(reply->str, "no such key"))
			return;
		refused(a, reply);
	}
	redis_expect(a->conn, reply, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i + 1 < reply->n; i += 2)
		if (reply->items[i]->type == REDIS_REPLY_STRING && strcmp(reply->items[i]->str, "last-generated-id") == 0 &&
			reply->items[i + 1]->type == REDIS_REPLY_STRING)
			(void) redis_parse_id(reply->items[i + 1]->str, (int) reply->items[i + 1]->len, &tail->last_before);
}

static int
count_not_nil(const RedisReply *reply)
{
	int			n = 0;

	for (size_t i = 0; i < reply->n; i++)
		n += reply->items[i]->type != REDIS_REPLY_NIL;
	return n;
}

static void
read_number(Slot *slot, const RedisReply *reply)
{
	slot->initial = reply->type == REDIS_REPLY_NIL ? ABSENT : PRESENT;
	if (slot->initial == PRESENT)
		slot->tail->not_number = !parse_number(reply->str, (int) reply->len, &slot->tail->before);
}

/* A key of another type is no row, or an error, as for a scan. */
static void
read_type(Apply *a, const RedisReply *reply, const RedisTable *rt, Slot *slot)
{
	slot->initial = strcmp(reply->str, redis_type_names[rt->type]) == 0 ? PRESENT : ABSENT;
	if (slot->initial == ABSENT && strcmp(reply->str, "none") != 0 && rt->wrong_type_error)
		ch_store_error(a->conn, ERRCODE_FDW_ERROR, "WRONGTYPE", psprintf("It is a %s", reply->str),
					   "The key has another type than the table.");
}

static int
reply_type(AskKind kind, const RedisReply *reply)
{
	switch (kind)
	{
		case ASK_WATCH:
		case ASK_TYPE:
			return REDIS_REPLY_STATUS;
		case ASK_SCORE:
		case ASK_NUMBER:
			return reply->type == REDIS_REPLY_NIL ? REDIS_REPLY_NIL : REDIS_REPLY_STRING;
		case ASK_STREAM:
		case ASK_REMOVED:
			return REDIS_REPLY_ARRAY;
		default:
			return REDIS_REPLY_INTEGER;
	}
}

static void
read_answer(Apply *a)
{
	Ask		   *ask = &a->asks[a->first_ask];
	RedisReply *reply = read_reply(a);
	Slot	   *slot = slots_lookup(a->slots, ask->print);

	a->first_ask = (a->first_ask + 1) % lengthof(a->asks);
	a->nasks--;
	set_about(a, (RedisBytes) {ask->key.data, ask->key.len});
	redis_expect(a->conn, reply, reply_type(ask->kind, reply));
	if (ask->rt && redis_is_error(reply, "WRONGTYPE"))
		*reply = (RedisReply) {.type = REDIS_REPLY_NIL};	/* ASK_TYPE has seen it */
	if (reply->type == REDIS_REPLY_ERROR && ask->kind != ASK_STREAM)
		refused(a, reply);
	switch (ask->kind)
	{
		case ASK_WATCH:
		case ASK_CARDINAL:
			break;
		case ASK_NONE_OF:
			a->mismatch = a->mismatch || reply->integer != 0;
			break;
		case ASK_ALL_OF:
			a->mismatch = a->mismatch || reply->integer != ask->n;
			break;
		case ASK_TYPE:
			read_type(a, reply, ask->rt, slot);
			break;
		case ASK_EXISTS:
			slot->initial = reply->integer > 0 ? PRESENT : ABSENT;
			break;
		case ASK_SCORE:
			slot->initial = reply->type == REDIS_REPLY_NIL ? ABSENT : PRESENT;
			break;
		case ASK_LENGTH:
			slot->tail->before = reply->integer;
			break;
		case ASK_STREAM:
			read_stream(a, reply, slot->tail);
			break;
		case ASK_FIELDS:
			a->fields = reply->integer; /* 0 of nil */
			break;
		case ASK_REMOVED:
			if (a->fields > 0 && count_not_nil(reply) == a->fields)
				slot->flags |= SLOT_VANISHES;
			break;
		case ASK_NUMBER:
			read_number(slot, reply);
			break;
	}
	resetStringInfo(&a->about);
}

static void read_queued(Apply *a);

/* Send what is large enough, and read half of the answers if they are many. */
static void
make_room(Apply *a)
{
	bool		full = a->rc->unread >= WINDOW;

	if (full || a->rc->out.len > SEND_BYTES)
		redis_flush(a->conn, a->conn->request_timeout);
	while (full && a->rc->unread > WINDOW / 2)
		if (a->begun)
			read_queued(a);
		else
			read_answer(a);
}

static void
read_all_answers(Apply *a)
{
	redis_flush(a->conn, a->conn->request_timeout);
	while (a->nasks > 0)
		read_answer(a);
}

/* The command's arguments have been appended to rc->out. */
static void
note_question(Apply *a, AskKind kind, RedisBytes key, Print print, int n)
{
	Ask		   *ask = &a->asks[(a->first_ask + a->nasks++) % lengthof(a->asks)];

	ask->kind = kind;
	ask->print = print;
	ask->n = n;
	ask->rt = a->rt;
	if (ask->key.data == NULL && key.len > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(a->cxt);

		initStringInfo(&ask->key);
		MemoryContextSwitchTo(old);
	}
	if (ask->key.data)
		resetStringInfo(&ask->key);
	if (key.len > 0)
		appendBinaryStringInfo(&ask->key, key.data, key.len);
	a->rc->unread++;
	make_room(a);
}

static void
begin_question(Apply *a, const char *command, RedisBytes key, int further)
{
	redis_begin_command(&a->rc->out, 2 + further);
	redis_append_arg(&a->rc->out, command, strlen(command));
	redis_append_arg(&a->rc->out, key.data, key.len);
}

static void
ask(Apply *a, AskKind kind, const char *command, RedisBytes key, Print print)
{
	begin_question(a, command, key, 0);
	note_question(a, kind, key, print, 1);
}

static void
ask_member(Apply *a, AskKind kind, const char *command, RedisBytes key, RedisBytes member, Print print)
{
	begin_question(a, command, key, 1);
	redis_append_arg(&a->rc->out, member.data, member.len);
	note_question(a, kind, key, print, 1);
}

static void
watch(Apply *a, Slot *slot, RedisBytes key)
{
	if (slot->flags & SLOT_WATCHED)
		return;
	if (a->watched == WATCH_MAX)
	{
		a->verify = true;
		return;
	}
	a->watched++;
	slot->flags |= SLOT_WATCHED;
	begin_question(a, "WATCH", key, 0);
	note_question(a, ASK_WATCH, (RedisBytes) {"", 0}, slot->print, 1);
}

/* ---- many keys in one command ------------------------------------------------------------------- */

static void
append_group(StringInfo out, KeyGroup *group)
{
	redis_begin_command(out, group->n + 1);
	redis_append_arg(out, "EXISTS", 6);
	appendBinaryStringInfo(out, group->args.data, group->args.len);
}

static void
send_group(Apply *a, State expected)
{
	KeyGroup	   *group = &a->groups[expected];
	int			n = group->n;

	if (n == 0)
		return;
	append_group(&a->rc->out, group);
	resetStringInfo(&group->args);
	group->n = 0;
	note_question(a, expected == PRESENT ? ASK_ALL_OF : ASK_NONE_OF, (RedisBytes) {"", 0}, (Print) {0, 0}, n);
}

static bool
add_to_group(KeyGroup *group, RedisBytes key)
{
	redis_append_arg(&group->args, key.data, key.len);
	return ++group->n == KEYS_OF_A_COMMAND;
}

/* ---- what must be known, row by row ----------------------------------------------------------------- */

static Slot *
slot_of(Apply *a, Print print, bool *found)
{
	Slot	   *slot = slots_insert(a->slots, print, found);

	if (!*found)
	{
		slot->initial = PRESENT;
		slot->flags = slot->epoch = 0;
		slot->tail = NULL;
	}
	return slot;
}

/* An UPDATE that only removes fields must leave one. */
static void
ask_removed(Apply *a, const Row *r, Slot *slot)
{
	Print		print = slot->print;

	watch(a, slot, r->key);
	ask(a, ASK_FIELDS, "HLEN", r->key, print);
	begin_question(a, "HMGET", r->key, (int) r->head.index);
	appendBinaryStringInfo(&a->rc->out, r->other.data, r->other.len);
	note_question(a, ASK_REMOVED, r->key, print, (int) r->head.index);
}

/* Fields to which a direct UPDATE adds: see redis_encode_direct. */
static void
ask_numbers(Apply *a, const Row *r)
{
	RedisAdd	add;
	RedisBytes	field;
	bool		found;

	a->adds = true;
	for (int at = 0; redis_next_add(r->other, &at, &add, &field);)
	{
		Slot	   *slot = slot_of(a, print_of_member(r->key, field), &found);

		if (found)
			continue;
		(void) tail_of(a, slot);
		ask_member(a, ASK_NUMBER, "HGET", r->key, field, slot->print);
	}
}

static void
ask_version(Apply *a, const Row *r)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_member(r->key, r->rt->version_field), &found);

	if (found)
		return;
	(void) tail_of(a, slot);
	ask_member(a, ASK_NUMBER, "HGET", r->key, r->rt->version_field, slot->print);
}

static void
look_at_key(Apply *a, const Row *r)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_key(r->key), &found);
	State		expected = r->w->verb == CH_INSERT ? ABSENT : PRESENT;

	if (!found && r->w->direct)
	{
		watch(a, slot, r->key);
		ask(a, ASK_TYPE, "TYPE", r->key, slot->print);
	}
	else if (!found && (r->w->verb != CH_DELETE || r->rt->version))
	{
		watch(a, slot, r->key);
		slot->flags |= SLOT_ASKED;
		slot->initial = expected;
		if (add_to_group(&a->groups[expected], r->key))
			send_group(a, expected);
	}
	if ((r->head.flags & REDIS_ENTRY_ONLY_REMOVES) && !(slot->flags & SLOT_WRITTEN))
		ask_removed(a, r, slot);
	else if (r->head.ncommands > 0)
		slot->flags |= SLOT_WRITTEN;
	if (r->head.flags & REDIS_ENTRY_VERSION)
		ask_version(a, r);
	if (r->head.flags & REDIS_ENTRY_ADDS)
		ask_numbers(a, r);
}

static void
look_at_one_member(Apply *a, const Row *r, RedisBytes member, bool truncated)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_member(r->key, member), &found);

	if (found)
		return;
	if (truncated)
		slot->initial = ABSENT;
	else if (r->w->verb != CH_DELETE)
	{
		if (r->rt->type == REDIS_SET)
			ask_member(a, ASK_EXISTS, "SISMEMBER", r->key, member, slot->print);
		else
			ask_member(a, ASK_SCORE, "ZSCORE", r->key, member, slot->print);
	}
}

static void
look_at_member(Apply *a, const Row *r)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_key(r->key), &found);
	bool		truncated = slot->epoch > 0;

	if (r->w->verb != CH_DELETE && !truncated)
		watch(a, slot, r->key);
	look_at_one_member(a, r, r->member, truncated);
	if (r->head.flags & REDIS_ENTRY_MOVES)
		look_at_one_member(a, r, r->other, truncated);
}

static bool
is_measured(Slot *slot)
{
	bool		already = (slot->flags & SLOT_MEASURED) != 0 || slot->epoch > 0;

	slot->flags |= SLOT_MEASURED;
	return already;
}

static void
look_at_list(Apply *a, const Row *r)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_key(r->key), &found);

	(void) tail_of(a, slot);
	if (slot->epoch == 0 && r->head.index >= 0)
		watch(a, slot, r->key);
	if (!is_measured(slot))
		ask(a, ASK_LENGTH, "LLEN", r->key, slot->print);
}

static bool
has_auto_id(const Row *r)
{
	return r->member.len == 1 && r->member.data[0] == '*';
}

static void
look_at_stream(Apply *a, const Row *r)
{
	bool		found;
	Slot	   *slot;

	if (r->w->verb == CH_DELETE)
		return;
	slot = slot_of(a, print_of_key(r->key), &found);
	(void) tail_of(a, slot);
	if (slot->epoch == 0 && !has_auto_id(r))
		watch(a, slot, r->key);
	if (is_measured(slot))
		return;
	begin_question(a, "XINFO", (RedisBytes) {"STREAM", 6}, 1);
	redis_append_arg(&a->rc->out, r->key.data, r->key.len);
	note_question(a, ASK_STREAM, r->key, slot->print, 1);
}

static void
check_version(Apply *a, const Row *r)
{
	int			needed = r->head.flags & REDIS_ENTRY_PARTIAL_ID ? 70000 : r->head.flags & REDIS_ENTRY_KEEPTTL ? 60000 : 40000;

	if (a->rc->version == 0 || a->rc->version >= needed)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot write to foreign table %s", r->w->table->name),
			 errdetail("Server \"%s\" is Redis %s, and %s needs %d.", a->conn->server_name, a->rc->version_text,
					   r->head.flags & REDIS_ENTRY_PARTIAL_ID ? "an id of which the time alone is given" :
					   r->head.flags & REDIS_ENTRY_KEEPTTL ? "a new value that keeps the time to live" : "writing", needed / 10000),
			 r->head.flags & REDIS_ENTRY_PARTIAL_ID ? errhint("Write the column of kind 'id' and type text.") :
			 r->head.flags & REDIS_ENTRY_KEEPTTL ? errhint("Set the column of kind 'ttl', too.") : 0));
}

static void
look_at_row(Apply *a, const Row *r)
{
	static void (*const look[]) (Apply *, const Row *) = {
		[REDIS_HASH] = look_at_key,
		[REDIS_STRING] = look_at_key,
		[REDIS_LIST] = look_at_list,
		[REDIS_SET] = look_at_member,
		[REDIS_ZSET] = look_at_member,
		[REDIS_STREAM] = look_at_stream,
	};
	bool		found;

	check_version(a, r);
	a->rt = r->w->direct ? r->rt : NULL;
	if (r->rt->mode == REDIS_BY_SET && r->w->verb == CH_INSERT)
	{
		(void) slot_of(a, print_of_member(r->rt->key, r->rt->key), &found);
		if (!found)
			ask(a, ASK_CARDINAL, "SCARD", r->rt->key, (Print) {0, 0});
	}
	look[r->rt->type] (a, r);
}

/* Each key on its own, after some group was not as expected. */
static void
look_again(Apply *a, const Row *r)
{
	Slot	   *slot = slots_lookup(a->slots, print_of_key(r->key));

	if (slot == NULL || (slot->flags & (SLOT_ASKED | SLOT_RESOLVED)) != SLOT_ASKED)
		return;
	slot->flags |= SLOT_RESOLVED;
	ask(a, ASK_EXISTS, "EXISTS", r->key, slot->print);
}

/* ---- TRUNCATE: the keys of a table ----------------------------------------------------------------------- */

static RedisReply *
ask_now(Apply *a)
{
	RedisReply *reply;

	redis_flush(a->conn, a->conn->request_timeout);
	reply = read_reply(a);
	if (reply->type == REDIS_REPLY_ERROR)
		refused(a, reply);
	return reply;
}

static void
note_truncated(Apply *a, Truncated *t, RedisBytes key)
{
	StringInfo	chunk = t->chunks ? llast(t->chunks) : NULL;
	int32		len = key.len;
	bool		found;
	Slot	   *slot;

	if (chunk == NULL || chunk->len > CHUNK_BYTES)
	{
		chunk = makeStringInfo();
		t->chunks = lappend(t->chunks, chunk);
	}
	slot = slot_of(a, print_of_key(key), &found);
	/* a key that SCAN returns twice */
	if (slot->epoch == list_length(a->truncated))
		return;
	slot->epoch = list_length(a->truncated);
	appendBinaryStringInfo(chunk, (char *) &len, sizeof(len));
	appendBinaryStringInfo(chunk, key.data, key.len);
}

/* Those of n keys that are of the table's type. */
static void
note_typed(Apply *a, Truncated *t, const RedisTable *rt, int n, const RedisBytes *keys)
{
	for (int i = 0; i < n; i++)
	{
		redis_begin_command(&a->rc->out, 2);
		redis_append_arg(&a->rc->out, "TYPE", 4);
		redis_append_arg(&a->rc->out, keys[i].data, keys[i].len);
		a->rc->unread++;
	}
	redis_flush(a->conn, a->conn->request_timeout);
	for (int i = 0; i < n; i++)
	{
		RedisReply *reply = redis_read(a->conn, a->reply_cxt, a->conn->request_timeout);

		redis_expect(a->conn, reply, REDIS_REPLY_STATUS);
		if (reply->type == REDIS_REPLY_ERROR)
			refused(a, reply);
		if (strcmp(reply->str, redis_type_names[rt->type]) == 0)
			note_truncated(a, t, keys[i]);
	}
}

static void
note_page(Apply *a, Truncated *t, const RedisTable *rt, const RedisReply *page)
{
	RedisBytes *keys = palloc(Max(page->n, 1) * sizeof(RedisBytes));
	int			n = 0;

	for (size_t i = 0; i < page->n; i++)
	{
		RedisBytes	key = {page->items[i]->str, (int) page->items[i]->len};
		int			prefix = rt->prefix.len;

		if (key.len >= prefix && memcmp(key.data, rt->prefix.data, prefix) == 0 &&
			(rt->keycol == NULL || redis_is_canonical(rt->keycol, key.data + prefix, key.len - prefix)))
			keys[n++] = key;
	}
	note_typed(a, t, rt, n, keys);
	pfree(keys);
}

static void
find_keys(Apply *a, Truncated *t, const RedisTable *rt)
{
	bool		by_set = rt->mode == REDIS_BY_SET;
	char	   *cursor = pstrdup("0");
	char	   *pattern = redis_match_pattern(rt->prefix);

	do
	{
		RedisReply *reply;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(a->reply_cxt);
		redis_begin_command(&a->rc->out, by_set ? 5 : 6);
		redis_append_arg(&a->rc->out, by_set ? "SSCAN" : "SCAN", by_set ? 5 : 4);
		if (by_set)
			redis_append_arg(&a->rc->out, rt->key.data, rt->key.len);
		redis_append_arg(&a->rc->out, cursor, strlen(cursor));
		if (!by_set)
		{
			redis_append_arg(&a->rc->out, "MATCH", 5);
			redis_append_arg(&a->rc->out, pattern, strlen(pattern));
		}
		redis_append_arg(&a->rc->out, "COUNT", 5);
		redis_append_arg(&a->rc->out, "1000", 4);
		a->rc->unread++;
		reply = ask_now(a);
		redis_expect_page(a->conn, reply, 1);
		cursor = pstrdup(reply->items[0]->str);
		note_page(a, t, rt, reply->items[1]);
	} while (strcmp(cursor, "0") != 0);
}

static void
look_at_truncate(Apply *a, const ChWrite *w)
{
	const RedisTable *rt = redis_table(w->table);
	MemoryContext old = MemoryContextSwitchTo(a->cxt);
	Truncated  *t = palloc0(sizeof(Truncated));

	send_group(a, ABSENT);
	send_group(a, PRESENT);
	read_all_answers(a);
	MemoryContextReset(a->reply_cxt);
	a->truncated = lappend(a->truncated, t);
	if (list_length(a->truncated) > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d TRUNCATE of foreign tables in one transaction", PG_UINT16_MAX)));
	if (rt->mode == REDIS_BY_KEY)
		note_typed(a, t, rt, 1, &rt->key);
	else
		find_keys(a, t, rt);
	MemoryContextSwitchTo(old);
}

/* ---- MULTI: putting commands ------------------------------------------------------------------------------ */

static void
read_queued(Apply *a)
{
	RedisReply *reply = read_reply(a);
	int64		at = a->answered++ - 1;	/* the first is MULTI's own */

	redis_expect(a->conn, reply, REDIS_REPLY_STATUS);
	if (reply->type != REDIS_REPLY_ERROR || a->refused)
		return;
	a->refused = MemoryContextAllocZero(a->cxt, sizeof(RedisReply));
	a->refused->type = REDIS_REPLY_ERROR;
	a->refused->str = MemoryContextStrdup(a->cxt, reply->str);
	a->refused_at = at;
}

pg_noreturn static void raise_at(Apply *a, int64 position, const RedisReply *reply);

/* Where n commands about a key are to be appended. */
static StringInfo
put(Apply *a, RedisBytes key, int n)
{
	if (a->refused && a->finding < 0)
		raise_at(a, a->refused_at, a->refused);
	if (a->finding >= 0)
	{
		if (a->finding >= a->position && a->finding < a->position + n)
			set_about(a, key);
		a->position += n;
		resetStringInfo(&a->scratch);
		return &a->scratch;
	}
	if (!a->begun)
	{
		redis_command_text(a->rc, 1, "MULTI");
		a->begun = true;
	}
	else
		make_room(a);
	a->rc->unread += n;
	a->position += n;
	return &a->rc->out;
}

static void
put_command(Apply *a, RedisBytes key, const char *command, RedisBytes arg)
{
	StringInfo	out = put(a, key, 1);

	redis_begin_command(out, arg.data ? 3 : 2);
	redis_append_arg(out, command, strlen(command));
	redis_append_arg(out, key.data, key.len);
	if (arg.data)
		redis_append_arg(out, arg.data, arg.len);
}

static void
put_four(Apply *a, const char *command, RedisBytes key, RedisBytes arg, RedisBytes other)
{
	StringInfo	out = put(a, key, 1);

	redis_begin_command(out, 4);
	redis_append_arg(out, command, strlen(command));
	redis_append_arg(out, key.data, key.len);
	redis_append_arg(out, arg.data, arg.len);
	redis_append_arg(out, other.data, other.len);
}

static void
remove_key(Apply *a, const RedisTable *rt, RedisBytes key)
{
	put_command(a, key, "UNLINK", (RedisBytes) {NULL, 0});
	if (rt->mode == REDIS_BY_SET)
		put_command(a, rt->key, "SREM", key);
}

static RedisBytes
tombstone(Apply *a)
{
	if (a->tombstone[0] == '\0')
		snprintf(a->tombstone, sizeof(a->tombstone), "cipherhorizon:deleted:" UINT64_FORMAT "-" UINT64_FORMAT,
				 pg_prng_uint64(&pg_global_prng_state), pg_prng_uint64(&pg_global_prng_state));
	return (RedisBytes) {a->tombstone, strlen(a->tombstone)};
}

/* ---- MULTI: does the row apply? ---------------------------------------------------------------------------- */

/* It is there, but for positions of a list. */
static Slot *
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

pg_noreturn static void
left_empty(const Row *r)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("row of foreign table %s cannot be stored in Redis", r->w->table->name),
			 errdetail("Hash \"%s\" would have no field: it has only those that become NULL.",
					   redis_printable(r->key.data, r->key.len)),
			 errhint("DELETE the row to be rid of it.")));
}

/* INSERT of what is there, UPDATE of what is not. */
static bool
applies(Apply *a, const Row *r, Slot *slot)
{
	if (r->w->verb == CH_INSERT)
	{
		if (slot->now == PRESENT && !r->w->skip_existing)
			exists_already(a, r);
		if (slot->now == PRESENT)
			return false;
		slot->now = PRESENT;
		return true;
	}
	if (r->w->verb == CH_DELETE)
	{
		bool		was = slot->now == PRESENT;

		slot->now = ABSENT;
		return was;
	}
	return slot->now == PRESENT;
}

/* What was in the key before it was removed is gone. */
static Slot *
inner_slot(Slot *slot, uint16 epoch)
{
	if (slot->epoch != epoch)
		slot->now = ABSENT;
	slot->epoch = epoch;
	return slot;
}

static void
add_to_numbers(Apply *a, const Row *r, uint16 epoch)
{
	RedisAdd	add;
	RedisBytes	field;
	char		text[REDIS_INT_TEXT];

	for (int at = 0; redis_next_add(r->other, &at, &add, &field);)
	{
		Slot	   *slot = inner_slot(known_slot(a, print_of_member(r->key, field)), epoch);

		if (slot->now == ABSENT)
			continue;			/* NULL and a number is NULL */
		redis_check_add(r->w->table, &add, slot->tail->now_not_number, &slot->tail->now);
		snprintf(text, sizeof(text), INT64_FORMAT, add.delta);
		put_four(a, "HINCRBY", r->key, field, (RedisBytes) {text, strlen(text)});
	}
}

/* The next argument of a command: length, its bytes.  Or how many there are, of a new command. */
static RedisBytes
next_arg(const RedisBytes *commands, int *at)
{
	bool		is_count = commands->data[*at] == '*';
	int			len = atoi(commands->data + *at + 1);
	const char *data = (const char *) memchr(commands->data + *at, '\n', commands->len - *at) + 1;

	*at = data - commands->data + (is_count ? 0 : len + 2);
	return (RedisBytes) {is_count ? NULL : data, len};
}

static void
set_field(Apply *a, RedisBytes key, RedisBytes field, const RedisBytes *value, uint16 epoch)
{
	Slot	   *slot = slots_lookup(a->slots, print_of_member(key, field));

	if (slot == NULL)
		return;
	slot->epoch = epoch;
	slot->now = value ? PRESENT : ABSENT;
	if (value)
		slot->tail->now_not_number = !parse_number(value->data, value->len, &slot->tail->now);
}

/* Fields to which another row adds: what this one makes of them. */
static void
follow_fields(Apply *a, const Row *r, uint16 epoch)
{
	for (int at = 0; at < r->commands.len;)
	{
		int			n = next_arg(&r->commands, &at).len;
		RedisBytes	command = next_arg(&r->commands, &at);
		bool		sets = command.len == 4 && memcmp(command.data, "HSET", 4) == 0;
		bool		removes = command.len == 4 && memcmp(command.data, "HDEL", 4) == 0;

		(void) next_arg(&r->commands, &at);
		for (int i = 2; i < n; i++)
		{
			RedisBytes	field = next_arg(&r->commands, &at);
			RedisBytes	value;

			if (removes)
				set_field(a, r->key, field, NULL, epoch);
			if (!sets)
				continue;
			value = next_arg(&r->commands, &at);
			set_field(a, r->key, field, &value, epoch);
			i++;
		}
	}
}

/* The version that was read is the one before this transaction, whatever it has written since. */
static void
check_row_version(Apply *a, const Row *r)
{
	const Slot *slot = known_slot(a, print_of_member(r->key, r->rt->version_field));

	if (r->head.index == REDIS_NO_VERSION ? slot->initial == ABSENT :
		slot->initial == PRESENT && !slot->tail->not_number && slot->tail->before == r->head.index)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("row of foreign table %s was changed by others since it was read", r->w->table->name),
			 errdetail("Field \"%s\" of Redis key \"%s\", its version, has another value.", r->rt->version->remote,
					   redis_printable(r->key.data, r->key.len)),
			 errhint("Run the transaction again.")));
}

static bool
key_applies(Apply *a, const Row *r)
{
	Slot	   *slot = known_slot(a, print_of_key(r->key));
	bool		written = (slot->flags & SLOT_WRITTEN) != 0;

	if (!applies(a, r, slot))
		return false;
	if (r->head.flags & REDIS_ENTRY_VERSION)
	{
		check_row_version(a, r);
		slot = known_slot(a, print_of_key(r->key));
	}
	if (r->w->verb == CH_DELETE)
	{
		slot->epoch++;
		remove_key(a, r->rt, r->key);
		return true;
	}
	if ((r->head.flags & REDIS_ENTRY_ONLY_REMOVES) && !written && (slot->flags & SLOT_VANISHES))
		left_empty(r);
	if (r->head.ncommands > 0 && !(r->head.flags & REDIS_ENTRY_ONLY_REMOVES))
		slot->flags |= SLOT_WRITTEN;
	if (r->head.flags & REDIS_ENTRY_ADDS)
		add_to_numbers(a, r, slot->epoch);
	if (a->adds)
		follow_fields(a, r, slot->epoch);
	return true;
}

static Slot *
member_slot(Apply *a, const Row *r, RedisBytes member, uint16 epoch)
{
	return inner_slot(known_slot(a, print_of_member(r->key, member)), epoch);
}

static bool
member_applies(Apply *a, const Row *r)
{
	uint16		epoch = known_slot(a, print_of_key(r->key))->epoch;

	if (!applies(a, r, member_slot(a, r, r->member, epoch)))
		return false;
	if (r->head.flags & REDIS_ENTRY_MOVES)
	{
		Slot	   *other = member_slot(a, r, r->other, epoch);

		if (other->now == PRESENT)
			exists_already(a, r);
		other->now = PRESENT;
		member_slot(a, r, r->member, epoch)->now = ABSENT;
	}
	return true;
}

static bool
append_applies(const Row *r, Tail *tail)
{
	int64		length = tail->now - tail->holes;

	if (r->head.index >= 0 && r->head.index != length)
		ereport(ERROR,
				(errcode(r->head.index < length ? ERRCODE_UNIQUE_VIOLATION : ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot insert into foreign table %s at index " INT64_FORMAT, r->w->table->name, r->head.index),
				 errdetail("List \"%s\" has " INT64_FORMAT " elements, and a new one comes after them.",
						   redis_printable(r->key.data, r->key.len), length),
				 errhint("Leave the index out.")));
	tail->now++;
	return true;
}

static bool
list_applies(Apply *a, const Row *r)
{
	Slot	   *list = known_slot(a, print_of_key(r->key));
	Tail	   *tail = tail_of(a, list);
	uint16		epoch = list->epoch;
	Slot	   *slot;
	RedisBytes *holed;
	char		index[REDIS_INT_TEXT];

	if (r->w->verb == CH_INSERT)
		return append_applies(r, tail);
	slot = inner_slot(known_slot(a, print_of_index(r)), epoch);
	if (r->head.index >= tail->now)
		slot->now = ABSENT;
	if (!applies(a, r, slot) || r->w->verb == CH_UPDATE)
		return slot->now == PRESENT;
	if (tail->holes++ == 0)
	{
		holed = MemoryContextAlloc(a->cxt, sizeof(RedisBytes) + r->key.len);
		*holed = (RedisBytes) {(char *) (holed + 1), r->key.len};
		memcpy(holed + 1, r->key.data, r->key.len);
		a->holed = lappend(a->holed, holed);
	}
	snprintf(index, sizeof(index), INT64_FORMAT, r->head.index);
	put_four(a, "LSET", r->key, (RedisBytes) {index, strlen(index)}, tombstone(a));
	return true;
}

static void
refuse_id(const Row *r, const Tail *tail)
{
	char	   *last = psprintf(UINT64_FORMAT "-" UINT64_FORMAT, tail->last.hi, tail->last.lo);

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("cannot insert id %.*s into foreign table %s", r->member.len, r->member.data, r->w->table->name),
			 errdetail("Ids of stream \"%s\" grow, and the last one is %s.", redis_printable(r->key.data, r->key.len),
					   tail->counted ? "one that Redis gives in this transaction" : last),
			 errhint("Leave the id out.")));
}

static bool
entry_applies(Apply *a, const Row *r)
{
	Tail	   *tail;
	RedisPoint	id;

	if (r->w->verb == CH_DELETE)
		return true;
	tail = tail_of(a, known_slot(a, print_of_key(r->key)));
	if (has_auto_id(r))
	{
		tail->counted = true;
		tail->last.hi = PG_UINT64_MAX;	/* no known id is surely after it */
		return true;
	}
	if (r->head.flags & REDIS_ENTRY_PARTIAL_ID)
	{
		id.hi = strtou64(r->member.data, NULL, 10);
		if (id.hi < tail->last.hi || (id.hi == tail->last.hi && tail->last.lo == PG_UINT64_MAX))
			refuse_id(r, tail);
		tail->counted = tail->counted || id.hi == tail->last.hi;
		tail->last = (RedisPoint) {id.hi, id.hi == tail->last.hi ? tail->last.lo + 1 : 0};
		return true;
	}
	if (!redis_parse_id(r->member.data, r->member.len, &id) || redis_point_cmp(id, tail->last) <= 0)
		refuse_id(r, tail);
	tail->last = id;
	return true;
}

static void
put_row(Apply *a, const Row *r)
{
	static bool (*const row_applies[]) (Apply *, const Row *) = {
		[REDIS_HASH] = key_applies,
		[REDIS_STRING] = key_applies,
		[REDIS_LIST] = list_applies,
		[REDIS_SET] = member_applies,
		[REDIS_ZSET] = member_applies,
		[REDIS_STREAM] = entry_applies,
	};

	if (!row_applies[r->rt->type] (a, r))
		return;
	if (r->head.ncommands > 0)
		appendBinaryStringInfo(put(a, r->key, r->head.ncommands), r->commands.data, r->commands.len);
	if (a->counting)
		a->counting->n++;
}

/* ---- MULTI: TRUNCATE, and what comes first and last ------------------------------------------------------------ */

static void
put_truncate(Apply *a, const ChWrite *w)
{
	const Truncated *t = list_nth(a->truncated, a->next_truncated++);
	ListCell   *lc;

	foreach(lc, t->chunks)
	{
		StringInfo	chunk = lfirst(lc);

		for (int at = 0; at < chunk->len;)
		{
			RedisBytes	key = {chunk->data + at + sizeof(int32), 0};
			int32		len;
			Slot	   *slot;

			memcpy(&len, chunk->data + at, sizeof(len));
			key.len = len;
			at += sizeof(int32) + len;
			remove_key(a, redis_table(w->table), key);
			slot = known_slot(a, print_of_key(key));
			slot->now = ABSENT;
			slot->epoch++;
			if (slot->tail)
			{
				slot->tail->now = slot->tail->holes = 0;
				slot->tail->last = (RedisPoint) {0, 0};
				slot->tail->counted = false;
			}
		}
	}
}

static void
put_group(Apply *a, State expected)
{
	KeyGroup	   *group = &a->groups[expected];

	if (group->n == 0)
		return;
	append_group(put(a, (RedisBytes) {"", 0}, 1), group);
	if (a->finding < 0)
	{
		MemoryContext old = MemoryContextSwitchTo(a->cxt);

		a->expected = lappend_int(a->expected, expected == PRESENT ? group->n : 0);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&group->args);
	group->n = 0;
}

/* Ask again about keys that are not watched. */
static void
put_verification(Apply *a, const Row *r)
{
	Slot	   *slot = slots_lookup(a->slots, print_of_key(r->key));

	if (slot == NULL || (slot->flags & (SLOT_ASKED | SLOT_WATCHED | SLOT_VERIFIED)) != SLOT_ASKED)
		return;
	slot->flags |= SLOT_VERIFIED;
	if (add_to_group(&a->groups[slot->initial], r->key))
		put_group(a, slot->initial);
}

static void
reset_slots(Apply *a)
{
	slots_iterator it;
	Slot	   *slot;

	slots_start_iterate(a->slots, &it);
	while ((slot = slots_iterate(a->slots, &it)) != NULL)
	{
		slot->now = slot->initial;
		slot->epoch = 0;
		slot->flags &= ~(SLOT_WRITTEN | SLOT_VERIFIED);
		if (slot->tail)
		{
			slot->tail->now = slot->tail->before;
			slot->tail->holes = 0;
			slot->tail->last = slot->tail->last_before;
			slot->tail->counted = false;
			slot->tail->now_not_number = slot->tail->not_number;
		}
	}
}

/* Everything between MULTI and EXEC. */
static void
put_all(Apply *a)
{
	static const Visitor verification = {.row = put_verification};
	static const Visitor rows = {.row = put_row,.truncate = put_truncate};
	ListCell   *lc;

	reset_slots(a);
	a->position = 0;
	a->holed = NIL;
	if (a->verify)
	{
		visit(a, &verification);
		put_group(a, ABSENT);
		put_group(a, PRESENT);
	}
	a->putting = a->finding < 0;
	visit(a, &rows);
	a->putting = false;
	foreach(lc, a->holed)
		put_four(a, "LREM", *(RedisBytes *) lfirst(lc), (RedisBytes) {"0", 1}, tombstone(a));
}

/* ---- EXEC ------------------------------------------------------------------------------------------------------------ */

/* The error that a command was answered with, and its key. */
pg_noreturn static void
raise_at(Apply *a, int64 position, const RedisReply *reply)
{
	a->finding = position;
	put_all(a);
	refused(a, reply);
}

static void
check_results(Apply *a, const RedisReply *reply)
{
	int64		errors = 0;
	int64		first = -1;
	ListCell   *lc;

	for (size_t i = 0; i < reply->n; i++)
		if (reply->items[i]->type == REDIS_REPLY_ERROR)
		{
			first = errors == 0 ? (int64) i : first;
			errors++;
		}
	if (errors > 0)
	{
		a->conn->unsure = errors < (int64) reply->n;
		raise_at(a, first, reply->items[first]);
	}
	foreach(lc, a->expected)
		if (reply->items[foreach_current_index(lc)]->integer != lfirst_int(lc))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("keys that are written in server \"%s\" were made or removed by others at the same time", a->conn->server_name),
					 errdetail("A transaction of more than %d keys sees that only when it is done: rows that it inserted were added to those of others, or rows that were gone are there again.",
							   WATCH_MAX)));
	a->conn->unsure = false;
}

/* False: a watched key has changed, and nothing was done. */
static bool
execute(Apply *a)
{
	RedisReply *reply;
	MemoryContext exec_cxt = AllocSetContextCreate(a->cxt, "Redis results", ALLOCSET_DEFAULT_SIZES);

	redis_command_text(a->rc, 1, "EXEC");
	a->conn->unsure = true;
	redis_flush(a->conn, a->conn->request_timeout);
	while (a->rc->unread > 1)
		read_queued(a);
	reply = redis_read(a->conn, exec_cxt, a->conn->request_timeout);
	if (reply->type == REDIS_REPLY_NIL || reply->type == REDIS_REPLY_ERROR)
		a->conn->unsure = false;
	if (reply->type == REDIS_REPLY_NIL)
		return false;
	if (reply->type == REDIS_REPLY_ERROR && a->refused)
		raise_at(a, a->refused_at, a->refused);
	redis_expect(a->conn, reply, REDIS_REPLY_ARRAY);
	if (reply->type == REDIS_REPLY_ERROR)
		refused(a, reply);
	check_results(a, reply);
	return true;
}

/* ---- a try, and the next one ------------------------------------------------------------------------------------------ */

static void
init_try(Apply *a, ChConn *conn, ChBatches *batches)
{
	memset(a, 0, sizeof(*a));
	a->conn = conn;
	a->rc = conn->handle;
	a->batches = batches;
	a->finding = -1;
	a->cxt = CurrentMemoryContext;
	a->reply_cxt = AllocSetContextCreate(a->cxt, "Redis replies", ALLOCSET_DEFAULT_SIZES);
	a->slots = slots_create(a->cxt, 1024, NULL);
	initStringInfo(&a->groups[ABSENT].args);
	initStringInfo(&a->groups[PRESENT].args);
	initStringInfo(&a->scratch);
	initStringInfo(&a->about);
}

static bool
try(Apply *a)
{
	static const Visitor first = {.row = look_at_row,.truncate = look_at_truncate};
	static const Visitor second = {.row = look_again};
	ListCell   *lc;

	visit(a, &first);
	send_group(a, ABSENT);
	send_group(a, PRESENT);
	if (a->nasks > 0)
		read_all_answers(a);
	if (a->mismatch)
	{
		visit(a, &second);
		read_all_answers(a);
	}
	put_all(a);
	if (a->begun)
	{
		if (!execute(a))
			return false;
		foreach(lc, a->changed)
			*((Changed *) lfirst(lc))->affected += ((Changed *) lfirst(lc))->n;
		return true;
	}
	if (a->watched > 0)
	{
		redis_command_text(a->rc, 1, "UNWATCH");
		(void) ask_now(a);
	}
	return true;
}

/* Some time by chance, for those who want the same key are many. */
static void
wait_a_little(int tries)
{
	pg_usleep(pg_prng_uint64_range(&pg_global_prng_state, 0, 100 << Min(tries, 8)));
	CHECK_FOR_INTERRUPTS();
}

void
redis_apply(ChConn *conn, ChBatches *batches)
{
	for (int tries = 0; tries < TRIES; tries++)
	{
		MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "Redis writes", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		Apply	   *a = palloc(sizeof(Apply));
		ErrorContextCallback context = {.callback = key_context,.arg = a,.previous = error_context_stack};
		bool		done;

		init_try(a, conn, batches);
		error_context_stack = &context;
		done = try(a);
		error_context_stack = context.previous;
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cxt);
		if (done)
			return;
		wait_a_little(tries);
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not write to server \"%s\": keys are changed by others all the time", conn->server_name),
			 errdetail("Redis has refused the transaction %d times.", TRIES),
			 errhint("Run the transaction again.")));
}
