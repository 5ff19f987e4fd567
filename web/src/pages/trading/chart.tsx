// SPDX-License-Identifier: MIT
// The chart's card: history by request, the forming bar live, marks of what was traded, lines of the chosen position.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import { call } from "@/api/client";
import type { Candle, Position, Trade } from "@/api/types";
import { useParam } from "@/lib/address";
import { toFloat } from "@/lib/decimal";
import { number } from "@/lib/format";
import { loadPart } from "@/lib/part";
import { useLive, usePhase, usePositions } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useWords } from "@/i18n";
import { Button, Card, EmptyState, ErrorState, Segments } from "@/ui/basic";
import { Select } from "@/ui/form";
import { barOf, bucketOf, foldMinute, joinBars, marksOf, timeframes, type Bar, type Forming, type Timeframe } from "./bars";
import type { PriceLine } from "./chart-view";
import { selectedParam, timeframeParam } from "./filters";
import { usePosition } from "./live";

const ChartView = lazy(() => loadPart(() => import("./chart-view")));

const PAGE = 300;
const MOST = 6_000;
/** At most so often the history is read anew when minutes close (a faster clock closes them faster). */
const HEAL_MS = 5_000;

const instrumentsOf = (state: LiveState): LiveState["instruments"] => state.instruments;
const tradesOf = (state: LiveState): readonly Trade[] => state.trades;

function candlesOf(symbol: string, timeframe: Timeframe, before: string | undefined, signal: AbortSignal | undefined) {
  return call("get", "/trading/candles", { query: { symbol, timeframe, limit: PAGE, ...(before !== undefined && { before }) }, signal });
}

/** Older pages, read when the left end is near. */
function useOlder(symbol: string, timeframe: Timeframe, first: string | undefined): { older: readonly Candle[]; more: () => void } {
  const subject = `${symbol} ${timeframe}`;
  const [pages, setPages] = useState<{ subject: string; candles: readonly Candle[]; ended: boolean }>({ subject, candles: [], ended: false });
  const busy = useRef(false);
  const mine = pages.subject === subject ? pages : null;
  const candles = useMemo(() => mine?.candles ?? [], [mine]);
  const ended = mine?.ended ?? false;
  const before = candles[0]?.time ?? first;
  const more = useCallback(() => {
    if (busy.current || ended || before === undefined || candles.length >= MOST) return;
    busy.current = true;
    candlesOf(symbol, timeframe, before, undefined)
      .then((page) => setPages({ subject, candles: [...page.candles, ...candles], ended: page.candles.length === 0 }))
      // The left end stays as it is; scrolling there again asks again.
      .catch(() => undefined)
      .finally(() => {
        busy.current = false;
      });
  }, [symbol, timeframe, subject, before, candles, ended]);
  return { older: candles, more };
}

interface Folded {
  readonly history: readonly Bar[];
  readonly minute: Candle | undefined;
  readonly forming: Forming | null;
  readonly bars: readonly Bar[];
}

function foldInto(kept: Folded, history: readonly Bar[], minute: Candle | undefined, timeframe: Timeframe): Folded {
  const last = history.at(-1);
  const before = kept.history === history ? kept.forming : last ? { bar: last, minute: null } : null;
  const live = minute && barOf(minute);
  if (!live || history.length === 0) return { history, minute, forming: before, bars: history };
  const forming = foldMinute(before, live, timeframe);
  const { bar } = forming;
  const bars = !last || bar.time > last.time ? [...history, bar] : bar === last ? history : [...history.slice(0, -1), bar];
  return { history, minute, forming, bars };
}

function useBars(symbol: string, timeframe: Timeframe) {
  const query = useQuery({
    queryKey: ["candles", symbol, timeframe],
    queryFn: ({ signal }) => candlesOf(symbol, timeframe, undefined, signal),
    enabled: symbol !== "",
    refetchInterval: 60_000,
  });
  const { data, refetch } = query;
  const { older, more } = useOlder(symbol, timeframe, data?.candles[0]?.time);
  const history = useMemo(() => joinBars(older, data?.candles ?? [], data?.forming ? [data.forming] : []), [older, data]);

  const minute = useLive(useCallback((s: LiveState) => s.bars.get(`${symbol} 1m`), [symbol]));
  // The forming bar begins anew with each load; live minutes are folded into it as they come.
  const [kept, setKept] = useState<Folded>({ history: [], minute: undefined, forming: null, bars: [] });
  let folded = kept;
  if (kept.history !== history || kept.minute !== minute) {
    folded = foldInto(kept, history, minute, timeframe);
    setKept(folded);
  }
  const { bars } = folded;

  // A new bar has begun: the one before is read in its final form.
  const bucket = minute ? bucketOf(barOf(minute)?.time ?? 0, timeframe) : 0;
  const healed = useRef({ bucket: 0, at: 0 });
  const phase = usePhase();
  useEffect(() => {
    if (bucket === 0 || healed.current.bucket === bucket) return undefined;
    const first = healed.current.bucket === 0;
    healed.current.bucket = bucket;
    if (first) return undefined;
    const wait = Math.max(500, healed.current.at + HEAL_MS - Date.now());
    const timer = setTimeout(() => {
      healed.current.at = Date.now();
      void refetch();
    }, wait);
    return () => clearTimeout(timer);
  }, [bucket, refetch]);
  useEffect(() => {
    if (phase === "live") void refetch();
  }, [phase, refetch]);
  return { query, bars, more };
}

