/* SPDX-License-Identifier: MIT
 *
 * Pending orders of the simulator: what is refused, what triggers them and at which price, what
 * happens without margin, and that they outlive a restart.
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

#include "venue_sim_fixture.h"

static char last_id[32];

static struct sim_wish wish(enum side side, enum sim_type type, const char *volume,
                            const char *price, const char *stop, const char *target)
{
    return (struct sim_wish){.symbol = "BTCUSD",
                             .side = side,
                             .type = type,
                             .volume = dec(volume),
                             .price = dec(price),
                             .stop = dec(stop),
                             .target = dec(target)};
}

static enum sim_reason create(struct sim *s, int account, enum side side, enum sim_type type,
                              const char *volume, const char *price, const char *stop,
                              const char *target)
{
    struct err e;
    enum sim_reason why;
    struct sim_wish w = wish(side, type, volume, price, stop, target);
    int rc = sim_pending_create(s, SIM_CLIENT, account, &w, last_id, &why, &e);
    assert_int_equal(rc, why == SIM_OK ? 0 : ERR_STATE);
    return why;
}

static const char *const steady[] = {"50000", "50000", "50000", "50000"};

/* Bid 49,999.0, ask 50,001.0, stops level 10 points. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        enum side side;
        enum sim_type type;
        const char *volume, *price, *stop, *target;
        enum sim_reason why;
    } cases[] = {
        {SIDE_BUY, SIM_LIMIT, "0.1", "50001", "0", "0", SIM_PRICE},
        {SIDE_BUY, SIM_LIMIT, "0.1", "50000.1", "0", "0", SIM_PRICE_LEVEL},
        {SIDE_BUY, SIM_LIMIT, "0.1", "50000", "0", "0", SIM_OK},
        {SIDE_SELL, SIM_LIMIT, "0.1", "49999", "0", "0", SIM_PRICE},
        {SIDE_SELL, SIM_LIMIT, "0.1", "49999.9", "0", "0", SIM_PRICE_LEVEL},
        {SIDE_SELL, SIM_LIMIT, "0.1", "50000", "0", "0", SIM_OK},
        {SIDE_BUY, SIM_STOP, "0.1", "50001", "0", "0", SIM_PRICE},
        {SIDE_BUY, SIM_STOP, "0.1", "50001.9", "0", "0", SIM_PRICE_LEVEL},
        {SIDE_BUY, SIM_STOP, "0.1", "50002", "0", "0", SIM_OK},
        {SIDE_SELL, SIM_STOP, "0.1", "49999", "0", "0", SIM_PRICE},
        {SIDE_SELL, SIM_STOP, "0.1", "49998.1", "0", "0", SIM_PRICE_LEVEL},
        {SIDE_SELL, SIM_STOP, "0.1", "49998", "0", "0", SIM_OK},
        {SIDE_BUY, SIM_LIMIT, "0.1", "0", "0", "0", SIM_PRICE},
        {SIDE_BUY, SIM_LIMIT, "0.1", "-5", "0", "0", SIM_PRICE},
        {SIDE_BUY, SIM_LIMIT, "0", "49900", "0", "0", SIM_VOLUME},
        {SIDE_BUY, SIM_LIMIT, "0.015", "49900", "0", "0", SIM_VOLUME},
        {SIDE_BUY, SIM_LIMIT, "101", "49900", "0", "0", SIM_VOLUME},
        /* Stop and target are held against the activation price, not the market's. */
        {SIDE_BUY, SIM_LIMIT, "0.1", "49900", "49950", "0", SIM_STOPS_SIDE},
        {SIDE_BUY, SIM_LIMIT, "0.1", "49900", "49899.1", "0", SIM_STOPS_LEVEL},
        {SIDE_BUY, SIM_LIMIT, "0.1", "49900", "0", "49900", SIM_STOPS_SIDE},
        {SIDE_BUY, SIM_LIMIT, "0.1", "49900", "49899", "49901", SIM_OK},
        {SIDE_SELL, SIM_STOP, "0.1", "49900", "49899", "0", SIM_STOPS_SIDE},
        {SIDE_SELL, SIM_STOP, "0.1", "49900", "49901", "49899", SIM_OK},
        /* Far more than the account can pay: asked for at the trigger only. */
        {SIDE_BUY, SIM_LIMIT, "100", "49900", "0", "0", SIM_OK},
    };
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1", "USD", 100, "1000");
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        if (create(s, a, cases[k].side, cases[k].type, cases[k].volume, cases[k].price,
                   cases[k].stop, cases[k].target) != cases[k].why)
            fail_msg("case %zu", k);
    assert_int_equal(sim_account_at(s, a)->pendings, 7);
    struct sim_wish w = wish(SIDE_BUY, SIM_LIMIT, "0.1", "49900", "0", "0");
    w.symbol = "ETHUSD";
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, a, &w, last_id, &why, &e), ERR_STATE);
    assert_int_equal(why, SIM_UNKNOWN_INSTRUMENT);
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, 7, &w, last_id, &why, &e), ERR_NOTFOUND);
    sim_free(s);
    free(t.bars);
}

