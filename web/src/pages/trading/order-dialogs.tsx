// SPDX-License-Identifier: MIT
// What an operator does with one order: cancels one that rests, or says what one is that cannot be told apart.
import { useState, type ReactElement } from "react";
import { call } from "@/api/client";
import type { Order } from "@/api/types";
import { number, volume } from "@/lib/format";
import { useLive } from "@/live/live";
import { isResting } from "@/live/model";
import { useWords } from "@/i18n";
import { ConfirmDialog } from "@/ui/dialog";
import { Field } from "@/ui/form";
import { tellDone } from "@/ui/toast";
import { useInstrument } from "./live";
import { Fact, Facts } from "./result";

/** The newest word on an order; undefined: it is not kept any more. */
const useOrder = (id: number): Order | undefined => useLive((s) => s.orders.get(id));

function OrderFacts({ order }: { order: Order }): ReactElement {
  const t = useWords();
  const digits = useInstrument(order.symbol)?.price_digits;
  return (
    <Facts>
      <Fact name={t.common.user}>{order.email}</Fact>
      <Fact name={t.common.account}>{order.account_id}</Fact>
      <Fact name={t.common.symbol}>{order.symbol} · {order.side === "LONG" ? t.common.long : t.common.short} · {volume(order.quantity)} {t.common.lots}</Fact>
      <Fact name={t.common.price}>{number(order.entry_price, digits)}</Fact>
      <Fact name={t.trading.stop}>{number(order.stop_loss, digits)}</Fact>
      <Fact name={t.trading.target}>{number(order.take_profit, digits)}</Fact>
    </Facts>
  );
}

export function CancelOrderDialog({ order: first, onClose }: { order: Order; onClose: () => void }): ReactElement {
  const t = useWords();
  const order = useOrder(first.id);
  const id = order?.position_id ?? null;
  const rests = order !== undefined && isResting(order) && id !== null;
  const run = async (): Promise<void> => {
    if (order === undefined || id === null) return;
    const report = await call("post", "/trading/pending-orders/{account_id}/{pending_id}/cancel",
      { path: { account_id: order.account_id, pending_id: id } });
    tellDone(report.orders[0]?.status === "away" ? t.trading.cancelAway : t.trading.cancelling);
  };
  return (
    <ConfirmDialog title={t.trading.cancelTitle} confirm={t.trading.cancelOrder} danger blocked={!rests} run={run} onClose={onClose}>
      {order === undefined || !rests ? <p role="status">{t.trading.restsNoMore}</p> : <OrderFacts order={order} />}
    </ConfirmDialog>
  );
}

const NONE = "";

export function AssignDialog({ order: first, onClose }: { order: Order; onClose: () => void }): ReactElement {
  const t = useWords();
  const order = useOrder(first.id);
  const [choice, setChoice] = useState<string | null>(null);
  const [typed, setTyped] = useState("");
  const open = order?.is_ambiguous === true;
  const candidates = order?.candidates ?? [];
  const own = typed.trim();
  const position = choice === NONE ? null : (choice ?? own);
  const run = async (): Promise<void> => {
    await call("post", "/trading/orders/{id}/assign", { path: { id: first.id }, body: { position_id: position } });
    tellDone(position === null ? t.trading.assignedNone(first.id) : t.trading.assigned(first.id, position));
  };
  const option = (value: string, label: string): ReactElement => (
    <label key={value} className="flex min-h-8 items-center gap-2">
      <input type="radio" name="candidate" checked={choice === value} onChange={() => setChoice(value)} />
      <span className="break-all">{label}</span>
    </label>
  );
  return (
    <ConfirmDialog title={t.trading.assignTitle(first.id)} confirm={t.trading.assignSend}
      blocked={!open || position === ""} run={run} onClose={onClose}>
      {order === undefined || !open ? <p role="status">{t.trading.assignOver}</p> : (
        <>
          <p>{t.trading.assignText}</p>
          <OrderFacts order={order} />
          <fieldset className="flex flex-col gap-1">
            <legend className="pb-1 text-sm text-muted">{t.trading.candidates}</legend>
            {candidates.map((id) => option(id, id))}
            {option(NONE, t.trading.assignNone)}
          </fieldset>
          {candidates.length === 0 && (
            <Field label={t.trading.assignId} value={typed} hint={t.trading.assignIdHint} onChange={(text) => {
              setTyped(text);
              setChoice(null);
            }} />
          )}
        </>
      )}
    </ConfirmDialog>
  );
}
