// SPDX-License-Identifier: MIT
// Which trades are shown: kept in the address, sent to the office, and applied to trades that arrive live. Pure.
// Times are market time in UTC. A range is relative to now; from and to are fixed and count when there is no range.

import type { operations } from "@/api/schema";
import type { Trade } from "@/api/types";
import { choiceParam, listParam, type Param } from "@/lib/address";
import { millis } from "@/lib/format";

export const ranges = ["1h", "today", "24h", "7d", "30d", "all", "custom"] as const;
export type Range = (typeof ranges)[number];

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const spans: Readonly<Partial<Record<Range, number>>> = { "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY };

export const rangeParam = choiceParam(ranges, "24h");
export const symbolsParam = listParam;
export const sideParam = choiceParam(["all", "LONG", "SHORT"], "all");
export const resultParam = choiceParam(["all", "win", "loss"], "all");

/** Ids of users, joined by commas. */
export const usersParam: Param<readonly number[]> = {
  read: (text) => [...new Set((text ?? "").split(",").filter((part) => /^\d{1,15}$/.test(part)).map(Number))],
  write: (ids) => (ids.length ? ids.join(",") : null),
};

const MINUTE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/;

const isMinute = (text: string): boolean => MINUTE.test(text) && millis(`${text}:00Z`) !== null;

/** "2026-11-25T14:00", as date-time fields write it; anything else is none. */
export const minuteParam: Param<string> = {
  read: (text) => (text !== null && isMinute(text) ? text : ""),
  write: (value) => (isMinute(value) ? value : null),
};

export interface TradeFilters {
  readonly range: Range;
  /** With range "custom": minutes in UTC, "" is open. */
  readonly from: string;
  readonly to: string;
  readonly users: readonly number[];
  readonly symbols: readonly string[];
  readonly side: "all" | "LONG" | "SHORT";
  readonly result: "all" | "win" | "loss";
}

export function readFilters(search: string): TradeFilters {
  const params = new URLSearchParams(search);
  const from = minuteParam.read(params.get("from"));
  const to = minuteParam.read(params.get("to"));
  const range = rangeParam.read(params.get("range"));
  // An address that names a time means it, with or without the word.
  const custom = range === "custom" || (params.get("range") === null && (from !== "" || to !== ""));
  return {
    range: custom ? "custom" : range,
    from: custom ? from : "",
    to: custom ? to : "",
    users: usersParam.read(params.get("users")),
    symbols: symbolsParam.read(params.get("symbols")),
    side: sideParam.read(params.get("side")),
    result: resultParam.read(params.get("result")),
  };
}

/** The filters as parameters of the address; null leaves one out. */
export function writeFilters(f: TradeFilters): Record<string, string | null> {
  const custom = f.range === "custom";
  return {
    range: rangeParam.write(f.range),
    from: custom ? minuteParam.write(f.from) : null,
    to: custom ? minuteParam.write(f.to) : null,
    users: usersParam.write(f.users),
    symbols: symbolsParam.write(f.symbols),
    side: sideParam.write(f.side),
    result: resultParam.write(f.result),
  };
}

/** Whether anything but the default is chosen. */
export const anyFilter = (f: TradeFilters): boolean => Object.values(writeFilters(f)).some((value) => value !== null);

/** from is after to: nothing can fit. */
export const isTurned = (f: TradeFilters): boolean => f.from !== "" && f.to !== "" && f.from >= f.to;

export interface Bounds {
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * The first and the last moment. A relative range begins on a step of a hundredth of its length, so that the same
 * question is asked for a while; it has no end, new trades belong to it.
 */
export function boundsOf(f: TradeFilters, nowMs: number): Bounds {
  const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
  if (f.range === "custom") {
    return { from: f.from === "" ? null : `${f.from}:00Z`, to: f.to === "" ? null : `${f.to}:00Z` };
  }
  if (f.range === "today") return { from: iso(nowMs - (nowMs % DAY)), to: null };
  const span = spans[f.range];
  if (span === undefined) return { from: null, to: null };
  const step = span / 100;
  return { from: iso(Math.floor((nowMs - span) / step) * step), to: null };
}

type ListQuery = NonNullable<operations["list_trades"]["parameters"]["query"]>;
export type TradeQuery = Pick<ListQuery, "user_ids" | "symbols" | "side" | "result" | "from" | "to">;

/** What the office is asked; the same for the list, the statistics and the export. */
export function queryOf(f: TradeFilters, bounds: Bounds): TradeQuery {
  return {
    ...(f.users.length > 0 && { user_ids: [...f.users] }),
    ...(f.symbols.length > 0 && { symbols: [...f.symbols] }),
    ...(f.side !== "all" && { side: f.side }),
    ...(f.result !== "all" && { result: f.result }),
    ...(bounds.from !== null && { from: bounds.from }),
    ...(bounds.to !== null && { to: bounds.to }),
  };
}

/** Whether a trade that arrived live belongs to the list: the office's rule in the browser. */
export function fits(trade: Trade, f: TradeFilters, bounds: Bounds): boolean {
  const at = millis(trade.closed_at);
  if (at === null) return false;
  const from = millis(bounds.from);
  const to = millis(bounds.to);
  if (from !== null && at < from) return false;
  if (to !== null && at >= to) return false;
  if (f.users.length > 0 && !f.users.includes(trade.user_id)) return false;
  if (f.symbols.length > 0 && !f.symbols.includes(trade.symbol)) return false;
  if (f.side !== "all" && trade.side !== f.side) return false;
  if (f.result === "all") return true;
  const net = Number(trade.net);
  return f.result === "win" ? net > 0 : net < 0;
}

/** Newest first; a trade that is in both lists once. */
export function mergeTrades(fresh: readonly Trade[], loaded: readonly Trade[]): readonly Trade[] {
  const known = new Set(loaded.map((t) => t.id));
  const more = fresh.filter((t) => !known.has(t.id));
  return more.length === 0 ? loaded : [...more, ...loaded].sort((a, b) => b.id - a.id);
}
