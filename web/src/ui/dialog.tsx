// SPDX-License-Identifier: MIT
// Dialogs are the browser's own: focus stays inside, Esc leaves, focus returns to where it was.
import { useEffect, useId, useRef, useState, type ReactElement, type ReactNode } from "react";
import { useWords } from "@/i18n";
import { Button, useSentence } from "./basic";
import { Icon } from "./icons";

interface DialogProps {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
  footer?: ReactNode;
  /** drawer: at the right edge, full height; on a phone from below. */
  kind?: "dialog" | "drawer";
  /** extra: for tables. */
  wide?: boolean | "extra";
  /** No cross and no Esc: something must be decided or is under way. */
  locked?: boolean;
}

export function Dialog({ title, onClose, children, footer, kind = "dialog", wide, locked }: DialogProps): ReactElement {
  const t = useWords();
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return undefined;
    const before = document.activeElement;
    if (!dialog.open) dialog.showModal();
    const chosen = dialog.querySelector<HTMLElement>("[data-autofocus]");
    chosen?.focus();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const place = kind === "drawer"
    ? "ml-auto mr-0 my-0 h-dvh max-h-dvh w-full sm:w-[420px] max-w-full border-l max-sm:mt-auto max-sm:h-auto max-sm:max-h-[85dvh] max-sm:rounded-t-xl max-sm:border-t max-sm:border-l-0"
    : `m-auto max-h-[90dvh] w-[calc(100%-32px)] rounded-xl border ${wide === "extra" ? "max-w-220" : wide ? "max-w-160" : "max-w-112"}`;
  return (
    <dialog
      ref={ref} aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        if (!locked) onClose();
      }}
      onClose={(event) => {
        // The browser lets Escape be refused once only.
        if (event.target !== ref.current || ref.current.open) return;
        if (locked) ref.current.showModal();
        else onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current && !locked) onClose();
      }}
      className={`flex-col overflow-hidden border-edge bg-raised p-0 text-text open:flex ${place}`}
    >
      <header className="flex h-12 shrink-0 items-center justify-between gap-3 border-b border-line pr-2 pl-4">
        <h2 id={titleId} className="truncate text-lg font-strong">{title}</h2>
        {!locked && <Button tone="quiet" iconOnly icon="close" onClick={onClose}>{t.common.close}</Button>}
      </header>
      <div className="min-h-0 flex-1 overflow-auto p-4">{children}</div>
      {footer !== undefined && (
        <footer className="flex shrink-0 flex-wrap justify-end gap-2 border-t border-line px-4 py-3">{footer}</footer>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** The consequence, in numbers. */
  children: ReactNode;
  confirm: string;
  danger?: boolean;
  /** Not possible now: the reason is in the text, only leaving is offered. */
  blocked?: boolean;
  /** Resolves when it is done; the dialog closes then. A failure is shown here. */
  run: () => Promise<unknown>;
  onClose: () => void;
}

/** A question whose safe answer is chosen beforehand: Enter cancels. */
export function ConfirmDialog({ title, children, confirm, danger, blocked, run, onClose }: ConfirmProps): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await run();
      onClose();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title} onClose={onClose} locked={busy}
      footer={
        <>
          <Button data-autofocus onClick={onClose} disabled={busy}>{t.common.cancel}</Button>
          {!blocked && (
            <Button tone={danger ? "danger" : "primary"} busy={busy} onClick={() => void act()}>{confirm}</Button>
          )}
        </>
      }
    >
      <div className="flex flex-col gap-3">
        {children}
        {error !== null && (
          <p role="alert" className="flex gap-2 text-danger"><Icon name="warning" className="mt-0.5" />{sentence(error)}</p>
        )}
      </div>
    </Dialog>
  );
}
