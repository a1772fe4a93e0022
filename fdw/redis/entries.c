/*
 * entries.c
 *	  The entries of lists, sets, sorted sets and streams, page by page.
 *
 * How each is paged, so that memory is bounded and no entry that stays is
 * missed:
 * - set: SSCAN, duplicates removed once it takes a second page;
 * - sorted set without range or order: ZSCAN in the same way;
 * - sorted set with one: by score from where the last page ended, passing over
 *   as many members of that score as were returned.  (Ranks would shift when
 *   others are added or removed.);
 * - stream: by id from the one after the last;
 * - list: by position, which is all a list has: a list that changes at its head
 *   between two pages shows entries twice or not at all.
 *
 * Members that a condition names are asked for by SISMEMBER or ZSCORE, and
 * single positions and ids in one pipeline.  Answers come in the order of the
 * members asked for: where they must be in the order of scores, all are kept
 * until the last has come, and sorted.  There are at most as many as the
 * condition names, where a range of scores could be far larger.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "fdw/redis/scan.h"

/* ---- what a request may bring -------------------------------------------------- */

/* Entries to ask for: a page, or what is left of LIMIT. */
static int
entries_wanted(const RedisScan *s)
{
	int64		wanted = redis_rows_wanted(s);

	if (wanted < 0)
		return s->page;
	wanted -= (s->nitems - s->item) / s->step;
	return (int) Max(1, Min(wanted, s->page));
}

static bool
uses_ranges(const RedisScan *s)
{
	switch (s->rt->type)
	{
		case REDIS_LIST:
		case REDIS_STREAM:
			return true;
		case REDIS_ZSET:
			return !s->access.by_member && (s->access.by_range || s->scan->nsort > 0);
		default:
			return false;
	}
}

static RedisRange
whole_range(RedisType type)
{
	RedisRange	r = {{0, 0}, {PG_UINT64_MAX, PG_UINT64_MAX}};

	if (type == REDIS_LIST)
	{
		r.to.hi = 0;
		r.to.lo = PG_INT64_MAX;
	}
	else if (type == REDIS_ZSET)
	{
		r.from = redis_score_point(-INFINITY);
		r.to = redis_score_point(INFINITY);
	}
	return r;
}

void
redis_prepare_entries(RedisScan *s)
{
	RedisAccess *a = &s->access;

	if (!uses_ranges(s) || a->by_range)
		return;
	a->ranges = palloc(sizeof(RedisRange));
	a->ranges[0] = whole_range(s->rt->type);
	a->nranges = 1;
}

/* Ranges are gone through in the order of the rows. */
static bool
has_range(const RedisScan *s, const RedisTask *task)
{
	return task->range >= 0 && task->range < s->access.nranges;
}

static void
enter_range(RedisScan *s, RedisTask *task)
{
	task->ties = 0;
	if (has_range(s, task))
		task->rest = s->access.ranges[task->range];
}

/* Go to the next range; false after the last. */
static bool
next_range(RedisScan *s, RedisTask *task)
{
	task->range += s->descending ? -1 : 1;
	enter_range(s, task);
	return has_range(s, task);
}

/*
 * OFFSET is passed over by Redis where there is one range to do it in; the
 * rest of the scan then knows nothing of it.
 */
static int64
take_offset(RedisScan *s)
{
	int64		offset = s->skip;

	if (offset == 0 || s->access.nkeys != 1 || s->access.nranges != 1 || s->check_member)
		return 0;
	s->skip = 0;
	return offset;
}

static void
first_range(RedisScan *s, RedisTask *task)
{
	task->range = s->descending ? s->access.nranges - 1 : 0;
	enter_range(s, task);
	if (s->rt->type == REDIS_ZSET)
		task->ties = take_offset(s);
	else if (s->rt->type == REDIS_LIST && (uint64) s->skip <= task->rest.to.lo - task->rest.from.lo)
		task->rest.from.lo += take_offset(s);
}

/* ---- asking --------------------------------------------------------------------- */

/* command key arg ..., where arguments are texts */
static void
ask(RedisScan *s, RedisBytes key, int argc, const char **args)
{
	const char *argv[8];
	size_t		lens[8];

	Assert(argc < 8);
	argv[0] = args[0];
	lens[0] = strlen(args[0]);
	argv[1] = key.data;
	lens[1] = key.len;
	for (int i = 1; i < argc; i++)
	{
		argv[i + 1] = args[i];
		lens[i + 1] = strlen(args[i]);
	}
	redis_command(s->rc, argc + 1, argv, lens);
}

