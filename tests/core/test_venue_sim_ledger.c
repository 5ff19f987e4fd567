/* SPDX-License-Identifier: MIT
 *
 * The simulator's ledger file: the whole truth over restarts and a crash, refused when it was
 * edited.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/file.h"
#include "venue_sim_fixture.h"

/* All of the book as text. */
static void dump(const struct sim *s, struct str *out)
{
    for (int k = 0; k < sim_account_count(s); k++) {
        const struct sim_account *a = sim_account_at(s, k);
        struct sim_money m;
        assert_int_equal(sim_money(s, k, &m), 0);
        str_addf(out, "%s %s %s %d %" PRId64 " %u %" PRId64 " %" PRId64 "\n", a->id, a->user,
                 a->currency, a->leverage, a->balance.v, a->positions, m.equity.v, m.margin.v);
        size_t cursor = 0;
        for (const struct sim_closed *c; (c = sim_closed_next(s, k, 0, NEVER, &cursor)) != NULL;)
            str_addf(out,
                     "%s %s %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s %d %" PRId64
                     " %" PRId64 " %s\n",
                     c->uid, c->order, c->side, c->volume.v, c->profit.v, c->balance.v,
                     c->close_price.v, c->reason, c->partial, c->opened_ms, c->closed_ms, c->id);
    }
    size_t cursor = 0;
    for (const struct sim_position *p; (p = sim_position_next(s, -1, &cursor)) != NULL;)
        str_addf(out,
                 "%s %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %u\n",
                 p->id, p->account, p->symbol, p->side, p->volume.v, p->price.v, p->stop.v,
                 p->target.v, p->opened_ms, p->closes);
}

static decimal away(decimal price, int64_t tenths)
{
    return decimal_raw(price.v / (DECIMAL_ONE / 10) * (DECIMAL_ONE / 10) +
                       tenths * (DECIMAL_ONE / 10));
}

/* A busy hour of all kinds of orders on four accounts. */
static void trade(struct sim *s, struct rng *r, int steps)
{
    for (int k = 0; k < steps; k++) {
        struct err e;
        enum sim_reason why;
        struct sim_quote q;
        char id[32];
        advance(s, sim_now(s) + rng_range(r, 1, 20000));
        assert_true(sim_quote(s, 0, &q));
        int account = (int)rng_range(r, 0, 3);
        size_t cursor = 0;
        const struct sim_position *p = sim_position_next(s, account, &cursor);
        enum side side = rng_range(r, 0, 1) ? SIDE_BUY : SIDE_SELL;
        int64_t stop = rng_range(r, 60, 600) * -side, target = rng_range(r, 60, 900) * side;
        int rc;
        switch (p == NULL ? 0 : rng_range(r, 0, 4)) {
        case 0:
        case 1:
            rc = sim_open(s, SIM_CLIENT, account, "BTCUSD", side,
                          decimal_raw(rng_range(r, 1, 30) * (DECIMAL_ONE / 100)),
                          away(side == SIDE_BUY ? q.bid : q.ask, stop),
                          away(side == SIDE_BUY ? q.bid : q.ask, target), id, &why, &e);
            break;
        case 2:
            rc = sim_edit(s, SIM_CLIENT, account, p->id, "BTCUSD", p->side,
                          away(p->side == SIDE_BUY ? q.bid : q.ask, -300 * p->side), dec("0"), &why,
                          &e);
            break;
        case 3:
            rc = sim_close(s, SIM_CLIENT, account, p->id, "BTCUSD", p->side, true, dec("0.01"),
                           NULL, &why, &e);
            break;
        default:
            rc = sim_close(s, SIM_CLIENT, account, p->id, "BTCUSD", p->side, false, p->volume, NULL,
                           &why, &e);
            break;
        }
        assert_true(rc == 0 || rc == ERR_STATE);
    }
}

static struct sim *trading_sim(void)
{
    struct sim *s = make(&(struct sim_config){.seed = 31, .data_dir = folder, .history_bars = 30});
    assert_int_equal(add(s, "A", "USD", 100, "10000"), 0);
    assert_int_equal(add(s, "B", "EUR", 30, "5000.55"), 1);
    assert_int_equal(add(s, "C", "JPY", 500, "900000"), 2);
    assert_int_equal(add(s, "D", "GBP", 100, "25000"), 3);
    return s;
}

