/*
 * modify.c
 *	  What may be written to a table, and rows as the commands that write them.
 *
 * A row becomes an entry (RedisEntry): its key, and commands as they are sent
 * between MULTI and EXEC.  What must be asked before, whether the key exists
 * say, apply.c sees from the table's type, the verb and the entry.  The exceptions are
 * rows that go: of a hash, a string or a list, whose commands are apply.c's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "nodes/value.h"

#define NKINDS (REDIS_TTL + 1)
#define RECORD_BYTES (1024 * 1024)	/* of a direct write: many keys make more than one */
#define WORD(s) ((RedisBytes) {s, sizeof(s) - 1})

/* ChWrite.priv */
typedef struct RedisWrite
{
	int			at[NKINDS];		/* column of a kind in w->columns, -1: none; */
	int			old[NKINDS];	/* in w->identity */
	int			id_time;		/* the column of kind id that shows a time only */
	RedisBytes *names;			/* of fields, by column */
} RedisWrite;

typedef struct Encoder
{
	const ChWrite *w;
	const RedisWrite *rw;
	const RedisTable *rt;
	const ChValue *identity;
	const ChValue *values;
	StringInfo	out;
	RedisEntry	entry;
	size_t		start;			/* of the entry in out */
	RedisBytes	key;
	int			version;		/* number of the column, 0: none */
	const bool *computed;		/* direct: columns to which adds are made, by w->columns */
	RedisBytes	adds;
} Encoder;

/* ---- what may be written ---------------------------------------------------- */

static bool
is_text_id(const ChColumn *col)
{
	return col->kind == REDIS_ID && ch_is_text(col->basetype);
}

static ChColumn *
column_of(const ChTable *table, RedisKind kind)
{
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i] && table->columns[i]->kind == (int) kind &&
			(kind != REDIS_ID || is_text_id(table->columns[i])))
			return table->columns[i];
	return NULL;
}

static bool
no_write(const char **reason, const char **hint, const char *why, const char *what_to_do)
{
	*reason = why;
	*hint = what_to_do;
	return false;
}

/* Can rows of the type be made of these columns? */
static bool
can_insert(const ChTable *table, const char **reason, const char **hint)
{
	const RedisTable *rt = redis_table(table);
	const char *add = "Add the column to the foreign table.";

	if (rt->keycol == NULL && rt->mode != REDIS_BY_KEY)
		return no_write(reason, hint, "The table has no column of kind 'key'.", add);
	if ((rt->type == REDIS_STRING || rt->type == REDIS_LIST) && column_of(table, REDIS_VALUE) == NULL)
		return no_write(reason, hint, "The table has no column of kind 'value'.", add);
	if ((rt->type == REDIS_SET || rt->type == REDIS_ZSET) && column_of(table, REDIS_MEMBER) == NULL)
		return no_write(reason, hint, "The table has no column of kind 'member'.", add);
	if (rt->type == REDIS_ZSET && column_of(table, REDIS_SCORE) == NULL)
		return no_write(reason, hint, "The table has no column of kind 'score'.", add);
	return true;
}

/* Can a row that was read be found again? */
static bool
can_find(const ChTable *table, const char **reason, const char **hint)
{
	const RedisTable *rt = redis_table(table);
	const ChColumn *member = column_of(table, REDIS_MEMBER);

	if (rt->keycol == NULL && rt->mode != REDIS_BY_KEY)
		return no_write(reason, hint, "The table has no column of kind 'key', by which a row is found again.",
						"Add the column to the foreign table.");
	if (rt->keycol && !redis_finds_by_bytes(rt->keycol))
		return no_write(reason, hint, "A key of this type has several spellings, and the row does not tell which it was.",
						"Make the key column's type text.");
	if (rt->type == REDIS_LIST && column_of(table, REDIS_INDEX) == NULL)
		return no_write(reason, hint, "The table has no column of kind 'index', by which a row is found again.",
						"Add the column to the foreign table.");
	if (rt->type == REDIS_STREAM && column_of(table, REDIS_ID) == NULL)
		return no_write(reason, hint, "The table has no column of kind 'id' and type text, by which an entry is found again.",
						"Add the column to the foreign table; it may have another one for the time.");
	if (rt->type != REDIS_SET && rt->type != REDIS_ZSET)
		return true;
	if (member == NULL)
		return no_write(reason, hint, "The table has no column of kind 'member', by which a row is found again.",
						"Add the column to the foreign table.");
	if (!redis_finds_by_bytes(member))
		return no_write(reason, hint, "A member of this type has several spellings, and the row does not tell which it was.",
						"Make the member column's type text.");
	return true;
}

