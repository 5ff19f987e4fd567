/* SPDX-License-Identifier: MIT
 *
 * The ledger: folding, its determinism, contradictions, marks, conversion, equity and margin.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "trade/ledger.h"

static decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static int apply(struct ledger *l, struct event *ev)
{
    struct err e;
    ev->seq++;
    int rc = ledger_apply(l, ev, &e);
    if (rc != 0)
        assert_true(e.code == rc && e.message[0] != '\0');
    return rc;
}

static int add_account(struct ledger *l, const char *id, const char *currency, int leverage)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, id);
    event_set_strz(&ev, F_account_added_user, "sim:a@b.c");
    event_set_strz(&ev, F_account_added_broker, "sim");
    event_set_strz(&ev, F_account_added_currency, currency);
    event_set_i64(&ev, F_account_added_leverage, leverage);
    return apply(l, &ev);
}

static int add_instrument(struct ledger *l, const char *symbol, const char *canonical,
                          const char *base, const char *quote, int digits, const char *contract)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, "sim");
    event_set_strz(&ev, F_instrument_symbol, symbol);
    event_set_strz(&ev, F_instrument_canonical, canonical);
    event_set_strz(&ev, F_instrument_base, base);
    event_set_strz(&ev, F_instrument_quote, quote);
    event_set_i64(&ev, F_instrument_price_digits, digits);
    event_set_i64(&ev, F_instrument_volume_digits, 2);
    event_set_dec(&ev, F_instrument_volume_min, dec("0.01"));
    event_set_dec(&ev, F_instrument_volume_max, dec("100"));
    event_set_dec(&ev, F_instrument_volume_step, dec("0.01"));
    event_set_dec(&ev, F_instrument_contract_size, dec(contract));
    return apply(l, &ev);
}

static int intent(struct ledger *l, uint64_t id, const char *account, const char *op,
                  const char *symbol, const char *side, const char *volume, const char *price)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_intent);
    ev.market_ms = 1000 + (int64_t)id;
    event_set_u64(&ev, F_intent_order, id);
    event_set_u64(&ev, F_intent_batch, id / 10 + 1);
    event_set_u64(&ev, F_intent_signal, id / 10 + 2);
    event_set_strz(&ev, F_intent_account, account);
    event_set_strz(&ev, F_intent_op, op);
    event_set_strz(&ev, F_intent_symbol, symbol);
    event_set_strz(&ev, F_intent_side, side);
    event_set_dec(&ev, F_intent_volume, dec(volume));
    event_set_dec(&ev, F_intent_price, dec(price));
    event_set_dec(&ev, F_intent_stop, dec("49900"));
    event_set_dec(&ev, F_intent_target, dec("50200"));
    event_set_i64(&ev, F_intent_tag, -1);
    event_set_i64(&ev, F_intent_attempt, 1);
    event_set_i64(&ev, F_intent_holding_ms, 180000);
    return apply(l, &ev);
}

static int step(struct ledger *l, uint16_t kind, uint64_t id, const char *broker_id)
{
    struct event ev;
    event_init(&ev, kind);
    event_set_u64(&ev, 0, id); /* the order is the first field of all of them */
    if (broker_id != NULL && kind == EVENT_KIND_order_accepted)
        event_set_strz(&ev, F_order_accepted_broker_id, broker_id);
    if (broker_id != NULL && kind == EVENT_KIND_order_adopted)
        event_set_strz(&ev, F_order_adopted_position, broker_id);
    return apply(l, &ev);
}

static int opened(struct ledger *l, const char *account, const char *id, uint64_t order,
                  const char *symbol, const char *side, const char *volume, const char *price,
                  const char *stop, const char *target)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_position_opened);
    event_set_strz(&ev, F_position_opened_account, account);
    event_set_strz(&ev, F_position_opened_position, id);
    event_set_u64(&ev, F_position_opened_order, order);
    event_set_strz(&ev, F_position_opened_symbol, symbol);
    event_set_strz(&ev, F_position_opened_side, side);
    event_set_dec(&ev, F_position_opened_volume, dec(volume));
    event_set_dec(&ev, F_position_opened_price, dec(price));
    event_set_dec(&ev, F_position_opened_stop, dec(stop));
    event_set_dec(&ev, F_position_opened_target, dec(target));
    event_set_time(&ev, F_position_opened_opened, 5000);
    event_set_bool(&ev, F_position_opened_ours, order != 0);
    return apply(l, &ev);
}

