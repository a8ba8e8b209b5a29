import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { classes } from "@/ui/classes";

/** How many samples ended in which way; docs/results.md. */
export type Counts = Record<(typeof OUTCOMES)[number], number>;

export const OUTCOMES = ["answered", "empty", "truncated", "refused", "failed", "withdrawn"] as const;

const FILLS: Record<(typeof OUTCOMES)[number], string> = {
  answered: "bg-good",
  empty: "bg-info",
  truncated: "bg-warn",
  refused: "bg-warn opacity-70",
  failed: "bg-bad",
  withdrawn: "bg-muted",
};

/** A bar of outcomes against all samples, with its text for who does not see it. */
export function OutcomeBar({ counts, total, className }: { counts: Counts; total: number; className?: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const done = OUTCOMES.reduce((sum, name) => sum + counts[name], 0);
  const words = OUTCOMES.filter((name) => counts[name] > 0)
    .map((name) => `${t(`outcome.${name}`)}: ${format.whole(counts[name])}`)
    .join(", ");
  return (
    <div
      role="progressbar"
      aria-label={t("progress.samples")}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={Math.min(done, total)}
      aria-valuetext={words || format.whole(0)}
      title={words}
      className={classes("flex h-2 min-w-16 overflow-hidden rounded-full bg-line", className)}
    >
      {total > 0 &&
        OUTCOMES.map((name) =>
          counts[name] > 0 ? (
            <div key={name} className={FILLS[name]} style={{ width: `${(100 * counts[name]) / total}%` }} />
          ) : null,
        )}
    </div>
  );
}
