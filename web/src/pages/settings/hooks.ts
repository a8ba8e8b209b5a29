import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useMay } from "@/app/session";
import type { Tone } from "@/ui/badge";

export type Webhook = components["schemas"]["WebhookEntry"];
export type NewWebhook = components["schemas"]["NewWebhook"];
export type Delivery = components["schemas"]["DeliveryEntry"];
export type Kind = NewWebhook["kinds"][number];

/** Every kind of event, in the order in which a form shows them; a kind that is missing here does not compile. */
const GROUPS: Record<Kind, "job" | "run" | "backend" | "comparison"> = {
  "job.completed": "job",
  "job.failed": "job",
  "job.cancelled": "job",
  "job.rejected": "job",
  "job.accepted": "job",
  "job.evaluated": "job",
  "job.report.completed": "job",
  "run.inference.started": "run",
  "run.inference.completed": "run",
  "run.inference.failed": "run",
  "run.evaluation.completed": "run",
  "run.evaluation.failed": "run",
  "run.report.completed": "run",
  "run.questions.asked": "run",
  "run.answers.reused": "run",
  "run.shard.completed": "run",
  "backend.starting": "backend",
  "backend.ready": "backend",
  "backend.failed": "backend",
  "backend.stopped": "backend",
  "comparison.completed": "comparison",
  "comparison.failed": "comparison",
};
export const KIND_GROUPS = (["job", "run", "backend", "comparison"] as const).map((group) => ({
  group,
  kinds: (Object.keys(GROUPS) as Kind[]).filter((kind) => GROUPS[kind] === group),
}));
export const USUAL: Kind[] = ["job.completed", "job.failed", "job.cancelled"];

export const TONES: Record<Delivery["state"], Tone> = { waiting: "info", delivered: "good", failed: "bad" };

export function useWebhooks() {
  return useQuery({
    queryKey: ["webhooks"],
    enabled: useMay("admin"),
    queryFn: () => ok(api.GET("/api/v1/webhooks")),
  });
}

export function useWebhook(id: string) {
  return useQuery({
    queryKey: ["webhooks", id],
    enabled: useMay("admin"),
    refetchInterval: 10_000,
    queryFn: () => ok(api.GET("/api/v1/webhooks/{webhook_id}", { params: { path: { webhook_id: id } } })),
  });
}
