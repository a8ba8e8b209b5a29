import { Plus, X } from "lucide-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Visible } from "@/ui/foreign-text";

/** A list of names, each of which is known to the service or typed. */
export function Names({
  label,
  names,
  known,
  onAdd,
  onRemove,
  errors = [],
}: {
  label: string;
  /** What is shown for each; null: something that has no name. */
  names: (string | null)[];
  known: { name: string; about?: string | null }[];
  onAdd: (name: string) => void;
  onRemove: (index: number) => void;
  errors?: string[];
}) {
  const { t } = useTranslation("start");
  const id = useId();
  const [text, setText] = useState("");
  function add() {
    const name = text.trim();
    if (name) onAdd(name);
    setText("");
  }
  return (
    <div className="space-y-2">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {names.length > 0 && (
        <ul className="flex flex-wrap gap-2">
          {names.map((name, index) => (
            <li
              // biome-ignore lint/suspicious/noArrayIndexKey: a name may be there twice while it is written
              key={index}
              className="flex items-center gap-1 rounded-md border border-line bg-raised py-0.5 pr-0.5 pl-2"
            >
              <span className="foreign font-mono text-xs">
                {name === null ? t("names.own") : <Visible text={name} />}
              </span>
              <button
                type="button"
                className="rounded p-1 text-muted hover:text-bad"
                aria-label={t("names.remove", { name: name ?? t("names.own") })}
                onClick={() => onRemove(index)}
              >
                <X aria-hidden className="size-3.5" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div className="flex max-w-md gap-2">
        <input
          id={id}
          list={`${id}-known`}
          className="w-full min-w-0 rounded-md border border-line bg-ground px-3 py-1.5"
          placeholder={t("names.placeholder")}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              add();
            }
          }}
        />
        <datalist id={`${id}-known`}>
          {known.map((one) => (
            <option key={one.name} value={one.name}>
              {one.about ?? ""}
            </option>
          ))}
        </datalist>
        <Button onClick={add} disabled={text.trim() === ""}>
          <Plus aria-hidden className="size-4" />
          {t("names.add")}
        </Button>
      </div>
      {errors.map((error) => (
        <p key={error} className="foreign text-xs text-bad">
          {error}
        </p>
      ))}
    </div>
  );
}
