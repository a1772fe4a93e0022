/*
 * options.c
 *	  Which options exist, what they may hold, and what they hold.
 *
 * Every option is checked when it is set, so that a scan may trust what it
 * reads here.  Secrets are refused anywhere but in a USER MAPPING, and what
 * names a file or a socket of the server's machine may only be set by someone
 * who may read the server's files anyway.
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>

#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fdw/core/compat.h"
#include "fdw/core/core.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

static const char *const mismatch_values[] = {"error", "null", NULL};
const char *const ch_write_mode_names[] = {"commit", "immediate", "transaction", NULL};

/* A request costs about what reading 25 pages in sequence does. */
const ChOptionDef ch_common_options[] = {
	{"host", CH_ON_SERVER, CH_OPT_STRING, "localhost", .help = "host name or address"},
	{"port", CH_ON_SERVER, CH_OPT_INT, NULL, 1, 65535, .help = "TCP port; default: the store's usual one"},
	{"socket", CH_ON_SERVER, CH_OPT_STRING, NULL, .superuser = true, .help = "path of a Unix socket, instead of host and port"},
	{"tls", CH_ON_SERVER, CH_OPT_BOOL, "false", .help = "encrypt the connection"},
	{"tls_verify", CH_ON_SERVER, CH_OPT_BOOL, "true", .help = "check the store's certificate and its name"},
	{"tls_ca", CH_ON_SERVER, CH_OPT_STRING, NULL, .superuser = true, .help = "file of trusted certificate authorities; default: the system's"},
	{"tls_cert", CH_ON_SERVER, CH_OPT_STRING, NULL, .superuser = true, .help = "file of the client's certificate"},
	{"tls_key", CH_ON_SERVER, CH_OPT_STRING, NULL, .superuser = true, .help = "file of the client's private key; default: in tls_cert"},
	{"connect_timeout", CH_ON_SERVER, CH_OPT_DURATION, NULL, 1, 3600000, .help = "longest time to connect and log in; default: cipherhorizon.connect_timeout"},
	{"request_timeout", CH_ON_SERVER, CH_OPT_DURATION, NULL, 1, 86400000, .help = "longest silence of the store during a request; default: cipherhorizon.request_timeout"},
	{"keep_connections", CH_ON_SERVER, CH_OPT_BOOL, "true", .help = "keep idle connections for the session"},
	{"fetch_size", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_INT, NULL, 1, 1000000, .help = "rows of one batch; default: what measured best for the store"},
	{"on_type_mismatch", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_ENUM, "error", .values = mismatch_values, .help = "a value that its column's type does not hold: error, or null with one warning"},
	{"enable_where_pushdown", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "evaluate conditions in the store"},
	{"enable_sort_pushdown", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "sort in the store"},
	{"enable_limit_pushdown", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "LIMIT and OFFSET in the store"},
	{"enable_aggregate_pushdown", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "GROUP BY, aggregates and DISTINCT in the store"},
	{"enable_join_pushdown", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "joins of tables of the server in the store"},
	{"async_capable", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "below an Append, rows are read as they come, together with those of other tables"},
	{"required_quals", CH_ON_TABLE, CH_OPT_QUALS, NULL, .help = "columns on which a query needs a condition that the store checks: 'symbol,time' one of them, 'symbol+time' both"},
	{"default_window", CH_ON_TABLE, CH_OPT_INTERVAL, NULL, .help = "what is read of a query without such a condition if cipherhorizon.on_missing_qual is window: an interval up to now"},
	{"time_column", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "timestamptz column of the window; default: the store's own"},
	{"max_rows", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_INT, NULL, 1, INT_MAX, .help = "rows that a scan may fetch before it is an error; default: cipherhorizon.max_remote_rows"},
	{"use_remote_estimate", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "false", .help = "ask the store for its row count when a table without statistics is planned"},
	{"fdw_startup_cost", CH_ON_SERVER, CH_OPT_REAL, "25", 0, 1e9, .help = "planner's cost of one request; default: learnt, 25 at first"},
	{"fdw_tuple_cost", CH_ON_SERVER, CH_OPT_REAL, "0.05", 0, 1e9, .help = "planner's cost of one row's transfer; default: learnt, 0.05 at first"},
	{"updatable", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "true", .help = "allow INSERT, UPDATE and DELETE"},
	{"truncatable", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_BOOL, "false", .help = "allow TRUNCATE"},
	{"write_mode", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_ENUM, NULL, .values = ch_write_mode_names, .help = "when the store is written: commit, immediate, or in a transaction of the store; default: transaction where the store has it, else commit"},
	{"batch_size", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_INT, NULL, 1, 1000000, .help = "rows of one request of a write at most; default: what measured best for the store"},
	{"user", CH_ON_USER, CH_OPT_STRING, NULL, .help = "user name in the store"},
	{"password", CH_ON_USER, CH_OPT_STRING, NULL, .secret = true, .help = "password in the store"},
	{"password_file", CH_ON_USER, CH_OPT_STRING, NULL, .superuser = true, .help = "file whose first line is the password"},
	{"token", CH_ON_USER, CH_OPT_STRING, NULL, .secret = true, .help = "access token, instead of user and password"},
	{"token_file", CH_ON_USER, CH_OPT_STRING, NULL, .superuser = true, .help = "file whose first line is the token"},
	{"password_required", CH_ON_USER, CH_OPT_BOOL, "true", .help = "false lets a role that is no superuser connect without a secret; only a superuser may set it"},
	{0}
};

