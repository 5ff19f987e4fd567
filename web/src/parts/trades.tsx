// SPDX-License-Identifier: MIT
// Columns of closed trades, for every page that lists them.
import { duration, number, percent, volume } from "@/lib/format";
import type { Trade } from "@/api/types";
import type { Dictionary } from "@/i18n";
import { Side } from "@/ui/basic";
import { MarketAge, Profit, toneOf } from "@/ui/numbers";
import type { Column } from "@/ui/table";
import { priceDigits } from "./positions";

/** `currency`: of the column P/L; amounts in others name theirs. */
export function tradeColumns(t: Dictionary, currency: string): Readonly<Record<
  "time" | "user" | "symbol" | "side" | "size" | "entry" | "exit" | "profit" | "roi" | "duration", Column<Trade>
>> {
  return {
    time: { id: "time", header: t.common.time, value: (r) => r.closed_at, cell: (r) => <MarketAge time={r.closed_at} />, width: "88px" },
    user: { id: "user", header: t.common.user, value: (r) => r.email, cell: (r) => <span title={r.account_id}>{r.email}</span>, card: "title", fixed: true },
    symbol: { id: "symbol", header: t.common.symbol, value: (r) => r.symbol, cell: (r) => r.symbol },
    side: { id: "side", header: t.common.side, value: (r) => r.side, cell: (r) => <Side side={r.side} /> },
    size: { id: "size", header: t.common.size, unit: t.common.lots, align: "right", decimal: true, value: (r) => r.quantity, cell: (r) => volume(r.quantity) },
    entry: { id: "entry", header: t.common.entry, align: "right", decimal: true, value: (r) => r.entry_price, cell: (r) => number(r.entry_price, priceDigits(r.symbol)) },
    exit: { id: "exit", header: t.common.exit, align: "right", decimal: true, value: (r) => r.exit_price, cell: (r) => number(r.exit_price, priceDigits(r.symbol)) },
    profit: {
      id: "profit", header: t.common.profitLoss, unit: currency, align: "right", decimal: true, card: "value", value: (r) => r.net,
      cell: (r) => <Profit value={r.net} currency={r.currency} foreign={r.currency !== currency} />,
    },
    roi: { id: "roi", header: t.common.roi, align: "right", decimal: true, value: (r) => r.profit_loss_percent, cell: (r) => <span className={toneOf(r.profit_loss_percent)}>{percent(r.profit_loss_percent)}</span> },
    duration: { id: "duration", header: t.common.duration, align: "right", width: "80px", value: (r) => r.duration_seconds, cell: (r) => duration(r.duration_seconds, t.units) },
  };
}
