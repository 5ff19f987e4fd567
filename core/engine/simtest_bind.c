/* SPDX-License-Identifier: MIT
 *
 * perigee.simtest.core: what the keeper and the engine's half of it can ask of their run, and the
 * way of the network's questions to the keeper.
 *
 * Hooks run on the keeper's main thread while none of its tasks runs: the network asks when the
 * engine sends, and lives end between turns. A run that is out of memory aborts.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/mutant.h"
#include "engine/simtest_fold.h"
#include "engine/simtest_world.h"
#include "script/domain.h"
#include "script/task.h"

static const char world_key = 0; /* registry key of the struct world */

static const char *const hook_names[] = {"exchange", "connect", "sending", "down", "told", NULL};

static struct world *world_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &world_key);
    struct world *w = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return w;
}

static void fail_run(struct world *w, const char *what, const char *why)
{
    if (!w->finished) {
        str_clear(&w->verdict);
        str_addz(&w->verdict, "error: ");
        str_addz(&w->verdict, what);
        str_addz(&w->verdict, ": ");
        str_addz(&w->verdict, why);
    }
    w->finished = true;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

bool world_hook(struct world *w, enum world_hook hook, int args, int results)
{
    lua_State *L = w->keeper->L;
    if (w->hooks[hook] == LUA_NOREF || w->finished) {
        lua_pop(L, args);
        return false;
    }
    int base = lua_gettop(L) - args + 1;
    lua_pushcfunction(L, with_traceback);
    lua_insert(L, base);
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->hooks[hook]);
    lua_insert(L, base + 1);
    bool ok = lua_pcall(L, args, results, base) == LUA_OK;
    if (!ok) {
        const char *why = lua_tostring(L, -1);
        fail_run(w, hook_names[hook], why ? why : "out of memory");
        lua_pop(L, 1);
    }
    lua_remove(L, base);
    return ok;
}

/* ---- the network's questions ---- */

static int64_t field_ns(lua_State *L, const char *name, int64_t otherwise)
{
    int64_t ns = otherwise;
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        ns = otherwise + (int64_t)(lua_tonumber(L, -1) * 1e6);
    lua_pop(L, 1);
    return ns;
}

