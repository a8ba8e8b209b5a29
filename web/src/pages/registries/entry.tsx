import { Check, Copy, Play } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useParams } from "react-router";
import { useMay } from "@/app/session";
import { Button, ButtonLink } from "@/ui/button";
import { ForeignText } from "@/ui/foreign-text";
import { Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { isKind, type Kind, START, useEntry } from "./kinds";
import { MetricPanels } from "./metric";

/** One entry of a registry. */
export default function EntryPage() {
  const { kind, name = "" } = useParams();
  if (!isKind(kind)) return <Navigate to="/registries/models" replace />;
  return <Entry kind={kind} name={name} />;
}

function Entry({ kind, name }: { kind: Kind; name: string }) {
  const { t } = useTranslation("registries");
  const may = useMay("submitter");
  const { data, error, refetch } = useEntry(kind, name);
  const yaml = data?.yaml;
  return (
    <Page
      title={name}
      above={
        <Link className="hover:underline" to={`/registries/${kind}`}>
          {t(`kind.${kind}`)}
        </Link>
      }
      actions={
        <>
          {yaml && <CopyButton text={yaml} />}
          {may && (
            <ButtonLink kind="primary" to={`/start?${new URLSearchParams({ [START[kind]]: name })}`}>
              <Play aria-hidden className="size-4" />
              {t("use")}
            </ButtonLink>
          )}
        </>
      }
    >
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <>
          <Panel>
            <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[auto_1fr]">
              {data.description && (
                <>
                  <dt className="text-muted">{t("column.description")}</dt>
                  <dd>
                    <ForeignText text={data.description} />
                  </dd>
                </>
              )}
              <dt className="text-muted">{t("column.origin")}</dt>
              <dd>
                <ForeignText text={data.origin} />
              </dd>
            </dl>
          </Panel>
          {data.problem && <ProblemText text={data.problem} />}
          {data.metric && <MetricPanels metric={data.metric} />}
          {yaml && (
            <Panel title={t("definition")}>
              <ForeignText mono text={yaml} first={8000} />
            </Panel>
          )}
        </>
      )}
    </Page>
  );
}

function ProblemText({ text }: { text: string }) {
  return (
    <div role="alert" className="rounded-md border border-bad bg-panel p-4">
      <ForeignText text={text} />
    </div>
  );
}

/** Puts a text where it can be pasted from. */
function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation("registries");
  const [done, setDone] = useState<boolean | null>(null);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setDone(true),
      () => setDone(false),
    );
  return (
    <>
      <Button onClick={() => void copy()}>
        {done ? <Check aria-hidden className="size-4" /> : <Copy aria-hidden className="size-4" />}
        {t("copy")}
      </Button>
      <span role="status" className="self-center text-muted">
        {done === true && t("copied")}
        {done === false && t("notCopied")}
      </span>
    </>
  );
}
