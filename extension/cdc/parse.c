/*
 * parse.c
 *	  pgoutput's messages (PostgreSQL documentation, Logical Replication Message
 *	  Formats, protocol version 1), one after the other, to the pipeline's format.
 *
 * The historic snapshot is active here: nothing but catalogs may be read.
 */
#include "postgres.h"

#include "cdc.h"
#include "libpq/pqformat.h"
#include "replication/logicalproto.h"
#include "utils/memutils.h"

/* Values point into the message. */
static void
read_tuple(StringInfo in, const CdcRelation *rel, CdcValue *values)
{
	int			n = pq_getmsgint(in, 2);

	if (n != rel->ncolumns)
		elog(ERROR, "pgoutput sent %d columns of table \"%s\" instead of %d", n, rel->table, rel->ncolumns);
	for (int i = 0; i < n; i++)
	{
		values[i].kind = pq_getmsgbyte(in);
		values[i].len = 0;
		values[i].text = NULL;
		if (values[i].kind == LOGICALREP_COLUMN_TEXT)
		{
			values[i].len = pq_getmsgint(in, 4);
			values[i].text = pq_getmsgbytes(in, values[i].len);
		}
	}
}

static void
begin(CdcWorker *w, StringInfo in)
{
	w->xact.open = true;
	w->xact.commit = pq_getmsgint64(in);
	w->xact.commit_time = pq_getmsgint64(in);
	w->xact.xid = pq_getmsgint(in, 4);
	w->xact.seq = 0;
	/* a transaction that an earlier worker has sent in part */
	w->xact.skip = w->xact.commit == w->resume.commit ? w->resume.seq : 0;
	cdc_snapshot_saw(w);
	if (w->config->format->begin)
		w->config->format->begin(w);
}

static void
commit(CdcWorker *w, StringInfo in)
{
	XLogRecPtr	end;

	(void) pq_getmsgbyte(in);
	(void) pq_getmsgint64(in);
	end = pq_getmsgint64(in);
	if (w->config->format->commit)
		w->config->format->commit(w);
	w->xact.open = false;
	w->xact.last_commit = end;
	if (w->xact.traceparent)
		pfree(w->xact.traceparent);
	if (w->xact.origin)
		pfree(w->xact.origin);
	w->xact.traceparent = w->xact.origin = NULL;
	w->counters.transactions++;
	cdc_batch_end(w, end, w->xact.commit_time);
}

static void
read_insert(CdcWorker *w, StringInfo in, CdcChange *change)
{
	change->op = CDC_INSERT;
	change->rel = cdc_relation_find(w, pq_getmsgint(in, 4));
	(void) pq_getmsgbyte(in);
	change->new = w->new;
	read_tuple(in, change->rel, w->new);
	w->counters.inserts++;
}

static void
read_update(CdcWorker *w, StringInfo in, CdcChange *change)
{
	int			kind;

	change->op = CDC_UPDATE;
	change->rel = cdc_relation_find(w, pq_getmsgint(in, 4));
	kind = pq_getmsgbyte(in);
	if (kind != 'N')
	{
		change->old = w->old;
		change->old_is_key = kind == 'K';
		read_tuple(in, change->rel, w->old);
		(void) pq_getmsgbyte(in);
	}
	change->new = w->new;
	read_tuple(in, change->rel, w->new);
	/* what was not changed is in the old row: all of it, or the key, which may be out of line, too */
	if (change->old)
		for (int i = 0; i < change->rel->ncolumns; i++)
			if (w->new[i].kind == LOGICALREP_COLUMN_UNCHANGED && (!change->old_is_key || w->old[i].kind == LOGICALREP_COLUMN_TEXT))
				w->new[i] = w->old[i];
	w->counters.updates++;
}

static void
read_delete(CdcWorker *w, StringInfo in, CdcChange *change)
{
	change->op = CDC_DELETE;
	change->rel = cdc_relation_find(w, pq_getmsgint(in, 4));
	change->old_is_key = pq_getmsgbyte(in) == 'K';
	change->old = w->old;
	read_tuple(in, change->rel, w->old);
	w->counters.deletes++;
}

static void
count(const CdcWorker *w, const CdcChange *change)
{
	static const CdcTableCounter counters[] = {CDC_N_INSERTS, CDC_N_UPDATES, CDC_N_DELETES};
	CdcTableStats *stats = change->rel->stats;

	cdc_count_table(stats, counters[change->op], 1);
	pg_atomic_write_u64(&stats->last_commit, (uint64) w->xact.commit_time);
	if (change->op != CDC_UPDATE)
		return;
	for (int i = 0; i < change->rel->ncolumns; i++)
		if (change->new[i].kind == LOGICALREP_COLUMN_UNCHANGED)
			cdc_count_table(stats, CDC_N_UNAVAILABLE, 1);
}

static void
send_change(CdcWorker *w, StringInfo in, CdcChange *change)
{
	if (change->rel->ours)
		return;
	change->raw = in->data;
	change->raw_len = in->len;
	count(w, change);
	cdc_snapshot_change(w, change);
	w->config->format->change(w, change);
}

