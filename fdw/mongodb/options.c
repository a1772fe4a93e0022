/*
 * options.c
 *	  Which options does a MongoDB server, table or column have, and what do
 *	  they say together?
 */
#include "postgres.h"

#include "fdw/mongodb/mongodb.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"

static const char *const mechanisms[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN", "MONGODB-X509", NULL};
static const char *const preferences[] = {"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest", NULL};
static const char *const concerns[] = {"local", "available", "majority", "linearizable", "snapshot", NULL};
static const char *const kinds[] = {"value", "document", "index", NULL};

/* by MongoType, from MONGO_STRING on */
static const char *const types[] = {"string", "objectId", "uuid", "decimal128", "double", "int", "long", NULL};

const ChOptionDef mongo_options[] = {
	{"uri", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "connection string without user and password, instead of host, port and replica_set"},
	{"host", CH_ON_SERVER, CH_OPT_STRING, "localhost", .help = "host names or addresses, separated by commas, each with its own port if it has one"},
	{"replica_set", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "name of the replica set; without it a single host is asked as it is"},
	{"database", CH_ON_SERVER | CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "database; a table's own, else the server's, else the one in uri"},
	{"auth_source", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "database that knows the user; default: admin"},
	{"read_preference", CH_ON_SERVER, CH_OPT_ENUM, NULL, .values = preferences, .help = "members of the replica set that may be read; default: primary"},
	{"read_concern", CH_ON_SERVER, CH_OPT_ENUM, NULL, .values = concerns, .help = "how durable the data read must be; default: the store's"},
	{"write_concern", CH_ON_SERVER, CH_OPT_STRING, NULL, .help = "how many members must have what is written: a number from 1, majority, or a name that the replica set defines; default: the store's"},
	{"auth_mechanism", CH_ON_USER, CH_OPT_ENUM, NULL, .values = mechanisms, .help = "how to log in; default: the best SCRAM that the store offers"},
	{"collection", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "collection or view (required)"},
	{"unwind", CH_ON_TABLE, CH_OPT_STRING, NULL, .help = "path of an array: the table has one row for each of its elements"},
	{"pipeline", CH_ON_TABLE, CH_OPT_JSON, NULL, .help = "read-only aggregation stages, a JSON array, whose result is the table"},
	{"upsert", CH_ON_TABLE, CH_OPT_BOOL, "false", .help = "INSERT of an _id that exists sets the document's values"},
	{"path", CH_ON_COLUMN, CH_OPT_STRING, NULL, .help = "where the value is in the document: field names and array positions with dots between; default: the column's name"},
	{"kind", CH_ON_COLUMN, CH_OPT_ENUM, "value", .values = kinds, .help = "value: what path leads to; document: the whole document; index: position in the unwound array, from 0"},
	{"bson_type", CH_ON_COLUMN, CH_OPT_ENUM, NULL, .values = types, .help = "the one BSON type of the column's values; another one is a mismatch"},
	{"indexed", CH_ON_COLUMN, CH_OPT_BOOL, "false", .help = "an index of the collection begins with the field: joins in the store are cheap"},
	{0}
};

const char *const mongo_not_options[] = {"token", "token_file", NULL};

/* ---- servers -------------------------------------------------------------- */

pg_noreturn static void
bad_address(const char *option, const char *value, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", option, value),
			 why ? errdetail("%s", why) : 0,
			 hint ? errhint("%s", hint) : 0));
}

/* A secret in the wrong place is not repeated in the message. */
static void
check_uri(const mongoc_uri_t *uri, const char *text)
{
	static const char *const refused[] = {
		MONGOC_URI_TLSCERTIFICATEKEYFILE, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, MONGOC_URI_TLSCAFILE,
		MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, MONGOC_URI_TLSINSECURE,
		MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK
	};
	bson_iter_t it;

	if (mongoc_uri_get_username(uri) || mongoc_uri_get_password(uri))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"uri\" must not contain a user or password"),
				 errhint("Set the options user and password of a USER MAPPING.")));
	for (int i = 0; i < lengthof(refused); i++)
		if (bson_iter_init_find_case(&it, mongoc_uri_get_options(uri), refused[i]))
			bad_address("uri", text, psprintf("It has the option %s.", refused[i]),
						"Use the server's options tls_ca, tls_cert, tls_key and tls_verify.");
	if (mongoc_uri_get_compressors(uri) && !bson_empty(mongoc_uri_get_compressors(uri)))
		bad_address("uri", text, "It has the option compressors.",
					"Leave it out: answers are checked before they are decoded, so they cannot be compressed.");
	if (mongoc_uri_get_auth_mechanism(uri))
		bad_address("uri", text, "It has the option authmechanism.",
					"Set the option auth_mechanism of a USER MAPPING.");
}

