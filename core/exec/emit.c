/* SPDX-License-Identifier: MIT
 *
 * The events that exec writes. Each is applied to the ledger by the stream at once; committing is
 * the caller's where bytes are to leave, else the stream does it at the end of the turn.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "exec/exec_internal.h"

int emit(struct exec *x, struct event *ev, struct err *e)
{
    struct err own;
    if (e == NULL)
        e = &own;
    int rc = stream_emit(x->c.stream, ev, e);
    if (rc != 0 && stream_broken(x->c.stream) == NULL)
        log_write(x->c.log, LOG_ERROR, "exec", "an event was refused: %s", e->message);
    else if (rc != 0 && !x->stopped) {
        x->stopped = true;
        log_write(x->c.log, LOG_ERROR, "exec", "no new entries: %s", e->message);
    }
    return rc;
}

void emit_notice(struct exec *x, const char *level, const char *format, ...)
{
    char text[400];
    struct event ev;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_write(x->c.log, strcmp(level, "error") == 0 ? LOG_ERROR : LOG_WARN, "exec", "%s", text);
    event_init(&ev, EVENT_KIND_notice);
    event_set_strz(&ev, F_notice_level, level);
    event_set_strz(&ev, F_notice_component, "exec");
    event_set_strz(&ev, F_notice_text, text);
    (void)emit(x, &ev, NULL);
}

int emit_intent(struct exec *x, const struct order *o, const char *plan, struct err *e)
{
    const struct instrument *i = ledger_instrument_at(x->c.ledger, o->instrument);
    struct event ev;
    event_init(&ev, EVENT_KIND_intent);
    event_set_u64(&ev, F_intent_order, o->id);
    event_set_u64(&ev, F_intent_batch, o->batch);
    event_set_u64(&ev, F_intent_signal, o->signal);
    event_set_strz(&ev, F_intent_account, exec_account(x, o->account)->id);
    event_set_strz(&ev, F_intent_op, order_op_name(o->op));
    event_set_strz(&ev, F_intent_symbol, i->symbol);
    event_set_strz(&ev, F_intent_side, side_name(o->side));
    event_set_dec(&ev, F_intent_volume, o->volume);
    event_set_dec(&ev, F_intent_price, instrument_price(i, o->price));
    event_set_dec(&ev, F_intent_stop, instrument_price(i, o->stop));
    event_set_dec(&ev, F_intent_target, instrument_price(i, o->target));
    event_set_strz(&ev, F_intent_position, o->position);
    event_set_i64(&ev, F_intent_tag, o->tag);
    event_set_strz(&ev, F_intent_reason, o->reason);
    event_set_i64(&ev, F_intent_attempt, o->attempt);
    if (plan != NULL)
        event_set_json(&ev, F_intent_plan, plan, strlen(plan));
    event_set_i64(&ev, F_intent_holding_ms, o->plan_holding_ms);
    event_set_strz(&ev, F_intent_type, o->type != ORDER_MARKET ? order_type_name(o->type) : NULL);
    if (o->replaces != 0)
        event_set_u64(&ev, F_intent_replaces, o->replaces);
    return emit(x, &ev, e);
}

int emit_order_text(struct exec *x, uint16_t kind, uint64_t id, const char *cause, struct err *e)
{
    static_assert((int)F_order_unknown_order == (int)F_order_not_sent_order &&
                      (int)F_order_unknown_cause == (int)F_order_not_sent_cause,
                  "both kinds have the same fields");
    struct event ev;
    event_init(&ev, kind);
    event_set_u64(&ev, F_order_unknown_order, id);
    event_set_strz(&ev, F_order_unknown_cause, cause);
    return emit(x, &ev, e);
}

int emit_absent(struct exec *x, uint64_t id, unsigned reads, struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_order_absent);
    event_set_u64(&ev, F_order_absent_order, id);
    event_set_i64(&ev, F_order_absent_reads, reads);
    return emit(x, &ev, e);
}

int emit_adopted(struct exec *x, uint64_t id, const char *position, const char *by, struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_order_adopted);
    event_set_u64(&ev, F_order_adopted_order, id);
    event_set_strz(&ev, F_order_adopted_position, position);
    event_set_strz(&ev, F_order_adopted_by, by);
    return emit(x, &ev, e);
}

int emit_order_closing(struct exec *x, const struct order *o, const char *reason, struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_order_closing);
    event_set_u64(&ev, F_order_closing_order, o->id);
    event_set_strz(&ev, F_order_closing_account, exec_account(x, o->account)->id);
    event_set_strz(&ev, F_order_closing_reason, reason);
    return emit(x, &ev, e);
}

int emit_opened(struct exec *x, int account, const struct row *r, decimal volume,
                const struct order *o, struct err *e)
{
    struct event ev;
    event_init(&ev, EVENT_KIND_position_opened);
    event_set_strz(&ev, F_position_opened_account, exec_account(x, account)->id);
    event_set_strz(&ev, F_position_opened_position, r->id);
    event_set_u64(&ev, F_position_opened_order, o != NULL ? o->id : 0);
    event_set_u64(&ev, F_position_opened_signal, o != NULL ? o->signal : 0);
    event_set_strz(&ev, F_position_opened_symbol,
                   ledger_instrument_at(x->c.ledger, r->instrument)->symbol);
    event_set_strz(&ev, F_position_opened_side, side_name(r->side));
    event_set_dec(&ev, F_position_opened_volume, volume);
    event_set_dec(&ev, F_position_opened_price, r->price);
    event_set_dec(&ev, F_position_opened_stop, r->stop);
    event_set_dec(&ev, F_position_opened_target, r->target);
    event_set_time(&ev, F_position_opened_opened, r->opened_ms);
    event_set_bool(&ev, F_position_opened_ours, o != NULL);
    event_set_i64(&ev, F_position_opened_holding_ms, o != NULL ? o->plan_holding_ms : 0);
    event_set_strz(&ev, F_position_opened_who,
                   o == NULL                ? "hand"
                   : o->op == ORDER_PENDING ? "pending"
                                            : "order");
    return emit(x, &ev, e);
}

int emit_pending_seen(struct exec *x, int account, const struct row *r, const struct order *o,
                      struct err *e)
{
    const struct instrument *i = ledger_instrument_at(x->c.ledger, r->instrument);
    struct event ev;
    event_init(&ev, EVENT_KIND_pending_seen);
    event_set_strz(&ev, F_pending_seen_account, exec_account(x, account)->id);
    event_set_strz(&ev, F_pending_seen_pending, r->id);
    event_set_u64(&ev, F_pending_seen_order, o != NULL ? o->id : 0);
    event_set_u64(&ev, F_pending_seen_signal, o != NULL ? o->signal : 0);
    event_set_strz(&ev, F_pending_seen_symbol, i->symbol);
    event_set_strz(&ev, F_pending_seen_side, side_name(r->side));
    event_set_strz(&ev, F_pending_seen_type, order_type_name(r->type));
    event_set_dec(&ev, F_pending_seen_volume, r->volume);
    event_set_dec(&ev, F_pending_seen_price, r->price);
    event_set_dec(&ev, F_pending_seen_stop, r->stop);
    event_set_dec(&ev, F_pending_seen_target, r->target);
    event_set_time(&ev, F_pending_seen_created, r->opened_ms);
    event_set_bool(&ev, F_pending_seen_ours, o != NULL);
    event_set_strz(&ev, F_pending_seen_who, o != NULL ? "order" : "hand");
    return emit(x, &ev, e);
}

int emit_pending_gone(struct exec *x, const struct pending *p, const char *reason,
                      const char *position, struct err *e)
{
    struct pending own = *p; /* the ledger drops it while the event is still being read */
    struct event ev;
    p = &own;
    event_init(&ev, EVENT_KIND_pending_gone);
    event_set_strz(&ev, F_pending_gone_account, exec_account(x, p->account)->id);
    event_set_strz(&ev, F_pending_gone_pending, p->id);
    event_set_u64(&ev, F_pending_gone_order, p->order);
    event_set_strz(&ev, F_pending_gone_reason, reason);
    event_set_strz(&ev, F_pending_gone_position, position);
    return emit(x, &ev, e);
}

