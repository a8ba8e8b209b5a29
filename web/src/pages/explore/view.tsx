import { useQuery } from "@tanstack/react-query";
import { Code } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { api, ok } from "@/api/client";
import { ButtonLink } from "@/ui/button";
import { ForeignText } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import { type Question, useAddress, useAnswer } from "./asking";
import { FreeChart } from "./charts/free-chart";
import { VIEWS } from "./charts/views";
import { ParameterForm } from "./form";
import { Frame } from "./frame";
import { ResultNotes, ResultTable, Running } from "./results";
import { useViewText } from "./texts";

/** A saved query as a view: what it can be told, a chart that fits it, and its rows. */
export default function View() {
  const { t } = useTranslation("explore");
  const text = useViewText();
  const { name = "" } = useParams();
  const { parameters, jobs, rows } = useAddress();
  const saved = useQuery({
    queryKey: ["queries", name],
    queryFn: () => ok(api.GET("/api/v1/queries/{name}", { params: { path: { name } } })),
  });
  const known = saved.data;
  const question = useMemo<Question | null>(() => {
    if (!known) return null;
    const names = new Set(known.parameters.map((each) => each.name));
    const given = Object.fromEntries(Object.entries(parameters).filter(([each]) => names.has(each)));
    return { saved: name, parameters: given, jobs, rows };
  }, [known, name, parameters, jobs, rows]);
  const asked = useAnswer(question);
  const answer = asked.data;
  const Chart = (known?.saved_by === null ? VIEWS[name] : undefined) ?? FreeChart;
  const title = known ? text.title(known) : name;
  return (
    <Frame
      title={title}
      actions={
        known && (
          <ButtonLink to={`/explore/sql?sql=${encodeURIComponent(known.sql)}`}>
            <Code aria-hidden className="size-4" />
            {t("view.sql")}
          </ButtonLink>
        )
      }
    >
      {saved.error && <ProblemNote error={saved.error} />}
      {known && (
        <>
          <ForeignText className="max-w-prose text-muted" text={text.description(known)} />
          <Panel>
            <ParameterForm
              key={name}
              busy={asked.isFetching}
              onAgain={() => void asked.refetch()}
              parameters={known.parameters.map((each) => ({
                name: each.name,
                label: text.parameter(known, each.name),
                hint: known.saved_by === null ? undefined : each.summary,
                placeholder: each.default ?? undefined,
              }))}
            />
          </Panel>
          {asked.isFetching && <Running onCancel={asked.cancel} />}
          {asked.error && !asked.isFetching && <ProblemNote error={asked.error} again={() => void asked.refetch()} />}
          {!answer && !asked.isFetching && !asked.error && <p className="text-muted">{t("running.cancelled")}</p>}
          {answer && answer.rows.length > 0 && <Chart answer={answer} />}
          {answer && question && (
            <Panel title={t("result.title")} flush>
              <ResultNotes answer={answer} question={question} name={name} />
              <ResultTable answer={answer} label={title} raw={known.saved_by !== null} />
            </Panel>
          )}
        </>
      )}
      {!known && !saved.error && <Waiting />}
    </Frame>
  );
}
