/* SPDX-License-Identifier: MIT
 *
 * The client side of WebSockets. libwebsockets would resolve names with a blocking getaddrinfo, so
 * they are resolved by uv_getaddrinfo first; the library gets the address to connect to and the
 * name for the Host header and the certificate.
 */
#include "io/ws_inner.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool url_safe(const char *url)
{
    for (; *url; url++)
        if ((unsigned char)*url <= ' ' || (unsigned char)*url > 126)
            return false;
    return true;
}

/* Takes "ws://host:port/path" apart. 0 or ERR_INPUT. */
static int take_url(struct ws_conn *c, const char *url)
{
    c->tls = strncmp(url, "wss://", 6) == 0;
    if (!url_safe(url) || (!c->tls && strncmp(url, "ws://", 5) != 0))
        return ERR_INPUT;
    const char *authority = url + (c->tls ? 6 : 5);
    size_t n = strcspn(authority, "/?#");
    const char *path = authority + n;
    if (n == 0 || strchr(path, '#') || memchr(authority, '@', n))
        return ERR_INPUT;
    c->authority = strndup(authority, n);
    c->path = *path == '/' ? strdup(path) : NULL;
    if (!c->path && asprintf(&c->path, "/%s", path) < 0)
        c->path = NULL;
    if (!c->authority || !c->path)
        return ERR_NOMEM;
    const char *host = c->authority;
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end)
        return ERR_INPUT;
    const char *port = host[0] == '[' ? end + 1 : end;
    host += host[0] == '[';
    c->port = c->tls ? 443 : 80;
    if (*port) {
        char *rest;
        unsigned long number = strtoul(port + 1, &rest, 10);
        if (*port != ':' || port[1] < '0' || port[1] > '9' || *rest || number == 0 ||
            number > 65535)
            return ERR_INPUT;
        c->port = (uint16_t)number;
    }
    c->host = strndup(host, (size_t)(end - host));
    return !c->host ? ERR_NOMEM : c->host[0] ? 0 : ERR_INPUT;
}

static void connect_to(struct ws_conn *c, const char *address)
{
    struct ws_context *context = c->context;
    if (c->tls && !context->tls)
        context->tls = ws_vhost_new(context, true);
    struct lws_client_connect_info info;
    memset(&info, 0, sizeof info);
    info.context = context->lws;
    info.vhost = c->tls ? context->tls : context->plain;
    info.address = address;
    info.port = c->port;
    info.host = c->authority;
    info.path = c->path;
    info.ssl_connection = c->tls ? LCCSCF_USE_SSL : 0;
    info.local_protocol_name = WS_PROTOCOL;
    info.pwsi = &c->wsi;
    info.opaque_user_data = c;
    /* The library may fail, and say so, before the call returns. */
    c->connecting = true;
    struct lws *wsi = info.vhost ? lws_client_connect_via_info(&info) : NULL;
    c->connecting = false;
    if (!wsi || c->error) {
        c->wsi = wsi;
        if (wsi)
            ws_kill(context, wsi);
        ws_conn_finish(c, c->error ? c->error : ERR_UNREACHABLE);
    } else {
        lws_cancel_service(context->lws); /* arms its time-outs, see ws_kill */
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct ws_conn *c = req->data;
    char address[INET6_ADDRSTRLEN] = "";
    c->resolving = false;
    for (const struct addrinfo *a = found; a && status == 0; a = a->ai_next) {
        if (a->ai_family == AF_INET) { /* IPv4 first: it works in more places */
            uv_ip4_name((const struct sockaddr_in *)a->ai_addr, address, sizeof address);
            break;
        }
        if (a->ai_family == AF_INET6 && !address[0])
            uv_ip6_name((const struct sockaddr_in6 *)a->ai_addr, address, sizeof address);
    }
    uv_freeaddrinfo(found);
    if (c->dead) {
        free(c);
    } else if (c->closing) {
        ws_conn_finish(c, ERR_CANCELLED);
    } else if (!address[0]) {
        log_write(c->context->loop->log, LOG_INFO, "ws", "cannot resolve %s: %s", c->host,
                  status ? uv_strerror(status) : "no address");
        ws_conn_finish(c, ERR_UNREACHABLE);
    } else {
        connect_to(c, address);
    }
}

struct ws_conn *ws_connect(struct ws_context *context, const char *url, size_t max_message,
                           const struct ws_events *events, void *arg, struct err *e)
{
    struct ws_conn *c = ws_conn_new(context, events, arg, max_message);
    int failed = c ? take_url(c, url) : ERR_NOMEM;
    if (failed == ERR_INPUT)
        err_set(e, ERR_INPUT, "'%s' is no WebSocket URL; it looks like ws://host:port/path", url);
    else if (failed)
        err_set(e, failed, "no memory for a WebSocket");
    if (failed) {
        if (c)
            ws_conn_drop(c);
        return NULL;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    c->resolve.data = c;
    int status =
        uv_getaddrinfo(&context->loop->uv, &c->resolve, on_resolved, c->host, NULL, &hints);
    if (status) {
        err_set(e, ERR_UNREACHABLE, "cannot resolve %s: %s", c->host, uv_strerror(status));
        ws_conn_drop(c);
        return NULL;
    }
    c->resolving = true;
    return c;
}
