/*
 * stream.c
 *	  Sockets to stores: resolve, connect, TLS, read and write, with waits that
 *	  a cancel ends.  See stream.h for the contract; nothing here raises.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "fdw/core/compat.h"
#include "fdw/core/core.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/fd.h"

struct ChStream
{
	int			fd;
	bool		counted;		/* AcquireExternalFD was called */
	SSL		   *ssl;
	SSL_CTX    *ctx;
	uint64		bytes_in;
	int			blocked;		/* events that the last read found missing */
};

/* A moment after which waiting ends; ms < 0 means never. */
typedef struct Deadline
{
	instr_time	start;
	long		ms;
} Deadline;

static Deadline wait_limit = {.ms = -1};	/* of all waits, by ch_limit_waits */
static int64 waited_us = 0;		/* in all waits so far */

uint32
ch_wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = CH_WAIT_EVENT_NEW("CipherHorizonStore");
	return event;
}

void
ch_fail(ChFailure *fail, ChFailKind kind, const char *fmt,...)
{
	va_list		args;

	fail->kind = kind;
	va_start(args, fmt);
	vsnprintf(fail->message, sizeof(fail->message), fmt, args);
	va_end(args);
}

static Deadline
deadline_in(long ms)
{
	Deadline	d;

	d.ms = ms;
	INSTR_TIME_SET_CURRENT(d.start);
	return d;
}

static long
remaining(const Deadline *d)
{
	instr_time	now;

	if (d->ms < 0)
		return -1;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, d->start);
	return Max(0, d->ms - (long) INSTR_TIME_GET_MILLISEC(now));
}

void
ch_limit_waits(int ms)
{
	wait_limit = deadline_in(ms > 0 ? ms : -1);
}

bool
ch_waits_ended(void)
{
	return remaining(&wait_limit) == 0;
}

int64
ch_waited_us(void)
{
	return waited_us;
}

static int
wait_on(int fd, int events, const Deadline *deadline)
{
	for (;;)
	{
		long		left = remaining(deadline);
		long		most = remaining(&wait_limit);
		int			rc;

		if (ch_interrupt_pending() || most == 0)
			return -1;
		if (left < 0 || (most >= 0 && most < left))
			left = most;
		rc = WaitLatchOrSocket(MyLatch,
							   WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | events |
							   (left >= 0 ? WL_TIMEOUT : 0),
							   fd, left, ch_wait_event());
		if (rc & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (rc & events)
			return rc & events;
		if ((rc & WL_TIMEOUT) && remaining(deadline) == 0)
			return ch_interrupt_pending() ? -1 : 0;
	}
}

int
ch_wait_socket(int fd, int events, long timeout_ms)
{
	Deadline	deadline = deadline_in(timeout_ms);
	instr_time	end;
	int			rc = wait_on(fd, events, &deadline);

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, deadline.start);
	waited_us += (int64) INSTR_TIME_GET_MICROSEC(end);
	return rc;
}

/* What each got, by its socket or by its own time; returns how many got something. */
static int
mark_over(ChWait **waits, int n, const WaitEvent *events, int nevents, const Deadline *since)
{
	instr_time	now;
	int			count = 0;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since->start);
	for (int i = 0; i < n; i++)
		waits[i]->got = waits[i]->ms >= 0 && INSTR_TIME_GET_MILLISEC(now) >= waits[i]->ms ? WL_TIMEOUT : 0;
	for (int i = 0; i < nevents; i++)
		if (events[i].user_data)
			((ChWait *) events[i].user_data)->got |= events[i].events;
	for (int i = 0; i < n; i++)
		count += waits[i]->got != 0;
	return count;
}

/* The loop of ch_wait_any. */
static int
wait_in_set(WaitEventSet *set, ChWait **waits, int n, const Deadline *deadline)
{
	WaitEvent  *events = palloc((n + 2) * sizeof(WaitEvent));
	int			over = 0;

	while (over == 0)
	{
		long		left = remaining(deadline);
		int			got;

		if (ch_interrupt_pending())
			return -1;
		got = WaitEventSetWait(set, left, events, n + 2, ch_wait_event());
		for (int i = 0; i < got; i++)
			if (events[i].events & WL_LATCH_SET)
				ResetLatch(MyLatch);
		over = mark_over(waits, n, events, got, deadline);
		if (left == 0)
			break;
	}
	pfree(events);
	return over;
}

