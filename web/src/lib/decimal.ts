// SPDX-License-Identifier: MIT
// Exact arithmetic on decimal texts. Money, volumes and prices come as texts and never become floats here.
// A value is n / 10^scale. Texts that are no decimals are null, and null stays null.

export interface Decimal {
  readonly n: bigint;
  readonly scale: number;
}

const FORM = /^-?\d{1,30}(?:\.\d{1,30})?$/;

export function parse(text: string | null | undefined): Decimal | null {
  if (text === null || text === undefined || !FORM.test(text)) return null;
  const dot = text.indexOf(".");
  if (dot < 0) return { n: BigInt(text), scale: 0 };
  return { n: BigInt(text.slice(0, dot) + text.slice(dot + 1)), scale: text.length - dot - 1 };
}

const tenTo = (digits: number): bigint => 10n ** BigInt(digits);

function widen(value: Decimal, scale: number): bigint {
  return value.n * tenTo(scale - value.scale);
}

/** The text with exactly `digits` decimals, rounded half away from zero. */
export function fixed(value: Decimal, digits: number): string {
  let n: bigint;
  if (digits >= value.scale) {
    n = widen(value, digits);
  } else {
    const cut = tenTo(value.scale - digits);
    const half = cut / 2n;
    n = value.n < 0n ? -((-value.n + half) / cut) : (value.n + half) / cut;
  }
  const negative = n < 0n;
  const digitsText = (negative ? -n : n).toString().padStart(digits + 1, "0");
  const whole = digitsText.slice(0, digitsText.length - digits);
  const text = digits > 0 ? `${whole}.${digitsText.slice(-digits)}` : whole;
  return negative ? `-${text}` : text;
}

/** The text with as many decimals as the value has. */
export function toText(value: Decimal): string {
  return fixed(value, value.scale);
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale);
  return { n: widen(a, scale) + widen(b, scale), scale };
}

export function negate(a: Decimal): Decimal {
  return { n: -a.n, scale: a.scale };
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { n: a.n * b.n, scale: a.scale + b.scale };
}

/** a / b with `digits` decimals, cut; null when b is zero. */
export function divide(a: Decimal, b: Decimal, digits: number): Decimal | null {
  if (b.n === 0n) return null;
  const scale = Math.max(a.scale, b.scale);
  return { n: (widen(a, scale) * tenTo(digits)) / widen(b, scale), scale: digits };
}

export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const scale = Math.max(a.scale, b.scale);
  const x = widen(a, scale);
  const y = widen(b, scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Order of two texts; what is no decimal comes first. */
export function compareText(a: string | null | undefined, b: string | null | undefined): number {
  const x = parse(a);
  const y = parse(b);
  if (!x || !y) return (x ? 1 : 0) - (y ? 1 : 0);
  return compare(x, y);
}

export function sign(text: string | null | undefined): -1 | 0 | 1 {
  const value = parse(text);
  if (!value || value.n === 0n) return 0;
  return value.n < 0n ? -1 : 1;
}

/** The sum of texts; null when one of them is no decimal. */
export function sum(texts: Iterable<string | null | undefined>): string | null {
  let total: Decimal = { n: 0n, scale: 0 };
  for (const text of texts) {
    const value = parse(text);
    if (!value) return null;
    total = add(total, value);
  }
  return toText(total);
}

export function subtractText(a: string | null | undefined, b: string | null | undefined): string | null {
  const x = parse(a);
  const y = parse(b);
  return x && y ? toText(add(x, negate(y))) : null;
}

/** For drawing alone: charts and bars take floats. */
export function toFloat(text: string | null | undefined): number {
  return text === null || text === undefined ? NaN : Number(text);
}

/** Rates say what one unit of a currency is worth in the base currency, which may be among them as "1". */
export type Rates = Readonly<Record<string, string>>;

/** An amount in another currency at the rates given; null when a rate is missing. */
export function convert(text: string | null | undefined, from: string, to: string, rates: Rates, base = "USD"): string | null {
  const value = parse(text);
  if (!value) return null;
  if (from === to) return toText(value);
  const rate = (currency: string): Decimal | null => parse(rates[currency] ?? (currency === base ? "1" : null));
  const x = rate(from);
  const y = rate(to);
  if (!x || !y) return null;
  const out = divide(multiply(value, x), y, 8);
  return out && toText(out);
}
