/* SPDX-License-Identifier: MIT
 *
 * From risk to lots. Pure arithmetic in decimals, rounded down.
 *
 *   loss of one lot at the stop = |price - stop| * contract_size (quote currency) * rate + 2 *
 * commission volume = equity * risk / loss of one lot, down to the step, at most max, zero below
 * min and at most free margin * margin_share / margin of one lot
 */
#ifndef PERIGEE_TRADE_SIZING_H
#define PERIGEE_TRADE_SIZING_H

#include "base/decimal.h"
#include "base/err.h"
#include "trade/instrument.h"

struct sizing_input {
    const struct instrument *instrument;
    enum side side;
    int64_t price, stop;     /* points; stop on the losing side of the price */
    decimal equity;          /* account currency */
    decimal free_margin;     /* account currency, after reservations */
    int32_t leverage;        /* account's; the instrument's cap is applied */
    double risk;             /* share of equity at risk, 0.01 = 1 % */
    double margin_share;     /* most of the free margin to bind, 0..1 */
    double quote_to_account; /* conversion rate of profit */
    decimal volume_cap;      /* most lots; 0: none */
    decimal volume; /* 0: by risk; else these lots or none, and only their costs are told */
};

struct sizing_result {
    decimal volume;     /* lots; 0: no order */
    decimal risk_money; /* what is lost at the stop, account currency */
    decimal margin;     /* what it binds, account currency */
    const char *rule;   /* when volume is 0: "stop_distance", "volume_min", "margin", "equity", and
                         * of a wanted volume "volume_max", "volume_step" */
};

/* 0, or ERR_INPUT for arguments out of range (message names it), ERR_OVERFLOW. */
int sizing_volume(const struct sizing_input *in, struct sizing_result *out, struct err *e);

/* What in->volume lots lose between price and stop (only the commissions when the stop is on the
 * winning side), and what they bind; account currency. Nothing is refused. 0, ERR_INPUT or
 * ERR_OVERFLOW. */
int sizing_cost(const struct sizing_input *in, decimal *loss, decimal *margin, struct err *e);

#endif
