import type { Data } from "plotly.js";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useLevel } from "@/i18n/level";
import { Chart } from "@/ui/chart";
import { useViewText } from "../texts";
import {
  type ChartOf,
  ChartPanel,
  Choice,
  type Fields,
  label,
  number,
  text,
  things,
  unique,
  useChosen,
  useGroup,
} from "./reading";

interface Grid {
  across: string[];
  down: string[];
  values: (number | null)[][];
}

function Heat({ grid, said, range }: { grid: Grid; said: string; range?: [number, number] }) {
  const data = useMemo<Data[]>(
    () => [
      {
        type: "heatmap",
        z: grid.values,
        x: grid.across.map((_each, place) => place),
        y: grid.down.map((_each, place) => place),
        text: grid.down.map((down) => grid.across.map((across) => `${label(down, 60)}<br>${label(across, 60)}`)),
        texttemplate: "%{z:.2f}",
        hovertemplate: "%{text}<br>%{z:.4f}<extra></extra>",
        hoverongaps: false,
        xgap: 1,
        ygap: 1,
        ...(range && { zmin: range[0], zmax: range[1] }),
      } as unknown as Data,
    ],
    [grid, range],
  );
  const layout = useMemo(
    () => ({
      xaxis: { ...things(grid.across.map((each) => label(each, 24))), showgrid: false, tickangle: -35 },
      yaxis: {
        ...things(
          grid.down.map((each) => label(each, 24)),
          true,
        ),
        showgrid: false,
      },
    }),
    [grid],
  );
  return <Chart label={said} data={data} layout={layout} height={Math.max(240, grid.down.length * 32 + 140)} />;
}

function grid(rows: Fields[], down: string, across: string, value: string): Grid {
  const found = new Map(rows.map((row) => [JSON.stringify([row[down], row[across]]), number(row[value])]));
  const names = (of: string) => unique(rows.map((row) => text(row[of]))).sort();
  const [d, a] = [names(down), names(across)];
  return { down: d, across: a, values: d.map((x) => a.map((y) => found.get(JSON.stringify([x, y])) ?? null)) };
}

/** Document class x question type of one model; the groups' names are put together of both. */
function crossed(rows: Fields[]): Fields[] {
  const of = (level: string) => unique(rows.filter((row) => row.level === level).map((row) => text(row.group)));
  const values = new Map(
    rows.filter((row) => row.level === "by_doc_question").map((row) => [text(row.group), row.value] as const),
  );
  return of("by_doc_type").flatMap((down) =>
    of("by_question_type").flatMap((across) =>
      values.has(`${down} ${across}`) ? [{ down, across, value: values.get(`${down} ${across}`) }] : [],
    ),
  );
}

const ALL = "*";
const SHARE: [number, number] = [0, 1];

/** One model's values by class and type, or all models' by one of the two. */
export function ByClass({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const said = useLevel();
  const { rows, choice, title } = useGroup(answer);
  const models = useMemo(() => unique(rows.map((row) => text(row.model))), [rows]);
  const levels = useMemo(() => unique(rows.map((row) => text(row.level))), [rows]);
  const model = useChosen("of", [ALL, ...models]);
  const level = useChosen("by", levels);
  const shown = useMemo(() => {
    if (model === ALL)
      return grid(
        rows.filter((row) => row.level === level),
        "model",
        "group",
        "value",
      );
    const own = rows.filter((row) => row.model === model);
    const both = crossed(own);
    return both.length > 0
      ? grid(both, "down", "across", "value")
      : grid(
          own.filter((row) => row.level === level).map((row) => ({ ...row, level: said(level) })),
          "level",
          "group",
          "value",
        );
  }, [rows, model, level, said]);
  return (
    <ChartPanel
      choices={
        <>
          {choice}
          <Choice
            name="of"
            said={t("parameters.model")}
            options={[
              { value: ALL, label: t("chart.allModels") },
              ...models.map((each) => ({ value: each, label: each })),
            ]}
          />
          {model === ALL && (
            <Choice
              name="by"
              said={t("parameters.level")}
              options={levels.map((value) => ({ value, label: said(value) }))}
            />
          )}
        </>
      }
    >
      <Heat
        grid={shown}
        said={t("views.by-class.chart", { group: title })}
        range={shown.values.flat().every((value) => value === null || (value >= 0 && value <= 1)) ? SHARE : undefined}
      />
    </ChartPanel>
  );
}

const MEASURES = ["equal_answers", "equal_scores", "correlation"];
const CORRELATION: [number, number] = [-1, 1];

/** How far each two models agree. */
export function Agreement({ answer }: ChartOf) {
  const { t } = useTranslation("explore");
  const { rows, choice, title } = useGroup(answer);
  const said = useViewText();
  const measure = useChosen("measure", MEASURES);
  const shown = useMemo(() => {
    const both = rows.flatMap((row) => [
      { one: row.one, other: row.other, value: row[measure] },
      { one: row.other, other: row.one, value: row[measure] },
    ]);
    const own = unique(both.map((row) => row.one)).map((model) => ({ one: model, other: model, value: 1 }));
    return grid([...both, ...own], "one", "other", "value");
  }, [rows, measure]);
  const options = MEASURES.map((value) => ({ value, label: said.column(value) }));
  return (
    <ChartPanel
      choices={
        <>
          {choice}
          <Choice name="measure" said={t("chart.measure")} options={options} />
        </>
      }
    >
      <Heat
        grid={shown}
        said={t("views.agreement.chart", { group: title })}
        range={measure === "correlation" ? CORRELATION : SHARE}
      />
    </ChartPanel>
  );
}
