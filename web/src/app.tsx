// SPDX-License-Identifier: MIT
// Who is there decides what is shown: the sign-in page, the first change of the password, or the dashboard.
import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useState, type ReactElement } from "react";
import { ApiError, call, endedByOffice, signIn } from "@/api/client";
import { queryClient, useSignIn } from "@/api/query";
import { useStore } from "@/lib/store";
import { useWords } from "@/i18n";
import { Login, NewPassword } from "@/pages/login/login";
import { ErrorState } from "@/ui/basic";
import { Shell } from "@/shell/shell";

const isTrue = (value: boolean): boolean => value;

function Gate(): ReactElement {
  const t = useWords();
  const who = useSignIn();
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  // The one-time password of the sign-in a moment ago, so that it need not be typed again.
  const [known, setKnown] = useState<string | null>(null);
  const ended = useStore(endedByOffice, isTrue);
  useEffect(() => {
    let gone = false;
    call("get", "/auth/me", {}).then(
      (answer) => {
        if (!gone) signIn.set(answer);
      },
      (cause: unknown) => {
        if (!gone && !(cause instanceof ApiError && cause.status === 401)) setError(cause);
      },
    );
    return () => {
      gone = true;
    };
  }, [turn]);
  const name = who?.username;
  useEffect(() => {
    if (name === undefined) return undefined;
    // Nothing that one operator read is shown to the next.
    return () => queryClient.clear();
  }, [name]);

  if (who === undefined) {
    if (error === null) return <span className="sr-only">{t.app.loading}</span>;
    return (
      <main className="flex h-full items-center justify-center">
        <ErrorState error={error} retry={() => {
          setError(null);
          setTurn(turn + 1);
        }} />
      </main>
    );
  }
  if (who === null) {
    return <Login ended={ended} onPassword={(password) => setKnown(password || null)} />;
  }
  if (who.must_change_password) return <NewPassword known={known} />;
  return <Shell />;
}

export function App(): ReactElement {
  return (
    <QueryClientProvider client={queryClient}>
      <Gate />
    </QueryClientProvider>
  );
}
