/*
 * http.h
 *	  A small HTTP/1.1 client on libcurl whose every wait can be cancelled.
 *
 * One ChHttp talks to one server and does one request at a time; its connection
 * is kept open between requests.  The answer's body is pulled by the caller, and
 * what has not been pulled is bounded: the transfer is paused, and the server
 * feels it.  Like the streams, nothing here raises an error: a function
 * returns a failure and fills a ChFailure.  Memory is malloc'ed, for a client
 * outlives queries and errors.
 */
#ifndef CH_HTTP_H
#define CH_HTTP_H

#include "postgres.h"

#include "stream.h"

typedef struct ChHttp
{
	int			silence_timeout;	/* ms without a byte while we wait, 0: none;
									 * may be changed between requests */
	int			status;			/* of the answer, 0 until its header is there */
	bool		complete;		/* the whole body has arrived */
	uint64		received;		/* bytes of the current answer's body */
	bool		nowait;			/* await and more fail with CH_FAIL_AGAIN, and may
								 * go on, where they would wait; send resets it */
	ChWait		wait;			/* for that */

	/* what of the body has arrived and was not consumed yet */
	char	   *data;
	size_t		len;
	size_t		pos;			/* offset of the first unread byte */
	size_t		size;			/* allocated */
} ChHttp;

typedef struct ChHttpOptions
{
	const char *url;			/* scheme, host, port and perhaps a path prefix */
	int			connect_timeout;	/* ms */
	int			silence_timeout;	/* ms without a byte while we wait, 0: none */
	bool		tls_verify;
	const char *tls_ca;			/* files, or NULL */
	const char *tls_cert;
	const char *tls_key;
} ChHttpOptions;

typedef struct ChHttpRequest
{
	const char *path;			/* after the url: "/query?q=..." , encoded */
	const char *body;			/* POST this; NULL: GET */
	size_t		bodylen;
	const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
	const char *user;			/* HTTP Basic, or NULL */
	const char *password;
} ChHttpRequest;

/*
 * Is the url one that this client accepts?  http or https, a host, no user, no
 * query, no fragment.  On false *why says what is wrong with it (a constant).
 */
extern bool ch_http_check_url(const char *url, const char **why);

/* Make a client; resolves the host, does not connect.  NULL on failure. */
extern ChHttp *ch_http_open(const ChHttpOptions *options, ChFailure *fail);

/*
 * Send a request, as far as that can be done without waiting.  All that the
 * request points to is copied.  An answer that was not read to its end is
 * given up, with its connection.
 */
extern bool ch_http_send(ChHttp *http, const ChHttpRequest *request, ChFailure *fail);

/* Wait for the answer's header; sets status. */
extern bool ch_http_await(ChHttp *http, ChFailure *fail);

/*
 * Wait until there is more of the body than there was.  Returns 1 if there is,
 * 0 if the body is complete, -1 on failure.  Moves the unread data: pointers
 * into it are void.
 */
extern int	ch_http_more(ChHttp *http, ChFailure *fail);

/*
 * Wait for the whole body, as far as limit bytes of it; the rest is given up.
 * Then data has len bytes from pos on.  False on failure.
 */
extern bool ch_http_finish(ChHttp *http, size_t limit, ChFailure *fail);

/* The value of a header of the answer; malloc'ed, NULL if it is not there. */
extern char *ch_http_header(ChHttp *http, const char *name);

/* Give up the current request, if any.  Does not wait. */
extern void ch_http_cancel(ChHttp *http);

/* Is the connection of the last request still open and silent? */
extern bool ch_http_alive(ChHttp *http);

extern void ch_http_close(ChHttp *http);	/* NULL is fine */

/* text with everything but unreserved characters as %XX, appended to buf. */
struct StringInfoData;
extern void ch_http_escape(struct StringInfoData *buf, const char *text);

#endif							/* CH_HTTP_H */
