/* SPDX-License-Identifier: MIT
 *
 * Links and endpoints; see link.h.
 */
#include "script/link.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/task_inner.h"

/* ---- counting ---- */

struct link *link_new(struct host *h, const struct link_kind *kind)
{
    struct link *k = calloc(1, sizeof *k);
    if (k != NULL) {
        k->kind = kind;
        k->host = h;
        k->refs = 1;
    }
    return k;
}

static void drop_messages(struct link *k)
{
    while (k->first != NULL) {
        struct link_message *m = k->first;
        k->first = m->next;
        free(m);
    }
    k->last = NULL;
    k->queued = 0;
}

void endpoint_unref(struct endpoint *ep)
{
    if (--ep->refs == 0) {
        free(ep);
    }
}

void link_unref(struct link *k)
{
    if (--k->refs > 0) {
        return;
    }
    drop_messages(k);
    if (k->endpoint != NULL) {
        endpoint_unref(k->endpoint);
    }
    free(k);
}

/* ---- posts: what a server's callbacks are told ---- */

enum post_kind { POST_OPENED, POST_MESSAGE, POST_CLOSED };

struct link_post {
    struct task_post post; /* first member */
    struct link *link;     /* held */
    enum post_kind kind;
    uint8_t type;
    size_t n;
    char bytes[];
};

static void post_drop(struct task_post *p)
{
    struct link_post *lp = (struct link_post *)(void *)p;
    link_unref(lp->link);
    free(lp);
}

/* Removes the face once the last callback has run. */
static void endpoint_settle(lua_State *L, struct endpoint *ep)
{
    if (ep->closed && ep->links == 0 && ep->face != LUA_NOREF) {
        luaL_unref(L, LUA_REGISTRYINDEX, ep->face);
        ep->face = LUA_NOREF;
    }
}

void endpoint_forget_link(lua_State *L, struct link *k)
{
    struct endpoint *ep = k->endpoint;
    endpoint_push_face(L, ep);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "conns");
        lua_pushnil(L);
        lua_rawsetp(L, -2, k);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    ep->links--;
    endpoint_settle(L, ep);
}

/* Stack afterwards: face, function (or nil), handle. */
static bool push_callback(lua_State *L, struct link *k, const char *name)
{
    endpoint_push_face(L, k->endpoint);
    if (!lua_istable(L, -1)) {
        return false;
    }
    bool is = lua_getfield(L, -1, name) == LUA_TFUNCTION;
    lua_getfield(L, -2, "conns");
    bool known = lua_rawgetp(L, -1, k) == LUA_TUSERDATA;
    lua_remove(L, -2);
    return is && known;
}

static void post_run(lua_State *L, struct task_post *p)
{
    static const char *const names[] = {"opened", "message", "closed"};
    struct link_post *lp = (struct link_post *)(void *)p;
    struct link *k = lp->link;
    if (lp->kind == POST_OPENED) {
        endpoint_add_link(L, k);
        lua_pop(L, 1);
    }
    bool call = push_callback(L, k, names[lp->kind]);
    if (lp->kind == POST_CLOSED) {
        endpoint_forget_link(L, k); /* first: the callback may raise */
    }
    if (!call || (lp->kind == POST_MESSAGE && k->ending)) {
        return;
    }
    int nargs = 1;
    if (lp->kind == POST_MESSAGE) {
        if (k->kind->typed) {
            lua_pushinteger(L, lp->type);
            nargs++;
        }
        lua_pushlstring(L, lp->bytes, lp->n);
        nargs++;
    }
    lua_call(L, nargs, 0);
}

