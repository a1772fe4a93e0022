/*
 * cdc.h
 *	  Change data capture: a background worker for each pipeline decodes the WAL
 *	  in process and streams what was committed to Kafka.
 *
 * The way of a change, a file for each step: read.c -> parse.c -> relation.c ->
 * debezium.c, flat.c or raw.c -> produce.c -> position.c.  Around it: launcher.c
 * starts workers, worker.c is the life of one, shared.c is what all processes
 * see of them, pipeline.c what is said of them in the catalog, broker.c the
 * Kafka server.
 */
#ifndef CH_CDC_H
#define CH_CDC_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "portability/instr_time.h"
#include "replication/logical.h"
#include "replication/slot.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"

#include "fdw/core/compat.h"

/* ---- how long something takes: by a clock that nobody sets ---------------------- */

typedef int64 CdcTime;			/* microseconds; 0 is long ago */

static inline CdcTime
cdc_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (CdcTime) INSTR_TIME_GET_MICROSEC(now);
}

/* Have so many milliseconds passed? */
static inline bool
cdc_passed(CdcTime since, int ms)
{
	return cdc_now() - since >= ms * INT64CONST(1000);
}

/* ---- what all processes see of a pipeline ------------------------------------- */

#define CDC_WORKER "cipherhorizon cdc"	/* what its processes are called, with a word behind */

typedef enum CdcState
{
	CDC_STARTING,
	CDC_CREATING,				/* waits for running transactions to make the slot */
	CDC_SNAPSHOT,				/* reads the tables' rows */
	CDC_STREAMING,
	CDC_STALLED,				/* Kafka does not acknowledge */
	CDC_PAUSED,
	CDC_GAP,					/* the slot is ahead of what Kafka has */
	CDC_LOST,					/* the slot is gone, or another cluster's */
	CDC_FAILED					/* tries again after a while */
} CdcState;

extern const char *const cdc_state_names[];

/* Counted by the worker, since it was registered. */
typedef struct CdcCounters
{
	uint64		transactions;
	uint64		inserts;
	uint64		updates;
	uint64		deletes;
	uint64		truncates;
	uint64		messages;		/* logical ones */
	uint64		snapshot_rows;
	uint64		produced;		/* records handed to the producer */
	uint64		acknowledged;	/* of them */
	uint64		bytes;			/* of their keys and values */
	uint64		dead_letters;
	uint64		kafka_transactions;
	uint64		stalled_ms;		/* the producer's queue was full */
} CdcCounters;

#define CDC_NCOUNTERS (sizeof(CdcCounters) / sizeof(uint64))

/* Of one table, or of all that found no place of their own. */
#define CDC_MAX_TABLES 128

typedef enum CdcTableCounter
{
	CDC_N_INSERTS, CDC_N_UPDATES, CDC_N_DELETES, CDC_N_TRUNCATES, CDC_N_READS,
	CDC_N_UNAVAILABLE,			/* values that WAL did not have */
	CDC_N_TABLE_COUNTERS
} CdcTableCounter;

typedef struct CdcTableStats
{
	pg_atomic_uint32 relid;		/* 0: free; of the last: the others */
	pg_atomic_uint64 counts[CDC_N_TABLE_COUNTERS];
	pg_atomic_uint64 last_commit;	/* TimestampTz */
} CdcTableStats;

#define CDC_ERROR_SIZE 1024

typedef struct CdcShared
{
	bool		in_use;
	Oid			database;
	NameData	name;

	/* for the launcher */
	bool		wanted;			/* a worker shall run */
	bool		registered;		/* one was asked for, and has not ended */
	TimestampTz not_before;
	int			failures;		/* in a row */
	uint64		restarts;
	bool		gone;			/* the catalog does not know it any more */
	NameData	slot;
	int64		wal_limit;		/* bytes that the slot may hold back; 0: no limit */
	bool		over_limit;		/* it does: the next worker gives the slot up */

	/* of the worker */
	int			pid;			/* 0: none */
	Latch	   *latch;
	pg_atomic_uint32 sleeping;	/* wants to be told of commits */
	pg_atomic_uint32 changed;	/* the catalog says something new */
	pg_atomic_uint32 reading;	/* a chunk of a table: it hears of nothing meanwhile */

	CdcState	state;
	TimestampTz state_since;
	char		error[CDC_ERROR_SIZE];	/* the last one, or empty */
	TimestampTz error_at;
	XLogRecPtr	careful_until;	/* Kafka refused a batch: records are sent one by one up to there */
	/* what it lives on */
	Oid			owner;
	Oid			server;
	Oid			publication;

	pg_atomic_uint64 counters[CDC_NCOUNTERS];
	pg_atomic_uint64 read_lsn;	/* up to where WAL is decoded */
	pg_atomic_uint64 acked_lsn; /* all before it is acknowledged by Kafka */
	pg_atomic_uint64 confirmed_lsn;	/* and the slot knows */
	pg_atomic_uint64 commit_time;	/* of the newest transaction that Kafka has; TimestampTz */
	pg_atomic_uint64 in_flight; /* records */
	CdcTableStats tables[CDC_MAX_TABLES];
} CdcShared;

