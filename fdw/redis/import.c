/*
 * import.c
 *	  IMPORT FOREIGN SCHEMA: which tables are there in a store without any?
 *
 * Redis keeps no catalog, so names are looked at: keys are grouped by what
 * stands before their first part that is a number or UUID ("risk:" of
 * "risk:42", "user:" of "user:42:orders"), else before their last part, and by
 * their type.  A key without a colon is a table of its own.  Only a sample is
 * read, of keys and of each group's entries, so the types are those of the
 * sample: an integer, a decimal number or a boolean if every value is one in
 * its usual spelling, else text, which is never wrong.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define SAMPLE_KEYS 10000		/* looked at in all */
#define SAMPLE_PAGES 100		/* requests for them */
#define SAMPLE_ENTRIES 20		/* keys of a group, or entries of a key */
#define FIELDS_MAX 100			/* with more, a hash is a map: jsonb */
#define VALUE_BYTES 100			/* of a string that are looked at */

/* What the values seen so far could all be. */
typedef struct Guess
{
	int			seen;
	bool		integer;
	bool		number;
	bool		has_exponent;
	bool		boolean;
	bool		uuid;
} Guess;

typedef struct Field
{
	RedisBytes	name;
	Guess		guess;
} Field;

typedef struct KeyGroup
{
	RedisBytes	prefix;			/* or the key, if single */
	bool		single;
	RedisType	type;
	int			nkeys;			/* seen */
	RedisBytes	sample[SAMPLE_ENTRIES];
	Guess		key;			/* what follows the prefix */
	Guess		value;
	List	   *fields;			/* Field */
	bool		expires;
} KeyGroup;

/* ---- guessing types -------------------------------------------------------- */

static Guess
any_type(void)
{
	return (Guess) {.integer = true,.number = true,.boolean = true,.uuid = true};
}

static const ChColumn *
column_of_type(Oid type)
{
	static ChColumn col;

	col.basetype = type;
	return &col;
}

/* -12, 3.50, 1e-7: digits, with no zeros before them */
static bool
is_number(const char *data, int len, bool *exponent)
{
	int			i = len > 0 && data[0] == '-' ? 1 : 0;
	int			digits = 0;

	*exponent = false;
	if (i + 1 < len && data[i] == '0' && isdigit((unsigned char) data[i + 1]))
		return false;
	for (; i < len && isdigit((unsigned char) data[i]); i++)
		digits++;
	if (digits == 0)
		return false;
	if (i < len && data[i] == '.')
	{
		if (++i == len)
			return false;
		while (i < len && isdigit((unsigned char) data[i]))
			i++;
	}
	if (i < len && (data[i] == 'e' || data[i] == 'E'))
	{
		*exponent = true;
		i++;
		if (i < len && (data[i] == '-' || data[i] == '+'))
			i++;
		if (i == len)
			return false;
		while (i < len && isdigit((unsigned char) data[i]))
			i++;
	}
	return i == len;
}

static void
look_at(Guess *g, const char *data, int len)
{
	bool		exponent;

	g->seen++;
	/* 18 digits fit into bigint whatever they are */
	g->integer = g->integer && len <= 18 && redis_is_canonical(column_of_type(INT8OID), data, len);
	g->number = g->number && is_number(data, len, &exponent);
	g->has_exponent = g->has_exponent || (g->number && exponent);
	g->boolean = g->boolean &&
		((len == 4 && memcmp(data, "true", 4) == 0) || (len == 5 && memcmp(data, "false", 5) == 0));
	g->uuid = g->uuid && redis_is_canonical(column_of_type(UUIDOID), data, len);
}

static const char *
type_of(const Guess *g)
{
	if (g->seen == 0)
		return "text";
	if (g->integer)
		return "bigint";
	if (g->number)
		return g->has_exponent ? "double precision" : "numeric";
	if (g->boolean)
		return "boolean";
	return g->uuid ? "uuid" : "text";
}

/* ---- grouping keys ------------------------------------------------------------ */

static bool
is_id(const char *data, int len)
{
	return redis_is_canonical(column_of_type(INT8OID), data, len) ||
		redis_is_canonical(column_of_type(UUIDOID), data, len);
}

/* Length of the part of a key that its table has in common; 0: none. */
static int
prefix_length(const char *key, int len)
{
	int			start = 0;
	int			last = 0;

	for (int i = 0; i <= len; i++)
	{
		if (i < len && key[i] != ':')
			continue;
		if (start > 0 && is_id(key + start, i - start))
			return start;
		if (i < len)
			last = start = i + 1;
	}
	return last;
}

