/* SPDX-License-Identifier: MIT
 *
 * The request budget over time: its window, and a market clock that jumps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "exec_world.h"

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w_init(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* The market's time is not known before the first feed: what was counted on another one is void. */
static void budget_other_time(void **state)
{
    struct world *w = *state;
    int64_t wait = 0;
    w->config.budget_requests = 10;
    w->config.budget_ms = 6000;
    w_live(w, W_START);
    while (exec_budget_take(w->exec, 0, false, NULL))
        continue;
    clock_virtual(&w->clock, W_START - 86400000, (W_START - 86400000) * 1000);
    assert_true(exec_budget_take(w->exec, 0, false, NULL));
    while (exec_budget_take(w->exec, 0, false, &wait))
        continue;
    assert_in_range(wait, 1, 6200);
    w_fini(w);
}

/* No window of the budget's length ever holds more than the budget. */
static void budget_window(void **state)
{
    struct world *w = *state;
    int64_t given[4000];
    size_t n = 0, first = 0;
    w->config.budget_requests = 100;
    w->config.budget_ms = 6000;
    w_live(w, W_START);
    for (int ms = 0; ms < 30000; ms += 10) {
        clock_market_set(&w->clock, W_START + ms);
        if (ms % 7000 < 6500) /* bursts */
            while (exec_budget_take(w->exec, 0, false, NULL))
                given[n++] = ms;
        while (first < n && given[first] <= ms - 6000)
            first++;
        assert_true(n - first <= 90);
    }
    assert_true(n >= 3 * 90);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(budget_other_time), T(budget_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
