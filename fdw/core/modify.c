/*
 * modify.c
 *	  INSERT, UPDATE, DELETE, COPY and TRUNCATE of a foreign table.
 *
 * A row becomes values, the driver makes a record of them, and pending.c keeps
 * records until they are sent.  UPDATE and DELETE find a row again by columns
 * that the driver names; their old values come from the scan below.  Rows that
 * a statement reads from the server that it writes are all read before the
 * first is written: no row is met twice.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/fdwapi.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/inherit.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Rows that core collects before it calls us; batches to the store are our own. */
#define SLOTS_OF_A_BATCH 100

/* Core's name of the junk column that has a row as it was. */
#define OLD_ROW "wholerow"


/* fdw_private of a ModifyTable plan */
enum
{
	PLAN_COLUMNS,				/* int list of attnos */
	PLAN_SKIP_EXISTING			/* Integer */
};

/* ResultRelInfo.ri_FdwState */
typedef struct ModifyState
{
	ChWrite    *write;
	bool		explain_only;
	bool		read;			/* the statement reads the server: send at its end */
	struct ModifyState *insert; /* of an UPDATE: rows that are routed here */
	AttrNumber *junk;			/* of each identity column, in the plan's rows */
	ChValue    *values;
	ChValue    *identity;
	MemoryContext row_cxt;
	AttrNumber	old_row;		/* in the plan's rows: what RETURNING of a DELETE shows */
} ModifyState;

/* ---- what may be written ------------------------------------------------------ */

static bool
may_write(const ChTable *table, ChVerb verb, const char **reason, const char **hint)
{
	*hint = NULL;
	if (table->driver->can_write == NULL)
	{
		*reason = "This wrapper only reads.";
		return false;
	}
	if (!ch_opt_bool(table->driver, table->options, "updatable"))
	{
		*reason = "Option \"updatable\" is false.";
		return false;
	}
	return table->driver->can_write(table, verb, reason, hint);
}

void
ch_check_writable(const ChTable *table, ChVerb verb)
{
	const char *reason = NULL;
	const char *hint = NULL;

	if (!may_write(table, verb, &reason, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s foreign table %s", verb == CH_INSERT ? "insert into" : verb == CH_UPDATE ? "update" :
						verb == CH_DELETE ? "delete from" : "truncate", table->name),
				 errdetail("%s", reason),
				 hint ? errhint("%s", hint) : 0));
}

static int
is_updatable(Relation rel)
{
	ChTable    *table = ch_table_open(RelationGetRelid(rel));
	const char *reason;
	const char *hint;
	int			events = 0;

	if (may_write(table, CH_INSERT, &reason, &hint))
		events |= 1 << CMD_INSERT;
	if (may_write(table, CH_UPDATE, &reason, &hint))
		events |= 1 << CMD_UPDATE;
	if (may_write(table, CH_DELETE, &reason, &hint))
		events |= 1 << CMD_DELETE;
	return events;
}

/* ---- planning ------------------------------------------------------------------- */

/* Children of a partitioned table share the names of junk columns of one kind. */
static char *
junk_name(const ChColumn *col)
{
	return psprintf("ch_%d_%u_%d_%u", col->attno, col->typid, col->typmod, col->collation);
}

static void
add_update_targets(PlannerInfo *root, Index rti, RangeTblEntry *rte, Relation rel)
{
	ChTable    *table = ch_table_open(RelationGetRelid(rel));
	ChVerb		verb = root->parse->commandType == CMD_DELETE ? CH_DELETE : CH_UPDATE;
	ListCell   *lc;

	ch_check_writable(table, verb);
	foreach(lc, table->driver->row_identity(table))
	{
		const ChColumn *col = ch_column(table, lfirst_int(lc));

		add_row_identity_var(root, makeVar(rti, col->attno, col->typid, col->typmod, col->collation, 0),
							 rti, junk_name(col));
	}
	/* core asks for it by the same name where it needs it itself */
	if (verb == CH_DELETE && root->parse->returningList)
		add_row_identity_var(root, makeVar(rti, InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0), rti, OLD_ROW);
}