/* ---- finding a definition ------------------------------------------------ */

static bool
is_hidden(const ChDriver *driver, const char *name)
{
	for (const char *const *n = driver->not_options; n && *n; n++)
		if (strcmp(*n, name) == 0)
			return true;
	return false;
}

/* where = 0 finds it wherever it may stand. A driver's own comes first. */
static const ChOptionDef *
find_in(const ChOptionDef *defs, const char *name, int where)
{
	for (const ChOptionDef *d = defs; d && d->name; d++)
		if ((d->prefix ? strncmp(d->name, name, strlen(d->name)) : strcmp(d->name, name)) == 0 &&
			(where == 0 || (d->where & where)))
			return d;
	return NULL;
}

static const ChOptionDef *
find_option(const ChDriver *driver, const char *name, int where)
{
	const ChOptionDef *def = find_in(driver->options, name, where);

	if (def == NULL && !is_hidden(driver, name))
		def = find_in(ch_common_options, name, where);
	return def;
}

static const char *
place_name(int where)
{
	switch (where)
	{
		case CH_ON_SERVER:
			return "server";
		case CH_ON_USER:
			return "user mapping";
		case CH_ON_TABLE:
			return "foreign table";
		default:
			return "column";
	}
}

/* Where an option may stand, in words; for a HINT. */
static const char *
places_of(int where)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int w = CH_ON_SERVER; w <= CH_ON_COLUMN; w <<= 1)
		if (where & w)
			appendStringInfo(&buf, "%s%s", buf.len ? " or " : "", place_name(w));
	return buf.data;
}

/* ---- reading ---------------------------------------------------------------- */

static DefElem *
find_given(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst(lc);

		if (strcmp(def->defname, name) == 0)
			return def;
	}
	return NULL;
}

bool
ch_opt_given(List *options, const char *name)
{
	return find_given(options, name) != NULL;
}

const char *
ch_opt_string(const ChDriver *driver, List *options, const char *name)
{
	DefElem    *given = find_given(options, name);
	const ChOptionDef *def;

	if (given)
		return defGetString(given);
	def = find_option(driver, name, 0);
	return def ? def->value : NULL;
}

bool
ch_opt_bool(const ChDriver *driver, List *options, const char *name)
{
	const char *text = ch_opt_string(driver, options, name);
	bool		value = false;

	if (text)
		(void) parse_bool(text, &value);
	return value;
}

int
ch_opt_int(const ChDriver *driver, List *options, const char *name)
{
	const char *text = ch_opt_string(driver, options, name);
	int			value = 0;

	if (text)
		(void) parse_int(text, &value, 0, NULL);
	return value;
}

double
ch_opt_real(const ChDriver *driver, List *options, const char *name)
{
	const char *text = ch_opt_string(driver, options, name);
	double		value = 0;

	if (text)
		(void) parse_real(text, &value, 0, NULL);
	return value;
}

int
ch_opt_duration(const ChDriver *driver, List *options, const char *name)
{
	const char *text = ch_opt_string(driver, options, name);
	int			value = 0;

	if (text)
		(void) parse_int(text, &value, GUC_UNIT_MS, NULL);
	return value;
}

