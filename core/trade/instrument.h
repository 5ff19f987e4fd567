/* SPDX-License-Identifier: MIT
 *
 * Contract data of a symbol at one venue, and the only place where prices and volumes are rounded:
 * by the instrument's own precision and step, always towards less risk.
 */
#ifndef PERIGEE_TRADE_INSTRUMENT_H
#define PERIGEE_TRADE_INSTRUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"

enum side { SIDE_BUY = 1, SIDE_SELL = -1 };
const char *side_name(enum side side);            /* "BUY", "SELL" */
int side_parse(const char *text, enum side *out); /* also LONG, SHORT; any case */

struct instrument {
    char venue[32];                              /* broker profile */
    char symbol[32];                             /* as the venue spells it */
    char canonical[32];                          /* our name: BTCUSD for "BTCUSD." */
    char base[8], quote[8];                      /* currencies */
    int price_digits;                            /* one point is 10^-price_digits; 0..8 */
    int volume_digits;                           /* 0..8 */
    decimal volume_min, volume_max, volume_step; /* lots */
    decimal contract_size;                       /* units in a lot */
    int32_t leverage;                            /* cap of the instrument; 0: the account's alone */
    int32_t stops_level; /* least distance of stop and target from the price, points */
    decimal commission;  /* a lot and side, account currency */
};

/* Checks every field. ERR_INPUT names the field. */
int instrument_check(const struct instrument *i, struct err *e);

/* Points <-> decimal. to_points rounds by mode; ERR_OVERFLOW when out of range. */
int instrument_to_points(const struct instrument *i, decimal price, enum decimal_round mode,
                         int64_t *points);
decimal instrument_price(const struct instrument *i, int64_t points);
int instrument_points_of_double(const struct instrument *i, double price, enum decimal_round mode,
                                int64_t *points);
/* A stop rounds towards the price (less loss), a target towards the price too (sooner). */
int instrument_stop_points(const struct instrument *i, enum side side, double price,
                           int64_t *points);
int instrument_target_points(const struct instrument *i, enum side side, double price,
                             int64_t *points);
/* Volume down to the step; zero when below the least, capped at the most. */
decimal instrument_volume(const struct instrument *i, decimal volume);
/* Is it min..max and a multiple of the step? */
bool instrument_volume_ok(const struct instrument *i, decimal volume);

/* Profit in quote currency of `volume` lots from open to close (points). Exact to 8 places,
 * rounded FLOOR. */
int instrument_profit(const struct instrument *i, enum side side, decimal volume, int64_t open,
                      int64_t close, decimal *out);
/* Notional in quote currency: volume * contract_size * price. */
int instrument_notional(const struct instrument *i, decimal volume, int64_t price, decimal *out);

#endif
