// SPDX-License-Identifier: MIT
// Columns of open positions, for every page that lists them.
import { toFloat } from "@/lib/decimal";
import { millis, number, percent, volume } from "@/lib/format";
import { live } from "@/live/live";
import type { Position } from "@/api/types";
import type { Dictionary } from "@/i18n";
import { Badge, Side } from "@/ui/basic";
import { Flash, HeldFor, Profit, toneOf } from "@/ui/numbers";
import type { Column } from "@/ui/table";

/** Digits that prices of a symbol have; undefined: as they come. */
export function priceDigits(symbol: string): number | undefined {
  return live.get().instruments.get(symbol)?.price_digits;
}

/** `currency`: of the column P/L; amounts in others name theirs. */
export function positionColumns(t: Dictionary, currency: string): Readonly<Record<
  "user" | "account" | "symbol" | "side" | "size" | "entry" | "current" | "stop" | "target" | "profit" | "roi" | "held", Column<Position>
>> {
  const price = (text: string | null, symbol: string): string => number(text, priceDigits(symbol));
  return {
    user: { id: "user", header: t.common.user, value: (p) => p.email, cell: (p) => <span title={p.account_id}>{p.email}</span>, card: "title", fixed: true },
    account: { id: "account", header: t.common.account, value: (p) => p.account_id, cell: (p) => p.account_id },
    symbol: {
      id: "symbol", header: t.common.symbol, value: (p) => p.symbol,
      cell: (p) => <span className="inline-flex items-center gap-2">{p.symbol}{p.is_closing && <Badge meaning="warning">{t.position.closing}</Badge>}</span>,
    },
    side: { id: "side", header: t.common.side, value: (p) => p.side, cell: (p) => <Side side={p.side} /> },
    size: { id: "size", header: t.common.size, unit: t.common.lots, align: "right", decimal: true, value: (p) => p.quantity, cell: (p) => volume(p.quantity) },
    entry: { id: "entry", header: t.common.entry, align: "right", decimal: true, value: (p) => p.entry_price, cell: (p) => price(p.entry_price, p.symbol) },
    current: {
      id: "current", header: t.common.current, align: "right", decimal: true, value: (p) => p.current_price,
      cell: (p) => <Flash value={p.current_price}>{price(p.current_price, p.symbol)}</Flash>,
    },
    stop: { id: "stop", header: t.common.stopLoss, align: "right", decimal: true, value: (p) => p.stop_loss, cell: (p) => price(p.stop_loss, p.symbol) },
    target: { id: "target", header: t.common.takeProfit, align: "right", decimal: true, value: (p) => p.take_profit, cell: (p) => price(p.take_profit, p.symbol) },
    profit: {
      id: "profit", header: t.common.profitLoss, unit: currency, align: "right", card: "value", width: "120px",
      value: (p) => toFloat(p.profit_loss),
      cell: (p) => <Profit value={p.profit_loss} currency={p.currency} live foreign={p.currency !== currency} />,
    },
    roi: {
      id: "roi", header: t.common.roi, align: "right", decimal: true, width: "88px", value: (p) => p.profit_loss_percent,
      cell: (p) => <span className={toneOf(p.profit_loss_percent)}>{percent(p.profit_loss_percent)}</span>,
    },
    held: { id: "held", header: t.common.duration, align: "right", width: "80px", value: (p) => -(millis(p.opened_at) ?? 0), cell: (p) => <HeldFor since={p.opened_at} /> },
  };
}
