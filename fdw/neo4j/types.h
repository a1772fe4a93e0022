/*
 * types.h
 *	  Neo4j's types as values of ChValue; see types.c.
 */
#ifndef NEO4J_TYPES_H
#define NEO4J_TYPES_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "fdw/core/value.h"

/*
 * Of two times that are the same moment in different zones Cypher calls the
 * one with the lower offset less.  -18:00 is the lowest, so a bound with this
 * offset compares with every other time by the moment alone.
 */
#define NEO4J_FIRST_OFFSET	(-18 * 3600)

/* remote_type of a time of day with an offset, which comes as a CH_STRING. */
extern const char *const neo4j_zoned_time;

/* A value as a parameter of a query.  For kinds that compare.c makes. */
extern void neo4j_pack_value(StringInfo out, const ChValue *v);

/* A value as it is stored; a moment is in UTC. */
extern void neo4j_pack_stored(StringInfo out, const ChValue *v);

/* A time of day with an offset: microseconds since midnight, seconds east. */
extern void neo4j_pack_zoned_time(StringInfo out, int64 time, int offset);

#endif							/* NEO4J_TYPES_H */
