/* SPDX-License-Identifier: MIT
 *
 * perigee.scripts: loading strategies and hearing from them. What a strategy says is copied into a
 * table of this state and handed to a new task, so code of the engine never runs inside of a
 * strategy's handler.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/strategy.h"
#include "script/task.h"
#include "script/watchdog.h"

#define SCRIPT_META "perigee.script"

static const char hub_key;    /* registry: struct hub */
static const char thread_key; /* registry: coroutine for calls from C */

/* User values of the hub. */
enum { KEPT_HANDLES = 1, KEPT_SIGNAL, KEPT_STOP, USER_VALUES = KEPT_STOP };

struct hub {
    lua_State *thread;
    struct log *log;
};

struct script_box {
    struct strategy *s; /* NULL: unloaded */
    char instance[64];
};

/* A signal or a stop on its way into the state. */
struct word {
    const struct strategy *s;
    const struct strategy_signal *signal; /* NULL: it stopped */
    const char *why, *trace;
};

static void push_hub(lua_State *L);

static void set_price(lua_State *L, const char *name, double x)
{
    if (x > 0)
        domain_set_number(L, name, x);
}

static void push_signal(lua_State *L, const struct strategy *s, const struct strategy_signal *x)
{
    lua_createtable(L, 0, 18);
    domain_set_string(L, "strategy", strategy_instance(s));
    domain_set_string(L, "name", strategy_name(s));
    domain_set_string(L, "version", strategy_version(s));
    domain_set_string(L, "hash", strategy_hash(s));
    domain_set_string(L, "symbol", strategy_symbol(s));
    domain_set_string(L, "action", x->action);
    set_price(L, "price", x->price);
    set_price(L, "stop", x->stop);
    set_price(L, "target", x->target);
    domain_set_number(L, "confidence", x->confidence);
    domain_set_number(L, "strength", x->strength);
    lua_pushstring(L, x->reason);
    lua_setfield(L, -2, "reason");
    domain_set_integer(L, "holding_ms", x->holding_ms);
    domain_set_integer(L, "time_ms", x->time_ms);
    domain_set_string(L, "conditions", x->conditions);
    domain_set_string(L, "plan", x->plan);
}

/* Protected: spawns the task that takes the word. */
static int spawn(lua_State *L)
{
    const struct word *w = lua_touserdata(L, 1);
    struct err e = {0};
    int nargs = 1;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) != LUA_TUSERDATA)
        return 0;
    if (lua_getiuservalue(L, 2, w->signal ? KEPT_SIGNAL : KEPT_STOP) != LUA_TFUNCTION) {
        if (w->signal)
            luaL_error(L, "%s gave a signal, but scripts.on_signal has no function",
                       strategy_instance(w->s));
        return 0;
    }
    if (w->signal) {
        push_signal(L, w->s, w->signal);
    } else {
        lua_pushstring(L, strategy_instance(w->s));
        lua_pushstring(L, w->why);
        lua_pushstring(L, w->trace);
        nargs = 3;
    }
    if (task_spawn(L, nargs, w->signal ? "signal" : "strategy stopped", &e) != 0)
        return luaL_error(L, "%s", e.message);
    return 0;
}

static void hear(struct hub *hub, const struct word *w)
{
    lua_State *T = hub->thread;
    if (!lua_checkstack(T, 8)) {
        log_write(hub->log, LOG_ERROR, "scripts", "not enough memory for a signal");
        return;
    }
    lua_pushcfunction(T, spawn);
    lua_pushlightuserdata(T, (void *)(uintptr_t)w);
    domain_call(T, 1, 0, "scripts");
}

static void on_signal(void *arg, struct strategy *s, const struct strategy_signal *signal)
{
    struct word w = {.s = s, .signal = signal};
    hear(arg, &w);
}

static void on_stop(void *arg, struct strategy *s, const char *why, const char *trace)
{
    struct word w = {.s = s, .why = why, .trace = trace};
    hear(arg, &w);
}

static void push_hub(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    lua_State *thread = domain_thread(L, &thread_key);
    struct hub *hub = lua_newuserdatauv(L, sizeof *hub, USER_VALUES);
    *hub = (struct hub){.thread = thread, .log = host_of(L)->services.log};
    lua_newtable(L);
    lua_setiuservalue(L, -2, KEPT_HANDLES);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hub_key);
}

/* ---- configuration ---- */

