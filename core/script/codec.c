/* SPDX-License-Identifier: MIT
 *
 * Codec and risk as C sees them: protected calls, which cannot yield, into the functions that
 * scripts registered. They fail closed: without a function, on an error and on an answer of the
 * wrong shape an order is not sent (encode), its outcome is UNKNOWN (decode), a leg is refused by
 * the rule "risk_error" (risk).
 *
 * This is the hot path of a fan-out. Each policy has a coroutine whose stack holds its C closures;
 * their upvalues are the script's function, the one table that is refilled for each call, its
 * interned keys, and the texts of the newest numbers, which legs of one signal mostly share. The
 * tables are the policy's only during its call. A stop or target that is not there is "0".
 */
#include "script/codec.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "script/bind.h"
#include "script/domain.h"

/* Upvalues of the closures. */
enum { UP_FN = 1, UP_TABLE, UP_ANSWER, UP_TEXTS };
enum { TEXT_VOLUME, TEXT_PRICE, TEXT_STOP, TEXT_TARGET, TEXTS };
enum { UP_KEYS = UP_TEXTS + TEXTS };

static const char *const order_keys[] = {
    "id",   "op",     "symbol",   "side",          "volume",       "price",
    "stop", "target", "position", "volume_digits", "price_digits", "type"};
enum {
    O_ID,
    O_OP,
    O_SYMBOL,
    O_SIDE,
    O_VOLUME,
    O_PRICE,
    O_STOP,
    O_TARGET,
    O_POSITION,
    O_VDIGITS,
    O_PDIGITS,
    O_TYPE,
    ORDER_KEYS
};

static const char *const answer_keys[] = {"status", "body",   "kind",          "broker_id",
                                          "code",   "reason", "retry_after_ms"};
enum { A_STATUS = ORDER_KEYS, A_BODY, A_KIND, A_ID, A_CODE, A_REASON, A_RETRY, CODEC_KEYS };

static const char *const leg_keys[] = {"account", "canonical", "symbol", "side",  "volume",
                                       "price",   "stop",      "target", "signal"};
enum {
    L_ACCOUNT,
    L_CANONICAL,
    L_SYMBOL,
    L_SIDE,
    L_VOLUME,
    L_PRICE,
    L_STOP,
    L_TARGET,
    L_SIGNAL,
    LEG_KEYS
};

/* Stack of a policy's coroutine. */
enum { AT_HANDLER = 1, AT_FIRST, AT_SECOND };

struct policy {
    struct host *host;
    lua_State *thread;   /* anchored in the registry */
    int calling;         /* calls under way */
    bool steady;         /* the codec keeps the promise of venue/shape.h */
    unsigned generation; /* of codecs, from 1 */
    struct {
        int64_t v;                     /* units of 10^-8 */
        bool there;                    /* the upvalue holds its text */
    } texts[2][TEXTS];                 /* of the first and the second closure */
    const struct codec_answer *answer; /* being decoded; NULL: none */
};

struct call {
    struct policy *p;
    const char *broker;
    const struct order *order;
    const struct instrument *instrument;
    struct codec_request *request;
    const struct codec_answer *answer;
    struct verdict *verdict;
    const struct leg_spec *leg;
    uint64_t signal;
    bool passes;
    char *rule, *reason;
};

#define KEY(n) lua_upvalueindex(UP_KEYS + (int)(n))

/* table[key] = value; both upvalue numbers; the value is at the top. */
static void put(lua_State *L, int table, int key)
{
    lua_pushvalue(L, KEY(key));
    lua_insert(L, -2);
    lua_rawset(L, table);
}

static void put_string(lua_State *L, int table, int key, const char *text)
{
    lua_pushvalue(L, KEY(key));
    lua_pushstring(L, text);
    lua_rawset(L, table);
}

static void put_integer(lua_State *L, int table, int key, lua_Integer x)
{
    lua_pushvalue(L, KEY(key));
    lua_pushinteger(L, x);
    lua_rawset(L, table);
}

