/*
 * explain.c
 *	  The remote query as text.
 *
 * It is made from the request and not from the compiled form, because in an
 * EXPLAIN parameters have no values yet.  It names the commands; pages, cursors
 * and counts, which a scan chooses as it goes, are left out.
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "fdw/redis/redis.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* ---- names and values ---------------------------------------------------------- */

/* One argument of a command, in quotes where redis-cli would need them. */
void
redis_show_bytes(StringInfo out, const char *data, int len)
{
	bool		plain = len > 0;
	char	   *local;
	int			n;

	for (int i = 0; i < len && plain; i++)
		plain = isalnum((unsigned char) data[i]) || strchr("_-.:*@/", data[i]) != NULL;
	if (plain)
	{
		appendBinaryStringInfo(out, data, len);
		return;
	}
	local = pg_any_to_server(pnstrdup(data, len), len, PG_UTF8);
	n = strlen(local);
	appendStringInfoChar(out, '"');
	for (int i = 0; i < n; i++)
	{
		if (local[i] == '"' || local[i] == '\\')
			appendStringInfoChar(out, '\\');
		if ((unsigned char) local[i] < 0x20)
			appendStringInfo(out, "\\x%02x", local[i]);
		else
			appendStringInfoChar(out, local[i]);
	}
	appendStringInfoChar(out, '"');
}

static void
show_number(StringInfo out, double f)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(f, buf);
	appendStringInfoString(out, buf);
}

static void
show_value(StringInfo out, const ChColumn *col, const ChValue *v)
{
	static const RedisBytes empty = {"", 0};
	RedisBytes	bytes;

	switch (v->kind)
	{
		case CH_PARAM:
			appendStringInfo(out, "$" INT64_FORMAT, v->u.i);
			break;
		case CH_FLOAT:
			show_number(out, v->u.f);
			break;
		case CH_INT:
			appendStringInfo(out, INT64_FORMAT, v->u.i);
			break;
		case CH_INSTANT:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(timestamptz_out, Int64GetDatum(v->u.i))));
			break;
		default:
			if (redis_bytes_of(col, v, empty, &bytes))
				redis_show_bytes(out, bytes.data, bytes.len);
			break;
	}
}

static void
show_list(StringInfo out, const ChCond *cond)
{
	for (int i = 0; i < cond->nvalues; i++)
	{
		if (i > 0)
			appendStringInfoString(out, ", ");
		show_value(out, cond->col, &cond->values[i]);
	}
}

/* True whatever the row: nothing that a pushed condition is about is NULL. */
static bool
is_trivial(const ChCond *cond)
{
	if (cond->kind == CH_COND_OR)
		for (int i = 0; i < cond->nargs; i++)
			if (is_trivial(cond->args[i]))
				return true;
	return cond->kind == CH_COND_NOT_NULL;
}

static void
show_leaf(StringInfo out, const ChCond *cond)
{
	appendStringInfo(out, "%s ", redis_kind_names[cond->col->kind]);
	switch (cond->kind)
	{
		case CH_COND_IN:
			appendStringInfoString(out, "IN (");
			show_list(out, cond);
			appendStringInfoChar(out, ')');
			break;
		case CH_COND_IS_NULL:
			appendStringInfoString(out, "IS NULL");
			break;
		case CH_COND_NOT_NULL:
			appendStringInfoString(out, "IS NOT NULL");
			break;
		default:
			appendStringInfo(out, "%s ", ch_cmp_name[cond->op]);
			show_list(out, cond);
			break;
	}
}

/* Something of one dimension. */
static void
show_tree(StringInfo out, const ChCond *cond)
{
	if (cond->kind != CH_COND_OR && cond->kind != CH_COND_AND)
	{
		show_leaf(out, cond);
		return;
	}
	appendStringInfoChar(out, '(');
	for (int i = 0; i < cond->nargs; i++)
	{
		if (i > 0)
			appendStringInfoString(out, cond->kind == CH_COND_OR ? " OR " : " AND ");
		show_tree(out, cond->args[i]);
	}
	appendStringInfoChar(out, ')');
}

