/* SPDX-License-Identifier: MIT
 *
 * perigee.http: one exchange at a time for each task, any number of tasks. The answer is copied in
 * the callback and becomes Lua values in the waiting task's continuation.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

#define ANSWER_META "perigee.http.answer"

/* One exchange. Freed by release, or by the callback when its task no longer waits. */
struct exchange {
    struct task_op *op; /* NULL: cancelled */
    struct http_call *call;
    struct http_answer answer; /* strings point into block */
    bool idempotent;           /* repeating it is safe */
    char *block;               /* copies of message, head and body; NULL: no memory, or no answer */
};

static void on_answer(void *arg, const struct http_answer *a)
{
    struct exchange *x = arg;
    x->call = NULL;
    if (x->op == NULL) {
        free(x);
        return;
    }
    size_t n = strlen(a->message) + 1;
    x->answer = *a;
    x->block = malloc(n + a->head_size + a->body_size + 1);
    if (x->block == NULL) {
        x->answer.error = ERR_NOMEM;
    } else {
        char *head = x->block + n, *body = head + a->head_size;
        memcpy(x->block, a->message, n);
        if (a->head_size > 0) {
            memcpy(head, a->head, a->head_size);
        }
        if (a->body_size > 0) {
            memcpy(body, a->body, a->body_size);
        }
        x->answer.message = x->block;
        x->answer.head = head;
        x->answer.body = body;
    }
    task_ready(x->op);
}

static void exchange_cancel(struct task_op *op)
{
    struct exchange *x = op->data;
    x->op = NULL; /* its callback comes on a later turn and frees it */
    op->data = NULL;
    http_cancel(x->call);
}

static void exchange_release(struct task_op *op)
{
    struct exchange *x = op->data;
    if (x != NULL) {
        free(x->block);
        free(x);
        op->data = NULL;
    }
}

static int exchange_push(lua_State *L, struct task_op *op)
{
    const struct exchange *x = op->data;
    const struct http_answer *a = &x->answer;
    if (a->error != 0) {
        const char *message = x->block != NULL ? a->message : "out of memory for the answer";
        return push_err(L, a->error, message, "http.request",
                        a->error == ERR_INPUT                          ? "no"
                        : a->error == ERR_UNREACHABLE || x->idempotent ? "safe"
                                                                       : "reconcile");
    }
    lua_createtable(L, 0, 8);
    domain_set_integer(L, "status", a->status);
    lua_pushlstring(L, a->body, a->body_size);
    lua_setfield(L, -2, "body");
    lua_pushlstring(L, a->head, a->head_size);
    lua_setfield(L, -2, "head");
    domain_set_integer(L, "elapsed_us", a->elapsed_us);
    domain_set_integer(L, "connect_us", a->connect_us);
    domain_set_integer(L, "tls_us", a->tls_us);
    domain_set_integer(L, "begun_io_ns", a->begun_io_ns);
    domain_set_integer(L, "begun_market_ms", a->begun_market_ms);
    luaL_setmetatable(L, ANSWER_META);
    return 1;
}

/* Headers {name, value} of the table at index into an array that Lua owns, left on the stack. */
struct http_header *bind_check_headers(lua_State *L, int index, size_t *count)
{
    *count = 0;
    if (lua_isnil(L, index)) {
        lua_pushnil(L);
        return NULL;
    }
    if (!lua_istable(L, index)) {
        luaL_error(L, "headers: an array of {name, value} expected, got %s",
                   luaL_typename(L, index));
    }
    size_t n = lua_rawlen(L, index);
    struct http_header *h = lua_newuserdatauv(L, (n + 1) * sizeof *h, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        if (!lua_istable(L, -1)) {
            luaL_error(L, "headers[%d]: {name, value} expected", (int)i + 1);
        }
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "headers[%d]: name and value must be strings", (int)i + 1);
        }
        h[i] = (struct http_header){lua_tostring(L, -2), lua_tostring(L, -1)};
        lua_pop(L, 3); /* the table keeps the strings */
    }
    *count = n;
    return h;
}

