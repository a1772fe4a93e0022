/*
 * scan.c
 *	  Running a scan: which keys, in which pipelines, and when.
 *
 * A wave is one round trip: the request for the next page of keys, and the
 * commands for the keys at hand.  For hashes and strings the next wave is sent
 * when the current one starts to be read, as soon as its keys are known, so
 * that Redis works while the rows of the current one are made.  For types with
 * many entries the next page is sent when the last one has been read.  Nothing
 * is sent ahead until one wave was used up, so that a query that stops early
 * (a LIMIT above a local condition) mostly leaves nothing unread, which would
 * cost the connection.
 *
 * A scan that shall not wait (ChScan.nowait) goes on when all replies of the
 * next task, of a page or of MGET are there: they are read ahead together.
 *
 * Memory is that of two waves.  Their size follows the size of what came: a
 * wave shall answer some megabyte, from one key to fetch_size.
 */
#include "postgres.h"

#include "fdw/redis/scan.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define DEFAULT_FETCH_SIZE 1000
#define FIRST_WAVE 100
#define FEW_KEYS 100
#define SEND_BYTES (32 * 1024)
#define WAVE_BYTES (1024 * 1024)
#define SCAN_COUNT_MAX 10000

/* ---- replies -------------------------------------------------------------------- */

/* The next reply: of that REDIS_REPLY_ type, or an error. */
RedisReply *
redis_next_reply(RedisScan *s, int type)
{
	RedisReply *reply = redis_read(s->scan->conn, s->reply_cxt, s->scan->conn->request_timeout);

	redis_expect(s->scan->conn, reply, type);
	return reply;
}

/* The same, where any error is raised. */
static RedisReply *
sure_reply(RedisScan *s, int type)
{
	RedisReply *reply = redis_next_reply(s, type);

	if (reply->type == REDIS_REPLY_ERROR)
		redis_raise(s->scan->conn, reply);
	return reply;
}

/*
 * Was the key of another type than the table's?  Other errors are raised, and
 * this one is, too, if the table says so.
 */
bool
redis_wrong_type(RedisScan *s, const RedisReply *reply)
{
	const ChTable *table = s->scan->table;

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return false;
	if (!redis_is_error(reply, "WRONGTYPE"))
		redis_raise(s->scan->conn, reply);
	if (s->rt->wrong_type_error)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("a key of foreign table %s is no %s", table->name, redis_type_names[s->rt->type]),
				 errdetail("Key \"%s\": %s", redis_printable(s->task->key.data, s->task->key.len), reply->str),
				 errhint("Set the table's option type to the key's type, or on_wrong_type to 'skip'.")));
	s->wrong_types++;
	return true;
}

static void
count_bytes(RedisScan *s)
{
	uint64		now = ch_stream_bytes_in(s->rc->stream);

	s->scan->bytes += now - s->bytes_seen;
	s->bytes_seen = now;
}

/* ---- which keys there are ----------------------------------------------------------- */

/*
 * Tables of hashes of which the session has found every key of the last long
 * list that it was given.  HLEN for each key would be a third of the work, and
 * would save one more request only if a key is missing.
 */
static List *complete_tables = NIL;

static bool
is_long_list(const RedisScan *s)
{
	return s->listed && s->rt->type == REDIS_HASH && s->access.nkeys > FEW_KEYS;
}

static void
note_completeness(const RedisScan *s)
{
	MemoryContext old;

	if (!is_long_list(s))
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (s->missing == 0)
		complete_tables = list_append_unique_oid(complete_tables, s->scan->table->relid);
	else
		complete_tables = list_delete_oid(complete_tables, s->scan->table->relid);
	MemoryContextSwitchTo(old);
}

/* May the next n replies be read, which are made in cxt?  If not, there would be a wait. */
static bool
may_read(RedisScan *s, MemoryContext cxt, int n)
{
	return !s->scan->nowait || redis_have(s->scan->conn, cxt, n, &s->scan->wait);
}

/* ---- commands --------------------------------------------------------------------- */

