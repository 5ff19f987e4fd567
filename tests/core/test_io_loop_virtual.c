/* SPDX-License-Identifier: MIT
 *
 * The loop under a virtual clock: turns, jumps, the order of timers, what holds the time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/loop.h"

#define MS INT64_C(1000000)
#define START 5000 /* market ms at io 0 */

struct world {
    struct clock clock;
    struct loop loop;
    char trace[1024];
    unsigned work;   /* turns of the drain hook that still have something to do */
    unsigned drains; /* calls of it */
    unsigned settled;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    clock_virtual(&w->clock, START, 77000000);
    assert_int_equal(loop_init(&w->loop, &w->clock, NULL, NULL), 0);
}

static void finish(struct world *w)
{
    assert_int_equal(loop_fini(&w->loop), 0);
}

struct mark {
    struct timer timer;
    struct world *w;
    char name;
    int again;         /* starts itself again so many times */
    int64_t step_ms;   /* ... after so many io ms */
    struct mark *then; /* starts this one with 0 */
};

static void on_mark(void *arg)
{
    struct mark *m = arg;
    size_t n = strlen(m->w->trace);
    (void)snprintf(m->w->trace + n, sizeof m->w->trace - n, "%c%lld/%lld ", m->name,
                   (long long)(clock_io_ns(&m->w->clock) / MS),
                   (long long)clock_market_ms(&m->w->clock));
    if (m->again-- > 0) {
        (void)timer_start_io(&m->timer, m->step_ms);
    }
    if (m->then != NULL) {
        (void)timer_start_io(&m->then->timer, 0);
    }
}

static void mark_init(struct mark *m, struct world *w, char name)
{
    *m = (struct mark){.w = w, .name = name};
    timer_init(&m->timer, &w->loop, on_mark, m);
}

static void timers_of_both_clocks_fire_in_one_order_at_their_very_times(void **state)
{
    (void)state;
    struct world w;
    struct mark m[7];
    begin(&w);
    for (int i = 0; i < 7; i++) {
        mark_init(&m[i], &w, (char)('a' + i));
    }
    (void)timer_start_market(&m[6].timer, START + 300);
    (void)timer_start_io(&m[0].timer, 300);
    (void)timer_start_market(&m[1].timer, START + 200);
    (void)timer_start_io(&m[2].timer, 100);
    (void)timer_start_market(&m[3].timer, START + 300); /* a tie with g and a: started later */
    (void)timer_start_market(&m[4].timer, START - 1);   /* past: at once */
    (void)timer_start_io_at(&m[5].timer, 100 * MS - 1); /* below a millisecond, too */
    assert_int_equal(loop_run_until(&w.loop, 299 * MS), 0);
    assert_string_equal(w.trace, "e0/5000 f99/5099 c100/5100 b200/5200 ");
    assert_int_equal(clock_io_ns(&w.clock), 299 * MS);
    assert_int_equal(clock_market_ms(&w.clock), START + 299);
    w.trace[0] = '\0';
    assert_int_equal(loop_run_until(&w.loop, 300 * MS), 0); /* what is due at the end is done */
    assert_string_equal(w.trace, "g300/5300 a300/5300 d300/5300 ");
    assert_int_equal(clock_wall_us(&w.clock), 77000000 + 300000);
    finish(&w);
}

static void a_timer_of_zero_waits_for_the_next_turn_and_costs_no_time(void **state)
{
    (void)state;
    struct world w;
    struct mark a, b;
    begin(&w);
    mark_init(&a, &w, 'a');
    mark_init(&b, &w, 'b');
    a.again = 3; /* with step 0 */
    (void)timer_start_io(&a.timer, 5);
    (void)timer_start_io(&b.timer, 5); /* is not starved by a */
    assert_int_equal(loop_run_until(&w.loop, 10 * MS), 0);
    assert_string_equal(w.trace, "a5/5005 b5/5005 a5/5005 a5/5005 a5/5005 ");
    finish(&w);
}

static void the_time_jumps_over_what_is_empty(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    begin(&w);
    mark_init(&a, &w, 'a');
    (void)timer_start_io(&a.timer, INT64_C(86400000) * 365);
    unsigned steps = 0;
    int rc;
    while ((rc = loop_step_until(&w.loop, INT64_MAX)) > 0) {
        steps++;
    }
    assert_int_equal(rc, 0);
    assert_true(steps < 5);
    assert_int_equal(clock_io_ns(&w.clock), INT64_C(86400000) * 365 * MS);
    assert_false(loop_alive(&w.loop));
    assert_int_equal(loop_step_until(&w.loop, INT64_MAX), 0); /* and not to the end of time */
    assert_int_equal(clock_io_ns(&w.clock), INT64_C(86400000) * 365 * MS);
    finish(&w);
}

static bool drain(void *arg)
{
    struct world *w = arg;
    w->drains++;
    if (w->work > 0) {
        w->work--;
        return w->work > 0;
    }
    return false;
}

static void on_settled(void *arg)
{
    struct world *w = arg;
    w->settled++;
    assert_int_equal(w->work, 0);
}

