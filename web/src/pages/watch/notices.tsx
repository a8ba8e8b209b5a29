import { Hourglass, TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { useExplained } from "@/i18n/explained";
import { Panel } from "@/ui/page";
import type { Notice } from "./live";

type Reason = components["schemas"]["ExplanationEntry"];
const MOST = 8;

/** What runs wait for, in words; and what services told those who watch. */
export function Notices({
  reasons,
  notices,
  over,
}: {
  reasons: readonly Reason[];
  notices: readonly Notice[];
  over: boolean;
}) {
  const { t } = useTranslation("watch");
  const explained = useExplained();
  const waits = useMemo(() => grouped(reasons), [reasons]);
  const warnings = notices.filter((notice) => notice.level !== "info").slice(-3);
  if (over || (waits.length === 0 && warnings.length === 0)) return null;
  return (
    <Panel title={t("waits.title")}>
      <ul className="space-y-2">
        {waits.slice(0, MOST).map(({ reason, names }) => (
          <li key={reason.words} className="flex gap-2">
            <Hourglass aria-hidden className="mt-0.5 size-4 shrink-0 text-muted" />
            <p className="foreign min-w-0">
              <span className="font-medium">
                {names.length > 3 ? t("waits.runs", { count: names.length }) : names.join(", ")}
              </span>
              : {explained(reason)}
            </p>
          </li>
        ))}
        {waits.length > MOST && <li className="text-muted">{t("waits.more", { count: waits.length - MOST })}</li>}
        {warnings.map((notice, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: notices have no name, and may be the same
          <li key={index} className="flex gap-2">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
            <p className="foreign min-w-0">
              {notice.source}: {notice.message}
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Runs that wait for the same are one line. */
function grouped(reasons: readonly Reason[]): { reason: Reason; names: string[] }[] {
  const found = new Map<string, { reason: Reason; names: string[] }>();
  for (const reason of reasons) {
    if (["done", "cancelled", "failed"].includes(reason.what)) continue;
    const same = found.get(reason.words);
    found.set(reason.words, { reason, names: [...(same?.names ?? []), reason.name] });
  }
  return [...found.values()];
}