int
ch_wait_any(ChWait **waits, int n, long ms)
{
	WaitEventSet *set = CH_CREATE_WAIT_SET(n + 2);
	Deadline	deadline;
	volatile int over = 0;

	for (int i = 0; i < n; i++)
		if (waits[i]->ms >= 0 && (ms < 0 || waits[i]->ms < ms))
			ms = waits[i]->ms;
	deadline = deadline_in(ms);
	PG_TRY();
	{
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
		for (int i = 0; i < n; i++)
			if (waits[i]->fd != PGINVALID_SOCKET)
				AddWaitEventToSet(set, waits[i]->events, waits[i]->fd, NULL, waits[i]);
		over = wait_in_set(set, waits, n, &deadline);
	}
	PG_FINALLY();
	{
		FreeWaitEventSet(set);
	}
	PG_END_TRY();
	return over;
}

/* Wait within the deadline; false fills fail. */
static bool
wait_for(int fd, int events, const Deadline *deadline, ChFailure *fail)
{
	int			rc = ch_wait_socket(fd, events, remaining(deadline));

	if (rc > 0)
		return true;
	if (rc < 0)
		ch_fail(fail, CH_FAIL_INTERRUPTED, "interrupted");
	else
		ch_fail(fail, CH_FAIL_TIMEOUT, "no answer within %ld ms", deadline->ms);
	return false;
}

/* ---- connecting --------------------------------------------------------- */

static struct addrinfo *
lookup(const char *host, int port, ChFailure *fail)
{
	struct addrinfo hints = {0};
	struct addrinfo *list = NULL;
	char		service[12];
	int			rc;

	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc != 0)
	{
		ch_fail(fail, CH_FAIL_RESOLVE, "host name \"%s\": %s", host, gai_strerror(rc));
		return NULL;
	}
	return list;
}

char *
ch_resolve(const char *host, int port, ChFailure *fail)
{
	struct addrinfo *list = lookup(host, port, fail);
	char		text[NI_MAXHOST];
	char		all[1024] = "";
	size_t		len = 0;
	char	   *copy = NULL;

	if (list == NULL)
		return NULL;
	for (struct addrinfo *a = list; a != NULL; a = a->ai_next)
	{
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0 ||
			len + strlen(text) + 4 > sizeof(all))
			continue;
		len += snprintf(all + len, sizeof(all) - len, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
						len ? "," : "", text);
	}
	copy = len ? strdup(all) : NULL;
	if (copy == NULL)
		ch_fail(fail, CH_FAIL_RESOLVE, "host name \"%s\": no numeric address", host);
	freeaddrinfo(list);
	return copy;
}

