// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import type { Account, Position, User } from "@/api/types";
import { emptyLive, reduce } from "@/live/model";
import { fitting, forEach, troubleOf, userRowsSelector } from "@/pages/users/rows";
import { passwordFault } from "@/pages/login/password";
import { fits } from "@/shell/palette";

const user = (id: number, more: Partial<User> = {}): User => ({
  id, broker: "paper", email: `u${id}@example.com`, name: null, is_active: true, status: "open", condition: "open", error: null, account_ids: [`A${id}`], currency: "USD",
  balance: null, equity: null, profit: null, open_positions: 0, logged_in_at: null, expires_at: null, ...more,
});
const account = (id: string, currency: string, balance: string): Account => ({ id, currency, balance, equity: balance, profit: "1.00", user_id: 1 }) as Account;
const state = reduce(emptyLive, { type: "snapshot", seq: 1, data: {
  users: [user(1, { account_ids: ["A1", "B1"] }), user(2, { name: "김민준", status: "failed" }), user(3, { account_ids: [], balance: "5.00" })],
  accounts: [account("A1", "USD", "100.00"), account("B1", "EUR", "50.00"), account("A2", "GBP", "7.00")],
  positions: [{ id: "P", account_id: "A1", user_id: 1 } as Position, { id: "Q", account_id: "A1", user_id: 1 } as Position],
  rates: { EUR: "2" },
} });

describe("rows of users", () => {
  test("figures are the sum of the accounts, unknown where a rate is missing", () => {
    const rows = userRowsSelector()(state);
    expect(rows.map((r) => [r.balance, r.positions])).toEqual([["200.00000000", 2], [null, 0], ["5.00", 0]]);
  });
  test("a row stays the same object while nothing of it changes", () => {
    const select = userRowsSelector();
    const before = select(state);
    const after = select(reduce(state, { type: "marks", data: { positions: [], accounts: [{ id: "A1", equity: "101.00", margin: "0", free_margin: "0", profit: "2.00" }] } }));
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    expect(after[2]).toBe(before[2]);
  });
  test("search and status", () => {
    const rows = userRowsSelector()(state);
    const ids = (search: string, status: Parameters<typeof fitting>[2]): number[] => fitting(rows, search, status).map((r) => r.user.id);
    expect(ids("", "all")).toEqual([1, 2, 3]);
    expect(ids(" U2@EXAMPLE ", "all")).toEqual([2]);
    expect(ids("민준", "all")).toEqual([2]);
    expect(ids("", "failed")).toEqual([2]);
    expect(ids("u1", "failed")).toEqual([]);
  });
});

describe("what keeps a login from working", () => {
  test("is told by its condition, of active users alone", () => {
    expect(troubleOf(user(1))).toBeNull();
    expect(troubleOf(user(1, { condition: "renewing" }))).toBeNull();
    expect(troubleOf(user(1, { condition: "blocked" }))).toBe("blocked");
    expect(troubleOf(user(1, { condition: "refused", status: "failed" }))).toBe("refused");
    expect(troubleOf(user(1, { condition: "taken_over", status: "failed" }))).toBe("taken_over");
    expect(troubleOf(user(1, { condition: "refused", is_active: false }))).toBeNull();
  });
});

describe("many at once", () => {
  test("never more than the width at a time, and failures are counted", async () => {
    let running = 0;
    let most = 0;
    const result = await forEach([1, 2, 3, 4, 5, 6, 7], 3, async (n) => {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      if (n % 3 === 0) throw new Error("no");
    });
    expect(result).toEqual({ ok: 5, failed: 2 });
    expect(most).toBe(3);
    expect(await forEach([], 3, () => Promise.resolve())).toEqual({ ok: 0, failed: 0 });
  });
});

describe("passwords and the palette", () => {
  test("a new password is long enough, new, and typed twice alike", () => {
    expect(passwordFault("old", "short", "short")).toBe("short");
    expect(passwordFault("the same as ever", "the same as ever", "the same as ever")).toBe("same");
    expect(passwordFault("old", "a long new one", "a long new 1")).toBe("differs");
    expect(passwordFault("old", "a long new one", "a long new one")).toBeNull();
  });
  test("every word must be found", () => {
    expect(fits("demo01@example.com · Anna", "anna demo01")).toBe(true);
    expect(fits("demo01@example.com", "demo02")).toBe(false);
    expect(fits("anything", "")).toBe(true);
  });
});
