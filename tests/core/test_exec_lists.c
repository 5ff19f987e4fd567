/* SPDX-License-Identifier: MIT
 *
 * The broker's lists beside our own entries: positions of others, volumes without a reason, broken
 * rows, balances, and what is to be read at the start.
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
    w_live(w, W_START);
    w_quiet(w, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static const struct position *pos(struct world *w, const char *id)
{
    return ledger_position(w->ledger, 0, id);
}

static void rows_of_others(void **state)
{
    struct world *w = *state;
    struct seen_position row = {.id = "H1",
                                .symbol = "BTCUSD.",
                                .side = SIDE_SELL,
                                .volume = w_dec("1"),
                                .price = w_price(500000),
                                .opened_ms = W_START - 1000000};
    w_list(w, 0, w_now(w), &row, 1);
    assert_false(pos(w, "H1")->ours);
    row.volume = w_dec("1.5");
    row.stop = w_price(510000);
    w_list(w, 0, w_now(w), &row, 1);
    assert_int_equal(pos(w, "H1")->volume.v, w_dec("1.5").v);
    assert_int_equal(pos(w, "H1")->stop, 510000);
    assert_int_equal(w_events(w, position_changed), 1);
    w_list(w, 0, w_now(w), NULL, 0);
    struct seen_close c = w_closed(&row, "u", 505000, clock_market_ms(&w->clock));
    w_history(w, 0, w_now(w), &c, 1);
    w_said(w, position_closed, "\"reason\":\"manual\"");
    w_fini(w);
}

static void volume_that_goes_without_a_row(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    row.volume = w_dec("0.06");
    w_list(w, 0, w_now(w), &row, 1);
    for (int k = 0; k < 5; k++)
        w_history(w, 0, w_now(w), NULL, 0);
    assert_int_equal(pos(w, "W1")->volume.v, w_dec("0.06").v);
    assert_int_equal(w_events(w, notice), 1);
    assert_int_equal(w_needs(w, 0) & NEED_CLOSED, 0);
    w_fini(w);
}

static void broken_rows(void **state)
{
    struct world *w = *state;
    struct seen_position row;
    w_open(w, "W1", &row);
    struct seen_position rows[8];
    for (int k = 0; k < 8; k++)
        rows[k] = row;
    rows[0].symbol = "NOSUCH";
    rows[1].symbol = NULL;
    rows[2].id = NULL;
    rows[3].id = "an id that is longer than the ledger can keep";
    rows[4].id = "W2", rows[4].volume = w_dec("0");
    rows[5].id = "W3", rows[5].side = (enum side)0;
    rows[6].id = "W4", rows[6].price = w_dec("-1");
    rows[7].stop = decimal_raw(INT64_MAX), rows[7].volume = w_dec("-1"); /* W1 itself */
    rows[0].id = rows[1].id = "W5";
    w_list(w, 0, w_now(w), rows, 8);
    unsigned notices = w_events(w, notice);
    assert_true(notices >= 3);
    w_list(w, 0, w_now(w), rows, 8);
    assert_int_equal(w_events(w, notice), notices); /* each once */
    assert_int_equal(w_events(w, position_opened), 1);
    assert_int_equal(w_needs(w, 0) & NEED_CLOSED, 0); /* W1 is there, whatever its row says */
    struct seen_close c = w_closed(&row, NULL, 500000, 0);
    c.id = NULL;
    w_history(w, 0, w_now(w), &c, 1);
    struct err e;
    assert_int_equal(exec_observe_positions(w->exec, 99, 0, NULL, 0, &e), ERR_NOTFOUND);
    assert_int_equal(exec_observe_closed(w->exec, -1, 0, NULL, 0, &e), ERR_NOTFOUND);
    assert_null(stream_broken(w->stream));
    w_fini(w);
}

static void balance_is_told_when_it_changes(void **state)
{
    struct world *w = *state;
    unsigned before = w_events(w, balance);
    w_quiet(w, 0);
    w_quiet(w, 0);
    assert_int_equal(w_events(w, balance), before); /* setup has told it */
    assert_int_equal(exec_observe_balance(w->exec, 0, w_dec("1000"), w_dec("1001"), w_dec("0"),
                                          w_dec("1000"), NULL),
                     0);
    assert_int_equal(w_events(w, balance), before + 1);
    assert_int_equal(ledger_account_at(w->ledger, 0)->equity.v, w_dec("1001").v);
    w_fini(w);
}

static void needs_at_the_start(void **state)
{
    struct world *w = *state;
    int64_t from;
    w_turn(w);
    assert_int_equal(w->wakes[3], 1);
    assert_int_equal(exec_needs(w->exec, 3, &from),
                     NEED_ORDERS | NEED_POSITIONS | NEED_CLOSED | NEED_BALANCE);
    assert_int_equal(from, W_START - 60000);
    assert_int_equal(exec_needs(w->exec, 99, &from), 0);
    w_quiet(w, 3);
    assert_int_equal(w_needs(w, 3), 0);
    w_die(w);
    w_live(w, W_START + 1000);
    w_turn(w);
    assert_int_equal(w->wakes[3], 1);
    assert_int_equal(w_needs(w, 3), NEED_ORDERS | NEED_POSITIONS | NEED_CLOSED | NEED_BALANCE);
    w_fini(w);
}

static void another_currency_is_told_and_taken_over(void **state)
{
    struct world *w = *state;
    struct err e;
    w_quiet(w, 0);
    unsigned before = w_events(w, balance);
    assert_int_equal(exec_observe_currency(w->exec, 0, "USD", &e), 0);
    assert_int_equal(exec_observe_currency(w->exec, 0, NULL, &e), 0);
    assert_int_equal(w_events(w, balance), before);
    assert_int_equal(exec_observe_currency(w->exec, 0, "EUR", &e), 0);
    assert_string_equal(ledger_account_at(w->ledger, 0)->currency, "EUR");
    assert_int_equal(ledger_account_at(w->ledger, 0)->balance.v, w_dec("1000").v);
    w_said(w, notice, "its currency is EUR now, and was USD");
    assert_int_equal(exec_observe_currency(w->exec, 0, "DOUBLOONS", &e), ERR_INPUT);
    assert_int_equal(exec_observe_currency(w->exec, 99, "EUR", &e), ERR_NOTFOUND);
    w_fini(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(rows_of_others),     T(volume_that_goes_without_a_row),
        T(broken_rows),        T(balance_is_told_when_it_changes),
        T(needs_at_the_start), T(another_currency_is_told_and_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
