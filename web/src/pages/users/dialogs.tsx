// SPDX-License-Identifier: MIT
// Adding, editing, logging out and deleting users.
import { useState, type ReactElement, type SyntheticEvent } from "react";
import { ApiError, call } from "@/api/client";
import type { UserCreate, UserUpdate } from "@/api/types";
import { useWords } from "@/i18n";
import { Button, useSentence } from "@/ui/basic";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { Check, Field } from "@/ui/form";
import { tellDone, tellProblem } from "@/ui/toast";
import { forEach, type UserRow } from "./rows";

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** Without a row: a new user. */
export function UserDialog({ row, onClose }: { row: UserRow | null; onClose: () => void }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const old = row?.user;
  const [email, setEmail] = useState(old?.email ?? "");
  const [name, setName] = useState(old?.name ?? "");
  const [password, setPassword] = useState("");
  const [brokerId, setBrokerId] = useState("");
  const [active, setActive] = useState(old?.is_active ?? true);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const fields = error instanceof ApiError ? error.fields : {};
  const badEmail = !EMAIL.test(email);
  const badPassword = !old && password === "";

  const save = async (): Promise<void> => {
    if (old) {
      const body: UserUpdate = {
        ...(name !== (old.name ?? "") && { name: name === "" ? null : name }),
        ...(password !== "" && { password }),
        ...(active !== old.is_active && { is_active: active }),
      };
      await call("put", "/users/{id}", { path: { id: old.id }, body });
      tellDone(t.users.saved(old.email));
    } else {
      const body: UserCreate = {
        email, password, is_active: active, ...(name !== "" && { name }), ...(brokerId !== "" && { broker_id: brokerId }),
      };
      await call("post", "/users", { body });
      tellDone(t.users.added(email));
    }
  };
  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setTried(true);
    if (badEmail || badPassword) return;
    setBusy(true);
    setError(null);
    try {
      await save();
      onClose();
    } catch (cause) {
      setError(cause);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={old ? t.users.editTitle(old.email) : t.users.addTitle} onClose={onClose} locked={busy}
      footer={
        <>
          <Button onClick={onClose} disabled={busy}>{t.common.cancel}</Button>
          <Button type="submit" form="user-form" tone="primary" busy={busy}>{busy ? t.common.saving : old ? t.common.save : t.users.add}</Button>
        </>
      }
    >
      <form id="user-form" className="flex flex-col gap-4" onSubmit={(event) => void submit(event)} noValidate autoComplete="off">
        {!old && (
          <Field label={t.users.email} type="email" data-autofocus value={email} onChange={setEmail} spellCheck={false} maxLength={254}
            error={fields["email"] ?? (tried && badEmail ? t.users.invalidEmail : null)} />
        )}
        <Field label={t.users.name} value={name} onChange={setName} maxLength={100} error={fields["name"]} {...(old && { "data-autofocus": true })} />
        <Field label={old ? t.users.newPassword : t.users.password} type="password" autoComplete="new-password" value={password} onChange={setPassword} maxLength={200}
          hint={old ? t.users.keepPassword : t.users.passwordHint} error={fields["password"] ?? (tried && badPassword ? t.users.required : null)} />
        {!old && <Field label={t.users.brokerId} value={brokerId} onChange={setBrokerId} hint={t.users.brokerIdHint} error={fields["broker_id"]} />}
        <Check label={t.users.active} checked={active} onChange={setActive} />
        {error !== null && Object.keys(fields).length === 0 && <p role="alert" className="text-danger">{sentence(error)}</p>}
      </form>
    </Dialog>
  );
}

export function DeleteDialog({ row, onClose }: { row: UserRow; onClose: () => void }): ReactElement {
  const t = useWords();
  const { user, positions } = row;
  return (
    <ConfirmDialog
      title={t.users.removeTitle(user.email)} confirm={t.users.remove} danger blocked={positions > 0} onClose={onClose}
      run={async () => {
        await call("delete", "/users/{id}", { path: { id: user.id } });
        tellDone(t.users.removed(user.email));
      }}
    >
      <p>{positions > 0 ? t.users.removeOpen(positions) : t.users.removeText(user.account_ids.length)}</p>
    </ConfirmDialog>
  );
}

export function LogoutDialog({ rows, onClose }: { rows: readonly UserRow[]; onClose: () => void }): ReactElement {
  const t = useWords();
  const accounts = rows.reduce((n, r) => n + r.user.account_ids.length, 0);
  const positions = rows.reduce((n, r) => n + r.positions, 0);
  return (
    <ConfirmDialog
      title={t.users.logoutTitle(rows.length)} confirm={t.users.logout} danger onClose={onClose}
      run={async () => {
        const [first] = rows;
        if (rows.length === 1 && first) {
          await call("post", "/users/{id}/logout", { path: { id: first.user.id } });
          tellDone(t.users.loggedOut(first.user.email));
          return;
        }
        const { ok, failed } = await forEach(rows, 4, (r) => call("post", "/users/{id}/logout", { path: { id: r.user.id } }));
        const text = t.users.reportOut(ok, failed);
        if (failed > 0) tellProblem(text);
        else tellDone(text);
      }}
    >
      <p>{t.users.logoutText(accounts, positions)}</p>
      <p className="break-words text-muted">{rows.slice(0, 12).map((r) => r.user.email).join(", ")}{rows.length > 12 && " …"}</p>
    </ConfirmDialog>
  );
}