static int closed(struct ledger *l, const char *account, const char *id, const char *volume,
                  const char *net, bool partial, int64_t when)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_position_closed);
    event_set_strz(&ev, F_position_closed_account, account);
    event_set_strz(&ev, F_position_closed_position, id);
    event_set_dec(&ev, F_position_closed_volume, dec(volume));
    event_set_dec(&ev, F_position_closed_net, dec(net));
    event_set_bool(&ev, F_position_closed_partial, partial);
    event_set_time(&ev, F_position_closed_closed, when);
    return apply(l, &ev);
}

static int balance(struct ledger *l, const char *account, const char *money)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_balance);
    ev.market_ms = 777;
    event_set_strz(&ev, F_balance_account, account);
    event_set_dec(&ev, F_balance_balance, dec(money));
    event_set_dec(&ev, F_balance_equity, dec(money));
    event_set_dec(&ev, F_balance_free_margin, dec(money));
    return apply(l, &ev);
}

static struct ledger *fresh(void)
{
    struct err e;
    struct ledger *l = ledger_new(&e);
    assert_non_null(l);
    assert_int_equal(add_account(l, "A1", "USD", 100), 0);
    assert_int_equal(add_account(l, "A2", "EUR", 30), 0);
    assert_int_equal(add_instrument(l, "BTCUSD.", "BTCUSD", "BTC", "USD", 1, "1"), 0);
    assert_int_equal(add_instrument(l, "EURUSD", "EURUSD", "EUR", "USD", 5, "100000"), 0);
    assert_int_equal(add_instrument(l, "USDJPY", "USDJPY", "USD", "JPY", 3, "100000"), 0);
    assert_int_equal(add_instrument(l, "EURJPY", "EURJPY", "EUR", "JPY", 3, "100000"), 0);
    return l;
}

static void test_records(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    assert_int_equal(ledger_account_count(l), 2);
    assert_int_equal(ledger_account(l, "A2"), 1);
    assert_int_equal(ledger_account(l, "A3"), -1);
    assert_null(ledger_account_at(l, 2));
    assert_null(ledger_account_at(l, -1));
    assert_int_equal(ledger_instrument(l, "sim", "BTCUSD."), 0);
    assert_int_equal(ledger_instrument(l, "sim", "BTCUSD"), -1);
    assert_int_equal(ledger_instrument(l, "other", "BTCUSD."), -1);
    assert_int_equal(ledger_instrument_canonical(l, "sim", "BTCUSD"), 0);
    assert_int_equal(ledger_instrument_count(l), 4);

    /* One that exists is updated, and what is not said stays. */
    struct event ev;
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, "A2");
    event_set_i64(&ev, F_account_added_leverage, 50);
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(ledger_account_count(l), 2);
    assert_int_equal(ledger_account_at(l, 1)->leverage, 50);
    assert_string_equal(ledger_account_at(l, 1)->currency, "EUR");
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, "sim");
    event_set_strz(&ev, F_instrument_symbol, "BTCUSD.");
    event_set_strz(&ev, F_instrument_canonical, "XBTUSD");
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(ledger_instrument_count(l), 4);
    assert_int_equal(ledger_instrument_canonical(l, "sim", "BTCUSD"), -1);
    assert_int_equal(ledger_instrument_canonical(l, "sim", "XBTUSD"), 0);
    /* Broken contract data is refused and changes nothing. */
    event_set_dec(&ev, F_instrument_contract_size, dec("0"));
    assert_int_equal(apply(l, &ev), ERR_INPUT);
    assert_int_equal(ledger_instrument_at(l, 0)->contract_size.v, DECIMAL_ONE);
    event_init(&ev, EVENT_KIND_account_added);
    assert_int_equal(apply(l, &ev), ERR_STATE);
    event_set_strz(&ev, F_account_added_account, "012345678901234567890123456789012");
    assert_int_equal(apply(l, &ev), ERR_STATE);
    /* Kinds of others pass. */
    event_init(&ev, EVENT_KIND_notice);
    assert_int_equal(apply(l, &ev), 0);
    ledger_free(l);
    ledger_free(NULL);
}

