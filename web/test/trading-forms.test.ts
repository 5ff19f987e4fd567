// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { Position } from "@/api/types";
import { anyFilter, filterPositions } from "@/pages/trading/filters";
import { groupRefusals, manualFaults, requestOf, type ManualForm } from "@/pages/trading/manual-form";

const form = (change: Partial<ManualForm> = {}): ManualForm => ({ symbol: "BTCUSD", direction: "LONG", stop: "0.25", target: "0.4", holding: "300", reason: "", ...change });

describe("a signal by hand", () => {
  it.each([
    [{}, [null, null, null]], [{ stop: "0.009" }, ["range", null, null]], [{ stop: "10" }, [null, null, null]], [{ stop: "10.01" }, ["range", null, null]],
    [{ target: "" }, [null, "range", null]], [{ target: "20" }, [null, null, null]], [{ holding: "0" }, [null, null, "range"]],
    [{ holding: "86400" }, [null, null, null]], [{ holding: "86401" }, [null, null, "range"]], [{ holding: "1.5" }, [null, null, "range"]], [{ stop: "1e0" }, ["range", null, null]],
  ] as const)("%j is checked", (change, faults) => {
    const found = manualFaults(form(change));
    expect([found.stop, found.target, found.holding]).toEqual(faults);
  });
  it("sends numbers, and a reason that says something", () => {
    expect(requestOf(form({ reason: "  news " }))).toEqual({ symbol: "BTCUSD", direction: "LONG", stop_percent: 0.25, target_percent: 0.4, holding_seconds: 300, reason: "news" });
  });
  it("to close has neither stop nor target", () => {
    expect(requestOf(form({ direction: "CLOSE", stop: "x" }))).toEqual({ symbol: "BTCUSD", direction: "CLOSE" });
  });
  it("groups refusals, the most frequent first", () => {
    expect(groupRefusals([{ rule: null, reason: null }, { rule: "b", reason: "x" }, { rule: "a", reason: null }, { rule: "b", reason: "x" }])).toEqual([
      { rule: "b", reason: "x", count: 2 }, { rule: "a", reason: "", count: 1 },
    ]);
  });
});

describe("filters of positions", () => {
  const list = [
    { email: "Demo01@example.com", account_id: "880101", symbol: "BTCUSD", side: "LONG" }, { email: "demo02@example.com", account_id: "880102", symbol: "ETHUSD", side: "SHORT" },
  ] as Position[];
  it("are none by default and give the same list back", () => {
    const none = { user: " ", symbols: [], side: "all" } as const;
    expect(anyFilter(none)).toBe(false);
    expect(filterPositions(list, none)).toBe(list);
  });
  it("find users without regard to case, and accounts", () => {
    expect(filterPositions(list, { user: "DEMO01", symbols: [], side: "all" })).toHaveLength(1);
    expect(filterPositions(list, { user: "880102", symbols: [], side: "all" })[0]?.symbol).toBe("ETHUSD");
  });
  it("hold together", () => {
    expect(filterPositions(list, { user: "demo", symbols: ["BTCUSD"], side: "SHORT" })).toEqual([]);
    expect(filterPositions(list, { user: "", symbols: ["BTCUSD", "ETHUSD"], side: "SHORT" })).toHaveLength(1);
  });
});
