import { type ChangeObject, diffChars, diffWordsWithSpace } from "diff";

export interface DiffAsked {
  id: number;
  before: string;
  after: string;
}
export interface DiffPart {
  kind: "equal" | "missing" | "extra";
  text: string;
}
export interface DiffSaid {
  id: number;
  /** null: too different to be told in time. */
  parts: DiffPart[] | null;
}

const MS = 1500;
/** With more pieces than this, letters are confetti and words are read more easily. */
const CONFETTI = 400;

function compared(before: string, after: string): DiffPart[] | null {
  const letters = diffChars(before, after, { timeout: MS });
  const found = letters && letters.length <= CONFETTI ? letters : diffWordsWithSpace(before, after, { timeout: MS });
  return found?.map(part) ?? null;
}

function part({ value, added, removed }: ChangeObject<string>): DiffPart {
  return { kind: added ? "extra" : removed ? "missing" : "equal", text: value };
}

self.onmessage = ({ data }: MessageEvent<DiffAsked>) => {
  const said: DiffSaid = { id: data.id, parts: compared(data.before, data.after) };
  self.postMessage(said);
};
