/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/dns_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/dns_app.h"
#include "util/log.h"

enum {
	TLS_PORT = 853,
};

static int begin_connect(int fd, const uint8_t ip[static 16], uint16_t port, bool is_v4)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int rc;

	memcpy(&v6.sin6_addr, ip, 16);
	memcpy(&v4.sin_addr, ip + 12, 4);
	rc = is_v4 ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
		   : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
	return rc == 0 || errno == EINPROGRESS ? 0 : -errno;
}

/* The certificate has to be for the profile's name, and its chain to end at a root of this machine.
 */
static int begin_tls(struct dns_stream *s)
{
	const char *name = s->app->tls_name;

	s->ssl = SSL_new(s->app->tls);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd.fd) != 1 ||
	    SSL_set_tlsext_host_name(s->ssl, name) != 1 || SSL_set1_host(s->ssl, name) != 1)
		return -ENOMEM;
	SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_connect_state(s->ssl);
	return 0;
}

int dns_stream_open(struct dns_stream *s, const struct dns_app *app,
		    void (*ready)(struct loop_fd *f, uint32_t events))
{
	struct endpoint e = {.port = app->tls != NULL ? TLS_PORT : STUB_PORT};
	bool is_v4;
	int rc;

	*s = (struct dns_stream){.fd = {.fd = -1, .ready = ready}, .app = app, .want = EPOLLOUT};
	if (app->servers.count == 0)
		return -ENETDOWN;
	memcpy(e.ip, app->servers.ip[0], 16);
	is_v4 = endpoint_is_v4(&e);
	rc = s->fd.fd = dns_app_socket(app, SOCK_STREAM, is_v4);
	if (rc < 0)
		return rc;
	rc = begin_connect(s->fd.fd, e.ip, e.port, is_v4);
	if (rc == 0)
		rc = loop_add(app->loop, &s->fd, EPOLLOUT);
	if (rc != 0) {
		close(s->fd.fd);
		s->fd.fd = -1;
		return rc;
	}
	rc = app->tls != NULL ? begin_tls(s) : 0;
	if (rc != 0)
		dns_stream_close(s);
	return rc;
}

void dns_stream_close(struct dns_stream *s)
{
	if (s->fd.fd < 0)
		return;
	SSL_free(s->ssl);
	s->ssl = NULL;
	loop_del(s->app->loop, &s->fd);
	close(s->fd.fd);
	s->fd.fd = -1;
}

static void tell_certificate(const struct dns_stream *s)
{
	const long verdict = SSL_get_verify_result(s->ssl);

	if (verdict != X509_V_OK)
		log_warn("names cannot be asked for: the certificate that is shown for %s: %s",
			 s->app->tls_name, X509_verify_cert_error_string(verdict));
}

/* What a call of OpenSSL's came to. */
static ssize_t outcome(struct dns_stream *s, int n)
{
	const int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);

	if (why == SSL_ERROR_NONE)
		return n;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		s->want = why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
		return -EAGAIN;
	}
	if (why == SSL_ERROR_SSL)
		tell_certificate(s);
	ERR_clear_error();
	return -ECONNRESET;
}

ssize_t dns_stream_read(struct dns_stream *s, void *buf, size_t len)
{
	ssize_t n;

	if (s->ssl != NULL)
		return outcome(s, SSL_read(s->ssl, buf, (int)len));
	n = read(s->fd.fd, buf, len);
	s->want = EPOLLIN;
	return n > 0 ? n : n == 0 ? -ECONNRESET : -errno;
}

ssize_t dns_stream_write(struct dns_stream *s, const void *buf, size_t len)
{
	ssize_t n;

	if (s->ssl != NULL)
		return outcome(s, SSL_write(s->ssl, buf, (int)len));
	n = send(s->fd.fd, buf, len, MSG_NOSIGNAL);
	s->want = EPOLLOUT;
	if (n < 0 && (errno == EINPROGRESS || errno == ENOTCONN))
		return -EAGAIN;
	return n < 0 ? -errno : n;
}
