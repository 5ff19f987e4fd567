// SPDX-License-Identifier: MIT
// A value outside React that components read by selectors: a component is drawn anew only when what it selects changed.

import { useCallback, useRef, useSyncExternalStore } from "react";

export interface Store<T> {
  get: () => T;
  set: (next: T) => void;
  subscribe: (listener: () => void) => () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

/** `equal` keeps the former selection when the new one says the same (for selectors that build something). */
export function useStore<T, S>(store: Store<T>, select: (value: T) => S, equal: (a: S, b: S) => boolean = Object.is): S {
  const last = useRef<{ value: T; select: (value: T) => S; selected: S } | null>(null);
  const read = useCallback((): S => {
    const value = store.get();
    const former = last.current;
    // No optional chain: the value itself may be undefined.
    if (former !== null && former.value === value && former.select === select) return former.selected;
    const selected = select(value);
    const kept = former && equal(former.selected, selected) ? former.selected : selected;
    last.current = { value, select, selected: kept };
    return kept;
  }, [store, select, equal]);
  return useSyncExternalStore(store.subscribe, read, read);
}

export function sameArray<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => Object.is(item, b[i]));
}
