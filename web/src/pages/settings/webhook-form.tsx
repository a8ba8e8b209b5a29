import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Dispatch, type SetStateAction, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, Problem } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { ProblemNote } from "@/ui/problem-note";
import { KIND_GROUPS, type Kind, USUAL, type Webhook } from "./hooks";

interface Values {
  name: string;
  url: string;
  kinds: Kind[];
  job_name: string;
  model: string;
  judges: boolean;
}
const TEXTS = ["name", "url", "job_name", "model"] as const;
type Text_ = (typeof TEXTS)[number];
type Set_ = Dispatch<SetStateAction<Values>>;

const NEW: Values = { name: "", url: "", kinds: USUAL, job_name: "", model: "", judges: false };

/** Makes a webhook, or changes one. */
export function WebhookForm({
  webhook,
  open,
  onClose,
  onMade,
}: {
  webhook?: Webhook;
  open: boolean;
  onClose: () => void;
  /** With the secret, where it is a new one. */
  onMade?: (secret: string) => void;
}) {
  const { t } = useTranslation("settings");
  return (
    <Dialog wide title={t(webhook ? "webhooks.change" : "webhooks.make")} open={open} onClose={onClose}>
      <Form webhook={webhook} onClose={onClose} onMade={onMade} />
    </Dialog>
  );
}

function Form({
  webhook,
  onClose,
  onMade,
}: {
  webhook?: Webhook;
  onClose: () => void;
  onMade?: (secret: string) => void;
}) {
  const { t } = useTranslation(["settings", "common"]);
  const client = useQueryClient();
  const [values, setValues] = useState<Values>(() =>
    webhook
      ? {
          name: webhook.name,
          url: webhook.url,
          kinds: webhook.kinds as Kind[],
          job_name: webhook.job_name ?? "",
          model: webhook.model ?? "",
          judges: webhook.judges,
        }
      : NEW,
  );
  const save = useMutation({
    mutationFn: async () => {
      const body = { ...values, job_name: values.job_name || null, model: values.model || null };
      if (!webhook) return (await ok(api.POST("/api/v1/webhooks", { body: { ...body, enabled: true } }))).secret;
      const path = { webhook_id: webhook.webhook_id };
      await ok(api.PATCH("/api/v1/webhooks/{webhook_id}", { params: { path }, body }));
      return null;
    },
    onSuccess: async (secret) => {
      await client.invalidateQueries({ queryKey: ["webhooks"] });
      if (secret) onMade?.(secret);
      else onClose();
    },
  });
  const errors = mistakesByField(save.error);
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <div className="grid gap-4 sm:grid-cols-[1fr_2fr]">
        <Text
          name="name"
          label={t("webhooks.name")}
          errors={errors.name}
          values={values}
          setValues={setValues}
          required
        />
        <Text
          name="url"
          label={t("webhooks.url")}
          hint={t("webhooks.urlHint")}
          errors={errors.url}
          values={values}
          setValues={setValues}
          required
        />
      </div>
      <Kinds values={values} setValues={setValues} />
      <div className="grid gap-4 sm:grid-cols-2">
        <Text
          name="job_name"
          label={t("webhooks.jobName")}
          hint={t("webhooks.jobNameHint")}
          errors={errors.job_name}
          values={values}
          setValues={setValues}
        />
        <Text
          name="model"
          label={t("webhooks.model")}
          hint={t("webhooks.modelHint")}
          errors={errors.model}
          values={values}
          setValues={setValues}
        />
      </div>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={values.judges}
          onChange={(event) => setValues((before) => ({ ...before, judges: event.target.checked }))}
        />
        {t("webhooks.judges")}
      </label>
      {save.error && Object.keys(errors).length === 0 && <ProblemNote error={save.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{t("common:dialog.cancel")}</Button>
        <Button kind="primary" type="submit" busy={save.isPending} disabled={values.kinds.length === 0}>
          {t(webhook ? "webhooks.save" : "webhooks.make")}
        </Button>
      </div>
    </form>
  );
}

/** What is wrong with which field; empty where something else is wrong, too. */
function mistakesByField(error: unknown): Partial<Record<Text_, string[]>> {
  const found: Partial<Record<Text_, string[]>> = {};
  for (const { field, message } of error instanceof Problem ? error.mistakes : []) {
    const name = TEXTS.find((one) => one === field);
    if (!name) return {};
    found[name] = [...(found[name] ?? []), message];
  }
  return found;
}

function Text({
  name,
  label,
  hint,
  errors,
  values,
  setValues,
  required = false,
}: {
  name: Text_;
  label: string;
  hint?: string;
  errors?: string[];
  values: Values;
  setValues: Set_;
  required?: boolean;
}) {
  return (
    <Field label={label} hint={hint} errors={errors}>
      {(control) => (
        <input
          {...control}
          type={name === "url" ? "url" : "text"}
          required={required}
          maxLength={name === "url" ? 2000 : 100}
          autoComplete="off"
          value={values[name]}
          onChange={(event) => setValues((before) => ({ ...before, [name]: event.target.value }))}
        />
      )}
    </Field>
  );
}

function Kinds({ values, setValues }: { values: Values; setValues: Set_ }) {
  const { t } = useTranslation("settings");
  const toggle = (kind: Kind, on: boolean) =>
    setValues((before) => ({
      ...before,
      kinds: on ? [...before.kinds, kind] : before.kinds.filter((one) => one !== kind),
    }));
  return (
    <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
      {KIND_GROUPS.map(({ group, kinds }) => (
        <fieldset key={group} className="min-w-0">
          <legend className="mb-1 font-medium">{t(`webhooks.group.${group}`)}</legend>
          {kinds.map((kind) => (
            <label key={kind} className="flex items-start gap-2 py-1">
              <input
                type="checkbox"
                className="mt-0.5"
                checked={values.kinds.includes(kind)}
                onChange={(event) => toggle(kind, event.target.checked)}
              />
              <span className="min-w-0">
                <code className="text-xs wrap-anywhere">{kind}</code>
                <span className="block text-xs text-muted">{t(`webhooks.kind.${kind}`)}</span>
              </span>
            </label>
          ))}
        </fieldset>
      ))}
    </div>
  );
}
