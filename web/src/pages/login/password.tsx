// SPDX-License-Identifier: MIT
// Setting a password of one's own: after the one-time password, and from the menu.
import { useState, type ReactElement, type SyntheticEvent } from "react";
import { ApiError, call, signIn } from "@/api/client";
import { useWords } from "@/i18n";
import { Button, useSentence } from "@/ui/basic";
import { Field } from "@/ui/form";

export const LEAST = 12;

export type PasswordFault = "short" | "same" | "differs" | null;

export function passwordFault(current: string, next: string, repeat: string): PasswordFault {
  if (next.length < LEAST) return "short";
  if (next === current) return "same";
  return next === repeat ? null : "differs";
}

/** `known`: the password just used to sign in; it is not asked for again. */
export function PasswordForm({ onDone, known }: { onDone: () => void; known?: string | null }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const [current, setCurrent] = useState(known ?? "");
  const [next, setNext] = useState("");
  const [repeat, setRepeat] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const fault = passwordFault(current, next, repeat);
  const fields = error instanceof ApiError ? error.fields : {};
  const wrong = error instanceof ApiError && error.code === "invalid_credentials";

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setTried(true);
    if (fault !== null || current === "") return;
    setBusy(true);
    setError(null);
    try {
      const answer = await call("post", "/auth/password", { body: { current, new: next } });
      signIn.set(answer);
      onDone();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  const nextError = fields["new"] ?? (tried && fault === "short" ? t.login.short : tried && fault === "same" ? t.login.same : null);
  return (
    <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)} noValidate>
      {!known && (
        <Field label={t.login.current} type="password" autoComplete="current-password" data-autofocus value={current} onChange={setCurrent}
          error={wrong ? t.login.wrong : tried && current === "" ? t.users.required : null} />
      )}
      <Field label={t.login.next} type="password" autoComplete="new-password" value={next} onChange={setNext} hint={t.login.short} error={nextError}
        autoFocus={Boolean(known)} />
      <Field label={t.login.repeat} type="password" autoComplete="new-password" value={repeat} onChange={setRepeat}
        error={tried && fault === "differs" ? t.login.differs : null} />
      {error !== null && !(wrong && !known) && Object.keys(fields).length === 0 && <p role="alert" className="text-danger">{sentence(error)}</p>}
      <Button type="submit" tone="primary" busy={busy}>{t.login.set}</Button>
    </form>
  );
}
