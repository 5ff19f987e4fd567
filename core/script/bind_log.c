/* SPDX-License-Identifier: MIT
 *
 * perigee.log: lines of the process's log. Without a log service the lines go nowhere.
 */
#include <lauxlib.h>

#include "script/bind.h"

static int write_line(lua_State *L, enum log_level level)
{
    const char *component = luaL_checkstring(L, 1);
    const char *text = luaL_tolstring(L, 2, NULL);
    log_write(host_of(L)->services.log, level, component, "%s", text);
    return 0;
}

static int l_debug(lua_State *L)
{
    return write_line(L, LOG_DEBUG);
}

static int l_info(lua_State *L)
{
    return write_line(L, LOG_INFO);
}

static int l_warn(lua_State *L)
{
    return write_line(L, LOG_WARN);
}

static int l_error(lua_State *L)
{
    return write_line(L, LOG_ERROR);
}

static int l_mask(lua_State *L)
{
    struct log *log = BIND_SERVICE(L, log);
    if (log_mask(log, luaL_checkstring(L, 1)) != 0) {
        return luaL_error(L, "out of memory for a masked secret");
    }
    return 0;
}

static int l_unmask(lua_State *L)
{
    struct log *log = BIND_SERVICE(L, log);
    log_unmask(log, luaL_checkstring(L, 1));
    return 0;
}

static int l_count(lua_State *L)
{
    enum log_level level;
    struct log *log = BIND_SERVICE(L, log);
    if (log_level_parse(luaL_checkstring(L, 1), &level) != 0) {
        return luaL_argerror(L, 1, "a level is debug, info, warn or error");
    }
    lua_pushinteger(L, (lua_Integer)log_count(log, level));
    return 1;
}

static const luaL_Reg functions[] = {
    {"debug", l_debug}, {"info", l_info},     {"warn", l_warn},   {"error", l_error},
    {"mask", l_mask},   {"unmask", l_unmask}, {"count", l_count}, {NULL, NULL},
};

int luaopen_perigee_log(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
