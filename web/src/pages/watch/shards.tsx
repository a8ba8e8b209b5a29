import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useTheme } from "@/app/theme";
import { useFormat } from "@/i18n/format";
import { Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { ProgressBar } from "@/ui/progress-bar";
import { Waiting } from "@/ui/waiting";
import type { Run } from "./job";
import type { Live, ShardProgress } from "./live";

const LOOK_MS = 5000;
const STATES = ["waiting", "inFlight", "done", "failures"] as const;
type State = (typeof STATES)[number];
const COLOURS: Record<State, string> = {
  waiting: "--line",
  inFlight: "--info",
  done: "--good",
  failures: "--bad",
};
const BIGGEST = 18;
const SMALLEST = 7;
const GAP = 1;

/** The shards of a run: a grid of any number of them, its numbers, and who is in which. */
export function Shards({ run, live }: { run: Run; live: Live }) {
  const { t } = useTranslation("watch");
  const running = run.status === "running" && run.stage === "inference";
  const found = useQuery({
    queryKey: ["job", run.job_id, "shards", run.run_id],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/runs/{run_id}/shards", { signal, params: { path: { run_id: run.run_id } } })),
    refetchInterval: running ? LOOK_MS : false,
  });
  const inFlight = useMemo(() => {
    const mine = new Map<number, ShardProgress>();
    if (running) for (const one of live.progress.values()) if (one.run_id === run.run_id) mine.set(one.shard, one);
    return mine;
  }, [live.progress, run.run_id, running]);
  const completed = live.completed.get(run.run_id);
  const states = useMemo(() => {
    if (!found.data) return null;
    return [...found.data.states].map((state, shard): State => {
      if (state === "f") return "failures";
      if (inFlight.has(shard)) return "inFlight";
      return state === "d" || completed?.has(shard) ? "done" : "waiting";
    });
  }, [found.data, inFlight, completed]);
  return (
    <Panel title={<span className="foreign">{t("shards.title", { run: run.name })}</span>}>
      {states && found.data ? (
        <div className="space-y-4">
          <Legend states={states} />
          <Grid states={states} failed={found.data.failed} inFlight={inFlight} />
          <InFlight inFlight={inFlight} />
        </div>
      ) : found.error ? (
        <ProblemNote error={found.error} />
      ) : (
        <Waiting />
      )}
    </Panel>
  );
}

function count(states: readonly State[]): Record<State, number> {
  const found = { waiting: 0, inFlight: 0, done: 0, failures: 0 };
  for (const state of states) found[state] += 1;
  return found;
}

function Legend({ states }: { states: readonly State[] }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const counts = count(states);
  return (
    <ul className="flex flex-wrap gap-x-5 gap-y-1" aria-label={t("shards.legend")}>
      {STATES.map((state) => (
        <li key={state} className="flex items-center gap-2 tabular-nums">
          <span aria-hidden className="size-3 rounded-sm" style={{ background: `var(${COLOURS[state]})` }} />
          {t(`shards.${state}`)}: {format.whole(counts[state])}
        </li>
      ))}
    </ul>
  );
}

/** Drawn, not made of elements: thousands of shards cost as little as ten. */
function Grid({
  states,
  failed,
  inFlight,
}: {
  states: readonly State[];
  failed: Record<string, number>;
  inFlight: ReadonlyMap<number, ShardProgress>;
}) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [over, setOver] = useState<number | null>(null);
  const [theme] = useTheme();
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const size = Math.max(SMALLEST, Math.min(BIGGEST, Math.floor(Math.sqrt((width * 160) / Math.max(1, states.length)))));
  const columns = Math.max(1, Math.floor(width / size));
  const rows = Math.ceil(states.length / columns);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that are read from the page
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || !width) return;
    const scale = window.devicePixelRatio || 1;
    element.width = width * scale;
    element.height = rows * size * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(element);
    const colours = Object.fromEntries(STATES.map((state) => [state, style.getPropertyValue(COLOURS[state]).trim()]));
    states.forEach((state, shard) => {
      context.fillStyle = colours[state] ?? "";
      context.fillRect((shard % columns) * size, Math.floor(shard / columns) * size, size - GAP, size - GAP);
    });
  }, [states, width, rows, columns, size, theme]);

  const counts = count(states);
  const words = STATES.map((state) => `${t(`shards.${state}`)}: ${format.whole(counts[state])}`).join(", ");
  const state = over === null ? undefined : states[over];
  const flying = over === null ? undefined : inFlight.get(over);
  return (
    <div ref={box}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={t("shards.grid", { words })}
        className="block w-full"
        style={{ height: rows * size }}
        onMouseLeave={() => setOver(null)}
        onMouseMove={(event) => {
          const place = event.currentTarget.getBoundingClientRect();
          const column = Math.floor((event.clientX - place.left) / size);
          const shard = Math.floor((event.clientY - place.top) / size) * columns + column;
          setOver(column < columns && shard < states.length ? shard : null);
        }}
      />
      <p className="mt-1 h-5 truncate text-xs text-muted">
        {over !== null && state !== undefined && (
          <>
            {t("shards.one", { shard: format.whole(over), state: t(`shards.${state}`) })}
            {flying && ` · ${flying.agent_id} · ${format.whole(flying.done)} / ${format.whole(flying.samples)}`}
            {failed[over] !== undefined && ` · ${t("runs.failed", { count: failed[over] })}`}
          </>
        )}
      </p>
    </div>
  );
}

const MOST_SHOWN = 12;

function InFlight({ inFlight }: { inFlight: ReadonlyMap<number, ShardProgress> }) {
  const { t } = useTranslation("watch");
  const format = useFormat();
  if (inFlight.size === 0) return null;
  const shown = [...inFlight.values()].sort((a, b) => a.shard - b.shard).slice(0, MOST_SHOWN);
  return (
    <div>
      <h3 className="mb-2 font-medium">{t("shards.now", { count: inFlight.size })}</h3>
      <ul className="grid gap-x-6 gap-y-2 sm:grid-cols-2 lg:grid-cols-3">
        {shown.map((one) => (
          <li key={one.shard} className="flex min-w-0 items-center gap-2 text-xs tabular-nums">
            <span className="w-12 shrink-0 text-muted">#{format.whole(one.shard)}</span>
            <ProgressBar
              className="min-w-12 flex-1"
              value={one.done}
              max={one.samples}
              label={t("shards.progress", { shard: one.shard })}
            />
            <span className="whitespace-nowrap">
              {format.whole(one.done)} / {format.whole(one.samples)}
            </span>
            <span className="truncate text-muted" title={one.agent_id}>
              {one.agent_id}
            </span>
          </li>
        ))}
      </ul>
      {inFlight.size > MOST_SHOWN && (
        <p className="mt-2 text-xs text-muted">{t("shards.more", { count: inFlight.size - MOST_SHOWN })}</p>
      )}
    </div>
  );
}