bool
redis_can_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint)
{
	switch (verb)
	{
		case CH_INSERT:
			return can_insert(table, reason, hint);
		case CH_UPDATE:
			if (redis_table(table)->type == REDIS_STREAM)
				return no_write(reason, hint, "An entry of a stream never changes.", "DELETE it and INSERT another.");
			return can_find(table, reason, hint);
		case CH_DELETE:
			return can_find(table, reason, hint);
		default:
			return true;
	}
}

List *
redis_row_identity(const ChTable *table)
{
	static const RedisKind kinds[] = {REDIS_INDEX, REDIS_MEMBER, REDIS_SCORE, REDIS_ID};
	const RedisTable *rt = redis_table(table);
	List	   *attnos = rt->keycol ? list_make1_int(rt->keycol->attno) : NIL;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		const ChColumn *col = column_of(table, kinds[i]);

		if (col)
			attnos = lappend_int(attnos, col->attno);
	}
	if (rt->version)
		attnos = lappend_int(attnos, rt->version->attno);
	return attnos;
}

/* ---- the columns of a write ---------------------------------------------------- */

pg_noreturn static void
written_twice(const ChTable *table, const ChColumn *a, const ChColumn *b)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
			 errmsg("cannot write both column \"%s\" and column \"%s\" of foreign table %s", a->name, b->name, table->name),
			 errdetail("They are the same in Redis."),
			 errhint("Write to a foreign table that has one of them.")));
}

static bool
same_in_redis(const ChColumn *a, const ChColumn *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == REDIS_FIELD)
		return strcmp(a->remote, b->remote) == 0;
	return a->kind != REDIS_ID || is_text_id(a) == is_text_id(b);
}

void
redis_begin_write(ChWrite *w)
{
	RedisWrite *rw = palloc0(sizeof(RedisWrite));

	w->priv = rw;
	rw->names = palloc0(Max(w->ncolumns, 1) * sizeof(RedisBytes));
	rw->id_time = -1;
	for (int k = 0; k < NKINDS; k++)
		rw->at[k] = rw->old[k] = -1;
	for (int i = 0; i < w->nidentity; i++)
		rw->old[w->identity[i]->kind] = i;
	if (w->skip_existing && redis_table(w->table)->type == REDIS_STREAM)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT DO NOTHING is not supported for foreign table %s", w->table->name),
				 errdetail("An entry is added to the end of a stream, or refused.")));
	for (int i = 0; i < w->ncolumns; i++)
	{
		const ChColumn *col = w->columns[i];

		for (int j = 0; j < i; j++)
			if (same_in_redis(w->columns[j], col))
				written_twice(w->table, w->columns[j], col);
		if (col->kind == REDIS_ID && !is_text_id(col))
			rw->id_time = i;
		else
			rw->at[col->kind] = i;
		if (col->kind == REDIS_FIELD)
		{
			rw->names[i].data = pg_server_to_any(col->remote, strlen(col->remote), PG_UTF8);
			rw->names[i].len = strlen(rw->names[i].data);
		}
	}
}

/* ---- entries ------------------------------------------------------------------------ */

/* What is written to a column of this kind; NULL if nothing, or NULL. */
static const ChValue *
new_value(const Encoder *e, RedisKind kind)
{
	int			at = e->rw->at[kind];

	return at >= 0 && e->values[at].kind != CH_NULL ? &e->values[at] : NULL;
}

static ChColumn *
new_column(const Encoder *e, RedisKind kind)
{
	return e->w->columns[e->rw->at[kind]];
}

/* The same, where a row without it cannot be. */
static RedisBytes
sure_text(const Encoder *e, RedisKind kind, const char *detail)
{
	const ChValue *v = new_value(e, kind);

	if (v == NULL)
		ch_refuse_value(new_column(e, kind), ERRCODE_NOT_NULL_VIOLATION, detail, NULL);
	return redis_text_of(new_column(e, kind), v);
}

