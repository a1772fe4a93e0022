/*
 * follow.c
 *	  What each row makes of a key, a member or a position, one row after the
 *	  other, and so whether it applies, is passed over, or is an error.
 */
#include "postgres.h"

#include "fdw/redis/apply.h"

/* ---- errors -------------------------------------------------------------------- */

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

/* ---- does the row apply? ------------------------------------------------------- */

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
		redis_put_four(a, "HINCRBY", r->key, field, (RedisBytes) {text, strlen(text)});
	}
}

RedisBytes
redis_next_arg(const RedisBytes *commands, int *at)
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

	if (slot == NULL || slot->tail == NULL)
		return;
	slot->epoch = epoch;
	slot->now = value ? PRESENT : ABSENT;
	if (value)
		slot->tail->now_not_number = !redis_parse_number(value->data, value->len, &slot->tail->now);
}

/* Fields to which another row adds: what this one makes of them. */
static void
follow_fields(Apply *a, const Row *r, uint16 epoch)
{
	for (int at = 0; at < r->commands.len;)
	{
		int			n = redis_next_arg(&r->commands, &at).len;
		RedisBytes	command = redis_next_arg(&r->commands, &at);
		bool		sets = command.len == 4 && memcmp(command.data, "HSET", 4) == 0;
		bool		removes = command.len == 4 && memcmp(command.data, "HDEL", 4) == 0;

		(void) redis_next_arg(&r->commands, &at);
		for (int i = 2; i < n; i++)
		{
			RedisBytes	field = redis_next_arg(&r->commands, &at);
			RedisBytes	value;

			if (removes)
				set_field(a, r->key, field, NULL, epoch);
			if (!sets)
				continue;
			value = redis_next_arg(&r->commands, &at);
			set_field(a, r->key, field, &value, epoch);
			i++;
		}
	}
}

/* The version that was read is the one before this transaction, whatever it has written since. */
static void
check_row_version(Apply *a, const Row *r)
{
	Slot	   *slot = known_slot(a, print_of_member(r->key, r->rt->version_field));
	RedisAdd	next = {.delta = 1,.type = r->rt->version->basetype};

	if (r->head.index == REDIS_NO_VERSION ? slot->initial == ABSENT :
		slot->initial == PRESENT && !slot->tail->not_number && slot->tail->before == r->head.index)
	{
		if (r->w->verb == CH_UPDATE)
			redis_check_add(r->w->table, &next, false, &slot->tail->now);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("row of foreign table %s was changed by others since it was read", r->w->table->name),
			 errdetail("Field \"%s\" of Redis key \"%s\", its version, has another value.", r->rt->version->remote,
					   redis_printable(r->key.data, r->key.len)),
			 errhint("Run the transaction again.")));
}

/* Is the key there, and surely of another type than the table's? */
static bool
is_of_other_type(const Row *r, const Slot *slot)
{
	return slot->now == PRESENT && slot->type != UNKNOWN_TYPE && slot->type != (int) r->rt->type;
}

static bool
key_applies(Apply *a, const Row *r)
{
	Slot	   *slot = known_slot(a, print_of_key(r->key));
	bool		written = (slot->flags & SLOT_WRITTEN) != 0;

	if ((r->w->verb != CH_INSERT && is_of_other_type(r, slot)) || !applies(a, r, slot))
		return false;
	if (r->head.flags & REDIS_ENTRY_VERSION)
	{
		check_row_version(a, r);
		slot = known_slot(a, print_of_key(r->key));
	}
	if (r->w->verb == CH_DELETE)
	{
		slot->epoch++;
		redis_remove_key(a, r->rt, r->key);
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

	if (r->head.index >= 0 && r->head.index < length && r->w->skip_existing)
		return false;
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
	redis_put_four(a, "LSET", r->key, (RedisBytes) {index, strlen(index)}, redis_tombstone(a));
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

/*
 * A key is of the type of the rows that are written to it: one of another type
 * would be refused in the middle of EXEC.
 */
static void
note_type(Apply *a, const Row *r)
{
	Slot	   *slot = slots_lookup(a->slots, print_of_key(r->key));

	if (slot == NULL || (slot->now == ABSENT && r->w->verb != CH_INSERT))
		return;
	if (is_of_other_type(r, slot))
	{
		redis_set_about(a, r->key);
		ch_store_error(a->conn, ERRCODE_FDW_ERROR, "WRONGTYPE", psprintf("It is a %s", redis_type_names[slot->type]),
					   "The key has another type than the table needs.");
	}
	slot->now = PRESENT;
	slot->type = r->rt->type;
}

void
redis_put_row(Apply *a, const Row *r)
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
	note_type(a, r);
	if (r->head.ncommands > 0)
		appendBinaryStringInfo(redis_put(a, r->key, r->head.ncommands), r->commands.data, r->commands.len);
	if (a->counting && !(r->head.flags & REDIS_ENTRY_CONTINUES))
		a->counting->n++;
}

