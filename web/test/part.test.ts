// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import { loadPart } from "@/lib/part";

const failing = (times: number): { load: () => Promise<string>; asked: () => number } => {
  let count = 0;
  return {
    load: () => {
      count += 1;
      return count <= times ? Promise.reject(new Error("no chunk")) : Promise.resolve("chunk");
    },
    asked: () => count,
  };
};

describe("a part of the dashboard", () => {
  const waits: number[] = [];
  const wait = (ms: number): Promise<void> => {
    waits.push(ms);
    return Promise.resolve();
  };
  test("waits for an office that is away, however long", async () => {
    const part = failing(40);
    expect(await loadPart(part.load, () => Promise.resolve(false), wait)).toBe("chunk");
    expect(part.asked()).toBe(41);
    expect(waits.slice(0, 6)).toEqual([250, 500, 1000, 2000, 3000, 3000]);
  });
  test("is given up when the office answers and it does not come", async () => {
    const part = failing(40);
    await expect(loadPart(part.load, () => Promise.resolve(true), wait)).rejects.toThrow("no chunk");
    expect(part.asked()).toBe(4);
  });
  test("comes at once where nothing is wrong", async () => {
    const part = failing(0);
    expect(await loadPart(part.load, () => Promise.reject(new Error("not asked")), wait)).toBe("chunk");
  });
});
