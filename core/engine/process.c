/* SPDX-License-Identifier: MIT
 *
 * What every process has: it is built in one order, runs its Lua module, and ends in reverse.
 */
#include "engine/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/child.h"
#include "io/file.h"

const char *process_home(void)
{
    const char *home = getenv("PERIGEE_HOME");
    return home && *home ? home : PERIGEE_HOME_DEFAULT;
}

int process_fail(const struct err *e)
{
    fprintf(stderr, "perigee: %s\n", e->message);
    return err_exit_code(e->code);
}

/* Order lanes keep one descriptor for each account: take what the system allows. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void stop_service(void *arg, const char *reason, int exit_code)
{
    struct process *p = arg;
    log_write(p->log, LOG_DEBUG, "process", "stops: %s", reason);
    p->exit_code = exit_code;
    loop_stop(&p->loop);
}

static void on_signal(void *arg, int signal_number)
{
    struct process *p = arg;
    (void)signal_number;
    if (p->stopping || !p->module) {
        if (p->hurry)
            p->hurry(p->hurry_arg);
        _exit(130);
    }
    p->stopping = true;
    struct err e;
    const char *argv[] = {p->module, "interrupt"};
    if (host_spawn(p->host, "perigee.boot", "stop", 2, argv, &e)) {
        process_fail(&e);
        p->exit_code = 1;
        loop_stop(&p->loop);
    }
}

static int configure(struct process *p, const struct process_options *options, struct err *e)
{
    int rc = settings_load(&p->settings, p->host, options->config, options->overrides,
                           options->override_count, e);
    if (rc)
        return rc;
    enum log_level level;
    if (log_level_parse(settings_text(p->settings, "log.level", "warn"), &level) == 0)
        log_set_level(p->log, level);
    const char *data = settings_text(p->settings, "data.dir", "var");
    rc = file_make_dirs(data, e);
    if (rc) /* a folder that cannot be used is wrong input, whatever the kernel's reason */
        return e->code = ERR_INPUT;
    p->host->services.data = data;
    return 0;
}

int process_init(struct process *p, const struct process_options *options, struct err *e)
{
    memset(p, 0, sizeof *p);
    p->module = options->module;
    clock_init(&p->clock);
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    enum log_level level = LOG_WARN;
    const char *wanted = getenv("PERIGEE__LOG__LEVEL");
    if (wanted && log_level_parse(wanted, &level))
        return err_set(e, ERR_INPUT, "PERIGEE__LOG__LEVEL is '%s': use debug, info, warn or error",
                       wanted);
    p->log = log_new(STDERR_FILENO, level, &p->clock);
    if (!p->log)
        return err_set(e, ERR_NOMEM, "out of memory at start");
    int rc = loop_init(&p->loop, &p->clock, p->log, e);
    if (rc)
        goto failed;
    p->loop_ready = true;
    rc = ERR_NOMEM;
    if (!(p->http = http_client_new(&p->loop, 256, e)) || !(p->ws = ws_context_new(&p->loop, e)))
        goto failed;
    struct host_services services = {.loop = &p->loop,
                                     .clock = &p->clock,
                                     .log = p->log,
                                     .http = p->http,
                                     .ws = p->ws,
                                     .home = process_home(),
                                     .stop = stop_service,
                                     .stop_arg = p};
    if (!(p->host = host_new(&services, e)))
        goto failed;
    child_register(p->host);
    if (options->module && (rc = configure(p, options, e)))
        goto failed;
    return 0;
failed:
    process_fini(p);
    return e->code ? e->code : rc;
}

int process_run(struct process *p, const struct process_options *options)
{
    struct err e = {0};
    const char *argv[16] = {options->module};
    int argc = 1;
    for (int i = 0; i < options->argc && argc < 16; i++)
        argv[argc++] = options->argv[i];
    if (loop_on_signal(&p->loop, SIGINT, on_signal, p) ||
        loop_on_signal(&p->loop, SIGTERM, on_signal, p)) {
        err_set(&e, ERR_FAILED, "cannot watch for signals");
        return process_fail(&e);
    }
    if (host_spawn(p->host, "perigee.boot", "start", argc, argv, &e))
        return process_fail(&e);
    loop_run(&p->loop);
    return p->exit_code;
}

void process_fini(struct process *p)
{
    if (p->host)
        host_free(p->host);
    settings_free(p->settings);
    if (p->http)
        http_client_free(p->http);
    if (p->ws)
        ws_context_free(p->ws);
    if (p->loop_ready && loop_fini(&p->loop))
        log_write(p->log, LOG_WARN, "process", "handles were left open at the end");
    log_free(p->log);
    memset(p, 0, sizeof *p);
}

int process_main_alone(const struct process_options *options, const char *verb)
{
    struct process p;
    struct err e = {0};
    if (process_init(&p, options, &e))
        return process_fail(&e);
    const char *data = settings_text(p.settings, "data.dir", "var");
    char path[512];
    int lock = -1, code;
    snprintf(path, sizeof path, "%s/%s.lock", data, verb);
    if (file_lock(path, &lock, &e)) {
        if (e.code == ERR_EXISTS)
            err_set(&e, ERR_INPUT, "another perigee %s uses %s; stop it or give another --data-dir",
                    verb, data);
        code = process_fail(&e);
    } else {
        code = process_run(&p, options);
        file_unlock(lock);
    }
    process_fini(&p);
    return code;
}
