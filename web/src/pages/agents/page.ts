import { Server } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/agents", load: () => import("./agents"), nav: { label: "agents", order: 40, icon: Server } },
];
