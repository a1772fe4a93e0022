/*
 * msgpack.c
 *	  Read an InfluxQL answer in MessagePack, as InfluxDB 1.x sends it.
 *
 * An answer is a row of documents, one for each chunk:
 *
 *	  {"results": [{"statement_id": 0, "partial": true, "series": [{"name": ...,
 *	   "columns": [...], "values": [[...], ...], "partial": true}]}]}
 *
 * It is read in small steps, from the buffer of the HTTP client and without a
 * copy: a step that finds that its bytes have not all arrived is taken again
 * when there are more.  So the memory needed is that of one row, and not of
 * a chunk.
 *
 * The format is at https://github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "fdw/influxdb/influxdb.h"

#define MAX_COLUMNS		65535

/* What is still to be read at each level of the document. */
typedef struct Decoder
{
	int64		keys;			/* of the document */
	int64		results;
	int64		result_keys;
	int64		series;
	int64		series_keys;
	int64		rows;
	MemoryContext shape;		/* name and columns of the series */
	MemoryContext tags;			/* its tags */
} Decoder;

typedef struct Cursor
{
	InfluxAnswer *answer;
	const unsigned char *p;
	const unsigned char *end;
} Cursor;

typedef enum Step
{
	SHORT,						/* needs more bytes */
	ON,							/* done, go on */
	ROW							/* a row is there */
} Step;

/* ---- values ------------------------------------------------------------ */

/* The n bytes at the cursor as an unsigned number, high byte first. */
static bool
take_number(Cursor *c, int n, uint64 *out)
{
	if (c->end - c->p < n)
		return false;
	*out = 0;
	while (n-- > 0)
		*out = *out << 8 | *c->p++;
	return true;
}

static bool
take_bytes(Cursor *c, uint64 n, ChValue *v)
{
	if (n > MaxAllocSize)
		influx_garbled(c->answer, "a string of more than 1 GB");
	if ((uint64) (c->end - c->p) < n)
		return false;
	*v = ch_string((const char *) c->p, (int) n);
	c->p += n;
	return true;
}

static void
set_int(ChValue *v, int64 i)
{
	v->kind = CH_INT;
	v->remote_type = "integer";
	v->u.i = i;
}

/* An unsigned number that no int64 holds becomes decimal text. */
static void
set_unsigned(ChValue *v, uint64 u)
{
	char	   *text;

	if (u <= (uint64) PG_INT64_MAX)
	{
		set_int(v, (int64) u);
		return;
	}
	text = psprintf(UINT64_FORMAT, u);
	*v = ch_string(text, strlen(text));
	v->kind = CH_DECIMAL;
	v->remote_type = "unsigned";
}

static void
set_float(ChValue *v, double f)
{
	v->kind = CH_FLOAT;
	v->u.f = f;
}

