import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Chart } from "@/ui/chart";
import { useViewText } from "../texts";
import { inGib } from "../units";
import { type ChartOf, ChartPanel, Choice, type Fields, label, number, useChosen, useGroup } from "./reading";

const COSTS = [
  "latency_ms_p50",
  "latency_ms_p90",
  "ttft_ms_p50",
  "device_memory_peak",
  "memory_peak",
  "energy_j_per_answer",
  "cost_per_1000_answers",
  "prompt_tokens_per_answer",
  "completion_tokens_per_answer",
];

/** A cost in the unit that its name says. */
const shownAs = (name: string, value: unknown): number | null => {
  const known = number(value);
  return known !== null && inGib(name) ? known / 2 ** 30 : known;
};

/** Those that nobody beats: less of the cost, and better. Sorted by cost. */
export function undominated(rows: Fields[], cost: string): Fields[] {
  const better = (one: number, other: number) => (rows[0]?.higher_is_better === false ? one < other : one > other);
  const found: Fields[] = [];
  for (const row of rows.toSorted(
    (a, b) =>
      (number(a[cost]) ?? 0) - (number(b[cost]) ?? 0) || (better(number(a.value) ?? 0, number(b.value) ?? 0) ? -1 : 1),
  )) {
    const last = found.at(-1);
    if (!last || better(number(row.value) ?? 0, number(last.value) ?? 0)) found.push(row);
  }
  return found;
}

/** How good against what it costs, and the line of those that nobody beats. */
export function TradeOffs({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const said = useViewText();
  const { rows, choice, title } = useGroup(answer);
  const known = useMemo(() => COSTS.filter((name) => rows.some((row) => number(row[name]) !== null)), [rows]);
  const cost = useChosen("cost", known);
  const [data, layout] = useMemo(() => {
    const shown = rows.filter((row) => number(row[cost]) !== null && number(row.value) !== null);
    const directed = shown.filter((row) => typeof row.higher_is_better === "boolean");
    const best = undominated(directed, cost);
    const traces: Data[] = [
      {
        type: "scatter",
        mode: "lines",
        name: t("chart.undominated"),
        x: best.map((row) => shownAs(cost, row[cost])),
        y: best.map((row) => number(row.value)),
        line: { shape: "hv", dash: "dot", width: 2, color: "#7f7f7f" },
        hoverinfo: "skip",
      },
      {
        type: "scatter",
        mode: "text+markers",
        name: t("chart.runs"),
        showlegend: false,
        x: shown.map((row) => shownAs(cost, row[cost])),
        y: shown.map((row) => number(row.value)),
        text: shown.map((row) => label(row.model, 24)),
        textposition: "top center",
        marker: {
          size: 11,
          color: shown.map((row) => (best.includes(row) ? "#009e73" : "#0072b2")),
          symbol: shown.map((row) => (best.includes(row) ? "star" : "circle")),
        },
        customdata: shown.map((row) => label(row.job_id, 80)),
        hovertemplate: `%{text}<br>%{y:.4f}<br>${label(said.column(cost), 60)}: %{x:,.4~r}<br>%{customdata}<extra></extra>`,
        cliponaxis: false,
      } as Data,
    ];
    const looks = {
      xaxis: { title: { text: said.column(cost) }, rangemode: "tozero" as const, automargin: true },
      yaxis: { title: { text: label(shown[0]?.metric) } },
      legend: { orientation: "h" as const, y: 1.02, yanchor: "bottom" as const },
      margin: { l: 56, r: 24, t: 44, b: 48 },
      showlegend: true,
    };
    return [traces, looks] as const;
  }, [rows, cost, t, said]);
  const options = known.map((value) => ({ value, label: said.column(value) }));
  return (
    <ChartPanel
      choices={
        <>
          {choice}
          <Choice name="cost" said={t("chart.cost")} options={options} />
        </>
      }
    >
      <Chart label={t("views.trade-offs.chart", { group: title })} data={data as Data[]} layout={layout} height={440} />
    </ChartPanel>
  );
}
