/* SPDX-License-Identifier: MIT
 *
 * The registry's table: EVENT_KINDS(K) lists K(number, name, text), EVENT_FIELDS_<kind>(F) lists
 * F(kind, field, TYPE, text). Append only: numbers and fields are never reused or reordered.
 */
#ifndef PERIGEE_BASE_EVENT_KINDS_H
#define PERIGEE_BASE_EVENT_KINDS_H

/* clang-format off */
#define EVENT_KINDS(K) \
    K(1, engine_started, "the engine began") \
    K(2, engine_stopped, "the engine ended in order") \
    K(3, user_added, "a broker login is known, first or changed") \
    K(4, account_added, "a trading account is known") \
    K(5, instrument, "contract data of a symbol at a venue, first seen or changed") \
    K(6, session_opened, "a login succeeded") \
    K(7, session_renewed, "a token was renewed") \
    K(8, session_failed, "a login or renewal failed") \
    K(9, session_closed, "a session ended by our wish") \
    K(10, script_loaded, "a script was loaded, swapped or refused") \
    K(11, feed, "a feed changed its state") \
    K(12, bar, "a closed bar") \
    K(13, signal, "a strategy spoke, before risk") \
    K(14, signal_refused, "a signal became no order at all") \
    K(15, risk_refused, "risk or sizing kept an account out of a signal") \
    K(16, intent, "an order will be sent; written before its first byte") \
    K(17, order_sent, "its bytes were handed to the kernel") \
    K(18, order_accepted, "the broker took it") \
    K(19, order_rejected, "the broker refused it before execution") \
    K(20, order_unknown, "its outcome is not known") \
    K(21, order_absent, "the broker's lists proved that it was not executed") \
    K(22, order_not_sent, "no byte left: deadline, cancel, budget or no connection") \
    K(23, order_adopted, "an unknown order was found at the broker") \
    K(24, batch_done, "a fan-out has settled") \
    K(25, position_opened, "the broker shows a new position; again when a hand's turns out to be an order's") \
    K(26, position_changed, "volume, stop or target differ at the broker") \
    K(27, position_closing, "a close is wanted until the broker shows it closed") \
    K(28, position_closed, "the broker's history shows a full or partial close") \
    K(29, balance, "the broker's money figures, when they changed") \
    K(30, policy_state, "what a policy must remember") \
    K(31, command, "an operator's command") \
    K(32, notice, "something an operator should read") \
    K(33, market_ended, "the market has no more data") \
    K(34, account_state, "whether an account may open") \
    K(35, engine_ready, "sessions, history and strategies are there: trading begins") \
    K(36, user_removed, "a broker login was removed; its id is never used again") \
    K(37, account_read, "positions and balance were read after a login: the account may open") \
    K(38, batch_begun, "legs of a fan-out that stand or fall together; their intents follow") \
    K(39, batch_decided, "what becomes of such legs: kept, or unwound") \
    K(40, order_closing, "what an entry becomes is to be closed") \
    K(41, leg_filled, "the position of a leg was seen: what was asked and what was got") \
    K(42, command_begun, "an operator's command with a key begins; written before it does anything") \
    K(43, pending_seen, "the broker shows a new pending order; again when a hand's turns out to be ours") \
    K(44, pending_changed, "price, volume, stop or target of a pending order differ now") \
    K(45, pending_cancelling, "a pending order is to be cancelled") \
    K(46, pending_gone, "a pending order is not there any more") \
    K(47, order_ambiguous, "more than one thing at the broker could be this order, or none any more")

#define EVENT_FIELDS_engine_started(F) \
    F(engine_started, version, STRING, "program version") \
    F(engine_started, mode, STRING, "paper or live") \
    F(engine_started, pid, I64, "process id") \
    F(engine_started, config_hash, STRING, "hash of the effective configuration, secrets left out") \
    F(engine_started, clock, STRING, "wall, scaled, granted or virtual")

#define EVENT_FIELDS_engine_stopped(F) \
    F(engine_stopped, reason, STRING, "interrupt (--for, too), end, command, supervisor gone") \
    F(engine_stopped, exit_code, I64, "of the process")