/* Start and finish one connect; returns the socket or -1. */
static int
connect_address(const struct sockaddr *addr, socklen_t addrlen, int family,
				const char *where, const Deadline *deadline, ChFailure *fail)
{
	int			fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int			error = 0;
	socklen_t	len = sizeof(error);
	int			on = 1;

	if (fd < 0)
	{
		ch_fail(fail, CH_FAIL_CONNECT, "%s: could not make a socket: %s", where, strerror(errno));
		return -1;
	}
	if (family != AF_UNIX)
	{
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (connect(fd, addr, addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS)
		error = errno;
	else if (!wait_for(fd, WL_SOCKET_WRITEABLE, deadline, fail))
	{
		if (fail->kind == CH_FAIL_TIMEOUT)
			ch_fail(fail, CH_FAIL_TIMEOUT, "%s: no connection within %ld ms", where, deadline->ms);
		close(fd);
		return -1;
	}
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0)
		return fd;
	ch_fail(fail, CH_FAIL_CONNECT, "%s: %s", where, strerror(error));
	close(fd);
	return -1;
}

static int
connect_unix(const char *path, const Deadline *deadline, ChFailure *fail)
{
	struct sockaddr_un addr = {0};

	if (strlen(path) >= sizeof(addr.sun_path))
	{
		ch_fail(fail, CH_FAIL_CONNECT, "socket path \"%s\" is too long", path);
		return -1;
	}
	addr.sun_family = AF_UNIX;
	strcpy(addr.sun_path, path);
	return connect_address((struct sockaddr *) &addr, sizeof(addr), AF_UNIX, path, deadline, fail);
}

/* Try each address of the host until one answers. */
static int
connect_tcp(const ChEndpoint *ep, const Deadline *deadline, ChFailure *fail)
{
	struct addrinfo *list = lookup(ep->host, ep->port, fail);
	char		where[300];
	int			fd = -1;

	if (list == NULL)
		return -1;
	snprintf(where, sizeof(where), "%s:%d", ep->host, ep->port);
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
	{
		fd = connect_address(a->ai_addr, a->ai_addrlen, a->ai_family, where, deadline, fail);
		if (fd < 0 && fail->kind != CH_FAIL_CONNECT)
			break;
	}
	freeaddrinfo(list);
	return fd;
}

/* ---- TLS ------------------------------------------------------------------ */

/* The newest error of OpenSSL's queue in words; empties the queue. */
static const char *
tls_error(void)
{
	static char text[256];
	unsigned long code = ERR_get_error();

	if (code == 0)
		return "unknown TLS error";
	ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return text;
}

static bool
tls_configure(ChStream *s, const ChEndpoint *ep, ChFailure *fail)
{
	unsigned char ip[sizeof(struct in6_addr)];
	bool		numeric = inet_pton(AF_INET, ep->host, ip) == 1 || inet_pton(AF_INET6, ep->host, ip) == 1;

	s->ctx = SSL_CTX_new(TLS_client_method());
	if (s->ctx == NULL || !SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION))
	{
		ch_fail(fail, CH_FAIL_TLS, "%s", tls_error());
		return false;
	}
	SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (ep->tls_ca ? !SSL_CTX_load_verify_locations(s->ctx, ep->tls_ca, NULL)
		: !SSL_CTX_set_default_verify_paths(s->ctx))
	{
		ch_fail(fail, CH_FAIL_TLS, "could not load certificate authority \"%s\": %s",
				ep->tls_ca ? ep->tls_ca : "system", tls_error());
		return false;
	}
	if (ep->tls_cert &&
		(SSL_CTX_use_certificate_chain_file(s->ctx, ep->tls_cert) != 1 ||
		 SSL_CTX_use_PrivateKey_file(s->ctx, ep->tls_key ? ep->tls_key : ep->tls_cert, SSL_FILETYPE_PEM) != 1))
	{
		ch_fail(fail, CH_FAIL_TLS, "could not load client certificate \"%s\" or its key: %s",
				ep->tls_cert, tls_error());
		return false;
	}
	SSL_CTX_set_verify(s->ctx, ep->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	s->ssl = SSL_new(s->ctx);
	if (s->ssl == NULL || !SSL_set_fd(s->ssl, s->fd) ||
		(!numeric && !SSL_set_tlsext_host_name(s->ssl, ep->host)) ||
		!(numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), ep->host)
		  : SSL_set1_host(s->ssl, ep->host)))
	{
		ch_fail(fail, CH_FAIL_TLS, "%s", tls_error());
		return false;
	}
	return true;
}

static bool
tls_handshake(ChStream *s, const ChEndpoint *ep, const Deadline *deadline, ChFailure *fail)
{
	for (;;)
	{
		int			rc,
					why;
		long		verify;

		ERR_clear_error();
		rc = SSL_connect(s->ssl);
		if (rc == 1)
			return true;
		why = SSL_get_error(s->ssl, rc);
		if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		{
			if (!wait_for(s->fd, why == SSL_ERROR_WANT_READ ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE,
						  deadline, fail))
				return false;
			continue;
		}
		verify = SSL_get_verify_result(s->ssl);
		if (ep->tls_verify && verify != X509_V_OK)
			ch_fail(fail, CH_FAIL_TLS, "%s:%d: certificate: %s", ep->host, ep->port,
					X509_verify_cert_error_string(verify));
		else if (why == SSL_ERROR_SYSCALL)
			ch_fail(fail, CH_FAIL_TLS, "%s:%d: the connection ended during the TLS handshake", ep->host, ep->port);
		else
			ch_fail(fail, CH_FAIL_TLS, "%s:%d: %s", ep->host, ep->port, tls_error());
		return false;
	}
}

ChStream *
ch_stream_open(const ChEndpoint *ep, int timeout_ms, ChFailure *fail)
{
	Deadline	deadline = deadline_in(timeout_ms);
	ChStream   *s = calloc(1, sizeof(ChStream));

	fail->kind = CH_FAIL_NONE;
	fail->message[0] = '\0';
	if (s == NULL)
	{
		ch_fail(fail, CH_FAIL_IO, "out of memory");
		return NULL;
	}
	s->fd = -1;
	s->counted = AcquireExternalFD();
	if (!s->counted)
		ch_fail(fail, CH_FAIL_CONNECT, "too many open files in this session");
	else
		s->fd = ep->socket ? connect_unix(ep->socket, &deadline, fail) : connect_tcp(ep, &deadline, fail);
	if (s->fd < 0 ||
		(ep->tls && (!tls_configure(s, ep, fail) || !tls_handshake(s, ep, &deadline, fail))))
	{
		ch_stream_close(s);
		return NULL;
	}
	return s;
}

