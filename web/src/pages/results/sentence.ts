import type { TFunction } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { useLevel } from "@/i18n/level";

export type Judged = components["schemas"]["Verdict"];
type Format = ReturnType<typeof useFormat>;

/** A verdict as a sentence in the person's language; the service's own sentence says the same in English. */
export function useSentence(): (judged: Judged) => string {
  const { t } = useTranslation("results");
  const format = useFormat();
  const level = useLevel();
  return useCallback((judged: Judged) => sentence(judged, t, format, level), [t, format, level]);
}

export function sentence(judged: Judged, t: TFunction<"results">, format: Format, level: (name: string) => string) {
  const { first, second, code } = judged;
  const metric = judged.level
    ? t("verdict.group", { metric: judged.metric, level: level(judged.level), group: judged.group })
    : judged.metric;
  const places = { first, second, metric, lead: lead(judged, t, format), documents: documents(judged, t, format) };
  const said = t(`verdict.${code === "not_shown" ? "notShown" : code}`, places);
  const detectable =
    judged.detectable == null
      ? ""
      : t("verdict.detectable", { amount: format.decimals(judged.detectable, judged.detectable_digits ?? 2) });
  const failed =
    judged.failed_low == null || judged.failed_high == null
      ? ""
      : t("verdict.failed", {
          failed: format.whole(judged.failed ?? 0),
          low: format.decimals(judged.failed_low, judged.failed_digits ?? 2),
          high: format.decimals(judged.failed_high, judged.failed_digits ?? 2),
        });
  return said + detectable + failed;
}

/** `0.042 (0.031 to 0.052), corrected p<0.001 (...)`; a sign where nobody is ahead. */
function lead(judged: Judged, t: TFunction<"results">, format: Format): string {
  if (judged.lead == null) return "";
  const signed = !["beats", "higher", "lower"].includes(judged.code);
  const value =
    judged.digits == null ? format.short(judged.lead) : format.decimals(judged.lead, judged.digits ?? undefined);
  const shown = signed && judged.lead > 0 ? `+${value}` : value;
  const range =
    judged.low == null || judged.high == null || judged.digits == null
      ? shown
      : t("verdict.range", {
          value: shown,
          low: format.decimals(judged.low, judged.digits),
          high: format.decimals(judged.high, judged.digits),
        });
  if (judged.p_holm == null) return range;
  const p = t("verdict.corrected", { holm: format.p(judged.p_holm), alone: format.p(judged.p_value ?? judged.p_holm) });
  return `${range}, ${p}`;
}

function documents(judged: Judged, t: TFunction<"results">, format: Format): string {
  const [of, pairs] = [judged.documents ?? 0, judged.samples ?? 0];
  const said = t("verdict.documents", { count: of, shown: format.whole(of) });
  return pairs === of ? said : said + t("verdict.samples", { count: pairs, shown: format.whole(pairs) });
}
