import { useQuery } from "@tanstack/react-query";
import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { useLevel } from "@/i18n/level";
import { Chart } from "@/ui/chart";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import { best, type Leaderboard, leaderboardQuery, type MetricCell } from "./data";
import { Fields } from "./fields";
import { Value } from "./value";

const BY = ["doc_class", "question_type", "both", "field"] as const;

/** A metric by class of document, type of question, or field. */
export default function Groups({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const level = useLevel();
  const board = useQuery(leaderboardQuery(jobId));
  const [by, setBy] = useQueryState("by", "doc_class");
  const [task, setTask] = useQueryState("task");
  const [chosen, choose] = useQueryState("metric");
  if (board.error) return <ProblemNote error={board.error} again={() => void board.refetch()} />;
  if (!board.data) return <Waiting />;
  const boards = board.data.comparisons.filter((each) => each.metrics.length > 0);
  const of = boards.find((each) => each.task === task) ?? boards[0];
  if (!of) return <Empty title={t("leaderboard.none")} />;
  const metric = of.metrics.find((each) => each.metric === chosen) ?? of.metrics[0];
  const shown = { jobId, board: of, metric: metric?.metric ?? "" };
  return (
    <div className="space-y-5">
      <div className="grid gap-3 sm:grid-cols-3">
        {boards.length > 1 && (
          <Choice
            label={t("task")}
            value={of.task}
            options={boards.map((each) => ({ value: each.task, text: each.title }))}
            onChange={setTask}
          />
        )}
        <Choice
          label={t("metric")}
          value={shown.metric}
          options={of.metrics.map((each) => ({ value: each.metric, text: each.metric }))}
          onChange={choose}
        />
        <Choice
          label={t("groups.by")}
          value={by}
          options={BY.map((each) => ({ value: each as string, text: level(each) }))}
          onChange={setBy}
        />
      </div>
      {by === "field" ? <Fields {...shown} /> : <ByGroup {...shown} by={by} />}
    </div>
  );
}

interface GroupRow {
  group: string;
  cells: (MetricCell | null)[];
}

function ByGroup({ jobId, board, metric, by }: { jobId: string; board: Leaderboard; metric: string; by: string }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const found = useQuery({
    queryKey: ["breakdown", jobId, board.task, metric, by],
    queryFn: () =>
      ok(
        api.GET("/api/v1/jobs/{job_id}/breakdown", {
          params: { path: { job_id: jobId }, query: { metric, by, task: board.task } },
        }),
      ),
  });
  const higher = board.metrics.find((each) => each.metric === metric)?.higher_is_better ?? null;
  const data = found.data;
  const chart = useMemo((): Data[] => {
    if (!data) return [];
    return [
      {
        type: "heatmap",
        x: data.runs,
        y: data.groups,
        z: data.cells.map((row) => row.map((cell) => cell?.value ?? null)),
        hovertemplate: "%{y} · %{x}: %{z:.4f}<extra></extra>",
        reversescale: higher === false,
        xgap: 1,
        ygap: 1,
      } as Data,
    ];
  }, [data, higher]);
  const layout = useMemo(
    () => ({
      yaxis: { autorange: "reversed" as const, type: "category" as const },
      xaxis: { type: "category" as const },
    }),
    [],
  );
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!data) return <Waiting />;
  if (data.groups.length === 0) return <Empty title={t("groups.none")} />;
  const rows = data.groups.map((group, place): GroupRow => ({ group, cells: data.cells[place] ?? [] }));
  const columns: Column<GroupRow>[] = [
    {
      key: "group",
      header: t("groups.group"),
      width: "minmax(9rem, 2fr)",
      cell: (row) => <span className="foreign">{row.group}</span>,
    },
    {
      key: "n",
      header: t("groups.n"),
      width: "6rem",
      numeric: true,
      cell: (row) => format.whole(Math.max(...row.cells.map((cell) => cell?.n ?? 0))),
    },
    ...data.runs.map(
      (run, place): Column<GroupRow> => ({
        key: run,
        header: <span className="foreign">{run}</span>,
        width: "minmax(10rem, 1fr)",
        numeric: true,
        cell: (row) => (
          <Value
            cell={row.cells[place]}
            top={best(
              row.cells.map((cell) => cell?.value),
              higher,
            )}
          />
        ),
      }),
    ),
  ];
  return (
    <>
      {data.groups.length > 1 && (
        <Panel title={t("groups.map", { metric })}>
          <Chart
            label={t("groups.chart", { metric })}
            data={chart}
            layout={layout}
            height={Math.min(900, 140 + 22 * data.groups.length)}
          />
        </Panel>
      )}
      <Panel flush title={t("groups.table", { metric })}>
        <Table label={t("groups.table", { metric })} columns={columns} rows={rows} rowKey={(row) => row.group} />
        {data.more > 0 && <p className="p-4 text-muted">{t("groups.more", { count: data.more })}</p>}
      </Panel>
    </>
  );
}
