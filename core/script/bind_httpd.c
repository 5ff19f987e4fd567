/* SPDX-License-Identifier: MIT
 *
 * perigee.httpd: each request is handled by a task of its own, so a handler may wait. The front's
 * callback only queues the request; task, handle and answer are made at the next drain.
 *
 * An open server lives until it is closed (or the state ends), even if nobody keeps its handle.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/bind_httpd.h"
#include "script/domain.h"
#include "script/task_inner.h"

#define SERVER_META "perigee.httpd"

void httpd_request_unlink(struct httpd_request *q)
{
    if (q->prev != NULL) {
        q->prev->next = q->next;
    } else {
        q->server->live = q->next;
    }
    if (q->next != NULL) {
        q->next->prev = q->prev;
    }
    q->r = NULL;
}

static void answer_plain(struct httpd_request *q, int status, const char *text)
{
    static const struct http_header plain[] = {{"Content-Type", "text/plain; charset=utf-8"}};
    struct front_request *r = q->r;
    if (r == NULL) {
        return;
    }
    httpd_request_unlink(q);
    if (!q->peek) {
        front_answer(r, status, plain, 1, text, strlen(text));
    }
}

void httpd_request_free(struct httpd_request *q)
{
    answer_plain(q, 503, "the server is stopping\n");
    endpoint_unref(&q->server->ep);
    free(q);
}

/* ---- answering ---- */

/* Stack: request, status, headers, body. Raises on anything that is no answer. */
static int answer(lua_State *L)
{
    struct httpd_request *q = *(struct httpd_request **)luaL_checkudata(L, 1, HTTPD_REQUEST_META);
    size_t n = 0, count;
    int ok;
    if (q->r == NULL) {
        return 0; /* broken off, or the server was closed meanwhile */
    }
    lua_Integer status = lua_tointegerx(L, 2, &ok);
    if (!ok || status < 200 || status > 599) {
        return luaL_error(L, "a handler returns a status of 200 to 599, this one returned %s",
                          luaL_tolstring(L, 2, NULL));
    }
    const char *body = lua_tolstring(L, 4, &n);
    if (body == NULL && !lua_isnil(L, 4)) {
        return luaL_error(L, "a handler's body is a string, this one is a %s", luaL_typename(L, 4));
    }
    const struct http_header *headers = bind_check_headers(L, 3, &count);
    struct front_request *r = q->r;
    httpd_request_unlink(q);
    front_answer(r, (int)status, headers, count, body != NULL ? body : "", n);
    return 0;
}

/* Stack: request, traceback function, then the handler's status and three results, or the error. */
static int serve_end(lua_State *L, int status, lua_KContext context)
{
    struct httpd_request *q = *(struct httpd_request **)lua_touserdata(L, 1);
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD) {
        lua_pushcfunction(L, answer);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 3);
        lua_pushvalue(L, 4);
        lua_pushvalue(L, 5);
        status = lua_pcall(L, 4, 0, 2);
    }
    if (status != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        log_write(host_of(L)->services.log, LOG_ERROR, "httpd", "%s %s: %s",
                  q->r != NULL ? front_method(q->r) : "?", q->r != NULL ? front_path(q->r) : "?",
                  text != NULL ? text : "out of memory");
        answer_plain(q, 500, "internal error\n");
    }
    return 0;
}

/* The task of a request. Stack: request, handler. */
static int serve(lua_State *L)
{
    lua_pushcfunction(L, domain_traceback);
    lua_insert(L, 2);
    lua_pushvalue(L, 1);
    int status = lua_pcallk(L, 1, 3, 2, 0, serve_end);
    return serve_end(L, status, 0);
}

static void post_run(lua_State *L, struct task_post *p)
{
    struct httpd_request *q = (struct httpd_request *)(void *)p;
    struct err e;
    if (q->r == NULL) {
        return;
    }
    lua_pushcfunction(L, serve);
    struct httpd_request **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, HTTPD_REQUEST_META);
    endpoint_push_face(L, &q->server->ep);
    lua_getfield(L, -1, "handler");
    lua_remove(L, -2);
    *box = q;
    q->handed = true;
    if (task_spawn(L, 2, "httpd", &e) != 0) {
        answer_plain(q, 503, "out of memory\n");
        luaL_error(L, "%s", e.message);
    }
}

