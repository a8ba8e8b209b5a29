import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import type { components } from "@/api/schema";
import { useStream } from "@/api/stream";
import { useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { ButtonLink } from "@/ui/button";
import { OUTCOMES, OutcomeBar } from "@/ui/outcomes";
import { Empty, Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { type Filters, JobFilters, useFilters } from "./filters";

type Job = components["schemas"]["JobEntry"];
const PAGE = 50;
const REFRESH_MS = 2000;

/** All jobs, the newest first, as they go on. */
export default function Jobs() {
  const { t } = useTranslation("jobs");
  const filters = useFilters();
  const may = useMay("submitter");
  const refresh = useRefresh(["jobs"], REFRESH_MS);
  useStream({}, { event: refresh, shards: refresh, reset: refresh, open: (again) => again && refresh() });
  return (
    <Page
      title={t("title")}
      actions={
        may && (
          <ButtonLink kind="primary" to="/start">
            {t("start")}
          </ButtonLink>
        )
      }
    >
      <Panel flush>
        <JobFilters />
        <JobTable filters={filters} />
      </Panel>
    </Page>
  );
}

function JobTable({ filters }: { filters: Filters }) {
  const { t } = useTranslation("jobs");
  const columns = useColumns();
  const found = useInfiniteQuery({
    queryKey: ["jobs", filters],
    initialPageParam: null as string | null,
    placeholderData: keepPreviousData,
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET("/api/v1/jobs", {
          signal,
          params: {
            query: {
              status: filters.status,
              name: filters.name || undefined,
              model: filters.model || undefined,
              task: filters.task || undefined,
              limit: PAGE,
              cursor: pageParam ?? undefined,
            },
          },
        }),
      ),
    getNextPageParam: (page) => page.next,
  });
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  if (found.error && !found.data) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  const filtered = filters.status.length + filters.name.length + filters.model.length + filters.task.length > 0;
  if (rows.length === 0) {
    return filtered ? (
      <Empty title={t("none.filtered")}>
        <Link to="/jobs" className="text-accent underline">
          {t("none.all")}
        </Link>
      </Empty>
    ) : (
      <Empty title={t("none.title")}>
        <p className="mb-3">{t("none.text")}</p>
        <ButtonLink kind="primary" to="/start">
          {t("start")}
        </ButtonLink>
      </Empty>
    );
  }
  return (
    <>
      <Table
        label={t("title")}
        columns={columns}
        rows={rows}
        rowKey={(job) => job.job_id}
        onNearEnd={() => found.hasNextPage && !found.isFetching && void found.fetchNextPage()}
      />
      {found.hasNextPage && (
        <div className="p-3 text-center">
          <button
            type="button"
            className="text-accent underline disabled:opacity-50"
            disabled={found.isFetching}
            onClick={() => void found.fetchNextPage()}
          >
            {t("more")}
          </button>
        </div>
      )}
    </>
  );
}

function useColumns(): Column<Job>[] {
  const { t } = useTranslation("jobs");
  const format = useFormat();
  return useMemo(
    () => [
      {
        key: "name",
        header: t("column.name"),
        width: "minmax(12rem, 2fr)",
        cell: (job) => (
          <>
            <Link to={`/jobs/${job.job_id}`} className="foreign font-medium text-accent hover:underline">
              {job.name}
            </Link>
            <div className="truncate font-mono text-xs text-muted">{job.job_id}</div>
          </>
        ),
      },
      { key: "status", header: t("column.status"), width: "8rem", cell: (job) => <Status status={job.status} /> },
      {
        key: "progress",
        header: t("column.progress"),
        width: "minmax(12rem, 2fr)",
        cell: (job) => <Progress job={job} />,
      },
      {
        key: "runs",
        header: t("column.runs"),
        numeric: true,
        width: "5rem",
        cell: (job) => format.whole(job.runs),
      },
      {
        key: "created",
        header: t("column.created"),
        width: "13rem",
        cell: (job) => <span title={format.ago(job.created_at)}>{format.moment(job.created_at)}</span>,
      },
      {
        key: "took",
        header: t("column.took"),
        numeric: true,
        width: "8rem",
        cell: (job) =>
          job.finished_at ? format.duration((Date.parse(job.finished_at) - Date.parse(job.created_at)) / 1000) : "–",
      },
    ],
    [t, format],
  );
}

function Progress({ job }: { job: Job }) {
  const format = useFormat();
  if (job.reason || job.problems.length) {
    return (
      <p className="foreign line-clamp-2 text-xs text-bad" title={job.reason ?? job.problems.join("\n")}>
        {job.reason ?? job.problems[0]}
      </p>
    );
  }
  const done = OUTCOMES.reduce((sum, name) => sum + job.counts[name], 0);
  return (
    <div className="flex items-center gap-3">
      <OutcomeBar counts={job.counts} total={job.samples} className="flex-1" />
      <span className="text-xs whitespace-nowrap text-muted tabular-nums">
        {format.whole(Math.min(done, job.samples))} / {format.whole(job.samples)}
      </span>
    </div>
  );
}
