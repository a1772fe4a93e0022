/*
 * json.c
 *	  JSON, appended to a buffer: strings of the database's encoding in UTF-8,
 *	  bytes as base64, as Kafka Connect's JsonConverter writes them.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "cdc.h"
#include "common/base64.h"
#include "fdw/core/compat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* What must not stand in a string as it is; 1: as \u00XX, else after a backslash. */
static const char escapes[256] = {
	1, 1, 1, 1, 1, 1, 1, 1, 'b', 't', 'n', 1, 'f', 'r', 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	['"'] = '"', ['\\'] = '\\'
};

#define REPLACEMENT "\xEF\xBF\xBD"	/* U+FFFD */

static FmgrInfo to_utf8;		/* fn_oid is invalid if there is none */

void
cdc_json_init(void)
{
	Oid			conversion = InvalidOid;

	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		conversion = FindDefaultConversionProc(GetDatabaseEncoding(), PG_UTF8);
	if (OidIsValid(conversion))
		fmgr_info_cxt(conversion, &to_utf8, TopMemoryContext);
}

/* How many bytes of text it could take, appended to out. */
static int
convert_some(StringInfo out, const char *text, int len)
{
	char	   *utf8;
	int			n = 0;

	if (!OidIsValid(to_utf8.fn_oid))
	{
		/* SQL_ASCII: whatever it is, UTF-8 is left as it is */
		while (n < len && pg_utf_mblen((const unsigned char *) text + n) <= len - n &&
			   pg_utf8_islegal((const unsigned char *) text + n, pg_utf_mblen((const unsigned char *) text + n)))
			n += pg_utf_mblen((const unsigned char *) text + n);
		appendBinaryStringInfo(out, text, n);
		return n;
	}
	utf8 = palloc_extended((Size) len * MAX_CONVERSION_GROWTH + 1, MCXT_ALLOC_HUGE);
	n = DatumGetInt32(FunctionCall6(&to_utf8, Int32GetDatum(GetDatabaseEncoding()), Int32GetDatum(PG_UTF8),
									CStringGetDatum(text), CStringGetDatum(utf8), Int32GetDatum(len), BoolGetDatum(true)));
	appendStringInfoString(out, utf8);
	pfree(utf8);
	return n;
}

/*
 * PostgreSQL's own conversion looks its function up, which cannot be done outside of
 * a transaction, and raises where a character has no counterpart: the stream would
 * never get past it.
 */
const char *
cdc_utf8(const char *text, int *len)
{
	StringInfoData utf8;
	const char *end = text + *len;
	const char *c = text;

	if (GetDatabaseEncoding() == PG_UTF8)
		return text;
	while (c < end && !IS_HIGHBIT_SET(*c))
		c++;
	if (c == end)
		return text;
	initStringInfo(&utf8);
	for (c = text; c < end;)
	{
		c += convert_some(&utf8, c, end - c);
		if (c < end)
		{
			appendStringInfoString(&utf8, REPLACEMENT);
			c += Min(end - c, Max(1, pg_encoding_mblen(GetDatabaseEncoding(), c)));
		}
	}
	*len = utf8.len;
	return utf8.data;
}

void
cdc_json_string(StringInfo out, const char *text, int len)
{
	const char *end;
	const char *plain;

	text = cdc_utf8(text, &len);
	end = text + len;
	appendStringInfoCharMacro(out, '"');
	for (plain = text; text < end; text++)
	{
		char		escape = escapes[(unsigned char) *text];

		if (likely(escape == 0))
			continue;
		appendBinaryStringInfo(out, plain, text - plain);
		plain = text + 1;
		if (escape == 1)
			appendStringInfo(out, "\\u%04x", (unsigned char) *text);
		else
		{
			appendStringInfoCharMacro(out, '\\');
			appendStringInfoCharMacro(out, escape);
		}
	}
	appendBinaryStringInfo(out, plain, end - plain);
	appendStringInfoCharMacro(out, '"');
}

void
cdc_json_base64(StringInfo out, const unsigned char *bytes, int len)
{
	int			room;

	if (len > MaxAllocSize / 4 * 3)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%d bytes are too many for JSON", len)));
	room = (int) (((int64) len + 2) / 3 * 4);
	appendStringInfoCharMacro(out, '"');
	enlargeStringInfo(out, room);
	out->len += ch_b64_encode(bytes, len, out->data + out->len, room);
	appendStringInfoCharMacro(out, '"');
}

void
cdc_json_int(StringInfo out, int64 value)
{
	enlargeStringInfo(out, 24);
	out->len += pg_lltoa(value, out->data + out->len);
}
