/*
 * prefetch.c
 *	  The rows of one scan for many parameter sets, fetched ahead in one request
 *	  or a few.
 *
 * A parameter set is what the scan's expressions that depend on the loop
 * evaluate to.  Sets are noted one by one (ch_prefetch_add), duplicates once,
 * then those that are new are asked for (ch_prefetch_fetch), and each rescan
 * finds its own (ch_prefetch_find).  A set that is not found is no error: the
 * scan asks for itself; so do the sets of a fetch that raised.  Sets stay for
 * later batches, also when the loop begins anew: they are found by the values of
 * all expressions that may change within the statement.
 *
 * There are two ways to ask for many:
 *
 *	- Merged.  All that depends on the loop is "column = value": one query has
 *	  column IN (all values), and rows are told apart by the column.  Every
 *	  driver can do that.
 *	- In sets.  The driver takes the questions one by one and asks them in one
 *	  request (ship_sets); its rows say whose they are.
 *
 * Sets and rows are kept up to work_mem.  If the rows of a batch are more, all
 * are dropped and the caller is told, to ask for fewer at once; sets of earlier
 * batches go when there is no room for those of another.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* ---- sets by their bytes ---------------------------------------------------- */

typedef struct Key
{
	const char *data;
	int			len;
} Key;

typedef struct KeyEntry
{
	Key			key;
	int			set;
	char		status;
} KeyEntry;

#define SH_PREFIX keys
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE Key
#define SH_KEY key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).data, (k).len)
#define SH_EQUAL(tb, a, b) ((a).len == (b).len && memcmp((a).data, (b).data, (a).len) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Room for as many keys at first: growing costs more than it. */
#define FIRST_KEYS 1024

/* A parameter set and its rows. */
typedef struct Set
{
	Key			key;
	Datum	   *values;			/* of ChPrefetch.numbers */
	bool	   *nulls;
	bool		never;			/* no row can match */
	bool		failed;			/* it asks for itself */
	ChSet		question;		/* in sets */
	int			nrows;
	int			room;
	MinimalTuple first;
	MinimalTuple *others;		/* the rows after the first: most sets have none */
} Set;

struct ChPrefetch
{
	ChScanState *state;
	const Bitmapset *params;
	bool		merged;
	int			max_sets;		/* in sets: of one request */
	int			n;				/* expressions that depend on the loop */
	int			nall;			/* and, after them, on other parts of the plan */
	int		   *numbers;		/* in fdw_exprs */
	ExprState **exprs;
	Oid		   *types;			/* below domains */
	int16	   *lens;
	bool	   *byvals;
	Datum	   *values;			/* what they are now */
	bool	   *nulls;
	int			nkeys;			/* merged: keys, each of a column and an expression */
	int		   *key_numbers;	/* of each key: index in numbers */
	ChColumn  **key_columns;
	int		   *key_targets;	/* where it is in the scan's slot */

	StringInfoData key;			/* the one that is looked for; empty: no row can match */
	int			ncommon;		/* merged: its first bytes, which all sets of a fetch have */
	StringInfoData common;		/* and what they are */

	/* the batch */
	MemoryContext cxt;
	struct keys_hash *by_key;	/* sets; merged: by what equals the columns, else by their values' bytes */
	int			guess;			/* set that the next key may be of: they come in order */
	int			nsets;
	int			nfetched;		/* the first ones: kept for later batches */
	int			room;
	Set		   *sets;
	Size		bytes;			/* of sets and rows */

	Set		   *current;
	int			at;
};

/* ---- what depends on the loop ---------------------------------------------------- */

static bool
has_param(Node *node, void *params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC && bms_is_member(((Param *) node)->paramid, params);
	return expression_tree_walker(node, has_param, params);
}

bool
ch_has_param(Node *node, const Bitmapset *params)
{
	return has_param(node, unconstify(Bitmapset *, params));
}

static bool
is_exec_param(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC;
	return expression_tree_walker(node, is_exec_param, unused);
}

bool
ch_has_exec_param(Node *node)
{
	return is_exec_param(node, NULL);
}

static bool
depends(const ForeignScan *plan, int number, const Bitmapset *params)
{
	return ch_has_param(list_nth(plan->fdw_exprs, number), params);
}

