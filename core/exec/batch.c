/* SPDX-License-Identifier: MIT
 *
 * The fan-out: its life from the first leg to the last verdict. submit() goes through the legs
 * twice: the first time each is checked and its intent written (batch_leg.c), then one commit, then
 * the bytes leave back to back. A leg that was sent is exec's own: a batch that is freed early
 * lives on until its last leg has an end, and is journalled all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

#define PLAN_MAX 65536 /* bytes of an exit plan */

static void batch_deadline(void *arg);

struct batch *batch_new(struct exec *x, uint64_t signal, enum settle settle, int64_t deadline_ms,
                        struct err *e)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b == NULL || (b->parts = calloc(1, sizeof *b->parts)) == NULL) {
        free(b);
        err_set(e, ERR_NOMEM, "exec: out of memory for a batch");
        return NULL;
    }
    b->part_count = 1;
    b->x = x;
    b->signal = signal;
    b->settle = settle;
    b->quorum = 1;
    b->deadline_ms = deadline_ms > 0 ? deadline_ms : ENTRY_DEADLINE_MS;
    str_init(&b->text);
    timer_init(&b->timer, x->c.loop, batch_deadline, b);
    b->next = x->batches;
    if (x->batches != NULL)
        x->batches->prev = b;
    x->batches = b;
    return b;
}

static void batch_drop(struct batch *b)
{
    struct exec *x = b->x;
    timer_stop(&b->timer);
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        x->batches = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    free(b->parts);
    free(b->legs);
    free(b->calls);
    free(b->plans);
    str_fini(&b->text);
    free(b);
}

void batch_drop_all(struct exec *x)
{
    while (x->batches != NULL)
        batch_drop(x->batches);
}

void batch_settle_quorum(struct batch *b, size_t n)
{
    b->quorum = n > 0 ? n : 1;
}

int batch_policy(struct batch *b, const char *group, enum on_failure policy, unsigned quorum,
                 struct err *e)
{
    size_t k = 0;
    if (b->count > 0)
        return err_set(e, ERR_STATE, "batch: policies are set before the first leg");
    if (policy == FAIL_QUORUM && quorum == 0)
        return err_set(e, ERR_INPUT, "batch: a quorum is a number above 0");
    if (group != NULL && (group[0] == '\0' || strlen(group) >= sizeof b->parts[0].group))
        return err_set(e, ERR_INPUT, "batch: the name of a group has 1 to %d bytes",
                       (int)sizeof b->parts[0].group - 1);
    if (group != NULL) {
        for (k = 1; k < b->part_count && strcmp(b->parts[k].group, group) != 0; k++)
            continue;
        if (k == b->part_count) {
            struct part *grown = realloc(b->parts, (k + 1) * sizeof *grown);
            if (grown == NULL)
                return err_set(e, ERR_NOMEM, "batch: out of memory");
            b->parts = grown;
            memset(&grown[k], 0, sizeof grown[k]);
            memcpy(grown[k].group, group, strlen(group));
            b->part_count++;
        }
    }
    b->parts[k].policy = policy;
    b->parts[k].quorum = quorum;
    return 0;
}

static unsigned part_of(const struct batch *b, const char *group)
{
    for (size_t k = 1; k < b->part_count; k++)
        if (strcmp(b->parts[k].group, group) == 0)
            return (unsigned)k;
    return 0;
}

static int batch_grow(struct batch *b)
{
    if (b->count < b->cap)
        return 0;
    size_t cap = b->cap == 0 ? 16 : b->cap * 2;
    struct leg *legs = realloc(b->legs, cap * sizeof *legs);
    if (legs != NULL)
        b->legs = legs;
    size_t *plans = realloc(b->plans, cap * sizeof *plans);
    if (plans != NULL)
        b->plans = plans;
    if (legs == NULL || plans == NULL)
        return ERR_NOMEM;
    b->cap = cap;
    return 0;
}

