/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL on the loop: libpq without anything that blocks. Names are resolved by libuv, sockets
 * are watched by uv_poll, and each callback does a bounded piece of work, whatever the size of a
 * result.
 *
 * One operation at a time for each connection. Each is begun by a call that sends, and ended by
 * fn(arg), never from inside that call; its outcome is then in the caller's struct pg_answer. A
 * statement's text that comes a second time on a connection is prepared there and then run by name.
 *
 * Sessions speak UTF-8, UTC and ISO dates unless the conninfo has `options` of its own.
 */
#ifndef PERIGEE_IO_PG_H
#define PERIGEE_IO_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

#define PG_MAX_PARAMS 65535 /* of a statement, the protocol's limit */

struct pg;

struct pg_statement {
    const char *sql;
    const char *const *values; /* as text; NULL: SQL's NULL */
    int count;
};

/* The outcome of an operation. Owned by the caller, and must stay until fn was called or the
 * connection was closed. */
struct pg_answer {
    struct err err;      /* code 0: done. ERR_FAILED with a sqlstate: the server refused.
                          * ERR_UNREACHABLE: no connection, or it was lost. ERR_TIMEOUT: connecting
                          * took too long. ERR_INPUT: wrong use, see the sentence. */
    bool sent;           /* of an ERR_UNREACHABLE: the server may have done it */
    char sqlstate[6];    /* "23505"; "": none */
    char constraint[64]; /* violated; "": none */
    size_t index;        /* statement that failed, from 0 */
    PGresult **results;  /* one for each statement of pg_query; NULL after an error */
    size_t count;
    int64_t rows; /* of pg_copy */
};

typedef void (*pg_fn)(void *arg);

/* conninfo: libpq's keywords or a postgresql:// address; one host. NULL (and *e): out of memory,
 * or a conninfo that cannot be read. After an answer with an error the connection is only good for
 * pg_close. */
struct pg *pg_connect(struct loop *l, const char *conninfo, int64_t timeout_ms, struct pg_answer *a,
                      pg_fn fn, void *arg, struct err *e);
/* At once. An operation in flight is forgotten: its fn is not called, and the server may or may not
 * have done it. */
void pg_close(struct pg *c);
bool pg_alive(const struct pg *c); /* false: lost, or never connected */
/* A statement of the open transaction has failed: its COMMIT would be carried out as a ROLLBACK. */
bool pg_aborted(const struct pg *c);
bool pg_busy(const struct pg *c); /* an operation is in flight */

/* The three below: 0, or an error, after which nothing is in flight. ERR_STATE: busy; ERR_CLOSED:
 * not alive. Texts are read during the call only, but for pg_copy's data, which must stay. */

/* Statements in one go with one sync at the end: outside of a transaction that was begun before,
 * all happen or none. */
int pg_query(struct pg *c, const struct pg_statement *s, size_t n, struct pg_answer *a, pg_fn fn,
             void *arg, struct err *e);
/* One or more statements without parameters (simple protocol). */
int pg_exec(struct pg *c, const char *sql, struct pg_answer *a, pg_fn fn, void *arg, struct err *e);
/* sql: COPY ... FROM STDIN. */
int pg_copy(struct pg *c, const char *sql, const char *text, size_t n, struct pg_answer *a,
            pg_fn fn, void *arg, struct err *e);

void pg_answer_fini(struct pg_answer *a); /* frees the results; may be called again */

#endif
