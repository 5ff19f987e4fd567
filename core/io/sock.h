/* SPDX-License-Identifier: MIT
 *
 * Unix sockets with framed messages, server and client.
 *
 * Frame: u32 little-endian length of what follows, u8 type, payload. A frame over SOCK_MAX_FRAME
 * closes the connection. Writing never blocks; a peer that lets more than `limit` bytes pile up is
 * dropped (its closed() is called), so a stuck reader costs nobody else.
 */
#ifndef PERIGEE_IO_SOCK_H
#define PERIGEE_IO_SOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

#define SOCK_MAX_FRAME (16u << 20)
#define SOCK_PATH_MAX 107

struct sock_server;
struct sock_conn;

struct sock_events {
    void (*opened)(void *arg, struct sock_conn *c); /* server: accepted; client: connected */
    void (*frame)(void *arg, struct sock_conn *c, uint8_t type, const void *p, size_t n);
    /* Once, after which c is gone; always on a later turn than the call that caused it. error 0:
     * orderly end; ERR_LIMIT: too much piled up or too large a frame. */
    void (*closed)(void *arg, struct sock_conn *c, int error);
    /* Everything queued was written (flow control for long histories). May be NULL. */
    void (*drained)(void *arg, struct sock_conn *c);
};

/* Listens at path (mode 0600; a stale socket of a dead process is replaced, a live one is
 * ERR_EXISTS; a path over SOCK_PATH_MAX bytes is ERR_INPUT). */
struct sock_server *sock_listen(struct loop *l, const char *path, size_t limit,
                                const struct sock_events *events, void *arg, struct err *e);
/* Closes all its connections too, at once; each closed() follows on the next turn. */
void sock_server_free(struct sock_server *s);

/* Client. A failed connect calls closed() with ERR_UNREACHABLE. Its limit is 64 MiB. */
struct sock_conn *sock_connect(struct loop *l, const char *path, const struct sock_events *events,
                               void *arg, struct err *e);
/* Copies. 0; ERR_STATE before opened(); ERR_CLOSED when it is closing; ERR_LIMIT when the frame is
 * too large (nothing happens) or when too much piled up (the connection is dropped); ERR_NOMEM. */
int sock_send(struct sock_conn *c, uint8_t type, const void *p, size_t n);
size_t sock_pending(const struct sock_conn *c); /* bytes not yet written */
/* After what is queued was written, for which the peer has 5 s. No frame() comes any more. */
void sock_close(struct sock_conn *c);
void sock_set_data(struct sock_conn *c, void *data);
void *sock_data(const struct sock_conn *c);

#endif
