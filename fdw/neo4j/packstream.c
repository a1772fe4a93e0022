/*
 * packstream.c
 *	  How do bytes of Neo4j's messages become values, and values bytes?
 *
 * The reader trusts nothing: it is what stands between a broken or hostile
 * server and the backend.  It neither raises errors nor reads past the bytes
 * that arrived, and test/fuzz/packstream_fuzz.c runs it on mutated messages.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fdw/neo4j/packstream.h"

/* Markers; "tiny" ones have the size or the value in their low four bits. */
#define TINY_STRING		0x80
#define TINY_LIST		0x90
#define TINY_MAP		0xA0
#define TINY_STRUCT		0xB0
#define MARK_NULL		0xC0
#define MARK_FLOAT		0xC1
#define MARK_FALSE		0xC2
#define MARK_TRUE		0xC3
#define MARK_INT8		0xC8
#define MARK_INT16		0xC9
#define MARK_INT32		0xCA
#define MARK_INT64		0xCB
#define MARK_BYTES8		0xCC
#define MARK_STRING8	0xD0
#define MARK_LIST8		0xD4
#define MARK_MAP8		0xD8
#define LOWEST_TINY_INT	0xF0	/* -16 */

static bool unpack(PackReader *r, ChValue *v, int depth);

static bool
refuse(PackReader *r, const char *why)
{
	r->error = why;
	return false;
}

static inline size_t
left(const PackReader *r)
{
	return r->end - r->at;
}

/* An unsigned big-endian number of 1, 2, 4 or 8 bytes. */
static bool
take_number(PackReader *r, int bytes, uint64 *number)
{
	uint64		n = 0;

	if (left(r) < bytes)
		return refuse(r, "the message ends inside a value");
	for (int i = 0; i < bytes; i++)
		n = n << 8 | r->at[i];
	r->at += bytes;
	*number = n;
	return true;
}

/*
 * The size behind a marker: in its low bits when it is tiny, else in 1, 2 or 4
 * bytes for first, first + 1, first + 2.  each is the least number of bytes
 * that one item takes.
 */
static bool
take_size(PackReader *r, uint8 marker, uint8 tiny, uint8 first, int each, uint32 *size)
{
	uint64		n = marker & 0x0F;

	if ((marker & 0xF0) != tiny && !take_number(r, 1 << (marker - first), &n))
		return false;
	if (n > left(r) / each)
		return refuse(r, "a size is larger than the message");
	*size = (uint32) n;
	return true;
}

static bool
take_integer(PackReader *r, uint8 marker, ChValue *v)
{
	uint64		n;

	if (!take_number(r, 1 << (marker - MARK_INT8), &n))
		return false;
	switch (marker)
	{
		case MARK_INT8:
			v->u.i = (int8) n;
			break;
		case MARK_INT16:
			v->u.i = (int16) n;
			break;
		case MARK_INT32:
			v->u.i = (int32) n;
			break;
		default:
			v->u.i = (int64) n;
	}
	v->kind = CH_INT;
	v->remote_type = "INTEGER";
	return true;
}

static bool
take_float(PackReader *r, ChValue *v)
{
	uint64		bits;

	if (!take_number(r, 8, &bits))
		return false;
	memcpy(&v->u.f, &bits, sizeof(v->u.f));
	v->kind = CH_FLOAT;
	v->remote_type = "FLOAT";
	return true;
}

static bool
take_string(PackReader *r, uint32 size, ChValueKind kind, ChValue *v)
{
	v->kind = kind;
	v->remote_type = kind == CH_STRING ? "STRING" : "BYTES";
	v->u.s.data = (const char *) r->at;
	v->u.s.len = size;
	r->at += size;
	return true;
}

/*
 * Room for n items, or NULL when that is more than palloc gives, or more than
 * the message holds: an item takes a byte at least, in whichever list it is.
 */
static void *
room_for(PackReader *r, uint32 n, size_t each)
{
	if (n > r->budget || n > MaxAllocSize / each)
	{
		r->error = "a list or map has too many items";
		return NULL;
	}
	r->budget -= n;
	return palloc(Max(n, 1) * each);
}

static bool
take_list(PackReader *r, uint32 n, ChValue *v, int depth)
{
	ChValue    *items = room_for(r, n, sizeof(ChValue));

	if (items == NULL)
		return false;
	for (uint32 i = 0; i < n; i++)
		if (!unpack(r, &items[i], depth + 1))
			return false;
	v->kind = CH_LIST;
	v->remote_type = "LIST";
	v->u.list.n = n;
	v->u.list.items = items;
	return true;
}

