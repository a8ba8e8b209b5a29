import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Facts } from "@/ui/facts";
import { ForeignText } from "@/ui/foreign-text";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { TONES } from "./hooks";

/** One delivery: what was sent, and what came back. */
export function DeliveryDialog({
  webhookId,
  deliveryId,
  onClose,
}: {
  webhookId: string;
  deliveryId: string | null;
  onClose: () => void;
}) {
  const { t } = useTranslation("settings");
  return (
    <Dialog wide title={t("deliveries.one")} open={deliveryId !== null} onClose={onClose}>
      {deliveryId !== null && <Details webhookId={webhookId} deliveryId={deliveryId} />}
    </Dialog>
  );
}

function Details({ webhookId, deliveryId }: { webhookId: string; deliveryId: string }) {
  const { t } = useTranslation("settings");
  const format = useFormat();
  const client = useQueryClient();
  const params = { path: { webhook_id: webhookId, delivery_id: deliveryId } };
  const { data, error, refetch } = useQuery({
    queryKey: ["webhooks", webhookId, "delivery", deliveryId],
    refetchInterval: 3000,
    queryFn: () => ok(api.GET("/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", { params })),
  });
  const replay = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", { params })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["webhooks", webhookId] }),
  });
  if (error) return <ProblemNote error={error} again={() => void refetch()} />;
  if (!data) return <Waiting />;
  const facts: [string, string | null][] = [
    ["webhook-id", data.delivery_id],
    [t("deliveries.time"), format.moment(data.created_at)],
    [t("deliveries.attempts"), format.whole(data.attempts)],
    [t("deliveries.attempted"), data.attempted_at && format.moment(data.attempted_at)],
    [t("deliveries.next"), data.state === "waiting" ? format.moment(data.due_at) : null],
    [t("deliveries.status"), data.status === null ? null : String(data.status)],
    [t("deliveries.seconds"), data.seconds === null ? null : `${format.short(data.seconds * 1000)} ms`],
    [t("deliveries.error"), data.error],
  ];
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span className="flex items-center gap-2" aria-live="polite">
          <code>{data.what}</code>
          <Badge tone={TONES[data.state]}>{t(`deliveries.is.${data.state}`)}</Badge>
        </span>
        <Button small busy={replay.isPending} onClick={() => replay.mutate()}>
          <RotateCw aria-hidden className="size-3.5" />
          {t("deliveries.replayOne")}
        </Button>
      </div>
      {replay.error && <ProblemNote error={replay.error} />}
      <Facts facts={facts} />
      <Part title={t("deliveries.body")} text={pretty(data.body)} />
      {data.response && <Part title={t("deliveries.response")} text={data.response} />}
    </div>
  );
}

function Part({ title, text }: { title: string; text: string }) {
  return (
    <section>
      <h3 className="mb-1 font-medium">{title}</h3>
      <ForeignText mono className="rounded-md border border-line bg-ground p-3" text={text} />
    </section>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
