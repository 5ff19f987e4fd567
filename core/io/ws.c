/* SPDX-License-Identifier: MIT
 *
 * WebSockets: the libwebsockets context on our loop, connections, messages.
 *
 * The library is given the uv loop and never listens: servers get their sockets from the HTTP
 * front. One lws_write for each writeable callback, as the library demands. Its own log is silent
 * (it reports each adopted socket as an error); what matters arrives as events.
 */
#include "io/ws_inner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RX_BUFFER 16384        /* bytes per connection */
#define KEEP_BUFFER (1u << 16) /* larger joining buffers are given back */
#define TURNS_TO_CLOSE 4       /* two are needed */
#define MAX_FDS 16384          /* highest descriptor the library can hold */

struct ws_conn *ws_conn_new(struct ws_context *c, const struct ws_events *events, void *arg,
                            size_t max_message)
{
    struct ws_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->context = c;
    conn->events = *events;
    conn->arg = arg;
    conn->max_message = max_message;
    str_init(&conn->in);
    conn->next = c->conns;
    if (conn->next)
        conn->next->prev = conn;
    c->conns = conn;
    return conn;
}

void ws_conn_drop(struct ws_conn *c)
{
    if (c->wsi)
        lws_set_opaque_user_data(c->wsi, NULL);
    c->wsi = NULL;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->context->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->prev = c->next = NULL;
    if (c->server)
        c->server->count--;
    while (c->first) {
        struct ws_message *m = c->first;
        c->first = m->next;
        free(m);
    }
    str_fini(&c->in);
    free(c->path);
    free(c->tag);
    free(c->host);
    free(c->authority);
    c->path = c->tag = c->host = c->authority = NULL;
    c->dead = true;
    if (c->resolving)
        uv_cancel((uv_req_t *)&c->resolve); /* its callback frees */
    else
        free(c);
}

void ws_kill(struct ws_context *c, struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    lws_cancel_service(c->lws);
}

void ws_conn_finish(struct ws_conn *c, int error)
{
    /* Out of reach first: closed() may do anything. */
    if (c->wsi)
        lws_set_opaque_user_data(c->wsi, NULL);
    c->wsi = NULL;
    c->closing = true;
    if ((c->open || !c->server) && c->events.closed)
        c->events.closed(c->arg, c, error);
    ws_conn_drop(c);
}

/* ---- events of the library ---- */

static int established(struct lws *wsi, struct ws_conn *c)
{
    c->wsi = wsi;
    c->open = true;
    bool wanted = c->events.opened ? c->events.opened(c->arg, c, c->path ? c->path : "") : true;
    if (lws_get_opaque_user_data(wsi) != c)
        return -1;
    if (!wanted) {
        ws_conn_drop(c);
        return -1;
    }
    if (c->first || c->closing)
        lws_callback_on_writable(wsi);
    return 0;
}

