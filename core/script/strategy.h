/* SPDX-License-Identifier: MIT
 *
 * Strategies: one sandboxed Lua state for each instance. C calls its handlers with numbers and
 * copies its signals out; a strategy never sees credentials, sockets or files, and its handlers do
 * not yield. An error or an overrun of its memory or its time stops that strategy alone.
 */
#ifndef PERIGEE_SCRIPT_STRATEGY_H
#define PERIGEE_SCRIPT_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "market/market.h"

struct strategy;
struct watchdog; /* watchdog.h */

struct strategy_signal {
    char action[16];            /* OPEN_LONG, OPEN_SHORT, CLOSE */
    double price, stop, target; /* 0: none */
    double confidence, strength;
    char reason[160];
    int64_t holding_ms;
    int64_t time_ms; /* market stamp of what it was decided on: a bar's close, a quote, ... */
    const char *conditions; /* canonical JSON array; valid inside the callback */
    const char *plan;       /* canonical JSON object */
};

struct strategy_config {
    const char *path;     /* the script */
    const char *instance; /* name of this instance */
    const char *symbol;   /* canonical */
    const char *params;   /* JSON object of overrides as text, or NULL */
    const char *modules;  /* folder for the sandbox's require: <home>/lua/perigee/strategy */
    size_t memory_limit;  /* bytes; 0: 32 MiB */
    /* Watches the handlers, in the thread that calls them; NULL (virtual time): nobody does, and
     * nothing of their cost is known. */
    struct watchdog *watchdog;
    unsigned soft_ms; /* a handler that takes longer is told to the log; 0: 5 */
    unsigned hard_ms; /* of the processor; a handler that uses more is stopped; 0: 50 */
};

/* What its handlers have cost, by the wall. */
struct strategy_cost {
    uint64_t calls;
    uint64_t slow; /* of them, longer than soft_ms */
    int64_t total_ns, worst_ns;
};

typedef void (*strategy_signal_fn)(void *arg, struct strategy *s,
                                   const struct strategy_signal *signal);
/* trace: the traceback, with the reason before it; as long as `why` lives. */
typedef void (*strategy_stop_fn)(void *arg, struct strategy *s, const char *why, const char *trace);

/* Compiles, checks the manifest, handlers and parameters, declares its indicators, listens. Any
 * fault is ERR_INPUT that names the file, the line or the parameter. */
int strategy_load(struct strategy **out, struct market *m, struct log *log,
                  const struct strategy_config *config, strategy_signal_fn on_signal,
                  strategy_stop_fn on_stop, void *arg, struct err *e);
/* Like load, but only checks: nothing is declared or listened to. */
int strategy_check(const struct strategy_config *config, struct err *e);
void strategy_free(struct strategy *s);

const char *strategy_name(const struct strategy *s); /* from the manifest */
const char *strategy_version(const struct strategy *s);
const char *strategy_instance(const struct strategy *s);
const char *strategy_hash(const struct strategy *s); /* first 16 hex digits of the text's hash */
const char *strategy_symbol(const struct strategy *s);
struct strategy_cost strategy_cost(const struct strategy *s);
bool strategy_running(const struct strategy *s); /* false after an error */
/* The parameters in force as canonical JSON. */
const char *strategy_params(const struct strategy *s);

#endif
