/*
 * json.c
 *	  JSON, appended to a buffer: strings of the database's encoding in UTF-8,
 *	  bytes as base64, as Kafka Connect's JsonConverter writes them.
 */
#include "postgres.h"

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

void
cdc_json_string(StringInfo out, const char *text, int len)
{
	const char *end;
	const char *plain;

	if (GetDatabaseEncoding() != PG_UTF8 && len > 0)
	{
		char	   *utf8 = pg_server_to_any(text, len, PG_UTF8);

		if (utf8 != text)
		{
			text = utf8;
			len = strlen(utf8);
		}
	}
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
	int			room = pg_b64_enc_len(len);

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