static int too_large(struct lws *wsi, struct ws_conn *c)
{
    c->error = ERR_LIMIT;
    lws_close_reason(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
    return -1;
}

/* Hands a joined message on. The buffer is taken out meanwhile: the event may free c. */
static int deliver_joined(struct lws *wsi, struct ws_conn *c)
{
    struct str whole = c->in;
    str_init(&c->in);
    c->events.message(c->arg, c, whole.p ? whole.p : "", whole.len, c->in_text);
    bool alive = lws_get_opaque_user_data(wsi) == c;
    if (alive && whole.cap <= KEEP_BUFFER) {
        str_clear(&whole);
        c->in = whole;
    } else {
        str_fini(&whole);
    }
    return alive ? 0 : -1;
}

static int receive(struct lws *wsi, struct ws_conn *c, const char *p, size_t n)
{
    bool first = lws_is_first_fragment(wsi) != 0;
    bool final = lws_is_final_fragment(wsi) != 0;
    if (first) {
        c->in_text = !lws_frame_is_binary(wsi);
        str_clear(&c->in);
    }
    if (n > c->max_message - c->in.len)
        return too_large(wsi, c);
    if (first && final) {
        c->events.message(c->arg, c, n ? p : "", n, c->in_text);
        return lws_get_opaque_user_data(wsi) == c ? 0 : -1;
    }
    str_add(&c->in, p, n);
    if (c->in.failed)
        return too_large(wsi, c);
    return final ? deliver_joined(wsi, c) : 0;
}

static int writeable(struct lws *wsi, struct ws_conn *c)
{
    struct ws_message *m = c->first;
    if (m) {
        c->first = m->next;
        if (!c->first)
            c->last = NULL;
        c->pending -= m->n;
        int sent =
            lws_write(wsi, m->room + LWS_PRE, m->n, m->text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
        bool whole = sent >= 0 && (size_t)sent >= m->n;
        free(m);
        if (!whole)
            return -1;
    }
    if (c->first || (m && c->closing)) {
        lws_callback_on_writable(wsi);
    } else if (c->closing) {
        /* A callback for writing that asks for the end gets it without a close frame: the library
         * takes the socket for broken. Its timer callback may ask. */
        lws_set_timer_usecs(wsi, 1);
    } else if (m && c->events.drained) {
        c->events.drained(c->arg, c);
        return lws_get_opaque_user_data(wsi) == c ? 0 : -1;
    }
    return 0;
}

static int close_in_order(struct lws *wsi, const struct ws_conn *c)
{
    unsigned code = c->close_code ? c->close_code : LWS_CLOSE_STATUS_NORMAL;
    lws_close_reason(wsi, (enum lws_close_status)code, NULL, 0);
    return -1;
}

static void failed_to_connect(struct ws_conn *c, const char *why, size_t n)
{
    log_write(c->context->loop->log, LOG_INFO, "ws", "cannot open a WebSocket to %s: %.*s",
              c->authority ? c->authority : "a server", (int)n, why ? why : "");
    if (c->error == 0)
        c->error = ERR_UNREACHABLE;
    if (!c->connecting) /* else the caller of the library finishes */
        ws_conn_finish(c, c->error);
}

static void ended(struct ws_conn *c)
{
    int error = c->error;
    if (error == 0 && !c->open)
        error = c->server ? ERR_CLOSED : ERR_UNREACHABLE;
    if (error == 0 && !c->closing && !c->peer_closed)
        error = ERR_CLOSED;
    if (c->connecting)
        c->error = error;
    else
        ws_conn_finish(c, error);
}

/* A new handle shows itself: bind the connection that waits for it. */
static void bind_adopted(struct lws *wsi)
{
    struct ws_context *context = lws_context_user(lws_get_context(wsi));
    struct ws_conn *c = context ? context->adopting : NULL;
    if (!c)
        return;
    context->adopting = NULL;
    c->wsi = wsi;
    lws_set_opaque_user_data(wsi, c);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
    (void)user;
    struct ws_conn *c = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED && !c)
        bind_adopted(wsi);
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return c ? established(wsi, c) : -1;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return c ? receive(wsi, c, in, n) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return c ? writeable(wsi, c) : -1;
    case LWS_CALLBACK_TIMER:
        return c && c->closing ? close_in_order(wsi, c) : 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (c)
            c->peer_closed = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (c)
            failed_to_connect(c, in, in ? n : 0);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        if (c)
            ended(c);
        return 0;
    default:
        return 0;
    }
}

/* ---- the context ---- */

static const struct lws_protocols protocols[] = {
    {.name = WS_PROTOCOL, .callback = on_lws, .rx_buffer_size = RX_BUFFER},
    {.name = NULL},
};

struct lws_vhost *ws_vhost_new(struct ws_context *c, bool tls)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = tls ? CONTEXT_PORT_NO_LISTEN : CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = tls ? "tls" : "plain";
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_LIBUV;
    if (tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.alpn = "http/1.1"; /* else HTTP/2 is offered */
    }
    return lws_create_vhost(c->lws, &info);
}