typedef struct CdcControl
{
	LWLock	   *lock;			/* of all that is not atomic */
	Latch	   *launcher;		/* NULL: none runs */
	bool		scouted;		/* the databases were looked through */
	pg_atomic_uint32 workers;	/* those that run */
	int			npipelines;
	CdcShared	pipelines[FLEXIBLE_ARRAY_MEMBER];
} CdcControl;

extern CdcControl *cdc_control; /* NULL: the module is not preloaded */
extern int	cdc_max_pipelines;
extern int	cdc_work_mem;		/* kB */
extern int	cdc_queue_size;		/* kB */
extern int	cdc_confirm_interval;	/* ms */
extern char *cdc_databases;

extern void ch_cdc_init(void);	/* from _PG_init */
extern void cdc_launcher_register(void);
extern void cdc_worker_ended(CdcShared *shared, bool failed);

/* The pipeline's place, made if there is none; NULL: all are taken. */
extern CdcShared *cdc_register(Oid database, const char *name);
extern CdcShared *cdc_find(Oid database, const char *name); /* caller holds the lock */
extern void cdc_forget(CdcShared *shared);
extern void cdc_set_state(CdcShared *shared, CdcState state, const char *error);
extern void cdc_wake_launcher(void);

/* The place of a table among those of a pipeline; the worker counts there, alone. */
extern CdcTableStats *cdc_table_stats(CdcShared *shared, Oid relid);

static inline void
cdc_count_table(CdcTableStats *stats, CdcTableCounter counter, int n)
{
	pg_atomic_write_u64(&stats->counts[counter], pg_atomic_read_u64(&stats->counts[counter]) + n);
}

/* ---- what the catalog says of a pipeline (pipeline.c) --------------------------- */

typedef enum CdcDecimals
{
	CDC_PRECISE, CDC_STRING, CDC_DOUBLE
} CdcDecimals;

typedef enum CdcWish
{
	CDC_RUN, CDC_PAUSE, CDC_DROP
} CdcWish;

typedef struct CdcConfig
{
	char	   *name;
	Oid			owner;
	char	   *publication;
	Oid			publication_oid;	/* InvalidOid: there is none */
	Oid			server;
	char	   *slot;
	char	   *prefix;			/* of topics */
	const struct CdcFormat *format;
	bool		schemas;		/* debezium_json: each record brings its schema */
	bool		exactly_once;
	bool		snapshot;		/* begins with one */
	CdcDecimals decimals;
	bool		tombstones;
	bool		transactions;	/* metadata of them */
	bool		omit_unchanged; /* TOAST values that WAL does not have: leave out */
	bool		context_headers;	/* those that Debezium adds to each record */
	CdcWish		wish;
	bool		started;		/* the slot was made, the snapshot is done */
	bool		accept_gap;		/* go on at the slot's position, once */
	int64		wal_limit;		/* bytes; 0: none */
	bool		renew;			/* without its slot it begins anew by itself */
} CdcConfig;

/* A transaction of the worker's, between two records of WAL, with SPI and a snapshot. */
extern void cdc_transaction_begin(void);
extern void cdc_transaction_commit(void);

/* In a transaction of its own, in cxt; NULL: there is no such pipeline. */
extern CdcConfig *cdc_load_config(const char *name, MemoryContext cxt);

/* Each in a transaction of its own. */
extern void cdc_check_rights(const char *name); /* an error, if the owner may not stream it any more */
extern void cdc_mark_started(const char *name);
extern void cdc_mark_gap_accepted(const char *name);
extern void cdc_mark_new(const char *name); /* it begins with a slot and a snapshot */
extern void cdc_delete_pipeline(const char *name);

/* ---- Kafka (broker.c, produce.c) -------------------------------------------------- */

/* librdkafka's settings of a server, for a role: the caller sets the rest. */
extern rd_kafka_conf_t *cdc_broker_conf(Oid serverid, Oid userid);

