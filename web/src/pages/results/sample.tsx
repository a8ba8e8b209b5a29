import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { ForeignText, Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { type SampleShown, sampleQuery } from "./data";
import { Diff } from "./diff";
import { LongText } from "./long-text";
import { Outcome } from "./outcome";
import { Pictures } from "./picture";

/** One sample of a run: its images, what was asked, what came back, and how it was scored. */
export function Sample({ runId, row }: { runId: string; row: number }) {
  const found = useQuery(sampleQuery(runId, row));
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting />;
  return <Shown key={`${runId}/${row}`} sample={found.data} />;
}

function Shown({ sample }: { sample: SampleShown }) {
  const { t } = useTranslation("results");
  const { run_id: runId, row, answer } = sample;
  const text = answer?.text;
  const reference = sample.references[0];
  return (
    <div className="space-y-4" data-testid="sample">
      <Panel
        title={
          <span className="flex flex-wrap items-center gap-2">
            <span className="foreign">
              <Visible text={sample.id.slice(0, 200)} />
            </span>
            {answer && <Outcome outcome={answer.outcome} />}
          </span>
        }
      >
        <Pictures images={sample.images} boxes={sample.boxes} />
      </Panel>
      <Panel title={t("sample.answer")}>
        {answer === null || answer === undefined ? (
          <p className="text-muted">{t("sample.noAnswer")}</p>
        ) : text ? (
          <LongText runId={runId} row={row} of="answer" cut={text} />
        ) : (
          <p className="foreign text-bad">{answer.error?.text ?? t("sample.noAnswer")}</p>
        )}
        {text && answer?.error && <p className="foreign mt-2 text-warn">{answer.error.text}</p>}
      </Panel>
      <Panel title={sample.reference_count === 1 ? t("sample.reference") : t("sample.references")}>
        {sample.references.length === 0 && <p className="text-muted">{t("sample.noReference")}</p>}
        <ul className="space-y-3">
          {sample.references.map((each, number) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: references may repeat
            <li key={number}>
              <LongText runId={runId} row={row} of={`reference.${number}`} cut={each} />
            </li>
          ))}
        </ul>
      </Panel>
      {text && reference && text.text !== reference.text && (
        <Panel title={t("sample.differences")}>
          <Diff
            before={reference.text}
            after={text.text}
            long={text.length > text.text.length || reference.length > reference.text.length}
          />
        </Panel>
      )}
      <Panel title={t("sample.scores")}>
        <Scores sample={sample} />
      </Panel>
      <Asked sample={sample} />
      {answer && <Numbers sample={sample} />}
    </div>
  );
}

function Scores({ sample }: { sample: SampleShown }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  if (sample.scores.length === 0) return <p className="text-muted">{t("sample.noScores")}</p>;
  return (
    <ul className="space-y-3">
      {sample.scores.map((score) => (
        <li key={score.metric}>
          <p className="flex flex-wrap items-baseline gap-2">
            <span className="font-medium">{score.metric}</span>
            <span className="tabular-nums">{format.metric(score.value)}</span>
            {score.status !== "scored" && <Badge tone="warn">{t(`scoreStatus.${score.status}`, score.status)}</Badge>}
          </p>
          {score.detail && <ForeignText mono text={score.detail.text} first={400} className="text-muted" />}
        </li>
      ))}
    </ul>
  );
}

const SENT = { verified: "good", differs: "bad", unknown: "muted", "not answered": "muted" } as const;

function Asked({ sample }: { sample: SampleShown }) {
  const { t } = useTranslation("results");
  const { run_id: runId, row } = sample;
  return (
    <Panel
      title={t("sample.asked")}
      actions={<Badge tone={SENT[sample.sent]}>{t(`sent.${sample.sent.replace(" ", "")}`)}</Badge>}
    >
      <div className="space-y-3">
        {sample.problem && <p className="foreign text-bad">{sample.problem}</p>}
        {sample.system_prompt && (
          <Part title={t("sample.system")}>
            <LongText runId={runId} row={row} of="system_prompt" cut={sample.system_prompt} />
          </Part>
        )}
        {sample.turns.map((turn, number) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same example may be shown twice
          <Part key={number} title={t("sample.example", { number: number + 1 })}>
            <ForeignText mono text={turn.user.text} />
            <ForeignText mono text={turn.assistant.text} className="mt-1 border-l-2 border-line pl-2" />
          </Part>
        ))}
        <Part title={t("sample.prompt")}>
          <LongText runId={runId} row={row} of="prompt" cut={sample.prompt} />
        </Part>
        {sample.choices.length > 0 && (
          <Part title={t("sample.choices")}>
            <ol className="list-[upper-alpha] space-y-1 pl-6">
              {sample.choices.map((choice, number) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: choices may repeat
                <li key={number} className="foreign">
                  <Visible text={choice} />
                </li>
              ))}
            </ol>
          </Part>
        )}
        <details>
          <summary className="font-medium">{t("sample.parameters")}</summary>
          <ForeignText mono text={JSON.stringify(sample.parameters, null, 2)} />
          {sample.response_schema && <ForeignText mono text={sample.response_schema.text} />}
        </details>
      </div>
    </Panel>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <h3 className="mb-1 text-xs font-semibold text-muted">{title}</h3>
      {children}
    </div>
  );
}

function Numbers({ sample }: { sample: SampleShown }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const { answer } = sample;
  if (!answer) return null;
  const ms = (value: number | null | undefined) => (value == null ? null : t("ms", { value: format.short(value) }));
  const whole = (value: number | null | undefined) => (value == null ? null : format.whole(value));
  const facts: [string, string | null | undefined][] = [
    ["latency", ms(answer.latency_ms)],
    ["ttft", ms(answer.ttft_ms)],
    ["promptTokens", whole(answer.prompt_tokens)],
    ["completionTokens", whole(answer.completion_tokens)],
    ["attempts", whole(answer.attempts)],
    ["finishReason", answer.finish_reason],
    ["answeredAt", answer.answered_at ? format.moment(answer.answered_at) : null],
    ["replica", answer.replica],
    ["reusedFrom", answer.reused_from],
    ["fingerprint", answer.fingerprint],
  ];
  return (
    <Panel title={t("sample.numbers")}>
      <dl className="grid grid-cols-1 gap-x-6 gap-y-1 sm:grid-cols-2">
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name} className="flex min-w-0 justify-between gap-3">
              <dt className="text-muted">{t(`number.${name}`)}</dt>
              <dd className="foreign text-right">{value}</dd>
            </div>
          ))}
      </dl>
    </Panel>
  );
}
