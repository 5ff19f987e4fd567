// SPDX-License-Identifier: MIT
// The operator's menu: who is signed in, how the dashboard looks, password, sign out.
import { useState, type ReactElement } from "react";
import { call, signedOut } from "@/api/client";
import { useSignIn } from "@/api/query";
import { choose, usePreference } from "@/lib/preferences";
import { age, dateTime } from "@/lib/format";
import { useLive } from "@/live/live";
import { useWords } from "@/i18n";
import { PasswordForm } from "@/pages/login/password";
import { Button, Dot, Segments } from "@/ui/basic";
import { Dialog } from "@/ui/dialog";
import { tellDone, tellError } from "@/ui/toast";
import { useHealth } from "./health";

function HealthList(): ReactElement {
  const t = useWords();
  const time = useLive((s) => s.system?.market_time ?? null);
  const items = useHealth();
  return (
    <dl className="flex flex-col gap-2 sm:hidden">
      {items.map((item) => (
        <div key={item.id} className="flex items-center justify-between">
          <dt className="flex items-center gap-2"><Dot shape={item.shape} />{t.top[item.id]}</dt>
          <dd className="text-muted">{t.states[item.state]}{item.age !== null && ` · ${age(item.age, t.units)}`}</dd>
        </div>
      ))}
      <div className="flex items-center justify-between">
        <dt>{t.top.marketTime}</dt><dd className="text-muted">{dateTime(time)} UTC</dd>
      </div>
    </dl>
  );
}

export function OperatorMenu(): ReactElement {
  const t = useWords();
  const who = useSignIn();
  const [open, setOpen] = useState<"menu" | "password" | null>(null);
  const language = usePreference("language");
  const theme = usePreference("theme");
  const colours = usePreference("colours");
  const density = usePreference("density");
  const leave = async (): Promise<void> => {
    try {
      await call("post", "/auth/logout", {});
    } catch (error) {
      tellError(error);
      return;
    }
    signedOut(true);
  };
  const close = (): void => setOpen(null);
  return (
    <>
      <Button tone="quiet" icon="user" aria-haspopup="dialog" onClick={() => setOpen("menu")} className="max-lg:w-8 max-lg:px-0" title={t.top.menu}>
        <span className="max-lg:sr-only">{who?.username ?? t.top.operator}</span>
      </Button>
      {open === "menu" && (
        <Dialog kind="drawer" title={who?.username ?? t.top.operator} onClose={close}>
          <div className="flex flex-col gap-6">
            <p className="text-muted">{who ? t.roles[who.role] : ""}</p>
            <HealthList />
            <div className="flex flex-col gap-4">
              <div className="flex items-center justify-between gap-3">
                <span>{t.top.language}</span>
                <Segments label={t.top.language} value={language} onChange={(value) => choose({ language: value })} choices={[["en", "English"], ["ko", "한국어"]]} />
              </div>
              <div className="flex items-center justify-between gap-3">
                <span>{t.top.theme}</span>
                <Segments label={t.top.theme} value={theme} onChange={(value) => choose({ theme: value })}
                  choices={[["dark", t.top.dark], ["light", t.top.light], ["system", t.top.system]]} />
              </div>
              <div className="flex items-center justify-between gap-3">
                <span>{t.top.density}</span>
                <Segments label={t.top.density} value={density} onChange={(value) => choose({ density: value })}
                  choices={[["compact", t.top.compact], ["comfortable", t.top.comfortable]]} />
              </div>
              <div className="flex flex-col gap-2">
                <span>{t.top.colours}</span>
                <Segments label={t.top.colours} value={colours} onChange={(value) => choose({ colours: value })}
                  choices={[["western", t.top.western], ["asian", t.top.asian]]} />
              </div>
            </div>
            <div className="flex flex-col gap-2 border-t border-line pt-4">
              <Button icon="key" onClick={() => setOpen("password")}>{t.top.changePassword}</Button>
              <Button icon="logout" onClick={() => void leave()}>{t.top.signOut}</Button>
            </div>
          </div>
        </Dialog>
      )}
      {open === "password" && (
        <Dialog title={t.top.changePassword} onClose={close}>
          <PasswordForm onDone={() => {
            close();
            tellDone(t.login.changed);
          }} />
        </Dialog>
      )}
    </>
  );
}