static List *
all_columns(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *attnos = NIL;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			attnos = lappend_int(attnos, i + 1);
	return attnos;
}

static List *
updated_columns(PlannerInfo *root, Index rti, Relation rel)
{
	Bitmapset  *cols;
	List	   *attnos = NIL;
	int			i = -1;

	/* a trigger may change any of them */
	if (rel->trigdesc && rel->trigdesc->trig_update_before_row)
		return all_columns(rel);
	cols = get_rel_all_updated_cols(root, find_base_rel(root, rti));
	while ((i = bms_next_member(cols, i)) >= 0)
		attnos = lappend_int(attnos, i + FirstLowInvalidHeapAttributeNumber);
	return attnos;
}

static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index rti, int subplan)
{
	Relation	rel = table_open(planner_rt_fetch(rti, root)->relid, NoLock);
	List	   *columns = NIL;

	if (plan->operation == CMD_INSERT)
		columns = all_columns(rel);
	else if (plan->operation == CMD_UPDATE)
		columns = updated_columns(root, rti, rel);
	table_close(rel, NoLock);
	/* the planner refuses conflicts on given columns: a foreign table has no unique index */
	return list_make2(columns, makeInteger(plan->onConflictAction == ONCONFLICT_NOTHING));
}

/* ---- values ------------------------------------------------------------------------ */

