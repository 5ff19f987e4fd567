/* SPDX-License-Identifier: MIT
 *
 * What time and losses do to an account of the simulator: swaps, margin calls, stop-outs; credits
 * and deposits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "io/file.h"
#include "venue_sim_fixture.h"

#define DAY INT64_C(86400000)

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

static int64_t at(const char *iso)
{
    int64_t ms;
    assert_int_equal(clock_iso_parse(iso, &ms), 0);
    return ms;
}

static const char *const steady[] = {"50000", "50000", "50000", "50000"};

/* Swaps: seven nights a week */

static struct sim *night_sim(const char *start, const char *data_dir)
{
    return make(&(struct sim_config){
        .seed = 4, .start_ms = at(start), .history_bars = 2, .data_dir = data_dir});
}

static void test_swap_nights(void **state)
{
    (void)state;
    struct sim *s = night_sim("2024-01-01T00:00:00Z", NULL); /* a Monday */
    int a = add(s, "1", "USD", 100, "1000000");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.07", "0", "0"), SIM_OK);
    char buy[32], sell[32];
    strcpy(buy, last_id);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_SELL, "1", "0", "0"), SIM_OK);
    strcpy(sell, last_id);
    /* -100 and -20 points of 0.1 a lot: -10 and -2. The opening day's midnight is over. */
    static const int nights[] = {0, 1, 2, 5, 6, 7, 7, 7, 8};
    for (int day = 0; day < 9; day++) {
        advance(s, sim_start(s) + day * DAY);
        assert_int_equal(sim_position(s, a, buy)->swap.v, nights[day] * dec("-0.7").v);
        assert_int_equal(sim_position(s, a, sell)->swap.v, nights[day] * dec("-2").v);
        struct sim_money m;
        assert_int_equal(sim_money(s, a, &m), 0);
        assert_int_equal(m.balance.v, dec("1000000").v); /* carried, not booked */
        assert_int_equal(m.net_profit.v, m.profit.v + nights[day] * dec("-2.7").v);
    }
    struct err e;
    enum sim_reason why;
    struct sim_closed c;
    /* A part takes its share to the cent: 5.6 * 2 / 7 = 1.6; 4 * 3 / 5 = 2.4; the rest is left. */
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, buy, "BTCUSD", SIDE_BUY, true, dec("0.02"), &c, &why, &e), 0);
    assert_int_equal(c.swap.v, dec("-1.6").v);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, buy, "BTCUSD", SIDE_BUY, true, dec("0.03"), &c, &why, &e), 0);
    assert_int_equal(c.swap.v, dec("-2.4").v);
    assert_int_equal(sim_position(s, a, buy)->swap.v, dec("-1.6").v);
    assert_int_equal(
        sim_close(s, SIM_CLIENT, a, buy, "BTCUSD", SIDE_BUY, false, dec("0"), &c, &why, &e), 0);
    assert_int_equal(c.swap.v, dec("-1.6").v);
    /* Switched off, and by another rate. */
    struct sim_model m = *sim_model(s);
    m.swaps = false;
    set(s, m);
    advance(s, sim_start(s) + 9 * DAY);
    assert_int_equal(sim_position(s, a, sell)->swap.v, dec("-16").v);
    m.swaps = true;
    set(s, m);
    struct sim_terms t;
    sim_terms(s, 0, &t);
    t.swap_sell = dec("0.05"); /* 0.005 a night, three of them: 1.5 cents, to the even one */
    assert_int_equal(sim_set_terms(s, &t, &e), 0);
    advance(s, sim_start(s) + 10 * DAY);
    assert_int_equal(sim_position(s, a, sell)->swap.v, dec("-15.98").v);
    sim_free(s);
}

