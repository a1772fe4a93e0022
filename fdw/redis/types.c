/*
 * types.c
 *	  What Redis' bytes mean in PostgreSQL's types, and the other way round.
 *
 * Redis has no types: a number is its text.  Values are read by the input
 * function of the column's type (CH_UNTYPED).  Where Redis has to find
 * something by an equal value, the text must be the only spelling of that
 * value: 7 is found as key "7", so "007" and "+7", which bigint would read as
 * 7, are no rows of a table with a bigint key.
 *
 * What Redis finds by order (scores, list positions, stream ids) is mapped to
 * 128-bit integers that have the same order, so that ranges of all three are
 * cut and joined by the same few lines of deparse.c.  Bounds are closed:
 * between two neighbouring doubles there is none.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#define MS_FROM_1970_TO_2000 \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/* Last millisecond, since 1970, that timestamptz can hold. */
#define LAST_MS ((END_TIMESTAMP - 1) / 1000 + MS_FROM_1970_TO_2000)

#define SIGN_BIT UINT64CONST(0x8000000000000000)

/* ---- text with one spelling ------------------------------------------------ */

static bool
is_canonical_integer(const char *data, int len)
{
	int			i = len > 0 && data[0] == '-' ? 1 : 0;

	if (i == len)
		return false;
	if (data[i] == '0')
		return i == 0 && len == 1;
	for (; i < len; i++)
		if (data[i] < '0' || data[i] > '9')
			return false;
	return true;
}

static bool
is_canonical_uuid(const char *data, int len)
{
	if (len != 36)
		return false;
	for (int i = 0; i < len; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;
		char		c = data[i];

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

bool
redis_is_canonical(const ChColumn *col, const char *data, int len)
{
	switch (col->basetype)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return is_canonical_integer(data, len);
		case UUIDOID:
			return is_canonical_uuid(data, len);
		default:
			return true;
	}
}

bool
redis_finds_by_bytes(const ChColumn *col)
{
	switch (col->basetype)
	{
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
			return true;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case UUIDOID:
			/* a set may have members 7 and 007, and both are rows */
			return col->kind == REDIS_KEY;
		default:
			return false;
	}
}

static bool
integer_fits(const ChColumn *col, int64 i)
{
	switch (col->basetype)
	{
		case INT2OID:
			return i >= PG_INT16_MIN && i <= PG_INT16_MAX;
		case INT4OID:
			return i >= PG_INT32_MIN && i <= PG_INT32_MAX;
		default:
			return true;
	}
}

static char *
uuid_text(const char *raw)
{
	char	   *text = palloc(37);
	char	   *p = text;

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", (unsigned char) raw[i]);
	}
	return text;
}

bool
redis_bytes_of(const ChColumn *col, const ChValue *v, RedisBytes prefix, RedisBytes *bytes)
{
	const char *data;
	int			len;
	char	   *copy;
	char		digits[MAXINT8LEN + 1];

	switch (v->kind)
	{
		case CH_INT:
			if (!integer_fits(col, v->u.i))
				return false;
			data = digits;
			len = pg_lltoa(v->u.i, digits);
			break;
		case CH_UUID:
			data = uuid_text(v->u.s.data);
			len = strlen(data);
			break;
		default:
			data = v->u.s.data;
			len = v->u.s.len;
			break;
	}
	copy = palloc(prefix.len + len + 1);
	memcpy(copy, prefix.data, prefix.len);
	memcpy(copy + prefix.len, data, len);
	copy[prefix.len + len] = '\0';
	bytes->data = copy;
	bytes->len = prefix.len + len;
	return true;
}

/* As HINCRBY reads it: in the one spelling. */
bool
redis_parse_number(const char *data, int len, int64 *out)
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

/* ---- scores, indexes and ids as points ------------------------------------- */

RedisPoint
redis_point_next(RedisPoint p)
{
	if (++p.lo == 0)
		p.hi++;
	return p;
}

RedisPoint
redis_point_prev(RedisPoint p)
{
	if (p.lo-- == 0)
		p.hi--;
	return p;
}

/* The bits of a double have its order, but for the sign. */
RedisPoint
redis_score_point(double score)
{
	RedisPoint	p = {0, 0};
	uint64		bits;

	if (score == 0)
		score = 0;				/* -0 is equal to 0, here and in Redis */
	memcpy(&bits, &score, sizeof(bits));
	p.lo = (bits & SIGN_BIT) ? ~bits : bits | SIGN_BIT;
	return p;
}

double
redis_point_score(RedisPoint p)
{
	uint64		bits = (p.lo & SIGN_BIT) ? p.lo & ~SIGN_BIT : ~p.lo;
	double		score;

	memcpy(&score, &bits, sizeof(score));
	return score;
}

