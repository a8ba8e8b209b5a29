import { Download, Square } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useFormat } from "@/i18n/format";
import { useLevel } from "@/i18n/level";
import { Button } from "@/ui/button";
import { ForeignText } from "@/ui/foreign-text";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { type Answer, download, type Question, ROWS, type Row, useAddress } from "./asking";
import { useViewText } from "./texts";
import { inGib } from "./units";

const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/;
const FIRST = 160;

/** What a query found, sorted by any of its columns. */
export function ResultTable({
  answer,
  label,
  raw = false,
}: {
  answer: Answer;
  label: string;
  /** As the query names and finds it, and not as people say it. */
  raw?: boolean;
}) {
  const text = useViewText();
  const [said, setSaid] = useQueryState("sort");
  const [name, way] = [said.replace(/^-/, ""), said.startsWith("-")];
  const place = answer.columns.findIndex((column) => column.name === name);
  const rows = useMemo(() => (place < 0 ? answer.rows : sorted(answer.rows, place, way)), [answer, place, way]);
  const columns = useMemo(() => {
    const said = raw ? (column: string) => column : text.column;
    return answer.columns.map((column, index): Column<Row> => {
      const numeric = NUMBERS.test(column.type);
      return {
        key: column.name,
        header: <span title={`${column.name}: ${column.type}`}>{said(column.name)}</span>,
        numeric,
        sortable: true,
        width: widthOf(column.name, index, answer.rows, said(column.name)),
        cell: (row) => <Cell value={row[index]} type={column.type} name={column.name} raw={raw} />,
      };
    });
  }, [answer, text, raw]);
  return (
    <Table
      label={label}
      columns={columns}
      rows={rows as Row[]}
      rowKey={(_row, index) => String(index)}
      sort={place < 0 ? null : { key: name, descending: way }}
      onSort={(sort) => setSaid(`${sort.descending ? "-" : ""}${sort.key}`)}
    />
  );
}

/** As wide as most of what is in it, within reason. */
function widthOf(name: string, place: number, rows: readonly Row[], header: string): string {
  const lengths = rows.slice(0, 200).map((row) => shownLength(row[place]));
  const longest = Math.max(header.length + 2, ...lengths);
  const rem = Math.min(Math.max(longest * 0.56 + 2, 5), name === "job_id" ? 18 : 22);
  return `minmax(${rem}rem, ${Math.round(rem)}fr)`;
}

function shownLength(value: unknown): number {
  if (typeof value === "number") return Number.isInteger(value) ? String(value).length : 8;
  return value == null ? 1 : String(value).length;
}

function sorted(rows: readonly Row[], place: number, descending: boolean): Row[] {
  const sign = descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [one, other] = [a[place], b[place]];
    // What is missing stands last either way.
    if (one == null || other == null) return one == null ? (other == null ? 0 : 1) : -1;
    if (typeof one === "number" && typeof other === "number") return sign * (one - other);
    return sign * String(one).localeCompare(String(other), undefined, { numeric: true });
  });
}

function Cell({ value, type, name, raw }: { value: unknown; type: string; name: string; raw: boolean }) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const level = useLevel();
  if (value == null) return <span className="text-muted">–</span>;
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  if (!raw && name === "level" && typeof value === "string") return <span title={value}>{level(value)}</span>;
  if (typeof value === "number" && !raw && inGib(name)) return format.gib(value);
  if (typeof value === "number")
    return Number.isInteger(value)
      ? format.whole(value)
      : Math.abs(value) < 1000
        ? format.metric(value)
        : format.short(value);
  if (type.startsWith("TIMESTAMP") && typeof value === "string")
    return <span title={value}>{format.moment(`${value.replace(" ", "T")}${/[Z+]/.test(value) ? "" : "Z"}`)}</span>;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (name === "job_id")
    return (
      <Link className="foreign text-accent underline" to={`/jobs/${encodeURIComponent(text)}`}>
        {text}
      </Link>
    );
  return <ForeignText text={text} first={FIRST} />;
}

/** How many rows there are and may be, what was left out, and files of it. */
export function ResultNotes({ answer, question, name }: { answer: Answer; question: Question; name: string }) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const { rows, set } = useAddress();
  const [busy, setBusy] = useState<string | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const fetchFile = async (kind: "csv" | "json") => {
    setBusy(kind);
    setWrong(null);
    try {
      await download(question, kind, name);
    } catch (error) {
      setWrong(error);
    }
    setBusy(null);
  };
  return (
    <div className="space-y-2 border-b border-line px-4 py-2.5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p role="status">
          {t("result.rows", { count: answer.rows.length, shown: format.whole(answer.rows.length) })}
          {` · ${t("result.seconds", { seconds: format.short(answer.seconds) })}`}
        </p>
        <label className="flex items-center gap-2 text-muted">
          {t("result.most")}
          <select
            className="rounded-md border border-line bg-ground px-2 py-1 text-ink"
            value={rows}
            onChange={(event) => set({ rows: event.target.value })}
          >
            {ROWS.map((each) => (
              <option key={each} value={each}>
                {format.whole(each)}
              </option>
            ))}
          </select>
        </label>
        <span className="ml-auto flex gap-2">
          {(["csv", "json"] as const).map((kind) => (
            <Button key={kind} small busy={busy === kind} onClick={() => void fetchFile(kind)}>
              <Download aria-hidden className="size-4" />
              {kind.toUpperCase()}
            </Button>
          ))}
        </span>
      </div>
      {answer.more && <p className="text-warn">{t("result.more")}</p>}
      {answer.notes.map((note) => (
        <p key={note} className="foreign text-warn">
          {note}
        </p>
      ))}
      {wrong != null && <ProblemNote error={wrong} />}
    </div>
  );
}

/** A query that runs: for how long, and how to end it. */
export function Running({ onCancel }: { onCancel: () => void }) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const started = Date.now();
    const timer = setInterval(() => setSeconds((Date.now() - started) / 1000), 500);
    return () => clearInterval(timer);
  }, []);
  return (
    <p className="flex flex-wrap items-center gap-3 text-muted">
      <span role="status">{t("running.text")}</span>
      <span aria-hidden>{format.duration(seconds)}</span>
      <Button small onClick={onCancel}>
        <Square aria-hidden className="size-3" />
        {t("running.cancel")}
      </Button>
    </p>
  );
}