static void read_ledger(struct str *text)
{
    char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    str_init(text);
    assert_int_equal(file_read_all(path, text, 1 << 24, &e), 0);
}

/* Reads field n of a line. */
static void field(const char *line, int n, char *out, size_t size)
{
    while (n-- > 0)
        line = strchr(line, ',') + 1;
    size_t len = strcspn(line, ",\n");
    assert_true(len < size);
    memcpy(out, line, len);
    out[len] = '\0';
}

/* Balances are the deposits and the money of the rows, to the last digit; each row has the balance
 * after it. Read by means of its own, not by the simulator's reader. */
static void check_ledger(const struct sim *s)
{
    struct str text;
    int64_t balances[4] = {0};
    long rows = 0, closes = 0, stops = 0;
    read_ledger(&text);
    assert_int_equal(strncmp(text.p,
                             "seq,time,account,op,position,uid,symbol,side,volume,price,stop,"
                             "target,open_price,profit,commission,swap,balance,reason,"
                             "source,order,type,accrued,parts\n",
                             150),
                     0);
    for (const char *line = strchr(text.p, '\n') + 1; *line != '\0';
         line = strchr(line, '\n') + 1) {
        char account[32], op[32], number[40], reason[100];
        field(line, 0, number, sizeof number);
        assert_int_equal(atol(number), ++rows);
        field(line, 2, account, sizeof account);
        field(line, 3, op, sizeof op);
        field(line, 17, reason, sizeof reason);
        int64_t *balance = &balances[account[0] - 'A'];
        for (int k = 13; k <= 15; k++) {
            field(line, k, number, sizeof number);
            *balance += dec(number).v;
        }
        field(line, 16, number, sizeof number);
        if (strcmp(op, "account") == 0)
            *balance = dec(number).v;
        assert_int_equal(*balance, dec(number).v);
        closes += strncmp(op, "close", 5) == 0;
        stops += strcmp(reason, "stop") == 0 || strcmp(reason, "target") == 0;
    }
    for (int k = 0; k < 4; k++)
        assert_int_equal(sim_account_at(s, k)->balance.v, balances[k]);
    assert_true(closes > 50 && stops > 20);
    str_fini(&text);
}

static void test_ledger_is_the_book(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 8);
    struct sim *s = trading_sim();
    for (int round = 0; round < 5; round++) {
        struct str before, after;
        str_init(&before);
        str_init(&after);
        trade(s, &r, 80);
        int64_t now = sim_now(s);
        dump(s, &before);
        sim_free(s);
        s = trading_sim();
        assert_null(sim_report(s));
        assert_int_equal(sim_now(s), now);
        dump(s, &after);
        assert_int_equal(before.len, after.len);
        assert_memory_equal(before.p, after.p, before.len);
        str_fini(&before);
        str_fini(&after);
    }
    check_ledger(s);
    sim_free(s);
}

/* A crash: the time that was saved is older than the newest row, and the last line is torn. */
static void test_torn_line(void **state)
{
    (void)state;
    struct rng r;
    struct err e;
    rng_seed(&r, 9);
    struct sim *s = trading_sim();
    trade(s, &r, 60);
    sim_free(s);
    struct str whole;
    read_ledger(&whole);
    char path[128], saved[128];
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    snprintf(saved, sizeof saved, "%s/sim/state", folder);
    size_t last = whole.len - 1;
    while (whole.p[last - 1] != '\n')
        last--;
    struct str kept, again;
    str_init(&kept);
    for (size_t cut = whole.len - 1; cut > last; cut -= 9 < cut - last ? 9 : cut - last) {
        assert_int_equal(file_replace(path, whole.p, cut, 0600, &e), 0);
        assert_int_equal(unlink(saved), 0);
        s = trading_sim();
        if (cut > last)
            assert_non_null(strstr(sim_report(s), "torn"));
        struct str text;
        read_ledger(&text);
        assert_int_equal(text.len, last); /* cut back to whole lines */
        str_fini(&text);
        char line[64];
        size_t at = last - 1;
        while (whole.p[at - 1] != '\n')
            at--;
        field(whole.p + at, 1, line, sizeof line);
        int64_t newest_ms;
        assert_int_equal(clock_iso_parse(line, &newest_ms), 0);
        assert_int_equal(sim_now(s), newest_ms); /* never behind the newest row */
        str_init(&again);
        dump(s, &again);
        if (kept.len == 0) {
            kept = again;
        } else {
            assert_string_equal(kept.p, again.p);
            str_fini(&again);
        }
        sim_free(s);
    }
    assert_true(kept.len > 0);
    str_fini(&kept);
    /* Goes on after it, and a further start agrees. */
    s = trading_sim();
    trade(s, &r, 30);
    sim_free(s);
    s = trading_sim();
    sim_free(s);
    str_fini(&whole);
}

