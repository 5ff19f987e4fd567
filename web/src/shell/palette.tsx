// SPDX-License-Identifier: MIT
// Ctrl-K: pages, users, positions and commands by a few letters.
import { useMemo, useState, type KeyboardEvent, type ReactElement } from "react";
import { useMay } from "@/api/query";
import { navigate } from "@/lib/address";
import { choose, usePreference } from "@/lib/preferences";
import { live, useLive } from "@/live/live";
import { positionKey } from "@/live/model";
import { useWords } from "@/i18n";
import { Dialog } from "@/ui/dialog";
import { Icon, type IconName } from "@/ui/icons";
import { routes } from "./routes";

interface Entry {
  readonly id: string;
  readonly group: string;
  readonly text: string;
  readonly icon: IconName;
  readonly run: () => void;
}

/** Whether every word of the query is somewhere in the text. */
export function fits(text: string, query: string): boolean {
  const low = text.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}

const MOST = 8;

export function Palette({ onClose, onKill }: { onClose: () => void; onKill: (stop: boolean) => void }): ReactElement {
  const t = useWords();
  const may = useMay("trader");
  const language = usePreference("language");
  const theme = usePreference("theme");
  const stopped = useLive((s) => s.system?.entries_stopped ?? false);
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const entries = useMemo((): readonly Entry[] => {
    const go = (to: string) => () => navigate(to);
    const pages = routes.map((r): Entry => ({ id: r.path, group: t.palette.pages, text: t.nav[r.word], icon: r.icon, run: go(r.path) }));
    const commands: Entry[] = [
      { id: "theme", group: t.palette.commands, text: t.palette.theme, icon: "moon", run: () => choose({ theme: theme === "light" ? "dark" : "light" }) },
      { id: "language", group: t.palette.commands, text: t.palette.language, icon: "globe", run: () => choose({ language: language === "en" ? "ko" : "en" }) },
    ];
    if (may) {
      commands.push({
        id: "kill", group: t.palette.commands, text: stopped ? t.top.killOff : t.top.killOn, icon: stopped ? "play" : "stop",
        run: () => onKill(!stopped),
      });
    }
    // What there is at the moment of opening: the list does not move while it is read.
    const state = live.get();
    const users = [...state.users.values()].map((u): Entry => ({
      id: `user ${u.id}`, group: t.palette.users, text: u.name ? `${u.email} · ${u.name}` : u.email, icon: "user",
      run: go(`/users?search=${encodeURIComponent(u.email)}`),
    }));
    const positions = [...state.positions.values()].map((p): Entry => ({
      id: `position ${positionKey(p)}`, group: t.palette.positions, text: `${p.symbol} ${p.side === "LONG" ? t.common.long : t.common.short} · ${p.email} · ${p.id}`,
      icon: p.side === "LONG" ? "up" : "down", run: go(`/trading?at=${encodeURIComponent(positionKey(p))}`),
    }));
    return [...pages, ...commands, ...users, ...positions];
  }, [t, theme, language, may, stopped, onKill]);
  const found = useMemo(() => {
    const counts = new Map<string, number>();
    return entries.filter((e) => {
      if (!fits(`${e.text} ${e.group}`, query)) return false;
      const n = (counts.get(e.group) ?? 0) + 1;
      counts.set(e.group, n);
      return n <= MOST;
    });
  }, [entries, query]);
  const at = Math.min(chosen, found.length - 1);
  const run = (entry: Entry | undefined): void => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setChosen(Math.min(at + 1, found.length - 1));
    else if (event.key === "ArrowUp") setChosen(Math.max(at - 1, 0));
    else if (event.key === "Enter" && !event.nativeEvent.isComposing) run(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t.palette.title} onClose={onClose} wide>
      <div className="-m-4 flex flex-col">
        <input
          data-autofocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-label={t.palette.title}
          aria-activedescendant={found[at] ? `palette-${at}` : undefined} value={query} placeholder={t.palette.placeholder}
          className="h-12 border-b border-line bg-transparent px-4 text-lg outline-none placeholder:text-muted"
          onChange={(event) => {
            setQuery(event.target.value);
            setChosen(0);
          }}
          onKeyDown={onKeyDown}
        />
        <div id="palette-list" role="listbox" aria-label={t.palette.title} className="h-80 overflow-auto p-2">
          {found.length === 0 && <p className="p-4 text-center text-muted">{t.palette.empty}</p>}
          {found.map((entry, i) => (
            <div key={entry.id} role="presentation">
              {entry.group !== found[i - 1]?.group && <p aria-hidden="true" className="px-2 pt-2 pb-1 text-sm text-muted">{entry.group}</p>}
              <div
                id={`palette-${i}`} role="option" aria-selected={i === at} onClick={() => run(entry)} onPointerMove={() => setChosen(i)}
                ref={i === at ? (node) => node?.scrollIntoView({ block: "nearest" }) : undefined}
                className={`flex h-8 cursor-pointer items-center gap-3 rounded-md px-2 ${i === at ? "bg-accent-soft" : ""}`}
              >
                <Icon name={entry.icon} size={14} className="text-muted" />
                <span className="truncate">{entry.text}</span>
              </div>
            </div>
          ))}
        </div>
        <p className="border-t border-line px-4 py-2 text-sm text-muted">{t.palette.hint}</p>
      </div>
    </Dialog>
  );
}
