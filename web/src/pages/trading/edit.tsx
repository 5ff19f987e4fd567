// SPDX-License-Identifier: MIT
// Changing stop and target of a position: what each would mean, then what the broker said.
import { useState, type KeyboardEvent, type ReactElement } from "react";
import { ApiError, call } from "@/api/client";
import type { Position } from "@/api/types";
import { number, percent, signed } from "@/lib/format";
import { positionKey } from "@/live/model";
import { useWords, type Dictionary } from "@/i18n";
import { Button, useSentence } from "@/ui/basic";
import { Dialog } from "@/ui/dialog";
import { Field } from "@/ui/form";
import { Icon } from "@/ui/icons";
import { Flash } from "@/ui/numbers";
import { useInstrument, usePosition, useRates } from "./live";
import { cleanDecimal, distance, levelFault, moneyAt, nudge, sameLevel, type LevelRules } from "./math";
import { Amount, Fact, Facts } from "./result";

type Kind = LevelRules["kind"];

function faultText(t: Dictionary, fault: ReturnType<typeof levelFault>, rules: LevelRules): string | null {
  switch (fault) {
    case null: return null;
    case "form": return t.trading.levelFault.form;
    case "digits": return t.trading.levelFault.digits(rules.digits);
    case "near": return t.trading.levelFault.near(rules.stopsLevel);
    case "side": return t.trading.levelFault[`${rules.kind}${rules.side}`];
  }
}

interface LevelProps {
  kind: Kind;
  label: string;
  text: string;
  onChange: (text: string) => void;
  position: Position;
  rules: LevelRules;
  error: string | null;
  disabled: boolean;
}

/** One price with its distance from the current one and the money it stands for. */
function LevelField({ kind, label, text, onChange, position, rules, error, disabled }: LevelProps): ReactElement {
  const t = useWords();
  const instrument = useInstrument(position.symbol);
  const rates = useRates();
  const level = cleanDecimal(text);
  const gap = distance(position.current_price, level, rules.digits);
  const money = moneyAt(position, level, instrument, rates);
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const points = (event.shiftKey ? 10 : 1) * (event.key === "ArrowUp" ? 1 : -1);
    const next = nudge(text === "" ? (position.current_price ?? "") : text, points, rules.digits);
    if (next !== null) onChange(next);
    event.preventDefault();
  };
  const none = kind === "stop" ? t.trading.noStop : t.trading.noTarget;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)] gap-x-4 gap-y-1">
      <Field label={label} value={text} onChange={onChange} onKeyDown={onKeyDown} inputMode="decimal" autoComplete="off"
        placeholder={t.trading.none} error={error} disabled={disabled} className="text-right [&>label]:text-left [&>p]:text-left [&>input]:text-right" />
      {level === "" ? <p className="self-center pt-5 text-sm text-muted">{none}</p> : (
        <dl className="grid grid-cols-[auto_1fr] content-start gap-x-3 pt-5 text-sm">
          <dt className="text-muted">{t.trading.fromCurrent}</dt>
          <dd className="text-right">{gap ? percent(gap.percent) : "—"}</dd>
          <dt className="sr-only">{t.trading.fromCurrent}</dt>
          <dd className="col-span-2 text-right text-muted">{gap ? t.trading.points(signed(gap.points, 0)) : "—"}</dd>
          <dt className="text-muted">{t.trading.resultThere}</dt>
          <dd className="text-right"><Amount amount={money} currency={position.currency} /></dd>
        </dl>
      )}
    </div>
  );
}

type Said =
  | { readonly kind: "accepted"; readonly stop: string | null; readonly target: string | null }
  | { readonly kind: "refused"; readonly sentence: string }
  | { readonly kind: "unknown"; readonly reason: string | null };

function Answer({ said, digits }: { said: Said; digits: number }): ReactElement {
  const t = useWords();
  const level = (text: string | null): string => (text === null ? t.trading.none : number(text, digits));
  if (said.kind === "accepted") {
    return <p role="status" className="flex gap-2"><Icon name="check" className="mt-0.5 text-gain" />{t.trading.editAccepted(level(said.stop), level(said.target))}</p>;
  }
  if (said.kind === "unknown") {
    return (
      <p role="status" className="flex gap-2 text-warning">
        <Icon name="warning" className="mt-0.5" /><span>{t.trading.editUnknown}{said.reason !== null && ` (${said.reason})`}</span>
      </p>
    );
  }
  return (
    <p role="alert" className="flex gap-2 text-danger">
      <Icon name="warning" className="mt-0.5" /><span>{t.trading.editRefused} {said.sentence}</span>
    </p>
  );
}

