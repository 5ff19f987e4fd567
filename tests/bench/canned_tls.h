/* SPDX-License-Identifier: MIT
 *
 * TLS for both ends of a bench: a certificate of its own for 127.0.0.1, made by openssl when it is
 * wanted, and send and recv that are the plain ones where there is none.
 */
#ifndef PERIGEE_TESTS_CANNED_TLS_H
#define PERIGEE_TESTS_CANNED_TLS_H

#include <errno.h>
#include <sys/socket.h>

#include "bench.h"

#define ERR_STATE openssl_err_state /* a type there, a code in base/err.h */
#include <openssl/ssl.h>
#undef ERR_STATE

struct tls_pair {
    char folder[48]; /* "": plain */
    char cert[64], key[64];
};

static inline void tls_pair_make(struct tls_pair *p)
{
    char command[400];
    snprintf(p->folder, sizeof p->folder, "/tmp/perigee-tls-XXXXXX");
    if (!mkdtemp(p->folder))
        bench_die("cannot make a temporary folder");
    snprintf(p->cert, sizeof p->cert, "%s/cert.pem", p->folder);
    snprintf(p->key, sizeof p->key, "%s/key.pem", p->folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s "
             ">/dev/null 2>&1",
             p->key, p->cert);
    if (system(command) != 0)
        bench_die("openssl could not make a certificate");
}

static inline void tls_pair_remove(const struct tls_pair *p)
{
    if (p->folder[0] == '\0')
        return;
    unlink(p->cert);
    unlink(p->key);
    rmdir(p->folder);
}

static inline SSL_CTX *tls_server(const struct tls_pair *p)
{
    if (p->folder[0] == '\0')
        return NULL;
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c || SSL_CTX_use_certificate_chain_file(c, p->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, p->key, SSL_FILETYPE_PEM) != 1)
        bench_die("the certificate cannot be used");
    return c;
}

static inline SSL_CTX *tls_client(const struct tls_pair *p)
{
    if (p->folder[0] == '\0')
        return NULL;
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c || SSL_CTX_load_verify_locations(c, p->cert, NULL) != 1)
        bench_die("the certificate cannot be read");
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    return c;
}

static inline SSL *tls_on(SSL_CTX *c, int fd, bool client)
{
    SSL *s = SSL_new(c);
    if (!s || SSL_set_fd(s, fd) != 1)
        bench_die("out of memory for TLS");
    if (client)
        SSL_set_connect_state(s);
    else
        SSL_set_accept_state(s);
    return s;
}

static inline ssize_t tls_send(SSL *s, int fd, const void *p, size_t n)
{
    return s ? SSL_write(s, p, (int)n) : send(fd, p, n, MSG_NOSIGNAL);
}

/* As recv; the handshake is done on the way. */
static inline ssize_t tls_recv(SSL *s, int fd, void *p, size_t n)
{
    if (!s)
        return recv(fd, p, n, 0);
    int got = SSL_read(s, p, (int)n);
    if (got > 0)
        return got;
    int why = SSL_get_error(s, got);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

#endif