/* Set one; an error names it. */
extern void cdc_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Options of a server. */
extern int	cdc_server_int(Oid serverid, const char *option);
extern bool cdc_server_bool(Oid serverid, const char *option);

#define CDC_TOPIC_SIZE 250		/* Kafka takes 249 characters */

typedef struct CdcTopic
{
	char		name[CDC_TOPIC_SIZE];
	rd_kafka_topic_t *handle;
} CdcTopic;

struct CdcWorker;

typedef struct CdcRecord
{
	CdcTopic   *topic;
	const char *key;			/* NULL: none */
	size_t		key_len;
	const char *value;			/* NULL: a tombstone */
	size_t		value_len;
	rd_kafka_headers_t *headers;	/* taken over; NULL: none */
	bool		uncounted;		/* has no number among the transaction's: another worker may send it elsewhere, or again */
} CdcRecord;

extern void cdc_producer_open(struct CdcWorker *w);

/* The topic of this name; made in Kafka if it is not there.  partitions 0: as the broker likes. */
extern CdcTopic *cdc_topic(struct CdcWorker *w, const char *name, int partitions, bool compacted);

/* *problem: why Kafka will never make it, in the current memory context, or NULL.  The topic has its name, anyway. */
extern CdcTopic *cdc_try_topic(struct CdcWorker *w, const char *name, int partitions, bool compacted, const char **problem);

/*
 * Hand a record over, and wait while the producer's queue is full.  What Kafka
 * will never take goes to the dead letters.
 */
extern void cdc_produce(struct CdcWorker *w, const CdcRecord *record);

extern void cdc_look_for_refusal(struct CdcWorker *w);	/* before an error is raised */

/* While the queue is full: the worker may end there. */
extern void cdc_wait_for_room(struct CdcWorker *w);

/* A dead letter without a try. */
extern void cdc_give_up_record(struct CdcWorker *w, const CdcRecord *record, const char *reason);
extern void cdc_give_up(struct CdcWorker *w, CdcTopic *topic, const char *reason);	/* a record that cannot be made */

/* w->key and w->value to the topic <prefix>.suffix; uncounted as in CdcRecord. */
extern void cdc_produce_buffers(struct CdcWorker *w, const char *suffix, int partitions, bool compacted, bool uncounted);
extern void cdc_produce_aside(struct CdcWorker *w, const CdcRecord *record);

/* Take in what was acknowledged, waiting for at most so long (ms). */
extern void cdc_poll(struct CdcWorker *w, int timeout);

/* Wait until all is acknowledged. */
extern void cdc_drain(struct CdcWorker *w);

/* What to do when there is no more WAL to read. */
extern void cdc_flush(struct CdcWorker *w);
extern bool cdc_has_more(struct CdcWorker *w);	/* it comes back to that soon */

/* exactly_once: end Kafka's transaction with the position in it, now or if it is due. */
extern void cdc_transaction_end(struct CdcWorker *w, bool now);
extern void cdc_transaction_abandon(struct CdcWorker *w);
extern void cdc_note_alone(struct CdcWorker *w, XLogRecPtr end);

/* ---- the position (position.c) ---------------------------------------------------- */

/* What a position record in Kafka says. */
typedef struct CdcPosition
{
	bool		found;
	uint64		sysid;
	uint32		timeline;
	XLogRecPtr	end;			/* all transactions that end before it are in Kafka */
	XLogRecPtr	commit;			/* of the transaction of which seq changes are, too */
	uint32		seq;
} CdcPosition;

/* Transactions whose records are under way, in the order of their commits. */
typedef struct CdcBatch
{
	XLogRecPtr	end;
	TimestampTz commit_time;
	uint32		pending;		/* records that are not acknowledged */
	uint32		records;
} CdcBatch;

extern CdcPosition cdc_read_position(struct CdcWorker *w);	/* the last record */
extern void cdc_write_position(struct CdcWorker *w, XLogRecPtr end);	/* a record of it */
extern void cdc_erase_position(struct CdcWorker *w);

/* Where to begin, by what Kafka and the slot say; sets the state and ends the worker if it must not. */
extern XLogRecPtr cdc_reconcile(struct CdcWorker *w);

#define CDC_ASIDE (UINTPTR_MAX ^ (UINTPTR_MAX >> 1))	/* in the number: if Kafka refuses the record, none is kept */
extern void cdc_batch_add(struct CdcWorker *w); /* a record of the newest batch */
extern void cdc_batch_acked(struct CdcWorker *w, uintptr_t number);
extern void cdc_batch_end(struct CdcWorker *w, XLogRecPtr end, TimestampTz commit_time);	/* a transaction */