void
ch_stream_close(ChStream *s)
{
	if (s == NULL)
		return;
	if (s->ssl)
	{
		(void) SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	if (s->ctx)
		SSL_CTX_free(s->ctx);
	if (s->fd >= 0)
		close(s->fd);
	if (s->counted)
		ReleaseExternalFD();
	free(s);
}

/* ---- reading and writing -------------------------------------------------- */

/*
 * One attempt to move bytes.  Returns their number; 0 means wait for *events
 * first; -1 is a failure.
 */
static ssize_t
move_tls(ChStream *s, void *buf, size_t size, bool reading, int *events, ChFailure *fail)
{
	int			chunk = (int) Min(size, (size_t) INT_MAX);
	int			rc,
				why;

	ERR_clear_error();
	rc = reading ? SSL_read(s->ssl, buf, chunk) : SSL_write(s->ssl, buf, chunk);
	if (rc > 0)
		return rc;
	why = SSL_get_error(s->ssl, rc);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
	{
		*events = why == SSL_ERROR_WANT_READ ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
		return 0;
	}
	if (why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL)
		ch_fail(fail, CH_FAIL_CLOSED, "the store closed the connection");
	else
		ch_fail(fail, CH_FAIL_IO, "%s", tls_error());
	return -1;
}

static ssize_t
move_plain(ChStream *s, void *buf, size_t size, bool reading, int *events, ChFailure *fail)
{
	ssize_t		rc;

	do
		rc = reading ? recv(s->fd, buf, size, MSG_DONTWAIT) : send(s->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	if (rc > 0)
		return rc;
	if (rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
	{
		*events = reading ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
		return 0;
	}
	if (rc == 0 || errno == ECONNRESET || errno == EPIPE)
		ch_fail(fail, CH_FAIL_CLOSED, "the store closed the connection");
	else
		ch_fail(fail, CH_FAIL_IO, "%s", strerror(errno));
	return -1;
}

static ssize_t
move(ChStream *s, void *buf, size_t size, bool reading, int *events, ChFailure *fail)
{
	return s->ssl ? move_tls(s, buf, size, reading, events, fail)
		: move_plain(s, buf, size, reading, events, fail);
}

ssize_t
ch_stream_read(ChStream *s, void *buf, size_t size, size_t min, int timeout_ms, ChFailure *fail)
{
	size_t		got = 0;

	while (size > 0)
	{
		int			events = 0;
		ssize_t		rc = move(s, (char *) buf + got, size - got, true, &events, fail);
		Deadline	silence;

		if (rc < 0)
			return -1;
		got += rc;
		s->bytes_in += rc;
		if (rc > 0 && got >= min)
			break;
		if (rc > 0)
			continue;
		s->blocked = events;
		if (got >= min)
			break;
		if (timeout_ms == CH_DO_NOT_WAIT)
		{
			ch_fail(fail, CH_FAIL_AGAIN, "nothing has arrived");
			return -1;
		}
		silence = deadline_in(timeout_ms);
		if (!wait_for(s->fd, events, &silence, fail))
			return -1;
	}
	return (ssize_t) got;
}

bool
ch_stream_write(ChStream *s, const void *buf, size_t size, int timeout_ms, ChFailure *fail)
{
	size_t		put = 0;

	while (put < size)
	{
		int			events = 0;
		ssize_t		rc = move(s, (char *) unconstify(void *, buf) + put, size - put, false, &events, fail);
		Deadline	silence;

		if (rc < 0)
			return false;
		put += rc;
		if (rc > 0)
			continue;
		silence = deadline_in(timeout_ms);
		if (!wait_for(s->fd, events, &silence, fail))
			return false;
	}
	return true;
}

ChWait
ch_stream_wait(const ChStream *s)
{
	return (ChWait) {.fd = s->fd,.events = s->blocked ? s->blocked : WL_SOCKET_READABLE,.ms = -1};
}

bool
ch_stream_alive(ChStream *s)
{
	struct pollfd p = {.fd = s->fd,.events = POLLIN};
	char		c;

	if (s->ssl)
	{
		/* session tickets may be waiting below TLS without being data */
		int			rc = SSL_peek(s->ssl, &c, 1);

		return rc <= 0 && SSL_get_error(s->ssl, rc) == SSL_ERROR_WANT_READ;
	}
	return poll(&p, 1, 0) == 0;
}

int
ch_stream_fd(ChStream *s)
{
	return s->fd;
}

uint64
ch_stream_bytes_in(ChStream *s)
{
	return s->bytes_in;
}
