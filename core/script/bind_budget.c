/* SPDX-License-Identifier: MIT
 *
 * perigee.exec: request budgets. What a lane and a scope are, exec/budget.h says.
 */
#include <lauxlib.h>
#include <string.h>

#include "exec/exec.h"
#include "script/bind.h"
#include "script/domain.h"
#include "script/observe.h"

/* The lane of an argument: a word, or true for closes, false and nil for reads of positions. */
static enum budget_lane check_lane(lua_State *L, int arg)
{
    if (lua_type(L, arg) != LUA_TSTRING)
        return lua_toboolean(L, arg) ? BUDGET_LANE_CLOSE : BUDGET_LANE_POSITIONS;
    enum budget_lane lane = budget_lane_named(lua_tostring(L, arg));
    if (lane == BUDGET_LANES)
        luaL_argerror(L, arg, lua_pushfstring(L, "no lane \"%s\"", lua_tostring(L, arg)));
    return lane;
}

/* budget_take(account, lane) -> true | false, wait_ms, "market"|"io" */
int budget_take_lua(lua_State *L)
{
    struct exec *x = BIND_SERVICE(L, exec);
    int account = domain_check_account(L, 1);
    struct budget_wait wait = {0, false};
    bool taken = exec_budget_take(x, account, check_lane(L, 2), &wait);
    lua_pushboolean(L, taken);
    if (taken)
        return 1;
    lua_pushinteger(L, wait.ms);
    lua_pushstring(L, wait.io ? "io" : "market");
    return 3;
}

/* budget_rest(account[, retry_after_ms]) */
int budget_rest_lua(lua_State *L)
{
    struct exec *x = BIND_SERVICE(L, exec);
    int account = domain_check_account(L, 1);
    exec_budget_rest(x, account, luaL_optinteger(L, 2, 0));
    return 0;
}

static void push_use(lua_State *L, const struct budget_use *u)
{
    lua_createtable(L, 0, 7);
    domain_set_string(L, "scope", budget_scope_name(u->scope));
    domain_set_bool(L, "day", u->day);
    domain_set_integer(L, "used", u->used);
    domain_set_integer(L, "limit", u->limit);
    domain_set_integer(L, "window_ms", u->window_ms);
    domain_set_integer(L, "wait_ms", u->wait_ms);
    domain_set_integer(L, "rest_ms", u->rest_ms);
}

/* budget(account) -> used, limit, wait_ms of the scope with the least room, and all scopes:
 * {scope=, day=, used=, limit=, window_ms=, wait_ms=, rest_ms=}[] */
int budget_use_lua(lua_State *L)
{
    struct exec *x = BIND_SERVICE(L, exec);
    struct budget_use use[BUDGET_MOST] = {{0}};
    size_t n = exec_budget_use(x, domain_check_account(L, 1), use);
    size_t tight = 0;
    for (size_t k = 1; k < n; k++)
        if ((uint64_t)use[k].used * use[tight].limit > (uint64_t)use[tight].used * use[k].limit)
            tight = k;
    lua_pushinteger(L, use[tight].used);
    lua_pushinteger(L, use[tight].limit);
    lua_pushinteger(L, use[tight].wait_ms);
    lua_createtable(L, (int)n, 0);
    for (size_t k = 0; k < n; k++) {
        push_use(L, &use[k]);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    return 4;
}

/* budget_marks() -> {lane = percent of the limit that it may fill} */
int budget_marks_lua(lua_State *L)
{
    lua_createtable(L, 0, BUDGET_LANES);
    for (enum budget_lane lane = BUDGET_LANE_CLOSE; lane < BUDGET_LANES; lane++)
        domain_set_integer(L, budget_lane_name(lane), budget_mark(100, lane));
    return 1;
}

static void check_spec(lua_State *L, int index, struct budget_spec *out)
{
    static const char *const names[] = {"requests", "window_ms", "scope", "day", NULL};
    luaL_checktype(L, index, LUA_TTABLE);
    domain_only(L, index, "session.budget", names);
    lua_Integer requests = domain_integer(L, index, "session.budget", "requests", 0);
    lua_Integer window = domain_integer(L, index, "session.budget", "window_ms", 0);
    const char *scope = domain_opt_string(L, index, "session.budget", "scope", "account");
    if (requests < 0 || requests > UINT32_MAX / 2 || window < 0)
        luaL_error(L, "session.budget: requests or window_ms is out of range");
    *out = (struct budget_spec){.scope = budget_scope_named(scope),
                                .day = domain_bool(L, index, "session.budget", "day"),
                                .requests = (unsigned)requests,
                                .window_ms = window};
    if (out->scope == BUDGET_SCOPES)
        luaL_error(L, "session.budget: no scope \"%s\"", scope);
}

size_t budget_check_specs(lua_State *L, int index, struct budget_spec *out)
{
    luaL_checktype(L, index, LUA_TTABLE);
    size_t n = lua_rawlen(L, index);
    if (n == 0) {
        check_spec(L, index, out);
        return 1;
    }
    if (n > BUDGET_MOST)
        luaL_error(L, "session.budget: at most %d budgets", (int)BUDGET_MOST);
    for (size_t k = 0; k < n; k++) {
        lua_rawgeti(L, index, (lua_Integer)k + 1);
        check_spec(L, lua_gettop(L), &out[k]);
        lua_pop(L, 1);
    }
    return n;
}
