// SPDX-License-Identifier: MIT
// What dialogs say in numbers before something is done. Exact, on decimal texts; pure.

import type { Instrument, Position } from "@/api/types";
import { add, compare, convert, divide, fixed, multiply, negate, parse, toText, type Decimal, type Rates } from "@/lib/decimal";

export interface Amount {
  readonly currency: string;
  readonly amount: string;
}

export interface Totals {
  readonly count: number;
  readonly accounts: number;
  /** Positions without a price: their result is in no sum. */
  readonly unpriced: number;
  /** In the order of the currencies' names. */
  readonly byCurrency: readonly Amount[];
  /** All of `byCurrency` in the base currency; null when a rate is missing or nothing has a price. */
  readonly converted: string | null;
}

/** Sums of amounts by currency; what has no amount is counted. */
export function groupAmounts(rows: Iterable<{ readonly currency: string; readonly amount: string | null }>): {
  byCurrency: readonly Amount[];
  missing: number;
} {
  const sums = new Map<string, Decimal>();
  let missing = 0;
  for (const { currency, amount } of rows) {
    const value = parse(amount);
    if (!value) {
      missing += 1;
      continue;
    }
    const old = sums.get(currency);
    sums.set(currency, old ? add(old, value) : value);
  }
  const byCurrency = [...sums.entries()]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([currency, value]) => ({ currency, amount: toText(value) }));
  return { byCurrency, missing };
}

export function inBase(amounts: readonly Amount[], base: string, rates: Rates): string | null {
  let total: Decimal | null = null;
  for (const { currency, amount } of amounts) {
    const value = parse(convert(amount, currency, base, rates));
    if (!value) return null;
    total = total ? add(total, value) : value;
  }
  return total && toText(total);
}

/** What closing these positions would bring at their current prices. */
export function totalsOf(positions: readonly Position[], base: string, rates: Rates): Totals {
  const { byCurrency, missing } = groupAmounts(positions.map((p) => ({ currency: p.currency, amount: p.profit_loss })));
  return {
    count: positions.length,
    accounts: new Set(positions.map((p) => p.account_id)).size,
    unpriced: missing,
    byCurrency,
    converted: inBase(byCurrency, base, rates),
  };
}

/** One point: the last digit of the price. */
export interface Distance {
  /** Signed, in points; positive is above. */
  readonly points: string;
  /** Signed, of the price it is measured from. */
  readonly percent: string;
}

export function distance(from: string | null | undefined, to: string | null | undefined, digits: number): Distance | null {
  const a = parse(from);
  const b = parse(to);
  if (!a || !b) return null;
  const way = add(b, negate(a));
  const points = multiply(way, { n: 10n ** BigInt(digits), scale: 0 });
  const percent = divide(multiply(way, { n: 100n, scale: 0 }), a, 6);
  if (!percent) return null;
  const whole = points.n % 10n ** BigInt(points.scale) === 0n;
  return { points: fixed(points, whole ? 0 : 1), percent: fixed(percent, 4) };
}

/** The currency in which a pair's prices are: the last three letters of a name of six. */
export function quoteCurrency(symbol: string): string | null {
  return /^[A-Z]{6}$/.test(symbol) ? symbol.slice(3) : null;
}

export type MoneyBasis = Pick<Position, "side" | "quantity" | "entry_price" | "current_price" | "profit_loss" | "symbol" | "currency">;

/**
 * Result of closing `quantity` lots at `price`, in the account's currency, without costs. By the contract where the
 * quote currency is known and has a rate, else in proportion to the present result; null when neither is possible.
 */
export function moneyAt(
  position: MoneyBasis, price: string | null, instrument: Pick<Instrument, "contract_size"> | undefined, rates: Rates,
  quantity: string = position.quantity,
): string | null {
  const level = parse(price);
  const entry = parse(position.entry_price);
  const lots = parse(quantity);
  if (!level || !entry || !lots) return null;
  const up = add(level, negate(entry));
  const way = position.side === "LONG" ? up : negate(up);
  const quote = quoteCurrency(position.symbol);
  const contract = parse(instrument?.contract_size);
  if (quote && contract && contract.n > 0n) {
    const money = convert(toText(multiply(multiply(way, lots), contract)), quote, position.currency, rates);
    if (money !== null) return money;
  }
  const current = parse(position.current_price);
  const profit = parse(position.profit_loss);
  const all = parse(position.quantity);
  if (!current || !profit || !all || profit.n === 0n) return null;
  const moved = add(current, negate(entry));
  const full = position.side === "LONG" ? moved : negate(moved);
  const result = divide(multiply(multiply(profit, way), lots), multiply(full, all), 8);
  return result && toText(result);
}

/** Text of a field as a decimal: blanks (also those between thousands) do not count. */
export function cleanDecimal(text: string): string {
  return text.replace(/[\s  ]/g, "");
}

export type LevelFault = "form" | "digits" | "side" | "near";

export interface LevelRules {
  readonly kind: "stop" | "target";
  readonly side: "LONG" | "SHORT";
  readonly current: string | null;
  readonly digits: number;
  /** Least distance from the current price, points. */
  readonly stopsLevel: number;
}

/** What is wrong with a stop or target; null: nothing, or it is empty (none wanted). */
export function levelFault(text: string, rules: LevelRules): LevelFault | null {
  const clean = cleanDecimal(text);
  if (clean === "") return null;
  const value = parse(clean);
  if (!value || value.n <= 0n) return "form";
  const own = clean.includes(".") ? (clean.split(".")[1] ?? "").replace(/0+$/, "").length : 0;
  if (own > rules.digits) return "digits";
  const current = parse(rules.current);
  if (!current) return null;
  const below = (rules.kind === "stop") === (rules.side === "LONG");
  const order = compare(value, current);
  if (order === 0 || (order < 0) !== below) return "side";
  const gap = add(value, negate(current));
  const least: Decimal = { n: BigInt(rules.stopsLevel), scale: rules.digits };
  return compare(gap.n < 0n ? negate(gap) : gap, least) < 0 ? "near" : null;
}

/** The price moved by whole points, never below one point. */
export function nudge(text: string, points: number, digits: number): string | null {
  const value = parse(cleanDecimal(text));
  if (!value) return null;
  const next = add(value, { n: BigInt(points), scale: digits });
  return next.n <= 0n ? null : fixed(next, digits);
}

/** Whether two texts say the same number, or both none. */
export function sameLevel(a: string | null, b: string | null): boolean {
  const x = parse(a);
  const y = parse(b);
  return x && y ? compare(x, y) === 0 : !x && !y;
}

export type VolumeFault = "form" | "more" | "least" | "step" | "rest";

/** What is wrong with a part to close: it is a multiple of the step, and what stays open is enough to be a position. */
export function partFault(
  text: string, whole: string, rules: Pick<Instrument, "volume_min" | "volume_step"> | undefined,
): VolumeFault | null {
  const part = parse(cleanDecimal(text));
  const all = parse(whole);
  if (!part || part.n <= 0n || !all) return "form";
  const order = compare(part, all);
  if (order > 0) return "more";
  if (order === 0) return null;
  const least = parse(rules?.volume_min);
  if (least && compare(part, least) < 0) return "least";
  const step = parse(rules?.volume_step);
  if (step && step.n > 0n) {
    const scale = Math.max(step.scale, part.scale);
    const units = (d: Decimal): bigint => d.n * 10n ** BigInt(scale - d.scale);
    if (units(part) % units(step) !== 0n) return "step";
  }
  return least && compare(add(all, negate(part)), least) < 0 ? "rest" : null;
}