#define EVENT_FIELDS_user_added(F) \
    F(user_added, user, STRING, "broker:e-mail") \
    F(user_added, broker, STRING, "profile name") \
    F(user_added, id, U64, "of the vault") \
    F(user_added, name, STRING, "what people call it") \
    F(user_added, email, STRING, "") \
    F(user_added, active, BOOL, "false: it is not logged in") \
    F(user_added, broker_id, STRING, "the broker's own number, as the login needs it")

#define EVENT_FIELDS_account_added(F) \
    F(account_added, account, STRING, "trading account id") \
    F(account_added, user, STRING, "its login") \
    F(account_added, broker, STRING, "profile name") \
    F(account_added, currency, STRING, "of the balance") \
    F(account_added, leverage, I64, "100 is 1:100") \
    F(account_added, system, STRING, "system uuid") \
    F(account_added, group, STRING, "accounts treated alike") \
    F(account_added, uuid, STRING, "the broker's name of the account") \
    F(account_added, user_id, U64, "of its login")

#define EVENT_FIELDS_instrument(F) \
    F(instrument, venue, STRING, "broker profile") \
    F(instrument, symbol, STRING, "as the venue spells it") \
    F(instrument, canonical, STRING, "our name") \
    F(instrument, base, STRING, "base currency") \
    F(instrument, quote, STRING, "quote currency") \
    F(instrument, price_digits, I64, "decimals of a price; one point is 10^-digits") \
    F(instrument, volume_digits, I64, "decimals of a volume") \
    F(instrument, volume_min, DECIMAL, "lots") \
    F(instrument, volume_max, DECIMAL, "lots") \
    F(instrument, volume_step, DECIMAL, "lots") \
    F(instrument, contract_size, DECIMAL, "units in a lot") \
    F(instrument, leverage, I64, "cap of the instrument; 0: the account's") \
    F(instrument, stops_level, I64, "least distance of stop and target, points") \
    F(instrument, commission, DECIMAL, "per lot and side, account currency") \
    F(instrument, type, STRING, "FOREX, CFD, FOREXCFD, or another word of the broker") \
    F(instrument, session_open, BOOL, "could be traded when the list was read") \
    F(instrument, hours, JSON, "[day, open, close] of each span; day 0 is Sunday, ms of the day") \
    F(instrument, freeze_level, I64, "nearer to a level or price nothing is changed, points") \
    F(instrument, point, DECIMAL, "price of one point as the broker counts") \
    F(instrument, fixed_leverage, I64, "whatever the account's is; absent: none") \
    F(instrument, swap_type, STRING, "how the swaps are counted") \
    F(instrument, swap_buy, DECIMAL, "of a lot and night") \
    F(instrument, swap_sell, DECIMAL, "of a lot and night") \
    F(instrument, expires, TIME, "the contract ends then; absent: never")

#define EVENT_FIELDS_session_opened(F) \
    F(session_opened, user, STRING, "") \
    F(session_opened, accounts, I64, "trading accounts in it") \
    F(session_opened, expires, TIME, "token expiry") \
    F(session_opened, user_id, U64, "") \
    F(session_opened, how, STRING, "login; resume: with the tokens of a former life; refresh: renewed from them")

#define EVENT_FIELDS_session_renewed(F) \
    F(session_renewed, user, STRING, "") \
    F(session_renewed, expires, TIME, "token expiry") \
    F(session_renewed, how, STRING, "refresh; login; kept: the old token is good after all") \
    F(session_renewed, user_id, U64, "") \
    F(session_renewed, session, U64, "number of its session_opened event")

#define EVENT_FIELDS_session_failed(F) \
    F(session_failed, user, STRING, "") \
    F(session_failed, code, STRING, "stable code") \
    F(session_failed, reason, STRING, "one sentence") \
    F(session_failed, user_id, U64, "") \
    F(session_failed, session, U64, "number of its session_opened event; 0: it never opened")

#define EVENT_FIELDS_session_closed(F) \
    F(session_closed, user, STRING, "") \
    F(session_closed, reason, STRING, "operator, deactivated, removed") \
    F(session_closed, user_id, U64, "") \
    F(session_closed, session, U64, "number of its session_opened event")

