import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Pin, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { ForeignText, Visible } from "@/ui/foreign-text";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { useSuggestions } from "./asking";
import { ParameterField } from "./form";
import { Frame } from "./frame";

type Baseline = components["schemas"]["BaselineEntry"];
const NOTHING = { dataset: "", task: "", baseline: "", note: "" };

const trimmed = (wanted: typeof NOTHING) => ({
  dataset: wanted.dataset.trim(),
  task: wanted.task.trim(),
  baseline: wanted.baseline.trim(),
});

/** Which job or run later ones are compared with. */
export default function Baselines() {
  const { t } = useTranslation("explore");
  const may = useMay("submitter");
  const { data, error, refetch } = useQuery({
    queryKey: ["baselines"],
    queryFn: () => ok(api.GET("/api/v1/baselines")),
  });
  return (
    <Frame title={t("baselines.title")}>
      <p className="max-w-prose text-muted">
        {t("baselines.text")}{" "}
        <Link className="text-accent underline" to="/explore/view/drift">
          {t("views.drift.title")}
        </Link>
      </p>
      {may && <PinForm />}
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <Panel title={t("baselines.pinned")} flush>
          {data.length === 0 ? (
            <Empty title={t("baselines.none")} />
          ) : (
            <ul className="divide-y divide-line">
              {data.map((each) => (
                <Pinned key={JSON.stringify([each.dataset, each.task])} baseline={each} may={may} />
              ))}
            </ul>
          )}
        </Panel>
      )}
    </Frame>
  );
}

function Pinned({ baseline, may }: { baseline: Baseline; may: boolean }) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => {
      const { dataset, task } = baseline;
      return ok(api.DELETE("/api/v1/baselines", { params: { query: { dataset, task } } }));
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ["baselines"] }),
  });
  const drift = new URLSearchParams({ "p.dataset": baseline.dataset, "p.task": baseline.task });
  return (
    <li className="flex flex-wrap items-start justify-between gap-3 px-4 py-3">
      <div className="min-w-0 space-y-1">
        <p className="foreign font-medium">
          <Visible text={`${baseline.dataset} · ${baseline.task}`} />
        </p>
        <p className="foreign font-mono text-xs">
          <Visible text={baseline.baseline} />
        </p>
        {baseline.note && <ForeignText text={baseline.note} first={300} />}
        <p className="text-xs text-muted">
          <span className="foreign">
            <Visible text={baseline.pinned_by} />
          </span>
          {` · ${format.moment(baseline.pinned_at)}`}
        </p>
      </div>
      <span className="flex flex-wrap items-center gap-3">
        <Link className="text-accent underline" to={`/explore/view/drift?${drift}`}>
          {t("baselines.compare")}
        </Link>
        {may && (
          <Button small kind="quiet" busy={remove.isPending} onClick={() => remove.mutate()}>
            <Trash2 aria-hidden className="size-4" />
            {t("baselines.remove")}
          </Button>
        )}
      </span>
      {remove.error && <ProblemNote error={remove.error} />}
    </li>
  );
}

function PinForm() {
  const { t } = useTranslation("explore");
  const client = useQueryClient();
  const offered = useSuggestions();
  const [wanted, setWanted] = useState(NOTHING);
  const pin = useMutation({
    mutationFn: () =>
      ok(api.PUT("/api/v1/baselines", { body: { ...trimmed(wanted), note: wanted.note.trim() || null } })),
    onSuccess: () => {
      setWanted(NOTHING);
      void client.invalidateQueries({ queryKey: ["baselines"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    pin.mutate();
  };
  const fields = [
    { name: "dataset", label: t("parameters.dataset") },
    { name: "task", label: t("parameters.task") },
    { name: "baseline", label: t("parameters.baseline") },
    { name: "note", label: t("baselines.note") },
  ] as const;
  const complete = wanted.dataset && wanted.task && wanted.baseline;
  return (
    <Panel title={t("baselines.pin")}>
      <form onSubmit={submit} className="space-y-3">
        <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-4">
          {fields.map(({ name, label }) => (
            <ParameterField
              key={name}
              name={name}
              label={label}
              placeholder=""
              value={wanted[name]}
              onChange={(text) => setWanted((before) => ({ ...before, [name]: text }))}
              offered={offered}
            />
          ))}
        </div>
        <Button type="submit" kind="primary" busy={pin.isPending} disabled={!complete}>
          <Pin aria-hidden className="size-4" />
          {t("baselines.do")}
        </Button>
        {pin.error && <ProblemNote error={pin.error} />}
      </form>
    </Panel>
  );
}
