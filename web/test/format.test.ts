// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import * as f from "@/lib/format";

const T = " ";

describe("numbers", () => {
  test("thousands, precision, missing", () => {
    expect(f.number("1234567.891", 2)).toBe(`1${T}234${T}567.89`);
    expect(f.number("-1000")).toBe(`−1${T}000`);
    expect(f.number("999")).toBe("999");
    expect(f.number("12.50")).toBe("12.50");
    expect(f.number(null)).toBe("—");
    expect(f.number("abc", 2)).toBe("—");
  });
  test("profit has a sign unless it rounds to zero", () => {
    expect(f.signed("3.4")).toBe("+3.40");
    expect(f.signed("-3.456")).toBe("−3.46");
    expect(f.signed("0.001")).toBe("0.00");
    expect(f.signed("-0.001")).toBe("0.00");
    expect(f.profit("1234.5", "KRW")).toBe(`+1${T}235`);
    expect(f.profit("1234.5", "USD")).toBe(`+1${T}234.50`);
  });
  test("percent and share", () => {
    expect(f.percent("-0.125")).toBe(`−0.13${T}%`);
    expect(f.share(0.625)).toBe(`63${T}%`);
    expect(f.share(null)).toBe("—");
    expect(f.share(NaN)).toBe("—");
  });
  test("volumes lose needless zeros but keep two digits", () => {
    expect(f.volume("0.50000000")).toBe("0.50");
    expect(f.volume("0.01500000")).toBe("0.015");
    expect(f.volume("1200")).toBe(`1${T}200.00`);
    expect(f.volume("10")).toBe("10.00");
    expect(f.volume("")).toBe("—");
  });
});

describe("times", () => {
  test("durations", () => {
    expect(f.duration(0)).toBe(`0${T}s`);
    expect(f.duration(59.9)).toBe(`59${T}s`);
    expect(f.duration(187)).toBe("3:07");
    expect(f.duration(7380)).toBe("2:03:00");
    expect(f.duration(4 * 86_400 + 2 * 3600 + 180)).toBe(`4${T}d 02:03`);
    expect(f.duration(-1)).toBe("—");
    expect(f.duration(null)).toBe("—");
  });
  test("ages", () => {
    expect(f.age(-50)).toBe(`0${T}s`);
    expect(f.age(2_400)).toBe(`2${T}s`);
    expect(f.age(60_000)).toBe(`1${T}min`);
    expect(f.age(7_200_000)).toBe(`2${T}h`);
    expect(f.age(90_000_000)).toBe(`1${T}d`);
  });
  test("RFC 3339 in UTC is shown as it is, anything else not at all", () => {
    expect(f.dateTime("2026-11-25T14:03:20.123Z")).toBe("2026-11-25 14:03:20");
    expect(f.clock("2026-11-25T14:03:20Z")).toBe("14:03:20");
    expect(f.date("2026-11-25T14:03:20Z")).toBe("2026-11-25");
    expect(f.clock("yesterday")).toBe("—");
    expect(f.dateTime("2026-11-25T14:03:20+09:00")).toBe("—");
    expect(f.millis("nonsense")).toBeNull();
  });
});