/* The library reserves sixteen bytes for each descriptor the process may have: with a limit of a
 * million that would be 16 MiB. So it sees a lower limit while it is made. */
static struct lws_context *make_context(const struct lws_context_creation_info *info)
{
    struct rlimit limit, low;
    bool lower = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > MAX_FDS;
    if (lower) {
        low = limit;
        low.rlim_cur = MAX_FDS;
        lower = setrlimit(RLIMIT_NOFILE, &low) == 0;
    }
    struct lws_context *made = lws_create_context(info);
    if (lower)
        setrlimit(RLIMIT_NOFILE, &limit);
    return made;
}

struct ws_context *ws_context_new(struct loop *l, struct err *e)
{
    struct ws_context *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(e, ERR_NOMEM, "no memory for WebSockets");
        return NULL;
    }
    c->loop = l;
    void *loops[1] = {&l->uv};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_VALIDATE_UTF8;
    info.foreign_loops = loops;
    info.pt_serv_buf_size = RX_BUFFER;
    info.user = c;
    lws_set_log_level(0, NULL);
    c->lws = make_context(&info);
    if (c->lws)
        c->plain = ws_vhost_new(c, false);
    if (!c->plain) {
        ws_context_free(c);
        err_set(e, ERR_FAILED,
                "libwebsockets cannot start on libuv; is the package "
                "libwebsockets-evlib-uv installed?");
        return NULL;
    }
    return c;
}

/* On a loop that is not its own the library cannot tell when its handles are gone: sockets close in
 * the first turn after the destroy, its timer and idle handle in the second. So an empty handle is
 * closed again and again to count turns, and then the destroy is asked for a second time, which
 * frees. */
static void on_turn(uv_handle_t *handle)
{
    struct ws_context *c = handle->data;
    if (++c->turns < TURNS_TO_CLOSE) {
        uv_idle_init(handle->loop, &c->turn);
        uv_close((uv_handle_t *)&c->turn, on_turn);
        return;
    }
    lws_context_destroy(c->lws);
    free(c);
}

void ws_context_free(struct ws_context *c)
{
    if (!c)
        return;
    while (c->conns)
        ws_conn_finish(c->conns, ERR_CANCELLED);
    if (!c->lws) {
        free(c);
        return;
    }
    lws_context_destroy(c->lws);
    c->turn.data = c;
    uv_idle_init(&c->loop->uv, &c->turn);
    uv_close((uv_handle_t *)&c->turn, on_turn);
}

/* ---- what callers do with a connection ---- */

int ws_send(struct ws_conn *c, const void *p, size_t n, bool text)
{
    if (c->closing || c->dead)
        return ERR_STATE;
    struct ws_message *m = malloc(sizeof *m + LWS_PRE + n);
    if (!m)
        return ERR_NOMEM;
    m->next = NULL;
    m->n = n;
    m->text = text;
    if (n)
        memcpy(m->room + LWS_PRE, p, n);
    bool idle = !c->first;
    if (idle)
        c->first = m;
    else
        c->last->next = m;
    c->last = m;
    c->pending += n;
    if (idle && c->open && c->wsi)
        lws_callback_on_writable(c->wsi);
    return 0;
}

size_t ws_pending(const struct ws_conn *c)
{
    return c->pending;
}

void ws_close(struct ws_conn *c, unsigned code)
{
    if (c->closing)
        return;
    c->closing = true;
    c->close_code = code;
    if (c->open && c->wsi) {
        lws_callback_on_writable(c->wsi);
        return;
    }
    c->error = ERR_CANCELLED;
    if (c->wsi)
        ws_kill(c->context, c->wsi);
    else if (c->resolving)
        uv_cancel((uv_req_t *)&c->resolve);
}

void ws_set_data(struct ws_conn *c, void *data)
{
    c->data = data;
}

void *ws_data(const struct ws_conn *c)
{
    return c->data;
}

const char *ws_tag(const struct ws_conn *c)
{
    return c->tag ? c->tag : "";
}
