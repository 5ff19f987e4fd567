/* SPDX-License-Identifier: MIT
 *
 * perigee.exec: sessions, closes, what should be read. Edits and pending orders are in
 * bind_write.c, batches in bind_batch.c, codec and risk in codec.c, observations in bind_observe.c,
 * request budgets in bind_budget.c.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/codec.h"
#include "script/domain.h"
#include "script/observe.h"
#include "script/task.h"
#include "script/write.h"

#define HUB_META "perigee.exec_hub"

/* A task in next_need. */
struct need_wait {
    struct task_op *op;
    struct exec_hub *hub;
    struct need_wait *prev, *next;
    struct timer timer;
    int account;
    bool listed; /* in the hub's list */
};

static struct exec *exec_of(lua_State *L)
{
    return BIND_SERVICE(L, exec);
}

static int answer(lua_State *L, int rc, const struct err *e, const char *retry)
{
    if (rc != 0)
        return push_err(L, rc, e->message, "exec", retry);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- sessions ---- */

/* Appends one header line; a line break inside would smuggle a second header. */
static void add_header(lua_State *L, struct str *s, int pair)
{
    size_t n, m;
    lua_rawgeti(L, pair, 1);
    lua_rawgeti(L, pair, 2);
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "session.headers: {name, value} of strings expected");
    const char *name = lua_tolstring(L, -2, &n), *value = lua_tolstring(L, -1, &m);
    if (n == 0 || strcspn(name, "\r\n: ") != n || strcspn(value, "\r\n") != m)
        luaL_error(L, "session.headers: a name or value with a line break or a wrong character");
    str_add(s, name, n);
    str_addz(s, ": ");
    str_add(s, value, m);
    str_addz(s, "\r\n");
    lua_pop(L, 2);
}

/* Pushes the complete header lines of session.headers (text, or array of {name, value}). */
static const char *push_headers(lua_State *L)
{
    switch (lua_getfield(L, 2, "headers")) {
    case LUA_TNIL:
        lua_pop(L, 1);
        lua_pushliteral(L, "");
        break;
    case LUA_TSTRING:
        break;
    case LUA_TTABLE: {
        int list = lua_gettop(L);
        struct str *s = domain_str(L);
        size_t n = lua_rawlen(L, list);
        for (size_t i = 1; i <= n; i++) {
            if (lua_rawgeti(L, list, (lua_Integer)i) != LUA_TTABLE)
                luaL_error(L, "session.headers: {name, value} of strings expected");
            add_header(L, s, lua_gettop(L));
            lua_pop(L, 1);
        }
        domain_str_finish(L, s);
        break;
    }
    default:
        luaL_error(L, "session.headers: text or an array of {name, value} expected");
    }
    return lua_tostring(L, -1);
}

/* The scopes of session.budget, if it is there. */
static int session_budget(lua_State *L, int account, const struct remote_session *s, struct err *e)
{
    struct budget_spec specs[BUDGET_MOST];
    if (lua_getfield(L, 2, "budget") == LUA_TNIL)
        return 0;
    size_t n = budget_check_specs(L, lua_gettop(L), specs);
    return exec_budget_set(exec_of(L), account, specs, n, s->origin, s->broker, e);
}

/* session(account, {broker=, origin=, prefix=, headers=, answer_timeout_ms=, budget=,
 * absent_after_ms=, idle_close_ms=} | nil) -> true | nil, err */
static int session(lua_State *L)
{
    static const char *const names[] = {
        "broker", "origin",          "prefix",        "headers", "answer_timeout_ms",
        "budget", "absent_after_ms", "idle_close_ms", NULL};
    struct remote *remote = BIND_SERVICE(L, remote);
    codec_check_outside(L, "exec.session");
    int account = domain_check_account(L, 1);
    struct err e = {0};
    lua_settop(L, 2);
    if (lua_isnil(L, 2))
        return answer(L, remote_session_set(remote, account, NULL, &e), &e, "safe");
    luaL_checktype(L, 2, LUA_TTABLE);
    domain_only(L, 2, "session", names);
    struct remote_session s = {
        .broker = domain_string(L, 2, "session", "broker"),
        .origin = domain_string(L, 2, "session", "origin"),
        .prefix = domain_opt_string(L, 2, "session", "prefix", ""),
        .answer_timeout_ms = domain_integer(L, 2, "session", "answer_timeout_ms", 0),
        .idle_close_ms = domain_integer(L, 2, "session", "idle_close_ms", 0),
    };
    lua_Integer absent = domain_integer(L, 2, "session", "absent_after_ms", 0);
    if (host_of(L)->services.exec)
        (void)exec_absent_after(host_of(L)->services.exec, account, absent);
    s.headers = push_headers(L);
    int rc = session_budget(L, account, &s, &e);
    if (rc == 0)
        rc = remote_session_set(remote, account, &s, &e);
    return answer(L, rc, &e, "safe");
}