#define EVENT_FIELDS_script_loaded(F) \
    F(script_loaded, name, STRING, "") \
    F(script_loaded, path, STRING, "") \
    F(script_loaded, version, STRING, "from its manifest") \
    F(script_loaded, hash, STRING, "of its text, first 16 hex digits") \
    F(script_loaded, ok, BOOL, "") \
    F(script_loaded, reason, STRING, "why it was refused")

#define EVENT_FIELDS_feed(F) \
    F(feed, source, STRING, "reference or broker profile") \
    F(feed, state, STRING, "connected, lost, ended") \
    F(feed, detail, STRING, "")

#define EVENT_FIELDS_bar(F) \
    F(bar, symbol, STRING, "canonical") \
    F(bar, timeframe, STRING, "1m, 5m, 15m") \
    F(bar, open_time, TIME, "") \
    F(bar, open, DOUBLE, "price") \
    F(bar, high, DOUBLE, "price") \
    F(bar, low, DOUBLE, "price") \
    F(bar, close, DOUBLE, "price") \
    F(bar, volume, DOUBLE, "lots or the feed's unit") \
    F(bar, buy_volume, DOUBLE, "aggressor bought") \
    F(bar, sell_volume, DOUBLE, "aggressor sold") \
    F(bar, source, STRING, "feed") \
    F(bar, side_source, STRING, "recorded, modelled, tick_rule or none")

#define EVENT_FIELDS_signal(F) \
    F(signal, signal, U64, "id") \
    F(signal, strategy, STRING, "instance") \
    F(signal, hash, STRING, "script version") \
    F(signal, symbol, STRING, "canonical") \
    F(signal, action, STRING, "OPEN_LONG, OPEN_SHORT, CLOSE") \
    F(signal, price, DECIMAL, "reference price") \
    F(signal, stop, DECIMAL, "stop loss") \
    F(signal, target, DECIMAL, "take profit") \
    F(signal, confidence, DOUBLE, "0..1") \
    F(signal, strength, DOUBLE, "0..1") \
    F(signal, reason, STRING, "") \
    F(signal, conditions, JSON, "name, value, threshold, source, pass of each") \
    F(signal, plan, JSON, "exit plan") \
    F(signal, who, STRING, "operator who gave it; absent: a strategy")

#define EVENT_FIELDS_signal_refused(F) \
    F(signal_refused, signal, U64, "") \
    F(signal_refused, rule, STRING, "") \
    F(signal_refused, reason, STRING, "")

#define EVENT_FIELDS_risk_refused(F) \
    F(risk_refused, signal, U64, "") \
    F(risk_refused, account, STRING, "") \
    F(risk_refused, rule, STRING, "stable name") \
    F(risk_refused, reason, STRING, "")

#define EVENT_FIELDS_intent(F) \
    F(intent, order, U64, "id") \
    F(intent, batch, U64, "fan-out id; 0: alone") \
    F(intent, signal, U64, "") \
    F(intent, account, STRING, "") \
    F(intent, op, STRING, "open, close, close_partial, edit, pending, pending_edit, cancel") \
    F(intent, symbol, STRING, "as the venue spells it") \
    F(intent, side, STRING, "BUY or SELL, of the position") \
    F(intent, volume, DECIMAL, "lots") \
    F(intent, price, DECIMAL, "reference price; of a pending order its activation price") \
    F(intent, stop, DECIMAL, "0: none") \
    F(intent, target, DECIMAL, "0: none") \
    F(intent, position, STRING, "for close and edit; of a pending order its id, for edit and cancel") \
    F(intent, tag, I64, "-1: none; else the last digits of stop and target") \
    F(intent, reason, STRING, "exit reason for a close or cancel") \
    F(intent, attempt, I64, "1 for the first") \
    F(intent, plan, JSON, "exit plan") \
    F(intent, holding_ms, I64, "longest holding by the exit plan, market ms; 0: none") \
    F(intent, type, STRING, "LIMIT or STOP, of a pending order") \
    F(intent, replaces, U64, "the absent entry that this one stands in for; 0: none")

#define EVENT_FIELDS_order_sent(F) \
    F(order_sent, order, U64, "") \
    F(order_sent, queued_us, I64, "from intent to the first byte")

