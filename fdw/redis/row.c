/*
 * row.c
 *	  The columns of a row from the reply that has it.
 */
#include "postgres.h"

#include "fdw/redis/scan.h"

static bool
is_field(const RedisReply *pairs, size_t at, const char *name, size_t len)
{
	const RedisReply *field = pairs->items[2 * at];

	return field->len == len && memcmp(field->str, name, len) == 0;
}

/*
 * The value of a field of a hash among fields and values that alternate.
 * Hashes mostly have the same fields in the same order, so the place is tried
 * first where a field of this number would be.
 */
static const RedisReply *
find_field(const RedisReply *pairs, const char *name, size_t len, int hint)
{
	size_t		n = pairs->n / 2;

	for (size_t i = 0; i < n; i++)
	{
		size_t		at = (i + hint) % n;

		if (is_field(pairs, at, name, len))
			return pairs->items[2 * at + 1];
	}
	return NULL;
}

/*
 * The same of a stream entry, which may have a field twice: the last one
 * counts, as in the jsonb of all fields.
 */
static const RedisReply *
find_last_field(const RedisReply *pairs, const char *name, size_t len)
{
	for (size_t i = pairs->n / 2; i > 0; i--)
		if (is_field(pairs, i - 1, name, len))
			return pairs->items[2 * i - 1];
	return NULL;
}

static void
whole_value(const RedisReply *pairs, ChValue *v)
{
	int			n = (int) (pairs->n / 2);
	ChMember   *members = palloc(Max(n, 1) * sizeof(ChMember));

	for (int i = 0; i < n; i++)
	{
		members[i].key = pairs->items[2 * i]->str;
		members[i].keylen = (int) pairs->items[2 * i]->len;
		members[i].value = ch_string(pairs->items[2 * i + 1]->str, (int) pairs->items[2 * i + 1]->len);
	}
	v->kind = CH_MAP;
	v->u.map.n = n;
	v->u.map.members = members;
}

static void
text_value(const RedisReply *reply, ChValue *v)
{
	if (reply && reply->type == REDIS_REPLY_STRING)
		*v = redis_untyped(reply->str, reply->len);
}

static void
score_value(const RedisReply *reply, ChValue *v)
{
	v->kind = CH_FLOAT;
	v->remote_type = "score";
	v->u.f = strtod(reply->str, NULL);
}

/* Fields and values of the hash or the stream entry, if all were fetched. */
static const RedisReply *
all_fields(const RedisScan *s)
{
	if (s->rt->type == REDIS_STREAM)
		return s->entry[0]->items[1];
	return s->wants_all ? s->main : NULL;
}

static void
field_value(const RedisScan *s, int i, ChValue *v)
{
	const RedisReply *pairs = all_fields(s);
	int			slot = s->slot[i];

	if (s->rt->type == REDIS_STREAM)
		text_value(find_last_field(pairs, s->argv[slot + 2], s->lens[slot + 2]), v);
	else if (pairs)
		text_value(find_field(pairs, s->argv[slot + 2], s->lens[slot + 2], slot), v);
	else
		text_value(s->main->items[slot], v);
}

static void
column_value(const RedisScan *s, int i, ChValue *v)
{
	const ChColumn *col = s->scan->columns[i];
	RedisBytes	key = s->task->key;
	int			prefix = s->rt->prefix.len;

	switch ((RedisKind) col->kind)
	{
		case REDIS_KEY:
			*v = redis_untyped(key.data + prefix, key.len - prefix);
			break;
		case REDIS_TTL:
			redis_ttl_value(col, s->task->ttl, v);
			break;
		case REDIS_FIELD:
			field_value(s, i, v);
			break;
		case REDIS_VALUE:
			if (s->rt->type == REDIS_HASH || s->rt->type == REDIS_STREAM)
				whole_value(all_fields(s), v);
			else
				text_value(s->rt->type == REDIS_STRING ? s->main : s->entry[0], v);
			break;
		case REDIS_MEMBER:
			text_value(s->entry[0], v);
			break;
		case REDIS_SCORE:
			score_value(s->entry[1], v);
			break;
		case REDIS_INDEX:
			v->kind = CH_INT;
			v->u.i = s->index;
			break;
		case REDIS_ID:
			redis_id_value(col, s->entry[0]->items[0]->str, (int) s->entry[0]->items[0]->len, v);
			break;
	}
}

void
redis_fill_row(RedisScan *s, Datum *values, bool *nulls)
{
	for (int i = 0; i < s->scan->ncolumns; i++)
	{
		ChValue		v = {.kind = CH_NULL};

		column_value(s, i, &v);
		ch_set_column(s->scan, i, &v, values, nulls);
	}
}
