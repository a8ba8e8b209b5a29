import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Run } from "./job";
import type { Live } from "./live";
import { type LogLine, useLog } from "./log-lines";
import { useProgress } from "./progress";

const line = (at: number, text: string): Omit<LogLine, "place"> => ({
  at,
  text,
  level: "info",
  source: "engine",
  name: "m",
  session: "s",
  left_out: 0,
});

test("after a break, lines that the service still knows are there once, and older ones stay", () => {
  const { result } = renderHook(useLog);
  act(() => result.current.take({ first: true, lines: [line(1, "a"), line(2, "b")] }));
  act(() => result.current.take({ first: false, lines: [line(3, "c")] }));
  act(() => result.current.take({ first: true, lines: [line(2, "b"), line(3, "c"), line(4, "d")] }));
  expect(result.current.lines.map((one) => one.text)).toEqual(["a", "b", "c", "d"]);
  act(() => result.current.take({ first: true, lines: [] }));
  expect(result.current.lines.length).toBe(4);
  act(() =>
    result.current.take({ first: false, lines: Array.from({ length: 6000 }, (_, index) => line(5, `${index}`)) }),
  );
  expect(result.current.lines.length).toBe(5000);
  expect(result.current.lines.at(-1)?.text).toBe("5999");
});

const counts = (answered: number) => ({ answered, empty: 0, truncated: 0, refused: 0, failed: 0, withdrawn: 0 });
const run = (answered: number, round = 0) =>
  ({ run_id: "r", round, samples: 100, stage: "inference", status: "running", counts: counts(answered) }) as Run;
const live = (answered: number) =>
  ({
    progress: new Map([
      ["r/1", { run_id: "r", shard: 1, done: answered, samples: 50, counts: counts(answered), agent_id: "a" }],
    ]),
  }) as unknown as Live;

test("progress counts what is in flight, and goes back in another round only", () => {
  const { result, rerender } = renderHook(({ of, now }: { of: Run; now: Live }) => useProgress([of], now), {
    initialProps: { of: run(40), now: live(20) },
  });
  const done = () => result.current.get("r")?.done;
  expect(done()).toBe(60);
  // The shard is done, and the database does not say so yet.
  rerender({ of: run(40), now: { progress: new Map() } as unknown as Live });
  expect(done()).toBe(60);
  rerender({ of: run(90), now: live(50) });
  expect(done()).toBe(100);
  rerender({ of: run(10, 1), now: { progress: new Map() } as unknown as Live });
  expect(done()).toBe(10);
});
