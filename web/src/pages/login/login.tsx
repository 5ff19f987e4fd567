// SPDX-License-Identifier: MIT
// Signing in. The address stays, so that one comes back to the page that one came from.
import { useEffect, useState, type ReactElement, type ReactNode, type SyntheticEvent } from "react";
import { ApiError, call, signIn } from "@/api/client";
import { choose, usePreference } from "@/lib/preferences";
import { useWords } from "@/i18n";
import { Button, useSentence } from "@/ui/basic";
import { Field } from "@/ui/form";
import { PasswordForm } from "./password";

function Frame({ title, hint, children }: { title: string; hint?: string; children: ReactNode }): ReactElement {
  const t = useWords();
  const language = usePreference("language");
  useEffect(() => {
    document.title = `${title} · ${t.app.name}`;
  }, [title, t]);
  return (
    <main className="flex h-full flex-col items-center justify-center overflow-auto p-4">
      <div className="w-full max-w-88">
        <div className="mb-6 flex items-center gap-3">
          <img src="/icon.svg" alt="" width="32" height="32" />
          <span className="text-xl font-strong">{t.app.name}</span>
        </div>
        <div className="rounded-lg border border-line bg-surface p-6">
          <h1 className="mb-1 text-lg font-strong">{title}</h1>
          {hint && <p className="mb-4 text-muted">{hint}</p>}
          {children}
        </div>
        <div className="mt-3 flex justify-end">
          <Button tone="quiet" icon="globe" small onClick={() => choose({ language: language === "en" ? "ko" : "en" })}>{t.palette.language}</Button>
        </div>
      </div>
    </main>
  );
}

/** `ended`: somebody was signed in before. */
export function Login({ ended, onPassword }: { ended: boolean; onPassword: (password: string) => void }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [wait, setWait] = useState(0);
  useEffect(() => {
    if (wait <= 0) return undefined;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (username === "" || password === "") return;
    setBusy(true);
    setError(null);
    try {
      const answer = await call("post", "/auth/login", { body: { username, password } });
      onPassword(answer.must_change_password ? password : "");
      signIn.set(answer);
    } catch (cause) {
      setError(cause);
      setPassword("");
      if (cause instanceof ApiError && cause.status === 429) setWait(Math.ceil(cause.retryAfter ?? 5));
      setBusy(false);
    }
  };
  const text = wait > 0 ? t.login.wait(wait)
    : error instanceof ApiError && error.code === "invalid_credentials" ? t.login.wrong
      : error instanceof ApiError && error.status === 429 ? null : error === null ? null : sentence(error);
  return (
    <Frame title={t.login.title} hint={ended ? t.login.ended : t.login.hint}>
      <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
        <Field label={t.login.username} value={username} onChange={setUsername} autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus required />
        <Field label={t.login.password} type="password" value={password} onChange={setPassword} autoComplete="current-password" required />
        <p role="alert" className="min-h-5 text-danger">{text}</p>
        <Button type="submit" tone="primary" busy={busy} disabled={wait > 0}>{busy ? t.login.busy : t.login.submit}</Button>
      </form>
    </Frame>
  );
}

export function NewPassword({ known }: { known: string | null }): ReactElement {
  const t = useWords();
  return (
    <Frame title={t.login.newTitle} hint={t.login.newHint}>
      <PasswordForm known={known} onDone={() => undefined} />
    </Frame>
  );
}
