// SPDX-License-Identifier: MIT
// A click that trades is one request, whatever becomes of its answer.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, call } from "@/api/client";

interface Sent { readonly url: string; readonly key: string | undefined }

let sent: Sent[];
let answers: (Response | Error)[];

beforeEach(() => {
  sent = [];
  answers = [];
  vi.useFakeTimers();
  vi.stubGlobal("window", { crypto: globalThis.crypto });
  vi.stubGlobal("fetch", (url: string, options: RequestInit) => {
    sent.push({ url, key: (options.headers as Record<string, string>)["Idempotency-Key"] });
    const answer = answers.shift() ?? new Response("{}", { status: 200 });
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("each click has a key of its own, and reads have none", async () => {
  await call("post", "/trading/close-all", { body: {} });
  await call("post", "/trading/close-all", { body: {} });
  await call("get", "/trading/positions", {});
  await call("post", "/accounts/sync", { body: {} });
  expect(sent[0]?.key).toMatch(/^[0-9a-f]{32}$/);
  expect(sent[1]?.key).toMatch(/^[0-9a-f]{32}$/);
  expect(sent[0]?.key).not.toBe(sent[1]?.key);
  expect(sent[2]?.key).toBeUndefined();
  expect(sent[3]?.key).toBeUndefined();
});

test("a lost answer is asked for again with the same key, once", async () => {
  answers = [new Error("lost"), new Response("{\"closing_count\":1}", { status: 202 })];
  const done = call("post", "/trading/close-all", { body: {} });
  await vi.runAllTimersAsync();
  expect((await done).closing_count).toBe(1);
  expect(sent).toHaveLength(2);
  expect(sent[0]?.key).toBe(sent[1]?.key);

  answers = [new Error("lost"), new Error("lost")];
  const failed = call("post", "/trading/close-all", { body: {} }).catch((e: unknown) => e);
  await vi.runAllTimersAsync();
  expect(((await failed) as ApiError).code).toBe("unreachable");
  expect(sent).toHaveLength(4);
});

test("what has no key is not repeated", async () => {
  answers = [new Error("lost")];
  const failed = call("post", "/accounts/sync", { body: {} }).catch((e: unknown) => e);
  await vi.runAllTimersAsync();
  expect(((await failed) as ApiError).code).toBe("unreachable");
  expect(sent).toHaveLength(1);
});