static void spoil(const char *text, size_t n, const char *what)
{
    char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    assert_int_equal(file_replace(path, text, n, 0600, &e), 0);
    assert_null(
        sim_new(&(struct sim_config){.seed = 31, .data_dir = folder, .history_bars = 30}, &e));
    assert_int_equal(e.code, ERR_INPUT);
    if (strstr(e.message, what) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", e.message, what);
}

/* A ledger that was edited is refused, with its line. */
static void test_broken_ledger(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 10);
    struct sim *s = trading_sim();
    trade(s, &r, 60);
    sim_free(s);
    struct str whole, copy;
    read_ledger(&whole);
    str_init(&copy);
    const char *second = strchr(strchr(whole.p, '\n') + 1, '\n') + 1;
    const char *third = strchr(second, '\n') + 1;
    /* a row is missing */
    str_add(&copy, whole.p, (size_t)(second - whole.p));
    str_addz(&copy, third);
    spoil(copy.p, copy.len, "ledger.csv:3: rows are missing");
    /* not a row */
    str_clear(&copy);
    str_add(&copy, whole.p, (size_t)(second - whole.p));
    str_addz(&copy, "what is this\n");
    spoil(copy.p, copy.len, "ledger.csv:3: not a row");
    /* another header */
    str_clear(&copy);
    str_addz(&copy, "seq,time\n");
    spoil(copy.p, copy.len, "ledger.csv:1");
    /* a balance that does not follow */
    str_clear(&copy);
    const char *close = strstr(whole.p, ",close,");
    assert_non_null(close);
    const char *end = strchr(close, '\n');
    str_add(&copy, whole.p, (size_t)(end + 1 - whole.p));
    char *line = copy.p + copy.len - 1;
    while (line[-1] != '\n')
        line--;
    for (int k = 0; k < 17; k++)
        line = strchr(line, ',') + 1;
    line[-2] = line[-2] == '1' ? '2' : '1'; /* the last digit of the 17th field, the balance */
    spoil(copy.p, copy.len, "the balance");
    /* a swap that was never carried */
    str_clear(&copy);
    str_add(&copy, whole.p, (size_t)(end - 2 - whole.p)); /* the row ends with accrued and parts */
    str_addz(&copy, "7,\n");
    spoil(copy.p, copy.len, "the swap");
    str_fini(&copy);
    str_fini(&whole);
}