/* SSCAN or ZSCAN key cursor COUNT n */
static void
ask_cursor(RedisScan *s, RedisTask *task, const char *command)
{
	char		cursor[24];
	char		count[12];

	task->asked = s->page;
	snprintf(cursor, sizeof(cursor), UINT64_FORMAT, task->cursor);
	snprintf(count, sizeof(count), "%d", task->asked);
	ask(s, task->key, 4, (const char *[]) {command, cursor, "COUNT", count});
}

/* SISMEMBER or ZSCORE for the next members that are asked for */
static void
ask_members(RedisScan *s, RedisTask *task, const char *command)
{
	const char *argv[3] = {command, task->key.data, NULL};
	size_t		lens[3] = {strlen(command), task->key.len, 0};

	task->asked = Min(s->fetch_size, s->access.nmembers - task->member);
	for (int i = 0; i < task->asked; i++)
	{
		argv[2] = s->access.members[task->member + i].data;
		lens[2] = s->access.members[task->member + i].len;
		redis_command(s->rc, 3, argv, lens);
	}
}

static void
format_score(RedisPoint p, char *buf)
{
	double		score = redis_point_score(p);

	if (isinf(score))
		strcpy(buf, score > 0 ? "+inf" : "-inf");
	else
		double_to_shortest_decimal_buf(score, buf);
}

