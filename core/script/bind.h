/* SPDX-License-Identifier: MIT
 *
 * The bindings: one luaopen function for each C module, and slots of struct host for their data.
 */
#ifndef PERIGEE_SCRIPT_BIND_H
#define PERIGEE_SCRIPT_BIND_H

#include <lua.h>

#include "script/host.h"

enum host_slot { SLOT_CODEC, SLOT_RISK, SLOT_SUBSCRIBERS, SLOT_EXEC, SLOT_SIM, SLOT_STRATEGY };

/* Input and output, time, chance, files: */
int luaopen_perigee_task(lua_State *L);
int luaopen_perigee_clock(lua_State *L);
int luaopen_perigee_log(lua_State *L);
int luaopen_perigee_decimal(lua_State *L);
int luaopen_perigee_rng(lua_State *L);
int luaopen_perigee_fs(lua_State *L);
int luaopen_perigee_http(lua_State *L);
int luaopen_perigee_httpd(lua_State *L);
int luaopen_perigee_ws(lua_State *L);
int luaopen_perigee_sock(lua_State *L);
int luaopen_perigee_process(lua_State *L);
int luaopen_perigee_terminal(lua_State *L);
int luaopen_perigee_crypto(lua_State *L);
int luaopen_perigee_pg(lua_State *L);
int luaopen_perigee_err(lua_State *L);
int luaopen_perigee_json(lua_State *L);
/* The domain: */
int luaopen_perigee_event(lua_State *L);
int luaopen_perigee_journal(lua_State *L);
int luaopen_perigee_ta(lua_State *L);
int luaopen_perigee_book(lua_State *L);
int luaopen_perigee_market(lua_State *L);
int luaopen_perigee_ledger(lua_State *L);
int luaopen_perigee_exec(lua_State *L);
int luaopen_perigee_scripts(lua_State *L);
int luaopen_perigee_sim(lua_State *L);

/* A required argument check that names the missing service: "perigee.exec is not available ..." */
#define BIND_SERVICE(L, member)                                                                    \
    (host_of(L)->services.member                                                                   \
         ? host_of(L)->services.member                                                             \
         : (luaL_error(L, "perigee: the %s service is not available in this process", #member),    \
            host_of(L)->services.member))

/* Headers {{name, value}, ...} at index (nil: none; raises on anything else) as an array that a
 * pushed userdata owns; its strings are the table's. */
struct http_header *bind_check_headers(lua_State *L, int index, size_t *count);

/* Decimals in arguments: a string, a number (exact to 8 places) or a perigee.decimal. Raises. */
decimal bind_check_decimal(lua_State *L, int arg);
/* Pushes a decimal as a perigee.decimal / as its shortest string. */
void bind_push_decimal(lua_State *L, decimal d);
void bind_push_decimal_string(lua_State *L, decimal d);

#endif