static bool
condition_depends(const ForeignScan *plan, const ChExpr *expr, const Bitmapset *params)
{
	ListCell   *lc;

	if (expr == NULL)
		return false;
	foreach(lc, expr->args)
		if (condition_depends(plan, lfirst(lc), params))
			return true;
	foreach(lc, expr->values)
		if (depends(plan, lfirst_int(lc), params))
			return true;
	return false;
}

/* Conditions of joins, aggregates and groups are common to all sets. */
static bool
parts_depend(const ForeignScan *plan, const ChQuery *query, const Bitmapset *params)
{
	ListCell   *lc;

	foreach(lc, query->joins)
		if (condition_depends(plan, ((ChJoin *) lfirst(lc))->on, params))
			return true;
	foreach(lc, query->targets)
		if (condition_depends(plan, ((ChTarget *) lfirst(lc))->filter, params))
			return true;
	return condition_depends(plan, query->having, params);
}

/* Where the scan's slot has a column, or -1. */
static int
target_of(const ChScanState *state, const ChColumn *col)
{
	for (int i = 0; i < state->scan.ncolumns; i++)
		if (state->scan.columns[i] == col)
			return state->target[i];
	return -1;
}

static int
index_of(const ChPrefetch *pf, int number)
{
	for (int i = 0; i < pf->n; i++)
		if (pf->numbers[i] == number)
			return i;
	return -1;
}

/* How many expressions depend on the loop. */
static int
count_dependent(const ForeignScan *plan, const Bitmapset *params)
{
	int			n = 0;

	for (int number = 0; number < list_length(plan->fdw_exprs); number++)
		n += depends(plan, number, params);
	return n;
}

/* One condition of those that all hold: a key, or nothing that depends. */
static bool
add_key(List **keys, const ForeignScan *plan, ChExpr *expr, const Bitmapset *params)
{
	const ChQuery *query = linitial(plan->fdw_private);

	if (!condition_depends(plan, expr, params))
		return true;
	if (expr->kind != CH_COND_CMP || expr->op != CH_EQ || !list_member_int(query->merge_keys, expr->attno))
		return false;
	*keys = lappend(*keys, expr);
	return true;
}

/* The conditions "column = value" that are all that depends on the loop, or NIL. */
static List *
merged_keys(const ForeignScan *plan, const Bitmapset *params)
{
	const ChQuery *query = linitial(plan->fdw_private);
	List	   *keys = NIL;
	ListCell   *lc;

	if (query->filter == NULL || query->grouped || query->ndistinct > 0 || query->limit >= 0 || query->offset >= 0)
		return NIL;
	if (query->filter->kind != CH_COND_AND)
		(void) add_key(&keys, plan, query->filter, params);
	else
		foreach(lc, query->filter->args)
			if (!add_key(&keys, plan, lfirst(lc), params))
				return NIL;
	return list_length(keys) == count_dependent(plan, params) ? keys : NIL;
}

bool
ch_prefetch_can(const ForeignScan *plan, const ChTable *table, const Bitmapset *params, bool *merged)
{
	const ChQuery *query = linitial(plan->fdw_private);

	*merged = false;
	if (count_dependent(plan, params) == 0 || parts_depend(plan, query, params))
		return false;
	*merged = merged_keys(plan, params) != NIL;
	return *merged || (table->driver->ship_sets && table->driver->ship_sets(table, query) > 1);
}

static void
note_keys(ChPrefetch *pf, List *keys)
{
	ListCell   *lc;

	pf->key_columns = palloc(pf->n * sizeof(ChColumn *));
	pf->key_targets = palloc(pf->n * sizeof(int));
	pf->key_numbers = palloc(pf->n * sizeof(int));
	foreach(lc, keys)
	{
		const ChExpr *expr = lfirst(lc);
		ChColumn   *col = ch_column(pf->state->scan.table, expr->attno);

		pf->key_columns[pf->nkeys] = col;
		pf->key_targets[pf->nkeys] = target_of(pf->state, col);
		pf->key_numbers[pf->nkeys++] = index_of(pf, linitial_int(expr->values));
	}
}

