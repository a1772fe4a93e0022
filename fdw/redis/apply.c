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
 * through them in order, in a Slot of 32 bytes a key (follow.c).  Besides these,
 * memory is that of a batch: replies are read while commands are written.
 *
 * Redis compares each key that it is to watch with all that the client watches
 * already, so only the first WATCH_MAX keys of a transaction are watched.  Of
 * further hashes and strings EXISTS asks again as the first thing within MULTI:
 * if it answers otherwise than before, an error says so, though the rows are
 * written then.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "fdw/redis/apply.h"
#include "miscadmin.h"

#define SEND_BYTES (64 * 1024)
#define TRIES 30

/* ---- going through the rows ---------------------------------------------------- */

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

void
redis_visit(Apply *a, const Visitor *visitor)
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

/* ---- errors -------------------------------------------------------------------- */

void
redis_set_about(Apply *a, RedisBytes key)
{
	resetStringInfo(&a->about);
	appendBinaryStringInfo(&a->about, key.data, key.len);
}

static void
key_context(void *arg)
{
	const Apply *a = arg;

	if (a->about.len > 0)
		errcontext("Redis key \"%s\"", redis_printable(a->about.data, a->about.len));
}

void
redis_refused(Apply *a, const RedisReply *reply)
{
	if (redis_is_error(reply, "WRONGTYPE"))
		ch_store_error(a->conn, ERRCODE_FDW_ERROR, "WRONGTYPE", reply->str + strlen("WRONGTYPE "),
					   "The key has another type than the table needs.");
	redis_raise(a->conn, reply);
}

/* ---- MULTI: putting commands --------------------------------------------------- */

RedisReply *
redis_next_answer(Apply *a)
{
	if (++a->nreplies > WINDOW)
	{
		MemoryContextReset(a->reply_cxt);
		a->nreplies = 0;
	}
	return redis_read(a->conn, a->reply_cxt, a->conn->request_timeout);
}

RedisReply *
redis_ask_now(Apply *a)
{
	RedisReply *reply;

	redis_flush(a->conn, a->conn->request_timeout);
	reply = redis_next_answer(a);
	if (reply->type == REDIS_REPLY_ERROR)
		redis_refused(a, reply);
	return reply;
}

static void
read_queued(Apply *a)
{
	RedisReply *reply = redis_next_answer(a);
	int64		at = a->answered++ - 1;	/* the first is MULTI's own */

	if (at < 0 && reply->type == REDIS_REPLY_ERROR)
	{
		a->conn->unsure = true; /* what follows it is done at once */
		redis_refused(a, reply);
	}
	redis_expect(a->conn, reply, REDIS_REPLY_STATUS);
	if (reply->type != REDIS_REPLY_ERROR || a->refused)
		return;
	a->refused = MemoryContextAllocZero(a->cxt, sizeof(RedisReply));
	a->refused->type = REDIS_REPLY_ERROR;
	a->refused->str = MemoryContextStrdup(a->cxt, reply->str);
	a->refused_at = at;
}

void
redis_make_room(Apply *a)
{
	bool		full = a->rc->unread >= WINDOW;

	if (full || a->rc->out.len > SEND_BYTES)
		redis_flush(a->conn, a->conn->request_timeout);
	while (full && a->rc->unread > WINDOW / 2)
		if (a->begun)
			read_queued(a);
		else
			redis_read_question(a);
}

/*
 * Where MULTI is refused (by an ACL, a proxy) what follows it is done at once.  So
 * a connection's first one is answered before anything follows.
 */
static void
begin_multi(Apply *a)
{
	redis_command_text(a->rc, 1, "MULTI");
	a->begun = true;
	if (a->rc->transactions)
		return;
	redis_expect(a->conn, redis_ask_now(a), REDIS_REPLY_STATUS);
	a->rc->transactions = true;
	a->answered = 1;
}

pg_noreturn static void raise_at(Apply *a, int64 position, const RedisReply *reply);

