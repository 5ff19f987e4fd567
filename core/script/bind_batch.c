/* SPDX-License-Identifier: MIT
 *
 * Batches of perigee.exec: legs are added, one submit sends them all and yields until they have
 * settled. The userdata owns the batch; __gc and __close free it, which cancels only what is
 * queued.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "script/bind.h"
#include "script/codec.h"
#include "script/domain.h"
#include "script/task.h"

#define BATCH_META "perigee.batch"

struct batch_box {
    struct batch *batch;           /* NULL: closed */
    struct exec_hub *hub;          /* whose list it is in */
    struct batch_box *prev, *next; /* open ones */
    struct task_op *op;            /* of the task that waits in submit; NULL: none */
    bool submitted;
    struct err e; /* of a failed submit */
};

static void box_close(struct batch_box *box)
{
    struct batch *b = box->batch;
    if (!b)
        return;
    box->batch = NULL;
    box->op = NULL;
    if (box->prev)
        box->prev->next = box->next;
    else
        box->hub->batches = box->next;
    if (box->next)
        box->next->prev = box->prev;
    batch_free(b);
}

void batch_close_all(struct exec_hub *hub)
{
    while (hub->batches) {
        struct batch_box *box = hub->batches;
        struct task_op *op = box->op;
        box_close(box);
        if (op) {
            op->status = err_set(&box->e, ERR_CLOSED, "execution has ended");
            task_ready(op);
        }
    }
}

static int box_gc(lua_State *L)
{
    struct batch_box *box = luaL_checkudata(L, 1, BATCH_META);
    struct task_op *op = box->op;
    box_close(box);
    if (op)
        task_ready(op); /* another task waits for it: it gets "closed" */
    return 0;
}

static struct batch_box *check_batch(lua_State *L)
{
    struct batch_box *box = luaL_checkudata(L, 1, BATCH_META);
    if (!box->batch)
        luaL_error(L, "the batch is closed");
    return box;
}

static int check_word(lua_State *L, int table, const char *what, const char *name,
                      const char *const *words)
{
    char list[96] = "";
    const char *text = domain_opt_string(L, table, what, name, words[0]);
    for (int k = 0; words[k]; k++) {
        if (strcmp(text, words[k]) == 0)
            return k;
        size_t n = strlen(list);
        (void)snprintf(list + n, sizeof list - n, "%s%s", k ? ", " : "", words[k]);
    }
    return luaL_error(L, "%s.%s: one of %s expected, got \"%s\"", what, name, list, text);
}

static const char *const settle_words[] = {"all", "first", "quorum", "deadline", NULL};
static const char *const failure_words[] = {"best_effort", "all_or_none", "quorum", NULL};

static unsigned check_quorum(lua_State *L, int table, const char *what)
{
    lua_Integer n = domain_integer(L, table, what, "quorum", 0);
    if (n < 0 || n > LEDGER_MAX_ACCOUNTS)
        luaL_error(L, "%s.quorum: a number of accounts expected", what);
    return (unsigned)n;
}

/* The groups of the options, an array of { group =, on_failure =, quorum = }. */
static void set_groups(lua_State *L, struct batch *b)
{
    static const char *const names[] = {"group", "on_failure", "quorum", NULL};
    struct err e = {0};
    if (lua_getfield(L, 1, "groups") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        int groups = lua_gettop(L);
        size_t count = lua_rawlen(L, groups);
        for (size_t k = 1; k <= count; k++) {
            if (lua_rawgeti(L, groups, (lua_Integer)k) != LUA_TTABLE)
                luaL_error(L, "batch.groups: an array of { group =, on_failure =, quorum = } "
                              "expected");
            int entry = lua_gettop(L);
            domain_only(L, entry, "batch.groups", names);
            const char *group = domain_string(L, entry, "batch.groups", "group");
            int policy = check_word(L, entry, "batch.groups", "on_failure", failure_words);
            unsigned quorum = check_quorum(L, entry, "batch.groups");
            if (batch_policy(b, group, (enum on_failure)policy, quorum, &e) != 0)
                luaL_error(L, "batch.groups: %s", e.message);
            lua_settop(L, groups);
        }
    }
    lua_pop(L, 1);
}

/* batch{signal=, settle=, quorum=, deadline_ms=, on_failure=, groups=} -> B | nil, err. quorum is
 * that of settle and of on_failure, where they are "quorum". */
