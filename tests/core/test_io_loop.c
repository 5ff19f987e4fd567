/* SPDX-License-Identifier: MIT
 *
 * The loop: timers on both clocks, drain hooks, the settled callback, signals, leaks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/loop.h"

struct world {
    struct clock clock;
    struct loop loop;
};

static void wall_world(struct world *w)
{
    clock_init(&w->clock);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, NULL), 0);
}

static void granted_world(struct world *w, int64_t market_ms)
{
    clock_init(&w->clock);
    clock_grant(&w->clock, market_ms);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, NULL), 0);
}

static void virtual_world(struct world *w)
{
    clock_init(&w->clock);
    clock_virtual(&w->clock, 1000, 0);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, NULL), 0);
}

struct trace {
    struct world *w;
    char text[512];
};

struct mark {
    struct timer timer;
    struct trace *trace;
    char name;
    int again;       /* starts itself again this many times */
    int64_t step_ms; /* ... after so many market ms */
};

static void on_mark(void *arg)
{
    struct mark *m = arg;
    size_t n = strlen(m->trace->text);
    (void)snprintf(m->trace->text + n, sizeof m->trace->text - n, "%c%lld ", m->name,
                   (long long)clock_market_ms(&m->trace->w->clock));
    if (m->again-- > 0) {
        assert_int_equal(
            timer_start_market(&m->timer, clock_market_ms(&m->trace->w->clock) + m->step_ms), 0);
    }
}

static void mark_init(struct mark *m, struct trace *t, char name)
{
    *m = (struct mark){.trace = t, .name = name};
    timer_init(&m->timer, &t->w->loop, on_mark, m);
}

static void advance_fires_in_order_with_the_clock_at_each_due_time(void **state)
{
    (void)state;
    struct world w;
    granted_world(&w, 1000);
    struct trace t = {.w = &w};
    struct mark a, b, c, d;
    mark_init(&a, &t, 'a');
    mark_init(&b, &t, 'b');
    mark_init(&c, &t, 'c');
    mark_init(&d, &t, 'd');
    b.again = 3;
    b.step_ms = 10;
    assert_int_equal(timer_start_market(&a.timer, 1030), 0);
    assert_int_equal(timer_start_market(&b.timer, 1010), 0);
    assert_int_equal(timer_start_market(&c.timer, 1030), 0);
    assert_int_equal(timer_start_market(&d.timer, 1051), 0);
    assert_int_equal(loop_market_next(&w.loop), 1010);
    loop_market_advance(&w.loop, 1050);
    /* b fires at 1010, 1020, 1030 (started after a and c, so behind them) and 1040 */
    assert_string_equal(t.text, "b1010 b1020 a1030 c1030 b1030 b1040 ");
    assert_int_equal(clock_market_ms(&w.clock), 1050);
    assert_int_equal(loop_market_next(&w.loop), 1051);
    assert_true(timer_active(&d.timer));
    loop_market_advance(&w.loop, 1040); /* never back */
    assert_int_equal(clock_market_ms(&w.clock), 1050);
    timer_stop(&d.timer);
    assert_false(timer_active(&d.timer));
    assert_int_equal(loop_market_next(&w.loop), INT64_MAX);
    loop_market_advance(&w.loop, 2000);
    assert_string_equal(t.text, "b1010 b1020 a1030 c1030 b1030 b1040 ");
    assert_int_equal(loop_fini(&w.loop), 0);
}

struct stopper {
    struct timer timer;
    struct timer *victim;
};

static void on_stopper(void *arg)
{
    timer_stop(((struct stopper *)arg)->victim);
}

static void a_timer_may_stop_another_that_is_due_in_the_same_advance(void **state)
{
    (void)state;
    struct world w;
    granted_world(&w, 0);
    struct trace t = {.w = &w};
    struct mark victim;
    struct stopper s = {.victim = &victim.timer};
    mark_init(&victim, &t, 'v');
    timer_init(&s.timer, &w.loop, on_stopper, &s);
    assert_int_equal(timer_start_market(&s.timer, 5), 0);
    assert_int_equal(timer_start_market(&victim.timer, 5), 0);
    loop_market_advance(&w.loop, 10);
    assert_string_equal(t.text, "");
    assert_int_equal(loop_fini(&w.loop), 0);
}

struct random_timer {
    struct timer timer;
    struct world *w;
    int64_t *last;
    unsigned *fired;
};

