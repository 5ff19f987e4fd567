// SPDX-License-Identifier: MIT
// A signal by hand in three steps: what is wanted, what it would do on every account, what came of it.
import { useMemo, useState, type ReactElement } from "react";
import { ApiError, call } from "@/api/client";
import type { components } from "@/api/schema";
import { money, number, signed, volume } from "@/lib/format";
import { sum } from "@/lib/decimal";
import { useLive, usePositions } from "@/live/live";
import type { LiveState } from "@/live/model";
import { useCurrency } from "@/api/query";
import { useWords } from "@/i18n";
import { Badge, Button, EmptyState, Segments, useSentence, type Meaning } from "@/ui/basic";
import { Dialog } from "@/ui/dialog";
import { Field, Select } from "@/ui/form";
import { Icon } from "@/ui/icons";
import { toneOf } from "@/ui/numbers";
import { DataTable, type Column } from "@/ui/table";
import { usePriceDigits, useRates } from "./live";
import { groupAmounts, inBase, totalsOf } from "./math";
import { groupRefusals, manualFaults, requestOf, type ManualForm } from "./manual-form";
import { Amount, Fact, Facts, totalText, withCurrency } from "./result";

type Preview = components["schemas"]["Preview"];
type Leg = Preview["legs"][number];
type Report = components["schemas"]["ExecutionReport"];
type Result = Report["results"][number];

const usersOf = (state: LiveState): LiveState["users"] => state.users;
const symbolsOf = (state: LiveState): LiveState["instruments"] => state.instruments;

const legKey = (leg: Leg): string => leg.account_id;
const resultKey = (r: Result): string => `${r.account_id} ${r.order_id ?? ""}`;

function Refusals({ rows }: { rows: readonly { rule: string | null; reason: string | null }[] }): ReactElement | null {
  const groups = groupRefusals(rows);
  if (groups.length === 0) return null;
  return (
    <ul className="flex flex-col gap-1 text-sm text-warning">
      {groups.map((g) => <li key={`${g.rule} ${g.reason}`}>{g.count} × {g.rule}{g.reason !== "" && `: ${g.reason}`}</li>)}
    </ul>
  );
}

function PreviewStep({ preview }: { preview: Preview }): ReactElement {
  const t = useWords();
  const users = useLive(usersOf);
  const rates = useRates();
  const base = useCurrency();
  const digits = usePriceDigits(preview.symbol);
  const fine = preview.legs.filter((leg) => leg.rule === null);
  const risk = groupAmounts(fine.map((leg) => ({ currency: leg.currency, amount: leg.risk_money })));
  const margin = groupAmounts(fine.map((leg) => ({ currency: leg.currency, amount: leg.margin })));
  const total = (amounts: typeof risk): string => {
    const converted = inBase(amounts.byCurrency, base, rates);
    if (converted !== null) return `${money(converted, base)} ${base}`;
    return amounts.byCurrency.map((a) => `${money(a.amount, a.currency)} ${a.currency}`).join(", ") || "—";
  };
  const columns = useMemo((): readonly Column<Leg>[] => [
    { id: "user", header: t.common.user, fixed: true, card: "title", value: (l) => users.get(l.user_id)?.email ?? String(l.user_id),
      cell: (l) => <span className="block max-w-48 truncate">{users.get(l.user_id)?.email ?? `#${l.user_id}`}</span> },
    { id: "account", header: t.common.account, value: (l) => l.account_id, cell: (l) => <span className="text-muted">{l.account_id}</span> },
    { id: "size", header: t.common.size, unit: t.common.lots, align: "right", card: "value", decimal: true, value: (l) => l.quantity,
      cell: (l) => (l.rule === null ? volume(l.quantity) : <Badge meaning="warning">{t.trading.statuses.refused}</Badge>) },
    { id: "stop", header: t.trading.stop, align: "right", cell: (l) => number(l.stop_loss, digits) },
    { id: "target", header: t.trading.target, align: "right", cell: (l) => number(l.take_profit, digits) },
    { id: "risk", header: t.trading.risk, align: "right", decimal: true, value: (l) => l.risk_money,
      cell: (l) => (l.risk_money === null ? "—" : `${money(l.risk_money, l.currency)} ${l.currency}`) },
    { id: "rule", header: t.trading.rule, card: "none", value: (l) => l.rule ?? "",
      cell: (l) => (l.rule === null ? "" : <span className="block max-w-80 truncate text-warning" title={l.reason ?? undefined}>{l.rule}: {l.reason ?? ""}</span>) },
  ], [t, users, digits]);
  const lots = volume(sum(fine.map((leg) => leg.quantity)));
  return (
    <div className="flex flex-col gap-3">
      <p className="font-strong">{fine.length === 0 ? t.trading.previewNone : t.trading.previewLegs(fine.length, preview.legs.length - fine.length, lots)}</p>
      {fine.length > 0 && (
        <Facts>
          <Fact name={t.trading.previewRisk}>{total(risk)}</Fact>
          <Fact name={t.trading.previewMargin}>{total(margin)}</Fact>
        </Facts>
      )}
      <Refusals rows={preview.legs} />
      <div className="-mx-4 border-y border-line">
        <DataTable name="preview" label={t.trading.preview} columns={columns} rows={preview.legs} rowKey={legKey} plain
          maxHeight="40vh" empty={{ title: t.trading.previewNone }} />
      </div>
    </div>
  );
}

