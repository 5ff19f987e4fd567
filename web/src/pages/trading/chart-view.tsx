// SPDX-License-Identifier: MIT
// The candles themselves, drawn by lightweight-charts: code of its own, loaded after the page.
import { useEffect, useRef, type ReactElement } from "react";
import {
  CandlestickSeries, ColorType, createChart, createSeriesMarkers, CrosshairMode, HistogramSeries, LineStyle,
  type AutoscaleInfo, type IChartApi, type IPriceLine, type ISeriesApi, type ISeriesMarkersPluginApi, type SeriesMarker, type Time, type UTCTimestamp,
} from "lightweight-charts";
import { number } from "@/lib/format";
import { usePreference } from "@/lib/preferences";
import { ChartCredit } from "@/ui/chart-credit";
import { useChartColours, type ChartColours } from "@/ui/chart-colours";
import type { Bar, Mark } from "./bars";

export interface PriceLine {
  readonly kind: "entry" | "stop" | "target";
  readonly price: number;
  readonly title: string;
}

export interface ChartViewProps {
  /** All bars, ascending; the last one may be forming. */
  readonly bars: readonly Bar[];
  readonly digits: number;
  readonly marks: readonly Mark[];
  readonly lines: readonly PriceLine[];
  readonly label: string;
  /** Symbol and timeframe: another one begins at the newest bar. */
  readonly subject: string;
  /** The left end is near: more history is wanted. */
  readonly onOlder: () => void;
  readonly follow: number;
}

const MOST_STRETCH = 6;

const at = (time: number): UTCTimestamp => time as UTCTimestamp;

interface Parts {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  volume: ISeriesApi<"Histogram">;
  markers: ISeriesMarkersPluginApi<Time>;
  lines: IPriceLine[];
}

function paint(parts: Parts, digits: number, c: ChartColours): void {
  parts.chart.applyOptions({
    layout: { textColor: c.muted },
    grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
    crosshair: {
      vertLine: { color: c.muted, labelBackgroundColor: c.muted }, horzLine: { color: c.muted, labelBackgroundColor: c.muted },
    },
  });
  parts.candles.applyOptions({
    upColor: c.gain, borderUpColor: c.gain, wickUpColor: c.gain,
    downColor: c.loss, borderDownColor: c.loss, wickDownColor: c.loss,
    priceFormat: { type: "price", precision: digits, minMove: 10 ** -digits },
  });
}

const volumeColour = (bar: Bar, c: ChartColours): string => `${bar.close >= bar.open ? c.gain : c.loss}40`;