static int
type_number(const char *name)
{
	for (int i = 0; redis_type_names[i]; i++)
		if (strcmp(redis_type_names[i], name) == 0)
			return i;
	return -1;					/* a module's type */
}

static KeyGroup *
group_of(List **groups, const RedisReply *key, RedisType type)
{
	int			len = prefix_length(key->str, (int) key->len);
	bool		single = len == 0;
	KeyGroup	   *g;
	ListCell   *lc;

	if (single)
		len = (int) key->len;
	foreach(lc, *groups)
	{
		g = lfirst(lc);
		if (g->type == type && g->single == single && g->prefix.len == len && memcmp(g->prefix.data, key->str, len) == 0)
			return g;
	}
	g = palloc0(sizeof(KeyGroup));
	g->prefix.data = pnstrdup(key->str, len);
	g->prefix.len = len;
	g->single = single;
	g->type = type;
	g->key = any_type();
	g->value = any_type();
	*groups = lappend(*groups, g);
	return g;
}

/* A key whose name is no text of this database cannot be in an option. */
static bool
has_a_name(const RedisReply *key)
{
	return memchr(key->str, '\0', key->len) == NULL &&
		pg_encoding_verifymbstr(PG_UTF8, key->str, key->len) == (int) key->len;
}

static void
add_key(List **groups, const RedisReply *key, int type)
{
	KeyGroup	   *g;

	if (type < 0 || !has_a_name(key))
		return;
	g = group_of(groups, key, type);
	if (g->nkeys < SAMPLE_ENTRIES)
	{
		g->sample[g->nkeys].data = pnstrdup(key->str, key->len);
		g->sample[g->nkeys].len = (int) key->len;
	}
	g->nkeys++;
	if (!g->single)
		look_at(&g->key, key->str + g->prefix.len, (int) key->len - g->prefix.len);
}

/* ---- asking --------------------------------------------------------------------- */

static void
command(RedisConn *rc, const char *name, RedisBytes key, const char *arg1, const char *arg2, const char *arg3, const char *arg4)
{
	const char *argv[6] = {name, key.data, arg1, arg2, arg3, arg4};
	size_t		lens[6];
	int			n = 0;

	for (; n < 6 && argv[n]; n++)
		lens[n] = n == 1 ? (size_t) key.len : strlen(argv[n]);
	redis_command(rc, n, argv, lens);
}

static RedisReply *
reply_of(ChConn *conn)
{
	return redis_read(conn, CurrentMemoryContext, conn->request_timeout);
}

/* One page of keys and their types. Returns the next cursor (palloc'ed). */
static char *
read_page(ChConn *conn, const char *cursor, const char *pattern, List **groups, int *nkeys)
{
	RedisConn  *rc = conn->handle;
	RedisReply *page;
	RedisReply *keys;

	redis_command_text(rc, 6, "SCAN", cursor, "COUNT", "1000", "MATCH", pattern);
	redis_flush(conn, conn->request_timeout);
	page = reply_of(conn);
	redis_expect_page(conn, page, 1);
	if (page->type == REDIS_REPLY_ERROR)
		redis_raise(conn, page);
	keys = page->items[1];
	for (size_t i = 0; i < keys->n; i++)
		command(rc, "TYPE", (RedisBytes) {keys->items[i]->str, (int) keys->items[i]->len}, NULL, NULL, NULL, NULL);
	redis_flush(conn, conn->request_timeout);
	for (size_t i = 0; i < keys->n; i++)
	{
		RedisReply *type = reply_of(conn);

		if (type->type == REDIS_REPLY_STATUS)
			add_key(groups, keys->items[i], type_number(type->str));
	}
	*nkeys += (int) keys->n;
	return page->items[0]->str;
}

static List *
read_keys(ChConn *conn, const char *pattern)
{
	List	   *groups = NIL;
	const char *cursor = "0";
	int			nkeys = 0;

	for (int page = 0; page < SAMPLE_PAGES && nkeys < SAMPLE_KEYS; page++)
	{
		CHECK_FOR_INTERRUPTS();
		cursor = read_page(conn, cursor, pattern, &groups, &nkeys);
		if (strcmp(cursor, "0") == 0)
			break;
	}
	return groups;
}

