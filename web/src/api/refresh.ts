import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";

/** Asks anew for what begins with a key: at once, and then once in a while however often it is wanted. */
export function useRefresh(key: QueryKey, everyMs = 1000): () => void {
  const client = useQueryClient();
  const name = JSON.stringify(key);
  const state = useRef<{ at: number; timer?: ReturnType<typeof setTimeout> }>({ at: 0 });
  useEffect(() => () => clearTimeout(state.current.timer), []);
  return useCallback(() => {
    const now = Date.now();
    const ask = () => {
      state.current = { at: Date.now() };
      void client.invalidateQueries({ queryKey: JSON.parse(name) as QueryKey });
    };
    if (state.current.timer) return;
    const wait = state.current.at + everyMs - now;
    if (wait <= 0) ask();
    else state.current.timer = setTimeout(ask, wait);
  }, [client, name, everyMs]);
}