const meanings: Readonly<Record<Result["status"], Meaning>> = {
  accepted: "gain", rejected: "danger", unknown: "warning", not_sent: "plain", absent: "plain", refused: "warning",
};

const ms = (value: number | null): string => (value === null ? "—" : value.toFixed(1));

function ReportStep({ report }: { report: Report }): ReactElement {
  const t = useWords();
  const digits = usePriceDigits(report.symbol);
  const columns = useMemo((): readonly Column<Result>[] => [
    { id: "user", header: t.common.user, fixed: true, card: "title", value: (r) => r.email, cell: (r) => <span className="block max-w-48 truncate">{r.email}</span> },
    { id: "account", header: t.common.account, value: (r) => r.account_id, cell: (r) => <span className="text-muted">{r.account_id}</span> },
    { id: "status", header: t.trading.result, card: "value", value: (r) => r.status, cell: (r) => <Badge meaning={meanings[r.status]}>{t.trading.statuses[r.status]}</Badge> },
    { id: "size", header: t.common.size, unit: t.common.lots, align: "right", decimal: true, value: (r) => r.quantity, cell: (r) => volume(r.quantity) },
    { id: "asked", header: t.trading.asked, align: "right", decimal: true, value: (r) => r.asked_price, cell: (r) => number(r.asked_price, digits) },
    { id: "price", header: t.trading.executed, align: "right", decimal: true, value: (r) => r.executed_price, cell: (r) => number(r.executed_price, digits) },
    { id: "slippage", header: t.trading.slippage, unit: t.trading.pointsUnit, align: "right", value: (r) => r.slippage_points,
      cell: (r) => <span className={r.slippage_points === null || r.slippage_points === 0 ? "" : r.slippage_points > 0 ? "text-loss" : "text-gain"}>
        {r.slippage_points === null ? "—" : signed(String(r.slippage_points), 0)}</span> },
    { id: "answered", header: t.trading.answered, unit: "ms", align: "right", value: (r) => r.answered_ms,
      cell: (r) => <span title={t.trading.timesHint(ms(r.queued_ms), ms(r.sent_ms), ms(r.answered_ms))}>{ms(r.answered_ms)}</span> },
    { id: "attempt", header: t.trading.attempt, align: "right", value: (r) => r.attempt,
      cell: (r) => <>{r.attempt ?? "—"}{r.retrying && <span className="ml-2"><Badge meaning="info">{t.trading.retrying}</Badge></span>}</> },
    { id: "reason", header: t.common.reason, card: "line", cell: (r) => <span className="block max-w-96 truncate text-muted" title={r.reason ?? undefined}>{[r.rule, r.reason].filter(Boolean).join(": ")}</span> },
  ], [t, digits]);
  return (
    <div className="flex flex-col gap-3">
      <p role="status" className="font-strong">
        {t.trading.report(report.executed_count, report.failed_count, volume(report.total_volume), report.execution_time_ms.toFixed(1))}
        {report.unknown_count > 0 && ` ${t.trading.reportUnknown(report.unknown_count)}`}
      </p>
      <Refusals rows={report.results} />
      <div className="-mx-4 border-y border-line">
        <DataTable name="report" label={t.trading.result} columns={columns} rows={report.results} rowKey={resultKey} plain
          maxHeight="50vh" empty={{ title: t.trading.previewNone }} />
      </div>
    </div>
  );
}

