// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import { createConnection, DEAD_MS, RECONNECT_MS, type LineEvents, type Phase } from "@/live/connection";

function bench() {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  const lines: { since: number | null; events: LineEvents; closed: boolean }[] = [];
  const phases: Phase[] = [];
  const texts: string[] = [];
  let since: number | null = null;
  const connection = createConnection({
    open: (from, events) => {
      const line = { since: from, events, closed: false };
      lines.push(line);
      return { close: () => { line.closed = true; } };
    },
    now: () => now,
    after: (ms, run) => {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => { timers = timers.filter((t) => t !== timer); };
    },
    since: () => since,
    message: (text) => { texts.push(text); },
    phase: (phase) => { if (phases.at(-1) !== phase) phases.push(phase); },
  });
  const pass = (ms: number): void => {
    const end = now + ms;
    for (;;) {
      const next = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers = timers.filter((t) => t !== next);
      now = next.at;
      next.run();
    }
    now = end;
  };
  const line = (i: number) => {
    const found = lines.at(i);
    if (!found) throw new Error(`no line ${i}`);
    return found;
  };
  return { connection, lines, phases, texts, pass, line, seen: (n: number) => { since = n; }, timers: () => timers.length };
}

describe("the line to the office", () => {
  test("asks for a snapshot first, and after a loss for what follows the newest number, after 3 s", () => {
    const b = bench();
    b.connection.start();
    expect(b.line(0).since).toBeNull();
    b.line(0).events.opened();
    b.line(0).events.text("one");
    b.seen(41);
    b.line(0).events.closed(1006);
    expect(b.phases).toEqual(["connecting", "live", "lost"]);
    b.pass(RECONNECT_MS - 1);
    expect(b.lines.length).toBe(1);
    b.pass(1);
    expect(b.line(1).since).toBe(41);
    b.line(1).events.text("two");
    expect(b.phases.at(-1)).toBe("live");
    expect(b.texts).toEqual(["one", "two"]);
  });
  test("a silent line is dead within 12 s, each frame gives it new time", () => {
    const b = bench();
    b.connection.start();
    b.line(0).events.text("one");
    b.pass(DEAD_MS - 1000);
    b.line(0).events.text("heartbeat");
    b.pass(DEAD_MS - 1);
    expect(b.phases.at(-1)).toBe("live");
    b.pass(1);
    expect(b.phases.at(-1)).toBe("lost");
    expect(b.line(0).closed).toBe(true);
  });
  test("a line that never opens is given up as well", () => {
    const b = bench();
    b.connection.start();
    b.pass(DEAD_MS + RECONNECT_MS);
    expect(b.lines.length).toBe(2);
  });
  test("what an old line says later is not heard", () => {
    const b = bench();
    b.connection.start();
    b.line(0).events.closed(1006);
    b.pass(RECONNECT_MS);
    b.line(0).events.text("ghost");
    b.line(0).events.closed(1006);
    expect(b.texts).toEqual([]);
    expect(b.lines.length).toBe(2);
  });
  test("4401 ends it: nobody is signed in", () => {
    const b = bench();
    b.connection.start();
    b.line(0).events.closed(4401);
    expect(b.phases.at(-1)).toBe("out");
    b.pass(60_000);
    expect(b.lines.length).toBe(1);
    b.connection.retry();
    expect(b.lines.length).toBe(1);
  });
  test("stop leaves no timer and no line; start begins anew", () => {
    const b = bench();
    b.connection.start();
    b.connection.start();
    expect(b.lines.length).toBe(1);
    b.connection.stop();
    expect(b.line(0).closed).toBe(true);
    expect(b.timers()).toBe(0);
    b.connection.start();
    expect(b.lines.length).toBe(2);
  });
  test("retry does not wait", () => {
    const b = bench();
    b.connection.start();
    b.line(0).events.closed(1006);
    b.connection.retry();
    expect(b.lines.length).toBe(2);
    b.pass(RECONNECT_MS);
    expect(b.lines.length).toBe(2);
  });
});