static RedisDimension
first_dimension(const ChCond *cond)
{
	while (cond->kind == CH_COND_OR || cond->kind == CH_COND_AND)
		cond = cond->args[0];
	return redis_dimension(cond->col);
}

/*
 * Conditions of one dimension in SQL's words, joined by AND; first: nothing is
 * in out yet.  Returns the same for what follows.
 */
static bool
show_conditions(StringInfo out, const ChCond *cond, RedisDimension dim, bool first)
{
	if (cond->kind == CH_COND_AND)
	{
		for (int i = 0; i < cond->nargs; i++)
			first = show_conditions(out, cond->args[i], dim, first);
		return first;
	}
	if (is_trivial(cond) || first_dimension(cond) != dim)
		return first;
	if (!first)
		appendStringInfoString(out, " AND ");
	show_tree(out, cond);
	return false;
}

static char *
conditions_text(const ChScan *scan, RedisDimension dim)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (scan->filter)
		(void) show_conditions(&buf, scan->filter, dim, true);
	return buf.data;
}

/* The only condition on the key, if it is an equality; else NULL. */
static const ChCond *
key_equality(const ChCond *cond)
{
	const ChCond *found = NULL;
	int			about_key = 0;

	if (cond == NULL)
		return NULL;
	if (cond->kind == CH_COND_CMP || cond->kind == CH_COND_IN)
		return first_dimension(cond) == REDIS_DIM_KEY ? cond : NULL;
	if (cond->kind != CH_COND_AND)
		return NULL;
	for (int i = 0; i < cond->nargs; i++)
	{
		if (is_trivial(cond->args[i]) || first_dimension(cond->args[i]) != REDIS_DIM_KEY)
			continue;
		about_key++;
		found = key_equality(cond->args[i]);
	}
	return about_key == 1 ? found : NULL;
}

/* prefix and value, as one argument */
static void
show_key(StringInfo out, RedisBytes prefix, const ChColumn *col, const ChValue *v)
{
	RedisBytes	bytes = prefix;

	if (v->kind == CH_PARAM)
	{
		if (prefix.len > 0)
			redis_show_bytes(out, prefix.data, prefix.len);
		show_value(out, col, v);
		return;
	}
	(void) redis_bytes_of(col, v, prefix, &bytes);
	redis_show_bytes(out, bytes.data, bytes.len);
}

/* Keys that are given. Returns how the commands name one. */
static char *
show_listed_keys(StringInfo out, const ChScan *scan, const char *condition)
{
	const RedisTable *rt = redis_table(scan->table);
	const ChCond *equality = key_equality(scan->filter);
	StringInfoData name;

	initStringInfo(&name);
	if (rt->mode == REDIS_BY_KEY)
	{
		redis_show_bytes(&name, rt->key.data, rt->key.len);
		if (condition[0])
			appendStringInfo(out, "if %s: ", condition);
		return name.data;
	}
	if (equality && equality->nvalues == 1 && equality->kind == CH_COND_CMP)
	{
		show_key(&name, rt->prefix, equality->col, &equality->values[0]);
		return name.data;
	}
	appendStringInfoString(out, "for <key> in (");
	if (equality)
		for (int i = 0; i < equality->nvalues; i++)
		{
			if (i > 0)
				appendStringInfoString(out, ", ");
			show_key(out, rt->prefix, equality->col, &equality->values[i]);
		}
	else
	{
		redis_show_bytes(out, rt->prefix.data, rt->prefix.len);
		appendStringInfo(out, "* where %s", condition);
	}
	appendStringInfoString(out, "): ");
	return "<key>";
}