/** A CLOSE has no preview of its own: what it ends is on this page. */
function CloseStep({ symbol }: { symbol: string }): ReactElement {
  const t = useWords();
  const positions = usePositions();
  const rates = useRates();
  const base = useCurrency();
  const ours = useMemo(() => positions.filter((p) => p.symbol === symbol && p.is_ours), [positions, symbol]);
  const totals = useMemo(() => totalsOf(ours, base, rates), [ours, base, rates]);
  const total = totalText(totals, base);
  if (totals.count === 0) return <EmptyState icon="info" title={t.trading.closeNothing(symbol)} />;
  return (
    <div className="flex flex-col gap-3">
      <p>{t.trading.closeSignal(totals.count, totals.accounts, symbol)}</p>
      <Facts>
        {totals.byCurrency.map((a) => <Fact key={a.currency} name={a.currency}><Amount amount={a.amount} currency={a.currency} /></Fact>)}
        <Fact name={t.trading.inTotal}>{total === null ? "—" : <span className={toneOf(totals.converted)}>{totals.converted === null ? total : withCurrency(totals.converted, base)}</span>}</Fact>
      </Facts>
      <p className="text-sm text-muted">{t.trading.withoutCosts}</p>
    </div>
  );
}

const first: Omit<ManualForm, "symbol"> = { direction: "LONG", stop: "0.25", target: "0.4", holding: "300", reason: "" };

type Step =
  | { readonly kind: "form" }
  | { readonly kind: "preview"; readonly preview: Preview }
  | { readonly kind: "close" }
  | { readonly kind: "report"; readonly report: Report };

