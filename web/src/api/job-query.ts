import { queryOptions } from "@tanstack/react-query";
import { api, ok } from "@/api/client";

/** A job with its counts, for every page that is about one. */
export const jobQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["job", jobId, "job"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}", { signal, params: { path: { job_id: jobId } } })),
  });
