// SPDX-License-Identifier: MIT
// Broker logins: find, log in and out, add, edit, delete; one by one and many at once.
import { useCallback, useEffect, useMemo, useState, type ReactElement } from "react";
import { call } from "@/api/client";
import { useCurrency, useMay } from "@/api/query";
import { choiceParam, textParam, useParam } from "@/lib/address";
import { clock, money, profit } from "@/lib/format";
import { useDebounced } from "@/lib/hooks";
import { sameArray } from "@/lib/store";
import { useWords } from "@/i18n";
import { useLive, usePhase } from "@/live/live";
import { Button, Card, Dot, type DotShape } from "@/ui/basic";
import { Select } from "@/ui/form";
import { Clock, Flash, MarketAge, toneOf } from "@/ui/numbers";
import { DataTable, type Column, type TableSelection } from "@/ui/table";
import { tellDone, tellError, tellProblem } from "@/ui/toast";
import { DeleteDialog, LogoutDialog, UserDialog } from "./dialogs";
import { fitting, forEach, STATUSES, troubleOf, userRowsSelector, type UserRow, type UserStatus } from "./rows";

const statusParam = choiceParam(["all", ...STATUSES] as const, "all");

const shapes: Readonly<Record<UserStatus, DotShape>> = { open: "ok", logging_in: "warning", failed: "bad", closed: "off", inactive: "off" };

type Asked =
  | { readonly kind: "add" }
  | { readonly kind: "edit" | "delete"; readonly row: UserRow }
  | { readonly kind: "logout"; readonly rows: readonly UserRow[] };

const keyOf = (row: UserRow): string => String(row.user.id);

/** Logs in one after the other; remembers which are under way. */
function useLogins(): { busy: ReadonlySet<number>; login: (rows: readonly UserRow[]) => void } {
  const t = useWords();
  const [busy, setBusy] = useState<ReadonlySet<number>>(new Set());
  const login = useCallback((rows: readonly UserRow[]) => {
    const ids = rows.map((r) => r.user.id);
    setBusy((old) => new Set([...old, ...ids]));
    const one = async (id: number): Promise<void> => {
      try {
        await call("post", "/users/{id}/login", { path: { id } });
      } catch (error) {
        if (ids.length === 1) tellError(error);
        throw error;
      } finally {
        setBusy((old) => new Set([...old].filter((other) => other !== id)));
      }
    };
    void forEach(ids, 4, one).then(({ ok, failed }) => {
      const [first] = rows;
      if (ids.length === 1 && first) {
        if (ok === 1) tellDone(t.users.loggedIn(first.user.email));
      } else if (failed > 0) tellProblem(t.users.report(ok, failed));
      else tellDone(t.users.report(ok, failed));
    });
  }, [t]);
  return { busy, login };
}

function Search(): ReactElement {
  const t = useWords();
  const [search, setSearch] = useParam("search", textParam);
  const [text, setText] = useState(search);
  const [seen, setSeen] = useState(search);
  if (seen !== search) {
    // The address was changed by somebody else (the palette, going back).
    setSeen(search);
    if (search !== text) setText(search);
  }
  const settled = useDebounced(text, 150);
  useEffect(() => {
    setSearch(settled);
  }, [settled, setSearch]);
  return (
    <input type="search" className="field w-56 max-sm:w-full" aria-label={t.users.search} placeholder={t.users.search} value={text}
      onChange={(event) => setText(event.target.value)} />
  );
}

