/* SPDX-License-Identifier: MIT
 *
 * What every process of Perigee has: clock, log, loop, HTTP client, WebSockets, the trusted Lua
 * state, the configuration, and an orderly end. The first SIGINT or SIGTERM asks the process's Lua
 * module to stop; the second leaves at once with 130 (SIGTERM: 143 is never used; the documented
 * code stays 130).
 */
#ifndef PERIGEE_ENGINE_PROCESS_H
#define PERIGEE_ENGINE_PROCESS_H

#include <stdbool.h>

#include "engine/settings.h"
#include "io/http.h"
#include "io/ws.h"
#include "script/host.h"

struct process_options {
    const char *config;           /* --config, NULL: perigee.lua if there is one */
    const char *const *overrides; /* "section.key=value" of the command line */
    size_t override_count;
    const char *module; /* Lua module with start(...) and stop(reason); NULL: none */
    int argc;           /* arguments of start */
    const char *const *argv;
};

struct process {
    struct clock clock;
    struct log *log;
    struct loop loop;
    struct http_client *http;
    struct ws_context *ws;
    struct host *host;
    struct settings *settings; /* NULL in processes without a configuration */
    const char *module;
    bool loop_ready;
    bool stopping; /* a first signal was seen */
    int exit_code;
    void (*hurry)(void *arg); /* before leaving at once: what must not be lost; may be NULL */
    void *hurry_arg;
};

/* Folder with lua/ and strategies/: $PERIGEE_HOME or the source folder of the build. */
const char *process_home(void);
/* Builds everything up to the host and the configuration. On failure nothing is left. */
int process_init(struct process *p, const struct process_options *options, struct err *e);
/* Spawns module.start(argv...) and runs the loop until process.stop(). Returns the exit code. */
int process_run(struct process *p, const struct process_options *options);
void process_fini(struct process *p);
/* Prints "perigee: message" to stderr and returns the exit code of the error. */
int process_fail(const struct err *e);

/* Init, run and fini of a process that is nothing else, while it holds <data>/<verb>.lock: one for
 * a data folder, a second one says so and ends. Returns the exit code. */
int process_main_alone(const struct process_options *options, const char *verb);

/* The processes: each returns the exit code of the program. */
int engine_main(const struct process_options *options);
int sim_main(const struct process_options *options);
int office_main(const struct process_options *options);
int run_main(const struct process_options *options);

#endif
