import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { Panel } from "@/ui/page";
import type { Overview } from "./overview";
import { SessionCharts } from "./session-use";

type Agent = components["schemas"]["AgentInfo"];
type Session = components["schemas"]["SessionInfo"];
const GIB = 2 ** 30;

/** One agent: its host, devices, what it runs and what is wrong with it. */
export function AgentCard({ agent, overview }: { agent: Agent; overview: Overview }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const sessions = agent.sessions ?? [];
  const claims = overview.claims.filter((claim) => claim.agent_id === agent.agent_id);
  // A claim without a session: the agent begins, or ended, just now.
  const loose = claims.filter(
    (claim) => !sessions.some((one) => one.backend_id === claim.backend_id && one.replica === claim.replica),
  );
  return (
    <Panel
      title={<span className="foreign">{agent.agent_id}</span>}
      actions={<span className="text-muted">{t("card.host", { host: agent.host })}</span>}
    >
      <div className="space-y-5">
        <dl className="grid grid-cols-2 gap-x-6 gap-y-2 md:grid-cols-4">
          <Fact name={t("card.since")}>{format.moment(agent.started_at)}</Fact>
          <Fact name={t("card.machine")}>
            {[
              agent.cpus != null && t("card.cpus", { count: agent.cpus }),
              agent.memory_gib != null && format.bytes(agent.memory_gib * GIB),
            ]
              .filter(Boolean)
              .join(", ") || "–"}
          </Fact>
          <Fact name={t("card.places")}>
            {t("card.slots", { used: sessions.filter((one) => one.place === "slot").length, all: agent.slots ?? 0 })}
          </Fact>
          <Fact name={t("card.backends")}>
            <span className="foreign">{Object.keys(agent.backends ?? {}).join(", ") || "–"}</span>
          </Fact>
        </dl>
        <Devices agent={agent} sessions={sessions} />
        {sessions.length > 0 ? (
          <ul className="divide-y divide-line">
            {sessions.map((session) => (
              <Running
                key={`${session.backend_id}/${session.replica}`}
                session={session}
                agent={agent.agent_id}
                overview={overview}
              />
            ))}
          </ul>
        ) : (
          <p className="text-muted">{t("card.idle")}</p>
        )}
        {loose.length > 0 && <p className="text-xs text-muted">{t("card.claims", { count: loose.length })}</p>}
        <Wrong agent={agent} now={overview.now} />
      </div>
    </Panel>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}

function Devices({ agent, sessions }: { agent: Agent; sessions: readonly Session[] }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const devices = agent.devices ?? [];
  if (devices.length === 0) return <p className="text-muted">{t("devices.none")}</p>;
  return (
    <div>
      <h3 className="mb-2 font-medium">{t("devices.title")}</h3>
      <ul className="grid gap-2 sm:grid-cols-2 xl:grid-cols-4">
        {devices.map((device) => {
          const holder = sessions.find((session) => session.devices?.includes(device.uuid));
          return (
            <li key={device.uuid} className="min-w-0 rounded-md border border-line p-3">
              <p className="foreign font-medium">
                {device.index}: {device.name}
              </p>
              <p className="text-xs text-muted">{format.bytes(device.memory_gib * GIB)}</p>
              <p className="foreign mt-1 text-xs">
                {holder ? t("devices.held", { model: holder.model }) : t("devices.free")}
              </p>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Running({ session, agent, overview }: { session: Session; agent: string; overview: Overview }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const use = overview.use.find(
    (one) => one.agent_id === agent && one.backend_id === session.backend_id && one.replica === session.replica,
  );
  return (
    <li className="space-y-2 py-3 first:pt-0 last:pb-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="foreign font-medium">{session.model}</span>
        <Status status={session.state === "serving" ? "ready" : session.state} />
        <span className="text-xs text-muted">
          {t("session.since", { time: format.duration(overview.now - session.since) })}
        </span>
        <span className="text-xs text-muted">{t(`session.place.${session.place ?? "slot"}`)}</span>
        {(session.concurrency ?? 0) > 0 && (
          <span className="text-xs text-muted">{t("session.concurrency", { count: session.concurrency ?? 0 })}</span>
        )}
        <span className="font-mono text-xs text-muted">
          {session.backend_id.slice(0, 12)}.{session.replica}
        </span>
      </div>
      {session.state === "idle" && <p className="text-xs text-muted">{t("session.kept")}</p>}
      {session.state === "starting" && session.detail && (
        <p className="foreign text-xs text-muted">{t("session.says", { line: session.detail })}</p>
      )}
      {use && <SessionCharts use={use} />}
    </li>
  );
}

function Wrong({ agent, now }: { agent: Agent; now: number }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const lines = [
    ...Object.entries(agent.unusable ?? {}).map(([name, why]) => `${name}: ${why}`),
    ...(agent.troubles ?? []).map(
      (trouble) => `${trouble.message} ${t("wrong.again", { time: format.duration(trouble.next_try_at - now) })}`,
    ),
  ];
  if (lines.length === 0) return null;
  return (
    <ul className="space-y-1">
      {lines.map((line) => (
        <li key={line} className="flex gap-2 text-warn">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          <span className="foreign min-w-0">{line}</span>
        </li>
      ))}
    </ul>
  );
}
