import { ChartScatter } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/explore",
    load: () => import("./gallery"),
    nav: { label: "explore", order: 30, icon: ChartScatter },
  },
  { path: "/explore/view/:name", load: () => import("./view") },
  { path: "/explore/sql", load: () => import("./sql") },
  { path: "/explore/baselines", load: () => import("./baselines") },
];