static char *
first_line_of(const char *path)
{
	FILE	   *file = AllocateFile(path, "r");
	StringInfoData line;
	int			c;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\" named in a user mapping: %m", path)));
	initStringInfo(&line);
	while ((c = fgetc(file)) != EOF && c != '\n' && line.len < 16384)
		if (c != '\r')
			appendStringInfoChar(&line, (char) c);
	FreeFile(file);
	return line.data;
}

const char *
ch_opt_secret(const ChDriver *driver, List *options, const char *name)
{
	const char *value = ch_opt_string(driver, options, name);
	const char *path;

	if (value)
		return value;
	path = ch_opt_string(driver, options, psprintf("%s_file", name));
	return path ? first_line_of(path) : NULL;
}

/* ---- validating ------------------------------------------------------------- */

/* The option nearest to name that may stand here, at most 4 edits away. */
static const char *
closest_option(const ChDriver *driver, const char *name, int where)
{
	const ChOptionDef *sets[2] = {driver->options, ch_common_options};
	const char *closest = NULL;
	int			best = 5;

	for (int i = 0; i < 2; i++)
		for (const ChOptionDef *d = sets[i]; d && d->name; d++)
		{
			int			distance;

			if (!(d->where & where) || (i == 1 && is_hidden(driver, d->name)))
				continue;
			distance = varstr_levenshtein_less_equal(name, strlen(name), d->name, strlen(d->name),
													 1, 1, 1, best, true);
			if (distance < best && distance <= (int) strlen(name) / 2)
			{
				best = distance;
				closest = d->name;
			}
		}
	return closest;
}

/* Say that an option is unknown here, with the nearest one that is known. */
pg_noreturn static void
unknown_option(const ChDriver *driver, const char *name, int where)
{
	const ChOptionDef *elsewhere = find_option(driver, name, 0);
	const char *closest;

	if (elsewhere && where)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" is not allowed for a %s", name, place_name(where)),
				 elsewhere->secret
				 ? errhint("Secrets are kept in a USER MAPPING only.")
				 : errhint("Set it for the %s.", places_of(elsewhere->where))));
	closest = closest_option(driver, name, where);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\" for a %s of %s", name,
					where ? place_name(where) : "foreign-data wrapper", driver->fdw_name),
			 closest ? errhint("Perhaps you meant the option \"%s\".", closest) :
			 where == 0 ? errhint("The wrapper itself has no options; set them for a server.") : 0));
}

/* A wrong value: say what is allowed; never repeat a secret. */
pg_noreturn static void
bad_value(const ChOptionDef *def, const char *value, const char *allowed)
{
	if (def->secret)
		value = "********";
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", def->name, value),
			 errhint("%s", allowed)));
}

static void
check_enum(const ChOptionDef *def, const char *value)
{
	StringInfoData allowed;

	initStringInfo(&allowed);
	for (const char *const *v = def->values; *v; v++)
	{
		if (strcmp(*v, value) == 0)
			return;
		appendStringInfo(&allowed, "%s%s", allowed.len ? ", " : "", *v);
	}
	bad_value(def, value, psprintf("Allowed values: %s.", allowed.data));
}

static void
check_json(const ChOptionDef *def, const char *value)
{
	MemoryContext cxt = CurrentMemoryContext;

	PG_TRY();
	{
		(void) DirectFunctionCall1(jsonb_in, CStringGetDatum(value));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		bad_value(def, value, psprintf("It must be JSON: %s.", error->detail ? error->detail : error->message));
	}
	PG_END_TRY();
}

static void
check_interval(const ChOptionDef *def, const char *value)
{
	Interval	nothing = {0};
	FmgrInfo	input;
	Datum		interval;

	fmgr_info(F_INTERVAL_IN, &input);
	if (!ch_input_soft(&input, unconstify(char *, value), InvalidOid, -1, &interval) ||
		!DatumGetBool(DirectFunctionCall2(interval_gt, interval, IntervalPGetDatum(&nothing))))
		bad_value(def, value, "It must be an interval of more than nothing, as '1 hour'.");
}

