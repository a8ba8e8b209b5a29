import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { ForeignText } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import type { Run } from "./job";

const LOOK_MS = 15_000;

/** Why samples of a run failed: a sample of the reasons. */
export function Failures({ run }: { run: Run }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const found = useQuery({
    queryKey: ["failures", run.run_id, run.round],
    enabled: run.counts.failed > 0,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/runs/{run_id}/failures", { signal, params: { path: { run_id: run.run_id } } })),
    refetchInterval: run.status === "running" ? LOOK_MS : false,
  });
  return (
    <Panel title={<span className="foreign">{t("failures.title", { run: run.name })}</span>}>
      <div className="space-y-3">
        {run.reason && <p className="foreign text-bad">{run.reason}</p>}
        {run.counts.failed > 0 && !found.data && !found.error && <Waiting />}
        {found.error && <ProblemNote error={found.error} />}
        {found.data && found.data.looked_at > 0 && (
          <>
            <p className="text-muted">
              {t("failures.looked", {
                looked: format.whole(found.data.looked_at),
                failed: format.whole(found.data.failed),
              })}
            </p>
            <ul className="divide-y divide-line">
              {found.data.reasons.map((reason) => (
                <li key={reason.reason} className="flex gap-3 py-2">
                  <span className="w-16 shrink-0 text-right font-medium text-bad tabular-nums">
                    {format.whole(reason.samples)}
                  </span>
                  <div className="min-w-0">
                    <ForeignText text={reason.reason || t("failures.silent")} first={300} />
                    <p className="text-xs text-muted">{t("failures.example", { id: reason.example })}</p>
                  </div>
                </li>
              ))}
            </ul>
          </>
        )}
        {found.data && found.data.looked_at === 0 && !run.reason && (
          <p className="text-muted">{t("failures.none", { count: run.counts.failed })}</p>
        )}
      </div>
    </Panel>
  );
}