static void
note_expression(ChPrefetch *pf, const ForeignScan *plan, int number)
{
	int			i = pf->nall++;

	pf->numbers[i] = number;
	pf->exprs[i] = list_nth(pf->state->params, number);
	pf->types[i] = getBaseType(exprType(list_nth(plan->fdw_exprs, number)));
	get_typlenbyval(pf->types[i], &pf->lens[i], &pf->byvals[i]);
}

static void
note_expressions(ChPrefetch *pf, const ForeignScan *plan, const Bitmapset *params)
{
	int			all = list_length(plan->fdw_exprs);

	pf->numbers = palloc(all * sizeof(int));
	pf->exprs = palloc(all * sizeof(ExprState *));
	pf->types = palloc(all * sizeof(Oid));
	pf->lens = palloc(all * sizeof(int16));
	pf->byvals = palloc(all * sizeof(bool));
	pf->values = palloc(all * sizeof(Datum));
	pf->nulls = palloc(all * sizeof(bool));
	for (int number = 0; number < all; number++)
		if (depends(plan, number, params))
			note_expression(pf, plan, number);
	pf->n = pf->nall;
	for (int number = 0; number < all; number++)
		if (!depends(plan, number, params) && ch_has_exec_param(list_nth(plan->fdw_exprs, number)))
			note_expression(pf, plan, number);
}

ChPrefetch *
ch_prefetch_make(ChScanState *state, const Bitmapset *params)
{
	const ForeignScan *plan = (ForeignScan *) state->node->ss.ps.plan;
	const ChScan *scan = &state->scan;
	MemoryContext old;
	ChPrefetch *pf = state->prefetch;
	bool		merged;

	/* a sub-select of several partitions is one plan */
	if (pf)
		return bms_equal(pf->params, params) ? pf : NULL;
	if (!ch_prefetch_can(plan, scan->table, params, &merged))
		return NULL;
	old = MemoryContextSwitchTo(scan->cxt);
	pf = state->prefetch = palloc0(sizeof(ChPrefetch));
	pf->state = state;
	pf->params = bms_copy(params);
	pf->merged = merged;
	note_expressions(pf, plan, params);
	if (merged)
		note_keys(pf, merged_keys(plan, params));
	else
		pf->max_sets = scan->driver->ship_sets(scan->table, scan->query);
	initStringInfo(&pf->key);
	initStringInfo(&pf->common);
	pf->cxt = AllocSetContextCreate(scan->cxt, "CipherHorizon batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	return pf;
}

/* ---- keys -------------------------------------------------------------------------- */

/* The bytes of a value as it is; what has the same bytes is the same value. */
static void
append_image(StringInfo key, Datum value, bool isnull, int16 len, bool byval)
{
	appendStringInfoChar(key, isnull);
	if (isnull)
		return;
	if (byval)
		appendBinaryStringInfo(key, (char *) &value, sizeof(Datum));
	else if (len == -1)
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(value);
		int			size = VARSIZE_ANY_EXHDR(v);

		appendBinaryStringInfo(key, (char *) &size, sizeof(int));
		appendBinaryStringInfo(key, VARDATA_ANY(v), size);
	}
	else
		appendBinaryStringInfo(key, DatumGetPointer(value), len == -2 ? strlen(DatumGetCString(value)) + 1 : len);
}

static void
append_bytes(StringInfo key, const char *data, int len)
{
	appendBinaryStringInfo(key, (char *) &len, sizeof(int));
	appendBinaryStringInfo(key, data, len);
}

/* The bytes of a value so that equal values have the same. */
static void
append_value(StringInfo key, const ChValue *v)
{
	switch (v->kind)
	{
		case CH_FLOAT:
			{
				double		f = isnan(v->u.f) ? get_float8_nan() : v->u.f == 0 ? 0.0 : v->u.f;

				appendBinaryStringInfo(key, (char *) &f, sizeof(f));
				break;
			}
		case CH_DECIMAL:
			{
				char	   *text = numeric_normalize(ch_value_to_numeric(v));

				append_bytes(key, text, strlen(text));
				break;
			}
		case CH_STRING:
		case CH_BYTES:
		case CH_UUID:
			append_bytes(key, v->u.s.data, v->u.s.len);
			break;
		case CH_BOOL:
			appendStringInfoChar(key, v->u.b);
			break;
		default:
			appendBinaryStringInfo(key, (char *) &v->u.i, sizeof(int64));
	}
}

