import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { HIDDEN, visible } from "@/ui/hidden-characters";
import { Panel } from "@/ui/page";
import { useQueryState } from "@/ui/query-state";
import { type Answer, named } from "../asking";

export type Fields = Record<string, unknown>;

/** What a chart of a view takes. */
export interface ChartOf {
  answer: Answer;
}

/** A number, or nothing. */
export const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
export const text = (value: unknown): string => (value == null ? "" : String(value));
/** Times of answers are UTC without saying so. */
export const moment = (value: unknown): string => `${text(value).replace(" ", "T")}Z`;

const LONGEST = 36;

/** Foreign text as a label of Plotly, which takes some markup for its own. */
export function label(value: unknown, most = LONGEST): string {
  const shown = text(value).replace(new RegExp(HIDDEN.source, "g"), visible);
  const cut = shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
  return cut.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** An axis of things that have names: they stand at 0, 1, ... as two may be cut to the same label. */
export function things(labels: string[], reversed = false): object {
  return {
    tickmode: "array",
    tickvals: labels.map((_each, place) => place),
    ticktext: labels,
    range: reversed ? [labels.length - 0.5, -0.5] : [-0.5, labels.length - 0.5],
    automargin: true,
    zeroline: false,
  };
}

/** How far an interval reaches from its value, for Plotly. */
export function interval(rows: Fields[]): object {
  const reach = (end: unknown, value: unknown) => Math.abs((number(end) ?? number(value) ?? 0) - (number(value) ?? 0));
  return {
    type: "data",
    symmetric: false,
    array: rows.map((row) => reach(row.ci_high, row.value)),
    arrayminus: rows.map((row) => reach(row.ci_low, row.value)),
    visible: true,
    thickness: 1.5,
    width: 3,
  };
}

export const unique = <T,>(values: T[]): T[] => [...new Set(values)];

/** A choice that is kept in the address. */
export function Choice({
  name,
  said,
  options,
}: {
  name: string;
  said: string;
  options: { value: string; label: string }[];
}) {
  const first = options[0]?.value ?? "";
  const [value, set] = useQueryState(name, first);
  return (
    <label className="flex min-w-0 items-center gap-2 text-muted">
      <span className="shrink-0">{said}</span>
      <select
        className="max-w-full min-w-0 rounded-md border border-line bg-ground px-2 py-1 text-ink"
        value={options.some((option) => option.value === value) ? value : first}
        onChange={(event) => set(event.target.value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What is chosen, and the first where nothing is. */
export function useChosen(name: string, options: string[]): string {
  const [value] = useQueryState(name, options[0] ?? "");
  return options.includes(value) ? value : (options[0] ?? "");
}

const GROUP = ["dataset", "task", "metric", "normalisation"];
/** Characters of a digest that tell data sets of one name apart. */
const DIGEST = 8;

/** Values of different data sets, tasks and metrics do not belong into one chart: one group of rows, and the choice. */
export function useGroup(answer: Answer): { rows: Fields[]; choice: ReactNode; title: string } {
  const { t } = useTranslation("explore");
  const groups = useMemo(() => {
    const found = new Map<string, { words: string; rows: Fields[] }>();
    for (const row of named(answer)) {
      const words = GROUP.map((name) => text(row[name]))
        .filter(Boolean)
        .join(" · ");
      // Data sets may have one name and be two.
      const digest = text(row.dataset_digest).slice(0, DIGEST);
      const key = [words, digest].filter(Boolean).join(" · ");
      const group = found.get(key);
      if (group) group.rows.push(row);
      else found.set(key, { words, rows: [row] });
    }
    return found;
  }, [answer]);
  // The one that says most comes first.
  const names = useMemo(
    () => [...groups].toSorted(([, one], [, other]) => other.rows.length - one.rows.length).map(([name]) => name),
    [groups],
  );
  const chosen = useChosen("group", names);
  const rows = useMemo(() => groups.get(chosen)?.rows ?? [], [groups, chosen]);
  const labels = useMemo(() => {
    const all = [...groups.values()].map(({ words }) => words);
    const once = (words: string) => all.indexOf(words) === all.lastIndexOf(words);
    return new Map([...groups].map(([name, { words }]) => [name, once(words) ? words : name]));
  }, [groups]);
  const options = names.map((value) => ({ value, label: labels.get(value) ?? value }));
  const title = labels.get(chosen) ?? chosen;
  return { rows, title, choice: <Choice name="group" said={t("chart.group")} options={options} /> };
}

/** The frame of a view's chart. */
export function ChartPanel({ choices, children, note }: { choices?: ReactNode; children: ReactNode; note?: string }) {
  const { t } = useTranslation("explore");
  return (
    <Panel title={t("chart.title")}>
      <div className="space-y-3">
        {choices && <div className="flex flex-wrap gap-x-5 gap-y-2">{choices}</div>}
        {children}
        {note && <p className="text-xs text-muted">{note}</p>}
      </div>
    </Panel>
  );
}
