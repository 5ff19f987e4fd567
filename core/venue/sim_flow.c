/* SPDX-License-Identifier: MIT
 *
 * What is shown around the path: aggressor side, depth, and the pairs. Its state is made from past
 * prints alone and its noise from streams of its own, so it says nothing about the next print that
 * the past does not say.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

#define SHORT_PRINTS 16.0 /* prints in the short mean: about twenty seconds */
#define LONG_PRINTS 600.0 /* in the long means: more than ten minutes */

static const struct {
    const char *base, *quote;
    int digits;
    int32_t spread; /* points */
    int64_t mid;    /* points */
} pair_table[SIM_PAIRS] = {
    {"EUR", "USD", 5, 8, 108500},  {"GBP", "USD", 5, 12, 126500}, {"AUD", "USD", 5, 10, 66000},
    {"NZD", "USD", 5, 14, 61000},  {"USD", "JPY", 3, 10, 148000}, {"USD", "CHF", 5, 12, 88500},
    {"USD", "CAD", 5, 14, 135500}, {"USD", "PLN", 5, 80, 398000},
};

void sim_pair_instrument(int pair, const char *venue, struct instrument *out)
{
    *out = (struct instrument){.price_digits = pair_table[pair].digits, .volume_digits = 2};
    snprintf(out->venue, sizeof out->venue, "%s", venue);
    snprintf(out->symbol, sizeof out->symbol, "%s%s", pair_table[pair].base,
             pair_table[pair].quote);
    memcpy(out->canonical, out->symbol, sizeof out->canonical);
    snprintf(out->base, sizeof out->base, "%s", pair_table[pair].base);
    snprintf(out->quote, sizeof out->quote, "%s", pair_table[pair].quote);
    out->volume_min = out->volume_step = decimal_raw(DECIMAL_ONE / 100);
    out->volume_max = decimal_int(100);
    out->contract_size = decimal_int(100000);
    out->stops_level = 10;
}

void sim_flow_init(struct sim_flow *m, uint64_t seed)
{
    *m = (struct sim_flow){.seed = seed};
    rng_seed_named(&m->side_rng, seed, "side");
    for (int k = 0; k < SIM_PAIRS; k++) {
        struct sim_pair *p = &m->pairs[k];
        char name[16];
        snprintf(name, sizeof name, "%s%s", pair_table[k].base, pair_table[k].quote);
        rng_seed_named(&p->rng, seed, name);
        p->base =
            pair_table[k].mid + rng_range(&p->rng, -pair_table[k].mid / 40, pair_table[k].mid / 40);
        p->mid = p->base;
        p->spread = pair_table[k].spread;
    }
}

double sim_flow_trend(const struct sim_flow *m)
{
    if (m->size <= 0.0)
        return 0.0;
    /* In a plain walk the short mean deviates by about 0.23 of the long mean size. */
    double x = m->move / (m->size * 0.55);
    return x / sqrt(1.0 + x * x);
}

int sim_flow_print(struct sim_flow *m, int64_t price, int64_t volume)
{
    double lots = (double)volume / (double)DECIMAL_ONE;
    if (m->last == 0) {
        m->volume = lots;
    } else {
        double change = (double)(price - m->last);
        if (price != m->last)
            m->direction = price > m->last ? 1 : -1;
        m->move += (change - m->move) / SHORT_PRINTS;
        m->size += (fabs(change) - m->size) / LONG_PRINTS;
        /* The first ones count fully, or the mean would begin at nothing. */
        if (m->size < fabs(change) / LONG_PRINTS * 2.0)
            m->size = fabs(change);
        m->volume += (lots - m->volume) / LONG_PRINTS;
    }
    m->last = price;
    double bought = 0.5 + 0.26 * m->direction + 0.22 * sim_flow_trend(m);
    return rng_uniform(&m->side_rng) < bought ? 1 : -1;
}

void sim_flow_depth(const struct sim_flow *m, const struct instrument *i, int64_t time_ms,
                    int64_t bid, int64_t ask, struct sim_depth *out)
{
    struct rng r;
    rng_seed(&r, m->seed ^ ((uint64_t)time_ms * UINT64_C(0xd1342543de82ef95)));
    double share = 0.5 + 0.34 * sim_flow_trend(m) + 0.04 * rng_normal(&r);
    share = share < 0.06 ? 0.06 : share > 0.94 ? 0.94 : share;
    double unit = m->volume > 0.0 ? m->volume : 1.0;
    int64_t gap = (ask - bid + 2) / 3; /* points between levels */
    out->time_ms = time_ms;
    out->count = 0;
    for (int k = 0; k < SIM_DEPTH && bid - k * gap > 0; k++) {
        double level = unit * (1.0 + 0.25 * k);
        double bids = level * 2.0 * share * (0.7 + 0.6 * rng_uniform(&r));
        double asks = level * 2.0 * (1.0 - share) * (0.7 + 0.6 * rng_uniform(&r));
        struct sim_level *b = &out->bids[k], *a = &out->asks[k];
        b->price = instrument_price(i, bid - k * gap);
        a->price = instrument_price(i, ask + k * gap);
        b->size = decimal_raw((llrint(bids * 1000.0) + 1) * (DECIMAL_ONE / 1000));
        a->size = decimal_raw((llrint(asks * 1000.0) + 1) * (DECIMAL_ONE / 1000));
        out->count++;
    }
}

void sim_flow_second(struct sim_flow *m)
{
    for (int k = 0; k < SIM_PAIRS; k++) {
        struct sim_pair *p = &m->pairs[k];
        uint64_t x = rng_next(&p->rng);
        int64_t away = p->mid - p->base;
        /* -1, 0 or +1 points, and now and then one back to its level when it has strayed. */
        p->mid += (int64_t)(x % 3) - 1;
        if ((x >> 8) % (1 << 20) < (uint64_t)(away < 0 ? -away : away) * 64)
            p->mid += away < 0 ? 1 : -1;
    }
}
