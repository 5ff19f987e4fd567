// SPDX-License-Identifier: MIT
// How numbers and times are written. Numbers are decimal texts and stay exact; a missing value is an em dash.
// Times are shown in UTC, the one zone of the dashboard.

import { fixed, parse, type Decimal } from "./decimal";

export const MISSING = "—";
const MINUS = "−";
const THIN = " "; // narrow no-break space between thousands

const NO_CENTS = new Set(["JPY", "KRW", "VND", "CLP"]);

export function currencyDigits(currency: string | null | undefined): number {
  return currency && NO_CENTS.has(currency) ? 0 : 2;
}

function grouped(whole: string): string {
  let out = "";
  for (let i = 0; i < whole.length; i += 1) {
    if (i > 0 && (whole.length - i) % 3 === 0) out += THIN;
    out += whole.charAt(i);
  }
  return out;
}

function write(value: Decimal, digits: number, plus: boolean): string {
  const text = fixed(value, digits);
  const negative = text.startsWith("-");
  const [whole = "0", part] = (negative ? text.slice(1) : text).split(".");
  const zero = !/[1-9]/.test(text);
  const mark = zero ? "" : negative ? MINUS : plus ? "+" : "";
  return mark + grouped(whole) + (part === undefined ? "" : `.${part}`);
}

/** With `digits` decimals, or its own when absent. */
export function number(text: string | null | undefined, digits?: number): string {
  const value = parse(text);
  return value ? write(value, digits ?? value.scale, false) : MISSING;
}

/** With a sign unless it rounds to zero: for profit and loss. */
export function signed(text: string | null | undefined, digits = 2): string {
  const value = parse(text);
  return value ? write(value, digits, true) : MISSING;
}

export function money(text: string | null | undefined, currency: string | null | undefined): string {
  return number(text, currencyDigits(currency));
}

export function profit(text: string | null | undefined, currency: string | null | undefined): string {
  return signed(text, currencyDigits(currency));
}

/** A text that is percent already: "+0.13 %". */
export function percent(text: string | null | undefined, digits = 2): string {
  const value = parse(text);
  return value ? `${write(value, digits, true)}${THIN}%` : MISSING;
}

/** A share from 0 to 1 that is a float by nature (win rate, strength). */
export function share(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined || !Number.isFinite(value) ? MISSING : `${(value * 100).toFixed(digits)}${THIN}%`;
}

/** A volume without needless zeros, at least `least` decimals. */
export function volume(text: string | null | undefined, least = 2): string {
  const value = parse(text);
  if (!value) return MISSING;
  const trimmed = fixed(value, value.scale).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  const own = parse(trimmed);
  return own ? write(own, Math.max(own.scale, least), false) : MISSING;
}

/** Short names of units of time, each with the space before it that the language wants. */
export interface TimeUnits {
  readonly s: string;
  readonly min: string;
  readonly h: string;
  readonly d: string;
}

export const UNITS: TimeUnits = { s: `${THIN}s`, min: `${THIN}min`, h: `${THIN}h`, d: `${THIN}d` };

/** "45 s", "3:07", "2:03:00", "4 d 02:03". */
export function duration(seconds: number | null | undefined, units: TimeUnits = UNITS): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return MISSING;
  const s = Math.floor(seconds);
  if (s < 60) return `${s}${units.s}`;
  const two = (n: number): string => String(n).padStart(2, "0");
  const m = Math.floor(s / 60);
  if (m < 60) return `${m}:${two(s % 60)}`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h}:${two(m % 60)}:${two(s % 60)}`;
  return `${Math.floor(h / 24)}${units.d} ${two(h % 24)}:${two(m % 60)}`;
}

/** The age of something in the largest fitting unit: "2 s", "3 min", "5 h", "4 d". */
export function age(ms: number | null | undefined, units: TimeUnits = UNITS): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return MISSING;
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s}${units.s}`;
  if (s < 3600) return `${Math.floor(s / 60)}${units.min}`;
  if (s < 86_400) return `${Math.floor(s / 3600)}${units.h}`;
  return `${Math.floor(s / 86_400)}${units.d}`;
}

const TIME = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?Z$/;

/** "2026-11-25 14:03:20" (UTC) from RFC 3339. */
export function dateTime(text: string | null | undefined): string {
  const found = text ? TIME.exec(text) : null;
  return found ? `${found[1] ?? ""} ${found[2] ?? ""}` : MISSING;
}

/** "14:03:20" (UTC). */
export function clock(text: string | null | undefined): string {
  const found = text ? TIME.exec(text) : null;
  return found ? (found[2] ?? MISSING) : MISSING;
}

export function date(text: string | null | undefined): string {
  const found = text ? TIME.exec(text) : null;
  return found ? (found[1] ?? MISSING) : MISSING;
}

/** Milliseconds since 1970, or null. */
export function millis(text: string | null | undefined): number | null {
  if (!text) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}
