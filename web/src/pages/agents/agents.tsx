import { useTranslation } from "react-i18next";
import { useRefresh } from "@/api/refresh";
import { useStream } from "@/api/stream";
import { Empty, Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { AgentCard } from "./agent-card";
import { useOverview } from "./overview";
import { WaitingList } from "./waiting-list";

const MEANT = /^backend\./;

/** Who can run what, runs what, and what waits for a place. */
export default function Agents() {
  const { t } = useTranslation("agents");
  const overview = useOverview();
  const refresh = useRefresh(["agents"]);
  useStream(
    {},
    {
      event: (event) => MEANT.test((event as { what: string }).what) && refresh(),
      reset: refresh,
      open: (again) => again && refresh(),
    },
  );
  return (
    <Page title={t("title")}>
      {overview.data ? (
        <>
          <WaitingList overview={overview.data} />
          {overview.data.agents.length === 0 ? (
            <Panel>
              <Empty title={t("none.title")}>{t("none.text")}</Empty>
            </Panel>
          ) : (
            overview.data.agents.map((agent) => (
              <AgentCard key={agent.agent_id} agent={agent} overview={overview.data} />
            ))
          )}
        </>
      ) : overview.error ? (
        <ProblemNote error={overview.error} again={() => void overview.refetch()} />
      ) : (
        <Waiting />
      )}
    </Page>
  );
}
