// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import { add, compareText, convert, divide, fixed, multiply, parse, sign, subtractText, sum, toText } from "@/lib/decimal";

const d = (text: string) => {
  const value = parse(text);
  if (!value) throw new Error(text);
  return value;
};

describe("decimal texts", () => {
  test("what is no decimal is null", () => {
    for (const text of ["", "-", ".5", "5.", "1e3", "+1", " 1", "1,5", "NaN", "0x10", "--1", null, undefined]) {
      expect(parse(text)).toBeNull();
    }
  });
  test("digits beyond a float stay", () => {
    expect(toText(add(d("9007199254740993.00000001"), d("0.00000002")))).toBe("9007199254740993.00000003");
    expect(toText(add(d("0.1"), d("0.2")))).toBe("0.3");
  });
  test("rounding is half away from zero", () => {
    expect(fixed(d("1.005"), 2)).toBe("1.01");
    expect(fixed(d("-1.005"), 2)).toBe("-1.01");
    expect(fixed(d("1.0049999"), 2)).toBe("1.00");
    expect(fixed(d("0.5"), 0)).toBe("1");
    expect(fixed(d("-0.4"), 0)).toBe("0");
    expect(fixed(d("7"), 3)).toBe("7.000");
    expect(fixed(d("-0.05"), 2)).toBe("-0.05");
  });
  test("order of texts is numeric, missing first", () => {
    expect(["10", "9.5", "-3", "0.10", "0.1"].sort(compareText)).toEqual(["-3", "0.10", "0.1", "9.5", "10"]);
    expect(compareText(null, "-5")).toBe(-1);
    expect(compareText("x", null)).toBe(0);
  });
  test("sign", () => {
    expect([sign("-0.00"), sign("0.01"), sign("-3"), sign(null)]).toEqual([0, 1, -1, 0]);
  });
  test("a sum with something missing is unknown", () => {
    expect(sum(["1.10", "2.205"])).toBe("3.305");
    expect(sum([])).toBe("0");
    expect(sum(["1", null])).toBeNull();
    expect(subtractText("1", "1.5")).toBe("-0.5");
  });
  test("products and quotients", () => {
    expect(toText(multiply(d("-1.25"), d("0.2")))).toBe("-0.250");
    expect(divide(d("1"), d("0"), 4)).toBeNull();
    expect(toText(divide(d("1"), d("3"), 4) ?? d("0"))).toBe("0.3333");
  });
  test("conversion goes over the base and refuses missing rates", () => {
    const rates = { EUR: "1.10", JPY: "0.0067" };
    expect(convert("100", "EUR", "USD", rates)).toBe("110.00000000");
    expect(convert("110", "USD", "EUR", rates)).toBe("100.00000000");
    expect(convert("5.5", "GBP", "GBP", rates)).toBe("5.5");
    expect(convert("1", "GBP", "USD", rates)).toBeNull();
    expect(convert("100", "USD", "EUR", { EUR: "1", USD: "0.90" })).toBe("90.00000000"); // another base says so
    expect(convert(null, "USD", "USD", rates)).toBeNull();
  });
});
