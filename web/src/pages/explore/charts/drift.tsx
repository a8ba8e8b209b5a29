import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Chart } from "@/ui/chart";
import { type ChartOf, ChartPanel, type Fields, label, moment, number, things, useGroup } from "./reading";

const MOST = 50;
const KINDS = { worse: "#d55e00", better: "#009e73", inside: "#7f7f7f" };
type Kind = keyof typeof KINDS;

const kindOf = (row: Fields): Kind => (!row.outside ? "inside" : row.worse ? "worse" : "better");

/** From the baseline's value to each later run's. */
export function Drift({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const { rows, choice, title } = useGroup(answer);
  const shown = useMemo(() => rows.slice(0, MOST), [rows]);
  const data = useMemo<Data[]>(
    () =>
      (Object.keys(KINDS) as Kind[]).map((kind) => {
        const places = shown.flatMap((row, place) => (kindOf(row) === kind ? [place] : []));
        const of = (place: number) => shown[place] ?? {};
        return {
          type: "scatter",
          mode: "markers",
          name: t(`chart.drift.${kind}`),
          x: places.map((place) => number(of(place).value)),
          y: places,
          marker: { color: KINDS[kind], size: 9 },
          customdata: places.map((place) => [number(of(place).baseline), label(of(place).job_id, 80)]),
          hovertemplate: "%{customdata[0]:.4f} → %{x:.4f}<br>%{customdata[1]}<extra></extra>",
        } as unknown as Data;
      }),
    [shown, t],
  );
  const layout = useMemo(
    () => ({
      yaxis: things(
        shown.map((row) => `${label(row.model, 26)}<br>${format.moment(moment(row.planned_at))}`),
        true,
      ),
      annotations: shown.flatMap((row, place) => {
        const [from, to] = [number(row.baseline), number(row.value)];
        if (from === null || to === null || from === to) return [];
        const at = { x: to, y: place, ax: from, ay: place, xref: "x", yref: "y", axref: "x", ayref: "y" } as const;
        return [{ ...at, text: "", showarrow: true, arrowhead: 2, arrowwidth: 2, arrowcolor: KINDS[kindOf(row)] }];
      }),
      legend: { orientation: "h" as const, y: 1.02, yanchor: "bottom" as const },
      margin: { l: 48, r: 16, t: 40, b: 40 },
      showlegend: true,
    }),
    [shown, format],
  );
  return (
    <ChartPanel choices={choice} note={rows.length > MOST ? t("chart.first", { most: MOST }) : undefined}>
      <Chart
        label={t("views.drift.chart", { group: title })}
        data={data}
        layout={layout as object}
        height={Math.max(220, shown.length * 34 + 100)}
      />
    </ChartPanel>
  );
}
