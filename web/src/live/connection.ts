// SPDX-License-Identifier: MIT
// One WebSocket that stays: it reconnects after 3 s with the newest number it has seen, and takes a line for dead on
// which nothing arrived for 12 s (the office says something every 5). Everything it needs is given, so that tests
// bring a clock of their own.

export interface Line {
  close: (code?: number) => void;
}

export interface LineEvents {
  readonly opened: () => void;
  readonly text: (text: string) => void;
  readonly closed: (code: number) => void;
}

export interface ConnectionParts {
  readonly open: (since: number | null, events: LineEvents) => Line;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  /** The newest number seen, or null to begin with a snapshot. */
  readonly since: () => number | null;
  readonly message: (text: string) => void;
  readonly phase: (phase: Phase) => void;
}

/** live: frames arrive; lost: there was a line, the next try is under way or waits; out: the sign-in has ended. */
export type Phase = "connecting" | "live" | "lost" | "out";

export const RECONNECT_MS = 3_000;
export const DEAD_MS = 12_000;
const WATCH_MS = 1_000;
const SIGNED_OUT = 4401;

export interface Connection {
  readonly start: () => void;
  readonly stop: () => void;
  /** At once instead of after the wait. */
  readonly retry: () => void;
}

export function createConnection(parts: ConnectionParts): Connection {
  let line: Line | null = null;
  let generation = 0;
  let heard = 0;
  let cancelWatch: (() => void) | null = null;
  let cancelWait: (() => void) | null = null;
  let running = false;

  const leave = (): void => {
    generation += 1;
    cancelWatch?.();
    cancelWait?.();
    cancelWatch = cancelWait = null;
    line?.close(1000);
    line = null;
  };

  const lost = (): void => {
    leave();
    if (!running) return;
    parts.phase("lost");
    cancelWait = parts.after(RECONNECT_MS, connect);
  };

  const watch = (): void => {
    cancelWatch = parts.after(WATCH_MS, () => {
      if (parts.now() - heard >= DEAD_MS) lost();
      else watch();
    });
  };

  function connect(): void {
    leave();
    const mine = generation;
    const current = (run: () => void): void => {
      if (mine === generation) run();
    };
    heard = parts.now();
    line = parts.open(parts.since(), {
      opened: () => current(() => { heard = parts.now(); }),
      text: (text) => current(() => {
        heard = parts.now();
        parts.phase("live");
        parts.message(text);
      }),
      closed: (code) => current(() => {
        if (code === SIGNED_OUT) {
          running = false;
          leave();
          parts.phase("out");
        } else lost();
      }),
    });
    watch();
  }

  return {
    start: () => {
      if (running) return;
      running = true;
      parts.phase("connecting");
      connect();
    },
    stop: () => {
      running = false;
      leave();
    },
    retry: () => {
      if (running) connect();
    },
  };
}
