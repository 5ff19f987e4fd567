// SPDX-License-Identifier: MIT
// Closed trades, page after page.
import { useInfiniteQuery, type InfiniteData, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { call } from "./client";
import type { paths } from "./schema";

type Query = NonNullable<paths["/dashboard/trades"]["get"]["parameters"]["query"]>;
export type TradeFilter = Omit<Query, "cursor" | "limit">;
export type TradePage = Awaited<ReturnType<typeof readTrades>>;

const readTrades = (filter: TradeFilter, limit: number, cursor: string | null, signal?: AbortSignal) =>
  call("get", "/dashboard/trades", { query: { ...filter, limit, ...(cursor !== null && { cursor }) }, signal });

/** Newest first; the pages grow by fetchNextPage. */
export function useTrades(filter: TradeFilter, limit: number): UseInfiniteQueryResult<InfiniteData<TradePage>> {
  return useInfiniteQuery({
    queryKey: ["trades", filter, limit],
    queryFn: ({ pageParam, signal }) => readTrades(filter, limit, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
  });
}