/* Text as every session reads it back alike. */
static char *
output_text(Oid typid, Datum d)
{
	Oid			func;
	bool		varlena;
	int			level = NewGUCNestLevel();
	char	   *text;

	/* the defaults will do */
	if (DateStyle != USE_ISO_DATES)
		(void) set_config_option("datestyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (IntervalStyle != INTSTYLE_POSTGRES)
		(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (extra_float_digits < 1)
		(void) set_config_option("extra_float_digits", "1", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	getTypeOutputInfo(typid, &func, &varlena);
	text = OidOutputFunctionCall(func, d);
	AtEOXact_GUC(true, level);
	return text;
}

void
ch_refuse_value(const ChColumn *col, int sqlstate, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("value of column \"%s\" of foreign table %s cannot be stored in %s",
					col->name, col->table->name, col->table->driver->product),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

void
ch_refuse_json_null(const ChColumn *col)
{
	ch_refuse_value(col, ERRCODE_NULL_VALUE_NOT_ALLOWED, "JSON's null would be read as NULL.", "Write NULL.");
}

static void
check_array(const ChColumn *col, ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "The array has more than one dimension.", NULL);
	if (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1)
		ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED, "The array does not begin with the subscript 1.", NULL);
}

void
ch_value_to_write(const ChColumn *col, Datum d, bool isnull, ChValue *v)
{
	Oid			type = col->basetype;
	bool		content = type == JSONBOID || OidIsValid(col->elemtype);
	char	   *text;

	memset(v, 0, sizeof(*v));
	if (isnull && col->notnull && !col->generated)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of foreign table %s violates not-null constraint", col->name, col->table->name)));
	if (isnull)
		return;
	if (content && !col->table->driver->writes_text)
	{
		if (OidIsValid(col->elemtype))
			check_array(col, DatumGetArrayTypeP(d));
		if (ch_content_to_value(d, type, v) && v->kind != CH_NULL)
			return;
		if (v->kind == CH_NULL)
			ch_refuse_json_null(col);
		ch_refuse_value(col, ERRCODE_FEATURE_NOT_SUPPORTED,
						psprintf("Values of type %s have no form there.", format_type_be(type)), NULL);
	}
	if (type == INTERVALOID && !col->table->driver->writes_text)
	{
		v->kind = CH_INTERVAL;
		v->u.interval = *DatumGetIntervalP(d);
		return;
	}
	if (!content && ch_datum_to_value(d, type, v))
		return;
	text = output_text(type, d);
	text = pg_server_to_any(text, strlen(text), PG_UTF8);
	*v = ch_string(text, strlen(text));
	v->kind = CH_UNTYPED;
}

/* Fill in what the driver makes for columns without a value; the tuple is in the per-tuple memory. */
static void
make_values(EState *estate, ChWrite *w, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	bool		made = false;

	slot_getallattrs(slot);
	for (int i = 0; i < w->ncolumns; i++)
	{
		ChColumn   *col = w->columns[i];
		int			at = col->attno - 1;
		ChValue		v;

		if (!col->generated || !slot->tts_isnull[at])
			continue;
		w->driver->make_value(col, &v);
		slot->tts_isnull[at] = !ch_value_to_datum(col, &v, &slot->tts_values[at]);
		made = true;
	}
	if (made)
		ExecForceStoreHeapTuple(heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull), slot, false);
	MemoryContextSwitchTo(old);
}

static void
values_of_slot(ChWrite *w, TupleTableSlot *slot, ChValue *values)
{
	slot_getallattrs(slot);
	for (int i = 0; i < w->ncolumns; i++)
	{
		int			at = w->columns[i]->attno - 1;

		ch_value_to_write(w->columns[i], slot->tts_values[at], slot->tts_isnull[at], &values[i]);
	}
}

/* ---- execution ------------------------------------------------------------------------ */

/* Does the statement scan the server that it writes? */
static bool
reads_server(const EState *estate, Oid serverid)
{
	dlist_iter	iter;

	dlist_foreach(iter, ch_scans())
	{
		const ChScanState *state = dlist_container(ChScanState, registered, iter.cur);

		if (state->scan.table && state->scan.table->serverid == serverid && state->node->ss.ps.state == estate)
			return true;
	}
	return false;
}

/* Old values are in the row of the plan below. */
static void
find_junk(ModifyState *state, Plan *subplan)
{
	const ChWrite *w = state->write;

	state->junk = palloc0(Max(w->nidentity, 1) * sizeof(AttrNumber));
	for (int i = 0; i < w->nidentity; i++)
	{
		state->junk[i] = ExecFindJunkAttributeInTlist(subplan->targetlist, junk_name(w->identity[i]));
		if (!AttributeNumberIsValid(state->junk[i]))
			elog(ERROR, "the plan has no column that identifies a row");
	}
	state->old_row = ExecFindJunkAttributeInTlist(subplan->targetlist, OLD_ROW);
}

static ModifyState *
begin(EState *estate, ResultRelInfo *rinfo, ChVerb verb, List *columns, bool skip_existing, bool explain_only)
{
	Relation	rel = rinfo->ri_RelationDesc;
	ModifyState *state = palloc0(sizeof(ModifyState));
	ChWriteKey	key = {
		.relid = RelationGetRelid(rel),.userid = ch_write_userid(rinfo, estate),.verb = verb,
		.skip_existing = skip_existing,.columns = columns
	};

	state->explain_only = explain_only;
	state->write = explain_only ? ch_make_write(&key, CurrentMemoryContext) : ch_get_write(&key);
	state->values = palloc(Max(state->write->ncolumns, 1) * sizeof(ChValue));
	state->identity = palloc(Max(state->write->nidentity, 1) * sizeof(ChValue));
	state->row_cxt = AllocSetContextCreate(estate->es_query_cxt, "CipherHorizon row", ALLOCSET_DEFAULT_SIZES);
	rinfo->ri_FdwState = state;
	return state;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *private, int subplan, int eflags)
{
	static const ChVerb verbs[] = {[CMD_INSERT] = CH_INSERT,[CMD_UPDATE] = CH_UPDATE,[CMD_DELETE] = CH_DELETE};
	ModifyState *state;

	if (mtstate->operation > CMD_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot execute MERGE on relation \"%s\"", RelationGetRelationName(rinfo->ri_RelationDesc))));
	state = begin(mtstate->ps.state, rinfo, verbs[mtstate->operation], list_nth(private, PLAN_COLUMNS),
				  intVal(list_nth(private, PLAN_SKIP_EXISTING)) != 0, (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0);
	if (mtstate->operation != CMD_INSERT)
		find_junk(state, outerPlanState(mtstate)->plan);
}

