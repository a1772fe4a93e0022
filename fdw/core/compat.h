/*
 * compat.h
 *	  Every difference between PostgreSQL 15, 16, 17 and 18 that this project
 *	  meets, in one place, so that no other file needs a version test.
 */
#ifndef CH_COMPAT_H
#define CH_COMPAT_H

#define CH_VERSION "1.0"

#include "postgres.h"

#include "commands/explain.h"
#include "miscadmin.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "access/stratnum.h"
#include "catalog/pg_foreign_server.h"
#include "executor/executor.h"
#include "fmgr.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#endif
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/pathnode.h"
#include "parser/parse_node.h"
#include "parser/parsetree.h"
#include "storage/latch.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/acl.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* 18 lets a module say its name and version in pg_get_loaded_modules(). */
#if PG_VERSION_NUM >= 180000
#define CH_MODULE_MAGIC(modname, modversion) \
	PG_MODULE_MAGIC_EXT(.name = (modname), .version = (modversion))
#else
#define CH_MODULE_MAGIC(modname, modversion) PG_MODULE_MAGIC
#endif

/* 17 added fdw_restrictinfo, 18 disabled_nodes. */
static inline ForeignPath *
ch_make_scan_path(PlannerInfo *root, RelOptInfo *rel, double rows,
				  Cost startup, Cost total, List *pathkeys,
				  Relids required_outer, List *restrictinfo, List *fdw_private)
{
	return create_foreignscan_path(root, rel, NULL, rows,
#if PG_VERSION_NUM >= 180000
								   0,
#endif
								   startup, total, pathkeys, required_outer,
								   NULL,
#if PG_VERSION_NUM >= 170000
								   restrictinfo,
#endif
								   fdw_private);
}

static inline ForeignPath *
ch_make_join_path(PlannerInfo *root, RelOptInfo *rel, double rows, Cost startup, Cost total,
				  List *restrictinfo, List *fdw_private)
{
	return create_foreign_join_path(root, rel, NULL, rows,
#if PG_VERSION_NUM >= 180000
									0,
#endif
									startup, total, NIL, rel->lateral_relids, NULL,
#if PG_VERSION_NUM >= 170000
									restrictinfo,
#endif
									fdw_private);
}

static inline ForeignPath *
ch_make_upper_path(PlannerInfo *root, RelOptInfo *rel, PathTarget *target,
				   double rows, Cost startup, Cost total, List *pathkeys,
				   List *fdw_private)
{
	return create_foreign_upper_path(root, rel, target, rows,
#if PG_VERSION_NUM >= 180000
									 0,
#endif
									 startup, total, pathkeys, NULL,
#if PG_VERSION_NUM >= 170000
									 NIL,
#endif
									 fdw_private);
}

/* 17 looks up statistics to tell how long an array is. */
#if PG_VERSION_NUM >= 170000
#define ch_estimate_array_length(root, array) estimate_array_length(root, array)
#else
#define ch_estimate_array_length(root, array) estimate_array_length(array)
#endif

/* 18 can leave room in front of the tuple. */
#if PG_VERSION_NUM >= 180000
#define ch_form_minimal_tuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls, 0)
#else
#define ch_form_minimal_tuple(desc, values, nulls) heap_form_minimal_tuple(desc, values, nulls)
#endif

/* 18 tells what the delay is for. */
#if PG_VERSION_NUM >= 180000
#define vacuum_delay_point_compat() vacuum_delay_point(true)
#else
#define vacuum_delay_point_compat() vacuum_delay_point()
#endif

/*
 * 18 lets a module add an option to EXPLAIN, and keep something with its state;
 * before, the option is never given.
 */
typedef void (*ChExplainOption) (ExplainState *es, DefElem *option, ParseState *pstate);

static inline void
ch_register_explain_option(const char *name, ChExplainOption handler)
{
#if PG_VERSION_NUM >= 180000
	RegisterExtensionExplainOption(name, handler);
#else
	(void) name;
	(void) handler;
#endif
}