export default function ChartView({ bars, digits, marks, lines, label, subject, onOlder, follow }: ChartViewProps): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);
  const drawn = useRef<{ subject: string; bars: readonly Bar[]; look: ChartColours | null }>({ subject: "", bars: [], look: null });
  const older = useRef(onOlder);
  useEffect(() => {
    older.current = onOlder;
  }, [onOlder]);
  const language = usePreference("language");
  const colours = useChartColours();

  useEffect(() => {
    if (!box.current) return undefined;
    const chart = createChart(box.current, {
      autoSize: true,
      layout: {
        background: { type: ColorType.Solid, color: "transparent" }, fontSize: 11,
        fontFamily: getComputedStyle(document.body).fontFamily, attributionLogo: false,
      },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.22 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 6, barSpacing: 7 },
      crosshair: { mode: CrosshairMode.Normal },
    });
    const candles = chart.addSeries(CandlestickSeries, {});
    const volume = chart.addSeries(HistogramSeries, {
      priceScaleId: "", priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false,
    });
    volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    parts.current = { chart, candles, volume, markers: createSeriesMarkers(candles, []), lines: [] };
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20) older.current();
    });
    return () => {
      parts.current = null;
      drawn.current = { subject: "", bars: [], look: null };
      chart.remove();
    };
  }, []);

  useEffect(() => {
    parts.current?.chart.applyOptions({
      localization: {
        locale: language === "ko" ? "ko-KR" : "en-GB",
        priceFormatter: (price: number) => number(price.toFixed(digits), digits),
      },
    });
  }, [language, digits]);

  useEffect(() => {
    if (!parts.current) return;
    paint(parts.current, digits, colours);
  }, [digits, colours]);

  useEffect(() => {
    const p = parts.current;
    if (!p) return;
    const c = colours;
    const old = drawn.current;
    const last = bars.at(-1);
    const candle = (b: Bar): { time: UTCTimestamp; open: number; high: number; low: number; close: number } =>
      ({ time: at(b.time), open: b.open, high: b.high, low: b.low, close: b.close });
    const column = (b: Bar): { time: UTCTimestamp; value: number; color: string } =>
      ({ time: at(b.time), value: b.volume, color: volumeColour(b, c) });
    const before = old.bars.at(-1);
    // Only the newest bar is another one, or one came behind: the rest stays as it is drawn.
    const grown = old.subject === subject && old.look === colours && before !== undefined && last !== undefined &&
      (bars.length === old.bars.length || bars.length === old.bars.length + 1) && last.time >= before.time &&
      old.bars.length > 1 && bars[0] === old.bars[0] && bars[old.bars.length - 2] === old.bars[old.bars.length - 2];
    if (grown) {
      const first = bars.length === old.bars.length ? bars.length - 1 : bars.length - 2;
      for (const b of bars.slice(first)) {
        p.candles.update(candle(b));
        p.volume.update(column(b));
      }
    } else {
      const range = old.subject === subject ? p.chart.timeScale().getVisibleLogicalRange() : null;
      const added = range && old.bars[0] ? Math.max(0, bars.findIndex((b) => b.time === old.bars[0]?.time)) : 0;
      p.candles.setData(bars.map(candle));
      p.volume.setData(bars.map(column));
      if (range) p.chart.timeScale().setVisibleLogicalRange({ from: range.from + added, to: range.to + added });
      else if (bars.length > 0) p.chart.timeScale().scrollToPosition(6, false);
    }
    drawn.current = { subject, bars, look: colours };
  }, [bars, subject, colours]);

  useEffect(() => {
    const c = colours;
    const first = bars[0]?.time ?? Infinity;
    const list = marks.filter((m) => m.time >= first).map((m): SeriesMarker<Time> => {
      const below = (m.kind === "entry") === (m.side === "LONG");
      return {
        time: at(m.time), position: below ? "belowBar" : "aboveBar",
        shape: m.kind === "exit" ? "square" : m.side === "LONG" ? "arrowUp" : "arrowDown",
        color: m.kind === "exit" ? c.accent : m.side === "LONG" ? c.gain : c.loss,
        size: m.kind === "exit" ? 0.7 : 1,
        text: m.count > 1 ? String(m.count) : "",
      };
    });
    parts.current?.markers.setMarkers(list);
  }, [marks, bars, colours]);

  useEffect(() => {
    const p = parts.current;
    if (!p) return;
    const c = colours;
    // The scale makes room for stop and target, unless the candles would become a line.
    const prices = lines.map((line) => line.price);
    p.candles.applyOptions({
      autoscaleInfoProvider: (original: () => AutoscaleInfo | null) => {
        const info = original();
        if (!info?.priceRange || prices.length === 0) return info;
        const { minValue, maxValue } = info.priceRange;
        const low = Math.min(minValue, ...prices);
        const high = Math.max(maxValue, ...prices);
        return high - low > MOST_STRETCH * (maxValue - minValue) ? info : { ...info, priceRange: { minValue: low, maxValue: high } };
      },
    });
    for (const line of p.lines) p.candles.removePriceLine(line);
    p.lines = lines.map((line) => p.candles.createPriceLine({
      price: line.price, title: line.title, axisLabelVisible: true, lineWidth: 1,
      color: line.kind === "stop" ? c.loss : line.kind === "target" ? c.gain : c.muted,
      lineStyle: line.kind === "entry" ? LineStyle.Solid : LineStyle.Dashed,
    }));
  }, [lines, colours]);

  useEffect(() => {
    if (follow > 0) parts.current?.chart.timeScale().scrollToRealTime();
  }, [follow]);

  return (
    <div className="relative h-full w-full">
      <div ref={box} role="img" aria-label={label} className="absolute inset-0" />
      <ChartCredit place="top-2 left-3" />
    </div>
  );
}
