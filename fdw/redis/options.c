/*
 * options.c
 *	  Which options a Redis server, table and column have, which of them go
 *	  together, and what a table with them shows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

const char *const redis_type_names[] = {"hash", "string", "list", "set", "zset", "stream", NULL};
const char *const redis_kind_names[] = {"key", "field", "value", "member", "score", "index", "id", "ttl", NULL};

static const char *const wrong_type_values[] = {"skip", "error", NULL};

const ChOptionDef redis_options[] = {
	{"database", CH_ON_SERVER, CH_OPT_INT, "0", 0, 1000000, .help = "number of the database that SELECT chooses"},
	{"type", CH_ON_TABLE, CH_OPT_ENUM, NULL, .values = redis_type_names, .help = "type of the keys: hash, string, list, set, zset or stream"},
	{"key_prefix", CH_ON_TABLE, CH_OPT_TEXT, NULL, .help = "the table is every key that starts with this; the key column shows what follows"},
	{"key_set", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "the table is every key that is a member of this set"},
	{"key", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "the table is this one key"},
	{"on_wrong_type", CH_ON_TABLE, CH_OPT_ENUM, NULL, .values = wrong_type_values, .help = "a key of another type: skip it, or error; default: skip, and error for a table of one key"},
	{"version_field", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "field of a hash that counts its changes: UPDATE and DELETE fail if it is not as it was read"},
	{"kind", CH_ON_COLUMN, CH_OPT_ENUM, NULL, .values = redis_kind_names, .help = "what the column shows: key, field, value, member, score, index, id or ttl"},
	{"field", CH_ON_COLUMN, CH_OPT_TEXT, NULL, .help = "name of the field in the hash or stream entry; default: the column's name"},
	{0}
};

/* Kinds of column that a type of table has, as bits. */
#define BIT(kind) (1 << (kind))
static const int kinds_of_type[] = {
	[REDIS_HASH] = BIT(REDIS_KEY) | BIT(REDIS_FIELD) | BIT(REDIS_VALUE) | BIT(REDIS_TTL),
	[REDIS_STRING] = BIT(REDIS_KEY) | BIT(REDIS_VALUE) | BIT(REDIS_TTL),
	[REDIS_LIST] = BIT(REDIS_KEY) | BIT(REDIS_INDEX) | BIT(REDIS_VALUE) | BIT(REDIS_TTL),
	[REDIS_SET] = BIT(REDIS_KEY) | BIT(REDIS_MEMBER) | BIT(REDIS_TTL),
	[REDIS_ZSET] = BIT(REDIS_KEY) | BIT(REDIS_MEMBER) | BIT(REDIS_SCORE) | BIT(REDIS_TTL),
	[REDIS_STREAM] = BIT(REDIS_KEY) | BIT(REDIS_ID) | BIT(REDIS_FIELD) | BIT(REDIS_VALUE) | BIT(REDIS_TTL),
};

/* ---- options that depend on each other ----------------------------------- */

static void
check_table(List *options)
{
	static const char *const modes[] = {"key_prefix", "key_set", "key"};
	int			given = 0;

	for (int i = 0; i < lengthof(modes); i++)
		given += ch_opt_given(options, modes[i]);
	if (!ch_opt_given(options, "type"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"type\" is required for a foreign table of cipherhorizon_redis"),
				 errhint("Allowed values: hash, string, list, set, zset, stream.")));
	if (ch_opt_given(options, "version_field") && strcmp(ch_opt_string(&ch_redis_driver, options, "type"), "hash") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"version_field\" goes with type 'hash' only")));
	if (given == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("one of the options \"key_prefix\", \"key_set\" and \"key\" is required"),
				 errhint("key_prefix '' makes a table of every key of the database.")));
	if (given > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"key_prefix\", \"key_set\" and \"key\" exclude each other")));
}

