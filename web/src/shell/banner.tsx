// SPDX-License-Identifier: MIT
// What is not as it should be, in one line below the top bar. It takes its place without moving the page's rows: the
// page scrolls below it.
import type { ReactElement, ReactNode } from "react";
import { age, millis } from "@/lib/format";
import { useNow } from "@/lib/hooks";
import { retryLive, useLink, useLive } from "@/live/live";
import { useWords } from "@/i18n";
import { Button } from "@/ui/basic";
import { Icon } from "@/ui/icons";

function Line({ tone, children }: { tone: "warning" | "danger"; children: ReactNode }): ReactElement {
  const colours = tone === "danger" ? "bg-danger-soft text-danger" : "bg-warning-soft text-warning";
  return (
    <div role="status" className={`flex min-h-8 shrink-0 items-center gap-2 px-4 py-1 ${colours}`}>
      <Icon name="warning" />
      <div className="flex min-w-0 flex-1 flex-wrap items-center gap-x-3 gap-y-1">{children}</div>
    </div>
  );
}

export function Banners(): ReactElement {
  const t = useWords();
  const now = useNow();
  const { phase, heard } = useLink();
  const system = useLive((s) => s.system);
  if (phase === "lost") {
    return (
      <Line tone="danger">
        <span>{heard > 0 ? t.link.lost(age(now - heard, t.units)) : t.link.lostFirst}</span>
        <Button small onClick={retryLive}>{t.link.retry}</Button>
      </Line>
    );
  }
  if (!system) return <></>;
  const since = millis(system.engine.since);
  return (
    <>
      {system.engine.state === "away" && <Line tone="danger">{t.link.engineAway(age(since === null ? null : now - since, t.units))}</Line>}
      {system.engine.state === "connected" && system.feed.state === "lost" && <Line tone="warning">{t.link.feedLost(age(system.feed.age_ms, t.units))}</Line>}
      {system.database.state === "away" && <Line tone="warning">{t.link.databaseAway}</Line>}
      {system.entries_stopped && <Line tone="warning">{t.link.entriesStopped}</Line>}
    </>
  );
}
