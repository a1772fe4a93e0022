/*
 * options.h
 *	  Options of servers, user mappings, tables and columns: one table of
 *	  definitions for each driver, one for what all drivers share; validation,
 *	  hints and reading are the same for all.
 */
#ifndef CH_OPTIONS_H
#define CH_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Where an option may stand. */
#define CH_ON_SERVER	0x01
#define CH_ON_USER		0x02
#define CH_ON_TABLE		0x04
#define CH_ON_COLUMN	0x08

typedef enum ChOptionType
{
	CH_OPT_STRING,				/* any text that is not empty */
	CH_OPT_TEXT,				/* any text, the empty one too */
	CH_OPT_BOOL,
	CH_OPT_INT,					/* min..max */
	CH_OPT_REAL,				/* min..max */
	CH_OPT_DURATION,			/* milliseconds, or with unit: 500ms, 2s, 1min */
	CH_OPT_ENUM,				/* one of values[] */
	CH_OPT_JSON,				/* parsed as jsonb */
	CH_OPT_INTERVAL,			/* an interval that is more than nothing */
	CH_OPT_QUALS				/* names of columns with , or + between */
} ChOptionType;

typedef struct ChOptionDef
{
	const char *name;			/* NULL ends a table of definitions */
	int			where;			/* CH_ON_... */
	ChOptionType type;
	const char *value;			/* default, or NULL */
	double		min;
	double		max;
	const char *const *values;	/* CH_OPT_ENUM: allowed ones, NULL ends them */
	bool		secret;			/* only in a USER MAPPING, never shown */
	bool		prefix;			/* every name that begins so; the driver checks
								 * the rest */
	bool		superuser;		/* names a file or socket: only a superuser or
								 * member of pg_read_server_files may set it */
	const char *help;			/* one line, for the generated docs */
} ChOptionDef;

struct ChDriver;

/* Value of an option in a list of DefElem, or its default; NULL if neither. */
extern const char *ch_opt_string(const struct ChDriver *driver, List *options, const char *name);
extern bool ch_opt_bool(const struct ChDriver *driver, List *options, const char *name);
extern int	ch_opt_int(const struct ChDriver *driver, List *options, const char *name);
extern double ch_opt_real(const struct ChDriver *driver, List *options, const char *name);
extern int	ch_opt_duration(const struct ChDriver *driver, List *options, const char *name);	/* ms */
extern bool ch_opt_given(List *options, const char *name);

/*
 * The secret NAME of a user mapping, or the first line of the file that
 * NAME_file names; NULL if neither is there.  In the current memory context.
 */
extern const char *ch_opt_secret(const struct ChDriver *driver, List *options, const char *name);

extern const ChOptionDef ch_common_options[];

extern void ch_validate_options(const struct ChDriver *driver, List *options, Oid catalog);

#endif							/* CH_OPTIONS_H */
