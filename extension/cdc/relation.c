/*
 * relation.c
 *	  Tables as the stream describes them, each with the definition that it had
 *	  when the change was made: pgoutput describes a table before its first change
 *	  and after each alteration, and the catalog is read by the historic snapshot
 *	  of that moment.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "cdc.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "replication/logicalproto.h"
#include "types.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

typedef struct RelationEntry
{
	Oid			relid;
	CdcRelation *rel;
} RelationEntry;

static RelationEntry *
entry_of(CdcWorker *w, Oid relid, HASHACTION action, bool *found)
{
	if (w->relations == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(RelationEntry), .hcxt = w->cxt};

		w->relations = hash_create("tables of a pipeline", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return hash_search(w->relations, &relid, action, found);
}

CdcRelation *
cdc_relation_find(CdcWorker *w, Oid relid)
{
	RelationEntry *entry = entry_of(w, relid, HASH_FIND, NULL);

	if (entry == NULL || entry->rel == NULL)
		elog(ERROR, "pgoutput has not described table %u", relid);
	return entry->rel;
}

/* Kafka's names: letters, digits, point, hyphen and underscore; the rest becomes _, as Debezium does it. */
static char *
topic_name(const CdcWorker *w, const CdcRelation *rel)
{
	char	   *name = psprintf("%s.%s.%s", w->config->prefix, rel->schema, rel->table);
	StringInfoData topic;

	initStringInfo(&topic);
	for (const unsigned char *c = (const unsigned char *) name; *c; c++)
	{
		/* one for each UTF-16 unit: a character of four bytes has two */
		if (*c >= 0x80 && GetDatabaseEncoding() == PG_UTF8)
			appendStringInfoString(&topic, *c >= 0xF0 ? "__" : *c >= 0xC0 ? "_" : "");
		else if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-')
			appendStringInfoChar(&topic, *c);
		else
			appendStringInfoChar(&topic, '_');
	}
	pfree(name);
	return topic.data;
}

/* ---- the key ----------------------------------------------------------------------------------- */

static int
column_of(const CdcRelation *rel, int attno)
{
	for (int i = 0; i < rel->ncolumns; i++)
		if (rel->columns[i].attno == attno)
			return i;
	return -1;
}

/* An index that tells rows apart, with all its columns among those published. */
static bool
take_index(CdcRelation *rel, Oid indexid, bool identity)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	fits = index->indisunique && index->indisvalid &&
		(identity || (heap_attisnull(tuple, Anum_pg_index_indpred, NULL) && heap_attisnull(tuple, Anum_pg_index_indexprs, NULL)));
	rel->nkeys = 0;
	for (int i = 0; i < index->indnkeyatts && fits; i++)
	{
		int			column = column_of(rel, index->indkey.values[i]);

		fits = column >= 0;
		if (fits)
			rel->keys[rel->nkeys++] = column;
	}
	ReleaseSysCache(tuple);
	if (!fits)
		rel->nkeys = 0;
	return fits;
}

/*
 * The primary key; the index of the replica identity comes first, because a
 * DELETE brings only its columns; without both another unique index, the first by
 * name, as Debezium takes it.
 */
static void
set_key(CdcRelation *rel, Relation table)
{
	List	   *indexes = RelationGetIndexList(table);
	const char *first = NULL;
	ListCell   *lc;

	rel->keys = palloc((rel->ncolumns + 1) * sizeof(int));
	if (rel->identity == REPLICA_IDENTITY_INDEX && OidIsValid(table->rd_replidindex) && take_index(rel, table->rd_replidindex, true))
		return;
	if (OidIsValid(table->rd_pkindex))
	{
		(void) take_index(rel, table->rd_pkindex, true);
		return;
	}
	foreach(lc, indexes)
	{
		const char *name = get_rel_name(lfirst_oid(lc));

		if ((first == NULL || strcmp(name, first) < 0) && take_index(rel, lfirst_oid(lc), false))
			first = name;
	}
	if (first)
		(void) take_index(rel, get_relname_relid(first, RelationGetNamespace(table)), false);
}

/* ---- describing ---------------------------------------------------------------------------------- */

static CdcRelation *
new_relation(MemoryContext parent, Oid relid, int ncolumns)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "CipherHorizon table", ALLOCSET_SMALL_SIZES);
	CdcRelation *rel = MemoryContextAllocZero(cxt, sizeof(CdcRelation));

	rel->cxt = cxt;
	rel->relid = relid;
	rel->ncolumns = ncolumns;
	rel->columns = MemoryContextAllocZero(cxt, Max(1, ncolumns) * sizeof(CdcColumn));
	return rel;
}