static void add_value(lua_State *L, struct str *out)
{
    size_t n;
    const char *text;
    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
        str_addz(out, lua_toboolean(L, -1) ? "true" : "false");
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1))
            str_json_int(out, lua_tointeger(L, -1));
        else
            str_json_double(out, lua_tonumber(L, -1));
        return;
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &n);
        str_json_string(out, text, n);
        return;
    default:
        luaL_error(L, "script.params: a value that is %s", luaL_typename(L, -1));
    }
}

/* Pushes the overrides as JSON (or nil): from a table of plain values, or text as it is. */
static const char *push_params(lua_State *L)
{
    size_t n;
    int type = lua_getfield(L, 1, "params");
    if (type == LUA_TNIL || type == LUA_TSTRING)
        return lua_tostring(L, -1);
    if (type != LUA_TTABLE)
        luaL_error(L, "script.params: a table expected, got %s", lua_typename(L, type));
    int table = lua_gettop(L);
    struct str *out = domain_str(L);
    str_addc(out, '{');
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "script.params: a key that is no string");
        const char *key = lua_tolstring(L, -2, &n);
        if (out->len > 1)
            str_addc(out, ',');
        str_json_string(out, key, n);
        str_addc(out, ':');
        add_value(L, out);
        lua_pop(L, 1);
    }
    str_addc(out, '}');
    domain_str_finish(L, out);
    return lua_tostring(L, -1);
}

/* 0: the default. */
static lua_Integer limit_of(lua_State *L, const char *name, lua_Integer most)
{
    lua_Integer limit = domain_integer(L, 1, "script", name, 0);
    if (limit < 0 || limit > most)
        luaL_error(L, "script.%s: must not be below 0 or above %I", name, most);
    return limit;
}

