// SPDX-License-Identifier: MIT
// Trading: the latest signal beside the chart, what is open, and what is under way.
import { useState, type ReactElement } from "react";
import { usePhase } from "@/live/live";
import { useWords } from "@/i18n";
import { Button } from "@/ui/basic";
import { ChartCard } from "./chart";
import { useHindrance } from "./live";
import { ManualDialog } from "./manual";
import { OrdersCard } from "./orders";
import { PositionsCard } from "./positions";
import { RetriesCard } from "./retries";
import { SignalCard } from "./signal";

export default function TradingPage(): ReactElement {
  const t = useWords();
  const hindrance = useHindrance();
  const dim = usePhase() !== "live";
  const [manual, setManual] = useState(false);
  return (
    <div className="flex flex-col gap-4 max-sm:gap-3">
      <header className="flex min-h-8 flex-wrap items-center justify-between gap-3">
        <h1 className="text-lg font-strong">{t.trading.title}</h1>
        <div className="flex items-center gap-3">
          {hindrance !== null && <span className="text-sm text-muted max-sm:hidden">{hindrance}</span>}
          <Button icon="plus" disabled={hindrance !== null} title={hindrance ?? undefined} onClick={() => setManual(true)}>{t.trading.manual}</Button>
        </div>
      </header>
      <div className="grid grid-cols-[360px_minmax(0,1fr)] gap-4 max-md:grid-cols-1 max-sm:gap-3">
        <SignalCard />
        <ChartCard className="h-96" />
      </div>
      <PositionsCard dim={dim} />
      <OrdersCard dim={dim} />
      <RetriesCard dim={dim} />
      {manual && <ManualDialog onClose={() => setManual(false)} />}
    </div>
  );
}
