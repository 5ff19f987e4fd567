/* SPDX-License-Identifier: MIT
 *
 * Contract arithmetic. Products of volume, contract size and a price difference go through 128
 * bits: a result that fits a decimal never overflows on the way (below 9.3e34 against 1.7e38).
 */
#include "trade/instrument.h"

#include <math.h>
#include <string.h>
#include <strings.h>

typedef __int128 wide;

#define WIDE_MAX ((wide)((~(unsigned __int128)0) >> 1))

/* 10^n for n in 0..8. */
static int64_t power10(int n)
{
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    return powers[n];
}

/* Decimal units in one point. */
static int64_t point_units(const struct instrument *i)
{
    return power10(DECIMAL_PLACES - i->price_digits);
}

const char *side_name(enum side side)
{
    return side == SIDE_BUY ? "BUY" : "SELL";
}

int side_parse(const char *text, enum side *out)
{
    if (text == NULL)
        return ERR_INPUT;
    if (strcasecmp(text, "BUY") == 0 || strcasecmp(text, "LONG") == 0)
        *out = SIDE_BUY;
    else if (strcasecmp(text, "SELL") == 0 || strcasecmp(text, "SHORT") == 0)
        *out = SIDE_SELL;
    else
        return ERR_INPUT;
    return 0;
}

static int check_names(const struct instrument *i, struct err *e)
{
    if (i->venue[0] == '\0')
        return err_set(e, ERR_INPUT, "instrument %s: venue is empty", i->symbol);
    if (i->symbol[0] == '\0')
        return err_set(e, ERR_INPUT, "instrument of %s: symbol is empty", i->venue);
    if (i->canonical[0] == '\0')
        return err_set(e, ERR_INPUT, "instrument %s: canonical is empty", i->symbol);
    if (i->base[0] == '\0')
        return err_set(e, ERR_INPUT, "instrument %s: base is empty", i->symbol);
    if (i->quote[0] == '\0')
        return err_set(e, ERR_INPUT, "instrument %s: quote is empty", i->symbol);
    return 0;
}

static int check_volumes(const struct instrument *i, struct err *e)
{
    decimal rounded;
    if (i->volume_step.v <= 0)
        return err_set(e, ERR_INPUT, "instrument %s: volume_step must be above 0", i->symbol);
    if (i->volume_min.v <= 0)
        return err_set(e, ERR_INPUT, "instrument %s: volume_min must be above 0", i->symbol);
    if (i->volume_max.v < i->volume_min.v)
        return err_set(e, ERR_INPUT, "instrument %s: volume_max is below volume_min", i->symbol);
    if (decimal_to_places(i->volume_step, i->volume_digits, DECIMAL_DOWN, &rounded) != 0 ||
        rounded.v != i->volume_step.v)
        return err_set(e, ERR_INPUT,
                       "instrument %s: volume_step has more than volume_digits (%d) decimals",
                       i->symbol, i->volume_digits);
    return 0;
}

int instrument_check(const struct instrument *i, struct err *e)
{
    int rc = check_names(i, e);
    if (rc != 0)
        return rc;
    if (i->price_digits < 0 || i->price_digits > DECIMAL_PLACES)
        return err_set(e, ERR_INPUT, "instrument %s: price_digits must be 0 to 8, not %d",
                       i->symbol, i->price_digits);
    if (i->volume_digits < 0 || i->volume_digits > DECIMAL_PLACES)
        return err_set(e, ERR_INPUT, "instrument %s: volume_digits must be 0 to 8, not %d",
                       i->symbol, i->volume_digits);
    rc = check_volumes(i, e);
    if (rc != 0)
        return rc;
    if (i->contract_size.v <= 0)
        return err_set(e, ERR_INPUT, "instrument %s: contract_size must be above 0", i->symbol);
    if (i->leverage < 0)
        return err_set(e, ERR_INPUT, "instrument %s: leverage must not be negative", i->symbol);
    if (i->stops_level < 0)
        return err_set(e, ERR_INPUT, "instrument %s: stops_level must not be negative", i->symbol);
    if (i->commission.v < 0)
        return err_set(e, ERR_INPUT, "instrument %s: commission must not be negative", i->symbol);
    return 0;
}

int instrument_to_points(const struct instrument *i, decimal price, enum decimal_round mode,
                         int64_t *points)
{
    decimal rounded;
    if (decimal_to_places(price, i->price_digits, mode, &rounded) != 0)
        return ERR_OVERFLOW;
    *points = rounded.v / point_units(i);
    return 0;
}

decimal instrument_price(const struct instrument *i, int64_t points)
{
    int64_t v;
    if (__builtin_mul_overflow(points, point_units(i), &v))
        v = points < 0 ? INT64_MIN : INT64_MAX;
    return decimal_raw(v);
}

int instrument_points_of_double(const struct instrument *i, double price, enum decimal_round mode,
                                int64_t *points)
{
    /* The nearest decimal first: 50000.1 as a double is a little off, and FLOOR would see it. */
    decimal d;
    if (decimal_from_double(price, &d) != 0)
        return ERR_OVERFLOW;
    return instrument_to_points(i, d, mode, points);
}

int instrument_stop_points(const struct instrument *i, enum side side, double price,
                           int64_t *points)
{
    return instrument_points_of_double(i, price, side == SIDE_BUY ? DECIMAL_CEIL : DECIMAL_FLOOR,
                                       points);
}

int instrument_target_points(const struct instrument *i, enum side side, double price,
                             int64_t *points)
{
    return instrument_points_of_double(i, price, side == SIDE_BUY ? DECIMAL_FLOOR : DECIMAL_CEIL,
                                       points);
}

decimal instrument_volume(const struct instrument *i, decimal volume)
{
    decimal down;
    if (volume.v > i->volume_max.v)
        volume = i->volume_max;
    if (volume.v < i->volume_min.v ||
        decimal_to_step(volume, i->volume_step, DECIMAL_DOWN, &down) != 0 ||
        down.v < i->volume_min.v)
        return decimal_raw(0);
    return down;
}

bool instrument_volume_ok(const struct instrument *i, decimal volume)
{
    return volume.v >= i->volume_min.v && volume.v <= i->volume_max.v &&
           volume.v % i->volume_step.v == 0;
}

/* volume * contract_size * points / 10^price_digits as a decimal; `up`: towards plus infinity, else
 * towards minus infinity. */
static int money(const struct instrument *i, decimal volume, wide points, bool up, decimal *out)
{
    wide units = (wide)volume.v * i->contract_size.v;
    wide divisor = (wide)power10(i->price_digits) * DECIMAL_ONE;
    wide size = units < 0 ? -units : units;
    wide distance = points < 0 ? -points : points;
    if (size != 0 && distance > WIDE_MAX / size)
        return ERR_OVERFLOW;
    wide product = units * points;
    wide result = product / divisor;
    wide rest = product % divisor;
    if (up && rest > 0)
        result++;
    else if (!up && rest < 0)
        result--;
    if (result > INT64_MAX || result < INT64_MIN)
        return ERR_OVERFLOW;
    out->v = (int64_t)result;
    return 0;
}

int instrument_profit(const struct instrument *i, enum side side, decimal volume, int64_t open,
                      int64_t close, decimal *out)
{
    wide distance = side == SIDE_BUY ? (wide)close - open : (wide)open - close;
    return money(i, volume, distance, false, out);
}

int instrument_notional(const struct instrument *i, decimal volume, int64_t price, decimal *out)
{
    return money(i, volume, price, true, out);
}
