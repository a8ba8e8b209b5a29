import { useEffect, useRef } from "react";
import { answered, unanswered } from "@/api/connection";

/** What the stream sends; docs/api.md, "Watching". */
export interface StreamMessages {
  /** An event, as in `/jobs/ID/events`. */
  event?: (data: unknown) => void;
  /** Shards that were completed since, by run: how many, and which. */
  shards?: (data: { completed: Record<string, number>; shards: Record<string, number[]> }) => void;
  /** The latest word of shards in flight, backends, their starts and notices. */
  live?: (data: unknown) => void;
  /** Log lines, where they were asked for. */
  log?: (data: unknown) => void;
  /** Too much was missed: ask for lists anew. */
  reset?: (data: unknown) => void;
  /** The connection is there, again or for the first time. */
  open?: (again: boolean) => void;
}

const AGAIN_MS = 1500;
/** A browser keeps six connections to a service at most: windows that nobody sees give theirs back. */
const HIDDEN_MS = 30_000;

/**
 * Follows `/api/v1/stream` as long as the component is shown, and goes on after the last event that was seen when the
 * connection breaks, or the service starts again.
 * @param query What is followed: `{ job_id: "..." }`; null: nothing.
 * @param messages What is done with each kind; may change from one rendering to the next.
 */
export function useStream(query: Record<string, string> | null, messages: StreamMessages): void {
  const latest = useRef(messages);
  latest.current = messages;
  const wanted = query && new URLSearchParams(query).toString();
  useEffect(() => {
    if (wanted === null) return;
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let hidden: ReturnType<typeof setTimeout> | undefined;
    let seen: string | null = null;
    let opened = false;

    function open() {
      const address = new URLSearchParams(wanted ?? "");
      if (seen !== null) address.set("after", seen);
      source = new EventSource(`/api/v1/stream?${address}`);
      source.onopen = () => {
        answered();
        latest.current.open?.(opened);
        opened = true;
      };
      source.onerror = () => {
        if (source?.readyState === EventSource.CLOSED) {
          // The service answered something else: a browser does not come back after that.
          timer = setTimeout(open, AGAIN_MS);
        } else if (document.visibilityState === "visible") {
          unanswered();
        }
      };
      for (const kind of ["event", "shards", "live", "log", "reset"] as const) {
        source.addEventListener(kind, (message: MessageEvent<string>) => {
          if (message.lastEventId) seen = message.lastEventId;
          latest.current[kind]?.(JSON.parse(message.data));
        });
      }
    }

    function close() {
      source?.close();
      source = null;
      clearTimeout(timer);
    }

    function onVisibility() {
      clearTimeout(hidden);
      if (document.visibilityState === "hidden") hidden = setTimeout(close, HIDDEN_MS);
      else if (source === null) open();
    }

    open();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(hidden);
      close();
    };
  }, [wanted]);
}