static void post_drop(struct task_post *p)
{
    struct httpd_request *q = (struct httpd_request *)(void *)p;
    if (!q->handed) {
        httpd_request_free(q);
    }
}

struct httpd_request *httpd_request_new(struct httpd *h, struct front_request *r)
{
    struct httpd_request *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return NULL;
    }
    q->post.run = post_run;
    q->post.drop = post_drop;
    q->post.what = "httpd";
    q->r = r;
    q->server = h;
    h->ep.refs++;
    q->next = h->live;
    if (q->next != NULL) {
        q->next->prev = q;
    }
    h->live = q;
    return q;
}

static void on_request(void *arg, struct front_request *r)
{
    struct httpd *h = arg;
    struct httpd_request *q = h->ep.host != NULL ? httpd_request_new(h, r) : NULL;
    if (q == NULL) {
        front_answer(r, 503, NULL, 0, "", 0);
        return;
    }
    task_post(h->ep.host, &q->post);
}

/* ---- requests in Lua ---- */

static struct front_request *check_request(lua_State *L)
{
    struct httpd_request **box = luaL_checkudata(L, 1, HTTPD_REQUEST_META);
    return *box != NULL ? (*box)->r : NULL;
}

/* nil once it was answered. */
static int push_text(lua_State *L, const char *(*get)(const struct front_request *))
{
    const struct front_request *r = check_request(L);
    lua_pushstring(L, r != NULL ? get(r) : NULL);
    return 1;
}

static int q_method(lua_State *L)
{
    return push_text(L, front_method);
}

static int q_path(lua_State *L)
{
    return push_text(L, front_path);
}

static int q_query(lua_State *L)
{
    return push_text(L, front_query);
}

static int q_peer(lua_State *L)
{
    return push_text(L, front_peer);
}

static int q_header(lua_State *L)
{
    const struct front_request *r = check_request(L);
    const char *name = luaL_checkstring(L, 2);
    lua_pushstring(L, r != NULL ? front_header(r, name) : NULL);
    return 1;
}

static int q_body(lua_State *L)
{
    const struct front_request *r = check_request(L);
    size_t n = 0;
    const char *body = r != NULL ? front_body(r, &n) : NULL;
    if (r == NULL) {
        return 0;
    }
    lua_pushlstring(L, body != NULL ? body : "", n);
    return 1;
}

static int q_gone(lua_State *L)
{
    const struct front_request *r = check_request(L);
    lua_pushboolean(L, r == NULL || front_request_gone(r));
    return 1;
}

static int q_nth(lua_State *L)
{
    const struct front_request *r = check_request(L);
    lua_pushinteger(L, r != NULL ? front_request_nth(r) : 0);
    return 1;
}

static int q_break_off(lua_State *L)
{
    static const char *const fields[] = {"status",    "headers", "body", "sent",
                                         "body_sent", "reset",   NULL};
    struct front_request *r = check_request(L);
    size_t n = 0, count;
    luaL_checktype(L, 2, LUA_TTABLE);
    domain_only(L, 2, "break_off", fields);
    lua_Integer status = domain_integer(L, 2, "break_off", "status", 200);
    lua_Integer sent = domain_integer(L, 2, "break_off", "sent", 0);
    lua_Integer body_sent = domain_integer(L, 2, "break_off", "body_sent", -1);
    bool reset = domain_bool(L, 2, "break_off", "reset");
    luaL_argcheck(L, status >= 200 && status <= 599 && sent >= 0, 2, "status or sent out of range");
    lua_settop(L, 2);
    lua_getfield(L, 2, "headers"); /* 3 */
    const struct http_header *headers = bind_check_headers(L, 3, &count);
    const char *body = domain_opt_string(L, 2, "break_off", "body", "");
    if (lua_getfield(L, 2, "body") == LUA_TSTRING) {
        body = lua_tolstring(L, -1, &n);
    }
    if (r != NULL) {
        struct httpd_request *q = *(struct httpd_request **)lua_touserdata(L, 1);
        luaL_argcheck(L, !q->peek, 1, "a request cannot be broken off while it is checked");
        httpd_request_unlink(q);
        if (body_sent < 0) {
            front_break(r, (int)status, body, n, (size_t)sent, reset);
        } else {
            front_break_body(r, (int)status, headers, count, body, n, (size_t)body_sent, reset);
        }
    }
    return 0;
}

