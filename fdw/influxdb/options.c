/*
 * options.c
 *	  Which options has InfluxDB, and what do they make of a foreign table?
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "fdw/influxdb/influxdb.h"

static const char *const versions[] = {"auto", "1", "2", "3", NULL};
static const char *const kinds[] = {"field", "tag", "time", "time_ns", NULL};	/* by InfluxKind */
static const char *const field_types[] = {"float", "integer", "unsigned", "string", "boolean", NULL};

const ChOptionDef influx_options[] = {
	{"url", CH_ON_SERVER, CH_OPT_STRING, NULL,
	.help = "http:// or https:// address of the server; required"},
	{"dbname", CH_ON_SERVER, CH_OPT_STRING, NULL,
	.help = "database of 1.x and 3.x, bucket of 2.x; required"},
	{"retention_policy", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_STRING, NULL,
	.help = "retention policy; default: the database's own default"},
	{"version", CH_ON_SERVER, CH_OPT_ENUM, "auto", .values = versions,
	.help = "major version of the server; 3 is asked in SQL, the others in InfluxQL"},
	{"org", CH_ON_SERVER, CH_OPT_STRING, NULL,
	.help = "organization, 2.x only"},
	{"gzip", CH_ON_SERVER, CH_OPT_BOOL, "false",
	.help = "compress what is written; worth it when the network is the slow part"},
	{"measurement", CH_ON_TABLE, CH_OPT_STRING, NULL,
	.help = "the measurement; required"},
	{"kind", CH_ON_COLUMN, CH_OPT_ENUM, NULL, .values = kinds,
	.help = "what the column is; default: time for a timestamptz column named time, else field"},
	{"field", CH_ON_COLUMN, CH_OPT_STRING, NULL,
	.help = "name of the tag or field; default: the column's name"},
	{"field_type", CH_ON_COLUMN, CH_OPT_ENUM, NULL, .values = field_types,
	.help = "the type that a field is written as; of a field with several types also the one to read"},
	{0}
};

/* All of these are in the url. */
const char *const influx_not_options[] = {"host", "port", "socket", "tls", NULL};

static void
require(List *options, const char *name, const char *what, const char *hint)
{
	if (!ch_opt_given(options, name))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"%s\" is required for %s of cipherhorizon_influxdb", name, what),
				 errhint("%s", hint)));
}

static void
check_server(List *options)
{
	const char *url = ch_opt_string(&ch_influxdb_driver, options, "url");
	const char *why;

	require(options, "url", "a server", "Add OPTIONS (url 'http://host:8086').");
	require(options, "dbname", "a server", "Add OPTIONS (dbname 'database or bucket').");

	/* The url is not repeated: it may have a password where none belongs. */
	if (!ch_http_check_url(url, &why))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"url\""),
				 errdetail("The value is not allowed: %s.", why),
				 errhint("Write http://host:port or https://host:port; user and password belong in a USER MAPPING.")));
}

static void
check_user(List *options)
{
	bool		token = ch_opt_given(options, "token") || ch_opt_given(options, "token_file");
	bool		password = ch_opt_given(options, "password") || ch_opt_given(options, "password_file");

	if (token && (password || ch_opt_given(options, "user")))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("a token excludes user and password"),
				 errhint("Give a token (2.x, 3.x) or user and password (1.x).")));
	if (password && !ch_opt_given(options, "user"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("a password needs the option \"user\""),
				 errhint("Add OPTIONS (user 'name').")));
}

void
influx_check_options(int where, List *options)
{
	if (where == CH_ON_SERVER)
		check_server(options);
	else if (where == CH_ON_USER)
		check_user(options);
	else if (where == CH_ON_TABLE)
		require(options, "measurement", "a foreign table",
				"Add OPTIONS (measurement 'name'); a measurement's name is never guessed from the table's.");
}

static InfluxKind
kind_of(const ChColumn *col)
{
	const char *name = ch_opt_string(&ch_influxdb_driver, col->options, "kind");

	for (int i = 0; name && kinds[i]; i++)
		if (strcmp(kinds[i], name) == 0)
			return (InfluxKind) i;
	return strcmp(col->name, "time") == 0 && col->basetype == TIMESTAMPTZOID ? INFLUX_TIME : INFLUX_FIELD;
}

static void
check_type(const ChTable *table, const ChColumn *col)
{
	Oid			wanted = col->kind == INFLUX_TIME ? TIMESTAMPTZOID : INT8OID;

	if ((col->kind == INFLUX_TIME || col->kind == INFLUX_TIME_NS) && col->basetype != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of foreign table %s must be of type %s", col->name, table->name,
						format_type_be(wanted)),
				 errdetail("Its option kind is '%s'.", kinds[col->kind]),
				 errhint("Microseconds are a timestamptz of kind 'time', nanoseconds a bigint of kind 'time_ns'.")));
}

void
influx_describe_table(ChTable *table)
{
	InfluxTable *t = palloc0(sizeof(InfluxTable));
	const char *version = ch_opt_string(&ch_influxdb_driver, table->options, "version");

	t->measurement = ch_opt_string(&ch_influxdb_driver, table->options, "measurement");
	t->policy = ch_opt_string(&ch_influxdb_driver, table->options, "retention_policy");
	t->sql = version != NULL && strcmp(version, "3") == 0;
	t->fields = palloc(sizeof(ChColumn *) * Max(table->natts, 1));
	for (int i = 0; i < table->natts; i++)
	{
		ChColumn   *col = table->columns[i];

		if (col == NULL)
			continue;
		col->kind = kind_of(col);
		check_type(table, col);
		if (col->kind == INFLUX_TIME)
			table->time = col;
		if (col->kind != INFLUX_FIELD)
			continue;
		t->fields[t->nfields++] = col;
		if (col->notnull && t->always == NULL)
			t->always = col;
	}
	table->priv = t;
}
