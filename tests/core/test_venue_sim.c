/* SPDX-License-Identifier: MIT
 *
 * The simulator's market: its path against the tape, steps of any size, bursts and restarts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crc32c.h"
#include "base/rng.h"
#include "venue_sim_fixture.h"

/* A small tape with all shapes: shadows, none, flat, no volume, a gap, odd decimals. */
static void make_tape(struct tape *t, size_t count)
{
    struct rng r;
    rng_seed(&r, 5);
    t->bars = calloc(count, sizeof *t->bars);
    assert_non_null(t->bars);
    t->count = count;
    t->timeframe = MINUTE;
    strcpy(t->hash, "00000000deadbeef");
    int64_t tick = DECIMAL_ONE / 2, price = 40000;
    int64_t time = INT64_C(1704067200000);
    for (size_t k = 0; k < count; k++) {
        struct tape_bar *b = &t->bars[k];
        int64_t close = price + rng_range(&r, -60, 60);
        int64_t high = (close > price ? close : price) + rng_range(&r, 0, 30) * rng_range(&r, 0, 1);
        int64_t low = (close < price ? close : price) - rng_range(&r, 0, 30) * rng_range(&r, 0, 1);
        if (k % 17 == 3)
            close = high = low = price;
        time += k % 29 == 28 ? 3 * MINUTE : MINUTE;
        b->open_ms = time;
        b->open.v = price * tick;
        b->high.v = high * tick;
        b->low.v = low * tick;
        b->close.v = close * tick;
        b->volume.v = k % 17 == 3 && k % 2 ? 0 : rng_range(&r, 1, INT64_C(400000000000000));
        if (k % 13 == 5)
            b->volume.v = rng_range(&r, 0, 20); /* fewer units than prints */
        price = close;
    }
}

struct seen {
    uint32_t sum; /* of all events and their order */
    long prints, quotes, depths;
    int64_t time;   /* newest stamp */
    bool unordered; /* a stamp went back */
    struct sim_print last;
    int64_t high_at, low_at;
    double imbalance;
};

static void mark(struct seen *x, int64_t time, const void *p, size_t n)
{
    x->unordered |= time < x->time;
    x->time = time;
    x->sum = crc32c(x->sum, p, n);
}

static void on_print(void *arg, const struct sim_print *p)
{
    struct seen *x = arg;
    int64_t all[] = {1, p->time_ms, p->price.v, p->volume.v, p->buy, (int64_t)p->source};
    mark(x, p->time_ms, all, sizeof all);
    x->prints++;
    x->last = *p;
}

static void on_quote(void *arg, int symbol, const struct sim_quote *q)
{
    struct seen *x = arg;
    int64_t all[] = {2, symbol, q->time_ms, q->bid.v, q->ask.v};
    mark(x, q->time_ms, all, sizeof all);
    assert_true(q->bid.v > 0 && q->bid.v < q->ask.v);
    assert_true(q->day_low.v <= q->bid.v && q->bid.v <= q->day_high.v);
    x->quotes++;
}

static void on_depth(void *arg, const struct sim_depth *d)
{
    struct seen *x = arg;
    double bids = 0.0, asks = 0.0;
    assert_int_equal(d->count, SIM_DEPTH);
    for (size_t k = 0; k < d->count; k++) {
        int64_t all[] = {3,
                         d->time_ms,
                         d->bids[k].price.v,
                         d->bids[k].size.v,
                         d->asks[k].price.v,
                         d->asks[k].size.v};
        mark(x, d->time_ms, all, sizeof all);
        assert_true(d->bids[k].size.v > 0 && d->asks[k].size.v > 0);
        assert_true(k == 0 || d->bids[k].price.v < d->bids[k - 1].price.v);
        assert_true(k == 0 || d->asks[k].price.v > d->asks[k - 1].price.v);
        bids += decimal_to_double(d->bids[k].size);
        asks += decimal_to_double(d->asks[k].size);
    }
    assert_true(d->bids[0].price.v < d->asks[0].price.v);
    x->imbalance = bids / (bids + asks);
    x->depths++;
}

