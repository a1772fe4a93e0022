/*
 * types.c
 *	  Values of PostgreSQL's types, given as text, as Debezium's connector writes
 *	  them: JSON and Kafka Connect's schema.  Where Debezium loses a value, it is
 *	  kept (docs/cdc.md lists what differs).
 *
 * Text comes from the types' output functions under settings of the worker's own:
 * ISO dates, UTC, C money, hexadecimal bytes.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "cdc.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "types.h"

#define EPOCH_JDATE 2440588		/* 1970-01-01 */

/* ---- text and numbers ---------------------------------------------------------------------- */

static void
append_string(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	cdc_json_string(out, text, len);
}

static void
append_number(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	appendBinaryStringInfo(out, text, len);
}

/* JSON has no NaN and no infinities: strings, as Jackson writes them. */
static void
append_float(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	bool		finite = text[len - 1] >= '0' && text[len - 1] <= '9';

	if (len == 2 && text[0] == '-' && text[1] == '0')
		appendStringInfoString(out, "-0.0");	/* an integer has no such sign */
	else if (finite)
		appendBinaryStringInfo(out, text, len);
	else
		cdc_json_string(out, text, len);
}

/* A numeric as a double: the largest have no number of JSON's that a reader would take. */
static void
append_numeric_double(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	if (len > 300 && isinf(strtod(pnstrdup(text, len), NULL)))
		appendStringInfoString(out, text[0] == '-' ? "\"-Infinity\"" : "\"Infinity\"");
	else
		append_float(out, col, text, len);
}

static void
append_bool(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	appendStringInfoString(out, text[0] == 't' ? "true" : "false");
}

/* ---- decimals -------------------------------------------------------------------------------- */

/*
 * The digits of a number, without sign and point, as two's complement, the most
 * significant byte first: java.math.BigInteger.toByteArray().
 */
static void
append_unscaled(StringInfo out, const char *digits, int n, bool negative)
{
	int			size = n / 2 + 2;
	unsigned char *bytes = palloc0(size);
	int			first;

	if (n <= 18)
	{
		int64		value = 0;

		for (int i = 0; i < n; i++)
			value = value * 10 + (digits[i] - '0');
		if (negative)
			value = -value;
		size = 8;
		bytes = repalloc(bytes, 8);
		for (int i = 0; i < 8; i++)
			bytes[i] = (unsigned char) (value >> (56 - 8 * i));
	}
	else
	{
		/* nine digits at a time */
		for (int i = 0; i < n;)
		{
			uint64		carry = 0;
			uint64		factor = 1;

			for (; i < n && factor < 1000000000; i++, factor *= 10)
				carry = carry * 10 + (digits[i] - '0');
			for (int b = size - 1; b >= 0; b--)
			{
				carry += bytes[b] * factor;
				bytes[b] = carry & 0xFF;
				carry >>= 8;
			}
		}
		if (negative)
		{
			unsigned	carry = 1;

			for (int b = size - 1; b >= 0; b--)
			{
				carry += (unsigned char) ~bytes[b];
				bytes[b] = carry & 0xFF;
				carry >>= 8;
			}
		}
	}
	/* leading bytes that only repeat the sign */
	for (first = 0; first < size - 1; first++)
		if (!((bytes[first] == 0 && !(bytes[first + 1] & 0x80)) || (bytes[first] == 0xFF && (bytes[first + 1] & 0x80))))
			break;
	cdc_json_base64(out, bytes + first, size - first);
	pfree(bytes);
}

/* Digits and how many of them are behind the point.  False: it is no finite number. */
static bool
split_decimal(const char *text, int len, char *digits, int *n, int *scale, bool *negative)
{
	*n = *scale = 0;
	*negative = false;
	for (int i = 0; i < len; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			digits[(*n)++] = text[i];
		else if (text[i] == '.')
			*scale = len - i - 1;
		else if (text[i] == '-')
			*negative = true;
		else
			return false;
	}
	return true;
}

/* numeric(p, s): all values have the scale of the column. */
static void
append_decimal(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	char	   *digits = palloc(len + 1);
	int			n,
				scale;
	bool		negative;

	if (split_decimal(text, len, digits, &n, &scale, &negative))
		append_unscaled(out, digits, n, negative);
	else
		appendStringInfoString(out, "null");
	pfree(digits);
}

