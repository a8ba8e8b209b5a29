import { ListChecks } from "lucide-react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/jobs", load: () => import("./jobs"), nav: { label: "jobs", order: 20, icon: ListChecks } },
];
