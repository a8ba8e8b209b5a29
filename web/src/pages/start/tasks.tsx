import { Plus, Trash2 } from "lucide-react";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { at } from "./document";
import { useContents } from "./drop";
import type { Editing } from "./editing";
import { MoreFields } from "./more-fields";
import { Names } from "./names";
import { useKnown } from "./registries";
import { SHOWN_OF_TASK } from "./shown";

/** What models are asked: data, a prompt, and how answers are scored. */
export function Tasks({ editing }: { editing: Editing }) {
  const { t } = useTranslation("start");
  const known = useKnown("tasks");
  const listed = at(editing.draft.document.data, ["tasks"]);
  const tasks: unknown[] = Array.isArray(listed) ? listed : [];
  const add = (task: unknown) => editing.change(["tasks"], [...tasks, task]);
  const remove = (index: number) => editing.change(["tasks"], tasks.toSpliced(index, 1));
  const named = tasks.flatMap((task, index) => (typeof task === "string" ? [{ task, index }] : []));
  return (
    <div className="space-y-4">
      {(known.length > 0 || named.length > 0) && (
        <Names
          label={t("tasks.registry")}
          names={named.map((one) => one.task)}
          known={known}
          onAdd={add}
          onRemove={(place) => remove(named[place]?.index ?? -1)}
          errors={[...editing.errors(["tasks"], true), ...named.flatMap((one) => editing.errors(["tasks", one.index]))]}
        />
      )}
      {tasks.map((task, index) =>
        typeof task === "object" && task !== null ? (
          <OwnTask
            // biome-ignore lint/suspicious/noArrayIndexKey: a task has no name that stays while it is written
            key={index}
            editing={editing}
            task={task as Record<string, unknown>}
            index={index}
            onRemove={() => remove(index)}
          />
        ) : null,
      )}
      <Button
        onClick={() =>
          add({
            name: `task${tasks.length + 1}`,
            dataset: "",
            prompt: "Read all the text in the image.",
            metrics: ["cer"],
          })
        }
      >
        <Plus aria-hidden className="size-4" />
        {t("tasks.own")}
      </Button>
    </div>
  );
}

function OwnTask({
  editing,
  task,
  index,
  onRemove,
}: {
  editing: Editing;
  task: Record<string, unknown>;
  index: number;
  onRemove: () => void;
}) {
  const { t } = useTranslation("start");
  const id = useId();
  const metrics = useKnown("metrics");
  const stored = useKnown("datasets");
  const contents = useContents(editing.draft.upload).data;
  const sources = [...(contents?.datasets.map((one) => one.source) ?? []), ...stored.map((one) => one.name)];
  const listed: unknown[] = Array.isArray(task.metrics) ? task.metrics : [];
  const path = (name: string) => ["tasks", index, name];
  const text = (name: string) => (typeof task[name] === "string" ? (task[name] as string) : "");
  const setMetrics = (names: unknown[]) => editing.change(path("metrics"), names);
  return (
    <fieldset className="space-y-3 rounded-md border border-line p-4">
      <legend className="px-1 font-mono text-xs">{text("name") || t("tasks.one")}</legend>
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label={t("tasks.name")} errors={editing.errors(path("name"))}>
          {(control) => (
            <input
              {...control}
              value={text("name")}
              onChange={(event) => editing.change(path("name"), event.target.value)}
            />
          )}
        </Field>
        {(typeof task.dataset === "string" || task.dataset == null) && (
          <Field label={t("tasks.dataset")} hint={t("tasks.datasetHint")} errors={editing.errors(path("dataset"))}>
            {(control) => (
              <>
                <input
                  {...control}
                  list={`${id}-sources`}
                  value={text("dataset")}
                  onChange={(event) => editing.change(path("dataset"), event.target.value || undefined)}
                />
                <datalist id={`${id}-sources`}>
                  {sources.map((source) => (
                    <option key={source} value={source} />
                  ))}
                </datalist>
              </>
            )}
          </Field>
        )}
      </div>
      <Field
        label={t("tasks.prompt")}
        hint={t("tasks.promptHint", { column: "{{ question }}" })}
        errors={editing.errors(path("prompt"))}
      >
        {(control) => (
          <textarea
            {...control}
            rows={Math.min(10, text("prompt").split("\n").length + 1)}
            value={text("prompt")}
            onChange={(event) => editing.change(path("prompt"), event.target.value || undefined)}
          />
        )}
      </Field>
      <Names
        label={t("tasks.metrics")}
        names={listed.map((one) => (typeof one === "string" ? one : nameOf(one)))}
        known={metrics}
        onAdd={(name) => setMetrics([...listed, name])}
        onRemove={(place) => setMetrics(listed.toSpliced(place, 1))}
        errors={editing.errors(path("metrics"))}
      />
      <Field
        label={t("tasks.limit")}
        hint={t("tasks.limitHint")}
        className="max-w-xs"
        errors={editing.errors(path("limit"))}
      >
        {(control) => (
          <input
            {...control}
            type="number"
            min={1}
            value={typeof task.limit === "number" ? task.limit : ""}
            onChange={(event) =>
              editing.change(path("limit"), event.target.value === "" ? undefined : event.target.valueAsNumber)
            }
          />
        )}
      </Field>
      <MoreFields
        editing={editing}
        definition="TaskEntry"
        path={["tasks", index]}
        data={task}
        shown={
          typeof task.dataset === "object" && task.dataset !== null
            ? SHOWN_OF_TASK.filter((one) => one !== "dataset")
            : SHOWN_OF_TASK
        }
      />
      <Button small kind="danger" onClick={onRemove}>
        <Trash2 aria-hidden className="size-3.5" />
        {t("tasks.remove")}
      </Button>
    </fieldset>
  );
}

function nameOf(metric: unknown): string | null {
  const name = (metric as { name?: unknown } | null)?.name;
  return typeof name === "string" ? name : null;
}