static size_t field_size(lua_State *L, const char *name, size_t otherwise)
{
    size_t n = otherwise;
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        n = (size_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return n;
}

static enum fake_end end_of(const char *word)
{
    return !word || strcmp(word, "fin") == 0 ? FAKE_FIN
           : strcmp(word, "reset") == 0      ? FAKE_RESET
                                             : FAKE_SILENCE;
}

static bool field_bool(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

static void on_exchange(void *arg, const struct fake_exchange *x, struct fake_plan *plan)
{
    struct world *w = arg;
    lua_State *L = w->keeper->L;
    lua_pushstring(L, x->address);
    lua_pushinteger(L, (lua_Integer)x->nth);
    lua_pushlstring(L, x->request, x->size);
    if (!world_hook(w, WORLD_EXCHANGE, 3, 1))
        return;
    if (lua_istable(L, -1)) {
        plan->request_ns = field_ns(L, "request_ms", plan->request_ns);
        plan->answer_ns = field_ns(L, "answer_ms", plan->answer_ns);
        plan->idle_ns = field_ns(L, "idle_ms", plan->idle_ns);
        plan->request_bytes = field_size(L, "request_bytes", plan->request_bytes);
        plan->answer_bytes = field_size(L, "answer_bytes", plan->answer_bytes);
        plan->garbage_at = field_size(L, "garbage_at", plan->garbage_at);
        plan->piece = field_size(L, "piece", plan->piece);
        plan->gateway = field_bool(L, "gateway");
        lua_getfield(L, -1, "finish");
        plan->end = end_of(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void on_connect(void *arg, const struct fake_connect *c, struct fake_connect_plan *plan)
{
    struct world *w = arg;
    lua_State *L = w->keeper->L;
    lua_pushstring(L, c->address);
    if (!world_hook(w, WORLD_CONNECT, 1, 1))
        return;
    const char *word = lua_tostring(L, -1);
    plan->refuse = word && strcmp(word, "refuse") == 0;
    plan->silent = word && strcmp(word, "silent") == 0;
    if (word && strcmp(word, "at once") == 0)
        plan->delay_ns = 0;
    lua_pop(L, 1);
}

/* The keeper sees a write before its first byte is on the way; then the life may end in it. */
static size_t on_sending(void *arg, const struct fake_exchange *x, const void *p, size_t n)
{
    struct world *w = arg;
    (void)x;
    if (n > 5 && memcmp(p, "POST ", 5) == 0) {
        lua_State *L = w->keeper->L;
        lua_pushlstring(L, p, n);
        world_hook(w, WORLD_SENDING, 1, 0);
    }
    if (++w->sends != w->last_send)
        return FAKE_ALL;
    size_t through = (size_t)((uint64_t)n * w->share >> 16);
    file_gate_kill(&w->gate);
    return through < n ? through : n;
}

struct fake_faults world_faults(struct world *w)
{
    return (struct fake_faults){
        .arg = w, .connect = on_connect, .exchange = on_exchange, .sending = on_sending};
}

/* ---- the keeper's half ---- */

static int l_options(lua_State *L)
{
    lua_newtable(L);
    for (const char *line = world_of(L)->options; *line;) {
        size_t n = strcspn(line, "\n"), name = strcspn(line, "=");
        lua_pushlstring(L, line, name);
        lua_pushlstring(L, line + name + 1, n - name - 1);
        lua_rawset(L, -3);
        line += n + (line[n] == '\n');
    }
    return 1;
}

static int l_folder(lua_State *L)
{
    lua_pushstring(L, world_of(L)->folder);
    return 1;
}

static int l_on(lua_State *L)
{
    struct world *w = world_of(L);
    int hook = luaL_checkoption(L, 1, NULL, hook_names);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    luaL_unref(L, LUA_REGISTRYINDEX, w->hooks[hook]);
    w->hooks[hook] = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int l_start(lua_State *L)
{
    struct world *w = world_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    str_clear(&w->start);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TSTRING; i++) {
        size_t n;
        const char *text = lua_tolstring(L, -1, &n);
        str_add(&w->start, text, n + 1);
        lua_pop(L, 1);
    }
    w->start_wanted = true;
    loop_wake(&w->loop);
    return 0;
}

static int l_running(lua_State *L)
{
    const struct world *w = world_of(L);
    lua_pushboolean(L, w->start_wanted || (w->engine && !w->gate.dead && !w->stopped));
    return 1;
}

static uint32_t check_share(lua_State *L, int arg)
{
    lua_Number share = luaL_optnumber(L, arg, 0);
    luaL_argcheck(L, share >= 0 && share <= 1, arg, "a share is 0 to 1");
    return (uint32_t)(share * 65536);
}

/* The counts of the newest life go on: "the 3rd from now" is what a keeper adds itself. */
static int l_arm(lua_State *L)
{
    static const char *const kinds[] = {"write", "send", NULL};
    struct world *w = world_of(L);
    w->gate.last = w->last_send = 0;
    if (lua_isnoneornil(L, 1))
        return 0;
    int kind = luaL_checkoption(L, 1, NULL, kinds);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n > 0, 2, "writes and sends count from 1");
    uint32_t share = check_share(L, 3);
    if (kind == 0) {
        w->gate.last = (uint64_t)n;
        w->gate.share = share;
    } else {
        w->last_send = (uint64_t)n;
        w->share = share;
    }
    return 0;
}

static int l_kill(lua_State *L)
{
    struct world *w = world_of(L);
    if (w->engine) {
        w->kill_wanted = true;
        file_gate_kill(&w->gate);
        loop_wake(&w->loop);
    }
    return 0;
}

static int l_counts(lua_State *L)
{
    const struct world *w = world_of(L);
    lua_pushinteger(L, (lua_Integer)w->gate.writes);
    lua_pushinteger(L, (lua_Integer)w->sends);
    return 2;
}

static int l_cut(lua_State *L)
{
    struct world *w = world_of(L);
    if (w->process && fake_process_alive(w->process))
        fake_process_cut(w->process, end_of(luaL_checkstring(L, 1)));
    return 0;
}

static int l_command(lua_State *L)
{
    struct world *w = world_of(L);
    struct err e = {0};
    const char *argv[] = {luaL_checkstring(L, 1)};
    if (!w->engine || w->gate.dead || w->stopped)
        return 0;
    if (host_spawn(w->host, "perigee.simtest.inside", "command", 1, argv, &e))
        return luaL_error(L, "the engine took no command: %s", e.message);
    loop_wake(&w->loop);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_set_quote(lua_State *L)
{
    struct world *w = world_of(L);
    w->quote_ms = luaL_checkinteger(L, 1);
    w->bid = domain_check_finite(L, 2);
    w->ask = domain_check_finite(L, 3);
    return 0;
}

static int l_finish(lua_State *L)
{
    struct world *w = world_of(L);
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    if (w->finished)
        return 0;
    str_clear(&w->verdict);
    str_add(&w->verdict, text, n);
    w->finished = true;
    return 0;
}

static int l_fold(lua_State *L)
{
    struct world *w = world_of(L);
    struct err e = {0};
    struct fold_ask ask = {.journal = luaL_checkstring(L, 1),
                           .scratch = luaL_checkstring(L, 2),
                           .samples = (unsigned)luaL_checkinteger(L, 3),
                           .seed = (uint64_t)luaL_checkinteger(L, 4),
                           .log = w->log};
    uint64_t prefixes = 0;
    if (simtest_fold(&ask, &prefixes, &e)) {
        lua_pushnil(L);
        lua_pushstring(L, e.message);
        return 2;
    }
    lua_pushinteger(L, (lua_Integer)prefixes);
    return 1;
}

/* Everything of a journal but the frames of engine_started, which name the folder's own path. */
static int l_digest(lua_State *L)
{
    struct journal_reader *r;
    struct event ev;
    struct err e = {0};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char text[20];
    int rc = journal_reader_open(&r, luaL_checkstring(L, 1), 0, &e);
    while (rc == 0 && (rc = journal_reader_next(r, &ev, &e)) == 1) {
        size_t n;
        const unsigned char *p = journal_reader_frame(r, &n);
        for (size_t i = 0; ev.kind != EVENT_KIND_engine_started && i < n; i++)
            hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
        rc = 0;
    }
    journal_reader_close(r);
    if (rc < 0)
        return luaL_error(L, "%s", e.message);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    lua_pushstring(L, text);
    return 1;
}

static int l_removed(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
#define IS_REMOVED(guard, text)                                                                    \
    if (strcmp(name, #guard) == 0) {                                                               \
        lua_pushboolean(L, MUTANT(guard));                                                         \
        return 1;                                                                                  \
    }
    MUTANTS(IS_REMOVED)
#undef IS_REMOVED
    return luaL_error(L, "no guard is called %s", name);
}

/* ---- the engine's half ---- */

static int l_get_quote(lua_State *L)
{
    const struct world *w = world_of(L);
    if (w->bid <= 0)
        return 0;
    lua_pushinteger(L, w->quote_ms);
    lua_pushnumber(L, w->bid);
    lua_pushnumber(L, w->ask);
    return 3;
}

static int l_tell(lua_State *L)
{
    struct world *w = world_of(L);
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    lua_pushlstring(w->keeper->L, text, n);
    world_hook(w, WORLD_TOLD, 1, 0);
    return 0;
}

static int open_keeper(lua_State *L)
{
    static const luaL_Reg functions[] = {{"options", l_options}, {"folder", l_folder},
                                         {"on", l_on},           {"start", l_start},
                                         {"running", l_running}, {"arm", l_arm},
                                         {"kill", l_kill},       {"counts", l_counts},
                                         {"cut", l_cut},         {"command", l_command},
                                         {"quote", l_set_quote}, {"finish", l_finish},
                                         {"fold", l_fold},       {"digest", l_digest},
                                         {"removed", l_removed}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static int open_engine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"quote", l_get_quote}, {"tell", l_tell}, {"removed", l_removed}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

void world_register(struct world *w, struct host *h, bool keeper)
{
    lua_State *L = h->L;
    lua_pushlightuserdata(L, w);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &world_key);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, keeper ? open_keeper : open_engine);
    lua_setfield(L, -2, "perigee.simtest.core");
    lua_pop(L, 2);
}