/* Write the position to Kafka, and to the slot what Kafka has; now, or if it is time. */
extern void cdc_confirm(struct CdcWorker *w, bool now);

/* ---- tables as the stream describes them (relation.c) ------------------------------- */

typedef struct CdcColumn CdcColumn;
typedef struct CdcRelation CdcRelation;

/* Append a value, given as PostgreSQL's text, as JSON. */
typedef void (*CdcAppend) (StringInfo out, const CdcColumn *col, const char *text, int len);

struct CdcColumn
{
	char	   *name;
	int			attno;			/* in the table; 0: not there any more */
	Oid			type;
	int32		typmod;
	Oid			basetype;		/* below domains */
	int32		basetypmod;
	Oid			elemtype;		/* of an array */
	char		delimiter;		/* of an array's text */
	bool		notnull;
	bool		identity;		/* part of the replica identity */
	CdcAppend	append;
	const struct CdcColumn *element;	/* of an array, and what money is written as */
	char	   *label;			/* "name": */
	int			label_len;
	char	   *connect_type;	/* "type":... of Connect's schema */
	char	   *connect_name;	/* its further members, or empty */
};

struct CdcRelation
{
	Oid			relid;
	char	   *schema;
	char	   *table;
	char		identity;		/* relreplident */
	int			ncolumns;
	CdcColumn  *columns;
	int			nkeys;
	int		   *keys;			/* columns, in the key's order */
	MemoryContext cxt;
	bool		ours;			/* a table of the extension: not sent */
	CdcTopic   *topic;
	CdcTableStats *stats;
	void	   *format_data;	/* what the format has prepared, in cxt */
};

/*
 * Columns of the published table t (pg_publication_tables), that is c in pg_class, as
 * the stream brings them: it has no generated ones up to 17, and from 18 on those
 * that are named.
 */
#if PG_VERSION_NUM >= 180000
#define CDC_PUBLISHED_COLUMNS "t.attnames::text[]"
#else
#define CDC_PUBLISHED_COLUMNS \
	"CASE WHEN t.attnames IS NOT NULL THEN ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a " \
	"WHERE a.attrelid = c.oid AND a.attname = ANY (t.attnames) AND a.attgenerated = '' ORDER BY a.attnum) END"
#endif

/* A 'R' message; must run under the historic snapshot. */
extern CdcRelation *cdc_relation_read(struct CdcWorker *w, StringInfo in);
extern CdcRelation *cdc_relation_find(struct CdcWorker *w, Oid relid);

/*
 * A table as it is now, with these columns (texts), for a snapshot of its rows: the
 * stream's descriptions stay as they are.  In a context below parent.
 */
extern CdcRelation *cdc_relation_open(struct CdcWorker *w, Oid relid, List *attnames, MemoryContext parent);

/* ---- changes (parse.c) --------------------------------------------------------------- */

typedef struct CdcValue
{
	char		kind;			/* n: NULL, u: unchanged, t: text */
	int			len;
	const char *text;			/* not terminated */
} CdcValue;

typedef enum CdcOp
{
	CDC_INSERT, CDC_UPDATE, CDC_DELETE, CDC_READ
} CdcOp;

typedef struct CdcChange
{
	CdcOp		op;
	CdcRelation *rel;
	CdcValue   *old;			/* NULL: none */
	bool		old_is_key;		/* only the identity's columns of it are set */
	CdcValue   *new;			/* NULL: none */
	const char *raw;			/* pgoutput's message */
	int			raw_len;
	const char *snapshot;		/* READ: what Debezium's source.snapshot says */
} CdcChange;

typedef struct CdcMessage
{
	bool		transactional;
	XLogRecPtr	lsn;
	const char *prefix;
	const char *content;
	int			len;
} CdcMessage;

/* What the changes of a transaction have in common. */
typedef struct CdcTransaction
{
	bool		open;
	bool		snapshot;		/* no transaction, but rows of a snapshot */
	TransactionId xid;
	XLogRecPtr	commit;			/* LSN of its commit record */
	TimestampTz commit_time;
	uint32		seq;			/* records produced of it */
	uint32		skip;			/* so many of them are in Kafka already */
	XLogRecPtr	last_commit;	/* end of the one before, or invalid */
	XLogRecPtr	lsn;			/* of the change that is being encoded */
	char	   *origin;			/* replication origin that it came by, or NULL */
	XLogRecPtr	origin_lsn;
	char	   *traceparent;	/* W3C trace context, or NULL */
} CdcTransaction;

