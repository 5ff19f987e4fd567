/* SPDX-License-Identifier: MIT
 *
 * The order lane's connections, made by libcurl (names, proxies, TLS) and then used bare with
 * curl_easy_send and curl_easy_recv.
 *
 * Each connection has a multi of its own. When libcurl 7.88 opens a connection in a shared multi,
 * it closes those in the cache that are idle longer than CURLOPT_MAXAGE_CONN (118 s by default),
 * even with CURLOPT_FRESH_CONNECT (measured with an age of 1 s): a warm lane would lose its socket
 * below its watch and not hear of it. Names and TLS sessions are shared. The easy handle stays in
 * its multi for the connection's life: removing it closes the connection.
 */
#include "io/transport.h"

#include <stdlib.h>
#include <string.h>

#include "io/curl_pump.h"

struct transport_curl {
    struct loop *loop;
    CURLSH *share; /* names and TLS sessions */
    char *ca_file; /* NULL: the system's */
};

/* The watch on a connected socket; outlives its transport until libuv has let go of it. */
struct transport_watch {
    uv_poll_t uv;
    struct transport *owner; /* NULL: closed */
};

struct transport {
    struct transport_curl *home;
    struct curl_pump *pump;
    CURL *easy;
    const struct transport_events *events;
    void *arg;
    struct transport_watch *watch; /* NULL until connected */
    int armed;                     /* uv_poll events asked for */
    bool plain;                    /* no TLS: what has come is what poll shows */
    char error[CURL_ERROR_SIZE];   /* libcurl's sentence on a failed connect */
};

struct transport_curl *transport_curl_new(struct loop *l, const char *ca_file, struct err *e)
{
    struct transport_curl *c = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        c = calloc(1, sizeof *c);
    }
    if (c != NULL) {
        c->loop = l;
        c->share = curl_share_init();
        c->ca_file = ca_file ? strdup(ca_file) : NULL;
    }
    if (c == NULL || c->share == NULL || (ca_file != NULL && c->ca_file == NULL)) {
        transport_curl_free(c);
        (void)err_set(e, ERR_NOMEM, "out of memory for order connections");
        return NULL;
    }
    (void)curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    (void)curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return c;
}

void transport_curl_free(struct transport_curl *c)
{
    if (c != NULL) {
        if (c->share != NULL) {
            (void)curl_share_cleanup(c->share);
        }
        free(c->ca_file);
        free(c);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct transport_watch *w = handle->data;
    bool broken = status < 0; /* reading tells how */
    if (w->owner != NULL && (broken || (events & (UV_READABLE | UV_DISCONNECT)))) {
        w->owner->events->readable(w->owner->arg);
    }
    if (w->owner != NULL && (events & UV_WRITABLE) && (w->owner->armed & UV_WRITABLE)) {
        w->owner->events->writable(w->owner->arg);
    }
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Watches the connected socket. */
static int watch(struct transport *t)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD) {
        return ERR_CLOSED;
    }
    struct transport_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return ERR_NOMEM;
    }
    if (uv_poll_init_socket(&t->home->loop->uv, &w->uv, fd) != 0) {
        free(w);
        return ERR_IO;
    }
    w->uv.data = w;
    w->owner = t;
    t->watch = w;
    t->armed = UV_READABLE;
    return uv_poll_start(&w->uv, t->armed, on_poll) == 0 ? 0 : ERR_IO;
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct transport *t = arg;
    int rc = curl_pump_error(result);
    const char *message = t->error[0] ? t->error : curl_easy_strerror(result);
    (void)easy;
    if (rc == 0) {
        rc = watch(t);
        message = rc == 0 ? "" : "the connection was lost as soon as it was made";
    }
    t->events->opened(t->arg, rc, message);
}

static void curl_close(struct transport *t)
{
    if (t->watch != NULL) {
        t->watch->owner = NULL;
        uv_poll_stop(&t->watch->uv);
        uv_close((uv_handle_t *)&t->watch->uv, on_watch_closed);
    }
    if (t->easy != NULL) {
        if (t->pump != NULL) {
            (void)curl_multi_remove_handle(curl_pump_multi(t->pump), t->easy);
        }
        curl_easy_cleanup(t->easy);
    }
    curl_pump_free(t->pump);
    free(t);
}

static int set_up(struct transport *t, const char *origin, struct err *e)
{
    int rc = curl_pump_prepare(t->easy, origin, t->home->ca_file, e);
    if (rc != 0) {
        return rc;
    }
    (void)curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_SHARE, t->home->share);
    (void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    if (curl_multi_add_handle(curl_pump_multi(t->pump), t->easy) != CURLM_OK) {
        return err_set(e, ERR_FAILED, "cannot begin a connection to %s", origin);
    }
    return 0;
}

static int curl_open(void *ctx, struct loop *l, const char *origin,
                     const struct transport_events *events, void *arg, struct transport **out,
                     struct err *e)
{
    struct transport_curl *home = ctx;
    struct transport *t = calloc(1, sizeof *t);
    *out = NULL;
    if (t == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a connection to %s", origin);
    }
    t->home = home;
    t->plain = strncmp(origin, "http://", 7) == 0;
    t->events = events;
    t->arg = arg;
    t->pump = curl_pump_new(l, on_done, t, e);
    t->easy = curl_easy_init();
    int rc = t->pump == NULL || t->easy == NULL
                 ? err_set(e, ERR_NOMEM, "out of memory for a connection to %s", origin)
                 : set_up(t, origin, e);
    if (rc != 0) {
        curl_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

static ssize_t curl_send(struct transport *t, const void *p, size_t n)
{
    size_t did = 0;
    CURLcode rc = curl_easy_send(t->easy, p, n, &did);
    if (rc == CURLE_AGAIN || (rc == CURLE_OK && did == 0)) {
        return TRANSPORT_AGAIN;
    }
    return rc == CURLE_OK ? (ssize_t)did : ERR_CLOSED;
}

static ssize_t curl_recv(struct transport *t, void *p, size_t n)
{
    size_t did = 0;
    CURLcode rc = curl_easy_recv(t->easy, p, n, &did);
    if (rc == CURLE_AGAIN) {
        return TRANSPORT_AGAIN;
    }
    return rc == CURLE_OK ? (ssize_t)did : ERR_CLOSED;
}

static void curl_want_write(struct transport *t, bool on)
{
    int events = UV_READABLE | (on ? UV_WRITABLE : 0);
    if (t->watch != NULL && events != t->armed) {
        t->armed = events;
        (void)uv_poll_start(&t->watch->uv, events, on_poll);
    }
}

static bool curl_holds(const struct transport *t)
{
    return !t->plain;
}

const struct transport_ops transport_curl_ops = {
    .name = "curl",
    .open = curl_open,
    .send = curl_send,
    .recv = curl_recv,
    .want_write = curl_want_write,
    .holds = curl_holds,
    .close = curl_close,
};
