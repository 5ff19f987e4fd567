/* SPDX-License-Identifier: MIT
 *
 * A run's life: parts are built, turns are taken, lives of the engine begin and end between turns.
 */
#include "engine/simtest_world.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/child.h"

#define BEGIN_MS INT64_C(1704067200000) /* 2024-01-01, when the generator's market begins */
#define FIRST_PID 1000
#define LATENCY_NS 2000000 /* one way; the keeper adds what each account suffers */
#define STEP_NS INT64_C(1000000000)

static void on_death(void *arg)
{
    struct world *w = arg;
    if (w->process)
        fake_process_kill(w->process);
}

static void stop_keeper(void *arg, const char *reason, int exit_code)
{
    struct world *w = arg;
    (void)exit_code;
    if (!w->finished) {
        str_clear(&w->verdict);
        str_addz(&w->verdict, reason);
    }
    w->finished = true;
}

static void stop_engine(void *arg, const char *reason, int exit_code)
{
    struct world *w = arg;
    (void)reason;
    w->stopped = true;
    w->exit_code = exit_code;
}

static int open_keeper(struct world *w, struct err *e)
{
    if (!(w->broker = fake_process_new(w->net, "broker", e)))
        return e->code;
    struct host_services services = {.loop = &w->loop,
                                     .clock = &w->clock,
                                     .log = w->log,
                                     .fake = w->broker,
                                     .entropy = &w->entropy,
                                     .home = w->home,
                                     .data = w->folder,
                                     .stop = stop_keeper,
                                     .stop_arg = w};
    if (!(w->keeper = host_new(&services, e)))
        return e->code;
    world_register(w, w->keeper, true);
    return 0;
}

static int write_config(struct world *w, struct err *e)
{
    static const char text[] = "return {}\n";
    snprintf(w->config, sizeof w->config, "%s/perigee.lua", w->folder);
    return file_replace(w->config, text, sizeof text - 1, 0600, e);
}

static int open_world(struct world *w, uint64_t seed, struct err *e)
{
    clock_virtual(&w->clock, BEGIN_MS, BEGIN_MS * 1000);
    rng_seed_named(&w->entropy, seed, "entropy");
    int rc = loop_init(&w->loop, &w->clock, w->log, e);
    if (rc)
        return rc;
    struct fake_net_config net = {
        .seed = seed, .latency_ns = LATENCY_NS, .faults = world_faults(w)};
    if (!(w->net = fake_net_new(&w->loop, &net, e)))
        return e->code;
    rc = write_config(w, e);
    return rc ? rc : open_keeper(w, e);
}

/* ---- lives ---- */

static struct host *engine_host(struct world *w, struct err *e)
{
    struct host_services services = {.loop = &w->loop,
                                     .clock = &w->clock,
                                     .log = w->log,
                                     .http = w->http,
                                     .gate = &w->gate,
                                     .entropy = &w->entropy,
                                     .home = w->home,
                                     .pid = FIRST_PID + w->lives,
                                     .stop = stop_engine,
                                     .stop_arg = w};
    struct host *h = host_new(&services, e);
    if (!h)
        return NULL;
    child_register(h);
    world_register(w, h, false);
    return h;
}

static int configure(struct world *w, struct host *h, struct err *e)
{
    const char *overrides[64];
    size_t count = 0;
    for (size_t at = 0; at < w->start.len && count < 64; at += strlen(w->start.p + at) + 1)
        overrides[count++] = w->start.p + at;
    int rc = settings_load(&w->settings, h, w->config, overrides, count, e);
    if (rc)
        return rc;
    snprintf(w->data, sizeof w->data, "%s", settings_text(w->settings, "data.dir", ""));
    h->services.data = w->data;
    return file_make_dirs(w->data, e);
}

