// SPDX-License-Identifier: MIT
// Colours for drawings on a canvas, read from the tokens; new when theme or convention changes.
import { useMemo } from "react";
import { usePreference } from "@/lib/preferences";
import { useMedia } from "@/lib/hooks";

export interface ChartColours {
  /** What the tokens depended on when they were read. */
  readonly key: string;
  readonly text: string;
  readonly line: string;
  readonly accent: string;
  readonly gain: string;
  readonly loss: string;
  readonly muted: string;
}

// The attributes on the root follow the preferences before anything is drawn.
function readColours(key: string): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return { key, text: read("--text"), line: read("--line"), accent: read("--accent"), gain: read("--gain"), loss: read("--loss"), muted: read("--muted") };
}

export function useChartColours(): ChartColours {
  const theme = usePreference("theme");
  const colours = usePreference("colours");
  const light = useMedia("(prefers-color-scheme: light)");
  const key = `${theme} ${colours} ${String(light)}`;
  return useMemo(() => readColours(key), [key]);
}
