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

enum order_op {
    ORDER_OPEN,
    ORDER_CLOSE,
    ORDER_CLOSE_PARTIAL,
    ORDER_EDIT,
    ORDER_PENDING,      /* creates a limit or stop order at the broker */
    ORDER_PENDING_EDIT, /* replaces its price, volume, stop and target */
    ORDER_CANCEL        /* takes it back */
};

/* What an entry waits for. A LIMIT buys below or sells above the market, a STOP the other way. */
enum order_type { ORDER_MARKET, ORDER_LIMIT, ORDER_STOP };

/* 0 and *to, or ERR_STATE when the table has no such step. */
int order_step(enum order_state from, enum order_input input, enum order_state *to);
bool order_final(enum order_state state);             /* ACCEPTED, REJECTED, ABSENT, NOT_SENT */
const char *order_state_name(enum order_state state); /* "INTENT", ... */
const char *order_op_name(enum order_op op);          /* "open", "close", "close_partial", ... */
int order_op_parse(const char *text, enum order_op *out);
const char *order_type_name(enum order_type type); /* "MARKET", "LIMIT", "STOP" */
int order_type_parse(const char *text, enum order_type *out);
/* May it open a position: an entry at the market, or a pending order? */
bool order_enters(enum order_op op);

struct order {
    uint64_t id;     /* ours, rising, unique in a journal */
    uint64_t batch;  /* 0: alone */
    uint64_t signal; /* 0: none */
    int account;     /* ledger index */
    int instrument;  /* ledger index */
    enum order_op op;
    enum order_state state;
    enum side side;       /* of the position */
    decimal volume;       /* lots; for an edit the position's */
    enum order_type type; /* of a pending order and of writes to one */
    int64_t price;        /* reference, points; of a pending order its activation price */
    int64_t stop, target; /* points; 0: none */
    int tag;              /* 0..9999 or -1 (see order_tag_apply) */
    int attempt;          /* 1: first */
    char position[32];    /* broker id: of what a write is about; of an entry once accepted */
    char reason[16];      /* exit reason of a close, of a cancel; of an entry that is `closing` */
    int64_t intent_ms;    /* market ms of its intent */
    int64_t updated_ms;   /* market ms of its newest step */
    char why[128];        /* why it was rejected, lost or not sent, cut to fit; "": no reason */
    int64_t plan_holding_ms; /* exit plan: longest holding; 0: none (copied to the position) */
    bool shown;              /* an accepted entry: its position, or its pending order, was seen */
    bool closing;            /* an entry: what it becomes is to be closed */
    bool triggered;          /* a pending order: the position that it became was seen */
    bool ambiguous;          /* several things at the broker could be it: the operator's to say */
    bool resent;             /* an absent entry in whose place another one was sent */
    uint64_t replaces;       /* the absent entry that this one stands in for; 0: none */
    int64_t filled;          /* an entry: open price of its position, points; 0: not seen yet */
    int64_t queued_us;       /* intent to the first byte; 0: not sent */
    int64_t latency_us;      /* first byte to an ACCEPTED; 0: none */
};

/* Points by which an entry was filled worse than asked (below 0: better); 0 when not filled yet. */
int64_t order_slippage(const struct order *o);

/* Puts the tag (order id mod 10,000) into the last two digits of stop and target, moving each only
 * towards the price and by at most 99 points, never inside stops_level, and only where that is no
 * more than 2 % of its distance. Returns the tag, or -1 and leaves both untouched. */
int order_tag_apply(const struct instrument *i, enum side side, int64_t price, uint64_t id,
                    int64_t *stop, int64_t *target);

#endif
