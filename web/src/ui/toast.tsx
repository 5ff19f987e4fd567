// SPDX-License-Identifier: MIT
// Short words on what was done, at the lower right. Errors stay until they are dismissed.
import type { ReactElement } from "react";
import { ApiError } from "@/api/client";
import { createStore, useStore } from "@/lib/store";
import { useWords } from "@/i18n";
import { Button, useSentence } from "./basic";
import { Icon } from "./icons";

interface Toast {
  readonly id: number;
  readonly kind: "done" | "error";
  readonly text: string | null;
  readonly error: unknown;
}

const toasts = createStore<readonly Toast[]>([]);
let next = 1;

function show(toast: Omit<Toast, "id">): void {
  const id = next++;
  toasts.set([...toasts.get(), { ...toast, id }].slice(-4));
  if (toast.kind === "done") setTimeout(() => dismiss(id), 5000);
}

function dismiss(id: number): void {
  toasts.set(toasts.get().filter((t) => t.id !== id));
}

export const tellDone = (text: string): void => show({ kind: "done", text, error: null });
export const tellError = (error: unknown): void => show({ kind: "error", text: null, error });
export const tellProblem = (text: string): void => show({ kind: "error", text, error: null });

const whole = (list: readonly Toast[]): readonly Toast[] => list;

export function Toasts(): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const list = useStore(toasts, whole);
  return (
    <div className="pointer-events-none fixed right-4 bottom-4 z-40 flex w-80 max-w-[calc(100%-32px)] flex-col gap-2 max-sm:bottom-18">
      <div role="status" className="contents">
        {list.map((toast) => (
          <div key={toast.id} className="pointer-events-auto flex items-start gap-2 rounded-lg border border-edge bg-raised py-2 pr-1 pl-3">
            <Icon name={toast.kind === "done" ? "check" : "warning"} className={`mt-1 ${toast.kind === "done" ? "text-accent" : "text-danger"}`} />
            <p className="min-w-0 flex-1 py-0.5 break-words">
              {toast.text ?? sentence(toast.error)}
              {toast.error instanceof ApiError && toast.error.requestId && toast.error.status >= 500 && (
                <span className="block text-sm text-muted select-all">{t.common.requestId(toast.error.requestId)}</span>
              )}
            </p>
            <Button tone="quiet" small iconOnly icon="close" onClick={() => dismiss(toast.id)}>{t.common.close}</Button>
          </div>
        ))}
      </div>
    </div>
  );
}
