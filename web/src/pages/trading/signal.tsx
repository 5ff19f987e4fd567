// SPDX-License-Identifier: MIT
// The latest signal, and a way back to those before it.
import { useState, type ReactElement } from "react";
import type { Signal } from "@/api/types";
import { number, share } from "@/lib/format";
import { useLive } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useWords } from "@/i18n";
import { Button, Card, EmptyState, Skeleton } from "@/ui/basic";
import { Icon } from "@/ui/icons";
import { MarketAge } from "@/ui/numbers";
import { Conditions, Outcome } from "./conditions";
import { usePriceDigits } from "./live";

const signalsOf = (state: LiveState): readonly Signal[] => state.signals;
const knownOf = (state: LiveState): boolean => state.known;

function Meter({ label, value }: { label: string; value: number | null }): ReactElement {
  const shown = Math.max(0, Math.min(1, value ?? 0));
  return (
    <div className="flex items-center gap-3">
      <span className="w-20 shrink-0 text-sm text-muted">{label}</span>
      <div role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(shown * 100)}
        className="h-1.5 min-w-0 flex-1 overflow-hidden rounded-full bg-line">
        <svg aria-hidden="true" width="100%" height="6" preserveAspectRatio="none" viewBox="0 0 100 6" className="block">
          <rect width={shown * 100} height="6" style={{ fill: "var(--accent)" }} />
        </svg>
      </div>
      <span className="w-12 shrink-0 text-right">{share(value)}</span>
    </div>
  );
}

function Direction({ signal }: { signal: Signal }): ReactElement {
  const t = useWords();
  const digits = usePriceDigits(signal.symbol);
  const { signal_type: type } = signal;
  const tone = type === "LONG" ? "text-gain" : type === "SHORT" ? "text-loss" : "text-text";
  const word = type === "LONG" ? t.common.long : type === "SHORT" ? t.common.short : t.common.closeSide;
  return (
    <div className="flex items-baseline justify-between gap-3">
      <span className={`flex items-baseline gap-2 text-xl font-strong ${tone}`}>
        <Icon name={type === "LONG" ? "up" : type === "SHORT" ? "down" : "close"} size={16} />
        {word}
        <span className="text-lg text-text">{signal.symbol}</span>
      </span>
      <span className="text-xl font-strong">{number(signal.price, digits)}</span>
    </div>
  );
}

function Body({ signal }: { signal: Signal }): ReactElement {
  const t = useWords();
  const digits = usePriceDigits(signal.symbol);
  const passed = signal.conditions.filter((c) => c.pass === true).length;
  const reason = signal.reason?.trim() ?? "";
  return (
    <div className="flex flex-col gap-3">
      <Direction signal={signal} />
      <div className="flex flex-col gap-1">
        <Meter label={t.common.strength} value={signal.strength} />
        <Meter label={t.trading.confidence} value={signal.confidence} />
      </div>
      <dl className="grid grid-cols-[80px_1fr] gap-x-3 gap-y-1">
        <dt className="text-sm leading-5 text-muted">{t.common.reason}</dt>
        <dd className="min-w-0 break-words">{reason === "" ? t.common.none : reason}</dd>
        <dt className="text-sm leading-5 text-muted">{t.trading.stop} / {t.trading.target}</dt>
        <dd>{number(signal.stop_loss, digits)} / {number(signal.take_profit, digits)}</dd>
        <dt className="text-sm leading-5 text-muted">{t.trading.strategy}</dt>
        <dd className="min-w-0 truncate" title={signal.hash ?? undefined}>{signal.strategy}</dd>
        <dt className="text-sm leading-5 text-muted">{t.trading.outcome}</dt>
        <dd className="min-w-0"><Outcome signal={signal} /></dd>
      </dl>
      {signal.conditions.length > 0 && (
        <details className="group border-t border-line pt-2">
          <summary className="flex cursor-pointer list-none items-center gap-2 text-muted hover:text-text [&::-webkit-details-marker]:hidden">
            <Icon name="chevron" size={12} className="-rotate-90 group-open:rotate-0" />
            {t.trading.conditions(passed, signal.conditions.length)}
          </summary>
          <div className="pt-2"><Conditions signal={signal} /></div>
        </details>
      )}
    </div>
  );
}

export function SignalCard({ className }: { className?: string }): ReactElement {
  const t = useWords();
  const signals = useLive(signalsOf);
  const known = useLive(knownOf);
  // null: always the latest, also when a new one arrives.
  const [chosen, setChosen] = useState<number | null>(null);
  const found = chosen === null ? 0 : signals.findIndex((s) => s.id === chosen);
  const at = Math.max(0, found);
  const signal = signals[at];
  const go = (index: number): void => setChosen(index <= 0 ? null : (signals[index]?.id ?? null));
  return (
    <Card
      className={className ?? ""} title={t.trading.latestSignal} label={t.trading.latestSignal}
      actions={signal && (
        <>
          <span className="text-sm text-muted"><MarketAge time={signal.created_at} /></span>
          <span className="flex">
            <Button small iconOnly tone="quiet" icon="chevron" className="rotate-90" disabled={at >= signals.length - 1} onClick={() => go(at + 1)}>{t.trading.olderSignal}</Button>
            <Button small iconOnly tone="quiet" icon="chevron" className="-rotate-90" disabled={at === 0} onClick={() => go(at - 1)}>{t.trading.newerSignal}</Button>
          </span>
          {at > 0 && <span className="sr-only" role="status">{t.trading.signalAt(at + 1, signals.length)}</span>}
        </>
      )}
    >
      {signal ? <Body signal={signal} /> : known
        ? <EmptyState icon="trading" title={t.trading.noSignal} hint={t.trading.noSignalHint} />
        : <Skeleton lines={6} />}
    </Card>
  );
}