/* Where the keys come from. Returns how the commands name one. */
static char *
show_source(StringInfo out, const ChScan *scan)
{
	const RedisTable *rt = redis_table(scan->table);
	char	   *condition = conditions_text(scan, REDIS_DIM_KEY);
	char	   *key = "<key>";

	if (rt->mode == REDIS_BY_KEY || condition[0])
	{
		key = show_listed_keys(out, scan, condition);
		if (rt->mode == REDIS_BY_SET)
		{
			appendStringInfoString(out, "SISMEMBER ");
			redis_show_bytes(out, rt->key.data, rt->key.len);
			appendStringInfo(out, " %s; ", key);
		}
	}
	else if (rt->mode == REDIS_BY_SET)
	{
		appendStringInfoString(out, "SSCAN ");
		redis_show_bytes(out, rt->key.data, rt->key.len);
		appendStringInfoString(out, "; ");
	}
	else
	{
		appendStringInfoString(out, "SCAN");
		if (rt->prefix.len > 0)
		{
			char	   *pattern = redis_match_pattern(rt->prefix);

			appendStringInfoString(out, " MATCH ");
			redis_show_bytes(out, pattern, strlen(pattern));
		}
		if (!rt->wrong_type_error)
			appendStringInfo(out, " TYPE %s", redis_type_names[rt->type]);
		appendStringInfoString(out, "; ");
	}
	return key;
}

/* Is a column of the kind asked for? */
static bool
wants(const ChScan *scan, RedisKind kind)
{
	for (int i = 0; i < scan->ncolumns; i++)
		if (scan->columns[i]->kind == (int) kind)
			return true;
	return false;
}

static void
show_hash(StringInfo out, const ChScan *scan, const char *key, bool scanned)
{
	if (wants(scan, REDIS_VALUE))
		appendStringInfo(out, "HGETALL %s; ", key);
	else if (wants(scan, REDIS_FIELD))
	{
		appendStringInfo(out, "HMGET %s", key);
		for (int i = 0; i < scan->ncolumns; i++)
			if (scan->columns[i]->kind == REDIS_FIELD)
			{
				appendStringInfoChar(out, ' ');
				redis_show_bytes(out, scan->columns[i]->remote, strlen(scan->columns[i]->remote));
			}
		appendStringInfoString(out, "; ");
	}
	if (!scanned && !wants(scan, REDIS_VALUE))
		appendStringInfo(out, "HLEN %s; ", key);
}

/* The commands for the entries of a key. */
static void
show_entries(StringInfo out, const ChScan *scan, const char *key, bool scanned)
{
	const RedisTable *rt = redis_table(scan->table);
	bool		descending = redis_is_descending(scan);
	char	   *members = conditions_text(scan, REDIS_DIM_MEMBER);
	char	   *range = conditions_text(scan, REDIS_DIM_RANGE);
	const char *command = NULL;

	switch (rt->type)
	{
		case REDIS_HASH:
			show_hash(out, scan, key, scanned);
			return;
		case REDIS_STRING:
			if (wants(scan, REDIS_VALUE))
				command = rt->wrong_type_error ? "GET" : "MGET";
			else if (!scanned)
				command = "TYPE";
			break;
		case REDIS_LIST:
			command = "LRANGE";
			break;
		case REDIS_SET:
			command = members[0] ? "SISMEMBER" : "SSCAN";
			break;
		case REDIS_ZSET:
			command = members[0] ? "ZSCORE" :
				scan->nsort == 0 && !range[0] ? "ZSCAN" :
				descending ? "ZREVRANGEBYSCORE" : "ZRANGEBYSCORE";
			break;
		case REDIS_STREAM:
			command = descending ? "XREVRANGE" : "XRANGE";
			break;
	}
	if (command == NULL)
		return;
	appendStringInfo(out, "%s %s", command, key);
	if (members[0])
		appendStringInfo(out, " [%s]", members);
	if (range[0])
		appendStringInfo(out, " [%s]", range);
	if (rt->type == REDIS_LIST && descending)
		appendStringInfoString(out, " [from the end]");
	appendStringInfoString(out, "; ");
}