static int q_gc(lua_State *L)
{
    struct httpd_request **box = luaL_checkudata(L, 1, HTTPD_REQUEST_META);
    if (*box != NULL) {
        struct httpd_request *q = *box;
        *box = NULL;
        httpd_request_free(q);
    }
    return 0;
}

/* ---- the server ---- */

static void server_shut(struct endpoint *ep)
{
    struct httpd *h = (struct httpd *)(void *)ep;
    while (h->live != NULL) {
        answer_plain(h->live, 503, "the server is stopping\n");
    }
    front_free(h->front);
    h->front = NULL;
    ws_server_free(h->ws);
    h->ws = NULL;
    endpoint_unref(ep); /* the callbacks' */
}

static struct httpd *check_server(lua_State *L)
{
    struct httpd **box = luaL_checkudata(L, 1, SERVER_META);
    return *box;
}

static int s_address(lua_State *L)
{
    const struct httpd *h = check_server(L);
    lua_pushstring(L, h != NULL && h->front != NULL ? front_address(h->front) : NULL);
    return 1;
}

static int s_port(lua_State *L)
{
    const struct httpd *h = check_server(L);
    if (h == NULL || h->front == NULL) {
        return 0;
    }
    lua_pushinteger(L, front_port(h->front));
    return 1;
}

static int s_idle(lua_State *L)
{
    struct httpd *h = check_server(L);
    lua_Integer ms = luaL_checkinteger(L, 2);
    luaL_argcheck(L, ms >= 0, 2, "0 or more milliseconds");
    if (h != NULL && h->front != NULL) {
        front_set_idle(h->front, ms);
    }
    return 0;
}

static int s_close(lua_State *L)
{
    struct httpd *h = check_server(L);
    if (h != NULL) {
        endpoint_close(L, &h->ep);
    }
    return 0;
}

static int s_gc(lua_State *L)
{
    struct httpd **box = luaL_checkudata(L, 1, SERVER_META);
    struct httpd *h = *box;
    if (h != NULL) {
        *box = NULL;
        h->ep.host = NULL;
        h->ep.busy = false;
        h->ep.links++; /* the face goes with the state */
        endpoint_close(L, &h->ep);
        endpoint_unref(&h->ep);
    }
    return 0;
}

static void read_config(lua_State *L, struct front_config *c)
{
    static const char *const fields[] = {"host",
                                         "port",
                                         "handler",
                                         "ws",
                                         "refused",
                                         "max_head",
                                         "max_body",
                                         "request_timeout_ms",
                                         "idle_timeout_ms",
                                         "max_connections",
                                         "max_per_address",
                                         NULL};
    domain_only(L, 1, "httpd.listen", fields);
    lua_Integer port = domain_integer(L, 1, "httpd.listen", "port", 0);
    lua_Integer head = domain_integer(L, 1, "httpd.listen", "max_head", 0);
    lua_Integer body = domain_integer(L, 1, "httpd.listen", "max_body", 0);
    lua_Integer conns = domain_integer(L, 1, "httpd.listen", "max_connections", 0);
    lua_Integer each = domain_integer(L, 1, "httpd.listen", "max_per_address", 0);
    luaL_argcheck(L, port >= 0 && port <= 65535, 1, "port is 0 to 65535");
    luaL_argcheck(L,
                  head >= 0 && head < (1 << 30) && body >= 0 && body <= (1 << 30) && conns >= 0 &&
                      conns < (1 << 20) && each >= 0 && each < (1 << 20),
                  1, "a limit is out of range");
    c->host = domain_opt_string(L, 1, "httpd.listen", "host", "127.0.0.1");
    c->port = (uint16_t)port;
    c->max_head = (size_t)head;
    c->max_body = (size_t)body;
    c->max_connections = (unsigned)conns;
    c->max_per_address = (unsigned)each;
    c->request_timeout_ms = domain_integer(L, 1, "httpd.listen", "request_timeout_ms", 0);
    c->idle_timeout_ms = domain_integer(L, 1, "httpd.listen", "idle_timeout_ms", 0);
}

