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
    K(3, user_added, "a broker login is known") \
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
    K(25, position_opened, "the broker shows a new position") \
    K(26, position_changed, "volume, stop or target differ at the broker") \
    K(27, position_closing, "a close is wanted until the broker shows it closed") \
    K(28, position_closed, "the broker's history shows a full or partial close") \
    K(29, balance, "the broker's money figures, when they changed") \
    K(30, policy_state, "what a policy must remember") \
    K(31, command, "an operator's command") \
    K(32, notice, "something an operator should read") \
    K(33, market_ended, "the market has no more data") \
    K(34, account_state, "whether an account may open") \
    K(35, engine_ready, "sessions, history and strategies are there: trading begins")

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
    F(user_added, broker, STRING, "profile name")

#define EVENT_FIELDS_account_added(F) \
    F(account_added, account, STRING, "trading account id") \
    F(account_added, user, STRING, "its login") \
    F(account_added, broker, STRING, "profile name") \
    F(account_added, currency, STRING, "of the balance") \
    F(account_added, leverage, I64, "100 is 1:100") \
    F(account_added, system, STRING, "system uuid") \
    F(account_added, group, STRING, "accounts treated alike")

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
    F(instrument, commission, DECIMAL, "per lot and side, account currency")

#define EVENT_FIELDS_session_opened(F) \
    F(session_opened, user, STRING, "") \
    F(session_opened, accounts, I64, "trading accounts in it") \
    F(session_opened, expires, TIME, "token expiry")

#define EVENT_FIELDS_session_renewed(F) \
    F(session_renewed, user, STRING, "") \
    F(session_renewed, expires, TIME, "token expiry") \
    F(session_renewed, how, STRING, "refresh or login")

#define EVENT_FIELDS_session_failed(F) \
    F(session_failed, user, STRING, "") \
    F(session_failed, code, STRING, "stable code") \
    F(session_failed, reason, STRING, "one sentence")

#define EVENT_FIELDS_session_closed(F) \
    F(session_closed, user, STRING, "")

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
    F(signal, plan, JSON, "exit plan")

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
    F(intent, op, STRING, "open, close, close_partial, edit") \
    F(intent, symbol, STRING, "as the venue spells it") \
    F(intent, side, STRING, "BUY or SELL, of the position") \
    F(intent, volume, DECIMAL, "lots") \
    F(intent, price, DECIMAL, "reference price") \
    F(intent, stop, DECIMAL, "0: none") \
    F(intent, target, DECIMAL, "0: none") \
    F(intent, position, STRING, "for close and edit") \
    F(intent, tag, I64, "-1: none; else the last digits of stop and target") \
    F(intent, reason, STRING, "exit reason for a close") \
    F(intent, attempt, I64, "1 for the first") \
    F(intent, plan, JSON, "exit plan") \
    F(intent, holding_ms, I64, "longest holding by the exit plan, market ms; 0: none")

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
    F(order_adopted, by, STRING, "stops, shape or closed")

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
    F(position_opened, holding_ms, I64, "longest holding by the exit plan, market ms; 0: none")

#define EVENT_FIELDS_position_changed(F) \
    F(position_changed, account, STRING, "") \
    F(position_changed, position, STRING, "") \
    F(position_changed, volume, DECIMAL, "") \
    F(position_changed, stop, DECIMAL, "") \
    F(position_changed, target, DECIMAL, "")

#define EVENT_FIELDS_position_closing(F) \
    F(position_closing, account, STRING, "") \
    F(position_closing, position, STRING, "") \
    F(position_closing, reason, STRING, "opposite, time, end, manual") \
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
    F(command, reason, STRING, "")

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

/* clang-format on */

#define EVENT_ENUM_KIND(number, name, text) EVENT_KIND_##name = number,
enum event_kind { EVENT_KINDS(EVENT_ENUM_KIND) };
#undef EVENT_ENUM_KIND

#define EVENT_ENUM_FIELD(kind, field, type, text) F_##kind##_##field,
#define EVENT_ENUM_FIELDS(number, name, text) \
    enum event_fields_##name { EVENT_FIELDS_##name(EVENT_ENUM_FIELD) F_##name##_COUNT };
EVENT_KINDS(EVENT_ENUM_FIELDS)
#undef EVENT_ENUM_FIELDS
#undef EVENT_ENUM_FIELD

#endif
