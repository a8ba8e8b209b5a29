import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Frame } from "./frame";

type Row = components["schemas"]["AuditEntry"];

/** Requests that were meant to change something, the latest first. */
export default function Audit() {
  const { t } = useTranslation(["settings", "common"]);
  const format = useFormat();
  const may = useMay("admin");
  const found = useInfiniteQuery({
    queryKey: ["audit"],
    enabled: may,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) => ok(api.GET("/api/v1/audit", { params: { query: { cursor, limit: 100 } } })),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  const text = (value: string) => (
    <span className="foreign">
      <Visible text={value} />
    </span>
  );
  const columns: Column<Row>[] = [
    { key: "time", header: t("audit.time"), width: "minmax(13rem, 1fr)", cell: (one) => format.moment(one.time) },
    {
      key: "who",
      header: t("audit.who"),
      width: "minmax(13rem, 1fr)",
      cell: (one) => (
        <>
          {text(one.token)} <span className="text-muted">({t(`common:role.${one.role}`, one.role)})</span>
        </>
      ),
    },
    {
      key: "what",
      header: t("audit.what"),
      width: "minmax(18rem, 3fr)",
      cell: (one) => (
        <code className="text-xs">
          {one.method} {text(one.path)}
        </code>
      ),
    },
    {
      key: "status",
      header: t("audit.status"),
      width: "6rem",
      cell: (one) => <Badge tone={one.status < 400 ? "good" : one.status < 500 ? "warn" : "bad"}>{one.status}</Badge>,
    },
    { key: "about", header: t("audit.about"), width: "minmax(9rem, 1fr)", cell: (one) => text(one.about ?? "") },
    { key: "client", header: t("audit.client"), width: "minmax(8rem, 1fr)", cell: (one) => text(one.client) },
  ];
  return (
    <Frame admin>
      <Panel flush title={t("audit.title")}>
        {found.error && <ProblemNote error={found.error} again={() => void found.refetch()} />}
        {found.isPending && <Waiting />}
        {found.data && (
          <Table
            label={t("audit.title")}
            columns={columns}
            rows={rows}
            rowKey={(one) => String(one.number)}
            onNearEnd={() => found.hasNextPage && !found.isFetchingNextPage && void found.fetchNextPage()}
          />
        )}
      </Panel>
    </Frame>
  );
}
