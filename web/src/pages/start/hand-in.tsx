import { CircleCheck, LoaderCircle, Play, TriangleAlert } from "lucide-react";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import type { Check } from "./check";
import type { Draft } from "./draft";
import { useSubmission } from "./submission";

/** What the service says of the draft, and the button that hands it in. */
export function HandIn({ draft, check }: { draft: Draft; check: Check }) {
  const { t } = useTranslation("start");
  const { begin, busy, error, line } = useSubmission(draft);
  return (
    <Panel title={t("handIn.title")}>
      <div className="space-y-4">
        <div aria-live="polite">
          <Verdict check={check} />
        </div>
        <Options draft={draft} />
        {error !== null && <ProblemNote error={error} />}
        <Button
          kind="primary"
          className="w-full"
          busy={busy}
          disabled={check.state !== "fine"}
          onClick={() => void begin()}
        >
          <Play aria-hidden className="size-4" />
          {t("handIn.start")}
        </Button>
        {busy && (
          <div role="status" className="space-y-1 text-xs text-muted">
            <p>{t("handIn.reading")}</p>
            {line && <p className="foreign font-mono">{line}</p>}
          </div>
        )}
      </div>
    </Panel>
  );
}

function Verdict({ check }: { check: Check }) {
  const { t } = useTranslation("start");
  const format = useFormat();
  switch (check.state) {
    case "empty":
      return <p className="text-muted">{t("check.empty")}</p>;
    case "checking":
      return (
        <p className="flex items-center gap-2 text-muted">
          <LoaderCircle aria-hidden className="size-4 animate-spin" />
          {t("check.checking")}
        </p>
      );
    case "unknown":
      return <ProblemNote error={check.error} />;
    case "fine": {
      const { models = [], tasks = [], runs = 0 } = check.checked ?? {};
      return (
        <p className="flex gap-2">
          <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-good" />
          <span>
            {t("check.fine", { count: runs, runs: format.whole(runs), models: models.length, tasks: tasks.length })}
          </span>
        </p>
      );
    }
    case "wrong":
      return (
        <ul className="space-y-2">
          {check.mistakes.map((mistake) => (
            <li key={mistake.message} className="flex gap-2">
              <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
              <span className="foreign min-w-0">{mistake.message}</span>
            </li>
          ))}
        </ul>
      );
  }
}

function Options({ draft }: { draft: Draft }) {
  const { t } = useTranslation("start");
  const id = useId();
  const { wishes, setWishes } = draft;
  return (
    <div className="space-y-2">
      <label className="flex items-center justify-between gap-2" htmlFor={id}>
        {t("handIn.limit")}
        <input
          id={id}
          type="number"
          min={1}
          placeholder={t("handIn.all")}
          className="w-28 rounded-md border border-line bg-ground px-2 py-1 text-right"
          value={wishes.limit ?? ""}
          onChange={(event) => setWishes({ ...wishes, limit: event.target.valueAsNumber || null })}
        />
      </label>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          className="accent-accent"
          checked={wishes.skipBadRows}
          onChange={(event) => setWishes({ ...wishes, skipBadRows: event.target.checked })}
        />
        {t("handIn.skip")}
      </label>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          className="accent-accent"
          checked={wishes.noReuse}
          onChange={(event) => setWishes({ ...wishes, noReuse: event.target.checked })}
        />
        {t("handIn.fresh")}
      </label>
    </div>
  );
}
