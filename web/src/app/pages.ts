import type { LucideIcon } from "lucide-react";
import type { ComponentType } from "react";
import type { Role } from "@/app/session";

/** A page: its address, what shows it, and its place in the navigation. */
export interface Page {
  /** As react-router writes it: `/jobs/:jobId`. */
  path: string;
  /** Best made by `lazy`, so that a page's code is loaded when it is opened. */
  element: ComponentType;
  /** Absent: no entry in the navigation. `label` is a key of `common.nav`. */
  nav?: { label: string; order: number; icon: LucideIcon };
  /** Who sees it in the navigation. */
  role?: Role;
}

const found = import.meta.glob<{ pages: Page[] }>("../pages/*/page.ts", { eager: true });

/** Every folder of `pages/` registers what it has in its `page.ts`. */
export const PAGES: Page[] = Object.values(found).flatMap((module) => module.pages);

export const NAVIGATION = PAGES.flatMap((page) => (page.nav ? [{ ...page, nav: page.nav }] : [])).sort(
  (a, b) => a.nav.order - b.nav.order,
);
