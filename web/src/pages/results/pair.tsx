import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import { type SampleShown, sampleQuery } from "./data";
import { Diff } from "./diff";
import { LongText } from "./long-text";
import { Outcome } from "./outcome";
import { Pictures } from "./picture";

const MODES = ["answers", "reference", "off"] as const;

/** One sample of two runs: the document, and both answers beside it, with what tells them apart. */
export function PairView({
  first,
  second,
  rows,
  names,
}: {
  first: string;
  second: string;
  rows: number[];
  names: [string, string];
}) {
  const { t } = useTranslation("results");
  const [mode, setMode] = useQueryState("diff", "answers");
  const left = useQuery(sampleQuery(first, rows[0] ?? 0));
  const right = useQuery(sampleQuery(second, rows[1] ?? 0));
  const error = left.error ?? right.error;
  if (error) return <ProblemNote error={error} />;
  if (!left.data || !right.data) return <Waiting />;
  const [a, b] = [left.data, right.data];
  const reference = a.references[0];
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <div className="min-w-0 space-y-4">
        <Pictures images={a.images} boxes={[...a.boxes, ...b.boxes.filter((box) => box.of === "answer")]} />
        <Panel title={t("sample.prompt")}>
          <LongText key={`prompt${a.row}`} runId={first} row={a.row} of="prompt" cut={a.prompt} />
        </Panel>
        {reference && (
          <Panel title={t("sample.reference")}>
            <LongText key={`reference${a.row}`} runId={first} row={a.row} of="reference.0" cut={reference} />
          </Panel>
        )}
      </div>
      <div className="min-w-0 space-y-4">
        <Choice
          label={t("pairs.differences")}
          value={mode}
          options={MODES.map((each) => ({ value: each as string, text: t(`pairs.mode.${each}`) }))}
          onChange={setMode}
        />
        <Side sample={a} runId={first} name={names[0]} against={mode === "reference" ? reference?.text : undefined} />
        <Side
          sample={b}
          runId={second}
          name={names[1]}
          against={
            mode === "reference"
              ? reference?.text
              : mode === "answers"
                ? (a.answer?.text?.text ?? undefined)
                : undefined
          }
        />
      </div>
    </div>
  );
}

function Side({
  sample,
  runId,
  name,
  against,
}: {
  sample: SampleShown;
  runId: string;
  name: string;
  against: string | undefined;
}) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const text = sample.answer?.text;
  return (
    <Panel
      title={<span className="foreign">{name}</span>}
      actions={sample.answer && <Outcome outcome={sample.answer.outcome} />}
    >
      {!text ? (
        <p className="foreign text-bad">{sample.answer?.error?.text ?? t("sample.noAnswer")}</p>
      ) : against === undefined ? (
        <LongText key={`${runId}/${sample.row}`} runId={runId} row={sample.row} of="answer" cut={text} />
      ) : (
        <Diff before={against} after={text.text} long={text.length > text.text.length} />
      )}
      <p className="mt-3 flex flex-wrap gap-x-4 border-t border-line pt-2 text-muted tabular-nums">
        {sample.scores.map((score) => (
          <span key={score.metric}>
            {score.metric}: {format.metric(score.value)}
          </span>
        ))}
      </p>
    </Panel>
  );
}