static double
double_of(uint64 bits)
{
	double		f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static double
single_of(uint64 bits)
{
	uint32		low = (uint32) bits;
	float		f;

	memcpy(&f, &low, sizeof(f));
	return f;
}

/* Everything that is neither list nor map; false if bytes are missing. */
static bool
take_value(Cursor *c, ChValue *v)
{
	uint64		u;
	unsigned char tag;

	if (c->p == c->end)
		return false;
	tag = *c->p++;
	memset(v, 0, sizeof(*v));
	if (tag <= 0x7f)
	{
		set_int(v, tag);
		return true;
	}
	if (tag >= 0xe0)
	{
		set_int(v, (int8) tag);
		return true;
	}
	if (tag >= 0xa0 && tag <= 0xbf)
		return take_bytes(c, tag & 0x1f, v);
	switch (tag)
	{
		case 0xc0:
			return true;
		case 0xc2:
		case 0xc3:
			v->kind = CH_BOOL;
			v->u.b = tag == 0xc3;
			return true;
		case 0xca:
			if (!take_number(c, 4, &u))
				return false;
			set_float(v, single_of(u));
			return true;
		case 0xcb:
			if (!take_number(c, 8, &u))
				return false;
			set_float(v, double_of(u));
			return true;
		case 0xcc:				/* unsigned of 1, 2, 4, 8 bytes */
		case 0xcd:
		case 0xce:
		case 0xcf:
			if (!take_number(c, 1 << (tag - 0xcc), &u))
				return false;
			set_unsigned(v, u);
			return true;
		case 0xd0:				/* signed */
			if (!take_number(c, 1, &u))
				return false;
			set_int(v, (int8) u);
			return true;
		case 0xd1:
			if (!take_number(c, 2, &u))
				return false;
			set_int(v, (int16) u);
			return true;
		case 0xd2:
			if (!take_number(c, 4, &u))
				return false;
			set_int(v, (int32) u);
			return true;
		case 0xd3:
			if (!take_number(c, 8, &u))
				return false;
			set_int(v, (int64) u);
			return true;
		case 0xc4:				/* bytes and strings, by length of the length */
		case 0xc5:
		case 0xc6:
			return take_number(c, 1 << (tag - 0xc4), &u) && take_bytes(c, u, v);
		case 0xd9:
		case 0xda:
		case 0xdb:
			return take_number(c, 1 << (tag - 0xd9), &u) && take_bytes(c, u, v);
		default:
			influx_garbled(c->answer, psprintf("MessagePack type 0x%02x where a value should be", tag));
	}
}

/* The header of a list (fixed 0x90, long 0xdc) or map (0x80, 0xde). */
static bool
take_header(Cursor *c, unsigned char fixed, unsigned char longer, int64 *n)
{
	unsigned char tag;
	uint64		u;

	if (c->p == c->end)
		return false;
	tag = *c->p++;
	if ((tag & 0xf0) == fixed)
		u = tag & 0x0f;
	else if (tag != longer && tag != longer + 1)
		influx_garbled(c->answer, psprintf("MessagePack type 0x%02x where a %s should be", tag,
										   fixed == 0x90 ? "list" : "map"));
	else if (!take_number(c, tag == longer ? 2 : 4, &u))
		return false;
	*n = (int64) u;
	return true;
}

static bool
take_list(Cursor *c, int64 *n)
{
	return take_header(c, 0x90, 0xdc, n);
}

static bool
take_map(Cursor *c, int64 *n)
{
	return take_header(c, 0x80, 0xde, n);
}

/* Pass over any value. */
static bool
skip(Cursor *c)
{
	ChValue		v;
	int64		n;
	unsigned char tag;

	check_stack_depth();
	if (c->p == c->end)
		return false;
	tag = *c->p;
	if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd)
	{
		if (!take_list(c, &n))
			return false;
	}
	else if ((tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf)
	{
		if (!take_map(c, &n))
			return false;
		n *= 2;
	}
	else
		return take_value(c, &v);
	while (n-- > 0)
		if (!skip(c))
			return false;
	return true;
}

static bool
take_string(Cursor *c, ChValue *v)
{
	if (!take_value(c, v))
		return false;
	if (v->kind != CH_STRING)
		influx_garbled(c->answer, "a key or name that is no string");
	return true;
}

static bool
is(const ChValue *key, const char *name)
{
	return key->u.s.len == strlen(name) && memcmp(key->u.s.data, name, key->u.s.len) == 0;
}

/* ---- steps ------------------------------------------------------------- */

static Step
step_row(Cursor *c, Decoder *d)
{
	InfluxAnswer *a = c->answer;
	int64		n;

	if (!take_list(c, &n))
		return SHORT;
	if (n != a->ncolumns)
		influx_garbled(a, "a row with another number of values than there are columns");
	for (int i = 0; i < n; i++)
		if (!take_value(c, &a->values[i]))
			return SHORT;
	d->rows--;
	return ROW;
}

/* Every chunk repeats the columns: they are copied when they change. */
static void
set_columns(InfluxAnswer *a, Decoder *d, ChValue *names, int n)
{
	bool		same = n == a->ncolumns;
	MemoryContext old;

	for (int i = 0; i < n && same; i++)
		same = is(&names[i], a->columns[i]);
	if (same)
		return;
	old = MemoryContextSwitchTo(d->shape);
	a->ncolumns = n;
	a->columns = palloc(sizeof(char *) * Max(n, 1));
	a->values = palloc0(sizeof(ChValue) * Max(n, 1));
	for (int i = 0; i < n; i++)
		a->columns[i] = pnstrdup(names[i].u.s.data, names[i].u.s.len);
	MemoryContextSwitchTo(old);
}

static Step
step_columns(Cursor *c, Decoder *d)
{
	ChValue    *names;
	int64		n;

	if (!take_list(c, &n))
		return SHORT;
	if (n > MAX_COLUMNS)
		influx_garbled(c->answer, "more columns than a measurement can have");
	names = palloc(sizeof(ChValue) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (!take_string(c, &names[i]))
			return SHORT;
	set_columns(c->answer, d, names, n);
	pfree(names);
	return ON;
}

static void
set_series(InfluxAnswer *a, Decoder *d, const ChValue *name)
{
	if (a->series && is(name, a->series))
		return;
	MemoryContextReset(d->shape);
	a->ncolumns = 0;
	a->series = MemoryContextStrdup(d->shape, pnstrdup(name->u.s.data, name->u.s.len));
}

/* {"tag": "value", ...}: all of it or nothing. */
static Step
step_tags(Cursor *c, Decoder *d)
{
	InfluxAnswer *a = c->answer;
	MemoryContext old;
	Step		done = ON;
	int64		n;

	if (!take_map(c, &n))
		return SHORT;
	if (n > MAX_COLUMNS)
		influx_garbled(a, "more tags than a measurement can have");
	MemoryContextReset(d->tags);
	old = MemoryContextSwitchTo(d->tags);
	a->tags = palloc(sizeof(char *) * Max(n, 1));
	a->tag_values = palloc(sizeof(ChValue) * Max(n, 1));
	for (int i = 0; i < n && done == ON; i++)
	{
		ChValue		key;
		ChValue    *v = &a->tag_values[i];

		if (!take_string(c, &key) || !take_string(c, v))
		{
			done = SHORT;
			continue;
		}
		a->tags[i] = pnstrdup(key.u.s.data, key.u.s.len);
		v->u.s.data = pnstrdup(v->u.s.data, v->u.s.len);
	}
	MemoryContextSwitchTo(old);
	a->ntags = done == ON ? (int) n : 0;
	return done;
}

static bool
take_partial(Cursor *c)
{
	ChValue		v;

	if (!take_value(c, &v))
		return false;
	if (v.kind == CH_BOOL && v.u.b)
		c->answer->partial = true;
	return true;
}

/* A key of a series; the decoder counts it before it is read. */
static Step
step_series_key(Cursor *c, Decoder *d)
{
	ChValue		key;
	ChValue		v;
	Step		step = ON;

	if (!take_string(c, &key))
		return SHORT;
	if (is(&key, "columns"))
		step = step_columns(c, d);
	else if (is(&key, "values"))
		step = take_list(c, &d->rows) ? ON : SHORT;
	else if (is(&key, "tags"))
		step = step_tags(c, d);
	else if (is(&key, "partial"))
		step = take_partial(c) ? ON : SHORT;
	else if (!is(&key, "name"))
		step = skip(c) ? ON : SHORT;
	else if (take_string(c, &v))
		set_series(c->answer, d, &v);
	else
		step = SHORT;
	if (step == ON)
		d->series_keys--;
	return step;
}

static Step
step_result_key(Cursor *c, Decoder *d)
{
	ChValue		key;
	ChValue		v;
	Step		step = ON;

	if (!take_string(c, &key))
		return SHORT;
	if (is(&key, "series"))
		step = take_list(c, &d->series) ? ON : SHORT;
	else if (is(&key, "partial"))
		step = take_partial(c) ? ON : SHORT;
	else if (is(&key, "messages"))
		step = skip(c) ? ON : SHORT;
	else if (!take_value(c, &v))
		step = SHORT;
	else if (is(&key, "statement_id") && v.kind == CH_INT)
		influx_begin_result(c->answer, (int) v.u.i);
	else if (is(&key, "error") && v.kind == CH_STRING)
		influx_refused(c->answer, pnstrdup(v.u.s.data, v.u.s.len));
	if (step == ON)
		d->result_keys--;
	return step;
}

static Step
step_key(Cursor *c, Decoder *d)
{
	ChValue		key;
	ChValue		v;
	Step		step = ON;

	if (!take_string(c, &key))
		return SHORT;
	if (is(&key, "results"))
		step = take_list(c, &d->results) ? ON : SHORT;
	else if (!is(&key, "error"))
		step = skip(c) ? ON : SHORT;
	else if (!take_string(c, &v))
		step = SHORT;
	else
		influx_refused(c->answer, pnstrdup(v.u.s.data, v.u.s.len));
	if (step == ON)
		d->keys--;
	return step;
}

/* A map of one of the lists begins. */
static Step
step_into(Cursor *c, int64 *left, int64 *keys)
{
	if (!take_map(c, keys))
		return SHORT;
	if (left)
		(*left)--;
	return ON;
}

static Step
step(Cursor *c, Decoder *d)
{
	if (d->rows > 0)
		return step_row(c, d);
	if (d->series_keys > 0)
		return step_series_key(c, d);
	if (d->series > 0)
	{
		c->answer->ntags = 0;
		return step_into(c, &d->series, &d->series_keys);
	}
	if (d->result_keys > 0)
		return step_result_key(c, d);
	if (d->results > 0)
		return step_into(c, &d->results, &d->result_keys);
	if (d->keys > 0)
		return step_key(c, d);
	return step_into(c, NULL, &d->keys);
}

static bool
inside_document(const Decoder *d)
{
	return d->rows || d->series_keys || d->series || d->result_keys || d->results || d->keys;
}

static bool
read_msgpack(InfluxAnswer *a)
{
	Decoder    *d = a->decoder;
	ChHttp	   *http = a->http;

	for (;;)
	{
		Cursor		c = {a, (unsigned char *) http->data + http->pos, (unsigned char *) http->data + http->len};
		Step		done = step(&c, d);

		if (done == SHORT)
		{
			if (influx_more(a))
				continue;
			if (a->blocked)
				return false;
			if (inside_document(d) || http->pos < http->len)
				influx_garbled(a, "the answer ends in the middle");
			return false;
		}
		http->pos = (char *) c.p - http->data;
		if (done == ROW)
			return true;
	}
}

void
influx_read_msgpack(InfluxAnswer *a)
{
	Decoder    *d = MemoryContextAllocZero(a->cxt, sizeof(Decoder));

	d->shape = AllocSetContextCreate(a->cxt, "InfluxDB series", ALLOCSET_SMALL_SIZES);
	d->tags = AllocSetContextCreate(a->cxt, "InfluxDB tags", ALLOCSET_SMALL_SIZES);
	a->decoder = d;
	a->read = read_msgpack;
}
