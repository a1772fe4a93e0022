/*
 * http.c
 *	  How does a backend speak HTTP without ever being stuck in it?
 *
 * libcurl's multi interface moves the bytes; it tells us by callbacks which
 * socket it waits for and when it wants to be called again, and we wait for
 * that together with the latch.  A pending cancel makes our function return,
 * never curl's, and nothing raises inside a callback.
 *
 * Debian's libcurl starts a thread to resolve a host name, and no thread may
 * start in a backend.  So the name is resolved before, and curl is told the
 * answer.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/stringinfo.h"
#include "portability/instr_time.h"

#include "fdw/core/compat.h"
#include "fdw/core/http.h"

/* The buffer's first size, and how much room a wait for more shall find. */
#define BUFFER_SIZE		(512 * 1024)
#define BUFFER_ROOM		(64 * 1024)
/* One row, or one batch in a format that is read as a whole, must fit. */
#define BUFFER_LIMIT	((size_t) 1024 * 1024 * 1024)
#define HEADERS_LIMIT	(32 * 1024)
#define MAX_SOCKETS		4

typedef struct Watched
{
	curl_socket_t fd;
	int			events;			/* WL_SOCKET_... */
} Watched;

typedef struct Client
{
	ChHttp		pub;			/* first */
	CURLM	   *multi;
	CURL	   *easy;
	bool		running;		/* easy is in multi */
	bool		paused;			/* the write callback had no room */
	size_t		wanted;			/* for that much */
	const char *broken;			/* why a callback gave up, or NULL */
	CURLcode	result;			/* when complete or failed */

	Watched		sockets[MAX_SOCKETS];
	int			nsockets;
	int64		due;			/* when curl wants to be called, in us; -1: not */

	char	   *url;			/* without a slash at its end */
	char	   *place;			/* host:port, for messages */
	struct curl_slist *resolve;
	struct curl_slist *headers; /* of the request */
	char	   *answer_headers;
	size_t		answer_headers_len;
	char		error[CURL_ERROR_SIZE];
} Client;

static int64
now_us(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

/* ---- what curl calls; nothing here may raise -------------------------- */

static int
socket_callback(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	Client	   *c = arg;
	int			i;

	for (i = 0; i < c->nsockets && c->sockets[i].fd != fd; i++)
		;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < c->nsockets)
			c->sockets[i] = c->sockets[--c->nsockets];
		return 0;
	}
	if (i == MAX_SOCKETS)
		return -1;
	if (i == c->nsockets)
		c->nsockets++;
	c->sockets[i].fd = fd;
	c->sockets[i].events = ((what & CURL_POLL_IN) ? WL_SOCKET_READABLE : 0) |
		((what & CURL_POLL_OUT) ? WL_SOCKET_WRITEABLE : 0);
	return 0;
}

static int
timer_callback(CURLM *multi, long ms, void *arg)
{
	Client	   *c = arg;

	c->due = ms < 0 ? -1 : now_us() + ms * 1000;
	return 0;
}

