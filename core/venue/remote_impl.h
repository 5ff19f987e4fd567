/* SPDX-License-Identifier: MIT
 *
 * Inside of the remote venue: its state, and what remote.c (sessions, calls) and remote_request.c
 * (the bytes of a request) share.
 */
#ifndef PERIGEE_VENUE_REMOTE_IMPL_H
#define PERIGEE_VENUE_REMOTE_IMPL_H

#include "venue/remote.h"

/* A lane and who still needs it. */
struct link {
    struct lane *lane;
    struct remote *remote;
    int account;        /* ledger index */
    char *origin;       /* owned */
    int64_t timeout_ms; /* for the answer */
    int64_t idle_ms;    /* the broker closes what is idle so long; 0: not known */
    unsigned uses;      /* calls on it */
    bool retired;       /* closed when the last call has ended */
    struct link *next;  /* in the remote's list */
};

struct rcall {
    struct lane_request r;
    struct remote *remote;
    int account; /* ledger index */
    struct link *link;
    struct venue_call *call; /* not owned; NULL: idle */
    uint64_t prepared;       /* order whose request `bytes` holds ahead of its submit; 0: none */
    struct codec_request parts;
    struct str bytes;   /* the whole request */
    struct rcall *next; /* in the slot's list of all */
};

struct slot {
    char broker[32];
    struct str prefix; /* of paths */
    struct str head;   /* from Host to "Content-Length: " */
    struct link *link; /* NULL: no session */
    struct link
        *urgent; /* for closes while an entry is in flight on `link`; NULL: not needed yet */
    struct rcall *calls; /* all of them, idle or not; owned */
};

struct remote {
    struct loop *loop;
    struct log *log;
    const struct transport_ops *ops;
    void *ops_ctx;
    struct codec_ops codec;
    struct shapes *shapes; /* owned; NULL: out of memory, the codec is asked each time */
    struct slot **slots;   /* by account, owned; NULL: never had a session */
    size_t count;
    struct link *links; /* all, owned */
    bool warm;          /* connections for closes are opened ahead */
    bool closing;       /* remote_free is at work */
};

/* A path without spaces and control characters that begins with a slash. */
bool remote_path_ok(const char *text, size_t n);
/* The part of an origin that goes into Host; NULL: no origin. */
const char *remote_host(const char *origin);
/* The header lines of a session, from Host to "Content-Length: ". headers may be NULL. */
int remote_head(struct str *out, const char *host, const char *headers, struct err *e);
/* Asks the codec for the request of call's order and writes it into c->bytes. On an error nothing
 * in c is ready to be sent. */
int remote_encode(struct remote *r, const struct slot *s, struct rcall *c,
                  const struct venue_call *call, struct err *e);

#endif
