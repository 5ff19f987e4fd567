/* SPDX-License-Identifier: MIT
 *
 * Request budgets: how many requests may leave in a window of market time, for each scope that a
 * broker counts by (account, our address, the broker as a whole). A request passes only when every
 * scope of its account has room; then it is counted in all of them at once.
 *
 * Lanes. A request asks for its kind, and a lane may fill each budget only up to a mark:
 *
 *     close, session   always granted, and counted
 *     cancel           90 %     the last tenth is the closes'
 *     open             88 %
 *     edit             80 %
 *     reconcile        76 %     reads that settle an order or a position
 *     balance          70 %
 *     positions        66 %
 *     quotes           60 %
 *
 * The mark is compared with all that was counted in the window, whoever used it. So what is below a
 * lane can never take the share between their marks: a lane waits only when it and those above have
 * used that share themselves. As long as closes and sessions stay within the tenth, no window of
 * the budget's length holds more than the limit; what they use beyond it, nobody else gets.
 *
 * A scope in which the broker has said "too many" (429) rests, for all lanes but close and session,
 * as long as the broker asked for, else with growing pauses. That is io time: the broker's word.
 */
#ifndef PERIGEE_EXEC_BUDGET_H
#define PERIGEE_EXEC_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "trade/order.h"

struct exec;

enum budget_lane {
    BUDGET_LANE_CLOSE,
    BUDGET_LANE_SESSION, /* logins and renewals: without them no close leaves either */
    BUDGET_LANE_CANCEL,
    BUDGET_LANE_OPEN,
    BUDGET_LANE_EDIT,
    BUDGET_LANE_RECONCILE,
    BUDGET_LANE_BALANCE,
    BUDGET_LANE_POSITIONS,
    BUDGET_LANE_QUOTES,
    BUDGET_LANES
};

enum budget_scope { BUDGET_ACCOUNT, BUDGET_ADDRESS, BUDGET_BROKER, BUDGET_SCOPES };

#define BUDGET_MOST (2 * BUDGET_SCOPES) /* budgets that count a request: two of each scope */

struct budget_spec {
    enum budget_scope scope;
    bool day;          /* the second one of the scope: a limit of a day beside that of a minute */
    unsigned requests; /* 0: the configuration's */
    int64_t window_ms; /* market ms; 0: the configuration's */
};

struct budget_wait {
    int64_t ms; /* until there is room, if nobody else asks */
    bool io;    /* of io time (the broker's word); false: of market time */
};

struct budget_use {
    enum budget_scope scope;
    bool day;
    unsigned used, limit;
    int64_t window_ms;
    int64_t wait_ms; /* market ms until the lowest lane has room; 0: now */
    int64_t rest_ms; /* io ms for which the scope rests; 0: it does not */
};

const char *budget_lane_name(enum budget_lane lane);
/* The lane of a word; BUDGET_LANES: there is none. */
enum budget_lane budget_lane_named(const char *word);
const char *budget_scope_name(enum budget_scope scope);
enum budget_scope budget_scope_named(const char *word); /* BUDGET_SCOPES: there is none */
/* The lane of a write. */
enum budget_lane budget_lane_of(enum order_op op);
/* What of `limit` a lane may fill. */
unsigned budget_mark(unsigned limit, enum budget_lane lane);

/* Names the budgets of an account, each once; n = 0: the account alone, with the configuration's
 * numbers. Accounts with the same address share its budget, those with the same broker theirs; what
 * was counted stays counted. ERR_INPUT, ERR_NOTFOUND, ERR_NOMEM. */
int exec_budget_set(struct exec *x, int account, const struct budget_spec *specs, size_t n,
                    const char *address, const char *broker, struct err *e);
/* Takes one request. false: nothing was taken; *wait (may be NULL) tells for how long not to ask.
 */
bool exec_budget_take(struct exec *x, int account, enum budget_lane lane, struct budget_wait *wait);
/* The broker said that there were too many: every scope of the account rests. retry_after_ms: as
 * long as the broker asked for; 0: it did not. */
void exec_budget_rest(struct exec *x, int account, int64_t retry_after_ms);
/* The figures of each budget of an account, up to BUDGET_MOST; returns how many. */
size_t exec_budget_use(struct exec *x, int account, struct budget_use *out);

#endif
