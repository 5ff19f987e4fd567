/* SPDX-License-Identifier: MIT
 *
 * Life of a connection to PostgreSQL: conninfo, name, connecting, the watch on its socket, its end.
 *
 * A name is resolved by libuv and handed to libpq as hostaddr, because libpq's own look-up blocks.
 * Kerberos is off unless it is asked for: its libraries block, too.
 */
#include "io/pg.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "io/pg_inner.h"

#define MAX_KEYWORDS 64

/* ---- the watch ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pg_unwatch(struct pg *c)
{
    struct pg_watch *w = c->watch;
    if (w != NULL) {
        c->watch = NULL;
        w->owner = NULL;
        (void)uv_poll_stop(&w->poll);
        uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    }
}

static void connecting(struct pg *c);

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct pg_watch *w = handle->data;
    struct pg *c = w->owner;
    if (c == NULL) {
        return;
    }
    if (c->kind == PG_CONNECT) {
        connecting(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        (void)PQflush(c->conn); /* a failure to write shows when reading */
    }
    /* A connection that ends here may still have sent its last words before. */
    bool broken = PQconsumeInput(c->conn) == 0 || status < 0;
    if (c->kind == PG_IDLE) {
        PGnotify *n = PQnotifies(c->conn); /* also reads notices and changed settings */
        PQfreemem(n);
        if (broken || PQstatus(c->conn) == CONNECTION_BAD) {
            pg_lost(c);
        }
        return;
    }
    if (broken && PQstatus(c->conn) != CONNECTION_BAD) {
        pg_lost(c);
        return;
    }
    pg_go_on(c);
}

int pg_watch_for(struct pg *c, int events)
{
    if (c->watch == NULL) {
        struct pg_watch *w = calloc(1, sizeof *w);
        if (w == NULL || uv_poll_init(&c->loop->uv, &w->poll, PQsocket(c->conn)) != 0) {
            free(w);
            return ERR_NOMEM;
        }
        w->owner = c;
        w->poll.data = w;
        c->watch = w;
    }
    return uv_poll_start(&c->watch->poll, events, on_poll) == 0 ? 0 : ERR_FAILED;
}

/* ---- ends ---- */

void pg_finish(struct pg *c)
{
    pg_fn fn = c->fn;
    void *arg = c->arg;
    timer_stop(&c->deadline);
    pg_settle(c);
    c->kind = PG_IDLE;
    c->answer = NULL;
    if (c->alive && pg_watch_for(c, UV_READABLE) != 0) {
        c->alive = false;
    }
    fn(arg);
}

void pg_lost(struct pg *c)
{
    pg_unwatch(c);
    c->alive = false;
    if (c->kind != PG_IDLE) {
        pg_answer_fini(c->answer);
        c->answer->sent = true;
        pg_unreachable(c->answer, ERR_UNREACHABLE, c, "the connection to the database was lost");
        pg_finish(c);
    }
}

static void not_connected(struct pg *c, int code, const char *what)
{
    pg_unwatch(c);
    pg_unreachable(c->answer, code, c, what);
    pg_finish(c);
}

static void on_deadline(void *arg)
{
    struct pg *c = arg;
    pg_unwatch(c);
    (void)err_set(&c->answer->err, ERR_TIMEOUT,
                  "the database did not answer in time while connecting");
    pg_finish(c);
}

void pg_close(struct pg *c)
{
    if (c == NULL) {
        return;
    }
    timer_stop(&c->deadline);
    pg_unwatch(c);
    if (c->lookup != NULL) {
        c->lookup->owner = NULL;
        (void)uv_cancel((uv_req_t *)&c->lookup->req);
    }
    PQfinish(c->conn);
    PQconninfoFree(c->wanted);
    map_free(c->texts);
    free(c->steps);
    free(c);
}

bool pg_alive(const struct pg *c)
{
    return c->alive;
}

bool pg_aborted(const struct pg *c)
{
    return c->conn != NULL && PQtransactionStatus(c->conn) == PQTRANS_INERROR;
}

bool pg_busy(const struct pg *c)
{
    return c->kind != PG_IDLE;
}

void pg_answer_fini(struct pg_answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        PQclear(a->results[i]);
    }
    free(a->results);
    a->results = NULL;
    a->count = 0;
}

/* ---- connecting ---- */

const char *pg_wanted(const struct pg *c, const char *keyword)
{
    for (const PQconninfoOption *o = c->wanted; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0) {
            return o->val != NULL && o->val[0] != '\0' ? o->val : NULL;
        }
    }
    return NULL;
}

/* A notice can quote values, so it is only told at the level of debugging. */
static void on_notice(void *arg, const PGresult *r)
{
    const struct pg *c = arg;
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    log_write(c->loop->log, LOG_DEBUG, "database", "%s", text != NULL ? text : "(no text)");
}

/* libpq may have opened another socket since, perhaps under the same number: a new watch. */
static void connecting(struct pg *c)
{
    PostgresPollingStatusType step = PQconnectPoll(c->conn);
    pg_unwatch(c);
    if (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        if (pg_watch_for(c, step == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE) != 0) {
            not_connected(c, ERR_NOMEM, "the database's socket cannot be watched");
        }
        return;
    }
    if (step != PGRES_POLLING_OK) {
        not_connected(c, ERR_UNREACHABLE, "cannot connect to the database");
        return;
    }
    (void)PQsetNoticeReceiver(c->conn, on_notice, c);
    if (PQsetnonblocking(c->conn, 1) != 0) {
        not_connected(c, ERR_FAILED, "the database's socket cannot be used");
        return;
    }
    c->alive = true;
    pg_finish(c);
}

