/* SPDX-License-Identifier: MIT
 *
 * HTTP client for reads and sign-ins, over libcurl's multi_socket on the loop, or over any
 * transport. Orders never go this way: libcurl repeats a POST by itself when a reused connection
 * dies (see lane.h).
 *
 * Each exchange holds the loop (loop_hold) until its callback has returned.
 */
#ifndef PERIGEE_IO_HTTP_H
#define PERIGEE_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"
#include "io/transport.h"

struct http_client;
struct http_call;

struct http_client *http_client_new(struct loop *l, unsigned max_connections, struct err *e);
/* The same client without libcurl, on connections of `ops`: for runs under virtual time. http URLs
 * only. Connections are kept and used again; as libcurl does, it sends a request again, of any
 * method and up to five times, when the kept connection that it went out on ends before a byte of
 * the answer came. */
struct http_client *http_client_new_over(struct loop *l, const struct transport_ops *ops,
                                         void *ops_ctx, unsigned max_connections, struct err *e);
/* Cancels what is in flight (callbacks get ERR_CANCELLED). */
void http_client_free(struct http_client *c);

struct http_header {
    const char *name, *value;
};

struct http_spec {
    const char *method; /* "GET", "POST", ... */
    const char *url;    /* absolute http(s) URL */
    const struct http_header *headers;
    size_t header_count;
    const void *body; /* copied; NULL: none */
    size_t body_size;
    int64_t timeout_ms;  /* whole exchange; 0: 30,000 */
    size_t max_answer;   /* bytes; 0: 16 MiB; more is ERR_LIMIT */
    const char *ca_file; /* NULL: the system's */
    bool once; /* takes no kept connection: one that turns out dead makes libcurl send it again */
};

struct http_answer {
    int error;           /* 0, or ERR_TIMEOUT, ERR_UNREACHABLE, ERR_CLOSED, ERR_CANCELLED, ... */
    const char *message; /* sentence when error, without query strings or secrets; else "" */
    int status;          /* 200, ...; 0 when error */
    const char *head;    /* raw header lines after the status line, CRLF separated */
    size_t head_size;
    const char *body;
    size_t body_size;
    int64_t begun_io_ns; /* when http_start was called */
    int64_t begun_market_ms;
    int64_t elapsed_us;
    int64_t
        connect_us; /* of it, until the connection stood; 0: it was there, or is not of libcurl */
    int64_t tls_us; /* of it, until its handshake was over; 0: no TLS, or it was there */
};

/* The answer is valid only inside the callback. */
typedef void (*http_fn)(void *arg, const struct http_answer *answer);

/* Starts; fn is called exactly once, never from inside this call. 0 or an error (then fn is not
 * called). *out (may be NULL) stays valid until fn is called. */
int http_start(struct http_client *c, const struct http_spec *spec, http_fn fn, void *arg,
               struct http_call **out, struct err *e);
void http_cancel(struct http_call *call); /* fn gets ERR_CANCELLED on a later turn */

/* Finds the value of header `name` (case-insensitive) in raw header lines, starting the search at
 * the nth match (0 first). Returns NULL when absent; *n gets its length, trimmed. */
const char *http_head_find(const char *head, size_t head_size, const char *name, unsigned nth,
                           size_t *n);

#endif
