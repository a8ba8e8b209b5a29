import { Library } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/registries",
    load: () => import("./registries"),
    nav: { label: "registries", order: 50, icon: Library },
  },
  { path: "/registries/:kind", load: () => import("./registries") },
  { path: "/registries/:kind/:name", load: () => import("./entry") },
  { path: "/datasets/:digest", load: () => import("./stored") },
];
