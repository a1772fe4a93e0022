/*
 * packstream_fuzz.c
 *	  Feeds broken Bolt messages to the reader that stands between a server and
 *	  the backend.  Whatever arrives, it must say yes or no: never read past
 *	  the bytes, never allocate far more than they are, never loop.
 *
 * As a program that mutates good messages, for a number of rounds:
 *
 *	  cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover -I. \
 *		 -I$(pg_config --includedir-server) \
 *		 test/fuzz/packstream_fuzz.c fdw/neo4j/{bolt,packstream,types}.c -o packstream_fuzz \
 *		 -L$(pg_config --libdir) -L$(pg_config --pkglibdir) -lpgcommon -lpgport
 *	  ./packstream_fuzz 1000000 [seed]
 *
 * For libFuzzer: the same with clang, -fsanitize=fuzzer,address,undefined and
 * -DUSE_LIBFUZZER.  A make target needs no more than these two lines.
 */
#include "postgres.h"

#include <unistd.h>

#include "fdw/neo4j/bolt.h"
#include "fdw/neo4j/types.h"

/* ---- memory: what a round allocated is freed at its end ----------------------- */

#define MAX_BLOCKS	100000

static void *blocks[MAX_BLOCKS];
static int	nblocks = 0;
static size_t allocated = 0;

void *
palloc(Size size)
{
	if (nblocks == MAX_BLOCKS)
		abort();
	allocated += size;
	return blocks[nblocks++] = malloc(Max(size, 1));
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	for (int i = nblocks - 1; i >= 0; i--)
		if (blocks[i] == pointer)
			return blocks[i] = realloc(pointer, size);
	abort();
}

void
pfree(void *pointer)
{
	for (int i = nblocks - 1; i >= 0; i--)
		if (blocks[i] == pointer)
		{
			free(pointer);
			blocks[i] = blocks[--nblocks];
			return;
		}
	abort();
}

static void
free_all(void)
{
	while (nblocks > 0)
		free(blocks[--nblocks]);
	allocated = 0;
}

/* ---- a stream that holds one input --------------------------------------------- */

struct ChStream
{
	const uint8 *at;
	const uint8 *end;
};

void
ch_fail(ChFailure *fail, ChFailKind kind, const char *fmt,...)
{
	fail->kind = kind;
}

ChStream *
ch_stream_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail)
{
	return NULL;
}

/* Sometimes fewer bytes than there are, as a socket gives them. */
ssize_t
ch_stream_read(ChStream *s, void *buf, size_t size, size_t min, int timeout_ms, ChFailure *fail)
{
	size_t		there = s->end - s->at;
	size_t		n = Min(size, there);

	if (there < min)
	{
		fail->kind = CH_FAIL_CLOSED;
		return -1;
	}
	if (n > min && there % 3 == 0)
		n = min;
	memcpy(buf, s->at, n);
	s->at += n;
	return n;
}

bool
ch_stream_write(ChStream *s, const void *buf, size_t size, int timeout_ms, ChFailure *fail)
{
	return true;
}

bool
ch_stream_alive(ChStream *s)
{
	return true;
}

void
ch_stream_close(ChStream *s)
{
}

/* ---- one input -------------------------------------------------------------------- */

/* Touch every byte that a value points to. */
static uint64
touch(const ChValue *v)
{
	uint64		sum = v->kind;

	switch (v->kind)
	{
		case CH_STRING:
		case CH_BYTES:
			for (int i = 0; i < v->u.s.len; i++)
				sum += (unsigned char) v->u.s.data[i];
			break;
		case CH_LIST:
			for (int i = 0; i < v->u.list.n; i++)
				sum += touch(&v->u.list.items[i]);
			break;
		case CH_MAP:
			for (int i = 0; i < v->u.map.n; i++)
			{
				for (int j = 0; j < v->u.map.members[i].keylen; j++)
					sum += (unsigned char) v->u.map.members[i].key[j];
				sum += touch(&v->u.map.members[i].value);
			}
			break;
		default:
			sum += v->u.i;
	}
	return sum;
}

static volatile uint64 sink;

static void
read_as_value(const uint8 *data, size_t size)
{
	PackReader	r = {.at = data,.end = data + size};
	ChValue		v;

	while (r.at < r.end && neo4j_unpack(&r, &v))
	{
		sink += touch(&v);
		free_all();
	}
	if (r.at > r.end || allocated > 1024 + size * 64)
		abort();
}