static void post(struct link *k, enum post_kind kind, uint8_t type, const void *p, size_t n)
{
    struct host *h = k->endpoint->host;
    if (h == NULL) {
        return;
    }
    struct link_post *lp = malloc(sizeof *lp + n);
    if (lp == NULL) {
        log_write(h->services.log, LOG_ERROR, k->kind->source, "out of memory for a message");
        if (k->raw != NULL) {
            k->kind->close(k->raw, 0); /* better no connection than one with a gap */
        }
        return;
    }
    memset(lp, 0, sizeof *lp);
    lp->post.run = post_run;
    lp->post.drop = post_drop;
    lp->post.what = k->kind->source;
    lp->link = k;
    lp->kind = kind;
    lp->type = type;
    lp->n = n;
    if (n > 0) {
        memcpy(lp->bytes, p, n);
    }
    k->refs++;
    task_post(h, &lp->post);
}

void endpoint_post_opened(struct link *k)
{
    post(k, POST_OPENED, 0, NULL, 0);
}

/* ---- what the library tells ---- */

static void wake(struct link *k, int status)
{
    struct task_op *op = k->op;
    if (op != NULL) {
        k->op = NULL;
        op->status = status;
        task_ready(op);
    }
}

void link_opened(struct link *k, void *raw)
{
    k->raw = raw;
    wake(k, 0);
}

static void link_overflow(struct link *k, int error)
{
    k->error = error;
    k->ending = true;
    if (k->raw != NULL) {
        k->kind->close(k->raw, 0);
    }
}

void link_message(struct link *k, uint8_t type, const void *p, size_t n)
{
    if (k->ending || k->host == NULL) {
        return;
    }
    if (k->endpoint != NULL) {
        post(k, POST_MESSAGE, type, p, n);
        return;
    }
    if (n > LINK_INBOX_MAX - k->queued) {
        link_overflow(k, ERR_LIMIT);
        return;
    }
    struct link_message *m = malloc(sizeof *m + n);
    if (m == NULL) {
        link_overflow(k, ERR_NOMEM);
        return;
    }
    m->next = NULL;
    m->n = n;
    m->type = type;
    if (n > 0) {
        memcpy(m->bytes, p, n);
    }
    if (k->last != NULL) {
        k->last->next = m;
    } else {
        k->first = m;
    }
    k->last = m;
    k->queued += n;
    wake(k, 0);
}

void link_closed(struct link *k, int error)
{
    k->raw = NULL;
    k->ended = true;
    if (k->error == 0) {
        k->error = error;
    }
    wake(k, error != 0 ? error : ERR_CLOSED);
    if (k->endpoint != NULL) {
        post(k, POST_CLOSED, 0, NULL, 0);
    }
    link_unref(k);
}

/* ---- the handle ---- */

struct link **link_push_handle(lua_State *L, const struct link_kind *kind)
{
    struct link **box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = NULL;
    luaL_setmetatable(L, kind->meta);
    return box;
}

/* Both kinds of handles have the same shape; the kind is upvalue 1 of each method. */
static struct link *check_link(lua_State *L)
{
    const struct link_kind *kind = lua_touserdata(L, lua_upvalueindex(1));
    struct link **box = luaL_checkudata(L, 1, kind->meta);
    return *box;
}

static const char *kind_source(lua_State *L)
{
    return ((const struct link_kind *)lua_touserdata(L, lua_upvalueindex(1)))->source;
}

static int push_closed(lua_State *L, const struct link *k, const char *source)
{
    if (k == NULL || k->error == 0) {
        return push_err(L, ERR_CLOSED, "the connection was closed", source, "no");
    }
    lua_pushfstring(L, "the connection ended (%s)", err_name(k->error));
    return push_err(L, ERR_CLOSED, lua_tostring(L, -1), source, "no");
}

static void do_close(struct link *k, unsigned code)
{
    if (k != NULL && !k->ending) {
        k->ending = true;
        if (k->raw != NULL) {
            k->kind->close(k->raw, code);
        }
    }
}

/* close([code]): 1000 to 4999, for WebSockets. */
static int k_close(lua_State *L)
{
    struct link *k = check_link(L);
    lua_Integer code = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, code == 0 || (code >= 1000 && code <= 4999), 2, "a code is 1000 to 4999");
    do_close(k, (unsigned)code);
    return 0;
}