static void test_account_state_and_balance(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct event ev;
    event_init(&ev, EVENT_KIND_account_state);
    event_set_strz(&ev, F_account_state_account, "A1");
    event_set_strz(&ev, F_account_state_state, "paused");
    assert_int_equal(apply(l, &ev), 0);
    assert_true(ledger_account_at(l, 0)->paused);
    event_set_strz(&ev, F_account_state_state, "active");
    assert_int_equal(apply(l, &ev), 0);
    assert_false(ledger_account_at(l, 0)->paused);
    event_set_strz(&ev, F_account_state_state, "asleep");
    assert_int_equal(apply(l, &ev), ERR_STATE);

    assert_false(ledger_account_at(l, 0)->have_balance);
    assert_int_equal(balance(l, "A1", "5000"), 0);
    assert_int_equal(balance(l, "A1", "4900.5"), 0);
    const struct account *a = ledger_account_at(l, 0);
    assert_true(a->have_balance);
    assert_int_equal(a->balance.v, dec("4900.5").v);
    assert_int_equal(a->balance_first.v, dec("5000").v);
    assert_int_equal(a->balance_ms, 777);
    assert_int_equal(balance(l, "A9", "1"), ERR_STATE);
    ledger_free(l);
}

static void test_entry_life(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    assert_false(ledger_entry_pending(l, 0, 0));
    assert_int_equal(intent(l, 10, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_true(ledger_entry_pending(l, 0, 0));
    assert_false(ledger_entry_pending(l, 0, 1));
    assert_false(ledger_entry_pending(l, 1, 0));
    assert_int_equal(ledger_exposure_count(l, 0), 1);
    assert_int_equal(ledger_exposure_count(l, 1), 0);
    const struct order *o = ledger_order(l, 10);
    assert_non_null(o);
    assert_int_equal(o->stop, 499000);
    assert_int_equal(o->tag, -1);
    assert_int_equal(o->intent_ms, 1010);
    assert_int_equal(ledger_last_order(l), 10);
    assert_int_equal(ledger_last_batch(l), 2);
    assert_int_equal(ledger_last_signal(l), 3);
    /* Ids rise. */
    assert_int_equal(intent(l, 10, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), ERR_STATE);
    assert_int_equal(intent(l, 9, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), ERR_STATE);

    assert_int_equal(step(l, EVENT_KIND_order_accepted, 10, "W1"), ERR_STATE); /* not sent yet */
    assert_int_equal(step(l, EVENT_KIND_order_sent, 10, NULL), 0);
    assert_int_equal(step(l, EVENT_KIND_order_accepted, 10, "W1"), 0);
    assert_int_equal(o->state, ORDER_ACCEPTED);
    assert_string_equal(o->position, "W1");
    /* Until the position is seen the entry binds the account. */
    assert_true(ledger_entry_pending(l, 0, 0));
    assert_int_equal(
        opened(l, "A1", "W1", 10, "BTCUSD.", "BUY", "0.5", "50000.1", "49900", "50200"), 0);
    assert_false(ledger_entry_pending(l, 0, 0));
    assert_int_equal(ledger_exposure_count(l, 0), 1);
    const struct position *p = ledger_position(l, 0, "W1");
    assert_non_null(p);
    assert_int_equal(p->price, 500001);
    assert_int_equal(p->holding_ms, 180000); /* from the order's plan */
    assert_true(p->ours);
    assert_int_equal(ledger_account_at(l, 0)->open_positions, 1);
    assert_int_equal(opened(l, "A1", "W1", 10, "BTCUSD.", "BUY", "0.5", "50000.1", "0", "0"),
                     ERR_STATE);
    assert_int_equal(opened(l, "A2", "W1", 0, "BTCUSD.", "SELL", "0.1", "50000.1", "0", "0"), 0);
    assert_int_equal(ledger_position(l, 1, "W1")->holding_ms, 0);

    assert_int_equal(closed(l, "A1", "W1", "0.2", "3.5", true, 6000), 0);
    assert_int_equal(p->volume.v, dec("0.3").v);
    assert_int_equal(ledger_account_at(l, 0)->trades, 0);
    assert_int_equal(closed(l, "A1", "W1", "0.3", "1", true, 6000), ERR_STATE);
    assert_int_equal(closed(l, "A1", "W1", "0.3", "-1.25", false, 7000), 0);
    assert_null(ledger_position(l, 0, "W1"));
    assert_non_null(ledger_position(l, 1, "W1"));
    const struct account *a = ledger_account_at(l, 0);
    assert_int_equal(a->trades, 1);
    assert_int_equal(a->open_positions, 0);
    assert_int_equal(a->realised.v, dec("2.25").v);
    assert_int_equal(a->last_close_ms, 7000);
    ledger_free(l);
}

/* Restart, absence, late adoption; a position that came and went between two reads. */
static void test_unknown_orders(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    assert_int_equal(intent(l, 1, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_unknown, 1, NULL), 0); /* found after a restart */
    assert_true(ledger_entry_pending(l, 0, 0));
    assert_int_equal(step(l, EVENT_KIND_order_absent, 1, NULL), 0);
    assert_false(ledger_entry_pending(l, 0, 0));
    assert_int_equal(ledger_exposure_count(l, 0), 0);
    assert_int_equal(step(l, EVENT_KIND_order_adopted, 1, "W7"), 0);
    assert_true(ledger_entry_pending(l, 0, 0)); /* it is there, and not yet in the table */
    assert_int_equal(opened(l, "A1", "W7", 1, "BTCUSD.", "BUY", "0.5", "50000", "0", "0"), 0);
    assert_false(ledger_entry_pending(l, 0, 0));

    /* Seen first, adopted afterwards. */
    assert_int_equal(intent(l, 2, "A2", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 2, NULL), 0);
    assert_int_equal(step(l, EVENT_KIND_order_unknown, 2, NULL), 0);
    assert_int_equal(opened(l, "A2", "W8", 2, "BTCUSD.", "BUY", "0.5", "50000", "0", "0"), 0);
    assert_true(ledger_entry_pending(l, 1, 0));
    assert_int_equal(step(l, EVENT_KIND_order_adopted, 2, "W8"), 0);
    assert_false(ledger_entry_pending(l, 1, 0));
    assert_int_equal(ledger_exposure_count(l, 1), 1);

    /* Accepted, and already in the history when the lists were read. */
    assert_int_equal(intent(l, 3, "A1", "open", "BTCUSD.", "SELL", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 3, NULL), 0);
    assert_int_equal(step(l, EVENT_KIND_order_accepted, 3, "W9"), 0);
    assert_true(ledger_entry_pending(l, 0, 0));
    assert_int_equal(closed(l, "A1", "W9", "0.5", "-10", false, 9000), 0);
    assert_false(ledger_entry_pending(l, 0, 0));
    assert_int_equal(ledger_account_at(l, 0)->trades, 1);
    assert_int_equal(ledger_account_at(l, 0)->open_positions, 1);

    /* Refused and never sent ones are gone at once; closes do not count as entries. */
    assert_int_equal(intent(l, 4, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_not_sent, 4, NULL), 0);
    assert_int_equal(intent(l, 5, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 5, NULL), 0);
    assert_int_equal(step(l, EVENT_KIND_order_rejected, 5, NULL), 0);
    assert_int_equal(intent(l, 6, "A1", "close", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_false(ledger_entry_pending(l, 0, 0));
    assert_int_equal(ledger_exposure_count(l, 0), 1);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 99, NULL), ERR_STATE);
    ledger_free(l);
}

static void test_position_events(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct event ev;
    assert_int_equal(opened(l, "A1", "W1", 0, "BTCUSD.", "SELL", "1", "50000", "50100", "49900"),
                     0);
    const struct position *p = ledger_position(l, 0, "W1");
    event_init(&ev, EVENT_KIND_position_changed);
    event_set_strz(&ev, F_position_changed_account, "A1");
    event_set_strz(&ev, F_position_changed_position, "W1");
    event_set_dec(&ev, F_position_changed_stop, dec("50050.5"));
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(p->stop, 500505);
    assert_int_equal(p->target, 499000); /* not said: as it was */
    event_set_dec(&ev, F_position_changed_target, dec("0"));
    event_set_dec(&ev, F_position_changed_volume, dec("0.4"));
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(p->target, 0);
    assert_int_equal(p->volume.v, dec("0.4").v);
    event_set_dec(&ev, F_position_changed_volume, dec("0"));
    assert_int_equal(apply(l, &ev), ERR_STATE);
    event_set_strz(&ev, F_position_changed_position, "W2");
    assert_int_equal(apply(l, &ev), ERR_STATE);

    event_init(&ev, EVENT_KIND_position_closing);
    event_set_strz(&ev, F_position_closing_account, "A1");
    event_set_strz(&ev, F_position_closing_position, "W1");
    event_set_strz(&ev, F_position_closing_reason, "manual");
    event_set_dec(&ev, F_position_closing_volume, dec("0.1"));
    assert_int_equal(apply(l, &ev), 0);
    assert_true(p->closing);
    assert_string_equal(p->close_reason, "manual");
    assert_int_equal(closed(l, "A1", "W1", "0.1", "1", true, 1), 0);
    assert_false(p->closing); /* the part that was wanted is done */
    event_set_strz(&ev, F_position_closing_reason, "time");
    event_set_dec(&ev, F_position_closing_volume, dec("0"));
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(closed(l, "A1", "W1", "0.1", "1", true, 1), 0);
    assert_true(p->closing); /* all of it is wanted, and some is left */
    event_set_strz(&ev, F_position_closing_position, "W2");
    assert_int_equal(apply(l, &ev), ERR_STATE);
    assert_int_equal(opened(l, "A1", "W3", 0, "BTCUSD", "SELL", "1", "50000", "0", "0"), ERR_STATE);
    assert_int_equal(opened(l, "A4", "W3", 0, "BTCUSD.", "SELL", "1", "50000", "0", "0"),
                     ERR_STATE);
    assert_int_equal(opened(l, "A1", "W3", 0, "BTCUSD.", "UP", "1", "50000", "0", "0"), ERR_STATE);
    assert_int_equal(opened(l, "A1", "W3", 0, "BTCUSD.", "BUY", "0", "50000", "0", "0"), ERR_STATE);
    assert_int_equal(closed(l, "A9", "W1", "1", "1", false, 1), ERR_STATE);

    /* Another number of digits: the points follow. */
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, "sim");
    event_set_strz(&ev, F_instrument_symbol, "BTCUSD.");
    event_set_i64(&ev, F_instrument_price_digits, 2);
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(p->price, 5000000);
    assert_int_equal(p->stop, 5005050);
    ledger_free(l);
}

static void test_convert(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct err e;
    double rate, bid, ask;
    assert_int_equal(ledger_convert(l, "sim", "USD", "USD", &rate, &e), 0);
    assert_true(rate == 1.0);
    assert_int_equal(ledger_convert(l, "sim", "EUR", "USD", &rate, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.message, "EUR"));
    assert_false(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask));
    ledger_mark(l, "sim", "EURUSD", 1.10, 1.12, NULL, NULL);
    assert_true(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask));
    assert_true(bid == 1.10 && ask == 1.12);
    assert_int_equal(ledger_convert(l, "sim", "EUR", "USD", &rate, &e), 0);
    assert_true(rate == 1.10); /* received euros are sold at the bid */
    assert_int_equal(ledger_convert_cost(l, "sim", "EUR", "USD", &rate, &e), 0);
    assert_true(rate == 1.12);
    assert_int_equal(ledger_convert(l, "sim", "USD", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 1.12);
    assert_int_equal(ledger_convert_cost(l, "sim", "USD", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 1.10);
    /* Across the dollar: yen of a EURJPY position into pounds needs both legs. */
    assert_int_equal(add_instrument(l, "GBPUSD", "GBPUSD", "GBP", "USD", 5, "100000"), 0);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "USDJPY", 150.0, 151.0, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "GBPUSD", 1.25, 1.26, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "GBP", &rate, &e), 0);
    assert_true(rate == (1.0 / 151.0) * (1.0 / 1.26));
    assert_int_equal(ledger_convert_cost(l, "sim", "JPY", "GBP", &rate, &e), 0);
    assert_true(rate == (1.0 / 150.0) * (1.0 / 1.25));
    /* A direct pair is preferred to the cross. */
    ledger_mark(l, "sim", "EURJPY", 160.0, 161.0, NULL, NULL);
    assert_int_equal(ledger_convert(l, "sim", "JPY", "EUR", &rate, &e), 0);
    assert_true(rate == 1.0 / 161.0);
    assert_int_equal(ledger_convert(l, "other", "JPY", "EUR", &rate, &e), ERR_NOTFOUND);
    /* A quote that cannot be one is no rate. */
    ledger_mark(l, "sim", "EURUSD", 0.0, 1.0, NULL, NULL);
    ledger_mark(l, "sim", "EURUSD", 1.2, 1.1, NULL, NULL);
    assert_true(ledger_rate_quote(l, "sim", "EURUSD", &bid, &ask) && bid == 1.10);
    ledger_free(l);
}

