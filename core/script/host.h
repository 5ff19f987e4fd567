/* SPDX-License-Identifier: MIT
 *
 * The Lua host: a trusted state with all modules of Perigee, its tasks, and the services that its
 * process offers. A module whose service is missing raises "... is not available in this process".
 *
 * Each lua_State carries its struct host * in its extra space (coroutines inherit it), so bindings
 * need no globals.
 */
#ifndef PERIGEE_SCRIPT_HOST_H
#define PERIGEE_SCRIPT_HOST_H

#include <lua.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/rng.h"
#include "exec/exec.h"
#include "io/fake_net.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/ws.h"
#include "market/market.h"
#include "store/stream.h"
#include "trade/ledger.h"
#include "venue/remote.h"

struct tasks;    /* task.h */
struct watchdog; /* watchdog.h */

/* What a process offers to its scripts; NULL members are not offered. None is owned. */
struct host_services {
    struct loop *loop;
    struct clock *clock;
    struct log *log;
    struct rng *entropy; /* tokens, keys and nonces of a run that must repeat; NULL: the kernel's */
    int64_t pid;         /* what scripts take for the process's number; 0: the kernel's */
    /* Servers of scripts listen in the network in memory, as this process; NULL: on sockets. */
    struct fake_process *fake;
    struct http_client *http;
    struct ws_context *ws;
    struct stream *stream;
    struct ledger *ledger;
    struct market *market;
    struct exec *exec;
    struct remote *remote;
    struct file_gate *gate; /* that writes of perigee.fs pass; NULL: none */
    const char *home;       /* folder that holds lua/ and strategies/ */
    const char *data;       /* data folder; NULL: none */
    void (*stop)(void *arg, const char *reason, int exit_code); /* ends the process in order */
    void *stop_arg;
};

struct host {
    lua_State *L;
    struct host_services services;
    struct tasks *tasks;
    struct watchdog
        *watchdog;     /* of strategies; NULL until the first is loaded, and in virtual time */
    void *slots[8];    /* per-binding data (codec, risk, callbacks), see bind.h */
    char warning[256]; /* pieces of a Lua warning that has not ended */
};

/* A new trusted state: standard libraries, package.path = home/lua/?.lua;home/lua/?/init.lua, cjson
 * and all perigee.* C modules preloaded. */
struct host *host_new(const struct host_services *services, struct err *e);
/* The same with an allocator of the caller's (tests make its nth allocation fail). */
struct host *host_new_with(const struct host_services *services, lua_Alloc alloc, void *ud,
                           struct err *e);
/* Cancels and closes all tasks (their <close> variables run), then the state. */
void host_free(struct host *h);
struct host *host_of(lua_State *L);

/* Runs a file (mode "t") in the main thread with arguments as `arg` and `...`. An error is
 * ERR_FAILED (a file that cannot be read: ERR_INPUT) with the message; the traceback goes to the
 * log. *result (may be NULL): integer it
 * returned. */
int host_run_file(struct host *h, const char *path, int argc, char **argv, lua_Integer *result,
                  struct err *e);
/* Requires a module and spawns its field `function` as a task with string arguments. */
int host_spawn(struct host *h, const char *module, const char *function, int argc,
               const char *const *argv, struct err *e);
/* host_services.exec and remote are made after the host (they need its codec and risk): sets them.
 */
void host_set_exec(struct host *h, struct exec *exec, struct remote *remote);

/* Codec and risk as C sees them: protected calls into the functions that scripts registered by
 * exec.codec and exec.risk. Usable before registration (they then refuse). */
struct codec_ops host_codec(struct host *h);
struct risk_ops host_risk(struct host *h);

#endif
