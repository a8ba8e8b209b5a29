import { useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";
import { ask } from "@/api/client";
import { useChangeQuery } from "@/ui/query-state";
import { written } from "./document";
import type { Draft } from "./draft";

/** What the address asks to begin with: an old job (`?clone=ID`), or entries of registries (`?model=NAME&task=NAME`). */
export function useBeginnings(draft: Draft): { error: unknown } {
  const [params] = useSearchParams();
  const change = useChangeQuery();
  const [error, setError] = useState<unknown>(null);
  const latest = useRef(draft);
  latest.current = draft;
  const clone = params.get("clone");
  const named = (["model", "task", "dataset", "metric"] as const).map((name) => params.getAll(name).join("\n"));
  const [models, tasks, datasets, metrics] = named;

  // biome-ignore lint/correctness/useExhaustiveDependencies: an address is taken up once, then taken away
  useEffect(() => {
    const gone = () => change({ clone: "", model: "", task: "", dataset: "", metric: "" });
    if (clone) {
      ask(`/api/v1/jobs/${encodeURIComponent(clone)}/job-file`)
        .then(async (said) => {
          latest.current.setText(await said.text());
          gone();
        })
        .catch(setError);
    } else if (models || tasks || datasets || metrics) {
      latest.current.setText(begun(models ?? "", tasks ?? "", datasets ?? "", metrics ?? ""));
      gone();
    }
  }, [clone, models, tasks, datasets, metrics]);
  return { error };
}

function begun(models: string, tasks: string, datasets: string, metrics: string): string {
  const lines = (text: string) => text.split("\n").filter(Boolean);
  let text = written("", ["name"], "mine");
  text = written(text, ["models"], lines(models));
  // A metric alone is a task whose data are still to be chosen.
  const data = datasets || !metrics ? lines(datasets) : [null];
  const own = data.map((dataset) => ({
    name: "read-page",
    ...(dataset === null ? {} : { dataset }),
    prompt: "Read all the text in the image.",
    metrics: metrics ? lines(metrics) : ["cer"],
  }));
  return written(text, ["tasks"], [...lines(tasks), ...own]);
}