#define EVENT_FIELDS_order_accepted(F) \
    F(order_accepted, order, U64, "") \
    F(order_accepted, broker_id, STRING, "id in the answer") \
    F(order_accepted, latency_us, I64, "first byte to the answer")

#define EVENT_FIELDS_order_rejected(F) \
    F(order_rejected, order, U64, "") \
    F(order_rejected, code, STRING, "stable code") \
    F(order_rejected, reason, STRING, "the broker's words") \
    F(order_rejected, retry_after_ms, I64, "0: not said")

#define EVENT_FIELDS_order_unknown(F) \
    F(order_unknown, order, U64, "") \
    F(order_unknown, cause, STRING, "timeout, cut, status_5xx, unreadable, unauthorised, restart")

#define EVENT_FIELDS_order_absent(F) \
    F(order_absent, order, U64, "") \
    F(order_absent, reads, I64, "reads that did not show it")

#define EVENT_FIELDS_order_not_sent(F) \
    F(order_not_sent, order, U64, "") \
    F(order_not_sent, cause, STRING, "")

#define EVENT_FIELDS_order_adopted(F) \
    F(order_adopted, order, U64, "") \
    F(order_adopted, position, STRING, "") \
    F(order_adopted, by, STRING, "tag, stops, shape, closed, operator, id")

#define EVENT_FIELDS_batch_done(F) \
    F(batch_done, batch, U64, "") \
    F(batch_done, signal, U64, "") \
    F(batch_done, symbol, STRING, "") \
    F(batch_done, legs, I64, "") \
    F(batch_done, sent, I64, "") \
    F(batch_done, accepted, I64, "") \
    F(batch_done, rejected, I64, "") \
    F(batch_done, unknown, I64, "") \
    F(batch_done, not_sent, I64, "") \
    F(batch_done, volume, DECIMAL, "lots accepted") \
    F(batch_done, skew_us, I64, "first to last first byte") \
    F(batch_done, elapsed_us, I64, "signal to last answer")

#define EVENT_FIELDS_position_opened(F) \
    F(position_opened, account, STRING, "") \
    F(position_opened, position, STRING, "broker id") \
    F(position_opened, order, U64, "0: not ours") \
    F(position_opened, signal, U64, "") \
    F(position_opened, symbol, STRING, "") \
    F(position_opened, side, STRING, "") \
    F(position_opened, volume, DECIMAL, "") \
    F(position_opened, price, DECIMAL, "open price") \
    F(position_opened, stop, DECIMAL, "") \
    F(position_opened, target, DECIMAL, "") \
    F(position_opened, opened, TIME, "") \
    F(position_opened, ours, BOOL, "opened by an order of ours") \
    F(position_opened, plan, JSON, "exit plan") \
    F(position_opened, holding_ms, I64, "longest holding by the exit plan, market ms; 0: none") \
    F(position_opened, who, STRING, "order, pending or hand")

#define EVENT_FIELDS_position_changed(F) \
    F(position_changed, account, STRING, "") \
    F(position_changed, position, STRING, "") \
    F(position_changed, volume, DECIMAL, "") \
    F(position_changed, stop, DECIMAL, "") \
    F(position_changed, target, DECIMAL, "") \
    F(position_changed, who, STRING, "edit: a write of ours; hand: somebody else")

#define EVENT_FIELDS_position_closing(F) \
    F(position_closing, account, STRING, "") \
    F(position_closing, position, STRING, "") \
    F(position_closing, reason, STRING, "opposite, time, end, manual, unwind") \
    F(position_closing, volume, DECIMAL, "0: all")

#define EVENT_FIELDS_position_closed(F) \
    F(position_closed, account, STRING, "") \
    F(position_closed, position, STRING, "") \
    F(position_closed, uid, STRING, "of the closing") \
    F(position_closed, order, U64, "that opened it; 0: not ours") \
    F(position_closed, signal, U64, "") \
    F(position_closed, symbol, STRING, "") \
    F(position_closed, side, STRING, "") \
    F(position_closed, volume, DECIMAL, "") \
    F(position_closed, open_price, DECIMAL, "") \
    F(position_closed, price, DECIMAL, "close price") \
    F(position_closed, profit, DECIMAL, "account currency") \
    F(position_closed, commission, DECIMAL, "") \
    F(position_closed, swap, DECIMAL, "") \
    F(position_closed, net, DECIMAL, "profit + commission + swap") \
    F(position_closed, reason, STRING, "target, stop, opposite, time, end, manual") \
    F(position_closed, opened, TIME, "") \
    F(position_closed, closed, TIME, "") \
    F(position_closed, partial, BOOL, "")

