import { type ReactNode, useId } from "react";
import { classes } from "@/ui/classes";

/** What the control of a field takes. */
export interface Control {
  id: string;
  className: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

/** A labelled control with its hint and its mistakes. */
export function Field({
  label,
  hint,
  errors = [],
  className,
  children,
}: {
  label: ReactNode;
  hint?: ReactNode;
  errors?: string[];
  className?: string;
  children: (control: Control) => ReactNode;
}) {
  const id = useId();
  const about = `${id}-about`;
  const wrong = errors.length > 0;
  return (
    <div className={classes("flex min-w-0 flex-col gap-1", className)}>
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children({
        id,
        className: classes(
          "w-full min-w-0 rounded-md border bg-ground px-3 py-2 text-ink placeholder:text-muted",
          wrong ? "border-bad" : "border-line",
        ),
        "aria-describedby": hint || wrong ? about : undefined,
        "aria-invalid": wrong || undefined,
      })}
      {(hint || wrong) && (
        <div id={about} className="text-xs">
          {errors.map((error) => (
            <p key={error} className="foreign text-bad">
              {error}
            </p>
          ))}
          {hint && <p className="text-muted">{hint}</p>}
        </div>
      )}
    </div>
  );
}
