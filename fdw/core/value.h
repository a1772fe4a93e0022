/*
 * value.h
 *	  A value on its way between a store and PostgreSQL.
 *
 * A driver decodes what its store sent into a ChValue, and core turns that
 * into the Datum of the column's type; a parameter goes the other way.  The
 * rules of what fits where stand once, in value.c, and are strict: a value
 * that the column's type does not hold exactly is a mismatch (an error, or
 * NULL by on_type_mismatch), never a rounded or re-parsed value.  The one
 * exception is CH_UNTYPED, text from a store without types, which is read by
 * the column type's own input function.
 */
#ifndef CH_VALUE_H
#define CH_VALUE_H

#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef enum ChValueKind
{
	CH_NULL,
	CH_BOOL,					/* b */
	CH_INT,						/* i */
	CH_FLOAT,					/* f */
	CH_DECIMAL,					/* s: decimal text, as numeric_in reads it */
	CH_STRING,					/* s: text of the store, UTF-8 */
	CH_UNTYPED,					/* s: text that the column's type shall parse */
	CH_BYTES,					/* s */
	CH_UUID,					/* s: 16 bytes */
	CH_INSTANT,					/* i: microseconds since 2000-01-01 UTC */
	CH_LOCAL_DATETIME,			/* i: the same without a zone */
	CH_DATE,					/* i: days since 2000-01-01 */
	CH_TIME_OF_DAY,				/* i: microseconds since midnight */
	CH_INTERVAL,				/* interval */
	CH_LIST,					/* list */
	CH_MAP,						/* map */
	CH_PARAM					/* i: number of a parameter without a value
								 * yet; only in the text of an EXPLAIN */
} ChValueKind;

struct ChMember;

typedef struct ChValue
{
	ChValueKind kind;
	const char *remote_type;	/* the store's name of the type, for messages;
								 * may be NULL */
	union
	{
		bool		b;
		int64		i;
		double		f;
		struct
		{
			const char *data;	/* not terminated */
			int			len;
		}			s;
		Interval	interval;
		struct
		{
			int			n;
			struct ChValue *items;
		}			list;
		struct
		{
			int			n;
			struct ChMember *members;
		}			map;
	}			u;
} ChValue;

typedef struct ChMember
{
	const char *key;			/* not terminated */
	int			keylen;
	ChValue		value;
} ChMember;

struct ChColumn;

/*
 * Turn v into a Datum of the column's type, in the current memory context.
 * Returns false for NULL.  Raises ERRCODE_FDW_INVALID_DATA_TYPE for a value
 * that does not fit, or counts it and returns false if the table says so.
 */
extern bool ch_value_to_datum(struct ChColumn *col, const ChValue *v, Datum *out);

/*
 * Turn a Datum into a ChValue; text points into the (detoasted) Datum or is
 * allocated in the current memory context.  Returns false for a type that has
 * no ChValue; ch_type_has_value() tells that at planning time.
 */
extern bool ch_datum_to_value(Datum d, Oid typid, ChValue *v);
extern bool ch_type_has_value(Oid typid);

/*
 * The same for jsonb (CH_MAP, CH_LIST, numbers as CH_DECIMAL) and arrays of
 * such types (CH_LIST), too: what the operator @> looks for.
 */
extern bool ch_content_to_value(Datum d, Oid typid, ChValue *v);

/* A CH_INT, CH_FLOAT or CH_DECIMAL as numeric, in the current memory context. */
extern Numeric ch_value_to_numeric(const ChValue *v);

/*
 * Compare two values of one kind, which ch_datum_to_value has made, as
 * PostgreSQL compares them under the collation "C".
 */
extern int	ch_compare_values(const ChValue *a, const ChValue *b);

/* Any value as jsonb; used for jsonb columns and by the pass-through functions. */
extern Jsonb *ch_value_to_jsonb(const ChValue *v);

/* Names for messages: the store's own name of the type, else a general one. */
extern const char *ch_value_type_name(const ChValue *v);

/* Types of one kind compare with each other; see domains through getBaseType. */
static inline bool
ch_is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

static inline bool
ch_is_int(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static inline bool
ch_is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

static inline ChValue
ch_string(const char *data, int len)
{
	ChValue		v = {.kind = CH_STRING};

	v.u.s.data = data;
	v.u.s.len = len;
	return v;
}

#endif							/* CH_VALUE_H */
