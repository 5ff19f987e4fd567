/* SPDX-License-Identifier: MIT
 *
 * The reducer: one function for each kind of event that the ledger knows. Everything is checked
 * before anything is changed, so a refused event leaves the ledger as it was. No clock, no chance:
 * the same events give the same state.
 */
#include "trade/ledger.h"

#include <stdio.h>
#include <string.h>

#include "trade/ledger_impl.h"

static int take_position(const struct ledger *l, const struct event *ev, unsigned account_field,
                         unsigned field, struct position **p, struct err *e)
{
    int account;
    char id[32] = "";
    int rc = ledger_take_account(l, ev, account_field, &account, e);
    if (rc == 0)
        rc = ledger_take(ev, field, id, sizeof id, e);
    if (rc != 0)
        return rc;
    *p = ledger_position_mut(l, account, id);
    return *p == NULL ? ledger_wrong(ev, e, "unknown position", id) : 0;
}

static void newest(uint64_t *highest, uint64_t id)
{
    if (id > *highest)
        *highest = id;
}

/* Accounts and instruments */

static int apply_account(struct ledger *l, const struct event *ev, struct err *e)
{
    struct account a = {0};
    int rc = ledger_take(ev, F_account_added_account, a.id, sizeof a.id, e);
    if (rc != 0)
        return rc;
    if (a.id[0] == '\0')
        return ledger_wrong(ev, e, "no account id", "");
    int index = ledger_account(l, a.id);
    if (index >= 0)
        a = *ledger_account_at(l, index);
    if ((rc = ledger_take(ev, F_account_added_user, a.user, sizeof a.user, e)) != 0 ||
        (rc = ledger_take(ev, F_account_added_broker, a.broker, sizeof a.broker, e)) != 0 ||
        (rc = ledger_take(ev, F_account_added_currency, a.currency, sizeof a.currency, e)) != 0 ||
        (rc = ledger_take(ev, F_account_added_system, a.system, sizeof a.system, e)) != 0 ||
        (rc = ledger_take(ev, F_account_added_group, a.group, sizeof a.group, e)) != 0 ||
        (rc = ledger_take(ev, F_account_added_uuid, a.uuid, sizeof a.uuid, e)) != 0 ||
        (rc = ledger_take_int(ev, F_account_added_leverage, &a.leverage, e)) != 0)
        return rc;
    if (ledger_has(ev, F_account_added_user_id))
        a.user_id = event_u64(ev, F_account_added_user_id);
    if (index >= 0) {
        ledger_account_mut(l, index)->a = a;
        return 0;
    }
    index = ledger_account_new(l, &a);
    if (index == ERR_LIMIT)
        return err_set(e, ERR_LIMIT, "account %s: there are %d accounts, the most that fit", a.id,
                       LEDGER_MAX_ACCOUNTS);
    return index < 0 ? ledger_no_memory(ev, e) : 0;
}

static int64_t rescale(const struct instrument *from, const struct instrument *to, int64_t points)
{
    int64_t out = points;
    (void)instrument_to_points(to, instrument_price(from, points), DECIMAL_HALF_EVEN, &out);
    return out;
}

/* The venue has changed the number of digits: points that are kept mean another price now. */
static void rescale_all(struct ledger *l, int index, const struct instrument *from,
                        const struct instrument *to)
{
    struct ledger_instrument *x = ledger_instrument_mut(l, index);
    for (size_t k = 0; k < x->positions.count; k++) {
        struct position *p = x->positions.at[k];
        p->price = rescale(from, to, p->price);
        p->stop = rescale(from, to, p->stop);
        p->target = rescale(from, to, p->target);
        p->mark = rescale(from, to, p->mark);
    }
    for (size_t k = 0; k < l->resting.count; k++) {
        struct pending *p = l->resting.at[k];
        if (p->instrument != index)
            continue;
        p->price = rescale(from, to, p->price);
        p->stop = rescale(from, to, p->stop);
        p->target = rescale(from, to, p->target);
    }
    for (size_t k = 0; k < l->orders.count; k++) {
        struct order *o = l->orders.at[k];
        if (o->instrument != index)
            continue;
        o->price = rescale(from, to, o->price);
        o->stop = rescale(from, to, o->stop);
        o->target = rescale(from, to, o->target);
    }
}

