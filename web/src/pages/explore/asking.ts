import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";
import { api, ask, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useLevel } from "@/i18n/level";
import type { Option } from "@/ui/combobox";
import { useChangeQuery } from "@/ui/query-state";

export type Answer = components["schemas"]["QueryAnswer"];
export type Saved = components["schemas"]["SavedQueryEntry"];
export type Row = readonly unknown[];

/** What is asked: a saved query by its name, or SQL. */
export interface Question {
  saved?: string;
  sql?: string;
  parameters: Record<string, string>;
  jobs: string[];
  rows: number;
}

export const ROWS = [1_000, 10_000, 100_000];
const MOST_ROWS = 1_000_000;

const bodyOf = ({ parameters, ...question }: Question) => ({
  ...question,
  // An empty field is a parameter that was not given.
  parameters: Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, value === "" ? null : value]),
  ),
  timeout_s: 60,
});

/** Asks, and asks anew when the question changes. `cancel` ends the query in the service, too. */
export function useAnswer(question: Question | null) {
  const client = useQueryClient();
  const queryKey = useMemo(() => ["query", question], [question]);
  const asked = useQuery<Answer>({
    queryKey,
    enabled: question !== null,
    // Other parameters of the same query: what was there stays until the answer comes.
    placeholderData: (before, of) => {
      const last = of?.queryKey[1] as Question | null | undefined;
      return last?.saved === question?.saved && last?.sql === question?.sql ? before : undefined;
    },
    staleTime: 60_000,
    refetchOnWindowFocus: false,
    queryFn: ({ signal }) =>
      ok(
        api.POST("/api/v1/query", { body: { format: "json", ...bodyOf(question as Question) }, signal }),
      ) as Promise<Answer>,
  });
  const cancel = useCallback(() => void client.cancelQueries({ queryKey }), [client, queryKey]);
  return { ...asked, cancel };
}

/** What the forms offer, by the name of a parameter. */
export function useSuggestions(): Record<string, Option[]> {
  const level = useLevel();
  const { data } = useQuery<Answer>({
    queryKey: ["query", "suggestions"],
    staleTime: 300_000,
    refetchOnWindowFocus: false,
    queryFn: ({ signal }) =>
      ok(
        api.POST("/api/v1/query", {
          signal,
          body: {
            format: "json",
            jobs: [],
            parameters: {},
            rows: 1,
            timeout_s: 60,
            sql: `SELECT list(DISTINCT model ORDER BY model) AS model, list(DISTINCT dataset ORDER BY dataset) AS dataset,
              list(DISTINCT task ORDER BY task) AS task, list(DISTINCT run ORDER BY run) AS run,
              (SELECT list(DISTINCT metric ORDER BY metric) FROM metrics WHERE level = 'general') AS metric,
              (SELECT list(DISTINCT "group" ORDER BY "group") FROM metrics WHERE level = 'by_doc_type') AS doc_class,
              (SELECT list(DISTINCT "group" ORDER BY "group") FROM metrics WHERE level = 'by_question_type')
                AS question_type,
              (SELECT list([job_id, job] ORDER BY planned_at DESC)
                FROM (SELECT job_id, any_value(job) AS job, max(planned_at) AS planned_at FROM runs GROUP BY job_id))
                AS jobs FROM runs`,
          },
        }),
      ) as Promise<Answer>,
  });
  return useMemo(() => {
    const found: Record<string, Option[]> = {
      level: ["by_doc_type", "by_question_type", "by_doc_question"].map((value) => ({ value, text: level(value) })),
    };
    data?.columns.forEach((column, place) => {
      const values = data.rows[0]?.[place];
      if (Array.isArray(values)) found[column.name] = values.map(optionOf);
    });
    return { ...found, baseline: found.jobs ?? [], job: found.jobs ?? [], job_id: found.jobs ?? [] };
  }, [data, level]);
}

/** A name, or a job by its id and its name. */
function optionOf(found: unknown): Option {
  if (!Array.isArray(found)) return { value: String(found) };
  const [id, name] = found.map((each) => String(each ?? ""));
  return { value: id ?? "", text: name ? `${id} · ${name}` : id };
}

/** All that a question finds, as a file for the person who looks. */
export async function download(question: Question, format: "csv" | "json", name: string): Promise<void> {
  const answer = await ask("/api/v1/query", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...bodyOf(question), rows: MOST_ROWS, format }),
  });
  const address = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = `${name}.${format}`;
  link.click();
  URL.revokeObjectURL(address);
}

const PREFIX = "p.";

/** Parameters, jobs and rows of a question, kept in the address. */
export function useAddress() {
  const [params] = useSearchParams();
  const parameters = useMemo(
    () =>
      Object.fromEntries(
        [...params]
          .filter(([name]) => name.startsWith(PREFIX))
          .map(([name, value]) => [name.slice(PREFIX.length), value]),
      ),
    [params],
  );
  const jobs = useMemo(() => (params.get("jobs") ?? "").split(/[\s,]+/).filter(Boolean), [params]);
  const rows = Number(params.get("rows")) || (ROWS[0] ?? 1000);
  const set = useChangeQuery();
  return { params, parameters, jobs, rows, set };
}

export const parameterName = (name: string) => PREFIX + name;

/** Rows by the names of their columns. */
export function named(answer: Answer): Record<string, unknown>[] {
  return answer.rows.map((row) =>
    Object.fromEntries(answer.columns.map((column, place) => [column.name, (row as Row)[place]])),
  );
}
