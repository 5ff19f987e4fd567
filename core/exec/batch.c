/* SPDX-License-Identifier: MIT
 *
 * The fan-out. submit() goes through the legs twice: the first time each is checked and its intent
 * written (so that the next leg's checks see it), then one commit, then the bytes leave back to
 * back. A leg that was sent is exec's own: a batch that is freed early lives on until its last leg
 * has an end, and is journalled all the same.
 *
 * Settled means: SETTLE_ALL, each leg has a verdict; SETTLE_FIRST, one leg was accepted, or all
 * have a verdict; SETTLE_DEADLINE, the deadline has passed, or all have a verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec_internal.h"

#define PLAN_MAX 65536 /* bytes of an exit plan */

static void batch_deadline(void *arg);

struct batch *batch_new(struct exec *x, uint64_t signal, enum settle settle, int64_t deadline_ms,
                        struct err *e)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b == NULL) {
        err_set(e, ERR_NOMEM, "exec: out of memory for a batch");
        return NULL;
    }
    b->x = x;
    b->signal = signal;
    b->settle = settle;
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
    l->queued_us = l->sent_us = l->answered_us = -1;
    return 0;
}

static int64_t batch_us(const struct batch *b)
{
    return (exec_now(b->x) - b->begun_ns) / 1000;
}

static void refuse(struct leg *l, const char *rule, const char *reason)
{
    l->refused = true;
    l->state = ORDER_NOT_SENT;
    snprintf(l->rule, sizeof l->rule, "%s", rule);
    snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1, reason);
}

static bool unknown_entry(const struct acct *a, int instrument)
{
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && o->op == ORDER_OPEN && o->state == ORDER_UNKNOWN &&
            o->instrument == instrument)
            return true;
    }
    return false;
}

/* A stop on the losing side, a target on the winning one. */
static bool levels_ok(const struct leg_spec *s)
{
    bool buy = s->side == SIDE_BUY;
    if (s->stop != 0 && (buy ? s->stop >= s->price : s->stop <= s->price))
        return false;
    return s->target == 0 || (buy ? s->target > s->price : s->target < s->price);
}

/* Everything that can keep a leg back. The budget comes last: a refused leg must not use it up. */
static bool leg_passes(struct batch *b, struct acct *a, struct leg *l)
{
    struct exec *x = b->x;
    const struct leg_spec *s = &l->spec;
    const struct instrument *i = ledger_instrument_at(x->c.ledger, s->instrument);
    char rule[32] = "", reason[160] = "";
    if (exec_account(x, s->account)->paused) {
        refuse(l, "paused", "the account is paused");
    } else if (unknown_entry(a, s->instrument)) {
        refuse(l, "unknown", "the outcome of an entry on this symbol is not known yet");
    } else if (ledger_entry_pending(x->c.ledger, s->account, s->instrument)) {
        refuse(l, "pending", "an entry on this symbol is in flight or not shown yet");
    } else if (s->stop == 0 && !x->c.allow_naked) {
        refuse(l, "stop", "an entry without a stop loss");
    } else if (!levels_ok(s)) {
        refuse(l, "levels", "stop or target is on the wrong side of the price");
    } else if (!instrument_volume_ok(i, s->volume)) {
        refuse(l, "volume", "the volume is no multiple of the step between least and most");
    } else if (x->c.risk.check == NULL) {
        refuse(l, "risk", "there is no risk policy");
    } else if (x->c.risk.check(x->c.risk.ctx, s, b->signal, rule, reason) != 0) {
        rule[sizeof rule - 1] = reason[sizeof reason - 1] = '\0';
        refuse(l, rule[0] != '\0' ? rule : "risk", reason);
    } else if (!budget_take(a, false, NULL)) {
        refuse(l, "budget", "the account's request budget is used up");
    }
    return !l->refused;
}

static void order_of(const struct batch *b, const struct leg_spec *s, struct order *o)
{
    memset(o, 0, sizeof *o);
    o->id = ledger_last_order(b->x->c.ledger) + 1;
    o->batch = b->id;
    o->signal = b->signal;
    o->account = s->account;
    o->instrument = s->instrument;
    o->op = ORDER_OPEN;
    o->state = ORDER_INTENT;
    o->side = s->side;
    o->volume = s->volume;
    o->price = s->price;
    o->stop = s->stop;
    o->target = s->target;
    o->attempt = 1;
    o->plan_holding_ms = s->holding_ms;
    o->tag = order_tag_apply(ledger_instrument_at(b->x->c.ledger, s->instrument), s->side, s->price,
                             o->id, &o->stop, &o->target);
}

static int leg_intent(struct batch *b, size_t k, struct err *e)
{
    struct leg *l = &b->legs[k];
    struct acct *a = exec_acct(b->x, l->spec.account);
    if (a == NULL)
        return err_set(e, ERR_NOMEM, "batch: out of memory");
    if (!leg_passes(b, a, l))
        return 0;
    struct order o;
    order_of(b, &l->spec, &o);
    struct call *c = &b->calls[k];
    call_init(c, b->x, &o);
    c->batch = b;
    c->leg = k;
    int rc = call_intent(c, b->plans[k] == SIZE_MAX ? NULL : b->text.p + b->plans[k], e);
    if (rc != 0 && rc != ERR_NOMEM && stream_broken(b->x->c.stream) == NULL) {
        /* This intent contradicts the ledger; those of the other legs need not. */
        refuse(l, "journal", e->message);
        return 0;
    }
    if (rc == 0) {
        l->order = o.id;
        l->spec.stop = o.stop;
        l->spec.target = o.target;
        b->left++;
        if (b->x->c.venue_ops->prepare != NULL)
            b->x->c.venue_ops->prepare(b->x->c.venue, o.account, &c->v);
    }
    return rc;
}