/* What a row may not say after these: an account, a position of two parts, a pending order. */
static void test_contradictions(void **state)
{
    (void)state;
    static const char base[] =
        "seq,time,account,op,position,uid,symbol,side,volume,price,stop,target,open_price,profit,"
        "commission,swap,balance,reason,source,order,type,accrued,parts\n"
        "1,2024-01-01T00:00:00.000Z,A,account,,,USD,,100,0,0,0,0,0,0,0,10000,a@b.c,broker,,,0,\n"
        "2,2024-01-01T00:00:01.000Z,A,open,W1,,BTCUSD,BUY,0.5,40000.1,0,0,0,0,0,0,10000,client,"
        "hand,W2,,0,W3:0.2:40000|W4:0.3:40000.2\n"
        "3,2024-01-01T00:00:02.000Z,A,pending,W5,,BTCUSD,SELL,0.1,50000,0,0,0,0,0,0,10000,client,"
        "client,,LIMIT,0,\n"
        "4,2024-01-01T00:00:02.000Z,A,swap,W1,,BTCUSD,BUY,0.5,0,0,0,0,0,0,0,10000,nights 1,broker,"
        ",,-2.5,\n";
    static const struct {
        const char *row, *what;
    } cases[] = {
        {"B,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,", "the account"},
        {"A,steal,W1,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,", "unknown op"},
        {"A,open,W1,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,", "exists already"},
        {"A,open,,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,", "exists already"},
        {"A,open,W9,,XAUUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,", "symbol"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10001,client,client,,,0,", "the balance"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,W8:0.5:40000",
         "the parts"},
        {"A,open,W9,,BTCUSD,BUY,1,40000.1,0,0,0,0,0,0,10000,client,client,,,0,"
         "W8:0.5:40000|W7:0.5:40000",
         "the parts"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,"
         "W8:1.5:40000|W7:-0.5:40000",
         "the parts"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,"
         "W8:0.5:39999.95|W7:0.5:40000.05",
         "the parts"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,"
         "W8:0.25:40000|W7:0.25:40000|W6:0.25:40000|W4:0.25:40000",
         "not a row"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,W8:1:40000|",
         "not a row"},
        {"A,open,W9,,BTCUSD,BUY,1,40000,0,0,0,0,0,0,10000,client,client,,,0,W8:1", "not a row"},
        {"A,pending,W5,,BTCUSD,SELL,1,50000,0,0,0,0,0,0,10000,client,client,,STOP,0,",
         "exists already"},
        {"A,pending,W9,,BTCUSD,SELL,1,50000,0,0,0,0,0,0,10000,client,client,,MARKET,0,", "type"},
        {"A,pending,W9,,BTCUSD,SELL,1,0,0,0,0,0,0,0,10000,client,client,,STOP,0,", "price"},
        {"A,pending_edit,W1,,BTCUSD,SELL,1,50000,0,0,0,0,0,0,10000,client,client,,,0,",
         "the pending order is unknown"},
        {"A,pending_edit,W5,,BTCUSD,SELL,0,50000,0,0,0,0,0,0,10000,client,client,,,0,", "volume"},
        {"A,cancel,W1,,BTCUSD,SELL,1,0,0,0,0,0,0,0,10000,client,client,,,0,",
         "the pending order is unknown"},
        {"A,fill,W6,,BTCUSD,SELL,0.1,50000,0,0,0,0,0,0,10000,trigger,broker,W1,,0,",
         "the pending order is unknown"},
        {"A,fill,W6,,BTCUSD,SELL,0.2,50000,0,0,0,0,0,0,10000,trigger,broker,W5,,0,", "volume"},
        {"A,fill,W6,,BTCUSD,BUY,0.1,50000,0,0,0,0,0,0,10000,trigger,broker,W5,,0,", "side"},
        {"A,fill,W6,,EURUSD,SELL,0.1,50000,0,0,0,0,0,0,10000,trigger,broker,W5,,0,", "symbol"},
        {"A,fill,W1,,BTCUSD,SELL,0.1,50000,0,0,0,0,0,0,10000,trigger,broker,W5,,0,",
         "the position exists"},
        {"A,swap,W5,,BTCUSD,SELL,0.1,0,0,0,0,0,0,0,10000,nights 1,broker,,,-1,", "is unknown"},
        {"A,close,W1,W1_close1,BTCUSD,BUY,0.5,40000.1,0,0,0,0,0,0,10000,client,client,,,0,",
         "the swap"},
        {"A,close,W1,W1_close1,BTCUSD,BUY,0.5,40000.1,0,0,0,0,0,-1.5,9998.5,client,client,,,-1,",
         "the swap"},
        {"A,close_partial,W1,,BTCUSD,BUY,0.2,40000.1,0,0,0,0,0,-1,9999,client,client,,,-1.49,",
         "the swap"},
        {"A,credit,,,,,-1,0,0,0,0,0,0,0,10000,,broker,,,0,", "unknown operation"},
        {"A,deposit,,,,,0,0,0,0,0,5,0,0,10000,,broker,,,0,", "the balance"},
    };
    struct sim_config config = {.seed = 31, .data_dir = folder, .history_bars = 30};
    struct str text;
    char path[128];
    struct err e;
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    struct sim *s = make(&config);
    sim_free(s);
    str_init(&text);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        str_clear(&text);
        str_addf(&text, "%s5,2024-01-01T00:00:03.000Z,%s\n", base, cases[k].row);
        spoil(text.p, text.len, cases[k].what);
    }
    /* And without such a row it is a book. */
    assert_int_equal(file_replace(path, base, sizeof base - 1, 0600, &e), 0);
    s = make(&config);
    const struct sim_position *p = sim_position(s, 0, "W1");
    assert_non_null(p);
    assert_int_equal(p->part_count, 2);
    assert_string_equal(p->parts[1].id, "W4");
    assert_int_equal(p->parts[1].price.v, dec("40000.2").v);
    assert_int_equal(p->swap.v, dec("-2.5").v);
    assert_int_equal(p->by, SIM_HAND);
    assert_string_equal(p->order, "W2");
    assert_non_null(sim_pending(s, 0, "W5"));
    sim_free(s);
    str_fini(&text);
}