#define EVENT_FIELDS_balance(F) \
    F(balance, account, STRING, "") \
    F(balance, balance, DECIMAL, "") \
    F(balance, equity, DECIMAL, "") \
    F(balance, margin, DECIMAL, "") \
    F(balance, free_margin, DECIMAL, "") \
    F(balance, currency, STRING, "")

#define EVENT_FIELDS_policy_state(F) \
    F(policy_state, name, STRING, "") \
    F(policy_state, value, JSON, "")

#define EVENT_FIELDS_command(F) \
    F(command, who, STRING, "") \
    F(command, name, STRING, "") \
    F(command, args, JSON, "secrets as ***") \
    F(command, ok, BOOL, "") \
    F(command, reason, STRING, "") \
    F(command, key, STRING, "idempotency key of the request; absent: none") \
    F(command, answer, JSON, "what came of it, when there is a key; absent: asked again, and not done again")

#define EVENT_FIELDS_notice(F) \
    F(notice, level, STRING, "info, warn, error") \
    F(notice, component, STRING, "") \
    F(notice, text, STRING, "")

#define EVENT_FIELDS_market_ended(F) \
    F(market_ended, reason, STRING, "")

#define EVENT_FIELDS_account_state(F) \
    F(account_state, account, STRING, "") \
    F(account_state, state, STRING, "active, paused") \
    F(account_state, reason, STRING, "")

#define EVENT_FIELDS_engine_ready(F) \
    F(engine_ready, accounts, JSON, "id, currency, balance, equity, leverage of each") \
    F(engine_ready, strategies, JSON, "instance, version, hash, symbol of each") \
    F(engine_ready, broker, STRING, "profile") \
    F(engine_ready, clock, STRING, "wall, scaled, granted or virtual") \
    F(engine_ready, market, STRING, "what the market is made of")

#define EVENT_FIELDS_user_removed(F) \
    F(user_removed, user, STRING, "broker:e-mail") \
    F(user_removed, id, U64, "of the vault")

#define EVENT_FIELDS_account_read(F) \
    F(account_read, account, STRING, "") \
    F(account_read, session, U64, "number of its session_opened event")

#define EVENT_FIELDS_batch_begun(F) \
    F(batch_begun, batch, U64, "intents of this batch that follow belong to it, up to the next one") \
    F(batch_begun, signal, U64, "") \
    F(batch_begun, group, STRING, "group of accounts; absent: those without a policy of their own") \
    F(batch_begun, policy, STRING, "all_or_none or quorum") \
    F(batch_begun, quorum, I64, "least accepted legs; 0: all") \
    F(batch_begun, legs, I64, "accounts that the signal goes to") \
    F(batch_begun, deadline_ms, I64, "io ms from submit in which a quorum must be reached")

#define EVENT_FIELDS_batch_decided(F) \
    F(batch_decided, batch, U64, "") \
    F(batch_decided, signal, U64, "") \
    F(batch_decided, group, STRING, "") \
    F(batch_decided, outcome, STRING, "kept; or unwound: all that its legs become is to be closed") \
    F(batch_decided, reason, STRING, "") \
    F(batch_decided, accepted, I64, "legs at the decision") \
    F(batch_decided, failed, I64, "rejected, not sent or proven absent") \
    F(batch_decided, open, I64, "in flight or UNKNOWN") \
    F(batch_decided, first, U64, "lowest order id of its legs") \
    F(batch_decided, last, U64, "highest order id of its legs")

#define EVENT_FIELDS_order_closing(F) \
    F(order_closing, order, U64, "an entry") \
    F(order_closing, account, STRING, "") \
    F(order_closing, reason, STRING, "exit reason")

