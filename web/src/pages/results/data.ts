import { queryOptions } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type Leaderboard = Schemas["Leaderboard"];
export type LeaderboardRun = Schemas["LeaderboardRun"];
export type MetricCell = Schemas["MetricCell"];
export type RunOverview = Schemas["RunOverview"];
export type SampleRow = Schemas["SampleRow"];
export type SampleShown = Schemas["SampleShown"];
export type Pair = Schemas["Pair"];
export type PairPage = Schemas["PairPage"];
export type Cut = Schemas["Cut"];

/** Results change when a job is retried: they are looked at anew after a while, not all the time. */
const STALE_MS = 15_000;

export const leaderboardQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["leaderboard", jobId],
    staleTime: STALE_MS,
    queryFn: () => ok(api.GET("/api/v1/jobs/{job_id}/leaderboard", { params: { path: { job_id: jobId } } })),
  });

export const overviewQuery = (runId: string) =>
  queryOptions({
    queryKey: ["overview", runId],
    staleTime: STALE_MS,
    enabled: runId !== "",
    queryFn: () => ok(api.GET("/api/v1/runs/{run_id}/overview", { params: { path: { run_id: runId } } })),
  });

export const sampleQuery = (runId: string, row: number) =>
  queryOptions({
    queryKey: ["sample", runId, row],
    staleTime: STALE_MS,
    queryFn: () => ok(api.GET("/api/v1/runs/{run_id}/samples/{row}", { params: { path: { run_id: runId, row } } })),
  });

/** Which of some values is the best; null where the direction is not known or there is none. */
export function best(values: (number | null | undefined)[], higherIsBetter: boolean | null): number | null {
  const known = values.filter((value): value is number => value != null);
  if (known.length === 0 || higherIsBetter === null) return null;
  return higherIsBetter ? Math.max(...known) : Math.min(...known);
}

/** A run's value of a metric. */
export function cellOf(run: LeaderboardRun, metric: string): MetricCell | undefined {
  return run.metrics.find((cell) => cell.metric === metric);
}