static inline void
ch_set_explain_state(ExplainState *es, const char *name, void *value)
{
#if PG_VERSION_NUM >= 180000
	SetExplainExtensionState(es, GetExplainExtensionId(name), value);
#else
	(void) es;
	(void) name;
	(void) value;
#endif
}

static inline void *
ch_get_explain_state(ExplainState *es, const char *name)
{
#if PG_VERSION_NUM >= 180000
	return GetExplainExtensionState(es, GetExplainExtensionId(name));
#else
	(void) es;
	(void) name;
	return NULL;
#endif
}

/* 18 counts disabled nodes apart from costs. */
static inline void
ch_copy_disabled(Path *to, const Path *from)
{
#if PG_VERSION_NUM >= 180000
	to->disabled_nodes = from->disabled_nodes;
#else
	(void) to;
	(void) from;
#endif
}

/* The role whose user mapping a scan uses; moved to the plan node in 16. */
static inline Oid
ch_scan_userid(ForeignScan *plan, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) estate;
	return OidIsValid(plan->checkAsUser) ? plan->checkAsUser : GetUserId();
#else
	Index		rti = plan->scan.scanrelid;
	RangeTblEntry *rte;

	if (rti == 0)
		rti = bms_next_member(plan->fs_relids, -1);
	rte = rt_fetch(rti, estate->es_range_table);
	return OidIsValid(rte->checkAsUser) ? rte->checkAsUser : GetUserId();
#endif
}

/* The role as which rows are written; rinfo may be of a partition that rows are routed to. */
static inline Oid
ch_write_userid(ResultRelInfo *rinfo, EState *estate)
{
	Oid			userid;
#if PG_VERSION_NUM >= 160000
	userid = ExecGetResultRelCheckAsUser(rinfo, estate);
#else
	Index		rti = rinfo->ri_RangeTableIndex;

	if (rti == 0 && rinfo->ri_RootResultRelInfo)
		rti = rinfo->ri_RootResultRelInfo->ri_RangeTableIndex;
	userid = rti > 0 ? exec_rt_fetch(rti, estate)->checkAsUser : InvalidOid;
#endif
	return OidIsValid(userid) ? userid : GetUserId();
}

/* Pathkeys say their direction by a strategy number up to 17. */
static inline bool
ch_pathkey_descending(const PathKey *key)
{
#if PG_VERSION_NUM >= 180000
	return key->pk_cmptype == COMPARE_GT;
#else
	return key->pk_strategy == BTGreaterStrategyNumber;
#endif
}

/*
 * Input without an error for bad text: 16 has a way for it.  On 15 the error
 * is caught, which is safe only for input functions that do nothing but parse:
 * the caller asks for built-in types only.
 */
static inline bool
ch_input_soft(FmgrInfo *input, char *text, Oid ioparam, int32 typmod, Datum *result)
{
#if PG_VERSION_NUM >= 160000
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	return InputFunctionCallSafe(input, text, ioparam, typmod, (Node *) &escontext, result);
#else
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*result = InputFunctionCall(input, text, ioparam, typmod);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	return ok;
#endif
}

/* Rights on a foreign server; 16 made one function for all kinds of objects. */
static inline AclResult
ch_server_aclcheck(Oid serverid, Oid roleid, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, serverid, roleid, mode);
#else
	return pg_foreign_server_aclcheck(serverid, roleid, mode);
#endif
}

/* palloc_array and repalloc_array came with 16. */
#ifndef palloc_array
#define palloc_array(type, count) ((type *) palloc(sizeof(type) * (count)))
#define repalloc_array(pointer, type, count) ((type *) repalloc(pointer, sizeof(type) * (count)))
#endif

/*
 * The semantic actions of the JSON parser return a code since 16; its lexer's
 * context is the caller's since 17.
 */
#if PG_VERSION_NUM >= 160000
#define CH_JSON_ACTION JsonParseErrorType
#define CH_JSON_DONE JSON_SUCCESS
#else
#define CH_JSON_ACTION void
#define CH_JSON_DONE
#endif
#if PG_VERSION_NUM >= 170000
#define ch_json_lexer(json, len) makeJsonLexContextCstringLen(NULL, json, len, PG_UTF8, true)
#else
#define ch_json_lexer(json, len) makeJsonLexContextCstringLen(json, len, PG_UTF8, true)
#endif

