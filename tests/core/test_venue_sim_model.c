/* SPDX-License-Identifier: MIT
 *
 * The broker's settings: trading hours, freeze and stops levels, slippage, fills in parts, refusals
 * by chance, ids of orders.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "venue_sim_fixture.h"

static char last_id[32];

static enum sim_reason open_as(struct sim *s, int account, const char *symbol, enum side side,
                               const char *volume, const char *stop, const char *target)
{
    struct err e;
    enum sim_reason why;
    int rc = sim_open(s, SIM_CLIENT, account, symbol, side, dec(volume), dec(stop), dec(target),
                      last_id, &why, &e);
    assert_int_equal(rc, why == SIM_OK ? 0 : ERR_STATE);
    return why;
}

static void set(struct sim *s, struct sim_model m)
{
    struct err e;
    if (sim_set_model(s, &m, &e) != 0)
        fail_msg("%s", e.message);
}

/* Hours */

static int quotes;

static void on_quote(void *arg, int symbol, const struct sim_quote *q)
{
    (void)arg;
    (void)q;
    quotes += symbol == 0;
}

static void hours(struct sim *s, const char *symbol, const struct sim_session *list, size_t count)
{
    struct sim_terms t;
    struct err e;
    sim_terms(s, sim_symbol(s, symbol), &t);
    memcpy(t.sessions, list, count * sizeof *list);
    t.session_count = count;
    assert_int_equal(sim_set_terms(s, &t, &e), 0);
}

/* 2024-01-01 is a Monday. Minute 1 is open, minutes 2 and 3 are closed, from minute 4 on it is open
 * again: 50,000 -> 49,900 -> 50,100 happen behind closed doors. */
static void test_hours(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "50000", "49900", "50100", "49700", "49700"};
    static const struct sim_session sessions[] = {{1, 0, 2 * 60000}, {1, 4 * 60000, 5 * 60000}};
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim_quote q;
    struct sim *s = flat_sim(&t, prices, 6, NULL);
    hours(s, "BTCUSD", sessions, 2);
    struct sim_feed feed = {.on_quote = on_quote};
    sim_listen(s, &feed);
    int a = add(s, "1", "USD", 100, "100000");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "49950", "50050"), SIM_OK);
    char id[32], order[32];
    strcpy(id, last_id);
    struct sim_wish w = {.symbol = "BTCUSD",
                         .side = SIDE_BUY,
                         .type = SIM_LIMIT,
                         .volume = dec("1"),
                         .price = dec("49950")};
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, a, &w, order, &why, &e), 0);
    advance(s, sim_start(s) + MINUTE); /* minute 2 has begun: closed */
    assert_false(sim_session_open(s, 0));
    quotes = 0;
    advance(s, sim_start(s) + 3 * MINUTE - 1);
    assert_int_equal(quotes, 0);
    assert_true(sim_quote(s, 0, &q));
    assert_int_equal(q.bid.v, dec("49999").v); /* the last one stands */
    assert_non_null(sim_position(s, a, id));
    assert_non_null(sim_pending(s, a, order));
#define CLOSED(call)                                                                               \
    do {                                                                                           \
        assert_int_equal(call, ERR_STATE);                                                         \
        assert_int_equal(why, SIM_SESSION_CLOSED);                                                 \
    } while (0)
    const decimal none = {0};
    CLOSED(sim_open(s, SIM_CLIENT, a, "BTCUSD", SIDE_BUY, w.volume, none, none, id, &why, &e));
    strcpy(id, last_id);
    CLOSED(sim_edit(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, none, none, &why, &e));
    CLOSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e));
    CLOSED(sim_close(s, SIM_HAND, a, id, "BTCUSD", SIDE_BUY, false, none, NULL, &why, &e));
    CLOSED(sim_pending_create(s, SIM_CLIENT, a, &w, last_id, &why, &e));
    CLOSED(sim_pending_edit(s, SIM_CLIENT, a, order, &w, &why, &e));
    CLOSED(sim_pending_cancel(s, SIM_CLIENT, a, order, "BTCUSD", &why, &e));
#undef CLOSED
    /* Another symbol has hours of its own. */
    assert_int_equal(open_as(s, a, "EURUSD", SIDE_BUY, "0.1", "0", "0"), SIM_OK);
    /* The first quote of the next session, 49,700, finds both: the stop with its gap. The target
     * that was jumped over meanwhile was never there. */
    advance(s, sim_start(s) + 4 * MINUTE - 1);
    size_t cursor = 0;
    const struct sim_closed *c = sim_closed_next(s, a, 0, NEVER, &cursor);
    assert_non_null(c);
    assert_string_equal(c->reason, "stop");
    assert_int_equal(c->close_price.v, dec("49699").v);
    assert_true(c->closed_ms >= sim_start(s) + 3 * MINUTE);
    assert_int_equal(sim_position(s, a, order)->price.v, dec("49701").v);
    assert_true(quotes > 0);
    sim_free(s);
    free(t.bars);
}

