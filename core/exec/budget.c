/* SPDX-License-Identifier: MIT
 *
 * The request budgets. A bucket counts requests in sixtieths of its window, on the market clock.
 * The sum over the running slice and the sixty before it is never above the limit, so no window of
 * the budget's length holds more (a bucket that may be emptied at once and refills would let nearly
 * twice as many through). Taking allocates nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

#define REST_FIRST_MS 5000 /* after a "too many" without a time */
#define REST_MAX_MS 60000
#define REST_FORGET_MS 300000 /* as long without one, and the pauses begin anew */
#define WAIT_UNKNOWN_MS 60000 /* of an account that the ledger does not know */

static const struct {
    const char *name;
    unsigned percent; /* of the limit; over 100: always granted */
} lanes[BUDGET_LANES] = {
    [BUDGET_LANE_CLOSE] = {"close", 101},    [BUDGET_LANE_SESSION] = {"session", 101},
    [BUDGET_LANE_CANCEL] = {"cancel", 90},   [BUDGET_LANE_OPEN] = {"open", 88},
    [BUDGET_LANE_EDIT] = {"edit", 80},       [BUDGET_LANE_RECONCILE] = {"reconcile", 76},
    [BUDGET_LANE_BALANCE] = {"balance", 70}, [BUDGET_LANE_POSITIONS] = {"positions", 66},
    [BUDGET_LANE_QUOTES] = {"quotes", 60},
};

static const char *const scopes[BUDGET_SCOPES] = {
    [BUDGET_ACCOUNT] = "account", [BUDGET_ADDRESS] = "address", [BUDGET_BROKER] = "broker"};

const char *budget_lane_name(enum budget_lane lane)
{
    return lanes[lane].name;
}

enum budget_lane budget_lane_named(const char *word)
{
    enum budget_lane lane = BUDGET_LANE_CLOSE;
    while (lane < BUDGET_LANES && strcmp(word, lanes[lane].name) != 0)
        lane++;
    return lane;
}

const char *budget_scope_name(enum budget_scope scope)
{
    return scopes[scope];
}

enum budget_scope budget_scope_named(const char *word)
{
    enum budget_scope scope = BUDGET_ACCOUNT;
    while (scope < BUDGET_SCOPES && strcmp(word, scopes[scope]) != 0)
        scope++;
    return scope;
}

enum budget_lane budget_lane_of(enum order_op op)
{
    switch (op) {
    case ORDER_CLOSE:
    case ORDER_CLOSE_PARTIAL:
        return BUDGET_LANE_CLOSE;
    case ORDER_CANCEL:
        return BUDGET_LANE_CANCEL;
    case ORDER_EDIT:
    case ORDER_PENDING_EDIT:
        return BUDGET_LANE_EDIT;
    case ORDER_OPEN:
    case ORDER_PENDING:
        break;
    }
    return BUDGET_LANE_OPEN;
}

static bool always(enum budget_lane lane)
{
    return lanes[lane].percent > 100;
}

unsigned budget_mark(unsigned limit, enum budget_lane lane)
{
    return always(lane) ? limit : (unsigned)((uint64_t)limit * lanes[lane].percent / 100);
}

/* ---- one bucket ---- */

static int64_t slice_ms(const struct bucket *b)
{
    int64_t ms = b->window_ms / (BUDGET_SLICES - 1);
    return ms > 0 ? ms : 1;
}

static void bucket_empty(struct bucket *b, int64_t now_ms)
{
    memset(b->slices, 0, sizeof b->slices);
    b->used = 0;
    b->slice = now_ms / slice_ms(b);
}

/* Forgets the slices that have left the window. */
static void bucket_roll(struct bucket *b, int64_t now_ms)
{
    int64_t now_slice = now_ms / slice_ms(b);
    int64_t steps = now_slice - b->slice;
    if (steps < 0) { /* another market's time: what was counted in the old one means nothing */
        bucket_empty(b, now_ms);
        return;
    }
    if (steps > BUDGET_SLICES)
        steps = BUDGET_SLICES;
    for (int64_t k = 0; k < steps; k++) {
        uint32_t *slot = &b->slices[(now_slice - k) % BUDGET_SLICES];
        b->used -= *slot;
        *slot = 0;
    }
    b->slice = now_slice;
}

