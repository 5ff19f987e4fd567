// SPDX-License-Identifier: MIT
import type { ReactElement } from "react";
import { useCurrency, useOverview } from "@/api/query";
import { add, parse, subtractText, toText } from "@/lib/decimal";
import { clock, date, money, MISSING, profit } from "@/lib/format";
import { choose, usePreference } from "@/lib/preferences";
import { useLive, usePhase, useTotals } from "@/live/live";
import { useWords } from "@/i18n";
import { Button } from "@/ui/basic";
import { toneOf } from "@/ui/numbers";
import { HealthDots, WorstDot } from "./health";
import { KillSwitch } from "./kill";
import { OperatorMenu } from "./menu";

function ModeBadge(): ReactElement {
  const t = useWords();
  const mode = useLive((s) => s.system?.mode ?? null);
  if (mode === null) return <span title={t.top.unknownMode} className="skeleton h-6 w-14" />;
  return mode === "live" ? (
    <span title={t.top.liveHint} className="rounded bg-danger px-2 py-0.5 font-strong text-on-danger">{t.top.live}</span>
  ) : (
    <span title={t.top.paperHint} className="rounded border border-info px-2 py-px font-strong text-info">{t.top.paper}</span>
  );
}

function Figure({ label, unit, value, tone, className }: { label: string; unit: string; value: string; tone?: string; className?: string }): ReactElement {
  return (
    <div className={`flex flex-col items-end leading-none ${className ?? ""}`}>
      <span className="text-xs whitespace-nowrap text-muted">{label} {unit}</span>
      <span className={`min-w-20 text-right font-strong whitespace-nowrap ${tone ?? ""}`}>{value}</span>
    </div>
  );
}

/** The day's result now: what the office said, moved by how the floating profit changed since. */
export function dayProfit(day: string | null, floatingThen: string | null, floatingNow: string | null): string | null {
  const moved = parse(subtractText(floatingNow, floatingThen));
  const then = parse(day);
  return then ? toText(moved ? add(then, moved) : then) : null;
}

function Figures(): ReactElement {
  const t = useWords();
  const { data } = useOverview();
  const currency = useCurrency();
  const now = useTotals(currency);
  const known = useLive((s) => s.accounts.size > 0);
  const equity = known ? now.equity : data?.complete === false ? null : data?.equity ?? null;
  const day = data ? dayProfit(data.profit_day, data.floating, known ? now.floating : null) : null;
  return (
    <>
      <Figure label={t.common.equity} unit={currency} value={equity === null ? MISSING : money(equity, currency)} className="max-sm:hidden" />
      <Figure label={t.top.dayProfit} unit={currency} value={profit(day, currency)} tone={toneOf(day)} />
    </>
  );
}

function MarketClock(): ReactElement {
  const t = useWords();
  const time = useLive((s) => s.system?.market_time ?? null);
  const speed = useLive((s) => s.system?.speed ?? null);
  return (
    <div className="flex flex-col items-end leading-none max-md:hidden" title={t.top.marketTime}>
      <span className="text-xs whitespace-nowrap text-muted">{date(time)}{speed !== null && speed !== "1" && ` · ${t.top.speed(speed)}`}</span>
      <span className="font-strong whitespace-nowrap">{clock(time)} <span className="text-sm font-normal text-muted">UTC</span></span>
    </div>
  );
}

export function TopBar({ onSearch }: { onSearch: () => void }): ReactElement {
  const t = useWords();
  const language = usePreference("language");
  const theme = usePreference("theme");
  const phase = usePhase();
  return (
    <header className="flex h-12 shrink-0 items-center gap-3 border-b border-line bg-surface px-4 max-sm:gap-2 max-sm:px-3">
      <ModeBadge />
      <div className="max-lg:hidden"><HealthDots /></div>
      <div className="lg:hidden"><WorstDot /></div>
      <div className="flex-1" />
      <div className={`flex items-center gap-4 ${phase === "live" ? "" : "stale"}`}>
        <Figures />
        <MarketClock />
      </div>
      <div className="flex items-center gap-1">
        <Button tone="quiet" icon="search" onClick={onSearch} className="max-lg:w-8 max-lg:px-0" title={`${t.common.search} (Ctrl-K)`}>
          <span className="sr-only">{t.common.search}</span>
          <kbd className="rounded border border-line px-1 font-sans text-xs max-lg:hidden">Ctrl K</kbd>
        </Button>
        <KillSwitch />
        <Button tone="quiet" icon="globe" iconOnly className="max-sm:hidden" onClick={() => choose({ language: language === "en" ? "ko" : "en" })}>
          {t.palette.language}
        </Button>
        <Button tone="quiet" icon="moon" iconOnly className="max-sm:hidden" onClick={() => choose({ theme: theme === "light" ? "dark" : "light" })}>
          {t.palette.theme}
        </Button>
        <OperatorMenu />
      </div>
    </header>
  );
}