static void
check_column(List *options)
{
	if (ch_opt_given(options, "field") && ch_opt_given(options, "kind") &&
		strcmp(ch_opt_string(&ch_redis_driver, options, "kind"), "field") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"field\" goes with kind 'field' only"),
				 errhint("Drop one of the two options.")));
}

static void
check_user(List *options)
{
	if (ch_opt_given(options, "user") &&
		!ch_opt_given(options, "password") && !ch_opt_given(options, "password_file"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"user\" needs a password"),
				 errhint("Add the option password or password_file.")));
}

void
redis_check_options(int where, List *options)
{
	switch (where)
	{
		case CH_ON_TABLE:
			check_table(options);
			break;
		case CH_ON_COLUMN:
			check_column(options);
			break;
		case CH_ON_USER:
			check_user(options);
			break;
		default:
			break;
	}
}

/* ---- what a table shows ---------------------------------------------------- */

static int
index_of(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static RedisBytes
bytes_of_option(const ChTable *table, const char *name)
{
	const char *text = ch_opt_string(table->driver, table->options, name);
	RedisBytes	bytes = {"", 0};

	if (text)
	{
		bytes.data = pg_server_to_any(text, strlen(text), PG_UTF8);
		bytes.len = strlen(bytes.data);
	}
	return bytes;
}

/*
 * What a column shows.  Without the option kind, a column with the option
 * field is a field, one that is called as a kind that the table has is that,
 * and in a hash or stream every other is a field.
 */
static int
kind_of(const ChTable *table, const ChColumn *col, RedisType type)
{
	int			kind;

	if (ch_opt_given(col->options, "kind"))
		return index_of(redis_kind_names, ch_opt_string(table->driver, col->options, "kind"));
	if (ch_opt_given(col->options, "field"))
		return REDIS_FIELD;
	kind = index_of(redis_kind_names, col->name);
	if (kind >= 0 && (kinds_of_type[type] & BIT(kind)) &&
		kind != REDIS_FIELD && !(kind == REDIS_VALUE && (kinds_of_type[type] & BIT(REDIS_FIELD))))
		return kind;
	return REDIS_FIELD;
}

pg_noreturn static void
no_such_kind(const ChTable *table, const ChColumn *col, RedisType type)
{
	StringInfoData allowed;

	initStringInfo(&allowed);
	for (int k = 0; redis_kind_names[k]; k++)
		if (kinds_of_type[type] & BIT(k))
			appendStringInfo(&allowed, "%s%s", allowed.len ? ", " : "", redis_kind_names[k]);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
			 errmsg("column \"%s\" of foreign table %s has no meaning in a %s",
					col->name, table->name, redis_type_names[type]),
			 errhint("Set the column's option kind to one of: %s.", allowed.data)));
}

pg_noreturn static void
bad_type(const ChTable *table, const ChColumn *col, const char *allowed)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE_DESCRIPTORS),
			 errmsg("column \"%s\" of foreign table %s cannot have type %s",
					col->name, table->name, format_type_be(col->typid)),
			 errhint("A column of kind '%s' may be %s.", redis_kind_names[col->kind], allowed)));
}

/* The kinds whose meaning depends on the type take only types they fit. */
static void
check_type(const ChTable *table, const ChColumn *col, RedisType type)
{
	Oid			t = col->basetype;

	switch (col->kind)
	{
		case REDIS_SCORE:
			if (t != FLOAT8OID && t != FLOAT4OID && t != NUMERICOID && !ch_is_int(t))
				bad_type(table, col, "double precision, real, numeric or an integer type");
			break;
		case REDIS_INDEX:
			if (!ch_is_int(t))
				bad_type(table, col, "bigint, integer or smallint");
			break;
		case REDIS_ID:
			if (!ch_is_text(t) && t != TIMESTAMPTZOID && t != INT8OID)
				bad_type(table, col, "text, timestamp with time zone or bigint (milliseconds since 1970)");
			break;
		case REDIS_TTL:
			if (t != INTERVALOID && t != FLOAT8OID && t != NUMERICOID && t != INT4OID && t != INT8OID)
				bad_type(table, col, "interval, or a number for seconds");
			break;
		case REDIS_VALUE:
			if ((type == REDIS_HASH || type == REDIS_STREAM) && t != JSONBOID && t != JSONOID)
				bad_type(table, col, "jsonb or json: it is all fields as one object");
			break;
		default:
			break;
	}
}

