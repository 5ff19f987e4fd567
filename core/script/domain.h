/* SPDX-License-Identifier: MIT
 *
 * What the bindings of the domain share: reading fields of argument tables with errors that name
 * them, text buffers that the collector owns, and calls from C whose errors are logged.
 *
 * Order of lives: the host is freed before the services that it was given (its userdata unlisten
 * and forget their batches then), or host_set_exec(h, NULL, NULL) is called before exec_free.
 */
#ifndef PERIGEE_SCRIPT_DOMAIN_H
#define PERIGEE_SCRIPT_DOMAIN_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/decimal.h"
#include "base/event.h"
#include "base/str.h"
#include "trade/instrument.h"

#define DOMAIN_MAX_LEVELS 64 /* levels of one side in a flat array of depth */

/* Pushes a userdata that owns an empty byte string, so that a raise cannot leak it. */
struct str *domain_str(lua_State *L);
/* Replaces the userdata at the top by its text; raises when it ran out of memory. */
void domain_str_finish(lua_State *L, struct str *s);

/* A string, number or perigee.decimal at index; false when it is none of them or out of range. */
bool domain_decimal(lua_State *L, int index, decimal *out);

/* The word of names that is nearest to `word`; NULL when none is near. */
const char *domain_nearest(const char *word, const char *const *names, size_t count);
/* Every key of the table at index must be one of names (NULL-terminated); raises otherwise. */
void domain_only(lua_State *L, int index, const char *what, const char *const *names);

/* Fields of the table at index (absolute); each raises "what.name: ...". Strings stay valid as long
 * as the table holds them. Optional ones give the default when nil. */
const char *domain_string(lua_State *L, int index, const char *what, const char *name);
const char *domain_opt_string(lua_State *L, int index, const char *what, const char *name,
                              const char *otherwise);
lua_Integer domain_integer(lua_State *L, int index, const char *what, const char *name,
                           lua_Integer otherwise);
double domain_number(lua_State *L, int index, const char *what, const char *name,
                     double otherwise); /* finite */
bool domain_bool(lua_State *L, int index, const char *what, const char *name);
/* false: nil (then *out is zero). */
bool domain_field_decimal(lua_State *L, int index, const char *what, const char *name,
                          decimal *out);
enum side domain_side(lua_State *L, int index, const char *what, const char *name);

/* A finite number argument. */
double domain_check_finite(lua_State *L, int arg);
/* Ledger index of the account id at arg; raises when it is unknown. */
int domain_check_account(lua_State *L, int arg);
/* Bar timeframe by name at arg in ms; raises when it is unknown. */
int64_t domain_check_timeframe(lua_State *L, int arg);
/* A flat array {price, size, price, size, ...} at arg into at most DOMAIN_MAX_LEVELS levels; prices
 * to points of `point`. Raises on anything odd. Returns the number of levels. */
struct book_level;
size_t domain_check_levels(lua_State *L, int arg, double point, struct book_level *out);

/* A coroutine of the host that stays anchored below key: a stack for calls from C. */
lua_State *domain_thread(lua_State *L, const void *key);
/* Calls the function below nargs arguments on L, without yields; an error is logged with its
 * traceback. Keeps nresults on success. */
bool domain_call(lua_State *L, int nargs, int nresults, const char *component);
/* A message handler that adds a traceback. */
int domain_traceback(lua_State *L);

void domain_set_string(lua_State *L, const char *name, const char *text); /* "" is left out */
void domain_set_integer(lua_State *L, const char *name, lua_Integer x);
void domain_set_number(lua_State *L, const char *name, double x);
void domain_set_bool(lua_State *L, const char *name, bool x);
void domain_set_decimal(lua_State *L, const char *name, decimal d); /* as its shortest string */
void domain_set_points(lua_State *L, const char *name, const struct instrument *i, int64_t points);

/* An event as a table {seq, kind, market_ms, wall_us, fields...}; absent fields are nil. */
void domain_push_event(lua_State *L, const struct event *ev);
/* Fills an event of this kind from the table at index; its strings are the table's. Raises on an
 * unknown field or a wrong type, naming kind and field. `stamps`: seq, kind, market_ms and wall_us
 * are taken from the table too. */
void domain_check_event(lua_State *L, int index, const struct event_info *info, bool stamps,
                        struct event *out);

#endif