int batch_create(lua_State *L)
{
    static const char *const names[] = {"signal",     "settle", "quorum", "deadline_ms",
                                        "on_failure", "groups", NULL};
    struct exec *x = BIND_SERVICE(L, exec);
    codec_check_outside(L, "exec.batch");
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "batch", names);
    lua_Integer signal = domain_integer(L, 1, "batch", "signal", 0);
    lua_Integer deadline = domain_integer(L, 1, "batch", "deadline_ms", 0);
    luaL_argcheck(L, signal >= 0 && deadline >= 0, 1,
                  "signal and deadline_ms must not be negative");
    enum settle settle = (enum settle)check_word(L, 1, "batch", "settle", settle_words);
    enum on_failure policy =
        (enum on_failure)check_word(L, 1, "batch", "on_failure", failure_words);
    unsigned quorum = check_quorum(L, 1, "batch");
    if (quorum == 0 && (settle == SETTLE_QUORUM || policy == FAIL_QUORUM))
        return luaL_error(L, "batch.quorum: a number above 0 is needed");
    struct batch_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    luaL_setmetatable(L, BATCH_META);
    struct err e = {0};
    box->batch = batch_new(x, (uint64_t)signal, settle, deadline, &e);
    if (!box->batch)
        return push_err(L, e.code, e.message, "exec", "safe");
    box->hub = host_of(L)->slots[SLOT_EXEC];
    box->next = box->hub->batches;
    if (box->next)
        box->next->prev = box;
    box->hub->batches = box;
    batch_settle_quorum(box->batch, quorum);
    if (batch_policy(box->batch, NULL, policy, quorum, &e) != 0)
        return luaL_error(L, "%s", e.message);
    set_groups(L, box->batch);
    return 1;
}

int codec_points(const struct instrument *i, enum side side, enum price_kind kind, decimal price,
                 int64_t *points)
{
    enum decimal_round mode = DECIMAL_HALF_EVEN;
    /* Both round towards the price: a stop loses less, a target is reached sooner. */
    if (kind == PRICE_STOP)
        mode = side == SIDE_BUY ? DECIMAL_CEIL : DECIMAL_FLOOR;
    else if (kind == PRICE_TARGET)
        mode = side == SIDE_BUY ? DECIMAL_FLOOR : DECIMAL_CEIL;
    return instrument_to_points(i, price, mode, points);
}

/* Finds account and instrument of a leg: 0, or the number of results of a failure. */
static int find_leg(lua_State *L, struct ledger *ledger, struct leg_spec *leg)
{
    const char *account = domain_string(L, 2, "leg", "account");
    const char *canonical = domain_string(L, 2, "leg", "canonical");
    struct err e = {0};
    leg->account = ledger_account(ledger, account);
    if (leg->account < 0) {
        (void)err_set(&e, ERR_NOTFOUND, "unknown account \"%s\"", account);
        return push_err(L, e.code, e.message, "exec", "no");
    }
    const char *venue = ledger_account_at(ledger, leg->account)->broker;
    leg->instrument = ledger_instrument_canonical(ledger, venue, canonical);
    if (leg->instrument < 0) {
        (void)err_set(&e, ERR_NOTFOUND, "%s has no instrument \"%s\"", venue, canonical);
        return push_err(L, e.code, e.message, "exec", "no");
    }
    return 0;
}

static bool leg_prices(lua_State *L, const struct instrument *i, struct leg_spec *leg)
{
    static const char *const names[] = {"price", "stop", "target"};
    int64_t *const out[] = {&leg->price, &leg->stop, &leg->target};
    for (int k = 0; k < 3; k++) {
        decimal d;
        if (!domain_field_decimal(L, 2, "leg", names[k], &d) && k == (int)PRICE_REFERENCE)
            luaL_error(L, "leg.price: a decimal expected, got nil");
        if (d.v < 0 || codec_points(i, leg->side, (enum price_kind)k, d, out[k]) != 0)
            return false;
    }
    return true;
}

/* B:add{account=, canonical=, side=, volume=, price=, stop=, target=, holding_ms=, plan=, attempt=,
 * replaces=} -> true | nil, err */
