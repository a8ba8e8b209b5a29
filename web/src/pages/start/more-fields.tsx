import { useState } from "react";
import { useTranslation } from "react-i18next";
import { parse, stringify } from "yaml";
import { Field } from "@/ui/field";
import type { Path } from "./document";
import type { Editing } from "./editing";
import { choicesOf, type Definition, fieldsOf, kindOf, type Schema } from "./schema";

/** Every other field that the job file's schema knows at a place: those that are set, and one to choose another by. */
export function MoreFields({
  editing,
  definition,
  path,
  data,
  shown,
}: {
  editing: Editing;
  /** Of the schema: `ModelEntry`. */
  definition: Definition;
  path: Path;
  data: Record<string, unknown>;
  /** Fields that have a place of their own in the form. */
  shown: string[];
}) {
  const { t } = useTranslation("start");
  const words = (name: string) => t(`more.words.${definition}.${name}`, name);
  const fields = fieldsOf(editing.schema, definition).filter(([name]) => !shown.includes(name));
  const [added, setAdded] = useState<string[]>([]);
  const present = fields.filter(([name]) => name in data || added.includes(name));
  const others = fields.filter(([name]) => !(name in data) && !added.includes(name));
  return (
    <div className="space-y-3">
      {present.map(([name, field]) => (
        <SchemaField
          key={name}
          editing={editing}
          name={name}
          words={words(name)}
          field={field}
          path={[...path, name]}
          value={data[name]}
        />
      ))}
      {others.length > 0 && (
        <Field label={t("more.label")} className="max-w-md">
          {(control) => (
            <select {...control} value="" onChange={(event) => setAdded([...added, event.target.value])}>
              <option value="">{t("more.choose")}</option>
              {others.map(([name]) => (
                <option key={name} value={name}>
                  {words(name)} ({name})
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
    </div>
  );
}

function SchemaField({
  editing,
  name,
  words,
  field,
  path,
  value,
}: {
  editing: Editing;
  name: string;
  words: string;
  field: Schema;
  path: Path;
  value: unknown;
}) {
  const { t } = useTranslation("start");
  const set = (next: unknown) => editing.change(path, next);
  const kind = kindOf(field);
  return (
    <Field
      label={
        <>
          {words} <code className="text-xs font-normal text-muted">{name}</code>
        </>
      }
      hint={field.description}
      errors={editing.errors(path)}
    >
      {(control) => {
        switch (kind) {
          case "boolean":
            return (
              <select
                {...control}
                value={value === undefined ? "" : String(value)}
                onChange={(event) => set(event.target.value === "" ? undefined : event.target.value === "true")}
              >
                <option value="">{t("more.unset")}</option>
                <option value="true">{t("more.yes")}</option>
                <option value="false">{t("more.no")}</option>
              </select>
            );
          case "choice":
            return (
              <select
                {...control}
                value={value === undefined ? "" : String(value)}
                onChange={(event) => set(event.target.value || undefined)}
              >
                <option value="">{t("more.unset")}</option>
                {choicesOf(field).map((choice) => (
                  <option key={choice}>{choice}</option>
                ))}
              </select>
            );
          case "integer":
          case "number":
            return (
              <input
                {...control}
                type="number"
                step={kind === "integer" ? 1 : "any"}
                value={typeof value === "number" ? value : ""}
                onChange={(event) => set(event.target.value === "" ? undefined : event.target.valueAsNumber)}
              />
            );
          case "text":
            return (
              <input
                {...control}
                value={typeof value === "string" ? value : ""}
                onChange={(event) => set(event.target.value || undefined)}
              />
            );
          default:
            return <YamlValue control={control} value={value} set={set} />;
        }
      }}
    </Field>
  );
}

/** A list or a mapping, written as YAML; taken over when it is left and can be read. */
function YamlValue({
  control,
  value,
  set,
}: {
  control: { id: string; className: string };
  value: unknown;
  set: (value: unknown) => void;
}) {
  const [text, setText] = useState(() => (value === undefined ? "" : stringify(value).trim()));
  function leave() {
    try {
      set(text.trim() === "" ? undefined : parse(text, { maxAliasCount: 100 }));
    } catch {
      // It stays as it was until it can be read; the text is still there to be mended.
    }
  }
  return (
    <textarea
      {...control}
      className={`${control.className} font-mono text-xs`}
      rows={Math.min(8, text.split("\n").length + 1)}
      spellCheck={false}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={leave}
    />
  );
}
