/* SPDX-License-Identifier: MIT
 *
 * The engine as a part of a loop that lives on: opened, killed in the middle of a write, opened
 * again on the same folder, many times.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

struct world {
    char folder[64];
    char data[96]; /* "data.dir=..." */
    struct clock clock;
    struct loop loop;
    struct log *log;
    struct file_gate gate;
    struct engine *engine;
    struct host *host; /* the engine's */
};

static int no_connection(void *ctx, struct loop *l, const char *origin,
                         const struct transport_events *events, void *arg, struct transport **out,
                         struct err *e)
{
    (void)ctx, (void)l, (void)origin, (void)events, (void)arg, (void)out;
    return err_set(e, ERR_UNREACHABLE, "nothing is connected here");
}

static const struct transport_ops no_transport = {.name = "none", .open = no_connection};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    snprintf(w->folder, sizeof w->folder, "/tmp/perigee-open-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->data, sizeof w->data, "data.dir=%s", w->folder);
    clock_init(&w->clock);
    w->log = log_new(1, LOG_ERROR, &w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, w->log, &e), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];
    engine_free(w->engine);
    assert_int_equal(loop_fini(&w->loop), 0); /* no handle is left open */
    log_free(w->log);
    snprintf(command, sizeof command, "rm -rf %s", w->folder);
    int rc = system(command);
    free(w);
    return rc;
}

static void start(struct world *w, uint64_t last, uint32_t share)
{
    struct err e = {0};
    struct settings *settings = NULL;
    w->gate = (struct file_gate){.last = last, .share = share};
    struct host_services services = {.loop = &w->loop,
                                     .clock = &w->clock,
                                     .log = w->log,
                                     .gate = &w->gate,
                                     .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    const char *overrides[] = {w->data, "journal.sync=off"};
    assert_int_equal(settings_load(&settings, w->host, NULL, overrides, 2, &e), 0);
    struct engine_parts parts = {.loop = &w->loop,
                                 .host = w->host,
                                 .settings = settings,
                                 .transport = &no_transport,
                                 .gate = &w->gate};
    if (engine_open(&w->engine, &parts, &e))
        fail_msg("%s", e.message);
    settings_free(settings);
}

static void stop(struct world *w)
{
    engine_free(w->engine);
    w->engine = NULL;
}

static void lua(struct world *w, const char *code)
{
    if (luaL_dostring(w->host->L, code))
        fail_msg("%s", lua_tostring(w->host->L, -1));
}

static void signal_of(struct world *w, int id)
{
    char code[200];
    snprintf(code, sizeof code,
             "local event = require 'perigee.event'\n"
             "event.emit('signal', {signal = %d, strategy = 's'}) event.commit()",
             id);
    lua(w, code);
}

static void expect_last_signal(struct world *w, int id)
{
    char code[200];
    snprintf(code, sizeof code,
             "local n = require 'perigee.ledger'.last_ids().signal assert(n == %d, n)", id);
    lua(w, code);
}

static void test_state_is_what_reached_the_disk(void **state)
{
    struct world *w = *state;
    start(w, 0, 0);
    signal_of(w, 1);
    stop(w);
    for (int round = 0; round < 40; round++) {
        /* Odd rounds die in the first write, at every share of it; even ones in the second. */
        start(w, 1 + (uint64_t)(round % 2), (uint32_t)round * 1600);
        expect_last_signal(w, 1 + round / 2);
        signal_of(w, 2 + round / 2);
        assert_int_equal(w->gate.dead, round % 2 == 0);
        signal_of(w, 3 + round / 2);
        assert_true(w->gate.dead);
        /* What was emitted and never committed goes with the process, too. */
        lua(w, "require 'perigee.event'.emit('signal', {signal = 99, strategy = 's'})");
        loop_run_once(&w->loop, false);
        stop(w);
        loop_run_once(&w->loop, false);
    }
    start(w, 0, 0);
    expect_last_signal(w, 21);
}

static void test_without_a_socket_nobody_listens(void **state)
{
    struct world *w = *state;
    start(w, 0, 0);
    lua(w, "local wire = require 'perigee.wire'\n"
           "wire.on_command(function() end)\n"
           "wire.state('health', '{}')\n"
           "wire.reply(1, '{}')\n"
           "assert(wire.subscribers() == 0 and wire.listeners() == 0)\n");
    signal_of(w, 1);
    loop_run_once(&w->loop, false);
}

static void test_what_cannot_open_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    struct settings *settings = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/journal", w->folder);
    struct host_services services = {
        .loop = &w->loop, .clock = &w->clock, .log = w->log, .home = PERIGEE_HOME_DEFAULT};
    struct file f;
    assert_int_equal(file_append_open(&f, path, 0600, &e), 0); /* a file where the folder goes */
    file_close(&f);
    struct host *host = host_new(&services, &e);
    const char *overrides[] = {w->data};
    assert_int_equal(settings_load(&settings, host, NULL, overrides, 1, &e), 0);
    struct engine_parts parts = {
        .loop = &w->loop, .host = host, .settings = settings, .transport = &no_transport};
    assert_int_not_equal(engine_open(&w->engine, &parts, &e), 0);
    assert_null(w->engine);
    settings_free(settings);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_state_is_what_reached_the_disk),
        T(test_without_a_socket_nobody_listens),
        T(test_what_cannot_open_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
