import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { useTranslation } from "react-i18next";
import { classes } from "@/ui/classes";
import { Sideways } from "@/ui/sideways";

export interface Column<T> {
  key: string;
  header: ReactNode;
  cell: (row: T) => ReactNode;
  /** A track of a CSS grid: `minmax(8rem, 2fr)`. */
  width?: string;
  numeric?: boolean;
  /** Whether its header sorts. */
  sortable?: boolean;
}

export interface Sort {
  key: string;
  descending: boolean;
}

const ROW_HEIGHT = 41;
/** Up to here all rows are in the page, and the table is as high as it needs to be. */
const FEW = 50;

/**
 * A table of any length: only what is seen is in the page. Wider than its place, it scrolls by itself, and shows where there is more.
 * @param onNearEnd Called when the last rows come into sight: the next page may be fetched.
 */
export function Table<T>({
  label,
  columns,
  rows,
  rowKey,
  sort,
  onSort,
  onRow,
  selected,
  onNearEnd,
  height = "70dvh",
  total,
}: {
  label: string;
  columns: Column<T>[];
  rows: readonly T[];
  rowKey: (row: T, index: number) => string;
  sort?: Sort | null;
  onSort?: (sort: Sort) => void;
  onRow?: (row: T) => void;
  selected?: string | null;
  onNearEnd?: () => void;
  height?: string;
  /** How many rows there are, where more than these. */
  total?: number;
}) {
  const { t } = useTranslation();
  const ref = useRef<HTMLDivElement>(null);
  const virtual = rows.length > FEW;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => ref.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    enabled: virtual,
    onChange: (instance) => {
      const last = instance.getVirtualItems().at(-1);
      if (last && last.index >= rows.length - FEW / 2) onNearEnd?.();
    },
  });
  const template = columns.map((column) => column.width ?? "minmax(7rem, 1fr)").join(" ");
  // Head and rows are grids of their own: they agree because no track depends on what is in it.
  const minWidth = `calc(${columns.map(leastWidth).join(" + ")})`;
  const shown = virtual
    ? virtualizer.getVirtualItems().map((item) => ({ index: item.index, start: item.start }))
    : rows.map((_row, index) => ({ index, start: 0 }));

  return (
    <Sideways scroller={ref}>
      <div
        ref={ref}
        role="table"
        aria-label={label}
        aria-rowcount={(total ?? rows.length) + 1}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        tabIndex={0}
        className="relative overflow-auto"
        style={{ maxHeight: virtual ? height : undefined }}
      >
        <div role="rowgroup" className="sticky top-0 z-10" style={{ minWidth }}>
          <div
            role="row"
            aria-rowindex={1}
            className="grid border-b border-line bg-raised text-xs font-semibold"
            style={{ gridTemplateColumns: template }}
          >
            {columns.map((column) => (
              <HeaderCell key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
          </div>
        </div>
        <div
          role="rowgroup"
          className="relative"
          style={{ minWidth, height: virtual ? virtualizer.getTotalSize() : undefined }}
        >
          {shown.map(({ index, start }) => {
            const row = rows[index];
            if (row === undefined) return null;
            const key = rowKey(row, index);
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: a link or button in the row does the same by keyboard
              <div
                key={key}
                role="row"
                tabIndex={-1}
                aria-rowindex={index + 2}
                aria-current={selected === key || undefined}
                data-index={index}
                ref={virtual ? virtualizer.measureElement : undefined}
                onClick={onRow ? () => onRow(row) : undefined}
                className={classes(
                  "grid w-full border-b border-line",
                  virtual && "absolute left-0",
                  onRow && "cursor-pointer hover:bg-raised",
                  selected === key && "bg-raised",
                )}
                style={{ gridTemplateColumns: template, transform: virtual ? `translateY(${start}px)` : undefined }}
              >
                {columns.map((column) => (
                  <div
                    key={column.key}
                    role="cell"
                    className={classes(
                      "min-w-0 self-center px-3 py-2.5 wrap-anywhere",
                      column.numeric && "text-right tabular-nums",
                    )}
                  >
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <p className="p-6 text-center text-muted">{t("table.none")}</p>}
      </div>
    </Sideways>
  );
}

/** The least that a column's track may be. */
function leastWidth<T>({ width = "7rem" }: Column<T>): string {
  return /^minmax\(([^,]+),/.exec(width)?.[1] ?? (/^[\d.]+(rem|px|em)$/.test(width) ? width : "7rem");
}

function HeaderCell<T>({
  column,
  sort,
  onSort,
}: {
  column: Column<T>;
  sort?: Sort | null;
  onSort?: (sort: Sort) => void;
}) {
  const active = sort?.key === column.key ? sort : null;
  const looks = classes("min-w-0 px-3 py-2", column.numeric && "text-right");
  if (!column.sortable || !onSort) {
    return (
      <div role="columnheader" className={looks}>
        {column.header}
      </div>
    );
  }
  return (
    <div
      role="columnheader"
      aria-sort={active ? (active.descending ? "descending" : "ascending") : "none"}
      className={looks}
    >
      <button
        type="button"
        className="inline-flex items-center gap-1 font-semibold hover:text-accent"
        onClick={() => onSort({ key: column.key, descending: active ? !active.descending : (column.numeric ?? false) })}
      >
        {column.header}
        {active &&
          (active.descending ? (
            <ArrowDown aria-hidden className="size-3" />
          ) : (
            <ArrowUp aria-hidden className="size-3" />
          ))}
      </button>
    </div>
  );
}
