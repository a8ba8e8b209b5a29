import { useTranslation } from "react-i18next";
import { Link, Navigate, useParams } from "react-router";
import { Field } from "@/ui/field";
import { Visible } from "@/ui/foreign-text";
import { Empty, Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { Tabs } from "@/ui/tabs";
import { Waiting } from "@/ui/waiting";
import { type Entry, isKind, KINDS, type Kind, subject, useEntries } from "./kinds";
import { UsedDatasets } from "./used";

/** What jobs can name. */
export default function Registries() {
  const { kind } = useParams();
  const { t } = useTranslation("registries");
  if (!isKind(kind)) return <Navigate to="/registries/models" replace />;
  return (
    <Page title={t("title")}>
      <Tabs label={t("kinds")} tabs={KINDS.map((one) => ({ to: `/registries/${one}`, text: t(`kind.${one}`) }))} />
      <Entries key={kind} kind={kind} />
      {kind === "datasets" && <UsedDatasets />}
    </Page>
  );
}

function Entries({ kind }: { kind: Kind }) {
  const { t } = useTranslation("registries");
  const [wanted, setWanted] = useQueryState("q");
  const { data, error, refetch } = useEntries(kind);
  if (error) return <ProblemNote error={error} again={() => void refetch()} />;
  if (!data) return <Waiting />;
  const word = wanted.trim().toLowerCase();
  const found = data.filter((entry) => !word || text(kind, entry).includes(word));
  return (
    <Panel flush title={t("count", { count: found.length })}>
      <div className="border-b border-line p-4">
        <Field label={t("search")} className="max-w-md">
          {(control) => (
            <input
              {...control}
              type="search"
              maxLength={200}
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
            />
          )}
        </Field>
      </div>
      {found.length === 0 ? (
        <Empty title={t("nothing")}>{t(data.length === 0 ? `none.${kind}` : "other")}</Empty>
      ) : (
        <Table label={t(`kind.${kind}`)} columns={columns(kind, t)} rows={found} rowKey={(entry) => entry.name} />
      )}
    </Panel>
  );
}

function text(kind: Kind, entry: Entry): string {
  return [entry.name, subject(kind, entry), entry.description, entry.origin].join(" ").toLowerCase();
}

function columns(kind: Kind, t: (key: string) => string): Column<Entry>[] {
  const name: Column<Entry> = {
    key: "name",
    header: t("column.name"),
    width: "minmax(11rem, 1fr)",
    cell: (entry) => (
      <Link
        className="foreign font-medium text-accent hover:underline"
        to={`/registries/${kind}/${encodeURIComponent(entry.name)}`}
      >
        <Visible text={entry.name} />
      </Link>
    ),
  };
  const about: Column<Entry> = {
    key: "subject",
    header: t(`subject.${kind}`),
    width: "minmax(12rem, 1.5fr)",
    cell: (entry) => <Short text={subject(kind, entry)} />,
  };
  const description: Column<Entry> = {
    key: "description",
    header: t("column.description"),
    width: "minmax(18rem, 3fr)",
    cell: (entry) => <Short text={entry.description ?? ""} />,
  };
  const origin: Column<Entry> = {
    key: "origin",
    header: t("column.origin"),
    width: "minmax(9rem, 1fr)",
    cell: (entry) => <Short muted text={entry.origin} />,
  };
  return kind === "metrics" ? [name, origin] : [name, about, description, origin];
}

/** A text on one or two lines; the whole of it when it is pointed at. */
function Short({ text, muted = false }: { text: string; muted?: boolean }) {
  return (
    <span className={`foreign line-clamp-2 ${muted ? "text-muted" : ""}`} title={text}>
      <Visible text={text} />
    </span>
  );
}