#define EVENT_FIELDS_leg_filled(F) \
    F(leg_filled, batch, U64, "") \
    F(leg_filled, signal, U64, "") \
    F(leg_filled, order, U64, "") \
    F(leg_filled, account, STRING, "") \
    F(leg_filled, symbol, STRING, "as the venue spells it") \
    F(leg_filled, side, STRING, "") \
    F(leg_filled, volume, DECIMAL, "lots of the position") \
    F(leg_filled, asked, DECIMAL, "reference price of the order") \
    F(leg_filled, executed, DECIMAL, "open price of the position") \
    F(leg_filled, slippage, I64, "points; above 0: worse than asked") \
    F(leg_filled, queued_us, I64, "from intent to the first byte") \
    F(leg_filled, latency_us, I64, "first byte to the answer; 0: adopted from a list")

#define EVENT_FIELDS_command_begun(F) \
    F(command_begun, who, STRING, "") \
    F(command_begun, name, STRING, "") \
    F(command_begun, key, STRING, "idempotency key of the request") \
    F(command_begun, digest, STRING, "of name and arguments: the same key is not taken for another request")

#define EVENT_FIELDS_pending_seen(F) \
    F(pending_seen, account, STRING, "") \
    F(pending_seen, pending, STRING, "broker id") \
    F(pending_seen, order, U64, "0: not ours") \
    F(pending_seen, signal, U64, "") \
    F(pending_seen, symbol, STRING, "") \
    F(pending_seen, side, STRING, "") \
    F(pending_seen, type, STRING, "LIMIT or STOP") \
    F(pending_seen, volume, DECIMAL, "") \
    F(pending_seen, price, DECIMAL, "activation price") \
    F(pending_seen, stop, DECIMAL, "") \
    F(pending_seen, target, DECIMAL, "") \
    F(pending_seen, created, TIME, "") \
    F(pending_seen, ours, BOOL, "created by an order of ours") \
    F(pending_seen, who, STRING, "order or hand")

#define EVENT_FIELDS_pending_changed(F) \
    F(pending_changed, account, STRING, "") \
    F(pending_changed, pending, STRING, "") \
    F(pending_changed, volume, DECIMAL, "") \
    F(pending_changed, price, DECIMAL, "") \
    F(pending_changed, stop, DECIMAL, "") \
    F(pending_changed, target, DECIMAL, "") \
    F(pending_changed, who, STRING, "edit: a write of ours; hand: somebody else") \
    F(pending_changed, order, U64, "that created it; 0: not ours")

#define EVENT_FIELDS_pending_cancelling(F) \
    F(pending_cancelling, account, STRING, "") \
    F(pending_cancelling, pending, STRING, "") \
    F(pending_cancelling, reason, STRING, "manual, end, expired")

#define EVENT_FIELDS_pending_gone(F) \
    F(pending_gone, account, STRING, "") \
    F(pending_gone, pending, STRING, "") \
    F(pending_gone, order, U64, "that created it; 0: not ours") \
    F(pending_gone, reason, STRING, "triggered, cancelled or hand") \
    F(pending_gone, position, STRING, "that it became")

#define EVENT_FIELDS_order_ambiguous(F) \
    F(order_ambiguous, order, U64, "") \
    F(order_ambiguous, account, STRING, "") \
    F(order_ambiguous, symbol, STRING, "") \
    F(order_ambiguous, candidates, JSON, "ids at the broker that could be it; []: none any more")

/* clang-format on */

#define EVENT_ENUM_KIND(number, name, text) EVENT_KIND_##name = number,
enum event_kind { EVENT_KINDS(EVENT_ENUM_KIND) };
#undef EVENT_ENUM_KIND

#define EVENT_ENUM_FIELD(kind, field, type, text) F_##kind##_##field,
#define EVENT_ENUM_FIELDS(number, name, text)                                                      \
    enum event_fields_##name{EVENT_FIELDS_##name(EVENT_ENUM_FIELD) F_##name##_COUNT};
EVENT_KINDS(EVENT_ENUM_FIELDS)
#undef EVENT_ENUM_FIELDS
#undef EVENT_ENUM_FIELD

#endif