/* numeric: each value has its own. */
static void
append_variable_decimal(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	char	   *digits = palloc(len + 1);
	int			n,
				scale;
	bool		negative;

	if (split_decimal(text, len, digits, &n, &scale, &negative))
	{
		while (scale > 0 && n > 1 && digits[n - 1] == '0')
		{
			scale--;
			n--;
		}
		appendStringInfo(out, "{\"scale\":%d,\"value\":", scale);
		append_unscaled(out, digits, n, negative);
		appendStringInfoChar(out, '}');
	}
	else
		appendStringInfoString(out, "null");
	pfree(digits);
}

static const char *
not_finite_name(const char *text)
{
	return text[0] == 'N' ? "NAN" : text[0] == '-' ? "NEGATIVE_INFINITY" : "POSITIVE_INFINITY";
}

static bool
is_finite(const char *text, int len)
{
	return text[len - 1] >= '0' && text[len - 1] <= '9';
}

static void
append_decimal_string(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	if (is_finite(text, len))
		cdc_json_string(out, text, len);
	else
		appendStringInfo(out, "\"%s\"", not_finite_name(text));
}

/* "$1,234.56", "-$1.00" */
static int
money_digits(const char *text, int len, char *out)
{
	int			n = 0;

	for (int i = 0; i < len; i++)
		if ((text[i] >= '0' && text[i] <= '9') || text[i] == '-' || text[i] == '.')
			out[n++] = text[i];
	return n;
}

static void
append_money(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	char		plain[64];

	col->element->append(out, col->element, plain, money_digits(text, Min(len, 60), plain));
}

/* ---- bytes and bits ------------------------------------------------------------------------------ */

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void
append_bytes(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	int			n = Max(0, (len - 2) / 2);	/* after \x */
	unsigned char *bytes = palloc(n + 1);

	for (int i = 0; i < n; i++)
		bytes[i] = (unsigned char) (hex_digit(text[2 + 2 * i]) << 4 | hex_digit(text[3 + 2 * i]));
	cdc_json_base64(out, bytes, n);
	pfree(bytes);
}

/* java.util.BitSet.toByteArray(): the last bit is the lowest, zero bytes at the end are left out. */
static void
append_bits(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	unsigned char *bytes = palloc0(len / 8 + 1);
	int			n = 0;

	for (int i = 0; i < len; i++)
		if (text[len - 1 - i] == '1')
		{
			bytes[i / 8] |= 1 << (i % 8);
			n = i / 8 + 1;
		}
	cdc_json_base64(out, bytes, n);
	pfree(bytes);
}

static void
append_bit(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	appendStringInfoString(out, len > 0 && text[0] == '1' ? "true" : "false");
}

/* ---- dates and times ------------------------------------------------------------------------------- */

typedef struct Moment
{
	int			infinite;		/* -1, 1: -infinity, infinity */
	int64		days;			/* since 1970-01-01 */
	int64		micros;			/* of the day */
	int64		year;
	int			month;
	int			day;
	int			fraction_digits;
} Moment;

static int64
read_digits(const char **p, const char *end)
{
	int64		value = 0;

	while (*p < end && **p >= '0' && **p <= '9')
		value = value * 10 + (*(*p)++ - '0');
	return value;
}

/* hh:mm:ss[.ffffff] */
static int64
read_time(const char **p, const char *end, int *fraction_digits)
{
	int64		seconds = read_digits(p, end) * 3600;
	int64		micros = 0;
	int			n = 0;

	(*p)++;
	seconds += read_digits(p, end) * 60;
	(*p)++;
	seconds += read_digits(p, end);
	if (*p < end && **p == '.')
		for ((*p)++; *p < end && **p >= '0' && **p <= '9' && n < 6; (*p)++, n++)
			micros = micros * 10 + (**p - '0');
	*fraction_digits = n;
	for (; n < 6; n++)
		micros *= 10;
	return seconds * 1000000 + micros;
}