static void
check_value(const ChOptionDef *def, const char *value)
{
	bool		b;
	int			i;
	double		r;

	switch (def->type)
	{
		case CH_OPT_STRING:
			if (value[0] == '\0')
				bad_value(def, value, "It must not be empty.");
			break;
		case CH_OPT_TEXT:
			break;
		case CH_OPT_BOOL:
			if (!parse_bool(value, &b))
				bad_value(def, value, "It must be true or false.");
			break;
		case CH_OPT_INT:
			if (!parse_int(value, &i, 0, NULL) || i < def->min || i > def->max)
				bad_value(def, value, psprintf("It must be a whole number from %.0f to %.0f.", def->min, def->max));
			break;
		case CH_OPT_REAL:
			if (!parse_real(value, &r, 0, NULL) || isnan(r) || r < def->min || r > def->max)
				bad_value(def, value, psprintf("It must be a number from %g to %g.", def->min, def->max));
			break;
		case CH_OPT_DURATION:
			if (!parse_int(value, &i, GUC_UNIT_MS, NULL) || i < def->min || i > def->max)
				bad_value(def, value, psprintf("It must be a time from %.0f ms to %.0f ms, as 500ms, 2s or 1min.", def->min, def->max));
			break;
		case CH_OPT_ENUM:
			check_enum(def, value);
			break;
		case CH_OPT_JSON:
			check_json(def, value);
			break;
		case CH_OPT_INTERVAL:
			check_interval(def, value);
			break;
		case CH_OPT_QUALS:
			if (ch_parse_quals(value) == NIL)
				bad_value(def, value, "It must be names of columns: 'a,b' wants a condition on one of them, 'a+b' on both.");
			break;
	}
}

static void
check_rights(const ChOptionDef *def, const char *value)
{
	bool		b;

	if (def->superuser && !superuser() && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", def->name),
				 errhint("It names a file of the database server: only a superuser or a member of pg_read_server_files may set it.")));
	if (strcmp(def->name, "password_required") == 0 && !superuser() &&
		parse_bool(value, &b) && !b)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("password_required=false is superuser-only"),
				 errhint("User mappings with the password_required option set to false may only be created or modified by the superuser.")));
}

static int
place_of(Oid catalog)
{
	if (catalog == ForeignServerRelationId)
		return CH_ON_SERVER;
	if (catalog == UserMappingRelationId)
		return CH_ON_USER;
	if (catalog == ForeignTableRelationId)
		return CH_ON_TABLE;
	if (catalog == AttributeRelationId)
		return CH_ON_COLUMN;
	return 0;
}

static bool
secret_given(List *options, const char *name)
{
	return ch_opt_given(options, name) || ch_opt_given(options, psprintf("%s_file", name));
}

/*
 * Options of a user mapping that go together.  A password that is not used to
 * log in must not stand there: check_secret_given takes it for one.
 */
static void
check_mapping(const ChDriver *driver, List *options)
{
	static const char *const names[] = {"password", "token"};

	for (int i = 0; i < lengthof(names); i++)
		if (ch_opt_given(options, names[i]) && ch_opt_given(options, psprintf("%s_file", names[i])))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("options \"%s\" and \"%s_file\" exclude each other", names[i], names[i])));
	if (driver->password_needs_user && secret_given(options, "password") && !ch_opt_given(options, "user"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"user\" is required beside \"password\" in a user mapping of %s", driver->fdw_name)));
}

/*
 * The validator of every wrapper.  Raises ERRCODE_FDW_INVALID_OPTION_NAME,
 * ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE or ERRCODE_INSUFFICIENT_PRIVILEGE, and
 * what the driver's check_options raises for options that are missing or do
 * not go together.
 */
void
ch_validate_options(const ChDriver *driver, List *options, Oid catalog)
{
	int			where = place_of(catalog);
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *given = lfirst(lc);
		const ChOptionDef *def;

		/* the wrapper itself has none; the hint is made by unknown_option */
		def = where ? find_option(driver, given->defname, where) : NULL;
		if (def == NULL)
			unknown_option(driver, given->defname, where);
		check_rights(def, defGetString(given));
		check_value(def, defGetString(given));
	}
	if (where == CH_ON_USER)
		check_mapping(driver, options);
	if (ch_opt_given(options, "default_window") && !ch_opt_given(options, "required_quals"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"default_window\" needs the option \"required_quals\""),
				 errhint("It holds for queries without a condition on those columns.")));
	if (where && driver->check_options)
		driver->check_options(where, options);
}
