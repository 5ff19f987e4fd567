// SPDX-License-Identifier: MIT
// Several of many: a button that says what is chosen, and a list with a search under it.
import { useEffect, useId, useRef, useState, type ReactElement } from "react";
import { useWords } from "@/i18n";
import { Button } from "./basic";
import { Icon } from "./icons";

interface PickProps<T extends string | number> {
  label: string;
  /** What the button says when nothing is chosen: no filter. */
  all: string;
  /** What it says when several are. */
  many: (n: number) => string;
  choices: readonly (readonly [T, string])[];
  value: readonly T[];
  onChange: (value: readonly T[]) => void;
}

const SEARCH_FROM = 8;

export function Pick<T extends string | number>({ label, all, many, choices, value, onChange }: PickProps<T>): ReactElement {
  const t = useWords();
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [search, setSearch] = useState("");
  useEffect(() => {
    if (!open) return undefined;
    box.current?.querySelector<HTMLElement>("[data-list] input")?.focus();
    const leave = (event: PointerEvent): void => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", leave);
    return () => document.removeEventListener("pointerdown", leave);
  }, [open]);
  const [only] = value;
  const name = value.length === 0 ? all
    : value.length === 1 ? (choices.find(([key]) => key === only)?.[1] ?? String(only))
      : many(value.length);
  // What the address names stays to be seen, also when it is no longer among the choices.
  const known = new Set(choices.map(([key]) => key));
  const rows = [...choices, ...value.filter((key) => !known.has(key)).map((key) => [key, String(key)] as const)];
  const needle = search.trim().toLowerCase();
  const shown = needle === "" ? rows : rows.filter(([, text]) => text.toLowerCase().includes(needle));
  const toggle = (key: T): void => onChange(value.includes(key) ? value.filter((k) => k !== key) : [...value, key]);
  return (
    <div
      ref={box} className="relative"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        setOpen(false);
        button.current?.focus();
        event.stopPropagation();
      }}
      onBlur={(event) => {
        if (event.relatedTarget instanceof Node && !box.current?.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      <button
        ref={button} type="button" aria-haspopup="dialog" aria-expanded={open} aria-controls={open ? id : undefined}
        aria-label={`${label}: ${name}`} onClick={() => setOpen(!open)}
        className={`field inline-flex max-w-56 items-center gap-2 ${value.length > 0 ? "border-accent text-text" : "text-muted"}`}
      >
        <span className="truncate">{name}</span>
        <Icon name="chevron" size={12} />
      </button>
      {open && (
        <div id={id} role="dialog" aria-label={label} data-list
          className="absolute left-0 z-20 mt-1 flex w-64 max-w-[calc(100vw-32px)] flex-col rounded-lg border border-edge bg-raised p-2">
          {rows.length >= SEARCH_FROM && (
            <input className="field mb-1" type="search" aria-label={t.common.search} placeholder={t.common.search} value={search}
              onChange={(event) => setSearch(event.target.value)} />
          )}
          <div className="max-h-72 overflow-auto">
            {shown.map(([key, text]) => (
              <label key={key} className="flex h-8 items-center gap-2 rounded px-2 hover:bg-hover">
                <input type="checkbox" className="size-4 accent-(--accent)" checked={value.includes(key)} onChange={() => toggle(key)} />
                <span className="truncate">{text}</span>
              </label>
            ))}
          </div>
          {value.length > 0 && (
            <div className="mt-1 border-t border-line pt-2">
              <Button small tone="quiet" onClick={() => onChange([])}>{t.common.clear}</Button>
            </div>
          )}
        </div>
      )}
    </div>
  );
}
