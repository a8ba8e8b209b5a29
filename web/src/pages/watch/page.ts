import { lazy } from "react";
import type { Page } from "@/app/pages";

export const pages: Page[] = [{ path: "/jobs/:jobId", element: lazy(() => import("./watch")) }];