int batch_add(struct batch *b, const struct leg_spec *leg, struct err *e)
{
    const struct account *a = exec_account(b->x, leg->account);
    const struct instrument *i = ledger_instrument_at(b->x->c.ledger, leg->instrument);
    size_t plan = leg->plan != NULL ? strlen(leg->plan) : 0;
    if (b->submitted)
        return err_set(e, ERR_STATE, "batch: it was submitted, no leg can be added");
    if (a == NULL || i == NULL)
        return err_set(e, ERR_INPUT, "batch: account %d or instrument %d is not in the ledger",
                       leg->account, leg->instrument);
    if (strcmp(a->broker, i->venue) != 0)
        return err_set(e, ERR_INPUT, "batch: %s is an instrument of %s, account %s is at %s",
                       i->symbol, i->venue, a->id, a->broker);
    if ((leg->side != SIDE_BUY && leg->side != SIDE_SELL) || leg->price <= 0 || leg->stop < 0 ||
        leg->target < 0 || leg->holding_ms < 0)
        return err_set(e, ERR_INPUT,
                       "batch: side, price, stop, target or holding time of account "
                       "%s is out of range",
                       a->id);
    if (plan > PLAN_MAX)
        return err_set(e, ERR_INPUT, "batch: the exit plan is larger than %d bytes", PLAN_MAX);
    if (batch_grow(b) != 0)
        return err_set(e, ERR_NOMEM, "batch: out of memory");
    b->plans[b->count] = plan > 0 ? b->text.len : SIZE_MAX;
    if (plan > 0)
        str_add(&b->text, leg->plan, plan + 1);
    if (b->text.failed)
        return err_set(e, ERR_NOMEM, "batch: out of memory");
    struct leg *l = &b->legs[b->count++];
    memset(l, 0, sizeof *l);
    l->spec = *leg;
    l->spec.plan = NULL;
    l->part = part_of(b, a->group);
    b->parts[l->part].legs++;
    l->queued_us = l->sent_us = l->answered_us = -1;
    return 0;
}

int64_t batch_us(const struct batch *b)
{
    return (exec_now(b->x) - b->begun_ns) / 1000;
}

/* Something went wrong before the first byte: not one leaves. With a journal that works each intent
 * gets its end; with a broken one what was written of them is UNKNOWN to the next start, which will
 * find nothing at the broker. */
static void abort_legs(struct batch *b, const struct err *why)
{
    struct exec *x = b->x;
    bool broken = stream_broken(x->c.stream) != NULL;
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        struct acct *a = exec_acct(x, l->spec.account);
        if (l->refused)
            continue;
        if (l->order != 0 && !broken) {
            call_forget(&b->calls[k], "aborted");
        } else if (l->order != 0) {
            if (a != NULL)
                exec_orun_remove(a, l->order);
            if (x->c.venue_ops->prepare != NULL) /* forgets what was prepared */
                (void)x->c.venue_ops->withdraw(x->c.venue, l->spec.account, &b->calls[k].v);
        }
        l->state = ORDER_NOT_SENT;
        snprintf(l->rule, sizeof l->rule, "journal");
        snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1,
                 broken ? "the journal could not be written" : why->message);
    }
    b->left = 0;
    b->quorums = 0;
    if (!broken)
        parts_check(x);
}

/* Hands the legs to the venue. One that cannot be queued may decide its part, and the others of the
 * part then stay here. */
static void send_legs(struct batch *b)
{
    struct err e;
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->refused || l->state != ORDER_INTENT)
            continue;
        l->queued_us = batch_us(b);
        if (call_submit(&b->calls[k], b->deadline_ms, false, &e) == 0)
            continue;
        snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1, e.message);
        batch_leg_dropped(b, k);
        parts_check(b->x);
    }
}

int batch_submit(struct batch *b, void (*done)(void *arg, struct batch *b), void *arg,
                 struct err *e)
{
    struct exec *x = b->x;
    struct err own;
    if (e == NULL)
        e = &own;
    if (b->submitted)
        return err_set(e, ERR_STATE, "batch: it was submitted before");
    if (exec_entries_stopped(x))
        return err_set(e, ERR_STATE, "batch: no new entries are taken");
    b->calls = calloc(b->count + 1, sizeof *b->calls);
    if (b->calls == NULL)
        return err_set(e, ERR_NOMEM, "batch: out of memory");
    b->submitted = true;
    b->done = done;
    b->arg = arg;
    b->begun_ns = exec_now(x);
    b->id = ++x->last_batch;
    int rc = legs_intend(b, e);
    if (rc == 0 && !MUTANT(journal_before_send))
        rc = stream_commit(x->c.stream, e);
    if (rc != 0) {
        exec_stop_entries(x, true);
        abort_legs(b, e);
        return rc;
    }
    send_legs(b);
    if ((b->settle == SETTLE_DEADLINE || b->quorums > 0) &&
        timer_start_io(&b->timer, b->deadline_ms) != 0)
        b->late = true; /* without a clock its deadline is now */
    parts_check(x);     /* those that were refused whole */
    batch_settled(b);
    return 0;
}

/* Progress */

void batch_leg_sent(struct batch *b, size_t leg)
{
    b->legs[leg].state = ORDER_SENT;
    b->legs[leg].sent_us = batch_us(b);
}

