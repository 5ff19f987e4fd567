// SPDX-License-Identifier: MIT
// The fields of a signal by hand, and the request that they make. Pure.

import type { components } from "@/api/schema";

type SignalRequest = components["schemas"]["SignalRequest"];

export interface ManualForm {
  readonly symbol: string;
  readonly direction: "LONG" | "SHORT" | "CLOSE";
  /** Percent of the price. */
  readonly stop: string;
  readonly target: string;
  /** Seconds. */
  readonly holding: string;
  readonly reason: string;
}

type Fault = "range" | null;

function within(text: string, form: RegExp, least: number, most: number): Fault {
  const clean = text.trim();
  if (!form.test(clean)) return "range";
  const value = Number(clean);
  return value >= least && value <= most ? null : "range";
}

export function manualFaults(form: ManualForm): { readonly stop: Fault; readonly target: Fault; readonly holding: Fault } {
  const decimal = /^\d{1,2}(?:\.\d{1,4})?$/;
  return {
    stop: within(form.stop, decimal, 0.01, 10),
    target: within(form.target, decimal, 0.01, 20),
    holding: within(form.holding, /^\d{1,5}$/, 1, 86_400),
  };
}

export interface Refusal {
  readonly rule: string;
  readonly reason: string;
  readonly count: number;
}

/** Why accounts are left out, each reason once, the most frequent first. */
export function groupRefusals(rows: Iterable<{ readonly rule: string | null; readonly reason: string | null }>): readonly Refusal[] {
  const groups = new Map<string, Refusal>();
  for (const { rule, reason } of rows) {
    if (rule === null) continue;
    const key = JSON.stringify([rule, reason]);
    const old = groups.get(key);
    groups.set(key, { rule, reason: reason ?? "", count: (old?.count ?? 0) + 1 });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0));
}

/** A CLOSE has neither stop nor target nor holding; an empty reason is left to the engine. */
export function requestOf(form: ManualForm): SignalRequest {
  const reason = form.reason.trim();
  return {
    symbol: form.symbol,
    direction: form.direction,
    ...(form.direction !== "CLOSE" && {
      stop_percent: Number(form.stop), target_percent: Number(form.target), holding_seconds: Number(form.holding),
    }),
    ...(reason !== "" && { reason }),
  };
}
