/* SPDX-License-Identifier: MIT
 *
 * perigee.exec: single writes for whose answer a task waits (edits of positions, pending orders),
 * cancels, and the operator's word on an order that cannot be told apart.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "script/bind.h"
#include "script/codec.h"
#include "script/domain.h"
#include "script/task.h"
#include "script/write.h"

/* A task that waits for one write. exec cannot take its callback back, so a cancelled caller leaves
 * the struct to it. */
struct write_wait {
    struct task_op *op; /* NULL: the caller went away */
    bool done;          /* exec will not call any more */
    enum order_state state;
    char text[160]; /* the reason, or the broker's id of what was created */
    struct err e;
};

static struct exec *exec_of(lua_State *L)
{
    return BIND_SERVICE(L, exec);
}

static int answer(lua_State *L, int rc, const struct err *e)
{
    if (rc != 0)
        return push_err(L, rc, e->message, "exec", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static void on_written(void *arg, enum order_state state, const char *text)
{
    struct write_wait *w = arg;
    if (!w->op) {
        free(w);
        return;
    }
    w->done = true;
    w->state = state;
    (void)snprintf(w->text, sizeof w->text, "%s", text ? text : "");
    task_ready(w->op);
}

static int wait_push(lua_State *L, struct task_op *op)
{
    const struct write_wait *w = op->data;
    if (op->status != 0)
        return push_err(L, op->status, w ? w->e.message : "not enough memory", "exec", "no");
    lua_pushstring(L, order_state_name(w->state));
    lua_pushstring(L, w->text);
    return 2;
}

static void wait_cancel(struct task_op *op)
{
    (void)op; /* release leaves the struct to exec */
}

static void wait_release(struct task_op *op)
{
    struct write_wait *w = op->data;
    w->op = NULL;
    if (w->done)
        free(w);
}

/* Stop and target of an edit, 0 for nil, in points of the position's instrument. */
static void edit_points(lua_State *L, int account, const char *id, int64_t points[2])
{
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    const struct position *p = ledger_position(ledger, account, id);
    if (!p)
        luaL_argerror(L, 2, lua_pushfstring(L, "unknown position \"%s\"", id));
    const struct instrument *i = ledger_instrument_at(ledger, p->instrument);
    for (int k = 0; k < 2; k++) {
        decimal d = decimal_raw(0);
        if (!lua_isnoneornil(L, 3 + k) && !domain_decimal(L, 3 + k, &d))
            luaL_argerror(L, 3 + k, "a decimal expected");
        if (d.v < 0 || codec_points(i, p->side, k ? PRICE_TARGET : PRICE_STOP, d, &points[k]) != 0)
            luaL_argerror(L, 3 + k, "the price is out of range");
    }
}

/* What a write needs to be sent. */
struct write_ask {
    struct exec *x;
    int account;
    const char *id;
    int64_t stop, target;
    decimal volume;       /* of a pending order */
    int64_t price;        /* likewise */
    enum order_type type; /* likewise */
    struct leg_spec *leg; /* of a new one */
    lua_Integer signal;   /* likewise */
};

static int send_edit(const struct write_ask *k, struct write_wait *w)
{
    return exec_edit(k->x, k->account, k->id, k->stop, k->target, on_written, w, &w->e);
}

static int send_pending(const struct write_ask *k, struct write_wait *w)
{
    return exec_pending(k->x, k->leg, k->type, (uint64_t)k->signal, on_written, w, &w->e);
}

static int send_pending_edit(const struct write_ask *k, struct write_wait *w)
{
    return exec_pending_edit(k->x, k->account, k->id, k->volume, k->price, k->stop, k->target,
                             on_written, w, &w->e);
}

/* Sends and waits. Everything was checked by now. */
static int wait_for(lua_State *L, const char *what, const struct write_ask *k,
                    int (*send)(const struct write_ask *k, struct write_wait *w))
{
    struct task_op *op = task_begin(L, what);
    if (task_cancel_due(L))
        return task_wait(L, op); /* cancelled: not sent */
    struct write_wait *w = calloc(1, sizeof *w);
    *op = (struct task_op){
        .push = wait_push, .cancel = wait_cancel, .release = wait_release, .data = w};
    if (!w) {
        op->release = NULL;
        op->status = ERR_NOMEM;
        task_ready(op);
        return task_wait(L, op);
    }
    w->op = op;
    int rc = send(k, w);
    if (rc != 0) {
        w->done = true;
        op->status = rc;
        task_ready(op);
    }
    return task_wait(L, op);
}

/* edit(account, position, stop, target) -> state, reason | nil, err; yields */
int write_edit(lua_State *L)
{
    struct write_ask k = {.x = exec_of(L)};
    int64_t points[2];
    codec_check_outside(L, "exec.edit");
    k.account = domain_check_account(L, 1);
    k.id = luaL_checkstring(L, 2);
    edit_points(L, k.account, k.id, points);
    k.stop = points[0];
    k.target = points[1];
    return wait_for(L, "exec.edit", &k, send_edit);
}

/* ---- pending orders ---- */

/* price, stop and target of the table at 2 or 3 in points; an absent stop or target is none. */
static void ask_prices(lua_State *L, int at, const char *what, const struct instrument *i,
                       enum side side, int64_t *const out[3])
{
    static const char *const names[] = {"price", "stop", "target"};
    for (int n = 0; n < 3; n++) {
        decimal d;
        if (!domain_field_decimal(L, at, what, names[n], &d) && n == 0)
            luaL_error(L, "%s.price: a decimal expected, got nil", what);
        if (d.v < 0 || codec_points(i, side, (enum price_kind)n, d, out[n]) != 0)
            luaL_error(L, "%s.%s: the price is out of range", what, names[n]);
    }
}

/* pending(account, {canonical=, side=, type=, volume=, price=, stop=, target=, signal=,
 * holding_ms=, plan=}) -> state, id or reason | nil, err; yields. err.code "limit": refused, with
 * the rule. */
int write_pending(lua_State *L)
{
    static const char *const names[] = {"canonical",  "side", "type",   "volume",
                                        "price",      "stop", "target", "signal",
                                        "holding_ms", "plan", NULL};
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    struct leg_spec leg = {0};
    struct write_ask k = {.x = exec_of(L), .leg = &leg};
    codec_check_outside(L, "exec.pending");
    leg.account = domain_check_account(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    domain_only(L, 2, "pending", names);
    const char *venue = ledger_account_at(ledger, leg.account)->broker;
    const char *canonical = domain_string(L, 2, "pending", "canonical");
    leg.instrument = ledger_instrument_canonical(ledger, venue, canonical);
    if (leg.instrument < 0)
        return push_err(L, ERR_NOTFOUND, "the broker has no such instrument", "exec", "no");
    if (order_type_parse(domain_string(L, 2, "pending", "type"), &k.type) != 0 ||
        k.type == ORDER_MARKET)
        return luaL_error(L, "pending.type: LIMIT or STOP expected");
    leg.side = domain_side(L, 2, "pending", "side");
    if (!domain_field_decimal(L, 2, "pending", "volume", &leg.volume))
        return luaL_error(L, "pending.volume: a decimal expected, got nil");
    ask_prices(L, 2, "pending", ledger_instrument_at(ledger, leg.instrument), leg.side,
               (int64_t *const[]){&leg.price, &leg.stop, &leg.target});
    leg.holding_ms = domain_integer(L, 2, "pending", "holding_ms", 0);
    leg.plan = domain_opt_string(L, 2, "pending", "plan", NULL);
    k.signal = domain_integer(L, 2, "pending", "signal", 0);
    if (k.signal < 0)
        return luaL_error(L, "pending.signal: an id expected");
    return wait_for(L, "exec.pending", &k, send_pending);
}

/* pending_edit(account, id, {volume=, price=, stop=, target=}) -> state, reason | nil, err; yields.
 * What is absent stays as it is; 0 clears stop or target. */
int write_pending_edit(lua_State *L)
{
    static const char *const names[] = {"volume", "price", "stop", "target", NULL};
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    struct write_ask k = {.x = exec_of(L)};
    codec_check_outside(L, "exec.pending_edit");
    k.account = domain_check_account(L, 1);
    k.id = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    domain_only(L, 3, "pending_edit", names);
    const struct pending *p = ledger_pending(ledger, k.account, k.id);
    if (!p)
        return luaL_argerror(L, 2, lua_pushfstring(L, "unknown pending order \"%s\"", k.id));
    const struct instrument *i = ledger_instrument_at(ledger, p->instrument);
    int64_t *const out[] = {&k.price, &k.stop, &k.target};
    const int64_t now[] = {p->price, p->stop, p->target};
    if (!domain_field_decimal(L, 3, "pending_edit", "volume", &k.volume))
        k.volume = p->volume;
    for (int n = 0; n < 3; n++) {
        decimal d;
        *out[n] = now[n];
        if (domain_field_decimal(L, 3, "pending_edit", names[n + 1], &d) &&
            (d.v < 0 || codec_points(i, p->side, (enum price_kind)n, d, out[n]) != 0))
            return luaL_error(L, "pending_edit.%s: the price is out of range", names[n + 1]);
    }
    return wait_for(L, "exec.pending_edit", &k, send_pending_edit);
}

/* cancel(account, id[, reason]) -> true | nil, err: wanted from now on */
int write_cancel(lua_State *L)
{
    struct exec *x = exec_of(L);
    struct err e = {0};
    codec_check_outside(L, "exec.cancel");
    int account = domain_check_account(L, 1);
    const char *id = luaL_checkstring(L, 2);
    const char *reason = luaL_optstring(L, 3, "manual");
    return answer(L, exec_cancel(x, account, id, reason, &e), &e);
}

/* assign(order, position | nil) -> true | nil, err: which candidate an ambiguous order is, or none
 */
int write_assign(lua_State *L)
{
    struct exec *x = exec_of(L);
    struct err e = {0};
    codec_check_outside(L, "exec.assign");
    lua_Integer order = luaL_checkinteger(L, 1);
    const char *position = luaL_optstring(L, 2, NULL);
    return answer(L, exec_assign(x, order > 0 ? (uint64_t)order : 0, position, &e), &e);
}
