import { jobQuery } from "@/api/job-query";
import { queryClient } from "@/api/queries";
import type { Page } from "@/app/pages";
import { leaderboardQuery } from "./data";

const load = () => import("./results");

export const pages: Page[] = [
  { path: "/jobs/:jobId/results", load, early },
  { path: "/jobs/:jobId/results/:view", load, early },
];

function early({ jobId = "" }: Record<string, string | undefined>) {
  void queryClient.prefetchQuery(jobQuery(jobId));
  void queryClient.prefetchQuery(leaderboardQuery(jobId));
}
