/* SPDX-License-Identifier: MIT
 *
 * The path of prices: bars (of a tape, or of the generator), and the prints inside a bar.
 *
 * Inside a bar: a random walk tied to open and close, of the deviation that the shadows suggest
 * (Rogers and Satchell 1991: free of the bar's own drift), then stretched above the higher and
 * below the lower of open and close so that it touches high and low exactly. Which of the two comes
 * first is a fair coin: walks are drawn until one obeys. Each bar has noise of its own, drawn from
 * the seed and its time. Only + - * / and sqrt are used, so the same seed gives the same path on
 * every machine.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "venue/sim_impl.h"

#define TRIES 64          /* walks drawn for one bar at most */
#define GOOD_STRETCH 1.25 /* a walk that needs no more is taken at once */
#define LEAST_PRINTS 30   /* of a minute */
#define MORE_PRINTS 30    /* at most so many more */
#define LEAST_OF_BAR 4    /* open, high, low and close need a place each */
#define QUIET_MOVE 0.0004 /* deviation of a quiet minute, share of the price */
#define STEPS 44          /* of the walk whose open, high, low and close make a generated bar */
#define BURST_WAIT 6.0 /* mean of the quiet minutes between bursts: one begins each seven or so */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int64_t tape_tick(const struct tape *t)
{
    int64_t tick = 0;
    for (size_t k = 0; k < t->count; k++) {
        const struct tape_bar *b = &t->bars[k];
        tick = gcd(gcd(gcd(gcd(tick, b->open.v), b->high.v), b->low.v), b->close.v);
        if (tick == 1)
            break;
    }
    return tick;
}

static void generator_init(struct sim_path *p)
{
    struct sim_generator *g = &p->gen;
    rng_seed_named(&g->rng, p->seed, "bars");
    int64_t whole = rng_range(&g->rng, 30000, 60000);
    g->close = g->first = whole * DECIMAL_ONE / p->tick * p->tick;
    for (int k = 0; k < SIM_RECENT; k++)
        g->recent[k] = g->close;
    g->volume = 10.0 + 30.0 * rng_uniform(&g->rng);
    g->wait = 1 + (int64_t)rng_exponential(&g->rng, BURST_WAIT);
}

int sim_path_init(struct sim_path *p, const struct tape *tape, uint64_t seed, int64_t tick,
                  struct err *e)
{
    *p = (struct sim_path){.tape = tape, .seed = seed, .tick = tick, .timeframe = SIM_MINUTE};
    if (tape != NULL) {
        if (tape->timeframe < 1000 || tape->timeframe % 1000 != 0 ||
            tape->timeframe > 24 * 60 * (int64_t)SIM_MINUTE)
            return err_set(
                e, ERR_INPUT,
                "simulator: a tape of %lld ms bars; give one of whole seconds, at most a day",
                (long long)tape->timeframe);
        p->timeframe = tape->timeframe;
        p->tick = tape_tick(tape);
    } else {
        generator_init(p);
    }
    p->cap = (size_t)((LEAST_PRINTS + MORE_PRINTS) * p->timeframe / SIM_MINUTE) + LEAST_OF_BAR + 1;
    p->prints = calloc(p->cap, sizeof *p->prints);
    p->walk = calloc(p->cap, sizeof *p->walk);
    p->best = calloc(p->cap, sizeof *p->best);
    if (p->prints == NULL || p->walk == NULL || p->best == NULL)
        return err_set(e, ERR_NOMEM, "simulator: out of memory");
    return 0;
}

void sim_path_fini(struct sim_path *p)
{
    free(p->prints);
    free(p->walk);
    free(p->best);
    p->prints = NULL;
    p->walk = p->best = NULL;
}

int64_t sim_path_end(const struct sim_path *p)
{
    if (p->tape == NULL)
        return INT64_MAX;
    return p->tape->bars[p->tape->count - 1].open_ms + p->timeframe;
}