static void
append_datum(StringInfo key, Datum value, Oid type)
{
	ChValue		v;

	if (!ch_datum_to_value(value, type, &v))
		elog(ERROR, "type %u has no form for a store", type);
	append_value(key, &v);
}

static Key
key_of(const StringInfoData *buf)
{
	return (Key) {buf->data, buf->len};
}

static bool
is_key(const StringInfoData *buf, Key key)
{
	return buf->len == key.len && memcmp(buf->data, key.data, key.len) == 0;
}

/* The set whose key pf->key holds, or NULL. */
static Set *
find_set(ChPrefetch *pf)
{
	int			number = pf->guess;

	if (number >= pf->nsets || !is_key(&pf->key, pf->sets[number].key))
	{
		KeyEntry   *entry = keys_lookup(pf->by_key, key_of(&pf->key));

		if (entry == NULL)
			return NULL;
		number = entry->set;
	}
	pf->guess = number + 1;
	return &pf->sets[number];
}

/* Are its rows there? */
static bool
is_fetched(const ChPrefetch *pf, const Set *set)
{
	return set - pf->sets < pf->nfetched;
}

/* ---- memory ------------------------------------------------------------------------------- */

static Size
memory(void)
{
	return work_mem * (Size) 1024;
}

/* ---- noting sets ----------------------------------------------------------------------- */

static void
forget_sets(ChPrefetch *pf)
{
	MemoryContextReset(pf->cxt);
	pf->by_key = NULL;
	pf->guess = 0;
	pf->sets = NULL;
	pf->nsets = pf->nfetched = pf->room = 0;
	pf->bytes = 0;
	pf->current = NULL;
}

bool
ch_prefetch_has(const ChPrefetch *pf)
{
	return pf->nfetched > 0;
}

/*
 * The values that the parameters are now, in per-tuple memory; pf->key: what
 * finds their set.  Merged, sets with equal keys ask for the same rows, so they
 * are one, and all with a NULL are another; other parts of the plan have the same
 * values for all sets of a fetch, and others for a later one.
 */
static void
evaluate(ChPrefetch *pf)
{
	ExprContext *econtext = pf->state->node->ss.ps.ps_ExprContext;
	MemoryContext old;
	bool		any_null = false;

	ResetExprContext(econtext);
	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	resetStringInfo(&pf->key);
	for (int i = 0; i < pf->nall; i++)
	{
		pf->values[i] = ExecEvalExpr(pf->exprs[i], econtext, &pf->nulls[i]);
		any_null |= pf->nulls[i] && i < pf->n;
		if (!pf->merged || i >= pf->n)
			append_image(&pf->key, pf->values[i], pf->nulls[i], pf->lens[i], pf->byvals[i]);
	}
	pf->ncommon = pf->key.len;
	if (pf->merged && any_null)
		resetStringInfo(&pf->key);
	for (int i = 0; i < pf->nkeys && !any_null; i++)
		append_datum(&pf->key, pf->values[pf->key_numbers[i]], pf->types[pf->key_numbers[i]]);
	MemoryContextSwitchTo(old);
}

static Set *
new_set(ChPrefetch *pf)
{
	Set		   *set;

	if (pf->nsets == pf->room)
	{
		pf->room = Max(16, pf->room * 2);
		pf->sets = pf->sets ? repalloc_array(pf->sets, Set, pf->room) : palloc_array(Set, pf->room);
	}
	set = &pf->sets[pf->nsets++];
	memset(set, 0, sizeof(Set));
	/* until all of it is known */
	set->failed = true;
	return set;
}

/* A new set of the values that the parameters are now, and its key, which entry gets; may raise. */
static void
add_set(ChPrefetch *pf, KeyEntry *entry)
{
	Set		   *set = new_set(pf);
	ChScan	   *scan = &pf->state->scan;
	Size		size = pf->n * (sizeof(Datum) + sizeof(bool)) + pf->key.len;

	set->values = palloc(size);
	set->nulls = (bool *) (set->values + pf->n);
	set->key.data = memcpy(set->nulls + pf->n, pf->key.data, pf->key.len);
	set->key.len = pf->key.len;
	entry->key = set->key;
	pf->bytes += sizeof(Set) + sizeof(KeyEntry) + size;
	for (int i = 0; i < pf->n; i++)
	{
		set->nulls[i] = pf->nulls[i];
		if (!pf->nulls[i])
			set->values[i] = datumCopy(pf->values[i], pf->byvals[i], pf->lens[i]);
	}
	if (pf->merged)
	{
		set->never = set->key.len == 0;
		if (!set->never)
		{
			resetStringInfo(&pf->common);
			appendBinaryStringInfo(&pf->common, set->key.data, pf->ncommon);
		}
	}
	else
	{
		set->never = !ch_bind(pf->state, false);
		set->question.filter = scan->filter;
		set->question.limit = scan->limit;
		set->question.offset = scan->offset;
	}
	set->failed = false;
}