/* command key */
void
redis_key_command(RedisScan *s, const char *command, RedisBytes key)
{
	const char *argv[2] = {command, key.data};
	size_t		lens[2] = {strlen(command), key.len};

	redis_command(s->rc, 2, argv, lens);
}

/* SISMEMBER set-of-keys key */
static void
ask_membership(RedisScan *s, RedisBytes key)
{
	const char *argv[3] = {"SISMEMBER", s->rt->key.data, key.data};
	size_t		lens[3] = {9, s->rt->key.len, key.len};

	redis_command(s->rc, 3, argv, lens);
}

static void
ask_hash(RedisScan *s, RedisTask *task)
{
	if (s->wants_all)
		redis_key_command(s, "HGETALL", task->key);
	else if (s->nfields > 0)
	{
		s->argv[1] = task->key.data;
		s->lens[1] = task->key.len;
		redis_command(s->rc, s->nfields + 2, s->argv, s->lens);
	}
	/*
	 * Fields that are all missing do not tell a hash without them from no
	 * hash.  A scan asks again for such keys only, unless they are many; so do
	 * keys that are given, if none is expected.
	 */
	if (s->wants_all)
		task->presence = false;
	else if (s->nfields > 0)
		task->presence = task->presence || (s->listed && !s->expects_all) || (s->always_presence && !s->wants_ttl);
	else
		task->presence = !s->typed_scan;
	if (task->presence)
		redis_key_command(s, "HLEN", task->key);
}

static void
ask_string(RedisScan *s, RedisTask *task)
{
	if (s->wants_all && !s->use_mget)
		redis_key_command(s, "GET", task->key);
	task->presence = !s->wants_all && !s->typed_scan;
	if (task->presence)
		redis_key_command(s, "TYPE", task->key);
}

static void
ask_task(RedisScan *s, RedisTask *task)
{
	int			before = s->rc->unread;

	if (s->check_member && !task->started)
		ask_membership(s, task->key);
	if (s->rt->type == REDIS_HASH)
		ask_hash(s, task);
	else if (s->rt->type == REDIS_STRING)
		ask_string(s, task);
	else
		redis_ask_entries(s, task);
	if (s->wants_ttl && !task->started)
		redis_key_command(s, "PTTL", task->key);
	task->replies = s->rc->unread - before;
}

static void
ask_mget(RedisScan *s, RedisWave *wave)
{
	const char **argv = palloc((wave->ntasks + 1) * sizeof(char *));
	size_t	   *lens = palloc((wave->ntasks + 1) * sizeof(size_t));

	argv[0] = "MGET";
	lens[0] = 4;
	for (int i = 0; i < wave->ntasks; i++)
	{
		argv[i + 1] = wave->tasks[i].key.data;
		lens[i + 1] = wave->tasks[i].key.len;
	}
	redis_command(s->rc, wave->ntasks + 1, argv, lens);
	pfree(argv);
	pfree(lens);
}

/* The next page of keys: SCAN, or SSCAN of the set of keys. */
static void
ask_page(RedisScan *s)
{
	const char *argv[9];
	size_t		lens[9];
	int			n = 0;
	char		cursor[24];
	char		count[12];

#define ARG(text, length) (argv[n] = (text), lens[n++] = (length))
	snprintf(cursor, sizeof(cursor), UINT64_FORMAT, s->cursor);
	snprintf(count, sizeof(count), "%d", s->scan_count);
	if (s->rt->mode == REDIS_BY_SET)
	{
		ARG("SSCAN", 5);
		ARG(s->rt->key.data, s->rt->key.len);
	}
	else
		ARG("SCAN", 4);
	ARG(cursor, strlen(cursor));
	ARG("COUNT", 5);
	ARG(count, strlen(count));
	if (s->rt->mode == REDIS_BY_PREFIX && s->rt->prefix.len > 0)
	{
		char	   *pattern = redis_match_pattern(s->rt->prefix);

		ARG("MATCH", 5);
		ARG(pattern, strlen(pattern));
	}
	if (s->typed_scan)
	{
		ARG("TYPE", 4);
		ARG(redis_type_names[s->rt->type], strlen(redis_type_names[s->rt->type]));
	}
#undef ARG
	redis_command(s->rc, n, argv, lens);
}