/* The ledger of a version without pending orders and swaps: its file gets today's columns, and the
 * book is the same before and after. */
static void test_older_ledger(void **state)
{
    (void)state;
    struct rng r;
    struct err e;
    rng_seed(&r, 12);
    struct sim *s = trading_sim();
    trade(s, &r, 120);
    struct str before, after, now, old;
    str_init(&before);
    str_init(&after);
    str_init(&old);
    dump(s, &before);
    sim_free(s);
    read_ledger(&now);
    for (const char *line = now.p; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *end = line;
        for (int k = 0; k < 18; k++)
            end = strchr(end, ',') + 1;
        str_add(&old, line, (size_t)(end - 1 - line));
        str_addc(&old, '\n');
    }
    char path[128];
    snprintf(path, sizeof path, "%s/sim/ledger.csv", folder);
    assert_int_equal(file_replace(path, old.p, old.len, 0600, &e), 0);
    s = trading_sim();
    assert_null(sim_report(s));
    dump(s, &after);
    /* Closing orders have the ids that such a version gave them; all else is as it was. */
    size_t cursor = 0;
    const struct sim_closed *c = sim_closed_next(s, 0, 0, NEVER, &cursor);
    assert_non_null(c);
    assert_int_equal(c->order[1], '6');
    assert_int_equal(before.len, after.len);
    for (size_t k = 0; k + 18 < before.len; k++) {
        if (before.p[k] == ' ' && before.p[k + 1] == 'W' && before.p[k + 2] == '7' &&
            after.p[k + 2] == '6')
            memcpy(after.p + k, before.p + k, 18);
    }
    assert_memory_equal(before.p, after.p, before.len);
    trade(s, &r, 60);
    str_clear(&after);
    str_clear(&before);
    dump(s, &before);
    sim_free(s);
    str_fini(&now);
    read_ledger(&now);
    assert_non_null(strstr(now.p, ",source,order,type,accrued,parts\n"));
    assert_true(now.len > old.len);
    s = trading_sim();
    dump(s, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, before.len);
    sim_free(s);
    str_fini(&before);
    str_fini(&after);
    str_fini(&now);
    str_fini(&old);
}

/* Nothing is executed that could not be written down. */
static void test_unwritable_ledger(void **state)
{
    (void)state;
    struct sim *s = trading_sim();
    struct err e;
    enum sim_reason why;
    char id[32];
    /* The file's descriptor is replaced by one that cannot be written to. */
    char link[64], target[256];
    int found = -1;
    for (int fd = 3; fd < 64 && found < 0; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            if (strstr(target, "ledger.csv") != NULL)
                found = fd;
        }
    }
    assert_true(found >= 0);
    FILE *null = fopen("/dev/null", "r");
    assert_non_null(null);
    int kept = dup(found);
    assert_int_equal(dup2(fileno(null), found), found);
    int rc = sim_open(s, SIM_CLIENT, 0, "BTCUSD", SIDE_BUY, dec("0.1"), dec("0"), dec("0"), id,
                      &why, &e);
    assert_int_equal(rc, ERR_IO);
    assert_int_equal(sim_account_at(s, 0)->positions, 0);
    assert_int_equal(dup2(kept, found), found);
    assert_int_equal(sim_open(s, SIM_CLIENT, 0, "BTCUSD", SIDE_BUY, dec("0.1"), dec("0"), dec("0"),
                              id, &why, &e),
                     0);
    close(kept);
    fclose(null);
    sim_free(s);
    s = trading_sim();
    assert_int_equal(sim_account_at(s, 0)->positions, 1);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ledger_is_the_book, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_torn_line, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_broken_ledger, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_contradictions, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_older_ledger, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_unwritable_ledger, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