function useColumns(busy: ReadonlySet<number>, login: (rows: readonly UserRow[]) => void, ask: (asked: Asked) => void): readonly Column<UserRow>[] {
  const t = useWords();
  const trader = useMay("trader");
  const admin = useMay("admin");
  const currency = useCurrency();
  return useMemo(() => {
    const columns: Column<UserRow>[] = [
      {
        id: "email", header: t.users.email, fixed: true, card: "title", value: (r) => r.user.email,
        cell: ({ user }) => (
          <span className="inline-flex max-w-80 min-w-0 items-center gap-2">
            <Dot shape={troubleOf(user) ? "bad" : shapes[user.status]} /><span className="truncate">{user.email}</span>
          </span>
        ),
      },
      { id: "name", header: t.users.name, value: (r) => r.user.name, cell: ({ user }) => <span className="block max-w-48 truncate">{user.name ?? ""}</span> },
      {
        id: "status", header: t.common.status, value: (r) => STATUSES.indexOf(r.user.status), width: "128px",
        cell: ({ user }) => {
          const trouble = troubleOf(user);
          return (
            <span title={user.error ?? undefined} className={trouble || user.status === "failed" ? "text-danger" : user.status === "open" ? "" : "text-muted"}>
              {trouble ? t.users.troubles[trouble] : t.users.statuses[user.status]}
            </span>
          );
        },
      },
      { id: "broker", header: t.users.broker, value: (r) => r.user.broker, cell: (r) => r.user.broker },
      { id: "accounts", header: t.users.accounts, value: (r) => r.user.account_ids.join(), cell: (r) => r.user.account_ids.join(", ") },
      {
        id: "balance", header: t.common.balance, unit: currency, align: "right", card: "value", decimal: true, value: (r) => r.balance,
        cell: ({ user, balance }) => (
          <>
            {user.currency !== currency && <span className="mr-2 text-xs font-normal text-muted">{user.currency}</span>}
            <Flash value={balance}>{money(balance, user.currency)}</Flash>
          </>
        ),
      },
      { id: "equity", header: t.common.equity, align: "right", decimal: true, width: "112px", value: (r) => r.equity, cell: (r) => money(r.equity, r.user.currency) },
      {
        id: "profit", header: t.overview.floating, align: "right", decimal: true, width: "96px", value: (r) => r.profit,
        cell: (r) => <span className={toneOf(r.profit)}>{profit(r.profit, r.user.currency)}</span>,
      },
      { id: "positions", header: t.users.openPositions, align: "right", value: (r) => r.positions, cell: (r) => String(r.positions) },
      { id: "since", header: t.users.since, align: "right", width: "96px", value: (r) => r.user.logged_in_at, cell: (r) => <MarketAge time={r.user.logged_in_at} /> },
      { id: "expires", header: t.users.expires, align: "right", value: (r) => r.user.expires_at, cell: ({ user, session }) => (
          <span title={session ? t.users.tokenHint(clock(session.token_at), session.refreshes_left) : undefined}>
            <Clock time={user.expires_at} />
            {typeof session?.refreshes_left === "number" && <span className="ml-2 text-muted">{t.users.refreshesLeft(session.refreshes_left)}</span>}
          </span>
        ) },
    ];
    if (trader) {
      columns.push({
        id: "actions", header: t.common.actions, align: "right", fixed: true, card: "actions",
        cell: (row) => {
          const { user } = row;
          const inside = user.status === "open";
          return (
            <span className="inline-flex gap-1">
              {inside
                ? <Button small tone="quiet" icon="logout" onClick={() => ask({ kind: "logout", rows: [row] })}>{t.users.logout}</Button>
                : <Button small tone="quiet" icon="login" busy={busy.has(user.id) || user.status === "logging_in"} onClick={() => login([row])}>{t.users.login}</Button>}
              {admin && <Button small tone="quiet" iconOnly icon="edit" onClick={() => ask({ kind: "edit", row })}>{t.users.edit}</Button>}
              {admin && <Button small tone="quiet" iconOnly icon="trash" onClick={() => ask({ kind: "delete", row })}>{t.users.remove}</Button>}
            </span>
          );
        },
      });
    }
    return columns;
  }, [t, trader, admin, currency, busy, login, ask]);
}

const HIDDEN = ["broker", "expires"] as const;

