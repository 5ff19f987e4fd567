/* SPDX-License-Identifier: MIT
 *
 * The simulator as a whole: its folder, its start, and the order in which its market moves.
 *
 * A start goes through the market again from its first moment, silently, up to where it was: the
 * model has no state on disk but its seed and the time. That costs about a second for two weeks.
 */
#include "venue/sim.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "venue/sim_impl.h"

#define DAY INT64_C(86400000)
#define DEFAULT_START INT64_C(1704067200000) /* 2024-01-01T00:00:00Z */
#define DEFAULT_HISTORY 240
#define DEFAULT_SPREAD 0.00003 /* share of the price */
#define VENUE "sim"
#define STATE_BYTES 21 /* twenty digits and a newline */

void sim_default_main(struct instrument *main)
{
    *main = (struct instrument){.venue = VENUE,
                                .symbol = "BTCUSD",
                                .canonical = "BTCUSD",
                                .base = "BTC",
                                .quote = "USD",
                                .price_digits = 1,
                                .volume_digits = 2,
                                .volume_min = {DECIMAL_ONE / 100},
                                .volume_max = {100 * DECIMAL_ONE},
                                .volume_step = {DECIMAL_ONE / 100},
                                .contract_size = {DECIMAL_ONE},
                                .leverage = 100,
                                .stops_level = 10};
}

/* Folder */

/* Reads <data>/sim/identity or makes it; gives back the start and origin that it names. */
static int identity(struct sim *s, const struct sim_config *c, struct err *e)
{
    char path[512], wanted[64], text[256], have[64];
    snprintf(path, sizeof path, "%s/identity", s->dir);
    if (c->tape != NULL)
        snprintf(wanted, sizeof wanted, "tape %s", c->tape->hash);
    else
        snprintf(wanted, sizeof wanted, "seed %" PRIu64, c->seed);
    if (access(path, F_OK) != 0) {
        int n = snprintf(text, sizeof text, "%s\norigin %" PRId64 "\nstart %" PRId64 "\n", wanted,
                         s->origin, s->start);
        return file_replace(path, text, (size_t)n, 0600, e);
    }
    struct str content;
    str_init(&content);
    int rc = file_read_all(path, &content, 4096, e);
    if (rc == 0 &&
        (content.p == NULL || sscanf(content.p, "%63[^\n]\norigin %" SCNd64 "\nstart %" SCNd64,
                                     have, &s->origin, &s->start) != 3))
        rc = err_set(e, ERR_INPUT, "%s: not the identity of a simulator's folder", path);
    else if (rc == 0 && strcmp(have, wanted) != 0)
        rc = err_set(e, ERR_INPUT,
                     "%s belongs to the market of %s and cannot go on with %s: use that one or "
                     "another data folder",
                     s->dir, have, wanted);
    str_fini(&content);
    return rc;
}

/* The time that was saved; the start when there is none. */
static int read_state(struct sim *s, int64_t *time_ms, struct err *e)
{
    char path[512], text[STATE_BYTES + 1] = "";
    snprintf(path, sizeof path, "%s/state", s->dir);
    s->state_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->state_fd < 0)
        return err_set(e, ERR_IO, "%s: cannot be opened; check the folder's rights", path);
    *time_ms = s->start;
    ssize_t n = pread(s->state_fd, text, STATE_BYTES, 0);
    long long saved;
    if (n == STATE_BYTES && sscanf(text, "%20lld\n", &saved) == 1 && saved > *time_ms)
        *time_ms = saved;
    if (s->newest_ms > *time_ms)
        *time_ms = s->newest_ms;
    return 0;
}

int sim_save_state(struct sim *s, struct err *e)
{
    char text[32];
    if (s->state_fd < 0)
        return 0;
    snprintf(text, sizeof text, "%020" PRId64 "\n", s->now);
    if (pwrite(s->state_fd, text, STATE_BYTES, 0) != STATE_BYTES)
        return err_set(e, ERR_IO, "%s/state: cannot be written; is the disk full?", s->dir);
    return 0;
}

static int open_folder(struct sim *s, const struct sim_config *c, struct err *e)
{
    char path[512];
    if (strlen(c->data_dir) + 5 > sizeof s->dir)
        return err_set(e, ERR_INPUT, "simulator: the name of the data folder is too long");
    snprintf(s->dir, sizeof s->dir, "%s/sim", c->data_dir);
    snprintf(path, sizeof path, "%s/lock", s->dir);
    int rc = file_make_dirs(s->dir, e);
    if (rc == 0)
        rc = file_lock(path, &s->lock, e);
    return rc == 0 ? identity(s, c, e) : rc;
}

/* Market */

