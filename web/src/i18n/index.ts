// SPDX-License-Identifier: MIT
import { preferences, usePreference } from "@/lib/preferences";
import { en, type Dictionary } from "./en";
import { ko } from "./ko";

const dictionaries: Readonly<Record<"en" | "ko", Dictionary>> = { en, ko };

export type { Dictionary };

/** The words of the chosen language. */
export function useWords(): Dictionary {
  return dictionaries[usePreference("language")];
}

/** The same outside a component (toasts that a request shows). */
export function words(): Dictionary {
  return dictionaries[preferences.get().language];
}
