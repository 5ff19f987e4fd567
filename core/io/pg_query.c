/* SPDX-License-Identifier: MIT
 *
 * Operations on a connection: statements in a pipeline, plain texts, COPY.
 *
 * The socket is watched for writing at each start, so that the first turn reads as well: a flush
 * may have taken the answer in already, and then the socket itself stays silent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/pg_inner.h"

#define MAX_TEXTS 1024      /* statements that a connection remembers */
#define MAX_PREPARED 256    /* of which it prepares so many */
#define COPY_PIECE 65536    /* bytes of COPY handed to libpq at once */
#define COPY_TURN (1 << 20) /* bytes of COPY in one callback */

/* ---- starting ---- */

static int may_begin(struct pg *c, struct err *e)
{
    if (c->kind != PG_IDLE) {
        return err_set(e, ERR_STATE, "the connection to the database is in use by another task");
    }
    if (!c->alive) {
        return err_set(e, ERR_CLOSED, "the connection to the database was lost");
    }
    return 0;
}

static void begun(struct pg *c, enum pg_kind kind, struct pg_answer *a, pg_fn fn, void *arg)
{
    memset(a, 0, sizeof *a);
    c->kind = kind;
    c->answer = a;
    c->fn = fn;
    c->arg = arg;
    c->answered = false;
}

/* What was begun did not even reach libpq: the connection is not in a known state any more. */
static int not_begun(struct pg *c, struct err *e)
{
    struct pg_answer a = {0};
    pg_unreachable(&a, ERR_UNREACHABLE, c, "the statement could not be sent to the database");
    *e = a.err;
    pg_answer_fini(c->answer);
    c->kind = PG_IDLE;
    c->answer = NULL;
    pg_lost(c);
    return e->code;
}

static int send_off(struct pg *c, struct err *e)
{
    if (PQflush(c->conn) < 0 && PQstatus(c->conn) != CONNECTION_BAD) {
        return not_begun(c, e);
    }
    if (pg_watch_for(c, UV_READABLE | UV_WRITABLE) != 0) {
        return not_begun(c, e);
    }
    return 0;
}

/* The number of the statement's prepared form, 0 when it is to be run by its text. *first: it must
 * be prepared now. */
static uint64_t prepared_form(struct pg *c, const char *sql, bool *first)
{
    uint64_t number = 0;
    size_t n = strlen(sql);
    *first = false;
    if (!map_get(c->texts, sql, n, &number)) {
        if (map_count(c->texts) < MAX_TEXTS) {
            (void)map_put(c->texts, sql, n, 0); /* no memory: it is not remembered */
        }
        return 0;
    }
    if (number == 0 && c->prepared < MAX_PREPARED &&
        map_put(c->texts, sql, n, c->prepared + 1) == 0) {
        number = ++c->prepared;
        *first = true;
    }
    return number;
}

static void add_step(struct pg *c, size_t statement, uint64_t prepares)
{
    c->steps[c->step_count++] = (struct pg_step){statement, prepares};
}

static int send_statement(struct pg *c, size_t i, const struct pg_statement *s)
{
    char name[24];
    bool first;
    uint64_t number = prepared_form(c, s->sql, &first);
    if (number == 0) {
        add_step(c, i, 0);
        return PQsendQueryParams(c->conn, s->sql, s->count, NULL, s->values, NULL, NULL, 0);
    }
    (void)snprintf(name, sizeof name, "p%llu", (unsigned long long)number);
    if (first) {
        add_step(c, i, number);
        if (PQsendPrepare(c->conn, name, s->sql, 0, NULL) == 0) {
            return 0;
        }
    }
    add_step(c, i, 0);
    return PQsendQueryPrepared(c->conn, name, s->count, s->values, NULL, NULL, 0);
}