static void work_is_drained_before_the_time_moves(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    begin(&w);
    mark_init(&a, &w, 'a');
    assert_int_equal(loop_on_drain(&w.loop, drain, &w), 0);
    loop_on_settled(&w.loop, on_settled, &w);
    w.work = 7;
    (void)timer_start_io(&a.timer, 10);
    assert_int_equal(loop_run_until(&w.loop, 5 * MS), 0);
    assert_int_equal(w.work, 0);
    assert_true(w.settled > 0);
    unsigned before = w.drains;
    loop_wake(&w.loop); /* work that was queued outside of any turn */
    assert_int_equal(loop_step_until(&w.loop, 5 * MS), 0);
    assert_true(w.drains > before);
    /* After a timer the hooks run again before anything else happens. */
    w.work = 3;
    assert_int_equal(loop_run_until(&w.loop, 10 * MS), 0);
    assert_int_equal(w.work, 0);
    assert_string_equal(w.trace, "a10/5010 ");
    finish(&w);
}

static void held_exchanges_keep_it_unsettled_but_not_the_time(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    begin(&w);
    mark_init(&a, &w, 'a');
    loop_on_settled(&w.loop, on_settled, &w);
    loop_hold(&w.loop);
    (void)timer_start_io(&a.timer, 10);
    assert_int_equal(loop_run_until(&w.loop, 20 * MS), 0);
    assert_int_equal(w.settled, 0);
    assert_string_equal(w.trace, "a10/5010 ");
    loop_release(&w.loop);
    assert_int_equal(loop_run_until(&w.loop, 30 * MS), 0);
    assert_true(w.settled > 0);
    finish(&w);
}

static void advance_on_settled(void *arg)
{
    struct world *w = arg;
    if (w->settled++ < 3) {
        loop_wake(&w->loop);
    }
}

static void what_settling_brought_is_done_at_the_same_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    loop_on_settled(&w.loop, advance_on_settled, &w);
    while (loop_step_until(&w.loop, 1) > 0 && w.settled < 4) {
        assert_int_equal(clock_io_ns(&w.clock), 0);
    }
    assert_int_equal(w.settled, 4);
    finish(&w);
}

static void stop_at(void *arg)
{
    loop_stop(arg);
}

static void it_stops_where_it_is_told_to(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    struct timer stop;
    begin(&w);
    mark_init(&a, &w, 'a');
    timer_init(&stop, &w.loop, stop_at, &w.loop);
    (void)timer_start_io(&stop, 10);
    (void)timer_start_io(&a.timer, 10); /* due at the same instant, but behind the stop */
    assert_int_equal(loop_run_until(&w.loop, 100 * MS), ERR_CANCELLED);
    assert_int_equal(clock_io_ns(&w.clock), 10 * MS);
    assert_string_equal(w.trace, "");
    assert_int_equal(loop_step_until(&w.loop, 100 * MS), ERR_CANCELLED);
    assert_int_equal(loop_run_until(&w.loop, 100 * MS), 0); /* goes on when it is run again */
    assert_string_equal(w.trace, "a10/5010 ");
    finish(&w);
}

static void what_restarts_itself_for_ever_is_found(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    begin(&w);
    mark_init(&a, &w, 'a');
    a.again = 1 << 30;
    (void)timer_start_io(&a.timer, 0);
    assert_int_equal(loop_run_until(&w.loop, MS), ERR_LIMIT);
    assert_int_equal(clock_io_ns(&w.clock), 0);
    finish(&w);
}

static void many_short_turns_are_no_such_thing(void **state)
{
    (void)state;
    struct world w;
    struct mark a;
    begin(&w);
    mark_init(&a, &w, 'a');
    a.again = 300000;
    a.step_ms = 1;
    (void)timer_start_io(&a.timer, 1);
    assert_int_equal(loop_run_until(&w.loop, 300001 * MS), 0);
    assert_int_equal(a.again, -1);
    finish(&w);
}

static void run_ends_when_nothing_is_left(void **state)
{
    (void)state;
    struct world w;
    struct mark a, b;
    begin(&w);
    mark_init(&a, &w, 'a');
    mark_init(&b, &w, 'b');
    a.then = &b;
    (void)timer_start_market(&a.timer, START + 60000);
    assert_true(loop_alive(&w.loop));
    assert_int_equal(loop_run(&w.loop), 0);
    assert_string_equal(w.trace, "a60000/65000 b60000/65000 ");
    assert_false(loop_alive(&w.loop));
    finish(&w);
}

/* ---- work of libuv's own ---- */

struct job {
    uv_work_t uv;
    struct world *w;
    struct mark *then;
    unsigned ms; /* of the wall */
    bool done;
};

static void slow_work(uv_work_t *uv)
{
    const struct job *j = uv->data;
    usleep(j->ms * 1000);
}

static void after_work(uv_work_t *uv, int status)
{
    struct job *j = uv->data;
    assert_int_equal(status, 0);
    j->done = true;
    assert_int_equal(clock_io_ns(&j->w->clock), 0);
    (void)timer_start_io(&j->then->timer, 1);
}

