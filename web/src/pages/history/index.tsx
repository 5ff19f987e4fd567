// SPDX-License-Identifier: MIT
// History: every closed trade that fits the filters of the address, their figures, and their export.
import { useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import type { Trade } from "@/api/types";
import { navigate, useSearch, withParams } from "@/lib/address";
import { sum } from "@/lib/decimal";
import { dateTime, duration, millis, money, number, percent, volume } from "@/lib/format";
import { useLive, usePhase } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useCurrency } from "@/api/query";
import { useWords } from "@/i18n";
import { Badge, Button, Card, ErrorState, Side } from "@/ui/basic";
import { Profit, toneOf } from "@/ui/numbers";
import { DataTable, type Column } from "@/ui/table";
import { tellDone, tellError } from "@/ui/toast";
import { usePriceDigits } from "@/pages/trading/live";
import { exportCsv, saveFile, useStatistics, useTrades } from "./data";
import { reasonText, TradeDetails } from "./details";
import { FilterBar } from "./filter-bar";
import { anyFilter, boundsOf, fits, isTurned, mergeTrades, queryOf, readFilters, writeFilters, type TradeFilters } from "./filters";
import { Statistics } from "./statistics";

const tradesOf = (state: LiveState): readonly Trade[] => state.trades;
const knownOf = (state: LiveState): boolean => state.known;
const keyOf = (trade: Trade): string => String(trade.id);

const yearOf = (state: LiveState): string => state.system?.market_time?.slice(0, 5) ?? "";

/** Date and time; the year only where it is another than `year` ("2026-"). The whole is on hover. */
function shortTime(text: string, year: string): string {
  const whole = dateTime(text);
  return year !== "" && whole.startsWith(year) ? whole.slice(5) : whole;
}

function Price({ text, symbol }: { text: string; symbol: string }): ReactElement {
  return <>{number(text, usePriceDigits(symbol))}</>;
}

function useColumns(currency: string): readonly Column<Trade>[] {
  const t = useWords();
  const thisYear = useLive(yearOf);
  return useMemo(() => {
    return [
      { id: "time", header: t.history.closed, unit: "UTC", card: "line",
        cell: (r) => <time dateTime={r.closed_at} title={r.closed_at}>{shortTime(r.closed_at, thisYear)}</time> },
      { id: "user", header: t.common.user, fixed: true, card: "title", cell: (r) => <span className="block max-w-48 truncate" title={r.email}>{r.email}</span> },
      { id: "account", header: t.common.account, cell: (r) => <span className="text-muted">{r.account_id}</span> },
      { id: "symbol", header: t.common.symbol, cell: (r) => r.symbol },
      { id: "side", header: t.common.side, cell: (r) => <Side side={r.side} /> },
      { id: "size", header: t.common.size, unit: t.common.lots, align: "right",
        cell: (r) => <>{volume(r.quantity)}{r.is_partial && <span className="pl-1 text-sm text-muted">{t.history.partial}</span>}</> },
      { id: "entry", header: t.common.entry, align: "right", cell: (r) => <Price text={r.entry_price} symbol={r.symbol} /> },
      { id: "exit", header: t.common.exit, align: "right", cell: (r) => <Price text={r.exit_price} symbol={r.symbol} /> },
      { id: "move", header: t.history.move, align: "right", cell: (r) => <span className={toneOf(r.profit_loss_percent)}>{percent(r.profit_loss_percent)}</span> },
      { id: "gross", header: t.history.gross, align: "right", cell: (r) => <Profit value={r.profit_loss} currency={r.currency} /> },
      { id: "costs", header: t.history.costs, align: "right", cell: (r) => <span className="text-muted"><Costs trade={r} /></span> },
      { id: "net", header: t.history.net, unit: currency, align: "right", card: "value",
        cell: (r) => <Profit value={r.net} currency={r.currency} foreign={r.currency !== currency} /> },
      { id: "duration", header: t.common.duration, align: "right", cell: (r) => duration(r.duration_seconds, t.units) },
      { id: "reason", header: t.common.reason, cell: (r) => <Badge>{reasonText(t, r.reason)}</Badge> },
    ];
  }, [t, currency, thisYear]);
}

