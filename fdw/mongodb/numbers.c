/*
 * numbers.c
 *	  Which values of the store are on which side of a value of ours, where the
 *	  two do not have the same digits?
 *
 * A numeric column shows a Decimal128 as it is and a double as its shortest
 * text, while the store compares a double's exact binary value: the double
 * that prints as 0.1 is a little more than Decimal128 0.1.  And a numeric has
 * more digits than a Decimal128.  So a condition needs two bounds.  A text
 * column shows an ObjectId as 24 digits, which the store orders apart from
 * strings.
 */
#include "postgres.h"

#include <math.h>

#include "fdw/mongodb/mongodb.h"

#include "common/shortest_dec.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define DECIMAL128_DIGITS	34
#define DECIMAL128_MAX_EXP	6111	/* of 34 digits, as are the next two */
#define DECIMAL128_MIN_EXP	(-6176)

/* ---- decimals --------------------------------------------------------------- */

/* "-0012.340": digits 1234, exponent -2.  What numeric_out prints. */
typedef struct Digits
{
	char	   *digits;
	int			n;
	int			exponent;
} Digits;

static Digits
digits_of(const char *text, int len)
{
	Digits		d = {palloc(len + 1), 0, 0};
	bool		fraction = false;

	for (int i = 0; i < len; i++)
	{
		if (text[i] == '.')
			fraction = true;
		if (text[i] < '0' || text[i] > '9')
			continue;
		if (d.n > 0 || text[i] != '0')
			d.digits[d.n++] = text[i];
		if (fraction)
			d.exponent--;
	}
	while (d.n > 0 && d.digits[d.n - 1] == '0')
	{
		d.n--;
		d.exponent++;
	}
	return d;
}

/* Cut to what a Decimal128 holds, toward zero; false if something was lost. */
static bool
cut(Digits *d)
{
	int			lose = Max(0, d->n - DECIMAL128_DIGITS);
	bool		exact;

	if (d->n == 0)
		return true;
	lose = Max(lose, DECIMAL128_MIN_EXP - d->exponent);
	exact = lose <= 0;
	if (lose >= d->n)
	{
		d->n = 0;
		d->exponent = 0;
		return false;
	}
	d->n -= lose;
	d->exponent += lose;
	/* a short number with a large exponent may be written with more zeros */
	if (d->exponent - DECIMAL128_MAX_EXP > DECIMAL128_DIGITS - d->n)
	{
		d->digits = pstrdup("9999999999999999999999999999999999");
		d->n = DECIMAL128_DIGITS;
		d->exponent = DECIMAL128_MAX_EXP;
		exact = false;
	}
	return exact;
}

static void
read_decimal(const char *form, bson_decimal128_t *out)
{
	if (!bson_decimal128_from_string(form, out))
		elog(ERROR, "libbson does not read decimal %s", form);
}

static char *
form_of(const Digits *d, bool negative)
{
	return d->n == 0 ? pstrdup("0") : psprintf("%s%.*sE%d", negative ? "-" : "", d->n, d->digits, d->exponent);
}

static void
set_decimal(const char *text, int len, MongoBound *out)
{
	Digits		d = digits_of(text, len);

	out->decimal_exact = cut(&d);
	read_decimal(form_of(&d, out->negative), &out->decimal);
}

/* Digits with the zeros at the end, and those after the point. */
static void
count_digits(const char *text, int len, int *digits, int *scale)
{
	bool		fraction = false;

	*digits = *scale = 0;
	for (int i = 0; i < len; i++)
	{
		fraction = fraction || text[i] == '.';
		if (text[i] < '0' || text[i] > '9')
			continue;
		*digits += *digits > 0 || text[i] != '0';
		*scale += fraction;
	}
}

bool
mongo_exact_decimal(const char *text, int len, bson_decimal128_t *out)
{
	Digits		d;
	int			digits,
				scale;
	char	   *copy = pnstrdup(text, len);

	if (strchr(copy, 'N') || strchr(copy, 'I'))
	{
		read_decimal(copy, out);
		return true;
	}
	d = digits_of(text, len);
	if (!cut(&d))
		return false;
	count_digits(text, len, &digits, &scale);
	read_decimal(digits <= DECIMAL128_DIGITS && scale <= -DECIMAL128_MIN_EXP ? copy : form_of(&d, text[0] == '-'), out);
	return true;
}

/* ---- doubles ------------------------------------------------------------------ */

static Datum
numeric_of_text(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* The double as a numeric column shows it, against the value. */
static int
compare_shown(double f, Datum value)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isinf(f))
		return f > 0 ? 1 : -1;
	double_to_shortest_decimal_buf(f, text);
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric_of_text(text), value));
}

/* Is it the double's binary value, too? */
static bool
equals_exactly(double f, Datum value)
{
	return isfinite(f) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, numeric_of_text(psprintf("%.1100f", f)), value));
}

static void
set_double(const char *text, MongoBound *out)
{
	Datum		value = numeric_of_text(text);
	double		f = strtod(text, NULL);

	while (compare_shown(f, value) < 0)
		f = nextafter(f, INFINITY);
	while (isfinite(nextafter(f, -INFINITY)) && compare_shown(nextafter(f, -INFINITY), value) >= 0)
		f = nextafter(f, -INFINITY);
	out->at_least = f;
	out->double_exact = isfinite(f) && compare_shown(f, value) == 0;
	out->same = out->double_exact && out->decimal_exact && equals_exactly(f, value);
}

bool
mongo_exact_double(const char *text, int len, double *out)
{
	char	   *copy = pnstrdup(text, len);

	*out = strtod(copy, NULL);
	return !isfinite(*out) ? strchr(copy, 'N') || strchr(copy, 'I')
		: compare_shown(*out, numeric_of_text(copy)) == 0;
}

/* text is what numeric_out prints, finite */
void
mongo_numeric_bound(const char *text, int len, MongoBound *out)
{
	char	   *copy = pnstrdup(text, len);

	memset(out, 0, sizeof(*out));
	out->negative = copy[0] == '-';
	set_decimal(copy, len, out);
	set_double(copy, out);
}

/* ---- ObjectIds as text ------------------------------------------------------------ */

/* The next larger of the first n hexadecimal digits; false if there is none. */
static bool
increment(char *hex, int n)
{
	for (int i = n - 1; i >= 0; i--)
	{
		if (hex[i] != 'f')
		{
			hex[i] = hex[i] == '9' ? 'a' : hex[i] + 1;
			return true;
		}
		hex[i] = '0';
	}
	return false;
}

/*
 * Among the texts of ObjectIds, 24 digits of 0-9a-f each, the least that is >=
 * the string by bytes.
 */
bool
mongo_object_id_bound(const char *text, int len, bson_oid_t *out, bool *exact)
{
	char		hex[25] = "000000000000000000000000";
	bool		found = true;
	int			i;

	*exact = false;
	for (i = 0; i < 24 && i < len; i++)
	{
		unsigned char c = text[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
		{
			hex[i] = c;
			continue;
		}
		/* the rest of the digits is zero */
		if (c > 'f')
			found = increment(hex, i);
		else if (c > '9')
			hex[i] = 'a';
		break;
	}
	if (i == 24 && len > 24)
		found = increment(hex, 24);
	else
		*exact = i == 24 && len == 24;
	if (found)
		bson_oid_init_from_string(out, hex);
	return found;
}
