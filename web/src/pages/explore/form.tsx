import { Play } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Combobox, type Option } from "@/ui/combobox";
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
  const offered = useSuggestions();
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
      <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-4">
        {fields.map((field) => (
          <ParameterField
            key={field.name}
            name={field.name === "jobs" ? "jobs" : field.name.slice(2)}
            label={field.label}
            hint={field.hint}
            placeholder={field.placeholder}
            value={value(field.name)}
            onChange={(text) => setTyped((before) => ({ ...before, [field.name]: text }))}
            offered={offered}
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

/** Names of parameters that are amounts. */
const NUMBER = /^(top|.*_price)$/;

/** One parameter: what exists is offered; only what nobody can know beforehand is typed. */
export function ParameterField({
  name,
  label,
  hint,
  placeholder,
  value,
  onChange,
  offered,
}: {
  name: string;
  label: ReactNode;
  hint?: string;
  placeholder?: string;
  value: string;
  onChange: (text: string) => void;
  offered: Record<string, Option[]>;
}) {
  const { t } = useTranslation();
  const options = offered[name];
  return (
    <Field label={label} hint={hint}>
      {(control) =>
        options ? (
          <Combobox
            control={control}
            value={value}
            onChange={onChange}
            options={options}
            placeholder={placeholder ?? t("combobox.any")}
            // An id may be of something that is not listed; a level is one of three.
            free={name !== "level"}
            several={name === "jobs"}
          />
        ) : (
          <input
            {...control}
            inputMode={NUMBER.test(name) ? "decimal" : undefined}
            value={value}
            placeholder={placeholder}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => onChange(event.target.value)}
          />
        )
      }
    </Field>
  );
}