/* What ends a wait for a store: 17 has one reason more. */
static inline bool
ch_interrupt_pending(void)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending
#if PG_VERSION_NUM >= 170000
								|| TransactionTimeoutPending
#endif
		);
}

/* The wait event shown in pg_stat_activity; named ones came with 17. */
#if PG_VERSION_NUM >= 170000
#define CH_WAIT_EVENT_NEW(name) WaitEventExtensionNew(name)
#else
#define CH_WAIT_EVENT_NEW(name) PG_WAIT_EXTENSION
#endif

/* 17 frees a set of events that an error leaves behind by resource owner. */
#if PG_VERSION_NUM >= 170000
#define CH_CREATE_WAIT_SET(nevents) CreateWaitEventSet(CurrentResourceOwner, nevents)
#else
#define CH_CREATE_WAIT_SET(nevents) CreateWaitEventSet(CurrentMemoryContext, nevents)
#endif

/* One that lasts as long as the process; 17 takes no memory context. */
#if PG_VERSION_NUM >= 170000
#define CH_CREATE_LASTING_WAIT_SET(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define CH_CREATE_LASTING_WAIT_SET(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/*
 * Logical slots, for who includes their header before this one: 17 knows ones that
 * a standby takes over, 18 refuses an invalidated one by itself.
 */
#ifdef SLOT_H
static inline void
ch_slot_create(const char *name)
{
#if PG_VERSION_NUM >= 170000
	ReplicationSlotCreate(name, true, RS_EPHEMERAL, false, true, false);
#else
	ReplicationSlotCreate(name, true, RS_EPHEMERAL, false);
#endif
}

static inline void
ch_slot_acquire(const char *name)
{
#if PG_VERSION_NUM >= 180000
	ReplicationSlotAcquire(name, true, true);
#else
	ReplicationSlotAcquire(name, true);
#endif
}

static inline bool
ch_slot_invalidated(const ReplicationSlot *slot)
{
#if PG_VERSION_NUM >= 160000
	return slot->data.invalidated != RS_INVAL_NONE;
#else
	return slot->data.restart_lsn == InvalidXLogRecPtr;
#endif
}

/*
 * Up to where WAL may be decoded: what is flushed, and with a slot that standbys
 * take over what they have, else last.
 */
static inline XLogRecPtr
ch_decodable_upto(XLogRecPtr last)
{
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

#if PG_VERSION_NUM >= 170000
	if (MyReplicationSlot && MyReplicationSlot->data.failover && !StandbySlotsHaveCaughtup(flushed, DEBUG1))
		return last;
#endif
	(void) last;
	return flushed;
}
#endif

/* The length that goes before a text was able to count itself, up to 16. */
#if PG_VERSION_NUM >= 170000
#define ch_send_counted_text(buffer, text, len) pq_sendcountedtext(buffer, text, len)
#else
#define ch_send_counted_text(buffer, text, len) pq_sendcountedtext(buffer, text, len, false)
#endif

/* Base64: 18 takes bytes. */
#if PG_VERSION_NUM >= 180000
#define ch_b64_encode(bytes, len, out, room) pg_b64_encode(bytes, len, out, room)
#else
#define ch_b64_encode(bytes, len, out, room) pg_b64_encode((const char *) (bytes), len, out, room)
#endif

/* A logical message of the transaction; 17 can flush one. */
#ifdef PG_LOGICAL_MESSAGE_H
static inline XLogRecPtr
ch_log_message(const char *prefix, const char *content, size_t len)
{
#if PG_VERSION_NUM >= 170000
	return LogLogicalMessage(prefix, content, len, true, false);
#else
	return LogLogicalMessage(prefix, content, len, true);
#endif
}
#endif

/* The next value of a sort, copied; 16 lets the caller choose */
#if PG_VERSION_NUM >= 160000
#define ch_tuplesort_getdatum(sort, value, isnull) tuplesort_getdatum(sort, true, true, value, isnull, NULL)
#else
#define ch_tuplesort_getdatum(sort, value, isnull) tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

#endif							/* CH_COMPAT_H */