/* All else about it, with the name, type and typmod of its columns given; rel->cxt is current. */
static void
describe(CdcWorker *w, CdcRelation *rel, Relation table)
{
	rel->identity = table->rd_rel->relreplident;
	for (int i = 0; i < rel->ncolumns; i++)
	{
		CdcColumn  *col = &rel->columns[i];
		StringInfoData label;

		for (int a = 0; a < RelationGetDescr(table)->natts; a++)
		{
			Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(table), a);

			if (!attr->attisdropped && strcmp(NameStr(attr->attname), col->name) == 0)
			{
				col->attno = attr->attnum;
				col->notnull = attr->attnotnull;
			}
		}
		cdc_describe_type(col, w->config->decimals);
		initStringInfo(&label);
		cdc_json_string(&label, col->name, strlen(col->name));
		appendStringInfoChar(&label, ':');
		col->label = label.data;
		col->label_len = label.len;
	}
	set_key(rel, table);
	/* what is written there is about the stream, and would never end in it */
	rel->ours = strcmp(rel->schema, "cipherhorizon") == 0;
	if (rel->ours)
		return;
	rel->stats = cdc_table_stats(w->shared, rel->relid);
	rel->topic = cdc_topic(w, topic_name(w, rel), 0, false);
	if (w->config->format->describe)
		w->config->format->describe(w, rel);
}

/* For the values of a change. */
static void
make_room(CdcWorker *w, int ncolumns)
{
	if (ncolumns <= w->nvalues)
		return;
	w->nvalues = ncolumns;
	w->old = w->old ? repalloc(w->old, ncolumns * sizeof(CdcValue)) : MemoryContextAlloc(w->cxt, ncolumns * sizeof(CdcValue));
	w->new = w->new ? repalloc(w->new, ncolumns * sizeof(CdcValue)) : MemoryContextAlloc(w->cxt, ncolumns * sizeof(CdcValue));
}

static void
remember(CdcWorker *w, CdcRelation *rel)
{
	bool		found;
	RelationEntry *entry = entry_of(w, rel->relid, HASH_ENTER, &found);

	if (found && entry->rel)
		MemoryContextDelete(entry->rel->cxt);
	entry->rel = rel;
	make_room(w, rel->ncolumns);
}

CdcRelation *
cdc_relation_read(CdcWorker *w, StringInfo in)
{
	Oid			relid = pq_getmsgint(in, 4);
	const char *schema = pq_getmsgrawstring(in);
	const char *name = pq_getmsgrawstring(in);
	int			identity = pq_getmsgbyte(in);
	int			n = pq_getmsgint(in, 2);
	CdcRelation *rel = new_relation(w->cxt, relid, n);
	MemoryContext old = MemoryContextSwitchTo(rel->cxt);
	Relation	table;

	(void) identity;
	rel->schema = pstrdup(schema[0] ? schema : "pg_catalog");
	rel->table = pstrdup(name);
	for (int i = 0; i < n; i++)
	{
		CdcColumn  *col = &rel->columns[i];

		col->identity = (pq_getmsgbyte(in) & 1) != 0;
		col->name = pstrdup(pq_getmsgrawstring(in));
		col->type = pq_getmsgint(in, 4);
		col->typmod = pq_getmsgint(in, 4);
	}
	table = RelationIdGetRelation(relid);
	if (!RelationIsValid(table))
		elog(ERROR, "table %u is not in the catalog", relid);
	describe(w, rel, table);
	RelationClose(table);
	MemoryContextSwitchTo(old);
	remember(w, rel);
	return rel;
}

CdcRelation *
cdc_relation_open(CdcWorker *w, Oid relid, List *attnames, MemoryContext parent)
{
	CdcRelation *rel = new_relation(parent, relid, list_length(attnames));
	MemoryContext old = MemoryContextSwitchTo(rel->cxt);
	Relation	table = relation_open(relid, AccessShareLock);
	ListCell   *lc;

	rel->schema = get_namespace_name(RelationGetNamespace(table));
	rel->table = pstrdup(RelationGetRelationName(table));
	foreach(lc, attnames)
	{
		CdcColumn  *col = &rel->columns[foreach_current_index(lc)];
		int			attno = get_attnum(relid, lfirst(lc));

		col->name = pstrdup(lfirst(lc));
		get_atttypetypmodcoll(relid, attno, &col->type, &col->typmod, &(Oid) {0});
	}
	describe(w, rel, table);
	relation_close(table, NoLock);
	MemoryContextSwitchTo(old);
	make_room(w, rel->ncolumns);
	return rel;
}
