// SPDX-License-Identifier: MIT
// What History reads: one page of trades, the statistics of all, the export, and what belongs to one trade.

import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { ApiError, address, call } from "@/api/client";
import type { Order, Signal, Trade, TradeStatistics } from "@/api/types";
import { isRecord } from "@/lib/storage";
import { millis } from "@/lib/format";
import type { TradeQuery } from "./filters";

export const PAGE = 50;

/** A database that is away is said at once and asked again now and then; other failures are tried twice more. */
const patience = {
  retry: (count: number, error: Error): boolean =>
    error instanceof ApiError && error.code !== "history_unavailable" && (error.status === 0 || error.status >= 502) && count < 2,
  refetchInterval: (query: { state: { status: string } }): number | false => (query.state.status === "error" ? 5_000 : false),
};

interface Page { items: Trade[]; next_cursor: string | null }

/** `enabled`: the question is known; until then nothing is asked. */
export function useTrades(query: TradeQuery, cursor: string | null, enabled: boolean): UseQueryResult<Page> {
  return useQuery({
    ...patience,
    enabled,
    queryKey: ["history", "trades", query, cursor],
    queryFn: ({ signal }) => call("get", "/dashboard/trades", { query: { ...query, limit: PAGE, ...(cursor !== null && { cursor }) }, signal }),
    placeholderData: keepPreviousData,
  });
}

export function useStatistics(query: TradeQuery, enabled: boolean): UseQueryResult<TradeStatistics> {
  return useQuery({
    ...patience,
    enabled,
    queryKey: ["history", "statistics", query],
    queryFn: ({ signal }) => call("get", "/dashboard/trades/statistics", { query, signal }),
    placeholderData: keepPreviousData,
  });
}

/** The order and the signal of a trade; null where there is none, or where it is not found any more. */
export interface Origin {
  readonly order: Order | null;
  readonly signal: Signal | null;
}

const iso = (ms: number): string => new Date(ms).toISOString();
/** An order is filled, and its signal given, at most so long before the position opens. */
const BEFORE_MS = 10 * 60_000;
const AFTER_MS = 60_000;

export function useOrigin(trade: Trade): UseQueryResult<Origin> {
  return useQuery({
    queryKey: ["history", "origin", trade.id],
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const opened = millis(trade.executed_at) ?? 0;
      const window = { from: iso(opened - BEFORE_MS), to: iso(opened + AFTER_MS), symbols: [trade.symbol], limit: 500 };
      const [orders, signals] = await Promise.all([
        trade.order_id === null ? null : call("get", "/trading/orders", { query: { ...window, user_ids: [trade.user_id] }, signal }),
        trade.signal_id === null ? null : call("get", "/trading/signals", { query: window, signal }),
      ]);
      return {
        order: orders?.items.find((o) => o.id === trade.order_id) ?? null,
        signal: signals?.items.find((s) => s.id === trade.signal_id) ?? null,
      };
    },
  });
}

/** All trades that fit, as the office writes them. */
export async function exportCsv(query: TradeQuery): Promise<{ blob: Blob; rows: number }> {
  let response: Response;
  try {
    response = await fetch(address("/dashboard/trades/export", undefined, query), {
      headers: { Accept: "text/csv, application/problem+json" }, credentials: "same-origin", cache: "no-store",
    });
  } catch {
    throw new ApiError({ type: "about:blank", title: "No answer", status: 0, code: "unreachable", detail: "The office does not answer.", instance: "" });
  }
  const text = await response.text();
  if (!response.ok) {
    let value: unknown = null;
    try {
      value = JSON.parse(text);
    } catch {
      value = null;
    }
    const field = (name: string, otherwise: string): string =>
      isRecord(value) && typeof value[name] === "string" ? value[name] : otherwise;
    throw new ApiError({
      type: field("type", "about:blank"), title: field("title", response.statusText), status: response.status,
      code: field("code", "unknown"), detail: field("detail", `The office answered ${response.status}.`), instance: field("instance", ""),
    });
  }
  return { blob: new Blob([text], { type: "text/csv;charset=utf-8" }), rows: csvRows(text) };
}

/** Rows of a CSV below its head; line ends within quotes do not count. */
export function csvRows(text: string): number {
  let lines = 0;
  let quoted = false;
  let filled = false;
  for (const c of text) {
    if (c === '"') quoted = !quoted;
    if (c === "\n" && !quoted) {
      if (filled) lines += 1;
      filled = false;
    } else if (c !== "\r") filled = true;
  }
  if (filled) lines += 1;
  return Math.max(0, lines - 1);
}

/** Hands a file to the browser. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