/*
 * The user part of a connection string is a secret even where it makes the
 * string wrong, so no message may show what is before the last @.
 */
static const char *
without_secrets(const char *text)
{
	const char *at = strrchr(text, '@');

	return at ? psprintf("...%s", at) : text;
}

static mongoc_uri_t *
uri_of_text(const char *text)
{
	bson_error_t error;
	mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);

	if (uri == NULL)
		bad_address("uri", without_secrets(text), strchr(text, '@') ? NULL : error.message,
					"It must be like mongodb://host:27017/database?replicaSet=name.");
	PG_TRY();
	{
		check_uri(uri, without_secrets(text));
	}
	PG_CATCH();
	{
		mongoc_uri_destroy(uri);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return uri;
}

/* "a,b:27018" and a port in a connection string. */
static mongoc_uri_t *
uri_of_hosts(const char *hosts, int port)
{
	StringInfoData text;
	char	   *rest = pstrdup(hosts);
	char	   *host;
	bool		first = true;
	bson_error_t error;
	mongoc_uri_t *uri;

	if (strpbrk(hosts, "/@?%"))
		bad_address("host", hosts, NULL, "It must be names or addresses, separated by commas; a connection string is the option uri.");
	initStringInfo(&text);
	appendStringInfoString(&text, "mongodb://");
	for (; (host = strsep(&rest, ",")) != NULL; first = false)
	{
		char	   *colon = strrchr(host, ':');
		bool		ipv6 = colon && strchr(host, ':') != colon && host[0] != '[';

		host += strspn(host, " ");
		if (!first)
			appendStringInfoChar(&text, ',');
		appendStringInfo(&text, ipv6 ? "[%s]" : "%s", host);
		if (ipv6 || colon == NULL || (host[0] == '[' && colon[-1] != ']'))
			appendStringInfo(&text, ":%d", port);
	}
	uri = mongoc_uri_new_with_error(text.data, &error);
	if (uri == NULL)
		bad_address("host", hosts, error.message, NULL);
	return uri;
}

mongoc_uri_t *
mongo_make_uri(List *server_options)
{
	const ChDriver *d = &ch_mongodb_driver;
	const char *text = ch_opt_string(d, server_options, "uri");
	const char *set = ch_opt_string(d, server_options, "replica_set");
	mongoc_uri_t *uri;

	mongo_library_init();
	if (text)
		return uri_of_text(text);
	uri = uri_of_hosts(ch_opt_string(d, server_options, "host"),
					   ch_opt_given(server_options, "port") ? ch_opt_int(d, server_options, "port") : d->default_port);
	if (set)
		mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_REPLICASET, set);
	return uri;
}

static void
check_server(List *options)
{
	static const char *const parts[] = {"host", "port", "socket", "replica_set"};
	const char *concern;

	for (int i = 0; i < lengthof(parts); i++)
		if (ch_opt_given(options, "uri") && ch_opt_given(options, parts[i]))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("options \"uri\" and \"%s\" exclude each other", parts[i])));
	concern = ch_opt_string(&ch_mongodb_driver, options, "write_concern");
	if (concern && strspn(concern, "0123456789") == strlen(concern) && (strlen(concern) > 2 || atoi(concern) < 1 || atoi(concern) > 50))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", "write_concern", concern),
				 errhint("It must be a number from 1 to 50, majority, or a name that the replica set defines.")));
	mongoc_uri_destroy(mongo_make_uri(options));
}

/* ---- tables ---------------------------------------------------------------- */

/* The first stage that writes, however deep, or NULL. */
static const char *
writing_stage(bson_iter_t *it)
{
	while (bson_iter_next(it))
	{
		bson_iter_t child;
		const char *found = NULL;

		if (strcmp(bson_iter_key(it), "$out") == 0)
			return "$out";
		if (strcmp(bson_iter_key(it), "$merge") == 0)
			return "$merge";
		if ((BSON_ITER_HOLDS_DOCUMENT(it) || BSON_ITER_HOLDS_ARRAY(it)) && bson_iter_recurse(it, &child))
			found = writing_stage(&child);
		if (found)
			return found;
	}
	return NULL;
}