static bool
take_map(PackReader *r, uint32 n, ChValue *v, int depth)
{
	ChMember   *members = room_for(r, n, sizeof(ChMember));

	if (members == NULL)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		ChValue		key;

		if (!unpack(r, &key, depth + 1))
			return false;
		if (key.kind != CH_STRING)
			return refuse(r, "the key of a map is no string");
		members[i].key = key.u.s.data;
		members[i].keylen = key.u.s.len;
		if (!unpack(r, &members[i].value, depth + 1))
			return false;
	}
	v->kind = CH_MAP;
	v->remote_type = "MAP";
	v->u.map.n = n;
	v->u.map.members = members;
	return true;
}

static bool
take_struct(PackReader *r, uint32 n, ChValue *v, int depth)
{
	ChValue		fields[PACKSTREAM_MAX_FIELDS];
	uint64		tag;
	const char *why;

	if (!take_number(r, 1, &tag))
		return false;
	for (uint32 i = 0; i < n; i++)
		if (!unpack(r, &fields[i], depth + 1))
			return false;
	why = neo4j_structure((uint8) tag, n, fields, v);
	return why ? refuse(r, why) : true;
}

/* Values whose marker is 0xC0 to 0xDA and has no size of its own in it. */
static bool
unpack_marked(PackReader *r, uint8 marker, ChValue *v, int depth)
{
	uint32		n;

	switch (marker)
	{
		case MARK_NULL:
			v->kind = CH_NULL;
			return true;
		case MARK_FLOAT:
			return take_float(r, v);
		case MARK_FALSE:
		case MARK_TRUE:
			v->kind = CH_BOOL;
			v->remote_type = "BOOLEAN";
			v->u.b = marker == MARK_TRUE;
			return true;
		case MARK_INT8:
		case MARK_INT16:
		case MARK_INT32:
		case MARK_INT64:
			return take_integer(r, marker, v);
		case MARK_BYTES8:
		case MARK_BYTES8 + 1:
		case MARK_BYTES8 + 2:
			return take_size(r, marker, TINY_STRING, MARK_BYTES8, 1, &n) && take_string(r, n, CH_BYTES, v);
		case MARK_STRING8:
		case MARK_STRING8 + 1:
		case MARK_STRING8 + 2:
			return take_size(r, marker, TINY_STRING, MARK_STRING8, 1, &n) && take_string(r, n, CH_STRING, v);
		case MARK_LIST8:
		case MARK_LIST8 + 1:
		case MARK_LIST8 + 2:
			return take_size(r, marker, TINY_LIST, MARK_LIST8, 1, &n) && take_list(r, n, v, depth);
		case MARK_MAP8:
		case MARK_MAP8 + 1:
		case MARK_MAP8 + 2:
			return take_size(r, marker, TINY_MAP, MARK_MAP8, 2, &n) && take_map(r, n, v, depth);
		default:
			return refuse(r, "unknown marker of a value");
	}
}

static bool
unpack(PackReader *r, ChValue *v, int depth)
{
	uint8		marker;
	uint32		n = 0;

	if (depth > PACKSTREAM_MAX_DEPTH)
		return refuse(r, "values are nested too deeply");
	if (r->at >= r->end)
		return refuse(r, "the message ends inside a value");
	marker = *r->at++;
	v->remote_type = NULL;
	if (marker < TINY_STRING || marker >= LOWEST_TINY_INT)
	{
		v->kind = CH_INT;
		v->remote_type = "INTEGER";
		v->u.i = (int8) marker;
		return true;
	}
	switch (marker & 0xF0)
	{
		case TINY_STRING:
			return take_size(r, marker, TINY_STRING, 0, 1, &n) && take_string(r, n, CH_STRING, v);
		case TINY_LIST:
			return take_size(r, marker, TINY_LIST, 0, 1, &n) && take_list(r, n, v, depth);
		case TINY_MAP:
			return take_size(r, marker, TINY_MAP, 0, 2, &n) && take_map(r, n, v, depth);
		case TINY_STRUCT:
			return take_size(r, marker, TINY_STRUCT, 0, 1, &n) && take_struct(r, n, v, depth);
		default:
			return unpack_marked(r, marker, v, depth);
	}
}

