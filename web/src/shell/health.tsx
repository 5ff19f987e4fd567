// SPDX-License-Identifier: MIT
// Feed, broker, engine and database: shape, word and age.
import type { ReactElement } from "react";
import type { SystemState } from "@/api/types";
import { age, millis } from "@/lib/format";
import { useNow } from "@/lib/hooks";
import { useLink, useLive } from "@/live/live";
import { useWords, type Dictionary } from "@/i18n";
import { Dot, type DotShape } from "@/ui/basic";

export interface HealthItem {
  readonly id: "feed" | "broker" | "engine" | "database";
  readonly shape: DotShape;
  readonly state: keyof Dictionary["states"];
  /** Milliseconds since it was last heard of, or since the state began. */
  readonly age: number | null;
}

/** What the four dots say. While the line is lost, nothing is known and the dots are rings. */
export function healthOf(system: SystemState | null, lost: boolean, heard: number, now: number): readonly HealthItem[] {
  const past = heard > 0 ? now - heard : null;
  if (!system || lost) {
    return (["feed", "broker", "engine", "database"] as const).map((id) => ({ id, shape: "off", state: "unknown", age: past }));
  }
  const since = (text: string): number | null => {
    const then = millis(text);
    return then === null ? null : Math.max(0, now - then);
  };
  const { feed, broker, engine, database } = system;
  const away = engine.state === "away";
  return [
    {
      id: "feed", age: feed.age_ms, state: away ? "unknown" : feed.state,
      shape: away || feed.state === "unknown" ? "off" : feed.state === "connected" ? "ok" : feed.state === "ended" ? "warning" : "bad",
    },
    {
      id: "broker", age: broker.age_ms, state: away ? "unknown" : broker.state,
      shape: away || broker.state === "unknown" ? "off" : broker.state === "ok" ? "ok" : "warning",
    },
    { id: "engine", age: away ? since(engine.since) : null, state: engine.state, shape: away ? "bad" : "ok" },
    {
      id: "database", age: database.state === "connected" ? null : since(database.since), state: database.state,
      shape: database.state === "connected" ? "ok" : database.state === "delayed" ? "warning" : "bad",
    },
  ];
}

const systemOf = (state: { system: SystemState | null }): SystemState | null => state.system;

export function useHealth(): readonly HealthItem[] {
  const system = useLive(systemOf);
  const { phase, heard } = useLink();
  return healthOf(system, phase !== "live", heard, useNow());
}

export function HealthDots(): ReactElement {
  const t = useWords();
  const items = useHealth();
  return (
    <ul aria-label={t.top.health} className="flex items-center gap-3">
      {items.map((item) => {
        const text = item.age === null ? "" : age(item.age, t.units);
        return (
          <li key={item.id} className="flex items-center gap-1.5 whitespace-nowrap" title={`${t.top[item.id]}: ${t.states[item.state]}${text && ` (${text})`}`}>
            <Dot shape={item.shape} />
            <span className="text-sm text-muted">{t.top[item.id]}</span>
            <span className="sr-only">{t.states[item.state]}</span>
            {(item.id === "feed" || item.id === "broker" || item.shape !== "ok") && (
              <span className="min-w-7 text-sm">{text || t.states[item.state]}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

const order: Readonly<Record<DotShape, number>> = { bad: 3, warning: 2, off: 1, ok: 0 };

/** For a phone: the worst of the four. */
export function WorstDot(): ReactElement {
  const t = useWords();
  const worst = [...useHealth()].sort((a, b) => order[b.shape] - order[a.shape])[0];
  if (!worst) return <Dot shape="off" />;
  return (
    <span className="flex items-center gap-1.5 text-sm text-muted" title={`${t.top[worst.id]}: ${t.states[worst.state]}`}>
      <Dot shape={worst.shape} />
      {worst.shape === "ok" ? t.states.ok : `${t.top[worst.id]} ${t.states[worst.state]}`}
    </span>
  );
}
