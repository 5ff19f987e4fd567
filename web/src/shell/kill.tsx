// SPDX-License-Identifier: MIT
// The kill switch, in two steps: the button asks, the dialog says what will be and does it.
import { useState, type ReactElement } from "react";
import { call } from "@/api/client";
import { useMay } from "@/api/query";
import { useLive } from "@/live/live";
import { useWords } from "@/i18n";
import { Button } from "@/ui/basic";
import { ConfirmDialog } from "@/ui/dialog";
import { tellDone } from "@/ui/toast";

export function KillDialog({ stop, onClose }: { stop: boolean; onClose: () => void }): ReactElement {
  const t = useWords();
  const positions = useLive((s) => s.positions.size);
  const accounts = useLive((s) => s.system?.accounts_active ?? 0);
  const strategies = useLive((s) => s.system?.strategies.filter((x) => x.running).length ?? 0);
  return (
    <ConfirmDialog
      title={stop ? t.top.killTitle : t.top.allowTitle} confirm={stop ? t.top.killOn : t.top.killOff} danger={stop} onClose={onClose}
      run={async () => {
        const answer = await call("post", "/trading/entries", { body: { stopped: stop } });
        tellDone(answer.stopped ? t.top.stopped : t.top.allowed);
      }}
    >
      <p>{stop ? t.top.killText(positions) : t.top.allowText(accounts, strategies)}</p>
    </ConfirmDialog>
  );
}

export function KillSwitch(): ReactElement | null {
  const t = useWords();
  const may = useMay("trader");
  const stopped = useLive((s) => s.system?.entries_stopped ?? false);
  const known = useLive((s) => s.system !== null);
  const [asking, setAsking] = useState<boolean | null>(null);
  if (!may) return null;
  return (
    <>
      <Button
        icon={stopped ? "play" : "stop"} tone={stopped ? "danger" : "plain"} disabled={!known} onClick={() => setAsking(!stopped)}
        title={stopped ? t.top.killOff : t.top.killOn} className="max-lg:w-8 max-lg:px-0"
      >
        <span className="max-lg:sr-only">{stopped ? t.top.killed : t.top.killOn}</span>
      </Button>
      {asking !== null && <KillDialog stop={asking} onClose={() => setAsking(null)} />}
    </>
  );
}
