// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { Candle, Position, Trade } from "@/api/types";
import { bucketOf, foldMinute, joinBars, marksOf, type Bar, type Forming } from "@/pages/trading/bars";

const T0 = Date.UTC(2026, 10, 25, 14, 0, 0) / 1000;
const iso = (s: number): string => new Date(s * 1000).toISOString();
const candle = (s: number, close: number, volume = 1): Candle =>
  ({ time: iso(s), open: close, high: close + 1, low: close - 1, close, volume, buy_volume: 0, sell_volume: 0 });
const bar = (time: number, close: number, volume: number, high = close + 1, low = close - 1): Bar => ({ time, open: close, high, low, close, volume });

describe("pages of bars", () => {
  it("make one ascending line, the later page's bar wins, malformed times drop out", () => {
    const bars = joinBars([candle(T0, 1), candle(T0 + 60, 2)], [candle(T0 + 60, 3), { ...candle(T0, 9), time: "never" }], [candle(T0 - 60, 0)]);
    expect(bars.map((b) => [b.time - T0, b.close])).toEqual([[-60, 0], [0, 1], [60, 3]]);
  });
  it("belong to buckets of the timeframe", () => {
    expect(bucketOf(T0 + 299, "5m")).toBe(T0);
    expect(bucketOf(T0 + 300, "5m")).toBe(T0 + 300);
    expect(bucketOf(T0 + 61, "1m")).toBe(T0 + 60);
  });
});

describe("the forming bar", () => {
  it("of 1m is the minute itself", () => {
    const start: Forming = { bar: bar(T0, 10, 5), minute: null };
    expect(foldMinute(start, bar(T0, 12, 6), "1m").bar).toEqual(bar(T0, 12, 6));
    expect(foldMinute(start, bar(T0 + 60, 12, 1), "1m").bar.time).toBe(T0 + 60);
    expect(foldMinute(start, bar(T0 - 60, 12, 1), "1m")).toBe(start);
  });
  it("of 5m takes extremes, close, and the growth of the volume", () => {
    let f: Forming | null = { bar: bar(T0, 10, 100, 15, 5), minute: null };
    f = foldMinute(f, bar(T0 + 60, 12, 30), "5m");
    expect(f.bar).toEqual({ time: T0, open: 10, high: 15, low: 5, close: 12, volume: 100 });
    f = foldMinute(f, bar(T0 + 60, 16, 34), "5m");
    expect(f.bar).toMatchObject({ high: 17, close: 16, volume: 104 });
    f = foldMinute(f, bar(T0 + 120, 3, 2), "5m");
    expect(f.bar).toMatchObject({ high: 17, low: 2, close: 3, volume: 106 });
    // A minute that comes late changes nothing.
    expect(foldMinute(f, bar(T0 + 60, 99, 40), "5m")).toBe(f);
    f = foldMinute(f, bar(T0 + 300, 4, 1), "5m");
    expect(f.bar).toEqual({ ...bar(T0 + 300, 4, 1) });
  });
  it("begins with the first minute where nothing was loaded", () => {
    expect(foldMinute(null, bar(T0 + 120, 4, 1), "15m").bar.time).toBe(T0);
  });
});

describe("marks", () => {
  const position = (id: string, opened: number, side: "LONG" | "SHORT" = "LONG", symbol = "BTCUSD"): Position =>
    ({ id, account_id: "1", symbol, side, opened_at: iso(opened) }) as Position;
  const trade = (id: number, position_id: string, opened: number, closed: number, side: "LONG" | "SHORT" = "LONG"): Trade =>
    ({ id, account_id: "1", position_id, symbol: "BTCUSD", side, executed_at: iso(opened), closed_at: iso(closed) }) as Trade;
  it("of one bar, kind and side are one; another symbol has none here", () => {
    const marks = marksOf("BTCUSD", "1m", [position("a", T0 + 1), position("b", T0 + 59), position("c", T0 + 5, "SHORT"), position("d", T0, "LONG", "ETHUSD")], [trade(1, "e", T0 - 60, T0 + 2)]);
    expect(marks).toEqual([
      { time: T0 - 60, kind: "entry", side: "LONG", count: 1 }, { time: T0, kind: "entry", side: "LONG", count: 2 },
      { time: T0, kind: "entry", side: "SHORT", count: 1 }, { time: T0, kind: "exit", side: "LONG", count: 1 },
    ]);
  });
  it("count the entry of a position closed in parts once", () => {
    const marks = marksOf("BTCUSD", "1m", [position("a", T0)], [trade(1, "a", T0, T0 + 60), trade(2, "a", T0, T0 + 70)]);
    expect(marks).toEqual([{ time: T0, kind: "entry", side: "LONG", count: 1 }, { time: T0 + 60, kind: "exit", side: "LONG", count: 2 }]);
  });
});
