/* SPDX-License-Identifier: MIT
 *
 * Swaps: what a position costs or earns for being held over 00:00 UTC, the server's midnight. A
 * night is charged by the day that it ends: Monday, Tuesday, Thursday and Friday once, Wednesday
 * three times, for the weekend is settled with it; Saturday and Sunday not at all. A position
 * carries its swaps; they are booked when it is closed, a partial close takes its share.
 */
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

#define DAY INT64_C(86400000)

/* Nights that a midnight counts for, by the weekday that it ends; the epoch was a Thursday. */
static int nights_of(int64_t midnight_ms)
{
    static const int nights[] = {0, 1, 1, 3, 1, 1, 0}; /* Sunday first */
    return nights[(midnight_ms / DAY + 4 - 1) % 7];
}

static int charge(struct sim *s, struct sim_position *p, int nights, struct err *e)
{
    struct sim_row row = {.volume = p->volume, .open_price = p->price};
    decimal swap;
    if (sim_swap(s, p, nights, &swap) != 0 || decimal_add(p->swap, swap, &row.accrued) != 0)
        return err_set(e, ERR_OVERFLOW, "simulator: the swap of %s is out of range", p->id);
    if (swap.v == 0)
        return 0;
    sim_fill_row(s, &row, "swap", SIM_BROKER, p->account, p->symbol, p->side);
    memcpy(row.position, p->id, sizeof row.position);
    snprintf(row.reason, sizeof row.reason, "nights %d", nights);
    return sim_execute(s, &row, NULL, e);
}

int sim_nights(struct sim *s, struct err *e)
{
    int nights = nights_of(s->night);
    for (size_t k = 0; s->model.swaps && nights > 0 && k < s->positions.count; k++) {
        struct sim_position *p = s->positions.at[k];
        if (p->opened_ms >= s->night || p->swap_ms >= s->night)
            continue;
        int rc = charge(s, p, nights, e);
        if (rc != 0)
            return rc; /* tried again with the next second */
    }
    s->night = 0;
    return 0;
}
