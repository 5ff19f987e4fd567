// SPDX-License-Identifier: MIT
// The live picture and how messages change it. Pure: the old picture stays as it was, untouched rows keep their
// identity, so that a drawing compares rows by reference.

import type { Account, Candle, Instrument, Order, Position, Session, Signal, SystemState, Trade, User } from "@/api/types";
import type { Rates } from "@/lib/decimal";
import { isRecord } from "@/lib/storage";

export interface Notice {
  readonly seq: number;
  readonly level: string;
  readonly component: string;
  readonly text: string;
  readonly time: string | null;
}

export interface Quote {
  readonly symbol: string;
  readonly bid: string | null;
  readonly ask: string | null;
  readonly time: string | null;
}

export interface LiveState {
  /** A snapshot has arrived: rows are complete. */
  readonly known: boolean;
  /** Newest journal number in it. */
  readonly seq: number;
  readonly users: ReadonlyMap<number, User>;
  readonly sessions: ReadonlyMap<number, Session>;
  readonly accounts: ReadonlyMap<string, Account>;
  /** By positionKey. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly orders: ReadonlyMap<number, Order>;
  /** Newest first. */
  readonly signals: readonly Signal[];
  /** Trades closed while the page was open, newest first. */
  readonly trades: readonly Trade[];
  readonly instruments: ReadonlyMap<string, Instrument>;
  readonly quotes: ReadonlyMap<string, Quote>;
  /** The forming bar, by "symbol timeframe". */
  readonly bars: ReadonlyMap<string, Candle>;
  readonly notices: readonly Notice[];
  readonly rates: Rates;
  readonly system: SystemState | null;
}

export const emptyLive: LiveState = {
  known: false, seq: 0, users: new Map(), sessions: new Map(), accounts: new Map(), positions: new Map(),
  orders: new Map(), signals: [], trades: [], instruments: new Map(), quotes: new Map(), bars: new Map(), notices: [],
  rates: {}, system: null,
};

const MOST_SIGNALS = 50;
const MOST_TRADES = 100;
const MOST_NOTICES = 100;
const MOST_FINAL_ORDERS = 200;

export const positionKey = (p: { account_id: string; id: string }): string => `${p.account_id}/${p.id}`;

/** A pending order that waits at the broker. */
export const isResting = (o: Order): boolean => o.operation === "pending" && o.state === "accepted" && o.status === "PENDING";

/** Whether the outcome of an order is still open, or it rests at the broker. */
export const isActiveOrder = (o: Order): boolean =>
  o.state === "intent" || o.state === "sent" || o.state === "unknown" || o.is_ambiguous || isResting(o);

export interface Message {
  readonly type: string;
  readonly seq?: number;
  readonly time?: string | null;
  readonly wall_us?: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A frame of the socket, or null when it is none. */
export function parseMessage(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value["type"] !== "string") return null;
  return {
    type: value["type"],
    ...(typeof value["seq"] === "number" && { seq: value["seq"] }),
    ...(typeof value["time"] === "string" && { time: value["time"] }),
    ...(typeof value["wall_us"] === "number" && { wall_us: value["wall_us"] }),
    data: isRecord(value["data"]) ? value["data"] : {},
  };
}

// The office's rows follow its schemas (its contract test checks that); here they are taken at their word.
const rows = <T>(value: unknown): readonly T[] => (Array.isArray(value) ? (value as T[]) : []);
const row = <T>(value: unknown): T | null => (isRecord(value) ? (value as T) : null);

function mapOf<K, T>(list: readonly T[], key: (item: T) => K): ReadonlyMap<K, T> {
  return new Map(list.map((item) => [key(item), item]));
}

function put<K, T>(map: ReadonlyMap<K, T>, key: K, item: T): ReadonlyMap<K, T> {
  return new Map(map).set(key, item);
}

function drop<K, T>(map: ReadonlyMap<K, T>, key: K): ReadonlyMap<K, T> {
  if (!map.has(key)) return map;
  const out = new Map(map);
  out.delete(key);
  return out;
}

const identifier = (item: { id: number }): number => item.id;

function snapshot(state: LiveState, data: Message["data"], seq: number): LiveState {
  return {
    ...state,
    known: true,
    seq,
    users: mapOf(rows<User>(data["users"]), identifier),
    sessions: mapOf(rows<Session>(data["sessions"]), identifier),
    accounts: mapOf(rows<Account>(data["accounts"]), (a) => a.id),
    positions: mapOf(rows<Position>(data["positions"]), positionKey),
    orders: mapOf(rows<Order>(data["orders"]), identifier),
    signals: [...rows<Signal>(data["signals"])].sort((a, b) => b.id - a.id),
    instruments: mapOf(rows<Instrument>(data["instruments"]), (i) => i.symbol),
    quotes: mapOf(rows<Quote>(data["quotes"]), (q) => q.symbol),
    rates: row<Rates>(data["rates"]) ?? state.rates,
    system: row<SystemState>(data["system"]) ?? state.system,
  };
}

function putSignal(signals: readonly Signal[], signal: Signal): readonly Signal[] {
  const out = signals.filter((s) => s.id !== signal.id);
  const at = out.findIndex((s) => s.id < signal.id);
  out.splice(at < 0 ? out.length : at, 0, signal);
  return out.slice(0, MOST_SIGNALS);
}

function putOrder(orders: ReadonlyMap<number, Order>, order: Order): ReadonlyMap<number, Order> {
  const out = new Map(orders).set(order.id, order);
  if (out.size <= MOST_FINAL_ORDERS * 2) return out;
  const final = [...out.values()].filter((o) => !isActiveOrder(o)).sort((a, b) => b.id - a.id);
  for (const old of final.slice(MOST_FINAL_ORDERS)) out.delete(old.id);
  return out;
}

