// SPDX-License-Identifier: MIT
// Why a signal was given: every condition with its value, its threshold and whether it holds; and what came of it.
import type { ReactElement, ReactNode } from "react";
import type { Signal } from "@/api/types";
import { MISSING, volume } from "@/lib/format";
import { useWords } from "@/i18n";
import { Badge, type Meaning } from "@/ui/basic";
import { Icon } from "@/ui/icons";

/** A value of any kind as a cell shows it; numbers with at most five significant digits. */
function plain(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "true" : "false";
  return value === null || value === undefined ? MISSING : JSON.stringify(value);
}

export function Conditions({ signal }: { signal: Signal }): ReactElement {
  const t = useWords();
  if (signal.conditions.length === 0) return <p className="text-muted">{t.trading.noConditions}</p>;
  return (
    <table className="w-full border-collapse text-sm">
      <thead>
        <tr className="text-muted">
          <th scope="col" className="pb-1 text-left font-normal">{t.trading.condition}</th>
          <th scope="col" className="pb-1 pl-2 text-right font-normal">{t.trading.value}</th>
          <th scope="col" className="pb-1 pl-2 text-right font-normal">{t.trading.threshold}</th>
          <th className="w-6"><span className="sr-only">{t.common.status}</span></th>
        </tr>
      </thead>
      <tbody>
        {signal.conditions.map((c, i) => (
          <tr key={`${c.name} ${i}`} className="border-t border-line">
            <th scope="row" className="py-1 text-left font-normal" title={c.source ?? undefined}>{c.name.replaceAll("_", " ")}</th>
            <td className="py-1 pl-2 text-right">{plain(c.value)}</td>
            <td className="py-1 pl-2 text-right text-muted">{plain(c.threshold)}</td>
            <td className="py-1 pl-2">
              <Icon name={c.pass === true ? "check" : c.pass === false ? "close" : "more"} size={12}
                className={c.pass === true ? "text-gain" : c.pass === false ? "text-loss" : "text-muted"} />
              <span className="sr-only">{c.pass === true ? t.trading.holds : c.pass === false ? t.trading.fails : t.trading.notKnown}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Count({ n, word, meaning }: { n: number; word: string; meaning: Meaning }): ReactNode {
  return n > 0 && <Badge meaning={meaning}>{n} {word}</Badge>;
}

/** Sent, accepted, rejected, unknown; the milliseconds; or the rule that refused it. */
export function Outcome({ signal }: { signal: Signal }): ReactElement {
  const t = useWords();
  const o = signal.outcome;
  if (!o) return <span className="text-muted">{t.trading.executing}</span>;
  if (!o.traded) {
    return (
      <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <Badge meaning="warning">{t.trading.notTraded}</Badge>
        <span className="min-w-0 text-muted">{[o.refused_rule, o.refused_reason].filter(Boolean).join(": ")}</span>
      </span>
    );
  }
  const sent = Math.max(0, o.legs - o.not_sent);
  return (
    <span className="flex flex-wrap items-center gap-1">
      <Badge meaning="plain">{sent} {t.trading.sent}</Badge>
      <Count n={o.accepted} word={t.trading.accepted} meaning="gain" />
      <Count n={o.rejected} word={t.trading.rejected} meaning="danger" />
      <Count n={o.unknown} word={t.trading.unknownLegs} meaning="warning" />
      <Count n={o.not_sent} word={t.trading.notSent} meaning="plain" />
      <span className="pl-1 text-sm text-muted">
        {t.trading.lotsIn(volume(o.volume), o.elapsed_ms === null ? MISSING : o.elapsed_ms.toFixed(1))}
      </span>
    </span>
  );
}
