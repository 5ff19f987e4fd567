/* SPDX-License-Identifier: MIT
 *
 * The request budget of an account: requests counted in sixtieths of the window, on the market
 * clock. The sum over the running slice and the sixty before it is never above the limit, so no
 * window of the budget's length holds more (a bucket that may be emptied at once and refills would
 * let nearly twice as many through). Closes are always granted, and counted.
 */
#include <string.h>

#include "exec/exec_internal.h"

static int64_t slice_ms(const struct exec *x)
{
    int64_t ms = x->c.budget_ms / (BUDGET_SLICES - 1);
    return ms > 0 ? ms : 1;
}

void budget_init(struct acct *a)
{
    memset(a->budget, 0, sizeof a->budget);
    a->budget_used = 0;
    a->budget_slice = clock_market_ms(a->x->c.clock) / slice_ms(a->x);
}

/* Forgets the slices that have left the window. */
static void roll(struct acct *a, int64_t now_slice)
{
    int64_t steps = now_slice - a->budget_slice;
    if (steps == 0)
        return;
    if (steps < 0) { /* another market's time: what was counted in the old one means nothing */
        budget_init(a);
        return;
    }
    if (steps > BUDGET_SLICES)
        steps = BUDGET_SLICES;
    for (int64_t k = 0; k < steps; k++) {
        uint16_t *slot = &a->budget[(now_slice - k) % BUDGET_SLICES];
        a->budget_used -= *slot;
        *slot = 0;
    }
    a->budget_slice = now_slice;
}

/* Market ms until fewer than `limit` are counted, if none is added. */
static int64_t wait_for(const struct acct *a, uint32_t limit, int64_t now_ms)
{
    uint32_t used = a->budget_used;
    for (int64_t k = a->budget_slice - BUDGET_SLICES + 1; k <= a->budget_slice; k++) {
        if (k >= 0)
            used -= a->budget[k % BUDGET_SLICES];
        if (used < limit)
            return (k + BUDGET_SLICES) * slice_ms(a->x) - now_ms;
    }
    return a->x->c.budget_ms;
}

bool budget_take(struct acct *a, bool urgent, int64_t *wait_ms)
{
    int64_t now_ms = clock_market_ms(a->x->c.clock);
    uint32_t most = a->x->c.budget_requests;
    uint32_t limit = most - most / 10;
    roll(a, now_ms / slice_ms(a->x));
    if (wait_ms != NULL)
        *wait_ms = 0;
    if (!urgent && a->budget_used >= limit) {
        if (wait_ms != NULL)
            *wait_ms = wait_for(a, limit, now_ms);
        return false;
    }
    uint16_t *slot = &a->budget[a->budget_slice % BUDGET_SLICES];
    if (*slot < UINT16_MAX) {
        (*slot)++;
        a->budget_used++;
    }
    return true;
}

bool exec_budget_take(struct exec *x, int account, bool urgent, int64_t *wait_ms)
{
    struct acct *a = exec_acct(x, account);
    if (a == NULL) {
        if (wait_ms != NULL)
            *wait_ms = x->c.budget_ms;
        return false;
    }
    return budget_take(a, urgent, wait_ms);
}
