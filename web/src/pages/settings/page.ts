import { Settings } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/settings", element: lazy(() => import("./you")), nav: { label: "settings", order: 60, icon: Settings } },
  { path: "/settings/tokens", element: lazy(() => import("./tokens")) },
  { path: "/settings/webhooks", element: lazy(() => import("./webhooks")) },
  { path: "/settings/webhooks/:id", element: lazy(() => import("./webhook")) },
  { path: "/settings/audit", element: lazy(() => import("./audit")) },
];