static void
send_truncate(CdcWorker *w, StringInfo in)
{
	int			n = pq_getmsgint(in, 4);

	(void) pq_getmsgbyte(in);
	for (int i = 0; i < n; i++)
	{
		CdcRelation *rel = cdc_relation_find(w, pq_getmsgint(in, 4));

		if (rel->ours)
			continue;
		cdc_count_table(rel->stats, CDC_N_TRUNCATES, 1);
		w->counters.truncates++;
		cdc_snapshot_truncate(w, rel);
		w->config->format->truncate(w, rel);
	}
}

static void
message(CdcWorker *w, StringInfo in)
{
	CdcMessage	m;

	m.transactional = pq_getmsgbyte(in) & 1;
	m.lsn = pq_getmsgint64(in);
	m.prefix = pq_getmsgrawstring(in);
	m.len = pq_getmsgint(in, 4);
	m.content = pq_getmsgbytes(in, m.len);
	w->counters.messages++;
	/* outside of a transaction it has a place of its own, and no commit */
	if (!m.transactional)
		cdc_message_alone(w, &m);
	else
		cdc_message(w, &m);
}

static void
parse(CdcWorker *w, StringInfo in, CdcChange *change)
{
	switch (pq_getmsgbyte(in))
	{
		case LOGICAL_REP_MSG_BEGIN:
			begin(w, in);
			break;
		case LOGICAL_REP_MSG_COMMIT:
			commit(w, in);
			break;
		case LOGICAL_REP_MSG_RELATION:
			(void) cdc_relation_read(w, in);
			break;
		case LOGICAL_REP_MSG_INSERT:
			read_insert(w, in, change);
			send_change(w, in, change);
			break;
		case LOGICAL_REP_MSG_UPDATE:
			read_update(w, in, change);
			send_change(w, in, change);
			break;
		case LOGICAL_REP_MSG_DELETE:
			read_delete(w, in, change);
			send_change(w, in, change);
			break;
		case LOGICAL_REP_MSG_TRUNCATE:
			send_truncate(w, in);
			break;
		case LOGICAL_REP_MSG_MESSAGE:
			message(w, in);
			break;
		case LOGICAL_REP_MSG_ORIGIN:
			w->xact.origin_lsn = pq_getmsgint64(in);
			w->xact.origin = MemoryContextStrdup(w->cxt, pq_getmsgrawstring(in));
			break;
		case LOGICAL_REP_MSG_TYPE:
			break;
		default:
			elog(ERROR, "pgoutput sent a message that protocol version 1 does not have");
	}
}

/*
 * What is a few hundred MB may be more than a buffer takes when it is written as
 * JSON.  Kafka would not take that either, so it is a dead letter; the stream would
 * never get past an error.  Nor is the room for it kept.
 */
bool
cdc_try_large(CdcWorker *w, void (*send) (CdcWorker *w, void *arg), void *arg)
{
	volatile bool too_large = false;
	MemoryContext cxt = CurrentMemoryContext;

	PG_TRY();
	{
		send(w, arg);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		FlushErrorState();
		too_large = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(w->cxt);
	pfree(w->value.data);
	initStringInfo(&w->value);
	MemoryContextSwitchTo(cxt);
	return !too_large;
}

typedef struct Large
{
	StringInfo	in;
	CdcChange  *change;
} Large;

static void
send_large(CdcWorker *w, void *arg)
{
	parse(w, ((Large *) arg)->in, ((Large *) arg)->change);
}

static void
parse_large(CdcWorker *w, StringInfo in, CdcChange *change)
{
	CdcTransaction before = w->xact;
	Large		large = {in, change};

	if (!cdc_try_large(w, send_large, &large))
	{
		char	   *topic = psprintf("%s.message", w->config->prefix);

		cdc_give_up(w, change->rel ? change->rel->topic : cdc_topic(w, topic, 0, false), "it would be larger than 1 GB");
		/* a message outside of a transaction */
		if (w->xact.open && !before.open)
		{
			before.last_commit = w->xact.commit;
			w->xact = before;
			cdc_batch_end(w, before.last_commit + 1, 0);
		}
	}
}

void
cdc_parse(CdcWorker *w, StringInfo message_text, XLogRecPtr lsn)
{
	MemoryContext old = MemoryContextSwitchTo(w->change_cxt);
	StringInfoData in = *message_text;
	CdcChange	change = {0};

	in.cursor = 0;
	w->xact.lsn = lsn;
	if (likely(in.len < CDC_LARGE))
		parse(w, &in, &change);
	else
		parse_large(w, &in, &change);
	MemoryContextSwitchTo(old);
	MemoryContextReset(w->change_cxt);
	/* a transaction of millions of changes is one record of WAL to the loop that reads it */
	if ((++w->parsed & 127) == 0)
	{
		cdc_poll(w, 0);
		cdc_check(w);
		cdc_count(w);
		if (w->config->exactly_once && w->xact.open)
			cdc_transaction_end(w, false);
	}
}
