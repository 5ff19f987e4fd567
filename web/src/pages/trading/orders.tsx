// SPDX-License-Identifier: MIT
// Orders whose outcome is still open or that rest at the broker, and the newest ones that have an end.
import { useMemo, useState, type ReactElement } from "react";
import { useMay } from "@/api/query";
import type { Order } from "@/api/types";
import { number, volume } from "@/lib/format";
import { useNarrow } from "@/lib/hooks";
import { useLive } from "@/live/live";
import { isActiveOrder, isResting, type LiveState } from "@/live/model";
import { useWords } from "@/i18n";
import { Badge, Button, Card, Segments, Side, type Meaning } from "@/ui/basic";
import { MarketAge } from "@/ui/numbers";
import { DataTable, type Column } from "@/ui/table";
import { AssignDialog, CancelOrderDialog } from "./order-dialogs";

const ordersOf = (state: LiveState): LiveState["orders"] => state.orders;
const knownOf = (state: LiveState): boolean => state.known;
const RECENT = 50;

const meanings: Readonly<Record<Order["state"], Meaning>> = {
  intent: "info", sent: "info", accepted: "gain", rejected: "danger", unknown: "warning", absent: "plain", not_sent: "plain",
};

const Price = ({ text, symbol }: { text: string | null; symbol: string }): ReactElement => {
  const digits = useLive((s) => s.instruments.get(symbol)?.price_digits);
  return <>{number(text, digits)}</>;
};

/** An entry that may still become something, which is closed then. */
const toBeClosed = (o: Order): boolean => o.closed_at === null && o.state !== "rejected" && o.state !== "not_sent";

interface Opened {
  readonly kind: "cancel" | "assign";
  readonly order: Order;
}

function OrderActions({ order: o, open }: { order: Order; open: (opened: Opened) => void }): ReactElement | null {
  const t = useWords();
  const small = !useNarrow();
  if (o.is_ambiguous) return <Button small={small} tone="primary" onClick={() => open({ kind: "assign", order: o })}>{t.trading.assign}</Button>;
  if (isResting(o)) return <Button small={small} disabled={o.position_id === null} onClick={() => open({ kind: "cancel", order: o })}>{t.trading.cancelOrder}</Button>;
  return null;
}

const keyOf = (o: Order): string => String(o.id);

export function OrdersCard({ dim }: { dim: boolean }): ReactElement {
  const t = useWords();
  const orders = useLive(ordersOf);
  const known = useLive(knownOf);
  const [view, setView] = useState<"active" | "recent">("active");
  const active = useMemo(() => [...orders.values()].filter(isActiveOrder).sort((a, b) => b.id - a.id), [orders]);
  const recent = useMemo(() => [...orders.values()].sort((a, b) => b.id - a.id).slice(0, RECENT), [orders]);
  const unknown = active.filter((o) => o.state === "unknown").length;
  const ambiguous = active.filter((o) => o.is_ambiguous).length;
  const may = useMay("trader");
  const [opened, setOpened] = useState<Opened | null>(null);
  const columns = useMemo((): readonly Column<Order>[] => [
    { id: "state", header: t.common.status, fixed: true, card: "value", value: (o) => o.state,
      cell: (o) => <span className="inline-flex items-center gap-2">
        <Badge meaning={isResting(o) ? "info" : meanings[o.state]} {...(o.state === "unknown" && { title: t.trading.unknownHint })}>
          {isResting(o) ? t.trading.resting : t.trading.states[o.state]}</Badge>
        {o.is_ambiguous && <Badge meaning="warning" title={t.trading.ambiguousHint}>{t.trading.ambiguous}</Badge>}
        {o.is_closing && toBeClosed(o) && <Badge meaning="info" title={t.trading.closingHint}>{t.trading.toClose}</Badge>}</span> },
    { id: "operation", header: t.trading.operation, cell: (o) => t.trading.operations[o.operation], value: (o) => o.operation },
    { id: "user", header: t.common.user, card: "title", cell: (o) => o.email, value: (o) => o.email },
    { id: "account", header: t.common.account, cell: (o) => <span className="text-muted">{o.account_id}</span>, value: (o) => o.account_id },
    { id: "symbol", header: t.common.symbol, cell: (o) => o.symbol, value: (o) => o.symbol },
    { id: "side", header: t.common.side, cell: (o) => <Side side={o.side} />, value: (o) => o.side },
    { id: "size", header: t.common.size, align: "right", unit: t.common.lots, decimal: true, cell: (o) => volume(o.quantity), value: (o) => o.quantity },
    { id: "price", header: t.common.price, align: "right", decimal: true, cell: (o) => <Price text={o.entry_price} symbol={o.symbol} />, value: (o) => o.entry_price },
    { id: "age", header: t.trading.age, align: "right", cell: (o) => <MarketAge time={o.created_at} />, value: (o) => o.created_at },
    { id: "reason", header: t.common.reason, cell: (o) => <span className="block max-w-72 truncate text-muted" title={o.reason ?? undefined}>{o.reason ?? ""}</span> },
    { id: "id", header: "#", align: "right", cell: (o) => <span className="text-muted">{o.id}</span>, value: (o) => o.id },
    ...(may ? [{ id: "actions", header: t.common.actions, align: "right", fixed: true, card: "actions",
      cell: (o: Order) => <OrderActions order={o} open={setOpened} /> } as const] : []),
  ], [t, may]);
  return (
    <Card
      flush label={t.trading.orders}
      title={<span className="flex items-center gap-2">{t.trading.orders}<Badge>{active.length}</Badge>
        {ambiguous > 0 && <Badge meaning="danger" title={t.trading.ambiguousHint}>{t.trading.ambiguousCount(ambiguous)}</Badge>}
        {unknown > 0 && <Badge meaning="warning" title={t.trading.unknownHint}>{unknown} {t.trading.unknownLegs}</Badge>}</span>}
      actions={<Segments label={t.trading.orders} value={view} onChange={setView}
        choices={[["active", t.trading.ordersActive], ["recent", t.trading.ordersRecent]]} />}
    >
      {ambiguous > 0 && <p role="status" className="border-b border-line px-4 py-2 text-sm text-danger">{t.trading.ambiguousHint}</p>}
      {unknown > ambiguous && view === "active" && <p className="border-b border-line px-4 py-2 text-sm text-warning">{t.trading.unknownHint}</p>}
      <DataTable
        name="orders" label={t.trading.orders} columns={columns} rows={known ? (view === "active" ? active : recent) : null} rowKey={keyOf}
        sort={{ id: "id", desc: true }} expected={2} maxHeight="320px" dim={dim}
        empty={view === "active" ? { title: t.trading.noOrders, hint: t.trading.noOrdersHint } : { title: t.trading.noRecent }}
      />
      {opened?.kind === "cancel" && <CancelOrderDialog order={opened.order} onClose={() => setOpened(null)} />}
      {opened?.kind === "assign" && <AssignDialog order={opened.order} onClose={() => setOpened(null)} />}
    </Card>
  );
}
