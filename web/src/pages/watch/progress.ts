import { useRef } from "react";
import { OUTCOMES } from "@/ui/outcomes";
import type { Run } from "./job";
import type { Live, ShardProgress } from "./live";

/** How far a run is, shards in flight included. */
export interface RunProgress {
  counts: Run["counts"];
  done: number;
  /** Samples a second of late; null: not known. */
  rate: number | null;
  secondsLeft: number | null;
}

const WINDOW_MS = 30_000;
const LEAST_MS = 2_000;

/** How far each run is. Never goes back within a round: what is counted comes by two ways, one later than the other. */
export function useProgress(runs: readonly Run[], live: Live): ReadonlyMap<string, RunProgress> {
  const past = useRef(new Map<string, { round: number; seen: [number, number][] }>());
  const inFlight = byRun(live.progress.values());
  const now = Date.now();
  const found = new Map<string, RunProgress>();
  for (const run of runs) {
    const counts = { ...run.counts };
    if (run.stage === "inference" && run.status === "running") {
      for (const shard of inFlight.get(run.run_id) ?? [])
        for (const name of OUTCOMES) counts[name] += shard.counts[name] ?? 0;
    }
    const sum = Math.min(run.samples, total(counts));
    let known = past.current.get(run.run_id);
    if (!known || known.round !== run.round) {
      known = { round: run.round, seen: [] };
      past.current.set(run.run_id, known);
    }
    const done = Math.max(sum, known.seen.at(-1)?.[1] ?? 0);
    if (!known.seen.length || done !== known.seen.at(-1)?.[1]) known.seen.push([now, done]);
    while (known.seen.length > 2 && now - (known.seen[0]?.[0] ?? now) > WINDOW_MS) known.seen.shift();
    const rate = run.status === "running" && run.stage === "inference" ? rateOf(known.seen, now) : null;
    found.set(run.run_id, { counts, done, rate, secondsLeft: rate ? (run.samples - done) / rate : null });
  }
  return found;
}

export const total = (counts: Run["counts"]) => OUTCOMES.reduce((sum, name) => sum + counts[name], 0);

function rateOf(seen: [number, number][], now: number): number | null {
  const first = seen[0];
  const last = seen.at(-1);
  if (!first || !last || last[1] <= first[1] || now - first[0] < LEAST_MS) return null;
  return (1000 * (last[1] - first[1])) / (now - first[0]);
}

function byRun(progress: Iterable<ShardProgress>): Map<string, ShardProgress[]> {
  const found = new Map<string, ShardProgress[]>();
  for (const one of progress) found.set(one.run_id, [...(found.get(one.run_id) ?? []), one]);
  return found;
}