/* Of an entry of a fan-out whose position was just opened. */
int emit_filled(struct exec *x, uint64_t order, decimal volume, struct err *e)
{
    const struct order *o = ledger_order(x->c.ledger, order);
    if (o == NULL || o->batch == 0 || o->filled == 0)
        return 0;
    const struct instrument *i = ledger_instrument_at(x->c.ledger, o->instrument);
    struct event ev;
    event_init(&ev, EVENT_KIND_leg_filled);
    event_set_u64(&ev, F_leg_filled_batch, o->batch);
    event_set_u64(&ev, F_leg_filled_signal, o->signal);
    event_set_u64(&ev, F_leg_filled_order, o->id);
    event_set_strz(&ev, F_leg_filled_account, exec_account(x, o->account)->id);
    event_set_strz(&ev, F_leg_filled_symbol, i->symbol);
    event_set_strz(&ev, F_leg_filled_side, side_name(o->side));
    event_set_dec(&ev, F_leg_filled_volume, volume);
    event_set_dec(&ev, F_leg_filled_asked, instrument_price(i, o->price));
    event_set_dec(&ev, F_leg_filled_executed, instrument_price(i, o->filled));
    event_set_i64(&ev, F_leg_filled_slippage, order_slippage(o));
    event_set_i64(&ev, F_leg_filled_queued_us, o->queued_us);
    event_set_i64(&ev, F_leg_filled_latency_us, o->latency_us);
    return emit(x, &ev, e);
}

int emit_closed(struct exec *x, const struct position *p, const struct row *r, bool partial,
                const char *reason, struct err *e)
{
    const struct seen_close *c = r->closed;
    decimal net;
    if (decimal_add(c->profit, c->commission, &net) != 0 || decimal_add(net, c->swap, &net) != 0)
        net = c->profit;
    struct event ev;
    event_init(&ev, EVENT_KIND_position_closed);
    event_set_strz(&ev, F_position_closed_account, exec_account(x, p->account)->id);
    event_set_strz(&ev, F_position_closed_position, r->id);
    event_set_strz(&ev, F_position_closed_uid, r->uid);
    event_set_u64(&ev, F_position_closed_order, p->order);
    event_set_u64(&ev, F_position_closed_signal, p->signal);
    event_set_strz(&ev, F_position_closed_symbol,
                   ledger_instrument_at(x->c.ledger, p->instrument)->symbol);
    event_set_strz(&ev, F_position_closed_side, side_name(p->side));
    event_set_dec(&ev, F_position_closed_volume, r->volume);
    event_set_dec(&ev, F_position_closed_open_price, c->open_price);
    event_set_dec(&ev, F_position_closed_price, c->price);
    event_set_dec(&ev, F_position_closed_profit, c->profit);
    event_set_dec(&ev, F_position_closed_commission, c->commission);
    event_set_dec(&ev, F_position_closed_swap, c->swap);
    event_set_dec(&ev, F_position_closed_net, net);
    event_set_strz(&ev, F_position_closed_reason, reason);
    event_set_time(&ev, F_position_closed_opened, p->opened_ms);
    event_set_time(&ev, F_position_closed_closed, r->closed_ms);
    event_set_bool(&ev, F_position_closed_partial, partial);
    return emit(x, &ev, e);
}
