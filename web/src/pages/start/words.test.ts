import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import english from "@/i18n/en/start.json";
import { SHOWN_OF_JOB, SHOWN_OF_MODEL, SHOWN_OF_TASK } from "./shown";

const TOP = join(import.meta.dirname, "../../../..");
const schema = JSON.parse(readFileSync(join(TOP, "schemas/job.json"), "utf-8"));

test("every setting that a form offers is named in words", () => {
  const offered = {
    Job: [Object.keys(schema.properties), SHOWN_OF_JOB],
    ModelEntry: [Object.keys(schema.$defs.ModelEntry.properties), SHOWN_OF_MODEL],
    // Data that are more than a name are written among the other settings.
    TaskEntry: [Object.keys(schema.$defs.TaskEntry.properties), SHOWN_OF_TASK.filter((name) => name !== "dataset")],
  } as const;
  for (const [definition, [fields, shown]] of Object.entries(offered)) {
    const named = Object.keys(english.more.words[definition as keyof typeof offered]);
    expect(named.sort()).toEqual(fields.filter((name) => !(shown as readonly string[]).includes(name)).sort());
  }
});
