/*
 * mongodb_bare.c
 *	  What libmongoc alone needs for the scan that mongodb_scan.sh measures.
 *
 * usage: mongodb_bare URI DATABASE COLLECTION BATCH FIELD...
 *
 * Reads the fields of every document, batch by batch, decodes each value once,
 * and prints the documents, the values, the seconds and a sum of it all.
 */
#include <mongoc/mongoc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Look at the value as far as a reader of its type would. */
static uint64_t
decode(const bson_iter_t *it)
{
	uint32_t	len = 0;

	switch (bson_iter_type(it))
	{
		case BSON_TYPE_UTF8:
			return strlen(bson_iter_utf8(it, &len)) + len;
		case BSON_TYPE_DOUBLE:
			return (uint64_t) bson_iter_double(it);
		case BSON_TYPE_INT32:
			return bson_iter_int32(it);
		case BSON_TYPE_INT64:
			return bson_iter_int64(it);
		case BSON_TYPE_DATE_TIME:
			return bson_iter_date_time(it);
		case BSON_TYPE_BOOL:
			return bson_iter_bool(it);
		default:
			return 1;
	}
}

int
main(int argc, char **argv)
{
	bson_t		filter = BSON_INITIALIZER;
	bson_t		opts = BSON_INITIALIZER;
	bson_t		projection;
	bson_error_t error;
	const bson_t *doc;
	bson_iter_t it;
	int64_t		docs = 0,
				values = 0,
				began;
	uint64_t	sink = 0;
	mongoc_client_t *client;
	mongoc_collection_t *collection;
	mongoc_cursor_t *cursor;

	if (argc < 6)
		return 2;
	mongoc_init();
	client = mongoc_client_new(argv[1]);
	if (client == NULL)
		return 2;
	bson_append_int32(&opts, "batchSize", -1, atoi(argv[4]));
	bson_append_document_begin(&opts, "projection", -1, &projection);
	for (int i = 5; i < argc; i++)
		bson_append_int32(&projection, argv[i], -1, 1);
	bson_append_document_end(&opts, &projection);
	collection = mongoc_client_get_collection(client, argv[2], argv[3]);

	began = bson_get_monotonic_time();
	cursor = mongoc_collection_find_with_opts(collection, &filter, &opts, NULL);
	while (mongoc_cursor_next(cursor, &doc))
	{
		docs++;
		for (bool more = bson_iter_init(&it, doc) && bson_iter_next(&it); more; more = bson_iter_next(&it))
		{
			sink += decode(&it);
			values++;
		}
	}
	if (mongoc_cursor_error(cursor, &error))
	{
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	printf("%" PRId64 " %" PRId64 " %.4f %" PRIx64 "\n", docs, values, (bson_get_monotonic_time() - began) / 1e6, sink);
	mongoc_cursor_destroy(cursor);
	mongoc_collection_destroy(collection);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}
