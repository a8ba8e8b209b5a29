import { Fragment, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { classes } from "@/ui/classes";
import { HIDDEN, visible } from "@/ui/hidden-characters";

const FIRST = 2000;
const MORE = 50_000;

/**
 * Text of a model, a data set or a message: shown as it is, never as markup. Characters that would hide or turn text
 * around are shown by name, and only so much is put into the page as a person asked for.
 */
export function ForeignText({
  text,
  first = FIRST,
  mono = false,
  className,
}: {
  text: string;
  first?: number;
  mono?: boolean;
  className?: string;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const [shown, setShown] = useState(first);
  const left = text.length - shown;
  return (
    <div className={classes("min-w-0", className)}>
      <div dir="auto" className={classes("foreign", mono && "font-mono text-xs")}>
        <Visible text={left > 0 ? text.slice(0, shown) : text} />
        {left > 0 && "…"}
      </div>
      {left > 0 && (
        <Button small kind="quiet" onClick={() => setShown(shown + MORE)}>
          {t("text.more", { left: format.whole(left) })}
        </Button>
      )}
    </div>
  );
}

/** Text with its hidden characters named. */
export function Visible({ text }: { text: string }) {
  return text.split(HIDDEN).map((part, index) =>
    index % 2 === 0 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text have no other name
      <Fragment key={index}>{part}</Fragment>
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: as above
      <span key={index} className="mx-px rounded bg-raised px-0.5 font-mono text-[0.7em] text-warn">
        {visible(part)}
      </span>
    ),
  );
}
