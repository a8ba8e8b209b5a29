import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { ForeignText } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";

type OfJob = components["schemas"]["Provenance"];
type OfRun = components["schemas"]["RunProvenance"];

/** Where the numbers come from: versions, settings, data by their digest, and what really answered. */
export default function ProvenanceView({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const [chosen, choose] = useQueryState("run");
  const found = useQuery({
    queryKey: ["provenance", jobId],
    queryFn: async () =>
      (await ok(api.GET("/api/v1/jobs/{job_id}/provenance", { params: { path: { job_id: jobId } } }))) as OfJob,
  });
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  const run = found.data.runs.includes(chosen) ? chosen : (found.data.runs[0] ?? "");
  return (
    <div className="space-y-5">
      <Panel title={t("provenance.job")}>
        <Facts
          facts={[
            [t("provenance.planned"), format.moment(found.data.created_at)],
            ...Object.entries(found.data.software),
          ]}
        />
      </Panel>
      <Choice
        className="max-w-md"
        label={t("run")}
        value={run}
        options={found.data.runs.map((name) => ({ value: name, text: name }))}
        onChange={choose}
      />
      {run && <OfOneRun key={run} jobId={jobId} run={run} />}
    </div>
  );
}

function OfOneRun({ jobId, run }: { jobId: string; run: string }) {
  const { t } = useTranslation("results");
  const found = useQuery({
    queryKey: ["provenance", jobId, run],
    queryFn: async () =>
      (await ok(
        api.GET("/api/v1/jobs/{job_id}/provenance", { params: { path: { job_id: jobId }, query: { run } } }),
      )) as OfRun,
  });
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  const { packages, ...environment } = found.data.environment ?? {};
  const parts: [string, unknown][] = [
    ["environment", environment],
    ["packages", packages],
    ["model", found.data.model],
    ["task", found.data.task],
    ["dataset", found.data.dataset],
    ["metricEnvironments", found.data.metric_environments],
    ["judges", found.data.judges],
  ];
  return (
    <div className="grid gap-5 xl:grid-cols-2">
      {parts.map(([name, value]) => {
        const facts = flat(value);
        if (facts.length === 0) return null;
        return (
          <Panel key={name} title={t(`provenance.${name}`)}>
            <section
              aria-label={t(`provenance.${name}`)}
              // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
              tabIndex={0}
              className="max-h-[50dvh] overflow-auto"
            >
              <Facts facts={facts} />
            </section>
          </Panel>
        );
      })}
      {!found.data.environment && <p className="text-muted">{t("provenance.noEnvironment")}</p>}
    </div>
  );
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl className="space-y-1">
      {facts.map(([name, value]) => (
        <div key={name} className="grid gap-x-4 sm:grid-cols-[minmax(8rem,1fr)_minmax(0,2fr)]">
          <dt className="foreign text-muted">{name}</dt>
          <dd className="min-w-0">
            <ForeignText text={value} first={600} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

const MOST = 600;

/** Nested facts with dotted names. */
function flat(value: unknown, prefix = ""): [string, string][] {
  if (value === null || value === undefined || value === "") return [];
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) {
    return value.length > 0 ? [[prefix, value.map(String).join(", ")]] : [];
  }
  if (typeof value === "object") {
    return Object.entries(value)
      .flatMap(([key, each]) => flat(each, prefix ? `${prefix}.${key}` : key))
      .slice(0, MOST);
  }
  return [[prefix, String(value)]];
}
