/*
 * redis_scan.c
 *	  What the foreign table is measured against: the same keys and fields
 *	  read by hiredis alone, blocking, with SCAN and pipelined HMGET.
 *
 * usage: redis_scan HOST PORT PASSWORD PATTERN COUNT FIELD...
 * Prints keys, bytes of values, and seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

static void
die(const char *what)
{
	fprintf(stderr, "redis_scan: %s\n", what);
	exit(1);
}

static redisReply *
take(redisContext *c)
{
	void	   *reply = NULL;

	if (redisGetReply(c, &reply) != REDIS_OK)
		die(c->errstr);
	if (((redisReply *) reply)->type == REDIS_REPLY_ERROR)
		die(((redisReply *) reply)->str);
	return reply;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	redisContext *c;
	int			fields = argc - 6;
	const char **args = malloc((argc + 2) * sizeof(char *));
	size_t	   *lens = malloc((argc + 2) * sizeof(size_t));
	char		cursor[32] = "0";
	unsigned long keys = 0,
				bytes = 0;
	double		start;

	if (fields < 1)
		die("usage: redis_scan HOST PORT PASSWORD PATTERN COUNT FIELD...");
	start = now();
	c = redisConnect(argv[1], atoi(argv[2]));
	if (c == NULL || c->err)
		die("could not connect");
	if (argv[3][0])
	{
		redisAppendCommand(c, "AUTH %s", argv[3]);
		freeReplyObject(take(c));
	}
	args[0] = "HMGET";
	lens[0] = 5;
	for (int i = 0; i < fields; i++)
	{
		args[i + 2] = argv[i + 6];
		lens[i + 2] = strlen(argv[i + 6]);
	}
	do
	{
		redisReply *page;
		redisReply *list;

		redisAppendCommand(c, "SCAN %s MATCH %s COUNT %s TYPE hash", cursor, argv[4], argv[5]);
		page = take(c);
		snprintf(cursor, sizeof(cursor), "%s", page->element[0]->str);
		list = page->element[1];
		for (size_t i = 0; i < list->elements; i++)
		{
			args[1] = list->element[i]->str;
			lens[1] = list->element[i]->len;
			redisAppendCommandArgv(c, fields + 2, args, lens);
		}
		for (size_t i = 0; i < list->elements; i++)
		{
			redisReply *row = take(c);

			keys++;
			for (size_t f = 0; f < row->elements; f++)
				bytes += row->element[f]->len;
			freeReplyObject(row);
		}
		freeReplyObject(page);
	} while (strcmp(cursor, "0") != 0);
	printf("%lu %lu %.4f\n", keys, bytes, now() - start);
	redisFree(c);
	return 0;
}
