import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { classes } from "@/ui/classes";
import { Visible } from "@/ui/foreign-text";
import { Empty } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Sideways } from "@/ui/sideways";
import { Waiting } from "@/ui/waiting";
import type { SampleRow } from "./data";
import { Outcome } from "./outcome";
import { asQuery, type Filters } from "./sample-filters";

const BLOCK = 100;
const HEIGHT = 32;
/** Browsers do not make anything much higher than this many rows. */
const MOST = 1_000_000;
const PREVIEW = 120;

function blockQuery(runId: string, filters: Filters, block: number) {
  return {
    queryKey: ["samples", runId, filters, block],
    staleTime: 15_000,
    queryFn: () =>
      ok(
        api.GET("/api/v1/runs/{run_id}/samples", {
          params: { path: { run_id: runId }, query: { ...asQuery(filters), offset: block * BLOCK, limit: BLOCK } },
        }),
      ),
  };
}

/** A list of samples of any length: only the rows that are seen are fetched. The keys j and k go down and up. */
export function SampleList({
  runId,
  filters,
  at,
  onOpen,
}: {
  runId: string;
  filters: Filters;
  /** The place of the sample that is open; -1: none. */
  at: number;
  onOpen: (place: number, row: SampleRow) => void;
}) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const ref = useRef<HTMLDivElement>(null);
  const first = useQuery({ ...blockQuery(runId, filters, 0), placeholderData: keepPreviousData });
  const total = first.data?.total ?? 0;
  const virtualizer = useVirtualizer({
    count: Math.min(total, MOST),
    getScrollElement: () => ref.current,
    estimateSize: () => HEIGHT,
    overscan: 8,
  });
  const items = virtualizer.getVirtualItems();
  const seen = [
    ...new Set([...items.map((item) => Math.floor(item.index / BLOCK)), Math.floor(Math.max(at, 0) / BLOCK)]),
  ];
  const blocks = useQueries({ queries: seen.map((block) => blockQuery(runId, filters, block)) });
  const rows = useMemo(() => {
    const found = new Map<number, SampleRow>();
    for (const { data } of blocks) {
      for (const [place, row] of data?.items.entries() ?? []) found.set((data?.offset ?? 0) + place, row);
    }
    return found;
  }, [blocks]);
  const open = (place: number) => {
    const row = rows.get(place);
    if (row) {
      onOpen(place, row);
      virtualizer.scrollToIndex(place, { align: "auto" });
    }
  };
  useKeys({ j: () => open(at < 0 ? 0 : at + 1), k: () => open(at - 1) });

  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins at its beginning
  useEffect(() => {
    if (at > 0) virtualizer.scrollToIndex(at, { align: "center" });
    else ref.current?.scrollTo({ top: 0 });
  }, [runId, filters]);

  if (first.error) return <ProblemNote error={first.error} again={() => void first.refetch()} />;
  if (!first.data) return <Waiting />;
  const metrics = first.data.metrics.slice(0, 3);
  const template = `3.5rem minmax(5rem, 1fr) 6rem minmax(8rem, 3fr) ${metrics.map(() => "5.5rem").join(" ")}`;
  const headers = [t("list.row"), t("list.id"), t("list.outcome"), t("list.text"), ...metrics];
  return (
    <div className={classes("min-w-0", first.isPlaceholderData && "opacity-60")}>
      <p className="px-4 py-2 text-muted" aria-live="polite">
        {t("list.count", { count: total, shown: format.whole(total) })}
        {total > MOST && ` ${t("list.most", { most: format.whole(MOST) })}`}
        <span className="ml-2 hidden lg:inline">{t("list.keys")}</span>
      </p>
      <Sideways scroller={ref}>
        <div
          ref={ref}
          role="table"
          aria-label={t("list.label")}
          aria-rowcount={total + 1}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
          tabIndex={0}
          className="relative h-[70dvh] overflow-auto border-t border-line"
        >
          <div className="min-w-max">
            <div role="rowgroup" className="sticky top-0 z-10 bg-raised">
              <div
                role="row"
                aria-rowindex={1}
                className="grid border-b border-line text-xs font-semibold"
                style={{ gridTemplateColumns: template }}
              >
                {headers.map((header, place) => (
                  <div
                    key={header}
                    role="columnheader"
                    className={classes("truncate px-2 py-2", place > 3 && "text-right")}
                  >
                    {header}
                  </div>
                ))}
              </div>
            </div>
            <div role="rowgroup" className="relative" style={{ height: virtualizer.getTotalSize() }}>
              {items.map((item) => (
                <ListRow
                  key={item.key}
                  place={item.index}
                  start={item.start}
                  row={rows.get(item.index)}
                  metrics={metrics.length}
                  template={template}
                  selected={item.index === at}
                  onOpen={() => open(item.index)}
                />
              ))}
            </div>
          </div>
          {total === 0 && <Empty title={t("list.none")} />}
        </div>
      </Sideways>
    </div>
  );
}

function ListRow({
  place,
  start,
  row,
  metrics,
  template,
  selected,
  onOpen,
}: {
  place: number;
  start: number;
  row: SampleRow | undefined;
  metrics: number;
  template: string;
  selected: boolean;
  onOpen: () => void;
}) {
  const { t } = useTranslation("results");
  const format = useFormat();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the button in the row does the same by keyboard
    <div
      role="row"
      aria-rowindex={place + 2}
      aria-current={selected || undefined}
      onClick={onOpen}
      className={classes(
        "absolute top-0 left-0 grid w-full cursor-pointer items-center border-b border-line hover:bg-raised",
        selected && "bg-raised",
      )}
      style={{ gridTemplateColumns: template, height: HEIGHT, transform: `translateY(${start}px)` }}
    >
      <div role="cell" className="px-2 text-right text-xs text-muted tabular-nums">
        {row ? format.whole(row.row) : "…"}
      </div>
      <div role="cell" className="min-w-0 px-2">
        {row && (
          <button
            type="button"
            className={classes("block w-0 min-w-full truncate text-left hover:underline", selected && "font-semibold")}
            aria-label={t("list.open", { id: row.id.slice(0, PREVIEW) })}
          >
            <OneLine text={row.id} />
          </button>
        )}
      </div>
      <div role="cell" className="px-2">
        {row && <Outcome outcome={row.outcome} />}
      </div>
      <div role="cell" className="min-w-0 px-2 text-muted">
        {/* Takes the room there is, and asks for none. */}
        <span className="block w-0 min-w-full truncate">
          {row &&
            (row.text === null || row.text === undefined ? (
              <OneLine text={row.error ?? ""} />
            ) : (
              <OneLine text={row.text} />
            ))}
        </span>
      </div>
      {Array.from({ length: metrics }, (_, number) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: columns do not move
        <div key={number} role="cell" className="px-2 text-right tabular-nums">
          {row && format.metric(row.values[number])}
        </div>
      ))}
    </div>
  );
}

/** The beginning of a text that is not ours, in one line. */
export function OneLine({ text }: { text: string }) {
  return (
    <span dir="auto" className="[unicode-bidi:isolate]">
      <Visible text={text.slice(0, PREVIEW).replace(/\s+/g, " ")} />
    </span>
  );
}

/** Keys of the page, where no text is written. */
function useKeys(keys: Record<string, () => void>) {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement | null;
      if (event.ctrlKey || event.metaKey || event.altKey || target?.closest("input, select, textarea, dialog")) return;
      now.current[event.key]?.();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}