static void tell_quote(struct sim *s, int symbol)
{
    if (!s->silent && s->feed.on_quote != NULL)
        s->feed.on_quote(s->feed.arg, symbol, &s->symbols[symbol].q);
}

static void set_quote(struct sim_symbol *x, int64_t time_ms, int64_t bid, int64_t ask)
{
    int64_t day = time_ms / DAY;
    x->bid = bid;
    x->ask = ask;
    x->q.time_ms = time_ms;
    x->q.bid = instrument_price(&x->i, bid);
    x->q.ask = instrument_price(&x->i, ask);
    if (!x->quoted || day != x->day) {
        x->q.day_open = x->q.day_high = x->q.day_low = x->q.bid;
        x->day = day;
    }
    if (x->q.bid.v > x->q.day_high.v)
        x->q.day_high = x->q.bid;
    if (x->q.bid.v < x->q.day_low.v)
        x->q.day_low = x->q.bid;
    x->quoted = true;
}

/* Outside its hours a symbol has no quotes: the last one stands, and nothing is executed. The very
 * first one is taken anyway, for amounts are converted by it. */
static bool dark(const struct sim *s, const struct sim_symbol *x)
{
    return x->quoted && !sim_hours_open(x, s->now);
}

/* The quote lies around the newest print, whoever was its aggressor. */
static void quote_main(struct sim *s, int64_t price)
{
    struct sim_symbol *x = &s->symbols[0];
    int64_t unit = instrument_price(&x->i, 1).v;
    int64_t spread = s->spread;
    if (spread <= 0)
        spread = llrint((double)price * DEFAULT_SPREAD / (double)unit);
    if (spread < 1)
        spread = 1;
    int64_t bid = (price - spread * unit / 2) / unit;
    if (bid < 1)
        bid = 1;
    set_quote(x, s->now, bid, bid + spread);
}

static int next_print(struct sim *s, struct err *e)
{
    const struct sim_path_print *p = &s->path.prints[s->path.at++];
    int64_t price = sim_pushed(s, p->price);
    int side = sim_flow_print(&s->flow, price, p->volume);
    for (int k = 0; k < SIM_FRAMES; k++)
        sim_bars_add(&s->symbols[0].bars[k], s->now, price, p->volume, side);
    bool recorded = p->named && s->path.tape != NULL && price == p->price;
    bool quoted = !dark(s, &s->symbols[0]);
    if (quoted)
        quote_main(s, price);
    if (!s->silent && s->feed.on_print != NULL) {
        struct sim_print print = {.time_ms = s->now,
                                  .price = decimal_raw(price),
                                  .volume = decimal_raw(p->volume),
                                  .buy = side,
                                  .source = recorded ? SIM_RECORDED : SIM_MODELLED};
        s->feed.on_print(s->feed.arg, &print);
    }
    if (!quoted)
        return 0;
    tell_quote(s, 0);
    int rc = sim_match(s, 0, e);
    return rc == 0 && s->symbols[0].orders > 0 ? sim_watch(s, e) : rc;
}

static int move_pairs(struct sim *s, struct err *e)
{
    int rc = 0;
    sim_flow_second(&s->flow);
    for (int k = 1; k < SIM_SYMBOLS; k++) {
        struct sim_symbol *x = &s->symbols[k];
        const struct sim_pair *p = &s->flow.pairs[k - 1];
        int64_t bid = p->mid - p->spread / 2;
        if (s->second % SIM_MINUTE == 0)
            for (int f = 1; f < SIM_FRAMES; f++)
                sim_bars_roll(&x->bars[f], s->second);
        if ((x->quoted && bid == x->bid) || dark(s, x))
            continue;
        set_quote(x, s->now, bid, bid + p->spread);
        for (int f = 1; f < SIM_FRAMES; f++)
            sim_bars_add(&x->bars[f], s->now, x->q.bid.v, DECIMAL_ONE, 0);
        tell_quote(s, k);
        int failed = sim_match(s, k, e);
        rc = rc == 0 ? failed : rc;
    }
    return rc != 0 ? rc : sim_watch(s, e);
}

static int next_second(struct sim *s, struct err *e)
{
    int rc = 0;
    for (int k = 0; k < SIM_FRAMES; k++)
        sim_bars_roll(&s->symbols[0].bars[k], s->now);
    struct sim_depth depth;
    if (!s->silent && s->feed.on_depth != NULL && sim_depth(s, &depth))
        s->feed.on_depth(s->feed.arg, &depth);
    if (s->now >= s->end) {
        s->ended = true;
        return s->silent ? 0 : sim_save_state(s, e);
    }
    if (!s->silent && s->second % DAY == 0)
        s->night = s->second;
    if (s->night != 0)
        rc = sim_nights(s, e);
    int moved = move_pairs(s, e);
    rc = rc == 0 ? moved : rc;
    sim_path_begin(&s->path, s->second);
    if (!s->silent && s->second % SIM_MINUTE == 0) {
        int failed = sim_save_state(s, e);
        rc = rc == 0 ? failed : rc;
    }
    s->second += 1000;
    return rc;
}

