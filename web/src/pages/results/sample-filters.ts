import { useMemo } from "react";
import { useSearchParams } from "react-router";

/** What the list of samples is filtered and sorted by; all of it stands in the address. */
export const FILTERS = [
  "outcome",
  "doc_class",
  "question_type",
  "text",
  "metric",
  "below",
  "above",
  "status",
  "differs_from",
  "sort",
  "descending",
] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filters = Partial<Record<FilterName, string>>;

export function useFilters(): Filters {
  const [params] = useSearchParams();
  return useMemo(
    () => Object.fromEntries(FILTERS.map((name) => [name, params.get(name)]).filter(([, value]) => value)) as Filters,
    [params],
  );
}

type Status = "scored" | "unparsable" | "failed" | "withdrawn" | "no_reference" | "not_scored";

/** The same as the service takes them. A metric alone filters nothing. */
export function asQuery(filters: Filters) {
  const number = (text: string | undefined) => (text && Number.isFinite(Number(text)) ? Number(text) : undefined);
  const one = (text: string | undefined) => (text ? [text] : undefined);
  return {
    outcome: one(filters.outcome),
    doc_class: one(filters.doc_class),
    question_type: one(filters.question_type),
    text: filters.text,
    metric: filters.metric,
    below: filters.metric ? number(filters.below) : undefined,
    above: filters.metric ? number(filters.above) : undefined,
    status: filters.metric ? (filters.status as Status | undefined) : undefined,
    differs_from: filters.metric ? filters.differs_from : undefined,
    sort: filters.sort,
    descending: filters.descending === "true" || undefined,
  };
}
