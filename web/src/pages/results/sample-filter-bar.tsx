import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Choice } from "./choice";
import type { LeaderboardRun, RunOverview } from "./data";
import { FILTERS, type Filters } from "./sample-filters";

const STATUSES = ["scored", "unparsable", "failed", "withdrawn", "no_reference", "not_scored"];
const SORTS = ["row", "latency_ms", "length", "completion_tokens"];
const TYPING_MS = 400;

/** What the list is filtered and sorted by. */
export function SampleFilters({
  overview,
  others,
  filters,
  onChange,
}: {
  overview: RunOverview;
  others: LeaderboardRun[];
  filters: Filters;
  onChange: (changes: Record<string, string>) => void;
}) {
  const { t } = useTranslation(["results", "common"]);
  const format = useFormat();
  const any = { value: "", text: t("filter.any") };
  const counted = (found: { name: string; rows: number }[], name: (text: string) => string = (text) => text) => [
    any,
    ...found.map((each) => ({
      value: each.name,
      text: `${name(each.name).slice(0, 80)} (${format.whole(each.rows)})`,
    })),
  ];
  const sort = `${filters.descending === "true" ? "-" : ""}${filters.sort ?? "row"}`;
  const active = FILTERS.filter((name) => filters[name] && name !== "sort" && name !== "descending").length;
  return (
    <div className="grid items-end gap-3 sm:grid-cols-2 lg:grid-cols-4 xl:grid-cols-6">
      <Typed label={t("filter.text")} value={filters.text ?? ""} onChange={(text) => onChange({ text })} search />
      <Choice
        label={t("filter.outcome")}
        value={filters.outcome ?? ""}
        options={counted(overview.outcomes, (name) => t(`common:outcome.${name}`, name))}
        onChange={(outcome) => onChange({ outcome })}
      />
      {overview.classes.length > 1 && (
        <Choice
          label={t("filter.class")}
          value={filters.doc_class ?? ""}
          options={counted(overview.classes)}
          onChange={(doc_class) => onChange({ doc_class })}
        />
      )}
      {overview.types.length > 1 && (
        <Choice
          label={t("filter.type")}
          value={filters.question_type ?? ""}
          options={counted(overview.types)}
          onChange={(question_type) => onChange({ question_type })}
        />
      )}
      <Choice
        label={t("filter.sort")}
        value={sort}
        options={[...SORTS, ...overview.metrics.map((each) => each.metric)].flatMap((key) => {
          const name = SORTS.includes(key) ? t(`sort.${key}`) : key;
          return [
            { value: key, text: `${name} ↑` },
            { value: `-${key}`, text: `${name} ↓` },
          ];
        })}
        onChange={(value) =>
          onChange({
            sort: value.replace(/^-/, "") === "row" && !value.startsWith("-") ? "" : value.replace(/^-/, ""),
            descending: value.startsWith("-") ? "true" : "",
          })
        }
      />
      {overview.metrics.length > 0 && (
        <Choice
          label={t("filter.metric")}
          value={filters.metric ?? ""}
          options={[any, ...overview.metrics.map((each) => ({ value: each.metric, text: each.metric }))]}
          onChange={(metric) =>
            onChange(metric ? { metric } : { metric, below: "", above: "", status: "", differs_from: "" })
          }
        />
      )}
      {filters.metric && (
        <>
          <Typed label={t("filter.above")} value={filters.above ?? ""} onChange={(above) => onChange({ above })} />
          <Typed label={t("filter.below")} value={filters.below ?? ""} onChange={(below) => onChange({ below })} />
          <Choice
            label={t("filter.status")}
            value={filters.status ?? ""}
            options={[any, ...STATUSES.map((each) => ({ value: each, text: t(`scoreStatus.${each}`) }))]}
            onChange={(status) => onChange({ status })}
          />
          {others.length > 0 && (
            <Choice
              label={t("filter.differs")}
              value={filters.differs_from ?? ""}
              options={[any, ...others.map((run) => ({ value: run.run_id, text: run.name }))]}
              onChange={(differs_from) => onChange({ differs_from })}
            />
          )}
        </>
      )}
      {active > 0 && (
        <Button onClick={() => onChange(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>
          {t("filter.clear")}
        </Button>
      )}
    </div>
  );
}

/** A text or a number that takes effect when typing stops. */
export function Typed({
  label,
  value,
  onChange,
  search = false,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  search?: boolean;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: typing begins the wait anew, and nothing else
  useEffect(() => {
    if (text === value) return;
    const later = setTimeout(() => onChange(text.trim()), TYPING_MS);
    return () => clearTimeout(later);
  }, [text]);
  return (
    <Field label={label}>
      {(control) => (
        <input
          {...control}
          type={search ? "search" : "number"}
          step="any"
          maxLength={200}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
    </Field>
  );
}
