/*
 * stream.h
 *	  A byte stream to a store, plain or TLS, whose every wait can be cancelled.
 *
 * Nothing here raises an error: a function returns a failure and fills a
 * ChFailure, so that it can be called from inside a C library's frames (the
 * library unwinds, then our code calls ch_failure_raise).  A pending cancel
 * or termination ends a wait at once with failure kind CH_FAIL_INTERRUPTED.
 * Memory is malloc'ed, for a stream outlives queries and errors.
 */
#ifndef CH_STREAM_H
#define CH_STREAM_H

#include "postgres.h"

typedef enum ChFailKind
{
	CH_FAIL_NONE,
	CH_FAIL_INTERRUPTED,		/* cancel or termination is pending */
	CH_FAIL_RESOLVE,			/* host name is not known */
	CH_FAIL_CONNECT,			/* refused, unreachable, ... */
	CH_FAIL_TLS,				/* handshake or certificate */
	CH_FAIL_TIMEOUT,			/* silent for longer than allowed */
	CH_FAIL_AGAIN,				/* nothing there yet, and waiting was not wanted */
	CH_FAIL_CLOSED,				/* the store closed the connection */
	CH_FAIL_IO,					/* other socket error */
	CH_FAIL_AUTH,				/* set by drivers: the store refused the login */
	CH_FAIL_PROTOCOL			/* set by drivers: an answer that makes no sense */
} ChFailKind;

typedef struct ChFailure
{
	ChFailKind	kind;
	char		message[512];	/* facts for DETAIL, without a secret */
} ChFailure;

typedef struct ChEndpoint
{
	const char *host;			/* name or address */
	int			port;
	const char *socket;			/* path of a Unix socket, instead of host; or
								 * NULL */
	bool		tls;
	bool		tls_verify;		/* check chain and host name */
	const char *tls_ca;			/* file, NULL: the system's */
	const char *tls_cert;		/* client certificate file, or NULL */
	const char *tls_key;
} ChEndpoint;

typedef struct ChStream ChStream;

/* What somebody waits for who does not wait himself. */
typedef struct ChWait
{
	int			fd;				/* -1: none, only time passes */
	int			events;			/* WL_SOCKET_..., WL_TIMEOUT; 0: for nothing */
	long		ms;				/* no longer than that; -1: for ever */
	int			got;			/* set by ch_wait_any: which of them came */
} ChWait;

/* As timeout_ms of ch_stream_read: fail with CH_FAIL_AGAIN rather than wait. */
#define CH_DO_NOT_WAIT (-2)

/* Resolve, connect and shake hands within timeout_ms. NULL on failure. */
extern ChStream *ch_stream_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail);

/*
 * The first part alone: the addresses of host in numeric form, separated by
 * commas, those of IPv6 in brackets (malloc'ed).  NULL on failure.
 */
extern char *ch_resolve(const char *host, int port, ChFailure *fail);

/*
 * Read at least min and at most size bytes; the stream may be silent for
 * timeout_ms.  min 0 returns what is there without waiting.  Returns the
 * number of bytes, or -1 (end of stream is CH_FAIL_CLOSED).
 */
extern ssize_t ch_stream_read(ChStream *s, void *buf, size_t size, size_t min,
							  int timeout_ms, ChFailure *fail);

/* Write all of it. False on failure. */
extern bool ch_stream_write(ChStream *s, const void *buf, size_t size,
							int timeout_ms, ChFailure *fail);

/*
 * An idle stream that is still open and has nothing to read?  (Something to
 * read on an idle connection is its end, or an answer that nobody awaits.)
 */
extern bool ch_stream_alive(ChStream *s);

extern int	ch_stream_fd(ChStream *s);
extern uint64 ch_stream_bytes_in(ChStream *s);	/* since it was opened */
extern void ch_stream_close(ChStream *s);	/* NULL is fine */

/*
 * Wait until the socket is readable and/or writable (WL_SOCKET_...), for
 * timeout_ms (-1: for ever).  Returns the events that are ready, 0 for a
 * time-out, -1 for a pending interrupt.  Never raises.
 */
extern int	ch_wait_socket(int fd, int events, long timeout_ms);

/* What the last read would have waited for, if it found less than it looked for. */
extern ChWait ch_stream_wait(const ChStream *s);

/*
 * Wait for the first of several, at most ms (-1: for ever).  Returns how many
 * are over, or -1 for a pending interrupt.  Raises if the system refuses.
 */
extern int	ch_wait_any(ChWait **waits, int n, long ms);

/*
 * All waits together end after ms from now, as if a cancel were pending; 0: no
 * such limit.  ch_waits_ended: that time is over.
 */
extern void ch_limit_waits(int ms);
extern bool ch_waits_ended(void);

/* How long this session has waited for stores, in microseconds. */
extern int64 ch_waited_us(void);

extern void ch_fail(ChFailure *fail, ChFailKind kind, const char *fmt,...) pg_attribute_printf(3, 4);

#endif							/* CH_STREAM_H */