static const ChValue *
old_value(const Encoder *e, RedisKind kind)
{
	int			at = e->rw->old[kind];

	if (e->identity[at].kind == CH_NULL)
		ch_refuse_value(e->w->identity[at], ERRCODE_FDW_INVALID_DATA_TYPE,
						"The row shows NULL where it would have to be found again.", NULL);
	return &e->identity[at];
}

static RedisBytes
old_text(const Encoder *e, RedisKind kind)
{
	return redis_text_of(e->w->identity[e->rw->old[kind]], old_value(e, kind));
}

static RedisBytes
whole_key(const Encoder *e, RedisBytes text)
{
	RedisBytes	prefix = e->rt->prefix;
	char	   *data;

	if (prefix.len == 0)
		return text;
	data = palloc(prefix.len + text.len);
	memcpy(data, prefix.data, prefix.len);
	memcpy(data + prefix.len, text.data, text.len);
	return (RedisBytes) {data, prefix.len + text.len};
}

static RedisBytes
key_of(const Encoder *e)
{
	const ChValue *v = new_value(e, REDIS_KEY);
	RedisBytes	key = e->rt->key;

	if (e->w->verb != CH_INSERT)
	{
		if (e->rt->mode != REDIS_BY_KEY)
			key = whole_key(e, old_text(e, REDIS_KEY));
		if (v && !redis_same_bytes(key, whole_key(e, redis_text_of(new_column(e, REDIS_KEY), v))))
			ch_refuse_value(new_column(e, REDIS_KEY), ERRCODE_FEATURE_NOT_SUPPORTED, "A row keeps its key.",
							"DELETE the row and INSERT another.");
		return key;
	}
	if (e->rt->mode == REDIS_BY_KEY)
	{
		if (v && !redis_same_bytes(key, redis_text_of(new_column(e, REDIS_KEY), v)))
			ch_refuse_value(new_column(e, REDIS_KEY), ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("The table is the one key \"%s\".", redis_printable(key.data, key.len)), NULL);
		return key;
	}
	return whole_key(e, sure_text(e, REDIS_KEY, "A row has a key."));
}

static void
append_part(StringInfo out, RedisBytes part, uint32 *len)
{
	appendBinaryStringInfo(out, part.data, part.len);
	*len = part.len;
}

/* Commands follow. */
static void
begin_entry(Encoder *e, RedisBytes member, RedisBytes other)
{
	e->start = e->out->len;
	appendBinaryStringInfo(e->out, (char *) &e->entry, sizeof(e->entry));
	append_part(e->out, e->key, &e->entry.keylen);
	append_part(e->out, member, &e->entry.memberlen);
	append_part(e->out, other, &e->entry.otherlen);
}

static void
end_entry(Encoder *e)
{
	e->entry.size = e->out->len - e->start;
	memcpy(e->out->data + e->start, &e->entry, sizeof(e->entry));
}

/* A command on the entry's key, of which args are the further arguments. */
static void
put(Encoder *e, RedisBytes command, int n, const RedisBytes *args)
{
	redis_begin_command(e->out, n + 2);
	redis_append_arg(e->out, command.data, command.len);
	redis_append_arg(e->out, e->key.data, e->key.len);
	for (int i = 0; i < n; i++)
		redis_append_arg(e->out, args[i].data, args[i].len);
	e->entry.ncommands++;
}

static RedisBytes
ttl_text(const Encoder *e)
{
	char	   *text = psprintf(INT64_FORMAT, redis_ttl_of(new_column(e, REDIS_TTL), new_value(e, REDIS_TTL)));

	return (RedisBytes) {text, strlen(text)};
}

/* The time to live, if the column is written: of a new key NULL is what it has. */
static void
put_ttl(Encoder *e)
{
	RedisBytes	ms;

	if (new_value(e, REDIS_TTL))
	{
		ms = ttl_text(e);
		put(e, WORD("PEXPIRE"), 1, &ms);
	}
	else if (e->w->verb == CH_UPDATE && e->rw->at[REDIS_TTL] >= 0)
		put(e, WORD("PERSIST"), 0, NULL);
}

/* A new key of a table that is a set's members is one of them. */
static void
put_membership(Encoder *e)
{
	if (e->rt->mode != REDIS_BY_SET)
		return;
	redis_begin_command(e->out, 3);
	redis_append_arg(e->out, "SADD", 4);
	redis_append_arg(e->out, e->rt->key.data, e->rt->key.len);
	redis_append_arg(e->out, e->key.data, e->key.len);
	e->entry.ncommands++;
}

