/*
 * check.c
 *	  Asking what must be known before anything is written: are keys, members and
 *	  positions there that a row must or must not find?
 *
 * A key is watched before it is asked for.  Keys of hashes and strings are asked
 * for many in one command: all of them are expected to be there, or none.  Only
 * if the count is another, each is asked for on its own.
 */
#include "postgres.h"

#include "fdw/redis/apply.h"
#include "miscadmin.h"

#define KEYS_OF_A_COMMAND 200
#define BYTES_OF_A_COMMAND (256 * 1024)
#define CHUNK_BYTES (16 * 1024 * 1024)

/* ---- questions ----------------------------------------------------------------- */

/* XINFO STREAM: names and values in turn; there is none if there is no stream. */
static void
read_stream(Apply *a, const RedisReply *reply, Tail *tail)
{
	if (reply->type == REDIS_REPLY_ERROR)
	{
		if (redis_is_error(reply, "ERR") && strstr(reply->str, "no such key"))
			return;
		redis_refused(a, reply);
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
		slot->tail->not_number = !redis_parse_number(reply->str, (int) reply->len, &slot->tail->before);
}

static int
type_of_name(const char *name)
{
	for (int i = 0; redis_type_names[i]; i++)
		if (strcmp(name, redis_type_names[i]) == 0)
			return i;
	return OTHER_TYPE;
}

/* A key of another type is no row, or an error, as for a scan; but it is there. */
static void
read_type(Apply *a, const RedisReply *reply, const RedisTable *rt, Slot *slot)
{
	slot->initial = strcmp(reply->str, "none") == 0 ? ABSENT : PRESENT;
	if (slot->initial == ABSENT)
		return;
	slot->type_before = type_of_name(reply->str);
	if (slot->type_before == (int) rt->type)
		slot->flags |= SLOT_ASKED;
	else if (rt->wrong_type_error)
		ch_store_error(a->conn, ERRCODE_FDW_ERROR, "WRONGTYPE", psprintf("It is a %s", reply->str),
					   "The key has another type than the table needs.");
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

void
redis_read_question(Apply *a)
{
	Ask		   *ask = &a->asks[a->first_ask];
	RedisReply *reply = redis_next_answer(a);
	Slot	   *slot = slots_lookup(a->slots, ask->print);

	a->first_ask = (a->first_ask + 1) % lengthof(a->asks);
	a->nasks--;
	redis_set_about(a, (RedisBytes) {ask->key.data, ask->key.len});
	redis_expect(a->conn, reply, reply_type(ask->kind, reply));
	if (ask->rt && redis_is_error(reply, "WRONGTYPE"))
		*reply = (RedisReply) {.type = REDIS_REPLY_NIL};	/* ASK_TYPE has seen it */
	if (reply->type == REDIS_REPLY_ERROR && ask->kind != ASK_STREAM)
		redis_refused(a, reply);
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
			slot->tail->before = reply->integer;	/* 0 of nil */
			break;
		case ASK_REMOVED:
			slot->tail->holes += count_not_nil(reply);
			if (slot->tail->before > 0 && slot->tail->holes == slot->tail->before)
				slot->flags |= SLOT_VANISHES;
			break;
		case ASK_NUMBER:
			read_number(slot, reply);
			break;
	}
	resetStringInfo(&a->about);
}

static void
read_all_answers(Apply *a)
{
	redis_flush(a->conn, a->conn->request_timeout);
	while (a->nasks > 0)
		redis_read_question(a);
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
	redis_make_room(a);
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

/* ---- many keys in one command -------------------------------------------------- */

void
redis_append_group(StringInfo out, KeyGroup *group)
{
	redis_begin_command(out, group->n + 1);
	redis_append_arg(out, "EXISTS", 6);
	appendBinaryStringInfo(out, group->args.data, group->args.len);
}

static void
send_group(Apply *a, State expected)
{
	KeyGroup   *group = &a->groups[expected];
	int			n = group->n;

	if (n == 0)
		return;
	redis_append_group(&a->rc->out, group);
	resetStringInfo(&group->args);
	group->n = 0;
	note_question(a, expected == PRESENT ? ASK_ALL_OF : ASK_NONE_OF, (RedisBytes) {"", 0}, (Print) {0, 0}, n);
}

bool
redis_add_to_group(KeyGroup *group, RedisBytes key)
{
	redis_append_arg(&group->args, key.data, key.len);
	return ++group->n == KEYS_OF_A_COMMAND || group->args.len >= BYTES_OF_A_COMMAND;
}

/* ---- what must be known, row by row -------------------------------------------- */

/* The name of a field that is removed. */
static Print
print_of_removed(const Row *r, RedisBytes name)
{
	Print		p = print_of_member(r->key, name);

	p.b ^= UINT64CONST(0x27d4eb2f165667c5);
	return p;
}

/* UPDATEs that only remove fields must leave one: each is counted once. */
static void
ask_removed(Apply *a, const Row *r, Slot *slot)
{
	Print		print = slot->print;
	bool		first = slot->tail == NULL;
	bool		found;
	int			n = 0;

	(void) tail_of(a, slot);
	watch(a, slot, r->key);
	if (first)
		ask(a, ASK_FIELDS, "HLEN", r->key, print);
	resetStringInfo(&a->scratch);
	for (int at = 0; at < r->other.len;)
	{
		int			from = at;
		RedisBytes	name = redis_next_arg(&r->other, &at);

		(void) slot_of(a, print_of_removed(r, name), &found);
		if (found)
			continue;
		appendBinaryStringInfo(&a->scratch, r->other.data + from, at - from);
		n++;
	}
	if (n == 0)
		return;
	begin_question(a, "HMGET", r->key, n);
	appendBinaryStringInfo(&a->rc->out, a->scratch.data, a->scratch.len);
	note_question(a, ASK_REMOVED, r->key, print, n);
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

	if (!found && a->rt)
	{
		watch(a, slot, r->key);
		ask(a, ASK_TYPE, "TYPE", r->key, slot->print);
	}
	else if (!found && (r->w->verb != CH_DELETE || r->rt->version))
	{
		watch(a, slot, r->key);
		slot->flags |= SLOT_ASKED;
		slot->initial = expected;
		if (redis_add_to_group(&a->groups[expected], r->key))
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
	if (slot->epoch == 0 && r->head.index >= 0 && !(slot->flags & SLOT_WATCHED))
	{
		/* what was measured before it was watched may have changed */
		slot->flags &= ~SLOT_MEASURED;
		watch(a, slot, r->key);
	}
	if (!is_measured(slot))
		ask(a, ASK_LENGTH, "LLEN", r->key, slot->print);
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
	a->looked = true;
	/* SET does not mind what a key was */
	a->rt = r->w->direct || (r->rt->type == REDIS_STRING && r->w->verb == CH_UPDATE) ? r->rt : NULL;
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

/* ---- TRUNCATE: the keys of a table --------------------------------------------- */

static void
append_truncated(Truncated *t, RedisBytes key)
{
	StringInfo	chunk = t->chunks ? llast(t->chunks) : NULL;
	int32		len = key.len;

	if (chunk == NULL || chunk->len > CHUNK_BYTES)
	{
		chunk = makeStringInfo();
		t->chunks = lappend(t->chunks, chunk);
	}
	appendBinaryStringInfo(chunk, (char *) &len, sizeof(len));
	appendBinaryStringInfo(chunk, key.data, key.len);
}

static void
note_truncated(Apply *a, Truncated *t, RedisBytes key)
{
	bool		found;
	Slot	   *slot = slot_of(a, print_of_key(key), &found);

	/* a key that SCAN returns twice */
	if (slot->epoch == list_length(a->truncated))
		return;
	slot->epoch = list_length(a->truncated);
	append_truncated(t, key);
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
			redis_refused(a, reply);
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
		reply = redis_ask_now(a);
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

	t->rt = rt;
	a->looked_before = a->looked_before || a->looked;
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

static bool
shows_key(const RedisTable *rt, const Row *r)
{
	int			prefix = rt->prefix.len;

	if (rt->type != r->rt->type)
		return false;
	if (rt->mode != REDIS_BY_PREFIX && (rt->mode == REDIS_BY_KEY || r->rt->mode == REDIS_BY_SET))
		return redis_same_bytes(rt->key, rt->mode == REDIS_BY_KEY ? r->key : r->rt->key);
	return rt->mode == REDIS_BY_PREFIX && r->key.len >= prefix && memcmp(r->key.data, rt->prefix.data, prefix) == 0 &&
		(rt->keycol == NULL || redis_is_canonical(rt->keycol, r->key.data + prefix, r->key.len - prefix));
}

/* What the transaction has inserted before a TRUNCATE goes with it, though SCAN has not seen it. */
static void
truncate_inserted(Apply *a, const Row *r)
{
	MemoryContext old;

	for (int i = a->next_truncated; r->w->verb == CH_INSERT && i < list_length(a->truncated); i++)
	{
		Truncated  *t = list_nth(a->truncated, i);
		bool		found;

		if (!shows_key(t->rt, r))
			continue;
		(void) slot_of(a, print_of_member((RedisBytes) {(const char *) &i, sizeof(i)}, r->key), &found);
		if (found)
			return;
		old = MemoryContextSwitchTo(a->cxt);
		append_truncated(t, r->key);
		MemoryContextSwitchTo(old);
		return;
	}
}

static void
pass_truncate(Apply *a, const ChWrite *w)
{
	a->next_truncated++;
}

/* ---- all of it ----------------------------------------------------------------- */

void
redis_check(Apply *a)
{
	static const Visitor first = {.row = look_at_row,.truncate = look_at_truncate};
	static const Visitor second = {.row = look_again};
	static const Visitor inserted = {.row = truncate_inserted,.truncate = pass_truncate};

	redis_visit(a, &first);
	send_group(a, ABSENT);
	send_group(a, PRESENT);
	if (a->nasks > 0)
		read_all_answers(a);
	if (a->mismatch)
	{
		redis_visit(a, &second);
		read_all_answers(a);
	}
	if (a->looked_before)
		redis_visit(a, &inserted);
}
