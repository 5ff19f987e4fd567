/* SPDX-License-Identifier: MIT
 *
 * What the tests of the ledger share: its events from a few words, and a ledger of two accounts and
 * four instruments.
 */
#ifndef PERIGEE_TESTS_TRADE_LEDGER_FIXTURE_H
#define PERIGEE_TESTS_TRADE_LEDGER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "trade/ledger.h"

static inline decimal dec(const char *text)
{
    decimal d;
    assert_int_equal(decimal_parse(text, strlen(text), &d), 0);
    return d;
}

static inline int apply(struct ledger *l, struct event *ev)
{
    struct err e;
    ev->seq++;
    int rc = ledger_apply(l, ev, &e);
    if (rc != 0)
        assert_true(e.code == rc && e.message[0] != '\0');
    return rc;
}

static inline int add_account(struct ledger *l, const char *id, const char *currency, int leverage)
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

static inline int add_instrument(struct ledger *l, const char *symbol, const char *canonical,
                                 const char *base, const char *quote, int digits,
                                 const char *contract)
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

static inline int intent(struct ledger *l, uint64_t id, const char *account, const char *op,
                         const char *symbol, const char *side, const char *volume,
                         const char *price)
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

static inline int step(struct ledger *l, uint16_t kind, uint64_t id, const char *broker_id)
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

static inline int opened(struct ledger *l, const char *account, const char *id, uint64_t order,
                         const char *symbol, const char *side, const char *volume,
                         const char *price, const char *stop, const char *target)
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

static inline int closed(struct ledger *l, const char *account, const char *id, const char *volume,
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

static inline int balance(struct ledger *l, const char *account, const char *money)
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

static inline struct ledger *fresh(void)
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

#endif