static int l_listen(lua_State *L)
{
    struct err e;
    struct front_config config = {0};
    bool check = false;
    struct loop *loop = BIND_SERVICE(L, loop);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_config(L, &config);
    struct httpd **box = lua_newuserdatauv(L, sizeof *box, 0); /* 2 */
    *box = NULL;
    luaL_setmetatable(L, SERVER_META);
    struct httpd *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return luaL_error(L, "out of memory for a server");
    }
    *box = h;
    h->ep.refs = 2; /* the handle, and the callbacks until it is shut */
    h->ep.face = LUA_NOREF;
    h->ep.host = host_of(L);
    h->ep.shut = server_shut;
    endpoint_new_face(L); /* 3 */
    if (lua_getfield(L, 1, "handler") != LUA_TFUNCTION) {
        return luaL_argerror(L, 1, "handler: a function expected");
    }
    lua_setfield(L, 3, "handler");
    int refused = lua_getfield(L, 1, "refused");
    if (refused != LUA_TNIL && refused != LUA_TFUNCTION) {
        return luaL_argerror(L, 1, "refused: a function expected");
    }
    lua_setfield(L, 3, "refused");
    lua_pushvalue(L, 2);
    lua_setfield(L, 3, "self");
    lua_getfield(L, 1, "ws"); /* 4 */
    if (!lua_isnil(L, 4)) {
        lua_pushvalue(L, 3);
        if (httpd_ws_open(L, 4, h, &check, &e) != 0) {
            endpoint_close(L, &h->ep);
            return push_err(L, e.code, e.message, "httpd.listen", "no");
        }
        config.ws = h->ws;
    }
    lua_settop(L, 3);
    h->ep.face = luaL_ref(L, LUA_REGISTRYINDEX);
    config.check_upgrade = check ? httpd_on_upgrade : NULL;
    config.refusal = refused == LUA_TFUNCTION ? httpd_on_refusal : NULL;
    if (host_of(L)->services.fake != NULL) {
        config.net = &front_fake_ops;
        config.net_ctx = host_of(L)->services.fake;
    }
    h->front = front_new(loop, &config, on_request, h, &e);
    if (h->front == NULL) {
        endpoint_close(L, &h->ep);
        return push_err(L, e.code, e.message, "httpd.listen", "no");
    }
    return 1;
}

static const luaL_Reg server_methods[] = {
    {"address", s_address}, {"port", s_port}, {"idle", s_idle}, {"close", s_close}, {NULL, NULL}};
static const luaL_Reg server_meta[] = {{"__gc", s_gc}, {"__close", s_close}, {NULL, NULL}};

static const luaL_Reg request_methods[] = {
    {"method", q_method}, {"path", q_path}, {"query", q_query}, {"header", q_header},
    {"body", q_body},     {"peer", q_peer}, {"gone", q_gone},   {"break_off", q_break_off},
    {"nth", q_nth},       {NULL, NULL},
};
static const luaL_Reg request_meta[] = {{"__gc", q_gc}, {NULL, NULL}};

static void open_meta(lua_State *L, const char *name, const luaL_Reg *meta, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

static const luaL_Reg functions[] = {{"listen", l_listen}, {NULL, NULL}};

int luaopen_perigee_httpd(lua_State *L)
{
    link_open_meta(L, &ws_link_kind);
    open_meta(L, SERVER_META, server_meta, server_methods);
    open_meta(L, HTTPD_REQUEST_META, request_meta, request_methods);
    luaL_newlib(L, functions);
    return 1;
}
