// SPDX-License-Identifier: MIT
// Closing one position, or part of it, and closing many: each says what it would bring before it is done.
import { useMemo, useState, type ReactElement } from "react";
import { call } from "@/api/client";
import type { Position } from "@/api/types";
import { subtractText } from "@/lib/decimal";
import { number, volume } from "@/lib/format";
import { live, usePositions } from "@/live/live";
import { positionKey } from "@/live/model";
import { useCurrency } from "@/api/query";
import { useWords } from "@/i18n";
import { ConfirmDialog } from "@/ui/dialog";
import { Field } from "@/ui/form";
import { tellDone, tellProblem } from "@/ui/toast";
import { useInstrument, usePosition, useRates } from "./live";
import { cleanDecimal, moneyAt, partFault, sameLevel, totalsOf } from "./math";
import { Amount, Fact, Facts, totalText, withCurrency } from "./result";

const pathOf = (p: Position): { account_id: string; position_id: string } => ({ account_id: p.account_id, position_id: p.id });

export function CloseDialog({ position: first, onClose }: { position: Position; onClose: () => void }): ReactElement {
  const t = useWords();
  const now = usePosition(positionKey(first));
  const position = now ?? first;
  const instrument = useInstrument(position.symbol);
  const rates = useRates();
  const [lots, setLots] = useState(position.quantity);
  const part = cleanDecimal(lots);
  const fault = partFault(lots, position.quantity, instrument);
  const whole = sameLevel(part, position.quantity);
  const side = position.side === "LONG" ? t.common.long : t.common.short;
  const result = fault ? null : whole ? position.profit_loss : moneyAt(position, position.current_price, instrument, rates, part);
  const shown = volume(fault ? position.quantity : part);
  const run = async (): Promise<void> => {
    await call("post", "/trading/positions/{account_id}/{position_id}/close", { path: pathOf(position), body: whole ? {} : { quantity: part } });
    tellDone(t.trading.closingNow(1));
  };
  const rest = fault || whole ? null : subtractText(position.quantity, part);
  return (
    <ConfirmDialog
      title={t.trading.closeOneTitle(side, position.symbol)} confirm={t.trading.closeOne(shown)} danger
      blocked={now === undefined || fault !== null} run={run} onClose={onClose}
    >
      {now === undefined ? <p role="status">{t.trading.gone}</p> : (
        <>
          <p aria-live="polite">
            {result === null
              ? t.trading.closeOneNoPrice(shown)
              : t.trading.closeOneText(shown, number(position.current_price, instrument?.price_digits), withCurrency(result, position.currency))}
            {rest !== null && ` ${t.trading.closeRest(volume(rest))}`}
          </p>
          <Facts>
            <Fact name={t.common.user}>{position.email}</Fact>
            <Fact name={t.common.account}>{position.account_id}</Fact>
            <Fact name={t.common.entry}>{number(position.entry_price, instrument?.price_digits)}</Fact>
            <Fact name={t.common.profitLoss}><Amount amount={result} currency={position.currency} /></Fact>
          </Facts>
          <Field label={t.trading.closeLots} value={lots} onChange={setLots} inputMode="decimal" autoComplete="off" className="w-40"
            hint={t.trading.closeLotsHint(volume(position.quantity))} error={fault && t.trading.partFault[fault]} />
          <p className="text-sm text-muted">{t.trading.withoutCosts}</p>
        </>
      )}
    </ConfirmDialog>
  );
}

const AT_ONCE = 4;

/** Closes one by one, a few at a time; answers how many could not be. */
async function closeEach(positions: readonly Position[]): Promise<{ failed: number; cause: unknown }> {
  const queue = [...positions];
  let failed = 0;
  let cause: unknown = null;
  const work = async (): Promise<void> => {
    for (let p = queue.shift(); p; p = queue.shift()) {
      try {
        await call("post", "/trading/positions/{account_id}/{position_id}/close", { path: pathOf(p), body: {} });
      } catch (error) {
        failed += 1;
        cause = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { failed, cause };
}

/** `keys`: those that the filters show, or null for all. Rows that close meanwhile drop out of the numbers. */
export function CloseManyDialog({ keys, hidden, onClose }: {
  keys: ReadonlySet<string> | null;
  /** How many of all the filters hide. */
  hidden: number;
  onClose: () => void;
}): ReactElement {
  const t = useWords();
  const all = usePositions();
  const rates = useRates();
  const base = useCurrency();
  const meant = useMemo(() => all.filter((p) => keys === null || keys.has(positionKey(p))), [all, keys]);
  const ours = useMemo(() => meant.filter((p) => p.is_ours), [meant]);
  const totals = useMemo(() => totalsOf(ours, base, rates), [ours, base, rates]);
  const foreign = meant.length - ours.length;
  const total = totalText(totals, base);

  const run = async (): Promise<void> => {
    // What is open at this moment, not what was when the dialog opened.
    const open = [...live.get().positions.values()].filter((p) => p.is_ours);
    if (keys === null) {
      const report = await call("post", "/trading/close-all", { body: {} });
      const away = report.positions.filter((p) => p.status === "away").length;
      const begun = t.trading.closingNow(report.closing_count);
      tellDone(away > 0 ? `${begun} ${t.trading.closingAway(away)}` : begun);
      return;
    }
    // One by one: nothing that is opened meanwhile is closed with them.
    const wanted = open.filter((p) => keys.has(positionKey(p)) && !p.is_closing);
    if (wanted.length === 0) return;
    const { failed, cause } = await closeEach(wanted);
    if (failed === wanted.length) throw cause;
    if (failed > 0) tellProblem(t.trading.closeFailed(failed, wanted.length));
    else tellDone(t.trading.closingNow(wanted.length));
  };

  return (
    <ConfirmDialog
      title={keys === null ? t.trading.closeAllTitle : t.trading.closeShownTitle(totals.count)} danger
      confirm={t.trading.closeManyButton(totals.count)} blocked={totals.count === 0} run={run} onClose={onClose}
    >
      {totals.count === 0 ? <p role="status">{t.trading.nothingToClose}</p> : (
        <>
          <p>{total === null
            ? t.trading.closeTextNoPrice(totals.count, totals.accounts)
            : t.trading.closeText(totals.count, totals.accounts, total)}</p>
          {totals.byCurrency.length > 1 && (
            <Facts>
              {totals.byCurrency.map((a) => (
                <Fact key={a.currency} name={a.currency}><Amount amount={a.amount} currency={a.currency} /></Fact>
              ))}
              <Fact name={t.trading.inTotal}>
                {totals.converted === null ? t.history.rateMissing : <Amount amount={totals.converted} currency={base} />}
              </Fact>
            </Facts>
          )}
          {keys === null && hidden > 0 && <p className="text-warning">{t.trading.hiddenToo(hidden)}</p>}
          {totals.unpriced > 0 && <p className="text-warning">{t.trading.unpriced(totals.unpriced)}</p>}
          <p className="text-sm text-muted">{t.trading.withoutCosts}</p>
        </>
      )}
      {foreign > 0 && <p className="text-sm text-muted">{t.trading.foreignStay(foreign)}</p>}
    </ConfirmDialog>
  );
}
