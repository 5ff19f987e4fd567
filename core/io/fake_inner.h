/* SPDX-License-Identifier: MIT
 *
 * What the files of the network in memory share. fake_net.c: the net, its processes and listeners;
 * fake_link.c: one connection, the ways of its bytes, its end; fake_ends.c: what clients and
 * servers do with it, and where faults are asked for.
 *
 * An end of a connection is closed, or its process was killed, when the link does not point to it
 * any more. Killed ends still exist for their owners, without a link: mute.
 */
#ifndef PERIGEE_IO_FAKE_INNER_H
#define PERIGEE_IO_FAKE_INNER_H

#include "base/str.h"
#include "io/fake_net.h"

#define FAKE_ADDRESS_MAX 64

struct fake_process {
    struct fake_net *net;
    struct fake_process *next; /* in the net's list */
    char *name;                /* owned */
    unsigned held;             /* ends and listeners that its owner has not closed yet */
    bool dead;
};

struct fake_listener {
    struct fake_process *process;
    struct fake_listener *next; /* in the net's list, while its process lives */
    fake_accept_fn fn;
    void *arg;
    uint16_t port;
    char address[FAKE_ADDRESS_MAX]; /* "127.0.0.1:8080" */
};

/* Bytes that arrive together, or an end. */
struct fake_chunk {
    int64_t due; /* io ns of its arrival */
    size_t size; /* bytes; 0: an end */
    bool reset;  /* kind of the end */
};

enum fake_pipe_end { PIPE_OPEN, PIPE_FIN, PIPE_RESET };

struct fake_pipe {
    struct fake_link *link;
    struct str bytes;          /* read ones, arrived ones, those on the way */
    size_t read;               /* how many were read */
    size_t arrived;            /* how many have arrived */
    struct fake_chunk *chunks; /* owned ring: what is on the way, in order */
    size_t head, count, cap;   /* of the ring; cap is a power of two */
    struct timer timer;        /* next arrival, or something to be shown */
    enum fake_pipe_end end;    /* that has arrived behind all bytes */
    bool shut;                 /* nothing more may be put in, but a reset */
    bool reset;                /* a reset was put in: the last thing that can be */
    bool told;                 /* the server was told of the end */
};

struct transport {          /* a client's end */
    struct fake_link *link; /* NULL: mute */
    struct fake_process *process;
    const struct transport_events *events;
    void *arg;
};

struct fake_conn {          /* a server's end */
    struct fake_link *link; /* NULL: mute */
    struct fake_process *process;
    const struct fake_conn_events *events; /* NULL until started */
    void *arg;
    bool paused;
};

struct fake_link {
    struct fake_net *net;
    struct fake_link *prev, *next; /* all links of the net */
    struct transport *client;      /* NULL: closed or killed */
    struct fake_conn *server;      /* the same; NULL also before it is accepted */
    struct fake_pipe up, down;     /* to the server, to the client */
    struct timer timer;            /* opening, later the idle end */
    struct fake_connect_plan opening;
    struct fake_exchange exchange; /* the current one; nth 0: none yet */
    struct fake_plan plan;         /* its faults */
    size_t asked, answered;        /* bytes of its request and answer that were put on the way */
    bool heard;                    /* bytes of the answer have reached the client */
    bool silent;                   /* half-open */
    bool opened;                   /* the client was told so */
    unsigned busy;                 /* callbacks of its ends on the stack */
    char address[FAKE_ADDRESS_MAX];
};

struct fake_net {
    struct loop *loop;
    struct fake_net_config config; /* latency filled in */
    struct fake_process *processes;
    struct fake_listener *listeners; /* of living processes */
    struct fake_link *links;
    struct fake_counts counts;
    uint64_t fingerprint;
    uint64_t connections; /* opened so far: their numbers */
    uint16_t next_port;   /* for listeners without a wish */
    struct str shown;     /* bytes on their way into a data event */
};

int64_t fake_now(const struct fake_net *n);
/* Time on the way: fixed by the seed and what it is for, whatever else happens in the net. */
int64_t fake_latency(const struct fake_net *n, uint64_t connection, unsigned nth, unsigned way);
struct fake_listener *fake_find_listener(const struct fake_net *n, const char *address);

struct fake_link *fake_link_new(struct fake_net *n, const char *address);
/* Frees it when neither end nor a gateway holds it and no callback of its runs. */
void fake_link_release(struct fake_link *k);
void fake_link_free(struct fake_link *k);
/* Puts bytes on the way, in pieces of `piece` (0: one), to arrive at `due` at the earliest. */
void fake_pipe_put(struct fake_pipe *p, const void *bytes, size_t n, size_t piece, int64_t due);
void fake_pipe_put_end(struct fake_pipe *p, bool reset, int64_t due);
const char *fake_pipe_bytes(const struct fake_pipe *p); /* those that arrived */
void fake_pipe_drop(struct fake_pipe *p, size_t n);     /* the first n of them were read */
/* Its events go on in a turn of their own. */
void fake_pipe_wake(struct fake_pipe *p);
/* The connection ends by itself. */
void fake_link_cut(struct fake_link *k, enum fake_end end);
/* One end leaves: the other learns of it. Does not free the end. */
void fake_link_leave_client(struct fake_link *k);
void fake_link_leave_server(struct fake_link *k, bool reset);
/* Gives the link a server's end, if somebody listens at its address. */
bool fake_link_accept(struct fake_link *k);

#endif
