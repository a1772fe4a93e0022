/*
 * bolt.h
 *	  A client of the Bolt protocol, versions 5.0 to 5.8 and 4.4.
 *
 * Source: Neo4j's "Bolt Protocol documentation": "Handshake", "Message
 * specification", "Server state". The client is a queue: what is sent is
 * answered in the same order, one summary (SUCCESS, FAILURE or IGNORED) for
 * each message, before it records for PULL.
 *
 * Nothing here raises an error but for lack of memory: a function fills a
 * ChFailure.  After one the client is good for closing only, except after
 * CH_FAIL_AGAIN, and after BOLT_FAILURE, which is an answer: neo4j_bolt_reset
 * makes it usable again.
 */
#ifndef NEO4J_BOLT_H
#define NEO4J_BOLT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "fdw/core/stream.h"
#include "fdw/neo4j/packstream.h"

typedef enum BoltAnswer
{
	BOLT_BROKEN = 0,			/* no answer: see the ChFailure */
	BOLT_SUCCESS = 0x70,
	BOLT_RECORD = 0x71,
	BOLT_IGNORED = 0x7E,		/* because of an earlier FAILURE */
	BOLT_FAILURE = 0x7F			/* code and message are in the client */
} BoltAnswer;

/* How to log in; all NULL for a server without authentication. */
typedef struct BoltLogin
{
	const char *user;
	const char *password;
	const char *token;			/* instead of the two */
} BoltLogin;

/*
 * Where a query runs: in a transaction of the client if there is one; else by
 * itself, and the server refuses it if it writes.
 */
typedef struct BoltQuery
{
	const char *text;
	int			nparams;
	const StringInfoData *params;	/* packed keys and values; NULL if none */
	const char *database;		/* NULL: the user's home database */
	int64		pull;			/* records to ask for at once */
} BoltQuery;

typedef struct BoltClient
{
	ChStream   *stream;
	int			major;
	int			minor;
	int			timeout_ms;		/* of the server's silence */
	bool		nowait;			/* reading fails with CH_FAIL_AGAIN, and may go on */
	char		server[64];		/* "Neo4j/5.26.0" */
	int			owed;			/* summaries still to come */
	int			stale;			/* of these, to be skipped: of a query that was
								 * given up */
	bool		in_transaction;
	bool		more;			/* in it: the last query has records that were
								 * not asked for */

	/* the last FAILURE */
	char		code[128];
	char		message[1024];

	/* what arrived: buf[start .. end) is not read yet */
	char	   *buf;
	size_t		size;
	size_t		start;
	size_t		end;
	size_t		msg;			/* the current message, without chunk heads */
	size_t		msglen;
	bool		partial;		/* some of its chunks are still to come */
	StringInfoData out;			/* message being packed */
	StringInfoData wire;		/* messages in chunks, to be written */
} BoltClient;

/*
 * Connect and agree on a version.  Made in the current memory context, which
 * must live as long as the client.  NULL on failure.
 */
extern BoltClient *neo4j_bolt_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail);
extern bool neo4j_bolt_login(BoltClient *c, const BoltLogin *login, ChFailure *fail);

/*
 * Send RUN and the first PULL in one write; their answers are not awaited.  What
 * an earlier query left unread is skipped; in a transaction it is read, and the
 * server told that no more of it is wanted, before anything is sent.
 */
extern bool neo4j_bolt_run(BoltClient *c, const BoltQuery *query, ChFailure *fail);
extern bool neo4j_bolt_pull(BoltClient *c, int64 n, ChFailure *fail);

/* The same behind others whose answers are still wanted. */
extern bool neo4j_bolt_run_next(BoltClient *c, const BoltQuery *query, ChFailure *fail);

/*
 * A transaction that writes.  BEGIN goes out with the first query.  COMMIT is
 * sent at once, after neo4j_bolt_settle; neo4j_bolt_next has its answer.  Also
 * neo4j_bolt_reset and neo4j_bolt_abandon end it: nothing of it is kept.
 */
extern void neo4j_bolt_begin(BoltClient *c, const char *database);
extern bool neo4j_bolt_commit(BoltClient *c, ChFailure *fail);

/* Read what the query before has left over, and tell the server so. */
extern bool neo4j_bolt_settle(BoltClient *c, ChFailure *fail);

/*
 * The next answer.  body is positioned at the list of a record's values, or at
 * the map of a SUCCESS; it is valid until the next call.
 */
extern BoltAnswer neo4j_bolt_next(BoltClient *c, PackReader *body, ChFailure *fail);

/* Does the SUCCESS of a PULL say that there are more records? */
extern bool neo4j_bolt_has_more(PackReader *body);

/* Bring the server to its ready state and drop what it still had to say. */
extern bool neo4j_bolt_reset(BoltClient *c, ChFailure *fail);

/*
 * The same without waiting, for a query that is given up: RESET stops it, and
 * what the server still sends of it is skipped before the next query's answer.
 * False if it could not be written.
 */
extern bool neo4j_bolt_abandon(BoltClient *c);

/* Can another query be sent?  Does not wait. */
extern bool neo4j_bolt_usable(BoltClient *c);

extern void neo4j_bolt_close(BoltClient *c);	/* NULL is fine */

#endif							/* NEO4J_BOLT_H */
