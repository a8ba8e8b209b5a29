import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDownToLine, Pause, Play } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { classes } from "@/ui/classes";
import { Visible } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { useQueryState } from "@/ui/query-state";
import type { Start } from "./job";
import type { LogLine } from "./log-lines";

const LEVELS = ["debug", "info", "warning", "error"] as const;
const LOOKS: Record<LogLine["level"], string> = {
  debug: "text-muted",
  info: "",
  warning: "text-warn",
  error: "text-bad",
};
const LINE_HEIGHT = 20;

/** What engines and services write about the job, as they write it. */
export function Logs({ lines, starts }: { lines: readonly LogLine[]; starts: readonly Start[] }) {
  const { t } = useTranslation("watch");
  const [source, setSource] = useQueryState("source");
  const [level, setLevel] = useQueryState("level", "debug");
  const [text, setText] = useQueryState("log");
  const [held, setHeld] = useState<readonly LogLine[] | null>(null);
  const [follow, setFollow] = useState(true);
  const sources = useMemo(() => [...new Set(lines.map(sourceOf))].sort(), [lines]);
  const shown = useMemo(() => {
    const least = LEVELS.indexOf(level as LogLine["level"]);
    const wanted = text.toLowerCase();
    return (held ?? lines).filter(
      (line) =>
        (!source || sourceOf(line) === source) &&
        (line.left_out > 0 || LEVELS.indexOf(line.level) >= least) &&
        (!wanted || line.text.toLowerCase().includes(wanted)),
    );
  }, [held, lines, source, level, text]);
  const select = "rounded-md border border-line bg-ground px-2 py-1";
  return (
    <Panel
      title={t("logs.title")}
      flush
      actions={
        <>
          <Button small onClick={() => setHeld(held ? null : lines)} aria-pressed={held !== null}>
            {held ? <Play aria-hidden className="size-3" /> : <Pause aria-hidden className="size-3" />}
            {t(held ? "logs.resume" : "logs.pause")}
          </Button>
          <Button small onClick={() => setFollow(!follow)} aria-pressed={follow} kind={follow ? "primary" : "plain"}>
            <ArrowDownToLine aria-hidden className="size-3" />
            {t("logs.follow")}
          </Button>
        </>
      }
    >
      <div className="flex flex-wrap gap-2 border-b border-line p-3">
        <label className="flex items-center gap-2">
          <span className="sr-only">{t("logs.source")}</span>
          <select className={select} value={source} onChange={(event) => setSource(event.target.value)}>
            <option value="">{t("logs.all")}</option>
            {sources.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label className="flex items-center gap-2">
          <span className="sr-only">{t("logs.level")}</span>
          <select className={select} value={level} onChange={(event) => setLevel(event.target.value)}>
            {LEVELS.map((name) => (
              <option key={name} value={name}>
                {t(`logs.levels.${name}`)}
              </option>
            ))}
          </select>
        </label>
        <label className="min-w-40 flex-1">
          <span className="sr-only">{t("logs.text")}</span>
          <input
            type="search"
            className={classes(select, "w-full")}
            placeholder={t("logs.text")}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
      </div>
      <Lines lines={shown} follow={follow && !held} onScrolledUp={() => setFollow(false)} />
      {shown.length === 0 && (
        <p className="p-6 text-center text-muted">
          {t(lines.length > 0 ? "logs.noneLike" : starts.length > 0 ? "logs.noneNow" : "logs.none")}
        </p>
      )}
    </Panel>
  );
}

const sourceOf = (line: LogLine) => (line.source === "engine" && line.name ? `engine: ${line.name}` : line.source);

function Lines({
  lines,
  follow,
  onScrolledUp,
}: {
  lines: readonly LogLine[];
  follow: boolean;
  onScrolledUp: () => void;
}) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const ref = useRef<HTMLDivElement>(null);
  const top = useRef(0);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => ref.current,
    estimateSize: () => LINE_HEIGHT,
    getItemKey: (index) => lines[index]?.place ?? index,
    overscan: 20,
  });
  const last = lines.at(-1)?.place;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last line is what there is to follow
  useEffect(() => {
    if (follow && lines.length > 0) virtualizer.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, last, lines.length]);
  if (lines.length === 0) return null;
  return (
    <div
      ref={ref}
      role="log"
      aria-label={t("logs.title")}
      aria-live="off"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
      tabIndex={0}
      className="h-[24rem] overflow-auto font-mono text-xs"
      onWheel={(event) => event.deltaY < 0 && onScrolledUp()}
      onKeyDown={(event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && onScrolledUp()}
      onTouchMove={() => ref.current && ref.current.scrollTop < top.current && onScrolledUp()}
      onScroll={() => {
        top.current = ref.current?.scrollTop ?? 0;
      }}
    >
      <div className="relative w-full" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (!line) return null;
          return (
            <div
              key={item.key}
              data-index={item.index}
              ref={virtualizer.measureElement}
              className={classes(
                "absolute top-0 left-0 flex w-full gap-3 px-3 py-0.5 hover:bg-raised",
                LOOKS[line.level],
              )}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <time className="shrink-0 text-muted" dateTime={new Date(line.at * 1000).toISOString()}>
                {format.clock(line.at * 1000)}
              </time>
              <span className="hidden w-40 shrink-0 truncate text-muted sm:block" title={sourceOf(line)}>
                {sourceOf(line)}
              </span>
              <span className="foreign min-w-0 flex-1">
                {line.level !== "info" && line.left_out === 0 && (
                  <span className="sr-only">{t(`logs.levels.${line.level}`)}: </span>
                )}
                {line.left_out > 0 ? (
                  <em className="text-muted">{t("logs.leftOut", { count: line.left_out })}</em>
                ) : (
                  <Visible text={line.text} />
                )}
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
