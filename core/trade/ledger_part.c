/* SPDX-License-Identifier: MIT
 *
 * The parts of fan-outs whose legs stand or fall together, as a fold. A part begins with
 * batch_begun; the intents of its batch that follow are its legs, up to the next batch_begun, so
 * the order ids of a part are one range. Counts follow the steps of its orders. batch_decided ends
 * it; "unwound" marks in one event all that its legs became or may still become, so that no crash
 * can leave a part half unwound.
 */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include "trade/ledger_impl.h"

static int wrong(const struct event *ev, struct err *e, const char *what)
{
    return err_set(e, ERR_STATE, "journal event %llu (%s): %s; the journal contradicts itself",
                   (unsigned long long)ev->seq, event_info(ev->kind)->name, what);
}

/* The newest part of a batch. */
static struct batch_part *newest_part(const struct ledger *l, uint64_t batch)
{
    for (size_t k = l->parts.count; batch != 0 && k-- > 0;) {
        struct batch_part *p = l->parts.at[k];
        if (p->batch == batch)
            return p;
    }
    return NULL;
}

static unsigned *counter(struct batch_part *p, enum order_state state)
{
    switch (state) {
    case ORDER_INTENT:
    case ORDER_SENT:
    case ORDER_UNKNOWN:
        return &p->open;
    case ORDER_ACCEPTED:
        return &p->accepted;
    case ORDER_REJECTED:
    case ORDER_ABSENT:
    case ORDER_NOT_SENT:
        break;
    }
    return &p->failed;
}

void ledger_part_join(struct ledger *l, const struct order *o)
{
    struct batch_part *p = l->parts.count != 0 ? newest_part(l, o->batch) : NULL;
    if (p == NULL || o->op != ORDER_OPEN || (p->last != 0 && o->id != p->last + 1))
        return;
    if (p->first == 0)
        p->first = o->id;
    p->last = o->id;
    p->open++;
}

static bool within(const struct batch_part *p, uint64_t id)
{
    return p->first != 0 && id >= p->first && id <= p->last;
}

void ledger_part_step(struct ledger *l, const struct event *ev, struct order *o,
                      enum order_state to)
{
    if (ev->kind == EVENT_KIND_order_sent)
        o->queued_us = event_i64(ev, F_order_sent_queued_us);
    else if (ev->kind == EVENT_KIND_order_accepted)
        o->latency_us = event_i64(ev, F_order_accepted_latency_us);
    for (size_t k = 0; k < l->parts.count; k++) {
        struct batch_part *p = l->parts.at[k];
        if (p->batch != o->batch || !within(p, o->id))
            continue;
        (*counter(p, o->state))--;
        (*counter(p, to))++;
    }
}

static void want_close(struct position *p, const char reason[16])
{
    if (p->closing && p->closing_volume.v == 0)
        return; /* wanted in full before: the first reason stays */
    p->closing = true;
    p->closing_volume = decimal_raw(0);
    memcpy(p->close_reason, reason, sizeof p->close_reason);
}

void ledger_entry_filled(struct ledger *l, struct position *p)
{
    struct order *o = p->order != 0 ? ledger_order_mut(l, p->order) : NULL;
    if (o == NULL || !order_enters(o->op))
        return;
    o->filled = p->price;
    if (o->closing)
        want_close(p, o->reason);
}

static void mark_order(struct order *o, const char reason[16])
{
    if (o->closing)
        return;
    o->closing = true;
    memcpy(o->reason, reason, sizeof o->reason);
}

static int apply_begun(struct ledger *l, const struct event *ev, struct err *e)
{
    char policy[16];
    struct batch_part *p = calloc(1, sizeof *p);
    if (p == NULL || ledger_list_reserve(&l->parts, 1) != 0) {
        free(p);
        return err_set(e, ERR_NOMEM, "journal event %llu: out of memory",
                       (unsigned long long)ev->seq);
    }
    p->batch = event_u64(ev, F_batch_begun_batch);
    p->signal = event_u64(ev, F_batch_begun_signal);
    event_copy(ev, F_batch_begun_group, p->group, sizeof p->group);
    event_copy(ev, F_batch_begun_policy, policy, sizeof policy);
    int64_t quorum = event_i64(ev, F_batch_begun_quorum);
    p->all = strcmp(policy, "all_or_none") == 0;
    p->quorum = quorum > 0 && quorum <= LEDGER_MAX_ACCOUNTS ? (unsigned)quorum : 0;
    if (p->batch == 0 || (!p->all && (strcmp(policy, "quorum") != 0 || p->quorum == 0))) {
        free(p);
        return wrong(ev, e, "no batch, or a policy that is not known");
    }
    l->parts.at[l->parts.count++] = p;
    if (p->batch > l->last_batch)
        l->last_batch = p->batch;
    return 0;
}

static void unwind(struct ledger *l, uint64_t batch, uint64_t first, uint64_t last)
{
    static const char reason[16] = "unwind";
    for (uint64_t id = first; first != 0 && id <= last; id++) {
        struct order *o = ledger_order_mut(l, id);
        if (o != NULL && o->batch == batch && o->op == ORDER_OPEN)
            mark_order(o, reason);
    }
    for (size_t k = 0; k < l->positions.count; k++) {
        struct position *p = l->positions.at[k];
        if (p->order != 0 && p->order >= first && p->order <= last)
            want_close(p, reason);
    }
}

static int apply_decided(struct ledger *l, const struct event *ev, struct err *e)
{
    char outcome[16], group[32];
    uint64_t batch = event_u64(ev, F_batch_decided_batch);
    event_copy(ev, F_batch_decided_outcome, outcome, sizeof outcome);
    event_copy(ev, F_batch_decided_group, group, sizeof group);
    bool unwound = strcmp(outcome, "unwound") == 0;
    if (!unwound && strcmp(outcome, "kept") != 0)
        return wrong(ev, e, "an outcome that is not known");
    for (size_t k = 0; k < l->parts.count; k++) {
        struct batch_part *p = l->parts.at[k];
        if (p->batch != batch || strcmp(p->group, group) != 0)
            continue;
        if (unwound)
            unwind(l, batch, p->first, p->last);
        ledger_list_remove(&l->parts, p);
        free(p);
        return 0;
    }
    return wrong(ev, e, "a part that is not open");
}

static int apply_order_closing(struct ledger *l, const struct event *ev, struct err *e)
{
    char reason[16] = "";
    struct order *o = ledger_order_mut(l, event_u64(ev, F_order_closing_order));
    if (o == NULL || !order_enters(o->op))
        return wrong(ev, e, "the order is no entry that is known");
    event_copy(ev, F_order_closing_reason, reason, sizeof reason);
    mark_order(o, reason);
    ledger_resting_closing(l, o);
    return 0;
}

int ledger_apply_part(struct ledger *l, const struct event *ev, struct err *e)
{
    switch (ev->kind) {
    case EVENT_KIND_batch_begun:
        return apply_begun(l, ev, e);
    case EVENT_KIND_batch_decided:
        return apply_decided(l, ev, e);
    case EVENT_KIND_order_closing:
        return apply_order_closing(l, ev, e);
    default:
        return 0;
    }
}

const struct batch_part *ledger_part_next(const struct ledger *l, size_t *cursor)
{
    return *cursor < l->parts.count ? l->parts.at[(*cursor)++] : NULL;
}

const struct order *ledger_entry_next(const struct ledger *l, size_t *cursor)
{
    while (*cursor < l->pending.count) {
        const struct order *o = l->pending.at[(*cursor)++];
        if (order_enters(o->op))
            return o;
    }
    return NULL;
}