static size_t
write_callback(char *data, size_t size, size_t n, void *arg)
{
	Client	   *c = arg;
	ChHttp	   *h = &c->pub;

	n *= size;
	if (h->size - h->len < n)
	{
		c->paused = true;
		c->wanted = n;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(h->data + h->len, data, n);
	h->len += n;
	h->received += n;
	return n;
}

static size_t
header_callback(char *data, size_t size, size_t n, void *arg)
{
	Client	   *c = arg;
	char	   *grown;

	n *= size;
	/* A status line: what came before belonged to an interim answer. */
	if (n > 5 && memcmp(data, "HTTP/", 5) == 0)
		c->answer_headers_len = 0;
	if (c->answer_headers_len + n + 1 > HEADERS_LIMIT)
	{
		c->broken = "the header of the answer is too long";
		return 0;
	}
	grown = realloc(c->answer_headers, c->answer_headers_len + n + 1);
	if (grown == NULL)
	{
		c->broken = "out of memory";
		return 0;
	}
	memcpy(grown + c->answer_headers_len, data, n);
	c->answer_headers = grown;
	c->answer_headers_len += n;
	grown[c->answer_headers_len] = '\0';
	return n;
}

/* ---- making and closing ----------------------------------------------- */

bool
ch_http_check_url(const char *url, const char **why)
{
	CURLU	   *u = curl_url();
	char	   *part = NULL;
	static const struct
	{
		CURLUPart	part;
		const char *why;
	}			unwanted[] = {
		{CURLUPART_USER, "it must not contain a user"},
		{CURLUPART_PASSWORD, "it must not contain a password"},
		{CURLUPART_QUERY, "it must not contain a query"},
		{CURLUPART_FRAGMENT, "it must not contain a fragment"},
	};

	*why = NULL;
	if (u == NULL || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		*why = "it is not a URL of the form http://host:port";
	else if (curl_url_get(u, CURLUPART_SCHEME, &part, 0) != CURLUE_OK ||
			 (strcmp(part, "http") != 0 && strcmp(part, "https") != 0))
		*why = "its scheme must be http or https";
	curl_free(part);
	for (int i = 0; *why == NULL && i < lengthof(unwanted); i++)
	{
		part = NULL;
		if (curl_url_get(u, unwanted[i].part, &part, 0) == CURLUE_OK)
			*why = unwanted[i].why;
		curl_free(part);
	}
	curl_url_cleanup(u);
	return *why == NULL;
}

/* "host:port:address" for curl, "host:port" for people. */
static bool
resolve(Client *c, ChFailure *fail)
{
	CURLU	   *u = curl_url();
	char	   *host = NULL;
	char	   *port = NULL;
	char	   *bare = NULL;
	char	   *address = NULL;
	char		entry[2048];
	size_t		len;

	if (u == NULL || curl_url_set(u, CURLUPART_URL, c->url, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		ch_fail(fail, CH_FAIL_RESOLVE, "the url has no host");
	else
	{
		/* A numeric IPv6 address stands in brackets. */
		len = strlen(host);
		bare = host[0] == '[' ? strndup(host + 1, len - 2) : strdup(host);
		c->place = malloc(len + 8);
		if (bare == NULL || c->place == NULL)
			ch_fail(fail, CH_FAIL_IO, "out of memory");
		else
		{
			snprintf(c->place, len + 8, "%s:%s", host, port);
			address = ch_resolve(bare, atoi(port), fail);
		}
	}
	if (address != NULL && host[0] != '[' && strcmp(address, bare) != 0)
	{
		snprintf(entry, sizeof(entry), "%s:%s:%s", host, port, address);
		c->resolve = curl_slist_append(NULL, entry);
		if (c->resolve == NULL)
			ch_fail(fail, CH_FAIL_IO, "out of memory");
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	free(bare);
	free(address);
	return fail->kind == CH_FAIL_NONE;
}

/* What stays the same for all requests. */
static void
set_options(Client *c, const ChHttpOptions *o)
{
	CURL	   *e = c->easy;

	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_callback);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_callback);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	/* The environment of the postmaster must not choose where we connect. */
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long) o->connect_timeout);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256 * 1024L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_RESOLVE, c->resolve);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, write_callback);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, header_callback);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);

	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, o->tls_verify ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, o->tls_verify ? 2L : 0L);
	if (o->tls_ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, o->tls_ca);
	if (o->tls_cert)
		curl_easy_setopt(e, CURLOPT_SSLCERT, o->tls_cert);
	if (o->tls_key)
		curl_easy_setopt(e, CURLOPT_SSLKEY, o->tls_key);
}