/** Closed trades of the symbol, for their marks; those of this session come live. */
function useTradesOf(symbol: string): readonly Trade[] {
  const live = useLive(tradesOf);
  const { data } = useQuery({
    queryKey: ["chart-trades", symbol],
    queryFn: ({ signal }) => call("get", "/dashboard/trades", { query: { symbols: [symbol], limit: 500 }, signal }),
    enabled: symbol !== "",
    staleTime: 60_000,
  });
  return useMemo(() => {
    const byId = new Map((data?.items ?? []).map((trade) => [trade.id, trade]));
    for (const trade of live) byId.set(trade.id, trade);
    return [...byId.values()];
  }, [data, live]);
}

function useLines(position: Position | undefined, symbol: string): readonly PriceLine[] {
  const t = useWords();
  const on = position?.symbol === symbol ? position : undefined;
  const { entry_price: entry, stop_loss: stop, take_profit: target } = on ?? {};
  return useMemo(() => {
    const lines: PriceLine[] = [];
    const put = (kind: PriceLine["kind"], text: string | null | undefined, title: string): void => {
      const price = toFloat(text);
      if (Number.isFinite(price)) lines.push({ kind, price, title });
    };
    put("entry", entry, t.trading.lineEntry);
    put("stop", stop, t.trading.lineStop);
    put("target", target, t.trading.lineTarget);
    return lines;
  }, [entry, stop, target, t]);
}

export function ChartCard({ className }: { className?: string }): ReactElement {
  const t = useWords();
  const instruments = useLive(instrumentsOf);
  const traded = useLive((s) => s.system?.symbol ?? null);
  const [timeframe, setTimeframe] = useParam("tf", timeframeParam);
  const [selected, setSelected] = useParam("at", selectedParam);
  const position = usePosition(selected);
  const [chosen, setChosen] = useState<string | null>(null);
  const names = useMemo(() => [...instruments.keys()].sort(), [instruments]);
  const wanted = chosen ?? position?.symbol ?? traded ?? names[0] ?? "";
  // The position's symbol wins when another row is chosen.
  const [lastSelected, setLastSelected] = useState(selected);
  if (lastSelected !== selected) {
    setLastSelected(selected);
    setChosen(null);
  }
  const positions = usePositions();
  const trades = useTradesOf(wanted);
  const { query, bars, more } = useBars(wanted, timeframe);
  const marks = useMemo(() => marksOf(wanted, timeframe, positions, trades), [wanted, timeframe, positions, trades]);
  const stableMarks = useSame(marks);
  const lines = useLines(position, wanted);
  const digits = instruments.get(wanted)?.price_digits ?? 2;
  const [follow, setFollow] = useState(0);
  const last = bars.at(-1);
  const price = last ? number(last.close.toFixed(digits), digits) : "—";

  return (
    <Card
      flush className={className ?? ""} label={t.trading.chart}
      title={
        <span className="flex items-center gap-3">
          {names.length > 1 ? <Select hideLabel label={t.common.symbol} value={wanted} choices={names.map((n) => [n, n] as const)} onChange={setChosen} />
            : wanted === "" ? t.trading.chart : wanted}
          <span className="font-normal">{price}</span>
        </span>
      }
      actions={
        <>
          {position && (
            <Button small tone="quiet" icon="close" onClick={() => setSelected("")} title={t.trading.hideLines}>
              <span className="max-w-40 truncate">{t.trading.linesOf(position.email)}</span>
            </Button>
          )}
          <Segments label={t.trading.timeframe} value={timeframe} choices={timeframes.map((x) => [x, x] as const)} onChange={setTimeframe} />
          <Button small tone="quiet" iconOnly icon="login" onClick={() => setFollow((n) => n + 1)}>{t.trading.chartFollow}</Button>
        </>
      }
    >
      <div className="h-full">
        {query.isError && bars.length === 0 ? <ErrorState error={query.error} retry={() => void query.refetch()} />
          : query.isSuccess && bars.length === 0 ? <EmptyState icon="trading" title={t.trading.chartEmpty} hint={t.trading.chartEmptyHint} />
            : bars.length === 0 ? <div className="h-full p-4"><span className="skeleton block h-full" /></div>
              : (
                <Suspense fallback={<div className="h-full p-4"><span className="skeleton block h-full" /></div>}>
                  <ChartView bars={bars} digits={digits} marks={stableMarks} lines={lines} subject={`${wanted} ${timeframe}`} onOlder={more}
                    follow={follow} label={t.trading.chartLabel(wanted, timeframe, price)} />
                </Suspense>
              )}
      </div>
    </Card>
  );
}

/** The former list while the new one says the same: marks are built anew with each price. */
function useSame<T extends object>(list: readonly T[]): readonly T[] {
  const [kept, setKept] = useState(list);
  const same = kept === list || (kept.length === list.length && JSON.stringify(kept) === JSON.stringify(list));
  if (!same) setKept(list);
  return same ? kept : list;
}
