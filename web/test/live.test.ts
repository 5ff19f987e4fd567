// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import type { Account, Order, Position, Signal, SystemState, Trade, User } from "@/api/types";
import { totals } from "@/live/live";
import { emptyLive, isActiveOrder, isResting, movePercent, parseMessage, positionKey, reduce, type LiveState } from "@/live/model";
import { healthOf } from "@/shell/health";
import { dayProfit } from "@/shell/topbar";

const position = (id: string, more: Partial<Position> = {}): Position => ({
  id, account_id: "A1", user_id: 1, email: "a@example.com", symbol: "BTCUSD", side: "LONG", quantity: "0.10", entry_price: "50000",
  current_price: "50000", stop_loss: null, take_profit: null, profit_loss: "0.00", profit_loss_percent: "0.0000", currency: "USD",
  opened_at: "2026-01-01T00:00:00Z", holding_seconds: null, order_id: 1, signal_id: 1, is_ours: true, is_closing: false, closing_quantity: null, close_reason: null, ...more,
});
const account = (id: string, more: Partial<Account> = {}): Account => ({
  id, uuid: null, user_id: 1, email: "a@example.com", broker: "paper", currency: "USD", leverage: 100, group: null, balance: "1000.00",
  equity: "1000.00", margin: "0", free_margin: "1000.00", profit: "0.00", realised: "0", balance_first: "1000.00", open_positions: 0,
  trades: 0, is_paused: false, is_active: true, updated_at: null, ...more,
});
const signal = (id: number): Signal => ({ id, strategy: "s", symbol: "BTCUSD" }) as Signal;
const system: SystemState = {
  mode: "paper", engine: { state: "connected", since: "2026-01-01T00:00:00Z", version: "1", pid: 1 },
  database: { state: "connected", since: "2026-01-01T00:00:00Z", applied_seq: 1, lag: 0 }, feed: { state: "connected", source: null, age_ms: 20 },
  broker: { state: "ok", age_ms: 900 }, market_time: null, symbol: null, clock: null, speed: null, entries_stopped: false, trading_enabled: true,
  orders_in_flight: 0, sessions_open: 1, accounts_active: 1, strategies: [],
};
const message = (type: string, data: unknown, seq?: number): Parameters<typeof reduce>[1] => ({
  type, data: data as Record<string, unknown>, ...(seq !== undefined && { seq }),
});
const start = (): LiveState => reduce(emptyLive, message("snapshot", {
  users: [{ id: 1 } as User], accounts: [account("A1"), account("A2", { currency: "EUR" })], positions: [position("P1"), position("P2")],
  orders: [], signals: [signal(3), signal(5)], rates: { EUR: "1.10" }, system,
}, 10));

describe("frames", () => {
  test("what is no message is null", () => {
    for (const text of ["", "{", "7", "[]", "null", '{"seq":1}', '{"type":7}']) expect(parseMessage(text)).toBeNull();
    expect(parseMessage('{"type":"heartbeat"}')).toEqual({ type: "heartbeat", data: {} });
  });
});

const order = (id: number, more: Partial<Order> = {}): Order => ({
  id, operation: "open", state: "accepted", status: "CLOSED", is_ambiguous: false, ...more,
}) as Order;

describe("orders", () => {
  test("those that rest or cannot be told apart are active, as those without an outcome are", () => {
    const rests: Partial<Order> = { operation: "pending", status: "PENDING" };
    expect(isActiveOrder(order(1))).toBe(false);
    for (const state of ["intent", "sent", "unknown"] as const) expect(isActiveOrder(order(1, { state }))).toBe(true);
    expect(isResting(order(1, rests))).toBe(true);
    expect(isActiveOrder(order(1, rests))).toBe(true);
    expect(isActiveOrder(order(1, { ...rests, status: "OPEN" }))).toBe(false); // triggered
    expect(isActiveOrder(order(1, { ...rests, status: "CANCELLED" }))).toBe(false);
    expect(isActiveOrder(order(1, { is_ambiguous: true }))).toBe(true);
  });
  test("one that rests is kept, however many have ended since", () => {
    let state = reduce(start(), message("order_executed", { order: order(1, { operation: "pending", status: "PENDING" }) }, 11));
    for (let id = 2; id < 500; id += 1) state = reduce(state, message("order_executed", { order: order(id) }, 10 + id));
    expect(state.orders.has(1)).toBe(true);
    expect(state.orders.has(2)).toBe(false);
  });
});

