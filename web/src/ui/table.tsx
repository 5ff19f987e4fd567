// SPDX-License-Identifier: MIT
// The table of the dashboard: sorts, hides columns and remembers both; rows of one height, drawn only where they are seen
// when there are many; a row is drawn anew only when it is another object. On a phone rows become cards.
// Keyboard: arrows, Home and End go through the rows, Enter opens, Space selects.
import {
  columnVisibilityFeature, createSortedRowModel, rowSortingFeature, tableFeatures, useTable, type ColumnDef,
} from "@tanstack/react-table";
import {
  memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState,
  type KeyboardEvent, type ReactElement, type ReactNode,
} from "react";
import { compareText } from "@/lib/decimal";
import { useNarrow } from "@/lib/hooks";
import { compareValues, keepOrder, loadMemory, saveMemory, seenRows, type SortValue } from "@/lib/table-memory";
import { usePreference } from "@/lib/preferences";
import { useWords } from "@/i18n";
import { EmptyState } from "./basic";
import { Icon } from "./icons";

export interface Column<T> {
  readonly id: string;
  readonly header: string;
  /** Under the header's word: currency or unit, so that cells hold numbers alone. */
  readonly unit?: string;
  readonly cell: (row: T) => ReactNode;
  /** What the column sorts by; absent: it does not sort. */
  readonly value?: (row: T) => SortValue;
  /** The value is a decimal text. */
  readonly decimal?: boolean;
  readonly align?: "left" | "right";
  /** CSS width, for columns that must not breathe with their content. */
  readonly width?: string;
  /** Always shown. */
  readonly fixed?: boolean;
  /** Place on a phone's card; default "line". */
  readonly card?: "title" | "value" | "line" | "actions" | "none";
}

export interface TableSelection {
  readonly keys: ReadonlySet<string>;
  readonly onChange: (keys: ReadonlySet<string>) => void;
  readonly name: (key: string) => string;
}

export interface DataTableProps<T extends object> {
  /** Remembered under this name. */
  readonly name: string;
  readonly label: string;
  readonly columns: readonly Column<T>[];
  /** null: not loaded yet, a skeleton is shown. */
  readonly rows: readonly T[] | null;
  readonly rowKey: (row: T) => string;
  readonly sort?: { readonly id: string; readonly desc: boolean };
  /** Columns that are hidden until somebody chooses otherwise. */
  readonly hidden?: readonly string[];
  readonly onOpen?: (row: T) => void;
  readonly selection?: TableSelection;
  readonly empty: { readonly title: string; readonly hint?: string; readonly action?: ReactNode };
  /** Rows that the skeleton has. */
  readonly expected?: number;
  /** CSS height limit of the scrolled part. */
  readonly maxHeight?: string;
  readonly dim?: boolean;
  /** Below the rows: more to load, totals. */
  readonly footer?: ReactNode;
  /** No column menu (small tables in cards). */
  readonly plain?: boolean;
}

const features = tableFeatures({ columnVisibilityFeature, rowSortingFeature, sortedRowModel: createSortedRowModel() });
const VIRTUAL_FROM = 200;

function definitions<T extends object>(columns: readonly Column<T>[]): ColumnDef<typeof features, T>[] {
  return columns.map((column) => ({
    id: column.id,
    accessorFn: (row: T): SortValue => (column.value ? column.value(row) : null),
    enableSorting: column.value !== undefined,
    sortDescFirst: column.align === "right",
    sortFn: (a, b) => {
      const [x, y] = [column.value?.(a.original), column.value?.(b.original)];
      return column.decimal ? compareText(x as string | null, y as string | null) : compareValues(x, y);
    },
  }));
}

interface RowProps<T> {
  row: T;
  id: string;
  columns: readonly Column<T>[];
  active: boolean;
  selected: boolean | null;
  selectName: string;
  detailsName: string;
  dim: boolean;
  onOpen: ((row: T) => void) | undefined;
  onSelect: (id: string) => void;
}

const alignOf = (column: { align?: "left" | "right" }): string => (column.align === "right" ? "text-right" : "text-left");
const sticky = "max-md:sticky max-md:left-0 max-md:z-[1] max-md:bg-surface";

