// SPDX-License-Identifier: MIT
// The filters of History.
import { useMemo, type ReactElement } from "react";
import { useLive } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useWords } from "@/i18n";
import { Button, Segments } from "@/ui/basic";
import { Select } from "@/ui/form";
import { Pick } from "@/ui/pick";
import { anyFilter, isTurned, ranges, type TradeFilters } from "./filters";

const usersOf = (state: LiveState): LiveState["users"] => state.users;
const instrumentsOf = (state: LiveState): LiveState["instruments"] => state.instruments;

export function FilterBar({ filters, onChange, onClear, now }: {
  filters: TradeFilters;
  onChange: (change: Partial<TradeFilters>) => void;
  onClear: () => void;
  /** What "From–to" begins with: the bounds shown until then. */
  now: { readonly from: string; readonly to: string };
}): ReactElement {
  const t = useWords();
  const users = useLive(usersOf);
  const instruments = useLive(instrumentsOf);
  const people = useMemo(() => [...users.values()].map((u) => [u.id, u.email] as const).sort(([, a], [, b]) => (a < b ? -1 : 1)), [users]);
  const symbols = useMemo(() => [...instruments.keys()].sort().map((name) => [name, name] as const), [instruments]);
  const turned = isTurned(filters);
  return (
    <div className="flex flex-wrap items-end gap-2" role="group" aria-label={t.common.search}>
      <div className="max-w-full overflow-x-auto">
        <Segments label={t.history.range} value={filters.range} choices={ranges.map((r) => [r, t.history.ranges[r]] as const)}
          onChange={(range) => onChange(range === "custom" ? { range, ...now } : { range })} />
      </div>
      {filters.range === "custom" && (
        <span className="flex flex-wrap items-end gap-2">
          <label className="flex flex-col gap-1 text-sm text-muted">{t.history.from}
            <input type="datetime-local" className="field text-base" value={filters.from} max={filters.to || undefined}
              onChange={(event) => onChange({ from: event.target.value })} />
          </label>
          <label className="flex flex-col gap-1 text-sm text-muted">{t.history.to}
            <input type="datetime-local" className="field text-base" value={filters.to} min={filters.from || undefined} aria-invalid={turned || undefined}
              onChange={(event) => onChange({ to: event.target.value })} />
          </label>
        </span>
      )}
      <Pick label={t.common.user} all={t.history.allUsers} many={t.history.users} choices={people} value={filters.users} onChange={(value) => onChange({ users: value })} />
      <Pick label={t.common.symbol} all={t.history.allSymbols} many={t.history.symbols} choices={symbols} value={filters.symbols} onChange={(value) => onChange({ symbols: value })} />
      <Segments label={t.common.side} value={filters.side} onChange={(side) => onChange({ side })}
        choices={[["all", t.history.bothSides], ["LONG", t.common.long], ["SHORT", t.common.short]]} />
      <Select hideLabel label={t.history.result} value={filters.result} onChange={(result) => onChange({ result })}
        choices={[["all", t.history.anyResult], ["win", t.history.wins], ["loss", t.history.losses]]} />
      {anyFilter(filters) && <Button tone="quiet" icon="close" onClick={onClear}>{t.history.clear}</Button>}
      {turned && <p role="alert" className="w-full text-sm text-danger">{t.history.turned}</p>}
    </div>
  );
}
