/* SPDX-License-Identifier: MIT
 *
 * From risk to lots. Shares are taken as decimals (nearest of 8 places) and the conversion rate as
 * a fixed number of 12 places, because 8 are too few for the yen; from there on everything is
 * integer arithmetic: costs round up, volumes down.
 */
#include "trade/sizing.h"

#include <math.h>

typedef __int128 wide;

#define RATE_ONE INT64_C(1000000000000) /* units of the fixed rate in one */
#define RATE_MAX 9000000.0              /* keeps the fixed rate inside int64 */

static int check(const struct sizing_input *in, struct err *e)
{
    if (in->instrument == NULL)
        return err_set(e, ERR_INPUT, "sizing: no instrument");
    if (in->side != SIDE_BUY && in->side != SIDE_SELL)
        return err_set(e, ERR_INPUT, "sizing: side must be BUY or SELL");
    if (in->price <= 0)
        return err_set(e, ERR_INPUT, "sizing: price must be above 0");
    if (in->stop < 0)
        return err_set(e, ERR_INPUT, "sizing: stop must not be negative");
    if (!(in->risk > 0.0 && in->risk <= 1.0))
        return err_set(e, ERR_INPUT, "sizing: risk must be above 0 and at most 1");
    if (!(in->margin_share >= 0.0 && in->margin_share <= 1.0))
        return err_set(e, ERR_INPUT, "sizing: margin_share must be 0 to 1");
    if (!(in->quote_to_account > 0.0) || !isfinite(in->quote_to_account))
        return err_set(e, ERR_INPUT, "sizing: quote_to_account must be a rate above 0");
    if (in->leverage <= 0)
        return err_set(e, ERR_INPUT, "sizing: leverage must be above 0");
    if (in->volume_cap.v < 0)
        return err_set(e, ERR_INPUT, "sizing: volume_cap must not be negative");
    if (in->volume.v < 0)
        return err_set(e, ERR_INPUT, "sizing: volume must not be negative");
    return 0;
}

/* ceil(quote * rate / divisor) as a decimal of the account's currency; quote >= 0. */
static int convert_up(decimal quote, int64_t rate, int64_t divisor, decimal *out)
{
    wide product = (wide)quote.v * rate;
    wide unit = (wide)RATE_ONE * divisor;
    wide result = product / unit + (product % unit != 0);
    if (result > INT64_MAX)
        return ERR_OVERFLOW;
    out->v = (int64_t)result;
    return 0;
}

/* Lots that `money * share` pays for at `each` (> 0), down. */
static decimal lots_for(decimal money, decimal share, decimal each)
{
    wide lots = (wide)money.v * share.v / each.v;
    return decimal_raw(lots > INT64_MAX ? INT64_MAX : (int64_t)lots);
}

static int unit_costs(const struct sizing_input *in, int64_t distance, decimal *loss,
                      decimal *margin)
{
    const struct instrument *i = in->instrument;
    const decimal one = decimal_raw(DECIMAL_ONE);
    int32_t leverage = in->leverage;
    if (i->leverage > 0 && i->leverage < leverage)
        leverage = i->leverage;
    if (in->quote_to_account > RATE_MAX)
        return ERR_OVERFLOW;
    int64_t rate = (int64_t)llrint(in->quote_to_account * (double)RATE_ONE);
    if (rate == 0)
        rate = 1;
    decimal quote, costs;
    if (instrument_notional(i, one, distance, &quote) != 0 ||
        convert_up(quote, rate, 1, loss) != 0 ||
        decimal_add(i->commission, i->commission, &costs) != 0 ||
        decimal_add(*loss, costs, loss) != 0)
        return ERR_OVERFLOW;
    if (instrument_notional(i, one, in->price, &quote) != 0)
        return ERR_OVERFLOW;
    return convert_up(quote, rate, leverage, margin);
}

static int refuse(struct sizing_result *out, const char *rule)
{
    out->rule = rule;
    return 0;
}

/* Lots that the money at risk and the free margin allow; 0 and the rule when there are none. */
static decimal by_risk(const struct sizing_input *in, decimal risk, decimal loss, decimal most,
                       const char **rule)
{
    decimal lots = lots_for(in->equity, risk, loss);
    if (in->volume_cap.v > 0 && in->volume_cap.v < lots.v)
        lots = in->volume_cap;
    lots = instrument_volume(in->instrument, lots);
    *rule = "volume_min";
    if (lots.v == 0 || most.v >= lots.v)
        return lots;
    *rule = "margin";
    return instrument_volume(in->instrument, most);
}

/* The wanted lots, when the instrument takes them as they are and the free margin allows them. */
static decimal as_wanted(const struct sizing_input *in, decimal most, const char **rule)
{
    const struct instrument *i = in->instrument;
    if (in->volume.v < i->volume_min.v)
        *rule = "volume_min";
    else if (in->volume.v > i->volume_max.v)
        *rule = "volume_max";
    else if (instrument_volume(i, in->volume).v != in->volume.v)
        *rule = "volume_step";
    else if (in->volume.v > most.v)
        *rule = "margin";
    else
        return in->volume;
    return decimal_raw(0);
}

int sizing_volume(const struct sizing_input *in, struct sizing_result *out, struct err *e)
{
    *out = (struct sizing_result){0};
    int rc = check(in, e);
    if (rc != 0)
        return rc;
    int64_t distance = in->side == SIDE_BUY ? in->price - in->stop : in->stop - in->price;
    if (distance <= 0 || in->stop == 0 || distance < in->instrument->stops_level)
        return refuse(out, "stop_distance");
    if (in->equity.v <= 0)
        return refuse(out, "equity");
    if (in->free_margin.v <= 0)
        return refuse(out, "margin");
    decimal loss, margin, risk, share;
    if (unit_costs(in, distance, &loss, &margin) != 0 ||
        decimal_from_double(in->risk, &risk) != 0 ||
        decimal_from_double(in->margin_share, &share) != 0)
        return err_set(e, ERR_OVERFLOW, "sizing %s: the costs of one lot are out of range",
                       in->instrument->symbol);
    decimal most = lots_for(in->free_margin, share, margin);
    const char *rule = NULL;
    decimal volume =
        in->volume.v > 0 ? as_wanted(in, most, &rule) : by_risk(in, risk, loss, most, &rule);
    if (volume.v == 0)
        return refuse(out, rule);
    if (decimal_mul(volume, loss, DECIMAL_UP, &out->risk_money) != 0 ||
        decimal_mul(volume, margin, DECIMAL_UP, &out->margin) != 0)
        return err_set(e, ERR_OVERFLOW, "sizing %s: the money at risk is out of range",
                       in->instrument->symbol);
    out->volume = volume;
    return 0;
}

int sizing_cost(const struct sizing_input *in, decimal *loss, decimal *margin, struct err *e)
{
    int rc = check(in, e);
    if (rc != 0)
        return rc;
    int64_t distance = in->side == SIDE_BUY ? in->price - in->stop : in->stop - in->price;
    if (unit_costs(in, distance > 0 ? distance : 0, loss, margin) != 0 ||
        decimal_mul(in->volume, *loss, DECIMAL_UP, loss) != 0 ||
        decimal_mul(in->volume, *margin, DECIMAL_UP, margin) != 0)
        return err_set(e, ERR_OVERFLOW, "sizing %s: the costs of the volume are out of range",
                       in->instrument->symbol);
    return 0;
}
