import { useTranslation } from "react-i18next";
import { useOverview } from "@/pages/agents/overview";
import { SessionCharts } from "@/pages/agents/session-use";
import { Panel } from "@/ui/page";
import type { Start } from "./job";

/** What the backends of the job used over the last minutes. */
export function Use({ starts, over }: { starts: readonly Start[]; over: boolean }) {
  const { t } = useTranslation("watch");
  const overview = useOverview(!over);
  const mine = new Set(starts.map((start) => start.session));
  const use = overview.data?.use.filter((one) => mine.has(one.session)) ?? [];
  if (over || use.length === 0) return null;
  return (
    <Panel title={t("use.title")}>
      <ul className="space-y-5">
        {use.map((one) => (
          <li key={one.session} className="space-y-2">
            <h3>
              <span className="foreign font-medium">{one.model}</span>{" "}
              <span className="text-muted">{t("backends.on", { agent: one.agent_id })}</span>
            </h3>
            <SessionCharts use={one} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
