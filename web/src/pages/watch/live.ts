import { useMemo, useReducer } from "react";
import type { components } from "@/api/schema";
import { type StreamMessages, useStream } from "@/api/stream";
import type { Counts } from "@/ui/outcomes";

/** A shard that an agent is in; `vhb_shared.contracts.live`. */
export interface ShardProgress {
  run_id: string;
  shard: number;
  done: number;
  samples: number;
  counts: Counts;
  agent_id: string;
}

export interface Telemetry {
  session: string;
  requests_per_s: number;
  tokens_per_s: number | null;
  in_flight: number;
}

export interface Notice {
  level: "info" | "warning" | "error";
  source: string;
  message: string;
}

export type Warmup = components["schemas"]["BackendWarmup"];

interface News {
  progress: ShardProgress[];
  telemetry: Telemetry[];
  warmup: Warmup[];
  notices: Notice[];
}

/** What a job does just now, as it was heard. */
export interface Live {
  /** By run and shard. */
  progress: ReadonlyMap<string, ShardProgress>;
  /** By session, with when it was heard. */
  telemetry: ReadonlyMap<string, Telemetry & { heard: number }>;
  warmup: ReadonlyMap<string, Warmup>;
  notices: readonly Notice[];
  /** Shards that were completed since the page was opened, by run: newer than what was asked for. */
  completed: ReadonlyMap<string, ReadonlySet<number>>;
}

const NOTHING: Live = {
  progress: new Map(),
  telemetry: new Map(),
  warmup: new Map(),
  notices: [],
  completed: new Map(),
};
const MOST_NOTICES = 50;

type Happened =
  | { kind: "news"; news: News }
  | { kind: "shards"; shards: Record<string, number[]> }
  | { kind: "forget" };

const keyOf = (run: string, shard: number) => `${run}/${shard}`;

function reduce(live: Live, happened: Happened): Live {
  if (happened.kind === "forget") return NOTHING;
  if (happened.kind === "shards") {
    const progress = new Map(live.progress);
    const completed = new Map(live.completed);
    for (const [run, shards] of Object.entries(happened.shards)) {
      const known = new Set(completed.get(run));
      for (const shard of shards) {
        progress.delete(keyOf(run, shard));
        known.add(shard);
      }
      completed.set(run, known);
    }
    return { ...live, progress, completed };
  }
  const { news } = happened;
  const progress = new Map(live.progress);
  for (const one of news.progress) progress.set(keyOf(one.run_id, one.shard), one);
  const telemetry = new Map(live.telemetry);
  for (const one of news.telemetry) telemetry.set(one.session, { ...one, heard: Date.now() });
  const warmup = new Map(live.warmup);
  for (const one of news.warmup) warmup.set(one.session, one);
  const notices = [...live.notices, ...news.notices].slice(-MOST_NOTICES);
  return { ...live, progress, telemetry, warmup, notices };
}

/** Follows a job's live messages; the others are handed on. */
export function useLive(jobId: string, messages: StreamMessages): Live {
  const [live, happen] = useReducer(reduce, NOTHING);
  const query = useMemo(() => ({ job_id: jobId, logs: "true" }), [jobId]);
  useStream(query, {
    ...messages,
    live: (data) => happen({ kind: "news", news: data as News }),
    shards: (data) => {
      happen({ kind: "shards", shards: data.shards });
      messages.shards?.(data);
    },
    reset: (data) => {
      happen({ kind: "forget" });
      messages.reset?.(data);
    },
    open: (again) => {
      // What was in flight before a break may be done: the stream says anew what is.
      if (again) happen({ kind: "forget" });
      messages.open?.(again);
    },
  });
  return live;
}
