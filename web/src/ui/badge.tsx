import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { classes } from "@/ui/classes";

const TONES = {
  good: "text-good border-good",
  warn: "text-warn border-warn",
  bad: "text-bad border-bad",
  info: "text-info border-info",
  muted: "text-muted border-line",
};
export type Tone = keyof typeof TONES;

export function Badge({ tone = "muted", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1 rounded-full border px-2 py-0.5 text-xs font-medium",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}

const OF_STATUS: Record<string, Tone> = {
  waiting: "muted",
  running: "info",
  completed: "good",
  failed: "bad",
  cancelled: "warn",
  rejected: "bad",
  starting: "info",
  ready: "good",
  idle: "muted",
  stopping: "warn",
  stopped: "muted",
};

/** The status of a job, a run or a backend. */
export function Status({ status }: { status: string }) {
  const { t } = useTranslation();
  return <Badge tone={OF_STATUS[status] ?? "muted"}>{t(`status.${status}`, status)}</Badge>;
}