int pg_query(struct pg *c, const struct pg_statement *s, size_t n, struct pg_answer *a, pg_fn fn,
             void *arg, struct err *e)
{
    int rc = may_begin(c, e);
    if (rc != 0) {
        return rc;
    }
    struct pg_step *steps = malloc((2 * n + 1) * sizeof *steps);
    PGresult **results = calloc(n + 1, sizeof *results);
    if (steps == NULL || results == NULL) {
        free(steps);
        free(results);
        return err_set(e, ERR_NOMEM, "out of memory for %zu statements", n);
    }
    begun(c, PG_QUERY, a, fn, arg);
    a->results = results;
    a->count = n;
    c->steps = steps;
    c->step_count = c->step_at = 0;
    int ok = PQenterPipelineMode(c->conn);
    for (size_t i = 0; i < n && ok != 0; i++) {
        ok = send_statement(c, i, &s[i]);
    }
    if (ok == 0 || PQpipelineSync(c->conn) == 0) {
        return not_begun(c, e);
    }
    return send_off(c, e);
}

int pg_exec(struct pg *c, const char *sql, struct pg_answer *a, pg_fn fn, void *arg, struct err *e)
{
    int rc = may_begin(c, e);
    if (rc != 0) {
        return rc;
    }
    begun(c, PG_EXEC, a, fn, arg);
    return PQsendQuery(c->conn, sql) != 0 ? send_off(c, e) : not_begun(c, e);
}

int pg_copy(struct pg *c, const char *sql, const char *text, size_t n, struct pg_answer *a,
            pg_fn fn, void *arg, struct err *e)
{
    int rc = may_begin(c, e);
    if (rc != 0) {
        return rc;
    }
    begun(c, PG_COPY, a, fn, arg);
    c->text = text;
    c->text_size = n;
    c->text_at = 0;
    c->copying = c->fed = false;
    return PQsendQuery(c->conn, sql) != 0 ? send_off(c, e) : not_begun(c, e);
}

/* ---- ending ---- */

static void forget_unproven(struct pg *c)
{
    size_t cursor = 0, n;
    const void *text;
    uint64_t number;
    while (map_next(c->texts, &cursor, &text, &n, &number)) {
        if (number > c->prepared_proven) {
            (void)map_remove(c->texts, text, n);
        }
    }
}

void pg_settle(struct pg *c)
{
    if (c->kind == PG_QUERY) {
        if (c->alive && PQexitPipelineMode(c->conn) == 0) {
            c->alive = false;
        }
        free(c->steps);
        c->steps = NULL;
        if (c->prepared_proven < c->prepared) {
            forget_unproven(c);
            c->prepared_proven = c->prepared;
        }
        /* A table was changed under a prepared statement, or somebody deallocated it: all anew. */
        const char *state = c->answer->sqlstate;
        if (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0) {
            size_t cursor = 0, n;
            const void *text;
            while (map_next(c->texts, &cursor, &text, &n, NULL)) {
                (void)map_remove(c->texts, text, n);
            }
        }
    }
    if (c->answer->err.code != 0) {
        pg_answer_fini(c->answer);
    }
}

/* An answer that the operation cannot go on from: the connection is given up. */
static void give_up(struct pg *c, const char *why)
{
    pg_unwatch(c);
    c->alive = false;
    c->answer->err.code = 0;
    (void)err_set(&c->answer->err, ERR_INPUT, "%s; the connection was closed", why);
    pg_finish(c);
}

/* ---- answers ---- */

enum took { TOOK_ONE, TOOK_LAST, TOOK_COPY };

static void note_error(struct pg *c, const PGresult *r, size_t index)
{
    if (c->answer->err.code == 0) {
        c->answer->index = index;
        pg_refused(c->answer, r, c);
    }
}

