/* SPDX-License-Identifier: MIT
 *
 * perigee.event: writing events to the stream, reading frames, and listening to what was committed.
 *
 * The stream has one subscriber for the whole state; it makes one table of each event and hands it
 * to every function by a protected call. A function that fails is logged and called again next
 * time.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"

static const char hub_key; /* registry: struct hub userdata, its uservalue the list of functions */
static const char thread_key; /* registry: coroutine for the calls */

struct hub {
    lua_State *thread;      /* its stack is used for the calls */
    struct stream *stream;  /* where it is subscribed; NULL: nowhere */
    const struct event *ev; /* being dispatched */
};

static struct stream *stream_of(lua_State *L)
{
    return BIND_SERVICE(L, stream);
}

static const struct event_info *check_kind(lua_State *L, int arg)
{
    size_t n;
    const char *name = luaL_checklstring(L, arg, &n);
    const struct event_info *info = event_info_named(name, n);
    if (!info)
        luaL_argerror(L, arg, lua_pushfstring(L, "unknown kind of event \"%s\"", name));
    return info;
}

/* emit(kind, fields) -> seq, market_ms */
static int emit(lua_State *L)
{
    struct stream *stream = stream_of(L);
    const struct event_info *info = check_kind(L, 1);
    struct event ev;
    struct err e = {0};
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        event_init(&ev, info->kind);
    } else {
        luaL_checktype(L, 2, LUA_TTABLE);
        domain_check_event(L, 2, info, false, &ev);
    }
    if (stream_emit(stream, &ev, &e) != 0)
        return luaL_error(L, "event %s: %s", info->name, e.message);
    lua_pushinteger(L, (lua_Integer)ev.seq);
    lua_pushinteger(L, ev.market_ms);
    return 2;
}

static int commit(lua_State *L)
{
    struct stream *stream = stream_of(L);
    struct err e = {0};
    if (stream_commit(stream, &e) != 0)
        return luaL_error(L, "%s", e.message);
    return 0;
}

static int seq(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)stream_seq(stream_of(L)));
    return 1;
}

/* One whole frame at arg; 0, or the number of results of a failure (nil, err). */
static int read_frame(lua_State *L, int arg, struct event *ev)
{
    size_t n;
    const char *frame = luaL_checklstring(L, arg, &n);
    struct err e = {0};
    int64_t used = event_decode(frame, n, ev, &e);
    if (used < 0)
        return push_err(L, ERR_INPUT, e.message, "event", "no");
    if (used == 0 || (size_t)used != n)
        return push_err(L, ERR_INPUT, "the text is not one whole frame", "event", "no");
    return 0;
}

static int decode(lua_State *L)
{
    struct event ev;
    int failed = read_frame(L, 1, &ev);
    if (failed)
        return failed;
    domain_push_event(L, &ev);
    return 1;
}

static int json(lua_State *L)
{
    struct event ev;
    int failed = read_frame(L, 1, &ev);
    if (failed)
        return failed;
    struct str *s = domain_str(L);
    event_json(&ev, s);
    domain_str_finish(L, s);
    return 1;
}

/* encode{kind=, seq=, market_ms=, wall_us=, fields...} -> frame */
static int encode(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n;
    if (lua_getfield(L, 1, "kind") != LUA_TSTRING)
        return luaL_error(L, "event.encode: kind: string expected");
    const char *name = lua_tolstring(L, -1, &n);
    const struct event_info *info = event_info_named(name, n);
    if (!info)
        return luaL_error(L, "event.encode: unknown kind of event \"%s\"", name);
    struct event ev;
    domain_check_event(L, 1, info, true, &ev);
    struct str *s = domain_str(L);
    int rc = event_encode(&ev, s);
    if (rc != 0)
        return luaL_error(L, "event %s: %s", info->name,
                          rc == ERR_LIMIT ? "too large for a frame" : "not enough memory");
    domain_str_finish(L, s);
    return 1;
}

static const char *const type_words[] = {"absent", "u64",    "i64",  "decimal", "double",
                                         "bool",   "string", "time", "json"};