static const RedisBytes nothing = {"", 0};

/* ---- fields --------------------------------------------------------------------------- */

/* Is the field written by a command of its own? */
static bool
is_computed(const Encoder *e, int i)
{
	return (e->computed && e->computed[i]) || (e->w->verb == CH_UPDATE && e->w->columns[i]->attno == e->version);
}

/* Fields and values of the row: fields that are not NULL, and those of the object of all. */
static int
collect_fields(const Encoder *e, RedisBytes **args)
{
	const ChValue *all = new_value(e, REDIS_VALUE);
	int			n = 0;
	RedisBytes *fields = NULL;

	if (all)
		fields = redis_fields_of(new_column(e, REDIS_VALUE), all, &n);
	*args = palloc((2 * e->w->ncolumns + n + 1) * sizeof(RedisBytes));
	if (n > 0)
		memcpy(*args, fields, n * sizeof(RedisBytes));
	for (int i = 0; i < e->w->ncolumns; i++)
	{
		if (e->w->columns[i]->kind != REDIS_FIELD || e->values[i].kind == CH_NULL || is_computed(e, i))
			continue;
		if (all)
			ch_refuse_value(e->w->columns[i], ERRCODE_FEATURE_NOT_SUPPORTED,
							psprintf("Column \"%s\" has all fields of the row already.", new_column(e, REDIS_VALUE)->name),
							"Write the one or the other.");
		(*args)[n++] = e->rw->names[i];
		(*args)[n++] = redis_text_of(e->w->columns[i], &e->values[i]);
	}
	return n;
}

pg_noreturn static void
refuse_empty(const Encoder *e, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("row of foreign table %s cannot be stored in Redis", e->w->table->name),
			 errdetail("%s \"%s\" would have no field: all of them are NULL.", what, redis_printable(e->key.data, e->key.len)),
			 errhint("Write a value to one of the fields.")));
}

static void
insert_hash(Encoder *e)
{
	RedisBytes *args;
	int			n = collect_fields(e, &args);

	if (n == 0)
		refuse_empty(e, "Hash");
	begin_entry(e, nothing, nothing);
	put(e, WORD("HSET"), n, args);
	put_ttl(e);
	put_membership(e);
}

/* Names of fields that become NULL. */
static int
collect_removed(const Encoder *e, RedisBytes **args)
{
	int			n = 0;

	*args = palloc((e->w->ncolumns + 1) * sizeof(RedisBytes));
	for (int i = 0; i < e->w->ncolumns; i++)
		if (e->w->columns[i]->kind == REDIS_FIELD && e->values[i].kind == CH_NULL && !is_computed(e, i))
			(*args)[n++] = e->rw->names[i];
	return n;
}

/* The version must be this one, and an UPDATE counts it on. */
static void
set_version(Encoder *e)
{
	const ChValue *v;

	if (e->rt->version == NULL)
		return;
	v = &e->identity[e->rw->old[REDIS_FIELD]];
	e->version = e->rt->version->attno;
	e->entry.flags |= REDIS_ENTRY_VERSION;
	e->entry.index = v->kind == CH_NULL ? REDIS_NO_VERSION : v->u.i;
	for (int i = 0; e->w->verb == CH_UPDATE && i < e->w->ncolumns; i++)
		if (e->w->columns[i]->attno == e->version &&
			(e->values[i].kind != v->kind || (v->kind != CH_NULL && e->values[i].u.i != v->u.i)))
			ch_refuse_value(e->w->columns[i], ERRCODE_FEATURE_NOT_SUPPORTED, "It is the row's version, which counts its changes.", NULL);
}

