/* SPDX-License-Identifier: MIT
 *
 * What is remembered of the journal beside the ledger, as Lua sees it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

struct world {
    struct clock clock;
    struct host *host;
    struct memory *memory;
    uint64_t seq;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct err e = {0};
    clock_init(&w->clock);
    struct host_services services = {.clock = &w->clock, .home = PERIGEE_HOME_DEFAULT};
    w->host = host_new(&services, &e);
    assert_non_null(w->host);
    w->memory = memory_new(&e);
    assert_non_null(w->memory);
    memory_register(w->memory, w->host);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    host_free(w->host);
    memory_free(w->memory);
    free(w);
    return 0;
}

static void apply(struct world *w, struct event *ev)
{
    struct err e = {0};
    ev->seq = ++w->seq;
    assert_int_equal(memory_apply(w->memory, ev, &e), 0);
}

static void policy(struct world *w, const char *name, const char *value)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_policy_state);
    event_set_strz(&ev, F_policy_state_name, name);
    event_set_json(&ev, F_policy_state_value, value, strlen(value));
    apply(w, &ev);
}

static void signal_of(struct world *w, uint64_t id)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_signal);
    event_set_u64(&ev, F_signal_signal, id);
    event_set_strz(&ev, F_signal_strategy, "s");
    apply(w, &ev);
}

static void lua(struct world *w, const char *code)
{
    if (luaL_dostring(w->host->L, code))
        fail_msg("%s", lua_tostring(w->host->L, -1));
}

static void test_newest_value(void **state)
{
    struct world *w = *state;
    lua(w, "assert(require 'perigee.memory'.get 'entries_stopped' == nil)");
    policy(w, "entries_stopped", "true");
    policy(w, "entries", "1");
    policy(w, "entries_stopped", "false");
    lua(w, "local memory = require 'perigee.memory'\n"
           "assert(memory.get 'entries_stopped' == 'false' and memory.get 'entries' == '1')\n"
           "assert(memory.get 'entries_' == nil and memory.get '' == nil)\n");
}

static void begun(struct world *w, const char *key, const char *digest, int64_t wall_us)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_command_begun);
    event_set_strz(&ev, F_command_begun_key, key);
    event_set_strz(&ev, F_command_begun_digest, digest);
    ev.wall_us = wall_us;
    apply(w, &ev);
}

static void ended(struct world *w, const char *key, const char *answer)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_command);
    event_set_strz(&ev, F_command_key, key);
    if (answer)
        event_set_json(&ev, F_command_answer, answer, strlen(answer));
    apply(w, &ev);
}

static void test_keys_of_a_day(void **state)
{
    struct world *w = *state;
    const int64_t hour = INT64_C(3600000000);
    ended(w, "k1",
          "{}"); /* of a command that began before what is kept, and of one without a key */
    ended(w, NULL, "{}");
    begun(w, "k1", "d1", 1000000);
    begun(w, "k2", "d2", 1000000 + hour);
    ended(w, "k2", "{\"ok\":true}");
    ended(w, "k1", NULL); /* asked again, which answers nothing */
    ended(w, "k2", NULL);
    lua(w, "local key = require 'perigee.memory'.key\n"
           "assert(key 'k1'.digest == 'd1' and key 'k1'.wall_ms == 1000 and not key 'k1'.answer)\n"
           "assert(key 'k2'.answer == '{\"ok\":true}' and key 'k' == nil and key '' == nil)\n");
    begun(w, "k1", "d3", 1000000 + 2 * hour); /* used again: the newest counts */
    lua(w, "local key = require 'perigee.memory'.key assert(key 'k1'.digest == 'd3')\n");
    begun(w, "k3", "d4", 1000000 + 25 * hour);
    lua(w, "assert(require 'perigee.memory'.key 'k2')\n"); /* a day to the microsecond */
    begun(w, "k4", "d4", 1000001 + 25 * hour);
    lua(w, "local key = require 'perigee.memory'.key\n"
           "assert(not key 'k2' and key 'k1' and key 'k3' and key 'k4')\n");
}

static void test_newest_signals(void **state)
{
    struct world *w = *state;
    struct event ev;
    lua(w, "assert(#require 'perigee.memory'.signals() == 0)");
    for (uint64_t id = 1; id <= MEMORY_SIGNALS + 3; id++)
        signal_of(w, id);
    event_init(&ev, EVENT_KIND_signal_refused);
    event_set_u64(&ev, F_signal_refused_signal, MEMORY_SIGNALS + 2);
    event_set_strz(&ev, F_signal_refused_rule, "signal_age");
    apply(w, &ev);
    event_init(&ev, EVENT_KIND_batch_done);
    event_set_u64(&ev, F_batch_done_signal, MEMORY_SIGNALS + 1);
    event_set_i64(&ev, F_batch_done_legs, 7);
    apply(w, &ev);
    /* Of a signal that is not kept any more, and of none. */
    event_init(&ev, EVENT_KIND_batch_done);
    event_set_u64(&ev, F_batch_done_signal, 1);
    apply(w, &ev);
    event_init(&ev, EVENT_KIND_batch_done);
    apply(w, &ev);
    lua(w, "local event, memory = require 'perigee.event', require 'perigee.memory'\n"
           "local list = memory.signals()\n"
           "assert(#list == 20)\n"
           "for i, row in ipairs(list) do\n"
           "  local e = assert(event.decode(row.signal))\n"
           "  assert(e.kind == 'signal' and e.signal == 24 - i and e.strategy == 's')\n"
           "end\n"
           "assert(list[1].outcome == nil)\n"
           "assert(event.decode(list[2].outcome).rule == 'signal_age')\n"
           "assert(event.decode(list[3].outcome).legs == 7)\n"
           "for i = 4, 20 do assert(list[i].outcome == nil) end\n");
    /* The place of the oldest is taken without its outcome. */
    for (uint64_t id = 0; id < MEMORY_SIGNALS; id++)
        signal_of(w, 100 + id);
    lua(w, "for _, row in ipairs(require 'perigee.memory'.signals()) do\n"
           "  assert(row.outcome == nil)\n"
           "end\n");
}

static void test_answers_have_a_bound(void **state)
{
    struct world *w = *state;
    size_t n = 1 << 20; /* the most that a field holds */
    char *big = malloc(n + 1), key[8];
    memset(big, ' ', n);
    big[n] = '\0';
    big[0] = '1';
    begun(w, "small", "d", 1000000);
    ended(w, "small", "{}");
    for (unsigned k = 0; k < MEMORY_ANSWERS / n + 1; k++) { /* one more than fit */
        snprintf(key, sizeof key, "k%u", k);
        begun(w, key, "d", 1000001 + k);
        ended(w, key, big);
    }
    free(big);
    lua(w, "local key = require 'perigee.memory'.key\n"
           "for _, gone in ipairs { 'small', 'k0' } do\n"
           "  assert(key(gone).digest == 'd' and key(gone).answer:find('not kept any more', 1, "
           "true))\n"
           "end\n"
           "assert(key 'k1'.answer:sub(1, 1) == '1' and key 'k16'.answer:sub(1, 1) == '1')\n");
    begun(w, "k0", "d", 1000000 + INT64_C(26) * 3600 * 1000000); /* and all of them go */
    ended(w, "k0", "{}");
    lua(w, "local key = require 'perigee.memory'.key\n"
           "assert(key 'k0'.answer == '{}' and not key 'k16' and not key 'small')\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_newest_value), T(test_newest_signals),
                                       T(test_keys_of_a_day), T(test_answers_have_a_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