void
ch_prefetch_add(ChPrefetch *pf)
{
	KeyEntry   *entry;
	bool		found;
	MemoryContext old;

	if (pf->nsets == pf->nfetched)
	{
		ch_stop_scan(pf->state);
		MemoryContextReset(pf->state->scan.run_cxt);
		if (pf->bytes > memory() / 2)
			forget_sets(pf);
	}
	old = MemoryContextSwitchTo(pf->cxt);
	if (pf->by_key == NULL)
		pf->by_key = keys_create(pf->cxt, FIRST_KEYS, NULL);
	evaluate(pf);
	entry = keys_insert(pf->by_key, key_of(&pf->key), &found);
	if (!found)
	{
		/* the key was looked for by bytes that the next one overwrites */
		entry->set = pf->nsets;
		add_set(pf, entry);
	}
	MemoryContextSwitchTo(old);
}

/* ---- fetching ------------------------------------------------------------------------------ */

static bool
is_asked(const Set *set)
{
	return !set->never && !set->failed;
}

static bool
keep_row(ChPrefetch *pf, Set *set, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(pf->cxt);
	MinimalTuple row;

	if (set->nrows > set->room)
	{
		set->room = Max(4, set->room * 2);
		set->others = set->others ? repalloc_array(set->others, MinimalTuple, set->room)
			: palloc_array(MinimalTuple, set->room);
	}
	row = ch_form_minimal_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	if (set->nrows == 0)
		set->first = row;
	else
		set->others[set->nrows - 1] = row;
	set->nrows++;
	pf->bytes += row->t_len + sizeof(MinimalTuple);
	MemoryContextSwitchTo(old);
	return pf->bytes <= memory();
}

/* Give a row to the set that has its key; one of an earlier batch has got its rows. */
static bool
keep_merged(ChPrefetch *pf, TupleTableSlot *slot)
{
	Set		   *set;

	resetStringInfo(&pf->key);
	appendBinaryStringInfo(&pf->key, pf->common.data, pf->common.len);
	for (int i = 0; i < pf->nkeys; i++)
	{
		if (slot->tts_isnull[pf->key_targets[i]])
			return true;
		append_datum(&pf->key, slot->tts_values[pf->key_targets[i]], pf->key_columns[i]->basetype);
	}
	set = find_set(pf);
	return set == NULL || is_fetched(pf, set) || keep_row(pf, set, slot);
}

/* Read all rows of a run; false if they are too many.  asked: the numbers of its sets. */
static bool
read_rows(ChPrefetch *pf, int *asked)
{
	ChScanState *state = pf->state;
	TupleTableSlot *slot = state->node->ss.ss_ScanTupleSlot;
	MemoryContext row = AllocSetContextCreate(pf->cxt, "CipherHorizon row", ALLOCSET_DEFAULT_SIZES);
	bool		fits = true;

	/* an asynchronous run may have ended by an error */
	state->scan.nowait = false;
	ExecClearTuple(slot);
	while (fits)
	{
		MemoryContext old;
		bool		found;

		MemoryContextReset(row);
		old = MemoryContextSwitchTo(row);
		found = ch_read_row(state, slot);
		if (found)
			fits = pf->merged ? keep_merged(pf, slot) : keep_row(pf, &pf->sets[asked[state->scan.current_set]], slot);
		MemoryContextSwitchTo(old);
		if (!found)
			break;
	}
	ch_stop_scan(state);
	MemoryContextDelete(row);
	return fits;
}