/* Everything that happens up to and with until_ms. Goes on after a failure; the first is told. */
static int run(struct sim *s, int64_t until_ms, struct err *e)
{
    int first = 0;
    while (!s->ended) {
        const struct sim_path *p = &s->path;
        int64_t print = p->at < p->count ? p->prints[p->at].time_ms : INT64_MAX;
        int64_t next = print < s->second ? print : s->second;
        if (next > until_ms)
            break;
        struct err later;
        s->now = next;
        int rc = s->second <= print ? next_second(s, first == 0 ? e : &later)
                                    : next_print(s, first == 0 ? e : &later);
        if (first == 0)
            first = rc;
    }
    if (!s->ended && until_ms > s->now)
        s->now = until_ms;
    return first;
}

int sim_advance(struct sim *s, int64_t until_ms, struct err *e)
{
    return run(s, until_ms, e);
}

/* Lifetime */

static int take_terms(struct sim *s, const struct sim_config *c, struct err *e)
{
    int rc = 0;
    for (int k = 0; k < SIM_SYMBOLS; k++)
        sim_symbol_terms(&s->symbols[k].i, &s->symbols[k].terms);
    for (size_t k = 0; rc == 0 && k < c->terms_count; k++)
        rc = sim_set_terms(s, &c->terms[k], e);
    if (c->model != NULL)
        return rc == 0 ? sim_set_model(s, c->model, e) : rc;
    sim_model_default(&s->model);
    return rc;
}

static int make_symbols(struct sim *s, const struct sim_config *c, struct err *e)
{
    static const int64_t frames[SIM_FRAMES] = {BAR_1S, BAR_1M, BAR_5M, BAR_15M};
    if (c->main.volume_step.v != 0)
        s->symbols[0].i = c->main;
    else
        sim_default_main(&s->symbols[0].i);
    int rc = instrument_check(&s->symbols[0].i, e);
    if (rc != 0)
        return rc;
    for (int k = 0; k < SIM_PAIRS; k++)
        sim_pair_instrument(k, s->symbols[0].i.venue, &s->symbols[k + 1].i);
    for (int k = 0; k < SIM_SYMBOLS; k++)
        for (int f = k == 0 ? 0 : 1; f < SIM_FRAMES; f++)
            if (sim_bars_init(&s->symbols[k].bars[f], frames[f],
                              f == 0 ? SIM_HISTORY_1S : SIM_HISTORY) != 0)
                return err_set(e, ERR_NOMEM, "simulator: out of memory");
    return take_terms(s, c, e);
}

static void choose_times(struct sim *s, const struct sim_config *c)
{
    int64_t history = c->history_bars;
    if (c->tape == NULL) {
        int64_t start = c->start_ms > 0 ? c->start_ms : DEFAULT_START;
        s->start = start - start % SIM_MINUTE;
        s->origin = s->start - (history > 0 ? history : DEFAULT_HISTORY) * SIM_MINUTE;
        return;
    }
    int64_t count = (int64_t)c->tape->count;
    if (history <= 0)
        history = count / 4 < 120 ? count / 4 : 120;
    if (history >= count)
        history = count - 1;
    s->start = c->tape->bars[history].open_ms;
    s->origin = c->tape->bars[0].open_ms;
}

static int start_market(struct sim *s, uint64_t seed, struct err *e)
{
    int rc;
    sim_flow_init(&s->flow, seed);
    struct rng ids;
    rng_seed_named(&ids, seed, "ids");
    s->seed = seed;
    s->old_base =
        UINT64_C(6900000000000000) + (uint64_t)rng_range(&ids, 0, 89999) * UINT64_C(1000000000);
    s->id_base = UINT64_C(7000) + (uint64_t)rng_range(&ids, 0, 899);
    s->end = sim_path_end(&s->path);
    s->second = s->origin;
    int64_t time_ms = s->start;
    if (s->dir[0] != '\0' &&
        ((rc = sim_ledger_open(s, e)) != 0 || (rc = sim_pushes_open(s, e)) != 0 ||
         (rc = read_state(s, &time_ms, e)) != 0))
        return rc;
    s->silent = true;
    rc = run(s, time_ms, e);
    s->silent = false;
    for (size_t k = 0; k < s->accounts.count; k++)
        sim_seed_client(s, sim_client_at(s, (int)k));
    /* A crash between two swaps of one midnight, or two stops of one quote, has executed the first
     * of them only. */
    if (rc == 0 && s->now % DAY == 0 && s->now == s->newest_ms) {
        s->night = s->now;
        rc = sim_nights(s, e);
    }
    for (int k = 0; rc == 0 && k < SIM_SYMBOLS; k++)
        rc = sim_match(s, k, e);
    if (rc == 0)
        rc = sim_watch(s, e);
    return rc == 0 ? sim_save_state(s, e) : rc;
}

