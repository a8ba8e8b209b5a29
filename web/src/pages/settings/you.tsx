import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok, Problem } from "@/api/client";
import { useMe } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { Frame } from "./frame";

const AGAIN_MS = 10_000;

/** Who is logged in, and how the service does. */
export default function You() {
  const { t } = useTranslation(["settings", "common"]);
  const me = useMe().data;
  return (
    <Frame>
      <Panel title={t("you.title")}>
        {me && (
          <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[auto_1fr]">
            <dt className="text-muted">{t("you.name")}</dt>
            <dd className="foreign">
              <Visible text={me.name} />
            </dd>
            <dt className="text-muted">{t("you.role")}</dt>
            <dd>
              {t(`common:role.${me.role}`)}
              <p className="text-muted">{t(`you.may.${me.role}`)}</p>
            </dd>
          </dl>
        )}
      </Panel>
      <Health />
    </Frame>
  );
}

function Health() {
  const { t } = useTranslation("settings");
  const format = useFormat();
  const ready = useQuery({
    queryKey: ["readyz"],
    refetchInterval: AGAIN_MS,
    // What it lacks is an answer here, and nothing to wait for.
    queryFn: async () => {
      try {
        await ok(api.GET("/readyz"));
        return null;
      } catch (error) {
        if (error instanceof Problem && error.status === 503) return error.detail;
        throw error;
      }
    },
  });
  const agents = useQuery({
    queryKey: ["agents"],
    refetchInterval: AGAIN_MS,
    queryFn: () => ok(api.GET("/api/v1/agents")),
  });
  return (
    <Panel title={t("health.title")}>
      <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[auto_1fr]">
        <dt className="text-muted">{t("health.service")}</dt>
        <dd aria-live="polite">
          {ready.data === null && <Badge tone="good">{t("health.ready")}</Badge>}
          {ready.data && (
            <>
              <Badge tone="bad">{t("health.notReady")}</Badge> <span className="foreign">{ready.data}</span>
            </>
          )}
          {ready.data === undefined && t("health.unknown")}
        </dd>
        <dt className="text-muted">{t("health.agents")}</dt>
        <dd>{agents.data ? format.whole(agents.data.length) : t("health.unknown")}</dd>
        <dt className="text-muted">{t("health.interface")}</dt>
        <dd>
          <a className="text-accent underline" href="/api/v1/openapi.json">
            OpenAPI
          </a>
        </dd>
      </dl>
    </Panel>
  );
}