static bool
fetch_merged(ChPrefetch *pf)
{
	int			all = list_length(pf->state->params);
	ChMerge		merge = {palloc0(all * sizeof(ChValue *)), palloc0(all * sizeof(int)), pf->nkeys == 1};
	int			asked = 0;

	for (int k = 0; k < pf->nkeys; k++)
	{
		int			n = pf->key_numbers[k];
		ChValue    *values = palloc(pf->nsets * sizeof(ChValue));

		asked = 0;
		for (int i = pf->nfetched; i < pf->nsets; i++)
			if (is_asked(&pf->sets[i]))
				(void) ch_datum_to_value(pf->sets[i].values[n], pf->types[n], &values[asked++]);
		merge.values[pf->numbers[n]] = values;
		merge.counts[pf->numbers[n]] = asked;
	}
	if (asked == 0 || !ch_bind_merged(pf->state, &merge))
		return true;
	ch_send(pf->state);
	return read_rows(pf, NULL);
}

/* Ask the sets from *next on, as many as one request takes. */
static bool
fetch_some_sets(ChPrefetch *pf, int *next)
{
	ChScan	   *scan = &pf->state->scan;
	int		   *asked = palloc(pf->max_sets * sizeof(int));
	bool		fits;

	scan->sets = palloc(pf->max_sets * sizeof(ChSet));
	scan->nsets = 0;
	for (; *next < pf->nsets && scan->nsets < pf->max_sets; (*next)++)
	{
		if (!is_asked(&pf->sets[*next]))
			continue;
		asked[scan->nsets] = *next;
		scan->sets[scan->nsets++] = pf->sets[*next].question;
	}
	if (scan->nsets == 0)
		return true;
	ch_send(pf->state);
	fits = read_rows(pf, asked);
	scan->nsets = 0;
	return fits;
}

/* A group of no rows is a row all the same. */
static void
add_empty_groups(ChPrefetch *pf)
{
	TupleTableSlot *slot = pf->state->node->ss.ss_ScanTupleSlot;

	if (!pf->state->scan.grouped || pf->state->scan.ngroup > 0)
		return;
	for (int i = pf->nfetched; i < pf->nsets; i++)
		if (pf->sets[i].nrows == 0)
		{
			ch_fill_empty_group(pf->state, slot);
			(void) keep_row(pf, &pf->sets[i], slot);
		}
}

bool
ch_prefetch_fetch(ChPrefetch *pf)
{
	MemoryContext old = MemoryContextSwitchTo(pf->state->scan.run_cxt);
	int			next = pf->nfetched;
	bool		fits = true;

	if (pf->merged)
		fits = fetch_merged(pf);
	else
		while (fits && next < pf->nsets)
			fits = fetch_some_sets(pf, &next);
	if (fits)
		add_empty_groups(pf);
	MemoryContextSwitchTo(old);
	if (!fits)
	{
		forget_sets(pf);
		return false;
	}
	/* what is raised from now on is not about this request */
	pf->state->bound = false;
	pf->state->batched += pf->nsets - pf->nfetched;
	pf->nfetched = pf->nsets;
	return true;
}

void
ch_prefetch_fail(ChPrefetch *pf)
{
	ch_scan_abandon(&pf->state->scan);
	MemoryContextReset(pf->state->scan.run_cxt);
	pf->state->scan.nsets = 0;
	pf->state->bound = false;
	for (int i = pf->nfetched; i < pf->nsets; i++)
		pf->sets[i].failed = true;
	pf->nfetched = pf->nsets;
}

/* ---- serving ---------------------------------------------------------------------------------- */

bool
ch_prefetch_find(ChPrefetch *pf)
{
	Set		   *set;

	if (pf->nfetched == 0)
		return false;
	evaluate(pf);
	set = find_set(pf);
	pf->current = set && is_fetched(pf, set) && !set->failed ? set : NULL;
	pf->at = 0;
	return pf->current != NULL;
}

bool
ch_prefetch_next(ChPrefetch *pf, TupleTableSlot *slot)
{
	MinimalTuple row;
	HeapTupleData tuple = {0};

	if (pf->current == NULL || pf->at == pf->current->nrows)
		return false;
	row = pf->at == 0 ? pf->current->first : pf->current->others[pf->at - 1];
	pf->at++;
	tuple.t_len = row->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) row - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&tuple, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	return true;
}