static void push_info(lua_State *L, const struct event_info *info)
{
    lua_createtable(L, 0, 4);
    domain_set_integer(L, "number", info->kind);
    domain_set_string(L, "name", info->name);
    domain_set_string(L, "text", info->text);
    lua_createtable(L, info->count, 0);
    for (unsigned i = 0; i < info->count; i++) {
        lua_createtable(L, 0, 3);
        domain_set_string(L, "name", info->fields[i].name);
        domain_set_string(L, "type", type_words[info->fields[i].type]);
        lua_pushstring(L, info->fields[i].text);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "fields");
}

static int kinds(lua_State *L)
{
    size_t count;
    const struct event_info *all = event_info_all(&count);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_info(L, &all[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- subscribers ---- */

/* Protected: makes the event's table and calls every function. */
static int dispatch(lua_State *L)
{
    struct hub *hub = lua_touserdata(L, 1);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) != LUA_TUSERDATA)
        return 0;
    lua_getiuservalue(L, -1, 1);   /* 3: functions */
    domain_push_event(L, hub->ev); /* 4 */
    /* Who subscribes meanwhile hears of the next event. */
    lua_Integer count = (lua_Integer)lua_rawlen(L, 3);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, 3, i) != LUA_TFUNCTION) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, 4);
        domain_call(L, 1, 0, "event");
    }
    return 0;
}

static void on_event(void *arg, const struct event *ev, const void *frame, size_t n)
{
    (void)frame;
    (void)n;
    struct hub *hub = arg;
    lua_State *T = hub->thread;
    const struct event *outer = hub->ev;
    if (!lua_checkstack(T, 8))
        return;
    hub->ev = ev;
    lua_pushcfunction(T, dispatch);
    lua_pushlightuserdata(T, hub);
    domain_call(T, 1, 0, "event");
    hub->ev = outer;
}

static int hub_gc(lua_State *L)
{
    struct hub *hub = lua_touserdata(L, 1);
    if (hub->stream)
        stream_unsubscribe(hub->stream, on_event, hub);
    hub->stream = NULL;
    return 0;
}

/* Pushes the hub, made and subscribed at the first use. */
static void push_hub(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hub_key) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    struct stream *stream = stream_of(L);
    lua_State *thread = domain_thread(L, &thread_key);
    struct hub *hub = lua_newuserdatauv(L, sizeof *hub, 1);
    *hub = (struct hub){.thread = thread};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, hub_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hub_key);
    if (stream_subscribe(stream, on_event, hub) != 0) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &hub_key);
        luaL_error(L, "perigee.event: the stream takes no further subscriber");
    }
    hub->stream = stream;
}

/* Upvalues: list of functions, its place in it, the function. */
static int unsubscribe(lua_State *L)
{
    lua_Integer place = lua_tointeger(L, lua_upvalueindex(2));
    lua_rawgeti(L, lua_upvalueindex(1), place);
    if (lua_rawequal(L, -1, lua_upvalueindex(3))) {
        lua_pushboolean(L, 0); /* keeps the list without holes */
        lua_rawseti(L, lua_upvalueindex(1), place);
        lua_pushnil(L);
        lua_replace(L, lua_upvalueindex(3));
    }
    return 0;
}

/* subscribe(fn) -> function that ends it */
static int subscribe(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    push_hub(L);
    lua_getiuservalue(L, 2, 1); /* 3 */
    lua_Integer place = 1, count = (lua_Integer)lua_rawlen(L, 3);
    while (place <= count) {
        bool taken = lua_rawgeti(L, 3, place) == LUA_TFUNCTION;
        lua_pop(L, 1);
        if (!taken)
            break;
        place++;
    }
    lua_pushvalue(L, 1);
    lua_rawseti(L, 3, place);
    lua_pushvalue(L, 3);
    lua_pushinteger(L, place);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, unsubscribe, 3);
    return 1;
}

int luaopen_perigee_event(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"emit", emit},     {"commit", commit},       {"seq", seq},
        {"decode", decode}, {"encode", encode},       {"json", json},
        {"kinds", kinds},   {"subscribe", subscribe}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
