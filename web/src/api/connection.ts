import { useSyncExternalStore } from "react";

/** Whether the service answers, as the last request or stream tells. */
let lost = false;
const listeners = new Set<() => void>();

function set(value: boolean) {
  if (lost === value) return;
  lost = value;
  for (const listener of listeners) listener();
}

export const unanswered = () => set(true);
export const answered = () => set(false);

export function useConnectionLost(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => lost,
  );
}
