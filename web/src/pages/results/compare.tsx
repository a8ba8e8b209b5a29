import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { leaderboardQuery } from "./data";
import { Differences } from "./differences";
import { Pairs } from "./pairs";
import { RunPicker } from "./run-picker";

/** Any runs on the same data, of this job or of others: who is better, how certain that is, and on which samples. */
export default function Compare({ jobId }: { jobId: string }) {
  const { t } = useTranslation("results");
  const [given, setGiven] = useQueryState("runs");
  const [by, setBy] = useQueryState("by");
  const board = useQuery(leaderboardQuery(jobId));
  const own = board.data?.comparisons.find((each) => each.metrics.length > 0)?.runs ?? [];
  const scored = own.filter((run) => run.metrics.some((cell) => cell.value != null)).map((run) => run.run_id);
  const runs = given ? given.split(",").filter(Boolean) : scored.slice(0, 2);
  const found = useQuery({
    queryKey: ["comparison", runs, [], by],
    enabled: runs.length > 1,
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/comparisons", { params: { query: { run: runs, by: by || undefined } }, signal })),
  });
  if (board.error) return <ProblemNote error={board.error} again={() => void board.refetch()} />;
  if (!board.data) return <Waiting />;
  return (
    <div className="space-y-5">
      <RunPicker
        jobRuns={board.data.comparisons.flatMap((each) => each.runs)}
        chosen={runs}
        onChange={(next) => setGiven(next.join(","))}
      />
      {runs.length < 2 ? (
        <Empty title={t("compare.two")} />
      ) : found.error ? (
        <ProblemNote error={found.error} again={() => void found.refetch()} />
      ) : found.data ? (
        <>
          <Differences result={found.data} by={by} onBy={setBy} />
          <Pairs key={runs.join()} runs={runs} result={found.data} />
        </>
      ) : (
        <Panel>
          <Waiting label={t("compare.computing")} />
        </Panel>
      )}
    </div>
  );
}
