/* SPDX-License-Identifier: MIT
 *
 * The WebSocket side of perigee.httpd. `opened` is asked inside the library's callback, because its
 * answer decides; messages and ends come as posts, in order.
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/bind_ws.h"
#include "script/domain.h"

#define MAX_MESSAGE (1u << 20) /* bytes, unless told */

struct opened_call {
    struct link *link;
    const char *path, *tag;
    bool wanted;
};

static int call_opened(lua_State *L)
{
    struct opened_call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    endpoint_add_link(L, c->link);
    endpoint_push_face(L, c->link->endpoint);
    if (lua_getfield(L, -1, "opened") != LUA_TFUNCTION) {
        c->wanted = true;
        return 0;
    }
    lua_pushvalue(L, 1);
    lua_pushstring(L, c->path);
    lua_pushstring(L, c->tag);
    lua_call(L, 3, 1);
    c->wanted = lua_toboolean(L, -1);
    return 0;
}

static int forget_refused(lua_State *L)
{
    struct opened_call *c = lua_touserdata(L, 1);
    endpoint_forget_link(L, c->link);
    return 0;
}

/* On the main thread's stack, protected; an error refuses. */
static bool ask_opened(struct link *k, const char *path, const char *tag)
{
    lua_State *L = k->host->L;
    struct opened_call call = {.link = k, .path = path, .tag = tag};
    if (!lua_checkstack(L, 8)) {
        return false;
    }
    lua_pushcfunction(L, call_opened);
    lua_pushlightuserdata(L, &call);
    bool ok = domain_call(L, 1, 0, "httpd");
    if (ok && call.wanted) {
        return true;
    }
    lua_pushcfunction(L, forget_refused);
    lua_pushlightuserdata(L, &call);
    (void)domain_call(L, 1, 0, "httpd");
    return false;
}

static bool on_opened(void *arg, struct ws_conn *c, const char *path)
{
    struct endpoint *ep = arg;
    if (ep->closed || ep->host == NULL || ep->host->tasks == NULL) {
        return false;
    }
    struct link *k = link_new(ep->host, &ws_link_kind);
    if (k == NULL) {
        return false;
    }
    k->endpoint = ep;
    ep->refs++;
    ep->links++;
    k->raw = c;
    ws_set_data(c, k);
    ep->busy = true;
    bool wanted = ask_opened(k, path, ws_tag(c));
    ep->busy = false;
    if (!wanted) {
        ws_set_data(c, NULL);
        k->raw = NULL;
        k->ended = true;
        link_unref(k);
    }
    return wanted;
}

static void on_message(void *arg, struct ws_conn *c, const char *p, size_t n, bool text)
{
    (void)arg;
    (void)text;
    link_message(ws_data(c), 0, p, n);
}

static void on_closed(void *arg, struct ws_conn *c, int error)
{
    (void)arg;
    struct link *k = ws_data(c);
    if (k != NULL) {
        link_closed(k, error);
    }
}

static const struct ws_events events = {
    .opened = on_opened, .message = on_message, .closed = on_closed};

int httpd_ws_open(lua_State *L, int index, struct httpd *h, bool *check, struct err *e)
{
    static const char *const fields[] = {"opened", "message",     "closed",
                                         "check",  "max_message", NULL};
    struct ws_context *context = BIND_SERVICE(L, ws);
    luaL_argcheck(L, lua_istable(L, index), 1, "ws is a table");
    domain_only(L, index, "ws", fields);
    for (int i = 0; i < 4; i++) {
        int type = lua_getfield(L, index, fields[i]);
        luaL_argcheck(L, type == LUA_TNIL || type == LUA_TFUNCTION, 1,
                      "opened, message, closed and check are functions");
        *check = *check || (i == 3 && type == LUA_TFUNCTION);
        lua_setfield(L, -2, fields[i]);
    }
    lua_Integer max = domain_integer(L, index, "ws", "max_message", MAX_MESSAGE);
    luaL_argcheck(L, max >= 1 && max <= (1 << 30), 1, "max_message is 1 byte to 1 GiB");
    h->ws = ws_server_new(context, (size_t)max, &events, &h->ep, e);
    return h->ws != NULL ? 0 : e->code;
}
