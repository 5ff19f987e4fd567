// SPDX-License-Identifier: MIT
import { useEffect, useState, useSyncExternalStore } from "react";
import { createStore, useStore } from "./store";

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    () => window.matchMedia(query).matches,
  );
}

/** A phone: tables become cards, the rail a bottom bar. */
export const useNarrow = (): boolean => useMedia("(max-width: 719px)");

// One second hand for all ages on the page; it stands while nobody looks.
const second = createStore(Date.now());
let hands = 0;
let timer: ReturnType<typeof setInterval> | undefined;

const tick = (): void => {
  if (document.visibilityState === "visible") second.set(Date.now());
};

const identity = (value: number): number => value;

/** The wall clock in milliseconds, new each second. For ages alone. */
export function useNow(): number {
  useEffect(() => {
    hands += 1;
    if (hands === 1) {
      second.set(Date.now());
      timer = setInterval(tick, 1000);
      document.addEventListener("visibilitychange", tick);
    }
    return () => {
      hands -= 1;
      if (hands === 0) {
        clearInterval(timer);
        document.removeEventListener("visibilitychange", tick);
      }
    };
  }, []);
  return useStore(second, identity);
}

/** The value once it has been the same for `ms`: for search fields. */
export function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const wait = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(wait);
  }, [value, ms]);
  return settled;
}
