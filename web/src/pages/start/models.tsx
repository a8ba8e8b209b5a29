import { Plus, Trash2 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { at } from "./document";
import type { Editing } from "./editing";
import { MoreFields } from "./more-fields";
import { Names } from "./names";
import { useKnown } from "./registries";
import { SHOWN_OF_MODEL } from "./shown";

const BACKENDS = ["openai", "vllm", "sglang", "transformers", "image", "ocr"];

/** Which models are asked: names of the registry, and entries of one's own. */
export function Models({ editing }: { editing: Editing }) {
  const { t } = useTranslation("start");
  const known = useKnown("models");
  const listed = at(editing.draft.document.data, ["models"]);
  const models: unknown[] = Array.isArray(listed) ? listed : [];
  const add = (model: unknown) => editing.change(["models"], [...models, model]);
  const remove = (index: number) => editing.change(["models"], models.toSpliced(index, 1));
  const named = models.flatMap((model, index) => (typeof model === "string" ? [{ model, index }] : []));
  const own = models.flatMap((model, index) =>
    typeof model === "object" && model !== null ? [{ model: model as Record<string, unknown>, index }] : [],
  );
  return (
    <div className="space-y-4">
      <Names
        label={t("models.registry")}
        names={named.map((one) => one.model)}
        known={known}
        onAdd={add}
        onRemove={(place) => remove(named[place]?.index ?? -1)}
        errors={[...editing.errors(["models"], true), ...named.flatMap((one) => editing.errors(["models", one.index]))]}
      />
      {own.map(({ model, index }) => (
        <OwnModel key={index} editing={editing} model={model} index={index} onRemove={() => remove(index)} />
      ))}
      <Button
        onClick={() =>
          add({
            name: `my-model${models.length || ""}`,
            backend: "openai",
            model: "",
            base_url: "http://127.0.0.1:8000/v1",
          })
        }
      >
        <Plus aria-hidden className="size-4" />
        {t("models.own")}
      </Button>
      {models.length === 0 && <p className="text-xs text-muted">{t("models.none")}</p>}
    </div>
  );
}

function OwnModel({
  editing,
  model,
  index,
  onRemove,
}: {
  editing: Editing;
  model: Record<string, unknown>;
  index: number;
  onRemove: () => void;
}) {
  const { t } = useTranslation("start");
  const text = (name: string) => (typeof model[name] === "string" ? (model[name] as string) : "");
  const set = (name: string, value: string) => editing.change(["models", index, name], value || undefined);
  const input = (name: string, label: string, hint?: string) => (
    <Field label={label} hint={hint} errors={editing.errors(["models", index, name])}>
      {(control) => <input {...control} value={text(name)} onChange={(event) => set(name, event.target.value)} />}
    </Field>
  );
  const known = useKnown("models").find((one) => one.name === text("name"));
  // Where an engine of ours runs there is no address to give; one that is given all the same can be taken out.
  const backend = text("backend") || (known?.backend ?? "openai");
  const takes = (name: string) => backend === "openai" || text(name) !== "";
  return (
    <fieldset className="space-y-3 rounded-md border border-line p-4">
      <legend className="px-1 font-mono text-xs">{text("name") || t("models.one")}</legend>
      <div className="grid gap-3 sm:grid-cols-2">
        {input("name", t("models.name"))}
        <Field label={t("models.backend")} errors={editing.errors(["models", index, "backend"])}>
          {(control) => (
            <select {...control} value={text("backend")} onChange={(event) => set("backend", event.target.value)}>
              {[...new Set(["", ...BACKENDS, text("backend")])].map((name) => (
                <option key={name} value={name}>
                  {name || t("models.ofRegistry")}
                </option>
              ))}
            </select>
          )}
        </Field>
        {input("model", t("models.model"), t("models.modelHint"))}
        {takes("base_url") && input("base_url", t("models.address"), t("models.addressHint"))}
        {takes("api_key_env") && input("api_key_env", t("models.key"), t("models.keyHint"))}
      </div>
      <MoreFields
        editing={editing}
        definition="ModelEntry"
        path={["models", index]}
        data={model}
        shown={SHOWN_OF_MODEL}
      />
      <Button small kind="danger" onClick={onRemove}>
        <Trash2 aria-hidden className="size-3.5" />
        {t("models.remove")}
      </Button>
    </fieldset>
  );
}
