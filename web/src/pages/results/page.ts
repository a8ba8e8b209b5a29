import { lazy } from "react";
import type { Page } from "@/app/pages";

const results = lazy(() => import("./results"));

export const pages: Page[] = [
  { path: "/jobs/:jobId/results", element: results },
  { path: "/jobs/:jobId/results/:view", element: results },
];