/* ---- keys --------------------------------------------------------------------------- */

static bool
is_wanted(RedisScan *s, const RedisReply *key)
{
	RedisBytes	prefix = s->rt->prefix;

	if (key->len < prefix.len || memcmp(key->str, prefix.data, prefix.len) != 0)
		return false;
	if (s->rt->keycol && !redis_is_canonical(s->rt->keycol, key->str + prefix.len, key->len - prefix.len))
	{
		s->not_canonical++;
		return false;
	}
	return s->pages == 0 || redis_first_sight(s->scan->run_cxt, &s->seen, key->str, key->len);
}

/*
 * How many slots of the key space a page looks at: so many that it finds about
 * as many keys as a wave has, if keys of the table are few among others.
 */
static void
adapt_scan_count(RedisScan *s, int found)
{
	int64		wanted = redis_rows_wanted(s);
	int			target = wanted < 0 || wanted > s->fetch_size ? s->fetch_size : Max(wanted, FIRST_WAVE);

	if (found < target / 2)
		s->scan_count = Min(SCAN_COUNT_MAX, s->scan_count * 2);
	else if (found > target * 2)
		s->scan_count = Max(10, s->scan_count / 2);
}

static void
read_page(RedisScan *s)
{
	RedisReply *reply;
	RedisReply *keys;

	reply = redis_read(s->scan->conn, s->queue_cxt, s->scan->conn->request_timeout);
	redis_expect_page(s->scan->conn, reply, 1);
	if (reply->type == REDIS_REPLY_ERROR)
		redis_raise(s->scan->conn, reply);
	s->cursor = strtou64(reply->items[0]->str, NULL, 10);
	s->more_pages = s->cursor != 0;
	/* a page that is the only one has no key twice */
	if (s->more_pages)
		s->pages++;
	keys = reply->items[1];
	s->queue = MemoryContextAlloc(s->queue_cxt, (keys->n + 1) * sizeof(RedisBytes));
	s->nqueue = s->queue_next = 0;
	for (size_t i = 0; i < keys->n; i++)
		if (is_wanted(s, keys->items[i]))
		{
			s->queue[s->nqueue].data = keys->items[i]->str;
			s->queue[s->nqueue++].len = (int) keys->items[i]->len;
		}
	adapt_scan_count(s, (int) keys->n);
}

/*
 * Keys that are given: those the table can have.  Replies are read one by one,
 * so their size does not matter, but MGET's is one reply of all: its first wave
 * is as small as a scan's.
 */
static void
queue_listed_keys(RedisScan *s)
{
	s->listed = true;
	s->queue = s->access.keys;
	s->nqueue = s->access.nkeys;
	s->expects_all = is_long_list(s) && list_member_oid(complete_tables, s->scan->table->relid);
	if (!s->use_mget)
		s->per_wave = s->fetch_size;
}

/* ---- waves ---------------------------------------------------------------------------- */

/* A task that needs another request is kept with a key of its own. */
static void
put_back(RedisScan *s, const RedisTask *task)
{
	MemoryContext old = MemoryContextSwitchTo(s->scan->run_cxt);
	RedisTask  *copy = palloc(sizeof(RedisTask));
	char	   *key = palloc(task->key.len + 1);

	*copy = *task;
	memcpy(key, task->key.data, task->key.len);
	copy->key.data = key;
	s->carry = lappend(s->carry, copy);
	MemoryContextSwitchTo(old);
}

static RedisTask *
add_task(RedisScan *s, RedisWave *wave, RedisBytes key)
{
	RedisTask  *task = &wave->tasks[wave->ntasks++];
	char	   *copy = MemoryContextAlloc(wave->cxt, key.len + 1);

	memset(task, 0, sizeof(*task));
	memcpy(copy, key.data, key.len);
	task->key.data = copy;
	task->key.len = key.len;
	task->ttl = -1;
	return task;
}