/* Keeps or frees r. */
static enum took take_query(struct pg *c, PGresult *r)
{
    enum took took = TOOK_ONE;
    const struct pg_step *step = c->step_at < c->step_count ? &c->steps[c->step_at] : NULL;
    c->answered = true;
    switch (PQresultStatus(r)) {
    case PGRES_PIPELINE_SYNC:
        took = TOOK_LAST;
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        took = TOOK_COPY;
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        if (step != NULL && step->prepares != 0) {
            c->prepared_proven = step->prepares;
        } else if (step != NULL) {
            PQclear(c->answer->results[step->statement]);
            c->answer->results[step->statement] = r;
            return TOOK_ONE;
        }
        break;
    case PGRES_PIPELINE_ABORTED: /* after one that failed */
        break;
    default:
        note_error(c, r, step != NULL ? step->statement : 0);
    }
    PQclear(r);
    return took;
}

static enum took take_plain(struct pg *c, PGresult *r)
{
    enum took took = TOOK_ONE;
    switch (PQresultStatus(r)) {
    case PGRES_COPY_IN:
        c->copying = c->kind == PG_COPY && !c->fed;
        took = c->copying ? TOOK_ONE : TOOK_COPY;
        break;
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        took = TOOK_COPY;
        break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        if (c->kind == PG_COPY && !c->fed && c->answer->err.code == 0) {
            (void)err_set(&c->answer->err, ERR_INPUT, "only COPY ... FROM STDIN takes data");
        } else if (c->kind == PG_COPY) {
            c->answer->rows = strtoll(PQcmdTuples(r), NULL, 10);
        }
        break;
    default:
        note_error(c, r, 0);
    }
    PQclear(r);
    return took;
}

/* Data of COPY, some of it. false: more can go when the socket is writable again. A server that has
 * refused a row meanwhile skips the rest and says so at the end. */
static bool feed(struct pg *c)
{
    size_t turn = 0;
    while (c->text_at < c->text_size) {
        size_t left = c->text_size - c->text_at;
        int n = (int)(left < COPY_PIECE ? left : COPY_PIECE);
        if (turn >= COPY_TURN || PQputCopyData(c->conn, c->text + c->text_at, n) != 1) {
            return false;
        }
        c->text_at += (size_t)n;
        turn += (size_t)n;
        if (PQflush(c->conn) != 0) {
            return false;
        }
    }
    if (PQputCopyEnd(c->conn, NULL) != 1) {
        return false;
    }
    c->copying = false;
    c->fed = true;
    return true;
}

/* One result, or the end of a statement's results. true: the operation has ended. */
static bool go_one(struct pg *c)
{
    PGresult *r = PQgetResult(c->conn);
    if (r != NULL) {
        enum took took = c->kind == PG_QUERY ? take_query(c, r) : take_plain(c, r);
        if (took == TOOK_COPY) {
            give_up(c, "COPY is not possible with this call");
            return true;
        }
        if (took == TOOK_LAST) {
            pg_finish(c);
            return true;
        }
        if (PQstatus(c->conn) != CONNECTION_BAD) {
            return false;
        }
    }
    if (PQstatus(c->conn) == CONNECTION_BAD) {
        pg_lost(c);
        return true;
    }
    if (c->kind != PG_QUERY) {
        pg_finish(c);
        return true;
    }
    if (!c->answered) {
        give_up(c, "the database's answers do not match the statements");
        return true;
    }
    c->answered = false;
    c->step_at++;
    return false;
}

void pg_go_on(struct pg *c)
{
    bool waits = false;
    while (!waits) {
        if (c->copying && PQstatus(c->conn) == CONNECTION_BAD) {
            pg_lost(c);
            return;
        }
        waits = c->copying ? !feed(c) : PQisBusy(c->conn) != 0;
        if (!waits && !c->copying && PQisBusy(c->conn) == 0 && go_one(c)) {
            return;
        }
    }
    bool more = PQflush(c->conn) != 0 || c->copying;
    if (pg_watch_for(c, more ? UV_READABLE | UV_WRITABLE : UV_READABLE) != 0) {
        pg_lost(c);
    }
}
