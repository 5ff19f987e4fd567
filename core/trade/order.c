/* SPDX-License-Identifier: MIT
 *
 * The order machine as a table, and the tag in the last digits of stop and target.
 */
#include "trade/order.h"

#include <string.h>

#define TAG_STEP 100 /* two digits */
#define TAG_SHARE 50 /* moved by at most one part in 50 of the distance: 2 % */
#define STATES (ORDER_NOT_SENT + 1)
#define INPUTS (ORDER_IN_DROP + 1)

int order_step(enum order_state from, enum order_input input, enum order_state *to)
{
    /* State after the step plus one; 0: there is no such step. */
    static const unsigned char next[STATES][INPUTS] = {
        [ORDER_INTENT] = {[ORDER_IN_SEND] = ORDER_SENT + 1,
                          [ORDER_IN_LOSE] = ORDER_UNKNOWN + 1,
                          [ORDER_IN_DROP] = ORDER_NOT_SENT + 1},
        [ORDER_SENT] = {[ORDER_IN_ACCEPT] = ORDER_ACCEPTED + 1,
                        [ORDER_IN_REJECT] = ORDER_REJECTED + 1,
                        [ORDER_IN_LOSE] = ORDER_UNKNOWN + 1},
        [ORDER_UNKNOWN] =
            {[ORDER_IN_ADOPT] = ORDER_ACCEPTED + 1, [ORDER_IN_ABSENT] = ORDER_ABSENT + 1},
        [ORDER_ABSENT] = {[ORDER_IN_ADOPT] = ORDER_ACCEPTED + 1},
    };
    if ((unsigned)from >= STATES || (unsigned)input >= INPUTS || next[from][input] == 0)
        return ERR_STATE;
    *to = (enum order_state)(next[from][input] - 1);
    return 0;
}

bool order_final(enum order_state state)
{
    return state == ORDER_ACCEPTED || state == ORDER_REJECTED || state == ORDER_ABSENT ||
           state == ORDER_NOT_SENT;
}

const char *order_state_name(enum order_state state)
{
    static const char *const names[] = {"INTENT",  "SENT",   "ACCEPTED", "REJECTED",
                                        "UNKNOWN", "ABSENT", "NOT_SENT"};
    return (unsigned)state < STATES ? names[state] : "?";
}

static const char *const op_names[] = {"open",    "close",        "close_partial", "edit",
                                       "pending", "pending_edit", "cancel"};
static const char *const type_names[] = {"MARKET", "LIMIT", "STOP"};

const char *order_op_name(enum order_op op)
{
    return (unsigned)op <= ORDER_CANCEL ? op_names[op] : "?";
}

int order_op_parse(const char *text, enum order_op *out)
{
    for (unsigned k = 0; text != NULL && k <= ORDER_CANCEL; k++) {
        if (strcmp(text, op_names[k]) == 0) {
            *out = (enum order_op)k;
            return 0;
        }
    }
    return ERR_INPUT;
}

int64_t order_slippage(const struct order *o)
{
    if (o->filled == 0)
        return 0;
    return o->side == SIDE_BUY ? o->filled - o->price : o->price - o->filled;
}

const char *order_type_name(enum order_type type)
{
    return (unsigned)type <= ORDER_STOP ? type_names[type] : "?";
}

int order_type_parse(const char *text, enum order_type *out)
{
    for (unsigned k = 0; text != NULL && k <= ORDER_STOP; k++) {
        if (strcmp(text, type_names[k]) == 0) {
            *out = (enum order_type)k;
            return 0;
        }
    }
    return ERR_INPUT;
}

bool order_enters(enum order_op op)
{
    return op == ORDER_OPEN || op == ORDER_PENDING;
}

/* Moves a level that is `above` or below the price towards it until its last two digits are
 * `digits`. false when that would move it too far. */
static bool put_digits(const struct instrument *i, int64_t price, bool above, int digits,
                       int64_t *level)
{
    int64_t distance;
    if (__builtin_sub_overflow(above ? *level : price, above ? price : *level, &distance) ||
        distance <= 0 || *level <= 0)
        return false;
    int64_t last = *level % TAG_STEP;
    int64_t move =
        above ? (last - digits + TAG_STEP) % TAG_STEP : (digits - last + TAG_STEP) % TAG_STEP;
    if (move > distance / TAG_SHARE || move >= distance ||
        (move > 0 && distance - move < i->stops_level))
        return false;
    *level += above ? -move : move;
    return *level > 0;
}

int order_tag_apply(const struct instrument *i, enum side side, int64_t price, uint64_t id,
                    int64_t *stop, int64_t *target)
{
    int tag = (int)(id % 10000);
    int64_t s = *stop, t = *target;
    if (!put_digits(i, price, side == SIDE_SELL, tag / TAG_STEP, &s) ||
        !put_digits(i, price, side == SIDE_BUY, tag % TAG_STEP, &t))
        return -1;
    *stop = s;
    *target = t;
    return tag;
}