static void
update_hash(Encoder *e)
{
	RedisBytes *set;
	RedisBytes *removed;
	StringInfoData other;
	RedisBytes	next[2];
	int			nset;
	int			nremoved;

	if (e->rw->at[REDIS_VALUE] >= 0)
		ch_refuse_value(new_column(e, REDIS_VALUE), ERRCODE_FEATURE_NOT_SUPPORTED,
						"All fields at once are written by INSERT only.", "UPDATE columns of single fields.");
	set_version(e);
	nset = collect_fields(e, &set);
	nremoved = collect_removed(e, &removed);
	initStringInfo(&other);
	if (e->adds.len > 0)
	{
		e->entry.flags |= REDIS_ENTRY_ADDS;
		appendBinaryStringInfo(&other, e->adds.data, e->adds.len);
	}
	else if (nset == 0 && nremoved > 0 && e->rt->version == NULL)
	{
		e->entry.flags |= REDIS_ENTRY_ONLY_REMOVES;
		for (int i = 0; i < nremoved; i++)
			redis_append_arg(&other, removed[i].data, removed[i].len);
		e->entry.index = nremoved;
	}
	begin_entry(e, nothing, (RedisBytes) {other.data, other.len});
	if (nset > 0)
		put(e, WORD("HSET"), nset, set);
	if (nremoved > 0)
		put(e, WORD("HDEL"), nremoved, removed);
	if (e->rt->version)
	{
		next[0] = e->rt->version_field;
		next[1] = WORD("1");
		put(e, WORD("HINCRBY"), 2, next);
	}
	if (e->adds.len == 0)
		put_ttl(e);
}

/* ---- strings ---------------------------------------------------------------------------- */

static void
write_string(Encoder *e)
{
	bool		insert = e->w->verb == CH_INSERT;
	bool		expires = new_value(e, REDIS_TTL) != NULL;
	RedisBytes	args[4];
	int			n = 0;

	if (e->rw->at[REDIS_VALUE] < 0)
	{
		begin_entry(e, nothing, nothing);
		put_ttl(e);
		return;
	}
	args[n++] = sure_text(e, REDIS_VALUE, "A key has a value.");
	if (expires)
	{
		args[n++] = WORD("PX");
		args[n++] = ttl_text(e);
	}
	else if (!insert && e->rw->at[REDIS_TTL] < 0)
	{
		args[n++] = WORD("KEEPTTL");
		e->entry.flags |= REDIS_ENTRY_KEEPTTL;
	}
	begin_entry(e, nothing, nothing);
	put(e, WORD("SET"), n, args);
	if (insert)
		put_membership(e);
}

/* ---- lists --------------------------------------------------------------------------------- */

static void
insert_list(Encoder *e)
{
	const ChValue *index = new_value(e, REDIS_INDEX);
	RedisBytes	value = sure_text(e, REDIS_VALUE, "An element of a list has a value.");

	if (index)
	{
		if (index->u.i < 0)
			ch_refuse_value(new_column(e, REDIS_INDEX), ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "An index is not negative.", NULL);
		e->entry.index = index->u.i;
	}
	begin_entry(e, nothing, nothing);
	put(e, WORD("RPUSH"), 1, &value);
	put_ttl(e);
	put_membership(e);
}

static void
update_list(Encoder *e)
{
	const ChValue *index = new_value(e, REDIS_INDEX);
	RedisBytes	args[2];

	e->entry.index = old_value(e, REDIS_INDEX)->u.i;
	if (e->rw->at[REDIS_INDEX] >= 0 && (index == NULL || index->u.i != e->entry.index))
		ch_refuse_value(new_column(e, REDIS_INDEX), ERRCODE_FEATURE_NOT_SUPPORTED, "An element of a list keeps its index.", NULL);
	begin_entry(e, nothing, nothing);
	if (e->rw->at[REDIS_VALUE] >= 0)
	{
		args[0] = old_text(e, REDIS_INDEX);
		args[1] = sure_text(e, REDIS_VALUE, "An element of a list has a value.");
		put(e, WORD("LSET"), 2, args);
	}
	put_ttl(e);
}

/* ---- sets and sorted sets ---------------------------------------------------------------------- */

static RedisBytes
new_member(const Encoder *e)
{
	return sure_text(e, REDIS_MEMBER, "A row of a set has a member.");
}

static void
put_member(Encoder *e, RedisBytes member, double score)
{
	RedisBytes	args[2];

	if (e->rt->type == REDIS_SET)
	{
		put(e, WORD("SADD"), 1, &member);
		return;
	}
	args[0] = redis_score_text(score);
	args[1] = member;
	put(e, WORD("ZADD"), 2, args);
}

