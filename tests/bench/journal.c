/* SPDX-License-Identifier: MIT
 *
 * The journal: events of whole order lives (intent, sent, accepted, opened, closed) through the
 * stream and the ledger onto the disk with interval sync, and read back by a restart.
 *
 * events_per_s: a commit for each 100 events, as a fan-out makes them. single_events_per_s: a
 * commit for each event. fold_events_per_s: opening the journal, every event through the ledger.
 */
#include <unistd.h>

#include "bench.h"
#include "store/stream.h"
#include "trade/ledger.h"

struct house {
    struct clock clock;
    struct loop loop;
    struct stream *stream;
    struct ledger *ledger;
    uint64_t events; /* emitted */
};

static int fold(void *arg, const struct event *ev, struct err *e)
{
    return ledger_apply(arg, ev, e);
}

static void house_open(struct house *h, const char *folder, struct journal_report *report)
{
    struct err e = {0};
    struct journal_config config = {.folder = folder, .sync = JOURNAL_SYNC_INTERVAL};
    memset(h, 0, sizeof *h);
    clock_init(&h->clock);
    bench_check(loop_init(&h->loop, &h->clock, NULL, &e), &e);
    if (!(h->stream = stream_new(&h->loop, &e)) || !(h->ledger = ledger_new(&e)))
        bench_die("%s", e.message);
    if (stream_reduce(h->stream, fold, h->ledger))
        bench_die("the stream takes no reducer");
    bench_check(stream_open(h->stream, &config, report, &e), &e);
}

static void house_close(struct house *h)
{
    stream_free(h->stream);
    ledger_free(h->ledger);
    loop_fini(&h->loop);
}

static void put(struct house *h, struct event *ev, unsigned each)
{
    struct err e;
    bench_check(stream_emit(h->stream, ev, &e), &e);
    if (++h->events % each == 0)
        bench_check(stream_commit(h->stream, &e), &e);
}

static void populate(struct house *h)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_instrument);
    event_set_strz(&ev, F_instrument_venue, "paper");
    event_set_strz(&ev, F_instrument_symbol, "BTCUSD");
    event_set_strz(&ev, F_instrument_canonical, "BTCUSD");
    event_set_strz(&ev, F_instrument_base, "BTC");
    event_set_strz(&ev, F_instrument_quote, "USD");
    event_set_i64(&ev, F_instrument_price_digits, 2);
    event_set_i64(&ev, F_instrument_volume_digits, 2);
    event_set_dec(&ev, F_instrument_volume_min, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_volume_max, decimal_int(100));
    event_set_dec(&ev, F_instrument_volume_step, decimal_raw(DECIMAL_ONE / 100));
    event_set_dec(&ev, F_instrument_contract_size, decimal_int(1));
    put(h, &ev, 1);
    event_init(&ev, EVENT_KIND_account_added);
    event_set_strz(&ev, F_account_added_account, "500001");
    event_set_strz(&ev, F_account_added_user, "paper:bench@example.com");
    event_set_strz(&ev, F_account_added_broker, "paper");
    event_set_strz(&ev, F_account_added_currency, "USD");
    event_set_i64(&ev, F_account_added_leverage, 100);
    put(h, &ev, 1);
}

static void put_intent(struct house *h, uint64_t id, unsigned each)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_intent);
    event_set_u64(&ev, F_intent_order, id);
    event_set_u64(&ev, F_intent_batch, id);
    event_set_u64(&ev, F_intent_signal, id);
    event_set_strz(&ev, F_intent_account, "500001");
    event_set_strz(&ev, F_intent_op, "open");
    event_set_strz(&ev, F_intent_symbol, "BTCUSD");
    event_set_strz(&ev, F_intent_side, "BUY");
    event_set_dec(&ev, F_intent_volume, decimal_raw(DECIMAL_ONE / 10));
    event_set_dec(&ev, F_intent_price, decimal_int(60000));
    event_set_dec(&ev, F_intent_stop, decimal_int(59400));
    event_set_dec(&ev, F_intent_target, decimal_int(61200));
    event_set_i64(&ev, F_intent_tag, -1);
    event_set_i64(&ev, F_intent_attempt, 1);
    const char *plan = "{\"holding_seconds\":300,\"opposite\":true}";
    event_set_json(&ev, F_intent_plan, plan, strlen(plan));
    event_set_i64(&ev, F_intent_holding_ms, 300000);
    put(h, &ev, each);
}

