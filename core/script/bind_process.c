/* SPDX-License-Identifier: MIT
 *
 * perigee.process: the process that the script runs in.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "script/bind.h"
#include "script/task.h"

static int l_pid(lua_State *L)
{
    int64_t pid = host_of(L)->services.pid;
    lua_pushinteger(L, pid != 0 ? (lua_Integer)pid : (lua_Integer)getpid());
    return 1;
}

static int l_env(lua_State *L)
{
    lua_pushstring(L, getenv(luaL_checkstring(L, 1))); /* NULL: nil */
    return 1;
}

static int l_data(lua_State *L)
{
    lua_pushstring(L, host_of(L)->services.data);
    return 1;
}

static int l_home(lua_State *L)
{
    lua_pushstring(L, host_of(L)->services.home);
    return 1;
}

static int l_version(lua_State *L)
{
    lua_pushstring(L, PERIGEE_VERSION);
    return 1;
}

static int l_stop(lua_State *L)
{
    const struct host_services *s = &host_of(L)->services;
    const char *reason = luaL_checkstring(L, 1);
    lua_Integer code = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, code >= 0 && code <= 255, 2, "an exit code is 0 to 255");
    (void)BIND_SERVICE(L, stop);
    s->stop(s->stop_arg, reason, (int)code);
    return 0;
}

static int l_rss_kib(lua_State *L)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    int n = f != NULL ? fscanf(f, "%ld %ld", &size, &resident) : 0;
    if (f != NULL) {
        (void)fclose(f);
    }
    if (n != 2) {
        return push_err(L, ERR_IO, "/proc/self/statm cannot be read", "process.rss_kib", "no");
    }
    lua_pushinteger(L, (lua_Integer)resident * (sysconf(_SC_PAGESIZE) / 1024));
    return 1;
}

static int l_uid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)geteuid());
    return 1;
}

static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty(STDOUT_FILENO));
    return 1;
}

static const luaL_Reg functions[] = {
    {"is_terminal", l_is_terminal},
    {"uid", l_uid},
    {"pid", l_pid},
    {"env", l_env},
    {"data", l_data},
    {"home", l_home},
    {"version", l_version},
    {"stop", l_stop},
    {"rss_kib", l_rss_kib},
    {NULL, NULL},
};

int luaopen_perigee_process(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
