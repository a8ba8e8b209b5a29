import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { type LeaderboardRun, overviewQuery } from "./data";
import { Typed } from "./sample-filter-bar";

const MOST = 20;

/** The runs to compare, the baseline first; others may be added, of any job on the same data. */
export function RunPicker({
  jobRuns,
  chosen,
  onChange,
}: {
  jobRuns: LeaderboardRun[];
  chosen: string[];
  onChange: (runs: string[]) => void;
}) {
  const { t } = useTranslation("results");
  const [adding, setAdding] = useState(false);
  const rest = jobRuns.filter((run) => !chosen.includes(run.run_id));
  return (
    <Panel title={t("compare.runs")}>
      <ol className="flex flex-wrap gap-2">
        {chosen.map((runId, place) => (
          <li key={runId} className="flex max-w-full items-center gap-2 rounded-md border border-line px-3 py-1.5">
            <RunName runId={runId} name={jobRuns.find((run) => run.run_id === runId)?.name} />
            {place === 0 ? (
              <span className="text-xs text-muted">{t("compare.baseline")}</span>
            ) : (
              <Button
                small
                kind="quiet"
                onClick={() => onChange([runId, ...chosen.filter((other) => other !== runId)])}
              >
                {t("compare.makeBaseline")}
              </Button>
            )}
            {chosen.length > 1 && (
              <button
                type="button"
                className="rounded p-1 text-muted hover:bg-raised"
                aria-label={t("compare.remove")}
                onClick={() => onChange(chosen.filter((other) => other !== runId))}
              >
                <X aria-hidden className="size-4" />
              </button>
            )}
          </li>
        ))}
        {chosen.length < MOST && (
          <li>
            <Button aria-expanded={adding} onClick={() => setAdding(!adding)}>
              {t("compare.add")}
            </Button>
          </li>
        )}
      </ol>
      {adding && (
        <div className="mt-3 space-y-3 border-t border-line pt-3">
          {rest.length > 0 && (
            <Offered
              title={t("compare.ofJob")}
              runs={rest.map((run) => ({ id: run.run_id, name: run.name, about: "" }))}
              onAdd={(id) => onChange([...chosen, id])}
            />
          )}
          {chosen[0] && <OfOthers runId={chosen[0]} chosen={chosen} onAdd={(id) => onChange([...chosen, id])} />}
        </div>
      )}
    </Panel>
  );
}

function RunName({ runId, name }: { runId: string; name: string | undefined }) {
  const found = useQuery({ ...overviewQuery(runId), enabled: name === undefined });
  const run = found.data?.run;
  return (
    <span className="foreign min-w-0 font-medium">
      {name ?? (run ? run.name : runId)}
      {run && <span className="ml-1 font-mono text-xs text-muted">{run.job_id}</span>}
    </span>
  );
}

function OfOthers({ runId, chosen, onAdd }: { runId: string; chosen: string[]; onAdd: (id: string) => void }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const [text, setText] = useState("");
  const found = useQuery({
    queryKey: ["comparable", runId, text],
    queryFn: () =>
      ok(
        api.GET("/api/v1/runs/{run_id}/comparable", {
          params: { path: { run_id: runId }, query: { text: text || undefined, limit: 50 } },
        }),
      ),
  });
  const runs = found.data?.filter((run) => !chosen.includes(run.run_id)) ?? [];
  return (
    <div className="space-y-2">
      <div className="max-w-sm">
        <Typed label={t("compare.search")} value={text} onChange={setText} search />
      </div>
      {found.error ? (
        <ProblemNote error={found.error} />
      ) : !found.data ? (
        <Waiting />
      ) : runs.length === 0 ? (
        <p className="text-muted">{t("compare.noOthers")}</p>
      ) : (
        <Offered
          title={t("compare.ofOthers")}
          runs={runs.map((run) => ({
            id: run.run_id,
            name: run.name,
            about: `${run.job_name} · ${format.moment(run.created_at)}`,
          }))}
          onAdd={onAdd}
        />
      )}
    </div>
  );
}

function Offered({
  title,
  runs,
  onAdd,
}: {
  title: string;
  runs: { id: string; name: string; about: string }[];
  onAdd: (id: string) => void;
}) {
  return (
    <section>
      <h3 className="mb-1 font-semibold">{title}</h3>
      <ul className="flex max-h-64 flex-wrap gap-2 overflow-auto">
        {runs.map((run) => (
          <li key={run.id} className="max-w-full">
            <Button small onClick={() => onAdd(run.id)} className="max-w-full">
              <span className="foreign text-left">
                + {run.name} {run.about && <span className="font-normal text-muted">{run.about}</span>}
              </span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