static int l_request(lua_State *L)
{
    static const char *const fields[] = {"method",  "url",        "headers", "body", "timeout_ms",
                                         "ca_file", "max_answer", "once",    NULL};
    struct err e;
    struct http_client *client = BIND_SERVICE(L, http);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "http.request", fields);
    struct http_spec spec = {
        .method = domain_opt_string(L, 1, "http.request", "method", "GET"),
        .url = domain_string(L, 1, "http.request", "url"),
        .ca_file = domain_opt_string(L, 1, "http.request", "ca_file", NULL),
        .timeout_ms = domain_integer(L, 1, "http.request", "timeout_ms", 0),
    };
    lua_Integer max = domain_integer(L, 1, "http.request", "max_answer", 0);
    luaL_argcheck(L, max >= 0 && spec.timeout_ms >= 0, 1, "sizes and times are 0 or more");
    spec.max_answer = (size_t)max;
    if (lua_getfield(L, 1, "body") == LUA_TSTRING) {
        spec.body = lua_tolstring(L, -1, &spec.body_size);
    } else {
        luaL_argcheck(L, lua_isnil(L, -1), 1, "the body is a string");
    }
    lua_getfield(L, 1, "once");
    luaL_argcheck(L, lua_isnil(L, -1) || lua_isboolean(L, -1), 1, "once: true or false expected");
    spec.once = lua_toboolean(L, -1);
    lua_getfield(L, 1, "headers");
    spec.headers = bind_check_headers(L, lua_gettop(L), &spec.header_count);
    struct task_op *op = task_begin(L, "http.request");
    struct exchange *x = calloc(1, sizeof *x);
    int rc = x == NULL ? err_set(&e, ERR_NOMEM, "out of memory for a request")
                       : http_start(client, &spec, on_answer, x, &x->call, &e);
    if (rc != 0) {
        free(x);
        task_abandon(op);
        return push_err(L, rc, e.message, "http.request", "no");
    }
    x->op = op;
    x->idempotent = strcmp(spec.method, "GET") == 0 || strcmp(spec.method, "HEAD") == 0;
    op->data = x;
    op->push = exchange_push;
    op->cancel = exchange_cancel;
    op->release = exchange_release;
    return task_wait(L, op);
}

/* ---- answers ---- */

static int a_header(lua_State *L)
{
    size_t head_size, n;
    const char *name = luaL_checkstring(L, 2);
    lua_Integer nth = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, nth >= 1 && nth < 10000, 3, "counted from 1");
    lua_getfield(L, 1, "head");
    const char *head = luaL_checklstring(L, -1, &head_size);
    const char *value = http_head_find(head, head_size, name, (unsigned)nth - 1, &n);
    if (value == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, value, n);
    }
    return 1;
}

static size_t trim(const char **p, size_t n)
{
    while (n > 0 && ((*p)[0] == ' ' || (*p)[0] == '\t')) {
        (*p)++;
        n--;
    }
    while (n > 0 && ((*p)[n - 1] == ' ' || (*p)[n - 1] == '\t' || (*p)[n - 1] == '\r')) {
        n--;
    }
    return n;
}

static int a_headers(lua_State *L)
{
    size_t size;
    lua_getfield(L, 1, "head");
    const char *p = luaL_checklstring(L, -1, &size), *end = p + size;
    lua_Integer count = 0;
    lua_newtable(L);
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        line_end = line_end != NULL ? line_end : end;
        const char *colon = memchr(p, ':', (size_t)(line_end - p));
        if (colon != NULL) {
            const char *value = colon + 1;
            size_t n = trim(&value, (size_t)(line_end - value));
            lua_createtable(L, 2, 0);
            lua_pushlstring(L, p, (size_t)(colon - p));
            lua_rawseti(L, -2, 1);
            lua_pushlstring(L, value, n);
            lua_rawseti(L, -2, 2);
            lua_rawseti(L, -2, ++count);
        }
        p = line_end + 1;
    }
    return 1;
}

static const luaL_Reg answer_methods[] = {
    {"header", a_header}, {"headers", a_headers}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"request", l_request}, {NULL, NULL}};

int luaopen_perigee_http(lua_State *L)
{
    luaL_newmetatable(L, ANSWER_META);
    luaL_newlib(L, answer_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
