// SPDX-License-Identifier: MIT
// A signal at a glance: direction, symbol, price, strength, reason, age.
import type { ReactElement } from "react";
import type { Signal } from "@/api/types";
import { number, share } from "@/lib/format";
import { useWords } from "@/i18n";
import { Side } from "@/ui/basic";
import { MarketAge } from "@/ui/numbers";
import { priceDigits } from "./positions";

export function StrengthBar({ value }: { value: number | null }): ReactElement {
  const t = useWords();
  const part = Math.max(0, Math.min(1, value ?? 0));
  return (
    <div className="flex items-center gap-2">
      <div role="meter" aria-label={t.common.strength} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(part * 100)}
        className="h-1.5 w-24 overflow-hidden rounded bg-line">
        <div className="h-full rounded bg-accent" style={{ width: `${part * 100}%` }} />
      </div>
      <span className="w-10 text-right">{share(value)}</span>
    </div>
  );
}

/** undefined: not known yet. */
export function SignalLine({ signal }: { signal: Signal | null | undefined }): ReactElement {
  const t = useWords();
  if (signal === undefined) return <div className="flex h-10 items-center"><span className="skeleton block h-3 w-80 max-w-full" /></div>;
  if (signal === null) return <p className="flex min-h-10 flex-wrap items-center gap-x-2 text-muted"><span className="font-strong text-text">{t.overview.noSignal}</span> {t.overview.noSignalHint}</p>;
  return (
    <div className="flex min-h-10 flex-wrap items-center gap-x-6 gap-y-2">
      <span className="text-lg font-strong"><Side side={signal.signal_type} /></span>
      <span className="text-lg font-strong">{signal.symbol}</span>
      <span className="text-lg">{number(signal.price, priceDigits(signal.symbol))}</span>
      <StrengthBar value={signal.strength} />
      <span className="min-w-40 flex-1 text-muted max-sm:order-2 max-sm:basis-full">{signal.reason ?? signal.strategy}</span>
      <span className="text-muted max-sm:order-1 max-sm:ml-auto"><MarketAge time={signal.created_at} /></span>
    </div>
  );
}
