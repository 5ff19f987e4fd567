// SPDX-License-Identifier: MIT
// Open positions, live: filters in the address, actions on each row, and closing all of them.
import { useCallback, useMemo, useState, type KeyboardEvent, type MouseEvent, type ReactElement } from "react";
import type { Position } from "@/api/types";
import { useParam } from "@/lib/address";
import { number, percent, volume } from "@/lib/format";
import { useNarrow } from "@/lib/hooks";
import { useLive, usePositions } from "@/live/live";
import { positionKey, type LiveState } from "@/live/model";
import { useCurrency } from "@/api/query";
import { useWords, type Dictionary } from "@/i18n";
import { Badge, Button, Card, Segments, Side } from "@/ui/basic";
import { Icon } from "@/ui/icons";
import { Flash, HeldFor, Profit, toneOf } from "@/ui/numbers";
import { Pick } from "@/ui/pick";
import { DataTable, type Column } from "@/ui/table";
import { CloseDialog, CloseManyDialog } from "./close";
import { PositionDetails } from "./details";
import { EditDialog } from "./edit";
import { anyFilter, filterPositions, selectedParam, sideParam, symbolsParam, userParam } from "./filters";
import { useHindrance, useInstrument, useRates } from "./live";
import { totalsOf } from "./math";
import { reasonOf, totalText } from "./result";

const knownOf = (state: LiveState): boolean => state.known;
const instrumentsOf = (state: LiveState): LiveState["instruments"] => state.instruments;

function Price({ text, symbol, live }: { text: string | null; symbol: string; live?: boolean }): ReactElement {
  const shown = number(text, useInstrument(symbol)?.price_digits);
  return live ? <Flash value={text}>{shown}</Flash> : <>{shown}</>;
}

/** Says that this position's lines are in the chart; its place is kept, so that nothing moves. */
function ChartMark({ id }: { id: string }): ReactElement {
  const t = useWords();
  const [selected] = useParam("at", selectedParam);
  const on = selected === id;
  return (
    <span title={on ? t.trading.onChart : undefined} className={`mr-2 inline-block h-3 w-0.5 rounded align-middle ${on ? "bg-accent" : ""}`}>
      {on && <span className="sr-only">{t.trading.onChart}</span>}
    </span>
  );
}

interface Actions {
  close: (p: Position) => void;
  edit: (p: Position) => void;
  details: (p: Position) => void;
}

/** On a phone, as large as a finger. */
function RowActions({ position: p, may, act }: { position: Position; may: boolean; act: Actions }): ReactElement {
  const t = useWords();
  const small = !useNarrow();
  return (
    <span className={`inline-flex ${small ? "gap-1" : "gap-2"}`} data-actions>
      <Button small={small} tone="quiet" iconOnly icon="info" onClick={() => act.details(p)}>{t.trading.details}</Button>
      {may && <Button small={small} tone="quiet" iconOnly icon="edit" disabled={p.is_closing} onClick={() => act.edit(p)}>{t.trading.edit}</Button>}
      {may && <Button small={small} disabled={p.is_closing} onClick={() => act.close(p)}>{t.trading.close}</Button>}
    </span>
  );
}

