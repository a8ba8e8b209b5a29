import { Rocket } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/start",
    element: lazy(() => import("./start")),
    nav: { label: "start", order: 10, icon: Rocket },
    role: "submitter",
  },
];