/* At most one row has a given value of the column. */
static bool
is_unique(const RedisTable *rt, const ChColumn *col)
{
	switch (col->kind)
	{
		case REDIS_KEY:
			return (rt->type == REDIS_HASH || rt->type == REDIS_STRING) && redis_finds_by_bytes(col);
		case REDIS_MEMBER:
			return rt->mode == REDIS_BY_KEY && redis_finds_by_bytes(col);
		case REDIS_INDEX:
			return rt->mode == REDIS_BY_KEY;
		case REDIS_ID:
			return rt->mode == REDIS_BY_KEY && ch_is_text(col->basetype);
		default:
			return false;
	}
}

static void
describe_column(ChTable *table, RedisTable *rt, ChColumn *col)
{
	col->kind = kind_of(table, col, rt->type);
	if (!(kinds_of_type[rt->type] & BIT(col->kind)))
		no_such_kind(table, col, rt->type);
	check_type(table, col, rt->type);
	col->unique = is_unique(rt, col);
	col->generated = col->kind == REDIS_ID || col->kind == REDIS_INDEX || (col->kind == REDIS_KEY && rt->mode == REDIS_BY_KEY);
	if (col->kind != REDIS_KEY)
		return;
	if (rt->keycol)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NAME),
				 errmsg("foreign table %s has two columns of kind 'key': \"%s\" and \"%s\"",
						table->name, rt->keycol->name, col->name),
				 errhint("Set the option kind or field of one of them.")));
	rt->keycol = col;
}

static void
find_version(const ChTable *table, RedisTable *rt)
{
	const char *name = ch_opt_string(table->driver, table->options, "version_field");

	if (name == NULL)
		return;
	rt->version_field = bytes_of_option(table, "version_field");
	for (int i = 0; i < table->natts; i++)
	{
		const ChColumn *col = table->columns[i];

		if (col && col->kind == REDIS_FIELD && ch_is_int(col->basetype) && strcmp(col->remote, name) == 0)
			rt->version = col;
	}
	if (rt->version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("foreign table %s has no column for field \"%s\", which its option version_field names", table->name, name),
				 errhint("Add a column of type bigint for that field.")));
}

void
redis_describe_table(ChTable *table)
{
	RedisTable *rt = palloc0(sizeof(RedisTable));
	const char *wrong = ch_opt_string(table->driver, table->options, "on_wrong_type");

	rt->type = index_of(redis_type_names, ch_opt_string(table->driver, table->options, "type"));
	rt->mode = ch_opt_given(table->options, "key") ? REDIS_BY_KEY :
		ch_opt_given(table->options, "key_set") ? REDIS_BY_SET : REDIS_BY_PREFIX;
	rt->prefix = bytes_of_option(table, "key_prefix");
	rt->key = bytes_of_option(table, rt->mode == REDIS_BY_SET ? "key_set" : "key");
	rt->wrong_type_error = wrong ? strcmp(wrong, "error") == 0 : rt->mode == REDIS_BY_KEY;
	table->priv = rt;
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i])
			describe_column(table, rt, table->columns[i]);
	find_version(table, rt);
	if (rt->mode == REDIS_BY_KEY && rt->keycol && !redis_is_canonical(rt->keycol, rt->key.data, rt->key.len))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of foreign table %s cannot hold the table's key",
						rt->keycol->name, table->name),
				 errdetail("Key \"%s\" is no %s.", redis_printable(rt->key.data, rt->key.len),
						   format_type_be(rt->keycol->typid)),
				 errhint("Make the column's type text.")));
}
