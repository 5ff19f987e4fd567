/* SPDX-License-Identifier: MIT
 *
 * Execution: the one door through which orders leave. Journals the intent before the first byte,
 * follows each order to a known end, keeps wanted closes wanted, and settles what is UNKNOWN by the
 * broker's own lists. Rules it never breaks:
 *   - an intent is committed to the journal before its first byte leaves;
 *   - an entry, at the market or as a pending order, is sent once; UNKNOWN entries are never sent
 *     again, ABSENT ones only where the configuration says so, once, as a new order through risk;
 *   - one entry in flight (INTENT, SENT, UNKNOWN) for each account and symbol;
 *   - a full close is repeated until the broker shows the position closed, a cancel until it does
 *     not show the pending order any more; a partial close is not;
 *   - a failure of the journal stops all entries.
 *
 * What is read from the broker comes in through exec_observe_*; when something should be read is
 * told through exec_needs and the wake callback. Reading and its timing are policy.
 */
#ifndef PERIGEE_EXEC_EXEC_H
#define PERIGEE_EXEC_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/log.h"
#include "exec/budget.h"
#include "io/loop.h"
#include "store/stream.h"
#include "trade/ledger.h"
#include "venue/venue.h"

struct exec;
struct batch;

struct leg_spec {
    int account;    /* ledger index */
    int instrument; /* ledger index */
    enum side side;
    decimal volume;       /* lots */
    int64_t price;        /* reference, points */
    int64_t stop, target; /* points; 0: none (refused unless the policy allows naked orders) */
    int64_t holding_ms;   /* exit plan: longest holding; 0: none */
    const char *plan;     /* exit plan, canonical JSON; may be NULL; copied */
    int attempt;          /* 0 or 1: the first; more: earlier ones had a known end */
    uint64_t replaces;    /* an ABSENT entry that this one stands in for; 0: none */
};

/* Risk, filled by core/script with a protected call that cannot yield. 0: passes; else refused,
 * with rule and reason filled. Any error of the policy itself must refuse (fail closed). */
struct risk_ops {
    void *ctx;
    int (*check)(void *ctx, const struct leg_spec *leg, uint64_t signal, char rule[32],
                 char reason[160]);
};

struct exec_config {
    struct loop *loop;
    struct clock *clock;
    struct log *log;
    struct stream *stream; /* opened before exec_start */
    struct ledger *ledger;
    const struct venue_ops *venue_ops;
    struct venue *venue;
    struct risk_ops risk;
    bool allow_naked;         /* the policy's word: entries without a stop are taken */
    int64_t absent_after_ms;  /* io ms after which reads may prove absence; 0: 30,000 */
    unsigned absent_reads;    /* 0: 3; never fewer than 3 */
    bool late_close;          /* an ABSENT entry that turns up later is closed; else adopted */
    bool resend;              /* ABSENT entries may be stood in for (leg_spec.replaces) */
    int64_t close_retry_ms;   /* io ms, first back-off of a close that did not work; 0: 250; doubled
                                 up to 5,000 */
    unsigned budget_requests; /* of a scope whose session names no number; 0: 480 ... */
    int64_t budget_ms;        /* ... in this many market ms; 0: 60,000 */
};

/* Registers nothing with the stream itself: the ledger is already its reducer. */
struct exec *exec_new(const struct exec_config *config, struct err *e);
/* After its venue was freed (which ends the calls in flight) and while the stream is still open. */
void exec_free(struct exec *x);
/* After the stream was opened and folded: INTENT and SENT of the former life become UNKNOWN (cause
 * "restart"), wanted closes are wanted again. */
int exec_start(struct exec *x, struct err *e);
/* No new entry from now on (closes go on): at stopping, or on a broken journal. */
void exec_stop_entries(struct exec *x, bool stop);
bool exec_entries_stopped(const struct exec *x);
/* Orders in flight (INTENT with bytes queued, SENT). */
unsigned exec_in_flight(const struct exec *x);

/* ---- fan-out ---- */

/* When the caller goes on. ALL: each leg has a verdict. FIRST: one was accepted. QUORUM: so many
 * were (batch_settle_quorum). DEADLINE: it has passed. Each of them: or all have a verdict. */
enum settle { SETTLE_ALL, SETTLE_FIRST, SETTLE_QUORUM, SETTLE_DEADLINE };

