/*
 * json.c
 *	  Read an answer in JSON: InfluxQL as 2.x sends it, SQL as 3.x does.
 *
 * InfluxQL's answer is one document a chunk (msgpack.c shows its form), each
 * on a line; SQL's is one object a row, each on a line.  So the unit is the
 * line.  PostgreSQL's parser calls back for every token and gives a number as
 * its text, which keeps an int64 exact and takes a float of any size; a
 * library that chooses between integer and double by the look of a number
 * fails on 100000000000000000000, a float's usual form here.
 */
#include "postgres.h"

#include <math.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "fdw/influxdb/influxdb.h"

#define BATCH_KEPT		(2 * 1024 * 1024)

typedef struct Series
{
	int			statement;
	char	   *name;
	int			ncolumns;
	int			size;			/* allocated of columns */
	const char **columns;
	int			ntags;
	int			tags_size;
	const char **tags;
	ChValue    *tag_values;
} Series;

typedef struct Row
{
	Series	   *series;
	int			nvalues;
	ChValue    *values;
} Row;

typedef struct Decoder
{
	InfluxAnswer *answer;
	MemoryContext batch;		/* what one line gave */

	/* while a line is parsed */
	int			depth;			/* of objects and lists */
	char	   *key[8];			/* the last key at each depth */
	bool		in_columns;		/* below that key of a series */
	bool		in_values;
	bool		in_tags;
	Series	   *series;
	Row		   *row;
	int			size;			/* allocated of row->values */

	/* rows of the line, and the next to hand out */
	int			nrows;
	int			rows_size;
	int			next;
	Row		   *rows;
	size_t		searched;		/* of the unread bytes: no newline in them */

	/* of SQL */
	int			ncolumns;
	const char **columns;
} Decoder;

/* ---- tokens to values -------------------------------------------------- */

/*
 * By its look; influx_next knows which fields are floats, whose whole numbers
 * look like integers.
 */
static void
set_number(ChValue *v, const char *text)
{
	char	   *end;
	int64		i;

	/* "-0" is a float: as an integer it would lose its sign. */
	errno = 0;
	if (strpbrk(text, ".eE") == NULL && strcmp(text, "-0") != 0)
	{
		i = strtoll(text, &end, 10);
		if (errno == 0 && *end == '\0')
		{
			v->kind = CH_INT;
			v->u.i = i;
		}
		else
		{
			*v = ch_string(text, strlen(text));
			v->kind = CH_DECIMAL;
		}
		return;
	}
	v->kind = CH_FLOAT;
	v->u.f = strtod(text, NULL);
}

static void
set_value(ChValue *v, char *token, JsonTokenType type)
{
	memset(v, 0, sizeof(*v));
	switch (type)
	{
		case JSON_TOKEN_STRING:
			*v = ch_string(token, strlen(token));
			break;
		case JSON_TOKEN_NUMBER:
			set_number(v, token);
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			v->kind = CH_BOOL;
			v->u.b = type == JSON_TOKEN_TRUE;
			break;
		default:
			break;
	}
}

/* ---- InfluxQL: what the parser calls ----------------------------------- */

static const char *
key_at(const Decoder *d, int depth)
{
	return d->key[depth] ? d->key[depth] : "";
}

static bool
at(const Decoder *d, int depth, const char *key)
{
	return d->depth == depth && strcmp(key_at(d, depth), key) == 0;
}

/* Inside a row: a list in the list of values of a series. */
static bool
in_row(const Decoder *d)
{
	return d->depth == 7 && d->in_values;
}

static void
enter(Decoder *d)
{
	d->depth++;
	if (d->depth < lengthof(d->key))
		d->key[d->depth] = NULL;
}

static CH_JSON_ACTION
object_start(void *state)
{
	Decoder    *d = state;

	enter(d);
	if (d->depth == 5)
	{
		d->series = palloc0(sizeof(Series));
		d->series->statement = d->answer->statement;
	}
	return CH_JSON_DONE;
}

static CH_JSON_ACTION
object_end(void *state)
{
	((Decoder *) state)->depth--;
	return CH_JSON_DONE;
}

static void
new_row(Decoder *d)
{
	Row		   *row;

	if (d->nrows == d->rows_size)
	{
		d->rows_size = Max(1024, d->rows_size * 2);
		d->rows = d->rows ? repalloc_huge(d->rows, d->rows_size * sizeof(Row)) : palloc(d->rows_size * sizeof(Row));
	}
	row = &d->rows[d->nrows++];
	row->series = d->series;
	row->nvalues = 0;
	row->values = palloc(sizeof(ChValue) * Max(d->size, 1));
	d->row = row;
}