static void count_crossed(void *arg, const struct position *p)
{
    strcat(arg, p->id);
    strcat(arg, " ");
}

static void test_marks(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    char seen[64] = "";
    decimal equity;
    assert_int_equal(opened(l, "A1", "W1", 0, "BTCUSD.", "BUY", "0.5", "50000", "49900", "50200"),
                     0);
    assert_int_equal(opened(l, "A1", "W2", 0, "BTCUSD.", "SELL", "1", "50000", "50100", "49800"),
                     0);
    assert_int_equal(opened(l, "A2", "W3", 0, "BTCUSD.", "BUY", "1", "50000", "0", "0"), 0);
    assert_false(ledger_equity(l, 0, &equity)); /* no balance */
    assert_int_equal(balance(l, "A1", "1000"), 0);
    assert_int_equal(balance(l, "A2", "2000"), 0);
    assert_false(ledger_equity(l, 0, &equity)); /* no mark: the broker's figure */
    assert_int_equal(equity.v, dec("1000").v);

    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50010.0, 50012.0, count_crossed, seen), 0);
    assert_int_equal(ledger_position(l, 0, "W1")->mark, 500100);
    assert_int_equal(ledger_position(l, 0, "W2")->mark, 500120);
    assert_true(ledger_equity(l, 0, &equity)); /* + 5 - 12 */
    assert_int_equal(equity.v, dec("993").v);
    assert_false(ledger_equity(l, 1, &equity)); /* no rate to EUR */
    assert_int_equal(equity.v, dec("2000").v);
    ledger_mark(l, "sim", "EURUSD", 1.25, 1.25, NULL, NULL);
    assert_true(ledger_equity(l, 1, &equity)); /* 10 USD are 8 EUR: the pair revalues */
    assert_int_equal(equity.v, dec("2008").v);
    ledger_mark(l, "sim", "EURUSD", 1.0, 1.0, NULL, NULL);
    assert_true(ledger_equity(l, 1, &equity));
    assert_int_equal(equity.v, dec("2010").v);
    assert_false(ledger_equity(l, 7, &equity));

    /* Crossings are told once: the bid reaches the buyer's stop, the ask the seller's target. */
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49900.0, 49902.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 ");
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49890.0, 49892.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49799.0, 49801.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 49798.0, 49800.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 W2 ");
    /* From beyond one level to beyond the other is the same crossing; coming back ends it. */
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50198.0, 50200.0, count_crossed, seen), 0);
    assert_int_equal(ledger_mark(l, "sim", "BTCUSD", 50200.0, 50202.0, count_crossed, seen), 1);
    assert_string_equal(seen, "W1 W2 W1 ");
    assert_int_equal(ledger_mark(l, "sim", "nothing", 1.0, 2.0, count_crossed, seen), 0);
    ledger_free(l);
}