static void put_position(struct house *h, uint64_t id, const char *name, unsigned each)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_position_opened);
    event_set_strz(&ev, F_position_opened_account, "500001");
    event_set_strz(&ev, F_position_opened_position, name);
    event_set_u64(&ev, F_position_opened_order, id);
    event_set_strz(&ev, F_position_opened_symbol, "BTCUSD");
    event_set_strz(&ev, F_position_opened_side, "BUY");
    event_set_dec(&ev, F_position_opened_volume, decimal_raw(DECIMAL_ONE / 10));
    event_set_dec(&ev, F_position_opened_price, decimal_int(60000));
    event_set_dec(&ev, F_position_opened_stop, decimal_int(59400));
    event_set_dec(&ev, F_position_opened_target, decimal_int(61200));
    event_set_bool(&ev, F_position_opened_ours, true);
    put(h, &ev, each);
    event_init(&ev, EVENT_KIND_position_closed);
    event_set_strz(&ev, F_position_closed_account, "500001");
    event_set_strz(&ev, F_position_closed_position, name);
    event_set_strz(&ev, F_position_closed_uid, name);
    event_set_u64(&ev, F_position_closed_order, id);
    event_set_strz(&ev, F_position_closed_symbol, "BTCUSD");
    event_set_strz(&ev, F_position_closed_side, "BUY");
    event_set_dec(&ev, F_position_closed_volume, decimal_raw(DECIMAL_ONE / 10));
    event_set_dec(&ev, F_position_closed_price, decimal_int(61200));
    event_set_dec(&ev, F_position_closed_profit, decimal_int(120));
    event_set_dec(&ev, F_position_closed_net, decimal_int(120));
    event_set_strz(&ev, F_position_closed_reason, "target");
    put(h, &ev, each);
}

/* Whole lives of orders; returns events per second. */
static double lives(struct house *h, long count, unsigned each)
{
    uint64_t from = h->events;
    int64_t begun = bench_ns();
    for (long k = 0; k < count; k++) {
        struct event ev;
        char name[24];
        uint64_t id = ledger_last_order(h->ledger) + 1;
        snprintf(name, sizeof name, "W%012llu", (unsigned long long)id);
        put_intent(h, id, each);
        event_init(&ev, EVENT_KIND_order_sent);
        event_set_u64(&ev, F_order_sent_order, id);
        event_set_i64(&ev, F_order_sent_queued_us, 250);
        put(h, &ev, each);
        event_init(&ev, EVENT_KIND_order_accepted);
        event_set_u64(&ev, F_order_accepted_order, id);
        event_set_strz(&ev, F_order_accepted_broker_id, name);
        event_set_i64(&ev, F_order_accepted_latency_us, 900);
        put(h, &ev, each);
        put_position(h, id, name, each);
        if (k % 200 == 0)
            loop_run_once(&h->loop, false); /* begins the syncs that are due */
    }
    return (double)(h->events - from) * 1e9 / (double)(bench_ns() - begun);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct house h;
    struct journal_report report;
    struct samples many = {0}, single = {0}, folds = {0};
    char dir[] = "/tmp/perigee-bench-XXXXXX", folder[64], command[64];
    bench_begin(&b, argc, argv);
    long count = b.rounds ? b.rounds : 20000;
    if (!mkdtemp(dir))
        bench_die("cannot make a temporary folder");
    snprintf(folder, sizeof folder, "%s/journal", dir);
    house_open(&h, folder, &report);
    populate(&h);
    for (int k = 0; k < 5; k++) {
        samples_add(&many, lives(&h, count, 100));
        samples_add(&single, lives(&h, count / 10, 1));
    }
    house_close(&h);
    for (int k = 0; k < 5; k++) {
        int64_t begun = bench_ns();
        house_open(&h, folder, &report);
        samples_add(&folds, (double)report.events * 1e9 / (double)(bench_ns() - begun));
        house_close(&h);
    }
    printf("%llu events\n", (unsigned long long)report.events);
    bench_figure(&b, samples_at(&many, 0.5), "journal.events_per_s");
    bench_figure(&b, samples_at(&single, 0.5), "journal.single_events_per_s");
    bench_figure(&b, samples_at(&folds, 0.5), "journal.fold_events_per_s");
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0)
        bench_die("cannot remove %s", dir);
    samples_free(&many);
    samples_free(&single);
    samples_free(&folds);
    return bench_end(&b);
}