function columnsOf(t: Dictionary, currency: string, may: boolean, act: Actions): readonly Column<Position>[] {
  return [
    { id: "user", header: t.common.user, fixed: true, card: "title", value: (p) => p.email,
      cell: (p) => <span className="inline-flex max-w-52 items-center"><ChartMark id={positionKey(p)} /><span className="truncate" title={p.email}>{p.email}</span></span> },
    { id: "account", header: t.common.account, value: (p) => p.account_id, cell: (p) => <span className="text-muted">{p.account_id}</span> },
    { id: "symbol", header: t.common.symbol, value: (p) => p.symbol, cell: (p) => p.symbol },
    { id: "side", header: t.common.side, value: (p) => p.side,
      cell: (p) => <span className="inline-flex items-center gap-2"><Side side={p.side} />
        {p.is_closing && <Badge meaning="info" {...(p.close_reason !== null && { title: `${t.trading.closeReason}: ${reasonOf(t, p.close_reason)}` })}>
          {p.closing_quantity === null ? t.trading.closing : t.trading.closingPart(volume(p.closing_quantity))}</Badge>}
        {!p.is_ours && <Badge title={t.trading.foreignHint}>{t.trading.foreign}</Badge>}</span> },
    { id: "size", header: t.common.size, unit: t.common.lots, align: "right", decimal: true, value: (p) => p.quantity, cell: (p) => volume(p.quantity) },
    { id: "entry", header: t.common.entry, align: "right", decimal: true, value: (p) => p.entry_price, cell: (p) => <Price text={p.entry_price} symbol={p.symbol} /> },
    { id: "current", header: t.common.current, align: "right", decimal: true, width: "96px", value: (p) => p.current_price, cell: (p) => <Price live text={p.current_price} symbol={p.symbol} /> },
    { id: "profit", header: t.common.profitLoss, unit: currency, align: "right", decimal: true, width: "112px", card: "value", value: (p) => p.profit_loss,
      cell: (p) => <Profit live value={p.profit_loss} currency={p.currency} foreign={p.currency !== currency} /> },
    { id: "roi", header: t.common.roi, align: "right", decimal: true, width: "80px", value: (p) => p.profit_loss_percent,
      cell: (p) => <span className={toneOf(p.profit_loss_percent)}>{percent(p.profit_loss_percent)}</span> },
    { id: "stop", header: t.trading.stop, align: "right", decimal: true, value: (p) => p.stop_loss, cell: (p) => <Price text={p.stop_loss} symbol={p.symbol} /> },
    { id: "target", header: t.trading.target, align: "right", decimal: true, value: (p) => p.take_profit, cell: (p) => <Price text={p.take_profit} symbol={p.symbol} /> },
    { id: "duration", header: t.common.duration, align: "right", width: "80px", value: (p) => p.opened_at, cell: (p) => <HeldFor since={p.opened_at} /> },
    { id: "actions", header: t.common.actions, align: "right", fixed: true, card: "actions",
      cell: (p) => (
        <RowActions position={p} may={may} act={act} />
      ) },
  ];
}

/** The key of the row that an event came from, unless it came from a control in it. */
function rowOf(target: EventTarget): string | undefined {
  if (!(target instanceof Element) || target.closest("[data-actions],button,input,a")) return undefined;
  return target.closest<HTMLElement>("[data-key]")?.dataset["key"];
}

type Open =
  | { readonly kind: "close" | "edit" | "details"; readonly position: Position }
  | { readonly kind: "many"; readonly keys: ReadonlySet<string> | null };