static void test_margin(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct err e;
    decimal m;
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, 0);
    assert_int_equal(opened(l, "A1", "W1", 0, "BTCUSD.", "BUY", "0.5", "50000", "0", "0"), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("250").v);
    assert_int_equal(intent(l, 1, "A1", "open", "BTCUSD.", "BUY", "0.1", "50000"), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("300").v); /* what is in flight binds too */
    assert_int_equal(step(l, EVENT_KIND_order_not_sent, 1, NULL), 0);
    assert_int_equal(ledger_margin(l, 0, &m, &e), 0);
    assert_int_equal(m.v, dec("250").v);
    assert_int_equal(opened(l, "A2", "W2", 0, "BTCUSD.", "BUY", "0.3", "50000", "0", "0"), 0);
    assert_int_equal(ledger_margin(l, 1, &m, &e), ERR_NOTFOUND);
    ledger_mark(l, "sim", "EURUSD", 1.25, 1.26, NULL, NULL);
    assert_int_equal(ledger_margin(l, 1, &m, &e), 0);
    assert_int_equal(m.v, dec("400").v); /* 15,000 USD / 1.25 / 30 */
    assert_int_equal(ledger_margin(l, 9, &m, &e), ERR_NOTFOUND);
    ledger_free(l);
}

/* Everything that is folded, as text. */
static void dump(const struct ledger *l, struct str *out)
{
    for (int k = 0; k < ledger_account_count(l); k++) {
        const struct account *a = ledger_account_at(l, k);
        str_addf(out, "%s %s %s %d %d %ld %ld %ld %u %u %ld %ld\n", a->id, a->currency, a->user,
                 a->leverage, a->paused, (long)a->balance.v, (long)a->balance_first.v,
                 (long)a->balance_ms, a->open_positions, a->trades, (long)a->realised.v,
                 (long)a->last_close_ms);
    }
    size_t cursor = 0;
    const struct position *p;
    while ((p = ledger_position_next(l, -1, &cursor)) != NULL)
        str_addf(out, "%s %d %d %lu %lu %d %ld %ld %ld %ld %ld %ld %d %d %s %ld\n", p->id,
                 p->account, p->instrument, (unsigned long)p->order, (unsigned long)p->signal,
                 p->side, (long)p->volume.v, (long)p->price, (long)p->stop, (long)p->target,
                 (long)p->opened_ms, (long)p->holding_ms, p->ours, p->closing, p->close_reason,
                 (long)p->closing_volume.v);
    cursor = 0;
    const struct order *o;
    while ((o = ledger_order_next(l, &cursor)) != NULL)
        str_addf(out, "%lu %lu %d %d %s %s %d %ld %ld %s %d\n", (unsigned long)o->id,
                 (unsigned long)o->batch, o->account, o->instrument, order_op_name(o->op),
                 order_state_name(o->state), o->side, (long)o->volume.v, (long)o->price,
                 o->position, o->shown);
    for (int k = 0; k < ledger_account_count(l); k++)
        str_addf(out, "%d %u\n", ledger_entry_pending(l, k, 0), ledger_exposure_count(l, k));
    str_addf(out, "%lu %lu %lu\n", (unsigned long)ledger_last_order(l),
             (unsigned long)ledger_last_batch(l), (unsigned long)ledger_last_signal(l));
}

