// SPDX-License-Identifier: MIT
// A user with the live figures of its accounts. A row keeps its identity while nothing of it changes.
import type { Session, User } from "@/api/types";
import { convert, sum } from "@/lib/decimal";
import type { LiveState } from "@/live/model";

export interface UserRow {
  readonly user: User;
  readonly balance: string | null;
  readonly equity: string | null;
  readonly profit: string | null;
  readonly positions: number;
  /** The session that is open; null: none is. */
  readonly session: Session | null;
}

export type UserStatus = User["status"];
export const STATUSES = ["open", "logging_in", "failed", "closed", "inactive"] as const satisfies readonly UserStatus[];

type Figures = Pick<UserRow, "balance" | "equity" | "profit">;

function figures(user: User, state: LiveState): Figures {
  const accounts = user.account_ids.map((id) => state.accounts.get(id)).filter((a) => a !== undefined);
  if (accounts.length === 0) return { balance: user.balance, equity: user.equity, profit: user.profit };
  const total = (pick: "balance" | "equity" | "profit"): string | null =>
    sum(accounts.map((a) => convert(a[pick], a.currency, user.currency, state.rates)));
  return { balance: total("balance"), equity: total("equity"), profit: total("profit") };
}

/** Makes the selector; it remembers the rows it made last. */
export function userRowsSelector(): (state: LiveState) => readonly UserRow[] {
  let last = new Map<number, UserRow>();
  return (state) => {
    const open = new Map<number, number>();
    for (const p of state.positions.values()) open.set(p.user_id, (open.get(p.user_id) ?? 0) + 1);
    const sessions = new Map<number, Session>();
    for (const session of state.sessions.values()) if (session.status === "open") sessions.set(session.user_id, session);
    const next = new Map<number, UserRow>();
    for (const user of state.users.values()) {
      const row: UserRow = { user, ...figures(user, state), positions: open.get(user.id) ?? 0, session: sessions.get(user.id) ?? null };
      const old = last.get(user.id);
      const same = old?.user === row.user && old.balance === row.balance && old.equity === row.equity &&
        old.profit === row.profit && old.positions === row.positions && old.session === row.session;
      next.set(user.id, same ? old : row);
    }
    last = next;
    return [...next.values()];
  };
}

/** What keeps a login from working that its status does not tell; null: nothing. */
export function troubleOf(user: User): "blocked" | "refused" | "taken_over" | null {
  const { condition } = user;
  return user.is_active && (condition === "blocked" || condition === "refused" || condition === "taken_over") ? condition : null;
}

/** The rows that fit a search text (part of e-mail or name) and a status. */
export function fitting(rows: readonly UserRow[], search: string, status: UserStatus | "all"): readonly UserRow[] {
  const part = search.trim().toLowerCase();
  return rows.filter(({ user }) =>
    (status === "all" || user.status === status) &&
    (part === "" || user.email.toLowerCase().includes(part) || (user.name ?? "").toLowerCase().includes(part)));
}

/** Runs a job for each item, at most `width` at once; tells how many went well. */
export async function forEach<T>(items: readonly T[], width: number, job: (item: T) => Promise<unknown>): Promise<{ ok: number; failed: number }> {
  let next = 0;
  let ok = 0;
  const work = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) {
      try {
        await job(item);
        ok += 1;
      } catch {
        // counted as the difference; the row says why, its status came by the live line
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
  return { ok, failed: items.length - ok };
}
