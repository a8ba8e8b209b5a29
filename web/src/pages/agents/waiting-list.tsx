import { Hourglass } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useExplained } from "@/i18n/explained";
import { useFormat } from "@/i18n/format";
import { Panel } from "@/ui/page";
import type { Overview } from "./overview";

const JOBS = 5;

/** Backends that runs wait for and nobody holds, and why. */
export function WaitingList({ overview }: { overview: Overview }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const explained = useExplained();
  if (overview.waiting.length === 0) return null;
  const more = overview.waiting_total - overview.waiting.length;
  return (
    <Panel title={t("waiting.title", { count: overview.waiting_total })}>
      <ul className="space-y-3">
        {overview.waiting.map((one) => (
          <li key={one.backend_id} className="flex gap-2">
            <Hourglass aria-hidden className="mt-0.5 size-4 shrink-0 text-muted" />
            <div className="min-w-0">
              <p className="foreign">
                <span className="font-medium">{one.model}</span>: {explained(one)}
              </p>
              <p className="text-xs text-muted">
                {t("waiting.since", { time: format.duration(overview.now - one.wanted_since), count: one.runs })}{" "}
                {one.job_ids.slice(0, JOBS).map((job) => (
                  <Link key={job} to={`/jobs/${job}`} className="mr-2 font-mono text-accent hover:underline">
                    {job}
                  </Link>
                ))}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {more > 0 && <p className="pt-2 text-muted">{t("waiting.more", { count: more })}</p>}
    </Panel>
  );
}