static int apply_instrument(struct ledger *l, const struct event *ev, struct err *e)
{
    struct instrument i = {0};
    int rc;
    if ((rc = ledger_take(ev, F_instrument_venue, i.venue, sizeof i.venue, e)) != 0 ||
        (rc = ledger_take(ev, F_instrument_symbol, i.symbol, sizeof i.symbol, e)) != 0)
        return rc;
    int index = ledger_instrument(l, i.venue, i.symbol);
    if (index >= 0)
        i = *ledger_instrument_at(l, index);
    struct instrument old = i;
    if ((rc = ledger_take(ev, F_instrument_canonical, i.canonical, sizeof i.canonical, e)) != 0 ||
        (rc = ledger_take(ev, F_instrument_base, i.base, sizeof i.base, e)) != 0 ||
        (rc = ledger_take(ev, F_instrument_quote, i.quote, sizeof i.quote, e)) != 0 ||
        (rc = ledger_take_int(ev, F_instrument_price_digits, &i.price_digits, e)) != 0 ||
        (rc = ledger_take_int(ev, F_instrument_volume_digits, &i.volume_digits, e)) != 0 ||
        (rc = ledger_take_int(ev, F_instrument_leverage, &i.leverage, e)) != 0 ||
        (rc = ledger_take_int(ev, F_instrument_stops_level, &i.stops_level, e)) != 0)
        return rc;
    ledger_take_dec(ev, F_instrument_volume_min, &i.volume_min);
    ledger_take_dec(ev, F_instrument_volume_max, &i.volume_max);
    ledger_take_dec(ev, F_instrument_volume_step, &i.volume_step);
    ledger_take_dec(ev, F_instrument_contract_size, &i.contract_size);
    ledger_take_dec(ev, F_instrument_commission, &i.commission);
    rc = instrument_check(&i, e);
    if (rc != 0)
        return rc;
    if (index < 0)
        return ledger_instrument_new(l, &i) < 0 ? ledger_no_memory(ev, e) : 0;
    if (i.price_digits != old.price_digits)
        rescale_all(l, index, &old, &i);
    ledger_instrument_mut(l, index)->i = i;
    if (strcmp(i.canonical, old.canonical) != 0 || strcmp(i.base, old.base) != 0 ||
        strcmp(i.quote, old.quote) != 0)
        return ledger_index_instruments(l) != 0 ? ledger_no_memory(ev, e) : 0;
    return 0;
}

static int apply_account_state(struct ledger *l, const struct event *ev, struct err *e)
{
    int account;
    char state[16] = "";
    int rc = ledger_take_account(l, ev, F_account_state_account, &account, e);
    if (rc == 0)
        rc = ledger_take(ev, F_account_state_state, state, sizeof state, e);
    if (rc != 0)
        return rc;
    if (strcmp(state, "paused") != 0 && strcmp(state, "active") != 0)
        return ledger_wrong(ev, e, "unknown state", state);
    ledger_account_mut(l, account)->a.paused = state[0] == 'p';
    return 0;
}

static int apply_balance(struct ledger *l, const struct event *ev, struct err *e)
{
    int account;
    int rc = ledger_take_account(l, ev, F_balance_account, &account, e);
    if (rc != 0)
        return rc;
    struct account *a = &ledger_account_mut(l, account)->a;
    rc = ledger_take(ev, F_balance_currency, a->currency, sizeof a->currency, e);
    if (rc != 0)
        return rc;
    ledger_take_dec(ev, F_balance_balance, &a->balance);
    ledger_take_dec(ev, F_balance_equity, &a->equity);
    ledger_take_dec(ev, F_balance_margin, &a->margin);
    ledger_take_dec(ev, F_balance_free_margin, &a->free_margin);
    a->balance_ms = ev->market_ms;
    if (!a->have_balance)
        a->balance_first = a->balance;
    a->have_balance = true;
    return 0;
}

/* Orders */