/* A random but mostly lawful life. Unlawful events are refused and must leave no trace. */
static void live(struct ledger *l, uint64_t seed, struct str *refused)
{
    struct rng r;
    rng_seed(&r, seed);
    uint64_t next = 1;
    for (int k = 0; k < 30000; k++) {
        uint64_t id = (uint64_t)rng_range(&r, next > 30 ? (int64_t)next - 30 : 1, (int64_t)next);
        const char *account = rng_range(&r, 0, 1) ? "A1" : "A2";
        char position[16];
        snprintf(position, sizeof position, "W%d", (int)rng_range(&r, 1, 60));
        static const uint16_t kinds[] = {EVENT_KIND_order_sent,     EVENT_KIND_order_accepted,
                                         EVENT_KIND_order_rejected, EVENT_KIND_order_unknown,
                                         EVENT_KIND_order_absent,   EVENT_KIND_order_adopted,
                                         EVENT_KIND_order_not_sent};
        int rc;
        switch (rng_range(&r, 0, 9)) {
        case 0:
        case 1:
        case 2:
            rc = intent(l, next++, account, rng_range(&r, 0, 3) ? "open" : "close", "BTCUSD.",
                        "BUY", "0.1", "50000");
            break;
        case 3:
            rc = opened(l, account, position, id, "BTCUSD.", "SELL", "0.3", "50000", "0", "49000");
            break;
        case 4:
            rc = closed(l, account, position, "0.1", "-0.5", rng_range(&r, 0, 1) == 0, k);
            break;
        default:
            rc = step(l, kinds[rng_range(&r, 0, 6)], id, position);
            break;
        }
        if (rng_range(&r, 0, 3) == 0) /* marks are no part of the fold */
            ledger_mark(l, "sim", "BTCUSD", 49000.0 + (double)seed, 50000.0, NULL, NULL);
        if (refused != NULL)
            str_addf(refused, "%d", rc != 0);
    }
}