/* A start with other hours than before: the quote that stands is of before the position. It is no
 * reason to execute its stop, and the next session's first quote may be none, either. */
static void test_start_while_closed(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "49900", "50000", "50000", "50000", "50000"};
    struct tape t;
    struct sim *s = flat_sim(&t, prices, 6, folder);
    int a = add(s, "1", "USD", 100, "100000");
    advance(s, sim_start(s) + 2 * MINUTE - 1); /* minute 2 has begun */
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "49950", "0"), SIM_OK);
    sim_free(s);
    struct sim_config c = {
        .tape = &t, .history_bars = 1, .spread = 20, .data_dir = folder, .terms_count = 1};
    struct sim_terms terms;
    assert_true(sim_terms_default(&c, "BTCUSD", &terms));
    terms.session_count = 2;
    terms.sessions[0] = (struct sim_session){1, 0, 2 * 60000};
    terms.sessions[1] = (struct sim_session){1, 4 * 60000, 86400000};
    c.terms = &terms;
    s = make(&c);
    struct sim_quote q;
    assert_true(sim_quote(s, 0, &q));
    assert_int_equal(q.bid.v, dec("49899").v);
    assert_non_null(sim_position(s, a, last_id));
    advance(s, sim_end(s));
    assert_true(sim_quote(s, 0, &q));
    assert_int_equal(q.bid.v, dec("49999").v);
    assert_non_null(sim_position(s, a, last_id));
    sim_free(s);
    free(t.bars);
}

static void test_terms_are_checked(void **state)
{
    (void)state;
    struct sim *s = make(&(struct sim_config){.seed = 1, .history_bars = 1});
    struct err e;
    struct sim_terms good, t;
    sim_terms(s, 0, &good);
    static const struct sim_session bad[][2] = {
        {{-1, 0, 1}, {0}}, {{7, 0, 1}, {0}},        {{1, -1, 1}, {0}},      {{1, 0, 86400001}, {0}},
        {{1, 5, 5}, {0}},  {{1, 0, 9}, {1, 8, 10}}, {{2, 0, 9}, {1, 0, 9}},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        t = good;
        t.session_count = bad[k][1].close_ms > 0 ? 2 : 1;
        memcpy(t.sessions, bad[k], sizeof bad[k]);
        assert_int_equal(sim_set_terms(s, &t, &e), ERR_INPUT);
        assert_non_null(strstr(e.message, "hours of BTCUSD"));
    }
    t = good;
    t.session_count = SIM_SESSIONS + 1;
    assert_int_equal(sim_set_terms(s, &t, &e), ERR_INPUT);
    t = good;
    t.commission = dec("-0.01");
    assert_int_equal(sim_set_terms(s, &t, &e), ERR_INPUT);
    t = good;
    t.swap_buy = dec("10000.1");
    assert_int_equal(sim_set_terms(s, &t, &e), ERR_INPUT);
    t = good;
    strcpy(t.symbol, "XAUUSD");
    assert_int_equal(sim_set_terms(s, &t, &e), ERR_INPUT);
    sim_terms(s, 0, &t);
    assert_int_equal(t.session_count, 0); /* nothing of it was taken */
    assert_int_equal(t.swap_buy.v, good.swap_buy.v);
    sim_free(s);
    /* Terms of the start. */
    struct sim_config config = {.seed = 1, .history_bars = 1, .terms = &t, .terms_count = 1};
    assert_true(sim_terms_default(&config, "USDJPY", &t));
    assert_false(sim_terms_default(&config, "XAUUSD", &good));
    t.commission = dec("4");
    t.disabled = true;
    s = make(&config);
    int a = add(s, "1", "USD", 100, "1000"), jpy = sim_symbol(s, "USDJPY");
    assert_int_equal(sim_symbol_at(s, jpy)->commission.v, dec("4").v);
    assert_int_equal(open_as(s, a, "USDJPY", SIDE_BUY, "0.01", "0", "0"), SIM_DISABLED);
    sim_free(s);
    t.commission = dec("-4");
    assert_null(sim_new(&config, &e));
    assert_int_equal(e.code, ERR_INPUT);
}

/* Levels: bid 49,999.0, ask 50,001.0 */

