/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.exec: the functions of bind_write.c.
 */
#ifndef PERIGEE_SCRIPT_WRITE_H
#define PERIGEE_SCRIPT_WRITE_H

#include <lua.h>

int write_edit(lua_State *L);
int write_pending(lua_State *L);
int write_pending_edit(lua_State *L);
int write_cancel(lua_State *L);
int write_assign(lua_State *L);

#endif