static void test_fold_is_deterministic(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct str first, second;
        str_init(&first);
        str_init(&second);
        struct ledger *a = fresh(), *b = fresh();
        live(a, seed, &first);
        live(b, seed, &second);
        dump(a, &first);
        dump(b, &second);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.p, second.p, first.len);
        assert_non_null(strstr(first.p, "00"));
        assert_non_null(strstr(first.p, "11"));
        ledger_free(a);
        ledger_free(b);
        str_fini(&first);
        str_fini(&second);
    }
}

/* Settled orders leave after many newer ones; those that are not settled never do. */
static void test_orders_leave(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    assert_int_equal(intent(l, 1, "A1", "open", "BTCUSD.", "BUY", "0.1", "50000"), 0);
    assert_int_equal(intent(l, 2, "A1", "open", "BTCUSD.", "BUY", "0.1", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_not_sent, 2, NULL), 0);
    uint64_t last = 3 * LEDGER_KEEP_ORDERS;
    for (uint64_t id = 3; id <= last; id++) {
        assert_int_equal(intent(l, id, "A2", "open", "BTCUSD.", "BUY", "0.1", "50000"), 0);
        assert_int_equal(step(l, EVENT_KIND_order_not_sent, id, NULL), 0);
        if (id == LEDGER_KEEP_ORDERS)
            assert_non_null(ledger_order(l, 2));
    }
    assert_null(ledger_order(l, 2));
    assert_non_null(ledger_order(l, 1));
    assert_non_null(ledger_order(l, last - LEDGER_KEEP_ORDERS + 1));
    assert_true(ledger_entry_pending(l, 0, 0));
    size_t cursor = 0, count = 0;
    uint64_t before = 0;
    for (const struct order *o; (o = ledger_order_next(l, &cursor)) != NULL; count++) {
        assert_true(o->id > before);
        before = o->id;
    }
    assert_true(count > LEDGER_KEEP_ORDERS && count <= 2 * LEDGER_KEEP_ORDERS);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 1, NULL), 0);
    ledger_free(l);
}

