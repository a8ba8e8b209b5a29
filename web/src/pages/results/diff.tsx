import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { classes } from "@/ui/classes";
import { Visible } from "@/ui/foreign-text";
import { Waiting } from "@/ui/waiting";
import type { DiffAsked, DiffPart, DiffSaid } from "./diff.worker";

/** Characters of either text that are compared. */
const MOST = 10_000;
const TOO_LONG_MS = 5_000;

/** How one text differs from another, found beside the page: it does not wait, and what takes too long is ended. */
function useDiff(before: string, after: string): DiffPart[] | null | undefined {
  const [found, setFound] = useState<{ of: string; parts: DiffPart[] | null }>();
  const of = `${before.length}:${before}${after}`;
  useEffect(() => {
    const worker = new Worker(new URL("./diff.worker.ts", import.meta.url), { type: "module" });
    const end = setTimeout(() => {
      worker.terminate();
      setFound({ of, parts: null });
    }, TOO_LONG_MS);
    worker.onmessage = ({ data }: MessageEvent<DiffSaid>) => {
      clearTimeout(end);
      setFound({ of, parts: data.parts });
      worker.terminate();
    };
    worker.postMessage({ id: 0, before: before.slice(0, MOST), after: after.slice(0, MOST) } satisfies DiffAsked);
    return () => {
      clearTimeout(end);
      worker.terminate();
    };
  }, [of, before, after]);
  return found?.of === of ? found.parts : undefined;
}

/** One text against another: what is missing is struck out, what is extra underlined. */
export function Diff({ before, after, long = false }: { before: string; after: string; long?: boolean }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const parts = useDiff(before, after);
  if (parts === undefined) return <Waiting label={t("diff.comparing")} />;
  if (parts === null) return <p className="text-muted">{t("diff.tooDifferent")}</p>;
  if (parts.every((part) => part.kind === "equal")) return <p className="text-good">{t("diff.same")}</p>;
  return (
    <div className="space-y-1">
      <section
        aria-label={t("diff.label")}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        tabIndex={0}
        dir="auto"
        className="foreign max-h-[60dvh] overflow-auto font-mono text-xs"
        data-testid="diff"
      >
        {parts.map((part, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one comparison have no other name
          <Part key={place} part={part} />
        ))}
      </section>
      {(long || before.length > MOST || after.length > MOST) && (
        <p className="text-xs text-muted">{t("diff.first", { count: MOST, shown: format.whole(MOST) })}</p>
      )}
    </div>
  );
}

function Part({ part }: { part: DiffPart }) {
  if (part.kind === "equal") return <Visible text={part.text} />;
  const Mark = part.kind === "missing" ? "del" : "ins";
  return (
    <Mark
      className={classes(
        "rounded-sm px-px",
        part.kind === "missing" ? "bg-bad/15 text-bad line-through" : "bg-good/15 text-good underline",
      )}
    >
      <Visible text={part.text} />
    </Mark>
  );
}