/* COPY, and rows that are routed to a partition. */
static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	bool		skip = plan && plan->onConflictAction == ONCONFLICT_NOTHING;
	ModifyState *update = rinfo->ri_FdwState;
	ModifyState *insert;

	if (plan && plan->onConflictAction == ONCONFLICT_UPDATE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot route rows of INSERT ... ON CONFLICT DO UPDATE to foreign table \"%s\"",
						RelationGetRelationName(rinfo->ri_RelationDesc))));
	insert = begin(mtstate->ps.state, rinfo, CH_INSERT, all_columns(rinfo->ri_RelationDesc), skip, false);
	if (update == NULL)
		return;
	/* the rows that it updates are read before the first of ours is sent */
	update->insert = insert;
	rinfo->ri_FdwState = update;
}

/* The row as it was, into values and nulls by attno - 1; false if the plan does not have it. */
static bool
get_old_row(const ModifyState *state, TupleTableSlot *plan_slot, TupleDesc desc, Datum *values, bool *nulls)
{
	HeapTupleData tuple = {0};
	Datum		row;
	bool		isnull;

	if (!AttributeNumberIsValid(state->old_row))
		return false;
	row = ExecGetJunkAttribute(plan_slot, state->old_row, &isnull);
	if (isnull)
		return false;
	tuple.t_data = DatumGetHeapTupleHeader(row);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	heap_deform_tuple(&tuple, desc, values, nulls);
	return true;
}

static void
note_nulls(const ModifyState *state, TupleTableSlot *plan_slot, TupleDesc desc)
{
	const ChWrite *w = state->write;
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));

	if (get_old_row(state, plan_slot, desc, values, nulls))
		for (int i = 0; i < w->ncolumns; i++)
			w->was_null[i] = nulls[w->columns[i]->attno - 1];
}

static void
write_row(EState *estate, ResultRelInfo *rinfo, ModifyState *state, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	ChWrite    *w = state->write;
	MemoryContext old = MemoryContextSwitchTo(state->row_cxt);
	bool		full;

	for (int i = 0; i < w->nidentity; i++)
	{
		bool		isnull;
		Datum		d = ExecGetJunkAttribute(plan_slot, state->junk[i], &isnull);

		ch_value_to_write(w->identity[i], d, isnull, &state->identity[i]);
	}
	if (w->verb == CH_UPDATE && w->driver->wants_nulls)
		note_nulls(state, plan_slot, slot->tts_tupleDescriptor);
	if (w->verb == CH_INSERT && w->driver->make_value)
		make_values(estate, w, slot);
	/* a store knows nothing of partitions */
	if (w->verb != CH_DELETE && rinfo->ri_RelationDesc->rd_rel->relispartition)
		(void) ExecPartitionCheck(rinfo, slot, estate, true);
	if (w->verb != CH_DELETE)
		values_of_slot(w, slot, state->values);
	w->driver->encode_row(w, state->identity, state->values, ch_begin_record(w));
	full = ch_end_record(w, NULL);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_cxt);
	if (!full)
		return;
	/* scans of the statement may have begun after us */
	state->read = state->read || reads_server(estate, w->table->serverid);
	if (!state->read)
		ch_flush_writes(w);
}

static ModifyState *
inserting(const ResultRelInfo *rinfo)
{
	ModifyState *state = rinfo->ri_FdwState;

	return state->insert ? state->insert : state;
}

static TupleTableSlot *
exec_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	write_row(estate, rinfo, inserting(rinfo), slot, NULL);
	return slot;
}

static TupleTableSlot *
exec_update(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	write_row(estate, rinfo, rinfo->ri_FdwState, slot, plan_slot);
	return slot;
}

