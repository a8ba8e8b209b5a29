import { LogOut, Menu, Unplug } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { NavLink, useLocation } from "react-router";
import { useConnectionLost } from "@/api/connection";
import { NAVIGATION } from "@/app/pages";
import { Preferences } from "@/app/preferences";
import { logOut, useMay, useMe } from "@/app/session";
import { classes } from "@/ui/classes";

/** What is around every page: navigation, who is there, and whether the service answers. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const lost = useConnectionLost();
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only z-50 rounded bg-accent px-3 py-2 text-accent-ink focus:not-sr-only focus:absolute focus:m-2"
      >
        {t("shell.skip")}
      </a>
      <Header />
      <div aria-live="polite">
        {lost && (
          <p className="flex items-center justify-center gap-2 bg-warn px-4 py-2 font-medium text-ground">
            <Unplug aria-hidden className="size-4 shrink-0" />
            {t("shell.lost")}
          </p>
        )}
      </div>
      <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[100rem] flex-1 p-4 outline-none sm:p-6">
        {children}
      </main>
    </div>
  );
}

function Header() {
  const { t } = useTranslation();
  const me = useMe().data;
  const { pathname } = useLocation();
  // Open for the page it was opened on: going to another closes it.
  const [openOn, setOpenOn] = useState<string | null>(null);
  const open = openOn === pathname;
  return (
    <header className="sticky top-0 z-30 border-b border-line bg-panel">
      <div className="mx-auto flex max-w-[100rem] flex-wrap items-center gap-x-4 px-4 sm:px-6 lg:flex-nowrap">
        <NavLink to="/" className="flex items-center gap-2 py-3 font-semibold">
          <img src="/icon.svg" alt="" className="size-6" />
          VLMHyperBench
        </NavLink>
        <button
          type="button"
          className="ml-auto rounded p-2 hover:bg-raised lg:hidden"
          aria-expanded={open}
          aria-controls="navigation"
          onClick={() => setOpenOn(open ? null : pathname)}
        >
          <Menu aria-hidden className="size-5" />
          <span className="sr-only">{t("shell.menu")}</span>
        </button>
        <div
          id="navigation"
          className={classes(
            "w-full flex-col gap-2 pb-3 lg:flex lg:w-auto lg:flex-1 lg:flex-row lg:items-center lg:pb-0",
            open ? "flex" : "hidden",
          )}
        >
          <nav aria-label={t("shell.navigation")} className="flex flex-col gap-1 lg:flex-row">
            {NAVIGATION.map((page) => (
              <NavigationLink key={page.path} page={page} />
            ))}
          </nav>
          <div className="flex items-center gap-2 lg:ml-auto">
            <Preferences />
            {me && (
              <>
                <span className="max-w-48 truncate text-muted" title={me.name}>
                  {me.name} · {t(`role.${me.role}`)}
                </span>
                <button
                  type="button"
                  className="rounded p-2 text-muted hover:bg-raised hover:text-ink"
                  onClick={() => void logOut()}
                >
                  <LogOut aria-hidden className="size-4" />
                  <span className="sr-only">{t("shell.logout")}</span>
                </button>
              </>
            )}
          </div>
        </div>
      </div>
    </header>
  );
}

function NavigationLink({ page }: { page: (typeof NAVIGATION)[number] }) {
  const { t } = useTranslation();
  const may = useMay(page.role ?? "viewer");
  if (!may) return null;
  return (
    <NavLink
      to={page.path}
      className={({ isActive }) =>
        classes(
          "flex items-center gap-2 rounded px-3 py-2 font-medium",
          isActive ? "bg-raised text-ink" : "text-muted hover:bg-raised hover:text-ink",
        )
      }
    >
      <page.nav.icon aria-hidden className="size-4" />
      {t(`nav.${page.nav.label}`)}
    </NavLink>
  );
}
