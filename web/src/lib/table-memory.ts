// SPDX-License-Identifier: MIT
// What a table remembers in this browser: its order and the columns that are hidden. What is remembered of columns that
// no longer exist is left out.

import { isRecord, load, save, type Box } from "./storage";

export interface TableMemory {
  readonly sort: { readonly id: string; readonly desc: boolean } | null;
  readonly hidden: readonly string[];
}

export function checkMemory(value: unknown, columns: readonly string[]): TableMemory | null {
  if (!isRecord(value)) return null;
  const { sort, hidden } = value;
  const known = new Set(columns);
  return {
    sort: isRecord(sort) && typeof sort["id"] === "string" && typeof sort["desc"] === "boolean" && known.has(sort["id"])
      ? { id: sort["id"], desc: sort["desc"] }
      : null,
    hidden: Array.isArray(hidden) ? hidden.filter((id): id is string => typeof id === "string" && known.has(id)) : [],
  };
}

export function loadMemory(table: string, columns: readonly string[], box?: Box): TableMemory | null {
  return load(`table.${table}`, (value) => checkMemory(value, columns), box);
}

export function saveMemory(table: string, memory: TableMemory, box?: Box): boolean {
  return save(`table.${table}`, memory, box);
}

/** The part of `count` rows of one height that is seen, with some more on each side. */
export function seenRows(scrollTop: number, height: number, rowHeight: number, count: number, more = 8): { first: number; last: number } {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight) - more));
  const last = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + more);
  return { first, last: Math.max(first, last) };
}

/** Rows in the order in which they were, new ones behind: while the pointer is over a table nothing moves under it. */
export function keepOrder<T>(rows: readonly T[], key: (row: T) => string, order: readonly string[]): readonly T[] {
  const byKey = new Map(rows.map((row) => [key(row), row]));
  const out: T[] = [];
  for (const id of order) {
    const row = byKey.get(id);
    if (row !== undefined) {
      out.push(row);
      byKey.delete(id);
    }
  }
  for (const row of rows) if (byKey.has(key(row))) out.push(row);
  return out;
}

export type SortValue = string | number | boolean | null | undefined;

// "demo9" before "demo10", whatever the language.
const natural = new Intl.Collator("en", { numeric: true });

/** Order of two values of one column; missing ones come first (last when turned round). */
export function compareValues(a: SortValue, b: SortValue): number {
  const missing = (v: SortValue): boolean => v === null || v === undefined || v === "";
  if (missing(a) || missing(b)) return (missing(a) ? 0 : 1) - (missing(b) ? 0 : 1);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  return natural.compare(String(a), String(b));
}
