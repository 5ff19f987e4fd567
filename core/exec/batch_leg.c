/* SPDX-License-Identifier: MIT
 *
 * Legs before they leave: what keeps each back, and its intent. Each leg is checked and its intent
 * written before the next one is looked at, so that the next one's checks see it. Nothing yields in
 * between, and nothing is committed here.
 *
 * Legs that stand or fall together are written one part after the other: their orders are one range
 * of ids (see trade/ledger_part.c).
 */
#include <stdio.h>
#include <string.h>

#include "base/mutant.h"
#include "exec/exec_internal.h"

void leg_refuse(struct leg *l, const char *rule, const char *reason)
{
    l->refused = true;
    l->state = ORDER_NOT_SENT;
    snprintf(l->rule, sizeof l->rule, "%s", rule);
    snprintf(l->reason, sizeof l->reason, "%.*s", (int)sizeof l->reason - 1, reason);
}

static bool unknown_entry(const struct acct *a, int instrument)
{
    for (size_t k = 0; k < a->resting_count; k++) {
        const struct pending *p = ledger_pending(a->x->c.ledger, a->index, a->resting[k].id);
        if (p != NULL && a->resting[k].ambiguous && p->instrument == instrument)
            return true;
    }
    for (size_t k = 0; k < a->order_count; k++) {
        const struct order *o = ledger_order(a->x->c.ledger, a->orders[k].id);
        if (o != NULL && order_enters(o->op) && o->state == ORDER_UNKNOWN &&
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

/* An absent entry may be stood in for once, and only where that is the policy. */
static bool may_replace(const struct exec *x, const struct leg_spec *s)
{
    const struct order *o = ledger_order(x->c.ledger, s->replaces);
    return x->c.resend && o != NULL && o->op == ORDER_OPEN && o->state == ORDER_ABSENT &&
           !o->resent && !o->closing && o->account == s->account &&
           o->instrument == s->instrument && o->side == s->side;
}

/* The budget comes last: a refused leg must not use it up. */
bool leg_passes(struct exec *x, uint64_t signal, struct acct *a, struct leg *l)
{
    const struct leg_spec *s = &l->spec;
    const struct instrument *i = ledger_instrument_at(x->c.ledger, s->instrument);
    char rule[32] = "", reason[160] = "";
    if (exec_account(x, s->account)->paused) {
        leg_refuse(l, "paused", "the account is paused");
    } else if (!MUTANT(entry_while_unknown) && unknown_entry(a, s->instrument)) {
        leg_refuse(l, "unknown", "the outcome of an entry on this symbol is not known yet");
    } else if (!MUTANT(entry_while_unknown) && !MUTANT(one_entry) &&
               ledger_entry_pending(x->c.ledger, s->account, s->instrument)) {
        leg_refuse(l, "pending", "an entry on this symbol is in flight or not shown yet");
    } else if (s->replaces != 0 && !may_replace(x, s)) {
        leg_refuse(l, "resend", "the order that it stands in for is not absent, or was sent again");
    } else if (s->stop == 0 && !x->c.allow_naked) {
        leg_refuse(l, "stop", "an entry without a stop loss");
    } else if (!levels_ok(s)) {
        leg_refuse(l, "levels", "stop or target is on the wrong side of the price");
    } else if (!instrument_volume_ok(i, s->volume)) {
        leg_refuse(l, "volume", "the volume is no multiple of the step between least and most");
    } else if (x->c.risk.check == NULL) {
        leg_refuse(l, "risk", "there is no risk policy");
    } else if (x->c.risk.check(x->c.risk.ctx, s, signal, rule, reason) != 0) {
        rule[sizeof rule - 1] = reason[sizeof reason - 1] = '\0';
        leg_refuse(l, rule[0] != '\0' ? rule : "risk", reason);
    } else if (!budget_take(a, BUDGET_LANE_OPEN, NULL)) {
        leg_refuse(l, "budget", "the account's request budget is used up");
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
    o->attempt = s->attempt > 1 ? s->attempt : s->replaces != 0 ? 2 : 1;
    o->replaces = s->replaces;
    o->plan_holding_ms = s->holding_ms;
    o->tag = order_tag_apply(ledger_instrument_at(b->x->c.ledger, s->instrument), s->side, s->price,
                             o->id, &o->stop, &o->target);
}

/* Before the first intent of a part: those that follow are its legs. */
static int part_begin(struct batch *b, struct part *p, struct err *e)
{
    struct event ev;
    if (p->policy == FAIL_BEST_EFFORT || p->begun)
        return 0;
    event_init(&ev, EVENT_KIND_batch_begun);
    event_set_u64(&ev, F_batch_begun_batch, b->id);
    event_set_u64(&ev, F_batch_begun_signal, b->signal);
    event_set_strz(&ev, F_batch_begun_group, p->group);
    event_set_strz(&ev, F_batch_begun_policy,
                   p->policy == FAIL_ALL_OR_NONE ? "all_or_none" : "quorum");
    event_set_i64(&ev, F_batch_begun_quorum, p->policy == FAIL_QUORUM ? (int64_t)p->quorum : 0);
    event_set_i64(&ev, F_batch_begun_legs, (int64_t)p->legs);
    event_set_i64(&ev, F_batch_begun_deadline_ms, b->deadline_ms);
    int rc = emit(b->x, &ev, e);
    if (rc == 0) {
        p->begun = true;
        b->quorums += p->policy == FAIL_QUORUM;
    }
    return rc;
}

static int leg_intend(struct batch *b, size_t k, struct err *e)
{
    struct leg *l = &b->legs[k];
    struct part *p = &b->parts[l->part];
    struct acct *a = exec_acct(b->x, l->spec.account);
    if (a == NULL)
        return err_set(e, ERR_NOMEM, "batch: out of memory");
    if (!leg_passes(b->x, b->signal, a, l)) {
        p->refused++;
        return 0;
    }
    int rc = part_begin(b, p, e);
    if (rc != 0)
        return rc;
    struct order o;
    order_of(b, &l->spec, &o);
    struct call *c = &b->calls[k];
    call_init(c, b->x, &o);
    c->batch = b;
    c->leg = k;
    rc = call_intent(c, b->plans[k] != SIZE_MAX ? b->text.p + b->plans[k] : NULL, e);
    if (rc != 0 && rc != ERR_NOMEM && stream_broken(b->x->c.stream) == NULL) {
        /* This intent contradicts the ledger; those of the other legs need not. */
        leg_refuse(l, "journal", e->message);
        p->refused++;
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

static const struct leg *first_refused(const struct batch *b, unsigned part)
{
    for (size_t k = 0; k < b->count; k++)
        if (b->legs[k].part == part && b->legs[k].refused)
            return &b->legs[k];
    return NULL;
}

/* Too few legs passed: not one of them is sent. */
static void part_refuse(struct batch *b, unsigned part)
{
    const struct part *p = &b->parts[part];
    const struct leg *first = first_refused(b, part);
    bool all = p->policy == FAIL_ALL_OR_NONE;
    char reason[160];
    if (first == NULL)
        snprintf(reason, sizeof reason, "%zu accounts cannot reach a quorum of %u", p->legs,
                 p->quorum);
    else
        snprintf(reason, sizeof reason, "%zu of %zu legs were refused, account %s first: %s",
                 p->refused, p->legs, exec_account(b->x, first->spec.account)->id, first->rule);
    for (size_t k = 0; k < b->count; k++) {
        struct leg *l = &b->legs[k];
        if (l->part != part || l->refused)
            continue;
        call_forget(&b->calls[k], all ? "all_or_none" : "quorum");
        leg_refuse(l, all ? "all_or_none" : "quorum", reason);
        b->left--;
    }
}

static bool part_fails(const struct part *p)
{
    switch (p->policy) {
    case FAIL_BEST_EFFORT:
        break;
    case FAIL_ALL_OR_NONE:
        return p->refused > 0;
    case FAIL_QUORUM:
        return p->legs - p->refused < p->quorum;
    }
    return false;
}

int legs_intend(struct batch *b, struct err *e)
{
    for (unsigned part = 0; part < b->part_count; part++) {
        struct part *p = &b->parts[part];
        for (size_t k = 0; k < b->count && p->legs > 0; k++) {
            int rc = b->legs[k].part == part ? leg_intend(b, k, e) : 0;
            if (rc != 0)
                return rc;
        }
        if (p->legs > p->refused && part_fails(p))
            part_refuse(b, part);
    }
    return 0;
}