static const char *const steady[] = {"50000", "50000", "50000", "50000"};

static void test_levels(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1", "USD", 100, "100000");
    struct sim_model m = *sim_model(s);
    assert_int_equal(sim_stops_level(s, 0), 10);
    m.stops_level = 200;
    set(s, m);
    assert_int_equal(sim_stops_level(s, 0), 200);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "49979.1", "0"), SIM_STOPS_LEVEL);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "49979", "0"), SIM_OK);
    char stop[32], target[32], free_one[32];
    strcpy(stop, last_id);
    m.stops_level = 0;
    m.freeze_level = 200;
    set(s, m);
    /* No least distance, but a side: */
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "49999", "0"), SIM_STOPS_SIDE);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_SELL, "1", "0", "49981.1"), SIM_OK);
    strcpy(target, last_id); /* 199 points from the ask */
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_SELL, "1", "0", "0"), SIM_OK);
    strcpy(free_one, last_id);
    const decimal none = {0};
#define FROZEN(call)                                                                               \
    do {                                                                                           \
        assert_int_equal(call, ERR_STATE);                                                         \
        assert_int_equal(why, SIM_FROZEN);                                                         \
    } while (0)
    FROZEN(sim_edit(s, SIM_CLIENT, a, target, "BTCUSD", SIDE_SELL, none, none, &why, &e));
    FROZEN(sim_close(s, SIM_CLIENT, a, target, "BTCUSD", SIDE_SELL, false, none, NULL, &why, &e));
    FROZEN(
        sim_close(s, SIM_CLIENT, a, target, "BTCUSD", SIDE_SELL, true, dec("0.1"), NULL, &why, &e));
    /* Exactly at the level it is not frozen. */
    assert_int_equal(
        sim_edit(s, SIM_CLIENT, a, stop, "BTCUSD", SIDE_BUY, dec("49978.9"), none, &why, &e), 0);
    assert_int_equal(
        sim_edit(s, SIM_CLIENT, a, free_one, "BTCUSD", SIDE_SELL, none, dec("49990"), &why, &e), 0);
    struct sim_wish w = {.symbol = "BTCUSD",
                         .side = SIDE_BUY,
                         .type = SIM_LIMIT,
                         .volume = dec("1"),
                         .price = dec("49981.1")};
    char near[32], far[32];
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, a, &w, near, &why, &e), 0);
    w.price = dec("49981");
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, a, &w, far, &why, &e), 0);
    FROZEN(sim_pending_edit(s, SIM_CLIENT, a, near, &w, &why, &e));
    FROZEN(sim_pending_cancel(s, SIM_CLIENT, a, near, "BTCUSD", &why, &e));
    assert_int_equal(sim_pending_edit(s, SIM_CLIENT, a, far, &w, &why, &e), 0);
    assert_int_equal(sim_pending_cancel(s, SIM_CLIENT, a, far, "BTCUSD", &why, &e), 0);
#undef FROZEN
    /* After the end of the market there is no other time to close. */
    advance(s, sim_end(s));
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, target, "BTCUSD", SIDE_SELL, false, none, NULL, &why, &e), 0);
    assert_int_equal(sim_pending_cancel(s, SIM_CLIENT, a, near, "BTCUSD", &why, &e), 0);
    sim_free(s);
    free(t.bars);
}

/* Chance */

static struct sim *lucky_sim(struct tape *t, struct sim_model m)
{
    flat_tape(t, steady, 4);
    return make(&(struct sim_config){.tape = t, .history_bars = 1, .spread = 20, .model = &m});
}

static int64_t tenths(decimal price, const char *from)
{
    return (price.v - dec(from).v) / (DECIMAL_ONE / 10);
}