static void
ask_sample(RedisConn *rc, const KeyGroup *g, RedisBytes key)
{
	char	   *entries = psprintf("%d", SAMPLE_ENTRIES);

	command(rc, "PTTL", key, NULL, NULL, NULL, NULL);
	switch (g->type)
	{
		case REDIS_HASH:
			command(rc, "HSCAN", key, "0", "COUNT", psprintf("%d", FIELDS_MAX), NULL);
			break;
		case REDIS_STRING:
			command(rc, "GETRANGE", key, "0", psprintf("%d", VALUE_BYTES), NULL, NULL);
			break;
		case REDIS_LIST:
			command(rc, "LRANGE", key, "0", entries, NULL, NULL);
			break;
		case REDIS_STREAM:
			command(rc, "XREVRANGE", key, "+", "-", "COUNT", entries);
			break;
		case REDIS_SET:
		case REDIS_ZSET:
			break;				/* members are text, so that they can be found */
	}
}

static void
look_at_fields(KeyGroup *g, const RedisReply *pairs)
{
	for (size_t i = 0; i + 1 < pairs->n; i += 2)
	{
		const RedisReply *name = pairs->items[i];
		Field	   *field = NULL;
		ListCell   *lc;

		if (!has_a_name(name))
			continue;
		foreach(lc, g->fields)
		{
			Field	   *f = lfirst(lc);

			if (f->name.len == (int) name->len && memcmp(f->name.data, name->str, name->len) == 0)
				field = f;
		}
		if (field == NULL)
		{
			field = palloc0(sizeof(Field));
			field->name.data = name->str;
			field->name.len = (int) name->len;
			field->guess = any_type();
			g->fields = lappend(g->fields, field);
		}
		look_at(&field->guess, pairs->items[i + 1]->str, (int) pairs->items[i + 1]->len);
	}
}

static void
read_sample(ChConn *conn, KeyGroup *g)
{
	RedisReply *ttl = reply_of(conn);
	RedisReply *reply = NULL;

	if (ttl->type == REDIS_REPLY_INTEGER && ttl->integer >= 0)
		g->expires = true;
	if (g->type != REDIS_SET && g->type != REDIS_ZSET)
		reply = reply_of(conn);
	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		return;					/* changed since, or not permitted */
	switch (g->type)
	{
		case REDIS_HASH:
			redis_expect_page(conn, reply, 2);
			look_at_fields(g, reply->items[1]);
			break;
		case REDIS_STRING:
			redis_expect(conn, reply, REDIS_REPLY_STRING);
			look_at(&g->value, reply->str, (int) reply->len);
			break;
		case REDIS_LIST:
			redis_expect_texts(conn, reply, 1, false);
			for (size_t i = 0; i < reply->n; i++)
				look_at(&g->value, reply->items[i]->str, (int) reply->items[i]->len);
			break;
		default:
			redis_expect_entries(conn, reply);
			for (size_t i = 0; i < reply->n; i++)
				look_at_fields(g, reply->items[i]->items[1]);
			break;
	}
}

static void
sample_group(ChConn *conn, KeyGroup *g)
{
	int			n = Min(g->nkeys, SAMPLE_ENTRIES);

	for (int i = 0; i < n; i++)
		ask_sample(conn->handle, g, g->sample[i]);
	redis_flush(conn, conn->request_timeout);
	for (int i = 0; i < n; i++)
		read_sample(conn, g);
}

/* ---- making tables ---------------------------------------------------------------- */

/* UTF-8 in the database's encoding. */
static char *
local_text(RedisBytes bytes)
{
	char	   *text = pnstrdup(bytes.data, bytes.len);

	return pg_any_to_server(text, bytes.len, PG_UTF8);
}

static void
add_column(ChImportTable *table, const char *name, const char *type, const char *option, const char *value)
{
	ChImportColumn *col = palloc0(sizeof(ChImportColumn));

	col->name = name;
	col->type = type;
	col->options = list_make1(ch_option(option, value));
	table->columns = lappend(table->columns, col);
}

static int
compare_fields(const ListCell *a, const ListCell *b)
{
	const Field *x = lfirst(a);
	const Field *y = lfirst(b);
	int			cmp = memcmp(x->name.data, y->name.data, Min(x->name.len, y->name.len));

	return cmp ? cmp : x->name.len - y->name.len;
}

static void
add_fields(ChImportTable *table, KeyGroup *g)
{
	ListCell   *lc;

	if (list_length(g->fields) > FIELDS_MAX)
	{
		add_column(table, "value", "jsonb", "kind", "value");
		return;
	}
	list_sort(g->fields, compare_fields);
	foreach(lc, g->fields)
	{
		Field	   *field = lfirst(lc);

		add_column(table, local_text(field->name), type_of(&field->guess), "field", local_text(field->name));
	}
}

