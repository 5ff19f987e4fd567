// SPDX-License-Identifier: MIT
// What the operator chose for this browser: language, theme, colours of gain and loss, row height, sound.

import { isRecord, load, save } from "./storage";
import { createStore, useStore } from "./store";

export interface Preferences {
  readonly language: "en" | "ko";
  readonly theme: "dark" | "light" | "system";
  readonly colours: "western" | "asian";
  readonly density: "compact" | "comfortable";
}

const oneOf = <T extends string>(value: unknown, choices: readonly T[], otherwise: T): T =>
  choices.find((choice) => choice === value) ?? otherwise;

export function checkPreferences(value: unknown, language: Preferences["language"]): Preferences {
  const given = isRecord(value) ? value : {};
  return {
    language: oneOf(given["language"], ["en", "ko"], language),
    theme: oneOf(given["theme"], ["dark", "light", "system"], "dark"),
    colours: oneOf(given["colours"], ["western", "asian"], "western"),
    density: oneOf(given["density"], ["compact", "comfortable"], "compact"),
  };
}

function browserLanguage(): Preferences["language"] {
  return typeof navigator !== "undefined" && navigator.language.startsWith("ko") ? "ko" : "en";
}

export const preferences = createStore<Preferences>(
  load("preferences", (value) => checkPreferences(value, browserLanguage())) ?? checkPreferences(null, browserLanguage()),
);

function apply(chosen: Preferences): void {
  const root = document.documentElement;
  const light =
    chosen.theme === "light" || (chosen.theme === "system" && window.matchMedia("(prefers-color-scheme: light)").matches);
  root.dataset["theme"] = light ? "light" : "dark";
  root.dataset["colours"] = chosen.colours;
  root.dataset["density"] = chosen.density;
  root.lang = chosen.language;
}

/** Called once, before the first drawing. */
export function watchPreferences(): void {
  apply(preferences.get());
  preferences.subscribe(() => apply(preferences.get()));
  window.matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => apply(preferences.get()));
}

export function choose(change: Partial<Preferences>): void {
  const next = { ...preferences.get(), ...change };
  preferences.set(next);
  save("preferences", next);
}

export function usePreference<K extends keyof Preferences>(key: K): Preferences[K] {
  return useStore(preferences, (value) => value[key]);
}