/* Minutes of the regimes: a burst begins when the wait is over. */
static double generator_regime(struct sim_generator *g, double *push)
{
    struct rng *r = &g->rng;
    *push = 0.0;
    if (g->burst == 0 && g->wait-- <= 0) {
        double length = rng_uniform(r);
        g->burst = length < 0.7 ? 1 : length < 0.9 ? 2 : 3;
        g->minute = 0;
        /* Mostly back through the mean of the last minutes: surges come against the drift. */
        int64_t mean = 0;
        for (int k = 0; k < SIM_RECENT; k++)
            mean += g->recent[k] / SIM_RECENT;
        int back = g->close <= mean ? 1 : -1;
        g->direction = rng_uniform(r) < 0.9 ? back : -back;
        g->wait = (int64_t)rng_exponential(r, BURST_WAIT);
    }
    if (g->burst == 0)
        return 1.0;
    double times = g->minute == 0 ? 9.0 + 3.0 * rng_uniform(r) : 4.0 + 2.0 * rng_uniform(r);
    *push = g->direction * (g->minute == 0 ? 3.2 + 1.6 * rng_uniform(r) : 1.5 + rng_uniform(r));
    g->burst--;
    g->minute++;
    return times;
}

static void generate_bar(struct sim_path *p, int64_t time_ms, struct sim_path_bar *bar)
{
    struct sim_generator *g = &p->gen;
    struct rng *r = &g->rng;
    double push, times = generator_regime(g, &push);
    double price = (double)g->close, deviation = price * QUIET_MOVE;
    double pull = ((double)g->first - price) * 0.0002;
    double drift = (pull + deviation * push) / STEPS, step = deviation / sqrt((double)STEPS);
    double at = 0.0, most = 0.0, least = 0.0;
    for (int k = 0; k < STEPS; k++) {
        at += drift + step * rng_normal(r);
        most = at > most ? at : most;
        least = at < least ? at : least;
    }
    double tick = (double)p->tick;
    bar->open_ms = time_ms;
    bar->open = g->close;
    bar->high = bar->open + llrint(most / tick) * p->tick;
    bar->low = bar->open + llrint(least / tick) * p->tick;
    bar->close = bar->open + llrint(at / tick) * p->tick;
    double noise = 1.0 + 0.25 * rng_normal(r);
    double volume = g->volume * times * (noise < 0.4 ? 0.4 : noise > 1.6 ? 1.6 : noise);
    bar->volume = llrint(volume * 1000.0) * (DECIMAL_ONE / 1000);
    g->close = bar->close;
    memmove(g->recent + 1, g->recent, sizeof g->recent - sizeof *g->recent);
    g->recent[0] = bar->close;
}

/* Splits the volume over the prints by random weights; the parts add up exactly. They are multiples
 * of the greatest power of ten that the volume allows, so that a tape in whole dollars stays so. */
static void split_volume(struct sim_path *p, struct rng *r, int64_t volume)
{
    size_t n = p->count;
    int64_t unit = DECIMAL_ONE;
    while (unit > 1 && (volume % unit != 0 || volume / unit < (int64_t)n * 8))
        unit /= 10;
    int64_t units = volume / unit, given = 0;
    int64_t each = units >= (int64_t)n ? 1 : 0;
    int64_t free_units = units - each * (int64_t)n;
    double sum = 0.0, part = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += p->walk[k] = 0.5 + rng_exponential(r, 1.0);
    for (size_t k = 0; k < n; k++) {
        part += p->walk[k];
        int64_t upto = k + 1 == n ? free_units : (int64_t)((double)free_units * (part / sum));
        if (upto < given)
            upto = given;
        if (upto > free_units)
            upto = free_units;
        p->prints[k].volume = (each + upto - given) * unit;
        given = upto;
    }
}

/* A step of mean 0 and deviation 1: four uniform numbers of one draw. Sums of some steps are as
 * good as normal, and it is ten times as fast, which a start of the simulator notices. */