static void
take_back(RedisScan *s, RedisWave *wave, RedisTask *kept)
{
	RedisTask  *task = add_task(s, wave, kept->key);
	RedisBytes	key = task->key;

	*task = *kept;
	task->key = key;
	pfree(unconstify(char *, kept->key.data));
	pfree(kept);
}

/* As many tasks that were put back as there is room for. */
static void
take_all_back(RedisScan *s, RedisWave *wave, int limit)
{
	int			n = Min(limit, list_length(s->carry));

	for (int i = 0; i < n; i++)
		take_back(s, wave, list_nth(s->carry, i));
	s->carry = list_delete_first_n(s->carry, n);
}

/* Rows that what is under way will bring, at most. */
static int64
rows_under_way(const RedisScan *s)
{
	const RedisWave *wave = &s->waves[s->current];

	return wave->ntasks - wave->next;
}

/* How many keys the next wave may have. */
static int
wave_limit(const RedisScan *s)
{
	int64		wanted = redis_rows_wanted(s);

	if (wanted < 0 || s->by_entry)
		return s->per_wave;
	return (int) Min((int64) s->per_wave, Max(0, wanted - rows_under_way(s)));
}

/* Fill the wave that is not current; false if there is nothing to ask. */
static bool
fill_wave(RedisScan *s)
{
	RedisWave  *wave = &s->waves[1 - s->current];
	int			limit = wave_limit(s);

	MemoryContextReset(wave->cxt);
	wave->ntasks = wave->next = 0;
	wave->has_page = false;
	wave->bulk = NULL;
	wave->tasks = MemoryContextAlloc(wave->cxt, Max(limit, 1) * sizeof(RedisTask));

	/* the rest of a large collection alone: its pages are large enough */
	if (s->by_entry && s->carry)
	{
		take_all_back(s, wave, 1);
		return true;
	}
	take_all_back(s, wave, limit);
	while (wave->ntasks < limit && s->queue_next < s->nqueue)
		(void) add_task(s, wave, s->queue[s->queue_next++]);
	wave->has_page = s->more_pages && s->queue_next == s->nqueue &&
		(wave->ntasks == 0 || wave->ntasks < limit || redis_rows_wanted(s) < 0);
	return wave->ntasks > 0 || (wave->has_page && limit > 0);
}

static void
send_wave(RedisScan *s)
{
	RedisWave  *wave = &s->waves[1 - s->current];
	int			before = s->rc->unread;

	if (wave->has_page)
		ask_page(s);
	if (s->use_mget && wave->ntasks > 0)
		ask_mget(s, wave);
	for (int i = 0; i < wave->ntasks; i++)
	{
		ask_task(s, &wave->tasks[i]);
		/* Redis works on the first commands while the next are written */
		if (s->rc->out.len > SEND_BYTES)
			redis_flush(s->scan->conn, s->scan->conn->request_timeout);
	}
	s->next_sent = true;
	if (s->rc->unread == before)
		return;					/* SCAN has told all that is asked */
	redis_flush(s->scan->conn, s->scan->conn->request_timeout);
	s->scan->requests++;
}

/* Send the next wave while the current one is read, if that is of use. */
static void
send_ahead(RedisScan *s)
{
	int64		wanted = redis_rows_wanted(s);

	if (s->next_sent || s->nwaves < 2)
		return;
	if (wanted >= 0 && wanted <= rows_under_way(s) + s->nitems / s->step)
		return;
	if (fill_wave(s))
		send_wave(s);
}

/* Change sizes so that the next waves answer about WAVE_BYTES. */
static void
adapt_sizes(RedisScan *s)
{
	int64		tasks = s->waves[s->current].ntasks;
	int64		bytes = s->bytes_seen - s->wave_bytes;

	s->wave_bytes = s->bytes_seen;
	if (tasks == 0 || bytes == 0)
		return;
	if (!s->listed || s->use_mget)
		s->per_wave = (int) Max(1, Min(Min(s->per_wave * 4, s->fetch_size), WAVE_BYTES * tasks / bytes));
	if (s->wave_entries > 0)
		s->page = (int) Max(1, Min(Min(s->page * 4, s->fetch_size), WAVE_BYTES * s->wave_entries / bytes));
	s->wave_entries = 0;
}