/* Why the text is no list of reading stages, or NULL. */
static const char *
pipeline_fault(const bson_t *doc)
{
	bson_iter_t it,
				stage;
	const char *writes;

	if (!bson_iter_init_find(&it, doc, "pipeline") || !BSON_ITER_HOLDS_ARRAY(&it))
		return "It is not a JSON array.";
	bson_iter_recurse(&it, &stage);
	while (bson_iter_next(&stage))
		if (!BSON_ITER_HOLDS_DOCUMENT(&stage))
			return "A stage is not a JSON object.";
	bson_iter_recurse(&it, &stage);
	writes = writing_stage(&stage);
	return writes ? psprintf("The stage %s writes.", writes) : NULL;
}

static void
check_pipeline(const char *text)
{
	char	   *wrapped = psprintf("{\"pipeline\":%s}", text);
	bson_error_t error;
	bson_t	   *doc = bson_new_from_json((const uint8_t *) wrapped, -1, &error);
	const char *fault;

	fault = doc ? pipeline_fault(doc) : error.message;
	if (doc)
		bson_destroy(doc);
	if (fault)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"pipeline\""),
				 errdetail("%s", fault),
				 errhint("It must be a JSON array of stages that only read, as [{\"$match\": {\"status\": \"live\"}}].")));
}

static void
check_path(const char *option, const char *path)
{
	if (path[0] == '.' || path[strlen(path) - 1] == '.' || strstr(path, ".."))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", option, path),
				 errdetail("A part between two dots is empty.")));
	if (path[0] == '$')
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", option, path),
				 errhint("Write the path without $.")));
}

static void
check_table(List *options)
{
	const ChDriver *d = &ch_mongodb_driver;

	mongo_library_init();
	if (!ch_opt_given(options, "collection"))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a foreign table of %s needs the option \"collection\"", d->fdw_name),
				 errhint("Add OPTIONS (collection '...').")));
	if (ch_opt_given(options, "pipeline"))
		check_pipeline(ch_opt_string(d, options, "pipeline"));
	if (ch_opt_given(options, "unwind"))
		check_path("unwind", ch_opt_string(d, options, "unwind"));
}

static void
check_column(List *options)
{
	const ChDriver *d = &ch_mongodb_driver;
	const char *kind = ch_opt_string(d, options, "kind");

	if (ch_opt_given(options, "path"))
		check_path("path", ch_opt_string(d, options, "path"));
	if (strcmp(kind, "value") != 0 && (ch_opt_given(options, "path") || ch_opt_given(options, "bson_type")))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("a column of kind '%s' has no option \"%s\"", kind,
						ch_opt_given(options, "path") ? "path" : "bson_type")));
}

/* A certificate is the server's; with a password it would pass for the role's own secret. */
static void
check_mapping(List *options)
{
	const char *mechanism = ch_opt_string(&ch_mongodb_driver, options, "auth_mechanism");

	if (mechanism && strcmp(mechanism, "MONGODB-X509") == 0 &&
		(ch_opt_given(options, "password") || ch_opt_given(options, "password_file")))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"password\" is not allowed with the mechanism MONGODB-X509"),
				 errhint("The login is the certificate in the server's option tls_cert.")));
}

void
mongo_check_options(int where, List *options)
{
	if (where == CH_ON_SERVER)
		check_server(options);
	else if (where == CH_ON_TABLE)
		check_table(options);
	else if (where == CH_ON_COLUMN)
		check_column(options);
	else if (where == CH_ON_USER)
		check_mapping(options);
}

/* ---- what the options of a table mean ---------------------------------------- */

/* "12" is 12; anything that is not the usual form of a small number is -1. */
static int
array_index(const char *part)
{
	size_t		len = strspn(part, "0123456789");

	if (len == 0 || part[len] != '\0' || len > 8 || (part[0] == '0' && len > 1))
		return -1;
	return atoi(part);
}

