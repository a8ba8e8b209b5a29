import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Save } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api, ok } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field } from "@/ui/field";
import { ProblemNote } from "@/ui/problem-note";

const NAME = /^[a-z0-9][a-z0-9_-]{0,79}$/;

/** Keeps a query under a name, for everybody. */
export function SaveQuery({ sql }: { sql: string }) {
  const { t } = useTranslation("explore");
  const client = useQueryClient();
  const go = useNavigate();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const save = useMutation({
    mutationFn: () => ok(api.PUT("/api/v1/queries/{name}", { params: { path: { name } }, body: { sql, description } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["queries"] });
      void go(`/explore/view/${name}`);
    },
  });
  const fits = NAME.test(name);
  return (
    <>
      <Button onClick={() => setOpen(true)} disabled={sql.trim() === ""}>
        <Save aria-hidden className="size-4" />
        {t("save.open")}
      </Button>
      <Dialog
        title={t("save.title")}
        open={open}
        onClose={() => setOpen(false)}
        actions={
          <>
            <Button onClick={() => setOpen(false)}>{t("common:dialog.cancel")}</Button>
            <Button kind="primary" busy={save.isPending} disabled={!fits} onClick={() => save.mutate()}>
              {t("save.do")}
            </Button>
          </>
        }
      >
        <div className="space-y-4">
          <Field label={t("save.name")} hint={t("save.nameHint")} errors={name && !fits ? [t("save.nameWrong")] : []}>
            {(control) => (
              <input {...control} value={name} spellCheck={false} onChange={(event) => setName(event.target.value)} />
            )}
          </Field>
          <Field label={t("save.description")}>
            {(control) => (
              <textarea
                {...control}
                rows={3}
                maxLength={2000}
                value={description}
                onChange={(event) => setDescription(event.target.value)}
              />
            )}
          </Field>
          <p className="text-xs text-muted">{t("save.hint")}</p>
          {save.error && <ProblemNote error={save.error} />}
        </div>
      </Dialog>
    </>
  );
}
