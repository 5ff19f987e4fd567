/* SPDX-License-Identifier: MIT
 *
 * Inside of pg: what pg.c (life and connecting), pg_query.c (operations) and pg_error.c (sentences)
 * know of each other. Nobody else includes it.
 */
#ifndef PERIGEE_IO_PG_INNER_H
#define PERIGEE_IO_PG_INNER_H

#include "base/map.h"
#include "io/pg.h"

enum pg_kind { PG_IDLE, PG_CONNECT, PG_QUERY, PG_EXEC, PG_COPY };

/* A watch on one socket. libpq may change its socket while connecting, so each has a handle of its
 * own, freed by libuv's close callback. */
struct pg_watch {
    uv_poll_t poll;
    struct pg *owner; /* NULL: being closed */
};

/* What the server answers to, in order, while a query is in flight. */
struct pg_step {
    size_t statement;
    uint64_t prepares; /* number of the statement that it prepares; 0: it runs one */
};

struct pg_lookup {
    uv_getaddrinfo_t req;
    struct pg *owner; /* NULL: its connection was closed */
};

struct pg {
    struct loop *loop;
    PGconn *conn;             /* NULL until the name is resolved */
    PQconninfoOption *wanted; /* the parsed conninfo */
    struct pg_watch *watch;
    struct pg_lookup *lookup; /* in flight */
    struct timer deadline;    /* of connecting; before that, its first step */
    int64_t connect_ms;       /* how long connecting may take */
    bool alive;

    enum pg_kind kind;        /* the operation in flight */
    struct pg_answer *answer; /* its outcome, the caller's */
    pg_fn fn;
    void *arg;
    struct pg_step *steps; /* PG_QUERY: owned */
    size_t step_count, step_at;
    bool answered;    /* the present step had a result */
    const char *text; /* PG_COPY: the caller's */
    size_t text_size, text_at;
    bool copying; /* the server takes data */
    bool fed;     /* all of it was given */

    struct map *texts;        /* statement -> 0: seen once, else number of its prepared form */
    uint64_t prepared;        /* numbers given so far */
    uint64_t prepared_proven; /* the newest that the server has confirmed */
};

/* ---- pg.c ---- */
int pg_watch_for(struct pg *c, int events);
void pg_unwatch(struct pg *c);
/* The end of the operation: fn is called. Nothing of c may be touched afterwards. */
void pg_finish(struct pg *c);
/* The connection is gone; the answer says so, the operation (if any) ends. */
void pg_lost(struct pg *c);
const char *pg_wanted(const struct pg *c, const char *keyword); /* NULL: not given */

/* ---- pg_query.c ---- */
/* After reading or writing: goes on with the operation. May end it (and so free c). */
void pg_go_on(struct pg *c);
/* Before fn: leaves pipeline mode, forgets what was not prepared after all. */
void pg_settle(struct pg *c);

/* ---- pg_error.c ---- */
void pg_refused(struct pg_answer *a, const PGresult *r, const struct pg *c);
void pg_unreachable(struct pg_answer *a, int code, const struct pg *c, const char *what);

#endif
