// SPDX-License-Identifier: MIT
// The figures of all trades that fit the filters.
import type { ReactElement, ReactNode } from "react";
import type { Trade, TradeStatistics } from "@/api/types";
import { duration, MISSING, profit, share } from "@/lib/format";
import { useWords } from "@/i18n";
import { ErrorState, Skeleton } from "@/ui/basic";
import { toneOf } from "@/ui/numbers";

function Figure({ name, value, hint, tone, last }: { name: string; value: ReactNode; hint?: ReactNode; tone?: string; last?: boolean }): ReactElement {
  return (
    <div className={`flex min-w-0 flex-col gap-0.5 bg-surface px-4 py-3 ${last ? "max-lg:col-span-2" : ""}`}>
      <dt className="truncate text-sm text-muted">{name}</dt>
      <dd className={`truncate text-lg font-strong ${tone ?? ""}`}>{value}</dd>
      <dd className="min-h-4 truncate text-sm text-muted">{hint}</dd>
    </div>
  );
}

export function Statistics({ data, error, retry, onOpen }: {
  data: TradeStatistics | undefined;
  error: unknown;
  retry: () => void;
  onOpen: (trade: Trade) => void;
}): ReactElement {
  const t = useWords();
  if (error !== null && data === undefined) {
    return <div className="rounded-lg border border-line bg-surface"><ErrorState error={error} retry={retry} /></div>;
  }
  const loading = data === undefined;
  const rate = data?.win_rate ?? null;
  const wait = <Skeleton className="my-1.5 w-20" />;
  const extreme = (trade: Trade | null): ReactNode => trade && (
    <button type="button" className="max-w-full truncate hover:text-text hover:underline" onClick={() => onOpen(trade)}>{trade.email}</button>
  );
  const extremeValue = (trade: Trade | null): string => (trade ? `${profit(trade.net, trade.currency)} ${trade.currency}` : MISSING);
  const several = (data?.by_currency.length ?? 0) > 1;
  return (
    <section aria-label={t.history.trades} aria-busy={loading}>
      <dl className="grid grid-cols-7 gap-px overflow-hidden rounded-lg border border-line bg-line max-lg:grid-cols-4 max-sm:grid-cols-2">
        <Figure name={t.history.count} value={data ? data.trades : wait} hint={data && t.history.winsLosses(data.wins, data.losses)} />
        <Figure name={t.history.winRate} value={data ? share(data.win_rate, 1) : wait}
          hint={rate !== null && (
            <svg aria-hidden="true" width="100%" height="4" viewBox="0 0 100 4" preserveAspectRatio="none" className="mt-1.5 block overflow-hidden rounded-full">
              <rect width="100" height="4" style={{ fill: "var(--loss-soft)" }} />
              <rect width={rate * 100} height="4" style={{ fill: "var(--gain)" }} />
            </svg>
          )} />
        <Figure name={`${t.history.total}${data ? `, ${data.currency}` : ""}`} value={data ? profit(data.net, data.currency) : wait} tone={toneOf(data?.net)}
          hint={data && (data.net === null ? (data.trades > 0 ? t.history.rateMissing : "") : "")} />
        <Figure name={`${t.history.average}${data ? `, ${data.currency}` : ""}`} value={data ? profit(data.average, data.currency) : wait} tone={toneOf(data?.average)} />
        <Figure name={t.history.best} value={data ? extremeValue(data.best) : wait} tone={toneOf(data?.best?.net)} hint={data && extreme(data.best)} />
        <Figure name={t.history.worst} value={data ? extremeValue(data.worst) : wait} tone={toneOf(data?.worst?.net)} hint={data && extreme(data.worst)} />
        <Figure last name={t.history.averageDuration} value={data ? duration(data.average_duration_seconds, t.units) : wait} />
      </dl>
      {several && (
        <dl className="mt-2 flex flex-wrap gap-x-6 gap-y-1 px-4 max-sm:px-1" aria-label={t.trading.byCurrency}>
          {data?.by_currency.map((c) => (
            <div key={c.currency} className="flex items-baseline gap-2" title={`${c.trades} ${t.history.trades}`}>
              <dt className="text-sm text-muted">{c.currency}</dt>
              <dd className={toneOf(c.net)}>{profit(c.net, c.currency)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