static int read_intent(const struct ledger *l, const struct event *ev, struct order *o,
                       struct err *e)
{
    int rc;
    char op[16] = "", type[16] = "";
    o->id = event_u64(ev, F_intent_order);
    if (o->id <= l->last_order)
        return ledger_wrong(ev, e, "order ids must rise, and this one does not", "");
    if ((rc = ledger_take_account(l, ev, F_intent_account, &o->account, e)) != 0 ||
        (rc = ledger_take_instrument(l, ev, F_intent_symbol, o->account, &o->instrument, e)) != 0 ||
        (rc = ledger_take(ev, F_intent_op, op, sizeof op, e)) != 0 ||
        (rc = ledger_take_side(ev, F_intent_side, &o->side, e)) != 0 ||
        (rc = ledger_take(ev, F_intent_position, o->position, sizeof o->position, e)) != 0 ||
        (rc = ledger_take(ev, F_intent_reason, o->reason, sizeof o->reason, e)) != 0)
        return rc;
    if (order_op_parse(op, &o->op) != 0)
        return ledger_wrong(ev, e, "unknown operation", op);
    if ((rc = ledger_take(ev, F_intent_type, type, sizeof type, e)) != 0)
        return rc;
    if (type[0] != '\0' && order_type_parse(type, &o->type) != 0)
        return ledger_wrong(ev, e, "unknown order type", type);
    o->replaces = event_u64(ev, F_intent_replaces);
    const struct instrument *i = ledger_instrument_at(l, o->instrument);
    if ((rc = ledger_take_points(ev, F_intent_price, i, &o->price, e)) != 0 ||
        (rc = ledger_take_points(ev, F_intent_stop, i, &o->stop, e)) != 0 ||
        (rc = ledger_take_points(ev, F_intent_target, i, &o->target, e)) != 0)
        return rc;
    o->batch = event_u64(ev, F_intent_batch);
    o->signal = event_u64(ev, F_intent_signal);
    o->volume = event_dec(ev, F_intent_volume);
    int64_t tag = ledger_has(ev, F_intent_tag) ? event_i64(ev, F_intent_tag) : -1;
    o->tag = tag >= 0 && tag <= 9999 ? (int)tag : -1;
    int64_t attempt = event_i64(ev, F_intent_attempt);
    o->attempt = attempt >= 1 && attempt <= INT32_MAX ? (int)attempt : 1;
    o->plan_holding_ms = event_i64(ev, F_intent_holding_ms);
    o->intent_ms = ev->market_ms;
    o->updated_ms = ev->market_ms;
    o->state = ORDER_INTENT;
    return 0;
}

static int apply_intent(struct ledger *l, const struct event *ev, struct err *e)
{
    struct order o = {0};
    int rc = read_intent(l, ev, &o, e);
    if (rc != 0)
        return rc;
    if (ledger_list_reserve(&l->pending, 1) != 0)
        return ledger_no_memory(ev, e);
    struct order *kept = ledger_order_new(l);
    if (kept == NULL)
        return ledger_no_memory(ev, e);
    *kept = o;
    l->pending.at[l->pending.count++] = kept;
    if (order_enters(o.op))
        ledger_account_mut(l, o.account)->entries++;
    ledger_part_join(l, kept);
    newest(&l->last_order, o.id);
    newest(&l->last_batch, o.batch);
    newest(&l->last_signal, o.signal);
    return 0;
}

static bool is_pending(const struct order *o)
{
    return !order_final(o->state) ||
           (order_enters(o->op) && o->state == ORDER_ACCEPTED && !o->shown);
}

/* Keeps the list of pending orders and the accounts' count of entries true after a change. */
static int order_repost(struct ledger *l, struct order *o, bool was)
{
    bool is = is_pending(o);
    if (was == is)
        return 0;
    struct ledger_account *a = ledger_account_mut(l, o->account);
    if (is) {
        if (ledger_list_add(&l->pending, o) != 0)
            return ERR_NOMEM;
        a->entries += order_enters(o->op);
    } else {
        ledger_list_remove(&l->pending, o);
        a->entries -= order_enters(o->op);
    }
    return 0;
}

/* Why an order ended as it did, cut to what fits between two characters of UTF-8. */
static void take_why(const struct event *ev, int field, char *why, size_t size)
{
    size_t n = 0;
    const char *text = field >= 0 ? event_str(ev, (unsigned)field, &n) : "";
    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    memcpy(why, text, n);
    memset(why + n, 0, size - n);
}

/* Of the stand-in for an absent entry bytes have left, or may have. */
static void mark_resent(struct ledger *l, const struct order *o, enum order_state to)
{
    struct order *old = o->replaces != 0 ? ledger_order_mut(l, o->replaces) : NULL;
    if (old != NULL && (to == ORDER_SENT || to == ORDER_UNKNOWN))
        old->resent = true;
}

