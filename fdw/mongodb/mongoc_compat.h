/*
 * mongoc_compat.h
 *	  Every difference between libmongoc 1.23, 1.30 and 2.x that this driver
 *	  meets, in one place.
 *
 * libmongoc's headers use names (bool, Min, DLL macros) that PostgreSQL's
 * define as well, so postgres.h comes first everywhere.
 */
#ifndef MONGOC_COMPAT_H
#define MONGOC_COMPAT_H

#include "postgres.h"

#include <mongoc/mongoc.h>

/*
 * From 1.26 on, the pause between two looks at the servers can be ours; before
 * that it is usleep, which a signal ends.
 */
#if MONGOC_CHECK_VERSION(1, 26, 0)
#define MONGO_SET_SLEEP(client, fn, arg) mongoc_client_set_usleep_impl(client, fn, arg)
#else
#define MONGO_SET_SLEEP(client, fn, arg) ((void) (fn))
#endif

/* 2.x has a new name for the form whose keys ("0", "1", ...) are the caller's. */
#if MONGOC_CHECK_VERSION(2, 0, 0)
#define bson_append_array_begin bson_append_array_unsafe_begin
#endif

#endif							/* MONGOC_COMPAT_H */
