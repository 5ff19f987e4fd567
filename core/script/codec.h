/* SPDX-License-Identifier: MIT
 *
 * Inside of perigee.exec: registration of codec and risk (codec.c) and batches (bind_batch.c).
 */
#ifndef PERIGEE_SCRIPT_CODEC_H
#define PERIGEE_SCRIPT_CODEC_H

#include <lua.h>

#include "script/host.h"

struct batch_box;
struct need_wait;

/* What of exec hangs on the state: slot SLOT_EXEC, a userdata of perigee.exec. */
struct exec_hub {
    struct exec *x;            /* whose needs are heard; NULL: none yet */
    struct batch_box *batches; /* open ones */
    struct need_wait *waits;   /* tasks in next_need */
};

int codec_register(lua_State *L); /* exec.codec{encode, decode} */
int risk_register(lua_State *L);  /* exec.risk(fn) */
/* Raises while a codec or the risk policy is being called: exec is in the middle of an order then,
 * and may not be entered again. what: the caller's name. */
void codec_check_outside(lua_State *L, const char *what);

int batch_create(lua_State *L); /* exec.batch{...} */
void batch_open_class(lua_State *L);
/* Frees every open batch; a task that waits for one gets the error "closed". */
void batch_close_all(struct exec_hub *hub);

/* A price or volume field of a table into points of the instrument, rounded towards less risk. */
enum price_kind { PRICE_REFERENCE, PRICE_STOP, PRICE_TARGET };
int codec_points(const struct instrument *i, enum side side, enum price_kind kind, decimal price,
                 int64_t *points);

#endif
