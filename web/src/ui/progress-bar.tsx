import { classes } from "@/ui/classes";

/** How much of something there is. */
export function ProgressBar({
  value,
  max = 1,
  label,
  tone = "info",
  className,
}: {
  value: number;
  max?: number;
  label: string;
  tone?: "info" | "accent";
  className?: string;
}) {
  const part = max > 0 ? Math.min(1, Math.max(0, value / max)) : 0;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * part)}
      className={classes("h-2 overflow-hidden rounded-full bg-raised", className)}
    >
      <div
        className={classes("h-full", tone === "info" ? "bg-info" : "bg-accent")}
        style={{ width: `${100 * part}%` }}
      />
    </div>
  );
}