/* What becomes of the legs of a group of accounts when some of them fail (are refused, rejected,
 * not sent, or proven absent).
 * BEST_EFFORT: the others stand. ALL_OR_NONE: none is sent when one is refused, and when one fails
 * the others are closed again. QUORUM: the same when fewer than n pass, or fewer than n were
 * accepted by the deadline. What is UNKNOWN counts for neither side: it is waited for (ALL_OR_NONE)
 * or not counted (QUORUM, at the deadline), and closed when it turns out to have been executed
 * after the others were closed. The decision is journalled and outlives the batch and the process.
 */
enum on_failure { FAIL_BEST_EFFORT, FAIL_ALL_OR_NONE, FAIL_QUORUM };

struct leg {
    struct leg_spec spec; /* plan pointer not kept */
    uint64_t order;       /* 0: refused before an intent */
    enum order_state state;
    bool
        refused; /* by risk, by the pending-entry rule, by the budget or with its group; see rule */
    unsigned part; /* index of its group's policy */
    char rule[32];
    char code[32]; /* of a verdict that is not ACCEPTED: the venue's stable word */
    char reason[160];
    char broker_id[32];
    int64_t retry_after_ms;                  /* of a REJECTED; 0: not said */
    int64_t queued_us, sent_us, answered_us; /* since submit; -1: never */
};

struct batch_report {
    uint64_t batch, signal;
    size_t legs, refused, sent, accepted, rejected, unknown, not_sent;
    decimal volume;     /* lots accepted */
    int64_t skew_us;    /* first to last first byte; 0 with fewer than two sent */
    int64_t elapsed_us; /* submit to the last answer */
};

/* deadline_ms: io ms from submit after which a leg that was not sent becomes NOT_SENT, and in which
 * a quorum must be reached; 0: 5,000. */
struct batch *batch_new(struct exec *x, uint64_t signal, enum settle settle, int64_t deadline_ms,
                        struct err *e);
/* The number of SETTLE_QUORUM; at least 1. */
void batch_settle_quorum(struct batch *b, size_t n);
/* The policy of a group of accounts (struct account.group); NULL: of all groups that have none of
 * their own, which stand together. Before the first leg. quorum: of FAIL_QUORUM, at least 1. */
int batch_policy(struct batch *b, const char *group, enum on_failure policy, unsigned quorum,
                 struct err *e);
int batch_add(struct batch *b, const struct leg_spec *leg, struct err *e);
/* Refused legs are told in the report and not journalled: that is the caller's (risk_refused).
 * Risk over all legs, intents journalled and committed, bytes written. done() is called once, on a
 * later turn, when the settle policy is met. ERR_STATE when entries are stopped. */
int batch_submit(struct batch *b, void (*done)(void *arg, struct batch *b), void *arg,
                 struct err *e);
size_t batch_count(const struct batch *b);
const struct leg *batch_leg(const struct batch *b, size_t i);
void batch_report(const struct batch *b, struct batch_report *out);
/* Before submit: forgets it. After: cancels what is still queued (NOT_SENT); legs that were sent
 * stay exec's own and are settled and journalled all the same. done() is not called any more. */
void batch_free(struct batch *b);

/* ---- single orders ---- */

/* Wants the position closed (volume 0: all). Asking again while it is wanted is harmless, and 0
 * then says nothing of the broker: it is repeated until the position is closed. A part of the
 * volume is one order that is not repeated and leaves no position_closing; ERR_STATE while another
 * close of the position is in flight or not settled. reason: 1 to 15 characters. */
int exec_close(struct exec *x, int account, const char *position, decimal volume,
               const char *reason, struct err *e);
/* Wants closed what an entry becomes: one that is queued is taken back, one whose position is shown
 * is closed, and every other (in flight, UNKNOWN, accepted and not shown, ABSENT) is closed as soon
 * as it is shown, after a restart too; a pending order is cancelled. The wish is committed when 0
 * is returned. ERR_NOTFOUND when nothing can become of it any more. ERR_STATE or the journal's
 * error when the wish could not be committed and it is not open, resting or queued. */
int exec_close_entry(struct exec *x, uint64_t order, const char *reason, struct err *e);
struct exec_cursor {
    size_t account, at;
};
/* Entries that were proven ABSENT and are looked for still, because a broker may execute late; of
 * each account the newest ones. Start with {0}; NULL: no more. Nothing may be changed meanwhile. */
const struct order *exec_absent_next(const struct exec *x, struct exec_cursor *cursor);
/* Replaces stop and target (points; 0 clears; the stop of ours only with allow_naked). done (may be
 * NULL) gets the order's final state. */
