import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { Button } from "@/ui/button";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useChangeQuery } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import { leaderboardQuery, overviewQuery } from "./data";
import { Sample } from "./sample";
import { SampleFilters } from "./sample-filter-bar";
import { useFilters } from "./sample-filters";
import { SampleList } from "./sample-list";

/** Every sample of a run: searched, filtered, sorted, and looked at one by one. */
export default function Samples({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const [params] = useSearchParams();
  const set = useChangeQuery();
  const filters = useFilters();
  const board = useQuery(leaderboardQuery(jobId));
  const runs = board.data?.comparisons.flatMap((each) => each.runs) ?? [];
  const runId = params.get("run") ?? runs[0]?.run_id ?? "";
  const overview = useQuery(overviewQuery(runId));
  if (board.error) return <ProblemNote error={board.error} again={() => void board.refetch()} />;
  if (!board.data) return <Waiting />;
  if (!runId) return <Empty title={t("leaderboard.none")} />;
  const row = params.get("row");
  const at = Number(params.get("at") ?? -1);
  return (
    <div className="space-y-4">
      <Choice
        className="max-w-md"
        label={t("run")}
        value={runId}
        options={[
          ...runs.map((run) => ({ value: run.run_id, text: run.name })),
          ...(runs.some((run) => run.run_id === runId) ? [] : [{ value: runId, text: runId }]),
        ]}
        onChange={(run) => set({ run, row: "", at: "", metric: "", sort: "", status: "", below: "", above: "" })}
      />
      {overview.error ? (
        <ProblemNote error={overview.error} again={() => void overview.refetch()} />
      ) : overview.data ? (
        <>
          <SampleFilters
            overview={overview.data}
            others={runs.filter((run) => run.run_id !== runId)}
            filters={filters}
            onChange={(changes) => set({ ...changes, at: "", row: "" })}
          />
          <div className="grid gap-4 items-start lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
            <div className="min-w-0 lg:sticky lg:top-16">
              <Panel flush>
                <SampleList
                  runId={runId}
                  filters={filters}
                  at={at}
                  onOpen={(place, opened) => set({ row: String(opened.row), at: String(place) })}
                />
              </Panel>
            </div>
            <div className="min-w-0">
              {row === null ? (
                <Panel>
                  <Empty title={t("list.choose")} />
                </Panel>
              ) : (
                <div className="space-y-2">
                  <Button small kind="quiet" className="lg:hidden" onClick={() => set({ row: "", at: "" })}>
                    {t("list.close")}
                  </Button>
                  <Sample runId={runId} row={Number(row)} />
                </div>
              )}
            </div>
          </div>
        </>
      ) : (
        <Waiting label={t("list.preparing")} />
      )}
    </div>
  );
}