/* The text of a decimal, kept in an upvalue while the number stays the same. */
static void put_decimal(lua_State *L, struct policy *p, int closure, int table, int key, int slot,
                        decimal d)
{
    lua_pushvalue(L, KEY(key));
    if (p->texts[closure][slot].there && p->texts[closure][slot].v == d.v) {
        lua_pushvalue(L, lua_upvalueindex(UP_TEXTS + slot));
    } else {
        char text[DECIMAL_BUF];
        lua_pushlstring(L, text, decimal_format(d, text));
        lua_copy(L, -1, lua_upvalueindex(UP_TEXTS + slot));
        p->texts[closure][slot].v = d.v;
        p->texts[closure][slot].there = true;
    }
    lua_rawset(L, table);
}

static void put_order(lua_State *L, struct policy *p, int closure, int table, const struct order *o,
                      const struct instrument *i)
{
    put_integer(L, table, O_ID, (lua_Integer)o->id);
    put_string(L, table, O_OP, order_op_name(o->op));
    put_string(L, table, O_SYMBOL, i->symbol);
    put_string(L, table, O_SIDE, side_name(o->side));
    put_decimal(L, p, closure, table, O_VOLUME, TEXT_VOLUME, o->volume);
    put_decimal(L, p, closure, table, O_PRICE, TEXT_PRICE, instrument_price(i, o->price));
    put_decimal(L, p, closure, table, O_STOP, TEXT_STOP, instrument_price(i, o->stop));
    put_decimal(L, p, closure, table, O_TARGET, TEXT_TARGET, instrument_price(i, o->target));
    if (o->position[0])
        lua_pushstring(L, o->position);
    else
        lua_pushnil(L);
    put(L, table, O_POSITION);
    put_integer(L, table, O_VDIGITS, i->volume_digits);
    put_integer(L, table, O_PDIGITS, i->price_digits);
    if (o->type != ORDER_MARKET)
        lua_pushstring(L, order_type_name(o->type));
    else
        lua_pushnil(L);
    put(L, table, O_TYPE);
}

/* A string result at index: its text, or a raise. */
static const char *result(lua_State *L, int index, const char *what, size_t *n)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "the codec's encode returned %s as %s, not a string", luaL_typename(L, index),
                   what);
    return lua_tolstring(L, index, n);
}

/* Protected: fills the order, calls encode, copies the request. The request's memory is the
 * caller's, so a raise leaks nothing. */
static int encode_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    lua_pushvalue(L, lua_upvalueindex(UP_TABLE)); /* 2 */
    put_order(L, c->p, 0, 2, c->order, c->instrument);
    lua_pushvalue(L, lua_upvalueindex(UP_FN));
    lua_pushstring(L, c->broker);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 3);
    size_t n;
    const char *method = result(L, 3, "method", &n);
    if (n == 0 || n >= sizeof c->request->method)
        return luaL_error(L, "the codec's encode returned a method of %d bytes", (int)n);
    memcpy(c->request->method, method, n + 1);
    const char *path = result(L, 4, "path", &n);
    str_clear(&c->request->path);
    str_add(&c->request->path, path, n);
    str_clear(&c->request->body);
    if (!lua_isnil(L, 5)) {
        const char *body = result(L, 5, "body", &n);
        str_add(&c->request->body, body, n);
    }
    if (c->request->path.failed || c->request->body.failed)
        return luaL_error(L, "not enough memory for the request");
    return 0;
}

/* header(name) -> value | nil: the first of this name, any case. Upvalue 1: the policy. */
static int answer_header(lua_State *L)
{
    struct policy *p = lua_touserdata(L, lua_upvalueindex(1));
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);
    if (!p->answer)
        return luaL_error(L, "an answer's headers can be read only while it is decoded");
    const char *at = p->answer->head, *end = at + p->answer->head_size;
    while (at && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        if (!stop)
            stop = end;
        if ((size_t)(stop - at) > n && at[n] == ':' && strncasecmp(at, name, n) == 0) {
            at += n + 1;
            while (at < stop && (*at == ' ' || *at == '\t'))
                at++;
            while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            lua_pushlstring(L, at, (size_t)(stop - at));
            return 1;
        }
        at = next;
    }
    lua_pushnil(L);
    return 1;
}