static void test_edit_and_cancel(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1", "USD", 100, "1000"), b = add(s, "2", "USD", 100, "1000");
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "0.1", "49900", "49000", "51000"), SIM_OK);
    char id[32];
    strcpy(id, last_id);
    struct sim_wish w = wish(SIDE_BUY, SIM_STOP, "0.2", "49800", "0", "50500");
#define REFUSED(call, reason)                                                                      \
    do {                                                                                           \
        assert_int_equal(call, ERR_STATE);                                                         \
        assert_int_equal(why, reason);                                                             \
    } while (0)
    REFUSED(sim_pending_edit(s, SIM_CLIENT, b, id, &w, &why, &e), SIM_UNKNOWN_ORDER);
    REFUSED(sim_pending_edit(s, SIM_CLIENT, a, "W1", &w, &why, &e), SIM_UNKNOWN_ORDER);
    w.side = SIDE_SELL;
    REFUSED(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), SIM_SIDE);
    w.side = SIDE_BUY;
    w.symbol = "EURUSD";
    REFUSED(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), SIM_INSTRUMENT);
    w.symbol = "BTCUSD";
    w.price = dec("50100");
    REFUSED(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), SIM_PRICE);
    const struct sim_pending *p = sim_pending(s, a, id);
    assert_int_equal(p->price.v, dec("49900").v);
    w.price = dec("49800");
    assert_int_equal(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), 0);
    assert_int_equal(p->type, SIM_LIMIT); /* it stays what it is */
    assert_int_equal(p->volume.v, dec("0.2").v);
    assert_int_equal(p->price.v, dec("49800").v);
    assert_int_equal(p->stop.v, 0);
    assert_int_equal(p->target.v, dec("50500").v);
    REFUSED(sim_pending_cancel(s, SIM_CLIENT, b, id, "BTCUSD", &why, &e), SIM_UNKNOWN_ORDER);
    REFUSED(sim_pending_cancel(s, SIM_CLIENT, a, id, "EURUSD", &why, &e), SIM_INSTRUMENT);
    assert_int_equal(sim_pending_cancel(s, SIM_CLIENT, a, id, "BTCUSD", &why, &e), 0);
    assert_null(sim_pending(s, a, id));
    assert_int_equal(sim_account_at(s, a)->pendings, 0);
    REFUSED(sim_pending_cancel(s, SIM_CLIENT, a, id, "BTCUSD", &why, &e), SIM_UNKNOWN_ORDER);
    REFUSED(sim_close(s, SIM_CLIENT, a, id, "BTCUSD", SIDE_BUY, false, dec("0"), NULL, &why, &e),
            SIM_UNKNOWN_ID);
    /* After the end of the market nothing is created or edited; what waits can be cancelled. */
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "0.1", "49900", "0", "0"), SIM_OK);
    strcpy(id, last_id);
    advance(s, sim_end(s));
    w = wish(SIDE_BUY, SIM_LIMIT, "0.1", "49800", "0", "0");
    REFUSED(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), SIM_NO_QUOTE);
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "0.1", "49900", "0", "0"), SIM_NO_QUOTE);
    assert_int_equal(sim_pending_cancel(s, SIM_CLIENT, a, id, "BTCUSD", &why, &e), 0);
