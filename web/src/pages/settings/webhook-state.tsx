import { useTranslation } from "react-i18next";
import { Badge } from "@/ui/badge";
import type { Webhook } from "./hooks";

/** Whether a webhook is sent to, and takes what it is sent. */
export function WebhookState({ webhook }: { webhook: Webhook }) {
  const { t } = useTranslation("settings");
  if (!webhook.enabled) {
    const itself = webhook.disabled_reason !== null;
    return <Badge tone={itself ? "bad" : "muted"}>{t(itself ? "webhooks.givenUp" : "webhooks.off")}</Badge>;
  }
  if (webhook.failing_since) return <Badge tone="warn">{t("webhooks.failing")}</Badge>;
  return <Badge tone="good">{t("webhooks.on")}</Badge>;
}
