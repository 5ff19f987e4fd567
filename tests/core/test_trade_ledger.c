/* SPDX-License-Identifier: MIT
 *
 * The ledger: folding, its determinism, contradictions, and what leaves it.
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
#include "trade_ledger_fixture.h"

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
    event_set_strz(&ev, F_account_added_uuid, "u-2");
    event_set_u64(&ev, F_account_added_user_id, 7);
    assert_int_equal(apply(l, &ev), 0);
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, "A2");
    assert_int_equal(apply(l, &ev), 0);
    assert_string_equal(ledger_account_at(l, 1)->uuid, "u-2");
    assert_int_equal(ledger_account_at(l, 1)->user_id, 7);
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
/* An order tells when its newest step was and why it ended. */
static void test_why(void **state)
{
    (void)state;
    struct ledger *l = fresh();
    struct event ev;
    char words[200];
    assert_int_equal(intent(l, 1, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(ledger_order(l, 1)->updated_ms, 1001);
    event_init(&ev, EVENT_KIND_order_sent);
    ev.market_ms = 2000;
    event_set_u64(&ev, F_order_sent_order, 1);
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(ledger_order(l, 1)->updated_ms, 2000);
    event_init(&ev, EVENT_KIND_order_unknown);
    event_set_u64(&ev, F_order_unknown_order, 1);
    event_set_strz(&ev, F_order_unknown_cause, "timeout");
    assert_int_equal(apply(l, &ev), 0);
    assert_string_equal(ledger_order(l, 1)->why, "timeout");
    assert_int_equal(step(l, EVENT_KIND_order_absent, 1, NULL), 0);
    assert_string_equal(ledger_order(l, 1)->why, "");

    /* Words that do not fit are cut, and not inside a character. */
    assert_int_equal(intent(l, 2, "A1", "open", "BTCUSD.", "BUY", "0.5", "50000"), 0);
    assert_int_equal(step(l, EVENT_KIND_order_sent, 2, NULL), 0);
    memset(words, 'x', sizeof words);
    memcpy(words + 125, "\xe2\x82\xac", 3); /* bytes 125 to 127 of the text */
    event_init(&ev, EVENT_KIND_order_rejected);
    event_set_u64(&ev, F_order_rejected_order, 2);
    event_set_str(&ev, F_order_rejected_reason, words, sizeof words);
    assert_int_equal(apply(l, &ev), 0);
    assert_int_equal(strlen(ledger_order(l, 2)->why), 125);
    ledger_free(l);
}

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
        cmocka_unit_test(test_why),
        cmocka_unit_test(test_position_events),
        cmocka_unit_test(test_orders_leave),
        cmocka_unit_test(test_iteration),
        cmocka_unit_test(test_fold_is_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
