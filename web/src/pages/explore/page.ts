import { ChartScatter } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/explore",
    element: lazy(() => import("./gallery")),
    nav: { label: "explore", order: 30, icon: ChartScatter },
  },
  { path: "/explore/view/:name", element: lazy(() => import("./view")) },
  { path: "/explore/sql", element: lazy(() => import("./sql")) },
  { path: "/explore/baselines", element: lazy(() => import("./baselines")) },
];