static void test_slippage(void **state)
{
    (void)state;
    struct tape t, t2;
    struct err e;
    enum sim_reason why;
    struct sim_closed c;
    struct sim_model m;
    sim_model_default(&m);
    m.slippage_points = 3;
    struct sim *s = lucky_sim(&t, m), *other = lucky_sim(&t2, m);
    int a = add(s, "1", "USD", 100, "1000000"), b = add(s, "2", "USD", 100, "1000000");
    assert_int_equal(add(other, "1", "USD", 100, "1000000"), a);
    int seen[7] = {0}, closes[7] = {0};
    for (int k = 0; k < 300; k++) {
        enum side side = k % 2 == 0 ? SIDE_BUY : SIDE_SELL;
        assert_int_equal(open_as(s, a, "BTCUSD", side, "0.01", "0", "0"), SIM_OK);
        decimal price = sim_position(s, a, last_id)->price;
        int64_t worse = side * tenths(price, side == SIDE_BUY ? "50001" : "49999");
        assert_true(worse >= -3 && worse <= 3);
        seen[worse + 3]++;
        char id[32];
        strcpy(id, last_id);
        assert_int_equal(
            sim_close(s, SIM_CLIENT, a, id, "BTCUSD", side, false, dec("0"), &c, &why, &e), 0);
        worse = -side * tenths(c.close_price, side == SIDE_BUY ? "49999" : "50001");
        assert_true(worse >= -3 && worse <= 3);
        closes[worse + 3]++;
        /* What another account does, and what is refused, draws nothing of this one's. */
        assert_int_equal(open_as(s, b, "BTCUSD", side, "0.01", "0", "0"), SIM_OK);
        assert_int_equal(open_as(s, a, "BTCUSD", side, "0", "0", "0"), SIM_VOLUME);
        assert_int_equal(open_as(other, a, "BTCUSD", side, "0.01", "0", "0"), SIM_OK);
        assert_string_equal(last_id, id);
        assert_int_equal(sim_position(other, a, id)->price.v, price.v);
        assert_int_equal(
            sim_close(other, SIM_CLIENT, a, id, "BTCUSD", side, false, dec("0"), &c, &why, &e), 0);
    }
    for (int k = 0; k < 7; k++)
        assert_true(seen[k] > 15 && closes[k] > 15); /* 43 expected: as often better as worse */
    sim_free(s);
    sim_free(other);
    free(t.bars);
    free(t2.bars);
}

/* Slippage may cost more margin than there is. */
static void test_slippage_and_margin(void **state)
{
    (void)state;
    struct tape t;
    struct sim_model m;
    sim_model_default(&m);
    m.slippage_points = 100;
    struct sim *s = lucky_sim(&t, m);
    int opened = 0, refused = 0;
    for (int k = 0; k < 40; k++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", k);
        int a = add(s, name, "USD", 100, "500.01"); /* a lot at 50,001 to the cent */
        enum sim_reason why = open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0");
        assert_true(why == SIM_OK || why == SIM_MARGIN);
        if (why == SIM_OK)
            assert_true(sim_position(s, a, last_id)->price.v <= dec("50001").v);
        opened += why == SIM_OK;
        refused += why == SIM_MARGIN;
    }
    assert_true(opened > 5 && refused > 5);
    sim_free(s);
    free(t.bars);
}

static void test_parts(void **state)
{
    (void)state;
    struct tape t;
    struct sim_model m;
    struct err e;
    enum sim_reason why;
    sim_model_default(&m);
    m.partial_fills = 1.0;
    m.slippage_points = 7;
    struct sim *s = lucky_sim(&t, m);
    int a = add(s, "1", "USD", 100, "10000000"), twos = 0, threes = 0, uneven = 0;
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.01", "0", "0"), SIM_OK);
    assert_int_equal(sim_position(s, a, last_id)->part_count, 0); /* one step cannot be cut */
    for (int k = 0; k < 200; k++) {
        char volume[16];
        snprintf(volume, sizeof volume, "0.%02d", k % 90 + 2);
        assert_int_equal(open_as(s, a, "BTCUSD", SIDE_SELL, volume, "0", "0"), SIM_OK);
        const struct sim_position *p = sim_position(s, a, last_id);
        int64_t sum = 0, weighed = 0;
        for (size_t n = 0; n < p->part_count; n++) {
            const struct sim_part *x = &p->parts[n];
            int64_t units = x->volume.v / (DECIMAL_ONE / 100), away = tenths(x->price, "49999");
            assert_true(units >= 1 && away >= -7 && away <= 7);
            assert_string_not_equal(x->id, p->id);
            assert_true(n == 0 || strcmp(x->id, p->parts[n - 1].id) != 0);
            sum += units;
            weighed += units * away;
        }
        assert_int_equal(sum, k % 90 + 2);
        twos += p->part_count == 2;
        threes += p->part_count == 3;
        /* The mean to the nearest point, a tie to the even one: 2 * (mean * sum - weighed) is at
         * most the sum, and at a tie the mean is even. Prices are odd tens: 499,990 is even. */
        int64_t mean = tenths(p->price, "49999"), off = 2 * (mean * sum - weighed);
        assert_true(off <= sum && off >= -sum);
        if (off == sum || off == -sum) {
            assert_int_equal(mean % 2, 0);
            uneven++;
        }
    }
    assert_int_equal(twos + threes, 200);
    assert_true(twos > 50 && threes > 50 && uneven > 0);

    /* A partial close takes the first part first. */
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.9", "0", "0"), SIM_OK);
    const struct sim_position *p = sim_position(s, a, last_id);
    size_t count = p->part_count;
    struct sim_part first = p->parts[0], second = p->parts[1];
    decimal some;
    decimal_add(first.volume, dec("0.01"), &some);
    decimal price = p->price;
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, last_id, "BTCUSD", SIDE_BUY, true, some, NULL, &why, &e), 0);
    p = sim_position(s, a, last_id);
    assert_int_equal(p->part_count, second.volume.v > DECIMAL_ONE / 100 ? count - 1 : count - 2);
    int64_t left = 0;
    for (size_t n = 0; n < p->part_count; n++)
        left += p->parts[n].volume.v;
    assert_int_equal(left, p->volume.v);
    assert_int_equal(p->price.v, price.v); /* the mean stays */
    sim_free(s);
    free(t.bars);
}