/* __close gives the error, if there is one, as its second argument. */
static int k_leave(lua_State *L)
{
    do_close(check_link(L), 0);
    return 0;
}

/* Also for a handle that nobody closed. */
static int k_gc(lua_State *L)
{
    const struct link_kind *kind = lua_touserdata(L, lua_upvalueindex(1));
    struct link **box = luaL_checkudata(L, 1, kind->meta);
    struct link *k = *box;
    *box = NULL;
    if (k != NULL) {
        do_close(k, 0);
        k->host = NULL;
        drop_messages(k);
        link_unref(k);
    }
    return 0;
}

static int k_send(lua_State *L)
{
    struct link *k = check_link(L);
    const struct link_kind *kind = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer type = 0;
    size_t n;
    int at = 2;
    if (kind->typed) {
        type = luaL_checkinteger(L, at);
        luaL_argcheck(L, type >= 0 && type <= 255, at, "a type is 0 to 255");
        at++;
    }
    const char *p = luaL_checklstring(L, at, &n);
    bool binary = lua_toboolean(L, at + 1);
    if (k == NULL || k->raw == NULL || k->ending) {
        return push_closed(L, k, kind->source);
    }
    int rc = kind->send(k->raw, (uint8_t)type, p, n, !binary);
    if (rc != 0) {
        return push_err(L, rc, "the message cannot be sent", kind->source, "no");
    }
    lua_pushboolean(L, true);
    return 1;
}

static int k_pending(lua_State *L)
{
    const struct link *k = check_link(L);
    size_t n = k != NULL && k->raw != NULL ? k->kind->pending(k->raw) : 0;
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* data() gets, data(v) sets. */
static int k_data(lua_State *L)
{
    (void)check_link(L);
    if (lua_gettop(L) < 2) {
        lua_getiuservalue(L, 1, 1);
        return 1;
    }
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

static int k_tostring(lua_State *L)
{
    const struct link *k = check_link(L);
    lua_pushfstring(L, "perigee.%s connection (%s)", kind_source(L),
                    k != NULL && k->raw != NULL && !k->ending ? "open" : "closed");
    return 1;
}

/* Pushes the oldest message; it leaves the inbox only when it is a Lua value. */
static int push_message(lua_State *L, struct link *k)
{
    struct link_message *m = k->first;
    if (k->kind->typed) {
        lua_pushinteger(L, m->type);
    }
    lua_pushlstring(L, m->bytes, m->n);
    k->first = m->next;
    if (k->first == NULL) {
        k->last = NULL;
    }
    k->queued -= m->n;
    free(m);
    return k->kind->typed ? 2 : 1;
}

static int recv_push(lua_State *L, struct task_op *op)
{
    struct link *k = op->data;
    if (k->first != NULL) {
        return push_message(L, k);
    }
    if (op->status == ERR_TIMEOUT && !k->ended) {
        return push_err(L, ERR_TIMEOUT, "no message in time", k->kind->source, "safe");
    }
    return push_closed(L, k, k->kind->source);
}

static void recv_cancel(struct task_op *op)
{
    struct link *k = op->data;
    k->op = NULL;
}

static void recv_release(struct task_op *op)
{
    struct link *k = op->data;
    k->op = NULL;
    k->reading = false;
    link_unref(k);
}

static int k_recv(lua_State *L)
{
    struct link *k = check_link(L);
    bool market;
    int64_t ms = task_check_timeout(L, 2, &market);
    if (k == NULL) {
        return push_closed(L, k, kind_source(L));
    }
    if (k->endpoint != NULL) {
        return luaL_error(L, "recv: a server's connections deliver to its callbacks");
    }
    if (k->reading) {
        return luaL_error(L, "recv: another task reads from this connection");
    }
    if (!task_cancel_due(L)) {
        if (k->first != NULL) {
            return push_message(L, k);
        }
        if (k->ended) {
            return push_closed(L, k, k->kind->source);
        }
    }
    struct task_op *op = task_begin(L, "recv");
    if (ms >= 0 && task_timeout(op, ms, market) != 0) {
        task_abandon(op);
        return luaL_error(L, "out of memory for a timer");
    }
    k->refs++;
    k->reading = true;
    k->op = op;
    op->data = k;
    op->push = recv_push;
    op->cancel = recv_cancel;
    op->release = recv_release;
    return task_wait(L, op);
}

/* ---- opening ---- */

static int open_push(lua_State *L, struct task_op *op)
{
    const struct link *k = op->data;
    if (op->status != 0) {
        lua_pushfstring(L, "cannot connect (%s)", err_name(op->status));
        return push_err(L, op->status, lua_tostring(L, -1), k->kind->source, "safe");
    }
    lua_settop(L, 2);
    return 1;
}

static void open_cancel(struct task_op *op)
{
    struct link *k = op->data;
    k->op = NULL;
    do_close(k, 0);
}

static void open_release(struct task_op *op)
{
    link_unref(op->data);
}

int link_wait_open(lua_State *L, struct link *k, struct task_op *op)
{
    k->refs++;
    op->data = k;
    op->push = open_push;
    op->cancel = open_cancel;
    op->release = open_release;
    return task_wait(L, op);
}

/* ---- servers ---- */

void endpoint_new_face(lua_State *L)
{
    lua_createtable(L, 0, 5);
    lua_newtable(L);
    lua_setfield(L, -2, "conns");
}

void endpoint_push_face(lua_State *L, const struct endpoint *ep)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ep->face);
}

