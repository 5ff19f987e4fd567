/* SPDX-License-Identifier: MIT
 *
 * The server side of WebSockets: sockets that the HTTP front hands over.
 */
#include "io/ws_inner.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ws_server *ws_server_new(struct ws_context *c, size_t max_message,
                                const struct ws_events *events, void *arg, struct err *e)
{
    struct ws_server *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ERR_NOMEM, "no memory for a WebSocket server");
        return NULL;
    }
    s->context = c;
    s->events = *events;
    s->arg = arg;
    s->max_message = max_message;
    return s;
}

void ws_server_free(struct ws_server *s)
{
    if (!s)
        return;
    for (struct ws_conn *c = s->context->conns, *next; c; c = next) {
        next = c->next;
        if (c->server != s)
            continue;
        struct lws *wsi = c->wsi;
        if (wsi) /* the library may be at work on this handle: it ends it on a later turn */
            ws_kill(s->context, wsi);
        ws_conn_finish(c, ERR_CANCELLED);
    }
    free(s);
}

unsigned ws_server_count(const struct ws_server *s)
{
    return s->count;
}

int ws_server_adopt(struct ws_server *s, int fd, const char *request, size_t n, const char *path,
                    const char *tag)
{
    struct ws_context *context = s->context;
    struct ws_conn *c = ws_conn_new(context, &s->events, s->arg, s->max_message);
    if (!c) {
        close(fd);
        return ERR_NOMEM;
    }
    c->server = s;
    s->count++;
    c->path = strdup(path);
    c->tag = strdup(tag);
    if (!c->path || !c->tag) {
        close(fd);
        ws_conn_drop(c);
        return ERR_NOMEM;
    }
    context->adopting = c;
    struct lws *wsi = lws_adopt_socket_vhost_readbuf(context->plain, fd, request, n);
    if (context->adopting) { /* the library failed before it made a handle */
        context->adopting = NULL;
        ws_conn_drop(c);
    }
    return wsi ? 0 : ERR_CLOSED;
}
