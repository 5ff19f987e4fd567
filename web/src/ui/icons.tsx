// SPDX-License-Identifier: MIT
// Line icons of 16 px, drawn in the colour of the text. They are always beside a word or on a labelled button.
import type { ReactElement } from "react";

const paths = {
  dashboard: "M2 9.5h4V14H2zM2 2h4v4.5H2zM9 2h5v3H9zM9 8h5v6H9z",
  users: "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 14c0-2.5 2-4.2 4.5-4.2s4.5 1.7 4.5 4.2M11 7a2.2 2.2 0 1 0-.8-4.2M12 9.9c1.6.4 2.6 1.7 2.6 3.6",
  trading: "M4 1.5V4M4 9.5V14M2.5 4h3v5.5h-3zM11.5 2v3M11.5 11v3M10 5h3v6h-3z",
  history: "M2.5 8a5.5 5.5 0 1 0 1.7-4M2 2.5v2.7h2.7M8 5v3.2l2.2 1.3",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7 14 14",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  columns: "M2 3h12v10H2zM6 3v10M10 3v10",
  plus: "M8 3v10M3 8h10",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.7 1.8v2.7H11",
  power: "M8 1.8V8M4.6 3.8a5.5 5.5 0 1 0 6.8 0",
  login: "M6.5 2H13v12H6.5M2 8h7M6.5 5.2 9.3 8l-2.8 2.8",
  logout: "M9.5 2H3v12h6.5M7 8h7M11.2 5.2 14 8l-2.8 2.8",
  edit: "M2.5 13.5l.7-3L10.6 3l2.4 2.4-7.5 7.4z",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.6 6.5v4.5M9.4 6.5v4.5",
  user: "M8 7.5A2.8 2.8 0 1 0 8 2a2.8 2.8 0 0 0 0 5.5zM2.8 14c0-2.7 2.3-4.5 5.2-4.5s5.2 1.8 5.2 4.5",
  key: "M10.5 7.5a3 3 0 1 0-2.8-2L2 11.2V14h2.8v-1.8h1.7v-1.7h1.6l1-1",
  check: "M3 8.5l3.3 3.3L13 4.5",
  info: "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4zM8 7.2v4M8 4.8h.01",
  warning: "M8 2 1.5 13.5h13zM8 6.5v3.2M8 11.6h.01",
  download: "M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  up: "M8 3.5 13 12H3z",
  down: "M8 12.5 3 4h10z",
  chevron: "M4 6l4 4 4-4",
  moon: "M13 9.6A5.5 5.5 0 1 1 6.4 3a4.6 4.6 0 0 0 6.6 6.6z",
  globe: "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4zM1.8 8h12.4M8 1.8c2 2 2.6 4 2.6 6.2S10 12.2 8 14.2C6 12.2 5.4 10.2 5.4 8S6 3.8 8 1.8z",
  stop: "M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4zM5.2 8h5.6",
  play: "M4.5 2.5v11l8.5-5.5z",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16, className }: { name: IconName; size?: number; className?: string }): ReactElement {
  const solid = name === "up" || name === "down";
  return (
    <svg
      aria-hidden="true" width={size} height={size} viewBox="0 0 16 16" className={`shrink-0 ${className ?? ""}`}
      fill={solid ? "currentColor" : "none"} stroke={solid ? "none" : "currentColor"} strokeWidth="1.4"
      strokeLinecap={name === "more" ? "round" : "round"} strokeLinejoin="round"
    >
      <path d={paths[name]} strokeWidth={name === "more" ? 2.4 : undefined} />
    </svg>
  );
}
