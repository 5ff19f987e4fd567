// SPDX-License-Identifier: MIT
// The one live line of the page, and how components read it. Frames that arrive together are folded together and drawn once.

import { call, signedOut } from "@/api/client";
import { queryClient } from "@/api/query";
import type { Account, Position } from "@/api/types";
import { convert, sum } from "@/lib/decimal";
import { createStore, sameArray, useStore, type Store } from "@/lib/store";
import { createConnection, type Line, type LineEvents, type Phase } from "./connection";
import { emptyLive, parseMessage, reduce, type LiveState, type Message } from "./model";

export interface LinkState {
  readonly phase: Phase;
  /** When the last frame arrived, wall clock; 0: none yet. */
  readonly heard: number;
}

export const live: Store<LiveState> = createStore(emptyLive);
export const link: Store<LinkState> = createStore<LinkState>({ phase: "connecting", heard: 0 });

let waiting: Message[] = [];
let scheduled = false;

const SETTLE_MS = 400; // until what was told is in the tables, which the figures are read from
let refresh: ReturnType<typeof setTimeout> | undefined;
let newest = 0;

function readAnew(): void {
  void queryClient.invalidateQueries({ queryKey: ["trades"] });
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
  refresh = Date.now() - newest < SETTLE_MS ? setTimeout(readAnew, SETTLE_MS) : undefined;
}

function fold(): void {
  scheduled = false;
  const batch = waiting;
  waiting = [];
  let state = live.get();
  for (const message of batch) state = reduce(state, message);
  live.set(state);
  // What these changes make old among the requested figures is asked for again by those who show it.
  if (batch.some((m) => m.type === "snapshot"
    || (m.type === "position_update" && (m.data["op"] === "closed" || m.data["trade"])))) {
    newest = Date.now();
    refresh ??= setTimeout(readAnew, SETTLE_MS);
  }
}

// A frame that was asked for while the page was seen does not come while it is hidden.
if (typeof document !== "undefined") {
  document.addEventListener("visibilitychange", () => {
    if (scheduled) fold();
  });
}

function take(text: string): void {
  const message = parseMessage(text);
  if (!message) return;
  waiting.push(message);
  if (scheduled) return;
  scheduled = true;
  if (document.visibilityState === "visible") requestAnimationFrame(fold);
  else setTimeout(fold, 200);
}

function openSocket(since: number | null, events: LineEvents): Line {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  const query = since === null ? "" : `?since=${since}`;
  const socket = new WebSocket(`${scheme}://${window.location.host}/ws/dashboard${query}`);
  socket.onopen = () => events.opened();
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (typeof event.data === "string") events.text(event.data);
  };
  socket.onclose = (event) => events.closed(event.code);
  return { close: (code) => socket.close(code) };
}

const connection = createConnection({
  open: openSocket,
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  since: () => {
    const state = live.get();
    return state.known ? state.seq : null;
  },
  message: take,
  phase: (phase) => {
    const heard = phase === "live" ? Date.now() : link.get().heard;
    const old = link.get();
    if (old.phase !== phase || heard - old.heard >= 1000) link.set({ phase, heard });
    if (phase === "out") signedOut(false);
    // A refused handshake does not say why: ask whether the sign-in still holds (a 401 leads to the sign-in page).
    if (phase === "lost" && old.phase !== "lost") void call("get", "/auth/me", {}).catch(() => undefined);
  },
});

export function startLive(): void {
  connection.start();
}

/** Ends the line and forgets all rows: the next sign-in may be somebody else's. */
export function stopLive(): void {
  connection.stop();
  clearTimeout(refresh);
  refresh = undefined;
  waiting = [];
  live.set(emptyLive);
  link.set({ phase: "connecting", heard: 0 });
}

export const retryLive = connection.retry;

export function useLive<S>(select: (state: LiveState) => S, equal?: (a: S, b: S) => boolean): S {
  return useStore(live, select, equal);
}

const whole = (state: LinkState): LinkState => state;
const phaseOf = (state: LinkState): Phase => state.phase;

export const useLink = (): LinkState => useStore(link, whole);
export const usePhase = (): Phase => useStore(link, phaseOf);

const positionList = (state: LiveState): readonly Position[] => [...state.positions.values()];

/** All open positions; the list is new when one of its rows is. */
export const usePositions = (): readonly Position[] => useLive(positionList, sameArray);

export interface Totals {
  readonly balance: string | null;
  readonly equity: string | null;
  readonly floating: string | null;
}

/** Sums of all accounts in one currency by the live rates; null where an amount or a rate is missing. */
export function totals(accounts: Iterable<Account>, rates: LiveState["rates"], currency: string): Totals {
  const list = [...accounts];
  const total = (pick: (a: Account) => string | null): string | null =>
    sum(list.map((a) => convert(pick(a), a.currency, currency, rates)));
  return { balance: total((a) => a.balance), equity: total((a) => a.equity), floating: total((a) => a.profit) };
}

const sameTotals = (a: Totals, b: Totals): boolean =>
  a.balance === b.balance && a.equity === b.equity && a.floating === b.floating;

const selectors = new Map<string, (state: LiveState) => Totals>();

export function useTotals(currency: string): Totals {
  let select = selectors.get(currency);
  if (!select) {
    select = (state) => totals(state.accounts.values(), state.rates, currency);
    selectors.set(currency, select);
  }
  return useLive(select, sameTotals);
}
