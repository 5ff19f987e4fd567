/* SPDX-License-Identifier: MIT
 *
 * perigee.ws: WebSocket clients. Messages wait in the connection's inbox (link.h) until they are
 * read, so none is lost between two calls of recv. The server side is in bind_httpd_ws.c.
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/bind_ws.h"
#include "script/domain.h"

#define MAX_MESSAGE (16u << 20) /* bytes, unless told */

static void kind_close(void *raw, unsigned code)
{
    ws_close(raw, code);
}

static int kind_send(void *raw, uint8_t type, const void *p, size_t n, bool text)
{
    (void)type;
    return ws_send(raw, p, n, text);
}

static size_t kind_pending(const void *raw)
{
    return ws_pending(raw);
}

const struct link_kind ws_link_kind = {
    .meta = "perigee.ws.conn",
    .source = "ws",
    .close = kind_close,
    .send = kind_send,
    .pending = kind_pending,
};

static bool on_opened(void *arg, struct ws_conn *c, const char *path)
{
    (void)path;
    link_opened(arg, c);
    return true; /* a connection that is no longer wanted is closing already */
}

static void on_message(void *arg, struct ws_conn *c, const char *p, size_t n, bool text)
{
    (void)c;
    (void)text;
    link_message(arg, 0, p, n);
}

static void on_closed(void *arg, struct ws_conn *c, int error)
{
    (void)c;
    link_closed(arg, error);
}

static const struct ws_events events = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

/* connect(url[, max_message]) */
static int l_connect(lua_State *L)
{
    struct err e;
    struct ws_context *context = BIND_SERVICE(L, ws);
    const char *url = luaL_checkstring(L, 1);
    lua_Integer max = luaL_optinteger(L, 2, MAX_MESSAGE);
    luaL_argcheck(L, max >= 1 && max <= (1 << 30), 2, "a size is 1 byte to 1 GiB");
    lua_settop(L, 1);
    struct link **box = link_push_handle(L, &ws_link_kind);
    struct task_op *op = task_begin(L, "ws.connect");
    struct link *k = link_new(host_of(L), &ws_link_kind);
    if (k == NULL) {
        task_abandon(op);
        return push_err(L, ERR_NOMEM, "out of memory for a connection", "ws", "safe");
    }
    k->op = op;
    k->refs++; /* ours, until the handle has it: closed() may come before ws_connect returns */
    struct ws_conn *c = ws_connect(context, url, (size_t)max, &events, k, &e);
    if (c == NULL) {
        k->refs = 1;
        link_unref(k);
        task_abandon(op);
        return push_err(L, e.code, e.message, "ws", e.code == ERR_INPUT ? "no" : "safe");
    }
    *box = k;
    k->raw = k->ended ? NULL : c;
    return link_wait_open(L, k, op);
}

static const luaL_Reg functions[] = {{"connect", l_connect}, {NULL, NULL}};

int luaopen_perigee_ws(lua_State *L)
{
    link_open_meta(L, &ws_link_kind);
    luaL_newlib(L, functions);
    return 1;
}