/* ---- closes ---- */

/* close(account, position, reason[, volume]) -> true | nil, err */
static int close_position(lua_State *L)
{
    struct exec *x = exec_of(L);
    codec_check_outside(L, "exec.close");
    int account = domain_check_account(L, 1);
    const char *position = luaL_checkstring(L, 2);
    const char *reason = luaL_checkstring(L, 3);
    decimal volume = decimal_raw(0);
    if (!lua_isnoneornil(L, 4) && !domain_decimal(L, 4, &volume))
        return luaL_argerror(L, 4, "a decimal expected");
    struct err e = {0};
    return answer(L, exec_close(x, account, position, volume, reason, &e), &e, "safe");
}

/* close_order(order, reason) -> true | nil, err */
static int close_order(lua_State *L)
{
    struct exec *x = exec_of(L);
    codec_check_outside(L, "exec.close_order");
    lua_Integer order = luaL_checkinteger(L, 1);
    const char *reason = luaL_checkstring(L, 2);
    struct err e = {0};
    return answer(L, exec_close_entry(x, order > 0 ? (uint64_t)order : 0, reason, &e), &e, "safe");
}

/* absent() -> array of order ids: entries that were proven absent and may turn up still */
static int absent(lua_State *L)
{
    const struct exec *x = exec_of(L);
    struct exec_cursor cursor = {0};
    lua_Integer n = 0;
    lua_newtable(L);
    for (const struct order *o; (o = exec_absent_next(x, &cursor)) != NULL;) {
        lua_pushinteger(L, (lua_Integer)o->id);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* candidates(order) -> array of ids at the broker that it could be */
static int candidates(lua_State *L)
{
    const struct exec *x = exec_of(L);
    lua_Integer order = luaL_checkinteger(L, 1);
    lua_newtable(L);
    const char *id;
    for (size_t n = 0; (id = exec_candidate(x, order > 0 ? (uint64_t)order : 0, n)) != NULL; n++) {
        lua_pushstring(L, id);
        lua_rawseti(L, -2, (lua_Integer)n + 1);
    }
    return 1;
}

/* ---- needs ---- */

static int push_needs(lua_State *L, struct exec *x, int account)
{
    int64_t from = 0;
    unsigned needs = exec_needs(x, account, &from);
    if (!needs) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 4);
    domain_set_bool(L, "positions", needs & NEED_POSITIONS);
    domain_set_bool(L, "closed", needs & NEED_CLOSED);
    domain_set_bool(L, "balance", needs & NEED_BALANCE);
    domain_set_bool(L, "orders", needs & NEED_ORDERS);
    domain_set_integer(L, "closed_from", from);
    return 1;
}

/* needs(account) -> {orders=, positions=, closed=, balance=, closed_from=} | nil */
static int needs(lua_State *L)
{
    struct exec *x = exec_of(L);
    return push_needs(L, x, domain_check_account(L, 1));
}

static void need_unlist(struct need_wait *w)
{
    if (!w->listed)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->hub->waits = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->listed = false;
}

static void need_end(struct need_wait *w, int status)
{
    timer_stop(&w->timer);
    need_unlist(w);
    w->op->status = status;
    task_ready(w->op);
}

static void on_need(void *arg, int account)
{
    struct exec_hub *hub = arg;
    struct need_wait *next;
    for (struct need_wait *w = hub->waits; w; w = next) {
        next = w->next;
        if (w->account == account)
            need_end(w, 0);
    }
}

static void on_need_timeout(void *arg)
{
    need_end(arg, ERR_TIMEOUT);
}

static int need_push(lua_State *L, struct task_op *op)
{
    if (op->status != 0 && op->status != ERR_TIMEOUT)
        return push_err(L, op->status, "execution has ended", "exec", "no");
    lua_pushboolean(L, op->status == 0);
    return 1;
}

static void need_cancel(struct task_op *op)
{
    struct need_wait *w = op->data;
    timer_stop(&w->timer);
    need_unlist(w);
}

static void need_release(struct task_op *op)
{
    free(op->data);
    op->data = NULL;
}

static int need_start(struct host *h, struct need_wait *w, int64_t ms, bool market)
{
    struct exec_hub *hub = w->hub;
    if (hub->x != h->services.exec) {
        hub->x = h->services.exec;
        exec_on_need(hub->x, on_need, hub);
    }
    w->next = hub->waits;
    if (w->next)
        w->next->prev = w;
    hub->waits = w;
    w->listed = true;
    timer_init(&w->timer, h->services.loop, on_need_timeout, w);
    if (ms < 0)
        return 0;
    return market ? timer_start_market(&w->timer, clock_market_ms(h->services.clock) + ms)
                  : timer_start_io(&w->timer, ms);
}

/* next_need(account[, timeout_ms[, "market"|"io"]]) -> true | false at the time-out; yields.
 * Something that is needed already answers at once. */
static int next_need(lua_State *L)
{
    static const char *const clocks[] = {"market", "io", NULL};
    struct exec *x = exec_of(L);
    (void)BIND_SERVICE(L, loop);
    (void)BIND_SERVICE(L, clock);
    int account = domain_check_account(L, 1);
    lua_Integer ms = luaL_optinteger(L, 2, -1);
    bool market = luaL_checkoption(L, 3, "market", clocks) == 0;
    int64_t from;
    struct task_op *op = task_begin(L, "exec.next_need");
    struct need_wait *w = calloc(1, sizeof *w);
    *op = (struct task_op){
        .push = need_push, .cancel = need_cancel, .release = need_release, .data = w};
    if (!w) {
        op->cancel = NULL;
        op->status = ERR_NOMEM;
        task_ready(op);
        return task_wait(L, op);
    }
    w->op = op;
    w->hub = host_of(L)->slots[SLOT_EXEC];
    w->account = account;
    int rc = need_start(host_of(L), w, ms, market);
    if (rc != 0 || exec_needs(x, account, &from) != 0)
        need_end(w, rc);
    return task_wait(L, op);
}

static int suspect(lua_State *L)
{
    struct exec *x = exec_of(L);
    exec_suspect(x, domain_check_account(L, 1));
    return 0;
}

static int stop_entries(lua_State *L)
{
    struct exec *x = exec_of(L);
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    exec_stop_entries(x, lua_toboolean(L, 1));
    return 0;
}

static int entries_stopped(lua_State *L)
{
    lua_pushboolean(L, exec_entries_stopped(exec_of(L)));
    return 1;
}

static int in_flight(lua_State *L)
{
    lua_pushinteger(L, exec_in_flight(exec_of(L)));
    return 1;
}

/* ---- the hub ---- */

static void hub_detach(struct exec_hub *hub)
{
    batch_close_all(hub);
    while (hub->waits)
        need_end(hub->waits, ERR_CLOSED);
    if (hub->x)
        exec_on_need(hub->x, NULL, NULL);
    hub->x = NULL;
}

static int hub_gc(lua_State *L)
{
    struct exec_hub *hub = luaL_checkudata(L, 1, HUB_META);
    host_of(L)->slots[SLOT_EXEC] = NULL;
    hub_detach(hub);
    return 0;
}

void host_set_exec(struct host *h, struct exec *exec, struct remote *remote)
{
    struct exec_hub *hub = h->slots[SLOT_EXEC];
    if (hub && h->services.exec != exec)
        hub_detach(hub);
    h->services.exec = exec;
    h->services.remote = remote;
}

int luaopen_perigee_exec(lua_State *L)
{
    static const luaL_Reg functions[] = {{"codec", codec_register},
                                         {"risk", risk_register},
                                         {"session", session},
                                         {"batch", batch_create},
                                         {"close", close_position},
                                         {"close_order", close_order},
                                         {"absent", absent},
                                         {"candidates", candidates},
                                         {"edit", write_edit},
                                         {"pending", write_pending},
                                         {"pending_edit", write_pending_edit},
                                         {"cancel", write_cancel},
                                         {"assign", write_assign},
                                         {"observe_positions", observe_positions},
                                         {"observe_orders", observe_orders},
                                         {"observe_closed", observe_closed},
                                         {"observe_balance", observe_balance},
                                         {"needs", needs},
                                         {"next_need", next_need},
                                         {"suspect", suspect},
                                         {"budget_take", budget_take_lua},
                                         {"budget_rest", budget_rest_lua},
                                         {"budget", budget_use_lua},
                                         {"budget_marks", budget_marks_lua},
                                         {"stop_entries", stop_entries},
                                         {"entries_stopped", entries_stopped},
                                         {"in_flight", in_flight},
                                         {NULL, NULL}};
    struct host *h = host_of(L);
    if (!h->slots[SLOT_EXEC]) {
        struct exec_hub *hub = lua_newuserdatauv(L, sizeof *hub, 0);
        memset(hub, 0, sizeof *hub);
        if (luaL_newmetatable(L, HUB_META)) {
            lua_pushcfunction(L, hub_gc);
            lua_setfield(L, -2, "__gc");
        }
        lua_setmetatable(L, -2);
        h->slots[SLOT_EXEC] = hub;
        luaL_ref(L, LUA_REGISTRYINDEX);
    }
    batch_open_class(L);
    luaL_newlib(L, functions);
    return 1;
}
