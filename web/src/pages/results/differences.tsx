import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { useLevel } from "@/i18n/level";
import { Panel } from "@/ui/page";
import { type Column, Table } from "@/ui/table";
import { Choice } from "./choice";
import type { Judged } from "./sentence";
import { AboutP, Verdict } from "./significance";

export type Compared = components["schemas"]["Compared"];
type Difference = components["schemas"]["Difference"];

interface Line {
  key: string;
  baseline: string;
  candidate: string;
  found: Difference;
  shown: boolean;
  judged: Judged | undefined;
}

function lines(result: Compared): Line[] {
  return result.matches.flatMap((match, m) => {
    return match.comparisons.flatMap((one, c) =>
      (one.differences ?? []).map((found, d) => ({
        key: `${m}/${c}/${d}`,
        baseline: one.baseline,
        candidate: one.candidate,
        found,
        shown: result.shown[m]?.[c]?.[d] ?? false,
        judged: result.judged[m]?.[c]?.[d],
      })),
    );
  });
}

/** What is said of the runs: in words, and as a table. */
export function Differences({ result, by, onBy }: { result: Compared; by: string; onBy: (by: string) => void }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const level = useLevel();
  const all = lines(result);
  const overall = all.filter((line) => line.found.level === "general");
  const columns: Column<Line>[] = [
    {
      key: "runs",
      header: t("differences.runs"),
      width: "minmax(9rem, 2fr)",
      cell: (line) => (
        <span className="foreign">
          {line.candidate} − {line.baseline}
        </span>
      ),
    },
    { key: "metric", header: t("metric"), width: "minmax(8rem, 1fr)", cell: (line) => line.found.metric },
    ...(by
      ? [
          {
            key: "group",
            header: t("groups.group"),
            width: "minmax(8rem, 1fr)",
            cell: (line: Line) => <span className="foreign">{line.found.group}</span>,
          },
        ]
      : []),
    {
      key: "baseline",
      header: t("differences.baseline"),
      width: "6rem",
      numeric: true,
      cell: (line) => format.metric(line.found.baseline),
    },
    {
      key: "candidate",
      header: t("differences.candidate"),
      width: "6rem",
      numeric: true,
      cell: (line) => format.metric(line.found.candidate),
    },
    {
      key: "difference",
      header: t("differences.difference"),
      width: "6.5rem",
      numeric: true,
      cell: (line) => <strong>{format.metric(line.found.difference)}</strong>,
    },
    {
      key: "interval",
      header: t("differences.interval"),
      width: "11rem",
      numeric: true,
      cell: (line) =>
        line.found.ci_low == null ? "–" : `${format.metric(line.found.ci_low)} … ${format.metric(line.found.ci_high)}`,
    },
    {
      key: "p",
      header: t("differences.p"),
      width: "6rem",
      numeric: true,
      cell: (line) => format.short(line.found.p_value),
    },
    {
      key: "corrected",
      header: t("differences.corrected"),
      width: "8rem",
      numeric: true,
      cell: (line) => format.short(line.found.p_holm),
    },
    {
      key: "test",
      header: t("differences.test"),
      width: "minmax(9rem, 1fr)",
      cell: (line) => (line.found.test ? t(`p.test.${line.found.test}`) : "–"),
    },
    {
      key: "n",
      header: t("differences.n"),
      width: "5rem",
      numeric: true,
      cell: (line) => format.whole(line.found.n_pairs ?? 0),
    },
    {
      key: "shown",
      header: t("differences.verdict"),
      width: "9rem",
      cell: (line) => (
        <span className={line.shown ? "font-medium text-good" : "text-muted"}>
          {line.shown ? t("significance.shown") : t("significance.notShown")}
        </span>
      ),
    },
  ];
  return (
    <>
      <Panel title={t("differences.words")}>
        <ul className="space-y-1">
          {overall.map((line) => (
            <Verdict key={line.key} shown={line.shown} judged={line.judged} />
          ))}
          <AboutP where="compare" tests={result.tests} judged={all.map((line) => line.judged)} />
          {result.left_out.map((note) => (
            <li key={note} className="foreign text-warn" lang="en">
              {note}
            </li>
          ))}
        </ul>
      </Panel>
      <Panel
        flush
        title={t("differences.table")}
        actions={
          <Choice
            label={t("groups.by")}
            value={by}
            options={["", "doc_class", "question_type"].map((value) => ({
              value,
              text: value ? level(value) : t("groups.all"),
            }))}
            onChange={onBy}
          />
        }
      >
        <Table label={t("differences.table")} columns={columns} rows={all} rowKey={(line) => line.key} />
      </Panel>
    </>
  );
}