/* Pips, in another currency than the account's: received at the worse side, owed at the other. */
static void test_swap_conversion(void **state)
{
    (void)state;
    struct err e;
    struct sim *s = night_sim("2024-01-01T23:59:00Z", NULL);
    int a = add(s, "1", "EUR", 100, "1000000");
    struct sim_terms t;
    int symbol = sim_symbol(s, "USDJPY"), eur = sim_symbol(s, "EURUSD");
    sim_terms(s, symbol, &t);
    assert_int_equal(t.swap_type, SIM_SWAP_PIPS);
    t.swap_buy = dec("1.5");
    t.swap_sell = dec("-2.25");
    assert_int_equal(sim_set_terms(s, &t, &e), 0);
    assert_int_equal(open_as(s, a, "USDJPY", SIDE_BUY, "0.3", "0", "0"), SIM_OK);
    char buy[32];
    strcpy(buy, last_id);
    assert_int_equal(open_as(s, a, "USDJPY", SIDE_SELL, "0.3", "0", "0"), SIM_OK);
    /* Midnight comes before that second's quotes: those of the second before count. */
    advance(s, sim_start(s) + MINUTE - 1);
    struct sim_quote j, q;
    assert_true(sim_quote(s, symbol, &j) && sim_quote(s, eur, &q));
    advance(s, sim_start(s) + MINUTE);
    decimal want;
    decimal_div(dec("450"), j.ask, DECIMAL_FLOOR, &want); /* 0.01 * 100,000 * 0.3 * 1.5 yen */
    decimal_div(want, q.ask, DECIMAL_FLOOR, &want);
    decimal_to_places(want, 2, DECIMAL_HALF_EVEN, &want);
    assert_int_equal(sim_position(s, a, buy)->swap.v, want.v);
    decimal_div(dec("-675"), j.bid, DECIMAL_FLOOR, &want);
    decimal_div(want, q.bid, DECIMAL_FLOOR, &want);
    decimal_to_places(want, 2, DECIMAL_HALF_EVEN, &want);
    assert_int_equal(sim_position(s, a, last_id)->swap.v, want.v);
    sim_free(s);
}

/* A crash between the swaps of one midnight: a start charges those that are missing, and only
 * those. */
static void test_swap_crash(void **state)
{
    (void)state;
    struct err e;
    struct str text;
    char path[128], saved[128];
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    snprintf(saved, sizeof saved, "%s/sim/state", folder);
    struct sim *s = night_sim("2024-01-03T23:58:00Z", folder); /* a Wednesday */
    int a = add(s, "1", "USD", 100, "1000000");
    for (int k = 0; k < 3; k++)
        assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    advance(s, sim_start(s) + 2 * MINUTE);
    sim_free(s);
    str_init(&text);
    assert_int_equal(file_read_all(path, &text, 1 << 20, &e), 0);
    /* Opened at midnight, but not before it. */
    s = night_sim("2024-01-03T23:58:00Z", folder);
    assert_int_equal(sim_now(s) % DAY, 0);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    sim_free(s);
    s = night_sim("2024-01-03T23:58:00Z", folder);
    assert_int_equal(sim_position(s, a, last_id)->swap.v, 0);
    sim_free(s);
    for (int cut = 0; cut < 3; cut++) {
        size_t end = text.len;
        for (int k = 0; k < cut; k++)
            for (end--; text.p[end - 1] != '\n';)
                end--;
        assert_int_equal(file_replace(path, text.p, end, 0600, &e), 0);
        assert_int_equal(unlink(saved), 0);
        for (int again = 0; again < 2; again++) {
            s = night_sim("2024-01-03T23:58:00Z", folder);
            size_t cursor = 0, count = 0;
            for (const struct sim_position *p; (p = sim_position_next(s, a, &cursor)) != NULL;
                 count++)
                assert_int_equal(p->swap.v, dec("-30").v);
            assert_int_equal(count, 3);
            sim_free(s);
        }
    }
    str_fini(&text);
}

/* Margin */

static int outs;
static char out_ids[8][32];

static void on_closed(void *arg, const struct sim_closed *c)
{
    (void)arg;
    assert_string_equal(c->reason, "stop_out");
    assert_int_equal(c->by, SIM_BROKER);
    strcpy(out_ids[outs++], c->id);
}

