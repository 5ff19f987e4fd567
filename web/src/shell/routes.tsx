// SPDX-License-Identifier: MIT
// The pages: each is code of its own, loaded when it is first shown (or when the pointer rests on its link).
import { lazy, type ComponentType } from "react";
import type { Dictionary } from "@/i18n";
import { loadPart } from "@/lib/part";
import type { IconName } from "@/ui/icons";

export interface Route {
  readonly path: string;
  readonly word: keyof Omit<Dictionary["nav"], "label">;
  readonly icon: IconName;
  readonly load: () => Promise<{ default: ComponentType }>;
  readonly Page: ComponentType;
}

function route(path: string, word: Route["word"], icon: IconName, load: Route["load"]): Route {
  return { path, word, icon, load, Page: lazy(() => loadPart(load)) };
}

export const routes: readonly Route[] = [
  route("/", "overview", "dashboard", () => import("@/pages/overview")),
  route("/users", "users", "users", () => import("@/pages/users")),
  route("/trading", "trading", "trading", () => import("@/pages/trading")),
  route("/history", "history", "history", () => import("@/pages/history")),
];

export const routeOf = (path: string): Route | undefined => routes.find((r) => r.path === path);