/* date, timestamp or timestamptz (in UTC) */
static Moment
read_moment(const char *text, int len)
{
	Moment		m = {0};
	const char *p = text;
	const char *end = text + len;

	if (len >= 8 && strncmp(end - 8, "infinity", 8) == 0)
	{
		m.infinite = text[0] == '-' ? -1 : 1;
		return m;
	}
	m.year = read_digits(&p, end);
	p++;
	m.month = read_digits(&p, end);
	p++;
	m.day = read_digits(&p, end);
	if (p < end && *p == ' ' && p + 1 < end && p[1] >= '0' && p[1] <= '9')
	{
		p++;
		m.micros = read_time(&p, end, &m.fraction_digits);
	}
	if (len > 3 && strncmp(end - 2, "BC", 2) == 0)
		m.year = 1 - m.year;
	m.days = date2j(m.year, m.month, m.day) - EPOCH_JDATE;
	return m;
}

/* The infinities as the driver of Debezium makes them. */
static void
append_date(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	Moment		m = read_moment(text, len);

	cdc_json_int(out, m.infinite > 0 ? 2146033979 : m.infinite < 0 ? -2147472691 : m.days);
}

static void
append_time_millis(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	const char *p = text;
	int			digits;

	cdc_json_int(out, read_time(&p, text + len, &digits) / 1000);
}

static void
append_time_micros(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	const char *p = text;
	int			digits;

	cdc_json_int(out, read_time(&p, text + len, &digits));
}

/* In UTC; as many digits as there are. */
static void
append_timetz(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	const char *p = text;
	const char *end = text + len;
	int			digits;
	int64		micros = read_time(&p, end, &digits);
	int64		day = INT64CONST(86400000000);
	int64		seconds;

	if (p < end && (*p == '+' || *p == '-'))
	{
		bool		west = *p++ == '-';
		int64		zone = read_digits(&p, end) * 3600;

		if (p < end && *p == ':')
		{
			p++;
			zone += read_digits(&p, end) * 60;
		}
		if (p < end && *p == ':')
		{
			p++;
			zone += read_digits(&p, end);
		}
		micros += (west ? zone : -zone) * 1000000;
	}
	micros = ((micros % day) + day) % day;
	seconds = micros / 1000000;
	appendStringInfo(out, "\"%02d:%02d:%02d", (int) (seconds / 3600), (int) (seconds / 60 % 60), (int) (seconds % 60));
	if (micros % 1000000)
	{
		appendStringInfo(out, ".%06d", (int) (micros % 1000000));
		while (out->data[out->len - 1] == '0')
			out->data[--out->len] = '\0';
	}
	appendStringInfoString(out, "Z\"");
}

static void
append_timestamp_millis(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	Moment		m = read_moment(text, len);

	if (m.infinite)
		cdc_json_int(out, m.infinite > 0 ? INT64CONST(9223372036825200000) : INT64CONST(-9223372036832400000));
	else
		cdc_json_int(out, m.days * 86400000 + m.micros / 1000);
}

/* The last years that PostgreSQL knows are more than 64 bits of microseconds from 1970. */
static void
append_timestamp_micros(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	Moment		m = read_moment(text, len);
	int64		micros;

	if (m.infinite)
		micros = m.infinite > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	else if (pg_mul_s64_overflow(m.days, INT64CONST(86400000000), &micros) || pg_add_s64_overflow(micros, m.micros, &micros))
		micros = PG_INT64_MAX;
	cdc_json_int(out, micros);
}

/* java.time's ISO_OFFSET_DATE_TIME, with the digits of the column. */
static void
append_timestamptz(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	int			digits = col->basetypmod >= 0 ? Min(col->basetypmod, 6) : 6;
	Moment		m = read_moment(text, len);
	int64		fraction;

	if (m.infinite)
	{
		cdc_json_string(out, text, len);
		return;
	}
	appendStringInfoChar(out, '"');
	if (m.year > 9999)
		appendStringInfo(out, "+" INT64_FORMAT, m.year);
	else if (m.year < 0)
		appendStringInfo(out, "-%04d", (int) -m.year);
	else
		appendStringInfo(out, "%04d", (int) m.year);
	appendStringInfo(out, "-%02d-%02dT%02d:%02d:%02d", m.month, m.day, (int) (m.micros / INT64CONST(3600000000)),
					 (int) (m.micros / 60000000 % 60), (int) (m.micros / 1000000 % 60));
	fraction = m.micros % 1000000;
	if (digits > 0)
	{
		for (int d = digits; d < 6; d++)
			fraction /= 10;
		appendStringInfo(out, ".%0*d", digits, (int) fraction);
	}
	appendStringInfoString(out, "Z\"");
}