bool
neo4j_unpack(PackReader *r, ChValue *v)
{
	r->budget = left(r);
	return unpack(r, v, 0);
}

bool
neo4j_unpack_list(PackReader *r, uint32 *n)
{
	uint64		marker;

	if (!take_number(r, 1, &marker))
		return false;
	if ((marker & 0xF0) != TINY_LIST && (marker < MARK_LIST8 || marker > MARK_LIST8 + 2))
		return refuse(r, "a list was expected");
	return take_size(r, (uint8) marker, TINY_LIST, MARK_LIST8, 1, n);
}

bool
neo4j_unpack_struct(PackReader *r, uint8 *tag, uint32 *n)
{
	uint64		marker;
	uint64		byte;

	if (!take_number(r, 1, &marker))
		return false;
	if ((marker & 0xF0) != TINY_STRUCT)
		return refuse(r, "a structure was expected");
	if (!take_number(r, 1, &byte))
		return false;
	*tag = (uint8) byte;
	*n = marker & 0x0F;
	return true;
}

const ChValue *
neo4j_member(const ChValue *map, const char *key)
{
	int			len = strlen(key);

	if (map == NULL || map->kind != CH_MAP)
		return NULL;
	for (int i = 0; i < map->u.map.n; i++)
	{
		const ChMember *m = &map->u.map.members[i];

		if (m->keylen == len && memcmp(m->key, key, len) == 0)
			return &m->value;
	}
	return NULL;
}

/* ---- writing ------------------------------------------------------------- */

static void
put_number(StringInfo out, uint8 marker, uint64 number, int bytes)
{
	uint8		buf[9];

	buf[0] = marker;
	for (int i = bytes; i > 0; i--)
	{
		buf[i] = (uint8) number;
		number >>= 8;
	}
	appendBinaryStringInfo(out, (char *) buf, bytes + 1);
}

static void
put_size(StringInfo out, uint8 tiny, uint8 first, uint32 n)
{
	if (tiny != 0 && n < 16)
		put_number(out, tiny | n, 0, 0);
	else if (n <= 0xFF)
		put_number(out, first, n, 1);
	else if (n <= 0xFFFF)
		put_number(out, first + 1, n, 2);
	else
		put_number(out, first + 2, n, 4);
}

void
neo4j_pack_null(StringInfo out)
{
	put_number(out, MARK_NULL, 0, 0);
}

void
neo4j_pack_bool(StringInfo out, bool b)
{
	put_number(out, b ? MARK_TRUE : MARK_FALSE, 0, 0);
}

void
neo4j_pack_int(StringInfo out, int64 i)
{
	if (i >= -16 && i <= 127)
		put_number(out, (uint8) i, 0, 0);
	else if (i >= PG_INT8_MIN && i <= PG_INT8_MAX)
		put_number(out, MARK_INT8, i, 1);
	else if (i >= PG_INT16_MIN && i <= PG_INT16_MAX)
		put_number(out, MARK_INT16, i, 2);
	else if (i >= PG_INT32_MIN && i <= PG_INT32_MAX)
		put_number(out, MARK_INT32, i, 4);
	else
		put_number(out, MARK_INT64, i, 8);
}

void
neo4j_pack_float(StringInfo out, double f)
{
	uint64		bits;

	memcpy(&bits, &f, sizeof(bits));
	put_number(out, MARK_FLOAT, bits, 8);
}

void
neo4j_pack_string(StringInfo out, const char *data, uint32 len)
{
	put_size(out, TINY_STRING, MARK_STRING8, len);
	appendBinaryStringInfo(out, data, len);
}

void
neo4j_pack_text(StringInfo out, const char *text)
{
	neo4j_pack_string(out, text, strlen(text));
}

void
neo4j_pack_bytes(StringInfo out, const char *data, uint32 len)
{
	put_size(out, 0, MARK_BYTES8, len);
	appendBinaryStringInfo(out, data, len);
}

void
neo4j_pack_list(StringInfo out, uint32 n)
{
	put_size(out, TINY_LIST, MARK_LIST8, n);
}

void
neo4j_pack_map(StringInfo out, uint32 n)
{
	put_size(out, TINY_MAP, MARK_MAP8, n);
}

void
neo4j_pack_struct(StringInfo out, uint8 tag, int n)
{
	Assert(n <= PACKSTREAM_MAX_FIELDS);
	put_number(out, TINY_STRUCT | n, 0, 0);
	put_number(out, tag, 0, 0);
}
