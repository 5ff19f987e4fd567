// SPDX-License-Identifier: MIT
// The small parts: buttons, cards, badges, dots, states of a list.
import type { ButtonHTMLAttributes, ReactElement, ReactNode } from "react";
import { ApiError } from "@/api/client";
import { useWords } from "@/i18n";
import { Icon, type IconName } from "./icons";

type Tone = "plain" | "primary" | "danger" | "quiet";

const tones: Readonly<Record<Tone, string>> = {
  plain: "border-edge bg-surface text-text hover:bg-hover",
  primary: "border-accent bg-accent text-on-accent hover:opacity-90",
  danger: "border-danger bg-danger text-on-danger hover:opacity-90",
  quiet: "border-transparent bg-transparent text-muted hover:bg-hover hover:text-text",
};

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: Tone;
  icon?: IconName;
  /** Under way: no second click, and a reader is told. */
  busy?: boolean;
  small?: boolean;
  /** Only the icon is seen; the text is its name. */
  iconOnly?: boolean;
}

export function Button({ tone = "plain", icon, busy, small, iconOnly, children, className, disabled, ...rest }: ButtonProps): ReactElement {
  const box = small ? `h-6 ${iconOnly ? "w-6" : "px-2"} text-sm` : `h-8 ${iconOnly ? "w-8" : "px-3"}`;
  return (
    <button
      type="button" aria-busy={busy} disabled={Boolean(disabled) || Boolean(busy)}
      title={iconOnly && typeof children === "string" ? children : undefined}
      className={`inline-flex shrink-0 items-center justify-center gap-2 rounded-md border whitespace-nowrap transition-colors duration-100 disabled:opacity-50 ${box} ${tones[tone]} ${className ?? ""}`}
      {...rest}
    >
      {icon && <Icon name={icon} size={small ? 14 : 16} />}
      {iconOnly ? <span className="sr-only">{children}</span> : children}
    </button>
  );
}

interface CardProps {
  title?: ReactNode;
  /** To the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** The content brings its own padding (tables). */
  flush?: boolean;
  label?: string;
}