void
mongo_parse_path(const char *text, int nroot, MongoPath *path)
{
	char	   *copy = pstrdup(text);
	StringInfoData plain;

	path->text = pstrdup(text);
	path->nparts = 1;
	for (const char *c = text; *c; c++)
		path->nparts += *c == '.';
	path->parts = palloc(path->nparts * sizeof(char *));
	path->index = palloc(path->nparts * sizeof(int));
	path->nplain = 0;
	path->nroot = nroot;
	initStringInfo(&plain);
	for (int i = 0; i < path->nparts; i++)
	{
		path->parts[i] = strsep(&copy, ".");
		path->index[i] = array_index(path->parts[i]);
		/* the first part is a field of the document even if it is a number */
		if (path->nplain < i || (i > nroot && path->index[i] >= 0) || path->parts[i][0] == '$')
			continue;
		path->nplain = i + 1;
		appendStringInfo(&plain, "%s%s", i ? "." : "", path->parts[i]);
	}
	path->plain = plain.data;
}

bool
mongo_is_below(const char *path, const char *prefix)
{
	size_t		len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '.');
}

bool
mongo_is_field_name(const char *name)
{
	return name[0] != '\0' && name[0] != '$' && strchr(name, '.') == NULL && strspn(name, "0123456789") < strlen(name);
}

static int
position_in(const char *const *values, const char *value)
{
	for (int i = 0; values[i]; i++)
		if (strcmp(values[i], value) == 0)
			return i;
	return -1;
}

static void
describe_column(ChTable *table, ChColumn *col)
{
	const ChDriver *d = table->driver;
	MongoTable *mt = mongo_table(table);
	MongoColumn *mc = palloc0(sizeof(MongoColumn));
	const char *type = ch_opt_string(d, col->options, "bson_type");

	col->extra = mc;
	col->kind = position_in(kinds, ch_opt_string(d, col->options, "kind"));
	mc->type = type ? MONGO_STRING + position_in(types, type) : MONGO_ANY;
	if (col->kind == MONGO_INDEX && mt->unwind == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("column \"%s\" of foreign table %s has kind 'index', but the table is not unwound", col->name, table->name),
				 errhint("Set the table's option unwind to the path of an array.")));
	mongo_parse_path(col->kind == MONGO_INDEX ? MONGO_POSITION_FIELD :
			   col->kind == MONGO_DOCUMENT ? "_id" : col->remote, 0, &mc->path);
	col->generated = col->kind == MONGO_VALUE && strcmp(col->remote, "_id") == 0 &&
		(col->basetype == TEXTOID || (col->basetype == VARCHAROID && (col->typmod < 0 || col->typmod - VARHDRSZ >= 24))) &&
		(mc->type == MONGO_ANY || mc->type == MONGO_OBJECT_ID);
	col->unique = col->kind == MONGO_VALUE && strcmp(col->remote, "_id") == 0 &&
		mt->unwind == NULL && mt->pipeline == NULL;
	mc->indexed = strcmp(col->remote, "_id") == 0 || ch_opt_bool(d, col->options, "indexed");
}

/* The database in the server's uri; in the current memory context. */
static const char *
database_of_uri(List *options)
{
	mongoc_uri_t *uri;
	const char *name;

	if (!ch_opt_given(options, "uri"))
		return NULL;
	uri = mongo_make_uri(options);
	name = mongoc_uri_get_database(uri);
	name = name ? pstrdup(name) : NULL;
	mongoc_uri_destroy(uri);
	return name;
}

void
mongo_describe_table(ChTable *table)
{
	const ChDriver *d = table->driver;
	MongoTable *mt = palloc0(sizeof(MongoTable));

	table->priv = mt;
	mt->collection = ch_opt_string(d, table->options, "collection");
	mt->unwind = ch_opt_string(d, table->options, "unwind");
	mt->pipeline = ch_opt_string(d, table->options, "pipeline");
	mt->database = ch_opt_string(d, table->options, "database");
	if (mt->database == NULL)
		mt->database = database_of_uri(table->options);
	if (mt->database == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("foreign table %s has no database", table->name),
				 errhint("Set the option database of the table or of its server.")));
	/* larger batches measured best: 2.5 times the store's own default */
	if (table->fetch_size == 0)
		table->fetch_size = 10000;
	for (int i = 0; i < table->natts; i++)
		if (table->columns[i])
			describe_column(table, table->columns[i]);
}
