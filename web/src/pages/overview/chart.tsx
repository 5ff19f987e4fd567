// SPDX-License-Identifier: MIT
// The realised result over the period: above zero in the colour of gain, below in that of loss.
import { BaselineSeries, ColorType, createChart, type IChartApi, type ISeriesApi, type UTCTimestamp } from "lightweight-charts";
import { useEffect, useRef, type ReactElement } from "react";
import type { Performance } from "@/api/types";
import { toFloat } from "@/lib/decimal";
import { currencyDigits, dateTime } from "@/lib/format";
import { useWords } from "@/i18n";
import { ChartCredit } from "@/ui/chart-credit";
import { useChartColours } from "@/ui/chart-colours";

/** Points for the drawing: whole seconds, each later than the one before. */
export function chartPoints(points: Performance["points"]): { time: UTCTimestamp; value: number }[] {
  const out: { time: UTCTimestamp; value: number }[] = [];
  for (const point of points) {
    const time = Math.floor(Date.parse(point.time) / 1000);
    const value = toFloat(point.net);
    if (!Number.isFinite(time) || !Number.isFinite(value)) continue;
    const last = out.at(-1);
    if (last && time < last.time) continue;
    if (last?.time === time) last.value = value;
    else out.push({ time: time as UTCTimestamp, value });
  }
  return out;
}

export default function Chart({ data }: { data: Performance }): ReactElement {
  const t = useWords();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<{ api: IChartApi; series: ISeriesApi<"Baseline"> } | null>(null);
  const colours = useChartColours();
  useEffect(() => {
    if (!box.current) return undefined;
    const api = createChart(box.current, {
      autoSize: true,
      layout: { background: { type: ColorType.Solid, color: "transparent" }, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11, attributionLogo: false },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false },
      handleScroll: false,
      handleScale: false,
      crosshair: { horzLine: { visible: false } },
    });
    const series = api.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 2, priceLineVisible: false });
    chart.current = { api, series };
    return () => {
      chart.current = null;
      api.remove();
    };
  }, []);
  useEffect(() => {
    const made = chart.current;
    if (!made) return;
    const { api, series } = made;
    api.applyOptions({
      layout: { textColor: colours.muted },
      grid: { vertLines: { visible: false }, horzLines: { color: colours.line } },
    });
    series.applyOptions({
      topLineColor: colours.gain, topFillColor1: `${colours.gain}33`, topFillColor2: `${colours.gain}05`,
      bottomLineColor: colours.loss, bottomFillColor1: `${colours.loss}05`, bottomFillColor2: `${colours.loss}33`,
      priceFormat: { type: "price", precision: currencyDigits(data.currency), minMove: 1 / 10 ** currencyDigits(data.currency) },
    });
    series.setData(chartPoints(data.points));
    api.timeScale().fitContent();
  }, [data, colours]);
  return (
    <div className="relative">
      <div ref={box} role="img" aria-label={t.overview.chartLabel(dateTime(data.from), dateTime(data.to))} className="h-50 w-full" />
      <ChartCredit />
    </div>
  );
}