ChHttp *
ch_http_open(const ChHttpOptions *options, ChFailure *fail)
{
	static bool initialized = false;
	Client	   *c;
	size_t		len = strlen(options->url);

	fail->kind = CH_FAIL_NONE;
	if (!initialized && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
	{
		ch_fail(fail, CH_FAIL_IO, "libcurl could not be initialized");
		return NULL;
	}
	initialized = true;

	while (len > 0 && options->url[len - 1] == '/')
		len--;
	c = calloc(1, sizeof(Client));
	if (c != NULL)
	{
		c->url = strndup(options->url, len);
		c->pub.data = malloc(BUFFER_SIZE);
		c->pub.size = BUFFER_SIZE;
		c->pub.silence_timeout = options->silence_timeout;
		c->multi = curl_multi_init();
		c->easy = curl_easy_init();
	}
	if (c == NULL || !c->url || !c->pub.data || !c->multi || !c->easy)
		ch_fail(fail, CH_FAIL_IO, "out of memory");
	else if (resolve(c, fail))
	{
		set_options(c, options);
		return &c->pub;
	}
	if (c != NULL)
		ch_http_close(&c->pub);
	return NULL;
}

void
ch_http_cancel(ChHttp *http)
{
	Client	   *c = (Client *) http;

	if (c->running)
		curl_multi_remove_handle(c->multi, c->easy);
	c->running = false;
	c->paused = false;
	http->len = http->pos = 0;
}

void
ch_http_close(ChHttp *http)
{
	Client	   *c = (Client *) http;

	if (c == NULL)
		return;
	if (c->multi && c->easy)
		ch_http_cancel(http);
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->resolve);
	curl_slist_free_all(c->headers);
	free(c->answer_headers);
	free(c->place);
	free(c->url);
	free(http->data);
	free(c);
}

/* ---- moving bytes ----------------------------------------------------- */

static ChFailKind
failure_kind(CURLcode code)
{
	switch (code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
			return CH_FAIL_RESOLVE;
		case CURLE_COULDNT_CONNECT:
			return CH_FAIL_CONNECT;
		case CURLE_OPERATION_TIMEDOUT:
			return CH_FAIL_TIMEOUT;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
			return CH_FAIL_TLS;
		case CURLE_PARTIAL_FILE:
		case CURLE_GOT_NOTHING:
		case CURLE_RECV_ERROR:
		case CURLE_SEND_ERROR:
			return CH_FAIL_CLOSED;
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_BAD_CONTENT_ENCODING:
			return CH_FAIL_PROTOCOL;
		default:
			return CH_FAIL_IO;
	}
}

static void
failed(Client *c, ChFailure *fail)
{
	const char *what = c->broken ? c->broken :
		c->error[0] ? c->error : curl_easy_strerror(c->result);

	ch_fail(fail, failure_kind(c->result), "%s: %s", c->place, what);
}

/* Let curl work; what it did is seen in the client. */
static void
act(Client *c, curl_socket_t fd, int events)
{
	CURLMsg    *msg;
	int			left;
	int			running;

	curl_multi_socket_action(c->multi, fd, events, &running);
	while ((msg = curl_multi_info_read(c->multi, &left)) != NULL)
	{
		if (msg->msg != CURLMSG_DONE)
			continue;
		c->result = msg->data.result;
		c->running = false;
		c->pub.complete = c->result == CURLE_OK;
		/* The connection stays in multi's cache. */
		curl_multi_remove_handle(c->multi, c->easy);
		return;
	}
}

/* Milliseconds until then, rounded up; -1: never. */
static long
until(int64 due)
{
	int64		us;

	if (due < 0)
		return -1;
	us = due - now_us();
	return us <= 0 ? 0 : (long) ((us + 999) / 1000);
}

/*
 * Wait for what curl waits for, and let it act.  Returns 1 after a socket's
 * event, 0 for a time-out, -1 for a pending interrupt.
 */
static int
wait_and_act(Client *c, long ms)
{
	Watched		w = {PGINVALID_SOCKET, 0};
	int			got;

	/* The address is one, so is the socket; if not, look at each in turn. */
	if (c->nsockets > 0)
		w = c->sockets[0];
	if (c->nsockets > 1)
	{
		c->sockets[0] = c->sockets[c->nsockets - 1];
		c->sockets[c->nsockets - 1] = w;
		ms = ms < 0 || ms > 5 ? 5 : ms;
	}
	got = ch_wait_socket(w.fd, w.events, ms);
	if (got <= 0)
		return got;
	act(c, w.fd, ((got & WL_SOCKET_READABLE) ? CURL_CSELECT_IN : 0) |
		((got & WL_SOCKET_WRITEABLE) ? CURL_CSELECT_OUT : 0));
	return 1;
}

