import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProgressBar } from "@/ui/progress-bar";
import { EngineLog } from "./engine-log";
import type { Start } from "./job";
import type { Warmup } from "./live";

const MOST = 20;

/** Starts of backends: how far those are that do not answer yet, how long the others took. */
export function Backends({ starts, warmup }: { starts: readonly Start[]; warmup: ReadonlyMap<string, Warmup> }) {
  const { t } = useTranslation("watch");
  if (starts.length === 0) return null;
  return (
    <Panel title={t("backends.title")}>
      <ul className="divide-y divide-line">
        {starts.slice(0, MOST).map((start) => (
          <Backend
            key={`${start.backend_id}/${start.replica}/${start.session}`}
            start={start}
            warmup={warmup.get(start.session) ?? start.warmup}
          />
        ))}
      </ul>
      {starts.length > MOST && <p className="pt-2 text-muted">{t("backends.more", { count: starts.length - MOST })}</p>}
    </Panel>
  );
}

function Backend({ start, warmup }: { start: Start; warmup: Warmup | null }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  return (
    <li className="space-y-2 py-3 first:pt-0 last:pb-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="foreign font-medium">{start.model}</span>
        <Status status={start.state} />
        <span className="text-muted">{t("backends.on", { agent: start.agent_id })}</span>
        {start.replica > 0 && <span className="text-muted">{t("backends.replica", { replica: start.replica })}</span>}
        {start.seconds_to_ready !== null && (
          <span className="text-muted">{t("backends.took", { time: format.duration(start.seconds_to_ready) })}</span>
        )}
        <EngineLog start={start} />
      </div>
      {start.state === "starting" && <Warming start={start} warmup={warmup} />}
      {start.state === "idle" && <p className="text-xs text-muted">{t("backends.kept")}</p>}
      {start.state === "failed" && start.reason && <p className="foreign text-bad">{start.reason}</p>}
      {start.state === "stopped" && start.reason && (
        <p className="foreign text-xs text-muted">{t("backends.stopped", { reason: start.reason })}</p>
      )}
    </li>
  );
}

/** A bar against the usual time, and the phase with its own fraction where the engine says one. */
function Warming({ start, warmup }: { start: Start; warmup: Warmup | null }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const seconds = useSeconds(start.started_at);
  const usual = start.usual_seconds;
  const fraction = warmup?.fraction ?? null;
  const phase = t(`backends.phase.${warmup?.phase ?? "preparing"}`);
  return (
    <div className="space-y-1">
      {usual !== null && (
        <ProgressBar value={seconds} max={usual} label={t("backends.progress", { model: start.model })} />
      )}
      <p className="flex flex-wrap justify-between gap-x-4 text-xs tabular-nums">
        <span>
          {phase}
          {fraction !== null && `: ${format.percent(fraction)}`}
        </span>
        <span className="text-muted">
          {usual !== null
            ? t("backends.usual", { time: format.duration(seconds), usual: format.duration(usual) })
            : t("backends.soFar", { time: format.duration(seconds) })}
        </span>
      </p>
      {fraction !== null && <ProgressBar value={fraction} label={phase} tone="accent" className="h-1" />}
      {warmup?.detail && (
        <p className="truncate font-mono text-xs text-muted" title={warmup.detail}>
          <Visible text={warmup.detail} />
        </p>
      )}
    </div>
  );
}

/** Seconds since a moment, going on. */
function useSeconds(since: string): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, (now - Date.parse(since)) / 1000);
}
