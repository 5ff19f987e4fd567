/* SPDX-License-Identifier: MIT
 *
 * perigee.ledger: what the fold of the journal knows, as tables; marks. Only reads, except for
 * marks. Sizing is in bind_ledger_size.c.
 */
#include <lauxlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/bind_ledger.h"
#include "script/domain.h"
#include "script/task.h"

static struct ledger *ledger_of(lua_State *L)
{
    return BIND_SERVICE(L, ledger);
}

static int fail(lua_State *L, const struct err *e)
{
    return push_err(L, e->code, e->message, "ledger", "no");
}

static const char *account_id(const struct ledger *l, int index)
{
    const struct account *a = ledger_account_at(l, index);
    return a ? a->id : "";
}

/* accounts() -> ids in the order of their adding */
static int accounts(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int n = ledger_account_count(l);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushstring(L, account_id(l, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* account(id) -> table | nil */
static int account(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int index = ledger_account(l, luaL_checkstring(L, 1));
    if (index < 0) {
        lua_pushnil(L);
        return 1;
    }
    const struct account *a = ledger_account_at(l, index);
    lua_createtable(L, 0, 24);
    domain_set_integer(L, "index", index);
    domain_set_string(L, "id", a->id);
    domain_set_string(L, "user", a->user);
    domain_set_string(L, "broker", a->broker);
    domain_set_string(L, "currency", a->currency);
    domain_set_string(L, "group", a->group);
    domain_set_string(L, "system", a->system);
    domain_set_string(L, "uuid", a->uuid);
    domain_set_integer(L, "user_id", (lua_Integer)a->user_id);
    domain_set_integer(L, "leverage", a->leverage);
    domain_set_bool(L, "paused", a->paused);
    domain_set_bool(L, "have_balance", a->have_balance);
    domain_set_decimal(L, "balance", a->balance);
    domain_set_decimal(L, "equity", a->equity);
    domain_set_decimal(L, "margin", a->margin);
    domain_set_decimal(L, "free_margin", a->free_margin);
    domain_set_integer(L, "balance_ms", a->balance_ms);
    domain_set_decimal(L, "balance_first", a->balance_first);
    domain_set_integer(L, "open_positions", (lua_Integer)a->open_positions);
    domain_set_integer(L, "trades", (lua_Integer)a->trades);
    domain_set_decimal(L, "realised", a->realised);
    domain_set_integer(L, "last_close_ms", a->last_close_ms);
    return 1;
}

static void set_stop(lua_State *L, const char *name, const struct instrument *i, int64_t points)
{
    if (points)
        domain_set_points(L, name, i, points);
}

static void push_position(lua_State *L, const struct ledger *l, const struct position *p)
{
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    lua_createtable(L, 0, 21);
    domain_set_string(L, "id", p->id);
    domain_set_string(L, "account", account_id(l, p->account));
    domain_set_string(L, "symbol", i->symbol);
    domain_set_string(L, "canonical", i->canonical);
    domain_set_string(L, "side", side_name(p->side));
    domain_set_decimal(L, "volume", p->volume);
    domain_set_points(L, "price", i, p->price);
    set_stop(L, "stop", i, p->stop);
    set_stop(L, "target", i, p->target);
    domain_set_integer(L, "opened_ms", p->opened_ms);
    domain_set_integer(L, "holding_ms", p->holding_ms);
    domain_set_integer(L, "order", (lua_Integer)p->order);
    domain_set_integer(L, "signal", (lua_Integer)p->signal);
    domain_set_bool(L, "ours", p->ours);
    domain_set_bool(L, "closing", p->closing);
    domain_set_decimal(L, "closing_volume", p->closing_volume);
    domain_set_string(L, "close_reason", p->close_reason);
    if (p->marked) {
        domain_set_points(L, "mark", i, p->mark);
        if (p->rated)
            domain_set_decimal(L, "profit", p->profit);
    }
}

/* positions([account]) -> array in the order of opening */
static int positions(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int index = lua_isnoneornil(L, 1) ? -1 : domain_check_account(L, 1);
    size_t cursor = 0;
    lua_Integer n = 0;
    const struct position *p;
    lua_newtable(L);
    while ((p = ledger_position_next(l, index, &cursor)) != NULL) {
        push_position(L, l, p);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* pendings([account]) -> array of pending orders, ours and others', as they were seen */
static int pendings(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int index = lua_isnoneornil(L, 1) ? -1 : domain_check_account(L, 1);
    size_t cursor = 0;
    lua_Integer n = 0;
    const struct pending *p;
    lua_newtable(L);
    while ((p = ledger_pending_next(l, index, &cursor)) != NULL) {
        const struct instrument *i = ledger_instrument_at(l, p->instrument);
        lua_createtable(L, 0, 16);
        domain_set_string(L, "id", p->id);
        domain_set_string(L, "account", account_id(l, p->account));
        domain_set_string(L, "symbol", i->symbol);
        domain_set_string(L, "canonical", i->canonical);
        domain_set_string(L, "side", side_name(p->side));
        domain_set_string(L, "type", order_type_name(p->type));
        domain_set_decimal(L, "volume", p->volume);
        domain_set_points(L, "price", i, p->price);
        set_stop(L, "stop", i, p->stop);
        set_stop(L, "target", i, p->target);
        domain_set_integer(L, "created_ms", p->created_ms);
        domain_set_integer(L, "order", (lua_Integer)p->order);
        domain_set_integer(L, "signal", (lua_Integer)p->signal);
        domain_set_bool(L, "ours", p->ours);
        domain_set_bool(L, "cancelling", p->cancelling);
        domain_set_string(L, "cancel_reason", p->cancel_reason);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* position(account, id) -> table | nil */
static int position(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    const struct position *p =
        ledger_position(l, domain_check_account(L, 1), luaL_checkstring(L, 2));
    if (p)
        push_position(L, l, p);
    else
        lua_pushnil(L);
    return 1;
}

static void push_order(lua_State *L, const struct ledger *l, const struct order *o)
{
    const struct instrument *i = ledger_instrument_at(l, o->instrument);
    lua_createtable(L, 0, 22);
    domain_set_integer(L, "id", (lua_Integer)o->id);
    domain_set_integer(L, "batch", (lua_Integer)o->batch);
    domain_set_integer(L, "signal", (lua_Integer)o->signal);
    domain_set_string(L, "account", account_id(l, o->account));
    domain_set_string(L, "symbol", i->symbol);
    domain_set_string(L, "canonical", i->canonical);
    domain_set_string(L, "op", order_op_name(o->op));
    domain_set_string(L, "state", order_state_name(o->state));
    domain_set_string(L, "side", side_name(o->side));
    domain_set_decimal(L, "volume", o->volume);
    domain_set_points(L, "price", i, o->price);
    set_stop(L, "stop", i, o->stop);
    set_stop(L, "target", i, o->target);
    domain_set_integer(L, "tag", o->tag);
    domain_set_integer(L, "attempt", o->attempt);
    domain_set_string(L, "position", o->position);
    domain_set_string(L, "reason", o->reason);
    domain_set_integer(L, "intent_ms", o->intent_ms);
    domain_set_integer(L, "updated_ms", o->updated_ms);
    domain_set_string(L, "why", o->why);
    domain_set_integer(L, "holding_ms", o->plan_holding_ms);
    domain_set_integer(L, "batch", (lua_Integer)o->batch);
    domain_set_bool(L, "closing", o->closing);
    domain_set_integer(L, "queued_us", o->queued_us);
    domain_set_integer(L, "latency_us", o->latency_us);
    if (o->filled != 0) {
        domain_set_points(L, "executed", i, o->filled);
        domain_set_integer(L, "slippage", order_slippage(o));
    }
    domain_set_string(L, "type", order_type_name(o->type));
    if (o->op == ORDER_PENDING && o->state == ORDER_ACCEPTED && o->shown)
        domain_set_string(L, "resting",
                          o->triggered                                         ? "triggered"
                          : ledger_pending(l, o->account, o->position) != NULL ? "resting"
                                                                               : "cancelled");
    domain_set_bool(L, "ambiguous", o->ambiguous);
    domain_set_bool(L, "resent", o->resent);
    domain_set_integer(L, "replaces", (lua_Integer)o->replaces);
}

/* Nothing more will become of it by itself: it is final, and it neither rests at the broker nor
 * waits for the operator's word. */
static bool ended(const struct ledger *l, const struct order *o)
{
    return order_final(o->state) && !o->ambiguous &&
           (o->op != ORDER_PENDING || o->triggered ||
            ledger_pending(l, o->account, o->position) == NULL);
}

/* orders([newest]) -> array by id: all that are kept, or those that have not ended and the newest
 * ones */
static int orders(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    size_t cursor = 0, count = 0;
    lua_Integer n = 0, newest = luaL_optinteger(L, 1, -1);
    const struct order *o;
    while (newest >= 0 && ledger_order_next(l, &cursor) != NULL)
        count++;
    cursor = 0;
    lua_newtable(L);
    while ((o = ledger_order_next(l, &cursor)) != NULL) {
        if (newest >= 0 && ended(l, o) && cursor + (size_t)newest <= count)
            continue;
        push_order(L, l, o);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* entries() -> array of the entries that are in flight, UNKNOWN, or accepted and not shown */
static int entries(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    size_t cursor = 0;
    lua_Integer n = 0;
    const struct order *o;
    lua_newtable(L);
    while ((o = ledger_entry_next(l, &cursor)) != NULL) {
        push_order(L, l, o);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int order(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    lua_Integer id = luaL_checkinteger(L, 1);
    const struct order *o = id > 0 ? ledger_order(l, (uint64_t)id) : NULL;
    if (o)
        push_order(L, l, o);
    else
        lua_pushnil(L);
    return 1;
}

static void push_instrument(lua_State *L, const struct instrument *i)
{
    lua_createtable(L, 0, 14);
    domain_set_string(L, "venue", i->venue);
    domain_set_string(L, "symbol", i->symbol);
    domain_set_string(L, "canonical", i->canonical);
    domain_set_string(L, "base", i->base);
    domain_set_string(L, "quote", i->quote);
    domain_set_integer(L, "price_digits", i->price_digits);
    domain_set_integer(L, "volume_digits", i->volume_digits);
    domain_set_decimal(L, "volume_min", i->volume_min);
    domain_set_decimal(L, "volume_max", i->volume_max);
    domain_set_decimal(L, "volume_step", i->volume_step);
    domain_set_decimal(L, "contract_size", i->contract_size);
    domain_set_integer(L, "leverage", i->leverage);
    domain_set_integer(L, "stops_level", i->stops_level);
    domain_set_decimal(L, "commission", i->commission);
}

/* instrument(venue, canonical) -> table | nil */
static int instrument(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int index = ledger_instrument_canonical(l, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
    if (index < 0)
        lua_pushnil(L);
    else
        push_instrument(L, ledger_instrument_at(l, index));
    return 1;
}

/* instruments(venue) -> array */
static int instruments(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    const char *venue = luaL_checkstring(L, 1);
    lua_Integer n = 0;
    lua_newtable(L);
    for (int i = 0; i < ledger_instrument_count(l); i++) {
        const struct instrument *at = ledger_instrument_at(l, i);
        if (strcmp(at->venue, venue) != 0)
            continue;
        push_instrument(L, at);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* equity(id) -> string, exact */
static int equity(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    decimal d = decimal_raw(0);
    bool exact = ledger_equity(l, domain_check_account(L, 1), &d);
    bind_push_decimal_string(L, d);
    lua_pushboolean(L, exact);
    return 2;
}

/* margin(id) -> string | nil, err */
static int margin(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    decimal d = decimal_raw(0);
    struct err e = {0};
    if (ledger_margin(l, domain_check_account(L, 1), &d, &e) != 0)
        return fail(L, &e);
    bind_push_decimal_string(L, d);
    return 1;
}

/* convert(venue, from, to) -> rate | nil, err */
static int convert(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    double rate = 0;
    struct err e = {0};
    if (ledger_convert(l, luaL_checkstring(L, 1), luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                       &rate, &e) != 0)
        return fail(L, &e);
    lua_pushnumber(L, rate);
    return 1;
}

/* Accounts whose positions crossed: a bit each, so that the callback allocates nothing. */
struct crossed {
    unsigned char bits[LEDGER_MAX_ACCOUNTS / 8];
    int highest;
};

static void on_crossed(void *arg, const struct position *p)
{
    struct crossed *c = arg;
    if (p->account < 0 || p->account >= LEDGER_MAX_ACCOUNTS)
        return;
    c->bits[p->account / 8] |= (unsigned char)(1u << (p->account % 8));
    if (p->account > c->highest)
        c->highest = p->account;
}

/* mark(venue, canonical, bid, ask) -> ids of accounts whose position crossed its stop or target */
static int mark(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    const char *venue = luaL_checkstring(L, 1), *canonical = luaL_checkstring(L, 2);
    double bid = domain_check_finite(L, 3), ask = domain_check_finite(L, 4);
    struct exec *x = host_of(L)->services.exec;
    struct crossed c = {.highest = -1};
    lua_Integer n = 0;
    (void)ledger_mark(l, venue, canonical, bid, ask, on_crossed, &c);
    lua_newtable(L);
    for (int i = 0; i <= c.highest; i++) {
        if (!(c.bits[i / 8] & (1u << (i % 8))))
            continue;
        if (x)
            exec_suspect(x, i);
        lua_pushstring(L, account_id(l, i));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* quote(venue, canonical) -> bid, ask | nil: the newest mark */
static int quote(lua_State *L)
{
    double bid, ask;
    if (!ledger_rate_quote(ledger_of(L), luaL_checkstring(L, 1), luaL_checkstring(L, 2), &bid,
                           &ask)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, bid);
    lua_pushnumber(L, ask);
    return 2;
}

/* entry_pending(account, canonical) -> bool; false for what the venue does not have */
static int entry_pending(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int a = domain_check_account(L, 1);
    int i = ledger_instrument_canonical(l, ledger_account_at(l, a)->broker, luaL_checkstring(L, 2));
    lua_pushboolean(L, i >= 0 && ledger_entry_pending(l, a, i));
    return 1;
}

static int exposure_count(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    lua_pushinteger(L, (lua_Integer)ledger_exposure_count(l, domain_check_account(L, 1)));
    return 1;
}

/* standing(id) -> equity, bound margin (nil: a rate is missing), exposure count, paused: what a
 * risk check looks at for each leg of a fan-out, as numbers and without a table. */
static int standing(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    int account = domain_check_account(L, 1);
    decimal d = decimal_raw(0);
    (void)ledger_equity(l, account, &d);
    lua_pushnumber(L, decimal_to_double(d));
    if (ledger_margin(l, account, &d, NULL) == 0)
        lua_pushnumber(L, decimal_to_double(d));
    else
        lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)ledger_exposure_count(l, account));
    lua_pushboolean(L, ledger_account_at(l, account)->paused);
    return 4;
}

static int last_ids(lua_State *L)
{
    struct ledger *l = ledger_of(L);
    lua_createtable(L, 0, 3);
    domain_set_integer(L, "order", (lua_Integer)ledger_last_order(l));
    domain_set_integer(L, "batch", (lua_Integer)ledger_last_batch(l));
    domain_set_integer(L, "signal", (lua_Integer)ledger_last_signal(l));
    return 1;
}

int luaopen_perigee_ledger(lua_State *L)
{
    static const luaL_Reg functions[] = {{"accounts", accounts},
                                         {"account", account},
                                         {"positions", positions},
                                         {"position", position},
                                         {"pendings", pendings},
                                         {"orders", orders},
                                         {"order", order},
                                         {"entries", entries},
                                         {"instrument", instrument},
                                         {"instruments", instruments},
                                         {"equity", equity},
                                         {"margin", margin},
                                         {"convert", convert},
                                         {"mark", mark},
                                         {"marks", ledger_marks},
                                         {"quote", quote},
                                         {"entry_pending", entry_pending},
                                         {"exposure_count", exposure_count},
                                         {"standing", standing},
                                         {"last_ids", last_ids},
                                         {"size", ledger_size},
                                         {"cost", ledger_cost},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
