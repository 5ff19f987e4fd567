/* SPDX-License-Identifier: MIT
 *
 * The order machine, pure. An order is one write to a broker; what is known of it is its state.
 *
 *   INTENT -> SENT -> ACCEPTED | REJECTED
 *      |        \--> UNKNOWN -> ACCEPTED (adopted) | ABSENT
 *      \--> NOT_SENT
 *
 * INTENT found after a restart goes to UNKNOWN too: its bytes may have left. ABSENT may still turn
 * into ACCEPTED: a broker can execute later than any wait.
 */
#ifndef PERIGEE_TRADE_ORDER_H
#define PERIGEE_TRADE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "trade/instrument.h"

enum order_state {
    ORDER_INTENT,
    ORDER_SENT,
    ORDER_ACCEPTED,
    ORDER_REJECTED,
    ORDER_UNKNOWN,
    ORDER_ABSENT,
    ORDER_NOT_SENT
};

enum order_input {
    ORDER_IN_SEND,
    ORDER_IN_ACCEPT,
    ORDER_IN_REJECT,
    ORDER_IN_LOSE,   /* outcome lost: time-out, cut, 5xx, restart */
    ORDER_IN_ADOPT,  /* found in the broker's lists */
    ORDER_IN_ABSENT, /* proven not to be there */
    ORDER_IN_DROP    /* given up before a byte was sent */
};

enum order_op { ORDER_OPEN, ORDER_CLOSE, ORDER_CLOSE_PARTIAL, ORDER_EDIT };

/* 0 and *to, or ERR_STATE when the table has no such step. */
int order_step(enum order_state from, enum order_input input, enum order_state *to);
bool order_final(enum order_state state);             /* ACCEPTED, REJECTED, ABSENT, NOT_SENT */
const char *order_state_name(enum order_state state); /* "INTENT", ... */
const char *order_op_name(enum order_op op);          /* "open", "close", "close_partial", "edit" */
int order_op_parse(const char *text, enum order_op *out);

struct order {
    uint64_t id;     /* ours, rising, unique in a journal */
    uint64_t batch;  /* 0: alone */
    uint64_t signal; /* 0: none */
    int account;     /* ledger index */
    int instrument;  /* ledger index */
    enum order_op op;
    enum order_state state;
    enum side side;          /* of the position */
    decimal volume;          /* lots; for an edit the position's */
    int64_t price;           /* reference, points */
    int64_t stop, target;    /* points; 0: none */
    int tag;                 /* 0..9999 or -1 (see order_tag_apply) */
    int attempt;             /* 1: first */
    char position[32];       /* broker id: of a close or edit; of an open once accepted */
    char reason[16];         /* exit reason of a close */
    int64_t intent_ms;       /* market ms of its intent */
    int64_t plan_holding_ms; /* exit plan: longest holding; 0: none (copied to the position) */
    bool shown;              /* an accepted open: its position was seen, opened or closed */
};

/* Puts the tag (order id mod 10,000) into the last two digits of stop and target, moving each only
 * towards the price and by at most 99 points, never inside stops_level, and only where that is no
 * more than 2 % of its distance. Returns the tag, or -1 and leaves both untouched. */
int order_tag_apply(const struct instrument *i, enum side side, int64_t price, uint64_t id,
                    int64_t *stop, int64_t *target);

#endif