/* What it became may have been seen before it was settled. What was taken for a hand's is told
 * again as this order's; it is not shown until then. */
static void seen_before(const struct ledger *l, struct order *o)
{
    const struct position *p = ledger_position(l, o->account, o->position);
    const struct pending *d = ledger_pending(l, o->account, o->position);
    if (p != NULL && p->order == o->id)
        o->shown = o->triggered = true;
    if (o->op == ORDER_PENDING && d != NULL && d->order == o->id)
        o->shown = true;
}

/* One step of the machine. broker_field: where the position's id is told, why_field: where the
 * reason is; -1: nowhere. */
static int apply_step(struct ledger *l, const struct event *ev, unsigned order_field,
                      enum order_input input, int broker_field, int why_field, struct err *e)
{
    uint64_t id = event_u64(ev, order_field);
    struct order *o = ledger_order_mut(l, id);
    if (o == NULL) {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)id);
        return ledger_wrong(ev, e, "unknown order", number);
    }
    enum order_state to;
    if (order_step(o->state, input, &to) != 0)
        return ledger_wrong(ev, e, "no such step from state", order_state_name(o->state));
    if (broker_field >= 0 && order_enters(o->op)) {
        int rc = ledger_take(ev, (unsigned)broker_field, o->position, sizeof o->position, e);
        if (rc != 0)
            return rc;
    }
    bool was = is_pending(o);
    mark_resent(l, o, to);
    ledger_part_step(l, ev, o, to);
    o->state = to;
    o->updated_ms = ev->market_ms;
    take_why(ev, why_field, o->why, sizeof o->why);
    o->ambiguous = o->ambiguous && to == ORDER_UNKNOWN;
    if (to == ORDER_ACCEPTED && order_enters(o->op))
        seen_before(l, o);
    return order_repost(l, o, was) != 0 ? ledger_no_memory(ev, e) : 0;
}

/* Positions */

/* Its position is there, or was; of a pending order that means that it was triggered. */
static struct order *entry_of(struct ledger *l, uint64_t id, int account, const char *broker_id)
{
    struct order *o = id != 0 ? ledger_order_mut(l, id) : NULL;
    for (size_t k = 0; o == NULL && k < l->pending.count; k++) {
        struct order *p = l->pending.at[k];
        if (order_enters(p->op) && p->account == account && strcmp(p->position, broker_id) == 0)
            o = p;
    }
    return o != NULL && order_enters(o->op) ? o : NULL;
}

int ledger_order_seen(struct ledger *l, uint64_t id, int account, const char *broker_id)
{
    struct order *o = entry_of(l, id, account, broker_id);
    if (o == NULL)
        return 0;
    bool was = is_pending(o);
    o->shown = true;
    return order_repost(l, o, was);
}

/* The id of the position is kept with its entry, whatever the broker's answer called it: when the
 * position is closed this is what tells it from another order's. Of a pending order pending_gone
 * does that. */
static int position_seen(struct ledger *l, uint64_t id, int account, const char *position)
{
    struct order *o = entry_of(l, id, account, position);
    if (o != NULL)
        o->triggered = true;
    int rc = ledger_order_seen(l, id, account, position);
    if (rc == 0 && o != NULL && o->op == ORDER_OPEN)
        snprintf(o->position, sizeof o->position, "%s", position);
    return rc;
}

static int apply_ambiguous(struct ledger *l, const struct event *ev, struct err *e)
{
    struct order *o = ledger_order_mut(l, event_u64(ev, F_order_ambiguous_order));
    if (o == NULL)
        return ledger_wrong(ev, e, "unknown order", "");
    size_t n;
    (void)event_str(ev, F_order_ambiguous_candidates, &n);
    o->ambiguous = n > 2; /* more than [] */
    return 0;
}