/* Fills c from the table at 1; its strings stay on the stack. */
static void check_config(lua_State *L, struct strategy_config *c)
{
    static const char *const names[] = {"path",         "instance", "symbol",  "params", "library",
                                        "memory_limit", "soft_ms",  "hard_ms", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    domain_only(L, 1, "script", names);
    memset(c, 0, sizeof *c);
    c->path = domain_string(L, 1, "script", "path");
    c->instance = domain_opt_string(L, 1, "script", "instance", "check");
    c->symbol = domain_opt_string(L, 1, "script", "symbol", "");
    c->modules = domain_opt_string(L, 1, "script", "library", NULL);
    c->memory_limit = (size_t)limit_of(L, "memory_limit", INT64_MAX);
    c->soft_ms = (unsigned)limit_of(L, "soft_ms", 60000);
    c->hard_ms = (unsigned)limit_of(L, "hard_ms", 60000);
    if (!c->modules) {
        const char *home = host_of(L)->services.home;
        c->modules = lua_pushfstring(L, "%s/lua/perigee/strategy", home ? home : ".");
    }
    c->params = push_params(L);
}

/* ---- handles ---- */

static void push_info(lua_State *L, const struct strategy *s)
{
    struct strategy_cost cost = strategy_cost(s);
    lua_createtable(L, 0, 12);
    domain_set_string(L, "instance", strategy_instance(s));
    domain_set_string(L, "name", strategy_name(s));
    domain_set_string(L, "version", strategy_version(s));
    domain_set_string(L, "hash", strategy_hash(s));
    domain_set_string(L, "symbol", strategy_symbol(s));
    domain_set_bool(L, "running", strategy_running(s));
    domain_set_string(L, "params", strategy_params(s));
    domain_set_integer(L, "calls", (lua_Integer)cost.calls);
    domain_set_integer(L, "slow", (lua_Integer)cost.slow);
    domain_set_integer(L, "total_us", cost.total_ns / 1000);
    domain_set_integer(L, "worst_us", cost.worst_ns / 1000);
}

static struct script_box *check_script(lua_State *L)
{
    struct script_box *box = luaL_checkudata(L, 1, SCRIPT_META);
    if (!box->s)
        luaL_error(L, "the strategy is unloaded");
    return box;
}

static int script_info(lua_State *L)
{
    push_info(L, check_script(L)->s);
    return 1;
}

static int script_gc(lua_State *L)
{
    struct script_box *box = luaL_checkudata(L, 1, SCRIPT_META);
    struct strategy *s = box->s;
    box->s = NULL;
    strategy_free(s);
    return 0;
}

static int script_unload(lua_State *L)
{
    struct script_box *box = luaL_checkudata(L, 1, SCRIPT_META);
    if (!box->s)
        return 0;
    lua_settop(L, 1);
    push_hub(L);
    lua_getiuservalue(L, 2, KEPT_HANDLES);
    lua_pushnil(L);
    lua_setfield(L, 3, box->instance);
    return script_gc(L);
}

/* In virtual time nothing depends on what the machine does. */
static int set_watchdog(struct host *h, struct strategy_config *c, struct err *e)
{
    if (h->services.clock->mode == CLOCK_VIRTUAL)
        return 0;
    int rc = h->watchdog ? 0 : watchdog_new(&h->watchdog, e);
    c->watchdog = h->watchdog;
    return rc;
}

/* load{path=, instance=, symbol=, params=, library=, memory_limit=, soft_ms=, hard_ms=} -> handle |
 * nil, err */
static int load(lua_State *L)
{
    struct market *m = BIND_SERVICE(L, market);
    struct strategy_config c;
    struct err e = {0};
    check_config(L, &c);
    if (set_watchdog(host_of(L), &c, &e) != 0)
        return push_err(L, e.code, e.message, "scripts", "no");
    (void)domain_string(L, 1, "script", "instance");
    (void)domain_string(L, 1, "script", "symbol");
    push_hub(L);
    struct hub *hub = lua_touserdata(L, -1);
    lua_getiuservalue(L, -1, KEPT_HANDLES);
    int handles = lua_gettop(L);
    if (lua_getfield(L, handles, c.instance) != LUA_TNIL) {
        (void)err_set(&e, ERR_EXISTS, "a strategy called \"%s\" is loaded already", c.instance);
        return push_err(L, e.code, e.message, "scripts", "no");
    }
    struct script_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    luaL_setmetatable(L, SCRIPT_META);
    if (strlen(c.instance) >= sizeof box->instance)
        return luaL_error(L, "script.instance: at most 63 bytes");
    memcpy(box->instance, c.instance, strlen(c.instance));
    lua_pushvalue(L, -1);
    lua_setfield(L, handles, c.instance); /* before it is loaded: nothing may raise after */
    if (strategy_load(&box->s, m, hub->log, &c, on_signal, on_stop, hub, &e) == 0)
        return 1;
    box->s = NULL;
    lua_pushnil(L);
    lua_setfield(L, handles, c.instance);
    return push_err(L, e.code, e.message, "scripts", "no");
}

/* check{...} -> true | nil, err */
static int check(lua_State *L)
{
    struct strategy_config c;
    struct err e = {0};
    check_config(L, &c);
    if (strategy_check(&c, &e) != 0)
        return push_err(L, e.code, e.message, "scripts", "no");
    lua_pushboolean(L, 1);
    return 1;
}

static int set_listener(lua_State *L, int slot)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    push_hub(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, slot);
    return 0;
}

/* on_signal(fn(signal)): each signal in a new task */
static int set_on_signal(lua_State *L)
{
    return set_listener(L, KEPT_SIGNAL);
}

/* on_stop(fn(instance, why, traceback)): in a new task */
static int set_on_stop(lua_State *L)
{
    return set_listener(L, KEPT_STOP);
}

/* list() -> array of infos, sorted by instance */
static int list(lua_State *L)
{
    lua_settop(L, 0);
    push_hub(L);
    lua_getiuservalue(L, 1, KEPT_HANDLES);
    lua_newtable(L); /* 3 */
    lua_Integer n = 0;
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        const struct script_box *box = lua_touserdata(L, -1);
        lua_Integer at = n++;
        if (box->s) {
            /* Insertion by name: the list is short. */
            for (; at > 0; at--) {
                lua_rawgeti(L, 3, at);
                lua_getfield(L, -1, "instance");
                if (strcmp(lua_tostring(L, -1), box->instance) <= 0) {
                    lua_pop(L, 2);
                    break;
                }
                lua_pop(L, 1);
                lua_rawseti(L, 3, at + 1);
            }
            push_info(L, box->s);
            lua_rawseti(L, 3, at + 1);
        } else {
            n--;
        }
        lua_pop(L, 1);
    }
    return 1;
}

int luaopen_perigee_scripts(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"load", load},           {"check", check}, {"on_signal", set_on_signal},
        {"on_stop", set_on_stop}, {"list", list},   {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"info", script_info}, {"unload", script_unload}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", script_gc}, {NULL, NULL}};
    if (luaL_newmetatable(L, SCRIPT_META)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
