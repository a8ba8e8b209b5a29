import { Check, CircleDashed, LoaderCircle, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { classes } from "@/ui/classes";
import { OutcomeBar } from "@/ui/outcomes";
import { isOver, type Job, type Run } from "./job";
import { type RunProgress, total } from "./progress";

const ORDER = ["inference", "evaluation", "reporting", "done"] as const;
type Step = "planned" | "inference" | "evaluation" | "reporting";

/** The stages as steps, and how far all samples are. */
export function Stages({
  job,
  runs,
  progress,
}: {
  job: Job;
  runs: readonly Run[];
  progress: ReadonlyMap<string, RunProgress>;
}) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const past = (stage: (typeof ORDER)[number]) =>
    runs.filter((run) => ORDER.indexOf(run.stage as (typeof ORDER)[number]) > ORDER.indexOf(stage)).length;
  const steps: { name: Step; done: number }[] = [
    { name: "planned", done: job.status === "waiting" ? 0 : runs.length },
    { name: "inference", done: past("inference") },
    { name: "evaluation", done: past("evaluation") },
    { name: "reporting", done: past("reporting") },
  ];
  const over = isOver(job);
  // Runs may not be known yet; that they are planned is.
  const open = steps.findIndex(({ done }) => done < runs.length || runs.length === 0);
  const at = open === 0 && job.status !== "waiting" ? 1 : open;
  const rates = [...progress.values()].flatMap(({ rate }) => (rate ? [rate] : []));
  const rate = rates.reduce((sum, one) => sum + one, 0);
  const counts = { ...job.counts };
  if (runs.length > 0 && runs.length === job.runs) {
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[name] = runs.reduce((sum, run) => sum + (progress.get(run.run_id)?.counts[name] ?? 0), 0);
    }
  }
  const done = Math.min(total(counts), job.samples);
  return (
    <section className="space-y-3 rounded-lg border border-line bg-panel p-4">
      <ol aria-label={t("stages.label")} className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        {steps.map(({ name, done }, index) => {
          const state = stateOf(index, at, over, job.status);
          return (
            <li key={name} aria-current={state === "now" ? "step" : undefined} className="flex items-start gap-2">
              <Sign state={state} />
              <div className={classes("min-w-0", state === "later" && "text-muted")}>
                <div className="font-medium">{t(`stages.${name}`)}</div>
                {runs.length > 0 && (
                  <div className="text-xs text-muted tabular-nums">
                    {t("stages.runs", { done: format.whole(done), total: format.whole(runs.length) })}
                  </div>
                )}
                <span className="sr-only">{t(`stages.${state}`)}</span>
              </div>
            </li>
          );
        })}
      </ol>
      <OutcomeBar counts={counts} total={job.samples} className="h-3" />
      <p className="flex flex-wrap justify-between gap-x-4 text-muted tabular-nums">
        <span data-testid="samples">
          {t("stages.samples", { done: format.whole(done), total: format.whole(job.samples) })}
        </span>
        {rate > 0 && !over && (
          <span>
            {t("stages.rate", { rate: format.short(rate), left: format.duration((job.samples - done) / rate) })}
          </span>
        )}
      </p>
    </section>
  );
}

type State = "past" | "now" | "later" | "broken";

function stateOf(index: number, at: number, over: boolean, status: string): State {
  if (at < 0 || index < at || (over && status === "completed")) return "past";
  if (index > at) return "later";
  return over ? "broken" : "now";
}

function Sign({ state }: { state: State }) {
  const looks = "mt-0.5 size-4 shrink-0";
  if (state === "past") return <Check aria-hidden className={classes(looks, "text-good")} />;
  if (state === "now") return <LoaderCircle aria-hidden className={classes(looks, "animate-spin text-info")} />;
  if (state === "broken") return <X aria-hidden className={classes(looks, "text-bad")} />;
  return <CircleDashed aria-hidden className={classes(looks, "text-muted")} />;
}