export function Card({ title, actions, children, className, flush, label }: CardProps): ReactElement {
  return (
    <section aria-label={label} className={`flex min-w-0 flex-col rounded-lg border border-line bg-surface ${className ?? ""}`}>
      {(title !== undefined || actions !== undefined) && (
        <header className="flex min-h-10 shrink-0 flex-wrap items-center justify-between gap-x-3 gap-y-1 border-b border-line px-4 py-1">
          <h2 className="text-base font-strong">{title}</h2>
          {actions !== undefined && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
        </header>
      )}
      <div className={`min-h-0 min-w-0 flex-1 ${flush ? "" : "p-4"}`}>{children}</div>
    </section>
  );
}

export type Meaning = "gain" | "loss" | "warning" | "danger" | "info" | "plain" | "accent";

const meanings: Readonly<Record<Meaning, string>> = {
  gain: "bg-gain-soft text-gain",
  loss: "bg-loss-soft text-loss",
  warning: "bg-warning-soft text-warning",
  danger: "bg-danger-soft text-danger",
  info: "bg-info-soft text-info",
  accent: "bg-accent-soft text-accent",
  plain: "bg-line text-muted",
};

export function Badge({ meaning = "plain", children, title }: { meaning?: Meaning; children: ReactNode; title?: string }): ReactElement {
  return (
    <span title={title} className={`inline-flex h-5 items-center gap-1 rounded px-2 text-sm whitespace-nowrap ${meanings[meaning]}`}>
      {children}
    </span>
  );
}

/** The side of a position: an arrow and a word, in a colour. */
export function Side({ side }: { side: "LONG" | "SHORT" | "CLOSE" }): ReactElement {
  const t = useWords();
  if (side === "CLOSE") return <span className="text-muted">{t.common.closeSide}</span>;
  const long = side === "LONG";
  return (
    <span className={`inline-flex items-center gap-1 whitespace-nowrap ${long ? "text-gain" : "text-loss"}`}>
      <Icon name={long ? "up" : "down"} size={9} />
      {long ? t.common.long : t.common.short}
    </span>
  );
}

export type DotShape = "ok" | "warning" | "bad" | "off";

/** State by shape as well as colour: full disc, triangle, square, ring. */
export function Dot({ shape }: { shape: DotShape }): ReactElement {
  return (
    <svg aria-hidden="true" width="10" height="10" viewBox="0 0 10 10" className="shrink-0">
      {shape === "ok" && <circle cx="5" cy="5" r="4" style={{ fill: "var(--green)" }} />}
      {shape === "warning" && <path d="M5 .8 9.6 9H.4z" style={{ fill: "var(--warning)" }} />}
      {shape === "bad" && <rect x="1" y="1" width="8" height="8" style={{ fill: "var(--danger)" }} />}
      {shape === "off" && <circle cx="5" cy="5" r="3.4" fill="none" strokeWidth="1.4" style={{ stroke: "var(--muted)" }} />}
    </svg>
  );
}

export function Skeleton({ className, lines = 1 }: { className?: string; lines?: number }): ReactElement {
  return (
    <span aria-hidden="true" className="flex flex-col gap-2">
      {Array.from({ length: lines }, (_, i) => <span key={i} className={`skeleton block h-3 ${className ?? "w-full"}`} />)}
    </span>
  );
}

interface StateProps {
  title: string;
  hint?: ReactNode;
  action?: ReactNode;
  icon?: IconName;
}

/** What is empty, and what to do. */
export function EmptyState({ title, hint, action, icon }: StateProps): ReactElement {
  return (
    <div className="flex min-h-28 flex-col items-center justify-center gap-1 px-4 py-6 text-center">
      {icon && <Icon name={icon} size={20} className="mb-1 text-muted" />}
      <p className="font-strong">{title}</p>
      {hint !== undefined && <p className="max-w-96 text-muted">{hint}</p>}
      {action !== undefined && <div className="mt-3">{action}</div>}
    </div>
  );
}

/** One sentence for the operator; the office's own where no better one is known here. */
export function useSentence(): (error: unknown) => string {
  const t = useWords();
  return (error) => {
    if (!(error instanceof ApiError)) return error instanceof Error ? error.message : t.errors.title;
    switch (error.code) {
      case "unreachable": return t.errors.unreachable;
      case "engine_unavailable": return t.errors.engine_unavailable;
      case "history_unavailable": return t.errors.history_unavailable;
      case "internal": return t.errors.internal;
      case "too_many_requests": return t.errors.too_many_requests;
      case "forbidden": return t.errors.forbidden;
      default: return error.message;
    }
  };
}

export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const id = error instanceof ApiError ? error.requestId : null;
  return (
    <div role="alert" className="flex min-h-28 flex-col items-center justify-center gap-1 px-4 py-6 text-center">
      <Icon name="warning" size={20} className="mb-1 text-warning" />
      <p className="font-strong">{t.errors.title}</p>
      <p className="max-w-96 text-muted">{sentence(error)}</p>
      {id && <p className="text-sm text-muted select-all">{t.common.requestId(id)}</p>}
      {retry && <div className="mt-3"><Button icon="refresh" onClick={retry}>{t.common.retry}</Button></div>}
    </div>
  );
}

export function Forbidden({ role }: { role: "trader" | "admin" }): ReactElement {
  const t = useWords();
  return <EmptyState icon="key" title={t.errors.forbidden} hint={t.errors.forbiddenHint(t.roles[role])} />;
}

/** A choice of few: looks like one control, is a group of buttons. */
export function Segments<T extends string>({ label, value, choices, onChange }: {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}): ReactElement {
  return (
    <div role="group" aria-label={label} className="flex rounded-md border border-line p-0.5">
      {choices.map(([id, text]) => (
        <button
          key={id} type="button" aria-pressed={id === value} onClick={() => onChange(id)}
          className={`h-6 rounded px-2 text-sm whitespace-nowrap ${id === value ? "bg-line text-text" : "text-muted hover:text-text"}`}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