static struct sim_feed feed_of(struct seen *x)
{
    return (struct sim_feed){
        .arg = x, .on_print = on_print, .on_quote = on_quote, .on_depth = on_depth};
}

static void run_in_steps(const struct sim_config *c, int64_t length, int64_t step, struct seen *x)
{
    struct sim *s = make(c);
    struct sim_feed feed = feed_of(x);
    struct rng r;
    rng_seed(&r, (uint64_t)step + 1);
    *x = (struct seen){0};
    sim_listen(s, &feed);
    int64_t end = sim_start(s) + length;
    while (sim_now(s) < end && !sim_ended(s)) {
        int64_t until = sim_now(s) + (step > 0 ? step : rng_range(&r, 1, 3600000));
        advance(s, until < end ? until : end);
        advance(s, sim_now(s) - 5000); /* back: nothing */
    }
    sim_free(s);
}

static void test_steps_do_not_matter(void **state)
{
    (void)state;
    struct tape tape;
    make_tape(&tape, 200);
    const struct sim_config configs[] = {{.seed = 9}, {.tape = &tape}};
    for (int k = 0; k < 2; k++) {
        struct seen hour, other;
        run_in_steps(&configs[k], 100 * MINUTE, 3600000, &hour);
        assert_false(hour.unordered);
        assert_true(hour.prints > 2000 && hour.depths > 5900 && hour.quotes > hour.prints);
        const int64_t steps[] = {1, 7, 999, 1000, 1001, 60000, 0};
        for (size_t n = 0; n < sizeof steps / sizeof *steps; n++) {
            run_in_steps(&configs[k], 100 * MINUTE, steps[n], &other);
            assert_int_equal(other.prints, hour.prints);
            assert_int_equal(other.depths, hour.depths);
            assert_int_equal(other.sum, hour.sum);
        }
    }
    struct seen a, b;
    run_in_steps(&(struct sim_config){.seed = 10}, 100 * MINUTE, 60000, &b);
    run_in_steps(&(struct sim_config){.seed = 9}, 100 * MINUTE, 60000, &a);
    assert_int_not_equal(a.sum, b.sum);
    free(tape.bars);
}

struct bar_check {
    const struct tape *tape;
    size_t at; /* bar that the prints belong to */
    int64_t open, high, low, close, volume;
    long prints, named;
    int rising_high_first, rising, falling_high_first, falling;
    int64_t high_ms, low_ms;
};

static void finish_bar(struct bar_check *x)
{
    const struct tape_bar *b = &x->tape->bars[x->at];
    if (x->prints == 0)
        return;
    assert_int_equal(x->open, b->open.v);
    assert_int_equal(x->high, b->high.v);
    assert_int_equal(x->low, b->low.v);
    assert_int_equal(x->close, b->close.v);
    assert_int_equal(x->volume, b->volume.v);
    assert_true(x->prints <= 61);
    assert_true(x->named >= 2 || x->prints == 1);
    int64_t top = b->open.v > b->close.v ? b->open.v : b->close.v;
    int64_t bottom = b->open.v < b->close.v ? b->open.v : b->close.v;
    if (b->high.v > top && b->low.v < bottom && b->close.v != b->open.v) {
        bool first = x->high_ms < x->low_ms;
        if (b->close.v > b->open.v) {
            x->rising++;
            x->rising_high_first += first;
        } else {
            x->falling++;
            x->falling_high_first += first;
        }
    }
}

static void check_print(void *arg, const struct sim_print *p)
{
    struct bar_check *x = arg;
    while (p->time_ms >= x->tape->bars[x->at].open_ms + MINUTE) {
        finish_bar(x);
        x->at++;
        x->prints = x->named = 0;
        x->volume = 0;
        assert_true(x->at < x->tape->count);
    }
    const struct tape_bar *b = &x->tape->bars[x->at];
    assert_true(p->time_ms >= b->open_ms);
    assert_int_equal(p->price.v % (DECIMAL_ONE / 2), 0); /* the tape's tick */
    if (x->prints == 0) {
        x->open = x->high = x->low = p->price.v;
        x->high_ms = x->low_ms = p->time_ms;
    }
    if (p->price.v > x->high) {
        x->high = p->price.v;
        x->high_ms = p->time_ms;
    }
    if (p->price.v < x->low) {
        x->low = p->price.v;
        x->low_ms = p->time_ms;
    }
    x->close = p->price.v;
    x->volume += p->volume.v;
    x->prints++;
    x->named += p->source == SIM_RECORDED;
    if (p->source == SIM_RECORDED)
        assert_true(p->price.v == b->open.v || p->price.v == b->high.v || p->price.v == b->low.v ||
                    p->price.v == b->close.v);
    assert_true(p->volume.v >= 0 && (p->buy == 1 || p->buy == -1));
}

