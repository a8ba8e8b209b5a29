import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Facts } from "@/ui/facts";
import { ForeignText } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { Confirm } from "./confirm";
import { Deliveries } from "./deliveries";
import { Frame } from "./frame";
import { useWebhook, type Webhook } from "./hooks";
import { SecretDialog } from "./secret";
import { WebhookForm } from "./webhook-form";
import { WebhookState } from "./webhook-state";

/** One webhook, what can be done with it, and what was sent. */
export default function WebhookPage() {
  const { id = "" } = useParams();
  const { t } = useTranslation("settings");
  const { data, error, refetch } = useWebhook(id);
  return (
    <Frame admin>
      <p>
        <Link className="text-muted hover:underline" to="/settings/webhooks">
          ← {t("webhooks.all")}
        </Link>
      </p>
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <>
          <WebhookFacts webhook={data} />
          <Deliveries webhookId={id} />
        </>
      )}
    </Frame>
  );
}

function WebhookFacts({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation("settings");
  const format = useFormat();
  const when = (value: string | null) => (value ? format.moment(value) : null);
  const facts: [string, string | null][] = [
    [t("webhooks.url"), webhook.url],
    [t("webhooks.kinds"), webhook.kinds.join(", ")],
    [t("webhooks.jobName"), webhook.job_name],
    [t("webhooks.model"), webhook.model],
    [t("webhooks.judges"), webhook.judges ? t("webhooks.yes") : null],
    [t("webhooks.last"), when(webhook.last_success_at) ?? t("webhooks.never")],
    [t("webhooks.failingSince"), when(webhook.failing_since)],
    [t("webhooks.formerUntil"), when(webhook.former_until)],
  ];
  return (
    <Panel title={<ForeignText text={webhook.name} />} actions={<Actions webhook={webhook} />}>
      {webhook.disabled_reason && (
        <div role="alert" className="mb-4 rounded-md border border-bad p-3">
          <ForeignText text={webhook.disabled_reason} />
        </div>
      )}
      <Facts facts={facts}>
        <dt className="text-muted">{t("webhooks.state")}</dt>
        <dd>
          <WebhookState webhook={webhook} />
        </dd>
      </Facts>
    </Panel>
  );
}

function Actions({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation("settings");
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<"change" | "remove" | "secret" | null>(null);
  const params = { path: { webhook_id: webhook.webhook_id } };
  const changed = () => client.invalidateQueries({ queryKey: ["webhooks"] });
  const turn = useMutation({
    mutationFn: () => ok(api.PATCH("/api/v1/webhooks/{webhook_id}", { params, body: { enabled: !webhook.enabled } })),
    onSuccess: changed,
  });
  const ping = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/webhooks/{webhook_id}/ping", { params })),
    onSuccess: changed,
  });
  const renew = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/webhooks/{webhook_id}/secret", { params })),
    onSuccess: async () => {
      setAsked(null);
      await changed();
    },
  });
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE("/api/v1/webhooks/{webhook_id}", { params })),
    onSuccess: () => {
      void navigate("/settings/webhooks");
      client.removeQueries({ queryKey: ["webhooks", webhook.webhook_id] });
      void client.invalidateQueries({ queryKey: ["webhooks"], exact: true });
    },
  });
  const failed = turn.error ?? ping.error;
  return (
    <>
      <Button small busy={ping.isPending} onClick={() => ping.mutate()}>
        {t("webhooks.ping")}
      </Button>
      <Button small onClick={() => setAsked("change")}>
        {t("webhooks.change")}
      </Button>
      <Button small busy={turn.isPending} onClick={() => turn.mutate()}>
        {t(webhook.enabled ? "webhooks.turnOff" : "webhooks.turnOn")}
      </Button>
      <Button small onClick={() => setAsked("secret")}>
        {t("webhooks.renew")}
      </Button>
      <Button small kind="danger" onClick={() => setAsked("remove")}>
        {t("webhooks.remove")}
      </Button>
      {failed && <ProblemNote error={failed} />}
      <WebhookForm webhook={webhook} open={asked === "change"} onClose={() => setAsked(null)} />
      <Confirm
        title={t("webhooks.renew")}
        open={asked === "secret"}
        action={t("webhooks.renew")}
        busy={renew.isPending}
        error={renew.error}
        onConfirm={() => renew.mutate()}
        onClose={() => setAsked(null)}
      >
        {t("webhooks.renewText")}
      </Confirm>
      <Confirm
        title={t("webhooks.remove")}
        open={asked === "remove"}
        action={t("webhooks.remove")}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setAsked(null)}
      >
        {t("webhooks.removeText")}
      </Confirm>
      <SecretDialog title={t("webhooks.secret")} secret={renew.data?.secret ?? null} onClose={() => renew.reset()} />
    </>
  );
}
