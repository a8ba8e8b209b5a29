import { Library } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/registries",
    element: lazy(() => import("./registries")),
    nav: { label: "registries", order: 50, icon: Library },
  },
  { path: "/registries/:kind", element: lazy(() => import("./registries")) },
  { path: "/registries/:kind/:name", element: lazy(() => import("./entry")) },
  { path: "/datasets/:digest", element: lazy(() => import("./stored")) },
];
