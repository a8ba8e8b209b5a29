import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { classes } from "@/ui/classes";
import { Field } from "@/ui/field";
import { useQueryState } from "@/ui/query-state";

export const STATUSES = ["running", "completed", "failed", "cancelled", "rejected"] as const;
const TYPED_MS = 300;

export interface Filters {
  status: string[];
  name: string;
  model: string;
  task: string;
}

/** Which jobs are shown; kept in the address. */
export function useFilters(): Filters {
  const [status] = useQueryState("status");
  const [name] = useQueryState("name");
  const [model] = useQueryState("model");
  const [task] = useQueryState("task");
  return { status: status ? status.split(",") : [], name, model, task };
}

export function JobFilters() {
  const { t } = useTranslation("jobs");
  return (
    <search className="flex flex-wrap items-end gap-3 p-4">
      <Text name="name" label={t("filter.name")} />
      <Text name="model" label={t("filter.model")} />
      <Text name="task" label={t("filter.task")} />
      <Statuses />
    </search>
  );
}

/** A text that is looked for when nothing more is typed. */
function Text({ name, label }: { name: string; label: string }) {
  const [wanted, setWanted] = useQueryState(name);
  const [typed, setTyped] = useState(wanted);
  useEffect(() => setTyped(wanted), [wanted]);
  useEffect(() => {
    if (typed === wanted) return;
    const timer = setTimeout(() => setWanted(typed), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed, wanted, setWanted]);
  return (
    <Field label={label} className="w-full sm:w-44">
      {(control) => (
        <input
          {...control}
          type="search"
          maxLength={200}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      )}
    </Field>
  );
}

function Statuses() {
  const { t } = useTranslation(["jobs", "common"]);
  const [status, setStatus] = useQueryState("status");
  const chosen = status ? status.split(",") : [];
  const toggle = (name: string) =>
    setStatus((chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]).join(","));
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 font-medium">{t("filter.status")}</legend>
      <div className="flex flex-wrap gap-1">
        {STATUSES.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={chosen.includes(name)}
            onClick={() => toggle(name)}
            className={classes(
              "rounded-full border px-3 py-2",
              chosen.includes(name)
                ? "border-accent bg-accent text-accent-ink"
                : "border-line text-muted hover:bg-raised hover:text-ink",
            )}
          >
            {t(`common:status.${name}`)}
          </button>
        ))}
      </div>
    </fieldset>
  );
}
