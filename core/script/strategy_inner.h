/* SPDX-License-Identifier: MIT
 *
 * Inside of strategies: what strategy.c (life, events), strategy_script.c (manifest, definition),
 * strategy_params.c, strategy_signal.c, strategy_ctx.c and the sandbox share.
 *
 * Functions marked MAY LONGJMP run inside of a protected call only. What they allocate with malloc
 * hangs on the struct strategy, so a raise leaks nothing.
 */
#ifndef PERIGEE_SCRIPT_STRATEGY_INNER_H
#define PERIGEE_SCRIPT_STRATEGY_INNER_H

#include <lua.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "script/strategy.h"
#include "script/watchdog.h"

#define STRATEGY_MAX_INDICATORS 64
#define STRATEGY_MAX_FRAMES 8
#define STRATEGY_MAX_TEXT ((size_t)1 << 20) /* bytes of a script */
#define STRATEGY_MAX_JSON 16384             /* bytes of conditions and of plan */

enum handler { ON_BAR, ON_QUOTE, ON_PRINT, ON_BOOK, HANDLERS };

struct strategy {
    lua_State *L;     /* stack: 1 message handler */
    struct market *m; /* NULL: only checked */
    struct log *log;
    int symbol_index;   /* in the market */
    int listener;       /* market handle; -1: not listening */
    size_t used, limit; /* bytes of the state */
    struct rng rng;     /* math.random */
    char path[512], library[512];
    char file[96]; /* last part of path: how errors name the script */
    char instance[64], symbol[32];
    char name[64], version[32]; /* manifest */
    char hash[17];
    bool running;
    bool dying;                /* freed inside of its own call: ends after it */
    int depth;                 /* calls from C under way */
    bool loading;              /* its code runs for the first time: steps are counted */
    uint64_t steps;            /* instructions so far, while it is loaded */
    struct burst burst;        /* the call under way */
    struct watchdog *dog;      /* NULL: its time is not watched */
    unsigned soft_ms, hard_ms; /* of one handler */
    struct strategy_cost cost;
    int64_t told_ns;                     /* io, when the log was told of a slow handler; 0: never */
    int64_t frames[STRATEGY_MAX_FRAMES]; /* timeframes of on_bar, ms */
    size_t frame_count;
    bool has[HANDLERS];                      /* handlers that the script defines */
    int indicators[STRATEGY_MAX_INDICATORS]; /* market handles */
    size_t indicator_count;
    struct str text;             /* of the script; freed after loading */
    struct str params;           /* canonical JSON of those in force */
    struct str conditions, plan; /* of the signal */
    struct str trace;            /* traceback of the newest error */
    bool has_signal;             /* signal was filled by the call under way */
    struct strategy_signal signal;
    strategy_signal_fn on_signal;
    strategy_stop_fn on_stop;
    void *arg;
};

struct strategy *strategy_of(lua_State *L);
/* Raises "file: text". MAY LONGJMP */
int strategy_fault(struct strategy *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The state with its sandboxed environment; NULL: out of memory. */
lua_State *sandbox_new(struct strategy *s);
void sandbox_push_env(lua_State *L);
/* Compiles text (never bytecode) in the sandbox's environment and pushes it. MAY LONGJMP */
void sandbox_compile(lua_State *L, const char *text, size_t n, const char *chunk);
/* Replaces the table at the top by a read-only view of it. MAY LONGJMP */
void sandbox_freeze(lua_State *L);
bool sandbox_frozen(lua_State *L, int index);
/* Adds resume, wrap and close to the table at the top. MAY LONGJMP */
void sandbox_add_coroutine(lua_State *L);
/* Pushes the capped string and table libraries. MAY LONGJMP */
void sandbox_push_string(lua_State *L);
void sandbox_push_table(lua_State *L);
/* Like tostring, but without addresses. Pushes the text. MAY LONGJMP */
int sandbox_tostring(lua_State *L);
/* Pushes an array of the keys of the table at index, numbers before strings before booleans, each
 * in rising order; returns their number. Other keys raise. MAY LONGJMP */
lua_Integer sandbox_sorted_keys(lua_State *L, int index);
int sandbox_pairs(lua_State *L);
int sandbox_next(lua_State *L);

/* Name, version, api from the first comment lines. */
int strategy_manifest(struct strategy *s, const char *text, struct err *e);
/* Runs the script (s->text) and checks what it returns; declares indicators; calls init; keeps the
 * event closure for strategy_push_event. Stack 1: light userdata, the overrides as JSON or NULL.
 * MAY LONGJMP */
int strategy_define(lua_State *L);
/* Pushes the closure that is called for each event. Allocates nothing. */
void strategy_push_closure(lua_State *L);
/* Pushes the effective parameters (a plain table) from the schema at index; fills s->params. MAY
 * LONGJMP */
void strategy_push_params(lua_State *L, int schema, const char *overrides);
/* Pushes the read-only ctx over the params at index. names: table of indicator handles by name. */
void strategy_push_ctx(lua_State *L, int params, int names);
void strategy_fill_bar(lua_State *L, int table, const struct bar *b, int64_t timeframe);
/* Reads the table at index into s->signal; handler is named in errors. MAY LONGJMP */
void strategy_read_signal(lua_State *L, int index, const char *handler);

/* What an event closure is given: stack 1 as light userdata. */
struct strategy_event {
    enum handler kind;
    int64_t time_ms; /* market stamp: of a bar its close */
    int64_t timeframe;
    const struct bar *bar;
    const struct quote *quote;
    const struct print *print;
    const struct book *book;
};

#endif
