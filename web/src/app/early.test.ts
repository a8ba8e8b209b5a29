import { beforeEach, expect, test } from "vitest";
import { queryClient } from "@/api/queries";
import { startEarly } from "./early";
import { PAGES } from "./pages";

beforeEach(() => queryClient.clear());

/** What was asked for, whatever came of it. */
const asked = () =>
  queryClient
    .getQueryCache()
    .getAll()
    .map((query) => query.queryKey.join(" "))
    .sort();

test("a page that is opened has its data asked for before its code is there", () => {
  startEarly("/jobs/a/results/compare", "");
  expect(asked()).toEqual(["job a job", "leaderboard a", "me"]);
  startEarly("/jobs/b", "");
  expect(asked()).toEqual(["job a job", "job b job", "leaderboard a", "me"]);
});

test("a link that logs in does so before anything else, and unknown addresses ask only who is there", () => {
  startEarly("/jobs/c", "#code=abc");
  expect(asked()).toEqual([]);
  startEarly("/nothing/here", "");
  expect(asked()).toEqual(["me"]);
});

test("addresses of one part are shown by one component", () => {
  const of = (path: string) => PAGES.find((page) => page.path === path)?.element;
  expect(of("/jobs/:jobId/results")).toBe(of("/jobs/:jobId/results/:view"));
});