export function EditDialog({ position: first, onClose }: { position: Position; onClose: () => void }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const now = usePosition(positionKey(first));
  const position = now ?? first;
  const instrument = useInstrument(position.symbol);
  const digits = instrument?.price_digits ?? 2;
  const [stop, setStop] = useState(position.stop_loss ?? "");
  const [target, setTarget] = useState(position.take_profit ?? "");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<Said | null>(null);
  // The levels that the fields began with: what somebody else moves meanwhile is not taken back by this dialog.
  const [from, setFrom] = useState({ stop: first.stop_loss, target: first.take_profit });

  const side = position.side === "LONG" ? t.common.long : t.common.short;
  const rules = (kind: Kind): LevelRules =>
    ({ kind, side: position.side, current: position.current_price, digits, stopsLevel: instrument?.stops_level ?? 0 });
  const stopText = cleanDecimal(stop);
  const targetText = cleanDecimal(target);
  const stopChanged = !sameLevel(stopText, from.stop) || (stopText !== "" && levelFault(stop, rules("stop")) === "form");
  const targetChanged = !sameLevel(targetText, from.target) || (targetText !== "" && levelFault(target, rules("target")) === "form");
  // What stays as it is, is not sent, and what the market has reached is no fault then.
  const stopFault = stopChanged ? faultText(t, levelFault(stop, rules("stop")), rules("stop")) : null;
  const targetFault = targetChanged ? faultText(t, levelFault(target, rules("target")), rules("target")) : null;
  const finished = said?.kind === "accepted" && sameLevel(stopText, said.stop) && sameLevel(targetText, said.target);
  const ready = !finished && now !== undefined && (stopChanged || targetChanged) && stopFault === null && targetFault === null;
  const evenFits = levelFault(position.entry_price, rules("stop")) === null && !sameLevel(stopText, position.entry_price);

  const send = async (): Promise<void> => {
    setBusy(true);
    setSaid(null);
    const level = (text: string): string | null => (text === "" ? null : text);
    try {
      const answer = await call("patch", "/trading/positions/{account_id}/{position_id}", {
        path: { account_id: position.account_id, position_id: position.id },
        body: { ...(stopChanged && { stop_loss: level(stopText) }), ...(targetChanged && { take_profit: level(targetText) }) },
      });
      if (answer.status === "accepted") {
        setStop(answer.position.stop_loss ?? "");
        setTarget(answer.position.take_profit ?? "");
        setFrom({ stop: answer.position.stop_loss, target: answer.position.take_profit });
        setSaid({ kind: "accepted", stop: answer.position.stop_loss, target: answer.position.take_profit });
      } else {
        setSaid({ kind: "unknown", reason: answer.reason });
      }
    } catch (error) {
      // An answer that never came says nothing about the broker.
      const lost = error instanceof ApiError && error.status === 0;
      setSaid(lost ? { kind: "unknown", reason: sentence(error) } : { kind: "refused", sentence: sentence(error) });
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={t.trading.editTitle(side, position.symbol)} onClose={onClose} locked={busy}
      footer={
        <>
          <Button onClick={onClose} disabled={busy}>{finished ? t.trading.done : t.common.cancel}</Button>
          <Button type="submit" form="edit-levels" tone="primary" busy={busy} disabled={!ready}>{busy ? t.trading.editSending : t.trading.editSend}</Button>
        </>
      }
    >
      <form id="edit-levels" className="flex flex-col gap-4" onSubmit={(event) => {
        event.preventDefault();
        if (ready && !busy) void send();
      }}>
        <Facts>
          <Fact name={t.common.user}>{position.email}</Fact>
          <Fact name={t.common.entry}>{number(position.entry_price, digits)}</Fact>
          <Fact name={t.trading.currentPrice}>
            {position.current_price === null ? t.trading.noPrice
              : <Flash value={position.current_price} className="font-strong">{number(position.current_price, digits)}</Flash>}
          </Fact>
          <Fact name={t.common.profitLoss}><Amount amount={position.profit_loss} currency={position.currency} /></Fact>
        </Facts>
        <LevelField kind="stop" label={t.common.stopLoss} text={stop} onChange={setStop} position={position} rules={rules("stop")} error={stopFault} disabled={busy} />
        <LevelField kind="target" label={t.common.takeProfit} text={target} onChange={setTarget} position={position} rules={rules("target")} error={targetFault} disabled={busy} />
        <div className="flex items-start justify-between gap-3">
          <p className="text-sm text-muted">{t.trading.leaveEmpty}</p>
          {evenFits && <Button small onClick={() => setStop(position.entry_price)} disabled={busy}>{t.trading.breakEven}</Button>}
        </div>
        {now === undefined && <p role="status" className="text-warning">{t.trading.gone}</p>}
        {said && <Answer said={said} digits={digits} />}
      </form>
    </Dialog>
  );
}
