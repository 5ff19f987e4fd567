// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { Trade } from "@/api/types";
import { withParams } from "@/lib/address";
import { csvRows } from "@/pages/history/data";
import { anyFilter, boundsOf, fits, isTurned, mergeTrades, queryOf, readFilters, writeFilters, type TradeFilters } from "@/pages/history/filters";

const none: TradeFilters = { range: "24h", from: "", to: "", users: [], symbols: [], side: "all", result: "all" };
const NOW = Date.UTC(2026, 10, 25, 14, 3, 20);

describe("filters and the address", () => {
  it("have a default that the address does not name", () => {
    expect(readFilters("")).toEqual(none);
    expect(anyFilter(none)).toBe(false);
    expect(withParams("", writeFilters(none))).toBe("");
  });
  it.each<TradeFilters>([
    { ...none, range: "7d" }, { ...none, range: "custom", from: "2026-11-25T13:00", to: "" }, { ...none, range: "custom" },
    { ...none, range: "custom", from: "2026-11-24T00:00", to: "2026-11-25T00:00", users: [3, 1], symbols: ["BTCUSD", "A,B%"], side: "SHORT", result: "loss" },
  ])("come back as they went", (filters) => {
    expect(readFilters(withParams("?other=1", writeFilters(filters)))).toEqual(filters);
  });
  it("take no times beside a relative range, and times alone for a range of their own", () => {
    expect(readFilters("?range=7d&from=2026-11-25T13:00")).toEqual({ ...none, range: "7d" });
    expect(readFilters("?from=2026-11-25T13:00").range).toBe("custom");
  });
  it("fall back where the address is nonsense", () => {
    expect(readFilters("?range=x&users=a,2,-1,2,1e9&side=UP&result=draw&from=2026-13-45T99:99&to=soon")).toEqual({ ...none, users: [2] });
  });
  it("know a range that is turned round", () => {
    expect(isTurned({ ...none, range: "custom", from: "2026-11-25T13:00", to: "2026-11-25T13:00" })).toBe(true);
    expect(isTurned({ ...none, range: "custom", from: "2026-11-25T13:00", to: "" })).toBe(false);
  });
});

describe("bounds", () => {
  it("of a relative range lie on steps: the question stays the same for a while", () => {
    const a = boundsOf({ ...none, range: "1h" }, NOW);
    expect(a).toEqual({ from: "2026-11-25T13:03:00Z", to: null });
    expect(boundsOf({ ...none, range: "1h" }, NOW + 15_000)).toEqual(a);
    expect(boundsOf({ ...none, range: "1h" }, NOW + 16_000)).not.toEqual(a);
  });
  it("of today begin at midnight UTC; of all they are open", () => {
    expect(boundsOf({ ...none, range: "today" }, NOW)).toEqual({ from: "2026-11-25T00:00:00Z", to: null });
    expect(boundsOf({ ...none, range: "all" }, NOW)).toEqual({ from: null, to: null });
  });
  it("of fixed times are those", () => {
    expect(boundsOf({ ...none, range: "custom", from: "2026-11-24T10:00", to: "" }, NOW)).toEqual({ from: "2026-11-24T10:00:00Z", to: null });
  });
  it("and filters make the query, without what is not chosen", () => {
    expect(queryOf(none, { from: null, to: null })).toEqual({});
    expect(queryOf({ ...none, users: [1], symbols: ["BTCUSD"], side: "LONG", result: "win" }, { from: "a", to: "b" }))
      .toEqual({ user_ids: [1], symbols: ["BTCUSD"], side: "LONG", result: "win", from: "a", to: "b" });
  });
});

const trade = (id: number, change: Partial<Trade> = {}): Trade =>
  ({ id, user_id: 1, symbol: "BTCUSD", side: "LONG", net: "1.00", closed_at: "2026-11-25T14:00:00Z", ...change }) as Trade;

describe("trades that arrive", () => {
  const bounds = { from: "2026-11-25T14:00:00Z", to: "2026-11-25T14:10:00Z" };
  it("belong from the first moment on, not at the last", () => {
    expect(fits(trade(1), none, bounds)).toBe(true);
    expect(fits(trade(1, { closed_at: "2026-11-25T13:59:59.999Z" }), none, bounds)).toBe(false);
    expect(fits(trade(1, { closed_at: "2026-11-25T14:10:00Z" }), none, bounds)).toBe(false);
    expect(fits(trade(1, { closed_at: "never" }), none, { from: null, to: null })).toBe(false);
  });
  it("pass every filter", () => {
    const open = { from: null, to: null };
    expect(fits(trade(1), { ...none, users: [2] }, open)).toBe(false);
    expect(fits(trade(1), { ...none, symbols: ["ETHUSD"] }, open)).toBe(false);
    expect(fits(trade(1), { ...none, side: "SHORT" }, open)).toBe(false);
    expect(fits(trade(1), { ...none, result: "loss" }, open)).toBe(false);
    expect(fits(trade(1, { net: "0.00" }), { ...none, result: "win" }, open)).toBe(false);
    expect(fits(trade(1, { net: "-0.01" }), { ...none, result: "loss" }, open)).toBe(true);
  });
  it("are merged once, newest first", () => {
    const loaded = [trade(5), trade(3)];
    expect(mergeTrades([trade(6), trade(5)], loaded).map((t) => t.id)).toEqual([6, 5, 3]);
    expect(mergeTrades([trade(5)], loaded)).toBe(loaded);
  });
});

describe("rows of a CSV", () => {
  it("are counted without the head, line ends in quotes are none", () => {
    expect(csvRows("a,b\r\n1,2\r\n3,4\r\n")).toBe(2);
    expect(csvRows('a\n"x\ny"\n2')).toBe(2);
    expect(csvRows("a,b\n")).toBe(0);
    expect(csvRows("")).toBe(0);
  });
});