/* What begins a life may already be its end: the gate counts from here on. */
static int begin_life(struct world *w, struct err *e)
{
    w->lives++;
    w->gate.writes = 0;
    w->gate.dead = false;
    w->sends = 0;
    w->stopped = w->kill_wanted = false;
    if (!(w->process = fake_process_new(w->net, "engine", e)) ||
        !(w->http = http_client_new_over(&w->loop, &transport_fake_ops, w->process, 64, e)))
        return e->code;
    struct host *h = engine_host(w, e);
    if (!h)
        return e->code;
    int rc = configure(w, h, e);
    if (rc) {
        host_free(h);
        return rc;
    }
    struct engine_parts parts = {.loop = &w->loop,
                                 .host = h,
                                 .settings = w->settings,
                                 .transport = &transport_fake_ops,
                                 .transport_ctx = w->process,
                                 .gate = &w->gate};
    w->host = h;
    if ((rc = engine_open(&w->engine, &parts, e)))
        return rc;
    return host_spawn(h, "perigee.simtest.inside", "start", 0, NULL, e);
}

static void end_life(struct world *w, bool crash)
{
    if (crash) {
        file_gate_kill(&w->gate);
        if (w->process)
            fake_process_kill(w->process);
    }
    engine_free(w->engine);
    w->engine = NULL;
    w->host = NULL;
    if (w->http)
        http_client_free(w->http);
    w->http = NULL;
    settings_free(w->settings);
    w->settings = NULL;
    if (w->process)
        fake_process_free(w->process);
    w->process = NULL;
    w->gate.last = 0;
    w->last_send = 0;
}

static void tell_down(struct world *w, const char *how, int code)
{
    lua_State *L = w->keeper->L;
    lua_pushstring(L, how);
    lua_pushinteger(L, code);
    world_hook(w, WORLD_DOWN, 2, 0);
}

/* Between two turns: what was asked for meanwhile. */
static int change_lives(struct world *w, struct err *e)
{
    bool killed = w->gate.dead || w->kill_wanted;
    if (w->engine && (killed || w->stopped)) {
        int code = killed ? -1 : w->exit_code;
        end_life(w, killed);
        w->kill_wanted = w->stopped = false;
        tell_down(w, killed ? "killed" : "stopped", code);
    }
    if (!w->start_wanted || w->engine)
        return 0;
    w->start_wanted = false;
    int rc = begin_life(w, e);
    if (rc == 0)
        return 0;
    /* A life that died while it was built is no fault of its own. */
    bool died = w->gate.dead;
    end_life(w, true);
    if (!died)
        return rc;
    tell_down(w, "killed", -1);
    return 0;
}

static void close_world(struct world *w)
{
    if (w->process || w->engine)
        end_life(w, true);
    host_free(w->keeper);
    if (w->broker)
        fake_process_free(w->broker);
    if (w->net)
        fake_net_free(w->net);
    if (w->loop.hooks && loop_fini(&w->loop))
        log_write(w->log, LOG_ERROR, "simtest", "handles were left open at the end");
    str_fini(&w->start);
}

static int take_turns(struct world *w, const char *module, int64_t limit_ms, struct err *e)
{
    int64_t limit = limit_ms * 1000000;
    int rc = host_spawn(w->keeper, module, "start", 0, NULL, e);
    while (rc == 0 && !w->finished) {
        int64_t now = clock_io_ns(&w->clock);
        if (now >= limit)
            return err_set(e, ERR_TIMEOUT, "the run did not finish in %lld simulated seconds",
                           (long long)(limit_ms / 1000));
        int step = loop_step_until(&w->loop, now + STEP_NS < limit ? now + STEP_NS : limit);
        if (step < 0)
            return err_set(e, step, "the loop stands still: something restarts itself for ever");
        rc = change_lives(w, e);
    }
    return rc;
}

int world_run(struct world *w, uint64_t seed, const char *module, int64_t limit_ms, struct err *e)
{
    str_init(&w->start);
    str_init(&w->verdict);
    for (int i = 0; i < WORLD_HOOKS; i++)
        w->hooks[i] = LUA_NOREF;
    w->gate = (struct file_gate){.died = on_death, .arg = w};
    int rc = open_world(w, seed, e);
    if (rc == 0)
        rc = take_turns(w, module, limit_ms, e);
    close_world(w);
    return rc;
}
