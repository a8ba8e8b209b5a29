import { useCallback, useEffect, useMemo, useState } from "react";
import { useQueryState } from "@/ui/query-state";
import { type JobDocument, type Path, read, written } from "./document";

const KEPT = "vhb.start.draft";

/** What is asked for beside the job file. */
export interface Wishes {
  limit: number | null;
  skipBadRows: boolean;
  noReuse: boolean;
}

export interface Draft {
  document: JobDocument;
  setText: (text: string) => void;
  change: (path: Path, value: unknown) => void;
  /** The upload that its files are in; empty: none. */
  upload: string;
  setUpload: (id: string) => void;
  wishes: Wishes;
  setWishes: (wishes: Wishes) => void;
}

/** The job that is being written; a reload of the page keeps it. */
export function useDraft(): Draft {
  const [text, setText] = useState(() => sessionStorage.getItem(KEPT) ?? "");
  const [upload, setUpload] = useQueryState("upload");
  const [wishes, setWishes] = useState<Wishes>({ limit: null, skipBadRows: false, noReuse: false });
  useEffect(() => sessionStorage.setItem(KEPT, text), [text]);
  const document = useMemo(() => read(text), [text]);
  const change = useCallback((path: Path, value: unknown) => setText((before) => written(before, path, value)), []);
  return { document, setText, change, upload, setUpload, wishes, setWishes };
}

/** Query of the address that a draft is checked, previewed and handed in at. */
export function queryOf({ upload, wishes }: Pick<Draft, "upload" | "wishes">): string {
  const query = new URLSearchParams();
  if (upload) query.set("upload", upload);
  if (wishes.limit) query.set("limit", String(wishes.limit));
  if (wishes.skipBadRows) query.set("skip_bad_rows", "true");
  if (wishes.noReuse) query.set("no_reuse", "true");
  return query.toString();
}
