/* SPDX-License-Identifier: MIT
 *
 * Where the HTTP front's connections come from, and what it does with them. Two implementations:
 * front_tcp.c (sockets of the kernel), front_fake.c (the network in memory). Only the front's files
 * include it.
 *
 * A connection's stream lies behind its struct front_conn, in the same block: front_stream_of.
 */
#ifndef PERIGEE_IO_FRONT_NET_H
#define PERIGEE_IO_FRONT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct front;
struct front_conn;

struct front_net_ops {
    size_t stream_size; /* bytes behind each struct front_conn */
    /* Listens at f->config.port and calls conn_accept for each client. Keeps what it needs in
     * f->listener and sets f->port and f->address. */
    int (*listen)(struct front *f, const char *host, struct err *e);
    void (*unlisten)(struct front *f); /* also after a failed listen; then front_release */
    /* Makes the stream for what conn_accept was called with. False: nothing is there to close. */
    bool (*open)(struct front_conn *c, void *pending);
    bool (*accept)(struct front_conn *c);        /* sets c->peer; false: it is gone already */
    bool (*read)(struct front_conn *c, bool on); /* calls conn_read; false: broken */
    /* Bytes taken now, perhaps none; negative: broken. */
    ssize_t (*write)(struct front_conn *c, const void *p, size_t n);
    /* Takes the rest, which stays until conn_written is called. False: broken. */
    bool (*write_rest)(struct front_conn *c, const char *p, size_t n);
    size_t (*unsent)(const struct front_conn *c); /* bytes of the rest that have not left */
    bool (*shut)(struct front_conn *c);           /* ends our side; false: it cannot */
    /* c->writing and c->out leave until io time `until`; may block. */
    void (*flush)(struct front_conn *c, int64_t until);
    int (*fd)(const struct front_conn *c); /* its descriptor, for WebSockets; -1: it has none */
    /* No callback but conn_gone follows, which frees c on a later turn. */
    void (*close)(struct front_conn *c, bool reset);
};

/* What streams call. */
bool conn_accept(struct front *f, void *pending); /* false: it was not taken */
void conn_read(struct front_conn *c, const char *p, size_t n);
void conn_read_end(struct front_conn *c, bool broken);
void conn_written(struct front_conn *c, bool broken);
void conn_gone(struct front_conn *c);
void front_release(struct front *f); /* a handle is gone */

#endif