static void
ask_scores(RedisScan *s, RedisTask *task)
{
	char		from[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		to[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		offset[24];
	char		count[12];

	task->asked = entries_wanted(s);
	format_score(task->rest.from, from);
	format_score(task->rest.to, to);
	snprintf(offset, sizeof(offset), INT64_FORMAT, task->ties);
	snprintf(count, sizeof(count), "%d", task->asked);
	if (s->descending)
		ask(s, task->key, 7, (const char *[]) {"ZREVRANGEBYSCORE", to, from, "WITHSCORES", "LIMIT", offset, count});
	else
		ask(s, task->key, 7, (const char *[]) {"ZRANGEBYSCORE", from, to, "WITHSCORES", "LIMIT", offset, count});
}

/* LRANGE key from to, cut to what is asked. */
static void
ask_positions(RedisScan *s, RedisTask *task)
{
	char		first[24];
	char		last[24];
	uint64		from = task->rest.from.lo;
	uint64		to = task->rest.to.lo;
	uint64		most = entries_wanted(s);

	if (to - from >= most)
	{
		if (s->descending)
			from = to - most + 1;
		else
			to = from + most - 1;
	}
	task->asked = (int) (to - from + 1);
	snprintf(first, sizeof(first), UINT64_FORMAT, from);
	snprintf(last, sizeof(last), UINT64_FORMAT, to);
	ask(s, task->key, 3, (const char *[]) {"LRANGE", first, last});
}

static void
format_id(RedisPoint p, char *buf, size_t size)
{
	snprintf(buf, size, UINT64_FORMAT "-" UINT64_FORMAT, p.hi, p.lo);
}

static void
ask_ids(RedisScan *s, RedisTask *task)
{
	char		from[48];
	char		to[48];
	char		count[12];

	task->asked = entries_wanted(s);
	format_id(task->rest.from, from, sizeof(from));
	format_id(task->rest.to, to, sizeof(to));
	snprintf(count, sizeof(count), "%d", task->asked);
	if (s->descending)
		ask(s, task->key, 5, (const char *[]) {"XREVRANGE", to, from, "COUNT", count});
	else
		ask(s, task->key, 5, (const char *[]) {"XRANGE", from, to, "COUNT", count});
}

/* Ranges of one point each, as many as follow each other, in one pipeline. */
static bool
ask_points(RedisScan *s, RedisTask *task)
{
	int			step = s->descending ? -1 : 1;
	int			most = entries_wanted(s);
	int			n = 0;

	for (int r = task->range; r >= 0 && r < s->access.nranges && n < most; r += step, n++)
	{
		const RedisRange *range = &s->access.ranges[r];
		char		point[48];

		if (redis_point_cmp(range->from, range->to) != 0)
			break;
		if (s->rt->type == REDIS_LIST)
		{
			snprintf(point, sizeof(point), UINT64_FORMAT, range->from.lo);
			ask(s, task->key, 3, (const char *[]) {"LRANGE", point, point});
		}
		else
		{
			format_id(range->from, point, sizeof(point));
			ask(s, task->key, 3, (const char *[]) {"XRANGE", point, point});
		}
	}
	task->asked = n;
	return n > 0;
}

static void
ask_ranges(RedisScan *s, RedisTask *task)
{
	if (!task->started)
		first_range(s, task);
	if (s->rt->type == REDIS_ZSET)
	{
		ask_scores(s, task);
		return;
	}
	task->points = ask_points(s, task);
	if (task->points)
		return;
	if (s->rt->type == REDIS_LIST)
		ask_positions(s, task);
	else
		ask_ids(s, task);
}

/* The request for the next entries of a task. */
void
redis_ask_entries(RedisScan *s, RedisTask *task)
{
	if (s->access.by_member)
		ask_members(s, task, s->rt->type == REDIS_SET ? "SISMEMBER" : "ZSCORE");
	else if (s->rt->type == REDIS_SET)
		ask_cursor(s, task, "SSCAN");
	else if (!uses_ranges(s))
		ask_cursor(s, task, "ZSCAN");
	else if (s->rt->type == REDIS_LIST && s->descending && !s->clipped)
		redis_key_command(s, "LLEN", task->key);
	else
		ask_ranges(s, task);
}

/* ---- reading ------------------------------------------------------------------------ */

/*
 * Entries, or NULL if the key was of another type.  step: texts of an entry;
 * 0 for a stream.
 */
static RedisReply *
read_array(RedisScan *s, int step)
{
	RedisReply *reply = redis_next_reply(s, REDIS_REPLY_ARRAY);

	if (redis_wrong_type(s, reply))
		return NULL;
	if (step > 0)
		redis_expect_texts(s->scan->conn, reply, step, false);
	else
		redis_expect_entries(s->scan->conn, reply);
	return reply;
}

static void
set_items(RedisScan *s, RedisReply **items, size_t n, int step)
{
	s->items = items;
	s->nitems = (int) n;
	s->step = step;
	s->reverse = false;
	s->indexes = NULL;
}

static bool
read_cursor(RedisScan *s, RedisTask *task, int step)
{
	RedisReply *reply = redis_next_reply(s, REDIS_REPLY_ARRAY);

	if (redis_wrong_type(s, reply))
		return false;
	redis_expect_page(s->scan->conn, reply, step);
	task->cursor = strtou64(reply->items[0]->str, NULL, 10);
	set_items(s, reply->items[1]->items, reply->items[1]->n, step);

	/* what came in one page came once */
	if (task->cursor != 0 && task->seen == NULL)
		for (int i = 0; i < s->nitems; i += step)
			(void) redis_first_sight(s->scan->run_cxt, &task->seen, s->items[i]->str, s->items[i]->len);
	else if (task->seen)
	{
		int			kept = 0;

		for (int i = 0; i < s->nitems; i += step)
			if (redis_first_sight(s->scan->run_cxt, &task->seen, s->items[i]->str, s->items[i]->len))
			{
				memmove(&s->items[kept], &s->items[i], step * sizeof(RedisReply *));
				kept += step;
			}
		s->nitems = kept;
	}
	return task->cursor != 0;
}

/* Is a member there, and with a score that is asked for? */
static bool
is_member(const RedisScan *s, const RedisReply *reply)
{
	RedisPoint	score;

	if (s->rt->type == REDIS_SET)
		return reply->integer == 1;
	if (reply->type != REDIS_REPLY_STRING)
		return false;
	if (!s->access.by_range)
		return true;
	score = redis_score_point(strtod(reply->str, NULL));
	for (int i = 0; i < s->access.nranges; i++)
		if (redis_point_cmp(s->access.ranges[i].from, score) <= 0 &&
			redis_point_cmp(score, s->access.ranges[i].to) <= 0)
			return true;
	return false;
}

/* One of the members asked for, and its score. */
typedef struct ScoredMember
{
	int			member;			/* of access.members, which are in the order of bytes */
	double		score;
	RedisPoint	point;
} ScoredMember;

/* The order of Redis' own ranges: by score, then by bytes. */
static int
scored_order(const void *a, const void *b)
{
	const ScoredMember *x = a;
	const ScoredMember *y = b;
	int			cmp = redis_point_cmp(x->point, y->point);

	return cmp ? cmp : x->member < y->member ? -1 : x->member > y->member;
}

static bool
sorts_members(const RedisScan *s)
{
	return s->access.by_member && s->rt->type == REDIS_ZSET && s->scan->nsort > 0;
}

static RedisReply *
member_reply(RedisScan *s, int member)
{
	RedisReply *reply = MemoryContextAllocZero(s->reply_cxt, sizeof(RedisReply));

	reply->type = REDIS_REPLY_STRING;
	reply->str = unconstify(char *, s->access.members[member].data);
	reply->len = s->access.members[member].len;
	return reply;
}

/* Keep the members of one answer, which outlives its replies. */
static void
keep_scored(RedisScan *s, RedisTask *task, const RedisReply *score, int member)
{
	ScoredMember *kept;

	if (task->scored == NULL)
		task->scored = MemoryContextAllocHuge(s->scan->run_cxt, s->access.nmembers * sizeof(ScoredMember));
	kept = &task->scored[task->nscored++];
	kept->member = member;
	kept->score = strtod(score->str, NULL);
	kept->point = redis_score_point(kept->score);
}

/* All members have come: they are the rows, in the order of their scores. */
static void
set_scored_items(RedisScan *s, RedisTask *task)
{
	int			n = task->nscored;
	RedisReply **items = MemoryContextAllocHuge(s->reply_cxt, 2 * (n + 1) * sizeof(RedisReply *));

	if (n > 0)
		qsort(task->scored, n, sizeof(ScoredMember), scored_order);
	for (int i = 0; i < n; i++)
	{
		const ScoredMember *from = &task->scored[s->descending ? n - 1 - i : i];
		RedisReply *score = MemoryContextAllocZero(s->reply_cxt, sizeof(RedisReply));

		score->str = MemoryContextAlloc(s->reply_cxt, DOUBLE_SHORTEST_DECIMAL_LEN);
		double_to_shortest_decimal_buf(from->score, score->str);
		items[2 * i] = member_reply(s, from->member);
		items[2 * i + 1] = score;
	}
	set_items(s, items, 2 * n, 2);
	if (task->scored)
		pfree(task->scored);
	task->scored = NULL;
}

static bool
read_members(RedisScan *s, RedisTask *task)
{
	RedisReply **items = MemoryContextAlloc(s->reply_cxt, 2 * task->asked * sizeof(RedisReply *));
	bool		wrong = false;
	bool		sorts = sorts_members(s);
	bool		more;
	int			step = s->rt->type == REDIS_SET ? 1 : 2;
	int			n = 0;

	for (int i = 0; i < task->asked; i++)
	{
		RedisReply *reply = redis_read(s->scan->conn, s->reply_cxt, s->scan->conn->request_timeout);

		if (reply->type != REDIS_REPLY_NIL)
			redis_expect(s->scan->conn, reply, step == 1 ? REDIS_REPLY_INTEGER : REDIS_REPLY_STRING);
		wrong = wrong || redis_wrong_type(s, reply);
		if (wrong || !is_member(s, reply))
			continue;
		if (sorts)
		{
			keep_scored(s, task, reply, task->member + i);
			continue;
		}
		items[n++] = member_reply(s, task->member + i);
		if (step == 2)
			items[n++] = reply;
	}
	set_items(s, items, n, step);
	task->member += task->asked;
	more = !wrong && task->member < s->access.nmembers;
	if (sorts && !more)
		set_scored_items(s, task);
	return more;
}

static bool
read_scores(RedisScan *s, RedisTask *task)
{
	RedisReply *reply = read_array(s, 2);
	int			n = reply ? (int) (reply->n / 2) : 0;
	RedisPoint	last;
	int			same = 0;

	if (reply == NULL)
		return false;
	set_items(s, reply->items, reply->n, 2);
	if (n < task->asked)
		return next_range(s, task);
	last = redis_score_point(strtod(reply->items[2 * n - 1]->str, NULL));
	while (same < n &&
		   redis_point_cmp(redis_score_point(strtod(reply->items[2 * (n - same) - 1]->str, NULL)), last) == 0)
		same++;
	if (same == n)
		task->ties += n;		/* from the same start, a page farther */
	else
	{
		task->ties = same;
		*(s->descending ? &task->rest.to : &task->rest.from) = last;
	}
	return true;
}

static bool
read_positions(RedisScan *s, RedisTask *task)
{
	RedisReply *reply = read_array(s, 1);
	RedisRange *rest = &task->rest;

	if (reply == NULL)
		return false;
	set_items(s, reply->items, reply->n, 1);
	s->reverse = s->descending;
	s->base = s->descending ? rest->to.lo - task->asked + 1 : rest->from.lo;
	if (!s->descending && reply->n < (size_t) task->asked)
		return false;			/* the list's end */
	if (rest->to.lo - rest->from.lo + 1 == (uint64) task->asked)
		return next_range(s, task);
	if (s->descending)
		rest->to.lo -= task->asked;
	else
		rest->from.lo += task->asked;
	return true;
}

static bool
read_ids(RedisScan *s, RedisTask *task)
{
	RedisReply *reply = read_array(s, 0);
	RedisReply *last;
	RedisPoint	id;

	if (reply == NULL)
		return false;
	set_items(s, reply->items, reply->n, 1);
	if (reply->n < (size_t) task->asked)
		return next_range(s, task);
	last = reply->items[reply->n - 1]->items[0];
	(void) redis_parse_id(last->str, (int) last->len, &id);
	if (redis_point_cmp(id, s->descending ? task->rest.from : task->rest.to) == 0)
		return next_range(s, task);
	if (s->descending)
		task->rest.to = redis_point_prev(id);
	else
		task->rest.from = redis_point_next(id);
	return true;
}

static bool
read_points(RedisScan *s, RedisTask *task)
{
	RedisReply **items = MemoryContextAlloc(s->reply_cxt, task->asked * sizeof(RedisReply *));
	int64	   *indexes = MemoryContextAlloc(s->reply_cxt, task->asked * sizeof(int64));
	bool		wrong = false;
	bool		more = true;
	int			n = 0;

	for (int i = 0; i < task->asked; i++)
	{
		RedisReply *reply = wrong ? redis_next_reply(s, REDIS_REPLY_ARRAY) :
			read_array(s, s->rt->type == REDIS_LIST ? 1 : 0);

		wrong = wrong || reply == NULL;
		if (!wrong && reply->n > 0)
		{
			indexes[n] = task->rest.from.lo;
			items[n++] = reply->items[0];
		}
		more = next_range(s, task);
	}
	set_items(s, items, n, 1);
	s->indexes = indexes;
	return more && !wrong;
}

/* A list from its end: cut the ranges to its length. */
static bool
read_length(RedisScan *s, RedisTask *task)
{
	RedisReply *reply = redis_next_reply(s, REDIS_REPLY_INTEGER);
	RedisAccess *a = &s->access;
	int			kept = 0;

	s->clipped = true;
	if (redis_wrong_type(s, reply))
		return false;
	for (int i = 0; i < a->nranges; i++)
	{
		RedisRange	r = a->ranges[i];

		if (r.from.lo >= (uint64) reply->integer)
			break;
		r.to.lo = Min(r.to.lo, (uint64) reply->integer - 1);
		a->ranges[kept++] = r;
	}
	a->nranges = kept;
	task->range = kept - 1;
	enter_range(s, task);
	if (kept == 1)
	{
		uint64		offset = take_offset(s);

		if (offset > task->rest.to.lo - task->rest.from.lo)
			return false;
		task->rest.to.lo -= offset;
		a->ranges[0].to.lo -= offset;
	}
	return kept > 0;
}

/*
 * Read what redis_ask_entries asked for: the entries are then in items.  True
 * if there may be more.
 */
bool
redis_read_entries(RedisScan *s, RedisTask *task)
{
	if (s->access.by_member)
		return read_members(s, task);
	if (s->rt->type == REDIS_SET)
		return read_cursor(s, task, 1);
	if (!uses_ranges(s))
		return read_cursor(s, task, 2);
	if (s->rt->type == REDIS_ZSET)
		return read_scores(s, task);
	if (s->rt->type == REDIS_LIST && s->descending && !s->clipped)
		return read_length(s, task);
	if (task->points)
		return read_points(s, task);
	return s->rt->type == REDIS_LIST ? read_positions(s, task) : read_ids(s, task);
}

/* ---- one entry ------------------------------------------------------------------------ */

/* Go to the next entry of the reply. */
void
redis_accept_entry(RedisScan *s)
{
	int			i = s->item;

	s->item += s->step;
	if (!s->by_entry)
		return;
	s->entry = &s->items[s->reverse ? s->nitems - 1 - i : i];
	if (s->rt->type == REDIS_LIST)
		s->index = s->indexes ? s->indexes[i] : s->base + (s->reverse ? s->nitems - 1 - i : i);
}
