import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";

export type Overview = components["schemas"]["AgentsOverview"];
export type SessionUse = components["schemas"]["SessionUse"];

const LOOK_MS = 4000;

/** Agents, claims, what waits, what was used of late. */
export function useOverview(enabled = true) {
  return useQuery({
    queryKey: ["agents"],
    enabled,
    queryFn: ({ signal }) => ok(api.GET("/api/v1/agents/overview", { signal })),
    refetchInterval: LOOK_MS,
  });
}