describe("the live picture", () => {
  test("a snapshot replaces everything", () => {
    const state = start();
    expect(state.known).toBe(true);
    expect(state.seq).toBe(10);
    expect(state.signals.map((s) => s.id)).toEqual([5, 3]);
    const next = reduce(state, message("snapshot", { positions: [] }, 20));
    expect(next.positions.size).toBe(0);
    expect(next.accounts.size).toBe(0);
    expect(next.system).toBe(system);
  });
  test("marks touch only the rows whose numbers changed", () => {
    const state = start();
    const next = reduce(state, message("marks", {
      positions: [
        { account_id: "A1", id: "P1", mark: "50250", profit: "25.00" },
        { account_id: "A1", id: "P2", mark: "50000", profit: "0.00" },
        { account_id: "A9", id: "P9", mark: "1", profit: "1" },
      ],
      accounts: [{ id: "A1", equity: "1025.00", margin: "50", free_margin: "975.00", profit: "25.00" }],
    }));
    expect(next.positions.get("A1/P1")).toMatchObject({ current_price: "50250", profit_loss: "25.00", profit_loss_percent: "0.5000" });
    expect(next.positions.get("A1/P2")).toBe(state.positions.get("A1/P2"));
    expect(next.accounts.get("A2")).toBe(state.accounts.get("A2"));
    expect(next.accounts.get("A1")?.equity).toBe("1025.00");
    expect(next.positions.size).toBe(2);
    expect(state.positions.get("A1/P1")?.profit_loss).toBe("0.00");
    expect(reduce(next, message("marks", { positions: [{ account_id: "A1", id: "P2", mark: "50000", profit: "0.00" }], accounts: [] }))).toBe(next);
  });
  test("a numbered change that is known already changes nothing", () => {
    const state = start();
    expect(reduce(state, message("position_update", { op: "closed", position: position("P1") }, 9))).toBe(state);
    const next = reduce(state, message("position_update", { op: "closed", position: position("P1"), trade: { id: 7 } as Trade }, 11));
    expect(next.positions.has("A1/P1")).toBe(false);
    expect(next.trades.map((t) => t.id)).toEqual([7]);
    expect(next.seq).toBe(11);
  });
  test("several changes of one number all count", () => {
    const one = reduce(start(), message("position_update", { op: "opened", position: position("P3") }, 12));
    const two = reduce(one, message("balance_update", { accounts: [account("A1", { balance: "900.00" })] }, 12));
    expect(two.positions.has("A1/P3")).toBe(true);
    expect(two.accounts.get("A1")?.balance).toBe("900.00");
  });
  test("signals stay newest first, an outcome replaces its signal", () => {
    const one = reduce(start(), message("trade_signal", { signal: signal(4) }, 11));
    expect(one.signals.map((s) => s.id)).toEqual([5, 4, 3]);
    const two = reduce(one, message("signal_outcome", { signal: { ...signal(4), reason: "done" } }, 12));
    expect(two.signals.map((s) => s.id)).toEqual([5, 4, 3]);
    expect(two.signals[1]?.reason).toBe("done");
  });
  test("users come and go", () => {
    const one = reduce(start(), message("user_update", { op: "added", user: { id: 2 } }, 11));
    const two = reduce(one, message("user_update", { op: "removed", user: { id: 1 } }, 12));
    expect([...two.users.keys()]).toEqual([2]);
  });
  test("health and system updates keep what they do not name", () => {
    const one = reduce(start(), message("system_update", { engine: { state: "away" } }));
    expect(one.system?.engine).toEqual({ ...system.engine, state: "away" });
    const two = reduce(one, message("health", { market_time: "2026-01-01T00:00:05Z", entries_stopped: true }));
    expect(two.system).toMatchObject({ market_time: "2026-01-01T00:00:05Z", entries_stopped: true, mode: "paper" });
    expect(two.system?.engine.state).toBe("away");
  });
  test("finished orders beyond the limit are forgotten, open ones never", () => {
    let state = reduce(start(), message("order_executed", { order: { id: 1, state: "unknown" } as Order }, 11));
    for (let id = 2; id < 600; id += 1) state = reduce(state, message("order_executed", { order: { id, state: "accepted" } as Order }, 10 + id));
    expect(state.orders.size).toBeLessThanOrEqual(401);
    expect(state.orders.has(1)).toBe(true);
    expect(state.orders.has(599)).toBe(true);
  });
  test("unknown and broken messages change nothing", () => {
    const state = start();
    for (const m of [message("constructor", {}), message("heartbeat", {}), message("resumed", {}, 10), message("position_update", {}, 10), message("marks", { positions: 7 })]) {
      expect(reduce(state, m)).toBe(state);
    }
  });
  test("move in percent follows the side", () => {
    expect(movePercent(position("x", { side: "SHORT" }), "49500")).toBe("1.0000");
    expect(movePercent(position("x", { entry_price: "0" }), "1")).toBeNull();
    expect(movePercent(position("x"), null)).toBeNull();
  });
  test("keys", () => expect(positionKey(position("P1"))).toBe("A1/P1"));
});

describe("figures", () => {
  test("totals use the rates and admit what is missing", () => {
    const state = start();
    expect(totals(state.accounts.values(), state.rates, "USD").balance).toBe("2100.00000000");
    expect(totals(state.accounts.values(), {}, "USD").balance).toBeNull();
    expect(totals([account("A", { equity: null })], {}, "USD")).toMatchObject({ equity: null, balance: "1000.00" });
  });
  test("the day's result moves with the floating profit", () => {
    expect(dayProfit("10.00", "4.00", "6.50")).toBe("12.50");
    expect(dayProfit("10.00", null, "6.50")).toBe("10.00");
    expect(dayProfit(null, "1", "2")).toBeNull();
  });
  test("health says nothing it does not know", () => {
    expect(healthOf(system, true, 1000, 5000).map((h) => [h.state, h.shape, h.age])).toEqual(Array(4).fill(["unknown", "off", 4000]));
    expect(healthOf(null, false, 0, 5000).every((h) => h.age === null)).toBe(true);
    const away = healthOf({ ...system, engine: { ...system.engine, state: "away" } }, false, 0, Date.parse("2026-01-01T00:00:07Z"));
    expect(away.map((h) => h.shape)).toEqual(["off", "off", "bad", "ok"]);
    expect(away[2]?.age).toBe(7000);
    expect(healthOf({ ...system, feed: { state: "lost", source: null, age_ms: 9 } }, false, 0, 0)[0]?.shape).toBe("bad");
  });
});