static void
add_columns(ChImportTable *table, KeyGroup *g)
{
	const char *key_type = type_of(&g->key);

	if (!g->single)
	{
		/* only these are found by their bytes */
		if (strcmp(key_type, "bigint") != 0 && strcmp(key_type, "uuid") != 0)
			key_type = "text";
		add_column(table, "key", key_type, "kind", "key");
		((ChImportColumn *) linitial(table->columns))->notnull = true;
	}
	switch (g->type)
	{
		case REDIS_HASH:
			add_fields(table, g);
			break;
		case REDIS_STRING:
			add_column(table, "value", type_of(&g->value), "kind", "value");
			break;
		case REDIS_LIST:
			add_column(table, "index", "bigint", "kind", "index");
			add_column(table, "value", type_of(&g->value), "kind", "value");
			break;
		case REDIS_SET:
			add_column(table, "member", "text", "kind", "member");
			break;
		case REDIS_ZSET:
			add_column(table, "member", "text", "kind", "member");
			add_column(table, "score", "double precision", "kind", "score");
			break;
		case REDIS_STREAM:
			add_column(table, "id", "text", "kind", "id");
			add_column(table, "time", "timestamp with time zone", "kind", "id");
			add_fields(table, g);
			break;
	}
	if (g->expires)
		add_column(table, "ttl", "interval", "kind", "ttl");
}

/* The prefix with '_' for ':', and the type if the prefix has several. */
static char *
table_name(List *groups, const KeyGroup *g)
{
	char	   *name = local_text(g->prefix);
	int			len = strlen(name);
	bool		several = false;
	ListCell   *lc;

	foreach(lc, groups)
	{
		const KeyGroup *other = lfirst(lc);

		several = several || (other != g && other->single == g->single && other->prefix.len == g->prefix.len &&
							  memcmp(other->prefix.data, g->prefix.data, g->prefix.len) == 0);
	}
	name = pstrdup(name);
	while (len > 0 && name[len - 1] == ':')
		name[--len] = '\0';
	for (char *p = name; *p; p++)
		if (*p == ':')
			*p = '_';
	return several ? psprintf("%s_%s", name, redis_type_names[g->type]) : name;
}

/*
 * The one list, set, sorted set or stream of its kind, and no number in a
 * series, is a table of one key: only such a table has an order.
 */
static void
settle_single(KeyGroup *g)
{
	if (g->single || g->nkeys != 1 || g->type == REDIS_HASH || g->type == REDIS_STRING ||
		is_id(g->sample[0].data + g->prefix.len, g->sample[0].len - g->prefix.len))
		return;
	g->single = true;
	g->prefix = g->sample[0];
}

static ChImportTable *
make_table(List *groups, KeyGroup *g)
{
	ChImportTable *table = palloc0(sizeof(ChImportTable));

	table->name = table_name(groups, g);
	table->options = list_make2(ch_option("type", redis_type_names[g->type]),
								ch_option(g->single ? "key" : "key_prefix", local_text(g->prefix)));
	add_columns(table, g);
	return table;
}

static int
compare_groups(const ListCell *a, const ListCell *b)
{
	const KeyGroup *x = lfirst(a);
	const KeyGroup *y = lfirst(b);
	int			cmp = memcmp(x->prefix.data, y->prefix.data, Min(x->prefix.len, y->prefix.len));

	if (cmp == 0)
		cmp = x->prefix.len - y->prefix.len;
	return cmp ? cmp : (int) x->type - (int) y->type;
}

/*
 * The remote schema is the number of the server's database, for all keys, or a
 * prefix, for those that start with it.
 */
static char *
pattern_of(ChConn *conn, const char *remote_schema)
{
	int			database = ch_opt_int(conn->driver, conn->server_options, "database");
	char	   *prefix = pg_server_to_any(remote_schema, strlen(remote_schema), PG_UTF8);

	if (strspn(remote_schema, "0123456789") != strlen(remote_schema))
		return redis_match_pattern((RedisBytes) {prefix, (int) strlen(prefix)});
	if (atoi(remote_schema) != database)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("server \"%s\" reads database %d, not %s", conn->server_name, database, remote_schema),
				 errhint("Import from \"%d\", or make a server with the option database '%s'.", database, remote_schema)));
	return "*";
}

List *
redis_import_schema(ChConn *conn, const char *remote_schema, List *options)
{
	List	   *groups = read_keys(conn, pattern_of(conn, remote_schema));
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, groups)
	{
		sample_group(conn, lfirst(lc));
		settle_single(lfirst(lc));
	}
	list_sort(groups, compare_groups);
	foreach(lc, groups)
		tables = lappend(tables, make_table(groups, lfirst(lc)));
	return tables;
}