static CH_JSON_ACTION
array_start(void *state)
{
	Decoder    *d = state;

	enter(d);
	if (in_row(d))
	{
		d->size = d->series->ncolumns;
		new_row(d);
	}
	return CH_JSON_DONE;
}

static CH_JSON_ACTION
array_end(void *state)
{
	Decoder    *d = state;

	if (in_row(d) && d->row->nvalues != d->series->ncolumns)
		influx_garbled(d->answer, "a row with another number of values than there are columns");
	d->depth--;
	return CH_JSON_DONE;
}

static CH_JSON_ACTION
field_start(void *state, char *name, bool isnull)
{
	Decoder    *d = state;

	bool		of_series;

	if (d->depth < lengthof(d->key))
		d->key[d->depth] = name;
	if (d->depth > 5)
		return CH_JSON_DONE;
	of_series = d->depth == 5 && strcmp(key_at(d, 1), "results") == 0 && strcmp(key_at(d, 3), "series") == 0;
	d->in_columns = of_series && strcmp(name, "columns") == 0;
	d->in_values = of_series && strcmp(name, "values") == 0;
	d->in_tags = of_series && strcmp(name, "tags") == 0;
	return CH_JSON_DONE;
}

static void
add_column(Series *s, char *name)
{
	if (s->ncolumns == s->size)
	{
		s->size = Max(16, s->size * 2);
		s->columns = s->columns ? repalloc(s->columns, s->size * sizeof(char *)) : palloc(s->size * sizeof(char *));
	}
	s->columns[s->ncolumns++] = name;
}

static void
add_tag(Series *s, const char *name, const char *value)
{
	if (s->ntags == s->tags_size)
	{
		s->tags_size = Max(8, s->tags_size * 2);
		s->tags = s->tags ? repalloc(s->tags, s->tags_size * sizeof(char *)) : palloc(s->tags_size * sizeof(char *));
		s->tag_values = s->tag_values ? repalloc(s->tag_values, s->tags_size * sizeof(ChValue))
			: palloc(s->tags_size * sizeof(ChValue));
	}
	s->tags[s->ntags] = name;
	s->tag_values[s->ntags++] = ch_string(value, strlen(value));
}

/* The message of an error: {"error": m}, in a result too, or 2.x's {"code": c, "message": m}. */
static bool
is_error(const Decoder *d)
{
	return at(d, 1, "error") || at(d, 1, "message") || at(d, 3, "error");
}

static CH_JSON_ACTION
scalar(void *state, char *token, JsonTokenType type)
{
	Decoder    *d = state;

	if (in_row(d))
	{
		if (d->row->nvalues == d->series->ncolumns)
			influx_garbled(d->answer, "a row with more values than there are columns");
		set_value(&d->row->values[d->row->nvalues++], token, type);
	}
	else if (d->depth == 6 && d->in_columns)
		add_column(d->series, token);
	else if (d->depth == 6 && d->in_tags && type == JSON_TOKEN_STRING)
		add_tag(d->series, key_at(d, 6), token);
	else if (at(d, 5, "name"))
		d->series->name = token;
	else if (at(d, 3, "statement_id"))
		influx_begin_result(d->answer, atoi(token));
	else if ((at(d, 3, "partial") || at(d, 5, "partial")) && type == JSON_TOKEN_TRUE)
		d->answer->partial = true;
	else if (is_error(d) && type == JSON_TOKEN_STRING)
		influx_refused(d->answer, token);
	return CH_JSON_DONE;
}

/* ---- SQL: what the parser calls ---------------------------------------- */

static CH_JSON_ACTION
line_start(void *state)
{
	Decoder    *d = state;

	enter(d);
	if (d->depth == 1)
	{
		d->size = d->ncolumns;
		new_row(d);
		d->row->nvalues = d->ncolumns;
		memset(d->row->values, 0, sizeof(ChValue) * d->ncolumns);
	}
	return CH_JSON_DONE;
}