#undef REFUSED
    sim_free(s);
    free(t.bars);
}

/* The market goes 50,000 -> 49,900 -> 50,100; quotes are one dollar around it. */
static const char *const moves[] = {"50000", "50000", "49900", "50100", "50100"};

static void test_triggers(void **state)
{
    (void)state;
    static const struct {
        enum side side;
        enum sim_type type;
        const char *price, *filled; /* NULL: never */
    } cases[] = {
        {SIDE_BUY, SIM_LIMIT, "49901", "49901"}, /* ask touches it */
        {SIDE_BUY, SIM_LIMIT, "49950", "49901"}, /* jumped over: better than asked */
        {SIDE_BUY, SIM_LIMIT, "49900.9", NULL},  /* missed by a point */
        {SIDE_SELL, SIM_STOP, "49899", "49899"}, /* bid touches it */
        {SIDE_SELL, SIM_STOP, "49950", "49899"}, /* jumped over: worse than asked */
        {SIDE_SELL, SIM_STOP, "49898.9", NULL},
        {SIDE_SELL, SIM_LIMIT, "50099", "50099"}, /* bid touches it */
        {SIDE_SELL, SIM_LIMIT, "50050", "50099"},
        {SIDE_SELL, SIM_LIMIT, "50099.1", NULL},
        {SIDE_BUY, SIM_STOP, "50101", "50101"},
        {SIDE_BUY, SIM_STOP, "50050", "50101"},
        {SIDE_BUY, SIM_STOP, "50101.1", NULL},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct tape t;
    char ids[CASES][32];
    struct sim *s = flat_sim(&t, moves, 5, NULL);
    int a = add(s, "1", "USD", 100, "100000");
    for (int k = 0; k < CASES; k++) {
        assert_int_equal(
            create(s, a, cases[k].side, cases[k].type, "0.1", cases[k].price, "0", "0"), SIM_OK);
        strcpy(ids[k], last_id);
    }
    advance(s, sim_end(s));
    size_t filled = 0;
    for (int k = 0; k < CASES; k++) {
        const struct sim_position *p = sim_position(s, a, ids[k]);
        assert_true((p != NULL) == (cases[k].filled != NULL));
        assert_true((sim_pending(s, a, ids[k]) != NULL) == (cases[k].filled == NULL));
        if (p == NULL)
            continue;
        assert_int_equal(p->price.v, dec(cases[k].filled).v);
        assert_int_equal(p->by, SIM_BROKER);
        assert_int_equal(p->side, cases[k].side);
        filled++;
    }
    assert_int_equal(sim_account_at(s, a)->positions, filled);
    assert_int_equal(sim_account_at(s, a)->pendings, CASES - filled);
    sim_free(s);
    free(t.bars);
}

/* Its stop and target come with it; they are looked at from the next quote on. The id is another
 * one when the broker gives orders ids of their own. */
static void test_becomes_a_position(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    struct sim *s = flat_sim(&t, moves, 5, NULL);
    int a = add(s, "1", "USD", 100, "100000");
    struct sim_model m = *sim_model(s);
    m.order_id_differs = true;
    assert_int_equal(sim_set_model(s, &m, &e), 0);
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "0.1", "49950", "49000", "50050"), SIM_OK);
    size_t cursor = 0;
    advance(s, sim_start(s) + 2 * MINUTE - 1);
    const struct sim_position *p = sim_position_next(s, a, &cursor);
    assert_non_null(p);
    assert_string_not_equal(p->id, last_id);
    assert_string_equal(p->order, last_id);
    assert_int_equal(p->stop.v, dec("49000").v);
    advance(s, sim_end(s));
    cursor = 0;
    const struct sim_closed *c = sim_closed_next(s, a, 0, NEVER, &cursor);
    assert_string_equal(c->reason, "target");
    assert_int_equal(c->close_price.v, dec("50050").v);
    assert_int_equal(c->profit.v, dec("14.9").v); /* 0.1 * (50050 - 49901) */
    /* The rows name both. */
    const struct sim_row *row = sim_row_at(s, 2);
    assert_string_equal(row->op, "fill");
    assert_string_equal(row->order, last_id);
    assert_string_equal(row->position, c->id);
    assert_string_equal(row->source, "broker");
    sim_free(s);
    free(t.bars);
}