static void begin_connecting(struct pg *c, const char *address)
{
    const char *keywords[MAX_KEYWORDS + 8], *values[MAX_KEYWORDS + 8];
    size_t n = 0;
    static const char *const defaults[][2] = {
        {"client_encoding", "UTF8"},
        {"fallback_application_name", "perigee"},
        {"gssencmode", "disable"},
        {"options", "-c timezone=UTC -c datestyle=ISO -c bytea_output=hex"},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (pg_wanted(c, defaults[i][0]) == NULL) {
            keywords[n] = defaults[i][0];
            values[n++] = defaults[i][1];
        }
    }
    if (address != NULL) {
        keywords[n] = "hostaddr";
        values[n++] = address;
    }
    for (const PQconninfoOption *o = c->wanted; o->keyword != NULL && n < MAX_KEYWORDS; o++) {
        if (o->val != NULL && o->val[0] != '\0') {
            keywords[n] = o->keyword;
            values[n++] = o->val;
        }
    }
    keywords[n] = NULL;
    values[n] = NULL;
    c->conn = PQconnectStartParams(keywords, values, 0);
    if (c->conn == NULL) {
        not_connected(c, ERR_NOMEM, "out of memory for a connection to the database");
    } else if (PQstatus(c->conn) == CONNECTION_BAD) {
        not_connected(c, ERR_UNREACHABLE, "cannot connect to the database");
    } else if (pg_watch_for(c, UV_WRITABLE) != 0) {
        not_connected(c, ERR_NOMEM, "the database's socket cannot be watched");
    }
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct pg_lookup *k = req->data;
    struct pg *c = k->owner;
    char address[64] = "";
    if (status == 0 && found != NULL) {
        (void)getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                          NI_NUMERICHOST);
    }
    uv_freeaddrinfo(found);
    free(k);
    if (c == NULL) {
        return;
    }
    c->lookup = NULL;
    if (c->kind != PG_CONNECT) {
        return; /* too late */
    }
    if (address[0] == '\0') {
        not_connected(c, ERR_UNREACHABLE,
                      "cannot connect to the database: its host's name is not known");
    } else {
        begin_connecting(c, address);
    }
}

static int look_up(struct pg *c, const char *host, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct pg_lookup *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a connection to the database");
    }
    k->owner = c;
    k->req.data = k;
    int rc = uv_getaddrinfo(&c->loop->uv, &k->req, on_lookup, host, NULL, &hints);
    if (rc != 0) {
        free(k);
        return err_set(e, ERR_FAILED, "cannot look up the database's host: %s", uv_strerror(rc));
    }
    c->lookup = k;
    return 0;
}

static int read_conninfo(struct pg *c, const char *conninfo, struct err *e)
{
    char *why = NULL; /* quotes the conninfo, perhaps with its password: never shown */
    c->wanted = PQconninfoParse(conninfo, &why);
    PQfreemem(why);
    if (c->wanted == NULL) {
        return err_set(e, ERR_INPUT,
                       "the database's connection text cannot be read: write "
                       "postgresql://USER:PASSWORD@HOST:PORT/NAME or keyword=value pairs");
    }
    const char *host = pg_wanted(c, "host");
    if ((host != NULL && strchr(host, ',') != NULL) || pg_wanted(c, "service") != NULL) {
        return err_set(e, ERR_INPUT, "the database's connection text must name one host");
    }
    return 0;
}

/* The first step of a connection that needs no look-up, on a turn of its own: fn is never called
 * from inside pg_connect. */
static void on_start(void *arg)
{
    struct pg *c = arg;
    timer_init(&c->deadline, c->loop, on_deadline, c);
    if (timer_start_io(&c->deadline, c->connect_ms) != 0) {
        not_connected(c, ERR_NOMEM, "out of memory for a timer");
        return;
    }
    begin_connecting(c, NULL);
}

struct pg *pg_connect(struct loop *l, const char *conninfo, int64_t timeout_ms, struct pg_answer *a,
                      pg_fn fn, void *arg, struct err *e)
{
    struct pg *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)err_set(e, ERR_NOMEM, "out of memory for a connection to the database");
        return NULL;
    }
    memset(a, 0, sizeof *a);
    c->loop = l;
    c->kind = PG_CONNECT;
    c->answer = a;
    c->fn = fn;
    c->arg = arg;
    c->connect_ms = timeout_ms;
    timer_init(&c->deadline, l, on_start, c);
    c->texts = map_new();
    int rc = c->texts != NULL ? read_conninfo(c, conninfo, e)
                              : err_set(e, ERR_NOMEM, "out of memory for a connection");
    if (rc == 0) {
        const char *host = pg_wanted(c, "host");
        if (host == NULL || host[0] == '/' || host[0] == '@' || pg_wanted(c, "hostaddr") != NULL) {
            rc = timer_start_io(&c->deadline, 0);
        } else {
            timer_init(&c->deadline, l, on_deadline, c);
            rc = timer_start_io(&c->deadline, timeout_ms);
            rc = rc == 0 ? look_up(c, host, e) : rc;
        }
        if (rc == ERR_NOMEM) {
            (void)err_set(e, rc, "out of memory for a connection to the database");
        }
    }
    if (rc != 0) {
        pg_close(c);
        return NULL;
    }
    return c;
}