struct sim *sim_new(const struct sim_config *config, struct err *e)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) {
        err_set(e, ERR_NOMEM, "simulator: out of memory");
        return NULL;
    }
    s->lock = s->state_fd = s->ledger.fd = s->push_file.fd = -1;
    s->spread = config->spread;
    str_init(&s->text);
    s->account_ids = map_new();
    s->position_ids = map_new();
    s->pending_ids = map_new();
    int rc = 0;
    if (s->account_ids == NULL || s->position_ids == NULL || s->pending_ids == NULL)
        rc = err_set(e, ERR_NOMEM, "simulator: out of memory");
    if (rc == 0 && config->tape != NULL && config->tape->count < 2)
        rc = err_set(e, ERR_INPUT, "simulator: a tape needs at least two bars");
    if (rc == 0)
        rc = make_symbols(s, config, e);
    /* Everything about the configuration is checked before the folder is bound to it. */
    uint64_t seed = config->tape != NULL ? strtoull(config->tape->hash, NULL, 16) : config->seed;
    if (rc == 0)
        rc =
            sim_path_init(&s->path, config->tape, seed, instrument_price(&s->symbols[0].i, 1).v, e);
    if (rc == 0) {
        choose_times(s, config);
        rc = config->data_dir != NULL ? open_folder(s, config, e) : 0;
    }
    if (rc == 0)
        rc = start_market(s, seed, e);
    if (rc != 0) {
        if (s->state_fd >= 0) /* a failed start must not move the saved time */
            close(s->state_fd);
        s->state_fd = -1;
        sim_free(s);
        return NULL;
    }
    return s;
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    if (s->state_fd >= 0) {
        struct err ignored;
        (void)sim_save_state(s, &ignored);
        close(s->state_fd);
    }
    if (s->ledger.fd >= 0)
        file_close(&s->ledger);
    if (s->push_file.fd >= 0)
        file_close(&s->push_file);
    if (s->lock >= 0)
        file_unlock(s->lock);
    for (int k = 0; k < SIM_SYMBOLS; k++)
        for (int f = 0; f < SIM_FRAMES; f++)
            sim_bars_fini(&s->symbols[k].bars[f]);
    sim_path_fini(&s->path);
    sim_list_fini(&s->accounts);
    sim_list_fini(&s->positions);
    sim_list_fini(&s->pendings);
    sim_list_fini(&s->closed);
    sim_list_fini(&s->rows);
    sim_list_fini(&s->pushes);
    map_free(s->account_ids);
    map_free(s->position_ids);
    map_free(s->pending_ids);
    str_fini(&s->text);
    free(s);
}

/* Questions */

const char *sim_report(const struct sim *s)
{
    return s->report[0] == '\0' ? NULL : s->report;
}

void sim_listen(struct sim *s, const struct sim_feed *feed)
{
    s->feed = feed == NULL ? (struct sim_feed){0} : *feed;
}

int64_t sim_now(const struct sim *s)
{
    return s->now;
}

int64_t sim_start(const struct sim *s)
{
    return s->start;
}

int64_t sim_end(const struct sim *s)
{
    return s->end;
}

bool sim_ended(const struct sim *s)
{
    return s->ended;
}

bool sim_from_tape(const struct sim *s)
{
    return s->path.tape != NULL;
}

int sim_symbol_count(const struct sim *s)
{
    (void)s;
    return SIM_SYMBOLS;
}

int sim_symbol(const struct sim *s, const char *name)
{
    for (int k = 0; k < SIM_SYMBOLS; k++)
        if (strcmp(s->symbols[k].i.symbol, name) == 0)
            return k;
    return -1;
}

const struct instrument *sim_symbol_at(const struct sim *s, int symbol)
{
    return symbol < 0 || symbol >= SIM_SYMBOLS ? NULL : &s->symbols[symbol].i;
}

bool sim_quote(const struct sim *s, int symbol, struct sim_quote *out)
{
    if (symbol < 0 || symbol >= SIM_SYMBOLS || !s->symbols[symbol].quoted)
        return false;
    *out = s->symbols[symbol].q;
    return true;
}

bool sim_depth(const struct sim *s, struct sim_depth *out)
{
    const struct sim_symbol *x = &s->symbols[0];
    if (!x->quoted)
        return false;
    sim_flow_depth(&s->flow, &x->i, s->now - s->now % 1000, x->bid, x->ask, out);
    out->time_ms = s->now;
    return true;
}