static double quick_step(struct rng *r)
{
    uint64_t x = rng_next(r);
    int64_t sum = (int64_t)((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return (double)(sum - 2 * 65535) * (1.0 / 37837.2);
}

/* A walk from open to close in ticks; indexes of its highest and lowest step. */
static void draw_walk(struct sim_path *p, struct rng *r, double open, double close, double step,
                      size_t *highest, size_t *lowest)
{
    size_t last = p->count - 1;
    p->walk[0] = 0.0;
    for (size_t k = 1; k <= last; k++)
        p->walk[k] = p->walk[k - 1] + step * quick_step(r);
    double tie = (close - open - p->walk[last]) / (double)last;
    *highest = *lowest = 0;
    for (size_t k = 0; k <= last; k++) {
        p->walk[k] += open + tie * (double)k;
        if (p->walk[k] > p->walk[*highest])
            *highest = k;
        if (p->walk[k] < p->walk[*lowest])
            *lowest = k;
    }
}

/* All prices of the bar that are asked for, in ticks. */
struct shape {
    int64_t open, high, low, close;
    int64_t top, bottom; /* higher and lower of open and close */
    bool up, down;       /* high is above top, low below bottom: a place inside must be found */
    bool high_first;
};

/* How far a walk is from touching high and low by itself: the greater of its two stretches, 1 for a
 * perfect one; HUGE_VAL when it cannot be used. */
static double walk_cost(const struct sim_path *p, const struct shape *s, size_t highest,
                        size_t lowest)
{
    double over = p->walk[highest] - (double)s->top, under = (double)s->bottom - p->walk[lowest];
    double cost = 1.0;
    if ((s->up && over <= 0.0) || (s->down && under <= 0.0))
        return HUGE_VAL;
    if (s->up && s->down && (highest < lowest) != s->high_first)
        return HUGE_VAL;
    const double have[] = {s->up ? over : 1.0, s->down ? under : 1.0};
    const double want[] = {s->up ? (double)(s->high - s->top) : 1.0,
                           s->down ? (double)(s->bottom - s->low) : 1.0};
    for (int k = 0; k < 2; k++) {
        double stretch = want[k] > have[k] ? want[k] / have[k] : have[k] / want[k];
        cost = stretch > cost ? stretch : cost;
    }
    return cost;
}

/* Stretches what is above top and below bottom, and rounds to ticks. */
static void stretch(struct sim_path *p, const struct shape *s, double most, double least)
{
    double top = (double)s->top, bottom = (double)s->bottom;
    double above = s->up && most > top ? (double)(s->high - s->top) / (most - top) : 0.0;
    double below =
        s->down && least < bottom ? (double)(s->bottom - s->low) / (bottom - least) : 0.0;
    for (size_t k = 0; k < p->count; k++) {
        double x = p->walk[k];
        if (x > top)
            x = top + (x - top) * above;
        else if (x < bottom)
            x = bottom - (bottom - x) * below;
        int64_t ticks = llrint(x);
        if (ticks > s->high)
            ticks = s->high;
        if (ticks < s->low)
            ticks = s->low;
        p->prints[k].price = ticks * p->tick;
    }
}

static void put_named(struct sim_path *p, size_t at, int64_t ticks)
{
    p->prints[at].price = ticks * p->tick;
    p->prints[at].named = true;
}

/* A walk from one index and price to another, kept between low and high by reflection. */
static void leg(struct sim_path *p, struct rng *r, const struct shape *s, size_t from, size_t to,
                double start, double finish, double step)
{
    double *w = p->walk, n = (double)(to - from), low = (double)s->low, high = (double)s->high;
    w[from] = 0.0;
    for (size_t k = from + 1; k <= to; k++)
        w[k] = w[k - 1] + step * quick_step(r);
    double last = w[to];
    for (size_t k = from; k <= to; k++) {
        double x = w[k] + start + (finish - start - last) * (double)(k - from) / n;
        x = x > high ? 2.0 * high - x : x < low ? 2.0 * low - x : x;
        w[k] = x > high ? high : x < low ? low : x;
    }
}

/* No walk would do (mostly: the coin wants the order that is rare for this bar). Three legs, by way
 * of both extremes, each as long as its distance asks for, more or less. */
static void walk_legs(struct sim_path *p, struct rng *r, const struct shape *s, double step,
                      size_t *highest, size_t *lowest)
{
    size_t n = p->count;
    double first = (double)(s->high_first ? s->high : s->low);
    double second = (double)(s->high_first ? s->low : s->high);
    double length[3] = {fabs(first - (double)s->open), fabs(second - first),
                        fabs((double)s->close - second)};
    double sum = 0.0;
    for (int k = 0; k < 3; k++)
        sum += length[k] *= 0.5 + rng_uniform(r);
    size_t a = (size_t)llrint(length[0] / sum * (double)(n - 1));
    size_t b = (size_t)llrint((length[0] + length[1]) / sum * (double)(n - 1));
    a = a < 1 ? 1 : a > n - 3 ? n - 3 : a;
    b = b <= a ? a + 1 : b > n - 2 ? n - 2 : b;
    leg(p, r, s, 0, a, (double)s->open, first, step);
    leg(p, r, s, a, b, first, second, step);
    leg(p, r, s, b, n - 1, second, (double)s->close, step);
    for (size_t k = 0; k < n; k++)
        p->prints[k].price = llrint(p->walk[k]) * p->tick;
    *highest = s->high_first ? a : b;
    *lowest = s->high_first ? b : a;
}

/* Deviation of a whole bar, ticks: the mean of bars before, and this bar's shadows. */
static double bar_deviation(struct sim_path *p, const struct shape *s)
{
    double range = (double)(s->high - s->low);
    double own = (double)(s->high - s->open) * (double)(s->high - s->close) +
                 (double)(s->low - s->open) * (double)(s->low - s->close);
    double variance = p->variance > 0.0 ? (2.0 * p->variance + own) / 3.0 : own;
    double least = 0.03 * range * range, most = range * range;
    p->variance += (own - p->variance) / 12.0;
    return sqrt(variance < least ? least : variance > most ? most : variance);
}

static void fill_prices(struct sim_path *p, struct rng *r, const struct shape *s)
{
    size_t n = p->count, highest = 0, lowest = 0, best_highest = 0, best_lowest = 0;
    double step = bar_deviation(p, s) / sqrt((double)(n - 1)), best = HUGE_VAL;
    for (int k = 0; k < TRIES && best > GOOD_STRETCH; k++) {
        draw_walk(p, r, (double)s->open, (double)s->close, step, &highest, &lowest);
        double cost = walk_cost(p, s, highest, lowest);
        if (cost < best) {
            best = cost;
            best_highest = highest;
            best_lowest = lowest;
            memcpy(p->best, p->walk, n * sizeof *p->walk);
        }
    }
    if (best < HUGE_VAL) {
        memcpy(p->walk, p->best, n * sizeof *p->walk);
        stretch(p, s, p->walk[best_highest], p->walk[best_lowest]);
    } else {
        walk_legs(p, r, s, 1.8 * step, &best_highest, &best_lowest);
    }
    if (s->up)
        put_named(p, best_highest, s->high);
    if (s->down)
        put_named(p, best_lowest, s->low);
    put_named(p, 0, s->open);
    put_named(p, n - 1, s->close);
}

static void fill_bar(struct sim_path *p, const struct sim_path_bar *bar)
{
    struct rng r;
    rng_seed(&r, p->seed ^ ((uint64_t)bar->open_ms * UINT64_C(0x9e3779b97f4a7c15)));
    struct shape s = {.open = bar->open / p->tick,
                      .high = bar->high / p->tick,
                      .low = bar->low / p->tick,
                      .close = bar->close / p->tick};
    s.top = s.open > s.close ? s.open : s.close;
    s.bottom = s.open < s.close ? s.open : s.close;
    s.up = s.high > s.top;
    s.down = s.low < s.bottom;
    s.high_first = rng_next(&r) >> 63;
    p->at = 0;
    p->count = (size_t)((LEAST_PRINTS + rng_range(&r, 0, MORE_PRINTS)) * p->timeframe / SIM_MINUTE);
    if (p->count < LEAST_OF_BAR)
        p->count = LEAST_OF_BAR;
    if (bar->volume == 0 && s.high == s.low)
        p->count = 1;
    memset(p->prints, 0, p->count * sizeof *p->prints);
    if (s.high == s.low) {
        for (size_t k = 0; k < p->count; k++)
            put_named(p, k, s.open);
    } else {
        fill_prices(p, &r, &s);
    }
    split_volume(p, &r, bar->volume);
    for (size_t k = 0; k < p->count; k++) {
        int64_t from = p->timeframe * (int64_t)k / (int64_t)p->count;
        int64_t to = p->timeframe * ((int64_t)k + 1) / (int64_t)p->count;
        p->prints[k].time_ms = bar->open_ms + rng_range(&r, from, to - 1);
    }
}

void sim_path_begin(struct sim_path *p, int64_t time_ms)
{
    struct sim_path_bar bar;
    if (p->tape == NULL) {
        if (time_ms % SIM_MINUTE != 0)
            return;
        generate_bar(p, time_ms, &bar);
    } else {
        if (p->next_bar >= p->tape->count || p->tape->bars[p->next_bar].open_ms != time_ms)
            return;
        const struct tape_bar *t = &p->tape->bars[p->next_bar++];
        bar = (struct sim_path_bar){t->open_ms, t->open.v,  t->high.v,
                                    t->low.v,   t->close.v, t->volume.v};
    }
    fill_bar(p, &bar);
}