/* A column that is NULL may be left out of the object. */
static CH_JSON_ACTION
line_scalar(void *state, char *token, JsonTokenType type)
{
	Decoder    *d = state;

	bool		known = false;

	for (int i = 0; i < d->ncolumns; i++)
		if (at(d, 1, d->columns[i]))
		{
			set_value(&d->row->values[i], token, type);
			known = true;
		}
	if (!known && is_error(d) && type == JSON_TOKEN_STRING)
		influx_refused(d->answer, token);
	return CH_JSON_DONE;
}

/* ---- lines ------------------------------------------------------------- */

static void
parse_line(Decoder *d, char *line, int len, const JsonSemAction *actions)
{
	MemoryContext old;
	JsonLexContext *lexer;
	JsonSemAction sem = *actions;
	JsonParseErrorType error;

	MemoryContextReset(d->batch);
	old = MemoryContextSwitchTo(d->batch);
	d->nrows = d->next = d->rows_size = 0;
	d->rows = NULL;
	d->depth = 0;
	d->in_columns = d->in_values = d->in_tags = false;
	lexer = ch_json_lexer(line, len);
	sem.semstate = d;
	error = pg_parse_json(lexer, &sem);
	/* JSON has no infinity, which a sum of floats may come to */
	if (error != JSON_SUCCESS && len < 1000 && strstr(pnstrdup(line, len), "unsupported value: "))
		float_overflow_error();
	if (error != JSON_SUCCESS)
		influx_garbled(d->answer, psprintf("no JSON: %s", json_errdetail(error, lexer)));
	MemoryContextSwitchTo(old);
}

/* The next line; false at the end of the answer, or if it is blocked. It stays in the client's buffer. */
static bool
next_line(Decoder *d, char **line, int *len)
{
	ChHttp	   *http = d->answer->http;

	for (;;)
	{
		char	   *start = http->data + http->pos;
		size_t		unread = http->len - http->pos;
		char	   *end = memchr(start + d->searched, '\n', unread - d->searched);

		*line = start;
		if (end != NULL)
		{
			*len = (int) (end - start);
			http->pos += *len + 1;
			d->searched = 0;
			return true;
		}
		d->searched = unread;
		if (influx_more(d->answer))
			continue;
		if (d->answer->blocked)
			return false;
		*line = http->data + http->pos;
		*len = (int) unread;
		http->pos = http->len;
		d->searched = 0;
		return *len > 0;
	}
}

static bool
read_lines(Decoder *d, const JsonSemAction *actions)
{
	InfluxAnswer *a = d->answer;
	char	   *line;
	int			len;
	Row		   *row;

	while (d->next == d->nrows)
	{
		if (!next_line(d, &line, &len))
			return false;
		if (len > 0 && line[0] != '\r')
			parse_line(d, line, len, actions);
	}
	row = &d->rows[d->next++];
	a->values = row->values;
	a->ncolumns = row->nvalues;
	if (row->series)
	{
		a->series = row->series->name;
		a->columns = row->series->columns;
		a->ntags = row->series->ntags;
		a->tags = row->series->tags;
		a->tag_values = row->series->tag_values;
		/* Rows come after the line is parsed: the number is the row's. */
		a->statement = row->series->statement;
	}
	return true;
}

static bool
read_json(InfluxAnswer *a)
{
	static const JsonSemAction actions = {
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = field_start,
		.scalar = scalar,
	};

	return read_lines(a->decoder, &actions);
}

static bool
read_json_lines(InfluxAnswer *a)
{
	static const JsonSemAction actions = {
		.object_start = line_start,
		.object_end = object_end,
		.object_field_start = field_start,
		.scalar = line_scalar,
	};

	return read_lines(a->decoder, &actions);
}

static Decoder *
make_decoder(InfluxAnswer *a)
{
	Decoder    *d = MemoryContextAllocZero(a->cxt, sizeof(Decoder));

	d->answer = a;
	/* What the context keeps when it is reset is enough for most batches. */
	d->batch = AllocSetContextCreate(a->cxt, "InfluxDB batch", BATCH_KEPT, BATCH_KEPT, 4 * BATCH_KEPT);
	a->decoder = d;
	return d;
}

void
influx_read_json(InfluxAnswer *a)
{
	make_decoder(a);
	a->read = read_json;
}

void
influx_read_json_lines(InfluxAnswer *a)
{
	make_decoder(a);
	a->read = read_json_lines;
}

void
influx_expect_columns(InfluxAnswer *a, int ncolumns, const char **columns)
{
	Decoder    *d = a->decoder;

	d->ncolumns = ncolumns;
	d->columns = columns;
}