/* Sets the numbers. With another window the old slices have no meaning any more: all that was
 * counted is taken as of now. */
static void bucket_shape(struct bucket *b, unsigned limit, int64_t window_ms, int64_t now_ms)
{
    b->limit = limit;
    if (b->window_ms == window_ms)
        return;
    uint32_t used = 0;
    if (b->window_ms > 0) {
        bucket_roll(b, now_ms);
        used = b->used;
    }
    b->window_ms = window_ms;
    bucket_empty(b, now_ms);
    b->slices[b->slice % BUDGET_SLICES] = b->used = used;
}

/* Market ms until fewer than `mark` are counted, if none is added. */
static int64_t bucket_wait(const struct bucket *b, uint32_t mark, int64_t now_ms)
{
    uint32_t used = b->used;
    if (used < mark)
        return 0;
    for (int64_t k = b->slice - BUDGET_SLICES + 1; k <= b->slice; k++) {
        if (k >= 0)
            used -= b->slices[k % BUDGET_SLICES];
        if (used < mark)
            return (k + BUDGET_SLICES) * slice_ms(b) - now_ms;
    }
    return b->window_ms;
}

static void bucket_count(struct bucket *b)
{
    uint32_t *slot = &b->slices[b->slice % BUDGET_SLICES];
    if (b->used == UINT32_MAX)
        return;
    (*slot)++;
    b->used++;
}

/* ---- the buckets of an account ---- */

void budget_init(struct acct *a)
{
    memset(a->own, 0, sizeof a->own);
    a->own[1].day = true;
    bucket_shape(&a->own[0], a->x->c.budget_requests, a->x->c.budget_ms,
                 clock_market_ms(a->x->c.clock));
    a->buckets[0] = &a->own[0];
    a->bucket_count = 1;
}

static struct bucket *shared_bucket(struct exec *x, const struct budget_spec *spec,
                                    const char *name)
{
    for (struct bucket *b = x->shared; b != NULL; b = b->next)
        if (b->scope == spec->scope && b->day == spec->day && strcmp(b->name, name) == 0)
            return b;
    struct bucket *b = calloc(1, sizeof *b);
    char *copy = strdup(name);
    if (b == NULL || copy == NULL) {
        free(b);
        free(copy);
        return NULL;
    }
    b->scope = spec->scope;
    b->day = spec->day;
    b->name = copy;
    b->next = x->shared;
    x->shared = b;
    return b;
}

void budget_free_shared(struct exec *x)
{
    while (x->shared != NULL) {
        struct bucket *b = x->shared;
        x->shared = b->next;
        free(b->name);
        free(b);
    }
}

static int check_specs(const struct budget_spec *specs, size_t n, struct err *e)
{
    unsigned seen = 0;
    for (size_t k = 0; k < n; k++) {
        unsigned bit = specs[k].scope < BUDGET_SCOPES
                           ? 1u << (2 * (unsigned)specs[k].scope + specs[k].day)
                           : 0;
        if (bit == 0 || (seen & bit) != 0)
            return err_set(e, ERR_INPUT, "exec: a budget's scope is unknown or named twice");
        if (specs[k].window_ms < 0)
            return err_set(e, ERR_INPUT, "exec: a budget's window is negative");
        seen |= bit;
    }
    return 0;
}

int exec_budget_set(struct exec *x, int account, const struct budget_spec *specs, size_t n,
                    const char *address, const char *broker, struct err *e)
{
    static const struct budget_spec plain = {.scope = BUDGET_ACCOUNT};
    struct acct *a = exec_acct(x, account);
    struct bucket *found[BUDGET_MOST];
    if (a == NULL)
        return err_set(e, ERR_NOTFOUND, "exec: there is no account %d", account);
    if (n == 0) {
        specs = &plain;
        n = 1;
    }
    int rc = check_specs(specs, n, e);
    if (rc != 0)
        return rc;
    for (size_t k = 0; k < n; k++) {
        bool own = specs[k].scope == BUDGET_ACCOUNT;
        const char *name = specs[k].scope == BUDGET_ADDRESS ? address : broker;
        found[k] = own ? &a->own[specs[k].day] : shared_bucket(x, &specs[k], name);
        if (found[k] == NULL)
            return err_set(e, ERR_NOMEM, "exec: out of memory for a budget");
    }
    for (size_t k = 0; k < n; k++) {
        bucket_shape(found[k], specs[k].requests > 0 ? specs[k].requests : x->c.budget_requests,
                     specs[k].window_ms > 0 ? specs[k].window_ms : x->c.budget_ms,
                     clock_market_ms(x->c.clock));
        a->buckets[k] = found[k];
    }
    a->bucket_count = (unsigned)n;
    return 0;
}