/* Which position is the worst, its swap decides with it. */
static void test_swap_makes_the_worst(void **state)
{
    (void)state;
    struct err e;
    struct sim_terms t;
    struct sim *s = night_sim("2024-01-01T23:59:00Z", NULL);
    struct sim_feed feed = {.on_closed = on_closed};
    sim_listen(s, &feed);
    outs = 0;
    sim_terms(s, 0, &t);
    t.swap_buy = dec("-5000"); /* 500 a lot */
    assert_int_equal(sim_set_terms(s, &t, &e), 0);
    int a = add(s, "1", "USD", 100, "20000");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    char old[32];
    strcpy(old, last_id);
    advance(s, sim_start(s) + MINUTE);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "30", "0", "0"), SIM_OK);
    decimal price, first, second, commission;
    assert_int_equal(sim_position_value(s, sim_position(s, a, old), &price, &first, &commission),
                     0);
    assert_int_equal(
        sim_position_value(s, sim_position(s, a, last_id), &price, &second, &commission), 0);
    assert_true(second.v < first.v && first.v - second.v < dec("400").v);
    struct sim_model m = *sim_model(s);
    m.stop_out_level = dec("230");
    set(s, m);
    advance(s, sim_now(s) + 5000);
    assert_true(outs > 0);
    assert_string_equal(out_ids[0], old);
    sim_free(s);
}

static int calls;
static struct sim_money called;

static void on_margin_call(void *arg, int account, const struct sim_money *m)
{
    (void)arg;
    assert_int_equal(account, 0);
    calls++;
    called = *m;
}

/* 1,000 dollars; three buyers of a lot at 50,001.0 bind 150.003 each at 1:100 and 0.3 lots. */
static void test_margin_call_and_stop_out(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "50000", "49340", "49600",
                                         "49300", "48300", "48300"};
    struct tape t;
    struct sim_money m;
    struct sim *s = flat_sim(&t, prices, 7, NULL);
    struct sim_feed feed = {.on_margin_call = on_margin_call, .on_closed = on_closed};
    sim_listen(s, &feed);
    calls = outs = 0;
    int a = add(s, "1", "USD", 100, "1000"), other = add(s, "2", "USD", 100, "100000");
    char big[32], small[32], winner[32];
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.9", "0", "0"), SIM_OK);
    strcpy(big, last_id);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "0.2", "0", "0"), SIM_OK);
    strcpy(small, last_id);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_SELL, "0.2", "0", "0"), SIM_OK);
    strcpy(winner, last_id);
    assert_int_equal(open_as(s, other, "BTCUSD", SIDE_BUY, "30", "0", "0"), SIM_OK);
    /* Margin 650.009. At 49,340: bid 49,339, ask 49,341; loss 0.9 * 662 + 0.2 * 662 - 0.2 * 658 =
     * 596.6; equity 403.4 is 62 percent: a call, told once. */
    advance(s, sim_start(s) + 2 * MINUTE - 1);
    assert_int_equal(calls, 1);
    assert_int_equal(outs, 0);
    assert_int_equal(called.equity.v, dec("403.4").v);
    assert_true(called.margin_call);
    /* 49,600: loss 362.6; equity 637.4 is 98 percent: the same call. */
    advance(s, sim_start(s) + 3 * MINUTE - 1);
    assert_int_equal(calls, 1);
    assert_int_equal(sim_money(s, a, &m), 0);
    assert_true(m.margin_call);
    /* 49,300: loss 632.6, 57 percent. 48,300: loss 1,532.6 and equity below zero: the worst, 0.9
     * lots, goes first. It loses 1,531.8 and that is not enough; the small one is next, then the
     * winner, for the balance is gone. */
    advance(s, sim_start(s) + 4 * MINUTE - 1);
    assert_int_equal(outs, 0);
    advance(s, sim_start(s) + 5 * MINUTE - 1);
    assert_int_equal(outs, 3);
    assert_string_equal(out_ids[0], big);
    assert_string_equal(out_ids[1], small);
    assert_string_equal(out_ids[2], winner);
    assert_int_equal(sim_account_at(s, a)->balance.v, dec("-532.6").v); /* a gap can do that */
    assert_int_equal(sim_account_at(s, other)->positions, 1);
    assert_int_equal(calls, 1);
    sim_free(s);
    free(t.bars);
}