static int read_position(const struct ledger *l, const struct event *ev, struct position *p,
                         struct err *e)
{
    int rc;
    if ((rc = ledger_take_account(l, ev, F_position_opened_account, &p->account, e)) != 0 ||
        (rc = ledger_take(ev, F_position_opened_position, p->id, sizeof p->id, e)) != 0 ||
        (rc = ledger_take_instrument(l, ev, F_position_opened_symbol, p->account, &p->instrument,
                                     e)) != 0 ||
        (rc = ledger_take_side(ev, F_position_opened_side, &p->side, e)) != 0)
        return rc;
    if (p->id[0] == '\0')
        return ledger_wrong(ev, e, "no position id", "");
    const struct position *old = ledger_position(l, p->account, p->id);
    if (old != NULL && (old->order != 0 || event_u64(ev, F_position_opened_order) == 0 ||
                        old->instrument != p->instrument || old->side != p->side))
        return ledger_wrong(ev, e, "a position is opened twice:", p->id);
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    if ((rc = ledger_take_points(ev, F_position_opened_price, i, &p->price, e)) != 0 ||
        (rc = ledger_take_points(ev, F_position_opened_stop, i, &p->stop, e)) != 0 ||
        (rc = ledger_take_points(ev, F_position_opened_target, i, &p->target, e)) != 0)
        return rc;
    p->volume = event_dec(ev, F_position_opened_volume);
    if (p->volume.v <= 0)
        return ledger_wrong(ev, e, "no volume in position", p->id);
    p->order = event_u64(ev, F_position_opened_order);
    p->signal = event_u64(ev, F_position_opened_signal);
    p->opened_ms = event_i64(ev, F_position_opened_opened);
    p->ours = event_flag(ev, F_position_opened_ours);
    p->holding_ms = event_i64(ev, F_position_opened_holding_ms);
    return 0;
}

/* A new one, or a hand's that is told again because it is an order's of ours. */
static struct position *keep_position(struct ledger *l, const struct position *p)
{
    struct position *kept = ledger_position_mut(l, p->account, p->id);
    if (kept == NULL)
        return ledger_position_new(l, p);
    *kept = *p;
    return kept;
}

static int apply_opened(struct ledger *l, const struct event *ev, struct err *e)
{
    struct position p = {0};
    int rc = read_position(l, ev, &p, e);
    if (rc != 0)
        return rc;
    const struct order *o = p.order != 0 ? ledger_order(l, p.order) : NULL;
    if (o != NULL && !ledger_has(ev, F_position_opened_holding_ms))
        p.holding_ms = o->plan_holding_ms;
    struct position *kept = keep_position(l, &p);
    if (kept == NULL || position_seen(l, p.order, p.account, p.id) != 0)
        return ledger_no_memory(ev, e);
    ledger_position_first_mark(l, kept);
    ledger_entry_filled(l, kept);
    newest(&l->last_signal, p.signal);
    return 0;
}

static int apply_changed(struct ledger *l, const struct event *ev, struct err *e)
{
    struct position *p;
    int rc = take_position(l, ev, F_position_changed_account, F_position_changed_position, &p, e);
    if (rc != 0)
        return rc;
    const struct instrument *i = ledger_instrument_at(l, p->instrument);
    int64_t stop = p->stop, target = p->target;
    if ((rc = ledger_take_points(ev, F_position_changed_stop, i, &stop, e)) != 0 ||
        (rc = ledger_take_points(ev, F_position_changed_target, i, &target, e)) != 0)
        return rc;
    if (ledger_has(ev, F_position_changed_volume) &&
        event_dec(ev, F_position_changed_volume).v <= 0)
        return ledger_wrong(ev, e, "no volume is left in position", p->id);
    ledger_take_dec(ev, F_position_changed_volume, &p->volume);
    if (stop != p->stop || target != p->target)
        p->beyond = false;
    p->stop = stop;
    p->target = target;
    ledger_position_value(l, p);
    return 0;
}

static int apply_closing(struct ledger *l, const struct event *ev, struct err *e)
{
    struct position *p;
    char reason[16] = "";
    int rc = take_position(l, ev, F_position_closing_account, F_position_closing_position, &p, e);
    if (rc == 0)
        rc = ledger_take(ev, F_position_closing_reason, reason, sizeof reason, e);
    if (rc != 0)
        return rc;
    p->closing = true;
    p->closing_volume = event_dec(ev, F_position_closing_volume);
    memcpy(p->close_reason, reason, sizeof p->close_reason);
    return 0;
}

static int reduce_position(struct ledger *l, const struct event *ev, struct position *p,
                           struct err *e)
{
    decimal volume = event_dec(ev, F_position_closed_volume);
    if (p == NULL)
        return 0;
    if (volume.v <= 0 || volume.v >= p->volume.v)
        return ledger_wrong(ev, e, "a partial close must leave some volume of", p->id);
    p->volume.v -= volume.v;
    if (p->closing_volume.v != 0) { /* a part was wanted, and this is it */
        p->closing = false;
        p->closing_volume = decimal_raw(0);
        memset(p->close_reason, 0, sizeof p->close_reason);
    }
    ledger_position_value(l, p);
    return 0;
}