/* Microseconds; a month has 30.4375 days. */
static void
append_interval(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	char	   *copy = pnstrdup(text, len);
	Interval   *i = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(copy), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	int128		micros = (int128) i->month * INT64CONST(2629800000000) + (int128) i->day * INT64CONST(86400000000) + i->time;

	cdc_json_int(out, (int64) Max(Min(micros, PG_INT64_MAX), PG_INT64_MIN));
	pfree(i);
	pfree(copy);
}

/* ---- made of others ---------------------------------------------------------------------------------- */

/* (x,y), with its well-known binary form */
static void
append_point(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	char	   *copy = pnstrdup(text + 1, len - 2);
	char	   *comma = strchr(copy, ',');
	double		coordinates[2];
	unsigned char wkb[21] = {1, 1};

	*comma = '\0';
	coordinates[0] = strtod(copy, NULL);
	coordinates[1] = strtod(comma + 1, NULL);
	for (int c = 0; c < 2; c++)
	{
		uint64		bits;

		memcpy(&bits, &coordinates[c], 8);
		for (int b = 0; b < 8; b++)
			wkb[5 + 8 * c + b] = (unsigned char) (bits >> (8 * b));
	}
	appendStringInfoString(out, "{\"x\":");
	append_float(out, col, copy, comma - copy);
	appendStringInfoString(out, ",\"y\":");
	append_float(out, col, comma + 1, strlen(comma + 1));
	appendStringInfoString(out, ",\"wkb\":");
	cdc_json_base64(out, wkb, sizeof(wkb));
	appendStringInfoString(out, ",\"srid\":null}");
	pfree(copy);
}

/* "a"=>"b", "c"=>NULL as a string of JSON */
static void
append_hstore(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	StringInfoData json;
	const char *end = text + len;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (const char *p = text; p < end;)
	{
		if (*p == '"')
		{
			StringInfoData part;

			initStringInfo(&part);
			for (p++; p < end && *p != '"'; p++)
			{
				if (*p == '\\')
					p++;
				appendStringInfoChar(&part, *p);
			}
			p++;
			cdc_json_string(&json, part.data, part.len);
			pfree(part.data);
		}
		else if (*p == 'N')
		{
			appendStringInfoString(&json, "null");
			p += 4;
		}
		else
		{
			if (*p == '=')
				appendStringInfoChar(&json, ':');
			else if (*p == ',')
				appendStringInfoChar(&json, ',');
			p += *p == '=' ? 2 : 1;
		}
	}
	appendStringInfoChar(&json, '}');
	cdc_json_string(out, json.data, json.len);
	pfree(json.data);
}

/* {a,"b c",NULL,{...}}: more dimensions are arrays of arrays. */
static void
append_array(StringInfo out, const CdcColumn *col, const char *text, int len)
{
	const char *end = text + len;
	const char *p = memchr(text, '{', len); /* after bounds, [2:3]= */
	char		delimiter = col->delimiter;
	StringInfoData value;

	initStringInfo(&value);
	while (p && p < end)
	{
		bool		quoted = *p == '"';

		if (*p == '{' || *p == '}')
		{
			appendStringInfoChar(out, *p == '{' ? '[' : ']');
			p++;
			continue;
		}
		if (*p == delimiter)
		{
			appendStringInfoChar(out, ',');
			p++;
			continue;
		}
		resetStringInfo(&value);
		for (p += quoted; p < end && (quoted ? *p != '"' : *p != delimiter && *p != '}'); p++)
		{
			if (*p == '\\')
				p++;
			appendStringInfoChar(&value, *p);
		}
		p += quoted;
		if (!quoted && strcmp(value.data, "NULL") == 0)
			appendStringInfoString(out, "null");
		else
			col->element->append(out, col->element, value.data, value.len);
	}
	pfree(value.data);
}

/* ---- which type is written how -------------------------------------------------------------------------- */

