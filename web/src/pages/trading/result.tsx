// SPDX-License-Identifier: MIT
// Amounts in sentences and lists of facts, as the dialogs show them.
import type { ReactElement, ReactNode } from "react";
import type { Dictionary } from "@/i18n";
import { profit } from "@/lib/format";
import { toneOf } from "@/ui/numbers";
import type { Totals } from "./math";

/** "+145.20 USD". */
export function withCurrency(amount: string | null | undefined, currency: string): string {
  return `${profit(amount, currency)} ${currency}`;
}

/** Why something is closed, in words; one that is not known here as it is. */
export function reasonOf(t: Dictionary, reason: string): string {
  const known: Readonly<Record<string, string>> = t.history.reasons;
  return known[reason] ?? reason;
}

/** The total in words: in the base currency, or by currency where a rate is missing; null when nothing has a price. */
export function totalText(totals: Totals, base: string): string | null {
  const [only] = totals.byCurrency;
  if (!only) return null;
  if (totals.byCurrency.length === 1) return withCurrency(only.amount, only.currency);
  if (totals.converted !== null) return withCurrency(totals.converted, base);
  return totals.byCurrency.map((a) => withCurrency(a.amount, a.currency)).join(", ");
}

export function Amount({ amount, currency }: { amount: string | null | undefined; currency: string }): ReactElement {
  return <span className={toneOf(amount)}>{withCurrency(amount, currency)}</span>;
}

export function Facts({ children }: { children: ReactNode }): ReactElement {
  return <dl className="grid grid-cols-[minmax(112px,auto)_1fr] gap-x-4 gap-y-1.5">{children}</dl>;
}

export function Fact({ name, children }: { name: ReactNode; children: ReactNode }): ReactElement {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 text-right break-words">{children}</dd>
    </>
  );
}
