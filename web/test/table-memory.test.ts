// SPDX-License-Identifier: MIT
import { describe, expect, test } from "vitest";
import { compareValues, keepOrder, loadMemory, saveMemory, seenRows } from "@/lib/table-memory";
import type { Box } from "@/lib/storage";

function box(content: Record<string, string> = {}): Box & { content: Record<string, string> } {
  return { content, getItem: (key) => content[key] ?? null, setItem: (key, value) => { content[key] = value; } };
}

describe("what a table remembers", () => {
  const columns = ["email", "balance"];
  test("comes back", () => {
    const kept = box();
    expect(saveMemory("users", { sort: { id: "balance", desc: true }, hidden: ["email"] }, kept)).toBe(true);
    expect(loadMemory("users", columns, kept)).toEqual({ sort: { id: "balance", desc: true }, hidden: ["email"] });
    expect(loadMemory("other", columns, kept)).toBeNull();
  });
  test("columns that are gone and broken contents are forgotten", () => {
    const old = box({ "perigee.table.users": JSON.stringify({ sort: { id: "gone", desc: false }, hidden: ["email", "gone", 7] }) });
    expect(loadMemory("users", columns, old)).toEqual({ sort: null, hidden: ["email"] });
    for (const text of ["", "{", "[]", "null", "7"]) expect(loadMemory("users", columns, box({ "perigee.table.users": text }))).toBeNull();
  });
  test("a full storage is no error", () => {
    const full: Box = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("full"); } };
    expect(saveMemory("users", { sort: null, hidden: [] }, full)).toBe(false);
    expect(loadMemory("users", columns, full)).toBeNull();
  });
});

describe("rows", () => {
  test("only those that are seen, with some more", () => {
    expect(seenRows(0, 320, 32, 1000, 4)).toEqual({ first: 0, last: 14 });
    expect(seenRows(3200, 320, 32, 1000, 4)).toEqual({ first: 96, last: 114 });
    expect(seenRows(99_999, 320, 32, 10, 4)).toEqual({ first: 10, last: 10 });
    expect(seenRows(0, 320, 32, 0)).toEqual({ first: 0, last: 0 });
  });
  test("nothing moves under the pointer: old order, new rows behind, gone ones out", () => {
    const rows = ["d", "a", "b"].map((id) => ({ id }));
    expect(keepOrder(rows, (r) => r.id, ["a", "b", "c"]).map((r) => r.id)).toEqual(["a", "b", "d"]);
  });
  test("order of values", () => {
    expect([3, null, -1].sort(compareValues)).toEqual([null, -1, 3]);
    expect(["b", "", "a", undefined].sort(compareValues).slice(0, 3)).toEqual(["", "a", "b"]);
    expect(compareValues(true, false)).toBe(1);
    expect(["demo10", "demo9", "가", "demo100"].sort(compareValues)).toEqual(["demo9", "demo10", "demo100", "가"]);
  });
});
