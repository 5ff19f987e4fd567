/* SPDX-License-Identifier: MIT
 *
 * A network in memory, under virtual time: connections between the transports of clients and the
 * listeners of servers, with latency and with faults. Bytes are real, sockets are not. Nothing in
 * it is left to chance but by the seed: the same calls give the same bytes at the same times.
 *
 * What a real network and kernel do, it does:
 *   - bytes and ends arrive in order, after the time on the way; both sides learn of an end later
 *   - what was sent before its process was killed still arrives, and is still executed
 *   - bytes that reach a closed end are answered with a reset
 *   - what was received before a reset can still be read
 * Send buffers have no limit: a send takes everything at once.
 *
 * Each connection, listener and server belongs to a process, which can be killed as a whole.
 *
 * An exchange begins with the first byte that a client sends on a fresh connection, or after it was
 * sent something: one request and its answer, as HTTP without pipelining has them. Faults are
 * decided once for each exchange and once for each connect.
 */
#ifndef PERIGEE_IO_FAKE_NET_H
#define PERIGEE_IO_FAKE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/loop.h"
#include "io/transport.h"

struct fake_net;
struct fake_process;  /* owns connections and listeners; dies at once */
struct fake_conn;     /* a server's end of a connection; a client's is a struct transport */
struct fake_listener; /* an address that a process listens at */

/* How a connection comes to its end. */
enum fake_end {
    FAKE_FIN,    /* in order: both sides read their end */
    FAKE_RESET,  /* both sides find it broken */
    FAKE_SILENCE /* half-open: nothing arrives any more in either direction, and nobody hears why */
};

/* ---- faults ---- */

struct fake_connect {
    const struct fake_process *process; /* the client's */
    const char *address;                /* "127.0.0.1:8080" */
    uint64_t number;                    /* of all connects in this net, from 1 */
};

struct fake_connect_plan {
    int64_t delay_ns; /* until the client learns of it; filled with the latency there and back */
    bool refuse;      /* "connection refused" instead */
    bool silent;      /* nothing comes of it: the client's time-out ends it */
};

struct fake_exchange {
    const struct fake_process *process; /* the client's */
    const char *address;                /* of the server */
    uint64_t number;                    /* of all exchanges in this net, from 1 */
    uint64_t connection;                /* its number */
    unsigned nth;                       /* on its connection, from 1: above 1 it is a reused one */
    const char *request; /* what its first send handed over: all of a short request */
    size_t size;         /* bytes of it */
};

#define FAKE_ALL SIZE_MAX

struct fake_plan {
    /* On the way; filled with the latency. Longer than the client's time-out: late execution. */
    int64_t request_ns;
    /* A gateway holds the request meanwhile: a server that has closed the connection (it was idle
     * for too long) gets it on another one. Without it such a request is lost, and reset. */
    bool gateway;
    int64_t answer_ns;
    size_t request_bytes; /* after so many bytes of the request the connection ends; FAKE_ALL */
    size_t answer_bytes;  /* after so many bytes of the answer; FAKE_ALL */
    enum fake_end end;    /* how. 0 bytes and silence: a lost request, or a lost answer */
    size_t garbage_at;    /* from this byte on the answer is noise; FAKE_ALL: it is not */
    int64_t idle_ns;      /* the connection ends, as `end` says, so long after the answer; 0: no */
    size_t piece;         /* both come in pieces of so many bytes, one readable event each; 0: no */
};

struct fake_faults {
    void *arg;
    /* Either may be NULL. The plan comes filled for a network without faults. */
    void (*connect)(void *arg, const struct fake_connect *c, struct fake_connect_plan *plan);
    void (*exchange)(void *arg, const struct fake_exchange *x, struct fake_plan *plan);
    /* A client is about to send n bytes at p (x tells of which exchange). Returns how many leave;
     * fewer than n: the process is killed right behind them. FAKE_ALL: all. Only bytes of living
     * processes are asked about. */
    size_t (*sending)(void *arg, const struct fake_exchange *x, const void *p, size_t n);
};

struct fake_net_config {
    uint64_t seed;
    int64_t latency_ns;        /* one way; 0: 1 ms */
    int64_t jitter_ns;         /* added to it at most, drawn for each exchange and direction */
    struct fake_faults faults; /* copied */
};

struct fake_net *fake_net_new(struct loop *l, const struct fake_net_config *config, struct err *e);
/* All its processes must have been freed. Bytes still on the way are lost. */
void fake_net_free(struct fake_net *n);

struct fake_counts {
    uint64_t connects;  /* asked for */
    uint64_t exchanges; /* begun */
    uint64_t sends;     /* of clients */
    uint64_t bytes;     /* that arrived, both directions */
    uint64_t kills;     /* processes killed */
    unsigned open;      /* connections that an end or a gateway still holds */
};
struct fake_counts fake_net_counts(const struct fake_net *n);
/* A number over all bytes that arrived so far, with their times and directions: two runs are alike
 * if and only if it is. */
uint64_t fake_net_fingerprint(const struct fake_net *n);

/* ---- processes ---- */

/* The name is copied; it is what faults tell processes apart by. */
struct fake_process *fake_process_new(struct fake_net *n, const char *name, struct err *e);
const char *fake_process_name(const struct fake_process *p);
/* As SIGKILL: its connections end, its listeners are gone, and the others learn of it after the
 * latency. What it has sent still arrives. From here on its transports and connections are mute:
 * sends are swallowed, nothing is received, no event comes, connects never end. Its owner can so be
 * taken apart at leisure. Allowed inside any callback. */
void fake_process_kill(struct fake_process *p);
bool fake_process_alive(const struct fake_process *p);
/* Ends all its connections now, as a network would; it lives on. */
void fake_process_cut(struct fake_process *p, enum fake_end end);
/* Kills it if it lives. All its transports, connections and listeners must have been closed. */
void fake_process_free(struct fake_process *p);

/* ---- the client's side ---- */

extern const struct transport_ops transport_fake_ops; /* its ctx is a struct fake_process * */

/* ---- the server's side ---- */

/* A connection came in. The callee keeps c and sets its events. */
typedef void (*fake_accept_fn)(void *arg, struct fake_conn *c);
/* host as clients write it in their origin, without port ("127.0.0.1"); port 0: any free one.
 * NULL and *e when the address is taken or the process is dead. */
struct fake_listener *fake_listen(struct fake_process *p, const char *host, uint16_t port,
                                  fake_accept_fn fn, void *arg, struct err *e);
uint16_t fake_listener_port(const struct fake_listener *l);
void fake_listener_close(struct fake_listener *l); /* connections that are open stay */

struct fake_conn_events {
    void (*data)(void *arg, const void *p, size_t n); /* may pause or close the connection */
    void (*end)(void *arg, bool reset);               /* of the client's side; once, the last */
};
void fake_conn_start(struct fake_conn *c, const struct fake_conn_events *events, void *arg);
/* Paused: nothing is shown; it waits. Events never come from inside this call. */
void fake_conn_pause(struct fake_conn *c, bool on);
/* Takes all n bytes. 0, or ERR_CLOSED: the client's side is known to be broken, or ours is shut. */
int fake_conn_send(struct fake_conn *c, const void *p, size_t n);
void fake_conn_shut(struct fake_conn *c); /* ends our side in order, behind what was sent */
/* No event after this. Without reset, behind what was sent; with bytes of the client unread it is a
 * reset all the same. */
void fake_conn_close(struct fake_conn *c, bool reset);
const char *fake_conn_peer(const struct fake_conn *c); /* the client's address: "127.0.0.1" */

#endif
