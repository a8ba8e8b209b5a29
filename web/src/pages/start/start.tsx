import { lazy, Suspense, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { useBeginnings } from "./beginnings";
import { useCheck } from "./check";
import { at, placeOf, within } from "./document";
import { useDraft } from "./draft";
import { Drop } from "./drop";
import type { Editing } from "./editing";
import { Examples } from "./examples";
import { HandIn } from "./hand-in";
import { Models } from "./models";
import { MoreFields } from "./more-fields";
import { Preview } from "./preview";
import { useJobSchema } from "./schema";
import { SHOWN_OF_JOB } from "./shown";
import { Tasks } from "./tasks";

const YamlEditor = lazy(() => import("./yaml-editor"));

/** Where a job begins: files, a form, or its text; all three are one document. */
export default function Start() {
  const { t } = useTranslation("start");
  const draft = useDraft();
  const begun = useBeginnings(draft);
  const check = useCheck(draft);
  const schema = useJobSchema();
  const [view, setView] = useQueryState("view", "form");
  const { document } = draft;

  const places = useMemo(
    () => check.mistakes.map((mistake) => ({ message: mistake.message, place: placeOf(document.text, mistake) })),
    [check.mistakes, document.text],
  );
  const editing: Editing = {
    draft,
    schema: schema.data,
    change: draft.change,
    errors: (path, exactly = false) =>
      places
        .filter(({ place }) => place.length > 0 && within(place, path) && (!exactly || place.length === path.length))
        .map((one) => one.message),
  };
  const name = at(document.data, ["name"]);

  return (
    <Page
      title={t("title")}
      actions={
        <>
          <Button
            kind={view === "form" ? "primary" : "plain"}
            aria-pressed={view === "form"}
            onClick={() => setView("form")}
          >
            {t("view.form")}
          </Button>
          <Button
            kind={view === "text" ? "primary" : "plain"}
            aria-pressed={view === "text"}
            onClick={() => setView("text")}
          >
            {t("view.text")}
          </Button>
          <Button kind="quiet" disabled={document.text === ""} onClick={() => draft.setText("")}>
            {t("clear")}
          </Button>
        </>
      }
    >
      {begun.error !== null && <ProblemNote error={begun.error} />}
      <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="min-w-0 space-y-5">
          <Panel title={t("drop.title")}>
            <Drop draft={draft} />
            {document.text === "" && <Examples draft={draft} />}
          </Panel>
          {view === "text" && (
            <Panel title={t("text.title")}>
              <Suspense fallback={<Waiting />}>
                <YamlEditor
                  value={document.text}
                  onChange={draft.setText}
                  mistakes={check.mistakes}
                  label={t("text.label")}
                />
              </Suspense>
            </Panel>
          )}
          {view === "form" && document.data === null && (
            <Panel title={t("form.title")}>
              <p>{t("form.broken")}</p>
            </Panel>
          )}
          {view === "form" && document.data !== null && (
            <>
              <Panel title={t("form.title")}>
                <Field
                  label={t("form.name")}
                  hint={t("form.nameHint")}
                  errors={editing.errors(["name"])}
                  className="max-w-md"
                >
                  {(control) => (
                    <input
                      {...control}
                      value={typeof name === "string" ? name : ""}
                      onChange={(event) => draft.change(["name"], event.target.value || undefined)}
                    />
                  )}
                </Field>
              </Panel>
              <Panel title={t("models.title")}>
                <Models editing={editing} />
              </Panel>
              <Panel title={t("tasks.title")}>
                <Tasks editing={editing} />
              </Panel>
              <Panel title={t("more.title")}>
                <JobFields editing={editing} />
              </Panel>
            </>
          )}
          {document.text !== "" && <Preview draft={draft} check={check} />}
        </div>
        <div className="space-y-5 xl:sticky xl:top-20">
          <HandIn draft={draft} check={check} />
          <p className="px-1 text-xs text-muted">
            {t("cli")} <Link to="/registries">{t("registries")}</Link>
          </p>
        </div>
      </div>
    </Page>
  );
}

/** What the schema says of a job as a whole. */
function JobFields({ editing }: { editing: Editing }) {
  const data = editing.draft.document.data ?? {};
  const top = editing.schema;
  // The job itself is the schema's top, where others are definitions.
  const schema = top && { ...top, $defs: { ...top.$defs, Job: { properties: top.properties } } };
  return <MoreFields editing={{ ...editing, schema }} definition="Job" path={[]} data={data} shown={SHOWN_OF_JOB} />;
}