static int batch_add_leg(lua_State *L)
{
    static const char *const names[] = {"account", "canonical", "side",     "volume",
                                        "price",   "stop",      "target",   "holding_ms",
                                        "plan",    "attempt",   "replaces", NULL};
    struct batch_box *box = check_batch(L);
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    domain_only(L, 2, "leg", names);
    if (box->submitted)
        return luaL_error(L, "the batch was submitted already");
    struct leg_spec leg = {0};
    leg.side = domain_side(L, 2, "leg", "side");
    if (!domain_field_decimal(L, 2, "leg", "volume", &leg.volume))
        return luaL_error(L, "leg.volume: a decimal expected, got nil");
    leg.holding_ms = domain_integer(L, 2, "leg", "holding_ms", 0);
    leg.plan = domain_opt_string(L, 2, "leg", "plan", NULL);
    lua_Integer attempt = domain_integer(L, 2, "leg", "attempt", 1);
    if (attempt < 1 || attempt > 1000000)
        return luaL_error(L, "leg.attempt: a number above 0 expected");
    leg.attempt = (int)attempt;
    lua_Integer replaces = domain_integer(L, 2, "leg", "replaces", 0);
    if (replaces < 0)
        return luaL_error(L, "leg.replaces: an order's id expected");
    leg.replaces = (uint64_t)replaces;
    int failed = find_leg(L, ledger, &leg);
    if (failed)
        return failed;
    if (!leg_prices(L, ledger_instrument_at(ledger, leg.instrument), &leg))
        return push_err(L, ERR_OVERFLOW, "a price is out of range", "exec", "no");
    struct err e = {0};
    if (batch_add(box->batch, &leg, &e) != 0)
        return push_err(L, e.code, e.message, "exec", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static void set_us(lua_State *L, const char *name, int64_t us)
{
    if (us >= 0)
        domain_set_integer(L, name, us);
}

static void push_leg(lua_State *L, struct ledger *ledger, const struct leg *leg)
{
    const struct account *account = ledger_account_at(ledger, leg->spec.account);
    const struct instrument *i = ledger_instrument_at(ledger, leg->spec.instrument);
    lua_createtable(L, 0, 18);
    domain_set_string(L, "account", account ? account->id : "");
    if (account)
        domain_set_string(L, "group", account->group);
    if (leg->order)
        domain_set_integer(L, "order", (lua_Integer)leg->order);
    domain_set_string(L, "state", leg->refused ? "REFUSED" : order_state_name(leg->state));
    domain_set_bool(L, "refused", leg->refused);
    domain_set_string(L, "rule", leg->rule);
    domain_set_string(L, "code", leg->code);
    domain_set_string(L, "reason", leg->reason);
    domain_set_string(L, "broker_id", leg->broker_id);
    domain_set_decimal(L, "volume", leg->spec.volume);
    if (i)
        domain_set_points(L, "asked", i, leg->spec.price);
    domain_set_integer(L, "attempt", leg->spec.attempt > 1 ? leg->spec.attempt : 1);
    if (leg->retry_after_ms > 0)
        domain_set_integer(L, "retry_after_ms", leg->retry_after_ms);
    set_us(L, "queued_us", leg->queued_us);
    set_us(L, "sent_us", leg->sent_us);
    set_us(L, "answered_us", leg->answered_us);
}

static void push_report(lua_State *L, const struct batch *b)
{
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    struct batch_report r;
    batch_report(b, &r);
    size_t count = batch_count(b);
    lua_createtable(L, 0, 12);
    domain_set_integer(L, "batch", (lua_Integer)r.batch);
    domain_set_integer(L, "signal", (lua_Integer)r.signal);
    domain_set_integer(L, "refused", (lua_Integer)r.refused);
    domain_set_integer(L, "sent", (lua_Integer)r.sent);
    domain_set_integer(L, "accepted", (lua_Integer)r.accepted);
    domain_set_integer(L, "rejected", (lua_Integer)r.rejected);
    domain_set_integer(L, "unknown", (lua_Integer)r.unknown);
    domain_set_integer(L, "not_sent", (lua_Integer)r.not_sent);
    domain_set_decimal(L, "volume", r.volume);
    domain_set_integer(L, "skew_us", r.skew_us);
    domain_set_integer(L, "elapsed_us", r.elapsed_us);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_leg(L, ledger, batch_leg(b, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "legs");
}

static int submit_push(lua_State *L, struct task_op *op)
{
    struct batch_box *box = op->data;
    if (op->status != 0)
        return push_err(L, op->status, box->e.message, "exec", "no");
    if (!box->batch)
        return push_err(L, ERR_CLOSED, "the batch was closed", "exec", "reconcile");
    push_report(L, box->batch);
    return 1;
}

/* Cancelling the caller cancels what is queued; what was sent is exec's own. */
static void submit_cancel(struct task_op *op)
{
    box_close(op->data);
}

static void on_done(void *arg, struct batch *b)
{
    (void)b;
    struct batch_box *box = arg;
    struct task_op *op = box->op;
    box->op = NULL;
    if (op)
        task_ready(op);
}

/* B:submit() -> report | nil, err; yields */
static int batch_submit_wait(lua_State *L)
{
    struct batch_box *box = check_batch(L);
    (void)BIND_SERVICE(L, ledger);
    codec_check_outside(L, "batch:submit");
    if (box->submitted)
        return luaL_error(L, "the batch was submitted already");
    lua_settop(L, 1); /* the batch stays on the stack, and so alive, while it waits */
    struct task_op *op = task_begin(L, "batch:submit");
    op->push = submit_push;
    op->cancel = submit_cancel;
    op->release = NULL;
    op->data = box;
    op->status = 0;
    if (task_cancel_due(L))
        return task_wait(L, op); /* cancelled: not sent */
    box->submitted = true;
    box->op = op;
    int rc = batch_submit(box->batch, on_done, box, &box->e);
    if (rc != 0) {
        box->op = NULL;
        op->status = rc;
        task_ready(op);
    }
    return task_wait(L, op);
}

static int batch_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)batch_count(check_batch(L)->batch));
    return 1;
}

void batch_open_class(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"add", batch_add_leg}, {"submit", batch_submit_wait}, {"close", box_gc}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", box_gc}, {"__close", box_gc}, {"__len", batch_length}, {NULL, NULL}};
    if (luaL_newmetatable(L, BATCH_META)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}
