/* SPDX-License-Identifier: MIT
 *
 * The broker's settings: how it treats orders (sim_model) and the terms of each symbol: trading
 * hours, swaps, commission. Everything is checked before any of it is taken.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "venue/sim_impl.h"

#define DAY 86400000
#define MOST_POINTS 1000000
#define MOST_LEVEL 1000 /* percent */
#define MOST_SWAP 10000 /* points */

void sim_model_default(struct sim_model *m)
{
    *m = (struct sim_model){.reject_reason = SIM_REQUOTE,
                            .swaps = true,
                            .margin_call_level = decimal_int(100),
                            .stop_out_level = decimal_int(50),
                            .stops_level = -1};
}

static int bad_setting(struct err *e, const char *name, const char *rule)
{
    return err_set(e, ERR_INPUT, "simulator: %s must be %s", name, rule);
}

int sim_model_check(const struct sim_model *m, struct err *e)
{
    if (m->slippage_points < 0 || m->slippage_points > MOST_POINTS)
        return bad_setting(e, "slippage_points", "0 to 1000000 points");
    if (!(m->partial_fills >= 0.0 && m->partial_fills <= 1.0))
        return bad_setting(e, "partial_fills", "a share from 0 to 1");
    if (!(m->reject_share >= 0.0 && m->reject_share <= 1.0))
        return bad_setting(e, "reject_share", "a share from 0 to 1");
    if (m->reject_reason == SIM_OK || sim_reason_code(m->reject_reason)[0] == '\0')
        return bad_setting(e, "reject_reason", "a code of a refusal, such as REQUOTE");
    if (m->margin_call_level.v < 0 || m->margin_call_level.v > MOST_LEVEL * DECIMAL_ONE)
        return bad_setting(e, "margin_call_level", "0 to 1000 percent");
    if (m->stop_out_level.v < 0 || m->stop_out_level.v > MOST_LEVEL * DECIMAL_ONE)
        return bad_setting(e, "stop_out_level", "0 to 1000 percent");
    if (m->stops_level < -1 || m->stops_level > MOST_POINTS)
        return bad_setting(e, "stops_level", "0 to 1000000 points, or -1 for each symbol's own");
    if (m->freeze_level < 0 || m->freeze_level > MOST_POINTS)
        return bad_setting(e, "freeze_level", "0 to 1000000 points");
    return 0;
}

int sim_set_model(struct sim *s, const struct sim_model *m, struct err *e)
{
    int rc = sim_model_check(m, e);
    if (rc == 0)
        s->model = *m;
    return rc;
}

const struct sim_model *sim_model(const struct sim *s)
{
    return &s->model;
}

int32_t sim_stops_level(const struct sim *s, int symbol)
{
    return s->model.stops_level >= 0 ? s->model.stops_level : s->symbols[symbol].i.stops_level;
}

/* Terms */

/* Pips in hundredths: of a usual size. */
static const struct {
    const char *symbol;
    int buy, sell;
} swaps[] = {{"EURUSD", -61, 12},  {"GBPUSD", -28, -17}, {"AUDUSD", -25, -8}, {"NZDUSD", -16, -14},
             {"USDJPY", 92, -164}, {"USDCHF", 51, -98},  {"USDCAD", 9, -42},  {"USDPLN", -74, -33}};

void sim_symbol_terms(const struct instrument *i, struct sim_terms *out)
{
    *out = (struct sim_terms){.commission = i->commission};
    memcpy(out->symbol, i->symbol, sizeof out->symbol);
    /* The main symbol: 10 and 2 a day on 50,000, as leveraged coins cost. */
    out->swap_buy = decimal_int(-100);
    out->swap_sell = decimal_int(-20);
    for (size_t k = 0; k < sizeof swaps / sizeof *swaps; k++) {
        if (strcmp(swaps[k].symbol, i->symbol) != 0)
            continue;
        out->swap_type = SIM_SWAP_PIPS;
        out->swap_buy = decimal_raw(swaps[k].buy * (DECIMAL_ONE / 100));
        out->swap_sell = decimal_raw(swaps[k].sell * (DECIMAL_ONE / 100));
    }
}

bool sim_terms_default(const struct sim_config *c, const char *symbol, struct sim_terms *out)
{
    struct instrument i;
    if (c->main.volume_step.v != 0)
        i = c->main;
    else
        sim_default_main(&i);
    for (int k = 0; strcmp(i.symbol, symbol) != 0; k++) {
        if (k == SIM_PAIRS)
            return false;
        sim_pair_instrument(k, "", &i);
    }
    sim_symbol_terms(&i, out);
    return true;
}

void sim_terms(const struct sim *s, int symbol, struct sim_terms *out)
{
    *out = s->symbols[symbol].terms;
}

static bool too_much(decimal d, int64_t most)
{
    return d.v > most * DECIMAL_ONE || d.v < -most * DECIMAL_ONE;
}

int sim_terms_check(const struct sim_terms *t, struct err *e)
{
    if (too_much(t->swap_buy, MOST_SWAP) || too_much(t->swap_sell, MOST_SWAP))
        return err_set(e, ERR_INPUT, "simulator: the swaps of %s must be within 10000", t->symbol);
    if (t->commission.v < 0 || too_much(t->commission, MOST_SWAP))
        return err_set(e, ERR_INPUT, "simulator: the commission of %s must be 0 to 10000",
                       t->symbol);
    if (t->session_count > SIM_SESSIONS)
        return err_set(e, ERR_INPUT, "simulator: the hours of %s: %d sessions at most", t->symbol,
                       SIM_SESSIONS);
    const struct sim_session *before = NULL;
    for (size_t k = 0; k < t->session_count; k++) {
        const struct sim_session *x = &t->sessions[k];
        if (x->day < 0 || x->day > 6 || x->open_ms < 0 || x->close_ms > DAY ||
            x->open_ms >= x->close_ms)
            return err_set(e, ERR_INPUT,
                           "simulator: the hours of %s: session %zu needs a day from 0 (Sunday) to "
                           "6, and an opening before its closing within the day",
                           t->symbol, k + 1);
        if (before != NULL &&
            (x->day < before->day || (x->day == before->day && x->open_ms < before->close_ms)))
            return err_set(e, ERR_INPUT,
                           "simulator: the hours of %s: session %zu must come after the one before "
                           "it, without touching it twice",
                           t->symbol, k + 1);
        before = x;
    }
    return 0;
}

int sim_set_terms(struct sim *s, const struct sim_terms *t, struct err *e)
{
    int symbol = sim_symbol(s, t->symbol);
    if (symbol < 0)
        return err_set(e, ERR_INPUT, "simulator: terms of an unknown symbol %s", t->symbol);
    int rc = sim_terms_check(t, e);
    if (rc == 0) {
        s->symbols[symbol].terms = *t;
        s->symbols[symbol].i.commission = t->commission;
    }
    return rc;
}

bool sim_hours_open(const struct sim_symbol *x, int64_t time_ms)
{
    if (x->terms.session_count == 0)
        return true;
    int64_t ms = time_ms % DAY;
    int day = (int)((time_ms / DAY + 4) % 7); /* the epoch was a Thursday */
    for (size_t k = 0; k < x->terms.session_count; k++) {
        const struct sim_session *w = &x->terms.sessions[k];
        if (w->day == day && ms >= w->open_ms && ms < w->close_ms)
            return true;
    }
    return false;
}

bool sim_session_open(const struct sim *s, int symbol)
{
    return symbol >= 0 && symbol < SIM_SYMBOLS && !s->ended &&
           sim_hours_open(&s->symbols[symbol], s->now);
}