extern void cdc_parse(struct CdcWorker *w, StringInfo in, XLogRecPtr lsn);

#define CDC_LARGE (64 * 1024 * 1024)	/* bytes of a change that is sent with care */

/* Send by a function that may find that it is too large to be sent; false: it was. */
extern bool cdc_try_large(struct CdcWorker *w, void (*send) (struct CdcWorker *w, void *arg), void *arg);

/* message.c: within a transaction, or outside of one */
extern void cdc_message(struct CdcWorker *w, const CdcMessage *message);
extern void cdc_message_alone(struct CdcWorker *w, const CdcMessage *message);

/* ---- formats -------------------------------------------------------------------------- */

typedef struct CdcFormat
{
	const char *name;
	void		(*describe) (struct CdcWorker *w, CdcRelation *rel);	/* in rel->cxt; may be NULL */
	void		(*change) (struct CdcWorker *w, const CdcChange *change);
	void		(*truncate) (struct CdcWorker *w, CdcRelation *rel);
	void		(*message) (struct CdcWorker *w, const CdcMessage *message);
	void		(*begin) (struct CdcWorker *w); /* may be NULL */
	void		(*commit) (struct CdcWorker *w);	/* may be NULL */
} CdcFormat;

extern const CdcFormat cdc_debezium;
extern const CdcFormat cdc_flat;
extern const CdcFormat cdc_raw;

/* Microseconds from 1970 to 2000 */
#define CDC_EPOCH_MICROS (INT64CONST(86400000000) * (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE))

/* JSON (json.c) */
extern void cdc_json_init(void);	/* in a transaction, before any other */
extern const char *cdc_utf8(const char *text, int *len);	/* of the database's encoding */
extern void cdc_json_string(StringInfo out, const char *text, int len);
extern void cdc_json_base64(StringInfo out, const unsigned char *bytes, int len);
extern void cdc_json_int(StringInfo out, int64 value);

/* ---- a worker -------------------------------------------------------------------------- */

typedef struct CdcWorker
{
	CdcShared  *shared;
	CdcConfig  *config;
	MemoryContext cxt;			/* as long as the worker */
	MemoryContext change_cxt;	/* reset after each change */
	char	   *database;		/* its name: the catalog is not at hand everywhere */
	LogicalDecodingContext *decoding;
	XLogRecPtr	read_to;		/* decoded */
	XLogRecPtr	started_at;		/* where the stream began */
	CdcCounters counters;

	/* the stream */
	CdcTransaction xact;
	struct HTAB *relations;

	/* Kafka */
	rd_kafka_t *rk;
	struct HTAB *topics;
	bool		create_topics;
	int			topic_partitions;	/* 0: the broker's default */
	int			topic_replication;
	CdcTopic   *progress;
	int			wakeup[2];		/* a pipe that librdkafka writes to */
	struct WaitEventSet *events;
	char		kafka_error[512];	/* what librdkafka said last */
	char		failure[512];	/* why it cannot go on, or empty */
	CdcState	stalled_in;		/* what it did when Kafka ceased to answer */
	CdcTime		acked_at;		/* when something was last acknowledged, or nothing was due */
	bool		in_transaction; /* of Kafka */
	bool		transaction_broken;
	CdcTime		transaction_start;
	uint64		transaction_records;
	uint64		flushed_records;	/* sent before their time, and all before */
	CdcTime		flushed_at;
	uint64		trimmed_bytes;	/* counters.bytes when memory was given back */
	bool		careful;		/* sends records one by one */
	bool		refused;		/* a batch, and not all of it need be bad */
	struct CdcLetter *letters;	/* refused by Kafka, not yet kept */

	/* the position */
	CdcBatch   *batches;		/* a ring */
	uint64		batch_size;		/* of the ring, a power of 2 */
	uint64		first_batch;
	uint64		next_batch;		/* number of the newest + 1 */
	bool		batch_open;		/* the newest takes more */
	XLogRecPtr	produced;		/* all transactions that end before it are sent */
	XLogRecPtr	acked;			/* all transactions that end before it are in Kafka */
	XLogRecPtr	noted;			/* position record under way, or invalid */
	XLogRecPtr	kept;			/* position that Kafka has */
	XLogRecPtr	confirmed;		/* by the slot, in memory */
	XLogRecPtr	saved;			/* by the slot, on disk */
	CdcTime		confirmed_at;
	CdcTime		saved_at;
	CdcPosition resume;
	XLogRecPtr	snapshot_commit;	/* in the positions of the rows of the last snapshot, or chunk */

	/* buffers, reused */
	StringInfoData key;
	StringInfoData value;
	StringInfoData raw;
	CdcValue   *old;
	CdcValue   *new;
	int			nvalues;
	uint64		parsed;
} CdcWorker;

