/* SPDX-License-Identifier: MIT
 *
 * The Lua host: makes the trusted state, preloads its modules, runs files, spawns entry points.
 *
 * Modules are looked for below home/lua first, then where Lua itself would look, but never in the
 * working folder. A module with a Lua half is preloaded as "<name>.core" (perigee.task,
 * perigee.json).
 */
#include "script/host.h"

#include <assert.h>
#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script/task_inner.h"
#include "script/watchdog.h"

static_assert(LUA_EXTRASPACE >= sizeof(struct host *), "the extra space holds the host");

static const luaL_Reg modules[] = {
    {"cjson", luaopen_cjson},
    {"perigee.err", luaopen_perigee_err},
    {"perigee.task.core", luaopen_perigee_task},
    {"perigee.json.core", luaopen_perigee_json},
    {"perigee.clock", luaopen_perigee_clock},
    {"perigee.log", luaopen_perigee_log},
    {"perigee.decimal", luaopen_perigee_decimal},
    {"perigee.rng", luaopen_perigee_rng},
    {"perigee.fs", luaopen_perigee_fs},
    {"perigee.http", luaopen_perigee_http},
    {"perigee.httpd", luaopen_perigee_httpd},
    {"perigee.ws", luaopen_perigee_ws},
    {"perigee.sock", luaopen_perigee_sock},
    {"perigee.process", luaopen_perigee_process},
    {"perigee.terminal", luaopen_perigee_terminal},
    {"perigee.crypto", luaopen_perigee_crypto},
    {"perigee.pg", luaopen_perigee_pg},
    {"perigee.event", luaopen_perigee_event},
    {"perigee.journal", luaopen_perigee_journal},
    {"perigee.ta", luaopen_perigee_ta},
    {"perigee.book", luaopen_perigee_book},
    {"perigee.market", luaopen_perigee_market},
    {"perigee.ledger", luaopen_perigee_ledger},
    {"perigee.exec", luaopen_perigee_exec},
    {"perigee.scripts", luaopen_perigee_scripts},
    {"perigee.sim", luaopen_perigee_sim},
    {NULL, NULL},
};

struct host *host_of(lua_State *L)
{
    return *(struct host **)lua_getextraspace(L);
}

/* ---- making ---- */

/* Only reached by a raise outside of any protected call, which is a bug: Lua aborts after it. */
static int on_panic(lua_State *L)
{
    const char *text = lua_tostring(L, -1);
    log_write(host_of(L)->services.log, LOG_ERROR, "lua", "unprotected error: %s",
              text != NULL ? text : "(no text)");
    return 0;
}

/* Errors in finalizers come in pieces. */
static void on_warning(void *arg, const char *text, int to_be_continued)
{
    struct host *h = arg;
    size_t used = strlen(h->warning);
    if (*text == '@' && used == 0 && !to_be_continued) {
        return; /* a control message */
    }
    (void)snprintf(h->warning + used, sizeof h->warning - used, "%s", text);
    if (!to_be_continued) {
        log_write(h->services.log, LOG_WARN, "lua", "%s", h->warning);
        h->warning[0] = '\0';
    }
}

/* os.exit: flushes and leaves at once. The state is not closed: it is running. */
static int l_exit(lua_State *L)
{
    int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
    struct tasks *ts = host_of(L)->tasks;
    if (ts != NULL && ts->running != NULL) {
        return luaL_error(L, "os.exit is not for tasks: use perigee.process.stop");
    }
    (void)fflush(NULL);
    exit(code);
}

/* Removes the parts of a search path that depend on the working folder. */
static void add_absolute(luaL_Buffer *b, const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(path, ";");
        if (n > 0 && *path == '/') {
            luaL_addlstring(b, path, n);
            luaL_addchar(b, ';');
        }
        path += n + (path[n] == ';');
    }
}

static void set_paths(lua_State *L, const char *home)
{
    luaL_Buffer b;
    lua_getglobal(L, "package");
    luaL_buffinit(L, &b);
    if (home != NULL) {
        lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;", home, home);
        luaL_addvalue(&b);
    }
    add_absolute(&b, LUA_PATH_DEFAULT);
    luaL_pushresult(&b);
    lua_setfield(L, -2, "path");
    luaL_buffinit(L, &b);
    add_absolute(&b, LUA_CPATH_DEFAULT);
    luaL_pushresult(&b);
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
}

static int open_state(lua_State *L)
{
    luaL_openlibs(L);
    set_paths(L, host_of(L)->services.home);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, l_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
    err_open(L);
    lua_pushcfunction(L, luaopen_perigee_decimal); /* others push decimals without requiring it */
    lua_call(L, 0, 0);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const luaL_Reg *m = modules; m->name != NULL; m++) {
        lua_pushcfunction(L, m->func);
        lua_setfield(L, -2, m->name);
    }
    return 0;
}