/* Prints of a bar make exactly the tape's bar; history has it too; and the order of its extremes
 * does not tell where it closes. */
static void test_bars_are_the_tapes(void **state)
{
    (void)state;
    struct tape tape;
    make_tape(&tape, 6000);
    struct sim *s = make(&(struct sim_config){.tape = &tape});
    assert_true(sim_from_tape(s));
    assert_int_equal(sim_start(s), tape.bars[120].open_ms);
    struct bar_check x = {.tape = &tape, .at = 120};
    struct sim_feed feed = {.arg = &x, .on_print = check_print};
    sim_listen(s, &feed);
    /* The print at the very start was history already. */
    advance(s, sim_start(s) + MINUTE - 1);
    x = (struct bar_check){.tape = &tape, .at = 121};
    advance(s, sim_end(s) + MINUTE);
    finish_bar(&x);
    assert_int_equal(x.at, tape.count - 1);
    assert_true(sim_ended(s));
    assert_int_equal(sim_now(s), sim_end(s));
    assert_int_equal(sim_end(s), tape.bars[5999].open_ms + MINUTE);

    assert_true(x.rising > 500 && x.falling > 500);
    double rising = (double)x.rising_high_first / x.rising;
    double falling = (double)x.falling_high_first / x.falling;
    assert_true(fabs(rising - 0.5) < 0.08 && fabs(falling - 0.5) < 0.08);

    static struct bar bars[SIM_HISTORY];
    int n = sim_history(s, 0, BAR_1M, bars, SIM_HISTORY);
    assert_int_equal(n, SIM_HISTORY);
    size_t at = tape.count;
    for (int k = n - 1; k >= 0; k--) {
        while (at > 0 && tape.bars[at - 1].open_ms > bars[k].open_ms)
            at--;
        const struct tape_bar *b = &tape.bars[at - 1];
        if (b->open_ms != bars[k].open_ms) {
            assert_true(bars[k].volume == 0.0 && bars[k].prints == 0); /* a gap of the tape */
            continue;
        }
        assert_true(bars[k].open == decimal_to_double(b->open));
        assert_true(bars[k].high == decimal_to_double(b->high));
        assert_true(bars[k].low == decimal_to_double(b->low));
        assert_true(bars[k].close == decimal_to_double(b->close));
        assert_true(bars[k].volume == decimal_to_double(b->volume));
        assert_true(fabs(bars[k].buy_volume + bars[k].sell_volume - bars[k].volume) < 1e-6);
    }
    assert_int_equal(bars[n - 1].open_ms, tape.bars[5999].open_ms);
    sim_free(s);
    free(tape.bars);
}