static void test_no_margin_at_the_trigger(void **state)
{
    (void)state;
    struct tape t;
    struct sim *s = flat_sim(&t, moves, 5, NULL);
    int a = add(s, "1", "USD", 100, "1000");
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "1", "49950", "0", "0"), SIM_OK);
    /* At 49,901 a lot binds 499.01 and its spread costs 2: a second one lacks two cents. */
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "1", "49930", "0", "0"), SIM_OK);
    advance(s, sim_start(s) + 2 * MINUTE - 1);
    assert_int_equal(sim_account_at(s, a)->pendings, 0);
    const struct sim_row *row = sim_row_at(s, sim_row_count(s) - 1);
    assert_string_equal(row->op, "cancel");
    assert_string_equal(row->position, last_id);
    assert_string_equal(row->reason, "NOT_ENOUGH_MONEY");
    assert_string_equal(row->source, "broker");
    assert_int_equal(sim_account_at(s, a)->positions, 1);
    sim_free(s);
    free(t.bars);
}

static void test_disabled_at_the_trigger(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    struct sim *s = flat_sim(&t, moves, 5, NULL);
    int a = add(s, "1", "USD", 100, "100000");
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "1", "49950", "0", "0"), SIM_OK);
    struct sim_terms terms;
    sim_terms(s, 0, &terms);
    terms.disabled = true;
    assert_int_equal(sim_set_terms(s, &terms, &e), 0);
    advance(s, sim_start(s) + 2 * MINUTE - 1);
    assert_int_equal(sim_account_at(s, a)->positions + sim_account_at(s, a)->pendings, 0);
    assert_string_equal(sim_row_at(s, sim_row_count(s) - 1)->reason, "TRADING_DISABLED");
    sim_free(s);
    free(t.bars);
}

static void test_restart(void **state)
{
    (void)state;
    struct tape t;
    struct sim *s = flat_sim(&t, moves, 5, folder);
    int a = add(s, "1", "USD", 100, "100000");
    assert_int_equal(create(s, a, SIDE_BUY, SIM_LIMIT, "0.1", "49950", "49000", "51000"), SIM_OK);
    char limit[32], stop[32];
    strcpy(limit, last_id);
    assert_int_equal(create(s, a, SIDE_BUY, SIM_STOP, "0.2", "50050", "0", "0"), SIM_OK);
    strcpy(stop, last_id);
    struct sim_pending before = *sim_pending(s, a, limit);
    sim_free(s);
    free(t.bars);

    s = flat_sim(&t, moves, 5, folder);
    assert_int_equal(sim_account_at(s, a)->pendings, 2);
    const struct sim_pending *p = sim_pending(s, a, limit);
    assert_non_null(p);
    assert_string_equal(p->id, before.id);
    assert_int_equal(p->side, before.side);
    assert_int_equal(p->type, before.type);
    assert_int_equal(p->volume.v, before.volume.v);
    assert_int_equal(p->price.v, before.price.v);
    assert_int_equal(p->stop.v, before.stop.v);
    assert_int_equal(p->target.v, before.target.v);
    assert_int_equal(p->created_ms, before.created_ms);
    assert_int_equal(create(s, a, SIDE_BUY, SIM_STOP, "0.2", "50060", "0", "0"), SIM_OK);
    assert_string_not_equal(last_id, stop);
    advance(s, sim_start(s) + 2 * MINUTE - 1);
    assert_non_null(sim_position(s, a, limit));
    sim_free(s);
    free(t.bars);

    s = flat_sim(&t, moves, 5, folder); /* the fill was written down, too */
    assert_null(sim_pending(s, a, limit));
    assert_int_equal(sim_position(s, a, limit)->price.v, dec("49901").v);
    assert_non_null(sim_pending(s, a, stop));
    advance(s, sim_end(s));
    assert_int_equal(sim_position(s, a, stop)->price.v, dec("50101").v);
    sim_free(s);
    free(t.bars);
}