#define VARIABLE_DECIMAL "\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},{\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}]"
#define POINT "\"type\":\"struct\",\"fields\":[{\"type\":\"double\",\"optional\":false,\"field\":\"x\"},{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},{\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}]"

/* type: Connect's; name, extra: of a logical type. */
static void
set_type(CdcColumn *col, CdcAppend append, const char *type, const char *name, const char *extra)
{
	col->append = append;
	col->connect_type = type[0] == '"' ? pstrdup(type) : psprintf("\"type\":\"%s\"", type);
	col->connect_name = name ? psprintf(",\"name\":\"%s\",\"version\":1%s", name, extra ? extra : "") : "";
}

static void
set_decimal(CdcColumn *col, CdcDecimals decimals)
{
	/* the typmod has 11 bits of scale, with a sign */
	int			scale = col->basetypmod >= 0 ? (((col->basetypmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024 : -1;

	if (decimals == CDC_STRING)
		set_type(col, append_decimal_string, "string", NULL, NULL);
	else if (decimals == CDC_DOUBLE)
		set_type(col, append_numeric_double, "double", NULL, NULL);
	else if (scale >= 0)
		set_type(col, append_decimal, "bytes", "org.apache.kafka.connect.data.Decimal",
				 psprintf(",\"parameters\":{\"scale\":\"%d\",\"connect.decimal.precision\":\"%d\"}", scale,
						  ((col->basetypmod - VARHDRSZ) >> 16) & 0xffff));
	else
		set_type(col, append_variable_decimal, VARIABLE_DECIMAL, "io.debezium.data.VariableScaleDecimal", ",\"doc\":\"Variable scaled decimal\"");
}

static void
set_money(CdcColumn *col, CdcDecimals decimals)
{
	CdcColumn  *number = palloc0(sizeof(CdcColumn));

	number->basetypmod = (19 << 16 | 2) + VARHDRSZ;
	set_decimal(number, decimals);
	set_type(col, append_money, "bytes", "org.apache.kafka.connect.data.Decimal", ",\"parameters\":{\"scale\":\"2\"}");
	if (decimals != CDC_PRECISE)
	{
		col->connect_type = number->connect_type;
		col->connect_name = number->connect_name;
	}
	col->element = number;
}

static void
set_bits(CdcColumn *col)
{
	/* bit without a length is bit(1), varbit without one has none */
	int			length = col->basetypmod > 0 ? col->basetypmod : col->basetype == BITOID ? 1 : PG_INT32_MAX;

	if (length == 1)
		set_type(col, append_bit, "boolean", NULL, NULL);
	else
		set_type(col, append_bits, "bytes", "io.debezium.data.Bits", psprintf(",\"parameters\":{\"length\":\"%d\"}", length));
}

/* Labels in their order, as they are for the transaction that is decoded. */
static char *
enum_labels(Oid type)
{
	StringInfoData labels;
	StringInfoData json;
	Relation	rel = table_open(EnumRelationId, AccessShareLock);
	Relation	index = index_open(EnumTypIdSortOrderIndexId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	initStringInfo(&labels);
	initStringInfo(&json);
	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan_ordered(rel, index, NULL, 1, &key);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
		appendStringInfo(&labels, "%s%s", labels.len ? "," : "", NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	appendStringInfoString(&json, ",\"parameters\":{\"allowed\":");
	cdc_json_string(&json, labels.data, labels.len);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Types of contrib modules have no fixed number. */
static void
set_other(CdcColumn *col)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(col->basetype));
	Form_pg_type type;

	set_type(col, append_string, "string", NULL, NULL);
	if (!HeapTupleIsValid(tuple))
		return;
	type = (Form_pg_type) GETSTRUCT(tuple);
	if (type->typtype == TYPTYPE_ENUM)
		set_type(col, append_string, "string", "io.debezium.data.Enum", enum_labels(col->basetype));
	else if (strcmp(NameStr(type->typname), "hstore") == 0)
		set_type(col, append_hstore, "string", "io.debezium.data.Json", NULL);
	else if (strcmp(NameStr(type->typname), "ltree") == 0)
		set_type(col, append_string, "string", "io.debezium.data.Ltree", NULL);
	ReleaseSysCache(tuple);
}

static void
set_array(CdcColumn *col, CdcDecimals decimals)
{
	CdcColumn  *element = palloc0(sizeof(CdcColumn));
	int16		length;
	bool		byval;
	char		align;
	Oid			ioparam;
	Oid			function;

	element->name = col->name;
	element->type = col->elemtype;
	element->typmod = col->basetypmod;
	cdc_describe_type(element, decimals);
	col->element = element;
	get_type_io_data(col->elemtype, IOFunc_output, &length, &byval, &align, &col->delimiter, &ioparam, &function);
	col->append = append_array;
	col->connect_type = psprintf("\"type\":\"array\",\"items\":{%s,\"optional\":%s%s}", element->connect_type,
								 strstr(element->connect_name, "io.debezium.data.Enum") ? "false" : "true", element->connect_name);
	col->connect_name = "";
}

void
cdc_describe_type(CdcColumn *col, CdcDecimals decimals)
{
	col->basetypmod = col->typmod;
	col->basetype = getBaseTypeAndTypmod(col->type, &col->basetypmod);
	/* the vectors of catalogs are arrays, but their text is not an array's */
	col->elemtype = col->basetype == INT2VECTOROID || col->basetype == OIDVECTOROID ? InvalidOid : get_element_type(col->basetype);
	if (OidIsValid(col->elemtype))
	{
		set_array(col, decimals);
		return;
	}
	switch (col->basetype)
	{
		case INT2OID:
			set_type(col, append_number, "int16", NULL, NULL);
			break;
		case INT4OID:
			set_type(col, append_number, "int32", NULL, NULL);
			break;
		case INT8OID:
		case OIDOID:
			set_type(col, append_number, "int64", NULL, NULL);
			break;
		case FLOAT4OID:
			set_type(col, append_float, "float", NULL, NULL);
			break;
		case FLOAT8OID:
			set_type(col, append_float, "double", NULL, NULL);
			break;
		case BOOLOID:
			set_type(col, append_bool, "boolean", NULL, NULL);
			break;
		case NUMERICOID:
			set_decimal(col, decimals);
			break;
		case MONEYOID:
			set_money(col, decimals);
			break;
		case BYTEAOID:
			set_type(col, append_bytes, "bytes", NULL, NULL);
			break;
		case BITOID:
		case VARBITOID:
			set_bits(col);
			break;
		case DATEOID:
			set_type(col, append_date, "int32", "io.debezium.time.Date", NULL);
			break;
		case TIMEOID:
			if (col->basetypmod >= 0 && col->basetypmod <= 3)
				set_type(col, append_time_millis, "int32", "io.debezium.time.Time", NULL);
			else
				set_type(col, append_time_micros, "int64", "io.debezium.time.MicroTime", NULL);
			break;
		case TIMETZOID:
			set_type(col, append_timetz, "string", "io.debezium.time.ZonedTime", NULL);
			break;
		case TIMESTAMPOID:
			if (col->basetypmod >= 0 && col->basetypmod <= 3)
				set_type(col, append_timestamp_millis, "int64", "io.debezium.time.Timestamp", NULL);
			else
				set_type(col, append_timestamp_micros, "int64", "io.debezium.time.MicroTimestamp", NULL);
			break;
		case TIMESTAMPTZOID:
			set_type(col, append_timestamptz, "string", "io.debezium.time.ZonedTimestamp", NULL);
			break;
		case INTERVALOID:
			set_type(col, append_interval, "int64", "io.debezium.time.MicroDuration", NULL);
			break;
		case UUIDOID:
			set_type(col, append_string, "string", "io.debezium.data.Uuid", NULL);
			break;
		case JSONOID:
		case JSONBOID:
			set_type(col, append_string, "string", "io.debezium.data.Json", NULL);
			break;
		case XMLOID:
			set_type(col, append_string, "string", "io.debezium.data.Xml", NULL);
			break;
		case TSVECTOROID:
			set_type(col, append_string, "string", "io.debezium.data.Tsvector", NULL);
			break;
		case POINTOID:
			set_type(col, append_point, POINT, "io.debezium.data.geometry.Point", ",\"doc\":\"Geometry (POINT)\"");
			break;
		default:
			set_other(col);
	}
}
