// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { Position } from "@/api/types";
import {
  cleanDecimal, distance, groupAmounts, inBase, levelFault, moneyAt, nudge, partFault, quoteCurrency, sameLevel, totalsOf,
  type LevelRules,
} from "@/pages/trading/math";

const position = (change: Partial<Position> = {}): Position => ({
  id: "P1", account_id: "880101", user_id: 1, email: "demo01@example.com", symbol: "BTCUSD", side: "LONG", quantity: "0.20", entry_price: "50000.00",
  current_price: "50100.00", stop_loss: "49900.00", take_profit: "50300.00", profit_loss: "20.00", profit_loss_percent: "0.2000", currency: "USD",
  opened_at: "2026-11-25T14:00:00Z", holding_seconds: 300, order_id: 1, signal_id: 1, is_ours: true, is_closing: false, closing_quantity: null, close_reason: null, ...change,
});

describe("sums by currency", () => {
  it("adds exactly, in the order of names, and counts what has no amount", () => {
    const rows = [["USD", "0.1"], ["EUR", "-3.00"], ["USD", "0.2"], ["USD", null], ["EUR", "x"]].map(([currency, amount]) => ({ currency: currency ?? "", amount: amount ?? null }));
    expect(groupAmounts(rows)).toEqual({ byCurrency: [{ currency: "EUR", amount: "-3.00" }, { currency: "USD", amount: "0.3" }], missing: 2 });
  });
  it("converts all or says nothing", () => {
    const amounts = [{ currency: "EUR", amount: "10.00" }, { currency: "USD", amount: "1.50" }];
    expect(Number(inBase(amounts, "USD", { EUR: "1.08" }))).toBe(12.3);
    expect(inBase(amounts, "USD", {})).toBeNull();
    expect(inBase([], "USD", {})).toBeNull();
  });
  it("counts positions, accounts and those without a price", () => {
    const list = [position(), position({ id: "P2", profit_loss: "-5.20" }), position({ id: "P3", account_id: "880102", profit_loss: null, currency: "EUR" })];
    const totals = totalsOf(list, "USD", {});
    expect(totals).toMatchObject({ count: 3, accounts: 2, unpriced: 1, byCurrency: [{ currency: "USD", amount: "14.80" }] });
    expect(Number(totals.converted)).toBe(14.8);
  });
  it("of nothing is nothing", () => {
    expect(totalsOf([], "USD", {})).toEqual({ count: 0, accounts: 0, unpriced: 0, byCurrency: [], converted: null });
  });
});

describe("distance", () => {
  it("is signed, in points of the instrument and percent of the price", () => {
    expect(distance("50000.00", "49900.00", 2)).toEqual({ points: "-10000", percent: "-0.2000" });
    expect(distance("1.10000", "1.10125", 5)).toEqual({ points: "125", percent: "0.1136" });
  });
  it("shows parts of a point where there are some", () => {
    expect(distance("100.0", "100.05", 1)?.points).toBe("0.5");
  });
  it("is null where a price is missing, malformed or zero", () => {
    expect(distance(null, "1", 2)).toBeNull();
    expect(distance("1", "abc", 2)).toBeNull();
    expect(distance("0", "1", 2)).toBeNull();
  });
});