/* Where the worker may end at once: nothing is lost then. */
static inline void
cdc_check(CdcWorker *w)
{
	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		proc_exit(1);
}

/* What it does wherever it waits, but not while a record is decoded. */
extern void cdc_serve(CdcWorker *w);
extern void cdc_watch_stall(CdcWorker *w);

extern void cdc_end_at_once(void);	/* when this process ends, librdkafka's threads are not waited for */

/* End, to be started again when the catalog says something new. */
pg_noreturn extern void cdc_stop(CdcWorker *w, CdcState state, const char *error);

/* Bytes of WAL, 0 if there is no such slot of the database, or a process other than pid reads it. */
extern int64 cdc_slot_holds_back(const char *name, Oid database, int pid);

/* There is no slot to go on with: stop, or begin anew if the pipeline does so by itself. */
pg_noreturn extern void cdc_lose(CdcWorker *w, const char *error);

/* read.c */
extern void cdc_slot_acquire(CdcWorker *w);
extern void cdc_slot_drop(CdcWorker *w);
extern void cdc_slot_create(CdcWorker *w);	/* begins a transaction that sees what the stream will not bring */
extern void cdc_read_open(CdcWorker *w, XLogRecPtr start);
extern bool cdc_read(CdcWorker *w); /* up to what is flushed; false: there was nothing */
extern void cdc_wait(CdcWorker *w, XLogRecPtr known, long timeout);

/* snapshot.c */
extern void cdc_snapshot(CdcWorker *w);
extern void cdc_send_read(CdcWorker *w, CdcChange *change, int64 bytes);	/* a row of a snapshot, with so many in its values */

/* How many rows to read next, so that they take some 32 MB, and no more than most: after so many that had so many bytes, of so many that were asked for. */
extern int	cdc_next_rows(int asked, uint64 rows, int64 bytes, int most);

extern void cdc_append_select(StringInfo sql, Oid relid, List *attnames);	/* up to WHERE true */
extern FmgrInfo *cdc_output_functions(const CdcRelation *rel);	/* of its columns */

/* Returns the bytes of its values. */
extern int64 cdc_read_row(const CdcRelation *rel, FmgrInfo *output, HeapTuple tuple, TupleDesc desc, CdcValue *values);

/* incremental.c */
extern int	cdc_snapshot_rate;	/* rows a second, 0: no limit */
extern void cdc_snapshot_look(void);
extern bool cdc_snapshot_passed(void);	/* no chunk is under way that this worker has not finished */
extern void cdc_snapshot_step(CdcWorker *w);
extern void cdc_snapshot_saw(CdcWorker *w); /* a transaction begins */
extern void cdc_snapshot_change(CdcWorker *w, const CdcChange *change);
extern void cdc_snapshot_truncate(CdcWorker *w, const CdcRelation *rel);

/* seal.c: false: the message is not one of ours */
extern bool cdc_open_seal(const CdcWorker *w, const CdcMessage *message, CdcMessage *inner);

/* trace.c */
extern void cdc_trace_init(void);
extern void cdc_trace_end(void);
extern bool cdc_is_traceparent(const char *text);

/* deadletter.c */
typedef struct CdcLetter
{
	struct CdcLetter *next;
	uintptr_t	batch;
	char	   *topic;
	char	   *position;
	char	   *reason;
	char	   *key;			/* NULL: none */
	size_t		key_len;
	char	   *value;			/* NULL: a tombstone */
	size_t		value_len;
} CdcLetter;

extern void cdc_keep_letter(CdcWorker *w, const CdcLetter *letter);
extern void cdc_load_letters(CdcWorker *w);
extern void cdc_tell_letter(CdcWorker *w, const CdcLetter *letter);

/* Why that record was given up, or NULL. */
extern const char *cdc_dead_reason(const char *position);

/* A row of a snapshot, which has another position each time: known by topic, key and size. */
extern const char *cdc_dead_row(const CdcRecord *record);

extern void cdc_count(CdcWorker *w);	/* make the counters known */

#endif							/* CH_CDC_H */
