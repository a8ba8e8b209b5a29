import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Chart } from "@/ui/chart";
import { named } from "../asking";
import { type ChartOf, ChartPanel, Choice, label, number, text, unique, useChosen } from "./reading";

const KINDS = ["none", "bar", "line", "scatter"];
const NUMBERS = /INT|DOUBLE|FLOAT|DECIMAL/;
/** Rows and series that a chart shows. */
const MOST = 5000;
const MOST_SERIES = 20;

/** A chart of whatever a query finds, as a person chooses its columns. */
export function FreeChart({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const names = answer.columns.map((column) => column.name);
  const numbers = answer.columns.filter((column) => NUMBERS.test(column.type)).map((column) => column.name);
  const kind = useChosen("chart", KINDS);
  const x = useChosen("x", names);
  const y = useChosen("y", numbers);
  const by = useChosen("series", ["", ...names]);
  const data = useMemo<Data[]>(() => {
    const rows = named(answer).slice(0, MOST);
    const series = by ? unique(rows.map((row) => text(row[by]))).slice(0, MOST_SERIES) : [""];
    return series.map((each) => {
      const own = by ? rows.filter((row) => text(row[by]) === each) : rows;
      return {
        type: kind === "bar" ? "bar" : "scatter",
        mode: kind === "line" ? "lines+markers" : "markers",
        name: label(each),
        x: own.map((row) => (typeof row[x] === "number" ? row[x] : label(row[x]))),
        y: own.map((row) => number(row[y])),
      } as Data;
    });
  }, [answer, kind, x, y, by]);
  const layout = useMemo(
    () => ({
      barmode: "group" as const,
      xaxis: { title: { text: label(x) }, automargin: true },
      yaxis: { title: { text: label(y) } },
      showlegend: by !== "",
      margin: { l: 56, r: 16, t: 16, b: 48 },
    }),
    [x, y, by],
  );
  if (numbers.length === 0) return null;
  const options = (of: string[]) => of.map((value) => ({ value, label: value }));
  return (
    <ChartPanel
      note={kind !== "none" && answer.rows.length > MOST ? t("chart.first", { most: MOST }) : undefined}
      choices={
        <>
          <Choice
            name="chart"
            said={t("chart.kind")}
            options={KINDS.map((value) => ({ value, label: t(`chart.kinds.${value}`) }))}
          />
          {kind !== "none" && (
            <>
              <Choice name="x" said={t("chart.x")} options={options(names)} />
              <Choice name="y" said={t("chart.y")} options={options(numbers)} />
              <Choice
                name="series"
                said={t("chart.series")}
                options={[{ value: "", label: t("chart.noSeries") }, ...options(names)]}
              />
            </>
          )}
        </>
      }
    >
      {kind !== "none" && <Chart label={t("chart.free", { x, y })} data={data} layout={layout} />}
    </ChartPanel>
  );
}
