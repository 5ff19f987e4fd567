// SPDX-License-Identifier: MIT
// Numbers and times as cells show them.
import { memo, useEffect, useRef, type ReactElement } from "react";
import { compareText, sign } from "@/lib/decimal";
import { age, clock, dateTime, duration, millis, MISSING, profit, signed } from "@/lib/format";
import { useNow } from "@/lib/hooks";
import { useLive } from "@/live/live";
import { useWords } from "@/i18n";

/** Green or red by the sign of a decimal text; the sign itself is written by the formatter. */
export function toneOf(text: string | null | undefined): string {
  const s = sign(text);
  return s > 0 ? "text-gain" : s < 0 ? "text-loss" : "";
}

const FLASH_GAP_MS = 2_000;

/**
 * Lights up once for 400 ms when the text changes, in the direction of the value behind it. A cell that changes all the
 * time lights up every two seconds at most: a page full of prices stays calm.
 */
export const Flash = memo(function Flash({ value, children, className }: {
  value: string | null | undefined;
  children: string;
  className?: string;
}): ReactElement {
  const ref = useRef<HTMLSpanElement>(null);
  const shown = useRef({ text: children, value, at: 0 });
  useEffect(() => {
    const last = shown.current;
    if (last.text === children) return;
    const now = performance.now();
    const calm = now - last.at < FLASH_GAP_MS;
    shown.current = { text: children, value, at: calm ? last.at : now };
    const cell = ref.current;
    if (!cell || calm) return;
    const order = compareText(value, last.value);
    const kind = order > 0 ? "flash-up" : order < 0 ? "flash-down" : "flash-plain";
    cell.classList.add(kind);
    const end = (): void => cell.classList.remove(kind);
    cell.addEventListener("animationend", end, { once: true });
    const timer = setTimeout(end, 500);
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [children, value]);
  return <span ref={ref} className={`-mx-1 rounded px-1 whitespace-nowrap ${className ?? ""}`}>{children}</span>;
});

/** `foreign`: the currency is written before the amount (it is not that of the column). */
export function Profit({ value, currency, live, foreign }: {
  value: string | null | undefined;
  currency?: string | null;
  live?: boolean;
  foreign?: boolean;
}): ReactElement {
  const text = currency === undefined ? signed(value) : profit(value, currency);
  const tone = toneOf(value);
  return (
    <>
      {foreign && <span className="mr-2 text-xs font-normal text-muted">{currency}</span>}
      {live ? <Flash value={value} className={tone}>{text}</Flash> : <span className={tone}>{text}</span>}
    </>
  );
}

/** Market time now, by the newest health; null before it is known. */
export function useMarketTime(): string | null {
  return useLive((state) => state.system?.market_time ?? null);
}

/** How long ago, in market time, while it is fresh; afterwards the time itself. The whole time on hover. */
export function MarketAge({ time }: { time: string | null | undefined }): ReactElement {
  const t = useWords();
  const now = millis(useMarketTime());
  const then = millis(time);
  if (then === null) return <span>{MISSING}</span>;
  const past = now === null ? null : now - then;
  const text = past === null || past > 3_600_000 ? clock(time) : t.common.ago(age(past, t.units));
  return <time dateTime={time ?? ""} title={`${dateTime(time)} UTC`} className="whitespace-nowrap">{text}</time>;
}

/** Clock time of a day, the whole on hover. */
export function Clock({ time }: { time: string | null | undefined }): ReactElement {
  return <time dateTime={time ?? ""} title={`${dateTime(time)} UTC`} className="whitespace-nowrap">{clock(time)}</time>;
}

/** How long something has been open, in market time. */
export function HeldFor({ since }: { since: string }): ReactElement {
  const t = useWords();
  const now = millis(useMarketTime());
  const then = millis(since);
  return <span title={`${dateTime(since)} UTC`}>{duration(now === null || then === null ? null : Math.max(0, (now - then) / 1000), t.units)}</span>;
}

/** Age of something by the wall clock. */
export function WallAge({ ms }: { ms: number }): ReactElement {
  const t = useWords();
  return <>{age(useNow() - ms, t.units)}</>;
}