void
redis_explain(ChScan *scan, StringInfo out)
{
	const RedisTable *rt = redis_table(scan->table);
	bool		scanned = rt->mode == REDIS_BY_PREFIX && !rt->wrong_type_error &&
		conditions_text(scan, REDIS_DIM_KEY)[0] == '\0';
	int			start = out->len;
	char	   *key = show_source(out, scan);

	show_entries(out, scan, key, scanned);
	if (wants(scan, REDIS_TTL))
		appendStringInfo(out, "PTTL %s; ", key);
	if (scan->offset != 0)
		appendStringInfo(out, "skip %s; ", ch_count_text(scan->offset));
	if (scan->limit != -1)
		appendStringInfo(out, "stop after %s rows; ", ch_count_text(scan->limit));
	if (out->len > start + 1 && out->data[out->len - 2] == ';')
	{
		out->len -= 2;
		out->data[out->len] = '\0';
	}
}

/* ---- writes ------------------------------------------------------------------------------ */

/* A column in place of its value. */
static void
show_column(StringInfo out, const char *before, const ChColumn *col)
{
	appendStringInfo(out, " %s<%s>", before, col->name);
}

static const ChColumn *
written_column(const ChWrite *w, RedisKind kind)
{
	for (int i = 0; i < w->ncolumns; i++)
		if (w->columns[i]->kind == (int) kind)
			return w->columns[i];
	return NULL;
}

static const ChColumn *
identity_column(const ChWrite *w, RedisKind kind)
{
	for (int i = 0; i < w->nidentity; i++)
		if (w->identity[i]->kind == (int) kind)
			return w->identity[i];
	return NULL;
}

static void
show_command(StringInfo out, const ChWrite *w, const char *command)
{
	const RedisTable *rt = redis_table(w->table);

	appendStringInfo(out, "%s ", command);
	if (rt->mode == REDIS_BY_KEY)
		redis_show_bytes(out, rt->key.data, rt->key.len);
	else
	{
		if (rt->prefix.len > 0)
			redis_show_bytes(out, rt->prefix.data, rt->prefix.len);
		appendStringInfo(out, "<%s>", rt->keycol->name);
	}
}

static void
show_kind(StringInfo out, const ChWrite *w, RedisKind kind, bool old)
{
	const ChColumn *col = old ? identity_column(w, kind) : written_column(w, kind);

	if (col)
		show_column(out, "", col);
}

static void
show_fields(StringInfo out, const ChWrite *w)
{
	for (int i = 0; i < w->ncolumns; i++)
		if (w->columns[i]->kind == REDIS_FIELD)
		{
			appendStringInfoChar(out, ' ');
			redis_show_bytes(out, w->columns[i]->remote, strlen(w->columns[i]->remote));
			show_column(out, "", w->columns[i]);
		}
	if (redis_table(w->table)->type != REDIS_STRING)
		show_kind(out, w, REDIS_VALUE, false);
}

/* What is sent for the row but for its time to live. */
static void
show_row(StringInfo out, const ChWrite *w)
{
	static const char *const insert[] = {"HSET", "SET", "RPUSH", "SADD", "ZADD", "XADD"};
	static const char *const update[] = {"HSET", "SET", "LSET", "SADD", "ZADD", ""};
	static const char *const delete[] = {"UNLINK", "UNLINK", "LSET", "SREM", "ZREM", "XDEL"};
	RedisType	type = redis_table(w->table)->type;
	bool		old = w->verb != CH_INSERT;

	show_command(out, w, (w->verb == CH_INSERT ? insert : w->verb == CH_UPDATE ? update : delete)[type]);
	switch (type)
	{
		case REDIS_HASH:
			show_fields(out, w);
			break;
		case REDIS_STRING:
			show_kind(out, w, REDIS_VALUE, false);
			break;
		case REDIS_LIST:
			show_kind(out, w, REDIS_INDEX, old);
			show_kind(out, w, REDIS_VALUE, false);
			break;
		case REDIS_SET:
		case REDIS_ZSET:
			show_kind(out, w, REDIS_SCORE, false);
			show_kind(out, w, REDIS_MEMBER, written_column(w, REDIS_MEMBER) == NULL);
			break;
		case REDIS_STREAM:
			show_kind(out, w, REDIS_ID, old);
			if (!old)
				show_fields(out, w);
			break;
	}
}

