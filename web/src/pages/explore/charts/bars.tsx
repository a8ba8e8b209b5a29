import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Chart } from "@/ui/chart";
import { useViewText } from "../texts";
import { type ChartOf, ChartPanel, interval, label, moment, number, text, things, useGroup } from "./reading";

const MOST = 50;
const high = (rows: number) => Math.max(180, rows * 36 + 70);

/** Who is best, with intervals. */
export function Leaderboard({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const { rows, choice, title } = useGroup(answer);
  const shown = useMemo(() => rows.slice(0, MOST), [rows]);
  const data = useMemo<Data[]>(
    () => [
      {
        type: "bar",
        orientation: "h",
        y: shown.map((_row, place) => place),
        x: shown.map((row) => number(row.value)),
        error_x: interval(shown),
        customdata: shown.map((row) => `${label(row.run, 80)}<br>${label(row.job_id, 80)}`),
        hovertemplate: "%{x:.4f}<br>%{customdata}<extra></extra>",
      } as Data,
    ],
    [shown],
  );
  const layout = useMemo(() => {
    const several = new Set(shown.map((row) => row.model)).size < shown.length;
    const named = (time: (value: string) => string) =>
      shown.map((row) => `${label(row.model, 26)}<br>${time(moment(row.planned_at))}`);
    const days = named(format.day);
    const names = !several
      ? shown.map((row) => label(row.model))
      : new Set(days).size < days.length
        ? named(format.moment)
        : days;
    return { yaxis: things(names, true), xaxis: { rangemode: "tozero" as const } };
  }, [shown, format]);
  return (
    <ChartPanel choices={choice} note={rows.length > MOST ? t("chart.first", { most: MOST }) : t("chart.intervals")}>
      <Chart
        label={t("views.leaderboard.chart", { group: title })}
        data={data}
        layout={layout}
        height={high(shown.length)}
      />
    </ChartPanel>
  );
}

/** Samples by their mean over the models, with the best model's score. */
export function Hardest({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const said = useViewText();
  const { rows, choice, title } = useGroup(answer);
  const shown = useMemo(() => rows.slice(0, MOST), [rows]);
  const data = useMemo<Data[]>(() => {
    const y = shown.map((_row, place) => place);
    return [
      {
        type: "bar",
        orientation: "h",
        name: said.column("mean"),
        y,
        x: shown.map((row) => number(row.mean)),
        hovertemplate: "%{x:.4f}<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        name: said.column("best"),
        y,
        x: shown.map((row) => number(row.best)),
        marker: { symbol: "diamond", size: 9 },
        customdata: shown.map((row) => label(row.best_model)),
        hovertemplate: "%{x:.4f}<br>%{customdata}<extra></extra>",
      } as Data,
    ];
  }, [shown, said]);
  const layout = useMemo(
    () => ({
      yaxis: things(
        shown.map((row) => label([row.id, row.doc_class].filter(Boolean).map(text).join(" · "))),
        true,
      ),
      xaxis: { rangemode: "tozero" as const },
      legend: { orientation: "h" as const, y: 1.02, yanchor: "bottom" as const },
      margin: { l: 48, r: 16, t: 40, b: 40 },
    }),
    [shown],
  );
  return (
    <ChartPanel choices={choice}>
      <Chart
        label={t("views.hardest.chart", { group: title })}
        data={data}
        layout={layout}
        height={high(shown.length)}
      />
    </ChartPanel>
  );
}
