import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { OutcomeBar } from "@/ui/outcomes";
import { type Column, Table } from "@/ui/table";
import type { Run, RunSoFar } from "./job";
import type { RunProgress } from "./progress";

const METRICS = 2;

/** The runs of a job: how far, how fast, how well. */
export function Runs({
  runs,
  total,
  progress,
  averages,
  soFar,
  chosen,
  onChoose,
}: {
  runs: readonly Run[];
  total: number;
  progress: ReadonlyMap<string, RunProgress>;
  averages: ReadonlyMap<string, number>;
  soFar: ReadonlyMap<string, RunSoFar>;
  chosen: string | null;
  onChoose: (run: string) => void;
}) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const columns = useMemo<Column<Run>[]>(
    () => [
      {
        key: "name",
        header: t("runs.run"),
        width: "minmax(12rem, 2fr)",
        cell: (run) => (
          <button
            type="button"
            aria-pressed={run.run_id === chosen}
            onClick={() => onChoose(run.run_id)}
            className="foreign text-left font-medium text-accent hover:underline"
          >
            {run.name}
          </button>
        ),
      },
      {
        key: "status",
        header: t("runs.status"),
        width: "9rem",
        cell: (run) => (
          <div className="flex flex-col items-start gap-0.5">
            <Status status={run.status} />
            {run.status === "running" && (
              <span className="text-xs text-muted">{t(`stages.${run.stage}`, run.stage)}</span>
            )}
          </div>
        ),
      },
      {
        key: "samples",
        header: t("runs.samples"),
        width: "minmax(11rem, 2fr)",
        cell: (run) => <Samples run={run} progress={progress.get(run.run_id)} />,
      },
      {
        key: "rate",
        header: t("runs.rate"),
        numeric: true,
        width: "8rem",
        cell: (run) => {
          const of = progress.get(run.run_id);
          const average = averages.get(run.name);
          if (!of?.rate && average !== undefined) {
            return (
              <>
                <div>{t("runs.perSecond", { rate: format.short(average) })}</div>
                <div className="text-xs text-muted">{t("runs.average")}</div>
              </>
            );
          }
          if (!of?.rate) return "–";
          return (
            <>
              <div>{t("runs.perSecond", { rate: format.short(of.rate) })}</div>
              {of.secondsLeft !== null && (
                <div className="text-xs text-muted">{t("runs.left", { time: format.duration(of.secondsLeft) })}</div>
              )}
            </>
          );
        },
      },
      {
        key: "metrics",
        header: t("runs.metrics"),
        width: "minmax(13rem, 2fr)",
        cell: (run) => <Metrics run={run} soFar={soFar.get(run.run_id)} />,
      },
    ],
    [t, format, chosen, onChoose, progress, averages, soFar],
  );
  return (
    <Table
      label={t("runs.title")}
      columns={columns}
      rows={runs}
      total={total}
      rowKey={(run) => run.run_id}
      selected={chosen}
      height="50dvh"
    />
  );
}

function Samples({ run, progress }: { run: Run; progress: RunProgress | undefined }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  if (!progress) return null;
  return (
    <div className="space-y-1">
      <OutcomeBar counts={progress.counts} total={run.samples} />
      <div className="flex flex-wrap justify-between gap-x-2 text-xs text-muted tabular-nums">
        <span>
          {format.whole(progress.done)} / {format.whole(run.samples)}
        </span>
        {progress.counts.failed > 0 && (
          <span className="text-bad">{t("runs.failed", { count: progress.counts.failed })}</span>
        )}
      </div>
    </div>
  );
}

function Metrics({ run, soFar }: { run: Run; soFar: RunSoFar | undefined }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  if (run.metrics.length > 0) {
    return (
      <ul className="text-xs">
        {run.metrics.slice(0, METRICS).map((metric) => (
          <li key={metric.metric} className="tabular-nums">
            <span className="foreign text-muted">{metric.metric}</span> {format.metric(metric.value)}
          </li>
        ))}
        {run.metrics.length > METRICS && (
          <li className="text-muted">{t("runs.more", { count: run.metrics.length - METRICS })}</li>
        )}
      </ul>
    );
  }
  if (!soFar || soFar.metrics.length === 0) return <span className="text-muted">–</span>;
  return (
    <ul className="text-xs" title={t("runs.soFarHint")}>
      {soFar.metrics.slice(0, METRICS).map((metric) => (
        <li key={metric.metric} className="tabular-nums">
          <span className="foreign text-muted">{metric.metric}</span>{" "}
          {metric.composite ? (
            <span className="text-muted">{t("runs.atTheEnd")}</span>
          ) : (
            <>
              {format.metric(metric.value)}
              {metric.ci_low != null && metric.ci_high != null && (
                <span className="text-muted">
                  {" "}
                  [{format.metric(metric.ci_low)}; {format.metric(metric.ci_high)}]
                </span>
              )}
              <span className="text-muted"> {t("runs.soFar", { n: format.whole(metric.n_scored) })}</span>
            </>
          )}
        </li>
      ))}
      {soFar.metrics.length > METRICS && (
        <li className="text-muted">{t("runs.more", { count: soFar.metrics.length - METRICS })}</li>
      )}
    </ul>
  );
}