/* The same without waiting, for all sockets; false if none had an event. */
static bool
act_now(Client *c)
{
	struct pollfd polled[MAX_SOCKETS];
	int			n = c->nsockets;

	for (int i = 0; i < n; i++)
	{
		polled[i].fd = c->sockets[i].fd;
		polled[i].events = ((c->sockets[i].events & WL_SOCKET_READABLE) ? POLLIN : 0) |
			((c->sockets[i].events & WL_SOCKET_WRITEABLE) ? POLLOUT : 0);
	}
	if (n == 0 || poll(polled, n, 0) <= 0)
		return false;
	for (int i = 0; i < n && c->running; i++)
		if (polled[i].revents)
			act(c, polled[i].fd, ((polled[i].revents & ~POLLOUT) ? CURL_CSELECT_IN : 0) |
				((polled[i].revents & POLLOUT) ? CURL_CSELECT_OUT : 0));
	return true;
}

static void
note_status(Client *c)
{
	long		status = 0;

	if (c->pub.status == 0 && (c->pub.received > 0 || c->paused || c->pub.complete))
	{
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		c->pub.status = (int) status;
	}
}

/* The shorter of two waits, of which -1 is endless. */
static long
shorter(long a, long b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/*
 * Work until the answer's header is there (for_header) or more of the body
 * than before, or the answer is complete.
 */
static bool
work(Client *c, bool for_header, ChFailure *fail)
{
	ChHttp	   *h = &c->pub;
	size_t		have = h->len;
	int64		silent_at = 0;

	for (;;)
	{
		if (c->running && until(c->due) == 0)
		{
			c->due = -1;
			act(c, CURL_SOCKET_TIMEOUT, 0);
		}
		note_status(c);
		if (h->len > have || h->complete || (for_header && h->status != 0))
			return true;
		if (!c->running)
		{
			failed(c, fail);
			return false;
		}

		if (h->nowait)
		{
			if (act_now(c))
				continue;
			/* The address is one, so is the socket; if not, look again soon. */
			h->wait = (ChWait) {.fd = c->nsockets > 0 ? c->sockets[0].fd : PGINVALID_SOCKET,
				.events = c->nsockets > 0 ? c->sockets[0].events : WL_TIMEOUT,
				.ms = c->nsockets == 1 ? until(c->due) : shorter(until(c->due), 5)};
			ch_fail(fail, CH_FAIL_AGAIN, "nothing has arrived");
			return false;
		}

		/* Silence counts from when we began to wait, not while we were paused. */
		if (silent_at == 0 && h->silence_timeout > 0)
			silent_at = now_us() + h->silence_timeout * INT64CONST(1000);
		if (silent_at > 0 && until(silent_at) == 0)
		{
			ch_fail(fail, CH_FAIL_TIMEOUT, "%s: silent for %d ms", c->place, h->silence_timeout);
			return false;
		}
		switch (wait_and_act(c, shorter(until(c->due), silent_at > 0 ? until(silent_at) : -1)))
		{
			case -1:
				ch_fail(fail, CH_FAIL_INTERRUPTED, "interrupted");
				return false;
			case 1:
				silent_at = 0;
				break;
		}
	}
}

/* ---- requests --------------------------------------------------------- */

static bool
set_request(Client *c, const ChHttpRequest *r)
{
	CURL	   *e = c->easy;
	size_t		len = strlen(c->url) + strlen(r->path) + 1;
	char	   *url = malloc(len);
	CURLcode	code;

	if (url == NULL)
		return false;
	snprintf(url, len, "%s%s", c->url, r->path);
	code = curl_easy_setopt(e, CURLOPT_URL, url);
	free(url);

	curl_slist_free_all(c->headers);
	c->headers = curl_slist_append(NULL, "Expect:");
	for (const char *const *p = r->headers; c->headers && p && *p; p++)
	{
		struct curl_slist *more = curl_slist_append(c->headers, *p);

		if (more == NULL)
			return false;
		c->headers = more;
	}
	if (code != CURLE_OK || c->headers == NULL)
		return false;
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);

	if (r->body)
	{
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) r->bodylen);
		code = curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, r->body);
	}
	else
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPAUTH, r->user ? (long) CURLAUTH_BASIC : (long) CURLAUTH_NONE);
	curl_easy_setopt(e, CURLOPT_USERNAME, r->user);
	curl_easy_setopt(e, CURLOPT_PASSWORD, r->user ? r->password : NULL);
	return code == CURLE_OK;
}

