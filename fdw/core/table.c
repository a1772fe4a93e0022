/*
 * table.c
 *	  A foreign table as drivers see it: its columns, their options, and what
 *	  is needed to turn values into their types.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_type.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/*
 * Told by the wrapper's handler function, not by the wrapper's name: a DBA may
 * make a second wrapper with the same handler.
 */
const ChDriver *
ch_driver_of_server(Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ForeignDataWrapper *fdw = GetForeignDataWrapper(server->fdwid);
	FmgrInfo	handler;

	if (OidIsValid(fdw->fdwhandler))
	{
		fmgr_info(fdw->fdwhandler, &handler);
		for (const ChDriverEntry *e = ch_drivers; e->driver; e++)
			if (e->handler == handler.fn_addr)
				return e->driver;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("server \"%s\" is not a CipherHorizon server", server->servername),
			 errdetail("Its foreign-data wrapper is \"%s\".", fdw->fdwname)));
}

static void
set_input(ChColumn *col)
{
	Oid			func;

	col->basetype = getBaseTypeAndTypmod(col->typid, &col->typmod);
	col->domain = col->basetype != col->typid;
	col->elemtype = get_element_type(col->basetype);
	getTypeInputInfo(col->basetype, &func, &col->ioparam);
	fmgr_info(func, &col->input);
}

/* A pseudo column by which the elements of an array are converted. */
static ChColumn *
make_element(const ChColumn *col)
{
	ChColumn   *element = palloc0(sizeof(ChColumn));

	*element = *col;
	element->typid = col->elemtype;
	set_input(element);
	return element;
}

ChColumn *
ch_make_result_column(ChTable *table, const char *name, Oid type, int32 typmod, Oid collation)
{
	ChColumn   *col = palloc0(sizeof(ChColumn));

	col->table = table;
	col->name = col->remote = name;
	col->typid = type;
	col->typmod = typmod;
	col->collation = collation;
	set_input(col);
	if (OidIsValid(col->elemtype))
		col->element = make_element(col);
	return col;
}

static ChColumn *
make_column(ChTable *table, Form_pg_attribute attr)
{
	ChColumn   *col = palloc0(sizeof(ChColumn));

	col->table = table;
	col->attno = attr->attnum;
	col->name = pstrdup(NameStr(attr->attname));
	col->typid = attr->atttypid;
	col->typmod = attr->atttypmod;
	col->collation = attr->attcollation;
	col->notnull = attr->attnotnull;
	col->options = GetForeignColumnOptions(table->relid, attr->attnum);
	col->remote = ch_opt_given(col->options, table->driver->column_name_option)
		? ch_opt_string(table->driver, col->options, table->driver->column_name_option)
		: col->name;
	set_input(col);
	if (OidIsValid(col->elemtype))
		col->element = make_element(col);
	return col;
}

ChTable *
ch_table_open(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	ForeignTable *ft = GetForeignTable(relid);
	ForeignServer *server = GetForeignServer(ft->serverid);
	ChTable    *table = palloc0(sizeof(ChTable));

	table->driver = ch_driver_of_server(ft->serverid);
	table->relid = relid;
	table->serverid = ft->serverid;
	table->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
	table->options = list_concat(ft->options, server->options);
	table->mismatch_null = strcmp(ch_opt_string(table->driver, table->options, "on_type_mismatch"), "null") == 0;
	table->fetch_size = ch_opt_int(table->driver, table->options, "fetch_size");
	table->desc = desc;
	table->natts = desc->natts;
	table->columns = palloc0(desc->natts * sizeof(ChColumn *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped)
			table->columns[i] = make_column(table, attr);
	}
	table_close(rel, NoLock);
	table->driver->describe_table(table);
	return table;
}

ChTable *
ch_table_join(List *tables)
{
	ChTable    *joined = palloc(sizeof(ChTable));
	StringInfoData name;
	ListCell   *lc;

	*joined = *(ChTable *) linitial(tables);
	joined->nmembers = list_length(tables);
	joined->members = palloc(joined->nmembers * sizeof(ChTable *));
	joined->first = palloc(joined->nmembers * sizeof(int));
	joined->natts = 0;
	joined->computed = NIL;
	initStringInfo(&name);
	foreach(lc, tables)
	{
		joined->members[foreach_current_index(lc)] = lfirst(lc);
		joined->first[foreach_current_index(lc)] = joined->natts + 1;
		joined->natts += ((ChTable *) lfirst(lc))->natts;
		joined->mismatch_null = joined->mismatch_null || ((ChTable *) lfirst(lc))->mismatch_null;
		appendStringInfo(&name, "%s%s", name.len ? ", " : "", ((ChTable *) lfirst(lc))->name);
	}
	joined->name = name.data;
	joined->columns = palloc0(joined->natts * sizeof(ChColumn *));
	for (int m = 0; m < joined->nmembers; m++)
		for (int i = 0; i < joined->members[m]->natts; i++)
		{
			const ChColumn *col = joined->members[m]->columns[i];
			ChColumn   *copy = col ? palloc(sizeof(ChColumn)) : NULL;

			if (copy)
			{
				*copy = *col;
				copy->attno = joined->first[m] + i;
				copy->unique = false;
				/* an outer join makes NULLs */
				copy->notnull = col->notnull && m == 0;
			}
			joined->columns[joined->first[m] + i - 1] = copy;
		}
	joined->driver->describe_join(joined);
	return joined;
}

ChTable *
ch_table_groups(ChTable *rows, const ChQuery *query)
{
	ChTable    *groups = palloc(sizeof(ChTable));
	ListCell   *lc;

	*groups = *rows;
	groups->grouped = query;
	groups->rows = rows;
	groups->natts = list_length(query->targets);
	groups->columns = palloc(groups->natts * sizeof(ChColumn *));
	groups->computed = NIL;
	groups->time = NULL;
	groups->mismatch_null = false;
	groups->nmembers = 0;
	foreach(lc, query->targets)
	{
		const ChTarget *target = lfirst(lc);
		ChColumn   *col = ch_make_result_column(groups, "a group", target->type, target->typmod, target->collation);

		col->attno = foreach_current_index(lc) + 1;
		col->notnull = target->agg == CH_AGG_COUNT ||
			(target->agg == CH_AGG_KEY && !rows->mismatch_null && ch_column(rows, target->attno)->notnull);
		groups->columns[col->attno - 1] = col;
	}
	groups->driver->describe_groups(groups);
	return groups;
}

List *
ch_columns_of(const ChTable *table, const ChExpr *expr, List *columns)
{
	ListCell   *lc;

	foreach(lc, expr->args)
		columns = ch_columns_of(table, lfirst(lc), columns);
	if (expr->attno)
		columns = list_append_unique_ptr(columns, ch_column(table, expr->attno));
	return expr->other ? list_append_unique_ptr(columns, ch_column(table, expr->other)) : columns;
}

bool
ch_pushdown_enabled(const ChTable *table, bool guc, const char *option)
{
	return guc && ch_opt_bool(table->driver, table->options, option);
}
