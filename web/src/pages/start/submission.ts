import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { api, ask, ok, Problem } from "@/api/client";
import type { components } from "@/api/schema";
import { useQueryState } from "@/ui/query-state";
import { type Draft, queryOf } from "./draft";

export type SubmissionState = components["schemas"]["SubmissionState"];

const KEPT = "vhb.start.key";
const LOOK_MS = 700;

/** Handing in, while the data are read: begun by `begin`, gone on with after a reload, in the end at the job's page. */
export function useSubmission(draft: Draft) {
  const navigate = useNavigate();
  const [id, setId] = useQueryState("submission");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const asked = useQuery<SubmissionState>({
    queryKey: ["submissions", id],
    enabled: id !== "",
    queryFn: () => ok(api.GET("/api/v1/submissions/{submission_id}", { params: { path: { submission_id: id } } })),
    refetchInterval: (query) => (isGoing(query.state.data) ? LOOK_MS : false),
  });
  const state = id === "" ? undefined : asked.data;

  useEffect(() => {
    if (state?.job) {
      // The same draft may be handed in again later, as another job.
      sessionStorage.removeItem(KEPT);
      void navigate(`/jobs/${state.job.job_id}`);
    } else if (state && !isGoing(state)) {
      // Its mistakes are told, and the draft can be mended and handed in anew.
      sessionStorage.removeItem(KEPT);
      const [first] = state.problems;
      setError(new Problem(422, first?.message ?? "", state.problems));
      setId("");
    }
  }, [state, navigate, setId]);
  useEffect(() => {
    if (!asked.error) return;
    setError(asked.error);
    setId("");
  }, [asked.error, setId]);

  async function begin() {
    setBusy(true);
    setError(null);
    const address = `/api/v1/submissions?${queryOf(draft)}`;
    const { text } = draft.document;
    const headers = { "Content-Type": "application/yaml", "Idempotency-Key": keyOf(address + text) };
    try {
      const said = await ask(address, { method: "POST", body: text, headers });
      setId(((await said.json()) as SubmissionState).submission_id);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  }

  return { begin, busy: busy || id !== "", error, line: state?.lines.at(-1) ?? null };
}

function isGoing(state: SubmissionState | undefined): boolean {
  return state === undefined || state.state === "waiting" || state.state === "reading";
}

/** The same for the same draft in this window, so that it is handed in once, however often that has to be asked for. */
function keyOf(what: string): string {
  let hash = 0;
  for (const letter of what) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) | 0;
  const of = `${what.length}.${hash}`;
  const [known, key] = (sessionStorage.getItem(KEPT) ?? "").split(" ");
  if (known === of && key) return key;
  const made = crypto.getRandomValues(new Uint32Array(4)).join("-");
  sessionStorage.setItem(KEPT, `${of} ${made}`);
  return made;
}
