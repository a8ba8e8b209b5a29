import { expect, test } from "vitest";
import { at, placeOf, read, within, written } from "./document";

const JOB = `# mine
name: mine
models:
  - qwen3-vl-8b
  - name: other # by hand
    backend: openai
tasks:
  - name: read
    prompt: |
      Read
      all.
    metrics: [cer]
`;

test("a change leaves comments and everything else as they are", () => {
  const text = written(JOB, ["tasks", 0, "prompt"], "Read it.");
  expect(text).toContain("# mine");
  expect(text).toContain("name: other # by hand");
  expect(read(text).data).toEqual({
    ...read(JOB).data,
    tasks: [{ name: "read", prompt: "Read it.", metrics: ["cer"] }],
  });
  expect(at(read(written(text, ["tasks", 0, "metrics"], undefined)).data, ["tasks", 0])).toEqual({
    name: "read",
    prompt: "Read it.",
  });
});

test("an empty text grows", () => {
  const text = written(written("", ["name"], "a"), ["tasks"], [{ name: "t" }]);
  expect(read(text).data).toEqual({ name: "a", tasks: [{ name: "t" }] });
});

test("a line and column are a place", () => {
  expect(placeOf(JOB, { message: "", line: 2, column: 7 })).toEqual(["name"]);
  expect(placeOf(JOB, { message: "", line: 4 })).toEqual(["models", 0]);
  expect(placeOf(JOB, { message: "", line: 6, column: 5 })).toEqual(["models", 1, "backend"]);
  expect(placeOf(JOB, { message: "", line: 10, column: 7 })).toEqual(["tasks", 0, "prompt"]);
  expect(placeOf(JOB, { message: "", line: 12, column: 15 })).toEqual(["tasks", 0, "metrics", 0]);
  expect(placeOf(JOB, { message: "", line: 99 })).toEqual([]);
  expect(placeOf(JOB, { message: "" })).toEqual([]);
  expect(within(["tasks", 0, "metrics", 0], ["tasks", 0, "metrics"])).toBe(true);
  expect(within(["tasks", 1], ["tasks", 0])).toBe(false);
});

test("what is no YAML says where", () => {
  const document = read("name: [a\nmodels: ]");
  expect(document.data).toBeNull();
  expect(document.broken?.line).toBeGreaterThan(0);
  expect(read("- a list").data).toBeNull();
});