export default function UsersPage(): ReactElement {
  const t = useWords();
  const trader = useMay("trader");
  const admin = useMay("admin");
  const known = useLive((s) => s.known);
  const phase = usePhase();
  const [select] = useState(userRowsSelector);
  const all = useLive(select, sameArray);
  const [search] = useParam("search", textParam);
  const [status, setStatus] = useParam("status", statusParam);
  const rows = useMemo(() => fitting(all, search, status), [all, search, status]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked | null>(null);
  const [allBusy, setAllBusy] = useState(false);
  const [refreshing, setRefreshing] = useState(false);
  const { busy, login } = useLogins();
  const columns = useColumns(busy, login, setAsked);
  const close = useCallback(() => setAsked(null), []);

  // Only what is seen counts as selected: a bulk action must not reach rows that a filter hides.
  const chosen = rows.filter((r) => selected.has(keyOf(r)));
  const toLogin = chosen.filter((r) => r.user.status !== "open");
  const toLogout = chosen.filter((r) => r.user.status === "open");
  const selection: TableSelection = {
    keys: new Set(chosen.map(keyOf)), onChange: setSelected,
    name: (key) => rows.find((r) => keyOf(r) === key)?.user.email ?? key,
  };

  const loginAll = async (): Promise<void> => {
    setAllBusy(true);
    try {
      const report = await call("post", "/users/login-all", {});
      const text = t.users.report(report.ok_count, report.failed_count);
      if (report.failed_count > 0) tellProblem(text);
      else tellDone(text);
    } catch (error) {
      tellError(error);
    } finally {
      setAllBusy(false);
    }
  };
  const refresh = async (): Promise<void> => {
    setRefreshing(true);
    try {
      const { account_count, failed } = await call("post", "/accounts/sync", { body: {} });
      if (failed.length > 0) tellProblem(t.users.synced(account_count - failed.length, failed.length));
      else tellDone(t.users.synced(account_count, 0));
    } catch (error) {
      tellError(error);
    } finally {
      setRefreshing(false);
    }
  };
  const open = all.filter((r) => r.user.status === "open").length;
  const filtered = search !== "" || status !== "all";

  return (
    <div className="flex h-full min-h-0 flex-col gap-4 max-sm:h-auto">
      <h1 className="sr-only">{t.users.title}</h1>
      <div className="flex flex-wrap items-center gap-2">
        <Search />
        <Select label={t.common.status} hideLabel value={status} onChange={setStatus}
          choices={[["all", t.users.filterAll] as const, ...STATUSES.map((s) => [s, t.users.statuses[s]] as const)]} />
        <div className="flex-1 max-sm:hidden" />
        {trader && <Button icon="refresh" busy={refreshing} onClick={() => void refresh()} className="max-sm:w-8 max-sm:px-0" title={t.common.refresh}>
          <span className="max-sm:sr-only">{t.common.refresh}</span>
        </Button>}
        {trader && <Button icon="login" busy={allBusy} className="max-sm:px-2" onClick={() => void loginAll()}>{allBusy ? t.users.loginAllBusy : t.users.loginAll}</Button>}
        {admin && <Button icon="plus" tone="primary" className="max-sm:flex-1 max-sm:px-2" onClick={() => setAsked({ kind: "add" })}>{t.users.add}</Button>}
      </div>
      <Card
        flush className="min-h-0 sm:[&>div]:flex sm:[&>div]:flex-col" label={t.users.title}
        title={known ? (chosen.length > 0 ? t.common.selected(chosen.length) : t.users.count(all.length, open)) : t.users.title}
        actions={chosen.length > 0 && trader ? (
          <>
            <Button small icon="login" disabled={toLogin.length === 0} onClick={() => login(toLogin)}>{t.users.loginSelected(toLogin.length)}</Button>
            <Button small icon="logout" disabled={toLogout.length === 0} onClick={() => setAsked({ kind: "logout", rows: toLogout })}>{t.users.logoutSelected(toLogout.length)}</Button>
            <Button small tone="quiet" onClick={() => setSelected(new Set())}>{t.common.clear}</Button>
          </>
        ) : undefined}
      >
        <DataTable
          name="users" label={t.users.title} columns={columns} rows={known ? rows : null} rowKey={keyOf} hidden={HIDDEN} sort={{ id: "email", desc: false }}
          {...(trader && { selection })} {...(admin && { onOpen: (row: UserRow) => setAsked({ kind: "edit", row }) })}
          expected={12} dim={phase === "lost"}
          empty={filtered ? { title: t.users.noMatch } : {
            title: t.users.empty, hint: t.users.emptyHint,
            ...(admin && { action: <Button icon="plus" onClick={() => setAsked({ kind: "add" })}>{t.users.add}</Button> }),
          }}
        />
      </Card>
      {asked?.kind === "add" && <UserDialog row={null} onClose={close} />}
      {asked?.kind === "edit" && <UserDialog row={asked.row} onClose={close} />}
      {asked?.kind === "delete" && <DeleteDialog row={asked.row} onClose={close} />}
      {asked?.kind === "logout" && <LogoutDialog rows={asked.rows} onClose={close} />}
    </div>
  );
}