static double
new_score(const Encoder *e)
{
	static const ChValue null = {.kind = CH_NULL};
	const ChValue *v = new_value(e, REDIS_SCORE);

	return e->rt->type == REDIS_SET ? 0 : redis_score_of(new_column(e, REDIS_SCORE), v ? v : &null);
}

static void
insert_member(Encoder *e)
{
	RedisBytes	member = new_member(e);
	double		score = new_score(e);

	begin_entry(e, member, nothing);
	put_member(e, member, score);
	put_ttl(e);
	put_membership(e);
}

static double
old_score(const Encoder *e)
{
	if (e->rt->type == REDIS_SET)
		return 0;
	if (e->rw->old[REDIS_SCORE] < 0)
		ch_refuse_value(new_column(e, REDIS_MEMBER), ERRCODE_FEATURE_NOT_SUPPORTED,
						"The table has no column of kind 'score', which the member would keep.", NULL);
	return redis_score_of(e->w->identity[e->rw->old[REDIS_SCORE]], old_value(e, REDIS_SCORE));
}

static void
update_member(Encoder *e)
{
	bool		scored = e->rw->at[REDIS_SCORE] >= 0;
	RedisBytes	member = old_text(e, REDIS_MEMBER);
	RedisBytes	other = e->rw->at[REDIS_MEMBER] >= 0 ? new_member(e) : member;
	bool		moves = !redis_same_bytes(member, other);
	double		score = scored ? new_score(e) : moves ? old_score(e) : 0;

	if (moves)
		e->entry.flags |= REDIS_ENTRY_MOVES;
	begin_entry(e, member, moves ? other : nothing);
	/* first the new one: a key without a member is gone, and its time to live */
	if (moves || scored)
		put_member(e, other, score);
	if (moves)
		put(e, e->rt->type == REDIS_SET ? WORD("SREM") : WORD("ZREM"), 1, &member);
	put_ttl(e);
}

/* ---- streams ----------------------------------------------------------------------------------------- */

static RedisBytes
id_of(Encoder *e)
{
	const ChValue *v = new_value(e, REDIS_ID);
	const ChValue *time = e->rw->id_time >= 0 && e->values[e->rw->id_time].kind != CH_NULL ? &e->values[e->rw->id_time] : NULL;
	RedisBytes	id = WORD("*");
	RedisBytes	part = {"", 0};
	RedisPoint	point;

	if (time)
		part = redis_id_of(e->w->columns[e->rw->id_time], time);
	if (v)
	{
		id = redis_text_of(new_column(e, REDIS_ID), v);
		if (!redis_parse_id(id.data, id.len, &point) || (point.hi == 0 && point.lo == 0))
			ch_refuse_value(new_column(e, REDIS_ID), ERRCODE_INVALID_PARAMETER_VALUE,
							"An id is two numbers without a sign, milliseconds and a count, as in 1700000000000-0; 0-0 is none.", NULL);
		if (time && (id.len < part.len - 1 || memcmp(id.data, part.data, part.len - 1) != 0))
			ch_refuse_value(e->w->columns[e->rw->id_time], ERRCODE_INVALID_PARAMETER_VALUE,
							psprintf("It is not the time of id %.*s.", id.len, id.data), "Write one of the two columns.");
	}
	else if (time)
	{
		e->entry.flags |= REDIS_ENTRY_PARTIAL_ID;
		id = part;
	}
	return id;
}

static void
insert_stream(Encoder *e)
{
	RedisBytes	id = id_of(e);
	RedisBytes *args;
	RedisBytes *with_id;
	int			n = collect_fields(e, &args);

	if (n == 0)
		refuse_empty(e, "An entry of stream");
	with_id = palloc((n + 1) * sizeof(RedisBytes));
	with_id[0] = id;
	memcpy(with_id + 1, args, n * sizeof(RedisBytes));
	begin_entry(e, id, nothing);
	put(e, WORD("XADD"), n + 1, with_id);
	put_ttl(e);
	put_membership(e);
}

/* ---- rows -------------------------------------------------------------------------------------------------- */