/* The text field `key` of the result at index into buf; false: too long for it. */
static bool take_text(lua_State *L, int index, int key, char *buf, size_t size)
{
    lua_pushvalue(L, KEY(key));
    int type = lua_rawget(L, index);
    size_t n = 0;
    const char *text = "";
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
        text = lua_tolstring(L, -1, &n);
    else if (type != LUA_TNIL)
        luaL_error(L, "the codec's decode returned %s as a text", lua_typename(L, type));
    bool whole = n < size;
    if (!whole)
        n = size - 1;
    memcpy(buf, text, n);
    buf[n] = '\0';
    lua_pop(L, 1);
    return whole;
}

static int take_verdict(lua_State *L, int index, struct verdict *v)
{
    char kind[16];
    if (lua_type(L, index) != LUA_TTABLE)
        return luaL_error(L, "the codec's decode returned %s, not a table",
                          luaL_typename(L, index));
    (void)take_text(L, index, A_KIND, kind, sizeof kind);
    if (strcmp(kind, "accepted") == 0)
        v->kind = VERDICT_ACCEPTED;
    else if (strcmp(kind, "rejected") == 0)
        v->kind = VERDICT_REJECTED;
    else if (strcmp(kind, "unknown") == 0)
        v->kind = VERDICT_UNKNOWN;
    else
        return luaL_error(L, "the codec's decode returned the kind \"%s\"", kind);
    if (!take_text(L, index, A_ID, v->broker_id, sizeof v->broker_id))
        return luaL_error(L, "the codec's decode returned a broker_id of over 31 bytes");
    (void)take_text(L, index, A_CODE, v->code, sizeof v->code);
    (void)take_text(L, index, A_REASON, v->reason, sizeof v->reason);
    lua_pushvalue(L, KEY(A_RETRY));
    lua_rawget(L, index);
    int ok = 1;
    lua_Integer retry = lua_isnil(L, -1) ? 0 : lua_tointegerx(L, -1, &ok);
    if (!ok || retry < 0)
        return luaL_error(L, "the codec's decode returned a wrong retry_after_ms");
    v->retry_after_ms = retry;
    return 0;
}

static int decode_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    lua_pushvalue(L, lua_upvalueindex(UP_TABLE)); /* 2 */
    put_order(L, c->p, 1, 2, c->order, c->instrument);
    lua_pushvalue(L, lua_upvalueindex(UP_ANSWER)); /* 3 */
    put_integer(L, 3, A_STATUS, c->answer->status);
    lua_pushlstring(L, c->answer->body ? c->answer->body : "", c->answer->body_size);
    put(L, 3, A_BODY);
    lua_pushvalue(L, lua_upvalueindex(UP_FN));
    lua_pushstring(L, c->broker);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    c->p->answer = c->answer;
    lua_call(L, 3, 1);
    struct verdict v = *c->verdict;
    take_verdict(L, 4, &v);
    *c->verdict = v;
    return 0;
}

/* Runs the closure at `at` of the policy; an error is logged with its traceback and its first line
 * goes to e. */
static int run(struct policy *p, int at, struct call *c, const char *what, struct err *e)
{
    lua_State *T = p->thread;
    int top = lua_gettop(T);
    lua_pushvalue(T, at);
    lua_pushlightuserdata(T, c);
    p->calling++;
    int rc = lua_pcall(T, 1, 0, AT_HANDLER);
    p->calling--;
    p->answer = NULL;
    if (rc == LUA_OK)
        return 0;
    const char *text = lua_tostring(T, -1);
    if (!text)
        text = "(error object is no string)";
    log_write(p->host->services.log, LOG_ERROR, "exec", "%s: %s", what, text);
    (void)err_set(e, ERR_INPUT, "%s: %.*s", what, (int)strcspn(text, "\n"), text);
    lua_settop(T, top);
    return ERR_INPUT;
}

/* Drops what is known of the number texts: after an error an upvalue may lag behind. */
static void forget_texts(struct policy *p)
{
    memset(p->texts, 0, sizeof p->texts);
}

static struct policy *policy_of(struct host *h, int slot, const char *what, struct err *e)
{
    struct policy *p = h->slots[slot];
    if (p)
        return p;
    (void)err_set(e, ERR_STATE, "no %s is registered: call perigee.exec's %s first", what, what);
    return NULL;
}

/* The instrument that a decode's order speaks of. */
static const struct instrument *instrument_of(struct host *h, const struct order *o)
{
    static const struct instrument none = {.symbol = ""};
    const struct instrument *i =
        h->services.ledger ? ledger_instrument_at(h->services.ledger, o->instrument) : NULL;
    return i ? i : &none;
}

