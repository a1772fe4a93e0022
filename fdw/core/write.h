/*
 * write.h
 *	  Writing to a store: what a statement writes, the batches it makes, and
 *	  how a driver sends them.
 *
 * Core turns each row into values and has the driver encode them into bytes: a
 * record.  Whatever the store cannot hold is refused there, before anything of
 * its batch is sent.  Records are collected in batches, which wait in memory or
 * in a temporary file until it is time to send them (see ChWriteMode), so that
 * a rollback, also to a savepoint, drops what was not sent.
 */
#ifndef CH_WRITE_H
#define CH_WRITE_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "connection.h"
#include "value.h"

struct ChColumn;
struct ChScan;
struct ChTable;

typedef enum ChVerb
{
	CH_INSERT,
	CH_UPDATE,
	CH_DELETE,
	CH_TRUNCATE					/* a batch of it has no records */
} ChVerb;

/* When what was written reaches the store. */
typedef enum ChWriteMode
{
	CH_WRITE_COMMIT,			/* when the transaction commits */
	CH_WRITE_IMMEDIATE,			/* with each batch and at the end of the statement */
	CH_WRITE_TRANSACTION		/* the same, in a transaction of the store */
} ChWriteMode;

/* What one kind of statement writes to a table; lives until the transaction ends. */
typedef struct ChWrite
{
	const struct ChDriver *driver;
	struct ChTable *table;
	Oid			userid;
	ChVerb		verb;
	bool		skip_existing;	/* INSERT ... ON CONFLICT DO NOTHING */
	int			ncolumns;		/* INSERT: all; UPDATE: those that are set */
	struct ChColumn **columns;
	bool	   *was_null;		/* UPDATE, by columns: the row that is encoded had
								 * NULL there; if driver->wants_nulls */
	int			nidentity;		/* UPDATE, DELETE: columns of driver->row_identity */
	struct ChColumn **identity;
	int			batch_size;		/* records of a batch at most; 0: the driver's */
	bool		direct;			/* records are of encode_direct, not of rows */
	MemoryContext cxt;
	void	   *priv;			/* driver's, set by begin_write */
	void	   *known;			/* core's */
	int64	   *affected;		/* core's: what a direct statement has changed, or NULL */
} ChWrite;

typedef struct ChBatch
{
	const ChWrite *write;
	int64		nrecords;
	const char *data;			/* records: see ch_next_record */
	size_t		size;
	int64	   *affected;		/* rows that the store changed: a driver that is
								 * told adds to it */
} ChBatch;

/* Batches that are to be applied, in order. */
typedef struct ChBatches ChBatches;

/*
 * The next batch, or NULL; it is valid until the next call.  ch_rewind_batches:
 * the first is the next one again, for a driver that must look at all of them
 * before it sends one.
 */
extern const ChBatch *ch_next_batch(ChBatches *batches);
extern void ch_rewind_batches(ChBatches *batches);

/* A record of a batch: *at starts with 0.  False at the end. */
extern bool ch_next_record(const ChBatch *batch, size_t *at, const char **data, uint32 *len);

/*
 * encode_direct may make several records: the one that it was given ends, and
 * this is where it goes on.  Memory is that of a batch then.
 */
extern StringInfo ch_continue_direct(ChWrite *w);

/*
 * Names the row that is being encoded in an error: 'column "x" of foreign table
 * y'.  Raises with the SQLSTATE given; detail is a sentence.
 */
pg_noreturn extern void ch_refuse_value(const struct ChColumn *col, int sqlstate, const char *detail, const char *hint);

/* The same of JSON's null, which would come back as NULL. */
pg_noreturn extern void ch_refuse_json_null(const struct ChColumn *col);

#endif							/* CH_WRITE_H */
