import { LoaderCircle } from "lucide-react";
import type { ComponentProps } from "react";
import { Link } from "react-router";
import { classes } from "@/ui/classes";

const KINDS = {
  primary: "bg-accent text-accent-ink hover:opacity-90 border-transparent",
  plain: "bg-panel text-ink border-line hover:bg-raised",
  danger: "bg-panel text-bad border-bad hover:bg-raised",
  quiet: "border-transparent text-muted hover:bg-raised hover:text-ink",
};

interface Looks {
  kind?: keyof typeof KINDS;
  small?: boolean;
}

const looks = ({ kind = "plain", small }: Looks, more?: string) =>
  classes(
    "inline-flex items-center justify-center gap-2 rounded-md border font-medium",
    "disabled:cursor-not-allowed disabled:opacity-50",
    small ? "px-2 py-1 text-xs" : "px-3 py-1.5",
    KINDS[kind],
    more,
  );

/** A button; `busy` while what it does goes on. */
export function Button({
  kind,
  small,
  busy = false,
  className,
  children,
  disabled,
  type = "button",
  ...rest
}: ComponentProps<"button"> & Looks & { busy?: boolean }) {
  return (
    <button
      type={type}
      className={looks({ kind, small }, className)}
      disabled={disabled || busy}
      aria-busy={busy}
      {...rest}
    >
      {busy && <LoaderCircle aria-hidden className="size-4 animate-spin" />}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function ButtonLink({ kind, small, className, ...rest }: ComponentProps<typeof Link> & Looks) {
  return <Link className={looks({ kind, small }, className as string)} {...rest} />;
}

/** A link to a file of the service that looks like a button. */
export function DownloadLink({ kind, small, className, children, ...rest }: ComponentProps<"a"> & Looks) {
  return (
    <a className={looks({ kind, small }, className)} {...rest}>
      {children}
    </a>
  );
}
