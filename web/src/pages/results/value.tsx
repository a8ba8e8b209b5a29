import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { classes } from "@/ui/classes";
import type { MetricCell } from "./data";

/** A metric's value with its interval, and what failed samples could make of it. */
export function Value({ cell, top }: { cell: MetricCell | null | undefined; top: number | null }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  if (!cell || cell.value == null) return <span className="text-muted">–</span>;
  const isBest = top !== null && cell.value === top;
  return (
    <span className="inline-flex flex-col items-end leading-tight">
      <span className={classes(isBest && "font-semibold text-good")}>
        {format.metric(cell.value)}
        {isBest && <span className="sr-only"> {t("best")}</span>}
      </span>
      {cell.ci_low != null && cell.ci_high != null && (
        <span className="text-xs text-muted" title={t("interval")}>
          {format.metric(cell.ci_low)} … {format.metric(cell.ci_high)}
        </span>
      )}
      {cell.n_failed > 0 && cell.value_if_failed_worst != null && cell.value_if_failed_best != null && (
        <span className="text-xs text-warn" title={t("ifFailed")}>
          {t("failedBounds", {
            failed: format.whole(cell.n_failed),
            low: format.metric(Math.min(cell.value_if_failed_worst, cell.value_if_failed_best)),
            high: format.metric(Math.max(cell.value_if_failed_worst, cell.value_if_failed_best)),
          })}
        </span>
      )}
    </span>
  );
}