int exec_edit(struct exec *x, int account, const char *position, int64_t stop, int64_t target,
              void (*done)(void *arg, enum order_state state, const char *reason), void *arg,
              struct err *e);

/* ---- pending orders ---- */

/* Creates a limit or stop order: what an entry passes it passes too, leg->price is its activation
 * price. ERR_LIMIT when it was refused (the message names the rule). done (may be NULL) gets the
 * state and, when ACCEPTED, the broker's id, else the reason. */
int exec_pending(struct exec *x, const struct leg_spec *leg, enum order_type type, uint64_t signal,
                 void (*done)(void *arg, enum order_state state, const char *text), void *arg,
                 struct err *e);
/* Replaces volume (never a larger one), price, stop and target; 0 clears stop or target. */
int exec_pending_edit(struct exec *x, int account, const char *id, decimal volume, int64_t price,
                      int64_t stop, int64_t target,
                      void (*done)(void *arg, enum order_state state, const char *text), void *arg,
                      struct err *e);
/* Wants it cancelled, until the broker does not show it any more. When it was triggered first its
 * position is adopted and a notice says so. reason: 1 to 15 characters. */
int exec_cancel(struct exec *x, int account, const char *id, const char *reason, struct err *e);

/* ---- reconciliation ---- */

struct seen_position {
    const char *id, *symbol;
    enum side side;
    decimal volume, price, stop, target; /* stop, target 0: none */
    int64_t opened_ms;
};

struct seen_order {
    const char *id, *symbol;
    enum side side;
    enum order_type type;
    decimal volume, price, stop, target; /* price: activation; stop, target 0: none */
    int64_t created_ms;
};

struct seen_close {
    const char *id, *uid, *symbol;
    enum side side;
    decimal volume, open_price, price, stop, target, profit, commission, swap;
    int64_t opened_ms, closed_ms;
    bool partial; /* the position lives on; a hint only: exec judges by the volume that is left */
};

/* begun_io_ns: when the read was begun (a list read earlier than a change proves nothing about it).
 * Rows of symbols that the ledger does not know are reported as a notice once and skipped. */
int exec_observe_positions(struct exec *x, int account, int64_t begun_io_ns,
                           const struct seen_position *rows, size_t n, struct err *e);
/* Pending orders. Read them before the positions, and those before the history: then what moves
 * from one list to the next is never missed. */
int exec_observe_orders(struct exec *x, int account, int64_t begun_io_ns,
                        const struct seen_order *rows, size_t n, struct err *e);
int exec_observe_closed(struct exec *x, int account, int64_t begun_io_ns,
                        const struct seen_close *rows, size_t n, struct err *e);
int exec_observe_balance(struct exec *x, int account, decimal balance, decimal equity,
                         decimal margin, decimal free_margin, struct err *e);
/* The currency that the broker names with the balance: a change is told and taken over. "" or NULL:
 * it named none. */
int exec_observe_currency(struct exec *x, int account, const char *currency, struct err *e);

#define NEED_POSITIONS 1u /* something was accepted, lost, or crossed its stop or target */
#define NEED_CLOSED 2u    /* a position is missing: read the history */
#define NEED_BALANCE 4u   /* a position closed: read the balance */
#define NEED_ORDERS 8u    /* a pending order was created, changed, or may have been triggered */
/* What should be read of an account now; *closed_from: market ms to read the history from. */
unsigned exec_needs(const struct exec *x, int account, int64_t *closed_from);
/* The operator's word on an ambiguous order: `position` (a candidate's id) is it; NULL or "": none
 * of the candidates is. It takes effect with the next list. ERR_NOTFOUND: no such order or no such
 * candidate; ERR_STATE: it is not ambiguous. */
int exec_assign(struct exec *x, uint64_t order, const char *position, struct err *e);
/* The n-th thing at the broker that an order could be, by its id there; NULL: there are no more.
 * Valid until the next list of its account. */
const char *exec_candidate(const struct exec *x, uint64_t order, size_t n);
/* Absence of what an account has lost, or loses from now on, takes so long since it was lost; 0: as
 * configured. */
int exec_absent_after(struct exec *x, int account, int64_t ms);
/* Marks that a position probably closed at the broker (its stop or target was crossed). */
void exec_suspect(struct exec *x, int account);
/* fn is called, on a turn of its own, when exec_needs of an account turns from 0 to something or is
 * still something after an observe. A read that failed is the caller's to repeat. */
void exec_on_need(struct exec *x, void (*fn)(void *arg, int account), void *arg);

#endif