describe("money at a price", () => {
  const btc = { contract_size: "1" };
  it("is exact by the contract", () => {
    expect(Number(moneyAt(position(), "49900.01", btc, {}))).toBe(-19.998);
    expect(Number(moneyAt(position({ side: "SHORT" }), "49900.00", btc, {}))).toBe(20);
  });
  it("is in the account's currency", () => {
    expect(Number(moneyAt(position({ currency: "EUR" }), "50108.00", btc, { EUR: "1.08" }))).toBe(20);
  });
  it("takes a part of the volume", () => {
    expect(Number(moneyAt(position(), "50100", btc, {}, "0.05"))).toBe(5);
  });
  it("goes by proportion where the quote currency is not known", () => {
    expect(Number(moneyAt(position({ symbol: "US30" }), "50300", undefined, {}))).toBe(60);
    expect(Number(moneyAt(position({ symbol: "US30", side: "SHORT", profit_loss: "-20.00" }), "50300", undefined, {}))).toBe(-60);
  });
  it("goes by proportion where a rate is missing", () => {
    expect(Number(moneyAt(position({ currency: "EUR", profit_loss: "18.50" }), "50200", btc, {}))).toBe(37);
  });
  it("says nothing when nothing is known", () => {
    expect(moneyAt(position({ symbol: "US30", current_price: null }), "50300", undefined, {})).toBeNull();
    expect(moneyAt(position({ symbol: "US30", current_price: "50000.00", profit_loss: "0.00" }), "50300", undefined, {})).toBeNull();
    expect(moneyAt(position({ symbol: "US30", current_price: "50000.00", profit_loss: "0.10" }), "50300", undefined, {})).toBeNull();
    expect(moneyAt(position(), "", btc, {})).toBeNull();
    expect(moneyAt(position(), "no", btc, {})).toBeNull();
  });
  it("reads the quote currency from a name of six letters only", () => {
    expect(quoteCurrency("EURJPY")).toBe("JPY");
    expect(quoteCurrency("BTCUSDT")).toBeNull();
    expect(quoteCurrency("US30")).toBeNull();
  });
});

describe("stop and target", () => {
  const rules = (change: Partial<LevelRules> = {}): LevelRules => ({ kind: "stop", side: "LONG", current: "50000.00", digits: 2, stopsLevel: 10, ...change });
  it.each([
    ["", rules(), null], ["49999.90", rules(), null], ["49 999.90", rules(), null], ["49999.91", rules(), "near"], ["50000", rules(), "side"],
    ["50000.01", rules(), "side"], ["49999.901", rules(), "digits"], ["49999.900", rules(), null], ["0", rules(), "form"], ["-1", rules(), "form"],
    ["1e3", rules(), "form"], ["49,9", rules(), "form"], ["50000.10", rules({ side: "SHORT" }), null], ["49999", rules({ side: "SHORT" }), "side"],
    ["50000.10", rules({ kind: "target" }), null], ["49000", rules({ kind: "target" }), "side"], ["49000", rules({ kind: "target", side: "SHORT" }), null],
    ["51000", rules({ kind: "target", side: "SHORT" }), "side"], ["51000", rules({ current: null }), null], ["49999.99", rules({ stopsLevel: 0 }), null],
  ] as const)("%s is judged", (text, given, fault) => {
    expect(levelFault(text, given)).toBe(fault);
  });
  it("moves by points and never below one", () => {
    expect(nudge("50000", 1, 2)).toBe("50000.01");
    expect(nudge("50 000.00", -10, 2)).toBe("49999.90");
    expect(nudge("0.01", -1, 2)).toBeNull();
    expect(nudge("", 1, 2)).toBeNull();
  });
  it("compares by value", () => {
    expect(sameLevel("1.50", "1.5")).toBe(true);
    expect(sameLevel(null, "")).toBe(true);
    expect(sameLevel("1.5", null)).toBe(false);
  });
  it("takes blanks of every kind out", () => {
    expect(cleanDecimal(" 50\u202f000.1\u00a0")).toBe("50000.1");
  });
});

describe("a part to close", () => {
  const rules = { volume_min: "0.05", volume_step: "0.01" };
  it.each([
    ["0.20", null], ["0.2", null], ["0.10", null], ["0.21", "more"], ["0.04", "least"], ["0.105", "step"], ["0.17", "rest"], ["0", "form"], ["-0.1", "form"], ["", "form"], ["x", "form"],
  ] as const)("%s of 0.20", (text, fault) => {
    expect(partFault(text, "0.20", rules)).toBe(fault);
  });
  it("asks only for a number where the instrument is not known", () => {
    expect(partFault("0.001", "0.20", undefined)).toBeNull();
  });
});
