import type { LucideIcon } from "lucide-react";
import { type ComponentType, lazy } from "react";
import type { Role } from "@/app/session";

/** A page: its address, what shows it, and its place in the navigation. */
export interface Page {
  /** As react-router writes it: `/jobs/:jobId`. */
  path: string;
  /** Fetches its code, when it is opened. */
  load: () => Promise<{ default: ComponentType }>;
  /** Asks for what it shows first, before its code is there: where a visit begins with this page. */
  early?: (params: Record<string, string | undefined>) => void;
  /** Absent: no entry in the navigation. `label` is a key of `common.nav`. */
  nav?: { label: string; order: number; icon: LucideIcon };
  /** Who sees it in the navigation. */
  role?: Role;
}

const found = import.meta.glob<{ pages: Page[] }>("../pages/*/page.ts", { eager: true });

const parts = new Map<Page["load"], ComponentType>();

/** One component for each part, however many addresses show it: going from one to another keeps its state. */
function elementOf({ load }: Page): ComponentType {
  const element = parts.get(load) ?? lazy(load);
  parts.set(load, element);
  return element;
}

/** Every folder of `pages/` registers what it has in its `page.ts`. */
export const PAGES = Object.values(found)
  .flatMap((module) => module.pages)
  .map((page) => ({ ...page, element: elementOf(page) }));

export const NAVIGATION = PAGES.flatMap((page) => (page.nav ? [{ ...page, nav: page.nav }] : [])).sort(
  (a, b) => a.nav.order - b.nav.order,
);
