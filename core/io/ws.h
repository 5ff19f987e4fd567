/* SPDX-License-Identifier: MIT
 *
 * WebSockets over libwebsockets on our loop: a server side that gets its sockets from front.h, and
 * a client. Text and binary messages, whole (fragments are joined, at most max_message bytes); text
 * is checked to be UTF-8. The library takes frames of clients that are not masked; nothing here
 * depends on masking.
 */
#ifndef PERIGEE_IO_WS_H
#define PERIGEE_IO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct ws_context; /* one libwebsockets context on the loop: clients and adopted sockets */
struct ws_server;
struct ws_conn;

struct ws_context *ws_context_new(struct loop *l, struct err *e);
/* Drops every connection (closed gets ERR_CANCELLED), then frees; servers are freed before. The
 * library's own memory and handles are gone a few turns of the loop later (loop_fini makes them).
 * Must not be called from inside an event. */
void ws_context_free(struct ws_context *c);

struct ws_events {
    /* server: path is the request path with its query; client: the URL's path. false refuses: the
     * socket is closed and closed() is not called. */
    bool (*opened)(void *arg, struct ws_conn *c, const char *path);
    void (*message)(void *arg, struct ws_conn *c, const char *p, size_t n, bool text);
    /* Once; c is gone afterwards. error 0: closed in order (by either side's close frame), else
     * ERR_CLOSED (cut), ERR_LIMIT (a message over max_message), ERR_UNREACHABLE (a client that
     * could not connect), ERR_CANCELLED (ws_server_free, ws_context_free, ws_close while
     * connecting). */
    void (*closed)(void *arg, struct ws_conn *c, int error);
    void (*drained)(void *arg, struct ws_conn *c); /* send queue empty; may be NULL */
};

struct ws_server *ws_server_new(struct ws_context *c, size_t max_message,
                                const struct ws_events *events, void *arg, struct err *e);
/* Drops its connections (closed gets ERR_CANCELLED), frees. */
void ws_server_free(struct ws_server *s);
unsigned ws_server_count(const struct ws_server *s); /* sockets held, handshakes included */
/* Used by front.c: takes over a connected socket (fd is owned by the callee from now on) with the
 * upgrade request that was read from it, in canonical form. */
int ws_server_adopt(struct ws_server *s, int fd, const char *request, size_t n, const char *path,
                    const char *tag);

/* Client: url "ws://host:port/path" (or wss). Names are resolved off the loop. A failed connect
 * calls closed with ERR_UNREACHABLE. */
struct ws_conn *ws_connect(struct ws_context *c, const char *url, size_t max_message,
                           const struct ws_events *events, void *arg, struct err *e);
int ws_send(struct ws_conn *c, const void *p, size_t n,
            bool text);                     /* copies and queues, in order */
size_t ws_pending(const struct ws_conn *c); /* bytes queued */
/* Orderly, after what is queued. code: of the close frame, 1000 to 4999; 0: 1000 (normal). */
void ws_close(struct ws_conn *c, unsigned code);
/* Server: what check_upgrade left with the request (front_set_tag); "" when nothing. */
const char *ws_tag(const struct ws_conn *c);
void ws_set_data(struct ws_conn *c, void *data);
void *ws_data(const struct ws_conn *c);

#endif
