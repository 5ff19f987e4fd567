/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.ledger: the functions of bind_ledger_marks.c and
 * bind_ledger_size.c.
 */
#ifndef PERIGEE_SCRIPT_BIND_LEDGER_H
#define PERIGEE_SCRIPT_BIND_LEDGER_H

#include <lua.h>

int ledger_marks(lua_State *L);
int ledger_size(lua_State *L);
int ledger_cost(lua_State *L);

#endif
