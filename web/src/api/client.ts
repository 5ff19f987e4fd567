// SPDX-License-Identifier: MIT
// Requests to the office, typed by its API. A failure is always an ApiError with one sentence for the operator.

import { createStore } from "@/lib/store";
import { isRecord } from "@/lib/storage";
import type { paths } from "./schema";
import type { Problem, SignIn } from "./types";

const REPEAT_MS = 1000;

type Method = "get" | "post" | "put" | "patch" | "delete";
type Operation<P extends keyof paths, M extends Method> = paths[P][M];
export type PathsOf<M extends Method> = {
  [P in keyof paths]: Operation<P, M> extends { responses: unknown } ? P : never;
}[keyof paths];

type Json<T> = T extends { content: { "application/json": infer J } } ? J : undefined;
type Answer<O> = O extends { responses: infer R }
  ? Json<R[Extract<keyof R, 200 | 201 | 202 | 204>]>
  : never;
type PathParams<O> = O extends { parameters: { path: infer P extends object } } ? { path: P } : { path?: undefined };
type QueryParams<O> = O extends { parameters: { query?: infer Q } } ? { query?: Q } : { query?: undefined };
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: B }
  : O extends { requestBody?: { content: { "application/json": infer B } } }
    ? { body?: B }
    : { body?: undefined };
export type Options<O> = PathParams<O> & QueryParams<O> & Body<O> & { signal?: AbortSignal | undefined };

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | null;
  /** Field errors: JSON pointer or parameter name to sentence. */
  readonly fields: Readonly<Record<string, string>>;
  /** Seconds to wait, when the office said so. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null = null) {
    super(problem.detail);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.requestId = problem.instance || null;
    this.fields = Object.fromEntries((problem.errors ?? []).map((e) => [e.pointer.replace(/^\//, ""), e.detail]));
    this.retryAfter = retryAfter;
  }
}

/** Who is signed in: undefined is not known yet, null nobody. The token lives in memory alone. */
export const signIn = createStore<SignIn | null | undefined>(undefined);

/** Ends the sign-in in the page. `own`: by the operator's wish, not because the office ended it. */
export const endedByOffice = createStore(false);

export function signedOut(own: boolean): void {
  endedByOffice.set(!own && Boolean(signIn.get()));
  signIn.set(null);
}

function problemOf(value: unknown, status: number, statusText: string): Problem {
  const given = isRecord(value) ? value : {};
  const text = (name: string, otherwise: string): string => {
    const field = given[name];
    return typeof field === "string" ? field : otherwise;
  };
  const errors = Array.isArray(given["errors"])
    ? given["errors"].filter(
        (e): e is { pointer: string; detail: string } =>
          isRecord(e) && typeof e["pointer"] === "string" && typeof e["detail"] === "string",
      )
    : [];
  return {
    type: text("type", "about:blank"),
    title: text("title", statusText || "Error"),
    status,
    code: text("code", "unknown"),
    detail: text("detail", `The office answered ${status}.`),
    instance: text("instance", ""),
    errors,
  };
}

type Parameter = string | number | boolean | readonly (string | number)[] | null | undefined;

export function address(path: string, params?: Record<string, unknown>, query?: Record<string, Parameter>): string {
  let out = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params?.[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null || value === "") continue;
    search.set(name, typeof value === "object" ? value.join(",") : String(value));
  }
  const text = search.toString();
  if (text) out += `?${text}`;
  return `/api/v1${out}`;
}

/** A word that no other request has. */
function newKey(): string {
  return Array.from(window.crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Sends one request. What trades carries an idempotency key, one for each click: when the answer is lost on its way,
 * the request is sent once more, and the office answers what came of the first. Throws ApiError: code "unreachable"
 * when there is no answer at all. */
export async function call<M extends Method, P extends PathsOf<M>>(
  method: M,
  path: P,
  options: Options<Operation<P, M>>,
): Promise<Answer<Operation<P, M>>> {
  const given = options as {
    path?: Record<string, unknown>;
    query?: Record<string, Parameter>;
    body?: unknown;
    signal?: AbortSignal;
  };
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "get") {
    headers["X-CSRF-Token"] = signIn.get()?.csrf_token ?? "";
    if (given.body !== undefined) headers["Content-Type"] = "application/json";
  }
  const keyed = method !== "get" && path.startsWith("/trading/");
  if (keyed) headers["Idempotency-Key"] = newKey();
  const send = (): Promise<Response> => fetch(address(path, given.path, given.query), {
    method: method.toUpperCase(),
    headers,
    credentials: "same-origin",
    cache: "no-store",
    ...(given.body !== undefined && { body: JSON.stringify(given.body) }),
    ...(given.signal && { signal: given.signal }),
  });
  let response: Response;
  try {
    response = await send().catch(async (cause: unknown) => {
      if (!keyed || given.signal?.aborted) throw cause;
      await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
      return send();
    });
  } catch (cause) {
    if (given.signal?.aborted) throw cause;
    throw new ApiError({
      type: "about:blank", title: "No answer", status: 0, code: "unreachable",
      detail: "The office does not answer.", instance: "",
    });
  }
  const text = await response.text();
  let value: unknown;
  try {
    value = text ? JSON.parse(text) : undefined;
  } catch {
    value = undefined;
  }
  if (!response.ok) {
    const after = Number(response.headers.get("Retry-After") ?? "");
    const error = new ApiError(problemOf(value, response.status, response.statusText), after > 0 ? after : null);
    if (error.code === "sign_in_required") signedOut(false);
    if (error.code === "password_change_required") {
      const who = signIn.get();
      if (who) signIn.set({ ...who, must_change_password: true });
    }
    throw error;
  }
  return value as Answer<Operation<P, M>>;
}