/* What a hand does is the same, and the book says that it was one. */
static void test_by_hand(void **state)
{
    (void)state;
    struct tape t;
    struct err e;
    enum sim_reason why;
    char id[32];
    struct sim *s = flat_sim(&t, steady, 4, NULL);
    int a = add(s, "1", "USD", 100, "1000");
    struct sim_model m = *sim_model(s);
    m.reject_share = 1.0; /* clients are refused; a hand is not */
    m.reject_reason = SIM_DEALER;
    assert_int_equal(sim_set_model(s, &m, &e), 0);
    struct sim_wish w = wish(SIDE_BUY, SIM_LIMIT, "0.1", "49900", "0", "0");
    assert_int_equal(sim_pending_create(s, SIM_CLIENT, a, &w, id, &why, &e), ERR_STATE);
    assert_int_equal(why, SIM_DEALER);
    assert_int_equal(sim_pending_create(s, SIM_HAND, a, &w, id, &why, &e), 0);
    assert_int_equal(sim_pending(s, a, id)->by, SIM_HAND);
    w.price = dec("49800");
    assert_int_equal(sim_pending_edit(s, SIM_CLIENT, a, id, &w, &why, &e), ERR_STATE);
    assert_int_equal(sim_pending_edit(s, SIM_HAND, a, id, &w, &why, &e), 0);
    assert_int_equal(sim_pending_cancel(s, SIM_CLIENT, a, id, "BTCUSD", &why, &e), ERR_STATE);
    assert_int_equal(sim_pending_cancel(s, SIM_HAND, a, id, "BTCUSD", &why, &e), 0);
    assert_int_equal(
        sim_open(s, SIM_HAND, a, "BTCUSD", SIDE_BUY, dec("0.1"), dec("0"), dec("0"), id, &why, &e),
        0);
    assert_int_equal(sim_position(s, a, id)->by, SIM_HAND);
    assert_int_equal(
        sim_edit(s, SIM_HAND, a, id, "BTCUSD", SIDE_BUY, dec("49000"), dec("0"), &why, &e), 0);
    struct sim_closed c;
    assert_int_equal(
        sim_close(s, SIM_HAND, a, id, "BTCUSD", SIDE_BUY, false, dec("0"), &c, &why, &e), 0);
    assert_int_equal(c.by, SIM_HAND);
    assert_int_equal(sim_row_count(s), 7);
    for (size_t k = 1; k < sim_row_count(s); k++)
        assert_string_equal(sim_row_at(s, k)->source, "hand");
    sim_free(s);
    free(t.bars);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_edit_and_cancel),
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_becomes_a_position),
        cmocka_unit_test(test_no_margin_at_the_trigger),
        cmocka_unit_test(test_disabled_at_the_trigger),
        cmocka_unit_test_setup_teardown(test_restart, make_folder, drop_folder),
        cmocka_unit_test(test_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
