import { Webhook as Icon } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Visible } from "@/ui/foreign-text";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Frame } from "./frame";
import { useWebhooks, type Webhook } from "./hooks";
import { SecretDialog } from "./secret";
import { WebhookForm } from "./webhook-form";
import { WebhookState } from "./webhook-state";

/** Addresses that are told of events. */
export default function Webhooks() {
  const { t } = useTranslation("settings");
  const [asking, setAsking] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const { data, error, refetch } = useWebhooks();
  return (
    <Frame
      admin
      actions={
        <Button kind="primary" onClick={() => setAsking(true)}>
          <Icon aria-hidden className="size-4" />
          {t("webhooks.make")}
        </Button>
      }
    >
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <Panel flush title={t("webhooks.title")}>
          {data.length === 0 ? (
            <Empty title={t("webhooks.none")}>{t("webhooks.about")}</Empty>
          ) : (
            <List webhooks={data} />
          )}
        </Panel>
      )}
      <WebhookForm
        open={asking}
        onClose={() => setAsking(false)}
        onMade={(made) => {
          setAsking(false);
          setSecret(made);
        }}
      />
      <SecretDialog title={t("webhooks.secret")} secret={secret} onClose={() => setSecret(null)} />
    </Frame>
  );
}

function List({ webhooks }: { webhooks: Webhook[] }) {
  const { t } = useTranslation("settings");
  const format = useFormat();
  const columns: Column<Webhook>[] = [
    {
      key: "name",
      header: t("webhooks.name"),
      width: "minmax(10rem, 1fr)",
      cell: (one) => (
        <Link className="foreign font-medium text-accent hover:underline" to={`/settings/webhooks/${one.webhook_id}`}>
          <Visible text={one.name} />
        </Link>
      ),
    },
    {
      key: "url",
      header: t("webhooks.url"),
      width: "minmax(14rem, 2fr)",
      cell: (one) => (
        <span className="foreign line-clamp-2">
          <Visible text={one.url} />
        </span>
      ),
    },
    {
      key: "kinds",
      header: t("webhooks.kinds"),
      width: "minmax(12rem, 1.5fr)",
      cell: (one) => (
        <span className="line-clamp-2" title={one.kinds.join(", ")}>
          {one.kinds.join(", ")}
        </span>
      ),
    },
    {
      key: "state",
      header: t("webhooks.state"),
      width: "minmax(9rem, 1fr)",
      cell: (one) => <WebhookState webhook={one} />,
    },
    {
      key: "last",
      header: t("webhooks.last"),
      width: "minmax(13rem, 1fr)",
      cell: (one) => (one.last_success_at ? format.moment(one.last_success_at) : t("webhooks.never")),
    },
  ];
  return <Table label={t("webhooks.title")} columns={columns} rows={webhooks} rowKey={(one) => one.webhook_id} />;
}