void endpoint_add_link(lua_State *L, struct link *k)
{
    luaL_checkstack(L, 6, "connection");
    struct link **box = link_push_handle(L, k->kind);
    endpoint_push_face(L, k->endpoint);
    lua_getfield(L, -1, "conns");
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, k);
    lua_pop(L, 2);
    *box = k;
    k->refs++;
}

struct close_post {
    struct task_post post;     /* first member */
    struct endpoint *endpoint; /* held */
};

static void close_drop(struct task_post *p)
{
    struct close_post *cp = (struct close_post *)(void *)p;
    endpoint_unref(cp->endpoint);
    free(cp);
}

static void shut_now(lua_State *L, struct endpoint *ep)
{
    if (ep->shut != NULL) {
        void (*shut)(struct endpoint *) = ep->shut;
        ep->shut = NULL;
        shut(ep);
    }
    endpoint_settle(L, ep);
}

static void close_run(lua_State *L, struct task_post *p)
{
    shut_now(L, ((struct close_post *)(void *)p)->endpoint);
}

void endpoint_close(lua_State *L, struct endpoint *ep)
{
    ep->closed = true;
    if (!ep->busy || ep->host == NULL) {
        shut_now(L, ep);
        return;
    }
    struct close_post *cp = calloc(1, sizeof *cp);
    if (cp == NULL) {
        luaL_error(L, "out of memory for closing");
        return;
    }
    cp->post.run = close_run;
    cp->post.drop = close_drop;
    cp->post.what = "server";
    cp->endpoint = ep;
    ep->refs++;
    task_post(ep->host, &cp->post);
}

/* ---- metatables ---- */

static const luaL_Reg methods[] = {
    {"send", k_send},       {"recv", k_recv}, {"close", k_close},
    {"pending", k_pending}, {"data", k_data}, {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", k_gc}, {"__close", k_leave}, {"__tostring", k_tostring}, {NULL, NULL}};

void link_open_meta(lua_State *L, const struct link_kind *kind)
{
    if (luaL_newmetatable(L, kind->meta)) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
        luaL_setfuncs(L, meta, 1);
        lua_newtable(L);
        lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
        luaL_setfuncs(L, methods, 1);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}
