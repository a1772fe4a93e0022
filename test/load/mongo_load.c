/*
 * mongo_load.c
 *	  Put documents into MongoDB: for the tests, the demo and the bench.
 *
 * usage: mongo_load [--drop DB.COLLECTION]... [--command DB JSON]... [--load]
 *
 * The arguments are carried out in their order.  --load reads lines from
 * standard input, each of them DATABASE<tab>COLLECTION<tab>DOCUMENT, the
 * document in MongoDB's extended JSON, and inserts them in bulk; empty lines
 * and lines that begin with "#" are skipped.  --command prints the reply as
 * relaxed extended JSON, without what differs from run to run.  The address
 * is that of the environment variable MONGODB_URI.
 */
#include <mongoc/mongoc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BULK_SIZE 10000

typedef struct Loader
{
	mongoc_client_t *client;
	mongoc_collection_t *collection;
	char		name[256];		/* "database\tcollection" of collection */
	mongoc_bulk_operation_t *bulk;
	int			pending;
	int64_t		inserted;
} Loader;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "mongo_load: %s: %s\n", what, why);
	exit(1);
}

static void
flush_bulk(Loader *l)
{
	bson_error_t error;

	if (l->bulk == NULL)
		return;
	if (l->pending > 0 && !mongoc_bulk_operation_execute(l->bulk, NULL, &error))
		die("insert", error.message);
	l->inserted += l->pending;
	l->pending = 0;
	mongoc_bulk_operation_destroy(l->bulk);
	l->bulk = NULL;
}

static void
choose_collection(Loader *l, const char *database, const char *collection)
{
	char		name[sizeof(l->name)];

	if (snprintf(name, sizeof(name), "%s\t%s", database, collection) >= (int) sizeof(name))
		die(collection, "the name is too long");
	if (strcmp(name, l->name) == 0)
		return;
	flush_bulk(l);
	if (l->collection)
		mongoc_collection_destroy(l->collection);
	l->collection = mongoc_client_get_collection(l->client, database, collection);
	strcpy(l->name, name);
}

static void
insert_line(Loader *l, char *line)
{
	char	   *collection = strchr(line, '\t');
	char	   *json = collection ? strchr(collection + 1, '\t') : NULL;
	bson_error_t error;
	bson_t	   *doc;

	if (json == NULL)
		die(line, "not DATABASE<tab>COLLECTION<tab>DOCUMENT");
	*collection++ = '\0';
	*json++ = '\0';
	choose_collection(l, line, collection);
	doc = bson_new_from_json((const uint8_t *) json, -1, &error);
	if (doc == NULL)
		die(json, error.message);
	if (l->bulk == NULL)
		l->bulk = mongoc_collection_create_bulk_operation_with_opts(l->collection, NULL);
	if (!mongoc_bulk_operation_insert_with_opts(l->bulk, doc, NULL, &error))
		die(json, error.message);
	bson_destroy(doc);
	if (++l->pending == BULK_SIZE)
		flush_bulk(l);
}

static void
load(Loader *l)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		len;

	while ((len = getline(&line, &size, stdin)) > 0)
	{
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len > 0 && line[0] != '#')
			insert_line(l, line);
	}
	free(line);
	flush_bulk(l);
}

static void
drop(Loader *l, char *name)
{
	char	   *dot = strchr(name, '.');
	bson_error_t error;

	if (dot == NULL)
		die(name, "not DATABASE.COLLECTION");
	*dot = '\0';
	choose_collection(l, name, dot + 1);
	/* 26 is NamespaceNotFound: there was nothing to drop */
	if (!mongoc_collection_drop(l->collection, &error) && error.code != 26)
		die(dot + 1, error.message);
}

static void
run_command(Loader *l, const char *database, const char *json)
{
	bson_error_t error;
	bson_t		reply;
	bson_t		shown = BSON_INITIALIZER;
	bson_t	   *command = bson_new_from_json((const uint8_t *) json, -1, &error);
	char	   *text;

	if (command == NULL)
		die(json, error.message);
	if (!mongoc_client_command_simple(l->client, database, command, NULL, &reply, &error))
		die(json, error.message);
	bson_copy_to_excluding_noinit(&reply, &shown, "operationTime", "$clusterTime", (char *) NULL);
	text = bson_as_relaxed_extended_json(&shown, NULL);
	puts(text);
	bson_free(text);
	bson_destroy(&shown);
	bson_destroy(&reply);
	bson_destroy(command);
}

int
main(int argc, char **argv)
{
	Loader		l = {0};
	const char *address = getenv("MONGODB_URI");
	bson_error_t error;
	mongoc_uri_t *uri;

	if (address == NULL)
		die("MONGODB_URI", "is not set");
	mongoc_init();
	uri = mongoc_uri_new_with_error(address, &error);
	if (uri == NULL)
		die("MONGODB_URI", error.message);
	l.client = mongoc_client_new_from_uri(uri);
	if (l.client == NULL)
		die("MONGODB_URI", "no client could be made of it");
	mongoc_client_set_error_api(l.client, MONGOC_ERROR_API_VERSION_2);

	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--load") == 0)
			load(&l);
		else if (strcmp(argv[i], "--drop") == 0 && i + 1 < argc)
			drop(&l, argv[++i]);
		else if (strcmp(argv[i], "--command") == 0 && i + 2 < argc)
		{
			run_command(&l, argv[i + 1], argv[i + 2]);
			i += 2;
		}
		else
			die(argv[i], "unknown argument; see the head of mongo_load.c");
	}
	if (l.inserted > 0)
		fprintf(stderr, "mongo_load: %" PRId64 " documents\n", l.inserted);

	if (l.collection)
		mongoc_collection_destroy(l.collection);
	mongoc_client_destroy(l.client);
	mongoc_uri_destroy(uri);
	mongoc_cleanup();
	return 0;
}
