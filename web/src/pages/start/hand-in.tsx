import { CircleCheck, LoaderCircle, Play, TriangleAlert } from "lucide-react";
import { useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { ask } from "@/api/client";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import type { Check } from "./check";
import { type Draft, queryOf } from "./draft";

type Submitted = components["schemas"]["SubmittedJob"];

/** What the service says of the draft, and the button that hands it in. */
export function HandIn({ draft, check }: { draft: Draft; check: Check }) {
  const { t } = useTranslation("start");
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  // The same key hands the same draft in once, however often a request has to be sent again.
  const key = useRef({ of: "", key: "" });

  async function handIn() {
    setBusy(true);
    setError(null);
    const address = `/api/v1/jobs?${queryOf(draft)}`;
    const of = address + draft.document.text;
    if (key.current.of !== of) key.current = { of, key: crypto.getRandomValues(new Uint32Array(4)).join("-") };
    const headers = { "Content-Type": "application/yaml", "Idempotency-Key": key.current.key };
    try {
      const said = await ask(address, { method: "POST", body: draft.document.text, headers });
      const { job_id } = (await said.json()) as Submitted;
      await navigate(`/jobs/${job_id}`);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  }

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
          onClick={() => void handIn()}
        >
          <Play aria-hidden className="size-4" />
          {t("handIn.start")}
        </Button>
        {busy && <p className="text-xs text-muted">{t("handIn.reading")}</p>}
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
