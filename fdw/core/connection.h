/*
 * connection.h
 *	  The session's connections to stores, kept between queries.
 *
 * One connection serves one scan (or one administrative call) at a time; a
 * second scan of the same store opens a second one.  They are found by user
 * mapping, forgotten when a server or mapping changes, checked before they are
 * used again, and dropped when whoever held one ended without giving it back.
 */
#ifndef CH_CONNECTION_H
#define CH_CONNECTION_H

#include "postgres.h"

#include "lib/ilist.h"
#include "compat.h"
#include "nodes/pg_list.h"

#include "stream.h"

struct ChDriver;

typedef struct ChConn
{
	dlist_node	node;
	const struct ChDriver *driver;
	Oid			serverid;
	Oid			userid;			/* role whose mapping is used */
	Oid			umid;			/* user mapping; InvalidOid: a superuser without */
	uint32		server_hash;	/* syscache hash values, for invalidation */
	uint32		mapping_hash;
	char	   *server_name;
	List	   *server_options; /* DefElem, copied into cxt */
	List	   *user_options;	/* the same, has secrets */
	MemoryContext cxt;			/* lives as long as the connection */
	int			connect_timeout;	/* ms */
	int			request_timeout;	/* ms of silence */
	bool		ready;			/* connect() is through */
	bool		in_use;
	bool		stale;			/* server or mapping changed: close when idle */
	bool		keep;			/* keep_connections */
	bool		remote;			/* a transaction of the store is open in it: */
	void		(*gone) (const struct ChConn *conn);	/* told when it is closed */
	bool		unsure;			/* writes were sent, and not yet answered */
	struct ChScan *owner;		/* the scan that uses it, or NULL */
	void	   *handle;			/* the driver's; set by connect() */
} ChConn;

/*
 * A connection for the server as the given role, opened if there is none that
 * is idle.  Raises ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION.
 */
extern ChConn *ch_conn_acquire(Oid serverid, Oid userid);

/* Give it back: nothing of an answer may be left unread. */
extern void ch_conn_release(ChConn *conn);

/* Close it: after an error, or in the middle of an answer. */
extern void ch_conn_drop(ChConn *conn);

/*
 * Raise what went wrong.  A pending cancel raises as such.  The store's words
 * go into DETAIL, with secrets of the mapping struck out, HINT is made from
 * the kind.  hint may be NULL.
 *
 * ch_failure_raise: of the network (connecting or later).
 * ch_store_error: the store answered with an error; code is its name of it or
 * NULL.
 */
pg_noreturn extern void ch_failure_raise(const ChConn *conn, const ChFailure *fail);
pg_noreturn extern void ch_store_error(const ChConn *conn, int sqlstate, const char *code,
									   const char *message, const char *hint);

/* text with every secret of conn struck out (palloc'ed). */
extern char *ch_redact(const ChConn *conn, const char *text);

/* Options of the connection, shorthands. */
#define ch_conn_server_opt(conn, name) ch_opt_string((conn)->driver, (conn)->server_options, name)
#define ch_conn_user_opt(conn, name) ch_opt_string((conn)->driver, (conn)->user_options, name)
#define ch_conn_secret(conn, name) ch_opt_secret((conn)->driver, (conn)->user_options, name)

/* Host, port, socket and tls* options in an endpoint (pointers into conn). */
extern void ch_conn_endpoint(const ChConn *conn, ChEndpoint *ep);

#endif							/* CH_CONNECTION_H */
