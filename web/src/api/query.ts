// SPDX-License-Identifier: MIT
// What is read by request and remembered; live rows come over the WebSocket instead (see live/).

import { QueryClient, keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { ApiError, call, signIn } from "./client";
import { useStore } from "@/lib/store";
import type { Overview, Performance, SignIn } from "./types";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // the office may be on this machine: it is there without a network
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
      retryDelay: (count) => Math.min(1000 * 2 ** count, 5000),
    },
    mutations: { networkMode: "always", retry: false },
  },
});

const whole = (value: SignIn | null | undefined): SignIn | null | undefined => value;

/** undefined: not known yet; null: nobody. */
export function useSignIn(): SignIn | null | undefined {
  return useStore(signIn, whole);
}

const RANK = { viewer: 0, trader: 1, admin: 2 } as const;

/** Whether the operator's role allows it. The office decides; this only spares a click that cannot work. */
export function useMay(role: keyof typeof RANK): boolean {
  const who = useSignIn();
  return who ? RANK[who.role] >= RANK[role] : false;
}

export function useOverview(): UseQueryResult<Overview> {
  return useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => call("get", "/dashboard/overview", { signal }),
    refetchInterval: 15_000,
  });
}

/** The reporting currency; USD until it is known. */
export function useCurrency(): string {
  return useOverview().data?.currency ?? "USD";
}

export type Period = Performance["period"];

export function usePerformance(period: Period): UseQueryResult<Performance> {
  return useQuery({
    queryKey: ["performance", period],
    queryFn: ({ signal }) => call("get", "/dashboard/performance", { query: { period }, signal }),
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });
}
