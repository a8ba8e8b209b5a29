import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api, ok } from "@/api/client";
import { jobQuery } from "@/api/job-query";
import type { components } from "@/api/schema";

export type Job = components["schemas"]["JobEntry"];
export type Run = components["schemas"]["RunEntryAnswer"];
export type Start = components["schemas"]["BackendStart"];
export type RunSoFar = components["schemas"]["RunSoFar"];

const RUNS_AT_ONCE = 200;
const MOST_RUNS = 2000;
const LOOK_MS = 5000;

export const isOver = (job: Job | undefined) =>
  !!job && ["completed", "failed", "cancelled", "rejected"].includes(job.status);

/** Samples of an ended job that a retry can ask. */
export const unanswered = (job: Job) => job.counts.failed + job.counts.withdrawn;

export function useJob(jobId: string) {
  return useQuery({
    ...jobQuery(jobId),
    // Events tell what changes; a job that waits for the scheduler has none yet.
    refetchInterval: (query) => (query.state.data?.status === "waiting" ? 1000 : false),
  });
}

/** All runs, page by page. */
export function useRuns(jobId: string) {
  const found = useInfiniteQuery({
    queryKey: ["job", jobId, "runs"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/jobs/{job_id}/runs", {
          signal,
          params: { path: { job_id: jobId }, query: { limit: RUNS_AT_ONCE, cursor: pageParam ?? undefined } },
        }),
      ),
    getNextPageParam: (page) => page.next,
  });
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  const { hasNextPage, isFetching, fetchNextPage } = found;
  useEffect(() => {
    if (hasNextPage && !isFetching && rows.length < MOST_RUNS) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, rows.length]);
  return { ...found, rows };
}

export function useStarts(jobId: string, over: boolean) {
  return useQuery({
    queryKey: ["job", jobId, "backends"],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/jobs/{job_id}/backends", { signal, params: { path: { job_id: jobId } } })),
    // What is still there when the job has ended is stopped later, or goes without a word with its agent.
    refetchInterval: (query) => (over && !query.state.data?.some(isThere) ? false : LOOK_MS),
  });
}

const isThere = (start: Start) => !["failed", "stopped"].includes(start.state);

/** Metrics so far of runs that go on, by run. */
export function useSoFar(jobId: string, over: boolean): ReadonlyMap<string, RunSoFar> {
  const found = useQuery({
    queryKey: ["job", jobId, "so-far"],
    enabled: !over,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/jobs/{job_id}/live-metrics", { signal, params: { path: { job_id: jobId } } })),
    refetchInterval: LOOK_MS,
  });
  return useMemo(() => new Map(found.data?.map((run) => [run.run_id, run])), [found.data]);
}

/** What each run waits for, in words, by run. */
export function useReasons(jobId: string, over: boolean) {
  return useQuery({
    queryKey: ["job", jobId, "explain"],
    enabled: !over,
    retry: false,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/jobs/{job_id}/explain", { signal, params: { path: { job_id: jobId } } })),
    refetchInterval: LOOK_MS,
  });
}

/** Answers a second over the whole of each run that has ended, by its name; where it was measured. */
export function useAverages(jobId: string, over: boolean): ReadonlyMap<string, number> {
  const found = useQuery({
    queryKey: ["job", jobId, "performance"],
    enabled: over,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/jobs/{job_id}/performance", { signal, params: { path: { job_id: jobId } } })),
  });
  return useMemo(
    () =>
      new Map(
        found.data?.flatMap(({ name, requests_per_s: rate }) =>
          rate == null || rate === "" ? [] : [[String(name), Number(rate)]],
        ),
      ),
    [found.data],
  );
}

export function useArtefacts(jobId: string, over: boolean) {
  return useQuery({
    queryKey: ["job", jobId, "artefacts"],
    enabled: over,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/jobs/{job_id}/artefacts", { signal, params: { path: { job_id: jobId } } })),
  });
}
