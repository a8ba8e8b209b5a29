import { Play } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { parameterName, useAddress, useSuggestions } from "./asking";

/** What a form asks for. */
export interface Asked {
  name: string;
  label: string;
  hint?: string;
  placeholder?: string;
}

/** Parameters of a query and the jobs it is about; they go to the address when they are sent. */
export function ParameterForm({
  parameters,
  busy,
  onAgain,
}: {
  parameters: Asked[];
  busy: boolean;
  /** Sent without a change. */
  onAgain: () => void;
}) {
  const { t } = useTranslation("explore");
  const { params, set } = useAddress();
  const suggestions = useSuggestions();
  // What is typed and not sent yet; what the address says otherwise.
  const [typed, setTyped] = useState<Record<string, string>>({});
  const value = (name: string) => typed[name] ?? params.get(name) ?? "";
  const fields: Asked[] = [
    ...parameters.map((each) => ({ ...each, name: parameterName(each.name) })),
    { name: "jobs", label: t("form.jobs"), hint: t("form.jobsHint") },
  ];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fields.every(({ name }) => value(name).trim() === (params.get(name) ?? ""))) onAgain();
    set(Object.fromEntries(fields.map(({ name }) => [name, value(name).trim()])));
    setTyped({});
  };
  return (
    <form onSubmit={submit} className="space-y-3">
      <div className="grid grid-cols-2 items-end gap-3 lg:grid-cols-4">
        {fields.map((field) => (
          <Suggesting
            key={field.name}
            field={field}
            value={value(field.name)}
            onChange={(text) => setTyped((before) => ({ ...before, [field.name]: text }))}
            suggestions={suggestions[field.name === "jobs" ? "baseline" : field.name.slice(2)] ?? []}
          />
        ))}
      </div>
      <Button type="submit" kind="primary" disabled={busy}>
        <Play aria-hidden className="size-4" />
        {t("form.show")}
      </Button>
    </form>
  );
}

function Suggesting({
  field,
  value,
  onChange,
  suggestions,
}: {
  field: Asked;
  value: string;
  onChange: (text: string) => void;
  suggestions: string[];
}) {
  const list = useId();
  return (
    <Field label={field.label} hint={field.hint}>
      {(control) => (
        <>
          <input
            {...control}
            list={suggestions.length > 0 ? list : undefined}
            value={value}
            placeholder={field.placeholder}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => onChange(event.target.value)}
          />
          {suggestions.length > 0 && (
            <datalist id={list}>
              {suggestions.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}