function Costs({ trade }: { trade: Trade }): ReactElement {
  return <>{money(sum([trade.commission, trade.swap]), trade.currency)}</>;
}

function useFilters(): readonly [TradeFilters, (change: Partial<TradeFilters>) => void, () => void] {
  const search = useSearch();
  const filters = useMemo(() => readFilters(search), [search]);
  const put = useCallback((params: Record<string, string | null>) => {
    const { pathname, search: now } = window.location;
    navigate(pathname + withParams(now, params), true);
  }, []);
  const set = useCallback((change: Partial<TradeFilters>) => put(writeFilters({ ...readFilters(window.location.search), ...change })), [put]);
  const clear = useCallback(() => put({ range: null, from: null, to: null, users: null, symbols: null, side: null, result: null }), [put]);
  return [filters, set, clear];
}

/** The newest market time; it changes often, so it is read when a question is asked. */
const marketNow = (state: LiveState): number => millis(state.system?.market_time) ?? Date.now();

const MAY_BE_LOST = 60;
const SETTLE_MS = 1_500;

export default function HistoryPage(): ReactElement {
  const t = useWords();
  const [filters, setFilters, clear] = useFilters();
  const select = useCallback((s: LiveState) => JSON.stringify(boundsOf(filters, marketNow(s))), [filters]);
  const boundsText = useLive(select);
  const bounds = useMemo(() => JSON.parse(boundsText) as ReturnType<typeof boundsOf>, [boundsText]);
  const query = useMemo(() => queryOf(filters, bounds), [filters, bounds]);
  const subject = JSON.stringify(writeFilters(filters));

  // Cursors of the pages passed; the last is the one shown. Other filters begin at the newest page.
  const [passed, setPassed] = useState<{ subject: string; cursors: readonly string[] }>({ subject, cursors: [] });
  const cursors = passed.subject === subject ? passed.cursors : [];
  const cursor = cursors.at(-1) ?? null;
  const go = (next: readonly string[]): void => setPassed({ subject, cursors: next });

  // A relative range is relative to the market's time, which is not that of the wall: it is waited for while it may come.
  const phase = usePhase();
  const known = useLive(knownOf);
  const relative = filters.range !== "custom" && filters.range !== "all";
  const enabled = known || phase === "lost" || !relative;
  const trades = useTrades(query, cursor, enabled);
  const statistics = useStatistics(query, enabled);
  // The bounds of a relative range move each minute: only other filters or another page make what is shown out of date.
  const asked = `${subject} ${cursor ?? ""}`;
  const [answered, setAnswered] = useState(asked);
  if (answered !== asked && trades.data !== undefined && !trades.isPlaceholderData) setAnswered(asked);
  const turning = trades.isPlaceholderData && answered !== asked;
  const [opened, setOpened] = useState<Trade | null>(null);
  const [exporting, setExporting] = useState(false);

  // Trades that arrive while the first page is shown: at once, or counted while the pointer is over the rows.
  const live = useLive(tradesOf);
  const fresh = useMemo(() => (cursor === null ? live.filter((trade) => fits(trade, filters, bounds)) : []), [live, cursor, filters, bounds]);
  const [heldFrom, setHeldFrom] = useState<number | null>(null);
  const taken = useMemo(() => (heldFrom === null ? fresh : fresh.filter((trade) => trade.id <= heldFrom)), [fresh, heldFrom]);
  const waiting = fresh.length - taken.length;
  const loaded = trades.data?.items;
  const rows = useMemo(() => (loaded ? mergeTrades(taken, loaded) : null), [loaded, taken]);
  const newest = useRef(0);
  useEffect(() => {
    newest.current = Math.max(fresh[0]?.id ?? 0, loaded?.[0]?.id ?? 0);
  }, [fresh, loaded]);

  const { refetch: refetchTrades } = trades;
  const { refetch: refetchStatistics } = statistics;
  const lastFresh = fresh[0]?.id;
  useEffect(() => {
    if (lastFresh === undefined) return undefined;
    const timer = setTimeout(() => void refetchStatistics(), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [lastFresh, refetchStatistics]);
  // The live list is short and knows nothing of what happened while there was no line: the page is read anew then.
  const unread = loaded ? taken.filter((trade) => trade.id > (loaded[0]?.id ?? 0)).length : 0;
  useEffect(() => {
    if (unread >= MAY_BE_LOST && heldFrom === null) void refetchTrades();
  }, [unread, heldFrom, refetchTrades]);
  useEffect(() => {
    if (phase !== "live" || !enabled) return;
    void refetchTrades();
    void refetchStatistics();
  }, [phase, enabled, refetchTrades, refetchStatistics]);

  const columns = useColumns(useCurrency());
  const turned = isTurned(filters);
  const next = trades.data?.next_cursor ?? null;

  const save = async (): Promise<void> => {
    setExporting(true);
    try {
      const { blob, rows: count } = await exportCsv(query);
      const day = (text: string | null, otherwise: string): string => text?.slice(0, 10) ?? otherwise;
      saveFile(blob, `perigee-trades-${day(bounds.from, "all")}-${day(bounds.to, "now")}.csv`);
      tellDone(t.history.exported(count));
    } catch (error) {
      tellError(error);
    } finally {
      setExporting(false);
    }
  };

  const shownNow = useMemo(() => ({ from: bounds.from?.slice(0, 16) ?? "", to: bounds.to?.slice(0, 16) ?? "" }), [bounds]);
  return (
    <div className="flex flex-col gap-4 max-sm:gap-3">
      <header className="flex min-h-8 flex-wrap items-center justify-between gap-3">
        <h1 className="text-lg font-strong">{t.history.title}</h1>
        <Button icon="download" busy={exporting} disabled={turned || !enabled} title={t.history.exportHint} onClick={() => void save()}>
          {exporting ? t.history.exporting : t.history.exportCsv}
        </Button>
      </header>
      <FilterBar filters={filters} onChange={setFilters} onClear={clear} now={shownNow} />
      {(statistics.data !== undefined || !trades.isError) && <Statistics data={statistics.data} error={statistics.error} retry={() => void statistics.refetch()} onOpen={setOpened} />}
      <Card
        flush label={t.history.trades}
        title={<span className="flex items-center gap-3">{t.history.trades}{cursors.length > 0 && <Badge>{t.history.page(cursors.length + 1)}</Badge>}</span>}
        actions={
          <span role="status" className="flex h-6 items-center">
            {waiting > 0 && <Button small className="border-accent text-accent" icon="refresh" onClick={() => setHeldFrom(newest.current)}>{t.history.fresh(waiting)}</Button>}
          </span>
        }
      >
        {trades.isError && !loaded ? <ErrorState error={trades.error} retry={() => void trades.refetch()} /> : (
          <div onPointerEnter={(event) => {
            if (event.pointerType === "mouse") setHeldFrom(newest.current);
          }} onPointerLeave={() => setHeldFrom(null)}>
            <DataTable
              name="trades" label={t.history.trades} columns={columns} rows={rows} rowKey={keyOf} onOpen={setOpened}
              hidden={["move"]}
              expected={12} dim={turning || trades.isError}
              empty={{
                title: anyFilter(filters) ? t.history.emptyFilters : t.history.empty, hint: t.history.emptyHint,
                ...(anyFilter(filters) && { action: <Button onClick={clear}>{t.history.clear}</Button> }),
              }}
            />
          </div>
        )}
        <nav aria-label={t.history.pages} className="flex items-center justify-between gap-2 border-t border-line px-4 py-2">
          <span className="text-sm text-muted">{rows && t.common.rows(rows.length)}</span>
          <span className="flex gap-2">
            {cursors.length > 1 && <Button small onClick={() => go([])}>{t.history.newest}</Button>}
            <Button small disabled={cursors.length === 0} onClick={() => go(cursors.slice(0, -1))}>{t.history.newer}</Button>
            <Button small disabled={next === null || turning} onClick={() => next !== null && go([...cursors, next])}>{t.history.older}</Button>
          </span>
        </nav>
      </Card>
      {opened && <TradeDetails trade={opened} onClose={() => setOpened(null)} />}
    </div>
  );
}
