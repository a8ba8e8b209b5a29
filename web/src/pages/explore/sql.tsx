import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { lazy, Suspense, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useMay } from "@/app/session";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { parameterName, type Question, useAddress, useAnswer, useSuggestions } from "./asking";
import { FreeChart } from "./charts/free-chart";
import { ParameterField } from "./form";
import { Frame } from "./frame";
import { ResultNotes, ResultTable, Running } from "./results";
import { SaveQuery } from "./save";
import { Schema } from "./schema";

const Editor = lazy(() => import("./editor"));

const EXAMPLE = `SELECT model, doc_class, avg(value) AS mean, count(*) AS samples
FROM scores
WHERE metric = 'cer'
GROUP BY model, doc_class
ORDER BY mean`;
const NAMED = /\$([A-Za-z_]\w*)/g;
/** Characters of a query that still go into an address. */
const MOST_LINKED = 8000;

/** Questions in SQL. */
export default function Sql() {
  const { t } = useTranslation("explore");
  const { params, parameters, jobs, rows, set } = useAddress();
  const linked = params.get("sql") ?? "";
  // What was run: in the address, unless it is too long for one.
  const [long, setLong] = useState("");
  const run = long || linked;
  const [typed, setTyped] = useState(linked || EXAMPLE);
  const [values, setValues] = useState<Record<string, string>>(parameters);
  const [named, setNamed] = useState(jobs.join(" "));
  const offered = useSuggestions();
  const write = useRef<(text: string) => void>(() => undefined);
  const tables = useQuery({
    queryKey: ["query", "tables"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => ok(api.GET("/api/v1/query/tables")),
  });
  const wanted = useMemo(() => [...new Set([...typed.matchAll(NAMED)].map((match) => match[1] ?? ""))], [typed]);
  const question = useMemo<Question | null>(
    () => (run ? { sql: run, parameters, jobs, rows } : null),
    [run, parameters, jobs, rows],
  );
  const asked = useAnswer(question);
  const answer = asked.data;
  const mayKeep = useMay("submitter");
  const start = () => {
    const sql = typed.trim();
    if (!sql) return;
    const fits = sql.length <= MOST_LINKED;
    const same =
      sql === run &&
      named.trim() === jobs.join(" ") &&
      wanted.every((name) => (values[name] ?? "") === (parameters[name] ?? ""));
    if (same) void asked.refetch();
    setLong(fits ? "" : sql);
    set({
      sql: fits ? sql : "",
      jobs: named.trim(),
      ...Object.fromEntries(wanted.map((name) => [parameterName(name), values[name] ?? ""])),
    });
  };
  return (
    <Frame title={t("sql.title")}>
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_18rem]">
        <div className="min-w-0 space-y-4">
          <Panel>
            <div className="space-y-3">
              <Suspense fallback={<Waiting />}>
                <Editor
                  value={typed}
                  onChange={setTyped}
                  onRun={start}
                  tables={tables.data ?? []}
                  label={t("sql.editor")}
                  hint={t("sql.placeholder")}
                  insert={(text) => {
                    write.current = text;
                  }}
                />
              </Suspense>
              <p className="text-xs text-muted">{t("sql.keys")}</p>
              <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
                {wanted.map((name) => (
                  <ParameterField
                    key={name}
                    name={name}
                    label={<span className="font-mono">${name}</span>}
                    value={values[name] ?? ""}
                    onChange={(text) => setValues((before) => ({ ...before, [name]: text }))}
                    offered={offered}
                  />
                ))}
                <ParameterField
                  name="jobs"
                  label={t("form.jobs")}
                  hint={t("form.jobsHint")}
                  value={named}
                  onChange={setNamed}
                  offered={offered}
                />
              </div>
              <div className="flex flex-wrap items-center gap-2">
                <Button kind="primary" onClick={start} disabled={asked.isFetching || typed.trim() === ""}>
                  <Play aria-hidden className="size-4" />
                  {t("sql.run")}
                </Button>
                {mayKeep && <SaveQuery sql={typed} />}
                {long && <p className="text-xs text-muted">{t("sql.long")}</p>}
              </div>
            </div>
          </Panel>
          {asked.isFetching && <Running onCancel={asked.cancel} />}
          {asked.error && !asked.isFetching && <ProblemNote error={asked.error} />}
          {answer && answer.rows.length > 0 && <FreeChart answer={answer} />}
          {answer && question && (
            <Panel title={t("result.title")} flush>
              <ResultNotes answer={answer} question={question} name="query" />
              <ResultTable answer={answer} label={t("result.title")} raw />
            </Panel>
          )}
        </div>
        <Schema tables={tables.data ?? []} onPick={(name) => write.current(name)} />
      </div>
    </Frame>
  );
}
