import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { ask, Problem } from "@/api/client";
import type { components } from "@/api/schema";
import type { Mistake } from "./document";
import { type Draft, queryOf } from "./draft";

type Checked = components["schemas"]["CheckedJob"];

/** What the service says of a draft. */
export interface Check {
  state: "empty" | "checking" | "fine" | "wrong" | "unknown";
  checked: Checked | null;
  mistakes: Mistake[];
  error: unknown;
}

const PAUSE_MS = 500;

/** Asks the service about a draft, a moment after it was changed. */
export function useCheck(draft: Draft): Check {
  const { text, broken } = draft.document;
  const settled = useSettled(text);
  const query = queryOf(draft);
  const asked = useQuery<{ checked: Checked | null; mistakes: Mistake[] }>({
    queryKey: ["validate", settled, query],
    enabled: settled.trim() !== "" && !broken,
    staleTime: 30_000,
    gcTime: 60_000,
    placeholderData: (before) => before,
    queryFn: async ({ signal }) => {
      try {
        const headers = { "Content-Type": "application/yaml" };
        const said = await ask(`/api/v1/jobs/validate?${query}`, { method: "POST", body: settled, headers, signal });
        return { checked: (await said.json()) as Checked, mistakes: [] };
      } catch (error) {
        // Mistakes are the answer, and no failure to get one.
        if (error instanceof Problem && error.status === 422) {
          const mistakes = error.mistakes.length > 0 ? error.mistakes : [{ message: error.detail }];
          return { checked: null, mistakes };
        }
        throw error;
      }
    },
  });
  return useMemo(() => {
    const nothing = { checked: null, mistakes: [] as Mistake[], error: null };
    if (text.trim() === "") return { ...nothing, state: "empty" };
    if (broken) return { ...nothing, state: "wrong", mistakes: [broken] };
    if (asked.error) return { ...nothing, state: "unknown", error: asked.error };
    // Mistakes of the text before are at places that may be others by now.
    if (settled !== text || asked.isPlaceholderData || !asked.data) return { ...nothing, state: "checking" };
    return { ...asked.data, state: asked.data.checked ? "fine" : "wrong", error: null };
  }, [text, broken, settled, asked.data, asked.error, asked.isPlaceholderData]);
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