static int codec_encode(void *ctx, const char *broker, const struct order *o,
                        const struct instrument *i, struct codec_request *out, struct err *e)
{
    struct policy *p = policy_of(ctx, SLOT_CODEC, "codec", e);
    if (!p)
        return ERR_STATE;
    struct call c = {.p = p, .broker = broker, .order = o, .instrument = i, .request = out};
    int rc = run(p, AT_FIRST, &c, "the codec's encode failed", e);
    if (rc != 0)
        forget_texts(p);
    return rc;
}

static int codec_decode(void *ctx, const char *broker, const struct order *o,
                        const struct codec_answer *a, struct verdict *out, struct err *e)
{
    struct policy *p = policy_of(ctx, SLOT_CODEC, "codec", e);
    if (!p)
        return ERR_STATE;
    struct call c = {.p = p,
                     .broker = broker,
                     .order = o,
                     .instrument = instrument_of(ctx, o),
                     .answer = a,
                     .verdict = out};
    int rc = run(p, AT_SECOND, &c, "the codec's decode failed", e);
    if (rc != 0)
        forget_texts(p);
    return rc;
}

static unsigned codec_steady(void *ctx)
{
    const struct policy *p = ((struct host *)ctx)->slots[SLOT_CODEC];
    return p && p->steady ? p->generation : 0;
}

struct codec_ops host_codec(struct host *h)
{
    return (struct codec_ops){
        .ctx = h, .encode = codec_encode, .decode = codec_decode, .steady = codec_steady};
}

/* ---- risk ---- */

static void put_leg(lua_State *L, struct policy *p, int table, const struct leg_spec *leg,
                    uint64_t signal)
{
    struct ledger *ledger = BIND_SERVICE(L, ledger);
    const struct account *account = ledger_account_at(ledger, leg->account);
    const struct instrument *i = ledger_instrument_at(ledger, leg->instrument);
    if (!account || !i)
        luaL_error(L, "the leg's account or instrument is not in the ledger");
    put_string(L, table, L_ACCOUNT, account->id);
    put_string(L, table, L_CANONICAL, i->canonical);
    put_string(L, table, L_SYMBOL, i->symbol);
    put_string(L, table, L_SIDE, side_name(leg->side));
    put_decimal(L, p, 0, table, L_VOLUME, TEXT_VOLUME, leg->volume);
    put_decimal(L, p, 0, table, L_PRICE, TEXT_PRICE, instrument_price(i, leg->price));
    put_decimal(L, p, 0, table, L_STOP, TEXT_STOP, instrument_price(i, leg->stop));
    put_decimal(L, p, 0, table, L_TARGET, TEXT_TARGET, instrument_price(i, leg->target));
    put_integer(L, table, L_SIGNAL, (lua_Integer)signal);
}

static void copy_text(char *buf, size_t size, lua_State *L, int index, const char *otherwise)
{
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : otherwise;
    (void)snprintf(buf, size, "%s", text);
}

static int risk_body(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    lua_pushvalue(L, lua_upvalueindex(UP_TABLE)); /* 2 */
    put_leg(L, c->p, 2, c->leg, c->signal);
    lua_pushvalue(L, lua_upvalueindex(UP_FN));
    lua_pushvalue(L, 2);
    lua_call(L, 1, 3);
    if (!lua_isboolean(L, 3))
        return luaL_error(L, "the risk policy returned %s, not true or false", luaL_typename(L, 3));
    c->passes = lua_toboolean(L, 3);
    if (!c->passes) {
        copy_text(c->rule, 32, L, 4, "risk");
        copy_text(c->reason, 160, L, 5, "");
    }
    return 0;
}

static int risk_check(void *ctx, const struct leg_spec *leg, uint64_t signal, char rule[32],
                      char reason[160])
{
    struct err e = {0};
    struct policy *p = policy_of(ctx, SLOT_RISK, "risk", &e);
    struct call c = {.p = p, .leg = leg, .signal = signal, .rule = rule, .reason = reason};
    if (p && run(p, AT_FIRST, &c, "the risk policy failed", &e) == 0)
        return c.passes ? 0 : ERR_LIMIT;
    if (p)
        forget_texts(p);
    (void)snprintf(rule, 32, "risk_error");
    (void)snprintf(reason, 160, "%.159s", e.message);
    return ERR_LIMIT;
}