/* The keys after a wave are known: the next one may be sent. */
static void
begin_wave(RedisScan *s)
{
	if (s->waves[s->current].ntasks > 0)
		s->nwaves++;
	if (!s->by_entry)
		send_ahead(s);
}

/* Go on to the next wave; false if there is none. */
static bool
enter_wave(RedisScan *s)
{
	RedisWave  *wave;

	count_bytes(s);
	adapt_sizes(s);
	if (!s->next_sent)
	{
		if (!fill_wave(s))
			return false;
		send_wave(s);
	}
	s->next_sent = false;
	s->current = 1 - s->current;
	wave = &s->waves[s->current];
	wave->wants_bulk = s->use_mget && wave->ntasks > 0;
	if (wave->has_page)
		MemoryContextReset(s->queue_cxt);
	else
		begin_wave(s);
	return true;
}

/* What is read of a wave before its tasks; false if there would be a wait. */
static bool
read_head(RedisScan *s, RedisWave *wave)
{
	if (wave->has_page)
	{
		if (!may_read(s, s->queue_cxt, 1))
			return false;
		wave->has_page = false;
		read_page(s);
		begin_wave(s);
	}
	if (wave->wants_bulk)
	{
		if (!may_read(s, wave->cxt, 1))
			return false;
		wave->wants_bulk = false;
		wave->bulk = redis_read(s->scan->conn, wave->cxt, s->scan->conn->request_timeout);
		redis_expect_texts(s->scan->conn, wave->bulk, wave->ntasks, true);
		if (wave->bulk->type == REDIS_REPLY_ERROR)
			redis_raise(s->scan->conn, wave->bulk);
	}
	return true;
}

/* ---- the answers for one key ------------------------------------------------------------ */

static bool
has_a_field(const RedisReply *reply)
{
	for (size_t i = 0; i < reply->n; i++)
		if (reply->items[i]->type != REDIS_REPLY_NIL)
			return true;
	return false;
}

/* Is there a row?  task: its replies but PTTL's. */
static bool
read_hash(RedisScan *s, RedisTask *task)
{
	RedisReply *length = NULL;

	s->main = NULL;
	if (s->wants_all || s->nfields > 0)
		s->main = redis_next_reply(s, REDIS_REPLY_ARRAY);
	if (task->presence)
		length = redis_next_reply(s, REDIS_REPLY_INTEGER);
	if (s->main)
		redis_expect_texts(s->scan->conn, s->main, s->wants_all ? 2 : s->nfields, !s->wants_all);
	if (redis_wrong_type(s, s->main ? s->main : length))
		return false;
	if (s->main && has_a_field(s->main))
		return true;
	if (s->wants_all)
		return false;
	return length == NULL || length->integer > 0;
}

static bool
read_string(RedisScan *s, RedisTask *task, const RedisWave *wave)
{
	RedisReply *type;

	s->main = NULL;
	if (s->use_mget)
		s->main = wave->bulk->items[task - wave->tasks];
	else if (s->wants_all)
	{
		s->main = redis_read(s->scan->conn, s->reply_cxt, s->scan->conn->request_timeout);
		if (s->main->type != REDIS_REPLY_NIL)
			redis_expect(s->scan->conn, s->main, REDIS_REPLY_STRING);
	}
	if (s->main)
		return !redis_wrong_type(s, s->main) && s->main->type == REDIS_REPLY_STRING;
	if (!task->presence)
		return true;
	type = sure_reply(s, REDIS_REPLY_STATUS);
	if (strcmp(type->str, "string") == 0)
		return true;
	if (strcmp(type->str, "none") != 0)
	{
		RedisReply	wrong = {.type = REDIS_REPLY_ERROR};

		wrong.str = psprintf("WRONGTYPE It is a %s", type->str);
		(void) redis_wrong_type(s, &wrong);
	}
	return false;
}

