/*
 * packstream.h
 *	  PackStream version 1, the encoding inside Bolt's messages.
 *
 * Source: Neo4j's "PackStream Specification Version 1" and, for the structures
 * that stand for nodes and times, its "Structure Semantics"; both are part of
 * the Bolt protocol documentation.  Big endian; the first byte of a value is
 * its marker, which tells the type and often the size.
 */
#ifndef NEO4J_PACKSTREAM_H
#define NEO4J_PACKSTREAM_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "fdw/core/value.h"

/* Values inside values: deeper ones are refused, they would eat the stack. */
#define PACKSTREAM_MAX_DEPTH	64
#define PACKSTREAM_MAX_FIELDS	15

/* Bytes that arrived, and how far they have been read. */
typedef struct PackReader
{
	const uint8 *at;
	const uint8 *end;
	size_t		budget;			/* items that its bytes may still hold */
	const char *error;			/* why reading failed: static text */
} PackReader;

/*
 * Read one value.  Strings and bytes point into what arrived; items of lists
 * and maps are palloc'ed in the current memory context.  Every size is checked
 * against the bytes that are left, and the sizes of nested lists together, too,
 * before anything is allocated: a value costs at most some 50 times the bytes
 * it came in.  False, with error set, for anything that is not PackStream.
 */
extern bool neo4j_unpack(PackReader *r, ChValue *v);

/* Read the head of a list or a structure, whose items then follow. */
extern bool neo4j_unpack_list(PackReader *r, uint32 *n);
extern bool neo4j_unpack_struct(PackReader *r, uint8 *tag, uint32 *n);

/* The member of a map, or NULL (also for what is no map). */
extern const ChValue *neo4j_member(const ChValue *map, const char *key);

/*
 * What a structure stands for.  Returns NULL, or why it makes no sense.  In
 * types.c, for it is Neo4j's types and not PackStream's.
 */
extern const char *neo4j_structure(uint8 tag, int n, const ChValue *fields, ChValue *v);

/* Writing; these raise only when memory ends. */
extern void neo4j_pack_null(StringInfo out);
extern void neo4j_pack_bool(StringInfo out, bool b);
extern void neo4j_pack_int(StringInfo out, int64 i);
extern void neo4j_pack_float(StringInfo out, double f);
extern void neo4j_pack_string(StringInfo out, const char *data, uint32 len);
extern void neo4j_pack_text(StringInfo out, const char *text);
extern void neo4j_pack_bytes(StringInfo out, const char *data, uint32 len);
extern void neo4j_pack_list(StringInfo out, uint32 n);	/* n values follow */
extern void neo4j_pack_map(StringInfo out, uint32 n);	/* n keys and values */
extern void neo4j_pack_struct(StringInfo out, uint8 tag, int n);

#endif							/* NEO4J_PACKSTREAM_H */
