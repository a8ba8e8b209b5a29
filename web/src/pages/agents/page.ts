import { Server } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/agents", element: lazy(() => import("./agents")), nav: { label: "agents", order: 40, icon: Server } },
];
