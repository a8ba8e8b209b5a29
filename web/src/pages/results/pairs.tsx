import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useChangeQuery } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Choice } from "./choice";
import type { Pair, PairPage } from "./data";
import type { Compared } from "./differences";
import { PairView } from "./pair";
import { Typed } from "./sample-filter-bar";

import { OneLine } from "./sample-list";

const PAGE = 100;
const BETTER = ["", "first", "second", "equal", "different"] as const;
type Better = Exclude<(typeof BETTER)[number], "">;

/** The samples of two of the runs, side by side: those that differ most come first. */
export function Pairs({ runs, result }: { runs: string[]; result: Compared }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const [params] = useSearchParams();
  const set = useChangeQuery();
  const second = runs.includes(params.get("with") ?? "") ? (params.get("with") ?? "") : (runs[1] ?? "");
  const first = runs.find((run) => run !== second) ?? "";
  const metrics = [
    ...new Set(result.matches.flatMap((m) => m.comparisons).flatMap((c) => (c.differences ?? []).map((d) => d.metric))),
  ];
  const metric = params.get("metric") ?? metrics[0] ?? "";
  const better = params.get("better") ?? "";
  const text = params.get("text") ?? "";
  const found = useInfiniteQuery({
    queryKey: ["pairs", first, second, metric, better, text],
    initialPageParam: 0,
    getNextPageParam: (last: PairPage) =>
      last.offset + last.items.length < last.total ? last.offset + PAGE : undefined,
    queryFn: ({ pageParam }) =>
      ok(
        api.GET("/api/v1/comparisons/samples", {
          params: {
            query: {
              first,
              second,
              metric: metric || undefined,
              better: (better || undefined) as Better | undefined,
              text: text || undefined,
              offset: pageParam,
              limit: PAGE,
            },
          },
        }),
      ),
  });
  const names = new Map(result.matches.flatMap((m) => m.runs).map((run) => [run.run_id, run]));
  const name = (run: string) => names.get(run)?.name ?? run;
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  const total = found.data?.pages[0]?.total ?? 0;
  const open = params.get("pair");
  const opened = rows.find((pair) => `${pair.first.row}-${pair.second.row}` === open);
  const columns: Column<Pair>[] = [
    {
      key: "id",
      header: t("list.id"),
      width: "minmax(7rem, 1fr)",
      cell: (pair) => (
        <button type="button" className="block w-0 min-w-full truncate text-left text-accent hover:underline">
          <OneLine text={pair.id} />
        </button>
      ),
    },
    {
      key: "a",
      header: <span className="foreign">{name(first)}</span>,
      width: "minmax(9rem, 2fr)",
      cell: (pair) => <Answer side={pair.first} />,
    },
    {
      key: "b",
      header: <span className="foreign">{name(second)}</span>,
      width: "minmax(9rem, 2fr)",
      cell: (pair) => <Answer side={pair.second} />,
    },
    {
      key: "va",
      header: t("pairs.first"),
      width: "6rem",
      numeric: true,
      cell: (pair) => format.metric(pair.first.value),
    },
    {
      key: "vb",
      header: t("pairs.second"),
      width: "6rem",
      numeric: true,
      cell: (pair) => format.metric(pair.second.value),
    },
    {
      key: "better",
      header: t("pairs.better"),
      width: "9rem",
      cell: (pair) => (
        <span className={pair.better === "equal" || !pair.better ? "text-muted" : "font-medium"}>
          {t(`pairs.is.${pair.better ?? "unknown"}`)}
        </span>
      ),
    },
  ];
  return (
    <Panel flush title={t("pairs.title")}>
      <div className="grid items-end gap-3 p-4 sm:grid-cols-2 lg:grid-cols-4">
        {runs.length > 2 && (
          <Choice
            label={t("pairs.with", { name: name(first) })}
            value={second}
            options={runs.slice(1).map((run) => ({ value: run, text: name(run) }))}
            onChange={(value) => set({ with: value, pair: "" })}
          />
        )}
        <Choice
          label={t("metric")}
          value={metric}
          options={metrics.map((each) => ({ value: each, text: each }))}
          onChange={(value) => set({ metric: value, pair: "" })}
        />
        <Choice
          label={t("pairs.show")}
          value={better}
          options={BETTER.map((each) => ({ value: each as string, text: t(`pairs.filter.${each || "all"}`) }))}
          onChange={(value) => set({ better: value, pair: "" })}
        />
        <Typed label={t("filter.text")} value={text} onChange={(value) => set({ text: value, pair: "" })} search />
      </div>
      {found.error ? (
        <ProblemNote error={found.error} again={() => void found.refetch()} />
      ) : !found.data ? (
        <Waiting label={t("list.preparing")} />
      ) : total === 0 ? (
        <Empty title={t("list.none")} />
      ) : (
        <>
          <p className="px-4 pb-2 text-muted">{t("pairs.count", { count: total, shown: format.whole(total) })}</p>
          <Table
            label={t("pairs.title")}
            columns={columns}
            rows={rows}
            rowKey={(pair) => `${pair.first.row}-${pair.second.row}`}
            selected={open}
            total={total}
            height="45dvh"
            onRow={(pair) => set({ pair: `${pair.first.row}-${pair.second.row}` })}
            onNearEnd={() => {
              if (found.hasNextPage && !found.isFetchingNextPage) void found.fetchNextPage();
            }}
          />
        </>
      )}
      {open && (
        <div className="space-y-3 border-t border-line p-4">
          <div className="flex items-center justify-between gap-2">
            <h3 className="foreign font-semibold">{opened?.id ?? t("pairs.one")}</h3>
            <Button small kind="quiet" onClick={() => set({ pair: "" })}>
              {t("list.close")}
            </Button>
          </div>
          <PairView
            first={first}
            second={second}
            rows={open.split("-").map(Number)}
            names={[name(first), name(second)]}
          />
        </div>
      )}
    </Panel>
  );
}

function Answer({ side }: { side: Pair["first"] }) {
  return (
    <span className="block w-0 min-w-full truncate text-muted">
      <OneLine text={side.text ?? side.error ?? ""} />
    </span>
  );
}
