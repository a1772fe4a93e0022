/*
 * seen.c
 *	  What a scan has returned already: SCAN, SSCAN and ZSCAN may return
 *	  something twice, and a row must not.
 *
 * A text is remembered by 96 bits of hash, in 16 bytes of memory (32 at most,
 * with the room to grow), so a million of them take 16 to 32 MB.  Two different
 * texts of a million have the same bits by chance once in 10^17 scans.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fdw/redis/scan.h"

typedef struct Fingerprint
{
	uint32		a;
	uint32		b;
	uint32		c;
} Fingerprint;

typedef struct SeenEntry
{
	Fingerprint print;
	uint32		status;
} SeenEntry;

#define SH_PREFIX seen
#define SH_ELEMENT_TYPE SeenEntry
#define SH_KEY_TYPE Fingerprint
#define SH_KEY print
#define SH_HASH_KEY(tb, key) (key).a
#define SH_EQUAL(tb, x, y) ((x).a == (y).a && (x).b == (y).b && (x).c == (y).c)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Fingerprint
fingerprint(const char *data, size_t len)
{
	uint64		h = hash_bytes_extended((const unsigned char *) data, (int) len, 0x9e3779b97f4a7c15);
	Fingerprint f;

	f.a = (uint32) h;
	f.b = (uint32) (h >> 32);
	f.c = hash_bytes((const unsigned char *) data, (int) len);
	return f;
}

/* True once for each text; *seen is made in cxt when it is needed. */
bool
redis_first_sight(MemoryContext cxt, struct seen_hash **seen, const char *data, size_t len)
{
	bool		found;

	if (*seen == NULL)
		*seen = seen_create(cxt, 1024, NULL);
	seen_insert(*seen, fingerprint(data, len), &found);
	return !found;
}

void
redis_forget_seen(struct seen_hash **seen)
{
	if (*seen)
		seen_destroy(*seen);
	*seen = NULL;
}
