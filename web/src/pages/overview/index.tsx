// SPDX-License-Identifier: MIT
// The first page: four figures, the result over time, what is open, what was closed last.
import { Suspense, lazy, useMemo, type ReactElement, type ReactNode } from "react";
import { useCurrency, useOverview, usePerformance, type Period } from "@/api/query";
import { useTrades } from "@/api/trades";
import { choiceParam, follow, useParam } from "@/lib/address";
import { money, MISSING, profit } from "@/lib/format";
import { loadPart } from "@/lib/part";
import { useWords } from "@/i18n";
import { useLive, usePhase, usePositions, useTotals } from "@/live/live";
import { positionKey } from "@/live/model";
import { positionColumns } from "@/parts/positions";
import { SignalLine } from "@/parts/signal";
import { tradeColumns } from "@/parts/trades";
import { Card, EmptyState, ErrorState, Segments } from "@/ui/basic";
import { Flash, toneOf } from "@/ui/numbers";
import { DataTable } from "@/ui/table";

const Chart = lazy(() => loadPart(() => import("./chart")));
const PERIODS = ["1h", "24h", "7d", "30d", "all"] as const satisfies readonly Period[];
const periodParam = choiceParam(PERIODS, "24h");

function Figure({ label, unit, value, note, tone }: {
  label: string;
  unit?: string;
  value: string | null;
  note: ReactNode;
  tone?: string;
}): ReactElement {
  return (
    <div className="flex min-w-0 flex-col gap-1 rounded-lg border border-line bg-surface px-4 py-3">
      <span className="flex justify-between gap-2 text-sm text-muted"><span className="truncate">{label}</span>{unit && <span>{unit}</span>}</span>
      <span className={`h-8 truncate text-xl font-strong max-sm:text-lg ${tone ?? ""}`}>
        {value === null ? <span className="skeleton mt-2 block h-5 w-28" /> : <Flash value={value}>{value}</Flash>}
      </span>
      <span className="h-4 truncate text-sm text-muted">{note}</span>
    </div>
  );
}

function Figures(): ReactElement {
  const t = useWords();
  const { data, isError } = useOverview();
  const currency = useCurrency();
  const known = useLive((s) => s.known);
  const now = useTotals(currency);
  const users = useLive((s) => s.users.size);
  const active = useLive((s) => [...s.users.values()].filter((u) => u.is_active).length);
  const sessions = useLive((s) => [...s.users.values()].filter((u) => u.status === "open").length);
  const accounts = useLive((s) => s.accounts.size);
  const trading = useLive((s) => [...s.accounts.values()].filter((a) => a.is_active).length);
  const balance = known ? now.balance : (data?.balance ?? null);
  const equity = known ? now.equity : (data?.equity ?? null);
  const floating = known ? now.floating : (data?.floating ?? null);
  const ready = known || data !== undefined;
  const incomplete = data?.complete === false;
  return (
    <div className="grid grid-cols-4 gap-4 max-md:grid-cols-2 max-sm:gap-2">
      <Figure label={t.overview.totalUsers} value={known ? String(users) : data ? String(data.users_total) : null}
        note={ready ? t.overview.activeUsers(known ? active : (data?.users_active ?? 0)) : ""} />
      <Figure label={t.overview.activeSessions} value={known ? String(sessions) : data ? String(data.sessions_active) : null}
        note={ready ? t.overview.ofAccounts(known ? trading : (data?.accounts_active ?? 0), known ? accounts : (data?.accounts_total ?? 0)) : ""} />
      <Figure label={t.overview.totalBalance} unit={currency} value={ready ? (balance === null ? MISSING : money(balance, currency)) : null}
        note={incomplete ? t.overview.incomplete : ready ? `${t.overview.equityNow} ${money(equity, currency)}` : ""} />
      <Figure label={t.overview.totalProfit} unit={currency} tone={toneOf(data?.profit_total)}
        value={data ? profit(data.profit_total, currency) : isError ? MISSING : null}
        note={ready ? <>{t.overview.floating} <span className={toneOf(floating)}>{profit(floating, currency)}</span></> : ""} />
    </div>
  );
}

