/* SPDX-License-Identifier: MIT
 *
 * What the parts of perigee.sim share: bind_sim.c (market), bind_sim_book.c (accounts and orders),
 * bind_sim_rows.c (lists), bind_sim_model.c (settings).
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
/* The account whose id is at arg; raises. */
int sim_check_account(lua_State *L, struct sim_box *box, int arg);
/* true, or nil and err. */
int sim_done(lua_State *L, int rc, const struct err *e);
/* Methods of the other parts, for luaL_setfuncs. */
extern const luaL_Reg sim_book_methods[], sim_rows_methods[], sim_model_methods[];

#define SIM_TERMS 16 /* more than there are symbols */

/* Settings as they are while a table of them is read. */
struct sim_settings {
    struct sim_model model;
    struct sim_terms terms[SIM_TERMS]; /* of the symbols that the table names */
    size_t count;
    /* Where the terms of a symbol come from. */
    bool (*terms_of)(const void *arg, const char *symbol, struct sim_terms *out);
    const void *arg;
};

/* Reads the table at index over what is in *s. ERR_INPUT: one sentence that names the setting. */
int sim_settings_read(lua_State *L, int index, struct sim_settings *s, struct err *e);

#endif
