/* SPDX-License-Identifier: MIT
 *
 * perigee.journal: reading a journal's folder, also while its engine writes it.
 */
#include <lauxlib.h>

#include "script/bind.h"
#include "script/domain.h"
#include "script/task.h"
#include "store/journal.h"

#define READER_META "perigee.journal_reader"
#define FOLLOWER_META "perigee.journal_follower"

struct reader {
    struct journal_reader *r; /* NULL: closed */
};

static int reader_close(lua_State *L)
{
    struct reader *box = luaL_testudata(L, 1, FOLLOWER_META);
    if (!box)
        box = luaL_checkudata(L, 1, READER_META);
    struct journal_reader *r = box->r;
    box->r = NULL;
    if (r)
        journal_reader_close(r);
    return 0;
}

/* The iterator: upvalue 1 is the reader. */
static int reader_next(lua_State *L)
{
    struct reader *box = lua_touserdata(L, lua_upvalueindex(1));
    if (!box->r)
        return 0;
    struct event ev;
    struct err e = {0};
    int got = journal_reader_next(box->r, &ev, &e);
    if (got < 0)
        return luaL_error(L, "%s", e.message);
    if (got == 0) {
        struct journal_reader *r = box->r;
        box->r = NULL;
        journal_reader_close(r);
        return 0;
    }
    domain_push_event(L, &ev);
    return 1;
}

static const luaL_Reg reader_meta[] = {
    {"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};

static int follower_next(lua_State *L)
{
    struct reader *box = luaL_checkudata(L, 1, FOLLOWER_META);
    struct event ev;
    struct err e = {0};
    luaL_argcheck(L, box->r, 1, "the reader is closed");
    int got = journal_reader_next(box->r, &ev, &e);
    if (got < 0)
        return luaL_error(L, "%s", e.message);
    if (got == 0)
        return 0;
    domain_push_event(L, &ev);
    return 1;
}

static const luaL_Reg follower_methods[] = {
    {"next", follower_next}, {"close", reader_close}, {NULL, NULL}};

/* events(folder[, from]): an iterator for `for`, closed when the loop ends in any way. */
static int events(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    lua_Integer from = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, from >= 0, 2, "a sequence number expected");
    lua_settop(L, 2);
    struct reader *box = lua_newuserdatauv(L, sizeof *box, 0); /* 3 */
    box->r = NULL;
    if (luaL_newmetatable(L, READER_META))
        luaL_setfuncs(L, reader_meta, 0);
    lua_setmetatable(L, -2);
    struct err e = {0};
    if (journal_reader_open(&box->r, folder, (uint64_t)from, &e) != 0) {
        box->r = NULL;
        return luaL_error(L, "%s", e.message);
    }
    lua_pushvalue(L, 3);
    lua_pushcclosure(L, reader_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 3);
    return 4;
}

/* follow(folder[, from]): a reader that goes on where it ended when more has been written. */
static int follow(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    lua_Integer from = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, from >= 0, 2, "a sequence number expected");
    struct reader *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->r = NULL;
    if (luaL_newmetatable(L, FOLLOWER_META)) {
        luaL_setfuncs(L, reader_meta, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
        luaL_setfuncs(L, follower_methods, 0);
    }
    lua_setmetatable(L, -2);
    struct err e = {0};
    if (journal_reader_open(&box->r, folder, (uint64_t)from, &e) != 0) {
        box->r = NULL;
        return push_err(L, e.code, e.message, "journal", "no");
    }
    return 1;
}

static int verify(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    struct journal_report report = {0};
    struct err e = {0};
    if (journal_verify(folder, &report, &e) != 0)
        return push_err(L, e.code, e.message, "journal", "no");
    lua_createtable(L, 0, 6);
    domain_set_integer(L, "first", (lua_Integer)report.first);
    domain_set_integer(L, "last", (lua_Integer)report.last);
    domain_set_integer(L, "events", (lua_Integer)report.events);
    domain_set_integer(L, "segments", (lua_Integer)report.segments);
    domain_set_integer(L, "cut_bytes", report.cut_bytes);
    domain_set_string(L, "cut_file", report.cut_file);
    return 1;
}

int luaopen_perigee_journal(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"events", events}, {"follow", follow}, {"verify", verify}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