static void test_history(void **state)
{
    (void)state;
    struct sim *s = make(&(struct sim_config){.seed = 4});
    static struct bar bars[SIM_HISTORY_1S];
    assert_int_equal(sim_history(s, 0, BAR_1M, bars, 1000), 240);
    assert_int_equal(bars[239].open_ms, sim_start(s) - MINUTE);
    assert_int_equal(sim_history(s, 0, BAR_15M, bars, 1000), 16);
    assert_int_equal(sim_history(s, 0, BAR_5M, bars, 1000), 48);
    assert_int_equal(sim_history(s, 0, BAR_1S, bars, SIM_HISTORY_1S), SIM_HISTORY_1S);
    for (int k = 1; k < SIM_HISTORY_1S; k++) {
        assert_int_equal(bars[k].open_ms, bars[k - 1].open_ms + 1000);
        assert_true(bars[k].low <= bars[k].open && bars[k].open <= bars[k].high);
        if (bars[k].prints == 0)
            assert_true(bars[k].close == bars[k - 1].close && bars[k].volume == 0.0);
    }
    assert_int_equal(sim_history(s, 1, BAR_1M, bars, 3), 3);
    assert_int_equal(sim_history(s, 1, BAR_1S, bars, 3), ERR_INPUT);
    assert_int_equal(sim_history(s, 0, 1234, bars, 3), ERR_INPUT);
    assert_int_equal(sim_history(s, 99, BAR_1M, bars, 3), ERR_INPUT);
    struct bar forming;
    advance(s, sim_start(s) + 30500);
    assert_true(sim_forming(s, 0, BAR_1M, &forming));
    assert_int_equal(forming.open_ms, sim_start(s));
    assert_true(forming.prints > 5 && forming.volume > 0.0);
    assert_int_equal(sim_symbol(s, "EURUSD"), 1);
    assert_int_equal(sim_symbol(s, "NOTHING"), -1);
    assert_null(sim_symbol_at(s, sim_symbol_count(s)));
    for (int k = 0; k < sim_symbol_count(s); k++) {
        struct err e;
        struct sim_quote q;
        assert_int_equal(instrument_check(sim_symbol_at(s, k), &e), 0);
        assert_true(sim_quote(s, k, &q));
    }
    sim_free(s);
    s = make(&(struct sim_config){.seed = 4, .history_bars = 10, .start_ms = 1700000012345});
    assert_int_equal(sim_start(s), 1700000012345 / MINUTE * MINUTE);
    assert_int_equal(sim_history(s, 0, BAR_1M, bars, 1000), 10);
    sim_free(s);
}

/* The index of the first bar, from the start on, of three times the mean of 20; -1: none. */
static int first_spike(uint64_t seed, int minutes, int *spikes, int *directed)
{
    static struct bar bars[1000];
    struct seen x = {0};
    struct sim_feed feed = feed_of(&x);
    struct sim *s = make(&(struct sim_config){.seed = seed});
    sim_listen(s, &feed);
    int first = -1;
    for (int m = 1; m <= minutes; m++) {
        advance(s, sim_start(s) + m * MINUTE);
        assert_int_equal(sim_history(s, 0, BAR_1M, bars, 21), 21);
        double mean = 0.0;
        for (int k = 0; k < 20; k++)
            mean += bars[k].volume / 20.0;
        if (bars[20].volume < 3.0 * mean)
            continue;
        bool up = bars[20].close > bars[20].open;
        *directed += up ? x.imbalance > 0.6 : x.imbalance < 0.4;
        (*spikes)++;
        if (first < 0)
            first = m;
    }
    sim_free(s);
    return first;
}

static void test_bursts(void **state)
{
    (void)state;
    int spikes = 0, directed = 0, late = 0, different = 0, before = -1, values[20];
    for (int k = 0; k < 20; k++) {
        int first = first_spike((uint64_t)k + 1, 40, &spikes, &directed);
        late += first < 0;
        bool known = false;
        for (int j = 0; j < k; j++)
            known |= values[j] == first;
        different += !known;
        values[k] = first;
        before = first;
    }
    (void)before;
    assert_int_equal(late, 0);                 /* each seed has one within forty minutes */
    assert_true(different >= 10);              /* and not at the same moment */
    assert_in_range(spikes, 50, 140);          /* one in six to sixteen minutes */
    assert_true(directed * 100 > spikes * 75); /* the book leans the way that it went */
}

