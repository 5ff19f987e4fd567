// SPDX-License-Identifier: MIT
import type { ReactElement } from "react";
import { follow, usePath } from "@/lib/address";
import { useWords } from "@/i18n";
import { Icon } from "@/ui/icons";
import { routes } from "./routes";

/** The rail at the left; on a phone a bar at the bottom. */
export function Nav(): ReactElement {
  const t = useWords();
  const path = usePath();
  return (
    <nav aria-label={t.nav.label} className="flex shrink-0 border-line bg-surface max-sm:h-14 max-sm:justify-around max-sm:border-t max-sm:pb-[env(safe-area-inset-bottom)] sm:w-20 sm:flex-col sm:gap-1 sm:border-r sm:px-2 sm:py-2 lg:w-48">
      <a href="/" onClick={follow} className="mb-2 flex h-10 items-center gap-2 rounded-md px-3 font-strong max-lg:justify-center max-sm:hidden">
        <img src="/icon.svg" alt="" width="22" height="22" />
        <span className="text-lg max-lg:sr-only">{t.app.name}</span>
      </a>
      {routes.map((r) => {
        const here = r.path === path;
        return (
          <a
            key={r.path} href={r.path} onClick={follow} onPointerEnter={() => void r.load()} aria-current={here ? "page" : undefined}
            className={`flex items-center rounded-md max-lg:flex-col max-lg:justify-center max-lg:gap-0.5 max-lg:text-xs max-sm:min-w-16 max-sm:px-1 sm:h-14 lg:h-9 lg:gap-3 lg:px-3 ${here ? "bg-accent-soft text-accent" : "text-muted hover:bg-hover hover:text-text"} max-sm:bg-transparent`}
          >
            <Icon name={r.icon} size={18} />
            <span className="whitespace-nowrap">{t.nav[r.word]}</span>
          </a>
        );
      })}
    </nav>
  );
}
