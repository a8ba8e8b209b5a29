import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";

export type Entry = components["schemas"]["RegistryEntry"];
export type Details = components["schemas"]["RegistryEntryDetails"];

export const KINDS = ["models", "tasks", "metrics", "datasets"] as const;
export type Kind = (typeof KINDS)[number];

/** The parameter of the start page that names an entry of a kind. */
export const START: Record<Kind, string> = {
  models: "model",
  tasks: "task",
  metrics: "metric",
  datasets: "dataset",
};

export function isKind(text: string | undefined): text is Kind {
  return KINDS.some((kind) => kind === text);
}

export function useEntries(kind: Kind) {
  return useQuery({
    queryKey: ["registries", kind],
    queryFn: () => ok(api.GET("/api/v1/registries/{kind}", { params: { path: { kind } } })),
  });
}

export function useEntry(kind: Kind, name: string) {
  return useQuery({
    queryKey: ["registries", kind, name],
    queryFn: () => ok(api.GET("/api/v1/registries/{kind}/{name}", { params: { path: { kind, name } } })),
  });
}

/** What an entry is about in a word or two, beside its name. */
export function subject(kind: Kind, entry: Entry): string {
  const said = entry.entry ?? {};
  const text = (key: string) => (typeof said[key] === "string" ? said[key] : "");
  if (kind === "models") return [text("backend"), text("model")].filter(Boolean).join(" · ");
  if (kind === "tasks") return [text("dataset"), metrics(said.metrics)].filter(Boolean).join(" · ");
  if (kind === "datasets") return text("source");
  return text("summary");
}

function metrics(value: unknown): string {
  if (!Array.isArray(value)) return "";
  return value
    .map((one) => (typeof one === "string" ? one : String((one as { name?: unknown })?.name ?? "")))
    .join(", ");
}