export function PositionsCard({ dim }: { dim: boolean }): ReactElement {
  const t = useWords();
  const all = usePositions();
  const known = useLive(knownOf);
  const instruments = useLive(instrumentsOf);
  const rates = useRates();
  const base = useCurrency();
  const hindrance = useHindrance();
  const [user, setUser] = useParam("user", userParam);
  const [symbols, setSymbols] = useParam("symbols", symbolsParam);
  const [side, setSide] = useParam("side", sideParam);
  const [selected, setSelected] = useParam("at", selectedParam);
  const [open, setOpen] = useState<Open | null>(null);

  const filters = useMemo(() => ({ user, symbols, side }), [user, symbols, side]);
  const shown = useMemo(() => filterPositions(all, filters), [all, filters]);
  const filtered = anyFilter(filters);
  const totals = useMemo(() => totalsOf(shown, base, rates), [shown, base, rates]);
  const total = totalText(totals, base);
  const act = useMemo((): Actions => ({
    close: (position) => setOpen({ kind: "close", position }),
    edit: (position) => setOpen({ kind: "edit", position }),
    details: (position) => setOpen({ kind: "details", position }),
  }), []);
  const may = hindrance === null;
  const columns = useMemo(() => columnsOf(t, base, may, act), [t, base, may, act]);
  const leave = useCallback(() => setOpen(null), []);
  const clear = (): void => {
    setUser("");
    setSymbols([]);
    setSide("all");
  };

  const choose = (event: MouseEvent<HTMLElement> | KeyboardEvent<HTMLElement>): void => {
    const key = rowOf(event.target);
    if (key !== undefined && key !== selected) setSelected(key);
  };
  const show = (key: string | undefined): void => {
    const position = all.find((p) => positionKey(p) === key);
    if (position) act.details(position);
  };

  const names = useMemo(() => {
    const list = new Set([...instruments.keys(), ...all.map((p) => p.symbol)]);
    return [...list].sort().map((name) => [name, name] as const);
  }, [instruments, all]);
  const openCount = all.filter((p) => p.is_ours).length;

  return (
    <Card
      flush label={t.trading.openPositions}
      title={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          {t.trading.openPositions}
          <Badge>{filtered ? t.trading.shownOf(shown.length, all.length) : all.length}</Badge>
          {total !== null && <span className="font-normal text-muted">{t.trading.floating} <span className={toneOf(totals.converted)}>{total}</span></span>}
        </span>
      }
      actions={
        <>
          {hindrance !== null && <span className="sr-only">{hindrance}</span>}
          {filtered && shown.length > 0 && (
            <Button disabled={hindrance !== null} title={hindrance ?? undefined}
              onClick={() => setOpen({ kind: "many", keys: new Set(shown.map(positionKey)) })}>{t.trading.closeShown(shown.length)}</Button>
          )}
          <Button disabled={hindrance !== null || openCount === 0} title={hindrance ?? undefined}
            className={hindrance === null && openCount > 0 ? "border-danger! text-danger!" : ""}
            onClick={() => setOpen({ kind: "many", keys: null })}>{t.trading.closeAll}</Button>
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2">
        <input type="search" className="field w-48 max-sm:w-full" aria-label={t.trading.filterUser} placeholder={t.trading.filterUser}
          value={user} onChange={(event) => setUser(event.target.value)} />
        <Pick label={t.common.symbol} all={t.trading.allSymbols} many={t.trading.symbols} choices={names} value={symbols} onChange={setSymbols} />
        <Segments label={t.common.side} value={side} onChange={setSide}
          choices={[["all", t.trading.bothSides], ["LONG", t.common.long], ["SHORT", t.common.short]]} />
        {filtered && <Button small tone="quiet" icon="close" onClick={clear}>{t.trading.clearFilters}</Button>}
        <span className="ml-auto hidden text-sm text-muted lg:inline">{all.length > 0 && t.trading.rowHint}</span>
      </div>
      <div
        onClick={choose}
        onDoubleClick={(event) => show(rowOf(event.target))}
        onKeyUp={(event) => {
          if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") choose(event);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.target instanceof HTMLTableRowElement)) return;
          // Or the same key press would push the button that the dialog puts the focus on.
          event.preventDefault();
          show(rowOf(event.target));
        }}
      >
        <DataTable
          name="positions" label={t.trading.openPositions} columns={columns} rows={known ? shown : null} rowKey={positionKey}
          sort={{ id: "user", desc: false }} expected={8} maxHeight="min(60vh, 720px)" dim={dim}
          empty={filtered && all.length > 0
            ? { title: t.trading.noMatch, action: <Button onClick={clear}>{t.trading.clearFilters}</Button> }
            : { title: t.trading.noPositions, hint: t.trading.noPositionsHint }}
        />
      </div>
      {open?.kind === "close" && <CloseDialog position={open.position} onClose={leave} />}
      {open?.kind === "edit" && <EditDialog position={open.position} onClose={leave} />}
      {open?.kind === "details" && (
        <PositionDetails position={open.position} onClose={leave}
          onEdit={() => act.edit(open.position)} onCloseIt={() => act.close(open.position)} />
      )}
      {open?.kind === "many" && <CloseManyDialog keys={open.keys} hidden={all.length - shown.length} onClose={leave} />}
      {selected !== "" && !all.some((p) => positionKey(p) === selected) && known && <Forget onForget={() => setSelected("")} />}
    </Card>
  );
}

/** A chosen position that is closed leaves the address by a click only: its lines are gone, nothing else depends on it. */
function Forget({ onForget }: { onForget: () => void }): ReactElement {
  const t = useWords();
  return (
    <p className="flex items-center gap-2 border-t border-line px-4 py-2 text-sm text-muted">
      <Icon name="info" size={14} />{t.trading.gone}
      <Button small tone="quiet" onClick={onForget}>{t.trading.hideLines}</Button>
    </p>
  );
}