/* Stopping and starting again anywhere goes on with the same market. */
static void test_restart_goes_on(void **state)
{
    (void)state;
    struct seen whole = {0}, parts = {0};
    struct sim_feed feed = feed_of(&whole);
    struct sim_config c = {.seed = 21, .history_bars = 30};
    struct sim *s = make(&c);
    int64_t start = sim_start(s);
    sim_listen(s, &feed);
    advance(s, start + 12 * MINUTE);
    sim_free(s);
    c.data_dir = folder;
    feed.arg = &parts;
    const int64_t stops[] = {start,
                             start + 1,
                             start + 59999,
                             start + 2 * MINUTE,
                             start + 7 * MINUTE + 12345,
                             start + 12 * MINUTE};
    int64_t now = start;
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) {
        s = make(&c);
        assert_int_equal(sim_start(s), start);
        assert_int_equal(sim_now(s), now);
        sim_listen(s, &feed);
        advance(s, stops[k]);
        now = sim_now(s);
        sim_free(s);
    }
    assert_int_equal(parts.prints, whole.prints);
    assert_int_equal(parts.sum, whole.sum);
}

static void test_identity(void **state)
{
    (void)state;
    struct err e;
    struct tape tape;
    make_tape(&tape, 40);
    tape.timeframe = 1500;
    struct sim_config c = {.tape = &tape, .data_dir = folder};
    assert_null(sim_new(&c, &e)); /* a wrong tape does not bind the folder */
    tape.timeframe = MINUTE;
    c = (struct sim_config){.seed = 1, .data_dir = folder};
    struct sim *s = make(&c);
    assert_null(sim_new(&c, &e)); /* one process at a time */
    assert_int_equal(e.code, ERR_EXISTS);
    sim_free(s);
    c.seed = 2;
    assert_null(sim_new(&c, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_non_null(strstr(e.message, "seed 1"));
    assert_non_null(strstr(e.message, "seed 2"));
    c.tape = &tape;
    assert_null(sim_new(&c, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_non_null(strstr(e.message, "deadbeef"));
    c = (struct sim_config){.seed = 1, .data_dir = folder, .start_ms = 1600000000000};
    s = make(&c); /* the folder's own start counts */
    assert_int_equal(sim_start(s), INT64_C(1704067200000));
    sim_free(s);
    free(tape.bars);
}

static void test_bad_config(void **state)
{
    (void)state;
    struct err e;
    struct tape tape;
    make_tape(&tape, 40);
    struct sim_config c = {.tape = &tape};
    tape.timeframe = 1500;
    assert_null(sim_new(&c, &e));
    assert_int_equal(e.code, ERR_INPUT);
    tape.count = 1;
    assert_null(sim_new(&c, &e));
    assert_int_equal(e.code, ERR_INPUT);
    free(tape.bars);
    c = (struct sim_config){.seed = 1};
    sim_default_main(&c.main);
    c.main.contract_size = decimal_int(0);
    assert_null(sim_new(&c, &e));
    assert_int_equal(e.code, ERR_INPUT);
    c = (struct sim_config){.seed = 1, .data_dir = "/proc/nowhere"};
    assert_null(sim_new(&c, &e));
    assert_true(e.code != 0 && e.message[0] != '\0');
}

/* Bars of other lengths than a minute are filled too. */
static void test_other_timeframes(void **state)
{
    (void)state;
    const int64_t frames[] = {1000, 5000, 300000, 3600000};
    for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
        struct tape_bar bars[20];
        struct tape tape = {.bars = bars, .count = 20, .timeframe = frames[f], .hash = "01"};
        for (int k = 0; k < 20; k++)
            bars[k] = (struct tape_bar){.open_ms = INT64_C(1704067200000) + k * frames[f],
                                        .open = decimal_int(100 + k),
                                        .high = decimal_int(105 + k),
                                        .low = decimal_int(97 + k),
                                        .close = decimal_int(101 + k),
                                        .volume = decimal_int(1000)};
        struct seen x = {0};
        struct sim_feed feed = feed_of(&x);
        struct sim *s = make(&(struct sim_config){.tape = &tape});
        sim_listen(s, &feed);
        advance(s, INT64_MAX - 1);
        assert_true(sim_ended(s));
        assert_int_equal(x.last.price.v, bars[19].close.v);
        assert_true(x.prints >= 15 * 4 - 1);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_do_not_matter),
        cmocka_unit_test(test_bars_are_the_tapes),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test_setup_teardown(test_restart_goes_on, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_identity, make_folder, drop_folder),
        cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_other_timeframes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
