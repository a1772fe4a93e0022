/*
 * types.c
 *	  How is a value written in a statement, and what is a time here?
 *
 * Every literal must mean exactly the value that it stands for, so floats are
 * printed with the fewest digits that read back as the same float, and times
 * with all their nanoseconds.
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "utils/timestamp.h"

#include "common/int.h"
#include "fdw/influxdb/influxdb.h"

#define NS_OF_US			INT64CONST(1000)
#define US_OF_EPOCH			((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* Round down, not toward zero: before 1970 they differ. */
static int64
floor_div(int64 a, int64 b)
{
	int64		q = a / b;

	return a % b < 0 ? q - 1 : q;
}

ChValue
influx_instant(int64 ns)
{
	ChValue		v = {.kind = CH_INSTANT};

	v.u.i = floor_div(ns, NS_OF_US) - US_OF_EPOCH;
	return v;
}

bool
influx_time_of(TimestampTz t, int64 *ns)
{
	int64		us;

	if (TIMESTAMP_NOT_FINITE(t) || pg_add_s64_overflow(t, US_OF_EPOCH, &us))
		return false;
	return !pg_mul_s64_overflow(us, NS_OF_US, ns);
}

/*
 * Text between quotes: InfluxQL escapes by backslashes, and a newline too; SQL
 * doubles the quote.
 */
static void
append_quoted(StringInfo buf, char quote, const char *data, int len, bool sql)
{
	appendStringInfoChar(buf, quote);
	for (int i = 0; i < len; i++)
	{
		if (sql)
		{
			if (data[i] == quote)
				appendStringInfoChar(buf, quote);
			appendStringInfoChar(buf, data[i]);
		}
		else if (data[i] == '\n')
			appendStringInfoString(buf, "\\n");
		else
		{
			if (data[i] == quote || data[i] == '\\')
				appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, data[i]);
		}
	}
	appendStringInfoChar(buf, quote);
}

void
influx_append_name(StringInfo buf, const char *name, bool sql)
{
	append_quoted(buf, '"', name, strlen(name), sql);
}

void
influx_append_string(StringInfo buf, const char *data, int len, bool sql)
{
	append_quoted(buf, '\'', data, len, sql);
}

static void
append_literal(StringInfo buf, const char *data, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (data[i] == '\r')
			appendStringInfoString(buf, "\\r");
		else if (data[i] == '\n')
			appendStringInfoString(buf, "\\n");
		else
		{
			if (data[i] != '\0' && strchr("\\.+*?()|[]{}^$/", data[i]))
				appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, data[i]);
		}
	}
}

/* A regular expression of RE2 that matches these texts and no others. */
void
influx_append_regex(StringInfo buf, const ChValue *values, int n)
{
	appendStringInfoString(buf, n > 1 ? "/^(?:" : "/^");
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(buf, i > 0 ? "|" : "");
		append_literal(buf, values[i].u.s.data, values[i].u.s.len);
	}
	appendStringInfoString(buf, n > 1 ? ")$/" : "$/");
}

/*
 * Neither language takes an exponent (InfluxQL reads 1e3 as a duration), and a
 * number without a point would be an integer.
 */
void
influx_append_float(StringInfo buf, double f)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	char	   *p = text;
	int			n = 0;
	int			point = -1;		/* digits before the point */

	double_to_shortest_decimal_buf(f, text);
	if (*p == '-')
		appendStringInfoChar(buf, *p++);
	for (; *p && *p != 'e'; p++)
	{
		if (*p == '.')
			point = n;
		else
			digits[n++] = *p;
	}
	if (point < 0)
		point = n;
	if (*p == 'e')
		point += atoi(p + 1);

	if (point <= 0)
		appendStringInfoString(buf, "0.");
	for (int i = point; i < 0; i++)
		appendStringInfoChar(buf, '0');
	for (int i = 0; i < n; i++)
	{
		if (i == point && i > 0)
			appendStringInfoChar(buf, '.');
		appendStringInfoChar(buf, digits[i]);
	}
	for (int i = n; i < point; i++)
		appendStringInfoChar(buf, '0');
	if (point >= n)
		appendStringInfoString(buf, ".0");
}

/* RFC 3339 in UTC, with as many decimals as there are. */
void
influx_append_time(StringInfo buf, int64 ns, bool sql)
{
	int64		second = floor_div(ns, INT64CONST(1000000000));
	int			fraction = (int) (ns - second * INT64CONST(1000000000));
	struct pg_tm tm;
	fsec_t		fsec;
	char		decimals[16];
	int			n;

	if (timestamp2tm(second * USECS_PER_SEC - US_OF_EPOCH, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "time out of range");
	appendStringInfo(buf, "%s'%04d-%02d-%02dT%02d:%02d:%02d", sql ? "TIMESTAMP " : "",
					 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	n = fraction == 0 ? 0 : snprintf(decimals, sizeof(decimals), ".%09d", fraction);
	while (n > 0 && decimals[n - 1] == '0')
		n--;
	appendStringInfo(buf, "%.*sZ'", n, decimals);
}
