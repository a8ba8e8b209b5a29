import { useQuery } from "@tanstack/react-query";
import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useFormat } from "@/i18n/format";
import { Status } from "@/ui/badge";
import { Chart } from "@/ui/chart";
import { OutcomeBar } from "@/ui/outcomes";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, type Sort, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import { best, cellOf, type Leaderboard, type LeaderboardRun, leaderboardQuery } from "./data";
import { Significance } from "./significance";
import { Value } from "./value";

/** How runs of one task stand: every metric with its interval, and the best one against the others. */
export function LeaderboardView({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const found = useQuery(leaderboardQuery(jobId));
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  if (found.data.comparisons.every((board) => board.metrics.length === 0))
    return <Empty title={t("leaderboard.none")}>{t("leaderboard.noneWhy")}</Empty>;
  return (
    <div className="space-y-5">
      {!found.data.reported && <p className="text-muted">{t("leaderboard.early")}</p>}
      {found.data.comparisons.map((board, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: titles may repeat, their order does not change
        <Board key={place} board={board} tests={found.data.tests} jobId={jobId} place={place} />
      ))}
    </div>
  );
}

function Board({ board, tests, jobId, place }: { board: Leaderboard; tests: number; jobId: string; place: number }) {
  const { t } = useTranslation("results");
  const [chosen, choose] = useQueryState(`metric${place || ""}`);
  const [order, setOrder] = useQueryState(`sort${place || ""}`);
  const metric = board.metrics.find((each) => each.metric === chosen) ?? board.metrics[0];
  const sort: Sort = {
    key: order.replace(/^-/, "") || metric?.metric || "model",
    descending: order ? order.startsWith("-") : metric?.higher_is_better !== false,
  };
  const runs = sorted(board.runs, sort);
  const columns = useColumns(board, jobId);
  if (!metric) return null;
  return (
    <Panel
      title={<span className="foreign">{board.title}</span>}
      actions={
        board.metrics.length > 1 && (
          <Choice
            label={t("metric")}
            value={metric.metric}
            options={board.metrics.map((each) => ({ value: each.metric, text: each.metric }))}
            onChange={choose}
          />
        )
      }
      flush
    >
      <Table
        label={t("leaderboard.label", { title: board.title })}
        columns={columns}
        rows={runs}
        rowKey={(run) => run.run_id}
        sort={sort}
        onSort={(next) => setOrder(`${next.descending ? "-" : ""}${next.key}`)}
      />
      {board.runs.length > 1 && (
        <div className="space-y-4 border-t border-line p-4">
          <Values runs={board.runs} metric={metric.metric} higherIsBetter={metric.higher_is_better} />
          <Significance board={board} metric={metric.metric} tests={tests} />
        </div>
      )}
    </Panel>
  );
}

function useColumns(board: Leaderboard, jobId: string): Column<LeaderboardRun>[] {
  const { t } = useTranslation("results");
  const format = useFormat();
  return [
    {
      key: "model",
      header: t("run"),
      width: "minmax(8rem, 1fr)",
      sortable: true,
      cell: (run) => (
        <Link
          className="foreign font-medium text-accent hover:underline"
          to={`/jobs/${jobId}/results/samples?run=${encodeURIComponent(run.run_id)}`}
          title={run.name}
        >
          {board.runs.filter((other) => other.model === run.model).length > 1 ? run.name : run.model}
        </Link>
      ),
    },
    ...board.metrics.map(({ metric, higher_is_better }): Column<LeaderboardRun> => {
      const top = best(
        board.runs.map((run) => cellOf(run, metric)?.value),
        higher_is_better,
      );
      return {
        key: metric,
        header: <MetricHeader metric={metric} higherIsBetter={higher_is_better} />,
        width: "minmax(9rem, 1fr)",
        numeric: true,
        sortable: true,
        cell: (run) => <Value cell={cellOf(run, metric)} top={top} />,
      };
    }),
    {
      key: "outcomes",
      header: t("outcomes"),
      width: "minmax(8rem, 1fr)",
      cell: (run) => <OutcomeBar counts={run.counts} total={run.samples} />,
    },
    {
      key: "latency",
      header: t("leaderboard.latency"),
      width: "7rem",
      numeric: true,
      sortable: true,
      cell: (run) => (run.latency_p50_ms == null ? "–" : t("ms", { value: format.short(run.latency_p50_ms) })),
    },
    { key: "status", header: t("status"), width: "8rem", cell: (run) => <Status status={run.status} /> },
  ];
}

function MetricHeader({ metric, higherIsBetter }: { metric: string; higherIsBetter: boolean | null }) {
  const { t } = useTranslation("results");
  return (
    <span className="inline-flex flex-col items-end">
      <span>{metric}</span>
      {higherIsBetter !== null && (
        <span className="font-normal text-muted">{higherIsBetter ? t("higherBetter") : t("lowerBetter")}</span>
      )}
    </span>
  );
}

function sorted(runs: LeaderboardRun[], { key, descending }: Sort): LeaderboardRun[] {
  const of = (run: LeaderboardRun): number | string | null =>
    key === "model" ? run.model : key === "latency" ? run.latency_p50_ms : (cellOf(run, key)?.value ?? null);
  return [...runs].sort((a, b) => {
    const [left, right] = [of(a), of(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    const order = typeof left === "string" ? left.localeCompare(String(right)) : Math.sign(left - Number(right));
    return descending ? -order : order;
  });
}

function Values({
  runs,
  metric,
  higherIsBetter,
}: {
  runs: LeaderboardRun[];
  metric: string;
  higherIsBetter: boolean | null;
}) {
  const { t } = useTranslation("results");
  const shown = useMemo(
    () =>
      sorted(runs, { key: metric, descending: higherIsBetter === false }).filter(
        (run) => cellOf(run, metric)?.value != null,
      ),
    [runs, metric, higherIsBetter],
  );
  const data = useMemo((): Data[] => {
    const cells = shown.map((run) => cellOf(run, metric));
    const values = cells.map((cell) => cell?.value ?? null);
    return [
      {
        type: "scatter",
        mode: "markers",
        x: values,
        y: shown.map((run) => run.name),
        marker: { size: 9 },
        error_x: {
          type: "data",
          symmetric: false,
          array: cells.map((cell) => (cell?.ci_high != null ? cell.ci_high - (cell.value ?? 0) : 0)),
          arrayminus: cells.map((cell) => (cell?.ci_low != null ? (cell.value ?? 0) - cell.ci_low : 0)),
        },
        hovertemplate: "%{y}: %{x:.4f}<extra></extra>",
      } as Data,
    ];
  }, [shown, metric]);
  const layout = useMemo(
    () => ({ xaxis: { title: { text: metric } }, yaxis: { type: "category" as const } }),
    [metric],
  );
  if (shown.length < 2) return null;
  return (
    <Chart label={t("leaderboard.chart", { metric })} data={data} layout={layout} height={100 + 32 * shown.length} />
  );
}