static void test_iteration(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    const char *ids[] = {"W3", "W1", "W2", "W5", "W4"};
    for (int k = 0; k < 5; k++)
        assert_int_equal(
            opened(l, k % 2 ? "A2" : "A1", ids[k], 0, "BTCUSD.", "BUY", "1", "1", "0", "0"), 0);
    char all[32] = "", first[32] = "";
    size_t cursor = 0;
    const struct position *p;
    while ((p = ledger_position_next(l, -1, &cursor)) != NULL)
        strcat(all, p->id);
    assert_string_equal(all, "W3W1W2W5W4");
    assert_int_equal(closed(l, "A1", "W2", "1", "0", false, 1), 0);
    cursor = 0;
    while ((p = ledger_position_next(l, 0, &cursor)) != NULL)
        strcat(first, p->id);
    assert_string_equal(first, "W3W4");
    cursor = 0;
    assert_null(ledger_position_next(l, 9, &cursor));
    ledger_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_account_state_and_balance),
        cmocka_unit_test(test_entry_life),
        cmocka_unit_test(test_unknown_orders),
        cmocka_unit_test(test_position_events),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_margin),
        cmocka_unit_test(test_orders_leave),
        cmocka_unit_test(test_iteration),
        cmocka_unit_test(test_fold_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
