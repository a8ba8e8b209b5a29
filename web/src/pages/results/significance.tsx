import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { cellOf, type Leaderboard } from "./data";
import { type Judged, useSentence } from "./sentence";

const SHOWN = 0.05;
/** The service compares so many at once. */
const MOST = 20;

/** Whether the best run is better than the others by more than chance: as the report says it, or tested on demand. */
export function Significance({ board, metric, tests }: { board: Leaderboard; metric: string; tests: number }) {
  const { t } = useTranslation("results");
  const told = board.differences.filter((each) => each.metric === metric && each.candidate !== null);
  if (board.runs.length < 2) return null;
  return (
    <section className="space-y-2">
      <h3 className="font-semibold">{t("significance.title", { metric })}</h3>
      {told.length > 0 ? (
        <ul className="space-y-1">
          {told.map((each) => (
            <Verdict key={each.candidate} shown={(each.p_holm ?? 1) < SHOWN} judged={each.judged} />
          ))}
          <AboutP where="report" tests={tests} judged={told.map((each) => each.judged)} />
        </ul>
      ) : (
        <Tested board={board} metric={metric} />
      )}
    </section>
  );
}

function Tested({ board, metric }: { board: Leaderboard; metric: string }) {
  const { t } = useTranslation("results");
  const [wanted, setWanted] = useState(false);
  const higher = board.metrics.find((each) => each.metric === metric)?.higher_is_better !== false;
  const ranked = board.runs
    .filter((run) => cellOf(run, metric)?.value != null)
    .sort((a, b) => ((cellOf(b, metric)?.value ?? 0) - (cellOf(a, metric)?.value ?? 0)) * (higher ? 1 : -1))
    .slice(0, MOST);
  const ids = ranked.map((run) => run.run_id);
  const found = useQuery({
    queryKey: ["comparison", ids, [metric], ""],
    enabled: wanted && ids.length > 1,
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/comparisons", { params: { query: { run: ids, metric: [metric] } }, signal })),
  });
  if (ids.length < 2) return <p className="text-muted">{t("significance.alone")}</p>;
  if (!wanted) return <Button onClick={() => setWanted(true)}>{t("significance.test")}</Button>;
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting label={t("significance.testing")} />;
  const match = found.data.matches[0];
  return (
    <ul className="space-y-1">
      {match?.comparisons.map((one, place) => (
        <Verdict
          key={one.candidate}
          shown={found.data.shown[0]?.[place]?.[0] ?? false}
          judged={found.data.judged[0]?.[place]?.[0]}
        />
      ))}
      <AboutP where="tested" tests={found.data.tests} judged={found.data.judged.flat(2)} />
      {found.data.left_out.map((note) => (
        <li key={note} className="foreign text-muted">
          {note}
        </li>
      ))}
    </ul>
  );
}

/** A sentence about two runs, and whether it is more than chance. */
export function Verdict({ shown, judged }: { shown: boolean; judged: Judged | null | undefined }) {
  const { t } = useTranslation("results");
  const sentence = useSentence();
  if (!judged) return null;
  return (
    <li className="flex flex-wrap items-baseline gap-x-2">
      <Badge tone={shown ? "good" : "muted"}>{shown ? t("significance.shown") : t("significance.notShown")}</Badge>
      <span className="foreign min-w-0 flex-1 basis-64">{sentence(judged)}</span>
    </li>
  );
}

/** What p is: the tests, and which comparisons it is corrected for; last in a list of verdicts. */
export function AboutP({
  where,
  tests,
  judged,
}: {
  /** The comparisons of the job's report, those that were asked for beside the leaderboard, or those under Compare. */
  where: "report" | "tested" | "compare";
  tests: number;
  judged: (Judged | null | undefined)[];
}) {
  const { t, i18n } = useTranslation("results");
  const format = useFormat();
  const kinds = [...new Set(judged.flatMap((each) => each?.test ?? []))].map((kind) => t(`p.test.${kind}`));
  if (tests === 0 || kinds.length === 0) return null;
  return (
    <li className="max-w-prose pt-1 text-xs text-muted">
      {t("p.what", { tests: new Intl.ListFormat(i18n.language).format(kinds) })} {t(`p.${where}`, { count: tests })}{" "}
      {t("p.shown", { limit: format.short(SHOWN) })}
    </li>
  );
}
