// SPDX-License-Identifier: MIT
// What several parts of the page read from the live picture.
import { useCallback } from "react";
import { useMay } from "@/api/query";
import type { Instrument, Position } from "@/api/types";
import type { Rates } from "@/lib/decimal";
import { useLive } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useWords } from "@/i18n";

export function useInstrument(symbol: string | null | undefined): Instrument | undefined {
  return useLive(useCallback((s: LiveState) => (symbol ? s.instruments.get(symbol) : undefined), [symbol]));
}

/** The instrument's digits of a price; undefined: a price is shown with its own. */
export function usePriceDigits(symbol: string | null | undefined): number | undefined {
  return useInstrument(symbol)?.price_digits;
}

export function usePosition(key: string): Position | undefined {
  return useLive(useCallback((s: LiveState) => s.positions.get(key), [key]));
}

const ratesOf = (state: LiveState): Rates => state.rates;
export const useRates = (): Rates => useLive(ratesOf);

const engineOf = (state: LiveState): boolean => state.system?.engine.state !== "away";

/** Why nothing can be changed from here now; null: it can. */
export function useHindrance(): string | null {
  const t = useWords();
  const may = useMay("trader");
  const connected = useLive(engineOf);
  if (!may) return t.trading.needsTrader;
  return connected ? null : t.trading.engineAwayReason;
}
