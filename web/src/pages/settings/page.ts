import { Settings } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/settings", load: () => import("./you"), nav: { label: "settings", order: 60, icon: Settings } },
  { path: "/settings/tokens", load: () => import("./tokens") },
  { path: "/settings/webhooks", load: () => import("./webhooks") },
  { path: "/settings/webhooks/:id", load: () => import("./webhook") },
  { path: "/settings/audit", load: () => import("./audit") },
];
