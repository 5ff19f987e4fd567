// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import { choiceParam, intParam, listParam, textParam, withParams } from "@/lib/address";
import { address } from "@/api/client";

describe("the address as state", () => {
  test("defaults leave the address, unknown values read as the default", () => {
    const period = choiceParam(["1h", "24h"], "24h");
    expect(period.read("1h")).toBe("1h");
    expect(period.read("13h")).toBe("24h");
    expect(period.read(null)).toBe("24h");
    expect(period.write("24h")).toBeNull();
    expect(period.write("1h")).toBe("1h");
    expect(textParam.write("")).toBeNull();
  });
  test("lists survive commas and percent signs", () => {
    const value = ["a,b", "50%", "%2C"];
    expect(listParam.read(listParam.write(value))).toEqual(value);
    expect(listParam.read("")).toEqual([]);
    expect(listParam.write([])).toBeNull();
  });
  test("integers", () => {
    const page = intParam(1);
    expect(page.read("7")).toBe(7);
    for (const bad of ["-1", "1.5", "x", "", "99999999999"]) expect(page.read(bad)).toBe(1);
  });
  test("one parameter changes, the others stay", () => {
    expect(withParams("?a=1&b=2", { a: null })).toBe("?b=2");
    expect(withParams("", { q: "x y&z" })).toBe("?q=x+y%26z");
    expect(withParams("?q=1", { q: null })).toBe("");
  });
});

describe("addresses of requests", () => {
  test("path parameters are escaped, empty ones of the query left out, lists joined", () => {
    expect(address("/trading/positions/{account_id}/{position_id}", { account_id: "a/b", position_id: "1?x" })).toBe("/api/v1/trading/positions/a%2Fb/1%3Fx");
    expect(address("/users", {}, { search: "", limit: 5, user_ids: [1, 2], status: undefined, x: null })).toBe("/api/v1/users?limit=5&user_ids=1%2C2");
  });
});
