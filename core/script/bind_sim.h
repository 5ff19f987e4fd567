/* SPDX-License-Identifier: MIT
 *
 * What the two halves of perigee.sim share: bind_sim.c (market) and bind_sim_book.c (accounts).
 */
#ifndef PERIGEE_SCRIPT_BIND_SIM_H
#define PERIGEE_SCRIPT_BIND_SIM_H

#include <lauxlib.h>

#include "base/str.h"
#include "market/tape.h"
#include "venue/sim.h"

#define SIM_META "perigee.sim"

struct sim_box {
    struct sim *sim;   /* NULL: closed */
    struct tape tape;  /* owned; count 0: none */
    struct str stream; /* stream events since the last take, JSON, comma-separated */
    bool streaming;    /* somebody takes them */
};

/* Argument 1 as an open simulator; raises. */
struct sim_box *sim_check(lua_State *L);
/* Methods of the book half, for luaL_setfuncs. */
extern const luaL_Reg sim_book_methods[];

#endif