function RowView<T extends object>({ row, id, columns, active, selected, selectName, dim, onOpen, onSelect }: RowProps<T>): ReactElement {
  return (
    <tr
      data-key={id} tabIndex={active ? 0 : -1} data-selected={selected ?? undefined}
      onClick={onOpen && ((event) => {
        if (event.target instanceof Element && !event.target.closest("button,a,input,label")) onOpen(row);
      })}
      className={`row-height group ${onOpen ? "cursor-pointer" : ""} border-b border-line last:border-b-0 hover:bg-hover focus-visible:outline-offset-[-2px] ${selected ? "bg-accent-soft" : ""} ${dim ? "stale" : ""}`}
    >
      {selected !== null && (
        <td className="w-8 pl-4">
          <input type="checkbox" tabIndex={-1} aria-label={selectName} checked={selected} onChange={() => onSelect(id)}
            className="block size-4 accent-(--accent)" />
        </td>
      )}
      {columns.map((column, i) => (
        <td key={column.id} className={`px-2 whitespace-nowrap first:pl-4 last:pr-4 ${alignOf(column)} ${i === 0 ? `${sticky} group-hover:bg-hover` : ""}`}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}
const Row = memo(RowView) as typeof RowView;

function CardView<T extends object>({ row, id, columns, selected, selectName, detailsName, dim, onOpen, onSelect }: RowProps<T>): ReactElement {
  const at = (place: Column<T>["card"]): readonly Column<T>[] => columns.filter((c) => (c.card ?? "line") === place);
  const actions = at("actions");
  return (
    <li data-key={id} className={`flex flex-col gap-2 border-b border-line px-4 py-3 last:border-b-0 ${dim ? "stale" : ""}`}>
      <div className="flex items-center gap-2">
        {selected !== null && (
          <input type="checkbox" aria-label={selectName} checked={selected} onChange={() => onSelect(id)} className="size-5 accent-(--accent)" />
        )}
        <div className="flex min-w-0 flex-1 items-center gap-2 font-strong">
          {at("title").map((c) => <span key={c.id} className="min-w-0 truncate">{c.cell(row)}</span>)}
        </div>
        {at("value").map((c) => <span key={c.id} className="shrink-0 font-strong">{c.cell(row)}</span>)}
        {onOpen && (
          <button type="button" className="-m-1 p-1 text-muted" aria-label={detailsName} onClick={() => onOpen(row)}>
            <Icon name="chevron" className="-rotate-90" />
          </button>
        )}
      </div>
      <dl className="grid grid-cols-2 gap-x-4 gap-y-1">
        {at("line").map((c) => (
          <div key={c.id} className="flex min-w-0 items-baseline justify-between gap-2">
            <dt className="shrink-0 text-sm text-muted">{c.header}</dt>
            <dd className="min-w-0 truncate">{c.cell(row)}</dd>
          </div>
        ))}
      </dl>
      {actions.length > 0 && <div className="flex flex-wrap justify-end gap-2">{actions.map((c) => <span key={c.id}>{c.cell(row)}</span>)}</div>}
    </li>
  );
}
const RowCard = memo(CardView) as typeof CardView;

function ColumnMenu<T>({ columns, hidden, onToggle }: {
  columns: readonly Column<T>[];
  hidden: ReadonlySet<string>;
  onToggle: (id: string) => void;
}): ReactElement {
  const t = useWords();
  const ref = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const leave = (event: MouseEvent): void => {
      if (ref.current?.open && event.target instanceof Node && !ref.current.contains(event.target)) ref.current.open = false;
    };
    document.addEventListener("mousedown", leave);
    return () => document.removeEventListener("mousedown", leave);
  }, []);
  return (
    <details
      ref={ref} className="relative"
      onKeyDown={(event) => {
        if (event.key === "Escape" && ref.current) ref.current.open = false;
      }}
    >
      <summary title={t.common.columns} className="flex size-6 cursor-pointer list-none items-center justify-center rounded-md text-muted hover:bg-hover hover:text-text [&::-webkit-details-marker]:hidden">
        <Icon name="columns" size={14} />
        <span className="sr-only">{t.common.columns}</span>
      </summary>
      <div className="absolute right-0 z-20 mt-1 flex w-48 flex-col rounded-lg border border-edge bg-raised p-2">
        {columns.filter((c) => !c.fixed).map((c) => (
          <label key={c.id} className="flex h-8 items-center gap-2 rounded px-2 font-normal text-text hover:bg-hover">
            <input type="checkbox" className="size-4 accent-(--accent)" checked={!hidden.has(c.id)} onChange={() => onToggle(c.id)} />
            {c.header}
          </label>
        ))}
      </div>
    </details>
  );
}

function useOrderUnderPointer<T>(rows: readonly T[], key: (row: T) => string): {
  rows: readonly T[];
  hold: { onPointerEnter: () => void; onPointerLeave: () => void };
} {
  const [held, setHeld] = useState<readonly string[] | null>(null);
  const shown = held ? keepOrder(rows, key, held) : rows;
  const latest = useRef(shown);
  useLayoutEffect(() => {
    latest.current = shown;
  });
  const onPointerEnter = useCallback(() => setHeld(latest.current.map(key)), [key]);
  const onPointerLeave = useCallback(() => setHeld(null), []);
  return { rows: shown, hold: { onPointerEnter, onPointerLeave } };
}

function SkeletonRows({ columns, count, selectable }: { columns: readonly Column<never>[]; count: number; selectable: boolean }): ReactElement {
  return (
    <>
      {Array.from({ length: count }, (_, r) => (
        <tr key={r} className="row-height border-b border-line last:border-b-0">
          {selectable && <td className="w-8 pl-4"><span className="skeleton block size-4" /></td>}
          {columns.map((c, i) => (
            <td key={c.id} className="px-2 first:pl-4 last:pr-4">
              <span className={`skeleton block h-3 ${c.align === "right" ? "ml-auto" : ""} ${i === 0 ? "w-36" : "w-14"}`} />
            </td>
          ))}
        </tr>
      ))}
    </>
  );
}

export function DataTable<T extends object>(props: DataTableProps<T>): ReactElement {
  const { name, label, columns, rows, rowKey, onOpen, selection, empty, expected = 6, maxHeight, dim = false, footer, plain } = props;
  const t = useWords();
  const narrow = useNarrow();
  const rowHeight = usePreference("density") === "comfortable" ? 40 : 32;
  const ids = useMemo(() => columns.map((c) => c.id), [columns]);
  const [memory, setMemory] = useState(() => loadMemory(name, columns.map((c) => c.id)) ?? { sort: props.sort ?? null, hidden: props.hidden ?? [] });
  useEffect(() => {
    saveMemory(name, memory);
  }, [name, memory]);

  const data = useMemo(() => (rows ? [...rows] : []), [rows]);
  const defs = useMemo(() => definitions(columns), [columns]);
  const sorting = useMemo(() => (memory.sort && ids.includes(memory.sort.id) ? [{ ...memory.sort }] : []), [memory.sort, ids]);
  const visibility = useMemo(() => Object.fromEntries(memory.hidden.map((id) => [id, false])), [memory.hidden]);
  const table = useTable({
    features, columns: defs, data, getRowId: rowKey, enableSortingRemoval: false,
    state: { sorting, columnVisibility: visibility },
    onSortingChange: (update) => {
      const next = typeof update === "function" ? update(sorting) : update;
      setMemory((m) => ({ ...m, sort: next[0] ?? null }));
    },
  });
  const hidden = useMemo(() => new Set(memory.hidden), [memory.hidden]);
  const shown = useMemo(() => columns.filter((c) => c.fixed ?? !hidden.has(c.id)), [columns, hidden]);
  const sorted = table.getRowModel().rows.map((r) => r.original);
  const { rows: ordered, hold } = useOrderUnderPointer(sorted, rowKey);

  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const virtual = ordered.length > VIRTUAL_FROM;
  const measure = (): void => {
    const box = scroller.current;
    if (box && virtual) setView({ top: box.scrollTop, height: box.clientHeight });
  };
  const seen = virtual ? seenRows(view.top, view.height, rowHeight, ordered.length) : { first: 0, last: ordered.length };

  const [active, setActive] = useState<string | null>(null);
  const activeKey = active !== null && ordered.some((r) => rowKey(r) === active) ? active : ordered[0] ? rowKey(ordered[0]) : null;

  const toggle = useCallback((id: string) => {
    if (!selection) return;
    const keys = new Set(selection.keys);
    if (!keys.delete(id)) keys.add(id);
    selection.onChange(keys);
  }, [selection]);

  const focusRow = (index: number): void => {
    const row = ordered[Math.max(0, Math.min(ordered.length - 1, index))];
    if (!row) return;
    const id = rowKey(row);
    setActive(id);
    const box = scroller.current;
    if (virtual && box) box.scrollTop = Math.max(0, index * rowHeight - box.clientHeight / 2);
    requestAnimationFrame(() => box?.querySelector<HTMLElement>(`tr[data-key="${CSS.escape(id)}"]`)?.focus());
  };

  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    if (!(event.target instanceof HTMLTableRowElement)) return;
    const key = event.target.dataset["key"];
    const at = ordered.findIndex((r) => rowKey(r) === key);
    const row = ordered[at];
    if (!row || key === undefined) return;
    const moves: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ordered.length - 1, PageDown: at + 10, PageUp: at - 10 };
    const to = moves[event.key];
    if (to !== undefined) focusRow(to);
    else if (event.key === "Enter" && onOpen) onOpen(row);
    else if (event.key === " " && selection) toggle(key);
    else return;
    event.preventDefault();
  };

  const all = selection && ordered.length > 0 && ordered.every((r) => selection.keys.has(rowKey(r)));
  const toggleAll = (): void => selection?.onChange(all ? new Set() : new Set(ordered.map(rowKey)));
  const rowProps = (row: T): RowProps<T> & { key: string } => {
    const id = rowKey(row);
    return {
      key: id, row, id, columns: shown, active: id === activeKey, dim, onOpen, onSelect: toggle,
      selected: selection ? selection.keys.has(id) : null,
      selectName: selection ? t.common.selectRow(selection.name(id)) : label, detailsName: t.common.details,
    };
  };

  if (rows?.length === 0) return <><EmptyState {...empty} />{footer}</>;

  if (narrow) {
    return (
      <div>
        <ul aria-label={label} aria-busy={rows === null}>
          {rows === null
            ? Array.from({ length: Math.min(expected, 4) }, (_, i) => <li key={i} className="border-b border-line px-4 py-4"><span className="skeleton mb-3 block h-3 w-40" /><span className="skeleton block h-3 w-full" /></li>)
            : ordered.map((row) => {
              const { key, ...rest } = rowProps(row);
              return <RowCard key={key} {...rest} />;
            })}
        </ul>
        {footer}
      </div>
    );
  }

  const above = seen.first * rowHeight;
  const below = (ordered.length - seen.last) * rowHeight;
  const span = shown.length + (selection ? 1 : 0);
  return (
    <div className="flex min-h-0 flex-col">
      <div
        ref={scroller} onScroll={measure} style={maxHeight === undefined ? undefined : { maxHeight }}
        className="min-h-0 overflow-auto"
      >
        <table className="w-full border-collapse" aria-label={label} aria-busy={rows === null} aria-rowcount={rows ? ordered.length + 1 : -1}>
          <thead>
            <tr className="h-8">
              {selection && (
                <th className="sticky top-0 z-[2] w-8 bg-surface pl-4 shadow-[inset_0_-1px_0_var(--line)]">
                  <input type="checkbox" aria-label={t.common.selectAll} checked={Boolean(all)} onChange={toggleAll} className="block size-4 accent-(--accent)" />
                </th>
              )}
              {shown.map((column, i) => {
                const handle = table.getColumn(column.id);
                const order = handle?.getIsSorted();
                const last = i === shown.length - 1;
                return (
                  <th
                    key={column.id} scope="col" style={{ width: column.width }}
                    aria-sort={order === "asc" ? "ascending" : order === "desc" ? "descending" : undefined}
                    className={`sticky top-0 z-[2] bg-surface px-2 text-sm font-normal whitespace-nowrap text-muted shadow-[inset_0_-1px_0_var(--line)] first:pl-4 last:pr-4 ${alignOf(column)} ${i === 0 ? "max-md:left-0 max-md:z-[3]" : ""}`}
                  >
                    <span className={`inline-flex items-center gap-1 ${column.align === "right" ? "flex-row-reverse" : ""}`}>
                      {column.value ? (
                        <button type="button" onClick={() => handle?.toggleSorting()} title={t.common.sortBy(column.header)}
                          className={`inline-flex h-6 items-center gap-1 rounded hover:text-text ${order ? "text-text" : ""} ${column.align === "right" ? "flex-row-reverse" : ""}`}>
                          <span>{column.header}{column.unit && <span className="text-muted"> {column.unit}</span>}</span>
                          <Icon name={order === "asc" ? "up" : "down"} size={7} className={order ? "" : "invisible"} />
                        </button>
                      ) : <span>{column.header}{column.unit && <span className="text-muted"> {column.unit}</span>}</span>}
                    </span>
                    {last && !plain && (
                      <span className="ml-2 inline-block align-middle">
                        <ColumnMenu columns={columns} hidden={hidden} onToggle={(id) =>
                          setMemory((m) => ({ ...m, hidden: m.hidden.includes(id) ? m.hidden.filter((h) => h !== id) : [...m.hidden, id] }))} />
                      </span>
                    )}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody onKeyDown={onKeyDown} onFocus={(event) => {
            const key = event.target instanceof HTMLTableRowElement ? event.target.dataset["key"] : undefined;
            if (key !== undefined) setActive(key);
          }} {...hold}>
            {rows === null && <SkeletonRows columns={shown} count={expected} selectable={selection !== undefined} />}
            {above > 0 && <tr aria-hidden="true" style={{ height: above }}><td colSpan={span} /></tr>}
            {ordered.slice(seen.first, seen.last).map((row) => {
              const { key, ...rest } = rowProps(row);
              return <Row key={key} {...rest} />;
            })}
            {below > 0 && <tr aria-hidden="true" style={{ height: below }}><td colSpan={span} /></tr>}
          </tbody>
        </table>
      </div>
      {footer}
    </div>
  );
}
