/* SPDX-License-Identifier: MIT
 *
 * What the HTTP front asks perigee.httpd's functions at once, outside of any task: whether a
 * WebSocket may come in, and in which words a request is refused.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/bind_httpd.h"
#include "script/domain.h"
#include "script/task_inner.h"

/* ---- upgrades ---- */

struct check_call {
    struct httpd *server;
    struct httpd_request *request;
    int status; /* 0: let through */
};

/* check(req) -> nothing (or nil and a tag, which `opened` gets) to let it through, or the status to
 * refuse with. */
static int call_check(lua_State *L)
{
    struct check_call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    struct httpd_request **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, HTTPD_REQUEST_META);
    endpoint_push_face(L, &c->server->ep);
    lua_getfield(L, -1, "check");
    lua_pushvalue(L, 1);
    *box = c->request;
    c->request->handed = true;
    lua_call(L, 1, 2);
    if (lua_isnil(L, -2)) {
        const char *tag = lua_tostring(L, -1);
        c->status = 0;
        if (tag != NULL && c->request->r != NULL && front_set_tag(c->request->r, tag) != 0) {
            c->status = 503;
        }
    } else {
        lua_Integer status = lua_tointeger(L, -2);
        c->status = status >= 400 && status <= 599 ? (int)status : 403;
    }
    return 0;
}

int httpd_on_upgrade(void *arg, struct front_request *r)
{
    struct httpd *h = arg;
    struct check_call call = {.server = h, .status = 503};
    if (h->ep.host == NULL || h->ep.host->tasks == NULL) {
        return 503;
    }
    lua_State *L = h->ep.host->L;
    call.request = httpd_request_new(h, r);
    if (call.request == NULL) {
        return 503;
    }
    call.request->peek = true;
    bool ok = false;
    h->ep.refs++; /* the handle may be collected at any time from now on */
    h->ep.busy = true;
    if (lua_checkstack(L, 8)) {
        lua_pushcfunction(L, call_check);
        lua_pushlightuserdata(L, &call);
        ok = domain_call(L, 1, 0, "httpd");
    }
    h->ep.busy = false;
    for (struct httpd_request *q = h->live; q != NULL; q = q->next) {
        if (q->r == r) { /* still there; the request is valid inside this call only */
            httpd_request_unlink(q);
            if (!q->handed) {
                httpd_request_free(q);
            }
            break;
        }
    }
    endpoint_unref(&h->ep);
    return ok ? call.status : 500;
}

/* ---- refusals of the front ---- */

struct refusal_call {
    struct httpd *server;
    int status;
    const char *reason;
    struct str *body;
};

/* refused(status, reason) -> JSON of problem details */
static int call_refused(lua_State *L)
{
    struct refusal_call *c = lua_touserdata(L, 1);
    size_t n;
    lua_settop(L, 0);
    endpoint_push_face(L, &c->server->ep);
    lua_getfield(L, -1, "refused");
    lua_pushinteger(L, c->status);
    lua_pushstring(L, c->reason);
    lua_call(L, 2, 1);
    const char *text = luaL_checklstring(L, -1, &n);
    str_add(c->body, text, n);
    return 0;
}

const char *httpd_on_refusal(void *arg, int status, const char *reason, struct str *body)
{
    struct httpd *h = arg;
    struct refusal_call call = {h, status, reason, body};
    if (h->ep.host == NULL || h->ep.host->tasks == NULL) {
        return NULL;
    }
    lua_State *L = h->ep.host->L;
    h->ep.refs++; /* the handle may be collected at any time from now on */
    h->ep.busy = true;
    bool ok = lua_checkstack(L, 8);
    if (ok) {
        lua_pushcfunction(L, call_refused);
        lua_pushlightuserdata(L, &call);
        ok = domain_call(L, 1, 0, "httpd");
    }
    h->ep.busy = false;
    endpoint_unref(&h->ep);
    return ok && !body->failed ? "application/problem+json" : NULL;
}
