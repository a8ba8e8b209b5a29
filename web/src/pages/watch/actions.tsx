import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, Problem } from "@/api/client";
import type { components } from "@/api/schema";
import { useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Button, ButtonLink, DownloadLink } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { ProblemNote } from "@/ui/problem-note";
import { type Job, unanswered } from "./job";

type Artefact = components["schemas"]["Artefact"];
const REPORT = "report.html";
const STILL_AT_WORK = 3;

/** What can be done with a job, and where its results are. */
export function Actions({
  job,
  over,
  atWork,
  artefacts,
}: {
  job: Job;
  over: boolean;
  /** Whether runs of a job that has ended are still scored or reported. */
  atWork: boolean;
  artefacts: readonly Artefact[];
}) {
  const { t } = useTranslation("watch");
  const may = useMay("submitter");
  const [asking, setAsking] = useState<"cancel" | "retry" | null>(null);
  const missing = unanswered(job);
  const report = artefacts.some((artefact) => artefact.name === REPORT);
  return (
    <>
      <ButtonLink to={`/jobs/${job.job_id}/results`}>{t("actions.results")}</ButtonLink>
      {report && (
        <DownloadLink
          href={`/api/v1/jobs/${encodeURIComponent(job.job_id)}/artefacts/${REPORT}`}
          target="_blank"
          rel="noreferrer"
        >
          {t("actions.report")}
        </DownloadLink>
      )}
      {may && <ButtonLink to={`/start?clone=${encodeURIComponent(job.job_id)}`}>{t("actions.clone")}</ButtonLink>}
      {may && !over && (
        <Button kind="danger" onClick={() => setAsking("cancel")}>
          {t("actions.cancel")}
        </Button>
      )}
      {may && over && missing > 0 && (
        <Button disabled={atWork} title={atWork ? t("retry.wait") : undefined} onClick={() => setAsking("retry")}>
          {t("actions.retry")}
        </Button>
      )}
      <Cancel job={job} open={asking === "cancel"} onClose={() => setAsking(null)} />
      <Retry job={job} open={asking === "retry"} onClose={() => setAsking(null)} />
    </>
  );
}

interface Asked {
  job: Job;
  open: boolean;
  onClose: () => void;
}

function Cancel({ job, open, onClose }: Asked) {
  const { t } = useTranslation(["watch", "common"]);
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.job_id } } })),
    onSuccess: onClose,
    onSettled: () => client.invalidateQueries({ queryKey: ["job", job.job_id] }),
  });
  return (
    <Dialog
      title={t("cancel.title", { job: job.name })}
      open={open}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel.no")}</Button>
          <Button kind="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
            {t("cancel.yes")}
          </Button>
        </>
      }
    >
      <p>{t("cancel.text")}</p>
      {cancel.error && <ProblemNote error={cancel.error} />}
    </Dialog>
  );
}

function Retry({ job, open, onClose }: Asked) {
  const { t } = useTranslation(["watch", "common"]);
  const format = useFormat();
  const client = useQueryClient();
  const [failedOnly, setFailedOnly] = useState(job.counts.failed > 0);
  const { failed, withdrawn: never } = job.counts;
  const retry = useMutation({
    mutationFn: () =>
      ok(
        api.POST("/api/v1/jobs/{job_id}/retry", {
          params: { path: { job_id: job.job_id } },
          body: { failed_only: failedOnly && failed > 0 },
        }),
      ),
    // Its report may still be made just now.
    retry: (times, error) => error instanceof Problem && error.status === 409 && times < STILL_AT_WORK,
    retryDelay: 1000,
    onSuccess: onClose,
    onSettled: () => client.invalidateQueries({ queryKey: ["job", job.job_id] }),
  });
  return (
    <Dialog
      title={t("retry.title", { job: job.name })}
      open={open}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("common:dialog.cancel")}</Button>
          <Button kind="primary" busy={retry.isPending} onClick={() => retry.mutate()}>
            {t("retry.yes")}
          </Button>
        </>
      }
    >
      <div className="space-y-3">
        {failed > 0 && <p>{t("retry.failed", { count: failed, shown: format.whole(failed) })}</p>}
        {never > 0 && <p>{t("retry.never", { count: never, shown: format.whole(never) })}</p>}
        <p>{t("retry.text")}</p>
        {failed > 0 && never > 0 && (
          <label className="flex items-center gap-2">
            <input type="checkbox" checked={failedOnly} onChange={(event) => setFailedOnly(event.target.checked)} />
            {t("retry.failedOnly")}
          </label>
        )}
        {retry.error && <ProblemNote error={retry.error} />}
      </div>
    </Dialog>
  );
}