/*
 * A hash without any of the fields, or no hash?  PTTL has said whether there
 * is a key, if it was asked; else the key is asked for again, with HLEN.
 */
static bool
must_ask_again(RedisScan *s, RedisTask *task)
{
	if (s->rt->type != REDIS_HASH || s->wants_all || s->nfields == 0 ||
		task->presence || s->wants_ttl || has_a_field(s->main))
		return false;
	task->presence = true;
	s->missing++;
	put_back(s, task);
	s->rechecks++;
	if (s->rechecks > 10 && s->rechecks > s->tasks_done / 10)
		s->always_presence = true;
	return true;
}

/* Replies of the task before are not needed any more. */
static void
begin_task(RedisScan *s)
{
	if (!s->begun)
		MemoryContextReset(s->reply_cxt);
	s->begun = true;
}

/* Read what was asked for a task; its rows are then in items. */
static void
read_task(RedisScan *s, RedisWave *wave, RedisTask *task)
{
	bool		first = !task->started;
	bool		present = true;
	bool		more = false;
	bool		in_set = true;

	begin_task(s);
	s->begun = false;
	s->task = task;
	s->nitems = s->item = 0;
	s->step = 1;
	s->tasks_done++;
	if (s->check_member && first)
		in_set = sure_reply(s, REDIS_REPLY_INTEGER)->integer == 1;
	if (s->rt->type == REDIS_HASH)
		present = read_hash(s, task);
	else if (s->rt->type == REDIS_STRING)
		present = read_string(s, task, wave);
	else
		more = redis_read_entries(s, task);
	if (s->wants_ttl && first)
		task->ttl = sure_reply(s, REDIS_REPLY_INTEGER)->integer;
	task->started = true;
	if (!present)
		s->missing++;
	if (!in_set || !present || task->ttl == -2)
	{
		more = false;
		s->nitems = 0;
	}
	else if (!s->by_entry)
		s->nitems = must_ask_again(s, task) ? 0 : 1;
	s->wave_entries += s->nitems / s->step;
	if (more)
		put_back(s, task);
	else
		redis_forget_seen(&task->seen);
}

/* The next task's rows; false at the end, or if there would be a wait. */
static bool
next_task(RedisScan *s)
{
	RedisWave  *wave = &s->waves[s->current];

	while (!read_head(s, wave) || wave->next == wave->ntasks)
	{
		CHECK_FOR_INTERRUPTS();
		if (ch_would_wait(s->scan))
			return false;
		if (!enter_wave(s))
		{
			note_completeness(s);
			return false;
		}
		wave = &s->waves[s->current];
	}
	begin_task(s);
	if (!may_read(s, s->reply_cxt, wave->tasks[wave->next].replies))
		return false;
	read_task(s, wave, &wave->tasks[wave->next++]);
	if (s->by_entry && wave->next == wave->ntasks)
		send_ahead(s);
	return true;
}

/* ---- what core calls ---------------------------------------------------------------------- */

static void
set_columns(RedisScan *s)
{
	ChScan	   *scan = s->scan;

	s->argv = palloc((scan->ncolumns + 2) * sizeof(char *));
	s->lens = palloc((scan->ncolumns + 2) * sizeof(size_t));
	s->slot = palloc0((scan->ncolumns + 1) * sizeof(int));
	s->argv[0] = "HMGET";
	s->lens[0] = 5;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const ChColumn *col = scan->columns[i];

		if (col->kind == REDIS_FIELD)
		{
			const char *name = pg_server_to_any(col->remote, strlen(col->remote), PG_UTF8);

			s->slot[i] = s->nfields;
			s->argv[s->nfields + 2] = name;
			s->lens[s->nfields + 2] = strlen(name);
			s->nfields++;
		}
		else if (col->kind == REDIS_VALUE)
			s->wants_all = true;
		else if (col->kind == REDIS_TTL)
			s->wants_ttl = true;
	}
}

