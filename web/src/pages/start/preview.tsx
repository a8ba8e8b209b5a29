import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, Eye } from "lucide-react";
import { useTranslation } from "react-i18next";
import { ask } from "@/api/client";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import type { Check } from "./check";
import { type Draft, queryOf } from "./draft";
import { SentSample } from "./sent-sample";

type JobPreview = components["schemas"]["JobPreview"];

const A_PAGE = 4;

/** What models will be sent about the first samples, as the service will send it. */
export function Preview({ draft, check }: { draft: Draft; check: Check }) {
  const { t } = useTranslation("start");
  const [open, setOpen] = useQueryState("preview");
  return (
    <Panel title={t("preview.title")}>
      {open === "" ? (
        <div className="flex flex-wrap items-center gap-4">
          <Button disabled={check.state !== "fine"} onClick={() => setOpen("1")}>
            <Eye aria-hidden className="size-4" />
            {t("preview.show")}
          </Button>
          <p className="text-muted">{t("preview.what")}</p>
        </div>
      ) : (
        <Requests draft={draft} ready={check.state === "fine"} />
      )}
    </Panel>
  );
}

function Requests({ draft, ready }: { draft: Draft; ready: boolean }) {
  const { t } = useTranslation("start");
  const format = useFormat();
  const [model, setModel] = useQueryState("preview-model");
  const [task, setTask] = useQueryState("preview-task");
  const [run, setRun] = useQueryState("preview-run");
  const [from, setFrom] = useQueryState("preview-from");
  const offset = Math.max(0, Number.parseInt(from, 10) || 0);
  const { text } = draft.document;
  const query = new URLSearchParams(queryOf(draft));
  for (const [name, value] of Object.entries({ model, task, run })) if (value) query.set(name, value);
  query.set("offset", String(offset));
  query.set("samples", String(A_PAGE));
  const address = `/api/v1/jobs/preview?${query}`;
  const asked = useQuery<JobPreview>({
    queryKey: ["preview", text, address],
    enabled: ready,
    staleTime: 10 * 60_000,
    gcTime: 60_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const headers = { "Content-Type": "application/yaml" };
      return (await ask(address, { method: "POST", body: text, headers, signal })).json();
    },
  });
  const found = asked.data;
  if (asked.error) return <ProblemNote error={asked.error} again={() => void asked.refetch()} />;
  if (!found)
    return ready ? <Waiting label={t("preview.reading")} /> : <p className="text-muted">{t("preview.mend")}</p>;
  const choose = (set: (value: string) => void) => (value: string) => {
    set(value);
    setFrom("");
  };
  const more = !found.whole || offset + found.samples.length < found.rows;
  return (
    <div className="space-y-4" aria-busy={asked.isFetching}>
      <div className="grid gap-3 sm:grid-cols-3">
        <Choice label={t("preview.model")} value={found.model} all={found.models} onChoose={choose(setModel)} />
        <Choice label={t("preview.task")} value={found.task} all={found.tasks} onChoose={choose(setTask)} />
        {found.runs.length > 1 && (
          <Choice label={t("preview.run")} value={found.run} all={found.runs} onChoose={choose(setRun)} />
        )}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p>
          {found.samples.length > 0 &&
            t(found.whole ? "preview.of" : "preview.ofMore", {
              first: format.whole(offset + 1),
              last: format.whole(offset + found.samples.length),
              rows: format.whole(found.rows),
            })}
        </p>
        <div className="flex gap-2">
          <Button
            small
            disabled={offset === 0}
            aria-label={t("preview.before")}
            onClick={() => setFrom(offset > A_PAGE ? String(offset - A_PAGE) : "")}
          >
            <ChevronLeft aria-hidden className="size-4" />
          </Button>
          <Button
            small
            disabled={!more || found.samples.length === 0}
            busy={asked.isFetching}
            aria-label={t("preview.after")}
            onClick={() => setFrom(String(offset + A_PAGE))}
          >
            <ChevronRight aria-hidden className="size-4" />
          </Button>
        </div>
      </div>
      {found.warnings.map((warning) => (
        <p key={warning} className="foreign text-warn">
          {warning}
        </p>
      ))}
      <ol className="space-y-4">
        {found.samples.map((sample) => (
          <SentSample key={sample.id} sample={sample} />
        ))}
      </ol>
    </div>
  );
}

function Choice(props: { label: string; value: string; all: string[]; onChoose: (value: string) => void }) {
  return (
    <Field label={props.label}>
      {(control) => (
        <select {...control} value={props.value} onChange={(event) => props.onChoose(event.target.value)}>
          {props.all.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