void batch_leg_dropped(struct batch *b, size_t leg)
{
    b->legs[leg].state = ORDER_NOT_SENT;
    b->left--;
}

void batch_leg_done(struct batch *b, size_t leg, enum order_state state, const struct verdict *v)
{
    struct leg *l = &b->legs[leg];
    l->state = state;
    b->accepted += state == ORDER_ACCEPTED;
    if (state != ORDER_NOT_SENT) {
        l->answered_us = batch_us(b);
        if (l->answered_us > b->answered_us)
            b->answered_us = l->answered_us;
    }
    memcpy(l->broker_id, v->broker_id, sizeof l->broker_id);
    memcpy(l->code, v->code, sizeof l->code);
    l->retry_after_ms = v->retry_after_ms;
    snprintf(l->reason, sizeof l->reason, "%s", v->reason[0] != '\0' ? v->reason : v->code);
    b->left--;
    if (b->parts[l->part].begun)
        parts_check(b->x);
    batch_settled(b);
}

static void journal_done(struct batch *b)
{
    struct batch_report r;
    struct event ev;
    const struct instrument *i =
        b->count > 0 ? ledger_instrument_at(b->x->c.ledger, b->legs[0].spec.instrument) : NULL;
    batch_report(b, &r);
    event_init(&ev, EVENT_KIND_batch_done);
    event_set_u64(&ev, F_batch_done_batch, b->id);
    event_set_u64(&ev, F_batch_done_signal, b->signal);
    event_set_strz(&ev, F_batch_done_symbol, i != NULL ? i->canonical : NULL);
    event_set_i64(&ev, F_batch_done_legs, (int64_t)r.legs);
    event_set_i64(&ev, F_batch_done_sent, (int64_t)r.sent);
    event_set_i64(&ev, F_batch_done_accepted, (int64_t)r.accepted);
    event_set_i64(&ev, F_batch_done_rejected, (int64_t)r.rejected);
    event_set_i64(&ev, F_batch_done_unknown, (int64_t)r.unknown);
    event_set_i64(&ev, F_batch_done_not_sent, (int64_t)r.not_sent);
    event_set_dec(&ev, F_batch_done_volume, r.volume);
    event_set_i64(&ev, F_batch_done_skew_us, r.skew_us);
    event_set_i64(&ev, F_batch_done_elapsed_us, r.elapsed_us);
    (void)emit(b->x, &ev, NULL);
    b->told = true;
}

static bool settle_met(const struct batch *b)
{
    switch (b->settle) {
    case SETTLE_FIRST:
        return b->accepted > 0;
    case SETTLE_QUORUM:
        return b->accepted >= b->quorum;
    case SETTLE_DEADLINE:
        return b->late;
    case SETTLE_ALL:
        break;
    }
    return false;
}

/* Nobody needs it any more. A quorum needs its deadline, which lives here. */
static bool over(const struct batch *b)
{
    return b->orphan && b->left == 0 && b->quorums == 0;
}

void batch_settled(struct batch *b)
{
    if (b->left == 0 && !b->told)
        journal_done(b);
    if (b->left == 0 && b->quorums == 0)
        timer_stop(&b->timer);
    if (!b->finished && (b->left == 0 || settle_met(b))) {
        b->finished = true;
        b->calling = true;
    }
    if (b->calling || over(b))
        exec_later(b->x);
}

static void batch_deadline(void *arg)
{
    struct batch *b = arg;
    b->late = true;
    parts_check(b->x);
    batch_settled(b);
}

void batch_run_later(struct exec *x)
{
    bool again = true;
    while (again) { /* done() may free any batch: begin anew after each */
        again = false;
        struct batch *oldest = NULL;
        for (struct batch *b = x->batches; b != NULL; b = b->next)
            if (over(b) || (b->calling && !b->orphan))
                oldest = b; /* the list holds the newest first */
        if (oldest == NULL)
            return;
        again = true;
        oldest->calling = false;
        if (oldest->orphan)
            batch_drop(oldest);
        else if (oldest->done != NULL)
            oldest->done(oldest->arg, oldest);
    }
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    if (!b->submitted || (b->left == 0 && b->quorums == 0)) {
        batch_drop(b);
        return;
    }
    b->orphan = true;
    b->finished = true;
    b->calling = false;
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->refused || l->state != ORDER_INTENT || !call_withdraw(&b->calls[k], "cancelled"))
            continue;
        batch_leg_dropped(b, k);
    }
    parts_check(b->x);
    batch_settled(b);
}
