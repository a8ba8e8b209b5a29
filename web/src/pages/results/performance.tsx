import { useQuery } from "@tanstack/react-query";
import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Chart } from "@/ui/chart";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import { cellOf, leaderboardQuery } from "./data";

type Row = Record<string, number | string | null>;

/** Columns of the table, with how their values are written. */
const SHOWN: [string, "whole" | "short" | "gib" | "seconds"][] = [
  ["measured", "whole"],
  ["failed", "whole"],
  ["latency_ms_p50", "short"],
  ["latency_ms_p99", "short"],
  ["ttft_ms_p50", "short"],
  ["tpot_ms_p50", "short"],
  ["requests_per_s", "short"],
  ["completion_tokens_per_s", "short"],
  ["completion_tokens", "whole"],
  ["active_s", "seconds"],
  ["backend_start_s", "seconds"],
  ["device_memory_peak", "gib"],
  ["memory_peak", "gib"],
  ["power_w", "short"],
  ["energy_j_per_answer", "short"],
];

/** How fast each run was answered, what it took, and what quality that bought. */
export default function Performance({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const found = useQuery({
    queryKey: ["performance", jobId],
    queryFn: () => ok(api.GET("/api/v1/jobs/{job_id}/performance", { params: { path: { job_id: jobId } } })),
  });
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  const rows: Row[] = found.data;
  if (rows.length === 0) return <Empty title={t("performance.none")}>{t("performance.noneWhy")}</Empty>;
  // Answers that earlier runs got were not measured here.
  if (rows.every((row) => Number(row.reused) > 0 && !Number(row.measured) && !Number(row.failed)))
    return <Empty title={t("performance.taken")}>{t("performance.takenWhy")}</Empty>;
  const written = (value: number | string | null | undefined, how: (typeof SHOWN)[number][1]) => {
    if (value == null || value === "") return "–";
    const number = Number(value);
    if (!Number.isFinite(number)) return String(value);
    return how === "whole"
      ? format.whole(number)
      : how === "gib"
        ? format.gib(number)
        : how === "seconds"
          ? format.duration(number)
          : format.short(number);
  };
  const columns: Column<Row>[] = [
    {
      key: "name",
      header: t("run"),
      width: "minmax(11rem, 2fr)",
      cell: (row) => <span className="foreign font-medium">{row.name}</span>,
    },
    ...SHOWN.filter(([key]) => rows.some((row) => row[key] != null && row[key] !== "")).map(
      ([key, how]): Column<Row> => ({
        key,
        header: t(`performance.${key}`),
        width: "minmax(7.5rem, 1fr)",
        numeric: true,
        cell: (row) => written(row[key], how),
      }),
    ),
  ];
  return (
    <div className="space-y-5">
      <Panel flush title={t("performance.table")}>
        <Table label={t("performance.table")} columns={columns} rows={rows} rowKey={(row) => String(row.name)} />
      </Panel>
      <Latencies rows={rows} />
      <Tradeoff jobId={jobId} rows={rows} />
    </div>
  );
}

function Latencies({ rows }: { rows: Row[] }) {
  const { t } = useTranslation("results");
  const data = useMemo((): Data[] => {
    const names = rows.map((row) => String(row.name));
    return ["p50", "p90", "p99"].map(
      (part) =>
        ({
          type: "bar",
          orientation: "h",
          name: part,
          y: names,
          x: rows.map((row) => Number(row[`latency_ms_${part}`]) || null),
        }) as Data,
    );
  }, [rows]);
  const layout = useMemo(
    () => ({ xaxis: { title: { text: t("performance.latencyAxis") } }, yaxis: { type: "category" as const } }),
    [t],
  );
  return (
    <Panel title={t("performance.latencies")}>
      <Chart label={t("performance.latencies")} data={data} layout={layout} height={120 + 60 * rows.length} />
    </Panel>
  );
}

function Tradeoff({ jobId, rows }: { jobId: string; rows: Row[] }) {
  const { t } = useTranslation("results");
  const board = useQuery(leaderboardQuery(jobId));
  const [chosen, choose] = useQueryState("metric");
  const metrics = [...new Set(board.data?.comparisons.flatMap((each) => each.metrics.map((m) => m.metric)))];
  const metric = chosen || metrics[0] || "";
  const data = useMemo((): Data[] => {
    const runs = board.data?.comparisons.flatMap((each) => each.runs) ?? [];
    return rows.flatMap((row) => {
      const run = runs.find((each) => each.name === row.name);
      const value = run ? cellOf(run, metric)?.value : null;
      const latency = Number(row.latency_ms_p50);
      if (value == null || !latency) return [];
      return [
        {
          type: "scatter",
          mode: "markers",
          name: String(row.name),
          x: [latency],
          y: [value],
          marker: { size: 12 },
        } as Data,
      ];
    });
  }, [board.data, rows, metric]);
  const layout = useMemo(
    () => ({
      xaxis: { title: { text: t("performance.latencyAxis") }, type: "log" as const },
      yaxis: { title: { text: metric } },
      showlegend: true,
    }),
    [t, metric],
  );
  if (data.length < 2) return null;
  return (
    <Panel
      title={t("performance.tradeoff")}
      actions={
        <Choice
          label={t("metric")}
          value={metric}
          options={metrics.map((each) => ({ value: each, text: each }))}
          onChange={choose}
        />
      }
    >
      <Chart label={t("performance.tradeoffChart", { metric })} data={data} layout={layout} height={420} />
    </Panel>
  );
}
