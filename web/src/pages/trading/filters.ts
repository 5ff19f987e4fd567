// SPDX-License-Identifier: MIT
// Which positions are shown: kept in the address.

import type { Position } from "@/api/types";
import { choiceParam, listParam, textParam } from "@/lib/address";
import { timeframes } from "./bars";

export const sides = ["all", "LONG", "SHORT"] as const;
export type SideChoice = (typeof sides)[number];

export const userParam = textParam;
export const symbolsParam = listParam;
export const sideParam = choiceParam(sides, "all");
export const timeframeParam = choiceParam(timeframes, "1m");
/** The position whose lines the chart shows: positionKey. */
export const selectedParam = textParam;

export interface PositionFilters {
  /** Part of the e-mail or of the account's id; case does not matter. */
  readonly user: string;
  readonly symbols: readonly string[];
  readonly side: SideChoice;
}

export const anyFilter = (f: PositionFilters): boolean => f.user.trim() !== "" || f.symbols.length > 0 || f.side !== "all";

export function filterPositions(positions: readonly Position[], filters: PositionFilters): readonly Position[] {
  if (!anyFilter(filters)) return positions;
  const user = filters.user.trim().toLowerCase();
  return positions.filter((p) =>
    (user === "" || p.email.toLowerCase().includes(user) || p.account_id.toLowerCase().includes(user)) &&
    (filters.symbols.length === 0 || filters.symbols.includes(p.symbol)) &&
    (filters.side === "all" || p.side === filters.side));
}