/* As the answers to three messages. */
static void
read_as_stream(const uint8 *data, size_t size)
{
	ChStream	stream = {.at = data,.end = data + size};
	BoltClient	c = {.stream = &stream,.owed = 3,.stale = size % 2,.size = 64};
	PackReader	body;
	ChFailure	fail;
	BoltAnswer	answer;

	c.buf = palloc(c.size);
	while ((answer = neo4j_bolt_next(&c, &body, &fail)) != BOLT_BROKEN)
	{
		uint32		n;
		ChValue		v;

		if (answer == BOLT_RECORD && neo4j_unpack_list(&body, &n))
			while (n-- > 0 && neo4j_unpack(&body, &v))
				sink += touch(&v);
		if (answer == BOLT_SUCCESS)
			sink += neo4j_bolt_has_more(&body);
	}
}

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	/* a copy of the exact size, so that a byte too far is seen */
	uint8	   *copy = malloc(Max(size, 1));

	memcpy(copy, data, size);
	read_as_value(copy, size);
	free_all();
	read_as_stream(copy, size);
	free_all();
	free(copy);
	return 0;
}

#ifndef USE_LIBFUZZER

/* ---- mutations ------------------------------------------------------------------------ */

static uint64 state;

static uint32
dice(uint32 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32) (state >> 16) % n;
}

static void
put_chunked(StringInfo out, const StringInfoData *message)
{
	int			done = 0;

	while (done < message->len)
	{
		int			n = Min(message->len - done, 1 + (int) dice(40));
		char		head[2] = {(char) (n >> 8), (char) n};

		appendBinaryStringInfo(out, head, 2);
		appendBinaryStringInfo(out, message->data + done, n);
		done += n;
	}
	appendBinaryStringInfo(out, "\0\0", 2);
}

/* A structure with integers, and lists and maps where nodes have them. */
static void
put_structure(StringInfo out)
{
	static const char tags[] = "NRrPXYDTtdIiFEQ";

	neo4j_pack_struct(out, tags[dice(sizeof(tags) - 1)], 1 + dice(8));
	neo4j_pack_int(out, dice(2) ? dice(100) : (int64) state);
	neo4j_pack_int(out, dice(1000000000));
	neo4j_pack_map(out, 1);
	neo4j_pack_text(out, "key");
	neo4j_pack_float(out, 1.5);
	neo4j_pack_int(out, dice(7));
	neo4j_pack_list(out, 2);
	neo4j_pack_text(out, "item");
	neo4j_pack_null(out);
}

static void
make_seed(StringInfo out)
{
	StringInfoData message;

	initStringInfo(&message);
	neo4j_pack_struct(&message, dice(4) ? BOLT_RECORD : BOLT_SUCCESS, 1);
	neo4j_pack_list(&message, 4);
	neo4j_pack_string(&message, "a string that is longer than sixteen bytes", 42);
	neo4j_pack_int(&message, (int64) state);
	neo4j_pack_bytes(&message, "bytes", 5);
	put_structure(&message);
	put_chunked(out, &message);
	resetStringInfo(&message);
	neo4j_pack_struct(&message, dice(2) ? BOLT_FAILURE : BOLT_SUCCESS, 1);
	neo4j_pack_map(&message, 2);
	neo4j_pack_text(&message, "code");
	neo4j_pack_text(&message, "Neo.ClientError");
	neo4j_pack_text(&message, "has_more");
	neo4j_pack_bool(&message, true);
	put_chunked(out, &message);
	if (dice(2))
		appendBinaryStringInfo(out, message.data, message.len);
}

static void
mutate(StringInfo s)
{
	static const uint8 odd[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xAF, 0xB0, 0xBF, 0xC0, 0xC1, 0xCB, 0xCE, 0xD2, 0xD6, 0xDA, 0xDF, 0xF0, 0xFF};
	int			at = dice(s->len);

	switch (dice(5))
	{
		case 0:
			s->data[at] = (char) odd[dice(lengthof(odd))];
			break;
		case 1:
			s->data[at] ^= 1 << dice(8);
			break;
		case 2:
			s->len = at + 1;
			break;
		case 3:
			memmove(s->data + at, s->data + at + 1, s->len - at - 1);
			if (s->len > 1)
				s->len--;
			break;
		default:
			{
				int			n = 1 + dice(200);

				enlargeStringInfo(s, n);
				memmove(s->data + at + n, s->data + at, s->len - at);
				memset(s->data + at, odd[dice(lengthof(odd))], n);
				s->len += n;
			}
	}
}

int
main(int argc, char **argv)
{
	long		rounds = argc > 1 ? atol(argv[1]) : 100000;

	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252;
	for (long i = 0; i < rounds; i++)
	{
		StringInfoData s;
		uint8	   *input;
		size_t		len;

		initStringInfo(&s);
		make_seed(&s);
		for (int n = dice(6); n > 0; n--)
			mutate(&s);
		len = s.len;
		input = memcpy(malloc(len), s.data, len);
		free_all();
		LLVMFuzzerTestOneInput(input, len);
		free(input);
	}
	printf("%ld rounds without a fault\n", rounds);
	return 0;
}
#endif
