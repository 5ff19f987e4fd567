// SPDX-License-Identifier: MIT
// What the browser remembers: JSON under "perigee.<name>". Storage may be full, forbidden or hold anything, so what is
// read passes a check and what cannot be written is forgotten with the page.

export interface Box {
  getItem: (key: string) => string | null;
  setItem: (key: string, value: string) => void;
}

function browserBox(): Box | null {
  try {
    return typeof localStorage === "undefined" ? null : localStorage;
  } catch {
    return null;
  }
}

export function load<T>(name: string, check: (value: unknown) => T | null, box: Box | null = browserBox()): T | null {
  try {
    const text = box?.getItem(`perigee.${name}`);
    return text === null || text === undefined ? null : check(JSON.parse(text));
  } catch {
    return null;
  }
}

/** False when it could not be kept. */
export function save(name: string, value: unknown, box: Box | null = browserBox()): boolean {
  try {
    if (!box) return false;
    box.setItem(`perigee.${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
