// SPDX-License-Identifier: MIT
// Bars of the chart: pages of history put together, the forming bar made of live minutes, and the marks of entries and
// exits. Pure; times are seconds since 1970, market time.

import type { Candle, Position, Trade } from "@/api/types";
import { millis } from "@/lib/format";

export const timeframes = ["1m", "5m", "15m"] as const;
export type Timeframe = (typeof timeframes)[number];
export const secondsOf: Readonly<Record<Timeframe, number>> = { "1m": 60, "5m": 300, "15m": 900 };

export interface Bar {
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

export function barOf(candle: Candle): Bar | null {
  const ms = millis(candle.time);
  if (ms === null) return null;
  const { open, high, low, close, volume } = candle;
  return { time: Math.floor(ms / 1000), open, high, low, close, volume };
}

export const bucketOf = (time: number, timeframe: Timeframe): number => time - (time % secondsOf[timeframe]);

/** Pages in one ascending line, each time once; of two bars of one time the later page's stays. */
export function joinBars(...pages: readonly (readonly Candle[])[]): readonly Bar[] {
  const byTime = new Map<number, Bar>();
  for (const page of pages) {
    for (const candle of page) {
      const bar = barOf(candle);
      if (bar) byTime.set(bar.time, bar);
    }
  }
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}

/** The last bar, and how much of the running minute's volume it holds already. */
export interface Forming {
  readonly bar: Bar;
  readonly minute: { readonly time: number; readonly volume: number } | null;
}

/**
 * The forming bar after a live minute. A minute of an earlier bar changes nothing; one behind the bar begins a new bar.
 * The first minute seen after a load is in the loaded volume already, later growth and further minutes are added.
 */
export function foldMinute(forming: Forming | null, minute: Bar, timeframe: Timeframe): Forming {
  const bucket = bucketOf(minute.time, timeframe);
  const seen = { time: minute.time, volume: minute.volume };
  if (!forming || bucket > forming.bar.time) return { bar: { ...minute, time: bucket }, minute: seen };
  if (bucket < forming.bar.time) return forming;
  if (timeframe === "1m") return { bar: minute, minute: seen };
  const { bar, minute: last } = forming;
  if (last && minute.time < last.time) return forming;
  const more = last === null ? 0 : last.time === minute.time ? Math.max(0, minute.volume - last.volume) : minute.volume;
  return {
    bar: {
      ...bar, high: Math.max(bar.high, minute.high), low: Math.min(bar.low, minute.low), close: minute.close,
      volume: bar.volume + more,
    },
    minute: seen,
  };
}

export interface Mark {
  readonly time: number;
  readonly kind: "entry" | "exit";
  readonly side: "LONG" | "SHORT";
  readonly count: number;
}

/** Entries and exits on one symbol, those of one bar, kind and side as one mark, in the order of time. */
export function marksOf(
  symbol: string, timeframe: Timeframe, positions: Iterable<Position>, trades: Iterable<Trade>,
): readonly Mark[] {
  const marks = new Map<string, Mark>();
  const entered = new Set<string>();
  const put = (time: string, kind: Mark["kind"], side: Mark["side"]): void => {
    const ms = millis(time);
    if (ms === null) return;
    const at = bucketOf(Math.floor(ms / 1000), timeframe);
    const key = `${at} ${kind} ${side}`;
    marks.set(key, { time: at, kind, side, count: (marks.get(key)?.count ?? 0) + 1 });
  };
  // A position closed in parts has been entered once.
  const enter = (key: string, time: string, side: Mark["side"]): void => {
    if (entered.has(key)) return;
    entered.add(key);
    put(time, "entry", side);
  };
  for (const p of positions) if (p.symbol === symbol) enter(`${p.account_id}/${p.id}`, p.opened_at, p.side);
  for (const t of trades) {
    if (t.symbol !== symbol) continue;
    enter(`${t.account_id}/${t.position_id}`, t.executed_at, t.side);
    put(t.closed_at, "exit", t.side);
  }
  return [...marks.values()].sort((a, b) => a.time - b.time || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0));
}
