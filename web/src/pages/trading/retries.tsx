// SPDX-License-Identifier: MIT
// Orders that failed for a passing reason and are tried again; shown only while there are some.
import { useQuery } from "@tanstack/react-query";
import { useMemo, type ReactElement } from "react";
import { call } from "@/api/client";
import { queryClient, useMay } from "@/api/query";
import type { Retry } from "@/api/types";
import { useLive } from "@/live/live";
import { useWords } from "@/i18n";
import { Badge, Button, Card, useSentence } from "@/ui/basic";
import { DataTable, type Column } from "@/ui/table";
import { tellDone, tellProblem } from "@/ui/toast";

const KEY = ["retries"];
const keyOf = (r: Retry): string => `${r.account_id}/${r.symbol}`;

export function RetriesCard({ dim }: { dim: boolean }): ReactElement | null {
  const t = useWords();
  const sentence = useSentence();
  const may = useMay("trader");
  const accounts = useLive((s) => s.accounts);
  const { data } = useQuery({
    queryKey: KEY, queryFn: ({ signal }) => call("get", "/trading/retries", { signal }), refetchInterval: 2000,
  });
  const columns = useMemo((): readonly Column<Retry>[] => {
    const drop = async (r: Retry): Promise<void> => {
      try {
        await call("delete", "/trading/retries/{account_id}/{symbol}", { path: { account_id: r.account_id, symbol: r.symbol } });
        tellDone(t.trading.retryDropped);
      } catch (error) {
        tellProblem(sentence(error));
      }
      await queryClient.invalidateQueries({ queryKey: KEY });
    };
    return [
      { id: "user", header: t.common.user, fixed: true, card: "title", value: (r) => r.account_id, cell: (r) => accounts.get(r.account_id)?.email ?? r.account_id },
      { id: "account", header: t.common.account, value: (r) => r.account_id, cell: (r) => <span className="text-muted">{r.account_id}</span> },
      { id: "symbol", header: t.common.symbol, value: (r) => r.symbol, cell: (r) => r.symbol },
      { id: "attempt", header: t.trading.attempt, align: "right", value: (r) => r.attempt, cell: (r) => r.attempt },
      { id: "due", header: t.trading.retryIn, align: "right", card: "value", value: (r) => r.due_in_ms, cell: (r) => `${Math.ceil(r.due_in_ms / 1000)} s` },
      { id: "reason", header: t.common.reason, card: "line", cell: (r) => <span className="block max-w-72 truncate text-muted" title={r.reason}>{r.reason}</span> },
      { id: "actions", header: t.common.actions, align: "right", fixed: true, card: "actions",
        cell: (r) => may && <Button small onClick={() => void drop(r)}>{t.trading.retryDrop}</Button> },
    ];
  }, [t, accounts, may, sentence]);
  const rows = data?.items ?? [];
  if (rows.length === 0) return null;
  return (
    <Card flush label={t.trading.retries} title={<span className="flex items-center gap-2">{t.trading.retries}<Badge meaning="info">{rows.length}</Badge></span>}>
      <DataTable name="retries" label={t.trading.retries} columns={columns} rows={rows} rowKey={keyOf} maxHeight="240px" dim={dim}
        empty={{ title: t.trading.retries }} />
    </Card>
  );
}
