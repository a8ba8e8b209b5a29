import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** A part of a view's state that is kept in its address, so that a link shows the same. Empty: not in it. */
export function useQueryState(name: string, otherwise = ""): [string, (value: string) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (value: string) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          if (value === otherwise) after.delete(name);
          else after.set(name, value);
          return after;
        },
        { replace: true },
      ),
    [name, otherwise, setParams],
  );
  return [params.get(name) ?? otherwise, set];
}