export function ManualDialog({ onClose }: { onClose: () => void }): ReactElement {
  const t = useWords();
  const sentence = useSentence();
  const instruments = useLive(symbolsOf);
  const traded = useLive((s) => s.system?.symbol ?? null);
  const stopped = useLive((s) => s.system?.entries_stopped ?? false);
  const positions = usePositions();
  const names = useMemo(() => [...instruments.keys()].sort(), [instruments]);
  const [form, setForm] = useState<ManualForm>({ ...first, symbol: traded ?? names[0] ?? "" });
  const [step, setStep] = useState<Step>({ kind: "form" });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  // No answer came: whether it was carried out is not known, so it is not sent again from here.
  const [lost, setLost] = useState(false);
  const faults = manualFaults(form);
  const close = form.direction === "CLOSE";
  const ready = form.symbol !== "" && (close || Object.values(faults).every((fault) => fault === null));
  const set = (change: Partial<ManualForm>): void => setForm((f) => ({ ...f, ...change }));

  const run = async (work: () => Promise<Step>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setStep(await work());
    } catch (cause) {
      setError(cause instanceof ApiError || !(cause instanceof Error) ? sentence(cause) : cause.message);
    } finally {
      setBusy(false);
    }
  };
  const preview = (): void => void run(async () =>
    close ? { kind: "close" } : { kind: "preview", preview: await call("post", "/trading/preview", { body: requestOf(form) }) });
  const send = (): void => void run(async () => {
    try {
      return { kind: "report", report: await call("post", "/trading/signal", { body: requestOf(form) }) };
    } catch (cause) {
      if (!(cause instanceof ApiError && (cause.status === 0 || cause.status >= 500))) throw cause;
      setLost(true);
      throw new Error(t.trading.sendUnknown, { cause });
    }
  });

  const legs = step.kind === "preview" ? step.preview.legs.filter((leg) => leg.rule === null).length : 0;
  const closing = new Set(positions.filter((p) => p.symbol === form.symbol && p.is_ours).map((p) => p.account_id)).size;
  const direction = form.direction;
  const targets = close ? closing : legs;

  return (
    <Dialog
      wide={step.kind === "form" ? true : "extra"} title={t.trading.manualTitle} onClose={onClose} locked={busy}
      footer={step.kind === "form" ? (
        <>
          <Button onClick={onClose} disabled={busy}>{t.common.cancel}</Button>
          <Button type="submit" form="manual-signal" tone="primary" busy={busy} disabled={!ready}>{busy ? t.trading.previewing : t.trading.preview}</Button>
        </>
      ) : step.kind === "report" ? <Button key="done" autoFocus onClick={onClose}>{t.trading.done}</Button> : (
        <>
          <Button key="back" autoFocus onClick={() => {
            setStep({ kind: "form" });
            setError(null);
          }} disabled={busy}>{t.trading.back}</Button>
          <Button key="send" tone={close ? "danger" : "primary"} busy={busy} disabled={targets === 0 || lost} onClick={send}>
            {busy ? t.trading.sending : t.trading.sendTo(direction, targets)}
          </Button>
        </>
      )}
    >
      <div className="flex flex-col gap-4">
        {step.kind === "form" && (
          <form id="manual-signal" className="flex flex-col gap-4" onSubmit={(event) => {
            event.preventDefault();
            if (ready && !busy) preview();
          }}>
            <p className="text-muted">{t.trading.manualText}</p>
            <div className="flex flex-wrap items-end gap-4">
              <Select label={t.common.symbol} value={form.symbol} choices={names.map((n) => [n, n] as const)} onChange={(symbol) => set({ symbol })} />
              <div className="flex flex-col gap-1">
                <span className="text-sm text-muted">{t.trading.direction}</span>
                <Segments label={t.trading.direction} value={direction} onChange={(next) => set({ direction: next })}
                  choices={[["LONG", `▲ ${t.common.long}`], ["SHORT", `▼ ${t.common.short}`], ["CLOSE", t.common.closeSide]]} />
              </div>
            </div>
            {!close && (
              <div className="grid grid-cols-3 gap-4 max-sm:grid-cols-1">
                <Field label={t.trading.stopPercent} value={form.stop} onChange={(stop) => set({ stop })} inputMode="decimal" autoComplete="off"
                  error={faults.stop && t.trading.between("0.01", "10")} />
                <Field label={t.trading.targetPercent} value={form.target} onChange={(target) => set({ target })} inputMode="decimal" autoComplete="off"
                  error={faults.target && t.trading.between("0.01", "20")} />
                <Field label={t.trading.holding} value={form.holding} onChange={(holding) => set({ holding })} inputMode="numeric" autoComplete="off"
                  error={faults.holding && t.trading.wholeBetween("1", "86400")} />
              </div>
            )}
            <Field label={t.trading.reasonLabel} value={form.reason} onChange={(reason) => set({ reason })} maxLength={200} hint={t.trading.reasonHint} autoComplete="off" />
          </form>
        )}
        {step.kind === "preview" && <PreviewStep preview={step.preview} />}
        {step.kind === "close" && <CloseStep symbol={form.symbol} />}
        {step.kind === "report" && <ReportStep report={step.report} />}
        {stopped && !close && step.kind !== "report" && (
          <p className="flex gap-2 text-warning"><Icon name="warning" className="mt-0.5" />{t.trading.entriesStopped}</p>
        )}
        {error !== null && <p role="alert" className="flex gap-2 text-danger"><Icon name="warning" className="mt-0.5" />{error}</p>}
      </div>
    </Dialog>
  );
}
