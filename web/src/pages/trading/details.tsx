// SPDX-License-Identifier: MIT
// Everything known of one position: prices, exit plan, order, and the signal that opened it with its conditions.
import { useCallback, type ReactElement } from "react";
import type { Position } from "@/api/types";
import { follow } from "@/lib/address";
import { dateTime, duration, number, percent, volume } from "@/lib/format";
import { useLive } from "@/live/live";
import { positionKey, type LiveState } from "@/live/model";
import { useWords } from "@/i18n";
import { Badge, Button, Side } from "@/ui/basic";
import { Dialog } from "@/ui/dialog";
import { HeldFor, toneOf } from "@/ui/numbers";
import { Conditions, Outcome } from "./conditions";
import { useHindrance, useInstrument, usePosition, useRates } from "./live";
import { moneyAt } from "./math";
import { Amount, Fact, Facts, reasonOf } from "./result";

interface DetailsProps {
  position: Position;
  onEdit: () => void;
  onCloseIt: () => void;
  onClose: () => void;
}

export function PositionDetails({ position: first, onEdit, onCloseIt, onClose }: DetailsProps): ReactElement {
  const t = useWords();
  const now = usePosition(positionKey(first));
  const p = now ?? first;
  const hindrance = useHindrance();
  const instrument = useInstrument(p.symbol);
  const rates = useRates();
  const digits = instrument?.price_digits;
  const signal = useLive(useCallback((s: LiveState) => s.signals.find((x) => x.id === p.signal_id), [p.signal_id]));
  const order = useLive(useCallback((s: LiveState) => (p.order_id === null ? undefined : s.orders.get(p.order_id)), [p.order_id]));
  const history = `/history?range=all&users=${p.user_id}&symbols=${encodeURIComponent(p.symbol)}`;
  return (
    <Dialog
      kind="drawer" onClose={onClose}
      title={<span className="flex items-center gap-2">{p.symbol} <Side side={p.side} /> <span className={toneOf(p.profit_loss)}><Amount amount={p.profit_loss} currency={p.currency} /></span></span>}
      footer={now !== undefined && hindrance === null && (
        <>
          <Button onClick={onEdit} disabled={p.is_closing}>{t.trading.edit}</Button>
          <Button onClick={onCloseIt} disabled={p.is_closing}>{t.trading.close}</Button>
        </>
      )}
    >
      <div className="flex flex-col gap-4">
        {now === undefined && <p role="status" className="text-warning">{t.trading.gone}</p>}
        {p.is_closing && <p><Badge meaning="info">{p.closing_quantity === null ? t.trading.closing : t.trading.closingPart(volume(p.closing_quantity))}</Badge></p>}
        {!p.is_ours && <p><Badge meaning="warning">{t.trading.foreignHint}</Badge></p>}
        <Facts>
          <Fact name={t.common.user}>{p.email}</Fact>
          <Fact name={t.common.account}><span className="select-all">{p.account_id}</span></Fact>
          <Fact name={`${t.common.size} (${t.common.lots})`}>{volume(p.quantity)}</Fact>
          <Fact name={t.common.entry}>{number(p.entry_price, digits)}</Fact>
          <Fact name={t.common.current}>{number(p.current_price, digits)}</Fact>
          <Fact name={t.common.roi}>{percent(p.profit_loss_percent)}</Fact>
          <Fact name={t.common.stopLoss}>{p.stop_loss === null ? t.trading.none : number(p.stop_loss, digits)}</Fact>
          {p.stop_loss !== null && <Fact name={t.trading.atStop}><Amount amount={moneyAt(p, p.stop_loss, instrument, rates)} currency={p.currency} /></Fact>}
          <Fact name={t.common.takeProfit}>{p.take_profit === null ? t.trading.none : number(p.take_profit, digits)}</Fact>
          {p.take_profit !== null && <Fact name={t.trading.atTarget}><Amount amount={moneyAt(p, p.take_profit, instrument, rates)} currency={p.currency} /></Fact>}
          <Fact name={t.trading.opened}>{dateTime(p.opened_at)} UTC</Fact>
          <Fact name={t.trading.held}><HeldFor since={p.opened_at} /></Fact>
          <Fact name={t.trading.plan}>{p.holding_seconds === null ? t.trading.noPlan : duration(p.holding_seconds, t.units)}</Fact>
          {p.close_reason !== null && <Fact name={t.trading.closeReason}>{reasonOf(t, p.close_reason)}</Fact>}
          <Fact name={t.position.id}><span className="select-all">{p.id}</span></Fact>
          <Fact name={t.position.order}>{p.order_id === null ? t.trading.none : `#${p.order_id}${order ? `, ${t.trading.states[order.state]}` : ""}`}</Fact>
          <Fact name={t.position.signal}>{p.signal_id === null ? t.trading.none : `#${p.signal_id}${signal ? `, ${signal.strategy}` : ""}`}</Fact>
        </Facts>
        {signal && (
          <section className="flex flex-col gap-3 border-t border-line pt-4" aria-label={t.position.signal}>
            {signal.reason !== null && <p>{signal.reason}</p>}
            <Outcome signal={signal} />
            <Conditions signal={signal} />
          </section>
        )}
        <a href={history} onClick={follow} className="text-accent underline">{t.trading.trades}</a>
      </div>
    </Dialog>
  );
}