/* RETURNING shows the row as it was. */
static TupleTableSlot *
exec_delete(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	write_row(estate, rinfo, rinfo->ri_FdwState, slot, plan_slot);
	if (rinfo->ri_projectReturning == NULL)
		return slot;
	ExecClearTuple(slot);
	if (!get_old_row(rinfo->ri_FdwState, plan_slot, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull))
		elog(ERROR, "the plan does not have the row that is deleted");
	return ExecStoreVirtualTuple(slot);
}

static TupleTableSlot **
exec_batch_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot **slots, TupleTableSlot **plan_slots, int *n)
{
	for (int i = 0; i < *n; i++)
		write_row(estate, rinfo, inserting(rinfo), slots[i], NULL);
	return slots;
}

/* One by one where something looks at a row after it is written. */
static int
get_batch_size(ResultRelInfo *rinfo)
{
	const TriggerDesc *triggers = rinfo->ri_TrigDesc;
	bool		one = rinfo->ri_projectReturning != NULL || rinfo->ri_WithCheckOptions != NIL ||
		(triggers && (triggers->trig_insert_before_row || triggers->trig_insert_after_row));

	return one ? 1 : SLOTS_OF_A_BATCH;
}

static void
end_modify(EState *estate, ResultRelInfo *rinfo)
{
	ModifyState *state = rinfo->ri_FdwState;

	if (state == NULL || state->explain_only)
		return;
	ch_flush_writes(state->write);
	if (state->insert)
		ch_flush_writes(state->insert->write);
}

/* ---- TRUNCATE ---------------------------------------------------------------------------- */

static void
truncate_tables(List *rels, DropBehavior behavior, bool restart_seqs)
{
	ListCell   *lc;

	/* all are allowed, or none is truncated */
	foreach(lc, rels)
	{
		const ChTable *table = ch_table_open(RelationGetRelid((Relation) lfirst(lc)));

		if (!ch_opt_bool(table->driver, table->options, "truncatable"))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("foreign table %s does not allow TRUNCATE", table->name),
					 errdetail("It would remove from the store all that the table shows."),
					 errhint("ALTER FOREIGN TABLE %s OPTIONS (ADD truncatable 'true');", table->name)));
		ch_check_writable(table, CH_TRUNCATE);
	}
	foreach(lc, rels)
	{
		ChWriteKey	key = {
			.relid = RelationGetRelid((Relation) lfirst(lc)),.userid = GetUserId(),.verb = CH_TRUNCATE
		};
		ChWrite    *w = ch_get_write(&key);

		ch_add_batch(w);
		ch_flush_writes(w);
	}
}

/* ---- EXPLAIN -------------------------------------------------------------------------------- */

void
ch_explain_write(const ChWrite *w, const char *text, ExplainState *es)
{
	ExplainPropertyText("Remote Write", text, es);
	ExplainPropertyText("Write Mode", ch_write_mode_names[ch_write_mode(w->table)], es);
}

static void
explain_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *private, int subplan, ExplainState *es)
{
	ModifyState *state = rinfo->ri_FdwState;
	StringInfoData text;

	if (!es->verbose || state == NULL)
		return;
	initStringInfo(&text);
	state->write->driver->explain_write(state->write, &text);
	ch_explain_write(state->write, text.data, es);
}

void
ch_set_modify_routines(FdwRoutine *routine)
{
	routine->IsForeignRelUpdatable = is_updatable;
	routine->AddForeignUpdateTargets = add_update_targets;
	routine->PlanForeignModify = plan_modify;
	routine->BeginForeignModify = begin_modify;
	routine->ExecForeignInsert = exec_insert;
	routine->ExecForeignBatchInsert = exec_batch_insert;
	routine->GetForeignModifyBatchSize = get_batch_size;
	routine->ExecForeignUpdate = exec_update;
	routine->ExecForeignDelete = exec_delete;
	routine->EndForeignModify = end_modify;
	routine->BeginForeignInsert = begin_insert;
	routine->EndForeignInsert = end_modify;
	routine->ExecForeignTruncate = truncate_tables;
	routine->ExplainForeignModify = explain_modify;
	ch_set_direct_routines(routine);
}
