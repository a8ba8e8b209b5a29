import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Chart } from "@/ui/chart";
import { type ChartOf, ChartPanel, interval, label, moment, number, unique, useGroup } from "./reading";

/** Values over time, a line for each model. */
export function History({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const { rows, choice, title } = useGroup(answer);
  const data = useMemo<Data[]>(
    () =>
      unique(rows.map((row) => row.model)).map((model) => {
        const own = rows.filter((row) => row.model === model);
        return {
          type: "scatter",
          mode: "lines+markers",
          name: label(model),
          x: own.map((row) => moment(row.planned_at)),
          y: own.map((row) => number(row.value)),
          error_y: interval(own),
          marker: { size: 8, symbol: own.map((row) => (row.data_changed ? "diamond" : "circle")) },
          customdata: own.map((row) => label(row.job_id, 80)),
          hovertemplate: "%{y:.4f}<br>%{x}<br>%{customdata}",
        } as Data;
      }),
    [rows],
  );
  const layout = useMemo(
    () => ({
      showlegend: true,
      legend: { orientation: "h" as const, y: 1.02, yanchor: "bottom" as const },
      margin: { l: 48, r: 16, t: 40, b: 40 },
    }),
    [],
  );
  return (
    <ChartPanel choices={choice} note={t("chart.changed")}>
      <Chart label={t("views.history.chart", { group: title })} data={data} layout={layout} height={400} />
    </ChartPanel>
  );
}
