// SPDX-License-Identifier: MIT
// The address is part of the state: path, and filters as search parameters, so that a view can be shared.

import { useCallback, useSyncExternalStore, type MouseEvent } from "react";

/** How one parameter is read and written; what equals the default is left out of the address. */
export interface Param<T> {
  readonly read: (text: string | null) => T;
  readonly write: (value: T) => string | null;
}

export const textParam: Param<string> = { read: (text) => text ?? "", write: (value) => value || null };

export function choiceParam<const T extends string>(choices: readonly T[], otherwise: NoInfer<T>): Param<T> {
  return {
    read: (text) => choices.find((choice) => choice === text) ?? otherwise,
    write: (value) => (value === otherwise ? null : value),
  };
}

/** Texts joined by commas; a comma within one is escaped. */
export const listParam: Param<readonly string[]> = {
  read: (text) =>
    text ? text.split(",").filter(Boolean).map((part) => part.replaceAll("%2C", ",").replaceAll("%25", "%")) : [],
  write: (value) => (value.length ? value.map((part) => part.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",") : null),
};

export const intParam = (otherwise: number): Param<number> => ({
  read: (text) => (text !== null && /^\d{1,9}$/.test(text) ? Number(text) : otherwise),
  write: (value) => (value === otherwise ? null : String(value)),
});

/** A search text with some parameters changed; null removes one. The order of the others stays. */
export function withParams(search: string, change: Readonly<Record<string, string | null>>): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

export function navigate(to: string, replace = false): void {
  if (to === window.location.pathname + window.location.search) return;
  if (replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
  for (const listener of [...listeners]) listener();
}

const readPath = (): string => window.location.pathname;
const readSearch = (): string => window.location.search;

export function usePath(): string {
  return useSyncExternalStore(subscribe, readPath);
}

export function useSearch(): string {
  return useSyncExternalStore(subscribe, readSearch);
}

/** One parameter of the address. Changes replace the entry of the history: filters are no places to go back to. */
export function useParam<T>(name: string, param: Param<T>): readonly [T, (value: T) => void] {
  const search = useSearch();
  const text = new URLSearchParams(search).get(name);
  const set = useCallback(
    (value: T) => {
      const { pathname, search: now } = window.location;
      navigate(pathname + withParams(now, { [name]: param.write(value) }), true);
    },
    [name, param],
  );
  return [param.read(text), set] as const;
}

/** For links: plain clicks stay in the page, all others are the browser's. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { pathname, search } = new URL(event.currentTarget.href);
  navigate(pathname + search);
}
