import { ListChecks } from "lucide-react";
import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  { path: "/jobs", element: lazy(() => import("./jobs")), nav: { label: "jobs", order: 20, icon: ListChecks } },
];
