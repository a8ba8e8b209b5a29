import type { Path } from "./document";
import type { Draft } from "./draft";
import type { Schema } from "./schema";

/** What the parts of the form work with. */
export interface Editing {
  draft: Draft;
  schema: Schema | undefined;
  change: (path: Path, value: unknown) => void;
  /** Mistakes at a place, or inside of it; `exactly`: there and not deeper. */
  errors: (path: Path, exactly?: boolean) => string[];
}
