/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.ledger: the function of bind_ledger_marks.c.
 */
#ifndef PERIGEE_SCRIPT_BIND_LEDGER_H
#define PERIGEE_SCRIPT_BIND_LEDGER_H

#include <lua.h>

int ledger_marks(lua_State *L);

#endif
