// SPDX-License-Identifier: MIT
// The attribution that the chart library asks for. Its own logo brings an inline style, which the page does not allow.
import type { ReactElement } from "react";

export function ChartCredit({ place = "top-0 left-2" }: { place?: string }): ReactElement {
  return (
    <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer noopener"
      className={`absolute z-10 text-xs text-muted hover:text-text ${place}`}>
      Lightweight Charts™ · TradingView
    </a>
  );
}
