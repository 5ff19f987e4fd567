// SPDX-License-Identifier: MIT
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { createStore, sameArray, useStore } from "@/lib/store";

describe("values outside React", () => {
  test("listeners hear changes only, and may leave while they are told", () => {
    const store = createStore(1);
    const heard: number[] = [];
    const leave = store.subscribe(() => {
      heard.push(store.get());
      leave();
    });
    store.set(1);
    store.set(2);
    store.set(3);
    expect(heard).toEqual([2]);
  });
  test("a value that is undefined can be read", () => {
    const store = createStore<string | undefined>(undefined);
    const Show = () => createElement("b", null, String(useStore(store, (value) => value)));
    expect(renderToString(createElement(Show))).toBe("<b>undefined</b>");
  });
  test("arrays are the same by their items", () => {
    const a = {};
    expect(sameArray([a, 1], [a, 1])).toBe(true);
    expect(sameArray([a], [{}])).toBe(false);
    expect(sameArray([1], [1, 2])).toBe(false);
  });
});