static void on_random(void *arg)
{
    struct random_timer *r = arg;
    assert_int_equal(clock_market_ms(&r->w->clock), r->timer.due);
    assert_true(r->timer.due >= *r->last);
    *r->last = r->timer.due;
    (*r->fired)++;
}

/* Starts, restarts and stops at random: what fires is exactly what still runs, in order. */
static void heap_keeps_its_order(void **state)
{
    (void)state;
    enum { N = 500 };
    struct world w;
    struct rng rng;
    static struct random_timer all[N];
    int64_t last = 0;
    unsigned fired = 0, active = 0;
    granted_world(&w, 0);
    rng_seed(&rng, 7);
    for (int i = 0; i < N; i++) {
        all[i] = (struct random_timer){.w = &w, .last = &last, .fired = &fired};
        timer_init(&all[i].timer, &w.loop, on_random, &all[i]);
    }
    for (int k = 0; k < 20000; k++) {
        struct timer *x = &all[rng_range(&rng, 0, N - 1)].timer;
        if (rng_range(&rng, 0, 2) == 0) {
            timer_stop(x);
        } else {
            assert_int_equal(timer_start_market(x, rng_range(&rng, 1, 1000)), 0);
        }
    }
    for (int i = 0; i < N; i++) {
        active += timer_active(&all[i].timer);
    }
    assert_true(active > 100);
    loop_market_advance(&w.loop, 1000);
    assert_int_equal(fired, active);
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void past_due_fires_on_the_next_turn_of_a_granted_clock(void **state)
{
    (void)state;
    struct world w;
    granted_world(&w, 1000);
    struct trace t = {.w = &w};
    struct mark a, b;
    mark_init(&a, &t, 'a');
    mark_init(&b, &t, 'b');
    assert_int_equal(timer_start_market(&a.timer, 900), 0);
    assert_int_equal(timer_start_market(&b.timer, 1001), 0);
    assert_string_equal(t.text, "");
    for (int i = 0; i < 3; i++) {
        loop_run_once(&w.loop, false);
    }
    assert_string_equal(t.text, "a1000 ");
    assert_int_equal(loop_fini(&w.loop), 0);
    assert_false(timer_active(&b.timer)); /* forgotten, and safe to stop */
    timer_stop(&b.timer);
}

struct chain {
    struct timer timer;
    struct loop *loop;
    unsigned fired;
    unsigned turns;
};

static void on_chain(void *arg)
{
    struct chain *c = arg;
    c->fired++;
    assert_int_equal(timer_start_io(&c->timer, 0), 0);
}

static bool count_turn(void *arg)
{
    ((struct chain *)arg)->turns++;
    return false;
}

static void a_timer_of_zero_that_restarts_itself_starves_nobody(void **state)
{
    (void)state;
    struct world w;
    wall_world(&w);
    struct chain c = {.loop = &w.loop};
    timer_init(&c.timer, &w.loop, on_chain, &c);
    loop_on_drain(&w.loop, count_turn, &c);
    assert_int_equal(timer_start_io(&c.timer, 0), 0);
    for (int i = 0; i < 50; i++) {
        loop_run_once(&w.loop, true);
    }
    assert_in_range(c.fired, 45, 100); /* uv_run may look at its timers twice a turn */
    assert_true(c.turns >= 90);        /* prepare and check */
    timer_stop(&c.timer);
    assert_int_equal(loop_fini(&w.loop), 0);
}

struct sleeper {
    struct timer timer;
    struct clock *clock;
    int64_t at;
};

static void on_sleeper(void *arg)
{
    struct sleeper *s = arg;
    s->at = clock_io_ns(s->clock);
}

static void io_timers_never_fire_early_and_the_loop_ends_when_none_is_left(void **state)
{
    (void)state;
    struct world w;
    struct sleeper s[4];
    wall_world(&w);
    int64_t begun = clock_io_ns(&w.clock);
    const int64_t ms[4] = {12, 3, 7, 3};
    for (int i = 0; i < 4; i++) {
        s[i] = (struct sleeper){.clock = &w.clock};
        timer_init(&s[i].timer, &w.loop, on_sleeper, &s[i]);
        assert_int_equal(timer_start_io(&s[i].timer, ms[i]), 0);
    }
    assert_int_equal(loop_run(&w.loop), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(s[i].at - begun >= ms[i] * 1000000);
    }
    assert_true(s[1].at <= s[3].at && s[3].at <= s[2].at && s[2].at <= s[0].at);
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void scaled_market_timers_follow_the_scale(void **state)
{
    (void)state;
    struct world w;
    wall_world(&w);
    clock_scale(&w.clock, 1000000, 1.0);
    struct trace t = {.w = &w};
    struct mark a;
    mark_init(&a, &t, 'a');
    assert_int_equal(timer_start_market(&a.timer, 1000000 + 3600000), 0);
    clock_scale(&w.clock, 1000000, 360000.0); /* the hour takes 10 ms now */
    loop_market_rearm(&w.loop);
    loop_run(&w.loop);
    assert_int_equal(t.text[0], 'a');
    assert_true(clock_market_ms(&w.clock) >= 1000000 + 3600000);
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void virtual_io_time_moves_only_by_hand(void **state)
{
    (void)state;
    struct world w;
    virtual_world(&w);
    struct sleeper a = {.clock = &w.clock}, b = {.clock = &w.clock};
    timer_init(&a.timer, &w.loop, on_sleeper, &a);
    timer_init(&b.timer, &w.loop, on_sleeper, &b);
    int64_t begun = clock_io_ns(&w.clock);
    assert_int_equal(timer_start_io(&a.timer, 5000), 0);
    assert_int_equal(timer_start_io(&b.timer, 9000), 0);
    for (int i = 0; i < 5; i++) {
        loop_run_once(&w.loop, false);
    }
    assert_int_equal(a.at, 0);
    assert_int_equal(loop_io_next(&w.loop), begun + 5000 * INT64_C(1000000));
    loop_io_advance(&w.loop, begun + 8000 * INT64_C(1000000));
    assert_int_equal(a.at, begun + 5000 * INT64_C(1000000));
    assert_int_equal(b.at, 0);
    assert_int_equal(clock_io_ns(&w.clock), begun + 8000 * INT64_C(1000000));
    assert_int_equal(loop_fini(&w.loop), 0);
}

struct worker {
    struct loop *loop;
    int left;       /* pieces of work */
    int settled;    /* times that settled was called */
    int at_settled; /* pieces that were left then */
    int holds;      /* exchanges that were in flight then */
    int refill;     /* settled brings this much new work, then stops the loop */
    struct timer timer;
};

static bool work(void *arg)
{
    struct worker *k = arg;
    if (k->left > 0) {
        k->left--;
    }
    return k->left > 0;
}

static void on_settled(void *arg)
{
    struct worker *k = arg;
    k->settled++;
    k->at_settled += k->left;
    k->holds += (int)k->loop->in_flight;
    if (k->refill > 0) {
        k->left = k->refill--;
        loop_wake(k->loop);
    } else {
        loop_stop(k->loop);
    }
}

static void end_exchange(void *arg)
{
    loop_release(((struct worker *)arg)->loop);
}

static void settled_waits_for_drain_hooks_and_exchanges(void **state)
{
    (void)state;
    struct world w;
    wall_world(&w);
    struct worker k = {.loop = &w.loop, .left = 10, .refill = 3};
    assert_int_equal(loop_on_drain(&w.loop, work, &k), 0);
    loop_on_settled(&w.loop, on_settled, &k);
    loop_hold(&w.loop);
    timer_init(&k.timer, &w.loop, end_exchange, &k);
    assert_int_equal(timer_start_io(&k.timer, 5), 0);
    assert_int_equal(loop_run(&w.loop), 0);
    assert_int_equal(k.settled, 4); /* three refills and the stop */
    assert_int_equal(k.at_settled, 0);
    assert_int_equal(k.holds, 0);
    assert_int_equal(loop_fini(&w.loop), 0);
}

/* Settled advances granted time; timers that fire there are work enough for another turn. */
static void advance_to_next(void *arg)
{
    struct world *w = arg;
    int64_t next = loop_market_next(&w->loop);
    if (next == INT64_MAX) {
        loop_stop(&w->loop);
    } else {
        loop_market_advance(&w->loop, next);
    }
}

static void a_granted_day_runs_as_fast_as_it_can(void **state)
{
    (void)state;
    struct world w;
    granted_world(&w, 0);
    struct trace t = {.w = &w};
    struct mark a;
    mark_init(&a, &t, 'a');
    a.again = 5;
    a.step_ms = 3600000;
    loop_on_settled(&w.loop, advance_to_next, &w);
    assert_int_equal(timer_start_market(&a.timer, 3600000), 0);
    assert_int_equal(loop_run(&w.loop), 0);
    assert_string_equal(t.text, "a3600000 a7200000 a10800000 a14400000 a18000000 a21600000 ");
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void count_settled(void *arg)
{
    ((struct worker *)arg)->settled++;
}

static void settled_that_does_nothing_lets_the_loop_sleep(void **state)
{
    (void)state;
    struct world w;
    wall_world(&w);
    struct worker k = {.loop = &w.loop};
    loop_on_settled(&w.loop, count_settled, &k);
    timer_init(&k.timer, &w.loop, on_stopper, &(struct stopper){.victim = &k.timer});
    assert_int_equal(timer_start_io(&k.timer, 30), 0);
    loop_run(&w.loop);
    assert_in_range(k.settled, 1, 8); /* not once for each spin of 30 ms */
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void hooks_have_a_limit(void **state)
{
    (void)state;
    struct world w;
    struct worker k = {0};
    wall_world(&w);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(loop_on_drain(&w.loop, work, &k), 0);
    }
    assert_int_equal(loop_on_drain(&w.loop, work, &k), ERR_LIMIT);
    assert_int_equal(loop_fini(&w.loop), 0);
}

struct signals {
    struct loop *loop;
    int seen;
};

static void on_signal(void *arg, int number)
{
    struct signals *s = arg;
    s->seen = number;
    loop_stop(s->loop);
}

static void signals_arrive_on_the_loop(void **state)
{
    (void)state;
    struct world w;
    wall_world(&w);
    struct signals s = {.loop = &w.loop};
    struct sleeper guard = {.clock = &w.clock};
    timer_init(&guard.timer, &w.loop, on_sleeper, &guard);
    assert_int_equal(timer_start_io(&guard.timer, 10000), 0);
    assert_int_equal(loop_on_signal(&w.loop, SIGTERM, on_signal, &s), 0);
    assert_int_equal(loop_on_signal(&w.loop, SIGINT, on_signal, &s), 0);
    assert_int_equal(kill(getpid(), SIGINT), 0);
    loop_run(&w.loop);
    assert_int_equal(s.seen, SIGINT);
    assert_int_equal(guard.at, 0);
    assert_true(w.loop.stopping);
    assert_int_equal(loop_fini(&w.loop), 0);
}

static void on_late_close(uv_handle_t *handle)
{
    struct loop *l = handle->data;
    loop_wake(l); /* harmless inside loop_fini */
}

static void fini_reports_what_others_left_open(void **state)
{
    (void)state;
    struct world w;
    char text[256] = "";
    int fds[2];
    uv_timer_t leak;
    uv_idle_t closing;
    wall_world(&w);
    assert_int_equal(pipe(fds), 0);
    struct log *log = log_new(fds[1], LOG_WARN, &w.clock);
    w.loop.log = log;
    uv_timer_init(&w.loop.uv, &leak);
    uv_idle_init(&w.loop.uv, &closing);
    closing.data = &w.loop;
    uv_close((uv_handle_t *)&closing, on_late_close);
    assert_int_equal(loop_fini(&w.loop), ERR_STATE);
    assert_true(read(fds[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "1 handles were left open: timer"));
    uv_close((uv_handle_t *)&leak, NULL);
    uv_run(&w.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w.loop.uv), 0);
    log_free(log);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advance_fires_in_order_with_the_clock_at_each_due_time),
        cmocka_unit_test(a_timer_may_stop_another_that_is_due_in_the_same_advance),
        cmocka_unit_test(heap_keeps_its_order),
        cmocka_unit_test(past_due_fires_on_the_next_turn_of_a_granted_clock),
        cmocka_unit_test(a_timer_of_zero_that_restarts_itself_starves_nobody),
        cmocka_unit_test(io_timers_never_fire_early_and_the_loop_ends_when_none_is_left),
        cmocka_unit_test(scaled_market_timers_follow_the_scale),
        cmocka_unit_test(virtual_io_time_moves_only_by_hand),
        cmocka_unit_test(settled_waits_for_drain_hooks_and_exchanges),
        cmocka_unit_test(a_granted_day_runs_as_fast_as_it_can),
        cmocka_unit_test(settled_that_does_nothing_lets_the_loop_sleep),
        cmocka_unit_test(hooks_have_a_limit),
        cmocka_unit_test(signals_arrive_on_the_loop),
        cmocka_unit_test(fini_reports_what_others_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