/* The journal failed: not a byte leaves. What was written of the intents is UNKNOWN to the next
 * start, which will find nothing at the broker. */
static void abort_legs(struct batch *b)
{
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        struct acct *a = exec_acct(b->x, l->spec.account);
        if (l->refused)
            continue;
        if (a != NULL && l->order != 0)
            exec_orun_remove(a, l->order);
        if (l->order != 0 && b->x->c.venue_ops->prepare != NULL) /* forgets what was prepared */
            (void)b->x->c.venue_ops->withdraw(b->x->c.venue, l->spec.account, &b->calls[k].v);
        l->state = ORDER_NOT_SENT;
        snprintf(l->rule, sizeof l->rule, "journal");
        snprintf(l->reason, sizeof l->reason, "the journal could not be written");
    }
    b->left = 0;
}

static void settle_check(struct batch *b);

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
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < b->count; k++)
        rc = leg_intent(b, k, e);
    if (rc == 0)
        rc = stream_commit(x->c.stream, e);
    if (rc != 0) {
        exec_stop_entries(x, true);
        abort_legs(b);
        return rc;
    }
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->refused)
            continue;
        l->queued_us = batch_us(b);
        if (call_submit(&b->calls[k], b->deadline_ms, false, e) != 0) {
            l->state = ORDER_NOT_SENT;
            snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1, e->message);
            b->left--;
        }
    }
    if (b->settle == SETTLE_DEADLINE)
        (void)timer_start_io(&b->timer, b->deadline_ms);
    settle_check(b);
    return 0;
}

/* Progress */

void batch_leg_sent(struct batch *b, size_t leg)
{
    b->legs[leg].state = ORDER_SENT;
    b->legs[leg].sent_us = batch_us(b);
}

void batch_leg_done(struct batch *b, size_t leg, enum order_state state, const struct verdict *v)
{
    struct leg *l = &b->legs[leg];
    l->state = state;
    if (state != ORDER_NOT_SENT) {
        l->answered_us = batch_us(b);
        if (l->answered_us > b->answered_us)
            b->answered_us = l->answered_us;
    }
    memcpy(l->broker_id, v->broker_id, sizeof l->broker_id);
    snprintf(l->reason, sizeof l->reason, "%s", v->reason[0] != '\0' ? v->reason : v->code);
    b->left--;
    settle_check(b);
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

static bool any_accepted(const struct batch *b)
{
    for (size_t k = 0; k < b->count; k++)
        if (b->legs[k].order != 0 && b->legs[k].state == ORDER_ACCEPTED)
            return true;
    return false;
}

static void settle_check(struct batch *b)
{
    if (b->left == 0 && !b->told) {
        timer_stop(&b->timer);
        journal_done(b);
    }
    if (!b->finished && (b->left == 0 || (b->settle == SETTLE_FIRST && any_accepted(b)))) {
        b->finished = true;
        b->calling = true;
    }
    if (b->calling || (b->orphan && b->left == 0))
        exec_later(b->x);
}

static void batch_deadline(void *arg)
{
    struct batch *b = arg;
    if (b->finished)
        return;
    b->finished = true;
    b->calling = true;
    exec_later(b->x);
}

void batch_run_later(struct exec *x)
{
    bool again = true;
    while (again) { /* done() may free any batch: begin anew after each */
        again = false;
        struct batch *oldest = NULL;
        for (struct batch *b = x->batches; b != NULL; b = b->next)
            if ((b->orphan && b->left == 0) || (b->calling && !b->orphan))
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

/* The owner's view */

size_t batch_count(const struct batch *b)
{
    return b->count;
}

const struct leg *batch_leg(const struct batch *b, size_t i)
{
    return i < b->count ? &b->legs[i] : NULL;
}

static void report_leg(const struct leg *l, struct batch_report *out)
{
    if (l->refused) {
        out->refused++;
        return;
    }
    if (l->order == 0)
        return;
    out->sent += l->sent_us >= 0;
    out->rejected += l->state == ORDER_REJECTED;
    out->unknown += l->state == ORDER_UNKNOWN;
    out->not_sent += l->state == ORDER_NOT_SENT;
    if (l->state == ORDER_ACCEPTED) {
        out->accepted++;
        (void)decimal_add(out->volume, l->spec.volume, &out->volume);
    }
}

void batch_report(const struct batch *b, struct batch_report *out)
{
    int64_t first = INT64_MAX, last = 0;
    memset(out, 0, sizeof *out);
    out->batch = b->id;
    out->signal = b->signal;
    out->legs = b->count;
    out->elapsed_us = b->answered_us;
    for (size_t k = 0; k < b->count; k++) {
        const struct leg *l = &b->legs[k];
        report_leg(l, out);
        if (l->sent_us >= 0 && l->sent_us < first)
            first = l->sent_us;
        if (l->sent_us > last)
            last = l->sent_us;
    }
    out->skew_us = out->sent >= 2 ? last - first : 0;
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    if (!b->submitted || b->left == 0) {
        batch_drop(b);
        return;
    }
    b->orphan = true;
    b->finished = true;
    b->calling = false;
    timer_stop(&b->timer);
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->order == 0 || l->state != ORDER_INTENT || !call_withdraw(&b->calls[k], "cancelled"))
            continue;
        l->state = ORDER_NOT_SENT;
        b->left--;
    }
    settle_check(b);
}
