import { jobQuery } from "@/api/job-query";
import { queryClient } from "@/api/queries";
import type { Page } from "@/app/pages";

export const pages: Page[] = [
  {
    path: "/jobs/:jobId",
    load: () => import("./watch"),
    early: ({ jobId = "" }) => void queryClient.prefetchQuery(jobQuery(jobId)),
  },
];