function PerformanceCard(): ReactElement {
  const t = useWords();
  const [period, setPeriod] = useParam("period", periodParam);
  const { data, error, refetch } = usePerformance(period);
  const last = data?.points.at(-1);
  const blank = <div className="h-50" />;
  return (
    <Card
      title={<>{t.overview.performance}{last && <span className={`ml-3 ${toneOf(last.net)}`}>{profit(last.net, data?.currency)}</span>}
        {data && <span className="ml-1 text-sm font-normal text-muted">{data.currency}</span>}</>}
      actions={<Segments label={t.overview.period} value={period} onChange={setPeriod} choices={PERIODS.map((p) => [p, t.overview.periods[p]] as const)} />}
      flush
    >
      <div className="min-h-50 p-2">
        {error && !data ? <ErrorState error={error} retry={() => void refetch()} />
          : !data ? <div className="flex h-50 items-end p-2"><span className="skeleton block h-1/2 w-full" /></div>
            : data.points.length < 2 ? <div className="flex h-50 items-center justify-center"><EmptyState title={t.overview.noPoints} hint={t.overview.noPointsHint} /></div>
              : <Suspense fallback={blank}><Chart data={data} /></Suspense>}
      </div>
    </Card>
  );
}

function More({ to, children }: { to: string; children: ReactNode }): ReactElement {
  return <a href={to} onClick={follow} className="text-sm text-accent hover:underline">{children}</a>;
}

function PositionsCard(): ReactElement {
  const t = useWords();
  const known = useLive((s) => s.known);
  const positions = usePositions();
  const newest = useMemo(() => [...positions].reverse(), [positions]);
  const phase = usePhase();
  const currency = useCurrency();
  const columns = useMemo(() => {
    const c = positionColumns(t, currency);
    return [c.user, c.symbol, c.side, c.size, c.profit, c.roi];
  }, [t, currency]);
  return (
    <Card title={<>{t.overview.positions}{known && <span className="ml-2 font-normal text-muted">{positions.length}</span>}</>}
      actions={<More to="/trading">{t.overview.allPositions}</More>} flush className="min-h-80">
      <DataTable
        name="overview.positions" label={t.overview.positions} columns={columns} rows={known ? newest : null} rowKey={positionKey} plain
        expected={8} maxHeight="424px" dim={phase === "lost"} empty={{ title: t.overview.noPositions, hint: t.overview.noPositionsHint }}
      />
    </Card>
  );
}

const NO_FILTER = {};

function TradesCard(): ReactElement {
  const t = useWords();
  const { data, error, refetch } = useTrades(NO_FILTER, 12);
  const rows = data?.pages[0]?.items ?? null;
  const currency = useCurrency();
  const columns = useMemo(() => {
    const c = tradeColumns(t, currency);
    return [c.time, c.user, c.symbol, c.profit, c.duration];
  }, [t, currency]);
  return (
    <Card title={t.overview.trades} actions={<More to="/history">{t.overview.allTrades}</More>} flush className="min-h-80">
      {error && !rows ? <ErrorState error={error} retry={() => void refetch()} /> : (
        <DataTable
          name="overview.trades" label={t.overview.trades} columns={columns} rows={rows} rowKey={(r) => String(r.id)} plain expected={12} maxHeight="424px"
          empty={{ title: t.overview.noTrades, hint: t.overview.noTradesHint }}
        />
      )}
    </Card>
  );
}

export default function OverviewPage(): ReactElement {
  const t = useWords();
  const signal = useLive((s) => (s.known ? (s.signals[0] ?? null) : undefined));
  return (
    <div className="flex flex-col gap-4 max-sm:gap-3">
      <h1 className="sr-only">{t.overview.title}</h1>
      <Figures />
      <Card flush label={t.overview.signal}>
        <div className="flex items-center gap-6 px-4 py-2 max-sm:flex-col max-sm:items-start max-sm:gap-1">
          <h2 className="shrink-0 font-strong">{t.overview.signal}</h2>
          <div className="min-w-0 flex-1"><SignalLine signal={signal} /></div>
        </div>
      </Card>
      <PerformanceCard />
      <div className="grid grid-cols-2 gap-4 max-lg:grid-cols-1">
        <PositionsCard />
        <TradesCard />
      </div>
    </div>
  );
}
