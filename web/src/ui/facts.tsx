import { Fragment, type ReactNode } from "react";
import { ForeignText } from "@/ui/foreign-text";

/** Names and what they stand for, as a list; those without a value are left out. */
export function Facts({ facts, children }: { facts: [string, string | null | undefined][]; children?: ReactNode }) {
  return (
    <dl className="grid gap-x-6 gap-y-1.5 sm:grid-cols-[auto_1fr]">
      {children}
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <Fragment key={name}>
            <dt className="text-muted">{name}</dt>
            <dd>
              <ForeignText text={value ?? ""} />
            </dd>
          </Fragment>
        ))}
    </dl>
  );
}