void
redis_explain_write(const ChWrite *w, StringInfo out)
{
	const ChColumn *ttl = written_column(w, REDIS_TTL);
	bool		only_ttl = w->verb == CH_UPDATE && ttl && w->ncolumns == 1;

	if (!only_ttl)
		show_row(out, w);
	if (w->verb == CH_UPDATE && redis_table(w->table)->version)
	{
		appendStringInfoString(out, only_ttl ? "" : "; ");
		show_command(out, w, "HINCRBY");
		appendStringInfoString(out, " ");
		redis_show_bytes(out, redis_table(w->table)->version_field.data, redis_table(w->table)->version_field.len);
		appendStringInfoString(out, only_ttl ? " 1; " : " 1");
	}
	if (ttl && w->verb != CH_DELETE)
	{
		appendStringInfoString(out, only_ttl ? "" : "; ");
		show_command(out, w, "PEXPIRE");
		show_column(out, "", ttl);
	}
}

/* ---- direct UPDATE and DELETE --------------------------------------------------------------- */

static char *
text_of(const ChColumn *col, const ChValue *v)
{
	StringInfoData buf;
	RedisBytes	text;

	initStringInfo(&buf);
	if (v->kind == CH_PARAM)
		appendStringInfo(&buf, "$" INT64_FORMAT, v->u.i);
	else if (col->kind == REDIS_TTL)
		appendStringInfo(&buf, INT64_FORMAT, redis_ttl_of(col, v));
	else
	{
		text = redis_text_of(col, v);
		redis_show_bytes(&buf, text.data, text.len);
	}
	return buf.data;
}

static void
show_assign(StringInfo out, const ChColumn *col, const ChBoundAssign *assign, const char *key)
{
	const ChValue *v = &assign->value;
	StringInfoData field;

	initStringInfo(&field);
	if (col->kind == REDIS_FIELD)
		redis_show_bytes(&field, col->remote, strlen(col->remote));
	if (assign->kind != CH_ASSIGN_VALUE)
		appendStringInfo(out, "HINCRBY %s %s %s%s; ", key, field.data, assign->kind == CH_ASSIGN_SUB ? "-" : "", text_of(col, v));
	else if (col->kind == REDIS_TTL)
		appendStringInfo(out, v->kind == CH_NULL ? "PERSIST %s; " : "PEXPIRE %s %s; ", key, v->kind == CH_NULL ? "" : text_of(col, v));
	else if (col->kind == REDIS_VALUE)
		appendStringInfo(out, "SET %s %s; ", key, v->kind == CH_NULL ? "NULL" : text_of(col, v));
	else if (v->kind == CH_NULL)
		appendStringInfo(out, "HDEL %s %s; ", key, field.data);
	else
		appendStringInfo(out, "HSET %s %s %s; ", key, field.data, text_of(col, v));
}

void
redis_explain_direct(ChWrite *w, ChScan *scan, const ChBoundAssign *assigns, StringInfo out)
{
	char	   *key = show_source(out, scan);

	if (w->verb == CH_DELETE)
		appendStringInfo(out, "UNLINK %s; ", key);
	for (int i = 0; i < w->ncolumns; i++)
		show_assign(out, w->columns[i], &assigns[i], key);
	out->len -= 2;
	out->data[out->len] = '\0';
}
