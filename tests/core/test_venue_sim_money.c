/* SPDX-License-Identifier: MIT
 *
 * Money adds up: thousands of random orders, pending orders, nights, stop-outs, credits and partial
 * closes on accounts of several currencies, against a slow book of the test's own. It sees what a
 * client sees, rows and quotes, and works everything out again in whole 10^-8 units of 128 bits: it
 * shares neither the simulator's arithmetic nor its tables.
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
#include "venue_sim_fixture.h"

typedef __int128 wide;

#define ONE INT64_C(100000000)
#define DAY INT64_C(86400000)
#define CENT (ONE / 100)
#define ACCOUNTS 4
#define MOST 4000

/* The reference's book */

struct ref_position {
    char id[32], account[32], symbol[32];
    int sign;
    int64_t volume, price, swap, stop, target;
    int64_t opened_ms;
};

struct ref_pending {
    char id[32], symbol[32];
    int sign;
    bool stop; /* STOP, not LIMIT */
    int64_t volume, price;
};

struct reference {
    struct sim *s;
    struct {
        char id[32], currency[8];
        int64_t balance, credit, leverage;
    } accounts[ACCOUNTS];
    int count;
    struct ref_position positions[MOST];
    int open;
    struct ref_pending pendings[MOST];
    int waiting;
    struct {
        char name[32];
        int64_t bid, ask;
    } quotes[16];
    int symbols;
    int64_t swap_due; /* midnight of the newest swap row */
    long rows, seen[12];
};

enum { OPEN, EDIT, CLOSE, PART, PENDING, CHANGE, CANCEL, FILL, SWAP, STOP_OUT, DEPOSIT, CREDIT };