static void
delete_row(Encoder *e)
{
	RedisBytes	member;

	switch (e->rt->type)
	{
		case REDIS_HASH:
		case REDIS_STRING:
			set_version(e);
			begin_entry(e, nothing, nothing);
			break;
		case REDIS_LIST:
			e->entry.index = old_value(e, REDIS_INDEX)->u.i;
			begin_entry(e, nothing, nothing);
			break;
		case REDIS_SET:
		case REDIS_ZSET:
			member = old_text(e, REDIS_MEMBER);
			begin_entry(e, member, nothing);
			put(e, e->rt->type == REDIS_SET ? WORD("SREM") : WORD("ZREM"), 1, &member);
			break;
		case REDIS_STREAM:
			member = old_text(e, REDIS_ID);
			begin_entry(e, member, nothing);
			put(e, WORD("XDEL"), 1, &member);
			break;
	}
}

static void
insert_row(Encoder *e)
{
	static void (*const insert[]) (Encoder *) = {
		[REDIS_HASH] = insert_hash,
		[REDIS_STRING] = write_string,
		[REDIS_LIST] = insert_list,
		[REDIS_SET] = insert_member,
		[REDIS_ZSET] = insert_member,
		[REDIS_STREAM] = insert_stream,
	};

	insert[e->rt->type] (e);
}

static void
update_row(Encoder *e)
{
	static void (*const update[]) (Encoder *) = {
		[REDIS_HASH] = update_hash,
		[REDIS_STRING] = write_string,
		[REDIS_LIST] = update_list,
		[REDIS_SET] = update_member,
		[REDIS_ZSET] = update_member,
	};

	update[e->rt->type] (e);
}

void
redis_encode_row(ChWrite *w, const ChValue *identity, const ChValue *values, StringInfo out)
{
	Encoder		e = {
		.w = w,.rw = w->priv,.rt = redis_table(w->table),.identity = identity,.values = values,.out = out,
		.entry.index = -1
	};

	e.key = key_of(&e);
	if (w->verb == CH_INSERT)
		insert_row(&e);
	else if (w->verb == CH_UPDATE)
		update_row(&e);
	else
		delete_row(&e);
	end_entry(&e);
}

/* ---- direct UPDATE and DELETE -------------------------------------------------------------------------------------- */

bool
redis_next_add(RedisBytes adds, int *at, RedisAdd *add, RedisBytes *field)
{
	if (*at >= adds.len)
		return false;
	memcpy(add, adds.data + *at, sizeof(RedisAdd));
	field->data = adds.data + *at + sizeof(RedisAdd);
	field->len = add->fieldlen;
	*at += sizeof(RedisAdd) + add->fieldlen;
	return true;
}

static const char *
integer_name(Oid type)
{
	return type == INT2OID ? "smallint" : type == INT4OID ? "integer" : "bigint";
}

void
redis_check_add(const ChTable *table, const RedisAdd *add, bool not_number, int64 *now)
{
	if (not_number)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("cannot add to a field of foreign table %s that is no integer in Redis", table->name)));
	if (pg_add_s64_overflow(*now, add->delta, now) ||
		(add->type == INT4OID && (*now < PG_INT32_MIN || *now > PG_INT32_MAX)) ||
		(add->type == INT2OID && (*now < PG_INT16_MIN || *now > PG_INT16_MAX)))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s out of range", integer_name(add->type))));
}

/* Does the filter name the keys? */
static bool
names_keys(const ChTable *table, const ChExpr *expr)
{
	bool		all = expr != NULL && expr->kind == CH_COND_OR;
	ListCell   *lc;

	if (expr == NULL)
		return false;
	if (expr->kind != CH_COND_OR && expr->kind != CH_COND_AND)
		return (expr->kind == CH_COND_CMP || expr->kind == CH_COND_IN) && ch_column(table, expr->attno)->kind == REDIS_KEY;
	foreach(lc, expr->args)
		if (names_keys(table, lfirst(lc)) != all)
			return !all;
	return all;
}

static bool
ship_assign(const ChTable *table, const ChAssign *assign, const char **reason)
{
	const ChColumn *col = ch_column(table, assign->attno);
	RedisType	type = redis_table(table)->type;

	if (assign->kind == CH_ASSIGN_COLUMN)
		return ch_refuse(reason, "Redis does not copy fields");
	if (assign->kind == CH_ASSIGN_JSON_SET)
		return ch_refuse(reason, "Redis does not change a part of a value");
	if (assign->kind != CH_ASSIGN_VALUE)
		return (col->kind == REDIS_FIELD && ch_is_int(col->basetype) && !col->domain && ch_is_int(assign->valtype)) ||
			ch_refuse(reason, "Redis adds to a field of a hash, and exactly only if it is an integer");
	if (col->kind == REDIS_FIELD || col->kind == REDIS_TTL || (col->kind == REDIS_VALUE && type == REDIS_STRING))
		return true;
	return ch_refuse(reason, "a row keeps its key");
}