static void test_refusals_by_chance(void **state)
{
    (void)state;
    struct tape t;
    struct sim_model m;
    sim_model_default(&m);
    m.reject_share = 0.25;
    m.reject_reason = SIM_DEALER;
    struct sim *s = lucky_sim(&t, m);
    int a = add(s, "1", "USD", 100, "1000000"), refused = 0;
    for (int k = 0; k < 400; k++) {
        enum sim_reason why = open_as(s, a, "BTCUSD", SIDE_BUY, "0.01", "0", "0");
        assert_true(why == SIM_OK || why == SIM_DEALER);
        refused += why == SIM_DEALER;
    }
    assert_true(refused > 60 && refused < 145); /* 100 expected */
    m.reject_share = 1.0;
    set(s, m);
    struct err e;
    enum sim_reason why;
    const struct sim_position *p = sim_position_next(s, a, &(size_t){0});
    assert_int_equal(
        sim_edit(s, SIM_CLIENT, a, p->id, "BTCUSD", SIDE_BUY, dec("0"), dec("0"), &why, &e),
        ERR_STATE);
    assert_int_equal(why, SIM_DEALER);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, p->id, "BTCUSD", SIDE_BUY, false, dec("0"), NULL, &why, &e),
        ERR_STATE);
    assert_int_equal(why, SIM_DEALER);
    sim_free(s);
    free(t.bars);
}

static void test_order_ids(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim_model m;
    sim_model_default(&m);
    m.order_id_differs = true;
    struct sim *s = lucky_sim(&t, m);
    int a = add(s, "1", "USD", 100, "1000000");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.01", "0", "0"), SIM_OK);
    assert_null(sim_position(s, a, last_id));
    const struct sim_position *p = sim_position_next(s, a, &(size_t){0});
    assert_string_equal(p->order, last_id);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, last_id, "BTCUSD", SIDE_BUY, false, dec("0"), NULL, &why, &e),
        ERR_STATE);
    assert_int_equal(why, SIM_UNKNOWN_ID);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, p->id, "BTCUSD", SIDE_BUY, false, dec("0"), NULL, &why, &e), 0);
    sim_free(s);
    free(t.bars);
}

static void test_model_is_checked(void **state)
{
    (void)state;
    struct err e;
    struct sim_model good, m;
    sim_model_default(&good);
    assert_int_equal(sim_model_check(&good, &e), 0);
#define BAD(field, value, word)                                                                    \
    do {                                                                                           \
        m = good;                                                                                  \
        m.field = value;                                                                           \
        assert_int_equal(sim_model_check(&m, &e), ERR_INPUT);                                      \
        assert_non_null(strstr(e.message, word));                                                  \
        assert_null(sim_new(&(struct sim_config){.seed = 1, .model = &m}, &e));                    \
    } while (0)
    BAD(slippage_points, -1, "slippage_points");
    BAD(partial_fills, 1.01, "partial_fills");
    BAD(partial_fills, -0.01, "partial_fills");
    BAD(reject_share, 2.0, "reject_share");
    BAD(reject_reason, SIM_OK, "reject_reason");
    BAD(reject_reason, (enum sim_reason)99, "reject_reason");
    BAD(margin_call_level, dec("-1"), "margin_call_level");
    BAD(stop_out_level, dec("1000.1"), "stop_out_level");
    BAD(stops_level, -2, "stops_level");
    BAD(freeze_level, -1, "freeze_level");
#undef BAD
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hours),
        cmocka_unit_test_setup_teardown(test_start_while_closed, make_folder, drop_folder),
        cmocka_unit_test(test_terms_are_checked),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_slippage),
        cmocka_unit_test(test_slippage_and_margin),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refusals_by_chance),
        cmocka_unit_test(test_order_ids),
        cmocka_unit_test(test_model_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
