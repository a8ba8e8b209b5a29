import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { jobQuery } from "@/api/job-query";
import { Status } from "@/ui/badge";
import { DownloadLink } from "@/ui/button";
import { Empty, Page } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Tabs } from "@/ui/tabs";
import { Waiting } from "@/ui/waiting";
import { LeaderboardView } from "./leaderboard";

const VIEWS = {
  groups: lazy(() => import("./groups")),
  compare: lazy(() => import("./compare")),
  samples: lazy(() => import("./samples")),
  performance: lazy(() => import("./performance")),
  provenance: lazy(() => import("./provenance")),
  files: lazy(() => import("./files")),
};

/** What came of a job. Every view has an address. */
export default function Results() {
  const { t } = useTranslation("results");
  const { jobId = "", view } = useParams();
  const job = useQuery(jobQuery(jobId));
  const base = `/jobs/${jobId}/results`;
  const View = view === undefined ? LeaderboardView : VIEWS[view as keyof typeof VIEWS];
  if (job.error) return <ProblemNote error={job.error} again={() => void job.refetch()} />;
  return (
    <Page
      title={job.data ? t("title", { name: job.data.name }) : t("results")}
      above={
        <span className="flex flex-wrap items-center gap-2">
          <Link to={`/jobs/${jobId}`} className="hover:underline">
            {t("job")} <span className="font-mono text-xs">{jobId}</span>
          </Link>
          {job.data && <Status status={job.data.status} />}
        </span>
      }
      actions={
        <DownloadLink href={`/api/v1/jobs/${jobId}/artefacts/report.html`} target="_blank" rel="noopener">
          {t("report")}
        </DownloadLink>
      }
    >
      <Tabs
        label={t("views.label")}
        tabs={[
          { to: base, text: t("views.leaderboard"), end: true },
          { to: `${base}/groups`, text: t("views.groups") },
          { to: `${base}/compare`, text: t("views.compare") },
          { to: `${base}/samples`, text: t("views.samples") },
          { to: `${base}/performance`, text: t("views.performance") },
          { to: `${base}/provenance`, text: t("views.provenance") },
          { to: `${base}/files`, text: t("views.files") },
        ]}
      />
      <Suspense fallback={<Waiting />}>{View ? <View jobId={jobId} /> : <Empty title={t("noView")} />}</Suspense>
    </Page>
  );
}
