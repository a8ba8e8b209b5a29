import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import type { Leaderboard } from "./data";

type FieldCell = components["schemas"]["FieldCell"];
interface FieldRow {
  field: string;
  cells: (FieldCell | null)[];
}

/** Extraction field by field: how often each was found, of all times it was there. */
export function Fields({ jobId, board, metric }: { jobId: string; board: Leaderboard; metric: string }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const found = useQuery({
    queryKey: ["fields", jobId, board.task, metric],
    queryFn: ({ signal }) =>
      ok(
        api.GET("/api/v1/jobs/{job_id}/fields", {
          params: { path: { job_id: jobId }, query: { metric, task: board.task } },
          signal,
        }),
      ),
  });
  if (found.error) return <ProblemNote error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Waiting label={t("fields.counting")} />;
  const { data } = found;
  if (data.fields.length === 0) return <Empty title={t("fields.none", { metric })}>{t("fields.noneWhy")}</Empty>;
  const rows = data.fields.map((field, place): FieldRow => ({ field, cells: data.cells[place] ?? [] }));
  const columns: Column<FieldRow>[] = [
    {
      key: "field",
      header: t("fields.field"),
      width: "minmax(9rem, 2fr)",
      cell: (row) => <span className="foreign">{row.field}</span>,
    },
    ...data.runs.map(
      (run, place): Column<FieldRow> => ({
        key: run,
        header: <span className="foreign">{run}</span>,
        width: "minmax(11rem, 1fr)",
        numeric: true,
        cell: (row) => {
          const cell = row.cells[place];
          if (!cell) return <span className="text-muted">–</span>;
          const expected = cell.found + cell.missed;
          return (
            <span className="inline-flex flex-col items-end leading-tight">
              <span>{expected > 0 ? format.percent(cell.found / expected) : "–"}</span>
              <span className="text-xs text-muted">
                {t("fields.counts", {
                  found: format.whole(cell.found),
                  expected: format.whole(expected),
                  extra: format.whole(cell.extra),
                })}
              </span>
            </span>
          );
        },
      }),
    ),
  ];
  return (
    <Panel flush title={t("fields.title", { metric })}>
      <Table label={t("fields.title", { metric })} columns={columns} rows={rows} rowKey={(row) => row.field} />
      {data.more > 0 && <p className="p-4 text-muted">{t("fields.more", { count: data.more })}</p>}
    </Panel>
  );
}
