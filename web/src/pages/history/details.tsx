// SPDX-License-Identifier: MIT
// Everything of one trade: prices, costs to the last cent, its order, and the signal with its conditions.
import type { ReactElement } from "react";
import type { Trade } from "@/api/types";
import { follow } from "@/lib/address";
import { dateTime, duration, millis, number, percent, volume } from "@/lib/format";
import { useWords, type Dictionary } from "@/i18n";
import { ErrorState, Side, Skeleton } from "@/ui/basic";
import { Dialog } from "@/ui/dialog";
import { toneOf } from "@/ui/numbers";
import { Conditions, Outcome } from "@/pages/trading/conditions";
import { usePriceDigits } from "@/pages/trading/live";
import { Amount, Fact, Facts } from "@/pages/trading/result";
import { useOrigin } from "./data";

/** The reason in words; one that is not known here as the engine wrote it. */
export function reasonText(t: Dictionary, reason: string): string {
  const words: Readonly<Record<string, string>> = t.history.reasons;
  return Object.hasOwn(words, reason) ? (words[reason] ?? reason) : reason;
}

const DAY = 86_400_000;
const minute = (ms: number): string => new Date(ms).toISOString().slice(0, 16);

export function TradeDetails({ trade, onClose }: { trade: Trade; onClose: () => void }): ReactElement {
  const t = useWords();
  const digits = usePriceDigits(trade.symbol);
  const origin = useOrigin(trade);
  const { order, signal } = origin.data ?? { order: null, signal: null };
  const at = millis(trade.closed_at) ?? 0;
  const around = `/history?range=custom&from=${minute(at - DAY / 2)}&to=${minute(at + DAY / 2)}&users=${trade.user_id}`;
  const waiting = order && millis(order.executed_at) !== null ? (millis(order.executed_at) ?? 0) - (millis(order.created_at) ?? 0) : null;
  return (
    <Dialog kind="drawer" onClose={onClose}
      title={<span className="flex items-center gap-2">{trade.symbol} <Side side={trade.side} /> <span className={toneOf(trade.net)}><Amount amount={trade.net} currency={trade.currency} /></span></span>}>
      <div className="flex flex-col gap-4">
        <Facts>
          <Fact name={t.history.gross}><Amount amount={trade.profit_loss} currency={trade.currency} /></Fact>
          <Fact name={t.history.commission}><Amount amount={trade.commission} currency={trade.currency} /></Fact>
          <Fact name={t.history.swap}><Amount amount={trade.swap} currency={trade.currency} /></Fact>
          <Fact name={t.history.net}><span className="font-strong"><Amount amount={trade.net} currency={trade.currency} /></span></Fact>
        </Facts>
        <div className="border-t border-line pt-4">
          <Facts>
            <Fact name={t.common.user}>{trade.email}</Fact>
            <Fact name={t.history.account}><span className="select-all">{trade.account_id}</span></Fact>
            <Fact name={`${t.common.size} (${t.common.lots})`}>{volume(trade.quantity)}{trade.is_partial && ` (${t.history.partial})`}</Fact>
            <Fact name={t.history.entry}>{number(trade.entry_price, digits)}</Fact>
            <Fact name={t.history.exit}>{number(trade.exit_price, digits)}</Fact>
            <Fact name={t.history.move}>{percent(trade.profit_loss_percent)}</Fact>
            <Fact name={t.history.opened}>{dateTime(trade.executed_at)} UTC</Fact>
            <Fact name={t.history.closed}>{dateTime(trade.closed_at)} UTC</Fact>
            <Fact name={t.history.duration}>{duration(trade.duration_seconds, t.units)}</Fact>
            <Fact name={t.common.reason}>{reasonText(t, trade.reason)}</Fact>
            <Fact name={t.history.position}><span className="select-all">{trade.position_id}</span></Fact>
            <Fact name={t.history.closing}><span className="select-all">{trade.uid}</span></Fact>
          </Facts>
        </div>
        <section className="flex flex-col gap-3 border-t border-line pt-4" aria-label={t.history.signal}>
          <Facts>
            <Fact name={t.history.strategy}>{trade.strategy ?? t.common.none}</Fact>
            <Fact name={t.history.order}>{trade.order_id === null ? t.common.none : `#${trade.order_id}${order ? `, ${t.trading.states[order.state]}` : ""}`}</Fact>
            {waiting !== null && waiting >= 0 && <Fact name={t.history.latency}>{waiting} ms</Fact>}
            <Fact name={t.history.signal}>{trade.signal_id === null ? t.common.none : `#${trade.signal_id}`}</Fact>
          </Facts>
          {trade.signal_id === null ? <p className="text-muted">{t.history.noSignal}</p>
            : origin.isPending ? <Skeleton lines={3} />
              : origin.isError ? <ErrorState error={origin.error} retry={() => void origin.refetch()} />
                : signal === null ? <p className="text-muted">{t.history.signalGone}</p> : (
                  <>
                    {signal.reason !== null && <p>{signal.reason}</p>}
                    <Outcome signal={signal} />
                    <Conditions signal={signal} />
                  </>
                )}
        </section>
        <a href={around} onClick={(event) => {
          follow(event);
          if (event.defaultPrevented) onClose();
        }} className="text-accent underline">{t.history.positionTrades}</a>
      </div>
    </Dialog>
  );
}
