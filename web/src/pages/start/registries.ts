import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";

type Kind = "models" | "tasks" | "datasets" | "metrics";

/** Names that a job can use, with what they are. */
export function useKnown(kind: Kind): { name: string; about?: string | null; backend?: unknown }[] {
  const { data } = useQuery({
    queryKey: ["registries", kind],
    staleTime: 60_000,
    queryFn: () => ok(api.GET("/api/v1/registries/{kind}", { params: { path: { kind } } })),
  });
  return (data ?? []).map((entry) => ({ name: entry.name, about: entry.description, backend: entry.entry?.backend }));
}
