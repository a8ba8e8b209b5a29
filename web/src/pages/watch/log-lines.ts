import { useCallback, useRef, useState } from "react";

export interface LogLine {
  at: number;
  level: "debug" | "info" | "warning" | "error";
  source: string;
  name: string;
  session: string | null;
  text: string;
  left_out: number;
  /** Counts lines as they came. */
  place: number;
}

const MOST = 5000;

/** Lines of the job's logs, the last ones; older ones stay when the service was started again. */
export function useLog() {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const place = useRef(0);
  const take = useCallback((data: unknown) => {
    const said = data as { first: boolean; lines: Omit<LogLine, "place">[] };
    const fresh = said.lines.map((line) => ({ ...line, place: ++place.current }));
    setLines((before) => {
      const begins = fresh[0]?.at ?? Number.POSITIVE_INFINITY;
      // What is told first is all that the service knows: it takes the place of what is as new.
      const kept = said.first ? before.filter((line) => line.at < begins) : before;
      return [...kept, ...fresh].slice(-MOST);
    });
  }, []);
  return { lines, take };
}
