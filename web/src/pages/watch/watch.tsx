import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { Problem } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { Actions } from "./actions";
import { Backends } from "./backends";
import { Failures } from "./failures";
import { isOver, type Job, useArtefacts, useAverages, useJob, useReasons, useRuns, useSoFar, useStarts } from "./job";
import { useLive } from "./live";
import { useLog } from "./log-lines";
import { Logs } from "./logs";
import { Notices } from "./notices";
import { useProgress } from "./progress";
import { Runs } from "./runs";
import { Shards } from "./shards";
import { Stages } from "./stages";
import { Use } from "./use";

const SHARDS_MS = 1500;

/** A job as it goes on. */
export default function Watch() {
  const { jobId = "" } = useParams();
  const { t } = useTranslation("watch");
  const job = useJob(jobId);
  if (job.error instanceof Problem && job.error.status === 404 && !job.data) {
    return (
      <Page title={t("unknown")}>
        <ProblemNote error={job.error} />
        <Link to="/jobs" className="text-accent underline">
          {t("toJobs")}
        </Link>
      </Page>
    );
  }
  if (!job.data) return job.error ? <ProblemNote error={job.error} /> : <Waiting />;
  return <Watched key={jobId} job={job.data} />;
}

function Watched({ job }: { job: Job }) {
  const { t } = useTranslation("watch");
  const over = isOver(job);
  const runs = useRuns(job.job_id);
  const starts = useStarts(job.job_id, over);
  const soFar = useSoFar(job.job_id, over);
  const reasons = useReasons(job.job_id, over);
  const artefacts = useArtefacts(job.job_id, over);
  const averages = useAverages(job.job_id, over);
  const log = useLog();
  const refresh = useRefresh(["job", job.job_id]);
  const refreshRuns = useRefresh(["job", job.job_id, "runs"], SHARDS_MS);
  const refreshJob = useRefresh(["job", job.job_id, "job"], SHARDS_MS);
  const { take } = log;
  const live = useLive(job.job_id, {
    event: refresh,
    reset: refresh,
    // What happened between the answer and the stream is in neither.
    open: (again) => (again || !over) && refresh(),
    shards: useCallback(() => {
      refreshRuns();
      refreshJob();
    }, [refreshRuns, refreshJob]),
    log: take,
  });
  const progress = useProgress(runs.rows, live);
  const [chosen, choose] = useQueryState("run");
  const run = useMemo(
    () =>
      runs.rows.find((one) => one.run_id === chosen) ??
      runs.rows.find((one) => one.status === "running") ??
      runs.rows[0],
    [runs.rows, chosen],
  );
  return (
    <Page
      title={job.name}
      above={
        <Link to="/jobs" className="hover:underline">
          {t("toJobs")}
        </Link>
      }
      actions={
        <Actions
          job={job}
          over={over}
          atWork={over && runs.rows.some((one) => one.stage !== "done")}
          artefacts={artefacts.data ?? []}
        />
      }
    >
      <Head job={job} />
      {(job.reason || job.problems.length > 0) && <Why job={job} />}
      <Stages job={job} runs={runs.rows} progress={progress} />
      <Notices reasons={reasons.data ?? []} notices={live.notices} over={over} />
      <Panel title={t("runs.title")} flush>
        {runs.data ? (
          <Runs
            runs={runs.rows}
            total={job.runs}
            progress={progress}
            averages={averages}
            soFar={soFar}
            chosen={run?.run_id ?? null}
            onChoose={choose}
          />
        ) : runs.error ? (
          <ProblemNote error={runs.error} />
        ) : (
          <Waiting />
        )}
      </Panel>
      {run && <Shards run={run} live={live} />}
      {run && progress.get(run.run_id) && (run.counts.failed > 0 || run.reason) && <Failures run={run} />}
      <Backends starts={starts.data ?? []} warmup={live.warmup} />
      <Use starts={starts.data ?? []} over={over} />
      <Logs lines={log.lines} starts={starts.data ?? []} />
    </Page>
  );
}

function Head({ job }: { job: Job }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-muted" aria-live="polite">
      <Status status={job.status} />
      <span className="font-mono text-xs">{job.job_id}</span>
      <span title={format.moment(job.created_at)}>{t("head.created", { time: format.moment(job.created_at) })}</span>
      {job.finished_at && (
        <span>
          {t("head.took", {
            time: format.duration((Date.parse(job.finished_at) - Date.parse(job.created_at)) / 1000),
          })}
        </span>
      )}
      {job.round > 0 && <span>{t("head.round", { round: job.round })}</span>}
      {job.asked_by && <span className="font-mono text-xs">{t("head.askedBy", { run: job.asked_by })}</span>}
    </div>
  );
}

function Why({ job }: { job: Job }) {
  return (
    <div role="alert" className="foreign space-y-1 rounded-md border border-bad bg-panel p-4 text-bad">
      {job.reason && <p>{job.reason}</p>}
      {job.problems.map((problem) => (
        <p key={problem}>{problem}</p>
      ))}
    </div>
  );
}
