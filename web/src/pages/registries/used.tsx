import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";
import { Visible } from "@/ui/foreign-text";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";

type Used = components["schemas"]["UsedDataset"];

/** Data sets in storage that jobs used. */
export function UsedDatasets() {
  const { t } = useTranslation("registries");
  const format = useFormat();
  const found = useInfiniteQuery({
    queryKey: ["datasets"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) => ok(api.GET("/api/v1/datasets", { params: { query: { cursor } } })),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const columns: Column<Used>[] = [
    {
      key: "name",
      header: t("column.name"),
      width: "minmax(12rem, 2fr)",
      cell: (one) => (
        <Link className="foreign font-medium text-accent hover:underline" to={`/datasets/${one.digest}`}>
          <Visible text={one.name} />
        </Link>
      ),
    },
    {
      key: "digest",
      header: t("stored.digest"),
      width: "minmax(9rem, 1fr)",
      cell: (one) => (
        <code className="text-xs text-muted" title={`sha256:${one.digest}`}>
          {one.digest.slice(0, 12)}…
        </code>
      ),
    },
    { key: "runs", header: t("stored.runs"), width: "7rem", numeric: true, cell: (one) => format.whole(one.runs) },
    {
      key: "last",
      header: t("stored.last"),
      width: "minmax(13rem, 1fr)",
      cell: (one) => format.moment(one.last_used_at),
    },
  ];
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel flush title={t("stored.title")}>
      {found.error && <ProblemNote error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Waiting />}
      {found.data && rows.length === 0 && <Empty title={t("stored.none")}>{t("stored.noneYet")}</Empty>}
      {rows.length > 0 && (
        <Table
          label={t("stored.title")}
          columns={columns}
          rows={rows}
          rowKey={(one) => one.digest}
          height="40dvh"
          onNearEnd={() => found.hasNextPage && !found.isFetchingNextPage && void found.fetchNextPage()}
        />
      )}
    </Panel>
  );
}
