import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** Changes parts of the address's query; an empty text takes one out. */
export function useChangeQuery(): (changes: Record<string, string>) => void {
  const [, setParams] = useSearchParams();
  return useCallback(
    (changes) => {
      // As it stands now: what was rendered last may lack a change of a moment ago.
      const after = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(changes)) {
        if (value) after.set(name, value);
        else after.delete(name);
      }
      setParams(after, { replace: true });
    },
    [setParams],
  );
}

/** A part of a view's state that is kept in its address, so that a link shows the same. Empty: not in it. */
export function useQueryState(name: string, otherwise = ""): [string, (value: string) => void] {
  const [params] = useSearchParams();
  const change = useChangeQuery();
  const set = useCallback(
    (value: string) => change({ [name]: value === otherwise ? "" : value }),
    [name, otherwise, change],
  );
  return [params.get(name) ?? otherwise, set];
}
