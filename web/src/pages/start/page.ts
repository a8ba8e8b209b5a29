import { Rocket } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/start",
    load: () => import("./start"),
    nav: { label: "start", order: 10, icon: Rocket },
    role: "submitter",
  },
];