bool
redis_ship_direct(const ChTable *table, const ChQuery *query, ChVerb verb, const char **reason)
{
	const RedisTable *rt = redis_table(table);
	ListCell   *lc;

	if (rt->type != REDIS_HASH && rt->type != REDIS_STRING)
		return ch_refuse(reason, "only a hash or a string is written without looking at it");
	if (rt->mode == REDIS_BY_SET)
		return ch_refuse(reason, "which keys are rows is known by the set that names them");
	if (rt->version)
		return ch_refuse(reason, "the version of each row is looked at");
	if (table->mismatch_null)
		return ch_refuse(reason, "a value that does not fit the column's type is NULL here");
	if (rt->mode != REDIS_BY_KEY && !names_keys(table, query->filter))
		return ch_refuse(reason, "Redis finds rows by key only");
	foreach(lc, query->assigns)
		if (!ship_assign(table, lfirst(lc), reason))
			return false;
	return true;
}

static void
append_add(StringInfo adds, const ChColumn *col, RedisBytes field, int64 delta)
{
	RedisAdd	add = {.delta = delta,.type = col->basetype,.fieldlen = field.len};

	appendBinaryStringInfo(adds, (char *) &add, sizeof(add));
	appendBinaryStringInfo(adds, field.data, field.len);
}

static void
append_assign(StringInfo adds, const ChColumn *col, RedisBytes field, const ChBoundAssign *assign)
{
	int64		n = assign->value.u.i;

	if (assign->kind == CH_ASSIGN_ADD)
		append_add(adds, col, field, n);
	else if (n != PG_INT64_MIN)
		append_add(adds, col, field, -n);
	else
	{
		/* its negative is no bigint */
		append_add(adds, col, field, PG_INT64_MAX);
		append_add(adds, col, field, 1);
	}
}

/*
 * Additions are an entry of their own, for a field that is missing is not made:
 * what is removed besides must not leave the hash empty.
 */
static void
encode_direct_hash(Encoder e, const bool *all)
{
	if (e.adds.len > 0)
	{
		Encoder		first = e;

		first.computed = all;
		update_hash(&first);
		end_entry(&first);
		if (memcmp(e.computed, all, e.w->ncolumns * sizeof(bool)) == 0)
			return;
		e.adds.len = 0;
		e.entry.flags = REDIS_ENTRY_CONTINUES;
	}
	update_hash(&e);
	end_entry(&e);
}

void
redis_encode_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	const RedisWrite *rw = w->priv;
	ChValue    *values = palloc0(Max(w->ncolumns, 1) * sizeof(ChValue));
	bool	   *computed = palloc0(Max(w->ncolumns, 1) * sizeof(bool));
	bool	   *all = palloc0(Max(w->ncolumns, 1) * sizeof(bool));
	StringInfoData adds;
	RedisAccess access;
	int			begun = out->len;

	initStringInfo(&adds);
	for (int i = 0; i < w->ncolumns; i++)
	{
		values[i] = assigns[i].value;
		computed[i] = assigns[i].kind != CH_ASSIGN_VALUE;
		all[i] = true;
		if (computed[i])
			append_assign(&adds, w->columns[i], rw->names[i], &assigns[i]);
	}
	redis_compile(scan, &access);
	for (int i = 0; !access.never && i < access.nkeys; i++)
	{
		Encoder		e = {
			.w = w,.rw = rw,.rt = redis_table(w->table),.values = values,.out = out,.entry.index = -1,
			.key = access.keys[i],.computed = computed,.adds = {adds.data, adds.len}
		};

		if (out->len - begun > RECORD_BYTES)
		{
			out = e.out = ch_continue_direct(w);
			begun = out->len;
		}
		if (w->verb == CH_UPDATE && e.rt->type == REDIS_HASH)
		{
			encode_direct_hash(e, all);
			continue;
		}
		if (w->verb == CH_DELETE)
			delete_row(&e);
		else
			write_string(&e);
		end_entry(&e);
	}
}
