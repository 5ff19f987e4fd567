/* SPDX-License-Identifier: MIT
 *
 * One connection as the order lane sees it: open, send, receive, readiness, close. Two
 * implementations: curl (CONNECT_ONLY connections: TLS, proxies and names are libcurl's) and, for
 * deterministic fault runs, a fake.
 */
#ifndef PERIGEE_IO_TRANSPORT_H
#define PERIGEE_IO_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/loop.h"

struct transport; /* one connection */

struct transport_events {
    void (*opened)(void *arg, int error, const char *message); /* connect ended: 0 or negative */
    void (*readable)(void *arg);
    void (*writable)(void *arg); /* only while asked for */
};

#define TRANSPORT_AGAIN (-100) /* send/recv: nothing moved; wait for readiness */

struct transport_ops {
    const char *name;
    /* origin: "http://127.0.0.1:8080". Events start after the call has returned. */
    int (*open)(void *ctx, struct loop *l, const char *origin,
                const struct transport_events *events, void *arg, struct transport **out,
                struct err *e);
    /* > 0 bytes; 0: end of stream (recv); TRANSPORT_AGAIN; other negative: broken. After AGAIN on
     * send the same pointer and length must be repeated. */
    ssize_t (*send)(struct transport *t, const void *p, size_t n);
    ssize_t (*recv)(struct transport *t, void *p, size_t n);
    void (*want_write)(struct transport *t, bool on);
    /* May bytes be held that readiness does not show (TLS)? NULL: they may. */
    bool (*holds)(const struct transport *t);
    void (*close)(struct transport *t); /* no event after this; frees t */
};

struct transport_curl; /* context of the curl implementation: groups of multis */
struct transport_curl *transport_curl_new(struct loop *l, const char *ca_file, struct err *e);
void transport_curl_free(struct transport_curl *c);   /* after all its transports are closed */
extern const struct transport_ops transport_curl_ops; /* its ctx is a struct transport_curl * */

#endif