bool
ch_http_send(ChHttp *http, const ChHttpRequest *request, ChFailure *fail)
{
	Client	   *c = (Client *) http;

	fail->kind = CH_FAIL_NONE;
	ch_http_cancel(http);
	http->status = 0;
	http->complete = false;
	http->received = 0;
	http->nowait = false;
	c->answer_headers_len = 0;
	c->broken = NULL;
	c->result = CURLE_OK;
	c->error[0] = '\0';
	if (!set_request(c, request))
	{
		ch_fail(fail, CH_FAIL_IO, "out of memory");
		return false;
	}
	if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
	{
		ch_fail(fail, CH_FAIL_IO, "%s: the request could not be started", c->place);
		return false;
	}
	c->running = true;
	c->due = -1;
	act(c, CURL_SOCKET_TIMEOUT, 0);
	if (c->running || http->complete)
		return true;
	failed(c, fail);
	return false;
}

bool
ch_http_await(ChHttp *http, ChFailure *fail)
{
	fail->kind = CH_FAIL_NONE;
	return http->status != 0 || work((Client *) http, true, fail);
}

/* Unread data to the front, and room behind it. */
static bool
make_room(Client *c)
{
	ChHttp	   *h = &c->pub;
	size_t		room = Max(c->wanted, BUFFER_ROOM);
	size_t		size = h->size;
	char	   *grown;

	if (h->pos > 0)
	{
		memmove(h->data, h->data + h->pos, h->len - h->pos);
		h->len -= h->pos;
		h->pos = 0;
	}
	while (size - h->len < room)
		size *= 2;
	if (size == h->size)
		return true;
	if (size > BUFFER_LIMIT || (grown = realloc(h->data, size)) == NULL)
		return false;
	h->data = grown;
	h->size = size;
	return true;
}

int
ch_http_more(ChHttp *http, ChFailure *fail)
{
	Client	   *c = (Client *) http;
	size_t		have;

	fail->kind = CH_FAIL_NONE;
	if (http->complete)
		return 0;
	if (!make_room(c))
	{
		ch_fail(fail, CH_FAIL_PROTOCOL, "%s: one row of the answer is larger than 1 GB", c->place);
		return -1;
	}
	have = http->len;
	if (c->paused)
	{
		/* Hands over what curl kept, and asks to be called. */
		c->paused = false;
		curl_easy_pause(c->easy, CURLPAUSE_CONT);
		if (http->len > have)
			return 1;
	}
	if (!work(c, false, fail))
		return -1;
	return http->len > have ? 1 : 0;
}

bool
ch_http_finish(ChHttp *http, size_t limit, ChFailure *fail)
{
	while (!http->complete && http->len < limit)
		if (ch_http_more(http, fail) < 0)
			return false;
	return true;
}

char *
ch_http_header(ChHttp *http, const char *name)
{
	Client	   *c = (Client *) http;
	size_t		n = strlen(name);
	char	   *line = c->answer_headers_len > 0 ? c->answer_headers : NULL;

	while (line != NULL && *line != '\0')
	{
		char	   *end = strpbrk(line, "\r\n");

		if (end == NULL)
			end = line + strlen(line);
		if (pg_strncasecmp(line, name, n) == 0 && line[n] == ':')
		{
			line += n + 1;
			line += strspn(line, " \t");
			return line < end ? strndup(line, end - line) : NULL;
		}
		line = end + strspn(end, "\r\n");
	}
	return NULL;
}

bool
ch_http_alive(ChHttp *http)
{
	Client	   *c = (Client *) http;
	curl_socket_t fd = CURL_SOCKET_BAD;
	char		byte;

	if (c->running)
		return false;
	/* None open, as before the first request: the next one opens it. */
	if (curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
		return true;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void
ch_http_escape(StringInfo buf, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if ((*p < 0x80 && isalnum(*p)) || strchr("-._~", *p))
			appendStringInfoChar(buf, *p);
		else
		{
			appendStringInfoChar(buf, '%');
			appendStringInfoChar(buf, hex[*p >> 4]);
			appendStringInfoChar(buf, hex[*p & 15]);
		}
	}
}