static wide floor_div(wide a, wide b)
{
    wide q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

/* To the nearest multiple of a cent, ties to even. */
static int64_t to_cents(wide amount)
{
    wide below = floor_div(amount, CENT), rest = amount - below * CENT;
    if (2 * rest > CENT || (2 * rest == CENT && below % 2 != 0))
        below++;
    return (int64_t)(below * CENT);
}

static void quote_of(const struct reference *r, const char *symbol, int64_t *bid, int64_t *ask)
{
    *bid = *ask = 0;
    for (int k = 0; k < r->symbols; k++) {
        if (strcmp(r->quotes[k].name, symbol) == 0) {
            *bid = r->quotes[k].bid;
            *ask = r->quotes[k].ask;
            return;
        }
    }
    fail_msg("no quote of %s", symbol);
}

/* One leg of a conversion through the dollar, rounded down to 10^-8; we receive or owe. */
static wide leg(const struct reference *r, wide amount, const char *from, const char *to, bool get)
{
    char pair[32];
    int64_t bid, ask;
    if (strcmp(from, to) == 0)
        return amount;
    bool direct = strcmp(to, "USD") == 0 && strcmp(from, "JPY") != 0; /* EURUSD, GBPUSD */
    bool inverse = strcmp(from, "USD") == 0 && strcmp(to, "JPY") != 0;
    if (direct || inverse) {
        snprintf(pair, sizeof pair, "%.3sUSD", direct ? from : to);
        quote_of(r, pair, &bid, &ask);
        return direct ? floor_div(amount * (get ? bid : ask), ONE)
                      : floor_div(amount * ONE, get ? ask : bid);
    }
    quote_of(r, "USDJPY", &bid, &ask);
    return strcmp(to, "JPY") == 0 ? floor_div(amount * (get ? bid : ask), ONE)
                                  : floor_div(amount * ONE, get ? ask : bid);
}

static wide convert(const struct reference *r, wide amount, const char *from, const char *to)
{
    if (strcmp(from, to) == 0)
        return amount;
    return leg(r, leg(r, amount, from, "USD", amount > 0), "USD", to, amount > 0);
}

static const char *quote_currency(const char *symbol)
{
    return symbol + 3; /* six letters each */
}

static int64_t point_of(const char *symbol)
{
    return strcmp(symbol, "BTCUSD") == 0   ? ONE / 10
           : strcmp(symbol, "EURUSD") == 0 ? ONE / 100000
                                           : ONE / 1000;
}

static int64_t contract(const char *symbol)
{
    return strcmp(symbol, "BTCUSD") == 0 ? 1 : 100000;
}

static wide profit_of(const struct reference *r, const struct ref_position *p, const char *currency,
                      int64_t volume, int64_t price)
{
    wide amount = floor_div((wide)(price - p->price) * p->sign * volume, ONE) * contract(p->symbol);
    return convert(r, amount, quote_currency(p->symbol), currency);
}

static int account_of(const struct reference *r, const char *id)
{
    for (int k = 0; k < r->count; k++)
        if (strcmp(r->accounts[k].id, id) == 0)
            return k;
    fail_msg("no account %s", id);
    return -1;
}

static struct ref_position *position_of(struct reference *r, const char *id)
{
    for (int k = 0; k < r->open; k++)
        if (strcmp(r->positions[k].id, id) == 0)
            return &r->positions[k];
    fail_msg("no position %s", id);
    return NULL;
}

static struct ref_pending *pending_of(struct reference *r, const char *id)
{
    for (int k = 0; k < r->waiting; k++)
        if (strcmp(r->pendings[k].id, id) == 0)
            return &r->pendings[k];
    fail_msg("no pending order %s", id);
    return NULL;
}

/* Rows */

static void ref_open(struct reference *r, const struct sim_row *row)
{
    int64_t bid, ask, sum = 0;
    wide weighed = 0;
    quote_of(r, row->symbol, &bid, &ask);
    int sign = strcmp(row->side, "BUY") == 0 ? 1 : -1;
    int64_t quote = sign > 0 ? ask : bid, off = row->price.v - quote;
    int64_t point = point_of(row->symbol);
    assert_true(off <= 5 * point && off >= -5 * point);
    for (size_t k = 0; k < row->part_count; k++) {
        sum += row->parts[k].volume.v;
        weighed += (wide)row->parts[k].volume.v * row->parts[k].price.v;
    }
    if (row->part_count > 0) {
        assert_int_equal(sum, row->volume.v);
        wide twice = 2 * ((wide)row->price.v * sum - weighed);
        assert_true(twice <= (wide)point * sum && twice >= -(wide)point * sum);
    }
    struct ref_position *p = &r->positions[r->open++];
    assert_true(r->open < MOST);
    *p = (struct ref_position){.sign = sign,
                               .volume = row->volume.v,
                               .price = row->price.v,
                               .stop = row->stop.v,
                               .target = row->target.v,
                               .opened_ms = row->time_ms};
    strcpy(p->id, row->position);
    strcpy(p->account, row->account);
    strcpy(p->symbol, row->symbol);
}

static void ref_fill(struct reference *r, const struct sim_row *row)
{
    struct ref_pending *w = pending_of(r, row->order);
    int64_t bid, ask;
    quote_of(r, row->symbol, &bid, &ask);
    int64_t now = w->sign > 0 ? ask : bid;
    assert_true((w->sign > 0) == w->stop ? now >= w->price : now <= w->price);
    assert_int_equal(row->price.v, now);
    assert_int_equal(row->volume.v, w->volume);
    ref_open(r, row);
    *w = r->pendings[--r->waiting];
}

static void ref_close(struct reference *r, int account, const struct sim_row *row)
{
    struct ref_position *p = position_of(r, row->position);
    const char *currency = r->accounts[account].currency;
    bool part = strcmp(row->op, "close_partial") == 0;
    int64_t bid, ask;
    quote_of(r, row->symbol, &bid, &ask);
    int64_t now = p->sign > 0 ? bid : ask;
    if (strcmp(row->reason, "stop") == 0) {
        assert_true(p->sign > 0 ? now <= p->stop : now >= p->stop);
        assert_int_equal(row->price.v, now);
    } else if (strcmp(row->reason, "target") == 0) {
        assert_true(p->sign > 0 ? now >= p->target : now <= p->target);
        assert_int_equal(row->price.v, p->target);
    } else if (strcmp(row->reason, "stop_out") == 0) {
        assert_int_equal(row->price.v, now);
        r->seen[STOP_OUT]++;
    }
    assert_true(part ? row->volume.v < p->volume : row->volume.v == p->volume);
    assert_int_equal(row->profit.v,
                     to_cents(profit_of(r, p, currency, row->volume.v, row->price.v)));
    /* 3.5 a lot and side on BTCUSD, both sides, away from zero to 10^-8 before the cent. */
    wide commission = strcmp(p->symbol, "BTCUSD") == 0 ? (wide)row->volume.v * 7 : 0;
    assert_int_equal(row->commission.v, to_cents(-commission));
    wide share = (wide)p->swap * row->volume.v, cents = floor_div(share, (wide)p->volume * CENT);
    wide rest = share - cents * p->volume * CENT, half = (wide)p->volume * CENT;
    if (2 * rest > half || (2 * rest == half && cents % 2 != 0))
        cents++;
    assert_int_equal(row->swap.v, part ? (int64_t)(cents * CENT) : p->swap);
    p->swap -= row->swap.v;
    assert_int_equal(row->accrued.v, p->swap);
    p->volume -= row->volume.v;
    if (!part) {
        assert_int_equal(p->swap, 0);
        *p = r->positions[--r->open];
    }
}

static void ref_swap(struct reference *r, int account, const struct sim_row *row)
{
    static const int nights[] = {1, 1, 3, 1, 1, 0, 0}; /* by the midnight: Tuesday, 2 January */
    struct ref_position *p = position_of(r, row->position);
    int64_t days = row->time_ms / DAY - INT64_C(1704067200000) / DAY - 1;
    assert_int_equal(row->time_ms % DAY, 0);
    assert_true(p->opened_ms < row->time_ms);
    int count = nights[(days % 7 + 7) % 7];
    assert_int_not_equal(count, 0);
    /* -100 and -20 points of 0.1 on BTCUSD; -0.61 and 0.12 pips of 0.0001 on EURUSD; 0.92 and
     * -1.64 of 0.01 yen on USDJPY: in hundredths of the quote currency a lot. */
    int64_t lot = strcmp(p->symbol, "BTCUSD") == 0   ? (p->sign > 0 ? -1000 : -200)
                  : strcmp(p->symbol, "EURUSD") == 0 ? (p->sign > 0 ? -610 : 120)
                                                     : (p->sign > 0 ? 92000 : -164000);
    wide amount = floor_div((wide)lot * CENT * p->volume, ONE) * count;
    p->swap +=
        to_cents(convert(r, amount, quote_currency(p->symbol), r->accounts[account].currency));
    assert_int_equal(row->accrued.v, p->swap);
}

static void ref_pending_row(struct reference *r, const struct sim_row *row, bool change)
{
    struct ref_pending *w = change ? pending_of(r, row->position) : &r->pendings[r->waiting++];
    assert_true(r->waiting < MOST);
    if (!change) {
        strcpy(w->id, row->position);
        strcpy(w->symbol, row->symbol);
        w->sign = strcmp(row->side, "BUY") == 0 ? 1 : -1;
    }
    w->stop = strcmp(row->type, "STOP") == 0;
    w->volume = row->volume.v;
    w->price = row->price.v;
}

static int kind_of(const char *op)
{
    static const char *const ops[] = {"open",         "edit",   "close", "close_partial", "pending",
                                      "pending_edit", "cancel", "fill",  "swap",          "",
                                      "deposit",      "credit"};
    for (int k = 0; k < 12; k++)
        if (strcmp(ops[k], op) == 0)
            return k;
    return -1;
}

static void on_row(void *arg, const struct sim_row *row)
{
    struct reference *r = arg;
    assert_int_equal(row->seq, ++r->rows);
    if (strcmp(row->op, "account") == 0) {
        int k = r->count++;
        strcpy(r->accounts[k].id, row->account);
        snprintf(r->accounts[k].currency, 8, "%.7s", row->symbol);
        r->accounts[k].balance = row->balance.v;
        r->accounts[k].leverage = row->volume.v / ONE;
        return;
    }
    int account = account_of(r, row->account), kind = kind_of(row->op);
    assert_true(kind >= 0);
    r->seen[kind]++;
    switch (kind) {
    case OPEN:
        ref_open(r, row);
        break;
    case FILL:
        ref_fill(r, row);
        break;
    case EDIT:
        position_of(r, row->position)->stop = row->stop.v;
        position_of(r, row->position)->target = row->target.v;
        break;
    case CLOSE:
    case PART:
        ref_close(r, account, row);
        break;
    case SWAP:
        ref_swap(r, account, row);
        break;
    case PENDING:
    case CHANGE:
        ref_pending_row(r, row, kind == CHANGE);
        break;
    case CANCEL:
        *pending_of(r, row->position) = r->pendings[r->waiting - 1];
        r->waiting--;
        break;
    case CREDIT:
        r->accounts[account].credit = row->volume.v;
        break;
    default:
        break;
    }
    r->accounts[account].balance += row->profit.v + row->commission.v + row->swap.v;
    assert_int_equal(r->accounts[account].balance, row->balance.v);
}

static void on_quote(void *arg, int symbol, const struct sim_quote *q)
{
    struct reference *r = arg;
    r->quotes[symbol].bid = q->bid.v;
    r->quotes[symbol].ask = q->ask.v;
}

/* The whole state, against what the simulator says of it. */
static void compare(struct reference *r)
{
    for (int k = 0; k < r->count; k++) {
        wide floating = 0, margin = 0;
        int64_t carried = 0;
        for (int n = 0; n < r->open; n++) {
            const struct ref_position *p = &r->positions[n];
            if (strcmp(p->account, r->accounts[k].id) != 0)
                continue;
            int64_t bid, ask, leverage = r->accounts[k].leverage;
            bool coin = strcmp(p->symbol, "BTCUSD") == 0;
            quote_of(r, p->symbol, &bid, &ask);
            floating +=
                profit_of(r, p, r->accounts[k].currency, p->volume, p->sign > 0 ? bid : ask);
            carried += p->swap - (coin ? p->volume * 7 : 0);
            if (coin && leverage > 100) /* the instrument's own cap */
                leverage = 100;
            wide notional = -floor_div(-(wide)p->volume * p->price, ONE) * contract(p->symbol);
            wide owed = floor_div(-notional, leverage);
            margin -= convert(r, owed, quote_currency(p->symbol), r->accounts[k].currency);
        }
        struct sim_money m;
        assert_int_equal(sim_money(r->s, k, &m), 0);
        assert_int_equal(m.balance.v, r->accounts[k].balance);
        assert_int_equal(m.credit.v, r->accounts[k].credit);
        assert_int_equal(m.profit.v, (int64_t)floating);
        assert_int_equal(m.margin.v, (int64_t)margin);
        int64_t equity = r->accounts[k].balance + r->accounts[k].credit + (int64_t)floating;
        assert_int_equal(m.equity.v, equity + carried);
        assert_int_equal(m.free_margin.v, m.equity.v - m.margin.v);
        /* A second of quotes later nobody is below the stop-out level. */
        if (margin > 0)
            assert_true((wide)m.equity.v * 2 > margin);
    }
    int64_t bid, ask;
    for (int n = 0; n < r->open; n++) { /* nothing that was reached is still there */
        const struct ref_position *p = &r->positions[n];
        quote_of(r, p->symbol, &bid, &ask);
        int64_t now = p->sign > 0 ? bid : -ask, stop = p->stop * p->sign;
        assert_true(p->stop == 0 || now > stop || p->opened_ms == sim_now(r->s));
    }
    for (int n = 0; n < r->waiting; n++) {
        const struct ref_pending *w = &r->pendings[n];
        quote_of(r, w->symbol, &bid, &ask);
        int64_t now = w->sign > 0 ? ask : bid;
        assert_true((w->sign > 0) == w->stop ? now < w->price : now > w->price);
    }
}

/* Orders */

static decimal away(const struct instrument *i, decimal price, int64_t points)
{
    int64_t at;
    assert_int_equal(instrument_to_points(i, price, DECIMAL_HALF_EVEN, &at), 0);
    return instrument_price(i, at + points);
}

struct draw {
    const char *symbol;
    enum side side;
    decimal volume, stop, target, price;
    enum sim_type type;
};

static struct draw draw_order(struct sim *s, struct rng *g)
{
    static const char *const symbols[] = {"BTCUSD", "BTCUSD", "EURUSD", "USDJPY"};
    struct draw d = {.symbol = symbols[rng_range(g, 0, 3)],
                     .side = rng_range(g, 0, 1) ? SIDE_BUY : SIDE_SELL,
                     .type = rng_range(g, 0, 1) ? SIM_LIMIT : SIM_STOP};
    struct sim_quote q;
    int symbol = sim_symbol(s, d.symbol);
    const struct instrument *i = sim_symbol_at(s, symbol);
    assert_true(sim_quote(s, symbol, &q));
    bool coin = symbol == 0;
    d.volume = decimal_raw(rng_range(g, 1, coin ? 1500 : 300) * (ONE / 100));
    int64_t near = coin ? 60 : 12, far = coin ? 6000 : 60;
    d.price = away(i, d.side == SIDE_BUY ? q.ask : q.bid,
                   rng_range(g, near, far) * d.side * (d.type == SIM_STOP ? 1 : -1));
    decimal closing = d.side == SIDE_BUY ? q.bid : q.ask;
    if (rng_range(g, 0, 2) == 0)
        d.stop = away(i, closing, -rng_range(g, near, far) * d.side);
    if (rng_range(g, 0, 2) == 0)
        d.target = away(i, closing, rng_range(g, near, far) * d.side);
    return d;
}

static int act_on_position(struct sim *s, struct rng *g, const struct sim_position *p, int what)
{
    struct err e;
    enum sim_reason why;
    struct sim_quote q;
    const struct instrument *i = sim_symbol_at(s, p->symbol);
    assert_true(sim_quote(s, p->symbol, &q));
    enum sim_by by = rng_range(g, 0, 5) == 0 ? SIM_HAND : SIM_CLIENT;
    if (what == 0) {
        decimal stop = away(i, p->side == SIDE_BUY ? q.bid : q.ask, -300 * p->side);
        return sim_edit(s, by, p->account, p->id, i->symbol, p->side, stop, dec("0"), &why, &e);
    }
    decimal part = decimal_raw(p->volume.v / ONE * ONE / 3 + (ONE / 100));
    part.v -= part.v % (ONE / 100);
    return sim_close(s, by, p->account, p->id, i->symbol, p->side, what == 1,
                     part.v > 0 && what == 1 ? part : dec("0"), NULL, &why, &e);
}

static int act_on_pending(struct sim *s, struct rng *g, const struct sim_pending *p,
                          const struct draw *d)
{
    struct err e;
    enum sim_reason why;
    const char *symbol = sim_symbol_at(s, p->symbol)->symbol;
    if (rng_range(g, 0, 2) == 0)
        return sim_pending_cancel(s, SIM_CLIENT, p->account, p->id, symbol, &why, &e);
    struct sim_wish w = {.symbol = symbol, .side = p->side, .volume = d->volume, .price = d->price};
    return sim_pending_edit(s, SIM_CLIENT, p->account, p->id, &w, &why, &e);
}

static int act(struct sim *s, struct rng *g)
{
    struct err e;
    enum sim_reason why;
    char id[32];
    int account = (int)rng_range(g, 0, ACCOUNTS - 1);
    struct draw d = draw_order(s, g);
    size_t cursor = 0, cursor2 = 0;
    const struct sim_position *p = NULL;
    for (int64_t skip = rng_range(g, 0, 6); skip >= 0; skip--) {
        const struct sim_position *next = sim_position_next(s, account, &cursor);
        p = next != NULL ? next : p;
    }
    const struct sim_pending *w = sim_pending_next(s, account, &cursor2);
    int64_t what = rng_range(g, 0, 11);
    if (what >= 6 && what <= 8 && p != NULL)
        return act_on_position(s, g, p, (int)what - 6);
    const struct sim_account *a = sim_account_at(s, account);
    if ((what == 9 || a->pendings > 12) && w != NULL)
        return act_on_pending(s, g, w, &d);
    if (what == 10 && rng_range(g, 0, 9) == 0)
        return sim_set_credit(s, account, decimal_raw(rng_range(g, 0, 500) * CENT), &e);
    if (what == 10)
        return sim_deposit(s, account, decimal_raw(rng_range(g, -90000, 40000) * CENT), &e);
    if (what < 4 && a->positions < 12)
        return sim_open(s, SIM_CLIENT, account, d.symbol, d.side, d.volume, d.stop, d.target, id,
                        &why, &e);
    if (a->positions + a->pendings > 15)
        return 0;
    struct sim_wish wish = {
        .symbol = d.symbol, .side = d.side, .type = d.type, .volume = d.volume, .price = d.price};
    return sim_pending_create(s, SIM_CLIENT, account, &wish, id, &why, &e);
}

/* Two days, from another weekday with each seed. */
static void play(uint64_t seed, long total[12])
{
    static struct reference r;
    struct rng g;
    struct sim_model m;
    struct sim_terms t;
    struct sim_config c = {.seed = seed, .history_bars = 2, .model = &m, .terms = &t};
    c.start_ms = INT64_C(1704067200000) + ((int64_t)seed * 2 - 1) * DAY + 12 * 3600000;
    rng_seed(&g, seed);
    sim_model_default(&m);
    m.slippage_points = 5;
    m.partial_fills = 0.3;
    m.reject_share = 0.05;
    m.order_id_differs = seed % 2 == 0;
    assert_true(sim_terms_default(&c, "BTCUSD", &t));
    t.commission = dec("3.5");
    c.terms_count = 1;
    struct sim *s = make(&c);
    r = (struct reference){.s = s, .symbols = sim_symbol_count(s)};
    for (int k = 0; k < r.symbols; k++) {
        struct sim_quote q;
        strcpy(r.quotes[k].name, sim_symbol_at(s, k)->symbol);
        assert_true(sim_quote(s, k, &q));
        on_quote(&r, k, &q);
    }
    sim_listen(s, &(struct sim_feed){.arg = &r, .on_row = on_row, .on_quote = on_quote});
    add(s, "A", "USD", 100, "20000");
    add(s, "B", "EUR", 30, "15000.55");
    add(s, "C", "JPY", 400, "1900000");
    add(s, "D", "GBP", 200, "9000");
    for (int64_t end = sim_start(s) + 2 * DAY; sim_now(s) < end;) {
        advance(s, sim_now(s) +
                       (rng_range(&g, 0, 7) ? rng_range(&g, 1, 60000) : rng_range(&g, 1, 3000000)));
        for (int64_t n = rng_range(&g, 1, 4); n > 0; n--) {
            int rc = act(s, &g);
            assert_true(rc == 0 || rc == ERR_STATE || rc == ERR_INPUT);
        }
        compare(&r);
    }
    assert_int_equal(r.rows, sim_row_count(s));
    for (int k = 0; k < 12; k++)
        total[k] += r.seen[k];
    sim_free(s);
}

static void test_money_adds_up(void **state)
{
    (void)state;
    long total[12] = {0};
    for (uint64_t seed = 1; seed <= 3; seed++)
        play(seed, total);
    for (int k = 0; k < 12; k++)
        if (total[k] < 5)
            fail_msg("operation %d was seen %ld times only", k, total[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_money_adds_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