static void *std_alloc(void *ud, void *block, size_t old_size, size_t new_size)
{
    (void)ud;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

struct host *host_new(const struct host_services *services, struct err *e)
{
    return host_new_with(services, std_alloc, NULL, e);
}

struct host *host_new_with(const struct host_services *services, lua_Alloc alloc, void *ud,
                           struct err *e)
{
    struct host *h = calloc(1, sizeof *h);
    lua_State *L = h != NULL ? lua_newstate(alloc, ud) : NULL;
    if (L == NULL) {
        free(h);
        (void)err_set(e, ERR_NOMEM, "out of memory for a Lua state");
        return NULL;
    }
    h->L = L;
    h->services = *services;
    *(struct host **)lua_getextraspace(L) = h;
    lua_atpanic(L, on_panic);
    lua_setwarnf(L, on_warning, h);
    lua_pushcfunction(L, open_state);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        (void)err_set(e, ERR_FAILED, "cannot make a Lua state: %s", text != NULL ? text : "");
        host_free(h);
        return NULL;
    }
    if (tasks_init(h, e) != 0) {
        host_free(h);
        return NULL;
    }
    return h;
}

void host_free(struct host *h)
{
    if (h == NULL) {
        return;
    }
    tasks_fini(h);
    lua_close(h->L);
    watchdog_free(h->watchdog);
    free(h);
}

/* ---- running ---- */

static int with_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    lua_createtable(L, 2, 0); /* both: the sentence for the caller, the rest for the log */
    lua_insert(L, -2);
    lua_rawseti(L, -2, 2);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    return 1;
}

/* The error value (from with_traceback, or memory) is on the top; pops it. */
static int failed(struct host *h, const char *what, struct err *e)
{
    lua_State *L = h->L;
    const char *message = lua_tostring(L, -1), *trace = NULL;
    int pushed = 0;
    if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        message = lua_tostring(L, -2);
        trace = lua_tostring(L, -1);
        pushed = 2;
    }
    message = message != NULL ? message : "out of memory";
    log_write(h->services.log, LOG_ERROR, "lua", "%s: %s", what, trace != NULL ? trace : message);
    int rc = err_set(e, ERR_FAILED, "%s", message);
    lua_pop(L, 1 + pushed);
    return rc;
}

struct file_call {
    const char *path;
    int argc;
    char **argv;
    bool unreadable; /* the file itself */
};

static int run_file(lua_State *L)
{
    struct file_call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    int rc = luaL_loadfilex(L, c->path, "t");
    if (rc != LUA_OK) {
        c->unreadable = rc == LUA_ERRFILE;
        return lua_error(L);
    }
    luaL_checkstack(L, c->argc + 4, "too many arguments");
    lua_createtable(L, c->argc, 1);
    lua_pushstring(L, c->path);
    lua_rawseti(L, -2, 0);
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setglobal(L, "arg");
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
    }
    lua_call(L, c->argc, 1);
    return 1;
}

int host_run_file(struct host *h, const char *path, int argc, char **argv, lua_Integer *result,
                  struct err *e)
{
    lua_State *L = h->L;
    struct file_call call = {path, argc, argv, false};
    if (!lua_checkstack(L, 8)) {
        return err_set(e, ERR_NOMEM, "out of memory for %s", path);
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, run_file);
    lua_pushlightuserdata(L, &call);
    int rc = lua_pcall(L, 1, 1, -3);
    if (rc != LUA_OK) {
        rc = failed(h, path, e);
        if (call.unreadable) {
            rc = ERR_INPUT;
            if (e != NULL) {
                e->code = rc;
            }
        }
    } else {
        if (result != NULL) {
            *result = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return rc;
}

struct spawn_call {
    const char *module, *function;
    int argc;
    const char *const *argv;
};

static int spawn_entry(lua_State *L)
{
    struct spawn_call *c = lua_touserdata(L, 1);
    char name[80];
    struct err e;
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushstring(L, c->module);
    lua_call(L, 1, 1);
    if (!lua_istable(L, 1) || lua_getfield(L, 1, c->function) != LUA_TFUNCTION) {
        return luaL_error(L, "module %s has no function %s", c->module, c->function);
    }
    luaL_checkstack(L, c->argc, "too many arguments");
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
    }
    (void)snprintf(name, sizeof name, "%s.%s", c->module, c->function);
    if (task_spawn(L, c->argc, name, &e) != 0) {
        return luaL_error(L, "%s", e.message);
    }
    return 0;
}

int host_spawn(struct host *h, const char *module, const char *function, int argc,
               const char *const *argv, struct err *e)
{
    lua_State *L = h->L;
    struct spawn_call call = {module, function, argc, argv};
    if (!lua_checkstack(L, 8)) {
        return err_set(e, ERR_NOMEM, "out of memory for %s", module);
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, spawn_entry);
    lua_pushlightuserdata(L, &call);
    int rc = lua_pcall(L, 1, 0, -3);
    if (rc != LUA_OK) {
        rc = failed(h, module, e);
    }
    lua_pop(L, 1);
    return rc;
}