function positionUpdate(state: LiveState, data: Message["data"]): LiveState {
  const position = row<Position>(data["position"]);
  if (!position) return state;
  const key = positionKey(position);
  const trade = row<Trade>(data["trade"]);
  const trades = trade ? [trade, ...state.trades.filter((t) => t.id !== trade.id)].slice(0, MOST_TRADES) : state.trades;
  const positions = data["op"] === "closed" ? drop(state.positions, key) : put(state.positions, key, position);
  return { ...state, positions, trades };
}

interface PositionMark {
  readonly account_id: string;
  readonly id: string;
  readonly mark: string | null;
  readonly profit: string | null;
}
type AccountMark = Pick<Account, "id" | "equity" | "margin" | "free_margin" | "profit">;

/** Percent that the price moved in the position's favour, as the office counts it; floats do, it is shown with two digits. */
export function movePercent(position: Position, price: string | null): string | null {
  const entry = Number(position.entry_price);
  if (price === null || !(entry > 0)) return null;
  const move = ((Number(price) - entry) / entry) * 100 * (position.side === "LONG" ? 1 : -1);
  return Number.isFinite(move) ? move.toFixed(4) : null;
}

function marks(state: LiveState, data: Message["data"]): LiveState {
  let positions: Map<string, Position> | null = null;
  for (const mark of rows<PositionMark>(data["positions"])) {
    const key = positionKey(mark);
    const old = state.positions.get(key);
    if (!old || (old.current_price === mark.mark && old.profit_loss === mark.profit)) continue;
    positions ??= new Map(state.positions);
    positions.set(key, {
      ...old, current_price: mark.mark, profit_loss: mark.profit, profit_loss_percent: movePercent(old, mark.mark),
    });
  }
  let accounts: Map<string, Account> | null = null;
  for (const mark of rows<AccountMark>(data["accounts"])) {
    const old = state.accounts.get(mark.id);
    if (!old || (old.equity === mark.equity && old.profit === mark.profit && old.margin === mark.margin &&
      old.free_margin === mark.free_margin)) continue;
    accounts ??= new Map(state.accounts);
    accounts.set(mark.id, { ...old, equity: mark.equity, margin: mark.margin, free_margin: mark.free_margin, profit: mark.profit });
  }
  const rates = row<Rates>(data["rates"]);
  if (!positions && !accounts && !rates) return state;
  return { ...state, positions: positions ?? state.positions, accounts: accounts ?? state.accounts, rates: rates ?? state.rates };
}

function systemUpdate(state: LiveState, data: Message["data"]): LiveState {
  if (!state.system) return state;
  const old = state.system;
  const part = data as Partial<SystemState>;
  return {
    ...state,
    system: {
      ...old, ...part,
      engine: { ...old.engine, ...part.engine },
      database: { ...old.database, ...part.database },
    },
  };
}

type Change = (state: LiveState, data: Message["data"], message: Message) => LiveState;

function signalChange(state: LiveState, data: Message["data"]): LiveState {
  const signal = row<Signal>(data["signal"]);
  return signal ? { ...state, signals: putSignal(state.signals, signal) } : state;
}

const changes: Readonly<Record<string, Change>> = {
  trade_signal: signalChange,
  signal_outcome: signalChange,
  order_executed: (state, data) => {
    const order = row<Order>(data["order"]);
    return order ? { ...state, orders: putOrder(state.orders, order) } : state;
  },
  position_update: positionUpdate,
  balance_update: (state, data) => {
    const accounts = new Map(state.accounts);
    for (const account of rows<Account>(data["accounts"])) accounts.set(account.id, account);
    return { ...state, accounts };
  },
  session_update: (state, data) => {
    const session = row<Session>(data["session"]);
    return session ? { ...state, sessions: put(state.sessions, session.id, session) } : state;
  },
  user_update: (state, data) => {
    const user = row<User>(data["user"]);
    if (!user) return state;
    return { ...state, users: data["op"] === "removed" ? drop(state.users, user.id) : put(state.users, user.id, user) };
  },
  notice: (state, data, message) => {
    const text = (name: string): string => (typeof data[name] === "string" ? data[name] : "");
    const notice: Notice = {
      seq: message.seq ?? state.seq, level: text("level"), component: text("component"), text: text("text"),
      time: message.time ?? null,
    };
    return { ...state, notices: [notice, ...state.notices].slice(0, MOST_NOTICES) };
  },
  system_update: systemUpdate,
  health: systemUpdate,
  marks,
  quotes: (state, data) => {
    const quotes = new Map(state.quotes);
    for (const quote of rows<Quote>(data["quotes"])) quotes.set(quote.symbol, quote);
    return { ...state, quotes };
  },
  bar: (state, data) => {
    const candle = row<Candle>(data["candle"]);
    const { symbol, timeframe } = data;
    if (!candle || typeof symbol !== "string" || typeof timeframe !== "string") return state;
    return { ...state, bars: put(state.bars, `${symbol} ${timeframe}`, candle) };
  },
};

/** The picture after a message. Numbered changes that are in it already, and unknown types, change nothing. */
export function reduce(state: LiveState, message: Message): LiveState {
  if (message.type === "snapshot") return snapshot(state, message.data, message.seq ?? 0);
  if (message.type === "resumed") return state;
  const change = Object.hasOwn(changes, message.type) ? changes[message.type] : undefined;
  if (!change) return state;
  if (message.seq === undefined) return change(state, message.data, message);
  if (message.seq < state.seq) return state;
  const next = change(state, message.data, message);
  return next.seq === message.seq ? next : { ...next, seq: message.seq };
}