static void
set_source(RedisScan *s)
{
	int64		wanted = redis_rows_wanted(s);

	s->per_wave = Min(FIRST_WAVE, s->fetch_size);
	s->page = Min(FIRST_WAVE, s->fetch_size);
	s->scan_count = wanted < 0 ? s->fetch_size : Max(FIRST_WAVE, Min(wanted, s->fetch_size));
	if (s->access.by_key)
	{
		queue_listed_keys(s);
		s->check_member = s->rt->mode == REDIS_BY_SET;
		return;
	}
	s->more_pages = true;
	s->typed_scan = s->rt->mode == REDIS_BY_PREFIX && !s->rt->wrong_type_error && s->rc->version >= 60000;
}

void
redis_send(ChScan *scan)
{
	RedisScan  *s = palloc0(sizeof(RedisScan));

	scan->state = s;
	s->scan = scan;
	s->rt = redis_table(scan->table);
	s->rc = scan->conn->handle;
	s->remaining = scan->limit;
	s->skip = scan->offset;
	s->fetch_size = scan->table->fetch_size > 0 ? scan->table->fetch_size : DEFAULT_FETCH_SIZE;
	s->bytes_seen = s->wave_bytes = ch_stream_bytes_in(s->rc->stream);
	s->by_entry = s->rt->type != REDIS_HASH && s->rt->type != REDIS_STRING;
	s->descending = redis_is_descending(scan);
	s->step = 1;
	s->queue_cxt = AllocSetContextCreate(scan->run_cxt, "Redis keys", ALLOCSET_DEFAULT_SIZES);
	s->reply_cxt = AllocSetContextCreate(scan->run_cxt, "Redis reply", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < 2; i++)
		s->waves[i].cxt = AllocSetContextCreate(scan->run_cxt, "Redis wave", ALLOCSET_DEFAULT_SIZES);
	redis_compile(scan, &s->access);
	if (s->access.never || scan->limit == 0)
		return;
	set_columns(s);
	s->use_mget = s->rt->type == REDIS_STRING && s->wants_all && !s->rt->wrong_type_error;
	set_source(s);
	if (s->by_entry)
		redis_prepare_entries(s);
	if (fill_wave(s))
		send_wave(s);
}

/* CONTEXT of an error: which key. */
static void
key_context(void *arg)
{
	const RedisScan *s = arg;

	if (s->task)
		errcontext("Redis key \"%s\"", redis_printable(s->task->key.data, s->task->key.len));
}

static bool
next_row(RedisScan *s, Datum *values, bool *nulls)
{
	while (s->remaining != 0)
	{
		while (s->item >= s->nitems)
			if (!next_task(s))
				return false;
		redis_accept_entry(s);
		if (s->skip > 0)
		{
			s->skip--;
			continue;
		}
		redis_fill_row(s, values, nulls);
		if (s->remaining > 0)
			s->remaining--;
		return true;
	}
	return false;
}

bool
redis_next(ChScan *scan, Datum *values, bool *nulls)
{
	RedisScan  *s = scan->state;
	ErrorContextCallback context = {.callback = key_context,.arg = s,.previous = error_context_stack};
	bool		found;

	if (s->access.never)
		return false;
	error_context_stack = &context;
	found = next_row(s, values, nulls);
	error_context_stack = context.previous;
	if (!found && !ch_would_wait(scan) && s->wrong_types + s->not_canonical > 0)
		ereport(DEBUG1,
				(errmsg_internal("foreign table %s: passed over " INT64_FORMAT " keys of another type and " INT64_FORMAT " that are no %s",
								 scan->table->name, s->wrong_types, s->not_canonical,
								 s->rt->keycol ? format_type_be(s->rt->keycol->typid) : "key")));
	return found;
}

bool
redis_close(ChScan *scan, bool failed)
{
	RedisScan  *s = scan->state;
	RedisConn  *rc = scan->conn ? scan->conn->handle : NULL;

	if (s && rc && !failed)
		count_bytes(s);
	return !failed && rc && redis_is_idle(rc);
}