/* Whether every scope has room; the longest wait of those that have none. A scope that rests goes
 * before one that is full: the broker's word holds, whatever we have counted. */
static bool has_room(struct acct *a, enum budget_lane lane, struct budget_wait *wait)
{
    int64_t now_ms = clock_market_ms(a->x->c.clock), now_ns = exec_now(a->x);
    struct budget_wait longest = {0, false};
    for (unsigned k = 0; k < a->bucket_count; k++) {
        struct bucket *b = a->buckets[k];
        bucket_roll(b, now_ms);
        int64_t full_ms = bucket_wait(b, budget_mark(b->limit, lane), now_ms);
        int64_t rest_ms = (b->rest_ns - now_ns + MS_NS - 1) / MS_NS;
        if (rest_ms > 0 && (!longest.io || rest_ms > longest.ms))
            longest = (struct budget_wait){rest_ms, true};
        if (!longest.io && full_ms > longest.ms)
            longest.ms = full_ms;
    }
    if (wait != NULL)
        *wait = longest;
    return longest.ms == 0;
}

bool budget_take(struct acct *a, enum budget_lane lane, struct budget_wait *wait)
{
    bool room = has_room(a, lane, wait);
    if (!room && !always(lane))
        return false;
    if (wait != NULL)
        *wait = (struct budget_wait){0, false};
    for (unsigned k = 0; k < a->bucket_count; k++)
        bucket_count(a->buckets[k]);
    return true;
}

void budget_rest(struct acct *a, int64_t retry_after_ms)
{
    int64_t now = exec_now(a->x);
    for (unsigned k = 0; k < a->bucket_count; k++) {
        struct bucket *b = a->buckets[k];
        bool resting = now < b->rest_ns;
        if (!resting && now - b->rest_ns > REST_FORGET_MS * MS_NS)
            b->rests = 0;
        int64_t ms = retry_after_ms;
        if (ms <= 0) {
            if (resting) /* several were on their way when the first was refused */
                continue;
            ms = REST_FIRST_MS << (b->rests < 4 ? b->rests : 4);
            ms = ms < REST_MAX_MS ? ms : REST_MAX_MS;
        }
        if (!resting)
            b->rests++;
        if (now + ms * MS_NS > b->rest_ns)
            b->rest_ns = now + ms * MS_NS;
    }
}

/* ---- the doors ---- */

bool exec_budget_take(struct exec *x, int account, enum budget_lane lane, struct budget_wait *wait)
{
    struct acct *a = exec_acct(x, account);
    if (a != NULL)
        return budget_take(a, lane, wait);
    if (wait != NULL)
        *wait = (struct budget_wait){WAIT_UNKNOWN_MS, true};
    return false;
}

void exec_budget_rest(struct exec *x, int account, int64_t retry_after_ms)
{
    struct acct *a = exec_acct(x, account);
    if (a != NULL)
        budget_rest(a, retry_after_ms);
}

size_t exec_budget_use(struct exec *x, int account, struct budget_use *out)
{
    struct acct *a = exec_acct(x, account);
    int64_t now_ms = clock_market_ms(x->c.clock), now_ns = exec_now(x);
    if (a == NULL)
        return 0;
    for (unsigned k = 0; k < a->bucket_count; k++) {
        struct bucket *b = a->buckets[k];
        bucket_roll(b, now_ms);
        int64_t rest_ms = (b->rest_ns - now_ns + MS_NS - 1) / MS_NS;
        out[k] = (struct budget_use){
            .scope = b->scope,
            .day = b->day,
            .used = b->used,
            .limit = b->limit,
            .window_ms = b->window_ms,
            .wait_ms = bucket_wait(b, budget_mark(b->limit, BUDGET_LANE_QUOTES), now_ms),
            .rest_ms = rest_ms > 0 ? rest_ms : 0};
    }
    return a->bucket_count;
}
