/* SPDX-License-Identifier: MIT
 *
 * perigee.sock: framed messages over Unix sockets, both sides (link.h). An open server lives until
 * it is closed, even if nobody keeps its handle.
 */
#include <lauxlib.h>
#include <stdlib.h>

#include "io/sock.h"
#include "script/bind.h"
#include "script/domain.h"
#include "script/link.h"

#define SERVER_META "perigee.sock.server"
#define SEND_LIMIT (16 << 20) /* bytes that may pile up for a peer that does not read */

struct sock_listener {
    struct endpoint ep;         /* first member; counted */
    struct sock_server *server; /* NULL once shut */
};

static void kind_close(void *raw, unsigned code)
{
    (void)code;
    sock_close(raw);
}

static int kind_send(void *raw, uint8_t type, const void *p, size_t n, bool text)
{
    (void)text;
    return sock_send(raw, type, p, n);
}

static size_t kind_pending(const void *raw)
{
    return sock_pending(raw);
}

static const struct link_kind sock_link_kind = {
    .meta = "perigee.sock.conn",
    .source = "sock",
    .typed = true,
    .close = kind_close,
    .send = kind_send,
    .pending = kind_pending,
};

/* ---- client ---- */

static void client_opened(void *arg, struct sock_conn *c)
{
    link_opened(arg, c);
}

static void client_frame(void *arg, struct sock_conn *c, uint8_t type, const void *p, size_t n)
{
    (void)c;
    link_message(arg, type, p, n);
}

static void client_closed(void *arg, struct sock_conn *c, int error)
{
    (void)c;
    link_closed(arg, error);
}

static const struct sock_events client_events = {
    .opened = client_opened, .frame = client_frame, .closed = client_closed};

static int l_connect(lua_State *L)
{
    struct err e;
    struct loop *loop = BIND_SERVICE(L, loop);
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    struct link **box = link_push_handle(L, &sock_link_kind);
    struct task_op *op = task_begin(L, "sock.connect");
    struct link *k = link_new(host_of(L), &sock_link_kind);
    if (k == NULL) {
        task_abandon(op);
        return push_err(L, ERR_NOMEM, "out of memory for a connection", "sock", "safe");
    }
    struct sock_conn *c = sock_connect(loop, path, &client_events, k, &e);
    if (c == NULL) {
        link_unref(k);
        task_abandon(op);
        return push_err(L, e.code, e.message, "sock", e.code == ERR_INPUT ? "no" : "safe");
    }
    k->op = op;
    k->refs++; /* the handle's */
    k->raw = c;
    *box = k;
    return link_wait_open(L, k, op);
}

/* ---- server ---- */

static void server_opened(void *arg, struct sock_conn *c)
{
    struct endpoint *ep = arg;
    struct link *k = ep->host != NULL ? link_new(ep->host, &sock_link_kind) : NULL;
    sock_set_data(c, k);
    if (k == NULL) {
        sock_close(c);
        return;
    }
    k->endpoint = ep;
    ep->refs++;
    ep->links++;
    k->raw = c;
    endpoint_post_opened(k);
}

static void server_frame(void *arg, struct sock_conn *c, uint8_t type, const void *p, size_t n)
{
    (void)arg;
    struct link *k = sock_data(c);
    if (k != NULL) {
        link_message(k, type, p, n);
    }
}

static void server_closed(void *arg, struct sock_conn *c, int error)
{
    (void)arg; /* perhaps freed: the link holds its endpoint itself */
    struct link *k = sock_data(c);
    if (k != NULL) {
        link_closed(k, error);
    }
}

static const struct sock_events server_events = {
    .opened = server_opened, .frame = server_frame, .closed = server_closed};

static void listener_shut(struct endpoint *ep)
{
    struct sock_listener *s = (struct sock_listener *)(void *)ep;
    sock_server_free(s->server);
    s->server = NULL;
}

static int s_close(lua_State *L)
{
    struct sock_listener **box = luaL_checkudata(L, 1, SERVER_META);
    if (*box != NULL) {
        endpoint_close(L, &(*box)->ep);
    }
    return 0;
}

static int s_gc(lua_State *L)
{
    struct sock_listener **box = luaL_checkudata(L, 1, SERVER_META);
    struct sock_listener *s = *box;
    if (s != NULL) {
        *box = NULL;
        s->ep.host = NULL;
        s->ep.links++; /* the face goes with the state */
        endpoint_close(L, &s->ep);
        endpoint_unref(&s->ep);
    }
    return 0;
}

static void copy_function(lua_State *L, int face, const char *from, const char *to)
{
    int type = lua_getfield(L, 1, from);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "sock.listen.%s: a function expected, got %s", from, luaL_typename(L, -1));
    }
    lua_setfield(L, face, to);
}

static int l_listen(lua_State *L)
{
    static const char *const fields[] = {"path", "opened", "frame", "closed", "limit", NULL};
    struct err e;
    struct loop *loop = BIND_SERVICE(L, loop);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "sock.listen", fields);
    const char *path = domain_string(L, 1, "sock.listen", "path");
    lua_Integer limit = domain_integer(L, 1, "sock.listen", "limit", SEND_LIMIT);
    luaL_argcheck(L, limit >= 1, 1, "limit is above 0");
    struct sock_listener **box = lua_newuserdatauv(L, sizeof *box, 0); /* 2 */
    *box = NULL;
    luaL_setmetatable(L, SERVER_META);
    endpoint_new_face(L); /* 3 */
    copy_function(L, 3, "opened", "opened");
    copy_function(L, 3, "frame", "message");
    copy_function(L, 3, "closed", "closed");
    lua_pushvalue(L, 2);
    lua_setfield(L, 3, "self");
    struct sock_listener *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return luaL_error(L, "out of memory for a server");
    }
    *box = s;
    s->ep.refs = 1;
    s->ep.face = LUA_NOREF;
    s->ep.host = host_of(L);
    s->ep.shut = listener_shut;
    s->ep.face = luaL_ref(L, LUA_REGISTRYINDEX);
    s->server = sock_listen(loop, path, (size_t)limit, &server_events, &s->ep, &e);
    if (s->server == NULL) {
        endpoint_close(L, &s->ep);
        return push_err(L, e.code, e.message, "sock.listen", "no");
    }
    return 1;
}

static const luaL_Reg server_methods[] = {{"close", s_close}, {NULL, NULL}};
static const luaL_Reg server_meta[] = {{"__gc", s_gc}, {"__close", s_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"connect", l_connect}, {"listen", l_listen}, {NULL, NULL}};

int luaopen_perigee_sock(lua_State *L)
{
    link_open_meta(L, &sock_link_kind);
    luaL_newmetatable(L, SERVER_META);
    luaL_setfuncs(L, server_meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, server_methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