static bool
parse_uint64(const char *data, int len, uint64 *out)
{
	uint64		n = 0;

	if (len == 0 || (len > 1 && data[0] == '0'))
		return false;
	for (int i = 0; i < len; i++)
	{
		uint64		digit = (unsigned char) data[i] - '0';

		if (digit > 9 || n > (PG_UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

/* Only the spelling that Redis itself uses: ms-seq. */
bool
redis_parse_id(const char *data, int len, RedisPoint *id)
{
	const char *dash = memchr(data, '-', len);

	return dash != NULL &&
		parse_uint64(data, dash - data, &id->hi) &&
		parse_uint64(dash + 1, len - (dash - data) - 1, &id->lo);
}

static RedisRange
id_universe(const ChColumn *col)
{
	RedisRange	r = {{0, 0}, {PG_UINT64_MAX, PG_UINT64_MAX}};

	/* an id whose time the column cannot hold is no match for any value */
	if (col->basetype == TIMESTAMPTZOID)
		r.to.hi = LAST_MS;
	else if (col->basetype == INT8OID)
		r.to.hi = PG_INT64_MAX;
	return r;
}

RedisRange
redis_universe(const ChColumn *col)
{
	RedisRange	r = {{0, 0}, {0, PG_INT64_MAX}};

	switch (col->kind)
	{
		case REDIS_SCORE:
			r.from = redis_score_point(-INFINITY);
			r.to = redis_score_point(INFINITY);
			return r;
		case REDIS_ID:
			return id_universe(col);
		default:
			break;
	}
	/* a position that the column cannot hold is no match for any value */
	if (col->basetype == INT2OID)
		r.to.lo = PG_INT16_MAX;
	else if (col->basetype == INT4OID)
		r.to.lo = PG_INT32_MAX;
	return r;
}

/*
 * Integers i with "i op x", cut to min..max, where x is floor plus something
 * below 1 unless exact.
 */
static bool
integer_range(ChCmpOp op, int64 floor, bool exact, int64 min, int64 max, int64 *from, int64 *to)
{
	*from = min;
	*to = max;
	switch (op)
	{
		case CH_EQ:
			if (!exact)
				return false;
			*from = Max(min, floor);
			*to = Min(max, floor);
			break;
		case CH_LT:
			if (exact && floor == PG_INT64_MIN)
				return false;
			*to = Min(max, exact ? floor - 1 : floor);
			break;
		case CH_LE:
			*to = Min(max, floor);
			break;
		case CH_GT:
			if (floor == PG_INT64_MAX)
				return false;
			*from = Max(min, floor + 1);
			break;
		case CH_GE:
			if (!exact && floor == PG_INT64_MAX)
				return false;
			*from = Max(min, exact ? floor : floor + 1);
			break;
		case CH_NE:
			break;				/* never asked for */
	}
	return *from <= *to;
}

static bool
index_range(ChCmpOp op, const ChValue *v, RedisRange *range)
{
	int64		from,
				to;

	if (!integer_range(op, v->u.i, true, 0, (int64) range->to.lo, &from, &to))
		return false;
	range->from.lo = from;
	range->to.lo = to;
	return true;
}

/* Microseconds since 2000 to milliseconds since 1970, rounded down. */
static int64
floor_ms(int64 us, bool *exact)
{
	int64		ms = us / 1000;

	*exact = us % 1000 == 0;
	if (us % 1000 < 0)
		ms--;
	return ms + MS_FROM_1970_TO_2000;
}

static bool
id_range(const ChColumn *col, ChCmpOp op, const ChValue *v, RedisRange *range)
{
	bool		exact = true;
	int64		floor,
				from,
				to;

	if (v->kind == CH_STRING)
	{
		if (!redis_parse_id(v->u.s.data, v->u.s.len, &range->from))
			return false;
		range->to = range->from;
		return true;
	}
	floor = v->kind == CH_INSTANT ? floor_ms(v->u.i, &exact) : v->u.i;
	if (!integer_range(op, floor, exact, 0, (int64) range->to.hi, &from, &to))
		return false;
	range->from.hi = from;
	range->to.hi = to;
	return true;
}

/* The doubles next to an integer that may be none. */
static void
doubles_around(int64 i, double *below, double *above)
{
	double		d = (double) i;
	bool		too_big = d >= 9223372036854775808.0;

	*below = *above = d;
	if (too_big || (int64) d > i)
		*below = nextafter(d, -INFINITY);
	else if ((int64) d < i)
		*above = nextafter(d, INFINITY);
}

static bool
score_range(ChCmpOp op, const ChValue *v, RedisRange *range)
{
	double		below,
				above;

	if (v->kind == CH_INT)
		doubles_around(v->u.i, &below, &above);
	else
		below = above = v->u.f;

	/* NaN is above every score, and no score is NaN */
	if (isnan(below))
		return op == CH_LT || op == CH_LE;
	switch (op)
	{
		case CH_EQ:
			range->from = redis_score_point(below);
			range->to = redis_score_point(above);
			return below == above;
		case CH_LT:
			range->to = redis_score_point(below);
			if (below != above)
				return true;
			/* not the point before: below 0 that would be -0 */
			range->to = redis_score_point(nextafter(below, -INFINITY));
			return below != -INFINITY;
		case CH_LE:
			range->to = redis_score_point(below);
			return true;
		case CH_GT:
			range->from = redis_score_point(above);
			if (below != above)
				return true;
			range->from = redis_score_point(nextafter(above, INFINITY));
			return above != INFINITY;
		case CH_GE:
			range->from = redis_score_point(above);
			return true;
		default:
			return true;
	}
}

bool
redis_range_of(const ChColumn *col, ChCmpOp op, const ChValue *v, RedisRange *range)
{
	*range = redis_universe(col);
	switch (col->kind)
	{
		case REDIS_SCORE:
			return score_range(op, v, range);
		case REDIS_ID:
			return id_range(col, op, v, range);
		default:
			return index_range(op, v, range);
	}
}

/* ---- from Redis ---------------------------------------------------------------- */

ChValue
redis_untyped(const char *data, size_t len)
{
	ChValue		v = ch_string(data, (int) len);

	v.kind = CH_UNTYPED;
	return v;
}

/* ms: the answer of PTTL, -1 for a key that does not expire. */
void
redis_ttl_value(const ChColumn *col, int64 ms, ChValue *v)
{
	char	   *text;
	int64		us;

	memset(v, 0, sizeof(*v));
	if (ms < 0)
		return;					/* CH_NULL */
	switch (col->basetype)
	{
		case INTERVALOID:
			if (pg_mul_s64_overflow(ms, 1000, &us))
			{
				/* a kind that no interval is made of: it is a mismatch */
				v->kind = CH_INT;
				v->remote_type = "time to live in ms";
				v->u.i = ms;
				break;
			}
			v->kind = CH_INTERVAL;
			v->u.interval.time = us;
			break;
		case FLOAT8OID:
			v->kind = CH_FLOAT;
			v->u.f = ms / 1000.0;
			break;
		case NUMERICOID:
			text = psprintf(INT64_FORMAT ".%03d", ms / 1000, (int) (ms % 1000));
			*v = redis_untyped(text, strlen(text));
			break;
		default:
			v->kind = CH_INT;
			v->u.i = ms / 1000 + (ms % 1000 >= 500);	/* rounded as TTL does */
			break;
	}
}

void
redis_id_value(const ChColumn *col, const char *data, int len, ChValue *v)
{
	RedisPoint	id;

	*v = ch_string(data, len);
	v->remote_type = "stream id";
	if (col->basetype != TIMESTAMPTZOID && col->basetype != INT8OID)
		return;
	if (!redis_parse_id(data, len, &id) || id.hi > redis_universe(col).to.hi)
		return;					/* as a string it is a mismatch */
	if (col->basetype == INT8OID)
	{
		v->kind = CH_INT;
		v->u.i = (int64) id.hi;
	}
	else
	{
		v->kind = CH_INSTANT;
		v->u.i = ((int64) id.hi - MS_FROM_1970_TO_2000) * 1000;
	}
}

/* The other way round: the first part of an id, for the second Redis counts. */
RedisBytes
redis_id_of(const ChColumn *col, const ChValue *v)
{
	bool		exact = true;
	int64		ms;
	char	   *text;

	if (v->kind == CH_INSTANT && TIMESTAMP_NOT_FINITE(v->u.i))
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "The id of an entry is no infinite time.", NULL);
	ms = v->kind == CH_INSTANT ? floor_ms(v->u.i, &exact) : v->u.i;
	if (!exact)
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "The id of an entry has milliseconds, this time has microseconds.",
						"Use date_trunc('milliseconds', ...), or leave the column out for the server's time.");
	if (ms < 0)
		ch_refuse_value(col, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "The id of an entry is no time before 1970.", NULL);
	text = psprintf(INT64_FORMAT "-*", ms);
	return (RedisBytes) {text, strlen(text)};
}

/* ---- messages -------------------------------------------------------------------- */

#define PRINTABLE_MAX 100

char *
redis_printable(const char *data, int len)
{
	StringInfoData buf;
	bool		valid = pg_verify_mbstr(GetDatabaseEncoding(), data, len, true);
	int			shown = Min(len, PRINTABLE_MAX);

	if (valid && len > PRINTABLE_MAX)
		shown = pg_mbcliplen(data, len, PRINTABLE_MAX);
	initStringInfo(&buf);
	for (int i = 0; i < shown; i++)
	{
		unsigned char c = data[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !valid))
			appendStringInfo(&buf, "\\x%02x", c);
		else
			appendStringInfoChar(&buf, c);
	}
	if (shown < len)
		appendStringInfoString(&buf, "...");
	return buf.data;
}