static int apply_closed(struct ledger *l, const struct event *ev, struct err *e)
{
    int account;
    char id[32] = "";
    int rc = ledger_take_account(l, ev, F_position_closed_account, &account, e);
    if (rc == 0)
        rc = ledger_take(ev, F_position_closed_position, id, sizeof id, e);
    if (rc != 0)
        return rc;
    struct ledger_account *x = ledger_account_mut(l, account);
    decimal realised;
    if (decimal_add(x->a.realised, event_dec(ev, F_position_closed_net), &realised) != 0)
        return ledger_wrong(ev, e, "profits leave the range on account", x->a.id);
    struct position *p = ledger_position_mut(l, account, id);
    bool partial = event_flag(ev, F_position_closed_partial);
    if (partial && (rc = reduce_position(l, ev, p, e)) != 0)
        return rc;
    if (position_seen(l, event_u64(ev, F_position_closed_order), account, id) != 0)
        return ledger_no_memory(ev, e);
    x->a.realised = realised;
    if (event_i64(ev, F_position_closed_closed) > x->a.last_close_ms)
        x->a.last_close_ms = event_i64(ev, F_position_closed_closed);
    if (partial)
        return 0;
    x->a.trades++;
    if (p != NULL)
        ledger_position_drop(l, p);
    return 0;
}

int ledger_apply(struct ledger *l, const struct event *ev, struct err *e)
{
    switch (ev->kind) {
    case EVENT_KIND_account_added:
        return apply_account(l, ev, e);
    case EVENT_KIND_instrument:
        return apply_instrument(l, ev, e);
    case EVENT_KIND_account_state:
        return apply_account_state(l, ev, e);
    case EVENT_KIND_balance:
        return apply_balance(l, ev, e);
    case EVENT_KIND_signal:
        newest(&l->last_signal, event_u64(ev, F_signal_signal));
        return 0;
    case EVENT_KIND_batch_done:
        newest(&l->last_batch, event_u64(ev, F_batch_done_batch));
        return 0;
    case EVENT_KIND_intent:
        return apply_intent(l, ev, e);
    case EVENT_KIND_order_sent:
        return apply_step(l, ev, F_order_sent_order, ORDER_IN_SEND, -1, -1, e);
    case EVENT_KIND_order_accepted:
        return apply_step(l, ev, F_order_accepted_order, ORDER_IN_ACCEPT,
                          F_order_accepted_broker_id, -1, e);
    case EVENT_KIND_order_rejected:
        return apply_step(l, ev, F_order_rejected_order, ORDER_IN_REJECT, -1,
                          F_order_rejected_reason, e);
    case EVENT_KIND_order_unknown:
        return apply_step(l, ev, F_order_unknown_order, ORDER_IN_LOSE, -1, F_order_unknown_cause,
                          e);
    case EVENT_KIND_order_absent:
        return apply_step(l, ev, F_order_absent_order, ORDER_IN_ABSENT, -1, -1, e);
    case EVENT_KIND_order_not_sent:
        return apply_step(l, ev, F_order_not_sent_order, ORDER_IN_DROP, -1, F_order_not_sent_cause,
                          e);
    case EVENT_KIND_order_adopted:
        return apply_step(l, ev, F_order_adopted_order, ORDER_IN_ADOPT, F_order_adopted_position,
                          -1, e);
    case EVENT_KIND_position_opened:
        return apply_opened(l, ev, e);
    case EVENT_KIND_position_changed:
        return apply_changed(l, ev, e);
    case EVENT_KIND_position_closing:
        return apply_closing(l, ev, e);
    case EVENT_KIND_position_closed:
        return apply_closed(l, ev, e);
    case EVENT_KIND_pending_seen:
    case EVENT_KIND_pending_changed:
    case EVENT_KIND_pending_cancelling:
    case EVENT_KIND_pending_gone:
        return ledger_apply_pending(l, ev, e);
    case EVENT_KIND_order_ambiguous:
        return apply_ambiguous(l, ev, e);
    default:
        return ledger_apply_part(l, ev, e);
    }
}