/* Only as many are closed as it takes; the level itself is reached, a hair above is not. */
static void test_stop_out_ends(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "50000", "49749.5", "49749.4", "49749.4"};
    struct tape t;
    struct sim *s = flat_sim(&t, prices, 5, NULL);
    struct sim_feed feed = {.on_closed = on_closed};
    sim_listen(s, &feed);
    outs = 0;
    /* Two lots bind 1,000.02; half of that is 500.01. A point of the bid is 0.2. */
    int a = add(s, "1", "USD", 100, "1005.22");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    char first[32];
    strcpy(first, last_id);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    /* Bid 49,748.5: loss 2 * 252.5 = 505, equity 500.22 is above. Then 0.2 less: 500.02, above
     * still by a cent; a credit decides. */
    advance(s, sim_start(s) + 3 * MINUTE - 1);
    assert_int_equal(outs, 0);
    struct err e;
    assert_int_equal(sim_deposit(s, a, dec("-0.01"), &e), ERR_STATE); /* nothing is free */
    struct sim_model m = *sim_model(s);
    m.stop_out_level = dec("50.00100000"); /* equity 500.02 / 1000.02 = 50.00099998 % */
    set(s, m);
    advance(s, sim_now(s) + 30000);
    assert_int_equal(outs, 1);
    assert_string_equal(out_ids[0], first); /* as bad as the other: the older one */
    assert_int_equal(sim_account_at(s, a)->positions, 1);
    assert_int_equal(sim_account_at(s, a)->balance.v, dec("752.62").v);
    sim_free(s);
    free(t.bars);
}

static void test_levels_off(void **state)
{
    (void)state;
    static const char *const prices[] = {"50000", "50000", "49100", "49100"};
    struct tape t;
    struct sim *s = flat_sim(&t, prices, 4, NULL);
    struct sim_feed feed = {.on_closed = on_closed, .on_margin_call = on_margin_call};
    sim_listen(s, &feed);
    calls = outs = 0;
    struct sim_model m = *sim_model(s);
    m.stop_out_level = m.margin_call_level = dec("0");
    set(s, m);
    int a = add(s, "1", "USD", 100, "600");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    advance(s, sim_end(s));
    assert_int_equal(calls + outs, 0);
    assert_int_equal(sim_account_at(s, a)->positions, 1);
    struct sim_money money;
    assert_int_equal(sim_money(s, a, &money), 0);
    assert_false(money.margin_call);
    assert_true(money.equity.v < 0);
    sim_free(s);
    free(t.bars);
}

static void test_credit_and_deposits(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    struct sim_money m;
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1", "USD", 100, "400");
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_MARGIN);
    assert_int_equal(sim_set_credit(s, a, dec("200"), &e), 0);
    assert_int_equal(open_as(s, a, "BTCUSD", SIDE_BUY, "1", "0", "0"), SIM_OK);
    assert_int_equal(sim_money(s, a, &m), 0);
    assert_int_equal(m.credit.v, dec("200").v);
    assert_int_equal(m.equity.v, dec("598").v);
    assert_int_equal(m.free_margin.v, dec("97.99").v);
    assert_int_equal(sim_set_credit(s, a, dec("-1"), &e), ERR_INPUT);
    assert_int_equal(sim_deposit(s, a, dec("0"), &e), ERR_INPUT);
    assert_int_equal(sim_deposit(s, a, dec("0.001"), &e), ERR_INPUT);
    assert_int_equal(sim_deposit(s, a, dec("-98"), &e), ERR_STATE);
    assert_int_equal(sim_deposit(s, a, dec("-97.99"), &e), 0);
    assert_int_equal(sim_deposit(s, a, dec("1000.5"), &e), 0);
    assert_int_equal(sim_account_at(s, a)->balance.v, dec("1302.51").v);
    assert_int_equal(sim_deposit(s, 5, dec("1"), &e), ERR_NOTFOUND);
    sim_free(s);
    free(t.bars);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swap_nights),
        cmocka_unit_test(test_swap_conversion),
        cmocka_unit_test_setup_teardown(test_swap_crash, make_folder, drop_folder),
        cmocka_unit_test(test_swap_makes_the_worst),
        cmocka_unit_test(test_margin_call_and_stop_out),
        cmocka_unit_test(test_stop_out_ends),
        cmocka_unit_test(test_levels_off),
        cmocka_unit_test(test_credit_and_deposits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
