// SPDX-License-Identifier: MIT
// The frame around every page, and the page that the address names.
import { Component, Suspense, useCallback, useEffect, useState, type ReactElement, type ReactNode } from "react";
import { follow, usePath } from "@/lib/address";
import { startLive, stopLive } from "@/live/live";
import { useWords } from "@/i18n";
import { Button, EmptyState } from "@/ui/basic";
import { Toasts } from "@/ui/toast";
import { Banners } from "./banner";
import { KillDialog } from "./kill";
import { Nav } from "./nav";
import { Palette } from "./palette";
import { routeOf } from "./routes";
import { TopBar } from "./topbar";

class Fence extends Component<{ children: ReactNode; broken: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }
  override render(): ReactNode {
    return this.state.failed ? this.props.broken : this.props.children;
  }
}

function Broken(): ReactElement {
  const t = useWords();
  return (
    <EmptyState icon="warning" title={t.app.broken} hint={t.app.brokenHint}
      action={<Button icon="refresh" onClick={() => window.location.reload()}>{t.app.reload}</Button>} />
  );
}

function NotFound(): ReactElement {
  const t = useWords();
  return (
    <EmptyState icon="search" title={t.app.notFound} hint={t.app.notFoundHint}
      action={<a href="/" onClick={follow} className="text-accent underline">{t.app.home}</a>} />
  );
}

export function Shell(): ReactElement {
  const t = useWords();
  const path = usePath();
  const route = routeOf(path);
  const [palette, setPalette] = useState(false);
  const [kill, setKill] = useState<boolean | null>(null);
  const openPalette = useCallback(() => setPalette(true), []);

  useEffect(() => {
    startLive();
    return stopLive;
  }, []);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!document.querySelector("dialog[open]")) setPalette(true);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const title = route ? t.nav[route.word] : t.app.notFound;
  useEffect(() => {
    document.title = `${title} · ${t.app.name}`;
  }, [title, t]);

  return (
    <div className="flex h-full max-sm:flex-col-reverse">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2">{t.app.skip}</a>
      <Nav />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <TopBar onSearch={openPalette} />
        <Banners />
        <main id="page" tabIndex={0} className="min-h-0 flex-1 overflow-auto p-4 focus-visible:outline-offset-[-2px] max-sm:p-3">
          <Fence key={path} broken={<Broken />}>
            <Suspense fallback={<span className="sr-only">{t.app.loading}</span>}>
              {route ? <route.Page /> : <NotFound />}
            </Suspense>
          </Fence>
        </main>
      </div>
      {palette && <Palette onClose={() => setPalette(false)} onKill={setKill} />}
      {kill !== null && <KillDialog stop={kill} onClose={() => setKill(null)} />}
      <Toasts />
    </div>
  );
}