static void work_of_the_thread_pool_takes_no_time(void **state)
{
    (void)state;
    struct world w;
    struct mark m[3];
    struct job jobs[2];
    begin(&w);
    for (int i = 0; i < 3; i++) {
        mark_init(&m[i], &w, (char)('a' + i));
    }
    (void)timer_start_io(&m[0].timer, 2);
    for (unsigned i = 0; i < 2; i++) {
        jobs[i] = (struct job){.w = &w, .then = &m[1 + i], .ms = 10 + 50 * i};
        jobs[i].uv.data = &jobs[i];
        assert_int_equal(uv_queue_work(&w.loop.uv, &jobs[i].uv, slow_work, after_work), 0);
    }
    assert_int_equal(loop_run_until(&w.loop, 5 * MS), 0);
    assert_true(jobs[0].done && jobs[1].done);
    assert_string_equal(w.trace, "b1/5001 c1/5001 a2/5002 ");
    finish(&w);
}

static void turns_of_libuv_still_work_before_and_after(void **state)
{
    (void)state;
    struct world w;
    struct mark a, b;
    begin(&w);
    mark_init(&a, &w, 'a');
    mark_init(&b, &w, 'b');
    (void)timer_start_io(&a.timer, 0);
    (void)timer_start_io(&b.timer, 1);
    (void)loop_run_once(&w.loop, false);
    (void)loop_run_once(&w.loop, false);
    assert_string_equal(w.trace, "a0/5000 "); /* no time passes in them */
    assert_int_equal(loop_run_until(&w.loop, 1 * MS), 0);
    assert_string_equal(w.trace, "a0/5000 b1/5001 ");
    (void)timer_start_io(&a.timer, 0);
    (void)loop_run_once(&w.loop, false);
    (void)loop_run_once(&w.loop, false);
    assert_string_equal(w.trace, "a0/5000 b1/5001 a1/5001 ");
    finish(&w);
}

/* ---- the clock ---- */

static void both_clocks_go_together_from_wherever_they_stand(void **state)
{
    (void)state;
    struct clock c;
    clock_virtual(&c, 1000, 0);
    clock_advance(&c, 999999); /* less than a millisecond: kept */
    assert_int_equal(clock_market_ms(&c), 1000);
    clock_advance(&c, 1);
    assert_int_equal(clock_market_ms(&c), 1001);
    clock_io_advance(&c, 5 * MS + 500000); /* alone: the market stands */
    assert_int_equal(clock_market_ms(&c), 1001);
    clock_advance(&c, MS);
    assert_int_equal(clock_market_ms(&c), 1002);
    clock_market_set(&c, 2000); /* alone: goes on from there */
    clock_advance(&c, MS);
    assert_int_equal(clock_market_ms(&c), 2001);
    clock_advance(&c, -5);
    assert_int_equal(clock_io_ns(&c), 8 * MS + 500000);
    assert_int_equal(clock_io_at(&c, 2001), clock_io_ns(&c));
    assert_int_equal(clock_io_at(&c, 1), clock_io_ns(&c)); /* past */
    assert_int_equal(clock_io_at(&c, 2011), clock_io_ns(&c) + 10 * MS);
    assert_int_equal(clock_io_at(&c, INT64_MAX), INT64_MAX);
    clock_init(&c);
    int64_t before = clock_io_ns(&c);
    clock_advance(&c, INT64_C(1) << 60); /* a real clock goes by itself */
    assert_true(clock_io_ns(&c) - before < INT64_C(1) << 59);
    assert_int_equal(clock_io_at(&c, 0), INT64_MAX);
}

static void virtual_time_is_not_for_code_under_test_to_end(void **state)
{
    (void)state;
    struct clock c;
    clock_virtual(&c, 1000, 0);
    clock_scale(&c, 500, 60);
    clock_grant(&c, 9000);
    assert_int_equal(c.mode, CLOCK_VIRTUAL);
    assert_int_equal(clock_market_ms(&c), 1000);
    assert_false(clock_runs(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_of_both_clocks_fire_in_one_order_at_their_very_times),
        cmocka_unit_test(a_timer_of_zero_waits_for_the_next_turn_and_costs_no_time),
        cmocka_unit_test(the_time_jumps_over_what_is_empty),
        cmocka_unit_test(work_is_drained_before_the_time_moves),
        cmocka_unit_test(held_exchanges_keep_it_unsettled_but_not_the_time),
        cmocka_unit_test(what_settling_brought_is_done_at_the_same_time),
        cmocka_unit_test(it_stops_where_it_is_told_to),
        cmocka_unit_test(what_restarts_itself_for_ever_is_found),
        cmocka_unit_test(many_short_turns_are_no_such_thing),
        cmocka_unit_test(run_ends_when_nothing_is_left),
        cmocka_unit_test(work_of_the_thread_pool_takes_no_time),
        cmocka_unit_test(turns_of_libuv_still_work_before_and_after),
        cmocka_unit_test(both_clocks_go_together_from_wherever_they_stand),
        cmocka_unit_test(virtual_time_is_not_for_code_under_test_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