StringInfo
redis_put(Apply *a, RedisBytes key, int n)
{
	if (a->refused && a->finding < 0)
		raise_at(a, a->refused_at, a->refused);
	if (a->finding >= 0)
	{
		if (a->finding >= a->position && a->finding < a->position + n)
			redis_set_about(a, key);
		a->position += n;
		resetStringInfo(&a->scratch);
		return &a->scratch;
	}
	if (!a->begun)
		begin_multi(a);
	else
		redis_make_room(a);
	a->rc->unread += n;
	a->position += n;
	return &a->rc->out;
}

static void
put_command(Apply *a, RedisBytes key, const char *command, RedisBytes arg)
{
	StringInfo	out = redis_put(a, key, 1);

	redis_begin_command(out, arg.data ? 3 : 2);
	redis_append_arg(out, command, strlen(command));
	redis_append_arg(out, key.data, key.len);
	if (arg.data)
		redis_append_arg(out, arg.data, arg.len);
}

void
redis_put_four(Apply *a, const char *command, RedisBytes key, RedisBytes arg, RedisBytes other)
{
	StringInfo	out = redis_put(a, key, 1);

	redis_begin_command(out, 4);
	redis_append_arg(out, command, strlen(command));
	redis_append_arg(out, key.data, key.len);
	redis_append_arg(out, arg.data, arg.len);
	redis_append_arg(out, other.data, other.len);
}

void
redis_remove_key(Apply *a, const RedisTable *rt, RedisBytes key)
{
	put_command(a, key, "UNLINK", (RedisBytes) {NULL, 0});
	if (rt->mode == REDIS_BY_SET)
		put_command(a, rt->key, "SREM", key);
}

RedisBytes
redis_tombstone(Apply *a)
{
	if (a->tombstone[0] == '\0')
		snprintf(a->tombstone, sizeof(a->tombstone), "cipherhorizon:deleted:" UINT64_FORMAT "-" UINT64_FORMAT,
				 pg_prng_uint64(&pg_global_prng_state), pg_prng_uint64(&pg_global_prng_state));
	return (RedisBytes) {a->tombstone, strlen(a->tombstone)};
}

/* ---- MULTI: TRUNCATE, and what comes first and last ---------------------------- */

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
			redis_remove_key(a, redis_table(w->table), key);
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
	KeyGroup   *group = &a->groups[expected];

	if (group->n == 0)
		return;
	redis_append_group(redis_put(a, (RedisBytes) {"", 0}, 1), group);
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
	if (redis_add_to_group(&a->groups[slot->initial], r->key))
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
		slot->type = slot->type_before;
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
	static const Visitor rows = {.row = redis_put_row,.truncate = put_truncate};
	ListCell   *lc;

	reset_slots(a);
	for (int i = 0; i < lengthof(a->groups); i++)
	{
		resetStringInfo(&a->groups[i].args);
		a->groups[i].n = 0;
	}
	a->position = 0;
	a->holed = NIL;
	if (a->verify)
	{
		redis_visit(a, &verification);
		put_group(a, ABSENT);
		put_group(a, PRESENT);
	}
	a->putting = a->finding < 0;
	redis_visit(a, &rows);
	a->putting = false;
	foreach(lc, a->holed)
		redis_put_four(a, "LREM", *(RedisBytes *) lfirst(lc), (RedisBytes) {"0", 1}, redis_tombstone(a));
}

/* ---- EXEC ---------------------------------------------------------------------- */

/* The error that a command was answered with, and its key. */
pg_noreturn static void
raise_at(Apply *a, int64 position, const RedisReply *reply)
{
	a->finding = position;
	put_all(a);
	redis_refused(a, reply);
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
		redis_refused(a, reply);
	check_results(a, reply);
	return true;
}

/* ---- a try, and the next one --------------------------------------------------- */

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
try_once(Apply *a)
{
	ListCell   *lc;

	redis_check(a);
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
		(void) redis_ask_now(a);
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
		done = try_once(a);
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