struct risk_ops host_risk(struct host *h)
{
    return (struct risk_ops){.ctx = h, .check = risk_check};
}

/* ---- registration ---- */

/* Pushes a closure of body over function, tables, texts and keys onto the policy's coroutine. The
 * tables and the function come from the stack of L. */
static void push_closure(lua_State *L, lua_State *T, lua_CFunction body, int function, int table,
                         int answer, const char *const *keys, const char *const *more,
                         int key_count, int more_count)
{
    lua_pushvalue(L, function);
    lua_pushvalue(L, table);
    lua_pushvalue(L, answer);
    for (int i = 0; i < TEXTS; i++)
        lua_pushliteral(L, "");
    for (int i = 0; i < key_count; i++)
        lua_pushstring(L, keys[i]);
    for (int i = 0; i < more_count; i++)
        lua_pushstring(L, more[i]);
    lua_pushcclosure(L, body, UP_KEYS - 1 + key_count + more_count);
    lua_xmove(L, T, 1);
}

/* Pushes a new policy, its coroutine holding just the handler. */
static struct policy *new_policy(lua_State *L)
{
    struct policy *p = lua_newuserdatauv(L, sizeof *p, 1);
    memset(p, 0, sizeof *p);
    p->host = host_of(L);
    p->thread = lua_newthread(L);
    if (!lua_checkstack(p->thread, LUA_MINSTACK))
        luaL_error(L, "not enough memory");
    lua_setiuservalue(L, -2, 1);
    lua_pushcfunction(p->thread, domain_traceback);
    return p;
}

static void check_idle(lua_State *L, int slot, const char *what)
{
    const struct policy *p = host_of(L)->slots[slot];
    if (p && p->calling > 0)
        luaL_error(L, "exec.%s: not allowed while it is being called", what);
}

void codec_check_outside(lua_State *L, const char *what)
{
    const struct policy *codec = host_of(L)->slots[SLOT_CODEC],
                        *risk = host_of(L)->slots[SLOT_RISK];
    if ((codec && codec->calling > 0) || (risk && risk->calling > 0))
        luaL_error(L, "%s: not allowed in a risk check or codec", what);
}

int codec_register(lua_State *L)
{
    static const char key;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getfield(L, 1, "encode") != LUA_TFUNCTION ||
        lua_getfield(L, 1, "decode") != LUA_TFUNCTION)
        return luaL_argerror(L, 1, "functions encode and decode expected");
    check_idle(L, SLOT_CODEC, "codec");
    const struct policy *former = host_of(L)->slots[SLOT_CODEC];
    struct policy *p = new_policy(L); /* 4 */
    p->generation = (former ? former->generation : 0) + 1;
    lua_getfield(L, 1, "steady");
    p->steady = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_newtable(L);     /* 5: order of encode */
    lua_newtable(L);     /* 6: order of decode */
    lua_newtable(L);     /* 7: answer */
    lua_pushvalue(L, 4); /* keeps the policy as long as the function lives */
    lua_pushcclosure(L, answer_header, 1);
    lua_setfield(L, 7, "header");
    luaL_checkstack(L, UP_KEYS + CODEC_KEYS, NULL);
    push_closure(L, p->thread, encode_body, 2, 5, 7, order_keys, answer_keys, ORDER_KEYS,
                 CODEC_KEYS - ORDER_KEYS);
    push_closure(L, p->thread, decode_body, 3, 6, 7, order_keys, answer_keys, ORDER_KEYS,
                 CODEC_KEYS - ORDER_KEYS);
    lua_pushvalue(L, 4);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    host_of(L)->slots[SLOT_CODEC] = p;
    return 0;
}

int risk_register(lua_State *L)
{
    static const char key;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    check_idle(L, SLOT_RISK, "risk");
    struct policy *p = new_policy(L); /* 2 */
    lua_newtable(L);                  /* 3: leg */
    luaL_checkstack(L, UP_KEYS + LEG_KEYS, NULL);
    push_closure(L, p->thread, risk_body, 1, 3, 3, leg_keys, NULL, LEG_KEYS, 0);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    host_of(L)->slots[SLOT_RISK] = p;
    return 0;
}
